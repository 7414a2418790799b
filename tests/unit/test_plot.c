/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plot stage: its files, its limits, and the parts that can be wrong without it showing. */
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
#include "plot/axis.h"
#include "plot/image.h"
#include "plot/label.h"
#include "plot/plot.h"
#include "plot/svg.h"
#include "plot/text.h"
#include "plot/thin.h"

#define LIMIT_BYTES 1000000

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
    return mkdtemp(folder) ? 0 : -1;
}

/* Fails when a test left anything behind. */
static int remove_folder(void **state)
{
    (void)state;
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

static char *plot(const struct plot_sequence *sequence, const char *name, size_t *size)
{
    struct wh_error error = {0};
    int status = plot_write_sequence(sequence, in_folder(name), &error);
    if (status)
        print_error("%s\n", error.text);
    assert_int_equal(status, WH_OK);
    char *bytes = take_file(in_folder(name), size);
    assert_non_null(bytes);
    return bytes;
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
            if (code == 0xfffd || (code < 0x20 && code != '\n') || (code == '&' && !is_entity(before)))
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

static void check_both(const struct plot_sequence *sequence)
{
    size_t size;
    char *bytes = plot(sequence, "p.svg", &size);
    check_svg(bytes, size);
    free(bytes);
    bytes = plot(sequence, "p.png", &size);
    check_png(bytes, size);
    free(bytes);
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
        flow->points[p] = (struct plot_point){names[p % 3], list, samples};
    }
    for (uint32_t i = 0; i < stalls; i++) {
        int64_t from = duration_ns / stalls * i;
        snprintf(flow->labels[i], sizeof flow->labels[i], "%u: freeze, eth0..xenbrE", i + 1);
        flow->stalls[i] = (struct plot_stall){from, from + duration_ns / stalls / 3,
                                              flow->labels[i], WH_CAUSE_FREEZE};
    }
    flow->sequence = (struct plot_sequence){
        "tcp 192.0.2.1:80 \xe2\x86\x92 192.0.2.2:5000", "a verdict", "seconds since some time",
        flow->points, points, flow->stalls, stalls, 0, duration_ns, 0};
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
            sample->kind = (uint8_t)(next_random(&random) % 6);
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
        setenv("BITMAPSIZE", "50x50", 1);
        setenv("ROTATION", "90", 1);
        setenv("PNM_PORTABLE", "yes", 1);
        char *second = plot(&flow->sequence, names[i], &again);
        assert_int_equal(size, again);
        assert_memory_equal(first, second, size);
        free(first);
        free(second);
        unsetenv("BG_COLOR");
        unsetenv("PAGESIZE");
        unsetenv("BITMAPSIZE");
        unsetenv("ROTATION");
        unsetenv("PNM_PORTABLE");
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
    const struct plot_point points[] = {{"one", &one, 1}, {NULL, extreme, 6}, {"none", NULL, 0}};
    const struct plot_sequence cases[] = {
        {NULL, NULL, NULL, NULL, 0, NULL, 0, 0, 0, 0},
        {"t", "s", "x", &points[0], 1, &stall, 1, 0, 10 * NS_PER_S, 0},
        {"t", "s", "x", &points[2], 1, NULL, 0, 0, NS_PER_S, 0},
        {"t", "s", "x", points, 3, &stall, 1, INT64_MIN, INT64_MAX, INT64_MAX},
        {"t", "s", "x", points, 3, &stall, 1, INT64_MAX, INT64_MAX, -1},
        {"t", "s", "x", points, 3, &stall, 1, 7, 3, 1},
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
    flow->sequence.title = flow->sequence.subtitle = flow->sequence.time_label = name;
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

    flow->sequence.title = flow->stalls[0].label = endless;
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
    static const char *const names[] = {"missing/p.svg", "missing/p.png", "p.gif", ".svg", "p"};
    struct flow *flow = make_flow(1, 50, NS_PER_S, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wh_error error = {0};
        const char *path = strcmp(names[i], ".svg") == 0 ? names[i] : in_folder(names[i]);
        assert_int_equal(plot_write_sequence(&flow->sequence, path, &error), WH_ERROR);
        assert_non_null(strstr(error.text, names[i]));
    }
    /* A folder in the way: the rename fails. */
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("p.svg"));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(plot_write_sequence(&flow->sequence, path, NULL), WH_ERROR);
    assert_int_equal(rmdir(path), 0);
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
        int status = plot_write_sequence(&flow->sequence, in_folder("p.svg"), &error);
        _exit(status == WH_ERROR && strstr(error.text, "cannot write") ? 7 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    size_t size;
    char *bytes = take_file(in_folder("p.svg"), &size);
    assert_string_equal(bytes, "old");
    free(bytes);
    free_flow(flow);
}

/* ---- axes ---------------------------------------------------------------------------------- */

static void test_ticks_are_round_and_few(void **state)
{
    (void)state;
    const struct axis axes[] = {{0, 10, 0, 1},
                                {-7, 1000003, 0, 1},
                                {INT64_C(1) << 40, (INT64_C(1) << 40) + 3000, 0, 1},
                                {INT64_MIN, INT64_MAX, 0, 1},
                                {INT64_MAX - 1, INT64_MAX, 0, 1},
                                {5, 6, 0, 1}};
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        for (uint32_t most = 2; most < 20; most++) {
            struct ticks ticks = axis_ticks(&axes[i], most);
            int64_t mantissa = ticks.step;
            while (mantissa % 10 == 0)
                mantissa /= 10;
            assert_true(mantissa == 1 || mantissa == 2 || mantissa == 5);
            assert_int_equal(ticks.first % ticks.step, 0);
            assert_true(ticks.count >= 1 && ticks.count <= most);
            assert_true(ticks.first >= axes[i].from);
            uint64_t reach = (uint64_t)(ticks.count - 1) * (uint64_t)ticks.step;
            assert_true(reach <= (uint64_t)axes[i].to - (uint64_t)ticks.first);
        }
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        int64_t value, step, unit;
        const char *text;
    } cases[] = {{2500, 500, 1000, "2.5"},        {0, 500, 1000, "0.0"},
                 {3000000000, NS_PER_S, NS_PER_S, "3"}, {-1500000000, 500000000, NS_PER_S, "-1.5"},
                 {1448, 1, 1, "1448"},            {1050000000, 50000000, NS_PER_S, "1.05"},
                 {INT64_MIN, 1, 1, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        axis_number(cases[i].value, cases[i].step, cases[i].unit, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
    assert_string_equal(axis_byte_unit(9000000).name, "MB");
    assert_string_equal(axis_byte_unit(900).name, "bytes");
}

/* ---- thinning ------------------------------------------------------------------------------ */

static const struct thin_grid small_grid = {{0, 1000, 0, 100}, {0, 1000, 0, 100}, 100, 100, 200};

static struct thin_path ranges_of(const struct plot_sample *samples, uint32_t count)
{
    struct plot_point point = {"p", samples, count};
    struct thin_path path = {0};
    assert_true(thin_ranges(&small_grid, &point, KIND_BIT(PLOT_DATA), &path));
    return path;
}

static uint32_t piece_count(const struct thin_path *path)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < path->count; i++)
        count += path->vertices[i].move;
    return count;
}

static void test_silence_and_holes_break_the_line(void **state)
{
    (void)state;
    static const struct {
        struct plot_sample samples[2];
        uint32_t pieces;
    } cases[] = {
        {{{0, 0, 100, 0}, {200, 100, 100, 0}}, 1},   /* next bytes, soon */
        {{{0, 0, 100, 0}, {201, 100, 100, 0}}, 2},   /* next bytes, after a silence */
        {{{0, 0, 100, 0}, {50, 150, 100, 0}}, 2},    /* bytes skipped */
        {{{0, 500, 100, 0}, {50, 100, 100, 0}}, 2},  /* older bytes */
        {{{0, 0, 100, 0}, {5, 300, 100, 0}}, 2},     /* a hole within one column */
        {{{0, 0, 100, 0}, {5, 100, 100, 0}}, 1},     /* none within one column */
        {{{0, 0, 100, 0}, {900, 0, 100, 1}}, 1},     /* another kind */
        {{{0, 0, 100, 0}, {1001, 0, 100, 0}}, 1},    /* beyond the axis */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct thin_path path = ranges_of(cases[i].samples, 2);
        assert_int_equal(piece_count(&path), cases[i].pieces);
        thin_free(&path);
    }
}

/* Every row a sample touches is on the path in its column, and no other row is. */
static void test_every_cell_is_kept(void **state)
{
    (void)state;
    uint64_t random = 99;
    for (int round = 0; round < 200; round++) {
        struct plot_sample samples[5];
        bool wanted[101] = {false}, drawn[101] = {false};
        for (uint32_t i = 0; i < 5; i++) {
            uint32_t low = (uint32_t)(next_random(&random) % 95), rows = (uint32_t)(round % 5);
            samples[i] = (struct plot_sample){500, low * 10 + 1, rows * 10, PLOT_DATA};
            for (uint32_t row = low; row <= low + rows; row++)
                wanted[row] = true;
        }
        struct thin_path path = ranges_of(samples, 5);
        for (uint32_t i = 1; i < path.count; i++) {
            const struct thin_vertex *from = &path.vertices[i - 1], *to = &path.vertices[i];
            assert_int_equal(to->column, 50);
            for (uint32_t row = from->row; !to->move && row < to->row; row++)
                drawn[row] = true;
        }
        assert_memory_equal(wanted, drawn, sizeof wanted);
        thin_free(&path);
    }
}

static void test_samples_on_one_spot_are_merged(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct plot_sample *samples = calloc(MANY, sizeof *samples);
    assert_non_null(samples);
    for (uint32_t i = 0; i < MANY; i++)
        samples[i] = (struct plot_sample){i / 100, i / 100, 1, PLOT_DATA};
    struct thin_path path = ranges_of(samples, MANY);
    assert_int_equal(piece_count(&path), 1);
    assert_true(path.count <= 4 * small_grid.columns);
    assert_int_equal(path.vertices[0].row, 0);
    assert_int_equal(path.vertices[path.count - 1].row, 100);
    thin_free(&path);

    struct plot_point point = {"p", samples, MANY};
    for (uint32_t i = 0; i < MANY; i++)
        samples[i].kind = PLOT_LOST;
    assert_true(thin_marks(&small_grid, &point, PLOT_LOST, 10, 10, &path));
    assert_int_equal(path.count, 10);
    thin_free(&path);
    free(samples);
}

static void test_levels_keep_peaks(void **state)
{
    (void)state;
    static const struct plot_sample samples[] = {{100, 300, 0, PLOT_ACK}, {101, 900, 0, PLOT_ACK},
                                                 {102, 100, 0, PLOT_ACK}, {103, 300, 0, PLOT_ACK},
                                                 {150, 300, 0, PLOT_ACK}, {160, 2000, 0, PLOT_ACK},
                                                 {170, 300, 0, PLOT_ACK}, {600, 300, 0, PLOT_ACK}};
    struct plot_point point = {"p", samples, 8};
    struct thin_path path = {0};
    assert_true(thin_levels(&small_grid, &point, PLOT_ACK, &path));
    bool peak = false, low = false;
    for (uint32_t i = 0; i < path.count; i++) {
        peak = peak || (path.vertices[i].column == 10 && path.vertices[i].row == 90);
        low = low || (path.vertices[i].column == 10 && path.vertices[i].row == 10);
    }
    assert_true(peak && low);
    /* From the start to 150; anew at 170, for it was out of sight; anew at 600. */
    assert_int_equal(piece_count(&path), 3);
    thin_free(&path);
}

/* ---- labels -------------------------------------------------------------------------------- */

static void check_apart(const struct label *labels, uint32_t count, double left, double right)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct label *a = &labels[i];
        if (a->form == LABEL_NONE)
            continue;
        assert_true(a->x >= left && a->x + a->width[a->form] <= right);
        assert_true(a->x <= a->at && a->at <= a->x + a->width[a->form]);
        for (uint32_t j = 0; j < count; j++) {
            const struct label *b = &labels[j];
            if (i == j || b->form == LABEL_NONE)
                continue;
            bool beside = a->x + a->width[a->form] < b->x || b->x + b->width[b->form] < a->x;
            assert_true(a->row != b->row || beside);
            /* The line of the one in the upper row passes the lower one. */
            assert_true(b->row <= a->row || b->at < a->x || b->at > a->x + a->width[a->form]);
        }
    }
}

