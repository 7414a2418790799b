/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Figures to pixels: each pixel is inked by the part of it that a figure covers. */
#include "plot/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#define WHITE 0xffffffu

/* Blends leave so many colours to the inks; none is made that another is this near to. */
#define BLENDS_MAX 216u
#define NEAR       5

bool image_open(struct image *image, uint32_t width, uint32_t height)
{
    *image = (struct image){.width = width, .height = height, .colours = {WHITE}};
    image->colour_count = 1;
    image->pixels = calloc((size_t)width + 1, height);
    image->row = calloc((size_t)width + 2, sizeof *image->row);
    return image->pixels && image->row;
}

void image_free(struct image *image)
{
    free(image->pixels);
    free(image->row);
    for (unsigned i = 0; i < IMAGE_COLOURS; i++) {
        free(image->blends[i]);
        image->blends[i] = NULL;
    }
    image->pixels = NULL;
    image->row = NULL;
}

void image_clear(struct image *image)
{
    memset(image->pixels, 0, ((size_t)image->width + 1) * image->height);
}

/* ---- colours --------------------------------------------------------------------------------- */

static int apart_in(uint32_t a, uint32_t b, unsigned shift)
{
    return abs((int)(a >> shift & 0xff) - (int)(b >> shift & 0xff));
}

/* How far apart two colours are: in the channel where it is most. */
static int distance(uint32_t a, uint32_t b)
{
    int red = apart_in(a, b, 16), green = apart_in(a, b, 8), blue = apart_in(a, b, 0);
    int most = red > green ? red : green;
    return blue > most ? blue : most;
}

/* A colour that is no further than `near`, or a new one while there are less than `most`, or the
 * nearest there is. */
static uint8_t find_colour(struct image *image, uint32_t colour, int near, unsigned most)
{
    unsigned best = 0;
    int least = 256;
    for (unsigned i = 0; i < image->colour_count && least; i++) {
        int apart = distance(image->colours[i], colour);
        if (apart < least) {
            least = apart;
            best = i;
        }
    }
    if (least > near && image->colour_count < most) {
        best = image->colour_count++;
        image->colours[best] = colour;
    }
    return (uint8_t)best;
}

void image_ink(struct image *image, uint32_t colour)
{
    if (image->colours[image->ink] == colour)
        return;
    image->ink = find_colour(image, colour, 0, IMAGE_COLOURS);
    if (!image->blends[image->ink]) /* without, they are mixed anew each time */
        image->blends[image->ink] = calloc(IMAGE_COLOURS, sizeof **image->blends);
}

static uint8_t make_blend(struct image *image, uint8_t under, unsigned level)
{
    uint32_t ink = image->colours[image->ink], paper = image->colours[under], mixed = 0;
    for (unsigned shift = 0; shift < 24; shift += 8) {
        uint32_t sum = (ink >> shift & 0xff) * level + (paper >> shift & 0xff) * (15 - level);
        mixed |= (sum + 7) / 15 << shift;
    }
    uint8_t blend = find_colour(image, mixed, NEAR, BLENDS_MAX);
    if (image->blends[image->ink])
        image->blends[image->ink][under][level] = blend + 1u;
    return blend;
}

static inline void cover(struct image *image, uint8_t *pixel, unsigned level)
{
    if (level >= IMAGE_LEVELS) {
        *pixel = image->ink;
    } else if (level) {
        uint16_t known = image->blends[image->ink] ? image->blends[image->ink][*pixel][level] : 0;
        *pixel = known ? (uint8_t)(known - 1) : make_blend(image, *pixel, level);
    }
}

static unsigned level_of(double part)
{
    return (unsigned)(part * IMAGE_LEVELS + 0.5);
}

/* ---- boxes ----------------------------------------------------------------------------------- */

/* As fmin and fmax, in line: `value` may be no number, and is not taken then. */
static inline double lesser(double value, double other)
{
    return value < other ? value : other;
}

static inline double greater(double value, double other)
{
    return value > other ? value : other;
}

static double clip(double value, double most)
{
    return lesser(greater(value, 0), most);
}

/* The part of pixel `at` that lies between `from` and `to`. */
static double part_of(double from, double to, uint32_t at)
{
    return lesser(to, at + 1.0) - greater(from, at);
}

/* The pixels of a row that a box covers: how much of the outer two. */
struct columns {
    uint32_t first, last;
    double first_part, last_part;
};

