/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 3, track: the packets of one point sorted into flows. Sequence numbers become 64-bit
 * stream offsets here, once; nowhere else do they wrap. A flow's packets lie side by side, so that
 * every later stage goes flow by flow.
 */
#ifndef WHICHHOP_TRACK_TRACK_H
#define WHICHHOP_TRACK_TRACK_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/slabs.h"
#include "decode/decode.h"
#include "track/content.h"
#include "whichhop.h"

enum pkt_flag {
    PKT_FIN = TCP_FIN,
    PKT_SYN = TCP_SYN,
    PKT_RST = TCP_RST,
    PKT_PSH = TCP_PSH,
    PKT_ACK = TCP_ACK,
    PKT_DUPLICATE = 32,   /* the same packet captured twice: later stages pass it over */
    PKT_FROM_SERVER = 64, /* sent by endpoint[1]; see track_flow */
    PKT_TIMESTAMPS = PACKET_TIMESTAMPS,
};
#define PKT_FLAG_BITS 8

#define PKT_LEN_BITS 20 /* "big TCP" frames reach 512 KiB */
#define PKT_LEN_MAX  ((1u << PKT_LEN_BITS) - 1)

#define PKT_OFFSET_BITS 40 /* of a stream's offset: see TRACK_OFFSET_MAX */
#define ACK_NONE        (-((int64_t)1 << (PKT_OFFSET_BITS - 1)))

/* One packet at a point: 40 bytes. */
struct pkt {
    struct point_time time;
    uint64_t flags : PKT_FLAG_BITS; /* enum pkt_flag */
    uint64_t hash : 16;             /* of the first captured payload bytes */
    int64_t seq : PKT_OFFSET_BITS;  /* offset of its first byte in its sender's stream; SYN: 0 */
    uint64_t len : PKT_LEN_BITS;    /* payload bytes */
    uint64_t sack : 1;              /* its blocks are in track_flow.sacks */
    uint64_t bad_checksum : 1;
    uint64_t : 2;
    int64_t ack : PKT_OFFSET_BITS; /* first offset not yet acknowledged of the other stream, or
                                      ACK_NONE */
    uint32_t tsval, tsecr;         /* valid with PKT_TIMESTAMPS */
    uint32_t place;  /* its number among all the frames of its point's files, from 1 */
    uint16_t window; /* as sent; track_window scales it */
    uint16_t ip_id;
};

_Static_assert(sizeof(struct pkt) == 40, "memory per packet is a promise");

/* SACK blocks of the packet `pkt` (an index into track_flow.pkts), in the order of its option. */
struct sack_block {
    uint32_t pkt;
    int64_t left, right; /* offsets in the stream it acknowledges */
};

/* One direction of a flow, by its sender. */
struct stream {
    int64_t next;               /* highest offset seen, plus its length: for unwrapping */
    uint32_t base;              /* sequence number of offset 0 */
    uint32_t payload_max_bytes; /* largest payload seen in one packet */
    uint64_t payload_bytes;
    uint32_t packets;
    uint32_t checked, wrong;      /* packets whose checksum was computed; was wrong */
    uint32_t checked_below_bytes; /* of packets with a smaller payload it was: all were captured */
    uint16_t mss;                 /* announced in its SYN, 0: not seen */
    uint8_t ttl_max;              /* highest seen, but of resets: these may not be its own */
    uint8_t reset_ttl_max;        /* of resets in its name; 0: none */
    uint8_t window_scale;         /* applies to what this side announces */
    bool window_scale_known : 1;
    bool scale_inferred : 1; /* without a SYN, from how its window shrinks as it fills */
    bool options_seen : 1;   /* of its SYN, whole: what is not in them was not negotiated */
    bool seen : 1;
    bool base_known : 1;     /* from a SYN, or a SYN-ACK's acknowledgement */
    uint16_t content_mask;   /* a payload whose pkt.hash has one of these bits adds no content */
    struct content *content; /* one of track.crumbs; NULL: none. TCP only */
};

