/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the captures themselves have gaps. Packets that passed a point for certain and are not in
 * its file, several of them between two that are: the capture missed a burst, or stood still while
 * its neighbours saw traffic. Those that are missing one by one give a rate instead.
 */
#include <stdlib.h>

#include "analysis.h"
#include "base/error.h"
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
    if (item)
        *item = miss;
    return item != NULL;
}

static int compare_misses(const void *left, const void *right)
{
    const struct miss *a = left, *b = right;
    return compare_ns(&a->time_ns, &b->time_ns);
}

/* When the point's packets were seen, in the path's clock, sorted; NULL when memory is out. */
static int64_t *seen_times(const struct wh_analysis *analysis, unsigned point, uint32_t *count)
{
    const struct track *track = &analysis->captures[point].track;
    const struct clock_fit *clock = &analysis->alignment.clock[point];
    size_t total = 0, filled = 0;
    for (uint32_t f = 0; f < track->flow_count; f++)
        total += track->flows[f].pkt_count;
    int64_t *times_ns = malloc((total + 1) * sizeof *times_ns);
    if (!times_ns || total >= UINT32_MAX) {
        free(times_ns);
        return NULL;
    }
    for (uint32_t f = 0; f < track->flow_count; f++)
        for (uint32_t i = 0; i < track->flows[f].pkt_count; i++)
            times_ns[filled++] = clock_to_path(clock, track->flows[f].pkts[i].time).ns;
    if (total)
        qsort(times_ns, total, sizeof *times_ns, compare_ns);
    *count = (uint32_t)total;
    return times_ns;
}

static void set_rate(struct capture *capture, uint64_t alone, uint32_t seen)
{
    double rate = (double)alone / ((double)alone + seen), likely = seen;
    if (alone < RATE_PACKETS)
        return;
    capture->miss_rate = rate;
    while (capture->miss_run < RUN_MAX && (likely *= rate) >= RUN_LIKELY)
        capture->miss_run++;
}

/* Shares the misses out among the silences between two packets of the capture. */
static bool find_at(struct capture *capture, const struct misses *misses, const int64_t *seen_ns,
                    uint32_t seen)
{
    uint64_t alone = 0;
    for (uint32_t i = 0, next, at = 0; i < misses->count; i = next) {
        uint64_t in = misses->items[i].packets;
        while (at < seen && seen_ns[at] <= misses->items[i].time_ns)
            at++;
        for (next = i + 1; next < misses->count; next++) {
            if (at == seen || misses->items[next].time_ns >= seen_ns[at])
                break;
            in += misses->items[next].packets;
        }
        if (at == 0 || at == seen) /* before the first packet, after the last: no gap */
            continue;
        if (in < GAP_PACKETS) {
            alone += in;
            continue;
        }
        struct capture_gap *gap =
            ARRAY_PUSH(capture->gaps, capture->gap_count, capture->gap_capacity);
        if (!gap)
            return false;
        *gap = (struct capture_gap){{seen_ns[at - 1]}, {seen_ns[at]}, in};
    }
    set_rate(capture, alone, seen);
    return true;
}

int gaps_find(struct wh_analysis *analysis, struct misses *misses, bool *found,
              struct wh_error *error)
{
    *found = false;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        struct capture *capture = &analysis->captures[p];
        uint32_t seen = 0;
        if (misses[p].count == 0)
            continue;
        int64_t *seen_ns = seen_times(analysis, p, &seen);
        qsort(misses[p].items, misses[p].count, sizeof *misses[p].items, compare_misses);
        bool ok = seen_ns && find_at(capture, &misses[p], seen_ns, seen);
        free(seen_ns);
        if (!ok)
            return error_memory(error, "gaps");
        *found |= capture->gap_count > 0 || capture->miss_run > 0;
    }
    return WH_OK;
}
