/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything around the data: titles, grid, numbers, legend. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "plot/scene.h"

#define LEGEND_MAX (WH_POINTS_MAX + 8u)
#define SWATCH_PX  38.0

static const struct canvas_text small_text = {TEXT_PX, INK, ANCHOR_CENTER, false, false};

static void draw_titles(const struct scene *scene)
{
    static const struct canvas_text title_text = {29, INK, ANCHOR_LEFT, true, false};
    static const struct canvas_text subtitle_text = {22, 0x3a3a3au, ANCHOR_LEFT, false, false};
    const struct plot_sequence *sequence = scene->sequence;
    const char *title = sequence->title ? sequence->title : "";
    const char *subtitle = sequence->subtitle ? sequence->subtitle : "";
    double width = CANVAS_WIDTH - 2 * 24;
    char text[512];
    canvas_write(scene->canvas, &title_text, 24, CANVAS_HEIGHT - 42,
                 canvas_fit(scene->canvas, &title_text, title, width, text, sizeof text));
    canvas_write(scene->canvas, &subtitle_text, 24, CANVAS_HEIGHT - 75,
                 canvas_fit(scene->canvas, &subtitle_text, subtitle, width, text, sizeof text));
}

static void draw_offset_ticks(const struct scene *scene)
{
    const struct axis *axis = &scene->grid.offset;
    static const struct canvas_text number = {TEXT_PX, INK, ANCHOR_RIGHT, false, false};
    static const struct canvas_text title = {TEXT_PX, INK, ANCHOR_CENTER, false, true};
    uint32_t most = (uint32_t)fmax(2, (scene->top - scene->bottom) / 55);
    struct ticks ticks = axis_ticks(axis, most);
    struct byte_unit unit = axis_byte_unit(axis->to);
    char text[64];
    for (uint32_t i = 0; i < ticks.count; i++) {
        int64_t value = axis_tick(&ticks, i);
        double y = axis_pixel(axis, value);
        canvas_pen(scene->canvas, GRID_LINE, 1, 0);
        canvas_line(scene->canvas, scene->left, y, scene->right, y);
        canvas_write(scene->canvas, &number, scene->left - 10, y - 7,
                     axis_number(value, ticks.step, unit.bytes, text, sizeof text));
    }
    snprintf(text, sizeof text, "stream offset, %s", unit.name);
    canvas_write(scene->canvas, &title, 30, (scene->top + scene->bottom) / 2, text);
}

/* Most ticks whose numbers, as wide as the last one, stay apart. */
static struct ticks time_ticks(const struct scene *scene)
{
    const struct axis *axis = &scene->grid.time;
    struct ticks ticks = {0};
    for (uint32_t most = 15; most >= 2; most--) {
        char text[64];
        ticks = axis_ticks(axis, most);
        axis_number(axis->to, ticks.step, NS_PER_S, text, sizeof text);
        double width = canvas_width(scene->canvas, &small_text, text) + 30;
        if (width * ticks.count < scene->right - scene->left)
            break;
    }
    return ticks;
}

static void draw_time_ticks(const struct scene *scene)
{
    const struct axis *axis = &scene->grid.time;
    struct ticks ticks = time_ticks(scene);
    char text[256];
    for (uint32_t i = 0; i < ticks.count; i++) {
        int64_t value = axis_tick(&ticks, i);
        double x = axis_pixel(axis, value);
        canvas_pen(scene->canvas, GRID_LINE, 1, 0);
        canvas_line(scene->canvas, x, scene->bottom, x, scene->top);
        canvas_line(scene->canvas, x, scene->lanes_bottom, x, scene->lanes_top);
        canvas_pen(scene->canvas, FRAME_LINE, 1, 0);
        canvas_line(scene->canvas, x, scene->lanes_bottom - 6, x, scene->lanes_bottom);
        axis_number(value, ticks.step, NS_PER_S, text, sizeof text);
        double half = canvas_width(scene->canvas, &small_text, text) / 2;
        double middle = fmin(x, CANVAS_WIDTH - 6 - half);
        canvas_write(scene->canvas, &small_text, middle, scene->ticks_y, text);
    }
    const char *label = scene->sequence->time_label ? scene->sequence->time_label : "seconds";
    canvas_write(scene->canvas, &small_text, (scene->left + scene->right) / 2, scene->time_title_y,
                 canvas_fit(scene->canvas, &small_text, label, scene->right - scene->left, text,
                            sizeof text));
}

static void outline(const struct scene *scene, double bottom, double top)
{
    canvas_pen(scene->canvas, FRAME_LINE, 1, 0);
    canvas_move(scene->canvas, scene->left, bottom);
    canvas_line_to(scene->canvas, scene->right, bottom);
    canvas_line_to(scene->canvas, scene->right, top);
    canvas_line_to(scene->canvas, scene->left, top);
    canvas_line_to(scene->canvas, scene->left, bottom);
    canvas_end(scene->canvas);
}

