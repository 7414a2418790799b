/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WHICHHOP_MATCH_SHARE_H
#define WHICHHOP_MATCH_SHARE_H

#include "match/match.h"

/* Of each flow: makes all points count its two streams from the same origin, tells them what any
 * saw negotiated, and infers the windows' scale where none did. */
void match_share(struct flows *flows, unsigned threads);

#endif
