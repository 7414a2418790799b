/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames for the tests of decode, laid against an unreadable page, so that one byte too far is a
 * fault. Include after cmocka.h.
 *
 * A frame is written as words, outer header first: hexadecimal bytes, or
 *     E:TYPE     Ethernet with an EtherType
 *     I4:PROTO   IPv4 with lengths and, around TCP or UDP, the checksum filled in
 *     I6:PROTO   the same for IPv6
 *     U:PORT     UDP to that port (hexadecimal, like all numbers here)
 *     T          the known TCP segment
 */
#ifndef WHICHHOP_TESTS_DECODE_FRAMES_H
#define WHICHHOP_TESTS_DECODE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "decode/decode.h"

#define ROOM          4096u
#define TCP_HEADER    32u
#define PAYLOAD_BYTES 100u
#define SEQ           0xfffffff0u
#define ACK           0x01020304u
#define TSVAL         0xa1a2a3a4u
#define TSECR         0xb1b2b3b4u

/* Built from its end to its beginning. */
struct frame {
    uint8_t room[ROOM];
    size_t start;
};

static uint8_t *frame_prepend(struct frame *frame, size_t bytes)
{
    assert_true(bytes <= frame->start);
    frame->start -= bytes;
    memset(frame->room + frame->start, 0, bytes);
    return frame->room + frame->start;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

/* RFC 1071 as plainly as it can be said. */
static inline uint32_t plain_sum(const uint8_t *at, size_t bytes, uint32_t sum)
{
    for (size_t i = 0; i < bytes; i++)
        sum += (i & 1) != 0 ? at[i] : (uint32_t)at[i] << 8;
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void set_checksum(uint8_t *segment, size_t bytes, uint8_t protocol, const uint8_t *addresses,
                         size_t address_bytes)
{
    size_t field = protocol == 6 ? 16 : 6;
    if ((protocol != 6 && protocol != 17) || bytes < field + 2)
        return;
    uint32_t sum = plain_sum(addresses, address_bytes, protocol + (uint32_t)bytes);
    sum = plain_sum(segment, bytes, sum);
    put16(segment + field, sum == 0xffff ? 0xffff : ~sum & 0xffff);
}

static void prepend_ipv4(struct frame *frame, uint8_t protocol)
{
    size_t bytes = ROOM - frame->start;
    uint8_t *ip = frame_prepend(frame, 20);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)bytes + 20);
    put16(ip + 4, 0x1234);
    put16(ip + 6, 0x4000);
    ip[8] = 61;
    ip[9] = protocol;
    put32(ip + 12, 0x0a000001);
    put32(ip + 16, 0x0a000002);
    set_checksum(ip + 20, bytes, protocol, ip + 12, 8);
}

static void prepend_ipv6(struct frame *frame, uint8_t protocol)
{
    size_t bytes = ROOM - frame->start;
    uint8_t *ip = frame_prepend(frame, 40);
    ip[0] = 0x60;
    put16(ip + 4, (uint32_t)bytes);
    ip[6] = protocol;
    ip[7] = 61;
    put32(ip + 8, 0x20010db8);
    ip[23] = 1;
    put32(ip + 24, 0x20010db8);
    ip[39] = 2;
    set_checksum(ip + 40, bytes, protocol, ip + 8, 32);
}

static void prepend_udp(struct frame *frame, uint16_t port)
{
    size_t bytes = ROOM - frame->start + 8;
    uint8_t *udp = frame_prepend(frame, 8);
    put16(udp, 40000);
    put16(udp + 2, port);
    put16(udp + 4, (uint32_t)bytes);
}

