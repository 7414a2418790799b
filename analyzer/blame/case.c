/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions that several rules ask, and the writing down of what they found. */
#include "blame/case.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define IDS_LOOKED_AT 400u
#define IDS_ENOUGH    8u

/* ---- places ---------------------------------------------------------------------------------- */

struct place place_between(const struct hop *a, const struct hop *b)
{
    unsigned low = a->place < b->place ? a->place : b->place;
    unsigned high = a->place < b->place ? b->place : a->place;
    return (struct place){low + 1, high - low};
}

/* Does the trail run from the servers' side to the clients'? */
static bool runs_up(const struct stall_case *item, const struct trail *trail)
{
    bool from_server = (item->timeline->side == 1) == (trail == item->timeline->data);
    return from_server != item->flow->reversed;
}

static struct place beyond(unsigned place, bool up, unsigned span)
{
    return (struct place){up ? place + 1 : place + 1 - span, span};
}

struct place place_before(const struct stall_case *item, const struct trail *trail)
{
    return beyond(trail->hops[0].place, !runs_up(item, trail), trail->before);
}

struct place place_after(const struct stall_case *item, const struct trail *trail)
{
    return beyond(trail->hops[trail->hop_count - 1].place, runs_up(item, trail), trail->after);
}

/* ---- delays ---------------------------------------------------------------------------------- */

struct held held_in(const struct trail *trail, unsigned k, int64_t from_ns, int64_t to_ns,
                    int64_t least_ns)
{
    struct held held = {.left_ns = NEVER};
    const struct hop *hop = &trail->hops[k];
    for (uint32_t i = copies_from(hop, from_ns); i < hop->count && hop_time(hop, i) <= to_ns; i++) {
        if (hop->copies[i].next == COPY_NONE || hop_delay(hop, i) - hop->base_delay_ns < least_ns)
            continue;
        int64_t left_ns = hop_time(hop, i) + hop_delay(hop, i);
        if (held.count++ == 0) {
            held.first = i;
            held.entered_ns = hop_time(hop, i);
        }
        held.last = i;
        held.left_ns = left_ns < held.left_ns ? left_ns : held.left_ns;
    }
    return held;
}

uint32_t first_copy(const struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    if (item->sent_ns == NEVER)
        return COPY_NONE;
    for (uint32_t i = copies_from(hop, item->sent_ns); i < hop->count; i++)
        if (pkt_span(hop_pkt(hop, i)) && pkt_end(hop_pkt(hop, i)) > item->level)
            return i;
    return COPY_NONE;
}

int64_t next_sending(const struct stall_case *item, int64_t after_ns)
{
    const struct hop *hop = item->timeline->sender;
    for (uint32_t i = copies_from(hop, after_ns + 1);
         i < hop->count && hop_time(hop, i) <= item->end_ns; i++)
        if (covers(hop_pkt(hop, i), item->level))
            return hop_time(hop, i);
    return item->end_ns;
}

bool sent_again(const struct stall_case *item)
{
    const struct hop *hop = item->timeline->sender;
    uint32_t i = copies_from(hop, item->start_ns);
    int64_t high = steps_level(&item->timeline->sent, item->start_ns, INT64_MIN);
    for (; i < hop->count && hop_time(hop, i) <= item->end_ns; i++)
        if (pkt_span(hop_pkt(hop, i)) && hop_time(hop, i) > item->start_ns &&
            (hop_pkt(hop, i)->seq < high ||
             (covers(hop_pkt(hop, i), item->level) && hop_time(hop, i) > item->sent_ns)))
            return true;
    return false;
}

/* ---- IP IDs ---------------------------------------------------------------------------------- */

/* What a packet adds to a counter of packets: a merged frame stands for several. */
static unsigned id_step(const struct timeline *timeline, const struct pkt *pkt)
{
    return pkt->len > timeline->mss ? (unsigned)((pkt->len + timeline->mss - 1) / timeline->mss)
                                    : 1;
}

static uint16_t id_gap(const struct timeline *timeline, const struct pkt *a, const struct pkt *b)
{
    return (uint16_t)(b->ip_id - a->ip_id - id_step(timeline, a));
}

/* Packets between two copies that the next point saw, and this one's capture missed. */
static unsigned missed_between(const struct timeline *timeline, const struct hop *hop,
                               uint32_t before, uint32_t after)
{
    unsigned count = 0;
    const struct hop *next = hop + 1;
    int64_t until_ns = hop_time(hop, after) + hop->base_delay_ns;
    for (uint32_t i = copies_from(next, hop_time(hop, before)); i < next->count; i++) {
        if (hop_time(next, i) > until_ns)
            break;
        if (next->copies[i].previous == COPY_NONE)
            count += id_step(timeline, hop_pkt(next, i));
    }
    return count;
}

