/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Suspicions about the host and its firewall guest: what a back end, a scheduler, a filter or a
 * lack of memory would do to the packets between two captures.
 */
#include "blame/hypotheses_facts.h"

#include "base/clock.h"

/* The longest passage that is still no waiting: netback's credit is renewed every 50 ms, and its
 * copies of held packets are made after 500 ms. */
#define WAITING_NS (50 * NS_PER_MS)
#define STALLS_EXAMINED 64u
#define PERIODS_MIN 3u
#define INCIDENTS_MAX 256u

/* ---- shared ------------------------------------------------------------------------------------------ */

/* The stall of a cause in the suspected segments that lasted longest. */
static const struct wh_stall *longest_suspected(const struct facts *facts, enum wh_cause cause)
{
    const struct wh_stall *longest = NULL;
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        const struct wh_stall *here = facts->segment[s].by_cause[cause].longest;
        if (here && facts_suspect(facts, s) &&
            (!longest || here->end_ns - here->start_ns > longest->end_ns - longest->start_ns))
            longest = here;
    }
    return longest;
}

static uint32_t suspected_scope(const struct facts *facts, enum wh_cause cause, enum wh_scope scope)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++)
        count += facts_suspect(facts, s) ? facts->segment[s].by_cause[cause].scope[scope] : 0;
    return count;
}

struct traffic_sum {
    uint64_t packets, lost;
    int64_t delay_max_ns;
};

static struct traffic_sum suspected_traffic(const struct facts *facts)
{
    struct traffic_sum sum = {.delay_max_ns = WH_NONE};
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        if (!facts_suspect(facts, s))
            continue;
        sum.packets += facts->segment[s].packets;
        sum.lost += facts->segment[s].lost;
        if (facts->segment[s].delay_max_ns > sum.delay_max_ns)
            sum.delay_max_ns = facts->segment[s].delay_max_ns;
    }
    return sum;
}

/* Decides where no stall can lie at the firewall, or where no pair of captures encloses it. */
static bool settled_by_place(struct facts *facts, struct answer *answer)
{
    const struct wh_result *result = facts->result;
    struct traffic_sum sum = suspected_traffic(facts);
    if (sum.packets == 0) {
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "no flow was captured on both sides of the firewall");
        return true;
    }
    if (facts_suspected_all(facts) || facts_suspected_spanning(facts))
        return false;
    answer_stall(answer, WH_EXCLUDED, NULL, "no stall lies in %s: all %u lie elsewhere%s%s",
                 facts_suspects_text(facts), result->stall_count,
                 result->verdict.stalled ? ", most of their time in " : "",
                 result->verdict.stalled
                     ? facts_place(facts, result->verdict.segment, result->verdict.segment_span)
                     : "");
    return true;
}

/* Says so when the place of some stalls is not certain; then nothing is excluded. */
static bool unsettled_by_span(struct facts *facts, struct answer *answer)
{
    uint32_t spanning = facts_suspected_spanning(facts);
    if (spanning)
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "%u stall%s may lie in %s or beside it: the captures do not show which", spanning,
                     plural(spanning), facts_suspects_text(facts));
    return spanning > 0;
}

/* Excludes a cause that holds up everybody, where others are seen to move on. */
static bool excluded_by_others(struct facts *facts, enum wh_cause cause, struct answer *answer)
{
    const struct wh_stall *stall = longest_suspected(facts, cause);
    struct passage passage;
    if (!stall || suspected_scope(facts, cause, WH_ALL_FLOWS))
        return false;
    const char *place = facts->result->segments[stall->segment].name;
    if (facts_other_moved(facts, stall, &passage)) {
        const char *how = passage.event ? "passed meanwhile" : "did not stand still meanwhile";
        answer_event(answer, WH_EXCLUDED, passage.event,
                     "flow %u stood still in %s from %.3f s to %.3f s, but flow %u %s: not everything "
                     "was held up",
                     stall->flow, place, to_s(stall->start_ns), to_s(stall->end_ns),
                     passage.flow->id, how);
        return true;
    }
    if (suspected_scope(facts, cause, WH_SOME_FLOWS) == 0)
        return false;
    answer_stall(answer, WH_EXCLUDED, stall,
                 "while some flows stood still in %s, others moved on through it", place);
    return true;
}

