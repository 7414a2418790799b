/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Markdown report: the stalls, each with its evidence and the filters that show it. */
#include <inttypes.h>
#include <stdlib.h>

#include "report/parts.h"

#define STALLS_SHOWN   60u
#define STALLS_PROVED  12u /* with evidence and filters */
#define EVIDENCE_SHOWN 4u
#define FRAMES_SHOWN   6u
#define FILES_FILTERED 4u /* of a point */
#define SENTENCE_BYTES 300u
#define OPEN_STALLS    1u /* with more, the evidence is folded away */

/* ---- evidence -------------------------------------------------------------------------------- */

/* `xenbrE` frame 4711, 4712, `xenbrD` frame 4698 */
static void add_frames(struct buffer *out, const struct wh_result *result,
                       const struct wh_evidence *evidence)
{
    uint32_t shown = evidence->frame_count < FRAMES_SHOWN ? evidence->frame_count : FRAMES_SHOWN;
    for (uint32_t i = 0; i < shown; i++) {
        const struct wh_frame *frame = &evidence->frames[i];
        const char *file = words_frame_file(result, frame);
        buffer_add(out, i ? ", " : " (");
        if (i == 0 || frame->point != frame[-1].point || frame->file != frame[-1].file) {
            markdown_code(out, words_frame_point(result, frame), MARKDOWN_NAME_BYTES);
            buffer_add(out, " ");
            if (file) {
                markdown_code(out, file, MARKDOWN_NAME_BYTES);
                buffer_add(out, " ");
            }
            buffer_add(out, "frame ");
        }
        buffer_printf(out, "%" PRIu32, frame->frame);
    }
    if (evidence->frame_count > shown)
        buffer_printf(out, " and %s more", number_count(evidence->frame_count - shown).text);
    if (shown)
        buffer_add(out, ")");
}

