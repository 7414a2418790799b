/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is known of each cause and of each usual suspicion, in words: the one source for what the
 * reports say of them, for `whichhop explain`, and for docs/causes.md.
 */
#ifndef WHICHHOP_BLAME_KNOWLEDGE_H
#define WHICHHOP_BLAME_KNOWLEDGE_H

#include "whichhop.h"

/* None is NULL. `title`: of a cause, what happened, without a capital and a full stop; of a
 * suspicion, its name. The others are whole sentences. */
struct knowledge {
    const char *id; /* as in report.json */
    const char *title;
    const char *meaning;
    const char *proof;     /* what the captures must show for it */
    const char *exclusion; /* what in the captures speaks against it */
    const char *capture;   /* what to capture, or to look at, next */
    const char *action;    /* what to do about it */
};

/* Never NULL: an unknown number is WH_CAUSE_UNKNOWN. */
const struct knowledge *knowledge_of_cause(enum wh_cause cause);
/* By its id; NULL where there is none. */
const struct knowledge *knowledge_of_suspicion(const char *id);
/* The table of suspicions, in the order of the report. */
const struct knowledge *knowledge_suspicions(size_t *count);

#endif
