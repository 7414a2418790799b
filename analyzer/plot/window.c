/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes in flight below the window, as the point nearest to the sender saw them. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "plot/drawing.h"
#include "plot/frame.h"
#include "plot/strokes.h"
#include "report/parts.h"

#define FLIGHT_COLOUR 0x0072b2u
#define WINDOW_COLOUR 0xe69f00u
#define LINE_PX       2.5

/* Where the window is wider than so many times what was ever in flight, it is no limit. */
#define WINDOW_TIMES 5

struct flight {
    struct frame frame;
    struct panel panel;
    struct thin_grid grid;
    const struct plot_point *point;
    struct plot_sample *levels; /* PLOT_FLIGHT, PLOT_ROOM; each kind's by time */
    uint32_t count;
    int64_t most_flight, most_window;
    int64_t roof; /* the axis' end: higher levels run along it */
    bool window_known, closed;
};

/* A copy of the levels, which may be lowered to the axis' end. */
static bool find_levels(struct flight *flight)
{
    const struct plot_point *point = flight->point;
    flight->levels = calloc((size_t)point->sample_count + 1, sizeof *flight->levels);
    for (uint32_t i = 0; flight->levels && i < point->sample_count; i++) {
        const struct plot_sample *sample = &point->samples[i];
        if (sample->kind != PLOT_FLIGHT && sample->kind != PLOT_ROOM)
            continue;
        bool room = sample->kind == PLOT_ROOM;
        int64_t *most = room ? &flight->most_window : &flight->most_flight;
        flight->levels[flight->count++] = *sample;
        *most = sample->offset > *most ? sample->offset : *most;
        flight->window_known = flight->window_known || room;
        flight->closed = flight->closed || (room && sample->offset == 0);
    }
    return flight->levels != NULL;
}

static void set_roof(struct flight *flight)
{
    int64_t flown = flight->most_flight > 1000 ? flight->most_flight : 1000;
    int64_t limit = flown < INT64_MAX / (2 * WINDOW_TIMES) ? flown * WINDOW_TIMES : INT64_MAX / 2;
    flight->roof = flight->most_window > flown ? flight->most_window : flown;
    flight->roof = flight->roof < limit ? flight->roof : limit;
    for (uint32_t i = 0; i < flight->count; i++)
        if (flight->levels[i].offset > flight->roof)
            flight->levels[i].offset = flight->roof;
}

/* Too short to be shown. */
static bool is_narrow(const struct frame *frame, const struct plot_span *gap)
{
    return frame_column(frame, gap->from_ns) == frame_column(frame, gap->to_ns);
}

/* A level holds until the next packet says otherwise, but not over what was not captured. */
static bool draw_level(const struct flight *flight, unsigned kind, uint32_t colour)
{
    uint32_t from = 0;
    struct thin_path path = {0};
    bool ok = true;
    for (uint32_t gap = 0; ok && gap <= flight->point->gap_count; gap++) {
        bool last = gap == flight->point->gap_count;
        if (!last && is_narrow(&flight->frame, &flight->point->gaps[gap]))
            continue;
        int64_t until = last ? INT64_MAX : flight->point->gaps[gap].from_ns;
        uint32_t to = from;
        while (to < flight->count && (flight->levels[to].time_ns <= until || until == INT64_MAX))
            to++;
        const struct plot_point stretch = {"", flight->levels + from, to - from, NULL, 0};
        ok = thin_levels(&flight->grid, &stretch, kind, &path);
        from = to;
    }
    if (ok) {
        canvas_pen(flight->frame.canvas, colour, LINE_PX, 0);
        strokes_draw(flight->frame.canvas, &flight->grid, &path, LINE_PX);
    }
    thin_free(&path);
    return ok;
}

static void draw_bar(const struct flight *flight, const struct stretch *stretch)
{
    canvas_box(flight->frame.canvas, GUILTY, stretch->from, flight->panel.bottom + 1, stretch->to,
               flight->panel.bottom + 11);
}

