/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Windows picked by their content: dense where a stream begins, as requests are short, then
 * thinner. And the first windows of packets, thinned by halves as they become too many, so that
 * what is left is spread over the whole stream.
 */
#include "track/content.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SKETCH_FROM 32u /* marks; fewer are looked through as fast */
#define SKETCH_BITS 512u
#define TRIES_MAX   1024u /* repetitive bytes pick the same window again and again */

static uint32_t window_hash(const uint8_t *bytes)
{
    return (uint32_t)XXH3_64bits(bytes, CONTENT_WINDOW_BYTES);
}

/* The upper bits: the lower ones are alike where starts are thinned. */
static uint32_t sketch_bit(uint32_t hash)
{
    return hash >> 16 & (SKETCH_BITS - 1);
}

/* Most windows are new, and most new ones find their bit of the sketch free. */
static bool known(const struct content *content, uint32_t hash)
{
    uint32_t bit = sketch_bit(hash);
    if (content->sketch && !(content->sketch[bit / 64] >> bit % 64 & 1))
        return false;
    for (uint32_t i = content->count; i-- > 0;)
        if (content->marks[i].hash == hash)
            return true;
    return false;
}

static void draw(struct content *content, uint32_t hash)
{
    uint32_t bit = sketch_bit(hash);
    if (content->sketch)
        content->sketch[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void draw_all(struct content *content)
{
    if (content->sketch)
        memset(content->sketch, 0, SKETCH_BITS / 8);
    for (uint32_t i = 0; i < content->count; i++)
        draw(content, content->marks[i].hash);
}

static bool add_mark(struct content *content, struct content_mark mark)
{
    struct content_mark *added = ARRAY_PUSH(content->marks, content->count, content->capacity);
    if (!added)
        return false;
    *added = mark;
    draw(content, mark.hash);
    if (content->sketch || content->count < SKETCH_FROM)
        return true;
    content->sketch = malloc(SKETCH_BITS / 8);
    draw_all(content);
    return content->sketch;
}

/* Every 4th window at first, then every 64th, then every 1024th. */
static uint32_t anchor_shift(const struct content *content)
{
    return content->anchors < 64 ? 30u : content->anchors < 96 ? 26u : 22u;
}

static bool add_anchors(struct content *content, uint32_t pkt, const uint8_t *payload,
                        uint32_t bytes)
{
    unsigned shift = anchor_shift(content);
    for (uint32_t i = 0; i + CONTENT_WINDOW_BYTES <= bytes; i++) {
        uint32_t word;
        memcpy(&word, payload + i, sizeof word);
        if (word * 0x9e3779b1u >> shift != 0)
            continue;
        uint32_t hash = window_hash(payload + i);
        if (content->anchors == CONTENT_ANCHORS_MAX || ++content->tries > TRIES_MAX)
            break;
        if (known(content, hash))
            continue;
        if (!add_mark(content, (struct content_mark){.hash = hash, .pkt = pkt, .within = i}))
            return false;
        content->anchors++;
        shift = anchor_shift(content);
    }
    return true;
}

/* Halves what is kept of packets' first windows until there is room for another. */
static void thin_starts(struct content *content)
{
    while (content->starts >= CONTENT_STARTS_MAX) {
        uint32_t kept = 0;
        content->start_mask = content->start_mask << 1 | 1u;
        for (uint32_t i = 0; i < content->count; i++) {
            bool gone = content->marks[i].start && content->marks[i].hash & content->start_mask;
            content->starts -= gone;
            if (!gone)
                content->marks[kept++] = content->marks[i];
        }
        content->count = kept;
        draw_all(content);
        if (content->start_mask == UINT32_MAX)
            return;
    }
}

static bool add_start(struct content *content, uint32_t pkt, const uint8_t *payload)
{
    uint32_t hash = window_hash(payload);
    if (hash & content->start_mask || known(content, hash))
        return true;
    thin_starts(content);
    if (hash & content->start_mask)
        return true;
    content->starts++;
    return add_mark(content, (struct content_mark){.hash = hash, .pkt = pkt, .start = 1});
}

bool content_add(struct content *content, uint32_t pkt, const uint8_t *payload,
                 uint32_t captured_bytes, uint32_t payload_bytes)
{
    uint32_t bytes = captured_bytes < payload_bytes ? captured_bytes : payload_bytes;
    bool looking = content->bytes < CONTENT_BYTES_MAX && content->anchors < CONTENT_ANCHORS_MAX &&
                   content->tries < TRIES_MAX;
    if (looking) {
        content->cut |= bytes < payload_bytes;
        content->bytes = payload_bytes > CONTENT_BYTES_MAX - content->bytes
                             ? CONTENT_BYTES_MAX
                             : content->bytes + payload_bytes;
        if (!add_anchors(content, pkt, payload, bytes))
            return false;
    }
    return bytes < CONTENT_WINDOW_BYTES || add_start(content, pkt, payload);
}

uint32_t content_mask(const struct content *content)
{
    return content->bytes >= CONTENT_BYTES_MAX ? content->start_mask : 0;
}

void content_free(struct content *content)
{
    free(content->marks);
    free(content->sketch);
    *content = (struct content){0};
}
