/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WHICHHOP_MATCH_SHARE_H
#define WHICHHOP_MATCH_SHARE_H

#include "match/match.h"

/* Makes all points count a flow's two streams from the same origin. */
void match_align_origins(struct flow *flow, unsigned point_count);

/* Tells all points what any saw negotiated; infers the windows' scale where none did. */
void match_share_options(struct flow *flow, unsigned point_count);

#endif
