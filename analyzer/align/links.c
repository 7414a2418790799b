/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets in common, collected for each two points, and put in the order of the path. */
#include "align/links.h"

#include <stdlib.h>

#include "align/joints.h"
#include "align/witness.h"
#include "base/keyed.h"

#define SAMPLES_WANTED 200000u /* of packets, for each pair of points */

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
    link->flows += joints_between(flows, a, b);
    return true;
}

bool links_collect(struct context *context)
{
    for (unsigned a = 0; a < context->count; a++)
        for (unsigned b = a + 1; b < context->count; b++)
            if (!collect_link(context, a, b))
                return false;
    return true;
}

/* In the order of the near point's capture: no packet is there twice. */
static bool sort_samples(struct link *link)
{
    uint32_t count = link->sample_count;
    struct keyed *keys = malloc(((size_t)count + 1) * sizeof *keys);
    struct sample *sorted = malloc(((size_t)count + 1) * sizeof *sorted);
    for (uint32_t i = 0; keys && i < count; i++)
        keys[i] = (struct keyed){link->samples[i].place[0], i};
    bool ok = keys && sorted && keyed_sort(keys, count);
    for (uint32_t i = 0; ok && i < count; i++)
        sorted[i] = link->samples[keys[i].index];
    free(keys);
    free(ok ? link->samples : sorted);
    link->samples = ok ? sorted : link->samples;
    return ok;
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
    link->samples = calloc((size_t)link->pairs.count + 1, sizeof *link->samples);
    if (!link->samples)
        return false;
    for (uint32_t f = 0; f < context->flows->count; f++) {
        bool reversed = context->flows->items[f].reversed;
        for (uint32_t i = link_first_pair(link, f); i < link->flow_end[f]; i++) {
            const struct pair *pair = &link->pairs.items[i];
            struct sample *sample = &link->samples[link->sample_count++];
            sample->place[turned] = pair->place[0];
            sample->place[!turned] = pair->place[1];
            sample->ns[turned] = pair->at.ns;
            sample->ns[!turned] = pair->at.ns + pair->later_ns;
            sample->outwards = (pair->side == 1) != reversed;
        }
    }
    if (!sort_samples(link))
        return false;
    samples_set_x(link->samples, link->sample_count);
    return true;
}

void links_free(struct context *context)
{
    for (unsigned i = 0; context->links && i < context->count * context->count; i++) {
        pairs_free(&context->links[i].pairs);
        free(context->links[i].flow_end);
        free(context->links[i].samples);
    }
    free(context->links);
    context->links = NULL;
}
