/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes made by a thread of their own, some blocks ahead of who takes them. */
#ifndef WHICHHOP_READ_AHEAD_H
#define WHICHHOP_READ_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ahead;

/* Makes up to `room` bytes, `room` at least 1; 0: that was all. */
typedef size_t ahead_make(void *context, uint8_t *to, size_t room);

/* Starts the thread; until ahead_close, or until ahead_read gave 0, `context` is its own. NULL when
 * memory or threads are out. */
struct ahead *ahead_open(ahead_make *make, void *context);

/* Up to `room` bytes, waiting for some; 0: all were taken, and the thread is done. */
size_t ahead_read(struct ahead *ahead, uint8_t *to, size_t room);

/* Did ahead_read give 0? */
bool ahead_ended(const struct ahead *ahead);

/* Ends the thread, after the call to `make` that it is in. */
void ahead_close(struct ahead *ahead);

#endif
