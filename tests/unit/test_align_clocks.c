/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 5, align: clocks that drift and clocks that are set. */
#include "align/align.h"

#include "align/corridor.h"
#include "align/survey.h"
#include "flow_samples.h"

#define STEPS_HERE 30u

/* What is wrong with a point's clock: for as long as a capture runs. */
struct wrong {
    int64_t offset_ns, drift_ppb;
    struct {
        int64_t at_ns, step_ns;
    } steps[STEPS_HERE];
    unsigned step_count;
};

struct bench {
    struct path *path;
    struct wrong wrong[PATH_POINTS]; /* by point */
    struct alignment alignment;
};

static int set_up_points(void **state, unsigned points)
{
    struct bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    if (!bench)
        return -1;
    bench->path = path_new(points);
    for (unsigned segment = 1; segment < points; segment++)
        bench->path->delay_ns[segment] = 150 * NS_PER_US;
    return 0;
}

static int set_up_two(void **state)
{
    return set_up_points(state, 2);
}

static int set_up_three(void **state)
{
    return set_up_points(state, 3);
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    path_free(bench->path);
    free(bench);
    return 0;
}

/* A download of bursts for some seconds: five segments, then a pause. */
static void play(struct bench *bench, int64_t seconds)
{
    struct path *path = bench->path;
    int64_t end_ns = path->now_ns + seconds * NS_PER_S;
    if (path->now_ns == 0)
        path_open(path);
    while (path->now_ns < end_ns) {
        path_transfer(path, SERVER, 5);
        path->now_ns += 20 * MS;
    }
}

static void set_clock(struct bench *bench, unsigned point, int64_t at_ns, int64_t step_ns)
{
    struct wrong *wrong = &bench->wrong[point];
    assert_true(wrong->step_count < STEPS_HERE);
    wrong->steps[wrong->step_count].at_ns = at_ns;
    wrong->steps[wrong->step_count++].step_ns = step_ns;
}

static int64_t shown_ns(const struct wrong *wrong, int64_t ns)
{
    int64_t shown = ns + wrong->offset_ns + slope_ns(wrong->drift_ppb, ns);
    for (unsigned i = 0; i < wrong->step_count; i++)
        shown += ns >= wrong->steps[i].at_ns ? wrong->steps[i].step_ns : 0;
    return shown;
}

/* Aligns what the points captured by their wrong clocks, straightens it, and holds every packet's
 * time on the path against the truth: within the uncertainty, and 3 us for a step's. */
static void align(struct bench *bench)
{
    struct path *path = bench->path;
    struct wh_error error;
    unsigned given[PATH_POINTS] = {0, 1, 2, 3, 4};
    path_finish(path);
    for (unsigned p = 0; p < path->points; p++)
        for (uint32_t i = 0; i < path->view[p].pkt_count; i++)
            path->view[p].pkts[i].time.ns =
                shown_ns(&bench->wrong[p], path->view[p].pkts[i].time.ns);
    struct flows flows = {.items = &path->flow, .count = 1, .point_count = path->points};
    struct align_options options = {.given = given};
    assert_int_equal(align_points(&flows, &options, &bench->alignment, &error), WH_OK);
}

static void expect_true_times(struct bench *bench)
{
    struct path *path = bench->path;
    unsigned base = bench->alignment.order[0];
    const struct wrong *steady = &(const struct wrong){.offset_ns = bench->wrong[base].offset_ns,
                                                       .drift_ppb = bench->wrong[base].drift_ppb};
    for (unsigned p = 0; p < path->points; p++) {
        struct track track = {.flows = path->at[p], .flow_count = 1};
        const struct clock_fit *clock = &bench->alignment.clock[p];
        int64_t before_ns = INT64_MIN;
        align_straighten(&track, &bench->alignment.steps[p]);
        for (uint32_t i = 0; i < path->view[p].pkt_count; i++) {
            const struct pkt *pkt = &path->view[p].pkts[i];
            int64_t path_ns = clock_to_path(clock, pkt->time).ns;
            int64_t true_ns = shown_ns(steady, path->shown[path->point_at[p]][i].pkt.time.ns);
            assert_true(llabs(path_ns - true_ns) <= clock->uncertainty_ns + 3 * NS_PER_US);
            assert_true(path_ns >= before_ns);
            before_ns = path_ns;
        }
        if (bench->alignment.steps[p].count)
            assert_int_equal(path->view[p].first.ns, path->view[p].pkts[0].time.ns);
        assert_false(bench->alignment.contradicts[p]);
    }
}

