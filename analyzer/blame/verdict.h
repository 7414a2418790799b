/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From stalls to a verdict: which flows stalled together, which segment and cause cost most. */
#ifndef WHICHHOP_BLAME_VERDICT_H
#define WHICHHOP_BLAME_VERDICT_H

#include "blame/blame.h"

/* Looks sideways, at what other flows did at the same time. Sets each finding's scope: over the
 * flows that had something to move during it, did all, some or only this one stall in that
 * segment? And turns loss into an MTU black hole where, again and again, only large packets
 * vanished while smaller ones, of whichever flow, passed. Evidence comes from `arena`. */
void look_sideways(struct findings *findings, const struct flows *flows,
                   const struct alignment *alignment, struct arena *arena);

/* Fills in `result->verdict` and the segments' stall times from `result`'s stalls, segments, points
 * and flows, which must be complete. Strings and arrays come from `arena`. Fails only when memory
 * is out. */
int verdict_make(struct wh_result *result, struct wh_segment *segments, struct arena *arena,
                 struct wh_error *error);

#endif
