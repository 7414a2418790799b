/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit tests of stage 6, follow: what a capture missed or could not see is no loss; and where a
 * flow's way begins and ends.
 */
#include "follow_samples.h"

/* ---- what a capture missed --------------------------------------------------------------------
 */

static void test_missed_in_the_middle(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        SEGMENT(bench->path, 100 + i, 1 + 1000 * i, 1000, .missed = i % 3 == 1 ? 1u << 1 : 0);
    ANSWER(bench->path, 130, 10001, .missed = 1u << 1);
    ANSWER(bench->path, 131, 10001, .window = 50000);
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[SERVER].missed[1], 3);
    assert_int_equal(bench->followed.trail[CLIENT].missed[1], 1);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(fate_of(bench, SERVER, 0, 1 + 1000 * i, 0),
                         i % 3 == 1 ? FATE_MISSED : FATE_ARRIVED);
    const struct hop *last = hop_of(bench, SERVER, 2);
    assert_int_equal(last->copies[copy_of(bench, SERVER, 2, 1001, 0)].previous, COPY_SKIPPED);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 0);
}

static void test_missed_at_the_first_point(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        SEGMENT(bench->path, 100 + i, 1 + 1000 * i, 1000, .missed = i == 4 ? 1u : 0);
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[SERVER].missed[0], 1);
    assert_int_equal(bench->followed.trail[SERVER].missed[1], 0);
}

/* The receiver's acknowledgement proves that it came. */
static void test_missed_at_the_last_point(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++) {
        SEGMENT(bench->path, 100 + 20 * i, 1 + 1000 * i, 1000,
                .missed = i == 4 || i == 7 ? 1u << 2 : 0);
        ANSWER(bench->path, 110 + 20 * i, 1001 + 1000 * i);
    }
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 2);
    assert_int_equal(fate_of(bench, SERVER, 1, 4001, 0), FATE_MISSED);
    assert_int_equal(fate_of(bench, SERVER, 0, 4001, 0), FATE_ARRIVED);
    assert_int_equal(fate_of(bench, SERVER, 1, 7001, 0), FATE_MISSED);
}

/* The very first packet, too: a capture that was running should have had it. */
/* One point alone: what is acknowledged and never passed, was missed between what it has. */
static void test_missed_by_the_only_point(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->blind[1] = bench->path->blind[2] = true;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++) {
        SEGMENT(bench->path, 100 + 20 * i, 1 + 1000 * i, 1000, .missed = i >= 4 && i <= 6 ? 1u : 0);
        ANSWER(bench->path, 110 + 20 * i, 1001 + 1000 * i);
    }
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(trail->missed[0], 3);
    assert_int_equal(trail->miss_count, 3);
    int64_t before_ns = hop_time(&trail->hops[0], copy_of(bench, SERVER, 0, 3001, 0));
    int64_t after_ns = hop_time(&trail->hops[0], copy_of(bench, SERVER, 0, 7001, 0));
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(trail->misses[i].time.ns, before_ns, after_ns);
}

/* However much they skip: each is one note, of a bounded number of packets. */
static void test_acknowledged_by_leaps(void **state)
{
    enum { LEAPS = 50 };
    struct walk_bench *bench = *state;
    bench->path->blind[1] = bench->path->blind[2] = true;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000);
    for (unsigned i = 1; i <= LEAPS; i++)
        ANSWER(bench->path, 100 + 10 * i, 1001 + i * 100000000ll);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(trail->miss_count, LEAPS);
    for (unsigned i = 0; i < LEAPS; i++)
        assert_int_equal(trail->misses[i].packets, 4096);
    assert_int_equal(trail->missed[0], LEAPS * 4096);
}

/* Near miss: lost before the point, it passes when it is sent again. */
static void test_sent_again_by_the_only_point(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->blind[1] = bench->path->blind[2] = true;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000);
    ANSWER(bench->path, 110, 1001);
    SEGMENT(bench->path, 120, 1001, 1000, .lost_in = 1);
    SEGMENT(bench->path, 121, 2001, 1000);
    ANSWER(bench->path, 131, 1001);
    SEGMENT(bench->path, 300, 1001, 1000);
    ANSWER(bench->path, 310, 3001);
    walk_follow(bench);
    assert_int_equal(bench->followed.trail[SERVER].missed[0], 0);
}

