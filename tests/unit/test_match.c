/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 4, match: conversations under other names at other points. */
#include "match/match.h"

#include <stdio.h>

#include "packet_samples.h"

#define POINTS 3

struct bench {
    struct track track[POINTS];
    struct arena arena;
    struct flows flows;
    unsigned points;
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct bench));
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    struct bench *bench = *state;
    for (unsigned p = 0; p < POINTS; p++)
        track_free(&bench->track[p]);
    arena_free(&bench->arena);
    match_free(&bench->flows);
    free(bench);
    return 0;
}

/* How much of a conversation a point sees, and what it says. */
struct part {
    unsigned first, last; /* of the packets below; last 0: all */
    bool no_stamps, no_ids, no_payload;
    uint32_t tick; /* TSval of the first packet; the server's is 70,000 ahead */
    uint16_t id;
};

#define PACKETS 24u
#define TICK    5000000u

/* Handshake, a request, and an answer in segments of 1000 bytes, each acknowledged; packet n comes
 * at n ms. Packet 23 is a FIN. */
static struct line packet_of(unsigned n, const struct part *part)
{
    uint32_t tick = (part->tick ? part->tick : TICK) + n;
    struct line line = {.time_ns = n * MS, .side = n % 2, .ip_id = (uint16_t)(part->id + 100 + n)};
    if (n == 0) {
        line.flags = TCP_SYN;
    } else if (n == 1) {
        line.flags = TCP_SYN;
        line.ack = 1;
    } else if (n == 2) {
        line.seq = line.ack = 1;
        line.len = 20;
        line.payload = part->no_payload ? NULL : "GET / HTTP/1.1 and more";
    } else {
        unsigned answers = n / 2; /* 3: the first */
        bool server = n % 2;
        line.seq = server ? 1 + 1000 * (answers - 1) : 21;
        line.ack = server ? 21 : 1 + 1000 * (answers - 1);
        line.len = server ? 1000 : 0;
        line.flags = n == PACKETS - 1 ? TCP_FIN : 0;
    }
    line.tsval = part->no_stamps ? 0 : tick + (line.side ? 70000 : 0);
    line.tsecr = part->no_stamps || n == 0 ? 0 : tick - 1 + (line.side ? 0 : 70000);
    line.ip_id = part->no_ids ? 0 : line.ip_id;
    return line;
}

static void see(struct bench *bench, unsigned point, const struct talk *talk, struct part part)
{
    unsigned last = part.last ? part.last : PACKETS - 1;
    bench->points = point >= bench->points ? point + 1 : bench->points;
    for (unsigned n = part.first; n <= last; n++) {
        struct line line = packet_of(n, &part);
        track_line(&bench->track[point], talk, &line);
    }
}

/* The same conversation as a masquerading router shows it outside. */
static struct talk masked(struct talk talk, unsigned port)
{
    talk.end[0] = endpoint(203, 0, 113, 2, port);
    return talk;
}

static void match_views(struct bench *bench)
{
    struct wh_error error;
    for (unsigned p = 0; p < bench->points; p++)
        assert_int_equal(track_finish(&bench->track[p], &error), WH_OK);
    assert_int_equal(
        match_points(bench->track, bench->points, 2, &bench->arena, &bench->flows, &error), WH_OK);
    assert_int_equal(bench->flows.point_count, bench->points);
}

static void match(struct bench *bench)
{
    match_views(bench);
    /* Every view belongs to one flow, and none is forgotten. */
    uint32_t views = 0, found = 0;
    for (unsigned p = 0; p < bench->points; p++)
        views += bench->track[p].flow_count;
    for (uint32_t i = 0; i < bench->flows.count; i++)
        for (unsigned p = 0; p < bench->points; p++)
            found += bench->flows.items[i].at[p] != NULL;
    assert_int_equal(found, views);
}

static const struct flow *only_flow(struct bench *bench)
{
    match(bench);
    assert_int_equal(bench->flows.count, 1);
    return &bench->flows.items[0];
}

