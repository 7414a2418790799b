/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The sliding window, mapped or streamed.
 *
 * A mapped file that someone makes shorter while it is read raises SIGBUS at a touch beyond its new
 * end, which a library must not catch. So the mapping is opened piece by piece, and before each
 * piece the file's size is asked again and nothing beyond it is touched; small files, where mapping
 * gains nothing, are not mapped at all. What remains is a file cut within the milliseconds in which
 * one piece is read: captures are appended to, not cut, so that is accepted.
 */
#include "read/window.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PIECE_BYTES  ((size_t)4 * 1024 * 1024)
#define BUFFER_BYTES ((size_t)256 * 1024)

bool window_open_map(struct window *window, int fd, uint64_t bytes)
{
    *window = (struct window){.map_fd = fd};
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return false;
    void *map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return false;
    (void)madvise(map, (size_t)bytes, MADV_SEQUENTIAL); /* only advice */
    window->map = map;
    window->at = map;
    window->map_bytes = (size_t)bytes;
    window->size_bytes = (size_t)bytes;
    return true;
}

bool window_open_stream(struct window *window, struct source *source)
{
    *window = (struct window){.source = source, .map_fd = -1};
    window->buffer = malloc(BUFFER_BYTES);
    window->capacity = BUFFER_BYTES;
    window->at = window->buffer;
    return window->buffer != NULL;
}

void window_close(struct window *window)
{
    if (window->map)
        munmap((void *)window->map, window->map_bytes);
    free(window->buffer);
    *window = (struct window){.map_fd = -1};
}

/* Opens the next piece of the mapping, and asks the kernel to read the one behind it. */
static void fill_map(struct window *window, size_t bytes)
{
    struct stat status;
    if (fstat(window->map_fd, &status) == 0 && (uint64_t)status.st_size < window->size_bytes)
        window->size_bytes = (size_t)status.st_size;
    size_t start = (size_t)window->end;
    size_t more = window->size_bytes > start ? window->size_bytes - start : 0;
    size_t piece = bytes - window->left > PIECE_BYTES ? bytes - window->left : PIECE_BYTES;
    if (more > piece)
        more = piece;
    window->left += more;
    window->end += more;
}

/* Doubles the buffer as bytes arrive, so that a length field alone makes nothing grow. */
static bool grow_buffer(struct window *window)
{
    size_t capacity = window->capacity ? window->capacity * 2 : BUFFER_BYTES;
    uint8_t *grown = malloc(capacity);
    if (!grown)
        return false;
    memcpy(grown, window->at, window->left);
    free(window->buffer);
    window->buffer = grown;
    window->capacity = capacity;
    window->at = grown;
    return true;
}

static void fill_stream(struct window *window, size_t bytes)
{
    memmove(window->buffer, window->at, window->left);
    window->at = window->buffer;
    while (window->left < bytes) {
        if (window->left == window->capacity && !grow_buffer(window)) {
            window->no_memory = true;
            return;
        }
        size_t got = source_read(window->source, window->buffer + window->left,
                                 window->capacity - window->left);
        if (got == 0)
            return;
        window->left += got;
        window->end += got;
    }
}

const uint8_t *window_fill(struct window *window, size_t bytes)
{
    if (bytes > WINDOW_MAX_BYTES)
        return NULL;
    if (window->left < bytes && window->map)
        fill_map(window, bytes);
    else if (window->left < bytes)
        fill_stream(window, bytes);
    return window->left >= bytes ? window->at : NULL;
}

bool window_discard(struct window *window, uint64_t bytes)
{
    while (bytes > window->left) {
        bytes -= window->left;
        window_skip(window, window->left);
        if (!window_fill(window, 1))
            return false;
    }
    window_skip(window, (size_t)bytes);
    return true;
}

const char *window_failure(const struct window *window)
{
    if (window->no_memory)
        return "memory is out";
    if (window->map && window->size_bytes < window->map_bytes)
        return "the file became shorter while it was read";
    return window->source ? source_failure(window->source) : NULL;
}

double window_progress(const struct window *window)
{
    if (window->map)
        return (double)window_offset(window) / (double)window->map_bytes;
    return window->source ? source_progress(window->source) : 1;
}
