/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One conversation by datagrams under two names, one after the other, at one point. */
#ifndef WHICHHOP_MATCH_RENAMED_H
#define WHICHHOP_MATCH_RENAMED_H

#include "track/track.h"

/* May `later` be `sooner` under another name? UDP, one end has another name, and that end sends
 * under the new one when it has stopped sending under the old. That their content is one flow's at
 * another point is for the caller to know. */
bool renamed_goes_on(const struct track_flow *sooner, const struct track_flow *later);

/* Makes one flow of both, which renamed_goes_on said may be one: `sooner` gets the packets, and
 * `renamed_pkt` says where its new name begins; `later` is left without any. False when memory is
 * out. */
bool renamed_join(struct track_flow *sooner, struct track_flow *later);

#endif
