/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 8, blame: when does a flow stand still, what was it waiting for, where was that, and why.
 */
#ifndef WHICHHOP_BLAME_BLAME_H
#define WHICHHOP_BLAME_BLAME_H

#include "blame/nat.h"
#include "blame/place.h"
#include "blame/timeline.h"
#include "follow/follow.h"

/* What a stall waited for: copies that went in at one point and did not come to the next, or to
 * the receiver. */
struct vanished {
    uint32_t copies;               /* 0: not known of any */
    uint32_t least_bytes;          /* payload of the smallest that was lost meanwhile */
    unsigned from_point, to_point; /* the same: beyond the outermost capture */
    bool unseen;                   /* before it: their number and size are inferred */
    int64_t first_ns, last_ns;     /* when the first and the last copy went in */
};

/* One stall of one flow: what the verdict is made of. Times are the path's. */
struct finding {
    uint32_t flow;
    int64_t start_ns, end_ns;
    bool resumed;
    bool clipped;    /* seen in part only: the captures asked do not cover it */
    bool united;     /* told by another finding: to be left out */
    int64_t seen_ns; /* of a clipped one: for how long those captures were running in it */
    struct place place;
    enum wh_cause cause;
    enum wh_direction direction;
    enum wh_scope scope;
    double confidence;
    uint64_t bytes_waiting;
    int64_t entered_ns; /* of queueing: when the first packet that came out late had gone in */
    int64_t silence_ns; /* and the longest time in which nothing came out */
    int64_t
        queued_until_ns; /* the latest end of queues up to this finding, while they are sorted */
    bool explained;      /* by a queue of the same flow: to be left out */
    uint32_t caused_by;  /* set by look_across: a finding's index plus one; 0: none */
    struct vanished vanished;
    struct wh_evidence *evidence; /* malloc'ed; texts and frames in the arena, points as added,
                                     frames by pkt.place */
    uint32_t evidence_count, evidence_capacity;
};

struct findings {
    struct finding *items;
    uint32_t count, capacity;
};

struct blame_options {
    int64_t min_stall_ns;
    int64_t epoch_ns; /* evidence tells times since it */
    unsigned point_count;
    unsigned threads;            /* of parallel_run, for a large flow */
    const char *const *names;    /* of the points, as numbered in struct hop */
    const struct nat_signs *nat; /* of all flows; NULL: none */
};

/* Scratch of one thread, kept from flow to flow; zero it first. */
struct blamer {
    struct timeline timeline[2];
    struct nat_signs nat; /* of the flow judged last */
};

/* Appends the stalls of one followed flow, in time order. Evidence and texts
 * come from `arena`. Fails only when memory is out. */
int blame_flow(struct blamer *blamer, const struct flow *flow, uint32_t flow_index,
               const struct followed *followed, const struct blame_options *options,
               struct arena *arena, struct findings *findings, struct wh_error *error);

void blamer_free(struct blamer *blamer);

#endif
