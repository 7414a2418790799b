/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The formats that come through libtrace, named as "FORMAT:FILE": whole, packed, cut and changed at
 * every byte. libtrace aborts on some of these when it is given them unchecked.
 */
#include "read_samples.h"

#include <fcntl.h>
#include <libtrace.h>
#include <pcap/dlt.h>
#include <sys/stat.h>
#include <zlib.h>

#define START_S 1000000000u

static void put_zeros(struct bytes *to, size_t count)
{
    for (; count > 0; count--)
        put_number(to, 0, 1, true);
}

/* 20 bytes of an IP header that counts `words`, then 16 of the transport's. */
static void put_tsh(struct bytes *to, unsigned number, unsigned words)
{
    put_number(to, START_S + number, 4, true);
    put_number(to, 1u << 24 | (250000 + number), 4, true); /* interface 1 */
    put_number(to, 0x4000 | words << 8, 2, true);
    put_number(to, 1500, 2, true);
    put_frame(to, number, 16 + 16);
}

static void put_legacy_stamp(struct bytes *to, unsigned number)
{
    put_number(to, (uint64_t)(START_S + number) << 32 | 0x40000000u, 8, false);
}

static void put_legacyeth(struct bytes *to, unsigned number, unsigned wirelen)
{
    put_legacy_stamp(to, number);
    put_number(to, wirelen, 2, false);
    put_frame(to, number, 54);
}

static void put_legacypos(struct bytes *to, unsigned number, uint32_t wirelen)
{
    put_legacy_stamp(to, number);
    put_number(to, 64, 4, true);
    put_number(to, wirelen, 4, true);
    put_number(to, 0xff030021, 4, true); /* PPP in HDLC framing, IPv4 */
    put_frame(to, number, 44);
}

static void put_legacyatm(struct bytes *to, unsigned number)
{
    put_legacy_stamp(to, number);
    put_zeros(to, 4 + 4); /* CRC, the cell's header */
    put_frame(to, number, 48);
}

static void put_atmhdr(struct bytes *to, unsigned number)
{
    put_number(to, 0x40000000u, 4, false);
    put_number(to, START_S + number, 4, false);
    put_zeros(to, 4);
}

static void put_any(struct bytes *to, unsigned format, unsigned number)
{
    switch (format) {
    case 0:
    case 1:
        put_tsh(to, number, 5);
        break;
    case 2:
        put_legacyeth(to, number, 1510);
        break;
    case 3:
        put_legacypos(to, number, 1510);
        break;
    case 4:
        put_legacyatm(to, number);
        break;
    default:
        put_atmhdr(to, number);
    }
}

static const struct {
    const char *name;
    size_t record_bytes;
    int64_t fraction_ns;
    uint32_t caplen, wirelen;
    uint16_t dlt;
    uint8_t first; /* the first byte of the third packet */
} FORMATS[] = {
    {"tsh", 44, 250002000, 36, 1500, DLT_RAW, 0x45},
    {"fr+", 44, 250002000, 36, 1500, DLT_RAW, 0x45},
    {"legacyeth", 64, 250000000, 54, 1514, DLT_EN10MB, 62},
    {"legacypos", 64, 250000000, 48, 1510, DLT_PPP_SERIAL, 0xff},
    {"legacyatm", 64, 250000000, 48, 49, DLT_ATM_RFC1483, 62},
    {"atmhdr", 12, 250000000, 0, 49, DLT_ATM_RFC1483, 0},
};
#define FORMAT_COUNT (sizeof FORMATS / sizeof *FORMATS)

static struct bytes foreign_sample(unsigned format, unsigned packets)
{
    struct bytes file = {0};
    for (unsigned i = 0; i < packets; i++)
        put_any(&file, format, i);
    return file;
}

static char uri[96];

static void name_uri(const char *format)
{
    snprintf(uri, sizeof uri, "%s:%s", format, path);
}

static void read_named(const char *format, const uint8_t *bytes, size_t count, bool small,
                       struct reading *reading)
{
    struct reader *reader;
    memset(reading, 0, sizeof *reading);
    write_file(path, bytes, count);
    name_uri(format);
    if (reader_open(&reader, uri, small ? SMALL_BUFFER_BYTES : READ_BUFFER_BYTES,
                    &reading->error)) {
        assert_null(reader);
        reading->end = 2;
        return;
    }
    read_all(reader, true, reading);
    read_close(reader);
}