/* ---- netback ------------------------------------------------------------------------------------------- */

/* The signs of pinned slots around one stall: a hole at the capture behind the back end before the
 * silence, and the retransmission that comes to the capture before it. */
static bool has_hole(struct facts *facts, const struct wh_stall *stall,
                     const struct wh_event **hole)
{
    int64_t quarter_ns = (stall->end_ns - stall->start_ns) / 4;
    const struct wh_event *found =
        facts_find(facts, WH_EVENT_GAP, facts_exit(facts, stall), 0, stall->start_ns - NS_PER_S,
                   stall->start_ns + quarter_ns);
    *hole = found ? found : *hole;
    return found != NULL;
}

static bool sent_again(struct facts *facts, const struct wh_stall *stall)
{
    uint32_t entry = facts_entry(facts, stall);
    return facts_find(facts, WH_EVENT_RETRANSMISSION, entry, stall->flow, stall->start_ns,
                      stall->end_ns) ||
           facts_find(facts, WH_EVENT_FAST_RETRANSMISSION, entry, stall->flow, stall->start_ns,
                      stall->end_ns);
}

struct slot_signs {
    uint32_t stalls, holes, fitting;
    const struct wh_stall *fits;
    const struct wh_event *hole;
};

static struct slot_signs look_for_slots(struct facts *facts)
{
    struct slot_signs signs = {0};
    for (uint32_t i = 0; i < facts->result->stall_count && signs.stalls < STALLS_EXAMINED; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        if (stall->segment_span != 1 || stall->segment >= facts->segment_count ||
            !facts_suspect(facts, stall->segment))
            continue;
        signs.stalls++;
        if (!has_hole(facts, stall, &signs.hole))
            continue;
        signs.holes++;
        if (stall->cause == WH_CAUSE_FREEZE && stall->scope == WH_ALL_FLOWS &&
            sent_again(facts, stall)) {
            signs.fitting++;
            signs.fits = signs.fits ? signs.fits : stall;
        }
    }
    return signs;
}

void suspect_netback_slots(struct facts *facts, struct answer *answer)
{
    if (settled_by_place(facts, answer) || unsettled_by_span(facts, answer))
        return;
    if (facts_suspected(facts, WH_CAUSE_FREEZE) + facts_suspected(facts, WH_CAUSE_LOSS) +
            facts_suspected(facts, WH_CAUSE_UNKNOWN) == 0) {
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "no data was held or lost in %s while a flow stood still",
                     facts_suspects_text(facts));
        return;
    }
    struct slot_signs signs = look_for_slots(facts);
    if (signs.holes == 0 && facts_complete(facts))
        answer_stall(answer, WH_EXCLUDED, longest_suspected(facts, WH_CAUSE_FREEZE),
                     "no hole before the silence: in none of the %u stalls in %s had a packet been "
                     "missing behind it just before, so nothing waited in the host for one",
                     signs.stalls, facts_suspects_text(facts));
    else if (facts_suspected(facts, WH_CAUSE_FREEZE) &&
             excluded_by_others(facts, WH_CAUSE_FREEZE, answer))
        return;
    else if (signs.fitting && signs.fitting * 2 > signs.stalls)
        answer_stall(answer, WH_SUPPORTED, signs.fits,
                     "in %u of %u stalls there a packet was missing behind the firewall just before, "
                     "all flows stood still, and what was sent again came to %s but not past it "
                     "until the end",
                     signs.fitting, signs.stalls, facts_suspects_text(facts));
    else
        answer_event(answer, WH_UNDECIDED, signs.hole,
                     "in %u of %u stalls in %s a packet had been missing behind it just before; "
                     "whether what follows it pins the slots is not seen from outside",
                     signs.holes, signs.stalls, facts_suspects_text(facts));
}

