/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Causes that lie between two captures, and the closed window. All of them take a case to be
 * decided when what they see accounts for at least half of its time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "blame/case.h"

#define MERGE_LATE_NS       (50 * NS_PER_MS) /* see follow/meet.c */
#define CONFIDENCE_HELD     0.98
#define CONFIDENCE_HELD_FEW 0.9
#define CONFIDENCE_LOST     0.97
#define CONFIDENCE_OVERFLOW 0.9
#define CONFIDENCE_ACK_LOST 0.95
#define CONFIDENCE_WINDOW   0.97
#define CONFIDENCE_UNKNOWN  0.5

/* ---- the receiver has no room ---------------------------------------------------------------- */

struct window_watch {
    int64_t closed_ns;   /* for how long within the case */
    int64_t opened_ns;   /* when it last opened; NEVER */
    uint32_t closed_pkt; /* the first that closed it, COPY_NONE */
    uint32_t opened_pkt;
    int64_t edge; /* highest byte the receiver ever allowed */
};

static bool tells_window(const struct stall_case *item, const struct pkt *pkt)
{
    return pkt_side(pkt) != item->timeline->side && pkt->ack != ACK_NONE &&
           !(pkt->flags & (PKT_SYN | PKT_RST | PKT_DUPLICATE));
}

/* How long was the window below one segment (RFC 9293, 3.8.6.2.2 calls that silly)? */
static struct window_watch watch_window(const struct stall_case *item, const struct hop *hop)
{
    struct window_watch watch = {
        .opened_ns = NEVER, .closed_pkt = COPY_NONE, .opened_pkt = COPY_NONE};
    uint32_t first = view_from(hop, item->start_ns + 1), i = first;
    while (i > 0 && first - i < 256 && !tells_window(item, &hop->view->pkts[i - 1]))
        i--;
    i -= i > 0;
    int64_t since_ns = NEVER;
    for (; i < hop->view->pkt_count && view_time(hop, i) <= item->end_ns; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (!tells_window(item, pkt))
            continue;
        int64_t at_ns = view_time(hop, i) > item->start_ns ? view_time(hop, i) : item->start_ns;
        int64_t room = announced_room(hop->view, pkt);
        watch.edge = pkt->ack + room > watch.edge ? pkt->ack + room : watch.edge;
        if (room < item->timeline->mss && since_ns == NEVER) {
            since_ns = at_ns;
            watch.closed_pkt = watch.closed_pkt == COPY_NONE ? i : watch.closed_pkt;
        } else if (room >= item->timeline->mss && since_ns != NEVER) {
            watch.closed_ns += at_ns - since_ns;
            watch.opened_ns = at_ns;
            watch.opened_pkt = i;
            since_ns = NEVER;
        }
    }
    if (since_ns != NEVER)
        watch.closed_ns += item->end_ns - since_ns;
    return watch;
}

/* For most of the case, as the receiver's hop tells; or as the sender's does, which did not see an
 * update that was lost, if it was shut for a good part of it at the receiver, too. */
static bool shut_long_enough(const struct stall_case *item, const struct window_watch *watch)
{
    if (watch->closed_ns * 2 >= case_duration(item))
        return true;
    return watch->closed_ns * 4 >= case_duration(item) &&
           watch_window(item, item->timeline->sender).closed_ns * 2 >= case_duration(item);
}

static bool conclude_window(struct stall_case *item, const struct window_watch *watch)
{
    const struct hop *hop = item->timeline->receiver;
    const struct pkt *closed = &hop->view->pkts[watch->closed_pkt];
    conclude(item, WH_CAUSE_ZERO_WINDOW, place_after(item, item->timeline->data), true,
             CONFIDENCE_WINDOW);
    testify(item, hop, watch->closed_pkt, NULL, 0,
            "the receiver announced a window of %u bytes at %.3f s, as %s saw it",
            (unsigned)track_window(hop->view, closed),
            seconds_of(item, view_time(hop, watch->closed_pkt)), name_of(item, hop));
    if (watch->opened_pkt != COPY_NONE)
        testify(item, hop, watch->opened_pkt, NULL, 0, "the window opened again at %.3f s%s",
                seconds_of(item, view_time(hop, watch->opened_pkt)),
                watch->closed_ns * 2 < case_duration(item)
                    ? ", and the sender did not get to know until later"
                    : "");
    return true;
}

