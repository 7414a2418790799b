/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The hops of both directions of a flow, and what became of each packet between them.
 *
 * What did not come out of a segment was lost there only if nothing speaks against it: no point
 * farther on saw it, the receiver did not acknowledge it, the next capture was running, and what
 * was sent later has overtaken it or it had time enough to come.
 */
#include "follow/follow.h"

#include <string.h>

#include "base/error.h"
#include "base/parallel.h"
#include "base/partition.h"
#include "follow/acknowledged.h"
#include "follow/meet.h"
#include "follow/missed.h"

#define LARGE_FLOW 262144u  /* packets, at all points */
#define GIVE_UP_NS NS_PER_S /* what has not come by then, with the capture running, will not */

/* ---- hops ------------------------------------------------------------------------------------ */

/* Room for copies of all the flow's packets, of which only what one side sent will be taken: the
 * rest is never touched. */
static bool make_room(struct trail *trail, const struct flow *flow, unsigned point_count)
{
    uint64_t packets = flow_packets(flow, point_count);
    if (packets <= trail->copy_capacity)
        return true;
    if (packets > UINT32_MAX / 2)
        return false;
    free(trail->copies);
    trail->copies = array_new(packets * 5 / 4, sizeof *trail->copies);
    trail->copy_capacity = trail->copies ? (uint32_t)(packets * 5 / 4) : 0;
    return trail->copies != NULL;
}

static void fill_copies(struct hop *hop, unsigned side, enum fate fate)
{
    const struct pkt *pkts = hop->view->pkts, *end = pkts + hop->view->pkt_count;
    const struct clock_reading clock = clock_read(hop->clock, hop->view->first, hop->view->last);
    const unsigned wanted = side ? PKT_FROM_SERVER : 0;
    struct copy *copy = hop->copies;
    uint32_t i = 0;
    for (const struct pkt *pkt = pkts; pkt < end; pkt++, i++) {
        if ((pkt->flags & (PKT_FROM_SERVER | PKT_DUPLICATE)) != wanted)
            continue;
        copy->time_ns = clock_reading_to_path(&clock, pkt->time).ns;
        copy->pkt = i;
        copy->next = copy->previous = COPY_NONE;
        copy->met_bytes = 0;
        copy->fate = fate;
        copy++;
    }
    hop->count = (uint32_t)(copy - hop->copies);
}

static void add_hop(struct trail *trail, unsigned side, const struct flow *flow,
                    const struct alignment *alignment, const struct capture_span *spans,
                    unsigned place, enum fate fate)
{
    unsigned point = alignment->order[place];
    struct hop *hop = &trail->hops[trail->hop_count++];
    *hop = (struct hop){.point = point,
                        .place = place,
                        .view = flow->at[point],
                        .clock = &alignment->clock[point],
                        .span = &spans[point]};
    hop->first = clock_to_path(hop->clock, spans[point].first);
    hop->last = clock_to_path(hop->clock, spans[point].last);
    hop->since.ns = hop->first.ns - spans[point].quiet_before_ns;
    hop->until.ns = hop->last.ns + spans[point].quiet_after_ns;
    hop->copies = trail->copies + trail->copy_count;
    if (hop->view)
        fill_copies(hop, side, fate);
    trail->copy_count += hop->count;
}

/* One flow's part of the path. */
struct route {
    const struct flow *flow;
    const struct alignment *alignment;
    const struct capture_span *spans;
    unsigned point_count;
    unsigned side;               /* whose packets are followed */
    unsigned first, last;        /* places where they were seen */
    struct path_time begin, end; /* of the flow */
};

static const struct track_flow *view_at(const struct route *route, unsigned place)
{
    unsigned point = route->alignment->order[place];
    const struct track_flow *view = route->flow->at[point];
    bool passed_over =
        route->spans[point].left_out || (view && follow_one_sided(view, route->side));
    return passed_over ? NULL : view;
}

static bool find_route(struct route *route)
{
    bool seen = false;
    route->begin.ns = INT64_MAX;
    route->end.ns = INT64_MIN;
    for (unsigned place = 0; place < route->point_count; place++) {
        const struct track_flow *view = view_at(route, place);
        if (!view)
            continue;
        const struct clock_fit *clock = &route->alignment->clock[route->alignment->order[place]];
        int64_t begin_ns = clock_to_path(clock, view->first).ns;
        int64_t end_ns = clock_to_path(clock, view->last).ns;
        route->begin.ns = begin_ns < route->begin.ns ? begin_ns : route->begin.ns;
        route->end.ns = end_ns > route->end.ns ? end_ns : route->end.ns;
        route->first = seen ? route->first : place;
        route->last = place;
        seen = true;
    }
    return seen;
}

/* Would the point have seen the flow, if it came there? It is on the path, as other flows show, and
 * its capture was running. Where the flow is one of several alike, it may have under another name.
 */
