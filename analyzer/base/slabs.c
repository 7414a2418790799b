/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sizes of short arrays are little apart, as what lies between them is memory all the same. Blocks
 * are given out in the order of their addresses, so a chain's block number n has n others before it
 * at least: `memory` is its address less that of n blocks, and elements are found as in any array.
 */
#include "base/slabs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/keyed.h"

#define NO_BLOCK     UINT32_MAX
#define CHAIN_BEGINS 2u

/* Multiples of 120: next to nothing is left over of what packets take. The last ends within the
 * second block. */
static const uint16_t SIZES[SLAB_SIZES] = {
    240,  360,  480,  600,  720,  840,  960,  1080, 1200, 1320, 1440, 1680,
    1920, 2160, 2400, 2880, 3360, 3840, 4320, 5040, 5760, 6720, 7680,
};

/* ---- short arrays ---------------------------------------------------------------------------- */

static void *take(struct slabs *slabs, unsigned size)
{
    void *memory = slabs->unused[size];
    if (!memory)
        return pages_take(&slabs->small, SIZES[size]);
    memcpy(&slabs->unused[size], memory, sizeof(void *));
    return memory;
}

static void leave(struct slabs *slabs, const struct slab *slab)
{
    memcpy(slab->memory, &slabs->unused[slab->size], sizeof(void *));
    slabs->unused[slab->size] = slab->memory;
}

static bool grow_short(struct slabs *slabs, struct slab *slab, unsigned size, size_t used_bytes)
{
    void *memory = take(slabs, size);
    if (!memory)
        return false;
    if (slab->memory) {
        memcpy(memory, slab->memory, used_bytes);
        leave(slabs, slab);
    }
    *slab = (struct slab){memory, (uint8_t)size};
    return true;
}

/* ---- chains ---------------------------------------------------------------------------------- */

static char *block_at(const struct slabs *slabs, uint32_t block)
{
    return slabs->blocks.memory + block * SLAB_BLOCK_BYTES;
}

/* The last block of a chain, which is the `number`th. */
static uint32_t last_block(const struct slabs *slabs, const struct slab *slab, uint32_t number)
{
    size_t offset = (size_t)((char *)slab->memory - slabs->blocks.memory);
    return (uint32_t)(offset / SLAB_BLOCK_BYTES) + number - 1;
}

/* NO_BLOCK when memory is out. */
static uint32_t add_block(struct slabs *slabs, uint32_t before)
{
    uint32_t *place = ARRAY_PUSH(slabs->before, slabs->block_count, slabs->block_capacity);
    if (!place)
        return NO_BLOCK;
    *place = before;
    if (pages_take(&slabs->blocks, SLAB_BLOCK_BYTES))
        return slabs->block_count - 1;
    slabs->block_count--;
    return NO_BLOCK;
}

/* An array of the largest size becomes a chain of CHAIN_BEGINS blocks. */
static bool begin_chain(struct slabs *slabs, struct slab *slab, size_t used_bytes)
{
    assert(slab->memory && used_bytes >= SLAB_BLOCK_BYTES);
    uint32_t first = add_block(slabs, NO_BLOCK);
    if (first == NO_BLOCK)
        return false;
    uint32_t second = add_block(slabs, first);
    if (second == NO_BLOCK) {
        pages_cut(&slabs->blocks, --slabs->block_count * SLAB_BLOCK_BYTES);
        return false;
    }
    memcpy(block_at(slabs, first), slab->memory, SLAB_BLOCK_BYTES);
    memcpy(block_at(slabs, second), (char *)slab->memory + SLAB_BLOCK_BYTES,
           used_bytes - SLAB_BLOCK_BYTES);
    leave(slabs, slab);
    *slab = (struct slab){block_at(slabs, first), SLAB_CHAINED};
    return true;
}

/* A chain of `blocks` gets one more. */
static bool go_on(struct slabs *slabs, struct slab *slab, uint32_t blocks)
{
    uint32_t block = add_block(slabs, last_block(slabs, slab, blocks));
    if (block == NO_BLOCK)
        return false;
    slab->memory = block_at(slabs, block - blocks);
    return true;
}

