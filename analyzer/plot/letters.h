/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The shapes and widths of letters, taken once from libplot's fonts: the strokes of its vector font
 * (HersheySans) for bitmaps, the widths of Helvetica for SVG. Private to plot.
 */
#ifndef WHICHHOP_PLOT_LETTERS_H
#define WHICHHOP_PLOT_LETTERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "plot/image.h"
#include "whichhop.h"

#define LETTERS 256u /* ISO 8859-1 */

/* In parts of the font's size, from the left end of the baseline. */
struct letter_vertex {
    float x, y;
    bool move; /* the pen is lifted before it */
};

struct letter {
    uint32_t first, count; /* of its vertices */
};

/* A letter as it is stamped on a bitmap: how much of each pixel is covered. */
struct stamp {
    atomic_uint key;     /* letter, style, size, turn and part of a pixel; 0: none, set last */
    int16_t left, above; /* of its upper left pixel, from where the letter begins */
    uint8_t width, height;
    uint8_t *levels; /* by row; owned */
};

struct plot_letters {
    float widths[LETTERS];        /* as drawn in a bitmap, plain or bold */
    float svg_widths[2][LETTERS]; /* in Helvetica: plain, bold */
    struct letter letters[LETTERS];
    struct letter_vertex *vertices;
    uint32_t count, capacity;
    bool beyond_ascii;    /* these have been drawn, too: few texts need them */
    struct stamp *stamps; /* hashed by key, made when first needed */
    uint32_t stamp_count;
    struct image sheet;     /* on which they are drawn */
    pthread_mutex_t adding; /* of a stamp */
};

/* Width of text (ISO 8859-1) of size 1, in a bitmap and in an SVG. */
double letters_width(const struct plot_letters *letters, const char *text);
double letters_svg_width(const struct plot_letters *letters, const char *text, bool bold);

/* Writes text from (x, y) on, upwards when `upright`, in the image's ink. False when memory is
 * out. */
bool letters_draw(struct plot_letters *letters, struct image *image, const char *text, double size,
                  bool bold, bool upright, double x, double y);

#endif
