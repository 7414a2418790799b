/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Layout: from what is to be shown to where everything goes. */
#include "plot/scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define MARGIN_PX     28.0
#define LABEL_ROW_PX  25.0
#define LEGEND_ROW_PX 28.0
#define SHOWN_KINDS                                                                                \
    (KIND_BIT(PLOT_DATA) | KIND_BIT(PLOT_RESENT) | KIND_BIT(PLOT_LOST) | KIND_BIT(PLOT_ACK))

static const struct canvas_text name_text = {TEXT_PX, INK, ANCHOR_RIGHT, false, false};

uint32_t scene_point_colour(uint32_t point)
{
    static const uint32_t colours[] = {0x0072b2, 0xe69f00, 0x009e73, 0xcc79a7,
                                       0x56b4e9, 0xd55e00, 0x000000};
    return colours[point % (sizeof colours / sizeof *colours)];
}

double scene_point_width(const struct scene *scene, uint32_t point)
{
    uint32_t inner = scene->points - 1 - point;
    double step = scene->points <= 4 ? 3.0 : 9.0 / (scene->points - 1);
    return 2.0 + inner * step;
}

uint32_t scene_tint(uint32_t colour, double strength)
{
    uint32_t tint = 0;
    for (unsigned shift = 0; shift < 24; shift += 8) {
        double value = colour >> shift & 0xff;
        tint |= (uint32_t)(255 - (255 - value) * strength) << shift;
    }
    return tint;
}

const struct scene_shade *scene_shade(enum wh_cause cause)
{
    static const struct scene_shade hop = {0xfdebc0, "stall: a hop"};
    static const struct scene_shade host = {0xdcedf8, "stall: an end host"};
    static const struct scene_shade unknown = {0xe9e9e9, "stall: cause unknown"};
    if (cause == WH_CAUSE_ZERO_WINDOW || cause == WH_CAUSE_SENDER_IDLE)
        return &host;
    return cause == WH_CAUSE_UNKNOWN ? &unknown : &hop;
}

/* An axis needs some length. */
static void widen(struct axis *axis, int64_t least)
{
    if (axis->to > axis->from)
        return;
    if (axis->from > INT64_MAX - least)
        axis->from = INT64_MAX - least;
    axis->to = axis->from + least;
}

static int64_t add_capped(int64_t value, int64_t more)
{
    return value > INT64_MAX - more ? INT64_MAX : value + more;
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
    widen(offset, 1000);
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
        for (unsigned kind = PLOT_DATA; kind <= PLOT_WINDOW; kind++) {
            int64_t low, high;
            if (thin_extent(&scene->grid.time, &scene->sequence->points[i], KIND_BIT(kind), &low,
                            &high))
                scene->kinds |= KIND_BIT(kind);
        }
}

/* As wide as the numbers and names at its left need. */
static double left_margin(const struct scene *scene)
{
    const struct axis *offset = &scene->grid.offset;
    struct ticks ticks = axis_ticks(offset, 9);
    struct byte_unit unit = axis_byte_unit(offset->to);
    double widest = 60;
    char text[64];
    for (uint32_t i = 0; i < ticks.count; i++) {
        int64_t value = axis_tick(&ticks, i);
        axis_number(value, ticks.step, unit.bytes, text, sizeof text);
        widest = fmax(widest, canvas_width(scene->canvas, &name_text, text) + 26);
    }
    for (uint32_t i = 0; i < scene->points; i++) {
        const char *name = scene->sequence->points[i].name;
        double width = canvas_width(scene->canvas, &name_text, name ? name : "");
        widest = fmax(widest, fmin(width, 200) - 10);
    }
    return MARGIN_PX + widest + 12;
}

static int longest_first(const void *a, const void *b)
{
    const struct label *first = a, *second = b;
    return (first->weight < second->weight) - (first->weight > second->weight);
}

/* The stalls in sight, the longest first, as many as can be hoped to get a label. */
static int choose_stalls(struct scene *scene, struct wh_error *error)
{
    const struct plot_sequence *sequence = scene->sequence;
    const struct axis *time = &scene->grid.time;
    struct label *all = calloc(sequence->stall_count + 1u, sizeof *all);
    if (!all)
        return error_memory(error, "a plot's labels");
    uint32_t count = 0;
    for (uint32_t i = 0; i < sequence->stall_count; i++) {
        const struct plot_stall *stall = &sequence->stalls[i];
        if (stall->end_ns < time->from || stall->start_ns > time->to)
            continue;
        int64_t from = stall->start_ns > time->from ? stall->start_ns : time->from;
        int64_t to = stall->end_ns < time->to ? stall->end_ns : time->to;
        all[count].at = (axis_pixel(time, from) + axis_pixel(time, to)) / 2;
        all[count].weight = (uint64_t)to - (uint64_t)from;
        all[count++].row = i;
    }
    if (count > LABELS_MAX) {
        qsort(all, count, sizeof *all, longest_first);
        scene->unlabelled = count - LABELS_MAX;
        count = LABELS_MAX;
    }
    scene->labels = all;
    scene->label_count = count;
    scene->labelled = calloc(count + 1u, sizeof *scene->labelled);
    if (!scene->labelled)
        return error_memory(error, "a plot's labels");
    for (uint32_t i = 0; i < count; i++)
        scene->labelled[i] = all[i].row;
    return WH_OK;
}

