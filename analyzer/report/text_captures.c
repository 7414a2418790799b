/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text report: what was captured where, what got lost on the way, what was matched. */
#include "report/parts.h"

#define FILES_SHOWN 20u

static void traffic_row(struct table *table, const struct wh_result *result, uint32_t segment,
                        const char *name, const struct wh_traffic *traffic, const char *stalled)
{
    const char *direction = *name ? "to client" : "to server";
    bool measured = facts_measured(traffic);
    table_row(table,
              (const char *[]){name, direction, number_count(traffic->packets).text,
                               measured ? number_count(traffic->lost).text : "-",
                               measured ? number_loss(traffic->lost, traffic->packets).text : "-",
                               facts_delay(result, segment, traffic->delay_min_ns).text,
                               facts_delay(result, segment, traffic->delay_median_ns).text,
                               facts_delay(result, segment, traffic->delay_max_ns).text, stalled},
              NULL);
}

void text_segments(struct page *page)
{
    static const struct column COLUMNS[] = {
        {"segment", false}, {"direction", false}, {"packets in", true},
        {"lost", true},     {"part", true},       {"delay: least", true},
        {"median", true},   {"most", true},       {"stalled, s", true},
    };
    const struct wh_result *result = page->result;
    page_heading(page, "Segments");
    struct table table = {.columns = COLUMNS, .count = sizeof COLUMNS / sizeof *COLUMNS};
    for (uint32_t i = 0; i < result->segment_count; i++) {
        const struct wh_segment *segment = &result->segments[i];
        traffic_row(&table, result, i, words_or(segment->name, "?"), &segment->to_client,
                    number_seconds(segment->stall_time_ns, 3).text);
        traffic_row(&table, result, i, "", &segment->to_server, "");
    }
    table_end(&table, &page->out, &page->style);
    page_say_text(
        page,
        "The outer two hold everything beyond the captures, the end hosts included; loss and delay "
        "are measured only between two points, delay no finer than their clocks agree.",
        2);
}

static void add_files(struct buffer *note, const struct wh_point *point)
{
    for (uint32_t i = 0; i < point->file_count && i < FILES_SHOWN; i++) {
        const struct wh_file *file = &point->files[i];
        buffer_add(note, i ? "\n" : "");
        utf8_add_line(note, words_or(file->name, "?"));
        buffer_add(note, ": ");
        utf8_add_line(note, words_or(file->format, "unknown format"));
        buffer_printf(note, ", %s %s", number_count(file->packets).text,
                      words_plural(file->packets, "packet", "packets"));
        if (file->damaged) {
            buffer_add(note, ", damaged: ");
            utf8_add_line(note, file->damaged);
        }
    }
    if (point->file_count > FILES_SHOWN)
        buffer_printf(note, "\nand %s more files",
                      number_count(point->file_count - FILES_SHOWN).text);
}

static void point_note(struct buffer *note, const struct wh_result *result,
                       const struct wh_point *point)
{
    add_files(note, point);
    buffer_add(note, note->length ? "\n" : "");
    facts_point_flows(note, result, point);
    buffer_add(note, " ");
    facts_point_packets(note, point);
    if (result->point_count > 1) {
        buffer_add(note, " ");
        facts_point_clock(note, point);
    }
    if (point->merged_frames)
        buffer_add(note, " Merged frames.");
    if (point->capture_missed || point->capture_dropped) {
        buffer_add(note, "\n");
        facts_point_missed(note, point);
    }
}

void text_points(struct page *page)
{
    static const struct column COLUMNS[] = {
        {"point", false},  {"packets", true}, {"bytes", true},       {"first, s", true},
        {"last, s", true}, {"link", false},   {"snap length", true},
    };
    const struct wh_result *result = page->result;
    page_heading(page, "Points");
    struct table table = {.columns = COLUMNS, .count = sizeof COLUMNS / sizeof *COLUMNS};
    for (uint32_t i = 0; i < result->point_count; i++) {
        const struct wh_point *point = &result->points[i];
        struct buffer note = {0};
        point_note(&note, result, point);
        page_row(&table,
                 (const char *[]){
                     words_or(point->name, "?"), number_count(point->packets).text,
                     number_bytes(point->bytes).text, number_seconds(point->first_ns, 6).text,
                     number_seconds(point->last_ns, 6).text, words_or(point->link_type, "-"),
                     number_count(point->snaplen).text},
                 &note);
    }
    table_end(&table, &page->out, &page->style);
    struct buffer overlap = {0};
    facts_overlap(&overlap, result);
    if (overlap.length)
        page_say(page, &overlap, 2);
    buffer_free(&overlap);
    if (facts_any_merged(result))
        page_say_text(page, facts_merged(), 2);
}

void text_matching(struct page *page)
{
    const struct wh_result *result = page->result;
    if (result->point_count < 2 || !result->flow_count)
        return;
    uint32_t ambiguous = 0;
    for (uint32_t i = 0; i < result->flow_count; i++)
        ambiguous += result->flows[i].ambiguous;
    page_heading(page, "Matching");
    struct buffer line = {0};
    buffer_printf(&line,
                  "%s %s over all points. How each was recognised from point to point "
                  "(single: seen at one point only): ",
                  number_count(result->flow_count).text,
                  words_plural(result->flow_count, "flow", "flows"));
    facts_match_kinds(&line, result);
    buffer_add(&line, ".");
    if (ambiguous)
        buffer_printf(&line,
                      " %s of them could be more than one flow elsewhere and %s not matched.",
                      number_count(ambiguous).text, words_plural(ambiguous, "was", "were"));
    page_say(page, &line, 2);
}

void text_joints(struct page *page)
{
    const struct wh_result *result = page->result;
    if (result->joint_count)
        page_heading(page, "Joined by a proxy");
    for (uint32_t i = 0; i < result->joint_count && i < JOINTS_SHOWN; i++) {
        struct buffer line = {0};
        facts_joint(&line, &result->joints[i]);
        page_say(page, &line, 2);
    }
    if (result->joint_count > JOINTS_SHOWN) {
        struct buffer more = {0};
        buffer_printf(&more, "and %s more, in report.json",
                      number_count(result->joint_count - JOINTS_SHOWN).text);
        page_say(page, &more, 2);
    }
}
