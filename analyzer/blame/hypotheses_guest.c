/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Suspicions about the firewall guest: its back end in the host, the limit on its interfaces, its
 * connection tracking. They are asked of the segments in which the firewall may lie.
 */
#include "blame/hypotheses_facts.h"

#include "base/clock.h"

/* A credit is renewed every 50 ms unless told otherwise: a shorter passage is no waiting. */
#define WAITING_NS     (50 * NS_PER_MS)
#define COPY_AFTER_NS  (500 * NS_PER_MS) /* netback copies what is held for so long */
#define FITTING_MIN    2u                /* once may be chance */
#define TIMES_EXAMINED 64u
#define PERIODS_MIN    3u
#define INCIDENTS_MAX  256u

/* ---- shared ---------------------------------------------------------------------------------- */

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
    if (facts_suspected_beyond(facts)) {
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "no address is translated between the captures: the firewall may lie beyond "
                     "them, as do stalls");
        return true;
    }
    if (facts_suspected_all(facts) || facts_suspected_spanning(facts))
        return false;
    const char *place = facts_place(facts, result->verdict.segment, result->verdict.segment_span);
    answer_stall(answer, WH_EXCLUDED, NULL, "no stall lies in %s: %s in %s",
                 facts_suspects_text(facts),
                 result->stall_count == 1 ? "the only one is" : "most of the time was spent",
                 place ? place : "another segment");
    return true;
}

/* Says so when the place of some stalls is not certain; then nothing is excluded. */
static bool unsettled_by_span(struct facts *facts, struct answer *answer)
{
    uint32_t spanning = facts_suspected_spanning(facts);
    if (spanning)
        answer_stall(answer, WH_UNDECIDED, NULL,
                     "%u stall%s may lie in %s or beside it: the captures do not show which",
                     spanning, plural(spanning), facts_suspects_text(facts));
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
        answer_event(
            answer, WH_EXCLUDED, passage.event,
            "flow %u stood still in %s from %.3f s to %.3f s, but flow %u %s: not everything "
            "was held up",
            stall->flow, place, to_s(stall->start_ns), to_s(stall->end_ns), passage.flow->id, how);
        return true;
    }
    if (suspected_scope(facts, cause, WH_SOME_FLOWS) == 0)
        return false;
    answer_stall(answer, WH_EXCLUDED, stall,
                 "while some flows stood still in %s, others moved on through it", place);
    return true;
}

static bool lies_in_suspects(const struct facts *facts, const struct wh_stall *stall)
{
    return stall->segment_span == 1 && stall->segment < facts->segment_count &&
           facts_suspect(facts, stall->segment);
}

/* ---- netback --------------------------------------------------------------------------------- */

/* What the times without progress show of pinned slots: bytes missing at the capture behind the
 * back end when the silence began, their retransmission at the capture before it, and a silence of
 * a multiple of half a second. */
struct slot_signs {
    uint32_t times, holes, fitting;
    const struct wh_stall *fits;
    const struct wh_event *hole;
};

/* The flow's bytes that are missing behind the segment when the stall begins. */
static const struct wh_event *open_hole(struct facts *facts, const struct wh_stall *stall)
{
    int64_t until_ns = stall->start_ns + (stall->end_ns - stall->start_ns) / 4;
    return facts_open_hole(facts, facts_exit(facts, stall), stall->flow, stall->start_ns - NS_PER_S,
                           until_ns);
}

static bool sent_again(struct facts *facts, const struct wh_stall *stall)
{
    uint32_t entry = facts_entry(facts, stall);
    return facts_find(facts, WH_EVENT_RETRANSMISSION, entry, stall->flow, stall->start_ns,
                      stall->end_ns) ||
           facts_find(facts, WH_EVENT_FAST_RETRANSMISSION, entry, stall->flow, stall->start_ns,
                      stall->end_ns);
}

/* The host copies packets that are held for half a second, which frees their slots. */
static bool silent_by_halves(struct facts *facts, const struct wh_stall *stall)
{
    const struct wh_event *silence = facts_find(
        facts, WH_EVENT_SILENCE, facts_exit(facts, stall), stall->flow,
        stall->start_ns + (stall->end_ns - stall->start_ns) / 2, stall->end_ns + NS_PER_S);
    int64_t silent_ns = silence ? silence->value * NS_PER_US : 0;
    int64_t rest_ns = silent_ns % COPY_AFTER_NS;
    return silent_ns > COPY_AFTER_NS / 2 &&
           (rest_ns < COPY_AFTER_NS / 10 || rest_ns > COPY_AFTER_NS - COPY_AFTER_NS / 10);
}

