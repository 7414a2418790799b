/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text report: verdict first, then what it rests on. Plain ASCII apart from names, so that it
 * reads in a mail as on a terminal.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/parts.h"

#define EVIDENCE_SHOWN 4u
#define FRAMES_SHOWN   6u

void page_heading(struct page *page, const char *title)
{
    buffer_printf(&page->out, "\n%s%s%s\n", page->style.bold, title, page->style.plain);
}

/* Wraps and frees the sentence. */
void page_say(struct page *page, struct buffer *sentence, unsigned indent)
{
    buffer_bytes(sentence, "", 0);
    if (sentence->failed)
        page->out.failed = true;
    else
        lines_wrap(&page->out, sentence->bytes, indent);
    buffer_free(sentence);
}

void page_say_text(struct page *page, const char *text, unsigned indent)
{
    struct buffer sentence = {0};
    utf8_add_line(&sentence, text);
    page_say(page, &sentence, indent);
}

void page_notes(struct page *page, struct buffer *note)
{
    buffer_bytes(note, "", 0);
    if (note->failed)
        page->out.failed = true;
    else
        lines_notes(&page->out, note->bytes);
    buffer_free(note);
}

void page_row(struct table *table, const char *const *cells, struct buffer *note)
{
    table_row(table, cells, note->failed ? NULL : note->bytes);
    table->cells.failed = table->cells.failed || note->failed;
    buffer_free(note);
}

/* A segment's name as a string for a table's cell; the caller frees the buffer. */
const char *page_segment(struct buffer *name, const struct wh_result *result, uint32_t segment,
                         uint32_t span)
{
    words_segment(name, result, segment, span);
    return name->failed ? "" : name->bytes;
}

/* ---- verdict --------------------------------------------------------------------------------- */

/* servers -- eth0 -- xenbrE ==[freeze]== xenbrD -- clients */
static void draw_path(struct page *page)
{
    const struct wh_result *result = page->result;
    const struct wh_verdict *verdict = &result->verdict;
    struct buffer path = {0};
    buffer_add(&path, "servers");
    for (uint32_t segment = 0; segment <= result->point_count; segment++) {
        if (verdict->stalled && words_in_span(segment, verdict->segment, verdict->segment_span))
            buffer_printf(&path, verdict->segment_span > 1 ? " ==[%s?]== " : " ==[%s]== ",
                          wh_cause_word(verdict->cause));
        else
            buffer_add(&path, " -- ");
        utf8_add_line(&path, words_neighbour(result, segment + 1));
    }
    page_say(page, &path, 2);
}

static void say_verdict(struct page *page)
{
    const struct wh_result *result = page->result;
    const struct wh_verdict *verdict = &result->verdict;
    struct buffer title = {0};
    if (verdict->stalled) {
        utf8_add_line(&title, "Verdict: ");
        struct buffer name = {0};
        utf8_add_line(&title, page_segment(&name, result, verdict->segment, verdict->segment_span));
        buffer_free(&name);
        buffer_printf(&title, verdict->cause == WH_CAUSE_UNKNOWN ? ", cause %s" : ", %s",
                      wh_cause_word(verdict->cause));
    } else {
        buffer_add(&title, "Verdict: no stall");
    }
    buffer_printf(&title, " (%s sure)", number_percent(verdict->confidence).text);
    buffer_add(&page->out, verdict->stalled ? page->style.bad : page->style.good);
    page_say(page, &title, 0);
    buffer_add(&page->out, page->style.plain);
    page_say_text(page, words_or(verdict->sentence, ""), 2);
    if (verdict->stalled && result->hypothesis_count) {
        struct buffer suspicions = {0};
        facts_suspicions(&suspicions, result);
        page_say(page, &suspicions, 2);
    }
    buffer_add(&page->out, "\n");
    draw_path(page);
    if (*facts_span(verdict))
        page_say_text(page, facts_span(verdict), 2);
    struct buffer times = {0};
    buffer_printf(&times, "Times below are seconds since %s UTC; the captures last %s s.",
                  number_utc(result->epoch_unix_ns, ' ', 9).text,
                  number_seconds(result->duration_ns, 3).text);
    buffer_add(&page->out, "\n");
    page_say_text(page, facts_path_order(result), 2);
    page_say(page, &times, 2);
    page_say_text(page, "In brackets: point and frame, numbered as Wireshark numbers that file.",
                  2);
}

