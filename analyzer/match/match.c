/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Point by point: the flows of a new point are assigned to those known so far. Candidates come
 * from equal tokens (the pair of initial sequence numbers; for what is left, the client's alone,
 * addresses, packets in common), are scored, and assigned from the best down, one to one.
 */
#include "match/match.h"

#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/keyed.h"
#include "base/parallel.h"
#include "base/partition.h"
#include "match/renamed.h"
#include "match/score.h"
#include "match/share.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ACCEPT_BITS       40.0 /* one chance in 10^12 */
#define ACCEPT_TUPLE_BITS 24.0 /* both end points equal, nothing contradicts */
#define MARGIN_BITS       6.0  /* a second candidate this near makes it ambiguous */
#define CANDIDATES_MAX    64u  /* with the same token */
#define FETCH_AHEAD       8u   /* flows: memory takes as long as these */
#define TOKENS_MAX        (4u + SKETCH_SAMPLES + 2 * SKETCH_EDGE)

/* What flows may have in common, each with the flow that has it. */
struct tokens {
    struct keyed *items;
    uint32_t count, capacity;
};

struct candidate {
    struct score score;
    uint32_t flow, newcomer;
    uint32_t next_of_flow, next_of_newcomer; /* index + 1 among those sorted by score; 0: none */
};

/* Everything one newcomer point needs while it is matched. */
struct round {
    struct flows *flows;
    struct track *track; /* the newcomer */
    unsigned point, threads;
    struct sketch *old_sketches, *new_sketches; /* of flows and of the newcomer's; phase two */
    uint32_t *assigned;                         /* newcomer -> flow + 1, 0: none yet */
    bool *ambiguous;
    bool *gone; /* flow: it was another one under a later name */
    struct candidate *candidates;
    uint32_t *first_of_flow, *first_of_newcomer; /* chains of candidates: index + 1, 0: none */
    uint32_t candidate_count, candidate_capacity;
};

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->score.bits != b->score.bits)
        return a->score.bits > b->score.bits ? -1 : 1;
    if (a->newcomer != b->newcomer)
        return a->newcomer < b->newcomer ? -1 : 1;
    return a->flow < b->flow ? -1 : a->flow > b->flow;
}

static bool add_token(struct tokens *tokens, uint64_t value, uint32_t owner)
{
    struct keyed *token = ARRAY_PUSH(tokens->items, tokens->count, tokens->capacity);
    if (token)
        *token = (struct keyed){value, owner};
    return token != NULL;
}

/* The track flow that stands for a flow: the one that knows most of it. */
static struct track_flow *best_view(const struct flow *flow, unsigned point_count)
{
    struct track_flow *best = NULL;
    for (unsigned p = 0; p < point_count; p++) {
        struct track_flow *view = flow->at[p];
        if (view && (!best || view->stream[0].base_known + view->stream[1].base_known >
                                  best->stream[0].base_known + best->stream[1].base_known))
            best = view;
    }
    return best;
}

/* ---- phase one: both initial sequence numbers, where they are one of a kind ------------------ */

static bool handshake_token(const struct track_flow *flow, uint64_t *value)
{
    if (flow->protocol != IPPROTO_TCP || !flow->stream[0].base_known || !flow->stream[1].base_known)
        return false;
    *value = (uint64_t)flow->stream[0].base << 32 | flow->stream[1].base;
    return true;
}

static bool unique(const struct tokens *tokens, uint32_t at)
{
    return (at == 0 || tokens->items[at - 1].key != tokens->items[at].key) &&
           (at + 1 == tokens->count || tokens->items[at + 1].key != tokens->items[at].key);
}

static bool timestamps_agree(const struct track_flow *a, const struct track_flow *b)
{
    return a->pkt_count && b->pkt_count && (a->pkts[0].flags & PKT_TIMESTAMPS) &&
           (b->pkts[0].flags & PKT_TIMESTAMPS) && a->pkts[0].tsval == b->pkts[0].tsval;
}

