/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filling in a struct wh_error: the one way a stage says what went wrong and where. */
#ifndef WHICHHOP_BASE_ERROR_H
#define WHICHHOP_BASE_ERROR_H

#include "whichhop.h"

/* Sets file, packet (from 1; 0: none), byte and a sentence; returns WH_ERROR, so that a caller
 * can write `return error_set(...)`. `error` may be NULL. */
__attribute__((format(printf, 5, 6))) int error_set(struct wh_error *error, const char *file,
                                                    uint64_t packet, uint64_t byte,
                                                    const char *format, ...);

/* "out of memory" for `what`. */
int error_memory(struct wh_error *error, const char *what);

#endif