/* What each cause in the ranking means. */
static void say_meanings(struct page *page)
{
    const struct wh_verdict *verdict = &page->result->verdict;
    for (int cause = 0; cause < WH_CAUSE_COUNT; cause++) {
        bool named = false;
        for (uint32_t i = 0; i < verdict->ranking_count; i++)
            named = named || (int)verdict->ranking[i].cause == cause;
        if (!named)
            continue;
        struct buffer meaning = {0};
        buffer_printf(&meaning, "%s: %s.", wh_cause_word((enum wh_cause)cause),
                      words_cause_meaning((enum wh_cause)cause));
        page_say(page, &meaning, 2);
    }
}

static void say_ranking(struct page *page)
{
    static const struct column COLUMNS[] = {
        {"segment", false}, {"cause", false}, {"stalled, s", true}, {"share", true},
        {"stalls", true},   {"flows", true},  {"sure", true},
    };
    const struct wh_verdict *verdict = &page->result->verdict;
    if (!verdict->ranking_count)
        return;
    page_heading(page, "Where the time went");
    struct table table = {.columns = COLUMNS, .count = sizeof COLUMNS / sizeof *COLUMNS};
    for (uint32_t i = 0; i < verdict->ranking_count; i++) {
        const struct wh_ranking *row = &verdict->ranking[i];
        struct buffer name = {0};
        table_row(
            &table,
            (const char *[]){page_segment(&name, page->result, row->segment, row->segment_span),
                             wh_cause_word(row->cause), number_seconds(row->stall_time_ns, 3).text,
                             number_percent(row->share).text, number_count(row->stalls).text,
                             number_count(row->flows).text, number_percent(row->confidence).text},
            NULL);
        buffer_free(&name);
    }
    table_end(&table, &page->out, &page->style);
    page_say_text(
        page, "A second in which several flows stall for one cause in one segment counts once.", 2);
    say_meanings(page);
}

/* ---- evidence -------------------------------------------------------------------------------- */

/* [xenbrE frame 4711, 4712, xenbrD frame 4698] */
static void add_frames(struct buffer *out, const struct wh_result *result,
                       const struct wh_evidence *evidence)
{
    uint32_t shown = evidence->frame_count < FRAMES_SHOWN ? evidence->frame_count : FRAMES_SHOWN;
    for (uint32_t i = 0; i < shown; i++) {
        const struct wh_frame *frame = &evidence->frames[i];
        const char *file = words_or(words_frame_file(result, frame), "");
        buffer_add(out, i ? ", " : " [");
        if (i == 0 || frame->point != frame[-1].point || frame->file != frame[-1].file) {
            utf8_add_line(out, words_frame_point(result, frame));
            buffer_add(out, *file ? " (" : "");
            utf8_add_line(out, file);
            buffer_add(out, *file ? ") frame " : " frame ");
        }
        buffer_printf(out, "%" PRIu32, frame->frame);
    }
    if (evidence->frame_count > shown)
        buffer_printf(out, " and %s more", number_count(evidence->frame_count - shown).text);
    if (shown)
        buffer_add(out, "]");
}

void page_evidence(struct buffer *out, const struct wh_result *result,
                   const struct wh_evidence *evidence, uint32_t count)
{
    for (uint32_t i = 0; i < count && i < EVIDENCE_SHOWN; i++) {
        if (out->length)
            buffer_add(out, "\n");
        utf8_add_line(out, words_or(evidence[i].text, ""));
        add_frames(out, result, &evidence[i]);
    }
    if (count > EVIDENCE_SHOWN)
        buffer_printf(out, "\nand %s more", number_count(count - EVIDENCE_SHOWN).text);
}

/* ---- all ------------------------------------------------------------------------------------- */

char *report_text_run(const struct wh_result *result, const char *run, const char *command,
                      bool pictures, bool colours)
{
    static const struct style PLAIN = {"", "", "", "", ""};
    static const struct style COLOURS = {"\033[1m", "\033[1;32m", "\033[1;31m", "\033[2m",
                                         "\033[0m"};
    static void (*const SECTIONS[])(struct page *) = {
        say_verdict,        text_warnings,   say_ranking,   text_stalls,
        text_stalled_flows, text_joints,     text_segments, text_points,
        text_matching,      text_hypotheses, text_made,
    };
    struct page page = {.result = result,
                        .run = run,
                        .command = command,
                        .pictures = pictures,
                        .style = colours ? COLOURS : PLAIN};
    for (size_t i = 0; i < sizeof SECTIONS / sizeof *SECTIONS; i++)
        SECTIONS[i](&page);
    return buffer_take(&page.out);
}

char *report_text(const struct wh_result *result, const char *command, bool colours)
{
    char run[REPORT_RUN_SIZE];
    return report_run(result, run) ? NULL : report_text_run(result, run, command, false, colours);
}