static void expect_steps(const struct bench *bench, unsigned point)
{
    const struct clock_steps *found = &bench->alignment.steps[point];
    const struct wrong *wrong = &bench->wrong[point];
    assert_int_equal(found->count, wrong->step_count);
    for (unsigned i = 0; i < found->count; i++) {
        assert_in_range(llabs(found->items[i].step_ns - wrong->steps[i].step_ns), 0, 300 * 1000);
        assert_true(found->items[i].last.ns < found->items[i].next.ns ||
                    found->items[i].step_ns < 0);
    }
}

static void expect_all(struct bench *bench)
{
    for (unsigned p = 0; p < bench->path->points; p++) {
        assert_int_equal(bench->alignment.order[p], p);
        expect_steps(bench, p);
    }
    expect_true_times(bench);
}

static double drift_ppm(const struct bench *bench, unsigned point)
{
    return (double)bench->alignment.clock[point].drift_ppb / 1000;
}

static void renew(void **state, unsigned points)
{
    tear_down(state);
    assert_int_equal(set_up_points(state, points), 0);
}

/* ---- drift ------------------------------------------------------------------------------------
 */

static void test_drift_is_found(void **state)
{
    static const int ppm[] = {100, -100, 200, -500, 900};
    for (unsigned i = 0; i < 5; i++) {
        struct bench *bench = *state;
        bench->wrong[1] = (struct wrong){.offset_ns = 17 * NS_PER_S, .drift_ppb = ppm[i] * 1000};
        play(bench, 10);
        align(bench);
        assert_true(drift_ppm(bench, 1) > -ppm[i] - 1.0 && drift_ppm(bench, 1) < -ppm[i] + 1.0);
        expect_all(bench);
        renew(state, 2);
    }
}

/* A long freeze and growing queues raise delays: the walls stay where they are. */
static void test_drift_despite_freezes(void **state)
{
    struct bench *bench = *state;
    struct path *path = bench->path;
    bench->wrong[1].drift_ppb = 200000;
    for (unsigned turn = 0; turn < 4; turn++) {
        play(bench, 2);
        for (unsigned i = 0; i < 20; i++) {
            SEND(path, .time_ns = path->now_ns + i * MS, .side = SERVER, .seq = path->next[1],
                 .ack = 101, .len = MSS, .held_in = 2, .held_ns = 900 * MS - i * MS);
            path->next[1] += MSS;
        }
        path->now_ns += NS_PER_S;
    }
    align(bench);
    assert_true(drift_ppm(bench, 1) > -201.0 && drift_ppm(bench, 1) < -199.0);
    expect_all(bench);
}

/* What a constant offset explains is no drift: 10 ppm over 4 s are 40 us, within 300. */
static void test_no_drift_where_none_is_needed(void **state)
{
    struct bench *bench = *state;
    bench->wrong[1].drift_ppb = 10000;
    play(bench, 4);
    align(bench);
    assert_int_equal(bench->alignment.clock[1].drift_ppb, 0);
    assert_int_equal(bench->alignment.clock[1].offset_ns, 0);
    expect_all(bench);
}

