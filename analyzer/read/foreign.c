/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Old formats of research traces, through libtrace. Nothing in their bytes tells them, so they are
 * named: "tsh:FILE". All have records of one size.
 *
 * libtrace trusts its files, so it is given only what was checked. Whole records are copied into
 * memory that no one else can change, and libtrace reads that; what is left behind the last whole
 * one is a cut, and told as one. Lengths are looked at before libtrace is asked for them. What
 * libtrace 3.0.22 does without that:
 *
 *   - legacyeth, legacypos, legacyatm: a record that is cut is passed over in silence
 *   - atmhdr: a record that is cut is handed on as a packet
 *   - legacypos, 0 bytes on the wire: aborts, `ntohl(lpos->wlen)>0' (format_legacy.c:402)
 *   - 65536 and more: aborts, `packet->wire_length < LIBTRACE_PACKET_BUFSIZE' (trace.c:1056)
 *   - legacy*: 64 captured bytes are told where the record has 64 with its header, and so bytes of
 *     earlier packets or none at all stand behind the frame
 *   - a failure while errno is 0: aborts, `errcode != 0' (format_helper.c:298)
 *
 * ERF, which libtrace reads as well, has a reader of its own (erf.c), since there a check
 * beforehand is no help against what libtrace cannot do:
 *
 *   - a record with extension headers (type byte 0x80 and up), as today's cards write them, or one
 *     of padding (type 48) ends the file: "Corrupt or Unknown ERF type"
 *   - coloured and hashed frames (types 10, 11, 15, 17, 19, 20) have no link type
 *   - a frame marked as a receive error has no bytes
 *   - an Ethernet record of 16 or 17 bytes: aborts, `cap_len >= 0' (trace.c:857)
 *   - type 0 at the start, by way of rawerf: touches address 4
 *
 * To make libtrace read these, each record would have to be parsed, rewritten and handed over one
 * by one: erf.c and more. Nor does libtrace guess formats well: a time since 1995, a length of 16
 * or more and a type below 19 at the start make a file ERF. snoop and pcapng it does not know at
 * all.
 */
#define _GNU_SOURCE /* memfd_create */
#include <errno.h>
#include <libtrace.h>
#include <pcap/dlt.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "read/reader.h"

#define SPOOL_MAX_BYTES ((uint64_t)1 << 30) /* 16 million packets and more */
#define IP_HEADER_BYTES 20u

/* wire_*: where a record tells its length on the wire, in how many bytes (0: nowhere; 4 are
 * big-endian, 2 in this machine's order, as libtrace takes them), and what libtrace adds. */
struct foreign_format {
    const char *name;      /* libtrace's; a prefix of the file's name */
    const char *refusal;   /* why it is not read; NULL: it is */
    uint16_t record_bytes; /* 0: known by its bytes, and read by another reader */
    uint8_t wire_at, wire_bytes, wire_more;
    bool drops_options; /* of IP, whose header still counts them */
};

#define LIVE  "is a device or a network, and whichhop reads files; capture with tcpdump -w FILE"
#define EMPTY "holds no packets"

static const struct foreign_format FORMATS[] = {
    {.name = "tsh", .record_bytes = 44, .drops_options = true},
    {.name = "fr+", .record_bytes = 44, .drops_options = true},
    {.name = "legacyeth", .record_bytes = 64, .wire_at = 8, .wire_bytes = 2, .wire_more = 4},
    {.name = "legacypos", .record_bytes = 64, .wire_at = 12, .wire_bytes = 4},
    {.name = "legacyatm", .record_bytes = 64},
    {.name = "atmhdr", .record_bytes = 12},
    {.name = "erf"},
    {.name = "rawerf"},
    {.name = "pcap"},
    {.name = "pcapfile"},
    {.name = "int", .refusal = LIVE},
    {.name = "ring", .refusal = LIVE},
    {.name = "bpf", .refusal = LIVE},
    {.name = "dag", .refusal = LIVE},
    {.name = "dpdk", .refusal = LIVE},
    {.name = "pcapint", .refusal = LIVE},
    {.name = "rt", .refusal = LIVE},
    {.name = "duck", .refusal = EMPTY},
    /* The times need a date out of the file's name, and libtrace sets the process's TZ. */
    {.name = "legacynzix", .refusal = "has no absolute times, and is not read"},
};

