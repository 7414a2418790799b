/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where the names of stalls go: in rows above the frame, each tied to its stall by a vertical
 * line, none over another or over another's line, none cut by an edge.
 */
#ifndef WHICHHOP_PLOT_LABEL_H
#define WHICHHOP_PLOT_LABEL_H

#include <stdbool.h>
#include <stdint.h>

#define LABEL_ROWS 3u

enum label_form { LABEL_NONE, LABEL_SHORT, LABEL_FULL };

struct label {
    /* in */
    double at;       /* what it names, left <= at <= right */
    double width[3]; /* by form; [LABEL_NONE] unused */
    uint64_t weight; /* the heavier gets the room; among equals the first */
    /* out */
    enum label_form form;
    uint32_t row; /* 0: next to the frame */
    double x;     /* of its left end */
};

/* Places all between `left` and `right`: as many short ones as fit, then full ones in their
 * stead, the heaviest first. Returns the number of rows used. False through `*ok`: out of memory.
 */
uint32_t label_place(struct label *labels, uint32_t count, double left, double right, bool *ok);

#endif
