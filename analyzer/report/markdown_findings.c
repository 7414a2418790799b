/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Markdown report: the flows that stalled, suspicions, warnings. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

#define EVIDENCE_SHOWN 4u
#define SENTENCE_BYTES 300u
#define TO_DO_BYTES    400u

/* ---- flows ----------------------------------------------------------------------------------- */

static bool flow_row(struct markdown *page, const struct wh_flow *flow)
{
    struct buffer names = {0}, *out = &page->out;
    size_t mark = out->length;
    facts_flow_names(&names, page->result, flow);
    buffer_printf(out, "| %" PRIu32 " | ", flow->id);
    markdown_prose(out, flow->protocol, 16);
    buffer_add(out, " | ");
    markdown_prose(out, names.failed ? "" : names.bytes, 400);
    out->failed = out->failed || names.failed;
    buffer_free(&names);
    buffer_printf(out, " | %s | %s | %s | ", number_bytes(flow->bytes_to_client).text,
                  number_bytes(flow->bytes_to_server).text, number_delay(flow->rtt_ns).text);
    markdown_prose(out, flow->match, 60);
    buffer_printf(out, " (%s) | %" PRIu32 " |\n", number_percent(flow->confidence).text,
                  flow->stall_count);
    return markdown_keep(page, mark);
}

void markdown_flows(struct markdown *page)
{
    const struct wh_result *result = page->result;
    uint32_t stalled = 0, left_out = 0;
    for (uint32_t i = 0; i < result->flow_count; i++)
        stalled += result->flows[i].stall_count > 0;
    if (!stalled)
        return;
    markdown_section(page, "Flows that stalled", MARKDOWN_FLOWS_SHARE);
    buffer_add(&page->out,
               "| flow | protocol | client to server, as each point calls it | to client | "
               "to server | RTT | recognised by | stalls |\n"
               "|---:|---|---|---:|---:|---:|---|---:|\n");
    for (uint32_t i = 0; i < result->flow_count; i++)
        if (result->flows[i].stall_count)
            left_out += !flow_row(page, &result->flows[i]);
    markdown_more(page, left_out, "flows");
}

/* ---- suspicions ------------------------------------------------------------------------------ */

/* What would decide it, or what to do about it; nothing where it is excluded. */
static void next_cell(struct buffer *out, const struct wh_hypothesis *hypothesis)
{
    const char *to_do = facts_what_to_do(hypothesis);
    if (hypothesis->to_decide) {
        buffer_add(out, "To decide: ");
        markdown_prose(out, hypothesis->to_decide, TO_DO_BYTES);
    } else if (to_do) {
        buffer_add(out, "To do: ");
        markdown_prose(out, to_do, TO_DO_BYTES);
    }
}

static bool hypothesis_row(struct markdown *page, const struct wh_hypothesis *hypothesis)
{
    struct buffer *out = &page->out;
    size_t mark = out->length;
    buffer_add(out, "| ");
    markdown_prose(out, words_or(hypothesis->title, hypothesis->id), 160);
    buffer_printf(out, hypothesis->status == WH_SUPPORTED ? " | **%s** | " : " | %s | ",
                  wh_hypothesis_word(hypothesis->status));
    for (uint32_t i = 0; i < hypothesis->evidence_count && i < EVIDENCE_SHOWN; i++) {
        buffer_add(out, i ? "<br>" : "");
        markdown_evidence(out, page->result, &hypothesis->evidence[i]);
    }
    if (hypothesis->status != WH_EXCLUDED) {
        buffer_add(out, " | ");
        next_cell(out, hypothesis);
    }
    buffer_add(out, " |\n");
    return markdown_keep(page, mark);
}

/* All rows of one status; returns how many found no room. */
static uint32_t hypothesis_rows(struct markdown *page, enum wh_hypothesis_status status)
{
    uint32_t left_out = 0;
    for (uint32_t i = 0; i < page->result->hypothesis_count; i++)
        if (page->result->hypotheses[i].status == status)
            left_out += !hypothesis_row(page, &page->result->hypotheses[i]);
    return left_out;
}

static uint32_t count_status(const struct wh_result *result, enum wh_hypothesis_status status)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < result->hypothesis_count; i++)
        count += result->hypotheses[i].status == status;
    return count;
}

void markdown_hypotheses(struct markdown *page)
{
    const struct wh_result *result = page->result;
    uint32_t excluded = count_status(result, WH_EXCLUDED), left_out = 0;
    if (!result->hypothesis_count)
        return;
    markdown_section(page, "Suspicions", MARKDOWN_HYPOTHESES_SHARE);
    if (excluded < result->hypothesis_count) {
        buffer_add(&page->out, "| what it could be | finding | because | what next |\n"
                               "|---|---|---|---|\n");
        left_out += hypothesis_rows(page, WH_SUPPORTED);
        left_out += hypothesis_rows(page, WH_UNDECIDED);
    }
    if (excluded) {
        buffer_printf(&page->out, "\n<details><summary>Excluded: %s of %s</summary>\n\n",
                      number_count(excluded).text, number_count(result->hypothesis_count).text);
        buffer_add(&page->out, "| what it could be | finding | because |\n|---|---|---|\n");
        left_out += hypothesis_rows(page, WH_EXCLUDED);
        buffer_add(&page->out, "\n</details>\n");
    }
    markdown_more(page, left_out, "suspicions");
}

/* ---- warnings -------------------------------------------------------------------------------- */

void markdown_warnings(struct markdown *page)
{
    const struct wh_result *result = page->result;
    uint32_t left_out = 0;
    if (!result->warning_count && !result->events_dropped)
        return;
    markdown_section(page, "Warnings", MARKDOWN_WARNINGS_SHARE);
    if (result->events_dropped)
        buffer_printf(&page->out,
                      "- `events.csv` ends %s events early, at the list's limit; the "
                      "counts hold them all.\n",
                      number_count(result->events_dropped).text);
    for (uint32_t i = 0; i < result->warning_count; i++) {
        size_t mark = page->out.length;
        buffer_add(&page->out, "- ");
        markdown_prose(&page->out, result->warnings[i], SENTENCE_BYTES);
        buffer_add(&page->out, "\n");
        left_out += !markdown_keep(page, mark);
    }
    markdown_more(page, left_out, "warnings");
}
