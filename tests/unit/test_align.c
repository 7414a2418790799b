/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 5, align: the order of the points and one clock over all of them. */
#include "align/align.h"

#include "align/pairs.h"
#include "flow_samples.h"

#define FLOWS_MAX 40u

struct bench {
    struct path *path[FLOWS_MAX];
    struct flow items[FLOWS_MAX];
    struct flows flows;
    struct alignment alignment;
    unsigned given[WH_POINTS_MAX];
};

static int set_up(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    for (unsigned p = 0; bench && p < WH_POINTS_MAX; p++)
        bench->given[p] = p;
    return bench ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < bench->flows.count; i++)
        path_free(bench->path[i]);
    free(bench);
    return 0;
}

static struct path *add_path(struct bench *bench, unsigned points)
{
    struct path *path = path_new(points);
    assert_true(bench->flows.count < FLOWS_MAX);
    bench->flows.point_count = points;
    bench->path[bench->flows.count++] = path;
    return path;
}

/* A download; `order`: place -> point. */
static struct path *add_download(struct bench *bench, unsigned points, const unsigned *order)
{
    struct path *path = add_path(bench, points);
    for (unsigned place = 0; order && place < points; place++)
        path->point_at[place] = order[place];
    return path;
}

static void play(struct path *path, unsigned segments)
{
    path_open(path);
    path_transfer(path, SERVER, segments);
}

static void align_with(struct bench *bench, struct align_options options)
{
    struct wh_error error;
    options.given = bench->given;
    bench->flows.items = bench->items;
    for (unsigned i = 0; i < bench->flows.count; i++) {
        path_finish(bench->path[i]);
        bench->items[i] = bench->path[i]->flow;
        bench->items[i].reversed = false; /* to be found */
    }
    assert_int_equal(align_points(&bench->flows, &options, &bench->alignment, &error), WH_OK);
}

static void align(struct bench *bench)
{
    align_with(bench, (struct align_options){0});
}

static void expect_order(const struct bench *bench, bool found, const unsigned *order)
{
    assert_int_equal(bench->alignment.found, found);
    for (unsigned place = 0; place < bench->flows.point_count; place++)
        assert_int_equal(bench->alignment.order[place], order[place]);
}

#define ORDER(...) ((const unsigned[]){__VA_ARGS__})

static int64_t offset(const struct bench *bench, unsigned point)
{
    return bench->alignment.clock[point].offset_ns;
}

static int64_t uncertainty(const struct bench *bench, unsigned point)
{
    return bench->alignment.clock[point].uncertainty_ns;
}

/* ---- order ------------------------------------------------------------------------------------
 */

