/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libplot through its re-entrant calls; it draws into memory, so that a file is written whole. */
#include "plot/canvas.h"

#include <stdlib.h>
#include <string.h>

#include <plot.h>

#include "base/error.h"
#include "plot/svg.h"
#include "plot/text.h"

#define TEXT_MAX        512
#define BITMAP_PATH_MAX 64u
#define SVG_PATH_MAX    4096u

/* For an SVG its size decides, each being some 8 bytes; for a bitmap the time it takes. */
#define SVG_VERTICES_MAX    120000u
#define BITMAP_VERTICES_MAX 50000u

/* Every parameter that would otherwise be taken from the environment. */
static int set_parameters(plPlotterParams *parameters, uint32_t height)
{
    char page[64], bitmap[64];
    const struct {
        const char *name;
        char *value;
    } settings[] = {
        {"PAGESIZE", page},
        {"BITMAPSIZE", bitmap},
        {"BG_COLOR", "white"},
        {"EMULATE_COLOR", "no"},
        {"MAX_LINE_LENGTH", "10000000"}, /* never cut a path in two */
        {"PNM_PORTABLE", "no"},
        {"ROTATION", "0"},
    };
    snprintf(page, sizeof page, "letter,xsize=16in,ysize=%u.%02uin", height / 100, height % 100);
    snprintf(bitmap, sizeof bitmap, "%ux%u", CANVAS_WIDTH * IMAGE_OVERSAMPLING,
             height * IMAGE_OVERSAMPLING);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (pl_setplparam(parameters, settings[i].name, settings[i].value) < 0)
            return WH_ERROR;
    return WH_OK;
}

/* Where libplot writes to, and where this notes how texts are anchored. */
static FILE *open_streams(struct canvas *canvas)
{
    canvas->anchor_stream = open_memstream(&canvas->anchors, &canvas->anchors_size);
    if (!canvas->anchor_stream)
        return NULL;
    if (canvas->format == CANVAS_SVG)
        return open_memstream(&canvas->text, &canvas->text_size);
    return image_open(&canvas->image, CANVAS_WIDTH, canvas->height);
}

int canvas_open(struct canvas *canvas, enum canvas_format format, uint32_t height,
                struct wh_error *error)
{
    *canvas = (struct canvas){.format = format, .height = height};
    canvas->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (canvas->c_locale)
        canvas->caller_locale = uselocale(canvas->c_locale);
    canvas->stream = open_streams(canvas);
    canvas->parameters = pl_newplparams();
    if (!canvas->c_locale || !canvas->stream || !canvas->parameters ||
        set_parameters(canvas->parameters, height))
        return error_memory(error, "a plot");

    /* Without a stream for messages libplot keeps them to itself. */
    canvas->plotter = pl_newpl_r(format == CANVAS_SVG ? "svg" : "pnm", NULL, canvas->stream, NULL,
                                 canvas->parameters);
    if (!canvas->plotter || pl_openpl_r(canvas->plotter) < 0)
        return error_set(error, NULL, 0, 0, "libplot cannot draw %s",
                         format == CANVAS_SVG ? "SVG" : "bitmaps");
    canvas->drawing = true;
    pl_fspace_r(canvas->plotter, 0, 0, CANVAS_WIDTH, height);
    pl_erase_r(canvas->plotter);
    pl_joinmod_r(canvas->plotter, "round");
    pl_capmod_r(canvas->plotter, "butt");
    return WH_OK;
}

static int finish_svg(struct canvas *canvas, const char *title, const char *description,
                      void **bytes, size_t *size, struct wh_error *error)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return error_memory(error, "a plot");
    const struct svg_page page = {CANVAS_WIDTH, canvas->height, title, description};
    int status = svg_rewrite(canvas->text, canvas->anchors, &page, out, error);
    bool whole = !ferror(out);
    whole = fclose(out) == 0 && whole;
    if (!status && !whole)
        status = error_memory(error, "a plot");
    if (status)
        free(text);
    else
        *bytes = text;
    return status;
}

int canvas_finish(struct canvas *canvas, const char *title, const char *description, void **bytes,
                  size_t *size, struct wh_error *error)
{
    pl_closepl_r(canvas->plotter);
    canvas->drawing = false;
    pl_deletepl_r(canvas->plotter);
    canvas->plotter = NULL;
    bool whole = !ferror(canvas->stream) && !ferror(canvas->anchor_stream);
    whole = fclose(canvas->stream) == 0 && whole;
    whole = fclose(canvas->anchor_stream) == 0 && whole;
    canvas->stream = canvas->anchor_stream = NULL;
    if (!whole)
        return error_memory(error, "a plot");
    if (canvas->format == CANVAS_SVG)
        return finish_svg(canvas, title, description, bytes, size, error);
    *bytes = image_png(&canvas->image, size);
    return *bytes ? WH_OK : error_memory(error, "a plot's PNG");
}

