/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Unit tests of stage 8, blame: translators that forget, refuse or reset a flow. */
#include "blame/nat.h"
#include "blame_samples.h"

/* The client is 10.0.0.5:40000 at P2, and 192.0.2.7:50123 at P1 and P0. */
static void name_views(struct path *path)
{
    for (unsigned place = 0; place < path->points; place++) {
        struct track_flow *view = &path->view[path->point_at[place]];
        view->endpoint[0] =
            place == 2 ? endpoint(10, 0, 0, 5, 40000) : endpoint(192, 0, 2, 7, 50123);
        view->endpoint[1] = endpoint(198, 51, 100, 1, 80);
    }
}

/* ---- resets of the translator's own ------------------------------------------------------------
 */

/* Blames with names set: walk_follow makes the views anew, so follow by hand. */
static void blame_named(struct blame_bench *bench)
{
    static const char *const names[] = {"P0", "P1", "P2"};
    struct wh_error error;
    struct blame_options options = {
        .min_stall_ns = 200 * MS, .point_count = bench->path->points, .names = names};
    forget_findings(bench);
    walk_follow(&bench->walk);
    name_views(bench->path);
    assert_int_equal(blame_flow(&bench->blamer, &bench->path->flow, 0, &bench->walk.followed,
                                &options, &bench->arena, &bench->findings, &error),
                     WH_OK);
}

/* A reset in the server's name comes to the client only, for a packet that the translator refused;
 * the server goes on sending in vain. */
static void reset_the_client(struct blame_bench *bench, bool its_packet_vanishes)
{
    begin(bench, 20);
    DATA(0, 0, MSS);
    SEND(bench->path, .time_ns = AT(10), .seq = 101, .ack = bench->level + MSS,
         .lost_in = its_packet_vanishes ? 2 : 0);
    SEND(bench->path, .time_ns = AT(11), .side = SERVER, .flags = PKT_RST,
         .seq = bench->level + MSS, .missed = 3);
    DATA(300, 0, MSS);
    DATA(900, 0, MSS);
    DATA(2100, 0, MSS);
    for (unsigned p = 0; p < 3; p++)
        bench->walk.spans[p].last.ns = AT(4000);
}

static void test_reset_of_one_end(void **state)
{
    struct blame_bench *bench = *state;
    reset_the_client(bench, true);
    blame_named(bench);
    assert_int_equal(bench->findings.count, 1);
    check_finding(bench, &bench->findings.items[0],
                  &(struct expected){WH_CAUSE_NAT, 2, .direction = WH_TO_CLIENT, .start_ms = 14,
                                     .end_ms = 4000, .confidence = 0.95, .for_good = true});
    assert_int_equal(bench->findings.items[0].evidence[0].frames[0].point, 2);
}

/* The captures before the translation are silent when the reset comes; `ttl` is what it has left.
 */
static void reset_after_silence(struct blame_bench *bench, uint8_t ttl)
{
    bench->path->routed = true; /* the server's packets have 62 left at P2 */
    begin(bench, 20);
    for (unsigned i = 0; i < 3; i++)
        SEND(bench->path, .time_ns = AT(300 * i), .seq = 101, .ack = bench->level, .len = 100,
             .lost_in = 2);
    SEND(bench->path, .time_ns = AT(610), .side = SERVER, .flags = PKT_RST, .seq = bench->level,
         .missed = 3, .ttl = (uint8_t)(ttl + 2));
    for (unsigned p = 0; p < 3; p++)
        bench->walk.spans[p].last.ns = p == 2 ? AT(700) : AT(0);
    blame_named(bench); /* the signs are found where all points are there, */
    bench->walk.spans[0].left_out = bench->walk.spans[1].left_out = true;
    blame_named(bench); /* the wait where only those are that saw it */
}

static void test_reset_with_all_of_its_ttl(void **state)
{
    struct blame_bench *bench = *state;
    reset_after_silence(bench, 64);
    assert_int_equal(bench->findings.count, 1);
    check_finding(bench, &bench->findings.items[0],
                  &(struct expected){WH_CAUSE_NAT, 2, .direction = WH_TO_CLIENT, .start_ms = 4,
                                     .end_ms = 616, .confidence = 0.95, .for_good = true});
}

/* Near miss: it may have come all the way. */
static void test_reset_with_the_usual_ttl(void **state)
{
    struct blame_bench *bench = *state;
    reset_after_silence(bench, 62);
    assert_int_equal(bench->findings.count, 1);
    assert_int_equal(bench->findings.items[0].cause, WH_CAUSE_UNKNOWN);
}

