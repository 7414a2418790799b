/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Private to follow: what a capture's own gaps say of packets that it does not have. */
#ifndef WHICHHOP_FOLLOW_MISSED_H
#define WHICHHOP_FOLLOW_MISSED_H

#include "follow/follow.h"

/* Takes back losses that the next capture's gaps, or the packets it misses now and then, explain:
 * fates LOST become UNSEEN, or ASTRAY where a point farther on was watching. To be called when
 * everything that was seen or acknowledged farther on is settled. */
void settle_gaps(struct trail *trail);

/* Adds what went astray to the lost ranges, with the hops between which it was lost. False when
 * memory is out. */
bool collect_astray(struct trail *trail);

/* Notes packets that passed the hop at about that time, and that its capture does not have. False
 * when memory is out. */
bool missed_add(struct trail *trail, unsigned hop, uint32_t packets, int64_t time_ns);

/* Fills in trail->missed and trail->misses. False when memory is out. */
bool collect_misses(struct trail *trail);

#endif
