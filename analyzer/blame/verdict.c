/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ranking of segments and causes by the time they cost, and the one sentence. */
#include "blame/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct interval {
    int64_t start_ns, end_ns;
};

static int compare_intervals(const void *left, const void *right)
{
    const struct interval *a = left, *b = right;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return a->end_ns < b->end_ns ? -1 : a->end_ns > b->end_ns;
}

/* Damaged timestamps make decades of stalls: their sum has an end. */
static int64_t add_ns(int64_t a, int64_t b)
{
    int64_t sum_ns;
    return __builtin_add_overflow(a, b, &sum_ns) ? INT64_MAX : sum_ns;
}

/* Time covered by at least one of the intervals; sorts them. */
static int64_t covered_ns(struct interval *intervals, uint32_t count)
{
    int64_t sum_ns = 0, until_ns = INT64_MIN;
    if (count)
        qsort(intervals, count, sizeof *intervals, compare_intervals);
    for (uint32_t i = 0; i < count; i++) {
        int64_t from_ns = intervals[i].start_ns > until_ns ? intervals[i].start_ns : until_ns;
        if (intervals[i].end_ns > from_ns)
            sum_ns = add_ns(sum_ns, intervals[i].end_ns - from_ns);
        until_ns = intervals[i].end_ns > until_ns ? intervals[i].end_ns : until_ns;
    }
    return sum_ns;
}

/* ---- ranking --------------------------------------------------------------------------------- */

/* What began on the other leg of a proxy's connection counts there. */
static bool belongs(const struct wh_ranking *row, const struct wh_stall *stall)
{
    return !stall->caused_by && row->segment == stall->segment &&
           row->segment_span == stall->segment_span && row->cause == stall->cause;
}

static int compare_rows(const void *left, const void *right)
{
    const struct wh_ranking *a = left, *b = right;
    if (a->stall_time_ns != b->stall_time_ns)
        return a->stall_time_ns > b->stall_time_ns ? -1 : 1;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    if (a->segment_span != b->segment_span)
        return a->segment_span < b->segment_span ? -1 : 1;
    return a->cause < b->cause ? -1 : a->cause > b->cause;
}

/* Completes a row from the stalls that belong to it. */
static void fill_row(const struct wh_result *result, struct wh_ranking *row,
                     struct interval *intervals, uint8_t *flow_seen)
{
    double weighted = 0, weight = 0;
    uint32_t count = 0;
    memset(flow_seen, 0, (size_t)result->flow_count + 1);
    for (uint32_t i = 0; i < result->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[i];
        if (!belongs(row, stall))
            continue;
        double seconds = (double)(stall->end_ns - stall->start_ns) / 1e9;
        weighted += stall->confidence * seconds;
        weight += seconds;
        row->flows += !flow_seen[stall->flow];
        flow_seen[stall->flow] = 1;
        intervals[count++] = (struct interval){stall->start_ns, stall->end_ns};
    }
    row->stalls = count;
    row->confidence = weight > 0 ? weighted / weight : 0;
    row->stall_time_ns = covered_ns(intervals, count);
}

static uint32_t make_rows(const struct wh_result *result, struct wh_ranking *rows,
                          struct interval *intervals, uint8_t *flow_seen)
{
    uint32_t count = 0;
    int64_t sum_ns = 0;
    for (uint32_t i = 0; i < result->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[i];
        bool known = stall->caused_by != 0;
        for (uint32_t r = 0; r < count && !known; r++)
            known = belongs(&rows[r], stall);
        if (known)
            continue;
        rows[count] = (struct wh_ranking){
            .segment = stall->segment, .segment_span = stall->segment_span, .cause = stall->cause};
        fill_row(result, &rows[count], intervals, flow_seen);
        sum_ns = add_ns(sum_ns, rows[count++].stall_time_ns);
    }
    for (uint32_t r = 0; r < count; r++)
        rows[r].share = sum_ns ? (double)rows[r].stall_time_ns / (double)sum_ns : 0;
    if (count)
        qsort(rows, count, sizeof *rows, compare_rows);
    return count;
}

static void time_segments(const struct wh_result *result, struct wh_segment *segments,
                          struct interval *intervals)
{
    for (uint32_t s = 0; s < result->segment_count; s++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < result->stall_count; i++) {
            const struct wh_stall *stall = &result->stalls[i];
            if (stall->segment == s && stall->segment_span == 1 && !stall->caused_by)
                intervals[count++] = (struct interval){stall->start_ns, stall->end_ns};
        }
        segments[s].stall_time_ns = covered_ns(intervals, count);
    }
}

static const char *const cause_words[] = {
#define CAUSE_WORD(name, word) word,
    WH_CAUSES(CAUSE_WORD)
#undef CAUSE_WORD
};

/* ---- the sentence ---------------------------------------------------------------------------- */

