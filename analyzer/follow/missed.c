/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Capture loss told from loss. What a capture missed for certain (others show that it passed) tells
 * where it has gaps, and how often it misses a packet here and there. A packet that is missing in
 * such a gap, or alone as often as that, is not called lost before this point.
 */
#include "follow/missed.h"

#include "base/partition.h"

#define LOOK_AHEAD      4096u /* copies: a burst that a capture missed is shorter */
#define ONE_SIDED_BYTES 65536 /* a sender that got no answer would have stopped long before */

bool follow_one_sided(const struct track_flow *view, unsigned side)
{
    const struct stream *here = &view->stream[side], *other = &view->stream[!side];
    return here->packets == 0 && other->packets > 0 &&
           ((here->seen && here->next > 1) || other->payload_bytes >= ONE_SIDED_BYTES);
}

const struct capture_gap *follow_gap(const struct capture_span *span, int64_t from_ns,
                                     int64_t to_ns)
{
    uint32_t first = PARTITION_POINT(i, span->gap_count, span->gaps[i].to.ns < from_ns);
    bool found = first < span->gap_count && span->gaps[first].from.ns <= to_ns;
    return found ? &span->gaps[first] : NULL;
}

/* ---- gaps ------------------------------------------------------------------------------------ */

/* What the packets before and after a copy took to the next hop: so late it may have come. */
static int64_t late_ns(const struct hop *hop, uint32_t i, int64_t before_ns)
{
    uint32_t stop = hop->count - i > LOOK_AHEAD ? i + LOOK_AHEAD : hop->count;
    for (uint32_t n = i + 1; n < stop; n++)
        if (hop_delay_known(hop, n))
            return hop_delay(hop, n) > before_ns ? hop_delay(hop, n) : before_ns;
    return before_ns;
}

/* Would it have come to `to` in one of its gaps? */
static bool due_in_gap(const struct hop *from, uint32_t i, const struct hop *to, int64_t base_ns,
                       int64_t most_ns)
{
    int64_t slack_ns = from->clock->uncertainty_ns + to->clock->uncertainty_ns;
    int64_t at_ns = hop_time(from, i);
    return follow_gap(to->span, at_ns + base_ns - slack_ns, at_ns + most_ns + slack_ns) != NULL;
}

/* The first hop behind `k` that has a view and would have shown the copy; hop_count: none. */
static unsigned watching_hop(const struct trail *trail, unsigned k, uint32_t i, int64_t most_ns)
{
    const struct hop *hop = &trail->hops[k];
    int64_t base_ns = hop->base_delay_ns;
    for (unsigned m = k + 2; m < trail->hop_count; m++) {
        const struct hop *to = &trail->hops[m];
        base_ns += trail->hops[m - 1].base_delay_ns;
        int64_t due_ns = hop_time(hop, i) + base_ns;
        if (to->view && due_ns >= to->first.ns && due_ns <= to->last.ns &&
            !due_in_gap(hop, i, to, base_ns, most_ns + base_ns))
            return m;
    }
    return trail->hop_count;
}

static void doubt(struct trail *trail, unsigned k, uint32_t i, int64_t most_ns)
{
    bool watched = watching_hop(trail, k, i, most_ns) < trail->hop_count;
    trail->hops[k].copies[i].fate = watched ? FATE_ASTRAY : FATE_UNSEEN;
}

static void settle_in_gaps(struct trail *trail, unsigned k)
{
    struct hop *hop = &trail->hops[k];
    int64_t before_ns = hop->base_delay_ns;
    if (hop[1].span->gap_count == 0)
        return;
    for (uint32_t i = 0; i < hop->count; i++) {
        if (hop_delay_known(hop, i))
            before_ns = hop_delay(hop, i);
        if (hop->copies[i].fate != FATE_LOST ||
            !follow_gap(hop[1].span, hop_time(hop, i), INT64_MAX))
            continue;
        int64_t most_ns = late_ns(hop, i, before_ns);
        if (due_in_gap(hop, i, hop + 1, hop->base_delay_ns, most_ns))
            doubt(trail, k, i, most_ns);
    }
}

/* ---- here and there -------------------------------------------------------------------------- */

/* How many copies from i on are lost, one after the other. */
static uint32_t lost_run(const struct hop *hop, uint32_t i)
{
    uint32_t run = 0;
    while (i + run < hop->count && hop->copies[i + run].fate == FATE_LOST)
        run++;
    return run;
}

