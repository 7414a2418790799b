/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Millions of things put in order by a number: a radix sort, which takes time in proportion. */
#ifndef WHICHHOP_BASE_KEYED_H
#define WHICHHOP_BASE_KEYED_H

#include <stdbool.h>
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

#endif
