/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Property tests of stage 6, follow: small random networks that lose, delay, reorder and merge
 * packets between their points. The network knows what it did to each, and follow must find the
 * same: every loss in the right segment, none invented, every copy's way from point to point.
 */
#include "follow_samples.h"

#define UNITS_MAX  400u
#define FRAMES_MAX (UNITS_MAX * PATH_POINTS)
#define MERGED_MAX 8u
#define UNIT_BYTES 1000
#define NETS       400u

/* One packet as its sender made it. */
struct unit {
    struct pkt pkt;
    int64_t at_ns;               /* where it is now */
    bool gone;                   /* lost */
    uint32_t frame[PATH_POINTS]; /* by hop: the frame it was captured in; COPY_NONE */
    bool unseen[PATH_POINTS];    /* by hop: it passed, the capture missed it */
};

/* One frame as one point captured it. */
struct frame {
    uint32_t units[MERGED_MAX];
    unsigned count;
};

struct net {
    struct dice dice;
    unsigned points;
    bool stamps, ids;
    bool renumbers;           /* IP IDs are made anew before each point */
    bool alike;               /* duplicate ACKs differ in nothing but their IP ID */
    bool merges[PATH_POINTS]; /* by place */
    unsigned loss_percent, disorder_percent, miss_percent;
    struct unit units[UNITS_MAX];
    uint32_t unit_count;
    struct frame frames[FRAMES_MAX];
    uint32_t frame_count;
    int64_t now_ns;
};

static struct net *net_new(uint64_t seed)
{
    struct net *net = calloc(1, sizeof *net);
    assert_non_null(net);
    net->dice.state = seed * 0x9e3779b97f4a7c15u + 1;
    roll(&net->dice, 2);
    net->points = 2 + roll(&net->dice, PATH_POINTS - 1);
    net->stamps = chance(&net->dice, 70);
    net->ids = chance(&net->dice, 70);
    net->disorder_percent = roll(&net->dice, 3) * 4;
    net->now_ns = 100 * MS;
    return net;
}

static uint32_t net_unit(struct net *net, unsigned side, int64_t seq, uint32_t len, int64_t ack,
                         int64_t made_ns)
{
    uint32_t index = net->unit_count++;
    assert_true(index < UNITS_MAX);
    struct unit *unit = &net->units[index];
    unsigned flags = PKT_ACK | (side ? PKT_FROM_SERVER : 0) | (net->stamps ? PKT_TIMESTAMPS : 0);
    *unit = (struct unit){.at_ns = made_ns};
    unit->pkt = (struct pkt){.seq = seq,
                             .ack = ack,
                             .len = len & PKT_LEN_MAX,
                             .flags = flags & 4095u,
                             .window = 5000,
                             .ip_id = net->ids ? (uint16_t)(index + 1) : 0,
                             .tsval = net->stamps ? (uint32_t)(made_ns / MS) + 7 : 0,
                             .tsecr = net->stamps ? 3 : 0};
    memset(unit->frame, 0xff, sizeof unit->frame);
    return index;
}

/* ---- on the way -------------------------------------------------------------------------------
 */

static void sort_units(const struct net *net, uint32_t *units, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = i; j > 0 && net->units[units[j]].at_ns < net->units[units[j - 1]].at_ns;
             j--) {
            uint32_t swap = units[j];
            units[j] = units[j - 1];
            units[j - 1] = swap;
        }
}

static bool joins(const struct net *net, const struct frame *frame, uint32_t next)
{
    const struct unit *last = &net->units[frame->units[frame->count - 1]];
    const struct unit *unit = &net->units[next];
    return frame->count < MERGED_MAX && unit->pkt.len && pkt_end(&last->pkt) == unit->pkt.seq &&
           last->pkt.tsval == unit->pkt.tsval && unit->at_ns - last->at_ns < MS;
}

