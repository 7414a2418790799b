/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ethernet, IPv4 and TCP headers of generated packets. Payload is noise that depends on the flow
 * and the byte's place in its stream alone: a retransmission bears the same bytes, no two places
 * the same ones. Checksums are right over the whole packet, whatever is kept of it. */
#include "frame.h"

#include <string.h>

enum { ETHER = 14, IP = 20, TCP = 20, OPTIONS_MAX = 40 };
enum { IP_AT = ETHER, TCP_AT = ETHER + IP };
enum { SERVER_TTL = 55, CLIENT_TTL = 64 };

static const uint8_t mac_router[6] = {0x00, 0x16, 0x3e, 0x01, 0x00, 0x01};
static const uint8_t mac_outer[6] = {0x00, 0x16, 0x3e, 0x03, 0x00, 0x02};
static const uint8_t mac_inner[6] = {0x00, 0x16, 0x3e, 0x04, 0x00, 0x01};
static const uint8_t mac_client[5] = {0x00, 0x16, 0x3e, 0x05, 0x00}; /* and the client's number */

static const uint32_t firewall_address = 0xc6336402; /* 198.51.100.2 */
static const uint32_t server_address = 0xcb00710a;   /* 203.0.113.10 and up */
static const uint32_t client_address = 0x0a141e01;   /* 10.20.30.1 and up */
static const uint16_t server_port = 5201;

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

void framer_init(struct framer *framer, uint32_t snap_bytes, uint64_t seed)
{
    framer->snap_bytes = snap_bytes;
    for (uint64_t i = 0; i < NOISE_WORDS; i++)
        framer->noise[i] = mix(mix(seed) + i * 0x9e3779b97f4a7c15ULL);
}

/* Noise for [offset, offset + bytes) of the flow's stream: a table, each turn of it XORed with
 * another number. */
static const uint8_t *noise_fill(struct framer *framer, uint64_t key, uint64_t offset,
                                 uint32_t bytes)
{
    uint64_t word = offset / 8, last = (offset + bytes + 7) / 8;
    uint64_t *out = framer->payload;

    while (word < last) {
        uint64_t turn = word / NOISE_WORDS, in_turn = word % NOISE_WORDS;
        uint64_t count = last - word;
        if (count > NOISE_WORDS - in_turn)
            count = NOISE_WORDS - in_turn;
        const uint64_t change = mix(key + mix(turn + 1));
        const uint64_t *from = framer->noise + in_turn;
        for (uint64_t i = 0; i < count; i++)
            out[i] = from[i] ^ change;
        out += count;
        word += count;
    }
    return (const uint8_t *)framer->payload + offset % 8;
}

/* One's complement sum (RFC 1071) in this machine's byte order; 2 and 4 byte words sum alike. */
static uint64_t sum_bytes(const uint8_t *data, uint32_t bytes)
{
    uint64_t sum = 0;
    uint32_t word;
    uint32_t i = 0;

    for (; i + 4 <= bytes; i += 4) {
        memcpy(&word, data + i, 4);
        sum += word;
    }
    uint8_t rest[4] = {0};
    memcpy(rest, data + i, bytes - i);
    memcpy(&word, rest, 4);
    return sum + word;
}

static uint16_t sum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* The checksum's bytes are written in the order they were summed in. */
static void put_checksum(uint8_t *at, uint64_t sum)
{
    uint16_t checksum = (uint16_t)~sum_fold(sum);
    memcpy(at, &checksum, 2);
}

static uint32_t put_options(uint8_t *at, const struct flow *flow, const struct packet *packet)
{
    const struct side *peer = &flow->side[!packet->direction];
    uint8_t *start = at;

    if (packet->flags & SYN) { /* RFC 9293 MSS, RFC 2018, RFC 7323, in Linux's order */
        memcpy(at, "\x02\x04\x05\xb4\x04\x02\x08\x0a", 8);
        put32(at + 8, packet->tsval);
        put32(at + 12, packet->tsecr);
        memcpy(at + 16, "\x01\x03\x03", 3);
        at[19] = SCALE;
        return 20;
    }
    memcpy(at, "\x01\x01\x08\x0a", 4);
    put32(at + 4, packet->tsval);
    put32(at + 8, packet->tsecr);
    at += 12;
    if (packet->sacks) {
        memcpy(at, "\x01\x01\x05", 3);
        at[3] = (uint8_t)(2 + 8 * packet->sacks);
        at += 4;
        for (int i = 0; i < packet->sacks; i++, at += 8) {
            put32(at, peer->isn + (uint32_t)packet->sack[i].from);
            put32(at + 4, peer->isn + (uint32_t)packet->sack[i].to);
        }
    }
    return (uint32_t)(at - start);
}

static void put_ip(uint8_t *ip, const struct flow *flow, const struct packet *packet, uint16_t id,
                   uint32_t total_bytes)
{
    bool to_client = packet->direction == TO_CLIENT;
    uint32_t server = server_address + flow->server;

    memcpy(ip, "\x45\x00", 2);
    put16(ip + 2, total_bytes);
    put16(ip + 4, id);
    put16(ip + 6, 0x4000);
    ip[8] = to_client ? SERVER_TTL : CLIENT_TTL;
    ip[9] = 6;
    put16(ip + 10, 0);
    put32(ip + 12, to_client ? server : client_address + flow->client);
    put32(ip + 16, to_client ? firewall_address : server);
    put_checksum(ip + 10, sum_bytes(ip, IP));
}

