/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 8, blame: what round trips that were long make of a wait. */
#include "blame_samples.h"

/* The last three round trips were long, and the smoothing has not followed. A wait of less than two
 * of them is a stall where something was lost meanwhile, and none where the answer came late. */
static void grow_and_wait(struct blame_bench *bench, bool lost)
{
    begin(bench, 30);
    for (int i = 0; i < 3; i++) {
        DATA(200 * i, i * MSS, MSS);
        REPLY(200 * i + 150, (i + 1) * MSS);
    }
    DATA(600, 3 * MSS, MSS, .lost_in = lost ? 3 : 0);
    if (lost)
        DATA(840, 3 * MSS, MSS);
    REPLY(850, 4 * MSS);
    go_on(bench, 870, 4 * MSS, 10);
}

static void test_loss_after_long_round_trips(void **state)
{
    struct blame_bench *bench = *state;
    grow_and_wait(bench, true);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 600, .end_ms = 854);
}

static void test_late_answer_after_long_round_trips(void **state)
{
    struct blame_bench *bench = *state;
    grow_and_wait(bench, false);
    expect_none(bench);
}

/* Nor where the first copy was lost before any capture: the byte comes after later ones. */
static void test_hole_after_long_round_trips(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 30);
    for (int i = 0; i < 3; i++) {
        DATA(200 * i, i * MSS, MSS);
        REPLY(200 * i + 150, (i + 1) * MSS);
    }
    DATA(600, 3 * MSS, MSS, .lost_in = 1);
    DATA(601, 4 * MSS, MSS);
    REPLY(611, 3 * MSS, .sack = {{bench->level + 4 * MSS, bench->level + 5 * MSS}});
    DATA(840, 3 * MSS, MSS);
    REPLY(850, 5 * MSS);
    go_on(bench, 870, 5 * MSS, 10);
    EXPECT(bench, WH_CAUSE_LOSS, 0, .direction = WH_TO_CLIENT, .start_ms = 554, .end_ms = 854);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLAME_TEST(test_loss_after_long_round_trips),
        BLAME_TEST(test_late_answer_after_long_round_trips),
        BLAME_TEST(test_hole_after_long_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
