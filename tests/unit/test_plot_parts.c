/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The plot stage's parts that can be wrong without it showing in a picture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the headers above before it. */
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/clock.h"
#include "plot/axis.h"
#include "plot/image.h"
#include "plot/label.h"
#include "plot/letters.h"
#include "plot/pen.h"
#include "plot/plot.h"
#include "plot/steps.h"
#include "plot/svg.h"
#include "plot/text.h"
#include "plot/thin.h"

/* libplot does not free the copies it makes of its parameters. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libplot\n";
}

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

/* While they are gathered: no byte and no extreme is left out, and little is left of a long flow.
 */
static void test_gathered_for_a_sequence(void **state)
{
    (void)state;
    enum { COUNT = 1000000 };
    struct plot_gathered gathered;
    uint64_t bytes = 0, left_bytes = 0;
    int64_t most = 0, left_most = 0, end = 0;
    unsigned holes = 0;
    plot_gather(&gathered, PLOT_FOR_SEQUENCE, 0, INT64_C(1000) * COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        bool data = i % 2 == 0;
        int64_t level = i == 7777 ? 1 << 30 : INT64_C(500) * i;
        uint32_t offset = i < COUNT / 2 ? i / 2 : i / 2 + 10; /* a hole in the middle */
        struct plot_sample sample =
            data ? (struct plot_sample){i * 1000, INT64_C(1000) * offset, 1000, PLOT_DATA}
                 : (struct plot_sample){i * 1000, level, 0, PLOT_WINDOW};
        assert_true(plot_gather_sample(&gathered, &sample));
        bytes += sample.length;
        most = !data && level > most ? level : most;
    }
    assert_true(gathered.count < 13 * THIN_COLUMNS_MAX);
    for (uint32_t i = 0; i < gathered.count; i++) {
        const struct plot_sample *sample = &gathered.items[i];
        left_bytes += sample->length;
        if (sample->kind == PLOT_WINDOW && sample->offset > left_most)
            left_most = sample->offset;
        if (sample->kind != PLOT_DATA)
            continue;
        holes += sample->offset != end;
        end = sample->offset + sample->length;
    }
    assert_int_equal(left_bytes, bytes);
    assert_int_equal(left_most, most);
    assert_int_equal(holes, 1);
    free(gathered.items);
}

/* Each step has its bytes, whatever the order; what lies beyond the picture is left out. */
static void test_gathered_for_throughput(void **state)
{
    (void)state;
    const struct steps steps = steps_choose(0, 10 * NS_PER_S);
    struct plot_gathered gathered;
    uint64_t bytes[256] = {0}, again[256] = {0};
    assert_true(steps.count < 256);
    plot_gather(&gathered, PLOT_FOR_THROUGHPUT, 0, 10 * NS_PER_S);
    for (uint32_t i = 0; i < 200000; i++) {
        int64_t time_ns = (i * INT64_C(1000003)) % (12 * NS_PER_S) - NS_PER_S;
        if (i % 64)
            time_ns = (int64_t)i * 50000;
        struct plot_sample sample = {time_ns, i, i % 1500, i % 100 ? PLOT_DATA : PLOT_RESENT};
        struct plot_sample ack = {time_ns, i, 0, PLOT_ACK};
        assert_true(plot_gather_sample(&gathered, &sample));
        assert_true(plot_gather_sample(&gathered, &ack));
        if (time_ns < steps.from_ns || time_ns > steps.to_ns)
            continue;
        int64_t step = (time_ns - steps.from_ns) / steps.step_ns;
        *(i % 100 ? &bytes[step] : &again[step]) += sample.length;
    }
    assert_true(gathered.count < 20 * 3200);
    for (uint32_t i = 0; i < gathered.count; i++) {
        const struct plot_sample *sample = &gathered.items[i];
        int64_t step = (sample->time_ns - steps.from_ns) / steps.step_ns;
        *(sample->kind == PLOT_DATA ? &bytes[step] : &again[step]) -= sample->length;
    }
    for (uint32_t i = 0; i < steps.count; i++)
        assert_true(bytes[i] == 0 && again[i] == 0);
    free(gathered.items);
}

