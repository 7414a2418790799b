/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets that break on the way: their checksum is right at one point and wrong at a later one. The
 * receiver throws them away (RFC 9293, 3.1), and so may whoever tracks connections in between; so
 * the flow waits as if they were lost. Only whole packets tell: where the captures hold the headers
 * alone, nothing is concluded here.
 */
#include "blame/case.h"

#define CONFIDENCE_BROKEN       0.97
#define CONFIDENCE_BROKEN_FIRST 0.85 /* wrong where it is first seen: that it was right is not */
#define BELIEVED_SAMPLES        16u  /* wrong sums looked at */
#define BELIEVED_STEPS          4096u
#define STEM_NS                 (2 * NS_PER_S) /* from a point to the next, where TCP repeats itself */

enum sum { SUM_UNKNOWN, SUM_RIGHT, SUM_WRONG };

/* A frame that was merged on reception may bear the sum of its first segment. */
static enum sum sum_of(const struct stall_case *item, const struct hop *hop, uint32_t copy)
{
    const struct pkt *pkt = hop_pkt(hop, copy);
    bool wrong = pkt->bad_checksum;
    if (pkt->len >= hop->view->stream[pkt_side(pkt)].checked_below_bytes ||
        (wrong && pkt->len > item->timeline->mss))
        return SUM_UNKNOWN;
    return wrong ? SUM_WRONG : SUM_RIGHT;
}

/* ---- where it broke -------------------------------------------------------------------------- */

/* The last point where a packet was right and the first where it was wrong. */
struct breakage {
    unsigned good, bad; /* hops; good == bad: never seen right */
    uint32_t good_copy, bad_copy;
};

/* The copy at hop k that became the broken one at the next hop though nothing links them, as what
 * broke tells them apart: the last one with these bytes that did not come out. */
static uint32_t stem_of(const struct hop *hop, const struct pkt *broken, int64_t at_ns)
{
    uint32_t stem = COPY_NONE;
    for (uint32_t i = copies_from(hop, at_ns - STEM_NS);
         i < hop->count && hop_time(hop, i) <= at_ns; i++) {
        const struct pkt *pkt = hop_pkt(hop, i);
        if (hop->copies[i].fate == FATE_LOST && pkt->seq == broken->seq && pkt->len == broken->len)
            stem = i;
    }
    return stem;
}

/* Follows a broken copy back to where it was right. False: it was wrong before already, or the way
 * it came is not known. */
static bool find_breakage(const struct stall_case *item, const struct trail *trail, unsigned k,
                          uint32_t copy, struct breakage *breakage)
{
    *breakage = (struct breakage){.bad = k, .good = k, .bad_copy = copy, .good_copy = copy};
    while (k > 0) {
        const struct hop *hop = &trail->hops[k - 1];
        uint32_t from = trail->hops[k].copies[copy].previous;
        if (from == COPY_NONE)
            from = stem_of(hop, hop_pkt(&trail->hops[k], copy), hop_time(&trail->hops[k], copy));
        if (from >= COPY_SKIPPED)
            return false;
        enum sum sum = sum_of(item, hop, from);
        if (sum == SUM_WRONG)
            return false;
        copy = from;
        k--;
        if (sum == SUM_RIGHT) {
            breakage->good = k;
            breakage->good_copy = copy;
            return true;
        }
    }
    return true;
}

static struct place place_of(const struct stall_case *item, const struct trail *trail,
                             const struct breakage *breakage)
{
    if (breakage->good < breakage->bad)
        return place_between(&trail->hops[breakage->good], &trail->hops[breakage->bad]);
    struct place place = place_before(item, trail);
    if (breakage->bad == 0)
        return place;
    struct place seen = place_between(&trail->hops[0], &trail->hops[breakage->bad]);
    unsigned first = place.first < seen.first ? place.first : seen.first;
    return (struct place){first, place.span + seen.span};
}

/* ---- does a wrong sum mean anything at this point? ------------------------------------------- */

/* Was the broken copy's data acknowledged though no other copy of it came by? */
static bool is_believed(const struct stall_case *item, const struct hop *hop, uint32_t copy)
{
    int64_t end = pkt_end(hop_pkt(hop, copy)), seq = hop_pkt(hop, copy)->seq;
    int64_t acked_ns = steps_reach(&item->timeline->progress, end);
    uint32_t stop = copy > BELIEVED_STEPS ? copy - BELIEVED_STEPS : 0;
    if (acked_ns == NEVER || item->timeline->by_arrival)
        return false;
    for (uint32_t i = copy; i-- > stop;)
        if (covers(hop_pkt(hop, i), seq))
            return false;
    for (uint32_t i = copy + 1; i < hop->count && hop_time(hop, i) < acked_ns; i++)
        if (i - copy > BELIEVED_STEPS || covers(hop_pkt(hop, i), seq))
            return false;
    return true;
}

/* A capture may see sums before a device completes them, in a form of its own. Then the receiver
 * takes what looks wrong: of several, most would have been. */
