/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The path that the generated packets take: four segments with a queue for each direction, and
 * the packets under way. */
#ifndef BENCH_PATH_H
#define BENCH_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TO_CLIENT, TO_SERVER, DIRECTIONS };
enum { POINTS = 3, SEGMENTS = 4, LINKS = SEGMENTS * DIRECTIONS };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { SACKS = 3 };

#define NEVER INT64_MAX

/* Bytes of one direction's stream, [from, to): the SYN is byte 0, data begin with byte 1. */
struct range {
    uint64_t from, to;
};

/* One packet: what its receiver reads, and its bytes as the point it passes next sees them. */
struct packet {
    uint32_t flow, generation; /* of the flow table */
    uint8_t direction, flags, sacks;
    uint32_t payload_bytes, window_bytes, tsval, tsecr;
    uint64_t seq, ack; /* in stream bytes */
    struct range sack[SACKS];
    uint32_t wire_bytes, kept_bytes;
    struct packet *next_free;
    uint8_t frame[];
};

struct queued {
    int64_t arrives_ns;
    struct packet *packet;
};

/* A first-in first-out queue; `ring` has a power of two of places. */
struct link {
    struct queued *ring;
    size_t size, first, count;
    int64_t busy_until_ns, last_ns;
};

struct path {
    struct link links[LINKS];
    int64_t head_ns[LINKS]; /* when each link's first packet arrives, or NEVER */
    int64_t delay_ns[SEGMENTS], jitter_ns[SEGMENTS];
    double ns_per_byte;
    int loss_segment, freeze_segment;
    double loss_rate;
    int64_t freeze_from_ns, freeze_to_ns;
    uint64_t lost[SEGMENTS][DIRECTIONS];
    uint64_t random;
    struct packet *free;
    size_t stride_bytes;
};

/* The next number of a xorshift64* generator; `*state` must not be 0. */
uint64_t random_next(uint64_t *state);

/* A packet to fill in; returned with path_discard. Ends the program when memory is out. */
struct packet *path_packet(struct path *path);
void path_discard(struct path *path, struct packet *packet);

/* Sends `packet` into `segment` at `now_ns`; it may get lost there. Takes the packet. */
void path_enter(struct path *path, int segment, struct packet *packet, int64_t now_ns);

/* The link whose first packet arrives next; its time is in head_ns. */
int path_next(const struct path *path);

/* Takes the first packet off a link that has one. */
struct packet *path_leave(struct path *path, int link);

void path_free(struct path *path);

#endif
