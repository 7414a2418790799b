/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 8, blame: what is a stall, and causes between two captures. */
#include "blame_samples.h"

/* ---- what is a stall ---------------------------------------------------------------------------
 */

static void test_plain_transfer(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 60);
    path_transfer(bench->path, CLIENT, 20);
    expect_none(bench);
}

/* Nothing to say is no stall, however long; nor is a question after a pause. */
static void test_idle_flow(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 10);
    bench->path->now_ns += 5 * NS_PER_S;
    path_transfer(bench->path, CLIENT, 1);
    path_transfer(bench->path, SERVER, 10);
    bench->path->now_ns += 60 * NS_PER_S;
    path_transfer(bench->path, SERVER, 1);
    expect_none(bench);
}

/* A segment lost between P1 and P2 and sent again `again_ms` later: no progress from its passing
 * P0 to its acknowledgement's passing P2, 10 ms longer than that. */
static void lose_one(struct blame_bench *bench, double again_ms)
{
    double one_way_ms = (double)path_one_way(bench->path) / 1e6;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 3);
    DATA(again_ms, 0, MSS);
    REPLY(again_ms + one_way_ms, MSS);
    go_on(bench, again_ms + 2 * one_way_ms, MSS, 10);
}

static void test_just_below_the_least_stall(void **state)
{
    struct blame_bench *bench = *state;
    lose_one(bench, 189);
    expect_none(bench);
}

static void test_just_above_the_least_stall(void **state)
{
    struct blame_bench *bench = *state;
    lose_one(bench, 191);
    const struct finding *finding =
        EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 205);
    assert_int_equal(finding->start_ns, AT(4));
    assert_int_equal(finding->end_ns, AT(205));
    assert_int_equal(finding->bytes_waiting, MSS);
}

static void test_least_stall_is_an_option(void **state)
{
    struct blame_bench *bench = *state;
    lose_one(bench, 191);
    bench->min_stall_ns = 300 * MS;
    expect_none(bench);
    bench->min_stall_ns = 50 * MS;
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
}

/* Below twice the round trip of 284 ms it may be an ordinary recovery. */
static void test_twice_the_round_trip(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->delay_ns[0] = bench->path->delay_ns[3] = 70 * MS;
        lose_one(bench, turn ? 440 : 410); /* and 142 ms */
        blame(bench);
        assert_int_equal(bench->findings.count, turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* From the server to P0 it takes 60 of 132 ms: the wait began when the byte was sent, and not when
 * it passed there. */
static void test_way_to_the_first_capture(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->delay_ns[0] = 60 * MS;
    lose_one(bench, 240);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 310);
}

/* The captures end, or a reset comes: it does not resume. */
static void test_stall_until_the_captures_end(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 2);
    DATA(300, 0, MSS, .lost_in = 2);
    DATA(900, 0, MSS, .lost_in = 2);
    for (unsigned p = 0; p < 3; p++)
        bench->walk.spans[p].last.ns = AT(2500 + 100 * p);
    EXPECT(bench, WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 2500,
           .for_good = true);
}

static void test_stall_until_a_reset(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 2);
    DATA(300, 0, MSS, .lost_in = 2);
    SEND(bench->path, .time_ns = AT(1300), .flags = PKT_RST, .seq = 101, .ack = bench->level);
    EXPECT(bench, WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 1305,
           .for_good = true);
}

/* A sender that waited would have sent again: the captures missed the acknowledgement. */
static void test_last_acknowledgement_not_captured(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    expect_none(bench);
}