static void none_matched(struct bench *bench, uint32_t count)
{
    match(bench);
    assert_int_equal(bench->flows.count, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(bench->flows.items[i].kind, MATCH_SINGLE);
}

/* All views count from one origin: a packet that two of them have lies at one offset. */
static void same_origins(const struct bench *bench, const struct flow *flow)
{
    const struct track_flow *first = NULL;
    for (unsigned p = 0; p < bench->points; p++) {
        const struct track_flow *view = flow->at[p];
        if (!view)
            continue;
        first = first ? first : view;
        for (unsigned side = 0; side < 2; side++) {
            if (first->stream[side].seen && view->stream[side].seen)
                assert_int_equal(view->stream[side].base, first->stream[side].base);
        }
        for (uint32_t i = 0; i < view->pkt_count; i++)
            for (uint32_t j = 0; j < first->pkt_count; j++)
                if (view->pkts[i].time.ns == first->pkts[j].time.ns) {
                    assert_int_equal(view->pkts[i].seq, first->pkts[j].seq);
                    assert_int_equal(view->pkts[i].ack, first->pkts[j].ack);
                    assert_int_equal(pkt_side(&view->pkts[i]), pkt_side(&first->pkts[j]));
                }
    }
}

/* ---- one flow ---------------------------------------------------------------------------------
 */

static void test_no_points(void **state)
{
    struct bench *bench = *state;
    bench->points = 1;
    match(bench);
    assert_int_equal(bench->flows.count, 0);
}

static void test_masquerade_with_handshake(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){0});
    talk = masked(talk, 1025);
    see(bench, 1, &talk, (struct part){0});
    see(bench, 2, &talk, (struct part){0});
    const struct flow *flow = only_flow(bench);
    assert_int_equal(flow->kind, MATCH_HANDSHAKE);
    assert_string_equal(match_words(flow), "isn+timestamps");
    assert_true(flow->confidence > 0.999 && flow->confidence <= 1);
    assert_false(flow->ambiguous);
    same_origins(bench, flow);
}

static void test_handshake_without_timestamps(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.no_stamps = true});
    talk = masked(talk, 1025);
    see(bench, 1, &talk, (struct part){.no_stamps = true});
    assert_string_equal(match_words(only_flow(bench)), "isn");
}

/* Begun before both captures, which start and end at other packets. */
static void test_masquerade_without_handshake(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 4, .last = 18});
    talk = masked(talk, 61001);
    see(bench, 1, &talk, (struct part){.first = 7});
    see(bench, 2, &talk, (struct part){.first = 3, .last = 12});
    const struct flow *flow = only_flow(bench);
    assert_int_equal(flow->kind, MATCH_CONTENT);
    assert_string_equal(match_words(flow), "sequence+timestamps");
    same_origins(bench, flow);
}

/* One capture has no more than a packet of it, the last or the first, and not the same name. */
static void test_one_packet_in_common(void **state)
{
    struct bench *bench = *state;
    for (unsigned n = 0; n < 2; n++) {
        struct talk talk = talk_usual();
        unsigned at = n ? PACKETS - 1 : 4;
        see(bench, 0, &talk, (struct part){.first = 4});
        talk = masked(talk, 61001);
        see(bench, 1, &talk, (struct part){.first = at, .last = at});
        const struct flow *flow = only_flow(bench);
        assert_int_equal(flow->kind, MATCH_CONTENT);
        assert_non_null(flow->at[0]);
        assert_non_null(flow->at[1]);
        same_origins(bench, flow);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        bench = *state;
    }
}

static void test_neither_handshake_nor_timestamps(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 4, .no_stamps = true});
    talk = masked(talk, 61001);
    see(bench, 1, &talk, (struct part){.first = 6, .no_stamps = true, .no_ids = true});
    const struct flow *flow = only_flow(bench);
    assert_string_equal(match_words(flow), "sequence");
    same_origins(bench, flow);
}

