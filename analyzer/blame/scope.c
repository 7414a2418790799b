/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Do other flows stand still at the same time in the same segment? */
#include <stdlib.h>

#include "blame/verdict.h"

/* At least half of the shorter one lies within the other. */
static bool together(const struct finding *a, const struct finding *b)
{
    int64_t start_ns = a->start_ns > b->start_ns ? a->start_ns : b->start_ns;
    int64_t end_ns = a->end_ns < b->end_ns ? a->end_ns : b->end_ns;
    int64_t a_ns = a->end_ns - a->start_ns, b_ns = b->end_ns - b->start_ns;
    return 2 * (end_ns - start_ns) >= (a_ns < b_ns ? a_ns : b_ns);
}

static bool same_place(const struct finding *a, const struct finding *b)
{
    return a->place.first == b->place.first && a->place.span == b->place.span;
}

/* Did data and its acknowledgement move during the middle of the time? Asked of the point where
 * most of the flow was seen. */
static bool moved(const struct flow *flow, const struct flows *flows,
                  const struct alignment *alignment, int64_t start_ns, int64_t end_ns)
{
    struct hop hop = {0};
    for (unsigned p = 0; p < flows->point_count; p++)
        if (flow->at[p] && (!hop.view || flow->at[p]->pkt_count > hop.view->pkt_count)) {
            hop.view = flow->at[p];
            hop.clock = &alignment->clock[p];
        }
    int64_t margin_ns = (end_ns - start_ns) / 5;
    bool data = false, answered = false;
    for (uint32_t i = view_from(&hop, start_ns + margin_ns);
         i < hop.view->pkt_count && view_time(&hop, i) < end_ns - margin_ns && !answered; i++) {
        const struct pkt *pkt = &hop.view->pkts[i];
        answered = data && pkt->len == 0;
        data |= pkt->len > 0;
    }
    return answered;
}

static enum wh_scope scope_of(const struct findings *findings, uint32_t at,
                              const struct flows *flows, const struct alignment *alignment,
                              bool *stalled)
{
    const struct finding *finding = &findings->items[at];
    uint32_t others = 0;
    bool others_moved = false;
    for (uint32_t f = 0; f < flows->count; f++)
        stalled[f] = f == finding->flow;
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *other = &findings->items[i];
        if (stalled[other->flow] || !same_place(finding, other) || !together(finding, other))
            continue;
        stalled[other->flow] = true;
        others++;
    }
    if (others == 0)
        return WH_ONE_FLOW;
    for (uint32_t f = 0; f < flows->count && !others_moved; f++)
        others_moved = !stalled[f] && moved(&flows->items[f], flows, alignment, finding->start_ns,
                                            finding->end_ns);
    return others_moved ? WH_SOME_FLOWS : WH_ALL_FLOWS;
}

void scope_set(struct findings *findings, const struct flows *flows,
               const struct alignment *alignment)
{
    bool *stalled = calloc((size_t)flows->count + 1, sizeof *stalled);
    for (uint32_t i = 0; stalled && i < findings->count; i++)
        findings->items[i].scope = scope_of(findings, i, flows, alignment, stalled);
    free(stalled);
}