static uint32_t count_lost(const struct hop *hop)
{
    uint32_t lost = 0;
    for (uint32_t n = 0; n < hop->unmet_count; n++) {
        enum fate fate = hop->copies[hop->unmet[n]].fate;
        lost += fate == FATE_LOST || fate == FATE_PARTLY;
    }
    return lost;
}

/* Short runs of lost copies: only those the next capture may have missed. At the last hop these
 * are packets that nobody acknowledges; data it missed was told by its acknowledgement. */
static bool is_candidate(const struct hop *hop, uint32_t i, uint32_t run, bool at_last)
{
    return run > 0 && run <= hop[1].span->miss_run && !(at_last && pkt_span(hop_pkt(hop, i)));
}

/* Losses that are no more than the next capture misses by itself. In the middle of the path such a
 * packet must have been lost farther on as well, so what is lost there bounds their number. */
static void settle_scattered(struct trail *trail, unsigned k)
{
    struct hop *hop = &trail->hops[k];
    bool at_last = k + 2 == trail->hop_count;
    if (hop[1].span->miss_run == 0)
        return;
    uint32_t candidates = 0, exposed = at_last ? hop->count : count_lost(hop + 1);
    for (uint32_t i = 0, run; i < hop->count; i += run ? run : 1) {
        run = lost_run(hop, i);
        candidates += is_candidate(hop, i, run, at_last) ? run : 0;
    }
    double expected = hop[1].span->miss_rate * exposed;
    if (expected < 0.1 || candidates > 2 * expected + 2)
        return;
    for (uint32_t i = 0, run; i < hop->count; i += run ? run : 1) {
        run = lost_run(hop, i);
        if (!is_candidate(hop, i, run, at_last))
            continue;
        for (uint32_t n = i; n < i + run; n++)
            doubt(trail, k, n, hop->base_delay_ns);
    }
}

void settle_gaps(struct trail *trail)
{
    for (unsigned k = trail->hop_count; k-- > 0;) {
        if (k + 1 >= trail->hop_count || !trail->hops[k].unmet_count || !trail->hops[k + 1].view)
            continue;
        settle_in_gaps(trail, k);
        settle_scattered(trail, k);
    }
}

/* ---- what is known of it --------------------------------------------------------------------- */

bool collect_astray(struct trail *trail)
{
    for (unsigned k = 0; k + 2 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        for (uint32_t n = 0; n < hop->unmet_count; n++) {
            uint32_t i = hop->unmet[n];
            if (hop->copies[i].fate != FATE_ASTRAY)
                continue;
            const struct pkt *pkt = hop_pkt(hop, i);
            struct lost_range *range =
                ARRAY_PUSH(trail->lost, trail->lost_count, trail->lost_capacity);
            if (!range)
                return false;
            unsigned to = watching_hop(trail, k, i, hop->base_delay_ns);
            *range = (struct lost_range){.hop = k,
                                         .to = to < trail->hop_count ? to : k + 2,
                                         .copy = i,
                                         .seq = pkt->seq,
                                         .length = pkt_span(pkt)};
        }
    }
    return true;
}

bool missed_add(struct trail *trail, unsigned hop, uint32_t packets, int64_t time_ns)
{
    struct missed_packet *miss = ARRAY_PUSH(trail->misses, trail->miss_count, trail->miss_capacity);
    if (miss)
        *miss = (struct missed_packet){hop, packets, {time_ns}};
    trail->missed[hop] += packets;
    return miss != NULL;
}

bool collect_misses(struct trail *trail)
{
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k], *next = &trail->hops[k + 1];
        for (uint32_t n = 0; n < hop->unmet_count; n++)
            if (hop->copies[hop->unmet[n]].fate == FATE_MISSED &&
                !missed_add(trail, k + 1, 1, hop_time(hop, hop->unmet[n]) + hop->base_delay_ns))
                return false;
        for (uint32_t n = 0; n < next->stray_count; n++) {
            uint32_t j = next->strays[n];
            int64_t at_ns = hop_time(next, j);
            bool running = at_ns >= hop->first.ns && at_ns <= hop->last.ns;
            if (next->copies[j].previous == COPY_NONE && running &&
                !(hop_pkt(next, j)->flags & PKT_RST) && hop->view &&
                !missed_add(trail, k, 1, at_ns - hop->base_delay_ns))
                return false;
        }
    }
    return true;
}