static void test_labels_stay_apart(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (uint32_t count = 0; count < 120; count += 3) {
        struct label labels[120] = {0};
        for (uint32_t i = 0; i < count; i++)
            labels[i] = (struct label){.at = 100 + (double)(next_random(&random) % 1400),
                                       .width = {0, 25, 230},
                                       .weight = next_random(&random) % 50};
        bool ok;
        uint32_t rows = label_place(labels, count, 100, 1500, &ok);
        assert_true(ok && rows <= LABEL_ROWS && (rows > 0) == (count > 0));
        check_apart(labels, count, 100, 1500);
    }
}

static void test_few_labels_are_whole(void **state)
{
    (void)state;
    struct label labels[] = {{.at = 100, .width = {0, 25, 230}, .weight = 1},
                             {.at = 700, .width = {0, 25, 230}, .weight = 2},
                             {.at = 710, .width = {0, 25, 230}, .weight = 3},
                             {.at = 1500, .width = {0, 25, 230}, .weight = 4},
                             {.at = 400, .width = {0, 25, 2000}, .weight = 5}};
    bool ok;
    label_place(labels, 5, 100, 1500, &ok);
    assert_true(ok);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(labels[i].form, LABEL_FULL);
    assert_int_equal(labels[4].form, LABEL_SHORT); /* wider than the frame */
    check_apart(labels, 5, 100, 1500);
}

