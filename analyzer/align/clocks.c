/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One clock: along the path, each point takes its clock from the nearest point before it with
 * packets in common. The simplest line through their corridor is taken: no offset, a constant one,
 * and a drift only where no constant fits.
 */
#include <stdlib.h>

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
    if (constant > 4 * wanted - DRIFT_LEAST_NS)
        return;
    corridor_slopes(corridor, widest_ppb, wanted, &low_ppb, &high_ppb);
    line->slope_ppb = concave_peak(low_ppb, high_ppb, closeness, corridor);
    corridor_width(corridor, line->slope_ppb, &low, &high);
    line->base_ns = middle_of(low, high);
    line->uncertainty_ns = line_uncertainty(corridor, line, low_ppb, high_ppb);
    line->contradicts = width < -2 * UNCERTAINTY_FLOOR_NS;
}

/* Reads the near point's times on the path: then the far one is fitted to the path itself. */
static void to_path(struct sample *samples, uint32_t count, const struct clock_fit *near)
{
    for (uint32_t i = 0; i < count; i++)
        samples[i].ns[0] = clock_within(
            clock_to_path(near, (struct point_time){samples[i].ns[0]}).ns, CLOCK_LIMIT_NS);
    samples_set_x(samples, count);
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
        fit.since.ns = path_0_ns + line->base_ns;
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
        int64_t ns = step_straight_ns(steps, pkt_place(&view->pkts[0]), view->pkts[0].time.ns);
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

/* Ties the far point to a nearer one, whose clock is settled. */
static bool tie(struct context *context, struct alignment *alignment, unsigned near, unsigned far,
                bool fixed)
{
    struct link *link = link_of(context, near, far);
    struct clock_fit *clock = &alignment->clock[far];
    struct corridor corridor = {0};
    struct line line = {0};
    to_path(link->samples, link->sample_count, &alignment->clock[near]);
    if (!corridor_make(&corridor, link->samples, 0, link->sample_count)) {
        corridor_free(&corridor);
        return false;
    }
    if (fixed) {
        alignment->contradicts[far] = out_of_bounds(&corridor, clock->offset_ns);
    } else {
        choose_constant(&corridor, &line);
        choose_drift(&corridor, &line);
        line.uncertainty_ns = larger(line.uncertainty_ns, UNCERTAINTY_FLOOR_NS);
        line.uncertainty_ns = clock_within(line.uncertainty_ns, UNCERTAINTY_MOST_NS);
        *clock = fit_of_line(&line, link->samples[0].ns[0],
                             begin_of(context, &alignment->steps[far], far));
        clock->uncertainty_ns += alignment->clock[near].uncertainty_ns;
        alignment->contradicts[far] = line.contradicts;
    }
    corridor_free(&corridor);
    return true;
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

bool clocks_fit(struct context *context, const struct align_options *options,
                struct alignment *alignment)
{
    for (unsigned i = 0; i < context->count; i++) {
        unsigned far = alignment->order[i];
        bool fixed = options->fixed && options->fixed[far];
        alignment->tied[far] = i == 0 || fixed;
        if (fixed)
            alignment->clock[far] = (struct clock_fit){.offset_ns = options->offset_ns[far],
                                                       .uncertainty_ns = UNCERTAINTY_FLOOR_NS};
        for (unsigned j = i; j-- > 0;) {
            unsigned near = alignment->order[j];
            if (link_of(context, near, far)->sample_count == 0) {
                if (!alignment->tied[far])
                    alignment->tied[far] = tie_by_joints(context, alignment, near, far);
                continue;
            }
            if (!tie(context, alignment, near, far, fixed))
                return false;
            alignment->tied[far] = true;
            break;
        }
    }
    return true;
}
