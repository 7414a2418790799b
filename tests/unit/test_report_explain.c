/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is known of causes and suspicions: complete, the same in every place, and findable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "blame/knowledge.h"
#include "report/parts.h"

static void assert_sentence(const char *text)
{
    assert_non_null(text);
    assert_true(strlen(text) > 20);
    assert_true(strchr(".?", text[strlen(text) - 1]) != NULL);
    assert_null(strstr(text, "  "));
}

static void assert_complete(const struct knowledge *known)
{
    assert_non_null(known->id);
    assert_true(strlen(known->title) > 10);
    assert_sentence(known->meaning);
    assert_sentence(known->proof);
    assert_sentence(known->exclusion);
    assert_sentence(known->capture);
    assert_sentence(known->action);
}

static void every_cause_is_known(void **state)
{
    (void)state;
    for (int cause = 0; cause < WH_CAUSE_COUNT; cause++) {
        const struct knowledge *known = knowledge_of_cause((enum wh_cause)cause);
        assert_complete(known);
        assert_string_equal(known->id, wh_cause_word((enum wh_cause)cause));
    }
    assert_ptr_equal(knowledge_of_cause((enum wh_cause)99), knowledge_of_cause(WH_CAUSE_UNKNOWN));
}

static void every_suspicion_is_known(void **state)
{
    (void)state;
    size_t count;
    const struct knowledge *all = knowledge_suspicions(&count);
    for (size_t i = 0; i < count; i++) {
        assert_complete(&all[i]);
        assert_ptr_equal(knowledge_of_suspicion(all[i].id), &all[i]);
    }
    assert_null(knowledge_of_suspicion("gremlins"));
}

static void assert_width(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        assert_true(length <= REPORT_COLUMNS);
        assert_true(!length || text[length - 1] != ' ');
        text += length + (text[length] == '\n');
    }
}

/* The list has every word, and each word of the list is explained. */
static void the_list_leads_to_each(void **state)
{
    (void)state;
    char *list = wh_explain(NULL), *all = wh_explain("all");
    size_t count;
    const struct knowledge *suspicions = knowledge_suspicions(&count);
    assert_non_null(list);
    assert_non_null(all);
    assert_width(list);
    assert_width(all);
    for (size_t i = 0; i < count + WH_CAUSE_COUNT; i++) {
        const struct knowledge *known =
            i < count ? &suspicions[i] : knowledge_of_cause((enum wh_cause)(i - count));
        char *text = wh_explain(known->id);
        assert_non_null(text);
        assert_non_null(strstr(text, known->title));
        assert_non_null(strstr(list, known->title));
        assert_non_null(strstr(all, known->title));
        free(text);
    }
    free(list);
    free(all);
}

static void words_are_found_as_people_write_them(void **state)
{
    (void)state;
    char *text = wh_explain("netback-slots"), *both = wh_explain("mtu_blackhole");
    assert_non_null(text);
    assert_non_null(both);
    assert_non_null(strstr(both, "mtu_blackhole (cause)"));
    assert_non_null(strstr(both, "mtu_blackhole (suspicion)"));
    assert_null(wh_explain("netback"));
    assert_null(wh_explain("freezes"));
    assert_null(wh_explain(""));
    free(text);
    free(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cause_is_known),
        cmocka_unit_test(every_suspicion_is_known),
        cmocka_unit_test(the_list_leads_to_each),
        cmocka_unit_test(words_are_found_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
