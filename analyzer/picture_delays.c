/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A flow's delay on each segment; beyond the outermost points, how long an answer takes. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "pictures.h"
#include "report/parts.h"

/* Of delays that would lie on each other in the picture only one is kept: of the same sixteenth of
 * an octave, at about the same time. */
#define COLUMNS 2048
#define CELLS   1024

struct delays {
    struct plot_delay *items;
    uint32_t count, capacity;
    int64_t column_ns;
    struct {
        int64_t until_ns; /* of the column of the last delay */
        uint64_t seen[CELLS / 64];
    } side[2];
};

static unsigned cell_of(int64_t delay_ns)
{
    if (delay_ns < 16)
        return 0;
    unsigned octave = 63u - (unsigned)__builtin_clzll((unsigned long long)delay_ns);
    return octave * 16 + (unsigned)(delay_ns >> (octave - 4) & 15);
}

/* Also notes that it was seen. */
static bool is_seen(struct delays *delays, int64_t time_ns, int64_t delay_ns, unsigned side)
{
    unsigned cell = cell_of(delay_ns);
    uint64_t *seen = &delays->side[side].seen[cell / 64], bit = UINT64_C(1) << cell % 64;
    if (time_ns >= delays->side[side].until_ns ||
        time_ns < delays->side[side].until_ns - delays->column_ns) {
        memset(delays->side[side].seen, 0, sizeof delays->side[side].seen);
        delays->side[side].until_ns = time_ns + delays->column_ns;
    }
    bool before = *seen & bit;
    *seen |= bit;
    return before;
}

static bool add_delay(struct delays *delays, int64_t time_ns, int64_t delay_ns, unsigned side)
{
    if (is_seen(delays, time_ns, delay_ns, side))
        return true;
    struct plot_delay *delay = ARRAY_PUSH(delays->items, delays->count, delays->capacity);
    if (delay)
        *delay = (struct plot_delay){time_ns, delay_ns, side ? WH_TO_CLIENT : WH_TO_SERVER};
    return delay != NULL;
}

/* Only between neighbours on the path: over more segments nobody knows where the time went. */
static bool add_hops(const struct wh_analysis *analysis, const struct trail *trail, unsigned side,
                     struct delays *delays)
{
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        unsigned low = hop->place < hop[1].place ? hop->place : hop[1].place;
        unsigned high = hop->place + hop[1].place - low;
        if (high != low + 1 || facts_uncertainty(&analysis->result, high) == WH_NONE)
            continue;
        for (uint32_t i = 0; i < hop->count; i++)
            if (hop_delay_known(hop, i) &&
                !add_delay(&delays[high], hop_time(hop, i) - analysis->epoch.ns, hop_delay(hop, i),
                           side))
                return false;
    }
    return true;
}

/* Data on its way out, whose acknowledgement is awaited: in the order of the stream. */
struct sent {
    int64_t end, time_ns;
};

struct awaited {
    struct sent *items;
    uint32_t first, count, capacity;
};

static bool await(struct awaited *awaited, int64_t end, int64_t time_ns)
{
    array_shift(awaited->items, &awaited->first, &awaited->count, awaited->capacity,
                sizeof *awaited->items);
    struct sent *sent = ARRAY_PUSH(awaited->items, awaited->count, awaited->capacity);
    if (sent)
        *sent = (struct sent){end, time_ns};
    return sent != NULL;
}

/* From data that leaves the captured path at its outermost point to its acknowledgement. What was
 * sent more than once says nothing, as nobody knows which copy was answered (RFC 6298, 3). */
static bool add_answers(const struct wh_analysis *analysis, const struct track_flow *view,
                        const struct clock_fit *clock, unsigned side, struct delays *delays)
{
    struct awaited awaited = {NULL, 0, 0, 0};
    int64_t high = INT64_MIN;
    bool ok = true;
    for (uint32_t i = 0; ok && i < view->pkt_count; i++) {
        const struct pkt *pkt = &view->pkts[i];
        int64_t time_ns = picture_time(analysis, clock, pkt->time), sent_ns = WH_NONE;
        if (pkt->flags & (PKT_DUPLICATE | PKT_RST))
            continue;
        if (pkt_side(pkt) == side) {
            if (pkt_span(pkt) == 0)
                continue;
            if (pkt->seq < high)
                awaited.first = awaited.count;
            else
                ok = await(&awaited, pkt_end(pkt), time_ns);
            high = pkt_end(pkt) > high ? pkt_end(pkt) : high;
            continue;
        }
        while (pkt->ack != ACK_NONE && awaited.first < awaited.count &&
               awaited.items[awaited.first].end <= pkt->ack)
            sent_ns = awaited.items[awaited.first++].time_ns;
        if (sent_ns != WH_NONE)
            ok = add_delay(delays, sent_ns, time_ns - sent_ns, side);
    }
    free(awaited.items);
    return ok;
}

