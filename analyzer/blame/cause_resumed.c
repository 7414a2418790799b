/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How a sender goes on after a silence tells what it did before, where neither IP IDs nor a hole
 * do: all that it sent was lost before the first capture. After a timeout it sends one segment;
 * when that is acknowledged, it goes on where it had stopped (RFC 5682, 2.1, step 2b), and what it
 * passes over had been sent.
 */
#include "blame/case.h"

#define CONFIDENCE_PASSED_OVER 0.93

/* The first copy with data behind `after` that does not begin at or below `level`. */
static uint32_t first_beyond(const struct hop *hop, uint32_t after, int64_t level)
{
    for (uint32_t i = after + 1; i < hop->count; i++)
        if (hop_pkt(hop, i)->len && pkt_end(hop_pkt(hop, i)) > level)
            return i;
    return COPY_NONE;
}

/* Was it made after the other one, and not merely overtaken by it? */
static bool made_after(const struct hop *hop, uint32_t later, uint32_t sooner, int64_t srtt_ns)
{
    const struct pkt *a = hop_pkt(hop, later), *b = hop_pkt(hop, sooner);
    if (a->flags & b->flags & PKT_TIMESTAMPS && a->tsval != b->tsval)
        return (int32_t)(a->tsval - b->tsval) > 0;
    return hop_time(hop, later) - hop_time(hop, sooner) > srtt_ns / 2;
}

bool rule_passed_over(struct stall_case *item)
{
    const struct timeline *timeline = item->timeline;
    const struct hop *hop = timeline->sender;
    uint32_t fresh = first_copy(item);
    if (fresh == COPY_NONE || fresh == 0 ||
        2 * (hop_time(hop, fresh) - hop_time(hop, fresh - 1)) < case_duration(item))
        return false;
    int64_t end = pkt_end(hop_pkt(hop, fresh));
    uint32_t beyond = first_beyond(hop, fresh, end);
    if (beyond == COPY_NONE || hop_pkt(hop, beyond)->seq <= end ||
        steps_reach(&timeline->acked, end) > hop_time(hop, beyond))
        return false;
    uint32_t filled = beyond + 1; /* the last byte passed over: a millisecond counts as one TSval */
    while (filled < hop->count && !covers(hop_pkt(hop, filled), hop_pkt(hop, beyond)->seq - 1))
        filled++;
    int64_t srtt_ns = timeline_srtt(timeline, item->start_ns);
    if (filled == hop->count || !made_after(hop, filled, beyond, srtt_ns))
        return false;
    conclude(item, WH_CAUSE_LOSS, place_before(item, timeline->data), true, CONFIDENCE_PASSED_OVER);
    testify(
        item, hop, hop->copies[fresh].pkt, hop, hop->copies[beyond].pkt,
        "one segment ended the silence; when it was acknowledged, the sender went on %lld bytes "
        "farther and sent those between again: it had sent them before, and they never came to "
        "%s",
        (long long)(hop_pkt(hop, beyond)->seq - end), name_of(item, hop));
    return true;
}
