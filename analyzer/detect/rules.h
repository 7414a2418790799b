/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What detect remembers of a flow between its packets, and the rules that read it. Rules decide
 * and change nothing; detect.c moves the memory on after each packet. The memory is the same size
 * for every flow: no rule needs the list of segments that are not yet acknowledged.
 */
#ifndef WHICHHOP_DETECT_RULES_H
#define WHICHHOP_DETECT_RULES_H

#include "detect/pace.h"
#include "track/track.h"
#include "whichhop.h"

#define EVENT_BIT(name) (1u << WH_EVENT_##name)
_Static_assert(WH_EVENT_KINDS <= 32, "a packet's events are a set of bits");

/* A side's duplicate ACKs cannot be counted: it answers bytes that this capture missed, and may
 * have repeated itself unseen. Above every number that a rule asks for. */
#define REPEATS_UNKNOWN UINT32_MAX

enum scale { SCALE_UNKNOWN = -1, SCALE_NONE = -2 }; /* else the shift */

/* One side of a flow, by what it has sent so far. */
struct side {
    bool seen;                   /* next and gapless hold */
    bool window_unscaled;        /* the last window came in a SYN (RFC 7323, 2.2) */
    int8_t scale;                /* enum scale, or the shift of its windows */
    int64_t next;                /* behind the highest byte sent; window probes do not count */
    int64_t gapless;             /* behind the highest byte sent in one row */
    struct point_time next_time; /* when next was reached */
    struct point_time last_time; /* when it last sent anything */
    int64_t last_ack;            /* in its last packet; ACK_NONE */
    int32_t last_window;         /* as sent; -1: none yet */
    uint32_t repeats;            /* duplicate ACKs in a row; REPEATS_UNKNOWN */
    uint32_t last_found;         /* events of its last packet, as EVENT_BITs */
};

/* How far a packet acknowledges its receiver's stream. */
enum reach {
    REACH_SEEN,   /* bytes that were seen in one row; or it acknowledges nothing */
    REACH_HOLE,   /* up to bytes beyond a hole: what was missing has arrived */
    REACH_BEYOND, /* more than was seen at all, as far as is known */
};

/* All that a rule may look at. */
struct view {
    const struct pkt *pkt;
    const struct side *from, *to; /* its sender's and its receiver's, before this packet */
    const struct pace *pace;
    int64_t first_rtt_ns; /* of the handshake; 0: not known */
    bool first_of_reused; /* the first packet of a flow on ports used before */
    enum reach reach;
    uint32_t found; /* what earlier rules found in this packet */
};

/* An event kind, the kinds that exclude it when found before it, and its rule. A rule may set
 * `*value`, which is 0 before. */
struct rule {
    enum wh_event_kind kind;
    uint32_t unless;
    bool (*test)(const struct view *view, uint32_t *value);
};

extern const struct rule detect_rules[];
extern const size_t detect_rule_count;

static inline bool view_has(const struct view *view, uint32_t flags)
{
    return (view->pkt->flags & flags) != 0;
}

static inline enum reach view_reach(const struct pkt *pkt, const struct side *to)
{
    if (!(pkt->flags & PKT_ACK) || !to->seen || pkt->ack <= to->gapless)
        return REACH_SEEN;
    return to->next > to->gapless ? REACH_HOLE : REACH_BEYOND;
}

/* Most packets are plain: the next data of their sender, or a new acknowledgement, and nothing
 * unseen is acknowledged. Of all rules only WINDOW_FULL and SILENCE can find anything in one. */
static inline bool rule_is_plain(const struct view *view)
{
    const struct pkt *pkt = view->pkt;
    const struct side *from = view->from, *to = view->to;
    bool new_data = pkt->len > 1, new_ack = pkt->len == 0 && pkt->ack != from->last_ack;
    return !view_has(view, PKT_SYN | PKT_FIN | PKT_RST) && from->seen && pkt->seq == from->next &&
           (new_data || new_ack) && pkt->window != 0 && view->reach == REACH_SEEN &&
           to->last_ack <= from->next && !view->first_of_reused;
}

/* Data up to the very edge of the window the receiver last announced, where its scale is known. */
static inline bool rule_window_full(const struct view *view)
{
    const struct side *to = view->to;
    if (view->pkt->len == 0 || view_has(view, PKT_SYN | PKT_FIN | PKT_RST) ||
        to->scale == SCALE_UNKNOWN || to->last_ack == ACK_NONE)
        return false;
    int64_t window = to->last_window;
    if (to->scale > 0 && !to->window_unscaled)
        window <<= to->scale;
    return pkt_end(view->pkt) == to->last_ack + window;
}

/* Ends a pause in which something waited to be acknowledged, of so many microseconds; see pace.h.
 * 0: it does not. */
static inline uint32_t rule_silence_us(const struct view *view)
{
    int64_t silence_us = pace_silence_ns(view->pace, view->pkt) / NS_PER_US;
    return silence_us > UINT32_MAX ? UINT32_MAX : (uint32_t)silence_us;
}

#endif
