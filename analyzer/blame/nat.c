/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A translator that forgets a connection finds another name for it, lets its packets pass as they
 * are, or refuses them. What passes under another name is a flow of its own at the points beyond,
 * begun in mid-stream: it is known by the end that keeps its name and by the numbers of both
 * streams, which go on where those of the flow stopped.
 */
#include "blame/nat.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/keyed.h"
#include "base/partition.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NUMBERS_NEAR    (1u << 22) /* bytes: more than is under way at once */
#define BUCKET_SHIFT    22u
#define TICKS_BACK      100000    /* a timestamp may be that much older, */
#define TICKS_ON        100000000 /* or newer: a day of milliseconds */
#define CANDIDATES_MAX  64u       /* with the same key */
#define ICMP_MAX        100000u   /* looked at, of one point */
#define SAME_PACKET_MAX 256u      /* errors about one flow that are compared */

/* A flow at a point, by a key. */
struct entry {
    uint64_t key;
    uint32_t flow;
    uint8_t point, side;
};

struct index {
    struct entry *items;
    uint32_t count, capacity;
};

/* Everything the search needs. */
struct search {
    const struct flows *flows;
    const struct alignment *alignment;
    struct nat_signs *signs;
    struct index by_numbers; /* `side`: the end that keeps its name */
    struct index by_names;   /* `side`: the sender */
};

/* ---- look-up --------------------------------------------------------------------------------- */

/* Equal keys stay in the order of flows, points and sides, in which they were added. */
static uint64_t entry_key(const void *entry)
{
    return ((const struct entry *)entry)->key;
}

static bool add_entry(struct index *index, uint64_t key, uint32_t flow, unsigned point,
                      unsigned side)
{
    struct entry *entry = ARRAY_PUSH(index->items, index->count, index->capacity);
    if (entry)
        *entry = (struct entry){key, flow, (uint8_t)point, (uint8_t)side};
    return entry != NULL;
}

static uint32_t first_with(const struct index *index, uint64_t key)
{
    return PARTITION_POINT(i, index->count, index->items[i].key < key);
}

static uint64_t end_hash(const struct endpoint *end, uint64_t seed)
{
    return XXH3_64bits_withSeed(end->address, sizeof end->address, seed * 65536 + end->port);
}

static uint64_t numbers_key(const struct endpoint *fixed, uint32_t bucket)
{
    return end_hash(fixed, bucket & (UINT32_MAX >> BUCKET_SHIFT));
}

static uint64_t names_key(const struct endpoint *sender, const struct endpoint *other)
{
    return end_hash(sender, 1) * 3 + end_hash(other, 2);
}

/* The next number of a side, as its packets and the other's acknowledgements have it. */
static uint32_t next_number(const struct track_flow *view, unsigned side)
{
    return view->stream[side].base + (uint32_t)view->stream[side].next;
}

/* ---- where it is translated ------------------------------------------------------------------ */

static unsigned place_of_point(const struct search *search, unsigned point)
{
    unsigned place = 0;
    while (place + 1 < search->flows->point_count && search->alignment->order[place] != point)
        place++;
    return place;
}

static bool same_names(const struct track_flow *a, const struct track_flow *b)
{
    return endpoint_equal(&a->endpoint[0], &b->endpoint[0]) &&
           endpoint_equal(&a->endpoint[1], &b->endpoint[1]);
}

/* The translation nearest to a point; span 0: the flow bears one name everywhere. */
static struct place find_translation(const struct search *search, const struct flow *flow,
                                     unsigned point)
{
    struct place best = {0, 0};
    unsigned here = place_of_point(search, point), best_far = UINT32_MAX, before = 0;
    const struct track_flow *last = NULL;
    for (unsigned place = 0; place < search->flows->point_count; place++) {
        const struct track_flow *view = flow->at[search->alignment->order[place]];
        if (!view)
            continue;
        unsigned far = place <= here ? here - place : before >= here ? before - here : 0;
        if (last && !same_names(last, view) && far < best_far) {
            best = (struct place){before + 1, place - before};
            best_far = far;
        }
        last = view;
        before = place;
    }
    return best;
}

static bool add_sign(struct search *search, const struct nat_sign *sign)
{
    struct nat_signs *signs = search->signs;
    struct nat_sign *kept = ARRAY_PUSH(signs->items, signs->count, signs->capacity);
    if (kept)
        *kept = *sign;
    return kept != NULL;
}

/* ---- under another name ---------------------------------------------------------------------- */

static const struct pkt *first_of(const struct track_flow *view, unsigned side)
{
    for (uint32_t i = 0; i < view->pkt_count; i++)
        if (pkt_side(&view->pkts[i]) == side && !(view->pkts[i].flags & PKT_RST))
            return &view->pkts[i];
    return NULL;
}

