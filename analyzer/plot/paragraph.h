/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text in several lines. */
#ifndef WHICHHOP_PLOT_PARAGRAPH_H
#define WHICHHOP_PLOT_PARAGRAPH_H

#include "plot/canvas.h"

/* Writes `text` from (x, y) downwards, in lines no wider than `width`, broken at blanks, `line_px`
 * apart; what does not fit `most` lines is shortened. Returns the lines used, 1 for an empty text;
 * writes nothing when `draw` is false. */
uint32_t paragraph_write(struct canvas *canvas, const struct canvas_text *how, double x, double y,
                         double width, double line_px, uint32_t most, const char *text, bool draw);

#endif
