/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Display filters: the point's own names, frames and clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/parts.h"

#define S 1000000000LL

static const struct wh_frame FRAMES[] = {{1, 0, 12}, {1, 1, 3}, {0, 0, 7}, {1, 0, 9}, {1, 0, 12}};
static const struct wh_evidence EVIDENCE[] = {{"a", FRAMES, 3}, {"b", FRAMES + 3, 2}};
static const struct wh_stall STALL = {.id = 1,
                                      .flow = 1,
                                      .start_ns = 10 * S,
                                      .end_ns = 12 * S,
                                      .evidence = EVIDENCE,
                                      .evidence_count = 2};
static const struct wh_flow_at AT[] = {
    {"192.0.2.1:5000", "198.51.100.2:80"},
    {"[2001:db8::1]:5000", "[2001:db8::2]:80"},
    {"", ""},
};
static const struct wh_flow_at HOSTILE[] = {
    {"1.2.3.4:5 || tcp", "1.2.3.4:80"}, {"1.2.3.4:`x`", "1.2.3.4:80"}, {"1.2.3.4", "1.2.3.4:80"}};

static struct wh_flow flow = {.id = 1, .protocol = "tcp", .at = AT};
static struct wh_point points[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
static const struct wh_result RESULT = {
    .epoch_unix_ns = 1000 * S, .points = points, .point_count = 3, .flows = &flow, .flow_count = 1};

static void assert_filter(struct buffer *filter, const char *expected)
{
    assert_false(filter->failed);
    assert_string_equal(filter->length ? filter->bytes : "", expected);
    buffer_free(filter);
}

static void frames_are_sorted_and_each_named_once(void **state)
{
    (void)state;
    struct buffer filter = {0};
    assert_true(filter_frames(&filter, &STALL, 1, 0));
    assert_filter(&filter, "frame.number in {9, 12}");
    assert_true(filter_frames(&filter, &STALL, 1, 1));
    assert_filter(&filter, "frame.number in {3}");
    assert_false(filter_frames(&filter, &STALL, 2, 0));
    assert_filter(&filter, "");
}

static void a_flow_has_the_point_s_names(void **state)
{
    (void)state;
    struct buffer filter = {0};
    assert_true(filter_flow(&filter, &RESULT, &STALL, 0));
    assert_filter(&filter, "ip.addr==192.0.2.1 && ip.addr==198.51.100.2 && tcp.port==5000 && "
                           "tcp.port==80 && frame.time_epoch>=1009.900 && "
                           "frame.time_epoch<=1012.101");
    flow.protocol = "udp";
    assert_true(filter_flow(&filter, &RESULT, &STALL, 1));
    assert_filter(&filter, "ipv6.addr==2001:db8::1 && ipv6.addr==2001:db8::2 && udp.port==5000 && "
                           "udp.port==80 && frame.time_epoch>=1009.900 && "
                           "frame.time_epoch<=1012.101");
    flow.protocol = "tcp";
    assert_false(filter_flow(&filter, &RESULT, &STALL, 2)); /* not seen there */
    assert_filter(&filter, "");
}

static void nothing_else_gets_into_a_filter(void **state)
{
    (void)state;
    struct buffer filter = {0};
    flow.at = HOSTILE;
    for (uint32_t p = 0; p < 3; p++)
        assert_false(filter_flow(&filter, &RESULT, &STALL, p));
    flow.at = AT;
    flow.protocol = "sctp || frame";
    assert_false(filter_flow(&filter, &RESULT, &STALL, 0));
    flow.protocol = "tcp";
    assert_filter(&filter, "");
}

/* What align adds is taken off again; a clock that was set had its steps taken out. */
static void times_are_those_of_the_file(void **state)
{
    (void)state;
    static const struct wh_clock_step STEPS[] = {{5 * S, 2 * S, false}, {11 * S, -3 * S, false}};
    struct wh_point *point = &points[1];
    point->first_ns = 1 * S;
    point->clock = (struct wh_clock_info){.offset_ns = -4 * S, .drift_ppm = 100};
    assert_int_equal(filter_file_time(&RESULT, point, 1 * S), 1005 * S);
    assert_int_equal(filter_file_time(&RESULT, point, 11 * S), 1015 * S - 1000000);
    point->clock = (struct wh_clock_info){.steps = STEPS, .step_count = 2};
    assert_int_equal(filter_file_time(&RESULT, point, 4 * S), 1004 * S);
    assert_int_equal(filter_file_time(&RESULT, point, 10 * S), 1012 * S);
    assert_int_equal(filter_file_time(&RESULT, point, 12 * S), 1011 * S);
    struct buffer filter = {0}; /* set back in the stall: from the earlier to the later */
    assert_true(filter_flow(&filter, &RESULT, &STALL, 1));
    assert_non_null(strstr(filter.bytes, ">=1011.100 && frame.time_epoch<=1011.901"));
    buffer_free(&filter);
    *point = (struct wh_point){.name = "b"};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_sorted_and_each_named_once),
        cmocka_unit_test(a_flow_has_the_point_s_names),
        cmocka_unit_test(nothing_else_gets_into_a_filter),
        cmocka_unit_test(times_are_those_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
