/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Markdown report: the path with loss and delay, and how good the captures are. */
#include <inttypes.h>

#include "report/parts.h"

#define FILES_SHOWN 20u

/* ---- path ------------------------------------------------------------------------------------ */

static void traffic_cells(struct markdown *page, uint32_t segment, const struct wh_traffic *traffic)
{
    struct buffer *out = &page->out;
    bool measured = facts_measured(traffic);
    buffer_printf(out, " %s | %s", number_count(traffic->packets).text,
                  measured ? number_count(traffic->lost).text : "-");
    if (traffic->lost)
        buffer_printf(out, " (%s)", number_loss(traffic->lost, traffic->packets).text);
    if (traffic->delay_median_ns == WH_NONE)
        buffer_add(out, " | - |");
    else
        buffer_printf(out, " | %s / %s / %s |",
                      facts_delay(page->result, segment, traffic->delay_min_ns).text,
                      facts_delay(page->result, segment, traffic->delay_median_ns).text,
                      facts_delay(page->result, segment, traffic->delay_max_ns).text);
}

static bool segment_row(struct markdown *page, uint32_t index)
{
    const struct wh_verdict *verdict = &page->result->verdict;
    const struct wh_segment *segment = &page->result->segments[index];
    size_t mark = page->out.length;
    buffer_add(&page->out, "| ");
    markdown_segment(&page->out, page->result, index, 1);
    buffer_add(&page->out, " |");
    traffic_cells(page, index, &segment->to_client);
    traffic_cells(page, index, &segment->to_server);
    buffer_printf(&page->out, " %s |", number_seconds(segment->stall_time_ns, 3).text);
    if (verdict->stalled && words_in_span(index, verdict->segment, verdict->segment_span))
        buffer_printf(&page->out,
                      verdict->segment_span > 1 ? " **%s** in one of these |\n" : " **%s** |\n",
                      wh_cause_word(verdict->cause));
    else
        buffer_add(&page->out, " |\n");
    return markdown_keep(page, mark);
}

void markdown_path(struct markdown *page)
{
    uint32_t left_out = 0;
    markdown_section(page, "The path, from the servers to the clients", MARKDOWN_PATH_SHARE);
    buffer_add(&page->out,
               "| segment | packets to clients | lost | delay: least / median / most | "
               "packets to servers | lost | delay: least / median / most | stalled, s | verdict |\n"
               "|---|---:|---:|---:|---:|---:|---:|---:|---|\n");
    for (uint32_t i = 0; i < page->result->segment_count; i++)
        left_out += !segment_row(page, i);
    buffer_add(&page->out,
               "\nThe outer two hold everything beyond the captures, the end hosts "
               "included; loss and delay are measured only between two points, delay no "
               "finer than their clocks agree.\n");
    markdown_more(page, left_out, "segments");
}

/* ---- points ---------------------------------------------------------------------------------- */

static bool point_row(struct markdown *page, const struct wh_point *point)
{
    struct buffer *out = &page->out;
    size_t mark = out->length;
    buffer_add(out, "| ");
    markdown_code(out, point->name, MARKDOWN_NAME_BYTES);
    buffer_printf(out, " | %s | %s | %s | %s | ", number_count(point->packets).text,
                  number_bytes(point->bytes).text, number_seconds(point->first_ns, 6).text,
                  number_seconds(point->last_ns, 6).text);
    markdown_prose(out, words_or(point->link_type, "-"), 40);
    buffer_printf(out, " | %s | %s | %s | %s of %s |\n", number_count(point->snaplen).text,
                  number_count(point->capture_missed).text,
                  number_count(point->capture_dropped).text,
                  number_count(point->flows_matched).text, number_count(point->flows).text);
    return markdown_keep(page, mark);
}

static bool file_line(struct markdown *page, const struct wh_file *file)
{
    struct buffer *out = &page->out;
    size_t mark = out->length;
    buffer_add(out, "  - ");
    markdown_code(out, file->name, MARKDOWN_NAME_BYTES);
    buffer_add(out, ": ");
    markdown_prose(out, words_or(file->format, "unknown format"), 40);
    buffer_printf(out, ", %s %s", number_count(file->packets).text,
                  words_plural(file->packets, "packet", "packets"));
    if (file->damaged) {
        buffer_add(out, ", **damaged:** ");
        markdown_prose(out, file->damaged, 300);
    }
    buffer_add(out, "\n");
    return markdown_keep(page, mark);
}