/* Do addresses differ between two neighbouring points? */
static bool translates(const struct wh_result *result, uint32_t a, uint32_t b)
{
    for (uint32_t f = 0; f < result->flow_count; f++) {
        const struct wh_flow_at *here = &result->flows[f].at[a], *there = &result->flows[f].at[b];
        if (*here->client && *there->client &&
            (strcmp(here->client, there->client) != 0 || strcmp(here->server, there->server) != 0))
            return true;
    }
    return false;
}

/* "Between xenbrE and xenbrD, where the NAT is," */
static const char *where(const struct wh_result *result, const struct wh_ranking *row,
                         struct arena *arena)
{
    uint32_t end = row->segment + row->segment_span; /* the place behind the last segment */
    const struct wh_point *points = result->points;
    bool from_servers = row->segment == 0, to_clients = end > result->point_count;
    if (from_servers && to_clients)
        return arena_strdup(arena, "Somewhere between the servers and the clients,");
    if (from_servers && row->segment_span == 1)
        return arena_printf(arena, "Beyond %s, on the servers' side,", points[0].name);
    if (to_clients && row->segment_span == 1)
        return arena_printf(arena, "Beyond %s, on the clients' side,",
                            points[result->point_count - 1].name);
    const char *a = from_servers ? "the servers" : points[row->segment - 1].name;
    const char *b = to_clients ? "the clients" : points[end - 1].name;
    for (uint32_t j = 0; j < result->joint_count; j++)
        if (result->joints[j].segment == row->segment &&
            result->joints[j].segment_span == row->segment_span)
            return arena_printf(arena, "Between %s and %s, where the proxy is,", a, b);
    bool nat = !from_servers && !to_clients && translates(result, row->segment - 1, end - 1);
    return arena_printf(arena, "Between %s and %s,%s", a, b, nat ? " where the NAT is," : "");
}

static const char *times(uint32_t count, struct arena *arena)
{
    static const char *const words[] = {"", "once", "twice", "three times", "four times"};
    if (count < sizeof words / sizeof *words)
        return words[count];
    return arena_printf(arena, "%u times", count);
}

/* Separate times at which at least one flow stood still for the row's reason. */
static uint32_t incidents(const struct wh_result *result, const struct wh_ranking *row)
{
    uint32_t count = 0;
    int64_t until_ns = INT64_MIN;
    for (uint32_t i = 0; i < result->stall_count; i++) { /* by start */
        const struct wh_stall *stall = &result->stalls[i];
        if (!belongs(row, stall))
            continue;
        count += stall->start_ns > until_ns;
        until_ns = stall->end_ns > until_ns ? stall->end_ns : until_ns;
    }
    return count;
}

/* Which way the packets went that the row's stalls waited for. */
static const char *which_way(const struct wh_result *result, const struct wh_ranking *row)
{
    bool to_client = false, to_server = false;
    for (uint32_t i = 0; i < result->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[i];
        if (!belongs(row, stall))
            continue;
        to_client |= stall->direction != WH_TO_SERVER;
        to_server |= stall->direction != WH_TO_CLIENT;
    }
    if (to_client && to_server)
        return "in both directions";
    return to_client ? "toward the clients" : "toward the servers";
}

/* What was lost in the row's segment, where one pair of captures shows it. */
static uint64_t lost_there(const struct wh_result *result, const struct wh_ranking *row)
{
    const struct wh_segment *segment = &result->segments[row->segment];
    return segment->to_client.lost + segment->to_server.lost;
}

/* What happened, how often and how long. `often` is once, twice ...; `flows` "3 flows". */
static const char *what_happened(const struct wh_result *result, const struct wh_ranking *row,
                                 const char *often, const char *flows, struct arena *arena)
{
    const char *lasted = arena_printf(arena, "%.1f s%s", (double)row->stall_time_ns / 1e9,
                                      strcmp(often, "once") == 0 ? "" : " in all");
    if (!lasted)
        return NULL;
    const char *way = which_way(result, row);
    switch (row->cause) {
    case WH_CAUSE_FREEZE:
        return arena_printf(arena, "packets %s were held and let out together %s, for %s (%s)", way,
                            often, lasted, flows);
    case WH_CAUSE_LOSS:
        return arena_printf(arena, "packets %s were lost: %s stalled %s, for %s", way, flows, often,
                            lasted);
    case WH_CAUSE_ACK_LOSS:
        return arena_printf(arena, "acknowledgements %s were lost: %s stalled %s, for %s", way,
                            flows, often, lasted);
    case WH_CAUSE_MTU_BLACKHOLE:
        return arena_printf(
            arena, "only large packets %s vanished, again and again: %s stalled %s, for %s", way,
            flows, often, lasted);
    case WH_CAUSE_QUEUEING:
        return arena_printf(
            arena, "packets %s kept coming out, but late: a queue stood there %s, for %s (%s)", way,
            often, lasted, flows);
    case WH_CAUSE_CORRUPTION:
        return arena_printf(arena,
                            "packets %s broke, as their checksums show: %s stalled %s, for %s", way,
                            flows, often, lasted);
    case WH_CAUSE_NAT:
        return arena_printf(arena, "the translation of addresses failed: %s stalled %s, for %s",
                            flows, often, lasted);
    case WH_CAUSE_ZERO_WINDOW:
        return arena_printf(arena, "the receiver's window was closed %s, for %s (%s)", often,
                            lasted, flows);
    case WH_CAUSE_SENDER_IDLE:
        return arena_printf(arena,
                            "the sender paused %s in mid-transfer, for %s, with the window open "
                            "and nothing unacknowledged (%s)",
                            often, lasted, flows);
    default:
        return arena_printf(arena, "%s stalled %s, for %s; these captures do not show why", flows,
                            often, lasted);
    }
}