void suspect_netback_ring(struct facts *facts, struct answer *answer)
{
    struct traffic_sum sum = suspected_traffic(facts);
    unsigned long long lost = sum.lost;
    if (sum.packets && sum.lost == 0) {
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "nothing was lost in %s: each of the %llu packets that went in came out",
                     facts_suspects_text(facts), (unsigned long long)sum.packets);
        return;
    }
    if (settled_by_place(facts, answer))
        return;
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        const struct segment_losses *losses = &facts->segment[s].losses;
        if (!facts_suspect(facts, s) || !losses->first)
            continue;
        unsigned long long listed = losses->data + losses->bare;
        if (losses->of_blackhole == listed && facts_complete(facts) && listed == lost) {
            answer_event(answer, WH_EXCLUDED, losses->first,
                         "all %llu packets lost in %s were large ones while small ones passed: a "
                         "full ring does not choose by size",
                         listed, facts->result->segments[s].name);
            return;
        }
        answer_event(answer, WH_UNDECIDED, losses->first,
                     "%llu packets were lost in %s in %u burst%s of up to %llu, the first at %.3f s: a "
                     "full ring does that, and so does a rule or another queue",
                     listed, facts->result->segments[s].name, losses->bursts,
                     plural(losses->bursts), (unsigned long long)losses->burst_largest,
                     to_s(losses->first->time_ns));
    }
}

/* ---- rate limit -------------------------------------------------------------------------------------------- */

/* Separate times at which something was held in the suspected segments; the number kept. */
static uint32_t collect_incidents(const struct facts *facts, int64_t *starts_ns)
{
    uint32_t count = 0;
    int64_t until_ns = INT64_MIN;
    for (uint32_t i = 0; i < facts->result->stall_count && count < INCIDENTS_MAX; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        bool held = stall->cause == WH_CAUSE_FREEZE || stall->cause == WH_CAUSE_QUEUEING;
        if (!held || stall->segment_span != 1 || stall->segment >= facts->segment_count ||
            !facts_suspect(facts, stall->segment))
            continue;
        if (stall->start_ns > until_ns)
            starts_ns[count++] = stall->start_ns;
        until_ns = stall->end_ns > until_ns ? stall->end_ns : until_ns;
    }
    return count;
}

static uint32_t suspected_both_ways(const struct facts *facts)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++)
        if (facts_suspect(facts, s))
            count += facts->segment[s].by_cause[WH_CAUSE_FREEZE].direction[WH_BOTH];
    return count;
}

/* Judges by the intervals from incident to incident. */
static void judge_period(struct facts *facts, struct answer *answer)
{
    int64_t starts_ns[INCIDENTS_MAX], least_ns = INT64_MAX, most_ns = 0;
    uint32_t count = collect_incidents(facts, starts_ns);
    const struct wh_stall *stall = longest_suspected(facts, WH_CAUSE_FREEZE);
    unsigned long long lost = suspected_traffic(facts).lost;
    for (uint32_t i = 1; i < count; i++) {
        int64_t interval_ns = starts_ns[i] - starts_ns[i - 1];
        least_ns = interval_ns < least_ns ? interval_ns : least_ns;
        most_ns = interval_ns > most_ns ? interval_ns : most_ns;
    }
    bool regular = most_ns <= least_ns + least_ns / 4;
    if (count <= PERIODS_MIN)
        answer_stall(answer, WH_UNDECIDED, stall,
                     "packets were held in %s %u time%s: too few to show a period, or that there is "
                     "none", facts_suspects_text(facts), count, plural(count));
    else if (!regular)
        answer_stall(answer, WH_EXCLUDED, stall,
                     "packets were held in %s %u times, from %.2f to %.2f s apart: a credit is "
                     "renewed with one period", facts_suspects_text(facts), count, to_s(least_ns),
                     to_s(most_ns));
    else
        answer_stall(answer, lost ? WH_UNDECIDED : WH_SUPPORTED, stall,
                     "packets were held in %s %u times with one period, %.2f to %.2f s; %llu were "
                     "lost there", facts_suspects_text(facts), count, to_s(least_ns), to_s(most_ns),
                     lost);
}

