/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 3, track: packets into flows, numbers into offsets, copies told apart. */
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
    int status = bench->track.flows || bench->track.table || bench->track.flow_count;
    free(bench);
    return status;
}

static struct track_flow *only_flow(struct bench *bench)
{
    assert_int_equal(bench->track.flow_count, 1);
    return &bench->track.flows[0];
}

static void finish(struct bench *bench)
{
    struct wh_error error;
    assert_int_equal(track_finish(&bench->track, &error), WH_OK);
}

static bool same_end(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && memcmp(a->address, b->address, sizeof a->address) == 0;
}

/* ---- offsets ----------------------------------------------------------------------------------
 */

static void test_syn_is_offset_zero(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN, .mss = 1460, .window_scale = 1 + 7},
          {.time_ns = MS,
           .side = SERVER,
           .flags = TCP_SYN,
           .ack = 1,
           .mss = 1400,
           .window_scale = 1 + 2},
          {.time_ns = 2 * MS, .seq = 1, .ack = 1},
          {.time_ns = 3 * MS, .seq = 1, .ack = 1, .len = 100},
          {.time_ns = 4 * MS, .side = SERVER, .seq = 1, .ack = 101, .len = 1400},
          {.time_ns = 5 * MS, .side = SERVER, .flags = TCP_FIN, .seq = 1401, .ack = 101});
    const struct track_flow *flow = only_flow(bench);
    static const int64_t seq[] = {0, 0, 1, 1, 1, 1401};
    static const int64_t ack[] = {ACK_NONE, 1, 1, 1, 101, 101};
    assert_int_equal(flow->pkt_count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(flow->pkts[i].seq, seq[i]);
        assert_int_equal(flow->pkts[i].ack, ack[i]);
        assert_int_equal(flow->pkts[i].place, i + 1);
        assert_int_equal(flow->pkts[i].time.ns, i * MS);
    }
    assert_int_equal(pkt_end(&flow->pkts[0]), 1);
    assert_int_equal(pkt_end(&flow->pkts[5]), 1402);
    assert_true(flow->syn_seen && flow->stream[0].base_known && flow->stream[1].base_known);
    assert_int_equal(flow->stream[0].base, bench->talk.isn[0]);
    assert_int_equal(flow->stream[1].base, bench->talk.isn[1]);
    assert_int_equal(flow->stream[0].mss, 1460);
    assert_int_equal(flow->stream[1].mss, 1400);
    assert_int_equal(flow->stream[0].window_scale, 7);
    assert_int_equal(flow->stream[1].window_scale, 2);
    assert_int_equal(flow->stream[1].payload_bytes, 1400);
    assert_int_equal(flow->stream[1].payload_max_bytes, 1400);
    assert_int_equal(flow->stream[0].packets, 3);
    assert_true(same_end(&flow->endpoint[0], &bench->talk.end[0]));
}

static void test_syn_ack_first(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.time_ns = MS, .seq = 1, .ack = 1, .len = 10});
    const struct track_flow *flow = only_flow(bench);
    assert_true(same_end(&flow->endpoint[0], &bench->talk.end[0])); /* not the first sender */
    assert_true(flow->syn_seen && flow->stream[0].base_known);      /* by its acknowledgement */
    assert_int_equal(pkt_side(&flow->pkts[0]), 1);
    assert_int_equal(flow->pkts[0].ack, 1);
    assert_int_equal(flow->pkts[1].seq, 1);
    assert_int_equal(flow->stream[0].base, bench->talk.isn[0]);
}

static void test_numbers_wrap(void **state)
{
    struct bench *bench = *state;
    bench->talk.isn[0] = UINT32_MAX - 2;
    bench->talk.isn[1] = UINT32_MAX - 100000;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN},
          {.time_ns = MS, .side = SERVER, .flags = TCP_SYN, .ack = 1});
    /* 12 GB in steps below 2^30: the numbers wrap three times. */
    const int64_t step = 900000000;
    for (int64_t i = 0; i < 14; i++)
        TRACK(&bench->track, &bench->talk,
              {.time_ns = (2 + 3 * i) * MS,
               .side = SERVER,
               .seq = 1 + i * step,
               .ack = 1 + i,
               .len = 1000},
              {.time_ns = (3 + 3 * i) * MS, .seq = 1 + i, .len = 1, .ack = 1001 + i * step});
    /* An old segment again, from just behind a wrap. */
    TRACK(&bench->track, &bench->talk,
          {.time_ns = 90 * MS, .side = SERVER, .seq = 1 + 12 * step, .ack = 15, .len = 1000});
    const struct track_flow *flow = only_flow(bench);
    for (uint32_t i = 0; i < 14; i++) {
        assert_int_equal(flow->pkts[2 + 2 * i].seq, 1 + i * step);
        assert_int_equal(flow->pkts[3 + 2 * i].ack, 1001 + i * step);
        assert_int_equal(flow->pkts[3 + 2 * i].seq, 1 + i);
    }
    assert_int_equal(flow->pkts[30].seq, 1 + 12 * step);
    assert_int_equal(flow->stream[1].next, 1001 + 13 * step);
}