/* One point saw the handshake, the other came later: the origin is the SYN's. */
static void test_one_point_saw_the_handshake(void **state)
{
    for (unsigned early = 0; early < 2; early++) {
        struct bench *bench = *state;
        struct talk talk = talk_usual();
        see(bench, early, &talk, (struct part){0});
        talk = masked(talk, 61001);
        see(bench, !early, &talk, (struct part){.first = 9});
        const struct flow *flow = only_flow(bench);
        assert_int_equal(flow->kind, MATCH_CONTENT);
        same_origins(bench, flow);
        assert_int_equal(flow->at[!early]->stream[1].base, talk.isn[1]);
        assert_int_equal(flow->at[!early]->pkts[0].seq, 1 + 1000 * 3);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* The numbers wrap between the two points' first packets. */
static void test_origins_across_a_wrap(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    talk.isn[1] = UINT32_MAX - 3500;
    talk.isn[0] = UINT32_MAX - 15;
    see(bench, 0, &talk, (struct part){.first = 4});
    talk = masked(talk, 61001);
    see(bench, 1, &talk, (struct part){.first = 15});
    same_origins(bench, only_flow(bench));
}

static void test_no_nat(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    for (unsigned p = 0; p < POINTS; p++)
        see(bench, p, &talk, (struct part){0});
    const struct flow *flow = only_flow(bench);
    assert_int_equal(flow->kind, MATCH_HANDSHAKE);
    same_origins(bench, flow);
}

/* From the SYN on, from the SYN-ACK on (which acknowledges the SYN), and later. */
static void test_weakest_link_counts(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){0});
    see(bench, 1, &talk, (struct part){.first = 1});
    match(bench);
    assert_int_equal(bench->flows.items[0].kind, MATCH_HANDSHAKE);
    double sure = bench->flows.items[0].confidence;
    match_free(&bench->flows);
    see(bench, 2, &talk, (struct part){.first = 6, .no_stamps = true, .last = 7});
    const struct flow *flow = only_flow(bench);
    assert_int_equal(flow->kind, MATCH_CONTENT);
    assert_false(flow->timestamps);
    assert_true(flow->confidence <= sure);
    same_origins(bench, flow);
}

static void test_port_kept(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 5});
    talk = masked(talk, talk.end[0].port);
    see(bench, 1, &talk, (struct part){.first = 5});
    assert_int_equal(only_flow(bench)->kind, MATCH_CONTENT);
}

/* The destination is rewritten too (a redirect to a server behind the router). */
static void test_both_ends_renamed(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 5});
    talk = masked(talk, 1025);
    talk.end[1] = endpoint(10, 0, 0, 8, 8080);
    see(bench, 1, &talk, (struct part){.first = 5});
    same_origins(bench, only_flow(bench));
}

/* An unanswered SYN, seen where it is translated and where it was not. */
static void test_syn_only(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    const struct line syn = {.flags = TCP_SYN, .tsval = 7, .ip_id = 3};
    track_line(&bench->track[0], &talk, &syn);
    talk = masked(talk, 1025);
    track_line(&bench->track[1], &talk, &syn);
    bench->points = 2;
    const struct flow *flow = only_flow(bench);
    assert_false(flow->ambiguous);
    assert_non_null(flow->at[0]);
    assert_non_null(flow->at[1]);
}

/* The answer never came to the second point: one initial sequence number is all it has. */
static void test_syn_only_at_one_point(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){0});
    talk = masked(talk, 1025);
    struct line syn = packet_of(0, &(struct part){0});
    track_line(&bench->track[1], &talk, &syn);
    bench->points = 2;
    const struct flow *flow = only_flow(bench);
    assert_true(flow->at[0] && flow->at[1]);
}

/* Without a SYN the two points may call other ends the client. */
static void test_flipped_ends_are_turned(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    talk.end[1].port = 9000;
    talk.end[0].port = 8000; /* lower: taken for the server */
    see(bench, 0, &talk, (struct part){.first = 4});
    talk = masked(talk, 40000); /* higher */
    see(bench, 1, &talk, (struct part){.first = 4});
    const struct flow *flow = only_flow(bench);
    same_origins(bench, flow);
    assert_int_equal(flow->at[0]->endpoint[1].port == 9000, flow->at[1]->endpoint[1].port == 9000);
}

