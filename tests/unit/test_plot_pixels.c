/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pixels must be the same however they are made: by one thread or many, by the long way or a short
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the headers above before it. */
#include <cmocka.h>

#include <string.h>

#include "base/parallel.h"
#include "plot/image.h"
#include "plot/letters.h"
#include "plot/plot.h"

/* libplot does not free the copies it makes of its parameters. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libplot\n";
}

/* ---- letters --------------------------------------------------------------------------------- */

#define WIDTH   1200u
#define HEIGHT  60u
#define WRITERS 8u

struct writers {
    struct plot_letters *letters;
    struct image images[WRITERS];
};

static void write_all(void *context, unsigned worker, uint32_t item)
{
    struct writers *writers = context;
    struct image *image = &writers->images[item];
    char text[96];
    (void)worker;
    for (unsigned i = 0; i < sizeof text - 1; i++)
        text[i] = (char)(0x20 + i % 3 / 2 * 0x80 + (i + item * 11) % 0x3c); /* each its own */
    text[sizeof text - 1] = 0;
    for (unsigned i = 0; i < 16; i++) {
        image_ink(image, 0x102030u * (i % 3));
        letters_draw(writers->letters, image, text, 9 + i % 4 * 3, i % 2, i / 8, 20 + i * 0.25, 20);
    }
}

static void test_letters_by_many_threads(void **state)
{
    (void)state;
    struct writers alone = {.letters = plot_letters_make(NULL)};
    struct writers together = {.letters = plot_letters_make(NULL)};
    assert_true(alone.letters && together.letters);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_true(image_open(&alone.images[i], WIDTH, HEIGHT) &&
                    image_open(&together.images[i], WIDTH, HEIGHT));
    parallel_run(1, WRITERS, write_all, &alone);
    parallel_run(4, WRITERS, write_all, &together);
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_memory_equal(alone.images[i].pixels, together.images[i].pixels,
                            (size_t)(WIDTH + 1) * HEIGHT);
        image_free(&alone.images[i]);
        image_free(&together.images[i]);
    }
    plot_letters_free(alone.letters);
    plot_letters_free(together.letters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters_by_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
