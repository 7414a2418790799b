/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Decode, what the headers say: TCP options, lengths made to hurt, fragments, checksums, ICMP
 * errors.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <string.h>

#include "decode/decode.h"
#include "decode_frames.h"

/* ---- TCP options ---- */

#define TCP_OPTIONS_AT (14 + 20 + 20)

/* A segment without payload that has these options, padded with zeros to a multiple of 4. */
static enum decode_status decode_options(const char *hex, uint8_t flags, size_t cut,
                                         struct decoded *out)
{
    static struct frame frame;
    size_t bytes = (strlen(hex) / 2 + 3) / 4 * 4;
    frame.start = ROOM;
    frame_prepend(&frame, bytes - strlen(hex) / 2);
    prepend_hex(&frame, hex);
    uint8_t *tcp = frame_prepend(&frame, 20);
    put16(tcp, 40000);
    put16(tcp + 2, 80);
    tcp[12] = (uint8_t)((20 + bytes) / 4 << 4);
    tcp[13] = flags;
    prepend_word(&frame, "I4:06");
    prepend_word(&frame, "E:0800");
    size_t all = ROOM - frame.start;
    enum decode_status status = decode_cut(1, &frame, cut != 0 ? cut : all, out);
    if (status == DECODE_OK)
        assert_int_equal(out->payload_bytes, 0);
    return status;
}

static void test_syn_options(void **state)
{
    (void)state;
    struct decoded out;
    const char *syn = "020405b40402080a00000001000000020103030e";
    assert_int_equal(decode_options(syn, TCP_SYN, 0, &out), DECODE_OK);
    assert_int_equal(out.mss, 1460);
    assert_true(out.sack_permitted && (out.flags & PACKET_TIMESTAMPS) && out.has_window_scale);
    assert_int_equal(out.tsval, 1);
    assert_int_equal(out.tsecr, 2);
    assert_int_equal(out.window_scale, 14);
    /* RFC 7323, 2.3: 14 at most. */
    assert_int_equal(decode_options("0303ff00", TCP_SYN, 0, &out), DECODE_OK);
    assert_int_equal(out.window_scale, 14);
    /* Only a SYN negotiates. */
    assert_int_equal(decode_options(syn, TCP_ACK, 0, &out), DECODE_OK);
    assert_true(out.mss == 0 && !out.sack_permitted && !out.has_window_scale);
    assert_true(out.flags & PACKET_TIMESTAMPS);
}

static void test_sack_options(void **state)
{
    (void)state;
    struct decoded out;
    const char *sack = "0101080a0000000100000002"
                       "0101051a000000010000000200000003000000040000000500000006";
    assert_int_equal(decode_options(sack, TCP_ACK, 0, &out), DECODE_OK);
    assert_int_equal(out.sack_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(out.sack[i][0], 2 * i + 1);
        assert_int_equal(out.sack[i][1], 2 * i + 2);
    }
    const char *four = "0522000000010000000200000003000000040000000500000006000000070000000800";
    assert_int_equal(decode_options(four, TCP_ACK, 0, &out), DECODE_OK);
    assert_int_equal(out.sack_count, 4);
    assert_int_equal(out.sack[3][1], 8);
}

/* A short snap length cuts the options: whole blocks and options stay, halves do not count. */
static void test_cut_options(void **state)
{
    (void)state;
    struct decoded out;
    const char *options = "0101080a0000000100000002"
                          "0101051a000000010000000200000003000000040000000500000006";
    for (size_t kept = 0; kept < 40; kept++) {
        assert_int_equal(decode_options(options, TCP_ACK, TCP_OPTIONS_AT + kept, &out), DECODE_OK);
        assert_int_equal((out.flags & PACKET_TIMESTAMPS) != 0, kept >= 12);
        assert_int_equal(out.sack_count, kept < 16 ? 0 : (kept - 16) / 8);
        assert_int_equal(out.checksum, CHECKSUM_UNKNOWN);
    }
    /* Ports, numbers and flags are 14 bytes; a window behind them may be cut, and is open then. */
    for (size_t cut = 5; cut <= 6; cut++) {
        assert_int_equal(decode_options(options, TCP_ACK, TCP_OPTIONS_AT - cut, &out), DECODE_OK);
        assert_int_equal(out.window, UINT16_MAX);
    }
    assert_int_equal(decode_options(options, TCP_ACK, TCP_OPTIONS_AT - 7, &out), DECODE_TRUNCATED);
}