/* Until a sender would have sent again, nobody can say whether it waits. */
static void test_sender_that_gives_no_sign(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        begin(bench, 20);
        DATA(0, 0, MSS);
        for (unsigned p = 0; p < 3; p++)
            bench->walk.spans[p].last.ns = AT(turn ? 1490 : 1520);
        blame(bench);
        assert_int_equal(bench->findings.count, turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* Of a flow begun before the captures no round trip is known at first: half a second. */
static void test_threshold_of_an_unknown_round_trip(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->level = 5000;
        REPLY(0, 0);
        DATA(20, 0, MSS, .lost_in = 2);
        DATA(turn ? 520 : 500, 0, MSS); /* and 10 ms */
        REPLY(turn ? 530 : 510, MSS);
        blame(bench);
        assert_int_equal(bench->findings.count, turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

static void test_syn_answered_late(void **state)
{
    struct blame_bench *bench = *state;
    SEND(bench->path, .time_ns = 0, .flags = PKT_SYN, .lost_in = 3);
    bench->path->now_ns = NS_PER_S;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 20);
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
    check_finding(bench, &bench->findings.items[0],
                  &(struct expected){WH_CAUSE_LOSS, 1, .direction = WH_TO_SERVER, .start_ms = 4,
                                     .end_ms = 1015});
}

/* An upload stalls in the other direction. */
static void test_upload(void **state)
{
    struct blame_bench *bench = *state;
    path_open(bench->path);
    path_transfer(bench->path, CLIENT, 30);
    bench->t0_ns = bench->path->now_ns;
    int64_t seq = bench->path->next[CLIENT];
    SEND(bench->path, .time_ns = AT(0), .seq = seq, .ack = 1, .len = MSS, .lost_in = 2);
    SEND(bench->path, .time_ns = AT(400), .seq = seq, .ack = 1, .len = MSS);
    SEND(bench->path, .time_ns = AT(410), .side = SERVER, .seq = 1, .ack = seq + MSS);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_SERVER, .start_ms = 4, .end_ms = 414);
}

/* The client sits at the servers' side: places are the path's, directions the flow's. */
static void test_reversed_flow(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->reversed = true;
    lose_one(bench, 400);
    EXPECT(bench, WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 414);
}

/* Two stalls of one flow are two. */
static void test_two_stalls(void **state)
{
    struct blame_bench *bench = *state;
    lose_one(bench, 300);
    bench->t0_ns = bench->path->now_ns;
    bench->level = bench->path->next[SERVER];
    DATA(0, 0, MSS, .lost_in = 2);
    DATA(300, 0, MSS);
    REPLY(310, MSS);
    blame(bench);
    assert_int_equal(bench->findings.count, 2);
    assert_int_equal(bench->findings.items[0].place.first, 2);
    check_finding(bench, &bench->findings.items[1],
                  &(struct expected){WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 4,
                                     .end_ms = 314});
}

/* ---- lost between two captures ------------------------------------------------------------------
 */

static void test_loss_and_loss_again(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 3);
    DATA(1, MSS, MSS);
    REPLY(11, 0, .sack = {{bench->level + MSS, bench->level + 2 * MSS}});
    DATA(300, 0, MSS, .lost_in = 3);
    DATA(900, 0, MSS);
    REPLY(910, 2 * MSS);
    const struct finding *finding = EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT,
                                           .start_ms = 4, .end_ms = 914, .confidence = 0.97);
    assert_int_equal(finding->vanished.copies, 2);
    assert_int_equal(finding->vanished.from_point, 1);
    assert_int_equal(finding->vanished.to_point, 2);
    assert_int_equal(finding->vanished.least_bytes, MSS);
    assert_int_equal(finding->vanished.first_ns, AT(5));
    assert_int_equal(finding->vanished.last_ns, AT(305));
    assert_int_equal(finding->bytes_waiting, MSS);
}

/* Lost here and there: where the loss cost most. */
static void test_lost_in_two_places(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        begin(bench, 20);
        DATA(0, 0, MSS, .lost_in = turn ? 3 : 2);
        DATA(turn ? 1000 : 300, 0, MSS, .lost_in = turn ? 2 : 3);
        DATA(1300, 0, MSS);
        REPLY(1310, MSS);
        EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 1314);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* A part of a merged frame was lost behind P0. */
