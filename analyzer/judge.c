/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which captures are asked about a flow's stalls. First all of them; then, where one cannot tell
 * (it does not cover the whole flow, it has a gap there, it saw one direction only), the rest
 * without it.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/error.h"
#include "per_flow.h"

/* Captures are not started and ended at one instant. */
#define COVERAGE_SLACK_NS (500 * NS_PER_MS)

/* When all captures that saw the flow were running, and which of them ran for its whole life. */
struct coverage {
    int64_t from_ns, to_ns;    /* all of them */
    int64_t first_ns, last_ns; /* the flow's first and last packet */
    bool lacking[WH_POINTS_MAX];
    bool differs; /* some lack a part of it, and some do not */
};

static struct coverage find_coverage(const struct wh_analysis *analysis, const struct flow *flow,
                                     const struct capture_span *spans)
{
    struct coverage cover = {INT64_MIN, INT64_MAX, INT64_MAX, INT64_MIN, {false}, false};
    const struct clock_fit *clock = analysis->alignment.clock;
    unsigned lacking = 0, seen = 0;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        const struct track_flow *view = flow->at[p];
        if (!view || spans[p].left_out)
            continue;
        int64_t first_ns = clock_to_path(&clock[p], view->first).ns;
        int64_t last_ns = clock_to_path(&clock[p], view->last).ns;
        cover.first_ns = first_ns < cover.first_ns ? first_ns : cover.first_ns;
        cover.last_ns = last_ns > cover.last_ns ? last_ns : cover.last_ns;
    }
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        if (!flow->at[p] || spans[p].left_out)
            continue;
        int64_t from_ns = clock_to_path(&clock[p], spans[p].first).ns - spans[p].quiet_before_ns;
        int64_t to_ns = clock_to_path(&clock[p], spans[p].last).ns + spans[p].quiet_after_ns;
        cover.from_ns = from_ns > cover.from_ns ? from_ns : cover.from_ns;
        cover.to_ns = to_ns < cover.to_ns ? to_ns : cover.to_ns;
        cover.lacking[p] = from_ns > cover.first_ns + COVERAGE_SLACK_NS ||
                           to_ns < cover.last_ns - COVERAGE_SLACK_NS;
        lacking += cover.lacking[p];
        seen++;
    }
    cover.differs = lacking > 0 && lacking < seen;
    return cover;
}

/* Follows and judges the flow with other spans than the usual. */
static int judge_with(struct wh_analysis *analysis, struct worker *worker,
                      const struct capture_span *spans, uint32_t index, struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    if (follow_flow(flow, &analysis->alignment, spans, analysis->capture_count, &worker->followed,
                    error))
        return WH_ERROR;
    return blame_flow(&worker->blamer, flow, index, &worker->followed, &worker->options,
                      &analysis->arena, &analysis->findings, error);
}

/* Keeps, of the findings from `first` to `middle`, those within the time that all captures saw, and
 * of those from `middle` on what none of the kept ones overlaps. */
static void join_findings(struct findings *findings, uint32_t first, uint32_t middle,
                          const struct coverage *cover)
{
    uint32_t kept = first, sure;
    for (uint32_t i = first; i < middle; i++) {
        struct finding *finding = &findings->items[i];
        bool ended = finding->resumed || finding->end_ns < cover->to_ns; /* there: by a reset */
        if (finding->start_ns >= cover->from_ns && finding->end_ns <= cover->to_ns && ended)
            findings->items[kept++] = *finding;
        else
            free(finding->evidence);
    }
    sure = kept;
    for (uint32_t i = middle; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        bool overlaps = false;
        for (uint32_t k = first; k < sure && !overlaps; k++)
            overlaps = finding->start_ns < findings->items[k].end_ns &&
                       findings->items[k].start_ns < finding->end_ns;
        bool whole = finding->start_ns >= cover->from_ns && finding->end_ns <= cover->to_ns;
        if (overlaps || whole)
            free(finding->evidence);
        else
            findings->items[kept++] = *finding;
    }
    findings->count = kept;
}

/* Where a capture lacks a part of the flow's life, that part is judged without its point. */
static int judge_rest(struct wh_analysis *analysis, struct worker *worker,
                      const struct capture_span *spans, const struct coverage *cover,
                      uint32_t index, uint32_t first, struct wh_error *error)
{
    struct capture_span some[WH_POINTS_MAX];
    uint32_t middle = analysis->findings.count;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        some[p] = spans[p];
        some[p].left_out |= cover->lacking[p];
    }
    if (judge_with(analysis, worker, some, index, error))
        return WH_ERROR;
    join_findings(&analysis->findings, first, middle, cover);
    return WH_OK;
}

/* ---- gaps ------------------------------------------------------------------------------------ */

static bool in_gap(const struct capture_span *span, const struct finding *finding)
{
    return follow_gap(span, finding->start_ns, finding->end_ns) != NULL;
}

/* Do they share half of the shorter one's time? */
static bool same_time(const struct finding *a, const struct finding *b)
{
    int64_t from_ns = a->start_ns > b->start_ns ? a->start_ns : b->start_ns;
    int64_t to_ns = a->end_ns < b->end_ns ? a->end_ns : b->end_ns;
    int64_t a_ns = a->end_ns - a->start_ns, b_ns = b->end_ns - b->start_ns;
    return 2 * (to_ns - from_ns) >= (a_ns < b_ns ? a_ns : b_ns);
}

/* Says the first more closely what the second says, too? */
static bool refines(const struct finding *a, const struct finding *b)
{
    return (a->cause == b->cause || b->cause == WH_CAUSE_UNKNOWN) &&
           a->place.first >= b->place.first &&
           a->place.first + a->place.span <= b->place.first + b->place.span;
}

