/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From followed packets to what the plots show: the flow that stalled longest, at all points. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analysis.h"
#include "base/error.h"
#include "plot/plot.h"
#include "report/report.h"

/* The flow whose stalls cost most time, the largest where none stalled; NULL without any. */
static const struct wh_flow *worst_flow(const struct wh_result *result)
{
    const struct wh_flow *worst = NULL;
    int64_t worst_ns = -1;
    uint64_t worst_bytes = 0;
    for (uint32_t f = 0; f < result->flow_count; f++) {
        const struct wh_flow *flow = &result->flows[f];
        int64_t stalled_ns = 0;
        for (uint32_t i = 0; i < flow->stall_count; i++) {
            const struct wh_stall *stall = &result->stalls[flow->stalls[i] - 1];
            stalled_ns += stall->end_ns - stall->start_ns;
        }
        /* of flows that stalled equally long, within a third, the one that had more to carry */
        uint64_t bytes = flow->bytes_to_client + flow->bytes_to_server;
        bool longer = stalled_ns > worst_ns + worst_ns / 3;
        bool alike = stalled_ns >= worst_ns - worst_ns / 3;
        if (longer || (alike && bytes > worst_bytes)) {
            worst = flow;
            worst_ns = stalled_ns;
            worst_bytes = bytes;
        }
    }
    return worst;
}

/* Finds a flow by what the result says of it: its start at one of the points. */
static const struct flow *flow_behind(const struct wh_analysis *analysis,
                                      const struct wh_flow *wanted)
{
    for (uint32_t i = 0; i < analysis->flows.count; i++) {
        const struct flow *flow = &analysis->flows.items[i];
        bool same = true;
        for (unsigned place = 0; same && place < analysis->capture_count; place++) {
            char client[WH_ENDPOINT_MAX] = "", server[WH_ENDPOINT_MAX] = "";
            const struct track_flow *view = flow->at[analysis->alignment.order[place]];
            if (view) {
                decode_endpoint_text(&view->endpoint[0], client, sizeof client);
                decode_endpoint_text(&view->endpoint[1], server, sizeof server);
            }
            same = strcmp(client, wanted->at[place].client) == 0 &&
                   strcmp(server, wanted->at[place].server) == 0;
        }
        if (same)
            return flow;
    }
    return NULL;
}

struct samples {
    struct plot_sample *items;
    uint32_t count, capacity;
};

static bool add_sample(struct samples *samples, int64_t time_ns, int64_t offset, uint32_t length,
                       enum plot_kind kind)
{
    struct plot_sample *sample = ARRAY_PUSH(samples->items, samples->count, samples->capacity);
    if (sample)
        *sample = (struct plot_sample){time_ns, offset, length, (uint8_t)kind};
    return sample != NULL;
}

static bool add_ack(const struct track_flow *view, const struct pkt *pkt, int64_t time_ns,
                    struct samples *samples)
{
    return pkt->ack == ACK_NONE || (pkt->flags & PKT_RST) ||
           (add_sample(samples, time_ns, pkt->ack, 0, PLOT_ACK) &&
            add_sample(samples, time_ns, pkt->ack + track_window(view, pkt), 0, PLOT_WINDOW));
}

/* All that one point saw of the direction: data, what was sent again or lost, ACKs, the window. */
static bool sample_hop(const struct wh_analysis *analysis, const struct hop *hop, unsigned side,
                       struct samples *samples)
{
    int64_t high = INT64_MIN;
    uint32_t copy = 0;
    for (uint32_t i = 0; hop->view && i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        int64_t time_ns = clock_to_path(hop->clock, pkt->time).ns - analysis->epoch.ns;
        if (pkt->flags & PKT_DUPLICATE)
            continue;
        if (pkt_side(pkt) != side) {
            if (!add_ack(hop->view, pkt, time_ns, samples))
                return false;
            continue;
        }
        while (copy < hop->count && hop->copies[copy].pkt < i)
            copy++;
        if (pkt->len == 0)
            continue;
        bool lost = copy < hop->count && hop->copies[copy].pkt == i &&
                    (hop->copies[copy].fate == FATE_LOST || hop->copies[copy].fate == FATE_PARTLY);
        enum plot_kind kind = lost ? PLOT_LOST : pkt->seq < high ? PLOT_RESENT : PLOT_DATA;
        if (!add_sample(samples, time_ns, pkt->seq, pkt->len, kind))
            return false;
        high = pkt_end(pkt) > high ? pkt_end(pkt) : high;
    }
    return true;
}

