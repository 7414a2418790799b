/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libplot through its re-entrant calls, and the bitmap beside it; both are drawn in memory, so that
 * a file is written whole. */
#include "plot/canvas.h"

#include <stdlib.h>
#include <string.h>

#include <plot.h>

#include "base/arena.h"
#include "base/error.h"
#include "plot/svg.h"
#include "plot/text.h"

#define TEXT_MAX     512
#define PATH_MAX     4096u
#define SUBPATH_COST 32u     /* libplot makes room for 500 vertices as it begins one */
#define VERTICES_MAX 120000u /* some 8 bytes each in an SVG */

/* Every parameter that would otherwise be taken from the environment. */
static int set_parameters(plPlotterParams *parameters, uint32_t height)
{
    char page[64];
    const struct {
        const char *name;
        char *value;
    } settings[] = {
        {"PAGESIZE", page},      {"BG_COLOR", "white"},
        {"EMULATE_COLOR", "no"}, {"MAX_LINE_LENGTH", "10000000"}, /* never cut a path in two */
        {"ROTATION", "0"},
    };
    snprintf(page, sizeof page, "letter,xsize=16in,ysize=%u.%02uin", height / 100, height % 100);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (pl_setplparam(parameters, settings[i].name, settings[i].value) < 0)
            return WH_ERROR;
    return WH_OK;
}

/* Where libplot writes to, and where is noted how texts are anchored. */
static int open_svg(struct canvas *canvas, struct wh_error *error)
{
    canvas->anchor_stream = open_memstream(&canvas->anchors, &canvas->anchors_size);
    canvas->stream = open_memstream(&canvas->text, &canvas->text_size);
    canvas->parameters = pl_newplparams();
    if (!canvas->anchor_stream || !canvas->stream || !canvas->parameters ||
        set_parameters(canvas->parameters, canvas->height))
        return error_memory(error, "a plot");

    /* Without a stream for messages libplot keeps them to itself. */
    canvas->plotter = pl_newpl_r("svg", NULL, canvas->stream, NULL, canvas->parameters);
    if (!canvas->plotter || pl_openpl_r(canvas->plotter) < 0)
        return error_set(error, NULL, 0, 0, "libplot cannot draw SVG");
    canvas->drawing = true;
    pl_fspace_r(canvas->plotter, 0, 0, CANVAS_WIDTH, canvas->height);
    pl_erase_r(canvas->plotter);
    pl_joinmod_r(canvas->plotter, "round");
    pl_capmod_r(canvas->plotter, "butt");
    return WH_OK;
}

int canvas_open(struct canvas *canvas, unsigned formats, uint32_t height,
                struct plot_letters *letters, struct wh_error *error)
{
    *canvas = (struct canvas){.formats = formats, .height = height, .letters = letters};
    canvas->c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!canvas->c_locale)
        return error_memory(error, "a plot");
    canvas->caller_locale = uselocale(canvas->c_locale);
    if ((formats & CANVAS_PNG) && !image_open(&canvas->image, CANVAS_WIDTH, height))
        return error_memory(error, "a plot");
    return formats & CANVAS_SVG ? open_svg(canvas, error) : WH_OK;
}

/* Ends libplot's drawing; false when what it wrote is not whole. */
static bool end_svg(struct canvas *canvas)
{
    pl_closepl_r(canvas->plotter);
    canvas->drawing = false;
    pl_deletepl_r(canvas->plotter);
    canvas->plotter = NULL;
    bool whole = !ferror(canvas->stream) && !ferror(canvas->anchor_stream);
    whole = fclose(canvas->stream) == 0 && whole;
    whole = fclose(canvas->anchor_stream) == 0 && whole;
    canvas->stream = canvas->anchor_stream = NULL;
    return whole;
}

static int finish_svg(struct canvas *canvas, const char *title, const char *description,
                      struct canvas_file *file, struct wh_error *error)
{
    if (!end_svg(canvas))
        return error_memory(error, "a plot");
    char *text = NULL;
    FILE *out = open_memstream(&text, &file->size);
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
        file->bytes = text;
    return status;
}

