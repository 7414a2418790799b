/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Causes beyond the outermost captures, told by what the packets themselves remember: the
 * sender's timestamp clock says when a packet was made, its IP IDs how many were made in between,
 * TSecr and DSACK which copy was answered (RFC 7323, RFC 2883).
 */
#include "blame/case.h"

#define CONFIDENCE_HOLE       0.95
#define CONFIDENCE_IDS        0.93
#define CONFIDENCE_AGE        0.93
#define CONFIDENCE_ECHO       0.92
#define CONFIDENCE_GUESS      0.7
#define CONFIDENCE_IDLE       0.9
#define CONFIDENCE_IDLE_BLIND 0.6   /* without timestamps: held packets would look the same */
#define IDLE_BYTES            65536 /* sent since the peer's last byte: the middle of a transfer */
#define DSACK_WAIT_NS         (300 * NS_PER_MS)
#define CONFIDENCE_TOGETHER   0.9
#define TOGETHER_NS           (50 * NS_PER_MS) /* a sender waits longer before it sends again */
#define TOGETHER_ANSWERS      2u
#define TIMER_EARLY_NS        (10 * NS_PER_MS)
#define TIMER_LATE_PART       16 /* kernels run such timers late by some per cent */

/* ---- before the first capture: data outstanding ---------------------------------------------- */

/* What vanished before the first capture between two packets that it saw: as many as the IP IDs
 * tell, as large as what the sender goes on with. For the question whether size decides. */
static struct vanished vanished_before(const struct stall_case *item, uint32_t before,
                                       uint32_t after)
{
    const struct hop *hop = item->timeline->sender;
    int skipped = ids_skipped(item->timeline, item->timeline->data, before, after);
    return (struct vanished){.copies = skipped > 0 ? (uint32_t)skipped : 0,
                             .least_bytes = hop_pkt(hop, after)->len,
                             .from_point = hop->point,
                             .to_point = hop->point,
                             .unseen = true,
                             .first_ns = hop_time(hop, before) + 1,
                             .last_ns = hop_time(hop, after) - 1};
}

/* Bytes above the one waited for passed the first capture, and it did not until late. */
bool rule_not_sent_on(struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    int64_t from_ns = (item->sent_ns < item->start_ns ? item->sent_ns : item->start_ns) - NS_PER_MS;
    uint32_t above = COPY_NONE, copy = COPY_NONE;
    if (item->sent_ns < hop->since.ns)
        return false; /* it had passed before this capture began, as others farther on show */
    for (uint32_t i = copies_from(hop, from_ns);
         i < hop->count && hop_time(hop, i) <= item->end_ns && copy == COPY_NONE; i++) {
        const struct pkt *pkt = hop_pkt(hop, i);
        if (covers(pkt, item->level))
            copy = i;
        else if (pkt_span(pkt) && pkt->seq > item->level && above == COPY_NONE)
            above = i;
    }
    bool late = copy == COPY_NONE || hop_time(hop, copy) - item->start_ns > case_duration(item) / 2;
    if (!late || above == COPY_NONE)
        return false;
    if (rule_acks_on_path(item)) /* why it was not sent again: nobody told the sender */
        return true;
    conclude(item, WH_CAUSE_LOSS, place_before(item, item->timeline->data), true, CONFIDENCE_HOLE);
    testify(
        item, hop, hop->copies[above].pkt, NULL, 0,
        "at %s bytes from %lld on passed at %.3f s, and byte %lld had not: it was lost before that "
        "point",
        name_of(item, hop), (long long)hop_pkt(hop, above)->seq,
        seconds_of(item, hop_time(hop, above)), (long long)item->level);
    if (copy == COPY_NONE)
        return true;
    testify(item, hop, hop->copies[copy].pkt, NULL, 0, "the byte passed there at %.3f s",
            seconds_of(item, hop_time(hop, copy)));
    if (above < copy)
        item->finding->vanished = vanished_before(item, above, copy);
    return true;
}