static void test_bad_options(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0800000000000000",         /* length 0: must end */
        "0801080a00000001",         /* length 1 */
        "08ff000000010000",         /* beyond the header */
        "0000080a0000000100000002", /* behind the end */
        "0809000000000000",         /* another length than a time stamp has */
        "05ff000000010000",
        "05ff00000001000000020000", /* a block, in an option beyond the header */
        "0501000000010000",
        "0504000000010000", /* half a block */
        "02",
        "05",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct decoded out;
        assert_int_equal(decode_options(bad[i], TCP_SYN, 0, &out), DECODE_OK);
        assert_false(out.flags & PACKET_TIMESTAMPS);
        assert_int_equal(out.sack_count, 0);
        assert_int_equal(out.mss, 0);
    }
}

/* ---- lengths ---- */

/* Changes one byte of a frame of the known segment; at 14 the IP, at 34 the TCP header begins. */
static enum decode_status decode_changed(const char *text, size_t at, uint8_t high, uint8_t low,
                                         struct decoded *out)
{
    static struct frame frame;
    frame_build(&frame, text);
    frame.room[frame.start + at] = high;
    frame.room[frame.start + at + 1] = low;
    return decode_whole(1, &frame, out);
}

static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at;
        uint8_t high, low;
        enum decode_status status;
        uint32_t payload_bytes;
    } rows[] = {
        {"E:0800 I4:06 T", 16, 0, 0, DECODE_OK, PAYLOAD_BYTES},       /* offload */
        {"E:0800 I4:06 T", 16, 0, 153, DECODE_OK, PAYLOAD_BYTES + 1}, /* cut by a tool */
        {"E:0800 I4:06 T", 16, 0, 151, DECODE_OK, PAYLOAD_BYTES - 1},
        {"E:0800 I4:06 9c4000500000000100000001501000ff00000000 000000000000", 16, 0, 40, DECODE_OK,
         0}, /* padded by Ethernet */
        {"E:0800 I4:06 T", 16, 0, 19, DECODE_MALFORMED, 0},
        {"E:0800 I4:06 T", 16, 0, 51, DECODE_MALFORMED, 0}, /* within the TCP header */
        {"E:0800 I4:06 T", 14, 0x44, 0, DECODE_MALFORMED, 0},
        {"E:0800 I4:06 T", 14, 0x55, 0, DECODE_MALFORMED, 0},
        {"E:0800 I4:06 T", 46, 0x40, 0x10, DECODE_MALFORMED, 0},
        {"E:0800 I4:06 T", 46, 0x50, 0x10, DECODE_OK, PAYLOAD_BYTES + 12},
        {"E:86dd I6:06 T", 18, 0, 0, DECODE_OK, PAYLOAD_BYTES}, /* offload */
        {"E:86dd I6:06 T", 18, 0, 133, DECODE_OK, PAYLOAD_BYTES + 1},
        {"E:86dd I6:06 T", 18, 0, 131, DECODE_OK, PAYLOAD_BYTES - 1},
        {"E:0800 I4:11 U:35 00112233", 38, 0, 12, DECODE_OK, 4},
        {"E:0800 I4:11 U:35 00112233", 38, 0, 10, DECODE_OK, 2},
        {"E:0800 I4:11 U:35 00112233", 38, 0, 13, DECODE_MALFORMED, 0},
        {"E:0800 I4:11 U:35 00112233", 38, 0, 7, DECODE_MALFORMED, 0},
        {"E:0800 I4:11 U:35 00112233", 38, 0, 0, DECODE_MALFORMED, 0},
        {"E:86dd I6:00 0600c20400000086 T", 18, 0, 0, DECODE_OK, PAYLOAD_BYTES - 6}, /* jumbo */
        {"E:86dd I6:00 0600c2040000008c T", 18, 0, 0, DECODE_OK, PAYLOAD_BYTES},
        {"E:86dd I6:00 0600c2040000008b T", 18, 0, 0, DECODE_OK, PAYLOAD_BYTES - 1},
        {"E:86dd I6:00 0600c2040000008d T", 18, 0, 0, DECODE_OK, PAYLOAD_BYTES + 1},
        {"E:86dd I6:00 060001040000008d T", 54, 6, 0xff, DECODE_MALFORMED, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct decoded out;
        memset(&out, 0xa5, sizeof out);
        enum decode_status status =
            decode_changed(rows[i].text, rows[i].at, rows[i].high, rows[i].low, &out);
        if (status != rows[i].status)
            fail_msg("row %zu: status %d", i, (int)status);
        if (status == DECODE_OK && out.payload_bytes != rows[i].payload_bytes)
            fail_msg("row %zu: %u bytes", i, out.payload_bytes);
        if (status == DECODE_OK && (out.window == 0) != (out.protocol == 17))
            fail_msg("row %zu: a window of %u", i, out.window);
    }
}

