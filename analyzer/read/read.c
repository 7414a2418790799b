/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening a capture, whatever it is: each format is asked whether the first bytes are its own,
 * unless the file's format was named.
 */
#include "read/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "read/reader.h"

struct capture_interface *reader_add_interface(struct reader *reader, uint16_t dlt,
                                               uint32_t snaplen)
{
    if (reader->interface_count >= READ_INTERFACES_MAX)
        return NULL;
    struct capture_interface *interface = arena_alloc(&reader->arena, 1, sizeof *interface);
    if (!interface)
        return NULL;
    struct capture_interface **slot =
        ARRAY_PUSH(reader->interfaces, reader->interface_count, reader->interface_capacity);
    if (!slot)
        return NULL;
    interface->info = (struct interface_info){.name = "", .dlt = dlt, .snaplen = snaplen};
    interface->multiply = NS_PER_US;
    interface->divide = 1;
    *slot = interface;
    return interface;
}

int reader_cut(const struct reader *reader, uint64_t byte, uint64_t have, uint64_t want,
               struct wh_error *error)
{
    const char *failure = window_failure(&reader->window);
    if (reader->window.no_memory)
        return error_memory(error, reader->path);
    return error_set(error, reader->path, (uint64_t)reader->frames + 1, byte,
                     "%s in the middle of this packet: %llu of %llu bytes are there; %s",
                     failure ? failure : "the file ends", (unsigned long long)have,
                     (unsigned long long)want,
                     failure ? "what stands before is used"
                             : "the capture was still being written, or the file was cut");
}

int reader_end(const struct reader *reader, struct wh_error *error)
{
    const char *failure = window_failure(&reader->window);
    if (reader->window.no_memory)
        return error_memory(error, reader->path);
    if (!failure)
        return 0;
    return error_set(error, reader->path, (uint64_t)reader->frames + 1,
                     window_offset(&reader->window), "%s; what stands before is used", failure);
}

static int no_such_file(const char *path, int reason, struct wh_error *error)
{
    char text[80];
    if (reason == ENOENT)
        return error_set(error, path, 0, 0,
                         "there is no such file; check the name, and the folder you are in");
    if (reason == EACCES)
        return error_set(error, path, 0, 0,
                         "not readable for this user; captures often belong to root: change its "
                         "owner or mode (chmod a+r), or run as root");
    if (strerror_r(reason, text, sizeof text) != 0)
        *text = '\0';
    return error_set(error, path, 0, 0, "cannot be opened: %s", text);
}

