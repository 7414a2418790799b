/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Candidates are pairs that share windows of content, or that began one soon after the other.
 * Each is judged in both orientations; the best are taken first, and one with a rival that fits
 * nearly as well is left.
 */
#include "join/join.h"

#include <math.h>
#include <netinet/in.h>
#include <string.h>

#include "base/error.h"
#include "join/legs.h"

#define MARKS_MAX        4000000u /* of all legs */
#define PAIRS_MAX        2000000u
#define JUDGED_MAX       100000u /* by volume */
#define FOUND_MAX        20000u  /* so many that fit: nothing tells them apart */
#define LEGS_ALIKE_MAX   24u     /* a window that more legs have says nothing */
#define SHARED_MIN       4u
#define VOLUME_BYTES_MIN 4096u
#define OPENS_WITHIN_NS  NS_PER_S /* of the client leg's beginning, or its first data */
#define BITS_CONTENT     40.0
#define BITS_VOLUME      18.0 /* and log2 of the pairs judged */
#define BITS_MARGIN      8.0  /* over a rival */

struct search {
    struct legs legs;
    struct pairing *found;
    uint32_t found_count, found_capacity;
    uint64_t *pairs; /* legs a << 32 | b, once for each window that both have */
    uint32_t pair_count, pair_capacity;
};

/* ---- legs ------------------------------------------------------------------------------------ */

static void unite(struct legs *legs, unsigned a, unsigned b)
{
    unsigned from = legs->island[a], to = legs->island[b];
    for (unsigned q = 0; q < legs->flows->point_count; q++)
        legs->island[q] = legs->island[q] == from ? to : legs->island[q];
}

/* Points with a flow in common, directly or by others, form an island: one clock, one order. */
static void find_islands(struct legs *legs)
{
    unsigned count = legs->flows->point_count;
    for (unsigned p = 0; p < count; p++)
        legs->island[p] = p;
    for (uint32_t f = 0; f < legs->flows->count; f++) {
        const struct flow *flow = &legs->flows->items[f];
        unsigned first = count;
        for (unsigned p = 0; p < count; p++) {
            if (!flow->at[p])
                continue;
            first = first == count ? p : first;
            unite(legs, p, first);
        }
    }
    for (uint32_t j = 0; j < legs->flows->joint_count; j++)
        unite(legs, legs->flows->joints[j].server_point, legs->flows->joints[j].client_point);
}

static struct leg make_leg(const struct flows *flows, uint32_t index)
{
    const struct flow *flow = &flows->items[index];
    struct leg leg = {.flow = index};
    for (unsigned p = 0; p < flows->point_count; p++) {
        const struct track_flow *view = flow->at[p];
        if (!view)
            continue;
        leg.points |= 1u << p;
        if (!leg.view || view->pkt_count > leg.view->pkt_count) {
            leg.view = view;
            leg.point = p;
        }
    }
    for (unsigned side = 0; side < 2 && leg.view; side++)
        leg.bytes[side] = leg.view->stream[side].payload_bytes;
    return leg;
}

/* A leg is a TCP connection that some point did not see, with data both ways or a lot one way. */
static bool may_be_leg(const struct flows *flows, const struct flow *flow)
{
    if (flow->protocol != IPPROTO_TCP || flow->ambiguous)
        return false;
    unsigned seen = 0;
    for (unsigned p = 0; p < flows->point_count; p++)
        seen += flow->at[p] != NULL;
    return seen > 0 && seen < flows->point_count;
}

static int collect_legs(struct legs *legs, struct wh_error *error)
{
    const struct flows *flows = legs->flows;
    for (uint32_t i = 0; i < flows->count; i++) {
        if (flows->items[i].joined || !may_be_leg(flows, &flows->items[i]))
            continue;
        struct leg leg = make_leg(flows, i);
        if (leg.bytes[0] + leg.bytes[1] == 0)
            continue;
        struct leg *added = ARRAY_PUSH(legs->items, legs->count, legs->capacity);
        if (!added)
            return error_memory(error, "joining flows");
        *added = leg;
    }
    return WH_OK;
}

/* ---- pairs with content in common ------------------------------------------------------------ */

struct window {
    uint32_t hash, leg;
};

