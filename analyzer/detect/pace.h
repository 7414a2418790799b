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
    bool began;        /* with its SYN, so that everything is known to be unacknowledged */
    int64_t next;      /* behind the highest byte sent; INT64_MIN: nothing was */
    int64_t high_ack;  /* highest acknowledgement this side sent; ACK_NONE, the least of all */
    int64_t timed_end; /* of the segment that is timed; TIMED_NONE */
    struct point_time timed_at;
    int64_t part_ns; /* smoothed; 0: no sample */
};

/* Before a side's first packet. */
#define PACE_NOTHING                                                                               \
    (struct pace_side)                                                                             \
    {                                                                                              \
        .next = INT64_MIN, .high_ack = ACK_NONE, .timed_end = TIMED_NONE                           \
    }

/* Is the pause between the flow's last packet and this one too short for a silence? */
static inline bool pace_is_steady(struct point_time last, const struct pkt *pkt)
{
    return pkt->time.ns - last.ns <= SILENCE_MIN_NS;
}

/* Nanoseconds since the flow's last packet, at `last`, when that is a silence: something was
 * waiting to be acknowledged, and the pause is longer than the larger of 200 ms and two round
 * trips. Else 0. */
int64_t pace_silence_ns(const struct pace_side *one, const struct pace_side *other,
                        struct point_time last, const struct pkt *pkt);

/* Something new, which ends at `end`. */
static inline void pace_side_times(struct pace_side *side, const struct pkt *pkt, int64_t end)
{
    if (side->timed_end != TIMED_NONE)
        return;
    side->timed_end = end;
    side->timed_at = pkt->time;
}

/* Sequence space, which ends at `end`. `flags`: the packet's; `again`: it holds nothing new. */
static inline void pace_side_sends(struct pace_side *side, const struct pkt *pkt, unsigned flags,
                                   int64_t end, bool again)
{
    if (again && pkt->seq < side->timed_end)
        side->timed_end = TIMED_NONE;
    if (end <= side->next)
        return;
    if (!again)
        pace_side_times(side, pkt, end);
    if (flags & PKT_SYN)
        side->began = true;
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

/* An acknowledgement, of what `to` sent. */
static inline void pace_side_acks(struct pace_side *from, struct pace_side *to,
                                  const struct pkt *pkt)
{
    pace_side_is_answered(to, pkt);
    if (pkt->ack > from->high_ack)
        from->high_ack = pkt->ack;
}

#endif
