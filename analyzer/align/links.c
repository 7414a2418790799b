/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets in common, collected for each two points, and put in the order of the path. */
#include "align/links.h"

#include <limits.h>
#include <stdlib.h>

#include "align/joints.h"
#include "align/witness.h"
#include "base/keyed.h"
#include "base/parallel.h"

#define SAMPLES_WANTED 32768u /* of packets, for each pair of points */
#define LINKS_FULL     32u    /* pairs of points that have so many; more share what these have */
#define PARTS          16u    /* that the flows are taken in, whatever the number of threads */

/* Some of the flows: the pairs of all links, as they come to be put behind each other. */
struct part {
    struct context *context;
    const unsigned *thin; /* by link */
    uint32_t first, end;
    struct pairs *pairs; /* by link */
    struct first_leaps leaps[WH_POINTS_MAX];
    bool ok;
};

/* Of the packets that two points have in common, one out of 1 << this is enough. */
static unsigned thinning(uint64_t packets, uint32_t wanted)
{
    unsigned thin = 0;
    while (packets >> thin > wanted && thin < 20)
        thin++;
    return thin;
}

/* How much all links that a flow crosses may leave out of what a point has of it. */
static unsigned thin_at(const struct part *part, const struct flow *flow, unsigned point)
{
    unsigned least = UINT_MAX;
    for (unsigned other = 0; other < part->context->count; other++) {
        if (other == point || !flow->at[other])
            continue;
        unsigned thin = part->thin[link_index(part->context, point, other)];
        least = thin < least ? thin : least;
    }
    return least;
}

static bool push_leap(struct first_leaps *leaps, const struct leap *leap, uint32_t flow)
{
    uint32_t flows = leaps->count;
    struct leap *added = ARRAY_PUSH(leaps->items, leaps->count, leaps->capacity);
    uint32_t *whose = added ? ARRAY_PUSH(leaps->flows, flows, leaps->flow_capacity) : NULL;
    if (!whose)
        return false;
    *added = *leap;
    *whose = flow;
    return true;
}

/* While the packets are at hand, they are asked for steps of the clock, too. */
static bool add_leap(struct part *part, uint32_t flow, unsigned point)
{
    static const struct clock_steps none = {.count = 0};
    struct leap leap;
    return !witness_flow_leap(part->context->flows->items[flow].at[point], &none, 0, &leap) ||
           push_leap(&part->leaps[point], &leap, flow);
}

static bool collect_flow(struct part *part, uint32_t index, struct choice *choices,
                         struct pair_table *table)
{
    const struct context *context = part->context;
    const struct flow *flow = &context->flows->items[index];
    for (unsigned p = 0; p < context->count; p++) {
        unsigned thin = flow->at[p] ? thin_at(part, flow, p) : UINT_MAX;
        if ((thin != UINT_MAX && !pairs_choose(flow->at[p], thin, &choices[p])) ||
            (flow->at[p] && !add_leap(part, index, p)))
            return false;
    }
    for (unsigned a = 0; a < context->count; a++)
        for (unsigned b = a + 1; b < context->count; b++) {
            unsigned link = link_index(context, a, b);
            if (flow->at[a] && flow->at[b] &&
                !pairs_collect(&choices[a], &choices[b], part->thin[link], table,
                               &part->pairs[link]))
                return false;
            context->links[link].flow_end[index] = part->pairs[link].count; /* in this part */
        }
    return true;
}

static void collect_part(void *context, unsigned worker, uint32_t item)
{
    struct part *part = &((struct part *)context)[item];
    struct choice choices[WH_POINTS_MAX] = {{0}};
    struct pair_table table = {0};
    (void)worker;
    part->ok = true;
    for (uint32_t i = part->first; i < part->end && part->ok; i++)
        part->ok = collect_flow(part, i, choices, &table);
    for (unsigned p = 0; p < WH_POINTS_MAX; p++)
        free(choices[p].pkts);
    pair_table_free(&table);
}

