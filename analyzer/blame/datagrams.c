/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stalls of a flow without acknowledgements. Progress is a datagram that leaves the path at the
 * last point of its direction. Where datagrams enter and none leaves for too long, the flow waits
 * for those that did not come, or came late; the segment that has most of them is to blame.
 */
#include "blame/datagrams.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "blame/case.h"
#include "blame/cause_nat.h"

#define CONFIDENCE_HELD 0.95
#define CONFIDENCE_LOST 0.95
#define CONFIDENCE_FEW  0.85 /* two packets or less tell */
#define CONFIDENCE_NAT  0.95
#define HELD_LEAST_NS   (20 * NS_PER_MS)
#define TOGETHER_NS     NS_PER_S /* a mapping's loss shows with the flow's next datagram outwards */

/* What became of a datagram that entered the path. */
struct passage {
    enum { PASSED, HELD_UP, VANISHED, NOT_KNOWN } end;
    unsigned hop;    /* behind which it was held up longest, or vanished */
    int64_t left_ns; /* the path: at the last hop */
};

static struct passage passage_of(const struct trail *trail, uint32_t copy)
{
    struct passage passage = {.end = PASSED};
    int64_t worst_ns = INT64_MIN;
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        uint8_t fate = hop->copies[copy].fate;
        if (fate == FATE_LOST || fate == FATE_PARTLY)
            return (struct passage){.end = VANISHED, .hop = k, .left_ns = NEVER};
        if (fate != FATE_ARRIVED || hop->copies[copy].next == COPY_NONE)
            return (struct passage){.end = NOT_KNOWN, .left_ns = NEVER};
        int64_t excess_ns = hop_delay(hop, copy) - hop->base_delay_ns;
        passage.end = excess_ns >= HELD_LEAST_NS ? HELD_UP : passage.end;
        if (excess_ns > worst_ns) {
            worst_ns = excess_ns;
            passage.hop = k;
        }
        copy = hop->copies[copy].next;
    }
    passage.left_ns = hop_time(&trail->hops[trail->hop_count - 1], copy);
    return passage;
}

/* What entered and had not left when the wait was over, by the hop behind which it was. */
struct waiting {
    uint32_t count, first;
    uint64_t bytes;
    uint32_t lost[WH_POINTS_MAX], held[WH_POINTS_MAX];
    uint32_t first_at[WH_POINTS_MAX], last_at[WH_POINTS_MAX]; /* copies at the first hop */
};

static struct waiting who_waits(const struct trail *trail, int64_t from_ns, int64_t end_ns)
{
    const struct hop *hop = &trail->hops[0];
    struct waiting waiting = {0};
    for (uint32_t i = copies_from(hop, from_ns); i < hop->count && hop_time(hop, i) < end_ns; i++) {
        struct passage passage = passage_of(trail, i);
        bool waits = passage.end == VANISHED || passage.end == HELD_UP;
        if (!waits || passage.left_ns < end_ns)
            continue;
        waiting.first = waiting.count++ ? waiting.first : i;
        waiting.bytes += hop_pkt(hop, i)->len;
        uint32_t *here = passage.end == VANISHED ? waiting.lost : waiting.held;
        if (waiting.lost[passage.hop] + waiting.held[passage.hop] == 0)
            waiting.first_at[passage.hop] = i;
        waiting.last_at[passage.hop] = i;
        here[passage.hop]++;
    }
    return waiting;
}

static unsigned worst_hop(const struct trail *trail, const struct waiting *waiting)
{
    unsigned worst = 0;
    for (unsigned k = 1; k + 1 < trail->hop_count; k++)
        if (waiting->lost[k] + waiting->held[k] > waiting->lost[worst] + waiting->held[worst])
            worst = k;
    return worst;
}

/* The copies of one datagram from the first hop on to hop k. */
static uint32_t copy_at(const struct trail *trail, uint32_t copy, unsigned k)
{
    for (unsigned i = 0; i < k; i++)
        copy = trail->hops[i].copies[copy].next;
    return copy;
}

static bool is_translated(const struct hop *a, const struct hop *b)
{
    return a->view && b->view &&
           memcmp(a->view->endpoint, b->view->endpoint, sizeof a->view->endpoint) != 0;
}

/* The translator failed this flow; or, when datagrams of this one began to vanish in it, it had
 * forgotten others. NULL: nothing says so. */
static const struct nat_sign *find_sign(const struct stall_case *item, uint32_t flow,
                                        struct place place)
{
    const struct nat_signs *signs = item->options->nat;
    const struct nat_sign *best = NULL;
    for (uint32_t i = 0; signs && i < signs->count; i++) {
        const struct nat_sign *sign = &signs->items[i];
        bool own = sign->flow == flow, near = llabs(sign->time_ns - item->start_ns) < TOGETHER_NS;
        if (sign->place.first != place.first || sign->place.span != place.span ||
            (own ? sign->last_ns < item->start_ns - TOGETHER_NS || sign->time_ns > item->end_ns
                 : sign->kind != NAT_REMAPPED || !near))
            continue;
        if (!best || (own && best->flow != flow))
            best = sign;
    }
    return best;
}

