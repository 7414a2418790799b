/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What passed a point under another name was not lost before it, though it is no packet of the flow
 * there. Names are all that a translator changes: numbers, TSval and IP ID tell the packet.
 */
#include "blame/nat.h"
#include "blame/timeline.h"

#define UNDER_WAY_NS NS_PER_S /* from a point to the next, at most */

static uint32_t number_of(const struct track_flow *view, const struct pkt *pkt)
{
    return view->stream[pkt_side(pkt)].base + (uint32_t)pkt->seq;
}

static bool same_packet(const struct track_flow *a, const struct pkt *pkt_a,
                        const struct track_flow *b, const struct pkt *pkt_b)
{
    bool stamps = pkt_a->flags & pkt_b->flags & PKT_TIMESTAMPS;
    return number_of(a, pkt_a) == number_of(b, pkt_b) && pkt_a->len == pkt_b->len &&
           pkt_a->ip_id == pkt_b->ip_id && (!stamps || pkt_a->tsval == pkt_b->tsval);
}

bool nat_passed(const struct nat_signs *signs, const struct flows *flows,
                const struct alignment *alignment, uint32_t flow, const struct hop *hop,
                uint32_t copy, unsigned point)
{
    uint32_t first, count = nat_signs_of(signs, flow, &first);
    int64_t from_ns = hop_time(hop, copy) - 2 * NS_PER_MS;
    for (uint32_t i = first; i < first + count; i++) {
        const struct track_flow *other = flows->items[signs->items[i].other].at[point];
        if (signs->items[i].other == flow || !other)
            continue;
        const struct hop there = {.point = point, .view = other, .clock = &alignment->clock[point]};
        for (uint32_t k = view_from(&there, from_ns);
             k < other->pkt_count && view_time(&there, k) < from_ns + UNDER_WAY_NS; k++)
            if (same_packet(hop->view, hop_pkt(hop, copy), other, &other->pkts[k]))
                return true;
    }
    return false;
}
