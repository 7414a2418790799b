/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Order: each flow that two points saw in both directions votes which of them is nearer to its
 * server, with the bytes it carried as weight. Clock: from pairs of neighbours on the path so
 * ordered, each packet bounds the offset from one side.
 */
#include "align/align.h"

#include <stdlib.h>
#include <string.h>

#include "align/pairs.h"
#include "base/error.h"

#define SAMPLES_WANTED       200000u          /* of packets, for each pair of points */
#define UNCERTAINTY_FLOOR_NS (2 * NS_PER_US)  /* two readings of one clock on two processors */
#define ONE_SIDED_NS         (50 * NS_PER_MS) /* a guess at a delay that nothing bounds */

/* What two points have in common; a < b, as points are numbered. */
struct link {
    struct pairs pairs;   /* of all their flows, oriented by path after the order is known */
    uint32_t *flow_end;   /* pairs.items[flow_end[i-1]..flow_end[i]] belong to flow number i */
    double nearer_server; /* above 0: a is nearer to the servers, weighted by bytes */
    uint32_t flows;
};

struct context {
    struct flows *flows;
    unsigned count;
    struct link *links; /* count * count, of which [a * count + b] with a < b is used */
    bool syn_seen;      /* some flow has a SYN: only those vote */
};

static struct link *link_of(struct context *context, unsigned a, unsigned b)
{
    return &context->links[a < b ? a * context->count + b : b * context->count + a];
}

/* ---- votes ----------------------------------------------------------------------------------- */

static int compare_ns(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* Median of later_ns over the pairs sent by `side`; false without any. */
static bool median_later(const struct pair *pairs, uint32_t count, unsigned side, int64_t *scratch,
                         int64_t *median)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++)
        if (pairs[i].side == side)
            scratch[n++] = pairs[i].later_ns;
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
    int64_t to_client, to_server;
    int ttl = ttl_vote(a, b);
    if (ttl)
        return ttl;
    if (!median_later(pairs, count, 1, scratch, &to_client) ||
        !median_later(pairs, count, 0, scratch, &to_server))
        return 0;
    int64_t sum = to_client - to_server;
    return sum > 0 ? 1 : sum < 0 ? -1 : 0;
}

static double flow_weight(const struct flow *flow, unsigned point_count,
                          const struct track_flow *view, bool syn_only)
{
    bool syn_seen = false;
    for (unsigned p = 0; p < point_count; p++)
        syn_seen |= flow->at[p] && flow->at[p]->syn_seen;
    if (syn_only && !syn_seen)
        return 0;
    return 1 + (double)(view->stream[0].payload_bytes + view->stream[1].payload_bytes);
}

/* ---- collecting ------------------------------------------------------------------------------ */

static unsigned thinning(const struct flows *flows, unsigned a, unsigned b)
{
    uint64_t packets = 0;
    for (uint32_t i = 0; i < flows->count; i++)
        if (flows->items[i].at[a] && flows->items[i].at[b])
            packets += flows->items[i].at[a]->pkt_count;
    unsigned thin = 0;
    while (packets >> thin > SAMPLES_WANTED && thin < 20)
        thin++;
    return thin;
}

static bool collect_link(struct context *context, unsigned a, unsigned b)
{
    struct link *link = link_of(context, a, b);
    struct flows *flows = context->flows;
    unsigned thin = thinning(flows, a, b);
    link->flow_end = calloc((size_t)flows->count + 1, sizeof *link->flow_end);
    if (!link->flow_end)
        return false;
    for (uint32_t i = 0; i < flows->count; i++) {
        const struct flow *flow = &flows->items[i];
        if (flow->at[a] && flow->at[b]) {
            link->flows++;
            if (!pairs_collect(flow->at[a], flow->at[b], thin, &link->pairs))
                return false;
        }
        link->flow_end[i] = link->pairs.count;
    }
    return true;
}

static uint32_t first_pair(const struct link *link, uint32_t flow)
{
    return flow ? link->flow_end[flow - 1] : 0;
}