/* Of each flow, the newcomer (plus 1) that has the same token, where either is the only one; 0:
 * none. */
static void pair_tokens(const struct tokens *known, const struct tokens *coming, uint32_t *pairs)
{
    for (uint32_t i = 0, j = 0; i < known->count && j < coming->count;) {
        uint64_t a = known->items[i].key, b = coming->items[j].key;
        if (a == b && unique(known, i) && unique(coming, j))
            pairs[known->items[i].index] = coming->items[j].index + 1;
        i += a <= b;
        j += b <= a;
    }
}

static void assign(struct round *round, const struct candidate *candidate);

/* Their first packets, which will be compared: of many flows, each is far from the one before. */
static void fetch_pair(const struct round *round, uint32_t flow, uint32_t newcomer)
{
    __builtin_prefetch(best_view(&round->flows->items[flow], round->flows->point_count)->pkts);
    __builtin_prefetch(round->track->flows[newcomer].pkts);
}

static int match_handshakes(struct round *round, struct wh_error *error)
{
    struct tokens known = {0}, coming = {0};
    uint32_t *pairs = array_new(round->flows->count, sizeof *pairs);
    int status = error_memory(error, "matching flows");
    uint64_t value;
    for (uint32_t i = 0; i < round->flows->count; i++)
        if (handshake_token(best_view(&round->flows->items[i], round->flows->point_count),
                            &value) &&
            !add_token(&known, value, i))
            goto cleanup;
    for (uint32_t i = 0; i < round->track->flow_count; i++)
        if (handshake_token(&round->track->flows[i], &value) && !add_token(&coming, value, i))
            goto cleanup;
    if (!pairs || !keyed_sort(known.items, known.count) || !keyed_sort(coming.items, coming.count))
        goto cleanup;
    pair_tokens(&known, &coming, pairs);
    for (uint32_t i = 0; i < round->flows->count; i++) { /* in the order in which they lie */
        if (i + FETCH_AHEAD < round->flows->count && pairs[i + FETCH_AHEAD])
            fetch_pair(round, i + FETCH_AHEAD, pairs[i + FETCH_AHEAD] - 1);
        if (!pairs[i])
            continue;
        const struct track_flow *view =
            best_view(&round->flows->items[i], round->flows->point_count);
        struct score score = {.bits = 64, .handshake = true, .content = true};
        score.timestamps = timestamps_agree(view, &round->track->flows[pairs[i] - 1]);
        assign(round, &(struct candidate){score, i, pairs[i] - 1, 0, 0});
    }
    status = WH_OK;
cleanup:
    free(pairs);
    free(known.items);
    free(coming.items);
    return status;
}

/* ---- phase two: whatever two views have in common -------------------------------------------- */

static uint64_t mix(uint64_t seed, const void *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}

static unsigned make_tokens(const struct track_flow *flow, const struct sketch *sketch,
                            uint64_t values[TOKENS_MAX])
{
    unsigned count = 0;
    for (unsigned side = 0; side < 2; side++)
        if (flow->protocol == IPPROTO_TCP && flow->stream[side].base_known)
            values[count++] = mix(1 + side, &flow->stream[side].base, sizeof(uint32_t));
    /* Addresses and ports, whichever end is called the client. */
    uint64_t ends[2];
    for (unsigned side = 0; side < 2; side++)
        ends[side] =
            mix(flow->protocol, &flow->endpoint[side].address, 16) + flow->endpoint[side].port;
    values[count++] = ends[0] * ends[1];
    for (unsigned i = 0; i < sketch->sample_count; i++)
        values[count++] = sketch->samples[i];
    for (unsigned i = 0; i < sketch->edge_count; i++)
        values[count++] = sketch->edges[i];
    return count;
}

static uint32_t first_with(const struct tokens *tokens, uint64_t value)
{
    return PARTITION_POINT(i, tokens->count, tokens->items[i].key < value);
}

