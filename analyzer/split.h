/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One capture of several interfaces, taken apart into points. */
#ifndef WHICHHOP_SPLIT_H
#define WHICHHOP_SPLIT_H

#include "analysis.h"

/* Reads the head of each capture's first file. Where packets are seen at several of its interfaces,
 * the capture gives way to one for each of these, named POINT#INTERFACE; what passes one interface
 * only stays with it. Says so in a warning. Streams are left alone, as they can't be read
 * twice. Fails only when memory is out. */
int split_captures(struct wh_analysis *analysis, struct wh_error *error);

/* The lane of a record: the number of its interface, or the side of the host that it passed. That
 * takes the packet's direction: of its two ports the one that more packets bear, by `port_packets`
 * (65536 counts), is the server's, else the lower one. */
uint32_t lane_of(enum lane_kind kind, const struct record *record, const uint32_t *port_packets);

/* Is this file read for what is in the lane? For the record? */
bool lane_taken(const struct capture_file *file, uint32_t lane);
bool lane_wanted(const struct capture_file *file, const struct record *record);

#endif
