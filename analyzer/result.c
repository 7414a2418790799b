/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the stages found, in the shape and the order in which people and scripts get to see it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/error.h"
#include "base/parallel.h"
#include "blame/across.h"
#include "blame/hypotheses.h"
#include "blame/verdict.h"

#define GAPS_REPORTED 1000u

/* How numbers change on the way out. */
struct renumbering {
    unsigned place[WH_POINTS_MAX]; /* point -> place on the path */
    uint32_t *id, *flow;           /* see flows_number */
};

/* ---- points and segments --------------------------------------------------------------------- */

static bool make_files(struct wh_analysis *analysis, const struct capture *capture,
                       struct wh_point *point)
{
    struct wh_file *files = arena_alloc(&analysis->arena, capture->file_count, sizeof *files);
    for (uint32_t i = 0; files && i < capture->file_count; i++) {
        const char *slash = strrchr(capture->files[i].path, '/');
        files[i] = (struct wh_file){.name = slash ? slash + 1 : capture->files[i].path,
                                    .format = capture->files[i].format,
                                    .damaged = capture->files[i].damaged,
                                    .packets = capture->files[i].packets};
    }
    point->files = files;
    point->file_count = capture->file_count;
    return files != NULL;
}

static void count_flows(const struct wh_analysis *analysis, unsigned p, struct wh_point *point)
{
    for (uint32_t i = 0; i < analysis->flows.count; i++) {
        const struct flow *flow = &analysis->flows.items[i];
        const struct track_flow *view = flow->at[p];
        if (!view)
            continue;
        point->flows++;
        point->flows_matched += flow->kind != MATCH_SINGLE;
        point->flows_ambiguous += flow->ambiguous;
        for (unsigned side = 0; side < 2; side++) {
            uint16_t mss = view->stream[!side].mss;
            point->merged_frames |= view->stream[side].payload_max_bytes > (mss ? mss : 9000u);
        }
    }
}

static bool make_steps(struct wh_analysis *analysis, unsigned p, struct wh_point *point)
{
    const struct clock_steps *found = &analysis->alignment.steps[p];
    struct wh_clock_step *steps = arena_alloc(&analysis->arena, found->count + 1, sizeof *steps);
    for (unsigned i = 0; steps && i < found->count; i++)
        steps[i] = (struct wh_clock_step){since_epoch(analysis, p, align_step_time(found, i)),
                                          found->items[i].step_ns, found->items[i].unsure};
    point->clock.steps = steps;
    point->clock.step_count = steps ? found->count : 0;
    return steps != NULL;
}

/* By time, as many as a reader can use. */
static bool make_gaps(struct wh_analysis *analysis, const struct capture *capture,
                      struct wh_point *point)
{
    uint32_t count = capture->gap_count < GAPS_REPORTED ? capture->gap_count : GAPS_REPORTED;
    struct wh_gap *gaps = arena_alloc(&analysis->arena, (size_t)count + 1, sizeof *gaps);
    if (!gaps)
        return false;
    for (uint32_t i = 0; i < count; i++)
        gaps[i] =
            (struct wh_gap){capture->gaps[i].from.ns - analysis->epoch.ns,
                            capture->gaps[i].to.ns - analysis->epoch.ns, capture->gaps[i].packets};
    point->capture_gaps = gaps;
    point->capture_gap_count = count;
    return true;
}

static bool make_point(struct wh_analysis *analysis, unsigned p, struct wh_point *point)
{
    const struct capture *capture = &analysis->captures[p];
    const struct clock_fit *clock = &analysis->alignment.clock[p];
    *point = (struct wh_point){
        .name = capture->name,
        .packets = capture->packets,
        .bytes = capture->bytes,
        .not_ip = capture->not_ip,
        .truncated = capture->truncated,
        .malformed = capture->malformed,
        .fragments = capture->fragments,
        .first_ns = capture->packets ? since_epoch(analysis, p, capture->span.first) : WH_NONE,
        .last_ns = capture->packets ? since_epoch(analysis, p, capture->span.last) : WH_NONE,
        .snaplen = capture->snaplen,
        .link_type = capture->link_type ? capture->link_type : "unknown",
        .clock = {clock->offset_ns, (double)clock->drift_ppb / 1000.0,
                  analysis->alignment.tied[p] ? clock->uncertainty_ns : WH_NONE, NULL, 0},
        .capture_missed = capture->missed,
        .capture_dropped = capture->dropped,
    };
    memcpy(point->events, capture->events, sizeof point->events);
    count_flows(analysis, p, point);
    return make_steps(analysis, p, point) && make_gaps(analysis, capture, point) &&
           make_files(analysis, capture, point);
}

