/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Suspicions about the packets themselves, the end hosts, what lies beyond the captures, and the
 * captures.
 */
#include "blame/hypotheses_facts.h"

#include "base/clock.h"

/* Fewer bytes may have gone in small packets only. */
#define BULK_BYTES 65536u
/* An Ethernet packet is captured whole with this snap length; 0 means no limit. */
#define WHOLE_PACKET     1518u
#define LARGE_LOSSES_MIN 5u
/* IPv4 hosts take packets of 576 bytes (RFC 791, 3.1): below that no path MTU is to blame. */
#define SMALL_BYTES 500u

/* ---- checksums ------------------------------------------------------------------------------- */

/* The segment beyond the receiver's capture, for what the stall's direction carries. */
static bool beyond_receiver(const struct facts *facts, const struct wh_stall *stall)
{
    uint32_t end = stall->segment + stall->segment_span, flows = facts->result->flow_count;
    bool reversed = stall->flow <= flows && facts->result->flows[stall->flow - 1].reversed;
    bool up = (stall->direction != WH_TO_SERVER) != reversed;
    return up ? end == facts->segment_count : stall->segment == 0;
}

/* Stalls for data that was seen to reach the receiver's capture, or may have, and went unanswered:
 * only there does a receiver's throwing away show. */
static const struct wh_stall *unanswered(const struct facts *facts, uint32_t *count)
{
    const struct wh_stall *first = NULL;
    *count = 0;
    for (uint32_t i = 0; i < facts->result->stall_count; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        bool missing = stall->cause == WH_CAUSE_LOSS || stall->cause == WH_CAUSE_UNKNOWN ||
                       stall->cause == WH_CAUSE_CORRUPTION;
        if (missing && beyond_receiver(facts, stall))
            first = (*count)++ ? first : stall;
    }
    return first;
}

/* Are packets whole in every capture, so that checksums could be verified? */
static bool whole_packets(const struct facts *facts)
{
    for (uint32_t p = 0; p < facts->result->point_count; p++)
        if (facts->result->points[p].snaplen && facts->result->points[p].snaplen < WHOLE_PACKET)
            return false;
    return true;
}

/* The longest stall by corruption, if each ended when the same bytes came whole; NULL. */
static const struct wh_stall *came_whole(const struct facts *facts)
{
    for (uint32_t i = 0; i < facts->result->stall_count; i++)
        if (facts->result->stalls[i].cause == WH_CAUSE_CORRUPTION &&
            !facts->result->stalls[i].resumed)
            return NULL;
    return facts->longest[WH_CAUSE_CORRUPTION];
}

void suspect_checksum_offload(struct facts *facts, struct answer *answer)
{
    const struct checksum_facts *checksum = &facts->checksum;
    uint32_t count;
    const struct wh_stall *stall = unanswered(facts, &count);
    unsigned long long wrong = checksum->at_receiver, sent_wrong = checksum->at_sender;
    const struct wh_stall *whole_again = came_whole(facts);
    if (whole_again) {
        answer_stall(
            answer, WH_EXCLUDED, whole_again,
            "%u stall%s for broken packets ended when the same bytes came whole: sums that "
            "a device leaves unfinished are wrong each time",
            facts->by_cause[WH_CAUSE_CORRUPTION], plural(facts->by_cause[WH_CAUSE_CORRUPTION]));
    } else if (checksum->first && !sent_wrong && facts->result->point_count > 1) {
        answer_event(
            answer, WH_SUPPORTED, checksum->first,
            "%llu data packet%s reached the last capture before the receiver with a wrong "
            "checksum, first at %.3f s while flow %u waited for data, and none was wrong at "
            "the first capture: a device between them sends unfinished sums",
            wrong, plural(wrong), to_s(checksum->first->time_ns), checksum->first->flow);
    } else if (checksum->first) {
        answer_event(
            answer, WH_UNDECIDED, checksum->first,
            "%llu data packet%s with a wrong checksum, first at %.3f s while flow %u waited "
            "for data; that they were right before is not seen",
            wrong, plural(wrong), to_s(checksum->first->time_ns), checksum->first->flow);
    } else if (!stall) {
        answer_stall(
            answer, WH_EXCLUDED, NULL,
            "no stall waited for data that had passed the last capture before its receiver: "
            "where packets were late or lost, it was not the receiver that threw them away");
    } else if (whole_packets(facts) && facts->events[WH_EVENT_BAD_CHECKSUM] == 0) {
        answer_stall(answer, WH_EXCLUDED, stall,
                     "the packets are captured whole, and not one has a wrong checksum, also where "
                     "%u stall%s waited for data behind the last capture",
                     count, plural(count));
    } else {
        bool whole = whole_packets(facts);
        answer_stall(
            answer, WH_UNDECIDED, stall, "%u stall%s waited for data behind the last capture, %s",
            count, plural(count),
            whole ? "and some packets have a wrong checksum, but not those waited for"
                  : "and the captures hold only the beginning of each packet, which does not "
                    "tell whether its checksum was right");
    }
}

