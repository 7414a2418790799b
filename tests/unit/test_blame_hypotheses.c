/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What each suspicion makes of a result. Results are built by hand: three points a, b, c, whose
 * flows change their addresses between b and c, so that b..c (segment 2) is the firewall's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "blame/hypotheses.h"

#define MS    1000000LL
#define S     1000000000LL
#define FLOWS 3u
#define ROOM  64u

struct world {
    struct wh_result result;
    struct wh_point points[3];
    struct wh_segment segments[4];
    struct wh_flow flows[FLOWS];
    struct wh_flow_at at[FLOWS][3];
    struct wh_stall stalls[ROOM];
    uint32_t ids[FLOWS][ROOM];
    struct wh_event events[ROOM];
    struct arena arena;
};

static const struct wh_frame FRAMES[2] = {{1, 0, 11}, {2, 0, 22}};
static const struct wh_evidence EVIDENCE[1] = {{"a packet was held", FRAMES, 2}};

static void set_at(struct wh_flow_at *at, uint32_t flow, bool inside)
{
    static const char *const clients[][FLOWS] = {
        {"192.0.2.1:1000", "192.0.2.1:1001", "192.0.2.1:1002"},
        {"10.0.0.1:1000", "10.0.0.1:1001", "10.0.0.1:1002"}};
    *at = (struct wh_flow_at){clients[inside][flow], "192.0.2.9:80"};
}

static void set_unseen(struct wh_flow_at *at)
{
    *at = (struct wh_flow_at){"", ""};
}

static void world_make(struct world *world)
{
    static const char *const points[] = {"a", "b", "c"};
    static const char *const segments[] = {"servers..a", "a..b", "b..c", "c..clients"};
    memset(world, 0, sizeof *world);
    for (uint32_t p = 0; p < 3; p++)
        world->points[p] = (struct wh_point){.name = points[p], .packets = 1000, .snaplen = 128};
    for (uint32_t s = 0; s < 4; s++) {
        bool inner = s == 1 || s == 2;
        struct wh_traffic traffic = {500, 0, WH_NONE, WH_NONE, WH_NONE};
        if (inner)
            traffic = (struct wh_traffic){500, 0, MS, 2 * MS, 9 * MS};
        world->segments[s] = (struct wh_segment){segments[s], traffic, traffic, 0};
    }
    for (uint32_t f = 0; f < FLOWS; f++) {
        for (uint32_t p = 0; p < 3; p++)
            set_at(&world->at[f][p], f, p == 2);
        world->flows[f] = (struct wh_flow){.id = f + 1,
                                           .protocol = "tcp",
                                           .at = world->at[f],
                                           .end_ns = 100 * S,
                                           .bytes_to_client = 100000,
                                           .stalls = world->ids[f]};
    }
    world->result = (struct wh_result){.points = world->points,
                                       .point_count = 3,
                                       .segments = world->segments,
                                       .segment_count = 4,
                                       .flows = world->flows,
                                       .flow_count = FLOWS,
                                       .events = world->events,
                                       .stalls = world->stalls};
}

/* Stalls must be added by start; each lasts from `at_ns` for `for_ns`. */
static struct wh_stall *add_stall(struct world *world, uint32_t flow, uint32_t segment,
                                  enum wh_cause cause, int64_t at_ns, int64_t for_ns)
{
    uint32_t n = world->result.stall_count++;
    struct wh_flow *its = &world->flows[flow - 1];
    world->stalls[n] = (struct wh_stall){.id = n + 1,
                                         .flow = flow,
                                         .start_ns = at_ns,
                                         .end_ns = at_ns + for_ns,
                                         .resumed = true,
                                         .segment = segment,
                                         .segment_span = 1,
                                         .cause = cause,
                                         .direction = WH_TO_CLIENT,
                                         .scope = WH_ONE_FLOW,
                                         .evidence = EVIDENCE,
                                         .evidence_count = 1};
    world->ids[flow - 1][its->stall_count++] = n + 1;
    world->result.verdict =
        (struct wh_verdict){.stalled = true, .segment = segment, .segment_span = 1, .cause = cause};
    return &world->stalls[n];
}

/* Events must be added by time. */
static struct wh_event *add_event(struct world *world, enum wh_event_kind kind, uint32_t point,
                                  uint32_t flow, int64_t at_ns)
{
    struct wh_event *event = &world->events[world->result.event_count++];
    *event = (struct wh_event){.time_ns = at_ns,
                               .length = 1448,
                               .flow = flow,
                               .frame = 700 + (uint32_t)world->result.event_count,
                               .point = (uint8_t)point,
                               .direction = WH_TO_CLIENT,
                               .kind = (uint8_t)kind,
                               .span = 1};
    world->points[point].events[kind]++;
    return event;
}

