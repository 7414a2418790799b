/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A strip for each flow, and above them how many stall at a time: what stops together is seen. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plot/drawing.h"
#include "plot/frame.h"

#define SUM_PX       110.0
#define AROUND_PX    420u /* all but the strips */
#define ROW_MOST_PX  64u
#define ROW_LEAST_PX 16u  /* where the picture grows with them */
#define NAME_PX      22.0 /* in lower rows only every other one bears a name, or fewer */
#define ABOUT_PX     44.0 /* lower rows do not say more than a name */
#define LIFE_COLOUR  0xe4e4e4u
#define BUSY_COLOUR  0x9c9c9cu

struct chart {
    struct frame frame;
    const struct plot_flows *flows;
    struct panel panels[2]; /* the sum, the strips */
    uint32_t strips;
    uint8_t *seen;  /* by column: scratch */
    uint32_t *sums; /* by column and segment: flows that stall in it */
    uint32_t most;
};

static double clip_x(const struct chart *chart, int64_t time_ns)
{
    return axis_pixel(&chart->frame.time, time_ns);
}

/* A box at least two pixels wide, to be seen at all. */
static void draw_span(const struct chart *chart, uint32_t colour, int64_t from_ns, int64_t to_ns,
                      const struct panel *row)
{
    double x0 = clip_x(chart, from_ns), x1 = clip_x(chart, to_ns);
    double more = x1 - x0 < 2 ? (2 - (x1 - x0)) / 2 : 0;
    canvas_box(chart->frame.canvas, colour, fmax(x0 - more, FRAME_LEFT), row->bottom,
               fmin(x1 + more, FRAME_RIGHT), row->top);
}

/* Runs of columns as strokes of one path, as there are many; holes that hardly show are closed. */
static void draw_runs(const struct chart *chart, const uint8_t *seen, uint32_t colour,
                      const struct panel *row)
{
    uint32_t hole = (uint32_t)(1 / chart->frame.cell) + 1;
    double middle = (row->bottom + row->top) / 2;
    canvas_pen(chart->frame.canvas, colour, row->top - row->bottom, 0);
    for (uint32_t from = 0; from < chart->frame.columns; from++) {
        if (!seen[from])
            continue;
        uint32_t last = from;
        for (uint32_t at = from + 1; at < chart->frame.columns && at - last <= hole; at++)
            last = seen[at] ? at : last;
        double x0 = frame_x(&chart->frame, from), x1 = frame_x(&chart->frame, last + 1);
        canvas_move(chart->frame.canvas, x0, middle);
        canvas_line_to(chart->frame.canvas, fmax(x1, x0 + 1.5), middle);
        from = last;
    }
    canvas_end(chart->frame.canvas);
}

static void mark(const struct chart *chart, int64_t from_ns, int64_t to_ns)
{
    uint32_t first = frame_column(&chart->frame, from_ns);
    uint32_t last = frame_column(&chart->frame, to_ns);
    for (uint32_t column = first; column <= last; column++)
        chart->seen[column] = 1;
}

static void draw_active(const struct chart *chart, const struct plot_strip *strip,
                        const struct panel *row)
{
    memset(chart->seen, 0, chart->frame.columns);
    for (uint32_t i = 0; i < strip->active_count; i++)
        mark(chart, strip->active[i].from_ns, strip->active[i].to_ns);
    draw_runs(chart, chart->seen, BUSY_COLOUR, row);
}

static void draw_stalls(const struct chart *chart, const struct plot_strip *strip,
                        const struct panel *row)
{
    for (uint32_t s = 0; s < chart->flows->segment_count; s++) {
        bool any = false;
        memset(chart->seen, 0, chart->frame.columns);
        for (uint32_t i = 0; i < strip->stall_count; i++) {
            if (strip->stalls[i].segment != s)
                continue;
            mark(chart, strip->stalls[i].start_ns, strip->stalls[i].end_ns);
            any = true;
        }
        if (any)
            draw_runs(chart, chart->seen, look_colour(s), row);
    }
}

static bool is_used(const struct chart *chart, uint32_t segment)
{
    for (uint32_t i = 0; i < chart->flows->stall_count; i++)
        if (chart->flows->stalls[i].segment == segment)
            return true;
    return false;
}

