/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pace of a flow: round trip and silence; see pace.h. */
#include "detect/pace.h"

#define SMOOTHING 8 /* RFC 6298, 2: alpha = 1/8 */

void pace_init(struct pace *pace)
{
    *pace = (struct pace){0};
    pace->side[0].high_ack = ACK_NONE;
    pace->side[1].high_ack = ACK_NONE;
}

/* Where the other side has not acknowledged anything yet, only a SYN shows where it would begin. */
static bool side_waits(const struct pace_side *side, const struct pace_side *peer)
{
    if (!side->seen)
        return false;
    return peer->high_ack == ACK_NONE ? side->began : side->next > peer->high_ack;
}

bool pace_is_silence(const struct pace *pace, int64_t pause_ns)
{
    const struct pace_side *side = pace->side;
    if (!pace->started || pace->reset ||
        (!side_waits(&side[0], &side[1]) && !side_waits(&side[1], &side[0])))
        return false;
    return pause_ns > 2 * (side[0].part_ns + side[1].part_ns);
}

void pace_take_sample(struct pace_side *side, struct point_time at)
{
    int64_t sample_ns = at.ns - side->timed_at.ns;
    side->timing = false;
    if (sample_ns > 0)
        side->part_ns += side->part_ns ? (sample_ns - side->part_ns) / SMOOTHING : sample_ns;
}