bool rule_window_closed(struct stall_case *item)
{
    struct window_watch watch = watch_window(item, item->timeline->receiver);
    if (item->timeline->by_arrival || !shut_long_enough(item, &watch))
        return false;
    return conclude_window(item, &watch);
}

/* With nothing outstanding, a closed window counts only if the sender had more to say: it filled
 * the window, probed it, or went on as soon as it opened. */
bool rule_window_shut(struct stall_case *item)
{
    const struct timeline *timeline = item->timeline;
    struct window_watch watch = watch_window(item, timeline->receiver);
    if (timeline->by_arrival || !shut_long_enough(item, &watch))
        return false;
    bool filled = steps_level(&timeline->sent, item->start_ns, 0) + timeline->mss > watch.edge;
    bool probed = false;
    const struct hop *hop = timeline->sender;
    for (uint32_t i = copies_from(hop, item->start_ns + NS_PER_MS * 100);
         i < hop->count && hop_time(hop, i) < item->end_ns && !probed; i++)
        probed = hop_pkt(hop, i)->seq < item->level && hop_pkt(hop, i)->len <= 1;
    int64_t soon_ns = 2 * timeline_srtt(timeline, item->start_ns) + 50 * NS_PER_MS;
    bool went_on = watch.opened_ns != NEVER && item->sent_ns != NEVER &&
                   item->sent_ns - watch.opened_ns < soon_ns;
    return (filled || probed || went_on) && conclude_window(item, &watch);
}

/* ---- copies of the byte that is waited for --------------------------------------------------- */

/* From when on copies of the byte are looked for. */
static int64_t search_from(const struct stall_case *item)
{
    int64_t from_ns = item->sent_ns < item->start_ns ? item->sent_ns : item->start_ns;
    return from_ns - NS_PER_MS;
}

/* The first copy of the byte at a hop, from copy i on and up to `until_ns`; COPY_NONE. */
static uint32_t next_copy(const struct stall_case *item, const struct hop *hop, uint32_t i,
                          int64_t until_ns)
{
    for (; i < hop->count && hop_time(hop, i) <= until_ns; i++)
        if (covers(hop_pkt(hop, i), item->level))
            return i;
    return COPY_NONE;
}

/* ---- held, and let out together -------------------------------------------------------------- */

/* Nothing that was not held as long came out of the segment behind hop k for `least_ns` before
 * `left_ns`. */
static bool silent_before(const struct trail *trail, unsigned k, int64_t left_ns, int64_t least_ns)
{
    const struct hop *hop = &trail->hops[k], *next = hop + 1;
    for (uint32_t j = copies_from(next, left_ns - least_ns + NS_PER_MS);
         j < next->count && hop_time(next, j) < left_ns; j++) {
        uint32_t from = next->copies[j].previous;
        if (from < COPY_SKIPPED &&
            hop_time(next, j) - hop_time(hop, from) - hop->base_delay_ns < least_ns)
            return false;
    }
    return true;
}

/* Both trails' view of one segment: was it frozen during the case? */
struct freeze {
    const struct trail *trail;
    unsigned hop;
    struct held held;
};

static bool find_freeze(const struct trail *trail, struct place place, int64_t from_ns,
                        int64_t to_ns, int64_t least_ns, struct freeze *freeze)
{
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        struct place here = place_between(&trail->hops[k], &trail->hops[k + 1]);
        if (here.first != place.first || here.span != place.span || !trail->hops[k].view)
            continue;
        struct held held = held_in(trail, k, from_ns, to_ns, least_ns);
        if (held.count == 0 || held.left_ns > to_ns + least_ns ||
            !silent_before(trail, k, held.left_ns, least_ns))
            continue;
        *freeze = (struct freeze){trail, k, held};
        return true;
    }
    return false;
}

