/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A flow packet by packet, at all points: its bytes over time, its throughput, its window. */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/error.h"
#include "pictures.h"

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

/* ---- TCP ------------------------------------------------------------------------------------- */

/* SACK blocks above what is acknowledged; those below tell of duplicates (RFC 2883). */
static bool add_sacks(const struct track_flow *view, uint32_t pkt, uint32_t *next, int64_t time_ns,
                      struct samples *samples)
{
    while (*next < view->sack_count && view->sacks[*next].pkt < pkt)
        ++*next;
    for (uint32_t i = *next; i < view->sack_count && view->sacks[i].pkt == pkt; i++) {
        const struct sack_block *block = &view->sacks[i];
        int64_t length = block->right - block->left;
        if (block->left < view->pkts[pkt].ack || length <= 0 || length > UINT32_MAX)
            continue;
        if (!add_sample(samples, time_ns, block->left, (uint32_t)length, PLOT_SACK))
            return false;
    }
    return true;
}

/* A window that nothing tells the scale of is left out. */
static bool add_ack(const struct track_flow *view, const struct pkt *pkt, int64_t time_ns,
                    struct samples *samples)
{
    if (pkt->ack == ACK_NONE || (pkt->flags & PKT_RST))
        return true;
    if (!add_sample(samples, time_ns, pkt->ack, 0, PLOT_ACK))
        return false;
    return !track_scale_settled(view, pkt_side(pkt)) ||
           add_sample(samples, time_ns, pkt->ack + track_window(view, pkt), 0, PLOT_WINDOW);
}

static bool is_lost(const struct copy *copy)
{
    return copy->fate == FATE_LOST || copy->fate == FATE_PARTLY;
}

/* All that one point saw of the direction: data, what was sent again or lost, ACKs, the window. */
static bool sample_hop(const struct wh_analysis *analysis, const struct hop *hop, unsigned side,
                       struct samples *samples)
{
    int64_t high = INT64_MIN;
    uint32_t copy = 0, sack = 0;
    for (uint32_t i = 0; hop->view && i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        int64_t time_ns = picture_time(analysis, hop->clock, pkt->time);
        if (pkt->flags & PKT_DUPLICATE)
            continue;
        if (pkt_side(pkt) != side) {
            if (!add_ack(hop->view, pkt, time_ns, samples) ||
                !add_sacks(hop->view, i, &sack, time_ns, samples))
                return false;
            continue;
        }
        while (copy < hop->count && hop->copies[copy].pkt < i)
            copy++;
        if (pkt_span(pkt) == 0 || (pkt->flags & PKT_RST))
            continue;
        bool lost = copy < hop->count && hop->copies[copy].pkt == i && is_lost(&hop->copies[copy]);
        enum plot_kind kind = lost ? PLOT_LOST : pkt->seq < high ? PLOT_RESENT : PLOT_DATA;
        if (!add_sample(samples, time_ns, pkt->seq, pkt_span(pkt), kind))
            return false;
        high = pkt_end(pkt) > high ? pkt_end(pkt) : high;
    }
    return true;
}

/* ---- UDP ------------------------------------------------------------------------------------- */

/* Datagrams have no offsets: the first point counts the bytes, and each datagram keeps its place
 * further on. One that the first point did not see lies where the one before it ended. */
static bool sample_datagrams(const struct wh_analysis *analysis, const struct hop *hop,
                             const int64_t *before, int64_t *places, struct samples *samples)
{
    int64_t high = 0;
    for (uint32_t i = 0; i < hop->count; i++) {
        const struct copy *copy = &hop->copies[i];
        const struct pkt *pkt = hop_pkt(hop, i);
        bool known = before && copy->previous != COPY_NONE && copy->previous != COPY_SKIPPED;
        int64_t time_ns = picture_time(analysis, hop->clock, pkt->time);
        places[i] = known ? before[copy->previous] : high;
        high = places[i] + pkt->len > high ? places[i] + pkt->len : high;
        if (!add_sample(samples, time_ns, places[i], pkt->len,
                        is_lost(copy) ? PLOT_LOST : PLOT_DATA))
            return false;
    }
    return true;
}

static bool sample_all_datagrams(const struct wh_analysis *analysis, const struct trail *trail,
                                 struct samples *samples)
{
    int64_t *places[2] = {NULL, NULL};
    bool ok = true;
    for (unsigned k = 0; ok && k < trail->hop_count; k++) {
        int64_t *before = places[0];
        places[1] = calloc((size_t)trail->hops[k].count + 1, sizeof **places);
        ok = places[1] &&
             (!trail->hops[k].view ||
              sample_datagrams(analysis, &trail->hops[k], before, places[1], &samples[k]));
        free(before);
        places[0] = places[1];
    }
    free(places[0]);
    return ok;
}

