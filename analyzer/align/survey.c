/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the first sample on, a piece takes in what a straight line still fits; what no line fits
 * begins the next. A freeze or a queue only raises delays, which lifts the ceiling and lowers the
 * floor: no contradiction. A clock that is set lifts or lowers both, and the corridor is shut.
 *
 * The contradiction shows with the first packet that comes the other way. Where the jump lies
 * before that is told by delays: each packet is put to the piece in which it took less long, in
 * the order of either capture.
 */
#include "align/survey.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/partition.h"

#define TOLERANCE_NS    NS_PER_MS        /* no step is sought in contradictions below */
#define SLOPE_HIDDEN_NS (20 * NS_PER_US) /* contradictions below tell no drift */
#define SUPPORT         3u               /* samples of each way that a piece must have */
#define LOOK_AHEAD      20000u
#define WINDOW          4096u /* samples on either side of a cut whose order is looked at */
#define MARGIN          3u    /* a cut may be off by so many samples */
#define COST_MOST_NS    (1000 * NS_PER_S)
#define STRANGE_TURNS   8u
#define SAMPLES_COUNTED 65536u /* of more, no more may be strange: twice what a link is to have */

struct surveyor {
    struct sample *samples;
    uint32_t count;
    uint32_t known_end;
    struct corridor known;             /* of the piece that is looked at, up to known_end */
    struct corridor corridor;          /* scratch */
    struct corridor piece[PIECES_MAX]; /* those of the pieces */
    uint32_t end[PIECES_MAX];          /* where the pieces end */
    uint32_t sure[PIECES_MAX];         /* from here on, all fits the piece after, too */
    unsigned pieces;
    int64_t slope_ppb; /* common to all */
    bool out_of_memory, hopeless;
};

static bool has_line(const struct corridor *corridor)
{
    int64_t low, high;
    if (corridor_width(corridor, 0, &low, &high) >= -TOLERANCE_NS)
        return true;
    int64_t slope_ppb = corridor_widest(corridor);
    return corridor_width(corridor, slope_ppb, &low, &high) >= -TOLERANCE_NS;
}

static bool is_straight(struct surveyor *surveyor, uint32_t first, uint32_t end)
{
    if (corridor_make(&surveyor->corridor, surveyor->samples, first, end))
        return has_line(&surveyor->corridor);
    surveyor->out_of_memory = true;
    return true;
}

/* Is the piece straight up to `end`, too? Leaves the corridor up to there in `corridor`. */
static bool goes_on(struct surveyor *surveyor, uint32_t end)
{
    if (corridor_copy(&surveyor->corridor, &surveyor->known) &&
        corridor_extend(&surveyor->corridor, surveyor->samples, surveyor->known_end, end))
        return has_line(&surveyor->corridor);
    surveyor->out_of_memory = true;
    return true;
}

/* Asks goes_on, and if so knows it. */
static bool advance(struct surveyor *surveyor, uint32_t end)
{
    if (!goes_on(surveyor, end))
        return false;
    struct corridor before = surveyor->known;
    surveyor->known = surveyor->corridor;
    surveyor->corridor = before;
    surveyor->known_end = end;
    return true;
}

/* As far as the piece stays straight: what is bent already is so with more samples, too. Steps from
 * what is known grow, so that about as many samples are looked at as the piece goes on by, not all
 * that are left: there may be hundreds of strange ones. */
static void stretch(struct surveyor *surveyor)
{
    uint32_t count = surveyor->count, bad = count + 1;
    for (uint32_t step = 1; bad > count && surveyor->known_end < count; step *= 2) {
        uint32_t left = count - surveyor->known_end;
        uint32_t end = surveyor->known_end + (step < left ? step : left);
        if (!advance(surveyor, end))
            bad = end;
    }
    while (bad <= count && bad - surveyor->known_end > 1) {
        uint32_t middle = surveyor->known_end + (bad - surveyor->known_end) / 2;
        if (!advance(surveyor, middle))
            bad = middle;
    }
}

