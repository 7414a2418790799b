/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stalls of one flow. Each direction's progress is walked from step to step; where the next
 * one is long in coming, the case is laid before the rules, in their order, and the first that
 * knows the cause decides. Stalls of both directions that overlap are one.
 */
#include "blame/blame.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/parallel.h"
#include "blame/case.h"
#include "blame/cause_nat.h"
#include "blame/cause_queue.h"
#include "blame/datagrams.h"

/* Twice the round trip of a flow that began before the captures, until one is measured: half of
 * what RFC 6298, 2.1, waits then. */
#define UNKNOWN_RTT_NS   (500 * NS_PER_MS)
#define SENDS_AGAIN_NS   (3 * NS_PER_S / 2)
#define FAST_RECOVERY_NS (500 * NS_PER_MS)

/* Bytes are outstanding: asked in this order. */
static const case_rule rules_outstanding[] = {
    rule_nat,
    rule_window_closed,
    rule_broken,
    rule_acks_beyond_sender,
    rule_not_sent_on,
    rule_beyond_receiver,
    rule_held,
    rule_lost,
    rule_held_before_first,
    rule_lost_before_first,
    rule_unknown,
};

/* Nothing is outstanding that a capture saw: when no rule knows a cause, it is no stall. */
static const case_rule rules_silent[] = {
    rule_window_shut,       rule_broken,
    rule_acks_on_path,      rule_acks_beyond_sender,
    rule_held_before_first, rule_lost_before_first,
    rule_passed_over,       rule_sender_idle,
};

/* What examining one direction needs. */
struct inquiry {
    const struct flow *flow;
    uint32_t flow_index;
    const struct blame_options *options;
    struct arena *arena;
    struct findings *findings;
    const struct nat_signs *nat; /* of the flow */
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t threshold_ns(const struct inquiry *inquiry, const struct timeline *timeline,
                            int64_t start_ns)
{
    int64_t twice_ns = 2 * timeline_srtt(timeline, start_ns);
    if (twice_ns == 0 && !timeline->sender->view->stream[timeline->side].base_known)
        twice_ns = UNKNOWN_RTT_NS;
    return twice_ns > inquiry->options->min_stall_ns ? twice_ns : inquiry->options->min_stall_ns;
}

/* Where the sender sent again, its timer had run out or duplicates had told it: what it knew of the
 * round trip is the measure, and not what a queue that grew meanwhile made of it. */
static int64_t least_wait_ns(const struct inquiry *inquiry, const struct stall_case *item)
{
    int64_t least_ns = inquiry->options->min_stall_ns;
    int64_t threshold = threshold_ns(inquiry, item->timeline, item->start_ns);
    if (case_duration(item) > threshold || case_duration(item) <= least_ns || !sent_again(item))
        return threshold;
    int64_t twice_ns = 2 * timeline_senders_srtt(item->timeline, item->start_ns);
    return twice_ns == 0 || twice_ns > threshold ? threshold : later(twice_ns, least_ns);
}

static bool ask(struct stall_case *item, const case_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i](item))
            return nat_lost_it(item) ? rule_nat(item) : true;
    return false;
}

/* Lays the case before the rules; keeps the finding when there is one. 1: one of them knew the
 * cause; 0: none did. */
static int judge(const struct inquiry *inquiry, struct stall_case *item, const case_rule *rules,
                 size_t count, struct wh_error *error)
{
    struct finding finding = {.flow = inquiry->flow_index,
                              .start_ns = item->start_ns,
                              .end_ns = item->end_ns,
                              .resumed = item->resumed};
    item->finding = &finding;
    if (!ask(item, rules, count)) {
        free(finding.evidence);
        return 0;
    }
    int64_t seen_ns = item->sent_ns < item->end_ns ? item->sent_ns : item->start_ns;
    int64_t sent = steps_level(&item->timeline->sent, later(seen_ns, item->start_ns), item->level);
    finding.bytes_waiting = sent > item->level ? (uint64_t)(sent - item->level) : 0;
    struct findings *findings = inquiry->findings;
    struct finding *kept = ARRAY_PUSH(findings->items, findings->count, findings->capacity);
    if (!kept) {
        free(finding.evidence);
        return error_memory(error, "stalls");
    }
    *kept = finding;
    return 1;
}

