/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Everything around the data: titles, grid, numbers, stalls shaded and named. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "plot/frame_parts.h"
#include "plot/paragraph.h"

#define EDGE_LINE 0xb08a30u

const struct canvas_text frame_label_text = {TEXT_PX, INK, ANCHOR_LEFT, false, false};
static const struct canvas_text small_text = {TEXT_PX, INK, ANCHOR_CENTER, false, false};

double frame_head(const struct frame *frame, bool draw)
{
    struct canvas_text title_text = {29, INK, ANCHOR_LEFT, true, false};
    static const struct canvas_text subtitle_text = {21, 0x3a3a3au, ANCHOR_LEFT, false, false};
    struct canvas *canvas = frame->canvas;
    const char *title = frame->what->title ? frame->what->title : "";
    const char *subtitle = frame->what->subtitle ? frame->what->subtitle : "";
    double width = CANVAS_WIDTH - 2 * 24;
    char text[512];
    while (title_text.size > 18 && canvas_width(canvas, &title_text, title) > width)
        title_text.size -= 1;
    if (draw)
        canvas_write(canvas, &title_text, 24, canvas->height - 42,
                     canvas_fit_name(canvas, &title_text, title, width, text, sizeof text));
    uint32_t lines = paragraph_write(canvas, &subtitle_text, 24, canvas->height - 74, width, 26, 2,
                                     subtitle, draw);
    return 92 + 26.0 * (lines - 1);
}

/* Most ticks whose numbers, as wide as the last one, stay apart. */
static struct ticks time_ticks(const struct frame *frame)
{
    const struct axis *axis = &frame->time;
    struct ticks ticks = {0};
    for (uint32_t most = 15; most >= 2; most--) {
        char text[64];
        ticks = axis_ticks(axis, most);
        axis_number(axis->to, ticks.step, NS_PER_S, text, sizeof text);
        double width = canvas_width(frame->canvas, &small_text, text) + 30;
        if (width * ticks.count < FRAME_RIGHT - FRAME_LEFT)
            break;
    }
    return ticks;
}

double frame_foot(const struct frame *frame, bool draw)
{
    struct canvas *canvas = frame->canvas;
    uint32_t rows = legend_draw(&frame->legend, canvas, FRAME_LEFT, 0, false);
    double legend_y = 18 + LEGEND_ROW_PX * (rows - 1);
    double title_y = legend_y + 38, ticks_y = title_y + 27;
    if (!draw)
        return ticks_y + 28;
    legend_draw(&frame->legend, canvas, FRAME_LEFT, legend_y, true);
    struct ticks ticks = time_ticks(frame);
    char text[256];
    for (uint32_t i = 0; i < ticks.count; i++) {
        int64_t value = axis_tick(&ticks, i);
        double x = axis_pixel(&frame->time, value);
        canvas_pen(canvas, FRAME_LINE, 1, 0);
        canvas_line(canvas, x, frame->bottom - 6, x, frame->bottom);
        axis_number(value, ticks.step, NS_PER_S, text, sizeof text);
        double half = canvas_width(canvas, &small_text, text) / 2;
        canvas_write(canvas, &small_text, fmin(x, CANVAS_WIDTH - 6 - half), ticks_y, text);
    }
    const char *label = frame->what->time_label ? frame->what->time_label : "seconds";
    double width = FRAME_RIGHT - FRAME_LEFT;
    canvas_write(canvas, &small_text, (FRAME_LEFT + FRAME_RIGHT) / 2, title_y,
                 canvas_fit(canvas, &small_text, label, width, text, sizeof text));
    return ticks_y + 28;
}

/* ---- stalls ---------------------------------------------------------------------------------- */

char *frame_label(const struct frame *frame, uint32_t label, enum label_form form, char *buffer,
                  size_t size)
{
    uint32_t index = frame->labelled[label];
    const char *text = frame->what->stalls[index].label;
    size_t number = text ? strcspn(text, ":") : 0;
    if (!text || (form == LABEL_SHORT && (!text[number] || number == 0 || number > 8)))
        snprintf(buffer, size, "%u", index + 1);
    else if (form == LABEL_SHORT)
        snprintf(buffer, size, "%.*s", (int)number, text);
    else
        snprintf(buffer, size, "%s", text);
    return buffer;
}

static void draw_labels(const struct frame *frame)
{
    for (uint32_t i = 0; i < frame->label_count; i++) {
        const struct label *label = &frame->labels[i];
        char text[160];
        if (label->form == LABEL_NONE)
            continue;
        double y = frame->top + 9 + LABEL_ROW_PX * label->row;
        canvas_pen(frame->canvas, EDGE_LINE, 1.2, 0);
        canvas_line(frame->canvas, label->at, frame->top, label->at, y - 5);
        canvas_write(frame->canvas, &frame_label_text, label->x, y,
                     frame_label(frame, i, label->form, text, sizeof text));
    }
}

/* Which columns are shaded and how; the shorter of two stalls that overlap does not vanish: the
 * later one is on top. A stall is at least a column wide. */
static void shade_columns(const struct frame *frame, const struct look_shade **columns)
{
    for (uint32_t i = 0; i < frame->what->stall_count; i++) {
        const struct plot_stall *stall = &frame->what->stalls[i];
        if (stall->end_ns < frame->time.from || stall->start_ns > frame->time.to)
            continue;
        uint32_t to = frame_column(frame, stall->end_ns);
        for (uint32_t column = frame_column(frame, stall->start_ns); column <= to; column++)
            columns[column] = look_shade(stall->cause);
    }
}

