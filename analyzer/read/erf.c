/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ERF, Endace's extensible record format: records without a file header,
 *
 *     time(8, little-endian 32.32) type(1) flags(1) record length(2) lost(2) wire length(2)
 *
 * then extension headers of eight bytes where the type's top bit is set, two bytes of padding
 * before an Ethernet frame, and the frame. Having no magic number, a file is taken for ERF when its
 * first records make sense. Read here and not by libtrace: foreign.c tells why.
 */
#include <pcap/dlt.h>

#include "read/reader.h"

#define HEADER_BYTES    16u
#define EXTENSION_BYTES 8u
#define ALIGNMENT_BYTES 8u
#define TYPE_MASK       0x7fu
#define MORE_HEADERS    0x80u
#define TYPE_PADDING    48u
#define FLAGS_RESERVED  0xc0u
#define PROBE_RECORDS   3u
#define PROBE_FROM_S    315532800u /* 1980 */
#define PROBE_APART_S   86400u

struct erf_record {
    uint64_t stamp;
    uint32_t bytes, wirelen;
    uint16_t lost;
    uint8_t type, flags;
    bool more_headers;
};

/* How the frame stands in a record of a type. Types that are not here are handed on whole, as
 * DLT_ERF has them. */
static const struct erf_type {
    uint8_t type, padding_bytes;
    bool tells_lost; /* else the field holds a colour */
    uint16_t dlt;
} TYPES[] = {
    {1, 0, true, DLT_C_HDLC},   {2, 2, true, DLT_EN10MB},   {10, 0, false, DLT_C_HDLC},
    {11, 2, false, DLT_EN10MB}, {15, 0, false, DLT_C_HDLC}, {16, 2, false, DLT_EN10MB},
    {19, 0, false, DLT_C_HDLC}, {20, 2, false, DLT_EN10MB}, {22, 0, true, DLT_RAW},
    {23, 0, true, DLT_RAW},
};

static const struct erf_type *find_type(uint8_t type)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (TYPES[i].type == type)
            return &TYPES[i];
    return NULL;
}

static struct erf_record read_header(const uint8_t *at)
{
    bool not_little = IS_BIG_ENDIAN_HOST, not_big = !IS_BIG_ENDIAN_HOST;
    return (struct erf_record){
        .stamp = bytes_64(at, not_little),
        .type = at[8] & TYPE_MASK,
        .more_headers = at[8] & MORE_HEADERS,
        .flags = at[9],
        .bytes = bytes_16(at + 10, not_big),
        .lost = bytes_16(at + 12, not_big),
        .wirelen = bytes_16(at + 14, not_big),
    };
}

/* To the nearest nanosecond. */
static int64_t stamp_to_ns(uint64_t stamp)
{
    uint64_t fraction_ns = ((stamp & UINT32_MAX) * NS_PER_S + (1u << 31)) >> 32;
    return (int64_t)(stamp >> 32) * NS_PER_S + (int64_t)fraction_ns;
}

/* The link type behind HDLC framing: PPP where its address and control bytes stand. */
static uint16_t frame_dlt(uint16_t dlt, const uint8_t *frame, size_t bytes)
{
    if (dlt == DLT_C_HDLC && bytes >= 2 && frame[0] == 0xff && frame[1] == 0x03)
        return DLT_PPP_SERIAL;
    return dlt;
}

/* One interface for each port of the card; the first record of a port tells its link type. */
static struct capture_interface *port_interface(struct reader *reader, uint32_t port, uint16_t dlt)
{
    while (reader->interface_count <= port)
        if (!reader_add_interface(reader, dlt, 0))
            return NULL;
    return reader->interfaces[port];
}

