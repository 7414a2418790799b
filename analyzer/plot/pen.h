/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of a width, whole or dashed, on an image. Private to plot. */
#ifndef WHICHHOP_PLOT_PEN_H
#define WHICHHOP_PLOT_PEN_H

#include "plot/image.h"

enum pen_ends {
    PEN_BUTT,       /* a line ends where its last point is */
    PEN_PROJECTING, /* and half its width further: lines that meet show no notch */
};

struct pen {
    double width;
    double dash; /* length of dashes and of the holes between them; 0: none */
    enum pen_ends ends;
};

/* The line from point to point, in the image's ink. Level and upright lines keep to whole pixels,
 * so that they are sharp. */
void pen_draw(struct image *image, const struct pen *pen, const struct image_point *points,
              uint32_t count);

#endif