/* ---- behind the last capture ----------------------------------------------------------------- */

/* Packets of the receiver that did not reach its capture, around what ended the case. */
static int receiver_skipped(const struct stall_case *item)
{
    const struct trail *acks = item->timeline->acks;
    const struct hop *hop = &acks->hops[0];
    if (item->resume_pkt == COPY_NONE || !hop->view || hop->view != item->timeline->receiver->view)
        return -1;
    uint32_t first = copies_from(hop, item->start_ns + 1);
    for (uint32_t i = first; i < hop->count; i++)
        if (hop->copies[i].pkt == item->resume_pkt)
            return first ? ids_skipped(item->timeline, acks, first - 1, i) : -1;
    return -1;
}

/* Did the receiver report the byte as received twice, at the end or soon after? */
static bool reported_twice(const struct stall_case *item)
{
    const struct hop *hop = item->timeline->receiver;
    const struct track_flow *view = hop->view;
    for (uint32_t s = 0; s < view->sack_count; s++) {
        const struct sack_block *block = &view->sacks[s];
        int64_t at_ns = view_time(hop, block->pkt);
        const struct pkt *pkt = &view->pkts[block->pkt];
        if (at_ns < item->end_ns || at_ns > item->end_ns + DSACK_WAIT_NS ||
            pkt_side(pkt) == item->timeline->side)
            continue;
        if (block->right <= pkt->ack && block->left <= item->level && item->level < block->right)
            return true;
    }
    return false;
}

/* Copies of the byte that passed the receiver's capture before the case ended. */
struct passed {
    unsigned count;
    uint32_t first, last;
};

static struct passed copies_passed(const struct stall_case *item)
{
    const struct hop *hop = item->timeline->receiver;
    struct passed passed = {0};
    int64_t from_ns = item->sent_ns < item->start_ns ? item->sent_ns : item->start_ns;
    for (uint32_t i = copies_from(hop, from_ns - NS_PER_MS);
         i < hop->count && hop_time(hop, i) < item->end_ns; i++)
        if (covers(hop_pkt(hop, i), item->level) && !timeline_void(hop->view, hop_pkt(hop, i))) {
            passed.first = passed.count++ ? passed.first : i;
            passed.last = i;
        }
    return passed;
}

/* If they vanished behind the capture, but for the last, which was answered: what of the question
 * whether size decides? */
static struct vanished vanished_beyond(const struct stall_case *item, const struct passed *passed)
{
    const struct hop *hop = item->timeline->receiver;
    struct vanished vanished = {
        .least_bytes = UINT32_MAX, .from_point = hop->point, .to_point = hop->point};
    bool answered = item->resume_pkt != COPY_NONE;
    for (uint32_t i = passed->first; i < passed->last + !answered; i++) {
        const struct pkt *pkt = hop_pkt(hop, i);
        if (!covers(pkt, item->level))
            continue;
        vanished.first_ns = vanished.copies++ ? vanished.first_ns : hop_time(hop, i);
        vanished.last_ns = hop_time(hop, i);
        vanished.least_bytes = pkt->len < vanished.least_bytes ? pkt->len : vanished.least_bytes;
    }
    return vanished;
}

/* Does what ended the case echo the first copy's timestamp and not the last one's? */
static bool echoes_first(const struct stall_case *item, const struct passed *passed)
{
    const struct hop *hop = item->timeline->receiver;
    const struct pkt *first = hop_pkt(hop, passed->first), *last = hop_pkt(hop, passed->last);
    const struct pkt *answer = &hop->view->pkts[item->resume_pkt];
    return (first->flags & last->flags & answer->flags & PKT_TIMESTAMPS) &&
           answer->tsecr == first->tsval && first->tsval != last->tsval;
}

/* Is the answer to the last copy, and does it leave out what passed with the first one a round trip
 * before? A receiver that had got them would have acknowledged that, too. */
