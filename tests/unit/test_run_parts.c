/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of what stands beside the stages: gaps of captures, copies of files, findings that are
 * narrowed down, captures taken apart by interface. */
#include "analysis.h"
#include "follow_samples.h"
#include "per_flow.h"
#include "split.h"

#include <pcap/dlt.h>

#define PACKETS 100u
#define PORTS   65536u

/* ---- gaps ------------------------------------------------------------------------------------ */

struct gap_bench {
    struct pkt pkts[PACKETS];
    struct track_flow flow;
    struct capture capture;
    struct wh_analysis analysis;
    struct misses misses[WH_POINTS_MAX];
};

/* A capture with a packet every 10 ms. */
static int set_up_gaps(void **state)
{
    struct gap_bench *bench = calloc(1, sizeof *bench);
    *state = bench;
    if (!bench)
        return -1;
    for (uint32_t i = 0; i < PACKETS; i++)
        bench->pkts[i].time.ns = i * 10 * MS;
    bench->flow = (struct track_flow){.pkts = bench->pkts, .pkt_count = PACKETS};
    bench->capture.track = (struct track){.flows = &bench->flow, .flow_count = 1};
    bench->analysis.captures = &bench->capture;
    bench->analysis.capture_count = 1;
    return 0;
}

static int tear_down_gaps(void **state)
{
    struct gap_bench *bench = *state;
    free(bench->misses[0].items);
    free(bench->capture.gaps);
    free(bench);
    return 0;
}

static void miss_at(struct gap_bench *bench, uint32_t packets, int64_t time_ns)
{
    struct miss miss = {.time_ns = time_ns, .packets = packets};
    assert_true(misses_add(&bench->misses[0], miss));
}

static bool find_gaps(struct gap_bench *bench)
{
    struct wh_error error;
    bool found = false;
    assert_int_equal(gaps_find(&bench->analysis, bench->misses, &found, &error), WH_OK);
    return found;
}

/* Three in one silence are a gap, in whichever order they were told. */
static void test_three_in_a_silence_are_a_gap(void **state)
{
    struct gap_bench *bench = *state;
    for (unsigned i = 0; i < 3; i++)
        miss_at(bench, 1, (509 - 3 * i) * MS);
    assert_true(find_gaps(bench));
    assert_int_equal(bench->capture.gap_count, 1);
    assert_int_equal(bench->capture.gaps[0].from.ns, 500 * MS);
    assert_int_equal(bench->capture.gaps[0].to.ns, 510 * MS);
    assert_int_equal(bench->capture.gaps[0].packets, 3);
    assert_int_equal(bench->capture.miss_run, 0);
}

/* Several that are told at once count as many, by themselves or with others of that silence. */
static void test_misses_told_at_once(void **state)
{
    struct gap_bench *bench = *state;
    miss_at(bench, 2, 305 * MS);
    miss_at(bench, 1, 306 * MS);
    miss_at(bench, UINT32_MAX, 505 * MS);
    miss_at(bench, UINT32_MAX, 506 * MS);
    miss_at(bench, 2, 705 * MS); /* no gap */
    assert_true(find_gaps(bench));
    assert_int_equal(bench->capture.gap_count, 2);
    assert_int_equal(bench->capture.gaps[0].packets, 3);
    assert_int_equal(bench->capture.gaps[1].packets, 2 * (uint64_t)UINT32_MAX);
}

/* The path's clock counts: one capture is 5 s behind. */
static void test_gaps_by_the_clock_of_the_path(void **state)
{
    struct gap_bench *bench = *state;
    bench->analysis.alignment.clock[0].offset_ns = 5 * NS_PER_S;
    for (unsigned i = 0; i < 4; i++)
        miss_at(bench, 1, 5 * NS_PER_S + (501 + i) * MS);
    assert_true(find_gaps(bench));
    assert_int_equal(bench->capture.gaps[0].from.ns, 5 * NS_PER_S + 500 * MS);
}

static void test_outside_of_the_capture_is_no_gap(void **state)
{
    struct gap_bench *bench = *state;
    for (unsigned i = 0; i < 10; i++)
        miss_at(bench, 1, (i < 5 ? -100 : 2000) * MS + i);
    assert_false(find_gaps(bench));
    assert_int_equal(bench->capture.gap_count, 0);
}

