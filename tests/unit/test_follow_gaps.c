/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 6, follow: a capture's gaps, packets it misses here and there, and points
 * that see one direction only. */
#include "follow_samples.h"

static void one_gap(struct walk_bench *bench, unsigned place, struct capture_gap *gap)
{
    struct capture_span *span = &bench->spans[bench->path->point_at[place]];
    span->gaps = gap;
    span->gap_count = 1;
}

/* ACKs that enter the last segment while its capture stands still. */
static void test_acks_in_a_gap_of_the_last_point(void **state)
{
    struct walk_bench *bench = *state;
    struct capture_gap gap = {{150 * MS}, {250 * MS}, 5};
    path_open(bench->path);
    for (unsigned i = 0; i < 20; i++)
        ANSWER(bench->path, 100 + 10 * i, 1001 + 1000 * i,
               .missed = i >= 6 && i < 14 ? 1u : 0); /* place 0: the servers' side */
    walk_follow(bench);
    assert_int_equal(lost_behind(bench, CLIENT, 1), 8);
    one_gap(bench, 0, &gap);
    walk_follow(bench);
    nothing_lost(bench);
    const struct hop *hop = hop_of(bench, CLIENT, 1);
    unsigned unseen = 0;
    for (uint32_t i = 0; i < hop->count; i++)
        unseen += hop->copies[i].fate == FATE_UNSEEN;
    assert_int_equal(unseen, 8);
}

/* Lost somewhere behind a point that had a gap then: where, is not certain. */
static void test_lost_behind_a_gap_in_the_middle(void **state)
{
    struct walk_bench *bench = *state;
    struct capture_gap gap = {{120 * MS}, {160 * MS}, 5};
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        SEGMENT(bench->path, 100 + 10 * i, 1 + 1000 * i, 1000, .lost_in = i == 4 ? 2u : 0);
    one_gap(bench, 1, &gap);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(fate_of(bench, SERVER, 0, 4001, 0), FATE_ASTRAY);
    assert_int_equal(trail->lost_count, 1);
    assert_int_equal(trail->lost[0].hop, 0);
    assert_int_equal(trail->lost[0].to, 2);
    assert_int_equal(trail->lost[0].seq, 4001);
    assert_int_equal(trail->lost[0].length, 1000);
}

/* Outside of the gap it is lost where it was. */
static void test_lost_beside_a_gap(void **state)
{
    struct walk_bench *bench = *state;
    struct capture_gap gap = {{160 * MS}, {200 * MS}, 5};
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        SEGMENT(bench->path, 100 + 10 * i, 1 + 1000 * i, 1000, .lost_in = i == 2 ? 2u : 0);
    one_gap(bench, 1, &gap);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 0, 2001, 0), FATE_LOST);
}

/* Single ACKs, as many as the capture misses by itself; a row of them is lost all the same. */
static void test_scattered_misses(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 100; i++)
        ANSWER(bench->path, 100 + 10 * i, 1001 + 1000 * i,
               .missed = i % 25 == 7 || (i >= 50 && i < 54) ? 1u : 0);
    struct capture_span *span = &bench->spans[bench->path->point_at[0]];
    span->miss_rate = 0.04;
    span->miss_run = 1;
    walk_follow(bench);
    assert_int_equal(lost_behind(bench, CLIENT, 1), 4);
}

static void test_misses_have_times(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        SEGMENT(bench->path, 100 + i, 1 + 1000 * i, 1000, .missed = i == 4 ? 1u << 1 : 0);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(trail->miss_count, 1);
    assert_int_equal(trail->misses[0].hop, 1);
    assert_int_equal(trail->misses[0].packets, 1);
    assert_in_range(trail->misses[0].time.ns, 104 * MS, 110 * MS);
}

/* The middle point's mirror shows the server's packets alone. */
static void test_one_direction_at_the_middle_point(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++) {
        SEGMENT(bench->path, 100 + 20 * i, 1 + 1000 * i, 1000);
        ANSWER(bench->path, 110 + 20 * i, 1001 + 1000 * i);
    }
    walk_align(bench);
    struct track_flow *view = bench->path->flow.at[bench->path->point_at[1]];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < view->pkt_count; i++)
        if (pkt_side(&view->pkts[i]) == SERVER)
            view->pkts[kept++] = view->pkts[i];
    view->pkt_count = kept;
    view->stream[CLIENT].packets = 0;
    assert_true(follow_one_sided(view, CLIENT));
    assert_false(follow_one_sided(view, SERVER));
    struct wh_error error;
    assert_int_equal(follow_flow(&bench->path->flow, &bench->alignment, bench->spans, 3,
                                 &bench->followed, &error),
                     WH_OK);
    assert_int_equal(bench->followed.trail[CLIENT].hop_count, 2);
    assert_int_equal(bench->followed.trail[SERVER].hop_count, 3);
    nothing_lost(bench);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, walk_set_up, walk_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_acks_in_a_gap_of_the_last_point),
        TEST(test_lost_behind_a_gap_in_the_middle),
        TEST(test_lost_beside_a_gap),
        TEST(test_scattered_misses),
        TEST(test_misses_have_times),
        TEST(test_one_direction_at_the_middle_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
