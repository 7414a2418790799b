/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unit tests of stage 8, blame: what other flows did at the same time, black holes by size, and
 * the verdict over all stalls.
 */
#include "blame/verdict.h"
#include "blame_samples.h"

#define FLOWS_MAX 4u

/* Several flows over one path. */
struct crowd {
    struct blame_bench *bench[FLOWS_MAX];
    unsigned count;
    struct flow items[FLOWS_MAX];
    struct flows flows;
    struct findings findings;
    struct arena arena;
};

static int crowd_set_up(void **state)
{
    *state = calloc(1, sizeof(struct crowd));
    return *state ? 0 : -1;
}

static int crowd_tear_down(void **state)
{
    struct crowd *crowd = *state;
    for (unsigned i = 0; i < crowd->count; i++) {
        void *bench = crowd->bench[i];
        blame_tear_down(&bench);
    }
    for (uint32_t i = 0; i < crowd->findings.count; i++)
        free(crowd->findings.items[i].evidence);
    free(crowd->findings.items);
    arena_free(&crowd->arena);
    free(crowd);
    return 0;
}

static struct blame_bench *join(struct crowd *crowd)
{
    void *state = NULL;
    assert_true(crowd->count < FLOWS_MAX);
    assert_int_equal(blame_set_up(&state), 0);
    crowd->bench[crowd->count++] = state;
    return state;
}

/* Blames every flow, and looks sideways. */
static void judge(struct crowd *crowd)
{
    static const char *const names[] = {"P0", "P1", "P2"};
    struct blame_options options = {.min_stall_ns = 200 * MS, .point_count = 3, .names = names};
    struct wh_error error;
    for (unsigned i = 0; i < crowd->count; i++) {
        struct blame_bench *bench = crowd->bench[i];
        walk_follow(&bench->walk);
        crowd->items[i] = bench->path->flow;
        assert_int_equal(blame_flow(&bench->blamer, &bench->path->flow, i, &bench->walk.followed,
                                    &options, &crowd->arena, &crowd->findings, &error),
                         WH_OK);
    }
    crowd->flows = (struct flows){
        .items = crowd->items, .count = crowd->count, .capacity = FLOWS_MAX, .point_count = 3};
    look_sideways(&crowd->findings, &crowd->flows, &crowd->bench[0]->walk.alignment, &crowd->arena);
}

static void expect_scope(struct crowd *crowd, uint32_t count, enum wh_scope scope)
{
    judge(crowd);
    assert_int_equal(crowd->findings.count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(crowd->findings.items[i].scope, scope);
}

/* ---- scope
 * ---------------------------------------------------------------------------------------- */

/* Nothing comes through P0..P1 from `at_ms` to 800 ms later. */
static void stand_still(struct blame_bench *bench, double at_ms)
{
    begin(bench, 20);
    for (int i = 0; i < 4; i++)
        DATA(at_ms + i, i * MSS, MSS, .held_in = 2, .held_ns = (800 - i) * MS);
    for (int i = 0; i < 4; i++)
        REPLY(at_ms + 811 + i, (i + 1) * MSS);
}

/* Data and answers all the time. */
static void keep_moving(struct blame_bench *bench)
{
    begin(bench, 20);
    for (int i = 0; i < 20; i++) {
        DATA(60 * i, i * MSS, MSS);
        REPLY(60 * i + 10, (i + 1) * MSS);
    }
}

static void test_one_flow_alone(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    expect_scope(crowd, 1, WH_ONE_FLOW);
}

static void test_one_flow_among_others(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    keep_moving(join(crowd));
    expect_scope(crowd, 1, WH_ONE_FLOW);
}

static void test_all_flows(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    stand_still(join(crowd), 100);
    begin(join(crowd), 20); /* with nothing to say meanwhile */
    expect_scope(crowd, 2, WH_ALL_FLOWS);
}

static void test_some_flows(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    keep_moving(join(crowd));
    stand_still(join(crowd), 100);
    expect_scope(crowd, 2, WH_SOME_FLOWS);
}

/* Data that nobody answers does not show that anything moved. */
static void test_unanswered_data_is_no_movement(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    stand_still(join(crowd), 100);
    struct blame_bench *bench = join(crowd);
    begin(bench, 20);
    for (int i = 0; i < 3; i++)
        DATA(300 + 60 * i, 0, MSS, .lost_in = 4);
    judge(crowd);
    assert_int_equal(crowd->findings.items[0].scope, WH_ALL_FLOWS);
}

/* At other times they are two incidents. */
static void test_one_after_the_other(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    stand_still(join(crowd), 500); /* 300 of 800 ms in common */
    expect_scope(crowd, 2, WH_ONE_FLOW);
}

static void test_half_in_common_is_together(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    stand_still(join(crowd), 380);
    expect_scope(crowd, 2, WH_ALL_FLOWS);
}

/* Half of the shorter one, that is. */
static void test_short_stall_within_a_long_one(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct crowd *crowd = *state;
        stand_still(join(crowd), 0);
        struct blame_bench *bench = join(crowd);
        begin(bench, 20);
        int64_t from_ms = turn ? 680 : 650; /* and 300 ms from there */
        for (int i = 0; i < 4; i++)
            DATA(from_ms + i, i * MSS, MSS, .held_in = 2, .held_ns = (300 - i) * MS);
        for (int i = 0; i < 4; i++)
            REPLY(from_ms + 311 + i, (i + 1) * MSS);
        expect_scope(crowd, 2, turn ? WH_ONE_FLOW : WH_ALL_FLOWS);
        crowd_tear_down(state);
        assert_int_equal(crowd_set_up(state), 0);
    }
}