void markdown_evidence(struct buffer *out, const struct wh_result *result,
                       const struct wh_evidence *evidence)
{
    markdown_prose(out, evidence->text, SENTENCE_BYTES);
    add_frames(out, result, evidence);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void stall_row(struct markdown *page, const struct wh_stall *stall)
{
    struct buffer *out = &page->out;
    int64_t start_unix_ns = number_sum(page->result->epoch_unix_ns, stall->start_ns);
    buffer_printf(out, "| %" PRIu32 " | %s | %s | %s%s | %s | ", stall->id,
                  number_utc(start_unix_ns, ' ', 6).text, number_seconds(stall->start_ns, 6).text,
                  number_seconds(stall->end_ns, 6).text, stall->resumed ? "" : " (not over)",
                  number_seconds(number_sum(stall->end_ns, -stall->start_ns), 3).text);
    markdown_segment(out, page->result, stall->segment, stall->segment_span);
    buffer_printf(out, " | `%s` | %s | %s | %" PRIu32 " | %s | %s |\n", wh_cause_word(stall->cause),
                  words_direction(stall->direction), words_scope(stall->scope), stall->flow,
                  number_count(stall->bytes_waiting).text, number_percent(stall->confidence).text);
}

static void stall_table(struct markdown *page, const uint32_t *order, uint32_t count)
{
    uint32_t left_out = page->result->stall_count - count;
    buffer_add(&page->out,
               "| no. | start, UTC | from, s | to, s | length, s | segment | cause | direction | "
               "scope | flow | bytes waiting | sure |\n"
               "|---:|---|---:|---:|---:|---|---|---|---|---:|---:|---:|\n");
    for (uint32_t i = 0; i < count; i++) {
        size_t mark = page->out.length;
        stall_row(page, &page->result->stalls[order[i]]);
        left_out += !markdown_keep(page, mark);
    }
    markdown_more(page, left_out, "stalls");
}

/* ---- stall by stall -------------------------------------------------------------------------- */

/* One line: a point, perhaps one of its files, and what filter shows there. */
static void filter_line(struct markdown *page, const char *point, const char *file,
                        const char *filter, const char *what)
{
    buffer_add(&page->out, "    - ");
    markdown_code(&page->out, point, MARKDOWN_NAME_BYTES);
    if (file) {
        buffer_add(&page->out, " ");
        markdown_code(&page->out, file, MARKDOWN_NAME_BYTES);
    }
    buffer_printf(&page->out, ", %s: `%s`\n", what, filter);
}

static void point_filters(struct markdown *page, const struct wh_stall *stall, uint32_t index)
{
    const struct wh_point *point = &page->result->points[index];
    for (uint32_t f = 0; f < point->file_count && f < FILES_FILTERED; f++) {
        struct buffer filter = {0};
        const struct wh_frame frame = {(uint16_t)index, (uint16_t)f, 0};
        if (filter_frames(&filter, stall, index, f) && !filter.failed)
            filter_line(page, point->name, words_frame_file(page->result, &frame), filter.bytes,
                        "evidence");
        page->out.failed = page->out.failed || filter.failed;
        buffer_free(&filter);
    }
    struct buffer filter = {0};
    if (filter_flow(&filter, page->result, stall, index) && !filter.failed)
        filter_line(page, point->name, NULL, filter.bytes, "flow");
    page->out.failed = page->out.failed || filter.failed;
    buffer_free(&filter);
}

/* One stall's evidence and filters as a list; false where there was no room. */
static bool stall_evidence(struct markdown *page, const struct wh_stall *stall)
{
    struct buffer *out = &page->out;
    size_t mark = out->length;
    buffer_printf(out, "- **Stall %" PRIu32 "**, flow %" PRIu32 ", from %s s to %s s: `%s` in ",
                  stall->id, stall->flow, number_seconds(stall->start_ns, 3).text,
                  number_seconds(stall->end_ns, 3).text, wh_cause_word(stall->cause));
    markdown_segment(out, page->result, stall->segment, stall->segment_span);
    if (stall->caused_by)
        buffer_printf(out, ", caused by stall %" PRIu32, stall->caused_by);
    buffer_add(out, "\n");
    for (uint32_t i = 0; i < stall->evidence_count && i < EVIDENCE_SHOWN; i++) {
        buffer_add(out, "  - ");
        markdown_evidence(out, page->result, &stall->evidence[i]);
        buffer_add(out, "\n");
    }
    if (stall->evidence_count > EVIDENCE_SHOWN)
        buffer_printf(out, "  - and %s more\n",
                      number_count(stall->evidence_count - EVIDENCE_SHOWN).text);
    if (!markdown_keep(page, mark))
        return false;
    mark = out->length;
    buffer_add(out, "  - display filters:\n");
    size_t empty = out->length;
    for (uint32_t p = 0; p < page->result->point_count; p++)
        point_filters(page, stall, p);
    if (out->length == empty && !out->failed) {
        out->length = mark;
        buffer_bytes(out, "", 0);
    }
    markdown_keep(page, mark);
    return true;
}

/* The longest, in order of time. */
static void stalls_evidence(struct markdown *page)
{
    uint32_t count = 0;
    uint32_t *order = facts_longest_stalls(page->result, STALLS_PROVED, &count);
    bool folded = count > OPEN_STALLS;
    if (!order) {
        page->out.failed = true;
        return;
    }
    uint32_t left_out = page->result->stall_count - count;
    buffer_add(&page->out, folded ? "\n<details><summary>Evidence and display filters, stall by "
                                    "stall</summary>\n\n"
                                  : "\n**Evidence and display filters**\n\n");
    buffer_add(&page->out,
               "The filters are for Wireshark or `tshark -Y`, on the file of the point they are "
               "given for: *evidence* shows the frames named above it, *flow* the whole flow, from "
               "0.1 s before the stall to 0.1 s after it, with the addresses and by the clock of "
               "that point.\n\n");
    for (uint32_t i = 0; i < count; i++)
        left_out += !stall_evidence(page, &page->result->stalls[order[i]]);
    free(order);
    markdown_more(page, left_out, "stalls");
    if (folded)
        buffer_add(&page->out, "\n</details>\n");
}

void markdown_stalls(struct markdown *page)
{
    const struct wh_result *result = page->result;
    uint32_t count = 0;
    markdown_section(page, "Stalls", MARKDOWN_STALLS_SHARE / 3);
    facts_stall_summary(&page->out, result);
    buffer_add(&page->out, "\n");
    if (!result->stall_count)
        return;
    uint32_t *order = facts_longest_stalls(result, STALLS_SHOWN, &count);
    if (!order) {
        page->out.failed = true;
        return;
    }
    buffer_add(&page->out, "\n");
    stall_table(page, order, count);
    free(order);
    page->limit = page->out.length + MARKDOWN_STALLS_SHARE / 3 * 2;
    stalls_evidence(page);
}
