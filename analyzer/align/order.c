/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order of the path: each flow that two points saw in both directions votes which of them is
 * nearer to its server, with the bytes it carried as weight.
 */
#include <stdlib.h>
#include <string.h>

#include "align/joints.h"
#include "align/links.h"

/* ---- votes ----------------------------------------------------------------------------------- */

/* Median over neighbours in time, one packet to the client and one to the server, of the sum of
 * their delays, if a is nearer to the server; false without any. An offset drops out of each sum; a
 * drift of the clocks between the two is as often for as against; a step spoils one sum. */
static bool median_round(const struct pair *pairs, uint32_t count, int64_t *scratch,
                         int64_t *median)
{
    uint32_t n = 0;
    for (uint32_t i = 1; i < count; i++) {
        const struct pair *last = &pairs[i - 1], *pair = &pairs[i];
        if (pair->side != last->side)
            scratch[n++] =
                pair->side == 1 ? pair->later_ns - last->later_ns : last->later_ns - pair->later_ns;
    }
    if (n == 0)
        return false;
    qsort(scratch, n, sizeof *scratch, compare_ns);
    *median = scratch[n / 2];
    return true;
}

/* 1: by TTL, a is nearer to the server; -1: b is; 0: TTL does not tell. A router between the two
 * takes one off, in both directions. */
static int ttl_vote(const struct track_flow *a, const struct track_flow *b)
{
    int from_server = 0, from_client = 0;
    if (a->stream[1].packets && b->stream[1].packets)
        from_server = a->stream[1].ttl_max - b->stream[1].ttl_max;
    if (a->stream[0].packets && b->stream[0].packets)
        from_client = b->stream[0].ttl_max - a->stream[0].ttl_max;
    if (from_server * from_client < 0)
        return 0;
    int sum = from_server + from_client;
    return sum > 0 ? 1 : sum < 0 ? -1 : 0;
}

static int flow_vote(const struct track_flow *a, const struct track_flow *b,
                     const struct pair *pairs, uint32_t count, int64_t *scratch)
{
    int64_t sum_ns;
    int ttl = ttl_vote(a, b);
    if (ttl)
        return ttl;
    if (!median_round(pairs, count, scratch, &sum_ns))
        return 0;
    return sum_ns > 0 ? 1 : sum_ns < 0 ? -1 : 0;
}

static double flow_weight(const struct flow *flow, unsigned point_count,
                          const struct track_flow *view, bool syn_only)
{
    bool votes = !syn_only;
    for (unsigned p = 0; p < point_count && !votes; p++)
        votes = flow->at[p] && flow->at[p]->syn_seen;
    if (!votes)
        return 0;
    return 1 + (double)(view->stream[0].payload_bytes + view->stream[1].payload_bytes);
}

/* Does the flow, which both saw, say that a (the lower numbered point) is nearer to its server? */
static int vote_of(const struct context *context, const struct link *link, uint32_t flow,
                   unsigned a, unsigned b, int64_t *scratch)
{
    const struct flow *item = &context->flows->items[flow];
    uint32_t first = link_first_pair(link, flow);
    return flow_vote(item->at[a], item->at[b], link->pairs.items + first,
                     link->flow_end[flow] - first, scratch);
}

/* Votes are kept: once the path is known, they are asked for again, and to find them is dear. */
static bool count_votes(struct context *context, unsigned a, unsigned b)
{
    struct link *link = link_of(context, a, b);
    int64_t *scratch = array_new(link->pairs.count, sizeof *scratch);
    link->votes = array_new(context->flows->count, sizeof *link->votes);
    bool ok = scratch && link->votes;
    for (uint32_t i = 0; ok && i < context->flows->count; i++) {
        const struct flow *flow = &context->flows->items[i];
        if (!flow->at[a] || !flow->at[b])
            continue;
        link->votes[i] = (int8_t)vote_of(context, link, i, a, b, scratch);
        link->nearer_server +=
            flow_weight(flow, context->count, flow->at[a], context->syn_seen) * link->votes[i];
    }
    link->nearer_server += joints_vote(context->flows, a, b);
    free(scratch);
    return ok;
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Above 0: point a is nearer to the servers than b. */
static double nearer(struct context *context, unsigned a, unsigned b)
{
    double votes = link_of(context, a, b)->nearer_server;
    return a < b ? votes : -votes;
}

/* Puts the points in order by how many of the others each precedes: right whenever the votes are
 * consistent. Returns whether they are. */
static bool order_by_votes(struct context *context, unsigned order[WH_POINTS_MAX])
{
    unsigned count = context->count;
    bool precedes[WH_POINTS_MAX][WH_POINTS_MAX] = {{false}};
    int wins[WH_POINTS_MAX] = {0};
    bool decided = true;
    for (unsigned a = 0; a < count; a++)
        for (unsigned b = 0; b < count; b++)
            precedes[a][b] = a != b && nearer(context, a, b) > 0;
    for (unsigned via = 0; via < count; via++) /* and what follows from that */
        for (unsigned a = 0; a < count; a++)
            for (unsigned b = 0; b < count; b++)
                precedes[a][b] |= precedes[a][via] && precedes[via][b];
    for (unsigned a = 0; a < count; a++)
        for (unsigned b = 0; b < count; b++)
            wins[a] += precedes[a][b] - precedes[b][a];
    for (unsigned i = 1; i < count; i++)
        for (unsigned j = i; j > 0 && wins[order[j]] > wins[order[j - 1]]; j--) {
            unsigned point = order[j];
            order[j] = order[j - 1];
            order[j - 1] = point;
        }
    for (unsigned i = 0; i + 1 < count; i++)
        for (unsigned j = i + 1; j < count; j++)
            decided &= nearer(context, order[i], order[j]) > 0 ||
                       (j > i + 1 && link_of(context, order[i], order[j])->flows == 0);
    return decided;
}

static void order_points(struct context *context, const struct align_options *options,
                         struct alignment *alignment)
{
    const unsigned *fixed = options->order ? options->order : options->given;
    unsigned voted[WH_POINTS_MAX];
    memcpy(voted, options->given, context->count * sizeof *voted);
    bool decided = order_by_votes(context, voted);
    bool same = memcmp(voted, fixed, context->count * sizeof *voted) == 0;
    alignment->found = decided && (same || !options->order);
    alignment->opposed = decided && !same && options->order;
    memcpy(alignment->order, alignment->found ? voted : fixed, context->count * sizeof *voted);
}

/* A flow whose votes go against the path runs the other way. */
static void mark_reversed(struct context *context, const struct alignment *alignment)
{
    for (uint32_t f = 0; f < context->flows->count; f++) {
        int votes = 0;
        for (unsigned i = 0; i + 1 < context->count; i++)
            for (unsigned j = i + 1; j < context->count; j++) {
                unsigned a = alignment->order[i], b = alignment->order[j];
                votes += (a < b ? 1 : -1) * link_of(context, a, b)->votes[f];
            }
        context->flows->items[f].reversed = votes < 0;
    }
    joints_mark_reversed(context->flows, alignment);
}

bool order_find(struct context *context, const struct align_options *options,
                struct alignment *alignment)
{
    for (unsigned a = 0; a < context->count; a++)
        for (unsigned b = a + 1; b < context->count; b++)
            if (!count_votes(context, a, b))
                return false;
    order_points(context, options, alignment);
    mark_reversed(context, alignment);
    return true;
}
