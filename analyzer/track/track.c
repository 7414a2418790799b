/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Flows of one point: one hash look-up a packet, sequence numbers unwrapped to 64 bits, the same
 * packet captured twice told from a retransmission.
 */
#include "track/track.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "track/repeats.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define TABLE_FIRST_SIZE 1024u
#define TABLE_LIMIT      (1u << 30)
#define NETWORKS_MAX     64u /* with the same ends, that are looked through */
/* For track_add's two ways, one of which nearly all packets go. */
#define IN_LINE __attribute__((always_inline)) static inline

#define HASH_BYTES 16u /* payload bytes hashed: present at any usual snap length */

void track_init(struct track *track)
{
    *track = (struct track){0};
    if (getrandom(track->secret, sizeof track->secret, 0) < 0)
        track->secret[0] = (uintptr_t)track; /* where the system put it this time */
}

void track_forget_flow_content(struct track_flow *flow)
{
    flow->stream[0].content = flow->stream[1].content = NULL;
}

void track_forget_content(struct track *track)
{
    for (uint32_t i = 0; i < track->flow_count; i++)
        track_forget_flow_content(&track->flows[i]);
    crumbs_free(&track->crumbs);
    crumbs_free(&track->packed_crumbs);
}

void track_free(struct track *track)
{
    track_forget_content(track);
    for (uint32_t i = 0; i < track->flow_count; i++) {
        if (track->flows[i].pkt_slab == TRACK_NO_SLAB)
            free(track->flows[i].pkts);
        free(track->flows[i].sacks);
    }
    pages_free(&track->flow_pages);
    free(track->table);
    free(track->icmps);
    slabs_free(&track->slabs);
    track_init(track);
}

/* ---- look-up --------------------------------------------------------------------------------- */

/* The two halves of a product, as wyhash and XXH3 mix. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static inline uint64_t endpoint_number(const struct track *track, const struct endpoint *endpoint)
{
    uint64_t high, low;
    memcpy(&high, endpoint->address, 8);
    memcpy(&low, endpoint->address + 8, 8);
    return mix(high ^ track->secret[0], low ^ track->secret[1]) + endpoint->port;
}

/* The same for both directions. */
static inline uint32_t key_hash(const struct track *track, const struct decoded *packet)
{
    uint64_t mixed =
        mix(endpoint_number(track, &packet->source), endpoint_number(track, &packet->destination));
    return (uint32_t)mixed ^ packet->protocol;
}

static inline bool is_between(const struct decoded *packet, const struct endpoint *source,
                              const struct endpoint *destination)
{
    return endpoint_equal(&packet->source, source) &&
           endpoint_equal(&packet->destination, destination);
}

/* Returns the side that sent the packet by its addresses, or -1. The port alone mostly tells. */
static inline int side_of(const struct track_flow *flow, const struct decoded *packet)
{
    const struct endpoint *ends = flow->endpoint;
    if (flow->protocol != packet->protocol)
        return -1;
    if (packet->source.port == ends[0].port && is_between(packet, &ends[0], &ends[1]))
        return 0;
    return is_between(packet, &ends[1], &ends[0]) ? 1 : -1;
}

static struct track_slot *find_free(struct track_slot *table, uint32_t size, uint32_t hash)
{
    uint32_t at = hash & (size - 1);
    while (table[at].flow)
        at = (at + 1) & (size - 1);
    return &table[at];
}

static bool grow_table(struct track *track)
{
    uint32_t size = track->table_size ? track->table_size * 2 : TABLE_FIRST_SIZE;
    if (size > TABLE_LIMIT)
        return false;
    struct track_slot *table = array_new(size, sizeof *table);
    if (!table)
        return false;
    /* From a free slot on, around: those of one hash stay in the order they came. */
    uint32_t first = 0, old_size = track->table_size;
    while (old_size && track->table[first].flow)
        first++;
    for (uint32_t i = 0; i < old_size; i++) {
        const struct track_slot *slot = &track->table[(first + i) & (old_size - 1)];
        if (slot->flow)
            *find_free(table, size, slot->hash) = *slot;
    }
    free(track->table);
    track->table = table;
    track->table_size = size;
    return true;
}

static void free_table(struct track *track)
{
    free(track->table);
    track->table = NULL;
    track->table_size = track->table_used = 0;
}

/* Does a packet go on with this flow? `side` is then its sender's. */
IN_LINE bool goes_on(const struct track_flow *flow, const struct decoded *packet, unsigned *side)
{
    int found = side_of(flow, packet);
    *side = (unsigned)found;
    return found >= 0 && !flow->full && flow->network[found] == packet->network;
}

