/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ethernet and what stands between it and IP: VLAN tags (802.1Q, 802.1ad), service tags (802.1ah),
 * LLC and SNAP (802.2), MPLS (RFC 3032, 4385), PPPoE (RFC 2516).
 */
#include "decode/layers.h"

#define LENGTH_MAX    1500u
#define LLC_BYTES     3u
#define SNAP_BYTES    8u
#define LLC_SNAP      0xaaaa03u
#define LLC_IP        0x060603u
#define OUI_ETHERNET  0x000000u
#define OUI_BRIDGED   0x0000f8u /* 802.1H */
#define LABEL_BYTES   4u
#define CONTROL_BYTES 4u
#define PPPOE_BYTES   6u

enum layer layer_of_ethertype(uint16_t type)
{
    switch (type) {
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
        return LAYER_IP;
    case 0x8100: /* 802.1Q */
    case 0x88a8: /* 802.1ad */
    case 0x9100: /* QinQ, before it was a standard */
    case 0x9200:
        return LAYER_VLAN;
    case 0x8847:
    case 0x8848:
        return LAYER_MPLS;
    case 0x8864:
        return LAYER_PPPOE;
    case 0x88e7: /* 802.1ah */
        return LAYER_SERVICE_TAG;
    case 0x880b:
        return LAYER_PPP;
    case 0x6558: /* bridged Ethernet (RFC 1701) */
        return LAYER_ETHERNET;
    case 0x0004: /* Linux's number for an 802.2 frame */
        return LAYER_LLC;
    default:
        return LAYER_END;
    }
}

enum layer walk_type_or_length(struct walk *walk, uint16_t type_or_length)
{
    if (type_or_length > LENGTH_MAX)
        return walk_ethertype(walk, type_or_length);
    return LAYER_LLC; /* IP's own length cuts the padding */
}

enum layer decode_ethernet(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, ETHERNET_BYTES))
        return walk_short(walk, ETHERNET_BYTES);
    uint16_t type = cursor_u16(&walk->cursor, ETHERNET_TYPE);
    cursor_skip(&walk->cursor, ETHERNET_BYTES);
    return walk_type_or_length(walk, type);
}

enum layer decode_vlan(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, 4))
        return walk_short(walk, 4);
    uint16_t vlan = cursor_u16(&walk->cursor, 0) & 0xfff;
    uint16_t type = cursor_u16(&walk->cursor, 2);
    if (vlan != 0) /* 0: a priority, and no VLAN (802.1Q, 9.6) */
        walk_mix(walk, NETWORK_VLAN, vlan);
    cursor_skip(&walk->cursor, 4);
    return walk_type_or_length(walk, type);
}

enum layer decode_service_tag(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, 4))
        return walk_short(walk, 4);
    walk_mix(walk, NETWORK_SERVICE, cursor_u32(&walk->cursor, 0) & 0xffffff);
    cursor_skip(&walk->cursor, 4);
    return LAYER_ETHERNET;
}

enum layer decode_llc(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (!cursor_has(cursor, LLC_BYTES))
        return walk_short(walk, LLC_BYTES);
    uint32_t llc = (uint32_t)cursor_u16(cursor, 0) << 8 | cursor_u8(cursor, 2);
    if (llc == LLC_IP) {
        cursor_skip(cursor, LLC_BYTES);
        return LAYER_IP;
    }
    if (llc != LLC_SNAP)
        return walk_end(walk, DECODE_UNSUPPORTED);
    if (!cursor_has(cursor, SNAP_BYTES))
        return walk_short(walk, SNAP_BYTES);
    uint32_t oui = (uint32_t)cursor_u16(cursor, 3) << 8 | cursor_u8(cursor, 5);
    uint16_t type = cursor_u16(cursor, 6);
    if (oui != OUI_ETHERNET && oui != OUI_BRIDGED)
        return walk_end(walk, DECODE_UNSUPPORTED);
    cursor_skip(cursor, SNAP_BYTES);
    return walk_ethertype(walk, type);
}

/* Do lengths agree with an IP header? A MAC address may begin with 4 or 6, too. */
static bool mpls_carries_ip(const struct cursor *cursor)
{
    uint8_t first = cursor_u8(cursor, 0);
    if (first >> 4 == 4)
        return (first & 15) >= 5 && cursor_u16(cursor, 2) <= cursor->wire;
    return first >> 4 == 6 && cursor_u16(cursor, 4) + 40u <= cursor->wire;
}

/* Nothing in a label says what is below the stack: IP by its version, else Ethernet, behind a
 * control word (its first four bits are 0, RFC 4385, 3) or without. */
static enum layer mpls_guess(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (mpls_carries_ip(cursor))
        return LAYER_IP;
    if (!cursor_has(cursor, CONTROL_BYTES + ETHERNET_BYTES))
        return walk_short(walk, CONTROL_BYTES + ETHERNET_BYTES);
    bool control = cursor_u8(cursor, 0) >> 4 == 0;
    if (control &&
        layer_of_ethertype(cursor_u16(cursor, CONTROL_BYTES + ETHERNET_TYPE)) != LAYER_END) {
        cursor_skip(cursor, CONTROL_BYTES);
        return LAYER_ETHERNET;
    }
    if (layer_of_ethertype(cursor_u16(cursor, ETHERNET_TYPE)) != LAYER_END)
        return LAYER_ETHERNET;
    return walk_end(walk, DECODE_UNSUPPORTED);
}

/* One label. Its number is no part of the network: each direction has labels of its own. */
enum layer decode_mpls(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, LABEL_BYTES))
        return walk_short(walk, LABEL_BYTES);
    bool bottom = (cursor_u8(&walk->cursor, 2) & 1) != 0;
    cursor_skip(&walk->cursor, LABEL_BYTES);
    return bottom ? mpls_guess(walk) : LAYER_MPLS;
}

enum layer decode_pppoe(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (!cursor_has(cursor, PPPOE_BYTES))
        return walk_short(walk, PPPOE_BYTES);
    uint8_t version_and_type = cursor_u8(cursor, 0);
    uint8_t code = cursor_u8(cursor, 1);
    if (version_and_type != 0x11)
        return walk_end(walk, DECODE_MALFORMED);
    if (code != 0) /* discovery */
        return walk_end(walk, DECODE_UNSUPPORTED);
    walk_mix(walk, NETWORK_PPPOE, cursor_u16(cursor, 2));
    cursor_skip(cursor, PPPOE_BYTES);
    return LAYER_PPP;
}
