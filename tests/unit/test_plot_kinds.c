/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pictures beside the sequence plot: what they say, and that nothing hostile breaks them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the headers above before it. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "plot/canvas.h"
#include "plot/plot.h"
#include "plot_samples.h"

#define LIMIT_BYTES 1000000

/* libplot does not free the copies it makes of its parameters. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libplot\n";
}

static char folder[] = "/tmp/whichhop-kinds-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? make_letters() : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    plot_letters_free(letters);
    return rmdir(folder);
}

typedef int write_any(const void *data, const struct plot_files *files, struct wh_error *error);

/* The picture's bytes, to be freed; its file is removed. */
static char *draw(write_any *write, const void *data, const char *name)
{
    char path[256];
    struct wh_error error = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int status = write(data, files_of(path), &error);
    if (status)
        print_error("%s\n", error.text);
    assert_int_equal(status, WH_OK);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    assert_true(size > 64 && size < LIMIT_BYTES);
    rewind(file);
    char *bytes = calloc(1, (size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
    fclose(file);
    unlink(path);
    return bytes;
}

static int write_delays(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_delays(data, files, error);
}

static int write_flows(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_flows(data, files, error);
}

static int write_path(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_path(data, files, error);
}

static int write_throughput(const void *data, const struct plot_files *files,
                            struct wh_error *error)
{
    return plot_write_throughput(data, files, error);
}

static int write_window(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return write_gathered_window(data, files, error);
}

static int write_levels(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_window(data, files, error);
}

static int write_sequence(const void *data, const struct plot_files *files, struct wh_error *error)
{
    return plot_write_sequence(data, files, error);
}

static void assert_says(const char *svg, const char *text)
{
    if (!strstr(svg, text))
        fail_msg("the picture does not say \"%s\"", text);
}

static void draw_png(write_any *write, const void *data)
{
    char *png = draw(write, data, "p.png");
    assert_memory_equal(png, "\x89PNG", 4);
    free(png);
}

/* ---- of a sequence --------------------------------------------------------------------------- */

static const struct plot_sample samples[] = {
    {0, 0, 1000, PLOT_DATA},
    {1 * NS_PER_S, 1000, 0, PLOT_ACK},
    {1 * NS_PER_S, 9000, 0, PLOT_WINDOW},
    {2 * NS_PER_S, 1000, 1000, PLOT_DATA},
    {3 * NS_PER_S, 1000, 1000, PLOT_RESENT},
    {4 * NS_PER_S, 2000, 0, PLOT_ACK},
    {4 * NS_PER_S, 2000, 0, PLOT_WINDOW},
    {5 * NS_PER_S, 3000, 1000, PLOT_SACK},
};
static const struct plot_span gap = {6 * NS_PER_S, 8 * NS_PER_S};
static const struct plot_point points[] = {{"eth0", samples, 8, &gap, 1}};
static const struct plot_sequence sequence = {
    {"a title", "a verdict", "seconds", NULL, 0, 0, 10 * NS_PER_S}, points, 1, 0};

static void test_throughput(void **state)
{
    (void)state;
    char *svg = draw(write_throughput, &sequence, "p.svg");
    assert_says(svg, ">3.0 kB, 1.0 kB of it sent again</text>");
    assert_says(svg, ">nothing captured</text>");
    assert_says(svg, ">eth0</text>");
    free(svg);
}

static void test_window(void **state)
{
    (void)state;
    char *svg = draw(write_window, &sequence, "p.svg");
    assert_says(svg, ">window closed</text>");
    assert_says(svg, ">at eth0</text>");
    free(svg);
    const struct plot_point silent = {"eth0", samples, 2, NULL, 0};
    struct plot_sequence unknown = sequence;
    unknown.points = &silent;
    svg = draw(write_window, &unknown, "p.svg");
    assert_says(svg, "the window is not known");
    assert_null(strstr(svg, "window closed"));
    free(svg);
}

static void test_sacked_and_gaps_are_in_the_sequence(void **state)
{
    (void)state;
    char *svg = draw(write_sequence, &sequence, "p.svg");
    assert_says(svg, ">SACKed</text>");
    assert_says(svg, ">nothing captured</text>");
    free(svg);
}

/* A window that closes, and a capture that misses something, again and again: what is drawn has the
 * size of the picture, for all that. */
static void test_very_many_gaps_and_closings_fit(void **state)
{
    (void)state;
    enum { TIMES = 100000 };
    struct plot_sample *often = calloc(2 * TIMES, sizeof *often);
    struct plot_span *gaps = calloc(TIMES, sizeof *gaps);
    assert_true(often && gaps);
    const int64_t step_ns = 10 * NS_PER_S / TIMES;
    for (int64_t i = 0; i < TIMES; i++) {
        often[2 * i] = (struct plot_sample){i * step_ns, 0, 0, PLOT_ROOM};
        often[2 * i + 1] = (struct plot_sample){i * step_ns + step_ns / 4, 100, 0, PLOT_ROOM};
    }
    for (int64_t apart = 1; apart < TIMES; apart *= 10) { /* all of them; every tenth; ... */
        uint32_t count = (uint32_t)(TIMES / apart);
        for (uint32_t i = 0; i < count; i++)
            gaps[i] = (struct plot_span){i * apart * step_ns, (i * apart + 1) * step_ns};
        const struct plot_point point = {"eth0", often, 2 * TIMES, gaps, count};
        struct plot_sequence many = sequence;
        many.points = &point;
        write_any *const kinds[] = {write_levels, write_sequence, write_throughput};
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            char *svg = draw(kinds[k], &many, "p.svg");
            assert_says(svg, ">nothing captured</text>");
            assert_true(k > 0 || strstr(svg, ">window closed</text>"));
            free(svg);
        }
    }
    free(often);
    free(gaps);
}

/* ---- delays ---------------------------------------------------------------------------------- */

static void test_delays(void **state)
{
    (void)state;
    const struct plot_delay some[] = {{0, 200 * NS_PER_US, WH_TO_CLIENT},
                                      {NS_PER_S, 2 * NS_PER_S, WH_TO_CLIENT},
                                      {NS_PER_S, -5, WH_TO_SERVER}};
    const struct plot_delay extreme[] = {{INT64_MIN, INT64_MIN, 0}, {INT64_MAX, INT64_MAX, 200}};
    const struct plot_delay_segment segments[] = {
        {.name = "servers..eth0", .uncertainty_ns = WH_NONE, .round_trip = true},
        {"eth0..xenbrE", some, 3, 12 * NS_PER_US, false, {NULL, &gap}, {0, 1}},
        {.name = "xenbrE..xenbrD", .uncertainty_ns = WH_NONE},
        {"xenbrD..clients", extreme, 2, WH_NONE, true, {NULL, NULL}, {0, 0}},
    };
    const struct plot_delays delays = {sequence.frame, segments, 4},
                             none = {sequence.frame, NULL, 0};
    char *svg = draw(write_delays, &delays, "p.svg");
    assert_says(svg, ">clocks exact within 12 us: no delay is told below</text>");
    assert_says(svg, ">not known: no packet ties the two clocks</text>");
    assert_says(svg, ">below the clocks&apos; error</text>");
    assert_says(svg, "no data was seen here with its acknowledgement");
    assert_says(svg, ">nothing captured</text>");
    free(svg);
    draw_png(write_delays, &delays);
    draw_png(write_delays, &none);
}

/* ---- flows ----------------------------------------------------------------------------------- */

static void test_flows(void **state)
{
    (void)state;
    static const char *const segments[] = {"servers..eth0", "eth0..clients"};
    enum { STRIPS = 80, STALLS = 400 };
    static struct plot_strip strips[STRIPS];
    static struct plot_strip_stall stalls[STALLS];
    static struct plot_span active[STALLS];
    for (uint32_t i = 0; i < STALLS; i++) {
        int64_t at = (int64_t)i * 3 * NS_PER_S;
        stalls[i] = (struct plot_strip_stall){at, at + 2 * NS_PER_S, i % 5 == 0, 1};
        active[i] = (struct plot_span){at + 2 * NS_PER_S, at + 3 * NS_PER_S};
    }
    for (uint32_t i = 0; i < STRIPS; i++)
        strips[i] = (struct plot_strip){"flow 7", "tcp a - b", 0,      1200 * NS_PER_S,
                                        active,   STALLS,      stalls, STALLS};
    struct plot_flows flows = {sequence.frame, strips, STRIPS,   "and 9 more",
                               stalls,         STALLS, segments, 2};
    flows.frame.end_ns = 1200 * NS_PER_S;
    char *svg = draw(write_flows, &flows, "p.svg");
    assert_says(svg, ">flow 7</text>");
    assert_says(svg, ">eth0..clients</text>");
    assert_says(svg, ">and 9 more</text>");
    assert_null(strstr(svg, "tcp a - b")); /* no room */
    free(svg);
    draw_png(write_flows, &flows);
    flows.strip_count = 1;
    svg = draw(write_flows, &flows, "p.svg");
    assert_says(svg, ">tcp a - b</text>");
    /* One flow stalls at any time, though 400 stalls touch each other's columns. */
    assert_says(svg, ">1</text>");
    assert_null(strstr(svg, ">2</text>"));
    free(svg);
    flows.strip_count = flows.stall_count = flows.segment_count = 0;
    draw_png(write_flows, &flows);
}

/* ---- the path -------------------------------------------------------------------------------- */

static void test_path(void **state)
{
    (void)state;
    static const char *const names[] = {"eth0", "<xenbrD>"}, *const notes[] = {"9 packets", NULL};
    struct plot_path_segment segments[3] = {
        {.to_client = {100, 0, WH_NONE, WH_NONE, WH_NONE}},
        {.to_client = {100, 3, 100000, 200000, 300000},
         .to_server = {50, 0, 0, 1000, 5000000},
         .uncertainty_ns = 20000,
         .stall_time_ns = 1500 * NS_PER_MS,
         .device = "NAT",
         .guilty = true},
        {.to_client = {0, 0, WH_NONE, WH_NONE, WH_NONE}},
    };
    struct plot_path path = {.title = "the path",
                             .verdict = "It was the NAT.",
                             .guilt = "loss (90 % sure)",
                             .points = names,
                             .point_notes = notes,
                             .point_count = 2,
                             .segments = segments};
    char *svg = draw(write_path, &path, "p.svg");
    static const char *const said[] = {">It was the NAT.</text>",
                                       ">100 packets, 3 lost</text>",
                                       ">median delay 200 us, max 300 us</text>",
                                       ">median delay &lt; 20 us, max 5.0 ms</text>",
                                       ">stalled 1.500 s</text>",
                                       ">loss (90 % sure)</text>",
                                       ">NAT</text>",
                                       ">&lt;xenbrD&gt;</text>",
                                       ">no packets</text>"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        assert_says(svg, said[i]);
    free(svg);
    /* In one of two segments, nobody knows in which: the time is told once. */
    segments[0].guilty = true;
    path.span_time_ns = 2 * NS_PER_S;
    svg = draw(write_path, &path, "p.svg");
    assert_says(svg, ">stalled 2.000 s, here</text>");
    assert_says(svg, ">or here</text>");
    assert_null(strstr(svg, "1.500 s"));
    free(svg);
    draw_png(write_path, &path);
}

static void test_long_path(void **state)
{
    (void)state;
    static const char *names[WH_POINTS_MAX];
    static struct plot_path_segment segments[WH_POINTS_MAX + 1];
    char *endless = calloc(1, 20001);
    assert_non_null(endless);
    memset(endless, 'W', 20000);
    for (uint32_t i = 0; i < WH_POINTS_MAX; i++)
        names[i] = i ? "p" : endless;
    struct plot_path path = {.title = endless,
                             .verdict = endless,
                             .points = names,
                             .point_count = WH_POINTS_MAX,
                             .segments = segments};
    draw_png(write_path, &path);
    free(draw(write_path, &path, "p.svg"));
    path.point_count = 0;
    path.verdict = NULL;
    free(draw(write_path, &path, "p.svg"));
    free(endless);
}

/* What tells two names apart is often at their ends. */
static void test_names_keep_both_ends(void **state)
{
    (void)state;
    static const struct canvas_text how = {20, 0, ANCHOR_LEFT, false, false};
    struct canvas canvas;
    char text[256];
    assert_int_equal(canvas_open(&canvas, CANVAS_SVG, CANVAS_HEIGHT, letters, NULL), WH_OK);
    canvas_fit_name(&canvas, &how, "the-long-name-of-an-interface-1", 150, text, sizeof text);
    assert_true(canvas_width(&canvas, &how, text) <= 150);
    assert_memory_equal(text, "the", 3);
    assert_string_equal(text + strlen(text) - 2, "-1");
    canvas_fit_name(&canvas, &how, "eth0", 150, text, sizeof text);
    assert_string_equal(text, "eth0");
    canvas_fit_name(&canvas, &how, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4", 60,
                    text, sizeof text);
    assert_non_null(strstr(text, "..."));
    assert_null(strstr(text, "\xc3."));
    canvas_free(&canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_throughput),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_sacked_and_gaps_are_in_the_sequence),
        cmocka_unit_test(test_very_many_gaps_and_closings_fit),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_names_keep_both_ends),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
