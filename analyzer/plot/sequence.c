/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Layout of the sequence plot: from what is to be shown to where everything goes. */
#include "plot/sequence.h"

#include <math.h>

#include "base/clock.h"
#include "plot/drawing.h"

#define LANE_PX     28.0
#define LANE_MIN_PX 18.0
#define SHOWN_KINDS                                                                                \
    (KIND_BIT(PLOT_DATA) | KIND_BIT(PLOT_RESENT) | KIND_BIT(PLOT_LOST) | KIND_BIT(PLOT_ACK))

double scene_point_width(const struct scene *scene, uint32_t point)
{
    uint32_t inner = scene->points - 1 - point;
    double step = scene->points <= 4 ? 3.0 : 9.0 / (scene->points - 1);
    return 2.0 + inner * step;
}

/* All data and acknowledgements seen in the time shown, with room around; window edges only as
 * far as they leave the data most of the frame. */
static void find_offsets(struct scene *scene)
{
    struct axis *offset = &scene->grid.offset;
    bool found = false;
    int64_t edge = INT64_MIN;
    for (uint32_t i = 0; i < scene->points; i++) {
        const struct plot_point *point = &scene->sequence->points[i];
        int64_t low = 0, high = 0, unused = 0, window = 0;
        if (thin_extent(&scene->grid.time, point, SHOWN_KINDS, &low, &high)) {
            offset->from = !found || low < offset->from ? low : offset->from;
            offset->to = !found || high > offset->to ? high : offset->to;
            found = true;
        }
        if (thin_extent(&scene->grid.time, point, KIND_BIT(PLOT_WINDOW), &unused, &window))
            edge = window > edge ? window : edge;
    }
    scene->empty = !found;
    axis_widen(offset, 1000);
    uint64_t span = (uint64_t)offset->to - (uint64_t)offset->from;
    int64_t room = (int64_t)(span / 25) + 1;
    if (edge > offset->to)
        offset->to = edge - offset->to < (int64_t)(span / 4)
                         ? edge
                         : add_capped(offset->to, (int64_t)(span / 4));
    offset->to = add_capped(offset->to, room);
    if (offset->from >= 0 && offset->from < (int64_t)(span / 10))
        offset->from = 0;
    else if (offset->from > INT64_MIN + room)
        offset->from -= room;
}

static void find_kinds(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->points; i++)
        for (unsigned kind = PLOT_DATA; kind < PLOT_KINDS; kind++) {
            int64_t low, high;
            if (thin_extent(&scene->grid.time, &scene->sequence->points[i], KIND_BIT(kind), &low,
                            &high))
                scene->kinds |= KIND_BIT(kind);
        }
}

static void list_legend(struct scene *scene)
{
    const uint32_t grey = 0x9a9a9a;
    struct legend *legend = &scene->frame.legend;
    bool gaps = false;
    for (uint32_t i = 0; i < scene->points; i++) {
        const struct plot_point *point = &scene->sequence->points[i];
        if (scene->points <= 8)
            legend_add(legend, SWATCH_LINE, look_colour(i), scene_point_width(scene, i),
                       point->name);
        gaps = gaps || frame_has_gaps(&scene->frame, point->gaps, point->gap_count);
    }
    if (scene->kinds & KIND_BIT(PLOT_RESENT))
        legend_add(legend, SWATCH_DIAMOND, 0, 0, "sent again");
    if (scene->kinds & KIND_BIT(PLOT_LOST))
        legend_add(legend, SWATCH_CROSS, 0, 0, "lost after this point");
    if (scene->kinds & KIND_BIT(PLOT_ACK))
        legend_add(legend, SWATCH_LINE, grey, 1.5, "acknowledged");
    if (scene->kinds & KIND_BIT(PLOT_SACK))
        legend_add(legend, SWATCH_LINE, SACKED, 2.5, "SACKed");
    if (scene->kinds & KIND_BIT(PLOT_WINDOW))
        legend_add(legend, SWATCH_DASHED, grey, 1.5, "window's edge");
    if (gaps)
        legend_add(legend, SWATCH_HATCH, 0, 0, "nothing captured");
}

