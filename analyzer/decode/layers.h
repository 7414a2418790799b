/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Private to the decode stage: how one layer hands over to the next. Each layer is a step: it
 * reads its header, moves the cursor behind it and names the next layer, or ends the walk with a
 * status. decode_frame takes the steps in a loop of limited length; nothing here recurses.
 */
#ifndef WHICHHOP_DECODE_LAYERS_H
#define WHICHHOP_DECODE_LAYERS_H

#include "decode/cursor.h"
#include "decode/decode.h"

/* Every layer and the step that reads it. */
#define DECODE_LAYERS(X)                                                                           \
    X(IP, decode_ip)                                                                               \
    X(TCP, decode_tcp)                                                                             \
    X(UDP, decode_udp)                                                                             \
    X(ICMP, decode_icmp)                                                                           \
    X(ETHERNET, decode_ethernet)                                                                   \
    X(VLAN, decode_vlan)                                                                           \
    X(SERVICE_TAG, decode_service_tag)                                                             \
    X(LLC, decode_llc)                                                                             \
    X(MPLS, decode_mpls)                                                                           \
    X(PPPOE, decode_pppoe)                                                                         \
    X(PPP, decode_ppp)                                                                             \
    X(LOOPBACK, decode_loopback)                                                                   \
    X(FRAME_RELAY, decode_frame_relay)                                                             \
    X(PFLOG, decode_pflog)                                                                         \
    X(NFLOG, decode_nflog)                                                                         \
    X(PPI, decode_ppi)                                                                             \
    X(PKTAP, decode_pktap)                                                                         \
    X(RADIOTAP, decode_radiotap)                                                                   \
    X(PRISM, decode_prism)                                                                         \
    X(WLAN, decode_wlan)                                                                           \
    X(GRE, decode_gre)                                                                             \
    X(IN_IP, decode_in_ip)                                                                         \
    X(MPLS_IN_IP, decode_mpls_in_ip)

enum layer {
#define DECODE_LAYER_ENUM(name, step) LAYER_##name,
    DECODE_LAYERS(DECODE_LAYER_ENUM)
#undef DECODE_LAYER_ENUM
        LAYER_END /* the walk is over; see walk.status */
};

#define ETHERNET_BYTES 14u
#define ETHERNET_TYPE  12u /* the EtherType's offset */
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define IPV4_BYTES     20u
#define IPV6_BYTES     40u
#define TCP_BYTES      20u

/* Where decode_frame is in a frame. */
struct walk {
    struct cursor cursor;
    struct decoded *out;
    uint32_t network; /* becomes out->network */
    enum decode_status status;
    bool verify;
    bool wlan_padded; /* radiotap says: the 802.11 header is padded to 4 bytes */
};

#define DECODE_STEP(name, step) enum layer step(struct walk *walk);
DECODE_LAYERS(DECODE_STEP)
#undef DECODE_STEP

/* Ends the walk. */
static inline enum layer walk_end(struct walk *walk, enum decode_status status)
{
    walk->status = status;
    return LAYER_END;
}

/* Why `bytes` could not be had: were they never sent, or just not captured? */
static inline enum decode_status cursor_why(const struct cursor *cursor, uint32_t bytes)
{
    return bytes > cursor->wire ? DECODE_MALFORMED : DECODE_TRUNCATED;
}

static inline enum layer walk_short(struct walk *walk, uint32_t bytes)
{
    return walk_end(walk, cursor_why(&walk->cursor, bytes));
}

/* The layer an EtherType or IP protocol names; LAYER_END when it is none that is followed. */
enum layer layer_of_ethertype(uint16_t type);
enum layer layer_of_protocol(uint8_t protocol);

/* Goes on to the layer that a number names, or ends as UNSUPPORTED. */
static inline enum layer walk_on(struct walk *walk, enum layer layer)
{
    return layer != LAYER_END ? layer : walk_end(walk, DECODE_UNSUPPORTED);
}

static inline enum layer walk_ethertype(struct walk *walk, uint16_t type)
{
    return walk_on(walk, layer_of_ethertype(type));
}

/* The same for a link type; a header of fixed length is passed over at once. */
enum layer walk_link(struct walk *walk, uint32_t dlt);

/* Goes on by the field behind Ethernet addresses or in a VLAN tag: an EtherType, or the length of
 * an LLC frame (IEEE 802.3, 3.2.6). The cursor stands behind the field. */
enum layer walk_type_or_length(struct walk *walk, uint16_t type_or_length);

