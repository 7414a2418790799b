/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit tests of stage 5a, join. A simulated proxy: its leg to the server is seen at one point, its
 * leg to the client at another, cut into other segments, with other numbers and other headers.
 */
#include "join/join.h"

#include <stdio.h>

#include "packet_samples.h"

#define POINTS     2u
#define OUTER      0u /* sees the server leg */
#define INNER      1u /* sees the client leg */
#define HEADER_MAX 400u
#define WHOLE      UINT32_MAX

struct bench {
    struct track track[POINTS];
    struct arena arena;
    struct flows flows;
    struct alignment alignment;
    int64_t clock_ns[POINTS];
    unsigned conversations;
};

/* One connection through the proxy. */
struct proxied {
    int64_t start_ns;
    uint32_t bytes; /* of the answer */
    uint64_t seed;  /* of its content */
    unsigned request;
    uint32_t captured; /* payload bytes of each packet */
    bool no_client_leg, no_server_leg;
    int64_t lag_ns; /* through the proxy; 0: 300 µs */
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct bench));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    for (unsigned p = 0; p < POINTS; p++)
        track_free(&bench->track[p]);
    arena_free(&bench->arena);
    match_free(&bench->flows);
    free(bench);
    return 0;
}

/* ---- the proxy --------------------------------------------------------------------------------
 */

static void put(struct bench *bench, unsigned point, const struct talk *talk,
                const struct line *line, const uint8_t *payload, uint32_t captured)
{
    struct wh_error error;
    struct arrival arrival = {.packet = line_decoded(talk, line),
                              .time = {line->time_ns + bench->clock_ns[point]},
                              .place = 1};
    arrival.packet.payload = payload;
    arrival.packet.payload_captured_bytes = line->len < captured ? line->len : captured;
    assert_int_equal(track_add(&bench->track[point], &arrival, &error), WH_OK);
}

static void shake_hands(struct bench *bench, unsigned point, const struct talk *talk, int64_t at_ns,
                        int64_t rtt_ns)
{
    const struct line lines[] = {
        {.time_ns = at_ns, .flags = TCP_SYN},
        {.time_ns = at_ns + rtt_ns, .side = SERVER, .flags = TCP_SYN, .ack = 1},
        {.time_ns = at_ns + rtt_ns + 1000, .seq = 1, .ack = 1},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        put(bench, point, talk, &lines[i], NULL, 0);
}

/* The answer, `header` bytes and then the content: a byte comes when the link has carried it. */
static void answer(struct bench *bench, unsigned point, const struct talk *talk,
                   const struct proxied *proxied, const uint8_t *bytes, uint32_t header,
                   uint32_t segment, int64_t from_ns, int64_t asked)
{
    uint32_t count = header + proxied->bytes;
    for (uint32_t at = 0; at < count; at += segment) {
        uint32_t len = count - at < segment ? count - at : segment;
        uint32_t end = at + len > header ? at + len - header : 0; /* of the content */
        struct line line = {.time_ns = from_ns + (int64_t)end * 400,
                            .side = SERVER,
                            .seq = 1 + at,
                            .len = len,
                            .ack = asked};
        put(bench, point, talk, &line, bytes + HEADER_MAX - header + at, proxied->captured);
        struct line ack = {.time_ns = line.time_ns + 1000, .seq = asked, .ack = 1 + at + len};
        put(bench, point, talk, &ack, NULL, 0);
    }
}

static void ask(struct bench *bench, unsigned point, const struct talk *talk,
                const struct proxied *proxied, const char *text, int64_t at_ns)
{
    struct line line = {.time_ns = at_ns, .seq = 1, .len = (uint32_t)strlen(text), .ack = 1};
    put(bench, point, talk, &line, (const uint8_t *)text, proxied->captured);
}

static uint8_t *make_bytes(const struct proxied *proxied)
{
    struct dice dice = {proxied->seed + 1};
    uint8_t *bytes = malloc(HEADER_MAX + (size_t)proxied->bytes);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < HEADER_MAX + proxied->bytes; i++)
        bytes[i] = (uint8_t)roll(&dice, 256);
    return bytes;
}