/* The flow that a packet goes on with, where that is sure at the first look, as it nearly always
 * is: that of the packet before, as senders send in bursts, or the first with its hash. NULL:
 * find_flow tells. */
IN_LINE struct track_flow *known_flow(const struct track *track, const struct decoded *packet,
                                      unsigned *side)
{
    if (track->latest && goes_on(track->latest, packet, side))
        return track->latest;
    if (track->table_size == 0)
        return NULL;
    uint32_t hash = key_hash(track, packet), at = hash & (track->table_size - 1);
    while (track->table[at].hash != hash && track->table[at].flow)
        at = (at + 1) & (track->table_size - 1);
    if (!track->table[at].flow)
        return NULL;
    struct track_flow *flow = &track->flows[track->table[at].flow - 1];
    return goes_on(flow, packet, side) ? flow : NULL;
}

/* Where a packet's flow may be, and what was found there. */
struct place {
    struct track_slot *slot; /* of the packet's flow, or the free one where it belongs */
    struct track_slot *open; /* of a flow that waits for its other direction; NULL: none */
    int side, open_side;     /* of the packet in these; -1: the slot is free */
};

/* Looks through the slots of one hash. False where more flows than `most` have the packet's ends
 * and another network: nothing was found then but `open`. */
static bool look_up(const struct track *track, const struct decoded *packet, uint32_t hash,
                    uint32_t most, struct place *place)
{
    uint32_t at = hash & (track->table_size - 1);
    place->side = -1;
    for (; track->table[at].flow; at = (at + 1) & (track->table_size - 1)) {
        const struct track_flow *flow = &track->flows[track->table[at].flow - 1];
        int found = track->table[at].hash == hash ? side_of(flow, packet) : -1;
        if (found < 0)
            continue;
        if (flow->network[found] == packet->network) {
            place->side = found;
            break;
        }
        if (!flow->stream[found].packets && !place->open) {
            place->open = &track->table[at];
            place->open_side = found;
        }
        if (most-- == 0)
            return false;
    }
    place->slot = &track->table[at];
    return true;
}

/* The slot of the packet's flow, or the free one where it belongs, which is then of `*hash`; NULL
 * when memory is out. The same addresses on two networks are two flows. But a flow may cross
 * another VLAN on its way back: a direction not seen before joins the flow of its own network
 * first, else any. On very many networks, the rest are found by ends and network only. */
static struct track_slot *find_slot(struct track *track, const struct decoded *packet,
                                    uint32_t *hash, int *side)
{
    struct place place = {0};
    if (track->table_used >= track->table_size / 8 * 3 && !grow_table(track))
        return NULL;
    if (!look_up(track, packet, *hash, NETWORKS_MAX, &place)) {
        *hash = (uint32_t)mix(*hash ^ track->secret[0], packet->network ^ track->secret[1]);
        look_up(track, packet, *hash, UINT32_MAX, &place);
    }
    bool joins = place.side < 0 && place.open;
    *side = joins ? place.open_side : place.side;
    return joins ? place.open : place.slot;
}

/* ---- flows ----------------------------------------------------------------------------------- */

