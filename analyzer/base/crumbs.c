/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pieces of pages, those given back in a list for each size. */
#include "base/crumbs.h"

#include <string.h>

static size_t steps_of(size_t bytes)
{
    return (bytes + CRUMB_STEP - 1) / CRUMB_STEP;
}

void *crumbs_take(struct crumbs *crumbs, size_t bytes)
{
    void **unused = &crumbs->unused[steps_of(bytes)], *piece = *unused;
    if (!piece)
        return pages_take(&crumbs->pages, steps_of(bytes) * CRUMB_STEP);
    memcpy(unused, piece, sizeof *unused);
    return piece;
}

void *crumbs_copy(struct crumbs *crumbs, const void *from, size_t kept, size_t bytes)
{
    void *piece = crumbs_take(crumbs, bytes);
    return piece ? memcpy(piece, from, kept) : NULL;
}

void crumbs_give(struct crumbs *crumbs, void *piece, size_t bytes)
{
    void **unused = &crumbs->unused[steps_of(bytes)];
    memcpy(piece, unused, sizeof *unused);
    *unused = piece;
}

void crumbs_free(struct crumbs *crumbs)
{
    pages_free(&crumbs->pages);
    *crumbs = (struct crumbs){0};
}
