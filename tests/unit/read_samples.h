/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Captures made byte by byte for the tests of the read stage, and the way to read them back. */
#ifndef WHICHHOP_TESTS_READ_SAMPLES_H
#define WHICHHOP_TESTS_READ_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "read/reader.h"

/* Where the files of a test are made: a folder of its own, and the one file in it. */
static char folder[] = "/tmp/test_read.XXXXXX";
static char path[64];

static inline int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/capture", folder);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (!strstr(text, part))                                                                   \
            fail_msg("\"%s\" does not say \"%s\"", text, part);                                    \
    } while (0)

/* Bytes being put together, in either byte order. */
struct bytes {
    uint8_t *at;
    size_t count, capacity;
    bool big;
};

static inline uint8_t *put_room(struct bytes *to, size_t count)
{
    if (to->count + count > to->capacity) {
        to->capacity = 2 * (to->count + count);
        to->at = realloc(to->at, to->capacity);
        assert_non_null(to->at);
    }
    to->count += count;
    return to->at + (to->count - count);
}

static inline void put(struct bytes *to, const void *from, size_t count)
{
    if (count > 0)
        memcpy(put_room(to, count), from, count);
}

static inline void put_number(struct bytes *to, uint64_t value, unsigned size, bool big)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * (big ? size - 1 - i : i));
        put(to, &byte, 1);
    }
}

static inline void put_16(struct bytes *to, uint32_t value)
{
    put_number(to, value, 2, to->big);
}

static inline void put_32(struct bytes *to, uint32_t value)
{
    put_number(to, value, 4, to->big);
}

static inline void put_64(struct bytes *to, uint64_t value)
{
    put_number(to, value, 8, to->big);
}

/* `count` bytes of a frame: each tells its place and `seed`. */
static inline void put_frame(struct bytes *to, unsigned seed, size_t count)
{
    uint8_t *at = count > 0 ? put_room(to, count) : NULL;
    for (size_t i = 0; i < count; i++)
        at[i] = (uint8_t)(seed * 31 + i);
}

static inline void put_padding(struct bytes *to, size_t count)
{
    static const uint8_t ZERO[4];
    put(to, ZERO, (4 - count % 4) % 4);
}

static inline void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

/* ---- pcap ---- */

static inline void put_pcap_header(struct bytes *to, uint32_t magic, uint32_t linktype)
{
    put_32(to, magic);
    put_16(to, 2);
    put_16(to, 4);
    put_64(to, 0);
    put_32(to, 262144);
    put_32(to, linktype);
}

static inline void put_pcap_record(struct bytes *to, uint32_t seconds, uint32_t fraction,
                                   uint32_t caplen, uint32_t wirelen)
{
    put_32(to, seconds);
    put_32(to, fraction);
    put_32(to, caplen);
    put_32(to, wirelen);
    put_frame(to, seconds, caplen);
}

/* ---- pcapng ---- */

static inline void put_block(struct bytes *to, uint32_t type, const struct bytes *body)
{
    uint32_t total = (uint32_t)(12 + (body->count + 3) / 4 * 4);
    put_32(to, type);
    put_32(to, total);
    put(to, body->at, body->count);
    put_padding(to, body->count);
    put_32(to, total);
}

static inline void put_option(struct bytes *body, uint32_t code, const void *value, size_t count)
{
    put_16(body, code);
    put_16(body, (uint32_t)count);
    put(body, value, count);
    put_padding(body, count);
}

static inline void put_option_64(struct bytes *body, uint32_t code, uint64_t value)
{
    put_16(body, code);
    put_16(body, 8);
    put_64(body, value);
}

static inline void put_section(struct bytes *to, bool big)
{
    struct bytes body = {.big = big};
    to->big = big;
    put_32(&body, 0x1a2b3c4d);
    put_16(&body, 1);
    put_16(&body, 0);
    put_64(&body, UINT64_MAX);
    put_block(to, 0x0a0d0d0a, &body);
    bytes_free(&body);
}

/* resolution: if_tsresol; 0: the option is left out. offset_s: likewise. */
static inline void put_interface(struct bytes *to, uint16_t linktype, uint32_t snaplen,
                                 const char *name, uint8_t resolution, int64_t offset_s)
{
    struct bytes body = {.big = to->big};
    put_16(&body, linktype);
    put_16(&body, 0);
    put_32(&body, snaplen);
    if (name)
        put_option(&body, 2, name, strlen(name));
    if (resolution)
        put_option(&body, 9, &resolution, 1);
    if (offset_s)
        put_option_64(&body, 14, (uint64_t)offset_s);
    put_option(&body, 0, "", 0);
    put_block(to, 1, &body);
    bytes_free(&body);
}

