/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets are captured in the order in which they came. Where the clock was set back, their times
 * fall; where it was set forward, there is a silence at this point alone. And whoever uses
 * timestamps brings a clock of his own along: what it and the point's clock show differs by the
 * delay, which a step lifts or lowers for all packets that follow.
 */
#include "align/witness.h"

#include <stdlib.h>

#include "align/straight.h"
#include "base/parallel.h"
#include "base/partition.h"

#define WITNESSES_MAX     64u
#define WITNESS_PACKETS   256u              /* looked at on either side */
#define WITNESS_NS        (5 * NS_PER_S)    /* and for so long */
#define RUN_PACKETS       512u              /* of both sides, that a tick is measured over */
#define TICK_LEAST_NS     (300 * NS_PER_MS) /* a shorter stretch does not tell the tick */
#define AGE_MOST_NS       (CLOCK_APART_MAX_NS / 4)
#define LEAP_NS           (20 * NS_PER_MS)
#define LEAP_BY_STAMPS_NS (100 * NS_PER_MS)
#define STAMPS_AROUND_NS  (14 * 24 * 3600 * NS_PER_S) /* half of 2^32 ticks of 1 ms, and less */
#define FLOWS_AT_ONCE     64u

static uint32_t index_of(const struct track_flow *view, uint64_t place)
{
    return PARTITION_POINT(i, view->pkt_count, view->pkts[i].place < place);
}

static int64_t straight_ns(const struct clock_steps *known, const struct pkt *pkt)
{
    return step_straight_ns(known, pkt->place, pkt->time.ns);
}

/* ---- the capture's own times ----------------------------------------------------------------- */

struct moment {
    uint64_t place;
    struct point_time time;
    int64_t straight_ns;
};

static int compare_moments(const void *left, const void *right)
{
    const struct moment *a = left, *b = right;
    return a->place < b->place ? -1 : a->place > b->place;
}

bool witness_stretch(const struct flows *flows, unsigned point, const struct clock_steps *known,
                     uint64_t before, uint64_t after, uint64_t place, struct stretch *stretch)
{
    struct moment *moments = NULL;
    uint32_t count = 0, capacity = 0;
    *stretch = (struct stretch){0};
    for (uint32_t f = 0; f < flows->count; f++) {
        const struct track_flow *view = flows->items[f].at[point];
        for (uint32_t i = view ? index_of(view, before) : 0;
             view && i < view->pkt_count && view->pkts[i].place <= after; i++) {
            struct moment *moment = ARRAY_PUSH(moments, count, capacity);
            if (!moment) {
                free(moments);
                return false;
            }
            const struct pkt *pkt = &view->pkts[i];
            *moment = (struct moment){pkt->place, pkt->time, straight_ns(known, pkt)};
        }
    }
    if (count)
        qsort(moments, count, sizeof *moments, compare_moments);
    for (uint32_t i = 1; i < count; i++) {
        struct seam seam = {moments[i].place, moments[i - 1].time, moments[i].time,
                            moments[i].straight_ns - moments[i - 1].straight_ns};
        if (stretch->seams++ == 0)
            stretch->least = stretch->most = seam;
        stretch->least = seam.passed_ns < stretch->least.passed_ns ? seam : stretch->least;
        stretch->most = seam.passed_ns > stretch->most.passed_ns ? seam : stretch->most;
        if (seam.place <= place)
            stretch->given = seam;
    }
    free(moments);
    return true;
}

/* ---- the senders' clocks --------------------------------------------------------------------- */

/* Some packets of one sender, on one side of a place. */
struct run {
    uint32_t first, last, count; /* of them; first is the nearest to the place */
};

static bool is_witness(const struct pkt *pkt, unsigned side)
{
    return pkt_side(pkt) == side && (pkt->flags & PKT_TIMESTAMPS) && !(pkt->flags & PKT_DUPLICATE);
}

