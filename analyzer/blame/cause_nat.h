/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef WHICHHOP_BLAME_CAUSE_NAT_H
#define WHICHHOP_BLAME_CAUSE_NAT_H

#include "blame/case.h"
#include "blame/nat.h"

/* All signs of one flow, by time: those found over all flows (NULL: none), and resets that begin
 * where its names change. `signs` keeps its array between calls; false when memory is out. */
bool nat_signs_of_flow(const struct followed *followed, const struct nat_signs *all, uint32_t flow,
                       struct nat_signs *signs);

/* Did the translator reset one end of the flow? Then nat_end says when the flow ended for the other
 * one: with a reset that it saw after a time, at the latest with the captures. */
bool nat_one_sided(const struct nat_signs *signs);
int64_t nat_end(const struct timeline *timeline, const struct nat_signs *signs, int64_t after_ns,
                int64_t captures_ns);

/* The sign at the beginning of a case, of which it may be the reason; NULL. */
const struct nat_sign *nat_sign_in(const struct stall_case *item);

#endif
