/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IPv4 (RFC 791) and IPv6 (RFC 8200) with extension headers, fragments, the authentication header
 * (RFC 4302) and jumbo payloads (RFC 2675).
 */
#include <netinet/in.h>

#include "decode/layers.h"

#define EXTENSIONS_MAX 12u
#define PROTOCOL_MPLS  137 /* RFC 4023 */
#define PROTOCOL_HIP   139 /* RFC 7401 */
#define PROTOCOL_SHIM6 140 /* RFC 5533 */
#define OPTION_JUMBO   0xc2
/* Offloaded segments reach 512 KiB ("big TCP"); beyond is a forged record length. */
#define PACKET_BYTES_MAX ((1u << 20) - 1)

/* Is there a loose or strict source route (options 131, 137)? Then the checksum's destination is
 * the route's last address and not the header's. */
static bool ipv4_is_source_routed(const struct cursor *cursor, uint32_t header_bytes)
{
    uint32_t offset = IPV4_BYTES;
    while (offset < header_bytes) {
        uint8_t kind = cursor_u8(cursor, offset);
        uint8_t bytes = kind == 1 ? 1 : cursor_u8(cursor, offset + 1);
        if (kind == 131 || kind == 137)
            return true;
        if (kind == 0 || bytes == 0)
            return false;
        offset += bytes;
    }
    return false;
}

/* Does the length in an IP header fit what is around it? Where only the frame's end contradicts it,
 * the frame was cut by a tool that did not keep its length on the wire: the header is believed. */
static bool length_fits(struct cursor *cursor, uint32_t bytes, bool quoted)
{
    if (bytes > PACKET_BYTES_MAX)
        return false;
    if (bytes <= cursor->wire || quoted)
        return true;
    if (cursor->bounded)
        return false;
    cursor->wire = bytes;
    return true;
}

static enum decode_status ipv4_read(struct cursor *cursor, bool quoted, struct ip_packet *ip)
{
    if (!cursor_has(cursor, IPV4_BYTES))
        return cursor_why(cursor, IPV4_BYTES);
    uint32_t header_bytes = (cursor_u8(cursor, 0) & 15u) * 4u;
    uint32_t bytes = cursor_u16(cursor, 2);
    uint16_t fragment = cursor_u16(cursor, 6);
    if (bytes == 0) /* segmentation offload: filled in by the device */
        bytes = cursor->wire;
    if (header_bytes < IPV4_BYTES || bytes < header_bytes || !length_fits(cursor, bytes, quoted))
        return DECODE_MALFORMED;
    cursor_bound(cursor, bytes);
    if (!cursor_has(cursor, header_bytes))
        return cursor_why(cursor, header_bytes);
    ip->version = 4;
    ip->bytes = bytes;
    ip->id = cursor_u16(cursor, 4);
    ip->fragment_id = ip->id;
    ip->more_fragments = (fragment & 0x2000) != 0;
    ip->fragment_offset = fragment & 0x1fff;
    ip->ttl = cursor_u8(cursor, 8);
    ip->protocol = cursor_u8(cursor, 9);
    ip->source_routed = header_bytes > IPV4_BYTES && ipv4_is_source_routed(cursor, header_bytes);
    endpoint_set_ipv4(ip->source, cursor->at + 12);
    endpoint_set_ipv4(ip->destination, cursor->at + 16);
    cursor_skip(cursor, header_bytes);
    return DECODE_OK;
}

/* The length in a hop-by-hop header's jumbo option; 0: there is none (RFC 2675, 2). */
static uint32_t ipv6_jumbo_bytes(const struct cursor *cursor)
{
    uint32_t end = IPV6_BYTES + (cursor_u8(cursor, IPV6_BYTES + 1) + 1u) * 8u;
    uint32_t offset = IPV6_BYTES + 2;
    while (offset + 6 <= end) {
        uint8_t kind = cursor_u8(cursor, offset);
        if (kind == OPTION_JUMBO && cursor_u8(cursor, offset + 1) == 4)
            return cursor_u32(cursor, offset + 2);
        offset += kind == 0 ? 1u : cursor_u8(cursor, offset + 1) + 2u;
    }
    return 0;
}

/* Payload length as the packet tells it, or as the wire does where it can't: a length of 0 stands
 * for a jumbo payload, or for a large offloaded segment. */
static uint32_t ipv6_payload_bytes(const struct cursor *cursor)
{
    uint32_t bytes = cursor_u16(cursor, 4);
    if (bytes == 0 && cursor_u8(cursor, 6) == IPPROTO_HOPOPTS)
        bytes = ipv6_jumbo_bytes(cursor);
    if (bytes == 0 && cursor_u8(cursor, 6) != IPPROTO_NONE && cursor->wire > IPV6_BYTES)
        bytes = cursor->wire - IPV6_BYTES;
    return bytes;
}

static enum decode_status ipv6_read(struct cursor *cursor, bool quoted, struct ip_packet *ip)
{
    if (!cursor_has(cursor, IPV6_BYTES))
        return cursor_why(cursor, IPV6_BYTES);
    uint32_t payload_bytes = ipv6_payload_bytes(cursor);
    if (payload_bytes > PACKET_BYTES_MAX ||
        !length_fits(cursor, payload_bytes + IPV6_BYTES, quoted))
        return DECODE_MALFORMED;
    ip->version = 6;
    ip->bytes = payload_bytes + IPV6_BYTES;
    ip->id = 0;
    ip->fragment_id = 0;
    ip->more_fragments = false;
    ip->fragment_offset = 0;
    ip->source_routed = false;
    ip->protocol = cursor_u8(cursor, 6);
    ip->ttl = cursor_u8(cursor, 7);
    cursor_copy(cursor, 8, ip->source->address, 16);
    cursor_copy(cursor, 24, ip->destination->address, 16);
    cursor_bound(cursor, ip->bytes);
    cursor_skip(cursor, IPV6_BYTES);
    return DECODE_OK;
}