static bool lacked_more(const struct stall_case *item, const struct passed *passed)
{
    const struct hop *hop = item->timeline->receiver;
    const struct pkt *last = hop_pkt(hop, passed->last);
    const struct pkt *answer = &hop->view->pkts[item->resume_pkt];
    int64_t until_ns = item->end_ns - timeline_srtt(item->timeline, item->start_ns);
    if (passed->count < 2 || !(last->flags & answer->flags & PKT_TIMESTAMPS) ||
        answer->tsecr != last->tsval)
        return false;
    for (uint32_t i = passed->first; i < passed->last && hop_time(hop, i) < until_ns; i++)
        if (pkt_span(hop_pkt(hop, i)) && hop_pkt(hop, i)->seq >= answer->ack)
            return true;
    return false;
}

/* When it ended, did the receiver send more packets at once than data had passed its capture for a
 * round trip? It answers what comes: then it had just got what passed long before. */
static bool answered_at_once(const struct stall_case *item)
{
    const struct timeline *timeline = item->timeline;
    const struct hop *hop = timeline->receiver;
    int64_t rtt_ns = timeline_srtt(timeline, item->start_ns);
    int64_t burst_ns = rtt_ns && rtt_ns / 2 < TOGETHER_NS ? rtt_ns / 2 : TOGETHER_NS;
    unsigned answers = 0, asked = 0;
    for (uint32_t i = view_from(hop, item->end_ns - rtt_ns - TOGETHER_NS);
         i < hop->view->pkt_count && view_time(hop, i) <= item->end_ns + burst_ns; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (pkt_side(pkt) == timeline->side)
            asked += pkt_span(pkt) > 0;
        else
            answers += view_time(hop, i) >= item->end_ns && pkt->len == 0;
    }
    return answers > asked + TOGETHER_ANSWERS;
}

/* A SYN-ACK echoes the first SYN that came, even when a later one made the server repeat it. One
 * that comes a round trip after the last SYN is such a repetition: the one before was lost. */
static bool answer_was_repeated(const struct stall_case *item, const struct passed *passed)
{
    const struct hop *hop = item->timeline->receiver;
    int64_t turn_ns = item->other->sender ? item->other->turn_ns : 0;
    int64_t after_ns = item->end_ns - hop_time(hop, passed->last);
    return item->level == 0 && passed->count > 1 && turn_ns && after_ns >= turn_ns * 3 / 4 &&
           after_ns <= turn_ns * 2 + 10 * NS_PER_MS;
}

/* Without another SYN a server repeats its SYN-ACK 1, 3 and 7 s after the first (RFC 6298, 2.1 and
 * 5.5). One that echoes the first SYN, comes just then and is young was sent for that: what it
 * repeats was lost. */
static bool answer_was_timed(const struct stall_case *item, const struct passed *passed)
{
    const struct timeline *answers = item->other;
    const struct hop *hop = item->timeline->receiver;
    int64_t turn_ns = answers->sender ? answers->turn_ns : 0;
    if (item->level != 0 || !turn_ns || answers->sender->view != hop->view)
        return false;
    int64_t age_ns = timeline_age(answers, &hop->view->pkts[item->resume_pkt], item->end_ns);
    int64_t waited_ns = item->end_ns - hop_time(hop, passed->first) - turn_ns;
    for (int64_t timer_ns = NS_PER_S; timer_ns <= 7 * NS_PER_S; timer_ns += timer_ns + NS_PER_S)
        if (waited_ns >= timer_ns - TIMER_EARLY_NS &&
            waited_ns <= timer_ns + timer_ns / TIMER_LATE_PART)
            return 4 * age_ns < case_duration(item);
    return false;
}

/* An acknowledgement that comes with data, at last, comes with data that was lost before; and one
 * whose number is above what had come says that data before it was lost. */
