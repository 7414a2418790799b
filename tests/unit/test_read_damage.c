/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The read stage on damaged files: cut at every byte, changed at every byte, lengths that lie,
 * files that become shorter. What must hold for any bytes: no touch outside of the file (the
 * address sanitizer watches), an end, and bounded memory.
 */
#include "read_samples.h"

#include <pcap/dlt.h>
#include <sys/stat.h>

enum { SAMPLES = 6 };

static struct bytes sample(unsigned number)
{
    switch (number) {
    case 0:
        return pcap_sample(false, 0xa1b2c3d4);
    case 1:
        return pcap_sample(true, 0xa1b23c4d);
    case 2:
        return pcapng_sample(false);
    case 3:
        return pcapng_sample(true);
    case 4:
        return erf_sample();
    default:
        return snoop_sample();
    }
}

/* Cut after every byte: the records before the cut are as they were, and a cut within a record is
 * told, with the packet and the place, whichever way the file is read. */
static void test_cut_everywhere(void **state)
{
    (void)state;
    for (unsigned number = 0; number < SAMPLES; number++) {
        struct bytes file = sample(number);
        struct reading whole, got;
        read_bytes(file.at, file.count, WAY_EXACT, &whole);
        assert_int_equal(whole.end, 0);
        unsigned plain_ends = 0;
        for (size_t cut = 0; cut < file.count; cut++) {
            read_bytes(file.at, cut, (enum way)(cut % WAYS), &got);
            assert_true(got.count <= whole.count);
            for (unsigned i = 0; i < got.count; i++)
                assert_memory_equal(&got.records[i].frame, &whole.records[i].frame, 4);
            plain_ends += got.end == 0;
            if (got.end != WH_ERROR)
                continue;
            assert_true(got.error.packet > got.count);
            assert_contains(got.error.text, path);
            if (!strstr(got.error.text, "in the middle"))
                fail_msg("cut at %zu: %s", cut, got.error.text);
            assert_true(got.error.byte < cut);
        }
        assert_true(plain_ends >= 2 && plain_ends <= 20); /* only between two records or blocks */
        bytes_free(&file);
    }
}

static void test_cut_message(void **state)
{
    (void)state;
    struct reading got;
    struct bytes file = pcap_sample(false, 0xa1b2c3d4);
    read_bytes(file.at, 24 + 76 + 16 + 34, WAY_USUAL, &got);
    bytes_free(&file);
    assert_int_equal(got.end, WH_ERROR);
    assert_int_equal(got.count, 1);
    assert_int_equal(got.error.packet, 2);
    assert_int_equal(got.error.byte, 100);
    assert_contains(got.error.text, "packet 2 (byte 100): the file ends in the middle");
    assert_contains(got.error.text, "50 of 112 bytes");
}

/* Every byte changed to several others. */
static void test_change_everywhere(void **state)
{
    (void)state;
    static const uint8_t MASKS[] = {0xff, 0x80, 0x01, 0x3c};
    for (unsigned number = 0; number < SAMPLES; number++) {
        struct bytes file = sample(number);
        for (size_t i = 0; i < file.count * sizeof MASKS; i++) {
            struct reading got;
            size_t place = i / sizeof MASKS;
            uint8_t mask = MASKS[i % sizeof MASKS];
            file.at[place] ^= mask;
            read_bytes(file.at, file.count, i % 2 ? WAY_EXACT : WAY_SMALL, &got);
            file.at[place] ^= mask;
            assert_true(got.count <= file.count / 12);
            if (got.end != 0)
                assert_contains(got.error.text, path);
        }
        bytes_free(&file);
    }
}

static void assert_same(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->sum, b->sum);
    if (a->end != 0)
        assert_string_equal(a->error.text, b->error.text);
    for (unsigned i = 0; i < a->count && i < 64; i++) {
        const struct record *left = &a->records[i], *right = &b->records[i];
        assert_true(left->time.ns == right->time.ns && left->frame == right->frame &&
                    left->byte == right->byte && left->caplen == right->caplen &&
                    left->wirelen == right->wirelen && left->dlt == right->dlt &&
                    left->flags == right->flags && left->interface == right->interface);
    }
}

/* Several bytes at once, at places and to values of a fixed pseudo-random row: every way reads the
 * same. */
