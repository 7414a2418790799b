/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libplot draws bitmaps without smoothing. So it draws three times as large, and this takes its
 * rows as they are written, averages 3 x 3 pixels to one and writes the PNG.
 */
#ifndef WHICHHOP_PLOT_IMAGE_H
#define WHICHHOP_PLOT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define IMAGE_OVERSAMPLING 3u

enum image_state { IMAGE_MAGIC, IMAGE_NUMBERS, IMAGE_COMMENT, IMAGE_PIXELS, IMAGE_BAD };

struct image {
    uint32_t width, height; /* of the PNG */
    uint16_t *sums;         /* of one row of the PNG, three channels */
    uint8_t *pixels;        /* width * height * 3 */
    enum image_state state;
    uint32_t numbers[3]; /* PNM's width, height, largest value */
    unsigned number_count;
    bool in_number;
    uint32_t channels; /* 3: P6, 1: P5 */
    uint64_t bytes;    /* of the pixels seen */
};

/* A stream that takes a PNM (P5 or P6) of `width` x `height` times the oversampling. NULL when
 * memory is out. The stream is closed by the caller before image_png; the image is freed with
 * image_free, after a failure too. */
FILE *image_open(struct image *image, uint32_t width, uint32_t height);

/* The PNG, to be freed by the caller; NULL when the PNM was cut or wrong or memory is out. */
void *image_png(const struct image *image, size_t *size);

void image_free(struct image *image);

#endif