static const struct pkt *last_of(const struct track_flow *view, unsigned side)
{
    for (uint32_t i = view->pkt_count; i-- > 0;)
        if (pkt_side(&view->pkts[i]) == side && !(view->pkts[i].flags & PKT_RST))
            return &view->pkts[i];
    return NULL;
}

static bool near(uint32_t a, uint32_t b)
{
    int32_t apart = (int32_t)(a - b);
    return apart < (int32_t)NUMBERS_NEAR && apart > -(int32_t)NUMBERS_NEAR;
}

/* Is it the end that moved, `side` of the flow and `other_side` of the other one, that goes on? */
static bool goes_on(const struct track_flow *view, unsigned side, const struct track_flow *other,
                    unsigned other_side)
{
    const struct pkt *last = last_of(view, side), *first = first_of(other, other_side);
    if (!last || !first || first->ack == ACK_NONE || first->time.ns < view->first.ns)
        return false;
    uint32_t number = other->stream[other_side].base + (uint32_t)first->seq;
    uint32_t ack = other->stream[!other_side].base + (uint32_t)first->ack;
    int32_t ticks = (int32_t)(first->tsval - last->tsval);
    bool stamped = first->flags & last->flags & PKT_TIMESTAMPS;
    return near(number, next_number(view, side)) && near(ack, next_number(view, !side)) &&
           (!stamped || (ticks > -TICKS_BACK && ticks < TICKS_ON));
}

/* Does the other one bear the name that the flow has at another point? */
static bool is_untranslated(const struct flow *flow, unsigned point_count, unsigned point,
                            unsigned side, const struct endpoint *name)
{
    for (unsigned p = 0; p < point_count; p++)
        if (p != point && flow->at[p] && endpoint_equal(&flow->at[p]->endpoint[side], name))
            return true;
    return false;
}

static bool sent_between(const struct track_flow *view, unsigned side, struct point_time from,
                         struct point_time to)
{
    for (uint32_t i = 0; i < view->pkt_count; i++)
        if (pkt_side(&view->pkts[i]) == side && !(view->pkts[i].flags & PKT_RST) &&
            view->pkts[i].time.ns >= from.ns && view->pkts[i].time.ns <= to.ns)
            return true;
    return false;
}

static bool consider(struct search *search, const struct entry *entry, uint32_t other_index,
                     unsigned other_side)
{
    const struct flow *flow = &search->flows->items[entry->flow];
    const struct flow *other_flow = &search->flows->items[other_index];
    unsigned side = !entry->side, point = entry->point;
    const struct track_flow *view = flow->at[point], *other = other_flow->at[point];
    const struct clock_fit *clock = &search->alignment->clock[point];
    if (entry->flow == other_index || !other ||
        endpoint_equal(&view->endpoint[side], &other->endpoint[other_side]) ||
        !endpoint_equal(&view->endpoint[!side], &other->endpoint[!other_side]) ||
        !goes_on(view, side, other, other_side))
        return true;
    const struct pkt *first = first_of(other, other_side);
    bool untranslated = is_untranslated(flow, search->flows->point_count, point, side,
                                        &other->endpoint[other_side]);
    if (!untranslated && sent_between(view, side, first->time, other->last))
        return true; /* it has its old name as well */
    search->signs->is_continuation[other_index] = true;
    return add_sign(search,
                    &(struct nat_sign){.flow = entry->flow,
                                       .other = other_index,
                                       .kind = untranslated ? NAT_UNTRANSLATED : NAT_REMAPPED,
                                       .side = side,
                                       .time_ns = clock_to_path(clock, first->time).ns,
                                       .last_ns = clock_to_path(clock, other->last).ns,
                                       .place = find_translation(search, flow, point),
                                       .frame = {(uint16_t)point, 0, first->place}});
}

static bool match_one(struct search *search, uint32_t flow, unsigned point, unsigned side)
{
    const struct track_flow *view = search->flows->items[flow].at[point];
    const struct pkt *first = first_of(view, side);
    if (!first)
        return true;
    uint32_t number = view->stream[side].base + (uint32_t)first->seq;
    for (uint32_t step = 0; step < 3; step++) {
        uint64_t key = numbers_key(&view->endpoint[!side], (number >> BUCKET_SHIFT) + step - 1);
        uint32_t at = first_with(&search->by_numbers, key);
        for (uint32_t n = 0; n < CANDIDATES_MAX && at + n < search->by_numbers.count; n++) {
            const struct entry *entry = &search->by_numbers.items[at + n];
            if (entry->key != key)
                break;
            if (entry->point == point && !consider(search, entry, flow, side))
                return false;
        }
    }
    return true;
}