static inline void put_enhanced(struct bytes *to, uint32_t interface, uint64_t stamp,
                                uint32_t caplen, uint32_t wirelen, uint32_t flags, uint64_t drops)
{
    struct bytes body = {.big = to->big};
    put_32(&body, interface);
    put_32(&body, (uint32_t)(stamp >> 32));
    put_32(&body, (uint32_t)stamp);
    put_32(&body, caplen);
    put_32(&body, wirelen);
    put_frame(&body, caplen, caplen);
    put_padding(&body, caplen);
    if (flags) {
        put_16(&body, 2);
        put_16(&body, 4);
        put_32(&body, flags);
    }
    if (drops)
        put_option_64(&body, 4, drops);
    put_block(to, 6, &body);
    bytes_free(&body);
}

/* ---- whole files ---- */

static inline struct bytes pcap_sample(bool big, uint32_t magic)
{
    struct bytes file = {.big = big};
    put_pcap_header(&file, magic, 1);
    put_pcap_record(&file, 1700000000, 999999, 60, 60);
    put_pcap_record(&file, 1700000001, 5, 96, 1514);
    put_pcap_record(&file, 4294967295, 0, 0, 0);
    return file;
}

static inline void put_obsolete(struct bytes *to, uint16_t interface, uint16_t drops,
                                uint64_t stamp, uint32_t caplen)
{
    struct bytes body = {.big = to->big};
    put_16(&body, interface);
    put_16(&body, drops);
    put_32(&body, (uint32_t)(stamp >> 32));
    put_32(&body, (uint32_t)stamp);
    put_32(&body, caplen);
    put_32(&body, 1514);
    put_frame(&body, 1, caplen);
    put_block(to, 2, &body);
    bytes_free(&body);
}

static inline void put_simple(struct bytes *to, uint32_t wirelen, uint32_t count)
{
    struct bytes body = {.big = to->big};
    put_32(&body, wirelen);
    put_frame(&body, 2, count);
    put_block(to, 3, &body);
    bytes_free(&body);
}

static inline void put_statistics(struct bytes *to, uint32_t interface, uint64_t ifdrop,
                                  uint64_t osdrop)
{
    struct bytes body = {.big = to->big};
    put_32(&body, interface);
    put_64(&body, 0);
    put_option_64(&body, 5, ifdrop);
    put_option_64(&body, 7, osdrop);
    put_block(to, 5, &body);
    bytes_free(&body);
}

static inline void put_plain_block(struct bytes *to, uint32_t type, size_t count)
{
    struct bytes body = {.big = to->big};
    put_frame(&body, 3, count);
    put_block(to, type, &body);
    bytes_free(&body);
}

#define SECOND_US 1700000000000000u

/* A section with everything in it, then one in the other byte order. */
static inline struct bytes pcapng_sample(bool big)
{
    struct bytes file = {0};
    put_section(&file, big);
    put_interface(&file, 1, 64, "eth0", 0, 0);  /* microseconds */
    put_interface(&file, 101, 0, "tun0", 9, 0); /* nanoseconds */
    put_plain_block(&file, 4, 21);              /* name resolution */
    put_enhanced(&file, 0, SECOND_US + 1, 60, 1514, 1u | 1u << 9, 0);
    put_enhanced(&file, 1, SECOND_US * 1000 + 7, 33, 33, 2u | 1u << 10 | 1u << 11, 4);
    put_simple(&file, 1000, 64 + 3);
    put_plain_block(&file, 0x40000bad, 12); /* Wireshark counts it as a frame */
    put_obsolete(&file, 0, 3, SECOND_US + 2, 41);
    put_obsolete(&file, 0, 0xffff, SECOND_US + 3, 40);
    put_plain_block(&file, 0x12345, 7);
    put_statistics(&file, 0, 10, 20);
    put_statistics(&file, 1, 1, 1);
    put_statistics(&file, 9, 1, 1); /* of an interface that is not there */
    put_section(&file, !big);
    put_interface(&file, 113, 0, NULL, 0x80 | 20, -100); /* 2^-20 s */
    put_enhanced(&file, 0, (uint64_t)1700000100 << 20 | 1u << 19, 20, 20, 0, 0);
    return file;
}

static inline struct bytes erf_sample(void)
{
    struct bytes file = {0};
    for (unsigned i = 0; i < 4; i++) {
        bool extended = i == 2;
        put_number(&file, (uint64_t)(1700000000 + i) << 32 | 0x80000000u, 8, false);
        put_number(&file, extended ? 0x82 : i == 3 ? 48 : 2, 1, true);
        put_number(&file, 4 | (i & 1), 1, true); /* port 0, 1 */
        put_number(&file, 16 + (extended ? 16 : 0) + 2 + 62, 2, true);
        put_number(&file, i, 2, true); /* lost */
        put_number(&file, 60, 2, true);
        if (extended) {
            put_number(&file, 0x80ull << 56, 8, true);
            put_number(&file, 0, 8, true);
        }
        put_frame(&file, i, 64);
    }
    return file;
}

