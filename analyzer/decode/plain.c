/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What nearly every packet is: TCP over IP without options or fragments, with all of its headers
 * captured. One look finds it out; then everything but some of TCP's options stands at a fixed
 * place. What this gives is what the layers' steps give (decode_ip, decode_tcp); a test holds both
 * against each other.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pcap/dlt.h>

#include "decode/layers.h"

#define STAMPED_BYTES 32u /* TCP's header with NOP, NOP, time stamps */

static uint32_t load_32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return ntohl(value);
}

static uint16_t load_16(const uint8_t *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return ntohs(value);
}

/* What is the same for all, or stands in options only. */
static inline void plain_clear(struct decoded *out)
{
    options_clear(out);
    out->checksum = CHECKSUM_UNKNOWN;
    out->first_fragment = false;
    out->fragment_offset_bytes = 0;
    out->fragment_id = 0;
}

/* A header of `header_bytes`, all captured, of a segment of which `left` of `bytes` bytes were.
 * `stamped`: its options begin with the time stamps, as they usually do. */
static inline void plain_tcp_header(const uint8_t *tcp, uint32_t header_bytes, bool stamped,
                                    uint32_t bytes, uint32_t left, struct decoded *out)
{
    plain_clear(out);
    out->source.port = load_16(tcp);
    out->destination.port = load_16(tcp + 2);
    out->seq = load_32(tcp + 4);
    out->ack = load_32(tcp + 8);
    out->flags = (uint16_t)((tcp[13] & TCP_FLAGS) | (stamped ? PACKET_TIMESTAMPS : 0u));
    out->window = load_16(tcp + 14);
    out->tsval = stamped ? load_32(tcp + 24) : 0;
    out->tsecr = stamped ? load_32(tcp + 28) : 0;
    out->header_bytes = header_bytes;
    out->payload = tcp + header_bytes;
    out->payload_bytes = bytes - header_bytes;
    out->payload_captured_bytes = left - header_bytes;
}

/* With other options: of a SYN, SACK. */
static bool plain_tcp_options(const uint8_t *tcp, uint32_t bytes, uint32_t left,
                              struct decoded *out)
{
    uint32_t header_bytes = (tcp[12] >> 4) * 4u;
    if (header_bytes < TCP_BYTES || header_bytes > left)
        return false;
    plain_tcp_header(tcp, header_bytes, false, bytes, left, out);
    uint32_t options_bytes = header_bytes - TCP_BYTES;
    tcp_read_options((struct cursor){tcp + TCP_BYTES, options_bytes, options_bytes, true}, out);
    return true;
}

/* TCP, of which at least a header without options was captured. False, with nothing written, where
 * its header was not captured or makes no sense, or has other options than time stamps and these
 * are not asked for. In line, big as it is: it is most of the work. */
__attribute__((always_inline)) static inline bool
plain_tcp(const uint8_t *tcp, uint32_t bytes, uint32_t left, bool any_options, struct decoded *out)
{
    unsigned words = tcp[12] >> 4;
    if (words == STAMPED_BYTES / 4 && left >= STAMPED_BYTES &&
        load_32(tcp + TCP_BYTES) == NOP_NOP_TIMESTAMPS)
        plain_tcp_header(tcp, STAMPED_BYTES, true, bytes, left, out);
    else if (words == TCP_BYTES / 4)
        plain_tcp_header(tcp, TCP_BYTES, false, bytes, left, out);
    else
        return any_options && plain_tcp_options(tcp, bytes, left, out);
    return true;
}

/* The TCP segment of a plain packet. */
struct plain {
    const uint8_t *tcp;
    uint32_t bytes, left; /* as sent, as captured */
};

