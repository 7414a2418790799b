/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 7, detect: small flows made by hand, and every event that each must show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "detect/detect.h"

#define MS   NS_PER_MS
#define ROOM 64u

/* A flow under construction. Client and server windows are 1000 bytes unless told. */
struct script {
    struct track_flow flow;
    struct pkt pkts[ROOM];
    struct detect_events events;
};

static struct script *script_new(void)
{
    struct script *script = calloc(1, sizeof *script);
    assert_non_null(script);
    script->flow.protocol = IPPROTO_TCP;
    script->flow.pkts = script->pkts;
    return script;
}

static void script_free(struct script *script)
{
    free(script->events.items);
    free(script);
}

/* Adds a packet of `flags` (ACK is implied by an acknowledgement) and returns it, to be changed. */
static struct pkt *add(struct script *script, int64_t time_ns, unsigned side, unsigned flags,
                       int64_t seq, uint32_t len, int64_t ack)
{
    assert_true(script->flow.pkt_count < ROOM);
    struct pkt *pkt = &script->pkts[script->flow.pkt_count++];
    flags |= side ? PKT_FROM_SERVER : 0u;
    flags |= ack == ACK_NONE ? 0u : PKT_ACK;
    *pkt = (struct pkt){.time = {time_ns},
                        .seq = seq,
                        .ack = ack,
                        .len = len,
                        .flags = flags & 255u,
                        .place = script->flow.pkt_count,
                        .window = 1000};
    return pkt;
}

/* SYN, SYN-ACK, ACK: packets 0 to 2, a round trip of 10 ms. */
static void add_handshake(struct script *script)
{
    add(script, 0, 0, PKT_SYN, 0, 0, ACK_NONE);
    add(script, 6 * MS, 1, PKT_SYN, 0, 0, 1);
    add(script, 10 * MS, 0, 0, 1, 0, 1);
}

static void detect(struct script *script)
{
    struct wh_error error;
    script->events.count = 0;
    assert_int_equal(detect_flow(&script->flow, &script->events, &error), WH_OK);
    uint32_t last = 0;
    for (uint32_t i = 0; i < script->events.count; i++) {
        assert_true(script->events.items[i].pkt >= last);
        last = script->events.items[i].pkt;
        assert_true(last < script->flow.pkt_count);
    }
}

struct expected {
    uint32_t pkt;
    enum wh_event_kind kind;
    uint32_t value;
};

/* The flow shows these events, in this order, and no other. */
static void check(struct script *script, const struct expected *expected, size_t count)
{
    detect(script);
    for (size_t i = 0; i < count && i < script->events.count; i++) {
        assert_int_equal(script->events.items[i].pkt, expected[i].pkt);
        assert_int_equal(script->events.items[i].kind, expected[i].kind);
        assert_int_equal(script->events.items[i].value, expected[i].value);
    }
    assert_int_equal(script->events.count, count);
    script_free(script);
}

#define CHECK(script, ...)                                                                         \
    check(script, (const struct expected[]){__VA_ARGS__},                                          \
          sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

static void test_clean_flow_shows_nothing(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, PKT_PSH, 1, 100, 1);
    add(script, 15 * MS, 1, 0, 1, 0, 101);
    add(script, 16 * MS, 1, PKT_PSH, 1, 200, 101);
    add(script, 20 * MS, 0, 0, 101, 0, 201);
    add(script, 21 * MS, 0, PKT_FIN, 101, 0, 201);
    add(script, 27 * MS, 1, PKT_FIN, 201, 0, 102);
    add(script, 31 * MS, 0, 0, 102, 0, 202);
    check(script, NULL, 0);
}

static void test_empty_flow(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    check(script, NULL, 0);
}

static void test_retransmission_by_timer(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 12 * MS, 0, 0, 101, 100, 1);
    add(script, 190 * MS, 0, 0, 1, 100, 1);
    CHECK(script, {5, WH_EVENT_RETRANSMISSION, 0});
}

