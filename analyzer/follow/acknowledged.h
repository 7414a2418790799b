/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the receiver acknowledged, the last capture of its direction merely missed. */
#ifndef WHICHHOP_FOLLOW_ACKNOWLEDGED_H
#define WHICHHOP_FOLLOW_ACKNOWLEDGED_H

#include "follow/meet.h"

/* Gives copies of `side` that seem lost, though an acknowledgement shows that they came, the fate
 * FATE_MISSED; where a part of one seems lost, adds that part to `pieces` (one list a hop), as if
 * it had been met. Data as the last point saw it, acknowledgements as it or the one before did, in
 * time. Where one capture alone saw the flow, notes what it missed. Fails only when memory is out.
 */
bool follow_acknowledged(struct trail *trail, unsigned side, struct pieces *pieces);

#endif