static struct run find_run(const struct track_flow *view, const struct clock_steps *known,
                           unsigned side, uint32_t from, int step)
{
    struct run run = {0};
    int64_t first_ns = 0;
    for (int64_t i = from, end = step > 0 ? (int64_t)view->pkt_count : -1;
         i != end && run.count < WITNESS_PACKETS; i += step) {
        const struct pkt *pkt = &view->pkts[i];
        if (!is_witness(pkt, side))
            continue;
        int64_t time_ns = straight_ns(known, pkt);
        if (run.count && llabs(time_ns - first_ns) > WITNESS_NS)
            break;
        if (run.count++ == 0) {
            run.first = (uint32_t)i;
            first_ns = time_ns;
        }
        run.last = (uint32_t)i;
    }
    return run;
}

/* Nanoseconds a tick, of those that stacks use; 0: not told. */
static int64_t tick_of(const struct track_flow *view, const struct clock_steps *known,
                       const struct run *run)
{
    static const int64_t ticks_ms[] = {1, 2, 4, 5, 10, 100, 500};
    if (run->count < 2)
        return 0;
    const struct pkt *a = &view->pkts[run->first], *b = &view->pkts[run->last];
    int64_t passed_ns = llabs(straight_ns(known, b) - straight_ns(known, a));
    int64_t ticks = llabs((int64_t)(int32_t)(b->tsval - a->tsval));
    for (unsigned i = 0; passed_ns >= TICK_LEAST_NS && i < sizeof ticks_ms / sizeof *ticks_ms;
         i++) {
        int64_t expected_ns = ticks * ticks_ms[i] * NS_PER_MS;
        if (llabs(passed_ns - expected_ns) < passed_ns / 7)
            return ticks_ms[i] * NS_PER_MS;
    }
    return 0;
}

static int64_t least_age(const struct track_flow *view, const struct clock_steps *known,
                         unsigned side, const struct run *run, const struct pkt *origin,
                         int64_t tick_ns)
{
    int64_t origin_ns = straight_ns(known, origin);
    int64_t least_ns = INT64_MAX;
    uint32_t low = run->first < run->last ? run->first : run->last;
    uint32_t high = run->first < run->last ? run->last : run->first;
    for (uint32_t i = low; i <= high; i++) {
        const struct pkt *pkt = &view->pkts[i];
        if (!is_witness(pkt, side))
            continue;
        int64_t passed_ns = clock_within(straight_ns(known, pkt) - origin_ns, AGE_MOST_NS);
        int64_t age_ns = passed_ns - (int32_t)(pkt->tsval - origin->tsval) * tick_ns;
        least_ns = age_ns < least_ns ? age_ns : least_ns;
    }
    return least_ns;
}

/* One flow and sender: how much later, by the least age of its packets, the clock shows. */
static bool ask_sender(const struct track_flow *view, const struct clock_steps *known,
                       unsigned side, uint64_t before, uint64_t after, int64_t *moved_ns)
{
    if (view->pkt_count == 0 || view->pkts[0].place > before ||
        view->pkts[view->pkt_count - 1].place < after)
        return false;
    uint32_t from = index_of(view, after), until = index_of(view, before + 1);
    struct run early = find_run(view, known, side, until - 1, -1);
    struct run late = find_run(view, known, side, from, 1);
    if (early.count < 2 || late.count < 2)
        return false;
    int64_t tick_ns = tick_of(view, known, &early);
    tick_ns = tick_ns ? tick_ns : tick_of(view, known, &late);
    if (!tick_ns)
        return false;
    const struct pkt *origin = &view->pkts[early.first];
    *moved_ns = clock_within(least_age(view, known, side, &late, origin, tick_ns) -
                                 least_age(view, known, side, &early, origin, tick_ns),
                             CLOCK_APART_MAX_NS / 2);
    return true;
}