static void add_facts(struct buffer *out, const struct wh_result *result,
                      const struct wh_point *point)
{
    buffer_add(out, ": ");
    facts_point_flows(out, result, point);
    buffer_add(out, " ");
    facts_point_packets(out, point);
    if (result->point_count > 1) {
        buffer_add(out, " ");
        facts_point_clock(out, point);
    }
    if (point->merged_frames)
        buffer_add(out, " Merged frames.");
    if (point->capture_missed || point->capture_dropped)
        buffer_add(out, " ");
    facts_point_missed(out, point);
    buffer_add(out, "\n");
}

static bool point_lines(struct markdown *page, const struct wh_point *point)
{
    size_t mark = page->out.length;
    uint32_t left_out = 0;
    buffer_add(&page->out, "- ");
    markdown_code(&page->out, point->name, MARKDOWN_NAME_BYTES);
    add_facts(&page->out, page->result, point);
    if (!markdown_keep(page, mark))
        return false;
    for (uint32_t i = 0; i < point->file_count; i++)
        left_out += i >= FILES_SHOWN || !file_line(page, &point->files[i]);
    if (left_out) {
        mark = page->out.length;
        buffer_printf(&page->out, "  - and %s more files\n", number_count(left_out).text);
        markdown_keep(page, mark);
    }
    return true;
}

static void joint_lines(struct markdown *page)
{
    const struct wh_result *result = page->result;
    uint32_t left_out = 0;
    buffer_add(&page->out, result->joint_count ? "\n" : "");
    for (uint32_t i = 0; i < result->joint_count; i++) {
        size_t mark = page->out.length;
        struct buffer line = {0};
        facts_joint(&line, &result->joints[i]);
        buffer_add(&page->out, "- ");
        markdown_prose(&page->out, line.failed ? "" : line.bytes, 300);
        buffer_add(&page->out, "\n");
        page->out.failed = page->out.failed || line.failed;
        buffer_free(&line);
        left_out += i >= JOINTS_SHOWN || !markdown_keep(page, mark);
        if (i >= JOINTS_SHOWN)
            page->out.length = mark;
    }
    markdown_more(page, left_out, "joined pairs");
}

static void overlap(struct markdown *page)
{
    struct buffer facts = {0};
    facts_overlap(&facts, page->result);
    if (facts.length) {
        buffer_add(&page->out, "\n");
        markdown_prose(&page->out, facts.failed ? "" : facts.bytes, 400);
        buffer_add(&page->out, "\n");
    }
    page->out.failed = page->out.failed || facts.failed;
    buffer_free(&facts);
}

void markdown_points(struct markdown *page)
{
    const struct wh_result *result = page->result;
    uint32_t left_out = 0;
    markdown_section(page, "Captures", MARKDOWN_POINTS_SHARE / 2);
    buffer_add(&page->out, "| point | packets | bytes | first, s | last, s | link | snap length | "
                           "missed | dropped | flows found elsewhere |\n"
                           "|---|---:|---:|---:|---:|---|---:|---:|---:|---:|\n");
    for (uint32_t i = 0; i < result->point_count; i++)
        left_out += !point_row(page, &result->points[i]);
    buffer_add(&page->out, "\nMissed: passed here, as other points or acknowledgements show, and "
                           "is not in the file. Dropped: as the file's own counters say.\n");
    markdown_more(page, left_out, "points");
    if (facts_any_merged(result))
        buffer_printf(&page->out, "\n%s\n", facts_merged());
    overlap(page);
    if (result->point_count > 1 && result->flow_count) {
        struct buffer kinds = {0};
        facts_match_kinds(&kinds, result);
        buffer_add(&page->out, "\nHow flows were recognised from point to point (single: seen at "
                               "one point only): ");
        markdown_prose(&page->out, kinds.failed ? "" : kinds.bytes, 100);
        buffer_add(&page->out, ".\n");
        page->out.failed = page->out.failed || kinds.failed;
        buffer_free(&kinds);
    }
    joint_lines(page);
    page->limit = page->out.length + MARKDOWN_POINTS_SHARE / 2;
    left_out = 0;
    buffer_add(&page->out, "\n<details><summary>Point by point</summary>\n\n");
    for (uint32_t i = 0; i < result->point_count; i++)
        left_out += !point_lines(page, &result->points[i]);
    markdown_more(page, left_out, "points");
    buffer_add(&page->out, "\n</details>\n");
}