/* ---- large receive offload ------------------------------------------------------------------- */

/* The segment behind a point with merged frames, towards the clients or the servers. */
static void judge_merged(struct facts *facts, uint32_t point, struct answer *answer)
{
    const char *name = facts->result->points[point].name;
    for (uint32_t s = point; s <= point + 1; s++) {
        const struct segment_facts *segment = &facts->segment[s];
        const struct segment_losses *losses = &segment->losses;
        const char *place = facts->result->segments[s].name;
        unsigned long long large = losses->large;
        if (!segment->inner || segment->packets == 0)
            continue;
        if (segment->lost == 0) {
            answer_stall(answer, answer->status, NULL,
                         "%s shows frames larger than one packet, and none of %llu packets that "
                         "entered %s was lost: large ones pass",
                         name, (unsigned long long)segment->packets, place);
        } else if (large >= LARGE_LOSSES_MIN && large == losses->data && facts_complete(facts)) {
            answer_event(answer, WH_SUPPORTED, losses->first,
                         "%s shows frames larger than one packet, and of the data lost in %s all "
                         "%llu pieces are such frames, the first at %.3f s",
                         name, place, large, to_s(losses->first->time_ns));
        } else if (losses->data > large) {
            answer_event(answer, answer->status, losses->first,
                         "%s shows frames larger than one packet, but %llu of the %llu pieces lost "
                         "in %s are single packets: size does not decide",
                         name, (unsigned long long)(losses->data - large),
                         (unsigned long long)losses->data, place);
        } else if (large) {
            answer_event(
                answer, WH_UNDECIDED, losses->first,
                "%s shows frames larger than one packet, and the %llu lost in %s are too few "
                "to tell",
                name, large, place);
        }
    }
}

void suspect_large_receive_offload(struct facts *facts, struct answer *answer)
{
    uint32_t merged = 0;
    answer->status = WH_EXCLUDED; /* unless a segment says otherwise */
    for (uint32_t p = 0; p < facts->result->point_count; p++) {
        if (!facts->result->points[p].merged_frames)
            continue;
        merged++;
        if (answer->status != WH_SUPPORTED)
            judge_merged(facts, p, answer);
    }
    if (merged == 0)
        answer_stall(
            answer, WH_EXCLUDED, NULL,
            "no capture shows a frame larger than the flows' own packets: none was merged");
    else if (answer->count == 0)
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "%u capture%s larger frames than the flows' packets, and no second capture "
                     "shows whether they passed on",
                     merged, merged == 1 ? " shows" : "s show");
}

/* ---- path MTU -------------------------------------------------------------------------------- */

/* Can the stall's size have been why its packets were lost? Not when a small one was lost too, when
 * the flow carried data in bulk at another time, or, between two captures, when it went on. */
