/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Throughput: what each point saw in each of some hundred equal steps of time. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "plot/drawing.h"
#include "plot/frame.h"
#include "plot/steps.h"
#include "report/parts.h"

#define STEPS_MAX 250u

struct rates {
    struct frame frame;
    const struct plot_sequence *sequence;
    struct steps steps;
    uint32_t points;
    uint64_t *all, *again; /* bytes by point and step */
    int64_t most_bits;     /* a second, of any step */
};

static bool is_data(const struct plot_sample *sample)
{
    return sample->kind == PLOT_DATA || sample->kind == PLOT_RESENT || sample->kind == PLOT_LOST;
}

struct steps steps_choose(int64_t start_ns, int64_t end_ns)
{
    struct axis time = {start_ns, end_ns, 0, 1};
    axis_widen(&time, NS_PER_MS);
    uint64_t span = (uint64_t)time.to - (uint64_t)time.from;
    const struct axis length = {0, span < INT64_MAX ? (int64_t)span : INT64_MAX, 0, 1};
    struct steps steps = {time.from, axis_ticks(&length, STEPS_MAX).step, time.to, 0};
    steps.count = (uint32_t)((uint64_t)length.to / (uint64_t)steps.step_ns) + 1;
    return steps;
}

/* The last step ends with the axis; a sliver of one would show a rate that never was. */
static double step_seconds(const struct steps *steps, uint32_t step)
{
    uint64_t begins = (uint64_t)step * (uint64_t)steps->step_ns;
    uint64_t left = (uint64_t)steps->to_ns - (uint64_t)steps->from_ns - begins;
    double length_ns = fmin((double)left, (double)steps->step_ns);
    return fmax(length_ns, (double)steps->step_ns / 2) / NS_PER_S;
}

static double bits_of(const struct steps *steps, uint32_t step, uint64_t bytes)
{
    return (double)bytes * 8 / step_seconds(steps, step);
}

static void count_bytes(struct rates *rates, uint32_t index)
{
    const struct plot_point *point = &rates->sequence->points[index];
    const struct steps *steps = &rates->steps;
    uint64_t *all = rates->all + (size_t)index * steps->count;
    uint64_t *again = rates->again + (size_t)index * steps->count;
    uint64_t step = 0;
    for (uint32_t i = 0; i < point->sample_count; i++) {
        const struct plot_sample *sample = &point->samples[i];
        if (!is_data(sample) || sample->time_ns < steps->from_ns || sample->time_ns > steps->to_ns)
            continue;
        uint64_t since = (uint64_t)sample->time_ns - (uint64_t)steps->from_ns;
        if (since - step * (uint64_t)steps->step_ns >= (uint64_t)steps->step_ns)
            step = since / (uint64_t)steps->step_ns; /* else that of the sample before */
        all[step] += sample->length;
        if (sample->kind == PLOT_RESENT)
            again[step] += sample->length;
    }
    for (uint32_t i = 0; i < steps->count; i++) {
        double bits = bits_of(steps, i, all[i]);
        if (bits > (double)rates->most_bits)
            rates->most_bits = bits < 9e18 ? (int64_t)bits : INT64_MAX;
    }
}

static bool in_gap(const struct plot_point *point, const struct steps *steps, uint32_t step)
{
    uint64_t since = (uint64_t)step * (uint64_t)steps->step_ns + (uint64_t)steps->step_ns / 2;
    int64_t middle = (int64_t)((uint64_t)steps->from_ns + since);
    for (uint32_t i = 0; i < point->gap_count; i++)
        if (point->gaps[i].from_ns <= middle && middle <= point->gaps[i].to_ns)
            return true;
    return false;
}

static double step_x(const struct rates *rates, uint32_t step)
{
    double part = (double)step * (double)rates->steps.step_ns /
                  ((double)rates->steps.to_ns - (double)rates->steps.from_ns);
    return FRAME_LEFT + fmin(part, 1) * (FRAME_RIGHT - FRAME_LEFT);
}

/* Stairs above the panel's floor, a figure for each stretch that was captured. */
static void draw_stairs(const struct rates *rates, const struct panel *panel, uint32_t index,
                        const uint64_t *bytes, uint32_t fill, uint32_t line)
{
    const struct steps *steps = &rates->steps;
    const struct plot_point *point = &rates->sequence->points[index];
    struct canvas *canvas = rates->frame.canvas;
    const struct axis scale = {0, rates->most_bits, panel->bottom, panel->top};
    for (uint32_t from = 0, to; from < steps->count; from = to + 1) {
        for (to = from; to < steps->count && (bytes[to] || !in_gap(point, steps, to)); to++)
            ;
        if (to == from)
            continue;
        canvas_pen(canvas, line, 1.2, 0);
        canvas_fill(canvas, fill);
        canvas_move(canvas, step_x(rates, from), panel->bottom);
        for (uint32_t step = from; step < to; step++) {
            double y = axis_pixel(&scale, (int64_t)fmin(bits_of(steps, step, bytes[step]), 9e18));
            canvas_line_to(canvas, step_x(rates, step), y);
            canvas_line_to(canvas, step_x(rates, step + 1), y);
        }
        canvas_line_to(canvas, step_x(rates, to), panel->bottom);
        canvas_line_to(canvas, step_x(rates, from), panel->bottom);
        canvas_end(canvas);
    }
}

