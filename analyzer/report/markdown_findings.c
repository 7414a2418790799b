/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Markdown report: stalls with evidence, the flows that had them, suspicions, warnings. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

#define STALLS_SHOWN   60u
#define EVIDENCE_SHOWN 4u
#define FRAMES_SHOWN   6u
#define SENTENCE_BYTES 300u
#define OPEN_STALLS    3u /* with more, the evidence is folded away */

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

/* ---- stalls ---------------------------------------------------------------------------------- */

static void stall_row(struct markdown *page, const struct wh_stall *stall)
{
    struct buffer *out = &page->out;
    int64_t start_unix_ns = number_sum(page->result->epoch_unix_ns, stall->start_ns);
    buffer_printf(out, "| %" PRIu32 " | %s | %s | %s%s | ", stall->id,
                  number_utc(start_unix_ns, ' ', 6).text, number_seconds(stall->start_ns, 6).text,
                  number_seconds(stall->end_ns - stall->start_ns, 3).text,
                  stall->resumed ? "" : " (to the end)");
    markdown_segment(out, page->result, stall->segment, stall->segment_span);
    buffer_printf(out, " | `%s` | %s | %s | %" PRIu32 " | %s | %s |\n", wh_cause_word(stall->cause),
                  words_direction(stall->direction), words_scope(stall->scope), stall->flow,
                  number_count(stall->bytes_waiting).text, number_percent(stall->confidence).text);
}

static void stall_table(struct markdown *page, const uint32_t *order, uint32_t count)
{
    uint32_t left_out = page->result->stall_count - count;
    buffer_add(&page->out,
               "| no. | start, UTC | offset, s | length, s | segment | cause | direction | scope | "
               "flow | bytes waiting | sure |\n"
               "|---:|---|---:|---:|---|---|---|---|---:|---:|---:|\n");
    for (uint32_t i = 0; i < count; i++) {
        size_t mark = page->out.length;
        stall_row(page, &page->result->stalls[order[i]]);
        left_out += !markdown_keep(page, mark);
    }
    markdown_more(page, left_out, "stalls");
}

/* One stall's evidence as a list; false where there was no room. */
static bool stall_evidence(struct markdown *page, const struct wh_stall *stall)
{
    struct buffer *out = &page->out;
    size_t mark = out->length;
    buffer_printf(out, "- **Stall %" PRIu32 "**, flow %" PRIu32 ", `%s`, ", stall->id, stall->flow,
                  wh_cause_word(stall->cause));
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
    return markdown_keep(page, mark);
}

static void stalls_evidence(struct markdown *page, const uint32_t *order, uint32_t count)
{
    bool folded = count > OPEN_STALLS;
    uint32_t left_out = page->result->stall_count - count;
    buffer_add(&page->out, folded ? "\n<details><summary>Evidence, stall by stall</summary>\n\n"
                                  : "\n**Evidence**\n\n");
    for (uint32_t i = 0; i < count; i++)
        left_out += !stall_evidence(page, &page->result->stalls[order[i]]);
    markdown_more(page, left_out, "stalls");
    if (folded)
        buffer_add(&page->out, "\n</details>\n");
}

void markdown_stalls(struct markdown *page)
{
    const struct wh_result *result = page->result;
    uint32_t count = 0;
    markdown_section(page, "Stalls", MARKDOWN_STALLS_SHARE / 2);
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
    page->limit = page->out.length + MARKDOWN_STALLS_SHARE / 2;
    stalls_evidence(page, order, count);
    free(order);
}

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
    if (hypothesis->to_decide) {
        buffer_add(out, hypothesis->evidence_count ? "<br>To decide: " : "To decide: ");
        markdown_prose(out, hypothesis->to_decide, SENTENCE_BYTES);
    }
    buffer_add(out, " |\n");
    return markdown_keep(page, mark);
}

void markdown_hypotheses(struct markdown *page)
{
    static const enum wh_hypothesis_status ORDER[] = {WH_SUPPORTED, WH_EXCLUDED, WH_UNDECIDED};
    const struct wh_result *result = page->result;
    uint32_t left_out = 0;
    if (!result->hypothesis_count)
        return;
    markdown_section(page, "Suspicions", MARKDOWN_HYPOTHESES_SHARE);
    buffer_add(&page->out, "| what it could be | finding | because |\n|---|---|---|\n");
    for (size_t status = 0; status < sizeof ORDER / sizeof *ORDER; status++)
        for (uint32_t i = 0; i < result->hypothesis_count; i++)
            if (result->hypotheses[i].status == ORDER[status])
                left_out += !hypothesis_row(page, &result->hypotheses[i]);
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
