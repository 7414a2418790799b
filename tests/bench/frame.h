/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of generated packets, and what a masquerading firewall does to them. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#include "tcp.h"

enum { NOISE_WORDS = 8192, FRAME_BYTES = 1514, SERVERS = 16, CLIENTS = 20 };

struct framer {
    uint64_t noise[NOISE_WORDS];
    uint64_t payload[FRAME_BYTES / 8 + 4];
    uint32_t snap_bytes;
};

void framer_init(struct framer *framer, uint32_t snap_bytes, uint64_t seed);

/* Fills in the packet's frame as its sender puts it on the wire: towards clients as it is before
 * the firewall, towards servers as it is behind it. `context` is the framer. */
void frame_build(void *context, const struct flow *flow, struct packet *packet);

/* The firewall passes the packet on: addresses, port, TTL, and checksums by RFC 1624. */
void frame_translate(const struct flow *flow, struct packet *packet);

#endif
