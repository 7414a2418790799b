/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules of single-point events, one function each. Their meaning is that of Wireshark 4.0
 * (packet-tcp.c, tcp_analyze_sequence_number, with its default preferences), so that a frame
 * number looked up there shows the same thing; SILENCE is our own.
 */
#include "detect/rules.h"

const struct pkt rule_silent = {.ack = ACK_NONE, .window = UINT16_MAX};

#define FAST_WITHIN_NS      (20 * NS_PER_MS)
#define REORDERED_WITHIN_NS (3 * NS_PER_MS) /* while the round trip is not known */

static bool has_any(const struct view *view, uint32_t flags)
{
    return (view->pkt->flags & flags) != 0;
}

/* An acknowledgement and nothing else, with the numbers its sender's last packet led up to. */
static bool repeats_numbers(const struct view *view)
{
    const struct pkt *pkt = view->pkt;
    return pkt->len == 0 && !has_any(view, PKT_SYN | PKT_FIN | PKT_RST) && has_any(view, PKT_ACK) &&
           view->from->seen && pkt->seq == view->from->next && pkt->ack == view->from->last_ack;
}

static bool same_window(const struct view *view)
{
    return view->pkt->window == view->from->last->window;
}

/* One byte, the next expected, into a window that the receiver closed. */
static bool is_zero_window_probe(const struct view *view, uint32_t *value)
{
    (void)value;
    return view->pkt->len == 1 && view->from->seen && view->pkt->seq == view->from->next &&
           view->to->last->window == 0;
}

/* The sender of the packet has no room; a SYN, FIN or RST does not say so. */
static bool is_zero_window(const struct view *view, uint32_t *value)
{
    (void)value;
    return view->pkt->window == 0 && !has_any(view, PKT_SYN | PKT_FIN | PKT_RST);
}

/* Begins above the highest byte seen. An RST's number proves nothing: it may be the one last
 * acknowledged (RFC 9293, 3.5.2). */
static bool is_gap(const struct view *view, uint32_t *value)
{
    if (!view->from->seen || view->pkt->seq <= view->from->next || has_any(view, PKT_RST))
        return false;
    int64_t skipped = view->pkt->seq - view->from->next;
    *value = skipped > UINT32_MAX ? UINT32_MAX : (uint32_t)skipped;
    return true;
}

/* At most one byte, just below the next expected one (RFC 9293, 3.8.4). */
static bool is_keep_alive(const struct view *view, uint32_t *value)
{
    (void)value;
    return view->pkt->len <= 1 && view->from->seen && view->pkt->seq == view->from->next - 1 &&
           !has_any(view, PKT_SYN | PKT_FIN | PKT_RST);
}

/* The last acknowledgement again, with another window. */
static bool is_window_update(const struct view *view, uint32_t *value)
{
    (void)value;
    return repeats_numbers(view) && view->pkt->window != 0 && !same_window(view);
}

/* Data up to the very edge of the window the receiver last announced, where its scale is known. */
static bool is_window_full(const struct view *view, uint32_t *value)
{
    (void)value;
    return view->pkt->len > 0 && !has_any(view, PKT_SYN | PKT_FIN | PKT_RST) &&
           pkt_end(view->pkt) == side_window_edge(view->to);
}

/* The last acknowledgement again, unchanged; not where it merely answers a keep-alive. */
static bool is_duplicate_ack(const struct view *view, uint32_t *value)
{
    if (!repeats_numbers(view) || view->pkt->window == 0 || !same_window(view) ||
        (view->to->last_found & EVENT_BIT(KEEP_ALIVE)))
        return false;
    *value = view->from->repeats == REPEATS_UNKNOWN ? 1 : view->from->repeats + 1;
    return true;
}

enum reach rule_reach(const struct view *view)
{
    const struct side *to = view->to;
    if (!has_any(view, PKT_ACK) || !to->seen || view->pkt->ack <= to->gapless)
        return REACH_SEEN;
    return to->next > to->gapless ? REACH_HOLE : REACH_BEYOND;
}

/* Acknowledges bytes that did not pass here. Beyond all that was seen it is told once, until the
 * receiver acknowledges something new itself. */
static bool is_ack_of_unseen(const struct view *view, uint32_t *value)
{
    (void)value;
    enum reach reach = rule_reach(view);
    return reach == REACH_HOLE || (reach == REACH_BEYOND && view->to->repeats == 0);
}

/* Data, SYN or FIN that begins below the highest byte seen. More than one byte from just below it
 * is new data: the byte sent before was a window probe. */