/* Last progress of the opposite direction before a time. */
static int64_t other_progress(const struct stall_case *item, int64_t before_ns)
{
    const struct step *step =
        item->other->sender ? steps_at(&item->other->progress, before_ns) : NULL;
    return step ? step->time_ns : INT64_MIN;
}

/* Nothing is known of the time before the last capture on the way began. */
static int64_t watched_from(const struct timeline *timeline)
{
    int64_t from_ns = INT64_MIN;
    for (unsigned k = 0; k < timeline->data->hop_count; k++)
        from_ns = later(from_ns, timeline->data->hops[k].since.ns);
    return from_ns;
}

/* Was there less room than a segment when the progress was made? Then the wait begins there, and
 * not when a remnant is sent into the room that is left. */
static bool shut_at_once(const struct stall_case *item)
{
    const struct timeline *timeline = item->timeline;
    if (item->progress_pkt == COPY_NONE || timeline->by_arrival)
        return false;
    const struct pkt *pkt = &timeline->receiver->view->pkts[item->progress_pkt];
    return !(pkt->flags & PKT_SYN) && announced_room(timeline->receiver->view, pkt) < timeline->mss;
}

/* Without timestamps nothing tells of a queue before the first capture, and the round trip may be
 * longer than it seems. But a copy that comes after three duplicate ACKs was sent for them, one
 * such round trip later (RFC 5681, 3.2): an ordinary recovery, no stall. */
static bool recovered_at_once(const struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    unsigned duplicates = 0, copies = 0;
    int64_t acked_ns = steps_reach(&item->timeline->acked, item->level);
    if (item->timeline->ticks.tick_ns || case_duration(item) > FAST_RECOVERY_NS)
        return false;
    for (uint32_t i = view_from(hop, item->start_ns); i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (view_time(hop, i) > item->end_ns)
            break;
        if (pkt_side(pkt) != item->timeline->side) {
            duplicates += pkt->ack == item->level && pkt->len == 0 && view_time(hop, i) > acked_ns;
        } else if (covers(pkt, item->level)) {
            bool first_sending = copies++ == 0 && view_time(hop, i) <= item->sent_ns;
            if (!first_sending)
                return duplicates >= 3;
        }
    }
    return false;
}

/* By its timestamp, when was what ended the case made? The bytes had come by then, and the rest of
 * the time passed on the way back: two waits, and a stall only if one of them is too long. If an
 * acknowledgement began it, the wait began when that was made. */
static bool answered_in_time(const struct stall_case *item, int64_t threshold)
{
    const struct timeline *answers = item->other;
    const struct hop *hop = item->timeline->receiver;
    if (item->resume_pkt == COPY_NONE || item->timeline->by_arrival || !answers->sender ||
        answers->sender->view != hop->view)
        return false;
    const struct pkt *pkts = hop->view->pkts;
    int64_t age_ns = timeline_age(answers, &pkts[item->resume_pkt], item->end_ns);
    int64_t before_ns = 0;
    if (item->start_ns == item->progress_ns && item->progress_pkt != COPY_NONE)
        before_ns = timeline_age(answers, &pkts[item->progress_pkt], item->progress_ns);
    return age_ns > 0 && age_ns <= threshold &&
           case_duration(item) - age_ns + before_ns <= threshold;
}

/* A sender that waits sends again, after a second at the latest (RFC 6298, 2). One that does not
 * got its acknowledgement: the captures missed it. */
static bool gave_up(const struct stall_case *item)
{
    return !item->resumed && case_duration(item) > SENDS_AGAIN_NS && !sent_again(item);
}

/* Nothing but the end of what it sends is outstanding, and the other end is gone: a translator had
 * reset it. That was the flow's end. */
static bool closes_in_vain(const struct stall_case *item)
{
    const struct nat_sign *reset = nat_reset(item->nat);
    uint32_t fresh = first_copy(item);
    return reset && reset->time_ns < item->start_ns && fresh != COPY_NONE &&
           hop_pkt(item->timeline->sender, fresh)->len == 0;
}

