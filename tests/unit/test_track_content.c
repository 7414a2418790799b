/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 3, track: the windows of content that are kept of a stream. */
#include "track/content.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "packet_samples.h"

#define BYTES 40000u

static struct crumbs crumbs;

static int give_back(void **state)
{
    (void)state;
    crumbs_free(&crumbs);
    return 0;
}

static uint8_t *random_bytes(uint32_t count, uint64_t seed)
{
    struct dice dice = {seed};
    uint8_t *bytes = malloc(count);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)roll(&dice, 256);
    return bytes;
}

/* The stream cut into segments, of each at most `captured` bytes. */
static void fill(struct content **content, const uint8_t *bytes, uint32_t count, uint32_t segment,
                 uint32_t captured)
{
    uint32_t pkt = 0;
    for (uint32_t at = 0; at < count; at += segment) {
        uint32_t len = count - at < segment ? count - at : segment;
        assert_true(
            content_add(&crumbs, content, pkt++, bytes + at, len < captured ? len : captured, len));
    }
}

static unsigned shared(const struct content *a, const struct content *b)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < a->count; i++)
        for (uint32_t j = 0; j < b->count; j++)
            count += a->marks[i].hash == b->marks[j].hash;
    return count;
}

static void windows_do_not_depend_on_segments(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(BYTES, 7), *others = random_bytes(BYTES, 8);
    struct content *a = NULL, *b = NULL, *c = NULL;
    fill(&a, bytes, BYTES, 1448, 1448);
    fill(&b, bytes + 37, BYTES - 37, 911, 911);
    fill(&c, others, BYTES, 1448, 1448);
    assert_true(a->anchors >= 100 && a->count <= CONTENT_MARKS_MAX);
    assert_true(shared(a, b) >= 90);
    assert_int_equal(shared(a, c), 0);
    assert_false(a->cut);
    for (uint32_t i = 0; i < a->count; i++) /* each is where it says */
        for (uint32_t j = 0; j < b->count; j++)
            if (a->marks[i].hash == b->marks[j].hash)
                assert_int_equal(content_pkt(a, &a->marks[i]) * 1448 + content_within(&a->marks[i]),
                                 content_pkt(b, &b->marks[j]) * 911 + content_within(&b->marks[j]) +
                                     37);
    free(bytes);
    free(others);
}

/* Cut short, what is left are the beginnings of packets. */
static void beginnings_of_cut_packets_are_kept(void **state)
{
    (void)state;
    uint32_t count = 1448 * 2000;
    uint8_t *bytes = random_bytes(count, 9);
    struct content *a = NULL, *b = NULL;
    fill(&a, bytes, count, 1448, 30);
    fill(&b, bytes, count, 2896, 30);
    assert_true(a->cut);
    uint32_t starts = a->count - a->anchors;
    assert_true(starts >= CONTENT_STARTS_MAX / 4 && starts <= CONTENT_STARTS_MAX);
    assert_true(shared(a, b) >= 40);
    uint32_t last = 0; /* they are spread over the whole stream */
    for (uint32_t i = 0; i < a->count; i++)
        last = content_pkt(a, &a->marks[i]) > last ? content_pkt(a, &a->marks[i]) : last;
    assert_true(last > 1500);
    free(bytes);
}

static void repetition_is_kept_once(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(BYTES, 1);
    struct content *content = NULL;
    fill(&content, bytes, BYTES, 1000, 1000);
    assert_true(content->count <= 2);
    assert_true(content_add(&crumbs, &content, 99, NULL, 0, 1000)); /* headers only */
    free(bytes);
}

