/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 5, align: the order of the points on the path, and one clock over all of them. Both come
 * from packets that two points saw, and whose identity no clock decides.
 */
#ifndef WHICHHOP_ALIGN_ALIGN_H
#define WHICHHOP_ALIGN_ALIGN_H

#include "match/match.h"

#define CLOCK_STEPS_MAX 24u

/* A clock was set while the capture ran. */
struct clock_step {
    uint64_t place;         /* of the first packet after it, see pkt.place */
    int64_t step_ns;        /* above 0: set forward */
    struct point_time last; /* of the packet before it and of the one after, as captured */
    struct point_time next;
    bool unsure; /* of two points one's clock was set; nothing tells which */
};

struct clock_steps {
    struct clock_step items[CLOCK_STEPS_MAX]; /* in the order of the capture */
    unsigned count;
};

struct alignment {
    unsigned order[WH_POINTS_MAX]; /* place on the path -> point */
    bool found;                    /* false: nothing decided it, the given order stands */
    bool opposed;                  /* the user fixed an order that the captures contradict */
    /* By point: how its times, once straightened, read on the path. The path's clock is that of
     * order[0], as it ran before its first step. */
    struct clock_fit clock[WH_POINTS_MAX];
    struct clock_steps steps[WH_POINTS_MAX]; /* by point */
    bool tied[WH_POINTS_MAX];        /* by point: matched packets tie its clock to the path */
    bool common[WH_POINTS_MAX];      /* by point: it has a flow in common with another one */
    bool contradicts[WH_POINTS_MAX]; /* by point: no clock fits all its packets */
};

struct align_options {
    const unsigned *order; /* the order that the user fixed, or NULL */
    const unsigned *given; /* the order kept where nothing decides it */
    const bool *fixed;     /* by point: the user fixed its clock at offset_ns; or NULL */
    const int64_t *offset_ns;
    unsigned threads; /* 0: as many as there are processors */
};

/* Orders and aligns the points of `flows`, and marks flows that run against the path as reversed.
 * Order: by the sign of (t_B - t_A of packets A to B) + (t_A - t_B of packets B to A), of packets
 * near in time, which no clock changes, and by TTL; the servers' side is where most bytes of flows
 * with a seen SYN are accepted. Offset: with f = t_B - t_A forth and r = t_A - t_B back it lies in
 * [-min f, min r]; zero where that fits, else the middle. Drift and steps: see corridor.h and
 * steps.c. Packets are left as captured: align_straighten takes the steps out of their times.
 * Fails only when memory is out. */
int align_points(struct flows *flows, const struct align_options *options,
                 struct alignment *alignment, struct wh_error *error);

/* Takes the steps found out of all times of a point: of its packets, its flows and its ICMP
 * errors. From then on they are in the order of the capture again. */
void align_straighten(struct track *track, const struct clock_steps *steps);

/* When a step happened, by the point's straightened time: between the packets around it. */
struct point_time align_step_time(const struct clock_steps *steps, unsigned index);

#endif