void canvas_free(struct canvas *canvas)
{
    if (canvas->drawing)
        pl_closepl_r(canvas->plotter);
    if (canvas->plotter)
        pl_deletepl_r(canvas->plotter);
    if (canvas->parameters)
        pl_deleteplparams(canvas->parameters);
    if (canvas->stream)
        fclose(canvas->stream);
    if (canvas->anchor_stream)
        fclose(canvas->anchor_stream);
    free(canvas->text);
    free(canvas->anchors);
    image_free(&canvas->image);
    if (canvas->c_locale) {
        uselocale(canvas->caller_locale);
        freelocale(canvas->c_locale);
    }
    *canvas = (struct canvas){0};
}

/* One channel of 0xRRGGBB in libplot's 16 bits. */
static int channel(uint32_t colour, unsigned shift)
{
    return (int)(colour >> shift & 0xff) * 257;
}

static void set_pen_colour(struct canvas *canvas, uint32_t colour)
{
    pl_pencolor_r(canvas->plotter, channel(colour, 16), channel(colour, 8), channel(colour, 0));
}

static void set_fill_colour(struct canvas *canvas, uint32_t colour)
{
    pl_fillcolor_r(canvas->plotter, channel(colour, 16), channel(colour, 8), channel(colour, 0));
    pl_filltype_r(canvas->plotter, 1);
}

void canvas_pen(struct canvas *canvas, uint32_t colour, double width, double dash)
{
    set_pen_colour(canvas, colour);
    pl_flinewidth_r(canvas->plotter, width);
    double dashes[] = {dash, dash};
    pl_flinedash_r(canvas->plotter, dash > 0 ? 2 : 0, dashes, 0);
}

static void remember(struct canvas *canvas, double x, double y)
{
    canvas->x[1] = canvas->x[0];
    canvas->y[1] = canvas->y[0];
    canvas->x[0] = x;
    canvas->y[0] = y;
    canvas->path_length++;
    canvas->vertex_count++;
}

/* libplot keeps a path in memory until its end, of a bitmap every span of its pixels. */
static bool path_is_long(const struct canvas *canvas)
{
    return canvas->path_length >= (canvas->format == CANVAS_PNG ? BITMAP_PATH_MAX : SVG_PATH_MAX);
}

bool canvas_is_full(const struct canvas *canvas)
{
    return canvas->vertex_count >
           (canvas->format == CANVAS_PNG ? BITMAP_VERTICES_MAX : SVG_VERTICES_MAX);
}

void canvas_move(struct canvas *canvas, double x, double y)
{
    /* For bitmaps libplot would merge a path's pieces, and lose memory at it. */
    if (canvas->format == CANVAS_PNG || path_is_long(canvas)) {
        pl_endpath_r(canvas->plotter);
        canvas->path_length = 0;
    } else {
        pl_endsubpath_r(canvas->plotter);
    }
    pl_fmove_r(canvas->plotter, x, y);
    remember(canvas, x, y);
}

void canvas_line_to(struct canvas *canvas, double x, double y)
{
    /* Begun anew one line back, so that the corner between the two halves is joined. */
    if (path_is_long(canvas) && !canvas->filling) {
        pl_endpath_r(canvas->plotter);
        canvas->path_length = 0;
        pl_fmove_r(canvas->plotter, canvas->x[1], canvas->y[1]);
        pl_fcont_r(canvas->plotter, canvas->x[0], canvas->y[0]);
    }
    pl_fcont_r(canvas->plotter, x, y);
    remember(canvas, x, y);
}

void canvas_end(struct canvas *canvas)
{
    pl_endpath_r(canvas->plotter);
    pl_filltype_r(canvas->plotter, 0);
    canvas->filling = false;
    canvas->path_length = 0;
}

void canvas_line(struct canvas *canvas, double x0, double y0, double x1, double y1)
{
    pl_fline_r(canvas->plotter, x0, y0, x1, y1);
    pl_endpath_r(canvas->plotter);
}