static void test_syn_missed_at_the_last_point(void **state)
{
    struct walk_bench *bench = *state;
    SEND(bench->path, .time_ns = 100 * MS, .flags = PKT_SYN, .missed = 1u << 0);
    SEND(bench->path, .time_ns = 120 * MS, .side = SERVER, .flags = PKT_SYN, .ack = 1);
    SEND(bench->path, .time_ns = 140 * MS, .seq = 1, .ack = 1, .len = 100);
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(fate_of(bench, CLIENT, 1, 0, 0), FATE_MISSED);
    assert_int_equal(bench->followed.trail[CLIENT].missed[2], 1);
}

static void test_lost_syn_is_no_missed_one(void **state)
{
    struct walk_bench *bench = *state;
    SEND(bench->path, .time_ns = 100 * MS, .flags = PKT_SYN, .lost_in = 3);
    SEND(bench->path, .time_ns = 1100 * MS, .flags = PKT_SYN);
    SEND(bench->path, .time_ns = 1120 * MS, .side = SERVER, .flags = PKT_SYN, .ack = 1);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, CLIENT, 1, 0, 0), FATE_LOST);
    assert_int_equal(fate_of(bench, CLIENT, 1, 0, 1), FATE_ARRIVED);
}

/* Without that acknowledgement it was lost, and one for other bytes proves nothing. */
static void test_unacknowledged_is_lost(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000);
    SEGMENT(bench->path, 101, 1001, 1000, .lost_in = 3);
    SEGMENT(bench->path, 102, 2001, 1000);
    ANSWER(bench->path, 112, 1001, .sack = {{2001, 3001}});
    SEGMENT(bench->path, 400, 1001, 1000);
    ANSWER(bench->path, 411, 3001);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 1001, 0), FATE_LOST);
    assert_int_equal(lost_behind(bench, SERVER, 1), 1);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 0);
}

/* The last capture misses the retransmission: the first copy stays lost, as one of them must have
 * come before the acknowledgement, and the earliest of them is as good a guess as any. */
static void test_one_of_the_copies_was_missed(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .lost_in = 3);
    SEGMENT(bench->path, 101, 1001, 1000);
    SEGMENT(bench->path, 400, 1, 1000, .missed = 1u << 2);
    ANSWER(bench->path, 411, 2001);
    walk_follow(bench);
    assert_int_equal(lost_behind(bench, SERVER, 1), 1);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 1);
}

/* The receiver says that it lacks the first copy although more has come: the second one came. */
static void test_receiver_lacks_the_first_copy(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .lost_in = 3);
    SEGMENT(bench->path, 101, 1001, 1000);
    ANSWER(bench->path, 111, 1, .sack = {{1001, 2001}});
    SEGMENT(bench->path, 400, 1, 1000, .missed = 1u << 2);
    ANSWER(bench->path, 411, 2001);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 1, 1), FATE_LOST); /* 0: without data */
    assert_int_equal(fate_of(bench, SERVER, 1, 1, 2), FATE_MISSED);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 1);
}

/* Without SACK, an acknowledgement again is no sign yet, and three of them are. */
static void test_acknowledgements_repeated(void **state)
{
    for (unsigned repeats = 1; repeats <= 3; repeats += 2) {
        struct walk_bench *bench = *state;
        path_open(bench->path);
        SEGMENT(bench->path, 100, 1, 1000, .lost_in = 3);
        SEGMENT(bench->path, 101, 1001, 1000);
        for (unsigned i = 0; i < repeats; i++)
            ANSWER(bench->path, 111 + i, 1);
        SEGMENT(bench->path, 400, 1, 1000, .missed = 1u << 2);
        ANSWER(bench->path, 411, 2001);
        walk_follow(bench);
        assert_int_equal(fate_of(bench, SERVER, 1, 1, 1), repeats == 3 ? FATE_LOST : FATE_MISSED);
        assert_int_equal(fate_of(bench, SERVER, 1, 1, 2), repeats == 3 ? FATE_MISSED : FATE_LOST);
        walk_tear_down(state);
        walk_set_up(state);
    }
}

/* Two captures have a hole at once, and the holes differ. */
static void test_missed_at_two_points(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++) {
        unsigned places = (i >= 3 && i < 6 ? 1u << 1 : 0) | (i >= 2 && i < 8 ? 1u << 2 : 0);
        SEGMENT(bench->path, 100 + i, 1 + 1000 * i, 1000, .missed = places);
    }
    ANSWER(bench->path, 120, 10001);
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[SERVER].missed[1], 3);
}

/* A retransmission sent after the acknowledgement cannot be what it acknowledges. */
static void test_late_copy_is_not_what_was_acknowledged(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .missed = 1u << 2);
    ANSWER(bench->path, 110, 1001);
    SEGMENT(bench->path, 300, 1, 1000, .lost_in = 3);
    SEGMENT(bench->path, 301, 1001, 1000);
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 1, 1), FATE_MISSED);
    assert_int_equal(fate_of(bench, SERVER, 1, 1, 2), FATE_LOST);
}

