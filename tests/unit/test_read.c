/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The read stage: every format, byte order and packing that it reads, and what it says of files
 * that it cannot read. */
#include "read_samples.h"

#include <pcap/pcap.h>
#include <sys/stat.h>

static void test_pcap(void **state)
{
    (void)state;
    static const struct {
        uint32_t magic;
        int64_t unit_ns;
        const char *name;
    } KINDS[] = {{0xa1b2c3d4, 1000, "pcap"}, {0xa1b23c4d, 1, "pcap (ns)"}};
    for (unsigned i = 0; i < 8 * WAYS; i++) {
        struct reading got;
        unsigned kind = i & 1;
        struct bytes file = pcap_sample(i & 2, KINDS[kind].magic);
        read_bytes(file.at, file.count, (enum way)(i % WAYS), &got);
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 3);
        assert_string_equal(got.format, KINDS[kind].name);
        const struct record *second = &got.records[1];
        assert_int_equal(second->time.ns, 1700000001 * NS_PER_S + 5 * KINDS[kind].unit_ns);
        assert_int_equal(second->caplen, 96);
        assert_int_equal(second->wirelen, 1514);
        assert_int_equal(second->frame, 2);
        assert_int_equal(second->dlt, DLT_EN10MB);
        assert_int_equal(second->byte, 24 + 16 + 60);
        assert_int_equal(got.first[1], (uint8_t)(1700000001u * 31));
        assert_int_equal(got.records[2].time.ns, 4294967295 * NS_PER_S);
        assert_int_equal(got.interface_count, 1);
        assert_int_equal(got.interfaces[0].snaplen, 262144);
        bytes_free(&file);
    }
}

/* The patched libpcap's records, and lengths that stood the other way round. */
static void test_pcap_old(void **state)
{
    (void)state;
    struct reading got;
    struct bytes file = {.big = true};
    put_pcap_header(&file, 0xa1b2cd34, 1);
    for (unsigned i = 0; i < 2; i++) {
        put_32(&file, 7);
        put_32(&file, 8);
        put_32(&file, 40);
        put_32(&file, 1500);
        put_64(&file, 0);
        put_frame(&file, i, 40);
    }
    read_bytes(file.at, file.count, WAY_EXACT, &got);
    assert_int_equal(got.end, 0);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.records[1].caplen, 40);
    assert_int_equal(got.first[1], 31);
    assert_string_equal(got.format, "pcap (modified)");
    file.count = 0;

    for (unsigned minor = 2; minor <= 4; minor++) {
        put_pcap_header(&file, 0xa1b2c3d4, 1);
        file.at[7] = (uint8_t)minor;
        for (unsigned i = 0; i < 2; i++) {
            bool captured_first = minor == 4 || (minor == 3 && i == 0);
            put_64(&file, 0);
            put_32(&file, captured_first ? 60 : 1514);
            put_32(&file, captured_first ? 1514 : 60);
            put_frame(&file, 0, 60);
        }
        read_bytes(file.at, file.count, WAY_EXACT, &got);
        file.count = 0;
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 2);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(got.records[i].caplen, 60);
            assert_int_equal(got.records[i].wirelen, 1514);
        }
    }
    bytes_free(&file);
}

/* libpcap itself says what a number in a file means. */
static void test_link_types(void **state)
{
    (void)state;
    unsigned compared = 0;
    for (uint32_t linktype = 0; linktype < 300; linktype++) {
        char reason[PCAP_ERRBUF_SIZE];
        struct bytes file = {0};
        put_pcap_header(&file, 0xa1b2c3d4, linktype);
        pcap_t *pcap = pcap_fopen_offline(fmemopen(file.at, file.count, "rb"), reason);
        bytes_free(&file);
        if (!pcap)
            continue;
        if (linktype != 14) { /* OpenBSD's number, which libpcap leaves alone */
            if (linktype_to_dlt((uint16_t)linktype) != pcap_datalink(pcap))
                fail_msg("link type %u: %u, libpcap: %d", linktype,
                         linktype_to_dlt((uint16_t)linktype), pcap_datalink(pcap));
            compared++;
        }
        pcap_close(pcap);
    }
    assert_true(compared > 200);
}

