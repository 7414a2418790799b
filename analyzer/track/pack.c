/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets put together once no more come: room for those that did not is a part of what short flows
 * take. */
#include "base/keyed.h"
#include "track/track.h"

/* Flows whose packets lie in the track's slabs, by where they lie. */
static uint32_t order_by_place(const struct track *track, struct keyed *places)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < track->flow_count; i++)
        if (track->flows[i].pkt_slab != TRACK_NO_SLAB)
            places[count++] = (struct keyed){(uintptr_t)track->flows[i].pkts, i};
    return keyed_sort(places, count) ? count : 0;
}

static void pack(struct track *track, const struct keyed *places, struct slab_use *uses,
                 uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct track_flow *flow = &track->flows[places[i].index];
        uses[i] =
            (struct slab_use){{flow->pkts, flow->pkt_slab}, flow->pkt_count * sizeof *flow->pkts};
    }
    slabs_pack(&track->slabs, uses, count);
    for (uint32_t i = 0; i < count; i++) {
        struct track_flow *flow = &track->flows[places[i].index];
        flow->pkts = uses[i].slab.memory;
        flow->pkt_slab = uses[i].slab.size;
        flow->pkt_capacity = flow->pkt_count;
    }
}

void track_pack(struct track *track)
{
    struct keyed *places = malloc((track->flow_count + 1) * sizeof *places);
    struct slab_use *uses = malloc((track->flow_count + 1) * sizeof *uses);
    uint32_t count = places && uses ? order_by_place(track, places) : 0;
    if (count)
        pack(track, places, uses, count);
    free(places);
    free(uses);
}
