/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Follow, detect and blame, flow by flow. What is kept of a flow is its events, its stalls and
 * its part in the segments' traffic; the rest is scratch for the next one.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/error.h"
#include "follow/running.h"
#include "per_flow.h"

#define EVENTS_MAX 8000000u /* in the list; counts hold all */

/* ---- traffic --------------------------------------------------------------------------------- */

/* Steps that grow with the value: 1/32 of each power of two. */
static unsigned delay_bucket(int64_t delay_ns)
{
    uint64_t value = delay_ns > 0 ? (uint64_t)delay_ns : 0;
    if (value < DELAY_STEPS)
        return (unsigned)value;
    unsigned power = 63u - (unsigned)__builtin_clzll(value);
    return (power - 4) * DELAY_STEPS + (unsigned)(value >> (power - 5) & (DELAY_STEPS - 1));
}

static void add_delay(struct traffic *traffic, int64_t delay_ns)
{
    traffic->delays[delay_bucket(delay_ns)]++;
    traffic->delay_min_ns = delay_ns < traffic->delay_min_ns ? delay_ns : traffic->delay_min_ns;
    traffic->delay_max_ns = delay_ns > traffic->delay_max_ns ? delay_ns : traffic->delay_max_ns;
}

static void add_hop_traffic(struct wh_analysis *analysis, const struct trail *trail, unsigned k,
                            unsigned side)
{
    const struct hop *hop = &trail->hops[k], *next = hop + 1;
    unsigned low = hop->place < next->place ? hop->place : next->place;
    struct traffic *traffic = &analysis->traffic[low + 1][side ? WH_TO_CLIENT : WH_TO_SERVER];
    for (uint32_t i = 0; i < hop->count; i++) {
        const struct copy *copy = &hop->copies[i];
        traffic->packets += copy->fate != FATE_UNSEEN;
        traffic->lost += copy->fate == FATE_LOST || copy->fate == FATE_PARTLY;
        if (hop_delay_known(hop, i))
            add_delay(traffic, hop_delay(hop, i));
    }
}

/* What enters the path from beyond, or leaves it: all that is known of an outer segment. */
static void add_outer_traffic(struct wh_analysis *analysis, const struct trail *trail,
                              unsigned side, bool up)
{
    const struct hop *first = &trail->hops[0], *last = &trail->hops[trail->hop_count - 1];
    unsigned direction = side ? WH_TO_CLIENT : WH_TO_SERVER;
    analysis->traffic[up ? first->place : first->place + 1][direction].packets += first->count;
    analysis->traffic[up ? last->place + 1 : last->place][direction].packets += last->count;
}

static void add_traffic(struct wh_analysis *analysis, const struct flow *flow,
                        const struct followed *followed)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &followed->trail[side];
        for (unsigned k = 0; k + 1 < trail->hop_count; k++)
            add_hop_traffic(analysis, trail, k, side);
        if (trail->hop_count)
            add_outer_traffic(analysis, trail, side, (side == 1) != flow->reversed);
        for (unsigned k = 0; k < trail->hop_count; k++)
            analysis->captures[trail->hops[k].point].missed += trail->missed[k];
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static bool add_event(struct wh_analysis *analysis, uint32_t flow, unsigned point,
                      const struct pkt *pkt, unsigned kind, struct wh_event event)
{
    analysis->captures[point].events[kind]++;
    analysis->totals[flow].events[kind]++;
    if (analysis->event_count >= EVENTS_MAX) {
        analysis->events_dropped++;
        return true;
    }
    struct wh_event *kept =
        ARRAY_PUSH(analysis->events, analysis->event_count, analysis->event_capacity);
    if (!kept)
        return false;
    event.time_ns = clock_to_path(&analysis->alignment.clock[point], pkt->time).ns;
    event.flow = flow;
    event.frame = pkt->frame;
    event.file = pkt->file;
    event.point = (uint8_t)point;
    event.direction = pkt_side(pkt) ? WH_TO_CLIENT : WH_TO_SERVER;
    event.kind = (uint8_t)kind;
    *kept = event;
    return true;
}