/* All that came out with the first: also what had waited for a short time only. */
static struct held came_out_together(const struct freeze *freeze)
{
    const struct hop *hop = &freeze->trail->hops[freeze->hop];
    struct held all = freeze->held;
    all.count = 0;
    uint32_t from = copies_from(hop, freeze->held.entered_ns - NS_PER_S);
    for (uint32_t i = from; i < hop->count && hop_time(hop, i) < freeze->held.left_ns; i++) {
        if (hop->copies[i].next == COPY_NONE ||
            hop_time(hop, i) + hop_delay(hop, i) < freeze->held.left_ns)
            continue;
        all.first = all.count++ ? all.first : i;
        all.last = i;
    }
    all.entered_ns = hop_time(hop, all.first);
    return all;
}

static void tell_freeze(struct stall_case *item, const struct freeze *freeze)
{
    const struct hop *hop = &freeze->trail->hops[freeze->hop], *next = hop + 1;
    struct held all = came_out_together(freeze);
    uint32_t out = hop->copies[all.first].next, last_out = hop->copies[all.last].next;
    unsigned bytes = hop_pkt(hop, all.first)->len;
    char what[40] = "a packet without data";
    if (bytes)
        snprintf(what, sizeof what, "a packet of %u bytes", bytes);
    testify(item, hop, hop->copies[all.first].pkt, next, next->copies[out].pkt,
            "%s seen at %s at %.3f s reached %s at %.3f s, %.3f s later (usually %.3f ms)", what,
            name_of(item, hop), seconds_of(item, hop_time(hop, all.first)), name_of(item, next),
            seconds_of(item, hop_time(next, out)), (double)hop_delay(hop, all.first) / 1e9,
            (double)hop->base_delay_ns / 1e6);
    if (all.count > 1)
        testify(
            item, hop, hop->copies[all.last].pkt, next, next->copies[last_out].pkt,
            "from then on %u packets of this flow went in there and came out together; the last "
            "went in at %.3f s and came out at %.3f s",
            (unsigned)all.count, seconds_of(item, hop_time(hop, all.last)),
            seconds_of(item, hop_time(next, last_out)));
}

/* Concludes a freeze of the segment, with what both directions show of it. */
static bool conclude_freeze(struct stall_case *item, struct place place, double confidence)
{
    struct freeze forth, back;
    int64_t slack_ns = case_duration(item) / 4, least_ns = case_duration(item) * 3 / 10;
    int64_t from_ns = search_from(item), to_ns = item->end_ns;
    bool with = find_freeze(item->timeline->data, place, from_ns, to_ns, least_ns, &forth);
    bool against =
        find_freeze(item->timeline->acks, place, from_ns - slack_ns, to_ns, least_ns, &back);
    if (!with && !against)
        return false;
    uint32_t count = (with ? forth.held.count : 0) + (against ? back.held.count : 0);
    conclude(item, WH_CAUSE_FREEZE, place, with,
             count < 3 && confidence > CONFIDENCE_HELD_FEW ? CONFIDENCE_HELD_FEW : confidence);
    if (with && against)
        item->finding->direction = WH_BOTH;
    if (with)
        tell_freeze(item, &forth);
    if (against)
        tell_freeze(item, &back);
    return true;
}

/* The copy of the byte that reached the receiver's point by the end: or, merged there with what
 * came after it, soon after its acknowledgement; COPY_NONE. */
static uint32_t reached_copy(const struct stall_case *item)
{
    const struct trail *trail = item->timeline->data;
    const struct hop *hop = item->timeline->receiver;
    uint32_t copy = next_copy(item, hop, copies_from(hop, search_from(item)), item->end_ns);
    if (copy != COPY_NONE || item->timeline->receiver_hop == 0)
        return copy;
    copy = next_copy(item, hop, copies_from(hop, item->end_ns), item->end_ns + MERGE_LATE_NS);
    uint32_t from = copy == COPY_NONE ? COPY_NONE : hop->copies[copy].previous;
    bool merged = from < COPY_SKIPPED &&
                  hop_pkt(hop, copy)->len >
                      hop_pkt(&trail->hops[item->timeline->receiver_hop - 1], from)->len;
    return merged ? copy : COPY_NONE;
}

