/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The evidence for a pair. What comes from the server passes the server leg first, what comes from
 * the client the client leg: no byte leaves the proxy before it came. That rules most strangers
 * out; alike bytes, amounts and times speak for the rest.
 */
#include "join/legs.h"

#include <math.h>
#include <string.h>

#include "base/partition.h"

#define QUANTILES       16u
#define LAGS_MAX        (2 * CONTENT_MARKS_MAX + 2 * QUANTILES + 2)
#define SLACK_NS        (200 * NS_PER_US) /* beyond the clocks' uncertainty */
#define UNTIED_NS       (2 * NS_PER_MS)   /* clocks that nothing ties: one host's, or not judged */
#define NEAREST_NS      (3 * NS_PER_S)    /* a proxy begins to pass on what it gets sooner */
#define HEADERS_BYTES   4096              /* that a proxy may add or take away */
#define NEAR_BYTES      (1 << 20)
#define SHARED_MIN      4u
#define WHOLE_PART      3u  /* a third of what both have must be alike */
#define CUT_PART        10u /* where a capture began later */
#define ALIKE_BYTES_MIN 512u
#define UNTIED_BYTES    16384u /* to believe in a clock's offset for the sake of one pair */
#define ANCHORS_MIN     16u
#define COMMON_BITS     16.0 /* of a window that several legs have, for all of them */
#define COMMON_BITS_MAX 40.0
#define UNIQUE_BITS     8.0 /* of one that only the two have */
#define UNIQUE_BITS_MAX 64.0

/* How long what passed one leg took to pass the other; below 0 it came before it was sent. */
struct lags {
    int64_t ns[LAGS_MAX];
    uint32_t count;
};

/* One pair, with the views and clocks it is judged by. */
struct trial {
    const struct track_flow *server, *client; /* views of the server leg, the client leg */
    const struct clock_fit *server_clock, *client_clock;
    struct lags lags[2];  /* by sender: 0 what clients said, 1 what servers said */
    int64_t spread_ns[2]; /* of the curves' lags; -1: not measured */
    int64_t lasted_ns[2]; /* the curves */
    bool tied;            /* one clock for both */
    int64_t slack_ns;
    int64_t least_ns[2]; /* lags, by sender; 0 where none was measured */
};

static void add_lag(struct trial *trial, unsigned side, int64_t server_ns, int64_t client_ns)
{
    struct lags *lags = &trial->lags[side];
    if (lags->count < LAGS_MAX)
        lags->ns[lags->count++] = leg_cut_ns(side ? client_ns - server_ns : server_ns - client_ns);
}

static int64_t on_path(const struct clock_fit *clock, const struct pkt *pkt)
{
    return leg_time_ns(clock, pkt->time);
}

/* ---- content --------------------------------------------------------------------------------- */

uint32_t census_of(const struct census *census, uint32_t hash)
{
    uint32_t first = PARTITION_POINT(i, census->count, census->hashes[i] < hash), end = first;
    while (end < census->count && census->hashes[end] == hash)
        end++;
    return end - first;
}

struct alike {
    unsigned shared;
    unsigned same_number; /* of them, at the same sequence number: one flow under two names */
    unsigned elsewhere;   /* of them, that a third leg has, too */
    double common_bits, unique_bits;
    int64_t first, last; /* offsets in the server leg */
};

