/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Link types: which layer a frame of a given DLT begins with, and the link headers that are not
 * Ethernet's. Layouts: https://www.tcpdump.org/linktypes.html
 */
#include <pcap/dlt.h>

#include "decode/layers.h"

#define LINKTYPE_RAW         101 /* as files have it; DLT_RAW differs between systems */
#define DLT_RAW_OPENBSD      14
#define LINKTYPE_ATM_RFC1483 100
#define LINKTYPE_ATM_CLIP    106
#define NLPID_IPV4           0xccu
#define NLPID_IPV6           0x8eu
#define NLPID_SNAP           0x80u

/* A link header of fixed length: `bytes` are passed over, then comes `layer`, or, where that is
 * LAYER_END, what the EtherType at `type_at` says. */
struct link_row {
    uint16_t dlt;
    uint8_t bytes;
    uint8_t type_at;
    enum layer layer;
};

static const struct link_row link_rows[] = {
    {DLT_EN10MB, 0, 0, LAYER_ETHERNET},
    {DLT_LINUX_SLL, 16, 14, LAYER_END},
    {DLT_LINUX_SLL2, 20, 0, LAYER_END},
    {LINKTYPE_RAW, 0, 0, LAYER_IP},
    {DLT_RAW, 0, 0, LAYER_IP},
    {DLT_RAW_OPENBSD, 0, 0, LAYER_IP},
    {DLT_IPV4, 0, 0, LAYER_IP},
    {DLT_IPV6, 0, 0, LAYER_IP},
    {DLT_NULL, 0, 0, LAYER_LOOPBACK},
    {DLT_LOOP, 0, 0, LAYER_LOOPBACK},
    {DLT_PPP, 0, 0, LAYER_PPP},
    {DLT_PPP_SERIAL, 0, 0, LAYER_PPP},
    {DLT_PPP_PPPD, 1, 0, LAYER_PPP},
    {DLT_PPP_WITH_DIR, 1, 0, LAYER_PPP},
    {DLT_PPP_ETHER, 0, 0, LAYER_PPPOE},
    {DLT_C_HDLC, 4, 2, LAYER_END},
    {DLT_C_HDLC_WITH_DIR, 5, 3, LAYER_END},
    {DLT_FRELAY, 0, 0, LAYER_FRAME_RELAY},
    {DLT_FRELAY_WITH_DIR, 1, 0, LAYER_FRAME_RELAY},
    {DLT_MPLS, 0, 0, LAYER_MPLS},
    {DLT_SLIP, 16, 0, LAYER_IP},
    {DLT_FDDI, 13, 0, LAYER_LLC},
    {DLT_ATM_RFC1483, 0, 0, LAYER_LLC},
    {LINKTYPE_ATM_RFC1483, 0, 0, LAYER_LLC},
    {DLT_ATM_CLIP, 0, 0, LAYER_LLC},
    {LINKTYPE_ATM_CLIP, 0, 0, LAYER_LLC},
    {DLT_IPOIB, 44, 40, LAYER_END},
    {DLT_IPNET, 24, 0, LAYER_IP},
    {DLT_ENC, 12, 0, LAYER_IP},
    {DLT_NETANALYZER, 4, 0, LAYER_ETHERNET},
    {DLT_PFLOG, 0, 0, LAYER_PFLOG},
    {DLT_NFLOG, 0, 0, LAYER_NFLOG},
    {DLT_PKTAP, 0, 0, LAYER_PKTAP},
    {DLT_PPI, 0, 0, LAYER_PPI},
    {DLT_IEEE802_11, 0, 0, LAYER_WLAN},
    {DLT_IEEE802_11_RADIO, 0, 0, LAYER_RADIOTAP},
    {DLT_IEEE802_11_RADIO_AVS, 0, 0, LAYER_PRISM},
    {DLT_PRISM_HEADER, 0, 0, LAYER_PRISM},
};

enum layer walk_link(struct walk *walk, uint32_t dlt)
{
    const struct link_row *row = link_rows;
    const struct link_row *end = link_rows + sizeof link_rows / sizeof *link_rows;
    while (row < end && row->dlt != dlt)
        row++;
    if (row == end)
        return walk_end(walk, DECODE_UNSUPPORTED);
    if (!cursor_has(&walk->cursor, row->bytes))
        return walk_short(walk, row->bytes);
    uint16_t type = cursor_u16(&walk->cursor, row->type_at);
    cursor_skip(&walk->cursor, row->bytes);
    return row->layer != LAYER_END ? row->layer : walk_ethertype(walk, type);
}

/* The address family, in the byte order of the machine that captured: 2 is IPv4 everywhere, IPv6
 * is 10 (Linux), 23 (Windows), 24, 28 or 30 (the BSDs, macOS). */
enum layer decode_loopback(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, 4))
        return walk_short(walk, 4);
    uint32_t family = cursor_u32(&walk->cursor, 0);
    if (family > UINT16_MAX)
        family = cursor_u32_le(&walk->cursor, 0);
    cursor_skip(&walk->cursor, 4);
    switch (family) {
    case 2:
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
        return LAYER_IP;
    default:
        return walk_end(walk, DECODE_UNSUPPORTED);
    }
}

static enum layer ppp_layer(uint16_t protocol)
{
    switch (protocol) {
    case 0x0021:
    case 0x0057:
        return LAYER_IP;
    case 0x0281:
    case 0x0283:
        return LAYER_MPLS;
    default:
        return LAYER_END;
    }
}

