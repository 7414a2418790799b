/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one way to a frame's bytes. Every getter compares its offset with the bytes that are left
 * and gives 0 beyond them, so that no mistake of a layer reads outside the frame; after a
 * `cursor_has` for the whole header the compiler drops the comparisons.
 */
#ifndef WHICHHOP_DECODE_CURSOR_H
#define WHICHHOP_DECODE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* `left` bytes captured at `at`, which were `wire` bytes as sent; wire >= left. `bounded`: a
 * header's length field says so, and not just the frame's end. */
struct cursor {
    const uint8_t *at;
    uint32_t left;
    uint32_t wire;
    bool bounded;
};

static inline bool cursor_has(const struct cursor *cursor, uint32_t bytes)
{
    return bytes <= cursor->left;
}

/* `offset` is at most a header's length, so offset + 4 does not wrap. */
static inline uint8_t cursor_u8(const struct cursor *cursor, uint32_t offset)
{
    return cursor_has(cursor, offset + 1) ? cursor->at[offset] : 0;
}

static inline uint16_t cursor_u16(const struct cursor *cursor, uint32_t offset)
{
    if (!cursor_has(cursor, offset + 2))
        return 0;
    const uint8_t *at = cursor->at + offset;
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t cursor_u32(const struct cursor *cursor, uint32_t offset)
{
    if (!cursor_has(cursor, offset + 4))
        return 0;
    const uint8_t *at = cursor->at + offset;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Little-endian fields: radiotap, PPI, NFLOG as most hosts write it. */
static inline uint16_t cursor_u16_le(const struct cursor *cursor, uint32_t offset)
{
    return __builtin_bswap16(cursor_u16(cursor, offset));
}

static inline uint32_t cursor_u32_le(const struct cursor *cursor, uint32_t offset)
{
    return __builtin_bswap32(cursor_u32(cursor, offset));
}

/* Copies `bytes` from `offset`; zeros when they are not all there. */
static inline void cursor_copy(const struct cursor *cursor, uint32_t offset, void *to,
                               uint32_t bytes)
{
    if (cursor_has(cursor, offset + bytes))
        memcpy(to, cursor->at + offset, bytes);
    else
        memset(to, 0, bytes);
}

/* Goes forward, at most to the end of what was captured and of what was sent. */
static inline void cursor_skip(struct cursor *cursor, uint32_t bytes)
{
    uint32_t captured = bytes < cursor->left ? bytes : cursor->left;
    cursor->at += captured;
    cursor->left -= captured;
    cursor->wire -= bytes < cursor->wire ? bytes : cursor->wire;
}

/* Cuts what is behind `bytes`: padding, trailers. */
static inline void cursor_bound(struct cursor *cursor, uint32_t bytes)
{
    cursor->bounded = true;
    if (bytes < cursor->wire)
        cursor->wire = bytes;
    if (bytes < cursor->left)
        cursor->left = bytes;
}

#endif
