/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pages, slabs, crumbs, arenas that are used again, and the radix sort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/crumbs.h"
#include "base/keyed.h"
#include "base/slabs.h"

#define ARRAYS 40u
#define LENGTH 3000u

static size_t address_space_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* An array of numbers that tell which it is, and their places. */
struct numbers {
    struct slab slab;
    uint32_t capacity, count;
};

static void add_number(struct slabs *slabs, struct numbers *array, uint32_t which)
{
    if (array->count == array->capacity)
        assert_true(slabs_grow(slabs, &array->slab, &array->capacity, sizeof(uint64_t)));
    assert_true(array->capacity > array->count);
    ((uint64_t *)array->slab.memory)[array->count] = (uint64_t)which << 32 | array->count;
    array->count++;
}

static void assert_numbers(const struct numbers *array, uint32_t which)
{
    for (uint32_t i = 0; i < array->count; i++)
        assert_int_equal(((uint64_t *)array->slab.memory)[i], (uint64_t)which << 32 | i);
}

static void pack_numbers(struct slabs *slabs, struct numbers *arrays, uint32_t count)
{
    struct keyed places[ARRAYS];
    struct slab_use uses[ARRAYS];
    for (uint32_t a = 0; a < count; a++)
        places[a] = (struct keyed){(uintptr_t)arrays[a].slab.memory, a};
    assert_true(keyed_sort(places, count));
    for (uint32_t i = 0; i < count; i++) {
        const struct numbers *array = &arrays[places[i].index];
        uses[i] = (struct slab_use){array->slab, array->count * sizeof(uint64_t)};
    }
    assert_true(slabs_pack(slabs, uses, count));
    for (uint32_t i = 0; i < count; i++)
        arrays[places[i].index].slab = uses[i].slab;
}

/* Arrays that grow side by side keep what they hold, wherever they move: as chains, whose blocks
 * are between those of others, and packed. */
static void test_slabs_keep_what_they_hold(void **state)
{
    struct slabs slabs = {0};
    struct numbers arrays[ARRAYS] = {{{0}, 0, 0}};
    (void)state;
    for (uint32_t i = 0; i < LENGTH; i++)
        for (uint32_t a = 0; a < ARRAYS; a++)
            for (uint32_t more = 0; i >= 64 * a && more <= (i + a) % 3; more++)
                add_number(&slabs, &arrays[a], a);
    for (uint32_t a = 0; a < ARRAYS; a++)
        for (uint32_t i = 0; i < arrays[a].count; i++) {
            const uint64_t *number =
                slabs_element(&slabs, &arrays[a].slab, arrays[a].capacity, sizeof *number, i);
            assert_int_equal(*number, (uint64_t)a << 32 | i);
        }
    pack_numbers(&slabs, arrays, ARRAYS);
    for (uint32_t a = 0; a < ARRAYS; a++)
        assert_numbers(&arrays[a], a);
    slabs_free(&slabs);
    assert_null(slabs.blocks.memory);
}

/* What is far back in a chain is not looked for; the rest is found. */
static void test_chains_are_followed_so_far(void **state)
{
    struct slabs slabs = {0};
    struct slab slab = {0};
    uint32_t capacity = 0, count = SLAB_REACH + 3;
    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        if (i == capacity)
            assert_true(slabs_grow(&slabs, &slab, &capacity, SLAB_BLOCK_BYTES));
        memcpy((char *)slab.memory + i * SLAB_BLOCK_BYTES, &i, sizeof i);
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *found = slabs_element(&slabs, &slab, capacity, SLAB_BLOCK_BYTES, i);
        if (i + SLAB_REACH + 1 < count)
            assert_null(found);
        else
            assert_int_equal(*found, i);
    }
    slabs_free(&slabs);
}