/* RFC 1661, 1662: address and control may be left out, and so may the protocol's upper byte when
 * it is 0. On a serial line the frames may also be Cisco's HDLC. */
enum layer decode_ppp(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (!cursor_has(cursor, 2))
        return walk_short(walk, 2);
    uint8_t address = cursor_u8(cursor, 0);
    if (address == 0x0f || address == 0x8f) {
        uint16_t type = cursor_u16(cursor, 2);
        if (!cursor_has(cursor, 4))
            return walk_short(walk, 4);
        cursor_skip(cursor, 4);
        return walk_ethertype(walk, type);
    }
    if (cursor_u16(cursor, 0) == 0xff03)
        cursor_skip(cursor, 2);
    uint32_t bytes = (cursor_u8(cursor, 0) & 1) != 0 ? 1 : 2;
    if (!cursor_has(cursor, bytes))
        return walk_short(walk, bytes);
    uint16_t protocol = bytes == 1 ? cursor_u8(cursor, 0) : cursor_u16(cursor, 0);
    cursor_skip(cursor, bytes);
    return walk_on(walk, ppp_layer(protocol));
}

/* RFC 2427: address, control 3, perhaps a padding byte, and the NLPID; or Cisco's EtherType. */
enum layer decode_frame_relay(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (!cursor_has(cursor, 4))
        return walk_short(walk, 4);
    cursor_skip(cursor, 2);
    if (cursor_u8(cursor, 0) != 3) {
        uint16_t type = cursor_u16(cursor, 0);
        cursor_skip(cursor, 2);
        return walk_ethertype(walk, type);
    }
    cursor_skip(cursor, cursor_u8(cursor, 1) == 0 ? 2 : 1);
    uint8_t nlpid = cursor_u8(cursor, 0);
    uint32_t bytes = nlpid == NLPID_SNAP ? 6 : 1;
    uint16_t type = cursor_u16(cursor, 4);
    if (!cursor_has(cursor, bytes))
        return walk_short(walk, bytes);
    bool oui_is_ethernet = cursor_u32(cursor, 0) == (uint32_t)NLPID_SNAP << 24;
    cursor_skip(cursor, bytes);
    if (nlpid == NLPID_IPV4 || nlpid == NLPID_IPV6)
        return LAYER_IP;
    if (nlpid == NLPID_SNAP && oui_is_ethernet)
        return walk_ethertype(walk, type);
    return walk_end(walk, DECODE_UNSUPPORTED);
}

/* The header's first byte is its length, without the padding to 4. */
enum layer decode_pflog(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, 1))
        return walk_short(walk, 1);
    uint32_t bytes = (cursor_u8(&walk->cursor, 0) + 3u) & ~3u;
    if (bytes == 0)
        return walk_end(walk, DECODE_MALFORMED);
    if (!cursor_has(&walk->cursor, bytes))
        return walk_short(walk, bytes);
    cursor_skip(&walk->cursor, bytes);
    return LAYER_IP;
}

#define NFLOG_BYTES   4u
#define NFLOG_PAYLOAD 9u

/* Attributes of length and type, padded to 4; the packet is one of them. The logging rule may
 * have cut it, so that its attribute says nothing of its length on the wire. */
enum layer decode_nflog(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (!cursor_has(cursor, NFLOG_BYTES))
        return walk_short(walk, NFLOG_BYTES);
    cursor_skip(cursor, NFLOG_BYTES);
    while (cursor_has(cursor, 4)) {
        uint32_t bytes = cursor_u16_le(cursor, 0);
        uint16_t type = cursor_u16_le(cursor, 2) & 0x7fff;
        if (bytes < 4)
            return walk_end(walk, DECODE_MALFORMED);
        if (type == NFLOG_PAYLOAD) {
            cursor_bound(cursor, bytes);
            cursor_skip(cursor, 4);
            cursor->wire = UINT16_MAX;
            return LAYER_IP;
        }
        cursor_skip(cursor, (bytes + 3u) & ~3u);
    }
    return walk_short(walk, 4);
}

/* Both name a length and a link type for what follows. */
enum layer decode_ppi(struct walk *walk)
{
    uint32_t bytes = cursor_u16_le(&walk->cursor, 2);
    uint32_t dlt = cursor_u32_le(&walk->cursor, 4);
    if (!cursor_has(&walk->cursor, 8))
        return walk_short(walk, 8);
    if (bytes < 8 || !cursor_has(&walk->cursor, bytes))
        return bytes < 8 ? walk_end(walk, DECODE_MALFORMED) : walk_short(walk, bytes);
    cursor_skip(&walk->cursor, bytes);
    return walk_link(walk, dlt);
}

enum layer decode_pktap(struct walk *walk)
{
    uint32_t bytes = cursor_u32_le(&walk->cursor, 0);
    uint32_t dlt = cursor_u32_le(&walk->cursor, 8);
    if (!cursor_has(&walk->cursor, 12))
        return walk_short(walk, 12);
    if (bytes < 12 || !cursor_has(&walk->cursor, bytes))
        return bytes < 12 ? walk_end(walk, DECODE_MALFORMED) : walk_short(walk, bytes);
    cursor_skip(&walk->cursor, bytes);
    return walk_link(walk, dlt);
}