static int compare_windows(const void *left, const void *right)
{
    const struct window *a = left, *b = right;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->leg < b->leg ? -1 : a->leg > b->leg;
}

static int compare_marks(const void *left, const void *right)
{
    const struct content_mark *a = left, *b = right;
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

static void sort_marks(const struct flows *flows, const struct leg *leg)
{
    for (unsigned p = 0; p < flows->point_count; p++)
        for (unsigned side = 0; side < 2 && (leg->points >> p & 1); side++) {
            struct content *content = flows->items[leg->flow].at[p]->stream[side].content;
            if (content && content->count)
                qsort(content->marks, content->count, sizeof *content->marks, compare_marks);
        }
}

static struct window *collect_windows(struct legs *legs, uint32_t *count)
{
    uint32_t capacity = 0;
    struct window *windows = NULL;
    *count = 0;
    for (uint32_t l = 0; l < legs->count; l++) {
        sort_marks(legs->flows, &legs->items[l]);
        for (unsigned side = 0; side < 2 && *count < MARKS_MAX; side++) {
            const struct content *content = stream_content(&legs->items[l].view->stream[side]);
            for (uint32_t i = 0; i < content->count; i++) {
                struct window *window = ARRAY_PUSH(windows, *count, capacity);
                if (!window) {
                    free(windows);
                    return NULL;
                }
                *window = (struct window){content->marks[i].hash, l};
            }
        }
    }
    if (*count)
        qsort(windows, *count, sizeof *windows, compare_windows);
    else
        windows = calloc(1, sizeof *windows);
    return windows;
}

/* Pairs of the legs that share one window: windows[0..count). */
static bool add_pairs(struct search *search, const struct window *windows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = i + 1; j < count && search->pair_count < PAIRS_MAX; j++) {
            const struct leg *legs = search->legs.items;
            if (windows[i].leg == windows[j].leg ||
                (legs[windows[i].leg].points & legs[windows[j].leg].points))
                continue;
            uint64_t *pair = ARRAY_PUSH(search->pairs, search->pair_count, search->pair_capacity);
            if (!pair)
                return false;
            *pair = (uint64_t)windows[i].leg << 32 | windows[j].leg;
        }
    return true;
}

static bool add_census(struct census *census, const struct window *windows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i && windows[i].leg == windows[i - 1].leg)
            continue; /* both sides of one leg */
        uint32_t *hash = ARRAY_PUSH(census->hashes, census->count, census->capacity);
        if (!hash)
            return false;
        *hash = windows[i].hash;
    }
    return true;
}

