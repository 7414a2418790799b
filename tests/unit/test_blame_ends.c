/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit tests of stage 8, blame: causes beyond the outermost captures, told by timestamps, IP IDs,
 * TSecr and DSACK; and the timeline that all of it rests on.
 */
#include "blame_samples.h"

#define TICK(ms)                                                                                   \
    (700000 + (uint32_t)((bench->t0_ns + (int64_t)((ms)*1e6)) / MS)) /* the server's               \
                                                                      */
#define CLIENT_TICK(ms) (100000 + (uint32_t)((bench->t0_ns + (int64_t)((ms)*1e6)) / MS))

/* ---- before the first capture: data that is outstanding
 * ------------------------------------------ */

/* A segment is lost between the server and P0; those after it pass. */
static void test_hole_at_the_first_point(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 1);
    for (int i = 1; i < 6; i++) {
        DATA(i, i * MSS, MSS);
        REPLY(i + 10, 0, .sack = {{bench->level + MSS, bench->level + (i + 1) * MSS}});
    }
    DATA(400, 0, MSS);
    REPLY(410, 6 * MSS);
    go_on(bench, 420, 6 * MSS, 10);
    EXPECT(bench, WH_CAUSE_LOSS, 0, .direction = WH_TO_CLIENT, .start_ms = 5, .end_ms = 414,
           .confidence = 0.95);
}

/* Near miss: it came late because it was reordered, in the first half of the time; the rest was
 * lost between P1 and P2. */
static void test_hole_that_is_filled_soon(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .held_in = 1, .held_ns = 40 * MS, .lost_in = 3);
    DATA(1, MSS, MSS);
    REPLY(11, 0, .sack = {{bench->level + MSS, bench->level + 2 * MSS}});
    DATA(400, 0, MSS);
    REPLY(410, 2 * MSS);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 5, .end_ms = 414);
}

/* ---- before the first capture: nothing seen
 * ------------------------------------------------------- */

/* The whole window is lost on its way to P0. The IDs say that it was made. */
static void test_lost_before_the_first_point(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 3; i++)
        DATA(i, i * MSS, MSS, .lost_in = 1);
    DATA(400, 0, MSS);
    REPLY(410, MSS);
    go_on(bench, 420, MSS, 10);
    EXPECT(bench, WH_CAUSE_LOSS, 0, .direction = WH_TO_CLIENT, .start_ms = 0, .end_ms = 414,
           .confidence = 0.93);
}

/* Near miss: no ID is skipped. The sender had nothing to say (and had sent little). */
static void test_pause_without_skipped_ids(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    go_on(bench, 400, 0, 10);
    expect_none(bench);
}

/* Near miss: so few packets that it is not known whether their IDs count. */
static void test_too_few_ids(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 3);
    for (int i = 0; i < 3; i++)
        DATA(i, i * MSS, MSS, .lost_in = 1);
    DATA(400, 0, MSS);
    REPLY(410, MSS);
    expect_none(bench);
}

/* Near miss: IDs that are no counter of this flow's packets tell nothing. */
static void test_ids_that_do_not_count(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 3; i++)
        DATA(i, i * MSS, MSS, .lost_in = 1);
    DATA(400, 0, MSS);
    REPLY(410, MSS);
    for (unsigned place = 0; place < 3; place++)
        for (uint32_t i = 0; i < bench->path->shown_count[place]; i++)
            bench->path->shown[place][i].pkt.ip_id *= 7919;
    expect_none(bench);
}

/* Made at 0 ms, passed P0 at 800 ms: held by the server's side. */
static void test_held_before_the_first_point(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    bench->path->now_ns = AT(5000); /* long enough to know the sender's clock */
    path_transfer(bench->path, SERVER, 10);
    bench->t0_ns = bench->path->now_ns;
    bench->level = bench->path->next[SERVER];
    for (int i = 0; i < 3; i++)
        DATA(i, i * MSS, MSS, .held_in = 1, .held_ns = (800 - i) * MS);
    for (int i = 0; i < 3; i++)
        REPLY(811 + i, (i + 1) * MSS);
    go_on(bench, 830, 3 * MSS, 10);
    EXPECT(bench, WH_CAUSE_FREEZE, 0, .direction = WH_TO_CLIENT, .start_ms = -6, .end_ms = 815,
           .confidence = 0.93);
}

