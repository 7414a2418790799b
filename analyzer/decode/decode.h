/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 2, decode: the bytes of one frame as addresses, ports and transport fields. Pure: no
 * state, no allocation, no output; one bounded cursor touches the bytes. Lengths of payloads come
 * from the IP header, so that a short snap length loses bytes and not lengths.
 */
#ifndef WHICHHOP_DECODE_DECODE_H
#define WHICHHOP_DECODE_DECODE_H

#include <string.h>

#include "whichhop.h"

enum decode_status {
    DECODE_OK,          /* a transport header was read: TCP, UDP, or an ICMP error about one */
    DECODE_TRUNCATED,   /* the capture cut it before the fields that matter */
    DECODE_MALFORMED,   /* its lengths contradict each other */
    DECODE_UNSUPPORTED, /* a protocol that whichhop does not follow (ARP, IGMP, ...) */
    DECODE_FRAGMENT,    /* a later IP fragment: no transport header in it */
};

/* What is said of a packet by yes or no: flags of TCP's header, and others. */
enum packet_flag {
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_PSH = 8,
    TCP_ACK = 16,
    PACKET_TIMESTAMPS = 128, /* RFC 7323 */
    PACKET_SACK = 256,       /* with a block at least (RFC 2018) */
};
#define TCP_FLAGS 0x1fu /* those of TCP's header */

enum checksum_state {
    CHECKSUM_UNKNOWN, /* not all bytes captured, or none sent (UDP over IPv4, 0) */
    CHECKSUM_RIGHT,
    CHECKSUM_WRONG,
    CHECKSUM_PARTIAL, /* just the pseudo-header's sum: left for the device to finish */
};

#define SACK_BLOCKS_MAX 4

/* An end point: IPv4 addresses stand in the last four bytes, the others are those of
 * ::ffff:0:0/96 (RFC 4291, 2.5.5.2), so that one comparison serves both. */
struct endpoint {
    uint8_t address[16];
    uint16_t port; /* host order */
};

/* Without branches: every packet's ends are held against its flow's. */
static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    uint64_t left[2], right[2];
    memcpy(left, a->address, sizeof left);
    memcpy(right, b->address, sizeof right);
    return ((left[0] ^ right[0]) | (left[1] ^ right[1]) | (uint64_t)(a->port ^ b->port)) == 0;
}

/* The packet an ICMP error quotes. */
struct icmp_quote {
    struct endpoint source, destination;
    uint32_t seq;      /* of the quoted TCP header */
    uint32_t mtu;      /* "too big" only, else 0 */
    uint16_t ip_bytes; /* length the quoted packet had */
    uint8_t protocol;
    uint8_t type, code; /* of the ICMP message */
    bool too_big;       /* ICMPv4 3/4 (RFC 792, 1191), ICMPv6 2 (RFC 4443) */
};

/* What each packet has stands first, in two cache lines. */
struct decoded {
    struct endpoint source, destination;
    uint16_t flags;   /* enum packet_flag */
    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6 */
    uint8_t ttl;      /* or hop limit */
    uint16_t window;  /* as sent, not scaled; 0 but for TCP */
    uint16_t ip_id;   /* IPv4 only, else 0 */
    uint32_t network; /* a hash of the VLAN numbers and tunnels around it: the same addresses on
                         two networks are two flows. 0: none */
    uint32_t seq, ack;
    uint32_t tsval, tsecr;           /* 0 without PACKET_TIMESTAMPS */
    const uint8_t *payload;          /* borrowed from the frame */
    uint32_t payload_bytes;          /* as sent */
    uint32_t payload_captured_bytes; /* as captured */
    uint32_t header_bytes;           /* of the TCP header */
    enum checksum_state checksum;
    uint16_t mss;         /* 0: no such option */
    uint8_t window_scale; /* valid with has_window_scale */
    uint8_t sack_count;
    uint8_t ip_version;
    bool has_window_scale, sack_permitted;
    bool options_cut;    /* the snap length ends within the TCP header: options may be missing */
    bool first_fragment; /* more fragments follow it */
    uint32_t fragment_offset_bytes;
    uint32_t fragment_id;              /* of a fragment: what all of its packet share; else 0 */
    uint32_t sack[SACK_BLOCKS_MAX][2]; /* left, right edges (RFC 2018) */
    struct icmp_quote quote;           /* with protocol ICMP and ICMPv6 */
};

/* Decodes a frame of `caplen` bytes, `wirelen` on the wire, of link type `dlt` (libpcap's DLT_).
 * `verify`: compute the transport checksum where every byte was captured (else it is UNKNOWN).
 * `out` is valid only with DECODE_OK; with DECODE_FRAGMENT its addresses, protocol, fragment_id,
 * fragment_offset_bytes and payload_bytes are. An IP total length of 0 (segmentation offload) takes
 * the wire's length. One above the wire's length is believed: some tools cut frames and lose their
 * length; above that of an outer header it is MALFORMED. */
enum decode_status decode_frame(uint16_t dlt, const uint8_t *data, uint32_t caplen,
                                uint32_t wirelen, bool verify, struct decoded *out);

/* Text for an end point: "192.0.2.1:80", "[2001:db8::1]:80". Returns `buffer`. */
const char *decode_endpoint_text(const struct endpoint *endpoint, char *buffer, size_t size);

#endif