/* Where memory is out, an array stays as it was, as a short one and as a chain. */
static void test_slabs_without_memory(void **state)
{
    const uint32_t in_block = SLAB_BLOCK_BYTES / sizeof(uint64_t);
    struct slabs slabs = {0};
    struct numbers arrays[2] = {{{0}, 0, 0}};
    (void)state;
    while (arrays[0].count < 960) /* the largest short array */
        add_number(&slabs, &arrays[0], 0);
    while (PAGES_STEP - slabs.blocks.used >= 2 * SLAB_BLOCK_BYTES)
        add_number(&slabs, &arrays[1], 1);
    while (arrays[1].count < arrays[1].capacity)
        add_number(&slabs, &arrays[1], 1);
    /* There is room for one block more, where a chain begins with two. */
    size_t room = slabs.blocks.room;
    slabs.blocks.room = PAGES_STEP;
    uint32_t capacity = arrays[0].capacity;
    assert_false(slabs_grow(&slabs, &arrays[0].slab, &arrays[0].capacity, sizeof(uint64_t)));
    for (uint32_t i = 0; i < in_block; i++)
        add_number(&slabs, &arrays[1], 1);
    assert_false(slabs_grow(&slabs, &arrays[1].slab, &arrays[1].capacity, sizeof(uint64_t)));
    assert_int_equal(arrays[0].capacity, capacity);
    assert_int_equal(arrays[1].capacity, arrays[1].count);
    slabs.blocks.room = room;
    pack_numbers(&slabs, arrays, 2);
    assert_numbers(&arrays[0], 0);
    assert_numbers(&arrays[1], 1);
    slabs_free(&slabs);
}

/* Where address space is limited, several may grow as far as it goes, and then say so. */
static void test_pages_in_little_space(void **state)
{
    struct pages pages[3] = {{0}};
    size_t taken = 0, before = address_space_bytes();
    struct rlimit limit, usual;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_AS, &usual), 0);
    limit = usual;
    limit.rlim_cur = before + 40 * PAGES_STEP;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    for (unsigned i = 0;; i++) {
        void *piece = pages_take(&pages[i % 3], PAGES_STEP);
        if (!piece)
            break;
        memset(piece, 1, PAGES_STEP);
        taken += PAGES_STEP;
    }
    setrlimit(RLIMIT_AS, &usual);
    assert_in_range(taken, 25 * PAGES_STEP, 40 * PAGES_STEP);
    for (unsigned i = 0; i < 3; i++)
        pages_free(&pages[i]);
    assert_in_range(address_space_bytes(), 0, before + PAGES_STEP);
}

/* Pages of both kinds may be written to, step after step, and those of the kind that was dear are
 * not taken; what is cut off may be taken again. */
static void test_pages_grow(void **state)
{
    struct pages pages = {0};
    const size_t piece = PAGES_STEP / 3, pieces = 40;
    (void)state;
    for (size_t i = 0; i < pieces; i++) {
        enum page_kind dear = i % 14 < 7 ? PAGES_SMALL : PAGES_HUGE;
        size_t ready = pages.ready;
        pages.cost_ns[dear] = INT64_MAX / 4;
        pages.cost_ns[!dear] = 1;
        char *taken = pages_take(&pages, piece);
        assert_ptr_equal(taken, pages.memory + i * piece);
        memset(taken, (int)i, piece);
        if (ready >= PAGES_STEP && ready < pages.ready)
            assert_int_equal(pages.kind, !dear);
    }
    for (size_t i = 0; i < pieces * piece; i++)
        assert_int_equal(pages.memory[i], i / piece);
    for (size_t bytes = piece; bytes < 4 * PAGES_STEP; bytes += piece) { /* or are somewhere else */
        char *other = malloc(bytes);
        assert_non_null(other);
        pages_hint(other, bytes);
        memset(other, 1, bytes);
        free(other);
    }
    pages_cut(&pages, piece);
    assert_ptr_equal(pages_take(&pages, piece), pages.memory + piece);
    memset(pages.memory + piece, 1, piece);
    for (unsigned part = 0; part < 3; part++)
        pages_release(&pages, part, 3);
    for (size_t i = 0; i < 2 * piece; i++)
        assert_int_equal(pages.memory[i], 0);
    pages_free(&pages);
    pages_free(&pages);
}

/* What one array left behind serves the next one. */
static void test_slabs_are_used_again(void **state)
{
    struct slabs slabs = {0};
    struct slab first = {0}, second = {0};
    uint32_t capacity = 0, other = 0;
    (void)state;
    assert_true(slabs_grow(&slabs, &first, &capacity, 8));
    void *left = first.memory;
    assert_true(slabs_grow(&slabs, &first, &capacity, 8));
    assert_ptr_not_equal(first.memory, left);
    assert_true(slabs_grow(&slabs, &second, &other, 8));
    assert_ptr_equal(second.memory, left);
    slabs_free(&slabs);
}

