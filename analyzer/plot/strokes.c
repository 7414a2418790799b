/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paths of a grid as lines in pixels. */
#include "plot/strokes.h"

double strokes_x(const struct thin_grid *grid, double column)
{
    return grid->time.start + column * (grid->time.end - grid->time.start) / grid->columns;
}

double strokes_y(const struct thin_grid *grid, double row)
{
    return grid->offset.start + row * (grid->offset.end - grid->offset.start) / grid->rows;
}

/* A piece of one vertical stroke, joined to nothing. */
static bool is_lone(const struct thin_path *path, uint32_t at)
{
    const struct thin_vertex *vertices = path->vertices;
    return vertices[at].move && at + 1 < path->count && !vertices[at + 1].move &&
           vertices[at].column == vertices[at + 1].column &&
           (at + 2 == path->count || vertices[at + 2].move);
}

void strokes_draw(struct canvas *canvas, const struct thin_grid *grid, const struct thin_path *path,
                  double lone_px)
{
    for (uint32_t i = 0; i < path->count; i++) {
        double x = strokes_x(grid, path->vertices[i].column + 0.5);
        double y = strokes_y(grid, path->vertices[i].row);
        if (!path->vertices[i].move) {
            canvas_line_to(canvas, x, y);
            continue;
        }
        double top = i + 1 < path->count ? strokes_y(grid, path->vertices[i + 1].row) : y;
        if (is_lone(path, i) && top - y >= 0 && top - y < lone_px) {
            y = (y + top - lone_px) / 2;
            canvas_move(canvas, x, y);
            canvas_line_to(canvas, x, y + lone_px);
            i++;
            continue;
        }
        canvas_move(canvas, x, y);
    }
    if (path->count)
        canvas_end(canvas);
}
