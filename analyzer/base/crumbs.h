/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Memory for very many small things, each of its own size, that grow now and then: what one has
 * left behind is handed to the next one, nothing is spent on keeping books, and all goes at once.
 */
#ifndef WHICHHOP_BASE_CRUMBS_H
#define WHICHHOP_BASE_CRUMBS_H

#include "base/pages.h"

#define CRUMB_STEP 16u /* sizes are multiples of it */
#define CRUMB_MOST 2048u

/* Zero it first. */
struct crumbs {
    struct pages pages;
    void *unused[CRUMB_MOST / CRUMB_STEP + 1]; /* by size, a list */
};

/* `bytes`, above 0 and CRUMB_MOST at most, aligned for 16 bytes and not zeroed; NULL when memory is
 * out. Owned by `crumbs`. */
void *crumbs_take(struct crumbs *crumbs, size_t bytes);

/* The same, and it begins with the first `kept` bytes of `from`. */
void *crumbs_copy(struct crumbs *crumbs, const void *from, size_t kept, size_t bytes);

/* Gives back a piece that was taken with as many bytes. */
void crumbs_give(struct crumbs *crumbs, void *piece, size_t bytes);

/* Gives all of them back. */
void crumbs_free(struct crumbs *crumbs);

#endif