static int64_t delay_of_bucket(unsigned bucket)
{
    if (bucket < DELAY_STEPS)
        return bucket;
    unsigned power = bucket / DELAY_STEPS + 4;
    return (int64_t)((uint64_t)(DELAY_STEPS + bucket % DELAY_STEPS) << (power - 5));
}

static struct wh_traffic make_traffic(const struct traffic *traffic)
{
    struct wh_traffic out = {traffic->packets, traffic->lost, WH_NONE, WH_NONE, WH_NONE};
    uint64_t count = 0, passed = 0;
    for (unsigned i = 0; i < 64 * DELAY_STEPS; i++)
        count += traffic->delays[i];
    if (count == 0)
        return out;
    out.delay_min_ns = traffic->delay_min_ns;
    out.delay_max_ns = traffic->delay_max_ns;
    for (unsigned i = 0; i < 64 * DELAY_STEPS && passed * 2 < count; i++) {
        passed += traffic->delays[i];
        out.delay_median_ns = delay_of_bucket(i);
    }
    if (out.delay_median_ns < out.delay_min_ns)
        out.delay_median_ns = out.delay_min_ns;
    if (out.delay_median_ns > out.delay_max_ns)
        out.delay_median_ns = out.delay_max_ns;
    return out;
}

static bool make_path(struct wh_analysis *analysis, struct wh_segment **segments)
{
    struct wh_result *result = &analysis->result;
    unsigned count = analysis->capture_count;
    struct wh_point *points = arena_alloc(&analysis->arena, count, sizeof *points);
    *segments = arena_alloc(&analysis->arena, count + 1, sizeof **segments);
    if (!points || !*segments)
        return false;
    for (unsigned place = 0; place < count; place++)
        if (!make_point(analysis, analysis->alignment.order[place], &points[place]))
            return false;
    for (unsigned s = 0; s <= count; s++) {
        struct wh_segment *segment = &(*segments)[s];
        segment->name = arena_printf(&analysis->arena, "%s..%s", s ? points[s - 1].name : "servers",
                                     s < count ? points[s].name : "clients");
        segment->to_client = make_traffic(&analysis->traffic[s][WH_TO_CLIENT]);
        segment->to_server = make_traffic(&analysis->traffic[s][WH_TO_SERVER]);
        if (!segment->name)
            return false;
    }
    result->points = points;
    result->point_count = count;
    result->segments = *segments;
    result->segment_count = count + 1;
    result->path_found = analysis->alignment.found;
    result->path_given = analysis->options.path != NULL;
    return true;
}

/* ---- stalls ------------------------------------------------------------------------------ */

static void renumber_evidence(const struct wh_analysis *analysis, const struct finding *finding,
                              const struct renumbering *numbers)
{
    for (uint32_t e = 0; e < finding->evidence_count; e++) {
        struct wh_frame *frames = (struct wh_frame *)finding->evidence[e].frames;
        for (uint32_t f = 0; f < finding->evidence[e].frame_count; f++) {
            frames[f] = capture_frame(analysis, frames[f].point, frames[f].frame);
            frames[f].point = (uint16_t)numbers->place[frames[f].point];
        }
    }
}

static int compare_stalls(const void *left, const void *right)
{
    const struct wh_stall *a = left, *b = right;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return a->flow < b->flow ? -1 : a->flow > b->flow;
}