/* Does the sample that ends the piece stand alone? The next ones of its direction agree with the
 * piece: then it is no pair at all, or one of two wrong ones. At the end, nothing supports it. */
static bool stands_alone(struct surveyor *surveyor)
{
    uint32_t at = surveyor->known_end, end = at + 1, found = 0;
    uint32_t stop = surveyor->count - at > LOOK_AHEAD ? at + LOOK_AHEAD : surveyor->count;
    for (; end < stop && found < SUPPORT; end++)
        found += surveyor->samples[end].outwards == surveyor->samples[at].outwards &&
                 !surveyor->samples[end].strange;
    surveyor->samples[at].strange = true;
    bool alone = goes_on(surveyor, end);
    surveyor->samples[at].strange = alone;
    return alone;
}

static void cut(struct surveyor *surveyor)
{
    uint32_t strange = 0, counted = surveyor->count;
    counted = counted < SAMPLES_COUNTED ? counted : SAMPLES_COUNTED;
    surveyor->pieces = 0;
    for (uint32_t first = 0; first < surveyor->count; first = surveyor->known_end) {
        surveyor->out_of_memory |=
            !corridor_make(&surveyor->known, surveyor->samples, first, first + 1);
        surveyor->known_end = first + 1;
        stretch(surveyor);
        while (surveyor->known_end < surveyor->count && stands_alone(surveyor)) {
            surveyor->hopeless |= ++strange > 64 + counted / 100;
            if (surveyor->hopeless)
                return;
            stretch(surveyor);
        }
        if (surveyor->out_of_memory)
            return;
        if (surveyor->pieces == PIECES_MAX) {
            surveyor->hopeless = true;
            return;
        }
        surveyor->end[surveyor->pieces++] = surveyor->known_end;
    }
}

/* A piece of few packets is no state of a clock: they are wrong pairs. Returns whether any was. */
static bool drop_weak(struct surveyor *surveyor)
{
    bool dropped = false;
    for (unsigned k = 0; k < surveyor->pieces && surveyor->pieces > 1; k++) {
        uint32_t first = k ? surveyor->end[k - 1] : 0, ways[2] = {0};
        for (uint32_t i = first; i < surveyor->end[k]; i++)
            ways[surveyor->samples[i].outwards] += !surveyor->samples[i].strange;
        if ((ways[0] >= SUPPORT && ways[1] >= SUPPORT) || !ways[0] || !ways[1])
            continue;
        for (uint32_t i = first; i < surveyor->end[k]; i++)
            surveyor->samples[i].strange = true;
        dropped = true;
    }
    return dropped;
}

/* ---- one slope for all pieces ---------------------------------------------------------------- */

static int64_t narrowest(const void *context, int64_t slope_ppb)
{
    const struct surveyor *surveyor = context;
    int64_t least = INT64_MAX, low, high;
    for (unsigned k = 0; k < surveyor->pieces; k++) {
        int64_t width = corridor_width(&surveyor->piece[k], slope_ppb, &low, &high);
        least = width < least ? width : least;
    }
    return least;
}

static int64_t closeness(const void *context, int64_t slope_ppb)
{
    const struct surveyor *surveyor = context;
    int64_t sum = 0;
    for (unsigned k = 0; k < surveyor->pieces; k++)
        sum += corridor_closeness(&surveyor->piece[k], slope_ppb) -
               corridor_closeness(&surveyor->piece[k], 0);
    return sum;
}

