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
#include "base/partition.h"
#include "per_flow.h"

/* Captures are not started and ended at one instant. */
#define COVERAGE_SLACK_NS (500 * NS_PER_MS)

/* When the captures that saw the flow were running, in the path's clock. */
struct coverage {
    int64_t from_ns[WH_POINTS_MAX], to_ns[WH_POINTS_MAX];
    uint64_t saw;              /* a bit for each point that saw the flow */
    int64_t first_ns, last_ns; /* the flow's first and last packet */
    bool differs;              /* some lack a part of it */
};

#define WINDOWS_MAX     (2 * WH_POINTS_MAX + 1)
#define SEEN_LEAST_PART 4 /* of a stall, that captures which saw less of it have no say in */

/* A time in which some captures were running, all through. */
struct window {
    uint64_t points;
    int64_t from_ns, to_ns;
};

static struct coverage find_coverage(const struct wh_analysis *analysis, const struct flow *flow,
                                     const struct capture_span *spans)
{
    struct coverage cover = {.first_ns = INT64_MAX, .last_ns = INT64_MIN};
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        const struct clock_fit *clock = &analysis->alignment.clock[p];
        if (!flow->at[p] || spans[p].left_out)
            continue;
        int64_t first_ns = clock_to_path(clock, flow->at[p]->first).ns;
        int64_t last_ns = clock_to_path(clock, flow->at[p]->last).ns;
        cover.first_ns = first_ns < cover.first_ns ? first_ns : cover.first_ns;
        cover.last_ns = last_ns > cover.last_ns ? last_ns : cover.last_ns;
        cover.from_ns[p] = clock_to_path(clock, spans[p].first).ns - spans[p].quiet_before_ns;
        cover.to_ns[p] = clock_to_path(clock, spans[p].last).ns + spans[p].quiet_after_ns;
        cover.saw |= UINT64_C(1) << p;
    }
    for (unsigned p = 0; p < analysis->capture_count; p++)
        if (cover.saw >> p & 1)
            cover.differs |= cover.from_ns[p] > cover.first_ns + COVERAGE_SLACK_NS ||
                             cover.to_ns[p] < cover.last_ns - COVERAGE_SLACK_NS;
    return cover;
}

/* Follows and judges the flow with other spans than the usual. */
static int judge_with(const struct wh_analysis *analysis, struct worker *worker,
                      const struct capture_span *spans, uint32_t index, struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    if (follow_flow(flow, &analysis->alignment, spans, analysis->capture_count, &worker->followed,
                    error))
        return WH_ERROR;
    return blame_flow(&worker->blamer, flow, index, &worker->followed, worker->options,
                      &worker->arena, &worker->batch->findings, error);
}

/* The time around `at_ns` in which the same captures were running as then. */
static struct window window_at(const struct coverage *cover, int64_t at_ns)
{
    struct window window = {0, INT64_MIN, INT64_MAX};
    for (unsigned p = 0; p < WH_POINTS_MAX; p++) {
        if (!(cover->saw >> p & 1) || at_ns < cover->from_ns[p] || at_ns > cover->to_ns[p])
            continue;
        window.points |= UINT64_C(1) << p;
        window.from_ns = cover->from_ns[p] > window.from_ns ? cover->from_ns[p] : window.from_ns;
        window.to_ns = cover->to_ns[p] < window.to_ns ? cover->to_ns[p] : window.to_ns;
    }
    return window;
}

/* When all captures that saw the flow were running; from after to: never. */
static struct window window_of_all(const struct coverage *cover)
{
    struct window window = {cover->saw, INT64_MIN, INT64_MAX};
    for (unsigned p = 0; p < WH_POINTS_MAX; p++)
        if (cover->saw >> p & 1) {
            window.from_ns =
                cover->from_ns[p] > window.from_ns ? cover->from_ns[p] : window.from_ns;
            window.to_ns = cover->to_ns[p] < window.to_ns ? cover->to_ns[p] : window.to_ns;
        }
    return window;
}

