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
    bool seen;              /* next and gapless hold */
    bool settled;           /* its next packet may be plain, see side_may_be_plain */
    bool window_unscaled;   /* the last window came in a SYN (RFC 7323, 2.2) */
    int8_t scale;           /* enum scale, or the shift of its windows */
    uint8_t last_shift;     /* of its last window; 0 where it is not scaled, or nobody knows */
    uint32_t repeats;       /* duplicate ACKs in a row; REPEATS_UNKNOWN */
    uint32_t last_found;    /* events of its last packet, as EVENT_BITs */
    int64_t next;           /* behind the highest byte sent; window probes do not count */
    int64_t gapless;        /* behind the highest byte sent in one row; INT64_MAX: nothing yet */
    int64_t last_ack;       /* in its last packet; ACK_NONE */
    const struct pkt *last; /* its last packet; &rule_silent before its first */
    struct point_time next_time; /* when next was reached */
    struct pace_side pace;
};

/* All that a rule may look at. */
struct view {
    const struct pkt *pkt;
    const struct side *from, *to; /* its sender's and its receiver's, before this packet */
    struct point_time last;       /* of the flow's packets */
    int64_t first_rtt_ns;         /* of the handshake; 0: not known */
    bool reset;                   /* by the last of RSTs and SYNs */
    bool first_of_reused;         /* the first packet of a flow on ports used before */
    uint32_t found;               /* what earlier rules found in this packet */
};

/* An event kind, the kinds that exclude it when found before it, and its rule. A rule may set
 * `*value`, which is 0 before. */
struct rule {
    enum wh_event_kind kind;
    uint32_t unless;
    bool (*test)(const struct view *view, uint32_t *value);
};

/* For `last` of a side that has not sent anything: acknowledges nothing, and shuts no window. */
extern const struct pkt rule_silent;

extern const struct rule detect_rules[];
extern const size_t detect_rule_count;

/* How far a packet acknowledges its receiver's stream. */
enum reach {
    REACH_SEEN,   /* bytes that were seen in one row; or it acknowledges nothing */
    REACH_HOLE,   /* up to bytes beyond a hole: what was missing has arrived */
    REACH_BEYOND, /* more than was seen at all, as far as is known */
};

enum reach rule_reach(const struct view *view);

/* Where the window ends that a side last announced, if its scale is known and it is open to data:
 * an offset in the other's stream. Else EDGE_UNKNOWN. */
#define EDGE_UNKNOWN INT64_MIN
static inline int64_t side_window_edge(const struct side *side)
{
    if (side->scale == SCALE_UNKNOWN || side->last_ack == ACK_NONE)
        return EDGE_UNKNOWN;
    return side->last_ack + ((int64_t)side->last->window << side->last_shift);
}

/* May a side's next packet be plain, and those that follow it in a row? Its sender must be settled:
 * neither does a plain packet repeat what it sent last, nor was anything found in that, nor has
 * that a window of another scale. And nothing that either side acknowledged is still to come. */
static inline bool side_may_be_plain(const struct side *from, const struct side *to)
{
    return from->settled && to->last_ack <= from->next && from->last_ack < to->pace.timed_end;
}

/* What packets of one side in a row are held against. */
struct plain {
    unsigned flags;         /* of PLAIN_FLAGS, these and no other */
    int64_t next, last_ack; /* their sender's, moved on by each */
    struct point_time last; /* of the flow's packets, moved on by each */
    int64_t ack_most;       /* acknowledges all that the other side sent in one row */
    int64_t edge;           /* of the window that the other side announced last */
};

#define PLAIN_FLAGS (PKT_SYN | PKT_FIN | PKT_RST | PKT_DUPLICATE | PKT_ACK | PKT_FROM_SERVER)

/* Most packets are plain: the next data of their sender, or a new acknowledgement, soon after the
 * packet before. Nothing unseen is acknowledged, and the window is not full. No rule finds anything
 * in one. */
static inline bool rule_is_plain(const struct plain *plain, const struct pkt *pkt)
{
    if ((pkt->flags & PLAIN_FLAGS) != plain->flags || pkt->bad_checksum || pkt->window == 0 ||
        pkt->seq != plain->next || pkt->ack > plain->ack_most || !pace_is_steady(plain->last, pkt))
        return false;
    return pkt->len == 0 ? pkt->ack != plain->last_ack
                         : pkt->len > 1 && plain->next + pkt->len != plain->edge;
}

#endif