/* Idle first, then delayed: the stall begins when the packet was made, not with the pause. */
static void test_delayed_after_a_pause(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    bench->path->now_ns = AT(5000);
    path_transfer(bench->path, SERVER, 10);
    bench->t0_ns = bench->path->now_ns;
    bench->level = bench->path->next[SERVER];
    DATA(500, 0, MSS, .held_in = 1, .held_ns = 300 * MS);
    REPLY(811, MSS);
    EXPECT(bench, WH_CAUSE_FREEZE, 0, .direction = WH_TO_CLIENT, .start_ms = 494, .end_ms = 815,
           .confidence = 0.93);
}

/* ---- acknowledgements that do not reach the sender
 * ------------------------------------------------ */

static void lose_beyond_sender(struct blame_bench *bench)
{
    begin(bench, 30);
    for (int i = 0; i < 3; i++) {
        DATA(2 * i, i * MSS, MSS);
        REPLY(2 * i + 10, (i + 1) * MSS, .lost_in = 4);
    }
    DATA(300, 0, MSS);
    REPLY(310, 3 * MSS, .lost_in = 4);
    DATA(900, 0, MSS);
    REPLY(910, 3 * MSS);
    go_on(bench, 920, 3 * MSS, 10);
}

/* They passed P0 on their way, and the server sends old bytes again all the same. */
static void test_acknowledgements_lost_beyond_the_sender(void **state)
{
    struct blame_bench *bench = *state;
    lose_beyond_sender(bench);
    EXPECT(bench, WH_CAUSE_ACK_LOSS, 0, .direction = WH_TO_SERVER, .start_ms = 18, .end_ms = 934,
           .confidence = 0.95);
}

/* What it sends next answers (TSecr) an acknowledgement that had passed P0 long before. */
/* The same where a byte is missing among what was under way: it was not sent again, as nobody told
 * the server of it, and that is why it waited. */
static void test_duplicates_lost_beyond_the_sender(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 6; i++)
        DATA(2 * i, i * MSS, MSS, .lost_in = i == 2 ? 1 : 0);
    for (int i = 1; i < 6; i++)
        REPLY(2 * i + 10, 2 * MSS, .lost_in = 4);
    DATA(300, 0, MSS);
    REPLY(310, 2 * MSS, .lost_in = 4);
    DATA(900, 0, MSS);
    REPLY(910, 2 * MSS);
    DATA(920, 2 * MSS, MSS);
    REPLY(930, 6 * MSS);
    EXPECT(bench, WH_CAUSE_ACK_LOSS, 0, .direction = WH_TO_SERVER, .start_ms = 14, .end_ms = 934);
}

static void test_acknowledgements_held_beyond_the_sender(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 3; i++) {
        DATA(2 * i, i * MSS, MSS);
        REPLY(2 * i + 10, (i + 1) * MSS, .held_in = 4, .held_ns = (900 - 2 * i) * MS);
    }
    DATA(300, 0, MSS);
    REPLY(310, 3 * MSS, .held_in = 4, .held_ns = 610 * MS);
    DATA(923, 3 * MSS, MSS, .tsecr = CLIENT_TICK(14));
    REPLY(933, 4 * MSS);
    go_on(bench, 943, 4 * MSS, 10);
    EXPECT(bench, WH_CAUSE_FREEZE, 0, .direction = WH_TO_SERVER, .start_ms = 18, .end_ms = 937,
           .confidence = 0.92);
}

/* Near miss: sent again before the acknowledgement can have come; then the flow is idle. */
static void test_sent_again_too_soon(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 10);
    DATA(0, 0, MSS);
    REPLY(10, MSS);
    DATA(19, 0, MSS); /* as the acknowledgement arrives */
    REPLY(29, MSS);
    go_on(bench, 900, MSS, 2);
    expect_none(bench);
}

/* Near miss: one needless copy early in a long pause does not explain the pause. */
static void test_one_needless_copy_explains_nothing(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 10);
    DATA(0, 0, MSS);
    REPLY(10, MSS);
    DATA(100, 0, MSS);
    REPLY(110, MSS);
    go_on(bench, 900, MSS, 2);
    expect_none(bench);
}