static void test_loss_of_a_part(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    uint32_t tick = 700000 + (uint32_t)(bench->t0_ns / MS);
    DATA(0, 0, 4 * MSS, .missed = ~1u, .tsval = tick);
    for (int i = 0; i < 4; i++)
        DATA(0.1 * i, i * MSS, MSS, .missed = 1u, .lost_in = i == 1 ? 2 : 0, .tsval = tick);
    REPLY(10, MSS);
    DATA(400, MSS, MSS);
    REPLY(410, 4 * MSS);
    EXPECT(bench, WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 14, .end_ms = 414);
}

/* Near miss: it was lost and came again soon, and what took so long was something else. */
static void test_early_loss_does_not_explain(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 2);
    DATA(60, 0, MSS);
    DATA(400, 0, MSS);
    DATA(1000, 0, MSS);
    REPLY(1010, MSS);
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
    assert_int_equal(bench->findings.items[0].place.first, 3); /* beyond P2, which it had passed */
}

/* Without timestamps three duplicate ACKs and the segment within one long round trip is how TCP
 * recovers. */
static void test_fast_recovery_is_no_stall(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->no_stamps = true;
        begin(bench, 20);
        for (int i = 0; i <= 4; i++)
            DATA(i, i * MSS, MSS, .lost_in = i == 1 ? 2 : 0);
        for (int i = 0; i <= (turn ? 1 : 3); i++)
            REPLY(100 + i, MSS);
        DATA(350, MSS, MSS);
        REPLY(360, 5 * MSS);
        blame(bench);
        assert_int_equal(bench->findings.count, turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* It takes half a second at most. */
static void test_slow_recovery_is_a_stall(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->no_stamps = true;
        begin(bench, 20);
        for (int i = 0; i <= 6; i++)
            DATA(i, i * MSS, MSS, .lost_in = i == 1 ? 2 : 0);
        for (int i = 0; i <= 5; i++)
            REPLY(100 + i, MSS);
        DATA(turn ? 600 : 580, MSS, MSS);
        REPLY(turn ? 610 : 590, 7 * MSS);
        blame(bench);
        assert_int_equal(bench->findings.count, turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* ---- held, and let out together
 * ------------------------------------------------------------------ */

/* Nothing passes P0..P1 until 800 ms; what came meanwhile then comes at once. */
#define HELD(ms) .held_in = 2, .held_ns = (int64_t)((800 - (ms)) * 1e6)

static void freeze(struct blame_bench *bench)
{
    begin(bench, 20);
    for (int i = 0; i < 5; i++)
        DATA(2 * i, i * MSS, MSS, HELD(2 * i));
    DATA(300, 0, MSS, HELD(300));
    for (int i = 0; i < 5; i++)
        REPLY(810 + i, (i + 1) * MSS);
    go_on(bench, 830, 5 * MSS, 10);
}

static void test_freeze(void **state)
{
    struct blame_bench *bench = *state;
    freeze(bench);
    EXPECT(bench, WH_CAUSE_FREEZE, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 814,
           .confidence = 0.98);
}

/* Acknowledgements of the client's waited too: both directions. */
static void test_freeze_of_both_directions(void **state)
{
    struct blame_bench *bench = *state;
    freeze(bench);
    for (int i = 0; i < 5; i++) /* of what came before; through P2..P1..P0 */
        SEND(bench->path, .time_ns = AT(5 + i), .seq = 101 + 50 * i, .len = 50, .ack = bench->level,
             .held_in = 3, .held_ns = (795 - i) * MS);
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
    check_finding(
        bench, &bench->findings.items[0],
        &(struct expected){WH_CAUSE_FREEZE, 1, .direction = WH_BOTH, .start_ms = 7, .end_ms = 814});
}

/* Two packets are less proof than six. */
static void test_freeze_of_few(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, HELD(0));
    DATA(300, 0, MSS, HELD(300));
    REPLY(810, MSS);
    EXPECT(bench, WH_CAUSE_FREEZE, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 814,
           .confidence = 0.9);
}

/* Near miss: one packet was late while others passed it by. The hop was not frozen. */
static void test_one_late_packet_is_no_freeze(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, HELD(0));
    for (int i = 1; i < 8; i++) {
        DATA(100 * i, i * MSS, MSS);
        REPLY(100 * i + 10, 0, .sack = {{bench->level + MSS, bench->level + (i + 1) * MSS}});
    }
    REPLY(810, 8 * MSS);
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
    assert_int_not_equal(bench->findings.items[0].cause, WH_CAUSE_FREEZE);
}

/* The queue that filled meanwhile dropped the very packet: the freeze is the cause. */
static void test_overflow_of_a_freeze(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 2);
    for (int i = 1; i < 6; i++)
        DATA(2 * i, i * MSS, MSS, HELD(2 * i));
    for (int i = 1; i < 6; i++)
        REPLY(810, 0, .sack = {{bench->level + MSS, bench->level + (i + 1) * MSS}});
    DATA(830, 0, MSS);
    REPLY(840, 6 * MSS);
    EXPECT(bench, WH_CAUSE_FREEZE, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 844,
           .confidence = 0.9);
}

/* ---- acknowledgements between the captures ------------------------------------------------------
 */

/* Nothing is outstanding where the receiver is, but its acknowledgements are lost on the way back:
 * the sender sends old bytes again until one comes through. `lost_in` as the client counts. */
static void lose_acknowledgements(struct blame_bench *bench, unsigned lost_in)
{
    begin(bench, 20);
    for (int i = 0; i < 4; i++) {
        DATA(2 * i, i * MSS, MSS);
        REPLY(2 * i + 10, (i + 1) * MSS, .lost_in = lost_in);
    }
    DATA(300, 0, MSS);
    REPLY(310, 4 * MSS, .lost_in = lost_in);
    DATA(900, 0, MSS);
    REPLY(910, 4 * MSS);
    go_on(bench, 920, 4 * MSS, 10);
}

static void test_acknowledgements_lost(void **state)
{
    for (unsigned lost_in = 2; lost_in <= 3; lost_in++) {
        struct blame_bench *bench = *state;
        lose_acknowledgements(bench, lost_in);
        EXPECT(bench, WH_CAUSE_ACK_LOSS, lost_in == 2 ? 2 : 1, .direction = WH_TO_SERVER,
               .start_ms = 20, .end_ms = 934, .confidence = 0.95);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

static void test_acknowledgements_held(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    for (int i = 0; i < 4; i++) {
        DATA(2 * i, i * MSS, MSS);
        REPLY(2 * i + 10, (i + 1) * MSS, .held_in = 2, .held_ns = (800 - 2 * i) * MS);
    }
    DATA(300, 0, MSS);
    REPLY(310, 4 * MSS, .held_in = 2, .held_ns = 500 * MS);
    go_on(bench, 820, 4 * MSS, 10);
    EXPECT(bench, WH_CAUSE_FREEZE, 2, .direction = WH_TO_SERVER, .start_ms = 20, .end_ms = 834,
           .confidence = 0.98);
}

/* A request that carries the acknowledgement is lost: data, not acknowledgements, was waited for.
 */
static void test_lost_request(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    SEND(bench->path, .time_ns = AT(5), .seq = 101, .len = 200, .ack = bench->level, .lost_in = 2);
    SEND(bench->path, .time_ns = AT(405), .seq = 101, .len = 200, .ack = bench->level);
    SEND(bench->path, .time_ns = AT(415), .side = SERVER, .seq = bench->level, .len = MSS,
         .ack = 301);
    REPLY(425, MSS);
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
    check_finding(bench, &bench->findings.items[0],
                  &(struct expected){WH_CAUSE_LOSS, 2, .direction = WH_TO_SERVER, .start_ms = 9,
                                     .end_ms = 420});
}

/* Near miss: one acknowledgement of several was lost, and a later one came in time. */
static void test_one_lost_acknowledgement_is_nothing(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    for (int i = 0; i < 4; i++) {
        DATA(2 * i, i * MSS, MSS);
        REPLY(2 * i + 10, (i + 1) * MSS, .lost_in = i < 3 ? 2 : 0);
    }
    bench->path->next[SERVER] = bench->level + 4 * MSS;
    bench->path->now_ns = AT(600);
    path_transfer(bench->path, CLIENT, 1);
    expect_none(bench);
}

/* Near miss: the last acknowledgement is lost, and the sender does not send again: it had it (the
 * capture missed it), or had nothing to say. */
static void test_lost_acknowledgement_of_an_idle_flow(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 10);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .lost_in = 2);
    expect_none(bench);
}

/* ---- no room ------------------------------------------------------------------------------------
 */

static void test_window_shut(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = SHUT);
    DATA(230, MSS - 1, 1); /* probes, answered */
    REPLY(240, MSS, .window = SHUT);
    DATA(630, MSS - 1, 1);
    REPLY(640, MSS, .window = SHUT);
    REPLY(1200, MSS);
    go_on(bench, 1210, MSS, 10);
    EXPECT(bench, WH_CAUSE_ZERO_WINDOW, 3, .direction = WH_TO_CLIENT, .start_ms = 14,
           .end_ms = 1224, .confidence = 0.97);
}