/* Windows looked at alone, one after the other, are those found among many at once. */
static void windows_picked_alone_are_the_same(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(4000, 11);
    struct content *together = NULL, *alone = NULL;
    fill(&together, bytes, 4000, 4000, 4000);
    for (uint32_t i = 0; i + CONTENT_WINDOW_BYTES <= 4000; i++)
        assert_true(
            content_add(&crumbs, &alone, i, bytes + i, CONTENT_WINDOW_BYTES, CONTENT_WINDOW_BYTES));
    assert_true(together->anchors >= 96);
    assert_int_equal(alone->anchors, together->anchors);
    for (uint32_t i = 0, j = 0; i < together->anchors; i++, j++) { /* the start comes last */
        while (alone->marks[j].start)
            j++;
        assert_false(together->marks[i].start);
        assert_int_equal(alone->marks[j].hash, together->marks[i].hash);
        assert_int_equal(content_pkt(alone, &alone->marks[j]), content_within(&together->marks[i]));
    }
    free(bytes);
}

/* A place is kept in few bits, whatever the packet's number; packets that are put in order take
 * their marks along. Of what is too far from the first mark only the start is kept. */
static void marks_follow_their_packets(void **state)
{
    enum { FIRST = 1000001, PKTS = 40, FAR = 1u << CONTENT_PKT_BITS };
    (void)state;
    uint8_t *bytes = random_bytes((PKTS + 1) * 200, 12);
    uint32_t *moved_to = calloc(FIRST + FAR + 1, sizeof *moved_to);
    struct content *content = NULL;
    assert_non_null(moved_to);
    for (uint32_t i = 0; i < PKTS; i++)
        assert_true(content_add(&crumbs, &content, FIRST + i, bytes + (size_t)i * 200, 200, 200));
    uint32_t count = content->count, anchors = content->anchors;
    assert_true(anchors > 64 && anchors < CONTENT_ANCHORS_MAX);
    assert_true(content_add(&crumbs, &content, FIRST + FAR, bytes + (size_t)PKTS * 200, 200, 200));
    assert_int_equal(content->anchors, anchors);
    assert_int_equal(content->count, count + 1);
    for (uint32_t i = 0; i < PKTS; i++)
        moved_to[FIRST + i] = (FIRST + i) ^ 1;
    moved_to[FIRST + FAR] = FIRST + FAR;
    struct content before = *content;
    struct content_mark *marks = malloc(content->count * sizeof *marks);
    assert_non_null(marks);
    memcpy(marks, content->marks, content->count * sizeof *marks);
    content_renumber(content, moved_to);
    for (uint32_t i = 0; i < content->count; i++) {
        uint32_t was = content_pkt(&before, &marks[i]), at = was - FIRST;
        assert_int_equal(content_pkt(content, &content->marks[i]), moved_to[was]);
        assert_int_equal(content_within(&content->marks[i]), content_within(&marks[i]));
        if (at < PKTS && content->marks[i].start)
            assert_int_equal((uint32_t)XXH3_64bits(bytes + (size_t)at * 200, CONTENT_WINDOW_BYTES),
                             marks[i].hash);
    }
    free(marks);
    free(moved_to);
    free(bytes);
}

/* What comes after a stream's end is kept as if nothing had been given back. */
static void a_settled_stream_goes_on(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(BYTES, 13);
    struct content *settled = NULL, *other = NULL;
    content_settle(&crumbs, &settled);
    assert_null(settled);
    for (uint32_t i = 0; i + 100 <= BYTES; i += 100) {
        assert_true(content_add(&crumbs, &settled, i, bytes + i, 100, 100));
        assert_true(content_add(&crumbs, &other, i, bytes + i, 100, 100));
        if (i % 700 == 0)
            content_settle(&crumbs, &settled);
    }
    assert_true(other->count > 100);
    assert_int_equal(settled->count, other->count);
    assert_memory_equal(settled->marks, other->marks, other->count * sizeof *other->marks);
    free(bytes);
}

/* What the flows that still need it have is the same after packing, whether most do or few, and
 * nothing is left of the others'. */