/* The lanes get what they need, the curves what is left. */
static void stack_panels(struct scene *scene)
{
    struct frame *frame = &scene->frame;
    double lane = fmin(LANE_PX, fmax(LANE_MIN_PX, 180.0 / (scene->points ? scene->points : 1)));
    scene->lanes.bottom = frame->bottom;
    scene->lanes.top = frame->bottom + lane * scene->points;
    scene->curves.bottom = scene->lanes.top + (scene->points ? 10 : 0);
    scene->curves.top = frame->top;
}

static void set_grid(struct scene *scene)
{
    struct thin_grid *grid = &scene->grid;
    const struct frame *frame = &scene->frame;
    uint64_t span = (uint64_t)grid->time.to - (uint64_t)grid->time.from;
    double height = scene->curves.top - scene->curves.bottom;
    grid->offset.start = scene->curves.bottom;
    grid->offset.end = scene->curves.top;
    grid->columns = frame->columns;
    grid->rows = (uint32_t)(height / fmin(frame->cell, 1));
    grid->rows = grid->rows ? grid->rows : 1;

    /* Within a stall threshold nothing is missing; but a wide gap in a picture of a short time
     * is one, and a gap of a hair's breadth cannot be shown. */
    double pixel_ns = (double)span / (FRAME_RIGHT - FRAME_LEFT);
    double silence_ns =
        (double)(scene->sequence->silence_ns > 0 ? scene->sequence->silence_ns : 200 * NS_PER_MS);
    silence_ns = fmax(fmin(silence_ns, 60 * pixel_ns), 2 * fmax(frame->cell, 1) * pixel_ns);
    grid->silence_ns = silence_ns < 9e18 ? (int64_t)silence_ns : INT64_MAX;
}

int scene_prepare(struct scene *scene, const struct plot_sequence *sequence, struct canvas *canvas,
                  double cell, struct wh_error *error)
{
    *scene = (struct scene){.sequence = sequence, .canvas = canvas};
    scene->points = sequence->point_count < WH_POINTS_MAX ? sequence->point_count : WH_POINTS_MAX;
    scene->grid.time.from = sequence->frame.start_ns;
    scene->grid.time.to = sequence->frame.end_ns;
    axis_widen(&scene->grid.time, NS_PER_MS);
    find_offsets(scene);
    find_kinds(scene);
    scene->frame.what = &sequence->frame;
    list_legend(scene);
    if (frame_prepare(&scene->frame, &sequence->frame, canvas, cell, error))
        return WH_ERROR;
    scene->grid.time = scene->frame.time;
    stack_panels(scene);
    set_grid(scene);
    return WH_OK;
}

void scene_free(struct scene *scene)
{
    frame_free(&scene->frame);
    *scene = (struct scene){0};
}

/* ---- the whole picture ----------------------------------------------------------------------- */

static void draw_scales(const struct scene *scene)
{
    static const struct canvas_text note = {TEXT_PX, INK, ANCHOR_CENTER, false, false};
    const struct axis *offset = &scene->grid.offset;
    struct byte_unit unit = axis_byte_unit(offset->to);
    char text[64];
    snprintf(text, sizeof text, "stream offset, %s", unit.name);
    frame_scale(&scene->frame, &scene->curves, offset, unit.bytes, text);
    if (scene->empty)
        canvas_write(scene->canvas, &note, (FRAME_LEFT + FRAME_RIGHT) / 2,
                     (scene->curves.top + scene->curves.bottom) / 2,
                     "nothing was seen in this time");
}

static int draw_sequence(const void *data, struct canvas *canvas, double cell,
                         struct wh_error *error)
{
    struct scene scene;
    int status = scene_prepare(&scene, data, canvas, cell, error);
    const struct panel panels[] = {scene.curves, scene.lanes};
    if (!status)
        status = frame_draw(&scene.frame, panels, scene.points ? 2 : 1, error);
    if (!status) {
        draw_scales(&scene);
        status = draw_curves(&scene, error);
    }
    if (!status)
        status = draw_lanes(&scene, error);
    scene_free(&scene);
    return status;
}

int plot_write_sequence(const struct plot_sequence *sequence, const struct plot_files *files,
                        struct wh_error *error)
{
    uint32_t more = sequence->point_count > 10 ? (sequence->point_count - 10) * 18 : 0;
    struct plot_drawing drawing = {sequence->frame.title, sequence->frame.subtitle,
                                   CANVAS_HEIGHT + more, sequence, draw_sequence};
    return plot_write(&drawing, files, error);
}
