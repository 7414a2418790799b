/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 3, track: packets out of order in the file, fragments, packets captured
 * twice without an IP ID. */
#include "packet_samples.h"

struct bench {
    struct track track;
    struct talk talk;
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return -1;
    track_init(&bench->track);
    bench->talk = talk_usual();
    *state = bench;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    track_free(&bench->track);
    free(bench);
    return 0;
}

static const struct track_flow *finished(struct bench *bench)
{
    struct wh_error error;
    assert_int_equal(track_finish(&bench->track, &error), WH_OK);
    assert_int_equal(bench->track.flow_count, 1);
    return &bench->track.flows[0];
}

/* ---- order ----------------------------------------------------------------------------------- */

static void test_late_written_packets_are_put_in_order(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.time_ns = 0, .seq = 1, .len = 100, .ack = 1},
          {.time_ns = 2 * MS, .seq = 201, .len = 100, .ack = 1},
          {.time_ns = 1 * MS, .seq = 101, .len = 100, .ack = 1},
          {.time_ns = 3 * MS, .seq = 301, .len = 100, .ack = 1});
    const struct track_flow *flow = finished(bench);
    static const uint32_t frames[] = {1, 3, 2, 4};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(flow->pkts[i].time.ns, i * MS);
        assert_int_equal(flow->pkts[i].seq, 1 + 100 * i);
        assert_int_equal(flow->pkts[i].place, frames[i]);
    }
}

static void test_equal_times_keep_the_order_of_the_file(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.time_ns = MS, .seq = 1, .len = 100, .ack = 1},
          {.time_ns = MS, .seq = 101, .len = 100, .ack = 1},
          {.time_ns = MS / 2, .side = SERVER, .seq = 1, .ack = 1},
          {.time_ns = MS, .seq = 201, .len = 100, .ack = 1});
    const struct track_flow *flow = finished(bench);
    static const uint32_t frames[] = {3, 1, 2, 4};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(flow->pkts[i].place, frames[i]);
}

static void test_sack_blocks_follow_their_packets(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.time_ns = 0, .seq = 1, .len = 9000, .ack = 1},
          {.time_ns = 3 * MS,
           .side = SERVER,
           .seq = 1,
           .ack = 1001,
           .sack = {{3001, 4001}, {5001, 6001}}},
          {.time_ns = 2 * MS, .side = SERVER, .seq = 1, .ack = 1001, .sack = {{3001, 3501}}});
    const struct track_flow *flow = finished(bench);
    assert_int_equal(flow->sack_count, 3);
    assert_int_equal(flow->sacks[0].pkt, 1);
    assert_int_equal(flow->sacks[0].right, 3501);
    assert_int_equal(flow->sacks[1].pkt, 2);
    assert_int_equal(flow->sacks[1].left, 3001);
    assert_int_equal(flow->sacks[2].pkt, 2);
    assert_int_equal(flow->sacks[2].left, 5001);
}

/* All that follows is earlier: that is a clock, and no queue. */
static void test_a_clock_set_back_stays(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.time_ns = 1000 * MS, .seq = 1, .len = 100, .ack = 1},
          {.time_ns = 1001 * MS, .seq = 101, .len = 100, .ack = 1},
          {.time_ns = 500 * MS, .seq = 201, .len = 100, .ack = 1},
          {.time_ns = 502 * MS, .seq = 401, .len = 100, .ack = 1},
          {.time_ns = 501 * MS, .seq = 301, .len = 100, .ack = 1});
    const struct track_flow *flow = finished(bench);
    static const uint32_t frames[] = {1, 2, 3, 5, 4};
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(flow->pkts[i].place, frames[i]);
}

/* ---- captured twice, without an IP ID -------------------------------------------------------- */

static void test_handshake_twice_without_id(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN}, {.time_ns = 10000, .flags = TCP_SYN},
          {.time_ns = MS, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.time_ns = MS + 10000, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.time_ns = 3000 * MS, .flags = TCP_SYN}); /* sent again */
    const struct track_flow *flow = finished(bench);
    assert_int_equal(bench->track.duplicates, 2);
    assert_false(flow->pkts[4].flags & PKT_DUPLICATE);
}

/* Equal ACKs come one after the other by themselves, unless the capture doubles all. */
static void test_acks_without_id_are_told_by_the_company_they_keep(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.side = SERVER, .seq = 1, .len = 1000, .ack = 1},
          {.time_ns = 1000, .seq = 1, .ack = 1001}, {.time_ns = 2000, .seq = 1, .ack = 1001});
    assert_int_equal(bench->track.duplicates, 0);
    TRACK(&bench->track, &bench->talk,
          {.time_ns = MS, .side = SERVER, .seq = 1001, .len = 1000, .ack = 1},
          {.time_ns = MS + 1000, .side = SERVER, .seq = 1001, .len = 1000, .ack = 1},
          {.time_ns = 2 * MS, .side = SERVER, .seq = 2001, .len = 1000, .ack = 1},
          {.time_ns = 2 * MS + 1000, .side = SERVER, .seq = 2001, .len = 1000, .ack = 1},
          {.time_ns = 3 * MS, .seq = 1, .ack = 3001},
          {.time_ns = 3 * MS + 1000, .seq = 1, .ack = 3001});
    assert_int_equal(bench->track.duplicates, 3);
}