/* Nor did it see the acknowledgement, which the point before it has. */
static void test_acknowledgement_seen_by_the_point_before(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .missed = 1u << 2);
    SEGMENT(bench->path, 101, 1001, 1000, .missed = 1u << 2);
    ANSWER(bench->path, 111, 2001, .missed = 1u << 2);
    SEGMENT(bench->path, 400, 2001, 1000);
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 2);
    assert_int_equal(bench->followed.trail[CLIENT].missed[0], 1);
}

/* Every second segment came, in whatever order, and all were acknowledged. With more holes than
 * can be kept apart nothing is said of them. */
static void see_holes(struct walk_bench *bench, unsigned holes, bool backwards)
{
    path_open(bench->path);
    for (unsigned i = 0; i < 2 * holes; i++) {
        unsigned n = backwards ? 2 * holes - 1 - i : i;
        SEGMENT(bench->path, 100 + i, 1 + 1000 * n, 1000, .missed = n % 2 ? 0 : 1u << 2);
    }
    ANSWER(bench->path, 600, 1 + 2000 * holes);
    walk_follow(bench);
}

static void test_many_holes(void **state)
{
    for (unsigned backwards = 0; backwards < 2; backwards++) {
        struct walk_bench *bench = *state;
        see_holes(bench, 64, backwards);
        nothing_lost(bench);
        assert_int_equal(bench->followed.trail[SERVER].missed[2], 64);
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

static void test_too_many_holes(void **state)
{
    struct walk_bench *bench = *state;
    see_holes(bench, 65, false);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 0);
}

/* ---- where captures begin and end -------------------------------------------------------------
 */

static void test_capture_begins_late(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        SEGMENT(bench->path, 100 + 10 * i, 1 + 1000 * i, 1000, .missed = i < 5 ? 1u << 2 : 0);
    for (uint32_t i = 0; i < bench->path->shown_count[2]; i++) /* nor the handshake */
        if (bench->path->shown[2][i].pkt.time.ns < 100 * MS)
            bench->path->shown[2][i--] = bench->path->shown[2][--bench->path->shown_count[2]];
    bench->spans[2].first.ns = 152 * MS;
    walk_follow(bench);
    assert_int_equal(bench->followed.trail[SERVER].lost_count, 0);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(fate_of(bench, SERVER, 1, 1 + 1000 * i, 0), FATE_UNSEEN);
    goes_on(bench, SERVER, 1, 5001, 0, 0);
    assert_int_equal(bench->followed.trail[SERVER].missed[2], 0);
}

static void test_capture_ends_early(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    for (unsigned i = 0; i < 10; i++)
        SEGMENT(bench->path, 100 + 10 * i, 1 + 1000 * i, 1000, .missed = i > 5 ? 1u << 2 : 0);
    bench->spans[2].last.ns = 160 * MS;
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 6001, 0), FATE_UNSEEN);
    assert_int_equal(fate_of(bench, SERVER, 1, 9001, 0), FATE_UNSEEN);
    assert_int_equal(fate_of(bench, SERVER, 1, 5001, 0), FATE_ARRIVED);
}

/* What was sent last may still be on its way, unless the capture ran on for a second. */
static void test_still_on_its_way(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000);
    SEGMENT(bench->path, 200, 1001, 1000, .lost_in = 3);
    bench->spans[2].last.ns = 200 * MS + 5 * MS + NS_PER_S - 1;
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 1001, 0), FATE_UNSEEN);
    bench->spans[2].last.ns += 1;
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 1001, 0), FATE_LOST);
}

/* Something sent later came out: what did not come is lost, though the capture ended at once. */
static void test_overtaken_is_lost(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 200, 1, 1000, .lost_in = 3);
    SEGMENT(bench->path, 201, 1001, 1000);
    bench->spans[2].last.ns = 210 * MS;
    walk_follow(bench);
    assert_int_equal(fate_of(bench, SERVER, 1, 1, 1), FATE_LOST);
}

/* ---- where the flow itself ends ---------------------------------------------------------------
 */

/* Follows what is laid out already, with the alignment as it stands. */
static void follow_again(struct walk_bench *bench)
{
    struct wh_error error;
    assert_int_equal(follow_flow(&bench->path->flow, &bench->alignment, bench->spans,
                                 bench->path->points, &bench->followed, &error),
                     WH_OK);
}