/* The copy of the byte that reached the receiver's point: where did it spend its time? */
bool rule_held(struct stall_case *item)
{
    const struct trail *trail = item->timeline->data;
    uint32_t copy = reached_copy(item);
    unsigned worst = 0;
    int64_t worst_ns = 0;
    for (unsigned k = item->timeline->receiver_hop; copy != COPY_NONE && k-- > 0;) {
        int64_t left_ns = hop_time(&trail->hops[k + 1], copy); /* of a frame cut there: this part */
        copy = trail->hops[k + 1].copies[copy].previous;
        if (copy >= COPY_SKIPPED)
            break;
        int64_t entered_ns = hop_time(&trail->hops[k], copy);
        entered_ns = entered_ns > item->start_ns ? entered_ns : item->start_ns;
        int64_t held_ns = left_ns - entered_ns - trail->hops[k].base_delay_ns;
        if (held_ns > worst_ns) {
            worst_ns = held_ns;
            worst = k;
        }
    }
    if (worst_ns * 2 < case_duration(item))
        return false;
    return conclude_freeze(item, place_between(&trail->hops[worst], &trail->hops[worst + 1]),
                           CONFIDENCE_HELD);
}

/* ---- lost ------------------------------------------------------------------------------------ */

static bool byte_is_lost(const struct trail *trail, unsigned k, uint32_t copy, int64_t level)
{
    uint8_t fate = trail->hops[k].copies[copy].fate;
    if (fate != FATE_PARTLY)
        return fate == FATE_LOST;
    for (uint32_t i = 0; i < trail->lost_count; i++) {
        const struct lost_range *range = &trail->lost[i];
        if (range->hop == k && range->copy == copy && level >= range->seq &&
            level < range->seq + range->length)
            return true;
    }
    return false;
}

/* Copies of the byte lost behind one hop. */
struct losses {
    unsigned hop, count;
    uint32_t first, last;
    int64_t waited_ns; /* from each until the sender sent it again, or to the end */
};

static struct losses losses_behind(const struct stall_case *item, unsigned k)
{
    const struct trail *trail = item->timeline->data;
    const struct hop *hop = &trail->hops[k];
    struct losses losses = {.hop = k};
    if (!hop->view)
        return losses;
    uint32_t copy = next_copy(item, hop, copies_from(hop, search_from(item)), item->end_ns);
    for (; copy != COPY_NONE; copy = next_copy(item, hop, copy + 1, item->end_ns)) {
        if (!byte_is_lost(trail, k, copy, item->level))
            continue;
        losses.waited_ns += next_sending(item, hop_time(hop, copy)) - hop_time(hop, copy);
        losses.first = losses.count++ ? losses.first : copy;
        losses.last = copy;
    }
    return losses;
}

/* The smallest data that was lost with the byte, from its first lost copy to its last. */
static uint32_t least_lost(const struct stall_case *item, const struct losses *losses)
{
    const struct hop *hop = &item->timeline->data->hops[losses->hop];
    uint32_t least = UINT32_MAX;
    for (uint32_t i = losses->first; i <= losses->last; i++) {
        uint32_t len = hop_pkt(hop, i)->len;
        if (hop->copies[i].fate == FATE_LOST && len && len < least)
            least = len;
    }
    return least == UINT32_MAX ? 0 : least;
}

/* All that the flow lost in the same segment during the case. */
static void tell_losses(struct stall_case *item, const struct losses *losses)
{
    const struct hop *hop = &item->timeline->data->hops[losses->hop];
    uint32_t count = 0, first = 0, last = 0;
    for (uint32_t i = copies_from(hop, search_from(item));
         i < hop->count && hop_time(hop, i) <= item->end_ns; i++)
        if (hop->copies[i].fate == FATE_LOST || hop->copies[i].fate == FATE_PARTLY) {
            first = count++ ? first : i;
            last = i;
        }
    if (count > losses->count)
        testify(item, hop, hop->copies[first].pkt, hop, hop->copies[last].pkt,
                "%u packets of this flow were lost there from %.3f to %.3f s", (unsigned)count,
                seconds_of(item, hop_time(hop, first)), seconds_of(item, hop_time(hop, last)));
}

