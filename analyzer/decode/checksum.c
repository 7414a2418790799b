/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Internet checksum (RFC 1071) of a TCP segment or UDP datagram with its pseudo-header. Summed
 * in the machine's byte order, 8 bytes at a time: the one's complement sum is the same in either
 * order but for a swap of its bytes (RFC 1071, 2), and the remainder of a division by 0xffff.
 */
#include <arpa/inet.h>

#include "decode/layers.h"

#define BLOCK_BYTES 32u

/* The one's complement sum of 64 bits: the carry goes around. */
static uint64_t sum_add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

static uint64_t sum_word(uint64_t sum, const uint8_t *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return sum_add(sum, word);
}

/* Less than 8 bytes; an odd last one is padded with 0. */
static uint64_t sum_rest(uint64_t sum, const uint8_t *data, uint32_t bytes)
{
    uint32_t four = 0;
    uint16_t two = 0, one = 0;
    if (bytes & 4)
        memcpy(&four, data, sizeof four);
    if (bytes & 2)
        memcpy(&two, data + (bytes & 4), sizeof two);
    if (bytes & 1)
        memcpy(&one, data + (bytes & 6), 1);
    return sum_add(sum, (uint64_t)four + two + one);
}

#if defined __x86_64__ && defined __GNUC__
typedef uint64_t block __attribute__((vector_size(BLOCK_BYTES)));

static bool has_wide(void)
{
    return __builtin_cpu_supports("avx2");
}

/* Four words at once. Their halves are added apart: no carry is lost. */
__attribute__((target("avx2"))) static uint64_t sum_wide(uint64_t sum, const uint8_t *data,
                                                         uint32_t blocks)
{
    block halves = {0}, others = {0};
    for (; blocks > 0; blocks--, data += BLOCK_BYTES) {
        block words;
        memcpy(&words, data, sizeof words);
        halves += words & UINT32_MAX;
        others += words >> 32;
    }
    halves += others;
    for (unsigned i = 0; i < BLOCK_BYTES / sizeof halves[0]; i++)
        sum = sum_add(sum, halves[i]);
    return sum;
}
#else
static bool has_wide(void)
{
    return false;
}

static uint64_t sum_wide(uint64_t sum, const uint8_t *data, uint32_t blocks)
{
    (void)data, (void)blocks;
    return sum;
}
#endif

static uint64_t sum_bytes(uint64_t sum, const uint8_t *data, uint32_t bytes)
{
    if (bytes >= 4 * BLOCK_BYTES && has_wide()) { /* fewer are not worth it */
        sum = sum_wide(sum, data, bytes / BLOCK_BYTES);
        data += bytes / BLOCK_BYTES * BLOCK_BYTES;
        bytes %= BLOCK_BYTES;
    }
    uint64_t other = 0; /* two sums side by side: none waits for the one before */
    for (; bytes >= 16; bytes -= 16, data += 16) {
        sum = sum_word(sum, data);
        other = sum_word(other, data + 8);
    }
    sum = sum_add(sum, other);
    if (bytes >= 8) {
        sum = sum_word(sum, data);
        data += 8;
        bytes -= 8;
    }
    return bytes > 0 ? sum_rest(sum, data, bytes) : sum;
}

/* To 16 bits, 0 as 0xffff: the two zeros of one's complement are one. */
static uint16_t sum_fold(uint64_t sum)
{
    sum %= 0xffff;
    return sum != 0 ? (uint16_t)sum : 0xffff;
}

/* Is the field just the pseudo-header's sum? Linux leaves it not complemented
 * (CHECKSUM_PARTIAL), other systems the complement, or the sum without the length where the device
 * cuts the segment. */
static bool sum_is_partial(uint16_t field, uint64_t addresses_and_protocol, uint32_t bytes)
{
    uint16_t sum = sum_fold(sum_add(addresses_and_protocol, htonl(bytes)));
    uint16_t without_length = sum_fold(addresses_and_protocol);
    uint16_t value = sum_fold(field);
    return value == sum || value == sum_fold((uint16_t)~sum) || value == without_length;
}

enum checksum_state checksum_verify(const uint8_t *segment, uint32_t bytes, uint32_t field_offset,
                                    const struct decoded *out)
{
    /* The prefix of a mapped IPv4 address is ffff, which adds nothing. */
    uint64_t pseudo = htonl(out->protocol);
    pseudo = sum_word(pseudo, out->source.address);
    pseudo = sum_word(pseudo, out->source.address + 8);
    pseudo = sum_word(pseudo, out->destination.address);
    pseudo = sum_word(pseudo, out->destination.address + 8);
    if (sum_bytes(sum_add(pseudo, htonl(bytes)), segment, bytes) % 0xffff == 0)
        return CHECKSUM_RIGHT;
    uint16_t field;
    memcpy(&field, segment + field_offset, sizeof field);
    return sum_is_partial(field, pseudo, bytes) ? CHECKSUM_PARTIAL : CHECKSUM_WRONG;
}
