/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The few colours there are. */
#include "plot/look.h"

uint32_t look_colour(uint32_t index)
{
    static const uint32_t colours[] = {0x0072b2, 0xe69f00, 0x009e73, 0x56b4e9,
                                       0xd55e00, 0x000000, 0xcc79a7};
    return colours[index % (sizeof colours / sizeof *colours)];
}

uint32_t look_tint(uint32_t colour, double strength)
{
    uint32_t tint = 0;
    for (unsigned shift = 0; shift < 24; shift += 8) {
        double value = colour >> shift & 0xff;
        tint |= (uint32_t)(255 - (255 - value) * strength) << shift;
    }
    return tint;
}

const struct look_shade *look_shade(enum wh_cause cause)
{
    static const struct look_shade hop = {0xfdebc0, "stall: a hop"};
    static const struct look_shade host = {0xdcedf8, "stall: an end host"};
    static const struct look_shade unknown = {0xe9e9e9, "stall: cause unknown"};
    if (cause == WH_CAUSE_ZERO_WINDOW || cause == WH_CAUSE_SENDER_IDLE)
        return &host;
    return cause == WH_CAUSE_UNKNOWN ? &unknown : &hop;
}