static bool data_was_lost(const struct stall_case *item)
{
    const struct timeline *timeline = item->timeline;
    const struct pkt *pkt = &timeline->receiver->view->pkts[item->resume_pkt];
    bool here = item->other->sender && item->other->sender->view == timeline->receiver->view;
    return pkt->len > 0 ||
           (here && item->other->sent.count &&
            steps_level(&item->other->sent, item->end_ns - 1, INT64_MAX) < pkt->seq);
}

/* The acknowledgements were lost behind the last capture, so what it saw of them tells neither when
 * progress stopped nor when it went on: what the first one to pass again covers had arrived before,
 * and the next new byte is the next progress. */
static void count_by_arrival(struct stall_case *item)
{
    const struct hop *hop = item->timeline->receiver;
    int64_t covered = hop->view->pkts[item->resume_pkt].ack, high = item->level;
    int64_t start_ns = item->start_ns;
    for (uint32_t i = copies_from(hop, item->start_ns); i < hop->count; i++) {
        const struct pkt *pkt = hop_pkt(hop, i);
        if (pkt_span(pkt) == 0 || pkt_end(pkt) <= high)
            continue;
        if (high >= covered) {
            int64_t end_ns = hop_time(hop, i) > item->end_ns ? hop_time(hop, i) : item->end_ns;
            if (end_ns - start_ns > item->options->min_stall_ns) {
                item->finding->start_ns = start_ns;
                item->finding->end_ns = end_ns;
            }
            return;
        }
        high = pkt_end(pkt);
        start_ns = hop_time(hop, i);
    }
}

bool rule_beyond_receiver(struct stall_case *item)
{
    const struct timeline *timeline = item->timeline;
    const struct hop *hop = timeline->receiver;
    if (timeline->receiver_hop + 1 < timeline->data->hop_count || timeline->by_arrival)
        return false;
    struct passed passed = copies_passed(item);
    if (passed.count == 0 || hop_time(hop, passed.first) - item->start_ns > case_duration(item) / 2)
        return false;
    struct place place = place_after(item, timeline->data);
    uint32_t pkt = hop->copies[passed.first].pkt;
    testify(item, hop, pkt, NULL, 0, "byte %lld passed %s at %.3f s, %u time%s in all",
            (long long)item->level, name_of(item, hop),
            seconds_of(item, hop_time(hop, passed.first)), passed.count,
            passed.count == 1 ? "" : "s");
    item->finding->vanished = vanished_beyond(item, &passed);
    if (item->resume_pkt == COPY_NONE) {
        conclude(item, WH_CAUSE_UNKNOWN, place, true, CONFIDENCE_GUESS);
        testify(item, NULL, 0, NULL, 0,
                item->resumed ? "what ended the stall was seen at points farther on only"
                              : "nothing came back before the capture ended");
        return true;
    }
    int skipped = receiver_skipped(item);
    bool arrived = echoes_first(item, &passed) || (passed.count > 1 && reported_twice(item));
    bool together = !arrived && answered_at_once(item);
    if (skipped > 0 && !arrived && lacked_more(item, &passed)) {
        conclude(item, WH_CAUSE_LOSS, place, true, CONFIDENCE_ECHO);
        testify(item, hop, hop->copies[passed.last].pkt, hop, item->resume_pkt,
                "the answer at %.3f s is to the copy that passed at %.3f s, and to nothing that "
                "passed before",
                seconds_of(item, item->end_ns), seconds_of(item, hop_time(hop, passed.last)));
    } else if (skipped > 0) {
        bool data = data_was_lost(item);
        conclude(item, data ? WH_CAUSE_LOSS : WH_CAUSE_ACK_LOSS, place, false, CONFIDENCE_IDS);
        testify(item, hop, item->resume_pkt, NULL, 0,
                "the receiver's IP IDs skip: it sent %d packet%s that never came to %s", skipped,
                skipped == 1 ? "" : "s", name_of(item, hop));
        if (!data)
            count_by_arrival(item);
    } else if (arrived && (answer_was_repeated(item, &passed) || answer_was_timed(item, &passed))) {
        conclude(item, WH_CAUSE_LOSS, place, false, CONFIDENCE_ECHO);
        testify(item, hop, hop->copies[passed.last].pkt, hop, item->resume_pkt,
                "the answer at %.3f s came %s, and is to the first copy: the answer to that one "
                "was lost",
                seconds_of(item, item->end_ns),
                answer_was_repeated(item, &passed) ? "a round trip after the last copy"
                                                   : "when a server repeats it by its timer");
    } else if (arrived || together || passed.count == 1) {
        conclude(item, WH_CAUSE_FREEZE, place, true,
                 arrived    ? CONFIDENCE_ECHO
                 : together ? CONFIDENCE_TOGETHER
                            : CONFIDENCE_GUESS);
        testify(item, hop, item->resume_pkt, NULL, 0,
                arrived ? "the answer at %.3f s is to the first copy: that one had arrived, and "
                          "was held, not lost"
                : together
                    ? "at %.3f s more was answered at once than had passed for a round trip: it "
                      "had been held"
                    : "the answer came only at %.3f s, and no second copy had been sent",
                seconds_of(item, item->end_ns));
    } else if (lost_mostly(item)) {
        return rule_lost(item); /* the copy that was lost behind the capture cost less time */
    } else if (rule_acks_on_path(item)) {
        return true; /* why it was not sent again: nobody told the sender */
    } else {
        conclude(item, WH_CAUSE_LOSS, place, true,
                 skipped == 0 ? CONFIDENCE_IDS : CONFIDENCE_GUESS);
        testify(item, hop, hop->copies[passed.last].pkt, hop, item->resume_pkt,
                "only the copy that passed at %.3f s was answered, at %.3f s%s",
                seconds_of(item, hop_time(hop, passed.last)), seconds_of(item, item->end_ns),
                skipped == 0 ? "; by its IP IDs the receiver had sent nothing in between" : "");
    }
    return true;
}