/* The point that saw the SYN decides, whichever comes first. */
static void test_flipped_ends_follow_the_syn(void **state)
{
    for (unsigned early = 0; early < 2; early++) {
        struct bench *bench = *state;
        struct talk talk = talk_usual();
        talk.end[0].port = 443;
        talk.end[1].port = 9000;
        see(bench, early, &talk, (struct part){.first = 0});
        see(bench, !early, &talk, (struct part){.first = 4});
        const struct flow *flow = only_flow(bench);
        same_origins(bench, flow);
        for (unsigned p = 0; p < 2; p++)
            assert_int_equal(flow->at[p]->endpoint[0].port, 443);
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* ---- strangers --------------------------------------------------------------------------------
 */

static void test_strangers_stay_apart(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){0});
    talk.isn[0] += 1u << 28; /* the same names, other numbers: the port was used again */
    talk.isn[1] -= 1u << 29;
    see(bench, 1, &talk, (struct part){.tick = 999});
    none_matched(bench, 2);
    assert_int_equal(bench->flows.items[0].confidence, 1);
    assert_string_equal(match_words(&bench->flows.items[0]), "single");
}

static void test_other_handshake_is_another_flow(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){0});
    talk.isn[0]++; /* all else alike */
    see(bench, 1, &talk, (struct part){0});
    none_matched(bench, 2);
}

static void test_other_timestamps_speak_against(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 4, .no_payload = true});
    talk = masked(talk, 1025);
    talk.isn[1] += 700; /* ranges overlap by chance */
    talk.isn[0] += 3;
    see(bench, 1, &talk, (struct part){.first = 4, .tick = 3u << 29, .id = 5000});
    none_matched(bench, 2);
}

/* Both ranges of numbers overlap, as those of two large transfers may by chance: no packet of the
 * one is in the other. */
static void test_overlap_alone_is_no_match(void **state)
{
    struct bench *bench = *state;
    for (unsigned p = 0; p < 2; p++) {
        struct talk talk = talk_usual();
        if (p)
            talk = masked(talk, 1025);
        for (unsigned i = 0; i < 2; i++)
            TRACK(&bench->track[p], &talk,
                  {.seq = 1 + 1000000 * i + 77 * p, .ack = 1 + 1000000 * i + 99 * p, .len = 10},
                  {.side = SERVER,
                   .seq = 1 + 1000000 * i + 55 * p,
                   .len = 10,
                   .ack = 1 + 1000000 * i + 33 * p});
    }
    bench->points = 2;
    none_matched(bench, 2);
}

/* One capture ends before the other begins: names are the same, and the numbers near. */
static void test_one_after_the_other(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 3, .last = 8});
    see(bench, 1, &talk, (struct part){.first = 15});
    same_origins(bench, only_flow(bench));
    assert_int_equal(
        bench->flows.items[0].at[1]->pkts[0].seq - bench->flows.items[0].at[0]->pkts[0].seq, 6000);
}

/* Near is within some megabytes. */
static void test_too_far_after_the_other(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 3, .last = 8});
    talk.isn[1] += 5000000;
    see(bench, 1, &talk, (struct part){.first = 15});
    none_matched(bench, 2);
}

/* Each point sees one direction (two taps): what one sends the other acknowledges. */
static void test_directions_seen_apart(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    for (unsigned n = 3; n < PACKETS; n++) {
        struct line line = packet_of(n, &(struct part){0});
        line.flags = 0;
        track_line(&bench->track[n % 2], &talk, &line);
    }
    bench->points = 2;
    const struct flow *flow = only_flow(bench);
    same_origins(bench, flow);
    for (unsigned p = 0; p < 2; p++)
        for (uint32_t i = 0; i < flow->at[p]->pkt_count; i++)
            assert_int_equal(pkt_side(&flow->at[p]->pkts[i]), pkt_side(&flow->at[p]->pkts[0]));
    assert_int_not_equal(pkt_side(&flow->at[0]->pkts[0]), pkt_side(&flow->at[1]->pkts[0]));
}

