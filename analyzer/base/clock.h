/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two clocks, two types: a point's own, as its file has it, and the path's, common to all points.
 * Mixing them does not compile. Both count integer nanoseconds since 1970.
 */
#ifndef WHICHHOP_BASE_CLOCK_H
#define WHICHHOP_BASE_CLOCK_H

#include <stdbool.h>
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

/* Times are hostile; these bounds keep sums of some from overflowing. A capture's own times lie in
 * [0, CLOCK_LIMIT_NS] (1970 to 2116), and differences of those, where added up, are kept within
 * CLOCK_APART_MAX_NS (73 years: a clock without battery is set from 1970 to now). */
#define CLOCK_LIMIT_NS     (((int64_t)1 << 62) - 1)
#define CLOCK_APART_MAX_NS ((int64_t)1 << 61)

/* On the path, no time is farther than this (9 years) from most packets' times: no capture is that
 * long, a time beyond is damage. */
#define CLOCK_SPAN_MAX_NS ((int64_t)1 << 58)

static inline int64_t clock_within(int64_t ns, int64_t limit_ns)
{
    return ns > limit_ns ? limit_ns : ns < -limit_ns ? -limit_ns : ns;
}

/* For qsort: signed 64-bit nanoseconds, rising. */
static inline int compare_ns(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* How a point's clock reads on the path: path = point + offset + drift * (point - since), kept near
 * `centre`. */
struct clock_fit {
    int64_t offset_ns;       /* within CLOCK_APART_MAX_NS */
    int64_t drift_ppb;       /* within a million */
    struct path_time centre; /* of all times of the points with a common clock; 0: not known */
    struct point_time since;
    int64_t uncertainty_ns; /* nothing smaller than this is claimed */
};

static inline struct path_time clock_to_path(const struct clock_fit *fit, struct point_time at)
{
    int64_t drift_ns = 0;
    if (fit->drift_ppb != 0) {
        int64_t passed_ns = at.ns - fit->since.ns;
        drift_ns = passed_ns / NS_PER_S * fit->drift_ppb +
                   passed_ns % NS_PER_S * fit->drift_ppb / NS_PER_S;
    }
    int64_t path_ns = at.ns + fit->offset_ns + drift_ns;
    int64_t away_ns = path_ns - fit->centre.ns;
    if ((away_ns > CLOCK_SPAN_MAX_NS || away_ns < -CLOCK_SPAN_MAX_NS) && fit->centre.ns != 0)
        path_ns = fit->centre.ns + clock_within(away_ns, CLOCK_SPAN_MAX_NS);
    return (struct path_time){path_ns};
}

/* A clock that is read again and again within some time. */
struct clock_reading {
    struct clock_fit fit;
    bool shifted; /* without drift, and nothing is far off: the offset is all */
};

/* For times from `first` to `last`. */
static inline struct clock_reading clock_read(const struct clock_fit *fit, struct point_time first,
                                              struct point_time last)
{
    bool shifted = clock_to_path(fit, first).ns == first.ns + fit->offset_ns &&
                   clock_to_path(fit, last).ns == last.ns + fit->offset_ns;
    return (struct clock_reading){*fit, shifted && fit->drift_ppb == 0};
}

static inline struct path_time clock_reading_to_path(const struct clock_reading *reading,
                                                     struct point_time at)
{
    if (!reading->shifted)
        return clock_to_path(&reading->fit, at);
    return (struct path_time){at.ns + reading->fit.offset_ns};
}

#endif