static void test_pcapng(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * WAYS; i++) {
        struct reading got;
        struct bytes file = pcapng_sample(i % 2);
        read_bytes(file.at, file.count, (enum way)(i / 2), &got);
        bytes_free(&file);
        assert_string_equal(got.format, "pcapng");
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 6);
        static const struct record WANT[6] = {
            {.time = {1700000000000001000},
             .caplen = 60,
             .wirelen = 1514,
             .frame = 1,
             .interface = 0,
             .dlt = DLT_EN10MB,
             .flags = RECORD_INBOUND | RECORD_CHECKSUM_NOT_READY},
            {.time = {1700000000000000007},
             .caplen = 33,
             .wirelen = 33,
             .frame = 2,
             .interface = 1,
             .dlt = DLT_RAW,
             .flags = RECORD_OUTBOUND | RECORD_CHECKSUM_VALID | RECORD_OFFLOADED_SEGMENTS},
            {.time = {1700000000000000007},
             .caplen = 64,
             .wirelen = 1000,
             .frame = 3,
             .interface = 0,
             .dlt = DLT_EN10MB,
             .flags = 0},
            {.time = {1700000000000002000},
             .caplen = 41,
             .wirelen = 1514,
             .frame = 5,
             .interface = 0,
             .dlt = DLT_EN10MB,
             .flags = 0},
            {.time = {1700000000000003000},
             .caplen = 40,
             .wirelen = 1514,
             .frame = 6,
             .interface = 0,
             .dlt = DLT_EN10MB,
             .flags = 0},
            {.time = {1700000000500000000},
             .caplen = 20,
             .wirelen = 20,
             .frame = 7,
             .interface = 2,
             .dlt = DLT_LINUX_SLL,
             .flags = 0},
        };
        static const uint8_t FIRST[6] = {68, 255, 62, 31, 31, 108}; /* 31 * seed, as samples do */
        for (unsigned k = 0; k < 6; k++) {
            assert_int_equal(got.records[k].time.ns, WANT[k].time.ns);
            assert_int_equal(got.records[k].caplen, WANT[k].caplen);
            assert_int_equal(got.records[k].wirelen, WANT[k].wirelen);
            assert_int_equal(got.records[k].frame, WANT[k].frame);
            assert_int_equal(got.records[k].interface, WANT[k].interface);
            assert_int_equal(got.records[k].dlt, WANT[k].dlt);
            assert_int_equal(got.records[k].flags, WANT[k].flags);
            assert_int_equal(got.first[k], FIRST[k]);
        }
        assert_int_equal(got.interface_count, 3);
        assert_int_equal(got.interfaces[0].dropped, 30); /* told twice, the larger holds */
        assert_int_equal(got.interfaces[1].dropped, 4);
        assert_int_equal(got.interfaces[2].dropped, 0);
    }
}

static void test_interface_names(void **state)
{
    (void)state;
    struct reader *reader;
    struct record record;
    struct bytes file = pcapng_sample(false);
    write_file(path, file.at, file.count);
    bytes_free(&file);
    assert_int_equal(read_open(&reader, path, NULL), 0);
    assert_int_equal(read_next(reader, &record, NULL), 1);
    const struct interface_info *first = read_interface(reader, 0);
    while (read_next(reader, &record, NULL) == 1)
        ;
    assert_ptr_equal(first, read_interface(reader, 0));
    assert_string_equal(first->name, "eth0");
    assert_string_equal(read_interface(reader, 1)->name, "tun0");
    assert_string_equal(read_interface(reader, 2)->name, "");
    assert_int_equal(first->snaplen, 64);
    assert_null(read_interface(reader, 3));
    read_close(reader);
}

/* Stamps at the ends of what 64 bits hold, in every resolution: none overflows. */
static void test_stamps(void **state)
{
    (void)state;
    static const uint64_t STAMPS[] = {0, 1, SECOND_US, INT64_MAX, UINT64_MAX};
    static const int64_t OFFSETS[] = {0, INT64_MAX, INT64_MIN, 1};
    for (unsigned resolution = 0; resolution < 256; resolution++) {
        struct bytes file = {0};
        struct reading got;
        put_section(&file, false);
        for (unsigned i = 0; i < 4; i++)
            put_interface(&file, 1, 0, NULL, (uint8_t)resolution, OFFSETS[i]);
        for (unsigned i = 0; i < 20; i++)
            put_enhanced(&file, i % 4, STAMPS[i / 4], 20, 20, 0, UINT64_MAX);
        read_bytes(file.at, file.count, WAY_SMALL, &got);
        bytes_free(&file);
        assert_int_equal(got.count, 20);
        for (unsigned i = 0; i < 20; i++) {
            assert_true(got.records[i].time.ns <= READ_TIME_LIMIT_NS);
            assert_true(got.records[i].time.ns >= -READ_TIME_LIMIT_NS);
        }
        assert_true(got.interfaces[0].dropped == UINT64_MAX);
        if (resolution == 6)
            assert_int_equal(got.records[8].time.ns, SECOND_US * 1000);
        if (resolution == 12)
            assert_int_equal(got.records[8].time.ns, SECOND_US / 1000);
    }
}

static void test_erf(void **state)
{
    (void)state;
    for (unsigned way = 0; way < WAYS; way++) {
        struct reading got;
        struct bytes file = erf_sample();
        read_bytes(file.at, file.count, (enum way)way, &got);
        bytes_free(&file);
        assert_string_equal(got.format, "erf");
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 3); /* the fourth is padding */
        assert_int_equal(got.records[1].time.ns, 1700000001500000000);
        assert_int_equal(got.records[2].caplen, 60);
        assert_int_equal(got.records[2].dlt, DLT_EN10MB);
        assert_int_equal(got.first[1], 31 + 2);
        assert_int_equal(got.first[2], 62 + 2);
        assert_int_equal(got.records[1].interface, 1);
        assert_int_equal(got.interfaces[0].dropped, 2);
        assert_int_equal(got.interfaces[1].dropped, 1);
    }
}