void suspect_rate_limit(struct facts *facts, struct answer *answer)
{
    struct traffic_sum sum = suspected_traffic(facts);
    if (settled_by_place(facts, answer) || unsettled_by_span(facts, answer))
        return;
    uint32_t both = suspected_both_ways(facts);
    if (both)
        answer_stall(answer, WH_EXCLUDED, longest_suspected(facts, WH_CAUSE_FREEZE),
                     "packets were held in %s both ways at once (%u stall%s), while each way leaves "
                     "the guest by another vif with a credit of its own",
                     facts_suspects_text(facts), both, plural(both));
    else if (longest_suspected(facts, WH_CAUSE_FREEZE) ||
             longest_suspected(facts, WH_CAUSE_QUEUEING))
        judge_period(facts, answer);
    else if (sum.delay_max_ns != WH_NONE && sum.delay_max_ns < WAITING_NS)
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "nothing was held back in %s: what came out of it did so within %.1f ms",
                     facts_suspects_text(facts), to_ms(sum.delay_max_ns));
    else
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "no stall in %s is one of holding, but some packets took long there",
                     facts_suspects_text(facts));
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

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
        answer_event(answer, WH_SUPPORTED, most->losses.its_partner, "the other loss, at %.3f s, in %s",
                     to_s(most->losses.its_partner->time_ns),
                     facts->result->segments[most->losses.its_partner->value].name);
    } else if (zero) {
        answer_stall(answer, WH_UNDECIDED, facts->longest[WH_CAUSE_ZERO_WINDOW],
                     "a receiver's window closed in %u stall%s: its program does not read, or its "
                     "host is short of memory", zero, plural(zero));
    } else if (facts->segment_count > 2 && facts_suspected_spanning(facts) == 0 && count <= 1) {
        answer_stall(answer, WH_EXCLUDED, count ? facts->segment[first].by_cause[WH_CAUSE_LOSS].first
                                                : NULL,
                     count ? "packets were lost in one place only, %s, and no window shrank to nothing"
                           : "nothing was lost%s, and no window shrank to nothing",
                     count ? facts->result->segments[first].name : "");
    } else if (count > 1) {
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "packets were lost in %u segments, %u time%s at the same instant", count,
                     most ? most->losses.coincident : 0, plural(most ? most->losses.coincident : 0));
    }
}

/* ---- filters ------------------------------------------------------------------------------------------------- */

static bool judge_nat(struct facts *facts, struct answer *answer)
{
    const struct wh_stall *stall = facts->longest[WH_CAUSE_NAT];
    if (!stall)
        return false;
    answer_stall(answer, WH_SUPPORTED, stall,
                 "the translation itself failed: %u stall%s, the longest from %.3f s for %.3f s",
                 facts->by_cause[WH_CAUSE_NAT], plural(facts->by_cause[WH_CAUSE_NAT]),
                 to_s(stall->start_ns), to_s(stall->end_ns - stall->start_ns));
    return true;
}

/* A reset in a stall for loss in the suspected segments, at either side of it. */
static const struct wh_event *reset_in_stall(struct facts *facts, uint32_t *dead)
{
    const struct wh_event *reset = NULL;
    uint32_t looked = 0;
    *dead = 0;
    for (uint32_t i = 0; i < facts->result->stall_count && looked < STALLS_EXAMINED; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        if (stall->segment_span != 1 || stall->segment >= facts->segment_count ||
            !facts_suspect(facts, stall->segment) ||
            (stall->cause != WH_CAUSE_LOSS && stall->cause != WH_CAUSE_ACK_LOSS))
            continue;
        looked++;
        *dead += !stall->resumed;
        for (uint32_t p = stall->segment - 1; p <= stall->segment && !reset; p++)
            reset = facts_find(facts, WH_EVENT_RESET, p, stall->flow, stall->start_ns,
                               stall->end_ns + NS_PER_MS);
    }
    return reset;
}

