/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The data: curves, marks, and below them one lane a point with every moment it saw anything. */
#include <stdlib.h>

#include "base/error.h"
#include "plot/sequence.h"
#include "plot/strokes.h"

#define MARK_PX   12u
#define MARKS_MAX 60u

/* A lone range is drawn at least this high, to be seen at all. */
#define LONE_PX 7.0
#define SACK_PX 2.5

/* Levels first, so that data lies over them. */
static bool draw_levels(const struct scene *scene, uint32_t index)
{
    static const struct {
        enum plot_kind kind;
        double strength, dash;
    } levels[] = {{PLOT_WINDOW, 0.45, 5}, {PLOT_ACK, 0.55, 0}};
    const struct plot_point *point = &scene->sequence->points[index];
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        struct thin_path path = {0};
        bool ok = thin_levels(&scene->grid, point, levels[i].kind, &path);
        if (ok) {
            canvas_pen(scene->canvas, look_tint(look_colour(index), levels[i].strength),
                       scene_point_width(scene, index) * 0.5, levels[i].dash);
            strokes_draw(scene->canvas, &scene->grid, &path, LONE_PX);
        }
        thin_free(&path);
        if (!ok)
            return false;
    }
    return true;
}

static bool draw_ranges(const struct scene *scene, uint32_t index)
{
    struct thin_path path = {0};
    bool ok = thin_ranges(&scene->grid, &scene->sequence->points[index],
                          KIND_BIT(PLOT_DATA) | KIND_BIT(PLOT_LOST), &path);
    if (ok) {
        canvas_pen(scene->canvas, look_colour(index), scene_point_width(scene, index), 0);
        strokes_draw(scene->canvas, &scene->grid, &path, LONE_PX);
    }
    thin_free(&path);
    return ok;
}

/* What the receiver has beyond a hole, when its acknowledgement said so: often on the curve, so
 * thin and over it. */
static bool draw_sacked(const struct scene *scene, uint32_t index)
{
    struct thin_grid apart = scene->grid;
    apart.silence_ns = 0;
    struct thin_path bars = {0};
    bool ok = thin_ranges(&apart, &scene->sequence->points[index], KIND_BIT(PLOT_SACK), &bars);
    if (ok) {
        canvas_pen(scene->canvas, SACKED, 1.5, 0);
        strokes_draw(scene->canvas, &scene->grid, &bars, SACK_PX);
    }
    thin_free(&bars);
    return ok;
}

/* Marks of one kind; where they would hide the curve, fewer. The lanes have them all. */
static bool find_marks(const struct scene *scene, const struct plot_point *point, unsigned kind,
                       struct thin_path *marks)
{
    const struct thin_grid *grid = &scene->grid;
    for (uint32_t apart = MARK_PX; apart < CANVAS_WIDTH; apart *= 2) {
        double columns = apart * grid->columns / (FRAME_RIGHT - FRAME_LEFT);
        double rows = apart * grid->rows / (scene->curves.top - scene->curves.bottom);
        marks->count = 0;
        if (!thin_marks(grid, point, kind, columns < 1 ? 1 : (uint32_t)columns,
                        rows < 1 ? 1 : (uint32_t)rows, marks))
            return false;
        if (marks->count <= MARKS_MAX)
            break;
    }
    return true;
}

/* What was sent again: its bytes as bars of the point's colour, a diamond on each. */
static bool draw_resent(const struct scene *scene, uint32_t index)
{
    const struct plot_point *point = &scene->sequence->points[index];
    struct thin_grid apart = scene->grid;
    apart.silence_ns = 0;
    struct thin_path bars = {0}, marks = {0};
    bool ok = thin_ranges(&apart, point, KIND_BIT(PLOT_RESENT), &bars) &&
              find_marks(scene, point, PLOT_RESENT, &marks);
    if (ok && marks.count) {
        double size = 3 + scene_point_width(scene, index) / 2;
        canvas_pen(scene->canvas, look_colour(index), 2, 0);
        strokes_draw(scene->canvas, &scene->grid, &bars, LONE_PX);
        canvas_pen(scene->canvas, INK, 1, 0);
        canvas_fill(scene->canvas, look_colour(index));
        for (uint32_t i = 0; i < marks.count; i++)
            draw_diamond(scene->canvas, strokes_x(&scene->grid, marks.vertices[i].column + 0.5),
                         strokes_y(&scene->grid, marks.vertices[i].row + 0.5), size);
        canvas_end(scene->canvas);
    }
    thin_free(&bars);
    thin_free(&marks);
    return ok;
}

