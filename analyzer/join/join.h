/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 5a, join: two connections that a proxy made one, its legs. They share no number, only what
 * they carry: the same bytes at other offsets, where payload was captured; else alike amounts at
 * alike times, which is less sure. Where two fit alike, none is joined.
 */
#ifndef WHICHHOP_JOIN_JOIN_H
#define WHICHHOP_JOIN_JOIN_H

#include "align/align.h"

/* Appends to flows->joints and sets flow.joined. Only flows that no point saw both of are asked.
 * The points that joints tie together are aligned by aligning again. Sorts the content marks of
 * the flows' streams. Fails only when memory is out. */
int join_flows(struct flows *flows, const struct alignment *alignment, struct wh_error *error);

/* Forgets what one point keeps of the content of flows that join_flows will not ask, see
 * track_pack_content. Different points may be called for at the same time. */
void join_forget(const struct flows *flows, unsigned point);

/* Sets each joint's points to those next to the proxy, in the order of the path as it is known at
 * last. */
void join_settle(struct flows *flows, const struct alignment *alignment);

#endif