static void test_formats(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * FORMAT_COUNT; i++) {
        struct reading got;
        unsigned format = i / 2;
        struct bytes file = foreign_sample(format, 3);
        assert_int_equal(file.count, 3 * FORMATS[format].record_bytes);
        read_named(FORMATS[format].name, file.at, file.count, i % 2, &got);
        bytes_free(&file);
        const struct record *third = &got.records[2];
        assert_string_equal(got.format, FORMATS[format].name);
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 3);
        assert_int_equal(third->time.ns, (START_S + 2) * NS_PER_S + FORMATS[format].fraction_ns);
        assert_int_equal(third->caplen, FORMATS[format].caplen);
        assert_int_equal(third->wirelen, FORMATS[format].wirelen);
        assert_int_equal(third->frame, 3);
        assert_int_equal(third->dlt, FORMATS[format].dlt);
        assert_int_equal(third->byte, 2 * FORMATS[format].record_bytes);
        assert_int_equal(got.first[2], FORMATS[format].first);
        assert_int_equal(got.interface_count, 1);
        assert_int_equal(got.interfaces[0].dlt, FORMATS[format].dlt);
    }
}

/* Every byte that is handed out is one of the file, in its place. */
static void test_bytes(void **state)
{
    (void)state;
    static const unsigned OFFSETS[FORMAT_COUNT] = {8, 8, 10, 16, 16, 12};
    for (unsigned format = 0; format < FORMAT_COUNT; format++) {
        struct reader *reader;
        struct record record;
        struct bytes file = foreign_sample(format, 200);
        write_file(path, file.at, file.count);
        name_uri(FORMATS[format].name);
        assert_int_equal(read_open(&reader, uri, NULL), 0);
        while (read_next(reader, &record, NULL) == 1) {
            assert_true(OFFSETS[format] + record.caplen <= FORMATS[format].record_bytes);
            assert_memory_equal(record.data, file.at + record.byte + OFFSETS[format],
                                record.caplen);
        }
        assert_int_equal(record.frame, 200);
        read_close(reader);
        bytes_free(&file);
    }
}

/* Larger than every buffer on the way; libtrace reads ahead in a thread of its own, which a close
 * in the middle ends. */
static void test_large(void **state)
{
    (void)state;
    const unsigned packets = 100 * 1000;
    struct bytes file = foreign_sample(0, packets);
    struct reading got;
    read_named("tsh", file.at, file.count, true, &got);
    assert_int_equal(got.end, 0);
    assert_int_equal(got.count, packets);
    for (unsigned taken = 0; taken < 3; taken++) {
        struct reader *reader, *beside;
        struct record record;
        assert_int_equal(read_open(&reader, uri, NULL), 0);
        assert_int_equal(read_open(&beside, uri, NULL), 0);
        for (unsigned i = 0; i < taken; i++) {
            assert_int_equal(read_next(reader, &record, NULL), 1);
            assert_int_equal(record.time.ns, (START_S + i) * NS_PER_S + (250000 + i) * NS_PER_US);
            assert_int_equal(read_next(beside, &record, NULL), 1);
        }
        read_close(reader);
        assert_int_equal(read_next(beside, &record, NULL), 1);
        assert_int_equal(record.frame, taken + 1);
        read_close(beside);
    }
    bytes_free(&file);
}

static void test_packed(void **state)
{
    (void)state;
    struct reading got;
    struct bytes file = foreign_sample(0, 1000);
    gzFile packed = gzopen(path, "wb");
    assert_non_null(packed);
    assert_int_equal(gzwrite(packed, file.at, (unsigned)file.count), file.count);
    assert_int_equal(gzclose(packed), Z_OK);
    uint8_t start[64 * 1024];
    FILE *again = fopen(path, "rb");
    assert_non_null(again);
    size_t count = fread(start, 1, sizeof start, again);
    assert_int_equal(fclose(again), 0);
    assert_true(count > 100 && count < sizeof start);

    read_named("tsh", start, count, true, &got);
    assert_int_equal(got.end, 0);
    assert_int_equal(got.count, 1000);
    assert_string_equal(got.format, "tsh (gzip)");
    read_named("tsh", start, count - 20, true, &got);
    assert_int_equal(got.end, WH_ERROR);
    assert_true(got.count < 1000);
    assert_int_equal(got.error.packet, got.count + 1);
    assert_contains(got.error.text, "the gzip data end too early");
    bytes_free(&file);
}

/* Under the address sanitizer libtrace's thread and buffers cost some 40 ms a file: cut where it
 * may matter, of two packets. */