int canvas_finish(struct canvas *canvas, const char *title, const char *description,
                  struct canvas_file *svg, struct canvas_file *png, struct wh_error *error)
{
    *svg = *png = (struct canvas_file){NULL, 0};
    if (canvas->out_of_memory)
        return error_memory(error, "a plot");
    if ((canvas->formats & CANVAS_SVG) && finish_svg(canvas, title, description, svg, error))
        return WH_ERROR;
    if (!(canvas->formats & CANVAS_PNG))
        return WH_OK;
    png->bytes = image_png(&canvas->image, &png->size);
    if (png->bytes)
        return WH_OK;
    free(svg->bytes);
    svg->bytes = NULL;
    return error_memory(error, "a plot's PNG");
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
    free(canvas->line);
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
    canvas->ink = colour;
    canvas->pen = (struct pen){width, dash, PEN_BUTT};
    if (!canvas->plotter)
        return;
    set_pen_colour(canvas, colour);
    pl_flinewidth_r(canvas->plotter, width);
    double dashes[] = {dash, dash};
    pl_flinedash_r(canvas->plotter, dash > 0 ? 2 : 0, dashes, 0);
}

bool canvas_is_full(const struct canvas *canvas)
{
    return canvas->vertex_count > VERTICES_MAX;
}

/* ---- paths ----------------------------------------------------------------------------------- */

/* The bitmap gets a piece of a path as a whole. */
static void end_line(struct canvas *canvas)
{
    if (canvas->filling && canvas->line_count > 2) {
        image_ink(&canvas->image, canvas->fill);
        image_polygon(&canvas->image, canvas->line, canvas->line_count);
    }
    if (canvas->line_count > 1) {
        image_ink(&canvas->image, canvas->ink);
        pen_draw(&canvas->image, &canvas->pen, canvas->line, canvas->line_count);
    }
    canvas->line_count = 0;
}

static void add_to_line(struct canvas *canvas, double x, double y)
{
    struct image_point *point = ARRAY_PUSH(canvas->line, canvas->line_count, canvas->line_capacity);
    if (point)
        *point = (struct image_point){x, y};
    else
        canvas->out_of_memory = true;
}

static void remember(struct canvas *canvas, double x, double y)
{
    canvas->x[1] = canvas->x[0];
    canvas->y[1] = canvas->y[0];
    canvas->x[0] = x;
    canvas->y[0] = y;
    canvas->path_length++;
    canvas->vertex_count++;
    if (canvas->formats & CANVAS_PNG)
        add_to_line(canvas, x, y);
}

/* libplot keeps a path in memory until its end. */
static bool path_is_long(const struct canvas *canvas)
{
    return canvas->path_length >= PATH_MAX;
}

void canvas_move(struct canvas *canvas, double x, double y)
{
    if (canvas->plotter && path_is_long(canvas)) {
        pl_endpath_r(canvas->plotter);
        canvas->path_length = 0;
    } else if (canvas->plotter) {
        pl_endsubpath_r(canvas->plotter);
    }
    if (canvas->plotter)
        pl_fmove_r(canvas->plotter, x, y);
    end_line(canvas);
    remember(canvas, x, y);
    canvas->path_length += canvas->filling ? 0 : SUBPATH_COST;
}

void canvas_line_to(struct canvas *canvas, double x, double y)
{
    /* Begun anew one line back, so that the corner between the two halves is joined. */
    if (canvas->plotter && path_is_long(canvas) && !canvas->filling) {
        pl_endpath_r(canvas->plotter);
        canvas->path_length = 0;
        pl_fmove_r(canvas->plotter, canvas->x[1], canvas->y[1]);
        pl_fcont_r(canvas->plotter, canvas->x[0], canvas->y[0]);
    }
    if (canvas->plotter)
        pl_fcont_r(canvas->plotter, x, y);
    remember(canvas, x, y);
}

