/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Follow, detect and blame, flow by flow, on all processors. What is kept of a flow is its events,
 * its stalls and its part in the segments' traffic; the rest is scratch for the next one.
 */
#define _GNU_SOURCE /* qsort_r */
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/error.h"
#include "base/parallel.h"
#include "follow/running.h"
#include "per_flow.h"

#define BATCH_PACKETS 32768u /* over all points: enough to be worth a thread's taking */
#define BATCH_FLOWS   256u

/* ---- flow by flow ---------------------------------------------------------------------------- */

static bool keep_misses(struct worker *worker)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &worker->followed.trail[side];
        for (uint32_t i = 0; i < trail->miss_count; i++) {
            const struct missed_packet *missed = &trail->misses[i];
            unsigned point = trail->hops[missed->hop].point;
            if (!misses_add(&worker->batch->misses,
                            (struct miss){missed->time.ns, point, missed->packets}))
                return false;
        }
    }
    return true;
}

/* While the flow is at hand: with very many, looking for all of them again takes long. */
static void add_totals(const struct wh_analysis *analysis, uint32_t index)
{
    const struct flow *flow = &analysis->flows.items[index];
    struct flow_totals *totals = &analysis->totals[index];
    totals->start_ns = INT64_MAX;
    totals->end_ns = INT64_MIN;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        const struct track_flow *view = flow->at[p];
        if (!view || !view->pkt_count)
            continue;
        int64_t first_ns = since_epoch(analysis, p, view->first);
        int64_t last_ns = since_epoch(analysis, p, view->last);
        if (first_ns < totals->start_ns) {
            totals->start_ns = first_ns;
            totals->first_place = view->pkts[0].place;
        }
        totals->end_ns = last_ns > totals->end_ns ? last_ns : totals->end_ns;
        for (unsigned side = 0; side < 2; side++)
            if (view->stream[side].payload_bytes > totals->bytes[side])
                totals->bytes[side] = view->stream[side].payload_bytes;
    }
}

static int run_flow(const struct wh_analysis *analysis, struct worker *worker, uint32_t index,
                    struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    if (follow_flow(flow, &analysis->alignment, worker->spans, analysis->capture_count,
                    &worker->followed, error))
        return WH_ERROR;
    add_totals(analysis, index);
    tally_traffic(&worker->tally, flow, &worker->followed);
    if (!keep_misses(worker) || !flow_events_detect(analysis, worker, index) ||
        !flow_events_lost(analysis, worker, index))
        return error_memory(error, "events");
    return judge_flow(analysis, worker, index, error);
}

/* ---- batches of flows ------------------------------------------------------------------------ */

/* What all threads look at, and one worker for each of them. */
struct work {
    struct wh_analysis *analysis;
    struct worker *workers;
    unsigned worker_count;
    struct batch *batches; /* by flow; the one behind the last is for what is no flow's */
    uint32_t batch_count, batch_capacity;
    uint32_t *largest_first; /* batches in the order in which they are taken */
    uint64_t packets;        /* of all of them */
    struct blame_options options;
};

/* Which flows are a batch does not depend on the threads, nor does what is found in it. */
static bool make_batches(struct work *work)
{
    const struct wh_analysis *analysis = work->analysis;
    struct batch *batch = NULL;
    for (uint32_t i = 0; i <= analysis->flows.count; i++) {
        bool last = i == analysis->flows.count;
        if (!batch || last || batch->packets >= BATCH_PACKETS || batch->flow_count == BATCH_FLOWS) {
            batch = ARRAY_PUSH(work->batches, work->batch_count, work->batch_capacity);
            if (!batch)
                return false;
            *batch = (struct batch){.first = i};
        }
        if (last)
            break;
        batch->flow_count++;
        uint64_t packets = flow_packets(&analysis->flows.items[i], analysis->capture_count);
        batch->packets += packets;
        work->packets += packets;
    }
    return true;
}

static int compare_batches(const void *left, const void *right, void *context)
{
    const struct batch *batches = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (batches[a].packets != batches[b].packets)
        return batches[a].packets > batches[b].packets ? -1 : 1;
    return a < b ? -1 : a > b;
}

static bool order_batches(struct work *work)
{
    work->largest_first = malloc(work->batch_count * sizeof *work->largest_first);
    for (uint32_t i = 0; work->largest_first && i < work->batch_count; i++)
        work->largest_first[i] = i;
    if (work->largest_first)
        qsort_r(work->largest_first, work->batch_count, sizeof *work->largest_first,
                compare_batches, work->batches);
    return work->largest_first != NULL;
}