static void test_forged_wire_length(void **state)
{
    (void)state;
    static struct frame frame;
    struct decoded out;
    frame_build(&frame, "E:0800 I4:06 T");
    put16(frame.room + frame.start + 16, 0);
    const uint8_t *data = guarded(frame.room + frame.start, 166);
    assert_int_equal(decode_frame(1, data, 166, UINT32_MAX, false, &out), DECODE_MALFORMED);
    assert_int_equal(decode_frame(1, data, 166, 14 + 52 + 500000, false, &out), DECODE_OK);
    assert_int_equal(out.payload_bytes, 500000);
    assert_int_equal(out.payload_captured_bytes, 100);
    /* A wire length below what was captured does not take captured bytes away. */
    assert_int_equal(decode_frame(1, data, 166, 0, false, &out), DECODE_OK);
    assert_int_equal(out.payload_bytes, 100);
}

static void test_fragments(void **state)
{
    (void)state;
    struct decoded out;
    assert_int_equal(decode_changed("E:0800 I4:06 T", 20, 0x20, 0, &out), DECODE_OK);
    assert_true(out.first_fragment);
    assert_int_equal(out.payload_bytes, PAYLOAD_BYTES);
    assert_int_equal(out.checksum, CHECKSUM_UNKNOWN);
    assert_int_equal(decode_changed("E:0800 I4:06 T", 20, 0x20, 1, &out), DECODE_FRAGMENT);
    assert_int_equal(decode_changed("E:0800 I4:06 T", 20, 0x00, 1, &out), DECODE_FRAGMENT);
    assert_int_equal(decode_text(1, "E:86dd I6:2c 0600000100000001 T", &out), DECODE_OK);
    assert_true(out.first_fragment);
    assert_int_equal(decode_text(1, "E:86dd I6:2c 0600000800000001 T", &out), DECODE_FRAGMENT);
    assert_int_equal(out.protocol, 6);
    assert_int_equal(out.fragment_id, 1);
    assert_int_equal(out.fragment_offset_bytes, 8);
    /* The rest of a datagram follows in other fragments; so does that of a tunnelled packet. */
    assert_int_equal(decode_text(1, "E:86dd I6:2c 1100000100000001 9c40003501000000 aabb", &out),
                     DECODE_OK);
    assert_int_equal(out.payload_bytes, 0x100 - 8); /* as its own header says */
    assert_int_equal(out.payload_captured_bytes, 2);
    assert_int_equal(decode_changed("E:0800 I4:04 I4:06 T", 20, 0x20, 0, &out), DECODE_OK);
    assert_known("IP in IP, fragmented", &out);
    assert_int_equal(decode_changed("E:0800 I4:04 4500800000004000 3d060000 0a0000010a000002 T", 20,
                                    0x20, 0, &out),
                     DECODE_OK);
    assert_int_equal(out.payload_bytes, 0x8000 - 52);
    assert_int_equal(out.payload_captured_bytes, PAYLOAD_BYTES);
}

