/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers out of a file's bytes, in the byte order the file has. The caller has checked that the
 * bytes are there. */
#ifndef WHICHHOP_READ_BYTES_H
#define WHICHHOP_READ_BYTES_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define IS_BIG_ENDIAN_HOST (__BYTE_ORDER == __BIG_ENDIAN)

/* `swapped`: the file's byte order is not this machine's. */
static inline uint16_t bytes_16(const uint8_t *at, bool swapped)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap16(value) : value;
}

static inline uint32_t bytes_32(const uint8_t *at, bool swapped)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap32(value) : value;
}

static inline uint64_t bytes_64(const uint8_t *at, bool swapped)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return swapped ? __builtin_bswap64(value) : value;
}

#endif