/* ---- before the first capture: nothing outstanding that a capture saw ------------------------ */

/* When the acknowledgement that the sender answers with this packet passed, by TSecr; NEVER. */
static int64_t answered_ack_ns(const struct stall_case *item, const struct pkt *pkt,
                               int64_t before_ns)
{
    const struct hop *hop = item->timeline->sender;
    for (uint32_t i = view_from(hop, item->start_ns - NS_PER_S);
         i < hop->view->pkt_count && view_time(hop, i) < before_ns; i++) {
        const struct pkt *ack = &hop->view->pkts[i];
        if (pkt_side(ack) != item->timeline->side && (ack->flags & PKT_TIMESTAMPS) &&
            ack->tsval == pkt->tsecr)
            return view_time(hop, i);
    }
    return NEVER;
}

/* Old bytes sent again, though their acknowledgement had passed the first capture on its way to the
 * sender at least half a round trip before. */
struct resent {
    uint32_t count, first, last; /* copies at the sender's hop */
};

/* Is what passed first above the byte waited for? That one was lost before. */
static bool skipped_over(const struct stall_case *item)
{
    uint32_t fresh = first_copy(item);
    return fresh != COPY_NONE && hop_pkt(item->timeline->sender, fresh)->seq > item->level;
}

static struct resent resent_in_vain(const struct stall_case *item, int64_t passed_ns)
{
    const struct hop *hop = item->timeline->sender;
    struct resent resent = {0};
    int64_t from_ns = passed_ns + timeline_srtt(item->timeline, passed_ns) / 2;
    int64_t until_ns = item->end_ns;
    bool fresh = item->sent_ns > item->start_ns && item->sent_ns < until_ns;
    if (fresh && (item->sent_ns > from_ns || !skipped_over(item)))
        until_ns = item->sent_ns;
    for (uint32_t i = copies_from(hop, from_ns); i < hop->count && hop_time(hop, i) < until_ns; i++)
        if (hop_pkt(hop, i)->len > 1 && pkt_end(hop_pkt(hop, i)) <= item->level) {
            resent.first = resent.count++ ? resent.first : i;
            resent.last = i;
        }
    return resent;
}

