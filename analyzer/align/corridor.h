/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one clock may show against another. No packet arrives before it was sent: each one that
 * crosses from the near point to the far one holds the difference of their clocks (far - near)
 * down, each one that comes back holds it up. Over time that is a corridor, whose walls are two
 * convex hulls; a straight line through it is an offset and a drift that contradict no packet.
 *
 * Moon, Skelly, Towsley: Estimation and removal of clock skew from network delay measurements,
 * INFOCOM 1999 (the line closest to all delays from below). Zhang, Liu, Xia: Clock synchronization
 * algorithms for network measurements, INFOCOM 2002 (by convex hulls).
 */
#ifndef WHICHHOP_ALIGN_CORRIDOR_H
#define WHICHHOP_ALIGN_CORRIDOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define SLOPE_MAX_PPB 1000000 /* clocks off by more than 0.1 % are set again and again: steps */

/* One packet that both points saw. Index 0: at the near point, 1: at the far one. */
struct sample {
    uint64_t place[2]; /* in the capture */
    int64_t ns[2];     /* its times, each by the point's own clock */
    int64_t x_ns;      /* time as passed since the first sample, never falling */
    bool outwards;     /* from near to far */
    bool strange;      /* contradicts what was seen before and after it: no pair, passed over */
};

/* How much more the far clock showed than the near one. */
static inline int64_t sample_apart_ns(const struct sample *sample)
{
    return clock_within(sample->ns[1] - sample->ns[0], CLOCK_APART_MAX_NS);
}

struct wall_point {
    int64_t x_ns, difference_ns;
};

struct corridor {
    struct wall_point *ceiling, *floor; /* the hulls; room for `room` points each */
    uint32_t ceiling_count, floor_count, room;
    int64_t first_ns, last_ns;        /* x of its first and last sample */
    uint64_t outwards, back;          /* samples */
    __int128 sum_out_ns, sum_back_ns; /* of their x */
};

/* The corridor of samples [first, end), in the order of x. Keeps its arrays between calls: zero it
 * before the first. False when memory is out. */
bool corridor_make(struct corridor *corridor, const struct sample *samples, uint32_t first,
                   uint32_t end);

/* Adds samples [from, end) to a corridor of one or more, none of which comes after them: it is then
 * the same as made of all. False when memory is out. */
bool corridor_extend(struct corridor *corridor, const struct sample *samples, uint32_t from,
                     uint32_t end);

/* `to` keeps its arrays as with corridor_make. False when memory is out. */
bool corridor_copy(struct corridor *to, const struct corridor *from);
void corridor_free(struct corridor *corridor);

/* Has it both walls? */
static inline bool corridor_closed(const struct corridor *corridor)
{
    return corridor->ceiling_count && corridor->floor_count;
}

/* Lines of a slope go through it from `low_ns` to `high_ns` (at x 0): both finite only if closed.
 * The width between them; negative: no line of this slope goes through. INT64_MAX unless closed. */
int64_t corridor_width(const struct corridor *corridor, int64_t slope_ppb, int64_t *low_ns,
                       int64_t *high_ns);

/* The slope at which it is widest. */
int64_t corridor_widest(const struct corridor *corridor);

/* The slopes at which it is at least `width_ns` wide, which it is at `inside_ppb`. */
void corridor_slopes(const struct corridor *corridor, int64_t inside_ppb, int64_t width_ns,
                     int64_t *low_ppb, int64_t *high_ppb);

/* How near the walls run to their samples at a slope, up to a constant: more is nearer (Moon's
 * measure, summed over both ways, each counting alike). */
int64_t corridor_closeness(const struct corridor *corridor, int64_t slope_ppb);

/* slope * x, in ns */
static inline int64_t slope_ns(int64_t slope_ppb, int64_t x_ns)
{
    return (int64_t)((__int128)slope_ppb * x_ns / 1000000000);
}

/* The x in [low, high] at which a concave function is highest. */
int64_t concave_peak(int64_t low, int64_t high, int64_t (*value)(const void *context, int64_t at),
                     const void *context);

#endif
