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

static void free_files(struct canvas_file *files)
{
    free(files[0].bytes);
    free(files[1].bytes);
    files[0].bytes = files[1].bytes = NULL;
}

static int draw_once(const struct plot_drawing *drawing, const struct plot_files *to, double cell,
                     struct canvas_file *files, bool *fits, struct wh_error *error)
{
    const char *title = drawing->title ? drawing->title : "";
    const char *description = drawing->description ? drawing->description : "";
    uint32_t height = drawing->height < CANVAS_HEIGHT_MAX ? drawing->height : CANVAS_HEIGHT_MAX;
    unsigned formats = (to->svg ? CANVAS_SVG : 0) | (to->png ? CANVAS_PNG : 0);
    struct canvas canvas;
    int status = canvas_open(&canvas, formats, height, to->letters, error);
    if (!status)
        status = drawing->draw(drawing->data, &canvas, cell, error);
    *fits = !status && !canvas_is_full(&canvas);
    if (*fits)
        status = canvas_finish(&canvas, title, description, &files[0], &files[1], error);
    canvas_free(&canvas);
    *fits = *fits && !status && files[0].size < SIZE_LIMIT && files[1].size < SIZE_LIMIT;
    return status;
}

/* A pixel is as fine as anyone sees; what is too much for the limit is drawn with coarser time. */
static int draw_within_limit(const struct plot_drawing *drawing, const struct plot_files *to,
                             struct canvas_file *files, struct wh_error *error)
{
    for (unsigned doublings = 0; doublings <= 6; doublings++) {
        bool fits;
        if (draw_once(drawing, to, 1u << doublings, files, &fits, error))
            return WH_ERROR;
        if (fits)
            return WH_OK;
        free_files(files);
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

int plot_write(const struct plot_drawing *drawing, const struct plot_files *to,
               struct wh_error *error)
{
    struct canvas_file files[2] = {{NULL, 0}, {NULL, 0}};
    int status = draw_within_limit(drawing, to, files, error);
    if (!status && to->svg)
        status = write_whole(to->svg, files[0].bytes, files[0].size, error);
    if (!status && to->png)
        status = write_whole(to->png, files[1].bytes, files[1].size, error);
    free_files(files);
    return status;
}