/* ---- behind the last capture
 * ----------------------------------------------------------------------- */

/* The client's acknowledgements are lost before P2; it counts its packets. */
static void test_acknowledgements_lost_beyond_the_receiver(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 3; i++) {
        DATA(2 * i, i * MSS, MSS);
        REPLY(2 * i + 10, (i + 1) * MSS, .lost_in = 1);
    }
    DATA(300, 0, MSS);
    REPLY(310, 3 * MSS, .lost_in = 1);
    DATA(900, 0, MSS);
    REPLY(910, 3 * MSS);
    EXPECT(bench, WH_CAUSE_ACK_LOSS, 3, .direction = WH_TO_SERVER, .start_ms = 4, .end_ms = 914,
           .confidence = 0.93);
}

/* Meanwhile data arrived for a while: progress stopped with it, and went on with the next. */
static void test_progress_without_acknowledgements(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 10; i++) {
        DATA(20 * i, i * MSS, MSS);
        REPLY(20 * i + 10, (i + 1) * MSS, .lost_in = 1);
    }
    DATA(480, 0, MSS);
    REPLY(490, 10 * MSS, .lost_in = 1);
    DATA(900, 0, MSS);
    REPLY(910, 10 * MSS);
    DATA(960, 10 * MSS, MSS);
    REPLY(970, 11 * MSS);
    EXPECT(bench, WH_CAUSE_ACK_LOSS, 3, .direction = WH_TO_SERVER, .start_ms = 190, .end_ms = 970);
}

/* What came at last bears data: it was data that was lost. */
static void test_answer_lost_beyond_the_receiver(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    DATA(0, 0, MSS);
    SEND(bench->path, .time_ns = AT(10), .seq = 101, .len = 100, .ack = bench->level + MSS,
         .lost_in = 1);
    DATA(300, 0, MSS, .lost_in = 4);
    SEND(bench->path, .time_ns = AT(500), .seq = 101, .len = 100, .ack = bench->level + MSS);
    blame(bench);
    assert_true(bench->findings.count >= 1);
    check_finding(bench, &bench->findings.items[0],
                  &(struct expected){WH_CAUSE_LOSS, 3, .direction = WH_TO_SERVER, .start_ms = 4,
                                     .end_ms = 504});
}

/* Two copies passed, and the answer is to the first (TSecr): it was held, not lost. */
static void test_first_copy_is_answered(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    DATA(0, 0, MSS);
    DATA(300, 0, MSS);
    REPLY(800, MSS, .tsecr = TICK(0));
    go_on(bench, 820, MSS, 10);
    EXPECT(bench, WH_CAUSE_FREEZE, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 804,
           .confidence = 0.92);
}

/* It reports the second copy as received twice (RFC 2883), soon after. */
static void test_dsack_tells_that_both_came(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->no_stamps = true;
    begin(bench, 30);
    DATA(0, 0, MSS);
    DATA(300, 0, MSS);
    REPLY(800, MSS);
    REPLY(805, MSS, .sack = {{bench->level, bench->level + MSS}});
    EXPECT(bench, WH_CAUSE_FREEZE, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 804,
           .confidence = 0.92);
}