static bool make_stalls(struct wh_analysis *analysis, const struct renumbering *numbers,
                        struct wh_flow *flows)
{
    uint32_t count = analysis->findings.count, next = 0;
    struct wh_stall *stalls = arena_alloc(&analysis->arena, (size_t)count + 1, sizeof *stalls);
    uint32_t *ids = arena_alloc(&analysis->arena, (size_t)count + 1, sizeof *ids);
    if (!stalls || !ids)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct finding *finding = &analysis->findings.items[i];
        renumber_evidence(analysis, finding, numbers);
        stalls[i] = (struct wh_stall){.id = i,
                                      .caused_by = finding->caused_by,
                                      .flow = numbers->id[finding->flow],
                                      .start_ns = finding->start_ns - analysis->epoch.ns,
                                      .end_ns = finding->end_ns - analysis->epoch.ns,
                                      .resumed = finding->resumed,
                                      .segment = finding->place.first,
                                      .segment_span = finding->place.span,
                                      .cause = finding->cause,
                                      .direction = finding->direction,
                                      .scope = finding->scope,
                                      .confidence = finding->confidence,
                                      .bytes_waiting = finding->bytes_waiting,
                                      .evidence = finding->evidence,
                                      .evidence_count = finding->evidence_count};
    }
    if (count)
        qsort(stalls, count, sizeof *stalls, compare_stalls);
    for (uint32_t i = 0; i < count; i++)
        ids[stalls[i].id] = i + 1;
    for (uint32_t i = 0; i < count; i++) {
        stalls[i].caused_by = stalls[i].caused_by ? ids[stalls[i].caused_by - 1] : 0;
        stalls[i].id = i + 1;
        flows[stalls[i].flow - 1].stall_count++;
    }
    for (uint32_t f = 0; f < analysis->result.flow_count; f++) { /* a slice of `ids` for each */
        flows[f].stalls = ids + next;
        next += flows[f].stall_count;
        flows[f].stall_count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct wh_flow *flow = &flows[stalls[i].flow - 1];
        ((uint32_t *)flow->stalls)[flow->stall_count++] = stalls[i].id;
    }
    analysis->result.stalls = stalls;
    analysis->result.stall_count = count;
    return true;
}

/* ---- warnings -------------------------------------------------------------------------------- */

/* What was found of a point's clock and set right, a sentence each. */
static void warn_of_clock(struct wh_analysis *analysis, const struct wh_point *point)
{
    for (uint32_t i = 0; i < point->clock.step_count; i++) {
        const struct wh_clock_step *step = &point->clock.steps[i];
        analysis_warn(
            analysis, "the clock of %s was set %s by %.6f s at %.3f s%s; its times are corrected",
            point->name, step->step_ns < 0 ? "back" : "forward", (double)llabs(step->step_ns) / 1e9,
            (double)step->at_ns / 1e9,
            step->unsure ? " (or the other point's the other way: nothing tells which)" : "");
    }
    if (point->clock.drift_ppm < 0 || point->clock.drift_ppm > 0)
        analysis_warn(analysis,
                      "the clock of %s runs %s by %.3f ppm against that of the path; its times are "
                      "corrected",
                      point->name, point->clock.drift_ppm < 0 ? "fast" : "slow",
                      fabs(point->clock.drift_ppm));
}

