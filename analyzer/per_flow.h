/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that go flow by flow. */
#ifndef WHICHHOP_PER_FLOW_H
#define WHICHHOP_PER_FLOW_H

#include "analysis.h"

/* Packets that passed a point and that its capture does not have, in the path's clock. */
struct miss {
    int64_t time_ns;
    unsigned point;
    uint32_t packets;
};

struct misses {
    struct miss *items;
    uint32_t count, capacity;
    uint64_t packets; /* of all of them */
};

/* Some flows, one behind the other, and what is found in them. */
struct batch {
    uint32_t first, flow_count; /* flows of the analysis */
    uint64_t packets;
    struct findings findings;
    struct wh_event *events; /* in the order of flows */
    uint32_t event_count, event_capacity;
    uint64_t events_dropped;
    struct misses misses;
    int status;
    struct wh_error error;
};

/* Sums over flows, in any order. */
struct tally {
    struct traffic (*traffic)[2]; /* by segment and direction */
    unsigned segments;
    uint64_t missed[WH_POINTS_MAX]; /* by point */
    uint64_t events[WH_POINTS_MAX][WH_EVENT_KINDS];
};

/* One thread's: scratch for one flow after the other, and its sums. */
struct worker {
    struct followed followed;
    struct blamer blamer;
    struct detect_events detected[WH_POINTS_MAX];
    struct tally tally;
    struct arena arena;  /* texts and frames of what was found */
    struct batch *batch; /* the one under way */
    const struct capture_span *spans;
    const struct blame_options *options;
};

#define EVENTS_MAX 8000000u /* in the list; counts hold all */
#define MISSES_MAX 4000000u /* of a point, or of a batch */

/* flow_events.c: add events of a flow to the worker's batch. False when memory is out.
 * What each point shows of flow number `index`. */
bool flow_events_detect(const struct wh_analysis *analysis, struct worker *worker, uint32_t index);
/* What was lost of it on the way; worker->followed holds it. */
bool flow_events_lost(const struct wh_analysis *analysis, struct worker *worker, uint32_t index);
/* ICMP errors, of all flows. */
bool flow_events_icmp(const struct wh_analysis *analysis, struct worker *worker);

/* tally.c: false when memory is out. */
bool tally_make(struct tally *tally, unsigned segments);
void tally_traffic(struct tally *tally, const struct flow *flow, const struct followed *followed);
/* Adds what passed the segments; the rest is left to the caller. */
void tally_join(struct tally *into, const struct tally *from);
void tally_free(struct tally *tally);

/* False when memory is out. */
bool misses_add(struct misses *misses, struct miss miss);

/* gaps.c: sets each capture's gaps and rate of misses; `found`: there are any. Sorts `misses`. */
int gaps_find(struct wh_analysis *analysis, struct misses *misses, bool *found,
              struct wh_error *error);

/* judge.c: the stalls of a flow, by the captures that can tell. worker->followed holds the flow,
 * followed with worker->spans. */
int judge_flow(const struct wh_analysis *analysis, struct worker *worker, uint32_t index,
               struct wh_error *error);

/* narrow.c: sets the finding's place to the one segment of its span where the flow, followed with
 * all points, shows its cause; leaves it where none or several do. */
void narrow_finding(const struct followed *followed, struct finding *finding);

#endif
