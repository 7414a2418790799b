/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What packets remember of a part of the path that no capture saw. Segment 3 lies behind P2. */
#include "blame_samples.h"

/* The answer to the first SYN is lost; the second makes the server repeat it, echo and all. */
static void test_lost_syn_ack(void **state)
{
    struct blame_bench *bench = *state;
    struct path *path = bench->path;
    int64_t one_way_ns = path_one_way(path), second_ns = NS_PER_S;
    SEND(path, .time_ns = 0, .flags = PKT_SYN, .tsval = 500);
    SEND(path, .time_ns = one_way_ns, .side = SERVER, .flags = PKT_SYN, .ack = 1, .lost_in = 1);
    SEND(path, .time_ns = second_ns, .flags = PKT_SYN, .tsval = 1500);
    SEND(path, .time_ns = second_ns + one_way_ns, .side = SERVER, .flags = PKT_SYN, .ack = 1,
         .tsecr = 500);
    for (int i = 0; i < 5; i++) {
        int64_t at_ns = second_ns + 2 * one_way_ns + i * 30 * MS;
        SEND(path, .time_ns = at_ns, .seq = 1 + 100 * i, .ack = 1 + 500 * i, .len = 100);
        SEND(path, .time_ns = at_ns + one_way_ns, .side = SERVER, .seq = 1 + 500 * i,
             .ack = 101 + 100 * i, .len = 500);
    }
    EXPECT(bench, .cause = WH_CAUSE_LOSS, .first = 0, .direction = WH_TO_CLIENT, .start_ms = 8,
           .end_ms = 1016);
}

/* A handshake whose first answer was lost or, with `held_ns`, whose first SYN was held; the
 * server's answer to that one comes at answer_ns, a moment after the second SYN. */
static void open_late(struct path *path, int64_t held_ns, int64_t second_ns, int64_t answer_ns)
{
    int64_t one_way_ns = path_one_way(path);
    SEND(path, .time_ns = 0, .flags = PKT_SYN, .tsval = 500, .held_in = held_ns ? 4 : 0,
         .held_ns = held_ns);
    if (!held_ns)
        SEND(path, .time_ns = one_way_ns, .side = SERVER, .flags = PKT_SYN, .ack = 1, .lost_in = 1);
    SEND(path, .time_ns = second_ns, .flags = PKT_SYN, .tsval = 1500);
    SEND(path, .time_ns = answer_ns, .side = SERVER, .flags = PKT_SYN, .ack = 1, .tsecr = 500);
    for (int i = 0; i < 5; i++) {
        int64_t at_ns = answer_ns + one_way_ns + i * 30 * MS;
        SEND(path, .time_ns = at_ns, .seq = 1 + 100 * i, .ack = 1 + 500 * i, .len = 100);
        SEND(path, .time_ns = at_ns + one_way_ns, .side = SERVER, .seq = 1 + 500 * i,
             .ack = 101 + 100 * i, .len = 500);
    }
}

/* The same, but the server's timer is quicker than the second SYN. */
static void test_lost_syn_ack_repeated_by_timer(void **state)
{
    struct blame_bench *bench = *state;
    open_late(bench->path, 0, 1006 * MS, 1011 * MS);
    EXPECT(bench, .cause = WH_CAUSE_LOSS, .first = 0, .direction = WH_TO_CLIENT, .start_ms = 8,
           .end_ms = 1013);
}

/* At another time it is no timer's: the first SYN had been held. */
static void test_held_syn(void **state)
{
    struct blame_bench *bench = *state;
    open_late(bench->path, 1190 * MS, 1196 * MS, 1201 * MS);
    EXPECT(bench, .cause = WH_CAUSE_FREEZE, .first = 0, .direction = WH_TO_SERVER, .start_ms = 8,
           .end_ms = 1203);
}

/* The data is late by 120 ms, its acknowledgement by 130: two waits, and neither is a stall. One
 * that is late by 240 ms is. */
