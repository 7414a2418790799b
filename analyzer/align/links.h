/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each two points have in common: shared by the files of this stage. */
#ifndef WHICHHOP_ALIGN_LINKS_H
#define WHICHHOP_ALIGN_LINKS_H

#include "align/align.h"
#include "align/corridor.h"
#include "align/pairs.h"
#include "align/straight.h"
#include "align/witness.h"

#define UNCERTAINTY_FLOOR_NS (2 * NS_PER_US)  /* two readings of one clock on two processors */
#define DRIFT_LEAST_NS       (20 * NS_PER_US) /* a contradiction below is readings, not drift */

/* What two points have in common; a < b, as points are numbered. */
struct link {
    struct pairs pairs;   /* of all their flows, flow by flow; until they became samples */
    uint32_t *flow_end;   /* pairs.items[flow_end[i-1]..flow_end[i]] belong to flow number i */
    int8_t *votes;        /* by flow, see order.c: 1: a is nearer to its server, -1: b, 0: untold */
    double nearer_server; /* above 0: a is nearer to the servers, weighted by bytes */
    uint32_t flows;
    struct sample *samples; /* once the path is known: in the order of the nearer point's capture */
    uint32_t sample_count;
};

/* Leaps of a point's flows, with no step known: the first of each that has one, in their order. */
struct first_leaps {
    struct leap *items;
    uint32_t *flows; /* which has it */
    uint32_t count, capacity, flow_capacity;
};

struct context {
    struct flows *flows;
    unsigned count;
    struct link *links;        /* count * count, of which [a * count + b] with a < b is used */
    struct first_leaps *leaps; /* by point */
    bool syn_seen;             /* some flow has a SYN: only those vote */
    unsigned threads;          /* 0: as many as there are processors */
};

static inline unsigned link_index(const struct context *context, unsigned a, unsigned b)
{
    return a < b ? a * context->count + b : b * context->count + a;
}

static inline struct link *link_of(const struct context *context, unsigned a, unsigned b)
{
    return &context->links[link_index(context, a, b)];
}

static inline uint32_t link_first_pair(const struct link *link, uint32_t flow)
{
    return flow ? link->flow_end[flow - 1] : 0;
}

/* order.c: fills alignment->order, found and opposed, and marks reversed flows. False when memory
 * is out. */
bool order_find(struct context *context, const struct align_options *options,
                struct alignment *alignment);

/* links.c: collects the pairs of all links and the leaps of all points; makes the samples of a link
 * between two places of the path; lets their x run anew after times were changed. */
bool links_collect(struct context *context);
bool link_sample(struct context *context, unsigned near, unsigned far);
void samples_set_x(struct sample *samples, uint32_t count);
void links_free(struct context *context);

/* steps.c: finds where clocks were set, notes it in alignment->steps and sets the samples' times
 * right. Needs the path's order and all samples. A point whose packets no few steps explain is
 * left as it is. False when memory is out. */
bool steps_find(struct context *context, struct alignment *alignment);

/* clocks.c: the path's clock over all points. False when memory is out. */
bool clocks_fit(struct context *context, const struct align_options *options,
                struct alignment *alignment);

#endif
