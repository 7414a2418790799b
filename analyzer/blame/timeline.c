/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Levels over time, round trips, and the sender's timestamp clock. */
#include "blame/timeline.h"

#include <stdlib.h>

#include "base/partition.h"

#define TIMED_NONE     INT64_MAX
#define TICKS_LEAST_NS (300 * NS_PER_MS) /* a shorter flow does not tell the tick */

/* ---- steps ----------------------------------------------------------------------------------- */

/* Makes room for a step at each of so many packets, so that none is asked for room. */
static bool make_room(struct steps *steps, uint32_t packets)
{
    return packets <= steps->capacity ||
           array_grow((void **)&steps->items, packets, &steps->capacity, sizeof *steps->items);
}

/* For a level above that of the last step; there is room. */
static inline void add_step(struct steps *steps, int64_t time_ns, int64_t level, uint32_t pkt)
{
    steps->items[steps->count++] = (struct step){time_ns, level, pkt};
}

int64_t steps_reach(const struct steps *steps, int64_t level)
{
    uint32_t first = PARTITION_POINT(i, steps->count, steps->items[i].level < level);
    return first < steps->count ? steps->items[first].time_ns : NEVER;
}

int64_t steps_above(const struct steps *steps, int64_t level)
{
    return steps_reach(steps, level + 1);
}

const struct step *steps_at(const struct steps *steps, int64_t time_ns)
{
    uint32_t later = PARTITION_POINT(i, steps->count, steps->items[i].time_ns <= time_ns);
    return later ? &steps->items[later - 1] : NULL;
}

int64_t steps_level(const struct steps *steps, int64_t time_ns, int64_t before)
{
    const struct step *step = steps_at(steps, time_ns);
    return step ? step->level : before;
}

/* ---- packets by time ------------------------------------------------------------------------- */

uint32_t view_from(const struct hop *hop, int64_t time_ns)
{
    if (clock_to_path(hop->clock, hop->view->last).ns < time_ns) /* as most flows, mostly */
        return hop->view->pkt_count;
    return PARTITION_POINT(i, hop->view->pkt_count, view_time(hop, i) < time_ns);
}

/* ---- the sender's timestamp clock ------------------------------------------------------------ */

/* Ticks a second that stacks use; a measured rate is rounded to the nearest of them. A queue at one
 * end of a short flow shifts what is measured by some percent: so 1000 and 1024, or 500 and 512,
 * would be confused, and no system of today counts to the latter. */
static int64_t usual_tick_ns(double per_second)
{
    static const double rates[] = {1, 2, 10, 64, 100, 128, 200, 250, 300, 500, 1000};
    double best = 0, distance = 0.15;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        double off = per_second > rates[i] ? per_second / rates[i] - 1 : rates[i] / per_second - 1;
        if (off < distance) {
            distance = off;
            best = rates[i];
        }
    }
    return best > 0 ? (int64_t)(NS_PER_S / best) : 0;
}

static struct tick_clock fit_ticks(const struct hop *hop)
{
    struct tick_clock ticks = {0};
    uint32_t first = 0, last = hop->count;
    while (first < last && !(hop_pkt(hop, first)->flags & PKT_TIMESTAMPS))
        first++;
    while (last > first && !(hop_pkt(hop, last - 1)->flags & PKT_TIMESTAMPS))
        last--;
    if (first == last || hop_time(hop, --last) - hop_time(hop, first) < TICKS_LEAST_NS)
        return ticks;
    ticks.first = hop_pkt(hop, first)->tsval;
    double seconds = (double)(hop_time(hop, last) - hop_time(hop, first)) / 1e9;
    int32_t passed = (int32_t)(hop_pkt(hop, last)->tsval - ticks.first);
    if (passed > 0)
        ticks.tick_ns = usual_tick_ns(passed / seconds);
    int64_t latest_ns = INT64_MIN;
    ticks.base_ns = NEVER;
    for (uint32_t i = first; ticks.tick_ns && i < hop->count; i++) {
        const struct pkt *pkt = hop_pkt(hop, i);
        if (!(pkt->flags & PKT_TIMESTAMPS))
            continue;
        int64_t base = hop_time(hop, i) - (int32_t)(pkt->tsval - ticks.first) * ticks.tick_ns;
        ticks.base_ns = base < ticks.base_ns ? base : ticks.base_ns;
        latest_ns = base > latest_ns ? base : latest_ns;
    }
    if (latest_ns > ticks.base_ns)
        ticks.most_ns = latest_ns - ticks.base_ns;
    return ticks;
}

