/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit tests of stage 6, follow: what became of each packet between each two points. What captures
 * missed stands in test_follow_missed.c.
 */
#include "follow/meet.h"
#include "follow_samples.h"

#define SEE(place) (~(1u << (place))) /* `missed`: seen at this place alone */

/* ---- everything comes through -----------------------------------------------------------------
 */

static void test_plain_way(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 30);
    path_transfer(bench->path, CLIENT, 10);
    walk_follow(bench);
    nothing_lost(bench);
    nothing_missed(bench);
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &bench->followed.trail[side];
        assert_int_equal(trail->hop_count, 3);
        for (unsigned k = 0; k < 3; k++) {
            const struct hop *hop = &trail->hops[k];
            assert_int_equal(hop->place, side ? k : 2 - k);
            assert_int_equal(hop->count, side ? 42 : 43);
            for (uint32_t i = 0; i < hop->count; i++) {
                assert_int_equal(hop->copies[i].fate, k < 2 ? FATE_ARRIVED : FATE_END);
                assert_int_equal(hop->copies[i].next, k < 2 ? i : COPY_NONE);
                assert_int_equal(hop->copies[i].previous, k ? i : COPY_NONE);
                if (k < 2)
                    assert_int_equal(hop_delay(hop, i), MS);
            }
            assert_int_equal(hop->base_delay_ns, k < 2 ? MS : 0);
        }
    }
}

static void test_clocks_are_set_right(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->clock_ns[0] = 5 * NS_PER_S;
    bench->path->clock_ns[1] = -7 * NS_PER_S;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 5);
    walk_follow(bench);
    nothing_lost(bench);
    const struct hop *hop = hop_of(bench, SERVER, 0);
    assert_int_equal(hop_delay(hop, 3), MS);
    assert_int_equal(hop->first.ns, 0);
    assert_int_equal(hop_of(bench, SERVER, 1)->first.ns, 0);
}

/* What leaves before it entered, by a clock that is right within `uncertainty_ns`. */
static void test_uncertainty_of_clocks(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->delay_ns[1] = -3 * MS;
    bench->uncertainty_ns = 2 * MS; /* of each: 4 ms in all */
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 5);
    walk_follow(bench);
    nothing_lost(bench);
    goes_on(bench, SERVER, 0, 1, 0, 0);
    bench->uncertainty_ns =
        MS; /* the clocks are wrong: it came, and nothing is said of its delay */
    walk_follow(bench);
    nothing_lost(bench);
    uint32_t copy = copy_of(bench, SERVER, 0, 1, 0);
    assert_false(hop_delay_known(hop_of(bench, SERVER, 0), copy));
}

static void test_reversed_flow(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->reversed = true;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 5);
    SEGMENT(bench->path, 500, bench->path->next[1], 700, .lost_in = 3);
    walk_follow(bench);
    assert_int_equal(hop_of(bench, SERVER, 0)->place, 2);
    assert_int_equal(hop_of(bench, CLIENT, 0)->place, 0);
    assert_int_equal(bench->followed.trail[SERVER].lost_count, 1);
    assert_int_equal(bench->followed.trail[SERVER].lost[0].hop, 1);
}

static void test_points_numbered_otherwise(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->point_at[0] = 2;
    bench->path->point_at[2] = 0;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 700, .lost_in = 2);
    walk_follow(bench);
    assert_int_equal(hop_of(bench, SERVER, 0)->point, 2);
    assert_int_equal(lost_behind(bench, SERVER, 0), 1);
    assert_int_equal(lost_behind(bench, SERVER, 1), 0);
}

/* ---- lost -------------------------------------------------------------------------------------
 */

static void test_loss_between_two(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000);
    SEGMENT(bench->path, 101, 1001, 1000, .lost_in = 3);
    SEGMENT(bench->path, 102, 2001, 1000);
    SEGMENT(bench->path, 400, 1001, 1000);
    walk_follow(bench);
    nothing_missed(bench);
    goes_on(bench, SERVER, 0, 1001, 0, 0);
    assert_int_equal(fate_of(bench, SERVER, 1, 1001, 0), FATE_LOST);
    goes_on(bench, SERVER, 1, 1001, 1, 0);
    goes_on(bench, SERVER, 1, 2001, 0, 0);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(trail->lost_count, 1);
    assert_int_equal(trail->lost[0].hop, 1);
    assert_int_equal(trail->lost[0].copy, copy_of(bench, SERVER, 1, 1001, 0));
    assert_int_equal(trail->lost[0].seq, 1001);
    assert_int_equal(trail->lost[0].length, 1000);
    assert_int_equal(bench->followed.trail[CLIENT].lost_count, 0);
}