static bool collect_pairs(struct search *search)
{
    uint32_t count, end;
    struct window *windows = collect_windows(&search->legs, &count);
    bool ok = windows != NULL;
    for (uint32_t i = 0; ok && i < count; i = end) {
        for (end = i + 1; end < count && windows[end].hash == windows[i].hash;)
            end++;
        ok = add_census(&search->legs.census, windows + i, end - i) &&
             (end - i > LEGS_ALIKE_MAX || add_pairs(search, windows + i, end - i));
    }
    free(windows);
    return ok;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* Keeps the orientation in which what goes through the proxy takes time, when it is good enough. */
static bool judge(struct search *search, uint32_t a, uint32_t b, double least_bits)
{
    struct pairing best = {.bits = -1};
    if (!legs_apart(&search->legs, &search->legs.items[a], &search->legs.items[b]))
        return true;
    for (unsigned turn = 0; turn < 2; turn++) {
        struct pairing pairing = {.server_leg = turn ? b : a, .client_leg = turn ? a : b};
        if (legs_judge(&search->legs, &pairing) &&
            (best.bits < 0 || pairing.both_ways_ns > best.both_ways_ns))
            best = pairing;
    }
    double needed = best.by_content && BITS_CONTENT < least_bits ? BITS_CONTENT : least_bits;
    if (best.bits < needed || search->found_count >= FOUND_MAX)
        return true;
    struct pairing *kept = ARRAY_PUSH(search->found, search->found_count, search->found_capacity);
    if (kept)
        *kept = best;
    return kept != NULL;
}

static int compare_pairs(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Leaves each pair with enough in common once in `pairs`. */
static bool judge_content_pairs(struct search *search)
{
    uint32_t end, kept = 0;
    if (search->pair_count)
        qsort(search->pairs, search->pair_count, sizeof *search->pairs, compare_pairs);
    for (uint32_t i = 0; i < search->pair_count; i = end) {
        for (end = i + 1; end < search->pair_count && search->pairs[end] == search->pairs[i];)
            end++;
        uint64_t pair = search->pairs[i];
        if (end - i < SHARED_MIN)
            continue;
        search->pairs[kept++] = pair;
        if (!judge(search, (uint32_t)(pair >> 32), (uint32_t)pair, BITS_CONTENT))
            return false;
    }
    search->pair_count = kept;
    return true;
}

static bool was_judged(const struct search *search, uint32_t a, uint32_t b)
{
    uint64_t key = a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a;
    return search->pair_count &&
           bsearch(&key, search->pairs, search->pair_count, sizeof key, compare_pairs) != NULL;
}

struct beginning {
    int64_t at_ns;
    uint32_t leg;
};

static int compare_beginnings(const void *left, const void *right)
{
    const struct beginning *a = left, *b = right;
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns ? -1 : 1;
    return a->leg < b->leg ? -1 : a->leg > b->leg;
}

/* Amounts, retransmissions included, that no headers explain. */
static bool far_apart(const struct leg *a, const struct leg *b)
{
    for (unsigned side = 0; side < 2; side++) {
        uint64_t most = a->bytes[side] > b->bytes[side] ? a->bytes[side] : b->bytes[side];
        uint64_t least = a->bytes[side] + b->bytes[side] - most;
        if (most - least > 8192 + most / 4)
            return true;
    }
    return false;
}

/* Pairs of large enough legs of which one began soon after the other, whatever they carry. */
static bool judge_volume_pairs(struct search *search)
{
    const struct legs *legs = &search->legs;
    struct beginning *begun = array_new(legs->count, sizeof *begun);
    uint32_t count = 0, judged = 0;
    bool ok = begun != NULL;
    for (uint32_t l = 0; ok && l < legs->count; l++) {
        const struct leg *leg = &legs->items[l];
        if (leg->bytes[0] + leg->bytes[1] >= VOLUME_BYTES_MIN)
            begun[count++] = (struct beginning){
                leg_time_ns(&legs->alignment->clock[leg->point], leg->view->first), l};
    }
    if (count)
        qsort(begun, count, sizeof *begun, compare_beginnings);
    double least_bits = BITS_VOLUME + log2((double)count + 1);
    for (uint32_t i = 0; ok && i < count; i++)
        for (uint32_t j = i + 1; ok && j < count && judged < JUDGED_MAX; j++) {
            if (begun[j].at_ns - begun[i].at_ns > OPENS_WITHIN_NS)
                break;
            if (far_apart(&legs->items[begun[i].leg], &legs->items[begun[j].leg]) ||
                was_judged(search, begun[i].leg, begun[j].leg))
                continue;
            judged++;
            ok = judge(search, begun[i].leg, begun[j].leg, least_bits);
        }
    free(begun);
    return ok;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static int compare_found(const void *left, const void *right)
{
    const struct pairing *a = left, *b = right;
    if (a->bits != b->bits)
        return a->bits > b->bits ? -1 : 1;
    if (a->server_leg != b->server_leg)
        return a->server_leg < b->server_leg ? -1 : 1;
    return a->client_leg < b->client_leg ? -1 : a->client_leg > b->client_leg;
}

static bool shares_leg(const struct pairing *a, const struct pairing *b)
{
    return a->server_leg == b->server_leg || a->server_leg == b->client_leg ||
           a->client_leg == b->server_leg || a->client_leg == b->client_leg;
}

/* Does it fit nearly as well? What alike connections have in common beyond their beginnings, others
 * may have as well. */
static bool comes_near(const struct pairing *other, const struct pairing *best)
{
    return other->bits > best->bits - BITS_MARGIN ||
           (best->by_content && !best->whole && other->shared * 3 >= best->shared);
}

/* Another pair of still free legs that would take one of these, and fits nearly as well. */
static bool has_rival(const struct search *search, uint32_t at, const bool *taken)
{
    const struct pairing *best = &search->found[at];
    for (uint32_t i = 0; i < search->found_count; i++) {
        const struct pairing *other = &search->found[i];
        if (i != at && shares_leg(best, other) && !taken[other->server_leg] &&
            !taken[other->client_leg] && comes_near(other, best))
            return true;
    }
    return false;
}

static bool add_joint(struct flows *flows, const struct legs *legs, const struct pairing *pairing)
{
    struct joint *joint = ARRAY_PUSH(flows->joints, flows->joint_count, flows->joint_capacity);
    if (!joint)
        return false;
    double sure = 1 - exp2(-pairing->bits / 8);
    *joint = (struct joint){.server_leg = legs->items[pairing->server_leg].flow,
                            .client_leg = legs->items[pairing->client_leg].flow,
                            .by_content = pairing->by_content,
                            .server_point = pairing->server_point,
                            .client_point = pairing->client_point,
                            .lag_ns = {pairing->lag_ns[0], pairing->lag_ns[1]},
                            .alike_bytes = pairing->alike_bytes,
                            .confidence = pairing->by_content ? sure : 0.9 * sure};
    flows->items[joint->server_leg].joined = flows->joint_count;
    flows->items[joint->client_leg].joined = flows->joint_count;
    return true;
}

/* The best first, again and again, as what is taken frees others of their rivals. */
static int choose(struct search *search, struct flows *flows, struct wh_error *error)
{
    bool *taken = array_new(search->legs.count, sizeof *taken);
    bool again = taken != NULL && search->found_count > 0;
    if (search->found_count)
        qsort(search->found, search->found_count, sizeof *search->found, compare_found);
    for (bool ok = again; again && ok;) {
        again = false;
        for (uint32_t i = 0; ok && i < search->found_count; i++) {
            const struct pairing *pairing = &search->found[i];
            if (taken[pairing->server_leg] || taken[pairing->client_leg] ||
                has_rival(search, i, taken))
                continue;
            taken[pairing->server_leg] = taken[pairing->client_leg] = again = true;
            ok = add_joint(flows, &search->legs, pairing);
        }
        if (!ok) {
            free(taken);
            return error_memory(error, "joining flows");
        }
    }
    bool done = taken != NULL;
    free(taken);
    return done ? WH_OK : error_memory(error, "joining flows");
}

int join_flows(struct flows *flows, const struct alignment *alignment, struct wh_error *error)
{
    struct search search = {.legs = {.flows = flows, .alignment = alignment}};
    int status = WH_ERROR;
    if (flows->point_count < 2)
        return WH_OK;
    find_islands(&search.legs);
    if (collect_legs(&search.legs, error))
        goto cleanup;
    if (!collect_pairs(&search) || !judge_content_pairs(&search) || !judge_volume_pairs(&search)) {
        error_memory(error, "joining flows");
        goto cleanup;
    }
    status = choose(&search, flows, error);
cleanup:
    free(search.legs.items);
    free(search.legs.census.hashes);
    free(search.found);
    free(search.pairs);
    return status;
}

void join_forget(const struct flows *flows, unsigned point)
{
    for (uint32_t i = 0; i < flows->count; i++) {
        const struct flow *flow = &flows->items[i];
        if (flow->at[point] && !may_be_leg(flows, flow))
            track_forget_flow_content(flow->at[point]);
    }
}

void join_settle(struct flows *flows, const struct alignment *alignment)
{
    unsigned place[WH_POINTS_MAX];
    for (unsigned i = 0; i < flows->point_count; i++)
        place[alignment->order[i]] = i;
    for (uint32_t j = 0; j < flows->joint_count; j++) {
        struct joint *joint = &flows->joints[j];
        unsigned *points[2] = {&joint->server_point, &joint->client_point};
        const struct flow *legs[2] = {&flows->items[joint->server_leg],
                                      &flows->items[joint->client_leg]};
        for (unsigned leg = 0; leg < 2; leg++) {
            unsigned there = place[*points[!leg]];
            for (unsigned p = 0; p < flows->point_count; p++)
                if (legs[leg]->at[p] &&
                    abs((int)place[p] - (int)there) < abs((int)place[*points[leg]] - (int)there))
                    *points[leg] = p;
        }
    }
}
