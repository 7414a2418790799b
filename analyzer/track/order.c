/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of a flow put in order by time. Cards with several queues, and tools that merge files,
 * write packets some microseconds out of order. A clock set back writes all that follows earlier
 * than what was before: that stays as it is, a block behind a block.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "track/track.h"

#define DISORDER_NS (2 * NS_PER_MS) /* beyond it is a clock that was set back */

struct place {
    int64_t time_ns;
    uint32_t block;
    uint32_t pkt;
};

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->block != b->block)
        return a->block < b->block ? -1 : 1;
    if (a->time_ns != b->time_ns)
        return a->time_ns < b->time_ns ? -1 : 1;
    return a->pkt < b->pkt ? -1 : a->pkt > b->pkt;
}

static int compare_sacks(const void *left, const void *right)
{
    const struct sack_block *a = left, *b = right;
    return a->pkt < b->pkt ? -1 : a->pkt > b->pkt;
}

static bool in_order(const struct track_flow *flow)
{
    if (!flow->times_fall)
        return true;
    for (uint32_t i = 1; i < flow->pkt_count; i++) {
        int64_t back_ns = flow->pkts[i - 1].time.ns - flow->pkts[i].time.ns;
        if (back_ns > 0 && back_ns <= DISORDER_NS)
            return false;
    }
    return true;
}

static void fill_places(const struct track_flow *flow, struct place *places)
{
    int64_t latest_ns = INT64_MIN;
    uint32_t block = 0;
    for (uint32_t i = 0; i < flow->pkt_count; i++) {
        int64_t time_ns = flow->pkts[i].time.ns;
        bool back = time_ns < latest_ns && latest_ns - time_ns > DISORDER_NS;
        block += back;
        latest_ns = back || time_ns > latest_ns ? time_ns : latest_ns;
        places[i] = (struct place){time_ns, block, i};
    }
}

/* The SACK blocks of one packet keep their order: the first reports duplicates (RFC 2883). qsort
 * may exchange equals, so the blocks are copied packet by packet. */
static bool move_sacks(struct track_flow *flow, const uint32_t *moved_to)
{
    uint32_t count = flow->sack_count;
    struct sack_block *heads = array_new(count, sizeof *heads);
    struct sack_block *sorted = array_new(count, sizeof *sorted);
    uint32_t head_count = 0, filled = 0;
    bool ok = heads && sorted;
    for (uint32_t i = 0; ok && i < count; i++) /* one head a packet: `left` is its first block */
        if (i == 0 || flow->sacks[i].pkt != flow->sacks[i - 1].pkt)
            heads[head_count++] = (struct sack_block){moved_to[flow->sacks[i].pkt], i, 0};
    if (ok && head_count)
        qsort(heads, head_count, sizeof *heads, compare_sacks);
    for (uint32_t h = 0; ok && h < head_count; h++) {
        uint32_t first = (uint32_t)heads[h].left;
        for (uint32_t i = first; i < count && flow->sacks[i].pkt == flow->sacks[first].pkt; i++) {
            sorted[filled] = flow->sacks[i];
            sorted[filled++].pkt = heads[h].pkt;
        }
    }
    if (ok && count)
        memcpy(flow->sacks, sorted, count * sizeof *sorted);
    free(heads);
    free(sorted);
    return ok;
}

int track_order(struct track_flow *flow, struct wh_error *error)
{
    if (in_order(flow))
        return WH_OK;
    uint32_t count = flow->pkt_count;
    int status = WH_ERROR;
    struct place *places = malloc(count * sizeof *places);
    struct pkt *sorted = malloc(count * sizeof *sorted);
    uint32_t *moved_to = malloc(count * sizeof *moved_to);
    if (!places || !sorted || !moved_to)
        goto cleanup;
    fill_places(flow, places);
    qsort(places, count, sizeof *places, compare_places);
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = flow->pkts[places[i].pkt];
        moved_to[places[i].pkt] = i;
    }
    if (!move_sacks(flow, moved_to))
        goto cleanup;
    for (unsigned side = 0; side < 2; side++)
        if (flow->stream[side].content)
            content_renumber(flow->stream[side].content, moved_to);
    memcpy(flow->pkts, sorted, count * sizeof *sorted);
    status = WH_OK;
cleanup:
    free(places);
    free(sorted);
    free(moved_to);
    return status ? error_memory(error, "packets") : WH_OK;
}