/* Begun before the capture: the origin is just below the first number seen, and earlier bytes lie
 * below it. */
static void test_mid_capture_start(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.side = SERVER, .seq = 50001, .len = 1000, .ack = 301},
          {.time_ns = MS, .side = SERVER, .seq = 49001, .len = 1000, .ack = 301},
          {.time_ns = 2 * MS, .seq = 301, .ack = 51001, .len = 7});
    const struct track_flow *flow = only_flow(bench);
    unsigned server = pkt_side(&flow->pkts[0]);
    assert_false(flow->syn_seen || flow->stream[0].base_known || flow->stream[1].base_known);
    assert_int_equal(flow->pkts[0].seq, 1);
    assert_int_equal(flow->pkts[1].seq, -999);
    assert_int_equal(flow->pkts[2].ack, 1001);
    assert_int_equal(flow->pkts[2].seq, flow->pkts[0].ack);
    assert_int_equal(flow->stream[server].base + 1, bench->talk.isn[1] + 50001);
}

/* A SYN that comes late (out of order, or after data of a half-seen flow) must not move what is
 * stored already. */
static void test_syn_after_data_moves_nothing(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.seq = 1, .ack = 1, .len = 10},
          {.time_ns = MS, .flags = TCP_SYN, .seq = 0},
          {.time_ns = 2 * MS, .seq = 11, .ack = 1, .len = 10});
    assert_int_equal(bench->track.flow_count, 1);
    assert_int_equal(bench->track.flows[0].pkts[0].seq, 1);
    assert_int_equal(bench->track.flows[0].pkts[1].seq, 0);
    assert_int_equal(bench->track.flows[0].pkts[2].seq, 11);
    assert_int_equal(bench->track.flows[0].stream[0].base, bench->talk.isn[0]);
}

static void test_reset_moves_no_limit(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN},
          {.time_ns = MS, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.time_ns = 2 * MS, .flags = TCP_RST, .seq = 2000000000},
          {.time_ns = 3 * MS, .seq = 1, .ack = 1, .len = 5});
    const struct track_flow *flow = only_flow(bench);
    assert_int_equal(flow->pkts[3].seq, 1);
    assert_int_equal(flow->stream[0].next, 6);
}

/* No offset comes to more than a packet holds: what a stream does beyond is another flow. */
static void test_stream_beyond_offsets(void **state)
{
    struct bench *bench = *state;
    const int64_t step = (int64_t)1 << 30;
    int64_t end = 2 * TRACK_OFFSET_MAX;
    for (int64_t seq = 1; seq < end; seq += step)
        TRACK(&bench->track, &bench->talk, {.time_ns = seq, .seq = seq, .ack = 1, .len = 1000});
    assert_true(bench->track.flow_count >= 2);
    for (uint32_t f = 0; f < bench->track.flow_count; f++) {
        const struct track_flow *flow = &bench->track.flows[f];
        assert_false(flow->reused);
        for (uint32_t i = 0; i < flow->pkt_count; i++)
            assert_int_equal(flow->pkts[i].seq, 1 + i * step);
        assert_true(flow->stream[0].next < TRACK_OFFSET_MAX + 2 * step);
    }
}

static void test_sack_blocks_are_offsets(void **state)
{
    struct bench *bench = *state;
    bench->talk.isn[1] = UINT32_MAX - 1500;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN},
          {.time_ns = MS, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.time_ns = 2 * MS, .side = SERVER, .seq = 1, .ack = 1, .len = 1000},
          {.time_ns = 3 * MS, .side = SERVER, .seq = 2001, .ack = 1, .len = 1000},
          {.time_ns = 4 * MS, .seq = 1, .ack = 1001, .sack = {{2001, 3001}, {1, 1001}}});
    const struct track_flow *flow = only_flow(bench);
    assert_int_equal(flow->sack_count, 2);
    assert_int_equal(flow->sacks[0].pkt, 4);
    assert_int_equal(flow->sacks[0].left, 2001);
    assert_int_equal(flow->sacks[0].right, 3001);
    assert_int_equal(flow->sacks[1].pkt, 4);
    assert_int_equal(flow->sacks[1].left, 1);
    assert_true(flow->pkts[4].sack);
    assert_false(flow->pkts[3].sack);
}

/* ---- windows ----------------------------------------------------------------------------------
 */

