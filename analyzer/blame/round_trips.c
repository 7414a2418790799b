/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The round trip as the sender itself has smoothed it, end to end. Senders of today time every
 * acknowledgement of something new, be it cumulative or selective, by the oldest segment that it
 * newly covers; one that covers what was sent twice tells nothing (Karn, RFC 6298, 3), but by the
 * timestamp that it echoes (RFC 7323, 4.1). It takes a look at many packets: so only at the last
 * ones, and only where a stall hangs on it.
 */
#include "blame/timeline.h"

#define LOOKED_AT 1500u /* packets: older ones weigh next to nothing */

/* The sender's first copies of its bytes, in order. */
struct sendings {
    uint32_t at;  /* the oldest that is not covered yet; an index into the view */
    int64_t edge; /* everything below was covered */
};

/* What the sender remembers of what it sent. */
struct memory {
    const struct timeline *timeline;
    struct sendings acked, sacked;
    int64_t high;                  /* of all it sent */
    int64_t twice_from, twice_end; /* within are all bytes that it sent again */
    uint32_t sack;                 /* the next packet's blocks in the view */
};

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

/* From the capture on and back; NEVER: the acknowledgement tells nothing of that. */
static int64_t time_answer(struct memory *memory, uint32_t now)
{
    const struct timeline *timeline = memory->timeline;
    const struct pkt *ack = &timeline->sender->view->pkts[now];
    bool advances = ack->ack > memory->acked.edge;
    int64_t rtt_ns = cover(memory, &memory->acked, memory->acked.edge, ack->ack, now);
    int64_t sack_ns = cover_blocks(memory, now);
    rtt_ns = rtt_ns != NEVER ? rtt_ns : sack_ns;
    if (rtt_ns == NEVER && advances)
        rtt_ns = echo_age(timeline, ack, view_time(timeline->sender, now));
    if (memory->acked.edge >= memory->twice_end) {
        memory->twice_from = NEVER;
        memory->twice_end = INT64_MIN;
    }
    return rtt_ns;
}

int64_t timeline_senders_srtt(const struct timeline *timeline, int64_t time_ns)
{
    const struct hop *hop = timeline->sender;
    uint32_t end = view_from(hop, time_ns + 1), first = end > LOOKED_AT ? end - LOOKED_AT : 0;
    struct memory memory = {.timeline = timeline,
                            .acked = {first, INT64_MIN},
                            .sacked = {first, INT64_MIN},
                            .high = INT64_MIN,
                            .twice_from = NEVER,
                            .twice_end = INT64_MIN};
    int64_t srtt_ns = first ? timeline_srtt(timeline, view_time(hop, first)) : 0;
    for (uint32_t i = first; i < end; i++) {
        const struct pkt *pkt = &hop->view->pkts[i];
        if (pkt->flags & (PKT_DUPLICATE | PKT_RST))
            continue;
        if (pkt_side(pkt) == timeline->side) {
            if (pkt_span(pkt))
                note_sending(&memory, pkt);
            continue;
        }
        if (pkt->ack == ACK_NONE || pkt->ack > memory.high)
            continue;
        int64_t rtt_ns = time_answer(&memory, i);
        if (rtt_ns != NEVER && srtt_ns)
            srtt_ns += (rtt_ns + timeline->turn_ns - srtt_ns) / 8;
        else if (rtt_ns != NEVER)
            srtt_ns = rtt_ns + timeline->turn_ns;
    }
    return srtt_ns;
}
