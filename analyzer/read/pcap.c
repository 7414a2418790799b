/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pcap: a header of 24 bytes, then records, each with a header of 16 (draft-ietf-opsawg-pcap):
 *
 *     seconds(4) fraction(4) captured length(4) length on the wire(4) data
 *
 * The magic number tells byte order and the fraction's unit. The format that Kuznetzov's patched
 * libpcap wrote has eight bytes more in each record (interface, protocol, direction).
 */
#include "read/reader.h"

#define FILE_HEADER_BYTES   24u
#define RECORD_HEADER_BYTES 16u
#define LINKTYPE_MASK       0xffffu /* above: the frame check sequence's length, and reserved bits */

/* Before version 2.3 the two lengths stood the other way round, in 2.3 either way. */
enum pcap_lengths { LENGTHS_USUAL, LENGTHS_EITHER, LENGTHS_SWAPPED };

static const struct pcap_magic {
    uint32_t magic, fraction_ns, record_header_bytes;
    const char *name;
} MAGICS[] = {
    {0xa1b2c3d4, 1000, RECORD_HEADER_BYTES, "pcap"},
    {0xa1b23c4d, 1, RECORD_HEADER_BYTES, "pcap (ns)"},
    {0xa1b2cd34, 1000, RECORD_HEADER_BYTES + 8, "pcap (modified)"},
};

static int damaged_length(const struct reader *reader, uint32_t caplen, struct wh_error *error)
{
    return error_set(error, reader->path, (uint64_t)reader->frames + 1,
                     window_offset(&reader->window),
                     "a captured length of %u bytes, where no packet has more than %u: the file is "
                     "damaged from here on",
                     caplen, reader->pcap.caplen_max);
}

/* The file ends before `bytes` of the next record: between two records, or in it. */
static int no_record(const struct reader *reader, size_t bytes, struct wh_error *error)
{
    const struct window *window = &reader->window;
    return window->left == 0
               ? reader_end(reader, error)
               : reader_cut(reader, window_offset(window), window->left, bytes, error);
}

/* The record at the window's start, which is whole there: steps over it. */
static inline void give_record(struct window *window, const struct pcap_state *state,
                               uint32_t header_bytes, uint32_t caplen, uint32_t wirelen,
                               bool swapped, uint32_t frame, struct record *record)
{
    const uint8_t *at = window->at;
    record->byte = window_offset(window);
    window_skip(window, (size_t)header_bytes + caplen);
    /* 32 bits of seconds: below READ_TIME_LIMIT_NS */
    record->time.ns =
        bytes_32(at, swapped) * NS_PER_S + bytes_32(at + 4, swapped) * (int64_t)state->fraction_ns;
    record->data = at + header_bytes;
    record->caplen = caplen;
    record->wirelen = wirelen > caplen ? wirelen : caplen;
    record->frame = frame;
    record->interface = 0;
    record->dlt = state->dlt;
    record->flags = 0;
}

static int pcap_next(struct reader *reader, struct record *record, struct wh_error *error)
{
    const struct pcap_state *state = &reader->pcap;
    bool swapped = state->swapped;
    uint32_t header_bytes = state->header_bytes;
    const uint8_t *at = window_need(&reader->window, header_bytes);
    if (!at)
        return no_record(reader, header_bytes, error);
    uint32_t caplen = bytes_32(at + 8, swapped);
    uint32_t wirelen = bytes_32(at + 12, swapped);
    if (state->lengths == LENGTHS_SWAPPED ||
        (state->lengths == LENGTHS_EITHER && caplen > wirelen)) {
        uint32_t other = caplen;
        caplen = wirelen;
        wirelen = other;
    }
    if (caplen > state->caplen_max)
        return damaged_length(reader, caplen, error);
    if (!window_need(&reader->window, (size_t)header_bytes + caplen))
        return no_record(reader, (size_t)header_bytes + caplen, error);
    give_record(&reader->window, state, header_bytes, caplen, wirelen, swapped, ++reader->frames,
                record);
    return 1;
}

/* Of a file as this machine writes it, what is whole in the window. */
static uint32_t usual_more(struct reader *reader, struct record *records, uint32_t max)
{
    const struct pcap_state state = reader->pcap;
    struct window window = reader->window; /* what no record can alias stays in registers */
    uint32_t count = 0;
    for (; count < max && window.left >= RECORD_HEADER_BYTES; count++) {
        uint32_t caplen = bytes_32(window.at + 8, false);
        uint32_t wirelen = bytes_32(window.at + 12, false);
        if (caplen > state.caplen_max || caplen > window.left - RECORD_HEADER_BYTES)
            break;
        give_record(&window, &state, RECORD_HEADER_BYTES, caplen, wirelen, false,
                    reader->frames + count + 1, &records[count]);
    }
    reader->window = window;
    reader->frames += count;
    return count;
}

static const struct pcap_magic *find_magic(uint32_t magic, bool *swapped)
{
    for (size_t i = 0; i < sizeof MAGICS / sizeof *MAGICS; i++) {
        *swapped = magic == __builtin_bswap32(MAGICS[i].magic);
        if (*swapped || magic == MAGICS[i].magic)
            return &MAGICS[i];
    }
    return NULL;
}

int reader_open_pcap(struct reader *reader, struct wh_error *error)
{
    struct window *window = &reader->window;
    bool swapped;
    const uint8_t *at = window_need(window, 4);
    const struct pcap_magic *magic = at ? find_magic(bytes_32(at, false), &swapped) : NULL;
    if (!magic)
        return 0;
    at = window_need(window, FILE_HEADER_BYTES);
    if (!at)
        return error_set(error, reader->path, 0, window->left,
                         "the file ends within the header of a pcap file: %zu of %u bytes are "
                         "there; capture again, or copy the file anew",
                         window->left, FILE_HEADER_BYTES);
    unsigned major = bytes_16(at + 4, swapped), minor = bytes_16(at + 6, swapped);
    if (major != 2)
        return error_set(error, reader->path, 0, 4,
                         "pcap version %u.%u is not known here, only 2.x", major, minor);
    uint16_t dlt = linktype_to_dlt((uint16_t)(bytes_32(at + 20, swapped) & LINKTYPE_MASK));
    if (!reader_add_interface(reader, dlt, bytes_32(at + 16, swapped)))
        return error_memory(error, reader->path);
    window_skip(window, FILE_HEADER_BYTES);
    reader->pcap = (struct pcap_state){
        .swapped = swapped,
        .lengths = minor < 3    ? LENGTHS_SWAPPED
                   : minor == 3 ? LENGTHS_EITHER
                                : LENGTHS_USUAL,
        .header_bytes = magic->record_header_bytes,
        .fraction_ns = magic->fraction_ns,
        .caplen_max = linktype_caplen_max(dlt),
        .dlt = dlt,
    };
    reader->format = magic->name;
    bool usual = !swapped && minor > 3 && magic->record_header_bytes == RECORD_HEADER_BYTES;
    reader->next = pcap_next;
    reader->more = usual ? usual_more : NULL;
    return 1;
}