static void play(struct bench *bench, struct proxied proxied)
{
    unsigned number = ++bench->conversations;
    struct talk outer = {{endpoint(198, 51, 100, 2, 40000 + number), endpoint(198, 51, 100, 9, 80)},
                         {number * 77777777u, number * 1234567891u},
                         IPPROTO_TCP};
    struct talk inner = {{endpoint(10, 0, 0, 7, 50000 + number), endpoint(10, 0, 0, 1, 3128)},
                         {number * 99999989u + 5, number * 3141592653u + 9},
                         IPPROTO_TCP};
    uint8_t *bytes = make_bytes(&proxied);
    char here[200], there[200];
    int64_t t = proxied.start_ns, lag_ns = proxied.lag_ns ? proxied.lag_ns : 300 * NS_PER_US;
    snprintf(here, sizeof here,
             "GET http://server/file-%u HTTP/1.1\r\nUser: some browser/%u\r\n\r\n", proxied.request,
             proxied.request * 7919);
    snprintf(there, sizeof there,
             "GET /file-%u HTTP/1.1\r\nUser: some browser/%u\r\nVia: proxy\r\n\r\n",
             proxied.request, proxied.request * 7919);
    if (!proxied.no_client_leg) {
        shake_hands(bench, INNER, &inner, t, MS);
        ask(bench, INNER, &inner, &proxied, here, t + 2 * MS);
    }
    if (!proxied.no_server_leg) {
        shake_hands(bench, OUTER, &outer, t + 3 * MS, 20 * MS);
        ask(bench, OUTER, &outer, &proxied, there, t + 24 * MS);
        answer(bench, OUTER, &outer, &proxied, bytes, 200, 1448, t + 50 * MS,
               1 + (int64_t)strlen(there));
    }
    if (!proxied.no_client_leg)
        answer(bench, INNER, &inner, &proxied, bytes, 260, 1200, t + 50 * MS + lag_ns + 1448 * 400,
               1 + (int64_t)strlen(here));
    free(bytes);
}

#define PLAY(bench, ...) play(bench, (struct proxied){__VA_ARGS__})

/* As the stages before do, and again what joints change. */
static void run(struct bench *bench)
{
    const unsigned given[POINTS] = {INNER, OUTER};
    struct align_options options = {.given = given};
    struct wh_error error;
    for (unsigned p = 0; p < POINTS; p++)
        assert_int_equal(track_finish(&bench->track[p], &error), WH_OK);
    assert_int_equal(match_points(bench->track, POINTS, 2, &bench->arena, &bench->flows, &error),
                     WH_OK);
    assert_int_equal(align_points(&bench->flows, &options, &bench->alignment, &error), WH_OK);
    assert_int_equal(join_flows(&bench->flows, &bench->alignment, &error), WH_OK);
    assert_int_equal(align_points(&bench->flows, &options, &bench->alignment, &error), WH_OK);
    join_settle(&bench->flows, &bench->alignment);
}

/* Every joint made one of what the same conversation's ports tell. */
static void expect_joints(const struct bench *bench, uint32_t count, bool by_content)
{
    assert_int_equal(bench->flows.joint_count, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct joint *joint = &bench->flows.joints[i];
        const struct flow *server = &bench->flows.items[joint->server_leg];
        const struct flow *client = &bench->flows.items[joint->client_leg];
        assert_non_null(server->at[OUTER]);
        assert_non_null(client->at[INNER]);
        assert_int_equal(server->at[OUTER]->endpoint[0].port + 10000,
                         client->at[INNER]->endpoint[0].port);
        assert_int_equal(joint->by_content, by_content);
        assert_int_equal(server->joined, i + 1);
        assert_int_equal(client->joined, i + 1);
        assert_int_equal(joint->server_point, OUTER);
        assert_int_equal(joint->client_point, INNER);
    }
}

/* ---- tests ------------------------------------------------------------------------------------
 */

static void legs_are_joined_by_content(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 300000, .captured = WHOLE, .seed = 1);
    PLAY(bench, .bytes = 300000, .captured = WHOLE, .seed = 2, .start_ns = MS, .request = 1);
    run(bench);
    expect_joints(bench, 2, true);
    assert_true(bench->flows.joints[0].alike_bytes > 16384);
    assert_true(bench->flows.joints[0].confidence > 0.95);
}

/* The order given was the wrong one: the leg to the server tells. */
static void joints_order_and_tie_the_points(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 300000, .captured = WHOLE);
    run(bench);
    assert_true(bench->alignment.found);
    assert_int_equal(bench->alignment.order[0], OUTER);
    for (unsigned p = 0; p < POINTS; p++) {
        assert_true(bench->alignment.common[p] && bench->alignment.tied[p]);
        assert_false(bench->alignment.contradicts[p]);
        assert_int_equal(bench->alignment.clock[p].offset_ns, 0);
    }
    assert_false(bench->flows.items[0].reversed || bench->flows.items[1].reversed);
}

