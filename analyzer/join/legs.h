/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Could these two be the legs of one connection? In bits, as in match. Private to join. */
#ifndef WHICHHOP_JOIN_LEGS_H
#define WHICHHOP_JOIN_LEGS_H

#include "align/align.h"

/* A flow as a candidate. */
struct leg {
    uint32_t flow;
    uint32_t points; /* a bit for each that saw it */
    uint64_t bytes[2];
    const struct track_flow *view; /* the one with most packets */
    unsigned point;                /* its point */
};

/* What a pair is judged by. */
struct pairing {
    uint32_t server_leg, client_leg; /* indexes of legs */
    bool by_content;
    bool whole; /* both were captured from their beginning */
    double bits;
    unsigned shared; /* windows of content alike */
    uint64_t alike_bytes;
    int64_t both_ways_ns; /* the least times through the proxy, there and back: no clock changes it;
                             below 0 in the wrong orientation */
    unsigned server_point, client_point; /* where it was judged */
    int64_t lag_ns[2];                   /* as in struct joint */
};

/* In how many legs each window was seen. */
struct census {
    uint32_t *hashes; /* sorted, one for each leg that has it */
    uint32_t count, capacity;
};

struct legs {
    struct leg *items;
    uint32_t count, capacity;
    const struct flows *flows;
    const struct alignment *alignment;
    unsigned island[WH_POINTS_MAX]; /* by point: those with one number are tied by flows */
    struct census census;
};

/* On the path; damaged times are cut, so that sums of a few do not overflow. */
#define LEG_TIME_MAX_NS (INT64_MAX / 2)
static inline int64_t leg_cut_ns(int64_t ns)
{
    return ns > LEG_TIME_MAX_NS ? LEG_TIME_MAX_NS : ns < -LEG_TIME_MAX_NS ? -LEG_TIME_MAX_NS : ns;
}

static inline int64_t leg_time_ns(const struct clock_fit *clock, struct point_time at)
{
    return leg_cut_ns(clock_to_path(clock, at).ns);
}

/* Judges the pair in this orientation; false when they are strangers, or when what one of them
 * carried was there before the other could have it. */
bool legs_judge(const struct legs *legs, struct pairing *pairing);

/* Did no point see both, and do their points not lie in between each other? */
bool legs_apart(const struct legs *legs, const struct leg *a, const struct leg *b);

uint32_t census_of(const struct census *census, uint32_t hash);

#endif
