/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The flows as people and scripts get to see them: by start, and with text for their ends. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/keyed.h"

#define FLOWS_REPORTED 200u

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
    struct flow_start *starts = calloc((size_t)count + 1, sizeof *starts);
    *id = calloc((size_t)count + 1, sizeof **id);
    *flow = calloc((size_t)count + 1, sizeof **flow);
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

/* NULL when memory is out. */
static const char *name_end(struct name names[NAMES_KEPT], const struct endpoint *endpoint,
                            struct arena *arena)
{
    char text[WH_ENDPOINT_MAX];
    uint32_t low;
    memcpy(&low, endpoint->address + sizeof endpoint->address - sizeof low, sizeof low);
    struct name *name = &names[((low ^ endpoint->port) * 0x9e3779b1u >> 16) % NAMES_KEPT];
    if (!name->endpoint || !endpoint_equal(name->endpoint, endpoint))
        *name = (struct name){
            endpoint, arena_strdup(arena, decode_endpoint_text(endpoint, text, sizeof text))};
    return name->text;
}

static bool name_flow(struct wh_analysis *analysis, const struct flow *flow,
                      struct name names[NAMES_KEPT], struct wh_flow_at *at)
{
    for (unsigned place = 0; place < analysis->capture_count; place++) {
        const struct track_flow *view = flow->at[analysis->alignment.order[place]];
        at[place] = (struct wh_flow_at){"", ""};
        if (!view)
            continue;
        at[place].client = name_end(names, &view->endpoint[0], &analysis->arena);
        at[place].server = name_end(names, &view->endpoint[1], &analysis->arena);
        if (!at[place].client || !at[place].server)
            return false;
    }
    return true;
}

static bool make_flow(struct wh_analysis *analysis, uint32_t index, uint32_t id,
                      struct name names[NAMES_KEPT], struct wh_flow *out)
{
    static const uint64_t NO_EVENTS[WH_EVENT_KINDS];
    const struct flow *flow = &analysis->flows.items[index];
    const struct flow_totals *totals = &analysis->totals[index];
    unsigned count = analysis->capture_count;
    struct wh_flow_at *at = arena_alloc(&analysis->arena, count, sizeof *at);
    if (!at || !name_flow(analysis, flow, names, at))
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

bool flows_choose(const struct wh_analysis *analysis, struct wh_flow *flows)
{
    uint32_t count = analysis->result.flow_count;
    struct keyed *by_size = malloc(((size_t)count + 1) * sizeof *by_size);
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

/* In the order in which they lie in memory. */
struct wh_flow *flows_make(struct wh_analysis *analysis, const uint32_t *ids)
{
    uint32_t count = analysis->flows.count;
    struct wh_flow *flows = arena_alloc(&analysis->arena, (size_t)count + 1, sizeof *flows);
    struct name names[NAMES_KEPT] = {{NULL, NULL}};
    for (uint32_t i = 0; flows && i < count; i++)
        if (!make_flow(analysis, i, ids[i], names, &flows[ids[i] - 1]))
            return NULL;
    analysis->result.flows = flows;
    analysis->result.flow_count = count;
    free(analysis->totals);
    analysis->totals = NULL;
    return flows;
}