static int draw_shades(const struct frame *frame, const struct panel *panels, uint32_t count,
                       struct wh_error *error)
{
    uint32_t last = frame->columns;
    const struct look_shade **columns = calloc(last, sizeof *columns);
    if (!columns)
        return error_memory(error, "a plot's shades");
    shade_columns(frame, columns);
    for (uint32_t from = 0, to; from < last; from = to) {
        for (to = from + 1; to < last && columns[to] == columns[from]; to++)
            ;
        for (uint32_t i = 0; columns[from] && i < count; i++)
            canvas_box(frame->canvas, columns[from]->colour, frame_x(frame, from), panels[i].bottom,
                       frame_x(frame, to), panels[i].top);
    }
    free(columns);
    return WH_OK;
}

/* ---- panels ---------------------------------------------------------------------------------- */

static void outline(const struct frame *frame, const struct panel *panel)
{
    canvas_pen(frame->canvas, FRAME_LINE, 1, 0);
    canvas_move(frame->canvas, FRAME_LEFT, panel->bottom);
    canvas_line_to(frame->canvas, FRAME_RIGHT, panel->bottom);
    canvas_line_to(frame->canvas, FRAME_RIGHT, panel->top);
    canvas_line_to(frame->canvas, FRAME_LEFT, panel->top);
    canvas_line_to(frame->canvas, FRAME_LEFT, panel->bottom);
    canvas_end(frame->canvas);
}

static void time_grid(const struct frame *frame, const struct panel *panel)
{
    struct ticks ticks = time_ticks(frame);
    canvas_pen(frame->canvas, GRID_LINE, 1, 0);
    for (uint32_t i = 0; i < ticks.count; i++) {
        double x = axis_pixel(&frame->time, axis_tick(&ticks, i));
        canvas_line(frame->canvas, x, panel->bottom, x, panel->top);
    }
}

int frame_draw(const struct frame *frame, const struct panel *panels, uint32_t count,
               struct wh_error *error)
{
    if (draw_shades(frame, panels, count, error))
        return WH_ERROR;
    for (uint32_t i = 0; i < count; i++) {
        time_grid(frame, &panels[i]);
        outline(frame, &panels[i]);
    }
    frame_head(frame, true);
    draw_labels(frame);
    frame_foot(frame, true);
    return WH_OK;
}

void frame_heading(const struct frame *frame, const struct panel *panel, const char *name,
                   const char *note)
{
    static const struct canvas_text name_text = {TEXT_PX, INK, ANCHOR_LEFT, true, false};
    static const struct canvas_text note_text = {TEXT_PX, INK_SOFT, ANCHOR_LEFT, false, false};
    double room = FRAME_RIGHT - FRAME_LEFT, used;
    char text[256];
    canvas_fit_name(frame->canvas, &name_text, name ? name : "", room / 2, text, sizeof text);
    used = canvas_width(frame->canvas, &name_text, text) + 16;
    canvas_write(frame->canvas, &name_text, FRAME_LEFT, panel->top + 6, text);
    if (note)
        canvas_write(frame->canvas, &note_text, FRAME_LEFT + used, panel->top + 6,
                     canvas_fit(frame->canvas, &note_text, note, room - used, text, sizeof text));
}

void frame_scale(const struct frame *frame, const struct panel *panel, const struct axis *axis,
                 int64_t unit, const char *title)
{
    static const struct canvas_text number = {TEXT_PX, INK, ANCHOR_RIGHT, false, false};
    static const struct canvas_text beside = {TEXT_PX, INK, ANCHOR_CENTER, false, true};
    double height = panel->top - panel->bottom;
    struct ticks ticks = axis_ticks(axis, (uint32_t)fmax(3, height / 50));
    char text[64];
    for (uint32_t i = 0; i < ticks.count; i++) {
        int64_t value = axis_tick(&ticks, i);
        double y = axis_pixel(axis, value);
        if (i) {
            canvas_pen(frame->canvas, GRID_LINE, 1, 0);
            canvas_line(frame->canvas, FRAME_LEFT, y, FRAME_RIGHT, y);
        }
        canvas_write(frame->canvas, &number, FRAME_LEFT - 10, y - 7,
                     axis_number(value, ticks.step, unit, text, sizeof text));
    }
    if (title && canvas_width(frame->canvas, &beside, title) < height)
        canvas_write(frame->canvas, &beside, 40, (panel->top + panel->bottom) / 2, title);
}

bool frame_has_gaps(const struct frame *frame, const struct plot_span *gaps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (gaps[i].to_ns > frame->what->start_ns && gaps[i].from_ns < frame->what->end_ns)
            return true;
    return false;
}

bool frame_stretch(const struct frame *frame, struct stretch *stretch, double from, double to)
{
    bool empty = stretch->to <= stretch->from;
    if (!empty && from > stretch->to + frame->cell)
        return false;
    *stretch = (struct stretch){empty ? from : stretch->from, empty ? to : fmax(stretch->to, to)};
    return true;
}

void frame_gaps(const struct frame *frame, const struct panel *panel, const struct plot_span *gaps,
                uint32_t count)
{
    struct stretch stretch = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (gaps[i].to_ns <= frame->time.from || gaps[i].from_ns >= frame->time.to)
            continue;
        double from = axis_pixel(&frame->time, gaps[i].from_ns);
        double to = fmax(axis_pixel(&frame->time, gaps[i].to_ns), from + 2);
        if (!frame_stretch(frame, &stretch, from, to)) {
            draw_hatch(frame->canvas, stretch.from, panel->bottom, stretch.to, panel->top);
            stretch = (struct stretch){from, to};
        }
    }
    if (stretch.from < stretch.to)
        draw_hatch(frame->canvas, stretch.from, panel->bottom, stretch.to, panel->top);
}
