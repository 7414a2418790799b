/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that go flow by flow. */
#ifndef WHICHHOP_PER_FLOW_H
#define WHICHHOP_PER_FLOW_H

#include "analysis.h"

/* When packets passed a point that its capture does not have, in the path's clock. */
struct misses {
    int64_t *times_ns;
    uint32_t count, capacity;
};

/* Scratch for one flow after the other. */
struct worker {
    struct followed followed;
    struct blamer blamer;
    struct detect_events detected;
    struct misses misses[WH_POINTS_MAX];
    struct capture_span spans[WH_POINTS_MAX];
    struct blame_options options;
};

/* False when memory is out. */
bool misses_add(struct misses *misses, int64_t time_ns);

/* gaps.c: sets each capture's gaps and rate of misses; `found`: there are any. Sorts `misses`. */
int gaps_find(struct wh_analysis *analysis, struct misses *misses, bool *found,
              struct wh_error *error);

/* judge.c: the stalls of a flow, by the captures that can tell. worker->followed holds the flow,
 * followed with worker->spans. */
int judge_flow(struct wh_analysis *analysis, struct worker *worker, uint32_t index,
               struct wh_error *error);

/* narrow.c: sets the finding's place to the one segment of its span where the flow, followed with
 * all points, shows its cause; leaves it where none or several do. */
void narrow_finding(const struct followed *followed, struct finding *finding);

#endif