static bool size_may_matter(struct facts *facts, const struct wh_stall *stall)
{
    if (stall->flow > facts->result->flow_count)
        return false;
    const struct wh_flow *flow = &facts->result->flows[stall->flow - 1];
    const struct wh_segment *segment = &facts->result->segments[stall->segment];
    bool inner = facts->segment[stall->segment].inner && stall->segment_span == 1;
    uint64_t bytes =
        stall->direction == WH_TO_SERVER ? flow->bytes_to_server : flow->bytes_to_client;
    if (bytes >= BULK_BYTES || (inner && stall->resumed))
        return false;
    if (!inner || segment->to_client.lost + segment->to_server.lost == 0)
        return true;
    const struct wh_event *lost =
        facts_find(facts, WH_EVENT_LOST, facts_entry(facts, stall), stall->flow,
                   stall->start_ns - NS_PER_S, stall->end_ns);
    return !lost || lost->length >= SMALL_BYTES;
}

static const struct wh_stall *no_large_passed(struct facts *facts, uint32_t *lossy, uint32_t *count)
{
    const struct wh_stall *first = NULL;
    *lossy = *count = 0;
    for (uint32_t i = 0; i < facts->result->stall_count; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        if (stall->cause != WH_CAUSE_LOSS && stall->cause != WH_CAUSE_UNKNOWN)
            continue;
        (*lossy)++;
        if (size_may_matter(facts, stall))
            first = (*count)++ ? first : stall;
    }
    return first;
}

void suspect_mtu_blackhole(struct facts *facts, struct answer *answer)
{
    const struct wh_stall *stall = facts->longest[WH_CAUSE_MTU_BLACKHOLE];
    unsigned long long too_big = facts->events[WH_EVENT_ICMP_TOO_BIG];
    uint32_t count = facts->by_cause[WH_CAUSE_MTU_BLACKHOLE];
    if (stall) {
        const char *place = facts_place(facts, stall->segment, stall->segment_span);
        answer_stall(answer, WH_SUPPORTED, stall,
                     "in %s only large packets vanished while small ones passed: %u stall%s, the "
                     "longest from %.3f s for %.3f s",
                     place ? place : "a segment", count, plural(count), to_s(stall->start_ns),
                     to_s(stall->end_ns - stall->start_ns));
        if (too_big)
            answer_event(answer, WH_SUPPORTED, facts->first_event[WH_EVENT_ICMP_TOO_BIG],
                         "%llu time%s a router said that a packet was too big (ICMP)", too_big,
                         plural(too_big));
        else
            answer_stall(answer, WH_SUPPORTED, NULL,
                         "no router said that a packet was too big (ICMP)");
        return;
    }
    if (too_big)
        answer_event(answer, WH_UNDECIDED, facts->first_event[WH_EVENT_ICMP_TOO_BIG],
                     "%llu time%s a router said that a packet was too big (ICMP)", too_big,
                     plural(too_big));
    uint32_t lossy;
    stall = no_large_passed(facts, &lossy, &count);
    if (stall)
        answer_stall(
            answer, WH_UNDECIDED, stall,
            "%u stall%s for lost data lie%s in flows that do not show whether large packets "
            "pass",
            count, plural(count), count == 1 ? "s" : "");
    else if (lossy)
        answer_stall(answer, too_big ? WH_UNDECIDED : WH_EXCLUDED, NULL,
                     "%u stall%s for lost data, in none of which only large packets vanished: the "
                     "same flows carried full-size data, or lost small packets too",
                     lossy, plural(lossy));
    else
        answer_stall(answer, WH_EXCLUDED, NULL, "no stall waited for data that was lost");
}

/* ---- the ends -------------------------------------------------------------------------------- */

