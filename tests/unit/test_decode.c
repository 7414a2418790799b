/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Decode, the way to the transport header: every link type and encapsulation around one known
 * packet, every cut of each of them, networks, random bytes.
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

/* Every way to carry the known segment. */
struct carry {
    const char *name;
    uint16_t dlt;
    bool has_network;
    const char *text;
};

#define V4 "I4:06 T"

static const struct carry carries[] = {
    {"ethernet", 1, false, "E:0800 " V4},
    {"ethernet, IPv6", 1, false, "E:86dd I6:06 T"},
    {"802.1Q", 1, true, "E:8100 00050800 " V4},
    {"802.1Q, priority only", 1, false, "E:8100 e0000800 " V4},
    {"802.1ad", 1, true, "E:88a8 00058100 00060800 " V4},
    {"QinQ 9100", 1, true, "E:9100 00058100 00060800 " V4},
    {"802.1ah", 1, true, "E:88e7 00000007 E:0800 " V4},
    {"LLC/SNAP", 1, false, "E:00a0 aaaa030000000800 " V4},
    {"LLC, IP's own number", 1, false, "E:00a0 060603 " V4},
    {"VLAN, LLC/SNAP", 1, true, "E:8100 000500a0 aaaa030000000800 " V4},
    {"MPLS", 1, false, "E:8847 0001003f 0001013f " V4},
    {"MPLS, IPv6", 1, false, "E:8847 0001013f I6:06 T"},
    {"MPLS, Ethernet", 1, false, "E:8847 0001013f E:0800 " V4},
    {"MPLS, control word", 1, false, "E:8848 0001013f 00000000 E:0800 " V4},
    {"MPLS, MAC like IPv4", 1, false, "E:8847 0001013f 46ffffffffff 020000000002 0800 " V4},
    {"PPPoE", 1, true, "E:8864 1100000100b2 0021 " V4},
    {"PPPoE, short protocol", 1, true, "E:8864 1100000100b1 21 " V4},
    {"cooked", 113, false, "00000001000602000000000100000800 " V4},
    {"cooked, VLAN", 113, true, "00000001000602000000000100008100 00050800 " V4},
    {"cooked, 802.2", 113, false, "00000001000602000000000100000004 aaaa030000000800 " V4},
    {"cooked 2", 276, false, "0800000000000002000100060200000000010000 " V4},
    {"raw 12", 12, false, V4},
    {"raw 14", 14, false, V4},
    {"raw 101", 101, false, "I6:06 T"},
    {"raw IPv4", 228, false, V4},
    {"raw IPv6", 229, false, "I6:06 T"},
    {"loopback, little-endian", 0, false, "02000000 " V4},
    {"loopback, big-endian", 0, false, "0000001e I6:06 T"},
    {"loopback, OpenBSD", 108, false, "00000018 I6:06 T"},
    {"PPP", 9, false, "ff030021 " V4},
    {"PPP, IPv6", 9, false, "0057 I6:06 T"},
    {"PPP serial", 50, false, "ff030021 " V4},
    {"PPP serial, Cisco", 50, false, "0f000800 " V4},
    {"PPP over Ethernet", 51, true, "1100000100b2 0021 " V4},
    {"C-HDLC", 104, false, "0f000800 " V4},
    {"frame relay", 107, false, "184103cc " V4},
    {"frame relay, SNAP", 107, false, "18410300800000000800 " V4},
    {"frame relay, Cisco", 107, false, "18410800 " V4},
    {"ATM", 100, false, "aaaa030000000800 " V4},
    {"NFLOG", 239, false, "02000000 0800010008000300 9c000900 " V4},
    {"PPI", 192, false, "0000080001000000 E:0800 " V4},
    {"pktap", 258, false, "0c00000001000000 01000000 E:0800 " V4},
    {"pflog", 117, false,
     "3d"
     "0000000000000000000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000000000000000000000000000000 " V4},
    {"802.11", 105, false,
     "08010000 020000000001020000000002020000000003 0000 aaaa030000000800 " V4},
    {"802.11, four addresses, QoS", 105, false,
     "88030000 020000000001020000000002020000000003 0000 020000000004 0000 "
     "aaaa030000000800 " V4},
    {"radiotap, padded header", 127, false,
     "0000120003000000 0000000000000000 2000 88010000 "
     "020000000001020000000002020000000003 0000 0000 0000 aaaa030000000800 " V4},
    {"IP in IP", 1, true, "E:0800 I4:04 " V4},
    {"IPv6 in IPv4", 1, true, "E:0800 I4:29 I6:06 T"},
    {"IPv4 in IPv6", 1, true, "E:86dd I6:04 " V4},
    {"GRE", 1, true, "E:0800 I4:2f 00000800 " V4},
    {"GRE, checksum, key, sequence", 1, true,
     "E:0800 I4:2f b0000800 00000000 00000007 00000001 " V4},
    {"GRE, bridged", 1, true, "E:0800 I4:2f 20006558 00000700 E:0800 " V4},
    {"GRE, PPTP", 1, true, "E:0800 I4:2f 3081880b 00b40001 00000001 00000001 ff030021 " V4},
    {"ERSPAN", 1, true, "E:0800 I4:2f 100088be 00000001 1000000000000000 E:0800 " V4},
    {"ERSPAN I", 1, true, "E:0800 I4:2f 000088be E:0800 " V4},
    {"ERSPAN III", 1, true,
     "E:0800 I4:2f 100022eb 00000001 200000000000000000000001 0000000000000000 E:0800 " V4},
    {"VXLAN", 1, true, "E:0800 I4:11 U:12b5 0800000000007b00 E:0800 " V4},
    {"VXLAN, Linux's port, IPv6", 1, true,
     "E:86dd I6:11 U:2118 0800000000007b00 E:8100 00050800 " V4},
    {"Geneve, an option", 1, true, "E:0800 I4:11 U:17c1 0100655800007b00 00000000 E:0800 " V4},
    {"GTP-U", 1, true, "E:0800 I4:11 U:868 30ff009800000001 " V4},
    {"GTP-U, extension", 1, true, "E:0800 I4:11 U:868 34ff00a000000001 00000085 01000900 " V4},
    {"AH", 1, false, "E:0800 I4:33 0604000000000001 00000001 000000000000000000000000 T"},
    {"hop-by-hop, destination options, routing", 1, false,
     "E:86dd I6:00 3c00010400000000 2b00010400000000 0600000000000000 T"},
    {"IPv6, atomic fragment", 1, false, "E:86dd I6:2c 0600000000000001 T"},
};

