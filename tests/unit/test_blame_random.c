/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Property tests of stage 8, blame: flows of any packets at all break nothing; transfers over a
 * path that loses nothing and holds nothing never stall, whatever they do; and a stall made at
 * random is found where it was made.
 */
#include "blame_samples.h"

#define ROUNDS 300u

static void again(void **state)
{
    blame_tear_down(state);
    assert_int_equal(blame_set_up(state), 0);
}

/* Numbers, flags and ways without sense. */
static void test_any_packets(void **state)
{
    static const unsigned flags[] = {0, 0, 0, PKT_SYN, PKT_FIN, PKT_RST, PKT_PSH};
    struct dice dice = {4711};
    for (unsigned round = 0; round < ROUNDS; round++, again(state)) {
        struct blame_bench *bench = *state;
        struct path *path = bench->path;
        path->no_stamps = chance(&dice, 30);
        path->no_ids = chance(&dice, 30);
        path->reversed = chance(&dice, 20);
        path->blind[roll(&dice, 3)] = chance(&dice, 20);
        bench->walk.spans[roll(&dice, 3)].first.ns = chance(&dice, 20) ? 2 * NS_PER_S : 0;
        for (unsigned i = roll(&dice, 60); i > 0; i--) {
            int64_t left = roll(&dice, 20000);
            SEND(path, .time_ns = roll(&dice, 5000) * MS, .side = roll(&dice, 2),
                 .flags = flags[roll(&dice, 7)], .seq = roll(&dice, 20000),
                 .len = chance(&dice, 60) ? roll(&dice, 3000) : 0, .ack = roll(&dice, 20000),
                 .window = chance(&dice, 20) ? SHUT : (int)roll(&dice, 60000),
                 .tsval = roll(&dice, 2) * roll(&dice, INT32_MAX), .lost_in = roll(&dice, 12),
                 .held_in = roll(&dice, 12), .held_ns = roll(&dice, 3000) * MS,
                 .missed = chance(&dice, 20) ? roll(&dice, 8) : 0,
                 .sack = {{left, left + roll(&dice, 2) * roll(&dice, 3000)}});
        }
        blame(bench);
    }
}

/* Questions and answers, pauses, and now and then a segment that is late by some milliseconds. */
static void test_quiet_paths_never_stall(void **state)
{
    struct dice dice = {42};
    for (unsigned round = 0; round < ROUNDS; round++, again(state)) {
        struct blame_bench *bench = *state;
        struct path *path = bench->path;
        path->no_stamps = chance(&dice, 30);
        path->no_ids = chance(&dice, 30);
        path->reversed = chance(&dice, 20);
        path->delay_ns[0] = (1 + roll(&dice, 80)) * MS;
        path->delay_ns[3] = (1 + roll(&dice, 80)) * MS;
        path_open(path);
        for (unsigned i = 1 + roll(&dice, 8); i > 0; i--) {
            path->now_ns += chance(&dice, 50) ? roll(&dice, 4000) * MS : 0;
            path_transfer(path, CLIENT, 1 + roll(&dice, 3));
            path_transfer(path, SERVER, 1 + roll(&dice, 40)); /* below 64 KiB */
        }
        expect_none(bench);
    }
}

/* One segment of a download is lost or a hop frozen, at a random place and time. */
static void test_random_stalls_are_placed(void **state)
{
    struct dice dice = {7};
    for (unsigned round = 0; round < ROUNDS; round++, again(state)) {
        struct blame_bench *bench = *state;
        bench->path->reversed = chance(&dice, 30);
        bench->path->no_ids = chance(&dice, 30);
        unsigned segment = 2 + roll(&dice, 2); /* from the server, from 1 */
        int again_ms = 250 + (int)roll(&dice, 2000), before = 1 + (int)roll(&dice, 5);
        bool frozen = chance(&dice, 50);
        begin(bench, 20 + roll(&dice, 20));
        for (int i = 0; i < 2 * before; i++) {
            int held_ms = frozen && i >= before ? again_ms - 2 * i : 0;
            bool lost = !frozen && i == before;
            DATA(2 * i, i * MSS, MSS, .held_in = held_ms ? segment : 0, .held_ns = held_ms * MS,
                 .lost_in = lost ? segment : 0);
            if (!held_ms && !lost)
                REPLY(2 * i + 10, (i < before ? i + 1 : before) * MSS);
        }
        if (!frozen)
            DATA(again_ms, before * MSS, MSS);
        REPLY(again_ms + 10 + 2 * before, 2 * before * MSS);
        go_on(bench, again_ms + 60, 2 * before * MSS, 10);
        unsigned place = bench->path->reversed ? 4 - segment : segment - 1;
        EXPECT(bench, frozen ? WH_CAUSE_FREEZE : WH_CAUSE_LOSS, place, .direction = WH_TO_CLIENT,
               .start_ms = 2 * before + 8, .end_ms = again_ms + 14 + 2 * before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLAME_TEST(test_any_packets),
        BLAME_TEST(test_quiet_paths_never_stall),
        BLAME_TEST(test_random_stalls_are_placed),
    };
    return cmocka_run_group_tests_name("blame, random", tests, NULL, NULL);
}