static void test_syn_sent_again(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add(script, 0, 0, PKT_SYN, 0, 0, ACK_NONE);
    add(script, 1000 * MS, 0, PKT_SYN, 0, 0, ACK_NONE);
    CHECK(script, {1, WH_EVENT_RETRANSMISSION, 0}, {1, WH_EVENT_SILENCE, 1000000});
}

/* What ends with the highest byte is a repetition however soon it comes. */
static void test_last_segment_again_soon(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 12 * MS, 0, 0, 1, 100, 1);
    CHECK(script, {4, WH_EVENT_RETRANSMISSION, 0});
}

static void test_gap_then_out_of_order(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 101, 100, 1);
    add(script, 12 * MS, 0, 0, 1, 100, 1);
    CHECK(script, {3, WH_EVENT_GAP, 100}, {4, WH_EVENT_OUT_OF_ORDER, 0});
}

/* The handshake's round trip is the limit; 3 ms where none was seen. */
static void test_out_of_order_limit(void **unused)
{
    (void)unused;
    for (int known = 0; known < 2; known++) {
        struct script *script = script_new();
        uint32_t first = 0;
        if (known) {
            add_handshake(script);
            first = 3;
        } else {
            add(script, 10 * MS, 0, 0, 0, 1, 1);
            first = 1;
        }
        add(script, 11 * MS, 0, 0, 101, 100, 1);
        add(script, 11 * MS + (known ? 10 : 3) * MS - 1, 0, 0, 1, 50, 1);
        add(script, 11 * MS + (known ? 10 : 3) * MS, 0, 0, 51, 50, 1);
        CHECK(script, {first, WH_EVENT_GAP, 100}, {first + 1, WH_EVENT_OUT_OF_ORDER, 0},
              {first + 2, WH_EVENT_RETRANSMISSION, 0});
    }
}

/* A lost segment: three duplicate ACKs, numbered, then the segment within 20 ms. */
static void test_fast_retransmission(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 12 * MS, 0, 0, 201, 100, 1);
    add(script, 12 * MS, 0, 0, 301, 100, 1);
    add(script, 13 * MS, 1, 0, 1, 0, 101);
    add(script, 14 * MS, 1, 0, 1, 0, 101);
    add(script, 15 * MS, 1, 0, 1, 0, 101);
    add(script, 34 * MS, 0, 0, 101, 100, 1);
    add(script, 36 * MS, 1, 0, 1, 0, 401);
    CHECK(script, {4, WH_EVENT_GAP, 100}, {7, WH_EVENT_DUPLICATE_ACK, 1},
          {8, WH_EVENT_DUPLICATE_ACK, 2}, {9, WH_EVENT_FAST_RETRANSMISSION, 0});
}

static void test_fast_retransmission_too_late(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 12 * MS, 0, 0, 101, 100, 1);
    add(script, 12 * MS, 0, 0, 201, 100, 1);
    add(script, 13 * MS, 1, 0, 1, 0, 101);
    add(script, 14 * MS, 1, 0, 1, 0, 101);
    add(script, 15 * MS, 1, 0, 1, 0, 101);
    add(script, 35 * MS, 0, 0, 101, 100, 1);
    CHECK(script, {7, WH_EVENT_DUPLICATE_ACK, 1}, {8, WH_EVENT_DUPLICATE_ACK, 2},
          {9, WH_EVENT_RETRANSMISSION, 0});
}

static void test_spurious_retransmission(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 15 * MS, 1, 0, 1, 0, 101);
    add(script, 16 * MS, 0, 0, 1, 100, 1);
    CHECK(script, {5, WH_EVENT_SPURIOUS_RETRANSMISSION, 0});
}

/* Offsets above 2^32: 64-bit numbers do not wrap. */
static void test_far_into_the_stream(void **unused)
{
    (void)unused;
    const int64_t far = 3LL << 32;
    struct script *script = script_new();
    add(script, 0, 0, 0, far, 100, 1);
    add(script, 1 * MS, 1, 0, 1, 0, far + 100);
    add(script, 2 * MS, 0, 0, far + 100, 100, 1);
    add(script, 190 * MS, 0, 0, far + 100, 100, 1);
    CHECK(script, {3, WH_EVENT_RETRANSMISSION, 0});
}

