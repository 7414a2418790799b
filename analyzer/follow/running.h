/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How long did a capture run? Longer than from its first packet to its last, where it was silent.
 */
#ifndef WHICHHOP_FOLLOW_RUNNING_H
#define WHICHHOP_FOLLOW_RUNNING_H

#include "follow/follow.h"

/* Sets `quiet_before_ns` and `quiet_after_ns` of the spans, by point: captures of one set begin and
 * end about together, so a point that has nothing while the others run on may just have had nothing
 * to see. That is believed when data was on its way to it soon after its last packet (or before its
 * first) and no packet came to another point that must have passed it. Else both stay 0. */
void follow_running(const struct flows *flows, const struct alignment *alignment,
                    struct capture_span *spans, unsigned point_count);

#endif
