/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Work that is done in turns, by fewer threads than there are pieces: each time the piece that is
 * least far gets the next turn. So all come to their end at about the same time, and no processor
 * is left without work before it: three equal pieces keep two processors busy for as long as one
 * and a half, and not for two.
 */
#ifndef WHICHHOP_BASE_TURNS_H
#define WHICHHOP_BASE_TURNS_H

#include <stdint.h>

#define TURNS_OVER 2.0

/* Does a part of an item's work, and returns how much of it is done now, 0 to 1; TURNS_OVER: all
 * of it. No two calls are for the same item at a time. */
typedef double turns_work(void *context, uint32_t item);

/* Calls `work` for items below `count`, at most TURNS_MAX, until all are over, on `threads`
 * threads, the caller's among them; with fewer where the system gives no more. */
#define TURNS_MAX 64u
void turns_run(unsigned threads, uint32_t count, turns_work *work, void *context);

#endif
