/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Millions of samples to as much as a picture can show. The frame is a grid of columns (time) and
 * rows (offset); samples that fall on the same cell are merged, so that what is drawn has the
 * size of the picture and not of the flow. Nothing is averaged: every cell touched is kept.
 */
#ifndef WHICHHOP_PLOT_THIN_H
#define WHICHHOP_PLOT_THIN_H

#include <stdbool.h>
#include <stdint.h>

#include "plot/axis.h"
#include "plot/plot.h"

#define THIN_COLUMNS_MAX 4096u
#define THIN_ROWS_MAX    2048u

#define KIND_BIT(kind) (1u << (kind))
_Static_assert(PLOT_KINDS <= 8, "thin_activity has a byte for a set of kinds");

/* The sum, or INT64_MAX where it is more. */
static inline int64_t add_capped(int64_t value, int64_t more)
{
    return value > INT64_MAX - more ? INT64_MAX : value + more;
}

/* Behind a sample's last byte. */
static inline int64_t sample_end(const struct plot_sample *sample)
{
    return add_capped(sample->offset, sample->length);
}

struct thin_grid {
    struct axis time, offset;
    uint32_t columns, rows;
    int64_t silence_ns; /* longer without a sample is missing data: no line is drawn across it */
};

/* A place on the grid: the left edge of `column`, the lower edge of `row`. */
struct thin_vertex {
    uint16_t column, row;
    bool move; /* the pen is lifted before it */
};

/* Owns its vertices: free them with thin_free. Zeroed, it is empty. */
struct thin_path {
    struct thin_vertex *vertices;
    uint32_t count, capacity;
};

/* Byte ranges as vertical strokes, neighbours joined as stairs: level while nothing new came, up
 * where it came. No join over more than silence_ns, nor over bytes not seen. Samples of the kinds
 * in the set `kinds` (KIND_BIT), appended to `path`. False when memory is out. */
bool thin_ranges(const struct thin_grid *grid, const struct plot_point *point, unsigned kinds,
                 struct thin_path *path);

/* A level that holds until the next sample of its kind says otherwise: PLOT_ACK, PLOT_WINDOW,
 * PLOT_FLIGHT and PLOT_ROOM. */
bool thin_levels(const struct thin_grid *grid, const struct plot_point *point, unsigned kind,
                 struct thin_path *path);

/* The middles of samples of one kind, at most one for each rectangle of `columns` by `rows` grid
 * cells, each as a vertex of its own. */
bool thin_marks(const struct thin_grid *grid, const struct plot_point *point, unsigned kind,
                uint32_t columns, uint32_t rows, struct thin_path *path);

/* For each column the kinds seen in it (KIND_BIT), whatever their offset: `columns` bytes. */
void thin_activity(const struct thin_grid *grid, const struct plot_point *point, uint8_t *seen);

/* The lowest and highest offset of the kinds in the set, of samples within the time axis; leaves
 * both alone and returns false when there is none. */
bool thin_extent(const struct axis *time, const struct plot_point *point, unsigned kinds,
                 int64_t *low, int64_t *high);

void thin_free(struct thin_path *path);

#endif
