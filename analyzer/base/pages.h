/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory that grows at its end, by gigabytes, and never moves. What a page costs differs five times
 * between machines, and forty times between small and huge ones, either way, and changes while a
 * program runs: so it is measured while memory is taken, and the cheaper kind is taken.
 */
#ifndef WHICHHOP_BASE_PAGES_H
#define WHICHHOP_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum page_kind { PAGES_SMALL, PAGES_HUGE, PAGE_KINDS };

/* Zero it first. */
struct pages {
    char *memory;                /* NULL: none yet */
    size_t room;                 /* bytes of address space */
    size_t asked, ready, used;   /* bytes that may be written to; have pages; were taken */
    bool reserved;               /* nobody else can map anything there */
    enum page_kind kind;         /* of what is not ready yet */
    int64_t cost_ns[PAGE_KINDS]; /* of PAGES_STEP of them, as taken latest */
};

#define PAGES_STEP  ((size_t)1 << 21) /* one huge page, on most processors */
#define PAGES_AHEAD (4 * PAGES_STEP)

/* The next `bytes`, right behind those taken before, the first of which are aligned to PAGES_STEP.
 * Not zeroed. NULL when memory or address space is out: nothing was taken then. */
void *pages_take(struct pages *pages, size_t bytes);

/* Forgets what lies behind the first `used` bytes, and gives its memory back. */
void pages_cut(struct pages *pages, size_t used);

/* Gives back one of `parts` shares of the memory, before pages_free: what was in it is lost. This
 * is what takes time in freeing; threads may each do another share. */
void pages_release(struct pages *pages, unsigned part, unsigned parts);

void pages_free(struct pages *pages);

/* For memory that comes from malloc, before it is written to: asks for huge pages where these were
 * the cheaper ones lately, for large memory itself, and for the last PAGES_AHEAD bytes of a heap
 * that has grown. Most of these were not written to yet where malloc takes as much ahead of what is
 * wanted (M_TOP_PAD). Safe from any thread. */
void pages_hint(void *memory, size_t bytes);

#endif
