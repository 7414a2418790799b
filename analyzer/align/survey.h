/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where the difference of two clocks jumps: the corridor of a link, cut into straight pieces. */
#ifndef WHICHHOP_ALIGN_SURVEY_H
#define WHICHHOP_ALIGN_SURVEY_H

#include "align/corridor.h"

#define PIECES_MAX 40u

/* The difference (far - near) jumps. Index 0: as the near point's capture has it, 1: the far's. */
struct jump {
    int64_t size_ns;
    uint64_t place[2];            /* of the first packet after it that both points saw */
    uint64_t before[2], after[2]; /* and bounds around that, a few packets wide */
    uint64_t sure[2][2]; /* beyond these, packets contradict that it was: the last before it, the
                            first after it */
};

struct survey {
    struct jump jumps[PIECES_MAX];
    unsigned count;
    int64_t slope_ppb; /* of all its straight pieces */
    int64_t width_ns;  /* of the narrowest straight piece: how exact the sizes are */
    bool hopeless;     /* more pieces than a clock has */
};

/* Surveys samples in the order of the near point's capture; marks those as strange that contradict
 * all around them. False when memory is out. */
bool survey_make(struct survey *survey, struct sample *samples, uint32_t count);

#endif