/* Small arrays, of which each was left behind by another, keep what they hold when they are packed,
 * and a chain among them does, too: none lies in another. */
static void test_packed_slabs_keep_what_they_hold(void **state)
{
    struct slabs slabs = {0};
    struct numbers arrays[ARRAYS] = {{{0}, 0, 0}};
    (void)state;
    for (uint32_t a = 0; a < ARRAYS; a++)
        for (uint32_t length = a == 7 ? LENGTH : 1 + a * a % 301; length > 0; length--)
            add_number(&slabs, &arrays[a], a);
    size_t used = slabs.small.used;
    pack_numbers(&slabs, arrays, ARRAYS);
    assert_true(slabs.small.used < used);
    for (uint32_t a = 0; a < ARRAYS; a++)
        assert_numbers(&arrays[a], a);
    slabs_free(&slabs);
}

/* Nor do those that fill their pieces to the last byte. */
static void test_full_slabs_are_packed(void **state)
{
    struct slabs slabs = {0};
    struct numbers arrays[ARRAYS] = {{{0}, 0, 0}};
    (void)state;
    for (uint32_t a = 0; a < ARRAYS; a++) /* each in a new piece: behind the one before */
        do
            add_number(&slabs, &arrays[a], a);
        while (arrays[a].count < arrays[a].capacity);
    pack_numbers(&slabs, arrays, ARRAYS);
    for (uint32_t a = 0; a < ARRAYS; a++)
        assert_numbers(&arrays[a], a);
    slabs_free(&slabs);
}

/* Elements may be larger than the smallest slab, or many small ones. */
static void test_slabs_of_any_element(void **state)
{
    struct slabs slabs = {0};
    struct slab slab = {0};
    uint32_t capacity = 0;
    (void)state;
    assert_true(slabs_grow(&slabs, &slab, &capacity, SLAB_BLOCK_BYTES));
    assert_true(capacity >= 1);
    slabs_free(&slabs);
    slab = (struct slab){0};
    capacity = 0;
    while (slabs_grow(&slabs, &slab, &capacity, 1) && capacity < 1u << 20)
        ;
    assert_true(capacity >= 1u << 20);
    slabs_free(&slabs);
}

/* Pieces of any sizes that come and go do not lie in each other, and are used again. */
static void test_crumbs_keep_what_they_hold(void **state)
{
    struct crumbs crumbs = {0};
    unsigned char *piece[ARRAYS] = {NULL};
    size_t bytes[ARRAYS] = {0};
    (void)state;
    for (uint32_t i = 0; i < LENGTH; i++) {
        uint32_t a = i * 7 % ARRAYS;
        for (size_t b = 0; b < bytes[a]; b++)
            assert_int_equal(piece[a][b], a);
        if (piece[a])
            crumbs_give(&crumbs, piece[a], bytes[a]);
        bytes[a] = 1 + (size_t)i * i % CRUMB_MOST;
        piece[a] = crumbs_take(&crumbs, bytes[a]);
        assert_non_null(piece[a]);
        assert_int_equal((uintptr_t)piece[a] % _Alignof(max_align_t), 0);
        memset(piece[a], (int)a, bytes[a]);
    }
    crumbs_give(&crumbs, piece[0], bytes[0]);
    assert_ptr_equal(crumbs_take(&crumbs, bytes[0]), piece[0]);
    crumbs_give(&crumbs, piece[0], bytes[0]);
    assert_ptr_equal(crumbs_copy(&crumbs, piece[1], bytes[1] / 2, bytes[0]), piece[0]);
    for (size_t b = 0; b < bytes[1] / 2 && b < bytes[0]; b++)
        assert_int_equal(piece[0][b], 1);
    crumbs_free(&crumbs);
    assert_null(crumbs.pages.memory);
}