static bool make_workers(struct work *work)
{
    unsigned segments = work->analysis->capture_count + 1;
    work->worker_count = parallel_threads(work->analysis->options.threads);
    work->workers = calloc(work->worker_count, sizeof *work->workers);
    for (unsigned w = 0; work->workers && w < work->worker_count; w++) {
        work->workers[w].spans = work->analysis->spans;
        work->workers[w].followed.threads = work->analysis->options.threads;
        work->workers[w].options = &work->options;
        if (!tally_make(&work->workers[w].tally, segments))
            return false;
    }
    return work->workers != NULL;
}

/* A flow that has more than half of the packets is followed once: there is but one. */
static void keep_largest(struct work *work, struct worker *worker, uint32_t index)
{
    struct wh_analysis *analysis = work->analysis;
    const struct flow *flow = &analysis->flows.items[index];
    if (2 * flow_packets(flow, analysis->capture_count) <= work->packets ||
        worker->followed.spans != worker->spans)
        return;
    analysis->largest = worker->followed;
    analysis->largest_index = index;
    worker->followed = (struct followed){.threads = analysis->options.threads};
}

static void run_batch(void *context, unsigned index, uint32_t item)
{
    struct work *work = context;
    struct worker *worker = &work->workers[index];
    struct batch *batch = worker->batch = &work->batches[work->largest_first[item]];
    for (uint32_t i = 0; i < batch->flow_count && !batch->status; i++) {
        batch->status = run_flow(work->analysis, worker, batch->first + i, &batch->error);
        keep_largest(work, worker, batch->first + i);
    }
}

/* ICMP errors are of any flow: once no thread has one any more. */
static void run_last_batch(struct work *work)
{
    struct worker *worker = &work->workers[0];
    struct batch *batch = worker->batch = &work->batches[work->batch_count - 1];
    if (!flow_events_icmp(work->analysis, worker))
        batch->status = error_memory(&batch->error, "events");
}

static void free_work(struct work *work)
{
    for (unsigned w = 0; work->workers && w < work->worker_count; w++) {
        struct worker *worker = &work->workers[w];
        arena_join(&work->analysis->arena, &worker->arena);
        followed_free(&worker->followed);
        blamer_free(&worker->blamer);
        tally_free(&worker->tally);
        for (unsigned p = 0; p < WH_POINTS_MAX; p++)
            free(worker->detected[p].items);
    }
    for (uint32_t b = 0; b < work->batch_count; b++) {
        struct batch *batch = &work->batches[b];
        for (uint32_t i = 0; i < batch->findings.count; i++)
            free(batch->findings.items[i].evidence);
        free(batch->findings.items);
        free(batch->events);
        free(batch->misses.items);
    }
    free(work->workers);
    free(work->batches);
    free(work->largest_first);
    work->workers = NULL;
    work->batches = NULL;
    work->largest_first = NULL;
    work->batch_count = work->batch_capacity = 0;
    work->packets = 0;
}

/* All flows, each batch for itself. The first batch's error is told, whoever came first. */
static int run_flows(struct work *work, struct wh_error *error)
{
    struct wh_analysis *analysis = work->analysis;
    analysis_spans(analysis, analysis->spans);
    follow_running(&analysis->flows, &analysis->alignment, analysis->spans,
                   analysis->capture_count);
    followed_free(&analysis->largest); /* the run before did not know of gaps */
    free(analysis->totals);
    analysis->totals = array_new(analysis->flows.count, sizeof *analysis->totals);
    if (!analysis->totals || !make_batches(work) || !order_batches(work) || !make_workers(work))
        return error_memory(error, "flows");
    parallel_run(work->worker_count, work->batch_count, run_batch, work);
    run_last_batch(work);
    for (uint32_t b = 0; b < work->batch_count; b++)
        if (work->batches[b].status) {
            if (error)
                *error = work->batches[b].error;
            return WH_ERROR;
        }
    return WH_OK;
}

/* ---- putting it together --------------------------------------------------------------------- */

