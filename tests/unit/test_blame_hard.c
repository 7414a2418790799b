/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cases that were once judged wrongly, each as small as it can be. */
#include "blame_samples.h"

static void test_ids_equal_length(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->next[1] = 1;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 10);
    bench->t0_ns = bench->path->now_ns;
    bench->level = bench->path->next[1];
    uint32_t tick = 700000 + (uint32_t)(bench->t0_ns / MS);
    uint16_t id = 30000;
    /* P0 merges segments 0-3 and 4-7; segment 0 is lost before P1, which merges 1-4 and 5-7 */
    DATA(0, 0, 4000, .ip_id = id, .tsval = tick, .missed = ~1u);
    DATA(0.1, 4000, 4000, .ip_id = (uint16_t)(id + 4), .tsval = tick, .missed = ~1u);
    DATA(0.2, 1000, 4000, .ip_id = (uint16_t)(id + 1), .tsval = tick, .missed = 1u);
    DATA(0.3, 5000, 3000, .ip_id = (uint16_t)(id + 5), .tsval = tick, .missed = 1u);
    DATA(300, 0, 1000);
    REPLY(310, 8000);
    walk_follow(&bench->walk);
    const struct trail *t = &bench->walk.followed.trail[SERVER];
    for (uint32_t i = 0; i < t->lost_count; i++)
        print_message("   lost hop %u seq+%ld len %u\n", t->lost[i].hop,
                      (long)(t->lost[i].seq - bench->level), t->lost[i].length);
    assert_int_equal(t->lost_count, 1);
    assert_int_equal(t->lost[0].length, 1000);
}
static void test_ids_dup_acks(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->no_stamps = true;
    for (int i = 0; i < 12; i++) /* duplicate ACKs, alike but for their IP ID; the first is lost */
        SEND(bench->path, .time_ns = i < 6 ? i * MS : (2000 + i) * MS, .seq = 101, .ack = 5001,
             .lost_in = i ? 0 : 2);
    SEND(bench->path, .time_ns = 3000 * MS, .side = SERVER, .seq = 5001, .ack = 101, .len = 10);
    walk_follow(&bench->walk);
    const struct trail *t = &bench->walk.followed.trail[CLIENT];
    for (uint32_t i = 0; i < t->hops[0].count; i++)
        if (t->hops[0].copies[i].next != COPY_NONE && hop_delay(&t->hops[0], i) != MS)
            print_message("   copy %u delay %ld ms\n", i, (long)(hop_delay(&t->hops[0], i) / MS));
    assert_int_equal(t->lost_count, 1);
    assert_int_equal(t->lost[0].copy, 0);
}
static void test_missed_by_two(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 10);
    DATA(0, 0, 1000, .missed = 6u);
    DATA(1, 1000, 1000);
    REPLY(11, 2000);
    walk_follow(&bench->walk);
    assert_int_equal(bench->walk.followed.trail[SERVER].lost_count, 0);
}
static void test_unanswered_syn(void **state)
{
    struct blame_bench *bench = *state;
    SEND(bench->path, .time_ns = 0, .flags = PKT_SYN, .lost_in = 2);
    SEND(bench->path, .time_ns = NS_PER_S, .flags = PKT_SYN, .lost_in = 2);
    SEND(bench->path, .time_ns = 3 * NS_PER_S, .flags = PKT_SYN, .lost_in = 2);
    EXPECT(bench, WH_CAUSE_LOSS, 2, .direction = WH_TO_SERVER, .start_ms = 4, .end_ms = 13004,
           .for_good = true);
}
static void test_unanswered_syn2(void **state)
{
    struct blame_bench *bench = *state;
    SEND(bench->path, .time_ns = 0, .flags = PKT_SYN, .lost_in = 3);
    SEND(bench->path, .time_ns = NS_PER_S, .flags = PKT_SYN, .lost_in = 3);
    EXPECT(bench, WH_CAUSE_LOSS, 1, .direction = WH_TO_SERVER, .start_ms = 4, .end_ms = 11004,
           .for_good = true);
}
static void test_lost_in_two(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 3);
    DATA(300, 0, MSS, .lost_in = 2);
    DATA(1300, 0, MSS);
    REPLY(1310, MSS);
    EXPECT(bench, WH_CAUSE_LOSS, 1, .direction = WH_TO_CLIENT, .start_ms = 4, .end_ms = 1314);
}
static void test_fast_recovery_first(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->no_stamps = true;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 2);
    for (int i = 1; i <= 3; i++)
        DATA(i, i * MSS, MSS);
    for (int i = 1; i <= 3; i++)
        REPLY(100 + i, 0);
    DATA(250, 0, MSS);
    REPLY(260, 4 * MSS);
    expect_none(bench);
}
static void test_fast_recovery_two_dups(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->no_stamps = true;
    begin(bench, 20);
    for (int i = 0; i <= 4; i++)
        DATA(i, i * MSS, MSS, .lost_in = i == 1 ? 2 : 0);
    for (int i = 0; i <= 2; i++)
        REPLY(100 + i, MSS);
    DATA(350, MSS, MSS);
    REPLY(360, 5 * MSS);
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        BLAME_TEST(test_ids_equal_length),    BLAME_TEST(test_ids_dup_acks),
        BLAME_TEST(test_missed_by_two),       BLAME_TEST(test_unanswered_syn),
        BLAME_TEST(test_unanswered_syn2),     BLAME_TEST(test_lost_in_two),
        BLAME_TEST(test_fast_recovery_first), BLAME_TEST(test_fast_recovery_two_dups)};
    return cmocka_run_group_tests_name("bugs", tests, NULL, NULL);
}
