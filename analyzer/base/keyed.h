/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Millions of things put in order by a number: a radix sort, which takes time in proportion. */
#ifndef WHICHHOP_BASE_KEYED_H
#define WHICHHOP_BASE_KEYED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyed {
    uint64_t key;
    uint32_t index; /* of what it stands for */
};

/* A signed number as a key: the order is the same. */
static inline uint64_t keyed_signed(int64_t number)
{
    return (uint64_t)number ^ (uint64_t)1 << 63;
}

/* Sorts by key; equal keys keep their order. False when memory is out. */
bool keyed_sort(struct keyed *items, uint32_t count);

/* Puts element number order[i].index of an array in place i, for all `count` of them, each of
 * `size` bytes. `order` is of no use afterwards; `spare` has room for an element. */
void keyed_move(void *array, size_t size, struct keyed *order, uint32_t count, void *spare);

typedef uint64_t keyed_key(const void *element);

/* Puts an array of `count` elements of `size` bytes in the order of their keys; equal ones keep
 * theirs. False when memory is out; the array is then as it was. */
bool keyed_arrange(void *array, uint32_t count, size_t size, keyed_key *key);

#endif
