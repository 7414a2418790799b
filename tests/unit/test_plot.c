/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole plots: what is in the file, its size, and what happens when it cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the headers above before it. */
#include <cmocka.h>

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "plot/plot.h"
#include "plot/text.h"
#include "plot_samples.h"

#define LIMIT_BYTES 1000000

/* libplot does not free the copies it makes of its parameters. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libplot\n";
}

static char folder[] = "/tmp/whichhop-plot-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? make_letters() : -1;
}

/* Fails when a test left anything behind. */
static int remove_folder(void **state)
{
    (void)state;
    plot_letters_free(letters);
    return rmdir(folder);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* The file's bytes with a NUL behind them, the file removed; NULL when there was none. */
static char *take_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = 0;
    fclose(file);
    unlink(path);
    return bytes;
}

typedef int write_sequence(const struct plot_sequence *sequence, const struct plot_files *files,
                           struct wh_error *error);

static char *plot_with(write_sequence *write, const struct plot_sequence *sequence,
                       const char *name, size_t *size)
{
    struct wh_error error = {0};
    int status = write(sequence, files_of(in_folder(name)), &error);
    if (status)
        print_error("%s\n", error.text);
    assert_int_equal(status, WH_OK);
    char *bytes = take_file(in_folder(name), size);
    assert_non_null(bytes);
    return bytes;
}

static char *plot(const struct plot_sequence *sequence, const char *name, size_t *size)
{
    return plot_with(plot_write_sequence, sequence, name, size);
}

/* ---- is it well-formed? -------------------------------------------------------------------- */

/* Skips "name" or "name='value'" lists up to '>' or '/'; NULL when wrong. */
static const char *skip_attributes(const char *at)
{
    while (*at && *at != '>' && *at != '/' && *at != '?') {
        if (*at == '<' || *at == '&')
            return NULL;
        if (*at == '"') {
            at = strpbrk(at + 1, "\"<");
            if (!at || *at != '"')
                return NULL;
        }
        at++;
    }
    return *at ? at : NULL;
}

static bool is_entity(const char *at)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(at, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

/* Enough of XML to find what escaping can break: tags that nest, entities, UTF-8, controls. */
static bool is_well_formed(const char *xml)
{
    const char *open[16];
    size_t depth = 0, elements = 0;
    for (const char *at = xml; *at;) {
        if (*at != '<') {
            const char *before = at;
            uint32_t code = text_next(&at);
            if (code == 0xfffd || (code < 0x20 && code != '\n') ||
                (code == '&' && !is_entity(before)))
                return false;
            continue;
        }
        at++;
        const char *name = *at == '/' ? at + 1 : at;
        const char *end = skip_attributes(name);
        if (!end)
            return false;
        size_t length = strcspn(name, " >/");
        if (*at == '/') {
            if (depth == 0 || strncmp(open[--depth], name, length) != 0)
                return false;
        } else if (*at != '?' && *end == '>') {
            if (depth == 16)
                return false;
            open[depth++] = name;
            elements++;
        }
        at = strchr(end, '>');
        if (!at++)
            return false;
    }
    return depth == 0 && elements > 0;
}

static void check_svg(const char *svg, size_t size)
{
    assert_true(size < LIMIT_BYTES);
    assert_int_equal(strlen(svg), size);
    assert_true(is_well_formed(svg));
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "<!DOCTYPE"));
}

/* The signature, the size, and the end of a PNG (ISO 15948, 5.2, 11.2). */
static void check_png(const char *png, size_t size)
{
    assert_true(size < LIMIT_BYTES && size > 64);
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x06\x40\0\0\x03\x84", 24);
    assert_memory_equal(png + size - 8, "IEND\xae\x42\x60\x82", 8);
}

/* Everything that can be drawn of a sequence, in both formats. */
static void check_both(const struct plot_sequence *sequence)
{
    static write_sequence *const writers[] = {plot_write_sequence, plot_write_throughput,
                                              write_gathered_window};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        size_t size;
        char *bytes = plot_with(writers[i], sequence, "p.svg", &size);
        check_svg(bytes, size);
        free(bytes);
        bytes = plot_with(writers[i], sequence, "p.png", &size);
        check_png(bytes, size);
        free(bytes);
    }
}

/* A flow of `seconds` seen at all points, frozen between the first and the rest in the middle. */
struct flow {
    struct plot_point points[WH_POINTS_MAX];
    struct plot_stall stalls[64];
    char labels[64][48];
    struct plot_sequence sequence;
};

