/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stage's steps in their order: pairs, the path's order, steps of clocks, the path's clock. */
#include "align/align.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "align/links.h"
#include "base/error.h"
#include "base/parallel.h"

struct sampling {
    struct context *context;
    const struct alignment *alignment;
    atomic_bool failed;
};

/* The link between two places, the nearer one's number before the farther one's. */
static void sample_link(void *context, unsigned worker, uint32_t item)
{
    struct sampling *sampling = context;
    const unsigned *order = sampling->alignment->order;
    unsigned near = item / sampling->context->count, far = item % sampling->context->count;
    (void)worker;
    if (near < far && !link_sample(sampling->context, order[near], order[far]))
        sampling->failed = true;
}

static bool sample_all(struct context *context, const struct alignment *alignment)
{
    struct sampling sampling = {context, alignment, false};
    parallel_run(context->threads, context->count * context->count, sample_link, &sampling);
    return !sampling.failed;
}

static void mark_common(const struct context *context, struct alignment *alignment)
{
    for (unsigned a = 0; a < context->count; a++)
        for (unsigned b = a + 1; b < context->count; b++)
            if (link_of(context, a, b)->flows)
                alignment->common[a] = alignment->common[b] = true;
}

/* Does a flow that several points saw have a SYN? */
static bool any_syn(const struct flows *flows)
{
    for (uint32_t i = 0; i < flows->count; i++)
        for (unsigned p = 0; p < flows->point_count && flows->items[i].kind != MATCH_SINGLE; p++)
            if (flows->items[i].at[p] && flows->items[i].at[p]->syn_seen)
                return true;
    return false;
}

int align_points(struct flows *flows, const struct align_options *options,
                 struct alignment *alignment, struct wh_error *error)
{
    struct context context = {
        .flows = flows, .count = flows->point_count, .threads = options->threads};
    memset(alignment, 0, sizeof *alignment);
    context.links = array_new((size_t)context.count * context.count, sizeof *context.links);
    context.syn_seen = any_syn(flows);
    bool ok = context.links && links_collect(&context) &&
              order_find(&context, options, alignment) && sample_all(&context, alignment) &&
              steps_find(&context, alignment) && clocks_fit(&context, options, alignment);
    if (ok)
        mark_common(&context, alignment);
    links_free(&context);
    return ok ? WH_OK : error_memory(error, "aligning the points");
}

/* ---- straightening --------------------------------------------------------------------------- */

static void note_ends(struct track_flow *flow)
{
    for (uint32_t i = 0; i < flow->pkt_count; i++) {
        struct point_time time = flow->pkts[i].time;
        flow->first = i == 0 || time.ns < flow->first.ns ? time : flow->first;
        flow->last = i == 0 || time.ns > flow->last.ns ? time : flow->last;
    }
}

void align_straighten(struct track *track, const struct clock_steps *steps)
{
    if (steps->count == 0)
        return;
    for (uint32_t f = 0; f < track->flow_count; f++) {
        struct track_flow *flow = &track->flows[f];
        for (uint32_t i = 0; i < flow->pkt_count; i++)
            flow->pkts[i].time.ns =
                step_straight_ns(steps, flow->pkts[i].place, flow->pkts[i].time.ns);
        note_ends(flow);
    }
    for (uint32_t i = 0; i < track->icmp_count; i++) {
        struct track_icmp *icmp = &track->icmps[i];
        icmp->time.ns = step_straight_ns(steps, icmp->place, icmp->time.ns);
    }
}

struct point_time align_step_time(const struct clock_steps *steps, unsigned index)
{
    const struct clock_step *step = &steps->items[index];
    int64_t after_ns = step_sum_ns(steps, step->place), before_ns = after_ns - step->step_ns;
    int64_t last_ns = clock_within(step->last.ns - before_ns, CLOCK_LIMIT_NS);
    int64_t next_ns = clock_within(step->next.ns - after_ns, CLOCK_LIMIT_NS);
    return (struct point_time){last_ns + (next_ns - last_ns) / 2};
}