static void draw_point(const struct rates *rates, const struct panel *panel, uint32_t index)
{
    const struct plot_point *point = &rates->sequence->points[index];
    const uint64_t *all = rates->all + (size_t)index * rates->steps.count;
    const uint64_t *again = rates->again + (size_t)index * rates->steps.count;
    const struct axis scale = {0, rates->most_bits, panel->bottom, panel->top};
    struct byte_unit unit = axis_bit_unit(rates->most_bits);
    uint64_t bytes = 0, repeated = 0;
    char note[160];
    for (uint32_t step = 0; step < rates->steps.count; step++) {
        bytes += all[step];
        repeated += again[step];
    }
    snprintf(note, sizeof note, repeated ? "%s, %s of it sent again" : "%s",
             number_bytes(bytes).text, number_bytes(repeated).text);
    frame_heading(&rates->frame, panel, point->name, note);
    frame_scale(&rates->frame, panel, &scale, unit.bytes, unit.name);
    frame_gaps(&rates->frame, panel, point->gaps, point->gap_count);
    draw_stairs(rates, panel, index, all, look_tint(look_colour(index), 0.45), look_colour(index));
    if (repeated)
        draw_stairs(rates, panel, index, again, INK, INK);
}

static void list_legend(struct rates *rates, char *step, size_t size)
{
    struct legend *legend = &rates->frame.legend;
    bool gaps = false, again = false;
    snprintf(step, size, "a step is %s", number_delay(rates->steps.step_ns).text);
    for (uint32_t i = 0; i < rates->points; i++) {
        const struct plot_point *point = &rates->sequence->points[i];
        gaps = gaps || frame_has_gaps(&rates->frame, point->gaps, point->gap_count);
    }
    for (size_t i = 0; i < (size_t)rates->points * rates->steps.count; i++)
        again = again || rates->again[i];
    legend_add(legend, SWATCH_NONE, 0, 0, step);
    legend_add(legend, SWATCH_BOX, look_tint(INK, 0.4), 0, "seen here");
    if (again)
        legend_add(legend, SWATCH_BOX, INK, 0, "of it sent again");
    if (gaps)
        legend_add(legend, SWATCH_HATCH, 0, 0, "nothing captured");
}

static int draw_rates(const void *data, struct canvas *canvas, double cell, struct wh_error *error)
{
    const struct plot_sequence *sequence = data;
    struct panel panels[WH_POINTS_MAX];
    struct rates rates = {.sequence = sequence, .frame.what = &sequence->frame};
    char step[64];
    int status = WH_ERROR;
    rates.points = sequence->point_count < WH_POINTS_MAX ? sequence->point_count : WH_POINTS_MAX;
    rates.steps = steps_choose(sequence->frame.start_ns, sequence->frame.end_ns);
    rates.all = calloc((size_t)rates.points * rates.steps.count + 1, sizeof *rates.all);
    rates.again = calloc((size_t)rates.points * rates.steps.count + 1, sizeof *rates.again);
    if (!rates.all || !rates.again) {
        error_memory(error, "a plot's rates");
        goto cleanup;
    }
    for (uint32_t i = 0; i < rates.points; i++)
        count_bytes(&rates, i);
    rates.most_bits += rates.most_bits < INT64_MAX / 2 ? rates.most_bits / 12 + 1 : 0;
    list_legend(&rates, step, sizeof step);
    status = frame_prepare(&rates.frame, &sequence->frame, canvas, cell, error);
    if (status)
        goto cleanup;
    frame_split(&rates.frame, rates.points, panels);
    status = frame_draw(&rates.frame, panels, rates.points, error);
    for (uint32_t i = 0; !status && i < rates.points; i++)
        draw_point(&rates, &panels[i], i);
cleanup:
    frame_free(&rates.frame);
    free(rates.all);
    free(rates.again);
    return status;
}

int plot_write_throughput(const struct plot_sequence *sequence, const struct plot_files *files,
                          struct wh_error *error)
{
    struct plot_drawing drawing = {sequence->frame.title, sequence->frame.subtitle,
                                   frame_height(sequence->point_count), sequence, draw_rates};
    return plot_write(&drawing, files, error);
}