static bool is_syn(const struct decoded *packet)
{
    return (packet->flags & (TCP_SYN | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* Is a SYN a new handshake on the ports of an old flow? It bears another initial sequence number.
 */
static bool begins_anew(const struct track_flow *flow, const struct decoded *packet, unsigned side)
{
    const struct stream *sender = &flow->stream[side], *other = &flow->stream[!side];
    if (packet->flags & TCP_ACK) /* an answer to a SYN that this flow has is no new flow */
        return sender->base_known && packet->seq != sender->base &&
               !(other->base_known && packet->ack == other->base + 1);
    return sender->seen && packet->seq != sender->base;
}

static struct track_flow *add_flow(struct track *track, const struct decoded *packet)
{
    struct track_flow *flow = pages_take(&track->flow_pages, sizeof *flow);
    if (!flow)
        return NULL;
    track->flows = (struct track_flow *)(void *)track->flow_pages.memory;
    track->flow_count++;
    *flow = (struct track_flow){.protocol = packet->protocol,
                                .network = {packet->network, packet->network}};
    /* The sender of the first packet is the client, unless it answers a SYN. */
    bool answers = is_syn(packet) && (packet->flags & TCP_ACK);
    flow->endpoint[answers] = packet->source;
    flow->endpoint[!answers] = packet->destination;
    return flow;
}

__attribute__((noinline)) static struct track_flow *
find_flow(struct track *track, const struct decoded *packet, unsigned *side)
{
    uint32_t hash = key_hash(track, packet);
    int found = -1;
    struct track_slot *slot = find_slot(track, packet, &hash, &found);
    if (!slot)
        return NULL;
    bool known = slot->flow != 0;
    struct track_flow *old = known ? &track->flows[slot->flow - 1] : NULL;
    bool reuses = old && is_syn(packet) && begins_anew(old, packet, (unsigned)found);
    if (old && !old->full && !reuses) {
        *side = (unsigned)found;
        old->network[found] = packet->network;
        return old;
    }
    struct track_flow *flow = add_flow(track, packet);
    if (!flow)
        return NULL;
    flow->reused = reuses;
    if (!known)
        slot->hash = hash;
    slot->flow = track->flow_count;
    track->table_used += !known;
    *side = (unsigned)side_of(flow, packet);
    return flow;
}

void track_flip(struct track_flow *flow)
{
    struct endpoint endpoint = flow->endpoint[0];
    flow->endpoint[0] = flow->endpoint[1];
    flow->endpoint[1] = endpoint;
    uint32_t network = flow->network[0];
    flow->network[0] = flow->network[1];
    flow->network[1] = network;
    struct stream stream = flow->stream[0];
    flow->stream[0] = flow->stream[1];
    flow->stream[1] = stream;
    for (uint32_t i = 0; i < flow->pkt_count; i++)
        flow->pkts[i].flags ^= PKT_FROM_SERVER;
}

void track_shift(struct track_flow *flow, unsigned side, int64_t shift)
{
    if (shift == 0)
        return;
    flow->stream[side].base -= (uint32_t)shift;
    flow->stream[side].next += shift;
    for (uint32_t i = 0; i < flow->pkt_count; i++) {
        struct pkt *pkt = &flow->pkts[i];
        if (pkt_side(pkt) == side)
            pkt->seq += shift;
        else if (pkt->ack != ACK_NONE)
            pkt->ack += shift;
    }
    for (uint32_t i = 0; i < flow->sack_count; i++) {
        struct sack_block *block = &flow->sacks[i];
        if (pkt_side(&flow->pkts[block->pkt]) != side) {
            block->left += shift;
            block->right += shift;
        }
    }
}

int track_finish(struct track *track, struct wh_error *error)
{
    uint32_t *flows_on_port = calloc(65536, sizeof *flows_on_port);
    if (!flows_on_port)
        return error_memory(error, "ports");
    if (!track_pack(track)) {
        free(flows_on_port);
        return error_memory(error, "packets");
    }
    for (uint32_t i = 0; i < track->flow_count; i++) {
        flows_on_port[track->flows[i].endpoint[0].port]++;
        flows_on_port[track->flows[i].endpoint[1].port]++;
    }
    for (uint32_t i = 0; i < track->flow_count; i++) {
        struct track_flow *flow = &track->flows[i];
        if (track_order(flow, error)) {
            free(flows_on_port);
            return WH_ERROR;
        }
        uint16_t client = flow->endpoint[0].port, server = flow->endpoint[1].port;
        bool tie = flows_on_port[client] == flows_on_port[server];
        if (!flow->syn_seen &&
            (tie ? client < server : flows_on_port[client] > flows_on_port[server]))
            track_flip(flow);
    }
    free(flows_on_port);
    free_table(track);
    return WH_OK;
}

/* ---- packets --------------------------------------------------------------------------------- */

/* The 64-bit offset nearest to the highest one seen that has these lower 32 bits. */
static int64_t unwrap(const struct stream *stream, uint32_t number)
{
    uint32_t expected = stream->base + (uint32_t)stream->next;
    return stream->next + (int32_t)(number - expected);
}

static void move_next(struct stream *stream, int64_t offset)
{
    if (offset > stream->next)
        stream->next = offset;
}

/* The first number seen of a stream decides where its offsets begin. */
static void set_base(struct stream *stream, uint32_t base, bool known)
{
    stream->base = base;
    stream->base_known = known;
    stream->seen = true;
    stream->next = known ? 0 : 1;
}

/* Where a packet stands in the two streams. */
struct offsets {
    int64_t seq, ack;
};

/* `span` as pkt_span; `plain` as add_packet's. */
IN_LINE struct offsets find_offsets(struct stream *sender, struct stream *other,
                                    const struct decoded *packet, uint32_t span, bool plain)
{
    struct offsets offsets = {.ack = ACK_NONE};
    bool syn = !plain && is_syn(packet), reset = !plain && packet->flags & TCP_RST;
    if (__builtin_expect(!sender->seen, 0))
        set_base(sender, syn ? packet->seq : packet->seq - 1, syn);
    offsets.seq = unwrap(sender, packet->seq);
    if (!reset)
        move_next(sender, offsets.seq + span);
    if (!plain && !(packet->flags & TCP_ACK))
        return offsets;
    if (__builtin_expect(!other->seen, 0))
        set_base(other, packet->ack - 1, syn);
    offsets.ack = unwrap(other, packet->ack);
    if (!reset)
        move_next(other, offsets.ack);
    return offsets;
}

/* A snap length cuts the long packets: what is as short as one that was whole, was whole. */
static void note_checksum(struct stream *sender, const struct decoded *packet, struct pkt *pkt)
{
    if (packet->checksum == CHECKSUM_UNKNOWN)
        return;
    sender->checked++;
    if (packet->checksum == CHECKSUM_WRONG) {
        sender->wrong++;
        pkt->bad_checksum = true;
    }
    if (packet->payload_bytes >= sender->checked_below_bytes)
        sender->checked_below_bytes = packet->payload_bytes + 1;
}

static void note_syn(struct track_flow *flow, struct stream *sender, const struct decoded *packet)
{
    flow->syn_seen = true;
    sender->options_seen |= !packet->options_cut;
    if (packet->mss)
        sender->mss = packet->mss;
    if (packet->has_window_scale) {
        sender->window_scale_known = true;
        sender->window_scale = packet->window_scale;
    }
}

IN_LINE void note_packet(struct stream *sender, const struct decoded *packet, struct pkt *pkt,
                         bool plain)
{
    note_checksum(sender, packet, pkt);
    sender->packets++;
    sender->payload_bytes += packet->payload_bytes;
    if (packet->payload_bytes > sender->payload_max_bytes)
        sender->payload_max_bytes = packet->payload_bytes;
    if (plain || !(packet->flags & TCP_RST))
        sender->ttl_max = packet->ttl > sender->ttl_max ? packet->ttl : sender->ttl_max;
    else if (packet->ttl > sender->reset_ttl_max)
        sender->reset_ttl_max = packet->ttl;
}

static bool add_sacks(struct track_flow *flow, const struct stream *other,
                      const struct decoded *packet)
{
    for (unsigned i = 0; i < packet->sack_count; i++) {
        struct sack_block *block = ARRAY_PUSH(flow->sacks, flow->sack_count, flow->sack_capacity);
        if (!block)
            return false;
        block->pkt = flow->pkt_count - 1;
        block->left = unwrap(other, packet->sack[i][0]);
        block->right = unwrap(other, packet->sack[i][1]);
    }
    return true;
}

IN_LINE uint16_t payload_hash(const struct decoded *packet)
{
    uint32_t bytes = packet->payload_bytes < HASH_BYTES ? packet->payload_bytes : HASH_BYTES;
    if (bytes == 0 || packet->payload_captured_bytes < bytes)
        return 0;
    uint16_t hash = (uint16_t)XXH3_64bits(packet->payload, bytes);
    return hash ? hash : 1;
}

static int add_icmp(struct track *track, const struct arrival *arrival, struct wh_error *error)
{
    struct track_icmp *icmp = ARRAY_PUSH(track->icmps, track->icmp_count, track->icmp_capacity);
    if (!icmp)
        return error_memory(error, "ICMP errors");
    *icmp = (struct track_icmp){arrival->time, arrival->packet.quote, arrival->place};
    return WH_OK;
}

static bool grow_pkts(struct track *track, struct track_flow *flow)
{
    struct slab slab = {flow->pkts, flow->pkt_slab};
    if (!slabs_grow(&track->slabs, &slab, &flow->pkt_capacity, sizeof *flow->pkts))
        return false;
    flow->pkts = slab.memory;
    flow->pkt_slab = slab.size;
    return true;
}

struct pkt *track_pkt(const struct track *track, const struct track_flow *flow, uint32_t index)
{
    struct slab slab = {flow->pkts, flow->pkt_slab};
    return slabs_element(&track->slabs, &slab, flow->pkt_capacity, sizeof *flow->pkts, index);
}

IN_LINE struct pkt *add_pkt(struct track *track, struct track_flow *flow)
{
    if (flow->pkt_count == flow->pkt_capacity && !grow_pkts(track, flow))
        return NULL;
    return &flow->pkts[flow->pkt_count++];
}

static void note_time(struct track_flow *flow, struct point_time time)
{
    if (flow->pkt_count == 1)
        flow->first = flow->last = time;
    if (time.ns >= flow->last.ns) {
        flow->last = time;
        return;
    }
    flow->times_fall = true;
    if (time.ns < flow->first.ns)
        flow->first = time;
}

/* May there be something new in it? A hash of 0 is kept as 1, see payload_hash. */
static inline bool has_content(const struct stream *sender, uint16_t hash)
{
    return !(hash & sender->content_mask) || hash == 1;
}

static bool add_content(struct track *track, struct stream *stream, uint32_t pkt,
                        const struct decoded *packet)
{
    if (!content_add(&track->crumbs, &stream->content, pkt, packet->payload,
                     packet->payload_captured_bytes, packet->payload_bytes))
        return false;
    stream->content_mask = (uint16_t)content_mask(stream->content);
    return true;
}

/* `plain`, a constant: as is_plain says. */
IN_LINE int add_packet(struct track *track, const struct arrival *arrival, bool plain,
                       struct wh_error *error)
{
    const struct decoded *packet = &arrival->packet;
    bool tcp = plain || packet->protocol == IPPROTO_TCP;
    bool syn = !plain && is_syn(packet);
    unsigned side;
    struct track_flow *flow = syn ? NULL : known_flow(track, packet, &side);
    track->latest = flow;
    if (!flow)
        flow = find_flow(track, packet, &side);
    struct pkt *pkt = flow ? add_pkt(track, flow) : NULL;
    if (!pkt)
        return error_memory(error, "packets");
    /* Chosen once: an index would be multiplied out again for each field. */
    struct stream *sender = side ? &flow->stream[1] : &flow->stream[0];
    struct stream *other = side ? &flow->stream[0] : &flow->stream[1];
    uint32_t len = packet->payload_bytes < PKT_LEN_MAX ? packet->payload_bytes : PKT_LEN_MAX;
    uint32_t span = plain ? len : tcp ? len + flags_span(packet->flags) : 0;
    uint16_t payload = payload_hash(packet);
    struct offsets at = {.ack = ACK_NONE};
    if (tcp) {
        at = find_offsets(sender, other, packet, span, plain);
        if (__builtin_expect((sender->next | other->next) >= TRACK_OFFSET_MAX, 0))
            flow->full = true;
    }
    *pkt = (struct pkt){
        .time = arrival->time,
        .tsval = packet->tsval,
        .tsecr = packet->tsecr,
        .place = arrival->place,
        .window = packet->window,
        .ip_id = packet->ip_id,
    };
    /* The wider parts of a word first: what is loaded again was not stored in pieces. */
    pkt->seq = at.seq;
    pkt->flags = (packet->flags & (PACKET_SACK - 1)) | (side ? PKT_FROM_SERVER : 0u);
    pkt->hash = payload;
    pkt->ack = at.ack;
    pkt->len = len;
    pkt->sack = !plain && (packet->flags & PACKET_SACK);
    note_time(flow, arrival->time);
    note_packet(sender, packet, pkt, plain);
    if (syn)
        note_syn(flow, sender, packet);
    if (pkt->sack && !add_sacks(flow, other, packet))
        return error_memory(error, "SACK blocks");
    if (!plain && tcp && packet->first_fragment)
        track_open_fragments(track, packet, (uint32_t)(flow - track->flows), flow->pkt_count - 1);
    if (track_seen_before(track, flow, packet, payload, span > 0)) {
        pkt->flags |= PKT_DUPLICATE;
        track->duplicates++;
    } else if (tcp && len > 0 && has_content(sender, payload) &&
               !add_content(track, sender, flow->pkt_count - 1, packet)) {
        return error_memory(error, "content");
    }
    if (!plain && tcp && (packet->flags & (TCP_FIN | TCP_RST)))
        content_settle(&track->crumbs, &sender->content);
    return WH_OK;
}

/* What nearly every packet is: TCP amid a connection, nothing selectively acknowledged. */
static bool is_plain(const struct decoded *packet)
{
    const unsigned more = TCP_SYN | TCP_FIN | TCP_RST | PACKET_SACK;
    return packet->protocol == IPPROTO_TCP && !packet->first_fragment &&
           (packet->flags & (TCP_ACK | more)) == TCP_ACK;
}

int track_add(struct track *track, const struct arrival *arrival, struct wh_error *error)
{
    if (is_plain(&arrival->packet))
        return add_packet(track, arrival, true, error);
    uint8_t protocol = arrival->packet.protocol;
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
        return add_icmp(track, arrival, error);
    return add_packet(track, arrival, false, error);
}
