/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A PNM stream in, a smoothed PNG out. */
#define _GNU_SOURCE /* fopencookie */
#include "plot/image.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES (IMAGE_OVERSAMPLING * IMAGE_OVERSAMPLING)

#define STREAM_BYTES 65536u

static bool header_is_right(const struct image *image)
{
    return image->numbers[0] == image->width * IMAGE_OVERSAMPLING &&
           image->numbers[1] == image->height * IMAGE_OVERSAMPLING && image->numbers[2] == 255;
}

/* One byte of the header; a single blank ends it. */
static void take_header(struct image *image, uint8_t byte)
{
    if (image->state == IMAGE_MAGIC) {
        if (byte == 'P')
            return;
        image->channels = byte == '6' ? 3 : 1;
        image->state = byte == '6' || byte == '5' ? IMAGE_NUMBERS : IMAGE_BAD;
    } else if (image->state == IMAGE_COMMENT) {
        if (byte == '\n')
            image->state = IMAGE_NUMBERS;
    } else if (byte == '#') {
        image->state = IMAGE_COMMENT;
    } else if (byte >= '0' && byte <= '9') {
        uint32_t *number = &image->numbers[image->number_count];
        if (*number > 100000)
            image->state = IMAGE_BAD;
        *number = *number * 10 + (byte - '0');
        image->in_number = true;
    } else if (image->in_number) {
        image->in_number = false;
        if (++image->number_count == 3)
            image->state = header_is_right(image) ? IMAGE_PIXELS : IMAGE_BAD;
    }
}

/* A row of the PNG is complete: sums become averages. */
static void finish_row(struct image *image, uint32_t row)
{
    size_t length = (size_t)image->width * 3;
    uint8_t *pixels = image->pixels + row * length;
    for (size_t i = 0; i < length; i++)
        pixels[i] = (uint8_t)((image->sums[i] + SAMPLES / 2) / SAMPLES);
    memset(image->sums, 0, length * sizeof *image->sums);
}

/* Adds bytes of one row of the PNM to the sums. Where a pixel of the PNG is whole in them (nine
 * bytes of colour), that is done at once: there are some forty million. */
static void add_bytes(struct image *image, const uint8_t *bytes, size_t count, size_t in_row)
{
    uint32_t channels = image->channels, group = IMAGE_OVERSAMPLING * channels;
    for (size_t i = 0; i < count;) {
        size_t phase = (in_row + i) % group;
        uint16_t *sums = image->sums + (in_row + i) / group * 3;
        if (channels == 3 && phase == 0 && count - i >= group) {
            for (size_t channel = 0; channel < 3; channel++)
                sums[channel] +=
                    bytes[i + channel] + bytes[i + channel + 3] + bytes[i + channel + 6];
            i += group;
            continue;
        }
        for (size_t channel = 0; channel < 3; channel++)
            if (channels == 1 || phase % 3 == channel)
                sums[channel] += bytes[i];
        i++;
    }
}

/* Takes what belongs to one row of the PNM; returns how many bytes that was. */
static size_t take_row(struct image *image, const uint8_t *bytes, size_t size)
{
    uint64_t row_bytes = (uint64_t)image->width * IMAGE_OVERSAMPLING * image->channels;
    uint64_t line = image->bytes / row_bytes, in_row = image->bytes % row_bytes;
    size_t count = size < row_bytes - in_row ? size : (size_t)(row_bytes - in_row);
    if (line >= (uint64_t)image->height * IMAGE_OVERSAMPLING) {
        image->state = IMAGE_BAD;
        return size;
    }
    add_bytes(image, bytes, count, (size_t)in_row);
    image->bytes += count;
    if (in_row + count == row_bytes && line % IMAGE_OVERSAMPLING == IMAGE_OVERSAMPLING - 1)
        finish_row(image, (uint32_t)(line / IMAGE_OVERSAMPLING));
    return count;
}

static ssize_t take_bytes(void *cookie, const char *bytes, size_t size)
{
    struct image *image = cookie;
    const uint8_t *data = (const uint8_t *)bytes;
    for (size_t i = 0; i < size && image->state != IMAGE_BAD;) {
        if (image->state == IMAGE_PIXELS)
            i += take_row(image, data + i, size - i);
        else
            take_header(image, data[i++]);
    }
    return image->state == IMAGE_BAD ? 0 : (ssize_t)size;
}

FILE *image_open(struct image *image, uint32_t width, uint32_t height)
{
    *image = (struct image){.width = width, .height = height};
    image->sums = calloc((size_t)width * 3, sizeof *image->sums);
    image->pixels = malloc((size_t)width * height * 3);
    if (!image->sums || !image->pixels)
        return NULL;
    FILE *stream = fopencookie(image, "w", (cookie_io_functions_t){.write = take_bytes});
    if (stream)
        setvbuf(stream, NULL, _IOFBF, STREAM_BYTES);
    return stream;
}

void *image_png(const struct image *image, size_t *size)
{
    uint64_t wanted = (uint64_t)image->width * image->height * SAMPLES * image->channels;
    if (image->state != IMAGE_PIXELS || image->bytes != wanted)
        return NULL;
    png_image png = {.version = PNG_IMAGE_VERSION,
                     .width = image->width,
                     .height = image->height,
                     .format = PNG_FORMAT_RGB};
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(png);
    void *bytes = malloc(room);
    if (!bytes)
        return NULL;
    if (!png_image_write_to_memory(&png, bytes, &room, 0, image->pixels, 0, NULL)) {
        png_image_free(&png);
        free(bytes);
        return NULL;
    }
    *size = room;
    return bytes;
}

void image_free(struct image *image)
{
    free(image->sums);
    free(image->pixels);
    *image = (struct image){0};
}
