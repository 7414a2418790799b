/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bitmap of at most 256 colours with smoothed edges, and its PNG. libplot's own bitmaps are not
 * smoothed, and drawing them larger to smooth them afterwards takes longer than reading a large
 * capture. Coordinates are pixels from the lower left corner, as libplot has them.
 */
#ifndef WHICHHOP_PLOT_IMAGE_H
#define WHICHHOP_PLOT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_COLOURS 256u
#define IMAGE_LEVELS  15u /* of a pixel that is covered in part; this one is all of it */

struct image {
    uint32_t width, height;
    uint8_t
        *pixels; /* by row, the highest first: a 0 (a PNG's "no filter"), indices into colours */
    uint32_t colours[IMAGE_COLOURS]; /* 0xRRGGBB */
    unsigned colour_count;
    uint8_t ink;
    /* of an ink over a colour, by level: its index plus 1, 0 when not mixed yet */
    uint16_t (*blends[IMAGE_COLOURS])[IMAGE_LEVELS + 1];
    float *row; /* scratch: changes of coverage by pixel */
};

struct image_point {
    double x, y;
};

/* All white. False when memory is out; to be freed with image_free in either case. */
bool image_open(struct image *image, uint32_t width, uint32_t height);
void image_free(struct image *image);

/* White again. */
void image_clear(struct image *image);

/* The colour (0xRRGGBB) of what is drawn from now on. */
void image_ink(struct image *image, uint32_t colour);

/* A box between two corners, x0 <= x1 and y0 <= y1. */
void image_box(struct image *image, double x0, double y0, double x1, double y1);

/* A closed figure; where it covers itself it is filled. */
void image_polygon(struct image *image, const struct image_point *points, uint32_t count);

/* A figure given by how much of each pixel is covered, 0 to IMAGE_LEVELS, its upper left corner at
 * (x, y), whole numbers. */
void image_stamp(struct image *image, const uint8_t *levels, uint32_t width, uint32_t height,
                 double x, double y);

/* A pixel's index into colours, from the upper left corner. */
static inline uint8_t *image_pixel(const struct image *image, uint32_t x, uint32_t y)
{
    return image->pixels + (size_t)y * (image->width + 1) + 1 + x;
}

/* The PNG, to be freed by the caller; NULL when memory is out. */
void *image_png(const struct image *image, size_t *size);

#endif
