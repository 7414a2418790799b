/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pace of a flow at one point: how long a round trip takes, whether anything is waiting to be
 * acknowledged, and hence whether a pause is a silence.
 */
#ifndef WHICHHOP_DETECT_PACE_H
#define WHICHHOP_DETECT_PACE_H

#include "track/track.h"

/* One side's part of the round trip: from its data passing this point to the answer passing. One
 * segment is timed at a time, and none that was sent twice (RFC 6298, 3). */
struct pace_side {
    bool seen, began; /* began: with its SYN, so that everything is known to be unacknowledged */
    bool timing;
    int64_t next;     /* behind the highest byte sent */
    int64_t high_ack; /* highest acknowledgement this side sent; ACK_NONE */
    int64_t timed_end;
    struct point_time timed_at;
    int64_t part_ns; /* smoothed; 0: no sample */
};

struct pace {
    struct pace_side side[2];
    struct point_time last;
    bool started, reset;
};

#define ALWAYS_INLINE   __attribute__((always_inline)) static inline
#define PACE_SILENCE_NS (200 * NS_PER_MS)

void pace_init(struct pace *pace);

/* For pace_silence_ns: is this pause, longer than PACE_SILENCE_NS, a silence? */
bool pace_is_silence(const struct pace *pace, int64_t pause_ns);

/* Nanoseconds since the flow's last packet, when that is a silence: something was waiting to be
 * acknowledged, and the pause is longer than the larger of 200 ms and two round trips. Else 0. */
static inline int64_t pace_silence_ns(const struct pace *pace, const struct pkt *pkt)
{
    int64_t pause_ns = pkt->time.ns - pace->last.ns;
    return pause_ns > PACE_SILENCE_NS && pace_is_silence(pace, pause_ns) ? pause_ns : 0;
}

ALWAYS_INLINE void pace_side_sends(struct pace_side *side, const struct pkt *pkt, bool again)
{
    int64_t end = pkt_end(pkt);
    if (side->timing && again && pkt->seq < side->timed_end)
        side->timing = false;
    if (side->seen && end <= side->next)
        return;
    if (!side->timing && !again) {
        side->timing = true;
        side->timed_end = end;
        side->timed_at = pkt->time;
    }
    side->began = side->began || (pkt->flags & PKT_SYN);
    side->seen = true;
    side->next = end;
}

/* For pace_move: the answer to what was timed. */
void pace_take_sample(struct pace_side *side, struct point_time at);

/* Moves on by a packet. `again`: it holds nothing new. */
ALWAYS_INLINE void pace_move(struct pace *pace, const struct pkt *pkt, bool again)
{
    struct pace_side *from = &pace->side[pkt_side(pkt)];
    struct pace_side *to = &pace->side[!pkt_side(pkt)];
    pace->last = pkt->time;
    pace->started = true;
    if (pkt->flags & PKT_RST)
        pace->reset = true;
    else if (pkt->flags & PKT_SYN)
        pace->reset = false;
    if (pkt_span(pkt) != 0 && !(pkt->flags & PKT_RST))
        pace_side_sends(from, pkt, again);
    if (!(pkt->flags & PKT_ACK))
        return;
    if (to->timing && pkt->ack >= to->timed_end)
        pace_take_sample(to, pkt->time);
    if (pkt->ack > from->high_ack) /* ACK_NONE is below all */
        from->high_ack = pkt->ack;
}

#endif
