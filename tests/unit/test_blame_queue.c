/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 8, blame: queues that stand, told from freezes. */
#include "blame/queue.h"
#include "blame_samples.h"

/* `count` segments, one in 10 ms, each held in one segment of its way (from 1) by what `held` says;
 * each answered at once, and the answer held in `answer_in`. */
static void send_through(struct blame_bench *bench, unsigned held_in, unsigned answer_in,
                         unsigned count, int64_t (*held)(unsigned i))
{
    for (unsigned i = 0; i < count; i++) {
        int64_t held_ns = held(i) * MS, offset = (int64_t)i * MSS;
        int64_t come_ns =
            SEND(bench->path, .time_ns = AT(i * 10), .side = SERVER, .seq = bench->level + offset,
                 .len = MSS, .ack = 101, .held_in = held_in, .held_ns = held_ns);
        SEND(bench->path, .time_ns = come_ns, .seq = 101, .ack = bench->level + offset + MSS,
             .held_in = answer_in, .held_ns = answer_in ? held_ns : 0);
    }
}

/* Grows by 5 ms a segment to 500 ms, stands, and shrinks again. */
static int64_t hill(unsigned i)
{
    return i < 100 ? 5 * (int64_t)i : i < 200 ? 500 : i < 300 ? 5 * (int64_t)(300 - i) : 0;
}

/* Above 200 ms: from segment 41, sent at 410 ms, to segment 259. Between P0 and P1 it comes out
 * 5 ms later than it is sent, and what it was held. */
static void test_between_captures(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 2, 0, 400, hill);
    const struct finding *finding = EXPECT(bench, WH_CAUSE_QUEUEING, 1, .direction = WH_TO_CLIENT,
                                           .start_ms = 620, .end_ms = 2800, .confidence = 0.97);
    assert_int_equal(finding->start_ns, AT(410 + 205 + 5));
    assert_int_equal(finding->end_ns, AT(2590 + 205 + 5));
    assert_int_equal(finding->evidence_count, 3);
    assert_true(finding->silence_ns < 20 * MS);
}

static void test_at_the_translator(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 3, 0, 400, hill);
    EXPECT(bench, WH_CAUSE_QUEUEING, 2, .direction = WH_TO_CLIENT, .start_ms = 621, .end_ms = 2801);
}

/* By the sender's timestamps, a tick of 1 ms less. */
static void test_before_the_first_capture(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 1, 0, 400, hill);
    EXPECT(bench, WH_CAUSE_QUEUEING, 0, .direction = WH_TO_CLIENT, .start_ms = 619, .end_ms = 2799,
           .confidence = 0.93);
}

static void test_no_timestamps_no_age(void **state)
{
    struct blame_bench *bench = *state;
    bench->path->no_stamps = true;
    begin(bench, 20);
    send_through(bench, 1, 0, 400, hill);
    expect_none(bench);
}

/* Behind the last capture, by the answers; ten segments are on the way at least. */
static void test_behind_the_last_capture(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 4, 0, 400, hill);
    EXPECT(bench, WH_CAUSE_QUEUEING, 3, .direction = WH_TO_CLIENT, .start_ms = 630, .end_ms = 2810,
           .confidence = 0.85);
}

/* There, but on the way back: the answers' own timestamps tell. */
static void test_answers_queue_behind_the_last_capture(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 0, 1, 400, hill);
    EXPECT(bench, WH_CAUSE_QUEUEING, 3, .direction = WH_TO_SERVER, .start_ms = 630, .end_ms = 2810,
           .confidence = 0.93);
}

static int64_t low_hill(unsigned i)
{
    return hill(i) * 195 / 500;
}

