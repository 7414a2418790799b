/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the tests of plots: where a plot goes, by its name, and the letters on it. */
#ifndef WHICHHOP_TESTS_PLOT_SAMPLES_H
#define WHICHHOP_TESTS_PLOT_SAMPLES_H

#include <stddef.h>
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

#endif
