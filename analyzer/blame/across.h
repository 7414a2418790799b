/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stalls that pass from one leg of a proxy's connection to the other. */
#ifndef WHICHHOP_BLAME_ACROSS_H
#define WHICHHOP_BLAME_ACROSS_H

#include "blame/blame.h"

/* Sets `caused_by` of stalls that began on the other leg: a proxy that gets nothing has nothing to
 * send, and one that can't get rid of what it has stops reading. Takes away the pauses of a proxy
 * that got nothing while the other leg did not stall: it had nothing to say. To be called when the
 * stalls of all flows are known, before they are put in another order. */
void look_across(struct findings *findings, const struct flows *flows,
                 const struct alignment *alignment);

#endif
