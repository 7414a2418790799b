/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The events of a flow: what each point shows, what was lost on the way, what ICMP says of it. */
#include <stdlib.h>

#include "base/keyed.h"
#include "base/parallel.h"
#include "base/partition.h"
#include "per_flow.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static bool count_event(const struct wh_analysis *analysis, struct worker *worker, uint32_t flow,
                        unsigned point, unsigned kind)
{
    struct flow_totals *totals = &analysis->totals[flow];
    if (!totals->events)
        totals->events = arena_alloc(&worker->arena, WH_EVENT_KINDS, sizeof *totals->events);
    if (!totals->events)
        return false;
    worker->tally.events[point][kind]++;
    totals->events[kind]++;
    return true;
}

/* Adds an event of a flow, which no other thread has, to a batch. */
static bool add_event(const struct wh_analysis *analysis, struct worker *worker, uint32_t flow,
                      unsigned point, const struct pkt *pkt, unsigned kind, struct wh_event event)
{
    struct batch *batch = worker->batch;
    if (!count_event(analysis, worker, flow, point, kind))
        return false;
    if (batch->event_count >= EVENTS_MAX) {
        batch->events_dropped++;
        return true;
    }
    struct wh_event *kept = ARRAY_PUSH(batch->events, batch->event_count, batch->event_capacity);
    if (!kept)
        return false;
    event.time_ns = clock_to_path(&analysis->alignment.clock[point], pkt->time).ns;
    event.flow = flow;
    event.frame = pkt->place; /* events_make finds the file */
    event.point = (uint8_t)point;
    event.direction = pkt_side(pkt) ? WH_TO_CLIENT : WH_TO_SERVER;
    event.kind = (uint8_t)kind;
    *kept = event;
    return true;
}

/* What one point shows is found without the others. */
struct detecting {
    const struct flow *flow;
    struct detect_events *events; /* by point */
    bool failed[WH_POINTS_MAX];
};

static void detect_point(void *context, unsigned worker, uint32_t point)
{
    struct detecting *detecting = context;
    const struct track_flow *view = detecting->flow->at[point];
    struct wh_error ignored; /* memory is out, as the caller says */
    (void)worker;
    detecting->events[point].count = 0;
    if (view)
        detecting->failed[point] = detect_flow(view, &detecting->events[point], &ignored) != WH_OK;
}

bool flow_events_detect(const struct wh_analysis *analysis, struct worker *worker, uint32_t index)
{
    const struct flow *flow = &analysis->flows.items[index];
    struct detecting detecting = {flow, worker->detected, {false}};
    parallel_run(flow_threads(flow, analysis->capture_count, analysis->options.threads),
                 analysis->capture_count, detect_point, &detecting);
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        const struct detect_events *detected = &worker->detected[p];
        if (detecting.failed[p])
            return false;
        for (uint32_t i = 0; i < detected->count; i++) {
            const struct detect_event *found = &detected->items[i];
            const struct pkt *pkt = &flow->at[p]->pkts[found->pkt];
            struct wh_event event = {.seq = pkt->seq, .length = pkt->len, .value = found->value};
            if (!add_event(analysis, worker, index, p, pkt, found->kind, event))
                return false;
        }
    }
    return true;
}

/* What passed under another name was not lost: it does not count in the traffic, either. */
bool flow_events_lost(const struct wh_analysis *analysis, struct worker *worker, uint32_t index)
{
    const struct nat_signs *nat = worker->options->nat;
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &worker->followed.trail[side];
        for (uint32_t i = 0; i < trail->lost_count; i++) {
            const struct lost_range *range = &trail->lost[i];
            const struct hop *hop = &trail->hops[range->hop];
            unsigned from = hop->place, to = trail->hops[range->to].place;
            unsigned low = from < to ? from : to, high = from < to ? to : from;
            if (nat_passed(nat, &analysis->flows, &analysis->alignment, index, hop, range->copy,
                           trail->hops[range->to].point)) {
                struct traffic *traffic =
                    &worker->tally.traffic[low + 1][side ? WH_TO_CLIENT : WH_TO_SERVER];
                traffic->lost -= hop->copies[range->copy].fate == FATE_LOST;
                continue;
            }
            struct wh_event event = {.seq = range->seq,
                                     .length = range->length,
                                     .value = low + 1,
                                     .span = (uint8_t)(high - low)};
            if (!add_event(analysis, worker, index, hop->point, hop_pkt(hop, range->copy),
                           WH_EVENT_LOST, event))
                return false;
        }
    }
    return true;
}