/* Whatever the points are numbered. */
static void test_order_from_timing(void **state)
{
    static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned i = 0; i < 6; i++) {
        struct bench *bench = *state;
        play(add_download(bench, 3, orders[i]), 20);
        align(bench);
        expect_order(bench, true, orders[i]);
        assert_false(bench->items[0].reversed);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* Clocks that are seconds apart change neither the order nor the differences between points. */
static void test_order_whatever_the_clocks(void **state)
{
    struct dice dice = {17};
    for (unsigned turn = 0; turn < 30; turn++) {
        struct bench *bench = *state;
        unsigned order[3] = {turn % 3, (turn + 1 + turn / 3 % 2) % 3, 0};
        order[2] = 3 - order[0] - order[1];
        struct path *path = add_download(bench, 3, order);
        for (unsigned p = 0; p < 3; p++)
            path->clock_ns[p] = (int64_t)roll(&dice, 20000) * MS - 10 * NS_PER_S + roll(&dice, 999);
        play(path, 20);
        align(bench);
        expect_order(bench, true, order);
        assert_int_equal(offset(bench, order[0]), 0);
        for (unsigned p = 0; p < 3; p++) {
            int64_t wrong = path->clock_ns[p] + offset(bench, p) - path->clock_ns[order[0]];
            assert_true(bench->alignment.tied[p]);
            assert_false(bench->alignment.contradicts[p]);
            assert_true(llabs(wrong) <= uncertainty(bench, p));
        }
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

static void test_five_points(void **state)
{
    struct bench *bench = *state;
    static const unsigned order[] = {3, 0, 4, 2, 1};
    struct path *path = add_download(bench, 5, order);
    path->clock_ns[4] = -3 * NS_PER_S;
    play(path, 30);
    align(bench);
    expect_order(bench, true, order);
    for (unsigned p = 0; p < 5; p++)
        assert_true(bench->alignment.tied[p]);
    assert_true(llabs(offset(bench, 4) - 3 * NS_PER_S) <= uncertainty(bench, 4));
}

/* No flow shows more than two neighbours. */
static void test_chain_of_neighbours(void **state)
{
    struct bench *bench = *state;
    for (unsigned pair = 0; pair < 2; pair++) {
        struct path *path = add_download(bench, 3, ORDER(1, 2, 0));
        path->blind[pair ? 0 : 2] = true;
        path->clock_ns[0] = 8 * NS_PER_S;
        path->clock_ns[2] = -8 * NS_PER_S;
        play(path, 10);
    }
    align(bench);
    expect_order(bench, true, ORDER(1, 2, 0));
    for (unsigned p = 0; p < 3; p++)
        assert_true(bench->alignment.tied[p]);
    assert_int_equal(offset(bench, 0), -8 * NS_PER_S);
    assert_int_equal(uncertainty(bench, 0), 2 * MS);
}

/* Delay that only one direction has (a queue), and a stall in the middle: medians stand it. */
static void test_order_despite_stalls(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, ORDER(2, 0, 1));
    path->clock_ns[0] = 5 * NS_PER_S;
    play(path, 20);
    for (unsigned i = 0; i < 8; i++) {
        SEND(path, .time_ns = path->now_ns + i * MS, .side = SERVER, .seq = path->next[1],
             .ack = 101, .len = MSS, .held_in = 2, .held_ns = 3 * NS_PER_S);
        path->next[1] += MSS;
    }
    align(bench);
    expect_order(bench, true, ORDER(2, 0, 1));
}

/* Captures of one host in which the delay is below the clock's grain: only TTL tells. */
static void test_order_by_ttl(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, ORDER(1, 2, 0));
    path->delay_ns[1] = path->delay_ns[2] = 0;
    path->routed = true;
    play(path, 10);
    align(bench);
    expect_order(bench, true, ORDER(1, 2, 0));
}

/* TTL is asked before time. */
static void test_ttl_outweighs_time(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(1, 0));
    path->routed = true;
    play(path, 10);
    for (unsigned place = 0; place < 2; place++) /* written as if time ran the other way */
        for (uint32_t i = 0; i < path->shown_count[place]; i++)
            path->shown[place][i].pkt.time.ns *= -1;
    align(bench);
    expect_order(bench, true, ORDER(1, 0));
}

/* One direction says so and the other the opposite (a TTL that is rewritten): time decides. */
static void test_contradicting_ttl_is_passed_over(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(1, 0));
    play(path, 10);
    for (uint32_t i = 0; i < path->shown_count[0]; i++)
        path->shown[0][i].ttl = 50; /* of both directions */
    align(bench);
    expect_order(bench, true, ORDER(1, 0));
}

static void test_undecided_keeps_the_given_order(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, NULL);
    path->delay_ns[1] = path->delay_ns[2] = 0;
    play(path, 10);
    bench->given[0] = 2;
    bench->given[1] = 0;
    bench->given[2] = 1;
    align(bench);
    expect_order(bench, false, ORDER(2, 0, 1));
    assert_false(bench->items[0].reversed);
}

/* One pair of neighbours is undecided: then the path is not found. */
static void test_partly_decided_is_not_found(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, ORDER(2, 1, 0));
    path->delay_ns[1] = 0;
    play(path, 10);
    align(bench);
    expect_order(bench, false, ORDER(0, 1, 2));
}

/* Packets of one direction only tell no order: the clocks could be anything. */
static void test_one_direction_tells_no_order(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(1, 0));
    for (unsigned i = 0; i < 20; i++)
        SEND(path, .time_ns = i * MS, .side = SERVER, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    align(bench);
    expect_order(bench, false, ORDER(0, 1));
    assert_true(bench->alignment.tied[1]);
}

