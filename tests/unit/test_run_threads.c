/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The same bytes out, whatever the number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/parallel.h"
#include "whichhop.h"

#define ITEMS 1000u

static char *report_of(const char *sample, unsigned threads)
{
    static const char *const POINTS[] = {"xenbrD", "eth0", "xenbrE"};
    struct wh_options options = {.threads = threads};
    struct wh_analysis *analysis;
    struct wh_error error;
    assert_int_equal(wh_open(&analysis, &options, &error), WH_OK);
    for (size_t i = 0; i < sizeof POINTS / sizeof *POINTS; i++) {
        char file[256];
        snprintf(file, sizeof file, "samples/%s/%s.pcap.gz", sample, POINTS[i]);
        assert_int_equal(wh_add_capture(analysis, POINTS[i], file, &error), WH_OK);
    }
    assert_int_equal(wh_run(analysis, &error), WH_OK);
    char *text = wh_text_report(analysis, "whichhop", false);
    assert_non_null(text);
    wh_free(analysis);
    return text;
}

static void test_reports_do_not_depend_on_threads(void **state)
{
    static const char *const SAMPLES[] = {"freeze-firewall", "loss-bridge", "zero-window-client"};
    static const unsigned THREADS[] = {2, 3, 8, 64};
    (void)state;
    for (size_t s = 0; s < sizeof SAMPLES / sizeof *SAMPLES; s++) {
        char *one = report_of(SAMPLES[s], 1);
        for (size_t t = 0; t < sizeof THREADS / sizeof *THREADS; t++) {
            char *many = report_of(SAMPLES[s], THREADS[t]);
            assert_string_equal(one, many);
            free(many);
        }
        free(one);
    }
}

struct tally {
    atomic_uint times[ITEMS];
    atomic_uint busy[PARALLEL_MAX];
    atomic_bool shared;
};

static void take_one(void *context, unsigned worker, uint32_t item)
{
    struct tally *tally = context;
    if (atomic_fetch_add(&tally->busy[worker], 1) != 0)
        atomic_store(&tally->shared, true);
    atomic_fetch_add(&tally->times[item], 1);
    atomic_fetch_sub(&tally->busy[worker], 1);
}

/* Each item once, and no two at a time under one worker's number. */
static void test_every_item_is_taken_once(void **state)
{
    static const unsigned THREADS[] = {0, 1, 2, 7, 1000};
    (void)state;
    for (size_t t = 0; t < sizeof THREADS / sizeof *THREADS; t++) {
        struct tally tally = {.shared = false};
        parallel_run(THREADS[t], ITEMS, take_one, &tally);
        parallel_run(THREADS[t], 0, take_one, &tally);
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_int_equal(tally.times[i], 1);
        assert_false(tally.shared);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports_do_not_depend_on_threads),
        cmocka_unit_test(test_every_item_is_taken_once),
    };
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
