/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The round trip as the sender knows it, end to end. Senders of today time every acknowledgement of
 * something new, be it cumulative or selective, by the oldest segment that it newly covers; one that
 * covers what was sent twice tells nothing (Karn, RFC 6298, 3), but by the timestamp that it echoes
 * (RFC 7323, 4.1). The way behind the first capture is added: as long as the quickest answer took,
 * plus what timestamps tell of a queue there.
 */
#include "blame/timeline.h"

/* ---- behind the first capture ---------------------------------------------------------------- */

/* Does a packet of the sender answer what passed towards it? By TSecr where there are timestamps,
 * else by the acknowledgement of its bytes. */
static bool answers(const struct pkt *answer, const struct pkt *asked)
{
    if (answer->flags & asked->flags & PKT_TIMESTAMPS)
        return (int32_t)(answer->tsecr - asked->tsval) >= 0;
    return pkt_span(asked) && answer->ack != ACK_NONE && answer->ack >= pkt_end(asked);
}

int64_t timeline_turn_ns(const struct timeline *timeline)
{
    const struct hop *hop = timeline->sender;
    const struct pkt *asked = NULL;
    int64_t asked_ns = 0, least_ns = NEVER;
    for (uint32_t i = 0; i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (pkt->flags & (PKT_DUPLICATE | PKT_RST))
            continue;
        if (pkt_side(pkt) != timeline->side) {
            if (!asked && ((pkt->flags & PKT_TIMESTAMPS) || pkt_span(pkt))) {
                asked = pkt;
                asked_ns = view_time(hop, i);
            }
        } else if (asked && answers(pkt, asked)) {
            int64_t rtt_ns = view_time(hop, i) - asked_ns;
            least_ns = rtt_ns < least_ns ? rtt_ns : least_ns;
            asked = NULL;
        }
    }
    return least_ns == NEVER ? 0 : least_ns;
}

/* ---- samples --------------------------------------------------------------------------------- */

/* The sender's first copies of its bytes, in order. */
struct sendings {
    uint32_t at;  /* the oldest that is not covered yet; an index into the view */
    int64_t edge; /* everything below was covered */
};

/* What the sender remembers of what it sent. */
struct memory {
    struct timeline *timeline;
    int64_t behind_ns; /* from the first capture to the sender and back */
    struct sendings acked, sacked;
    int64_t high;                   /* of all it sent */
    int64_t twice_from, twice_end;  /* within are all bytes that it sent again */
    uint32_t sack;                  /* the next packet's blocks in the view */
};

static bool add_rtt(struct timeline *timeline, int64_t time_ns, int64_t rtt_ns)
{
    struct rtt_sample *sample =
        ARRAY_PUSH(timeline->rtts, timeline->rtt_count, timeline->rtt_capacity);
    if (sample)
        *sample = (struct rtt_sample){time_ns, rtt_ns};
    return sample != NULL;
}

static void note_sending(struct memory *memory, const struct pkt *pkt)
{
    if (pkt->seq < memory->high) {
        memory->twice_from = pkt->seq < memory->twice_from ? pkt->seq : memory->twice_from;
        memory->twice_end = pkt_end(pkt) > memory->twice_end ? pkt_end(pkt) : memory->twice_end;
    }
    memory->high = pkt_end(pkt) > memory->high ? pkt_end(pkt) : memory->high;
}

/* Something from `left` to `right` is newly covered when packet `now` of the view passes. Returns
 * the age of the oldest segment of it, or NEVER: nothing new, or some of it was sent twice. */
static int64_t cover(struct memory *memory, struct sendings *sendings, int64_t left, int64_t right,
                     uint32_t now)
{
    const struct timeline *timeline = memory->timeline;
    const struct hop *hop = timeline->sender;
    left = left > sendings->edge ? left : sendings->edge;
    if (left >= right)
        return NEVER;
    sendings->edge = right;
    const struct pkt *pkt = NULL;
    for (; sendings->at < now; sendings->at++) {
        pkt = &hop->view->pkts[sendings->at];
        if (pkt_side(pkt) == timeline->side && pkt_span(pkt) && pkt_end(pkt) > left &&
            !(pkt->flags & (PKT_DUPLICATE | PKT_RST)))
            break;
    }
    bool twice = left < memory->twice_end && right > memory->twice_from;
    if (sendings->at == now || twice || pkt->seq >= right)
        return NEVER;
    int64_t sent_ns = view_time(hop, sendings->at);
    return view_time(hop, now) - sent_ns + timeline_age(timeline, pkt, sent_ns);
}