/* A flow counts once in a column, though one of its stalls may end there and the next begin. */
static void count_stalls(struct chart *chart)
{
    const struct plot_flows *flows = chart->flows;
    uint32_t next = 0;
    for (uint32_t i = 0; i < flows->stall_count; i++) {
        const struct plot_strip_stall *stall = &flows->stalls[i];
        uint32_t column = frame_column(&chart->frame, stall->start_ns);
        uint32_t last = frame_column(&chart->frame, stall->end_ns);
        if (i && stall->flow != stall[-1].flow)
            next = 0;
        if (stall->segment >= flows->segment_count)
            continue;
        for (column = column > next ? column : next; column <= last; column++)
            chart->sums[(size_t)column * flows->segment_count + stall->segment]++;
        next = last + 1 > next ? last + 1 : next;
    }
    for (uint32_t column = 0; column < chart->frame.columns; column++) {
        uint32_t sum = 0;
        for (uint32_t s = 0; s < flows->segment_count; s++)
            sum += chart->sums[(size_t)column * flows->segment_count + s];
        chart->most = sum > chart->most ? sum : chart->most;
    }
}

/* How many flows stall in the segments up to and with `segment`. */
static uint32_t sum_up_to(const struct chart *chart, uint32_t column, uint32_t segment)
{
    uint32_t sum = 0;
    for (uint32_t s = 0; s <= segment; s++)
        sum += chart->sums[(size_t)column * chart->flows->segment_count + s];
    return sum;
}

/* Stairs up to a segment's share and those below it, which are drawn over it next. */
static void draw_sum(const struct chart *chart, const struct axis *scale, uint32_t segment)
{
    struct canvas *canvas = chart->frame.canvas;
    uint32_t columns = chart->frame.columns, before = 0;
    bool drawn = false;
    canvas_pen(canvas, look_colour(segment), 0.2, 0);
    canvas_fill(canvas, look_colour(segment));
    canvas_move(canvas, FRAME_LEFT, scale->start);
    for (uint32_t column = 0; column <= columns; column++) {
        uint32_t sum = column < columns ? sum_up_to(chart, column, segment) : 0;
        if (sum == before)
            continue;
        canvas_line_to(canvas, frame_x(&chart->frame, column), axis_pixel(scale, before));
        canvas_line_to(canvas, frame_x(&chart->frame, column), axis_pixel(scale, sum));
        before = sum;
        drawn = true;
    }
    if (drawn)
        canvas_line_to(canvas, FRAME_LEFT, scale->start);
    canvas_end(canvas);
}

static void draw_sums(const struct chart *chart)
{
    const struct axis scale = {0, chart->most ? chart->most : 1, chart->panels[0].bottom,
                               chart->panels[0].top - 6};
    frame_scale(&chart->frame, &chart->panels[0], &scale, 1, NULL);
    for (uint32_t s = chart->flows->segment_count; s-- > 0;)
        if (is_used(chart, s))
            draw_sum(chart, &scale, s);
}

static void name_strip(const struct chart *chart, const struct plot_strip *strip, uint32_t index,
                       const struct panel *row)
{
    double height = row->top - row->bottom;
    struct canvas_text how = {TEXT_PX, INK, ANCHOR_RIGHT, false, false};
    struct canvas_text small = {17, INK_SOFT, ANCHOR_LEFT, false, false};
    bool about = height >= ABOUT_PX && strip->about;
    char text[200];
    if (index % (uint32_t)ceil(NAME_PX / height))
        return;
    double middle = about ? row->bottom + (height - 22) / 2 : (row->bottom + row->top) / 2;
    canvas_write(
        chart->frame.canvas, &how, FRAME_LEFT - 10, middle - how.size * 0.35,
        canvas_fit(chart->frame.canvas, &how, strip->name, FRAME_LEFT - 30, text, sizeof text));
    if (about)
        canvas_write(chart->frame.canvas, &small, FRAME_LEFT + 6, row->top - 19,
                     canvas_fit(chart->frame.canvas, &small, strip->about,
                                FRAME_RIGHT - FRAME_LEFT - 12, text, sizeof text));
}