static void test_every_copy_lost_somewhere(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .lost_in = 2);
    SEGMENT(bench->path, 101, 1001, 1000);
    SEGMENT(bench->path, 300, 1, 1000, .lost_in = 3);
    SEGMENT(bench->path, 700, 1, 1000, .lost_in = 2);
    SEGMENT(bench->path, 1500, 1, 1000);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 0, 1, 1),
                     FATE_LOST); /* nth: after the handshake's ACK */
    goes_on(bench, SERVER, 0, 1, 2, 1);
    assert_int_equal(fate_of(bench, SERVER, 0, 1, 3), FATE_LOST);
    goes_on(bench, SERVER, 0, 1, 4, 2);
    assert_int_equal(fate_of(bench, SERVER, 1, 1, 1), FATE_LOST);
    goes_on(bench, SERVER, 1, 1, 2, 1);
    assert_int_equal(lost_behind(bench, SERVER, 0), 2);
    assert_int_equal(lost_behind(bench, SERVER, 1), 1);
}

/* Before the first point nobody saw it, behind the last one it is not this stage's to say. */
static void test_loss_outside_is_not_told(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .lost_in = 1);
    SEGMENT(bench->path, 101, 1001, 1000, .lost_in = 4);
    SEGMENT(bench->path, 102, 2001, 1000);
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(fate_of(bench, SERVER, 2, 1001, 0), FATE_END);
}

static void test_acknowledgements_lost(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000);
    ANSWER(bench->path, 110, 1001, .lost_in = 2);
    ANSWER(bench->path, 111, 1001, .lost_in = 3, .window = 50000);
    ANSWER(bench->path, 112, 1001, .window = 40000);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[CLIENT];
    assert_int_equal(trail->lost_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(trail->lost[i].hop, i);
        assert_int_equal(trail->lost[i].length, 0);
        assert_int_equal(hop_pkt(&trail->hops[i], trail->lost[i].copy)->window, 60000 - 10000 * i);
    }
    assert_int_equal(bench->followed.trail[SERVER].lost_count, 0);
}

static void test_handshake_and_end_are_followed(void **state)
{
    struct walk_bench *bench = *state;
    SEND(bench->path, .time_ns = 0, .flags = PKT_SYN, .lost_in = 2);
    SEND(bench->path, .time_ns = NS_PER_S, .flags = PKT_SYN);
    SEND(bench->path, .time_ns = 1010 * MS, .side = SERVER, .flags = PKT_SYN, .ack = 1);
    SEND(bench->path, .time_ns = 1030 * MS, .flags = PKT_FIN, .seq = 1, .ack = 1, .lost_in = 3);
    SEND(bench->path, .time_ns = 1430 * MS, .flags = PKT_FIN, .seq = 1, .ack = 1);
    SEND(bench->path, .time_ns = 1450 * MS, .side = SERVER, .flags = PKT_RST, .seq = 1, .ack = 2,
         .lost_in = 2);
    SEND(bench->path, .time_ns = 1460 * MS, .side = SERVER, .flags = PKT_RST, .seq = 1, .ack = 2);
    walk_follow(bench);
    assert_int_equal(lost_behind(bench, CLIENT, 0), 1);
    assert_int_equal(lost_behind(bench, CLIENT, 1), 1);
    assert_int_equal(bench->followed.trail[CLIENT].lost[0].seq, 0);
    assert_int_equal(bench->followed.trail[CLIENT].lost[0].length, 1);
    assert_int_equal(lost_behind(bench, SERVER, 0), 1);
}

/* ---- order ------------------------------------------------------------------------------------
 */

static void test_reordering_is_no_loss(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 20; i++)
        SEGMENT(bench->path, 100 + i, 1 + 1000 * i, 1000, .held_in = i % 3 ? 0 : 2 + i % 2,
                .held_ns = i % 3 ? 0 : 7 * MS);
    walk_follow(bench);
    nothing_lost(bench);
    for (unsigned i = 1; i < 20; i++)
        for (unsigned k = 0; k < 2; k++)
            goes_on(bench, SERVER, k, 1 + 1000 * i, 0, 0);
    assert_int_equal(hop_delay(hop_of(bench, SERVER, 0), copy_of(bench, SERVER, 0, 12001, 0)),
                     8 * MS);
    assert_int_equal(hop_of(bench, SERVER, 0)->base_delay_ns, MS);
}

