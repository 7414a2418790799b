/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Colours and sizes that the pictures share. Private to plot. */
#ifndef WHICHHOP_PLOT_LOOK_H
#define WHICHHOP_PLOT_LOOK_H

#include "plot/plot.h"

#define INK        0x222222u
#define INK_SOFT   0x555555u
#define GRID_LINE  0xe2e2e2u
#define FRAME_LINE 0x666666u
#define GUILTY     0xd55e00u /* Okabe and Ito's vermilion */
#define SACKED     0xcc79a7u /* and their reddish purple */

#define TEXT_PX 20.0

/* A point's or segment's colour (Okabe and Ito's, told apart by colour-blind people). */
uint32_t look_colour(uint32_t index);

/* `colour` mixed with white: 0 is white, 1 the colour. */
uint32_t look_tint(uint32_t colour, double strength);

/* The tint of a stall's shade, and what such a shade says in the legend. */
struct look_shade {
    uint32_t colour;
    const char *meaning;
};
const struct look_shade *look_shade(enum wh_cause cause);

#endif
