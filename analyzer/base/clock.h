/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two clocks, two types: a point's own, as its file has it, and the path's, common to all points.
 * Mixing them does not compile. Both count integer nanoseconds since 1970.
 */
#ifndef WHICHHOP_BASE_CLOCK_H
#define WHICHHOP_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000LL
#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

struct point_time {
    int64_t ns;
};

struct path_time {
    int64_t ns;
};

/* Differences of hostile times are kept within this (73 years), and times within this, so that
 * sums of some do not overflow. */
#define CLOCK_APART_MAX_NS ((int64_t)1 << 61)

#define CLOCK_LIMIT_NS (((int64_t)1 << 62) - 1)

static inline int64_t clock_within(int64_t ns, int64_t limit_ns)
{
    return ns > limit_ns ? limit_ns : ns < -limit_ns ? -limit_ns : ns;
}

/* How a point's clock reads on the path: path = point + offset + drift * (point - since). */
struct clock_fit {
    int64_t offset_ns;
    int64_t drift_ppb;
    struct point_time since;
    int64_t uncertainty_ns; /* nothing smaller than this is claimed */
};

static inline struct path_time clock_to_path(const struct clock_fit *fit, struct point_time at)
{
    int64_t drift_ns = 0;
    if (fit->drift_ppb != 0)
        drift_ns = (at.ns - fit->since.ns) / 1000 * fit->drift_ppb / 1000000;
    return (struct path_time){at.ns + fit->offset_ns + drift_ns};
}

#endif