/* libtrace's own table is not exported. `skip_bytes`: in front of what the DLT_ starts with. */
static const struct {
    libtrace_linktype_t type;
    uint16_t dlt;
    uint8_t skip_bytes;
} LINK_TYPES[] = {
    {TRACE_TYPE_NONE, DLT_RAW, 0},       {TRACE_TYPE_ETH, DLT_EN10MB, 0},
    {TRACE_TYPE_POS, DLT_PPP_SERIAL, 0}, {TRACE_TYPE_HDLC_POS, DLT_C_HDLC, 0},
    {TRACE_TYPE_PPP, DLT_PPP, 0},        {TRACE_TYPE_ATM, DLT_ATM_RFC1483, 4}, /* a cell's header */
};

struct foreign {
    const struct foreign_format *format;
    libtrace_t *trace;
    libtrace_packet_t *packet;
    uint64_t records;
    bool too_large;
};

const struct foreign_format *foreign_find(const char *path, const char **file)
{
    const char *colon = strchr(path, ':');
    size_t length = colon ? (size_t)(colon - path) : 0;
    for (size_t i = 0; colon && i < sizeof FORMATS / sizeof *FORMATS; i++) {
        if (strlen(FORMATS[i].name) != length || memcmp(FORMATS[i].name, path, length) != 0)
            continue;
        *file = colon + 1;
        return &FORMATS[i];
    }
    return NULL;
}

const char *foreign_refusal(const struct foreign_format *format)
{
    return format->refusal;
}

void foreign_close(struct foreign *foreign)
{
    if (!foreign)
        return;
    if (foreign->packet)
        trace_destroy_packet(foreign->packet);
    if (foreign->trace)
        trace_destroy(foreign->trace);
    free(foreign);
}

static bool write_all(int fd, const uint8_t *at, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, at, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        bytes -= (size_t)written;
    }
    return true;
}

/* Copies all whole records; the window is left at the rest. */
static bool spool_records(struct reader *reader, struct foreign *foreign, int fd)
{
    struct window *window = &reader->window;
    uint32_t size = foreign->format->record_bytes;
    while (window_need(window, size)) {
        size_t count = window->left / size;
        foreign->too_large = (foreign->records + count) * size > SPOOL_MAX_BYTES;
        if (foreign->too_large)
            return true;
        if (!write_all(fd, window->at, count * size))
            return false;
        window_skip(window, count * size);
        foreign->records += count;
    }
    return true;
}

/* libtrace registers its formats when it is first called, and aborts when two threads do. */
static void register_formats(void)
{
    trace_destroy_dead(trace_create_dead("tsh"));
}

static bool start_trace(struct foreign *foreign, int fd)
{
    static pthread_once_t registered = PTHREAD_ONCE_INIT;
    char uri[64];
    if (pthread_once(&registered, register_formats) != 0)
        return false;
    snprintf(uri, sizeof uri, "%s:/proc/self/fd/%d", foreign->format->name, fd);
    errno = EIO; /* see above: never 0 when libtrace fails */
    foreign->packet = trace_create_packet();
    foreign->trace = foreign->packet ? trace_create(uri) : NULL;
    return foreign->trace && !trace_is_err(foreign->trace) && trace_start(foreign->trace) == 0;
}

/* Whether libtrace may be asked for the lengths of the packet in hand. */
static bool wirelen_is_sane(const struct foreign *foreign, uint32_t *wirelen)
{
    const struct foreign_format *format = foreign->format;
    const uint8_t *at = (const uint8_t *)foreign->packet->header + format->wire_at;
    if (format->wire_bytes == 0)
        return true;
    *wirelen = format->wire_bytes == 4 ? bytes_32(at, !IS_BIG_ENDIAN_HOST) : bytes_16(at, false);
    uint64_t counted = (uint64_t)*wirelen + format->wire_more;
    return counted > 0 && counted < LIBTRACE_PACKET_BUFSIZE;
}

