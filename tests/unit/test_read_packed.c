/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The read stage on streams: packed files, whole and damaged, pipes and standard input. */
#include "read_samples.h"

#include <bzlib.h>
#include <lzma.h>
#include <pthread.h>
#include <sys/stat.h>
#include <zlib.h>

static struct bytes pack_gzip(const uint8_t *from, size_t count)
{
    z_stream stream = {0};
    struct bytes packed = {.at = malloc(count + 1000), .capacity = count + 1000};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (uint8_t *)from;
    stream.avail_in = (unsigned)count;
    stream.next_out = packed.at;
    stream.avail_out = (unsigned)packed.capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.count = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

static struct bytes pack_bzip2(const uint8_t *from, size_t count)
{
    unsigned packed_count = (unsigned)count + 1000;
    struct bytes packed = {.at = malloc(packed_count), .capacity = packed_count};
    assert_int_equal(BZ2_bzBuffToBuffCompress((char *)packed.at, &packed_count, (char *)from,
                                              (unsigned)count, 9, 0, 0),
                     BZ_OK);
    packed.count = packed_count;
    return packed;
}

static struct bytes pack_xz(const uint8_t *from, size_t count)
{
    struct bytes packed = {.at = malloc(count + 1000), .capacity = count + 1000};
    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, NULL, from, count, packed.at,
                                             &packed.count, packed.capacity),
                     LZMA_OK);
    return packed;
}

static const struct packing {
    const char *format;
    struct bytes (*pack)(const uint8_t *from, size_t count);
} PACKINGS[] = {{"pcap (gzip)", pack_gzip}, {"pcap (bzip2)", pack_bzip2}, {"pcap (xz)", pack_xz}};

/* Unpacked when asked for, or ahead. */
static const enum way WAYS_PACKED[] = {WAY_USUAL, WAY_AHEAD};

/* Larger than every buffer on the way; in one member, in two, and with zeros behind. */
static void test_packed(void **state)
{
    (void)state;
    struct bytes file = long_pcap(2000);
    for (unsigned turn = 0; turn < 6; turn++) {
        unsigned i = turn / 2;
        enum way way = WAYS_PACKED[turn % 2];
        struct reading plain, whole, halves;
        read_bytes(file.at, file.count, WAY_USUAL, &plain);
        struct bytes packed = PACKINGS[i].pack(file.at, file.count);
        read_bytes(packed.at, packed.count, way, &whole);
        bytes_free(&packed);
        packed = PACKINGS[i].pack(file.at, 1234567);
        struct bytes second = PACKINGS[i].pack(file.at + 1234567, file.count - 1234567);
        put(&packed, second.at, second.count);
        put_64(&packed, 0);
        read_bytes(packed.at, packed.count, way, &halves);
        bytes_free(&packed);
        bytes_free(&second);
        assert_string_equal(whole.format, PACKINGS[i].format);
        assert_int_equal(plain.count, 2000);
        assert_int_equal(whole.count, 2000);
        assert_int_equal(halves.count, 2000);
        assert_int_equal(whole.end, 0);
        assert_int_equal(halves.end, 0);
        assert_true(whole.sum == plain.sum && halves.sum == plain.sum);
    }
    bytes_free(&file);
}

/* The other formats, packed: the same packets as plain ones. */
static void test_packed_formats(void **state)
{
    (void)state;
    static struct bytes (*const SAMPLES[])(void) = {erf_sample, snoop_sample};
    static const char *const NAMES[] = {"erf", "snoop"};
    for (unsigned i = 0; i < 3 * 2; i++) {
        struct reading plain, got;
        struct bytes file = SAMPLES[i % 2]();
        struct bytes packed = PACKINGS[i / 2].pack(file.at, file.count);
        read_bytes(file.at, file.count, WAY_USUAL, &plain);
        read_bytes(packed.at, packed.count, WAY_USUAL, &got);
        bytes_free(&packed);
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 3);
        assert_true(got.sum == plain.sum);
        assert_memory_equal(got.format, NAMES[i % 2], strlen(NAMES[i % 2]));
        assert_contains(got.format, strchr(PACKINGS[i / 2].format, '('));

        packed = PACKINGS[i / 2].pack(file.at, file.count - 100); /* cut before it was packed */
        read_bytes(packed.at, packed.count, WAY_USUAL, &got);
        bytes_free(&packed);
        bytes_free(&file);
        assert_int_equal(got.end, WH_ERROR);
        assert_contains(got.error.text, "in the middle of this packet");
    }
}

