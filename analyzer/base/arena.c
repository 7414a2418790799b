/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An arena of blocks, and the growing array. */
#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/pages.h"

#define BLOCK_BYTES ((size_t)64 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    max_align_t data[];
};

static struct arena_block *add_block(struct arena *arena, size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct arena_block *block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    /* A block made for one large piece is full at once: keep filling the one before it. */
    if (arena->blocks && bytes > BLOCK_BYTES) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct arena_block *block = arena->blocks;
    if (!block || block->size - block->used < bytes)
        block = add_block(arena, bytes);
    if (!block)
        return NULL;
    void *piece = (char *)block->data + block->used;
    block->used += bytes;
    return piece;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = arena_alloc(arena, bytes, 1);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1, 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->blocks;
    if (!kept)
        return;
    arena->blocks = kept->next;
    arena_free(arena);
    kept->next = NULL;
    memset(kept->data, 0, kept->used);
    kept->used = 0;
    arena->blocks = kept;
}

void arena_join(struct arena *to, struct arena *from)
{
    struct arena_block **last = &from->blocks;
    while (*last)
        last = &(*last)->next;
    *last = to->blocks;
    to->blocks = from->blocks;
    from->blocks = NULL;
}

static void *hinted(void *array, size_t count, size_t size)
{
    if (array)
        pages_hint(array, count * size);
    return array;
}

void *array_new(size_t count, size_t size)
{
    return hinted(calloc(count + 1, size), count + 1, size);
}

void *array_unset(size_t count, size_t size)
{
    return hinted(reallocarray(NULL, count + 1, size), count + 1, size);
}

bool array_grow(void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    uint64_t room = count < 8 ? 8 : (uint64_t)count + count / 2;
    if (room > UINT32_MAX - 1 || room > SIZE_MAX / 2 / size)
        return false;
    void *grown = realloc(*array, room * size);
    if (!grown)
        return false;
    pages_hint(grown, room * size);
    *array = grown;
    *capacity = (uint32_t)room;
    return true;
}

void array_shift(void *array, uint32_t *first, uint32_t *count, uint32_t capacity, size_t size)
{
    if (*count < capacity || *first <= *count / 2)
        return;
    memmove(array, (char *)array + *first * size, (*count - *first) * size);
    *count -= *first;
    *first = 0;
}