/* The captures missed the reset, which all ends know of: what it answers came through. */
static void test_reset_not_captured(void **state)
{
    struct blame_bench *bench = *state;
    reset_the_client(bench, false);
    blame_named(bench);
    for (uint32_t i = 0; i < bench->findings.count; i++)
        assert_int_not_equal(bench->findings.items[i].cause, WH_CAUSE_NAT);
}

/* Without a translation in the segment it is somebody else's reset. */
static void test_reset_where_nothing_is_translated(void **state)
{
    struct blame_bench *bench = *state;
    reset_the_client(bench, true);
    blame(bench);
    for (uint32_t i = 0; i < bench->findings.count; i++)
        assert_int_not_equal(bench->findings.items[i].cause, WH_CAUSE_NAT);
}

/* The sender of what is outstanding is told at once: it does not wait. */
static void test_sender_is_told(void **state)
{
    struct blame_bench *bench = *state;
    begin(bench, 20);
    DATA(0, 0, MSS, .lost_in = 3);
    SEND(bench->path, .time_ns = AT(6), .flags = PKT_RST, .seq = 101, .missed = 4);
    for (unsigned p = 0; p < 3; p++)
        bench->walk.spans[p].last.ns = AT(4000);
    blame_named(bench);
    assert_int_equal(bench->findings.count, 0);
}

/* ---- names and refusals, over all flows ---------------------------------------------------------
 */

#define FLOWS 3u

struct nat_bench {
    struct track_flow views[FLOWS][3];
    struct track_flow *at[FLOWS][3];
    struct pkt pkts[FLOWS][3][4];
    struct flow items[FLOWS];
    struct flows flows;
    struct alignment alignment;
    struct track_icmp icmp[3];
    struct nat_icmps icmps[3];
    struct nat_signs signs;
};

/* Flow f at a point: the client's packets from one offset on, a second apart, 100 bytes each. */
static void put(struct nat_bench *bench, unsigned f, unsigned point, struct endpoint client,
                uint32_t number, double from_s)
{
    struct track_flow *view = &bench->views[f][point];
    *view = (struct track_flow){.endpoint = {client, endpoint(198, 51, 100, 1, 80)},
                                .protocol = IPPROTO_TCP,
                                .pkts = bench->pkts[f][point],
                                .pkt_count = 3};
    view->stream[0] = (struct stream){.base = number - 1, .seen = true, .next = 301};
    view->stream[1] = (struct stream){.base = 7000000, .seen = true, .next = 1};
    for (unsigned i = 0; i < 3; i++)
        view->pkts[i] = (struct pkt){.time.ns = (int64_t)(from_s * 1e9) + i * NS_PER_S,
                                     .seq = 1 + 100 * i,
                                     .ack = 1,
                                     .len = 100,
                                     .flags = PKT_ACK | PKT_TIMESTAMPS,
                                     .tsval = 1000 * (i + (uint32_t)from_s),
                                     .place = 10 * f + i};
    view->first = view->pkts[0].time;
    view->last = view->pkts[2].time;
    bench->at[f][point] = view;
}

/* A flow over three points, translated between P1 and P2. */
static struct nat_bench *nat_new(void)
{
    struct nat_bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    for (unsigned p = 0; p < 3; p++) {
        put(bench, 0, p, p == 2 ? endpoint(10, 0, 0, 5, 40000) : endpoint(192, 0, 2, 7, 50123),
            5000, 1);
        bench->alignment.order[p] = p;
    }
    bench->views[0][0].syn_seen = bench->views[0][1].syn_seen = true;
    for (unsigned f = 0; f < FLOWS; f++)
        bench->items[f] = (struct flow){.at = bench->at[f],
                                        .protocol = IPPROTO_TCP,
                                        .kind = f ? MATCH_SINGLE : MATCH_HANDSHAKE};
    bench->flows = (struct flows){.items = bench->items, .count = 1, .point_count = 3};
    return bench;
}

static void find(struct nat_bench *bench)
{
    nat_free(&bench->signs);
    assert_true(nat_find(&bench->flows, &bench->alignment, bench->icmps, &bench->signs));
}

static void nat_done(struct nat_bench *bench)
{
    nat_free(&bench->signs);
    free(bench);
}

static void expect_sign(const struct nat_bench *bench, enum nat_kind kind, unsigned point)
{
    uint32_t first;
    assert_int_equal(nat_signs_of(&bench->signs, 0, &first), 1);
    const struct nat_sign *sign = &bench->signs.items[first];
    assert_int_equal(sign->kind, kind);
    assert_int_equal(sign->side, CLIENT);
    assert_int_equal(sign->place.first, 2);
    assert_int_equal(sign->place.span, 1);
    assert_int_equal(sign->frame.point, point);
}