static bool is_standard_input(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* Opens the file and finds out what it is. */
static int open_file(struct reader *reader, const char *path, struct stat *status,
                     struct wh_error *error)
{
    reader->fd = is_standard_input(path) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                         : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (reader->fd < 0 || fstat(reader->fd, status) != 0)
        return no_such_file(reader->path, errno, error);
    if (S_ISDIR(status->st_mode))
        return error_set(error, reader->path, 0, 0,
                         "is a folder, not a capture; name the files in it");
    return WH_OK;
}

static int open_window(struct reader *reader, const struct stat *status, size_t buffer_bytes,
                       struct wh_error *error)
{
    uint64_t size = S_ISREG(status->st_mode) && status->st_size > 0 ? (uint64_t)status->st_size : 0;
    (void)posix_fadvise(reader->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* only advice */
    reader->source = source_open(reader->fd, size);
    if (!reader->source || !window_open(&reader->window, reader->source, buffer_bytes))
        return error_memory(error, reader->path);
    return WH_OK;
}

/* What to say of a file that no format knows. */
static int not_a_capture(struct reader *reader, struct wh_error *error)
{
    struct window *window = &reader->window;
    const uint8_t *at = window_need(window, 16);
    size_t have = at ? 16 : window->left;
    const char *failure = window_failure(window);
    if (window->no_memory)
        return error_memory(error, reader->path);
    if (have == 0 && failure)
        return error_set(error, reader->path, 0, 0, "not a capture: %s", failure);
    if (have == 0 || !window->at)
        return error_set(error, reader->path, 0, 0,
                         "the file is empty: nothing was captured, or nothing was written yet");
    const char *clause = magic_clause(window->at, have);
    if (clause)
        return error_set(error, reader->path, 0, 0, "%s", clause);
    char bytes[3 * 8 + 1] = "";
    for (size_t i = 0; i < have && i < 8; i++)
        snprintf(bytes + 3 * i, sizeof bytes - 3 * i, " %02x", window->at[i]);
    return error_set(error, reader->path, 0, 0,
                     "not a capture: it starts with the bytes%s; whichhop reads pcap, pcapng, ERF "
                     "and snoop; convert it with `editcap FILE NEW.pcapng`",
                     bytes);
}

static int open_format(struct reader *reader, const struct foreign_format *foreign,
                       struct wh_error *error)
{
    static int (*const OPENERS[])(struct reader *, struct wh_error *) = {
        reader_open_pcap, reader_open_pcapng, reader_open_snoop,
        reader_open_erf, /* last: it has no magic number */
    };
    int mine = foreign ? reader_open_foreign(reader, foreign, error) : 0;
    for (size_t i = 0; mine == 0 && i < sizeof OPENERS / sizeof *OPENERS; i++)
        mine = OPENERS[i](reader, error);
    if (mine < 0)
        return mine;
    return mine > 0 ? WH_OK : not_a_capture(reader, error);
}

/* Takes "FORMAT:" off a name, unless there is a file of just that name. */
static const struct foreign_format *named_format(const char **path)
{
    return access(*path, F_OK) != 0 ? foreign_find(*path, path) : NULL;
}

static int find_format(const struct reader *reader, const char **path,
                       const struct foreign_format **foreign, struct wh_error *error)
{
    *foreign = named_format(path);
    const char *refusal = *foreign ? foreign_refusal(*foreign) : NULL;
    return refusal ? error_set(error, reader->path, 0, 0, "%s", refusal) : WH_OK;
}

int reader_open(struct reader **out, const char *path, size_t buffer_bytes, struct wh_error *error)
{
    const struct foreign_format *foreign;
    struct stat status = {0};
    int result = WH_ERROR;
    *out = NULL;
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        error_memory(error, path);
        return WH_ERROR;
    }
    reader->fd = -1;
    reader->path = strdup(is_standard_input(path) ? "standard input" : path);
    if (!reader->path) {
        error_memory(error, path);
        goto cleanup;
    }
    if (find_format(reader, &path, &foreign, error) || open_file(reader, path, &status, error) ||
        open_window(reader, &status, buffer_bytes, error) || open_format(reader, foreign, error))
        goto cleanup;
    const char *packing = source_packing(reader->source);
    snprintf(reader->format_name, sizeof reader->format_name, packing ? "%s (%s)" : "%s",
             reader->format, packing);
    *out = reader;
    reader = NULL;
    result = WH_OK;
cleanup:
    read_close(reader);
    return result;
}

int read_open(struct reader **reader, const char *path, struct wh_error *error)
{
    return reader_open(reader, path, READ_BUFFER_BYTES, error);
}

int read_next(struct reader *reader, struct record *record, struct wh_error *error)
{
    if (reader->ended)
        return 0;
    int result;
    if (__builtin_expect(reader->frames == UINT32_MAX, 0))
        result = error_set(error, reader->path, reader->frames, 0,
                           "more packets than can be counted; split the file with editcap");
    else
        result = reader->next(reader, record, error);
    reader->ended = result != 1;
    return result;
}

int read_run(struct reader *reader, struct record records[READ_RUN], struct wh_error *error)
{
    int status = read_next(reader, records, error);
    if (status != 1 || !reader->more)
        return status;
    uint32_t left = UINT32_MAX - reader->frames, max = READ_RUN - 1;
    return 1 + (int)reader->more(reader, records + 1, left < max ? left : max);
}

void read_ahead(struct reader *reader)
{
    source_ahead(reader->source);
}

const char *read_format(const struct reader *reader)
{
    return reader->format_name;
}

double read_progress(const struct reader *reader)
{
    return reader->ended ? 1 : window_progress(&reader->window);
}

uint32_t read_interface_count(const struct reader *reader)
{
    return reader->interface_count;
}

const struct interface_info *read_interface(const struct reader *reader, uint32_t index)
{
    return index < reader->interface_count ? &reader->interfaces[index]->info : NULL;
}

void read_close(struct reader *reader)
{
    if (!reader)
        return;
    foreign_close(reader->foreign);
    window_close(&reader->window);
    source_close(reader->source);
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader->interfaces);
    arena_free(&reader->arena);
    free(reader->path);
    free(reader);
}

bool read_is_stream(const char *path)
{
    struct stat status;
    (void)named_format(&path);
    return is_standard_input(path) ||
           (stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode));
}

int read_first_time(const char *path, struct point_time *first, struct wh_error *error)
{
    struct reader *reader;
    struct record record;
    if (read_open(&reader, path, error))
        return WH_ERROR;
    int result = read_next(reader, &record, error);
    if (result == 1)
        *first = record.time;
    read_close(reader);
    return result;
}