static void test_cut(void **state)
{
    (void)state;
    for (unsigned format = 0; format < FORMAT_COUNT; format++) {
        struct bytes file = foreign_sample(format, 2);
        const size_t size = FORMATS[format].record_bytes;
        const size_t cuts[] = {1, size - 1, size, size + 1, size * 3 / 2, 2 * size - 1, 2 * size};
        for (unsigned i = 0; i < sizeof cuts / sizeof *cuts; i++) {
            char want[64];
            struct reading got;
            const size_t cut = cuts[i];
            read_named(FORMATS[format].name, file.at, cut, i % 2, &got);
            assert_int_equal(got.count, cut / size);
            assert_int_equal(got.end, cut % size ? WH_ERROR : 0);
            if (cut % size == 0)
                continue;
            snprintf(want, sizeof want, "%zu of %zu bytes", cut % size, size);
            assert_contains(got.error.text, want);
            assert_int_equal(got.error.packet, got.count + 1);
            assert_int_equal(got.error.byte, cut / size * size);
        }
        bytes_free(&file);
    }
}

/* Of the second packet. */
static void test_change_everywhere(void **state)
{
    (void)state;
    static const uint8_t MASKS[] = {0xff, 0x80, 0x01, 0x3c};
    for (unsigned format = 1; format < FORMAT_COUNT; format++) { /* fr+ is tsh */
        struct bytes file = foreign_sample(format, 2);
        for (size_t place = file.count / 2; place < file.count; place++) {
            struct reading got;
            uint8_t mask = MASKS[place % sizeof MASKS];
            file.at[place] ^= mask;
            read_named(FORMATS[format].name, file.at, file.count, place % 2, &got);
            file.at[place] ^= mask;
            assert_true(got.end == 0 || got.end == WH_ERROR);
            if (got.end == 0)
                assert_int_equal(got.count, 2);
            else
                assert_contains(got.error.text, path);
        }
        bytes_free(&file);
    }
}

/* A record at whose wire length libtrace would abort, and those beside which it does not. */
static void test_wire_lengths(void **state)
{
    (void)state;
    static const struct {
        uint32_t wirelen;
        bool pos, sane;
    } LENGTHS[] = {{0, true, false},          {1, true, true},          {65535, true, true},
                   {65536, true, false},      {INT32_MAX, true, false}, {UINT32_MAX, true, false},
                   {0, false, true},          {65531, false, true},     {65532, false, false},
                   {UINT16_MAX, false, false}};
    for (unsigned i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
        struct reading got;
        struct bytes file = {0};
        bool pos = LENGTHS[i].pos;
        put_any(&file, pos ? 3 : 2, 0);
        if (pos)
            put_legacypos(&file, 1, LENGTHS[i].wirelen);
        else
            put_legacyeth(&file, 1, LENGTHS[i].wirelen);
        read_named(pos ? "legacypos" : "legacyeth", file.at, file.count, false, &got);
        bytes_free(&file);
        assert_int_equal(got.count, LENGTHS[i].sane ? 2 : 1);
        assert_int_equal(got.end, LENGTHS[i].sane ? 0 : WH_ERROR);
        if (LENGTHS[i].sane)
            continue;
        assert_contains(got.error.text, "packet 2 (byte 64): a packet of ");
    }
}

/* Options of IP are not in the file, though the header counts them: nothing behind it is used. */
static void test_dropped_options(void **state)
{
    (void)state;
    struct reading got;
    struct bytes file = {0};
    put_tsh(&file, 0, 6);
    put_tsh(&file, 1, 5);
    read_named("tsh", file.at, file.count, false, &got);
    bytes_free(&file);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.records[0].caplen, 20);
    assert_int_equal(got.records[0].wirelen, 1500);
    assert_int_equal(got.records[1].caplen, 36);
}

/* What libtrace would take for packed data, at the start of what is there or in it. */
static void test_packed_twice(void **state)
{
    (void)state;
    static const char *const STARTS[] = {"\x1f\x8b\x08", "\x1f\x9d\x90",     "BZh9",
                                         "\xfd\067zXZ",  "\x28\xb5\x2f\xfd", "\x04\x22\x4d\x18",
                                         "\x89LZO"};
    for (unsigned i = 0; i < sizeof STARTS / sizeof *STARTS; i++) {
        struct reading got;
        struct bytes file = foreign_sample(0, 500);
        memcpy(file.at, STARTS[i], strlen(STARTS[i]));
        write_file(path, file.at, file.count);
        gzFile packed = gzopen(path, "wb");
        assert_non_null(packed);
        assert_int_equal(gzwrite(packed, file.at, (unsigned)file.count), file.count);
        assert_int_equal(gzclose(packed), Z_OK);
        struct reader *reader;
        name_uri("tsh");
        memset(&got, 0, sizeof got);
        if (read_open(&reader, uri, &got.error)) {
            assert_contains(got.error.text, "is packed twice");
        } else {
            read_all(reader, false, &got);
            read_close(reader);
            assert_true(got.end == 0 ? got.count == 500 : got.end == WH_ERROR);
        }
        bytes_free(&file);
    }
}

