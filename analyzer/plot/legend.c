/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The legend's rows, and the signs it shares with the pictures. */
#include "plot/legend.h"

#include <math.h>

#include "plot/look.h"

#define SWATCH_PX 38.0
#define TEXT_WIDE 420.0
#define HATCH_PX  9.0

void legend_add(struct legend *legend, enum swatch swatch, uint32_t colour, double width,
                const char *text)
{
    if (legend->count < LEGEND_MAX)
        legend->entries[legend->count++] =
            (struct legend_entry){swatch, colour, width, text ? text : ""};
}

void draw_diamond(struct canvas *canvas, double x, double y, double size)
{
    canvas_move(canvas, x - size, y);
    canvas_line_to(canvas, x, y - size);
    canvas_line_to(canvas, x + size, y);
    canvas_line_to(canvas, x, y + size);
    canvas_line_to(canvas, x - size, y);
}

void draw_cross(struct canvas *canvas, double x, double y, double size)
{
    canvas_move(canvas, x - size, y - size);
    canvas_line_to(canvas, x + size, y + size);
    canvas_move(canvas, x - size, y + size);
    canvas_line_to(canvas, x + size, y - size);
}

void draw_hatch(struct canvas *canvas, double x0, double y0, double x1, double y1)
{
    double height = y1 - y0;
    canvas_pen(canvas, 0xa8a8a8, 1, 0);
    double first = floor((x0 - height) / HATCH_PX) + 1;
    uint32_t count = (uint32_t)((x1 - first * HATCH_PX) / HATCH_PX) + 1;
    for (uint32_t i = 0; i < count; i++) {
        double at = (first + i) * HATCH_PX;
        double from = fmax(at, x0), to = fmin(at + height, x1);
        if (to <= from)
            continue;
        canvas_move(canvas, from, y0 + from - at);
        canvas_line_to(canvas, to, y0 + to - at);
    }
    canvas_end(canvas);
}

static void draw_swatch(struct canvas *canvas, const struct legend_entry *entry, double x, double y)
{
    double middle = y + 7;
    switch (entry->swatch) {
    case SWATCH_NONE:
        break;
    case SWATCH_LINE:
    case SWATCH_DASHED:
        canvas_pen(canvas, entry->colour, entry->width, entry->swatch == SWATCH_DASHED ? 5 : 0);
        canvas_line(canvas, x, middle, x + SWATCH_PX, middle);
        break;
    case SWATCH_DIAMOND:
        canvas_pen(canvas, INK, 1.2, 0);
        canvas_fill(canvas, 0xffffff);
        draw_diamond(canvas, x + SWATCH_PX / 3, middle, 7);
        canvas_end(canvas);
        canvas_box(canvas, INK, x + SWATCH_PX - 9, middle, x + SWATCH_PX - 6, middle + 9);
        break;
    case SWATCH_CROSS:
        canvas_pen(canvas, INK, 3, 0);
        draw_cross(canvas, x + SWATCH_PX / 3, middle, 6);
        canvas_end(canvas);
        canvas_box(canvas, INK, x + SWATCH_PX - 9, middle - 7, x + SWATCH_PX - 6, middle);
        break;
    case SWATCH_BOX:
        canvas_box(canvas, entry->colour, x + 4, middle - 8, x + SWATCH_PX - 4, middle + 8);
        break;
    case SWATCH_HATCH:
        draw_hatch(canvas, x + 4, middle - 8, x + SWATCH_PX - 4, middle + 8);
        break;
    }
}

uint32_t legend_draw(const struct legend *legend, struct canvas *canvas, double x, double y,
                     bool draw)
{
    static const struct canvas_text how = {TEXT_PX, INK, ANCHOR_LEFT, false, false};
    double left = x;
    uint32_t rows = 1;
    for (uint32_t i = 0; i < legend->count; i++) {
        const struct legend_entry *entry = &legend->entries[i];
        char text[128];
        double indent = entry->swatch == SWATCH_NONE ? 0 : SWATCH_PX + 8;
        double most = entry->swatch == SWATCH_NONE ? CANVAS_WIDTH - left - 20 : TEXT_WIDE;
        canvas_fit_name(canvas, &how, entry->text, most, text, sizeof text);
        double width = indent + canvas_width(canvas, &how, text);
        if (x > left && x + width > CANVAS_WIDTH - 10) {
            x = left;
            y -= LEGEND_ROW_PX;
            rows++;
        }
        if (draw) {
            draw_swatch(canvas, entry, x, y);
            canvas_write(canvas, &how, x + indent, y, text);
        }
        x += width + 26;
    }
    return rows;
}
