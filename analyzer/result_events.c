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

static uint64_t time_of(const void *element)
{
    return keyed_signed(((const struct wh_event *)element)->time_ns);
}

/* By time first: the few that share one are put in order afterwards. */
static bool sort_events(struct wh_event *events, uint32_t count)
{
    if (!keyed_arrange(events, count, sizeof *events, time_of))
        return false;
    for (uint32_t i = 0, same; i < count; i += same) {
        for (same = 1; i + same < count && events[i + same].time_ns == events[i].time_ns;)
            same++;
        if (same > 1)
            qsort(events + i, same, sizeof *events, compare_events);
    }
    return true;
}

bool events_make(struct wh_analysis *analysis, const uint32_t *ids, const unsigned *place)
{
    for (uint32_t i = 0; i < analysis->event_count; i++) {
        struct wh_event *event = &analysis->events[i];
        event->time_ns -= analysis->epoch.ns;
        event->flow = ids[event->flow];
        struct wh_frame frame = capture_frame(analysis, event->point, event->frame);
        event->file = frame.file;
        event->frame = frame.frame;
        event->point = (uint8_t)place[event->point];
    }
    if (!sort_events(analysis->events, analysis->event_count))
        return false;
    analysis->result.events = analysis->events;
    analysis->result.event_count = analysis->event_count;
    analysis->result.events_dropped = analysis->events_dropped;
    return true;
}