static void count_alike(const struct legs *legs, struct trial *trial, unsigned side,
                        struct alike *alike)
{
    const struct content *a = stream_content(&trial->server->stream[side]);
    const struct content *b = stream_content(&trial->client->stream[side]);
    for (uint32_t i = 0, j = 0; i < a->count && j < b->count;) {
        const struct content_mark *here = &a->marks[i], *there = &b->marks[j];
        if (here->hash != there->hash) {
            i += here->hash < there->hash;
            j += here->hash > there->hash;
            continue;
        }
        const struct pkt *at_server = &trial->server->pkts[content_pkt(a, here)];
        const struct pkt *at_client = &trial->client->pkts[content_pkt(b, there)];
        uint32_t legs_with = census_of(&legs->census, here->hash);
        alike->elsewhere += legs_with > 2;
        if (legs_with <= 2)
            alike->unique_bits += UNIQUE_BITS;
        else
            alike->common_bits += COMMON_BITS / (legs_with - 1);
        int64_t offset = at_server->seq + content_within(here);
        alike->same_number +=
            trial->server->stream[side].base + (uint32_t)offset ==
            trial->client->stream[side].base + (uint32_t)(at_client->seq + content_within(there));
        alike->first = alike->shared == 0 || offset < alike->first ? offset : alike->first;
        alike->last = alike->shared++ == 0 || offset > alike->last ? offset : alike->last;
        add_lag(trial, side, on_path(trial->server_clock, at_server),
                on_path(trial->client_clock, at_client));
        i++, j++;
    }
}

/* Were both captured from their beginning? Else one capture may have what the other has not. */
static bool seen_whole(const struct trial *trial)
{
    return trial->server->stream[0].base_known && trial->client->stream[0].base_known;
}

/* Enough of what both have is alike? Strangers may share headers; legs share nearly all, and what a
 * short snap length left of their packets at least in part. */
static bool is_alike(const struct trial *trial, const struct pairing *pairing, unsigned most)
{
    unsigned part = seen_whole(trial) ? WHOLE_PART : CUT_PART;
    return pairing->shared >= SHARED_MIN && pairing->shared * part >= most &&
           pairing->alike_bytes >= ALIKE_BYTES_MIN;
}

/* Is the payload of both there, so that content not alike shows strangers? */
static bool is_comparable(const struct trial *trial)
{
    unsigned bulk =
        trial->server->stream[1].payload_bytes >= trial->server->stream[0].payload_bytes;
    const struct content *a = stream_content(&trial->server->stream[bulk]);
    const struct content *b = stream_content(&trial->client->stream[bulk]);
    return seen_whole(trial) && a->anchors >= ANCHORS_MIN && b->anchors >= ANCHORS_MIN && !a->cut &&
           !b->cut;
}

/* Bits for content alike; false when the bytes are there and differ, or stand at the same sequence
 * numbers: then it is one flow under two names. */
static bool judge_content(const struct legs *legs, struct trial *trial, struct pairing *pairing)
{
    double common = 0, unique = 0;
    unsigned same_number = 0, elsewhere = 0, most = 0;
    for (unsigned side = 0; side < 2; side++) {
        struct alike alike = {0};
        uint32_t here = stream_content(&trial->server->stream[side])->count;
        uint32_t there = stream_content(&trial->client->stream[side])->count;
        count_alike(legs, trial, side, &alike);
        common += alike.common_bits;
        unique += alike.unique_bits;
        pairing->shared += alike.shared;
        same_number += alike.same_number;
        elsewhere += alike.elsewhere;
        most += here < there ? here : there;
        if (alike.shared)
            pairing->alike_bytes += (uint64_t)(alike.last - alike.first) + CONTENT_WINDOW_BYTES;
    }
    if (same_number > pairing->shared / 4)
        return false;
    pairing->by_content = is_alike(trial, pairing, most);
    if (!pairing->by_content)
        return !is_comparable(trial);
    /* where several connections carry the same, only their beginnings tell them apart */
    if (elsewhere * 4 > pairing->shared && !seen_whole(trial))
        return false;
    pairing->bits += common < COMMON_BITS_MAX ? common : COMMON_BITS_MAX;
    pairing->bits += unique < UNIQUE_BITS_MAX ? unique : UNIQUE_BITS_MAX;
    return true;
}

/* ---- amounts --------------------------------------------------------------------------------- */

static int64_t stream_bytes(const struct track_flow *view, unsigned side)
{
    return view->stream[side].seen && view->stream[side].next > 1 ? view->stream[side].next - 1 : 0;
}