/* From the sender to the first capture: half of there and back, known from a handshake only, whose
 * answers come at once. What tells of progress comes late, too, by the way behind the last capture:
 * only the rest is missing at a wait's begin. A SYN has no round trip yet to be held against. */
static int64_t way_before(const struct stall_case *item)
{
    const struct timeline *timeline = item->timeline, *answers = item->other;
    bool known = timeline->sender->view->stream[timeline->side].base_known && item->level > 0;
    int64_t after_ns = answers->sender ? answers->turn_ns : 0;
    return known && timeline->turn_ns > after_ns ? (timeline->turn_ns - after_ns) / 2 : 0;
}

/* When what is waited for was first sent, as the first capture saw it. Its first copy may have been
 * lost before it came to any capture: the segment before it does not end what the sender had to say
 * (no PSH, RFC 9293, 3.9.1.2), and by the IP IDs another packet followed it. */
static int64_t first_sending(const struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    uint32_t fresh = first_copy(item);
    if (fresh == COPY_NONE || fresh == 0)
        return item->sent_ns;
    const struct pkt *before = hop_pkt(hop, fresh - 1);
    bool unfinished = before->len > 0 && !(before->flags & PKT_PSH);
    if (unfinished && ids_skipped(item->timeline, item->timeline->data, fresh - 1, fresh) > 0)
        return hop_time(hop, fresh - 1);
    /* it may have queued before the first capture: its timestamp tells when it was made */
    return item->sent_ns - timeline_age(item->timeline, hop_pkt(hop, fresh), item->sent_ns);
}

/* The time between two steps of progress: a case for the rules, or an idle flow. As judge. */
static int examine(const struct inquiry *inquiry, struct stall_case *item, struct wh_error *error)
{
    const struct timeline *timeline = item->timeline;
    int64_t from_ns = item->progress_ns == NEVER ? INT64_MIN : item->progress_ns;
    item->sent_ns = steps_above(&timeline->sent, item->level);
    item->start_ns = from_ns;
    if (shut_at_once(item) && case_duration(item) > threshold_ns(inquiry, timeline, from_ns)) {
        int known = judge(inquiry, item, (const case_rule[]){rule_window_shut}, 1, error);
        if (known)
            return known;
    }
    if (item->sent_ns != NEVER && item->sent_ns < item->end_ns) {
        item->start_ns = first_sending(item) - way_before(item);
        item->start_ns = later(later(item->start_ns, from_ns), item->watched_ns);
        int64_t threshold = least_wait_ns(inquiry, item);
        if (case_duration(item) > threshold && !answered_in_time(item, threshold) &&
            !recovered_at_once(item) && (!gave_up(item) || nat_sign_in(item)) &&
            !closes_in_vain(item))
            return judge(inquiry, item, rules_outstanding,
                         sizeof rules_outstanding / sizeof *rules_outstanding, error);
    }
    if (from_ns == INT64_MIN || (item->sent_ns != NEVER && item->sent_ns <= from_ns))
        return WH_OK;
    int64_t until_ns = item->sent_ns < item->end_ns ? item->sent_ns : item->end_ns;
    item->start_ns = later(later(other_progress(item, until_ns), from_ns), item->watched_ns);
    bool mostly_silent = until_ns - item->start_ns > case_duration(item) / 2;
    int64_t threshold = threshold_ns(inquiry, timeline, item->start_ns);
    if (!mostly_silent || case_duration(item) <= threshold || answered_in_time(item, threshold))
        return WH_OK;
    return judge(inquiry, item, rules_silent, sizeof rules_silent / sizeof *rules_silent, error);
}

/* Where a flow or its capture ends: a reset, else the end of the captures at its two ends. */
static int64_t end_of(const struct timeline *timeline, const struct nat_signs *nat,
                      int64_t after_ns)
{
    int64_t sender_ns = timeline->sender->until.ns, receiver_ns = timeline->receiver->until.ns;
    int64_t end_ns = sender_ns < receiver_ns ? sender_ns : receiver_ns;
    const struct hop *ends[2] = {timeline->sender, timeline->receiver};
    if (nat_reset(nat))
        return nat_end(timeline, after_ns, end_ns);
    for (unsigned e = 0; e < 2; e++)
        for (uint32_t i = view_from(ends[e], after_ns); i < ends[e]->view->pkt_count; i++)
            if ((ends[e]->view->pkts[i].flags & PKT_RST) && view_time(ends[e], i) < end_ns)
                end_ns = view_time(ends[e], i);
    return end_ns;
}

