/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All letters drawn by libplot on one sheet, sixteen by sixteen, and read back from its SVG. Bold
 * ones are the same strokes with a wider pen: the vector font's own are doubled, and would be blots
 * at this size. */
#include "plot/letters.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <plot.h>

#include "base/arena.h"
#include "base/error.h"
#include "plot/pen.h"
#include "plot/plot.h"

#define ACROSS      16u
#define DRAWN       "HersheySans"
#define ASCII       0x80u
#define SIZE        100.0 /* of the font, in the sheet's units */
#define CELL        (2 * SIZE)
#define SHEET       (ACROSS * CELL)
#define LEFT        (SIZE / 2) /* where a letter begins in its cell, and its baseline */
#define LEAN_PX     0.085      /* width of a stroke, in parts of the size */
#define LEAN_LEAST  1.25       /* but no thinner than this, in pixels */
#define SIZE_MAX_PX 40.0
#define STAMPS      4096u /* a power of two; so many are never needed */
#define SCRATCH_PX  96u   /* room for the largest letter, which begins in its middle */
#define REACH       1.25  /* no letter reaches further than so many times its size */
#define REACH_MORE  4.0   /* and its strokes' width */
#define PARTS       2u    /* of a pixel, in which letters are placed */
#define BOLD        1.55
#define GREY_STEP   10u

/* A backslash would begin one of libplot's commands. */
static bool is_drawable(unsigned code)
{
    return ((code >= 0x20 && code < 0x7f) || code >= 0xa0) && code != '\\';
}

/* ---- from libplot ---------------------------------------------------------------------------- */