/* It never opens again. */
static void test_window_shut_for_good(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = SHUT);
    DATA(230, MSS - 1, 1);
    REPLY(240, MSS, .window = SHUT);
    for (unsigned p = 0; p < 3; p++)
        bench->walk.spans[p].last.ns = AT(1000);
    EXPECT(bench, WH_CAUSE_ZERO_WINDOW, 3, .direction = WH_TO_CLIENT, .start_ms = 14,
           .end_ms = 1000, .for_good = true);
}

/* A window below one segment is no room either (RFC 9293, 3.8.6.2.2). */
static void test_window_below_a_segment(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = 700);
    REPLY(900, MSS);
    go_on(bench, 910, MSS, 10);
    EXPECT(bench, WH_CAUSE_ZERO_WINDOW, 3, .direction = WH_TO_CLIENT, .start_ms = 14,
           .end_ms = 924);
}

/* Remnants sent into what room is left, and probes that are taken byte by byte, end nothing. */
static void test_remnants_and_answered_probes(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = 1000);
    DATA(60, MSS, 1000);
    REPLY(70, MSS + 1000, .window = SHUT);
    DATA(300, MSS + 1000, 1);
    REPLY(310, MSS + 1001, .window = SHUT);
    DATA(700, MSS + 1001, 1);
    REPLY(710, MSS + 1002, .window = SHUT);
    REPLY(1200, MSS + 1002);
    go_on(bench, 1210, MSS + 1002, 10);
    EXPECT(bench, WH_CAUSE_ZERO_WINDOW, 3, .direction = WH_TO_CLIENT, .start_ms = 14,
           .end_ms = 1224);
}

