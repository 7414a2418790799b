/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Suspicions about the host: its memory, the filters on its bridges, and whether it and its guests
 * get to run in time.
 */
#include "blame/hypotheses_facts.h"

/* ---- memory ---------------------------------------------------------------------------------- */

/* Segments in which something was lost, the first of them. */
static uint32_t losing_segments(const struct facts *facts, uint32_t *first)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        const struct segment_facts *segment = &facts->segment[s];
        bool outer = !segment->inner && (segment->by_cause[WH_CAUSE_LOSS].count ||
                                         segment->by_cause[WH_CAUSE_ACK_LOSS].count);
        if (!outer && segment->lost == 0)
            continue;
        *first = count++ ? *first : s;
    }
    return count;
}

static const struct segment_facts *most_coincident(const struct facts *facts, uint32_t *at)
{
    const struct segment_facts *most = NULL;
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        const struct segment_facts *segment = &facts->segment[s];
        if (segment->losses.coincident &&
            (!most || segment->losses.coincident > most->losses.coincident)) {
            most = segment;
            *at = s;
        }
    }
    return most;
}

void suspect_host_memory(struct facts *facts, struct answer *answer)
{
    uint32_t first = 0, at = 0, count = losing_segments(facts, &first);
    const struct segment_facts *most = most_coincident(facts, &at);
    uint32_t zero = facts->by_cause[WH_CAUSE_ZERO_WINDOW];
    if (most && most->losses.coincident >= 2 &&
        most->losses.coincident * 2 >= most->losses.bursts) {
        const struct wh_event *here = most->losses.first_coincident;
        answer_event(answer, WH_SUPPORTED, here,
                     "%u of %u bursts of loss in %s began at the same instant as losses in another "
                     "segment, first at %.3f s",
                     most->losses.coincident, most->losses.bursts, facts->result->segments[at].name,
                     to_s(here->time_ns));
        answer_event(answer, WH_SUPPORTED, most->losses.its_partner,
                     "the other loss, at %.3f s, in %s", to_s(most->losses.its_partner->time_ns),
                     facts->result->segments[most->losses.its_partner->value].name);
    } else if (zero) {
        answer_stall(answer, WH_UNDECIDED, facts->longest[WH_CAUSE_ZERO_WINDOW],
                     "a receiver's window closed in %u stall%s: its program does not read, or its "
                     "host is short of memory",
                     zero, plural(zero));
    } else if (facts->followed && count <= 1) {
        answer_stall(
            answer, WH_EXCLUDED, count ? facts->segment[first].by_cause[WH_CAUSE_LOSS].first : NULL,
            count ? "packets were lost in one place only, %s, and no window shrank to nothing"
                  : "nothing was lost%s, and no window shrank to nothing",
            count ? facts->result->segments[first].name : "");
    } else if (count > 1) {
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "packets were lost in %u segments, %u time%s at the same instant", count,
                     most ? most->losses.coincident : 0,
                     plural(most ? most->losses.coincident : 0));
    } else {
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "no packet is seen at two captures: whether others were lost at the same "
                     "instant is not known");
    }
}

/* ---- the bridge's filter --------------------------------------------------------------------- */

/* Segments between two captures in which no address changes: the host's own bridges. */
static bool bridges_only(const struct facts *facts, uint32_t s)
{
    return facts->segment[s].inner && !facts->segment[s].nat && facts->nat_count &&
           facts->segment[s].packets;
}

/* Flows that lost packets in the segment and are not seen behind it, by their stalls. */
static const struct wh_stall *never_passed(const struct facts *facts, uint32_t s)
{
    for (uint32_t i = 0; i < facts->result->stall_count; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        if (stall->segment != s || stall->segment_span != 1 || stall->resumed ||
            stall->cause != WH_CAUSE_LOSS || stall->flow > facts->result->flow_count)
            continue;
        const struct wh_flow_at *at = facts->result->flows[stall->flow - 1].at;
        if (at && !*at[facts_exit(facts, stall)].client)
            return stall;
    }
    return NULL;
}

static void judge_bridge(struct facts *facts, uint32_t s, struct answer *answer)
{
    const struct segment_facts *segment = &facts->segment[s];
    const struct stall_group *loss = &segment->by_cause[WH_CAUSE_LOSS];
    const char *place = facts->result->segments[s].name;
    unsigned long long lost = segment->lost, packets = segment->packets;
    const struct wh_stall *never = never_passed(facts, s);
    if (lost == 0)
        answer_stall(answer, answer->status, NULL,
                     "nothing was lost in %s: each of the %llu packets that went in came out",
                     place, packets);
    else if (never && never->scope != WH_ALL_FLOWS)
        answer_stall(answer, WH_SUPPORTED, never,
                     "flow %u lost everything in %s, from %.3f s on, and is never seen behind it, "
                     "while other flows pass: as a rule does",
                     never->flow, place, to_s(never->start_ns));
    else if (loss->count > loss->resumed)
        answer_stall(answer, WH_UNDECIDED, loss->longest,
                     "%llu of %llu packets were lost in %s, and %u of %u stalls there did not end",
                     lost, packets, place, loss->count - loss->resumed, loss->count);
    else if (loss->count)
        answer_stall(
            answer, answer->status, loss->longest,
            "%llu of %llu packets were lost in %s, with %u stall%s, but the same bytes passed "
            "when they were sent again: a rule would have dropped them again",
            lost, packets, place, loss->count, plural(loss->count));
    else
        answer_event(
            answer, answer->status, segment->losses.first,
            "%llu of %llu packets were lost in %s, and no flow stood still for want of them", lost,
            packets, place);
}

