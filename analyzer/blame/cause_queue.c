/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a queue stands. A flow in a queue makes progress all the time, so it is not found by the
 * gaps of its progress: each direction's delays are walked, segment by segment.
 *
 *   between two captures     from the one to the other
 *   before the first one     how old the packets are by the sender's timestamps
 *   behind the last one      from a packet's passing to its acknowledgement's, less what the
 *                            acknowledgement's own timestamp says of its way back
 *
 * A queue stood from the first packet that came out too late to the last one.
 */
#include "blame/cause_queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

#define CONFIDENCE_SEEN   0.97
#define CONFIDENCE_AGE    0.93
#define CONFIDENCE_ANSWER 0.85
#define RTT_UNKNOWN_NS    (250 * NS_PER_MS)
#define UNSURE_MOST_NS    NS_PER_S /* of two clocks: no delay can be told by them */

/* One row of passages, and how to speak of it. */
struct row {
    struct stall_case *item; /* whose timeline's data goes this way */
    const struct hop *in,
        *out; /* where the passages were seen; before the first capture: the same */
    struct place place;
    bool with_data;
    double confidence;
    int64_t base_ns, threshold_ns;
    const char *how; /* of the delays: for the evidence */
};

static bool add_passage(struct passages *passages, int64_t in_ns, int64_t out_ns, uint32_t in_pkt,
                        uint32_t out_pkt)
{
    struct passage *passage = ARRAY_PUSH(passages->items, passages->count, passages->capacity);
    if (passage)
        *passage = (struct passage){in_ns, out_ns, in_pkt, out_pkt};
    return passage != NULL;
}

/* ---- what rises above the threshold ---------------------------------------------------------- */

/* The least round trip of the flow, end to end. */
static int64_t base_rtt_ns(const struct timeline *one, const struct timeline *other)
{
    const struct timeline *both[2] = {one, other};
    int64_t least_ns = INT64_MAX;
    for (unsigned t = 0; t < 2; t++)
        for (uint32_t i = 0; both[t]->sender && i < both[t]->rtt_count; i++)
            if (both[t]->rtts[i].rtt_ns < least_ns)
                least_ns = both[t]->rtts[i].rtt_ns;
    return least_ns == INT64_MAX ? RTT_UNKNOWN_NS : least_ns;
}

static void tell_queue(struct row *row, const struct passages *passages,
                       const struct queue_time *found)
{
    struct stall_case *item = row->item;
    const struct passage *first = &passages->items[found->first];
    const struct passage *worst = &passages->items[found->worst];
    const struct passage *last = &passages->items[found->last];
    testify(
        item, row->in, first->in_pkt, row->out, first->out_pkt,
        "%s: %.3f s for the one that came at %.3f s, where the least is %.3f s; a queue is named "
        "from %.3f s above that on",
        row->how, (double)(first->out_ns - first->in_ns) / 1e9, seconds_of(item, first->out_ns),
        (double)row->base_ns / 1e9, (double)row->threshold_ns / 1e9);
    testify(item, row->in, worst->in_pkt, row->out, worst->out_pkt,
            "that rose to %.3f s at %.3f s, while packets kept coming out: %u of this flow, never "
            "%.3f s without one",
            (double)(worst->out_ns - worst->in_ns) / 1e9, seconds_of(item, worst->out_ns),
            (unsigned)(found->last - found->first + 1),
            (double)(found->silence_ns + NS_PER_MS) / 1e9);
    testify(item, row->in, last->in_pkt, row->out, last->out_pkt,
            found->ended ? "the last one that was so late came out at %.3f s"
                         : "the last packet of the flow came out at %.3f s, still as late",
            seconds_of(item, last->out_ns));
}

