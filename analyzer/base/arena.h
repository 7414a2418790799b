/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory with the life of the analysis: handed out in pieces, given back all at once. And the one
 * growing array, whose sizes are checked before anything is multiplied.
 */
#ifndef WHICHHOP_BASE_ARENA_H
#define WHICHHOP_BASE_ARENA_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct arena_block;
struct arena {
    struct arena_block *blocks;
};

/* `count` zeroed elements of `size` bytes, aligned for any type; NULL when memory is out. Owned by
 * the arena. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);

/* Copies of strings into the arena; NULL when memory is out. */
char *arena_strdup(struct arena *arena, const char *text);
__attribute__((format(printf, 2, 3))) char *arena_printf(struct arena *arena, const char *format,
                                                         ...);
void arena_free(struct arena *arena);

/* Takes all pieces back, and keeps a block for the next ones. */
void arena_reset(struct arena *arena);

/* Hands all of `from` over to `to`; `from` is empty then. */
void arena_join(struct arena *to, struct arena *from);

/* A zeroed array of `count` elements, which may be 0; the caller frees it. A large one may have
 * huge pages, see pages_hint. NULL when memory is out. */
void *array_new(size_t count, size_t size);

/* The same, not zeroed: for what is written whole. */
void *array_unset(size_t count, size_t size);

/* Makes room for element number `count` in a malloc'ed array of `*capacity` elements: grows by
 * half (large arrays move by remapping pages, not by copying). Returns false when memory is out;
 * the array is then as it was. */
bool array_grow(void **array, uint32_t count, uint32_t *capacity, size_t size);

/* Of a queue of `*count` elements, before `*first` of which none is needed: moves the others to the
 * array's beginning when there is no more room, and most of it is not needed. */
void array_shift(void *array, uint32_t *first, uint32_t *count, uint32_t capacity, size_t size);

#define ARRAY_PUSH(array, count, capacity)                                                         \
    ((count) < (capacity) || array_grow((void **)&(array), (count), &(capacity), sizeof *(array))  \
         ? &(array)[(count)++]                                                                     \
         : NULL)

#endif
