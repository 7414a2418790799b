/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ways of packing that are unpacked while reading: one row of functions for each. */
#ifndef WHICHHOP_READ_UNPACK_H
#define WHICHHOP_READ_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unpack_status { UNPACK_MORE, UNPACK_MEMBER_END, UNPACK_DAMAGED, UNPACK_NO_MEMORY };

struct unpack_way {
    const char *name;
    const char *magic;
    size_t magic_bytes;
    void *(*open)(void); /* NULL when memory is out */
    /* Takes from `*in`, writes to `*out`; moves both on and lessens their counts. MEMBER_END: one
     * packed member is whole; the next call starts another. Both counts at least 1 going in. */
    enum unpack_status (*step)(void *state, const uint8_t **in, size_t *in_bytes, uint8_t **out,
                               size_t *out_bytes);
    void (*close)(void *state);
};

/* The way whose magic these bytes start with; NULL: none. */
const struct unpack_way *unpack_find(const uint8_t *start, size_t bytes);
#define UNPACK_MAGIC_MAX 6u

#endif