static void test_window_is_scaled_when_both_agree(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN, .window = 64240, .window_scale = 1 + 7},
          {.side = SERVER, .flags = TCP_SYN, .ack = 1, .window = 65160, .window_scale = 1 + 0},
          {.seq = 1, .ack = 1, .window = 502}, {.side = SERVER, .seq = 1, .ack = 1, .window = 500});
    const struct track_flow *flow = only_flow(bench);
    static const uint32_t windows[] = {64240, 65160, 502u << 7, 500};
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(track_window(flow, &flow->pkts[i]), windows[i]);
}

static void test_window_is_not_scaled_by_one(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN, .window_scale = 1 + 7},
          {.side = SERVER, .flags = TCP_SYN, .ack = 1}, {.seq = 1, .ack = 1, .window = 502});
    const struct track_flow *flow = only_flow(bench);
    assert_int_equal(track_window(flow, &flow->pkts[2]), 502);
}

static void test_window_of_unseen_handshake(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk,
          {.side = SERVER, .flags = TCP_SYN, .ack = 1, .window_scale = 1 + 3},
          {.side = SERVER, .seq = 1, .ack = 1, .window = 502});
    const struct track_flow *flow = only_flow(bench);
    assert_int_equal(track_window(flow, &flow->pkts[1]), 502);
}

/* A receiver that takes segments of `bytes` and reads nothing: its window shrinks by as much. With
 * `read` it has read that much in between. */
static void fill_window(struct bench *bench, unsigned steps, uint32_t bytes, unsigned scale,
                        uint32_t read)
{
    uint32_t room = 2000u << scale;
    for (unsigned i = 0; i < steps; i++)
        TRACK(&bench->track, &bench->talk,
              {.time_ns = i * MS, .side = SERVER, .seq = 1 + i * bytes, .len = bytes, .ack = 1},
              {.time_ns = i * MS,
               .seq = 1,
               .ack = 1 + (i + 1) * bytes,
               .window = (int32_t)((room - (i + 1) * (bytes - read)) >> scale)});
}

/* Whichever end the client is taken for. */
static struct stream *receiver_of(struct bench *bench)
{
    struct track_flow *flow = only_flow(bench);
    unsigned side = flow->endpoint[0].port == bench->talk.end[0].port ? 0 : 1;
    track_infer_scale(flow, 0);
    track_infer_scale(flow, 1);
    assert_false(flow->stream[!side].scale_inferred);
    return &flow->stream[side];
}

static void test_scale_is_inferred(void **state)
{
    struct bench *bench = *state;
    for (unsigned scale = 0; scale <= 14; scale++) {
        fill_window(bench, 6, scale < 8 ? 5u << scale : 10u << scale, scale, 0);
        bool enough = scale >= 8; /* 6 steps of 10 */
        struct stream *receiver = receiver_of(bench);
        assert_int_equal(receiver->scale_inferred, 5 * (enough ? 10 : 5) >= 24);
        assert_int_equal(receiver->window_scale, scale);
        const struct track_flow *flow = only_flow(bench);
        assert_true(track_scale_settled(flow, pkt_side(&flow->pkts[1])));
        assert_false(track_scale_settled(flow, pkt_side(&flow->pkts[0])));
        assert_int_equal(track_window(flow, &flow->pkts[1]), flow->pkts[1].window << scale);
        track_free(&bench->track);
    }
}

/* Too few steps, too small ones, or a receiver that reads some of it: nothing can be said. */
static void test_scale_is_not_guessed(void **state)
{
    struct bench *bench = *state;
    const struct {
        unsigned steps;
        uint32_t bytes, read;
    } rows[] = {{4, 1280, 0}, {6, 512, 0}, {6, 1280, 400}, {6, 1280, 1280}};
    for (unsigned i = 0; i < 4; i++) {
        fill_window(bench, rows[i].steps, rows[i].bytes, 7, rows[i].read);
        assert_false(receiver_of(bench)->scale_inferred);
        track_free(&bench->track);
    }
}

/* One stretch in which it read half makes the scale look one larger; the other is right. */
static void test_scale_of_the_best_stretch(void **state)
{
    struct bench *bench = *state;
    fill_window(bench, 6, 2560, 7, 1280);
    TRACK(&bench->track, &bench->talk,
          {.time_ns = 50 * MS, .seq = 1, .ack = 15361, .window = 9000});
    for (uint32_t i = 1; i < 7; i++)
        TRACK(&bench->track, &bench->talk,
              {.time_ns = (50 + i) * MS,
               .seq = 1,
               .ack = 15361 + i * 1280,
               .window = (int32_t)(9000 - 10 * i)});
    assert_int_equal(receiver_of(bench)->window_scale, 7);
}

/* ---- port reuse -------------------------------------------------------------------------------
 */