/* It is waited for no longer than the sender waits at least. */
static void test_late_dsack_is_not_waited_for(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->no_stamps = bench->path->no_ids = true;
        begin(bench, 30);
        DATA(0, 0, MSS);
        DATA(300, 0, MSS);
        REPLY(800, MSS);
        REPLY(turn ? 1110 : 1090, MSS, .sack = {{bench->level, bench->level + MSS}});
        blame(bench);
        assert_int_equal(bench->findings.count, 1);
        assert_int_equal(bench->findings.items[0].cause, turn ? WH_CAUSE_LOSS : WH_CAUSE_FREEZE);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* A SACK above the acknowledgement is none, nor does one of older bytes tell anything: only the
 * second copy was answered. */
static void test_sack_is_no_dsack(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->no_stamps = true;
    begin(bench, 30);
    DATA(0, 0, MSS);
    DATA(700, 0, MSS);
    REPLY(710, MSS);
    REPLY(715, MSS, .sack = {{bench->level + 3 * MSS, bench->level + 4 * MSS}});
    REPLY(716, MSS, .sack = {{bench->level - MSS, bench->level}});
    EXPECT(bench, WH_CAUSE_LOSS, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 714,
           .confidence = 0.93);
}

static void test_one_copy_answered_late(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    DATA(0, 0, MSS);
    REPLY(700, MSS);
    go_on(bench, 720, MSS, 10);
    EXPECT(bench, WH_CAUSE_FREEZE, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 704,
           .confidence = 0.7);
}

/* Only the second copy was answered, and by its IDs the receiver had said nothing before. */
static void test_lost_beyond_the_receiver(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->no_ids = turn;
        begin(bench, 30);
        DATA(0, 0, MSS, .lost_in = 4);
        DATA(300, 0, MSS, .lost_in = 4);
        DATA(900, 0, MSS);
        REPLY(910, MSS);
        go_on(bench, 930, MSS, 10);
        EXPECT(bench, WH_CAUSE_LOSS, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 914,
               .confidence = turn ? 0.7 : 0.93);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

static void test_nothing_came_back(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    DATA(0, 0, MSS);
    DATA(300, 0, MSS);
    DATA(900, 0, MSS);
    for (unsigned p = 0; p < 3; p++)
        bench->walk.spans[p].last.ns = AT(2000);
    EXPECT(bench, WH_CAUSE_UNKNOWN, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 2000,
           .confidence = 0.7, .for_good = true);
}

/* Near miss: the byte passed P2 only in the second half; before that it was lost on the path. */
static void test_passed_the_last_point_late(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    DATA(0, 0, MSS, .lost_in = 3);
    DATA(600, 0, MSS);
    REPLY(1000, MSS);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 1004);
}

/* A flow of which another one may be the rest: no end of the path is certain. */
static void test_ambiguous_flow_names_no_end(void **state)
{
    struct blame_bench *bench = *state;
    struct wh_error error;
    bench->path->blind[1] = bench->path->blind[2] = true;
    begin(bench, 30);
    DATA(0, 0, MSS);
    REPLY(700, MSS);
    walk_align(&bench->walk);
    bench->path->flow.ambiguous = true;
    assert_int_equal(follow_flow(&bench->path->flow, &bench->walk.alignment, bench->walk.spans, 3,
                                 &bench->walk.followed, &error),
                     WH_OK);
    static const char *const names[] = {"P0", "P1", "P2"};
    struct blame_options options = {.min_stall_ns = 200 * MS, .point_count = 3, .names = names};
    assert_int_equal(blame_flow(&bench->blamer, &bench->path->flow, 0, &bench->walk.followed,
                                &options, &bench->arena, &bench->findings, &error),
                     WH_OK);
    assert_int_equal(bench->findings.count, 1);
    assert_int_equal(bench->findings.items[0].place.first, 1);
    assert_int_equal(bench->findings.items[0].place.span, 3);
}

/* ---- the sender pauses
 * ------------------------------------------------------------------------------ */

#define SEGMENTS_64K 46 /* 66,608 bytes */

static void test_sender_idle(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, SEGMENTS_64K);
    go_on(bench, 1500, 0, 20);
    EXPECT(bench, WH_CAUSE_SENDER_IDLE, 0, .direction = WH_TO_CLIENT, .start_ms = -6,
           .end_ms = 1514, .confidence = 0.9);
}

/* No IP IDs, and nothing of what was lost was seen. After its timeout the sender sends one segment;
 * acknowledged, it goes on where it had stopped, then fills in what lies between. */
static void go_on_far_ahead(struct blame_bench *bench, bool overtaken)
{
    bench->path->no_ids = true;
    begin(bench, SEGMENTS_64K);
    DATA(1500, 0, MSS);
    REPLY(1514, MSS);
    DATA(1521, 30 * MSS, MSS);
    for (int i = 1; i < 30; i++)
        if (!overtaken || i == 29)
            DATA(1530 + i, i * MSS, MSS, .tsval = overtaken ? TICK(1501) : 0);
    REPLY(1580, overtaken ? MSS : 31 * MSS);
    if (!overtaken)
        go_on(bench, 1600, 31 * MSS, 10);
}

