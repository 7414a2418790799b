/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Least significant digit first; digits that are the same in all keys are passed over. */
#include "base/keyed.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define DIGIT_BITS 11u
#define DIGITS     (1u << DIGIT_BITS)

static uint32_t digit_of(const struct keyed *item, unsigned shift)
{
    return (uint32_t)(item->key >> shift) & (DIGITS - 1);
}

static void sort_digit(const struct keyed *from, struct keyed *to, uint32_t count, unsigned shift)
{
    uint32_t place[DIGITS] = {0}, next = 0;
    for (uint32_t i = 0; i < count; i++)
        place[digit_of(&from[i], shift)]++;
    for (uint32_t d = 0; d < DIGITS; d++) {
        uint32_t here = place[d];
        place[d] = next;
        next += here;
    }
    for (uint32_t i = 0; i < count; i++)
        to[place[digit_of(&from[i], shift)]++] = from[i];
}

bool keyed_sort(struct keyed *items, uint32_t count)
{
    uint64_t differs = 0;
    bool in_order = true;
    for (uint32_t i = 1; i < count; i++) {
        differs |= items[i].key ^ items[0].key;
        in_order &= items[i - 1].key <= items[i].key;
    }
    if (in_order)
        return true;
    struct keyed *scratch = array_unset(count, sizeof *scratch), *from = items, *to = scratch;
    if (!scratch)
        return false;
    for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
        if (!(differs >> shift & (DIGITS - 1)))
            continue;
        sort_digit(from, to, count, shift);
        struct keyed *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != items)
        memcpy(items, from, count * sizeof *items);
    free(scratch);
    return true;
}

static void fetch(const char *element, size_t size)
{
    for (size_t i = 0; i < size; i += 64) /* a line of the cache, on most processors */
        __builtin_prefetch(element + i, 1);
}

/* Elements that go where another is wait for that one to go first; the last waits for the first,
 * which `spare` keeps. */
void keyed_move(void *array, size_t size, struct keyed *order, uint32_t count, void *spare)
{
    char *elements = array;
    for (uint32_t first = 0; first < count; first++) {
        if (order[first].index == first)
            continue;
        memcpy(spare, elements + first * size, size);
        uint32_t to = first, from;
        while ((from = order[to].index) != first) {
            fetch(elements + order[from].index * size, size); /* while this one is copied */
            memcpy(elements + to * size, elements + from * size, size);
            order[to].index = to;
            to = from;
        }
        memcpy(elements + to * size, spare, size);
        order[to].index = to;
    }
}

bool keyed_arrange(void *array, uint32_t count, size_t size, keyed_key *key)
{
    struct keyed *keys = array_unset(count, sizeof *keys);
    char *spare = malloc(size);
    for (uint32_t i = 0; keys && i < count; i++)
        keys[i] = (struct keyed){key((const char *)array + i * size), i};
    bool ok = keys && spare && keyed_sort(keys, count);
    if (ok)
        keyed_move(array, size, keys, count, spare);
    free(keys);
    free(spare);
    return ok;
}
