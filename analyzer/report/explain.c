/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `whichhop explain`: what is known of a cause or a suspicion, apart from any capture. */
#include <string.h>

#include "blame/knowledge.h"
#include "report/parts.h"

static void part(struct buffer *out, const char *title, const char *text)
{
    buffer_printf(out, "\n  %s\n", title);
    lines_wrap(out, text, 6);
}

static void explain_one(struct buffer *out, const struct knowledge *known, const char *kind)
{
    buffer_printf(out, "%s%s (%s)\n", out->length ? "\n" : "", known->id, kind);
    lines_wrap(out, known->title, 2);
    part(out, "What it means", known->meaning);
    part(out, "What proves it", known->proof);
    part(out, "What speaks against it", known->exclusion);
    part(out, "What to capture or to look at next", known->capture);
    part(out, "What to do", known->action);
}

static void list(struct buffer *out)
{
    static const struct column COLUMNS[] = {{"", false}, {"", false}};
    static const struct style PLAIN = {"", "", "", "", ""};
    size_t count;
    const struct knowledge *suspicions = knowledge_suspicions(&count);
    struct table table = {.columns = COLUMNS, .count = 2, .no_titles = true};
    buffer_add(out, "Causes of a stall\n");
    for (int cause = 0; cause < WH_CAUSE_COUNT; cause++) {
        const struct knowledge *known = knowledge_of_cause((enum wh_cause)cause);
        table_row(&table, (const char *[]){known->id, known->title}, NULL);
    }
    table_end(&table, out, &PLAIN);
    buffer_add(out, "\nSuspicions\n");
    for (size_t i = 0; i < count; i++)
        table_row(&table, (const char *[]){suspicions[i].id, suspicions[i].title}, NULL);
    table_end(&table, out, &PLAIN);
    buffer_add(
        out, "\nwhichhop explain WORD tells what one of them means, what proves it, what speaks "
             "against\nit, what to capture next, and what to do; whichhop explain all, of all.\n");
}

/* Scripts and people write netback-slots as well as netback_slots. */
static bool same_word(const char *word, const char *id)
{
    for (; *word && (*word == *id || (*word == '-' && *id == '_')); word++)
        id++;
    return !*word && !*id;
}

char *wh_explain(const char *word)
{
    struct buffer out = {0};
    size_t count;
    const struct knowledge *suspicions = knowledge_suspicions(&count);
    if (!word) {
        list(&out);
        return buffer_take(&out);
    }
    bool all = strcmp(word, "all") == 0;
    for (int cause = 0; cause < WH_CAUSE_COUNT; cause++) {
        const struct knowledge *known = knowledge_of_cause((enum wh_cause)cause);
        if (all || same_word(word, known->id))
            explain_one(&out, known, "cause");
    }
    for (size_t i = 0; i < count; i++)
        if (all || same_word(word, suspicions[i].id))
            explain_one(&out, &suspicions[i], "suspicion");
    if (!out.length) {
        buffer_free(&out);
        return NULL;
    }
    return buffer_take(&out);
}