static void box_row(struct image *image, uint8_t *pixels, const struct columns *columns,
                    double part)
{
    uint32_t first = columns->first, last = columns->last;
    unsigned between = level_of(part);
    cover(image, pixels + first, level_of(part * columns->first_part));
    if (between >= IMAGE_LEVELS && last > first + 1)
        memset(pixels + first + 1, image->ink, last - first - 1);
    else
        for (uint32_t x = first + 1; x < last; x++)
            cover(image, pixels + x, between);
    if (last > first)
        cover(image, pixels + last, level_of(part * columns->last_part));
}

void image_box(struct image *image, double x0, double y0, double x1, double y1)
{
    double height = image->height, top = clip(height - y1, height),
           base = clip(height - y0, height);
    double left = clip(x0, image->width), right = clip(x1, image->width);
    if (right <= left || base <= top)
        return;
    struct columns columns = {(uint32_t)left, (uint32_t)ceil(right) - 1, 0, 0};
    columns.first_part = part_of(left, right, columns.first);
    columns.last_part = part_of(left, right, columns.last);
    for (uint32_t y = (uint32_t)top; y < (uint32_t)ceil(base); y++)
        box_row(image, image_pixel(image, 0, y), &columns, part_of(top, base, y));
}

/* ---- polygons -------------------------------------------------------------------------------- */

/* Where a figure's edge passes a row: it covers all to the right of it by `height`, the part of the
 * row it goes through, with a sign for up or down. Over the pixels it crosses, coverage grows. */
static void add_slope(float *row, double x0, double x1, double height)
{
    if (x1 < x0) {
        double x = x0;
        x0 = x1;
        x1 = x;
    }
    uint32_t first = (uint32_t)x0, last = (uint32_t)ceil(x1);
    if (last <= first + 1) {
        double right = (first + 1) - (x0 + x1) / 2;
        row[first] += (float)(height * right);
        row[first + 1] += (float)(height * (1 - right));
        return;
    }
    double slope = height / (x1 - x0), covered = 0;
    for (uint32_t x = first; x < last; x++) {
        double from = greater(x0, x), to = lesser(x1, x + 1.0);
        double before = slope * (from - x0);
        double here = before + slope * (to - from) * ((x + 1.0) - (from + to) / 2);
        row[x] += (float)(here - covered);
        covered = here;
    }
    row[last] += (float)(height - covered);
}

struct reach {
    double low, high;
};

static void widen(struct reach *reach, double value)
{
    reach->low = lesser(value, reach->low);
    reach->high = greater(value, reach->high);
}

/* One edge, downwards or upwards, in the row from `y` to `y` + 1; `across` is what it touches. */
static void add_edge(struct image *image, const struct image_point *a, const struct image_point *b,
                     double y, struct reach *across)
{
    double height = image->height, width = image->width;
    double from = height - a->y, to = height - b->y, sign = 1;
    if (from > to) {
        const struct image_point *point = a;
        double other = from;
        a = b;
        b = point;
        from = to;
        to = other;
        sign = -1;
    }
    double top = greater(from, y), base = lesser(to, y + 1);
    if (!(base > top))
        return;
    double slope = (b->x - a->x) / (to - from);
    double x0 = clip(a->x + slope * (top - from), width);
    double x1 = clip(a->x + slope * (base - from), width);
    add_slope(image->row, x0, x1, sign * (base - top));
    widen(across, x0);
    widen(across, x1);
}

static void fill_row(struct image *image, uint32_t y, const struct reach *across)
{
    uint8_t *pixels = image_pixel(image, 0, y);
    uint32_t last = (uint32_t)lesser(ceil(across->high) + 1, image->width);
    float sum = 0;
    for (uint32_t x = (uint32_t)across->low; x < last; x++) {
        sum += image->row[x];
        image->row[x] = 0;
        cover(image, pixels + x, level_of(lesser(fabsf(sum), 1)));
    }
    image->row[image->width] = image->row[image->width + 1] = 0;
}

void image_polygon(struct image *image, const struct image_point *points, uint32_t count)
{
    double height = image->height;
    struct reach down = {INFINITY, -INFINITY};
    for (uint32_t i = 0; i < count; i++)
        widen(&down, height - points[i].y);
    uint32_t first = (uint32_t)clip(floor(down.low), height);
    uint32_t last = (uint32_t)clip(ceil(down.high), height);
    for (uint32_t y = first; y < last; y++) {
        struct reach across = {INFINITY, -INFINITY};
        for (uint32_t i = 0; i < count; i++)
            add_edge(image, &points[i], &points[i + 1 < count ? i + 1 : 0], y, &across);
        if (across.high >= across.low)
            fill_row(image, y, &across);
    }
}

