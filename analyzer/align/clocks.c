/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One clock: along the path, each point takes its clock from the nearest point before it with
 * packets in common. The simplest line through their corridor is taken: no offset, a constant one,
 * and a drift only where no constant fits.
 */
#include <stdlib.h>

#include "align/answers.h"
#include "align/joints.h"
#include "align/links.h"

#define UNCERTAINTY_MOST_NS (CLOCK_APART_MAX_NS / 64) /* of all points together: no overflow */
#define ONE_SIDED_NS        (50 * NS_PER_MS)          /* a guess at a delay that nothing bounds */

/* far - near = base_ns + slope * x */
struct line {
    int64_t base_ns, slope_ppb;
    int64_t uncertainty_ns;
    bool contradicts;
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t middle_of(int64_t low, int64_t high)
{
    return low + (high - low) / 2;
}

/* Zero where it fits: captures of one host share a clock. */
static void choose_constant(const struct corridor *corridor, struct line *line)
{
    int64_t low, high, width = corridor_width(corridor, 0, &low, &high);
    if (corridor_closed(corridor)) {
        line->contradicts = width < -2 * UNCERTAINTY_FLOOR_NS;
        bool zero_fits = low <= UNCERTAINTY_FLOOR_NS && high >= -UNCERTAINTY_FLOOR_NS;
        line->base_ns = zero_fits && !line->contradicts ? 0 : middle_of(low, high);
        line->uncertainty_ns = larger(llabs(high - line->base_ns), llabs(line->base_ns - low));
    } else if (!corridor->ceiling_count && !corridor->floor_count) { /* no pair was to be trusted */
        line->contradicts = true;
        line->uncertainty_ns = ONE_SIDED_NS;
    } else { /* bounded from one side only: how far off it is on the other, nobody knows */
        bool below = corridor->floor_count != 0;
        int64_t known = below ? low : high;
        line->base_ns = (below ? known <= 0 : known >= 0) ? 0 : known;
        line->uncertainty_ns = larger(ONE_SIDED_NS, llabs(known - line->base_ns));
    }
}

static int64_t closeness(const void *context, int64_t slope_ppb)
{
    return corridor_closeness(context, slope_ppb);
}

/* One wall of the corridor, `x_ns` on, for all lines of a slope. */
struct reach {
    const struct corridor *corridor;
    int64_t x_ns;
    bool high;
};

static int64_t reach_at(const void *context, int64_t slope_ppb)
{
    const struct reach *reach = context;
    int64_t low, high;
    corridor_width(reach->corridor, slope_ppb, &low, &high);
    int64_t at = slope_ns(slope_ppb, reach->x_ns);
    return reach->high ? high + at : -(low + at);
}

/* How far another line through the corridor may be from this one, at its two ends. */
static int64_t line_uncertainty(const struct corridor *corridor, const struct line *line,
                                int64_t low_ppb, int64_t high_ppb)
{
    int64_t most_ns = 0;
    for (unsigned i = 0; i < 4; i++) {
        struct reach reach = {corridor, i & 2 ? corridor->last_ns : corridor->first_ns, i & 1};
        int64_t slope = concave_peak(low_ppb, high_ppb, reach_at, &reach);
        int64_t here = line->base_ns + slope_ns(line->slope_ppb, reach.x_ns);
        int64_t there = reach_at(&reach, slope);
        most_ns = larger(most_ns, llabs((reach.high ? there : -there) - here));
    }
    return most_ns;
}

/* A drift is claimed where no constant fits, and a line does, or much better. Of the lines that do,
 * the one whose slope keeps the walls nearest to all packets. */
static void choose_drift(const struct corridor *corridor, struct line *line)
{
    int64_t low, high, low_ppb, high_ppb;
    int64_t constant = corridor_width(corridor, 0, &low, &high);
    if (!corridor_closed(corridor) || constant >= -DRIFT_LEAST_NS)
        return;
    int64_t widest_ppb = corridor_widest(corridor);
    int64_t width = corridor_width(corridor, widest_ppb, &low, &high);
    int64_t wanted = width < 0 ? width : 0;
    if ((constant + DRIFT_LEAST_NS) / 4 > wanted)
        return;
    corridor_slopes(corridor, widest_ppb, wanted, &low_ppb, &high_ppb);
    line->slope_ppb = concave_peak(low_ppb, high_ppb, closeness, corridor);
    corridor_width(corridor, line->slope_ppb, &low, &high);
    line->base_ns = middle_of(low, high);
    line->uncertainty_ns = line_uncertainty(corridor, line, low_ppb, high_ppb);
    line->contradicts = width < -2 * UNCERTAINTY_FLOOR_NS;
}

/* The line as the far point's own clock has it, counted from `since`: with x = path - path_0 and
 * far = path + base + slope * x, path = far - base - slope / (1 + slope) * (far - path_0 - base).
 */
static struct clock_fit fit_of_line(const struct line *line, int64_t path_0_ns,
                                    struct point_time since)
{
    struct clock_fit fit = {.offset_ns = -line->base_ns, .uncertainty_ns = line->uncertainty_ns};
    if (line->slope_ppb) {
        fit.drift_ppb = -(line->slope_ppb * 1000000000 / (1000000000 + line->slope_ppb));
        fit.since.ns = clock_within(path_0_ns + line->base_ns, CLOCK_LIMIT_NS);
        fit.offset_ns = clock_to_path(&fit, since).ns - since.ns;
        fit.since = since;
    }
    return fit;
}

/* When the point's capture begins, straightened. */
static struct point_time begin_of(const struct context *context, const struct clock_steps *steps,
                                  unsigned point)
{
    struct point_time begin = {INT64_MAX};
    for (uint32_t f = 0; f < context->flows->count; f++) {
        const struct track_flow *view = context->flows->items[f].at[point];
        if (!view || view->pkt_count == 0)
            continue;
        int64_t ns = step_straight_ns(steps, view->pkts[0].place, view->pkts[0].time.ns);
        begin.ns = ns < begin.ns ? ns : begin.ns;
    }
    return begin;
}

/* Would packets arrive before they were sent? */
static bool out_of_bounds(const struct corridor *corridor, int64_t offset_ns)
{
    int64_t low, high;
    corridor_width(corridor, 0, &low, &high);
    return (corridor->ceiling_count && -offset_ns > high + UNCERTAINTY_FLOOR_NS) ||
           (corridor->floor_count && -offset_ns < low - UNCERTAINTY_FLOOR_NS);
}

/* ---- what ties a point ----------------------------------------------------------------------- */

/* Points by place on the path; `settled`: their clock is known, or taken as it is. */
struct tying {
    struct context *context;
    struct alignment *alignment;
    bool settled[WH_POINTS_MAX];
    struct samples samples; /* of what is looked at */
    struct corridor corridor;
};

static int compare_by_time(const void *left, const void *right)
{
    const struct sample *a = left, *b = right;
    return a->ns[0] != b->ns[0] ? (a->ns[0] < b->ns[0] ? -1 : 1)
                                : (a->ns[1] > b->ns[1]) - (a->ns[1] < b->ns[1]);
}

/* Reads the known point's times on the path: then the other one is fitted to the path itself. */
static void to_path(struct sample *samples, uint32_t count, const struct clock_fit *known)
{
    for (uint32_t i = 0; i < count; i++)
        samples[i].ns[0] = clock_within(
            clock_to_path(known, (struct point_time){samples[i].ns[0]}).ns, CLOCK_LIMIT_NS);
}

/* Adds the packets that two points have in common, as from the known one to the other. */
static bool add_pairs(struct tying *tying, unsigned known, unsigned other)
{
    struct alignment *alignment = tying->alignment;
    unsigned point = alignment->order[known];
    const struct link *link = link_of(tying->context, point, alignment->order[other]);
    uint32_t first = tying->samples.count;
    for (uint32_t i = 0; i < link->sample_count; i++) {
        struct sample *sample =
            ARRAY_PUSH(tying->samples.items, tying->samples.count, tying->samples.capacity);
        if (!sample)
            return false;
        *sample = link->samples[i];
        if (known > other)
            *sample = (struct sample){.place = {sample->place[1], sample->place[0]},
                                      .ns = {sample->ns[1], sample->ns[0]},
                                      .outwards = !sample->outwards,
                                      .strange = sample->strange};
    }
    to_path(tying->samples.items + first, tying->samples.count - first, &alignment->clock[point]);
    return true;
}

/* Adds what acknowledgements at the one say of data at the other. */
static bool add_answers(struct tying *tying, unsigned known, unsigned other)
{
    struct alignment *alignment = tying->alignment;
    unsigned point[2] = {alignment->order[known], alignment->order[other]};
    uint32_t first = tying->samples.count;
    for (uint32_t f = 0; f < tying->context->flows->count; f++) {
        const struct flow *flow = &tying->context->flows->items[f];
        if (flow->at[point[0]] && flow->at[point[1]] &&
            !answers_collect(flow->at[point[0]], flow->at[point[1]], &tying->samples))
            return false;
    }
    for (uint32_t i = first; i < tying->samples.count; i++)
        for (unsigned end = 0; end < 2; end++) {
            struct sample *sample = &tying->samples.items[i];
            sample->ns[end] = step_straight_ns(&alignment->steps[point[end]], sample->place[end],
                                               sample->ns[end]);
        }
    to_path(tying->samples.items + first, tying->samples.count - first,
            &alignment->clock[point[0]]);
    return true;
}

static bool make_corridor(struct tying *tying, bool in_order)
{
    struct samples *samples = &tying->samples;
    if (!in_order && samples->count)
        qsort(samples->items, samples->count, sizeof *samples->items, compare_by_time);
    samples_set_x(samples->items, samples->count);
    return corridor_make(&tying->corridor, samples->items, 0, samples->count);
}

/* The corridor between two places. */
static bool corridor_to(struct tying *tying, unsigned known, unsigned other)
{
    tying->samples.count = 0;
    return add_pairs(tying, known, other) && make_corridor(tying, known < other);
}

static uint32_t samples_between(const struct tying *tying, unsigned a, unsigned b)
{
    const unsigned *order = tying->alignment->order;
    return link_of(tying->context, order[a], order[b])->sample_count;
}

/* Do packets of both directions bound the clocks of two places? */
static bool link_closed(const struct tying *tying, unsigned a, unsigned b)
{
    const unsigned *order = tying->alignment->order;
    const struct link *link = link_of(tying->context, order[a], order[b]);
    bool ways[2] = {false, false};
    for (uint32_t i = 0; i < link->sample_count && !(ways[0] && ways[1]); i++)
        if (!link->samples[i].strange)
            ways[link->samples[i].outwards] = true;
    return ways[0] && ways[1];
}

/* The place of the nearest point with a settled clock that has packets of both directions in common
 * with this one; or, with `any`, just packets. Those before it on the path are asked first. */
static bool nearest(const struct tying *tying, unsigned place, bool any, unsigned *found)
{
    unsigned count = tying->context->count;
    for (unsigned i = 0; i + 1 < count; i++) {
        unsigned at = i < place ? place - 1 - i : i + 1;
        if (tying->settled[at] &&
            (any ? samples_between(tying, at, place) != 0 : link_closed(tying, at, place))) {
            *found = at;
            return true;
        }
    }
    return false;
}

/* ---- tying ----------------------------------------------------------------------------------- */

static void settle(struct tying *tying, unsigned place, int64_t near_uncertainty_ns)
{
    struct alignment *alignment = tying->alignment;
    unsigned point = alignment->order[place];
    struct line line = {0};
    choose_constant(&tying->corridor, &line);
    choose_drift(&tying->corridor, &line);
    line.uncertainty_ns = larger(line.uncertainty_ns, UNCERTAINTY_FLOOR_NS);
    line.uncertainty_ns = clock_within(line.uncertainty_ns, UNCERTAINTY_MOST_NS);
    struct point_time since = {0}; /* only a drift asks for it */
    if (line.slope_ppb)
        since = begin_of(tying->context, &alignment->steps[point], point);
    alignment->clock[point] = fit_of_line(&line, tying->samples.items[0].ns[0], since);
    alignment->clock[point].uncertainty_ns += near_uncertainty_ns;
    alignment->contradicts[point] = line.contradicts;
    alignment->tied[point] = tying->settled[place] = true;
}

static bool tie(struct tying *tying, unsigned known, unsigned place)
{
    if (!corridor_to(tying, known, place))
        return false;
    settle(tying, place, tying->alignment->clock[tying->alignment->order[known]].uncertainty_ns);
    return true;
}

/* Does a line without a drift, or with one, go through? */
static bool corridor_fits(const struct corridor *corridor)
{
    int64_t low, high;
    return corridor_closed(corridor) && corridor_width(corridor, corridor_widest(corridor), &low,
                                                       &high) >= -2 * UNCERTAINTY_FLOOR_NS;
}

/* No point has packets of both directions in common with this one: then all together may bound its
 * clock, those before it on one side and those behind it on the other, or with what was answered.
 * Else the nearest alone does, from one side. */
static bool tie_one_sided(struct tying *tying, unsigned known, unsigned place)
{
    int64_t uncertainty_ns = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        tying->samples.count = 0;
        for (unsigned at = 0; at < tying->context->count; at++) {
            if (!tying->settled[at] || !samples_between(tying, at, place))
                continue;
            uncertainty_ns =
                larger(uncertainty_ns,
                       tying->alignment->clock[tying->alignment->order[at]].uncertainty_ns);
            if (!add_pairs(tying, at, place) || (pass && !add_answers(tying, at, place)))
                return false;
        }
        if (!make_corridor(tying, false))
            return false;
        if (corridor_fits(&tying->corridor)) {
            settle(tying, place, uncertainty_ns);
            return true;
        }
    }
    return tie(tying, known, place);
}

