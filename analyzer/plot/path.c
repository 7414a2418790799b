/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The path from the servers down to the clients, what each segment did beside it. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "plot/drawing.h"
#include "plot/legend.h"
#include "plot/look.h"
#include "plot/paragraph.h"
#include "report/parts.h"

#define MARGIN_PX    40.0
#define NODE_LEFT    40.0
#define NODE_WIDTH   300.0
#define LINK_X       (NODE_LEFT + NODE_WIDTH / 2)
#define TABLE_LEFT   374.0
#define WAY_PX       422.0
#define STALL_LEFT   (TABLE_LEFT + 2 * WAY_PX)
#define HEAD_PX      44.0
#define AROUND_PX    200u /* all but rows and verdict */
#define LINE_BYTES   80u  /* of the verdict, about */
#define ROW_LEAST_PX 102u /* a segment and the node below it */
#define ROW_MOST_PX  150u
#define VERDICT_PX   31.0
#define GUILTY_TINT  0xfbe3d3u
#define NODE_TINT    0xdcedf8u
#define END_TINT     0xeeeeeeu

static const struct canvas_text title_text = {24, INK_SOFT, ANCHOR_LEFT, false, false};
static const struct canvas_text verdict_text = {27, INK, ANCHOR_LEFT, true, false};
static const struct canvas_text head_text = {TEXT_PX, INK_SOFT, ANCHOR_LEFT, false, false};
static const struct canvas_text plain_text = {TEXT_PX, INK, ANCHOR_LEFT, false, false};
static const struct canvas_text bold_text = {TEXT_PX, INK, ANCHOR_LEFT, true, false};
static const struct canvas_text red_text = {TEXT_PX, 0xa84300u, ANCHOR_LEFT, true, false};

struct sketch {
    struct canvas *canvas;
    const struct plot_path *path;
    double top; /* of the first node */
    double node_px, link_px;
};

/* ---- nodes and links ------------------------------------------------------------------------- */

static double node_top(const struct sketch *sketch, uint32_t node)
{
    return sketch->top - node * (sketch->node_px + sketch->link_px);
}

static void draw_box(struct canvas *canvas, uint32_t fill, uint32_t line, double x0, double y0,
                     double x1, double y1)
{
    canvas_box(canvas, fill, x0, y0, x1, y1);
    canvas_pen(canvas, line, 1.6, 0);
    canvas_move(canvas, x0, y0);
    canvas_line_to(canvas, x1, y0);
    canvas_line_to(canvas, x1, y1);
    canvas_line_to(canvas, x0, y1);
    canvas_line_to(canvas, x0, y0);
    canvas_end(canvas);
}

/* In a smaller letter where it does not fit, then not bold, and shortened where it still does not.
 */
static void write_name(struct canvas *canvas, const char *name, double y)
{
    struct canvas_text how = {24, INK, ANCHOR_CENTER, true, false};
    const double width = NODE_WIDTH - 16;
    char text[256];
    while (how.size > 19 && canvas_width(canvas, &how, name) > width)
        how.size -= 1;
    how.bold = canvas_width(canvas, &how, name) <= width;
    while (how.size > 16 && canvas_width(canvas, &how, name) > width)
        how.size -= 1;
    canvas_write(canvas, &how, LINK_X, y - how.size * 0.35,
                 canvas_fit_name(canvas, &how, name, width, text, sizeof text));
}

static void draw_node(const struct sketch *sketch, uint32_t node)
{
    static const struct canvas_text note_text = {16, INK_SOFT, ANCHOR_CENTER, false, false};
    const struct plot_path *path = sketch->path;
    bool end = node == 0 || node > path->point_count;
    double top = node_top(sketch, node), bottom = top - sketch->node_px;
    const char *name = node == 0 ? "servers" : end ? "clients" : path->points[node - 1];
    const char *note = end || !path->point_notes ? NULL : path->point_notes[node - 1];
    draw_box(sketch->canvas, end ? END_TINT : NODE_TINT, FRAME_LINE, NODE_LEFT, bottom,
             NODE_LEFT + NODE_WIDTH, top);
    double middle = (top + bottom) / 2;
    write_name(sketch->canvas, name, note ? fmax(middle + 9, bottom + 33) : middle);
    if (note) {
        char text[128];
        canvas_write(
            sketch->canvas, &note_text, LINK_X, bottom + 6,
            canvas_fit(sketch->canvas, &note_text, note, NODE_WIDTH - 16, text, sizeof text));
    }
}