static bool fits_slots(struct facts *facts, const struct wh_stall *stall)
{
    return stall->cause == WH_CAUSE_FREEZE && stall->scope == WH_ALL_FLOWS &&
           sent_again(facts, stall) && silent_by_halves(facts, stall);
}

static struct slot_signs look_for_slots(struct facts *facts)
{
    struct slot_signs signs = {0};
    int64_t until_ns = INT64_MIN;
    bool hole_told = false, fit_told = false;
    for (uint32_t i = 0; i < facts->result->stall_count && signs.times < TIMES_EXAMINED; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        if (!lies_in_suspects(facts, stall))
            continue;
        if (stall->start_ns > until_ns) {
            signs.times++;
            hole_told = fit_told = false;
        }
        until_ns = stall->end_ns > until_ns ? stall->end_ns : until_ns;
        const struct wh_event *hole = open_hole(facts, stall);
        if (!hole)
            continue;
        signs.holes += !hole_told;
        hole_told = true;
        signs.hole = signs.hole ? signs.hole : hole;
        if (fit_told || !fits_slots(facts, stall))
            continue;
        signs.fitting++;
        fit_told = true;
        signs.fits = signs.fits ? signs.fits : stall;
    }
    return signs;
}

static void judge_slots(struct facts *facts, struct answer *answer)
{
    struct slot_signs signs = look_for_slots(facts);
    const char *place = facts_suspects_text(facts);
    if (signs.holes == 0 && facts_complete(facts))
        answer_stall(
            answer, WH_EXCLUDED, longest_suspected(facts, WH_CAUSE_FREEZE),
            "no hole before the silence: the %u time%s that flows stopped in %s, no packet "
            "was missing behind it that others could have waited for in the host",
            signs.times, plural(signs.times), place);
    else if (signs.fitting >= FITTING_MIN && signs.fitting * 2 > signs.times)
        answer_stall(
            answer, WH_SUPPORTED, signs.fits,
            "%u of %u times a packet was missing behind %s when all flows stopped; what was "
            "sent again came to it, but not out of it until a multiple of half a second had "
            "passed",
            signs.fitting, signs.times, place);
    else
        answer_event(
            answer, WH_UNDECIDED, signs.hole,
            "%u of %u times a packet was missing behind %s when flows stopped; held slots would "
            "show that most times, with a silence of whole half seconds after it, which is not "
            "seen",
            signs.holes, signs.times, place);
}

void suspect_netback_slots(struct facts *facts, struct answer *answer)
{
    if (settled_by_place(facts, answer) || unsettled_by_span(facts, answer))
        return;
    if (facts_suspected(facts, WH_CAUSE_FREEZE) + facts_suspected(facts, WH_CAUSE_LOSS) +
            facts_suspected(facts, WH_CAUSE_UNKNOWN) + facts_suspected(facts, WH_CAUSE_QUEUEING) ==
        0)
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "when flows stopped in %s, packets of one kind vanished there (by size, or "
                     "acknowledgements) and others passed: held slots stop everything",
                     facts_suspects_text(facts));
    else if (!excluded_by_others(facts, WH_CAUSE_FREEZE, answer) &&
             !excluded_by_others(facts, WH_CAUSE_LOSS, answer))
        judge_slots(facts, answer);
}

void suspect_netback_ring(struct facts *facts, struct answer *answer)
{
    struct traffic_sum sum = suspected_traffic(facts);
    unsigned long long lost = sum.lost;
    if (sum.packets && sum.lost == 0 && !facts_suspected_beyond(facts)) {
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
        answer_event(
            answer, WH_UNDECIDED, losses->first,
            "%llu packets were lost in %s in %u burst%s of up to %llu, the first at %.3f s: a "
            "full ring does that, and so does a rule or another queue",
            listed, facts->result->segments[s].name, losses->bursts, plural(losses->bursts),
            (unsigned long long)losses->burst_largest, to_s(losses->first->time_ns));
    }
}

/* ---- rate limit ------------------------------------------------------------------------------ */