/* A step below one segment while the window stays below one is no progress: an answered probe. */
static bool is_remnant(const struct timeline *timeline, const struct step *step, int64_t level)
{
    if (timeline->by_arrival || step->pkt == COPY_NONE || step->level - level >= timeline->mss)
        return false;
    const struct pkt *pkt = &timeline->receiver->view->pkts[step->pkt];
    return !(pkt->flags & PKT_SYN) && level > 0 &&
           announced_room(timeline->receiver->view, pkt) < timeline->mss;
}

/* The lowest byte of data that was sent before the first acknowledgement seen, if that one covers
 * it: the captures began in the middle of something. -1: it does not. */
static int64_t sent_before_first(const struct timeline *timeline)
{
    const struct step *first = &timeline->progress.items[0];
    const struct hop *hop = timeline->sender;
    int64_t lowest = -1;
    for (uint32_t i = 0; i < hop->count && hop_time(hop, i) < first->time_ns; i++) {
        const struct pkt *pkt = hop_pkt(hop, i);
        if (pkt->len && pkt->seq < first->level && (lowest < 0 || pkt->seq < lowest))
            lowest = pkt->seq;
    }
    return timeline->by_arrival ? -1 : lowest;
}

/* The wait for the first acknowledgement of a flow that began before the captures. Here a cause
 * must be proved: nobody saw what went before. */
static int examine_begin(const struct inquiry *inquiry, struct stall_case *item,
                         struct wh_error *error)
{
    const struct timeline *timeline = item->timeline;
    int64_t threshold = threshold_ns(inquiry, timeline, NEVER);
    threshold = later(threshold, UNKNOWN_RTT_NS);
    item->sent_ns = steps_above(&timeline->sent, item->level);
    item->start_ns = later(item->sent_ns, item->watched_ns);
    if (item->sent_ns == NEVER || case_duration(item) <= threshold || recovered_at_once(item))
        return 0;
    return judge(inquiry, item, rules_outstanding,
                 sizeof rules_outstanding / sizeof *rules_outstanding - 1, error);
}

static int examine_direction(const struct inquiry *inquiry, const struct timeline *timeline,
                             const struct timeline *other, struct wh_error *error)
{
    const struct steps *progress = &timeline->progress;
    struct stall_case item = {.timeline = timeline,
                              .other = other,
                              .flow = inquiry->flow,
                              .options = inquiry->options,
                              .arena = inquiry->arena,
                              .nat = inquiry->nat,
                              .progress_ns = NEVER,
                              .progress_pkt = COPY_NONE,
                              .watched_ns = watched_from(timeline)};
    uint32_t next = 0;
    if (!timeline->sender->view->stream[timeline->side].base_known && progress->count) {
        item.level = sent_before_first(timeline);
        item.end_ns = progress->items[0].time_ns;
        item.resumed = true;
        item.resume_pkt = progress->items[0].pkt;
        if (item.level >= 0 && examine_begin(inquiry, &item, error) < 0)
            return WH_ERROR;
        item.level = progress->items[0].level; /* begun before the capture: no start is known */
        item.progress_ns = progress->items[0].time_ns;
        next = 1;
    }
    for (; next <= progress->count; next++) {
        const struct step *step = next < progress->count ? &progress->items[next] : NULL;
        if (step && is_remnant(timeline, step, item.level))
            continue;
        item.resumed = step != NULL;
        item.resume_pkt = step ? step->pkt : COPY_NONE;
        int64_t after_ns = item.progress_ns == NEVER ? INT64_MIN : item.progress_ns;
        item.end_ns = step ? step->time_ns : end_of(timeline, inquiry->nat, after_ns);
        bool long_enough =
            after_ns == INT64_MIN || item.end_ns - after_ns > inquiry->options->min_stall_ns;
        if (long_enough && examine(inquiry, &item, error) < 0)
            return WH_ERROR;
        if (step) {
            item.level = step->level;
            item.progress_ns = step->time_ns;
            item.progress_pkt = step->pkt;
        }
    }
    return WH_OK;
}

