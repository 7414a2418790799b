/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The delay of each segment, on a logarithmic scale, as it spans from microseconds to seconds. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "plot/drawing.h"
#include "plot/frame.h"
#include "plot/strokes.h"
#include "report/parts.h"

#define PANELS_MAX    (WH_POINTS_MAX + 1)
#define UNSURE_COLOUR 0xd9d9d9u
#define SPOT_PX       3.0
#define DECADE        1000000 /* of the scale's units */
#define LEAST_POWER   3       /* the scale begins at a microsecond or above */
#define MOST_POWER    13      /* and ends at 10,000 s or below */
#define NUMBERS_PX    24.0

static const uint32_t way_colours[] = {[WH_TO_SERVER] = 0xe69f00u, [WH_TO_CLIENT] = 0x0072b2u};

struct chart {
    struct frame frame;
    const struct plot_delays *delays;
    uint32_t count;
    struct panel panels[PANELS_MAX];
    int low_power, high_power; /* powers of ten, in nanoseconds */
};

/* A delay on the scale; what is not above its lowest is at it. */
static int64_t scaled(const struct chart *chart, int64_t delay_ns)
{
    int64_t low = (int64_t)chart->low_power * DECADE, high = (int64_t)chart->high_power * DECADE;
    int64_t value = delay_ns > 0 ? (int64_t)(log10((double)delay_ns) * DECADE) : low;
    return value < low ? low : value > high ? high : value;
}

static void find_powers(struct chart *chart)
{
    int64_t least = INT64_MAX, most = 0;
    for (uint32_t s = 0; s < chart->count; s++) {
        const struct plot_delay_segment *segment = &chart->delays->segments[s];
        for (uint32_t i = 0; i < segment->sample_count; i++) {
            int64_t delay_ns = segment->samples[i].delay_ns;
            least = delay_ns > 0 && delay_ns < least ? delay_ns : least;
            most = delay_ns > most ? delay_ns : most;
        }
    }
    if (!most)
        least = 100 * NS_PER_US, most = NS_PER_S;
    chart->low_power = (int)floor(log10((double)least));
    chart->high_power = (int)ceil(log10((double)most));
    chart->low_power = chart->low_power < LEAST_POWER ? LEAST_POWER : chart->low_power;
    chart->high_power = chart->high_power > MOST_POWER ? MOST_POWER : chart->high_power;
    if (chart->high_power < chart->low_power + 2)
        chart->high_power = chart->low_power + 2;
}

static char *power_text(int power, char *buffer, size_t size)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    static const char *const digits[] = {"1", "10", "100"};
    unsigned unit = power / 3 < 3 ? (unsigned)(power / 3) : 3;
    unsigned rest = (unsigned)power - unit * 3;
    if (rest < 3)
        snprintf(buffer, size, "%s %s", digits[rest], units[unit]);
    else
        snprintf(buffer, size, "%.0f %s", pow(10, rest), units[unit]);
    return buffer;
}

static void draw_decades(const struct chart *chart, const struct panel *panel)
{
    static const struct canvas_text number = {TEXT_PX, INK, ANCHOR_RIGHT, false, false};
    const struct axis scale = {chart->low_power, chart->high_power, panel->bottom, panel->top};
    double decade_px = (panel->top - panel->bottom) / (chart->high_power - chart->low_power);
    int apart = (int)ceil(NUMBERS_PX / decade_px);
    char text[32];
    for (int power = chart->low_power; power <= chart->high_power; power++) {
        double y = axis_pixel(&scale, power);
        canvas_pen(chart->frame.canvas, GRID_LINE, 1, 0);
        if (power > chart->low_power && power < chart->high_power)
            canvas_line(chart->frame.canvas, FRAME_LEFT, y, FRAME_RIGHT, y);
        if ((power - chart->low_power) % apart == 0)
            canvas_write(chart->frame.canvas, &number, FRAME_LEFT - 10, y - 7,
                         power_text(power, text, sizeof text));
    }
}

/* Spots of one direction; those on one place are one. */
static int draw_way(const struct chart *chart, uint32_t index, unsigned direction,
                    struct wh_error *error)
{
    const struct plot_delay_segment *segment = &chart->delays->segments[index];
    const struct panel *panel = &chart->panels[index];
    double height = panel->top - panel->bottom;
    struct plot_sample *samples = calloc((size_t)segment->sample_count + 1, sizeof *samples);
    struct thin_path path = {0};
    uint32_t count = 0;
    if (!samples)
        return error_memory(error, "a plot's delays");
    for (uint32_t i = 0; i < segment->sample_count; i++)
        if (segment->samples[i].direction == direction)
            samples[count++] = (struct plot_sample){
                segment->samples[i].time_ns, scaled(chart, segment->samples[i].delay_ns), 0, 0};
    const struct plot_point point = {"", samples, count, NULL, 0};
    const struct thin_grid grid = {
        .time = chart->frame.time,
        .offset = {(int64_t)chart->low_power * DECADE, (int64_t)chart->high_power * DECADE,
                   panel->bottom, panel->top},
        .columns = chart->frame.columns,
        .rows = (uint32_t)fmax(1, height / fmax(1, chart->frame.cell)),
        .silence_ns = 0, /* spots alone, no lines */
    };
    bool ok = thin_ranges(&grid, &point, KIND_BIT(PLOT_DATA), &path);
    if (ok) {
        canvas_pen(chart->frame.canvas, way_colours[direction], SPOT_PX, 0);
        strokes_draw(chart->frame.canvas, &grid, &path, SPOT_PX);
    }
    thin_free(&path);
    free(samples);
    return ok ? WH_OK : error_memory(error, "a plot's delays");
}

