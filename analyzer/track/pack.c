/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets put together once no more come: room for those that did not is a part of what short flows
 * take. And the content of the few flows that still need theirs. */
#include "base/keyed.h"
#include "track/track.h"

/* Flows by where their packets lie. */
static bool order_by_place(const struct track *track, struct keyed *places)
{
    for (uint32_t i = 0; i < track->flow_count; i++)
        places[i] = (struct keyed){(uintptr_t)track->flows[i].pkts, i};
    return keyed_sort(places, track->flow_count);
}

static bool pack(struct track *track, const struct keyed *places, struct slab_use *uses,
                 uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct track_flow *flow = &track->flows[places[i].index];
        uses[i] =
            (struct slab_use){{flow->pkts, flow->pkt_slab}, flow->pkt_count * sizeof *flow->pkts};
    }
    if (!slabs_pack(&track->slabs, uses, count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct track_flow *flow = &track->flows[places[i].index];
        flow->pkts = uses[i].slab.memory;
        flow->pkt_capacity = flow->pkt_count;
    }
    return true;
}

bool track_pack(struct track *track)
{
    struct keyed *places = array_new(track->flow_count, sizeof *places);
    struct slab_use *uses = array_new(track->flow_count, sizeof *uses);
    bool ok = places && uses && order_by_place(track, places) &&
              pack(track, places, uses, track->flow_count);
    free(places);
    free(uses);
    return ok;
}

static uint32_t count_contents(const struct track *track)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < track->flow_count; i++)
        for (unsigned side = 0; side < 2; side++)
            count += track->flows[i].stream[side].content != NULL;
    return count;
}

/* Where it is most of what there was, it stays where it is: there would be two of it meanwhile. */
void track_pack_content(struct track *track)
{
    bool whole = true;
    if (count_contents(track) > track->flow_count)
        return;
    for (uint32_t i = 0; i < track->flow_count; i++)
        for (unsigned side = 0; side < 2; side++) {
            struct content **content = &track->flows[i].stream[side].content;
            if (*content && whole)
                whole = content_copy(&track->packed_crumbs, content);
        }
    if (whole) /* else no memory: the rest is where it was */
        crumbs_free(&track->crumbs);
}