/* What moved as it began and as it ended does not show that anything moved in between. */
static void test_movement_at_the_edges_is_none(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    stand_still(join(crowd), 20);
    struct blame_bench *bench = join(crowd);
    begin(bench, 20);
    for (int i = 0; i < 4; i++) {
        DATA(i < 2 ? 40 * i : 620 + 40 * i, i * MSS, MSS);
        REPLY((i < 2 ? 40 * i : 620 + 40 * i) + 10, (i + 1) * MSS);
    }
    expect_scope(crowd, 2, WH_ALL_FLOWS);
}

/* Elsewhere, at the same time. */
static void test_other_place_is_another_matter(void **state)
{
    struct crowd *crowd = *state;
    stand_still(join(crowd), 0);
    struct blame_bench *bench = join(crowd);
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 3);
    DATA(790, 0, MSS);
    REPLY(800, MSS);
    expect_scope(crowd, 2, WH_ONE_FLOW);
}

/* ---- does size decide?
 * ----------------------------------------------------------------------------- */

#define SMALL 300

/* Two copies of a full segment vanish between P1 and P2, and what is `least` bytes long; then the
 * sender tries smaller ones. */
static void black_hole(struct blame_bench *bench, uint32_t least, uint32_t through, unsigned count)
{
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 3);
    DATA(1, MSS, least, .lost_in = 3);
    for (unsigned i = 0; i < count; i++)
        DATA(50 + 20 * i, 3 * MSS + i * through, through);
    DATA(400, 0, MSS, .lost_in = 3);
    DATA(1200, 0, 500);
    REPLY(1210, 500);
}

static const struct finding *first_finding(struct crowd *crowd)
{
    judge(crowd);
    assert_int_not_equal(crowd->findings.count, 0);
    assert_int_equal(crowd->findings.items[0].place.first, 2);
    return &crowd->findings.items[0];
}

static void test_black_hole(void **state)
{
    struct crowd *crowd = *state;
    black_hole(join(crowd), MSS, SMALL, 2);
    const struct finding *finding = first_finding(crowd);
    assert_int_equal(finding->cause, WH_CAUSE_MTU_BLACKHOLE);
    assert_int_equal(finding->direction, WH_TO_CLIENT);
    assert_int_equal((int)(finding->confidence * 100 + 0.5), 90);
    const struct wh_evidence *evidence = &finding->evidence[finding->evidence_count - 1];
    assert_int_equal(evidence->frame_count, 1);
    assert_int_equal(evidence->frames[0].point, 2);
}

/* Small packets of another flow serve as well. */
static void test_black_hole_by_another_flow(void **state)
{
    struct crowd *crowd = *state;
    black_hole(join(crowd), MSS, SMALL, 0);
    struct blame_bench *bench = join(crowd);
    begin(bench, 20);
    for (int i = 0; i < 10; i++) {
        DATA(40 * i, i * 100, 100);
        REPLY(40 * i + 10, (i + 1) * 100);
    }
    assert_int_equal(first_finding(crowd)->cause, WH_CAUSE_MTU_BLACKHOLE);
}

