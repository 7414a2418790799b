/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plot stage's parts that can be wrong without it showing in a picture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the headers above before it. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "plot/axis.h"
#include "plot/image.h"
#include "plot/label.h"
#include "plot/svg.h"
#include "plot/text.h"
#include "plot/thin.h"

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
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
    } cases[] = {{2500, 500, 1000, "2.5"},
                 {0, 500, 1000, "0.0"},
                 {3000000000, NS_PER_S, NS_PER_S, "3"},
                 {-1500000000, 500000000, NS_PER_S, "-1.5"},
                 {1448, 1, 1, "1448"},
                 {1050000000, 50000000, NS_PER_S, "1.05"},
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
    struct plot_point point = {"p", samples, count, NULL, 0};
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
        {{{0, 0, 100, 0}, {200, 100, 100, 0}}, 1},  /* next bytes, soon */
        {{{0, 0, 100, 0}, {201, 100, 100, 0}}, 2},  /* next bytes, after a silence */
        {{{0, 0, 100, 0}, {50, 150, 100, 0}}, 2},   /* bytes skipped */
        {{{0, 500, 100, 0}, {50, 100, 100, 0}}, 2}, /* older bytes */
        {{{0, 0, 100, 0}, {5, 300, 100, 0}}, 2},    /* a hole within one column */
        {{{0, 0, 100, 0}, {5, 100, 100, 0}}, 1},    /* none within one column */
        {{{0, 0, 100, 0}, {900, 0, 100, 1}}, 1},    /* another kind */
        {{{0, 0, 100, 0}, {1001, 0, 100, 0}}, 1},   /* beyond the axis */
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

    struct plot_point point = {"p", samples, MANY, NULL, 0};
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
    struct plot_point point = {"p", samples, 8, NULL, 0};
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
    assert_string_equal(text_to_latin1("\xc3\xa9\xe2\x86\x92x", buffer, sizeof buffer), "\xe9->x");
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
        "", "<svg ", "<svg >", "<svg ><g id=\"content\" transform=\"",
        "<svg ><g id=\"content\" transform=\"x\"><text >a</text></g></svg>"};
    const struct svg_page page = {16, 9, "t", "d"};
    for (size_t i = 0; i < sizeof drawings / sizeof *drawings; i++) {
        FILE *out = fopen("/dev/null", "w");
        assert_non_null(out);
        assert_int_equal(svg_rewrite(drawings[i], i == 4 ? "" : "l", &page, out, NULL), WH_ERROR);
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