static int place_labels(struct scene *scene, struct wh_error *error)
{
    if (choose_stalls(scene, error))
        return WH_ERROR;
    for (uint32_t i = 0; i < scene->label_count; i++) {
        char text[160];
        for (enum label_form form = LABEL_SHORT; form <= LABEL_FULL; form++)
            scene->labels[i].width[form] = canvas_width(
                scene->canvas, &name_text, scene_label_text(scene, i, form, text, sizeof text));
    }
    bool ok;
    scene->label_rows = label_place(scene->labels, scene->label_count, scene->left,
                                    CANVAS_WIDTH - MARGIN_PX / 2, &ok);
    if (!ok)
        return error_memory(error, "a plot's labels");
    for (uint32_t i = 0; i < scene->label_count; i++)
        scene->unlabelled += scene->labels[i].form == LABEL_NONE;
    return WH_OK;
}

/* From the legend at the bottom upwards; the frame gets what is left. */
static void stack_parts(struct scene *scene)
{
    scene->legend_y = 18 + LEGEND_ROW_PX * (draw_legend(scene, false) - 1);
    scene->time_title_y = scene->legend_y + 40;
    scene->ticks_y = scene->time_title_y + 27;
    scene->lanes_bottom = scene->ticks_y + 28;
    double lane = fmin(28, fmax(14, 150.0 / (scene->points ? scene->points : 1)));
    scene->lanes_top = scene->lanes_bottom + lane * scene->points;
    scene->bottom = scene->lanes_top + (scene->points ? 10 : 0);
    scene->top = CANVAS_HEIGHT - 96 - LABEL_ROW_PX * scene->label_rows;
}

static void set_grid(struct scene *scene)
{
    struct thin_grid *grid = &scene->grid;
    uint64_t span = (uint64_t)grid->time.to - (uint64_t)grid->time.from;
    grid->offset.start = scene->bottom;
    grid->offset.end = scene->top;
    grid->columns = (uint32_t)((scene->right - scene->left) / scene->cell);
    grid->rows = (uint32_t)((scene->top - scene->bottom) / fmin(scene->cell, 1));
    grid->columns = grid->columns ? grid->columns : 1;
    grid->rows = grid->rows ? grid->rows : 1;

    /* Within a stall threshold nothing is missing; but a wide gap in a picture of a short time
     * is one, and a gap of a hair's breadth cannot be shown. */
    double pixel_ns = (double)span / (scene->right - scene->left);
    double silence_ns =
        (double)(scene->sequence->silence_ns > 0 ? scene->sequence->silence_ns : 200 * NS_PER_MS);
    silence_ns = fmax(fmin(silence_ns, 60 * pixel_ns), 2 * fmax(scene->cell, 1) * pixel_ns);
    grid->silence_ns = silence_ns < 9e18 ? (int64_t)silence_ns : INT64_MAX;
}

int scene_prepare(struct scene *scene, const struct plot_sequence *sequence, struct canvas *canvas,
                  double cell, struct wh_error *error)
{
    *scene = (struct scene){.sequence = sequence, .canvas = canvas, .cell = cell};
    scene->points = sequence->point_count < WH_POINTS_MAX ? sequence->point_count : WH_POINTS_MAX;
    scene->grid.time.from = sequence->start_ns;
    scene->grid.time.to = sequence->end_ns;
    widen(&scene->grid.time, NS_PER_MS);
    find_offsets(scene);
    find_kinds(scene);
    scene->left = left_margin(scene);
    scene->right = CANVAS_WIDTH - MARGIN_PX;
    scene->grid.time.start = scene->left;
    scene->grid.time.end = scene->right;
    if (place_labels(scene, error))
        return WH_ERROR;
    stack_parts(scene);
    set_grid(scene);
    return WH_OK;
}

void scene_free(struct scene *scene)
{
    free(scene->labels);
    free(scene->labelled);
    *scene = (struct scene){0};
}