/* Behind the last capture an acknowledgement shows what came through. */
static void test_black_hole_behind_the_last_point(void **state)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct crowd *crowd = *state;
        struct blame_bench *bench = join(crowd);
        begin(bench, 20);
        for (unsigned i = 0; i < 3; i++)
            DATA(300 * i, 0, MSS, .lost_in = 4);
        DATA(1200, 0, 500);
        REPLY(1210, 500);
        bench = join(crowd);
        begin(bench, 20);
        for (unsigned i = 0; i < 3; i++) {
            DATA(50 + 100 * i, i * SMALL, SMALL, .lost_in = turn ? 4 : 0);
            if (!turn)
                REPLY(60 + 100 * i, (i + 1) * SMALL);
        }
        judge(crowd);
        assert_int_equal(crowd->findings.items[0].place.first, 3);
        assert_int_equal(crowd->findings.items[0].cause == WH_CAUSE_MTU_BLACKHOLE, !turn);
        crowd_tear_down(state);
        assert_int_equal(crowd_set_up(state), 0);
    }
}

/* Near misses: it stays a loss. */
static void test_no_black_hole(void **state)
{
    static const struct {
        uint32_t least, through;
        unsigned count;
        const char *why;
    } rows[] = {
        {MSS, SMALL, 1, "one small packet is chance"},
        {MSS, MSS, 4, "others of that size came through"},
        {100, SMALL, 4, "small ones were lost too"},
        {499, 90, 4, "a path that carries less breaks more"},
        {MSS, SMALL, 0, "nothing came through at all"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct crowd *crowd = *state;
        black_hole(join(crowd), rows[i].least, rows[i].through, rows[i].count);
        if (first_finding(crowd)->cause != WH_CAUSE_LOSS)
            fail_msg("%s", rows[i].why);
        crowd_tear_down(state);
        assert_int_equal(crowd_set_up(state), 0);
    }
}

/* Once may be chance. */
static void test_one_large_loss_is_no_black_hole(void **state)
{
    struct crowd *crowd = *state;
    struct blame_bench *bench = join(crowd);
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 3);
    for (int i = 0; i < 4; i++)
        DATA(50 + 20 * i, MSS + i * SMALL, SMALL);
    DATA(600, 0, MSS);
    REPLY(610, MSS + 4 * SMALL);
    assert_int_equal(first_finding(crowd)->cause, WH_CAUSE_LOSS);
}

/* Small packets that went the other way show nothing; nor do those of a flow that runs so. */
static void test_small_packets_the_other_way(void **state)
{
    struct crowd *crowd = *state;
    black_hole(join(crowd), MSS, SMALL, 0);
    struct blame_bench *bench = join(crowd);
    bench->path->reversed = true;
    begin(bench, 20);
    for (int i = 0; i < 10; i++) {
        DATA(40 * i, i * 100, 100);
        REPLY(40 * i + 10, (i + 1) * 100);
    }
    assert_int_equal(first_finding(crowd)->cause, WH_CAUSE_LOSS);
}

/* ---- queues
 * ---------------------------------------------------------------------------------------- */

/* What another flow's queue makes of a freeze tells of its frames, and has them for itself. */
static void test_frames_of_a_queue_are_not_shared(void **state)
{
    struct crowd *crowd = *state;
    struct wh_frame frame = {1, 0, 7};
    keep_moving(join(crowd));
    keep_moving(join(crowd));
    judge(crowd);
    assert_int_equal(crowd->findings.count, 0);
    for (uint32_t f = 0; f < 2; f++) {
        struct finding *finding =
            ARRAY_PUSH(crowd->findings.items, crowd->findings.count, crowd->findings.capacity);
        assert_non_null(finding);
        *finding = (struct finding){.flow = f,
                                    .cause = f ? WH_CAUSE_FREEZE : WH_CAUSE_QUEUEING,
                                    .place = {1, 1},
                                    .end_ns = 500 * MS};
        struct wh_evidence *evidence =
            ARRAY_PUSH(finding->evidence, finding->evidence_count, finding->evidence_capacity);
        assert_non_null(evidence);
        *evidence = (struct wh_evidence){.text = "late", .frames = &frame, .frame_count = 1};
    }
    look_sideways(&crowd->findings, &crowd->flows, &crowd->bench[0]->walk.alignment, &crowd->arena);
    const struct finding *turned = &crowd->findings.items[1];
    assert_int_equal(turned->cause, WH_CAUSE_QUEUEING);
    assert_int_equal(turned->evidence_count, 2);
    assert_int_equal(turned->evidence[1].frame_count, 1);
    assert_memory_equal(turned->evidence[1].frames, &frame, sizeof frame);
    assert_ptr_not_equal(turned->evidence[1].frames, &frame);
}