static bool acceptable(const struct score *score)
{
    return score->bits >= ACCEPT_BITS || (score->bits >= ACCEPT_TUPLE_BITS && !score->content);
}

/* Adds the flows that share a token with the newcomer to the candidates, each once. */
static bool add_candidates(struct round *round, const struct tokens *known, uint32_t newcomer)
{
    const struct track_flow *flow = &round->track->flows[newcomer];
    uint64_t values[TOKENS_MAX];
    unsigned count = make_tokens(flow, &round->new_sketches[newcomer], values);
    uint32_t first = round->candidate_count;
    for (unsigned i = 0; i < count; i++) {
        uint32_t at = first_with(known, values[i]);
        for (uint32_t n = 0;
             n < CANDIDATES_MAX && at + n < known->count && known->items[at + n].key == values[i];
             n++) {
            uint32_t owner = known->items[at + n].index;
            bool met = false;
            for (uint32_t c = first; c < round->candidate_count && !met; c++)
                met = round->candidates[c].flow == owner;
            const struct flow *old = &round->flows->items[owner];
            const struct track_flow *view = best_view(old, round->flows->point_count);
            if (met || view->protocol != flow->protocol)
                continue;
            struct score score =
                score_pair(view, &round->old_sketches[owner], flow, &round->new_sketches[newcomer]);
            if (!acceptable(&score))
                continue;
            struct candidate *candidate =
                ARRAY_PUSH(round->candidates, round->candidate_count, round->candidate_capacity);
            if (!candidate)
                return false;
            *candidate = (struct candidate){score, owner, newcomer, 0, 0};
        }
    }
    return true;
}

/* Chains the candidates of each flow and of each newcomer, best first. */
static bool link_candidates(struct round *round)
{
    round->first_of_flow = array_new(round->flows->count, sizeof(uint32_t));
    round->first_of_newcomer = array_new(round->track->flow_count, sizeof(uint32_t));
    if (!round->first_of_flow || !round->first_of_newcomer)
        return false;
    for (uint32_t i = round->candidate_count; i-- > 0;) {
        struct candidate *candidate = &round->candidates[i];
        uint32_t *of_flow = &round->first_of_flow[candidate->flow];
        uint32_t *of_newcomer = &round->first_of_newcomer[candidate->newcomer];
        candidate->next_of_flow = *of_flow;
        candidate->next_of_newcomer = *of_newcomer;
        *of_flow = *of_newcomer = i + 1;
    }
    return true;
}

/* Is there another free pair with the same flow, nearly as good or better? */
static bool flow_has_rival(const struct round *round, const struct candidate *best)
{
    const struct candidate *other;
    double least = best->score.bits - MARGIN_BITS;
    for (uint32_t i = round->first_of_flow[best->flow]; i; i = other->next_of_flow) {
        other = &round->candidates[i - 1];
        if (other->score.bits < least)
            break;
        if (other != best && !round->assigned[other->newcomer])
            return true;
    }
    return false;
}

/* Or with the same newcomer? */
static bool newcomer_has_rival(const struct round *round, const struct candidate *best)
{
    const struct candidate *other;
    double least = best->score.bits - MARGIN_BITS;
    for (uint32_t i = round->first_of_newcomer[best->newcomer]; i; i = other->next_of_newcomer) {
        other = &round->candidates[i - 1];
        if (other->score.bits < least)
            break;
        if (other != best && !round->flows->items[other->flow].at[round->point])
            return true;
    }
    return false;
}

