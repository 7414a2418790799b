/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the signs of a picture mean, in rows below it. */
#ifndef WHICHHOP_PLOT_LEGEND_H
#define WHICHHOP_PLOT_LEGEND_H

#include "plot/canvas.h"

#define LEGEND_MAX    (2 * WH_POINTS_MAX + 12u)
#define LEGEND_ROW_PX 28.0

enum swatch {
    SWATCH_NONE, /* words alone */
    SWATCH_LINE,
    SWATCH_DASHED,
    SWATCH_DIAMOND,
    SWATCH_CROSS,
    SWATCH_BOX,
    SWATCH_HATCH,
};

struct legend_entry {
    enum swatch swatch;
    uint32_t colour;
    double width;     /* of lines */
    const char *text; /* borrowed */
};

struct legend {
    struct legend_entry entries[LEGEND_MAX];
    uint32_t count;
};

/* Beyond LEGEND_MAX entries are left out. */
void legend_add(struct legend *legend, enum swatch swatch, uint32_t colour, double width,
                const char *text);

/* Draws it from `x` on, its first row's baseline at `y`, no wider than the picture. Returns its
 * rows; draws nothing when `draw` is false. */
uint32_t legend_draw(const struct legend *legend, struct canvas *canvas, double x, double y,
                     bool draw);

/* A diamond, a cross: what marks bytes sent again and bytes lost. */
void draw_diamond(struct canvas *canvas, double x, double y, double size);
void draw_cross(struct canvas *canvas, double x, double y, double size);

/* Slanting lines from (x0, y0) to (x1, y1): nothing is known of this time. */
void draw_hatch(struct canvas *canvas, double x0, double y0, double x1, double y1);

#endif