/* The newly covered part of the SACK blocks of packet `now`: above all that were before. */
static int64_t cover_blocks(struct memory *memory, uint32_t now)
{
    const struct track_flow *view = memory->timeline->sender->view;
    int64_t left = NEVER, right = INT64_MIN;
    if (memory->sacked.edge < memory->acked.edge)
        memory->sacked.edge = memory->acked.edge; /* below, a block tells of what came twice */
    while (memory->sack < view->sack_count && view->sacks[memory->sack].pkt < now)
        memory->sack++;
    for (uint32_t s = memory->sack; s < view->sack_count && view->sacks[s].pkt == now; s++) {
        const struct sack_block *block = &view->sacks[s];
        if (block->right > memory->sacked.edge && block->right <= memory->high) {
            left = block->left < left ? block->left : left;
            right = block->right > right ? block->right : right;
        }
    }
    return cover(memory, &memory->sacked, left, right, now);
}

/* By the timestamp that it echoes: from when that was made, as the first capture reads it. */
static int64_t echo_age(const struct timeline *timeline, const struct pkt *ack, int64_t now_ns)
{
    const struct tick_clock *ticks = &timeline->ticks;
    if (!ticks->tick_ns || !(ack->flags & PKT_TIMESTAMPS))
        return NEVER;
    int64_t made_ns = ticks->base_ns + (int32_t)(ack->tsecr - ticks->first) * ticks->tick_ns;
    return now_ns > made_ns ? now_ns - made_ns : NEVER;
}

static bool time_answer(struct memory *memory, uint32_t now)
{
    struct timeline *timeline = memory->timeline;
    const struct pkt *ack = &timeline->sender->view->pkts[now];
    int64_t now_ns = view_time(timeline->sender, now);
    bool advances = ack->ack > memory->acked.edge;
    int64_t rtt_ns = cover(memory, &memory->acked, memory->acked.edge, ack->ack, now);
    int64_t sack_ns = cover_blocks(memory, now);
    rtt_ns = rtt_ns != NEVER ? rtt_ns : sack_ns;
    if (rtt_ns == NEVER && advances)
        rtt_ns = echo_age(timeline, ack, now_ns);
    if (memory->acked.edge >= memory->twice_end) {
        memory->twice_from = NEVER;
        memory->twice_end = INT64_MIN;
    }
    return rtt_ns == NEVER || add_rtt(timeline, now_ns, rtt_ns + memory->behind_ns);
}

bool timeline_time(struct timeline *timeline)
{
    const struct hop *hop = timeline->sender;
    struct memory memory = {.timeline = timeline,
                            .behind_ns = timeline_turn_ns(timeline),
                            .acked.edge = INT64_MIN,
                            .sacked.edge = INT64_MIN,
                            .high = INT64_MIN,
                            .twice_from = NEVER,
                            .twice_end = INT64_MIN};
    for (uint32_t i = 0; i < hop->view->pkt_count; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (pkt->flags & (PKT_DUPLICATE | PKT_RST))
            continue;
        if (pkt_side(pkt) != timeline->side) {
            if (pkt->ack != ACK_NONE && pkt->ack <= memory.high && !time_answer(&memory, i))
                return false;
        } else if (pkt_span(pkt)) {
            note_sending(&memory, pkt);
        }
    }
    return true;
}

int64_t timeline_srtt(const struct timeline *timeline, int64_t time_ns)
{
    int64_t srtt_ns = 0;
    uint32_t low = 0, high = timeline->rtt_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (timeline->rtts[middle].time_ns <= time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    /* Older samples weigh less than a thousandth after 64 more. */
    for (uint32_t i = low > 64 ? low - 64 : 0; i < low; i++) {
        int64_t rtt_ns = timeline->rtts[i].rtt_ns;
        srtt_ns = srtt_ns ? srtt_ns + (rtt_ns - srtt_ns) / 8 : rtt_ns;
    }
    return srtt_ns;
}
