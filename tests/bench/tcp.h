/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The two ends of each generated connection: a TCP as Linux has it in the traits a capture shows
 * (handshake with MSS, SACK, timestamps, window scale; delayed ACK; SACK and DSACK; fast
 * retransmission; RTO with back-off and its undoing). */
#ifndef BENCH_TCP_H
#define BENCH_TCP_H

#include "path.h"

enum { MSS = 1448, RANGES = 32, SCALE = 7 };
enum tcp_state { TCP_OPEN, TCP_RECOVERY, TCP_LOSS };

/* One end. Offsets count this end's stream: SYN at 0, data from 1, FIN at `end`. */
struct side {
    uint64_t una, next, end;
    uint64_t recover, resent; /* where recovery ends; holes below `resent` were sent again */
    uint64_t rcv_next, acked; /* of the peer's stream: expected, and last acknowledged */
    struct range sacked[RANGES], held[RANGES]; /* ascending: the peer's; out of order here */
    struct range dsack, latest;
    double cwnd, ssthresh, prior_cwnd, prior_ssthresh; /* in segments */
    int64_t srtt_ns, rttvar_ns, rto_at_ns, ack_at_ns, work_at_ns;
    uint32_t isn, ts_offset, ts_recent, undo_ts, peer_window_bytes;
    uint16_t ip_id, sacked_count, held_count, segments_unacked, quick_acks;
    uint8_t state, backoff;
    bool closing, has_peer_fin;
};

/* `inner` and `outer` are the client's port behind and before the firewall. */
struct flow {
    struct side side[DIRECTIONS]; /* by the direction it sends in: TO_CLIENT is the server */
    uint64_t noise_key, response_bytes;
    int64_t scheduled_ns, linger_until_ns;
    uint32_t number, generation;
    uint16_t inner_port, outer_port;
    uint8_t client, server;
    bool is_live;
};

/* What the ends act through. `frame` fills in the packet's bytes before it is sent. */
struct tcp {
    struct path *path;
    void (*frame)(void *context, const struct flow *flow, struct packet *packet);
    void *context;
    double window_segments; /* the most a server has under way */
    int64_t now_ns;
};

/* Sends the client's SYN. `flow` is all 0 but for its names, numbers and sizes. */
void tcp_start(struct tcp *tcp, struct flow *flow, uint32_t request_bytes, uint64_t *random);

/* A packet reaches the end it is sent to. */
void tcp_receive(struct tcp *tcp, struct flow *flow, const struct packet *packet);

/* When the flow next has something to do by itself, and does it (`now_ns` being that time). */
int64_t tcp_deadline(const struct flow *flow);
void tcp_wake(struct tcp *tcp, struct flow *flow);

#endif
