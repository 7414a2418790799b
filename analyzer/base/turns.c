/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Turns, handed out under a lock: they take milliseconds, so that nobody waits for it. */
#include "base/turns.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/parallel.h"

struct turns {
    turns_work *work;
    void *context;
    uint32_t count;
    pthread_mutex_t lock; /* of what follows */
    double done[TURNS_MAX];
    bool busy[TURNS_MAX]; /* somebody works on it, or it is over */
};

/* The item that is least far of those nobody works on; `count`: there is none. */
static uint32_t take_turn(struct turns *turns)
{
    uint32_t least = turns->count;
    for (uint32_t i = 0; i < turns->count; i++)
        if (!turns->busy[i] && (least == turns->count || turns->done[i] < turns->done[least]))
            least = i;
    if (least < turns->count)
        turns->busy[least] = true;
    return least;
}

/* A thread for which nothing is left goes: each item that is not over has another one's hand. */
static void take_turns(void *context, unsigned worker, uint32_t thread)
{
    struct turns *turns = context;
    (void)worker, (void)thread;
    pthread_mutex_lock(&turns->lock);
    for (uint32_t item; (item = take_turn(turns)) < turns->count;) {
        pthread_mutex_unlock(&turns->lock);
        double done = turns->work(turns->context, item);
        pthread_mutex_lock(&turns->lock);
        turns->done[item] = done;
        turns->busy[item] = done >= TURNS_OVER;
    }
    pthread_mutex_unlock(&turns->lock);
}

void turns_run(unsigned threads, uint32_t count, turns_work *work, void *context)
{
    struct turns turns = {.work = work, .context = context, .count = count};
    pthread_mutex_init(&turns.lock, NULL);
    parallel_run(threads, threads < count ? threads : count, take_turns, &turns);
    pthread_mutex_destroy(&turns.lock);
}
