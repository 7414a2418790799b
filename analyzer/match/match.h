/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 4, match: one flow under its several names. Linux NAT rewrites addresses and ports and
 * nothing else that identifies a flow: sequence and acknowledgement numbers, timestamps, IP ID and
 * payload stay. Every candidate pair is scored in bits of coincidence that it would take for two
 * strangers to look so alike; the best one-to-one assignment wins, and where two are alike the
 * flow is called ambiguous instead of guessed.
 */
#ifndef WHICHHOP_MATCH_MATCH_H
#define WHICHHOP_MATCH_MATCH_H

#include "track/track.h"

enum match_kind {
    MATCH_SINGLE,    /* one point saw it */
    MATCH_HANDSHAKE, /* both initial sequence numbers: "isn", "isn+timestamps" */
    MATCH_CONTENT,   /* sequence ranges, timestamps, IP IDs, addresses: "sequence+timestamps" ... */
    MATCH_TUPLE,     /* the same addresses and ports and no contradiction */
};

struct flow {
    struct track_flow **at; /* one for each point, NULL where it was not seen; borrowed */
    uint8_t protocol;
    uint8_t kind; /* enum match_kind, the weakest of its links */
    bool timestamps;
    bool ambiguous;  /* another flow fits as well: left apart */
    bool reversed;   /* set by align: its client sits at the path's servers' side */
    uint32_t joined; /* set by join: a joint's number, from 1; 0: no leg of any */
    double confidence;
};

/* Two connections that a proxy made one. Set by join. */
struct joint {
    uint32_t server_leg, client_leg;     /* indexes of flows: proxy to server, client to proxy */
    bool by_content;                     /* else by volume and timing */
    unsigned server_point, client_point; /* that saw the legs nearest to the proxy */
    int64_t lag_ns[2];    /* by sender, 0 client: the least time between those points, in their own
                             clocks; INT64_MAX: not known */
    uint64_t alike_bytes; /* by_content: between the first and the last bytes alike */
    double confidence;
};

struct flows {
    struct flow *items;
    uint32_t count, capacity;
    unsigned point_count;
    struct joint *joints;
    uint32_t joint_count, joint_capacity;
};

/* Matches the flows of `count` points. Afterwards every flow's points agree on which end is the
 * client and on the origin of both streams, so that offsets compare. `tracks` must outlive
 * `flows`; the array `at` of each flow lives in `arena`. `threads` as parallel_run's. Fails only
 * when memory is out. */
int match_points(struct track *tracks, unsigned count, unsigned threads, struct arena *arena,
                 struct flows *flows, struct wh_error *error);

void match_free(struct flows *flows);

/* Packets of a flow at all points together. */
static inline uint64_t flow_packets(const struct flow *flow, unsigned point_count)
{
    uint64_t packets = 0;
    for (unsigned p = 0; p < point_count; p++)
        packets += flow->at[p] ? flow->at[p]->pkt_count : 0;
    return packets;
}

/* "isn+timestamps", "sequence", "tuple", "single" ... */
const char *match_words(const struct flow *flow);

#endif
