/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WHICHHOP_BLAME_CAUSE_NAT_H
#define WHICHHOP_BLAME_CAUSE_NAT_H

#include "blame/case.h"
#include "blame/nat.h"

/* All signs of one flow, by time: those found over all flows (NULL: none), and resets that begin
 * where its names change. `signs` is the last call's: of the same flow, followed
 * with more points, what they showed stays. False when memory is out. */
bool nat_signs_of_flow(const struct followed *followed, const struct nat_signs *all, uint32_t flow,
                       struct nat_signs *signs);

/* The first reset of the translator's own; NULL. Then nat_end says when the flow ended for the
 * sender of a timeline: with a reset that passed its point after a time, at the latest with the
 * captures. */
const struct nat_sign *nat_reset(const struct nat_signs *signs);
int64_t nat_end(const struct timeline *timeline, int64_t after_ns, int64_t captures_ns);

/* The first sign within a case, of which it is the reason; NULL. */
const struct nat_sign *nat_sign_in(const struct stall_case *item);

/* Adds a sign of the case's own flow to its evidence. */
void nat_tell(struct stall_case *item, const struct nat_sign *sign);

/* Was the case put down to loss where such a sign is? Then rule_nat shall judge it anew. */
bool nat_lost_it(struct stall_case *item);

#endif
