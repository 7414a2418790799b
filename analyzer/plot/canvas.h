/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The paper: what is drawn goes to libplot, which writes the SVG, and to a bitmap, which becomes
 * the PNG, so that both are drawn at once and alike. Coordinates are pixels from the lower left
 * corner, as libplot has them.
 */
#ifndef WHICHHOP_PLOT_CANVAS_H
#define WHICHHOP_PLOT_CANVAS_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "plot/image.h"
#include "plot/letters.h"
#include "plot/pen.h"
#include "whichhop.h"

#define CANVAS_WIDTH      1600
#define CANVAS_HEIGHT     900 /* the usual one: 16 to 9, as a slide */
#define CANVAS_HEIGHT_MAX 6000

/* What is to be made, a set. */
enum canvas_format { CANVAS_SVG = 1, CANVAS_PNG = 2 };
enum canvas_anchor { ANCHOR_LEFT = 'l', ANCHOR_CENTER = 'c', ANCHOR_RIGHT = 'r' };

struct plPlotterStruct;
struct plPlotterParamsStruct;

struct canvas_text {
    double size;
    uint32_t colour;
    enum canvas_anchor anchor;
    bool bold;
    bool upright;
};

struct canvas {
    unsigned formats; /* enum canvas_format */
    uint32_t height;
    struct plot_letters *letters;
    locale_t c_locale, caller_locale;
    unsigned vertex_count; /* of all paths */
    /* the SVG */
    struct plPlotterParamsStruct *parameters;
    struct plPlotterStruct *plotter;
    FILE *stream; /* what libplot writes to: `text` */
    char *text;
    size_t text_size;
    FILE *anchor_stream; /* its texts, in order: enum canvas_anchor, one character each */
    char *anchors;
    size_t anchors_size;
    bool drawing;
    unsigned path_length; /* vertices since libplot's path began */
    double x[2], y[2];    /* its last two, the last first */
    /* the PNG */
    struct image image;
    struct pen pen;
    uint32_t ink, fill;
    bool filling;
    struct image_point *line; /* the path's piece that is being drawn */
    uint32_t line_count, line_capacity;
    bool out_of_memory;
};

/* Ready to be drawn on. Until canvas_free, the calling thread is in the C locale, because libplot
 * writes numbers with printf. The letters are borrowed. */
int canvas_open(struct canvas *canvas, unsigned formats, uint32_t height,
                struct plot_letters *letters, struct wh_error *error);

/* A file's bytes, to be freed by the caller: NULL when it was not asked for. */
struct canvas_file {
    void *bytes;
    size_t size;
};

/* Ends the drawing. `title` and `description` are what a screen reader says of the SVG. After a
 * failure nothing is to be freed. */
int canvas_finish(struct canvas *canvas, const char *title, const char *description,
                  struct canvas_file *svg, struct canvas_file *png, struct wh_error *error);

/* Frees what canvas_open made, also after a failure of it. */
void canvas_free(struct canvas *canvas);

/* Colours are 0xRRGGBB. A pen draws lines `width` pixels wide, dashed when `dash` is not 0. */
void canvas_pen(struct canvas *canvas, uint32_t colour, double width, double dash);

/* One path of many pieces: move, then lines; `canvas_end` strokes it. */
void canvas_move(struct canvas *canvas, double x, double y);
void canvas_line_to(struct canvas *canvas, double x, double y);
void canvas_end(struct canvas *canvas);

/* More was drawn than a file within the limit can hold: the rest need not be. */
bool canvas_is_full(const struct canvas *canvas);

void canvas_line(struct canvas *canvas, double x0, double y0, double x1, double y1);

/* Filled, without an outline. */
void canvas_box(struct canvas *canvas, uint32_t colour, double x0, double y0, double x1, double y1);

/* Fills closed figures drawn with canvas_move and canvas_line_to until canvas_end, outlined with
 * the pen. */
void canvas_fill(struct canvas *canvas, uint32_t colour);

/* UTF-8 text with its baseline at y. Turned a quarter to the left when `upright`. */
void canvas_write(struct canvas *canvas, const struct canvas_text *how, double x, double y,
                  const char *text);

/* Its width in pixels, rather too large than too small: who looks at an SVG may have a wider
 * font. */
double canvas_width(const struct canvas *canvas, const struct canvas_text *how, const char *text);

/* Shortens a name with "..." in its middle until it fits: what tells two names apart is often at
 * their ends. Returns `buffer`. */
char *canvas_fit_name(struct canvas *canvas, const struct canvas_text *how, const char *name,
                      double width, char *buffer, size_t size);

/* Shortens the text with "..." until it fits. Returns `buffer`. */
char *canvas_fit(struct canvas *canvas, const struct canvas_text *how, const char *text,
                 double width, char *buffer, size_t size);

#endif