/* Captured twice at one point (a mirror of both directions). */
static void test_duplicates_are_passed_over(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .ip_id = 7);
    SEGMENT(bench->path, 100.1, 1, 1000, .ip_id = 7, .missed = SEE(1));
    SEGMENT(bench->path, 101, 1001, 1000);
    walk_align(bench);
    struct track_flow *view = &bench->path->view[1];
    unsigned seen = 0;
    for (uint32_t i = 0; i < view->pkt_count; i++)
        if (view->pkts[i].ip_id == 7 && seen++)
            view->pkts[i].flags |= PKT_DUPLICATE;
    struct wh_error error;
    assert_int_equal(follow_flow(&bench->path->flow, &bench->alignment, bench->spans, 3,
                                 &bench->followed, &error),
                     WH_OK);
    nothing_lost(bench);
    nothing_missed(bench);
    assert_int_equal(hop_of(bench, SERVER, 1)->count, hop_of(bench, SERVER, 0)->count);
}

/* ---- the same bytes more than once ------------------------------------------------------------
 */

/* The first copy is lost, the second sent within the same tick: only the IP ID tells them apart. */
static void test_copies_by_ip_id(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 5);
    int64_t seq = bench->path->next[1];
    SEGMENT(bench->path, 300.1, seq, 1000, .lost_in = 2, .tsecr = 5);
    SEGMENT(bench->path, 300.2, seq, 1000, .tsecr = 5);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 0, seq, 0), FATE_LOST);
    goes_on(bench, SERVER, 0, seq, 1, 0);
}

static void test_copies_by_timestamp(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->no_ids = true;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .lost_in = 3);
    SEGMENT(bench->path, 310, 1, 1000);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 1, 1), FATE_LOST);
    goes_on(bench, SERVER, 1, 1, 2, 1);
}

/* IDs that the path rewrites tell nothing: the timestamp does. */
static void test_rewritten_ids_are_not_believed(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 10);
    for (unsigned place = 1; place < 3; place++)
        for (uint32_t i = 0; i < bench->path->shown_count[place]; i++)
            bench->path->shown[place][i].pkt.ip_id = (uint16_t)(i * 7 + place);
    walk_follow(bench);
    nothing_lost(bench);
    goes_on(bench, SERVER, 1, 1449, 0, 0);
}

/* Neither: which copy was lost cannot be known, that one was can. */
static void test_copies_without_marks(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->no_ids = bench->path->no_stamps = true;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .lost_in = 3);
    SEGMENT(bench->path, 101, 1001, 1000);
    SEGMENT(bench->path, 300, 1, 1000, .lost_in = 2);
    SEGMENT(bench->path, 700, 1, 1000);
    walk_follow(bench);
    assert_int_equal(lost_behind(bench, SERVER, 0), 1);
    assert_int_equal(lost_behind(bench, SERVER, 1), 1);
    assert_int_equal(bench->followed.trail[SERVER].lost_count, 2);
}

/* One point sees timestamps and the other cuts them off (a short snap length). */
static void test_timestamps_at_one_point_only(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 10);
    for (uint32_t i = 0; i < bench->path->shown_count[1]; i++) {
        struct pkt *pkt = &bench->path->shown[1][i].pkt;
        pkt->flags &= (uint32_t)~PKT_TIMESTAMPS;
        pkt->tsval = pkt->tsecr = 0;
    }
    walk_follow(bench);
    nothing_lost(bench);
}

static void test_spurious_copy_arrives_too(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .held_in = 2, .held_ns = 400 * MS);
    SEGMENT(bench->path, 300, 1, 1000, .held_in = 2, .held_ns = 200 * MS);
    walk_follow(bench);
    nothing_lost(bench);
    goes_on(bench, SERVER, 0, 1, 1, 1);
    goes_on(bench, SERVER, 0, 1, 2, 2);
}

/* ---- merged and cut ---------------------------------------------------------------------------
 */

