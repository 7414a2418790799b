/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit tests of stage 8, blame: stalls that pass from one leg of a proxy's connection to the other.
 * The server leg is seen at point 0, the client leg at point 1.
 */
#include "blame/across.h"

#include "flow_samples.h"

#define SERVER_LEG 0u
#define CLIENT_LEG 1u
#define FROM_MS    1000
#define UNTIL_MS   2500

struct bench {
    struct path *path[2];
    struct flow items[2];
    struct joint joint;
    struct flows flows;
    struct alignment alignment;
    struct findings findings;
};

/* Each leg with a capture of its own; the answer stops at FROM_MS, and goes on at UNTIL_MS. */
static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    for (unsigned leg = 0; bench && leg < 2; leg++)
        bench->path[leg] = path_new(2);
    if (bench) {
        bench->path[SERVER_LEG]->blind[1] = true;
        bench->path[CLIENT_LEG]->blind[0] = true;
        bench->joint = (struct joint){.server_leg = SERVER_LEG,
                                      .client_leg = CLIENT_LEG,
                                      .server_point = 0,
                                      .client_point = 1};
        bench->alignment.order[1] = 1;
    }
    return bench ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    path_free(bench->path[0]);
    path_free(bench->path[1]);
    free(bench->findings.items);
    free(bench);
    return 0;
}

/* Some segments from `ms` on. */
static void transfer(struct bench *bench, unsigned leg, int64_t ms, unsigned segments)
{
    struct path *path = bench->path[leg];
    path->now_ns = ms * MS;
    if (path->next[0] == 0)
        path_open(path);
    path_transfer(path, SERVER, segments);
}

static void find(struct bench *bench, unsigned leg, enum wh_cause cause, int64_t from_ms,
                 int64_t until_ms)
{
    struct findings *findings = &bench->findings;
    struct finding *added = ARRAY_PUSH(findings->items, findings->count, findings->capacity);
    assert_non_null(added);
    *added = (struct finding){.flow = leg,
                              .start_ns = from_ms * MS,
                              .end_ns = until_ms * MS,
                              .resumed = true,
                              .cause = cause,
                              .direction = WH_TO_CLIENT};
}

static void look(struct bench *bench)
{
    for (unsigned leg = 0; leg < 2; leg++) {
        path_finish(bench->path[leg]);
        bench->items[leg] = bench->path[leg]->flow;
        bench->items[leg].joined = 1;
    }
    bench->flows = (struct flows){.items = bench->items,
                                  .count = 2,
                                  .point_count = 2,
                                  .joints = &bench->joint,
                                  .joint_count = 1};
    look_across(&bench->findings, &bench->flows, &bench->alignment);
}

static void answer_with_a_pause(struct bench *bench)
{
    for (unsigned leg = 0; leg < 2; leg++) {
        transfer(bench, leg, leg, 60);
        transfer(bench, leg, UNTIL_MS + leg, 60);
    }
}

static void what_the_proxy_did_not_get_it_can_not_send(void **state)
{
    struct bench *bench = *state;
    answer_with_a_pause(bench);
    find(bench, CLIENT_LEG, WH_CAUSE_SENDER_IDLE, FROM_MS, UNTIL_MS + 10);
    find(bench, SERVER_LEG, WH_CAUSE_FREEZE, FROM_MS, UNTIL_MS);
    look(bench);
    assert_int_equal(bench->findings.count, 2);
    assert_int_equal(bench->findings.items[0].caused_by, 2);
    assert_int_equal(bench->findings.items[1].caused_by, 0);
}

/* The other leg paused too shortly for a stall, by its longer round trip: nobody stalled. */
static void a_proxy_with_nothing_to_say_is_no_stall(void **state)
{
    struct bench *bench = *state;
    answer_with_a_pause(bench);
    find(bench, CLIENT_LEG, WH_CAUSE_SENDER_IDLE, FROM_MS, UNTIL_MS + 10);
    find(bench, CLIENT_LEG, WH_CAUSE_LOSS, UNTIL_MS + 50, UNTIL_MS + 900);
    look(bench);
    assert_int_equal(bench->findings.count, 1);
    assert_int_equal(bench->findings.items[0].cause, WH_CAUSE_LOSS);
    assert_int_equal(bench->findings.items[0].caused_by, 0);
}

/* It went on getting data and did not send it: the proxy itself is to blame. */
static void a_proxy_that_keeps_what_it_gets_is_idle(void **state)
{
    struct bench *bench = *state;
    transfer(bench, CLIENT_LEG, 1, 60);
    transfer(bench, CLIENT_LEG, UNTIL_MS, 60);
    transfer(bench, SERVER_LEG, 0, 60);
    transfer(bench, SERVER_LEG, FROM_MS + 200, 60);
    find(bench, CLIENT_LEG, WH_CAUSE_SENDER_IDLE, FROM_MS, UNTIL_MS + 10);
    find(bench, SERVER_LEG, WH_CAUSE_LOSS, FROM_MS, UNTIL_MS);
    look(bench);
    assert_int_equal(bench->findings.count, 2);
    assert_int_equal(bench->findings.items[0].caused_by, 0);
}