/* Returns the header's length. */
static uint32_t put_tcp(uint8_t *tcp, const struct flow *flow, const struct packet *packet)
{
    const struct side *me = &flow->side[packet->direction];
    const struct side *peer = &flow->side[!packet->direction];
    bool to_client = packet->direction == TO_CLIENT;
    uint32_t header = TCP + put_options(tcp + TCP, flow, packet);
    uint32_t window = packet->window_bytes >> (packet->flags & SYN ? 0 : SCALE);

    put16(tcp, to_client ? server_port : flow->inner_port);
    put16(tcp + 2, to_client ? flow->outer_port : server_port);
    put32(tcp + 4, me->isn + (uint32_t)packet->seq);
    put32(tcp + 8, packet->flags & ACK ? peer->isn + (uint32_t)packet->ack : 0);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = packet->flags;
    put16(tcp + 14, window > 0xffff ? 0xffff : window);
    put32(tcp + 16, 0);
    return header;
}

void frame_build(void *context, const struct flow *flow, struct packet *packet)
{
    struct framer *framer = context;
    uint8_t head[TCP_AT + TCP + OPTIONS_MAX];
    bool to_client = packet->direction == TO_CLIENT;
    uint32_t header = put_tcp(head + TCP_AT, flow, packet);
    uint32_t segment = header + packet->payload_bytes;
    uint8_t *client_mac = head + (to_client ? 0 : 6);

    memcpy(head, to_client ? mac_outer : mac_inner, 6);
    memcpy(head + 6, mac_router, 6);
    if (!to_client) {
        memcpy(client_mac, mac_client, 5);
        client_mac[5] = (uint8_t)(flow->client + 1);
    }
    put16(head + 12, 0x0800);
    /* RFC 4413: DF, and an ID that counts each connection's packets; Linux's SYN-ACK has 0. */
    bool is_syn_ack = to_client && packet->flags & SYN;
    uint16_t id = is_syn_ack ? 0 : (uint16_t)flow->side[packet->direction].ip_id;
    put_ip(head + IP_AT, flow, packet, id, IP + segment);

    uint64_t key = flow->noise_key + packet->direction;
    const uint8_t *payload = noise_fill(framer, key, packet->seq, packet->payload_bytes);
    uint8_t pseudo[4] = {0, 6, (uint8_t)(segment >> 8), (uint8_t)segment};
    put_checksum(head + TCP_AT + 16, sum_bytes(head + IP_AT + 12, 8) + sum_bytes(pseudo, 4) +
                                         sum_bytes(head + TCP_AT, header) +
                                         sum_bytes(payload, packet->payload_bytes));

    packet->wire_bytes = TCP_AT + segment;
    uint32_t kept =
        packet->wire_bytes < framer->snap_bytes ? packet->wire_bytes : framer->snap_bytes;
    uint32_t head_kept = kept < TCP_AT + header ? kept : TCP_AT + header;
    memcpy(packet->frame, head, head_kept);
    memcpy(packet->frame + head_kept, payload, kept - head_kept);
    packet->kept_bytes = kept;
}

/* RFC 1624, equation 3, for 16 bits that change. */
static void amend(uint8_t *checksum, uint32_t before, uint32_t after)
{
    put16(checksum,
          ~(uint32_t)sum_fold((~get16(checksum) & 0xffff) + (~before & 0xffff) + after) & 0xffff);
}

static void change16(uint8_t *at, uint32_t value, uint8_t *checksum, uint8_t *second)
{
    uint32_t before = get16(at);
    put16(at, value);
    amend(checksum, before, value);
    if (second)
        amend(second, before, value);
}

void frame_translate(const struct flow *flow, struct packet *packet)
{
    uint8_t *ip = packet->frame + IP_AT, *tcp = packet->frame + TCP_AT;
    bool to_client = packet->direction == TO_CLIENT;
    uint32_t address = to_client ? client_address + flow->client : firewall_address;
    uint8_t *at = ip + (to_client ? 16 : 12);

    change16(at, address >> 16, ip + 10, tcp + 16);
    change16(at + 2, address & 0xffff, ip + 10, tcp + 16);
    change16(tcp + (to_client ? 2 : 0), to_client ? flow->inner_port : flow->outer_port, tcp + 16,
             NULL);
    change16(ip + 8, get16(ip + 8) - 0x100, ip + 10, NULL); /* the TTL is its upper byte */
    if (to_client) {
        memcpy(packet->frame, mac_client, 5);
        packet->frame[5] = (uint8_t)(flow->client + 1);
        memcpy(packet->frame + 6, mac_inner, 6);
    } else {
        memcpy(packet->frame, mac_router, 6);
        memcpy(packet->frame + 6, mac_outer, 6);
    }
}