int64_t timeline_age(const struct timeline *timeline, const struct pkt *pkt, int64_t time_ns)
{
    const struct tick_clock *ticks = &timeline->ticks;
    if (!ticks->tick_ns || !(pkt->flags & PKT_TIMESTAMPS))
        return 0;
    int64_t made_ns = ticks->base_ns + (int32_t)(pkt->tsval - ticks->first) * ticks->tick_ns;
    return time_ns > made_ns + ticks->tick_ns ? time_ns - made_ns - ticks->tick_ns : 0;
}

/* ---- round trips ----------------------------------------------------------------------------- */

/* Does a packet of the sender answer what passed towards it? By TSecr where there are timestamps,
 * else by the acknowledgement of its bytes. */
static bool answers(const struct pkt *answer, const struct pkt *asked)
{
    if (answer->flags & asked->flags & PKT_TIMESTAMPS)
        return (int32_t)(answer->tsecr - asked->tsval) >= 0;
    return pkt_span(asked) && answer->ack != ACK_NONE && answer->ack >= pkt_end(asked);
}

static bool add_rtt(struct timeline *timeline, int64_t time_ns, int64_t rtt_ns)
{
    struct rtt_sample *sample =
        ARRAY_PUSH(timeline->rtts, timeline->rtt_count, timeline->rtt_capacity);
    if (sample)
        *sample = (struct rtt_sample){time_ns, rtt_ns};
    return sample != NULL;
}

/* What is under way while the sender's hop is walked. */
struct walk {
    const struct pkt *asked; /* passed towards the sender and is not answered yet; NULL: nothing */
    int64_t asked_ns;
    int64_t quickest_ns;                       /* from the hop to the sender and back; NEVER */
    int64_t timed_end, timed_ns, timed_age_ns; /* the segment that is timed; TIMED_NONE: none is */
    int64_t sent, acked;                       /* the highest so far; INT64_MIN: nothing */
};

/* What the sender sent. A new segment is timed from its passing to the ACK that covers it, one at a
 * time, not over retransmissions (Karn). */
static inline void walk_sent(struct timeline *timeline, struct walk *walk, const struct pkt *pkt,
                             uint32_t index, int64_t now_ns)
{
    if (walk->asked && answers(pkt, walk->asked)) {
        int64_t took_ns = now_ns - walk->asked_ns;
        walk->quickest_ns = took_ns < walk->quickest_ns ? took_ns : walk->quickest_ns;
        walk->asked = NULL;
    }
    if (pkt_span(pkt) == 0)
        return;
    int64_t end = pkt_end(pkt);
    if (pkt->seq < walk->sent) {
        walk->timed_end = TIMED_NONE; /* sent again: an ACK would not tell which copy it answers */
    } else if (walk->timed_end == TIMED_NONE) {
        walk->timed_ns = now_ns;
        walk->timed_end = end;
        walk->timed_age_ns = timeline_age(timeline, pkt, now_ns);
    }
    if (end <= walk->sent)
        return;
    walk->sent = end;
    add_step(&timeline->sent, now_ns, end, index);
}

/* What passed towards the sender. */
static inline bool walk_back(struct timeline *timeline, struct walk *walk, const struct pkt *pkt,
                             uint32_t index, int64_t now_ns)
{
    if (!walk->asked && ((pkt->flags & PKT_TIMESTAMPS) || pkt_span(pkt))) {
        walk->asked = pkt;
        walk->asked_ns = now_ns;
    }
    if (pkt->ack >= walk->timed_end) {
        if (!add_rtt(timeline, now_ns, now_ns - walk->timed_ns + walk->timed_age_ns))
            return false;
        walk->timed_end = TIMED_NONE;
    }
    if (pkt->ack <= walk->acked || timeline_void(timeline->sender->view, pkt))
        return true;
    walk->acked = pkt->ack;
    add_step(&timeline->acked, now_ns, pkt->ack, index);
    return true;
}

/* All that the hop nearest to the sender tells, in one go. Round trips are measured from it on: the
 * way behind the hop is added, as long as the quickest answer took, plus what timestamps tell of a
 * queue there. */