/* Puts the parts' pairs of a link behind each other, which have no place of their own then. */
static bool join_parts(struct context *context, const struct part *parts, unsigned index)
{
    struct link *link = &context->links[index];
    uint64_t count = 0;
    for (unsigned n = 0; n < PARTS; n++)
        count += parts[n].pairs[index].count;
    if (count > UINT32_MAX)
        return false;
    link->pairs.items = array_unset(count, sizeof *link->pairs.items);
    link->pairs.capacity = (uint32_t)count;
    for (unsigned n = 0; link->pairs.items && n < PARTS; n++) {
        struct pairs *pairs = &parts[n].pairs[index];
        for (uint32_t i = parts[n].first; i < parts[n].end; i++)
            link->flow_end[i] += link->pairs.count;
        if (pairs->count)
            memcpy(link->pairs.items + link->pairs.count, pairs->items,
                   pairs->count * sizeof *pairs->items);
        link->pairs.count += pairs->count;
        pairs_free(pairs);
    }
    return link->pairs.items != NULL;
}

static bool join_leaps(struct context *context, const struct part *parts, unsigned point)
{
    for (unsigned n = 0; n < PARTS; n++) {
        const struct first_leaps *leaps = &parts[n].leaps[point];
        for (uint32_t i = 0; i < leaps->count; i++)
            if (!push_leap(&context->leaps[point], &leaps->items[i], leaps->flows[i]))
                return false;
    }
    return true;
}

/* What a flow adds to each link that it crosses. */
static void measure_flow(struct context *context, const struct flow *flow, uint64_t *packets)
{
    unsigned points[WH_POINTS_MAX], count = 0;
    for (unsigned p = 0; p < context->count; p++)
        if (flow->at[p])
            points[count++] = p;
    for (unsigned i = 0; i + 1 < count; i++) {
        uint32_t near_packets = flow->at[points[i]]->pkt_count;
        for (unsigned j = i + 1; j < count; j++) {
            unsigned link = link_index(context, points[i], points[j]);
            context->links[link].flows++;
            packets[link] += near_packets;
        }
    }
}

/* Flows are gone through once, whatever the number of links. */
static bool prepare_links(struct context *context, size_t links, unsigned *thin)
{
    const struct flows *flows = context->flows;
    uint64_t *packets = array_new(links, sizeof *packets);
    bool ok = packets != NULL;
    uint32_t tied = 0;
    for (uint32_t i = 0; ok && i < flows->count; i++)
        measure_flow(context, &flows->items[i], packets);
    for (size_t i = 0; ok && i < links; i++)
        tied += packets[i] != 0;
    uint32_t wanted = tied > LINKS_FULL ? SAMPLES_WANTED * LINKS_FULL / tied : SAMPLES_WANTED;
    for (unsigned a = 0; a < context->count; a++)
        for (unsigned b = a + 1; b < context->count && ok; b++) {
            struct link *link = link_of(context, a, b);
            thin[link_index(context, a, b)] = thinning(packets[link_index(context, a, b)], wanted);
            link->flows += joints_between(flows, a, b);
            link->flow_end = array_new(flows->count, sizeof *link->flow_end);
            ok = link->flow_end != NULL;
        }
    free(packets);
    return ok;
}

/* Shared out by packets: flows may differ by any factor. */
static void cut_parts(const struct flows *flows, struct part parts[PARTS])
{
    uint64_t all = 0, passed = 0;
    uint32_t next = 0;
    for (uint32_t i = 0; i < flows->count; i++)
        all += flow_packets(&flows->items[i], flows->point_count);
    for (unsigned n = 0; n < PARTS; n++) {
        parts[n].first = next;
        while (next < flows->count && (n + 1 == PARTS || passed < all / PARTS * (n + 1)))
            passed += flow_packets(&flows->items[next++], flows->point_count);
        parts[n].end = next;
    }
}

static void leaps_free(struct first_leaps *leaps)
{
    free(leaps->items);
    free(leaps->flows);
}