static void assign(struct round *round, const struct candidate *candidate)
{
    struct flow *flow = &round->flows->items[candidate->flow];
    struct track_flow *view = &round->track->flows[candidate->newcomer];
    if (candidate->score.flipped) {
        if (!view->syn_seen)
            track_flip(view);
        else
            for (unsigned p = 0; p < round->flows->point_count; p++)
                if (flow->at[p])
                    track_flip(flow->at[p]);
    }
    unsigned kind = candidate->score.handshake ? MATCH_HANDSHAKE
                    : candidate->score.content ? MATCH_CONTENT
                                               : MATCH_TUPLE;
    bool first = flow->kind == MATCH_SINGLE;
    double confidence = 1 - exp2(-candidate->score.bits / 4);
    flow->at[round->point] = view;
    flow->timestamps = candidate->score.timestamps && (first || flow->timestamps);
    flow->kind = (uint8_t)(first || kind > flow->kind ? kind : flow->kind);
    flow->confidence = first || confidence < flow->confidence ? confidence : flow->confidence;
    round->assigned[candidate->newcomer] = candidate->flow + 1;
}

/* Looks at every packet of what is not matched yet. */
static void sketch_flow(void *context, unsigned worker, uint32_t item)
{
    const struct round *round = context;
    const struct flow *flow = &round->flows->items[item];
    (void)worker;
    if (!flow->at[round->point])
        sketch_make(best_view(flow, round->flows->point_count), &round->old_sketches[item]);
}

static void sketch_newcomer(void *context, unsigned worker, uint32_t item)
{
    const struct round *round = context;
    (void)worker;
    if (!round->assigned[item])
        sketch_make(&round->track->flows[item], &round->new_sketches[item]);
}

static int collect_candidates(struct round *round, struct wh_error *error)
{
    parallel_run(round->threads, round->flows->count, sketch_flow, round);
    parallel_run(round->threads, round->track->flow_count, sketch_newcomer, round);
    struct tokens known = {0};
    int status = error_memory(error, "matching flows");
    for (uint32_t i = 0; i < round->flows->count; i++) {
        const struct flow *flow = &round->flows->items[i];
        if (flow->at[round->point])
            continue;
        const struct track_flow *view = best_view(flow, round->flows->point_count);
        uint64_t values[TOKENS_MAX];
        unsigned count = make_tokens(view, &round->old_sketches[i], values);
        for (unsigned t = 0; t < count; t++)
            if (!add_token(&known, values[t], i))
                goto cleanup;
    }
    if (!keyed_sort(known.items, known.count))
        goto cleanup;
    for (uint32_t i = 0; i < round->track->flow_count; i++) {
        if (!round->assigned[i] && !add_candidates(round, &known, i))
            goto cleanup;
    }
    status = WH_OK;
cleanup:
    free(known.items);
    return status;
}

/* ---- datagrams that go on under another name ------------------------------------------------- */

/* Is the best candidate of a flow or a newcomer, `first` in its chain, itself at the other point,
 * and this one but alike? Then nothing has another name. */
static bool is_another(const struct round *round, uint32_t first, const struct candidate *candidate)
{
    const struct score *best = &round->candidates[first - 1].score;
    return best->names && best->content && !candidate->score.names;
}

/* Of two newcomers that fit one flow, is one the other under a later name? One that fits other
 * flows as well may be any of them. */
static bool newcomer_goes_on(const struct round *round, const struct candidate *a,
                             const struct candidate *b)
{
    return a != b && !round->assigned[a->newcomer] && !round->assigned[b->newcomer] &&
           a->score.flipped == b->score.flipped &&
           !is_another(round, round->first_of_newcomer[a->newcomer], a) &&
           !is_another(round, round->first_of_newcomer[b->newcomer], b) &&
           !is_another(round, round->first_of_flow[b->flow], b) &&
           renamed_goes_on(&round->track->flows[a->newcomer], &round->track->flows[b->newcomer]) &&
           !newcomer_has_rival(round, b);
}