/* Ties the far point to a nearer one by what a proxy passed on between the two, where no packet was
 * seen at both; false where nothing was. */
static bool tie_by_joints(const struct context *context, struct alignment *alignment, unsigned near,
                          unsigned far)
{
    int64_t least_ns[2], base_ns = alignment->clock[near].offset_ns;
    joints_lags(context->flows, near, far, least_ns);
    bool below = least_ns[1] != INT64_MAX, above = least_ns[0] != INT64_MAX;
    if (!below && !above)
        return false;
    int64_t low = below ? -least_ns[1] : 0, high = above ? least_ns[0] : 0;
    bool zero_fits = low <= UNCERTAINTY_FLOOR_NS && high >= -UNCERTAINTY_FLOOR_NS;
    int64_t offset_ns = zero_fits ? 0 : below && above ? middle_of(low, high) : below ? low : high;
    int64_t off_ns = larger(llabs(high - offset_ns), llabs(offset_ns - low));
    alignment->contradicts[far] = below && above && low > high + 2 * UNCERTAINTY_FLOOR_NS;
    alignment->clock[far] = (struct clock_fit){.offset_ns = base_ns + offset_ns};
    alignment->clock[far].uncertainty_ns =
        alignment->clock[near].uncertainty_ns +
        larger(below && above ? off_ns : larger(off_ns, ONE_SIDED_NS), UNCERTAINTY_FLOOR_NS);
    return true;
}