static void test_zero_window_and_probe(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 15 * MS, 1, 0, 1, 0, 101)->window = 0;
    add(script, 100 * MS, 0, 0, 101, 1, 1);
    add(script, 104 * MS, 1, 0, 1, 0, 101)->window = 0;
    add(script, 110 * MS, 1, 0, 1, 0, 101)->window = 500;
    add(script, 114 * MS, 0, 0, 101, 100, 1);
    CHECK(script, {4, WH_EVENT_ZERO_WINDOW, 0}, {5, WH_EVENT_ZERO_WINDOW_PROBE, 0},
          {6, WH_EVENT_ZERO_WINDOW, 0}, {7, WH_EVENT_WINDOW_UPDATE, 0});
}

/* An RST's window of 0 says nothing. */
static void test_reset(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 1, PKT_RST, 500, 0, 1)->window = 0;
    CHECK(script, {3, WH_EVENT_RESET, 0});
}

static void test_window_full(void **unused)
{
    (void)unused;
    for (unsigned shift = 0; shift < 3; shift++) {
        struct script *script = script_new();
        for (unsigned side = 0; side < 2; side++) {
            script->flow.stream[side].window_scale_known = true;
            script->flow.stream[side].window_scale = (uint8_t)(side ? shift : 14);
        }
        add_handshake(script);
        add(script, 11 * MS, 0, 0, 1, 100, 1);
        add(script, 12 * MS, 1, 0, 1, 0, 101);
        add(script, 13 * MS, 0, 0, 101, (1000u << shift) - 1, 1);
        add(script, 13 * MS, 0, 0, 100 + (1000u << shift), 1, 1);
        CHECK(script, {6, WH_EVENT_WINDOW_FULL, 0});
    }
}

/* The SYN-ACK's window is never scaled. */
static void test_window_full_after_handshake(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    for (unsigned side = 0; side < 2; side++) {
        script->flow.stream[side].window_scale_known = true;
        script->flow.stream[side].window_scale = 7;
    }
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 1000, 1);
    CHECK(script, {3, WH_EVENT_WINDOW_FULL, 0});
}

/* Without a handshake nobody knows the scale. */
static void test_window_full_needs_scale(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add(script, 0, 1, 0, 1, 0, 1);
    add(script, 1 * MS, 0, 0, 1, 1000, 1);
    check(script, NULL, 0);
}

/* A keep-alive and its answer: no retransmission, no duplicate ACK. */
static void test_keep_alive(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 15 * MS, 1, 0, 1, 0, 101);
    add(script, 60000 * MS, 0, 0, 100, 1, 1);
    add(script, 60004 * MS, 1, 0, 1, 0, 101);
    CHECK(script, {5, WH_EVENT_KEEP_ALIVE, 0});
}

/* Acknowledgements of bytes that no packet here held are told once. */
static void test_ack_of_unseen(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 15 * MS, 1, 0, 1, 0, 101);
    add(script, 16 * MS, 1, 0, 1, 0, 201);
    CHECK(script, {3, WH_EVENT_ACK_OF_UNSEEN, 0});
}

/* An acknowledgement beyond a hole: what was missing has arrived, and the hole is forgotten. */
static void test_ack_beyond_hole(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 101, 100, 1);
    add(script, 15 * MS, 1, 0, 1, 0, 201);
    add(script, 16 * MS, 0, 0, 301, 100, 1);
    add(script, 17 * MS, 1, 0, 1, 0, 401);
    add(script, 18 * MS, 0, 0, 401, 100, 1);
    add(script, 19 * MS, 1, 0, 1, 0, 501);
    CHECK(script, {3, WH_EVENT_GAP, 100}, {4, WH_EVENT_ACK_OF_UNSEEN, 0}, {5, WH_EVENT_GAP, 100},
          {6, WH_EVENT_ACK_OF_UNSEEN, 0});
}

