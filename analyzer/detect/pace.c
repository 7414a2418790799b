/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pace of a flow: round trip and silence; see pace.h. */
#include "detect/pace.h"

void pace_init(struct pace *pace)
{
    const struct pace_side side = {.high_ack = ACK_NONE, .timed_end = TIMED_NONE};
    *pace = (struct pace){.side = {side, side}};
}

/* Where the other side has not acknowledged anything yet, only a SYN shows where it would begin. */
static bool side_waits(const struct pace_side *side, const struct pace_side *peer)
{
    if (!side->seen)
        return false;
    return peer->high_ack == ACK_NONE ? side->began : side->next > peer->high_ack;
}

int64_t pace_silence_ns(const struct pace *pace, const struct pkt *pkt)
{
    int64_t pause_ns = pkt->time.ns - pace->last.ns;
    if (pace_is_steady(pace, pkt) || !pace->started || pace->reset)
        return 0;
    const struct pace_side *side = pace->side;
    if (!side_waits(&side[0], &side[1]) && !side_waits(&side[1], &side[0]))
        return 0;
    int64_t limit_ns = 2 * (side[0].part_ns + side[1].part_ns);
    if (limit_ns < SILENCE_MIN_NS)
        limit_ns = SILENCE_MIN_NS;
    return pause_ns > limit_ns ? pause_ns : 0;
}