/* Findings from `first` to `middle` were made with a capture, those from `middle` on without it.
 * Where it has a gap, only what those without it confirm is kept of the former, and in its stead
 * what they say otherwise; elsewhere the former stand. */
static void weigh_findings(struct findings *findings, uint32_t first, uint32_t middle,
                           const struct capture_span *span)
{
    uint32_t kept = first;
    for (uint32_t i = first; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        bool with = i < middle, stands = with != in_gap(span, finding);
        for (uint32_t k = middle; with && !stands && k < findings->count; k++)
            stands =
                same_time(finding, &findings->items[k]) && refines(finding, &findings->items[k]);
        for (uint32_t k = first; !with && stands && k < kept; k++)
            stands = !(finding->start_ns < findings->items[k].end_ns &&
                       findings->items[k].start_ns < finding->end_ns);
        if (stands)
            findings->items[kept++] = *finding;
        else
            free(finding->evidence);
    }
    findings->count = kept;
}

/* Is there a reason to ask again without this point? A stall that overlaps one of its gaps, or a
 * gap that may hide one. */
static bool in_doubt(const struct wh_analysis *analysis, const struct capture_span *span,
                     const struct clock_fit *clock, const struct track_flow *view, uint32_t first)
{
    int64_t from_ns = clock_to_path(clock, view->first).ns;
    int64_t to_ns = clock_to_path(clock, view->last).ns;
    for (uint32_t i = first; i < analysis->findings.count; i++)
        if (in_gap(span, &analysis->findings.items[i]))
            return true;
    for (uint32_t g = 0; g < span->gap_count; g++)
        if (span->gaps[g].from.ns < to_ns && span->gaps[g].to.ns > from_ns &&
            span->gaps[g].to.ns - span->gaps[g].from.ns >= analysis->options.min_stall_ns)
            return true;
    return false;
}

static int judge_gaps(struct wh_analysis *analysis, struct worker *worker,
                      struct capture_span *spans, bool *left, uint32_t index, uint32_t first,
                      struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    unsigned views = 0;
    for (unsigned p = 0; p < analysis->capture_count; p++)
        views += flow->at[p] && !spans[p].left_out;
    for (unsigned p = 0; p < analysis->capture_count && views > 1; p++) {
        uint32_t middle = analysis->findings.count;
        if (!flow->at[p] || spans[p].left_out ||
            !in_doubt(analysis, &spans[p], &analysis->alignment.clock[p], flow->at[p], first))
            continue;
        spans[p].left_out = *left = true;
        int status = judge_with(analysis, worker, spans, index, error);
        spans[p].left_out = false;
        if (status)
            return WH_ERROR;
        weigh_findings(&analysis->findings, first, middle, &spans[p]);
    }
    return WH_OK;
}

/* ---- one direction --------------------------------------------------------------------------- */

/* At the ends of a flow's path both directions are needed: what was sent, and what answered it. A
 * point there that saw one of them only is left out, if any point saw both. */
static bool leave_one_sided(const struct wh_analysis *analysis, const struct flow *flow,
                            struct capture_span *spans)
{
    bool whole[WH_POINTS_MAX], any = false, left = false;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        const struct track_flow *view = spans[p].left_out ? NULL : flow->at[p];
        whole[p] = view && !follow_one_sided(view, 0) && !follow_one_sided(view, 1);
        any |= whole[p];
    }
    for (unsigned end = 0; any && end < 2; end++)
        for (unsigned i = 0; i < analysis->capture_count; i++) {
            unsigned place = end ? analysis->capture_count - 1 - i : i;
            unsigned point = analysis->alignment.order[place];
            if (whole[point])
                break;
            left |= flow->at[point] && !spans[point].left_out;
            spans[point].left_out |= flow->at[point] != NULL;
        }
    return left;
}

/* A stall that spans several segments, since a point was left out: asks that point where. */
static int narrow_findings(struct wh_analysis *analysis, struct worker *worker, uint32_t index,
                           uint32_t first, struct wh_error *error)
{
    bool wide = false;
    for (uint32_t i = first; i < analysis->findings.count; i++)
        wide |= analysis->findings.items[i].place.span > 1;
    if (wide && follow_flow(&analysis->flows.items[index], &analysis->alignment, worker->spans,
                            analysis->capture_count, &worker->followed, error))
        return WH_ERROR;
    for (uint32_t i = first; wide && i < analysis->findings.count; i++)
        narrow_finding(&worker->followed, &analysis->findings.items[i]);
    return WH_OK;
}

int judge_flow(struct wh_analysis *analysis, struct worker *worker, uint32_t index,
               struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    struct capture_span spans[WH_POINTS_MAX];
    uint32_t first = analysis->findings.count;
    memcpy(spans, worker->spans, sizeof spans);
    bool left = leave_one_sided(analysis, flow, spans);
    if (left && follow_flow(flow, &analysis->alignment, spans, analysis->capture_count,
                            &worker->followed, error))
        return WH_ERROR;
    if (blame_flow(&worker->blamer, flow, index, &worker->followed, &worker->options,
                   &analysis->arena, &analysis->findings, error))
        return WH_ERROR;
    analysis->totals[index].rtt_ns = timeline_srtt(&worker->blamer.timeline[1], NEVER);
    if (!analysis->totals[index].rtt_ns)
        analysis->totals[index].rtt_ns = timeline_srtt(&worker->blamer.timeline[0], NEVER);
    struct coverage cover = find_coverage(analysis, flow, spans);
    if (cover.differs && judge_rest(analysis, worker, spans, &cover, index, first, error))
        return WH_ERROR;
    if (judge_gaps(analysis, worker, spans, &left, index, first, error))
        return WH_ERROR;
    return left ? narrow_findings(analysis, worker, index, first, error) : WH_OK;
}