static void what_the_proxy_can_not_get_rid_of_closes_its_window(void **state)
{
    struct bench *bench = *state;
    answer_with_a_pause(bench);
    find(bench, SERVER_LEG, WH_CAUSE_ZERO_WINDOW, FROM_MS + 500, UNTIL_MS + 20);
    find(bench, CLIENT_LEG, WH_CAUSE_ZERO_WINDOW, FROM_MS, UNTIL_MS);
    look(bench);
    assert_int_equal(bench->findings.count, 2);
    assert_int_equal(bench->findings.items[0].caused_by, 2);
    assert_int_equal(bench->findings.items[1].caused_by, 0);
}

/* A window that closed first, or at another time, comes from nothing that came later. */
static void a_window_closed_before_is_the_proxys_own(void **state)
{
    struct bench *bench = *state;
    answer_with_a_pause(bench);
    find(bench, SERVER_LEG, WH_CAUSE_ZERO_WINDOW, FROM_MS, FROM_MS + 400);
    find(bench, CLIENT_LEG, WH_CAUSE_LOSS, FROM_MS + 300, UNTIL_MS);
    find(bench, CLIENT_LEG, WH_CAUSE_LOSS, 100, 300);
    look(bench);
    assert_int_equal(bench->findings.count, 3);
    assert_int_equal(bench->findings.items[0].caused_by, 0);
}

/* The client leg takes data all the time, less than comes: what the proxy does is to wait for it.
 */
static void a_window_closed_while_the_proxy_passes_on_is_no_stall(void **state)
{
    struct bench *bench = *state;
    transfer(bench, SERVER_LEG, 0, 60);
    transfer(bench, SERVER_LEG, UNTIL_MS, 60);
    for (int64_t ms = 1; ms < UNTIL_MS + 400; ms += 100)
        transfer(bench, CLIENT_LEG, ms, 4);
    find(bench, SERVER_LEG, WH_CAUSE_ZERO_WINDOW, FROM_MS, UNTIL_MS);
    look(bench);
    assert_int_equal(bench->findings.count, 0);
}

/* The same, but nothing went on: that proxy does not read. */
static void a_window_closed_by_a_proxy_that_passes_nothing_on_is_one(void **state)
{
    struct bench *bench = *state;
    answer_with_a_pause(bench);
    find(bench, SERVER_LEG, WH_CAUSE_ZERO_WINDOW, FROM_MS, UNTIL_MS);
    look(bench);
    assert_int_equal(bench->findings.count, 1);
    assert_int_equal(bench->findings.items[0].caused_by, 0);
}

/* It was closed already, as the client leg took less than came; what keeps it closed is the stall
 * there that begins half a second later. */
static void a_window_kept_closed_by_the_other_leg_comes_from_there(void **state)
{
    struct bench *bench = *state;
    transfer(bench, SERVER_LEG, 0, 60);
    transfer(bench, SERVER_LEG, UNTIL_MS, 60);
    for (int64_t ms = 1; ms < FROM_MS + 500; ms += 100)
        transfer(bench, CLIENT_LEG, ms, 4);
    transfer(bench, CLIENT_LEG, UNTIL_MS - 20, 60);
    find(bench, SERVER_LEG, WH_CAUSE_ZERO_WINDOW, FROM_MS, UNTIL_MS);
    find(bench, CLIENT_LEG, WH_CAUSE_FREEZE, FROM_MS + 500, UNTIL_MS - 20);
    look(bench);
    assert_int_equal(bench->findings.count, 2);
    assert_int_equal(bench->findings.items[0].caused_by, 2);
}

static void unjoined_flows_are_left_alone(void **state)
{
    struct bench *bench = *state;
    find(bench, CLIENT_LEG, WH_CAUSE_SENDER_IDLE, FROM_MS, UNTIL_MS);
    find(bench, SERVER_LEG, WH_CAUSE_FREEZE, FROM_MS, UNTIL_MS);
    answer_with_a_pause(bench);
    for (unsigned leg = 0; leg < 2; leg++) {
        path_finish(bench->path[leg]);
        bench->items[leg] = bench->path[leg]->flow;
    }
    bench->flows = (struct flows){.items = bench->items, .count = 2, .point_count = 2};
    look_across(&bench->findings, &bench->flows, &bench->alignment);
    assert_int_equal(bench->findings.count, 2);
    assert_int_equal(bench->findings.items[0].caused_by, 0);
}

#define ACROSS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ACROSS_TEST(what_the_proxy_did_not_get_it_can_not_send),
        ACROSS_TEST(a_proxy_with_nothing_to_say_is_no_stall),
        ACROSS_TEST(a_proxy_that_keeps_what_it_gets_is_idle),
        ACROSS_TEST(what_the_proxy_can_not_get_rid_of_closes_its_window),
        ACROSS_TEST(a_window_closed_before_is_the_proxys_own),
        ACROSS_TEST(a_window_closed_while_the_proxy_passes_on_is_no_stall),
        ACROSS_TEST(a_window_closed_by_a_proxy_that_passes_nothing_on_is_one),
        ACROSS_TEST(a_window_kept_closed_by_the_other_leg_comes_from_there),
        ACROSS_TEST(unjoined_flows_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