/* All of it drifts with the first point: the path's clock is that point's. */
static void test_drift_of_the_first_point(void **state)
{
    struct bench *bench = *state;
    bench->wrong[0].drift_ppb = 300000;
    play(bench, 10);
    align(bench);
    assert_int_equal(bench->alignment.clock[0].drift_ppb, 0);
    for (unsigned p = 1; p < 3; p++)
        assert_true(drift_ppm(bench, p) > 299.0 && drift_ppm(bench, p) < 301.0);
    expect_true_times(bench);
}

/* ---- steps ------------------------------------------------------------------------------------
 */

static void test_step_at_each_point(void **state)
{
    static const int64_t steps_ms[] = {60, -60, 300, -300, 1500, -1500, 40000, -40000};
    for (unsigned i = 0; i < 8 * 3; i++) {
        struct bench *bench = *state;
        set_clock(bench, i % 3, NS_PER_S + i * 37 * MS, steps_ms[i / 3] * MS);
        play(bench, 4);
        align(bench);
        expect_all(bench);
        renew(state, 3);
    }
}

/* Of two points, the capture whose times fall was set, or the one the senders' clocks name. */
static void test_step_of_one_of_two(void **state)
{
    static const int64_t steps_ms[] = {300, -300, 5000, -5000};
    for (unsigned i = 0; i < 4 * 2; i++) {
        struct bench *bench = *state;
        set_clock(bench, i % 2, NS_PER_S + i * 37 * MS, steps_ms[i / 2] * MS);
        play(bench, 4);
        align(bench);
        expect_all(bench);
        assert_false(bench->alignment.steps[i % 2].items[0].unsure);
        renew(state, 2);
    }
}

/* Without timestamps, in a silence that is longer than the step: nothing tells which of the two. */
static void test_step_nobody_saw(void **state)
{
    struct bench *bench = *state;
    bench->path->no_stamps = true;
    play(bench, 2);
    bench->path->now_ns += 3 * NS_PER_S;
    set_clock(bench, 0, bench->path->now_ns - NS_PER_S, NS_PER_S);
    play(bench, 2);
    align(bench);
    assert_int_equal(bench->alignment.steps[0].count, 0);
    assert_int_equal(bench->alignment.steps[1].count, 1);
    assert_true(bench->alignment.steps[1].items[0].unsure);
    assert_in_range(llabs(bench->alignment.steps[1].items[0].step_ns + NS_PER_S), 0, 1000);
}

/* A third point's packets tell, where timestamps do not. */
static void test_third_point_tells(void **state)
{
    for (unsigned point = 0; point < 3; point++) {
        struct bench *bench = *state;
        bench->path->no_stamps = true;
        play(bench, 2);
        bench->path->now_ns += 3 * NS_PER_S;
        set_clock(bench, point, bench->path->now_ns - NS_PER_S, NS_PER_S);
        play(bench, 2);
        align(bench);
        expect_all(bench);
        renew(state, 3);
    }
}

static void test_many_steps_and_a_drift(void **state)
{
    struct bench *bench = *state;
    bench->wrong[1] = (struct wrong){.offset_ns = -3600 * NS_PER_S, .drift_ppb = 150000};
    bench->wrong[2].offset_ns = 5 * NS_PER_S;
    set_clock(bench, 1, 2100 * MS, 700 * MS);
    set_clock(bench, 1, 6130 * MS, -90 * MS);
    set_clock(bench, 2, 3020 * MS, -1500 * MS);
    set_clock(bench, 2, 9050 * MS, 12 * NS_PER_S);
    play(bench, 12);
    align(bench);
    expect_all(bench);
    assert_true(drift_ppm(bench, 1) > -153.0 && drift_ppm(bench, 1) < -147.0);
}

