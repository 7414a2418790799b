/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of turns: every item comes to its end, in one hand at a time, and the slow ones are
 * not left behind. */
#include "base/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define ITEMS 5u

struct job {
    unsigned turns[ITEMS]; /* an item takes as many */
    atomic_uint taken[ITEMS];
    atomic_bool busy[ITEMS];
    atomic_uint clashes;
    bool alone;   /* one thread: then `ahead` is */
    double ahead; /* of another that is not over: the farthest an item was when it got a turn */
};

static double part(const struct job *job, unsigned item)
{
    return (double)job->taken[item] / job->turns[item];
}

static double take(void *context, uint32_t item)
{
    struct job *job = context;
    job->clashes += atomic_exchange(&job->busy[item], true);
    for (unsigned other = 0; job->alone && other < ITEMS; other++)
        if (part(job, item) - part(job, other) > job->ahead)
            job->ahead = part(job, item) - part(job, other);
    job->taken[item]++;
    bool over = job->taken[item] == job->turns[item];
    double done = part(job, item);
    job->busy[item] = false;
    return over ? TURNS_OVER : done;
}

static void every_item_comes_to_its_end(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads < 8; threads++) {
        struct job job = {.turns = {1, 700, 20, 300, 1}};
        turns_run(threads, ITEMS, take, &job);
        assert_int_equal(job.clashes, 0);
        for (unsigned i = 0; i < ITEMS; i++)
            assert_int_equal(job.taken[i], job.turns[i]);
    }
    turns_run(2, 0, take, NULL);
}

static void the_least_far_is_next(void **state)
{
    (void)state;
    struct job job = {.turns = {10, 100, 50, 20, 10}, .alone = true};
    turns_run(1, ITEMS, take, &job);
    assert_true(job.ahead <= 0.1); /* the largest turn is a tenth */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_comes_to_its_end),
        cmocka_unit_test(the_least_far_is_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