static void add_talk(struct bench *bench, int64_t time_ns)
{
    TRACK(&bench->track, &bench->talk, {.time_ns = time_ns, .flags = TCP_SYN},
          {.time_ns = time_ns + MS, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.time_ns = time_ns + 2 * MS, .seq = 1, .ack = 1, .len = 20},
          {.time_ns = time_ns + 3 * MS, .side = SERVER, .seq = 1, .ack = 21, .len = 30});
}

static void test_new_syn_is_a_new_flow(void **state)
{
    struct bench *bench = *state;
    add_talk(bench, 0);
    bench->talk.isn[0] += 77777;
    bench->talk.isn[1] += 123;
    add_talk(bench, 100 * MS);
    assert_int_equal(bench->track.flow_count, 2);
    assert_false(bench->track.flows[0].reused);
    assert_true(bench->track.flows[1].reused);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bench->track.flows[i].pkt_count, 4);
        assert_int_equal(bench->track.flows[i].pkts[3].seq, 1);
        assert_int_equal(bench->track.flows[i].pkts[3].ack, 21);
    }
    assert_int_equal(bench->track.table_used, 1); /* the later one took its place */
}

static void test_syn_again_is_no_new_flow(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN, .ip_id = 1},
          {.time_ns = 1000 * MS, .flags = TCP_SYN, .ip_id = 2});
    add_talk(bench, 3000 * MS);
    TRACK(&bench->track, &bench->talk,
          {.time_ns = 4000 * MS, .side = SERVER, .flags = TCP_SYN, .ack = 1, .ip_id = 9});
    assert_int_equal(only_flow(bench)->pkt_count, 7);
    assert_false(only_flow(bench)->reused);
    assert_int_equal(bench->track.duplicates, 0);
}

static void test_reset_before_syn(void **state)
{
    struct bench *bench = *state;
    add_talk(bench, 0);
    TRACK(&bench->track, &bench->talk, {.time_ns = 50 * MS, .flags = TCP_RST, .seq = 21});
    bench->talk.isn[0] += 500;
    add_talk(bench, 60 * MS);
    assert_int_equal(bench->track.flow_count, 2);
    assert_int_equal(bench->track.flows[0].pkt_count, 5);
}

/* The old flow's server answers the new SYN with an acknowledgement of its own (RFC
 * 9293, 3.10.7.4); a SYN-ACK that answers the new SYN belongs to the new flow. */
static void test_syn_ack_of_a_reused_port(void **state)
{
    struct bench *bench = *state;
    add_talk(bench, 0);
    bench->talk.isn[0] += 99;
    bench->talk.isn[1] += 12345;
    TRACK(&bench->track, &bench->talk, {.time_ns = 50 * MS, .flags = TCP_SYN},
          {.time_ns = 51 * MS, .side = SERVER, .flags = TCP_SYN, .ack = 1});
    assert_int_equal(bench->track.flow_count, 2);
    assert_int_equal(bench->track.flows[1].pkt_count, 2);
    /* Of a third one only the SYN-ACK was seen. */
    bench->talk.isn[0] += 1000;
    bench->talk.isn[1] += 4321;
    TRACK(&bench->track, &bench->talk,
          {.time_ns = 90 * MS, .side = SERVER, .flags = TCP_SYN, .ack = 1});
    assert_int_equal(bench->track.flow_count, 3);
    assert_true(bench->track.flows[2].reused);
    assert_true(same_end(&bench->track.flows[2].endpoint[0], &bench->talk.end[0]));
    assert_int_equal(bench->track.flows[2].pkts[0].ack, 1);
}

/* A SYN cookie's maker may answer the same SYN with another number: no new flow. */
static void test_second_answer_to_a_syn(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN},
          {.time_ns = MS, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.time_ns = 900 * MS, .side = SERVER, .flags = TCP_SYN, .seq = 70000, .ack = 1});
    assert_int_equal(only_flow(bench)->pkt_count, 3);
}

/* The server of the old flow opens the new one. */
static void test_reuse_the_other_way(void **state)
{
    struct bench *bench = *state;
    add_talk(bench, 0);
    struct talk back = {{bench->talk.end[1], bench->talk.end[0]}, {42, 4242}, IPPROTO_TCP};
    TRACK(&bench->track, &back, {.time_ns = 50 * MS, .flags = TCP_SYN},
          {.time_ns = 51 * MS, .side = SERVER, .flags = TCP_SYN, .ack = 1});
    assert_int_equal(bench->track.flow_count, 2);
    assert_true(same_end(&bench->track.flows[1].endpoint[0], &bench->talk.end[1]));
    assert_int_equal(bench->track.flows[1].pkts[1].ack, 1);
}

/* ---- the same packet captured twice -----------------------------------------------------------
 */

