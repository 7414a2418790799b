/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A plot from samples to a file that is there whole or not at all. */
#include "plot/drawing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define SIZE_LIMIT 1000000u

static int draw_once(const struct plot_drawing *drawing, enum canvas_format format, double cell,
                     void **bytes, size_t *size, bool *fits, struct wh_error *error)
{
    const char *title = drawing->title ? drawing->title : "";
    const char *description = drawing->description ? drawing->description : "";
    uint32_t height = drawing->height < CANVAS_HEIGHT_MAX ? drawing->height : CANVAS_HEIGHT_MAX;
    struct canvas canvas;
    int status = canvas_open(&canvas, format, height, error);
    if (!status)
        status = drawing->draw(drawing->data, &canvas, cell, error);
    *fits = !status && !canvas_is_full(&canvas);
    if (*fits)
        status = canvas_finish(&canvas, title, description, bytes, size, error);
    canvas_free(&canvas);
    return status;
}

/* A pixel, or half of one where it can be looked at larger, is as fine as anyone sees; what is too
 * much for the limit is drawn with coarser time. */
static int draw_within_limit(const struct plot_drawing *drawing, enum canvas_format format,
                             void **bytes, size_t *size, struct wh_error *error)
{
    double finest = format == CANVAS_SVG ? 0.5 : 1;
    for (unsigned doublings = 0; doublings <= 6; doublings++) {
        bool fits;
        if (draw_once(drawing, format, finest * (1u << doublings), bytes, size, &fits, error))
            return WH_ERROR;
        if (fits && *size < SIZE_LIMIT)
            return WH_OK;
        free(*bytes);
        *bytes = NULL;
    }
    return error_set(error, NULL, 0, 0, "a plot does not fit in %u bytes", SIZE_LIMIT);
}

static int write_whole(const char *path, const void *bytes, size_t size, struct wh_error *error)
{
    static const char ending[] = ".part";
    size_t size_of_name = strlen(path) + sizeof ending;
    char *part = malloc(size_of_name);
    if (!part)
        return error_memory(error, "a plot's name");
    snprintf(part, size_of_name, "%s%s", path, ending);

    FILE *file = fopen(part, "wb");
    bool written = file && fwrite(bytes, 1, size, file) == size;
    int failure = written ? 0 : errno;
    if (file && fclose(file) && !failure)
        failure = errno;
    if (file && !failure && rename(part, path))
        failure = errno;
    if (file && failure)
        unlink(part);
    free(part);
    if (failure)
        return error_set(error, path, 0, 0, "cannot write the plot: %s", strerror(failure));
    return WH_OK;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length > tail && strcmp(text + length - tail, ending) == 0;
}

int plot_write(const struct plot_drawing *drawing, const char *path, struct wh_error *error)
{
    bool svg = ends_with(path, ".svg");
    if (!svg && !ends_with(path, ".png"))
        return error_set(error, path, 0, 0, "a plot's name must end in .svg or .png");
    void *bytes = NULL;
    size_t size = 0;
    int status = draw_within_limit(drawing, svg ? CANVAS_SVG : CANVAS_PNG, &bytes, &size, error);
    if (!status)
        status = write_whole(path, bytes, size, error);
    free(bytes);
    return status;
}