void suspect_receiver_not_reading(struct facts *facts, struct answer *answer)
{
    const struct wh_stall *stall = facts->longest[WH_CAUSE_ZERO_WINDOW];
    uint32_t count = facts->by_cause[WH_CAUSE_ZERO_WINDOW];
    unsigned long long zero = facts->events[WH_EVENT_ZERO_WINDOW];
    if (stall) {
        const char *place = facts_place(facts, stall->segment, stall->segment_span);
        answer_stall(answer, WH_SUPPORTED, stall,
                     "%u stall%s with the receiver's window closed, all at its own end (%s); the "
                     "longest of flow %u, from %.3f s for %.3f s",
                     count, plural(count), place ? place : "?", stall->flow, to_s(stall->start_ns),
                     to_s(stall->end_ns - stall->start_ns));
    } else if (zero && facts->by_cause[WH_CAUSE_UNKNOWN]) {
        answer_event(
            answer, WH_UNDECIDED, facts->first_event[WH_EVENT_ZERO_WINDOW],
            "a window of zero was announced %llu time%s, and the cause of %u stall%s is not "
            "known",
            zero, plural(zero), facts->by_cause[WH_CAUSE_UNKNOWN],
            plural(facts->by_cause[WH_CAUSE_UNKNOWN]));
    } else if (zero) {
        answer_event(
            answer, WH_EXCLUDED, facts->first_event[WH_EVENT_ZERO_WINDOW],
            "a window of zero was announced %llu time%s, but in no stall was the window what "
            "the sender waited for",
            zero, plural(zero));
    } else {
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "no receiver ever announced a window of zero, and in no stall was the window "
                     "below one segment");
    }
}

void suspect_sender_idle(struct facts *facts, struct answer *answer)
{
    const struct wh_stall *stall = facts->longest[WH_CAUSE_SENDER_IDLE];
    uint32_t count = facts->by_cause[WH_CAUSE_SENDER_IDLE], all = facts->result->stall_count;
    if (!stall) {
        answer_stall(answer, WH_EXCLUDED, NULL,
                     all == 1
                         ? "in the only stall something was under way or the window was closed: "
                           "the sender had more to send"
                         : "in each of the %u stalls something was under way or the window was "
                           "closed: the senders had more to send",
                     all);
        return;
    }
    answer_stall(
        answer, WH_SUPPORTED, stall,
        "%u of %u stalls began with everything acknowledged and the window open, and ended "
        "when the sender went on by itself; the longest of flow %u, from %.3f s for %.3f s",
        count, all, stall->flow, to_s(stall->start_ns), to_s(stall->end_ns - stall->start_ns));
}

/* ---- beyond the captures --------------------------------------------------------------------- */

static void judge_outer(const struct facts *facts, uint32_t s, struct answer *answer)
{
    static const enum wh_cause causes[] = {WH_CAUSE_LOSS, WH_CAUSE_ACK_LOSS};
    for (unsigned c = 0; c < sizeof causes / sizeof *causes; c++) {
        const struct stall_group *group = &facts->segment[s].by_cause[causes[c]];
        if (group->count == 0)
            continue;
        answer_stall(
            answer, WH_SUPPORTED, group->longest,
            "%u stall%s, because %s lost in %s, beyond what was captured; the longest from "
            "%.3f s for %.3f s",
            group->count, plural(group->count),
            causes[c] == WH_CAUSE_LOSS ? "packets were" : "acknowledgements were",
            facts->result->segments[s].name, to_s(group->longest->start_ns),
            to_s(group->longest->end_ns - group->longest->start_ns));
    }
}

