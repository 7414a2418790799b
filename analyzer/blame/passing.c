/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Thousands of stalls may ask what passed while they lasted, over as many flows. The moments at
 * which they began are known beforehand, so one walk over the packets answers all of them: of each
 * moment, when the next packet passed.
 */
#include "blame/passing.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/partition.h"

bool passing_add(struct passing *passing, int64_t moment_ns)
{
    int64_t *moment = ARRAY_PUSH(passing->moments, passing->moment_count, passing->moment_capacity);
    if (moment)
        *moment = moment_ns;
    return moment != NULL;
}

void passing_settle(struct passing *passing)
{
    uint32_t kept = 0;
    if (passing->moment_count)
        qsort(passing->moments, passing->moment_count, sizeof(int64_t), compare_ns);
    for (uint32_t i = 0; i < passing->moment_count; i++)
        if (kept == 0 || passing->moments[kept - 1] != passing->moments[i])
            passing->moments[kept++] = passing->moments[i];
    passing->moment_count = kept;
}

/* The last moment at or before a time that no moment is later than; 0 where none is. */
static uint32_t moment_at(const struct passing *passing, int64_t time_ns)
{
    uint32_t later = PARTITION_POINT(i, passing->moment_count, passing->moments[i] <= time_ns);
    return later ? later - 1 : 0;
}

static bool is_in(const struct lane *lane, const struct flow *flow, const struct pkt *pkt)
{
    return ((pkt_side(pkt) == 1) != flow->reversed) == lane->from_servers;
}

static struct hop lane_hop(const struct passing *passing, const struct lane *lane, uint32_t f)
{
    const struct flow *flow = &passing->flows->items[f];
    return (struct hop){.view = flow->at[lane->other] ? flow->at[lane->at] : NULL,
                        .clock = &passing->alignment->clock[lane->at]};
}

static void walk_flow(const struct passing *passing, const struct lane *lane, uint32_t f)
{
    struct hop hop = lane_hop(passing, lane, f);
    uint32_t moment = 0;
    int64_t until_ns = passing->moments[0]; /* the moment after that one */
    if (!hop.view)
        return;
    for (uint32_t i = view_from(&hop, passing->moments[0]); i < hop.view->pkt_count; i++) {
        if (!is_in(lane, &passing->flows->items[f], &hop.view->pkts[i]))
            continue;
        int64_t time_ns = view_time(&hop, i);
        if (time_ns >= until_ns) {
            moment = moment_at(passing, time_ns);
            until_ns = moment + 1 < passing->moment_count ? passing->moments[moment + 1] : NEVER;
        }
        if (time_ns < lane->next_ns[moment])
            lane->next_ns[moment] = time_ns;
        lane->last_flow[moment] = f;
    }
}

static void walk_flows(const struct passing *passing, const struct lane *lane)
{
    for (uint32_t m = 0; m < passing->moment_count; m++)
        lane->next_ns[m] = NEVER;
    for (uint32_t f = 0; f < passing->flows->count; f++)
        walk_flow(passing, lane, f);
    for (uint32_t m = passing->moment_count - 1; m-- > 0;) {
        if (lane->next_ns[m + 1] < lane->next_ns[m])
            lane->next_ns[m] = lane->next_ns[m + 1];
        if (lane->last_flow[m + 1] > lane->last_flow[m])
            lane->last_flow[m] = lane->last_flow[m + 1];
    }
}

static void lane_free(struct lane *lane)
{
    free(lane->next_ns);
    free(lane->last_flow);
    free(lane);
}

const struct lane *passing_lane(struct passing *passing, unsigned at, unsigned other,
                                bool from_servers)
{
    struct lane *lane = passing->lanes;
    while (lane && (lane->at != at || lane->other != other || lane->from_servers != from_servers))
        lane = lane->next;
    if (lane)
        return lane;
    lane = malloc(sizeof *lane);
    if (!lane)
        return NULL;
    *lane = (struct lane){.at = at, .other = other, .from_servers = from_servers};
    lane->next_ns = calloc(passing->moment_count, sizeof *lane->next_ns);
    lane->last_flow = calloc(passing->moment_count, sizeof *lane->last_flow);
    if (!lane->next_ns || !lane->last_flow) {
        lane_free(lane);
        return NULL;
    }
    lane->next = passing->lanes;
    passing->lanes = lane;
    walk_flows(passing, lane);
    return lane;
}

bool lane_used(const struct passing *passing, const struct lane *lane, int64_t from_ns,
               int64_t to_ns)
{
    return lane->next_ns[moment_at(passing, from_ns)] <= to_ns;
}

/* The stretches of one question mostly end alike, with the captures: then the first flow looked at
 * is the one. */
bool lane_last(const struct passing *passing, const struct lane *lane, int64_t from_ns,
               int64_t to_ns, struct wh_frame *frame)
{
    uint32_t after = lane->last_flow[moment_at(passing, from_ns)] + 1;
    if (!lane_used(passing, lane, from_ns, to_ns))
        return false;
    while (after-- > 0) {
        struct hop hop = lane_hop(passing, lane, after);
        if (!hop.view)
            continue;
        for (uint32_t i = view_from(&hop, to_ns + 1); i-- > 0 && view_time(&hop, i) >= from_ns;) {
            const struct pkt *pkt = &hop.view->pkts[i];
            if (!is_in(lane, &passing->flows->items[after], pkt))
                continue;
            *frame = (struct wh_frame){(uint16_t)lane->at, 0, pkt->place};
            return true;
        }
    }
    return false;
}

void passing_free(struct passing *passing)
{
    for (struct lane *lane; (lane = passing->lanes);) {
        passing->lanes = lane->next;
        lane_free(lane);
    }
    free(passing->moments);
    *passing = (struct passing){0};
}
