/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets that two points saw, found without a clock. */
#ifndef WHICHHOP_ALIGN_PAIRS_H
#define WHICHHOP_ALIGN_PAIRS_H

#include "track/track.h"

/* One packet seen at A and at B. */
struct pair {
    struct point_time at; /* when A saw it */
    int64_t later_ns;     /* B's reading of its time minus A's, each in its own clock */
    uint64_t place[2];    /* of it at A and at B */
    uint8_t side;         /* who sent it: 0 client, 1 server */
};

struct pairs {
    struct pair *items;
    uint32_t count, capacity;
};

/* Scratch, kept between calls; zero it first. */
struct pair_table {
    struct pair_slot *slots;
    uint32_t size, room;
};

/* Packets of one view that pairs are sought among. */
struct choice {
    const struct track_flow *view;
    uint32_t *pkts; /* indexes, rising; malloc'ed */
    uint32_t count, capacity;
    unsigned parts; /* what some of them have that others may lack: see pairs.c */
};

/* Chooses one packet out of 1 << `thin`, about: those of which two points see the same bytes, and
 * the same ones as with any smaller `thin`. The array of `choice` is used again. Fails only when
 * memory is out. */
bool pairs_choose(const struct track_flow *view, unsigned thin, struct choice *choice);

/* Appends the packets that both have, in A's order, among those that pairs_choose takes with this
 * `thin`; both must have been chosen with no larger one. A packet that looks like another one of
 * its flow is left out. Fails only when memory is out. */
bool pairs_collect(const struct choice *a, const struct choice *b, unsigned thin,
                   struct pair_table *table, struct pairs *pairs);

void pairs_free(struct pairs *pairs);
void pair_table_free(struct pair_table *table);

#endif