static struct flow *make_flow(uint32_t points, uint32_t samples, int64_t duration_ns,
                              uint32_t stalls)
{
    static const char *const names[] = {"eth0", "xenbrE", "xenbrD"};
    struct flow *flow = calloc(1, sizeof *flow);
    assert_non_null(flow);
    uint64_t random = 42;
    for (uint32_t p = 0; p < points; p++) {
        struct plot_sample *list = calloc(samples, sizeof *list);
        assert_non_null(list);
        for (uint32_t i = 0; i < samples; i++) {
            int64_t at = duration_ns / samples * i;
            bool held = p && at > duration_ns / 3 && at < duration_ns / 2;
            list[i] = (struct plot_sample){held ? duration_ns / 2 : at, INT64_C(1448) * i, 1448,
                                           (uint8_t)(next_random(&random) % 500 ? 0 : 1)};
        }
        flow->points[p] = (struct plot_point){names[p % 3], list, samples, NULL, 0};
    }
    for (uint32_t i = 0; i < stalls; i++) {
        int64_t from = duration_ns / stalls * i;
        snprintf(flow->labels[i], sizeof flow->labels[i], "%u: freeze, eth0..xenbrE", i + 1);
        flow->stalls[i] = (struct plot_stall){from, from + duration_ns / stalls / 3,
                                              flow->labels[i], WH_CAUSE_FREEZE};
    }
    flow->sequence =
        (struct plot_sequence){{"tcp 192.0.2.1:80 \xe2\x86\x92 192.0.2.2:5000", "a verdict",
                                "seconds since some time", flow->stalls, stalls, 0, duration_ns},
                               flow->points,
                               points,
                               0};
    return flow;
}

static void free_flow(struct flow *flow)
{
    for (uint32_t p = 0; p < flow->sequence.point_count; p++)
        free((void *)flow->points[p].samples);
    free(flow);
}

/* ---- whole plots --------------------------------------------------------------------------- */

static void test_plain_flow(void **state)
{
    (void)state;
    struct flow *flow = make_flow(3, 9000, 10 * NS_PER_S, 2);
    size_t size;
    char *svg = plot(&flow->sequence, "p.svg", &size);
    check_svg(svg, size);
    assert_non_null(strstr(svg, "<title>tcp 192.0.2.1:80 \xe2\x86\x92 192.0.2.2:5000</title>"));
    assert_non_null(strstr(svg, "<desc>a verdict</desc>"));
    assert_non_null(strstr(svg, ">1: freeze, eth0..xenbrE</text>"));
    assert_non_null(strstr(svg, ">2: freeze, eth0..xenbrE</text>"));
    assert_non_null(strstr(svg, ">stream offset, MB</text>"));
    assert_non_null(strstr(svg, ">xenbrD</text>"));
    assert_null(strstr(svg, "window's edge"));
    free(svg);
    check_both(&flow->sequence);
    free_flow(flow);
}

static void test_large_flow_stays_small(void **state)
{
    (void)state;
    struct flow *flow = make_flow(5, 400000, 3 * 3600 * NS_PER_S, 60);
    check_both(&flow->sequence);
    free_flow(flow);
}

/* Nothing to merge, nothing to join: the most a picture of this size can hold. */
static void test_noise_stays_small(void **state)
{
    (void)state;
    struct flow *flow = make_flow(4, 20000, 10 * NS_PER_S, 3);
    uint64_t random = 7;
    for (uint32_t p = 0; p < 4; p++)
        for (uint32_t i = 0; i < 20000; i++) {
            struct plot_sample *sample = (struct plot_sample *)&flow->points[p].samples[i];
            sample->offset = (int64_t)(next_random(&random) >> 24);
            sample->length = (uint32_t)next_random(&random) & 0xffffffu;
            sample->kind = (uint8_t)(next_random(&random) % (PLOT_KINDS + 1));
        }
    check_both(&flow->sequence);
    free_flow(flow);
}

static void test_same_input_same_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"p.svg", "p.png"};
    struct flow *flow = make_flow(3, 3000, 3 * NS_PER_S, 4);
    for (size_t i = 0; i < 2; i++) {
        size_t size, again;
        char *first = plot(&flow->sequence, names[i], &size);
        /* libplot would take these for itself. */
        setenv("BG_COLOR", "red", 1);
        setenv("PAGESIZE", "a4", 1);
        setenv("ROTATION", "90", 1);
        char *second = plot(&flow->sequence, names[i], &again);
        assert_int_equal(size, again);
        assert_memory_equal(first, second, size);
        free(first);
        free(second);
        unsetenv("BG_COLOR");
        unsetenv("PAGESIZE");
        unsetenv("ROTATION");
    }
    free_flow(flow);
}

