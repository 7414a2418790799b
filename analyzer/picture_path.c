/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The path as a picture: what passed each segment, and which one is to blame. */
#include <string.h>

#include "base/error.h"
#include "pictures.h"
#include "report/parts.h"

/* Is a flow called otherwise on the other side of an inner segment? */
static bool has_nat(const struct wh_result *result, uint32_t segment)
{
    for (uint32_t f = 0; f < result->flow_count; f++) {
        const struct wh_flow_at *here = &result->flows[f].at[segment - 1];
        const struct wh_flow_at *there = &result->flows[f].at[segment];
        if (*here->client && *there->client &&
            (strcmp(here->client, there->client) != 0 || strcmp(here->server, there->server) != 0))
            return true;
    }
    return false;
}

static const char *find_device(const struct wh_result *result, uint32_t segment)
{
    for (uint32_t j = 0; j < result->joint_count; j++) {
        const struct wh_joint *joint = &result->joints[j];
        if (segment >= joint->segment && segment < joint->segment + joint->segment_span)
            return joint->segment_span == 1 ? "proxy" : "proxy?";
    }
    bool inner = segment > 0 && segment < result->point_count;
    return inner && has_nat(result, segment) ? "NAT" : NULL;
}

static struct plot_path_way way_of(const struct wh_traffic *traffic)
{
    return (struct plot_path_way){traffic->packets, traffic->lost, traffic->delay_min_ns,
                                  traffic->delay_median_ns, traffic->delay_max_ns};
}

static bool fill_path(struct pictures *pictures, struct plot_path *path)
{
    const struct wh_result *result = &pictures->analysis->result;
    const struct wh_verdict *verdict = &result->verdict;
    struct arena *arena = &pictures->arena;
    struct plot_path_segment *segments =
        arena_alloc(arena, (size_t)result->segment_count + 1, sizeof *segments);
    const char **names = arena_alloc(arena, (size_t)result->point_count + 1, sizeof *names);
    const char **notes = arena_alloc(arena, (size_t)result->point_count + 1, sizeof *notes);
    if (!segments || !names || !notes)
        return false;
    for (uint32_t s = 0; s < result->segment_count; s++)
        segments[s] = (struct plot_path_segment){
            .to_client = way_of(&result->segments[s].to_client),
            .to_server = way_of(&result->segments[s].to_server),
            .uncertainty_ns = facts_uncertainty(result, s),
            .stall_time_ns = result->segments[s].stall_time_ns,
            .device = find_device(result, s),
            .guilty = verdict->stalled && s >= verdict->segment &&
                      s < verdict->segment + verdict->segment_span,
        };
    for (uint32_t p = 0; p < result->point_count; p++) {
        const struct wh_point *point = &result->points[p];
        names[p] = point->name;
        notes[p] = arena_printf(
            arena, point->capture_missed ? "%s packets, missed %s" : "%s packets",
            number_count(point->packets).text, number_count(point->capture_missed).text);
        if (!notes[p])
            return false;
    }
    path->segments = segments;
    path->points = names;
    path->point_notes = notes;
    path->point_count = result->point_count;
    return true;
}

static int write_path(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_path(data, files, error);
}

int picture_path(struct pictures *pictures, struct wh_error *error)
{
    const struct wh_result *result = &pictures->analysis->result;
    const struct wh_verdict *verdict = &result->verdict;
    struct plot_path path = {
        .title = arena_printf(
            &pictures->arena, "The path from the servers to the clients: %s UTC, %s s, %s flow%s",
            number_utc(result->epoch_unix_ns, ' ', 3).text,
            number_seconds(result->duration_ns, 1).text, number_count(result->flow_count).text,
            result->flow_count == 1 ? "" : "s"),
        .verdict = verdict->sentence,
    };
    if (verdict->stalled && verdict->segment_span > 1 && verdict->ranking_count)
        path.span_time_ns = verdict->ranking[0].stall_time_ns;
    if (verdict->stalled)
        path.guilt = arena_printf(&pictures->arena, "%s (%s sure)", wh_cause_word(verdict->cause),
                                  number_percent(verdict->confidence).text);
    if (!path.title || (verdict->stalled && !path.guilt) || !fill_path(pictures, &path))
        return error_memory(error, "the plots");
    return picture_put(pictures, "path", write_path, &path, error);
}