static bool walk_sender(struct timeline *timeline)
{
    const struct hop *hop = timeline->sender;
    const struct clock_reading clock = clock_read(hop->clock, hop->view->first, hop->view->last);
    const struct pkt *pkt = hop->view->pkts;
    const uint32_t count = hop->view->pkt_count;
    const unsigned from_sender = timeline->side ? PKT_FROM_SERVER : 0;
    struct walk walk = {
        .quickest_ns = NEVER, .timed_end = TIMED_NONE, .sent = INT64_MIN, .acked = ACK_NONE};
    if (!make_room(&timeline->sent, count) || !make_room(&timeline->acked, count))
        return false;
    for (uint32_t i = 0; i < count; i++, pkt++) {
        unsigned flags = pkt->flags;
        if (flags & (PKT_DUPLICATE | PKT_RST))
            continue;
        int64_t now_ns = clock_reading_to_path(&clock, pkt->time).ns;
        if ((flags & PKT_FROM_SERVER) == from_sender)
            walk_sent(timeline, &walk, pkt, i, now_ns);
        else if (!walk_back(timeline, &walk, pkt, i, now_ns))
            return false;
    }
    timeline->turn_ns = walk.quickest_ns == NEVER ? 0 : walk.quickest_ns;
    for (uint32_t i = 0; i < timeline->rtt_count; i++)
        timeline->rtts[i].rtt_ns += timeline->turn_ns;
    return true;
}

/* The middle one of the three samples that end before `end`; the larger one of fewer. */
static int64_t recent_rtt_ns(const struct timeline *timeline, uint32_t end)
{
    if (end < 3) {
        int64_t most_ns = end ? timeline->rtts[0].rtt_ns : 0;
        return end == 2 && timeline->rtts[1].rtt_ns > most_ns ? timeline->rtts[1].rtt_ns : most_ns;
    }
    int64_t a = timeline->rtts[end - 1].rtt_ns, b = timeline->rtts[end - 2].rtt_ns;
    int64_t c = timeline->rtts[end - 3].rtt_ns;
    int64_t low = a < b ? a : b, high = a < b ? b : a;
    return c < low ? low : c > high ? high : c;
}

int64_t timeline_srtt(const struct timeline *timeline, int64_t time_ns)
{
    int64_t srtt_ns = 0;
    uint32_t later = PARTITION_POINT(i, timeline->rtt_count, timeline->rtts[i].time_ns <= time_ns);
    /* Older samples weigh less than a thousandth after 64 more. */
    for (uint32_t i = later > 64 ? later - 64 : 0; i < later; i++) {
        int64_t rtt_ns = timeline->rtts[i].rtt_ns;
        srtt_ns = srtt_ns ? srtt_ns + (rtt_ns - srtt_ns) / 8 : rtt_ns;
    }
    /* A queue can grow faster than the smoothing follows a flow that is sampled now and then. */
    int64_t recent_ns = recent_rtt_ns(timeline, later);
    return recent_ns > srtt_ns ? recent_ns : srtt_ns;
}

/* ---- making it ------------------------------------------------------------------------------- */

static const struct hop *outermost(const struct trail *trail, bool last, unsigned *index)
{
    for (unsigned i = 0; i < trail->hop_count; i++) {
        unsigned at = last ? trail->hop_count - 1 - i : i;
        if (trail->hops[at].view) {
            *index = at;
            return &trail->hops[at];
        }
    }
    return NULL;
}

static bool is_ack(const struct pkt *pkt, unsigned side)
{
    return pkt_side(pkt) != side && !(pkt->flags & (PKT_DUPLICATE | PKT_RST)) &&
           pkt->ack != ACK_NONE;
}

/* Cumulative acknowledgements of what `side` sent, as a hop saw them. */
static bool collect_acks(const struct hop *hop, unsigned side, struct steps *steps)
{
    const struct track_flow *view = hop->view;
    const struct clock_reading clock = clock_read(hop->clock, view->first, view->last);
    const struct pkt *pkt = view->pkts;
    int64_t acked = ACK_NONE;
    if (!make_room(steps, view->pkt_count))
        return false;
    for (uint32_t i = 0, count = view->pkt_count; i < count; i++, pkt++) {
        if (pkt->ack <= acked || !is_ack(pkt, side) || timeline_void(view, pkt))
            continue;
        acked = pkt->ack;
        add_step(steps, clock_reading_to_path(&clock, pkt->time).ns, acked, i);
    }
    return true;
}

