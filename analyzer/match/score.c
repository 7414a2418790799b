/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The score of a pair. Two strangers' 32-bit ranges of widths v and w overlap by chance with
 * probability (v + w) / 2^32: an overlap is worth -log2 of that, a miss means that they are
 * strangers, as every byte of a flow passes every point.
 */
#include "match/score.h"

#include <math.h>
#include <netinet/in.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BITS_NUMBER      32.0 /* an equal initial sequence number */
#define BITS_ENDPOINT    12.0
#define BITS_PORT        6.0
#define BITS_SAMPLE      16.0
#define BITS_SAMPLES_MAX 48.0
#define TSVAL_SLACK      20000u   /* ticks: captures start and end some seconds apart */
#define SEQ_SLACK        4000000u /* bytes: likewise */

static void widen(struct range32 *range, uint32_t number)
{
    if (!range->known) {
        *range = (struct range32){number, 0, true};
        return;
    }
    int32_t below = (int32_t)(range->low - number);
    uint32_t above = number - range->low;
    if (below > 0) {
        range->low = number;
        range->width += (uint32_t)below;
    } else if (above > range->width) {
        range->width = above;
    }
}

static void add_sample(struct sketch *sketch, uint64_t hash)
{
    unsigned at = sketch->sample_count;
    if (at == SKETCH_SAMPLES && hash >= sketch->samples[at - 1])
        return;
    for (unsigned i = 0; i < sketch->sample_count; i++)
        if (sketch->samples[i] == hash)
            return;
    if (at < SKETCH_SAMPLES)
        sketch->sample_count++;
    else
        at--;
    for (; at > 0 && sketch->samples[at - 1] > hash; at--)
        sketch->samples[at] = sketch->samples[at - 1];
    sketch->samples[at] = hash;
}

/* The same at every point, whichever end is called the client there. A packet without anything
 * that tells it from others is no sample. */
static bool packet_hash(const struct track_flow *flow, const struct pkt *pkt, uint64_t *hash)
{
    bool tcp = flow->protocol == IPPROTO_TCP;
    if (!tcp && pkt->hash == 0)
        return false;
    uint32_t numbers[4] = {pkt->ip_id, pkt->tsval, pkt->tsecr, pkt->hash};
    if (tcp) {
        unsigned side = pkt_side(pkt);
        numbers[0] = flow->stream[side].base + (uint32_t)pkt->seq;
        numbers[3] = pkt->ack == ACK_NONE ? 0 : flow->stream[!side].base + (uint32_t)pkt->ack;
    }
    *hash = XXH3_64bits(numbers, sizeof numbers);
    return true;
}

void sketch_make(const struct track_flow *flow, struct sketch *sketch)
{
    *sketch = (struct sketch){0};
    for (uint32_t i = 0; i < flow->pkt_count; i++) {
        const struct pkt *pkt = &flow->pkts[i];
        unsigned side = pkt_side(pkt);
        uint64_t hash;
        if (packet_hash(flow, pkt, &hash)) {
            add_sample(sketch, hash);
            if (i < SKETCH_EDGE || i + SKETCH_EDGE >= flow->pkt_count)
                sketch->edges[sketch->edge_count++] = hash;
        }
        if (flow->protocol != IPPROTO_TCP || (pkt->flags & PKT_RST))
            continue;
        widen(&sketch->seq[side], flow->stream[side].base + (uint32_t)pkt->seq);
        widen(&sketch->seq[side], flow->stream[side].base + (uint32_t)pkt_end(pkt));
        if (pkt->ack != ACK_NONE)
            widen(&sketch->seq[!side], flow->stream[!side].base + (uint32_t)pkt->ack);
        if (pkt->flags & PKT_TIMESTAMPS)
            widen(&sketch->tsval[side], pkt->tsval);
    }
}

/* Bits for two ranges: 0 where one is not known, negative where they do not touch. */
static double range_bits(const struct range32 *a, const struct range32 *b, uint32_t slack)
{
    if (!a->known || !b->known)
        return 0;
    bool touch = b->low - a->low <= a->width || a->low - b->low <= b->width;
    bool near = b->low - (a->low + a->width) <= slack || a->low - (b->low + b->width) <= slack;
    double chance = ((double)a->width + b->width + 1 + (touch ? 0 : 2.0 * slack)) / 4294967296.0;
    if (!touch && !near)
        return -BITS_NUMBER;
    return chance < 1 ? -log2(chance) : 0;
}

static double endpoint_bits(const struct endpoint *a, const struct endpoint *b)
{
    if (endpoint_equal(a, b))
        return BITS_ENDPOINT;
    return a->port == b->port ? BITS_PORT : 0;
}

static double sample_bits(const struct sketch *a, const struct sketch *b)
{
    double bits = 0;
    for (unsigned i = 0, j = 0; i < a->sample_count && j < b->sample_count;) {
        if (a->samples[i] == b->samples[j])
            bits += BITS_SAMPLE, i++, j++;
        else if (a->samples[i] < b->samples[j])
            i++;
        else
            j++;
    }
    return bits < BITS_SAMPLES_MAX ? bits : BITS_SAMPLES_MAX;
}

static struct score score_tcp(const struct track_flow *a, const struct sketch *sketch_a,
                              const struct track_flow *b, const struct sketch *sketch_b,
                              unsigned flip)
{
    struct score score = {.flipped = flip};
    unsigned agreed = 0;
    for (unsigned side = 0; side < 2; side++) {
        const struct stream *from_a = &a->stream[side], *from_b = &b->stream[side ^ flip];
        if (from_a->base_known && from_b->base_known) {
            bool equal = from_a->base == from_b->base;
            agreed += equal;
            score.bits += equal ? BITS_NUMBER : -4 * BITS_NUMBER;
        } else {
            double bits = range_bits(&sketch_a->seq[side], &sketch_b->seq[side ^ flip], SEQ_SLACK);
            score.bits += bits < 0 ? 4 * bits : bits;
            score.content |= bits > 0;
        }
        double bits =
            range_bits(&sketch_a->tsval[side], &sketch_b->tsval[side ^ flip], TSVAL_SLACK);
        score.timestamps |= bits > 0;
        score.bits += bits;
        score.bits += endpoint_bits(&a->endpoint[side], &b->endpoint[side ^ flip]);
    }
    score.handshake = agreed == 2;
    score.content |= agreed > 0;
    return score;
}

struct score score_pair(const struct track_flow *a, const struct sketch *sketch_a,
                        const struct track_flow *b, const struct sketch *sketch_b)
{
    double samples = sample_bits(sketch_a, sketch_b);
    struct score best = {.bits = -1};
    for (unsigned flip = 0; flip < 2; flip++) {
        if (flip && a->syn_seen && b->syn_seen)
            break;
        struct score score = {.flipped = flip};
        if (a->protocol == IPPROTO_TCP)
            score = score_tcp(a, sketch_a, b, sketch_b, flip);
        else
            for (unsigned side = 0; side < 2; side++)
                score.bits += endpoint_bits(&a->endpoint[side], &b->endpoint[side ^ flip]);
        score.names = endpoint_equal(&a->endpoint[0], &b->endpoint[flip]) &&
                      endpoint_equal(&a->endpoint[1], &b->endpoint[!flip]);
        score.bits += samples;
        score.content |= samples > 0;
        if (score.bits > best.bits)
            best = score;
    }
    return best;
}
