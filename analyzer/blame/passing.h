/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Did any packet, of whatever flow, pass a point in a stretch of time? Asked of many stretches. */
#ifndef WHICHHOP_BLAME_PASSING_H
#define WHICHHOP_BLAME_PASSING_H

#include "blame/timeline.h"
#include "whichhop.h"

/* Packets seen at `at`, going one way, of flows that `other` saw as well. Arrays by moment. */
struct lane {
    unsigned at, other;
    bool from_servers;
    int64_t *next_ns;    /* the first packet at or after the moment; NEVER */
    uint32_t *last_flow; /* the last flow, by index, that has one */
    struct lane *next;
};

/* Zero it, and set the first two, before moments are added. */
struct passing {
    const struct flows *flows;
    const struct alignment *alignment;
    int64_t *moments; /* at which stretches begin; ascending once they are settled */
    uint32_t moment_count, moment_capacity;
    struct lane *lanes; /* those that were asked for */
};

/* To be called for all moments first, then once settled; false when memory is out. */
bool passing_add(struct passing *passing, int64_t moment_ns);
void passing_settle(struct passing *passing);

/* A lane; NULL when memory is out. Finding it the first time takes a walk over the packets since
 * the first moment. */
const struct lane *passing_lane(struct passing *passing, unsigned at, unsigned other,
                                bool from_servers);

/* Is there a packet within [from, to]? `from_ns` is a moment that was added. */
bool lane_used(const struct passing *passing, const struct lane *lane, int64_t from_ns,
               int64_t to_ns);

/* The last packet within [from, to] of the last flow that has one there. */
bool lane_last(const struct passing *passing, const struct lane *lane, int64_t from_ns,
               int64_t to_ns, struct wh_frame *frame);

void passing_free(struct passing *passing);

#endif