/* A packet on its way through a list of addresses belongs to the flow of the last of them; that
 * is also the checksum's destination. Types 0 (RFC 2460) and 2 (RFC 6275) have it at the end,
 * type 4 (segment routing, RFC 8754) at the beginning of the list. */
static void ipv6_read_route(const struct cursor *cursor, uint32_t header_bytes,
                            struct ip_packet *ip)
{
    uint8_t type = cursor_u8(cursor, 2);
    uint8_t segments_left = cursor_u8(cursor, 3);
    if (segments_left == 0 || header_bytes < 24)
        return;
    if (type == 0 || type == 2)
        cursor_copy(cursor, header_bytes - 16, ip->destination->address, 16);
    else if (type == 4)
        cursor_copy(cursor, 8, ip->destination->address, 16);
    else
        ip->source_routed = true;
}

/* Length of an extension header of kind `protocol` at the cursor; 0: it is none. */
static uint32_t extension_bytes(const struct cursor *cursor, unsigned version, unsigned protocol)
{
    if (protocol == IPPROTO_AH)
        return (cursor_u8(cursor, 1) + 2u) * 4u;
    if (version == 4)
        return 0;
    switch (protocol) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
    case IPPROTO_MH:
    case PROTOCOL_HIP:
    case PROTOCOL_SHIM6:
        return (cursor_u8(cursor, 1) + 1u) * 8u;
    case IPPROTO_FRAGMENT:
        return 8;
    default:
        return 0;
    }
}

static void ipv6_read_fragment(const struct cursor *cursor, struct ip_packet *ip)
{
    uint16_t field = cursor_u16(cursor, 2);
    ip->fragment_offset = field >> 3;
    ip->fragment_id = cursor_u32(cursor, 4);
    ip->more_fragments = (field & 1) != 0;
}

static enum decode_status extensions_read(struct cursor *cursor, struct ip_packet *ip)
{
    for (unsigned count = 0; count <= EXTENSIONS_MAX; count++) {
        uint32_t bytes = extension_bytes(cursor, ip->version, ip->protocol);
        if (bytes == 0 || ip->fragment_offset > 0)
            return DECODE_OK;
        if (!cursor_has(cursor, bytes))
            return cursor_why(cursor, bytes);
        if (ip->protocol == IPPROTO_ROUTING)
            ipv6_read_route(cursor, bytes, ip);
        else if (ip->protocol == IPPROTO_FRAGMENT)
            ipv6_read_fragment(cursor, ip);
        ip->protocol = cursor_u8(cursor, 0);
        cursor_skip(cursor, bytes);
    }
    return DECODE_UNSUPPORTED;
}

enum decode_status ip_read(struct cursor *cursor, bool quoted, struct ip_packet *ip)
{
    enum decode_status status;
    if (!cursor_has(cursor, 1))
        return cursor_why(cursor, 1);
    switch (cursor_u8(cursor, 0) >> 4) {
    case 4:
        status = ipv4_read(cursor, quoted, ip);
        if (status != DECODE_OK || ip->protocol != IPPROTO_AH)
            return status;
        break;
    case 6:
        status = ipv6_read(cursor, quoted, ip);
        if (status != DECODE_OK)
            return status;
        break;
    default:
        return DECODE_MALFORMED;
    }
    return extensions_read(cursor, ip);
}

enum layer layer_of_protocol(uint8_t protocol)
{
    switch (protocol) {
    case IPPROTO_TCP:
        return LAYER_TCP;
    case IPPROTO_UDP:
        return LAYER_UDP;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return LAYER_ICMP;
    case IPPROTO_GRE:
        return LAYER_GRE;
    case IPPROTO_IPIP:
    case IPPROTO_IPV6:
        return LAYER_IN_IP;
    case PROTOCOL_MPLS:
        return LAYER_MPLS_IN_IP;
    default:
        return LAYER_END;
    }
}

enum layer decode_ip(struct walk *walk)
{
    struct decoded *out = walk->out;
    struct ip_packet ip = {.source = &out->source, .destination = &out->destination};
    enum decode_status status = ip_read(&walk->cursor, false, &ip);
    if (status != DECODE_OK)
        return walk_end(walk, status);
    out->fragment_id = ip.fragment_offset > 0 || ip.more_fragments ? ip.fragment_id : 0;
    out->fragment_offset_bytes = ip.fragment_offset * 8u;
    if (ip.fragment_offset > 0) {
        out->protocol = (uint8_t)ip.protocol;
        out->payload_bytes = walk->cursor.wire;
        return walk_end(walk, DECODE_FRAGMENT);
    }
    out->ip_version = (uint8_t)ip.version;
    out->protocol = (uint8_t)ip.protocol;
    out->ttl = (uint8_t)ip.ttl;
    out->ip_id = ip.id;
    out->first_fragment = ip.more_fragments;
    if (ip.source_routed)
        walk->verify = false;
    return walk_on(walk, layer_of_protocol(ip.protocol));
}
