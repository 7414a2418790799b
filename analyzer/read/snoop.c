/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * snoop, as Solaris writes it (RFC 1761): "snoop\0\0\0" version(4) link type(4), then records
 *
 *     length(4) captured length(4) record length(4) drops so far(4) seconds(4) microseconds(4) data
 *
 * all big-endian.
 */
#include <pcap/dlt.h>

#include "read/reader.h"

#define FILE_HEADER_BYTES   16u
#define RECORD_HEADER_BYTES 24u
#define RECORD_MAX_BYTES    (1024u * 1024)

static const struct {
    uint32_t snoop;
    uint16_t dlt;
} LINK_TYPES[] = {
    {0, DLT_EN10MB}, {2, DLT_IEEE802}, {4, DLT_EN10MB},
    {8, DLT_FDDI},   {18, DLT_SUNATM}, {26, DLT_IPNET},
};

static uint32_t big_32(const uint8_t *at)
{
    return bytes_32(at, !IS_BIG_ENDIAN_HOST);
}

static int snoop_next(struct reader *reader, struct record *record, struct wh_error *error)
{
    struct window *window = &reader->window;
    const uint8_t *at = window_need(window, RECORD_HEADER_BYTES);
    if (!at && window->left == 0)
        return reader_end(reader, error);
    uint64_t byte = window_offset(window);
    if (!at)
        return reader_cut(reader, byte, window->left, RECORD_HEADER_BYTES, error);
    uint32_t wirelen = big_32(at), caplen = big_32(at + 4), bytes = big_32(at + 8);
    uint32_t drops = big_32(at + 12);
    int64_t time_ns = big_32(at + 16) * NS_PER_S + big_32(at + 20) * NS_PER_US;
    if (bytes < RECORD_HEADER_BYTES || bytes > RECORD_MAX_BYTES ||
        caplen > bytes - RECORD_HEADER_BYTES)
        return error_set(error, reader->path, (uint64_t)reader->frames + 1, byte,
                         "a packet of %u bytes in a record of %u: the file is damaged from here on",
                         caplen, bytes);
    at = window_need(window, bytes);
    if (!at)
        return reader_cut(reader, byte, window->left, bytes, error);
    window_skip(window, bytes);
    struct interface_info *info = &reader->interfaces[0]->info;
    if (info->dropped < drops) /* counted since the start */
        info->dropped = drops;
    *record = (struct record){
        .time = {time_ns},
        .data = at + RECORD_HEADER_BYTES,
        .caplen = caplen,
        .wirelen = wirelen > caplen ? wirelen : caplen,
        .frame = ++reader->frames,
        .dlt = info->dlt,
        .byte = byte,
    };
    return 1;
}

int reader_open_snoop(struct reader *reader, struct wh_error *error)
{
    static const char MAGIC[8] = "snoop\0\0";
    struct window *window = &reader->window;
    const uint8_t *at = window_need(window, sizeof MAGIC);
    if (!at || memcmp(at, MAGIC, sizeof MAGIC) != 0)
        return 0;
    at = window_need(window, FILE_HEADER_BYTES);
    if (!at)
        return error_set(error, reader->path, 0, window->left,
                         "the file ends within the header of a snoop file; capture again, or copy "
                         "the file anew");
    uint32_t link_type = big_32(at + 12);
    for (size_t i = 0; i < sizeof LINK_TYPES / sizeof *LINK_TYPES; i++) {
        if (LINK_TYPES[i].snoop != link_type)
            continue;
        if (!reader_add_interface(reader, LINK_TYPES[i].dlt, 0))
            return error_memory(error, reader->path);
        window_skip(window, FILE_HEADER_BYTES);
        reader->format = "snoop";
        reader->next = snoop_next;
        return 1;
    }
    return error_set(error, reader->path, 0, 12, "a snoop file of link type %u, which is not known",
                     link_type);
}