static void test_no_flow_in_common(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct path *path = add_download(bench, 2, NULL);
        path->blind[i] = true;
        play(path, 10);
        path_finish(path);
    }
    align(bench);
    assert_false(bench->alignment.found);
    assert_true(bench->alignment.tied[0]);
    assert_false(bench->alignment.tied[1]);
    assert_int_equal(offset(bench, 1), 0);
}

static void test_without_flows_and_points(void **state)
{
    struct bench *bench = *state;
    bench->flows.point_count = 1;
    align(bench);
    expect_order(bench, true, ORDER(0));
    assert_true(bench->alignment.tied[0]);
}

/* One point shares nothing with the others. */
static void test_one_untied_point(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, ORDER(0, 1, 2));
    path->blind[1] = true;
    play(path, 10);
    align(bench);
    assert_true(bench->alignment.tied[0] && bench->alignment.tied[2]);
    assert_false(bench->alignment.tied[1]);
}

/* The user's order stands; that the captures say otherwise is told. */
static void test_order_fixed_by_user(void **state)
{
    static const unsigned orders[][3] = {{2, 1, 0}, {0, 1, 2}};
    for (unsigned turn = 0; turn < 2; turn++) {
        struct bench *bench = *state;
        play(add_download(bench, 3, ORDER(0, 1, 2)), 20);
        align_with(bench, (struct align_options){.order = orders[turn]});
        for (unsigned place = 0; place < 3; place++)
            assert_int_equal(bench->alignment.order[place], orders[turn][place]);
        assert_int_equal(bench->alignment.opposed, turn == 0);
        assert_int_equal(bench->items[0].reversed, turn == 0); /* against that path */
        for (unsigned p = 0; p < 3; p++)
            assert_false(bench->alignment.contradicts[p]);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* Where nothing decides the order, nothing opposes the user's. */
static void test_order_fixed_where_undecided(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, NULL);
    path->delay_ns[1] = path->delay_ns[2] = 0;
    play(path, 10);
    align_with(bench, (struct align_options){.order = ORDER(2, 0, 1)});
    assert_int_equal(bench->alignment.order[0], 2);
    assert_int_equal(bench->alignment.order[1], 0);
    assert_false(bench->alignment.opposed);
}

/* ---- who runs against the path ----------------------------------------------------------------
 */

/* Most bytes come from one side; a small flow was opened from there. */
static void test_reversed_flow(void **state)
{
    struct bench *bench = *state;
    play(add_download(bench, 3, ORDER(1, 0, 2)), 40);
    struct path *back = add_download(bench, 3, ORDER(1, 0, 2));
    back->reversed = true;
    play(back, 5);
    align(bench);
    expect_order(bench, true, ORDER(1, 0, 2));
    assert_false(bench->items[0].reversed);
    assert_true(bench->items[1].reversed);
}

/* The bytes decide, not the number of flows. */
static void test_bytes_outweigh_flows(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 4; i++) {
        struct path *small = add_download(bench, 2, ORDER(1, 0));
        small->reversed = true;
        play(small, 2);
    }
    play(add_download(bench, 2, ORDER(1, 0)), 60);
    align(bench);
    expect_order(bench, true, ORDER(1, 0));
    assert_true(bench->items[0].reversed);
    assert_false(bench->items[4].reversed);
}

/* A flow without its SYN, whose ends may be mistaken, does not outvote one with a SYN. */
static void test_only_flows_with_a_syn_vote(void **state)
{
    struct bench *bench = *state;
    struct path *big = add_download(bench, 2, ORDER(0, 1));
    big->reversed = true;
    big->next[0] = big->next[1] = 1;
    path_transfer(big, SERVER, 60);
    play(add_download(bench, 2, ORDER(0, 1)), 2);
    align(bench);
    expect_order(bench, true, ORDER(0, 1));
    assert_true(bench->items[0].reversed);
}

/* Without any SYN, those that are there vote. */
static void test_without_any_syn(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(1, 0));
    path->next[0] = path->next[1] = 1;
    path_transfer(path, SERVER, 20);
    align(bench);
    expect_order(bench, true, ORDER(1, 0));
}

