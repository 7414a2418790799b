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
    if (hypothesis->to_decide) {
        buffer_add(&note, note.length ? "\nTo decide: " : "To decide: ");
        utf8_add_line(&note, hypothesis->to_decide);
    }
    page_notes(page, &note);
}

void text_hypotheses(struct page *page)
{
    static const enum wh_hypothesis_status ORDER[] = {WH_SUPPORTED, WH_EXCLUDED, WH_UNDECIDED};
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
