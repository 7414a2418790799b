/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IEEE 802.11 data frames in the clear, one packet a frame, behind the headers that capturing
 * adds: radiotap (radiotap.org), Prism, AVS.
 */
#include "decode/layers.h"

#define RADIOTAP_BYTES  8u
#define RADIOTAP_TSFT   1u
#define RADIOTAP_FLAGS  2u
#define RADIOTAP_MORE   0x80000000u
#define RADIOTAP_PADDED 0x20u
#define PRISM_BYTES     144u
#define WLAN_BYTES      24u

/* The frame control field. */
#define WLAN_VERSION       0x0003u
#define WLAN_TYPE          0x000cu
#define WLAN_DATA          0x0008u
#define WLAN_EMPTY         0x0040u
#define WLAN_QOS           0x0080u
#define WLAN_BOTH_DS       0x0300u
#define WLAN_MORE          0x0400u
#define WLAN_PROTECTED     0x4000u
#define WLAN_ORDER         0x8000u
#define WLAN_QOS_AGGREGATE 0x80u

/* The flags field, 0 when there is none. It comes behind all words of the presence map, and behind
 * the 8-byte time when that is there. */
static uint8_t radiotap_flags(const struct cursor *cursor, uint32_t header_bytes)
{
    uint32_t present = cursor_u32_le(cursor, 4);
    uint32_t word = present;
    uint32_t offset = RADIOTAP_BYTES;
    while ((word & RADIOTAP_MORE) != 0 && offset + 4 <= header_bytes) {
        word = cursor_u32_le(cursor, offset);
        offset += 4;
    }
    if ((present & RADIOTAP_TSFT) != 0)
        offset = ((offset + 7u) & ~7u) + 8u;
    if ((present & RADIOTAP_FLAGS) == 0 || offset >= header_bytes)
        return 0;
    return cursor_u8(cursor, offset);
}

enum layer decode_radiotap(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, RADIOTAP_BYTES))
        return walk_short(walk, RADIOTAP_BYTES);
    uint32_t bytes = cursor_u16_le(&walk->cursor, 2);
    if (bytes < RADIOTAP_BYTES)
        return walk_end(walk, DECODE_MALFORMED);
    if (!cursor_has(&walk->cursor, bytes))
        return walk_short(walk, bytes);
    walk->wlan_padded = (radiotap_flags(&walk->cursor, bytes) & RADIOTAP_PADDED) != 0;
    cursor_skip(&walk->cursor, bytes);
    return LAYER_WLAN;
}

/* A Prism header, or an AVS header, which begins with a magic number and its length. */
enum layer decode_prism(struct walk *walk)
{
    if (!cursor_has(&walk->cursor, 8))
        return walk_short(walk, 8);
    bool avs = (cursor_u32(&walk->cursor, 0) & 0xfffff000u) == 0x80211000u;
    uint32_t bytes = avs ? cursor_u32(&walk->cursor, 4) : PRISM_BYTES;
    if (!cursor_has(&walk->cursor, bytes))
        return walk_short(walk, bytes);
    cursor_skip(&walk->cursor, bytes);
    return LAYER_WLAN;
}

static uint32_t wlan_header_bytes(uint16_t control, bool padded)
{
    uint32_t bytes = WLAN_BYTES;
    if ((control & WLAN_BOTH_DS) == WLAN_BOTH_DS)
        bytes += 6; /* a fourth address */
    if ((control & WLAN_QOS) != 0)
        bytes += (control & WLAN_ORDER) != 0 ? 6 : 2; /* QoS, and HT control */
    return padded ? (bytes + 3u) & ~3u : bytes;
}

enum layer decode_wlan(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    if (!cursor_has(cursor, 2))
        return walk_short(walk, 2);
    uint16_t control = cursor_u16_le(cursor, 0);
    if ((control & (WLAN_VERSION | WLAN_TYPE | WLAN_EMPTY | WLAN_PROTECTED)) != WLAN_DATA)
        return walk_end(walk, DECODE_UNSUPPORTED);
    uint32_t bytes = wlan_header_bytes(control, walk->wlan_padded);
    if (!cursor_has(cursor, bytes))
        return walk_short(walk, bytes);
    if ((cursor_u16_le(cursor, 22) & 15) != 0)
        return walk_end(walk, DECODE_FRAGMENT);
    uint32_t qos_at = (control & WLAN_BOTH_DS) == WLAN_BOTH_DS ? 30 : 24;
    if ((control & WLAN_QOS) != 0 && (cursor_u8(cursor, qos_at) & WLAN_QOS_AGGREGATE) != 0)
        return walk_end(walk, DECODE_UNSUPPORTED);
    cursor_skip(cursor, bytes);
    if ((control & WLAN_MORE) != 0) /* the rest comes in other frames */
        cursor->wire = UINT16_MAX;
    return LAYER_LLC;
}