#define CARRY_COUNT (sizeof carries / sizeof *carries)

static bool has_extension_headers(const struct carry *carry)
{
    return strncmp(carry->name, "AH", 2) == 0 || strstr(carry->text, "I6:00") != NULL ||
           strstr(carry->text, "I6:2c") != NULL;
}

static void test_carries(void **state)
{
    (void)state;
    for (size_t i = 0; i < CARRY_COUNT; i++) {
        const struct carry *carry = &carries[i];
        struct decoded out;
        if (decode_text(carry->dlt, carry->text, &out) != DECODE_OK)
            fail_msg("%s: not decoded", carry->name);
        assert_known(carry->name, &out);
        if (!(out.flags & PACKET_TIMESTAMPS) || out.tsval != TSVAL || out.tsecr != TSECR)
            fail_msg("%s: timestamps", carry->name);
        if (out.payload_captured_bytes != PAYLOAD_BYTES || out.payload[1] != 7)
            fail_msg("%s: payload", carry->name);
        if ((out.network != 0) != carry->has_network)
            fail_msg("%s: network %08x", carry->name, out.network);
        /* The builder makes checksums where TCP follows the IP header at once. NFLOG has no
         * length on the wire. */
        if (!has_extension_headers(carry) && out.checksum != CHECKSUM_RIGHT)
            fail_msg("%s: checksum %d", carry->name, (int)out.checksum);
    }
}