/* The side of a view that sent what an ICMP error quotes; -1 when it is not of this flow. */
static int quoted_side(const struct track_flow *view, const struct icmp_quote *quote)
{
    for (unsigned side = 0; side < 2; side++)
        if (view->protocol == quote->protocol &&
            endpoint_equal(&view->endpoint[side], &quote->source) &&
            endpoint_equal(&view->endpoint[!side], &quote->destination))
            return (int)side;
    return -1;
}

/* The same for both directions. */
static uint64_t ends_key(const struct endpoint *one, const struct endpoint *other)
{
    return XXH3_64bits(one, sizeof *one) + XXH3_64bits(other, sizeof *other);
}

/* The flows of a point by their ends; NULL when memory is out. */
static struct keyed *flows_by_ends(const struct wh_analysis *analysis, unsigned point,
                                   uint32_t *count)
{
    struct keyed *by_ends = array_new(analysis->flows.count, sizeof *by_ends);
    *count = 0;
    for (uint32_t f = 0; by_ends && f < analysis->flows.count; f++) {
        const struct track_flow *view = analysis->flows.items[f].at[point];
        if (view)
            by_ends[(*count)++] =
                (struct keyed){ends_key(&view->endpoint[0], &view->endpoint[1]), f};
    }
    if (by_ends && !keyed_sort(by_ends, *count)) {
        free(by_ends);
        by_ends = NULL;
    }
    return by_ends;
}

/* A router's word that a packet was too big: an event of the flow it quotes, on its way back to
 * the sender. */
static bool add_too_big(const struct wh_analysis *analysis, struct worker *worker, unsigned point,
                        const struct track_icmp *icmp, const struct keyed *by_ends, uint32_t count)
{
    uint64_t key = ends_key(&icmp->quote.source, &icmp->quote.destination);
    for (uint32_t n = PARTITION_POINT(i, count, by_ends[i].key < key);
         n < count && by_ends[n].key == key; n++) {
        uint32_t flow = by_ends[n].index;
        const struct track_flow *view = analysis->flows.items[flow].at[point];
        int side = quoted_side(view, &icmp->quote);
        if (side < 0)
            continue;
        struct pkt pkt = {
            .time = icmp->time, .place = icmp->place, .flags = side ? 0 : PKT_FROM_SERVER};
        struct wh_event event = {.seq = (int32_t)(icmp->quote.seq - view->stream[side].base),
                                 .length = icmp->quote.ip_bytes,
                                 .value = icmp->quote.mtu};
        return add_event(analysis, worker, flow, point, &pkt, WH_EVENT_ICMP_TOO_BIG, event);
    }
    return true;
}

bool flow_events_icmp(const struct wh_analysis *analysis, struct worker *worker)
{
    bool ok = true;
    for (unsigned p = 0; ok && p < analysis->capture_count; p++) {
        const struct track *track = &analysis->captures[p].track;
        uint32_t count = 0;
        struct keyed *by_ends = track->icmp_count ? flows_by_ends(analysis, p, &count) : NULL;
        ok = by_ends || !track->icmp_count;
        for (uint32_t i = 0; ok && i < track->icmp_count; i++)
            ok = !track->icmps[i].quote.too_big ||
                 add_too_big(analysis, worker, p, &track->icmps[i], by_ends, count);
        free(by_ends);
    }
    return ok;
}
