/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a stream's bytes look like, in a few hashes that do not depend on how they were cut into
 * segments: windows of bytes picked by their own content, after the winnowing of Schleimer,
 * Wilkerson and Aiken (2003). Two connections that carry the same bytes at other offsets pick the
 * same windows.
 */
#ifndef WHICHHOP_TRACK_CONTENT_H
#define WHICHHOP_TRACK_CONTENT_H

#include "base/arena.h"

#define CONTENT_WINDOW_BYTES 16u
#define CONTENT_ANCHORS_MAX  128u   /* windows picked by content, from the stream's beginning */
#define CONTENT_STARTS_MAX   64u    /* first windows of packets, spread over the whole stream */
#define CONTENT_BYTES_MAX    65536u /* as sent, from the start of each stream, looked at closely */
#define CONTENT_MARKS_MAX    (CONTENT_ANCHORS_MAX + CONTENT_STARTS_MAX)

/* A window of bytes: its hash and where it was first seen. */
struct content_mark {
    uint32_t hash;
    uint32_t pkt;         /* index into track_flow.pkts */
    uint32_t within : 31; /* bytes of payload before it */
    uint32_t start : 1;   /* kept as the first window of a packet */
};

struct content {
    struct content_mark *marks; /* no hash twice */
    uint8_t *index;             /* open addressing: numbers of marks, plus 1; NULL: few marks yet */
    uint32_t count, capacity;
    uint32_t start_mask; /* of packets' first windows those with these bits 0 are kept */
    uint32_t bytes;      /* looked at so far */
    uint16_t tries;
    uint16_t index_size;
    uint8_t anchors, starts;
    bool cut; /* some payload looked at was not captured whole */
};

/* Adds the payload of packet number `pkt` of the stream: `captured_bytes` of it are there, of
 * `payload_bytes` sent. Looks at no more than the first 64 KiB of a stream, and at the first
 * window of each later packet. False when memory is out. */
bool content_add(struct content *content, uint32_t pkt, const uint8_t *payload,
                 uint32_t captured_bytes, uint32_t payload_bytes);

/* content_add would pass over a packet whose payload's first CONTENT_WINDOW_BYTES have a hash with
 * one of these bits. */
uint32_t content_mask(const struct content *content);

void content_free(struct content *content);

#endif