/* Cut at every length: the right answer or none. */
static void test_cuts(void **state)
{
    (void)state;
    static struct frame frame;
    for (size_t i = 0; i < CARRY_COUNT; i++) {
        frame_build(&frame, carries[i].text);
        size_t decoded = 0, bytes = ROOM - frame.start;
        for (size_t caplen = 0; caplen < bytes; caplen++) {
            struct decoded out;
            enum decode_status status = decode_cut(carries[i].dlt, &frame, caplen, &out);
            if (status == DECODE_OK) {
                assert_known(carries[i].name, &out);
                assert_true(out.payload_captured_bytes <= PAYLOAD_BYTES);
                decoded++;
            } else if (status != DECODE_TRUNCATED) {
                fail_msg("%s cut to %zu: status %d", carries[i].name, caplen, (int)status);
            }
        }
        /* Options and payload may be missing, and four bytes of the TCP header. */
        if (decoded < PAYLOAD_BYTES + 16)
            fail_msg("%s: decoded only %zu of its cuts", carries[i].name, decoded);
    }
}

/* A wire length as short as the cut: some tool lost the true one, and the headers are believed. */
static void test_cut_wire(void **state)
{
    (void)state;
    static struct frame frame;
    for (size_t i = 0; i < CARRY_COUNT; i++) {
        frame_build(&frame, carries[i].text);
        for (size_t caplen = 0; caplen < ROOM - frame.start; caplen++) {
            struct decoded out;
            enum decode_status status =
                decode_frame(carries[i].dlt, guarded(frame.room + frame.start, caplen),
                             (uint32_t)caplen, (uint32_t)caplen, true, &out);
            if (status == DECODE_OK && carries[i].dlt != 239)
                assert_known(carries[i].name, &out);
        }
    }
}

static void test_not_followed(void **state)
{
    (void)state;
    struct decoded out;
    static const char *const frames[] = {
        "E:0806 0001",
        "E:88cc 0001",
        "E:0010 424203",
        "E:0800 I4:02 1100",
        "E:0800 I4:32 0011",
        "E:0800 I4:01 0800000000010001",
        "E:86dd I6:3a 8000000000010001",
        "E:86dd I6:3b",
        "E:8863 1109000000000000",
        "E:8864 1109000000000000",
    };
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        if (decode_text(1, frames[i], &out) != DECODE_UNSUPPORTED)
            fail_msg("%s: taken for something else", frames[i]);
    assert_int_equal(decode_text(147, "E:0800 I4:06 T", &out), DECODE_UNSUPPORTED);
}

