/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times without the steps of a clock. */
#ifndef WHICHHOP_ALIGN_STRAIGHT_H
#define WHICHHOP_ALIGN_STRAIGHT_H

#include "align/align.h"

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