/* Two packets alike, `apart_ns` from each other; is the second one a copy of the first? */
static bool is_duplicate(struct bench *bench, struct line line, int64_t apart_ns)
{
    uint32_t before = bench->track.flow_count ? bench->track.flows[0].pkt_count : 0;
    line.time_ns = before * NS_PER_S;
    track_line(&bench->track, &bench->talk, &line);
    line.time_ns += apart_ns;
    track_line(&bench->track, &bench->talk, &line);
    const struct track_flow *flow = only_flow(bench);
    assert_false(flow->pkts[before].flags & PKT_DUPLICATE);
    return flow->pkts[before + 1].flags & PKT_DUPLICATE;
}

static void test_same_id_soon_is_a_duplicate(void **state)
{
    struct bench *bench = *state;
    const struct line data = {.seq = 1, .ack = 1, .len = 100, .ip_id = 7, .tsval = 5, .tsecr = 6};
    const struct line ack = {.seq = 1, .ack = 1, .ip_id = 8};
    assert_true(is_duplicate(bench, data, 0));
    assert_true(is_duplicate(bench, data, 50 * MS));
    assert_false(is_duplicate(bench, data, 50 * MS + 1));
    assert_true(is_duplicate(bench, ack, 10 * MS));
    assert_int_equal(bench->track.duplicates, 3);
}

static void test_without_id_only_data_at_once_is(void **state)
{
    struct bench *bench = *state;
    const struct line data = {.seq = 1, .ack = 1, .len = 100, .tsval = 5, .tsecr = 6};
    const struct line ack = {.seq = 1, .ack = 1, .tsval = 5, .tsecr = 6};
    assert_true(is_duplicate(bench, data, 500 * NS_PER_US));
    assert_false(is_duplicate(bench, data, 500 * NS_PER_US + 1));
    assert_false(is_duplicate(bench, ack, 0)); /* duplicate ACKs look alike and are three packets */
}

/* Whatever a sender would change between two packets makes them two. */
static void test_one_difference_makes_two_packets(void **state)
{
    struct bench *bench = *state;
    const struct line line = {.seq = 1,
                              .ack = 1,
                              .ip_id = 7,
                              .tsval = 5,
                              .tsecr = 6,
                              .len = 16,
                              .window = 100,
                              .payload = "abcdefghijklmnop"};
    struct line other[10];
    for (unsigned i = 0; i < 10; i++)
        other[i] = line;
    other[0].seq++;
    other[1].ack++;
    other[2].ip_id++;
    other[3].tsval++;
    other[4].tsecr++;
    other[5].len++;
    other[6].window++;
    other[7].flags |= TCP_PSH;
    other[8].payload = "abcdefghijklmnoq";
    other[9].checksum = CHECKSUM_WRONG;
    for (unsigned i = 0; i < 10; i++) {
        TRACK(&bench->track, &bench->talk, line, other[i]);
        assert_int_equal(bench->track.duplicates, 0);
        TRACK(&bench->track, &bench->talk, line);
        assert_int_equal(bench->track.duplicates, 1);
        track_free(&bench->track);
    }
}

static void test_retransmission_is_no_duplicate(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.seq = 1, .ack = 1, .len = 100, .ip_id = 7},
          {.time_ns = MS, .seq = 1, .ack = 1, .len = 100, .ip_id = 8});
    assert_int_equal(bench->track.duplicates, 0);
}

/* A mirror shows both directions of a busy flow twice; the TTL differs. */
static void test_duplicates_among_others(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 40; i++)
        TRACK(&bench->track, &bench->talk,
              {.time_ns = i * MS,
               .seq = 1 + 100 * i,
               .ack = 1,
               .len = 100,
               .ip_id = (uint16_t)(i + 1)});
    for (int i = 30; i < 40; i++)
        TRACK(&bench->track, &bench->talk,
              {.time_ns = i * MS,
               .ttl = 63,
               .seq = 1 + 100 * i,
               .ack = 1,
               .len = 100,
               .ip_id = (uint16_t)(i + 1)});
    assert_int_equal(bench->track.duplicates, 10);
    assert_int_equal(only_flow(bench)->stream[0].ttl_max, 64);
}

/* ---- networks ---------------------------------------------------------------------------------
 */