/* ---- checksums ---- */

static void test_checksums(void **state)
{
    (void)state;
    static struct frame frame;
    struct decoded out;
    static const char *const texts[] = {"E:0800 I4:06 T", "E:86dd I6:06 T",
                                        "E:0800 I4:11 U:35 001122", "E:86dd I6:11 U:35 001122"};
    static const size_t fields[] = {14 + 20 + 16, 14 + 40 + 16, 14 + 20 + 6, 14 + 40 + 6};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        frame_build(&frame, texts[i]);
        uint8_t *field = frame.room + frame.start + fields[i];
        bool six = strstr(texts[i], "I6") != NULL;
        const uint8_t *addresses = frame.room + frame.start + 14 + (six ? 8 : 12);
        uint32_t transport = (uint32_t)(ROOM - frame.start) - 14 - (six ? 40 : 20);
        uint32_t protocol = strstr(texts[i], "U:") != NULL ? 17 : 6;
        uint32_t partial = plain_sum(addresses, six ? 32 : 8, protocol + transport);
        decode_whole(1, &frame, &out);
        assert_int_equal(out.checksum, CHECKSUM_RIGHT);
        frame.room[ROOM - 1] ^= 1;
        decode_whole(1, &frame, &out);
        assert_int_equal(out.checksum, CHECKSUM_WRONG);
        put16(field, partial);
        decode_whole(1, &frame, &out);
        assert_int_equal(out.checksum, CHECKSUM_PARTIAL);
        put16(field, ~partial & 0xffff);
        decode_whole(1, &frame, &out);
        assert_int_equal(out.checksum, CHECKSUM_PARTIAL);
        put16(field, plain_sum(addresses, six ? 32 : 8, protocol));
        decode_whole(1, &frame, &out);
        assert_int_equal(out.checksum, CHECKSUM_PARTIAL);
        put16(field, partial + 1);
        decode_whole(1, &frame, &out);
        assert_int_equal(out.checksum, CHECKSUM_WRONG);
        decode_cut(1, &frame, ROOM - frame.start - 1, &out);
        assert_int_equal(out.checksum, CHECKSUM_UNKNOWN);
        decode_frame(1, frame.room + frame.start, (uint32_t)(ROOM - frame.start),
                     (uint32_t)(ROOM - frame.start), false, &out);
        assert_int_equal(out.checksum, CHECKSUM_UNKNOWN);
    }
    assert_int_equal(decode_changed("E:0800 I4:11 U:35 001122", 40, 0, 0, &out), DECODE_OK);
    assert_int_equal(out.checksum, CHECKSUM_UNKNOWN);
}

/* Every length and alignment of a segment, against the plain sum. */
static void test_checksum_lengths(void **state)
{
    (void)state;
    static struct frame frame;
    for (size_t bytes = 0; bytes < 80; bytes++) {
        struct decoded out;
        frame.start = ROOM;
        memset(frame_prepend(&frame, bytes), 0xfe, bytes);
        prepend_word(&frame, "U:35");
        prepend_word(&frame, "I4:11");
        prepend_word(&frame, "E:0800");
        assert_int_equal(decode_whole(1, &frame, &out), DECODE_OK);
        assert_int_equal(out.checksum, CHECKSUM_RIGHT);
        assert_int_equal(out.payload_bytes, bytes);
    }
}

/* ---- ICMP ---- */

#define QUOTED "450005dc123440003f060000c0000201c6336401 9c400050 01020304"