/* What the SYNs negotiated holds at every point. */
static void test_options_are_shared(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 5});
    for (unsigned n = 0; n < 6; n++) {
        struct line line = packet_of(n, &(struct part){0});
        line.window_scale = n < 2 ? 1 + 7 + (int)n : 0;
        line.mss = n < 2 ? (uint16_t)(1400 + n) : 0;
        track_line(&bench->track[1], &talk, &line);
    }
    see(bench, 2, &talk, (struct part){.first = 5});
    const struct flow *flow = only_flow(bench);
    for (unsigned p = 0; p < POINTS; p++)
        for (unsigned side = 0; side < 2; side++) {
            assert_int_equal(flow->at[p]->stream[side].window_scale, 7 + side);
            assert_true(flow->at[p]->stream[side].window_scale_known);
            assert_int_equal(flow->at[p]->stream[side].mss, 1400 + side);
            assert_true(track_scale_settled(flow->at[p], side));
        }
}

static void test_flow_of_one_point(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual(), other = talk_usual();
    other.isn[0] = 77;
    other.isn[1] = 770000;
    other.end[0].port = 50999;
    see(bench, 0, &talk, (struct part){0});
    see(bench, 0, &other, (struct part){.tick = 1u << 30});
    see(bench, 1, &talk, (struct part){0});
    match(bench);
    assert_int_equal(bench->flows.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct flow *flow = &bench->flows.items[i];
        bool alone = flow->at[0]->stream[0].base == 77;
        assert_int_equal(flow->kind, alone ? MATCH_SINGLE : MATCH_HANDSHAKE);
        assert_int_equal(flow->at[1] == NULL, alone);
    }
}

static void test_seen_at_the_outer_points_only(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual(), other = talk_usual();
    other.isn[0] = 77;
    see(bench, 0, &talk, (struct part){0});
    other.end[0].port = 4;
    see(bench, 1, &other, (struct part){.tick = 1u << 30});
    see(bench, 2, &talk, (struct part){0});
    match(bench);
    assert_int_equal(bench->flows.count, 2);
    assert_true(bench->flows.items[0].at[0] && bench->flows.items[0].at[2]);
    assert_null(bench->flows.items[0].at[1]);
}

/* ---- alike ------------------------------------------------------------------------------------
 */

/* Two flows of one point with all that counts the same, two names at the other: a guess would be
 * right half the time. */
static void test_twins_are_ambiguous(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct talk talk = talk_usual();
        talk.end[0] = endpoint(192, 0, 2, 10 + i, 1000 + i);
        see(bench, 0, &talk, (struct part){.first = 4});
        talk = masked(talk, 2000 + i);
        see(bench, 1, &talk, (struct part){.first = 4});
    }
    match(bench);
    assert_int_equal(bench->flows.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(bench->flows.items[i].kind, MATCH_SINGLE);
        assert_true(bench->flows.items[i].ambiguous);
    }
}

static void test_twin_handshakes_are_ambiguous(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct talk talk = talk_usual();
        talk.end[0] = endpoint(192, 0, 2, 10 + i, 1000 + i);
        see(bench, 0, &talk, (struct part){0});
        talk = masked(talk, 2000 + i);
        see(bench, 1, &talk, (struct part){0});
    }
    match(bench);
    for (uint32_t i = 0; i < bench->flows.count; i++)
        assert_true(bench->flows.items[i].ambiguous);
    assert_int_equal(bench->flows.count, 4);
}

/* One name here and two there that fit equally well. */
static void test_two_for_one_are_ambiguous(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){.first = 4});
    for (unsigned i = 0; i < 2; i++) {
        struct talk outside = masked(talk, 2000 + i);
        see(bench, 1, &outside, (struct part){.first = 4});
    }
    match(bench);
    assert_int_equal(bench->flows.count, 3);
    assert_true(bench->flows.items[0].ambiguous);
}

/* Twins whose names are kept are told apart by them. */
static void test_twins_with_kept_ports(void **state)
{
    struct bench *bench = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct talk talk = talk_usual();
        talk.end[0].port = (uint16_t)(1000 + i);
        see(bench, 0, &talk, (struct part){.first = 4});
        see(bench, 1, &talk, (struct part){.first = 4});
    }
    match(bench);
    assert_int_equal(bench->flows.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct flow *flow = &bench->flows.items[i];
        assert_int_equal(flow->at[0]->endpoint[0].port, flow->at[1]->endpoint[0].port);
    }
}

/* ---- many -------------------------------------------------------------------------------------
 */

#define MANY 2000u