void suspect_conntrack_invalid(struct facts *facts, struct answer *answer)
{
    uint32_t dead;
    if (judge_nat(facts, answer) || settled_by_place(facts, answer))
        return;
    struct traffic_sum sum = suspected_traffic(facts);
    const struct wh_event *reset = reset_in_stall(facts, &dead);
    uint32_t lossy = facts_suspected(facts, WH_CAUSE_LOSS) +
                     facts_suspected(facts, WH_CAUSE_ACK_LOSS);
    uint32_t all = suspected_scope(facts, WH_CAUSE_LOSS, WH_ALL_FLOWS);
    const struct wh_stall *stall = longest_suspected(facts, WH_CAUSE_LOSS);
    const char *place = facts_suspects_text(facts);
    if (sum.lost == 0)
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "nothing was thrown away in %s: each of the %llu packets that went in came out",
                     place, (unsigned long long)sum.packets);
    else if (reset)
        answer_event(answer, WH_UNDECIDED, reset,
                     "flow %u was reset at %.3f s while it waited for packets lost in %s", reset->flow,
                     to_s(reset->time_ns), place);
    else if (unsettled_by_span(facts, answer))
        return;
    else if (lossy == 0)
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "no flow stood still for a packet thrown away in %s (%llu were lost there)", place,
                     (unsigned long long)sum.lost);
    else if (all)
        answer_stall(answer, WH_EXCLUDED, stall,
                     "in %u of %u stalls by loss in %s all flows stood still together: tracking "
                     "judges each connection by its own numbers", all, lossy, place);
    else if (dead == 0 && lossy <= STALLS_EXAMINED)
        answer_stall(answer, WH_EXCLUDED, stall,
                     "after each of the %u stalls by loss in %s the same bytes, sent again with the "
                     "same numbers, passed: they had not been out of the window", lossy, place);
    else
        answer_stall(answer, WH_UNDECIDED, stall,
                     "%u of %u stalls by loss in %s did not end within the capture", dead, lossy,
                     place);
}

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
                     "nothing was lost in %s: each of the %llu packets that went in came out", place,
                     packets);
    else if (never && never->scope != WH_ALL_FLOWS)
        answer_stall(answer, WH_SUPPORTED, never,
                     "flow %u lost everything in %s, from %.3f s on, and is never seen behind it, "
                     "while other flows pass: as a rule does", never->flow, place,
                     to_s(never->start_ns));
    else if (loss->count > loss->resumed)
        answer_stall(answer, WH_UNDECIDED, loss->longest,
                     "%llu of %llu packets were lost in %s, and %u of %u stalls there did not end",
                     lost, packets, place, loss->count - loss->resumed, loss->count);
    else if (loss->count)
        answer_stall(answer, answer->status, loss->longest,
                     "%llu of %llu packets were lost in %s, but each of the %u stalls there ended when "
                     "the same bytes, sent again, passed: a rule would have dropped them again",
                     lost, packets, place, loss->count);
    else
        answer_event(answer, answer->status, segment->losses.first,
                     "%llu of %llu packets were lost in %s, and no flow stood still for want of them",
                     lost, packets, place);
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
        else if (answer->status == WH_EXCLUDED)
            judge_bridge(facts, s, answer);
    }
    if (bridges == 0)
        answer_stall(answer, WH_UNDECIDED, NULL,
                     facts->nat_count ? "no two captures lie on one side of the translation"
                                      : "no address is translated between the captures: which of "
                                        "them lie on one bridge is not seen");
}

/* ---- scheduling ------------------------------------------------------------------------------------------------ */

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
        answer_event(answer, otherwise, passage.event,
                     "packets were held one way in %s, but one of flow %u came through the other way "
                     "at %.3f s: what forwards them was running", place, passage.flow->id,
                     to_s(passage.event->time_ns));
    else if (group->scope[WH_ALL_FLOWS] == 0 && facts_other_moved(facts, stall, &passage))
        answer_event(answer, otherwise, passage.event,
                     "flow %u was held in %s for %.3f s, but flow %u moved on through it", stall->flow,
                     place, longest_s, passage.flow->id);
    else if (group->scope[WH_ALL_FLOWS] == 0 && group->scope[WH_SOME_FLOWS])
        answer_stall(answer, otherwise, stall,
                     "some flows were held in %s, others moved on through it meanwhile", place);
    else if (group->scope[WH_ALL_FLOWS] == 0)
        answer_stall(answer, WH_UNDECIDED, stall,
                     "one flow was held in %s for up to %.3f s, and no other is seen that could tell "
                     "whether all were", place, longest_s);
    else if (segment->lost)
        answer_stall(answer, WH_UNDECIDED, stall,
                     "all flows were held in %s for up to %.3f s, but %llu packets were lost there as "
                     "well", place, longest_s, (unsigned long long)segment->lost);
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
    else if (spanning)
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "%u stall%s between the captures can not be placed exactly", spanning,
                     plural(spanning));
    else
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "no stall came from packets held between the captures; the longest that any "
                     "took there was %.1f ms, in %s", to_ms(delay_max_ns),
                     facts->result->segments[at].name);
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
