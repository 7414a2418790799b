/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TCP (RFC 9293) with the options that matter (RFC 7323, 2018), and UDP (RFC 768). */
#include "decode/layers.h"

#define TCP_BYTES_MIN    14u /* up to the flags: what a short snap length must leave */
#define UDP_BYTES        8u
#define UDP_CHECKSUM     6u
#define WINDOW_SCALE_MAX 14u /* RFC 7323, 2.3 */

enum tcp_option {
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WINDOW_SCALE = 3,
    OPTION_SACK_PERMITTED = 4,
    OPTION_SACK = 5,
    OPTION_TIMESTAMPS = 8,
};

void transport_set_payload(const struct cursor *cursor, struct decoded *out)
{
    out->payload = cursor->at;
    out->payload_bytes = cursor->wire;
    out->payload_captured_bytes = cursor->left;
}

/* Verifies the checksum of the segment that the cursor is bounded to, if that can be done. */
static void transport_verify(const struct walk *walk, uint32_t field_offset)
{
    const struct cursor *cursor = &walk->cursor;
    if (walk->verify && !walk->out->first_fragment && cursor->left == cursor->wire &&
        cursor_has(cursor, field_offset + 2))
        walk->out->checksum = checksum_verify(cursor->at, cursor->left, field_offset, walk->out);
}

/* The option's whole blocks, as far as they were captured. */
static void tcp_read_sack(const struct cursor *option, uint32_t bytes, struct decoded *out)
{
    uint32_t offset = 2;
    while (offset + 8 <= bytes && cursor_has(option, offset + 8) &&
           out->sack_count < SACK_BLOCKS_MAX) {
        out->sack[out->sack_count][0] = cursor_u32(option, offset);
        out->sack[out->sack_count][1] = cursor_u32(option, offset + 4);
        out->sack_count++;
        out->flags |= PACKET_SACK;
        offset += 8;
    }
}

/* One option of `bytes`, all captured. MSS, scale and SACK-permitted count in a SYN only. */
static void tcp_read_option(const struct cursor *option, uint32_t bytes, struct decoded *out)
{
    bool syn = (out->flags & TCP_SYN) != 0;
    switch (cursor_u8(option, 0)) {
    case OPTION_MSS:
        if (syn && bytes == 4)
            out->mss = cursor_u16(option, 2);
        break;
    case OPTION_WINDOW_SCALE:
        if (syn && bytes == 3) {
            uint8_t scale = cursor_u8(option, 2);
            out->window_scale = scale < WINDOW_SCALE_MAX ? scale : WINDOW_SCALE_MAX;
            out->has_window_scale = true;
        }
        break;
    case OPTION_SACK_PERMITTED:
        out->sack_permitted = syn && bytes == 2;
        break;
    case OPTION_TIMESTAMPS:
        if (bytes == 10) {
            out->tsval = cursor_u32(option, 2);
            out->tsecr = cursor_u32(option, 6);
            out->flags |= PACKET_TIMESTAMPS;
        }
        break;
    default:
        break;
    }
}

void tcp_read_options(struct cursor options, struct decoded *out)
{
    while (cursor_has(&options, 1)) {
        uint8_t kind = cursor_u8(&options, 0);
        uint8_t bytes = kind == OPTION_NOP ? 1 : cursor_u8(&options, 1);
        if (kind == OPTION_END || bytes > options.wire || (bytes < 2 && kind != OPTION_NOP))
            return;
        if (kind == OPTION_SACK)
            tcp_read_sack(&options, bytes, out);
        else if (cursor_has(&options, bytes))
            tcp_read_option(&options, bytes, out);
        cursor_skip(&options, bytes);
    }
}

enum layer decode_tcp(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    struct decoded *out = walk->out;
    if (!cursor_has(cursor, TCP_BYTES_MIN))
        return walk_short(walk, cursor->wire < TCP_BYTES ? TCP_BYTES : TCP_BYTES_MIN);
    uint32_t header_bytes = (cursor_u8(cursor, 12) >> 4) * 4u;
    if (header_bytes < TCP_BYTES || header_bytes > cursor->wire)
        return walk_end(walk, DECODE_MALFORMED);
    transport_clear(out);
    out->source.port = cursor_u16(cursor, 0);
    out->destination.port = cursor_u16(cursor, 2);
    out->seq = cursor_u32(cursor, 4);
    out->ack = cursor_u32(cursor, 8);
    out->flags = cursor_u8(cursor, 13) & TCP_FLAGS;
    /* a window that was cut off is none that was closed */
    out->window = cursor_has(cursor, 16) ? cursor_u16(cursor, 14) : UINT16_MAX;
    out->options_cut = !cursor_has(cursor, header_bytes);
    if (header_bytes == 32 && cursor_u32(cursor, 20) == NOP_NOP_TIMESTAMPS &&
        cursor_has(cursor, 32)) {
        out->tsval = cursor_u32(cursor, 24);
        out->tsecr = cursor_u32(cursor, 28);
        out->flags |= PACKET_TIMESTAMPS;
    } else if (header_bytes > TCP_BYTES) {
        struct cursor options = *cursor;
        cursor_bound(&options, header_bytes);
        cursor_skip(&options, TCP_BYTES);
        tcp_read_options(options, out);
    }
    transport_verify(walk, TCP_CHECKSUM);
    out->header_bytes = header_bytes;
    cursor_skip(cursor, header_bytes);
    transport_set_payload(cursor, out);
    return walk_end(walk, DECODE_OK);
}

/* The datagram's length. Its own field bounds it (RFC 768), except 0 in a jumbogram (RFC 2675, 4)
 * and in a first fragment, where the rest follows. 0: it contradicts the IP length. */
static uint32_t udp_bytes(const struct cursor *cursor, bool first_fragment)
{
    uint32_t bytes = cursor_u16(cursor, 4);
    if (bytes == 0 && cursor->wire > UINT16_MAX)
        return cursor->wire;
    if (bytes < UDP_BYTES)
        return 0;
    if (bytes > cursor->wire)
        return first_fragment ? cursor->wire : 0;
    return bytes;
}

enum layer decode_udp(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    struct decoded *out = walk->out;
    if (!cursor_has(cursor, UDP_BYTES))
        return walk_short(walk, UDP_BYTES);
    uint32_t bytes = udp_bytes(cursor, out->first_fragment);
    uint32_t told_bytes = cursor_u16(cursor, 4);
    if (bytes == 0)
        return walk_end(walk, DECODE_MALFORMED);
    cursor_bound(cursor, bytes);
    transport_clear(out);
    out->source.port = cursor_u16(cursor, 0);
    out->destination.port = cursor_u16(cursor, 2);
    /* 0: the sender made none (RFC 768; over IPv6 for tunnels, RFC 6935). */
    if (cursor_u16(cursor, UDP_CHECKSUM) != 0)
        transport_verify(walk, UDP_CHECKSUM);
    cursor_skip(cursor, UDP_BYTES);
    bool is_tunnel = false;
    enum layer inner = tunnel_open_udp(walk, &is_tunnel);
    if (is_tunnel)
        return inner;
    transport_set_payload(cursor, out);
    if (out->first_fragment && told_bytes > bytes)
        out->payload_bytes = told_bytes - UDP_BYTES;
    return walk_end(walk, DECODE_OK);
}