/* Also where they are more than are looked through. */
static void test_networks_are_kept_apart(void **state)
{
    struct bench *bench = *state;
    const uint32_t networks = 1000;
    for (uint32_t i = 0; i < networks; i++)
        TRACK(&bench->track, &bench->talk, {.network = i, .flags = TCP_SYN, .ip_id = 4},
              {.network = i, .side = SERVER, .flags = TCP_SYN, .ack = 1, .ip_id = 5});
    for (uint32_t i = 0; i < networks; i++)
        TRACK(&bench->track, &bench->talk, {.network = i, .seq = 1, .ack = 1, .len = 1});
    assert_int_equal(bench->track.flow_count, networks);
    assert_int_equal(bench->track.duplicates, 0);
    for (uint32_t i = 0; i < networks; i++) {
        assert_int_equal(bench->track.flows[i].pkt_count, 3);
        assert_int_equal(bench->track.flows[i].network[0], i);
        assert_false(bench->track.flows[i].reused);
    }
    /* The same ports again. */
    bench->talk.isn[0] += 1000000;
    for (uint32_t i = 0; i < networks; i++)
        TRACK(&bench->track, &bench->talk, {.network = i, .flags = TCP_SYN},
              {.network = i, .side = SERVER, .flags = TCP_SYN, .ack = 1});
    assert_int_equal(bench->track.flow_count, 2 * networks);
    for (uint32_t i = networks; i < 2 * networks; i++) {
        assert_int_equal(bench->track.flows[i].pkt_count, 2);
        assert_true(bench->track.flows[i].reused);
    }
}

static void test_answer_on_another_vlan(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.network = 10, .flags = TCP_SYN},
          {.network = 20, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.network = 10, .seq = 1, .ack = 1, .len = 4},
          {.network = 20, .side = SERVER, .seq = 1, .ack = 5, .len = 4});
    const struct track_flow *flow = only_flow(bench);
    assert_int_equal(flow->network[0], 10);
    assert_int_equal(flow->network[1], 20);
    assert_int_equal(flow->pkt_count, 4);
    /* A direction that comes on a third one is none of this flow's. */
    TRACK(&bench->track, &bench->talk, {.network = 30, .seq = 5, .ack = 5, .len = 4});
    assert_int_equal(bench->track.flow_count, 2);
}

/* Two customers use the same addresses, each on its own VLAN: an answer goes to its own. */
static void test_answer_prefers_its_own_network(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.network = 1, .flags = TCP_SYN},
          {.network = 2, .flags = TCP_SYN},
          {.network = 2, .side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.network = 1, .side = SERVER, .flags = TCP_SYN, .ack = 1});
    assert_int_equal(bench->track.flow_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bench->track.flows[i].pkt_count, 2);
        assert_int_equal(bench->track.flows[i].network[1], i + 1);
    }
}

/* The capture began amid a connection that a router hands on from one VLAN to another: the first
 * answer on VLAN 2 joined what goes on VLAN 1, and so do all others, whatever came before them. */
static void test_answers_stay_where_the_first_went(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.network = 1, .seq = 1, .ack = 1, .len = 4},
          {.network = 2, .side = SERVER, .seq = 1, .ack = 5, .len = 4},
          {.network = 2, .seq = 1, .ack = 1, .len = 4},
          {.network = 2, .side = SERVER, .seq = 5, .ack = 5, .len = 4},
          {.network = 1, .side = SERVER, .seq = 1, .ack = 5, .len = 4},
          {.network = 1, .side = SERVER, .seq = 5, .ack = 5, .len = 4});
    assert_int_equal(bench->track.flow_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bench->track.flows[i].pkt_count, 3);
        assert_int_equal(bench->track.flows[i].network[0], i + 1);
        assert_int_equal(bench->track.flows[i].network[1], 2 - i);
    }
}

static void test_protocols_are_kept_apart(void **state)
{
    struct bench *bench = *state;
    struct talk datagrams = bench->talk;
    datagrams.protocol = IPPROTO_UDP;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN});
    TRACK(&bench->track, &datagrams, {.payload = "question"},
          {.side = SERVER, .payload = "answer"});
    assert_int_equal(bench->track.flow_count, 2);
    const struct track_flow *flow = &bench->track.flows[1];
    assert_int_equal(flow->protocol, IPPROTO_UDP);
    assert_int_equal(flow->pkt_count, 2);
    assert_int_equal(flow->pkts[0].ack, ACK_NONE);
    assert_int_equal(flow->pkts[0].window, 0);
    assert_int_equal(flow->pkts[1].len, 6);
    assert_int_not_equal(flow->pkts[0].hash, 0);
    assert_int_not_equal(flow->pkts[0].hash, flow->pkts[1].hash);
}

static void test_icmp_is_kept_by_itself(void **state)
{
    struct bench *bench = *state;
    struct talk errors = bench->talk;
    errors.protocol = IPPROTO_ICMP;
    TRACK(&bench->track, &errors, {.time_ns = 5 * MS});
    assert_int_equal(bench->track.flow_count, 0);
    assert_int_equal(bench->track.icmp_count, 1);
    assert_int_equal(bench->track.icmps[0].time.ns, 5 * MS);
}

/* ---- flip, shift, finish ----------------------------------------------------------------------
 */