/* One frame of four segments at `place`, segments elsewhere; the second is lost in `lost_in`. */
static void send_merged(struct path *path, double ms, int64_t seq, unsigned places,
                        unsigned lost_in)
{
    uint16_t id = path->id[SERVER];
    uint32_t tick = 700000 + (uint32_t)ms;
    path->id[SERVER] += 4;
    SEGMENT(path, ms + 0.3, seq, 4000, .ip_id = id, .tsval = tick, .missed = ~places);
    for (unsigned i = 0; i < 4; i++)
        SEGMENT(path, ms + 0.1 * i, seq + 1000 * i, 1000, .ip_id = (uint16_t)(id + i),
                .tsval = tick, .lost_in = i == 1 ? lost_in : 0, .missed = places);
}

static void test_merged_at_the_first_point(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        send_merged(bench->path, 100 + 5 * i, 1 + 4000 * i, 1u << 0, 0);
    walk_follow(bench);
    nothing_lost(bench);
    nothing_missed(bench);
    uint32_t frame = copy_of(bench, SERVER, 0, 4001, 0);
    const struct hop *hop = hop_of(bench, SERVER, 0);
    assert_int_equal(hop->copies[frame].fate, FATE_ARRIVED);
    assert_int_equal(hop->copies[frame].met_bytes, 4000);
    assert_int_equal(hop->copies[frame].next, copy_of(bench, SERVER, 1, 4001, 0));
    assert_false(hop_delay_known(hop, frame));
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(hop_of(bench, SERVER, 1)
                             ->copies[copy_of(bench, SERVER, 1, 4001 + 1000 * i, 0)]
                             .previous,
                         frame);
}

