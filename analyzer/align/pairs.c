/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A packet's identity without its time: sender, sequence and acknowledgement number, length,
 * timestamps, IP ID, and for datagrams the payload's hash. A merged frame has no partner where it
 * is not merged: its time is that of its last segment, or later.
 */
#include "align/pairs.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

struct pair_slot {
    uint64_t hash;
    uint32_t pkt[2]; /* index + 1 at A and at B, 0: not seen */
    bool twice;
};

enum part { PART_STAMPS = 1, PART_HASH = 2 };

static uint64_t identity(const struct pkt *pkt, unsigned parts)
{
    uint64_t stamps = (uint64_t)pkt->tsval << 32 | pkt->tsecr, hash = pkt->hash;
    uint64_t numbers[5] = {(uint64_t)pkt->seq, (uint64_t)pkt->ack, parts & PART_STAMPS ? stamps : 0,
                           (uint64_t)pkt->ip_id << 32 | (parts & PART_HASH ? hash : 0) << 16 |
                               pkt_side(pkt),
                           (uint64_t)pkt->len << 32 | (pkt->flags & (PKT_SYN | PKT_FIN | PKT_RST))};
    return XXH3_64bits(numbers, sizeof numbers) | 1;
}

/* A short snap length cuts timestamps and payload: what one of the views lacks is left out. */
static unsigned parts_of(const struct track_flow *flow)
{
    unsigned parts = 0;
    for (uint32_t i = 0; i < flow->pkt_count && parts != (PART_STAMPS | PART_HASH); i++) {
        parts |= flow->pkts[i].flags & PKT_TIMESTAMPS ? PART_STAMPS : 0;
        parts |= flow->pkts[i].hash ? PART_HASH : 0;
    }
    return parts;
}

static bool sampled(const struct pkt *pkt, uint64_t hash, unsigned thin)
{
    return !(pkt->flags & PKT_DUPLICATE) && (hash >> 8 & ((1u << thin) - 1)) == 0;
}

/* Empties the part of the table that is wanted now: many flows are small, few are large. */
static bool make_table(struct pairs *pairs, uint32_t packets)
{
    uint32_t size = 64;
    while (size < packets && size < 1u << 28)
        size *= 2;
    size *= 2;
    if (size > pairs->table_room) {
        free(pairs->table);
        pairs->table = malloc(size * sizeof *pairs->table);
        pairs->table_room = pairs->table ? size : 0;
    }
    if (!pairs->table)
        return false;
    memset(pairs->table, 0, size * sizeof *pairs->table);
    pairs->table_size = size;
    return true;
}

static struct pair_slot *slot_of(const struct pairs *pairs, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> 32) & (pairs->table_size - 1);
    while (pairs->table[at].hash && pairs->table[at].hash != hash)
        at = (at + 1) & (pairs->table_size - 1);
    return &pairs->table[at];
}

static void put(struct pairs *pairs, const struct track_flow *flow, unsigned which, unsigned thin,
                uint32_t limit, unsigned parts)
{
    for (uint32_t i = 0, used = 0; i < flow->pkt_count && used < limit; i++) {
        uint64_t hash = identity(&flow->pkts[i], parts);
        if (!sampled(&flow->pkts[i], hash, thin))
            continue;
        used++;
        struct pair_slot *slot = slot_of(pairs, hash);
        slot->hash = hash;
        slot->twice |= slot->pkt[which] != 0;
        slot->pkt[which] = i + 1;
    }
}

bool pairs_collect(const struct track_flow *a, const struct track_flow *b, unsigned thin,
                   struct pairs *pairs)
{
    /* The table holds what sampling leaves of both views, with room to spare. */
    uint64_t expected = ((uint64_t)a->pkt_count + b->pkt_count) >> thin;
    uint32_t limit = (uint32_t)(expected < 1u << 27 ? expected + expected / 4 + 32 : 1u << 27);
    if (!make_table(pairs, 2 * limit))
        return false;
    unsigned parts = parts_of(a) & parts_of(b);
    put(pairs, a, 0, thin, limit, parts);
    put(pairs, b, 1, thin, limit, parts);
    for (uint32_t i = 0; i < a->pkt_count; i++) {
        const struct pkt *from = &a->pkts[i];
        uint64_t hash = identity(from, parts);
        if (!sampled(from, hash, thin))
            continue;
        const struct pair_slot *slot = slot_of(pairs, hash);
        if (slot->pkt[0] != i + 1 || !slot->pkt[1] || slot->twice)
            continue;
        struct pair *pair = ARRAY_PUSH(pairs->items, pairs->count, pairs->capacity);
        if (!pair)
            return false;
        const struct pkt *to = &b->pkts[slot->pkt[1] - 1];
        *pair = (struct pair){from->time,
                              to->time.ns - from->time.ns,
                              {pkt_place(from), pkt_place(to)},
                              (uint8_t)pkt_side(from)};
    }
    return true;
}

void pairs_free(struct pairs *pairs)
{
    free(pairs->items);
    free(pairs->table);
    *pairs = (struct pairs){0};
}