/* ---- names --------------------------------------------------------------------------------- */

static void expect_refused(const char *name, const char *part)
{
    struct reader *reader;
    struct wh_error error = {0};
    assert_int_equal(read_open(&reader, name, &error), WH_ERROR);
    assert_null(reader);
    assert_contains(error.text, part);
    assert_string_equal(error.file, name);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const LIVE[] = {"int:lo", "ring:lo",    "bpf:lo",      "dag:/dev/dag0",
                                       "dpdk:0", "pcapint:lo", "rt:localhost"};
    struct reading got;
    struct bytes file = erf_sample();
    for (unsigned i = 0; i < sizeof LIVE / sizeof *LIVE; i++)
        expect_refused(LIVE[i], "is a device or a network");
    expect_refused("duck:file", "holds no packets");
    expect_refused("legacynzix:20000101-000000", "no absolute times");
    expect_refused("tsh:/nonexistent/file", "no such file");
    expect_refused("TSH:/nonexistent/file", "no such file");
    expect_refused("etrace:/nonexistent/file", "no such file");

    read_named("erf", file.at, file.count, false, &got); /* known by its bytes */
    assert_int_equal(got.count, 3);
    assert_string_equal(got.format, "erf");
    read_named("tsh", file.at, 0, false, &got);
    assert_int_equal(got.end, 2);
    assert_contains(got.error.text, "is empty");
    bytes_free(&file);
}

/* A file of just that name is that file. */
static void test_name_of_a_file(void **state)
{
    (void)state;
    struct reading got = {0};
    struct reader *reader;
    struct bytes file = pcap_sample(false, 0xa1b2c3d4);
    char kept[4096];
    assert_non_null(getcwd(kept, sizeof kept));
    assert_int_equal(chdir(folder), 0);
    write_file("tsh:capture", file.at, file.count);
    bytes_free(&file);
    assert_int_equal(read_open(&reader, "tsh:capture", &got.error), 0);
    read_all(reader, true, &got);
    read_close(reader);
    unlink("tsh:capture");
    assert_int_equal(chdir(kept), 0);
    assert_string_equal(got.format, "pcap");
    assert_int_equal(got.count, 3);
}

/* ---- libtrace itself ----------------------------------------------------------------------- */

/* Nothing that goes wrong in a file is printed. */
static void test_prints_nothing(void **state)
{
    (void)state;
    char name[80];
    struct stat status;
    snprintf(name, sizeof name, "%s/printed", folder);
    fflush(NULL);
    int kept_out = dup(STDOUT_FILENO), kept_err = dup(STDERR_FILENO);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && kept_out >= 0 && kept_err >= 0);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    for (unsigned i = 0; i < 4 * FORMAT_COUNT; i++) {
        struct reading got;
        struct bytes file = foreign_sample(i / 4, 3);
        memset(file.at, i % 4 == 3 ? 0xff : 0x45, i % 4 ? 16 : 0);
        read_named(FORMATS[i / 4].name, file.at, file.count - (i & 1), false, &got);
        bytes_free(&file);
    }
    fflush(NULL);
    dup2(kept_out, STDOUT_FILENO);
    dup2(kept_err, STDERR_FILENO);
    close(kept_out);
    close(kept_err);
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    unlink(name);
    assert_int_equal(status.st_size, 0);
}

/* Reads the ERF sample as libtrace does; returns how many packets it gave. */
static int count_with_libtrace(void)
{
    char name[80];
    snprintf(name, sizeof name, "erf:%s", path);
    libtrace_t *trace = trace_create(name);
    libtrace_packet_t *packet = trace_create_packet();
    int count = 0;
    if (trace_start(trace) == 0)
        while (trace_read_packet(trace, packet) > 0)
            count++;
    trace_destroy_packet(packet);
    trace_destroy(trace);
    return count;
}

/* Why ERF has a reader of its own: should this fail some day, libtrace has learnt it. */
static void test_erf_beyond_libtrace(void **state)
{
    (void)state;
    struct reading got;
    struct bytes file = erf_sample(); /* plain, plain, with extension headers, padding */
    read_bytes(file.at, file.count, WAY_SMALL, &got);
    bytes_free(&file);
    assert_int_equal(got.count, 3);
    assert_int_equal(count_with_libtrace(), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_change_everywhere),
        cmocka_unit_test(test_wire_lengths),
        cmocka_unit_test(test_dropped_options),
        cmocka_unit_test(test_packed_twice),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_name_of_a_file),
        cmocka_unit_test(test_prints_nothing),
        cmocka_unit_test(test_erf_beyond_libtrace),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
