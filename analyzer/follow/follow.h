/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 6, follow: every copy of every byte, and every acknowledgement, from point to point: when
 * it was where, between which two it was lost, or which capture missed it.
 *
 * By ranges of bytes, not by packets: one point may show 64 KiB frames where the next shows
 * segments of 1448 bytes.
 */
#ifndef WHICHHOP_FOLLOW_FOLLOW_H
#define WHICHHOP_FOLLOW_FOLLOW_H

#include "align/align.h"
#include "match/match.h"

#define COPY_NONE    UINT32_MAX
#define COPY_SKIPPED (UINT32_MAX - 1) /* `previous` only: it came, and the hop before missed it */

enum fate {
    FATE_END,     /* seen at the last point of its direction */
    FATE_ARRIVED, /* all its bytes reached the next point */
    FATE_LOST,    /* none of them did */
    FATE_PARTLY,  /* some did: a merged frame of which the network lost a part */
    FATE_MISSED,  /* it passed the next point, whose capture missed it */
    FATE_UNSEEN,  /* the next point's capture had not begun, was over, or was missing packets */
    FATE_ASTRAY, /* lost, but perhaps behind the next point only: its capture was missing packets */
};

/* One packet of a direction at one point: 24 bytes. */
struct copy {
    int64_t time_ns;         /* when it was there, by the path's clock */
    uint32_t pkt;            /* index into the hop's view->pkts */
    uint32_t next;           /* copy that carried its first byte on, at the next hop; COPY_NONE */
    uint32_t previous;       /* copy at the hop before that carried its first byte; COPY_NONE */
    uint32_t met_bytes : 29; /* of its sequence space, at the next hop */
    uint32_t fate : 3;       /* enum fate */
};

_Static_assert(sizeof(struct copy) == 24, "a flow may have all the packets there are");

/* One point on the way of one direction of a flow. */
struct hop {
    unsigned point;
    unsigned place;                /* of the point on the path, 0 nearest to the servers */
    const struct track_flow *view; /* NULL: nothing of the flow came here, though it should have */
    const struct clock_fit *clock;
    struct copy *copies; /* by time as captured */
    uint32_t count;
    uint32_t *unmet; /* the few copies that did not come to the next hop, or not whole */
    uint32_t unmet_count;
    uint32_t *strays; /* the few copies that the hop before does not have */
    uint32_t stray_count;
    bool resized; /* a frame was merged or cut on the way to the next hop, see hop_delay_known */
    int64_t base_delay_ns;         /* the least delay to the next hop; 0 when none is known */
    int64_t delay_spread_ns;       /* from the least to the most, merged frames' among them */
    struct path_time first, last;  /* of the point's whole capture */
    struct path_time since, until; /* the same, and the time in which it was silent but running */
    const struct capture_span *span;
};

/* Bytes that entered and did not come out: a whole copy or a part of one. */
struct lost_range {
    unsigned hop; /* where it was last seen */
    unsigned to;  /* the hop that it did not come to: the next, where that is certain */
    uint32_t copy;
    int64_t seq;
    uint32_t length; /* 0: a packet without sequence space, an ACK */
};

/* Packets that passed a hop, as others show, and that its capture does not have. */
struct missed_packet {
    unsigned hop;
    uint32_t packets;
    struct path_time time; /* when they should have been seen there, about */
};

/* One direction of a flow, from its sender to its receiver. */
struct trail {
    struct hop *hops; /* all with a view, but for the last where nobody ever answered */
    unsigned hop_count;
    unsigned before, after;  /* segments beyond the first and the last hop up to the next point that
                                would have seen the flow, or to the path's end: 1 or more */
    struct lost_range *lost; /* by hop, then time */
    uint32_t lost_count, lost_capacity;
    uint64_t *missed;             /* by hop: packets that passed it and its capture does not have */
    struct missed_packet *misses; /* the same, with their times */
    uint32_t miss_count, miss_capacity;
    struct copy *copies; /* of all hops */
    uint32_t copy_count, copy_capacity;
    struct arena arena; /* everything above but `lost`, `misses` and the copies */
};

struct followed {
    const struct capture_span *spans; /* those it was followed with */
    struct trail trail[2];            /* by sender: 0 client, 1 server */
    unsigned threads;                 /* set by the caller, see flow_threads */
};

/* A time in which a capture that was running has nothing, though packets passed. */
struct capture_gap {
    struct path_time from, to;
    uint64_t packets; /* known to have passed */
};

/* What follow needs to know of the captures as a whole; arrays by point. */
struct capture_span {
    struct point_time first, last;  /* first after last: the capture has no packet */
    const struct capture_gap *gaps; /* by time; borrowed */
    uint32_t gap_count;
    /* Packets that the capture missed here and there, outside of gaps: their share of all, and how
     * many in a row chance makes likely. 0: it missed none. */
    double miss_rate;
    unsigned miss_run;
    bool left_out; /* go past this point as if nobody had captured there */
    /* Before `first` and after `last`: the capture was running and had nothing to see, see
     * running.h. */
    int64_t quiet_before_ns, quiet_after_ns;
};

#define SPAN_NEVER_NS (INT64_MAX / 4) /* `first` of a capture without a packet; `last` is less */

/* Follows one flow. `followed` must be zeroed before its first use; it may be used again for the
 * next flow. Fails only when memory is out. */
int follow_flow(const struct flow *flow, const struct alignment *alignment,
                const struct capture_span *spans, unsigned point_count, struct followed *followed,
                struct wh_error *error);

void followed_free(struct followed *followed);

/* How many threads a flow is worth of so many, which are as parallel_run's: a few packets are done
 * before one has begun. */
unsigned flow_threads(const struct flow *flow, unsigned point_count, unsigned threads);

/* Did this point see only the other side's packets, though these answer what `side` sent? Then
 * that direction goes another way, or its mirror was left out: no loss. */
bool follow_one_sided(const struct track_flow *view, unsigned side);

/* The gap that overlaps [from, to], the first of them; NULL. */
const struct capture_gap *follow_gap(const struct capture_span *span, int64_t from_ns,
                                     int64_t to_ns);

/* First copy of a hop at or after a time; count when none. */
uint32_t copies_from(const struct hop *hop, int64_t time_ns);

static inline const struct pkt *hop_pkt(const struct hop *hop, uint32_t copy)
{
    return &hop->view->pkts[hop->copies[copy].pkt];
}

static inline int64_t hop_time(const struct hop *hop, uint32_t copy)
{
    return hop->copies[copy].time_ns;
}

/* Delay of a copy that has a `next`, from hop to hop + 1. */
static inline int64_t hop_delay(const struct hop *hop, uint32_t copy)
{
    return hop_time(hop + 1, hop->copies[copy].next) - hop_time(hop, copy);
}

/* Is that delay the network's? A frame that was merged or cut between the two points bears
 * another packet's time. */
static inline bool hop_delay_known(const struct hop *hop, uint32_t copy)
{
    uint32_t next = hop->copies[copy].next;
    return next != COPY_NONE &&
           (!hop->resized || hop_pkt(hop, copy)->len == hop_pkt(hop + 1, next)->len);
}

#endif