/* Data is outstanding when the receiver takes its window back. */
static void test_window_closed_over_data(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = 2000);
    DATA(20, MSS, 1000);
    REPLY(30, MSS, .window = SHUT); /* not taken */
    DATA(300, MSS, 1000);
    REPLY(310, MSS, .window = SHUT);
    REPLY(1000, MSS);
    DATA(1010, MSS, 1000);
    REPLY(1020, MSS + 1000);
    go_on(bench, 1030, MSS + 1000, 10);
    EXPECT(bench, WH_CAUSE_ZERO_WINDOW, 3, .direction = WH_TO_CLIENT, .start_ms = 24,
           .end_ms = 1024);
}

/* Near miss: it was shut for less than half of the time; a loss explains the rest. */
static void test_window_shut_briefly(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = 2000);
    DATA(20, MSS, 1000, .lost_in = 2);
    REPLY(30, MSS, .window = SHUT);
    REPLY(200, MSS);
    DATA(1010, MSS, 1000);
    REPLY(1020, MSS + 1000);
    EXPECT(bench, WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 24, .end_ms = 1024);
}

/* Near miss: the sender had nothing to say anyhow, and went on long after it opened. */
static void test_window_shut_for_an_idle_sender(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = SHUT);
    REPLY(2000, MSS);
    go_on(bench, 3500, MSS, 10);
    expect_none(bench);
}