static bool goes_back(const struct view *view)
{
    const struct pkt *pkt = view->pkt;
    if (pkt_span(pkt) == 0 || !view->from->seen || pkt->seq >= view->from->next)
        return false;
    return !(pkt->len > 1 && pkt->seq == view->from->next - 1);
}

/* Not before `since`, and less than `limit_ns` after it. */
static bool within(const struct view *view, struct point_time since, int64_t limit_ns)
{
    int64_t after_ns = view->pkt->time.ns - since.ns;
    return after_ns >= 0 && after_ns < limit_ns;
}

/* Data sent although all of it was acknowledged already. */
static bool is_spurious_retransmission(const struct view *view, uint32_t *value)
{
    (void)value;
    return view->pkt->len > 0 && view->to->last_ack != ACK_NONE &&
           view->pkt->seq + view->pkt->len <= view->to->last_ack;
}

/* The bytes that at least two duplicate ACKs asked for, soon after the last of them (RFC 5681, 3.2
 * has three; this point may have missed one). */
static bool is_fast_retransmission(const struct view *view, uint32_t *value)
{
    (void)value;
    uint32_t repeats = rule_reach(view) == REACH_BEYOND ? REPEATS_UNKNOWN : view->to->repeats;
    return goes_back(view) && repeats >= 2 && view->to->last_ack == view->pkt->seq &&
           within(view, view->to->last->time, FAST_WITHIN_NS);
}

/* Sooner after the highest byte than its loss could have been noticed; what ends with the highest
 * byte is a repetition of it all the same. */
static bool is_out_of_order(const struct view *view, uint32_t *value)
{
    (void)value;
    int64_t limit_ns = view->first_rtt_ns != 0 ? view->first_rtt_ns : REORDERED_WITHIN_NS;
    return goes_back(view) && within(view, view->from->next_time, limit_ns) &&
           pkt_end(view->pkt) != view->from->next;
}

/* What goes back and is none of the above. */
static bool is_retransmission(const struct view *view, uint32_t *value)
{
    (void)value;
    return goes_back(view);
}

static bool is_reset(const struct view *view, uint32_t *value)
{
    (void)value;
    return has_any(view, PKT_RST);
}

static bool is_port_reuse(const struct view *view, uint32_t *value)
{
    (void)value;
    return view->first_of_reused;
}

/* Ends a pause in which something waited to be acknowledged; see pace.h. */
static bool is_silence(const struct view *view, uint32_t *value)
{
    int64_t silence_ns = pace_silence_ns(&view->from->pace, &view->to->pace, view->last, view->pkt);
    if (silence_ns == 0 || view->reset)
        return false;
    int64_t silence_us = silence_ns / NS_PER_US;
    *value = silence_us > UINT32_MAX ? UINT32_MAX : (uint32_t)silence_us;
    return silence_us > 0;
}

#define PROBE     EVENT_BIT(ZERO_WINDOW_PROBE)
#define SPURIOUS  EVENT_BIT(SPURIOUS_RETRANSMISSION)
#define FAST      EVENT_BIT(FAST_RETRANSMISSION)
#define REORDERED EVENT_BIT(OUT_OF_ORDER)
#define ALIVE     EVENT_BIT(KEEP_ALIVE)

/* In the order in which they are asked: what stands higher takes precedence. */
const struct rule detect_rules[] = {
    {WH_EVENT_ZERO_WINDOW_PROBE, 0, is_zero_window_probe},
    {WH_EVENT_ZERO_WINDOW, PROBE, is_zero_window},
    {WH_EVENT_GAP, PROBE, is_gap},
    {WH_EVENT_KEEP_ALIVE, PROBE, is_keep_alive},
    {WH_EVENT_WINDOW_UPDATE, PROBE, is_window_update},
    {WH_EVENT_WINDOW_FULL, PROBE, is_window_full},
    {WH_EVENT_DUPLICATE_ACK, PROBE, is_duplicate_ack},
    {WH_EVENT_ACK_OF_UNSEEN, 0, is_ack_of_unseen},
    {WH_EVENT_SPURIOUS_RETRANSMISSION, ALIVE, is_spurious_retransmission},
    {WH_EVENT_FAST_RETRANSMISSION, ALIVE | SPURIOUS, is_fast_retransmission},
    {WH_EVENT_OUT_OF_ORDER, ALIVE | SPURIOUS | FAST, is_out_of_order},
    {WH_EVENT_RETRANSMISSION, ALIVE | SPURIOUS | FAST | REORDERED, is_retransmission},
    {WH_EVENT_RESET, 0, is_reset},
    {WH_EVENT_PORT_REUSE, 0, is_port_reuse},
    {WH_EVENT_SILENCE, 0, is_silence},
};

const size_t detect_rule_count = sizeof detect_rules / sizeof *detect_rules;