static void draw_strip(const struct chart *chart, const struct plot_strip *strip, uint32_t index)
{
    const struct panel *all = &chart->panels[1];
    double height = (all->top - all->bottom) / chart->strips;
    struct panel row = {all->top - height * (index + 1), all->top - height * index};
    double room = row.top - row.bottom;
    struct panel life = {row.bottom + room * 0.1, row.top - room * 0.1};
    if (room >= ABOUT_PX && strip->about)
        life.top = row.top - 23;
    struct panel busy = {life.bottom, life.bottom + (life.top - life.bottom) * 0.4};
    draw_span(chart, LIFE_COLOUR, strip->start_ns, strip->end_ns, &life);
    draw_stalls(chart, strip, &life);
    draw_active(chart, strip, &busy);
    name_strip(chart, strip, index, &row);
}

static void list_legend(struct chart *chart)
{
    const struct plot_flows *flows = chart->flows;
    struct legend *legend = &chart->frame.legend;
    legend_add(legend, SWATCH_BOX, LIFE_COLOUR, 0, "from first to last packet");
    legend_add(legend, SWATCH_BOX, BUSY_COLOUR, 0, "packets pass");
    for (uint32_t s = 0; s < flows->segment_count; s++) {
        if (is_used(chart, s))
            legend_add(legend, SWATCH_BOX, look_colour(s), 0, flows->segments[s]);
    }
    if (flows->left_out)
        legend_add(legend, SWATCH_NONE, 0, 0, flows->left_out);
}

static void stack_panels(struct chart *chart)
{
    const struct frame *frame = &chart->frame;
    double top = frame->top - HEADING_PX;
    if (chart->flows->stall_count) {
        chart->panels[0] = (struct panel){top - SUM_PX, top};
        top -= SUM_PX + HEADING_PX + 4;
    }
    chart->panels[1] = (struct panel){frame->bottom, top};
}

static int draw_all(struct chart *chart, struct wh_error *error)
{
    const struct plot_flows *flows = chart->flows;
    uint32_t first = flows->stall_count ? 0 : 1;
    if (frame_draw(&chart->frame, chart->panels + first, 2 - first, error))
        return WH_ERROR;
    if (!first) {
        count_stalls(chart);
        frame_heading(&chart->frame, &chart->panels[0], "flows stalled at a time",
                      "by segment, of all flows");
        draw_sums(chart);
    }
    frame_heading(&chart->frame, &chart->panels[1], "each flow", NULL);
    for (uint32_t i = 0; i < chart->strips && !canvas_is_full(chart->frame.canvas); i++)
        draw_strip(chart, &flows->strips[i], i);
    return WH_OK;
}

static int draw_flows(const void *data, struct canvas *canvas, double cell, struct wh_error *error)
{
    const struct plot_flows *flows = data;
    struct chart chart = {.flows = flows};
    chart.strips = flows->strip_count < PLOT_STRIPS_MAX ? flows->strip_count : PLOT_STRIPS_MAX;
    list_legend(&chart);
    int status = frame_prepare(&chart.frame, &flows->frame, canvas, cell, error);
    if (!status) {
        size_t cells = (size_t)chart.frame.columns * (flows->segment_count + 1);
        chart.sums = calloc(cells, sizeof *chart.sums);
        chart.seen = calloc(chart.frame.columns, 1);
        if (!chart.sums || !chart.seen) {
            error_memory(error, "a plot's strips");
            status = WH_ERROR;
        }
    }
    if (!status) {
        stack_panels(&chart);
        status = draw_all(&chart, error);
    }
    free(chart.sums);
    free(chart.seen);
    frame_free(&chart.frame);
    return status;
}

int plot_write_flows(const struct plot_flows *flows, const struct plot_files *files,
                     struct wh_error *error)
{
    uint32_t strips = flows->strip_count < PLOT_STRIPS_MAX ? flows->strip_count : PLOT_STRIPS_MAX;
    uint32_t most = AROUND_PX + ROW_MOST_PX * strips, least = AROUND_PX + ROW_LEAST_PX * strips;
    uint32_t height = most < CANVAS_HEIGHT ? most : CANVAS_HEIGHT;
    struct plot_drawing drawing = {flows->frame.title, flows->frame.subtitle,
                                   height > least ? height : least, flows, draw_flows};
    return plot_write(&drawing, files, error);
}