/* Headers without end: labels, tags, tunnels, extension headers. */
static void test_many_layers(void **state)
{
    (void)state;
    static const struct {
        const char *first, *again;
    } rows[] = {
        {"E:8847", "00010000"},
        {"E:8100", "00058100"},
        {"E:0800", "45000000000000003d0400000a0000010a000002"},
        {"E:86dd I6:00", "0000010400000000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        size_t used = (size_t)snprintf(text, sizeof text, "%s", rows[i].first);
        for (unsigned n = 0; n < 20; n++)
            used += (size_t)snprintf(text + used, sizeof text - used, " %s", rows[i].again);
        assert_true(used < sizeof text);
        struct decoded out;
        assert_int_equal(decode_text(1, text, &out), DECODE_UNSUPPORTED);
    }
}

/* ---- networks ---- */

static uint32_t network_of(const char *text)
{
    struct decoded out;
    assert_int_equal(decode_text(1, text, &out), DECODE_OK);
    return out.network;
}

static void test_networks(void **state)
{
    (void)state;
    /* The way there and the way back, by hand: only the outer addresses change places. */
    uint32_t there =
        network_of("E:0800 45000000000040003d2f0000 c0000201 c6336401 20000800 00000007 " V4);
    uint32_t back =
        network_of("E:0800 45000000000040003d2f0000 c6336401 c0000201 20000800 00000007 " V4);
    uint32_t other =
        network_of("E:0800 45000000000040003d2f0000 c0000201 c6336402 20000800 00000007 " V4);
    uint32_t key =
        network_of("E:0800 45000000000040003d2f0000 c0000201 c6336401 20000800 00000008 " V4);
    assert_int_equal(there, back);
    assert_int_not_equal(there, other);
    assert_int_not_equal(there, key);
    assert_int_not_equal(network_of("E:8100 00050800 " V4), network_of("E:8100 00060800 " V4));
    /* A priority is no network, and one VLAN inside another is not the other way round. */
    assert_int_equal(network_of("E:8100 a0050800 " V4), network_of("E:8100 00050800 " V4));
    assert_int_not_equal(network_of("E:8100 00058100 00060800 " V4),
                         network_of("E:8100 00068100 00050800 " V4));
}

/* A call's number differs by direction (RFC 2637) and parts no networks; nor does a label. */
static void test_numbers_of_one_direction(void **state)
{
    (void)state;
    assert_int_equal(network_of("E:0800 I4:2f 2001880b 00b40001 ff030021 " V4),
                     network_of("E:0800 I4:2f 2001880b 00b40002 ff030021 " V4));
    assert_int_equal(network_of("E:0800 I4:11 U:868 30ff009800000001 " V4),
                     network_of("E:0800 I4:11 U:868 30ff009800000002 " V4));
    assert_int_equal(network_of("E:8847 0001013f " V4), network_of("E:8847 0002013f " V4));
}

/* On its way through a list of addresses a packet goes to the last of them. */
static void test_routes(void **state)
{
    (void)state;
    static const char *const routes[] = {
        /* types 0, 2, 4 */
        "E:86dd I6:2b 0602000100000000 20010db8000000000000000000000009 T",
        "E:86dd I6:2b 0602020100000000 20010db8000000000000000000000009 T",
        ("E:86dd I6:2b 0604040100000000 20010db8000000000000000000000009 "
         "20010db8000000000000000000000007 T"),
    };
    struct decoded out;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        assert_int_equal(decode_text(1, routes[i], &out), DECODE_OK);
        assert_int_equal(out.destination.address[15], 9);
    }
    assert_int_equal(
        decode_text(1, "E:86dd I6:2b 0602000000000000 20010db8000000000000000000000009 T", &out),
        DECODE_OK);
    assert_int_equal(out.destination.address[15], 2);
    /* IPv4: what the checksum covers stands in the option; nothing is said about it. */
    assert_int_equal(decode_text(1,
                                 "E:0800 4700000000004000 3d060000 0a0000010a000002 "
                                 "830704c0000209 00 T",
                                 &out),
                     DECODE_OK);
    assert_int_equal(out.checksum, CHECKSUM_UNKNOWN);
    assert_int_equal(out.payload_bytes, PAYLOAD_BYTES);
    assert_int_equal(decode_text(1,
                                 "E:0800 4700000000004000 3d060000 0a0000010a000002 "
                                 "0101010101010101 T",
                                 &out),
                     DECODE_OK);
    assert_int_equal(out.checksum, CHECKSUM_WRONG);
}

/* ---- packets cut on purpose ---- */

#define WLAN_ADDRESSES "020000000001020000000002020000000003"

static void test_wlan_fragments(void **state)
{
    (void)state;
    struct decoded out;
    const char *rest = " aaaa030000000800 45008000000040003d0600000a0000010a000002 T";
    char text[512];
    snprintf(text, sizeof text, "08050000 " WLAN_ADDRESSES " 1000%s", rest);
    assert_int_equal(decode_text(105, text, &out), DECODE_OK);
    assert_int_equal(out.payload_bytes, 0x8000 - 52);
    snprintf(text, sizeof text, "08010000 " WLAN_ADDRESSES " 1100%s", rest);
    assert_int_equal(decode_text(105, text, &out), DECODE_FRAGMENT);
    assert_int_equal(decode_text(105, "08410000 " WLAN_ADDRESSES " 0000 aaaa", &out),
                     DECODE_UNSUPPORTED); /* encrypted */
    assert_int_equal(decode_text(105, "80000000 " WLAN_ADDRESSES " 0000 aaaa", &out),
                     DECODE_UNSUPPORTED); /* a beacon */
}