void canvas_box(struct canvas *canvas, uint32_t colour, double x0, double y0, double x1, double y1)
{
    set_fill_colour(canvas, colour);
    pl_pentype_r(canvas->plotter, 0);
    pl_fbox_r(canvas->plotter, x0, y0, x1, y1);
    pl_endpath_r(canvas->plotter);
    pl_pentype_r(canvas->plotter, 1);
    pl_filltype_r(canvas->plotter, 0);
}

void canvas_fill(struct canvas *canvas, uint32_t colour)
{
    set_fill_colour(canvas, colour);
    canvas->filling = true;
}

/* SVG text stays text; bitmaps are lettered with the vector font libplot brings. */
static void set_font(struct canvas *canvas, const struct canvas_text *how)
{
    static const char *const fonts[2][2] = {{"Helvetica", "Helvetica-Bold"},
                                            {"HersheySans", "HersheySans-Bold"}};
    pl_fontname_r(canvas->plotter, fonts[canvas->format == CANVAS_PNG][how->bold]);
    pl_ffontsize_r(canvas->plotter, how->size);
}

/* What libplot can draw; a backslash would begin one of its commands. */
static char *drawable(const char *text, char *buffer, size_t size)
{
    text_to_latin1(text, buffer, size);
    for (char *at = buffer; (at = strchr(at, '\\'));)
        *at = '/';
    return buffer;
}

/* The vector font's strokes are thin; a second pass beside the first makes them readable. */
static void write_bitmap_text(struct canvas *canvas, const struct canvas_text *how, double x,
                              double y, const char *text)
{
    for (int pass = 0; pass < 2; pass++) {
        pl_fmove_r(canvas->plotter, x + pass * (how->bold ? 0.9 : 0.45), y);
        pl_alabel_r(canvas->plotter, how->anchor, 'x', text);
    }
}

void canvas_write(struct canvas *canvas, const struct canvas_text *how, double x, double y,
                  const char *text)
{
    char buffer[TEXT_MAX];
    if (!*drawable(text, buffer, sizeof buffer))
        return;
    set_font(canvas, how);
    set_pen_colour(canvas, how->colour);
    pl_ftextangle_r(canvas->plotter, how->upright ? 90 : 0);
    if (canvas->format == CANVAS_PNG) {
        write_bitmap_text(canvas, how, x, y, buffer);
    } else {
        fputc(how->anchor, canvas->anchor_stream);
        pl_fmove_r(canvas->plotter, x, y);
        pl_alabel_r(canvas->plotter, 'l', 'x', buffer);
    }
    pl_ftextangle_r(canvas->plotter, 0);
}

double canvas_width(struct canvas *canvas, const struct canvas_text *how, const char *text)
{
    char buffer[TEXT_MAX];
    set_font(canvas, how);
    double width = pl_flabelwidth_r(canvas->plotter, drawable(text, buffer, sizeof buffer));
    if (canvas->format == CANVAS_PNG)
        return width;
    return how->bold ? width * 1.3 : width * 1.18; /* as wide as DejaVu Sans, a usual stand-in */
}

char *canvas_fit(struct canvas *canvas, const struct canvas_text *how, const char *text,
                 double width, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s", text);
    size_t length = strlen(buffer);
    bool cut = text[length] != 0;
    while (length > 0 && (cut || canvas_width(canvas, how, buffer) > width)) {
        cut = false;
        length = length > 4 ? length - 4 : 0;
        while (length > 0 && (text[length] & 0xc0) == 0x80)
            length--;
        snprintf(buffer, size, "%.*s...", (int)length, text);
    }
    return buffer;
}

/* Moves an index to where a character of UTF-8 begins: back, or on. */
static size_t at_character(const char *text, size_t index, int step)
{
    while (index > 0 && (text[index] & 0xc0) == 0x80)
        index = step < 0 ? index - 1 : index + 1;
    return index;
}

char *canvas_fit_name(struct canvas *canvas, const struct canvas_text *how, const char *name,
                      double width, char *buffer, size_t size)
{
    size_t length = strlen(name);
    if (length >= size)
        return canvas_fit(canvas, how, name, width, buffer, size);
    snprintf(buffer, size, "%s", name);
    for (size_t cut = 4; cut < length && canvas_width(canvas, how, buffer) > width; cut++) {
        size_t head = at_character(name, (length - cut) / 2, -1);
        size_t tail = at_character(name, length - (length - cut + 1) / 2, 1);
        snprintf(buffer, size, "%.*s...%s", (int)head, name, name + tail);
    }
    return canvas_width(canvas, how, buffer) > width
               ? canvas_fit(canvas, how, name, width, buffer, size)
               : buffer;
}