static void free_parts(struct part *parts, size_t links, unsigned points)
{
    for (unsigned n = 0; parts && n < PARTS; n++) {
        for (size_t i = 0; parts[n].pairs && i < links; i++)
            pairs_free(&parts[n].pairs[i]);
        for (unsigned p = 0; p < points; p++)
            leaps_free(&parts[n].leaps[p]);
        free(parts[n].pairs);
    }
    free(parts);
}

bool links_collect(struct context *context)
{
    struct part *parts = calloc(PARTS, sizeof *parts);
    size_t links = (size_t)context->count * context->count + 1;
    unsigned *thin = calloc(links, sizeof *thin);
    context->leaps = array_new(context->count, sizeof *context->leaps);
    bool ok = parts && thin && context->leaps;
    if (ok)
        cut_parts(context->flows, parts);
    for (unsigned n = 0; n < PARTS && ok; n++) {
        parts[n].context = context;
        parts[n].thin = thin;
        parts[n].pairs = calloc(links, sizeof *parts[n].pairs);
        ok = parts[n].pairs != NULL;
    }
    ok = ok && prepare_links(context, links, thin);
    if (ok)
        parallel_run(context->threads, PARTS, collect_part, parts);
    for (unsigned n = 0; n < PARTS; n++)
        ok = ok && parts[n].ok;
    for (unsigned p = 0; p < context->count && ok; p++)
        ok = join_leaps(context, parts, p);
    for (unsigned a = 0; a < context->count; a++)
        for (unsigned b = a + 1; b < context->count && ok; b++)
            ok = join_parts(context, parts, link_index(context, a, b));
    free_parts(parts, links, context->count);
    free(thin);
    return ok;
}

/* In the order of the near point's capture: no packet is there twice. */
static uint64_t near_place(const void *element)
{
    return ((const struct sample *)element)->place[0];
}

/* Where the near clock was set back, time stands still; where it was set forward, it passes too
 * fast. Neither matters: a straight piece of a corridor ends at a step. */
void samples_set_x(struct sample *samples, uint32_t count)
{
    int64_t now_ns = 0, most_ns = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t passed_ns = i ? samples[i].ns[0] - samples[i - 1].ns[0] : 0;
        passed_ns = clock_within(passed_ns, CLOCK_APART_MAX_NS - most_ns);
        now_ns += passed_ns < -OUT_OF_ORDER_NS ? 0 : passed_ns;
        most_ns = now_ns > most_ns ? now_ns : most_ns;
        samples[i].x_ns = most_ns;
    }
}

bool link_sample(struct context *context, unsigned near, unsigned far)
{
    struct link *link = link_of(context, near, far);
    bool turned = near > far;
    link->sample_count = 0;
    link->samples = array_unset(link->pairs.count, sizeof *link->samples);
    if (!link->samples)
        return false;
    for (uint32_t f = 0; f < context->flows->count; f++) {
        bool reversed = context->flows->items[f].reversed;
        for (uint32_t i = link_first_pair(link, f); i < link->flow_end[f]; i++) {
            const struct pair *pair = &link->pairs.items[i];
            struct sample *sample = &link->samples[link->sample_count++];
            *sample = (struct sample){.outwards = (pair->side == 1) != reversed};
            sample->place[turned] = pair->place[0];
            sample->place[!turned] = pair->place[1];
            sample->ns[turned] = pair->at.ns;
            sample->ns[!turned] = pair->at.ns + pair->later_ns;
        }
    }
    pairs_free(&link->pairs);
    if (!keyed_arrange(link->samples, link->sample_count, sizeof *link->samples, near_place))
        return false;
    samples_set_x(link->samples, link->sample_count);
    return true;
}

void links_free(struct context *context)
{
    for (unsigned i = 0; context->links && i < context->count * context->count; i++) {
        pairs_free(&context->links[i].pairs);
        free(context->links[i].flow_end);
        free(context->links[i].votes);
        free(context->links[i].samples);
    }
    for (unsigned p = 0; context->leaps && p < context->count; p++)
        leaps_free(&context->leaps[p]);
    free(context->leaps);
    free(context->links);
    context->leaps = NULL;
    context->links = NULL;
}