/* Of two flows that fit one newcomer likewise, at each point that knows one of them. */
static bool known_goes_on(const struct round *round, const struct candidate *a,
                          const struct candidate *b)
{
    const struct flow *sooner = &round->flows->items[a->flow];
    const struct flow *later = &round->flows->items[b->flow];
    if (a == b || round->gone[a->flow] || round->gone[b->flow] || sooner->at[round->point] ||
        later->at[round->point] || a->score.flipped != b->score.flipped ||
        is_another(round, round->first_of_flow[a->flow], a) ||
        is_another(round, round->first_of_flow[b->flow], b) ||
        is_another(round, round->first_of_newcomer[b->newcomer], b))
        return false;
    for (unsigned p = 0; p < round->flows->point_count; p++)
        if (!sooner->at[p] != !later->at[p] ||
            (sooner->at[p] && !renamed_goes_on(sooner->at[p], later->at[p])))
            return false;
    return !flow_has_rival(round, b);
}

/* The candidates that go on what `a` begins, by when they do: an earlier name may fit less well
 * than a later one. Where thousands of flows are alike, each fits thousands: only so many are asked
 * in vain. */
static bool find_later(const struct round *round, const struct candidate *a, bool of_flow,
                       struct tokens *later)
{
    uint32_t k = of_flow ? round->first_of_flow[a->flow] : round->first_of_newcomer[a->newcomer];
    for (unsigned vain = 0; k && vain < CANDIDATES_MAX;) {
        const struct candidate *b = &round->candidates[k - 1];
        const struct track_flow *view =
            of_flow ? &round->track->flows[b->newcomer]
                    : best_view(&round->flows->items[b->flow], round->flows->point_count);
        bool goes_on = of_flow ? newcomer_goes_on(round, a, b) : known_goes_on(round, a, b);
        if (goes_on && !add_token(later, keyed_signed(view->first.ns), k - 1))
            return false;
        vain += !goes_on;
        k = of_flow ? b->next_of_flow : b->next_of_newcomer;
    }
    return keyed_sort(later->items, later->count);
}

static bool join_newcomers(struct round *round, const struct candidate *a)
{
    struct tokens later = {0};
    bool ok = find_later(round, a, true, &later);
    for (uint32_t n = 0; ok && n < later.count; n++) {
        const struct candidate *b = &round->candidates[later.items[n].index];
        if (!newcomer_goes_on(round, a, b)) /* not what was joined meanwhile */
            continue;
        round->assigned[b->newcomer] = b->flow + 1;
        ok = renamed_join(&round->track->flows[a->newcomer], &round->track->flows[b->newcomer]);
    }
    free(later.items);
    return ok;
}

static bool join_known(struct round *round, const struct candidate *a)
{
    const struct flow *sooner = &round->flows->items[a->flow];
    struct tokens later = {0};
    bool ok = find_later(round, a, false, &later);
    for (uint32_t n = 0; ok && n < later.count; n++) {
        const struct candidate *b = &round->candidates[later.items[n].index];
        if (!known_goes_on(round, a, b))
            continue;
        struct flow *other = &round->flows->items[b->flow];
        round->gone[b->flow] = true;
        for (unsigned p = 0; ok && p < round->flows->point_count; p++)
            ok = !sooner->at[p] || renamed_join(sooner->at[p], other->at[p]);
        other->at[round->point] = &round->track->flows[b->newcomer]; /* no rival any more */
    }
    free(later.items);
    return ok;
}

/* A translator that found another name for a UDP flow made two of it on its other side. */
static bool join_renamed(struct round *round)
{
    for (uint32_t i = 0; i < round->candidate_count; i++) {
        const struct candidate *a = &round->candidates[i];
        if (!a->score.content || round->track->flows[a->newcomer].protocol != IPPROTO_UDP)
            continue;
        if ((!round->assigned[a->newcomer] && !join_newcomers(round, a)) ||
            (!round->gone[a->flow] && !join_known(round, a)))
            return false;
    }
    return true;
}

static void drop_gone(struct round *round, uint32_t known)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < round->flows->count; i++)
        if (i >= known || !round->gone[i])
            round->flows->items[kept++] = round->flows->items[i];
    round->flows->count = kept;
}

