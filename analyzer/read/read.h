/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 1, read: one capture file as a row of records. pcap, pcapng, ERF and snoop are found by
 * their first bytes, and walked in a window that slides over the bytes, unpacked where they were
 * packed (gzip, bzip2, xz). The old formats that only libtrace knows have to be named,
 * "FORMAT:FILE" as libtrace has it, and come through libtrace: tsh, fr+, legacyeth, legacypos,
 * legacyatm, atmhdr; packed and piped too.
 *
 * ERF does not come through libtrace (3.0.22): that stops at extension headers and padding, does
 * not know coloured frames, and aborts the process on an Ethernet record of 16 bytes. snoop and
 * pcapng it cannot read. foreign.c has the list.
 */
#ifndef WHICHHOP_READ_READ_H
#define WHICHHOP_READ_READ_H

#include "base/clock.h"
#include "whichhop.h"

/* What pcapng says of a packet (epb_flags, bits 9-11 and 0-1). */
enum record_flag {
    RECORD_CHECKSUM_NOT_READY = 1, /* offloaded: the checksum in the bytes is not the final one */
    RECORD_CHECKSUM_VALID = 2,
    RECORD_OFFLOADED_SEGMENTS = 4, /* the frame will be cut by the device */
    RECORD_INBOUND = 8,
    RECORD_OUTBOUND = 16,
};

/* One packet. A borrowed view: `data` is valid until the next read_next, read_run or read_close. */
struct record {
    struct point_time time;
    const uint8_t *data;
    uint32_t caplen;    /* bytes at `data` */
    uint16_t dlt;       /* link type, as libpcap's DLT_ */
    uint16_t flags;     /* enum record_flag */
    uint32_t wirelen;   /* bytes it had on the wire */
    uint32_t interface; /* index for read_interface */
    uint64_t byte;      /* its offset in the unpacked file, for messages */
    uint32_t frame;     /* its number in the file, from 1, as Wireshark counts */
};

struct interface_info {
    const char *name; /* "" when the file names none */
    uint16_t dlt;
    uint32_t snaplen; /* 0: no limit told */
    uint64_t dropped; /* packets, by interface or system, as the file's statistics tell */
};

struct reader;

/* Opens a file ("-": standard input), finds its format by its first bytes whatever its name, and
 * reads its header. "FORMAT:FILE" and "FORMAT:-" name the format, where no file has that whole
 * name; erf:, pcapfile: and their like say nothing new, the bytes tell. libtrace's names for
 * devices and networks (int:, rt: ...) are refused and never opened. Fails with a message that says
 * what is wrong and what to do: missing, not readable, a folder, empty, not a capture. `*reader` is
 * NULL on failure. */
int read_open(struct reader **reader, const char *path, struct wh_error *error);

/* 1: `record` holds the next packet. 0: the end. WH_ERROR: the file is damaged from here on, or
 * ends within a packet; `error` names packet and byte, and every later call returns 0. */
int read_next(struct reader *reader, struct record *record, struct wh_error *error);

/* The next records at once, all valid until the next call: how many, 1 to READ_RUN; else as
 * read_next. */
#define READ_RUN 32u
int read_run(struct reader *reader, struct record records[READ_RUN], struct wh_error *error);

/* From now on a packed file is unpacked by a thread of its own. */
void read_ahead(struct reader *reader);

/* "pcap", "pcap (ns)", "pcapng", "erf", "snoop", "tsh" ..., with " (gzip)" etc. behind it where it
 * was packed. */
const char *read_format(const struct reader *reader);

/* How far the reader is, 0 to 1, for progress. */
double read_progress(const struct reader *reader);

/* Interfaces met so far; a plain pcap has one. Valid until read_close. */
uint32_t read_interface_count(const struct reader *reader);
const struct interface_info *read_interface(const struct reader *reader, uint32_t index);

void read_close(struct reader *reader);

/* Can it be read only once? So it is with standard input, pipes, sockets and devices. */
bool read_is_stream(const char *path);

/* The time of the first packet, for putting ring-buffer files in order. 1: found; 0: the file has
 * no packet; WH_ERROR: it can't be read. Not for a stream: its packet would be lost. */
int read_first_time(const char *path, struct point_time *first, struct wh_error *error);

/* A compiled `--filter`: libpcap's compiler, one programme for each link type met. */
struct filter;
int filter_open(struct filter **out, const char *expression, struct wh_error *error);
/* 1: the record passes; 0: it does not; WH_ERROR: the expression does not fit the link type. */
int filter_match(struct filter *filter, const struct record *record, struct wh_error *error);
void filter_close(struct filter *filter);

#endif
