/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pace of a flow at one point: how long a round trip takes, whether anything is waiting to be
 * acknowledged, and hence whether a pause is a silence.
 */
#ifndef WHICHHOP_DETECT_PACE_H
#define WHICHHOP_DETECT_PACE_H

#include "track/track.h"

#define SILENCE_MIN_NS (200 * NS_PER_MS)
#define SMOOTHING      8 /* RFC 6298, 2: alpha = 1/8 */
#define TIMED_NONE     INT64_MAX

/* One side's part of the round trip: from its data passing this point to the answer passing. One
 * segment is timed at a time, and none that was sent twice (RFC 6298, 3). */
struct pace_side {
    bool seen, began;  /* began: with its SYN, so that everything is known to be unacknowledged */
    int64_t next;      /* behind the highest byte sent */
    int64_t high_ack;  /* highest acknowledgement this side sent; ACK_NONE, the least of all */
    int64_t timed_end; /* of the segment that is timed; TIMED_NONE */
    struct point_time timed_at;
    int64_t part_ns; /* smoothed; 0: no sample */
};

struct pace {
    struct pace_side side[2];
    struct point_time last;
    bool started, reset;
};

void pace_init(struct pace *pace);

/* Is the pause before this packet too short for a silence? */
static inline bool pace_is_steady(const struct pace *pace, const struct pkt *pkt)
{
    return pkt->time.ns - pace->last.ns <= SILENCE_MIN_NS;
}

/* Nanoseconds since the flow's last packet, when that is a silence: something was waiting to be
 * acknowledged, and the pause is longer than the larger of 200 ms and two round trips. Else 0. */
int64_t pace_silence_ns(const struct pace *pace, const struct pkt *pkt);

static inline void pace_side_sends(struct pace_side *side, const struct pkt *pkt, unsigned flags,
                                   int64_t end, bool again)
{
    if (again && pkt->seq < side->timed_end)
        side->timed_end = TIMED_NONE;
    if (side->seen && end <= side->next)
        return;
    if (side->timed_end == TIMED_NONE && !again) {
        side->timed_end = end;
        side->timed_at = pkt->time;
    }
    if (flags & PKT_SYN)
        side->began = true;
    side->seen = true;
    side->next = end;
}

static inline void pace_side_is_answered(struct pace_side *side, const struct pkt *pkt)
{
    if (pkt->ack < side->timed_end)
        return;
    int64_t sample_ns = pkt->time.ns - side->timed_at.ns;
    side->timed_end = TIMED_NONE;
    if (sample_ns > 0)
        side->part_ns += side->part_ns ? (sample_ns - side->part_ns) / SMOOTHING : sample_ns;
}

/* Moves on by a packet, which ends at `end` in its sender's stream. `flags`: those of the packet's
 * that matter; where they are constants, little is left of this. `again`: it holds nothing new. */
static inline void pace_move(struct pace *pace, const struct pkt *pkt, unsigned flags, int64_t end,
                             bool again)
{
    struct pace_side *from = pace->side + pkt_side(pkt), *to = pace->side + !pkt_side(pkt);
    pace->last = pkt->time;
    pace->started = true;
    if (flags & PKT_RST)
        pace->reset = true;
    else if (flags & PKT_SYN)
        pace->reset = false;
    if (end > pkt->seq && !(flags & PKT_RST))
        pace_side_sends(from, pkt, flags, end, again);
    if (!(flags & PKT_ACK))
        return;
    pace_side_is_answered(to, pkt);
    if (pkt->ack > from->high_ack)
        from->high_ack = pkt->ack;
}

#endif