/* Captures of one host share its clock, which is set: no two of them differ. */
static void test_step_of_the_host(void **state)
{
    static const int64_t steps_ms[] = {-300, -1500, 400, 40000};
    for (unsigned i = 0; i < 4; i++) {
        struct bench *bench = *state;
        for (unsigned p = 0; p < 3; p++)
            set_clock(bench, p, 2015 * MS, steps_ms[i] * MS);
        play(bench, 4);
        align(bench);
        for (unsigned p = 0; p < 3; p++) {
            const struct clock_steps *found = &bench->alignment.steps[p];
            assert_int_equal(found->count, 1);
            assert_in_range(llabs(found->items[0].step_ns - steps_ms[i] * MS), 0, 10 * MS);
            assert_int_equal(found->items[0].step_ns, bench->alignment.steps[0].items[0].step_ns);
            assert_int_equal(bench->alignment.clock[p].offset_ns, 0);
        }
        renew(state, 3);
    }
}

/* The step comes while all packets are held between the points. */
static void test_step_within_a_freeze(void **state)
{
    for (unsigned point = 0; point < 2; point++) {
        struct bench *bench = *state;
        struct path *path = bench->path;
        play(bench, 2);
        for (unsigned i = 0; i < 30; i++) {
            SEND(path, .time_ns = path->now_ns + i * MS, .side = SERVER, .seq = path->next[1],
                 .ack = 101, .len = MSS, .held_in = 2, .held_ns = 2 * NS_PER_S - i * MS);
            path->next[1] += MSS;
        }
        set_clock(bench, point, path->now_ns + NS_PER_S, -400 * MS);
        path->now_ns += 2 * NS_PER_S + 50 * MS;
        play(bench, 2);
        align(bench);
        expect_all(bench);
        renew(state, 2);
    }
}

/* ---- what is no step --------------------------------------------------------------------------
 */

static void test_freeze_is_no_step(void **state)
{
    struct bench *bench = *state;
    struct path *path = bench->path;
    play(bench, 2);
    for (unsigned i = 0; i < 200; i++) { /* both ways, and nothing ever comes as fast again */
        SEND(path, .time_ns = path->now_ns + i * MS, .side = SERVER, .seq = path->next[1],
             .ack = 101, .len = MSS, .held_in = 2, .held_ns = 500 * MS);
        SEND(path, .time_ns = path->now_ns + i * MS + 600 * MS, .seq = 101,
             .ack = path->next[1] + MSS, .held_in = 2, .held_ns = 400 * MS);
        path->next[1] += MSS;
    }
    align(bench);
    expect_all(bench);
}

/* Two packets that are taken for one, as each capture missed the other's. */
static void test_wrong_pair_is_no_step(void **state)
{
    struct bench *bench = *state;
    struct path *path = bench->path;
    path->no_stamps = path->no_ids = true;
    play(bench, 2);
    SEND(path, .time_ns = path->now_ns, .side = SERVER, .seq = path->next[1], .ack = 101,
         .len = MSS, .missed = 1);
    SEND(path, .time_ns = path->now_ns + 300 * MS, .side = SERVER, .seq = path->next[1], .ack = 101,
         .len = MSS, .missed = 2);
    path->next[1] += MSS;
    path->now_ns += 320 * MS;
    play(bench, 2);
    align(bench);
    assert_int_equal(bench->alignment.steps[0].count + bench->alignment.steps[1].count, 0);
    assert_int_equal(bench->alignment.clock[1].offset_ns, 0);
    assert_false(bench->alignment.contradicts[1]);
}

/* Seen one way only, a difference may be the delay's. */
static void test_one_direction_tells_no_step(void **state)
{
    struct bench *bench = *state;
    set_clock(bench, 1, NS_PER_S, 200 * MS);
    bench->path->no_stamps = true;
    for (unsigned i = 0; i < 200; i++)
        SEND(bench->path, .time_ns = i * 10 * MS, .side = SERVER, .seq = 1 + i * MSS, .ack = 1,
             .len = MSS);
    align(bench);
    assert_int_equal(bench->alignment.steps[0].count + bench->alignment.steps[1].count, 0);
    assert_true(bench->alignment.clock[1].uncertainty_ns >= 50 * MS);
}

