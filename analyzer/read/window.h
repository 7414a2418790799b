/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A window that slides over the unpacked bytes of a file: the readers ask for the next n bytes in
 * one piece, look at them, and step over them. It is a buffer that always holds one whole record.
 */
#ifndef WHICHHOP_READ_WINDOW_H
#define WHICHHOP_READ_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "read/source.h"

/* No caller may ask for more in one piece: bounds the buffer whatever a length field says. */
#define WINDOW_MAX_BYTES ((size_t)17 * 1024 * 1024)

struct window {
    const uint8_t *at; /* the next byte */
    size_t left;       /* bytes there that may be touched */
    uint64_t end;      /* offset in the unpacked file of the first byte behind them */

    struct source *source; /* not owned */
    uint8_t *buffer;
    size_t capacity;
    bool no_memory; /* for more bytes, though the file may have them */
};

/* Over a source, which must live until window_close, with a buffer of `buffer_bytes` (at least 1)
 * that grows when a record needs it. False when memory is out. */
bool window_open(struct window *window, struct source *source, size_t buffer_bytes);
void window_close(struct window *window);

/* More bytes, until `bytes` are there. NULL: they are not; what is there stays. */
const uint8_t *window_fill(struct window *window, size_t bytes);

/* The next `bytes` bytes in one piece, not yet stepped over; valid until the next call on this
 * window. NULL: the file ends before (or could not be read, see window_failure). */
static inline const uint8_t *window_need(struct window *window, size_t bytes)
{
    if (__builtin_expect(window->left >= bytes, 1))
        return window->at;
    return window_fill(window, bytes);
}

/* Steps over bytes that window_need has shown. */
static inline void window_skip(struct window *window, size_t bytes)
{
    window->at += bytes;
    window->left -= bytes;
}

/* Steps over any number of bytes. False: the file ends before. */
bool window_discard(struct window *window, uint64_t bytes);

/* The next byte's offset in the unpacked file. */
static inline uint64_t window_offset(const struct window *window)
{
    return window->end - window->left;
}

/* Why the bytes ended although the file did not, nor memory: a clause for a message; NULL: a plain
 * end. */
const char *window_failure(const struct window *window);

/* 0 to 1. */
double window_progress(const struct window *window);

#endif
