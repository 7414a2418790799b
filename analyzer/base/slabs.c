/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Slabs are cut from extents of reserved address space, which costs nothing until it is touched.
 * Small sizes grow by little, as what lies between them is touched all the same, and are cut
 * from the beginning. Large ones are whole pages, cut from the end: what they take ends in the page
 * written to last, so they grow by sixteen.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "base/slabs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXTENT_BYTES ((size_t)1 << 30)
#define EXTENT_LEAST ((size_t)1 << 22)
#define PAGE_MOST    ((size_t)1 << 16) /* of any usual system */
#define LARGE_BYTES  ((size_t)6 * PAGE_MOST)

/* Small ones are multiples of 120: next to nothing is left over of what packets take. */
static const size_t SIZES[SLAB_SIZES] = {
    (size_t)240,       (size_t)360,       (size_t)480,      (size_t)600,      (size_t)720,
    (size_t)840,       (size_t)960,       (size_t)1080,     (size_t)1200,     (size_t)1320,
    (size_t)1440,      (size_t)1680,      (size_t)1920,     (size_t)2160,     (size_t)2400,
    (size_t)2880,      (size_t)3360,      (size_t)3840,     (size_t)4320,     (size_t)5040,
    (size_t)5760,      LARGE_BYTES,       LARGE_BYTES << 4, LARGE_BYTES << 8, LARGE_BYTES << 12,
    LARGE_BYTES << 16, LARGE_BYTES << 18,
};

struct slab_extent {
    struct slab_extent *next;
    void *memory;
    size_t bytes;
    char *at; /* the `left` bytes from here are free: small pieces lie before them, large behind */
    size_t left;
};

/* Address space may be limited: then less of it, as long as it holds what is wanted now. */
static bool add_extent(struct slabs *slabs, size_t wanted)
{
    struct slab_extent *extent = malloc(sizeof *extent);
    size_t bytes = wanted > EXTENT_BYTES ? wanted : EXTENT_BYTES;
    void *memory = MAP_FAILED;
    for (; extent && memory == MAP_FAILED && bytes >= wanted && bytes >= EXTENT_LEAST; bytes /= 4)
        memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        free(extent);
        return false;
    }
    *extent = (struct slab_extent){slabs->extents, memory, bytes * 4, memory, bytes * 4};
    /* Of a large piece only the pages written to shall exist, not what is around them. */
    madvise(memory, extent->bytes, MADV_NOHUGEPAGE);
    slabs->extents = extent;
    return true;
}

static void *take(struct slabs *slabs, unsigned size)
{
    void *memory = slabs->unused[size];
    if (memory) {
        memcpy(&slabs->unused[size], memory, sizeof(void *));
        return memory;
    }
    bool room = slabs->extents && slabs->extents->left >= SIZES[size];
    if (!room && !add_extent(slabs, SIZES[size]))
        return NULL;
    struct slab_extent *extent = slabs->extents;
    extent->left -= SIZES[size];
    if (SIZES[size] >= LARGE_BYTES)
        return extent->at + extent->left;
    memory = extent->at;
    extent->at += SIZES[size];
    return memory;
}

/* Large pieces find no other taker soon: their pages go back to the system. */
static void give_back(struct slabs *slabs, void *memory, unsigned size)
{
    if (size == SLAB_PACKED)
        return;
    if (SIZES[size] >= LARGE_BYTES)
        madvise(memory, SIZES[size], MADV_DONTNEED);
    memcpy(memory, &slabs->unused[size], sizeof(void *));
    slabs->unused[size] = memory;
}

bool slabs_grow(struct slabs *slabs, struct slab *slab, uint32_t *capacity, size_t element_bytes)
{
    size_t used_bytes = slab->memory ? *capacity * element_bytes : 0;
    void *memory = NULL;
    unsigned size = slab->memory && slab->size != SLAB_PACKED ? slab->size + 1u : 0;
    for (; size < SLAB_SIZES && SIZES[size] < used_bytes + element_bytes;)
        size++;
    if (size < SLAB_SIZES)
        memory = take(slabs, size);
    if (!memory || SIZES[size] / element_bytes > INT32_MAX)
        return false;
    if (slab->memory) {
        memcpy(memory, slab->memory, used_bytes);
        give_back(slabs, slab->memory, slab->size);
    }
    *slab = (struct slab){memory, (uint8_t)size};
    *capacity = (uint32_t)(SIZES[size] / element_bytes);
    return true;
}

static bool is_small(const struct slab_extent *extent, const struct slab *slab)
{
    uintptr_t start = (uintptr_t)extent->memory, at = (uintptr_t)slab->memory;
    return at >= start && at - start < (uintptr_t)extent->at - start;
}

static size_t whole_pages(size_t bytes)
{
    return (bytes + PAGE_MOST - 1) / PAGE_MOST * PAGE_MOST;
}

static void pack_extent(struct slab_extent *extent, struct slab_use *uses, uint32_t count)
{
    const size_t step = _Alignof(uint64_t); /* divides all sizes: none is packed behind its place */
    char *const start = extent->memory, *packed = start;
    for (uint32_t i = 0; i < count; i++) {
        struct slab *slab = &uses[i].slab;
        if (!is_small(extent, slab))
            continue;
        memmove(packed, slab->memory, uses[i].used_bytes);
        *slab = (struct slab){packed, SLAB_PACKED};
        packed += (uses[i].used_bytes + step - 1) / step * step;
    }
    size_t kept = whole_pages((size_t)(packed - start));
    if (start + kept < extent->at)
        madvise(start + kept, (size_t)(extent->at - start) - kept, MADV_DONTNEED);
    extent->left += (size_t)(extent->at - packed);
    extent->at = packed;
}

void slabs_pack(struct slabs *slabs, struct slab_use *uses, uint32_t count)
{
    for (struct slab_extent *extent = slabs->extents; extent; extent = extent->next)
        pack_extent(extent, uses, count);
    for (unsigned size = 0; size < SLAB_SIZES && SIZES[size] < LARGE_BYTES; size++)
        slabs->unused[size] = NULL;
}

/* One share of whole pages from `start` on; of the last, what `bytes` leaves. */
static void release_share(char *start, size_t bytes, unsigned part, unsigned parts)
{
    size_t pages = whole_pages(bytes) / PAGE_MOST;
    size_t from = pages * part / parts * PAGE_MOST, to = pages * (part + 1) / parts * PAGE_MOST;
    to = to < bytes ? to : bytes;
    if (from < to)
        madvise(start + from, to - from, MADV_DONTNEED);
}

void slabs_release(struct slabs *slabs, unsigned part, unsigned parts)
{
    for (struct slab_extent *extent = slabs->extents; extent; extent = extent->next) {
        size_t small = (size_t)(extent->at - (char *)extent->memory);
        size_t large = whole_pages(extent->bytes - small - extent->left);
        release_share(extent->memory, small, part, parts);
        large = large < extent->bytes ? large : extent->bytes;
        release_share((char *)extent->memory + extent->bytes - large, large, part, parts);
    }
}

void slabs_free(struct slabs *slabs)
{
    while (slabs->extents) {
        struct slab_extent *next = slabs->extents->next;
        munmap(slabs->extents->memory, slabs->extents->bytes);
        free(slabs->extents);
        slabs->extents = next;
    }
    *slabs = (struct slabs){0};
}