/* A clock that is set at every turn fits nothing; that is told. */
static void test_restless_clock_contradicts(void **state)
{
    struct bench *bench = *state;
    struct dice dice = {5};
    for (unsigned i = 0; i < STEPS_HERE; i++)
        set_clock(bench, 1, (i + 1) * 150 * MS, (int64_t)roll(&dice, 200) * MS - 100 * MS);
    bench->path->no_stamps = true;
    play(bench, 6);
    align(bench);
    assert_true(bench->alignment.contradicts[1]);
}

/* ---- corridors --------------------------------------------------------------------------------
 */

static void test_corridor(void **state)
{
    (void)state;
    struct sample samples[200] = {{{0}, {0}, 0, false, false}};
    struct corridor corridor = {0};
    struct dice dice = {3};
    int64_t low, high, low_ppb, high_ppb;
    for (unsigned i = 0; i < 200; i++) { /* 7 s off, 40 ppm, 1 to 21 ms either way */
        int64_t x_ns = i * 50 * MS, delay_ns = MS + roll(&dice, 20) * MS;
        int64_t apart_ns = 7 * NS_PER_S + x_ns / 25000;
        samples[i] = (struct sample){.ns = {x_ns, x_ns}, .x_ns = x_ns, .outwards = i & 1};
        samples[i].ns[1] += apart_ns + (i & 1 ? delay_ns : -delay_ns);
    }
    assert_true(corridor_make(&corridor, samples, 0, 200));
    assert_true(corridor_closed(&corridor));
    assert_true(corridor_width(&corridor, 40000, &low, &high) >= 2 * MS);
    assert_true(7 * NS_PER_S >= low + MS - 1 && 7 * NS_PER_S <= high - MS + 1);
    int64_t widest = corridor_widest(&corridor),
            most = corridor_width(&corridor, widest, &low, &high);
    for (int64_t slope = -SLOPE_MAX_PPB; slope <= SLOPE_MAX_PPB; slope += 1000)
        assert_true(corridor_width(&corridor, slope, &low, &high) <= most + 1);
    corridor_slopes(&corridor, widest, 0, &low_ppb, &high_ppb);
    assert_true(low_ppb <= 40000 && high_ppb >= 40000);
    assert_true(corridor_width(&corridor, low_ppb - 1, &low, &high) < 0);
    assert_true(corridor_width(&corridor, high_ppb + 1, &low, &high) < 0);
    for (unsigned i = 0; i < 200; i++) { /* no sample beyond a wall */
        corridor_width(&corridor, widest, &low, &high);
        int64_t base_ns = sample_apart_ns(&samples[i]) - slope_ns(widest, samples[i].x_ns);
        assert_true(samples[i].outwards ? base_ns >= high - 1 : base_ns <= low + 1);
    }
    corridor_free(&corridor);
}

/* Packets of both ways in turn, a millisecond apart, that take 1 to 3 ms. */
static struct sample *make_samples(uint32_t count)
{
    struct sample *samples = test_calloc(count, sizeof *samples);
    struct dice dice = {4};
    for (uint32_t i = 0; i < count; i++) {
        int64_t x_ns = i * MS, delay_ns = MS + roll(&dice, 2000) * NS_PER_US;
        samples[i] =
            (struct sample){.place = {i, i}, .ns = {x_ns, x_ns}, .x_ns = x_ns, .outwards = i & 1};
        samples[i].ns[1] += i & 1 ? delay_ns : -delay_ns;
    }
    return samples;
}

/* Longer than it could have taken, or before it was sent. */
static void make_strange(struct sample *sample)
{
    sample->ns[1] += sample->outwards ? -20 * MS : 20 * MS;
}

