/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The picture being drawn: what it shows, where its parts lie, how they look. Private to plot. */
#ifndef WHICHHOP_PLOT_SCENE_H
#define WHICHHOP_PLOT_SCENE_H

#include "plot/axis.h"
#include "plot/canvas.h"
#include "plot/label.h"
#include "plot/plot.h"
#include "plot/thin.h"

#define INK        0x222222u
#define INK_SOFT   0x555555u
#define GRID_LINE  0xe2e2e2u
#define FRAME_LINE 0x666666u

#define TEXT_PX 20.0

/* Labels beyond this many (the longest stalls come first) are not tried. */
#define LABELS_MAX 400u

struct scene {
    const struct plot_sequence *sequence;
    struct canvas *canvas;
    struct thin_grid grid;           /* its axes carry the frame's pixels */
    uint32_t points;                 /* that are drawn, at most WH_POINTS_MAX */
    double cell;                     /* width of a grid cell in pixels */
    unsigned kinds;                  /* seen in the frame, a set of KIND_BIT */
    bool empty;                      /* nothing was seen at all */
    double left, right, top, bottom; /* the frame */
    double lanes_top, lanes_bottom;  /* one lane a point below it */
    double ticks_y, time_title_y, legend_y;
    struct label *labels; /* of the stalls in labelled[] */
    uint32_t *labelled;   /* indices into sequence->stalls */
    uint32_t label_count, label_rows;
    uint32_t unlabelled; /* stalls with neither name nor number */
};

/* Lays out a scene with grid cells of `cell` pixels. To be freed with scene_free, after a failure
 * too. */
int scene_prepare(struct scene *scene, const struct plot_sequence *sequence, struct canvas *canvas,
                  double cell, struct wh_error *error);
void scene_free(struct scene *scene);

/* A point's colour (Okabe and Ito's, told apart by colour-blind people) and line width: wide for
 * the first, narrow for the last, so that all show where they lie on each other. */
uint32_t scene_point_colour(uint32_t point);
double scene_point_width(const struct scene *scene, uint32_t point);

/* `colour` mixed with white: 0 is white, 1 the colour. */
uint32_t scene_tint(uint32_t colour, double strength);

/* The tint of a stall's shade, and what such a shade says in the legend. */
struct scene_shade {
    uint32_t colour;
    const char *meaning;
};
const struct scene_shade *scene_shade(enum wh_cause cause);

/* What label number `label` says in a form: the stall's label, or its part before ":", a number.
 * Returns `buffer`. */
char *scene_label_text(const struct scene *scene, uint32_t label, enum label_form form,
                       char *buffer, size_t size);

/* The parts, from the back to the front. */
int draw_shades(const struct scene *scene, struct wh_error *error);
void draw_frame(const struct scene *scene);
int draw_curves(const struct scene *scene, struct wh_error *error);
int draw_lanes(const struct scene *scene, struct wh_error *error);
void draw_labels(const struct scene *scene);

/* Its height in rows; draws nothing when `draw` is false. */
uint32_t draw_legend(const struct scene *scene, bool draw);

/* A diamond, a cross: what marks bytes sent again and bytes lost. */
void draw_diamond(struct canvas *canvas, double x, double y, double size);
void draw_cross(struct canvas *canvas, double x, double y, double size);

#endif