static inline struct bytes snoop_sample(void)
{
    struct bytes file = {.big = true};
    put(&file, "snoop\0\0\0", 8);
    put_32(&file, 2);
    put_32(&file, 4);
    for (unsigned i = 0; i < 3; i++) {
        put_32(&file, 1514);
        put_32(&file, 61);
        put_32(&file, 24 + 64);
        put_32(&file, 5 * i);
        put_32(&file, 1700000000 + i);
        put_32(&file, 250000);
        put_frame(&file, i, 64);
    }
    return file;
}

static inline struct bytes long_pcap(unsigned packets)
{
    struct bytes file = {0};
    put_pcap_header(&file, 0xa1b2c3d4, 1);
    for (unsigned i = 0; i < packets; i++)
        put_pcap_record(&file, 1000 + i, 0, 1000 + i % 500, 1514);
    return file;
}

/* ---- reading ---- */

/* As it comes; through a window that has to slide and grow for each record; from a heap block of
 * its exact size; unpacked by a thread of its own; in runs, through a window of a few records and
 * from such a block. */
enum way { WAY_USUAL, WAY_SMALL, WAY_EXACT, WAY_AHEAD, WAY_RUNS, WAY_EXACT_RUNS, WAYS };
#define SMALL_BUFFER_BYTES 24u
#define RUNS_BUFFER_BYTES  256u

/* What a reader gave until its end. */
struct reading {
    struct record records[64];
    uint8_t first[64]; /* the first byte of each */
    unsigned count;
    int end; /* 0 or WH_ERROR; or 2: it could not be opened */
    struct wh_error error;
    char format[48];
    struct interface_info interfaces[8];
    unsigned interface_count;
    unsigned long sum; /* over every byte that was handed out */
};

static inline void write_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* Moves a reader to a copy in a heap block of the file's exact size, behind which the address
 * sanitizer stands. */
static inline void move_to_heap(struct reader *reader, const uint8_t *bytes, size_t count)
{
    struct window *window = &reader->window;
    size_t offset = (size_t)window_offset(window);
    while (source_read(window->source, window->buffer, window->capacity) > 0)
        ;
    free(window->buffer);
    window->capacity = count ? count : 1;
    window->buffer = malloc(window->capacity);
    assert_non_null(window->buffer);
    memcpy(window->buffer, bytes, count);
    window->at = window->buffer + offset;
    window->left = count - offset;
    window->end = count;
}

static inline void keep_record(const struct record *record, struct reading *reading)
{
    for (uint32_t i = 0; i < record->caplen; i++)
        reading->sum += record->data[i];
    if (reading->count < 64) {
        reading->records[reading->count] = *record;
        reading->first[reading->count] = record->caplen ? record->data[0] : 0;
    }
    reading->count++;
}

static inline void read_all(struct reader *reader, bool runs, struct reading *reading)
{
    struct record records[READ_RUN];
    snprintf(reading->format, sizeof reading->format, "%s", read_format(reader));
    do {
        reading->end = runs ? read_run(reader, records, &reading->error)
                            : read_next(reader, records, &reading->error);
        for (int i = 0; i < reading->end; i++)
            keep_record(&records[i], reading);
    } while (reading->end > 0);
    assert_int_equal(read_next(reader, records, NULL), 0);
    assert_int_equal(read_run(reader, records, NULL), 0);
    double progress = read_progress(reader);
    assert_true(progress >= 0 && progress <= 1);
    reading->interface_count = read_interface_count(reader);
    for (unsigned i = 0; i < reading->interface_count && i < 8; i++)
        reading->interfaces[i] = *read_interface(reader, i);
}

/* Writes the bytes to `path` and reads them, one of these ways. `record.data` and the names in the
 * result are not valid any more. */
static inline void read_bytes(const uint8_t *bytes, size_t count, enum way way,
                              struct reading *reading)
{
    struct reader *reader;
    memset(reading, 0, sizeof *reading);
    write_file(path, bytes, count);
    size_t buffer_bytes = way == WAY_SMALL  ? SMALL_BUFFER_BYTES
                          : way == WAY_RUNS ? RUNS_BUFFER_BYTES
                                            : READ_BUFFER_BYTES;
    if (reader_open(&reader, path, buffer_bytes, &reading->error)) {
        assert_null(reader);
        reading->end = 2;
        return;
    }
    if ((way == WAY_EXACT || way == WAY_EXACT_RUNS) && !source_packing(reader->source))
        move_to_heap(reader, bytes, count);
    if (way == WAY_AHEAD)
        read_ahead(reader);
    read_all(reader, way == WAY_RUNS || way == WAY_EXACT_RUNS, reading);
    read_close(reader);
}

#endif