/* Lost behind hop k: was it the translator's doing? */
static bool blame_translator(struct stall_case *item, const struct hop *hop, double few)
{
    struct finding *finding = item->finding;
    struct place place = place_between(hop, hop + 1);
    const struct nat_sign *sign =
        is_translated(hop, hop + 1) ? find_sign(item, finding->flow, place) : NULL;
    if (!sign)
        return false;
    bool own = sign->flow == finding->flow;
    conclude(item, WH_CAUSE_NAT, place, true, few * (own ? CONFIDENCE_NAT : CONFIDENCE_FEW));
    if (own)
        nat_tell(item, sign);
    else
        testify_frame(item, &sign->frame,
                      "at %.3f s another flow passed %s under another port than before: the "
                      "translator had forgotten its flows",
                      seconds_of(item, sign->time_ns), item->options->names[sign->frame.point]);
    return true;
}

static void decide(struct stall_case *item, const struct waiting *waiting)
{
    const struct trail *trail = item->timeline->data;
    unsigned k = worst_hop(trail, waiting);
    const struct hop *hop = &trail->hops[k], *next = hop + 1;
    uint32_t lost = waiting->lost[k], held = waiting->held[k];
    uint32_t first = copy_at(trail, waiting->first_at[k], k);
    uint32_t last = copy_at(trail, waiting->last_at[k], k);
    double few = lost + held > 2 ? 1 : CONFIDENCE_FEW;
    if (held) {
        conclude(item, WH_CAUSE_FREEZE, place_between(hop, next), true, few * CONFIDENCE_HELD);
        testify(item, hop, hop->copies[first].pkt, hop, hop->copies[last].pkt,
                "%u datagrams seen at %s from %.3f to %.3f s came to %s only from %.3f s on%s",
                held + lost, name_of(item, hop), seconds_of(item, hop_time(hop, first)),
                seconds_of(item, hop_time(hop, last)), name_of(item, next),
                seconds_of(item, item->end_ns), lost ? ", and not all of them" : "");
    } else {
        if (!blame_translator(item, hop, few))
            conclude(item, WH_CAUSE_LOSS, place_between(hop, next), true, few * CONFIDENCE_LOST);
        testify(item, hop, hop->copies[first].pkt, hop, hop->copies[last].pkt,
                "%u datagram%s seen at %s from %.3f to %.3f s never came to %s", lost,
                lost == 1 ? "" : "s", name_of(item, hop), seconds_of(item, hop_time(hop, first)),
                seconds_of(item, hop_time(hop, last)), name_of(item, next));
    }
}

static int64_t path_delay_ns(const struct trail *trail)
{
    int64_t sum_ns = 0;
    for (unsigned k = 0; k + 1 < trail->hop_count; k++)
        sum_ns += trail->hops[k].base_delay_ns;
    return sum_ns;
}

/* Nothing left the path between two times: was something waiting to? One that is lost alone, and
 * that nobody was to answer, keeps nobody waiting. */
static int examine_silence(struct stall_case *item, uint32_t flow_index, bool answered,
                           struct findings *findings, struct wh_error *error)
{
    const struct trail *trail = item->timeline->data;
    int64_t path_ns = path_delay_ns(trail), least_ns = item->options->min_stall_ns;
    least_ns = 2 * path_ns > least_ns ? 2 * path_ns : least_ns;
    int64_t from_ns = item->progress_ns == NEVER ? INT64_MIN : item->progress_ns - path_ns;
    struct waiting waiting = who_waits(trail, from_ns, item->end_ns);
    if (waiting.count == 0)
        return WH_OK;
    item->sent_ns = hop_time(&trail->hops[0], waiting.first);
    item->start_ns = from_ns == INT64_MIN || item->sent_ns > item->progress_ns ? item->sent_ns
                                                                               : item->progress_ns;
    unsigned k = worst_hop(trail, &waiting);
    if (case_duration(item) <= least_ns || (waiting.count == 1 && !waiting.held[k] && !answered))
        return WH_OK;
    struct finding *finding = ARRAY_PUSH(findings->items, findings->count, findings->capacity);
    if (!finding)
        return error_memory(error, "stalls");
    *finding = (struct finding){.flow = flow_index,
                                .start_ns = item->start_ns,
                                .end_ns = item->end_ns,
                                .resumed = item->resumed,
                                .bytes_waiting = waiting.bytes};
    item->finding = finding;
    decide(item, &waiting);
    return WH_OK;
}

static int64_t end_of_flow(const struct trail *trail)
{
    int64_t end_ns = INT64_MIN;
    for (unsigned k = 0; k < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        int64_t last_ns = hop->view ? clock_to_path(hop->clock, hop->view->last).ns : INT64_MIN;
        end_ns = last_ns > end_ns ? last_ns : end_ns;
    }
    return end_ns;
}

int blame_datagrams(const struct flow *flow, uint32_t flow_index, const struct trail *trail,
                    unsigned side, const struct blame_options *options, struct arena *arena,
                    struct findings *findings, struct wh_error *error)
{
    const struct hop *last = trail->hop_count > 1 ? &trail->hops[trail->hop_count - 1] : NULL;
    if (!last || !last->view)
        return WH_OK;
    struct timeline timeline = {.side = side, .data = trail};
    struct stall_case item = {.timeline = &timeline,
                              .flow = flow,
                              .options = options,
                              .arena = arena,
                              .progress_ns = NEVER};
    bool answered = last->view->stream[!side].packets > 0;
    for (uint32_t i = 0; i <= last->count; i++) {
        item.resumed = i < last->count;
        item.end_ns = item.resumed ? hop_time(last, i) : end_of_flow(trail);
        bool long_enough =
            item.progress_ns == NEVER || item.end_ns - item.progress_ns > options->min_stall_ns;
        if (long_enough && examine_silence(&item, flow_index, answered, findings, error))
            return WH_ERROR;
        item.progress_ns = item.end_ns;
    }
    return WH_OK;
}