/* ---- stamps ---------------------------------------------------------------------------------- */

void image_stamp(struct image *image, const uint8_t *levels, uint32_t width, uint32_t height,
                 double x, double y)
{
    double top = image->height - y;
    uint32_t first = (uint32_t)clip(-x, width), last = (uint32_t)clip(image->width - x, width);
    uint32_t row = (uint32_t)clip(-top, height), end = (uint32_t)clip(image->height - top, height);
    for (; first < last && row < end; row++) {
        const uint8_t *level = levels + row * width + first;
        uint8_t *pixel = image_pixel(image, (uint32_t)(x + first), (uint32_t)(top + row));
        for (uint32_t column = first; column < last; column++)
            cover(image, pixel++, *level++);
    }
}

/* ---- the file: ISO 15948 --------------------------------------------------------------------- */

#define CHUNK_BYTES    12u /* around what is in it: its length, type and checksum */
#define PACKED_AT_ONCE 60000u
#define FLUSH_BYTES    16u

static uint8_t *put_32(uint8_t *at, uint32_t value)
{
    for (unsigned shift = 32; shift; shift -= 8)
        *at++ = (uint8_t)(value >> (shift - 8));
    return at;
}

/* A chunk whose `size` bytes already stand 8 bytes behind `at`; returns its end. */
static uint8_t *put_chunk(uint8_t *at, const char *type, uint32_t size)
{
    uint8_t *body = put_32(at, size);
    memcpy(body, type, 4);
    return put_32(body + 4 + size, (uint32_t)crc32(0, body, 4 + size));
}

static uint8_t *put_header(const struct image *image, uint8_t *at)
{
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t format[] = {8, 3, 0, 0, 0}; /* of 8 bits, by palette, not interlaced */
    memcpy(at, signature, sizeof signature);
    at += sizeof signature;
    memcpy(put_32(put_32(at + 8, image->width), image->height), format, sizeof format);
    at = put_chunk(at, "IHDR", 13);
    for (unsigned i = 0; i < image->colour_count; i++)
        for (unsigned channel = 0; channel < 3; channel++)
            at[8 + i * 3 + channel] = (uint8_t)(image->colours[i] >> (16 - 8 * channel));
    return put_chunk(at, "PLTE", image->colour_count * 3);
}

/* Most of a picture is runs of one colour: looking for nothing else is fastest, and packs it best.
 * zlib's window slides when it is full, which takes as long as packing; it is emptied before. */
static bool pack_pixels(z_stream *pack, size_t pixels)
{
    int status = Z_OK;
    while (status == Z_OK && pixels > 0) {
        pack->avail_in = pixels < PACKED_AT_ONCE ? (uInt)pixels : PACKED_AT_ONCE;
        pixels -= pack->avail_in;
        status = deflate(pack, pixels ? Z_FULL_FLUSH : Z_FINISH);
    }
    return status == Z_STREAM_END;
}

void *image_png(const struct image *image, size_t *size)
{
    z_stream pack = {0};
    size_t pixels = ((size_t)image->width + 1) * image->height;
    if (pixels > UINT32_MAX / 2 ||
        deflateInit2(&pack, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS, 6, Z_RLE) != Z_OK)
        return NULL;
    size_t room = deflateBound(&pack, pixels) + (pixels / PACKED_AT_ONCE + 1) * FLUSH_BYTES;
    uint8_t *bytes = malloc(room + 5 * CHUNK_BYTES + IMAGE_COLOURS * 3 + 32), *at = bytes;
    if (bytes) {
        at = put_header(image, at);
        pack.next_in = image->pixels;
        pack.next_out = at + 8;
        pack.avail_out = (uInt)room;
        bool packed = pack_pixels(&pack, pixels);
        at = put_chunk(at, "IDAT", (uint32_t)pack.total_out);
        at = put_chunk(at, "IEND", 0);
        *size = (size_t)(at - bytes);
        if (!packed) {
            free(bytes);
            bytes = NULL;
        }
    }
    deflateEnd(&pack);
    return bytes;
}