/* A SYN that nobody answers is seen at the client's point and at no other. */
static void test_unanswered_syn(void **state)
{
    struct walk_bench *bench = *state;
    for (unsigned i = 0; i < 3; i++)
        SEND(bench->path, .time_ns = (i == 2 ? 3 : i) * NS_PER_S, .flags = PKT_SYN, .lost_in = 2);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[CLIENT];
    assert_int_equal(trail->hop_count, 2);
    assert_int_equal(trail->hops[0].place, 2);
    assert_int_equal(trail->hops[1].place, 1);
    assert_null(trail->hops[1].view);
    assert_int_equal(trail->lost_count, 3);
    assert_int_equal(bench->followed.trail[SERVER].hop_count, 1);
}

/* The same where it runs from the servers' side to the clients'. */
static void test_unanswered_syn_the_other_way(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->reversed = true;
    SEND(bench->path, .time_ns = 0, .flags = PKT_SYN, .lost_in = 2);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[CLIENT];
    assert_int_equal(trail->hop_count, 2);
    assert_int_equal(trail->hops[1].place, 1);
    assert_null(trail->hops[1].view);
    assert_int_equal(trail->lost_count, 1);
    assert_int_equal(trail->after, 1);
    bench->alignment.common[1] = false; /* who knows whether it came there */
    follow_again(bench);
    nothing_lost(bench);
}

/* Seen at two points, it was lost before the third. */
static void test_unanswered_syn_further_on(void **state)
{
    struct walk_bench *bench = *state;
    SEND(bench->path, .flags = PKT_SYN, .lost_in = 3);
    SEND(bench->path, .time_ns = NS_PER_S, .flags = PKT_SYN, .lost_in = 3);
    walk_follow(bench);
    assert_int_equal(lost_behind(bench, CLIENT, 0), 0);
    assert_int_equal(lost_behind(bench, CLIENT, 1), 2);
}

/* One that is answered ends between the points: a proxy. */
static void test_answered_flow_ends_there(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->blind[0] = true;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 4);
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[CLIENT].hop_count, 2);
    assert_int_equal(hop_of(bench, CLIENT, 1)->place, 1);
    assert_int_equal(fate_of(bench, CLIENT, 1, 0, 0), FATE_END);
}

/* Which flow it is on the other side is not known: nothing is called lost. */
static void test_ambiguous_flow_is_not_lost(void **state)
{
    struct walk_bench *bench = *state;
    SEND(bench->path, .flags = PKT_SYN, .lost_in = 2);
    walk_align(bench);
    bench->path->flow.ambiguous = true;
    struct wh_error error;
    assert_int_equal(follow_flow(&bench->path->flow, &bench->alignment, bench->spans, 3,
                                 &bench->followed, &error),
                     WH_OK);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[CLIENT].hop_count, 1);
}

/* A point that has nothing of the flow is no hop of it. */
static void test_blind_middle_point(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->blind[1] = true;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 4);
    SEGMENT(bench->path, 500, bench->path->next[1], 700, .lost_in = 3);
    walk_follow(bench);
    const struct trail *trail = &bench->followed.trail[SERVER];
    assert_int_equal(trail->hop_count, 2);
    assert_int_equal(trail->hops[0].place, 0);
    assert_int_equal(trail->hops[1].place, 2);
    goes_on(bench, SERVER, 0, 1449, 0, 0);
    assert_int_equal(trail->lost_count, 1);
    nothing_missed(bench);
}

/* How many segments lie beyond a flow's ends: up to the next point that would have seen it. */
static void test_segments_beyond(void **state)
{
    struct walk_bench *bench = *state;
    path_free(bench->path);
    bench->path = path_new(5);
    for (unsigned place = 0; place < 5; place++)
        bench->path->blind[place] = place != 2;
    path_open(bench->path);
    walk_follow(bench);
    const struct trail *trail = bench->followed.trail;
    assert_int_equal(trail[SERVER].hop_count, 1);
    assert_int_equal(trail[SERVER].before, 1); /* P1 would have seen it */
    assert_int_equal(trail[SERVER].after, 1);
    bench->alignment.common[1] = false; /* is it on the path at all? */
    follow_again(bench);
    assert_int_equal(trail[SERVER].before, 2);
    assert_int_equal(trail[CLIENT].after, 2);
    assert_int_equal(trail[CLIENT].before, 1);
    bench->spans[0].left_out = true;
    follow_again(bench);
    assert_int_equal(trail[SERVER].before, 3);    /* all the way to the servers */
    bench->spans[3].first.ns = NS_PER_S + 2 * MS; /* it began more than a second after the flow */
    follow_again(bench);
    assert_int_equal(trail[SERVER].after, 1);
    bench->spans[3].first.ns += 10 * MS;
    follow_again(bench);
    assert_int_equal(trail[SERVER].after, 2);
    bench->spans[4].last.ns = 1; /* and this one ended soon, but within a second of the flow */
    follow_again(bench);
    assert_int_equal(trail[SERVER].after, 2);
    bench->path->flow.ambiguous = true;
    follow_again(bench);
    assert_int_equal(trail[SERVER].after, 3);
    assert_int_equal(trail[CLIENT].after, 3);
}

