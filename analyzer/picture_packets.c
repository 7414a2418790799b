/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A flow packet by packet, at all points: its bytes over time, its throughput, its window. */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/parallel.h"
#include "pictures.h"

#define KINDS 3u /* of pictures */

/* What they need of a hop, by kind. */
struct gathered {
    struct plot_gathered kinds[KINDS];
};

/* Packets that one hop of the direction saw and the next one did not, or not whole. */
struct losses {
    uint32_t *pkts;
    uint32_t count, capacity;
};

static bool add_sample(struct gathered *gathered, int64_t time_ns, int64_t offset, uint32_t length,
                       enum plot_kind kind)
{
    const struct plot_sample sample = {time_ns, offset, length, (uint8_t)kind};
    for (unsigned i = 0; i < KINDS; i++)
        if (!plot_gather_sample(&gathered->kinds[i], &sample))
            return false;
    return true;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* SACK blocks above what is acknowledged; those below tell of duplicates (RFC 2883). */
static bool add_sacks(const struct track_flow *view, uint32_t pkt, uint32_t *next, int64_t time_ns,
                      struct gathered *gathered)
{
    while (*next < view->sack_count && view->sacks[*next].pkt < pkt)
        ++*next;
    for (uint32_t i = *next; i < view->sack_count && view->sacks[i].pkt == pkt; i++) {
        const struct sack_block *block = &view->sacks[i];
        int64_t length = block->right - block->left;
        if (block->left < view->pkts[pkt].ack || length <= 0 || length > UINT32_MAX)
            continue;
        if (!add_sample(gathered, time_ns, block->left, (uint32_t)length, PLOT_SACK))
            return false;
    }
    return true;
}

/* A window that nothing tells the scale of is left out. */
static bool add_ack(const struct track_flow *view, const struct pkt *pkt, int64_t time_ns,
                    struct gathered *gathered)
{
    if (pkt->ack == ACK_NONE || (pkt->flags & PKT_RST))
        return true;
    if (!add_sample(gathered, time_ns, pkt->ack, 0, PLOT_ACK))
        return false;
    return !track_scale_settled(view, pkt_side(pkt)) ||
           add_sample(gathered, time_ns, pkt->ack + track_window(view, pkt), 0, PLOT_WINDOW);
}

static bool is_lost(const struct copy *copy)
{
    return copy->fate == FATE_LOST || copy->fate == FATE_PARTLY;
}

static bool find_losses(const struct trail *trail, struct losses *losses)
{
    for (unsigned k = 0; k < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        for (uint32_t i = 0; i < hop->count; i++) {
            if (!is_lost(&hop->copies[i]))
                continue;
            uint32_t *pkt = ARRAY_PUSH(losses[k].pkts, losses[k].count, losses[k].capacity);
            if (!pkt)
                return false;
            *pkt = hop->copies[i].pkt;
        }
    }
    return true;
}

/* All that one point saw of the direction: data, what was sent again or lost, ACKs, the window. */
static bool sample_hop(const struct wh_analysis *analysis, const struct hop *hop, unsigned side,
                       const struct losses *losses, struct gathered *gathered)
{
    int64_t high = INT64_MIN;
    uint32_t next = 0, sack = 0;
    for (uint32_t i = 0; hop->view && i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (pkt->flags & PKT_DUPLICATE)
            continue;
        int64_t time_ns = picture_time(analysis, hop->clock, pkt->time);
        if (pkt_side(pkt) != side) {
            if (!add_ack(hop->view, pkt, time_ns, gathered) ||
                !add_sacks(hop->view, i, &sack, time_ns, gathered))
                return false;
            continue;
        }
        while (next < losses->count && losses->pkts[next] < i)
            next++;
        if (pkt_span(pkt) == 0 || (pkt->flags & PKT_RST))
            continue;
        bool lost = next < losses->count && losses->pkts[next] == i;
        enum plot_kind kind = lost ? PLOT_LOST : pkt->seq < high ? PLOT_RESENT : PLOT_DATA;
        if (!add_sample(gathered, time_ns, pkt->seq, pkt_span(pkt), kind))
            return false;
        high = pkt_end(pkt) > high ? pkt_end(pkt) : high;
    }
    return true;
}

/* ---- UDP ------------------------------------------------------------------------------------- */

/* Datagrams have no offsets: the first point counts the bytes, and each datagram keeps its place
 * further on. One that the first point did not see lies where the one before it ended. */
static bool sample_datagrams(const struct wh_analysis *analysis, const struct hop *hop,
                             const int64_t *before, int64_t *places, struct gathered *gathered)
{
    int64_t high = 0;
    for (uint32_t i = 0; i < hop->count; i++) {
        const struct copy *copy = &hop->copies[i];
        const struct pkt *pkt = hop_pkt(hop, i);
        bool known = before && copy->previous != COPY_NONE && copy->previous != COPY_SKIPPED;
        int64_t time_ns = picture_time(analysis, hop->clock, pkt->time);
        places[i] = known ? before[copy->previous] : high;
        high = places[i] + pkt->len > high ? places[i] + pkt->len : high;
        if (!add_sample(gathered, time_ns, places[i], pkt->len,
                        is_lost(copy) ? PLOT_LOST : PLOT_DATA))
            return false;
    }
    return true;
}

static bool sample_all_datagrams(const struct wh_analysis *analysis, const struct trail *trail,
                                 struct gathered *gathered)
{
    int64_t *places[2] = {NULL, NULL};
    bool ok = true;
    for (unsigned k = 0; ok && k < trail->hop_count; k++) {
        int64_t *before = places[0];
        places[1] = array_new(trail->hops[k].count, sizeof **places);
        ok = places[1] &&
             (!trail->hops[k].view ||
              sample_datagrams(analysis, &trail->hops[k], before, places[1], &gathered[k]));
        free(before);
        places[0] = places[1];
    }
    free(places[0]);
    return ok;
}

/* ---- points ---------------------------------------------------------------------------------- */

static struct plot_point *make_points(struct pictures *pictures, const struct trail *trail)
{
    const struct wh_result *result = &pictures->analysis->result;
    struct plot_point *points = arena_alloc(&pictures->arena, trail->hop_count + 1, sizeof *points);
    for (unsigned k = 0; points && k < trail->hop_count; k++) {
        const struct wh_point *point = &result->points[trail->hops[k].place];
        points[k].name = point->name;
        points[k].gaps = picture_gaps(pictures, point, &points[k].gap_count);
        if (!points[k].gaps)
            return NULL;
    }
    return points;
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

/* ---- gathered at once, drawn one after the other ----------------------------------------------
 */

static const struct picture_kind {
    const char *name, *title;
    picture_write *write;
    enum plot_use use;
    bool first_hop; /* it needs no more of them */
    bool tcp_only;
} PICTURE_KINDS[KINDS] = {
    {"throughput", "Throughput", write_throughput, PLOT_FOR_THROUGHPUT, false, false},
    {"window", "Bytes in flight", write_window, PLOT_FOR_WINDOW, true, true},
    {"sequence", "Bytes", write_sequence, PLOT_FOR_SEQUENCE, false, false},
};

static void begin_gathering(const struct picture_flow *flow, struct gathered *gathered)
{
    bool tcp = flow->flow->protocol == IPPROTO_TCP;
    for (unsigned k = 0; k < flow->followed->trail[flow->side].hop_count; k++)
        for (unsigned i = 0; i < KINDS; i++) {
            const struct picture_kind *kind = &PICTURE_KINDS[i];
            bool wanted = (tcp || !kind->tcp_only) && (k == 0 || !kind->first_hop);
            plot_gather(&gathered[k].kinds[i], wanted ? kind->use : PLOT_FOR_NOTHING,
                        flow->frame.start_ns, flow->frame.end_ns);
        }
}

/* One walk over the packets of each hop, of which nothing is kept for each. */
struct gathering {
    const struct wh_analysis *analysis;
    const struct picture_flow *flow;
    struct gathered *gathered; /* by hop */
    struct losses losses[WH_POINTS_MAX];
    bool failed[WH_POINTS_MAX];
};

static void gather_hop(void *context, unsigned worker, uint32_t k)
{
    struct gathering *gathering = context;
    unsigned side = gathering->flow->side;
    const struct hop *hop = &gathering->flow->followed->trail[side].hops[k];
    (void)worker;
    gathering->failed[k] =
        !sample_hop(gathering->analysis, hop, side, &gathering->losses[k], &gathering->gathered[k]);
}

static bool gather_all(const struct wh_analysis *analysis, const struct picture_flow *flow,
                       struct gathered *gathered)
{
    const struct trail *trail = &flow->followed->trail[flow->side];
    struct gathering gathering = {analysis, flow, gathered, {{NULL, 0, 0}}, {false}};
    begin_gathering(flow, gathered);
    if (flow->flow->protocol != IPPROTO_TCP)
        return sample_all_datagrams(analysis, trail, gathered);
    bool ok = find_losses(trail, gathering.losses);
    if (ok)
        parallel_run(flow_threads(flow->flow, analysis->capture_count, analysis->options.threads),
                     trail->hop_count, gather_hop, &gathering);
    for (unsigned k = 0; k < WH_POINTS_MAX; k++) {
        ok = ok && !gathering.failed[k];
        free(gathering.losses[k].pkts);
    }
    return ok;
}

static int draw_kind(struct pictures *pictures, const struct picture_flow *flow, unsigned index,
                     const struct gathered *gathered, struct plot_point *points,
                     struct wh_error *error)
{
    const struct picture_kind *kind = &PICTURE_KINDS[index];
    struct plot_sequence sequence = {flow->frame, points,
                                     flow->followed->trail[flow->side].hop_count, 0};
    const char *direction = name_direction(pictures, flow);
    const char *name = arena_printf(&pictures->arena, "flow-%u-%s", flow->shown->id, kind->name);
    sequence.frame.title =
        direction ? arena_printf(&pictures->arena, "%s %s", kind->title, direction) : NULL;
    if (!name || !sequence.frame.title)
        return error_memory(error, "the plots");
    for (uint32_t k = 0; k < sequence.point_count; k++) {
        points[k].samples = gathered[k].kinds[index].items;
        points[k].sample_count = gathered[k].kinds[index].count;
    }
    return picture_put(pictures, name, kind->write, &sequence, error);
}

int picture_packets(struct pictures *pictures, struct picture_flow *flow, struct wh_error *error)
{
    const struct trail *trail = &flow->followed->trail[flow->side];
    struct plot_point *points = make_points(pictures, trail);
    struct gathered *gathered = calloc(trail->hop_count + 1, sizeof *gathered);
    bool tcp = flow->flow->protocol == IPPROTO_TCP;
    bool ok = points && gathered && gather_all(pictures->analysis, flow, gathered);
    int status = ok ? WH_OK : error_memory(error, "the plots");
    for (unsigned i = 0; ok && !status && i < KINDS; i++)
        if (tcp || !PICTURE_KINDS[i].tcp_only)
            status = draw_kind(pictures, flow, i, gathered, points, error);
    for (unsigned k = 0; gathered && k < trail->hop_count; k++)
        for (unsigned i = 0; i < KINDS; i++)
            free(gathered[k].kinds[i].items);
    free(gathered);
    return status;
}