/* After an acknowledgement of unseen bytes its sender's repeats begin at one. */
static void test_repeats_after_unseen(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 1, 0, 1, 0, 1);
    add(script, 12 * MS, 0, 0, 1, 0, 501);
    add(script, 13 * MS, 1, 0, 1, 0, 1);
    CHECK(script, {3, WH_EVENT_DUPLICATE_ACK, 1}, {5, WH_EVENT_DUPLICATE_ACK, 1});
}

/* An RST takes no room, nor do a SYN and a FIN beside it. */
static void test_reset_takes_no_room(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, PKT_RST | PKT_SYN | PKT_FIN, 1, 0, 1);
    add(script, 12 * MS, 0, 0, 1, 100, 1);
    CHECK(script, {3, WH_EVENT_RESET, 0});
}

static void test_silence(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 211 * MS, 0, 0, 101, 100, 1); /* exactly 200 ms: none */
    add(script, 412 * MS, 1, 0, 1, 0, 201);
    add(script, 3000 * MS, 0, 0, 201, 100, 1); /* nothing was outstanding */
    CHECK(script, {5, WH_EVENT_SILENCE, 201000});
}

/* The number of an RST between two SYNs is forgotten with the second. */
static void test_syn_again_after_reset(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add(script, 0, 0, PKT_SYN, 0, 0, ACK_NONE);
    add(script, 50 * MS, 0, PKT_RST, 5000, 0, ACK_NONE);
    add(script, 100 * MS, 0, PKT_SYN, 0, 0, ACK_NONE);
    add(script, 106 * MS, 1, PKT_SYN, 0, 0, 1);
    add(script, 110 * MS, 0, 0, 1, 100, 1);
    CHECK(script, {1, WH_EVENT_RESET, 0}, {2, WH_EVENT_RETRANSMISSION, 0});
}

/* A probe's own window may be closed too: it stays a probe. */
static void test_probe_with_closed_window(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 1, 0, 1, 0, 1)->window = 0;
    add(script, 100 * MS, 0, 0, 1, 1, 1)->window = 0;
    CHECK(script, {3, WH_EVENT_ZERO_WINDOW, 0}, {4, WH_EVENT_ZERO_WINDOW_PROBE, 0});
}

/* A SYN without the option switches scaling off, whatever the SYN-ACK says. */
static void test_window_full_scale_refused(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    script->flow.stream[1].window_scale_known = true;
    script->flow.stream[1].window_scale = 7;
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 12 * MS, 1, 0, 1, 0, 101);
    add(script, 13 * MS, 0, 0, 101, 1000, 1);
    CHECK(script, {5, WH_EVENT_WINDOW_FULL, 0});
}

/* What was sent twice tells nothing about the round trip: the limit stays at 200 ms. */
static void test_silence_ignores_time_of_repeated(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add(script, 0, 0, 0, 1, 100, 1);
    add(script, 150 * MS, 0, 0, 1, 100, 1);
    add(script, 300 * MS, 1, 0, 1, 0, 101);
    add(script, 301 * MS, 0, 0, 101, 100, 1);
    add(script, 551 * MS, 1, 0, 1, 0, 201);
    CHECK(script, {1, WH_EVENT_RETRANSMISSION, 0}, {4, WH_EVENT_SILENCE, 250000});
}

/* On a slow path 200 ms are no silence: twice the round trip of 300 ms is the limit. */
static void test_silence_of_slow_path(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add(script, 0, 0, PKT_SYN, 0, 0, ACK_NONE);
    add(script, 150 * MS, 1, PKT_SYN, 0, 0, 1);
    add(script, 300 * MS, 0, 0, 1, 0, 1);
    add(script, 301 * MS, 0, 0, 1, 100, 1);
    add(script, 901 * MS, 1, 0, 1, 0, 101);
    add(script, 902 * MS, 0, 0, 101, 100, 1);
    add(script, 2702 * MS, 1, 0, 1, 0, 201);
    CHECK(script, {6, WH_EVENT_SILENCE, 1800000});
}