static void test_usual_buffer(void **state)
{
    for (unsigned segment = 1; segment <= 4; segment++) {
        struct blame_bench *bench = *state;
        begin(bench, 20);
        send_through(bench, segment, 0, 400, low_hill);
        expect_none(bench);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

static int64_t flat_hill(unsigned i)
{
    return hill(i) * 370 / 500;
}

/* Below twice the round trip of 192 ms: what is much on a short path is not on a long one. */
static void test_long_path(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct blame_bench *bench = *state;
        if (turn)
            bench->path->delay_ns[0] = bench->path->delay_ns[3] = 94 * MS;
        begin(bench, 20);
        send_through(bench, 2, 0, 400, flat_hill);
        blame(bench);
        assert_int_equal(bench->findings.count, turn ? 0 : 1);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

static int64_t short_hill(unsigned i)
{
    return i < 40 ? 5 * (int64_t)i : i < 56 ? 210 : 0;
}

static void test_above_for_a_moment_only(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 2, 0, 400, short_hill);
    expect_none(bench);
}

/* Nothing comes out for a second, then all at once: the same delays, and no queue. */
static int64_t wall(unsigned i)
{
    return i >= 100 && i < 200 ? 10 * (int64_t)(200 - i) : 0;
}

static void test_freeze_is_no_queue(void **state)
{
    for (unsigned segment = 1; segment <= 4; segment++) {
        struct blame_bench *bench = *state;
        begin(bench, 20);
        send_through(bench, segment, 0, 400, wall);
        blame(bench);
        for (uint32_t i = 0; i < bench->findings.count; i++)
            assert_int_equal(bench->findings.items[i].cause, WH_CAUSE_FREEZE);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* A freeze in a queue that stands: both are told. */
static int64_t hill_with_wall(unsigned i)
{
    int64_t to_wall_ms = 2400 - 10 * (int64_t)i; /* all that would come out from 1400 ms on */
    return i >= 110 && to_wall_ms > hill(i) && 10 * (int64_t)i + hill(i) > 1400 ? to_wall_ms
                                                                                : hill(i);
}

static void test_freeze_in_a_queue(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 2, 0, 600, hill_with_wall);
    blame(bench);
    bool frozen = false, queued = false;
    for (uint32_t i = 0; i < bench->findings.count; i++) {
        assert_int_equal(bench->findings.items[i].place.first, 1);
        frozen |= bench->findings.items[i].cause == WH_CAUSE_FREEZE;
        queued |= bench->findings.items[i].cause == WH_CAUSE_QUEUEING;
    }
    assert_true(frozen && queued);
}

/* The queue overflows, and the flow waits for what was lost: the queue's doing. */
static void test_overflow(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    send_through(bench, 2, 0, 150, hill);
    int64_t lost = 150 * MSS;
    DATA(1500, lost, MSS, .lost_in = 2);
    for (unsigned i = 1; i < 60; i++) {
        DATA(1500 + i * 10, lost + i * MSS, MSS, .held_in = 2, .held_ns = 500 * MS);
        REPLY(2010 + i * 10, lost,
              .sack = {{bench->level + lost + MSS, bench->level + lost + (i + 1) * MSS}});
    }
    DATA(2200, lost, MSS, .held_in = 2, .held_ns = 500 * MS);
    REPLY(2710, lost + 60 * MSS);
    go_on(bench, 2900, lost + 60 * MSS, 10);
    EXPECT(bench, WH_CAUSE_QUEUEING, 1, .direction = WH_TO_CLIENT, .start_ms = 620, .end_ms = 2705);
}

/* A hole that is filled late delays the cumulative ACK of all above it: no queue. */
static void test_hole_is_no_queue(void **state)
{
    for (unsigned with_sack = 0; with_sack < 2; with_sack++) {
        struct blame_bench *bench = *state;
        begin(bench, 20);
        DATA(0, 0, MSS, .lost_in = 4);
        for (unsigned i = 1; i < 60; i++) {
            DATA(i * 10, i * MSS, MSS);
            if (with_sack)
                REPLY(10 + i * 10, 0, .sack = {{bench->level + MSS, bench->level + (i + 1) * MSS}});
            else
                REPLY(10 + i * 10, 0);
        }
        DATA(700, 0, MSS);
        REPLY(710, 60 * MSS);
        go_on(bench, 720, 60 * MSS, 40);
        EXPECT(bench, WH_CAUSE_LOSS, 3, .direction = WH_TO_CLIENT, .start_ms = 5, .end_ms = 715);
        blame_tear_down(state);
        assert_int_equal(blame_set_up(state), 0);
    }
}

/* Lone segments that are answered late: a receiver may (RFC 1122, 4.2.3.2). */
static void test_delayed_answers(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    for (unsigned i = 0; i < 40; i++) {
        DATA(i * 300, i * 100, 100);
        REPLY(i * 300 + (i % 4 ? 190 : 10), (i + 1) * 100);
    }
    bench->min_stall_ns = 100 * MS;
    blame(bench);
    for (uint32_t i = 0; i < bench->findings.count; i++)
        assert_int_not_equal(bench->findings.items[i].cause, WH_CAUSE_QUEUEING);
}

/* ---- the walk by itself -----------------------------------------------------------------------
 */

static void fill(struct passages *passages, unsigned count, int64_t (*held)(unsigned i),
                 int64_t ppm)
{
    *passages = (struct passages){0};
    for (unsigned i = 0; i < count; i++) {
        struct passage *passage = ARRAY_PUSH(passages->items, passages->count, passages->capacity);
        assert_non_null(passage);
        int64_t in_ns = i * 10 * MS;
        passage->out_ns = in_ns + (5 + held(i)) * MS + in_ns / 1000000 * ppm;
        passage->in_ns = in_ns;
    }
}

static int64_t none(unsigned i)
{
    return i % 3;
}

static int64_t step(unsigned i)
{
    return i < 200 ? i % 3 : 250;
}

/* A clock that runs wrong by 400 ppm adds 400 ms in 1000 s. */
static void test_drift_is_taken_out(void **state)
{
    struct passages passages;
    struct queue_time found;
    uint32_t at = 0;
    (void)state;
    fill(&passages, 100000, none, 400);
    assert_true(queue_next(&passages, queue_base(&passages), 200 * MS, 200 * MS, &at, &found));
    queue_level(&passages);
    at = 0;
    assert_false(queue_next(&passages, queue_base(&passages), 200 * MS, 200 * MS, &at, &found));
    free(passages.items);
}

/* But not a queue that stands from the middle to the end. */
static void test_late_queue_is_no_drift(void **state)
{
    struct passages passages;
    struct queue_time found;
    uint32_t at = 0;
    (void)state;
    fill(&passages, 600, step, 0);
    queue_level(&passages);
    assert_int_equal(queue_base(&passages), 5 * MS);
    /* it came in one step: what was inside then may have been frozen, what came later was not */
    assert_true(queue_next(&passages, queue_base(&passages), 200 * MS, 200 * MS, &at, &found));
    assert_in_range(found.first, 200, 230);
    assert_int_equal(found.last, 599);
    assert_false(found.ended);
    assert_int_equal(at, passages.count);
    free(passages.items);
}

static int64_t two_hills(unsigned i)
{
    return hill(i % 400);
}

static void test_two_times(void **state)
{
    struct passages passages;
    struct queue_time found;
    uint32_t at = 0;
    (void)state;
    fill(&passages, 800, two_hills, 0);
    assert_true(queue_next(&passages, queue_base(&passages), 200 * MS, 200 * MS, &at, &found));
    assert_int_equal(found.first, 41);
    assert_int_equal(found.last, 259);
    assert_true(found.ended);
    assert_true(queue_next(&passages, queue_base(&passages), 200 * MS, 200 * MS, &at, &found));
    assert_int_equal(found.first, 441);
    assert_false(queue_next(&passages, queue_base(&passages), 200 * MS, 200 * MS, &at, &found));
    free(passages.items);
}

static void test_no_passage(void **state)
{
    struct passages passages = {0};
    struct queue_time found;
    uint32_t at = 0;
    (void)state;
    queue_level(&passages);
    assert_int_equal(queue_base(&passages), INT64_MAX);
    assert_false(queue_next(&passages, queue_base(&passages), 200 * MS, 200 * MS, &at, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLAME_TEST(test_between_captures),
        BLAME_TEST(test_at_the_translator),
        BLAME_TEST(test_before_the_first_capture),
        BLAME_TEST(test_no_timestamps_no_age),
        BLAME_TEST(test_behind_the_last_capture),
        BLAME_TEST(test_answers_queue_behind_the_last_capture),
        BLAME_TEST(test_usual_buffer),
        BLAME_TEST(test_long_path),
        BLAME_TEST(test_above_for_a_moment_only),
        BLAME_TEST(test_freeze_is_no_queue),
        BLAME_TEST(test_freeze_in_a_queue),
        BLAME_TEST(test_overflow),
        BLAME_TEST(test_hole_is_no_queue),
        BLAME_TEST(test_delayed_answers),
        cmocka_unit_test(test_drift_is_taken_out),
        cmocka_unit_test(test_late_queue_is_no_drift),
        cmocka_unit_test(test_two_times),
        cmocka_unit_test(test_no_passage),
    };
    return cmocka_run_group_tests_name("queues", tests, NULL, NULL);
}