/* The acknowledgements passed the first capture and did not reach the sender in time: it sent
 * again what they cover. Were they lost, or held? What it sends next tells, by the
 * acknowledgement that it echoes. */
bool rule_acks_beyond_sender(struct stall_case *item)
{
    const struct timeline *timeline = item->timeline;
    const struct hop *hop = timeline->sender;
    int64_t passed_ns = steps_reach(&timeline->acked, item->level);
    if (passed_ns == NEVER)
        return false;
    struct resent resent = resent_in_vain(item, passed_ns);
    /* it went on doing so, and not just once when the case began */
    if (resent.count == 0 || hop_time(hop, resent.last) - item->start_ns < case_duration(item) / 4)
        return false;
    uint32_t fresh = resent.last;
    while (fresh < hop->count && pkt_end(hop_pkt(hop, fresh)) <= item->level)
        fresh++;
    int64_t answered_ns = NEVER, fresh_ns = NEVER;
    if (fresh < hop->count && (hop_pkt(hop, fresh)->flags & PKT_TIMESTAMPS)) {
        fresh_ns = hop_time(hop, fresh);
        answered_ns = answered_ack_ns(item, hop_pkt(hop, fresh), fresh_ns);
    }
    bool held = answered_ns != NEVER && fresh_ns - answered_ns > case_duration(item) / 2 &&
                timeline_age(timeline, hop_pkt(hop, fresh), fresh_ns) < case_duration(item) / 4;
    conclude(item, held ? WH_CAUSE_FREEZE : WH_CAUSE_ACK_LOSS, place_before(item, timeline->data),
             false, held ? CONFIDENCE_ECHO : CONFIDENCE_HOLE);
    testify(item, hop, hop->copies[resent.first].pkt, NULL, 0,
            "the acknowledgement of all bytes below %lld passed %s at %.3f s; at %.3f s the sender "
            "still sent older bytes again",
            (long long)item->level, name_of(item, hop), seconds_of(item, passed_ns),
            seconds_of(item, hop_time(hop, resent.first)));
    if (held)
        testify(item, hop, hop->copies[fresh].pkt, NULL, 0,
                "what it sent at %.3f s answers (TSecr) an acknowledgement that passed at %.3f s",
                seconds_of(item, fresh_ns), seconds_of(item, answered_ns));
    return true;
}

/* Bytes that were seen before and come again together with what ends the silence, in less time than
 * any sender takes to send something again; COPY_NONE. They had been under way, and were held. */
static uint32_t came_twice(const struct stall_case *item, uint32_t fresh)
{
    const struct hop *hop = item->timeline->sender;
    int64_t rtt_ns = timeline_srtt(item->timeline, item->start_ns);
    int64_t apart_ns = rtt_ns && rtt_ns / 2 < TOGETHER_NS ? rtt_ns / 2 : TOGETHER_NS;
    for (uint32_t i = fresh + 1;
         i < hop->count && hop_time(hop, i) - hop_time(hop, fresh) <= apart_ns; i++)
        if (hop_pkt(hop, i)->len > 1 && hop_pkt(hop, i)->seq <= hop_pkt(hop, fresh)->seq &&
            hop_pkt(hop, i)->ip_id != hop_pkt(hop, fresh)->ip_id)
            return i;
    return COPY_NONE;
}