/* Without a handshake it may be another flow's second name. */
static bool goes_on_from_before(const struct flow *flow, unsigned point_count)
{
    bool begun = false;
    for (unsigned p = 0; p < point_count; p++)
        begun |= flow->at[p] && flow->at[p]->syn_seen;
    return flow->protocol == IPPROTO_TCP && !begun;
}

static bool find_names(struct search *search)
{
    unsigned count = search->flows->point_count;
    for (uint32_t f = 0; f < search->flows->count; f++) {
        const struct flow *flow = &search->flows->items[f];
        bool asked = goes_on_from_before(flow, count);
        for (unsigned p = 0; asked && p < count; p++)
            for (unsigned side = 0; side < 2 && flow->at[p]; side++)
                if (!match_one(search, f, p, side))
                    return false;
    }
    return true;
}

/* ---- ICMP errors ----------------------------------------------------------------------------- */

/* An error about a flow's packet at a point; `side` sent the packet. */
struct refusal {
    uint32_t flow, number;
    unsigned point, side;
    const struct track_icmp *icmp;
};

struct refusals {
    struct refusal *items;
    uint32_t count, capacity;
};

static bool is_refusal(const struct track_icmp *icmp)
{
    const struct icmp_quote *quote = &icmp->quote;
    return (quote->protocol == IPPROTO_TCP || quote->protocol == IPPROTO_UDP) && !quote->too_big &&
           (quote->type == 3 || quote->type == 1); /* unreachable: RFC 792, RFC 4443 */
}

static bool collect_refusals(const struct search *search, const struct nat_icmps *icmps,
                             struct refusals *refusals)
{
    for (unsigned p = 0; p < search->flows->point_count; p++)
        for (uint32_t i = 0; icmps && i < icmps[p].count && i < ICMP_MAX; i++) {
            const struct track_icmp *icmp = &icmps[p].items[i];
            uint64_t key = names_key(&icmp->quote.source, &icmp->quote.destination);
            uint32_t at = is_refusal(icmp) ? first_with(&search->by_names, key) : UINT32_MAX;
            for (uint32_t n = 0; at < search->by_names.count && n < CANDIDATES_MAX; n++, at++) {
                const struct entry *entry = &search->by_names.items[at];
                if (entry->key != key)
                    break;
                if (entry->point != p)
                    continue;
                struct refusal *refusal =
                    ARRAY_PUSH(refusals->items, refusals->count, refusals->capacity);
                if (!refusal)
                    return false;
                bool tcp = icmp->quote.protocol == IPPROTO_TCP; /* datagrams have no number */
                *refusal =
                    (struct refusal){entry->flow, tcp ? icmp->quote.seq : 0, p, entry->side, icmp};
            }
        }
    return true;
}

static int compare_refusals(const void *left, const void *right)
{
    const struct refusal *a = left, *b = right;
    if (a->flow != b->flow)
        return a->flow < b->flow ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->point < b->point ? -1 : a->point > b->point;
}

/* Is the place between the sender's side, where the error was seen, and the receiver's? */
static bool is_behind(const struct flow *flow, const struct place *place, unsigned at,
                      unsigned side)
{
    bool up = (side == 1) != flow->reversed;
    return up ? at < place->first : at + 1 >= place->first + place->span;
}

/* Did a point behind the translation see an error about the same packet? Then it came from there.
 */
static bool came_from_beyond(const struct search *search, const struct refusals *refusals,
                             uint32_t at, const struct place *place)
{
    const struct refusal *one = &refusals->items[at], *other;
    const struct flow *flow = &search->flows->items[one->flow];
    uint32_t first = at > SAME_PACKET_MAX ? at - SAME_PACKET_MAX : 0;
    for (uint32_t i = first; i < refusals->count && i < at + SAME_PACKET_MAX; i++) {
        other = &refusals->items[i];
        if (other->flow == one->flow && other->number == one->number && other->side == one->side &&
            !is_behind(flow, place, place_of_point(search, other->point), one->side))
            return true;
    }
    return false;
}

static bool find_refusals(struct search *search, const struct nat_icmps *icmps)
{
    struct refusals refusals = {0};
    bool ok = collect_refusals(search, icmps, &refusals);
    if (ok && refusals.count)
        qsort(refusals.items, refusals.count, sizeof *refusals.items, compare_refusals);
    for (uint32_t i = 0; ok && i < refusals.count; i++) {
        const struct refusal *refusal = &refusals.items[i];
        const struct flow *flow = &search->flows->items[refusal->flow];
        struct place place = find_translation(search, flow, refusal->point);
        unsigned at = place_of_point(search, refusal->point);
        if (!place.span || !is_behind(flow, &place, at, refusal->side) ||
            came_from_beyond(search, &refusals, i, &place))
            continue;
        const struct track_icmp *icmp = refusal->icmp;
        const struct clock_fit *clock = &search->alignment->clock[refusal->point];
        ok = add_sign(search,
                      &(struct nat_sign){.flow = refusal->flow,
                                         .other = refusal->flow,
                                         .kind = NAT_REFUSED,
                                         .side = refusal->side,
                                         .time_ns = clock_to_path(clock, icmp->time).ns,
                                         .last_ns = clock_to_path(clock, icmp->time).ns,
                                         .place = place,
                                         .frame = {(uint16_t)refusal->point, 0, icmp->place}});
    }
    free(refusals.items);
    return ok;
}

