/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report as an issue for GitHub or GitLab, below the size that these take. Every section has a
 * share of it; a row that does not fit is taken back and counted.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

void markdown_section(struct markdown *page, const char *title, size_t share)
{
    buffer_printf(&page->out, "\n### %s\n\n", title);
    page->limit = page->out.length + share;
}

bool markdown_keep(struct markdown *page, size_t mark)
{
    if (page->out.failed || page->out.length <= page->limit)
        return true;
    page->out.length = mark;
    buffer_bytes(&page->out, "", 0);
    return false;
}

void markdown_more(struct markdown *page, uint64_t left_out, const char *what)
{
    if (left_out)
        buffer_printf(&page->out, "\n...and %s more %s in `report.json`.\n",
                      number_count(left_out).text, what);
}

void markdown_segment(struct buffer *out, const struct wh_result *result, uint32_t segment,
                      uint32_t span)
{
    struct buffer name = {0};
    words_segment(&name, result, segment, span);
    if (name.failed)
        out->failed = true;
    else
        markdown_code(out, name.bytes, (size_t)2 * MARKDOWN_NAME_BYTES);
    buffer_free(&name);
}

/* ---- head ------------------------------------------------------------------------------------ */

static void head(struct markdown *page)
{
    const struct wh_result *result = page->result;
    const struct wh_verdict *verdict = &result->verdict;
    struct buffer *out = &page->out;
    buffer_add(out, "## ");
    if (verdict->stalled) {
        markdown_segment(out, result, verdict->segment, verdict->segment_span);
        buffer_printf(out,
                      verdict->cause == WH_CAUSE_UNKNOWN ? " stalls, cause `%s`" : " stalls: `%s`",
                      wh_cause_word(verdict->cause));
    } else {
        buffer_add(out, "No stall");
    }
    buffer_printf(out, " (%s sure)\n\n**Verdict:** ", number_percent(verdict->confidence).text);
    markdown_prose(out, verdict->sentence, 700);
    if (verdict->stalled)
        buffer_printf(out, "\n\n`%s`: %s.", wh_cause_word(verdict->cause),
                      words_cause_meaning(verdict->cause));
    buffer_printf(out,
                  "\n\nCaptured from %s UTC on, for %s s. Offsets below count from there, in "
                  "seconds; a frame's number is the one that Wireshark shows. ",
                  number_utc(result->epoch_unix_ns, ' ', 9).text,
                  number_seconds(result->duration_ns, 3).text);
    buffer_add(out, facts_path_order(result));
    buffer_add(out, "\n");
}

static void pictures(struct markdown *page)
{
    size_t left_out = 0;
    if (!page->picture_count)
        return;
    page->limit = page->out.length + 1500;
    buffer_add(&page->out, "\n");
    for (size_t i = 0; i < page->picture_count; i++) {
        size_t mark = page->out.length;
        markdown_picture(&page->out, page->pictures[i]);
        left_out += !markdown_keep(page, mark);
    }
    if (left_out)
        buffer_printf(&page->out, "\n...and %s more in `plots/`.\n", number_count(left_out).text);
}

/* ---- how it was made ------------------------------------------------------------------------- */

static void how_made(struct markdown *page)
{
    markdown_section(page, "How this report was made", MARKDOWN_COMMAND_SHARE);
    if (page->command)
        markdown_command(&page->out, page->command, MARKDOWN_COMMAND_SHARE - 100);
    buffer_printf(&page->out,
                  "\nwhichhop %s, run `%s`: `report.json` and `events.csv` with the "
                  "same run belong to it.\n",
                  WH_VERSION, page->run);
}

char *report_markdown(const struct wh_result *result, const char *run, const char *command,
                      const char *const *picture_paths, size_t picture_count)
{
    static void (*const SECTIONS[])(struct markdown * page) = {
        head,           markdown_warnings,   pictures,        markdown_path, markdown_stalls,
        markdown_flows, markdown_hypotheses, markdown_points, how_made,
    };
    struct markdown page = {.result = result,
                            .run = run,
                            .command = command,
                            .pictures = picture_paths,
                            .picture_count = picture_count};
    for (size_t i = 0; i < sizeof SECTIONS / sizeof *SECTIONS; i++)
        SECTIONS[i](&page);
    return buffer_take(&page.out);
}
