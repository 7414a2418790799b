/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text report: suspicions and warnings. */
#include "report/parts.h"

#define WARNINGS_SHOWN 50u

static void say_hypothesis(struct page *page, const struct wh_hypothesis *hypothesis)
{
    struct buffer title = {0}, note = {0};
    buffer_printf(&title, "%s: ", wh_hypothesis_word(hypothesis->status));
    utf8_add_line(&title, words_or(hypothesis->title, words_or(hypothesis->id, "?")));
    page_say(page, &title, 2);
    page_evidence(&note, page->result, hypothesis->evidence, hypothesis->evidence_count);
    const char *to_do = facts_what_to_do(hypothesis);
    if (hypothesis->to_decide || to_do) {
        buffer_add(&note, note.length ? "\n" : "");
        buffer_add(&note, hypothesis->to_decide ? "To decide: " : "To do: ");
        utf8_add_line(&note, hypothesis->to_decide ? hypothesis->to_decide : to_do);
    }
    page_notes(page, &note);
}

void text_hypotheses(struct page *page)
{
    static const enum wh_hypothesis_status ORDER[] = {WH_SUPPORTED, WH_UNDECIDED, WH_EXCLUDED};
    const struct wh_result *result = page->result;
    if (!result->hypothesis_count)
        return;
    page_heading(page, "Suspicions");
    for (size_t status = 0; status < sizeof ORDER / sizeof *ORDER; status++)
        for (uint32_t i = 0; i < result->hypothesis_count; i++)
            if (result->hypotheses[i].status == ORDER[status])
                say_hypothesis(page, &result->hypotheses[i]);
}

void text_warnings(struct page *page)
{
    const struct wh_result *result = page->result;
    if (!result->warning_count && !result->events_dropped)
        return;
    page_heading(page, "Warnings");
    for (uint32_t i = 0; i < result->warning_count && i < WARNINGS_SHOWN; i++) {
        struct buffer line = {0};
        buffer_add(&line, "- ");
        utf8_add_line(&line, result->warnings[i]);
        page_say(page, &line, 2);
    }
    struct buffer more = {0};
    if (result->warning_count > WARNINGS_SHOWN)
        buffer_printf(&more, "- and %s more in report.json. ",
                      number_count(result->warning_count - WARNINGS_SHOWN).text);
    if (result->events_dropped)
        buffer_printf(&more,
                      "- events.csv ends %s events early, at the list's limit; the counts "
                      "hold them all.",
                      number_count(result->events_dropped).text);
    if (more.length)
        page_say(page, &more, 2);
    buffer_free(&more);
}

/* What a reader needs to make the report again. */
void text_made(struct page *page)
{
    struct buffer versions = {0}, run = {0};
    page_heading(page, "How this report was made");
    if (page->command)
        page_say_text(page, page->command, 2);
    facts_versions(&versions);
    page_say(page, &versions, 2);
    buffer_printf(&run,
                  "Run %s: files of a folder that bear it belong together. whichhop explain tells "
                  "what the words mean and what to do.",
                  page->run);
    page_say(page, &run, 2);
    if (page->pictures)
        page_say_text(
            page,
            "Pictures, each as .svg and .png: plots/path (the path), plots/flows (all flows "
            "over time), plots/flow-N-... (the flows that stalled longest).",
            2);
}
