/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Threads that take items off one counter. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct crew {
    parallel_work *work;
    void *context;
    uint32_t count;
    atomic_uint_fast64_t next; /* wider than an item: threads may run past the end */
};

struct hand {
    struct crew *crew;
    unsigned worker;
    pthread_t thread;
};

unsigned parallel_threads(unsigned wanted)
{
    cpu_set_t mine;
    if (wanted == 0 && sched_getaffinity(0, sizeof mine, &mine) == 0)
        wanted = (unsigned)CPU_COUNT(&mine);
    return wanted < 1 ? 1 : wanted > PARALLEL_MAX ? PARALLEL_MAX : wanted;
}

static void *take_items(void *argument)
{
    struct hand *hand = argument;
    struct crew *crew = hand->crew;
    uint64_t item;
    while ((item = atomic_fetch_add(&crew->next, 1)) < crew->count)
        crew->work(crew->context, hand->worker, (uint32_t)item);
    return NULL;
}

void parallel_run(unsigned threads, uint32_t count, parallel_work *work, void *context)
{
    struct crew crew = {.work = work, .context = context, .count = count};
    struct hand hands[PARALLEL_MAX];
    unsigned started = 1;
    threads = parallel_threads(threads);
    if (threads > count)
        threads = count ? (unsigned)count : 1;
    for (; started < threads; started++) {
        hands[started] = (struct hand){.crew = &crew, .worker = started};
        if (pthread_create(&hands[started].thread, NULL, take_items, &hands[started]) != 0)
            break;
    }
    hands[0] = (struct hand){.crew = &crew};
    take_items(&hands[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(hands[i].thread, NULL);
}
