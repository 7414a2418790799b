/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stalls of flows without acknowledgements. */
#ifndef WHICHHOP_BLAME_DATAGRAMS_H
#define WHICHHOP_BLAME_DATAGRAMS_H

#include "blame/blame.h"

/* Appends the stalls of what `side` of a flow sends, in time order: from the later of the last
 * datagram that left the path and the first that then entered it, to the next that leaves, if
 * longer than min_stall_ns and twice what the path takes at least. Silent about flows that one
 * point saw. Fails only when memory is out. */
int blame_datagrams(const struct flow *flow, uint32_t flow_index, const struct trail *trail,
                    unsigned side, const struct blame_options *options, struct arena *arena,
                    struct findings *findings, struct wh_error *error);

#endif