/* The first place that packets tie to one whose clock is settled; the count of places: none. */
static unsigned next_place(const struct tying *tying, bool any, unsigned *known)
{
    unsigned place = 0;
    while (place < tying->context->count &&
           (tying->settled[place] || !nearest(tying, place, any, known)))
        place++;
    return place;
}

/* No packet ties any more of them: the first that a proxy's legs do is settled, else the first. */
static void settle_unpaired(struct tying *tying)
{
    struct alignment *alignment = tying->alignment;
    unsigned count = tying->context->count, first = count;
    for (unsigned place = 0; place < count; place++) {
        if (tying->settled[place])
            continue;
        first = first == count ? place : first;
        for (unsigned near = place; near-- > 0;)
            if (tying->settled[near] &&
                tie_by_joints(tying->context, alignment, alignment->order[near],
                              alignment->order[place])) {
                alignment->tied[alignment->order[place]] = tying->settled[place] = true;
                return;
            }
    }
    if (first < count)
        tying->settled[first] = true;
}

/* Settles all clocks that are not, those that packets of both directions bound first. */
static bool settle_all(struct tying *tying)
{
    unsigned count = tying->context->count;
    for (unsigned turn = 0; turn < count; turn++) {
        unsigned known = 0, place = next_place(tying, false, &known);
        if (place < count) {
            if (!tie(tying, known, place))
                return false;
        } else if ((place = next_place(tying, true, &known)) < count) {
            if (!tie_one_sided(tying, known, place))
                return false;
        } else {
            settle_unpaired(tying);
        }
    }
    return true;
}