/* ---- clocks -----------------------------------------------------------------------------------
 */

/* With f = 3 ms forth and r = 1 ms back the offset lies in [-3, 1] ms: zero is kept, and may be off
 * by the longer one. */
static void test_zero_is_kept_where_it_fits(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(0, 1));
    path->delay_ns[1] = 2 * MS;
    path->clock_ns[1] = MS;
    play(path, 10);
    align(bench);
    assert_int_equal(offset(bench, 1), 0);
    assert_int_equal(uncertainty(bench, 1), 3 * MS);
}

/* Just outside: the middle of the interval is taken. */
static void test_middle_where_zero_does_not_fit(void **state)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        struct bench *bench = *state;
        struct path *path = add_download(bench, 2, ORDER(0, 1));
        path->delay_ns[1] = 2 * MS;
        path->clock_ns[1] = sign * (2 * MS + 10 * NS_PER_US);
        play(path, 10);
        align(bench);
        assert_int_equal(offset(bench, 1), -path->clock_ns[1]);
        assert_int_equal(uncertainty(bench, 1), 2 * MS);
        assert_false(bench->alignment.contradicts[1]);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* The quickest packets bound it, however late the others are. */
static void test_bounds_are_the_quickest_packets(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(0, 1));
    path->delay_ns[1] = 8 * MS;
    path->clock_ns[1] = NS_PER_S;
    play(path, 10);
    path->delay_ns[1] = MS;
    SEND(path, .time_ns = path->now_ns, .side = SERVER, .seq = path->next[1], .ack = 101, .len = 9);
    path->delay_ns[1] = 3 * MS;
    SEND(path, .time_ns = path->now_ns + 50 * MS, .seq = 101, .ack = path->next[1] + 9);
    align(bench);
    assert_int_equal(offset(bench, 1), -NS_PER_S + MS); /* (-1 + 3) / 2 beside the truth */
    assert_int_equal(uncertainty(bench, 1), 2 * MS);
}

static void test_uncertainty_adds_up_along_the_path(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, ORDER(0, 1, 2));
    path->clock_ns[1] = 7 * NS_PER_S;
    path->clock_ns[2] = -9 * NS_PER_S;
    path->delay_ns[2] = 4 * MS;
    play(path, 10);
    align(bench);
    assert_int_equal(offset(bench, 1), -7 * NS_PER_S);
    assert_int_equal(uncertainty(bench, 1), MS);
    assert_int_equal(offset(bench, 2), 9 * NS_PER_S);
    assert_int_equal(uncertainty(bench, 2), 5 * MS);
}

static void test_uncertainty_has_a_floor(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(0, 1));
    path->delay_ns[1] = 100;
    play(path, 10);
    align(bench);
    assert_int_equal(offset(bench, 1), 0);
    assert_int_equal(uncertainty(bench, 1), 2 * NS_PER_US);
}

/* Zero may be off by the two readings of one clock: 2 us. */
static void test_zero_within_the_floor(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 2, ORDER(0, 1));
    path->delay_ns[1] = 500;
    path->clock_ns[1] = 2400;
    play(path, 10);
    align(bench);
    assert_int_equal(offset(bench, 1), 0);
    path->clock_ns[1] = 0;
}

