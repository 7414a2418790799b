/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Walls are built in one pass over samples in order (Andrew's monotone chain), and asked by slope:
 * the highest line of a slope that stays below the ceiling touches a corner of its hull. As a
 * function of the slope the width is concave, so that its peak and its ends are found by bisection.
 */
#include "align/corridor.h"

#include <stdlib.h>
#include <string.h>

#include "base/partition.h"

/* Does b lie on or above the line from a to c (on or below it, for `sign` -1)? */
static bool is_slack(const struct wall_point *a, const struct wall_point *b,
                     const struct wall_point *c, int sign)
{
    __int128 left = (__int128)(b->difference_ns - a->difference_ns) * (c->x_ns - a->x_ns);
    __int128 right = (__int128)(c->difference_ns - a->difference_ns) * (b->x_ns - a->x_ns);
    return sign > 0 ? left >= right : left <= right;
}

/* Adds the next sample to a hull: the lower one for `sign` 1, the upper one for -1. */
static void extend(struct wall_point *wall, uint32_t *count, struct wall_point point, int sign)
{
    if (*count && wall[*count - 1].x_ns == point.x_ns) {
        if (sign * point.difference_ns >= sign * wall[*count - 1].difference_ns)
            return;
        --*count;
    }
    while (*count >= 2 && is_slack(&wall[*count - 2], &wall[*count - 1], &point, sign))
        --*count;
    wall[(*count)++] = point;
}

static bool make_room(struct corridor *corridor, uint64_t points)
{
    if (points <= corridor->room)
        return true;
    if (points > UINT32_MAX)
        return false;
    struct wall_point *ceiling = realloc(corridor->ceiling, points * sizeof *ceiling);
    if (ceiling)
        corridor->ceiling = ceiling;
    struct wall_point *floor = realloc(corridor->floor, points * sizeof *floor);
    if (floor)
        corridor->floor = floor;
    if (!ceiling || !floor)
        return false;
    corridor->room = (uint32_t)points;
    return true;
}

static uint32_t most_corners(const struct corridor *corridor)
{
    return corridor->ceiling_count > corridor->floor_count ? corridor->ceiling_count
                                                           : corridor->floor_count;
}

bool corridor_make(struct corridor *corridor, const struct sample *samples, uint32_t first,
                   uint32_t end)
{
    corridor->ceiling_count = corridor->floor_count = 0;
    corridor->outwards = corridor->back = 0;
    corridor->sum_out_ns = corridor->sum_back_ns = 0;
    corridor->first_ns = corridor->last_ns = first < end ? samples[first].x_ns : 0;
    return corridor_extend(corridor, samples, first, end);
}

bool corridor_extend(struct corridor *corridor, const struct sample *samples, uint32_t from,
                     uint32_t end)
{
    if (!make_room(corridor, (uint64_t)most_corners(corridor) + (end - from) + 1))
        return false;
    for (uint32_t i = from; i < end; i++) {
        const struct sample *sample = &samples[i];
        struct wall_point point = {sample->x_ns, sample_apart_ns(sample)};
        corridor->last_ns = sample->x_ns;
        if (sample->strange)
            continue;
        if (sample->outwards)
            extend(corridor->ceiling, &corridor->ceiling_count, point, 1);
        else
            extend(corridor->floor, &corridor->floor_count, point, -1);
        corridor->outwards += sample->outwards;
        corridor->back += !sample->outwards;
        *(sample->outwards ? &corridor->sum_out_ns : &corridor->sum_back_ns) += point.x_ns;
    }
    return true;
}

bool corridor_copy(struct corridor *to, const struct corridor *from)
{
    if (!make_room(to, most_corners(from)))
        return false;
    struct corridor copy = *from;
    copy.ceiling = to->ceiling;
    copy.floor = to->floor;
    copy.room = to->room;
    if (copy.ceiling_count)
        memcpy(copy.ceiling, from->ceiling, copy.ceiling_count * sizeof *copy.ceiling);
    if (copy.floor_count)
        memcpy(copy.floor, from->floor, copy.floor_count * sizeof *copy.floor);
    *to = copy;
    return true;
}

void corridor_free(struct corridor *corridor)
{
    free(corridor->ceiling);
    free(corridor->floor);
    *corridor = (struct corridor){0};
}

/* Does the distance from a line of that slope still fall behind this point of a wall? */
static bool still_falls(const struct wall_point *point, int64_t slope_ppb, int sign)
{
    int64_t rise = point[1].difference_ns - point->difference_ns;
    int64_t run = slope_ns(slope_ppb, point[1].x_ns - point->x_ns);
    return sign * (rise - run) < 0;
}

/* The line of a slope that touches the wall, at x 0. Along a hull the distance to such a line falls
 * and rises once: its corner is found by bisection. */
static int64_t touch(const struct wall_point *wall, uint32_t count, int64_t slope_ppb, int sign)
{
    const struct wall_point *corner =
        &wall[PARTITION_POINT(i, count - 1, still_falls(&wall[i], slope_ppb, sign))];
    return corner->difference_ns - slope_ns(slope_ppb, corner->x_ns);
}

int64_t corridor_width(const struct corridor *corridor, int64_t slope_ppb, int64_t *low_ns,
                       int64_t *high_ns)
{
    *low_ns = INT64_MIN;
    *high_ns = INT64_MAX;
    if (corridor->ceiling_count)
        *high_ns = touch(corridor->ceiling, corridor->ceiling_count, slope_ppb, 1);
    if (corridor->floor_count)
        *low_ns = touch(corridor->floor, corridor->floor_count, slope_ppb, -1);
    return corridor_closed(corridor) ? *high_ns - *low_ns : INT64_MAX;
}

int64_t concave_peak(int64_t low, int64_t high, int64_t (*value)(const void *context, int64_t at),
                     const void *context)
{
    while (high - low > 2) {
        int64_t third = (high - low) / 3, a = low + third, b = high - third;
        int64_t at_a = value(context, a), at_b = value(context, b);
        if (at_a <= at_b)
            low = a;
        if (at_a >= at_b)
            high = b;
    }
    int64_t best = low;
    for (int64_t at = low + 1; at <= high; at++)
        best = value(context, at) > value(context, best) ? at : best;
    return best;
}

static int64_t width_at(const void *context, int64_t slope_ppb)
{
    int64_t low_ns, high_ns;
    return corridor_width(context, slope_ppb, &low_ns, &high_ns);
}

int64_t corridor_widest(const struct corridor *corridor)
{
    if (!corridor_closed(corridor))
        return 0;
    return concave_peak(-SLOPE_MAX_PPB, SLOPE_MAX_PPB, width_at, corridor);
}

void corridor_slopes(const struct corridor *corridor, int64_t inside_ppb, int64_t width_ns,
                     int64_t *low_ppb, int64_t *high_ppb)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        int64_t in = inside_ppb, out = sign * (SLOPE_MAX_PPB + 1);
        while (sign * (out - in) > 1) {
            int64_t middle = in + (out - in) / 2;
            if (width_at(corridor, middle) >= width_ns)
                in = middle;
            else
                out = middle;
        }
        *(sign < 0 ? low_ppb : high_ppb) = in;
    }
}

static int64_t mean(__int128 sum_ns, uint64_t count)
{
    return count ? (int64_t)(sum_ns / (__int128)count) : 0;
}

int64_t corridor_closeness(const struct corridor *corridor, int64_t slope_ppb)
{
    int64_t low_ns, high_ns, sum_ns = 0;
    int64_t mean_out_ns = mean(corridor->sum_out_ns, corridor->outwards);
    int64_t mean_back_ns = mean(corridor->sum_back_ns, corridor->back);
    corridor_width(corridor, slope_ppb, &low_ns, &high_ns);
    if (corridor->ceiling_count)
        sum_ns += high_ns + slope_ns(slope_ppb, mean_out_ns);
    if (corridor->floor_count)
        sum_ns -= low_ns + slope_ns(slope_ppb, mean_back_ns);
    return sum_ns;
}