static bool would_have_seen(const struct route *route, unsigned place)
{
    unsigned point = route->alignment->order[place];
    const struct clock_fit *clock = &route->alignment->clock[point];
    const struct track_flow *view = route->flow->at[point];
    return !route->flow->ambiguous && route->alignment->common[point] &&
           !route->spans[point].left_out && !(view && follow_one_sided(view, route->side)) &&
           clock_to_path(clock, route->spans[point].first).ns <= route->begin.ns + GIVE_UP_NS &&
           clock_to_path(clock, route->spans[point].last).ns >= route->end.ns - GIVE_UP_NS;
}

/* Segments from the flow's outermost point to the next one that would have seen it. */
static unsigned segments_beyond(const struct route *route, unsigned place, bool up)
{
    unsigned count = 1;
    for (; up ? place + 1 < route->point_count : place > 0; count++) {
        place = up ? place + 1 : place - 1;
        if (would_have_seen(route, place))
            break;
    }
    return count;
}

/* Packets of `side` go on beyond the last point that saw the flow. If nobody ever answered, the
 * next point should have seen them, and what is missing there was lost. An answer without them
 * shows that the flow ends between the two points. */
static bool goes_on(const struct route *route, unsigned place, unsigned side, bool up)
{
    bool path_ends = up ? place + 1 == route->point_count : place == 0;
    const struct stream *sender = &view_at(route, place)->stream[side];
    const struct stream *other = &view_at(route, place)->stream[!side];
    bool silence = other->packets == 0 && (!other->seen || sender->next <= 1);
    return !path_ends && silence && would_have_seen(route, up ? place + 1 : place - 1);
}

static bool make_trail(struct trail *trail, struct route *route)
{
    unsigned side = route->side;
    bool up = (side == 1) != route->flow->reversed; /* from the servers' side to the clients' */
    trail->hops = arena_alloc(&trail->arena, route->point_count, sizeof *trail->hops);
    trail->missed = arena_alloc(&trail->arena, route->point_count, sizeof *trail->missed);
    if (!trail->hops || !trail->missed)
        return false;
    if (!find_route(route))
        return true;
    unsigned start = up ? route->first : route->last, stop = up ? route->last : route->first;
    bool further = goes_on(route, stop, side, up);
    stop = !further ? stop : up ? stop + 1 : stop - 1;
    trail->before = segments_beyond(route, start, !up);
    trail->after = segments_beyond(route, stop, up);
    for (unsigned place = start;; place = up ? place + 1 : place - 1) {
        bool wanted = view_at(route, place) || (further && place == stop);
        if (wanted)
            add_hop(trail, side, route->flow, route->alignment, route->spans, place,
                    place == stop ? FATE_END : FATE_LOST);
        if (place == stop)
            return true;
    }
}

/* ---- fates ----------------------------------------------------------------------------------- */

/* What would have come before the next capture began, or after its end, nobody looked for. */
static void settle_unwatched(struct hop *from, const struct hop *to)
{
    int64_t slack_ns = from->clock->uncertainty_ns + to->clock->uncertainty_ns;
    for (uint32_t n = 0; n < from->unmet_count; n++) {
        struct copy *copy = &from->copies[from->unmet[n]];
        int64_t due_ns = copy->time_ns + from->base_delay_ns;
        bool watched = due_ns >= to->first.ns + slack_ns && due_ns <= to->last.ns - slack_ns;
        if (copy->fate == FATE_LOST && !watched)
            copy->fate = FATE_UNSEEN;
    }
}

/* What nothing has overtaken may still be on its way. */
static void settle_under_way(struct hop *from, const struct hop *to)
{
    uint32_t out = from->count; /* behind the latest copy that is known to have come out */
    if (from->unmet_count == 0)
        return;
    for (; out > 0; out--) {
        enum fate fate = from->copies[out - 1].fate;
        if (fate == FATE_ARRIVED || fate == FATE_PARTLY || fate == FATE_MISSED)
            break;
    }
    for (uint32_t n = from->unmet_count; n-- > 0 && from->unmet[n] >= out;) {
        struct copy *copy = &from->copies[from->unmet[n]];
        if (copy->fate == FATE_LOST && copy->time_ns + GIVE_UP_NS > to->last.ns)
            copy->fate = FATE_UNSEEN;
    }
}

/* ---- lost ranges ----------------------------------------------------------------------------- */

static bool add_lost(struct trail *trail, unsigned hop, uint32_t copy, int64_t seq, int64_t end)
{
    struct lost_range *range = ARRAY_PUSH(trail->lost, trail->lost_count, trail->lost_capacity);
    if (range)
        *range = (struct lost_range){
            .hop = hop, .to = hop + 1, .copy = copy, .seq = seq, .length = (uint32_t)(end - seq)};
    return range != NULL;
}

