/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One picture on its way to a file. Private to plot. */
#ifndef WHICHHOP_PLOT_DRAWING_H
#define WHICHHOP_PLOT_DRAWING_H

#include "plot/canvas.h"
#include "plot/plot.h"

struct plot_drawing {
    const char *title, *description; /* what a screen reader says; NULL: nothing */
    uint32_t height;                 /* of the canvas, in pixels */
    const void *data;                /* passed to draw */
    /* Draws all of it, with nothing finer in time than `cell` pixels. It may be called several
     * times, on new canvases, with coarser cells. */
    int (*draw)(const void *data, struct canvas *canvas, double cell, struct wh_error *error);
};

/* Draws into memory and writes a file at once. Fails as the functions in plot.h do. */
int plot_write(const struct plot_drawing *drawing, const struct plot_files *to,
               struct wh_error *error);

#endif