static void packing_keeps_what_is_needed(uint32_t forgotten)
{
    enum { FLOWS = 20 };
    struct track track;
    struct content *before[FLOWS];
    struct talk talk = talk_usual();
    track_init(&track);
    for (uint32_t f = 0; f < FLOWS; f++) {
        char text[] = "What flow number   has to say is not what the others have";
        text[17] = (char)('a' + f);
        talk.end[0].port = (uint16_t)(50000 + f);
        track_line(&track, &talk, &(struct line){.flags = TCP_SYN});
        track_line(&track, &talk, &(struct line){.seq = 1, .ack = 1, .payload = text});
    }
    for (uint32_t f = 0; f < FLOWS; f++) {
        const struct content *content = track.flows[f].stream[0].content;
        assert_non_null(content);
        size_t bytes = sizeof *content + content->count * sizeof *content->marks;
        before[f] = malloc(bytes);
        assert_non_null(before[f]);
        memcpy(before[f], content, bytes);
        if (f < forgotten)
            track_forget_flow_content(&track.flows[f]);
    }
    track_pack_content(&track);
    assert_null(track.crumbs.pages.memory);
    assert_true((track.packed_crumbs.pages.memory == NULL) == (forgotten == FLOWS));
    for (uint32_t f = 0; f < FLOWS; f++) {
        const struct content *content = track.flows[f].stream[0].content;
        assert_true((content == NULL) == (f < forgotten));
        for (uint32_t i = 0; content && i < content->count; i++)
            assert_memory_equal(&content->marks[i], &before[f]->marks[i], sizeof *content->marks);
        assert_int_equal(content ? content->count : before[f]->count, before[f]->count);
        free(before[f]);
    }
    track_free(&track);
}

static void packed_content_is_the_same(void **state)
{
    (void)state;
    packing_keeps_what_is_needed(3);
    packing_keeps_what_is_needed(17);
    packing_keeps_what_is_needed(20);
}

/* Also where the same bytes come again at other places, among many marks. */
static void no_window_is_kept_twice(void **state)
{
    (void)state;
    uint8_t *bytes = random_bytes(BYTES, 10);
    for (uint32_t i = 1500; i < BYTES; i++)
        bytes[i] = bytes[i - 1500];
    struct content *content = NULL;
    fill(&content, bytes, BYTES, 333, 333);
    assert_true(content->count > 100);
    assert_int_equal(shared(content, content), content->count);
    uint32_t count = content->count;
    fill(&content, bytes, BYTES, 333, 333);
    assert_int_equal(content->count, count);
    free(bytes);
}

/* The rules again, window by window and mark by mark. */
struct plain_mark {
    uint32_t hash, pkt, within;
    bool start;
};

struct plain {
    struct plain_mark marks[CONTENT_MARKS_MAX];
    uint32_t count, anchors, bytes, tries, start_mask;
};

static bool plain_knows(const struct plain *plain, uint32_t hash)
{
    bool known = false;
    for (uint32_t i = 0; i < plain->count; i++)
        known |= plain->marks[i].hash == hash;
    return known;
}

static bool plain_picks(const struct plain *plain, const uint8_t *window)
{
    unsigned bits = plain->anchors < 64 ? 2 : plain->anchors < 96 ? 6 : 10;
    uint32_t first = window[0] | (uint32_t)window[1] << 8;
    uint32_t second = window[2] | (uint32_t)window[3] << 8;
    uint32_t value = (first * 0x85ebu + second * 0xc2b3u) & 0xffff;
    return value >> (16 - bits) == 1u << (bits - 1);
}

static void plain_add_anchors(struct plain *plain, uint32_t pkt, const uint8_t *payload,
                              uint32_t bytes)
{
    for (uint32_t i = 0; i + CONTENT_WINDOW_BYTES <= bytes; i++) {
        uint32_t hash = (uint32_t)XXH3_64bits(payload + i, CONTENT_WINDOW_BYTES);
        if (plain->anchors == CONTENT_ANCHORS_MAX || plain->tries == 1024)
            break;
        if (!plain_picks(plain, payload + i))
            continue;
        plain->tries++;
        if (plain_knows(plain, hash))
            continue;
        plain->marks[plain->count++] = (struct plain_mark){hash, pkt, i, false};
        plain->anchors++;
    }
}