static void test_change_many(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u; /* xorshift64 */
    for (unsigned round = 0; round < 3000; round++) {
        struct reading got, other;
        struct bytes file = sample(round % SAMPLES);
        for (unsigned i = 0; i < 1 + round % 7; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            file.at[(seed >> 8) % file.count] = (uint8_t)(seed & 1 ? seed >> 40 : 0xff);
        }
        read_bytes(file.at, file.count, WAY_EXACT, &got);
        read_bytes(file.at, file.count, (enum way)(round % WAYS), &other);
        assert_true(got.count <= file.count / 12);
        assert_same(&got, &other);
        bytes_free(&file);
    }
}

static void expect_damage(const struct bytes *file, unsigned before, const char *part)
{
    for (unsigned way = 0; way < WAYS; way++) {
        struct reading got;
        read_bytes(file->at, file->count, (enum way)way, &got);
        assert_int_equal(got.end, WH_ERROR);
        assert_int_equal(got.count, before);
        assert_contains(got.error.text, part);
    }
}

/* One more than the longest there is, and the longest number there is. */
static void test_pcap_lengths(void **state)
{
    (void)state;
    static const uint32_t LENGTHS[] = {262145, UINT32_MAX};
    for (unsigned i = 0; i < 2; i++) {
        char want[80];
        struct bytes file = {0};
        put_pcap_header(&file, 0xa1b2c3d4, 1);
        put_pcap_record(&file, 1, 1, 60, 60);
        put_64(&file, 0);
        put_32(&file, LENGTHS[i]);
        put_32(&file, 60);
        put_frame(&file, 1, 300000);
        snprintf(want, sizeof want, "packet 2 (byte 100): a captured length of %u bytes",
                 LENGTHS[i]);
        expect_damage(&file, 1, want);
        bytes_free(&file);
    }
}

/* A section, an interface, and a block of this type and these lengths. */
static struct bytes lying_block(uint32_t type, uint32_t total, uint32_t total_again)
{
    struct bytes file = {0};
    put_section(&file, false);
    put_interface(&file, 1, 0, NULL, 0, 0);
    put_32(&file, type);
    put_32(&file, total);
    for (uint32_t i = 12; i < total && i < 64; i += 4)
        put_32(&file, 0);
    put_32(&file, total_again);
    return file;
}

static void test_block_lengths(void **state)
{
    (void)state;
    static const struct {
        uint32_t type, total, total_again;
        const char *part;
    } BLOCKS[] = {
        {6, 0, 0, "impossible length"},
        {6, 8, 8, "impossible length"},
        {6, 33, 33, "impossible length"},
        {6, 0xfffffff0, 0xfffffff0, "longer than any packet"},
        {0x7777, 0xfffffff0, 0xfffffff0, "in the middle"}, /* a type that is stepped over */
        {6, 32, 36, "two lengths differ"},
        {0x7777, 32, 36, "two lengths differ"},
        {6, 28, 28, "too short for its type"},
        {2, 28, 28, "too short for its type"},
        {3, 12, 12, "too short for its type"},
        {1, 16, 16, "too short for its type"},
        {5, 20, 20, "too short for its type"},
    };
    for (unsigned i = 0; i < sizeof BLOCKS / sizeof *BLOCKS; i++) {
        struct bytes file = lying_block(BLOCKS[i].type, BLOCKS[i].total, BLOCKS[i].total_again);
        expect_damage(&file, 0, BLOCKS[i].part);
        bytes_free(&file);
    }
    struct bytes file = {0};
    put_section(&file, false);
    put_interface(&file, 1, 0, NULL, 0, 0);
    put_enhanced(&file, 1, 5, 60, 60, 0, 0);
    expect_damage(&file, 0, "interface that is not described");
    bytes_free(&file);
}

static void test_record_lengths(void **state)
{
    (void)state;
    struct reading got;
    struct bytes file = erf_sample();
    file.count = 80 + 16; /* the second record: a header alone, with no room for its padding */
    file.at[80 + 10] = 0;
    file.at[80 + 11] = 16;
    read_bytes(file.at, file.count, WAY_EXACT, &got);
    assert_int_equal(got.end, 0);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.records[1].dlt, DLT_ERF);
    assert_int_equal(got.records[1].caplen, 16);
    bytes_free(&file);

    file = erf_sample();
    size_t fourth = 80 + 80 + 96; /* behind those that tell the format */
    file.at[fourth + 11] = 15;
    expect_damage(&file, 3, "a record of 15 bytes");
    bytes_free(&file);

    file = snoop_sample();
    file.at[16 + 8 + 3] = 8; /* the record's length */
    expect_damage(&file, 0, "in a record of 8");
    file.at[16 + 8 + 3] = 24 + 60;
    expect_damage(&file, 0, "61 bytes in a record of 84");
    bytes_free(&file);
}