/* Without a handshake the scale is not known: 500 may be 64,000. Zero is zero. */
static void test_windows_without_a_handshake(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->next[0] = 101;
        bench->path->next[1] = 5000;
        path_transfer(bench->path, SERVER, 20);
        bench->t0_ns = bench->path->now_ns;
        bench->level = bench->path->next[1];
        DATA(0, 0, MSS);
        REPLY(10, MSS, .window = turn ? SHUT : 500);
        REPLY(2000, MSS, .window = 600);
        go_on(bench, 2010, MSS, 10);
        blame(bench);
        assert_int_equal(bench->findings.count, turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* ---- none of these ------------------------------------------------------------------------------
 */

/* Lost where a proxy ends the flow, or by whatever: the byte passed P0 and P1's capture is of no
 * help. Then the place is all that remains. */
static void test_unknown_spans_what_remains(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, HELD(0)); /* late, and others pass it by */
    for (int i = 1; i < 8; i++) {
        DATA(100 * i, i * MSS, MSS);
        REPLY(100 * i + 10, 0, .sack = {{bench->level + MSS, bench->level + (i + 1) * MSS}});
    }
    REPLY(810, 8 * MSS);
    EXPECT(bench, WH_CAUSE_UNKNOWN, 1, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 814,
           .confidence = 0.5);
}

/* The byte had passed P0 before P1's capture began: that this one does not show it says nothing of
 * where it was held. */
static void test_unknown_where_a_capture_began_later(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .missed = 1u << 1, .held_in = 3, .held_ns = 800 * MS);
    bench->walk.spans[1].first.ns = AT(100);
    REPLY(812, MSS);
    go_on(bench, 830, MSS, 20);
    EXPECT(bench, WH_CAUSE_UNKNOWN, 1, 3, .direction = WH_TO_CLIENT, .start_ms = 100,
           .end_ms = 816);
}

/* ---- both directions
 * ----------------------------------------------------------------------------- */

/* Up- and download stand still together for one reason: one stall. */
static void test_directions_are_merged(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    for (int i = 0; i < 5; i++) {
        DATA(2 * i, i * MSS, MSS, HELD(2 * i));
        SEND(bench->path, .time_ns = AT(2 * i), .seq = 101 + i * MSS, .len = MSS,
             .ack = bench->level, .held_in = 3, .held_ns = (800 - 2 * i) * MS);
    }
    for (int i = 0; i < 5; i++) {
        SEND(bench->path, .time_ns = AT(811 + i), .seq = 101 + 5 * MSS,
             .ack = bench->level + (i + 1) * MSS);
        SEND(bench->path, .time_ns = AT(811 + i), .side = SERVER, .seq = bench->level + 5 * MSS,
             .ack = 101 + (i + 1) * MSS);
    }
    const struct finding *finding =
        EXPECT(bench, WH_CAUSE_FREEZE, 1, .direction = WH_BOTH, .start_ms = 4, .end_ms = 815);
    assert_int_equal(finding->bytes_waiting, 2 * MSS); /* one of each, when it began */
}

/* A download loses between P0 and P1 and stands still for 400 ms; an upload, between P2 and P1 for
 * 800 ms. In common they have what begins at `from_ms`. */
