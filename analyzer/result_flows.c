/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The flows as people and scripts get to see them: by start, and with text for their ends. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/keyed.h"
#include "base/parallel.h"

#define FLOWS_REPORTED 200u
#define FLOWS_AT_ONCE  1024u /* by a thread */

struct flow_start {
    int64_t start_ns;
    uint32_t flow;
    uint32_t place; /* of its first packet in the capture */
};

static int compare_starts(const void *left, const void *right)
{
    const struct flow_start *a = left, *b = right;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    if (a->place != b->place)
        return a->place < b->place ? -1 : 1;
    return a->flow < b->flow ? -1 : a->flow > b->flow;
}

bool flows_number(const struct wh_analysis *analysis, uint32_t **id, uint32_t **flow)
{
    uint32_t count = analysis->flows.count;
    struct flow_start *starts = array_new(count, sizeof *starts);
    *id = array_new(count, sizeof **id);
    *flow = array_new(count, sizeof **flow);
    bool ok = starts && *id && *flow;
    for (uint32_t i = 0; ok && i < count; i++)
        starts[i] =
            (struct flow_start){analysis->totals[i].start_ns, i, analysis->totals[i].first_place};
    if (ok && count)
        qsort(starts, count, sizeof *starts, compare_starts);
    for (uint32_t i = 0; ok && i < count; i++) {
        (*id)[starts[i].flow] = i + 1;
        (*flow)[i] = starts[i].flow;
    }
    free(starts);
    return ok;
}

/* End points written so far, one for each value of some of their bits: mostly they come again, at
 * the next point or in another flow. */
#define NAMES_KEPT 1024u
struct name {
    const struct endpoint *endpoint;
    const char *text;
};

/* One thread's. */
struct namer {
    struct arena arena;
    struct name names[NAMES_KEPT];
    bool failed;
};

/* NULL when memory is out. */
static const char *name_end(struct namer *namer, const struct endpoint *endpoint)
{
    char text[WH_ENDPOINT_MAX];
    uint32_t low;
    memcpy(&low, endpoint->address + sizeof endpoint->address - sizeof low, sizeof low);
    struct name *name = &namer->names[((low ^ endpoint->port) * 0x9e3779b1u >> 16) % NAMES_KEPT];
    if (!name->endpoint || !endpoint_equal(name->endpoint, endpoint))
        *name = (struct name){
            endpoint,
            arena_strdup(&namer->arena, decode_endpoint_text(endpoint, text, sizeof text))};
    return name->text;
}

static bool name_flow(const struct wh_analysis *analysis, const struct flow *flow,
                      struct namer *namer, struct wh_flow_at *at)
{
    for (unsigned place = 0; place < analysis->capture_count; place++) {
        const struct track_flow *view = flow->at[analysis->alignment.order[place]];
        at[place] = (struct wh_flow_at){"", ""};
        if (!view)
            continue;
        at[place].client = name_end(namer, &view->endpoint[0]);
        at[place].server = name_end(namer, &view->endpoint[1]);
        if (!at[place].client || !at[place].server)
            return false;
    }
    return true;
}

static bool make_flow(const struct wh_analysis *analysis, uint32_t index, uint32_t id,
                      struct namer *namer, struct wh_flow *out)
{
    static const uint64_t NO_EVENTS[WH_EVENT_KINDS];
    const struct flow *flow = &analysis->flows.items[index];
    const struct flow_totals *totals = &analysis->totals[index];
    struct wh_flow_at *at = arena_alloc(&namer->arena, analysis->capture_count, sizeof *at);
    if (!at || !name_flow(analysis, flow, namer, at))
        return false;
    *out = (struct wh_flow){.id = id,
                            .protocol = flow->protocol == IPPROTO_TCP ? "tcp" : "udp",
                            .at = at,
                            .match = match_words(flow),
                            .confidence = flow->confidence,
                            .ambiguous = flow->ambiguous,
                            .reversed = flow->reversed,
                            .start_ns = totals->start_ns,
                            .end_ns = totals->end_ns,
                            .bytes_to_client = totals->bytes[1],
                            .bytes_to_server = totals->bytes[0],
                            .rtt_ns = totals->rtt_ns ? totals->rtt_ns : WH_NONE,
                            .events = totals->events ? totals->events : NO_EVENTS};
    return true;
}

/* ---- all of them, on all processors ---------------------------------------------------------- */

struct making {
    const struct wh_analysis *analysis;
    const uint32_t *ids;
    struct wh_flow *flows;
    struct namer *namers; /* by thread */
};

/* Some, in the order in which they lie in memory. */
static void make_some(void *context, unsigned worker, uint32_t item)
{
    struct making *making = context;
    struct namer *namer = &making->namers[worker];
    uint32_t first = item * FLOWS_AT_ONCE, end = making->analysis->flows.count;
    end = end - first < FLOWS_AT_ONCE ? end : first + FLOWS_AT_ONCE;
    for (uint32_t i = first; i < end && !namer->failed; i++) {
        uint32_t id = making->ids[i];
        namer->failed = !make_flow(making->analysis, i, id, namer, &making->flows[id - 1]);
    }
}

struct wh_flow *flows_make(struct wh_analysis *analysis, const uint32_t *ids)
{
    uint32_t count = analysis->flows.count;
    unsigned threads = parallel_threads(analysis->options.threads);
    struct making making = {analysis, ids,
                            arena_alloc(&analysis->arena, (size_t)count + 1, sizeof *making.flows),
                            calloc(threads, sizeof *making.namers)};
    bool ok = making.flows && making.namers;
    if (ok)
        parallel_run(threads, (count + FLOWS_AT_ONCE - 1) / FLOWS_AT_ONCE, make_some, &making);
    for (unsigned w = 0; making.namers && w < threads; w++) {
        arena_join(&analysis->arena, &making.namers[w].arena);
        ok = ok && !making.namers[w].failed;
    }
    free(making.namers);
    analysis->result.flows = making.flows;
    analysis->result.flow_count = ok ? count : 0;
    free(analysis->totals);
    analysis->totals = NULL;
    return ok ? making.flows : NULL;
}

bool flows_choose(const struct wh_analysis *analysis, struct wh_flow *flows)
{
    uint32_t count = analysis->result.flow_count;
    struct keyed *by_size = array_new(count, sizeof *by_size);
    if (!by_size)
        return false;
    uint32_t reported = 0;
    for (uint32_t i = 0; i < count; i++) {
        by_size[i] = (struct keyed){~(flows[i].bytes_to_client + flows[i].bytes_to_server), i};
        flows[i].reported = flows[i].stall_count > 0 || analysis->options.all_flows;
        reported += flows[i].reported;
    }
    bool ok = keyed_sort(by_size, count);
    for (uint32_t i = 0; ok && i < count && reported < FLOWS_REPORTED; i++) {
        struct wh_flow *flow = &flows[by_size[i].index];
        reported += !flow->reported;
        flow->reported = true;
    }
    free(by_size);
    return ok;
}