static void test_merged_at_the_other_points(void **state)
{
    for (unsigned place = 1; place < 3; place++) {
        struct walk_bench *bench = *state;
        path_open(bench->path);
        for (unsigned i = 0; i < 10; i++)
            send_merged(bench->path, 100 + 5 * i, 1 + 4000 * i, 1u << place, 0);
        walk_follow(bench);
        nothing_lost(bench);
        nothing_missed(bench);
        uint32_t frame = copy_of(bench, SERVER, place, 4001, 0);
        assert_int_equal(hop_of(bench, SERVER, place)->copies[frame].previous,
                         copy_of(bench, SERVER, place - 1, 4001, 0));
        for (unsigned i = 0; i < 4; i++) {
            uint32_t part = copy_of(bench, SERVER, place - 1, 4001 + 1000 * i, 0);
            assert_int_equal(hop_of(bench, SERVER, place - 1)->copies[part].next, frame);
        }
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

/* It may be captured some milliseconds after its first segment is at the next point; not more. */
static void test_merged_frame_is_captured_late(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct walk_bench *bench = *state;
        path_open(bench->path);
        SEGMENT(bench->path, turn ? 151.1 : 150.9, 1, 2000, .tsval = 9, .missed = ~1u);
        SEGMENT(bench->path, 100, 1, 1000, .tsval = 9, .missed = 1u);
        SEGMENT(bench->path, 100.1, 1001, 1000, .tsval = 9, .missed = 1u);
        walk_follow(bench);
        assert_int_equal(bench->followed.trail[SERVER].lost_count, turn);
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

/* Or it bears the time of its first segment: the others enter the point before after that. */
static void test_merged_frame_bears_its_first_time(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct walk_bench *bench = *state;
        path_open(bench->path);
        SEGMENT(bench->path, 100, 1, 3000, .tsval = 9, .missed = 1u);
        SEGMENT(bench->path, 100, 1, 1000, .tsval = 9, .missed = ~1u);
        SEGMENT(bench->path, 103, 1001, 1000, .tsval = 9, .missed = ~1u);
        SEGMENT(bench->path, turn ? 152.1 : 106, 2001, 1000, .tsval = 9, .missed = ~1u);
        walk_follow(bench);
        assert_int_equal(bench->followed.trail[SERVER].lost_count, turn); /* no wait is that long */
        assert_int_equal(fate_of(bench, SERVER, 0, 1001, 0), FATE_ARRIVED);
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

/* By the clocks it came out 300 ms before it went in. It came, and took nobody knows how long. */
static void test_packet_that_came_too_early(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct walk_bench *bench = *state;
        uint16_t other = turn ? 7777 : 5005;
        path_open(bench->path);
        for (unsigned i = 0; i < 10; i++)
            SEGMENT(bench->path, 100 + 100 * i, 1 + 1000 * i, 1000, .ip_id = (uint16_t)(5000 + i),
                    .missed = i == 5 ? 2u : 0);
        SEGMENT(bench->path, 300, 5001, 1000, .ip_id = other, .tsval = 700600, .missed = ~2u);
        walk_follow(bench);
        uint32_t copy = copy_of(bench, SERVER, 0, 5001, 0);
        const struct copy *here = &hop_of(bench, SERVER, 0)->copies[copy];
        assert_int_equal(here->fate, turn ? FATE_MISSED : FATE_ARRIVED);
        assert_int_equal(bench->followed.trail[SERVER].missed[1], turn);
        assert_false(hop_delay_known(hop_of(bench, SERVER, 0), copy));
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

/* One point merges in fours, the next in twos. */
static void test_merged_otherwise_at_the_next(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t tick = 700100 + 5 * i;
        SEGMENT(bench->path, 100 + 5 * i, 1 + 4000 * i, 4000, .tsval = tick, .missed = ~1u);
        for (unsigned half = 0; half < 2; half++)
            SEGMENT(bench->path, 100 + 5 * i, 1 + 4000 * i + 2000 * half, 2000, .tsval = tick,
                    .missed = 1u, .lost_in = i == 5 && half ? 2 : 0);
    }
    walk_follow(bench);
    assert_int_equal(bench->followed.trail[SERVER].lost_count, 1);
    assert_int_equal(fate_of(bench, SERVER, 0, 20001, 0), FATE_PARTLY);
    assert_int_equal(bench->followed.trail[SERVER].lost[0].seq, 22001);
    assert_int_equal(bench->followed.trail[SERVER].lost[0].length, 2000);
}

/* Of a frame that is cut on the way a part is lost, and only that is sent again. */
static void test_part_of_a_merged_frame_lost(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    send_merged(bench->path, 100, 1, 1u << 0, 0);
    send_merged(bench->path, 110, 4001, 1u << 0, 2);
    send_merged(bench->path, 120, 8001, 1u << 0, 3);
    SEGMENT(bench->path, 300, 5001, 1000);
    SEGMENT(bench->path, 301, 9001, 1000);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(trail->lost_count, 2);
    assert_int_equal(fate_of(bench, SERVER, 0, 4001, 0), FATE_PARTLY);
    assert_int_equal(trail->lost[0].hop, 0);
    assert_int_equal(trail->lost[0].seq, 5001);
    assert_int_equal(trail->lost[0].length, 1000);
    assert_int_equal(fate_of(bench, SERVER, 0, 8001, 0), FATE_ARRIVED);
    assert_int_equal(fate_of(bench, SERVER, 1, 9001, 0), FATE_LOST);
    assert_int_equal(trail->lost[1].hop, 1);
    assert_int_equal(trail->lost[1].seq, 9001);
    goes_on(bench, SERVER, 1, 9001, 1, 0);
    goes_on(bench, SERVER, 0, 5001, 0, 0);
}

/* Nor is a part lost that a capture missed: a later point has it, or the receiver acknowledged it.
 */
static void test_part_of_a_merged_frame_missed(void **state)
{
    for (unsigned place = 1; place <= 2; place++) {
        struct walk_bench *bench = *state;
        path_open(bench->path);
        unsigned merged = place == 1 ? 1u : 3u; /* at all points before it */
        SEGMENT(bench->path, 100.3, 1, 4000, .tsval = 9, .missed = ~merged);
        for (unsigned i = 0; i < 4; i++)
            SEGMENT(bench->path, 100 + 0.1 * i, 1 + 1000 * i, 1000, .tsval = 9,
                    .missed = merged | (i == 1 ? 1u << place : 0));
        SEGMENT(bench->path, 110, 4001, 1000);
        ANSWER(bench->path, 120, 5001);
        walk_follow(bench);
        nothing_lost(bench);
        assert_int_equal(fate_of(bench, SERVER, place - 1, 1, 1), FATE_ARRIVED);
        walk_tear_down(state);
        walk_set_up(state);
    }
}

/* What is missing in front of and behind what came through. */
static void test_ends_of_a_merged_frame_lost(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 4000, .tsval = 9, .missed = ~1u);
    SEGMENT(bench->path, 100, 1001, 1000, .tsval = 9, .missed = 1u);
    SEGMENT(bench->path, 102, 4001, 1000);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(trail->lost_count, 2);
    assert_int_equal(trail->lost[0].seq, 1);
    assert_int_equal(trail->lost[0].length, 1000);
    assert_int_equal(trail->lost[1].seq, 2001);
    assert_int_equal(trail->lost[1].length, 2000);
}

/* The same bytes sent again in other pieces. */
static void test_retransmission_with_other_boundaries(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000);
    SEGMENT(bench->path, 101, 1001, 1000, .lost_in = 3);
    SEGMENT(bench->path, 102, 2001, 1000, .lost_in = 3);
    SEGMENT(bench->path, 400, 1001, 1400);
    SEGMENT(bench->path, 401, 2401, 600);
    SEGMENT(bench->path, 402, 3001, 1000);
    walk_follow(bench);
    assert_int_equal(lost_behind(bench, SERVER, 0), 0);
    assert_int_equal(lost_behind(bench, SERVER, 1), 2);
    assert_int_equal(fate_of(bench, SERVER, 1, 1001, 0), FATE_LOST);
    assert_int_equal(fate_of(bench, SERVER, 1, 2001, 0), FATE_LOST);
    goes_on(bench, SERVER, 1, 1001, 1, 0);
    goes_on(bench, SERVER, 1, 2401, 0, 0);
}

/* Each of these has a byte of each of those: not all of that is kept. */
static void test_pieces_are_bounded(void **state)
{
    enum { OVERLAPPING = 200 };
    struct walk_bench *bench = *state;
    bench->path->no_stamps = bench->path->no_ids = true;
    path_open(bench->path);
    for (int i = 0; i < OVERLAPPING; i++)
        SEGMENT(bench->path, 100 + i, 200000 - i, 60000, .missed = SEE(0));
    SEGMENT(bench->path, 1000, 1000000, 1000);
    for (int i = 0; i < OVERLAPPING; i++)
        SEGMENT(bench->path, 1100 + i, 259999 - OVERLAPPING, 2 * OVERLAPPING, .missed = SEE(1));
    walk_follow(bench);
    struct hop *from = &bench->followed.trail[SERVER].hops[0], *to = from + 1;
    for (uint32_t i = 0; i < from->count; i++)
        from->copies[i] =
            (struct copy){from->copies[i].time_ns, from->copies[i].pkt, .fate = FATE_LOST};
    struct arena arena = {0};
    struct pieces pieces = {0};
    assert_true(meet_hops(&arena, from, to, &pieces));
    assert_in_range(pieces.count, OVERLAPPING, 4 * (from->count + to->count));
    free(pieces.items);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WALK_TEST(test_plain_way),
        WALK_TEST(test_clocks_are_set_right),
        WALK_TEST(test_uncertainty_of_clocks),
        WALK_TEST(test_reversed_flow),
        WALK_TEST(test_points_numbered_otherwise),
        WALK_TEST(test_loss_between_two),
        WALK_TEST(test_every_copy_lost_somewhere),
        WALK_TEST(test_loss_outside_is_not_told),
        WALK_TEST(test_acknowledgements_lost),
        WALK_TEST(test_handshake_and_end_are_followed),
        WALK_TEST(test_reordering_is_no_loss),
        WALK_TEST(test_duplicates_are_passed_over),
        WALK_TEST(test_copies_by_ip_id),
        WALK_TEST(test_copies_by_timestamp),
        WALK_TEST(test_rewritten_ids_are_not_believed),
        WALK_TEST(test_copies_without_marks),
        WALK_TEST(test_timestamps_at_one_point_only),
        WALK_TEST(test_spurious_copy_arrives_too),
        WALK_TEST(test_merged_at_the_first_point),
        WALK_TEST(test_merged_at_the_other_points),
        WALK_TEST(test_merged_frame_is_captured_late),
        WALK_TEST(test_merged_frame_bears_its_first_time),
        WALK_TEST(test_packet_that_came_too_early),
        WALK_TEST(test_merged_otherwise_at_the_next),
        WALK_TEST(test_part_of_a_merged_frame_lost),
        WALK_TEST(test_part_of_a_merged_frame_missed),
        WALK_TEST(test_ends_of_a_merged_frame_lost),
        WALK_TEST(test_retransmission_with_other_boundaries),
        WALK_TEST(test_pieces_are_bounded),
    };
    return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
