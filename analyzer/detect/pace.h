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

void pace_init(struct pace *pace);

/* Nanoseconds since the flow's last packet, when that is a silence: something was waiting to be
 * acknowledged, and the pause is longer than the larger of 200 ms and two round trips. Else 0. */
int64_t pace_silence_ns(const struct pace *pace, const struct pkt *pkt);

/* Moves on by a packet. `again`: it holds nothing new. */
void pace_move(struct pace *pace, const struct pkt *pkt, bool again);

#endif
