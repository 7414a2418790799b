/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A stall that had to be judged without a point spans the segments on both sides of it. What that
 * point did see may still say which of the two it was: packets held for most of the stall, or lost
 * meanwhile, in one of them and in no other.
 */
#include <limits.h>

#include "analysis.h"
#include "per_flow.h"

#define CONFIDENCE_PART 0.9 /* of what it was for the whole span */
#define LOSSES_MIN      2u

static struct place place_behind(const struct trail *trail, unsigned k)
{
    unsigned a = trail->hops[k].place, b = trail->hops[k + 1].place;
    return (struct place){(a < b ? a : b) + 1, a < b ? b - a : a - b};
}

static bool inside(const struct place *part, const struct place *whole)
{
    return part->span < whole->span && part->first >= whole->first &&
           part->first + part->span <= whole->first + whole->span;
}

static bool broke_behind(const struct hop *hop, uint32_t copy)
{
    uint32_t next = hop->copies[copy].next;
    return next != COPY_NONE && !hop_pkt(hop, copy)->bad_checksum &&
           hop_pkt(hop + 1, next)->bad_checksum;
}

/* Packets that entered the segment behind hop k in the stall and show its cause there. */
static uint32_t count_signs(const struct trail *trail, unsigned k, const struct finding *finding)
{
    const struct hop *hop = &trail->hops[k];
    int64_t half_ns = (finding->end_ns - finding->start_ns) / 2;
    uint32_t signs = 0;
    for (uint32_t i = copies_from(hop, finding->start_ns - NS_PER_MS);
         i < hop->count && hop_time(hop, i) <= finding->end_ns; i++) {
        if (finding->cause == WH_CAUSE_FREEZE)
            signs += hop_delay_known(hop, i) && hop_delay(hop, i) - hop->base_delay_ns >= half_ns;
        else if (finding->cause == WH_CAUSE_CORRUPTION)
            signs += broke_behind(hop, i);
        else
            signs += hop->copies[i].fate == FATE_LOST || hop->copies[i].fate == FATE_PARTLY;
    }
    return finding->cause == WH_CAUSE_FREEZE || signs >= LOSSES_MIN ? signs : 0;
}

static bool places_tell(enum wh_cause cause)
{
    return cause == WH_CAUSE_FREEZE || cause == WH_CAUSE_LOSS || cause == WH_CAUSE_ACK_LOSS ||
           cause == WH_CAUSE_CORRUPTION;
}

/* Was all that entered the segment behind hop k in the stall seen to come out, and soon? */
static bool all_came(const struct trail *trail, unsigned k, const struct finding *finding)
{
    const struct hop *hop = &trail->hops[k];
    int64_t half_ns = (finding->end_ns - finding->start_ns) / 2;
    if (!hop->view || !hop[1].view)
        return false;
    for (uint32_t i = copies_from(hop, finding->start_ns - NS_PER_MS);
         i < hop->count && hop_time(hop, i) <= finding->end_ns; i++)
        if ((hop->copies[i].fate != FATE_ARRIVED && hop->copies[i].fate != FATE_MISSED) ||
            (hop_delay_known(hop, i) && hop_delay(hop, i) - hop->base_delay_ns >= half_ns))
            return false;
    return true;
}

/* What was lost, and in none of the segments of the span that lie between two captures, was lost
 * in the one that is left: beyond the first or the last capture of its direction. */
static struct place left_over(const struct followed *followed, const struct finding *finding)
{
    const struct trail *trail = &followed->trail[finding->direction == WH_TO_CLIENT];
    const struct place none = {0, 0}, *whole = &finding->place;
    unsigned watched = 0, low = UINT_MAX;
    bool lost = finding->cause == WH_CAUSE_LOSS || finding->cause == WH_CAUSE_ACK_LOSS;
    if (!lost || finding->direction == WH_BOTH)
        return none;
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        struct place part = place_behind(trail, k);
        if (!inside(&part, whole))
            continue;
        if (!all_came(trail, k, finding))
            return none;
        watched += part.span;
        low = part.first < low ? part.first : low;
    }
    if (watched == 0 || watched + 1 != whole->span)
        return none;
    unsigned left = low > whole->first ? whole->first : whole->first + watched;
    const struct hop *ends[2] = {&trail->hops[0], &trail->hops[trail->hop_count - 1]};
    unsigned first = ends[0]->place, last = ends[1]->place; /* segment i ends at place i */
    bool beyond =
        left == (first < last ? first : last) || left == (first < last ? last : first) + 1;
    return beyond ? (struct place){left, 1} : none;
}

/* The sender's pause and the receiver's closed window lie at the end itself: beyond the last point
 * that ever saw the flow, also where its capture was over by then. */
static void move_to_end(const struct followed *followed, struct finding *finding)
{
    const struct trail *trail = &followed->trail[0];
    if (trail->hop_count == 0 || finding->direction == WH_BOTH)
        return;
    const struct hop *client = &trail->hops[0], *server = &trail->hops[trail->hop_count - 1];
    bool from_server = finding->direction == WH_TO_CLIENT;
    bool at_client = from_server == (finding->cause == WH_CAUSE_ZERO_WINDOW);
    unsigned place = at_client ? client->place : server->place;
    unsigned other = at_client ? server->place : client->place;
    unsigned span = at_client ? trail->before : trail->after;
    bool up = place != other ? place > other : finding->place.first > place;
    struct place end = {up ? place + 1 : place + 1 - span, span};
    if (inside(&end, &finding->place))
        finding->place = end;
}

void narrow_finding(const struct followed *followed, struct finding *finding)
{
    struct place found = {0, 0};
    if (finding->cause == WH_CAUSE_ZERO_WINDOW || finding->cause == WH_CAUSE_SENDER_IDLE)
        move_to_end(followed, finding);
    if (finding->place.span < 2 || !places_tell(finding->cause))
        return;
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &followed->trail[side];
        for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
            struct place part = place_behind(trail, k);
            if (!trail->hops[k].view || !trail->hops[k + 1].view ||
                !inside(&part, &finding->place) || !count_signs(trail, k, finding))
                continue;
            if (found.span && (found.first != part.first || found.span != part.span))
                return; /* in several */
            found = part;
        }
    }
    if (found.span == 0)
        found = left_over(followed, finding);
    if (found.span == 0)
        return;
    finding->place = found;
    finding->confidence *= CONFIDENCE_PART;
}
