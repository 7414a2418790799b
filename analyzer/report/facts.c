/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sentences that the text and the Markdown report both tell. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "blame/knowledge.h"
#include "report/parts.h"

#define MATCH_KINDS_MAX 16u

/* ---- stalls ---------------------------------------------------------------------------------- */

struct stall_length {
    int64_t duration_ns;
    uint32_t index;
};

static int by_duration(const void *left, const void *right)
{
    const struct stall_length *a = left, *b = right;
    if (a->duration_ns != b->duration_ns)
        return a->duration_ns > b->duration_ns ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int by_index(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

uint32_t *facts_longest_stalls(const struct wh_result *result, uint32_t limit, uint32_t *count)
{
    uint32_t all = result->stall_count;
    *count = all < limit ? all : limit;
    if (!*count)
        return NULL;
    struct stall_length *lengths = calloc(all, sizeof *lengths);
    uint32_t *chosen = calloc(*count, sizeof *chosen);
    if (!lengths || !chosen) {
        free(lengths);
        free(chosen);
        return NULL;
    }
    for (uint32_t i = 0; i < all; i++)
        lengths[i] =
            (struct stall_length){result->stalls[i].end_ns - result->stalls[i].start_ns, i};
    qsort(lengths, all, sizeof *lengths, by_duration);
    for (uint32_t i = 0; i < *count; i++)
        chosen[i] = lengths[i].index;
    qsort(chosen, *count, sizeof *chosen, by_index);
    free(lengths);
    return chosen;
}

void facts_stall_summary(struct buffer *buffer, const struct wh_result *result)
{
    uint32_t unfinished = 0, flows = 0;
    for (uint32_t i = 0; i < result->stall_count; i++)
        unfinished += !result->stalls[i].resumed;
    for (uint32_t i = 0; i < result->flow_count; i++)
        flows += result->flows[i].stall_count > 0;
    if (!result->stall_count) {
        buffer_printf(buffer, "None, in %s %s.", number_count(result->flow_count).text,
                      words_plural(result->flow_count, "flow", "flows"));
        return;
    }
    buffer_printf(buffer, "%s %s in %s of %s %s", number_count(result->stall_count).text,
                  words_plural(result->stall_count, "stall", "stalls"), number_count(flows).text,
                  number_count(result->flow_count).text,
                  words_plural(result->flow_count, "flow", "flows"));
    if (unfinished)
        buffer_printf(buffer, "; %s had not resumed when its flow or the capture ended",
                      number_count(unfinished).text);
    buffer_add(buffer, ".");
}

/* ---- flows ----------------------------------------------------------------------------------- */

static bool seen_at(const struct wh_flow *flow, uint32_t point)
{
    return flow->at[point].client[0] || flow->at[point].server[0];
}

static bool same_name(const struct wh_flow *flow, uint32_t a, uint32_t b)
{
    return strcmp(flow->at[a].client, flow->at[b].client) == 0 &&
           strcmp(flow->at[a].server, flow->at[b].server) == 0;
}

/* Was this name told at an earlier point already? */
static bool told(const struct wh_flow *flow, uint32_t point)
{
    for (uint32_t i = 0; i < point; i++)
        if (seen_at(flow, i) && same_name(flow, i, point))
            return true;
    return false;
}

void facts_flow_names(struct buffer *buffer, const struct wh_result *result,
                      const struct wh_flow *flow)
{
    const char *between = "";
    for (uint32_t i = 0; i < result->point_count; i++) {
        if (!seen_at(flow, i) || told(flow, i))
            continue;
        buffer_add(buffer, between);
        between = "; ";
        utf8_add_line(buffer, words_or(result->points[i].name, "?"));
        for (uint32_t j = i + 1; j < result->point_count; j++) {
            if (!seen_at(flow, j) || !same_name(flow, i, j))
                continue;
            buffer_add(buffer, ", ");
            utf8_add_line(buffer, words_or(result->points[j].name, "?"));
        }
        buffer_add(buffer, ": ");
        utf8_add_line(buffer, flow->at[i].client);
        buffer_add(buffer, " to ");
        utf8_add_line(buffer, flow->at[i].server);
    }
    if (!*between)
        buffer_add(buffer, "seen at no point");
}

struct match_kind {
    const char *name;
    uint32_t flows;
};

static int by_flows(const void *left, const void *right)
{
    const struct match_kind *a = left, *b = right;
    if (a->flows != b->flows)
        return a->flows > b->flows ? -1 : 1;
    return strcmp(a->name, b->name);
}

void facts_match_kinds(struct buffer *buffer, const struct wh_result *result)
{
    struct match_kind kinds[MATCH_KINDS_MAX];
    unsigned count = 0;
    for (uint32_t i = 0; i < result->flow_count; i++) {
        const char *name = words_or(result->flows[i].match, "unknown");
        unsigned k = 0;
        while (k < count && strcmp(kinds[k].name, name) != 0)
            k++;
        if (k == MATCH_KINDS_MAX)
            continue;
        if (k == count)
            kinds[count++] = (struct match_kind){name, 0};
        kinds[k].flows++;
    }
    qsort(kinds, count, sizeof *kinds, by_flows);
    for (unsigned k = 0; k < count; k++) {
        buffer_add(buffer, k ? ", " : "");
        utf8_add_line(buffer, kinds[k].name);
        buffer_printf(buffer, " %s", number_count(kinds[k].flows).text);
    }
}

/* ---- points ---------------------------------------------------------------------------------- */

void facts_point_flows(struct buffer *buffer, const struct wh_result *result,
                       const struct wh_point *point)
{
    if (result->point_count < 2) {
        buffer_printf(buffer, "%s %s; there is no other point to find them at.",
                      number_count(point->flows).text, words_plural(point->flows, "flow", "flows"));
        return;
    }
    buffer_printf(buffer, "%s of %s %s found at another point too",
                  number_count(point->flows_matched).text, number_count(point->flows).text,
                  words_plural(point->flows, "flow", "flows"));
    if (point->flows_ambiguous)
        buffer_printf(buffer, "; %s left out, since more than one flow there could be the same",
                      number_count(point->flows_ambiguous).text);
    uint64_t placed = (uint64_t)point->flows_matched + point->flows_ambiguous;
    if (point->flows > placed)
        buffer_printf(buffer, "; %s seen here alone", number_count(point->flows - placed).text);
    buffer_add(buffer, ".");
}

void facts_point_packets(struct buffer *buffer, const struct wh_point *point)
{
    const struct {
        uint64_t packets;
        const char *why;
    } LEFT[] = {
        {point->not_ip, "not IP"},
        {point->truncated, "cut off before the transport header ends"},
        {point->malformed, "malformed"},
        {point->fragments, "fragments of IP packets"},
    };
    const char *between = "Not followed: ";
    for (size_t i = 0; i < sizeof LEFT / sizeof *LEFT; i++) {
        if (!LEFT[i].packets)
            continue;
        buffer_printf(buffer, "%s%s %s", between, number_count(LEFT[i].packets).text, LEFT[i].why);
        between = ", ";
    }
    if (!point->packets)
        buffer_add(buffer, "There is no packet here.");
    else
        buffer_add(buffer, *between == ',' ? "." : "Every packet was followed.");
}

void facts_joint(struct buffer *buffer, const struct wh_joint *joint)
{
    const char *text = words_or(joint->text, "");
    buffer_printf(buffer, "%s%s, %s sure.", *text == 'f' ? "F" : "", *text == 'f' ? text + 1 : text,
                  number_percent(joint->confidence).text);
}

void facts_point_missed(struct buffer *buffer, const struct wh_point *point)
{
    const struct wh_gap *gap = point->capture_gaps;
    if (point->capture_missed)
        buffer_printf(buffer,
                      "The capture missed %s %s that passed here (other points or "
                      "acknowledgements show them); this is no loss on the path.",
                      number_count(point->capture_missed).text,
                      words_plural(point->capture_missed, "packet", "packets"));
    if (point->capture_gap_count)
        buffer_printf(buffer, " It has %u %s, the first of %s s from %s s on.",
                      (unsigned)point->capture_gap_count,
                      words_plural(point->capture_gap_count, "gap", "gaps"),
                      number_seconds(gap->to_ns - gap->from_ns, 3).text,
                      number_seconds(gap->from_ns, 3).text);
    if (point->capture_dropped)
        buffer_printf(buffer, "%sThe file's own counters say that %s %s dropped while capturing.",
                      point->capture_missed ? " " : "", number_count(point->capture_dropped).text,
                      words_plural(point->capture_dropped, "packet was", "packets were"));
}

void facts_point_clock(struct buffer *buffer, const struct wh_point *point)
{
    const struct wh_clock_info *clock = &point->clock;
    struct words drift = number_decimal(clock->drift_ppm);
    if (clock->offset_ns == 0 && strcmp(drift.text, "0.0") == 0)
        buffer_add(buffer, "Clock: taken as the file has it");
    else
        buffer_printf(buffer, "Clock: %s%s s added, drift %s ppm", clock->offset_ns < 0 ? "" : "+",
                      number_seconds(clock->offset_ns, 9).text, drift.text);
    for (uint32_t i = 0; i < clock->step_count; i++)
        buffer_printf(buffer, "%s set %s by %s s at %s s", i ? "," : "; it was",
                      clock->steps[i].step_ns < 0 ? "back" : "forward",
                      number_seconds(llabs(clock->steps[i].step_ns), 6).text,
                      number_seconds(clock->steps[i].at_ns, 3).text);
    if (clock->uncertainty_ns == WH_NONE)
        buffer_add(buffer, "; no flow ties it to the path's, so how exact that is, is not known");
    else if (clock->uncertainty_ns)
        buffer_printf(buffer, ", exact within %s", number_delay(clock->uncertainty_ns).text);
    buffer_add(buffer, ".");
}

bool facts_any_merged(const struct wh_result *result)
{
    bool merged = false;
    for (uint32_t i = 0; i < result->point_count; i++)
        merged = merged || result->points[i].merged_frames;
    return merged;
}

const char *facts_merged(void)
{
    return "Merged frames: the capture shows frames larger than those on the wire, as the card or "
           "the kernel (TSO, GRO, LRO) handles several packets as one there. whichhop follows "
           "bytes, so that each byte of such a frame is held against the packet that carried it "
           "elsewhere.";
}

void facts_overlap(struct buffer *buffer, const struct wh_result *result)
{
    int64_t from_ns = INT64_MIN, to_ns = INT64_MAX;
    uint32_t points = 0, latest = 0, earliest = 0;
    for (uint32_t i = 0; i < result->point_count; i++) {
        const struct wh_point *point = &result->points[i];
        if (point->first_ns == WH_NONE)
            continue;
        points++;
        latest = point->first_ns > from_ns ? i : latest;
        earliest = point->last_ns < to_ns ? i : earliest;
        from_ns = point->first_ns > from_ns ? point->first_ns : from_ns;
        to_ns = point->last_ns < to_ns ? point->last_ns : to_ns;
    }
    if (points < 2)
        return;
    if (to_ns <= from_ns) {
        buffer_add(buffer, "There is no moment at which all points captured: ");
        utf8_add_line(buffer, words_or(result->points[earliest].name, "?"));
        buffer_printf(buffer, " ends at %s s, ", number_seconds(to_ns, 3).text);
        utf8_add_line(buffer, words_or(result->points[latest].name, "?"));
        buffer_printf(buffer, " begins at %s s.", number_seconds(from_ns, 3).text);
        return;
    }
    int64_t common_ns = number_sum(to_ns, -from_ns);
    double part = result->duration_ns > 0 ? (double)common_ns / (double)result->duration_ns : 1;
    buffer_printf(buffer, "All %s points captured at the same time for %s s, from %s s to %s s",
                  number_count(points).text, number_seconds(common_ns, 3).text,
                  number_seconds(from_ns, 3).text, number_seconds(to_ns, 3).text);
    if (part < 0.98) {
        buffer_printf(buffer, ", %s of the time; ", number_percent(part).text);
        utf8_add_line(buffer, words_or(result->points[latest].name, "?"));
        buffer_add(buffer, " begins last, ");
        utf8_add_line(buffer, words_or(result->points[earliest].name, "?"));
        buffer_add(buffer,
                   " ends first, and the rest is judged without the points that are missing then");
    }
    buffer_add(buffer, ".");
}

/* ---- suspicions ------------------------------------------------------------------------------ */

void facts_suspicions(struct buffer *buffer, const struct wh_result *result)
{
    const char *between = "Supported suspicion: ";
    uint32_t count[3] = {0};
    for (uint32_t i = 0; i < result->hypothesis_count; i++) {
        const struct wh_hypothesis *hypothesis = &result->hypotheses[i];
        count[(size_t)hypothesis->status < 3 ? hypothesis->status : WH_UNDECIDED]++;
        if (hypothesis->status != WH_SUPPORTED)
            continue;
        buffer_add(buffer, between);
        utf8_add_line(buffer, words_or(hypothesis->title, words_or(hypothesis->id, "?")));
        between = "; ";
    }
    if (result->hypothesis_count)
        buffer_printf(buffer, "%s%s undecided, %s excluded.",
                      *between == ';' ? ". " : "None of the usual suspicions is supported; ",
                      number_count(count[WH_UNDECIDED]).text,
                      number_count(count[WH_EXCLUDED]).text);
}

const char *facts_what_to_do(const struct wh_hypothesis *hypothesis)
{
    const struct knowledge *known = hypothesis->id ? knowledge_of_suspicion(hypothesis->id) : NULL;
    return known && hypothesis->status == WH_SUPPORTED ? known->action : NULL;
}

const char *facts_span(const struct wh_verdict *verdict)
{
    if (!verdict->stalled || verdict->segment_span < 2)
        return "";
    return verdict->segment_span == 2
               ? "In which of the two segments marked, the captures do not tell."
               : "In which of the segments marked, the captures do not tell.";
}

bool facts_measured(const struct wh_traffic *traffic)
{
    return traffic->lost || traffic->delay_median_ns != WH_NONE;
}

int64_t facts_uncertainty(const struct wh_result *result, uint32_t segment)
{
    if (segment == 0 || segment >= result->point_count)
        return WH_NONE;
    int64_t a_ns = result->points[segment - 1].clock.uncertainty_ns;
    int64_t b_ns = result->points[segment].clock.uncertainty_ns;
    if (a_ns == WH_NONE || b_ns == WH_NONE)
        return WH_NONE;
    return a_ns > INT64_MAX - b_ns ? INT64_MAX : a_ns + b_ns;
}

struct words facts_delay(const struct wh_result *result, uint32_t segment, int64_t delay_ns)
{
    int64_t least_ns = facts_uncertainty(result, segment);
    if (delay_ns == WH_NONE || least_ns == WH_NONE || delay_ns >= least_ns)
        return number_delay(delay_ns);
    struct words words;
    snprintf(words.text, sizeof words.text, "< %.40s", number_delay(least_ns).text);
    return words;
}

const char *facts_path_order(const struct wh_result *result)
{
    if (result->point_count < 2)
        return "One point: a stall can be placed before it or beyond it, and no closer.";
    if (result->path_given)
        return result->path_found
                   ? "The order of the points is the one given, and what the captures show."
                   : "The order of the points is the one given; the captures do not "
                     "show it.";
    return result->path_found ? "The order of the points was found from the captures."
                              : "The order of the points is the one given; the captures do not "
                                "decide it.";
}
