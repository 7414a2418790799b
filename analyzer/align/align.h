/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 5, align: the order of the points on the path, and one clock over all of them. Both come
 * from packets that two points saw, and whose identity no clock decides.
 */
#ifndef WHICHHOP_ALIGN_ALIGN_H
#define WHICHHOP_ALIGN_ALIGN_H

#include "match/match.h"

struct alignment {
    unsigned order[WH_POINTS_MAX]; /* place on the path -> point */
    bool found;                    /* false: nothing decided it, the given order stands */
    bool opposed;                  /* the user fixed an order that the captures contradict */
    struct clock_fit clock[WH_POINTS_MAX]; /* by point; the path's clock is that of order[0] */
    bool tied[WH_POINTS_MAX];              /* by point: matched packets tie its clock to the path */
    bool common[WH_POINTS_MAX];            /* by point: it has a flow in common with another one */
    bool contradicts[WH_POINTS_MAX];       /* by point: no single offset fits all its packets */
};

struct align_options {
    const unsigned *order; /* the order that the user fixed, or NULL */
    const unsigned *given; /* the order kept where nothing decides it */
    const bool *fixed;     /* by point: the user fixed its clock at offset_ns; or NULL */
    const int64_t *offset_ns;
};

/* Orders and aligns the points of `flows`, and marks flows that run against the path as reversed.
 * Order: by the sign of (t_B - t_A of packets A to B) + (t_A - t_B of packets B to A), which no
 * clock offset changes, and by TTL; the servers' side is where most bytes of flows with a seen SYN
 * are accepted. Offset: with f = t_B - t_A forth and r = t_A - t_B back it lies in
 * [-min f, min r]; zero where that fits, else the middle. Fails only when memory is out. */
int align_points(struct flows *flows, const struct align_options *options,
                 struct alignment *alignment, struct wh_error *error);

#endif