/* Packed data that end early or are damaged are read as far as they go. */
static void test_packed_damaged(void **state)
{
    (void)state;
    struct bytes file = long_pcap(2000);
    static const char *const ENDS[] = {"the gzip data end too early",
                                       "the bzip2 data end too early", "the xz data end too early"};
    for (unsigned turn = 0; turn < 6; turn++) {
        unsigned i = turn / 2;
        enum way way = WAYS_PACKED[turn % 2];
        struct reading got;
        struct bytes packed = PACKINGS[i].pack(file.at, file.count);
        read_bytes(packed.at, packed.count - 5, way, &got);
        assert_int_equal(got.end, WH_ERROR);
        assert_contains(got.error.text, ENDS[i]);
        assert_contains(got.error.text, path);
        assert_int_equal(got.error.packet, got.count + 1);
        packed.at[packed.count / 2] ^= 0x55;
        read_bytes(packed.at, packed.count, way, &got);
        assert_int_not_equal(got.end, 0);
        bytes_free(&packed);
    }
    bytes_free(&file);
}

/* Closed while its thread waits to give more, and while it works. */
static void test_closed_early(void **state)
{
    (void)state;
    struct bytes file = long_pcap(4000);
    struct bytes packed = pack_gzip(file.at, file.count);
    write_file(path, packed.at, packed.count);
    for (unsigned records = 0; records < 4000; records += 400) {
        struct reader *reader;
        struct record record;
        struct wh_error error;
        assert_int_equal(read_open(&reader, path, &error), 0);
        read_ahead(reader);
        for (unsigned i = 0; i < records; i++)
            assert_int_equal(read_next(reader, &record, &error), 1);
        read_close(reader);
    }
    bytes_free(&file);
    bytes_free(&packed);
}

struct writer {
    const struct bytes *file;
    const char *path;
};

static void *write_fifo(void *argument)
{
    const struct writer *writer = argument;
    write_file(writer->path, writer->file->at, writer->file->count);
    return NULL;
}

static void test_fifo(void **state)
{
    (void)state;
    struct bytes file = long_pcap(1000);
    char fifo[80];
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct writer writer = {&file, fifo};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_fifo, &writer), 0);
    struct reader *reader;
    struct reading got = {0};
    assert_int_equal(read_open(&reader, fifo, &got.error), 0);
    read_all(reader, false, &got);
    read_close(reader);
    pthread_join(thread, NULL);
    unlink(fifo);
    assert_int_equal(got.end, 0);
    assert_int_equal(got.count, 1000);
    bytes_free(&file);
}

static void test_standard_input(void **state)
{
    (void)state;
    struct reading got = {0};
    struct reader *reader;
    struct bytes file = pcap_sample(false, 0xa1b2c3d4);
    write_file(path, file.at, file.count);
    bytes_free(&file);
    int kept = dup(STDIN_FILENO);
    assert_non_null(freopen(path, "rb", stdin));
    assert_int_equal(read_open(&reader, "-", &got.error), 0);
    read_all(reader, true, &got);
    read_close(reader);
    if (kept >= 0) {
        assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
        close(kept);
    }
    assert_int_equal(got.end, 0);
    assert_int_equal(got.count, 3);
}

/* A packed file changed at every byte, and cut at every one. */
static void test_packed_everywhere(void **state)
{
    (void)state;
    struct bytes file = pcapng_sample(false);
    struct bytes packed = pack_gzip(file.at, file.count);
    struct reading got;
    for (size_t i = 0; i < packed.count; i++) {
        packed.at[i] ^= 0x40;
        read_bytes(packed.at, packed.count, WAYS_PACKED[i % 2], &got);
        packed.at[i] ^= 0x40;
        assert_true(got.count < 1000);
    }
    for (size_t cut = 0; cut < packed.count; cut++) {
        read_bytes(packed.at, cut, WAYS_PACKED[cut % 2], &got);
        assert_int_not_equal(got.end, 0);
    }
    bytes_free(&file);
    bytes_free(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed),         cmocka_unit_test(test_packed_formats),
        cmocka_unit_test(test_packed_damaged), cmocka_unit_test(test_packed_everywhere),
        cmocka_unit_test(test_closed_early),   cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_standard_input),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
