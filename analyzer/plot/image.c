/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A PNM stream in, a smoothed PNG out. */
#define _GNU_SOURCE /* fopencookie */
#include "plot/image.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES (IMAGE_OVERSAMPLING * IMAGE_OVERSAMPLING)

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

static void take_pixel_byte(struct image *image, uint8_t byte)
{
    uint64_t row_bytes = (uint64_t)image->width * IMAGE_OVERSAMPLING * image->channels;
    uint64_t line = image->bytes / row_bytes;
    uint32_t in_row = (uint32_t)(image->bytes % row_bytes);
    if (line >= (uint64_t)image->height * IMAGE_OVERSAMPLING) {
        image->state = IMAGE_BAD;
        return;
    }
    size_t column = in_row / image->channels / IMAGE_OVERSAMPLING;
    if (image->channels == 3) {
        image->sums[column * 3 + in_row % 3] += byte;
    } else {
        for (size_t channel = 0; channel < 3; channel++)
            image->sums[column * 3 + channel] += byte;
    }
    image->bytes++;
    if (in_row + 1 == row_bytes && line % IMAGE_OVERSAMPLING == IMAGE_OVERSAMPLING - 1)
        finish_row(image, (uint32_t)(line / IMAGE_OVERSAMPLING));
}

static ssize_t take_bytes(void *cookie, const char *bytes, size_t size)
{
    struct image *image = cookie;
    for (size_t i = 0; i < size; i++) {
        if (image->state == IMAGE_PIXELS)
            take_pixel_byte(image, (uint8_t)bytes[i]);
        else if (image->state != IMAGE_BAD)
            take_header(image, (uint8_t)bytes[i]);
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
    return fopencookie(image, "w", (cookie_io_functions_t){.write = take_bytes});
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