/* The place by whose clock the others are settled: the path's first, unless it has packets of one
 * direction only in common with the others; then one of these that has both with another one. */
static unsigned root_of(const struct tying *tying)
{
    for (unsigned a = 0; a < tying->context->count; a++)
        for (unsigned b = a + 1; b < tying->context->count; b++)
            if (link_closed(tying, a, b) && (a == 0 || samples_between(tying, 0, a)))
                return a;
    return 0;
}

/* The path's clock is that of its first point, whoever was settled first. */
static void count_from_first(struct alignment *alignment, unsigned count)
{
    int64_t first_ns = alignment->clock[alignment->order[0]].offset_ns;
    for (unsigned p = 0; p < count; p++)
        alignment->clock[p].offset_ns -= alignment->tied[p] ? first_ns : 0;
}

/* Takes the clocks that the user fixed; false when there are none. */
static bool take_fixed(struct tying *tying, const struct align_options *options)
{
    struct alignment *alignment = tying->alignment;
    bool some = false;
    for (unsigned i = 0; i < tying->context->count; i++) {
        unsigned point = alignment->order[i];
        if (!options->fixed || !options->fixed[point])
            continue;
        alignment->clock[point] = (struct clock_fit){.offset_ns = options->offset_ns[point],
                                                     .uncertainty_ns = UNCERTAINTY_FLOOR_NS};
        alignment->tied[point] = tying->settled[i] = some = true;
    }
    return some;
}