static int set_parameters(plPlotterParams *parameters)
{
    static const struct {
        const char *name;
        char *value;
    } settings[] = {{"PAGESIZE", "letter"}, {"MAX_LINE_LENGTH", "10000000"}, {"ROTATION", "0"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (pl_setplparam(parameters, settings[i].name, settings[i].value) < 0)
            return WH_ERROR;
    return WH_OK;
}

/* The widths of all letters in a font. */
static void measure(plPlotter *plotter, const char *font, float widths[LETTERS])
{
    pl_fontname_r(plotter, font);
    pl_ffontsize_r(plotter, SIZE);
    for (unsigned code = 0; code < LETTERS; code++) {
        const char text[2] = {(char)code, 0};
        if (is_drawable(code))
            widths[code] = (float)(pl_flabelwidth_r(plotter, text) / SIZE);
    }
}

static void measure_all(plPlotter *plotter, struct plot_letters *letters)
{
    measure(plotter, "Helvetica", letters->svg_widths[0]);
    measure(plotter, "Helvetica-Bold", letters->svg_widths[1]);
    measure(plotter, DRAWN, letters->widths);
}

/* Draws the letters from `first` to below `end`. */
static void draw_sheet(plPlotter *plotter, unsigned first, unsigned end)
{
    pl_fontname_r(plotter, DRAWN);
    pl_ffontsize_r(plotter, SIZE);
    for (unsigned code = first; code < end; code++) {
        const char text[2] = {(char)code, 0};
        unsigned column = code % ACROSS, row = code / ACROSS;
        if (!is_drawable(code))
            continue;
        pl_fmove_r(plotter, column * CELL + LEFT, row * CELL + LEFT);
        pl_alabel_r(plotter, 'l', 'x', text);
        pl_endpath_r(plotter);
    }
}

/* What libplot wrote of the sheet, to be freed; NULL when something failed. */
static char *make_sheet(struct plot_letters *letters, unsigned first, unsigned end)
{
    char *text = NULL;
    size_t size = 0;
    plPlotter *plotter = NULL;
    FILE *stream = open_memstream(&text, &size);
    plPlotterParams *parameters = pl_newplparams();
    bool ok = stream && parameters && !set_parameters(parameters);
    if (ok)
        plotter = pl_newpl_r("svg", NULL, stream, NULL, parameters);
    ok = plotter && pl_openpl_r(plotter) >= 0;
    if (ok) {
        pl_fspace_r(plotter, 0, 0, SHEET, SHEET);
        if (!letters->count)
            measure_all(plotter, letters);
        draw_sheet(plotter, first, end);
        pl_closepl_r(plotter);
    }
    if (plotter)
        pl_deletepl_r(plotter);
    if (parameters)
        pl_deleteplparams(parameters);
    if (stream)
        ok = fclose(stream) == 0 && ok;
    if (!ok) {
        free(text);
        text = NULL;
    }
    return text;
}

/* ---- from its SVG ---------------------------------------------------------------------------- */

/* The number behind the next quote, comma or blank; moves on. */
static double next_number(const char **at)
{
    char *end;
    *at += strcspn(*at, "-.0123456789");
    double value = strtod(*at, &end);
    *at = end;
    return value;
}

static bool add_vertex(struct plot_letters *letters, double x, double y, bool move)
{
    double column = fmin(fmax(floor(x / CELL), 0), ACROSS - 1);
    double row = fmin(fmax(floor(y / CELL), 0), ACROSS - 1);
    struct letter *letter = &letters->letters[(unsigned)row * ACROSS + (unsigned)column];
    struct letter_vertex *vertex = ARRAY_PUSH(letters->vertices, letters->count, letters->capacity);
    if (!vertex)
        return false;
    if (!letter->count)
        letter->first = letters->count - 1;
    letter->count = letters->count - letter->first;
    *vertex = (struct letter_vertex){(float)((x - column * CELL - LEFT) / SIZE),
                                     (float)((y - row * CELL - LEFT) / SIZE), move};
    return true;
}

/* points="x,y x,y ", from behind the quote. */
static bool add_points(struct plot_letters *letters, const char *at, bool closed)
{
    double x0 = 0, y0 = 0;
    bool move = true;
    const char *end = strchr(at, '"');
    while (end && at + 1 < end) {
        double x = next_number(&at), y = next_number(&at);
        if (!add_vertex(letters, x, y, move))
            return false;
        x0 = move ? x : x0;
        y0 = move ? y : y0;
        move = false;
        at += strspn(at, " ");
    }
    return !closed || add_vertex(letters, x0, y0, false);
}

/* x1="" y1="" x2="" y2="" */
static bool add_line(struct plot_letters *letters, const char *at)
{
    static const char *const names[] = {"x1=\"", "y1=\"", "x2=\"", "y2=\""};
    double values[4] = {0};
    for (size_t i = 0; i < 4; i++) {
        at = strstr(at, names[i]);
        if (!at)
            return true;
        at += strlen(names[i]);
        values[i] = next_number(&at);
    }
    return add_vertex(letters, values[0], values[1], true) &&
           add_vertex(letters, values[2], values[3], false);
}

static bool read_sheet(struct plot_letters *letters, const char *svg)
{
    bool ok = true;
    for (const char *at = svg; ok && (at = strchr(at, '<')); at++) {
        if (strncmp(at, "<polyline points=\"", 18) == 0)
            ok = add_points(letters, at + 18, false);
        else if (strncmp(at, "<polygon points=\"", 17) == 0)
            ok = add_points(letters, at + 17, true);
        else if (strncmp(at, "<line ", 6) == 0)
            ok = add_line(letters, at);
    }
    return ok;
}

/* Greys so close that no mixture adds another: stamps would else depend on those cut before. */
static void ink_greys(struct image *sheet)
{
    for (uint32_t grey = 0; grey < 256; grey += GREY_STEP)
        image_ink(sheet, grey << 16 | grey << 8 | grey);
}

/* From `first` to below `end`, drawn and read in the C locale. */
static bool add_letters(struct plot_letters *letters, unsigned first, unsigned end)
{
    uint32_t count = letters->count;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale)
        return false;
    locale_t before = uselocale(c_locale);
    char *sheet = make_sheet(letters, first, end);
    bool ok = sheet && read_sheet(letters, sheet) && letters->count > count;
    free(sheet);
    uselocale(before);
    freelocale(c_locale);
    return ok;
}

struct plot_letters *plot_letters_make(struct wh_error *error)
{
    struct plot_letters *letters = calloc(1, sizeof *letters);
    bool ok = false;
    if (letters) {
        pthread_mutex_init(&letters->adding, NULL);
        letters->stamps = calloc(STAMPS, sizeof *letters->stamps);
        ok = letters->stamps && image_open(&letters->sheet, SCRATCH_PX, SCRATCH_PX);
    }
    if (ok) {
        ink_greys(&letters->sheet);
        ok = add_letters(letters, 0, ASCII);
    }
    if (ok)
        return letters;
    plot_letters_free(letters);
    error_memory(error, "the plots' letters");
    return NULL;
}

void plot_letters_free(struct plot_letters *letters)
{
    if (!letters)
        return;
    for (uint32_t i = 0; letters->stamps && i < STAMPS; i++)
        free(letters->stamps[i].levels);
    free(letters->stamps);
    image_free(&letters->sheet);
    free(letters->vertices);
    pthread_mutex_destroy(&letters->adding);
    free(letters);
}

/* ---- their use ------------------------------------------------------------------------------- */

double letters_width(const struct plot_letters *letters, const char *text)
{
    double width = 0;
    for (; *text; text++)
        width += (double)letters->widths[(unsigned char)*text];
    return width;
}

double letters_svg_width(const struct plot_letters *letters, const char *text, bool bold)
{
    double width = 0;
    for (; *text; text++)
        width += (double)letters->svg_widths[bold][(unsigned char)*text];
    return width;
}

static void draw_letter(const struct plot_letters *letters, const struct letter *letter,
                        struct image *image, const struct pen *pen, double size, bool upright,
                        double x, double y)
{
    struct image_point points[64];
    uint32_t count = 0;
    for (uint32_t i = 0; i < letter->count; i++) {
        const struct letter_vertex *vertex = &letters->vertices[letter->first + i];
        if (vertex->move || count == sizeof points / sizeof *points) {
            pen_draw(image, pen, points, count);
            if (!vertex->move)
                points[0] = points[count - 1];
            count = vertex->move ? 0 : 1;
        }
        double along = (double)vertex->x * size, above = (double)vertex->y * size;
        points[count++] =
            (struct image_point){x + (upright ? -above : along), y + (upright ? along : above)};
    }
    pen_draw(image, pen, points, count);
}

/* A white sheet that is no larger than a letter of this size needs, as all of it is looked at. */
static void clear_sheet(struct image *sheet, double size)
{
    uint32_t reach = (uint32_t)(REACH * size + REACH_MORE);
    sheet->width = sheet->height = 2 * reach < SCRATCH_PX ? 2 * reach : SCRATCH_PX;
    image_clear(sheet);
}

/* Cuts a stamp from a sheet of black on white; the letter began in its middle. When memory is out
 * it is left as it was: another letter may come to stand in its place. */
static bool cut_stamp(const struct image *sheet, struct stamp *stamp)
{
    uint32_t left = sheet->width, right = 0, top = sheet->height, bottom = 0;
    for (uint32_t y = 0; y < sheet->height; y++) {
        static const uint8_t blank[SCRATCH_PX];
        const uint8_t *pixels = image_pixel(sheet, 0, y);
        if (memcmp(pixels, blank, sheet->width) == 0)
            continue;
        for (uint32_t x = 0; x < sheet->width; x++) {
            if (!pixels[x])
                continue;
            left = x < left ? x : left;
            right = x + 1 > right ? x + 1 : right;
            top = y < top ? y : top;
            bottom = y + 1;
        }
    }
    if (right <= left)
        return true; /* a blank */
    stamp->levels = malloc((size_t)(right - left) * (bottom - top));
    if (!stamp->levels)
        return false;
    stamp->left = (int16_t)((int)left - (int)sheet->width / 2);
    stamp->above = (int16_t)((int)sheet->height / 2 - (int)top);
    stamp->width = (uint8_t)(right - left);
    stamp->height = (uint8_t)(bottom - top);
    for (uint32_t y = top; y < bottom; y++)
        for (uint32_t x = left; x < right; x++) {
            uint32_t grey = sheet->colours[*image_pixel(sheet, x, y)] & 0xff;
            stamp->levels[(y - top) * stamp->width + x - left] =
                (uint8_t)((255 - grey) * IMAGE_LEVELS / 255);
        }
    return true;
}

struct style {
    double size;
    bool bold, upright;
    struct pen pen;
};

static bool make_stamp(struct plot_letters *letters, const struct style *style, unsigned char code,
                       unsigned part, struct stamp *stamp)
{
    if (code >= ASCII && !letters->beyond_ascii)
        letters->beyond_ascii = add_letters(letters, ASCII, LETTERS);
    if (code >= ASCII && !letters->beyond_ascii)
        return false;
    clear_sheet(&letters->sheet, style->size);
    double at = letters->sheet.width * 0.5, more = (double)part / PARTS;
    image_ink(&letters->sheet, 0x000000);
    draw_letter(letters, &letters->letters[code], &letters->sheet, &style->pen, style->size,
                style->upright, at + (style->upright ? 0 : more), at + (style->upright ? more : 0));
    return cut_stamp(&letters->sheet, stamp);
}

/* A stamp's place in the table, or the free one where it is to stand. Stamps are never taken out,
 * so that they can be looked for while another thread adds one. */
static struct stamp *find_place(struct plot_letters *letters, uint32_t key)
{
    for (uint32_t at = key * 2654435761u >> 20;; at++) {
        struct stamp *stamp = &letters->stamps[at % STAMPS];
        uint32_t here = atomic_load_explicit(&stamp->key, memory_order_acquire);
        if (here == key || !here)
            return stamp;
    }
}

/* The stamp of a letter; NULL when memory is out. */
static const struct stamp *find_stamp(struct plot_letters *letters, const struct style *style,
                                      unsigned char code, unsigned part)
{
    uint32_t key = code | (uint32_t)style->bold << 8 | (uint32_t)style->upright << 9 | part << 10 |
                   (uint32_t)style->size << 16;
    struct stamp *stamp = find_place(letters, key);
    if (stamp->key == key)
        return stamp;
    pthread_mutex_lock(&letters->adding);
    stamp = find_place(letters, key); /* another thread may have come first */
    if (stamp->key != key) {
        bool made =
            letters->stamp_count < STAMPS - 1 && make_stamp(letters, style, code, part, stamp);
        letters->stamp_count += made;
        if (made)
            atomic_store_explicit(&stamp->key, key, memory_order_release);
        else
            stamp = NULL;
    }
    pthread_mutex_unlock(&letters->adding);
    return stamp;
}

bool letters_draw(struct plot_letters *letters, struct image *image, const char *text, double size,
                  bool bold, bool upright, double x, double y)
{
    struct style style = {
        fmin(fmax(1, floor(size)), SIZE_MAX_PX), bold, upright, {0, 0, PEN_PROJECTING}};
    double *along = upright ? &y : &x;
    style.pen =
        (struct pen){fmax(LEAN_LEAST, LEAN_PX * style.size) * (bold ? BOLD : 1), 0, PEN_PROJECTING};
    for (; *text; text++) {
        unsigned char code = (unsigned char)*text;
        double place = floor(*along * PARTS + 0.5), whole = floor(place / PARTS);
        const struct stamp *stamp =
            find_stamp(letters, &style, code, (unsigned)(place - whole * PARTS));
        if (!stamp)
            return false;
        double across = round(upright ? x : y);
        image_stamp(image, stamp->levels, stamp->width, stamp->height,
                    (upright ? across : whole) + stamp->left,
                    (upright ? whole : across) + stamp->above);
        *along += (double)letters->widths[code] * size;
    }
    return true;
}