bool slabs_grow(struct slabs *slabs, struct slab *slab, uint32_t *capacity, size_t element_bytes)
{
    uint32_t in_block = (uint32_t)(SLAB_BLOCK_BYTES / element_bytes);
    size_t used_bytes = *capacity * element_bytes;
    bool chained = slab->size == SLAB_CHAINED;
    unsigned size = slab->memory && !chained ? slab->size + 1u : slab->size;
    while (size < SLAB_SIZES && SIZES[size] < used_bytes + element_bytes)
        size++;
    if (size < SLAB_SIZES) {
        if (!grow_short(slabs, slab, size, used_bytes))
            return false;
        *capacity = (uint32_t)(SIZES[size] / element_bytes);
        return true;
    }
    uint32_t blocks = chained ? *capacity / in_block + 1 : CHAIN_BEGINS;
    if (blocks > INT32_MAX / in_block ||
        !(chained ? go_on(slabs, slab, blocks - 1) : begin_chain(slabs, slab, used_bytes)))
        return false;
    *capacity = blocks * in_block;
    return true;
}

void *slabs_element(const struct slabs *slabs, const struct slab *slab, uint32_t capacity,
                    size_t element_bytes, uint32_t index)
{
    uint32_t in_block = (uint32_t)(SLAB_BLOCK_BYTES / element_bytes);
    uint32_t first = capacity - in_block; /* of the block's elements */
    if (slab->size != SLAB_CHAINED || index >= first)
        return (char *)slab->memory + index * element_bytes;
    uint32_t block = last_block(slabs, slab, capacity / in_block);
    for (unsigned i = 0; i < SLAB_REACH && index < first; i++, first -= in_block)
        block = slabs->before[block];
    return index < first ? NULL : block_at(slabs, block) + (index - first) * element_bytes;
}

/* ---- packing --------------------------------------------------------------------------------- */

static void pack_short(struct slabs *slabs, struct slab_use *uses, uint32_t count)
{
    const size_t step = _Alignof(uint64_t); /* divides all sizes: none is packed behind its place */
    char *packed = slabs->small.memory;
    for (uint32_t i = 0; i < count; i++) {
        if (uses[i].slab.size == SLAB_CHAINED || uses[i].used_bytes == 0)
            continue;
        memmove(packed, uses[i].slab.memory, uses[i].used_bytes);
        uses[i].slab.memory = packed;
        packed += (uses[i].used_bytes + step - 1) / step * step;
    }
    pages_cut(&slabs->small, (size_t)(packed - slabs->small.memory));
    memset(slabs->unused, 0, sizeof slabs->unused);
}

static bool pack_chains(struct slabs *slabs, struct slab_use *uses, uint32_t count)
{
    struct keyed *order = array_unset(slabs->block_count, sizeof *order);
    char spare[SLAB_BLOCK_BYTES];
    uint32_t next = 0;
    for (uint32_t i = 0; order && i < count; i++) {
        struct slab *slab = &uses[i].slab;
        if (slab->size != SLAB_CHAINED)
            continue;
        uint32_t blocks =
            (uint32_t)((uses[i].used_bytes + SLAB_BLOCK_BYTES - 1) / SLAB_BLOCK_BYTES);
        uint32_t block = last_block(slabs, slab, blocks);
        for (uint32_t k = blocks; k-- > 0; block = slabs->before[block])
            order[next + k].index = block;
        slab->memory = block_at(slabs, next);
        next += blocks;
    }
    if (!order)
        return false;
    assert(next == slabs->block_count); /* all are used, each in one place */
    keyed_move(slabs->blocks.memory, SLAB_BLOCK_BYTES, order, next, spare);
    free(order);
    return true;
}

bool slabs_pack(struct slabs *slabs, struct slab_use *uses, uint32_t count)
{
    if (!pack_chains(slabs, uses, count))
        return false;
    pack_short(slabs, uses, count);
    free(slabs->before);
    slabs->before = NULL;
    slabs->block_count = slabs->block_capacity = 0;
    return true;
}

void slabs_release(struct slabs *slabs, unsigned part, unsigned parts)
{
    pages_release(&slabs->small, part, parts);
    pages_release(&slabs->blocks, part, parts);
}

void slabs_free(struct slabs *slabs)
{
    pages_free(&slabs->small);
    pages_free(&slabs->blocks);
    free(slabs->before);
    *slabs = (struct slabs){0};
}