/* Do packets speak against a clock that the user fixed? */
static bool check_fixed(struct tying *tying, const struct align_options *options)
{
    struct alignment *alignment = tying->alignment;
    for (unsigned i = 0; options->fixed && i < tying->context->count; i++) {
        unsigned point = alignment->order[i], near = i;
        while (near > 0 && !samples_between(tying, near - 1, i))
            near--;
        if (!options->fixed[point] || near == 0)
            continue;
        if (!corridor_to(tying, near - 1, i))
            return false;
        alignment->contradicts[point] =
            out_of_bounds(&tying->corridor, alignment->clock[point].offset_ns);
    }
    return true;
}

#define CENTRE_TIMES 1024u

/* The middle of a point's times on the path, of some of its packets: what few damaged times do not
 * move; 0: it has none. */
static struct path_time centre_of(const struct context *context, const struct alignment *alignment,
                                  unsigned point)
{
    const struct clock_steps *steps = &alignment->steps[point];
    int64_t times_ns[CENTRE_TIMES + 1];
    uint64_t packets = 0, next = 0, seen = 0;
    uint32_t count = 0;
    for (uint32_t f = 0; f < context->flows->count; f++)
        if (context->flows->items[f].at[point])
            packets += context->flows->items[f].at[point]->pkt_count;
    uint64_t apart = packets / CENTRE_TIMES + 1;
    for (uint32_t f = 0; f < context->flows->count; f++) {
        const struct track_flow *view = context->flows->items[f].at[point];
        if (!view)
            continue;
        for (; next < seen + view->pkt_count; next += apart) {
            const struct pkt *pkt = &view->pkts[next - seen];
            times_ns[count++] = step_straight_ns(steps, pkt->place, pkt->time.ns);
        }
        seen += view->pkt_count;
    }
    if (count == 0)
        return (struct path_time){0};
    qsort(times_ns, count, sizeof *times_ns, compare_ns);
    struct clock_fit fit = alignment->clock[point];
    fit.centre.ns = 0;
    return clock_to_path(&fit, (struct point_time){times_ns[count / 2]});
}

/* Clocks that are tied to each other keep near one time, others near their own. */
static void set_centres(const struct context *context, struct alignment *alignment)
{
    struct path_time common = {0};
    for (unsigned i = 0; i < context->count; i++) {
        unsigned point = alignment->order[i];
        struct path_time own = centre_of(context, alignment, point);
        if (alignment->tied[point] && common.ns == 0)
            common = own;
        alignment->clock[point].centre = alignment->tied[point] ? common : own;
    }
}

bool clocks_fit(struct context *context, const struct align_options *options,
                struct alignment *alignment)
{
    struct tying tying = {.context = context, .alignment = alignment};
    bool fixed = take_fixed(&tying, options);
    unsigned root = fixed ? 0 : root_of(&tying);
    if (context->count) {
        tying.settled[root] = alignment->tied[alignment->order[root]] = true;
        alignment->tied[alignment->order[0]] = true;
    }
    bool ok = settle_all(&tying) && check_fixed(&tying, options);
    if (ok && root)
        count_from_first(alignment, context->count);
    if (ok)
        set_centres(context, alignment);
    corridor_free(&tying.corridor);
    free(tying.samples.items);
    return ok;
}