static void test_flip(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.network = 10, .seq = 1, .ack = 1, .len = 4},
          {.network = 20, .side = SERVER, .seq = 1, .ack = 5, .len = 9});
    struct track_flow *flow = only_flow(bench);
    track_flip(flow);
    assert_true(same_end(&flow->endpoint[0], &bench->talk.end[1]));
    assert_true(same_end(&flow->endpoint[1], &bench->talk.end[0]));
    assert_int_equal(flow->network[0], 20);
    assert_int_equal(flow->stream[0].payload_bytes, 9);
    assert_int_equal(pkt_side(&flow->pkts[0]), 1);
    assert_int_equal(pkt_side(&flow->pkts[1]), 0);
    assert_int_equal(flow->pkts[1].ack, 5);
    track_flip(flow);
    assert_true(same_end(&flow->endpoint[0], &bench->talk.end[0]));
    assert_int_equal(flow->network[0], 10);
    assert_int_equal(pkt_side(&flow->pkts[0]), 0);
    /* What comes next still finds its side. */
    track_flip(flow);
    TRACK(&bench->track, &bench->talk, {.network = 10, .seq = 5, .ack = 10, .len = 4});
    assert_int_equal(pkt_side(&only_flow(bench)->pkts[2]), 1);
}

static void test_shift_moves_one_stream(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN},
          {.side = SERVER, .flags = TCP_SYN, .ack = 1},
          {.side = SERVER, .seq = 1, .ack = 1, .len = 100},
          {.seq = 1, .ack = 1, .len = 3, .sack = {{51, 101}}});
    struct track_flow *flow = only_flow(bench);
    track_shift(flow, 1, 1000);
    assert_int_equal(flow->stream[1].base, bench->talk.isn[1] - 1000);
    assert_int_equal(flow->stream[0].base, bench->talk.isn[0]);
    static const int64_t seq[] = {0, 1000, 1001, 1}, ack[] = {ACK_NONE, 1, 1, 1001};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(flow->pkts[i].seq, seq[i]);
        assert_int_equal(flow->pkts[i].ack, ack[i]);
    }
    assert_int_equal(flow->sacks[0].left, 1051);
    assert_int_equal(flow->sacks[0].right, 1101);
    assert_int_equal(flow->stream[1].next, 1101);
    track_shift(flow, 0, -5);
    assert_int_equal(flow->pkts[0].seq, -5);
    assert_int_equal(flow->pkts[1].ack, -4);
    assert_int_equal(flow->sacks[0].left, 1051); /* of the other stream */
    track_shift(flow, 1, 0);
    assert_int_equal(flow->pkts[2].seq, 1001);
}

static void test_server_is_the_shared_port(void **state)
{
    struct bench *bench = *state;
    /* Three clients on one port, and the server speaks first each time. 60000 is above theirs. */
    for (unsigned i = 0; i < 3; i++) {
        bench->talk.end[0] = endpoint(192, 0, 2, 7, 50000 + i);
        bench->talk.end[1] = endpoint(198, 51, 100, 1, 60000);
        TRACK(&bench->track, &bench->talk, {.side = SERVER, .seq = 1, .ack = 1, .len = 10});
    }
    /* One that is alone: the lower port. */
    bench->talk.end[0] = endpoint(192, 0, 2, 7, 40001);
    bench->talk.end[1] = endpoint(198, 51, 100, 1, 40000);
    TRACK(&bench->track, &bench->talk, {.side = SERVER, .seq = 1, .ack = 1, .len = 10});
    bench->talk.end[1] = endpoint(198, 51, 100, 2, 39000);
    bench->talk.end[0] = endpoint(192, 0, 2, 7, 40002);
    TRACK(&bench->track, &bench->talk, {.seq = 1, .ack = 1, .len = 10});
    finish(bench);
    static const uint16_t server[] = {60000, 60000, 60000, 40000, 39000};
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(bench->track.flows[i].endpoint[1].port, server[i]);
    assert_int_equal(pkt_side(&bench->track.flows[0].pkts[0]), 1);
    assert_int_equal(pkt_side(&bench->track.flows[4].pkts[0]), 0);
}

static void test_finish_believes_a_syn(void **state)
{
    struct bench *bench = *state;
    bench->talk.end[0].port = 80; /* the client has the lower port, and one that many share */
    for (unsigned i = 0; i < 3; i++) {
        bench->talk.end[1].port = (uint16_t)(5000 + i);
        TRACK(&bench->track, &bench->talk, {.flags = TCP_SYN});
    }
    finish(bench);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(bench->track.flows[i].endpoint[0].port, 80);
}

/* ---- many flows, hostile values ---------------------------------------------------------------
 */