static struct plot_stall *label_stalls(const struct wh_result *result, const struct wh_flow *flow,
                                       struct arena *arena)
{
    struct plot_stall *stalls = arena_alloc(arena, (size_t)flow->stall_count + 1, sizeof *stalls);
    for (uint32_t i = 0; stalls && i < flow->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[flow->stalls[i] - 1];
        const char *from = stall->segment ? result->points[stall->segment - 1].name : "servers";
        uint32_t end = stall->segment + stall->segment_span;
        const char *to = end <= result->point_count ? result->points[end - 1].name : "clients";
        stalls[i] = (struct plot_stall){
            stall->start_ns, stall->end_ns,
            arena_printf(arena, "%u: %s, %s..%s", stall->id, wh_cause_word(stall->cause), from, to),
            stall->cause};
        if (!stalls[i].label)
            return NULL;
    }
    return stalls;
}

static char *time_label(const struct wh_result *result, struct arena *arena)
{
    time_t seconds = (time_t)(result->epoch_unix_ns / NS_PER_S);
    struct tm when;
    char text[64];
    gmtime_r(&seconds, &when);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &when);
    return arena_printf(arena, "seconds since %s.%06lld UTC", text,
                        (long long)(result->epoch_unix_ns % NS_PER_S / NS_PER_US));
}

static int draw_sequence(const struct wh_analysis *analysis, const struct wh_flow *shown,
                         const struct followed *followed, struct report_folder *folder,
                         struct arena *arena, struct wh_error *error)
{
    const struct wh_result *result = &analysis->result;
    unsigned side = shown->bytes_to_client >= shown->bytes_to_server;
    const struct trail *trail = &followed->trail[side];
    struct plot_point *points = arena_alloc(arena, trail->hop_count + 1, sizeof *points);
    struct samples *samples = calloc(trail->hop_count + 1, sizeof *samples);
    int status = WH_ERROR;
    const char *client = "", *server = "";
    for (uint32_t p = 0; p < result->point_count; p++)
        if (*shown->at[p].client) {
            client = shown->at[p].client; /* as called nearest to the client */
            server = *server ? server : shown->at[p].server;
        }
    struct plot_sequence sequence = {
        .title = arena_printf(arena, "%s from %s to %s (flow %u)", side ? "Bytes" : "Bytes sent up",
                              side ? server : client, side ? client : server, shown->id),
        .subtitle = result->verdict.sentence,
        .time_label = time_label(result, arena),
        .points = points,
        .point_count = trail->hop_count,
        .stalls = label_stalls(result, shown, arena),
        .stall_count = shown->stall_count,
        .start_ns = shown->start_ns,
        .end_ns = shown->end_ns,
    };
    if (!points || !samples || !sequence.title || !sequence.time_label || !sequence.stalls)
        goto memory;
    for (unsigned k = 0; k < trail->hop_count; k++) {
        if (!sample_hop(analysis, &trail->hops[k], side, &samples[k]))
            goto memory;
        points[k] = (struct plot_point){analysis->captures[trail->hops[k].point].name,
                                        samples[k].items, samples[k].count};
    }
    static const char *const names[] = {"plots/sequence.svg", "plots/sequence.png"};
    status = WH_OK;
    for (unsigned i = 0; i < 2 && !status; i++) {
        const char *path = report_folder_stage(folder, names[i], error);
        status = path ? plot_write_sequence(&sequence, path, error) : WH_ERROR;
    }
    goto cleanup;
memory:
    error_memory(error, "the plots");
cleanup:
    for (unsigned k = 0; samples && k < trail->hop_count; k++)
        free(samples[k].items);
    free(samples);
    return status;
}

int pictures_draw(void *context, struct report_folder *folder, struct wh_error *error)
{
    const struct wh_analysis *analysis = context;
    const struct wh_flow *shown = worst_flow(&analysis->result);
    const struct flow *flow = shown ? flow_behind(analysis, shown) : NULL;
    struct followed followed = {0};
    struct arena arena = {0};
    struct capture_span spans[WH_POINTS_MAX];
    if (!flow)
        return WH_OK;
    analysis_spans(analysis, spans);
    int status =
        follow_flow(flow, &analysis->alignment, spans, analysis->capture_count, &followed, error);
    if (!status)
        status = draw_sequence(analysis, shown, &followed, folder, &arena, error);
    followed_free(&followed);
    arena_free(&arena);
    return status;
}