static struct talk talk_number(uint32_t i)
{
    struct dice dice = {i * 7919ull + 1};
    struct talk talk = talk_usual();
    talk.end[0] = endpoint(192, 168, i >> 8, i, 1024 + i);
    talk.isn[0] = roll(&dice, INT32_MAX) * 2 + 1;
    talk.isn[1] = roll(&dice, INT32_MAX) * 2;
    return talk;
}

/* Adds all of them in random order; every one is masked, and seen from `first` on at the latest. */
static void see_many(struct bench *bench, unsigned point, bool mask, struct dice *dice)
{
    uint32_t order[MANY];
    for (uint32_t i = 0; i < MANY; i++)
        order[i] = i;
    for (uint32_t i = MANY; i > 1; i--) {
        uint32_t other = roll(dice, i), swap = order[i - 1];
        order[i - 1] = order[other];
        order[other] = swap;
    }
    for (uint32_t n = 0; n < MANY; n++) {
        uint32_t i = order[n];
        struct talk talk = talk_number(i);
        if (mask)
            talk = masked(talk, 1024 + n % 64000);
        bool late = i % 3 == 0;
        see(bench, point, &talk,
            (struct part){.first = late ? 3 + roll(dice, 4) : 0,
                          .last = 12,
                          .tick = 1 + i * 1000,
                          .id = (uint16_t)i,
                          .no_stamps = i % 5 == 0});
    }
}

static void test_many_flows_one_to_one(void **state)
{
    struct bench *bench = *state;
    struct dice dice = {2};
    for (unsigned p = 0; p < POINTS; p++)
        see_many(bench, p, p > 0, &dice);
    match(bench);
    assert_int_equal(bench->flows.count, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        const struct flow *flow = &bench->flows.items[i];
        assert_false(flow->ambiguous);
        for (unsigned p = 0; p < POINTS; p++)
            assert_non_null(flow->at[p]);
        uint32_t number = flow->at[0]->endpoint[0].port - 1024u;
        struct talk talk = talk_number(number);
        for (unsigned p = 0; p < POINTS; p++) {
            const struct track_flow *view = flow->at[p];
            const struct pkt *pkt = &view->pkts[view->pkt_count - 1]; /* packet 12 */
            assert_int_equal(view->stream[0].base + (uint32_t)pkt->seq, talk.isn[0] + 21);
        }
        same_origins(bench, flow);
    }
}

/* ---- datagrams --------------------------------------------------------------------------------
 */

static void see_datagrams(struct bench *bench, unsigned point, const struct talk *talk,
                          const char *word, uint16_t id)
{
    bench->points = point >= bench->points ? point + 1 : bench->points;
    for (unsigned n = 0; n < 6; n++) {
        char payload[32];
        snprintf(payload, sizeof payload, "%s %u", word, n);
        track_line(
            &bench->track[point], talk,
            &(struct line){
                .time_ns = n * MS, .side = n % 2, .payload = payload, .ip_id = (uint16_t)(id + n)});
    }
}

static struct talk datagram_talk(unsigned port)
{
    struct talk talk = talk_usual();
    talk.protocol = IPPROTO_UDP;
    talk.end[0].port = (uint16_t)port;
    return talk;
}

static void test_datagrams_by_name(void **state)
{
    struct bench *bench = *state;
    struct talk talk = datagram_talk(5353);
    for (unsigned p = 0; p < 2; p++) {
        bench->points = p + 1;
        track_line(&bench->track[p], &talk, &(struct line){.len = 40}); /* payload not captured */
        track_line(&bench->track[p], &talk, &(struct line){.side = SERVER, .len = 90});
    }
    const struct flow *flow = only_flow(bench);
    assert_int_equal(flow->kind, MATCH_TUPLE);
    assert_string_equal(match_words(flow), "tuple");
}