static void test_two_short_waits(void **state)
{
    for (int64_t late_ms = 130; late_ms <= 240; late_ms += 110) {
        struct blame_bench *bench = *state;
        begin(bench, 30);
        DATA(0, 0, MSS, .held_in = 4, .held_ns = 120 * MS);
        REPLY(130, MSS, .held_in = 1, .held_ns = late_ms * MS);
        go_on(bench, 420, MSS, 20);
        blame(bench);
        assert_int_equal(bench->findings.count, late_ms == 240);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* One acknowledgement is 100 ms late, and the next one, made 180 ms after it, 160; or that one is
 * in time, and was made 300 ms after: as the receiver sees it, only the latter is a stall. */
static void test_waits_as_the_receiver_sees_them(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        begin(bench, 30);
        DATA(0, 0, 2 * MSS);
        REPLY(10, 2 * MSS, .held_in = 1, .held_ns = 100 * MS);
        DATA(100, 2 * MSS, MSS, .held_in = 4, .held_ns = (turn ? 190 : 80) * MS);
        REPLY(turn ? 310 : 190, 3 * MSS, .held_in = 1, .held_ns = turn ? 20 * MS : 160 * MS);
        go_on(bench, 420, 3 * MSS, 20);
        blame(bench);
        assert_int_equal(bench->findings.count, turn);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* The same where the data was late before the first capture, so that nothing seemed outstanding. */
static void test_late_before_the_first_point(void **state)
{
    for (int64_t late_ms = 100; late_ms <= 210; late_ms += 110) {
        struct blame_bench *bench = *state;
        begin(bench, 30);
        DATA(0, 0, MSS);
        REPLY(11, MSS);
        DATA(20, MSS, MSS, .held_in = 1, .held_ns = (late_ms + 50) * MS);
        REPLY(80 + late_ms, 2 * MSS, .held_in = 1, .held_ns = 100 * MS);
        go_on(bench, 500, 2 * MSS, 20);
        blame(bench);
        assert_int_equal(bench->findings.count, late_ms == 210);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* The only capture missed all for half a second: the sender's IP IDs skip what passed meanwhile. */
static void test_ids_across_a_gap_of_the_capture(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->blind[1] = bench->path->blind[2] = true;
    begin(bench, 30);
    for (int i = 0; i < 6; i++) {
        DATA(100 * i, i * MSS, MSS, .missed = 1u);
        REPLY(100 * i + 12, (i + 1) * MSS, .missed = 1u);
    }
    go_on(bench, 600, 6 * MSS, 20);
    blame(bench);
    for (uint32_t i = 0; i < bench->findings.count; i++)
        assert_int_not_equal(bench->findings.items[i].cause, WH_CAUSE_LOSS);
}

/* Without timestamps: what the server had sent, and sent again, comes all at once. */
static void test_held_before_the_first_point(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->no_stamps = true;
        begin(bench, 30);
        for (int i = 0; i < 5; i++)
            DATA(i, i * MSS, MSS, .held_in = 1, .held_ns = (int64_t)((800.0 - 0.99 * i) * MS));
        if (turn == 0) /* an old segment, whose acknowledgement was held as well */
            DATA(250, -MSS, MSS, .held_in = 1, .held_ns = (int64_t)((800.0 - 249.9) * MS));
        for (int i = 0; i < 5; i++)
            REPLY(812 + i, (i + 1) * MSS);
        go_on(bench, 830, 5 * MSS, 20);
        blame(bench);
        assert_int_equal(bench->findings.count, turn == 0);
        if (turn == 0) {
            assert_int_equal(bench->findings.items[0].cause, WH_CAUSE_FREEZE);
            assert_int_equal(bench->findings.items[0].place.first, 0);
        }
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* Without timestamps: the receiver answers at once to more than has passed for a round trip. */
static void test_held_behind_the_last_point(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        bench->path->no_stamps = true;
        begin(bench, 30);
        for (int i = 0; i < 6; i++)
            DATA(i, i * MSS, MSS, .held_in = turn ? 0 : 4, .held_ns = (800 - i) * MS,
                 .lost_in = turn && i == 0 ? 4 : 0);
        DATA(300, 0, MSS, .held_in = turn ? 0 : 4, .held_ns = 500 * MS, .lost_in = turn ? 4 : 0);
        if (turn) {
            DATA(800, 0, MSS);
            REPLY(811, 6 * MSS);
        }
        for (int i = 0; turn == 0 && i < 6; i++)
            REPLY(812 + i * 0.1, (i + 1) * MSS);
        go_on(bench, 830, 6 * MSS, 20);
        blame(bench);
        assert_int_equal(bench->findings.count, 1);
        assert_int_equal(bench->findings.items[0].cause, turn ? WH_CAUSE_LOSS : WH_CAUSE_FREEZE);
        assert_int_equal(bench->findings.items[0].place.first, 3);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* The window opens at `opens_ms`; the update is lost, and only the probe at 1000 ms tells. */
static void shut_until(struct blame_bench *bench, double opens_ms)
{
    begin(bench, 30);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .window = SHUT);
    DATA(300, MSS - 1, 1);
    REPLY(310, MSS, .window = SHUT);
    REPLY(opens_ms, MSS, .lost_in = 2);
    DATA(1000, MSS - 1, 1);
    REPLY(1010, MSS);
    go_on(bench, 1020, MSS, 20);
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
}

static void test_lost_window_update(void **state)
{
    struct blame_bench *bench = *state;
    shut_until(bench, 450);
    assert_int_equal(bench->findings.items[0].cause, WH_CAUSE_ZERO_WINDOW);
    assert_int_equal(bench->findings.items[0].place.first, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLAME_TEST(test_lost_syn_ack),
        BLAME_TEST(test_lost_syn_ack_repeated_by_timer),
        BLAME_TEST(test_held_syn),
        BLAME_TEST(test_two_short_waits),
        BLAME_TEST(test_waits_as_the_receiver_sees_them),
        BLAME_TEST(test_late_before_the_first_point),
        BLAME_TEST(test_ids_across_a_gap_of_the_capture),
        BLAME_TEST(test_held_before_the_first_point),
        BLAME_TEST(test_held_behind_the_last_point),
        BLAME_TEST(test_lost_window_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