/* "; also loss in eth0..xenbrE, for 0.9 s": the row behind the first. */
static const char *and_also(const struct wh_result *result, struct arena *arena)
{
    const struct wh_verdict *verdict = &result->verdict;
    if (verdict->ranking_count < 2)
        return "";
    const struct wh_ranking *row = &verdict->ranking[1];
    uint32_t end = row->segment + row->segment_span;
    const char *from = row->segment ? result->points[row->segment - 1].name : "servers";
    const char *to = end <= result->point_count ? result->points[end - 1].name : "clients";
    const char *more = verdict->ranking_count > 2 ? ", and more" : "";
    return arena_printf(arena, "; also %s in %s..%s, for %.1f s%s", cause_words[row->cause], from,
                        to, (double)row->stall_time_ns / 1e9, more);
}

static const char *make_sentence(const struct wh_result *result, const struct wh_ranking *row,
                                 struct arena *arena)
{
    bool nobody = row->cause == WH_CAUSE_ZERO_WINDOW || row->cause == WH_CAUSE_SENDER_IDLE;
    bool between = row->segment > 0 && row->segment < result->point_count && row->segment_span == 1;
    const char *place = where(result, row, arena), *also = and_also(result, arena);
    const char *often = times(incidents(result, row), arena);
    const char *flows = arena_printf(arena, "%u flow%s", row->flows, row->flows == 1 ? "" : "s");
    if (!place || !often || !flows || !also)
        return NULL;
    const char *what = what_happened(result, row, often, flows, arena);
    char lost[80] = "";
    if (between && row->cause == WH_CAUSE_FREEZE) {
        unsigned long long count = lost_there(result, row);
        if (count)
            snprintf(lost, sizeof lost, "; %llu packet%s lost there", count,
                     count == 1 ? " was" : "s were");
        else
            snprintf(lost, sizeof lost, "; nothing was lost there");
    }
    if (!what)
        return NULL;
    return arena_printf(arena, "%s%s %s%s%s.", nobody ? "No hop is to blame. " : "", place, what,
                        lost, also);
}

static const char *no_stall_sentence(uint32_t flows, struct arena *arena)
{
    if (flows == 0)
        return "No flow was found: nothing here could stall.";
    if (flows == 1)
        return "No stall: the only flow kept moving whenever it had something to send.";
    return arena_printf(
        arena, "No stall: all %u flows kept moving whenever they had something to send.", flows);
}

int verdict_make(struct wh_result *result, struct wh_segment *segments, struct arena *arena,
                 struct wh_error *error)
{
    int status = WH_ERROR;
    struct wh_verdict *verdict = &result->verdict;
    size_t room = (size_t)result->stall_count + 1;
    struct wh_ranking *rows = arena_alloc(arena, room, sizeof *rows);
    struct interval *intervals = calloc(room, sizeof *intervals);
    uint8_t *flow_seen = calloc((size_t)result->flow_count + 2, 1);
    if (!rows || !intervals || !flow_seen)
        goto cleanup;
    *verdict = (struct wh_verdict){.stalled = result->stall_count > 0, .ranking = rows};
    verdict->ranking_count = make_rows(result, rows, intervals, flow_seen);
    time_segments(result, segments, intervals);
    if (verdict->stalled) {
        verdict->segment = rows[0].segment;
        verdict->segment_span = rows[0].segment_span;
        verdict->cause = rows[0].cause;
        verdict->confidence = rows[0].confidence;
        verdict->sentence = make_sentence(result, &rows[0], arena);
    } else {
        verdict->confidence = result->flow_count ? 0.95 : 0;
        verdict->sentence = no_stall_sentence(result->flow_count, arena);
    }
    status = verdict->sentence ? WH_OK : WH_ERROR;
cleanup:
    free(intervals);
    free(flow_seen);
    return status ? error_memory(error, "the verdict") : WH_OK;
}
