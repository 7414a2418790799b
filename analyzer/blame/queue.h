/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A queue that stands: from a row of passages through a segment, the times in which they took too
 * long while packets kept leaving.
 */
#ifndef WHICHHOP_BLAME_QUEUE_H
#define WHICHHOP_BLAME_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

/* One packet's way through a segment. Packet numbers are the caller's, for the evidence. */
struct passage {
    int64_t in_ns, out_ns;
    uint32_t in_pkt, out_pkt;
};

struct passages {
    struct passage *items; /* by out_ns */
    uint32_t count, capacity;
};

/* Several passages, the first and the last of them above the threshold. */
struct queue_time {
    uint32_t first, last, worst; /* passages */
    uint32_t count;              /* above the threshold */
    int64_t worst_ns;            /* how much longer that one took, freezes taken off */
    int64_t silence_ns;          /* the longest time in which nothing came out */
    bool ended;                  /* a later passage was below again */
};

/* The least time that a passage took; INT64_MAX without any. */
int64_t queue_base(const struct passages *passages);

#define QUEUE_DRIFT_PPM_MAX 500 /* of any clock that a host runs by */

/* Takes out of the delays what a clock that runs up to 500 ppm wrong added: the least of the later
 * half is above the least of the earlier half, or below, in proportion to the time. */
void queue_level(struct passages *passages);

/* The next time, from passage `*at` on, in which passages took more than `threshold_ns` longer than
 * `base_ns`, for `least_ns` or more, and one of them clearly more; `*at` then is the passage after
 * it. What a packet waited while nothing left does not count: that is a freeze. False when there is
 * none. */
bool queue_next(const struct passages *passages, int64_t base_ns, int64_t threshold_ns,
                int64_t least_ns, uint32_t *at, struct queue_time *found);

#endif