static void draw_link(const struct sketch *sketch, uint32_t index)
{
    const struct plot_path_segment *segment = &sketch->path->segments[index];
    struct canvas *canvas = sketch->canvas;
    double top = node_top(sketch, index) - sketch->node_px, bottom = top - sketch->link_px;
    double middle = (top + bottom) / 2;
    bool inner = index > 0 && index < sketch->path->point_count;
    canvas_pen(canvas, segment->guilty ? GUILTY : INK_SOFT, segment->guilty ? 12 : 5,
               inner ? 0 : 7);
    canvas_line(canvas, LINK_X, top, LINK_X, bottom);
    if (segment->device) {
        const struct canvas_text how = {18, INK, ANCHOR_CENTER, true, false};
        double half = canvas_width(canvas, &how, segment->device) / 2 + 10;
        draw_box(canvas, 0xffffff, segment->guilty ? GUILTY : FRAME_LINE, LINK_X - half,
                 middle - 13, LINK_X + half, middle + 13);
        canvas_write(canvas, &how, LINK_X, middle - 6, segment->device);
    }
    if (segment->guilty && !segment->device) {
        canvas_pen(canvas, 0xffffff, 7, 0);
        draw_cross(canvas, LINK_X, middle, 10);
        canvas_end(canvas);
        canvas_pen(canvas, GUILTY, 4, 0);
        draw_cross(canvas, LINK_X, middle, 10);
        canvas_end(canvas);
    }
}

/* ---- beside them ----------------------------------------------------------------------------- */

/* Nothing is claimed that is below the clocks' uncertainty. */
static char *delay_words(const struct plot_path_way *way, int64_t uncertainty_ns, const char *delay,
                         char *buffer, size_t size)
{
    bool sure = uncertainty_ns < way->delay_median_ns;
    if (way->delay_median_ns == WH_NONE)
        snprintf(buffer, size, "delay not seen");
    else if (uncertainty_ns == WH_NONE)
        snprintf(buffer, size, "delay not known: clocks not tied");
    else if (uncertainty_ns >= way->delay_max_ns)
        snprintf(buffer, size, "delay < %s", number_delay(uncertainty_ns).text);
    else
        snprintf(buffer, size, "median%s %s%s, max %s", delay, sure ? "" : "< ",
                 number_delay(sure ? way->delay_median_ns : uncertainty_ns).text,
                 number_delay(way->delay_max_ns).text);
    return buffer;
}

static void write_way(const struct sketch *sketch, const struct plot_path_way *way, bool inner,
                      int64_t uncertainty_ns, double x, double middle)
{
    char text[160], fitted[160];
    const struct canvas_text *how = way->lost ? &red_text : &plain_text;
    if (!inner || !way->packets)
        snprintf(text, sizeof text, way->packets ? "%s packets" : "no packets",
                 number_count(way->packets).text);
    else
        snprintf(text, sizeof text, "%s packets, %s lost", number_count(way->packets).text,
                 number_count(way->lost).text);
    canvas_write(sketch->canvas, how, x, middle + (inner ? 6 : -7),
                 canvas_fit(sketch->canvas, how, text, WAY_PX - 14, fitted, sizeof fitted));
    if (!inner)
        return;
    delay_words(way, uncertainty_ns, " delay", text, sizeof text);
    if (canvas_width(sketch->canvas, &plain_text, text) > WAY_PX - 14)
        delay_words(way, uncertainty_ns, "", text, sizeof text);
    canvas_write(sketch->canvas, &plain_text, x, middle - 21,
                 canvas_fit(sketch->canvas, &plain_text, text, WAY_PX - 14, fitted, sizeof fitted));
}

/* What is said of the stalls at a segment; "" where there were none. */
static char *stall_words(const struct plot_path *path, uint32_t index, char *buffer, size_t size)
{
    const struct plot_path_segment *segment = &path->segments[index];
    bool span = segment->guilty && path->span_time_ns > 0;
    bool first = span && (index == 0 || !segment[-1].guilty);
    if (span)
        snprintf(buffer, size, first ? "stalled %s s, here" : "or here",
                 number_seconds(path->span_time_ns, 3).text);
    else if (segment->stall_time_ns > 0)
        snprintf(buffer, size, "stalled %s s", number_seconds(segment->stall_time_ns, 3).text);
    else
        *buffer = 0;
    return buffer;
}