/* The segment between two captures where the losses of the byte cost most time. */
static struct losses worst_losses(const struct stall_case *item)
{
    struct losses worst = {0};
    for (unsigned k = 0; k + 1 < item->timeline->data->hop_count; k++) {
        struct losses losses = losses_behind(item, k);
        if (losses.waited_ns > worst.waited_ns)
            worst = losses;
    }
    return worst;
}

bool lost_mostly(const struct stall_case *item)
{
    return worst_losses(item).waited_ns * 2 >= case_duration(item);
}

bool rule_lost(struct stall_case *item)
{
    const struct trail *trail = item->timeline->data;
    struct losses worst = worst_losses(item);
    if (worst.count == 0 || worst.waited_ns * 4 < case_duration(item))
        return false;
    const struct hop *hop = &trail->hops[worst.hop], *next = hop + 1;
    struct place place = place_between(hop, next);
    if (conclude_freeze(item, place, CONFIDENCE_OVERFLOW)) {
        testify(item, hop, hop->copies[worst.first].pkt, NULL, 0,
                "the byte waited for vanished there meanwhile: the queue that filled had no room "
                "for it");
        return true;
    }
    conclude(item, WH_CAUSE_LOSS, place, true, CONFIDENCE_LOST);
    item->finding->vanished = (struct vanished){.copies = worst.count,
                                                .least_bytes = least_lost(item, &worst),
                                                .from_point = hop->point,
                                                .to_point = next->point,
                                                .first_ns = hop_time(hop, worst.first),
                                                .last_ns = hop_time(hop, worst.last)};
    testify(item, hop, hop->copies[worst.first].pkt, NULL, 0,
            "byte %lld was seen at %s at %.3f s and never came to %s: %u cop%s lost there",
            (long long)item->level, name_of(item, hop),
            seconds_of(item, hop_time(hop, worst.first)), name_of(item, next), worst.count,
            worst.count == 1 ? "y was" : "ies were");
    tell_losses(item, &worst);
    if (item->resumed && item->resume_pkt != COPY_NONE)
        testify(item, item->timeline->receiver, item->resume_pkt, NULL, 0,
                "a later copy arrived: the receiver acknowledged it at %.3f s",
                seconds_of(item, item->end_ns));
    return true;
}

/* ---- acknowledgements between the captures --------------------------------------------------- */

/* The first acknowledgement of everything below the level, at a hop of the way back. */
static uint32_t ack_copy(const struct stall_case *item, const struct hop *hop)
{
    if (!hop->view)
        return COPY_NONE;
    const struct pkt *pkts = hop->view->pkts;
    const struct copy *copy = hop->copies, *end = copy + hop->count;
    int64_t level = item->level;
    for (copy += copies_from(hop, item->progress_ns - NS_PER_S); copy < end; copy++) {
        const struct pkt *pkt = &pkts[copy->pkt];
        if (pkt->ack >= level && pkt->ack != ACK_NONE && !(pkt->flags & PKT_RST))
            return (uint32_t)(copy - hop->copies);
    }
    return COPY_NONE;
}

/* A flow that both ends have closed has nothing left that anybody waits for. */
static bool closed_by_both(const struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    bool fin[2] = {false, false};
    for (uint32_t i = hop->view->pkt_count; i-- > 0 && !(fin[0] && fin[1]);) {
        if (view_time(hop, i) > item->end_ns)
            continue;
        if (hop->view->pkts[i].len)
            break;
        fin[pkt_side(&hop->view->pkts[i])] |= (hop->view->pkts[i].flags & PKT_FIN) != 0;
    }
    return fin[0] && fin[1];
}

