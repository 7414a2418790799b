/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to align: what acknowledgements say of two clocks. */
#ifndef WHICHHOP_ALIGN_ANSWERS_H
#define WHICHHOP_ALIGN_ANSWERS_H

#include "align/corridor.h"
#include "track/track.h"

struct samples {
    struct sample *items;
    uint32_t count, capacity;
};

/* Data passes a point before its receiver acknowledges it, and that acknowledgement any other point
 * later: wherever the two points lie. Appends such a pair of times for data that view `near` of a
 * flow saw and an acknowledgement that `far` saw (as from near to far), and the other way round.
 * They bound the clocks as a packet does that crosses, only less narrowly: by up to a round trip.
 * Only data that came in its turn counts, and acknowledgements of just that. False when memory is
 * out. */
bool answers_collect(const struct track_flow *near, const struct track_flow *far,
                     struct samples *samples);

#endif