static void test_no_silence_after_reset(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 12 * MS, 1, PKT_RST, 1, 0, 1);
    add(script, 5000 * MS, 1, PKT_RST, 1, 0, 1);
    CHECK(script, {4, WH_EVENT_RESET, 0}, {5, WH_EVENT_RESET, 0});
}

/* A packet captured twice is told as that, and changes nothing for those behind it. */
static void test_duplicate_packet(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1);
    add(script, 11 * MS, 0, PKT_DUPLICATE, 1, 100, 1);
    add(script, 15 * MS, 1, 0, 1, 0, 101);
    add(script, 15 * MS, 1, PKT_DUPLICATE, 1, 0, 101);
    add(script, 16 * MS, 1, 0, 1, 0, 101);
    CHECK(script, {4, WH_EVENT_DUPLICATE_PACKET, 0}, {6, WH_EVENT_DUPLICATE_PACKET, 0},
          {7, WH_EVENT_DUPLICATE_ACK, 1});
}

static void test_bad_checksum_counts_as_sent(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    add_handshake(script);
    add(script, 11 * MS, 0, 0, 1, 100, 1)->bad_checksum = true;
    add(script, 190 * MS, 0, 0, 1, 100, 1);
    CHECK(script, {3, WH_EVENT_BAD_CHECKSUM, 0}, {4, WH_EVENT_RETRANSMISSION, 0});
}

static void test_port_reuse(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    script->flow.reused = true;
    add_handshake(script);
    CHECK(script, {0, WH_EVENT_PORT_REUSE, 0});
}

/* Datagrams have no sequence numbers to look at. */
static void test_udp(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    script->flow.protocol = IPPROTO_UDP;
    add(script, 0, 0, 0, 0, 100, ACK_NONE)->window = 0;
    struct pkt *broken = add(script, 5000 * MS, 0, 0, 0, 100, ACK_NONE);
    broken->window = 0;
    broken->bad_checksum = true;
    CHECK(script, {1, WH_EVENT_BAD_CHECKSUM, 0});
}

/* Events are appended: what the list holds already stays. */
static void test_events_are_appended(void **unused)
{
    (void)unused;
    struct script *script = script_new();
    struct wh_error error;
    script->flow.reused = true;
    add_handshake(script);
    for (uint32_t round = 1; round <= 20; round++) {
        assert_int_equal(detect_flow(&script->flow, &script->events, &error), WH_OK);
        assert_int_equal(script->events.count, round);
    }
    script_free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_flow_shows_nothing),
        cmocka_unit_test(test_empty_flow),
        cmocka_unit_test(test_retransmission_by_timer),
        cmocka_unit_test(test_syn_sent_again),
        cmocka_unit_test(test_last_segment_again_soon),
        cmocka_unit_test(test_gap_then_out_of_order),
        cmocka_unit_test(test_out_of_order_limit),
        cmocka_unit_test(test_fast_retransmission),
        cmocka_unit_test(test_fast_retransmission_too_late),
        cmocka_unit_test(test_spurious_retransmission),
        cmocka_unit_test(test_far_into_the_stream),
        cmocka_unit_test(test_zero_window_and_probe),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_window_full),
        cmocka_unit_test(test_window_full_after_handshake),
        cmocka_unit_test(test_window_full_needs_scale),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_ack_of_unseen),
        cmocka_unit_test(test_ack_beyond_hole),
        cmocka_unit_test(test_repeats_after_unseen),
        cmocka_unit_test(test_reset_takes_no_room),
        cmocka_unit_test(test_syn_again_after_reset),
        cmocka_unit_test(test_probe_with_closed_window),
        cmocka_unit_test(test_window_full_scale_refused),
        cmocka_unit_test(test_silence_ignores_time_of_repeated),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_silence_of_slow_path),
        cmocka_unit_test(test_no_silence_after_reset),
        cmocka_unit_test(test_duplicate_packet),
        cmocka_unit_test(test_bad_checksum_counts_as_sent),
        cmocka_unit_test(test_port_reuse),
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_events_are_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