static void test_goes_on_far_ahead(void **state)
{
    struct blame_bench *bench = *state;
    go_on_far_ahead(bench, false);
    EXPECT(bench, WH_CAUSE_LOSS, 0, .direction = WH_TO_CLIENT, .start_ms = -6, .end_ms = 1514,
           .confidence = 0.93);
}

/* Near miss: what comes later had been sent before. */
static void test_goes_on_out_of_order(void **state)
{
    struct blame_bench *bench = *state;
    go_on_far_ahead(bench, true);
    blame(bench);
    assert_int_equal(bench->findings.items[0].cause, WH_CAUSE_SENDER_IDLE);
}

/* Near miss: 64 KiB less one segment is no transfer's middle. */
static void test_pause_after_little(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, SEGMENTS_64K - 1);
    go_on(bench, 1500, 0, 20);
    expect_none(bench);
}

/* Near miss: it goes on because it was asked to. */
static void test_pause_until_a_request(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, SEGMENTS_64K + 20);
    bench->path->now_ns = AT(1480);
    path_transfer(bench->path, CLIENT, 1);
    bench->path->now_ns = AT(1510);
    path_transfer(bench->path, SERVER, 20);
    expect_none(bench);
}

/* Near miss: it never goes on, or only to say goodbye. */
static void test_pause_for_good(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        begin(bench, SEGMENTS_64K + 20);
        if (turn) {
            SEND(bench->path, .time_ns = AT(1500), .side = SERVER, .flags = PKT_FIN,
                 .seq = bench->level, .ack = 101);
            REPLY(1510, 1);
        }
        expect_none(bench);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* Near miss: below the least stall. */
static void test_short_pause(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, SEGMENTS_64K + 20);
    go_on(bench, 170, 0, 20);
    expect_none(bench);
}

/* ---- the timeline
 * ------------------------------------------------------------------------------------ */

static const struct timeline *make_timeline(struct blame_bench *bench, unsigned side)
{
    walk_follow(&bench->walk);
    assert_true(timeline_make(&bench->walk.followed, side, &bench->blamer.timeline[side]));
    return &bench->blamer.timeline[side];
}

/* P0 sees 12 of the 20 ms itself; the handshake tells the rest. */
static void test_round_trip_from_the_middle(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->delay_ns[0] = 30 * MS;
    begin(bench, 30);
    const struct timeline *timeline = make_timeline(bench, SERVER);
    assert_int_equal(timeline_srtt(timeline, INT64_MIN / 2), 0); /* before any sample */
    assert_in_range(timeline_srtt(timeline, AT(0)), 71 * MS, 73 * MS);
    timeline = make_timeline(bench, CLIENT);
    assert_in_range(timeline_srtt(timeline, AT(0)), 71 * MS, 73 * MS);
}

static void test_round_trip_without_a_handshake(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->delay_ns[0] = 30 * MS;
    bench->path->next[0] = bench->path->next[1] = 1;
    path_transfer(bench->path, SERVER, 30);
    bench->t0_ns = bench->path->now_ns;
    assert_in_range(timeline_srtt(make_timeline(bench, SERVER), AT(0)), 11 * MS, 13 * MS);
}

/* A queue between the server and P0 shows in the age of what passes. */
static void test_round_trip_with_a_queue_before(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    bench->path->now_ns = AT(1000);
    bench->path->delay_ns[0] += 100 * MS;
    for (int i = 0; i < 80; i++) { /* the way to the server stays as it was */
        DATA(1000 + 300 * i, i * MSS, MSS);
        bench->path->delay_ns[0] -= 100 * MS;
        REPLY(1110 + 300 * i, (i + 1) * MSS);
        bench->path->delay_ns[0] += 100 * MS;
    }
    bench->path->delay_ns[0] -= 100 * MS;
    const struct timeline *timeline = make_timeline(bench, SERVER);
    assert_int_equal(timeline->ticks.tick_ns, MS);
    assert_in_range(timeline_srtt(timeline, AT(900)), 18 * MS, 22 * MS);
    assert_in_range(timeline_srtt(timeline, AT(25000)), 116 * MS, 122 * MS);
    /* Three in a row are believed before the smoothing follows. */
    assert_in_range(timeline_srtt(timeline, AT(1800)), 116 * MS, 122 * MS);
}