void suspect_bridge_netfilter(struct facts *facts, struct answer *answer)
{
    uint32_t bridges = 0;
    answer->status = WH_EXCLUDED; /* unless a segment says otherwise */
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        if (!bridges_only(facts, s))
            continue;
        bridges++;
        if (facts->segment[s].spanning)
            answer_stall(answer, WH_UNDECIDED, facts->segment[s].first_spanning,
                         "%u stall%s may lie in %s or beside it", facts->segment[s].spanning,
                         plural(facts->segment[s].spanning), facts->result->segments[s].name);
        else if (answer->status != WH_SUPPORTED)
            judge_bridge(facts, s, answer);
    }
    if (bridges == 0)
        answer_stall(answer, WH_UNDECIDED, NULL,
                     facts->nat_count ? "no two captures lie on one side of the translation"
                                      : "no address is translated between the captures: which of "
                                        "them lie on one bridge is not seen");
}

/* ---- scheduling ------------------------------------------------------------------------------ */

/* Judges the freezes of one segment; what several segments say is added up. */
static void judge_freezes(struct facts *facts, uint32_t s, struct answer *answer)
{
    const struct segment_facts *segment = &facts->segment[s];
    const struct stall_group *group = &segment->by_cause[WH_CAUSE_FREEZE];
    const struct wh_stall *stall = group->longest;
    const char *place = facts->result->segments[s].name;
    double longest_s = to_s(stall->end_ns - stall->start_ns);
    struct passage passage;
    enum wh_hypothesis_status otherwise = answer->status;
    if (facts_other_way_moved(facts, stall, &passage))
        answer_event(
            answer, otherwise, passage.event,
            "packets were held one way in %s, but one of flow %u came through the other way "
            "at %.3f s: what forwards them was running",
            place, passage.flow->id, to_s(passage.event->time_ns));
    else if (group->scope[WH_ALL_FLOWS] == 0 && facts_other_moved(facts, stall, &passage))
        answer_event(answer, otherwise, passage.event,
                     "flow %u was held in %s for %.3f s, but flow %u moved on through it",
                     stall->flow, place, longest_s, passage.flow->id);
    else if (group->scope[WH_ALL_FLOWS] == 0 && group->scope[WH_SOME_FLOWS])
        answer_stall(answer, otherwise, stall,
                     "some flows were held in %s, others moved on through it meanwhile", place);
    else if (group->scope[WH_ALL_FLOWS] == 0)
        answer_stall(
            answer, WH_UNDECIDED, stall,
            "one flow was held in %s for up to %.3f s, and no other is seen that could tell "
            "whether all were",
            place, longest_s);
    else if (segment->lost)
        answer_stall(
            answer, WH_UNDECIDED, stall,
            "all flows were held in %s for up to %.3f s, but %llu packets were lost there as "
            "well",
            place, longest_s, (unsigned long long)segment->lost);
    else if (group->direction[WH_BOTH] == 0)
        answer_stall(answer, WH_UNDECIDED, stall,
                     "all flows were held in %s for up to %.3f s and nothing was lost, but held "
                     "packets are seen one way only; no packet shows whether the other was open",
                     place, longest_s);
    else
        answer_stall(answer, WH_SUPPORTED, stall,
                     "all flows were held in %s, both ways, for up to %.3f s and let out together; "
                     "none of %llu packets was lost there: what forwards them stood still",
                     place, longest_s, (unsigned long long)segment->packets);
}

static void judge_no_freeze(const struct facts *facts, struct answer *answer)
{
    int64_t delay_max_ns = WH_NONE;
    uint32_t spanning = 0, at = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        if (!facts->segment[s].inner)
            continue;
        spanning += facts->segment[s].spanning;
        if (facts->segment[s].delay_max_ns > delay_max_ns) {
            delay_max_ns = facts->segment[s].delay_max_ns;
            at = s;
        }
    }
    if (delay_max_ns == WH_NONE)
        answer_stall(answer, WH_UNDECIDED, NULL, "no packet is seen at two captures");
    else if (facts_suspected_beyond(facts))
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "no address is translated between the captures: the firewall may lie beyond "
                     "them, as do stalls");
    else if (spanning)
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "%u stall%s between the captures can not be placed exactly", spanning,
                     plural(spanning));
    else
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "no stall came from packets held between the captures; the longest that any "
                     "took there was %.1f ms, in %s",
                     to_ms(delay_max_ns), facts->result->segments[at].name);
}

void suspect_not_scheduled(struct facts *facts, struct answer *answer)
{
    uint32_t freezes = 0;
    answer->status = WH_EXCLUDED; /* unless a segment says otherwise */
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        if (!facts->segment[s].inner || !facts->segment[s].by_cause[WH_CAUSE_FREEZE].count)
            continue;
        freezes++;
        if (answer->status != WH_SUPPORTED)
            judge_freezes(facts, s, answer);
    }
    if (freezes == 0)
        judge_no_freeze(facts, answer);
}
