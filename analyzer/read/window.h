/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A window that slides over the unpacked bytes of a file: the readers ask for the next n bytes in
 * one piece, look at them, and step over them. Over a large plain file it is the mapping itself;
 * over everything else (packed, a pipe, small) a buffer that always holds one whole record.
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

    const uint8_t *map; /* NULL: streamed */
    size_t map_bytes;   /* as mapped */
    size_t size_bytes;  /* as the file is now: it may have become shorter */
    int map_fd;         /* not owned */

    struct source *source; /* not owned; NULL: mapped */
    uint8_t *buffer;
    size_t capacity;
    bool no_memory;
};

/* Over a file descriptor's first `bytes` bytes. False when it cannot be mapped. The descriptor
 * must stay open until window_close. */
bool window_open_map(struct window *window, int fd, uint64_t bytes);

/* Over a source, which must live until window_close. False when memory is out. */
bool window_open_stream(struct window *window, struct source *source);
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

/* Why the bytes ended although the file did not: a clause for a message; NULL: a plain end. */
const char *window_failure(const struct window *window);

/* 0 to 1. */
double window_progress(const struct window *window);

#endif
