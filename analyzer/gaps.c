/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the captures themselves have gaps. Packets that passed a point for certain and are not in
 * its file, several of them between two that are: the capture missed a burst, or stood still while
 * its neighbours saw traffic. Those that are missing one by one give a rate instead.
 */
#include <stdlib.h>

#include "analysis.h"
#include "base/error.h"
#include "base/partition.h"
#include "per_flow.h"

#define GAP_PACKETS  3u   /* from here on it is a gap, and not a packet missed by itself */
#define RATE_PACKETS 5u   /* below it, no rate is claimed */
#define RUN_LIKELY   0.05 /* so often in the whole capture may a run of misses be chance */
#define RUN_MAX      8u

bool misses_add(struct misses *misses, struct miss miss)
{
    if (misses->count == MISSES_MAX)
        return true;
    struct miss *item = ARRAY_PUSH(misses->items, misses->count, misses->capacity);
    if (!item)
        return false;
    *item = miss;
    misses->packets += miss.packets;
    return true;
}

static int compare_misses(const void *left, const void *right)
{
    const struct miss *a = left, *b = right;
    return compare_ns(&a->time_ns, &b->time_ns);
}

/* The capture's packets between one miss and the next, of which only these two are next to a miss;
 * in the path's clock. */
struct seen {
    int64_t first_ns, last_ns; /* INT64_MAX and INT64_MIN: none */
};

/* One for each miss: what came after the miss before it, until its very time; and one for what came
 * after the last. Counts `packets`. NULL when memory is out. */
static struct seen *find_seen(const struct wh_analysis *analysis, unsigned point,
                              const struct misses *misses, uint64_t *packets)
{
    const struct track *track = &analysis->captures[point].track;
    const struct clock_fit *clock = &analysis->alignment.clock[point];
    struct seen *seen = array_new((size_t)misses->count + 1, sizeof *seen);
    for (size_t i = 0; seen && i <= misses->count; i++)
        seen[i] = (struct seen){INT64_MAX, INT64_MIN};
    for (uint32_t f = 0; seen && f < track->flow_count; f++) {
        const struct track_flow *flow = &track->flows[f];
        *packets += flow->pkt_count;
        for (uint32_t i = 0; i < flow->pkt_count; i++) {
            int64_t at_ns = clock_to_path(clock, flow->pkts[i].time).ns;
            struct seen *here =
                &seen[PARTITION_POINT(n, misses->count, misses->items[n].time_ns < at_ns)];
            here->first_ns = at_ns < here->first_ns ? at_ns : here->first_ns;
            here->last_ns = at_ns > here->last_ns ? at_ns : here->last_ns;
        }
    }
    return seen;
}

static void set_rate(struct capture *capture, uint64_t alone, uint64_t seen)
{
    double rate = (double)alone / (double)(alone + seen), likely = (double)seen;
    if (alone < RATE_PACKETS)
        return;
    capture->miss_rate = rate;
    while (capture->miss_run < RUN_MAX && (likely *= rate) >= RUN_LIKELY)
        capture->miss_run++;
}

/* Shares the misses out among the silences between two packets of the capture. */
static bool find_at(struct capture *capture, const struct misses *misses, const struct seen *seen,
                    uint64_t packets)
{
    uint64_t alone = 0;
    for (uint32_t i = 0, next; i < misses->count; i = next) {
        uint64_t in = misses->items[i].packets;
        for (next = i + 1; next < misses->count && seen[next].first_ns == INT64_MAX; next++)
            in += misses->items[next].packets;
        int64_t from_ns = seen[i].last_ns, to_ns = seen[next].first_ns;
        if (from_ns == INT64_MIN || to_ns == INT64_MAX) /* no packet before it, or behind it */
            continue;
        if (in < GAP_PACKETS) {
            alone += in;
            continue;
        }
        struct capture_gap *gap =
            ARRAY_PUSH(capture->gaps, capture->gap_count, capture->gap_capacity);
        if (!gap)
            return false;
        *gap = (struct capture_gap){{from_ns}, {to_ns}, in};
    }
    set_rate(capture, alone, packets);
    return true;
}

int gaps_find(struct wh_analysis *analysis, struct misses *misses, bool *found,
              struct wh_error *error)
{
    *found = false;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        struct capture *capture = &analysis->captures[p];
        uint64_t packets = 0;
        if (misses[p].packets < GAP_PACKETS) /* neither a gap nor a rate */
            continue;
        qsort(misses[p].items, misses[p].count, sizeof *misses[p].items, compare_misses);
        struct seen *seen = find_seen(analysis, p, &misses[p], &packets);
        bool ok = seen && find_at(capture, &misses[p], seen, packets);
        free(seen);
        if (!ok)
            return error_memory(error, "gaps");
        *found |= capture->gap_count > 0 || capture->miss_run > 0;
    }
    return WH_OK;
}