/* Each acknowledgement of something new is a sample, so that a delay is soon forgotten again. */
static void test_every_acknowledgement_is_timed(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 8; i++)
        DATA(1000 + i, i * MSS, MSS);
    for (int i = 0; i < 8; i++)
        REPLY(1290 + i, (i + 1) * MSS);
    for (int i = 8; i < 24; i++) {
        DATA(2000 + 2 * i, i * MSS, MSS);
        REPLY(2010 + 2 * i, (i + 1) * MSS);
    }
    const struct timeline *timeline = make_timeline(bench, SERVER);
    assert_int_equal(timeline_senders_srtt(timeline, INT64_MIN / 2), 0);
    assert_in_range(timeline_senders_srtt(timeline, AT(1000)), 18 * MS, 22 * MS);
    assert_in_range(timeline_senders_srtt(timeline, AT(1500)), 195 * MS,
                    215 * MS); /* 1 - (7/8)^8 of it */
    assert_in_range(timeline_senders_srtt(timeline, AT(2200)), 35 * MS, 48 * MS);
}

/* So is a selective one; a block below the cumulative one tells of a second copy only. */
static void test_selective_acknowledgements_are_timed(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 9; i++)
        DATA(1000 + i, i * MSS, MSS, .lost_in = i == 0 ? 3 : 0);
    for (int i = 1; i < 9; i++)
        REPLY(1290 + i, 0, .sack = {{bench->level + MSS, bench->level + (i + 1) * MSS}});
    for (int i = 0; i < 8; i++)
        REPLY(1400 + i, 0, .sack = {{bench->level - MSS, bench->level}});
    const struct timeline *timeline = make_timeline(bench, SERVER);
    int64_t srtt_ns = timeline_senders_srtt(timeline, AT(1350));
    assert_in_range(srtt_ns, 195 * MS, 215 * MS);
    assert_int_equal(timeline_senders_srtt(timeline, AT(1500)), srtt_ns);
}

/* After three slow round trips come many quick acknowledgements. What is sent again after 250 ms
 * was a stall to its sender; what merely comes late may be the queue. */
