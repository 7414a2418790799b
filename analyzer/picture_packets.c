/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A flow packet by packet, at all points: its bytes over time, its throughput, its window. */
#include <netinet/in.h>
#include <stdlib.h>

#include "base/error.h"
#include "pictures.h"

struct samples {
    struct plot_sample *items;
    uint32_t count, capacity;
    unsigned wanted; /* kinds, KIND bits: what else there is is left out */
};

#define KIND(kind) (1u << (kind))
#define DATA_KINDS (KIND(PLOT_DATA) | KIND(PLOT_RESENT) | KIND(PLOT_LOST))
#define ALL_KINDS  (~0u)

/* Packets that one hop of the direction saw and the next one did not, or not whole. */
struct losses {
    uint32_t *pkts;
    uint32_t count, capacity;
};

static bool add_sample(struct samples *samples, int64_t time_ns, int64_t offset, uint32_t length,
                       enum plot_kind kind)
{
    if (!(samples->wanted & KIND(kind)))
        return true;
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
                       const struct losses *losses, struct samples *samples)
{
    const bool answers = samples->wanted & ~DATA_KINDS;
    int64_t high = INT64_MIN;
    uint32_t next = 0, sack = 0;
    for (uint32_t i = 0; hop->view && i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if ((pkt->flags & PKT_DUPLICATE) || (pkt_side(pkt) != side && !answers))
            continue;
        int64_t time_ns = picture_time(analysis, hop->clock, pkt->time);
        if (pkt_side(pkt) != side) {
            if (!add_ack(hop->view, pkt, time_ns, samples) ||
                !add_sacks(hop->view, i, &sack, time_ns, samples))
                return false;
            continue;
        }
        while (next < losses->count && losses->pkts[next] < i)
            next++;
        if (pkt_span(pkt) == 0 || (pkt->flags & PKT_RST))
            continue;
        bool lost = next < losses->count && losses->pkts[next] == i;
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

/* ---- one after the other --------------------------------------------------------------------- */

/* What a picture shows. Each is sampled for itself: all samples of a large flow take more than all
 * else that there is of it. */
struct picture_kind {
    const char *name, *title;
    picture_write *write;
    unsigned at_first, behind; /* kinds of samples that it needs of the first hop, of the others */
    bool thin;                 /* it needs not all of them */
    bool tcp_only;
};

static const struct picture_kind PICTURE_KINDS[] = {
    {"throughput", "Throughput", write_throughput, DATA_KINDS, DATA_KINDS, false, false},
    {"window", "Bytes in flight", write_window, ALL_KINDS, 0, false, true},
    {"sequence", "Bytes", write_sequence, ALL_KINDS, ALL_KINDS, true, false},
};

static void thin_samples(const struct plot_frame *frame, struct samples *samples)
{
    samples->count = plot_thin(samples->items, samples->count, frame->start_ns, frame->end_ns);
    samples->capacity = samples->count + 1;
    void *shrunk = realloc(samples->items, samples->capacity * sizeof *samples->items);
    samples->items = shrunk ? shrunk : samples->items;
}

/* `losses` by hop; NULL: the flow is of datagrams. */
static bool sample_all(const struct wh_analysis *analysis, const struct picture_flow *flow,
                       const struct picture_kind *kind, const struct losses *losses,
                       struct samples *samples)
{
    const struct trail *trail = &flow->followed.trail[flow->side];
    for (unsigned k = 0; k < trail->hop_count; k++)
        samples[k].wanted = k ? kind->behind : kind->at_first;
    if (!losses && !sample_all_datagrams(analysis, trail, samples))
        return false;
    for (unsigned k = 0; k < trail->hop_count; k++) {
        if (losses && samples[k].wanted &&
            !sample_hop(analysis, &trail->hops[k], flow->side, &losses[k], &samples[k]))
            return false;
        if (kind->thin)
            thin_samples(&flow->frame, &samples[k]);
    }
    return true;
}

static int draw_kind(struct pictures *pictures, const struct picture_flow *flow,
                     const struct picture_kind *kind, const struct losses *losses,
                     struct plot_point *points, struct wh_error *error)
{
    struct samples samples[WH_POINTS_MAX] = {{NULL, 0, 0, 0}};
    struct plot_sequence sequence = {flow->frame, points,
                                     flow->followed.trail[flow->side].hop_count, 0};
    const char *direction = name_direction(pictures, flow);
    const char *name = arena_printf(&pictures->arena, "flow-%u-%s", flow->shown->id, kind->name);
    int status = WH_OK;
    sequence.frame.title =
        direction ? arena_printf(&pictures->arena, "%s %s", kind->title, direction) : NULL;
    if (!name || !sequence.frame.title ||
        !sample_all(pictures->analysis, flow, kind, losses, samples))
        status = error_memory(error, "the plots");
    for (uint32_t k = 0; k < sequence.point_count; k++) {
        points[k].samples = samples[k].items;
        points[k].sample_count = samples[k].count;
    }
    if (!status)
        status = picture_put(pictures, name, kind->write, &sequence, error);
    for (unsigned k = 0; k < WH_POINTS_MAX; k++)
        free(samples[k].items);
    return status;
}

int picture_packets(struct pictures *pictures, struct picture_flow *flow, struct wh_error *error)
{
    struct trail *trail = &flow->followed.trail[flow->side];
    struct plot_point *points = make_points(pictures, trail);
    struct losses losses[WH_POINTS_MAX] = {{NULL, 0, 0}};
    bool tcp = flow->flow->protocol == IPPROTO_TCP;
    int status = WH_OK;
    if (!points || (tcp && !find_losses(trail, losses)))
        status = error_memory(error, "the plots");
    if (tcp)
        followed_drop_copies(&flow->followed);
    for (size_t i = 0; !status && i < sizeof PICTURE_KINDS / sizeof *PICTURE_KINDS; i++)
        if (tcp || !PICTURE_KINDS[i].tcp_only)
            status =
                draw_kind(pictures, flow, &PICTURE_KINDS[i], tcp ? losses : NULL, points, error);
    for (unsigned k = 0; k < WH_POINTS_MAX; k++)
        free(losses[k].pkts);
    return status;
}