/* ---- the verdict
 * ------------------------------------------------------------------------------------ */

/* A result over two points and two flows. */
struct court {
    struct wh_point points[2];
    struct wh_segment segments[3];
    struct wh_flow_at at[2][2];
    struct wh_flow flows[2];
    struct wh_stall stalls[8];
    struct wh_result result;
    struct arena arena;
};

static int court_set_up(void **state)
{
    struct court *court = calloc(1, sizeof *court);
    if (!court)
        return -1;
    court->points[0].name = "out";
    court->points[1].name = "in";
    for (unsigned f = 0; f < 2; f++) {
        for (unsigned p = 0; p < 2; p++)
            court->at[f][p] = (struct wh_flow_at){"192.0.2.1:99", ""};
        court->flows[f] = (struct wh_flow){.id = f + 1, .at = court->at[f]};
    }
    court->result = (struct wh_result){.points = court->points,
                                       .point_count = 2,
                                       .segments = court->segments,
                                       .segment_count = 3,
                                       .flows = court->flows,
                                       .flow_count = 2,
                                       .stalls = court->stalls};
    *state = court;
    return 0;
}

static int court_tear_down(void **state)
{
    struct court *court = *state;
    arena_free(&court->arena);
    free(court);
    return 0;
}

static void add_stall(struct court *court, uint32_t flow, int64_t start_s, int64_t end_s,
                      uint32_t segment, uint32_t span, enum wh_cause cause, double confidence)
{
    uint32_t id = ++court->result.stall_count;
    court->stalls[id - 1] = (struct wh_stall){.id = id,
                                              .flow = flow,
                                              .start_ns = start_s * NS_PER_S,
                                              .end_ns = end_s * NS_PER_S,
                                              .segment = segment,
                                              .segment_span = span,
                                              .cause = cause,
                                              .confidence = confidence};
}

static const struct wh_verdict *decide(struct court *court)
{
    struct wh_error error;
    assert_int_equal(verdict_make(&court->result, court->segments, &court->arena, &error), WH_OK);
    assert_non_null(court->result.verdict.sentence);
    return &court->result.verdict;
}

static void test_verdict_without_stalls(void **state)
{
    struct court *court = *state;
    const struct wh_verdict *verdict = decide(court);
    assert_false(verdict->stalled);
    assert_int_equal(verdict->ranking_count, 0);
    court->result.flow_count = 0;
    assert_true(decide(court)->confidence == 0);
}

/* Seconds in which several flows stall count once; the row that cost most is the verdict. */
static void test_verdict_counts_time(void **state)
{
    struct court *court = *state;
    add_stall(court, 1, 0, 4, 2, 1, WH_CAUSE_LOSS, 0.5);
    add_stall(court, 1, 10, 13, 1, 1, WH_CAUSE_FREEZE, 0.9);
    add_stall(court, 2, 11, 14, 1, 1, WH_CAUSE_FREEZE, 0.9);
    add_stall(court, 1, 20, 22, 1, 1, WH_CAUSE_FREEZE, 0.9);
    add_stall(court, 2, 30, 31, 0, 2, WH_CAUSE_UNKNOWN, 0.5);
    add_stall(court, 2, 40, 41, 1, 1, WH_CAUSE_LOSS, 0.6);
    const struct wh_verdict *verdict = decide(court);
    assert_true(verdict->stalled);
    assert_int_equal(verdict->segment, 1);
    assert_int_equal(verdict->cause, WH_CAUSE_FREEZE);
    assert_int_equal(verdict->ranking_count, 4);
    assert_int_equal(verdict->ranking[0].stall_time_ns, 6 * NS_PER_S);
    assert_int_equal(verdict->ranking[0].stalls, 3);
    assert_int_equal(verdict->ranking[0].flows, 2);
    assert_int_equal((int)(verdict->ranking[0].share * 1000 + 0.5), 500);
    assert_int_equal((int)(verdict->ranking[0].confidence * 1000 + 0.5), 900);
    assert_int_equal(verdict->ranking[1].cause, WH_CAUSE_LOSS);
    assert_int_equal(verdict->ranking[1].segment, 2);
    /* Equal time: by segment. */
    assert_int_equal(verdict->ranking[2].segment, 0);
    assert_int_equal(verdict->ranking[2].segment_span, 2);
    assert_int_equal(verdict->ranking[3].segment, 1);
    assert_int_equal(court->segments[0].stall_time_ns, 0); /* not certain */
    assert_int_equal(court->segments[1].stall_time_ns, 7 * NS_PER_S);
    assert_int_equal(court->segments[2].stall_time_ns, 4 * NS_PER_S);
}