/* The packet that ends the silence was made long before it passed the first capture. */
bool rule_held_before_first(struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    uint32_t fresh = first_copy(item);
    if (fresh == COPY_NONE)
        return false;
    int64_t age_ns = timeline_age(item->timeline, hop_pkt(hop, fresh), hop_time(hop, fresh));
    uint32_t twin = came_twice(item, fresh);
    bool silent =
        fresh > 0 && 2 * (hop_time(hop, fresh) - hop_time(hop, fresh - 1)) >= case_duration(item);
    if (age_ns * 2 < case_duration(item) && !item->timeline->ticks.tick_ns && silent &&
        twin != COPY_NONE) {
        conclude(item, WH_CAUSE_FREEZE, place_before(item, item->timeline->data), true,
                 CONFIDENCE_TOGETHER);
        testify(item, hop, hop->copies[fresh].pkt, hop, hop->copies[twin].pkt,
                "with what ended the silence bytes passed %s again, %.1f ms after: no sender "
                "repeats itself that soon, both had been held",
                name_of(item, hop), (double)(hop_time(hop, twin) - hop_time(hop, fresh)) / 1e6);
        return true;
    }
    if (age_ns * 2 < case_duration(item))
        return false;
    conclude(item, WH_CAUSE_FREEZE, place_before(item, item->timeline->data), true, CONFIDENCE_AGE);
    testify(item, hop, hop->copies[fresh].pkt, NULL, 0,
            "by its timestamp the packet that passed %s at %.3f s was made %.3f s earlier",
            name_of(item, hop), seconds_of(item, hop_time(hop, fresh)), (double)age_ns / 1e9);
    return true;
}

/* By its IP IDs the sender made packets in the silence that never came to the first capture. */
bool rule_lost_before_first(struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    uint32_t fresh = first_copy(item);
    if (fresh == COPY_NONE || fresh == 0)
        return false;
    int64_t silence_ns = hop_time(hop, fresh) - hop_time(hop, fresh - 1);
    int skipped = ids_skipped(item->timeline, item->timeline->data, fresh - 1, fresh);
    if (silence_ns * 2 < case_duration(item) || skipped <= 0)
        return false;
    conclude(item, WH_CAUSE_LOSS, place_before(item, item->timeline->data), true, CONFIDENCE_IDS);
    testify(
        item, hop, hop->copies[fresh - 1].pkt, hop, hop->copies[fresh].pkt,
        "the sender's IP IDs skip: it made %d packets between %.3f s and %.3f s that never came "
        "to %s",
        skipped, seconds_of(item, hop_time(hop, fresh - 1)), seconds_of(item, hop_time(hop, fresh)),
        name_of(item, hop));
    item->finding->vanished = vanished_before(item, fresh - 1, fresh);
    return true;
}

/* Everything sent is acknowledged, the window is open, and the sender pauses in mid-transfer. */
bool rule_sender_idle(struct stall_case *item)
{
    const struct timeline *timeline = item->timeline, *other = item->other;
    const struct hop *hop = timeline->sender;
    uint32_t fresh = first_copy(item);
    if (fresh == COPY_NONE || hop_pkt(hop, fresh)->len == 0)
        return false;
    int64_t peer_ns = INT64_MIN, peer_after_ns = NEVER;
    if (other->sender) {
        const struct step *last = steps_at(&other->sent, item->sent_ns);
        peer_ns = last ? last->time_ns : INT64_MIN;
        peer_after_ns = peer_ns > item->progress_ns ? peer_ns : NEVER;
    }
    int64_t first_level = timeline->sent.count ? timeline->sent.items[0].level : 0;
    int64_t sent_bytes = steps_level(&timeline->sent, item->sent_ns - 1, first_level) -
                         steps_level(&timeline->sent, peer_ns, first_level);
    if (peer_after_ns != NEVER || sent_bytes < IDLE_BYTES)
        return false;
    conclude(item, WH_CAUSE_SENDER_IDLE, place_before(item, timeline->data), true,
             timeline->ticks.tick_ns ? CONFIDENCE_IDLE : CONFIDENCE_IDLE_BLIND);
    testify(item, hop, hop->copies[fresh].pkt, NULL, 0,
            "all %lld bytes sent were acknowledged by %.3f s and the window was open; the sender "
            "went on by itself at %.3f s",
            (long long)sent_bytes, seconds_of(item, item->progress_ns),
            seconds_of(item, item->sent_ns));
    return true;
}
