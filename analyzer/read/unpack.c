/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gzip (RFC 1952) through zlib, bzip2 through libbz2, xz through liblzma. */
#include "read/unpack.h"

#include <bzlib.h>
#include <limits.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What an xz header may ask for; `xz -9` needs 65 MiB. */
#define XZ_MEMORY_BYTES ((uint64_t)160 * 1024 * 1024)

static unsigned int clip(size_t bytes)
{
    return bytes > INT_MAX ? INT_MAX : (unsigned int)bytes;
}

static void *gzip_open(void)
{
    z_stream *stream = calloc(1, sizeof *stream);
    if (stream && inflateInit2(stream, 15 + 16) != Z_OK) { /* 16: gzip's header, no other */
        free(stream);
        return NULL;
    }
    return stream;
}

static enum unpack_status gzip_step(void *state, const uint8_t **in, size_t *in_bytes,
                                    uint8_t **out, size_t *out_bytes)
{
    z_stream *stream = state;
    stream->next_in = (uint8_t *)*in; /* zlib's type lacks const; it does not write there */
    stream->avail_in = clip(*in_bytes);
    stream->next_out = *out;
    stream->avail_out = clip(*out_bytes);
    int result = inflate(stream, Z_NO_FLUSH);
    *in_bytes -= (size_t)(stream->next_in - *in);
    *out_bytes -= (size_t)(stream->next_out - *out);
    *in = stream->next_in;
    *out = stream->next_out;
    if (result == Z_STREAM_END)
        return inflateReset(stream) == Z_OK ? UNPACK_MEMBER_END : UNPACK_DAMAGED;
    if (result == Z_MEM_ERROR)
        return UNPACK_NO_MEMORY;
    return result == Z_OK || result == Z_BUF_ERROR ? UNPACK_MORE : UNPACK_DAMAGED;
}

static void gzip_close(void *state)
{
    inflateEnd(state);
    free(state);
}

static void *bzip2_open(void)
{
    bz_stream *stream = calloc(1, sizeof *stream);
    if (stream && BZ2_bzDecompressInit(stream, 0, 0) != BZ_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

static enum unpack_status bzip2_step(void *state, const uint8_t **in, size_t *in_bytes,
                                     uint8_t **out, size_t *out_bytes)
{
    bz_stream *stream = state;
    stream->next_in = (char *)*in;
    stream->avail_in = clip(*in_bytes);
    stream->next_out = (char *)*out;
    stream->avail_out = clip(*out_bytes);
    int result = BZ2_bzDecompress(stream);
    *in_bytes -= (size_t)((const uint8_t *)stream->next_in - *in);
    *out_bytes -= (size_t)((uint8_t *)stream->next_out - *out);
    *in = (const uint8_t *)stream->next_in;
    *out = (uint8_t *)stream->next_out;
    if (result == BZ_STREAM_END) {
        BZ2_bzDecompressEnd(stream);
        *stream = (bz_stream){0};
        return BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK ? UNPACK_MEMBER_END : UNPACK_NO_MEMORY;
    }
    if (result == BZ_MEM_ERROR)
        return UNPACK_NO_MEMORY;
    return result == BZ_OK ? UNPACK_MORE : UNPACK_DAMAGED;
}

static void bzip2_close(void *state)
{
    BZ2_bzDecompressEnd(state);
    free(state);
}

static void *xz_open(void)
{
    lzma_stream *stream = calloc(1, sizeof *stream);
    if (stream && lzma_stream_decoder(stream, XZ_MEMORY_BYTES, 0) != LZMA_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

static enum unpack_status xz_step(void *state, const uint8_t **in, size_t *in_bytes, uint8_t **out,
                                  size_t *out_bytes)
{
    lzma_stream *stream = state;
    stream->next_in = *in;
    stream->avail_in = *in_bytes;
    stream->next_out = *out;
    stream->avail_out = *out_bytes;
    lzma_ret result = lzma_code(stream, LZMA_RUN);
    *in = stream->next_in;
    *in_bytes = stream->avail_in;
    *out = stream->next_out;
    *out_bytes = stream->avail_out;
    if (result == LZMA_STREAM_END)
        return lzma_stream_decoder(stream, XZ_MEMORY_BYTES, 0) == LZMA_OK ? UNPACK_MEMBER_END
                                                                          : UNPACK_NO_MEMORY;
    if (result == LZMA_MEM_ERROR || result == LZMA_MEMLIMIT_ERROR)
        return UNPACK_NO_MEMORY;
    return result == LZMA_OK || result == LZMA_BUF_ERROR ? UNPACK_MORE : UNPACK_DAMAGED;
}

static void xz_close(void *state)
{
    lzma_end(state);
    free(state);
}

static const struct unpack_way WAYS[] = {
    {"gzip", "\x1f\x8b", 2, gzip_open, gzip_step, gzip_close},
    {"bzip2", "BZh", 3, bzip2_open, bzip2_step, bzip2_close},
    {"xz",
     "\xfd"
     "7zXZ\0",
     6, xz_open, xz_step, xz_close},
};

const struct unpack_way *unpack_find(const uint8_t *start, size_t bytes)
{
    for (size_t i = 0; i < sizeof WAYS / sizeof *WAYS; i++)
        if (bytes >= WAYS[i].magic_bytes && !memcmp(start, WAYS[i].magic, WAYS[i].magic_bytes))
            return &WAYS[i];
    return NULL;
}