/* At the very time of a packet it belongs to the silence behind that. */
static void test_misses_beside_packets(void **state)
{
    struct gap_bench *bench = *state;
    for (unsigned i = 0; i < 3; i++) {
        miss_at(bench, 1, -1);
        miss_at(bench, 1, 0);
        miss_at(bench, 1, 10 * MS - 1);
        miss_at(bench, 1, 990 * MS); /* when the last one came */
    }
    miss_at(bench, 2, 10 * MS);
    miss_at(bench, 2, 500 * MS);
    miss_at(bench, 2, 510 * MS - 1);
    assert_true(find_gaps(bench));
    assert_int_equal(bench->capture.gap_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(bench->capture.gaps[i].from.ns, i * 500 * MS);
        assert_int_equal(bench->capture.gaps[i].to.ns, (10 + i * 500) * MS);
        assert_int_equal(bench->capture.gaps[i].packets, i ? 4 : 6);
    }
    assert_int_equal(bench->capture.miss_run, 0); /* two by themselves are no rate */
}

/* Two flows of the capture: it is silent where both are. */
static void test_silence_is_of_all_flows(void **state)
{
    struct gap_bench *bench = *state;
    struct track_flow flows[2] = {bench->flow, bench->flow};
    flows[0].pkt_count = 51;
    flows[1].pkts += 60;
    flows[1].pkt_count -= 60;
    bench->capture.track = (struct track){.flows = flows, .flow_count = 2};
    for (unsigned i = 0; i < 2; i++)
        miss_at(bench, 2, (501 + 90 * i) * MS);
    assert_true(find_gaps(bench));
    assert_int_equal(bench->capture.gap_count, 1);
    assert_int_equal(bench->capture.gaps[0].from.ns, 500 * MS);
    assert_int_equal(bench->capture.gaps[0].to.ns, 600 * MS);
}

/* Those that are missing one by one make a rate, from five on. */
static void test_single_misses_make_a_rate(void **state)
{
    for (unsigned count = 4; count < 6; count++) {
        struct gap_bench *bench = *state;
        for (unsigned i = 0; i < count; i++)
            miss_at(bench, 1, (105 + 100 * i) * MS);
        assert_int_equal(find_gaps(bench), count == 5);
        assert_int_equal(bench->capture.gap_count, 0);
        if (count == 5)
            assert_true(bench->capture.miss_rate > 0.047 && bench->capture.miss_rate < 0.048);
        /* 100 packets, one in 21 missed: two in a row are likely, three are not */
        assert_int_equal(bench->capture.miss_run, count == 5 ? 2 : 0);
        tear_down_gaps(state);
        assert_int_equal(set_up_gaps(state), 0);
    }
}

/* ---- stalls and gaps ------------------------------------------------------------------------- */

#define MIN_STALL_MS 200

struct judged {
    uint32_t stalls;
    unsigned points_asked; /* the last time */
};

/* What is found in the flow, where a point's capture has a gap and others before and after it. */
static struct judged judge_with_gap(struct walk_bench *bench, unsigned point, int64_t from_ns,
                                    int64_t to_ns)
{
    static const char *const names[] = {"P0", "P1", "P2"};
    const struct capture_gap gaps[] = {
        {{-9000 * MS}, {-8000 * MS}, 3}, {{from_ns}, {to_ns}, 3}, {{8000 * MS}, {9000 * MS}, 3}};
    struct blame_options options = {
        .min_stall_ns = MIN_STALL_MS * MS, .point_count = bench->path->points, .names = names};
    static struct capture_span spans[WH_POINTS_MAX];
    struct flow_totals totals = {0};
    struct batch batch = {0};
    struct worker worker = {.batch = &batch, .spans = spans, .options = &options};
    struct wh_analysis analysis = {.capture_count = bench->path->points,
                                   .flows = {.items = &bench->path->flow, .count = 1},
                                   .alignment = bench->alignment,
                                   .totals = &totals};
    struct wh_error error;
    memcpy(spans, bench->spans, sizeof bench->spans);
    spans[point].gaps = gaps;
    spans[point].gap_count = 3;
    assert_int_equal(follow_flow(&bench->path->flow, &bench->alignment, spans, bench->path->points,
                                 &worker.followed, &error),
                     WH_OK);
    assert_int_equal(judge_flow(&analysis, &worker, 0, &error), WH_OK);
    struct judged judged = {batch.findings.count, worker.followed.trail[SERVER].hop_count};
    for (uint32_t i = 0; i < batch.findings.count; i++)
        free(batch.findings.items[i].evidence);
    free(batch.findings.items);
    followed_free(&worker.followed);
    blamer_free(&worker.blamer);
    arena_free(&worker.arena);
    return judged;
}

