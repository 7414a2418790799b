/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Tunnels: IP in IP (RFC 2003, 2473), MPLS in IP (RFC 4023), GRE (RFC 2784, 2890; 2637 for PPTP)
 * with ERSPAN, VXLAN (RFC 7348), Geneve (RFC 8926), GTP-U (3GPP TS 29.281). The inner flow is the
 * one that is followed.
 */
#include "decode/layers.h"

#define GRE_BYTES         4u
#define GRE_CHECKSUM      0x8000u
#define GRE_ROUTING       0x4000u
#define GRE_KEY           0x2000u
#define GRE_SEQUENCE      0x1000u
#define GRE_ACK           0x0080u
#define GRE_VERSION       0x0007u
#define GRE_ERSPAN        0x88beu
#define GRE_ERSPAN3       0x22ebu
#define ERSPAN_BYTES      8u
#define ERSPAN3_BYTES     12u
#define ERSPAN3_SUBHEADER 8u

#define PORT_VXLAN         4789u
#define PORT_VXLAN_LINUX   8472u
#define PORT_GENEVE        6081u
#define PORT_GTP           2152u
#define TUNNEL_BYTES       8u
#define GTP_PACKET         255u
#define GTP_EXTENSIONS_MAX 8u

enum layer decode_in_ip(struct walk *walk)
{
    walk_enter_tunnel(walk, NETWORK_IN_IP, 0);
    return LAYER_IP;
}

enum layer decode_mpls_in_ip(struct walk *walk)
{
    walk_enter_tunnel(walk, NETWORK_IN_IP, 0);
    return LAYER_MPLS;
}

/* Headers of the mirror's own before the mirrored frame. Type I has none, and no GRE sequence
 * number either. */
static uint32_t erspan_bytes(const struct cursor *cursor, uint16_t protocol, uint16_t flags)
{
    if (protocol == GRE_ERSPAN)
        return (flags & GRE_SEQUENCE) != 0 ? ERSPAN_BYTES : 0;
    bool subheader = (cursor_u8(cursor, ERSPAN3_BYTES - 1) & 1) != 0;
    return ERSPAN3_BYTES + (subheader ? ERSPAN3_SUBHEADER : 0);
}

static uint32_t gre_header_bytes(uint16_t flags)
{
    bool pptp = (flags & GRE_VERSION) == 1;
    return GRE_BYTES + ((flags & GRE_CHECKSUM) != 0 ? 4u : 0u) +
           ((flags & GRE_KEY) != 0 ? 4u : 0u) + ((flags & GRE_SEQUENCE) != 0 ? 4u : 0u) +
           (pptp && (flags & GRE_ACK) != 0 ? 4u : 0u);
}

/* The key parts networks (RFC 2890, 2.1); PPTP's differs by direction. */
static uint32_t gre_key(const struct cursor *cursor, uint16_t flags)
{
    if ((flags & GRE_KEY) == 0 || (flags & GRE_VERSION) != 0)
        return 0;
    return cursor_u32(cursor, GRE_BYTES + ((flags & GRE_CHECKSUM) != 0 ? 4 : 0));
}

enum layer decode_gre(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (!cursor_has(cursor, GRE_BYTES))
        return walk_short(walk, GRE_BYTES);
    uint16_t flags = cursor_u16(cursor, 0);
    uint16_t protocol = cursor_u16(cursor, 2);
    uint32_t bytes = gre_header_bytes(flags);
    if ((flags & GRE_ROUTING) != 0 || (flags & GRE_VERSION) > 1)
        return walk_end(walk, DECODE_UNSUPPORTED);
    if (!cursor_has(cursor, bytes))
        return walk_short(walk, bytes);
    uint32_t key = gre_key(cursor, flags);
    cursor_skip(cursor, bytes);
    walk_enter_tunnel(walk, NETWORK_GRE, key);
    if (protocol != GRE_ERSPAN && protocol != GRE_ERSPAN3)
        return walk_ethertype(walk, protocol);
    bytes = erspan_bytes(cursor, protocol, flags);
    if (!cursor_has(cursor, bytes))
        return walk_short(walk, bytes);
    cursor_skip(cursor, bytes);
    return LAYER_ETHERNET;
}