struct testimony witness_senders(const struct flows *flows, unsigned point,
                                 const struct clock_steps *known, uint64_t before, uint64_t after)
{
    struct testimony testimony = {0};
    int64_t moved_ns[WITNESSES_MAX];
    bool ways[2] = {false, false};
    for (uint32_t f = 0; f < flows->count && testimony.witnesses < WITNESSES_MAX; f++) {
        const struct track_flow *view = flows->items[f].at[point];
        for (unsigned side = 0; view && side < 2 && testimony.witnesses < WITNESSES_MAX; side++)
            if (ask_sender(view, known, side, before, after, &moved_ns[testimony.witnesses])) {
                ways[side] = true;
                testimony.witnesses++;
            }
    }
    if (testimony.witnesses) {
        qsort(moved_ns, testimony.witnesses, sizeof *moved_ns, compare_ns);
        testimony.median_ns = moved_ns[testimony.witnesses / 2];
        testimony.least_ns = moved_ns[0];
        testimony.most_ns = moved_ns[testimony.witnesses - 1];
        testimony.both_ways = ways[0] && ways[1];
    }
    return testimony;
}

/* ---- one capture alone ----------------------------------------------------------------------- */

/* Of a sender's clock, 0: not known; and how far it may differ from the capture's without telling
 * anything. */
struct tick {
    int64_t ns, slack_ns;
};

/* Two packets of one sender in their order: what their times tell against each other. */
static bool leaps(const struct pkt *a, const struct pkt *b, const struct clock_steps *known,
                  const struct tick *tick, struct leap *leap)
{
    int64_t passed_ns = clock_within(straight_ns(known, b) - straight_ns(known, a), AGE_MOST_NS);
    int64_t sent_ns = (int32_t)(b->tsval - a->tsval) * tick->ns;
    bool fell = passed_ns < -LEAP_NS;
    bool differs =
        llabs(passed_ns - sent_ns) > tick->slack_ns && (a->flags & b->flags & PKT_TIMESTAMPS);
    if (!fell && !differs)
        return false;
    *leap = (struct leap){a->place, b->place, fell ? passed_ns : passed_ns - sent_ns, fell};
    return true;
}

/* The ends of a run, without what lies between them. */
static struct run find_ends(const struct track_flow *view, const struct clock_steps *known,
                            unsigned side, uint32_t from)
{
    uint32_t stop = view->pkt_count - from > RUN_PACKETS ? from + RUN_PACKETS : view->pkt_count;
    struct run run = {0};
    while (from < stop && !is_witness(&view->pkts[from], side))
        from++;
    if (from == stop)
        return run;
    int64_t first_ns = straight_ns(known, &view->pkts[from]);
    for (uint32_t i = stop; i-- > from && run.count == 0;)
        if (is_witness(&view->pkts[i], side) &&
            llabs(straight_ns(known, &view->pkts[i]) - first_ns) <= WITNESS_NS)
            run = (struct run){from, i, 2};
    return run;
}

/* Of a whole flow: a run that the clock was set in may not tell. */
static struct tick usual_tick(const struct track_flow *view, const struct clock_steps *known,
                              unsigned side)
{
    int64_t tick_ns = 0;
    bool brief = view->last.ns - view->first.ns < TICK_LEAST_NS;
    for (uint32_t part = 0; part < 4 && !tick_ns && !brief; part++) {
        uint32_t from = (uint32_t)((uint64_t)view->pkt_count * part / 4);
        struct run run = find_ends(view, known, side, from);
        tick_ns = tick_of(view, known, &run);
    }
    return (struct tick){tick_ns, tick_ns ? LEAP_BY_STAMPS_NS + 2 * tick_ns : INT64_MAX};
}

static inline int64_t age_by(const struct pkt *pkt, const struct tick *tick)
{
    return pkt->time.ns - pkt->tsval * tick->ns;
}

/* Nearly all packets tell nothing: passes those over, as long as no step is known and times do not
 * fall. `last`: of each side, not behind `pkt`; NULL where the view has none. */
