/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every plot over time is drawn in: titles, the time axis, stalls shaded and named, a legend,
 * and between them panels for the data, one above the other. Private to plot.
 */
#ifndef WHICHHOP_PLOT_FRAME_H
#define WHICHHOP_PLOT_FRAME_H

#include "plot/axis.h"
#include "plot/canvas.h"
#include "plot/label.h"
#include "plot/legend.h"
#include "plot/look.h"
#include "plot/plot.h"

/* The same in all plots, so that they can be laid under each other. */
#define FRAME_LEFT  190.0
#define FRAME_RIGHT (CANVAS_WIDTH - 28.0)

/* Panels with a line for a heading above each are at least this high, heading and all. */
#define FRAME_SLOT_PX 74u
#define HEADING_PX    27.0

struct panel {
    double bottom, top;
};

struct frame {
    const struct plot_frame *what;
    struct canvas *canvas;
    struct axis time; /* on FRAME_LEFT to FRAME_RIGHT */
    double cell;      /* width of a column in pixels; nothing finer in time is drawn */
    uint32_t columns;
    double bottom, top; /* room for panels */
    struct legend legend;
    struct label *labels; /* of the stalls in labelled[] */
    uint32_t *labelled;   /* indices into what->stalls */
    uint32_t label_count, label_rows;
    uint32_t unlabelled; /* stalls with neither name nor number */
    char more[64];
};

/* Lays out a frame with columns of `cell` pixels; the legend's entries are to be added before
 * (start from {0}), those of stalls are added here. To be freed with frame_free, after a failure
 * too. */
int frame_prepare(struct frame *frame, const struct plot_frame *what, struct canvas *canvas,
                  double cell, struct wh_error *error);
void frame_free(struct frame *frame);

/* The canvas' height that gives `count` panels their room. */
uint32_t frame_height(uint32_t count);

/* Splits the room into `count` panels of one height, each with a heading's line above it. */
void frame_split(const struct frame *frame, uint32_t count, struct panel *panels);

/* A heading above a panel: `name` and behind it, softer, `note` (NULL: none). */
void frame_heading(const struct frame *frame, const struct panel *panel, const char *name,
                   const char *note);

/* Everything but the data: to be called before it is drawn. */
int frame_draw(const struct frame *frame, const struct panel *panels, uint32_t count,
               struct wh_error *error);

/* Numbers and lines of a linear axis from panel->bottom to panel->top, in `unit`s; `title` stands
 * upright beside it where there is room. */
void frame_scale(const struct frame *frame, const struct panel *panel, const struct axis *axis,
                 int64_t unit, const char *title);

/* Hatches the spans in a panel: no capture was running. */
void frame_gaps(const struct frame *frame, const struct panel *panel, const struct plot_span *gaps,
                uint32_t count);
bool frame_has_gaps(const struct frame *frame, const struct plot_span *gaps, uint32_t count);

/* Pixels from left to right; none where `to` is not beyond `from`. */
struct stretch {
    double from, to;
};

/* Adds pixels that begin farther right than all before. False where they are farther than a cell
 * from them: those are to be drawn first, and the stretch to begin anew. So what is drawn has the
 * size of the picture. */
bool frame_stretch(const struct frame *frame, struct stretch *stretch, double from, double to);

/* The column of a time (the nearest for one beyond the axis), and a column's left edge. */
uint32_t frame_column(const struct frame *frame, int64_t time_ns);
double frame_x(const struct frame *frame, double column);

#endif