static void lose_both_ways(struct blame_bench *bench, int from_ms)
{
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 2);
    DATA(390, 0, MSS);
    REPLY(400, MSS);
    SEND(bench->path, .time_ns = AT(from_ms), .seq = 101, .len = MSS, .ack = bench->level,
         .lost_in = 2);
    SEND(bench->path, .time_ns = AT(from_ms + 790), .seq = 101, .len = MSS,
         .ack = bench->level + MSS);
    SEND(bench->path, .time_ns = AT(from_ms + 800), .side = SERVER, .seq = bench->level + MSS,
         .ack = 101 + MSS);
}

static void test_directions_stall_one_after_the_other(void **state)
{
    struct blame_bench *bench = *state;
    lose_both_ways(bench, 210);
    blame(bench);
    assert_int_equal(bench->findings.count, 2);
    check_finding(bench, &bench->findings.items[0],
                  &(struct expected){WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 4,
                                     .end_ms = 404});
    check_finding(bench, &bench->findings.items[1],
                  &(struct expected){WH_CAUSE_LOSS, 2, .direction = WH_TO_SERVER, .start_ms = 214,
                                     .end_ms = 1014});
}

/* Where they overlap for half of the shorter one, the longer one stays. */
static void test_longer_direction_stays(void **state)
{
    struct blame_bench *bench = *state;
    lose_both_ways(bench, 190);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_SERVER, .start_ms = 194, .end_ms = 994);
}

#define ALL(X)                                                                                     \
    X(test_plain_transfer)                                                                         \
    X(test_idle_flow)                                                                              \
    X(test_just_below_the_least_stall)                                                             \
    X(test_just_above_the_least_stall)                                                             \
    X(test_least_stall_is_an_option)                                                               \
    X(test_twice_the_round_trip)                                                                   \
    X(test_way_to_the_first_capture)                                                               \
    X(test_stall_until_the_captures_end)                                                           \
    X(test_stall_until_a_reset)                                                                    \
    X(test_last_acknowledgement_not_captured)                                                      \
    X(test_syn_answered_late)                                                                      \
    X(test_upload)                                                                                 \
    X(test_reversed_flow)                                                                          \
    X(test_two_stalls)                                                                             \
    X(test_loss_and_loss_again)                                                                    \
    X(test_lost_in_two_places)                                                                     \
    X(test_loss_of_a_part)                                                                         \
    X(test_early_loss_does_not_explain)                                                            \
    X(test_fast_recovery_is_no_stall)                                                              \
    X(test_freeze)                                                                                 \
    X(test_freeze_of_both_directions)                                                              \
    X(test_freeze_of_few)                                                                          \
    X(test_one_late_packet_is_no_freeze)                                                           \
    X(test_overflow_of_a_freeze)                                                                   \
    X(test_acknowledgements_lost)                                                                  \
    X(test_acknowledgements_held)                                                                  \
    X(test_lost_request)                                                                           \
    X(test_one_lost_acknowledgement_is_nothing)                                                    \
    X(test_lost_acknowledgement_of_an_idle_flow)                                                   \
    X(test_window_shut)                                                                            \
    X(test_window_shut_for_good)                                                                   \
    X(test_window_below_a_segment)                                                                 \
    X(test_remnants_and_answered_probes)                                                           \
    X(test_window_closed_over_data)                                                                \
    X(test_window_shut_briefly)                                                                    \
    X(test_window_shut_for_an_idle_sender)                                                         \
    X(test_windows_without_a_handshake)                                                            \
    X(test_unknown_spans_what_remains)                                                             \
    X(test_unknown_where_a_capture_began_later)                                                    \
    X(test_directions_are_merged)                                                                  \
    X(test_sender_that_gives_no_sign)                                                              \
    X(test_threshold_of_an_unknown_round_trip)                                                     \
    X(test_slow_recovery_is_a_stall)                                                               \
    X(test_directions_stall_one_after_the_other)                                                   \
    X(test_longer_direction_stays)

int main(void)
{
#define AS_TEST(name) BLAME_TEST(name),
    const struct CMUnitTest tests[] = {ALL(AS_TEST)};
    return cmocka_run_group_tests_name("blame", tests, NULL, NULL);
}