/* The sets of captures that were running together, those with most of them first: all (also where
 * they never were), then smaller ones. `windows` has room for WINDOWS_MAX. */
static unsigned list_windows(const struct coverage *cover, struct window *windows)
{
    unsigned count = 1;
    windows[0] = window_of_all(cover);
    for (unsigned edge = 0; edge < 2 * WH_POINTS_MAX; edge++) {
        unsigned p = edge / 2;
        if (!(cover->saw >> p & 1))
            continue;
        struct window window = window_at(cover, edge % 2 ? cover->to_ns[p] : cover->from_ns[p]);
        bool known = false;
        for (unsigned i = 0; i < count && !known; i++)
            known = windows[i].points == window.points;
        unsigned at = count;
        for (; !known && at > 0 &&
               __builtin_popcountll(windows[at - 1].points) < __builtin_popcountll(window.points);
             at--)
            windows[at] = windows[at - 1];
        if (!known) {
            windows[at] = window;
            count++;
        }
    }
    return count;
}

/* A stall that begins with the window was under way before. */
static bool is_whole(const struct finding *finding, const struct window *window)
{
    bool ended = finding->resumed || finding->end_ns < window->to_ns; /* there: by a reset */
    return ended && finding->start_ns > window->from_ns && finding->end_ns <= window->to_ns;
}

static bool overlap(const struct finding *a, const struct finding *b)
{
    return a->start_ns < b->end_ns && b->start_ns < a->end_ns;
}

static bool lies_within(const struct place *part, const struct place *whole)
{
    return part->first >= whole->first && part->first + part->span <= whole->first + whole->span;
}

static void swap_findings(struct finding *a, struct finding *b)
{
    struct finding c = *a;
    *a = *b;
    *b = c;
}

/* What was seen of a stall by captures that ran in the window. */
static void mark_clipped(struct finding *finding, const struct window *window)
{
    int64_t from_ns = finding->start_ns > window->from_ns ? finding->start_ns : window->from_ns;
    int64_t to_ns = finding->end_ns < window->to_ns ? finding->end_ns : window->to_ns;
    finding->clipped = !is_whole(finding, window);
    finding->seen_ns = to_ns > from_ns ? to_ns - from_ns : 0;
}

/* One stall: `part`, as more captures saw a part of it, and `all` of it, as fewer did. Where they
 * saw a good part, the place is theirs. What it was is what the one says that knows; if both do and
 * differ, the ones that saw more. */
static void unite(struct finding *part, struct finding *all)
{
    int64_t all_ns = all->end_ns - all->start_ns;
    bool differ = part->cause != all->cause && part->cause != WH_CAUSE_UNKNOWN &&
                  all->cause != WH_CAUSE_UNKNOWN;
    if (part->seen_ns < all_ns / SEEN_LEAST_PART || (differ && 2 * part->seen_ns < all_ns)) {
        swap_findings(part, all);
        return;
    }
    struct place place = lies_within(&part->place, &all->place) ? part->place : all->place;
    int64_t start_ns = part->start_ns < all->start_ns ? part->start_ns : all->start_ns;
    int64_t end_ns = part->end_ns > all->end_ns ? part->end_ns : all->end_ns;
    uint64_t bytes = part->start_ns < all->start_ns ? part->bytes_waiting : all->bytes_waiting;
    bool resumed = all->end_ns >= part->end_ns ? all->resumed : part->resumed;
    if (part->cause == WH_CAUSE_UNKNOWN)
        swap_findings(part, all);
    part->place = place;
    part->start_ns = start_ns;
    part->end_ns = end_ns;
    part->bytes_waiting = bytes;
    part->resumed = resumed;
}

static bool was_judged(const struct finding *finding, const struct window *windows, unsigned count)
{
    for (unsigned w = 0; w < count; w++)
        if (is_whole(finding, &windows[w]))
            return true;
    return false;
}

/* Findings from `first` to `middle` were made with more captures, in the windows before `at`, than
 * those from `middle` on. What a larger set saw whole stands, and so does its silence; what it saw
 * in part must show here as well, where this one was running. `clipped`: seen in part only. */