static void test_many_flows(void **state)
{
    struct bench *bench = *state;
    const uint32_t count = 100000;
    for (unsigned turn = 0; turn < 2; turn++)
        for (uint32_t i = 0; i < count; i++) {
            bench->talk.end[0] = endpoint(10, i >> 16, i >> 8, i, 1024 + i % 60000);
            TRACK(&bench->track, &bench->talk,
                  {.time_ns = i, .side = turn, .seq = 1, .ack = 1, .len = 1 + turn});
        }
    assert_int_equal(bench->track.flow_count, count);
    assert_int_equal(bench->track.table_used, count);
    assert_true(bench->track.table_size >= 2 * count);
    assert_int_equal(bench->track.table_size & (bench->track.table_size - 1), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(bench->track.flows[i].pkt_count, 2);
    finish(bench);
    assert_int_equal(bench->track.flows[99999].endpoint[1].port, 80);
}

static void test_lengths_are_capped(void **state)
{
    struct bench *bench = *state;
    TRACK(&bench->track, &bench->talk, {.seq = 1, .ack = 1, .len = UINT32_MAX},
          {.seq = 1, .ack = 1, .len = PKT_LEN_MAX + 1});
    assert_int_equal(only_flow(bench)->pkts[0].len, PKT_LEN_MAX);
    assert_int_equal(only_flow(bench)->pkts[1].len, PKT_LEN_MAX);
}

/* Any numbers at all: nothing breaks, and offsets keep the lower 32 bits of what was sent. */
static void test_random_numbers(void **state)
{
    struct bench *bench = *state;
    struct dice dice = {99};
    struct talk *talk = &bench->talk;
    talk->isn[0] = talk->isn[1] = 0;
    for (int i = 0; i < 20000; i++) {
        struct line line = {.time_ns = i * MS,
                            .side = roll(&dice, 2),
                            .flags = roll(&dice, 64) & TCP_FLAGS & ~(unsigned)TCP_SYN,
                            .seq = roll(&dice, INT32_MAX) * 2LL,
                            .ack = roll(&dice, 2) * (1 + roll(&dice, INT32_MAX) * 2LL),
                            .len = roll(&dice, 2000),
                            .ip_id = (uint16_t)roll(&dice, 3)};
        line.flags &= line.ack ? ~0u : ~(unsigned)TCP_ACK;
        track_line(&bench->track, talk, &line);
        const struct track_flow *flow = &bench->track.flows[bench->track.flow_count - 1];
        const struct pkt *pkt = &flow->pkts[flow->pkt_count - 1];
        assert_int_equal((uint32_t)pkt->seq + flow->stream[pkt_side(pkt)].base, (uint32_t)line.seq);
        if (line.ack)
            assert_int_equal((uint32_t)pkt->ack + flow->stream[!pkt_side(pkt)].base,
                             (uint32_t)line.ack);
        else
            assert_int_equal(pkt->ack, ACK_NONE);
    }
    assert_true(bench->track.flow_count < 200); /* such numbers run through all offsets */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_syn_is_offset_zero),
        TEST(test_syn_ack_first),
        TEST(test_numbers_wrap),
        TEST(test_mid_capture_start),
        TEST(test_syn_after_data_moves_nothing),
        TEST(test_reset_moves_no_limit),
        TEST(test_stream_beyond_offsets),
        TEST(test_sack_blocks_are_offsets),
        TEST(test_window_is_scaled_when_both_agree),
        TEST(test_window_is_not_scaled_by_one),
        TEST(test_window_of_unseen_handshake),
        TEST(test_scale_is_inferred),
        TEST(test_scale_is_not_guessed),
        TEST(test_scale_of_the_best_stretch),
        TEST(test_new_syn_is_a_new_flow),
        TEST(test_syn_again_is_no_new_flow),
        TEST(test_reset_before_syn),
        TEST(test_syn_ack_of_a_reused_port),
        TEST(test_second_answer_to_a_syn),
        TEST(test_reuse_the_other_way),
        TEST(test_same_id_soon_is_a_duplicate),
        TEST(test_without_id_only_data_at_once_is),
        TEST(test_one_difference_makes_two_packets),
        TEST(test_retransmission_is_no_duplicate),
        TEST(test_duplicates_among_others),
        TEST(test_networks_are_kept_apart),
        TEST(test_answer_on_another_vlan),
        TEST(test_answer_prefers_its_own_network),
        TEST(test_answers_stay_where_the_first_went),
        TEST(test_protocols_are_kept_apart),
        TEST(test_icmp_is_kept_by_itself),
        TEST(test_flip),
        TEST(test_shift_moves_one_stream),
        TEST(test_server_is_the_shared_port),
        TEST(test_finish_believes_a_syn),
        TEST(test_many_flows),
        TEST(test_lengths_are_capped),
        TEST(test_random_numbers),
    };
    return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