static void capture(struct net *net, struct path *path, unsigned hop, unsigned place, uint32_t unit,
                    bool merge)
{
    struct frame *frame = net->frame_count ? &net->frames[net->frame_count - 1] : NULL;
    struct shown *shown =
        path->shown_count[place] ? &path->shown[place][path->shown_count[place] - 1] : NULL;
    bool open = merge && frame && shown && shown->number == net->frame_count - 1;
    if (open && joins(net, frame, unit)) {
        shown->pkt.len += net->units[unit].pkt.len;
        frame->units[frame->count++] = unit;
    } else {
        assert_true(net->frame_count < FRAMES_MAX);
        frame = &net->frames[net->frame_count++];
        *frame = (struct frame){{unit}, 1};
        shown =
            ARRAY_PUSH(path->shown[place], path->shown_count[place], path->shown_capacity[place]);
        assert_non_null(shown);
        *shown =
            (struct shown){.pkt = net->units[unit].pkt, .number = net->frame_count - 1, .ttl = 64};
    }
    shown->pkt.time.ns = net->units[unit].at_ns;
    if (net->renumbers)
        shown->pkt.ip_id = (uint16_t)(1 + roll(&net->dice, UINT16_MAX));
    net->units[unit].frame[hop] = net->frame_count - 1;
}

/* Through one segment: lost, or late, or in its turn. */
static void cross(struct net *net, uint32_t *units, uint32_t count, unsigned segment)
{
    int64_t last_ns = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct unit *unit = &net->units[units[i]];
        unit->gone = segment > 0 && segment < net->points && chance(&net->dice, net->loss_percent);
        unit->at_ns += MS + roll(&net->dice, 200) * NS_PER_US;
        if (chance(&net->dice, net->disorder_percent))
            unit->at_ns += (1 + roll(&net->dice, 5)) * MS;
        else
            unit->at_ns = last_ns = unit->at_ns > last_ns ? unit->at_ns : last_ns + 1000;
    }
}

/* All the way, together. What leaves a point that merges leaves when the frame is complete. */
static void travel(struct net *net, struct path *path, unsigned side, uint32_t first)
{
    uint32_t units[UNITS_MAX], count = 0;
    for (uint32_t i = first; i < net->unit_count; i++)
        units[count++] = i;
    for (unsigned segment = 0; segment <= net->points; segment++) {
        cross(net, units, count, segment);
        uint32_t kept = 0;
        for (uint32_t i = 0; i < count; i++)
            if (!net->units[units[i]].gone)
                units[kept++] = units[i];
        count = kept;
        sort_units(net, units, count);
        unsigned place = side ? segment : net->points - 1 - segment;
        for (uint32_t i = 0; i < count && segment < net->points; i++) {
            net->units[units[i]].unseen[segment] =
                chance(&net->dice, net->miss_percent) && (segment + 1 < net->points || side) &&
                (segment == 0 || !net->units[units[i]].unseen[segment - 1]);
            if (!net->units[units[i]].unseen[segment])
                capture(net, path, segment, place, units[i], net->merges[place]);
        }
        for (uint32_t i = count; i-- > 1 && segment < net->points;)
            if (net->units[units[i]].frame[segment] == net->units[units[i - 1]].frame[segment] &&
                net->units[units[i]].frame[segment] != COPY_NONE)
                net->units[units[i - 1]].at_ns = net->units[units[i]].at_ns;
    }
}

/* ---- a transfer -------------------------------------------------------------------------------
 */

/* Comes through, and is captured everywhere. */
static void shake_hands(struct net *net, struct path *path)
{
    unsigned loss_percent = net->loss_percent, miss_percent = net->miss_percent;
    net->loss_percent = net->miss_percent = 0;
    for (unsigned side = 0; side < 2; side++) {
        uint32_t syn = net_unit(net, side, 0, 0, side ? 1 : ACK_NONE, net->now_ns);
        net->units[syn].pkt.flags |= PKT_SYN;
        net->units[syn].pkt.flags &= side ? ~0u : ~(unsigned)PKT_ACK;
        travel(net, path, side, syn);
        net->now_ns += 20 * MS;
    }
    net->loss_percent = loss_percent;
    net->miss_percent = miss_percent;
}