static bool add_detected(struct wh_analysis *analysis, struct worker *worker, uint32_t index,
                         struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        worker->detected.count = 0;
        if (!flow->at[p])
            continue;
        if (detect_flow(flow->at[p], &worker->detected, error))
            return false;
        for (uint32_t i = 0; i < worker->detected.count; i++) {
            const struct detect_event *found = &worker->detected.items[i];
            const struct pkt *pkt = &flow->at[p]->pkts[found->pkt];
            struct wh_event event = {.seq = pkt->seq, .length = pkt->len, .value = found->value};
            if (!add_event(analysis, index, p, pkt, found->kind, event))
                return false;
        }
    }
    return true;
}

/* What passed under another name was not lost: it does not count in the traffic, either. */
static bool add_lost_events(struct wh_analysis *analysis, const struct nat_signs *nat,
                            const struct followed *followed, uint32_t index)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &followed->trail[side];
        for (uint32_t i = 0; i < trail->lost_count; i++) {
            const struct lost_range *range = &trail->lost[i];
            const struct hop *hop = &trail->hops[range->hop];
            unsigned from = hop->place, to = trail->hops[range->to].place;
            unsigned low = from < to ? from : to, high = from < to ? to : from;
            if (nat_passed(nat, &analysis->flows, &analysis->alignment, index, hop, range->copy,
                           trail->hops[range->to].point)) {
                struct traffic *traffic =
                    &analysis->traffic[low + 1][side ? WH_TO_CLIENT : WH_TO_SERVER];
                traffic->lost -= hop->copies[range->copy].fate == FATE_LOST;
                continue;
            }
            struct wh_event event = {.seq = range->seq,
                                     .length = range->length,
                                     .value = low + 1,
                                     .span = (uint8_t)(high - low)};
            if (!add_event(analysis, index, hop->point, hop_pkt(hop, range->copy), WH_EVENT_LOST,
                           event))
                return false;
        }
    }
    return true;
}

/* The side of a view that sent what an ICMP error quotes; -1 when it is not of this flow. */
static int quoted_side(const struct track_flow *view, const struct icmp_quote *quote)
{
    for (unsigned side = 0; view && side < 2; side++)
        if (view->protocol == quote->protocol &&
            memcmp(&view->endpoint[side], &quote->source, sizeof quote->source) == 0 &&
            memcmp(&view->endpoint[!side], &quote->destination, sizeof quote->source) == 0)
            return (int)side;
    return -1;
}

/* A router's word that a packet was too big: an event of the flow it quotes, on its way back to
 * the sender. */
static bool add_too_big(struct wh_analysis *analysis, unsigned point, const struct track_icmp *icmp)
{
    for (uint32_t f = 0; f < analysis->flows.count; f++) {
        const struct track_flow *view = analysis->flows.items[f].at[point];
        int side = quoted_side(view, &icmp->quote);
        if (side < 0)
            continue;
        struct pkt pkt = {.time = icmp->time,
                          .frame = icmp->frame,
                          .file = icmp->file,
                          .flags = side ? 0 : PKT_FROM_SERVER};
        struct wh_event event = {.seq = (int32_t)(icmp->quote.seq - view->stream[side].base),
                                 .length = icmp->quote.ip_bytes,
                                 .value = icmp->quote.mtu};
        return add_event(analysis, f, point, &pkt, WH_EVENT_ICMP_TOO_BIG, event);
    }
    return true;
}

static bool add_icmp_events(struct wh_analysis *analysis)
{
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        const struct track *track = &analysis->captures[p].track;
        for (uint32_t i = 0; i < track->icmp_count; i++)
            if (track->icmps[i].quote.too_big && !add_too_big(analysis, p, &track->icmps[i]))
                return false;
    }
    return true;
}

/* ---- flow by flow ---------------------------------------------------------------------------- */

static bool keep_misses(struct worker *worker)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &worker->followed.trail[side];
        for (uint32_t i = 0; i < trail->miss_count; i++) {
            unsigned point = trail->hops[trail->misses[i].hop].point;
            if (!misses_add(&worker->misses[point], trail->misses[i].time.ns))
                return false;
        }
    }
    return true;
}

