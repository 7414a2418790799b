/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit tests of stage 8, blame: captures that end, or begin, in the middle of a stall. Each capture
 * runs from its first packet to its last, as far as its file tells.
 */
#include "blame/verdict.h"
#include "blame_samples.h"
#include "follow/running.h"

/* As files show them: without what is silent at the ends, unless follow_running knows. */
static void cut_to_packets(struct blame_bench *bench)
{
    struct path *path = bench->path;
    struct flows flows = {.items = &path->flow, .count = 1, .point_count = 3};
    walk_align(&bench->walk);
    for (unsigned place = 0; place < 3; place++) {
        struct capture_span *span = &bench->walk.spans[path->point_at[place]];
        const struct shown *shown = path->shown[place];
        *span = (struct capture_span){.first = shown[0].pkt.time,
                                      .last = shown[path->shown_count[place] - 1].pkt.time};
        for (uint32_t i = 0; i < path->shown_count[place]; i++) {
            int64_t at_ns = shown[i].pkt.time.ns;
            span->first.ns = at_ns < span->first.ns ? at_ns : span->first.ns;
            span->last.ns = at_ns > span->last.ns ? at_ns : span->last.ns;
        }
    }
    follow_running(&flows, &bench->walk.alignment, bench->walk.spans, 3);
}

static void expect_after_all(struct blame_bench *bench, const struct expected *expected)
{
    struct flows flows = {.items = &bench->path->flow, .count = 1, .point_count = 3};
    cut_to_packets(bench);
    blame(bench);
    look_sideways(&bench->findings, &flows, &bench->walk.alignment, &bench->arena);
    assert_int_equal(bench->findings.count, 1);
    check_finding(bench, &bench->findings.items[0], expected);
}

static void send_in_vain(struct blame_bench *bench)
{
    DATA(1, 0, MSS, .lost_in = 3);
    DATA(2, MSS, MSS, .lost_in = 3);
    DATA(300, 0, MSS, .lost_in = 3);
    DATA(800, 0, MSS, .lost_in = 3);
}

static void test_nothing_comes_out(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 60);
    send_in_vain(bench);
    expect_after_all(bench, &(struct expected){.cause = WH_CAUSE_FREEZE,
                                               .first = 2,
                                               .direction = WH_TO_CLIENT,
                                               .start_ms = 0,
                                               .end_ms = 805,
                                               .confidence = 0.6,
                                               .for_good = true});
    assert_true(bench->walk.spans[2].quiet_after_ns > 700 * MS);
}

static void test_both_ways_silent(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 60);
    send_in_vain(bench);
    SEND(bench->path, .time_ns = AT(350), .seq = 101, .len = 50, .ack = bench->level, .lost_in = 2);
    expect_after_all(bench, &(struct expected){.cause = WH_CAUSE_FREEZE,
                                               .first = 2,
                                               .direction = WH_BOTH,
                                               .start_ms = 0,
                                               .end_ms = 805,
                                               .confidence = 0.75,
                                               .for_good = true});
}

static void test_one_way_silent(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 60);
    send_in_vain(bench);
    REPLY(400, 0);
    REPLY(700, 0);
    expect_after_all(bench, &(struct expected){.cause = WH_CAUSE_LOSS,
                                               .first = 2,
                                               .direction = WH_TO_CLIENT,
                                               .start_ms = 0,
                                               .end_ms = 805,
                                               .confidence = 0.6,
                                               .for_good = true});
}

/* The last capture was over: what came from its side is there at the others. */
static void test_capture_over(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 60);
    DATA(1, 0, MSS, .missed = 4);
    REPLY(10, MSS, .missed = 4);
    DATA(30, MSS, MSS, .missed = 4);
    REPLY(40, 2 * MSS, .missed = 4);
    cut_to_packets(bench);
    assert_int_equal(bench->walk.spans[2].quiet_after_ns, 0);
    expect_none(bench);
}

/* What was held when it was captured last is no sign that the capture was over. */
static void test_held_packet_is_no_sign(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 60);
    DATA(1, 0, MSS, .lost_in = 3);
    REPLY(1, 0, .held_in = 2, .held_ns = 600 * MS);
    DATA(300, 0, MSS, .lost_in = 3);
    DATA(800, 0, MSS, .lost_in = 3);
    cut_to_packets(bench);
    assert_true(bench->walk.spans[2].quiet_after_ns > 700 * MS);
}

/* The byte waited for, first sent after the last progress, and again and again, is no capture's
 * oversight, however long it takes. */
static void test_sent_again_for_long(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 60);
    DATA(1, 0, MSS, .lost_in = 3);
    DATA(400, 0, MSS, .lost_in = 3);
    DATA(1200, 0, MSS, .lost_in = 3);
    DATA(2800, 0, MSS, .lost_in = 3);
    expect_one(bench, &(struct expected){.cause = WH_CAUSE_LOSS,
                                         .first = 2,
                                         .direction = WH_TO_CLIENT,
                                         .start_ms = 0,
                                         .end_ms = 12807,
                                         .for_good = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_comes_out, blame_set_up, blame_tear_down),
        cmocka_unit_test_setup_teardown(test_both_ways_silent, blame_set_up, blame_tear_down),
        cmocka_unit_test_setup_teardown(test_one_way_silent, blame_set_up, blame_tear_down),
        cmocka_unit_test_setup_teardown(test_capture_over, blame_set_up, blame_tear_down),
        cmocka_unit_test_setup_teardown(test_held_packet_is_no_sign, blame_set_up, blame_tear_down),
        cmocka_unit_test_setup_teardown(test_sent_again_for_long, blame_set_up, blame_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