static int match_rest(struct round *round, struct wh_error *error)
{
    if (collect_candidates(round, error))
        return WH_ERROR;
    if (round->candidate_count)
        qsort(round->candidates, round->candidate_count, sizeof *round->candidates,
              compare_candidates);
    if (!link_candidates(round) || !join_renamed(round))
        return error_memory(error, "matching flows");
    for (uint32_t i = 0; i < round->candidate_count; i++) {
        const struct candidate *candidate = &round->candidates[i];
        struct flow *flow = &round->flows->items[candidate->flow];
        if (round->assigned[candidate->newcomer] || flow->at[round->point] || flow->ambiguous ||
            round->ambiguous[candidate->newcomer])
            continue;
        if (flow_has_rival(round, candidate) || newcomer_has_rival(round, candidate))
            flow->ambiguous = round->ambiguous[candidate->newcomer] = true;
        else
            assign(round, candidate);
    }
    return WH_OK;
}

/* ---- all points ------------------------------------------------------------------------------ */

static int add_rest(struct round *round, struct arena *arena, struct wh_error *error)
{
    for (uint32_t i = 0; i < round->track->flow_count; i++) {
        if (round->assigned[i])
            continue;
        struct flow *flow =
            ARRAY_PUSH(round->flows->items, round->flows->count, round->flows->capacity);
        struct track_flow **at = arena_alloc(arena, round->flows->point_count, sizeof *at);
        if (!flow || !at)
            return error_memory(error, "flows");
        at[round->point] = &round->track->flows[i];
        *flow = (struct flow){.at = at,
                              .protocol = round->track->flows[i].protocol,
                              .kind = MATCH_SINGLE,
                              .ambiguous = round->ambiguous[i],
                              .confidence = 1};
    }
    return WH_OK;
}

static int match_point(struct round *round, struct arena *arena, struct wh_error *error)
{
    int status = WH_ERROR;
    uint32_t coming = round->track->flow_count, known = round->flows->count;
    round->assigned = array_new(coming, sizeof *round->assigned);
    round->ambiguous = array_new(coming, sizeof *round->ambiguous);
    round->new_sketches = array_new(coming, sizeof *round->new_sketches);
    round->old_sketches = array_new(known, sizeof *round->old_sketches);
    round->gone = array_new(known, sizeof *round->gone);
    if (!round->assigned || !round->ambiguous || !round->new_sketches || !round->old_sketches ||
        !round->gone) {
        error_memory(error, "matching flows");
        goto cleanup;
    }
    if (known && (match_handshakes(round, error) || match_rest(round, error)))
        goto cleanup;
    status = add_rest(round, arena, error);
    drop_gone(round, known);
cleanup:
    free(round->assigned);
    free(round->ambiguous);
    free(round->gone);
    free(round->new_sketches);
    free(round->old_sketches);
    free(round->candidates);
    free(round->first_of_flow);
    free(round->first_of_newcomer);
    return status;
}

int match_points(struct track *tracks, unsigned count, unsigned threads, struct arena *arena,
                 struct flows *flows, struct wh_error *error)
{
    *flows = (struct flows){.point_count = count};
    for (unsigned p = 0; p < count; p++) {
        struct round round = {.flows = flows, .track = &tracks[p], .point = p, .threads = threads};
        if (match_point(&round, arena, error))
            return WH_ERROR;
    }
    match_share(flows, threads);
    return WH_OK;
}

void match_free(struct flows *flows)
{
    free(flows->items);
    free(flows->joints);
    *flows = (struct flows){0};
}

const char *match_words(const struct flow *flow)
{
    static const char *const words[][2] = {
        [MATCH_SINGLE] = {"single", "single"},
        [MATCH_HANDSHAKE] = {"isn", "isn+timestamps"},
        [MATCH_CONTENT] = {"sequence", "sequence+timestamps"},
        [MATCH_TUPLE] = {"tuple", "tuple"},
    };
    return words[flow->kind][flow->timestamps];
}