static void choose_slope(struct surveyor *surveyor)
{
    surveyor->slope_ppb = 0;
    if (narrowest(surveyor, 0) >= -SLOPE_HIDDEN_NS)
        return;
    int64_t widest = concave_peak(-SLOPE_MAX_PPB, SLOPE_MAX_PPB, narrowest, surveyor);
    int64_t low = INT64_MIN, high = INT64_MAX, wanted = narrowest(surveyor, widest);
    for (unsigned k = 0; k < surveyor->pieces; k++) {
        int64_t from, to;
        corridor_slopes(&surveyor->piece[k], widest, wanted < 0 ? wanted : 0, &from, &to);
        low = from > low ? from : low;
        high = to < high ? to : high;
    }
    surveyor->slope_ppb = low < high ? concave_peak(low, high, closeness, surveyor) : widest;
}

/* ---- where a jump is ------------------------------------------------------------------------- */

static int64_t base_of(const struct surveyor *surveyor, unsigned k)
{
    int64_t low, high;
    corridor_width(&surveyor->piece[k], surveyor->slope_ppb, &low, &high);
    if (!corridor_closed(&surveyor->piece[k]))
        return surveyor->piece[k].floor_count ? low : high;
    return low + (high - low) / 2;
}

/* How long the packet took if the line is right; what it would have arrived too early weighs more.
 */
static int64_t cost_of(const struct sample *sample, int64_t base_ns, int64_t slope_ppb)
{
    int64_t off_ns = sample_apart_ns(sample) - base_ns - slope_ns(slope_ppb, sample->x_ns);
    int64_t took_ns = clock_within(sample->outwards ? off_ns : -off_ns, COST_MOST_NS);
    return took_ns < 0 ? -4 * took_ns : took_ns;
}

static int compare_far(const void *left, const void *right)
{
    const struct sample *a = left, *b = right;
    return a->place[1] < b->place[1] ? -1 : a->place[1] > b->place[1];
}

/* The cut at which the packets took the least time, in the order of the samples given. */
static uint32_t cut_at_least(const struct surveyor *surveyor, const struct sample *samples,
                             uint32_t count, unsigned k, unsigned side, struct jump *jump)
{
    int64_t before_ns = base_of(surveyor, k), after_ns = base_of(surveyor, k + 1);
    int64_t sum = 0, least = INT64_MAX;
    uint32_t best = 1;
    for (uint32_t i = 0; i + 1 < count; i++) {
        if (!samples[i].strange)
            sum += cost_of(&samples[i], before_ns, surveyor->slope_ppb) -
                   cost_of(&samples[i], after_ns, surveyor->slope_ppb);
        if (sum < least) {
            least = sum;
            best = i + 1;
        }
    }
    uint32_t low = best > MARGIN ? best - MARGIN : 0;
    uint32_t high = best + MARGIN < count ? best + MARGIN - 1 : count - 1;
    jump->place[side] = samples[best].place[side];
    jump->before[side] = samples[low].place[side];
    jump->after[side] = samples[high].place[side];
    return best;
}

/* How much too fast x passes over a cut: by as much as the near clock was set forward there. */
static int64_t x_excess(const struct sample *before)
{
    const struct sample *after = before + 1;
    int64_t near_ns = clock_within(after->ns[0] - before->ns[0], CLOCK_APART_MAX_NS);
    int64_t far_ns = clock_within(after->ns[1] - before->ns[1], CLOCK_APART_MAX_NS);
    int64_t passed_ns = near_ns < 0 || far_ns < near_ns ? far_ns : near_ns;
    return after->x_ns - before->x_ns - (passed_ns > 0 ? passed_ns : 0);
}

/* Bounds of the samples that fit either piece, in either capture. */
static void note_sure(const struct surveyor *surveyor, unsigned k, struct jump *jump)
{
    uint32_t first = surveyor->sure[k], last = surveyor->end[k];
    first = first ? first - 1 : 0;
    last = last < surveyor->count ? last : surveyor->count - 1;
    for (unsigned side = 0; side < 2; side++) {
        jump->sure[side][0] = jump->before[side];
        jump->sure[side][1] = jump->after[side];
        for (uint32_t i = first; i <= last; i++) {
            uint64_t place = surveyor->samples[i].place[side];
            jump->sure[side][0] = place < jump->sure[side][0] ? place : jump->sure[side][0];
            jump->sure[side][1] = place > jump->sure[side][1] ? place : jump->sure[side][1];
        }
    }
}

