/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The walk from the link header to the transport header, one layer a turn, and the text of an end
 * point.
 */
#include "decode/decode.h"

#include <arpa/inet.h>
#include <pcap/dlt.h>
#include <stdio.h>

#include "base/digits.h"
#include "decode/layers.h"

/* More headers than any network stacks; a limit against frames made to keep us busy. */
#define LAYERS_MAX 16u

typedef enum layer layer_step(struct walk *walk);

static layer_step *const steps[] = {
#define DECODE_LAYER_STEP(name, step) [LAYER_##name] = (step),
    DECODE_LAYERS(DECODE_LAYER_STEP)
#undef DECODE_LAYER_STEP
};

enum decode_status walk_frame(uint16_t dlt, const struct cursor *frame, bool verify, bool plainly,
                              struct decoded *out)
{
    struct walk walk = {
        .cursor = *frame, .out = out, .status = DECODE_UNSUPPORTED, .verify = verify};
    enum layer layer = dlt == DLT_EN10MB ? LAYER_ETHERNET : walk_link(&walk, dlt);
    for (unsigned turn = 0; layer != LAYER_END; turn++) {
        if (turn == LAYERS_MAX)
            return DECODE_UNSUPPORTED;
        if (plainly && layer == LAYER_IP && plain_read(&walk.cursor, walk.verify, out))
            layer = walk_end(&walk, DECODE_OK);
        else
            layer = steps[layer](&walk);
    }
    out->network = walk.network;
    return walk.status;
}

static uint32_t hash_mix(uint32_t hash, uint32_t value)
{
    /* MurmurHash3's finalizer. */
    hash ^= value;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

void walk_mix(struct walk *walk, enum network_kind kind, uint32_t id)
{
    uint32_t hash = hash_mix(hash_mix(walk->network, (uint32_t)kind * 0x9e3779b1u), id);
    walk->network = hash != 0 ? hash : 1;
}

static uint32_t hash_address(const struct endpoint *endpoint)
{
    uint32_t words[4];
    uint32_t hash = 0;
    memcpy(words, endpoint->address, sizeof words);
    for (unsigned i = 0; i < 4; i++)
        hash = hash_mix(hash, words[i] + i);
    return hash;
}

void walk_enter_tunnel(struct walk *walk, enum network_kind kind, uint32_t id)
{
    const struct decoded *out = walk->out;
    walk_mix(walk, kind, id);
    /* A sum does not tell source from destination. */
    walk_mix(walk, kind, hash_address(&out->source) + hash_address(&out->destination));
    /* The rest of the inner packet follows in other fragments: its own header knows its length. */
    if (out->first_fragment)
        walk->cursor.wire = walk->cursor.left > UINT16_MAX ? walk->cursor.left : UINT16_MAX;
}

static void ipv4_text(const struct endpoint *endpoint, char *buffer, size_t size)
{
    char text[sizeof "255.255.255.255:65535"], *to = text;
    for (unsigned i = 12; i < 16; i++) {
        to = digits_put(to, endpoint->address[i]);
        *to++ = i < 15 ? '.' : ':';
    }
    to = digits_put(to, endpoint->port);
    size_t length = (size_t)(to - text) < size ? (size_t)(to - text) : size - 1;
    memcpy(buffer, text, length);
    buffer[length] = '\0';
}

const char *decode_endpoint_text(const struct endpoint *endpoint, char *buffer, size_t size)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char address[INET6_ADDRSTRLEN] = "";
    if (size == 0)
        return buffer;
    if (memcmp(endpoint->address, mapped, sizeof mapped) == 0) {
        ipv4_text(endpoint, buffer, size);
    } else {
        inet_ntop(AF_INET6, endpoint->address, address, sizeof address);
        snprintf(buffer, size, "[%s]:%u", address, (unsigned)endpoint->port);
    }
    return buffer;
}
