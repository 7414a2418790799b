/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the legs of a proxy's connections tell of the path: the leg to the server is nearer to the
 * servers, and no byte leaves the proxy before it came. Needed where nothing else ties two points.
 */
#ifndef WHICHHOP_ALIGN_JOINTS_H
#define WHICHHOP_ALIGN_JOINTS_H

#include "align/align.h"

/* How many joints have one leg at `a` and the other at `b`. */
uint32_t joints_between(const struct flows *flows, unsigned a, unsigned b);

/* Above 0: `a` is nearer to the servers; weighted by bytes. */
double joints_vote(const struct flows *flows, unsigned a, unsigned b);

/* The least t_far - t_near of what went from `near` to `far` ([1]) and the least t_near - t_far of
 * what went back ([0]), in the points' own clocks; INT64_MAX: none. */
void joints_lags(const struct flows *flows, unsigned near, unsigned far, int64_t least_ns[2]);

/* Legs run against the path where the leg to the server is the farther one from the servers. */
void joints_mark_reversed(struct flows *flows, const struct alignment *alignment);

#endif