/* What is in flight is told by what was sent and acknowledged, and the window by its edge. */
static void test_gathered_for_the_window(void **state)
{
    (void)state;
    static const struct plot_sample samples[] = {
        {0, 1000, 500, PLOT_DATA},         {NS_PER_S, 1500, 500, PLOT_DATA},
        {2 * NS_PER_S, 1500, 0, PLOT_ACK}, {2 * NS_PER_S, 9000, 0, PLOT_WINDOW},
        {3 * NS_PER_S, 2000, 0, PLOT_ACK}, {3 * NS_PER_S, 2000, 0, PLOT_WINDOW},
    };
    static const struct plot_sample expected[] = {
        {0, 500, 0, PLOT_FLIGHT},
        {NS_PER_S, 1000, 0, PLOT_FLIGHT},
        {2 * NS_PER_S, 500, 0, PLOT_FLIGHT},
        {2 * NS_PER_S, 7500, 0, PLOT_ROOM},
        {3 * NS_PER_S, 0, 0, PLOT_FLIGHT},
        {3 * NS_PER_S, 0, 0, PLOT_ROOM},
    };
    struct plot_gathered gathered;
    plot_gather(&gathered, PLOT_FOR_WINDOW, 0, 4 * NS_PER_S);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        assert_true(plot_gather_sample(&gathered, &samples[i]));
    assert_int_equal(gathered.count, sizeof expected / sizeof *expected);
    for (uint32_t i = 0; i < gathered.count; i++) {
        assert_int_equal(gathered.items[i].time_ns, expected[i].time_ns);
        assert_int_equal(gathered.items[i].offset, expected[i].offset);
        assert_int_equal(gathered.items[i].kind, expected[i].kind);
    }
    free(gathered.items);
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

/* ---- bitmaps ------------------------------------------------------------------------------- */

/* How dark a pixel is, 0 to 255; black on white is drawn. */
static unsigned darkness(const struct image *image, uint32_t x, uint32_t y)
{
    return 255 - (image->colours[*image_pixel(image, x, y)] & 0xff);
}

/* All that was drawn, in pixels. */
static double drawn(const struct image *image)
{
    double sum = 0;
    for (uint32_t y = 0; y < image->height; y++)
        for (uint32_t x = 0; x < image->width; x++)
            sum += darkness(image, x, y) / 255.0;
    return sum;
}

static void test_a_figure_inks_what_it_covers(void **state)
{
    (void)state;
    static const struct image_point triangle[] = {{2, 2}, {18, 2}, {2, 14}};
    static const struct image_point around[] = {{-50, -50}, {-50, 70}, {70, 70}, {70, -50}};
    struct image image;
    assert_true(image_open(&image, 20, 16));
    image_ink(&image, 0x000000);
    image_box(&image, 1.5, 2, 4, 4.25);
    assert_true(fabs(drawn(&image) - 2.5 * 2.25) < 0.2);
    assert_int_equal(darkness(&image, 2, 13), 255); /* from 2 to 3 above the lower edge */
    assert_int_equal(darkness(&image, 1, 13), 255 * 8 / 15);
    image_clear(&image);
    assert_true(drawn(&image) == 0);
    image_polygon(&image, triangle, 3);
    assert_true(fabs(drawn(&image) - 96) < 1);
    image_polygon(&image, around, 4);
    assert_true(drawn(&image) == 20 * 16);
    image_free(&image);
}

static void test_figures_beyond_the_edges(void **state)
{
    (void)state;
    static const double values[] = {-1e300, -3, 0, 7.5, 20, 1e300, INFINITY, -INFINITY, NAN};
    uint64_t random = 3;
    struct image image;
    assert_true(image_open(&image, 20, 16));
    for (unsigned i = 0; i < 20000; i++) {
        struct image_point points[5];
        const struct pen pen = {values[next_random(&random) % 5], 0, i % 2};
        for (unsigned j = 0; j < 5; j++)
            points[j] = (struct image_point){values[next_random(&random) % 9],
                                             values[next_random(&random) % 9]};
        image_ink(&image, (uint32_t)next_random(&random) & 0xffffff);
        image_polygon(&image, points, 5);
        image_box(&image, points[0].x, points[0].y, points[1].x, points[1].y);
        pen_draw(&image, &pen, points, 5);
    }
    assert_true(image.colour_count <= IMAGE_COLOURS);
    image_free(&image);
}

static void test_lines_are_sharp_and_dashed(void **state)
{
    (void)state;
    static const struct image_point level[] = {{2, 8}, {18, 8}};
    const struct pen whole = {1, 0, PEN_BUTT}, dashed = {1, 4, PEN_BUTT};
    struct image image;
    assert_true(image_open(&image, 20, 16));
    image_ink(&image, 0x000000);
    pen_draw(&image, &whole, level, 2);
    assert_true(drawn(&image) == 16); /* one row, not two grey ones */
    image_clear(&image);
    pen_draw(&image, &dashed, level, 2);
    assert_true(drawn(&image) == 8);
    image_free(&image);
}

static void test_letters(void **state)
{
    (void)state;
    struct plot_letters *letters = plot_letters_make(NULL);
    struct image image;
    assert_non_null(letters);
    assert_true(image_open(&image, 300, 40));
    for (unsigned bold = 0; bold < 2; bold++)
        for (unsigned code = 0x21; code < 0x7f; code++) {
            const char text[2] = {(char)code, 0};
            if (code == '\\')
                continue;
            assert_true(letters_width(letters, text) > 0.05);
            assert_true(letters_svg_width(letters, text, bold) > 0.05);
            image_clear(&image);
            image_ink(&image, 0x000000);
            assert_true(letters_draw(letters, &image, text, 20, bold, code % 2, 100, 10));
            if (drawn(&image) < 1)
                fail_msg("nothing is drawn of %c", code);
        }
    assert_true(letters_width(letters, "iii") < letters_width(letters, "MMM"));
    assert_true(letters_draw(letters, &image, "beyond the edge", 20, false, false, -80, 39));
    image_free(&image);
    plot_letters_free(letters);
}

static uint32_t get_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A letter looks the same whatever was written before. */
static void test_letters_in_any_order(void **state)
{
    struct image image[2];
    struct plot_letters *letters[2];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct image other;
        letters[i] = plot_letters_make(NULL);
        assert_non_null(letters[i]);
        assert_true(image_open(&other, 300, 40));
        assert_true(
            letters_draw(letters[i], &other, i ? "xyz 09 WM" : "%&@", 17 + i, i, false, 5, 10));
        image_free(&other);
        assert_true(image_open(&image[i], 300, 40));
        image_ink(&image[i], 0);
        assert_true(letters_draw(letters[i], &image[i], "abgks@&%", 20, false, false, 5, 10));
        plot_letters_free(letters[i]);
    }
    assert_memory_equal(image[0].pixels, image[1].pixels, (size_t)301 * 40);
    for (unsigned i = 0; i < 2; i++)
        image_free(&image[i]);
}

