/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Flows without acknowledgements: when do they stall, where, and when is it none? */
#include "blame_samples.h"

/* A datagram every 20 ms from one side, of the `count` from `ms` on; times count from 0. */
static void stream(struct blame_bench *bench, unsigned side, double ms, unsigned count,
                   unsigned lost_in)
{
    for (unsigned i = 0; i < count; i++)
        SEND(bench->path, .time_ns = AT(ms + 20 * i), .side = side, .len = 160, .lost_in = lost_in);
}

static int set_up(void **state)
{
    if (blame_set_up(state))
        return -1;
    ((struct blame_bench *)*state)->path->datagrams = true;
    return 0;
}

static void test_steady_stream(void **state)
{
    struct blame_bench *bench = *state;
    stream(bench, SERVER, 0, 100, 0);
    expect_none(bench);
}

/* Nothing enters: nobody waits. */
static void test_pause(void **state)
{
    struct blame_bench *bench = *state;
    stream(bench, SERVER, 0, 20, 0);
    stream(bench, SERVER, 2000, 20, 0);
    expect_none(bench);
}

static void test_burst_lost(void **state)
{
    struct blame_bench *bench = *state;
    stream(bench, SERVER, 0, 20, 0);
    stream(bench, SERVER, 400, 30, 3); /* between P1 and P2 */
    stream(bench, SERVER, 1000, 20, 0);
    EXPECT(bench, .cause = WH_CAUSE_LOSS, .first = 2, .direction = WH_TO_CLIENT, .start_ms = 404,
           .end_ms = 1006);
}

static void test_held_together(void **state)
{
    struct blame_bench *bench = *state;
    stream(bench, CLIENT, 0, 20, 0);
    for (unsigned i = 0; i < 30; i++)
        SEND(bench->path, .time_ns = AT(400 + 20 * i), .len = 160, .held_in = 2,
             .held_ns = (int64_t)((600 - 20.0 * i) * 1e6));
    stream(bench, CLIENT, 1000, 20, 0);
    EXPECT(bench, .cause = WH_CAUSE_FREEZE, .first = 2, .direction = WH_TO_SERVER, .start_ms = 404,
           .end_ms = 1006);
}

/* One packet in a hundred, alone: nobody waits for it. */
static void test_lost_alone(void **state)
{
    struct blame_bench *bench = *state;
    stream(bench, SERVER, 0, 20, 0);
    SEND(bench->path, .time_ns = AT(700), .side = SERVER, .len = 160, .lost_in = 3);
    stream(bench, SERVER, 2000, 20, 0);
    expect_none(bench);
}

/* But who asked waits for the answer. */
static void test_request_lost(void **state)
{
    struct blame_bench *bench = *state;
    SEND(bench->path, .time_ns = AT(0), .len = 40);
    SEND(bench->path, .time_ns = AT(20), .side = SERVER, .len = 90);
    SEND(bench->path, .time_ns = AT(500), .len = 40, .lost_in = 3); /* between P1 and P0 */
    SEND(bench->path, .time_ns = AT(1500), .len = 40);
    SEND(bench->path, .time_ns = AT(1520), .side = SERVER, .len = 90);
    EXPECT(bench, .cause = WH_CAUSE_LOSS, .first = 1, .direction = WH_TO_SERVER, .start_ms = 504,
           .end_ms = 1506);
}

static void test_capture_missed(void **state)
{
    struct blame_bench *bench = *state;
    stream(bench, SERVER, 0, 20, 0);
    for (unsigned i = 0; i < 30; i++)
        SEND(bench->path, .time_ns = AT(400 + 20 * i), .side = SERVER, .len = 160,
             .missed = 1u << 1);
    stream(bench, SERVER, 1000, 20, 0);
    expect_none(bench);
}

static void test_to_the_end(void **state)
{
    struct blame_bench *bench = *state;
    stream(bench, SERVER, 0, 20, 0);
    stream(bench, SERVER, 400, 100, 2);
    EXPECT(bench, .cause = WH_CAUSE_LOSS, .first = 1, .direction = WH_TO_CLIENT, .start_ms = 404,
           .end_ms = 2384, .for_good = true);
}

#define DATAGRAM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, blame_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATAGRAM_TEST(test_steady_stream),  DATAGRAM_TEST(test_pause),
        DATAGRAM_TEST(test_burst_lost),     DATAGRAM_TEST(test_held_together),
        DATAGRAM_TEST(test_lost_alone),     DATAGRAM_TEST(test_request_lost),
        DATAGRAM_TEST(test_capture_missed), DATAGRAM_TEST(test_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