/* Does the flow say that a (the lower numbered point) is nearer to its own server? */
static int vote_of(const struct context *context, const struct link *link, uint32_t flow,
                   unsigned a, unsigned b, int64_t *scratch)
{
    const struct flow *item = &context->flows->items[flow];
    if (!item->at[a] || !item->at[b])
        return 0;
    uint32_t first = first_pair(link, flow);
    return flow_vote(item->at[a], item->at[b], link->pairs.items + first,
                     link->flow_end[flow] - first, scratch);
}

static bool count_votes(struct context *context, unsigned a, unsigned b)
{
    struct link *link = link_of(context, a, b);
    int64_t *scratch = malloc(((size_t)link->pairs.count + 1) * sizeof *scratch);
    if (!scratch)
        return false;
    for (uint32_t i = 0; i < context->flows->count; i++) {
        const struct flow *flow = &context->flows->items[i];
        if (flow->at[a] && flow->at[b])
            link->nearer_server +=
                flow_weight(flow, context->count, flow->at[a], context->syn_seen) *
                vote_of(context, link, i, a, b, scratch);
    }
    free(scratch);
    return true;
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
static bool mark_reversed(struct context *context, const struct alignment *alignment)
{
    uint32_t most = 0;
    for (unsigned i = 0; i < context->count * context->count; i++)
        most = context->links[i].pairs.count > most ? context->links[i].pairs.count : most;
    int64_t *scratch = malloc(((size_t)most + 1) * sizeof *scratch);
    if (!scratch)
        return false;
    for (uint32_t f = 0; f < context->flows->count; f++) {
        int votes = 0;
        for (unsigned i = 0; i + 1 < context->count; i++)
            for (unsigned j = i + 1; j < context->count; j++) {
                unsigned a = alignment->order[i], b = alignment->order[j];
                int vote = vote_of(context, link_of(context, a, b), f, a < b ? a : b, a < b ? b : a,
                                   scratch);
                votes += a < b ? vote : -vote;
            }
        context->flows->items[f].reversed = votes < 0;
    }
    free(scratch);
    return true;
}

/* ---- clocks ---------------------------------------------------------------------------------- */

/* Bounds of the offset that is added to the farther point's clock to read the nearer one's. */
struct bounds {
    int64_t low_ns, high_ns;
    bool has_low, has_high;
};

/* Every packet arrives after it was sent: one that goes from near to far bounds the offset from
 * below, one that comes back from above. */
static void bound(struct bounds *bounds, int64_t later_ns, bool outwards)
{
    if (outwards && (!bounds->has_low || -later_ns > bounds->low_ns)) {
        bounds->low_ns = -later_ns;
        bounds->has_low = true;
    }
    if (!outwards && (!bounds->has_high || -later_ns < bounds->high_ns)) {
        bounds->high_ns = -later_ns;
        bounds->has_high = true;
    }
}

static struct bounds find_bounds(struct context *context, unsigned near, unsigned far)
{
    struct bounds bounds = {0};
    const struct link *link = link_of(context, near, far);
    for (uint32_t f = 0; f < context->flows->count; f++) {
        bool reversed = context->flows->items[f].reversed;
        for (uint32_t i = first_pair(link, f); i < link->flow_end[f]; i++) {
            const struct pair *pair = &link->pairs.items[i];
            int64_t later_ns = near < far ? pair->later_ns : -pair->later_ns;
            bound(&bounds, later_ns, (pair->side == 1) != reversed);
        }
    }
    return bounds;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The offset within the bounds: zero where it fits (captures of one host share a clock). */
static struct clock_fit choose_offset(const struct bounds *bounds, bool *contradicts)
{
    struct clock_fit fit = {0};
    int64_t low = bounds->low_ns, high = bounds->high_ns;
    *contradicts = false;
    if (bounds->has_low && bounds->has_high) {
        *contradicts = low > high + 2 * UNCERTAINTY_FLOOR_NS;
        bool zero_fits = low <= UNCERTAINTY_FLOOR_NS && high >= -UNCERTAINTY_FLOOR_NS;
        fit.offset_ns = zero_fits ? 0 : low + (high - low) / 2;
        fit.uncertainty_ns = larger(llabs(high - fit.offset_ns), llabs(fit.offset_ns - low));
    } else { /* bounded from one side only: how far off it is on the other, nobody knows */
        int64_t known = bounds->has_low ? low : high;
        bool zero_fits = bounds->has_low ? low <= 0 : high >= 0;
        fit.offset_ns = zero_fits ? 0 : known;
        fit.uncertainty_ns = larger(ONE_SIDED_NS, llabs(known - fit.offset_ns));
    }
    fit.uncertainty_ns = larger(fit.uncertainty_ns, UNCERTAINTY_FLOOR_NS);
    return fit;
}

/* With this offset, would packets arrive before they were sent? */
static bool out_of_bounds(const struct bounds *bounds, int64_t offset_ns)
{
    return (bounds->has_low && offset_ns < bounds->low_ns - UNCERTAINTY_FLOOR_NS) ||
           (bounds->has_high && offset_ns > bounds->high_ns + UNCERTAINTY_FLOOR_NS);
}

/* Each point takes its clock from the nearest point before it on the path with packets in common.
 */
static void align_clocks(struct context *context, const struct align_options *options,
                         struct alignment *alignment)
{
    for (unsigned i = 0; i < context->count; i++) {
        unsigned far = alignment->order[i];
        struct clock_fit *clock = &alignment->clock[far];
        alignment->tied[far] = i == 0;
        bool fixed = options->fixed && options->fixed[far];
        if (fixed) {
            *clock = (struct clock_fit){.offset_ns = options->offset_ns[far],
                                        .uncertainty_ns = UNCERTAINTY_FLOOR_NS};
            alignment->tied[far] = true;
        }
        for (unsigned j = i; j-- > 0;) {
            unsigned near = alignment->order[j];
            struct bounds bounds = find_bounds(context, near, far);
            if (!bounds.has_low && !bounds.has_high)
                continue;
            if (fixed) {
                int64_t offset_ns = clock->offset_ns - alignment->clock[near].offset_ns;
                alignment->contradicts[far] = out_of_bounds(&bounds, offset_ns);
                break;
            }
            struct clock_fit fit = choose_offset(&bounds, &alignment->contradicts[far]);
            clock->offset_ns = alignment->clock[near].offset_ns + fit.offset_ns;
            clock->uncertainty_ns = alignment->clock[near].uncertainty_ns + fit.uncertainty_ns;
            alignment->tied[far] = true;
            break;
        }
    }
}

int align_points(struct flows *flows, const struct align_options *options,
                 struct alignment *alignment, struct wh_error *error)
{
    struct context context = {.flows = flows, .count = flows->point_count};
    int status = WH_ERROR;
    memset(alignment, 0, sizeof *alignment);
    context.links = calloc((size_t)context.count * context.count + 1, sizeof *context.links);
    if (!context.links)
        goto cleanup;
    for (uint32_t i = 0; i < flows->count; i++)
        for (unsigned p = 0; p < context.count; p++)
            context.syn_seen |= flows->items[i].at[p] && flows->items[i].at[p]->syn_seen &&
                                flows->items[i].kind != MATCH_SINGLE;
    for (unsigned a = 0; a < context.count; a++)
        for (unsigned b = a + 1; b < context.count; b++)
            if (!collect_link(&context, a, b) || !count_votes(&context, a, b))
                goto cleanup;
    order_points(&context, options, alignment);
    if (!mark_reversed(&context, alignment))
        goto cleanup;
    align_clocks(&context, options, alignment);
    for (unsigned a = 0; a < context.count; a++)
        for (unsigned b = a + 1; b < context.count; b++)
            if (link_of(&context, a, b)->flows)
                alignment->common[a] = alignment->common[b] = true;
    status = WH_OK;
cleanup:
    for (unsigned i = 0; context.links && i < context.count * context.count; i++) {
        pairs_free(&context.links[i].pairs);
        free(context.links[i].flow_end);
    }
    free(context.links);
    return status ? error_memory(error, "aligning the points") : WH_OK;
}
