/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A line is a figure for each of its pieces, and one where two pieces meet. */
#include "plot/pen.h"

#include <math.h>

#define CORNERS 8

/* Thinner lines show no notch where two pieces meet. */
#define JOINED_PX 1.6

/* Level and upright lines between these widths are laid on whole pixels: thinner ones are fainter
 * instead, and wide ones show no blur, but would shift against each other. */
#define SHARP_LEAST_PX 0.75
#define SHARP_MOST_PX  3.0

static bool is_sharp(const struct pen *pen)
{
    return pen->width >= SHARP_LEAST_PX && pen->width <= SHARP_MOST_PX && pen->ends == PEN_BUTT;
}

/* Where a level or upright line's width begins, and how much it is. */
static double low_edge(const struct pen *pen, double middle)
{
    double low = middle - pen->width / 2;
    return is_sharp(pen) ? round(low) : low;
}

static double whole_width(const struct pen *pen)
{
    return is_sharp(pen) ? fmax(1, round(pen->width)) : pen->width;
}

static bool is_straight(const struct image_point *a, const struct image_point *b)
{
    return a->x == b->x || a->y == b->y;
}

static void draw_straight(struct image *image, const struct pen *pen, const struct image_point *a,
                          const struct image_point *b)
{
    double width = whole_width(pen), more = pen->ends == PEN_PROJECTING ? width / 2 : 0;
    if (a->x == b->x) {
        double x = low_edge(pen, a->x);
        image_box(image, x, fmin(a->y, b->y) - more, x + width, fmax(a->y, b->y) + more);
    } else {
        double y = low_edge(pen, a->y);
        image_box(image, fmin(a->x, b->x) - more, y, fmax(a->x, b->x) + more, y + width);
    }
}

static void draw_slanting(struct image *image, const struct pen *pen, const struct image_point *a,
                          const struct image_point *b)
{
    double length = hypot(b->x - a->x, b->y - a->y), half = pen->width / 2;
    double dx = (b->x - a->x) / length * half, dy = (b->y - a->y) / length * half;
    double more = pen->ends == PEN_PROJECTING ? 1 : 0;
    const struct image_point from = {a->x - dx * more, a->y - dy * more};
    const struct image_point to = {b->x + dx * more, b->y + dy * more};
    const struct image_point corners[] = {{from.x - dy, from.y + dx},
                                          {to.x - dy, to.y + dx},
                                          {to.x + dy, to.y - dx},
                                          {from.x + dy, from.y - dx}};
    image_polygon(image, corners, 4);
}

static void draw_piece(struct image *image, const struct pen *pen, const struct image_point *a,
                       const struct image_point *b)
{
    if (is_straight(a, b))
        draw_straight(image, pen, a, b);
    else
        draw_slanting(image, pen, a, b);
}

/* A square where stairs turn, else nearly a disc. */
static void draw_joint(struct image *image, const struct pen *pen, const struct image_point *before,
                       const struct image_point *at, const struct image_point *after)
{
    if (is_straight(before, at) && is_straight(at, after)) {
        double x = low_edge(pen, at->x), y = low_edge(pen, at->y);
        double width = whole_width(pen);
        image_box(image, x, y, x + width, y + width);
        return;
    }
    struct image_point corners[CORNERS];
    for (unsigned i = 0; i < CORNERS; i++) {
        double angle = (i + 0.5) * 2 * M_PI / CORNERS, radius = pen->width / 2;
        corners[i] = (struct image_point){at->x + radius * cos(angle), at->y + radius * sin(angle)};
    }
    image_polygon(image, corners, CORNERS);
}

/* `gone` is how much of the line lies behind; a dash begins at each even multiple of its length. */
static double draw_dashes(struct image *image, const struct pen *pen, const struct image_point *a,
                          const struct image_point *b, double gone)
{
    double length = hypot(b->x - a->x, b->y - a->y);
    for (double from = 0; from < length;) {
        double phase = fmod(gone + from, 2 * pen->dash);
        double to = fmin(length, from + (phase < pen->dash ? pen->dash : 2 * pen->dash) - phase);
        const struct image_point start = {a->x + (b->x - a->x) * from / length,
                                          a->y + (b->y - a->y) * from / length};
        const struct image_point end = {a->x + (b->x - a->x) * to / length,
                                        a->y + (b->y - a->y) * to / length};
        if (phase < pen->dash)
            draw_piece(image, pen, &start, &end);
        from = fmax(to, from + 0.01);
    }
    return gone + length;
}

void pen_draw(struct image *image, const struct pen *pen, const struct image_point *points,
              uint32_t count)
{
    double gone = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (pen->dash > 0) {
            gone = draw_dashes(image, pen, &points[i - 1], &points[i], gone);
            continue;
        }
        draw_piece(image, pen, &points[i - 1], &points[i]);
        bool closed = i + 1 == count && points[i].x == points[0].x && points[i].y == points[0].y;
        if (pen->width >= JOINED_PX && pen->ends == PEN_BUTT && (i + 1 < count || closed))
            draw_joint(image, pen, &points[i - 1], &points[i], &points[closed ? 1 : i + 1]);
    }
}
