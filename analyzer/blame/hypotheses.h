/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What people suspect when downloads stall behind a firewall guest, and what a set of captures
 * proves or excludes of it. One row a suspicion.
 */
#ifndef WHICHHOP_BLAME_HYPOTHESES_H
#define WHICHHOP_BLAME_HYPOTHESES_H

#include "base/arena.h"
#include "whichhop.h"

/* Fills in `result->hypotheses`, from all the rest of `result`, which must be complete but for its
 * warnings. Each row is supported or excluded with evidence, or undecided with what would decide
 * it. Strings and arrays come from `arena`. Fails only when memory is out. */
int hypotheses_make(struct wh_result *result, struct arena *arena, struct wh_error *error);

#endif