/* Crosses with a white edge, over everything: they are what is looked for. */
static bool draw_lost(const struct scene *scene, uint32_t index)
{
    static const struct {
        uint32_t colour;
        double width, size;
    } strokes[] = {{0xffffff, 4, 6.5}, {INK, 2.2, 6}};
    struct thin_path marks = {0};
    bool ok = find_marks(scene, &scene->sequence->points[index], PLOT_LOST, &marks);
    for (size_t pass = 0; ok && marks.count && pass < 2; pass++) {
        canvas_pen(scene->canvas, strokes[pass].colour, strokes[pass].width, 0);
        for (uint32_t i = 0; i < marks.count; i++)
            draw_cross(scene->canvas, strokes_x(&scene->grid, marks.vertices[i].column + 0.5),
                       strokes_y(&scene->grid, marks.vertices[i].row + 0.5), strokes[pass].size);
        canvas_end(scene->canvas);
    }
    thin_free(&marks);
    return ok;
}

int draw_curves(const struct scene *scene, struct wh_error *error)
{
    static bool (*const layers[])(const struct scene *, uint32_t) = {
        draw_levels, draw_ranges, draw_sacked, draw_resent, draw_lost};
    for (size_t layer = 0; layer < sizeof layers / sizeof *layers; layer++)
        for (uint32_t i = 0; i < scene->points && !canvas_is_full(scene->canvas); i++)
            if (!layers[layer](scene, i))
                return error_memory(error, "a plot's curves");
    return WH_OK;
}

/* Runs of columns in which any of `kinds` was seen, as boxes. Holes up to a pixel are closed: they
 * would look like silences. Nothing is narrower than two pixels, to be seen at all. */
static void draw_runs(const struct scene *scene, const uint8_t *seen, unsigned kinds,
                      uint32_t colour, double low, double high)
{
    uint32_t hole = (uint32_t)(1 / scene->frame.cell) + 1;
    for (uint32_t from = 0; from < scene->grid.columns; from++) {
        if (!(seen[from] & kinds))
            continue;
        uint32_t last = from;
        for (uint32_t at = from + 1; at < scene->grid.columns && at - last <= hole; at++)
            last = seen[at] & kinds ? at : last;
        double x0 = strokes_x(&scene->grid, from), x1 = strokes_x(&scene->grid, last + 1);
        double wider = x1 - x0 < 2 ? (2 - (x1 - x0)) / 2 : 0;
        canvas_box(scene->canvas, colour, x0 - wider, low, x1 + wider, high);
        from = last;
    }
}

static void draw_lane(const struct scene *scene, uint32_t index, const uint8_t *seen)
{
    static const unsigned data = KIND_BIT(PLOT_DATA) | KIND_BIT(PLOT_LOST);
    double height = (scene->lanes.top - scene->lanes.bottom) / scene->points;
    double top = scene->lanes.top - height * index;
    const struct plot_point *point = &scene->sequence->points[index];
    const struct panel lane = {top - height, top};
    const char *name = point->name;
    struct canvas_text how = {height >= 20 ? TEXT_PX : height, INK, ANCHOR_RIGHT, false, false};
    char text[160];

    frame_gaps(&scene->frame, &lane, point->gaps, point->gap_count);
    draw_runs(scene, seen, data, look_colour(index), top - height * 0.85, top - height * 0.15);
    draw_runs(scene, seen, KIND_BIT(PLOT_RESENT), INK, top - height * 0.45, top - height * 0.05);
    draw_runs(scene, seen, KIND_BIT(PLOT_LOST), INK, top - height * 0.95, top - height * 0.7);
    if (index) {
        canvas_pen(scene->canvas, GRID_LINE, 1, 0);
        canvas_line(scene->canvas, FRAME_LEFT, top, FRAME_RIGHT, top);
    }
    canvas_write(
        scene->canvas, &how, FRAME_LEFT - 10, top - height / 2 - how.size * 0.35,
        canvas_fit_name(scene->canvas, &how, name ? name : "", FRAME_LEFT - 20, text, sizeof text));
}

int draw_lanes(const struct scene *scene, struct wh_error *error)
{
    uint8_t *seen = malloc(scene->grid.columns);
    if (!seen)
        return error_memory(error, "a plot's lanes");
    for (uint32_t i = 0; i < scene->points; i++) {
        thin_activity(&scene->grid, &scene->sequence->points[i], seen);
        draw_lane(scene, i, seen);
    }
    free(seen);
    return WH_OK;
}
