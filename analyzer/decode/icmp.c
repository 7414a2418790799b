/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ICMP errors (RFC 792, 4443) and the packet they quote. The message's own end points have port
 * 0; what it is about stands in `quote`.
 */
#include <netinet/in.h>

#include "decode/layers.h"

#define ICMP_BYTES  8u
#define QUOTE_BYTES 8u /* of the transport header: all that RFC 792 promises */

static bool icmp_is_error(uint8_t version, uint8_t type)
{
    if (version == 6)
        return type >= 1 && type <= 4; /* unreachable, too big, time exceeded, parameter */
    switch (type) {
    case 3:  /* unreachable */
    case 4:  /* source quench */
    case 5:  /* redirect */
    case 11: /* time exceeded */
    case 12: /* parameter problem */
        return true;
    default:
        return false;
    }
}

static void icmp_read_header(const struct cursor *cursor, uint8_t version, struct icmp_quote *quote)
{
    quote->type = cursor_u8(cursor, 0);
    quote->code = cursor_u8(cursor, 1);
    quote->mtu = 0;
    quote->too_big = version == 6 ? quote->type == 2 : quote->type == 3 && quote->code == 4;
    if (quote->too_big)
        quote->mtu = version == 6 ? cursor_u32(cursor, 4) : cursor_u16(cursor, 6);
}

/* The quoted IP header and the 8 bytes behind it: ports and, with TCP, the sequence number. */
static enum decode_status icmp_read_quote(struct cursor cursor, struct icmp_quote *quote)
{
    struct ip_packet ip = {.source = &quote->source, .destination = &quote->destination};
    enum decode_status status = ip_read(&cursor, true, &ip);
    if (status != DECODE_OK)
        return status;
    if (ip.fragment_offset > 0 || (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP))
        return DECODE_UNSUPPORTED;
    if (!cursor_has(&cursor, QUOTE_BYTES))
        return cursor_why(&cursor, QUOTE_BYTES);
    quote->protocol = ip.protocol;
    quote->ip_bytes = ip.bytes < UINT16_MAX ? (uint16_t)ip.bytes : UINT16_MAX;
    quote->source.port = cursor_u16(&cursor, 0);
    quote->destination.port = cursor_u16(&cursor, 2);
    quote->seq = ip.protocol == IPPROTO_TCP ? cursor_u32(&cursor, 4) : 0;
    return DECODE_OK;
}

enum layer decode_icmp(struct walk *walk)
{
    struct cursor *cursor = &walk->cursor;
    struct decoded *out = walk->out;
    if (out->protocol != (out->ip_version == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
        return walk_end(walk, DECODE_UNSUPPORTED);
    if (!cursor_has(cursor, ICMP_BYTES))
        return walk_short(walk, ICMP_BYTES);
    if (!icmp_is_error(out->ip_version, cursor_u8(cursor, 0)))
        return walk_end(walk, DECODE_UNSUPPORTED);
    transport_clear(out);
    out->source.port = 0;
    out->destination.port = 0;
    icmp_read_header(cursor, out->ip_version, &out->quote);
    cursor_skip(cursor, ICMP_BYTES);
    transport_set_payload(cursor, out);
    return walk_end(walk, icmp_read_quote(*cursor, &out->quote));
}