void suspect_loss_beyond_outermost(struct facts *facts, struct answer *answer)
{
    uint32_t last = facts->segment_count - 1;
    judge_outer(facts, 0, answer);
    if (last > 0)
        judge_outer(facts, last, answer);
    if (answer->status == WH_SUPPORTED)
        return;
    for (uint32_t s = 0; s <= last; s += last ? last : 1)
        if (facts->segment[s].spanning) {
            const struct wh_stall *stall = facts->segment[s].first_spanning;
            const char *place = facts_place(facts, stall->segment, stall->segment_span);
            answer_stall(answer, WH_UNDECIDED, stall,
                         "%u stall%s can only be placed in %s, which reaches beyond the captures",
                         facts->segment[s].spanning, plural(facts->segment[s].spanning),
                         place ? place : "a wider span");
            return;
        }
    uint32_t unknown = facts->segment[0].by_cause[WH_CAUSE_UNKNOWN].count +
                       facts->segment[last].by_cause[WH_CAUSE_UNKNOWN].count;
    if (unknown)
        answer_stall(answer, WH_UNDECIDED, facts->first[WH_CAUSE_UNKNOWN],
                     "%u stall%s beyond the captures, of unknown cause", unknown,
                     unknown == 1 ? " lies" : "s lie");
    else
        answer_stall(
            answer, WH_EXCLUDED, NULL, "no stall waited for something that was lost beyond %s%s%s",
            facts->result->points[0].name, facts->result->point_count > 1 ? " or beyond " : "",
            facts->result->point_count > 1
                ? facts->result->points[facts->result->point_count - 1].name
                : "");
}

/* ---- the captures ---------------------------------------------------------------------------- */

static void judge_capture(const struct wh_point *point, struct answer *answer)
{
    unsigned long long missed = point->capture_missed, dropped = point->capture_dropped;
    if (missed)
        answer_stall(
            answer, WH_SUPPORTED, NULL,
            "%llu packet%s passed %s, as the other captures show, and %s not among the %llu in "
            "its file; the network is not blamed for that",
            missed, plural(missed), point->name, missed == 1 ? "is" : "are",
            (unsigned long long)point->packets);
    if (dropped)
        answer_stall(answer, WH_SUPPORTED, NULL,
                     "%s: its file says that the capture dropped %llu packet%s", point->name,
                     dropped, plural(dropped));
}

/* Acknowledged bytes that none of a flow's captures has. Where other captures have them, and follow
 * found none missing, only the order in one file is at fault. */
static void judge_unseen(const struct facts *facts, struct answer *answer)
{
    const struct unseen_facts *unseen = &facts->unseen;
    uint64_t least = UINT64_MAX, all = 0;
    for (uint32_t p = 0; p < facts->result->point_count && p < WH_POINTS_MAX; p++) {
        least = unseen->shared[p] < least ? unseen->shared[p] : least;
        all += unseen->shared[p];
    }
    const struct wh_event *first = facts->first_event[WH_EVENT_ACK_OF_UNSEEN];
    if (unseen->alone)
        answer_event(
            answer, WH_SUPPORTED, unseen->first_alone,
            "%llu acknowledgement%s of bytes that the capture does not have, first at %.3f s",
            (unsigned long long)unseen->alone, plural(unseen->alone),
            to_s(unseen->first_alone->time_ns));
    else if (all && least)
        answer_event(answer, WH_SUPPORTED, first,
                     "acknowledgements of bytes that no capture has, first at %.3f s",
                     to_s(first->time_ns));
    else if (all)
        answer_event(
            answer, WH_EXCLUDED, first,
            "every byte that was acknowledged is in the captures; %llu acknowledgement%s in "
            "a file before the bytes, by the order in that file",
            (unsigned long long)all, all == 1 ? " stands" : "s stand");
    else
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "every byte that was acknowledged is in the captures, and no file tells of "
                     "dropped packets");
}

void suspect_capture_artefact(struct facts *facts, struct answer *answer)
{
    for (uint32_t p = 0; p < facts->result->point_count; p++)
        judge_capture(&facts->result->points[p], answer);
    if (answer->status == WH_SUPPORTED)
        return;
    if (facts->events[WH_EVENT_ACK_OF_UNSEEN] && !facts_complete(facts))
        answer_stall(
            answer, WH_UNDECIDED, NULL,
            "%llu acknowledgements of bytes that their capture does not have; not all of them "
            "are in the list of events",
            (unsigned long long)facts->events[WH_EVENT_ACK_OF_UNSEEN]);
    else
        judge_unseen(facts, answer);
}
