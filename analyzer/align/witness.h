/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Was a point's clock set between two of its packets? What its own capture tells of that. */
#ifndef WHICHHOP_ALIGN_WITNESS_H
#define WHICHHOP_ALIGN_WITNESS_H

#include "align/align.h"

#define OUT_OF_ORDER_NS (5 * NS_PER_MS) /* a capture's own times fall by less without a step */

/* Two packets that follow each other in a point's capture. Times are without the steps known. */
struct seam {
    uint64_t place;               /* of the later one */
    struct point_time last, next; /* as captured */
    int64_t passed_ns;            /* from one to the other, the steps known taken out */
};

/* What lies between two packets of a point's capture. */
struct stretch {
    struct seam least, most; /* where the least time passed, and the most */
    struct seam given;       /* at the place asked for */
    uint32_t seams;
};

/* Looks at (before, after] of the capture, and at the seam before `place`; 0: at none. False when
 * memory is out. */
bool witness_stretch(const struct flows *flows, unsigned point, const struct clock_steps *known,
                     uint64_t before, uint64_t after, uint64_t place, struct stretch *stretch);

/* The timestamp clocks of those who send (RFC 7323, 5.4) are set by nobody: by how much did the
 * point's clock move against them at a place? */
struct testimony {
    unsigned witnesses; /* flows and directions that tell */
    bool both_ways;     /* of flows running either way */
    int64_t median_ns, least_ns, most_ns;
};

struct testimony witness_senders(const struct flows *flows, unsigned point,
                                 const struct clock_steps *known, uint64_t before, uint64_t after);

/* Where a point's clock seems to have been set, by its capture alone: times that fall, or that move
 * otherwise than a sender's clock. Bounds are of places around it. */
struct leap {
    uint64_t before, after;
    int64_t step_ns; /* about */
    bool fell;       /* the times themselves fell: no doubt */
};

/* The first such place of one flow from `from` on, from one packet of a side to its next. */
bool witness_flow_leap(const struct track_flow *view, const struct clock_steps *known,
                       uint64_t from, struct leap *leap);

/* The first of several flows' leaps; those with `after` 0 are none. */
bool witness_first(const struct leap *leaps, uint32_t count, struct leap *leap);

/* Both: the first such place of a point's capture from `from` on: 1, or 0 where there is none; -1:
 * memory is out. `threads`: 0 for as many as there are processors. */
int witness_leap(const struct flows *flows, unsigned point, const struct clock_steps *known,
                 uint64_t from, unsigned threads, struct leap *leap);

#endif