static void test_plain_translation_shows_nothing(void **state)
{
    struct nat_bench *bench = nat_new();
    (void)state;
    find(bench);
    assert_int_equal(bench->signs.count, 0);
    assert_false(bench->signs.is_continuation[0]);
    nat_done(bench);
}

static void test_another_port(void **state)
{
    struct nat_bench *bench = nat_new();
    (void)state;
    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 5300, 5);
    bench->flows.count = 2;
    find(bench);
    expect_sign(bench, NAT_REMAPPED, 1);
    assert_true(bench->signs.is_continuation[1]);
    assert_false(bench->signs.is_continuation[0]);
    nat_done(bench);
}

static void test_no_translation(void **state)
{
    struct nat_bench *bench = nat_new();
    (void)state;
    put(bench, 1, 1, endpoint(10, 0, 0, 5, 40000), 5200, 2); /* beside the translated ones */
    bench->flows.count = 2;
    find(bench);
    expect_sign(bench, NAT_UNTRANSLATED, 1);
    nat_done(bench);
}

/* What only looks like it: other numbers, another server, a handshake of its own, an earlier time,
 * a name beside the old one, which goes on. */
static void test_strangers(void **state)
{
    struct nat_bench *bench = nat_new();
    (void)state;
    bench->flows.count = 2;
    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 900000000, 5);
    find(bench);
    assert_int_equal(bench->signs.count, 0);

    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 5300, 5);
    bench->views[1][1].stream[1].base += 100000000;
    find(bench);
    assert_int_equal(bench->signs.count, 0);

    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 5300, 5);
    bench->views[1][1].endpoint[1].port = 81;
    find(bench);
    assert_int_equal(bench->signs.count, 0);

    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 5300, 5);
    bench->views[1][1].syn_seen = true;
    find(bench);
    assert_int_equal(bench->signs.count, 0);

    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 5300, 0.5);
    find(bench);
    assert_int_equal(bench->signs.count, 0);

    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 5300, 1.5);
    find(bench);
    assert_int_equal(bench->signs.count, 0);
    nat_done(bench);
}

/* Sequence numbers wrap, and lie at the edge of a bucket. */
static void test_numbers_wrap(void **state)
{
    struct nat_bench *bench = nat_new();
    (void)state;
    for (unsigned p = 0; p < 3; p++)
        put(bench, 0, p, bench->views[0][p].endpoint[0], 4294967000u, 1);
    put(bench, 1, 1, endpoint(192, 0, 2, 7, 61000), 4, 5);
    bench->flows.count = 2;
    find(bench);
    expect_sign(bench, NAT_REMAPPED, 1);
    nat_done(bench);
}

static void refuse(struct nat_bench *bench, unsigned point, unsigned type, unsigned code)
{
    bench->icmp[point] =
        (struct track_icmp){.time.ns = 3 * NS_PER_S,
                            .quote = {.source = bench->views[0][point].endpoint[0],
                                      .destination = bench->views[0][point].endpoint[1],
                                      .seq = 5100,
                                      .protocol = IPPROTO_TCP,
                                      .type = (uint8_t)type,
                                      .code = (uint8_t)code,
                                      .too_big = type == 3 && code == 4},
                            .place = 77};
    bench->icmps[point] = (struct nat_icmps){&bench->icmp[point], 1};
}

static void test_refusal(void **state)
{
    struct nat_bench *bench = nat_new();
    (void)state;
    refuse(bench, 2, 3, 13);
    find(bench);
    expect_sign(bench, NAT_REFUSED, 2);
    assert_int_equal(bench->signs.items[0].frame.frame, 77);

    refuse(bench, 2, 3, 4); /* too big: says nothing of the translator */
    find(bench);
    assert_int_equal(bench->signs.count, 0);

    refuse(bench, 2, 3, 13); /* it comes from farther on: P1 saw it, too */
    refuse(bench, 1, 3, 13);
    find(bench);
    assert_int_equal(bench->signs.count, 0);
    nat_done(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLAME_TEST(test_reset_of_one_end),
        BLAME_TEST(test_reset_with_all_of_its_ttl),
        BLAME_TEST(test_reset_with_the_usual_ttl),
        BLAME_TEST(test_reset_not_captured),
        BLAME_TEST(test_reset_where_nothing_is_translated),
        BLAME_TEST(test_sender_is_told),
        cmocka_unit_test(test_plain_translation_shows_nothing),
        cmocka_unit_test(test_another_port),
        cmocka_unit_test(test_no_translation),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_numbers_wrap),
        cmocka_unit_test(test_refusal),
    };
    return cmocka_run_group_tests_name("translators", tests, NULL, NULL);
}
