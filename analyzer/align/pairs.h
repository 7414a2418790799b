/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets that two points saw, found without a clock. */
#ifndef WHICHHOP_ALIGN_PAIRS_H
#define WHICHHOP_ALIGN_PAIRS_H

#include "track/track.h"

/* One packet seen at A and at B. */
struct pair {
    struct point_time at; /* when A saw it */
    int64_t later_ns;     /* B's reading of its time minus A's, each in its own clock */
    uint64_t place[2];    /* its pkt_place at A and at B */
    uint8_t side;         /* who sent it: 0 client, 1 server */
};

struct pairs {
    struct pair *items;
    uint32_t count, capacity;
    struct pair_slot *table; /* scratch, kept between calls */
    uint32_t table_size, table_room;
};

/* Where a packet stands in its point's capture: grows in the order in which packets were captured,
 * whatever the clock does. */
static inline uint64_t pkt_place(const struct pkt *pkt)
{
    return (uint64_t)pkt->file << 32 | pkt->frame;
}

/* Appends the packets that both views of a flow have, in A's order, among those whose hash is a
 * multiple of 1 << `thin` (the same at both points). A packet that looks like another one of its
 * flow is left out. Fails only when memory is out. */
bool pairs_collect(const struct track_flow *a, const struct track_flow *b, unsigned thin,
                   struct pairs *pairs);

void pairs_free(struct pairs *pairs);

#endif