/* In the middle the client takes nothing for a while. */
static void play_pause(struct walk_bench *bench, int64_t pause_ms)
{
    path_open(bench->path);
    for (unsigned i = 0; i < 40; i++) {
        int64_t at_ms = 100 + 20 * i + (i < 20 ? 0 : pause_ms);
        bool shut = pause_ms && i == 19;
        SEGMENT(bench->path, at_ms, 1 + 1000 * i, 1000);
        ANSWER(bench->path, at_ms + 10, 1001 + 1000 * i, .window = shut ? SHUT : 0);
        if (shut)
            ANSWER(bench->path, at_ms + pause_ms, 1001 + 1000 * i);
    }
    walk_follow(bench);
}

/* A gap may hide a stall if it is long enough, and in the flow's time. */
static void test_asked_without_a_gap(void **state)
{
    struct walk_bench *bench = *state;
    play_pause(bench, 0);
    const struct track_flow *view = bench->path->flow.at[1];
    int64_t first_ns = view->first.ns, last_ns = view->last.ns, least_ns = MIN_STALL_MS * MS;
    const struct {
        int64_t from_ns, to_ns;
        unsigned asked;
    } gaps[] = {{first_ns - least_ns, first_ns, 3},   {first_ns - least_ns, first_ns + 1, 2},
                {first_ns, first_ns + least_ns, 2},   {first_ns + 1, first_ns + least_ns, 3},
                {last_ns - 1, last_ns + least_ns, 2}, {last_ns, last_ns + least_ns, 3}};
    for (unsigned i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        struct judged judged = judge_with_gap(bench, 1, gaps[i].from_ns, gaps[i].to_ns);
        assert_int_equal(judged.points_asked, gaps[i].asked);
        assert_int_equal(judged.stalls, 0);
    }
}

