/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Stage 7, detect. Goes once through a flow's packets: asks every rule about each (rules.c), writes
 * down what they found, then moves on what is remembered of the two sides. Packets captured twice
 * are named and otherwise passed over. Checksums do not matter to the rules: a packet whose
 * checksum is wrong was sent all the same.
 */
#include "detect/detect.h"

#include <netinet/in.h>

#include "base/arena.h"
#include "base/error.h"
#include "detect/rules.h"

#define SCALE_MAX 14 /* RFC 7323, 2.3 */

struct state {
    const struct track_flow *flow;
    struct side side[2];
    struct point_time last;     /* of the flow's packets */
    bool reset;                 /* rather than begun anew */
    bool handshake;             /* under way: an ACK that ends the first round trip may come */
    struct point_time syn_time; /* of the last SYN without ACK */
    int64_t first_rtt_ns;
};

static void state_init(struct state *state, const struct track_flow *flow)
{
    *state = (struct state){.flow = flow};
    for (unsigned i = 0; i < 2; i++) {
        state->side[i].scale = SCALE_UNKNOWN;
        state->side[i].next = INT64_MIN;
        state->side[i].gapless = INT64_MAX;
        state->side[i].last_ack = ACK_NONE;
        state->side[i].last = &rule_silent;
        state->side[i].pace = PACE_NOTHING;
    }
}

static int event_add(struct detect_events *events, uint32_t pkt, enum wh_event_kind kind,
                     uint32_t value, struct wh_error *error)
{
    struct detect_event *event = ARRAY_PUSH(events->items, events->count, events->capacity);
    if (event == NULL)
        return error_memory(error, "the list of events");
    *event = (struct detect_event){.pkt = pkt, .value = value, .kind = (uint8_t)kind};
    return WH_OK;
}

/* A SYN sent again, with the number it had before, starts the count anew: an RST in between may
 * have carried a number of the other stream. */
static void side_begin(struct side *from, const struct pkt *pkt)
{
    if ((pkt->flags & (PKT_SYN | PKT_ACK)) == PKT_SYN && from->seen)
        from->next = from->gapless;
}

/* `end`: behind the packet, in its sender's stream. */
static inline void side_count_bytes(struct side *from, const struct pkt *pkt, int64_t end)
{
    if (end > from->next) {
        from->next = end;
        from->next_time = pkt->time;
    }
    if (pkt->seq == from->gapless)
        from->gapless = from->next;
}

static void side_count_repeats(struct side *from, const struct pkt *pkt, uint32_t found)
{
    if (found & EVENT_BIT(DUPLICATE_ACK))
        from->repeats = from->repeats == REPEATS_UNKNOWN ? 1 : from->repeats + 1;
    if (pkt->ack != from->last_ack)
        from->repeats = 0;
}

/* Windows are scaled only when both SYNs say so (RFC 7323, 2.2); one SYN without the option
 * settles it for both sides. */
static void state_note_scale(struct state *state, const struct pkt *pkt)
{
    unsigned side = pkt_side(pkt);
    struct side *from = &state->side[side], *to = &state->side[!side];
    const struct stream *stream = &state->flow->stream[side];
    if (!stream->window_scale_known) {
        from->scale = SCALE_NONE;
        to->scale = SCALE_NONE;
    } else if ((pkt->flags & PKT_ACK) && to->scale == SCALE_NONE) {
        from->scale = SCALE_NONE;
    } else {
        uint8_t shift = stream->window_scale;
        from->scale = (int8_t)(shift > SCALE_MAX ? SCALE_MAX : shift);
    }
}

/* The handshake's round trip: from the last SYN to the first ACK that is none, whoever sent it. */
static void state_note_handshake(struct state *state, const struct pkt *pkt)
{
    unsigned flags = pkt->flags;
    if (flags & PKT_SYN) {
        state_note_scale(state, pkt);
        if (!(flags & PKT_ACK)) {
            state->handshake = state->first_rtt_ns == 0;
            state->syn_time = pkt->time;
        }
    } else if ((flags & PKT_ACK) && state->handshake) {
        state->first_rtt_ns = pkt->time.ns - state->syn_time.ns;
        state->handshake = state->first_rtt_ns == 0;
    }
}

/* Settled is a side that a plain packet may come from: all that one leaves as it is has its usual
 * value. */
static void side_settle(struct side *side, bool handshake)
{
    side->last_shift = side->scale > 0 && !side->window_unscaled ? (uint8_t)side->scale : 0;
    side->settled = side->seen && !handshake && !side->window_unscaled && side->repeats == 0 &&
                    side->last_found == 0 && side->pace.next <= side->next;
}

static void state_move_pace(struct state *state, const struct pkt *pkt, int64_t end, uint32_t found)
{
    const uint32_t again = EVENT_BIT(SPURIOUS_RETRANSMISSION) | EVENT_BIT(FAST_RETRANSMISSION) |
                           EVENT_BIT(RETRANSMISSION) | EVENT_BIT(OUT_OF_ORDER);
    struct side *from = state->side + pkt_side(pkt), *to = state->side + !pkt_side(pkt);
    state->last = pkt->time;
    if (pkt->flags & (PKT_SYN | PKT_RST))
        state->reset = (pkt->flags & PKT_RST) != 0;
    if (end > pkt->seq && !(pkt->flags & PKT_RST))
        pace_side_sends(&from->pace, pkt, pkt->flags, end, (found & again) != 0);
    if (pkt->flags & PKT_ACK)
        pace_side_acks(&from->pace, &to->pace, pkt);
}

