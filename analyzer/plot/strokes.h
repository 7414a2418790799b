/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Thinned samples on their way to the canvas. */
#ifndef WHICHHOP_PLOT_STROKES_H
#define WHICHHOP_PLOT_STROKES_H

#include "plot/canvas.h"
#include "plot/thin.h"

/* The left edge of a column and the lower edge of a row, in pixels. */
double strokes_x(const struct thin_grid *grid, double column);
double strokes_y(const struct thin_grid *grid, double row);

/* Draws a path with the canvas' pen. A lone range is drawn at least `lone_px` high, to be seen. */
void strokes_draw(struct canvas *canvas, const struct thin_grid *grid, const struct thin_path *path,
                  double lone_px);

#endif