static void expect_same(const struct corridor *a, const struct corridor *b)
{
    int64_t low[2], high[2];
    assert_int_equal(a->first_ns, b->first_ns);
    assert_int_equal(a->last_ns, b->last_ns);
    for (int64_t slope = -SLOPE_MAX_PPB; slope <= SLOPE_MAX_PPB; slope += 50000) {
        corridor_width(a, slope, &low[0], &high[0]);
        corridor_width(b, slope, &low[1], &high[1]);
        assert_int_equal(low[0], low[1]);
        assert_int_equal(high[0], high[1]);
        assert_int_equal(corridor_closeness(a, slope), corridor_closeness(b, slope));
    }
}

/* Made bit by bit, or from a copy, a corridor is the one that is made at once. */
static void test_corridor_extended(void **state)
{
    (void)state;
    struct sample *samples = make_samples(400);
    struct corridor whole = {0}, grown = {0}, copy = {0};
    struct dice dice = {6};
    samples[50].strange = true;
    assert_true(corridor_make(&whole, samples, 7, 400));
    assert_true(corridor_make(&grown, samples, 7, 8));
    for (uint32_t end = 8, next; end < 400; end = next) {
        next = end + roll(&dice, 50);
        next = next > 400 ? 400 : next;
        assert_true(corridor_copy(&copy, &grown));
        assert_true(corridor_extend(&grown, samples, end, next));
        assert_true(corridor_extend(&copy, samples, end, 400));
        expect_same(&copy, &whole);
    }
    expect_same(&grown, &whole);
    corridor_free(&whole);
    corridor_free(&grown);
    corridor_free(&copy);
    test_free(samples);
}

/* Each for itself, before a step of the clock and behind it. */
static void test_strange_samples_are_told_from_a_step(void **state)
{
    (void)state;
    static const uint32_t strange[] = {10, 40, 90, 99, 700, 1480, 1520, 2000, 2011, 2600};
    struct sample *samples = make_samples(3000);
    struct survey survey;
    for (uint32_t i = 1500; i < 3000; i++)
        samples[i].ns[1] += 100 * MS;
    for (unsigned i = 0; i < sizeof strange / sizeof *strange; i++)
        make_strange(&samples[strange[i]]);
    assert_true(survey_make(&survey, samples, 3000));
    assert_false(survey.hopeless);
    assert_int_equal(survey.count, 1);
    assert_in_range(survey.jumps[0].size_ns, 98 * MS, 102 * MS);
    assert_in_range(survey.jumps[0].place[0], 1499, 1501);
    for (uint32_t i = 0, n = 0; i < 3000; i++) {
        bool here = n < sizeof strange / sizeof *strange && strange[n] == i;
        assert_int_equal(samples[i].strange, here);
        n += here;
    }
    test_free(samples);
}

/* One in a hundred may be strange, but no more of very many than of 65,536. */
static void test_too_many_strange_samples(void **state)
{
    (void)state;
    static const struct {
        uint32_t count, strange;
        bool hopeless;
    } cases[] = {{2000, 80, false}, {2000, 90, true}, {80000, 710, false}, {80000, 730, true}};
    for (unsigned n = 0; n < sizeof cases / sizeof *cases; n++) {
        struct sample *samples = make_samples(cases[n].count);
        struct survey survey;
        for (uint32_t i = 0; i < cases[n].strange; i++)
            make_strange(&samples[(i + 1) * (cases[n].count / (cases[n].strange + 1))]);
        assert_true(survey_make(&survey, samples, cases[n].count));
        assert_int_equal(survey.hopeless, cases[n].hopeless);
        test_free(samples);
    }
}

/* Leaves a point only what one side sent. */
static void keep_side(struct track_flow *view, unsigned side)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < view->pkt_count; i++)
        if (pkt_side(&view->pkts[i]) == side)
            view->pkts[kept++] = view->pkts[i];
    view->pkt_count = kept;
}