/* ---- one stall at a time --------------------------------------------------------------------- */

static int compare_findings(const void *left, const void *right)
{
    const struct finding *a = left, *b = right;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return a->end_ns > b->end_ns ? -1 : a->end_ns < b->end_ns;
}

static bool same_case(const struct finding *a, const struct finding *b)
{
    return a->cause == b->cause && a->place.first == b->place.first &&
           a->place.span == b->place.span;
}

static void absorb(struct finding *into, const struct finding *from)
{
    if (from->direction != into->direction)
        into->direction = WH_BOTH;
    into->end_ns = from->end_ns > into->end_ns ? from->end_ns : into->end_ns;
    into->resumed |= from->resumed;
    into->bytes_waiting += from->bytes_waiting;
    into->silence_ns = later(into->silence_ns, from->silence_ns);
    into->confidence = from->confidence > into->confidence ? from->confidence : into->confidence;
}

/* Does a queue explain another stall of the flow: its overflow, or packets that came late through
 * it? Not a silence longer than any in which the queue let something out. */
static bool explains(const struct finding *queue, const struct finding *stall)
{
    int64_t from_ns = later(queue->start_ns, stall->start_ns);
    int64_t to_ns = queue->end_ns < stall->end_ns ? queue->end_ns : stall->end_ns;
    int64_t stall_ns = stall->end_ns - stall->start_ns;
    bool same = queue->place.first == stall->place.first && queue->place.span == stall->place.span;
    if (2 * (to_ns - from_ns) < stall_ns)
        return false;
    switch (stall->cause) {
    case WH_CAUSE_LOSS:
    case WH_CAUSE_ACK_LOSS:
        return same;
    case WH_CAUSE_FREEZE:
        return same && 2 * queue->silence_ns < stall_ns;
    case WH_CAUSE_UNKNOWN:
        return stall->place.first <= queue->place.first &&
               stall->place.first + stall->place.span >= queue->place.first + queue->place.span;
    default:
        return false;
    }
}

/* By a queue that began before the stall and had not ended, or that began in it. */
static bool is_explained(const struct finding *items, uint32_t count, uint32_t stall)
{
    const struct finding *item = &items[stall];
    for (uint32_t q = stall; q-- > 0 && items[q].queued_until_ns > item->start_ns;)
        if (items[q].cause == WH_CAUSE_QUEUEING && explains(&items[q], item))
            return true;
    for (uint32_t q = stall + 1; q < count && items[q].start_ns < item->end_ns; q++)
        if (items[q].cause == WH_CAUSE_QUEUEING && explains(&items[q], item))
            return true;
    return false;
}

/* Leaves out what a queue explains; `items` are sorted. Returns how many remain. */
static uint32_t drop_explained(struct finding *items, uint32_t count)
{
    uint32_t kept = 0;
    int64_t until_ns = INT64_MIN;
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].cause == WH_CAUSE_QUEUEING)
            until_ns = later(until_ns, items[i].end_ns);
        items[i].queued_until_ns = until_ns;
    }
    for (uint32_t i = 0; i < count; i++)
        items[i].explained = is_explained(items, count, i);
    for (uint32_t i = 0; i < count; i++)
        if (items[i].explained)
            free(items[i].evidence);
        else
            items[kept++] = items[i];
    return kept;
}

/* What becomes of a stall that begins before the last one kept has ended. */
static uint32_t join(struct finding *items, uint32_t kept, struct finding *last,
                     const struct finding *item)
{
    int64_t here_ns = item->end_ns - item->start_ns, last_ns = last->end_ns - last->start_ns;
    int64_t common_ns = last->end_ns - item->start_ns;
    bool longer = here_ns > last_ns;
    if (same_case(last, item)) {
        absorb(last, item);
        free(item->evidence);
    } else if (2 * common_ns < (longer ? last_ns : here_ns)) {
        items[kept++] = *item;
    } else if ((longer && item->cause != WH_CAUSE_UNKNOWN) || last->cause == WH_CAUSE_UNKNOWN) {
        free(last->evidence);
        *last = *item;
    } else {
        free(item->evidence);
    }
    return kept;
}

