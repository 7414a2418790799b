/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory for very many arrays that grow at the same time. An array moves only a few times: each
 * size is a multiple of the one before, and of a large piece only the pages that are written to
 * exist. What an array has left behind is handed to the next one. Once no array grows any more,
 * they can be packed.
 */
#ifndef WHICHHOP_BASE_SLABS_H
#define WHICHHOP_BASE_SLABS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_SIZES 27u

#define SLAB_PACKED SLAB_SIZES /* as a size: as many bytes as there were elements */

struct slab_extent;
struct slabs {
    struct slab_extent *extents; /* the newest first; given back all at once */
    void *unused[SLAB_SIZES];    /* by size, a list */
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

/* Makes room for more than `*capacity` elements of `element_bytes`, which are moved: `*capacity` is
 * then how many there is room for. The memory is not zeroed, is aligned for 64 bits, and belongs
 * to `slabs`. False when memory is out, or an array grows beyond 2^31 elements. */
bool slabs_grow(struct slabs *slabs, struct slab *slab, uint32_t *capacity, size_t element_bytes);

/* Moves small arrays together and gives back what lay between them. `uses` are all arrays of
 * `slabs`, in the order of their addresses; they then say where each array is, which has room for
 * no more than it holds. */
void slabs_pack(struct slabs *slabs, struct slab_use *uses, uint32_t count);

/* Gives the pages of one of `parts` shares, which are about as large as each other, back to the
 * system, before slabs_free: what was in them is lost. Threads may each take another share: that
 * takes most of the time, and slabs_free, which unmaps, does it for one thread at a time only. */
void slabs_release(struct slabs *slabs, unsigned part, unsigned parts);

void slabs_free(struct slabs *slabs);

#endif
