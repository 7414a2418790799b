/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The end of a capture is known by its last packet only. When a segment freezes, or drops all, and
 * the captures are stopped meanwhile, the point behind it seems to end early. What the other points
 * see in that time tells: packets that come from its side must have passed it, and its capture was
 * over; packets towards it alone, which nobody answers, are what a silent point would have. The
 * same at the beginning.
 */
#include "follow/running.h"

#include <netinet/in.h>

#include "base/partition.h"

/* A point that has been silent for longer, before data for it was on its way, may have ended. */
#define SOON_NS        NS_PER_S
#define LOOK_BACK      4096u /* packets: what a queue holds and lets go at once */
#define PACKETS_TESTED 1024u /* of one flow at one other point */

struct outlook {
    unsigned point, place;
    const struct clock_fit *clock;
    int64_t edge_ns;   /* the point's last packet, or its first */
    int64_t silent_ns; /* from there to where the others end, or begin */
    bool after;        /* what is asked about: the time after its last, or before its first */
    bool passed;       /* something passed the point then */
    bool due;          /* data was on its way to it, soon */
};

static bool same_bytes(const struct pkt *a, const struct pkt *b)
{
    return pkt_side(a) == pkt_side(b) && a->seq == b->seq && a->len == b->len && a->ack == b->ack &&
           (!(a->flags & b->flags & PKT_TIMESTAMPS) || a->tsval == b->tsval);
}

/* Does the point have the packet? Then it was held behind the point, and came out later. */
static bool point_has(const struct track_flow *view, const struct pkt *pkt)
{
    for (uint32_t i = view->pkt_count, n = 0; i-- > 0 && n < LOOK_BACK; n++)
        if (same_bytes(&view->pkts[i], pkt))
            return true;
    return false;
}

static uint32_t first_after(const struct track_flow *view, const struct clock_fit *clock,
                            int64_t time_ns)
{
    return PARTITION_POINT(i, view->pkt_count,
                           clock_to_path(clock, view->pkts[i].time).ns <= time_ns);
}

/* One flow as another point saw it in the time that is asked about. `towards`: the side whose
 * packets go from there to the point. */
static void look_at(struct outlook *outlook, const struct track_flow *here,
                    const struct track_flow *there, const struct clock_fit *clock, unsigned towards)
{
    int64_t slack_ns = clock->uncertainty_ns + outlook->clock->uncertainty_ns + NS_PER_MS;
    int64_t from_ns = outlook->after ? outlook->edge_ns + slack_ns : INT64_MIN;
    int64_t to_ns = outlook->after ? INT64_MAX : outlook->edge_ns - slack_ns;
    /* Few flows live then: the others' packets need not be looked at. */
    if (clock_to_path(clock, there->last).ns <= from_ns ||
        clock_to_path(clock, there->first).ns >= to_ns)
        return;
    uint32_t i = outlook->after ? first_after(there, clock, from_ns) : 0;
    for (uint32_t tested = 0; i < there->pkt_count && !outlook->passed; i++) {
        const struct pkt *pkt = &there->pkts[i];
        int64_t at_ns = clock_to_path(clock, pkt->time).ns;
        if (at_ns >= to_ns)
            break;
        if (pkt_side(pkt) == towards) {
            int64_t away_ns = outlook->after ? at_ns - from_ns : to_ns - at_ns;
            outlook->due |= pkt_span(pkt) && away_ns <= SOON_NS;
        } else if (tested++ < PACKETS_TESTED) {
            outlook->passed = !outlook->after || !point_has(here, pkt);
        }
    }
}

static bool two_sided(const struct track_flow *view)
{
    return view && view->stream[0].packets && view->stream[1].packets;
}

static unsigned place_of(const struct alignment *alignment, unsigned point, unsigned count)
{
    unsigned place = 0;
    while (place + 1 < count && alignment->order[place] != point)
        place++;
    return place;
}

/* One flow, at all other points. */
static void look_at_flow(struct outlook *outlook, const struct flow *flow,
                         const struct alignment *alignment, const struct capture_span *spans,
                         unsigned count)
{
    const struct track_flow *here = flow->at[outlook->point];
    if (!two_sided(here))
        return;
    for (unsigned q = 0; q < count && !outlook->passed; q++) {
        if (q == outlook->point || spans[q].left_out || !two_sided(flow->at[q]))
            continue;
        bool up = place_of(alignment, q, count) < outlook->place; /* from there to here */
        look_at(outlook, here, flow->at[q], &alignment->clock[q], up != flow->reversed);
    }
}

/* What is asked of all points: about the time before their first packet, and after their last, in
 * which others had some. */
static unsigned make_outlooks(const struct alignment *alignment, const struct capture_span *spans,
                              unsigned count, struct outlook *outlooks)
{
    unsigned made = 0;
    int64_t first_ns = INT64_MAX, last_ns = INT64_MIN;
    for (unsigned p = 0; p < count; p++) {
        if (spans[p].left_out)
            continue;
        int64_t from_ns = clock_to_path(&alignment->clock[p], spans[p].first).ns;
        int64_t to_ns = clock_to_path(&alignment->clock[p], spans[p].last).ns;
        first_ns = from_ns < first_ns ? from_ns : first_ns;
        last_ns = to_ns > last_ns ? to_ns : last_ns;
    }
    for (unsigned i = 0; i < 2 * count; i++) {
        struct outlook outlook = {.point = i / 2, .after = i % 2};
        const struct capture_span *span = &spans[outlook.point];
        if (span->left_out)
            continue;
        outlook.clock = &alignment->clock[outlook.point];
        outlook.place = place_of(alignment, outlook.point, count);
        outlook.edge_ns = clock_to_path(outlook.clock, outlook.after ? span->last : span->first).ns;
        outlook.silent_ns = outlook.after ? last_ns - outlook.edge_ns : outlook.edge_ns - first_ns;
        if (outlook.silent_ns > 0)
            outlooks[made++] = outlook;
    }
    return made;
}

void follow_running(const struct flows *flows, const struct alignment *alignment,
                    struct capture_span *spans, unsigned point_count)
{
    struct outlook outlooks[2 * WH_POINTS_MAX];
    unsigned count = make_outlooks(alignment, spans, point_count, outlooks);
    for (uint32_t f = 0; f < flows->count; f++)
        for (unsigned i = 0; flows->items[f].protocol == IPPROTO_TCP && i < count; i++)
            if (!outlooks[i].passed)
                look_at_flow(&outlooks[i], &flows->items[f], alignment, spans, point_count);
    for (unsigned p = 0; p < point_count; p++)
        spans[p].quiet_before_ns = spans[p].quiet_after_ns = 0;
    for (unsigned i = 0; i < count; i++) {
        struct capture_span *span = &spans[outlooks[i].point];
        int64_t quiet_ns = outlooks[i].due && !outlooks[i].passed ? outlooks[i].silent_ns : 0;
        *(outlooks[i].after ? &span->quiet_after_ns : &span->quiet_before_ns) = quiet_ns;
    }
}
