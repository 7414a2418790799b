/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A packet's identity without its time: sender, sequence and acknowledgement number, length,
 * timestamps, IP ID, and for datagrams the payload's hash. A merged frame has no partner where it
 * is not merged: its time is that of its last segment, or later.
 */
#include "align/pairs.h"

#include <netinet/in.h>
#include <string.h>

#include "align/straight.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct pair_slot {
    uint64_t hash;
    uint32_t pkt[2]; /* index + 1 at A and at B, 0: not seen */
    bool twice;
};

#define PACKETS_MOST (UINT64_C(1) << 28)
#define FETCH_AHEAD  8u /* memory takes as long as so many packets */

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

/* Of the bits that numbers are mixed to, those that must be 0. */
static uint64_t mask_of(unsigned thin)
{
    return (uint64_t)((1u << thin) - 1) << 40;
}

/* By its numbers alone: cheap, as every packet of every capture is asked. `tcp`: the view's. */
static inline bool is_chosen(const struct pkt *pkt, bool tcp, uint64_t mask)
{
    uint64_t more = tcp ? (uint64_t)pkt->ack : pkt->hash;
    uint64_t mixed = ((uint64_t)pkt->seq * 0x9e3779b97f4a7c15u) ^
                     ((more << 20 | pkt->len) * 0xbf58476d1ce4e5b9u);
    return (mixed & mask) == 0 && !(pkt->flags & PKT_DUPLICATE);
}

static inline unsigned parts_of(const struct pkt *pkt)
{
    return (pkt->flags & PKT_TIMESTAMPS ? PART_STAMPS : 0) | (pkt->hash ? PART_HASH : 0);
}

/* A short snap length cuts timestamps and payload: what all that is chosen of one view lacks is
 * left out. */
static inline bool choose(const struct track_flow *view, bool tcp, uint64_t mask, uint32_t most,
                          struct choice *choice)
{
    const struct pkt *pkt = view->pkts;
    for (uint32_t i = 0, count = view->pkt_count; i < count; i++, pkt++) {
        if (!is_chosen(pkt, tcp, mask))
            continue;
        if (choice->count == most)
            break;
        uint32_t *chosen = ARRAY_PUSH(choice->pkts, choice->count, choice->capacity);
        if (!chosen)
            return false;
        *chosen = i;
        choice->parts |= parts_of(pkt);
    }
    return true;
}

bool pairs_choose(const struct track_flow *view, unsigned thin, struct choice *choice)
{
    /* Packets that are all alike would all be chosen. */
    uint32_t most = view->pkt_count >> thin;
    most += thin ? most / 4 + 32 : 0;
    choice->view = view;
    choice->count = 0;
    choice->parts = 0;
    return view->protocol == IPPROTO_TCP ? choose(view, true, mask_of(thin), most, choice)
                                         : choose(view, false, mask_of(thin), most, choice);
}

/* Empties the part of the table that is wanted now: many flows are small, few are large. */
static bool make_table(struct pair_table *table, uint64_t packets)
{
    uint32_t size = 4;
    if (packets > PACKETS_MOST)
        return false;
    while (size < packets)
        size *= 2;
    size *= 2;
    if (size > table->room) {
        free(table->slots);
        table->slots = malloc(size * sizeof *table->slots);
        table->room = table->slots ? size : 0;
    }
    if (!table->slots)
        return false;
    memset(table->slots, 0, size * sizeof *table->slots);
    table->size = size;
    return true;
}

static struct pair_slot *slot_of(const struct pair_table *table, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash >> 32) & (table->size - 1);
    while (table->slots[at].hash && table->slots[at].hash != hash)
        at = (at + 1) & (table->size - 1);
    return &table->slots[at];
}

/* The packet chosen as number `n`; of a large flow, each is far from the one before. */
static const struct pkt *chosen_pkt(const struct choice *choice, uint32_t n)
{
    if (n + FETCH_AHEAD < choice->count)
        __builtin_prefetch(&choice->view->pkts[choice->pkts[n + FETCH_AHEAD]]);
    return &choice->view->pkts[choice->pkts[n]];
}

/* What only the second point saw needs no place. */
static void put(const struct pair_table *table, const struct choice *choice, unsigned which,
                unsigned thin, unsigned parts)
{
    bool tcp = choice->view->protocol == IPPROTO_TCP;
    for (uint32_t n = 0; n < choice->count; n++) {
        const struct pkt *pkt = chosen_pkt(choice, n);
        if (!is_chosen(pkt, tcp, mask_of(thin)))
            continue;
        uint64_t hash = identity(pkt, parts);
        struct pair_slot *slot = slot_of(table, hash);
        if (which == 1 && !slot->hash)
            continue;
        slot->hash = hash;
        slot->twice |= slot->pkt[which] != 0;
        slot->pkt[which] = choice->pkts[n] + 1;
    }
}

bool pairs_collect(const struct choice *a, const struct choice *b, unsigned thin,
                   struct pair_table *table, struct pairs *pairs)
{
    unsigned parts = a->parts & b->parts;
    bool tcp = a->view->protocol == IPPROTO_TCP;
    if (!make_table(table, a->count))
        return false;
    put(table, a, 0, thin, parts);
    put(table, b, 1, thin, parts);
    for (uint32_t n = 0; n < a->count; n++) {
        const struct pkt *from = chosen_pkt(a, n);
        if (!is_chosen(from, tcp, mask_of(thin)))
            continue;
        const struct pair_slot *slot = slot_of(table, identity(from, parts));
        if (slot->pkt[0] != a->pkts[n] + 1 || !slot->pkt[1] || slot->twice)
            continue;
        struct pair *pair = ARRAY_PUSH(pairs->items, pairs->count, pairs->capacity);
        if (!pair)
            return false;
        const struct pkt *to = &b->view->pkts[slot->pkt[1] - 1];
        *pair = (struct pair){from->time,
                              to->time.ns - from->time.ns,
                              {from->place, to->place},
                              (uint8_t)pkt_side(from)};
    }
    return true;
}

void pairs_free(struct pairs *pairs)
{
    free(pairs->items);
    *pairs = (struct pairs){0};
}

void pair_table_free(struct pair_table *table)
{
    free(table->slots);
    *table = (struct pair_table){0};
}