/* As far as offsets may come. Twice that fits in a packet, as origins are moved. */
#define TRACK_OFFSET_MAX ((int64_t)1 << 38)
_Static_assert(TRACK_OFFSET_MAX <= -ACK_NONE / 2, "twice that fits in a packet");

#define TRACK_NO_SLAB UINT8_MAX

#define TRACK_RECENT 16u /* packets of a flow among which one may come twice; a power of two */

/* A flow as one point saw it. endpoint[0] is the client: the SYN's sender; without a SYN, see
 * track_finish. What each packet touches stands first. */
struct track_flow {
    struct endpoint endpoint[2];
    uint32_t network[2]; /* by sender: VLANs may differ between the directions; until a side was
                            seen, that of the other */
    uint8_t protocol;
    bool syn_seen;    /* a SYN or SYN-ACK: the client is certain */
    bool reused;      /* began with a new handshake on ports used before */
    bool times_fall;  /* somewhere a packet is earlier than one before it */
    bool full;        /* a stream reached TRACK_OFFSET_MAX: what follows is another flow */
    struct pkt *pkts; /* by time after track_finish; before it, see track_pkt */
    uint32_t pkt_count, pkt_capacity;
    struct stream stream[2];       /* by sender: 0 client, 1 server */
    struct point_time first, last; /* of its packets, earliest and latest */
    uint16_t recent[TRACK_RECENT]; /* what the latest packets look like, see track/repeats.h */
    uint8_t pkt_slab; /* the size of theirs, see base/slabs.h; TRACK_NO_SLAB: they are malloc'ed */
    uint32_t renamed_pkt; /* from this one on an end has another name; 0: from none (see match) */
    struct sack_block *sacks; /* by pkt */
    uint32_t sack_count, sack_capacity;
};

/* An ICMP error, kept by itself: it belongs to the flow it quotes. */
struct track_icmp {
    struct point_time time;
    struct icmp_quote quote;
    uint32_t place; /* as pkt.place */
};

/* Open addressing; `flow` is an index plus one, 0 where the slot is free. */
struct track_slot {
    uint32_t hash;
    uint32_t flow;
};

/* A segment whose first fragment was seen. */
#define FRAGMENTS_OPEN 64u
struct track_fragment {
    uint8_t source[16], destination[16];
    uint32_t id;
    uint32_t flow, pkt; /* indexes */
    uint32_t header_bytes;
    bool used;
};

/* All flows of one point. */
struct track {
    struct slabs slabs;          /* of packets */
    struct crumbs crumbs;        /* of content */
    struct crumbs packed_crumbs; /* of what is still needed, after track_pack_content */
    struct pages flow_pages;
    struct track_flow *flows;  /* in these; they stay where they are */
    struct track_flow *latest; /* of the packet added last, if it is the first with its hash: the
                                  next one's look-up would find it, too. Else NULL */
    uint32_t flow_count;
    uint32_t table_used, table_size; /* the latter a power of two, or 0 */
    uint32_t fragment_next;
    struct track_fragment fragments[FRAGMENTS_OPEN]; /* the latest */
    struct track_slot *table;
    uint64_t secret[2]; /* of the look-up's hash, another one each time: no capture can be made
                           whose flows all come to lie in one place */
    struct track_icmp *icmps;
    uint32_t icmp_count, icmp_capacity;
    uint64_t duplicates;
    uint64_t repeatable, repeated; /* packets that say for certain whether they came twice; those
                                      that did */
};

void track_init(struct track *track);

/* A packet of a capture. */
struct arrival {
    struct decoded packet;
    struct point_time time;
    uint32_t place; /* as pkt.place */
};

/* Adds a packet; they come in the file's order. Fails only when memory is out. */
int track_add(struct track *track, const struct arrival *arrival, struct wh_error *error);

/* Adds what decode calls DECODE_FRAGMENT: the TCP segment that it belongs to gets longer. Without
 * that segment's first fragment before it, or with it too far back (see track_pkt), nothing is. */
void track_add_fragment(struct track *track, const struct decoded *packet);

/* For track_add: the flow's packet `pkt` is a first fragment. */
void track_open_fragments(struct track *track, const struct decoded *packet, uint32_t flow,
                          uint32_t pkt);

