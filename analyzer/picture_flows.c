/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A strip for each flow: when it lived, when packets passed, when and where it stalled. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "pictures.h"

/* As fine as the picture is wide. */
#define COLUMNS 1400u

struct stall_place {
    uint32_t segment, span;
};

struct strips {
    struct pictures *pictures;
    const struct wh_flow **shown; /* by id */
    uint32_t count;
    struct stall_place *places; /* what stalls can be in: all segments, then the spans that occur */
    uint32_t place_count, place_capacity;
};

/* ---- where stalls are ------------------------------------------------------------------------ */

static uint32_t find_place(const struct strips *strips, const struct wh_stall *stall)
{
    for (uint32_t i = 0; i < strips->place_count; i++)
        if (strips->places[i].segment == stall->segment &&
            strips->places[i].span == stall->segment_span)
            return i;
    return UINT32_MAX;
}

static bool add_place(struct strips *strips, uint32_t segment, uint32_t span)
{
    struct stall_place *place =
        ARRAY_PUSH(strips->places, strips->place_count, strips->place_capacity);
    if (place)
        *place = (struct stall_place){segment, span};
    return place != NULL;
}

static int compare_places(const void *left, const void *right)
{
    const struct stall_place *a = left, *b = right;
    if ((a->span > 1) != (b->span > 1))
        return a->span > 1 ? 1 : -1;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    return a->span < b->span ? -1 : a->span > b->span;
}

static bool list_places(struct strips *strips)
{
    const struct wh_result *result = &strips->pictures->analysis->result;
    for (uint32_t s = 0; s < result->segment_count; s++)
        if (!add_place(strips, s, 1))
            return false;
    for (uint32_t i = 0; i < result->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[i];
        if (find_place(strips, stall) == UINT32_MAX &&
            !add_place(strips, stall->segment, stall->segment_span))
            return false;
    }
    if (strips->place_count)
        qsort(strips->places, strips->place_count, sizeof *strips->places, compare_places);
    return true;
}

static struct plot_strip_stall strip_stall(const struct strips *strips,
                                           const struct wh_stall *stall)
{
    return (struct plot_strip_stall){stall->start_ns, stall->end_ns, find_place(strips, stall),
                                     stall->flow};
}

/* ---- which flows ----------------------------------------------------------------------------- */

static int by_id(const void *left, const void *right)
{
    const struct wh_flow *a = *(const struct wh_flow *const *)left;
    const struct wh_flow *b = *(const struct wh_flow *const *)right;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Among those shown, the worst first; once there are enough, the least goes. */
static void show_worst(struct strips *strips, const struct wh_flow *flow)
{
    const struct wh_result *result = &strips->pictures->analysis->result;
    const struct wh_flow **shown = strips->shown;
    uint32_t at = strips->count;
    if (at < PLOT_STRIPS_MAX)
        strips->count++;
    else if (picture_compare_flows(result, flow, shown[--at]) > 0)
        return;
    for (; at > 0 && picture_compare_flows(result, flow, shown[at - 1]) < 0; at--)
        shown[at] = shown[at - 1];
    shown[at] = flow;
}

/* The worst, in the order they began. */
static bool choose_flows(struct strips *strips)
{
    const struct wh_result *result = &strips->pictures->analysis->result;
    strips->shown = arena_alloc(&strips->pictures->arena, PLOT_STRIPS_MAX, sizeof *strips->shown);
    if (!strips->shown)
        return false;
    for (uint32_t f = 0; f < result->flow_count; f++)
        show_worst(strips, &result->flows[f]);
    if (strips->count)
        qsort(strips->shown, strips->count, sizeof *strips->shown, by_id);
    return true;
}

static const char *tell_left_out(const struct strips *strips, bool *ok)
{
    const struct wh_result *result = &strips->pictures->analysis->result;
    uint32_t more = result->flow_count - strips->count, stalled = 0;
    if (!more)
        return NULL;
    for (uint32_t f = 0; f < result->flow_count; f++)
        stalled += result->flows[f].stall_count > 0;
    for (uint32_t i = 0; i < strips->count; i++)
        stalled -= strips->shown[i]->stall_count > 0;
    const char *format = result->stall_count
                             ? "The worst %u flows; %u more have no strip here, %u of them stalled."
                             : "The largest %u flows; %u more have no strip here.";
    const char *text = arena_printf(&strips->pictures->arena, format, strips->count, more, stalled);
    *ok = *ok && text;
    return text;
}

/* ---- one strip ------------------------------------------------------------------------------- */

static void mark_active(const struct wh_analysis *analysis, const struct flow *flow, uint8_t *seen)
{
    int64_t length_ns = analysis->result.duration_ns > 0 ? analysis->result.duration_ns : 1;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        const struct track_flow *view = flow->at[p];
        if (!view)
            continue;
        const struct clock_reading clock =
            clock_read(&analysis->alignment.clock[p], view->first, view->last);
        for (uint32_t i = 0; i < view->pkt_count; i++) {
            struct path_time time = clock_reading_to_path(&clock, view->pkts[i].time);
            double part = (double)(time.ns - analysis->epoch.ns) / (double)length_ns;
            if (part >= 0 && part <= 1)
                seen[(uint32_t)(part * (COLUMNS - 1))] = 1;
        }
    }
}