/* Did the only capture of the flow miss packets between two copies? Nobody knows how many. */
static bool gap_between(const struct trail *trail, uint32_t before, uint32_t after)
{
    const struct hop *hop = &trail->hops[0];
    int64_t from_ns = hop_time(hop, before), to_ns = hop_time(hop, after);
    if (trail->hop_count > 1)
        return false;
    for (uint32_t i = 0; i < trail->miss_count; i++)
        if (trail->misses[i].time.ns >= from_ns && trail->misses[i].time.ns <= to_ns)
            return true;
    const struct capture_gap *gap = follow_gap(hop->span, from_ns + 1, to_ns - 1);
    return gap && gap->from.ns < to_ns && gap->to.ns > from_ns;
}

int ids_skipped(const struct timeline *timeline, const struct trail *trail, uint32_t before,
                uint32_t after)
{
    const struct hop *hop = &trail->hops[0];
    unsigned steady = 0, looked = 0;
    const struct pkt *a = hop_pkt(hop, before), *b = hop_pkt(hop, after);
    if (a->ip_id == 0 || b->ip_id == 0 || gap_between(trail, before, after))
        return -1;
    /* Linux counts up by one for each packet of a connection: does this sender? */
    uint32_t from = before > IDS_LOOKED_AT / 2 ? before - IDS_LOOKED_AT / 2 : 1;
    for (uint32_t i = from; i < hop->count && looked < IDS_LOOKED_AT; i++) {
        if (i == after || hop_pkt(hop, i)->ip_id == 0 || hop_pkt(hop, i - 1)->ip_id == 0)
            continue;
        looked++;
        steady += id_gap(timeline, hop_pkt(hop, i - 1), hop_pkt(hop, i)) == 0;
    }
    if (looked < IDS_ENOUGH || steady * 10 < looked * 8)
        return -1;
    uint16_t gap = (uint16_t)(b->ip_id - a->ip_id);
    for (uint32_t i = before; i < after; i++)
        gap = (uint16_t)(gap - id_step(timeline, hop_pkt(hop, i)));
    if (trail->hop_count > 1)
        gap = (uint16_t)(gap - missed_between(timeline, hop, before, after));
    return gap < 0x8000 ? gap : -1;
}

/* ---- writing down ---------------------------------------------------------------------------- */

void conclude(struct stall_case *item, enum wh_cause cause, struct place place, bool with_data,
              double confidence)
{
    struct finding *finding = item->finding;
    bool from_server = (item->timeline->side == 1) == with_data;
    finding->cause = cause;
    finding->place = place;
    finding->direction = from_server ? WH_TO_CLIENT : WH_TO_SERVER;
    finding->confidence = confidence;
}

double seconds_of(const struct stall_case *item, int64_t time_ns)
{
    return (double)(time_ns - item->options->epoch_ns) / 1e9;
}

const char *name_of(const struct stall_case *item, const struct hop *hop)
{
    return item->options->names[hop->point];
}

static void add_frame(struct wh_frame *frames, uint32_t *count, const struct hop *hop, uint32_t pkt)
{
    if (!hop || !hop->view || pkt == COPY_NONE)
        return;
    frames[(*count)++] = (struct wh_frame){(uint16_t)hop->point, 0, hop->view->pkts[pkt].place};
}

static void add_evidence(struct stall_case *item, const struct wh_frame *frames, uint32_t count,
                         const char *format, va_list arguments)
{
    char text[400];
    vsnprintf(text, sizeof text, format, arguments);
    struct finding *finding = item->finding;
    struct wh_evidence *evidence =
        ARRAY_PUSH(finding->evidence, finding->evidence_count, finding->evidence_capacity);
    struct wh_frame *copies = arena_alloc(item->arena, (size_t)count + 1, sizeof *copies);
    if (!evidence)
        return;
    *evidence = (struct wh_evidence){
        .text = arena_strdup(item->arena, text), .frames = copies, .frame_count = count};
    if (!copies || !evidence->text) {
        finding->evidence_count--; /* without memory for it, a stall goes without this sentence */
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        copies[i] = frames[i];
}

void testify(struct stall_case *item, const struct hop *hop_a, uint32_t pkt_a,
             const struct hop *hop_b, uint32_t pkt_b, const char *format, ...)
{
    struct wh_frame frames[2];
    uint32_t count = 0;
    va_list arguments;
    add_frame(frames, &count, hop_a, pkt_a);
    add_frame(frames, &count, hop_b, pkt_b);
    va_start(arguments, format);
    add_evidence(item, frames, count, format, arguments);
    va_end(arguments);
}

void testify_frame(struct stall_case *item, const struct wh_frame *frame, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_evidence(item, frame, 1, format, arguments);
    va_end(arguments);
}
