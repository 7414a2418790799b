/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pace of a flow: round trip and silence; see pace.h. */
#include "detect/pace.h"

#define SILENCE_MIN_NS (200 * NS_PER_MS)
#define SMOOTHING      8 /* RFC 6298, 2: alpha = 1/8 */

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

int64_t pace_silence_ns(const struct pace *pace, const struct pkt *pkt)
{
    int64_t pause_ns = pkt->time.ns - pace->last.ns;
    if (pause_ns <= SILENCE_MIN_NS || !pace->started || pace->reset)
        return 0;
    const struct pace_side *side = pace->side;
    if (!side_waits(&side[0], &side[1]) && !side_waits(&side[1], &side[0]))
        return 0;
    int64_t limit_ns = 2 * (side[0].part_ns + side[1].part_ns);
    if (limit_ns < SILENCE_MIN_NS)
        limit_ns = SILENCE_MIN_NS;
    return pause_ns > limit_ns ? pause_ns : 0;
}

static void side_sends(struct pace_side *side, const struct pkt *pkt, bool again)
{
    if (pkt_span(pkt) == 0 || (pkt->flags & PKT_RST))
        return;
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

static void side_is_answered(struct pace_side *side, int64_t ack, struct point_time at)
{
    if (!side->timing || ack < side->timed_end)
        return;
    side->timing = false;
    int64_t sample_ns = at.ns - side->timed_at.ns;
    if (sample_ns <= 0)
        return;
    side->part_ns += side->part_ns ? (sample_ns - side->part_ns) / SMOOTHING : sample_ns;
}

void pace_move(struct pace *pace, const struct pkt *pkt, bool again)
{
    struct pace_side *from = &pace->side[pkt_side(pkt)];
    struct pace_side *to = &pace->side[!pkt_side(pkt)];
    pace->last = pkt->time;
    pace->started = true;
    if (pkt->flags & PKT_RST)
        pace->reset = true;
    else if (pkt->flags & PKT_SYN)
        pace->reset = false;
    side_sends(from, pkt, again);
    if (!(pkt->flags & PKT_ACK))
        return;
    side_is_answered(to, pkt->ack, pkt->time);
    if (from->high_ack == ACK_NONE || pkt->ack > from->high_ack)
        from->high_ack = pkt->ack;
}
