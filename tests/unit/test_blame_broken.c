/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 8, blame: packets that break on the way. */
#include "blame_samples.h"

/* A segment that breaks in a segment of its way (from 1), twice, and is then sent again whole. */
static void break_twice(struct blame_bench *bench, unsigned segment)
{
    begin(bench, 20);
    DATA(0, 0, MSS, .broken_in = segment);
    DATA(2, MSS, MSS);
    REPLY(12, 0, .sack = {{bench->level + MSS, bench->level + 2 * MSS}});
    DATA(300, 0, MSS, .broken_in = segment);
    DATA(900, 0, MSS);
    REPLY(910, 2 * MSS);
    go_on(bench, 920, 2 * MSS, 10);
}

static void test_breaks_between_captures(void **state)
{
    struct blame_bench *bench = *state;
    break_twice(bench, 2);
    const struct finding *finding = EXPECT(bench, WH_CAUSE_CORRUPTION, 1, .direction = WH_TO_CLIENT,
                                           .start_ms = 4, .end_ms = 915, .confidence = 0.97);
    assert_int_equal(finding->evidence[0].frame_count, 2);
    assert_int_equal(finding->evidence[0].frames[0].point, 0);
    assert_int_equal(finding->evidence[0].frames[1].point, 1);
}

static void test_breaks_at_the_translator(void **state)
{
    struct blame_bench *bench = *state;
    break_twice(bench, 3);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 915);
}

/* Wrong where it is first seen: the sender's outer segment. */
static void test_breaks_before_the_first_capture(void **state)
{
    struct blame_bench *bench = *state;
    break_twice(bench, 1);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 0, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 915,
           .confidence = 0.85);
}

/* Nobody captured what became of it: it passed the last point whole. */
static void test_breaks_behind_the_last_capture(void **state)
{
    struct blame_bench *bench = *state;
    break_twice(bench, 4);
    EXPECT(bench, WH_CAUSE_LOSS, 3, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 915);
}

/* The point in between holds headers only: it broke somewhere from P0 to P2. */
static void test_headers_only_in_between(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->cut = 1u << 1;
    break_twice(bench, 3);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 1, 2, .direction = WH_TO_CLIENT, .start_ms = 4,
           .end_ms = 915);
}

static void test_headers_only_before(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->cut = 3;
    break_twice(bench, 3);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 0, 3, .direction = WH_TO_CLIENT, .start_ms = 4,
           .end_ms = 915);
}

/* The firewall's tracking throws away what came to it broken: it broke before, all the same. */
static void test_thrown_away_later(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .broken_in = 2, .lost_in = 3);
    DATA(300, 0, MSS, .broken_in = 2, .lost_in = 3);
    DATA(900, 0, MSS);
    REPLY(910, MSS);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 915);
}

/* One copy broke, but most of the time was lost with those that vanished elsewhere. */
static void test_mostly_lost(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .broken_in = 2);
    DATA(300, 0, MSS, .lost_in = 3);
    DATA(900, 0, MSS, .lost_in = 3);
    DATA(2100, 0, MSS);
    REPLY(2110, MSS);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 2115);
}

/* A capture before the sums are complete: the receiver takes what looks wrong at P0 all the time.
 */
static void test_sums_not_complete_yet(void **state)
{
    struct blame_bench *bench = *state;
    path_open(bench->path);
    int64_t at_ms = 100;
    for (unsigned i = 0; i < 20; i++, at_ms += 20) {
        SEND(bench->path, .time_ns = at_ms * MS, .side = SERVER, .seq = 1 + i * MSS, .len = MSS,
             .ack = 101, .broken_in = 1);
        SEND(bench->path, .time_ns = (at_ms + 10) * MS, .seq = 101, .ack = 1 + (i + 1) * MSS);
    }
    bench->t0_ns = at_ms * MS;
    bench->level = 1 + 20 * MSS;
    DATA(0, 0, MSS, .broken_in = 1, .lost_in = 3);
    DATA(400, 0, MSS, .broken_in = 1);
    REPLY(410, MSS);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 414);
}

/* Every packet with data leaves the firewall with an unfinished sum: nothing is ever taken. */
static void test_nothing_ever_arrives_whole(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 0);
    DATA(0, 0, MSS, .broken_in = 3);
    DATA(300, 0, MSS, .broken_in = 3);
    DATA(900, 0, MSS, .broken_in = 3);
    DATA(2100, 0, MSS, .broken_in = 3);
    for (unsigned p = 0; p < 3; p++)
        bench->walk.spans[p].last.ns = AT(4000);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 2, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 4000,
           .for_good = true);
}

/* The acknowledgements break on their way back, and the sender sends again what had arrived. */
static void test_acknowledgements_break(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .broken_in = 3);
    DATA(300, 0, MSS);
    REPLY(310, MSS, .broken_in = 3);
    DATA(900, 0, MSS);
    REPLY(910, MSS);
    go_on(bench, 930, MSS, 10);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 1, .direction = WH_TO_SERVER, .start_ms = 15, .end_ms = 934);
}

static void test_acknowledgements_break_at_the_client(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS);
    REPLY(10, MSS, .broken_in = 1);
    DATA(300, 0, MSS);
    REPLY(310, MSS, .broken_in = 1);
    DATA(900, 0, MSS);
    REPLY(910, MSS);
    go_on(bench, 930, MSS, 10);
    EXPECT(bench, WH_CAUSE_CORRUPTION, 3, .direction = WH_TO_SERVER, .start_ms = 4, .end_ms = 914);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLAME_TEST(test_breaks_between_captures),
        BLAME_TEST(test_breaks_at_the_translator),
        BLAME_TEST(test_breaks_before_the_first_capture),
        BLAME_TEST(test_breaks_behind_the_last_capture),
        BLAME_TEST(test_headers_only_in_between),
        BLAME_TEST(test_headers_only_before),
        BLAME_TEST(test_thrown_away_later),
        BLAME_TEST(test_mostly_lost),
        BLAME_TEST(test_sums_not_complete_yet),
        BLAME_TEST(test_nothing_ever_arrives_whole),
        BLAME_TEST(test_acknowledgements_break),
        BLAME_TEST(test_acknowledgements_break_at_the_client),
    };
    return cmocka_run_group_tests_name("broken packets", tests, NULL, NULL);
}