/* ---- fragments ------------------------------------------------------------------------------- */

static struct decoded piece(const struct talk *talk, uint32_t offset, uint32_t bytes)
{
    struct line line = {.side = SERVER, .seq = 1, .len = bytes, .ack = 1, .ip_id = 77};
    struct decoded packet = line_decoded(talk, &line);
    packet.fragment_id = 77;
    packet.fragment_offset_bytes = offset;
    packet.header_bytes = 20;
    packet.first_fragment = offset == 0;
    return packet;
}

static void test_a_segment_in_fragments_keeps_its_length(void **state)
{
    struct bench *bench = *state;
    struct wh_error error;
    struct arrival first = {.packet = piece(&bench->talk, 0, 492), .time = {MS}, .place = 1};
    struct decoded later = piece(&bench->talk, 512, 968);
    struct decoded strange = piece(&bench->talk, 1480, 500);
    strange.fragment_id = 78;
    assert_int_equal(track_add(&bench->track, &first, &error), WH_OK);
    track_add_fragment(&bench->track, &strange); /* of another packet */
    assert_int_equal(bench->track.flows[0].pkts[0].len, 492);
    track_add_fragment(&bench->track, &later);
    track_add_fragment(&bench->track, &later); /* captured twice */
    const struct track_flow *flow = finished(bench);
    assert_int_equal(flow->pkts[0].len, 1460);
    unsigned side = pkt_side(&flow->pkts[0]);
    assert_int_equal(flow->stream[side].payload_bytes, 1460);
    assert_int_equal(flow->stream[side].payload_max_bytes, 1460);
}

/* ---- long flows ------------------------------------------------------------------------------ */

/* `count` segments of 100 bytes from the server. */
static void add_segments(struct bench *bench, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++)
        TRACK(&bench->track, &bench->talk,
              {.time_ns = i * MS, .side = SERVER, .seq = 1 + 100 * i, .ack = 1, .len = 100});
}

/* Of packets that come twice, wherever in a flow's memory, each second one is told. */
static void test_copies_are_told_anywhere_in_a_long_flow(void **state)
{
    struct bench *bench = *state;
    const uint32_t count = 1500;
    for (uint32_t i = 0; i < count; i += 5) {
        add_segments(bench, i, 5);
        add_segments(bench, i, 5);
    }
    assert_int_equal(bench->track.duplicates, count);
    const struct track_flow *flow = finished(bench);
    assert_int_equal(flow->pkt_count, 2 * count);
    for (uint32_t i = 0; i < 2 * count; i++) {
        const struct pkt *pkt = &flow->pkts[i];
        assert_int_equal(pkt->place, i + 1);
        assert_int_equal(pkt->seq, 1 + 100 * (i / 10 * 5 + i % 5));
        assert_int_equal((pkt->flags & PKT_DUPLICATE) != 0, i % 10 >= 5);
    }
}

/* A later fragment finds its segment thousands of packets back, but not any number of them. */
static void test_fragments_are_found_some_way_back(void **state)
{
    struct bench *bench = *state;
    struct wh_error error;
    struct arrival first = {.packet = piece(&bench->talk, 0, 492), .time = {MS}, .place = 1};
    struct decoded later = piece(&bench->talk, 512, 100), last = piece(&bench->talk, 612, 848);
    assert_int_equal(track_add(&bench->track, &first, &error), WH_OK);
    add_segments(bench, 15, 4000);
    track_add_fragment(&bench->track, &later);
    add_segments(bench, 4015, 8000);
    track_add_fragment(&bench->track, &last);
    const struct track_flow *flow = finished(bench);
    assert_int_equal(flow->pkts[0].len, 592);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_late_written_packets_are_put_in_order),
        TEST(test_equal_times_keep_the_order_of_the_file),
        TEST(test_sack_blocks_follow_their_packets),
        TEST(test_a_clock_set_back_stays),
        TEST(test_handshake_twice_without_id),
        TEST(test_acks_without_id_are_told_by_the_company_they_keep),
        TEST(test_a_segment_in_fragments_keeps_its_length),
        TEST(test_copies_are_told_anywhere_in_a_long_flow),
        TEST(test_fragments_are_found_some_way_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