/* Left out of the path, as its clock is not known. */
static void test_point_left_out(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    bench->spans[1].left_out = true;
    SEGMENT(bench->path, 500, 1, 700, .lost_in = 3);
    walk_follow(bench);
    assert_int_equal(bench->followed.trail[SERVER].hop_count, 2);
    assert_int_equal(bench->followed.trail[SERVER].lost_count, 1);
    assert_int_equal(hop_of(bench, SERVER, 1)->place, 2);
}

/* The next point did not capture, or is none of this path: who knows whether the SYN came there. */
static void test_unanswered_syn_that_none_could_see(void **state)
{
    struct walk_bench *bench = *state;
    SEND(bench->path, .time_ns = 5 * NS_PER_S, .flags = PKT_SYN, .lost_in = 2);
    bench->spans[1].last.ns = 3 * NS_PER_S;
    walk_follow(bench);
    nothing_lost(bench);
    assert_int_equal(bench->followed.trail[CLIENT].hop_count, 1);
    bench->spans[1].last.ns = 20 * NS_PER_S;
    bench->alignment.common[1] = false;
    follow_again(bench);
    nothing_lost(bench);
    bench->alignment.common[1] = true;
    follow_again(bench);
    assert_int_equal(bench->followed.trail[CLIENT].lost_count, 1);
}

static void test_one_point_alone(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->points = 1;
    path_open(bench->path);
    path_transfer(bench->path, SERVER, 4);
    walk_follow(bench);
    nothing_lost(bench);
    nothing_missed(bench);
    assert_int_equal(bench->followed.trail[SERVER].hop_count, 1);
    assert_int_equal(fate_of(bench, SERVER, 0, 1449, 0), FATE_END);
}

/* The same memory serves flow after flow. */
static void test_followed_again(void **state)
{
    struct walk_bench *bench = *state;
    path_open(bench->path);
    SEGMENT(bench->path, 100, 1, 1000, .lost_in = 2);
    walk_follow(bench);
    assert_int_equal(bench->followed.trail[SERVER].lost_count, 1);
    path_free(bench->path);
    bench->path = path_new(3);
    path_open(bench->path);
    walk_follow(bench);
    nothing_lost(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WALK_TEST(test_missed_in_the_middle),
        WALK_TEST(test_missed_at_the_first_point),
        WALK_TEST(test_missed_at_the_last_point),
        WALK_TEST(test_missed_by_the_only_point),
        WALK_TEST(test_acknowledged_by_leaps),
        WALK_TEST(test_sent_again_by_the_only_point),
        WALK_TEST(test_syn_missed_at_the_last_point),
        WALK_TEST(test_lost_syn_is_no_missed_one),
        WALK_TEST(test_unacknowledged_is_lost),
        WALK_TEST(test_acknowledgement_seen_by_the_point_before),
        WALK_TEST(test_many_holes),
        WALK_TEST(test_too_many_holes),
        WALK_TEST(test_one_of_the_copies_was_missed),
        WALK_TEST(test_receiver_lacks_the_first_copy),
        WALK_TEST(test_acknowledgements_repeated),
        WALK_TEST(test_missed_at_two_points),
        WALK_TEST(test_late_copy_is_not_what_was_acknowledged),
        WALK_TEST(test_capture_begins_late),
        WALK_TEST(test_capture_ends_early),
        WALK_TEST(test_still_on_its_way),
        WALK_TEST(test_overtaken_is_lost),
        WALK_TEST(test_unanswered_syn),
        WALK_TEST(test_unanswered_syn_the_other_way),
        WALK_TEST(test_unanswered_syn_further_on),
        WALK_TEST(test_answered_flow_ends_there),
        WALK_TEST(test_ambiguous_flow_is_not_lost),
        WALK_TEST(test_blind_middle_point),
        WALK_TEST(test_segments_beyond),
        WALK_TEST(test_point_left_out),
        WALK_TEST(test_unanswered_syn_that_none_could_see),
        WALK_TEST(test_one_point_alone),
        WALK_TEST(test_followed_again),
    };
    return cmocka_run_group_tests_name("follow, missed", tests, NULL, NULL);
}