static bool list_active(const struct strips *strips, const struct flow *flow,
                        struct plot_strip *strip)
{
    const struct wh_analysis *analysis = strips->pictures->analysis;
    int64_t length_ns = analysis->result.duration_ns;
    uint8_t seen[COLUMNS + 1] = {0};
    uint32_t runs = 0;
    mark_active(analysis, flow, seen);
    for (uint32_t i = 0; i < COLUMNS; i++)
        runs += seen[i] && !seen[i + 1];
    struct plot_span *active =
        arena_alloc(&strips->pictures->arena, (size_t)runs + 1, sizeof *active);
    if (!active)
        return false;
    strip->active = active;
    for (uint32_t from = 0, to; from < COLUMNS; from = to + 1) {
        for (to = from; seen[to]; to++)
            ;
        if (to > from)
            active[strip->active_count++] =
                (struct plot_span){(int64_t)((double)length_ns / COLUMNS * from),
                                   (int64_t)((double)length_ns / COLUMNS * to)};
    }
    return true;
}

/* "tcp 203.0.113.2:54464 - 198.51.100.10:8080, 24.0 MB": as the first point calls it. */
static const char *tell_about(struct arena *arena, const struct wh_flow *flow, uint32_t points)
{
    uint32_t p = 0;
    while (p + 1 < points && !*flow->at[p].client)
        p++;
    return arena_printf(arena, "%s %s - %s", flow->protocol, flow->at[p].client,
                        flow->at[p].server);
}

static bool make_strip(const struct strips *strips, const struct wh_flow *flow,
                       struct plot_strip *strip)
{
    const struct wh_analysis *analysis = strips->pictures->analysis;
    struct arena *arena = &strips->pictures->arena;
    struct plot_strip_stall *stalls =
        arena_alloc(arena, (size_t)flow->stall_count + 1, sizeof *stalls);
    *strip = (struct plot_strip){
        .name = arena_printf(arena, "flow %u", flow->id),
        .about = tell_about(arena, flow, analysis->result.point_count),
        .start_ns = flow->start_ns,
        .end_ns = flow->end_ns,
        .stalls = stalls,
        .stall_count = flow->stall_count,
    };
    for (uint32_t i = 0; stalls && i < flow->stall_count; i++)
        stalls[i] = strip_stall(strips, &analysis->result.stalls[flow->stalls[i] - 1]);
    return stalls && strip->name && strip->about &&
           list_active(strips, &analysis->flows.items[analysis->flow_of_id[flow->id - 1]], strip);
}

/* ---- the picture ----------------------------------------------------------------------------- */

static bool fill_plot(struct strips *strips, struct plot_flows *plot)
{
    struct pictures *pictures = strips->pictures;
    const struct wh_result *result = &pictures->analysis->result;
    struct plot_strip *list = arena_alloc(&pictures->arena, PLOT_STRIPS_MAX, sizeof *list);
    struct plot_strip_stall *stalls =
        arena_alloc(&pictures->arena, (size_t)result->stall_count + 1, sizeof *stalls);
    const char **names =
        arena_alloc(&pictures->arena, (size_t)strips->place_count + 1, sizeof *names);
    bool ok = list && stalls && names;
    for (uint32_t i = 0; ok && i < strips->count; i++)
        ok = make_strip(strips, strips->shown[i], &list[i]);
    for (uint32_t f = 0, count = 0; ok && f < result->flow_count; f++)
        for (uint32_t i = 0; i < result->flows[f].stall_count && count < result->stall_count; i++)
            stalls[count++] = strip_stall(strips, &result->stalls[result->flows[f].stalls[i] - 1]);
    for (uint32_t i = 0; ok && i < strips->place_count; i++) {
        names[i] = picture_segment(pictures, strips->places[i].segment, strips->places[i].span);
        ok = names[i] != NULL;
    }
    plot->strips = list;
    plot->strip_count = strips->count;
    plot->stalls = stalls;
    plot->stall_count = result->stall_count;
    plot->segments = names;
    plot->segment_count = strips->place_count;
    plot->left_out = ok ? tell_left_out(strips, &ok) : NULL;
    return ok;
}

static int write_flows(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_flows(data, files, error);
}

int picture_flows(struct pictures *pictures, const char *time_label, struct wh_error *error)
{
    const struct wh_result *result = &pictures->analysis->result;
    struct strips strips = {.pictures = pictures};
    struct plot_flows plot = {
        .frame = {.title = "When each flow stalled, and where",
                  .subtitle = result->verdict.sentence,
                  .time_label = time_label,
                  .end_ns = result->duration_ns},
    };
    bool ok = choose_flows(&strips) && list_places(&strips) && fill_plot(&strips, &plot);
    int status = ok ? picture_put(pictures, "flows", write_flows, &plot, error)
                    : error_memory(error, "the plots");
    free(strips.places);
    return status;
}
