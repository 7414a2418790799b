/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a stream's bytes look like, in a few hashes that do not depend on how they were cut into
 * segments: windows of bytes picked by their own content, after the winnowing of Schleimer,
 * Wilkerson and Aiken (2003). Two connections that carry the same bytes at other offsets pick the
 * same windows.
 */
#ifndef WHICHHOP_TRACK_CONTENT_H
#define WHICHHOP_TRACK_CONTENT_H

#include "base/crumbs.h"

#define CONTENT_WINDOW_BYTES 16u
#define CONTENT_ANCHORS_MAX  128u   /* windows picked by content, from the stream's beginning */
#define CONTENT_STARTS_MAX   64u    /* first windows of packets, spread over the whole stream */
#define CONTENT_BYTES_MAX    65536u /* as sent, from the start of each stream, looked at closely */
#define CONTENT_MARKS_MAX    (CONTENT_ANCHORS_MAX + CONTENT_STARTS_MAX)

/* A window of bytes: its hash and where it was first seen, see content_pkt and content_within. */
struct content_mark {
    uint32_t hash;
    uint32_t start : 1; /* kept as the first window of a packet */
    uint32_t place : 31;
};

/* There is one for nearly each stream of a capture: one of crumbs, see base/crumbs.h. */
struct content {
    uint32_t first_pkt;          /* of the first mark: what those picked by content count from */
    uint32_t bytes;              /* looked at so far */
    uint16_t tries;              /* windows that were picked, known ones too */
    uint8_t start_bits;          /* of packets' first windows those with so many bits 0 are kept */
    bool cut;                    /* some payload looked at was not captured whole */
    uint8_t filter_words;        /* of the filter behind the room for marks; 0: there is none */
    uint8_t count, capacity;     /* marks */
    uint8_t anchors;             /* of them, the first: picked by content */
    struct content_mark marks[]; /* no hash twice */
};

/* Windows picked by content are kept from so many packets from the first one on: what a stream
 * begins with lies within. */
#define CONTENT_PKT_BITS    15u
#define CONTENT_WITHIN_BITS 16u

/* The packet of a mark, an index into track_flow.pkts. */
static inline uint32_t content_pkt(const struct content *content, const struct content_mark *mark)
{
    return mark->start ? mark->place : content->first_pkt + (mark->place >> CONTENT_WITHIN_BITS);
}

/* Bytes of the packet's payload before it. */
static inline uint32_t content_within(const struct content_mark *mark)
{
    return mark->start ? 0 : mark->place & ((1u << CONTENT_WITHIN_BITS) - 1);
}

/* Adds the payload of packet number `pkt` of the stream: `captured_bytes` of it are there, of
 * `payload_bytes` sent. Looks at no more than the first 64 KiB of a stream, and at the first
 * window of each later packet. `*content` is NULL for the first packet, and moves as it grows; it
 * is one of `crumbs`. False when memory is out. */
bool content_add(struct crumbs *crumbs, struct content **content, uint32_t pkt,
                 const uint8_t *payload, uint32_t captured_bytes, uint32_t payload_bytes);

/* content_add would pass over a packet whose payload's first CONTENT_WINDOW_BYTES have a hash with
 * one of these bits. */
uint32_t content_mask(const struct content *content);

/* Packet number `i` of the flow is now number moved_to[i]. */
void content_renumber(struct content *content, const uint32_t *moved_to);

/* The stream has ended: gives back what only adding more needs. More may come all the same.
 * `*content` may be NULL, and may move. */
void content_settle(struct crumbs *crumbs, struct content **content);

/* Has it in these pieces from now on; where it was, nothing is given back. False when memory is
 * out; it is then where it was. */
bool content_copy(struct crumbs *crumbs, struct content **content);

#endif
