/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between the two files of the frame: its layout and its drawing. */
#ifndef WHICHHOP_PLOT_FRAME_PARTS_H
#define WHICHHOP_PLOT_FRAME_PARTS_H

#include "plot/frame.h"

#define LABEL_ROW_PX 25.0

extern const struct canvas_text frame_label_text;

/* What label number `label` says in a form: the stall's label, or its part before ":", a number.
 * Returns `buffer`. */
char *frame_label(const struct frame *frame, uint32_t label, enum label_form form, char *buffer,
                  size_t size);

/* Titles from the picture's top on; legend, time axis from its bottom on. They return how far they
 * reach, and draw nothing when `draw` is false. */
double frame_head(const struct frame *frame, bool draw);
double frame_foot(const struct frame *frame, bool draw);

#endif
