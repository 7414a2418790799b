/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pieces of an arena, those given back in a list for each size. */
#include "base/crumbs.h"

#include <string.h>

static void **unused_of(struct crumbs *crumbs, size_t bytes)
{
    return &crumbs->unused[(bytes + CRUMB_STEP - 1) / CRUMB_STEP];
}

void *crumbs_take(struct crumbs *crumbs, size_t bytes)
{
    void **unused = unused_of(crumbs, bytes), *piece = *unused;
    if (!piece)
        return arena_alloc(&crumbs->arena, bytes, 1);
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
    void **unused = unused_of(crumbs, bytes);
    memcpy(piece, unused, sizeof *unused);
    *unused = piece;
}

void crumbs_free(struct crumbs *crumbs)
{
    arena_free(&crumbs->arena);
    *crumbs = (struct crumbs){0};
}
