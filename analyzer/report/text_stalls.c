/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text report: the stalls with their evidence, and the flows that had them. */
#include <inttypes.h>
#include <stdlib.h>

#include "report/parts.h"

#define STALLS_SHOWN 40u
#define FLOWS_SHOWN  20u

static void stall_note(struct buffer *note, const struct wh_result *result,
                       const struct wh_stall *stall)
{
    const char *between = "";
    if (stall->bytes_waiting) {
        buffer_printf(note, "%s %s sent and not acknowledged when it began",
                      number_count(stall->bytes_waiting).text,
                      words_plural(stall->bytes_waiting, "byte was", "bytes were"));
        between = "; ";
    }
    if (stall->caused_by) {
        buffer_printf(note, "%scaused by stall %" PRIu32, between, stall->caused_by);
        between = "; ";
    }
    if (!stall->resumed)
        buffer_printf(note, "%sthe flow did not go on before it or the capture ended", between);
    page_evidence(note, result, stall->evidence, stall->evidence_count);
}

static void stall_row(struct table *table, const struct wh_result *result,
                      const struct wh_stall *stall)
{
    struct buffer name = {0}, note = {0};
    stall_note(&note, result, stall);
    int64_t duration_ns = number_sum(stall->end_ns, -stall->start_ns);
    char id[16], flow[16];
    snprintf(id, sizeof id, "%" PRIu32, stall->id);
    snprintf(flow, sizeof flow, "%" PRIu32, stall->flow);
    page_row(
        table,
        (const char *[]){id, number_seconds(stall->start_ns, 6).text,
                         number_seconds(stall->end_ns, 6).text, number_seconds(duration_ns, 3).text,
                         page_segment(&name, result, stall->segment, stall->segment_span),
                         wh_cause_word(stall->cause), words_direction(stall->direction),
                         words_scope(stall->scope), flow, number_percent(stall->confidence).text},
        &note);
    buffer_free(&name);
}

void text_stalls(struct page *page)
{
    static const struct column COLUMNS[] = {
        {"no.", true},      {"from, s", true}, {"to, s", true},      {"length, s", true},
        {"segment", false}, {"cause", false},  {"direction", false}, {"scope", false},
        {"flow", true},     {"sure", true},
    };
    const struct wh_result *result = page->result;
    page_heading(page, "Stalls");
    struct buffer summary = {0};
    facts_stall_summary(&summary, result);
    page_say(page, &summary, 2);
    if (!result->stall_count)
        return;
    uint32_t shown = 0;
    uint32_t *order = facts_longest_stalls(result, STALLS_SHOWN, &shown);
    if (!order) {
        page->out.failed = true;
        return;
    }
    struct table table = {.columns = COLUMNS, .count = sizeof COLUMNS / sizeof *COLUMNS};
    for (uint32_t i = 0; i < shown; i++)
        stall_row(&table, result, &result->stalls[order[i]]);
    free(order);
    table_end(&table, &page->out, &page->style);
    if (shown < result->stall_count) {
        struct buffer more = {0};
        buffer_printf(&more, "These are the %" PRIu32 " longest; the other %s are in report.json.",
                      shown, number_count(result->stall_count - shown).text);
        page_say(page, &more, 2);
    }
}

void text_stalled_flows(struct page *page)
{
    const struct wh_result *result = page->result;
    uint32_t shown = 0, stalled = 0;
    for (uint32_t i = 0; i < result->flow_count; i++) {
        const struct wh_flow *flow = &result->flows[i];
        if (!flow->stall_count)
            continue;
        if (!stalled++)
            page_heading(page, "Flows that stalled, client to server");
        if (shown == FLOWS_SHOWN)
            continue;
        shown++;
        struct buffer line = {0};
        buffer_printf(&line, "%" PRIu32 ", ", flow->id);
        utf8_add_line(&line, words_or(flow->protocol, "?"));
        buffer_printf(&line, ", %s to the client, %s to the server",
                      number_bytes(flow->bytes_to_client).text,
                      number_bytes(flow->bytes_to_server).text);
        if (flow->rtt_ns != WH_NONE)
            buffer_printf(&line, ", RTT %s", number_delay(flow->rtt_ns).text);
        if (flow->joined)
            buffer_printf(&line, ", joined by a proxy (pair %" PRIu32 ")", flow->joined);
        page_say(page, &line, 2);
        struct buffer names = {0};
        facts_flow_names(&names, result, flow);
        page_say(page, &names, 6);
    }
    if (stalled > shown) {
        struct buffer more = {0};
        buffer_printf(&more, "and %s more, in report.json", number_count(stalled - shown).text);
        page_say(page, &more, 2);
    }
}