static void plain_thin(struct plain *plain)
{
    while (plain->count - plain->anchors == CONTENT_STARTS_MAX) {
        uint32_t kept = 0;
        plain->start_mask = plain->start_mask << 1 | 1;
        for (uint32_t i = 0; i < plain->count; i++)
            if (!plain->marks[i].start || !(plain->marks[i].hash & plain->start_mask))
                plain->marks[kept++] = plain->marks[i];
        plain->count = kept;
    }
}

static void plain_add(struct plain *plain, uint32_t pkt, const uint8_t *payload, uint32_t bytes)
{
    if (plain->bytes < CONTENT_BYTES_MAX)
        plain_add_anchors(plain, pkt, payload, bytes);
    plain->bytes += bytes;
    if (bytes < CONTENT_WINDOW_BYTES)
        return;
    uint32_t hash = (uint32_t)XXH3_64bits(payload, CONTENT_WINDOW_BYTES);
    if (hash & plain->start_mask || plain_knows(plain, hash))
        return;
    plain_thin(plain);
    if (!(hash & plain->start_mask))
        plain->marks[plain->count++] = (struct plain_mark){hash, pkt, 0, true};
}

static void assert_same(const struct content *content, const struct plain *plain)
{
    uint32_t same = 0;
    assert_int_equal(content->count, plain->count);
    assert_int_equal(content->anchors, plain->anchors);
    for (uint32_t i = 0; i < plain->count; i++)
        for (uint32_t j = 0; j < plain->count; j++) {
            const struct content_mark *mark = &content->marks[i];
            const struct plain_mark *other = &plain->marks[j];
            same += mark->hash == other->hash && mark->start == other->start &&
                    content_pkt(content, mark) == other->pkt &&
                    content_within(mark) == other->within;
        }
    assert_int_equal(same, plain->count);
}

/* Segments of all lengths, some sent again; streams of all lengths, some of few different bytes,
 * some that end and go on. */
static void what_is_kept_is_what_the_rules_say(void **state)
{
    enum { STREAMS = 300, LONGEST = 1460 };
    (void)state;
    struct dice dice = {15};
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        struct content *content = NULL;
        struct plain plain = {0};
        uint8_t *bytes = random_bytes(BYTES, stream);
        uint32_t pkts = 1 + (stream % 10 ? roll(&dice, 60) : 2000);
        uint32_t longest = stream % 3 ? 1 + roll(&dice, 60) : LONGEST;
        for (uint32_t i = 0; stream % 7 == 6 && i < BYTES; i++)
            bytes[i] &= 1;
        for (uint32_t pkt = 0; pkt < pkts; pkt++) {
            uint32_t len = 1 + roll(&dice, longest), at = roll(&dice, BYTES - LONGEST);
            assert_true(content_add(&crumbs, &content, pkt, bytes + at, len, len));
            plain_add(&plain, pkt, bytes + at, len);
            if (chance(&dice, 2))
                content_settle(&crumbs, &content);
        }
        assert_same(content, &plain);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_do_not_depend_on_segments),
        cmocka_unit_test(beginnings_of_cut_packets_are_kept),
        cmocka_unit_test(repetition_is_kept_once),
        cmocka_unit_test(windows_picked_alone_are_the_same),
        cmocka_unit_test(marks_follow_their_packets),
        cmocka_unit_test(a_settled_stream_goes_on),
        cmocka_unit_test(packed_content_is_the_same),
        cmocka_unit_test(no_window_is_kept_twice),
        cmocka_unit_test(what_is_kept_is_what_the_rules_say),
    };
    return cmocka_run_group_tests(tests, NULL, give_back);
}