static void write_stalled(const struct sketch *sketch, uint32_t index, double middle)
{
    const struct plot_path_segment *segment = &sketch->path->segments[index];
    double width = CANVAS_WIDTH - MARGIN_PX - STALL_LEFT - 8;
    char text[160], fitted[160];
    if (!*stall_words(sketch->path, index, text, sizeof text)) {
        canvas_write(sketch->canvas, &head_text, STALL_LEFT, middle - 7, "-");
        return;
    }
    bool again = sketch->path->span_time_ns > 0 && index > 0 && segment[-1].guilty;
    bool guilt = segment->guilty && sketch->path->guilt && !again;
    const struct canvas_text *how = segment->guilty ? &red_text : &bold_text;
    canvas_write(sketch->canvas, how, STALL_LEFT, middle + (guilt ? 6 : -7), text);
    if (guilt)
        canvas_write(
            sketch->canvas, how, STALL_LEFT, middle - 21,
            canvas_fit(sketch->canvas, how, sketch->path->guilt, width, fitted, sizeof fitted));
}

static void draw_facts(const struct sketch *sketch, uint32_t index)
{
    const struct plot_path_segment *segment = &sketch->path->segments[index];
    double top = node_top(sketch, index) - sketch->node_px, bottom = top - sketch->link_px;
    double middle = (top + bottom) / 2;
    bool inner = index > 0 && index < sketch->path->point_count;
    if (segment->guilty)
        draw_box(sketch->canvas, GUILTY_TINT, GUILTY, TABLE_LEFT - 14, bottom - 2,
                 CANVAS_WIDTH - MARGIN_PX, top + 2);
    write_way(sketch, &segment->to_client, inner, segment->uncertainty_ns, TABLE_LEFT, middle);
    write_way(sketch, &segment->to_server, inner, segment->uncertainty_ns, TABLE_LEFT + WAY_PX,
              middle);
    write_stalled(sketch, index, middle);
}

/* ---- the whole picture ----------------------------------------------------------------------- */

static double write_titles(const struct sketch *sketch)
{
    struct canvas *canvas = sketch->canvas;
    double width = CANVAS_WIDTH - 2 * MARGIN_PX, y = canvas->height - 46;
    char text[512];
    const char *title = sketch->path->title ? sketch->path->title : "";
    canvas_write(canvas, &title_text, MARGIN_PX, y,
                 canvas_fit(canvas, &title_text, title, width, text, sizeof text));
    uint32_t lines = paragraph_write(canvas, &verdict_text, MARGIN_PX, y - 42, width, VERDICT_PX, 4,
                                     sketch->path->verdict ? sketch->path->verdict : "", true);
    y -= 42 + VERDICT_PX * lines + 12;
    canvas_write(canvas, &head_text, TABLE_LEFT, y, "toward the clients");
    canvas_write(canvas, &head_text, TABLE_LEFT + WAY_PX, y, "toward the servers");
    canvas_write(canvas, &head_text, STALL_LEFT, y, "stalls blamed on it");
    return y - 16;
}

static int draw_path(const void *data, struct canvas *canvas, double cell, struct wh_error *error)
{
    struct sketch sketch = {.canvas = canvas, .path = data};
    uint32_t points = sketch.path->point_count;
    (void)cell;
    (void)error;
    sketch.top = write_titles(&sketch);
    double slot = (sketch.top - 24) / (points + 1.5);
    sketch.node_px = fmin(56, fmax(47, slot * 0.42));
    sketch.link_px = fmin(110, (sketch.top - 24 - sketch.node_px * (points + 2)) / (points + 1));
    for (uint32_t i = 0; i <= points; i++) {
        draw_facts(&sketch, i);
        draw_link(&sketch, i);
    }
    for (uint32_t node = 0; node < points + 2; node++)
        draw_node(&sketch, node);
    return WH_OK;
}

int plot_write_path(const struct plot_path *shown, const struct plot_files *files,
                    struct wh_error *error)
{
    size_t lines = 1 + (shown->verdict ? strlen(shown->verdict) / LINE_BYTES : 0);
    uint32_t around = AROUND_PX + (uint32_t)((lines < 4 ? lines : 4) * VERDICT_PX);
    uint32_t rows = shown->point_count + 1, row = (CANVAS_HEIGHT - around) / rows;
    row = row < ROW_LEAST_PX ? ROW_LEAST_PX : row > ROW_MOST_PX ? ROW_MOST_PX : row;
    struct plot_drawing drawing = {shown->title, shown->verdict, around + rows * row, shown,
                                   draw_path};
    return plot_write(&drawing, files, error);
}