static int run_flow(struct wh_analysis *analysis, struct worker *worker, uint32_t index,
                    struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    if (follow_flow(flow, &analysis->alignment, worker->spans, analysis->capture_count,
                    &worker->followed, error))
        return WH_ERROR;
    add_traffic(analysis, flow, &worker->followed);
    if (!keep_misses(worker) || !add_detected(analysis, worker, index, error) ||
        !add_lost_events(analysis, worker->options.nat, &worker->followed, index))
        return error_memory(error, "events");
    return judge_flow(analysis, worker, index, error);
}

static bool prepare(struct wh_analysis *analysis)
{
    unsigned segments = analysis->capture_count + 1;
    analysis->traffic = calloc(segments, sizeof *analysis->traffic);
    analysis->totals = calloc((size_t)analysis->flows.count + 1, sizeof *analysis->totals);
    for (unsigned s = 0; analysis->traffic && s < segments; s++)
        for (unsigned d = 0; d < 2; d++) {
            analysis->traffic[s][d].delay_min_ns = INT64_MAX;
            analysis->traffic[s][d].delay_max_ns = INT64_MIN;
        }
    return analysis->traffic && analysis->totals;
}

/* Takes back what was found, to look again knowing the captures' gaps. */
static void forget(struct wh_analysis *analysis)
{
    for (uint32_t i = 0; i < analysis->findings.count; i++)
        free(analysis->findings.items[i].evidence);
    analysis->findings.count = 0;
    analysis->event_count = 0;
    analysis->events_dropped = 0;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        memset(analysis->captures[p].events, 0, sizeof analysis->captures[p].events);
        analysis->captures[p].missed = 0;
    }
    free(analysis->traffic);
    free(analysis->totals);
    analysis->traffic = NULL;
    analysis->totals = NULL;
}

static bool find_nat(const struct wh_analysis *analysis, struct nat_signs *nat)
{
    struct nat_icmps icmps[WH_POINTS_MAX];
    for (unsigned p = 0; p < analysis->capture_count; p++)
        icmps[p] = (struct nat_icmps){analysis->captures[p].track.icmps,
                                      analysis->captures[p].track.icmp_count};
    return nat_find(&analysis->flows, &analysis->alignment, icmps, nat);
}

static int run_flows(struct wh_analysis *analysis, struct worker *worker, struct wh_error *error)
{
    int status = WH_OK;
    analysis_spans(analysis, worker->spans);
    follow_running(&analysis->flows, &analysis->alignment, worker->spans, analysis->capture_count);
    if (!prepare(analysis))
        return error_memory(error, "flows");
    for (uint32_t i = 0; i < analysis->flows.count && !status; i++)
        status = run_flow(analysis, worker, i, error);
    if (!status && !add_icmp_events(analysis))
        status = error_memory(error, "events");
    return status;
}

/* Most captures miss nothing: then once is enough. */
int per_flow_run(struct wh_analysis *analysis, struct wh_error *error)
{
    struct worker worker = {0};
    const char *names[WH_POINTS_MAX];
    bool gaps = false;
    struct nat_signs nat = {0};
    for (unsigned p = 0; p < analysis->capture_count; p++)
        names[p] = analysis->captures[p].name;
    worker.options = (struct blame_options){.min_stall_ns = analysis->options.min_stall_ns,
                                            .epoch_ns = analysis->epoch.ns,
                                            .point_count = analysis->capture_count,
                                            .names = names,
                                            .nat = &nat};
    int status = find_nat(analysis, &nat) ? run_flows(analysis, &worker, error)
                                          : error_memory(error, "signs of translation");
    if (!status)
        status = gaps_find(analysis, worker.misses, &gaps, error);
    if (!status && gaps) {
        forget(analysis);
        status = run_flows(analysis, &worker, error);
    }
    followed_free(&worker.followed);
    blamer_free(&worker.blamer);
    nat_free(&nat);
    free(worker.detected.items);
    for (unsigned p = 0; p < WH_POINTS_MAX; p++)
        free(worker.misses[p].times_ns);
    return status;
}
