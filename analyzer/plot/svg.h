/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libplot's SVG made fit to be passed on: in UTF-8, with the plot's own title and description,
 * with fonts of the widths libplot counted with, and without a reference to anything outside.
 */
#ifndef WHICHHOP_PLOT_SVG_H
#define WHICHHOP_PLOT_SVG_H

#include <stdio.h>

#include "whichhop.h"

struct svg_page {
    uint32_t width, height; /* in pixels: what libplot was given as its user space */
    const char *title, *description;
};

/* Rewrites `drawing`, what libplot wrote, to `out`, in units of a pixel. libplot places text by the
 * widths of its own fonts; here each text is left at its point, and `anchors` says one by one how
 * it lies there
 * ('l', 'c', 'r'), so that it fits whatever font the reader has. Fails when it does not look as
 * expected; a write error stays in `out`. */
int svg_rewrite(const char *drawing, const char *anchors, const struct svg_page *page, FILE *out,
                struct wh_error *error);

#endif
