/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The sequence plot being drawn: where its parts lie, how they look. Private to plot. */
#ifndef WHICHHOP_PLOT_SEQUENCE_H
#define WHICHHOP_PLOT_SEQUENCE_H

#include "plot/frame.h"
#include "plot/thin.h"

struct scene {
    const struct plot_sequence *sequence;
    struct canvas *canvas;
    struct frame frame;
    struct panel curves, lanes; /* in the lanes each point has one */
    struct thin_grid grid;      /* of the curves; its axes carry the panel's pixels */
    uint32_t points;            /* that are drawn, at most WH_POINTS_MAX */
    unsigned kinds;             /* seen in the frame, a set of KIND_BIT */
    bool empty;                 /* nothing was seen at all */
};

/* Lays out a scene with grid cells of `cell` pixels. To be freed with scene_free, after a failure
 * too. */
int scene_prepare(struct scene *scene, const struct plot_sequence *sequence, struct canvas *canvas,
                  double cell, struct wh_error *error);
void scene_free(struct scene *scene);

/* Line width of a point: wide for the first, narrow for the last, so that all show where they lie
 * on each other. */
double scene_point_width(const struct scene *scene, uint32_t point);

/* The parts, from the back to the front. */
int draw_curves(const struct scene *scene, struct wh_error *error);
int draw_lanes(const struct scene *scene, struct wh_error *error);

#endif