/* The flag says that there is a VNI; without it this is no VXLAN. */
static enum layer vxlan_open(struct walk *walk, bool *is_tunnel)
{
    *is_tunnel = (cursor_u8(&walk->cursor, 0) & 0x08) != 0;
    if (!*is_tunnel)
        return LAYER_END;
    uint32_t vni = cursor_u32(&walk->cursor, 4) >> 8;
    cursor_skip(&walk->cursor, TUNNEL_BYTES);
    walk_enter_tunnel(walk, NETWORK_VXLAN, vni);
    return LAYER_ETHERNET;
}

static enum layer geneve_open(struct walk *walk, bool *is_tunnel)
{
    struct cursor *cursor = &walk->cursor;
    uint8_t first = cursor_u8(cursor, 0);
    uint16_t protocol = cursor_u16(cursor, 2);
    uint32_t bytes = TUNNEL_BYTES + (first & 0x3fu) * 4u;
    *is_tunnel = first >> 6 == 0;
    if (!*is_tunnel)
        return LAYER_END;
    if (!cursor_has(cursor, bytes))
        return walk_short(walk, bytes);
    uint32_t vni = cursor_u32(cursor, 4) >> 8;
    cursor_skip(cursor, bytes);
    walk_enter_tunnel(walk, NETWORK_GENEVE, vni);
    return walk_ethertype(walk, protocol);
}

/* Length of a GTP-U header with its extension headers (5.1, 5.2), as far as it can be seen; 0: it
 * is malformed. */
static uint32_t gtp_header_bytes(const struct cursor *cursor)
{
    uint8_t flags = cursor_u8(cursor, 0);
    if ((flags & 7) == 0)
        return TUNNEL_BYTES;
    uint32_t bytes = TUNNEL_BYTES + 4;
    uint8_t next = (flags & 4) != 0 ? cursor_u8(cursor, bytes - 1) : 0;
    for (unsigned count = 0; next != 0; count++) {
        if (!cursor_has(cursor, bytes + 1))
            return bytes + 1;
        uint32_t extension_bytes = cursor_u8(cursor, bytes) * 4u;
        if (extension_bytes == 0 || count == GTP_EXTENSIONS_MAX)
            return 0;
        bytes += extension_bytes;
        next = cursor_u8(cursor, bytes - 1);
    }
    return bytes;
}

/* The tunnel's number differs by direction and is no part of the network. */
static enum layer gtp_open(struct walk *walk, bool *is_tunnel)
{
    struct cursor *cursor = &walk->cursor;
    uint8_t flags = cursor_u8(cursor, 0);
    *is_tunnel = (flags & 0xf0) == 0x30 && cursor_u8(cursor, 1) == GTP_PACKET;
    if (!*is_tunnel)
        return LAYER_END;
    uint32_t bytes = gtp_header_bytes(cursor);
    if (bytes == 0)
        return walk_end(walk, DECODE_MALFORMED);
    if (!cursor_has(cursor, bytes))
        return walk_short(walk, bytes);
    cursor_skip(cursor, bytes);
    walk_enter_tunnel(walk, NETWORK_GTP, 0);
    return LAYER_IP;
}

enum layer tunnel_open_udp(struct walk *walk, bool *is_tunnel)
{
    static const struct {
        uint16_t port;
        enum layer (*open)(struct walk *walk, bool *is_tunnel);
    } rows[] = {
        {PORT_VXLAN, vxlan_open},
        {PORT_VXLAN_LINUX, vxlan_open},
        {PORT_GENEVE, geneve_open},
        {PORT_GTP, gtp_open},
    };
    uint16_t port = walk->out->destination.port;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].port != port || walk->cursor.wire < TUNNEL_BYTES)
            continue;
        *is_tunnel = true;
        if (!cursor_has(&walk->cursor, TUNNEL_BYTES))
            return walk_short(walk, TUNNEL_BYTES);
        return rows[i].open(walk, is_tunnel);
    }
    return LAYER_END;
}