static void test_an_arena_used_again_is_zeroed(void **state)
{
    struct arena arena = {0};
    (void)state;
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned piece = 0; piece < 50; piece++) {
            unsigned char *bytes = arena_alloc(&arena, 5000, 1);
            assert_non_null(bytes);
            for (unsigned i = 0; i < 5000; i++)
                assert_int_equal(bytes[i], 0);
            memset(bytes, 0xff, 5000);
        }
        arena_reset(&arena);
    }
    arena_free(&arena);
}

static void test_joined_arenas_are_freed_together(void **state)
{
    struct arena to = {0}, from = {0};
    (void)state;
    char *kept = arena_strdup(&from, "kept");
    arena_strdup(&to, "here before");
    arena_join(&to, &from);
    assert_null(from.blocks);
    arena_free(&from);
    assert_string_equal(kept, "kept");
    arena_free(&to);
}

static int compare_keyed(const void *left, const void *right)
{
    const struct keyed *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* A queue that is never empty takes no more room than was ever in it, twice. */
static void test_queues_are_shifted(void **state)
{
    (void)state;
    uint32_t *queue = NULL, first = 0, count = 0, capacity = 0, added = 0, taken = 0;
    for (; added < 100000; added++) {
        array_shift(queue, &first, &count, capacity, sizeof *queue);
        uint32_t *last = ARRAY_PUSH(queue, count, capacity);
        assert_non_null(last);
        *last = added;
        for (uint32_t most = added % 100 + 1; count - first > most; taken++)
            assert_int_equal(queue[first++], taken);
    }
    assert_true(capacity < 400);
    free(queue);
}

/* As a comparing sort has it, equal keys in their order. */
static void test_keyed_sort(void **state)
{
    static const uint64_t MASKS[] = {0xff, 0xffffff, UINT64_MAX, 0xff00000000000000u, 0};
    struct keyed items[LENGTH], expected[LENGTH];
    uint64_t random = 1;
    (void)state;
    for (size_t m = 0; m < sizeof MASKS / sizeof *MASKS; m++) {
        for (uint32_t i = 0; i < LENGTH; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            items[i] = expected[i] = (struct keyed){(random ^ random >> 29) & MASKS[m], i};
        }
        qsort(expected, LENGTH, sizeof *expected, compare_keyed);
        assert_true(keyed_sort(items, LENGTH));
        for (uint32_t i = 0; i < LENGTH; i++) {
            assert_int_equal(items[i].key, expected[i].key);
            assert_int_equal(items[i].index, expected[i].index);
        }
    }
    assert_true(keyed_signed(-1) < keyed_signed(0) && keyed_signed(0) < keyed_signed(1));
    assert_true(keyed_signed(INT64_MIN) < keyed_signed(INT64_MAX));
}

static uint64_t first_byte(const void *element)
{
    return *(const unsigned char *)element;
}

/* Elements of any size, each whole, equal ones as they stood. */
static void test_keyed_arrange(void **state)
{
    char names[5][8] = {"dora", "anton", "berta", "anna", "carl"};
    (void)state;
    assert_true(keyed_arrange(names, 5, sizeof *names, first_byte));
    static const char *const EXPECTED[] = {"anton", "anna", "berta", "carl", "dora"};
    for (unsigned i = 0; i < 5; i++)
        assert_string_equal(names[i], EXPECTED[i]);
    assert_true(keyed_arrange(names, 0, sizeof *names, first_byte));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slabs_keep_what_they_hold),
        cmocka_unit_test(test_chains_are_followed_so_far),
        cmocka_unit_test(test_slabs_without_memory),
        cmocka_unit_test(test_pages_grow),
        cmocka_unit_test(test_pages_in_little_space),
        cmocka_unit_test(test_slabs_are_used_again),
        cmocka_unit_test(test_packed_slabs_keep_what_they_hold),
        cmocka_unit_test(test_full_slabs_are_packed),
        cmocka_unit_test(test_slabs_of_any_element),
        cmocka_unit_test(test_crumbs_keep_what_they_hold),
        cmocka_unit_test(test_an_arena_used_again_is_zeroed),
        cmocka_unit_test(test_joined_arenas_are_freed_together),
        cmocka_unit_test(test_queues_are_shifted),
        cmocka_unit_test(test_keyed_sort),
        cmocka_unit_test(test_keyed_arrange),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