static void test_degenerate_inputs(void **state)
{
    (void)state;
    struct plot_sample one = {5 * NS_PER_S, (INT64_C(1) << 40) - 5, 1448, PLOT_DATA};
    struct plot_sample extreme[] = {{INT64_MIN, INT64_MIN, 5, PLOT_DATA},
                                    {0, INT64_MAX, UINT32_MAX, PLOT_RESENT},
                                    {1, -5, 3, PLOT_LOST},
                                    {2, 0, 0, PLOT_ACK},
                                    {3, INT64_MAX, 0, PLOT_WINDOW},
                                    {INT64_MAX, 0, 0, 77}};
    struct plot_stall stall = {INT64_MIN, INT64_MAX, NULL, WH_CAUSE_UNKNOWN};
    const struct plot_span gap = {INT64_MIN, INT64_MAX};
    const struct plot_point points[] = {
        {"one", &one, 1, &gap, 1}, {NULL, extreme, 6, NULL, 0}, {"none", NULL, 0, &gap, 1}};
    const struct plot_sequence cases[] = {
        {{NULL, NULL, NULL, NULL, 0, 0, 0}, NULL, 0, 0},
        {{"t", "s", "x", &stall, 1, 0, 10 * NS_PER_S}, &points[0], 1, 0},
        {{"t", "s", "x", NULL, 0, 0, NS_PER_S}, &points[2], 1, 0},
        {{"t", "s", "x", &stall, 1, INT64_MIN, INT64_MAX}, points, 3, INT64_MAX},
        {{"t", "s", "x", &stall, 1, INT64_MAX, INT64_MAX}, points, 3, -1},
        {{"t", "s", "x", &stall, 1, 7, 3}, points, 3, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_both(&cases[i]);
}

static void test_hostile_names(void **state)
{
    (void)state;
    static const char name[] = "<a&b>\"'\\sp]]>\x01\xff\xed\xa0\x80\xef\xbf\xbe\xc3\xa9\\";
    struct flow *flow = make_flow(2, 50, NS_PER_S, 1);
    char *endless = calloc(1, 20001);
    assert_non_null(endless);
    memset(endless, 'W', 20000);
    flow->sequence.frame.title = flow->sequence.frame.subtitle = name;
    flow->sequence.frame.time_label = name;
    flow->points[0].name = flow->stalls[0].label = name;
    flow->points[1].name = endless;
    size_t size;
    char *svg = plot(&flow->sequence, "p.svg", &size);
    assert_int_equal(strlen(svg), size);
    assert_non_null(strstr(svg, "<title>&lt;a&amp;b&gt;\"'\\sp]]&gt;"));
    assert_non_null(strstr(svg, ">&lt;a&amp;b&gt;&quot;&apos;/sp]]&gt;"));
    /* Bytes that are no UTF-8 became U+FFFD, which is_well_formed takes for an error. */
    for (char *at; (at = strstr(svg, "\xef\xbf\xbd"));)
        memcpy(at, "???", 3);
    check_svg(svg, size);
    free(svg);

    flow->sequence.frame.title = flow->sequence.frame.subtitle = endless;
    flow->stalls[0].label = endless;
    check_both(&flow->sequence);
    free(endless);
    free_flow(flow);
}

/* Where decimals are written with a comma, the SVG must not be. */
static void test_other_locale(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; !set && i < sizeof commas / sizeof *commas; i++)
        set = setlocale(LC_ALL, commas[i]);
    if (!set)
        skip();
    struct flow *flow = make_flow(1, 50, NS_PER_S, 1);
    size_t size, again;
    char *first = plot(&flow->sequence, "p.svg", &size);
    char number[16];
    snprintf(number, sizeof number, "%.1f", 0.5);
    assert_string_equal(number, "0,5");
    setlocale(LC_ALL, "C");
    char *second = plot(&flow->sequence, "p.svg", &again);
    assert_string_equal(first, second);
    free(first);
    free(second);
    free_flow(flow);
}

static void test_unwritable(void **state)
{
    (void)state;
    static const char *const names[] = {"missing/p.svg", "missing/p.png"};
    struct flow *flow = make_flow(1, 50, NS_PER_S, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wh_error error = {0};
        const struct plot_files *files = files_of(in_folder(names[i]));
        assert_int_equal(plot_write_sequence(&flow->sequence, files, &error), WH_ERROR);
        assert_non_null(strstr(error.text, names[i]));
    }
    /* A folder in the way: the rename fails. */
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("p.svg"));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(plot_write_sequence(&flow->sequence, files_of(path), NULL), WH_ERROR);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(access(in_folder("p.svg.part"), F_OK), -1);
    free_flow(flow);
}

/* A file that cannot grow stands for a full disk; in a child, which alone is limited. The parent
 * finds the old file untouched and, when the folder is removed, nothing else. */
static void test_disk_full(void **state)
{
    (void)state;
    struct flow *flow = make_flow(1, 5000, NS_PER_S, 1);
    FILE *old = fopen(in_folder("p.svg"), "wb");
    assert_non_null(old);
    fputs("old", old);
    fclose(old);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {4096, 4096};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        struct wh_error error = {0};
        int status = plot_write_sequence(&flow->sequence, files_of(in_folder("p.svg")), &error);
        _exit(status == WH_ERROR && strstr(error.text, "cannot write") ? 7 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(access(in_folder("p.svg.part"), F_OK), -1);
    size_t size;
    char *bytes = take_file(in_folder("p.svg"), &size);
    assert_string_equal(bytes, "old");
    free(bytes);
    free_flow(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_flow),        cmocka_unit_test(test_large_flow_stays_small),
        cmocka_unit_test(test_noise_stays_small), cmocka_unit_test(test_same_input_same_bytes),
        cmocka_unit_test(test_degenerate_inputs), cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_other_locale),      cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_disk_full),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