/* Moves on by a packet in which `found` was found. */
static void state_move(struct state *state, const struct pkt *pkt, enum reach reach, uint32_t found)
{
    struct side *from = state->side + pkt_side(pkt), *to = state->side + !pkt_side(pkt);
    bool reset = pkt->flags & PKT_RST; /* takes no room in the stream, whatever stands beside it */
    int64_t end = reset ? pkt->seq + pkt->len : pkt_end(pkt);
    side_count_repeats(from, pkt, found);
    if (reach == REACH_HOLE)
        to->gapless = to->next;
    else if (reach == REACH_BEYOND)
        to->repeats = REPEATS_UNKNOWN;
    if (!from->seen)
        from->gapless = pkt->seq;
    from->seen = true;
    if (!(found & EVENT_BIT(ZERO_WINDOW_PROBE)))
        side_count_bytes(from, pkt, end);
    from->last_ack = pkt->ack;
    from->last = pkt;
    from->last_found = found;
    if (pkt->flags & (PKT_SYN | PKT_ACK))
        from->window_unscaled = (pkt->flags & PKT_SYN) != 0;
    state_move_pace(state, pkt, end, found);
    state_note_handshake(state, pkt);
    side_settle(from, state->handshake);
    side_settle(to, state->handshake);
}

static int state_examine(struct state *state, uint32_t index, bool first,
                         struct detect_events *events, struct wh_error *error)
{
    const struct pkt *pkt = &state->flow->pkts[index];
    unsigned side = pkt_side(pkt);
    side_begin(&state->side[side], pkt);
    struct view view = {.pkt = pkt,
                        .from = &state->side[side],
                        .to = &state->side[!side],
                        .last = state->last,
                        .first_rtt_ns = state->first_rtt_ns,
                        .reset = state->reset,
                        .first_of_reused = first && state->flow->reused};
    for (size_t i = 0; i < detect_rule_count; i++) {
        const struct rule *rule = &detect_rules[i];
        uint32_t value = 0;
        if ((view.found & rule->unless) || !rule->test(&view, &value))
            continue;
        view.found |= 1u << rule->kind;
        if (event_add(events, index, rule->kind, value, error))
            return WH_ERROR;
    }
    state_move(state, pkt, rule_reach(&view), view.found);
    return WH_OK;
}

/* Passes over plain packets of one side in a row, from `pkt` on; returns what follows them. The
 * other side stands still meanwhile, but for the segment of its that is timed. */
static inline const struct pkt *side_pass(struct side *from, struct side *to, const struct pkt *pkt,
                                          const struct pkt *stop, struct point_time *last)
{
    const struct pkt *first = pkt;
    struct plain plain = {.flags = PKT_ACK | (pkt->flags & PKT_FROM_SERVER),
                          .next = from->next,
                          .last_ack = from->last_ack,
                          .last = *last,
                          .ack_most = to->gapless,
                          .edge = to->last_ack + ((int64_t)to->last->window << to->last_shift)};
    for (; pkt < stop && rule_is_plain(&plain, pkt); pkt++) {
        plain.last = pkt->time;
        if (pkt->len > 0) {
            plain.next += pkt->len;
            from->next_time = pkt->time;
            pace_side_times(&from->pace, pkt, plain.next);
        }
        if (pkt->ack != plain.last_ack) {
            plain.last_ack = pkt->ack;
            pace_side_acks(&from->pace, &to->pace, pkt);
        }
    }
    if (pkt == first)
        return pkt;
    *last = plain.last;
    from->last = pkt - 1;
    from->last_ack = plain.last_ack;
    if (plain.next > from->next) { /* all of it was new */
        from->gapless = from->gapless == from->next ? plain.next : from->gapless;
        from->next = from->pace.next = plain.next;
    }
    return pkt;
}

/* Passes over the plain packets from `i` on; returns the first that is none. By itself, all that
 * its loop needs fits in registers. */
__attribute__((noinline)) static uint32_t state_pass_plain(struct state *state, uint32_t i)
{
    const struct pkt *pkts = state->flow->pkts, *stop = pkts + state->flow->pkt_count;
    const struct pkt *pkt = pkts + i, *before = NULL;
    while (pkt < stop && pkt != before) {
        struct side *from = state->side + pkt_side(pkt), *to = state->side + !pkt_side(pkt);
        before = pkt;
        if (side_may_be_plain(from, to))
            pkt = side_pass(from, to, pkt, stop, &state->last);
    }
    return (uint32_t)(pkt - pkts);
}

int detect_flow(const struct track_flow *flow, struct detect_events *events, struct wh_error *error)
{
    struct state state;
    state_init(&state, flow);
    bool first = true, tcp = flow->protocol == IPPROTO_TCP;
    for (uint32_t i = 0; (i = tcp ? state_pass_plain(&state, i) : i) < flow->pkt_count; i++) {
        const struct pkt *pkt = &flow->pkts[i];
        if (pkt->flags & PKT_DUPLICATE) {
            if (event_add(events, i, WH_EVENT_DUPLICATE_PACKET, 0, error))
                return WH_ERROR;
            continue;
        }
        if (pkt->bad_checksum && event_add(events, i, WH_EVENT_BAD_CHECKSUM, 0, error))
            return WH_ERROR;
        if (tcp && state_examine(&state, i, first, events, error))
            return WH_ERROR;
        first = false;
    }
    return WH_OK;
}
