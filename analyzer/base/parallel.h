/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Work shared out among threads: items are taken one after the other, by whoever is free. What an
 * item gives belongs to the item, so that the result does not depend on who took it.
 */
#ifndef WHICHHOP_BASE_PARALLEL_H
#define WHICHHOP_BASE_PARALLEL_H

#include <stdint.h>

#define PARALLEL_MAX 64u

/* One item; `worker` is below the number of threads, and no two calls share it at a time. */
typedef void parallel_work(void *context, unsigned worker, uint32_t item);

/* How many threads to use where `wanted` were asked for; 0: as many as this process has
 * processors. At least 1, at most PARALLEL_MAX. */
unsigned parallel_threads(unsigned wanted);

/* Calls `work` once for each item below `count`, on `threads` threads, the caller's among them; it
 * returns when all are done. With fewer where the system gives no more. */
void parallel_run(unsigned threads, uint32_t count, parallel_work *work, void *context);

#endif