static void join_findings(struct findings *findings, uint32_t first, uint32_t middle,
                          const struct window *windows, unsigned at)
{
    const struct window *window = &windows[at];
    uint32_t kept = first;
    for (uint32_t i = first; i < middle; i++) {
        struct finding *part = &findings->items[i];
        bool confirmed = !part->clipped;
        for (uint32_t k = middle; k < findings->count && part->clipped; k++) {
            struct finding *all = &findings->items[k];
            if (!overlap(part, all) || all->united)
                continue;
            unite(part, all);
            all->united = confirmed = true;
            part->united = false;
            mark_clipped(part, window);
            break;
        }
        if (confirmed || part->start_ns < window->from_ns || part->end_ns > window->to_ns)
            findings->items[kept++] = *part;
        else
            free(part->evidence);
    }
    uint32_t sure = kept;
    for (uint32_t i = middle; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        bool told = finding->united || was_judged(finding, windows, at);
        for (uint32_t k = first; k < sure && !told; k++)
            told = overlap(finding, &findings->items[k]);
        mark_clipped(finding, window);
        if (told)
            free(finding->evidence);
        else
            findings->items[kept++] = *finding;
    }
    findings->count = kept;
}

/* Where captures lack a part of the flow's life, that part is judged by the others. */
static int judge_windows(const struct wh_analysis *analysis, struct worker *worker,
                         const struct capture_span *spans, const struct coverage *cover,
                         uint32_t index, uint32_t first, struct wh_error *error)
{
    struct window windows[WINDOWS_MAX];
    unsigned count = list_windows(cover, windows);
    for (uint32_t i = first; i < worker->batch->findings.count; i++)
        mark_clipped(&worker->batch->findings.items[i], &windows[0]);
    for (unsigned w = 1; w < count; w++) {
        struct capture_span some[WH_POINTS_MAX];
        uint32_t middle = worker->batch->findings.count;
        memcpy(some, spans, sizeof some);
        for (unsigned p = 0; p < analysis->capture_count; p++)
            some[p].left_out |= (cover->saw >> p & 1) && !(windows[w].points >> p & 1);
        if (judge_with(analysis, worker, some, index, error))
            return WH_ERROR;
        join_findings(&worker->batch->findings, first, middle, windows, w);
    }
    return WH_OK;
}

/* ---- gaps ------------------------------------------------------------------------------------ */

/* A capture may have many gaps, and be asked for every flow: the first one that ends later. */
static uint32_t gap_after(const struct capture_span *span, int64_t at_ns)
{
    return (uint32_t)PARTITION_POINT(i, span->gap_count, span->gaps[i].to.ns <= at_ns);
}

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
static bool in_doubt(const struct worker *worker, const struct capture_span *span,
                     const struct clock_fit *clock, const struct track_flow *view, uint32_t first)
{
    int64_t from_ns = clock_to_path(clock, view->first).ns;
    int64_t to_ns = clock_to_path(clock, view->last).ns;
    for (uint32_t i = first; i < worker->batch->findings.count; i++)
        if (in_gap(span, &worker->batch->findings.items[i]))
            return true;
    for (uint32_t g = gap_after(span, from_ns);
         g < span->gap_count && span->gaps[g].from.ns < to_ns; g++)
        if (span->gaps[g].to.ns - span->gaps[g].from.ns >= worker->options->min_stall_ns)
            return true;
    return false;
}

/* The longest time within a finding in which the capture has no gap. */
static int64_t longest_seen_ns(const struct finding *finding, const struct capture_span *span)
{
    int64_t longest_ns = 0, from_ns = finding->start_ns;
    uint32_t g = gap_after(span, from_ns);
    for (; g <= span->gap_count && from_ns < finding->end_ns; g++) {
        int64_t until_ns = g < span->gap_count ? span->gaps[g].from.ns : finding->end_ns;
        until_ns = until_ns < finding->end_ns ? until_ns : finding->end_ns;
        longest_ns = until_ns - from_ns > longest_ns ? until_ns - from_ns : longest_ns;
        if (g < span->gap_count && span->gaps[g].to.ns > from_ns)
            from_ns = span->gaps[g].to.ns;
    }
    return longest_ns;
}