/* The outermost points, by place, that saw the flow: one that ends at a proxy passes not all. */
struct reach {
    unsigned first, last;
};

static struct reach find_reach(const struct wh_analysis *analysis, const struct flow *flow)
{
    struct reach reach = {analysis->capture_count, 0};
    for (unsigned place = 0; place < analysis->capture_count; place++) {
        if (!flow->at[analysis->alignment.order[place]])
            continue;
        reach.first = place < reach.first ? place : reach.first;
        reach.last = place;
    }
    return reach;
}

/* What goes towards the path's servers is answered from beyond the flow's first point. */
static bool add_ends(const struct wh_analysis *analysis, const struct flow *flow,
                     struct reach reach, struct delays *delays)
{
    for (unsigned end = 0; end < 2; end++) {
        unsigned place = end ? reach.last : reach.first;
        unsigned point = analysis->alignment.order[place];
        unsigned side = end ? !flow->reversed : flow->reversed;
        if (!add_answers(analysis, flow->at[point], &analysis->alignment.clock[point], side,
                         &delays[place + end]))
            return false;
    }
    return true;
}

static int write_delays(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_delays(data, files, error);
}

static bool add_gaps(struct pictures *pictures, uint32_t place, unsigned side,
                     struct plot_delay_segment *segment)
{
    const struct wh_point *point = &pictures->analysis->result.points[place];
    segment->gaps[side] = picture_gaps(pictures, point, &segment->gap_count[side]);
    return segment->gaps[side] != NULL;
}

int picture_delays(struct pictures *pictures, struct picture_flow *flow, struct wh_error *error)
{
    const struct wh_analysis *analysis = pictures->analysis;
    const struct wh_result *result = &analysis->result;
    struct delays *delays = calloc(result->segment_count + 1, sizeof *delays);
    struct plot_delay_segment *segments =
        arena_alloc(&pictures->arena, result->segment_count + 1, sizeof *segments);
    struct plot_delays plot = {flow->frame, segments, 0};
    bool tcp = flow->flow->protocol == IPPROTO_TCP;
    struct reach reach = find_reach(analysis, flow->flow);
    const char *name = arena_printf(&pictures->arena, "flow-%u-delay", flow->shown->id);
    plot.frame.title = arena_printf(&pictures->arena, "Delay of each segment (%s, flow %u)",
                                    flow->shown->protocol, flow->shown->id);
    bool ok = delays && segments && name && plot.frame.title;
    for (uint32_t s = 0; ok && s < result->segment_count; s++)
        delays[s].column_ns = (flow->frame.end_ns - flow->frame.start_ns) / COLUMNS + 1;
    for (unsigned side = 0; ok && side < 2; side++)
        ok = add_hops(analysis, &flow->followed->trail[side], side, delays);
    ok = ok && (!tcp || add_ends(analysis, flow->flow, reach, delays));
    for (uint32_t s = reach.first; ok && s <= reach.last + 1; s++) {
        bool outer = s == reach.first || s == reach.last + 1;
        if (outer && !delays[s].count && !tcp && result->point_count > 1)
            continue; /* nothing acknowledges a datagram */
        segments[plot.segment_count++] = (struct plot_delay_segment){
            .name = result->segments[s].name,
            .samples = delays[s].items,
            .sample_count = delays[s].count,
            .uncertainty_ns = facts_uncertainty(result, s),
            .round_trip = outer,
        };
        for (unsigned side = 0; ok && side < 2; side++)
            if (s + side > 0 && s + side <= result->point_count)
                ok = add_gaps(pictures, s + side - 1, side, &segments[plot.segment_count - 1]);
    }
    int status = ok ? picture_put(pictures, name, write_delays, &plot, error)
                    : error_memory(error, "the plots");
    for (uint32_t s = 0; delays && s < result->segment_count; s++)
        free(delays[s].items);
    free(delays);
    return status;
}
