/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What passed each segment, added up flow by flow, and thread by thread. */
#include <stdlib.h>

#include "per_flow.h"

/* ---- traffic --------------------------------------------------------------------------------- */

/* By XOR rather than minus: together that is one instruction. */
static inline unsigned highest_bit(uint64_t value)
{
    return 63u ^ (unsigned)__builtin_clzll(value);
}

/* Steps that grow with the value: 1/32 of each power of two. */
static inline unsigned delay_bucket(int64_t delay_ns)
{
    uint64_t value = delay_ns > 0 ? (uint64_t)delay_ns : 0;
    unsigned shift = highest_bit(value | DELAY_STEPS) - highest_bit(DELAY_STEPS);
    return shift * DELAY_STEPS + (unsigned)(value >> shift);
}

/* Least and most are kept at hand while the hop is walked. */
static void add_delays(struct traffic *traffic, const struct hop *hop)
{
    int64_t least_ns = traffic->delay_min_ns, most_ns = traffic->delay_max_ns;
    const struct copy *next = hop[1].copies;
    for (uint32_t i = 0, count = hop->count; i < count; i++) {
        const struct copy *copy = &hop->copies[i];
        if (!hop_delay_known(hop, i))
            continue;
        int64_t delay_ns = next[copy->next].time_ns - copy->time_ns;
        traffic->delays[delay_bucket(delay_ns)]++;
        least_ns = delay_ns < least_ns ? delay_ns : least_ns;
        most_ns = delay_ns > most_ns ? delay_ns : most_ns;
    }
    traffic->delay_min_ns = least_ns;
    traffic->delay_max_ns = most_ns;
}

static void add_hop_traffic(struct tally *tally, const struct trail *trail, unsigned k,
                            unsigned side)
{
    const struct hop *hop = &trail->hops[k], *next = hop + 1;
    if (!hop->view)
        return;
    unsigned low = hop->place < next->place ? hop->place : next->place;
    struct traffic *traffic = &tally->traffic[low + 1][side ? WH_TO_CLIENT : WH_TO_SERVER];
    uint32_t fates[FATE_ASTRAY + 1] = {0};
    for (uint32_t n = 0; n < hop->unmet_count; n++)
        fates[hop->copies[hop->unmet[n]].fate]++;
    traffic->packets += hop->count - fates[FATE_UNSEEN];
    traffic->lost += fates[FATE_LOST] + fates[FATE_PARTLY];
    if (next->view)
        add_delays(traffic, hop);
}

/* What enters the path from beyond, or leaves it: all that is known of an outer segment. */
static void add_outer_traffic(struct tally *tally, const struct trail *trail, unsigned side,
                              bool up)
{
    const struct hop *first = &trail->hops[0], *last = &trail->hops[trail->hop_count - 1];
    unsigned direction = side ? WH_TO_CLIENT : WH_TO_SERVER;
    tally->traffic[up ? first->place : first->place + 1][direction].packets += first->count;
    tally->traffic[up ? last->place + 1 : last->place][direction].packets += last->count;
}

void tally_traffic(struct tally *tally, const struct flow *flow, const struct followed *followed)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &followed->trail[side];
        for (unsigned k = 0; k + 1 < trail->hop_count; k++)
            add_hop_traffic(tally, trail, k, side);
        if (trail->hop_count)
            add_outer_traffic(tally, trail, side, (side == 1) != flow->reversed);
        for (unsigned k = 0; k < trail->hop_count; k++)
            tally->missed[trail->hops[k].point] += trail->missed[k];
    }
}

bool tally_make(struct tally *tally, unsigned segments)
{
    *tally = (struct tally){.segments = segments};
    tally->traffic = calloc(segments, sizeof *tally->traffic);
    for (unsigned s = 0; tally->traffic && s < segments; s++)
        for (unsigned d = 0; d < 2; d++) {
            tally->traffic[s][d].delay_min_ns = INT64_MAX;
            tally->traffic[s][d].delay_max_ns = INT64_MIN;
        }
    return tally->traffic != NULL;
}

void tally_join(struct tally *into, const struct tally *from)
{
    for (unsigned s = 0; s < into->segments; s++)
        for (unsigned d = 0; d < 2; d++) {
            struct traffic *sum = &into->traffic[s][d];
            const struct traffic *part = &from->traffic[s][d];
            sum->packets += part->packets;
            sum->lost += part->lost;
            sum->delay_min_ns =
                part->delay_min_ns < sum->delay_min_ns ? part->delay_min_ns : sum->delay_min_ns;
            sum->delay_max_ns =
                part->delay_max_ns > sum->delay_max_ns ? part->delay_max_ns : sum->delay_max_ns;
            for (unsigned i = 0; i < 64 * DELAY_STEPS; i++)
                sum->delays[i] += part->delays[i];
        }
}

void tally_free(struct tally *tally)
{
    free(tally->traffic);
    *tally = (struct tally){0};
}