static void write_heading(const struct chart *chart, uint32_t index)
{
    const struct plot_delay_segment *segment = &chart->delays->segments[index];
    char note[128] = "";
    if (segment->round_trip && !segment->sample_count)
        snprintf(note, sizeof note,
                 "to the connection's end and back: no data was seen here with its "
                 "acknowledgement");
    else if (segment->round_trip)
        snprintf(note, sizeof note,
                 "to the connection's end and back: from data to its acknowledgement");
    else if (segment->uncertainty_ns == WH_NONE)
        snprintf(note, sizeof note, "not known: no packet ties the two clocks");
    else if (!segment->sample_count)
        snprintf(note, sizeof note, "no packet was seen at both ends");
    else if (segment->uncertainty_ns > 0)
        snprintf(note, sizeof note, "clocks exact within %s: no delay is told below",
                 number_delay(segment->uncertainty_ns).text);
    frame_heading(&chart->frame, &chart->panels[index], segment->name, *note ? note : NULL);
}

static void draw_unsure(const struct chart *chart, uint32_t index)
{
    const struct plot_delay_segment *segment = &chart->delays->segments[index];
    const struct panel *panel = &chart->panels[index];
    const struct axis scale = {(int64_t)chart->low_power * DECADE,
                               (int64_t)chart->high_power * DECADE, panel->bottom, panel->top};
    if (segment->round_trip || segment->uncertainty_ns <= 0)
        return;
    double y = axis_pixel(&scale, scaled(chart, segment->uncertainty_ns));
    if (y > panel->bottom + 1)
        canvas_box(chart->frame.canvas, UNSURE_COLOUR, FRAME_LEFT, panel->bottom, FRAME_RIGHT, y);
}

static bool has_gaps(const struct chart *chart, const struct plot_delay_segment *segment)
{
    return frame_has_gaps(&chart->frame, segment->gaps[0], segment->gap_count[0]) ||
           frame_has_gaps(&chart->frame, segment->gaps[1], segment->gap_count[1]);
}

static void list_legend(struct chart *chart)
{
    bool unsure = false, gaps = false;
    chart->frame.what = &chart->delays->frame;
    for (uint32_t i = 0; i < chart->count; i++)
        gaps = gaps || has_gaps(chart, &chart->delays->segments[i]);
    for (uint32_t i = 0; i < chart->count; i++)
        unsure = unsure || (!chart->delays->segments[i].round_trip &&
                            chart->delays->segments[i].uncertainty_ns > 0);
    legend_add(&chart->frame.legend, SWATCH_LINE, way_colours[WH_TO_CLIENT], SPOT_PX + 1,
               "toward the clients");
    legend_add(&chart->frame.legend, SWATCH_LINE, way_colours[WH_TO_SERVER], SPOT_PX + 1,
               "toward the servers");
    if (unsure)
        legend_add(&chart->frame.legend, SWATCH_BOX, UNSURE_COLOUR, 0, "below the clocks' error");
    if (gaps)
        legend_add(&chart->frame.legend, SWATCH_HATCH, 0, 0, "nothing captured");
}

static int draw_delays(const void *data, struct canvas *canvas, double cell, struct wh_error *error)
{
    struct chart chart = {.delays = data};
    chart.count = chart.delays->segment_count;
    chart.count = chart.count < PANELS_MAX ? chart.count : PANELS_MAX;
    find_powers(&chart);
    list_legend(&chart);
    int status = frame_prepare(&chart.frame, &chart.delays->frame, canvas, cell, error);
    if (status)
        goto cleanup;
    frame_split(&chart.frame, chart.count, chart.panels);
    status = frame_draw(&chart.frame, chart.panels, chart.count, error);
    for (uint32_t i = 0; !status && i < chart.count; i++) {
        const struct plot_delay_segment *segment = &chart.delays->segments[i];
        draw_unsure(&chart, i);
        for (unsigned side = 0; side < 2; side++)
            frame_gaps(&chart.frame, &chart.panels[i], segment->gaps[side],
                       segment->gap_count[side]);
        draw_decades(&chart, &chart.panels[i]);
        write_heading(&chart, i);
        status = draw_way(&chart, i, WH_TO_CLIENT, error);
        if (!status)
            status = draw_way(&chart, i, WH_TO_SERVER, error);
    }
cleanup:
    frame_free(&chart.frame);
    return status;
}

int plot_write_delays(const struct plot_delays *delays, const struct plot_files *files,
                      struct wh_error *error)
{
    struct plot_drawing drawing = {delays->frame.title, delays->frame.subtitle,
                                   frame_height(delays->segment_count), delays, draw_delays};
    return plot_write(&drawing, files, error);
}