static const struct pkt *pass_steady(const struct pkt *pkt, const struct pkt *end,
                                     const struct tick ticks[2], const struct pkt *last[2])
{
    int64_t ages_ns[2] = {last[0] ? age_by(last[0], &ticks[0]) : 0,
                          last[1] ? age_by(last[1], &ticks[1]) : 0};
    for (; pkt < end; pkt++) {
        unsigned side = pkt_side(pkt);
        int64_t age_ns = age_by(pkt, &ticks[side]);
        if (llabs(age_ns - ages_ns[side]) > ticks[side].slack_ns)
            break;
        ages_ns[side] = age_ns;
        last[side] = pkt;
    }
    return pkt;
}

static const struct pkt *first_of(const struct pkt *pkt, const struct pkt *end, unsigned side)
{
    while (pkt < end && pkt_side(pkt) != side)
        pkt++;
    return pkt < end ? pkt : NULL;
}

bool witness_flow_leap(const struct track_flow *view, const struct clock_steps *known,
                       uint64_t from, struct leap *leap)
{
    const struct tick ticks[2] = {usual_tick(view, known, 0), usual_tick(view, known, 1)};
    const struct pkt *pkt = view->pkts + (from ? index_of(view, from) : 0);
    const struct pkt *end = view->pkts + view->pkt_count;
    const bool plain = known->count == 0 && !view->times_fall &&
                       view->last.ns - view->first.ns <= STAMPS_AROUND_NS;
    if (plain && !ticks[0].ns && !ticks[1].ns)
        return false;
    const struct pkt *last[2] = {first_of(pkt, end, 0), first_of(pkt, end, 1)};
    for (; (pkt = plain ? pass_steady(pkt, end, ticks, last) : pkt) < end; pkt++) {
        const struct pkt **before = &last[pkt_side(pkt)];
        if (*before && leaps(*before, pkt, known, &ticks[pkt_side(pkt)], leap))
            return true;
        *before = pkt;
    }
    return false;
}

/* Some of the flows, looked through by one thread: the leaps of those that have one, by flow. */
struct look {
    const struct flows *flows;
    unsigned point;
    const struct clock_steps *known;
    uint64_t from;
    struct leap *leaps; /* by flow: `after` is 0 where there is none */
};

static void look_through(void *context, unsigned worker, uint32_t item)
{
    const struct look *look = context;
    uint64_t end = ((uint64_t)item + 1) * FLOWS_AT_ONCE;
    end = end < look->flows->count ? end : look->flows->count;
    (void)worker;
    for (uint64_t f = (uint64_t)item * FLOWS_AT_ONCE; f < end; f++) {
        const struct track_flow *view = look->flows->items[f].at[look->point];
        struct leap leap;
        if (view && witness_flow_leap(view, look->known, look->from, &leap))
            look->leaps[f] = leap;
    }
}

bool witness_first(const struct leap *leaps, uint32_t count, struct leap *leap)
{
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct leap *here = &leaps[i];
        if (!here->after)
            continue;
        bool alike = found && here->before < leap->after && leap->before < here->after;
        if (alike && here->fell == leap->fell) { /* the same one, as two flows saw it */
            leap->before = here->before > leap->before ? here->before : leap->before;
            leap->after = here->after < leap->after ? here->after : leap->after;
        } else if (!found || here->after < leap->after) {
            *leap = *here;
        }
        found = true;
    }
    return found;
}

int witness_leap(const struct flows *flows, unsigned point, const struct clock_steps *known,
                 uint64_t from, unsigned threads, struct leap *leap)
{
    struct look look = {flows, point, known, from, array_new(flows->count, sizeof *look.leaps)};
    if (!look.leaps)
        return -1;
    parallel_run(threads, (uint32_t)(((uint64_t)flows->count + FLOWS_AT_ONCE - 1) / FLOWS_AT_ONCE),
                 look_through, &look);
    bool found = witness_first(look.leaps, flows->count, leap);
    free(look.leaps);
    return found;
}