/* The only capture tells of a stall, if enough of that is outside of its gaps. */
static void test_stall_in_a_gap(void **state)
{
    struct walk_bench *bench = *state;
    bench->path->blind[1] = bench->path->blind[2] = true;
    play_pause(bench, 1000);
    const struct hop *hop = hop_of(bench, SERVER, 0);
    int64_t before_ns = hop_time(hop, copy_of(bench, SERVER, 0, 19001, 0));
    int64_t after_ns = hop_time(hop, copy_of(bench, SERVER, 0, 20001, 0));
    assert_int_equal(judge_with_gap(bench, 0, before_ns - 300 * MS, before_ns - 1).stalls, 1);
    assert_int_equal(judge_with_gap(bench, 0, after_ns + 1, after_ns + 300 * MS).stalls, 1);
    assert_int_equal(judge_with_gap(bench, 0, before_ns - 1, before_ns + 300 * MS).stalls, 1);
    assert_int_equal(judge_with_gap(bench, 0, before_ns - 1, after_ns - 300 * MS).stalls, 0);
    assert_int_equal(judge_with_gap(bench, 0, before_ns + 300 * MS, after_ns + 1).stalls, 0);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static unsigned warnings_of_copies(int64_t later_ns, uint32_t packets)
{
    static struct pkt pkts[2][PACKETS]; /* all but the times are 0 */
    struct track_flow flows[2];
    struct capture captures[2] = {{.name = "a"}, {.name = "b"}};
    struct wh_analysis analysis = {.captures = captures, .capture_count = 2};
    for (unsigned p = 0; p < 2; p++) {
        for (uint32_t i = 0; i < packets; i++)
            pkts[p][i].time.ns = i * 10 * MS + (p && i == packets / 2 ? later_ns : 0);
        flows[p] = (struct track_flow){.pkts = pkts[p], .pkt_count = packets};
        captures[p].track = (struct track){.flows = &flows[p], .flow_count = 1};
        captures[p].packets = packets;
        captures[p].span.last.ns = packets * 10 * MS;
    }
    warn_copies(&analysis);
    arena_free(&analysis.arena);
    free(analysis.warnings.items);
    return analysis.warnings.count;
}

static void test_a_copy_is_told(void **state)
{
    (void)state;
    assert_int_equal(warnings_of_copies(0, PACKETS), 1);
    assert_int_equal(warnings_of_copies(1, PACKETS), 0); /* two captures, by one nanosecond */
    assert_int_equal(warnings_of_copies(0, 19), 0);      /* too few to be sure */
}

/* ---- narrowed down --------------------------------------------------------------------------- */

static struct finding wide_finding(enum wh_cause cause)
{
    return (struct finding){.cause = cause,
                            .place = {1, 2},
                            .start_ns = 100 * MS,
                            .end_ns = 900 * MS,
                            .confidence = 0.9};
}

static void play_held(struct walk_bench *bench, unsigned segment, unsigned also)
{
    path_open(bench->path);
    for (unsigned i = 0; i < 20; i++) {
        bool held = i >= 10;
        SEGMENT(bench->path, 10 * i, 1 + 1000 * i, 1000, .held_in = held ? segment : 0,
                .held_ns = held ? 800 * MS - 10 * MS * (i - 10) : 0);
    }
    for (unsigned i = 20; also && i < 24; i++)
        SEGMENT(bench->path, 200 + i, 1 + 1000 * i, 1000, .held_in = also, .held_ns = 690 * MS);
    walk_follow(bench);
}

/* Held between the first two points, or between the last two. */
static void test_a_freeze_is_narrowed_down(void **state)
{
    for (unsigned segment = 2; segment < 4; segment++) {
        struct walk_bench *bench = *state;
        struct finding finding = wide_finding(WH_CAUSE_FREEZE);
        play_held(bench, segment, 0);
        narrow_finding(&bench->followed, &finding);
        assert_int_equal(finding.place.first, segment - 1);
        assert_int_equal(finding.place.span, 1);
        assert_true(finding.confidence < 0.9);
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

static void test_two_places_stay_wide(void **state)
{
    struct walk_bench *bench = *state;
    struct finding finding = wide_finding(WH_CAUSE_FREEZE);
    play_held(bench, 2, 3);
    narrow_finding(&bench->followed, &finding);
    assert_int_equal(finding.place.span, 2);
    assert_true(finding.confidence == 0.9);
}

/* One lost packet may be chance, two are a sign; and of causes that no packet shows, none is. */
static void test_losses_are_narrowed_down(void **state)
{
    for (unsigned lost = 1; lost < 4; lost++) {
        struct walk_bench *bench = *state;
        struct finding finding = wide_finding(lost < 3 ? WH_CAUSE_LOSS : WH_CAUSE_QUEUEING);
        path_open(bench->path);
        for (unsigned i = 0; i < 40; i++)
            SEGMENT(bench->path, 10 * i, 1 + 1000 * i, 1000,
                    .lost_in = i >= 20 && i < 20 + lost ? 3u : 0);
        walk_follow(bench);
        narrow_finding(&bench->followed, &finding);
        assert_int_equal(finding.place.span, lost == 2 ? 1 : 2);
        assert_int_equal(finding.place.first, lost == 2 ? 2 : 1);
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

/* Lost before the first capture, as nothing was lost between it and the second. */
static void test_what_is_left_of_the_span(void **state)
{
    for (unsigned lost = 0; lost < 2; lost++) {
        struct walk_bench *bench = *state;
        struct finding finding = wide_finding(WH_CAUSE_LOSS);
        finding.place = (struct place){0, 2};
        finding.direction = WH_TO_CLIENT;
        path_open(bench->path);
        for (unsigned i = 0; i < 20; i++)
            SEGMENT(bench->path, 10 * i, 1 + 1000 * i, 1000,
                    .lost_in = i == 12           ? 1u
                               : i == 15 && lost ? 2u
                                                 : 0);
        walk_follow(bench);
        narrow_finding(&bench->followed, &finding);
        assert_int_equal(finding.place.first, 0);
        assert_int_equal(finding.place.span, 1 + lost); /* one may be chance: it stays wide */
        walk_tear_down(state);
        assert_int_equal(walk_set_up(state), 0);
    }
}

/* ---- taken apart ----------------------------------------------------------------------------- */

/* Linux cooked v1, IPv4, TCP. */
static struct record cooked_record(uint8_t bytes[56], bool out, uint16_t from, uint16_t to)
{
    static const uint8_t frame[56] = {0,    0,         0,         1, 0, 6, [14] = 8,   0,
                                      0x45, [19] = 40, [24] = 64, 6, 0, 0, 10,         0,
                                      0,    1,         10,        0, 0, 2, [48] = 0x50};
    memcpy(bytes, frame, sizeof frame);
    bytes[1] = out ? 4 : 0;
    bytes[36] = (uint8_t)(from >> 8);
    bytes[37] = (uint8_t)from;
    bytes[38] = (uint8_t)(to >> 8);
    bytes[39] = (uint8_t)to;
    return (struct record){.data = bytes, .caplen = 56, .wirelen = 56, .dlt = DLT_LINUX_SLL};
}

/* Both ports ways: 1 is the side of the servers. A request goes out there, and its answer comes in.
 */
static void expect_sides(const uint32_t *port_packets, uint16_t client, uint16_t server)
{
    uint8_t bytes[56];
    struct record record;
    for (unsigned out = 0; out < 2; out++) {
        record = cooked_record(bytes, out, client, server);
        assert_int_equal(lane_of(LANE_SIDE, &record, port_packets), out);
        record = cooked_record(bytes, out, server, client);
        assert_int_equal(lane_of(LANE_SIDE, &record, port_packets), !out);
    }
}

static void test_sides_of_the_host(void **state)
{
    (void)state;
    uint32_t *port_packets = calloc(PORTS, sizeof *port_packets);
    assert_non_null(port_packets);
    expect_sides(port_packets, 50000, 8080); /* nothing known: the lower port */
    port_packets[8080] = 2000;
    port_packets[3747] = 60;
    expect_sides(port_packets, 3747, 8080); /* the one that more packets bear */
    free(port_packets);
}

static void test_lanes_wanted(void **state)
{
    (void)state;
    const uint32_t others[2] = {0, 3};
    struct capture_file all = {.lane_kind = LANE_ALL};
    struct capture_file one = {.lane_kind = LANE_INTERFACE, .lane = 3};
    struct capture_file rest = {.lane_kind = LANE_INTERFACE, .others = others, .other_count = 2};
    for (uint32_t interface = 0; interface < 5; interface++) {
        struct record record = {.interface = interface};
        assert_true(lane_wanted(&all, &record));
        assert_int_equal(lane_wanted(&one, &record), interface == 3);
        assert_int_equal(lane_wanted(&rest, &record), interface != 0 && interface != 3);
        assert_int_equal(lane_taken(&rest, interface), interface != 0 && interface != 3);
    }
}

#define GAP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_gaps, tear_down_gaps)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GAP_TEST(test_three_in_a_silence_are_a_gap),
        GAP_TEST(test_misses_told_at_once),
        GAP_TEST(test_gaps_by_the_clock_of_the_path),
        GAP_TEST(test_outside_of_the_capture_is_no_gap),
        GAP_TEST(test_misses_beside_packets),
        GAP_TEST(test_silence_is_of_all_flows),
        GAP_TEST(test_single_misses_make_a_rate),
        WALK_TEST(test_asked_without_a_gap),
        WALK_TEST(test_stall_in_a_gap),
        cmocka_unit_test(test_a_copy_is_told),
        WALK_TEST(test_a_freeze_is_narrowed_down),
        WALK_TEST(test_two_places_stay_wide),
        WALK_TEST(test_losses_are_narrowed_down),
        WALK_TEST(test_what_is_left_of_the_span),
        cmocka_unit_test(test_sides_of_the_host),
        cmocka_unit_test(test_lanes_wanted),
    };
    return cmocka_run_group_tests_name("run: parts", tests, NULL, NULL);
}
