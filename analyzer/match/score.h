/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How alike are two flows seen at two points? In bits. */
#ifndef WHICHHOP_MATCH_SCORE_H
#define WHICHHOP_MATCH_SCORE_H

#include "track/track.h"

#define SKETCH_SAMPLES 8u
#define SKETCH_EDGE    4u

/* What is compared of a flow: numbers as sent (32 bits), by sender. */
struct sketch {
    struct range32 {
        uint32_t low, width; /* low..low+width, both ends met */
        bool known;
    } seq[2], tsval[2];
    uint64_t
        samples[SKETCH_SAMPLES]; /* the smallest hashes of its packets: alike flows share some */
    unsigned sample_count;
    uint64_t edges[2 * SKETCH_EDGE]; /* hashes of its first and last packets: what a capture that
                                        began late or ended early has in common with a whole one */
    unsigned edge_count;
};

void sketch_make(const struct track_flow *flow, struct sketch *sketch);

struct score {
    double bits;     /* below 0: they contradict each other */
    bool flipped;    /* client of the one is server of the other */
    bool handshake;  /* both initial sequence numbers agree */
    bool timestamps; /* timestamps were compared and agree */
    bool names;      /* both end points are called the same */
    bool content;    /* sequence numbers, timestamps or samples agree; else addresses alone */
};

/* Scores two flows of the same protocol. */
struct score score_pair(const struct track_flow *a, const struct sketch *sketch_a,
                        const struct track_flow *b, const struct sketch *sketch_b);

#endif
