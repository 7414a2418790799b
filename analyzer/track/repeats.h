/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The same packet captured twice: asked of every packet, and nearly never so. */
#ifndef WHICHHOP_TRACK_REPEATS_H
#define WHICHHOP_TRACK_REPEATS_H

#include <string.h>

#include "track/track.h"

/* Is one of the packets just before the flow's last one the same? */
bool track_find_copy(const struct track *track, const struct track_flow *flow);

/* Equal for equal packets; of others, few share it. */
static inline uint16_t track_look(const struct decoded *packet, uint16_t payload)
{
    uint32_t sum = packet->seq * 0x9e3779b1u + packet->ack * 0x85ebca77u;
    sum += packet->tsval * 0xc2b2ae3du + packet->ip_id * 0x27d4eb2fu + payload * 0x165667b1u;
    return (uint16_t)(sum >> 16);
}

/* Did the flow's last packet come before? To be asked of each packet once. `payload`: its hash. */
static inline bool track_seen_before(struct track *track, struct track_flow *flow,
                                     const struct decoded *packet, uint16_t payload,
                                     bool takes_space)
{
    uint16_t look = track_look(packet, payload), known[TRACK_RECENT / 2];
    uint64_t any[sizeof known / 8];
    for (unsigned i = 0; i < TRACK_RECENT / 2; i++) /* all at once */
        known[i] = (flow->recent[i] == look) | (flow->recent[i + TRACK_RECENT / 2] == look);
    memcpy(any, known, sizeof any);
    bool found = (any[0] | any[1]) && track_find_copy(track, flow);
    flow->recent[(flow->pkt_count - 1) % TRACK_RECENT] = look;
    if (takes_space || packet->ip_id != 0) {
        track->repeatable++;
        if (found)
            track->repeated++;
    }
    return found;
}

#endif