/* Bursts of data; what did not arrive is sent again, in pieces of its own, until it does. */
static void transfer(struct net *net, struct path *path)
{
    bool have[UNITS_MAX] = {false}; /* by unit number of the first sending */
    uint32_t total = 20 + roll(&net->dice, 30);
    for (unsigned pass = 0; pass < 12; pass++) {
        uint32_t first = net->unit_count;
        for (uint32_t i = 0; i < total; i++) {
            bool again = pass > 0 && net->loss_percent && chance(&net->dice, 2); /* for nothing */
            if (have[i] && !again)
                continue;
            net->now_ns += chance(&net->dice, 20) ? 5 * MS : 50 * NS_PER_US;
            net_unit(net, SERVER, 1 + UNIT_BYTES * (int64_t)i, UNIT_BYTES, 101, net->now_ns);
        }
        if (net->unit_count == first)
            break;
        travel(net, path, SERVER, first);
        for (uint32_t u = first; u < net->unit_count; u++)
            if (!net->units[u].gone)
                have[(net->units[u].pkt.seq - 1) / UNIT_BYTES] = true;
        net->now_ns += 300 * MS;
    }
}

static int compare_arrivals(const void *left, const void *right)
{
    const struct unit *const *a = left, *const *b = right;
    return (*a)->at_ns < (*b)->at_ns ? -1 : (*a)->at_ns > (*b)->at_ns;
}

/* A pure acknowledgement for each arrival; duplicates among them, where something is missing. */
static void acknowledge(struct net *net, struct path *path)
{
    const struct unit *come[UNITS_MAX];
    bool have[UNITS_MAX] = {false};
    uint32_t count = 0, first = net->unit_count;
    for (uint32_t i = 0; i < first; i++)
        if (!net->units[i].gone && net->units[i].pkt.len)
            come[count++] = &net->units[i];
    qsort(come, count, sizeof *come, compare_arrivals);
    int64_t next = 0;
    for (uint32_t i = 0; i < count; i++) {
        have[(come[i]->pkt.seq - 1) / UNIT_BYTES] = true;
        while (have[next])
            next++;
        uint32_t unit = net_unit(net, CLIENT, 101, 0, 1 + UNIT_BYTES * next, come[i]->at_ns);
        net->units[unit].pkt.window = (uint16_t)(5000 + (net->alike ? 0 : i));
    }
    travel(net, path, CLIENT, first);
}

/* ---- what follow says, and what was ------------------------------------------------------------
 */

/* The frame at a hop whose copy has this index: views are sorted as `shown` is. */
static uint32_t frame_of(const struct path *path, const struct hop *hop, uint32_t copy)
{
    return path->shown[hop->place][hop->copies[copy].pkt].number;
}

static void check_copy(const struct net *net, const struct path *path, const struct hop *hop,
                       unsigned k, uint32_t index)
{
    const struct copy *copy = &hop->copies[index];
    const struct frame *frame = &net->frames[frame_of(path, hop, index)];
    const struct unit *first = &net->units[frame->units[0]];
    unsigned came = 0, missed = 0;
    for (unsigned i = 0; i < frame->count; i++) {
        came += net->units[frame->units[i]].frame[k + 1] != COPY_NONE;
        missed += net->units[frame->units[i]].unseen[k + 1];
    }
    unsigned fate = missed                 ? FATE_MISSED
                    : came == frame->count ? FATE_ARRIVED
                    : came                 ? FATE_PARTLY
                                           : FATE_LOST;
    assert_int_equal(copy->fate, fate);
    if (first->frame[k + 1] != COPY_NONE) {
        assert_int_not_equal(copy->next, COPY_NONE);
        assert_int_equal(frame_of(path, hop + 1, copy->next), first->frame[k + 1]);
    } else if (came == 0) {
        assert_int_equal(copy->next, COPY_NONE);
    }
    if (!missed)
        assert_int_equal(copy->met_bytes,
                         came * (pkt_span(&first->pkt) ? pkt_span(&first->pkt) : 1));
}