static int compare_pieces(const void *left, const void *right)
{
    const struct piece *a = left, *b = right;
    if (a->copy != b->copy)
        return a->copy < b->copy ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* The holes between the pieces of one partly met copy. */
static bool add_holes(struct trail *trail, unsigned hop, uint32_t copy, const struct piece *pieces,
                      uint32_t count)
{
    const struct pkt *pkt = hop_pkt(&trail->hops[hop], copy);
    int64_t reached = pkt->seq;
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].seq > reached && !add_lost(trail, hop, copy, reached, pieces[i].seq))
            return false;
        int64_t end = pieces[i].seq + pieces[i].length;
        reached = end > reached ? end : reached;
    }
    return reached >= pkt_end(pkt) || add_lost(trail, hop, copy, reached, pkt_end(pkt));
}

static bool collect_lost(struct trail *trail, unsigned k, struct pieces *pieces)
{
    const struct hop *hop = &trail->hops[k];
    if (pieces->count)
        qsort(pieces->items, pieces->count, sizeof *pieces->items, compare_pieces);
    uint32_t p = 0;
    for (uint32_t n = 0; n < hop->unmet_count; n++) {
        uint32_t i = hop->unmet[n];
        while (p < pieces->count && pieces->items[p].copy < i)
            p++;
        uint32_t first = p;
        while (p < pieces->count && pieces->items[p].copy == i)
            p++;
        const struct pkt *pkt = hop_pkt(hop, i);
        uint32_t before = trail->lost_count;
        bool ok = true;
        if (hop->copies[i].fate == FATE_LOST)
            ok = add_lost(trail, k, i, pkt->seq, pkt_end(pkt));
        else if (hop->copies[i].fate == FATE_PARTLY)
            ok = add_holes(trail, k, i, pieces->items + first, p - first);
        if (hop->copies[i].fate == FATE_PARTLY && trail->lost_count == before)
            hop->copies[i].fate = FATE_ARRIVED; /* what seemed lost was missed */
        if (!ok)
            return false;
    }
    return true;
}

/* ---- one direction --------------------------------------------------------------------------- */

/* Each hop with the next one, then with those farther on. */
static bool meet_all(struct trail *trail, struct pieces *pieces)
{
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        if (!meet_hops(&trail->arena, &trail->hops[k], &trail->hops[k + 1], &pieces[k]))
            return false;
        settle_unwatched(&trail->hops[k], &trail->hops[k + 1]);
    }
    for (unsigned k = 0; k + 2 < trail->hop_count; k++)
        for (unsigned m = k + 2; m < trail->hop_count; m++)
            if (!meet_beyond(&trail->hops[k], &trail->hops[m], &pieces[k]))
                return false;
    return true;
}

static bool follow_trail(struct trail *trail, unsigned side)
{
    struct pieces pieces[WH_POINTS_MAX] = {{0}};
    bool ok = meet_all(trail, pieces);
    ok = ok && follow_acknowledged(trail, side, pieces);
    if (ok)
        settle_gaps(trail);
    for (unsigned k = 0; ok && k + 1 < trail->hop_count; k++) {
        settle_under_way(&trail->hops[k], &trail->hops[k + 1]);
        ok = collect_lost(trail, k, &pieces[k]);
    }
    ok = ok && collect_astray(trail) && collect_misses(trail);
    for (unsigned k = 0; k < trail->hop_count; k++)
        free(pieces[k].items);
    return ok;
}

unsigned flow_threads(const struct flow *flow, unsigned point_count, unsigned threads)
{
    return flow_packets(flow, point_count) >= LARGE_FLOW ? threads : 1;
}

/* Both directions, of which neither asks for the other. */
struct following {
    const struct route *route;
    struct trail *trails;
    bool failed[2];
};

static void follow_side(void *context, unsigned worker, uint32_t side)
{
    struct following *following = context;
    struct trail *trail = &following->trails[side];
    struct route route = *following->route;
    (void)worker;
    arena_reset(&trail->arena);
    trail->hop_count = 0;
    trail->copy_count = trail->lost_count = trail->miss_count = 0;
    route.side = side;
    following->failed[side] = !make_room(trail, route.flow, route.point_count) ||
                              !make_trail(trail, &route) || !follow_trail(trail, side);
}

int follow_flow(const struct flow *flow, const struct alignment *alignment,
                const struct capture_span *spans, unsigned point_count, struct followed *followed,
                struct wh_error *error)
{
    struct route route = {
        .flow = flow, .alignment = alignment, .spans = spans, .point_count = point_count};
    struct following following = {&route, followed->trail, {false, false}};
    followed->spans = spans;
    parallel_run(flow_threads(flow, point_count, followed->threads), 2, follow_side, &following);
    return following.failed[0] || following.failed[1] ? error_memory(error, "following a flow")
                                                      : WH_OK;
}

uint32_t copies_from(const struct hop *hop, int64_t time_ns)
{
    return PARTITION_POINT(i, hop->count, hop_time(hop, i) < time_ns);
}

void followed_free(struct followed *followed)
{
    for (unsigned side = 0; side < 2; side++) {
        struct trail *trail = &followed->trail[side];
        arena_free(&trail->arena);
        free(trail->copies);
        free(trail->lost);
        free(trail->misses);
    }
    *followed = (struct followed){.threads = followed->threads};
}