static bool fill_record(struct reader *reader, const struct erf_record *erf, const uint8_t *at,
                        struct record *record)
{
    const struct erf_type *type = find_type(erf->type);
    size_t start = HEADER_BYTES;
    bool more = erf->more_headers;
    for (; more && start + EXTENSION_BYTES <= erf->bytes; start += EXTENSION_BYTES)
        more = at[start] & MORE_HEADERS;
    if (type)
        start += type->padding_bytes;
    if (!type || more || start > erf->bytes) { /* no frame that could be pointed at */
        type = NULL;
        start = 0;
    }
    uint32_t caplen = erf->bytes - (uint32_t)start;
    if (type && caplen > erf->wirelen) /* padded to eight bytes */
        caplen = erf->wirelen;
    uint16_t dlt = type ? frame_dlt(type->dlt, at + start, caplen) : DLT_ERF;
    uint32_t port = erf->flags & 3u;
    struct capture_interface *interface = port_interface(reader, port, dlt);
    if (!interface)
        return false;
    if (type && type->tells_lost)
        interface->info.dropped += erf->lost; /* 2^32 packets of 2^16 cannot overflow */
    record->time = read_time(stamp_to_ns(erf->stamp));
    record->data = at + start;
    record->caplen = caplen;
    record->wirelen = erf->wirelen > caplen ? erf->wirelen : caplen;
    record->frame = ++reader->frames;
    record->interface = port;
    record->dlt = dlt;
    return true;
}

static int erf_next(struct reader *reader, struct record *record, struct wh_error *error)
{
    struct window *window = &reader->window;
    for (;;) {
        const uint8_t *at = window_need(window, HEADER_BYTES);
        if (!at && window->left == 0)
            return reader_end(reader, error);
        uint64_t byte = window_offset(window);
        if (!at)
            return reader_cut(reader, byte, window->left, HEADER_BYTES, error);
        struct erf_record erf = read_header(at);
        if (erf.bytes < HEADER_BYTES)
            return error_set(error, reader->path, (uint64_t)reader->frames + 1, byte,
                             "a record of %u bytes, where its header alone has %u: the file is "
                             "damaged from here on",
                             erf.bytes, HEADER_BYTES);
        at = window_need(window, erf.bytes);
        if (!at)
            return reader_cut(reader, byte, window->left, erf.bytes, error);
        window_skip(window, erf.bytes);
        if (erf.type == TYPE_PADDING) /* no packet, and no frame in Wireshark */
            continue;
        *record = (struct record){.byte = byte};
        return fill_record(reader, &erf, at, record) ? 1 : error_memory(error, reader->path);
    }
}

/* Whether a header could be a record's, behind one of `before` (0: it is the first). */
static bool makes_sense(const struct erf_record *erf, uint64_t before)
{
    if (!find_type(erf->type) || erf->flags & FLAGS_RESERVED || erf->bytes < HEADER_BYTES ||
        erf->wirelen == 0)
        return false;
    uint32_t framing = HEADER_BYTES + 8 * EXTENSION_BYTES + find_type(erf->type)->padding_bytes;
    if (erf->bytes > erf->wirelen + framing + ALIGNMENT_BYTES)
        return false;
    uint64_t second = erf->stamp >> 32, second_before = before >> 32;
    if (before == 0)
        return second >= PROBE_FROM_S;
    return second + 1 >= second_before && second - second_before + 1 <= PROBE_APART_S;
}

int reader_open_erf(struct reader *reader, struct wh_error *error)
{
    struct window *window = &reader->window;
    size_t start = 0;
    uint64_t stamp = 0;
    (void)error;
    for (unsigned i = 0; i < PROBE_RECORDS; i++) {
        const uint8_t *at = window_need(window, start + HEADER_BYTES);
        if (!at && i > 0)
            break; /* a short file, or one that is cut */
        if (!at)
            return 0;
        struct erf_record erf = read_header(at + start);
        if (!makes_sense(&erf, stamp))
            return 0;
        stamp = erf.stamp;
        start += erf.bytes;
    }
    reader->format = "erf";
    reader->next = erf_next;
    return 1;
}