/* Confidence is that of the stalls, weighted by their length. */
static void test_verdict_weighs_confidence(void **state)
{
    struct court *court = *state;
    add_stall(court, 1, 0, 3, 1, 1, WH_CAUSE_LOSS, 0.9);
    add_stall(court, 1, 5, 6, 1, 1, WH_CAUSE_LOSS, 0.5);
    assert_int_equal((int)(decide(court)->confidence * 1000 + 0.5), 800);
}

static void says(struct court *court, const char *words)
{
    const char *sentence = decide(court)->sentence;
    if (!strstr(sentence, words))
        fail_msg("\"%s\" does not say \"%s\"", sentence, words);
}

/* Where, what, how often, for how long, for how many: whatever the words around it. */
static void test_verdict_in_words(void **state)
{
    struct court *court = *state;
    add_stall(court, 1, 0, 3, 1, 1, WH_CAUSE_FREEZE, 0.9);
    add_stall(court, 2, 1, 2, 1, 1, WH_CAUSE_FREEZE, 0.9);
    add_stall(court, 1, 5, 6, 1, 1, WH_CAUSE_FREEZE, 0.9);
    static const char *const words[] = {"Between out and in", "held", "twice", "4.0 s", "2 flows",
                                        "nothing was lost"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        says(court, words[i]);
    assert_null(strstr(court->result.verdict.sentence, "NAT"));
    court->segments[1].to_client.lost = 3;
    court->segments[1].to_server.lost = 2;
    says(court, "5 packets were lost");
    court->at[1][1].client = "10.0.0.1:99";
    says(court, "where the NAT is");
}

static void test_verdict_names_the_ends(void **state)
{
    struct court *court = *state;
    add_stall(court, 1, 0, 3, 0, 1, WH_CAUSE_SENDER_IDLE, 0.9);
    says(court, "No hop is to blame.");
    says(court, "Beyond out, on the servers' side");
    court->stalls[0].segment = 2;
    court->stalls[0].cause = WH_CAUSE_ZERO_WINDOW;
    says(court, "No hop is to blame.");
    says(court, "Beyond in, on the clients' side");
    court->stalls[0].cause = WH_CAUSE_UNKNOWN;
    court->stalls[0].segment = 0;
    court->stalls[0].segment_span = 3;
    says(court, "Somewhere between the servers and the clients");
    assert_null(strstr(court->result.verdict.sentence, "No hop is to blame"));
    court->stalls[0].segment_span = 2;
    says(court, "Between the servers and in");
    court->stalls[0].segment = 1;
    says(court, "Between out and the clients");
}

#define CROWD_TEST(name) cmocka_unit_test_setup_teardown(name, crowd_set_up, crowd_tear_down)
#define COURT_TEST(name) cmocka_unit_test_setup_teardown(name, court_set_up, court_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(test_one_flow_alone),
        CROWD_TEST(test_one_flow_among_others),
        CROWD_TEST(test_all_flows),
        CROWD_TEST(test_some_flows),
        CROWD_TEST(test_unanswered_data_is_no_movement),
        CROWD_TEST(test_one_after_the_other),
        CROWD_TEST(test_half_in_common_is_together),
        CROWD_TEST(test_short_stall_within_a_long_one),
        CROWD_TEST(test_movement_at_the_edges_is_none),
        CROWD_TEST(test_other_place_is_another_matter),
        CROWD_TEST(test_black_hole),
        CROWD_TEST(test_black_hole_by_another_flow),
        CROWD_TEST(test_black_hole_behind_the_last_point),
        CROWD_TEST(test_no_black_hole),
        CROWD_TEST(test_one_large_loss_is_no_black_hole),
        CROWD_TEST(test_small_packets_the_other_way),
        CROWD_TEST(test_frames_of_a_queue_are_not_shared),
        COURT_TEST(test_verdict_without_stalls),
        COURT_TEST(test_verdict_counts_time),
        COURT_TEST(test_verdict_weighs_confidence),
        COURT_TEST(test_verdict_in_words),
        COURT_TEST(test_verdict_names_the_ends),
    };
    return cmocka_run_group_tests_name("blame, sideways", tests, NULL, NULL);
}