/* The logging rule copies so many bytes; the packet was longer. */
static void test_nflog_range(void **state)
{
    (void)state;
    struct decoded out;
    assert_int_equal(
        decode_text(239, "02000000 9c000900 450005dc000040003d0600000a0000010a000002 T", &out),
        DECODE_OK);
    assert_int_equal(out.payload_bytes, 1500 - 52);
    assert_int_equal(out.payload_captured_bytes, PAYLOAD_BYTES);
    assert_int_equal(decode_text(239, "02000000 03000900 00", &out), DECODE_MALFORMED);
    assert_int_equal(decode_text(239, "02000000 00000000 00", &out), DECODE_MALFORMED);
}

/* ---- text, and noise ---- */

static void test_endpoint_text(void **state)
{
    (void)state;
    struct endpoint endpoint = {.port = 65535};
    char text[WH_ENDPOINT_MAX];
    memset(endpoint.address, 0xff, sizeof endpoint.address);
    assert_string_equal(decode_endpoint_text(&endpoint, text, sizeof text),
                        "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
    memset(endpoint.address, 0, 10);
    assert_string_equal(decode_endpoint_text(&endpoint, text, sizeof text),
                        "255.255.255.255:65535");
    assert_string_equal(decode_endpoint_text(&endpoint, text, 8), "255.255");
    text[0] = 'x';
    assert_ptr_equal(decode_endpoint_text(&endpoint, text, 0), text);
    assert_int_equal(text[0], 'x');
}

static uint32_t noise(uint32_t *state)
{
    *state ^= *state << 13; /* xorshift (Marsaglia 2003) */
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void assert_inside(const struct decoded *out, const uint8_t *data, size_t caplen)
{
    size_t offset = (size_t)(out->payload - data);
    assert_true(offset <= caplen && out->payload_captured_bytes <= caplen - offset);
    assert_true(out->payload_captured_bytes <= out->payload_bytes);
    assert_true(out->payload_bytes < 1u << 20);
    assert_true(out->sack_count <= SACK_BLOCKS_MAX);
    assert_true(!out->has_window_scale || out->window_scale <= 14);
}

/* Known frames with some bytes changed, cut anywhere, as any link type. */
static void test_noise(void **state)
{
    (void)state;
    static struct frame frame;
    uint32_t seed = 2463534242u;
    for (unsigned turn = 0; turn < 200000; turn++) {
        const struct carry *carry = &carries[noise(&seed) % CARRY_COUNT];
        uint16_t dlt = carry->dlt;
        if (turn % 16 == 0)
            dlt = carries[noise(&seed) % CARRY_COUNT].dlt;
        frame_build(&frame, carry->text);
        size_t bytes = ROOM - frame.start;
        for (unsigned change = noise(&seed) % 8; change > 0; change--)
            frame.room[frame.start + noise(&seed) % bytes] = (uint8_t)noise(&seed);
        size_t caplen = noise(&seed) % 3 == 0 ? noise(&seed) % (bytes + 1) : bytes;
        const uint8_t *data = guarded(frame.room + frame.start, caplen);
        struct decoded out;
        memset(&out, 0xa5, sizeof out);
        uint32_t wirelen = turn % 5 == 0 ? noise(&seed) : (uint32_t)bytes;
        if (decode_frame(dlt, data, (uint32_t)caplen, wirelen, true, &out) == DECODE_OK)
            assert_inside(&out, data, caplen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carries),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_cut_wire),
        cmocka_unit_test(test_not_followed),
        cmocka_unit_test(test_many_layers),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_numbers_of_one_direction),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_wlan_fragments),
        cmocka_unit_test(test_nflog_range),
        cmocka_unit_test(test_endpoint_text),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