static bool add_queue(struct row *row, struct findings *findings, uint32_t flow_index,
                      const struct passages *passages, const struct queue_time *found)
{
    struct stall_case *item = row->item;
    struct finding *kept = ARRAY_PUSH(findings->items, findings->count, findings->capacity);
    if (!kept)
        return false;
    *kept = (struct finding){.flow = flow_index,
                             .start_ns = passages->items[found->first].out_ns,
                             .end_ns = passages->items[found->last].out_ns,
                             .resumed = found->ended,
                             .entered_ns = passages->items[found->first].in_ns,
                             .silence_ns = found->silence_ns};
    item->finding = kept;
    int64_t sent = steps_level(&item->timeline->sent, kept->start_ns, 0);
    int64_t done = steps_level(&item->timeline->progress, kept->start_ns, sent);
    kept->bytes_waiting = sent > done ? (uint64_t)(sent - done) : 0;
    conclude(item, WH_CAUSE_QUEUEING, row->place, row->with_data, row->confidence);
    tell_queue(row, passages, found);
    return true;
}

static bool judge_row(struct row *row, struct findings *findings, uint32_t flow_index,
                      const struct passages *passages, int64_t extra_ns)
{
    struct queue_time found;
    const struct timeline *timeline = row->item->timeline;
    int64_t least_ns = row->item->options->min_stall_ns;
    int64_t twice_ns = 2 * base_rtt_ns(timeline, row->item->other);
    row->base_ns = queue_base(passages);
    row->threshold_ns = (twice_ns > least_ns ? twice_ns : least_ns) + extra_ns;
    for (uint32_t at = 0; at < passages->count;) {
        if (!queue_next(passages, row->base_ns, row->threshold_ns, least_ns, &at, &found))
            return true;
        if (!add_queue(row, findings, flow_index, passages, &found))
            return false;
    }
    return true;
}

/* ---- between two captures -------------------------------------------------------------------- */

static bool collect_between(const struct hop *hop, struct passages *passages)
{
    const struct hop *next = hop + 1;
    passages->count = 0;
    for (uint32_t j = 0; j < next->count; j++) {
        uint32_t i = next->copies[j].previous;
        if (i < COPY_SKIPPED && hop->copies[i].next == j &&
            !add_passage(passages, hop_time(hop, i), hop_time(next, j), hop->copies[i].pkt,
                         next->copies[j].pkt))
            return false;
    }
    return true;
}

static bool queues_between(struct stall_case *item, struct findings *findings, uint32_t flow_index,
                           struct passages *passages)
{
    const struct trail *trail = item->timeline->data;
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        struct row row = {.item = item,
                          .in = hop,
                          .out = hop + 1,
                          .place = place_between(hop, hop + 1),
                          .with_data = true,
                          .confidence = CONFIDENCE_SEEN};
        char how[200];
        int64_t unsure_ns = hop->clock->uncertainty_ns / 2 + hop[1].clock->uncertainty_ns / 2;
        if (!hop->view || !hop[1].view || unsure_ns > UNSURE_MOST_NS ||
            hop->delay_spread_ns <=
                item->options->min_stall_ns) /* no row has its threshold below */
            continue;
        snprintf(how, sizeof how, "packets were slow from %s to %s", name_of(item, hop),
                 name_of(item, hop + 1));
        row.how = how;
        /* what the clocks are uncertain by is no delay */
        if (!collect_between(hop, passages) ||
            !judge_row(&row, findings, flow_index, passages, 4 * unsure_ns))
            return false;
    }
    return true;
}

/* ---- before the first capture ---------------------------------------------------------------- */

static bool collect_ages(const struct timeline *timeline, struct passages *passages)
{
    const struct hop *hop = timeline->sender;
    passages->count = 0;
    for (uint32_t i = 0; timeline->ticks.tick_ns && i < hop->count; i++) {
        int64_t time_ns = hop_time(hop, i);
        if ((hop_pkt(hop, i)->flags & PKT_TIMESTAMPS) &&
            !add_passage(passages, time_ns - timeline_age(timeline, hop_pkt(hop, i), time_ns),
                         time_ns, hop->copies[i].pkt, hop->copies[i].pkt))
            return false;
    }
    return true;
}

