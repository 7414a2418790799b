/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pace of a flow: round trip and silence; see pace.h. */
#include "detect/pace.h"

/* Where the other side has not acknowledged anything yet, only a SYN shows where it would begin. */
static bool side_waits(const struct pace_side *side, const struct pace_side *peer)
{
    if (side->next == INT64_MIN)
        return false;
    return peer->high_ack == ACK_NONE ? side->began : side->next > peer->high_ack;
}

int64_t pace_silence_ns(const struct pace_side *one, const struct pace_side *other,
                        struct point_time last, const struct pkt *pkt)
{
    int64_t pause_ns = pkt->time.ns - last.ns;
    if (pace_is_steady(last, pkt) || (!side_waits(one, other) && !side_waits(other, one)))
        return 0;
    int64_t limit_ns = 2 * (one->part_ns + other->part_ns);
    if (limit_ns < SILENCE_MIN_NS)
        limit_ns = SILENCE_MIN_NS;
    return pause_ns > limit_ns ? pause_ns : 0;
}
