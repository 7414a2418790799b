/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the readers of the formats share; private to this stage. */
#ifndef WHICHHOP_READ_READER_H
#define WHICHHOP_READ_READER_H

#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"
#include "read/bytes.h"
#include "read/read.h"
#include "read/window.h"

/* Of a file at a time: what was read is still in the second-level cache when it is decoded. */
#define READ_BUFFER_BYTES ((size_t)256 * 1024)

/* 2116; a record of a time beyond is damaged, as is one of a time before 1970. */
#define READ_TIME_LIMIT_NS CLOCK_LIMIT_NS

struct capture_interface {
    struct interface_info info;
    /* A time stamp's unit: nanoseconds = stamp * multiply / divide >> shift, plus offset_ns. */
    uint64_t multiply, divide;
    int64_t offset_ns;
    uint64_t drops_in_packets; /* told packet by packet */
    unsigned shift;
};

struct pcap_state {
    bool swapped;
    uint8_t lengths;       /* enum pcap_lengths, in pcap.c */
    uint32_t header_bytes; /* of a record */
    uint32_t fraction_ns;  /* the unit of a time stamp's second part */
    uint32_t caplen_max;
    uint16_t dlt;
};

struct pcapng_state {
    bool swapped;
    uint32_t section_base; /* the section's first interface in the reader's list */
    int64_t last_ns;
};

/* As read_next; the window stands at a record's start. */
typedef int (*next_record)(struct reader *reader, struct record *record, struct wh_error *error);

/* What can be read without moving the window, of `max` records: how many. The window stands at a
 * record's start, or at the end. */
typedef uint32_t (*more_records)(struct reader *reader, struct record *records, uint32_t max);

struct reader {
    next_record next;
    more_records more;  /* NULL: one by one */
    const char *format; /* without its packing */
    struct window window;
    union {
        struct pcap_state pcap;
        struct pcapng_state pcapng;
    };
    uint32_t frames; /* counted so far */
    bool ended;
    uint32_t interface_count, interface_capacity;
    struct capture_interface **interfaces; /* each in the arena, so that they stay in place */
    struct arena arena;
    struct source *source;
    struct foreign *foreign; /* NULL: read without libtrace */
    int fd;
    char *path; /* as it was named */
    char format_name[48];
};

/* What read_open does, with a window of `buffer_bytes` to begin with: the tests take small ones. */
int reader_open(struct reader **out, const char *path, size_t buffer_bytes, struct wh_error *error);

/* Adds an interface with microsecond stamps and no name; NULL when memory is out, or when a file
 * names more than READ_INTERFACES_MAX. */
struct capture_interface *reader_add_interface(struct reader *reader, uint16_t dlt,
                                               uint32_t snaplen);
#define READ_INTERFACES_MAX 65536u

/* The file ends (or could not be read further) within the packet at `byte`: `have` of `want` bytes
 * are there. */
int reader_cut(const struct reader *reader, uint64_t byte, uint64_t have, uint64_t want,
               struct wh_error *error);

/* 0 at a plain end of the file, an error where it ends within something else than a packet. */
int reader_end(const struct reader *reader, struct wh_error *error);

/* Each knows a file by its first bytes, and reads the file's header. 1: mine, `next` and `format`
 * are set. 0: not mine, nothing was taken. WH_ERROR: mine, and damaged. */
int reader_open_pcap(struct reader *reader, struct wh_error *error);
int reader_open_pcapng(struct reader *reader, struct wh_error *error);
int reader_open_snoop(struct reader *reader, struct wh_error *error);
int reader_open_erf(struct reader *reader, struct wh_error *error);

/* The format of "FORMAT:FILE", where libtrace knows FORMAT; `*file` is then what follows the colon.
 * NULL: not of that form. */
struct foreign_format;
const struct foreign_format *foreign_find(const char *path, const char **file);

/* Why a format is not read: a clause for a message; NULL: it is. */
const char *foreign_refusal(const struct foreign_format *format);

/* As the others, for a file whose format was named. 0 also where the bytes tell it themselves. */
int reader_open_foreign(struct reader *reader, const struct foreign_format *format,
                        struct wh_error *error);
void foreign_close(struct foreign *foreign);

/* What a file is that starts with these bytes and is not read, and what to do: a clause for a
 * message; NULL: not known. */
const char *magic_clause(const uint8_t *start, size_t bytes);

/* libpcap's DLT_ on this machine, for the number that files have (LINKTYPE_). */
uint16_t linktype_to_dlt(uint16_t linktype);

/* The longest packet there is for a link type, in bytes. */
uint32_t linktype_caplen_max(uint16_t dlt);

/* A time from 0 to READ_TIME_LIMIT_NS. */
static inline struct point_time read_time(int64_t ns)
{
    if (ns > READ_TIME_LIMIT_NS)
        ns = READ_TIME_LIMIT_NS;
    if (ns < 0)
        ns = 0;
    return (struct point_time){ns};
}

#endif
