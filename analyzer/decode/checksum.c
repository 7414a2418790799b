/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Internet checksum (RFC 1071) of a TCP segment or UDP datagram with its pseudo-header. Summed
 * in the machine's byte order, 8 bytes a turn: the one's complement sum is the same in either
 * order but for a swap of its bytes (RFC 1071, 2).
 */
#include <arpa/inet.h>

#include "decode/layers.h"

/* Adds up bytes; both halves of each 8 have room for 2^32 carries. */
static uint64_t sum_bytes(const uint8_t *data, uint32_t bytes)
{
    uint64_t low = 0, high = 0, word;
    uint32_t offset = 0;
    for (; bytes - offset >= sizeof word; offset += sizeof word) {
        memcpy(&word, data + offset, sizeof word);
        low += word & UINT32_MAX;
        high += word >> 32;
    }
    word = 0;
    memcpy(&word, data + offset, bytes - offset); /* an odd last byte is padded with 0 */
    low += word & UINT32_MAX;
    high += word >> 32;
    return (low & UINT32_MAX) + (low >> 32) + (high & UINT32_MAX) + (high >> 32);
}

/* To 16 bits, 0 as 0xffff: the two zeros of one's complement are one. */
static uint16_t sum_fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum != 0 ? (uint16_t)sum : 0xffff;
}

/* Is the field just the pseudo-header's sum? Linux leaves it not complemented
 * (CHECKSUM_PARTIAL), other systems the complement, or the sum without the length where the device
 * cuts the segment. */
static bool sum_is_partial(uint16_t field, uint64_t addresses_and_protocol, uint32_t bytes)
{
    uint16_t sum = sum_fold(addresses_and_protocol + htonl(bytes));
    uint16_t without_length = sum_fold(addresses_and_protocol);
    uint16_t value = sum_fold(field);
    return value == sum || value == sum_fold((uint16_t)~sum) || value == without_length;
}

enum checksum_state checksum_verify(const struct cursor *cursor, uint32_t field_offset,
                                    const struct decoded *out)
{
    if (cursor->left < cursor->wire || !cursor_has(cursor, field_offset + 2))
        return CHECKSUM_UNKNOWN;
    /* The prefix of a mapped IPv4 address is ffff, which adds nothing. */
    uint64_t pseudo = sum_bytes(out->source.address, sizeof out->source.address) +
                      sum_bytes(out->destination.address, sizeof out->destination.address) +
                      htonl(out->protocol);
    uint64_t all = pseudo + htonl(cursor->wire) + sum_bytes(cursor->at, cursor->left);
    if (sum_fold(all) == 0xffff)
        return CHECKSUM_RIGHT;
    uint16_t field;
    cursor_copy(cursor, field_offset, &field, sizeof field);
    return sum_is_partial(field, pseudo, cursor->wire) ? CHECKSUM_PARTIAL : CHECKSUM_WRONG;
}