/* What makes a network of its own. The value is mixed into walk.network. */
enum network_kind {
    NETWORK_VLAN = 1,
    NETWORK_SERVICE, /* 802.1ah */
    NETWORK_PPPOE,
    NETWORK_IN_IP,
    NETWORK_GRE,
    NETWORK_VXLAN,
    NETWORK_GENEVE,
    NETWORK_GTP,
};

void walk_mix(struct walk *walk, enum network_kind kind, uint32_t id);

/* The IP header read last is a tunnel's: mixes its addresses, alike for both directions, with the
 * tunnel's kind and id. `id` must be alike for both directions too, else 0. */
void walk_enter_tunnel(struct walk *walk, enum network_kind kind, uint32_t id);

/* A UDP port that carries a tunnel: enters it and names the inner layer. LAYER_END with
 * *is_tunnel false: an ordinary datagram. The cursor stands behind the UDP header. */
enum layer tunnel_open_udp(struct walk *walk, bool *is_tunnel);

/* An IP header with its extension headers. */
struct ip_packet {
    struct endpoint *source, *destination; /* addresses are written there; ports untouched */
    uint32_t bytes;                        /* its whole length, as sent */
    uint16_t id;                           /* IPv4 only */
    uint16_t fragment_offset;              /* in units of 8 bytes */
    uint32_t fragment_id;
    unsigned version, protocol, ttl; /* each a word: they are read as soon as they are written */
    bool more_fragments;
    bool source_routed; /* IPv4: the last address is not the final one */
};

/* Reads an IP header of either version and the extension headers, and moves behind them. With
 * `quoted` (in an ICMP error) the packet may be longer than the bytes it is in; otherwise the
 * cursor is bounded to its length. */
enum decode_status ip_read(struct cursor *cursor, bool quoted, struct ip_packet *ip);

/* At the front of a TCP header's options: all there is in most segments (RFC 7323, A). */
#define NOP_NOP_TIMESTAMPS 0x0101080au
#define TCP_CHECKSUM       16u /* the checksum's offset */

/* Does all of decode_ip and decode_tcp at once where the packet at the cursor is of the plainest
 * kind. False: it is not, and nothing was written. The cursor stays. */
bool plain_read(const struct cursor *cursor, bool verify, struct decoded *out);

/* decode_frame, step by step. `plainly`: but what plain_read takes is left to it. */
enum decode_status walk_frame(uint16_t dlt, const struct cursor *frame, bool verify, bool plainly,
                              struct decoded *out);

/* `at`: an IPv4 address. Written in two halves, as readers load it: a load that needs several
 * stores at once would wait for them. */
static inline void endpoint_set_ipv4(struct endpoint *endpoint, const uint8_t *at)
{
    uint32_t address;
    memcpy(&address, at, sizeof address);
    uint64_t high = 0, low = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                                 ? 0xffff0000u | (uint64_t)address << 32
                                 : (uint64_t)0xffff << 32 | address;
    memcpy(endpoint->address, &high, sizeof high);
    memcpy(endpoint->address + sizeof high, &low, sizeof low);
}

/* Sets what stands in TCP's options only, but for time stamps, to "not there". */
static inline void options_clear(struct decoded *out)
{
    out->mss = 0;
    out->window_scale = 0;
    out->sack_count = 0;
    out->has_window_scale = false;
    out->sack_permitted = false;
    out->options_cut = false;
}

/* Sets every transport field of `out` but ports, payload and quote to "not there". */
static inline void transport_clear(struct decoded *out)
{
    options_clear(out);
    out->flags = 0;
    out->window = 0;
    out->seq = 0;
    out->ack = 0;
    out->tsval = 0;
    out->tsecr = 0;
    out->checksum = CHECKSUM_UNKNOWN;
}

/* Reads the options of a TCP header whose flags stand in `out`. Ends at the first that contradicts
 * itself or was cut; what came before it counts. */
void tcp_read_options(struct cursor options, struct decoded *out);

/* The payload is all the cursor has. */
void transport_set_payload(const struct cursor *cursor, struct decoded *out);

/* Holds a transport checksum against the `bytes` bytes of a segment, all captured; `field_offset`
 * is where in it the checksum stands. Uses out's addresses and protocol (RFC 9293, 3.1; RFC 8200,
 * 8.1). */
enum checksum_state checksum_verify(const uint8_t *segment, uint32_t bytes, uint32_t field_offset,
                                    const struct decoded *out);

#endif
