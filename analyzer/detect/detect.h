/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 7, detect: what each packet of a flow shows at one point, in Wireshark's words and, where
 * the meaning is the same, by Wireshark's rules (packet-tcp.c, 4.0).
 */
#ifndef WHICHHOP_DETECT_DETECT_H
#define WHICHHOP_DETECT_DETECT_H

#include "track/track.h"
#include "whichhop.h"

struct detect_event {
    uint32_t pkt;   /* index into the flow's pkts */
    uint32_t value; /* see struct wh_event */
    uint8_t kind;   /* enum wh_event_kind */
};

struct detect_events {
    struct detect_event *items;
    uint32_t count, capacity;
};

/* Appends the events of a flow at one point, in the order of its packets. LOST is not among them:
 * one point cannot know it. `events->items` is malloc'ed, owned by the caller, and kept between
 * calls to save work. Fails only when memory is out. */
int detect_flow(const struct track_flow *flow, struct detect_events *events,
                struct wh_error *error);

#endif