static void content_finds_the_clock(void **state)
{
    struct bench *bench = *state;
    bench->clock_ns[INNER] = -1700 * MS;
    PLAY(bench, .bytes = 300000, .captured = WHOLE);
    run(bench);
    expect_joints(bench, 1, true);
    int64_t off_ns = bench->alignment.clock[INNER].offset_ns - 1700 * MS;
    assert_true(llabs(off_ns) <= bench->alignment.clock[INNER].uncertainty_ns);
    assert_true(bench->alignment.clock[INNER].uncertainty_ns < 5 * MS);
}

/* The same file for all: what they asked for tells them apart. */
static void alike_answers_are_told_apart_by_requests(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 4; i++)
        PLAY(bench, .bytes = 200000, .captured = WHOLE, .seed = 5, .request = i * 1000003 + 11,
             .start_ns = i * 100 * NS_PER_US);
    run(bench);
    expect_joints(bench, 4, true);
}

static void short_snap_lengths_will_do(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 3000000, .captured = 0);
    run(bench);
    expect_joints(bench, 1, false);
    assert_true(bench->flows.joints[0].confidence < 0.92);
}

static void amounts_and_times_tell_several_apart(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 3; i++)
        PLAY(bench, .bytes = 2000000 + i * 300000, .start_ns = i * 300 * MS);
    run(bench);
    expect_joints(bench, 3, false);
}

static void two_that_fit_alike_are_left(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 2000000);
    PLAY(bench, .bytes = 2000000, .start_ns = 200 * NS_PER_US);
    run(bench);
    expect_joints(bench, 0, false);
}

/* Two halves of different connections, alike in amount and time, with other content. */
static void other_content_is_never_joined(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 2000000, .captured = WHOLE, .seed = 1, .no_client_leg = true);
    PLAY(bench, .bytes = 2000000, .captured = WHOLE, .seed = 2, .no_server_leg = true);
    run(bench);
    expect_joints(bench, 0, true);
}

/* What came out before it went in is no proxy's. */
static void effects_do_not_precede_causes(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 2000000, .no_client_leg = true, .start_ns = 40 * MS);
    PLAY(bench, .bytes = 2000000, .no_server_leg = true);
    run(bench);
    expect_joints(bench, 0, true);
}

static void other_amounts_are_never_joined(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 2000000, .no_client_leg = true);
    PLAY(bench, .bytes = 1900000, .no_server_leg = true);
    run(bench);
    expect_joints(bench, 0, true);
}

/* The same numbers at both points, under a name that match could not see through: no proxy. */
static void one_flow_is_no_pair_of_legs(void **state)
{
    struct bench *bench = *state;
    PLAY(bench, .bytes = 300000, .captured = WHOLE);
    struct wh_error error;
    const unsigned given[POINTS] = {OUTER, INNER};
    for (unsigned p = 0; p < POINTS; p++)
        assert_int_equal(track_finish(&bench->track[p], &error), WH_OK);
    assert_int_equal(match_points(bench->track, POINTS, 2, &bench->arena, &bench->flows, &error),
                     WH_OK);
    struct align_options options = {.given = given};
    assert_int_equal(align_points(&bench->flows, &options, &bench->alignment, &error), WH_OK);
    for (unsigned side = 0; side < 2; side++)
        bench->track[INNER].flows[0].stream[side].base =
            bench->track[OUTER].flows[0].stream[side].base;
    assert_int_equal(join_flows(&bench->flows, &bench->alignment, &error), WH_OK);
    assert_int_equal(bench->flows.joint_count, 0);
}

#define JOIN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOIN_TEST(legs_are_joined_by_content),
        JOIN_TEST(joints_order_and_tie_the_points),
        JOIN_TEST(content_finds_the_clock),
        JOIN_TEST(alike_answers_are_told_apart_by_requests),
        JOIN_TEST(short_snap_lengths_will_do),
        JOIN_TEST(amounts_and_times_tell_several_apart),
        JOIN_TEST(two_that_fit_alike_are_left),
        JOIN_TEST(other_content_is_never_joined),
        JOIN_TEST(effects_do_not_precede_causes),
        JOIN_TEST(other_amounts_are_never_joined),
        JOIN_TEST(one_flow_is_no_pair_of_legs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