static void warn_of_path(struct wh_analysis *analysis)
{
    uint32_t common = 0;
    for (uint32_t i = 0; i < analysis->flows.count; i++)
        common += analysis->flows.items[i].kind != MATCH_SINGLE || analysis->flows.items[i].joined;
    if (analysis->capture_count > 1 && common == 0)
        analysis_warn(analysis, "the points have no flow in common: each was analysed alone. Were "
                                "the captures made at the same time, and on one path?");
    else if (analysis->alignment.opposed)
        analysis_warn(analysis,
                      "--path contradicts the captures: packets and their TTL tell another "
                      "order, and what is said of segments may be wrong");
    else if (!analysis->alignment.found && !analysis->options.path)
        analysis_warn(analysis, "the captures do not decide the order of the points: the one given "
                                "was kept; --path fixes it");
    for (unsigned p = 0; p < analysis->capture_count && common; p++) {
        const char *name = analysis->captures[p].name;
        if (analysis->captures[p].packets == 0)
            analysis_warn(analysis, "%s: no packet %s: the path is analysed without it", name,
                          analysis->options.filter || analysis->options.time_set
                              ? "is left after the filter and the time"
                              : "is in its files");
        else if (!analysis->alignment.tied[p])
            analysis_warn(analysis,
                          "%s has no flow in common with the points before it: its clock "
                          "is taken as it is",
                          name);
        if (analysis->alignment.contradicts[p] && analysis->captures[p].clock_fixed)
            analysis_warn(analysis,
                          "--clock %s contradicts the captures: packets would arrive before "
                          "they were sent, and what is said of %s may be wrong",
                          name, name);
        else if (analysis->alignment.contradicts[p])
            analysis_warn(analysis,
                          "no single offset fits the clock of %s: it drifts or was set "
                          "during the capture",
                          name);
        if (analysis->captures[p].dropped)
            analysis_warn(analysis, "%s: the file says that its capture dropped %llu packets", name,
                          (unsigned long long)analysis->captures[p].dropped);
    }
    if (analysis->events_dropped)
        analysis_warn(analysis, "%llu events are counted and not listed",
                      (unsigned long long)analysis->events_dropped);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Three parts, of which none needs another: what stalls tell of each other, the flows' numbers, and
 * what is said of points. */
enum { PART_STALLS, PART_NUMBERS, PART_PATH, PARTS };

struct parts {
    struct wh_analysis *analysis;
    struct arena arena; /* of PART_STALLS; PART_PATH has the analysis's */
    struct renumbering numbers;
    struct wh_segment *segments;
    bool failed[PARTS];
};

static void make_part(void *context, unsigned worker, uint32_t part)
{
    struct parts *parts = context;
    struct wh_analysis *analysis = parts->analysis;
    (void)worker;
    if (part == PART_STALLS) {
        look_across(&analysis->findings, &analysis->flows, &analysis->alignment);
        look_sideways(&analysis->findings, &analysis->flows, &analysis->alignment, &parts->arena);
    } else if (part == PART_NUMBERS) {
        parts->failed[part] = !flows_number(analysis, &parts->numbers.id, &parts->numbers.flow);
    } else {
        parts->failed[part] = !make_path(analysis, &parts->segments);
    }
}

int result_make(struct wh_analysis *analysis, struct wh_error *error)
{
    struct wh_result *result = &analysis->result;
    struct parts parts = {.analysis = analysis};
    const struct renumbering *numbers = &parts.numbers;
    struct wh_flow *flows = NULL;
    int64_t last_ns = 0;
    bool ok = false;
    for (unsigned place = 0; place < analysis->capture_count; place++)
        parts.numbers.place[analysis->alignment.order[place]] = place;
    parallel_run(analysis->options.threads, PARTS, make_part, &parts);
    arena_join(&analysis->arena, &parts.arena);
    if (!parts.failed[PART_NUMBERS] && !parts.failed[PART_PATH])
        flows = flows_make(analysis, numbers->id);
    if (!flows || !joined_make(analysis, numbers->id, numbers->place, flows) ||
        !make_stalls(analysis, numbers, flows) || !flows_choose(analysis, flows) ||
        !events_make(analysis, numbers->id, numbers->place))
        goto cleanup;
    result->epoch_unix_ns = analysis->epoch.ns;
    for (uint32_t p = 0; p < result->point_count; p++)
        if (result->points[p].last_ns != WH_NONE && result->points[p].last_ns > last_ns)
            last_ns = result->points[p].last_ns;
    result->duration_ns = last_ns;
    if (verdict_make(result, parts.segments, &analysis->arena, error) ||
        hypotheses_make(result, &analysis->arena, error))
        goto cleanup;
    for (unsigned p = 0; p < analysis->capture_count; p++)
        warn_of_clock(analysis, &result->points[p]);
    warn_of_path(analysis);
    result->warnings = analysis->warnings.items;
    result->warning_count = analysis->warnings.count;
    result->points_left_out = analysis->left_out;
    ok = true;
cleanup:
    free(numbers->id);
    analysis->flow_of_id = numbers->flow;
    return ok ? WH_OK : error_memory(error, "the result");
}