static void prepend_tcp(struct frame *frame)
{
    uint8_t *tcp = frame_prepend(frame, TCP_HEADER + PAYLOAD_BYTES);
    put16(tcp, 40000);
    put16(tcp + 2, 80);
    put32(tcp + 4, SEQ);
    put32(tcp + 8, ACK);
    put16(tcp + 12, 0x80d8); /* 32 bytes; ECE and CWR set, PSH, ACK */
    put16(tcp + 14, 501);
    put32(tcp + 20, 0x0101080a);
    put32(tcp + 24, TSVAL);
    put32(tcp + 28, TSECR);
    for (unsigned i = 0; i < PAYLOAD_BYTES; i++)
        tcp[TCP_HEADER + i] = (uint8_t)(i * 7);
}

static void prepend_hex(struct frame *frame, const char *hex)
{
    size_t bytes = strlen(hex) / 2;
    assert_int_equal(strlen(hex) % 2, 0);
    uint8_t *at = frame_prepend(frame, bytes);
    for (size_t i = 0; i < bytes; i++) {
        unsigned value;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
        at[i] = (uint8_t)value;
    }
}

static void prepend_word(struct frame *frame, const char *word)
{
    const char *colon = strchr(word, ':');
    unsigned long number = colon != NULL ? strtoul(colon + 1, NULL, 16) : 0;
    if (strcmp(word, "T") == 0) {
        prepend_tcp(frame);
    } else if (strncmp(word, "I4:", 3) == 0) {
        prepend_ipv4(frame, (uint8_t)number);
    } else if (strncmp(word, "I6:", 3) == 0) {
        prepend_ipv6(frame, (uint8_t)number);
    } else if (strncmp(word, "U:", 2) == 0) {
        prepend_udp(frame, (uint16_t)number);
    } else if (strncmp(word, "E:", 2) == 0) {
        put16(frame_prepend(frame, 2), (uint32_t)number);
        prepend_hex(frame, "020000000001020000000002");
    } else {
        assert_null(colon);
        prepend_hex(frame, word);
    }
}

static void frame_build(struct frame *frame, const char *text)
{
    char words[1024];
    frame->start = ROOM;
    assert_true((size_t)snprintf(words, sizeof words, "%s", text) < sizeof words);
    for (char *space; (space = strrchr(words, ' ')) != NULL; *space = '\0')
        prepend_word(frame, space + 1);
    prepend_word(frame, words);
}

/* `caplen` bytes with an unreadable page behind them. */
static inline const uint8_t *guarded(const uint8_t *data, size_t caplen)
{
    static uint8_t *pages;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t half = (ROOM + page - 1) / page * page;
    if (pages == NULL) {
        pages = mmap(NULL, 2 * half, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(pages, MAP_FAILED);
        assert_int_equal(mprotect(pages + half, half, PROT_NONE), 0);
    }
    assert_true(caplen <= half);
    memcpy(pages + half - caplen, data, caplen);
    return pages + half - caplen;
}

static inline enum decode_status decode_cut(uint16_t dlt, const struct frame *frame, size_t caplen,
                                            struct decoded *out)
{
    memset(out, 0xa5, sizeof *out);
    return decode_frame(dlt, guarded(frame->room + frame->start, caplen), (uint32_t)caplen,
                        (uint32_t)(ROOM - frame->start), true, out);
}

static inline enum decode_status decode_whole(uint16_t dlt, const struct frame *frame,
                                              struct decoded *out)
{
    return decode_cut(dlt, frame, ROOM - frame->start, out);
}

static inline enum decode_status decode_text(uint16_t dlt, const char *text, struct decoded *out)
{
    static struct frame frame;
    frame_build(&frame, text);
    return decode_whole(dlt, &frame, out);
}

static inline void assert_known(const char *name, const struct decoded *out)
{
    if (out->source.port != 40000 || out->destination.port != 80 || out->seq != SEQ ||
        out->ack != ACK || (out->flags & TCP_FLAGS) != (TCP_PSH | TCP_ACK) ||
        (out->window != 501 && out->window != UINT16_MAX /* cut off */) ||
        out->payload_bytes != PAYLOAD_BYTES || out->ttl != 61 || out->protocol != 6 ||
        out->first_fragment || out->mss != 0 || out->sack_count != 0)
        fail_msg("%s: another packet", name);
}

#endif
