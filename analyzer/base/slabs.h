/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory for very many arrays that grow at the same time. An array moves only a few times: each
 * size is a multiple of the one before, and of a large piece only the pages that are written to
 * exist. What an array has left behind is handed to the next one.
 */
#ifndef WHICHHOP_BASE_SLABS_H
#define WHICHHOP_BASE_SLABS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_SIZES 15u

struct slab_extent;
struct slabs {
    struct slab_extent *extents; /* given back all at once */
    char *at;                    /* in the newest extent: the `left` bytes from here are free */
    size_t left;
    void *unused[SLAB_SIZES]; /* by size, a list */
};

/* An array's memory: `size` is an index into the sizes there are. */
struct slab {
    void *memory; /* NULL: none yet */
    uint8_t size;
};

/* Makes room for more than `*capacity` elements of `element_bytes`, which are moved: `*capacity` is
 * then how many there is room for. The memory is not zeroed, is aligned for any type, and belongs
 * to `slabs`. False when memory is out, or an array grows beyond 2^31 elements. */
bool slabs_grow(struct slabs *slabs, struct slab *slab, uint32_t *capacity, size_t element_bytes);

void slabs_free(struct slabs *slabs);

#endif
