/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A translator that forgets a UDP flow finds it another port with its next datagram: on the far
 * side one flow ends and another begins, on the near side nothing is to be seen. What the far end
 * still sends to the old name, until it hears of the new one, belongs to the old.
 */
#include "match/renamed.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/partition.h"

/* The first or the last packet that a side sent; NULL. */
static const struct pkt *edge_of(const struct track_flow *view, unsigned side, bool first)
{
    for (uint32_t i = 0; i < view->pkt_count; i++) {
        const struct pkt *pkt = &view->pkts[first ? i : view->pkt_count - 1 - i];
        if (pkt_side(pkt) == side)
            return pkt;
    }
    return NULL;
}

bool renamed_goes_on(const struct track_flow *sooner, const struct track_flow *later)
{
    bool same[2];
    for (unsigned side = 0; side < 2; side++)
        same[side] = endpoint_equal(&sooner->endpoint[side], &later->endpoint[side]);
    if (sooner->protocol != IPPROTO_UDP || same[0] == same[1] ||
        sooner->network[0] != later->network[0])
        return false;
    unsigned moved = same[0];
    const struct pkt *last = edge_of(sooner, moved, false), *first = edge_of(later, moved, true);
    return last && first && last->time.ns < first->time.ns && later->first.ns >= last->time.ns;
}

static void add_stream(struct stream *sum, const struct stream *more)
{
    sum->seen |= more->seen;
    sum->packets += more->packets;
    sum->payload_bytes += more->payload_bytes;
    sum->checked += more->checked;
    sum->wrong += more->wrong;
    sum->ttl_max = more->ttl_max > sum->ttl_max ? more->ttl_max : sum->ttl_max;
    if (more->payload_max_bytes > sum->payload_max_bytes)
        sum->payload_max_bytes = more->payload_max_bytes;
}

/* Room for `count` packets of its own, and more: a flow may have many names. */
static bool make_room(struct track_flow *flow, uint32_t count)
{
    bool own = flow->pkt_slab == TRACK_NO_SLAB;
    if (own && count <= flow->pkt_capacity)
        return true;
    void *pkts = own ? flow->pkts : NULL;
    if (!array_grow(&pkts, count, &flow->pkt_capacity, sizeof *flow->pkts))
        return false;
    if (!own)
        memcpy(pkts, flow->pkts, flow->pkt_count * sizeof *flow->pkts);
    flow->pkts = pkts;
    flow->pkt_slab = TRACK_NO_SLAB;
    return true;
}

/* How many packets come before one of that time, where they are merged in their order. */
static uint32_t packets_before(const struct track_flow *flow, int64_t time_ns)
{
    uint32_t count = 0;
    if (!flow->times_fall)
        return (uint32_t)PARTITION_POINT(i, flow->pkt_count, flow->pkts[i].time.ns <= time_ns);
    while (count < flow->pkt_count && flow->pkts[count].time.ns <= time_ns)
        count++;
    return count;
}

/* Only what is not before the later one's first packet moves: mostly nothing, however long the
 * sooner one has grown. */
bool renamed_join(struct track_flow *sooner, struct track_flow *later)
{
    uint32_t count = sooner->pkt_count + later->pkt_count, a = 0, b = 0;
    if (count < sooner->pkt_count || !make_room(sooner, count))
        return false;
    uint32_t before = packets_before(sooner, later->pkts[0].time.ns);
    uint32_t rest = sooner->pkt_count - before;
    struct pkt *moved = array_new(rest, sizeof *moved);
    if (!moved)
        return false;
    memcpy(moved, sooner->pkts + before, rest * sizeof *moved);
    for (uint32_t i = before; i < count; i++) {
        bool old =
            b == later->pkt_count || (a < rest && moved[a].time.ns <= later->pkts[b].time.ns);
        sooner->pkts[i] = old ? moved[a++] : later->pkts[b++];
    }
    free(moved);
    if (!sooner->renamed_pkt)
        sooner->renamed_pkt = before;
    sooner->pkt_count = count;
    if (later->last.ns > sooner->last.ns)
        sooner->last = later->last;
    for (unsigned side = 0; side < 2; side++)
        add_stream(&sooner->stream[side], &later->stream[side]);
    sooner->times_fall |= later->times_fall;
    later->pkt_count = 0;
    return true;
}
