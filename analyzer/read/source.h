/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bytes of an open file, unpacked on the way when they are packed: a stream of one pass. */
#ifndef WHICHHOP_READ_SOURCE_H
#define WHICHHOP_READ_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source;

/* Reads the first bytes of `fd` (which stays the caller's) to see whether they are packed.
 * `size_bytes`: the file's size for progress, 0: not known. NULL when memory is out. */
struct source *source_open(int fd, uint64_t size_bytes);
void source_close(struct source *source);

/* Up to `room` unpacked bytes; 0: the end, or source_failure tells why not. */
size_t source_read(struct source *source, uint8_t *to, size_t room);

/* From now on a packed file is unpacked by a thread of its own, ahead of source_read, where memory
 * and threads allow it. */
void source_ahead(struct source *source);

/* NULL, or a clause like "the gzip data are damaged". */
const char *source_failure(const struct source *source);

/* "gzip", "bzip2", "xz"; NULL: not packed. */
const char *source_packing(const struct source *source);
double source_progress(const struct source *source);

/* Whether a file that starts with these bytes is packed in a way that source_open unpacks. */
bool source_is_packed(const uint8_t *start, size_t bytes);

#endif