static bool sums_mean_something(const struct stall_case *item, const struct trail *trail,
                                const struct hop *hop)
{
    unsigned looked = 0, believed = 0;
    if (trail != item->timeline->data) {
        const struct stream *acks = &hop->view->stream[!item->timeline->side];
        return acks->wrong * 2 <= acks->checked;
    }
    for (uint32_t i = 0; i < hop->count && looked < BELIEVED_SAMPLES; i++)
        if (hop_pkt(hop, i)->len && sum_of(item, hop, i) == SUM_WRONG) {
            looked++;
            believed += is_believed(item, hop, i);
        }
    return believed * 2 <= looked;
}

/* ---- the rule -------------------------------------------------------------------------------- */

static bool conclude_broken(struct stall_case *item, const struct trail *trail,
                            const struct breakage *breakage, unsigned count)
{
    const struct hop *good = &trail->hops[breakage->good], *bad = &trail->hops[breakage->bad];
    bool data = trail == item->timeline->data, seen_right = good != bad;
    const char *what = data ? "data" : "the acknowledgement";
    if (!sums_mean_something(item, trail, bad))
        return false;
    conclude(item, WH_CAUSE_CORRUPTION, place_of(item, trail, breakage), data,
             seen_right ? CONFIDENCE_BROKEN : CONFIDENCE_BROKEN_FIRST);
    if (seen_right)
        testify(item, good, good->copies[breakage->good_copy].pkt, bad,
                bad->copies[breakage->bad_copy].pkt,
                "the checksum of %s that was waited for was right at %s at %.3f s and wrong at %s "
                "at %.3f s",
                what, name_of(item, good), seconds_of(item, hop_time(good, breakage->good_copy)),
                name_of(item, bad), seconds_of(item, hop_time(bad, breakage->bad_copy)));
    else
        testify(item, bad, bad->copies[breakage->bad_copy].pkt, NULL, 0,
                "the checksum of %s that was waited for was wrong at %s at %.3f s already, where "
                "it is first seen",
                what, name_of(item, bad), seconds_of(item, hop_time(bad, breakage->bad_copy)));
    if (count > 1)
        testify(item, NULL, 0, NULL, 0, "%u packets that were waited for came broken like this",
                count);
    if (item->resumed && item->resume_pkt != COPY_NONE)
        testify(item, item->timeline->receiver, item->resume_pkt, NULL, 0,
                "the flow went on at %.3f s, once a whole copy had come",
                seconds_of(item, item->end_ns));
    return true;
}

/* Copies of the byte that is waited for, broken on the way: the first one that cost half of the
 * time, together with those like it. */
static bool data_broken(struct stall_case *item)
{
    const struct trail *trail = item->timeline->data;
    int64_t from_ns = (item->sent_ns < item->start_ns ? item->sent_ns : item->start_ns) - NS_PER_MS;
    for (unsigned k = 0; k < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        struct breakage breakage = {0}, first = {0};
        int64_t waited_ns = 0;
        unsigned count = 0;
        if (!hop->view || !hop->view->stream[item->timeline->side].wrong)
            continue;
        for (uint32_t i = copies_from(hop, from_ns);
             i < hop->count && hop_time(hop, i) <= item->end_ns; i++) {
            if (!covers(hop_pkt(hop, i), item->level) || sum_of(item, hop, i) != SUM_WRONG ||
                !find_breakage(item, trail, k, i, &breakage))
                continue;
            first = count++ ? first : breakage;
            waited_ns += next_sending(item, hop_time(hop, i)) - hop_time(hop, i);
        }
        if (count && waited_ns * 2 >= case_duration(item) &&
            conclude_broken(item, trail, &first, count))
            return true;
    }
    return false;
}

/* Acknowledgements from `number` on came broken, and no right one reached the sender's point before
 * half of the time was over. */
static bool acks_broken(struct stall_case *item, int64_t number)
{
    const struct trail *trail = item->timeline->acks;
    int64_t from_ns = item->start_ns - NS_PER_S, right_ns = item->end_ns;
    struct breakage breakage = {0}, first = {0};
    unsigned count = 0;
    for (unsigned k = 0; k < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        if (!hop->view)
            continue;
        for (uint32_t i = copies_from(hop, from_ns); i < hop->count && hop_time(hop, i) < right_ns;
             i++) {
            const struct pkt *pkt = hop_pkt(hop, i);
            if (pkt->ack == ACK_NONE || pkt->ack < number || (pkt->flags & PKT_RST))
                continue;
            if (sum_of(item, hop, i) != SUM_WRONG)
                right_ns = k + 1 == trail->hop_count ? hop_time(hop, i) : right_ns;
            else if (find_breakage(item, trail, k, i, &breakage))
                first = count++ ? first : breakage;
        }
    }
    return count && (right_ns - item->start_ns) * 2 >= case_duration(item) &&
           conclude_broken(item, trail, &first, count);
}

bool rule_broken(struct stall_case *item)
{
    const struct trail *acks = item->timeline->acks;
    uint64_t wrong = 0;
    for (unsigned k = 0; k < acks->hop_count; k++)
        wrong += acks->hops[k].view ? acks->hops[k].view->stream[!item->timeline->side].wrong : 0;
    return data_broken(item) ||
           (wrong && (acks_broken(item, item->level + 1) || acks_broken(item, item->level)));
}
