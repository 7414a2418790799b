/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A download over three points, brought to a standstill, and what blame says of it. Segments of
 * the path: 0 servers..P0, 1 P0..P1, 2 P1..P2, 3 P2..clients; a round trip takes 20 ms.
 */
#ifndef WHICHHOP_TESTS_BLAME_SAMPLES_H
#define WHICHHOP_TESTS_BLAME_SAMPLES_H

#include "blame/blame.h"
#include "follow_samples.h"

#define SPARE_MS 15 /* between what is written down and what a capture sees */

struct blame_bench {
    struct walk_bench walk;
    struct path *path; /* the walk's */
    int64_t t0_ns;     /* when the server has its last acknowledgement */
    int64_t level;     /* the first byte not sent by then */
    struct blamer blamer;
    struct findings findings;
    struct arena arena;
    int64_t min_stall_ns;
};

static inline int blame_set_up(void **state)
{
    struct blame_bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return -1;
    bench->path = bench->walk.path = path_new(3);
    bench->walk.uncertainty_ns = 2000;
    bench->min_stall_ns = 200 * MS;
    *state = bench;
    return 0;
}

static inline void forget_findings(struct blame_bench *bench)
{
    for (uint32_t i = 0; i < bench->findings.count; i++)
        free(bench->findings.items[i].evidence);
    free(bench->findings.items);
    bench->findings = (struct findings){0};
}

static inline int blame_tear_down(void **state)
{
    struct blame_bench *bench = *state;
    forget_findings(bench);
    blamer_free(&bench->blamer);
    arena_free(&bench->arena);
    followed_free(&bench->walk.followed);
    path_free(bench->path);
    free(bench);
    return 0;
}

/* A handshake, a request, and so many full segments of an answer. */
static inline void begin(struct blame_bench *bench, unsigned segments)
{
    path_open(bench->path);
    path_transfer(bench->path, SERVER, segments);
    bench->t0_ns = bench->path->now_ns;
    bench->level = bench->path->next[SERVER];
}

/* Milliseconds count from t0, bytes from the level. */
#define AT(ms) (bench->t0_ns + (int64_t)((ms)*1e6))
#define DATA(ms, offset, bytes, ...)                                                               \
    SEND(bench->path, .time_ns = AT(ms), .side = SERVER, .seq = bench->level + (offset),           \
         .len = (bytes), .ack = 101, ##__VA_ARGS__)
#define REPLY(ms, offset, ...)                                                                     \
    SEND(bench->path, .time_ns = AT(ms), .seq = 101, .ack = bench->level + (offset), ##__VA_ARGS__)

/* Both sides go on as usual: `count` segments from byte `offset` on. */
static inline void go_on(struct blame_bench *bench, double ms, int64_t offset, unsigned count)
{
    bench->path->now_ns = AT(ms);
    bench->path->next[SERVER] = bench->level + offset;
    path_transfer(bench->path, SERVER, count);
}

static inline void blame(struct blame_bench *bench)
{
    static const char *const names[] = {"P0", "P1", "P2", "P3", "P4"};
    struct wh_error error;
    struct blame_options options = {
        .min_stall_ns = bench->min_stall_ns, .point_count = bench->path->points, .names = names};
    forget_findings(bench);
    walk_follow(&bench->walk);
    assert_int_equal(blame_flow(&bench->blamer, &bench->path->flow, 0, &bench->walk.followed,
                                &options, &bench->arena, &bench->findings, &error),
                     WH_OK);
    for (uint32_t i = 0; i < bench->findings.count; i++) {
        const struct finding *finding = &bench->findings.items[i];
        assert_true(finding->start_ns < finding->end_ns);
        assert_true(finding->confidence > 0 && finding->confidence < 1);
        assert_true(finding->place.span >= 1);
        assert_true(finding->place.first + finding->place.span <= bench->path->points + 1);
        assert_true(i == 0 || finding[-1].start_ns <= finding->start_ns);
        assert_true(finding->evidence_count >= 1);
        for (uint32_t e = 0; e < finding->evidence_count; e++)
            assert_non_null(finding->evidence[e].text);
    }
}

static inline void expect_none(struct blame_bench *bench)
{
    blame(bench);
    if (bench->findings.count)
        fail_msg("a stall by %u at %u: %s", bench->findings.items[0].cause,
                 bench->findings.items[0].place.first, bench->findings.items[0].evidence[0].text);
}

struct expected {
    enum wh_cause cause;
    unsigned first, span; /* 0: one segment */
    enum wh_direction direction;
    double start_ms, end_ms; /* from t0 */
    double confidence;       /* 0: whatever */
    bool for_good;           /* it does not resume */
};

static inline void check_finding(const struct blame_bench *bench, const struct finding *finding,
                                 const struct expected *expected)
{
    if (finding->cause != expected->cause || finding->place.first != expected->first)
        fail_msg("cause %u at %u: %s", finding->cause, finding->place.first,
                 finding->evidence[0].text);
    assert_int_equal(finding->place.span, expected->span ? expected->span : 1);
    assert_int_equal(finding->direction, expected->direction);
    assert_int_equal(finding->resumed, !expected->for_good);
    assert_in_range((finding->start_ns - bench->t0_ns) / MS + 1000,
                    (int)expected->start_ms + 1000 - SPARE_MS,
                    (int)expected->start_ms + 1000 + SPARE_MS);
    assert_in_range((finding->end_ns - bench->t0_ns) / MS + 1000,
                    (int)expected->end_ms + 1000 - SPARE_MS,
                    (int)expected->end_ms + 1000 + SPARE_MS);
    if (expected->confidence > 0)
        assert_int_equal((int)(finding->confidence * 100 + 0.5),
                         (int)(expected->confidence * 100 + 0.5));
}

static inline const struct finding *expect_one(struct blame_bench *bench,
                                               const struct expected *expected)
{
    blame(bench);
    assert_int_equal(bench->findings.count, 1);
    check_finding(bench, &bench->findings.items[0], expected);
    return &bench->findings.items[0];
}

#define EXPECT(bench, ...) expect_one(bench, &(const struct expected){__VA_ARGS__})

#define BLAME_TEST(name) cmocka_unit_test_setup_teardown(name, blame_set_up, blame_tear_down)

#endif