static void test_datagrams_by_content(void **state)
{
    struct bench *bench = *state;
    struct talk one = datagram_talk(4001), two = datagram_talk(4002);
    see_datagrams(bench, 0, &one, "one", 100);
    see_datagrams(bench, 0, &two, "two", 200);
    two = masked(two, 1025);
    one = masked(one, 1026);
    see_datagrams(bench, 1, &two, "two", 200);
    see_datagrams(bench, 1, &one, "one", 100);
    match(bench);
    assert_int_equal(bench->flows.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        const struct flow *flow = &bench->flows.items[i];
        assert_int_equal(flow->kind, MATCH_CONTENT);
        assert_int_equal(flow->at[0]->pkts[0].hash, flow->at[1]->pkts[0].hash);
    }
}

static void test_strange_datagrams_stay_apart(void **state)
{
    struct bench *bench = *state;
    struct talk talk = datagram_talk(4001);
    see_datagrams(bench, 0, &talk, "one", 100);
    talk = masked(talk, 1025);
    see_datagrams(bench, 1, &talk, "two", 300);
    none_matched(bench, 2);
}

static void test_protocols_do_not_mix(void **state)
{
    struct bench *bench = *state;
    struct talk talk = talk_usual();
    see(bench, 0, &talk, (struct part){0});
    talk.protocol = IPPROTO_UDP;
    see_datagrams(bench, 1, &talk, "one", 100);
    none_matched(bench, 2);
}

#define NAMES (3 * 64u) /* more than are asked in vain */

/* A question and its answer, like all the others; the answer comes after the next question. */
static void see_ping(struct bench *bench, unsigned point, const struct talk *talk, unsigned n)
{
    bench->points = point >= bench->points ? point + 1 : bench->points;
    int64_t asked_ns = 1000 * MS * n;
    track_line(&bench->track[point], talk, &(struct line){.time_ns = asked_ns, .payload = "PING"});
    track_line(&bench->track[point], talk,
               &(struct line){.time_ns = asked_ns + 1500 * MS, .side = SERVER, .payload = "PONG"});
}

/* A translator forgets it between any two questions. */
static void test_datagrams_under_many_names(void **state)
{
    struct bench *bench = *state;
    struct talk talk = datagram_talk(4001);
    for (unsigned n = 0; n < NAMES; n++) {
        struct talk outside = masked(talk, 1025 + n);
        see_ping(bench, 0, &talk, n);
        see_ping(bench, 1, &outside, n);
    }
    match_views(bench);
    assert_int_equal(bench->flows.count, 1);
    const struct track_flow *view = bench->flows.items[0].at[1];
    assert_int_equal(view->pkt_count, 2 * NAMES);
    assert_int_equal(view->stream[1].packets, NAMES);
    assert_int_equal(view->renamed_pkt, 1); /* the first answer is to the old name */
    assert_int_equal(view->endpoint[0].port, 1025);
    for (uint32_t i = 1; i < view->pkt_count; i++)
        assert_true(view->pkts[i - 1].time.ns <= view->pkts[i].time.ns);
}

/* One that is like no other. */
static void see_question(struct bench *bench, unsigned point, const struct talk *talk, unsigned n)
{
    char text[16];
    snprintf(text, sizeof text, "question %u", n);
    bench->points = point >= bench->points ? point + 1 : bench->points;
    track_line(&bench->track[point], talk,
               &(struct line){.time_ns = NS_PER_S * n, .payload = text});
}

/* The second of three names fits least. */
static void test_a_name_that_fits_less(void **state)
{
    struct bench *bench = *state;
    struct talk talk = datagram_talk(4001);
    unsigned asked = 0;
    for (unsigned name = 0; name < 3; name++) {
        struct talk outside = masked(talk, 1025 + name);
        for (unsigned n = 0; n < (name == 1 ? 2 : 3); n++, asked++) {
            see_question(bench, 0, &talk, asked);
            see_question(bench, 1, &outside, asked);
        }
    }
    match_views(bench);
    assert_int_equal(bench->flows.count, 1);
    assert_int_equal(bench->flows.items[0].at[1]->pkt_count, asked);
}

/* The point that sees them is known first. */
static void test_known_datagrams_under_names(void **state)
{
    struct bench *bench = *state;
    struct talk talk = datagram_talk(4001);
    for (unsigned n = 0; n < 10; n++) {
        struct talk outside = masked(talk, 1025 + n);
        see_ping(bench, 0, &outside, n);
        see_ping(bench, 1, &talk, n);
    }
    match_views(bench);
    assert_int_equal(bench->flows.count, 1);
    assert_int_equal(bench->flows.items[0].at[0]->pkt_count, 20);
    assert_int_equal(bench->flows.items[0].at[1]->pkt_count, 20);
}