static void check_previous(const struct net *net, const struct path *path, const struct hop *hop,
                           unsigned k, uint32_t index)
{
    const struct copy *copy = &hop->copies[index];
    const struct unit *first = &net->units[net->frames[frame_of(path, hop, index)].units[0]];
    if (first->frame[k - 1] == COPY_NONE) {
        assert_true(copy->previous >= COPY_SKIPPED);
        return;
    }
    assert_true(copy->previous < COPY_SKIPPED);
    assert_int_equal(frame_of(path, hop - 1, copy->previous), first->frame[k - 1]);
}

/* Bytes, or packets without any, that entered the segment behind hop k and did not come out. */
static uint32_t lost_in_truth(const struct net *net, unsigned side, unsigned k)
{
    uint32_t lost = 0;
    for (uint32_t i = 0; i < net->unit_count; i++) {
        const struct unit *unit = &net->units[i];
        bool out = unit->frame[k + 1] != COPY_NONE || unit->unseen[k + 1];
        if (pkt_side(&unit->pkt) == side && unit->frame[k] != COPY_NONE && !out)
            lost += unit->pkt.len ? unit->pkt.len : 1;
    }
    return lost;
}

/* The lost ranges behind hop k: their sum, and each is a unit's or several neighbours'. */
static uint32_t lost_as_told(const struct net *net, const struct path *path,
                             const struct trail *trail, unsigned k, bool exact)
{
    uint32_t lost = 0;
    for (uint32_t i = 0; i < trail->lost_count; i++) {
        const struct lost_range *range = &trail->lost[i];
        if (range->hop != k)
            continue;
        lost += range->length ? range->length : 1;
        const struct frame *frame = &net->frames[frame_of(path, &trail->hops[k], range->copy)];
        for (unsigned u = 0; exact && u < frame->count; u++) {
            const struct unit *unit = &net->units[frame->units[u]];
            bool within =
                unit->pkt.seq >= range->seq && pkt_end(&unit->pkt) <= range->seq + range->length;
            if (within)
                assert_int_equal(unit->frame[k + 1], COPY_NONE);
        }
    }
    return lost;
}

/* `exact`: packets bear what tells copies apart, so that each one's way is known; else only how
 * many were lost where. */
static void check(const struct net *net, const struct walk_bench *bench, bool exact)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *trail = &bench->followed.trail[side];
        uint32_t told = 0;
        assert_int_equal(trail->hop_count, net->points);
        for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
            assert_int_equal(lost_as_told(net, bench->path, trail, k, exact),
                             lost_in_truth(net, side, k));
            for (uint32_t i = 0; exact && i < trail->hops[k].count; i++)
                check_copy(net, bench->path, &trail->hops[k], k, i);
            for (uint32_t i = 0; exact && i < trail->hops[k + 1].count; i++)
                check_previous(net, bench->path, &trail->hops[k + 1], k + 1, i);
        }
        for (unsigned k = 0; k < trail->hop_count; k++) {
            uint32_t missed = 0;
            for (uint32_t i = 0; i < net->unit_count; i++)
                missed += pkt_side(&net->units[i].pkt) == side && net->units[i].unseen[k];
            told += missed;
            assert_int_equal(trail->missed[k], missed);
        }
        if (net->miss_percent == 0)
            assert_int_equal(told, 0);
    }
}

static void same_list(const uint32_t *a, uint32_t a_count, const uint32_t *b, uint32_t b_count)
{
    assert_int_equal(a_count, b_count);
    for (uint32_t i = 0; i < a_count; i++)
        assert_int_equal(a[i], b[i]);
}