/* To be called once after the last packet: none can be added then. Puts each flow's packets in
 * one piece (track_pack) and in order (track_order), and chooses the client of flows whose
 * handshake was not seen. The server's side is the port that more flows share, else the lower port.
 * Fails only when memory is out: the track can only be freed then. */
int track_finish(struct track *track, struct wh_error *error);

/* Puts a flow's packets in order by time where the file has them out of it by 2 ms at most; what
 * is farther back was written by a clock that was set back, and stays. Frame numbers stay with
 * their packets. Fails only when memory is out. */
int track_order(struct track_flow *flow, struct wh_error *error);

/* Without a SYN: infers how the windows that a side announces are scaled. While a receiver takes
 * bytes that nobody reads, its window shrinks by just as many: bytes acknowledged over steps of
 * the window field are 2^scale. Does nothing where no such stretch is long enough. */
void track_infer_scale(struct track_flow *flow, unsigned side);

/* Exchanges client and server of a flow, in its packets too. */
void track_flip(struct track_flow *flow);

/* Moves the origin of one side's stream by `shift`: offsets of that stream grow by it. */
void track_shift(struct track_flow *flow, unsigned side, int64_t shift);

/* What only finding a proxy's two connections needs: the streams' content. A flow's is forgotten,
 * and its memory given back by track_pack_content once that is done for all that need theirs no
 * more; or that of all flows is given back. */
void track_forget_flow_content(struct track_flow *flow);
void track_pack_content(struct track *track);
void track_forget_content(struct track *track);

/* For track_finish: puts each flow's packets in one piece, and gives back the room there was for
 * more. False when memory is out. */
bool track_pack(struct track *track);

/* While packets are added, in the order of the file: packet `index` of a flow. NULL where it is
 * more than SLAB_REACH blocks back, some 8,000 packets. */
struct pkt *track_pkt(const struct track *track, const struct track_flow *flow, uint32_t index);

void track_free(struct track *track);

/* Sequence space that SYN and FIN take. */
static inline uint32_t flags_span(unsigned flags)
{
    if (!(flags & (PKT_SYN | PKT_FIN))) /* asked of every packet: one test for nearly all */
        return 0;
    return ((flags & PKT_SYN) ? 1u : 0u) + ((flags & PKT_FIN) ? 1u : 0u);
}

/* Bytes of sequence space a packet takes: payload, SYN and FIN one each (RFC 9293, 3.4). */
static inline uint32_t pkt_span(const struct pkt *pkt)
{
    return (uint32_t)pkt->len + flags_span(pkt->flags);
}

static inline int64_t pkt_end(const struct pkt *pkt)
{
    return (int64_t)pkt->seq + pkt_span(pkt);
}

/* What is kept of a stream's content, which may be nothing. */
static inline const struct content *stream_content(const struct stream *stream)
{
    static const struct content NOTHING;
    return stream->content ? stream->content : &NOTHING;
}

/* The side that sent it: 0 client, 1 server. */
static inline unsigned pkt_side(const struct pkt *pkt)
{
    return (pkt->flags & PKT_FROM_SERVER) ? 1u : 0u;
}

/* Is it known how the windows that a side announces are scaled? Both SYNs tell, here or at another
 * point, or its window's shrinking does. */
static inline bool track_scale_settled(const struct track_flow *flow, unsigned side)
{
    return (flow->stream[0].options_seen && flow->stream[1].options_seen) ||
           flow->stream[side].scale_inferred;
}

/* The window in bytes: scaled as negotiated, but never in a SYN (RFC 7323, 2.2). */
static inline uint32_t track_window(const struct track_flow *flow, const struct pkt *pkt)
{
    const struct stream *stream = &flow->stream[pkt_side(pkt)];
    bool negotiated = flow->stream[0].window_scale_known && flow->stream[1].window_scale_known;
    bool scaled = !(pkt->flags & PKT_SYN) && (negotiated || stream->scale_inferred);
    return scaled ? (uint32_t)pkt->window << stream->window_scale : pkt->window;
}

#endif