/* The bytes that libtrace holds, less what it only claims to hold. */
static void fill_frame(const struct foreign *foreign, struct record *record)
{
    const struct foreign_format *format = foreign->format;
    const libtrace_packet_t *packet = foreign->packet;
    libtrace_linktype_t type;
    uint32_t caplen, skip = 0;
    record->data = trace_get_packet_buffer(packet, &type, &caplen);
    record->wirelen = (uint32_t)trace_get_wire_length(packet);
    uint32_t room = format->record_bytes - (uint32_t)trace_get_framing_length(packet);
    caplen = caplen < room ? caplen : room;
    record->dlt = DLT_USER0; /* not known: decoded by no one */
    for (size_t i = 0; i < sizeof LINK_TYPES / sizeof *LINK_TYPES; i++)
        if (LINK_TYPES[i].type == type) {
            record->dlt = LINK_TYPES[i].dlt;
            skip = LINK_TYPES[i].skip_bytes < caplen ? LINK_TYPES[i].skip_bytes : caplen;
        }
    if (format->drops_options && caplen > IP_HEADER_BYTES &&
        (record->data[0] & 0xfu) * 4u > IP_HEADER_BYTES)
        caplen = IP_HEADER_BYTES; /* what follows stands elsewhere than the header says */
    record->data += skip;
    record->caplen = caplen - skip;
    record->wirelen = record->wirelen > caplen ? record->wirelen - skip : record->caplen;
}

static int end_of_records(struct reader *reader, uint64_t byte, struct wh_error *error)
{
    const struct foreign *foreign = reader->foreign;
    if (foreign->too_large)
        return error_set(error, reader->path, (uint64_t)reader->frames + 1, byte,
                         "more than %llu bytes of %s records; split the file",
                         (unsigned long long)SPOOL_MAX_BYTES, reader->format);
    if (reader->window.left > 0)
        return reader_cut(reader, byte, reader->window.left, foreign->format->record_bytes, error);
    return reader_end(reader, error);
}

static int foreign_next(struct reader *reader, struct record *record, struct wh_error *error)
{
    struct foreign *foreign = reader->foreign;
    uint64_t byte = (uint64_t)reader->frames * foreign->format->record_bytes;
    uint32_t wirelen = 0;
    if (reader->frames == foreign->records)
        return end_of_records(reader, byte, error);
    errno = EIO;
    if (trace_read_packet(foreign->trace, foreign->packet) <= 0)
        return error_set(error, reader->path, (uint64_t)reader->frames + 1, byte,
                         "libtrace reads no further: %s", trace_get_err(foreign->trace).problem);
    if (!wirelen_is_sane(foreign, &wirelen))
        return error_set(error, reader->path, (uint64_t)reader->frames + 1, byte,
                         "a packet of %u bytes on the wire: the file is damaged from here on, or "
                         "it is not %s",
                         wirelen, reader->format);
    struct timespec time = trace_get_timespec(foreign->packet);
    *record = (struct record){
        .time = read_time((int64_t)time.tv_sec * NS_PER_S + time.tv_nsec),
        .frame = ++reader->frames,
        .byte = byte,
    };
    fill_frame(foreign, record);
    reader->interfaces[0]->info.dlt = record->dlt;
    return 1;
}

int reader_open_foreign(struct reader *reader, const struct foreign_format *format,
                        struct wh_error *error)
{
    int result = WH_ERROR;
    int fd = -1;
    if (format->record_bytes == 0 || !window_need(&reader->window, 1))
        return 0;
    if (source_is_packed(reader->window.at, reader->window.left)) /* libtrace would unpack it */
        return error_set(error, reader->path, 0, 0, "is packed twice; unpack it once");
    struct foreign *foreign = calloc(1, sizeof *foreign);
    if (!foreign)
        return error_memory(error, reader->path);
    reader->foreign = foreign; /* from here on read_close frees it */
    foreign->format = format;
    reader->format = format->name;
    reader->next = foreign_next;
    fd = memfd_create("records", MFD_CLOEXEC);
    if (fd < 0 || !reader_add_interface(reader, DLT_USER0, 0) ||
        !spool_records(reader, foreign, fd)) {
        error_memory(error, reader->path);
        goto cleanup;
    }
    if (foreign->records > 0 && !start_trace(foreign, fd)) {
        error_set(error, reader->path, 0, 0, "libtrace does not open it: %s",
                  foreign->trace ? trace_get_err(foreign->trace).problem : "memory is out");
        goto cleanup;
    }
    result = 1;
cleanup:
    if (fd >= 0)
        close(fd);
    return result;
}
