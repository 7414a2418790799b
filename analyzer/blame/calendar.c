/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A sorted array; the latest end so far tells when no earlier finding can reach a time. */
#include "blame/calendar.h"

#include <stdlib.h>

#include "base/partition.h"

static int compare_beginnings(const void *left, const void *right)
{
    const struct beginning *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->start_ns != b->start_ns)
        return a->start_ns < b->start_ns ? -1 : 1;
    return a->finding < b->finding ? -1 : a->finding > b->finding;
}

bool calendar_make(struct calendar *calendar, const struct findings *findings, calendar_key *key)
{
    calendar->items = array_new(findings->count, sizeof *calendar->items);
    if (!calendar->items)
        return false;
    calendar->count = findings->count;
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        calendar->items[i] =
            (struct beginning){key(finding), finding->start_ns, finding->end_ns, i};
    }
    if (calendar->count)
        qsort(calendar->items, calendar->count, sizeof *calendar->items, compare_beginnings);
    for (uint32_t i = 1; i < calendar->count; i++) {
        const struct beginning *before = &calendar->items[i - 1];
        struct beginning *item = &calendar->items[i];
        if (before->key == item->key && before->latest_ns > item->latest_ns)
            item->latest_ns = before->latest_ns;
    }
    return true;
}

const struct beginning *calendar_by(const struct calendar *calendar, uint64_t key, int64_t time_ns)
{
    const struct beginning *items = calendar->items;
    uint32_t later = PARTITION_POINT(i, calendar->count,
                                     items[i].key < key ||
                                         (items[i].key == key && items[i].start_ns <= time_ns));
    return later && items[later - 1].key == key ? &items[later - 1] : NULL;
}

const struct beginning *calendar_before(const struct calendar *calendar,
                                        const struct beginning *after, int64_t time_ns)
{
    const struct beginning *item = after - 1;
    if (after == calendar->items || item->key != after->key || item->latest_ns < time_ns)
        return NULL;
    return item;
}

void calendar_free(struct calendar *calendar)
{
    free(calendar->items);
    *calendar = (struct calendar){0};
}
