/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The short way that plain packets take gives what the layers' steps give: every field, every byte
 * of it, for frames of all kinds with every header byte set to every value, cut everywhere, and
 * with many changes at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "decode/layers.h"
#include "decode_frames.h"

#define ETHERNET    1
#define COOKED      113
#define PLAIN_KINDS 5u /* the first ones */

static const struct kind {
    uint16_t dlt;
    const char *text;
} KINDS[] = {
    /* as nearly all are, each in another way */
    {ETHERNET, "E:0800 I4:06 T"},
    {ETHERNET, "E:86dd I6:06 T"},
    /* no options; without payload, and with some */
    {ETHERNET, "E:0800 I4:06 9c400050 00000001 00000002 50101000 00000000"},
    {ETHERNET, "E:86dd I6:06 9c400050 00000001 00000002 50101000 00000000 0102030405"},
    /* stamps alone */
    {ETHERNET,
     "E:0800 I4:06 9c400050 00000001 00000002 80101000 00000000 0101080a 00000003 00000004"},
    {ETHERNET, "E:8100 0003 0800 I4:06 T"},
    {COOKED, "0000000100060200000000010000 86dd I6:06 T"},
    {ETHERNET, "E:0800 I4:11 U:12b5 0800000000000a00 E:0800 I4:06 T"}, /* VXLAN */
    /* other options, cut ones, and a padded frame */
    {ETHERNET, "E:0800 I4:06 9c400050 00000001 00000000 70021000 00000000 020405b4 01030307"},
    {ETHERNET,
     "E:0800 I4:06 9c400050 00000001 00000002 80101000 00000000 0101050a 00000003 00000004"},
    {ETHERNET,
     "E:0800 I4:06 9c400050 00000001 00000002 80101000 00000000 080a0000 00030000 00040101"},
    {ETHERNET,
     "E:0800 45000028123440003d06000a0a0000010a000002 9c400050 00000001 00000002 50101000 00000000 "
     "000000000000"},
    {ETHERNET,
     "E:86dd I6:06 9c400050 00000001 00000002 d0101000 00000000 0101080a 00000003 00000004 "
     "01010512 00000010 00000020 00000030 00000040"},
    {ETHERNET, "E:0800 I4:11 U:0035 00010203"},
    {ETHERNET, "E:0800 I4:06 T 00"},
};

#define KIND_COUNT (sizeof KINDS / sizeof *KINDS)

static unsigned decoded_ok;

/* Decodes both ways, with and without checksums. */
static void assert_same(uint16_t dlt, const uint8_t *data, uint32_t caplen, uint32_t wirelen)
{
    for (unsigned verify = 0; verify < 2; verify++) {
        struct cursor frame = {data, caplen, wirelen > caplen ? wirelen : caplen, false};
        struct decoded steps, out;
        memset(&steps, 0xa5, sizeof steps);
        memset(&out, 0xa5, sizeof out);
        enum decode_status expected = walk_frame(dlt, &frame, verify, false, &steps);
        assert_int_equal(decode_frame(dlt, data, caplen, wirelen, verify, &out), expected);
        assert_memory_equal(&out, &steps, sizeof out);
        decoded_ok += expected == DECODE_OK;
    }
}

static uint32_t noise(uint32_t *state)
{
    *state ^= *state << 13; /* xorshift (Marsaglia 2003) */
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static struct frame frame;

static size_t build(const struct kind *kind)
{
    frame_build(&frame, kind->text);
    return ROOM - frame.start;
}

/* What is meant to be plain is taken for it. */
static void test_kinds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PLAIN_KINDS; i++) {
        build(&KINDS[i]);
        struct cursor packet = {frame.room + frame.start, (uint32_t)(ROOM - frame.start),
                                (uint32_t)(ROOM - frame.start), false};
        struct decoded out;
        cursor_skip(&packet, ETHERNET_BYTES);
        assert_true(plain_read(&packet, true, &out));
        assert_int_equal(out.checksum, CHECKSUM_RIGHT);
    }
}

static void test_each_byte(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KIND_COUNT; i++) {
        size_t bytes = build(&KINDS[i]);
        const uint8_t *data = guarded(frame.room + frame.start, bytes);
        decoded_ok = 0;
        for (size_t byte = 0; byte < bytes && byte < 140; byte++) {
            uint8_t *at = (uint8_t *)data + byte, before = *at;
            for (unsigned value = 0; value < 256; value++) {
                *at = (uint8_t)value;
                assert_same(KINDS[i].dlt, data, (uint32_t)bytes, (uint32_t)bytes);
            }
            *at = before;
        }
        assert_true(decoded_ok > bytes);
    }
}

static void test_each_length(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KIND_COUNT; i++) {
        size_t bytes = build(&KINDS[i]);
        for (size_t caplen = 0; caplen <= bytes; caplen++) {
            const uint8_t *data = guarded(frame.room + frame.start, caplen);
            for (size_t wirelen = 0; wirelen <= bytes + 8; wirelen++)
                assert_same(KINDS[i].dlt, data, (uint32_t)caplen, (uint32_t)wirelen);
        }
    }
}

static void test_noise(void **state)
{
    (void)state;
    uint32_t seed = 88172645u;
    decoded_ok = 0;
    for (unsigned turn = 0; turn < 300000; turn++) {
        const struct kind *kind = &KINDS[noise(&seed) % KIND_COUNT];
        size_t bytes = build(kind), headers = bytes < 80 ? bytes : 80;
        for (unsigned change = noise(&seed) % 5; change > 0; change--) {
            uint8_t *at = frame.room + frame.start + noise(&seed) % headers;
            *at =
                noise(&seed) % 2 ? (uint8_t)noise(&seed) : (uint8_t)(*at ^ 1u << noise(&seed) % 8);
        }
        size_t caplen = noise(&seed) % 3 == 0 ? noise(&seed) % (bytes + 1) : bytes;
        uint32_t wirelen = noise(&seed) % 4 == 0 ? noise(&seed) % 2048 : (uint32_t)bytes;
        assert_same(kind->dlt, guarded(frame.room + frame.start, caplen), (uint32_t)caplen,
                    wirelen);
    }
    assert_true(decoded_ok > 100000);
}

/* A sum in wide pieces is the plain sum, whatever the length. */
static void test_checksums_of_all_lengths(void **state)
{
    (void)state;
    uint32_t seed = 2463534242u;
    for (size_t payload = 0; payload < 1600; payload++) {
        struct decoded out;
        frame.start = ROOM;
        uint8_t *at = frame_prepend(&frame, payload);
        for (size_t i = 0; i < payload; i++)
            at[i] = payload % 3 == 0 ? 0xff : (uint8_t)noise(&seed);
        prepend_hex(&frame, "9c40005000000001000000025010100000000000");
        prepend_word(&frame, payload % 2 ? "I4:06" : "I6:06");
        prepend_word(&frame, payload % 2 ? "E:0800" : "E:86dd");
        assert_int_equal(decode_whole(ETHERNET, &frame, &out), DECODE_OK);
        assert_int_equal(out.checksum, CHECKSUM_RIGHT);
        frame.room[frame.start + 14 + noise(&seed) % 4 + (payload % 2 ? 24 : 44)] ^= 0x10;
        assert_int_equal(decode_whole(ETHERNET, &frame, &out), DECODE_OK);
        assert_int_equal(out.checksum, CHECKSUM_WRONG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_each_byte),
        cmocka_unit_test(test_each_length),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_checksums_of_all_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