static void test_icmp_too_big(void **state)
{
    (void)state;
    struct decoded out;
    char text[WH_ENDPOINT_MAX];
    assert_int_equal(decode_text(1, "E:0800 I4:01 0304000000000578 " QUOTED, &out), DECODE_OK);
    assert_int_equal(out.protocol, 1);
    assert_int_equal(out.source.port, 0);
    assert_int_equal(out.destination.port, 0);
    assert_true(out.quote.too_big);
    assert_int_equal(out.quote.mtu, 1400);
    assert_int_equal(out.quote.seq, 0x01020304);
    assert_int_equal(out.quote.ip_bytes, 1500);
    assert_int_equal(out.quote.protocol, 6);
    assert_string_equal(decode_endpoint_text(&out.quote.source, text, sizeof text),
                        "192.0.2.1:40000");
    assert_string_equal(decode_endpoint_text(&out.quote.destination, text, sizeof text),
                        "198.51.100.1:80");
    assert_string_equal(decode_endpoint_text(&out.source, text, sizeof text), "10.0.0.1:0");
    assert_int_equal(decode_text(1, "E:86dd I6:3a 0200000000000500 I6:06 T", &out), DECODE_OK);
    assert_true(out.quote.too_big);
    assert_int_equal(out.quote.mtu, 1280);
    assert_int_equal(out.quote.ip_bytes, 40 + TCP_HEADER + PAYLOAD_BYTES);
    assert_int_equal(out.quote.seq, SEQ);
    assert_string_equal(decode_endpoint_text(&out.quote.source, text, sizeof text),
                        "[2001:db8::1]:40000");
}

static void test_icmp_others(void **state)
{
    (void)state;
    struct decoded out;
    assert_int_equal(decode_text(1, "E:0800 I4:01 0303000000000578 I4:11 U:35", &out), DECODE_OK);
    assert_false(out.quote.too_big);
    assert_int_equal(out.quote.mtu, 0);
    assert_int_equal(out.quote.seq, 0);
    assert_int_equal(out.quote.protocol, 17);
    assert_int_equal(out.quote.destination.port, 53);
    assert_int_equal(decode_text(1, "E:0800 I4:01 0b00000000000000 I4:01 0800000000010001", &out),
                     DECODE_UNSUPPORTED);
    /* A quote's own length is not bounded by the message, but must be one. */
    assert_int_equal(decode_text(1, "E:0800 I4:01 0300000000000000 45", &out), DECODE_MALFORMED);
    assert_int_equal(decode_text(1, "E:0800 I4:01 0300000000000000 00000000", &out),
                     DECODE_MALFORMED);
    /* A later fragment's bytes are no ports. */
    assert_int_equal(decode_text(1,
                                 "E:0800 I4:01 0304000000000578 "
                                 "450005dc123420b93f060000c0000201c6336401 9c400050 01020304",
                                 &out),
                     DECODE_UNSUPPORTED);
    /* ICMPv6 in IPv4 is neither. */
    assert_int_equal(decode_text(1, "E:0800 I4:3a 0200000000000500 I6:06 T", &out),
                     DECODE_UNSUPPORTED);
}

static void test_icmp_cuts(void **state)
{
    (void)state;
    static struct frame frame;
    frame_build(&frame, "E:0800 I4:01 0304000000000578 " QUOTED);
    for (size_t caplen = 0; caplen < ROOM - frame.start; caplen++) {
        struct decoded out;
        assert_int_equal(decode_cut(1, &frame, caplen, &out), DECODE_TRUNCATED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syn_options),      cmocka_unit_test(test_sack_options),
        cmocka_unit_test(test_cut_options),      cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_lengths),          cmocka_unit_test(test_forged_wire_length),
        cmocka_unit_test(test_fragments),        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_checksum_lengths), cmocka_unit_test(test_icmp_too_big),
        cmocka_unit_test(test_icmp_others),      cmocka_unit_test(test_icmp_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