static struct wh_event *add_lost(struct world *world, uint32_t segment, uint32_t flow,
                                 int64_t at_ns)
{
    struct wh_event *event = add_event(world, WH_EVENT_LOST, segment - 1, flow, at_ns);
    event->value = segment;
    world->segments[segment].to_client.lost++;
    return event;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void check_row(const struct wh_hypothesis *row)
{
    assert_non_null(row->id);
    assert_true(row->title && *row->title);
    assert_int_equal(row->to_decide != NULL, row->status == WH_UNDECIDED);
    if (row->to_decide)
        assert_in_range(strlen(row->to_decide), 20, 300);
    if (row->status != WH_UNDECIDED)
        assert_true(row->evidence_count > 0);
    for (uint32_t e = 0; e < row->evidence_count; e++) {
        assert_in_range(strlen(row->evidence[e].text), 10, 298);
        assert_null(strstr(row->evidence[e].text, "(null)"));
    }
}

static const struct wh_hypothesis *ask(struct world *world, const char *id)
{
    const struct wh_hypothesis *found = NULL;
    assert_int_equal(hypotheses_make(&world->result, &world->arena, NULL), WH_OK);
    for (uint32_t i = 0; i < world->result.hypothesis_count; i++) {
        const struct wh_hypothesis *row = &world->result.hypotheses[i];
        check_row(row);
        if (strcmp(row->id, id) == 0)
            found = row;
    }
    assert_non_null(found);
    return found;
}

static void expect(struct world *world, const char *id, enum wh_hypothesis_status status,
                   const char *text)
{
    const struct wh_hypothesis *row = ask(world, id);
    bool told = text == NULL;
    for (uint32_t e = 0; e < row->evidence_count; e++)
        told |= text && strstr(row->evidence[e].text, text);
    if (row->status != status || !told)
        print_message("%s: %d, \"%s\"\n", id, row->status,
                      row->evidence_count ? row->evidence[0].text : "");
    assert_int_equal(row->status, status);
    assert_true(told);
}

/* ---- all rows -------------------------------------------------------------------------------- */

static void test_rows(void **state)
{
    static const char *const ids[] = {
        "netback_slots",         "netback_ring",          "rate_limit",
        "checksum_offload",      "host_memory",           "conntrack_invalid",
        "large_receive_offload", "mtu_blackhole",         "bridge_netfilter",
        "receiver_not_reading",  "not_scheduled",         "sender_idle",
        "capture_artefact",      "loss_beyond_outermost",
    };
    (void)state;
    struct world world;
    world_make(&world);
    world.result.flow_count = 0;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        expect(&world, ids[i], WH_UNDECIDED, NULL);
    assert_int_equal(world.result.hypothesis_count, sizeof ids / sizeof *ids);
    arena_free(&world.arena);
}

static void test_no_stall(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    add_lost(&world, 2, 1, S);
    expect(&world, "not_scheduled", WH_EXCLUDED, "no flow stalled: none of 3");
    for (uint32_t i = 0; i < world.result.hypothesis_count; i++)
        assert_int_equal(world.result.hypotheses[i].status, WH_EXCLUDED);
    expect(&world, "capture_artefact", WH_EXCLUDED, "every byte");
    arena_free(&world.arena);
}

static void test_one_point(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    world.result.point_count = 1;
    world.result.segment_count = 2;
    add_stall(&world, 1, 1, WH_CAUSE_UNKNOWN, S, S)->segment = 0;
    world.stalls[0].segment_span = 2;
    expect(&world, "netback_slots", WH_UNDECIDED, "both sides of the firewall");
    expect(&world, "not_scheduled", WH_UNDECIDED, NULL);
    expect(&world, "bridge_netfilter", WH_UNDECIDED, NULL);
    expect(&world, "host_memory", WH_UNDECIDED, NULL);
    expect(&world, "loss_beyond_outermost", WH_UNDECIDED, "servers..clients");
    arena_free(&world.arena);
}

/* ---- the firewall stands still --------------------------------------------------------------- */

static void freeze_all(struct world *world)
{
    for (uint32_t f = 1; f <= FLOWS; f++) {
        struct wh_stall *stall =
            add_stall(world, f, 2, WH_CAUSE_FREEZE, (int64_t)f * MS + S, 2 * S);
        stall->scope = WH_ALL_FLOWS;
        stall->direction = WH_BOTH;
    }
}

static void test_frozen(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    freeze_all(&world);
    const struct wh_hypothesis *row = ask(&world, "not_scheduled");
    assert_int_equal(row->status, WH_SUPPORTED);
    assert_int_equal(row->evidence[0].frame_count, 2);
    assert_memory_equal(row->evidence[0].frames, FRAMES, sizeof FRAMES);
    expect(&world, "netback_slots", WH_EXCLUDED, "no hole before the silence");
    expect(&world, "netback_ring", WH_EXCLUDED, "each of the 1000 packets");
    expect(&world, "rate_limit", WH_EXCLUDED, "both ways at once");
    expect(&world, "conntrack_invalid", WH_EXCLUDED, "nothing was thrown away");
    expect(&world, "bridge_netfilter", WH_EXCLUDED, "nothing was lost in a..b");
    expect(&world, "checksum_offload", WH_EXCLUDED, NULL);
    expect(&world, "host_memory", WH_EXCLUDED, "nothing was lost");
    expect(&world, "loss_beyond_outermost", WH_EXCLUDED, "beyond a or beyond c");
    world.segments[2].to_client.lost = 5;
    expect(&world, "not_scheduled", WH_UNDECIDED, "5 packets were lost");
    world.segments[2].to_client.lost = 0;
    world.result.events_dropped = 1; /* a hole may have been among them */
    expect(&world, "netback_slots", WH_UNDECIDED, NULL);
    arena_free(&world.arena);
}

static void test_frozen_one_flow(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    add_stall(&world, 1, 2, WH_CAUSE_FREEZE, S, 2 * S);
    expect(&world, "not_scheduled", WH_UNDECIDED, "no other is seen");
    struct wh_event *event = add_event(&world, WH_EVENT_WINDOW_UPDATE, 1, 2, 2 * S);
    expect(&world, "not_scheduled", WH_UNDECIDED, NULL); /* before the segment: it may be held */
    event->point = 2;
    const struct wh_hypothesis *row = ask(&world, "not_scheduled");
    assert_int_equal(row->status, WH_EXCLUDED);
    assert_int_equal(row->evidence[0].frames[0].frame, event->frame);
    assert_int_equal(row->evidence[0].frames[0].point, 2);
    expect(&world, "netback_slots", WH_EXCLUDED, "flow 2 passed meanwhile");
    event->time_ns = 3 * S; /* when it was over */
    expect(&world, "not_scheduled", WH_UNDECIDED, NULL);
    world.flows[2].bytes_to_client = 2000000; /* 40 KB: it may have paused */
    expect(&world, "not_scheduled", WH_UNDECIDED, NULL);
    world.flows[2].bytes_to_client = 50000000; /* 1 MB in those two seconds, and no stall */
    expect(&world, "not_scheduled", WH_EXCLUDED, "flow 3 moved on");
    add_stall(&world, 3, 3, WH_CAUSE_ZERO_WINDOW, 2 * S, S);
    expect(&world, "not_scheduled", WH_UNDECIDED, NULL);
    arena_free(&world.arena);
}

static void test_frozen_one_way(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    freeze_all(&world);
    for (uint32_t i = 0; i < FLOWS; i++)
        world.stalls[i].direction = WH_TO_CLIENT;
    expect(&world, "not_scheduled", WH_UNDECIDED, "one way only");
    struct wh_event *event = add_event(&world, WH_EVENT_RETRANSMISSION, 1, 2, 2 * S);
    event->direction = WH_TO_SERVER;
    expect(&world, "not_scheduled", WH_EXCLUDED, "the other way");
    arena_free(&world.arena);
}

static void test_elsewhere(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    struct wh_stall *stall = add_stall(&world, 1, 1, WH_CAUSE_FREEZE, S, S);
    expect(&world, "netback_slots", WH_EXCLUDED, "the only one is in a..b");
    expect(&world, "rate_limit", WH_EXCLUDED, "no stall lies in b..c (the NAT)");
    stall->segment_span = 2;
    expect(&world, "netback_slots", WH_UNDECIDED, "or beside it");
    expect(&world, "rate_limit", WH_UNDECIDED, NULL);
    expect(&world, "not_scheduled", WH_UNDECIDED, NULL);
    arena_free(&world.arena);
}

/* Without a translation between the captures, the firewall may lie beyond them. */
static void test_no_translation(void **state)
{
    static const char *const ids[] = {"netback_slots", "netback_ring", "rate_limit",
                                      "conntrack_invalid", "not_scheduled"};
    (void)state;
    struct world world;
    world_make(&world);
    struct wh_stall *stall = add_stall(&world, 1, 3, WH_CAUSE_FREEZE, S, S);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        expect(&world, ids[i], WH_EXCLUDED, NULL);
    for (uint32_t f = 0; f < FLOWS; f++)
        set_at(&world.at[f][2], f, false);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        expect(&world, ids[i], WH_UNDECIDED, "may lie beyond");
    stall->segment = 1;
    stall->scope = WH_ALL_FLOWS;
    stall->direction = WH_BOTH;
    expect(&world, "not_scheduled", WH_SUPPORTED, "a..b");
    expect(&world, "netback_ring", WH_EXCLUDED, "a..b or b..c");
    arena_free(&world.arena);
}

/* ---- netback --------------------------------------------------------------------------------- */

/* A hole at c of the first flow before each of two freezes, and its retransmission at b meanwhile.
 */
static void pin_slots(struct world *world, int64_t silent_ns, bool filled)
{
    for (int64_t start_ns = 2 * S; start_ns <= 12 * S; start_ns += 10 * S) {
        struct wh_event *gap = add_event(world, WH_EVENT_GAP, 2, 1, start_ns - 50 * MS);
        gap->seq = 10 * 1448;
        gap->value = 1448;
        if (filled)
            add_event(world, WH_EVENT_FAST_RETRANSMISSION, 2, 1, start_ns - 10 * MS)->seq =
                9 * 1448;
        add_event(world, WH_EVENT_RETRANSMISSION, 1, 1, start_ns + 300 * MS);
        add_event(world, WH_EVENT_SILENCE, 2, 1, start_ns + silent_ns)->value =
            (uint32_t)(silent_ns / 1000);
        for (uint32_t f = 1; f <= 2; f++)
            add_stall(world, f, 2, WH_CAUSE_FREEZE, start_ns + f * MS, silent_ns)->scope =
                WH_ALL_FLOWS;
    }
}

static void test_slots(void **state)
{
    static const struct {
        int64_t silent_ns;
        bool filled;
        enum wh_hypothesis_status status;
    } cases[] = {
        {1010 * MS, false, WH_SUPPORTED},
        {1490 * MS, false, WH_SUPPORTED},
        {1250 * MS, false, WH_UNDECIDED},
        {1010 * MS, true, WH_EXCLUDED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world world;
        world_make(&world);
        pin_slots(&world, cases[i].silent_ns, cases[i].filled);
        expect(&world, "netback_slots", cases[i].status, NULL);
        arena_free(&world.arena);
    }
}

static void test_ring(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    add_stall(&world, 1, 2, WH_CAUSE_LOSS, S, S);
    for (int i = 0; i < 6; i++)
        add_lost(&world, 2, 1, S + (i / 3) * 300 * MS + i * MS);
    expect(&world, "netback_ring", WH_UNDECIDED,
           "6 packets were lost in b..c in 2 bursts of up to 3");
    world.stalls[0].cause = WH_CAUSE_MTU_BLACKHOLE;
    expect(&world, "netback_ring", WH_EXCLUDED, "does not choose by size");
    arena_free(&world.arena);
}

static void test_rate_limit(void **state)
{
    static const struct {
        int64_t step_ms;
        uint32_t count;
        enum wh_hypothesis_status status;
    } cases[] = {{0, 5, WH_SUPPORTED}, {700, 5, WH_EXCLUDED}, {0, 3, WH_UNDECIDED}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world world;
        world_make(&world);
        int64_t at_ns = S;
        for (uint32_t n = 0; n < cases[i].count; n++) {
            add_stall(&world, 1, 2, WH_CAUSE_FREEZE, at_ns, 400 * MS);
            at_ns += S + n * cases[i].step_ms * MS;
        }
        expect(&world, "rate_limit", cases[i].status, NULL);
        arena_free(&world.arena);
    }
}

/* ---- loss ------------------------------------------------------------------------------------ */

static void test_memory(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    add_stall(&world, 1, 2, WH_CAUSE_LOSS, S, S);
    for (int64_t i = 0; i < 3; i++)
        add_lost(&world, 2, 1, (i + 1) * S);
    expect(&world, "host_memory", WH_EXCLUDED, "in one place only, b..c");
    arena_free(&world.arena);
    world_make(&world);
    add_stall(&world, 1, 2, WH_CAUSE_LOSS, S, S);
    for (int64_t i = 0; i < 3; i++) {
        add_lost(&world, 2, 1, (i + 1) * S);
        add_lost(&world, 1, 2, (i + 1) * S + 5 * MS);
    }
    expect(&world, "host_memory", WH_SUPPORTED, "3 of 3 bursts");
    for (uint32_t i = 1; i < world.result.event_count; i += 2)
        world.events[i].time_ns += 400 * MS;
    expect(&world, "host_memory", WH_UNDECIDED, "in 2 segments, 0 times");
    arena_free(&world.arena);
}

static void test_conntrack(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    struct wh_stall *stall = add_stall(&world, 1, 2, WH_CAUSE_LOSS, S, S);
    add_lost(&world, 2, 1, S);
    expect(&world, "conntrack_invalid", WH_EXCLUDED, "sent again with the same numbers");
    stall->resumed = false;
    expect(&world, "conntrack_invalid", WH_UNDECIDED, "did not end");
    stall->scope = WH_ALL_FLOWS;
    expect(&world, "conntrack_invalid", WH_EXCLUDED, "all flows stood still together");
    stall->scope = WH_ONE_FLOW;
    add_event(&world, WH_EVENT_RESET, 2, 1, 3 * S / 2);
    expect(&world, "conntrack_invalid", WH_UNDECIDED, "was reset");
    stall->cause = WH_CAUSE_NAT;
    expect(&world, "conntrack_invalid", WH_SUPPORTED, "translation itself failed");
    arena_free(&world.arena);
}

static void test_bridge(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    struct wh_stall *stall = add_stall(&world, 1, 1, WH_CAUSE_LOSS, S, S);
    add_lost(&world, 1, 1, S);
    expect(&world, "bridge_netfilter", WH_EXCLUDED, "passed when they were sent again");
    stall->resumed = false;
    expect(&world, "bridge_netfilter", WH_UNDECIDED, "did not end");
    set_unseen(&world.at[0][1]);
    expect(&world, "bridge_netfilter", WH_SUPPORTED, "flow 1 lost everything in a..b");
    for (uint32_t f = 0; f < FLOWS; f++) /* no translation: which of them is the bridge? */
        set_at(&world.at[f][2], f, false);
    expect(&world, "bridge_netfilter", WH_UNDECIDED, "no address is translated");
    arena_free(&world.arena);
}

static void test_beyond(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    struct wh_stall *stall = add_stall(&world, 1, 0, WH_CAUSE_LOSS, S, S);
    expect(&world, "loss_beyond_outermost", WH_SUPPORTED, "servers..a");
    stall->cause = WH_CAUSE_ACK_LOSS;
    stall->segment = 3;
    expect(&world, "loss_beyond_outermost", WH_SUPPORTED,
           "acknowledgements were lost in c..clients");
    stall->cause = WH_CAUSE_UNKNOWN;
    expect(&world, "loss_beyond_outermost", WH_UNDECIDED, "unknown cause");
    stall->segment = 2;
    stall->segment_span = 2;
    expect(&world, "loss_beyond_outermost", WH_UNDECIDED, "b..clients");
    stall->segment_span = 1;
    stall->cause = WH_CAUSE_LOSS;
    expect(&world, "loss_beyond_outermost", WH_EXCLUDED, NULL);
    arena_free(&world.arena);
}

/* ---- packets and ends ------------------------------------------------------------------------ */

static void test_checksum(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    add_stall(&world, 1, 3, WH_CAUSE_LOSS, S, S);
    expect(&world, "checksum_offload", WH_UNDECIDED, "only the beginning");
    for (uint32_t p = 0; p < 3; p++)
        world.points[p].snaplen = 65535;
    expect(&world, "checksum_offload", WH_EXCLUDED, "not one has a wrong checksum");
    add_event(&world, WH_EVENT_BAD_CHECKSUM, 2, 1, S + MS);
    expect(&world, "checksum_offload", WH_SUPPORTED, "1 data packet reached");
    add_event(&world, WH_EVENT_BAD_CHECKSUM, 0, 1, S + 2 * MS);
    expect(&world, "checksum_offload", WH_UNDECIDED, "is not seen");
    world.result.event_count = 1;
    world.events[0].flow = 2; /* not the one that waits */
    expect(&world, "checksum_offload", WH_UNDECIDED, "not those waited for");
    arena_free(&world.arena);
}

static void test_merged(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    add_stall(&world, 1, 2, WH_CAUSE_LOSS, S, S);
    expect(&world, "large_receive_offload", WH_EXCLUDED, "none was merged");
    world.points[0].merged_frames = true;
    expect(&world, "large_receive_offload", WH_EXCLUDED, "large ones pass");
    for (int i = 0; i < 6; i++)
        add_lost(&world, 1, 1, S + i * MS)->length = 14480;
    expect(&world, "large_receive_offload", WH_SUPPORTED, "all 6 pieces");
    world.events[3].length = 1448;
    expect(&world, "large_receive_offload", WH_EXCLUDED, "1 of the 6 pieces");
    arena_free(&world.arena);
}

static void test_blackhole(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    struct wh_stall *stall = add_stall(&world, 1, 2, WH_CAUSE_MTU_BLACKHOLE, S, S);
    expect(&world, "mtu_blackhole", WH_SUPPORTED, "no router said");
    add_event(&world, WH_EVENT_ICMP_TOO_BIG, 0, 1, S);
    expect(&world, "mtu_blackhole", WH_SUPPORTED, "1 time a router said");
    world.result.event_count = 0;
    world.points[0].events[WH_EVENT_ICMP_TOO_BIG] = 0;
    stall->cause = WH_CAUSE_LOSS;
    expect(&world, "mtu_blackhole", WH_EXCLUDED, "carried full-size data");
    world.flows[0].bytes_to_client = 3000;
    stall->resumed = false;
    expect(&world, "mtu_blackhole", WH_UNDECIDED, "large packets pass");
    add_lost(&world, 2, 1, S)->length = 1; /* a SYN */
    expect(&world, "mtu_blackhole", WH_EXCLUDED, "lost small packets too");
    stall->cause = WH_CAUSE_FREEZE;
    expect(&world, "mtu_blackhole", WH_EXCLUDED, "no stall waited for data that was lost");
    arena_free(&world.arena);
}

static void test_ends(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    struct wh_stall *stall = add_stall(&world, 1, 3, WH_CAUSE_ZERO_WINDOW, S, S);
    expect(&world, "receiver_not_reading", WH_SUPPORTED, "c..clients");
    expect(&world, "host_memory", WH_UNDECIDED, "window closed");
    expect(&world, "sender_idle", WH_EXCLUDED, "in the only stall");
    stall->cause = WH_CAUSE_SENDER_IDLE;
    expect(&world, "sender_idle", WH_SUPPORTED, "1 of 1 stalls");
    expect(&world, "receiver_not_reading", WH_EXCLUDED, "no receiver ever");
    add_event(&world, WH_EVENT_ZERO_WINDOW, 2, 1, S);
    expect(&world, "receiver_not_reading", WH_EXCLUDED, "announced 1 time,");
    stall->cause = WH_CAUSE_UNKNOWN;
    expect(&world, "receiver_not_reading", WH_UNDECIDED, NULL);
    arena_free(&world.arena);
}

static void test_captures(void **state)
{
    (void)state;
    struct world world;
    world_make(&world);
    add_event(&world, WH_EVENT_ACK_OF_UNSEEN, 0, 1, S);
    expect(&world, "capture_artefact", WH_EXCLUDED, "by the order in that file");
    set_unseen(&world.at[0][1]); /* only a saw the flow */
    set_unseen(&world.at[0][2]);
    expect(&world, "capture_artefact", WH_SUPPORTED, "does not have");
    set_at(&world.at[0][1], 0, false);
    for (uint32_t p = 1; p < 3; p++)
        add_event(&world, WH_EVENT_ACK_OF_UNSEEN, p, 1, S + p * MS);
    expect(&world, "capture_artefact", WH_SUPPORTED, "no capture has");
    world.points[1].capture_missed = 7;
    expect(&world, "capture_artefact", WH_SUPPORTED, "7 packets passed b");
    world.points[2].capture_dropped = 9;
    expect(&world, "capture_artefact", WH_SUPPORTED, "dropped 9 packets");
    arena_free(&world.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_stall),
        cmocka_unit_test(test_one_point),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_frozen_one_flow),
        cmocka_unit_test(test_frozen_one_way),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_no_translation),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_rate_limit),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_conntrack),
        cmocka_unit_test(test_bridge),
        cmocka_unit_test(test_beyond),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_blackhole),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_captures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