static bool find_jump(struct surveyor *surveyor, unsigned k, struct jump *jump)
{
    uint32_t begin = k ? surveyor->end[k - 1] : 0, end = surveyor->end[k + 1];
    uint32_t middle = surveyor->end[k];
    begin = middle - begin > WINDOW ? middle - WINDOW : begin;
    end = end - middle > WINDOW ? middle + WINDOW : end;
    struct sample *turned = malloc((end - begin) * sizeof *turned);
    if (!turned)
        return false;
    uint32_t at = cut_at_least(surveyor, surveyor->samples + begin, end - begin, k, 0, jump);
    jump->size_ns = base_of(surveyor, k + 1) - base_of(surveyor, k) +
                    slope_ns(surveyor->slope_ppb, x_excess(&surveyor->samples[begin + at - 1]));
    memcpy(turned, surveyor->samples + begin, (end - begin) * sizeof *turned);
    qsort(turned, end - begin, sizeof *turned, compare_far);
    cut_at_least(surveyor, turned, end - begin, k, 1, jump);
    note_sure(surveyor, k, jump);
    free(turned);
    return true;
}

/* The first sample from which on it is straight to the end of piece k + 1. */
static uint32_t reach_back(struct surveyor *surveyor, unsigned k)
{
    uint32_t from = k ? surveyor->end[k - 1] : 0;
    return from + PARTITION_POINT(i, surveyor->end[k] - from,
                                  !is_straight(surveyor, from + i, surveyor->end[k + 1]));
}

/* The pieces' corridors, without what may belong to either side of a cut. */
static bool make_pieces(struct surveyor *surveyor)
{
    for (unsigned k = 0; k < surveyor->pieces; k++) {
        struct corridor *piece = &surveyor->piece[k];
        uint32_t first = k ? surveyor->end[k - 1] : 0, end = surveyor->end[k];
        uint32_t sure = k + 1 < surveyor->pieces ? reach_back(surveyor, k) : end;
        surveyor->sure[k] = sure;
        if (!corridor_make(piece, surveyor->samples, first, sure) ||
            (!corridor_closed(piece) && !corridor_make(piece, surveyor->samples, first, end)))
            return false;
    }
    return !surveyor->out_of_memory;
}

static bool make_jumps(struct surveyor *surveyor, struct survey *survey)
{
    if (!make_pieces(surveyor))
        return false;
    choose_slope(surveyor);
    survey->slope_ppb = surveyor->slope_ppb;
    survey->width_ns = narrowest(surveyor, surveyor->slope_ppb);
    for (unsigned k = 0; k + 1 < surveyor->pieces; k++)
        if (!find_jump(surveyor, k, &survey->jumps[survey->count++]))
            return false;
    return true;
}

bool survey_make(struct survey *survey, struct sample *samples, uint32_t count)
{
    struct surveyor *surveyor = calloc(1, sizeof *surveyor);
    bool ok = surveyor != NULL;
    *survey = (struct survey){0};
    if (!ok)
        return false;
    surveyor->samples = samples;
    surveyor->count = count;
    cut(surveyor);
    for (unsigned turn = 0; turn < STRANGE_TURNS && !surveyor->hopeless && drop_weak(surveyor);
         turn++)
        cut(surveyor);
    survey->hopeless = surveyor->hopeless;
    ok = !surveyor->out_of_memory;
    if (ok && !surveyor->hopeless && surveyor->pieces > 1)
        ok = make_jumps(surveyor, survey);
    corridor_free(&surveyor->corridor);
    corridor_free(&surveyor->known);
    for (unsigned k = 0; k < PIECES_MAX; k++)
        corridor_free(&surveyor->piece[k]);
    free(surveyor);
    return ok;
}