/* When a stream first reached each of the quantiles of `total` bytes, moved by `shift`. */
static unsigned reach(const struct track_flow *view, const struct clock_fit *clock, unsigned side,
                      int64_t total, int64_t shift, int64_t at_ns[QUANTILES])
{
    unsigned q = 0;
    for (uint32_t i = 0; i < view->pkt_count && q < QUANTILES; i++) {
        const struct pkt *pkt = &view->pkts[i];
        if (pkt_side(pkt) != side || pkt->len == 0)
            continue;
        while (q < QUANTILES && pkt_end(pkt) > 1 + total * (2 * q + 1) / (2 * QUANTILES) + shift)
            at_ns[q++] = on_path(clock, pkt);
    }
    return q;
}

/* Lags of the two curves of bytes over time. What the second leg has more than the first may all
 * have been put in at its beginning. */
static void follow_curves(struct trial *trial, unsigned side)
{
    int64_t first[QUANTILES], second[QUANTILES], lags[QUANTILES];
    const struct track_flow *from = side ? trial->server : trial->client;
    const struct track_flow *to = side ? trial->client : trial->server;
    int64_t sent = stream_bytes(from, side), passed = stream_bytes(to, side);
    int64_t more = passed > sent ? passed - sent : 0, total = sent < passed ? sent : passed;
    trial->spread_ns[side] = -1;
    if (total < (int64_t)QUANTILES * 64 || from->stream[side].packets < QUANTILES ||
        to->stream[side].packets < QUANTILES)
        return;
    const struct clock_fit *from_clock = side ? trial->server_clock : trial->client_clock;
    const struct clock_fit *to_clock = side ? trial->client_clock : trial->server_clock;
    unsigned count = reach(from, from_clock, side, total, 0, first);
    unsigned there = reach(to, to_clock, side, total, more, second);
    count = there < count ? there : count;
    if (count < QUANTILES / 2)
        return;
    for (unsigned q = 0; q < count; q++) {
        lags[q] = leg_cut_ns(second[q] - first[q]);
        if (trial->lags[side].count < LAGS_MAX)
            trial->lags[side].ns[trial->lags[side].count++] = lags[q];
    }
    trial->lasted_ns[side] = first[count - 1] - first[0];
    qsort(lags, count, sizeof *lags, compare_ns);
    trial->spread_ns[side] = lags[count - 1 - count / 8] - lags[0];
}

static double clamp_bits(double bits, double most)
{
    return bits < 0 ? 0 : bits > most ? most : bits;
}

/* Bits for amounts alike in one direction; false when they cannot be the same. */
static bool judge_amount(const struct trial *trial, unsigned side, double *bits)
{
    int64_t from = stream_bytes(side ? trial->server : trial->client, side);
    int64_t to = stream_bytes(side ? trial->client : trial->server, side);
    int64_t more = to - from, most = from > to ? from : to;
    if (llabs(more) > HEADERS_BYTES + from / 64)
        return false; /* more came out than went in, or less than headers explain */
    *bits += clamp_bits(log2((double)(most + 1) / (2.0 * (double)llabs(more) + 1024)), 12);
    return true;
}

static double judge_curve(const struct trial *trial, unsigned side)
{
    if (trial->spread_ns[side] < 0)
        return 0;
    double spread = (double)trial->spread_ns[side] + 1e6;
    return clamp_bits(log2((double)trial->lasted_ns[side] / (4 * spread)), 10);
}

/* ---- times ----------------------------------------------------------------------------------- */

/* The first packet of a side, with data or with a SYN; NULL. */
static const struct pkt *first_of(const struct track_flow *view, unsigned side, bool data)
{
    for (uint32_t i = 0; i < view->pkt_count; i++) {
        const struct pkt *pkt = &view->pkts[i];
        if (pkt_side(pkt) == side && (data ? pkt->len > 0 : (pkt->flags & PKT_SYN) != 0))
            return pkt;
    }
    return NULL;
}

/* How long after the client's SYN, or its first data, the proxy opens the other leg; -1 where no
 * handshakes tell. That is a lag, too: a proxy that opens its connections before is not known. */