/* The largest packets, a block that no buffer could hold, and packets behind them. */
static void test_large(void **state)
{
    (void)state;
    struct bytes file = {0};
    put_pcap_header(&file, 0xa1b2c3d4, 1);
    for (unsigned i = 0; i < 4; i++)
        put_pcap_record(&file, i, 0, 262144 - i, 262144);
    for (unsigned way = 0; way < WAYS; way++) {
        struct reading got;
        read_bytes(file.at, file.count, (enum way)way, &got);
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 4);
        assert_int_equal(got.records[3].caplen, 262141);
    }
    bytes_free(&file);

    put_section(&file, true);
    put_interface(&file, 1, 0, NULL, 0, 0);
    put_32(&file, 0x7777);
    put_32(&file, 20 * 1024 * 1024);
    put_frame(&file, 0, 20 * 1024 * 1024 - 12);
    put_32(&file, 20 * 1024 * 1024);
    put_enhanced(&file, 0, 1, 1000 * 1000, 1000 * 1000, 0, 0);
    put_enhanced(&file, 0, 2, 60, 60, 0, 0);
    for (unsigned way = 0; way < WAYS; way++) {
        struct reading got;
        read_bytes(file.at, file.count, (enum way)way, &got);
        assert_int_equal(got.end, 0);
        assert_int_equal(got.count, 2);
        assert_int_equal(got.records[0].caplen, 1000 * 1000);
        assert_int_equal(got.records[1].time.ns, 2000);
    }
    bytes_free(&file);
}

/* A file that someone cuts while it is read: what is behind its new end is not there, and the cut
 * is told. */
static void test_becomes_shorter(void **state)
{
    (void)state;
    struct bytes file = long_pcap(8000);
    struct reader *reader;
    struct record record;
    struct wh_error error;
    const size_t new_size = 4 * 1024 * 1024;
    assert_true(file.count > 2 * new_size);
    write_file(path, file.at, file.count);
    assert_int_equal(read_open(&reader, path, &error), 0);
    assert_int_equal(read_next(reader, &record, &error), 1);
    assert_int_equal(truncate(path, (off_t)new_size), 0);
    unsigned long count = 0, sum = 0;
    int result;
    while ((result = read_next(reader, &record, &error)) == 1) {
        sum += record.data[record.caplen - 1];
        count++;
    }
    assert_int_equal(result, WH_ERROR);
    assert_contains(error.text, "ends in the middle of this packet");
    assert_true(count > 1000 && count < 8000 && sum > 0);
    read_close(reader);
    bytes_free(&file);
}

/* Many interfaces with long names: the list has a limit, and so has a name. */
static void test_many_interfaces(void **state)
{
    (void)state;
    static char name[60000];
    memset(name, 'n', sizeof name - 1);
    struct bytes file = {0};
    struct reading got;
    put_section(&file, false);
    put_interface(&file, 1, 0, name, 0, 0);
    for (unsigned i = 0; i < READ_INTERFACES_MAX; i++)
        put_interface(&file, 1, 0, NULL, 0, 0);
    read_bytes(file.at, file.count, WAY_SMALL, &got);
    bytes_free(&file);
    assert_int_equal(got.end, WH_ERROR);
    assert_int_equal(got.interface_count, READ_INTERFACES_MAX);
    assert_contains(got.error.text, "more interfaces");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),    cmocka_unit_test(test_cut_message),
        cmocka_unit_test(test_change_everywhere), cmocka_unit_test(test_change_many),
        cmocka_unit_test(test_pcap_lengths),      cmocka_unit_test(test_block_lengths),
        cmocka_unit_test(test_record_lengths),    cmocka_unit_test(test_large),
        cmocka_unit_test(test_becomes_shorter),   cmocka_unit_test(test_many_interfaces),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
