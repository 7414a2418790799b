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
    struct keyed *scratch = array_new(count, sizeof *scratch), *from = items, *to = scratch;
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

bool keyed_arrange(void **array, uint32_t count, size_t size, keyed_key *key)
{
    struct keyed *keys = array_new(count, sizeof *keys);
    char *sorted = array_new(count, size);
    const char *elements = *array;
    for (uint32_t i = 0; keys && i < count; i++)
        keys[i] = (struct keyed){key(elements + i * size), i};
    bool ok = keys && sorted && keyed_sort(keys, count);
    for (uint32_t i = 0; ok && i < count; i++)
        memcpy(sorted + i * size, elements + keys[i].index * size, size);
    free(keys);
    free(ok ? *array : sorted);
    if (ok)
        *array = sorted;
    return ok;
}
