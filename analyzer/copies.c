/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A copy of a file, given as another point: the same packets at the same nanosecond. Two captures
 * never agree so, and the segment between them would seem perfect.
 */
#include "analysis.h"

#define PACKETS_ENOUGH 20u /* fewer may be alike by a coarse clock */

static bool same_flow(const struct track_flow *a, const struct track_flow *b)
{
    if (a->pkt_count != b->pkt_count)
        return false;
    for (uint32_t i = 0; i < a->pkt_count; i++)
        if (a->pkts[i].time.ns != b->pkts[i].time.ns || a->pkts[i].len != b->pkts[i].len ||
            a->pkts[i].ip_id != b->pkts[i].ip_id)
            return false;
    return true;
}

/* Flows stand in the order of their first packets: alike captures have them alike. */
static bool is_copy(const struct capture *a, const struct capture *b)
{
    if (a->packets != b->packets || a->bytes != b->bytes || a->packets < PACKETS_ENOUGH ||
        a->span.first.ns != b->span.first.ns || a->span.last.ns != b->span.last.ns ||
        a->track.flow_count != b->track.flow_count || a->track.flow_count == 0)
        return false;
    for (uint32_t f = 0; f < a->track.flow_count; f++)
        if (!same_flow(&a->track.flows[f], &b->track.flows[f]))
            return false;
    return true;
}

void warn_copies(struct wh_analysis *analysis)
{
    for (uint32_t a = 0; a < analysis->capture_count; a++)
        for (uint32_t b = a + 1; b < analysis->capture_count; b++)
            if (is_copy(&analysis->captures[a], &analysis->captures[b]))
                analysis_warn(analysis,
                              "%s and %s hold the same packets with the same times: one is a copy "
                              "of the other, and nothing can be said of what lies between them",
                              analysis->captures[a].name, analysis->captures[b].name);
}
