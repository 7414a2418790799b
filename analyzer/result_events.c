/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of events, in the order in which they happened. */
#include <stdlib.h>

#include "analysis.h"
#include "base/keyed.h"

static int compare_events(const void *left, const void *right)
{
    const struct wh_event *a = left, *b = right;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->frame != b->frame)
        return a->frame < b->frame ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* By time first: the few that share one are put in order afterwards. */
static bool sort_events(struct wh_event **events, uint32_t count)
{
    struct keyed *keys = malloc(((size_t)count + 1) * sizeof *keys);
    struct wh_event *sorted = malloc(((size_t)count + 1) * sizeof *sorted);
    for (uint32_t i = 0; keys && i < count; i++)
        keys[i] = (struct keyed){keyed_signed((*events)[i].time_ns), i};
    bool ok = keys && sorted && keyed_sort(keys, count);
    for (uint32_t i = 0; ok && i < count; i++)
        sorted[i] = (*events)[keys[i].index];
    for (uint32_t i = 0, same; ok && i < count; i += same) {
        for (same = 1; i + same < count && sorted[i + same].time_ns == sorted[i].time_ns;)
            same++;
        if (same > 1)
            qsort(sorted + i, same, sizeof *sorted, compare_events);
    }
    free(keys);
    free(ok ? *events : sorted);
    if (ok)
        *events = sorted;
    return ok;
}

bool events_make(struct wh_analysis *analysis, const uint32_t *ids, const unsigned *place)
{
    for (uint32_t i = 0; i < analysis->event_count; i++) {
        struct wh_event *event = &analysis->events[i];
        event->time_ns -= analysis->epoch.ns;
        event->flow = ids[event->flow];
        event->point = (uint8_t)place[event->point];
    }
    if (!sort_events(&analysis->events, analysis->event_count))
        return false;
    analysis->result.events = analysis->events;
    analysis->result.event_count = analysis->event_count;
    analysis->result.events_dropped = analysis->events_dropped;
    return true;
}