bool rule_acks_on_path(struct stall_case *item)
{
    const struct trail *trail = item->timeline->acks;
    unsigned worst = 0;
    int64_t worst_ns = 0;
    /* a sender that has nothing more to send waits only while it sends the same again in vain */
    bool told = steps_reach(&item->timeline->acked, item->level) != NEVER;
    if (!item->resumed && (told || !sent_again(item) || closed_by_both(item)))
        return false;
    uint32_t here, there = trail->hop_count ? ack_copy(item, &trail->hops[0]) : COPY_NONE;
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k], *next = hop + 1;
        here = there;
        there = ack_copy(item, next);
        if (here == COPY_NONE)
            continue;
        int64_t came_ns = there == COPY_NONE ? item->end_ns : hop_time(next, there);
        came_ns = came_ns < item->end_ns ? came_ns : item->end_ns;
        if (came_ns - hop_time(hop, here) > worst_ns) {
            worst_ns = came_ns - hop_time(hop, here);
            worst = k;
        }
    }
    if (worst_ns * 2 < case_duration(item))
        return false;
    const struct hop *hop = &trail->hops[worst], *next = hop + 1;
    struct place place = place_between(hop, next);
    uint32_t copy = ack_copy(item, hop), lost = 0;
    if (conclude_freeze(item, place, CONFIDENCE_HELD))
        return true;
    for (uint32_t i = copy; i < hop->count && hop_time(hop, i) <= item->end_ns; i++)
        lost += hop->copies[i].fate == FATE_LOST;
    if (hop->copies[copy].fate != FATE_LOST)
        return false;
    bool data = hop_pkt(hop, copy)->len > 0; /* which carried the acknowledgement, and was lost */
    conclude(item, data ? WH_CAUSE_LOSS : WH_CAUSE_ACK_LOSS, place, false, CONFIDENCE_ACK_LOST);
    testify(
        item, hop, hop->copies[copy].pkt, NULL, 0,
        "the acknowledgement of all bytes below %lld was seen at %s at %.3f s and never came to "
        "%s; acknowledgements lost there: %u",
        (long long)item->level, name_of(item, hop), seconds_of(item, hop_time(hop, copy)),
        name_of(item, next), (unsigned)lost);
    return true;
}

/* ---- none of these --------------------------------------------------------------------------- */

/* Was the point watching when the byte should have come there, and for a good while after? */
static bool watched_on(const struct stall_case *item, const struct hop *hop, int64_t due_ns)
{
    int64_t least_ns = case_duration(item) / 4;
    if (least_ns < item->options->min_stall_ns)
        least_ns = item->options->min_stall_ns;
    return hop->since.ns <= due_ns &&
           (hop->until.ns >= item->end_ns || hop->until.ns - due_ns >= least_ns);
}

/* The segment behind the last point that saw the byte, when a later one, watching, did not; else
 * everything from there to the receiver. */
bool rule_unknown(struct stall_case *item)
{
    const struct trail *trail = item->timeline->data;
    struct place last = place_after(item, trail), first = place_before(item, trail);
    bool narrow = false;
    int64_t due_ns = item->start_ns; /* at the next point */
    for (unsigned k = 0; k < trail->hop_count && !narrow; k++) {
        const struct hop *hop = &trail->hops[k];
        uint32_t copy = COPY_NONE;
        if (hop->view)
            copy = next_copy(item, hop, copies_from(hop, search_from(item)), item->end_ns);
        narrow = copy == COPY_NONE && k > 0 && watched_on(item, hop, due_ns);
        if (copy == COPY_NONE || hop_time(hop, copy) - item->start_ns > case_duration(item) / 2)
            break;
        due_ns = hop_time(hop, copy) + hop->base_delay_ns;
        first = k + 1 < trail->hop_count ? place_between(hop, hop + 1) : last;
    }
    if (narrow)
        last = first;
    unsigned low = first.first < last.first ? first.first : last.first;
    unsigned end_first = first.first + first.span, end_last = last.first + last.span;
    unsigned high = end_first > end_last ? end_first : end_last;
    conclude(item, WH_CAUSE_UNKNOWN, (struct place){low, high - low}, true, CONFIDENCE_UNKNOWN);
    testify(item, NULL, 0, NULL, 0,
            "byte %lld was sent and not acknowledged; no capture shows what became of it",
            (long long)item->level);
    return true;
}