/* Was no packet so old that a queue could be seen in it? */
static bool all_young(const struct timeline *timeline, int64_t least_ns)
{
    const struct hop *hop = timeline->sender;
    if (!timeline->ticks.tick_ns || hop->count == 0)
        return true;
    int64_t levelled_ns =
        (hop_time(hop, hop->count - 1) - hop_time(hop, 0)) / (1000000 / QUEUE_DRIFT_PPM_MAX);
    return timeline->ticks.most_ns + levelled_ns <= least_ns;
}

static bool queues_before(struct stall_case *item, struct findings *findings, uint32_t flow_index,
                          struct passages *passages)
{
    const struct hop *hop = item->timeline->sender;
    struct row row = {.item = item,
                      .out = hop,
                      .place = place_before(item, item->timeline->data),
                      .with_data = true,
                      .confidence = CONFIDENCE_AGE};
    char how[200];
    if (all_young(item->timeline, item->options->min_stall_ns))
        return true;
    if (!collect_ages(item->timeline, passages))
        return false;
    queue_level(passages);
    snprintf(how, sizeof how, "by their timestamps packets were old when they came to %s",
             name_of(item, hop));
    row.how = how;
    return judge_row(&row, findings, flow_index, passages, 0);
}

/* ---- behind the last capture ----------------------------------------------------------------- */

/* What passed the last capture towards the receiver and is not yet answered, by its end. */
struct pending {
    int64_t end, time_ns;
    uint32_t pkt;
    bool repeated; /* sent twice: nobody knows which one is answered (RFC 6298, 3) */
};

struct pendings {
    struct pending *items; /* from `first` on */
    uint32_t first, count, capacity;
    int64_t high; /* of all that was sent */
};

static bool note_sending(struct pendings *pendings, const struct pkt *pkt, uint32_t index,
                         int64_t time_ns)
{
    int64_t high = pendings->high;
    for (uint32_t i = pendings->count; i-- > pendings->first && pendings->items[i].end > pkt->seq;)
        pendings->items[i].repeated |= pkt->seq < high;
    if (pkt_end(pkt) <= high)
        return true;
    pendings->high = pkt_end(pkt);
    array_shift(pendings->items, &pendings->first, &pendings->count, pendings->capacity,
                sizeof *pendings->items);
    struct pending *pending = ARRAY_PUSH(pendings->items, pendings->count, pendings->capacity);
    if (pending)
        *pending = (struct pending){pkt_end(pkt), time_ns, index, pkt->seq < high};
    return pending != NULL;
}

/* What an acknowledgement says has arrived, holes or not (RFC 2018). */
static int64_t highest_arrived(const struct track_flow *view, uint32_t pkt, uint32_t *sack)
{
    int64_t high = view->pkts[pkt].ack;
    while (*sack < view->sack_count && view->sacks[*sack].pkt < pkt)
        ++*sack;
    for (uint32_t s = *sack; s < view->sack_count && view->sacks[s].pkt == pkt; s++)
        high = view->sacks[s].right > high ? view->sacks[s].right : high;
    return high;
}

/* A lone segment may be answered half a second late, the second full one not (RFC 5681, 4.2): only
 * with that much more behind it, for some time, does a late answer tell of the way. */
static const struct pending *answered(struct pendings *pendings, int64_t high, int64_t mss,
                                      int64_t now_ns, int64_t late_ns)
{
    const struct pending *hit = NULL;
    uint32_t more;
    while (pendings->first < pendings->count && pendings->items[pendings->first].end <= high)
        hit = &pendings->items[pendings->first++];
    if (!hit || hit->repeated)
        return NULL;
    if (now_ns - hit->time_ns < late_ns)
        return hit;
    for (more = pendings->first; more < pendings->count; more++)
        if (pendings->items[more].end - hit->end >= 2 * mss)
            break;
    return more < pendings->count && now_ns - pendings->items[more].time_ns >= late_ns ? hit : NULL;
}

/* One packet of the last point in its turn; `item` is of the data's direction. */
struct answer_walk {
    struct pendings pendings;
    int64_t high, ack;
    uint32_t sack;
    bool repeated_ack; /* the last one came again: a hole, where no SACK tells what is above it */
};