static void test_wait_by_the_senders_round_trip(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        begin(bench, 30);
        for (int i = 0; i < 3; i++) {
            DATA(1000 + 200 * i, i * MSS, MSS);
            REPLY(1150 + 200 * i, (i + 1) * MSS);
        }
        for (int i = 3; i < 19; i++)
            DATA(1597 + i, i * MSS, MSS);
        for (int i = 3; i < 19; i++)
            REPLY(1620 + i, (i + 1) * MSS);
        DATA(1700, 19 * MSS, MSS, .lost_in = turn ? 0 : 3, .held_in = turn ? 4 : 0,
             .held_ns = 250 * MS);
        if (!turn)
            DATA(1950, 19 * MSS, MSS);
        REPLY(1960, 20 * MSS);
        blame(bench);
        assert_int_equal(bench->findings.count, !turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* An acknowledgement after a retransmission does not tell which copy it answers (Karn). */
static void test_retransmissions_are_not_timed(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    DATA(0, 0, MSS, .lost_in = 3);
    DATA(1000, 0, MSS);
    REPLY(1010, MSS);
    const struct timeline *timeline = make_timeline(bench, SERVER);
    assert_in_range(timeline_srtt(timeline, AT(2000)), 18 * MS, 22 * MS);
    assert_in_range(timeline_senders_srtt(timeline, AT(2000)), 18 * MS, 22 * MS);
}

static void test_levels_over_time(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 2);
    DATA(0, 0, MSS);
    DATA(100, MSS, MSS);
    DATA(200, 0, MSS); /* again: nothing new */
    REPLY(110, 2 * MSS);
    const struct timeline *timeline = make_timeline(bench, SERVER);
    const struct steps *sent = &timeline->sent;
    assert_int_equal(timeline->mss, MSS);
    assert_int_equal(steps_level(sent, INT64_MIN, -7), -7);
    assert_int_equal(steps_level(sent, AT(4) - 1, 0), bench->level);
    assert_int_equal(steps_level(sent, AT(4), 0), bench->level + MSS);
    assert_int_equal(steps_level(sent, AT(104), 0), bench->level + 2 * MSS);
    assert_int_equal(steps_level(sent, AT(5000), 0), bench->level + 2 * MSS);
    assert_int_equal(steps_above(sent, bench->level), AT(4));
    assert_int_equal(steps_reach(sent, bench->level + MSS), AT(4));
    assert_int_equal(steps_above(sent, bench->level + MSS), AT(104));
    assert_int_equal(steps_above(sent, bench->level + 2 * MSS), NEVER);
    assert_null(steps_at(sent, INT64_MIN));
    assert_int_equal(steps_level(&timeline->progress, AT(114), 0), bench->level + 2 * MSS);
    assert_int_equal(steps_level(&timeline->progress, AT(113), 0), bench->level);
    assert_int_equal(steps_level(&timeline->acked, AT(115), 0), bench->level);
    assert_int_equal(steps_level(&timeline->acked, AT(116), 0), bench->level + 2 * MSS);
    assert_false(timeline->by_arrival);
}

/* Where no acknowledgement was seen, what arrives is progress. */
static void test_progress_by_arrival(void **state)
{
    struct blame_bench *bench = *state;
    for (int i = 0; i < 5; i++)
        SEND(bench->path, .time_ns = 20 * i * MS, .side = SERVER, .seq = 1 + i * MSS, .len = MSS,
             .ack = 1);
    const struct timeline *timeline = make_timeline(bench, SERVER);
    assert_true(timeline->by_arrival);
    assert_int_equal(steps_level(&timeline->progress, 46 * MS, 0), 1 + 3 * MSS);
    timeline = make_timeline(bench, CLIENT);
    assert_true(timeline->sender == NULL || timeline->sent.count == 0);
}

#define ALL(X)                                                                                     \
    X(test_hole_at_the_first_point)                                                                \
    X(test_hole_that_is_filled_soon)                                                               \
    X(test_lost_before_the_first_point)                                                            \
    X(test_pause_without_skipped_ids)                                                              \
    X(test_ids_that_do_not_count)                                                                  \
    X(test_held_before_the_first_point)                                                            \
    X(test_delayed_after_a_pause)                                                                  \
    X(test_acknowledgements_lost_beyond_the_sender)                                                \
    X(test_duplicates_lost_beyond_the_sender)                                                      \
    X(test_acknowledgements_held_beyond_the_sender)                                                \
    X(test_sent_again_too_soon)                                                                    \
    X(test_acknowledgements_lost_beyond_the_receiver)                                              \
    X(test_progress_without_acknowledgements)                                                      \
    X(test_answer_lost_beyond_the_receiver)                                                        \
    X(test_first_copy_is_answered)                                                                 \
    X(test_dsack_tells_that_both_came)                                                             \
    X(test_sack_is_no_dsack)                                                                       \
    X(test_one_copy_answered_late)                                                                 \
    X(test_lost_beyond_the_receiver)                                                               \
    X(test_nothing_came_back)                                                                      \
    X(test_passed_the_last_point_late)                                                             \
    X(test_ambiguous_flow_names_no_end)                                                            \
    X(test_sender_idle)                                                                            \
    X(test_goes_on_far_ahead)                                                                      \
    X(test_goes_on_out_of_order)                                                                   \
    X(test_pause_after_little)                                                                     \
    X(test_pause_until_a_request)                                                                  \
    X(test_pause_for_good)                                                                         \
    X(test_short_pause)                                                                            \
    X(test_round_trip_from_the_middle)                                                             \
    X(test_round_trip_without_a_handshake)                                                         \
    X(test_round_trip_with_a_queue_before)                                                         \
    X(test_every_acknowledgement_is_timed)                                                         \
    X(test_selective_acknowledgements_are_timed)                                                   \
    X(test_wait_by_the_senders_round_trip)                                                         \
    X(test_retransmissions_are_not_timed)                                                          \
    X(test_levels_over_time)                                                                       \
    X(test_progress_by_arrival)                                                                    \
    X(test_late_dsack_is_not_waited_for)                                                           \
    X(test_one_needless_copy_explains_nothing)                                                     \
    X(test_too_few_ids)

int main(void)
{
#define AS_TEST(name) BLAME_TEST(name),
    const struct CMUnitTest tests[] = {ALL(AS_TEST)};
    return cmocka_run_group_tests_name("blame, ends", tests, NULL, NULL);
}