void canvas_end(struct canvas *canvas)
{
    if (canvas->plotter) {
        pl_endpath_r(canvas->plotter);
        pl_filltype_r(canvas->plotter, 0);
    }
    end_line(canvas);
    canvas->filling = false;
    canvas->path_length = 0;
}

void canvas_line(struct canvas *canvas, double x0, double y0, double x1, double y1)
{
    canvas_move(canvas, x0, y0);
    canvas_line_to(canvas, x1, y1);
    canvas_end(canvas);
}

void canvas_box(struct canvas *canvas, uint32_t colour, double x0, double y0, double x1, double y1)
{
    if (canvas->formats & CANVAS_PNG) {
        image_ink(&canvas->image, colour);
        image_box(&canvas->image, x0, y0, x1, y1);
    }
    if (!canvas->plotter)
        return;
    set_fill_colour(canvas, colour);
    pl_pentype_r(canvas->plotter, 0);
    pl_fbox_r(canvas->plotter, x0, y0, x1, y1);
    pl_endpath_r(canvas->plotter);
    pl_pentype_r(canvas->plotter, 1);
    pl_filltype_r(canvas->plotter, 0);
}

void canvas_fill(struct canvas *canvas, uint32_t colour)
{
    if (canvas->plotter)
        set_fill_colour(canvas, colour);
    canvas->fill = colour;
    canvas->filling = true;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* What libplot can draw; a backslash would begin one of its commands. */
static char *drawable(const char *text, char *buffer, size_t size)
{
    text_to_latin1(text, buffer, size);
    for (char *at = buffer; (at = strchr(at, '\\'));)
        *at = '/';
    return buffer;
}

static void write_svg(struct canvas *canvas, const struct canvas_text *how, double x, double y,
                      const char *text)
{
    pl_fontname_r(canvas->plotter, how->bold ? "Helvetica-Bold" : "Helvetica");
    pl_ffontsize_r(canvas->plotter, how->size);
    set_pen_colour(canvas, how->colour);
    if (how->upright)
        pl_ftextangle_r(canvas->plotter, 90);
    fputc(how->anchor, canvas->anchor_stream);
    pl_fmove_r(canvas->plotter, x, y);
    pl_alabel_r(canvas->plotter, 'l', 'x', text);
    if (how->upright)
        pl_ftextangle_r(canvas->plotter, 0);
}

static void write_png(struct canvas *canvas, const struct canvas_text *how, double x, double y,
                      const char *text)
{
    double back = letters_width(canvas->letters, text) * how->size;
    back = how->anchor == ANCHOR_RIGHT ? back : how->anchor == ANCHOR_CENTER ? back / 2 : 0;
    image_ink(&canvas->image, how->colour);
    if (!letters_draw(canvas->letters, &canvas->image, text, how->size, how->bold, how->upright,
                      how->upright ? x : x - back, how->upright ? y - back : y))
        canvas->out_of_memory = true;
}

void canvas_write(struct canvas *canvas, const struct canvas_text *how, double x, double y,
                  const char *text)
{
    char buffer[TEXT_MAX];
    if (!*drawable(text, buffer, sizeof buffer))
        return;
    if (canvas->formats & CANVAS_PNG)
        write_png(canvas, how, x, y, buffer);
    if (canvas->plotter)
        write_svg(canvas, how, x, y, buffer);
}

/* An SVG's reader may have no Helvetica: as wide as DejaVu Sans, a usual stand-in. */
double canvas_width(const struct canvas *canvas, const struct canvas_text *how, const char *text)
{
    char buffer[TEXT_MAX];
    drawable(text, buffer, sizeof buffer);
    double width = letters_width(canvas->letters, buffer);
    double svg_width =
        letters_svg_width(canvas->letters, buffer, how->bold) * (how->bold ? 1.3 : 1.18);
    return (width > svg_width ? width : svg_width) * how->size;
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