static void same_hop(const struct hop *a, const struct hop *b)
{
    assert_int_equal(a->count, b->count);
    for (uint32_t i = 0; i < a->count; i++) {
        assert_int_equal(a->copies[i].pkt, b->copies[i].pkt);
        assert_int_equal(a->copies[i].next, b->copies[i].next);
        assert_int_equal(a->copies[i].previous, b->copies[i].previous);
        assert_int_equal(a->copies[i].met_bytes, b->copies[i].met_bytes);
        assert_int_equal(a->copies[i].fate, b->copies[i].fate);
    }
    same_list(a->unmet, a->unmet_count, b->unmet, b->unmet_count);
    same_list(a->strays, a->stray_count, b->strays, b->stray_count);
    assert_int_equal(a->base_delay_ns, b->base_delay_ns);
    assert_int_equal(a->delay_spread_ns, b->delay_spread_ns);
}

/* What passes unchanged is met without being sought. That must not show: where every other point
 * sees wrong checksums, which nobody asks for, all of it is sought, and nothing else is found. */
static void check_sought(const struct walk_bench *bench)
{
    const struct flow *flow = &bench->path->flow;
    struct followed sought = {0};
    struct wh_error error;
    for (unsigned place = 0; place < bench->path->points; place += 2) {
        struct track_flow *view = flow->at[bench->path->point_at[place]];
        for (uint32_t i = 0; i < view->pkt_count; i++)
            view->pkts[i].bad_checksum = true;
    }
    assert_int_equal(
        follow_flow(flow, &bench->alignment, bench->spans, bench->path->points, &sought, &error),
        WH_OK);
    for (unsigned side = 0; side < 2; side++) {
        const struct trail *a = &bench->followed.trail[side], *b = &sought.trail[side];
        assert_int_equal(a->hop_count, b->hop_count);
        for (unsigned k = 0; k < a->hop_count; k++)
            same_hop(&a->hops[k], &b->hops[k]);
        assert_int_equal(a->lost_count, b->lost_count);
        assert_int_equal(a->miss_count, b->miss_count);
    }
    followed_free(&sought);
}

static void run(struct net *net, bool exact)
{
    void *state = NULL;
    assert_int_equal(walk_set_up(&state), 0);
    struct walk_bench *bench = state;
    path_free(bench->path);
    bench->path = path_new(net->points);
    shake_hands(net, bench->path);
    transfer(net, bench->path);
    acknowledge(net, bench->path);
    walk_follow(bench);
    check(net, bench, exact);
    check_sought(bench);
    walk_tear_down(&state);
    free(net);
}

/* ---- properties --------------------------------------------------------------------------------
 */

/* Each copy's way is known by its IP ID, though packets look alike otherwise. */
static void test_losses_and_disorder(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= NETS; seed++) {
        struct net *net = net_new(seed);
        net->loss_percent = roll(&net->dice, 20);
        net->ids = net->alike = true;
        run(net, true);
    }
}

/* Some points show merged frames, others segments. Timestamps tell a retransmission. */
static void test_merged_frames(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= NETS; seed++) {
        struct net *net = net_new(seed + 10000);
        net->loss_percent = roll(&net->dice, 12);
        net->stamps = true;
        net->ids = true;
        for (unsigned place = 0; place < PATH_POINTS; place++)
            net->merges[place] = chance(&net->dice, 50);
        run(net, true);
    }
}

/* With nothing that tells copies apart, what is lost is still counted where it is. */
static void test_without_marks(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= NETS; seed++) {
        struct net *net = net_new(seed + 20000);
        net->loss_percent = roll(&net->dice, 12);
        net->stamps = net->ids = false;
        net->alike = true;
        net->renumbers = seed % 2 == 0;
        net->disorder_percent = 0;
        run(net, false);
    }
}

/* Captures with holes over a network that loses nothing: none of them is a loss. */
static void test_holes_in_captures(void **unused)
{
    (void)unused;
    for (uint64_t seed = 1; seed <= NETS; seed++) {
        struct net *net = net_new(seed + 30000);
        net->miss_percent = roll(&net->dice, 10);
        net->ids = true;
        run(net, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses_and_disorder),
        cmocka_unit_test(test_merged_frames),
        cmocka_unit_test(test_without_marks),
        cmocka_unit_test(test_holes_in_captures),
    };
    return cmocka_run_group_tests_name("follow, random", tests, NULL, NULL);
}
