/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Signs that a translator of addresses failed a flow: its packets under another name, and ICMP
 * errors that come from the translator itself. They are found over all flows at once, before the
 * flows are judged one by one.
 */
#ifndef WHICHHOP_BLAME_NAT_H
#define WHICHHOP_BLAME_NAT_H

#include "align/align.h"
#include "blame/place.h"
#include "follow/follow.h"
#include "match/match.h"

enum nat_kind {
    NAT_UNTRANSLATED, /* a packet left with the name that it came with */
    NAT_REMAPPED,     /* the flow went on under another name */
    NAT_REFUSED,      /* an ICMP error that nobody farther on had sent */
    NAT_RESET,        /* a reset that nobody farther on had sent */
};

struct nat_sign {
    uint32_t flow;
    uint32_t other; /* what passed under another name, TCP: a flow of its own; else `flow` */
    enum nat_kind kind;
    unsigned side;   /* whose packet it is; which one was refused; in whose name the reset came */
    int64_t time_ns; /* the path's */
    int64_t last_ns; /* until when it goes on: other names are used, or an end is gone for good */
    struct place place;
    struct wh_frame frame;
};

struct nat_signs {
    struct nat_sign *items; /* by flow, then time */
    uint32_t count, capacity;
    bool *is_continuation; /* by flow: packets of another flow that passed under another name */
};

/* ICMP errors of one point. */
struct nat_icmps {
    const struct track_icmp *items;
    uint32_t count;
};

/* Finds the signs; `icmps` by point. What is found must be freed by nat_free, also after failure:
 * false when memory is out. */
bool nat_find(const struct flows *flows, const struct alignment *alignment,
              const struct nat_icmps *icmps, struct nat_signs *signs);

void nat_free(struct nat_signs *signs);

/* The signs of one flow: how many, from `*first` on. */
uint32_t nat_signs_of(const struct nat_signs *signs, uint32_t flow, uint32_t *first);

/* Did a copy of a flow's that never came to a point pass there under another name? */
bool nat_passed(const struct nat_signs *signs, const struct flows *flows,
                const struct alignment *alignment, uint32_t flow, const struct hop *hop,
                uint32_t copy, unsigned point);

/* By flow, then time. */
int nat_compare(const void *left, const void *right);

#endif
