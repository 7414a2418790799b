/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An axis: integers of the flow to places on the picture, and round numbers along it. */
#ifndef WHICHHOP_PLOT_AXIS_H
#define WHICHHOP_PLOT_AXIS_H

#include <stddef.h>
#include <stdint.h>

/* Values from..to, from < to, lie on pixels start..end. */
struct axis {
    int64_t from, to;
    double start, end;
};

struct ticks {
    int64_t first; /* a multiple of `step` */
    int64_t step;  /* 1, 2 or 5 times a power of ten */
    uint32_t count;
};

/* An axis needs some length: to = from + `least` where it has none. */
void axis_widen(struct axis *axis, int64_t least);

/* How far along the axis a value lies, 0 to 1; values beyond the ends are at the ends. */
double axis_part(const struct axis *axis, int64_t value);

/* The same in pixels. */
double axis_pixel(const struct axis *axis, int64_t value);

/* Round values on the axis, with the smallest step that gives no more than `most` (at least 2). */
struct ticks axis_ticks(const struct axis *axis, uint32_t most);

/* The value of tick number `index`, from 0. */
int64_t axis_tick(const struct ticks *ticks, uint32_t index);

/* `value` in `unit`s (a power of ten) with as many decimals as `step` needs: 2500, 500, 1000 give
 * "2.5". Returns `buffer`. */
char *axis_number(int64_t value, int64_t step, int64_t unit, char *buffer, size_t size);

struct byte_unit {
    const char *name; /* "MB" */
    int64_t bytes;
};

/* The decimal unit that suits a rate of `most` bits a second; `bytes` are bits here. */
struct byte_unit axis_bit_unit(int64_t most);

/* The decimal unit that suits an axis reaching to `most` bytes. */
struct byte_unit axis_byte_unit(int64_t most);

#endif
