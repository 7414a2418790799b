/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A packet's place in its capture, and times without the steps of a clock. */
#ifndef WHICHHOP_ALIGN_STRAIGHT_H
#define WHICHHOP_ALIGN_STRAIGHT_H

#include "align/align.h"

/* Where a packet stands in its point's capture: grows in the order in which packets were captured,
 * whatever the clock does. */
static inline uint64_t pkt_place(const struct pkt *pkt)
{
    return (uint64_t)pkt->file << 32 | pkt->frame;
}

/* What the steps up to a place come to. */
static inline int64_t step_sum_ns(const struct clock_steps *steps, uint64_t place)
{
    int64_t sum_ns = 0;
    for (unsigned i = 0; i < steps->count && steps->items[i].place <= place; i++)
        sum_ns += steps->items[i].step_ns;
    return sum_ns;
}

/* A time without the steps before it. */
static inline int64_t step_straight_ns(const struct clock_steps *steps, uint64_t place, int64_t ns)
{
    return steps->count ? clock_within(ns - step_sum_ns(steps, place), CLOCK_LIMIT_NS) : ns;
}

#endif