static int64_t opening_gap(struct trial *trial)
{
    const struct pkt *asked = first_of(trial->client, 0, false);
    const struct pkt *opened = first_of(trial->server, 0, false);
    const struct pkt *said = first_of(trial->client, 0, true);
    if (!asked || !opened)
        return -1;
    int64_t opened_ns = on_path(trial->server_clock, opened);
    int64_t gap_ns = opened_ns - on_path(trial->client_clock, asked);
    add_lag(trial, 0, opened_ns, on_path(trial->client_clock, asked));
    if (said && on_path(trial->client_clock, said) <= opened_ns)
        gap_ns = opened_ns - on_path(trial->client_clock, said);
    return gap_ns < 0 ? 0 : gap_ns;
}

/* A proxy opens the other leg at once, or when it knows the server's address. So a gap of 0.1 s
 * speaks neither way, and a longer one against the pair. */
static double gap_bits(int64_t gap_ns)
{
    double bits = 2 * log2(1e8 / ((double)gap_ns + 1e6));
    return bits < -6 ? -6 : clamp_bits(bits, 12) + (bits < 0 ? bits : 0);
}

/* While its buffers are empty, a proxy passes on at once what comes. */
static double quick_bits(const struct trial *trial, unsigned side)
{
    int64_t least_ns = trial->least_ns[side] > 0 ? trial->least_ns[side] : 0;
    bool known = trial->tied || llabs(trial->least_ns[side]) < UNTIED_NS;
    return known && trial->spread_ns[side] >= 0
               ? clamp_bits(log2(1e8 / ((double)least_ns + 1e6)), 7)
               : 0;
}

/* The least lag but for one in twenty, whose first copies a capture may have missed. */
static int64_t least_lag(struct lags *lags)
{
    qsort(lags->ns, lags->count, sizeof *lags->ns, compare_ns);
    return lags->ns[lags->count / 20];
}

/* Did every byte leave the proxy after it came, and soon enough? With clocks that nothing ties the
 * sum of both ways' lags tells, which no offset changes. */
static bool is_causal(struct trial *trial, const struct pairing *pairing)
{
    bool known[2] = {trial->lags[0].count > 0, trial->lags[1].count > 0};
    int64_t *least = trial->least_ns;
    for (unsigned side = 0; side < 2; side++)
        least[side] = known[side] ? least_lag(&trial->lags[side]) : 0;
    bool causal = least[0] >= -trial->slack_ns && least[1] >= -trial->slack_ns &&
                  least[0] <= NEAREST_NS && least[1] <= NEAREST_NS;
    bool sure = pairing->by_content && pairing->alike_bytes >= UNTIED_BYTES;
    if (causal || trial->tied || !sure || !known[0] || !known[1])
        return causal;
    int64_t sum_ns = least[0] + least[1];
    return sum_ns >= -trial->slack_ns && sum_ns <= NEAREST_NS;
}

/* ---- the pair -------------------------------------------------------------------------------- */

static unsigned place_of(const struct legs *legs, unsigned point)
{
    unsigned place = 0;
    while (legs->alignment->order[place] != point)
        place++;
    return place;
}

/* Of the points that saw `leg`, the one next to those that saw the other: there, what it shows is
 * nearest to the proxy. */
static unsigned nearest_point(const struct legs *legs, const struct leg *leg,
                              const struct leg *other)
{
    unsigned best = leg->point, least = UINT32_MAX;
    unsigned there = place_of(legs, other->point);
    for (unsigned p = 0; p < legs->flows->point_count; p++) {
        unsigned here = place_of(legs, p);
        unsigned apart = here > there ? here - there : there - here;
        if ((leg->points >> p & 1) && apart < least) {
            least = apart;
            best = p;
        }
    }
    return best;
}

