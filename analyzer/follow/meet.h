/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two neighbouring points of one direction: which packet there is which packet here? */
#ifndef WHICHHOP_FOLLOW_MEET_H
#define WHICHHOP_FOLLOW_MEET_H

#include "follow/follow.h"

/* A part of a copy that was met, where not all of it was met at once. */
struct piece {
    uint32_t copy;
    int64_t seq;
    uint32_t length;
};

struct pieces {
    struct piece *items;
    uint32_t count, capacity;
};

/* Meets the copies of two neighbours, `from` the nearer one to the sender, in time order, and fills
 * in both sides' links, `met_bytes`, `from`'s fates as far as that tells, its delays and what is
 * unmet, and `to`'s strays; the lists lie in the arena. Fails only when memory is out. */
bool meet_hops(struct arena *arena, struct hop *from, struct hop *to, struct pieces *pieces);

/* The same for two that are no neighbours, with what is unmet at `from` and strays at `to`: the
 * links say that it passed what lies between them. */
bool meet_beyond(struct hop *from, struct hop *to, struct pieces *pieces);

#endif