static bool walk_answer(const struct stall_case *item, struct answer_walk *walk, uint32_t index,
                        struct passages *passages)
{
    const struct hop *hop = item->timeline->receiver;
    const struct pkt *pkt = &hop->view->pkts[index];
    bool with_sack = hop->view->sack_count > 0;
    int64_t high = highest_arrived(hop->view, index, &walk->sack);
    bool again = pkt->ack == walk->ack && pkt->len == 0;
    bool hole = walk->repeated_ack && !with_sack;
    walk->repeated_ack = again;
    walk->ack = pkt->ack;
    if (high <= walk->high)
        return true;
    walk->high = high;
    int64_t time_ns = view_time(hop, index);
    const struct pending *hit = answered(&walk->pendings, high, item->timeline->mss, time_ns,
                                         item->options->min_stall_ns / 2);
    if (!hit || hole)
        return true;
    int64_t back_ns = timeline_age(item->other, pkt, time_ns);
    return add_passage(passages, hit->time_ns + back_ns, time_ns, hit->pkt, index);
}

static bool collect_answers(const struct stall_case *item, struct passages *passages)
{
    const struct hop *hop = item->timeline->receiver;
    struct answer_walk walk = {.pendings.high = INT64_MIN, .high = INT64_MIN, .ack = ACK_NONE};
    bool ok = true;
    passages->count = 0;
    for (uint32_t i = 0; ok && i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (pkt->flags & (PKT_DUPLICATE | PKT_RST))
            continue;
        if (pkt_side(pkt) == item->timeline->side)
            ok = !pkt_span(pkt) || note_sending(&walk.pendings, pkt, i, view_time(hop, i));
        else if (pkt->ack != ACK_NONE && !timeline_void(hop->view, pkt))
            ok = walk_answer(item, &walk, i, passages);
    }
    free(walk.pendings.items);
    return ok;
}

/* Was everything acknowledged so soon that no queue can be seen in it? Each time more was, the
 * oldest that still waited is asked. */
static bool all_soon(const struct timeline *timeline, int64_t least_ns)
{
    const struct hop *hop = &timeline->data->hops[timeline->receiver_hop];
    const struct copy *oldest = hop->copies, *end = hop->copies + hop->count;
    const struct pkt *pkts = hop->view->pkts;
    const struct step *step = timeline->progress.items, *last = step + timeline->progress.count;
    for (; step < last && oldest < end; step++) {
        if (step->time_ns - oldest->time_ns > least_ns)
            return false;
        while (oldest < end && oldest->time_ns <= step->time_ns &&
               pkt_end(&pkts[oldest->pkt]) <= step->level)
            oldest++;
    }
    return true;
}

static bool queues_behind(struct stall_case *item, struct findings *findings, uint32_t flow_index,
                          struct passages *passages)
{
    const struct timeline *timeline = item->timeline;
    struct row row = {.item = item,
                      .in = timeline->receiver,
                      .out = timeline->receiver,
                      .place = place_after(item, timeline->data),
                      .with_data = true,
                      .confidence = CONFIDENCE_ANSWER};
    char how[200];
    if (timeline->by_arrival || timeline->receiver_hop + 1 < timeline->data->hop_count ||
        all_soon(timeline, item->options->min_stall_ns))
        return true;
    if (!collect_answers(item, passages))
        return false;
    snprintf(how, sizeof how, "what passed %s was answered late",
             name_of(item, timeline->receiver));
    row.how = how;
    return judge_row(&row, findings, flow_index, passages, 0);
}

/* ---- one direction --------------------------------------------------------------------------- */

bool find_queues(struct stall_case *item, uint32_t flow_index, struct findings *findings)
{
    struct passages passages = {0};
    bool ok = queues_between(item, findings, flow_index, &passages) &&
              queues_before(item, findings, flow_index, &passages) &&
              queues_behind(item, findings, flow_index, &passages);
    free(passages.items);
    return ok;
}