bool legs_apart(const struct legs *legs, const struct leg *a, const struct leg *b)
{
    if (a->points & b->points)
        return false;
    unsigned low[2] = {UINT32_MAX, UINT32_MAX}, high[2] = {0, 0};
    const struct leg *both[2] = {a, b};
    for (unsigned l = 0; l < 2; l++)
        for (unsigned p = 0; p < legs->flows->point_count; p++) {
            if (!(both[l]->points >> p & 1))
                continue;
            if (legs->island[p] != legs->island[a->point])
                return true; /* their order is not known */
            unsigned place = place_of(legs, p);
            low[l] = place < low[l] ? place : low[l];
            high[l] = place > high[l] ? place : high[l];
        }
    return high[0] < low[1] || high[1] < low[0];
}

/* Equal initial sequence numbers, or ones that are near each other both ways where a capture began
 * later: one connection under two names, and no pair of legs. */
static bool is_one_flow(const struct track_flow *a, const struct track_flow *b)
{
    unsigned near = 0;
    for (unsigned side = 0; side < 2; side++) {
        const struct stream *here = &a->stream[side], *there = &b->stream[side];
        if (!here->seen || !there->seen)
            continue;
        if (here->base_known && there->base_known && here->base == there->base)
            return true;
        near += llabs((int32_t)(here->base - there->base)) < NEAR_BYTES;
    }
    return near == 2;
}

static void prepare(const struct legs *legs, struct pairing *pairing, struct trial *trial)
{
    const struct leg *server = &legs->items[pairing->server_leg];
    const struct leg *client = &legs->items[pairing->client_leg];
    const struct alignment *alignment = legs->alignment;
    unsigned s = nearest_point(legs, server, client), c = nearest_point(legs, client, server);
    trial->server = legs->flows->items[server->flow].at[s];
    trial->client = legs->flows->items[client->flow].at[c];
    trial->server_clock = &alignment->clock[s];
    trial->client_clock = &alignment->clock[c];
    trial->lags[0].count = trial->lags[1].count = 0;
    pairing->whole = seen_whole(trial);
    pairing->server_point = s;
    pairing->client_point = c;
    pairing->bits = 0;
    pairing->shared = 0;
    pairing->alike_bytes = 0;
    trial->tied = legs->island[s] == legs->island[c];
    trial->slack_ns = trial->tied ? SLACK_NS + trial->server_clock->uncertainty_ns +
                                        trial->client_clock->uncertainty_ns
                                  : UNTIED_NS;
}

/* The least lags as the two points' own clocks have them. */
static void note_lags(const struct trial *trial, struct pairing *pairing)
{
    int64_t ahead_ns =
        leg_cut_ns(trial->client_clock->offset_ns) - leg_cut_ns(trial->server_clock->offset_ns);
    for (unsigned side = 0; side < 2; side++) {
        const struct lags *lags = &trial->lags[side]; /* sorted */
        pairing->lag_ns[side] = INT64_MAX;
        if (lags->count)
            pairing->lag_ns[side] =
                leg_cut_ns(lags->ns[lags->count / 20] + leg_cut_ns(side ? -ahead_ns : ahead_ns));
    }
}

bool legs_judge(const struct legs *legs, struct pairing *pairing)
{
    struct trial trial;
    prepare(legs, pairing, &trial);
    if (is_one_flow(trial.server, trial.client) || !judge_content(legs, &trial, pairing))
        return false;
    unsigned bulk = stream_bytes(trial.server, 1) >= stream_bytes(trial.server, 0);
    double amount = 0, ignored = 0;
    bool alike = judge_amount(&trial, bulk, &amount) && judge_amount(&trial, !bulk, &ignored);
    for (unsigned side = 0; side < 2; side++)
        follow_curves(&trial, side);
    int64_t gap_ns = opening_gap(&trial);
    if (!is_causal(&trial, pairing) || (!alike && !pairing->by_content))
        return false;
    note_lags(&trial, pairing);
    pairing->both_ways_ns = trial.least_ns[0] + trial.least_ns[1];
    pairing->bits += alike ? amount : 0;
    pairing->bits += judge_curve(&trial, 0) + judge_curve(&trial, 1);
    pairing->bits += quick_bits(&trial, bulk);
    if (gap_ns >= 0)
        pairing->bits += gap_bits(gap_ns);
    return true;
}
