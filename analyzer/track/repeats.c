/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The same packet captured twice, told from one that was sent twice. */
#include <netinet/in.h>

#include "track/repeats.h"

#define DUPLICATE_NS       (50 * NS_PER_MS)
#define DUPLICATE_NO_ID_NS (500 * NS_PER_US)
#define DOUBLES_MIN        2u /* packets seen twice for certain: the capture doubles */

/* How far apart may two packets be that are equal in all that a sender would change, and still be
 * one packet, captured twice? With an IP ID: a retransmission gets a new one. Without (IPv6, or DF
 * with ID 0), what takes sequence space is not sent again so soon. A pure ACK or a datagram may be:
 * that is one packet only where the capture doubles others, too. */
static int64_t copy_within_ns(const struct track *track, const struct pkt *pkt, bool tcp)
{
    if (pkt->ip_id != 0)
        return DUPLICATE_NS;
    bool doubles = track->repeated >= DOUBLES_MIN && track->repeated * 4 >= track->repeatable;
    return (tcp && pkt_span(pkt)) || doubles ? DUPLICATE_NO_ID_NS : -1;
}

static bool is_copy(const struct pkt *a, const struct pkt *b, int64_t within_ns)
{
    int64_t apart_ns = b->time.ns - a->time.ns;
    if (apart_ns < 0)
        apart_ns = -apart_ns; /* a clock set back */
    return a->seq == b->seq && a->ack == b->ack && a->len == b->len && a->flags == b->flags &&
           a->sack == b->sack && a->bad_checksum == b->bad_checksum && a->ip_id == b->ip_id &&
           a->window == b->window && a->hash == b->hash && a->tsval == b->tsval &&
           a->tsecr == b->tsecr && apart_ns <= within_ns;
}

bool track_find_copy(const struct track *track, const struct track_flow *flow)
{
    uint32_t last = flow->pkt_count - 1;
    uint32_t stop = last > TRACK_RECENT ? last - TRACK_RECENT : 0;
    const struct pkt *pkt = &flow->pkts[last];
    int64_t within_ns = copy_within_ns(track, pkt, flow->protocol == IPPROTO_TCP);
    bool found = false;
    for (uint32_t i = last; i-- > stop && !found;) {
        const struct pkt *before = track_pkt(track, flow, i); /* at most one block back */
        found = !(before->flags & PKT_DUPLICATE) && is_copy(before, pkt, within_ns);
    }
    return found;
}
