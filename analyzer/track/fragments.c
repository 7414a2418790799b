/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * IP fragments of a TCP segment: only the first has the ports and the sequence number (RFC 791,
 * 3.2; RFC 8200, 4.5). Later ones make the packet that the first began longer, so that it is as
 * long as where nobody cut it. A datagram needs none of this: its header tells its length.
 */
#include <netinet/in.h>
#include <string.h>

#include "track/track.h"

static bool same_packet(const struct track_fragment *open, const struct decoded *packet)
{
    return open->id == packet->fragment_id &&
           memcmp(open->source, packet->source.address, sizeof open->source) == 0 &&
           memcmp(open->destination, packet->destination.address, sizeof open->source) == 0;
}

void track_open_fragments(struct track *track, const struct decoded *packet, uint32_t flow,
                          uint32_t pkt)
{
    struct track_fragment *open = &track->fragments[track->fragment_next++ % FRAGMENTS_OPEN];
    *open = (struct track_fragment){.id = packet->fragment_id,
                                    .flow = flow,
                                    .pkt = pkt,
                                    .header_bytes = packet->header_bytes,
                                    .used = true};
    memcpy(open->source, packet->source.address, sizeof open->source);
    memcpy(open->destination, packet->destination.address, sizeof open->destination);
}

void track_add_fragment(struct track *track, const struct decoded *packet)
{
    if (packet->protocol != IPPROTO_TCP)
        return;
    for (unsigned i = 0; i < FRAGMENTS_OPEN; i++) {
        const struct track_fragment *open = &track->fragments[i];
        if (!open->used || !same_packet(open, packet))
            continue;
        struct track_flow *flow = &track->flows[open->flow];
        struct pkt *pkt = track_pkt(track, flow, open->pkt);
        if (!pkt)
            return;
        struct stream *sender = &flow->stream[pkt_side(pkt)];
        uint32_t end = packet->fragment_offset_bytes + packet->payload_bytes;
        uint32_t len = end > open->header_bytes ? end - open->header_bytes : 0;
        if (len <= pkt->len || len > UINT16_MAX)
            return;
        sender->payload_bytes += len - pkt->len;
        pkt->len = len;
        if (len > sender->payload_max_bytes)
            sender->payload_max_bytes = len;
        if (pkt_end(pkt) > sender->next)
            sender->next = pkt_end(pkt);
        return;
    }
}