void draw_frame(const struct scene *scene)
{
    draw_titles(scene);
    draw_offset_ticks(scene);
    draw_time_ticks(scene);
    outline(scene, scene->bottom, scene->top);
    outline(scene, scene->lanes_bottom, scene->lanes_top);
    if (scene->empty)
        canvas_write(scene->canvas, &small_text, (scene->left + scene->right) / 2,
                     (scene->top + scene->bottom) / 2, "nothing was seen in this time");
}

/* ---- the legend ------------------------------------------------------------------------------ */

enum swatch {
    SWATCH_NONE,
    SWATCH_LINE,
    SWATCH_THIN,
    SWATCH_DASHED,
    SWATCH_DIAMOND,
    SWATCH_CROSS,
    SWATCH_BOX
};

struct entry {
    enum swatch swatch;
    uint32_t colour;
    double width;
    const char *text;
};

static void draw_swatch(const struct scene *scene, const struct entry *entry, double x, double y)
{
    struct canvas *canvas = scene->canvas;
    double middle = y + 7;
    switch (entry->swatch) {
    case SWATCH_NONE:
        break;
    case SWATCH_LINE:
    case SWATCH_THIN:
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
    }
}

static uint32_t list_shades(const struct scene *scene, struct entry *entries, uint32_t count)
{
    const struct scene_shade *seen[3] = {NULL, NULL, NULL};
    const struct axis *time = &scene->grid.time;
    for (uint32_t i = 0; i < scene->sequence->stall_count; i++) {
        const struct plot_stall *stall = &scene->sequence->stalls[i];
        const struct scene_shade *shade = scene_shade(stall->cause);
        if (stall->end_ns < time->from || stall->start_ns > time->to)
            continue;
        for (size_t j = 0; j < 3 && seen[j] != shade; j++) {
            if (seen[j])
                continue;
            seen[j] = shade;
            entries[count++] = (struct entry){SWATCH_BOX, shade->colour, 0, shade->meaning};
            break;
        }
    }
    return count;
}

static uint32_t list_entries(const struct scene *scene, struct entry *entries)
{
    const uint32_t grey = 0x9a9a9a;
    uint32_t count = 0;
    for (uint32_t i = 0; i < scene->points && scene->points <= 8; i++) {
        const char *name = scene->sequence->points[i].name;
        entries[count++] = (struct entry){SWATCH_LINE, scene_point_colour(i),
                                          scene_point_width(scene, i), name ? name : ""};
    }
    if (scene->kinds & KIND_BIT(PLOT_RESENT))
        entries[count++] = (struct entry){SWATCH_DIAMOND, 0, 0, "sent again"};
    if (scene->kinds & KIND_BIT(PLOT_LOST))
        entries[count++] = (struct entry){SWATCH_CROSS, 0, 0, "lost after this point"};
    if (scene->kinds & KIND_BIT(PLOT_ACK))
        entries[count++] = (struct entry){SWATCH_THIN, grey, 1.5, "acknowledged"};
    if (scene->kinds & KIND_BIT(PLOT_WINDOW))
        entries[count++] = (struct entry){SWATCH_DASHED, grey, 1.5, "window's edge"};
    return list_shades(scene, entries, count);
}

uint32_t draw_legend(const struct scene *scene, bool draw)
{
    static const struct canvas_text text = {TEXT_PX, INK, ANCHOR_LEFT, false, false};
    struct entry entries[LEGEND_MAX];
    uint32_t count = list_entries(scene, entries);
    char more[64];
    if (scene->unlabelled) {
        snprintf(more, sizeof more, "and %u more stalls", scene->unlabelled);
        entries[count++] = (struct entry){SWATCH_NONE, 0, 0, more};
    }
    double x = scene->left, y = scene->legend_y;
    uint32_t rows = 1;
    for (uint32_t i = 0; i < count; i++) {
        char fitted[128];
        canvas_fit(scene->canvas, &text, entries[i].text, 300, fitted, sizeof fitted);
        double indent = entries[i].swatch == SWATCH_NONE ? 0 : SWATCH_PX + 8;
        double width = indent + canvas_width(scene->canvas, &text, fitted);
        if (x > scene->left && x + width > CANVAS_WIDTH - 10) {
            x = scene->left;
            y -= 28;
            rows++;
        }
        if (draw) {
            draw_swatch(scene, &entries[i], x, y);
            canvas_write(scene->canvas, &text, x + indent, y, fitted);
        }
        x += width + 26;
    }
    return rows;
}
