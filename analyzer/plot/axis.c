/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scaling and round ticks, in integers so that no tick is off by a rounding. */
#include "plot/axis.h"

#include <inttypes.h>
#include <stdio.h>

/* Two's complement makes the difference right for any two values in order. */
static uint64_t distance(int64_t from, int64_t to)
{
    return (uint64_t)to - (uint64_t)from;
}

void axis_widen(struct axis *axis, int64_t least)
{
    if (axis->to > axis->from)
        return;
    if (axis->from > INT64_MAX - least)
        axis->from = INT64_MAX - least;
    axis->to = axis->from + least;
}

double axis_part(const struct axis *axis, int64_t value)
{
    if (value <= axis->from)
        return 0;
    if (value >= axis->to)
        return 1;
    return (double)distance(axis->from, value) / (double)distance(axis->from, axis->to);
}

double axis_pixel(const struct axis *axis, int64_t value)
{
    return axis->start + axis_part(axis, value) * (axis->end - axis->start);
}

/* The smallest multiple of `step` that is no smaller than `value`. */
static int64_t round_up(int64_t value, int64_t step)
{
    int64_t rest = value % step;
    if (rest == 0)
        return value;
    int64_t down = value - rest;
    if (rest < 0)
        return down;
    return down > INT64_MAX - step ? down : down + step;
}

struct ticks axis_ticks(const struct axis *axis, uint32_t most)
{
    static const int64_t mantissas[] = {1, 2, 5};
    struct ticks ticks = {axis->from, 1, 1};
    for (int64_t power = 1; power <= INT64_C(1000000000000000000); power *= 10) {
        for (size_t i = 0; i < sizeof mantissas / sizeof *mantissas; i++) {
            ticks.step = mantissas[i] * power;
            ticks.first = round_up(axis->from, ticks.step);
            if (ticks.first > axis->to || ticks.first < axis->from)
                continue;
            uint64_t steps = distance(ticks.first, axis->to) / (uint64_t)ticks.step;
            if (steps < most) {
                ticks.count = (uint32_t)steps + 1;
                return ticks;
            }
        }
        if (power == INT64_C(1000000000000000000))
            break;
    }
    return ticks;
}

/* The product alone may be beyond 63 bits; the sum never is. */
int64_t axis_tick(const struct ticks *ticks, uint32_t index)
{
    return (int64_t)((uint64_t)ticks->first + index * (uint64_t)ticks->step);
}

char *axis_number(int64_t value, int64_t step, int64_t unit, char *buffer, size_t size)
{
    int decimals = 0;
    uint64_t tenth = 1;
    while (unit >= 10 && step % unit != 0) {
        unit /= 10;
        tenth *= 10;
        decimals++;
    }
    uint64_t whole = (value < 0 ? 0 - (uint64_t)value : (uint64_t)value) / (uint64_t)unit;
    const char *sign = value < 0 && whole ? "-" : "";
    if (decimals == 0)
        snprintf(buffer, size, "%s%" PRIu64, sign, whole);
    else
        snprintf(buffer, size, "%s%" PRIu64 ".%0*" PRIu64, sign, whole / tenth, decimals & 31,
                 whole % tenth);
    return buffer;
}

static struct byte_unit choose_unit(const struct byte_unit *units, size_t count, int64_t most)
{
    for (size_t i = 0; i + 1 < count; i++)
        if (most / 2 >= units[i].bytes)
            return units[i];
    return units[count - 1];
}

struct byte_unit axis_byte_unit(int64_t most)
{
    static const struct byte_unit units[] = {{"TB", INT64_C(1000000000000)},
                                             {"GB", 1000000000},
                                             {"MB", 1000000},
                                             {"kB", 1000},
                                             {"bytes", 1}};
    return choose_unit(units, sizeof units / sizeof *units, most);
}

struct byte_unit axis_bit_unit(int64_t most)
{
    static const struct byte_unit units[] = {
        {"Gbit/s", 1000000000}, {"Mbit/s", 1000000}, {"kbit/s", 1000}, {"bit/s", 1}};
    return choose_unit(units, sizeof units / sizeof *units, most);
}