static void align_one_way(struct bench *bench, unsigned point, unsigned side)
{
    struct path *path = bench->path;
    struct wh_error error;
    unsigned order[PATH_POINTS] = {0, 1, 2, 3, 4};
    play(bench, 2);
    path_finish(path);
    keep_side(&path->view[point], side);
    for (unsigned p = 0; p < path->points; p++)
        for (uint32_t i = 0; i < path->view[p].pkt_count; i++)
            path->view[p].pkts[i].time.ns += bench->wrong[p].offset_ns;
    struct flows flows = {.items = &path->flow, .count = 1, .point_count = path->points};
    struct align_options options = {.order = order, .given = order};
    assert_int_equal(align_points(&flows, &options, &bench->alignment, &error), WH_OK);
}

static void expect_offsets(const struct bench *bench, int64_t within_ns)
{
    for (unsigned p = 0; p < bench->path->points; p++) {
        int64_t true_ns = bench->wrong[0].offset_ns - bench->wrong[p].offset_ns;
        const struct clock_fit *clock = &bench->alignment.clock[p];
        int64_t first_ns = bench->alignment.clock[0].uncertainty_ns;
        assert_true(bench->alignment.tied[p]);
        assert_false(bench->alignment.contradicts[p]);
        assert_true(clock->uncertainty_ns + first_ns <= within_ns);
        assert_true(llabs(clock->offset_ns - true_ns) <= clock->uncertainty_ns + first_ns);
    }
}

/* A middle point that saw one direction: the points on both sides of it bound its clock, and the
 * last point's is that of the first, whose packets it has both ways. */
static void test_one_way_in_the_middle(void **state)
{
    for (unsigned turn = 0; turn < 4; turn++) {
        struct bench *bench = *state;
        bench->wrong[1].offset_ns = (turn & 1 ? -1 : 1) * 1700 * MS;
        bench->wrong[2].offset_ns = -400 * MS;
        align_one_way(bench, 1, turn >> 1);
        expect_offsets(bench, 500 * NS_PER_US);
        tear_down(state);
        assert_int_equal(set_up_three(state), 0);
    }
}

/* An outer point that saw one direction: what was answered bounds its clock within a round trip.
 * The other two, which saw both, are as exact as if it were not there. */
static void test_one_way_at_an_end(void **state)
{
    for (unsigned turn = 0; turn < 8; turn++) {
        struct bench *bench = *state;
        unsigned point = turn & 1 ? 2 : 0;
        bench->wrong[point].offset_ns = (turn & 2 ? -1 : 1) * 1700 * MS;
        align_one_way(bench, point, turn >> 2);
        expect_offsets(bench, 10 * MS);
        for (unsigned p = 0; p < 3; p++)
            if (p != point)
                assert_true(bench->alignment.clock[p].uncertainty_ns <= 150 * NS_PER_US);
        tear_down(state);
        assert_int_equal(set_up_three(state), 0);
    }
}

#define TWO(name)   cmocka_unit_test_setup_teardown(name, set_up_two, tear_down)
#define THREE(name) cmocka_unit_test_setup_teardown(name, set_up_three, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TWO(test_drift_is_found),
        TWO(test_drift_despite_freezes),
        TWO(test_no_drift_where_none_is_needed),
        THREE(test_drift_of_the_first_point),
        THREE(test_step_at_each_point),
        TWO(test_step_of_one_of_two),
        TWO(test_step_nobody_saw),
        THREE(test_third_point_tells),
        THREE(test_many_steps_and_a_drift),
        THREE(test_step_of_the_host),
        TWO(test_step_within_a_freeze),
        TWO(test_freeze_is_no_step),
        TWO(test_wrong_pair_is_no_step),
        TWO(test_one_direction_tells_no_step),
        TWO(test_restless_clock_contradicts),
        THREE(test_one_way_in_the_middle),
        THREE(test_one_way_at_an_end),
        cmocka_unit_test(test_corridor),
        cmocka_unit_test(test_corridor_extended),
        cmocka_unit_test(test_strange_samples_are_told_from_a_step),
        cmocka_unit_test(test_too_many_strange_samples),
    };
    return cmocka_run_group_tests_name("align: clocks", tests, NULL, NULL);
}