/* The only capture of a flow can't tell of the time in which it has a gap, and the flow may have
 * moved then: forgets what was found from `first` on of which too little is left by that. */
static void forget_in_gaps(struct findings *findings, uint32_t first,
                           const struct capture_span *span, int64_t min_stall_ns)
{
    uint32_t kept = first;
    for (uint32_t i = first; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        int64_t all_ns = finding->end_ns - finding->start_ns;
        int64_t seen_ns = longest_seen_ns(finding, span);
        if (seen_ns == all_ns || (2 * seen_ns > all_ns && seen_ns > min_stall_ns))
            findings->items[kept++] = *finding;
        else
            free(finding->evidence);
    }
    findings->count = kept;
}

static int judge_gaps(const struct wh_analysis *analysis, struct worker *worker,
                      struct capture_span *spans, bool *left, uint32_t index, uint32_t first,
                      struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    unsigned views = 0;
    for (unsigned p = 0; p < analysis->capture_count; p++)
        views += flow->at[p] && !spans[p].left_out;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        uint32_t middle = worker->batch->findings.count;
        if (views == 1 && flow->at[p] && !spans[p].left_out)
            forget_in_gaps(&worker->batch->findings, first, &spans[p],
                           worker->options->min_stall_ns);
        if (views < 2 || !flow->at[p] || spans[p].left_out ||
            !in_doubt(worker, &spans[p], &analysis->alignment.clock[p], flow->at[p], first))
            continue;
        spans[p].left_out = *left = true;
        int status = judge_with(analysis, worker, spans, index, error);
        spans[p].left_out = false;
        if (status)
            return WH_ERROR;
        weigh_findings(&worker->batch->findings, first, middle, &spans[p]);
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
static int narrow_findings(const struct wh_analysis *analysis, struct worker *worker,
                           uint32_t index, uint32_t first, struct wh_error *error)
{
    bool wide = false;
    for (uint32_t i = first; i < worker->batch->findings.count; i++)
        wide |= worker->batch->findings.items[i].place.span > 1;
    if (wide && follow_flow(&analysis->flows.items[index], &analysis->alignment, worker->spans,
                            analysis->capture_count, &worker->followed, error))
        return WH_ERROR;
    for (uint32_t i = first; wide && i < worker->batch->findings.count; i++)
        narrow_finding(&worker->followed, &worker->batch->findings.items[i]);
    return WH_OK;
}

int judge_flow(const struct wh_analysis *analysis, struct worker *worker, uint32_t index,
               struct wh_error *error)
{
    const struct flow *flow = &analysis->flows.items[index];
    struct capture_span spans[WH_POINTS_MAX];
    uint32_t first = worker->batch->findings.count;
    memcpy(spans, worker->spans, sizeof spans);
    bool left = leave_one_sided(analysis, flow, spans);
    if (left && follow_flow(flow, &analysis->alignment, spans, analysis->capture_count,
                            &worker->followed, error))
        return WH_ERROR;
    if (blame_flow(&worker->blamer, flow, index, &worker->followed, worker->options, &worker->arena,
                   &worker->batch->findings, error))
        return WH_ERROR;
    analysis->totals[index].rtt_ns = timeline_srtt(&worker->blamer.timeline[1], NEVER);
    if (!analysis->totals[index].rtt_ns)
        analysis->totals[index].rtt_ns = timeline_srtt(&worker->blamer.timeline[0], NEVER);
    struct coverage cover = find_coverage(analysis, flow, spans);
    if (cover.differs && judge_windows(analysis, worker, spans, &cover, index, first, error))
        return WH_ERROR;
    left |= cover.differs;
    if (judge_gaps(analysis, worker, spans, &left, index, first, error))
        return WH_ERROR;
    return left ? narrow_findings(analysis, worker, index, first, error) : WH_OK;
}
