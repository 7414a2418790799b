/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory for very many arrays that grow at the same time. A short array moves a few times, as each
 * size is some more than the one before, and what it has left behind is handed to the next one. A
 * long array is a chain of blocks, with those of others between them: nothing is left free, and so
 * huge pages are filled. Once no array grows any more, they are packed: each is in one piece then.
 */
#ifndef WHICHHOP_BASE_SLABS_H
#define WHICHHOP_BASE_SLABS_H

#include "base/pages.h"

#define SLAB_SIZES       23u
#define SLAB_CHAINED     SLAB_SIZES /* as a size: a chain of blocks */
#define SLAB_BLOCK_BYTES ((size_t)5120)

/* Zero it first. */
struct slabs {
    struct pages small;       /* short arrays */
    void *unused[SLAB_SIZES]; /* of them by size, a list */
    struct pages blocks;
    uint32_t *before; /* by block: the one before it in its chain */
    uint32_t block_count, block_capacity;
};

/* An array's memory: `size` is an index into the sizes there are. */
struct slab {
    void *memory; /* NULL: none yet */
    uint8_t size;
};

/* For slabs_pack. */
struct slab_use {
    struct slab slab;
    size_t used_bytes;
};

/* Makes room for more than `*capacity` elements, which have `element_bytes`, a divisor of
 * SLAB_BLOCK_BYTES; `*capacity` is then how many there is room for. A short array moves as a
 * whole. Of a chain, `memory` is where element 0 would be if all blocks lay one before the other up
 * to the last one: elements of that one are found by it, others by slabs_element. The memory is not
 * zeroed, is aligned for 64 bits, and belongs to `slabs`. False when memory is out, or an array
 * grows beyond 2^31 elements: all is as it was then. */
bool slabs_grow(struct slabs *slabs, struct slab *slab, uint32_t *capacity, size_t element_bytes);

/* Element `index` of an array with this capacity; NULL where it is more than SLAB_REACH blocks
 * before the last one. */
#define SLAB_REACH 64u
void *slabs_element(const struct slabs *slabs, const struct slab *slab, uint32_t capacity,
                    size_t element_bytes, uint32_t index);

/* Moves short arrays together and the blocks of each chain one behind the other, and gives back
 * what lay between them. `uses` are all arrays of `slabs`, short ones in the order of their
 * addresses; a chain's last block is used. They then say where each array is, and no array grows
 * any more. False when memory is out: all is as it was then. */
bool slabs_pack(struct slabs *slabs, struct slab_use *uses, uint32_t count);

/* As pages_release, before slabs_free. */
void slabs_release(struct slabs *slabs, unsigned part, unsigned parts);

void slabs_free(struct slabs *slabs);

#endif
