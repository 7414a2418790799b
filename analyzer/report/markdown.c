/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report as an issue for GitHub or GitLab, below the size that these take. Every section has a
 * share of it; a row that does not fit is taken back and counted.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

#define PICTURES_SHARE 2200u /* of the head's */

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

static void head_suspicions(struct markdown *page)
{
    struct buffer facts = {0};
    facts_suspicions(&facts, page->result);
    if (facts.length) {
        buffer_add(&page->out, "\n\n");
        markdown_prose(&page->out, facts.failed ? "" : facts.bytes, 250);
    }
    page->out.failed = page->out.failed || facts.failed;
    buffer_free(&facts);
}

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
    markdown_prose(out, verdict->sentence, 500);
    if (*facts_span(verdict))
        buffer_printf(out, " %s", facts_span(verdict));
    if (verdict->stalled)
        buffer_printf(out, "\n\n`%s`: %s.", wh_cause_word(verdict->cause),
                      words_cause_meaning(verdict->cause));
    head_suspicions(page);
    buffer_printf(out,
                  "\n\nCaptured from %s UTC on, for %s s. Offsets below count from there, in "
                  "seconds; a frame's number is the one that Wireshark shows. ",
                  number_utc(result->epoch_unix_ns, ' ', 9).text,
                  number_seconds(result->duration_ns, 3).text);
    buffer_add(out, facts_path_order(result));
    buffer_add(out, "\n");
}

/* "plots/path.png" is picture "path", "plots/flow-3-delay.png" one of flow 3. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What a picture shows, by the beginning or a part of its name. */
static const char *picture_title(const char *path)
{
    static const char *const TITLES[][2] = {
        {"path", "The path: what was lost and stalled at each segment"},
        {"flows", "All flows over time, stalls coloured by segment"},
        {"-sequence", "Stream offset over time at every point"},
        {"-throughput", "Throughput at every point"},
        {"-delay", "Delay of each segment, both ways"},
        {"-window", "Window and bytes in flight"},
    };
    for (size_t i = 0; i < sizeof TITLES / sizeof *TITLES; i++)
        if (strstr(base_name(path), TITLES[i][0]))
            return TITLES[i][1];
    return path;
}

static void one_picture(struct markdown *page, const char *path)
{
    struct buffer title = {0};
    const char *name = base_name(path);
    if (strncmp(name, "flow-", 5) == 0 && name[5] >= '1' && name[5] <= '9')
        buffer_printf(&title, "Flow %.*s: ", (int)strspn(name + 5, "0123456789"), name + 5);
    buffer_add(&title, picture_title(path));
    buffer_add(&page->out, "\n");
    markdown_picture(&page->out, title.failed ? "" : title.bytes, path);
    page->out.failed = page->out.failed || title.failed;
    buffer_free(&title);
}

static bool is_of_a_flow(const char *path)
{
    return strncmp(base_name(path), "flow-", 5) == 0;
}

/* Those of the whole first, those of single flows folded away. */
static void pictures(struct markdown *page)
{
    size_t left_out = 0, folded = 0;
    page->limit = page->out.length + PICTURES_SHARE;
    for (size_t i = 0; i < page->picture_count; i++) {
        size_t mark = page->out.length;
        folded += is_of_a_flow(page->pictures[i]);
        if (is_of_a_flow(page->pictures[i]))
            continue;
        one_picture(page, page->pictures[i]);
        left_out += !markdown_keep(page, mark);
    }
    if (folded)
        buffer_add(&page->out, "\n<details><summary>The worst flows in pictures</summary>\n");
    for (size_t i = 0; i < page->picture_count && folded; i++) {
        size_t mark = page->out.length;
        if (!is_of_a_flow(page->pictures[i]))
            continue;
        one_picture(page, page->pictures[i]);
        left_out += !markdown_keep(page, mark);
    }
    if (folded)
        buffer_add(&page->out, "\n</details>\n");
    if (left_out)
        buffer_printf(&page->out, "\n...and %s more in `plots/`.\n", number_count(left_out).text);
}

/* ---- how it was made ------------------------------------------------------------------------- */

static void how_made(struct markdown *page)
{
    struct buffer versions = {0};
    markdown_section(page, "How this report was made", MARKDOWN_COMMAND_SHARE);
    if (page->command)
        markdown_command(&page->out, page->command, MARKDOWN_COMMAND_SHARE - 800);
    facts_versions(&versions);
    buffer_add(&page->out, "\nMade by ");
    markdown_prose(&page->out, versions.failed ? "" : versions.bytes, 300);
    buffer_printf(&page->out,
                  ". Run `%s`: the files of the same folder that bear it belong to this one. "
                  "`report.json` has everything, `events.csv` each retransmission, loss and "
                  "duplicate with its frame%s. `whichhop explain` tells what the words mean and "
                  "what to do.\n",
                  page->run, page->picture_count ? ", `plots/` the pictures, as SVG, too" : "");
    page->out.failed = page->out.failed || versions.failed;
    buffer_free(&versions);
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