/* Separate times at which something was held in the suspected segments; the number kept. */
static uint32_t collect_incidents(const struct facts *facts, int64_t *starts_ns)
{
    uint32_t count = 0;
    int64_t until_ns = INT64_MIN;
    for (uint32_t i = 0; i < facts->result->stall_count && count < INCIDENTS_MAX; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        bool held = stall->cause == WH_CAUSE_FREEZE || stall->cause == WH_CAUSE_QUEUEING;
        if (!held || !lies_in_suspects(facts, stall))
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
    bool regular = count > 1 && most_ns - least_ns <= least_ns / 4;
    if (count <= PERIODS_MIN)
        answer_stall(
            answer, WH_UNDECIDED, stall,
            "packets were held in %s %u time%s: too few to show a period, or that there is "
            "none",
            facts_suspects_text(facts), count, plural(count));
    else if (!regular)
        answer_stall(answer, WH_EXCLUDED, stall,
                     "packets were held in %s %u times, from %.2f to %.2f s apart: a credit is "
                     "renewed with one period",
                     facts_suspects_text(facts), count, to_s(least_ns), to_s(most_ns));
    else
        answer_stall(answer, lost ? WH_UNDECIDED : WH_SUPPORTED, stall,
                     "packets were held in %s %u times with one period, %.2f to %.2f s; %llu were "
                     "lost there",
                     facts_suspects_text(facts), count, to_s(least_ns), to_s(most_ns), lost);
}

void suspect_rate_limit(struct facts *facts, struct answer *answer)
{
    struct traffic_sum sum = suspected_traffic(facts);
    if (settled_by_place(facts, answer) || unsettled_by_span(facts, answer))
        return;
    uint32_t both = suspected_both_ways(facts);
    if (both)
        answer_stall(
            answer, WH_EXCLUDED, longest_suspected(facts, WH_CAUSE_FREEZE),
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

/* ---- connection tracking --------------------------------------------------------------------- */

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
    for (uint32_t i = 0; i < facts->result->stall_count && looked < TIMES_EXAMINED; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        if (!lies_in_suspects(facts, stall) ||
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

/* Stalls by loss at the firewall; none of them because the place is not certain. */
static void judge_tracking(struct facts *facts, uint32_t dead, struct answer *answer)
{
    const char *place = facts_suspects_text(facts);
    const struct wh_stall *stall = longest_suspected(facts, WH_CAUSE_LOSS);
    uint32_t all = suspected_scope(facts, WH_CAUSE_LOSS, WH_ALL_FLOWS) +
                   suspected_scope(facts, WH_CAUSE_ACK_LOSS, WH_ALL_FLOWS);
    uint32_t lossy =
        facts_suspected(facts, WH_CAUSE_LOSS) + facts_suspected(facts, WH_CAUSE_ACK_LOSS);
    stall = stall ? stall : longest_suspected(facts, WH_CAUSE_ACK_LOSS);
    if (lossy == 0 && facts_suspected(facts, WH_CAUSE_MTU_BLACKHOLE))
        answer_stall(answer, WH_EXCLUDED, longest_suspected(facts, WH_CAUSE_MTU_BLACKHOLE),
                     "only large packets vanished in %s, while small ones of the same connection "
                     "passed: tracking does not judge by size",
                     place);
    else if (lossy == 0)
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "some packets were lost in %s, but no flow stood still for want of them",
                     place);
    else if (dead == 0 && lossy <= TIMES_EXAMINED)
        answer_stall(
            answer, WH_EXCLUDED, stall,
            "%u stall%s by loss in %s, always ended by the same bytes, sent again with the same "
            "numbers: they had not been outside the window",
            lossy, plural(lossy), place);
    else if (all == lossy)
        answer_stall(answer, WH_EXCLUDED, stall,
                     "in %u stall%s by loss in %s all flows stood still together: tracking judges "
                     "each connection by its own numbers",
                     lossy, plural(lossy), place);
    else
        answer_stall(answer, WH_UNDECIDED, stall,
                     "%u of %u stalls by loss in %s did not end within the capture", dead, lossy,
                     place);
}

void suspect_conntrack_invalid(struct facts *facts, struct answer *answer)
{
    uint32_t dead;
    if (judge_nat(facts, answer) || settled_by_place(facts, answer))
        return;
    struct traffic_sum sum = suspected_traffic(facts);
    const struct wh_event *reset = reset_in_stall(facts, &dead);
    if (sum.lost == 0)
        answer_stall(
            answer, WH_EXCLUDED, NULL,
            "nothing was thrown away in %s: each of the %llu packets that went in came out",
            facts_suspects_text(facts), (unsigned long long)sum.packets);
    else if (reset)
        answer_event(answer, WH_UNDECIDED, reset,
                     "flow %u was reset at %.3f s while it waited for packets lost in %s",
                     reset->flow, to_s(reset->time_ns), facts_suspects_text(facts));
    else if (!unsettled_by_span(facts, answer))
        judge_tracking(facts, dead, answer);
}