static inline bool plain_ipv4(const uint8_t *ip, uint32_t left, uint32_t wire, bool any_options,
                              struct plain *plain, struct decoded *out)
{
    uint32_t bytes = load_16(ip + 2);
    if (left > bytes)
        left = bytes;
    if (bytes > wire || left < IPV4_BYTES + TCP_BYTES || (load_16(ip + 6) & 0x3fff) != 0 ||
        !plain_tcp(ip + IPV4_BYTES, bytes - IPV4_BYTES, left - IPV4_BYTES, any_options, out))
        return false;
    endpoint_set_ipv4(&out->source, ip + 12);
    endpoint_set_ipv4(&out->destination, ip + 16);
    out->protocol = IPPROTO_TCP;
    out->ip_version = 4;
    out->ttl = ip[8];
    out->ip_id = load_16(ip + 4);
    *plain = (struct plain){ip + IPV4_BYTES, bytes - IPV4_BYTES, left - IPV4_BYTES};
    return true;
}

static inline bool plain_ipv6(const uint8_t *ip, uint32_t left, uint32_t wire, bool any_options,
                              struct plain *plain, struct decoded *out)
{
    uint32_t bytes = IPV6_BYTES + load_16(ip + 4);
    if (left > bytes)
        left = bytes;
    if (bytes > wire || left < IPV6_BYTES + TCP_BYTES ||
        !plain_tcp(ip + IPV6_BYTES, bytes - IPV6_BYTES, left - IPV6_BYTES, any_options, out))
        return false;
    memcpy(out->source.address, ip + 8, 16);
    memcpy(out->destination.address, ip + 24, 16);
    out->protocol = IPPROTO_TCP;
    out->ip_version = 6;
    out->ttl = ip[7];
    out->ip_id = 0;
    *plain = (struct plain){ip + IPV6_BYTES, bytes - IPV6_BYTES, left - IPV6_BYTES};
    return true;
}

/* The packet at `ip`, of `wire` bytes as sent and `left` as captured. */
static inline bool plain_packet(const uint8_t *ip, uint32_t left, uint32_t wire, bool any_options,
                                struct plain *plain, struct decoded *out)
{
    if (left < IPV4_BYTES + TCP_BYTES)
        return false;
    if (ip[0] == 0x45 && ip[9] == IPPROTO_TCP)
        return plain_ipv4(ip, left, wire, any_options, plain, out);
    if (ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP)
        return plain_ipv6(ip, left, wire, any_options, plain, out);
    return false;
}

/* Apart, as is all that decode_frame leaves to others: it needs no registers saved then. */
__attribute__((noinline)) static enum decode_status plain_verify(const uint8_t *tcp, uint32_t bytes,
                                                                 struct decoded *out)
{
    out->checksum = checksum_verify(tcp, bytes, TCP_CHECKSUM, out);
    return DECODE_OK;
}

bool plain_read(const struct cursor *cursor, bool verify, struct decoded *out)
{
    struct plain plain;
    bool is_plain = plain_packet(cursor->at, cursor->left, cursor->wire, true, &plain, out);
    if (is_plain && verify && plain.left == plain.bytes)
        plain_verify(plain.tcp, plain.bytes, out);
    return is_plain;
}

static inline bool is_ip_ethertype(uint16_t type)
{
    return type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6;
}

__attribute__((noinline)) static enum decode_status walk_any(uint16_t dlt, const uint8_t *data,
                                                             uint32_t caplen, uint32_t wirelen,
                                                             bool verify, struct decoded *out)
{
    struct cursor frame = {data, caplen, wirelen, false};
    return walk_frame(dlt, &frame, verify, true, out);
}

/* Ethernet, as most frames are, is no step of its own. */
enum decode_status decode_frame(uint16_t dlt, const uint8_t *data, uint32_t caplen,
                                uint32_t wirelen, bool verify, struct decoded *out)
{
    struct plain plain;
    wirelen = wirelen > caplen ? wirelen : caplen;
    if (dlt != DLT_EN10MB || caplen < ETHERNET_BYTES ||
        !is_ip_ethertype(load_16(data + ETHERNET_TYPE)) ||
        !plain_packet(data + ETHERNET_BYTES, caplen - ETHERNET_BYTES, wirelen - ETHERNET_BYTES,
                      false, &plain, out))
        return walk_any(dlt, data, caplen, wirelen, verify, out);
    out->network = 0;
    return verify && plain.left == plain.bytes ? plain_verify(plain.tcp, plain.bytes, out)
                                               : DECODE_OK;
}