/* ---- datagrams, which match has joined --------------------------------------------------------
 */

static bool find_renamed(struct search *search)
{
    for (uint32_t f = 0; f < search->flows->count; f++) {
        const struct flow *flow = &search->flows->items[f];
        for (unsigned p = 0; p < search->flows->point_count; p++) {
            const struct track_flow *view = flow->at[p];
            if (!view || !view->renamed_pkt || !find_translation(search, flow, p).span)
                continue;
            const struct pkt *pkt = &view->pkts[view->renamed_pkt];
            const struct clock_fit *clock = &search->alignment->clock[p];
            int64_t time_ns = clock_to_path(clock, pkt->time).ns;
            if (!add_sign(search, &(struct nat_sign){.flow = f,
                                                     .other = f,
                                                     .kind = NAT_REMAPPED,
                                                     .side = pkt_side(pkt),
                                                     .time_ns = time_ns,
                                                     .last_ns = time_ns,
                                                     .place = find_translation(search, flow, p),
                                                     .frame = {(uint16_t)p, 0, pkt->place}}))
                return false;
        }
    }
    return true;
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Only what will be looked for: nearly always neither. */
static bool make_indexes(struct search *search, const struct nat_icmps *icmps)
{
    bool numbers = false, names = false;
    for (uint32_t f = 0; f < search->flows->count && !numbers; f++)
        numbers = goes_on_from_before(&search->flows->items[f], search->flows->point_count);
    for (unsigned p = 0; icmps && p < search->flows->point_count; p++)
        names |= icmps[p].count > 0;
    for (uint32_t f = 0; f < search->flows->count && (numbers || names); f++) {
        const struct flow *flow = &search->flows->items[f];
        if (flow->kind == MATCH_SINGLE || !find_translation(search, flow, 0).span)
            continue;
        for (unsigned p = 0; p < search->flows->point_count; p++)
            for (unsigned side = 0; side < 2 && flow->at[p]; side++) {
                const struct track_flow *view = flow->at[p];
                uint32_t bucket = next_number(view, !side) >> BUCKET_SHIFT;
                bool tcp = flow->protocol == IPPROTO_TCP;
                if ((numbers && tcp &&
                     !add_entry(&search->by_numbers, numbers_key(&view->endpoint[side], bucket), f,
                                p, side)) ||
                    (names && !add_entry(&search->by_names,
                                         names_key(&view->endpoint[side], &view->endpoint[!side]),
                                         f, p, side)))
                    return false;
            }
    }
    struct index *both[2] = {&search->by_numbers, &search->by_names};
    bool ok = true;
    for (unsigned i = 0; ok && i < 2; i++)
        ok = keyed_arrange(both[i]->items, both[i]->count, sizeof *both[i]->items, entry_key);
    return ok;
}

int nat_compare(const void *left, const void *right)
{
    const struct nat_sign *a = left, *b = right;
    if (a->flow != b->flow)
        return a->flow < b->flow ? -1 : 1;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->frame.point < b->frame.point ? -1 : a->frame.point > b->frame.point;
}

bool nat_find(const struct flows *flows, const struct alignment *alignment,
              const struct nat_icmps *icmps, struct nat_signs *signs)
{
    struct search search = {.flows = flows, .alignment = alignment, .signs = signs};
    *signs = (struct nat_signs){0};
    signs->is_continuation = array_new(flows->count, sizeof *signs->is_continuation);
    bool ok = signs->is_continuation && make_indexes(&search, icmps) && find_names(&search) &&
              find_renamed(&search) && find_refusals(&search, icmps);
    if (ok && signs->count)
        qsort(signs->items, signs->count, sizeof *signs->items, nat_compare);
    free(search.by_numbers.items);
    free(search.by_names.items);
    return ok;
}

void nat_free(struct nat_signs *signs)
{
    free(signs->items);
    free(signs->is_continuation);
    *signs = (struct nat_signs){0};
}

uint32_t nat_signs_of(const struct nat_signs *signs, uint32_t flow, uint32_t *first)
{
    uint32_t end = *first = PARTITION_POINT(i, signs->count, signs->items[i].flow < flow);
    while (end < signs->count && signs->items[end].flow == flow)
        end++;
    return end - *first;
}
