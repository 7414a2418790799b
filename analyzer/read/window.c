/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sliding window. */
#include "read/window.h"

#include <stdlib.h>
#include <string.h>

bool window_open(struct window *window, struct source *source, size_t buffer_bytes)
{
    *window = (struct window){.source = source, .capacity = buffer_bytes};
    window->buffer = malloc(buffer_bytes);
    window->at = window->buffer;
    return window->buffer != NULL;
}

void window_close(struct window *window)
{
    free(window->buffer);
    *window = (struct window){0};
}

/* Doubles the buffer as bytes arrive, so that a length field alone makes nothing grow. */
static bool grow_buffer(struct window *window)
{
    size_t capacity = window->capacity ? window->capacity * 2 : 1;
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

const uint8_t *window_fill(struct window *window, size_t bytes)
{
    if (bytes > WINDOW_MAX_BYTES)
        return NULL;
    if (window->left >= bytes)
        return window->at;
    memmove(window->buffer, window->at, window->left);
    window->at = window->buffer;
    while (window->left < bytes) {
        if (window->left == window->capacity && !grow_buffer(window)) {
            window->no_memory = true;
            return NULL;
        }
        size_t got = source_read(window->source, window->buffer + window->left,
                                 window->capacity - window->left);
        if (got == 0)
            return NULL;
        window->left += got;
        window->end += got;
    }
    return window->at;
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
    return source_failure(window->source);
}

double window_progress(const struct window *window)
{
    return source_progress(window->source);
}