/* ---- points ---------------------------------------------------------------------------------- */

static bool make_points(struct pictures *pictures, const struct picture_flow *flow,
                        struct samples *samples, struct plot_point *points)
{
    const struct wh_analysis *analysis = pictures->analysis;
    const struct trail *trail = &flow->followed.trail[flow->side];
    if (flow->flow->protocol == IPPROTO_TCP) {
        for (unsigned k = 0; k < trail->hop_count; k++)
            if (!sample_hop(analysis, &trail->hops[k], flow->side, &samples[k]))
                return false;
    } else if (!sample_all_datagrams(analysis, trail, samples)) {
        return false;
    }
    for (unsigned k = 0; k < trail->hop_count; k++) {
        const struct wh_point *point = &analysis->result.points[trail->hops[k].place];
        points[k] = (struct plot_point){point->name, samples[k].items, samples[k].count, NULL, 0};
        points[k].gaps = picture_gaps(pictures, point, &points[k].gap_count);
        if (!points[k].gaps)
            return false;
    }
    return true;
}

/* ---- the three pictures ---------------------------------------------------------------------- */

static int write_sequence(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_sequence(data, files, error);
}

static int write_throughput(const void *data, const struct plot_files *files,
                            struct wh_error *error)
{
    return plot_write_throughput(data, files, error);
}

static int write_window(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_window(data, files, error);
}

/* "198.51.100.10:8080 to 10.20.30.1:43753 (flow 1)", each end as it is called nearest to it. */
static const char *name_direction(struct pictures *pictures, const struct picture_flow *flow)
{
    const struct wh_result *result = &pictures->analysis->result;
    const struct wh_flow *shown = flow->shown;
    const char *first[2] = {"", ""}, *last[2] = {"", ""}; /* client, server */
    for (uint32_t p = 0; p < result->point_count; p++) {
        const char *const here[2] = {shown->at[p].client, shown->at[p].server};
        for (unsigned end = 0; end < 2 && *here[0]; end++) {
            first[end] = *first[end] ? first[end] : here[end];
            last[end] = here[end];
        }
    }
    const char *client = shown->reversed ? first[0] : last[0];
    const char *server = shown->reversed ? last[1] : first[1];
    return arena_printf(&pictures->arena, "from %s to %s (%s, flow %u)",
                        flow->side ? server : client, flow->side ? client : server, shown->protocol,
                        shown->id);
}

int picture_packets(struct pictures *pictures, struct picture_flow *flow, struct wh_error *error)
{
    static const struct {
        const char *name, *title;
        picture_write *write;
        bool tcp_only;
    } kinds[] = {
        {"throughput", "Throughput", write_throughput, false},
        {"window", "Bytes in flight", write_window, true},
        {"sequence", "Bytes", write_sequence, false}, /* last: it needs not all samples */
    };
    unsigned hop_count = flow->followed.trail[flow->side].hop_count;
    struct plot_point *points = arena_alloc(&pictures->arena, hop_count + 1, sizeof *points);
    struct samples *samples = calloc(hop_count + 1, sizeof *samples);
    const char *direction = name_direction(pictures, flow);
    struct plot_sequence sequence = {flow->frame, points, hop_count, 0};
    int status = WH_OK;
    if (!points || !samples || !direction || !make_points(pictures, flow, samples, points))
        status = error_memory(error, "the plots");
    followed_free(&flow->followed);
    for (size_t i = 0; !status && i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].tcp_only && flow->flow->protocol != IPPROTO_TCP)
            continue;
        for (unsigned k = 0; kinds[i].write == write_sequence && k < hop_count; k++)
            points[k].sample_count = plot_thin(samples[k].items, samples[k].count,
                                               flow->frame.start_ns, flow->frame.end_ns);
        sequence.frame.title = arena_printf(&pictures->arena, "%s %s", kinds[i].title, direction);
        const char *name =
            arena_printf(&pictures->arena, "flow-%u-%s", flow->shown->id, kinds[i].name);
        status = name && sequence.frame.title
                     ? picture_put(pictures, name, kinds[i].write, &sequence, error)
                     : error_memory(error, "the plots");
    }
    for (unsigned k = 0; samples && k < hop_count; k++)
        free(samples[k].items);
    free(samples);
    return status;
}