static int compare_steps(const void *left, const void *right)
{
    const struct step *a = left, *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->level < b->level ? -1 : a->level > b->level;
}

static bool is_data(const struct pkt *pkt, unsigned side)
{
    return pkt_side(pkt) == side && pkt_span(pkt) && !(pkt->flags & (PKT_DUPLICATE | PKT_RST));
}

/* Adds what only points farther on saw, data of `side` or acknowledgements of it: the first point's
 * own capture missed it. */
static bool add_missed(const struct trail *trail, unsigned side, struct steps *steps)
{
    uint32_t before = steps->count;
    for (unsigned k = 1; k < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        for (uint32_t n = 0; n < hop->stray_count; n++) {
            uint32_t i = hop->strays[n];
            const struct pkt *pkt = hop_pkt(hop, i);
            bool data = is_data(pkt, side);
            if (hop->copies[i].previous != COPY_NONE || (!data && !is_ack(pkt, side)) ||
                timeline_void(hop->view, pkt))
                continue;
            struct step *step = ARRAY_PUSH(steps->items, steps->count, steps->capacity);
            if (!step)
                return false;
            *step = (struct step){hop_time(hop, i), data ? pkt_end(pkt) : pkt->ack, COPY_NONE};
        }
    }
    if (steps->count == before)
        return true;
    qsort(steps->items, steps->count, sizeof *steps->items, compare_steps);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < steps->count; i++)
        if (kept == 0 || steps->items[i].level > steps->items[kept - 1].level)
            steps->items[kept++] = steps->items[i];
    steps->count = kept;
    return true;
}

static bool collect_sent(const struct hop *hop, unsigned side, struct steps *steps)
{
    int64_t sent = INT64_MIN;
    if (!make_room(steps, hop->view->pkt_count))
        return false;
    for (uint32_t i = 0; i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (!is_data(pkt, side) || pkt_end(pkt) <= sent)
            continue;
        sent = pkt_end(pkt);
        add_step(steps, view_time(hop, i), sent, i);
    }
    return true;
}

/* A full segment's bytes: the largest that was sent, frames that a host or a card merged set
 * aside; what the receiver announced where only small ones were sent. */
static int64_t segment_bytes(const struct timeline *timeline)
{
    const struct track_flow *view = timeline->sender->view;
    int64_t announced = view->stream[!timeline->side].mss;
    int64_t limit = announced ? announced : 1460, largest = INT64_MAX;
    for (unsigned i = 0; i < timeline->data->hop_count; i++) {
        view = timeline->data->hops[i].view;
        int64_t bytes = view ? view->stream[timeline->side].payload_max_bytes : 0;
        largest = bytes && bytes < largest ? bytes : largest;
    }
    return largest >= 536 && largest < limit ? largest : limit;
}

bool timeline_make(const struct followed *followed, unsigned side, struct timeline *timeline)
{
    unsigned first = 0, last = 0;
    timeline->side = side;
    timeline->data = &followed->trail[side];
    timeline->acks = &followed->trail[!side];
    timeline->sender = outermost(timeline->data, false, &first);
    timeline->receiver = outermost(timeline->data, true, &last);
    timeline->receiver_hop = last;
    timeline->progress.count = timeline->acked.count = timeline->sent.count = 0;
    timeline->rtt_count = 0;
    timeline->turn_ns = 0;
    if (!timeline->sender)
        return true;
    timeline->mss = segment_bytes(timeline);
    timeline->ticks = fit_ticks(timeline->sender);
    if (!collect_acks(timeline->receiver, side, &timeline->progress) ||
        !add_missed(timeline->acks, side, &timeline->progress) || !walk_sender(timeline) ||
        !add_missed(timeline->data, side, &timeline->sent))
        return false;
    /* Arrival is arrival only where nothing lies between: not at the last point that saw a SYN. */
    timeline->by_arrival =
        timeline->progress.count == 0 && timeline->receiver_hop + 1 == timeline->data->hop_count;
    return !timeline->by_arrival || collect_sent(timeline->receiver, side, &timeline->progress);
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->progress.items);
    free(timeline->acked.items);
    free(timeline->sent.items);
    free(timeline->rtts);
    *timeline = (struct timeline){0};
}
