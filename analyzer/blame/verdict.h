/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From stalls to a verdict: which flows stalled together, which segment and cause cost most. */
#ifndef WHICHHOP_BLAME_VERDICT_H
#define WHICHHOP_BLAME_VERDICT_H

#include "blame/blame.h"

/* Sets each finding's scope: over the flows that had something to move during it, did all, some
 * or only this one stall in that segment? */
void scope_set(struct findings *findings, const struct flows *flows,
               const struct alignment *alignment);

/* Fills in `result->verdict` and the segments' stall times from `result`'s stalls, segments, points
 * and flows, which must be complete. Strings and arrays come from `arena`. Fails only when memory
 * is out. */
int verdict_make(struct wh_result *result, struct wh_segment *segments, struct arena *arena,
                 struct wh_error *error);

#endif