/* Who asks anew from a port of its own each time is not renamed: it is called so at both points. */
static void test_alike_datagrams_keep_their_names(void **state)
{
    struct bench *bench = *state;
    for (unsigned n = 0; n < NAMES; n++) {
        struct talk talk = datagram_talk(4001 + n);
        see_ping(bench, 0, &talk, n);
        see_ping(bench, 1, &talk, n);
    }
    match(bench);
    assert_int_equal(bench->flows.count, NAMES);
    for (uint32_t i = 0; i < NAMES; i++) {
        const struct flow *flow = &bench->flows.items[i];
        assert_int_equal(flow->at[0]->endpoint[0].port, flow->at[1]->endpoint[0].port);
        assert_int_equal(flow->at[0]->pkt_count, 2);
        assert_int_equal(flow->at[1]->pkt_count, 2);
    }
}

/* And if one of the points saw the first only. */
static void test_alike_datagrams_at_one_point(void **state)
{
    struct bench *bench = *state;
    for (unsigned n = 0; n < 10; n++) {
        struct talk talk = datagram_talk(4001 + n);
        if (n == 0)
            see_ping(bench, 0, &talk, n);
        see_ping(bench, 1, &talk, n);
    }
    match(bench);
    assert_int_equal(bench->flows.count, 10);
}

/* Translated, nothing tells which is which: they are no flow with many names. */
static void test_alike_datagrams_are_ambiguous(void **state)
{
    struct bench *bench = *state;
    for (unsigned n = 0; n < NAMES; n++) {
        struct talk talk = datagram_talk(4001 + n);
        see_ping(bench, 0, &talk, n);
        talk = masked(talk, 61000 - n);
        see_ping(bench, 1, &talk, n);
    }
    none_matched(bench, 2 * NAMES);
    for (uint32_t i = 0; i < bench->flows.count; i++)
        assert_int_equal(flow_packets(&bench->flows.items[i], 2), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_points),
        TEST(test_masquerade_with_handshake),
        TEST(test_handshake_without_timestamps),
        TEST(test_masquerade_without_handshake),
        TEST(test_one_packet_in_common),
        TEST(test_neither_handshake_nor_timestamps),
        TEST(test_one_point_saw_the_handshake),
        TEST(test_origins_across_a_wrap),
        TEST(test_no_nat),
        TEST(test_weakest_link_counts),
        TEST(test_port_kept),
        TEST(test_both_ends_renamed),
        TEST(test_syn_only),
        TEST(test_syn_only_at_one_point),
        TEST(test_flipped_ends_are_turned),
        TEST(test_flipped_ends_follow_the_syn),
        TEST(test_strangers_stay_apart),
        TEST(test_other_handshake_is_another_flow),
        TEST(test_other_timestamps_speak_against),
        TEST(test_overlap_alone_is_no_match),
        TEST(test_one_after_the_other),
        TEST(test_too_far_after_the_other),
        TEST(test_directions_seen_apart),
        TEST(test_options_are_shared),
        TEST(test_flow_of_one_point),
        TEST(test_seen_at_the_outer_points_only),
        TEST(test_twins_are_ambiguous),
        TEST(test_twin_handshakes_are_ambiguous),
        TEST(test_two_for_one_are_ambiguous),
        TEST(test_twins_with_kept_ports),
        TEST(test_many_flows_one_to_one),
        TEST(test_datagrams_by_name),
        TEST(test_datagrams_by_content),
        TEST(test_strange_datagrams_stay_apart),
        TEST(test_protocols_do_not_mix),
        TEST(test_datagrams_under_many_names),
        TEST(test_a_name_that_fits_less),
        TEST(test_known_datagrams_under_names),
        TEST(test_alike_datagrams_keep_their_names),
        TEST(test_alike_datagrams_at_one_point),
        TEST(test_alike_datagrams_are_ambiguous),
    };
    return cmocka_run_group_tests_name("match", tests, NULL, NULL);
}
