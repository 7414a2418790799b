/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the tests of plots: where a plot goes, by its name, the letters on it, and samples that
 * are gathered for it. */
#ifndef WHICHHOP_TESTS_PLOT_SAMPLES_H
#define WHICHHOP_TESTS_PLOT_SAMPLES_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "plot/plot.h"

static struct plot_letters *letters;

static inline int make_letters(void)
{
    letters = plot_letters_make(NULL);
    return letters ? 0 : -1;
}

/* An SVG if that is the path's ending, else a PNG. The path is borrowed. */
static inline const struct plot_files *files_of(const char *path)
{
    static struct plot_files files;
    size_t length = strlen(path);
    files = (struct plot_files){NULL, NULL, letters};
    if (length > 4 && strcmp(path + length - 4, ".svg") == 0)
        files.svg = path;
    else
        files.png = path;
    return &files;
}

/* plot_write_window, of what packets told at the first point. */
static inline int write_gathered_window(const struct plot_sequence *sequence,
                                        const struct plot_files *files, struct wh_error *error)
{
    struct plot_sequence window = *sequence;
    struct plot_point point = {0};
    if (sequence->point_count) {
        const struct plot_frame *frame = &sequence->frame;
        struct plot_gathered gathered;
        plot_gather(&gathered, PLOT_FOR_WINDOW, frame->start_ns, frame->end_ns);
        for (uint32_t i = 0; i < sequence->points->sample_count; i++)
            plot_gather_sample(&gathered, &sequence->points->samples[i]);
        point = *sequence->points;
        point.samples = gathered.items;
        point.sample_count = gathered.count;
        window.points = &point;
    }
    int status = plot_write_window(&window, files, error);
    free((void *)point.samples);
    return status;
}

#endif