/* Two readings of one clock may contradict each other by as much as their uncertainty. */
static void test_small_contradiction_is_none(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct bench *bench = *state;
        struct path *path = add_download(bench, 2, ORDER(0, 1));
        path->routed = true;
        path->delay_ns[1] = turn ? -2100 : -1900; /* there and back: 4.2 and 3.8 us */
        play(path, 10);
        align(bench);
        assert_int_equal(bench->alignment.contradicts[1], turn);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* A reversed flow bounds the clock from the other side: 1 ms each way, no contradiction. */
static void test_reversed_flows_bound_the_clock(void **state)
{
    struct bench *bench = *state;
    play(add_download(bench, 2, ORDER(0, 1)), 40);
    struct path *back = add_download(bench, 2, ORDER(0, 1));
    back->reversed = true;
    play(back, 5);
    bench->path[0]->clock_ns[1] = back->clock_ns[1] = 0;
    align(bench);
    assert_int_equal(offset(bench, 1), 0);
    assert_int_equal(uncertainty(bench, 1), MS);
    assert_false(bench->alignment.contradicts[1]);
}

/* One direction only: one bound. */
static void test_one_sided_bound(void **state)
{
    for (unsigned side = 0; side < 2; side++) {
        struct bench *bench = *state;
        struct path *path = add_download(bench, 2, ORDER(0, 1));
        path->clock_ns[1] = (side ? -1 : 1) * 5 * NS_PER_S;
        for (unsigned i = 0; i < 20; i++)
            SEND(path, .time_ns = i * MS, .side = side, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
        align(bench);
        assert_int_equal(offset(bench, 1), (side ? 1 : -1) * (5 * NS_PER_S - MS));
        assert_true(bench->alignment.tied[1]);
        assert_int_equal(uncertainty(bench, 1), 50 * MS); /* the delay it cannot know */
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

static void test_clock_fixed_by_user(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_download(bench, 3, ORDER(0, 1, 2));
    path->clock_ns[1] = 6 * NS_PER_S;
    path->clock_ns[2] = 6 * NS_PER_S;
    play(path, 10);
    const bool fixed[3] = {false, true, false};
    const int64_t offsets[3] = {0, -6 * NS_PER_S + 123, 0};
    align_with(bench, (struct align_options){.fixed = fixed, .offset_ns = offsets});
    assert_int_equal(offset(bench, 1), -6 * NS_PER_S + 123);
    assert_true(bench->alignment.tied[1]);
    /* Point 2 shares point 1's clock, and takes what was fixed there. */
    assert_int_equal(offset(bench, 2), -6 * NS_PER_S + 123);
}

/* With the offset that was fixed, packets would arrive 2 ms before they were sent. */
static void test_fixed_clock_that_contradicts(void **state)
{
    for (unsigned turn = 0; turn < 3; turn++) {
        struct bench *bench = *state;
        play(add_download(bench, 2, ORDER(0, 1)), 10);
        const bool fixed[2] = {false, true};
        const int64_t offsets[2] = {0, turn == 0 ? -3 * MS : turn == 1 ? 3 * MS : MS};
        align_with(bench, (struct align_options){.fixed = fixed, .offset_ns = offsets});
        assert_int_equal(offset(bench, 1), offsets[1]);
        assert_int_equal(bench->alignment.contradicts[1], turn < 2);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

static bool collect_pairs(const struct path *path, unsigned thin, struct pairs *pairs)
{
    struct choice a = {0}, b = {0};
    struct pair_table table = {0};
    bool ok = pairs_choose(path->at[0], thin, &a) && pairs_choose(path->at[1], thin, &b) &&
              pairs_collect(&a, &b, thin, &table, pairs);
    free(a.pkts);
    free(b.pkts);
    pair_table_free(&table);
    return ok;
}

/* ---- pairs ------------------------------------------------------------------------------------
 */

/* Packets that look like another one of their flow, and copies captured twice, pair with none. */
static void test_pairs_are_one_of_a_kind(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_path(bench, 2);
    path->no_stamps = path->no_ids = true;
    SEND(path, .time_ns = 0, .side = SERVER, .seq = 1, .ack = 1, .len = 100);
    SEND(path, .time_ns = MS, .seq = 1, .ack = 101);
    SEND(path, .time_ns = 2 * MS, .seq = 1, .ack = 101); /* duplicate ACKs */
    SEND(path, .time_ns = 3 * MS, .side = SERVER, .seq = 101, .ack = 1, .len = 100);
    SEND(path, .time_ns = 4 * MS, .side = SERVER, .seq = 201, .ack = 1, .len = 100, .lost_in = 2);
    path_finish(path);
    struct pairs pairs = {0};
    assert_true(collect_pairs(path, 0, &pairs));
    assert_int_equal(pairs.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pairs.items[i].side, 1);
        assert_int_equal(pairs.items[i].later_ns, MS);
    }
    path->view[1].pkts[0].flags |= PKT_DUPLICATE;
    assert_true(collect_pairs(path, 0, &pairs)); /* appends */
    assert_int_equal(pairs.count, 3);
    pairs_free(&pairs);
    assert_null(pairs.items);
}

/* From packet `first` on. */
static void cut_timestamps(struct track_flow *view, uint32_t first)
{
    for (uint32_t i = first; i < view->pkt_count; i++) {
        view->pkts[i].tsval = view->pkts[i].tsecr = 0;
        view->pkts[i].flags &= (uint32_t)~PKT_TIMESTAMPS;
    }
}

/* A short snap length cut the timestamps at one point, or the payload. */
static void test_pairs_despite_a_short_snap_length(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_path(bench, 2);
    play(path, 10);
    path_finish(path);
    for (uint32_t i = 0; i < path->view[1].pkt_count; i++)
        path->view[0].pkts[i].hash = (uint16_t)(i + 1);
    cut_timestamps(&path->view[1], 0);
    struct pairs pairs = {0};
    assert_true(collect_pairs(path, 0, &pairs));
    assert_int_equal(pairs.count, 25);
    pairs_free(&pairs);
}

/* What is never asked about does not count: here a copy, that alone has the timestamps. */
static void test_pairs_lack_what_chosen_ones_lack(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_path(bench, 2);
    play(path, 10);
    path_finish(path);
    cut_timestamps(&path->view[1], 1);
    path->view[1].pkts[0].flags |= PKT_DUPLICATE;
    assert_true(path->view[1].pkts[0].flags & PKT_TIMESTAMPS);
    struct pairs pairs = {0};
    assert_true(collect_pairs(path, 0, &pairs));
    assert_int_equal(pairs.count, 24);
    pairs_free(&pairs);
}

/* Thinning takes the same packets at both points. */
static void test_pairs_thinned(void **state)
{
    struct bench *bench = *state;
    struct path *path = add_path(bench, 2);
    play(path, 500);
    path_finish(path);
    struct pairs pairs = {0};
    assert_true(collect_pairs(path, 0, &pairs));
    assert_int_equal(pairs.count, 1005);
    pairs.count = 0;
    assert_true(collect_pairs(path, 3, &pairs));
    assert_in_range(pairs.count, 60, 200);
    pairs_free(&pairs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_from_timing),
        TEST(test_order_whatever_the_clocks),
        TEST(test_five_points),
        TEST(test_chain_of_neighbours),
        TEST(test_order_despite_stalls),
        TEST(test_order_by_ttl),
        TEST(test_ttl_outweighs_time),
        TEST(test_contradicting_ttl_is_passed_over),
        TEST(test_undecided_keeps_the_given_order),
        TEST(test_partly_decided_is_not_found),
        TEST(test_one_direction_tells_no_order),
        TEST(test_no_flow_in_common),
        TEST(test_without_flows_and_points),
        TEST(test_one_untied_point),
        TEST(test_order_fixed_by_user),
        TEST(test_order_fixed_where_undecided),
        TEST(test_reversed_flow),
        TEST(test_bytes_outweigh_flows),
        TEST(test_only_flows_with_a_syn_vote),
        TEST(test_without_any_syn),
        TEST(test_zero_is_kept_where_it_fits),
        TEST(test_middle_where_zero_does_not_fit),
        TEST(test_bounds_are_the_quickest_packets),
        TEST(test_uncertainty_adds_up_along_the_path),
        TEST(test_uncertainty_has_a_floor),
        TEST(test_zero_within_the_floor),
        TEST(test_small_contradiction_is_none),
        TEST(test_reversed_flows_bound_the_clock),
        TEST(test_one_sided_bound),
        TEST(test_clock_fixed_by_user),
        TEST(test_fixed_clock_that_contradicts),
        TEST(test_pairs_are_one_of_a_kind),
        TEST(test_pairs_despite_a_short_snap_length),
        TEST(test_pairs_lack_what_chosen_ones_lack),
        TEST(test_pairs_thinned),
    };
    return cmocka_run_group_tests_name("align", tests, NULL, NULL);
}
