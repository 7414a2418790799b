/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A path that is followed, and questions about what became of its packets. */
#ifndef WHICHHOP_TESTS_FOLLOW_SAMPLES_H
#define WHICHHOP_TESTS_FOLLOW_SAMPLES_H

#include "flow_samples.h"
#include "follow/follow.h"

struct walk_bench {
    struct path *path;
    struct alignment alignment;
    struct capture_span spans[PATH_POINTS]; /* by point, in its own clock; 0: the usual */
    int64_t uncertainty_ns;
    struct followed followed;
};

static inline int walk_set_up(void **state)
{
    struct walk_bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return -1;
    bench->path = path_new(3);
    bench->uncertainty_ns = 2000;
    *state = bench;
    return 0;
}

static inline int walk_tear_down(void **state)
{
    struct walk_bench *bench = *state;
    followed_free(&bench->followed);
    path_free(bench->path);
    free(bench);
    return 0;
}

/* The clocks are known, and every capture runs from 0 to ten seconds after the last packet of any,
 * unless the test has said otherwise. */
static inline void walk_align(struct walk_bench *bench)
{
    struct path *path = bench->path;
    int64_t last_ns = 0;
    path_finish(path);
    for (unsigned place = 0; place < path->points; place++)
        for (uint32_t i = 0; i < path->shown_count[place]; i++) {
            int64_t at_ns =
                path->shown[place][i].pkt.time.ns - path->clock_ns[path->point_at[place]];
            last_ns = at_ns > last_ns ? at_ns : last_ns;
        }
    for (unsigned place = 0; place < path->points; place++) {
        unsigned p = path->point_at[place];
        bench->alignment.order[place] = p;
        bench->alignment.tied[p] = bench->alignment.common[p] = true;
        bench->alignment.clock[p] = (struct clock_fit){.offset_ns = -path->clock_ns[p],
                                                       .uncertainty_ns = bench->uncertainty_ns};
        if (bench->spans[p].last.ns == 0)
            bench->spans[p].last.ns = last_ns + 10 * NS_PER_S + path->clock_ns[p];
        if (bench->spans[p].first.ns == 0)
            bench->spans[p].first.ns = path->clock_ns[p];
    }
    bench->alignment.found = true;
}

static inline void walk_follow(struct walk_bench *bench)
{
    struct wh_error error;
    walk_align(bench);
    assert_int_equal(follow_flow(&bench->path->flow, &bench->alignment, bench->spans,
                                 bench->path->points, &bench->followed, &error),
                     WH_OK);
}

static inline const struct hop *hop_of(const struct walk_bench *bench, unsigned side, unsigned k)
{
    assert_true(k < bench->followed.trail[side].hop_count);
    return &bench->followed.trail[side].hops[k];
}

/* The nth packet (from 0) at hop k that begins at `seq`; `len` 0: whatever its length. */
static inline uint32_t copy_of(const struct walk_bench *bench, unsigned side, unsigned k,
                               int64_t seq, unsigned nth)
{
    const struct hop *hop = hop_of(bench, side, k);
    for (uint32_t i = 0; i < hop->count; i++)
        if (hop_pkt(hop, i)->seq == seq && nth-- == 0)
            return i;
    fail_msg("no such copy");
    return COPY_NONE;
}

static inline unsigned fate_of(const struct walk_bench *bench, unsigned side, unsigned k,
                               int64_t seq, unsigned nth)
{
    return hop_of(bench, side, k)->copies[copy_of(bench, side, k, seq, nth)].fate;
}

/* The nth copy at hop k goes on as the mth at the next hop, and that one knows it. */
static inline void goes_on(const struct walk_bench *bench, unsigned side, unsigned k, int64_t seq,
                           unsigned nth, unsigned mth)
{
    uint32_t here = copy_of(bench, side, k, seq, nth),
             there = copy_of(bench, side, k + 1, seq, mth);
    assert_int_equal(hop_of(bench, side, k)->copies[here].next, there);
    assert_int_equal(hop_of(bench, side, k + 1)->copies[there].previous, here);
    assert_int_equal(hop_of(bench, side, k)->copies[here].fate, FATE_ARRIVED);
}

static inline uint32_t lost_behind(const struct walk_bench *bench, unsigned side, unsigned k)
{
    const struct trail *trail = &bench->followed.trail[side];
    uint32_t count = 0;
    for (uint32_t i = 0; i < trail->lost_count; i++)
        count += trail->lost[i].hop == k;
    return count;
}

static inline void nothing_lost(const struct walk_bench *bench)
{
    assert_int_equal(bench->followed.trail[0].lost_count, 0);
    assert_int_equal(bench->followed.trail[1].lost_count, 0);
}

static inline void nothing_missed(const struct walk_bench *bench)
{
    for (unsigned side = 0; side < 2; side++)
        for (unsigned k = 0; k < bench->followed.trail[side].hop_count; k++)
            assert_int_equal(bench->followed.trail[side].missed[k], 0);
}

/* A segment from the server, an acknowledgement from the client; `ms`: when it is made. */
#define SEGMENT(path, ms, offset, bytes, ...)                                                      \
    SEND(path, .time_ns = (int64_t)((ms)*1e6), .side = SERVER, .seq = offset, .len = bytes,        \
         .ack = 101, ##__VA_ARGS__)
#define ANSWER(path, ms, number, ...)                                                              \
    SEND(path, .time_ns = (int64_t)((ms)*1e6), .seq = 101, .ack = number, ##__VA_ARGS__)

#define WALK_TEST(name) cmocka_unit_test_setup_teardown(name, walk_set_up, walk_tear_down)

#endif
