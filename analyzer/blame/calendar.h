/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Findings by what they have in common - a flow, a place - and then by when they began. */
#ifndef WHICHHOP_BLAME_CALENDAR_H
#define WHICHHOP_BLAME_CALENDAR_H

#include "blame/blame.h"

struct beginning {
    uint64_t key;
    int64_t start_ns;
    int64_t latest_ns; /* the last end of those with this key up to this one */
    uint32_t finding;
};

struct calendar {
    struct beginning *items;
    uint32_t count;
};

typedef uint64_t calendar_key(const struct finding *finding);

/* False when memory is out; calendar_free is to be called all the same. */
bool calendar_make(struct calendar *calendar, const struct findings *findings, calendar_key *key);

/* The last one of a key that began by `time_ns`; NULL. */
const struct beginning *calendar_by(const struct calendar *calendar, uint64_t key, int64_t time_ns);

/* The one before it that may last until `time_ns`, of the same key; NULL. */
const struct beginning *calendar_before(const struct calendar *calendar,
                                        const struct beginning *after, int64_t time_ns);

void calendar_free(struct calendar *calendar);

#endif