static void test_snoop(void **state)
{
    (void)state;
    struct reading got;
    struct bytes file = snoop_sample();
    read_bytes(file.at, file.count, WAY_EXACT, &got);
    bytes_free(&file);
    assert_string_equal(got.format, "snoop");
    assert_int_equal(got.end, 0);
    assert_int_equal(got.count, 3);
    assert_int_equal(got.records[2].time.ns, 1700000002250000000);
    assert_int_equal(got.records[2].caplen, 61);
    assert_int_equal(got.first[2], 62);
    assert_int_equal(got.interfaces[0].dropped, 10);
}

/* ---- messages, first times, filters -------------------------------------------------------- */

static void expect_refused(const char *name, const char *part)
{
    struct reader *reader;
    struct wh_error error = {0};
    assert_int_equal(read_open(&reader, name, &error), WH_ERROR);
    assert_null(reader);
    assert_contains(error.text, part);
    assert_contains(error.text, name);
    assert_string_equal(error.file, name);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *part;
    } FILES[] = {
        {"", 0, "is empty"},
        {"hello, world", 12, "68 65 6c 6c 6f 2c 20 77"},
        {"x", 1, "starts with the bytes 78;"},
        {"\xd4\xc3\xb2\xa1\2\0\4\0", 8, "ends within the header of a pcap file: 8 of 24 bytes"},
        {"\x0a\x0d\x0d\x0a\x1c\0\0\0", 8, "ends within the header of a pcapng file"},
        {"\x0a\x0d\x0d\x0a\x1c\0\0\0abcdefgh", 16, "byte order"},
        {"snoop\0\0\0\0\0\0\2", 12, "ends within the header of a snoop file"},
        {"\x28\xb5\x2f\xfd ........", 12, "zstd -d"},
        {"\x1f\x8b", 2, "gzip data end too early"},
        {"\x1f\x8b........", 10, "gzip data are damaged"},
        {"\xd4\xc3\xb2\xa1\x09\0\4\0................", 24, "version 9.4"},
    };
    expect_refused("/nonexistent/file.pcap", "no such file");
    expect_refused(folder, "is a folder");
    for (unsigned i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        write_file(path, FILES[i].bytes, FILES[i].count);
        expect_refused(path, FILES[i].part);
    }
    if (geteuid() != 0) { /* root may read everything */
        assert_int_equal(chmod(path, 0), 0);
        expect_refused(path, "not readable");
        assert_int_equal(chmod(path, 0600), 0);
    }
}

static void test_first_time(void **state)
{
    (void)state;
    struct point_time first;
    struct bytes file = pcap_sample(true, 0xa1b2c3d4);
    write_file(path, file.at, file.count);
    assert_int_equal(read_first_time(path, &first, NULL), 1);
    assert_int_equal(first.ns, 1700000000999999000);
    write_file(path, file.at, 24);
    assert_int_equal(read_first_time(path, &first, NULL), 0);
    write_file(path, file.at, 30);
    assert_int_equal(read_first_time(path, &first, NULL), WH_ERROR);
    bytes_free(&file);
}

static void test_filter(void **state)
{
    (void)state;
    static const uint8_t SYN[54] = {[12] = 8, [14] = 0x45, [17] = 40, [22] = 64,   [23] = 6,
                                    [34] = 4, [35] = 210,  [37] = 80, [46] = 0x50, [47] = 2};
    struct record record = {.data = SYN, .caplen = 54, .wirelen = 54, .dlt = DLT_EN10MB};
    struct filter *filter;
    struct wh_error error;
    assert_int_equal(filter_open(&filter, "tcp dst port 80", &error), 0);
    assert_int_equal(filter_match(filter, &record, &error), 1);
    record.caplen = 30; /* the port is not there */
    assert_int_equal(filter_match(filter, &record, &error), 0);
    record = (struct record){.data = SYN + 14, .caplen = 40, .wirelen = 40, .dlt = DLT_RAW};
    assert_int_equal(filter_match(filter, &record, &error), 1);
    filter_close(filter);

    assert_int_equal(filter_open(&filter, "vlan 5", &error), 0);
    assert_int_equal(filter_match(filter, &record, &error), WH_ERROR);
    assert_contains(error.text, "RAW");
    filter_close(filter);

    assert_int_equal(filter_open(&filter, "tcp port ninety", &error), WH_ERROR);
    assert_null(filter);
    assert_contains(error.text, "tcp port ninety");
    filter_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcap),
        cmocka_unit_test(test_pcap_old),
        cmocka_unit_test(test_link_types),
        cmocka_unit_test(test_pcapng),
        cmocka_unit_test(test_interface_names),
        cmocka_unit_test(test_stamps),
        cmocka_unit_test(test_erf),
        cmocka_unit_test(test_snoop),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_first_time),
        cmocka_unit_test(test_filter),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