/* While the window is closed, a bar on the floor. */
static void draw_closed(const struct flight *flight)
{
    const struct axis *time = &flight->frame.time;
    struct stretch stretch = {0};
    for (uint32_t i = 0; i < flight->count; i++) {
        if (flight->levels[i].kind != PLOT_ROOM || flight->levels[i].offset > 0)
            continue;
        int64_t from_ns = flight->levels[i].time_ns, to_ns = from_ns;
        for (; i < flight->count; i++) {
            to_ns = flight->levels[i].time_ns;
            if (flight->levels[i].kind == PLOT_ROOM && flight->levels[i].offset > 0)
                break;
        }
        if (to_ns < time->from || from_ns > time->to)
            continue;
        double from = axis_pixel(time, from_ns), to = fmax(axis_pixel(time, to_ns), from + 2);
        if (!frame_stretch(&flight->frame, &stretch, from, to)) {
            draw_bar(flight, &stretch);
            stretch = (struct stretch){from, to};
        }
    }
    if (stretch.from < stretch.to)
        draw_bar(flight, &stretch);
}

static void list_legend(struct flight *flight, char *beyond, size_t size)
{
    struct legend *legend = &flight->frame.legend;
    legend_add(legend, SWATCH_LINE, FLIGHT_COLOUR, LINE_PX, "in flight");
    if (flight->window_known)
        legend_add(legend, SWATCH_LINE, WINDOW_COLOUR, LINE_PX, "receiver's window");
    if (flight->closed)
        legend_add(legend, SWATCH_BOX, GUILTY, 0, "window closed");
    if (frame_has_gaps(&flight->frame, flight->point->gaps, flight->point->gap_count))
        legend_add(legend, SWATCH_HATCH, 0, 0, "nothing captured");
    snprintf(beyond, size, "window: up to %s; above the frame it runs along its edge",
             number_bytes((uint64_t)flight->most_window).text);
    if (!flight->window_known)
        legend_add(legend, SWATCH_NONE, 0, 0,
                   "the window is not known: its scale is told in the handshake alone");
    else if (flight->most_window > flight->roof)
        legend_add(legend, SWATCH_NONE, 0, 0, beyond);
}

static int draw_panel(struct flight *flight, struct wh_error *error)
{
    struct byte_unit unit = axis_byte_unit(flight->roof);
    struct axis scale = {0, flight->roof + flight->roof / 20 + 1, flight->panel.bottom,
                         flight->panel.top};
    char name[160];
    flight->grid = (struct thin_grid){
        .time = flight->frame.time,
        .offset = scale,
        .columns = flight->frame.columns,
        .rows = (uint32_t)fmax(1, flight->panel.top - flight->panel.bottom),
        .silence_ns = INT64_MAX,
    };
    if (frame_draw(&flight->frame, &flight->panel, 1, error))
        return WH_ERROR;
    snprintf(name, sizeof name, "at %s", flight->point->name ? flight->point->name : "");
    frame_heading(&flight->frame, &flight->panel, name,
                  "nearest to the sender: what passed here and is not acknowledged here");
    frame_scale(&flight->frame, &flight->panel, &scale, unit.bytes, unit.name);
    frame_gaps(&flight->frame, &flight->panel, flight->point->gaps, flight->point->gap_count);
    draw_closed(flight);
    if (!draw_level(flight, PLOT_ROOM, WINDOW_COLOUR) ||
        !draw_level(flight, PLOT_FLIGHT, FLIGHT_COLOUR))
        return error_memory(error, "a plot's curves");
    return WH_OK;
}

static int draw_window(const void *data, struct canvas *canvas, double cell, struct wh_error *error)
{
    static const struct plot_point nothing = {"", NULL, 0, NULL, 0};
    const struct plot_sequence *sequence = data;
    struct flight flight = {.frame.what = &sequence->frame,
                            .point = sequence->point_count ? sequence->points : &nothing};
    char beyond[128];
    int status = find_levels(&flight) ? WH_OK : error_memory(error, "a plot's levels");
    if (!status) {
        set_roof(&flight);
        list_legend(&flight, beyond, sizeof beyond);
        status = frame_prepare(&flight.frame, &sequence->frame, canvas, cell, error);
    }
    if (!status) {
        frame_split(&flight.frame, 1, &flight.panel);
        status = draw_panel(&flight, error);
    }
    frame_free(&flight.frame);
    free(flight.levels);
    return status;
}

int plot_write_window(const struct plot_sequence *sequence, const struct plot_files *files,
                      struct wh_error *error)
{
    struct plot_drawing drawing = {sequence->frame.title, sequence->frame.subtitle, CANVAS_HEIGHT,
                                   sequence, draw_window};
    return plot_write(&drawing, files, error);
}