/* Chunk after chunk with the right checksums, and in the last but one the pixels. */
static uint8_t *unpack_png(const uint8_t *png, size_t size, size_t pixels)
{
    const uint8_t *packed = NULL;
    uint32_t packed_bytes = 0;
    size_t at = 8;
    assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
    while (at < size) {
        uint32_t length = get_32(png + at);
        assert_true(length <= size - at - 12);
        assert_int_equal(crc32(0, png + at + 4, length + 4), get_32(png + at + 8 + length));
        if (memcmp(png + at + 4, "IDAT", 4) == 0) {
            packed = png + at + 8;
            packed_bytes = length;
        }
        at += 12 + length;
    }
    assert_int_equal(at, size);
    assert_memory_equal(png + size - 8, "IEND", 4);
    uint8_t *unpacked = malloc(pixels + 1);
    uLongf room = pixels + 1;
    assert_non_null(packed);
    assert_int_equal(uncompress(unpacked, &room, packed, packed_bytes), Z_OK);
    assert_int_equal(room, pixels);
    return unpacked;
}

static void test_png(void **state)
{
    (void)state;
    struct image image;
    size_t size;
    assert_true(image_open(&image, 20, 16));
    image_ink(&image, 0x123456);
    image_box(&image, 0, 0, 20, 1);
    uint8_t *png = image_png(&image, &size);
    assert_non_null(png);
    uint8_t *pixels = unpack_png(png, size, 21 * 16);
    assert_int_equal(pixels[14 * 21 + 5], 0);
    assert_int_equal(pixels[15 * 21], 0);
    assert_int_equal(image.colours[pixels[15 * 21 + 5]], 0x123456);
    free(pixels);
    free(png);
    image_free(&image);
}

/* Larger than what is packed at once; and that nothing packs, being noise. */
static void test_large_png(void **state)
{
    struct image image;
    size_t size, pixels = 401 * 700;
    uint32_t noise = 1;
    (void)state;
    assert_true(image_open(&image, 400, 700));
    for (unsigned turn = 0; turn < 2; turn++) {
        uint8_t *png = image_png(&image, &size);
        assert_non_null(png);
        uint8_t *unpacked = unpack_png(png, size, pixels);
        assert_memory_equal(unpacked, image.pixels, pixels);
        free(unpacked);
        free(png);
        for (size_t i = 0; i < pixels; i++) {
            noise = noise * 1664525u + 1013904223u;
            image.pixels[i] = (uint8_t)(noise >> 24);
        }
    }
    image_free(&image);
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
        cmocka_unit_test(test_gathered_for_a_sequence),
        cmocka_unit_test(test_gathered_for_throughput),
        cmocka_unit_test(test_gathered_for_the_window),
        cmocka_unit_test(test_labels_stay_apart),
        cmocka_unit_test(test_few_labels_are_whole),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_xml_text),
        cmocka_unit_test(test_unexpected_svg_is_refused),
        cmocka_unit_test(test_a_figure_inks_what_it_covers),
        cmocka_unit_test(test_figures_beyond_the_edges),
        cmocka_unit_test(test_lines_are_sharp_and_dashed),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_letters_in_any_order),
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_large_png),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
