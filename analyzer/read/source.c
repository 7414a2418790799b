/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A file descriptor as a stream of unpacked bytes, in bounded memory. */
#include "read/source.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "read/ahead.h"
#include "read/unpack.h"

#define RAW_BYTES ((size_t)128 * 1024)

struct source {
    int fd;
    struct ahead *ahead;   /* NULL: unpacked when asked for */
    atomic_bool raw_ended; /* nothing more comes from fd */
    bool ended;            /* all members are unpacked */
    bool member_open;      /* within a packed member */
    const uint8_t *raw;    /* the next packed byte, in `buffer` */
    size_t raw_left;
    atomic_uint_fast64_t raw_read; /* bytes taken from fd so far */
    uint64_t size_bytes;
    const struct unpack_way *way; /* NULL: not packed */
    void *state;
    char failure[160];
    uint8_t buffer[RAW_BYTES];
};

/* Bytes of the file; 0: it ends here, or could not be read further. */
static size_t read_file(struct source *source, uint8_t *to, size_t room)
{
    char reason[80];
    ssize_t got;
    if (source->raw_ended)
        return 0;
    do
        got = read(source->fd, to, room);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        snprintf(source->failure, sizeof source->failure, "it could not be read further: %s",
                 strerror_r(errno, reason, sizeof reason) == 0 ? reason : "");
    source->raw_ended = got <= 0;
    size_t bytes = got > 0 ? (size_t)got : 0;
    source->raw_read += bytes;
    return bytes;
}

/* Tops the raw bytes up until `bytes` are there or the file ends. */
static void fill_raw(struct source *source, size_t bytes)
{
    memmove(source->buffer, source->raw, source->raw_left);
    source->raw = source->buffer;
    while (source->raw_left < bytes && !source->raw_ended)
        source->raw_left +=
            read_file(source, source->buffer + source->raw_left, RAW_BYTES - source->raw_left);
}

struct source *source_open(int fd, uint64_t size_bytes)
{
    struct source *source = malloc(sizeof *source);
    if (!source)
        return NULL;
    memset(source, 0, offsetof(struct source, buffer));
    source->fd = fd;
    source->size_bytes = size_bytes;
    source->raw = source->buffer;
    fill_raw(source, UNPACK_MAGIC_MAX);
    source->way = unpack_find(source->raw, source->raw_left);
    if (source->way) {
        source->state = source->way->open();
        source->member_open = true;
        if (!source->state) {
            free(source);
            return NULL;
        }
    }
    return source;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    ahead_close(source->ahead);
    if (source->state)
        source->way->close(source->state);
    free(source);
}

/* What source_open took for a look, then the file itself. */
static size_t read_plain(struct source *source, uint8_t *to, size_t room)
{
    size_t bytes = source->raw_left < room ? source->raw_left : room;
    if (bytes == 0)
        return read_file(source, to, room);
    memcpy(to, source->raw, bytes);
    source->raw += bytes;
    source->raw_left -= bytes;
    return bytes;
}

/* Behind a member: another one of the same kind follows, or the end. Padding and other bytes
 * behind the last member are passed over, as gzip does. */
static void meet_next_member(struct source *source)
{
    fill_raw(source, UNPACK_MAGIC_MAX);
    if (unpack_find(source->raw, source->raw_left) == source->way)
        source->member_open = true;
    else
        source->ended = true;
}

/* One step of unpacking; returns the bytes it gave. */
static size_t unpack_some(struct source *source, uint8_t *to, size_t room)
{
    size_t before = room, raw_before = source->raw_left;
    const char *name = source->way->name;
    switch (source->way->step(source->state, &source->raw, &source->raw_left, &to, &room)) {
    case UNPACK_MORE:
        if (room == before && source->raw_left == raw_before) /* else this would not end */
            snprintf(source->failure, sizeof source->failure, "the %s data make no sense", name);
        break;
    case UNPACK_MEMBER_END:
        source->member_open = false;
        break;
    case UNPACK_NO_MEMORY:
        snprintf(source->failure, sizeof source->failure,
                 "the %s data ask for more memory than is given to them", name);
        break;
    case UNPACK_DAMAGED:
        snprintf(source->failure, sizeof source->failure, "the %s data are damaged", name);
        break;
    }
    return before - room;
}

/* An ahead_make. */
static size_t unpack(void *context, uint8_t *to, size_t room)
{
    struct source *source = context;
    size_t got = 0;
    while (got == 0 && !source->ended && !*source->failure) {
        if (!source->member_open)
            meet_next_member(source);
        else if (source->raw_left == 0 && source->raw_ended)
            snprintf(source->failure, sizeof source->failure, "the %s data end too early",
                     source->way->name);
        else if (source->raw_left == 0)
            fill_raw(source, 1);
        else
            got = unpack_some(source, to, room);
    }
    return got;
}

size_t source_read(struct source *source, uint8_t *to, size_t room)
{
    if (room == 0)
        return 0;
    if (source->ahead)
        return ahead_read(source->ahead, to, room);
    return source->way ? unpack(source, to, room) : read_plain(source, to, room);
}

/* Not from a pipe: who closes it would wait for what may never come. */
void source_ahead(struct source *source)
{
    if (source->way && source->size_bytes > 0 && !source->ahead)
        source->ahead = ahead_open(unpack, source);
}

const char *source_failure(const struct source *source)
{
    if (source->ahead && !ahead_ended(source->ahead))
        return NULL;
    return *source->failure ? source->failure : NULL;
}

const char *source_packing(const struct source *source)
{
    return source->way ? source->way->name : NULL;
}

double source_progress(const struct source *source)
{
    if (source->raw_ended || source->size_bytes == 0)
        return source->raw_ended ? 1 : 0;
    double part = (double)source->raw_read / (double)source->size_bytes;
    return part < 1 ? part : 1; /* it may have grown */
}

bool source_is_packed(const uint8_t *start, size_t bytes)
{
    return unpack_find(start, bytes) != NULL;
}