/* The stalls of a flow's two directions, from `first` on: overlapping ones of the same kind become
 * one; of others, where they overlap for half of the shorter one or more, the longer one stays. A
 * queue does not stop a flow: beside what it does not explain, it stays. */
static void merge(struct findings *findings, uint32_t first)
{
    uint32_t count = findings->count - first, kept = 0;
    struct finding *items = findings->items + first;
    struct finding *last[2] = {NULL, NULL}; /* of queues, of others */
    if (count == 0)
        return;
    qsort(items, count, sizeof *items, compare_findings);
    count = drop_explained(items, count);
    for (uint32_t i = 0; i < count; i++) {
        struct finding item = items[i], **rival = &last[item.cause != WH_CAUSE_QUEUEING];
        bool apart = !*rival || item.start_ns >= (*rival)->end_ns;
        bool elsewhere = item.cause == WH_CAUSE_QUEUEING && *rival && !same_case(*rival, &item);
        uint32_t before = kept;
        if (apart || elsewhere)
            items[kept++] = item;
        else
            kept = join(items, kept, *rival, &item);
        if (kept > before)
            *rival = &items[before];
    }
    findings->count = first + kept;
}

static bool find_all_queues(const struct inquiry *inquiry, const struct timeline timelines[2])
{
    for (unsigned side = 0; side < 2; side++) {
        struct stall_case item = {.timeline = &timelines[side],
                                  .other = &timelines[!side],
                                  .flow = inquiry->flow,
                                  .options = inquiry->options,
                                  .arena = inquiry->arena};
        if (item.timeline->sender && !find_queues(&item, inquiry->flow_index, inquiry->findings))
            return false;
    }
    return true;
}

/* Each direction's timeline is made without the other's. */
struct timing {
    const struct followed *followed;
    struct timeline *timelines;
    bool failed[2];
};

static void time_side(void *context, unsigned worker, uint32_t side)
{
    struct timing *timing = context;
    (void)worker;
    timing->failed[side] = !timeline_make(timing->followed, side, &timing->timelines[side]);
}

int blame_flow(struct blamer *blamer, const struct flow *flow, uint32_t flow_index,
               const struct followed *followed, const struct blame_options *options,
               struct arena *arena, struct findings *findings, struct wh_error *error)
{
    struct inquiry inquiry = {flow, flow_index, options, arena, findings, &blamer->nat};
    uint32_t first = findings->count;
    if (flow->protocol != IPPROTO_TCP) {
        for (unsigned side = 0; side < 2; side++) {
            blamer->timeline[side].rtt_count = 0; /* of the flow before */
            if (blame_datagrams(flow, flow_index, &followed->trail[side], side, options, arena,
                                findings, error))
                return WH_ERROR;
        }
        merge(findings, first);
        return WH_OK;
    }
    if (options->nat && options->nat->is_continuation[flow_index])
        return WH_OK; /* judged with the flow that it belongs to */
    if (!nat_signs_of_flow(followed, options->nat, flow_index, &blamer->nat))
        return error_memory(error, "signs of translation");
    struct timing timing = {followed, blamer->timeline, {false, false}};
    parallel_run(flow_threads(flow, options->point_count, options->threads), 2, time_side, &timing);
    if (timing.failed[0] || timing.failed[1])
        return error_memory(error, "timelines");
    for (unsigned side = 0; side < 2; side++)
        if (blamer->timeline[side].sender &&
            examine_direction(&inquiry, &blamer->timeline[side], &blamer->timeline[!side], error))
            return WH_ERROR;
    if (!find_all_queues(&inquiry, blamer->timeline))
        return error_memory(error, "queues");
    merge(findings, first);
    return WH_OK;
}

void blamer_free(struct blamer *blamer)
{
    timeline_free(&blamer->timeline[0]);
    timeline_free(&blamer->timeline[1]);
    nat_free(&blamer->nat);
}