/* ---- text and formats ---------------------------------------------------------------------- */

static void test_text(void **state)
{
    (void)state;
    char buffer[8];
    assert_string_equal(text_to_latin1("\xc3\xa9\xe2\x86\x92x", buffer, sizeof buffer),
                        "\xe9->x");
    assert_string_equal(text_to_latin1("\xf0\x9f\x98\x80\x07\xff", buffer, sizeof buffer), "? ?");
    assert_string_equal(text_to_latin1("0123456789", buffer, sizeof buffer), "0123456");
    const char *overlong = "\xc0\x80", *cut = "\xe2\x86";
    assert_int_equal(text_next(&overlong), 0xfffd);
    assert_int_equal(text_next(&cut), 0xfffd);
    assert_int_equal(text_next(&cut), 0xfffd);
    assert_int_equal(text_next(&cut), 0);
    const char *last = "\xf4\x8f\xbf\xbf", *beyond = "\xf4\x90\x80\x80";
    assert_int_equal(text_next(&last), 0x10ffff);
    assert_int_equal(text_next(&beyond), 0xfffd);
}

static void test_xml_text(void **state)
{
    (void)state;
    static const char all[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    text_write_xml(all, stream);
    text_write_xml("\x01<&>", stream);
    fclose(stream);
    assert_memory_equal(text, all, sizeof all - 1);
    assert_string_equal(text + sizeof all - 1, "&lt;&amp;&gt;");
    free(text);
}

static void test_unexpected_svg_is_refused(void **state)
{
    (void)state;
    static const char *const drawings[] = {
        "", "<svg ", "<svg >", "<svg ><rect id=\"background\"/>",
        "<svg ><rect id=\"background\"/><text >a</text></svg>"};
    for (size_t i = 0; i < sizeof drawings / sizeof *drawings; i++) {
        FILE *out = fopen("/dev/null", "w");
        assert_non_null(out);
        assert_int_equal(svg_rewrite(drawings[i], i == 4 ? "" : "l", "t", "d", out, NULL),
                         WH_ERROR);
        fclose(out);
    }
}

/* Feeds a PNM to an image of 1 x 1, 3 x 3 with the oversampling; the PNG's bytes or NULL. */
static void *png_of(const char *header, const char *pixels, size_t pixel_bytes, size_t *size)
{
    struct image image;
    FILE *stream = image_open(&image, 1, 1);
    assert_non_null(stream);
    fputs(header, stream);
    fwrite(pixels, 1, pixel_bytes, stream);
    fclose(stream);
    void *png = image_png(&image, size);
    if (png)
        assert_int_equal(image.pixels[1], 85); /* a third of 255 */
    image_free(&image);
    return png;
}

static void test_image(void **state)
{
    (void)state;
    char pixels[27] = {0};
    for (size_t i = 0; i < 9; i += 3)
        memset(pixels + i * 3, 0xff, 3); /* three of nine pixels white */
    size_t size;
    void *png = png_of("P6\n# made by\n3 3\n255\n", pixels, 27, &size);
    assert_non_null(png);
    free(png);
    png = png_of("P5 3 3 255\n", "\xff\0\0\xff\0\0\xff\0\0", 9, &size);
    assert_non_null(png);
    free(png);
    assert_null(png_of("P6 3 3 255\n", pixels, 26, &size));
    assert_null(png_of("P6 4 3 255\n", pixels, 27, &size));
    assert_null(png_of("P6 3 3 65535\n", pixels, 27, &size));
    assert_null(png_of("P6 99999999999 3 255\n", pixels, 27, &size));
    assert_null(png_of("P4 3 3\n", pixels, 9, &size));
    assert_null(png_of("", pixels, 0, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_flow),
        cmocka_unit_test(test_large_flow_stays_small),
        cmocka_unit_test(test_noise_stays_small),
        cmocka_unit_test(test_same_input_same_bytes),
        cmocka_unit_test(test_degenerate_inputs),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_other_locale),
        cmocka_unit_test(test_unwritable),
        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_ticks_are_round_and_few),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_silence_and_holes_break_the_line),
        cmocka_unit_test(test_every_cell_is_kept),
        cmocka_unit_test(test_samples_on_one_spot_are_merged),
        cmocka_unit_test(test_levels_keep_peaks),
        cmocka_unit_test(test_labels_stay_apart),
        cmocka_unit_test(test_few_labels_are_whole),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_xml_text),
        cmocka_unit_test(test_unexpected_svg_is_refused),
        cmocka_unit_test(test_image),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
