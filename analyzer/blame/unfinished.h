/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stalls that had not ended when the captures did. */
#ifndef WHICHHOP_BLAME_UNFINISHED_H
#define WHICHHOP_BLAME_UNFINISHED_H

#include "blame/blame.h"

/* What went into a segment between two captures and did not come out before they ended was lost, or
 * is held. Asks what else passed the segment meanwhile, of any flow and both ways, and sets the
 * cause of findings that did not resume accordingly; see method.md. Evidence comes from `arena`. */
void ask_unfinished(struct findings *findings, const struct flows *flows,
                    const struct alignment *alignment, struct arena *arena);

#endif