static bool collect_misses(const struct work *work, struct misses misses[WH_POINTS_MAX])
{
    for (uint32_t b = 0; b < work->batch_count; b++)
        for (uint32_t i = 0; i < work->batches[b].misses.count; i++) {
            struct miss miss = work->batches[b].misses.items[i];
            if (!misses_add(&misses[miss.point], miss))
                return false;
        }
    return true;
}

static bool collect_events(struct wh_analysis *analysis, struct work *work)
{
    uint64_t room = 0;
    for (uint32_t b = 0; b < work->batch_count; b++)
        room += work->batches[b].event_count;
    room = room < EVENTS_MAX ? room : EVENTS_MAX;
    analysis->events = array_unset(room, sizeof *analysis->events);
    for (uint32_t b = 0; analysis->events && b < work->batch_count; b++) {
        struct batch *batch = &work->batches[b];
        uint32_t left = (uint32_t)room - analysis->event_count;
        uint32_t taken = batch->event_count < left ? batch->event_count : left;
        if (taken)
            memcpy(analysis->events + analysis->event_count, batch->events,
                   taken * sizeof *batch->events);
        analysis->event_count += taken;
        analysis->events_dropped += batch->events_dropped + batch->event_count - taken;
        free(batch->events);
        batch->events = NULL;
    }
    return analysis->events != NULL;
}

static bool collect_findings(struct findings *findings, struct work *work)
{
    for (uint32_t b = 0; b < work->batch_count; b++) {
        struct findings *found = &work->batches[b].findings;
        for (uint32_t i = 0; i < found->count; i++) {
            struct finding *finding =
                ARRAY_PUSH(findings->items, findings->count, findings->capacity);
            if (!finding)
                return false;
            *finding = found->items[i];
            found->items[i].evidence = NULL; /* it has a new owner */
        }
    }
    return true;
}

static bool collect(struct work *work)
{
    struct wh_analysis *analysis = work->analysis;
    if (!work->workers) /* never: run_flows made them */
        return false;
    for (unsigned w = 0; w < work->worker_count; w++) {
        const struct tally *tally = &work->workers[w].tally;
        if (w)
            tally_join(&work->workers[0].tally, tally);
        for (unsigned p = 0; p < analysis->capture_count; p++) {
            analysis->captures[p].missed += tally->missed[p];
            for (unsigned kind = 0; kind < WH_EVENT_KINDS; kind++)
                analysis->captures[p].events[kind] += tally->events[p][kind];
        }
    }
    analysis->traffic = work->workers[0].tally.traffic;
    work->workers[0].tally.traffic = NULL;
    return collect_events(analysis, work) && collect_findings(&analysis->findings, work);
}

static bool find_nat(const struct wh_analysis *analysis, struct nat_signs *nat)
{
    struct nat_icmps icmps[WH_POINTS_MAX];
    for (unsigned p = 0; p < analysis->capture_count; p++)
        icmps[p] = (struct nat_icmps){analysis->captures[p].track.icmps,
                                      analysis->captures[p].track.icmp_count};
    return nat_find(&analysis->flows, &analysis->alignment, icmps, nat);
}

/* Most captures miss nothing: then once is enough. Else all is looked at again, knowing their
 * gaps. */
int per_flow_run(struct wh_analysis *analysis, struct wh_error *error)
{
    struct work work = {.analysis = analysis};
    struct misses misses[WH_POINTS_MAX] = {{0}};
    const char *names[WH_POINTS_MAX];
    struct nat_signs nat = {0};
    bool gaps = false;
    for (unsigned p = 0; p < analysis->capture_count; p++)
        names[p] = analysis->captures[p].name;
    work.options = (struct blame_options){.min_stall_ns = analysis->options.min_stall_ns,
                                          .threads = analysis->options.threads,
                                          .epoch_ns = analysis->epoch.ns,
                                          .point_count = analysis->capture_count,
                                          .names = names,
                                          .nat = &nat};
    int status = find_nat(analysis, &nat) ? run_flows(&work, error)
                                          : error_memory(error, "signs of translation");
    if (!status && !collect_misses(&work, misses))
        status = error_memory(error, "gaps");
    if (!status)
        status = gaps_find(analysis, misses, &gaps, error);
    if (!status && gaps) {
        free_work(&work);
        status = run_flows(&work, error);
    }
    if (!status && !collect(&work))
        status = error_memory(error, "events");
    free_work(&work);
    nat_free(&nat);
    for (unsigned p = 0; p < WH_POINTS_MAX; p++)
        free(misses[p].items);
    return status;
}
