/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ends of generated connections. The client asks, the server answers and closes. */
#include "tcp.h"

#include <string.h>

#define MS_NS     INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)

enum { INITIAL_WINDOW = 10, DUPLICATES = 3, QUICK_ACKS = 16, BACKOFF_MAX = 8 };
static const int64_t rto_first_ns = SECOND_NS, rto_min_ns = 200 * MS_NS; /* RFC 6298, Linux */
static const int64_t delayed_ack_ns = 40 * MS_NS, linger_ns = 2 * SECOND_NS;
static const double cubic_beta = 0.7; /* RFC 9438 */
static const uint32_t first_window_bytes = 64240, last_window_bytes = 8u << 20;

static uint32_t clock_ms(const struct tcp *tcp, const struct side *side)
{
    return side->ts_offset + (uint32_t)(tcp->now_ns / MS_NS);
}

/* Autotuning's outcome: room for twice what has come, up to a limit. */
static uint32_t window_bytes(const struct side *side)
{
    uint64_t room = first_window_bytes + 2 * side->rcv_next;
    return room < last_window_bytes ? (uint32_t)room : last_window_bytes;
}

/* ---- ranges ---- */

static uint64_t ranges_bytes(const struct range *ranges, int count, uint64_t from, uint64_t to)
{
    uint64_t bytes = 0;
    for (int i = 0; i < count; i++) {
        uint64_t a = ranges[i].from > from ? ranges[i].from : from;
        uint64_t b = ranges[i].to < to ? ranges[i].to : to;
        bytes += a < b ? b - a : 0;
    }
    return bytes;
}

/* Adds `add` to ascending ranges, joining those it touches. Returns false, changing nothing, where
 * there is no room for it. */
static bool ranges_add(struct range *ranges, uint16_t *count, struct range add)
{
    int first = 0, last;

    while (first < *count && ranges[first].to < add.from)
        first++;
    for (last = first; last < *count && ranges[last].from <= add.to; last++) {
        add.from = ranges[last].from < add.from ? ranges[last].from : add.from;
        add.to = ranges[last].to > add.to ? ranges[last].to : add.to;
    }
    if (first == last && *count == RANGES)
        return false;
    memmove(ranges + first + 1, ranges + last, (size_t)(*count - last) * sizeof *ranges);
    ranges[first] = add;
    *count = (uint16_t)(*count - (last - first) + 1);
    return true;
}

/* Drops what lies below `offset`; what reaches over it is cut. */
static void ranges_drop(struct range *ranges, uint16_t *count, uint64_t offset)
{
    int gone = 0;
    while (gone < *count && ranges[gone].to <= offset)
        gone++;
    memmove(ranges, ranges + gone, (size_t)(*count - gone) * sizeof *ranges);
    *count = (uint16_t)(*count - gone);
    if (*count && ranges[0].from < offset)
        ranges[0].from = offset;
}

/* ---- sending ---- */

/* DSACK first (RFC 2883), then the range of the newest segment, then others (RFC 2018). */
static void put_sacks(struct side *me, struct packet *packet)
{
    packet->sacks = 0;
    if (me->dsack.to)
        packet->sack[packet->sacks++] = me->dsack;
    me->dsack = (struct range){0};
    for (int i = 0; i < me->held_count; i++)
        if (me->held[i].from <= me->latest.from && me->latest.from < me->held[i].to) {
            packet->sack[packet->sacks++] = me->held[i];
            for (int k = me->held_count - 1; k >= 0 && packet->sacks < SACKS; k--)
                if (k != i)
                    packet->sack[packet->sacks++] = me->held[k];
            return;
        }
}

static void send_packet(struct tcp *tcp, struct flow *flow, int direction, uint64_t seq,
                        uint32_t bytes, uint8_t flags)
{
    struct side *me = &flow->side[direction];
    struct packet *packet = path_packet(tcp->path);

    packet->flow = flow->number;
    packet->generation = flow->generation;
    packet->direction = (uint8_t)direction;
    packet->flags = flags;
    packet->payload_bytes = bytes;
    packet->seq = seq;
    packet->ack = me->rcv_next;
    packet->tsval = clock_ms(tcp, me);
    packet->tsecr = flags & ACK ? me->ts_recent : 0;
    packet->window_bytes = flags & SYN ? first_window_bytes : window_bytes(me);
    put_sacks(me, packet);
    tcp->frame(tcp->context, flow, packet);
    me->ip_id++;
    me->acked = me->rcv_next;
    me->segments_unacked = 0;
    me->ack_at_ns = NEVER;
    path_enter(tcp->path, direction == TO_CLIENT ? 0 : SEGMENTS - 1, packet, tcp->now_ns);
}

static void send_ack(struct tcp *tcp, struct flow *flow, int direction)
{
    send_packet(tcp, flow, direction, flow->side[direction].next, 0, ACK);
}

static int64_t rto_ns(const struct side *side)
{
    int64_t rto = rto_first_ns;
    if (side->srtt_ns) {
        int64_t spread = 4 * side->rttvar_ns;
        rto = side->srtt_ns + (spread > rto_min_ns ? spread : rto_min_ns);
    }
    return rto << side->backoff;
}

/* A segment at `seq` with as much as fits before `limit`; FIN where the stream ends with it. */
static uint64_t send_segment(struct tcp *tcp, struct flow *flow, int direction, uint64_t seq,
                             uint64_t limit)
{
    struct side *me = &flow->side[direction];
    uint64_t left = me->end > seq ? me->end - seq : 0;
    uint32_t bytes = left < MSS ? (uint32_t)left : MSS;
    uint8_t flags = ACK;

    if (seq + bytes > limit)
        bytes = (uint32_t)(limit - seq);
    bool ends = seq + bytes == me->end;
    if (ends && bytes)
        flags |= PSH;
    if (ends && me->closing && limit > me->end)
        flags |= FIN;
    send_packet(tcp, flow, direction, seq, bytes, flags);
    if (me->rto_at_ns == NEVER)
        me->rto_at_ns = tcp->now_ns + rto_ns(me);
    return seq + bytes + (flags & FIN ? 1 : 0);
}

/* Where what is taken for lost ends: below three segments under the highest SACK (RFC 6675), and
 * after a timeout all that was sent before it. */
static uint64_t lost_below(const struct side *me)
{
    if (me->state == TCP_LOSS)
        return me->recover;
    if (me->state == TCP_OPEN || !me->sacked_count)
        return me->una;
    uint64_t high = me->sacked[me->sacked_count - 1].to, reach = (DUPLICATES - 1) * MSS;
    return high > me->una + reach ? high - reach : me->una;
}

/* The first byte to send again, or lost_below where there is none; `*to` is where the hole ends. */
static uint64_t find_hole(const struct side *me, uint64_t edge, uint64_t *to)
{
    uint64_t hole = me->una > me->resent ? me->una : me->resent;

    *to = edge;
    for (int i = 0; i < me->sacked_count; i++) {
        if (me->sacked[i].from <= hole && hole < me->sacked[i].to)
            hole = me->sacked[i].to;
        else if (me->sacked[i].from > hole) {
            *to = me->sacked[i].from < edge ? me->sacked[i].from : edge;
            break;
        }
    }
    return hole < edge ? hole : edge;
}

/* Bytes under way: neither SACKed nor taken for lost and not sent again. */
static uint64_t pipe_bytes(const struct side *me, uint64_t edge)
{
    uint64_t bytes =
        me->next - me->una - ranges_bytes(me->sacked, me->sacked_count, me->una, me->next);
    uint64_t from = me->resent > me->una ? me->resent : me->una;

    if (from < edge)
        bytes -= edge - from - ranges_bytes(me->sacked, me->sacked_count, from, edge);
    return bytes;
}

static void send_more(struct tcp *tcp, struct flow *flow, int direction)
{
    struct side *me = &flow->side[direction];
    uint64_t total = me->end + (me->closing ? 1 : 0), to;

    if (!me->una)
        return;
    for (;;) {
        uint64_t edge = lost_below(me);
        uint64_t hole = find_hole(me, edge, &to);
        if (pipe_bytes(me, edge) + MSS > (uint64_t)(me->cwnd * MSS) + MSS / 2)
            return;
        if (hole < edge)
            me->resent = send_segment(tcp, flow, direction, hole, to);
        else if (me->next < total && me->next < me->una + me->peer_window_bytes)
            me->next = send_segment(tcp, flow, direction, me->next, total);
        else
            return;
    }
}

/* ---- receiving ---- */

static void time_round_trip(struct side *me, int64_t sample_ns)
{
    if (!me->srtt_ns) {
        me->srtt_ns = sample_ns;
        me->rttvar_ns = sample_ns / 2;
        return;
    }
    int64_t error = sample_ns - me->srtt_ns;
    me->rttvar_ns += ((error < 0 ? -error : error) - me->rttvar_ns) / 4;
    me->srtt_ns += error / 8;
}

static void start_recovery(struct side *me, enum tcp_state state)
{
    if (me->state == TCP_OPEN) {
        me->prior_cwnd = me->cwnd;
        me->prior_ssthresh = me->ssthresh;
        me->ssthresh = me->cwnd * cubic_beta > 2 ? me->cwnd * cubic_beta : 2;
        me->cwnd = me->ssthresh;
    }
    me->state = (uint8_t)state;
    me->recover = me->next;
    me->resent = me->una;
}

static void acknowledge(const struct tcp *tcp, struct side *me, const struct packet *packet)
{
    double segments = (double)(packet->ack - me->una) / MSS;

    me->una = packet->ack;
    ranges_drop(me->sacked, &me->sacked_count, me->una);
    time_round_trip(me, (int64_t)(clock_ms(tcp, me) - packet->tsecr) * MS_NS + MS_NS / 2);
    me->backoff = 0;
    me->rto_at_ns = me->una < me->next ? tcp->now_ns + rto_ns(me) : NEVER;

    /* RFC 3522 (Eifel): it answers the first copy, so the timeout was wrong. */
    if (me->state == TCP_LOSS && (int32_t)(packet->tsecr - me->undo_ts) < 0) {
        me->cwnd = me->prior_cwnd;
        me->ssthresh = me->prior_ssthresh;
        me->state = TCP_OPEN;
    } else if (me->state != TCP_OPEN && me->una >= me->recover) {
        me->state = TCP_OPEN;
    }
    if (me->state == TCP_RECOVERY)
        return;
    me->cwnd += me->cwnd < me->ssthresh ? segments : segments / me->cwnd;
    if (me->cwnd > tcp->window_segments)
        me->cwnd = tcp->window_segments;
}

static void receive_ack(struct tcp *tcp, struct side *me, const struct packet *packet)
{
    me->peer_window_bytes = packet->window_bytes;
    if (packet->ack > me->una && packet->ack <= me->next)
        acknowledge(tcp, me, packet);
    for (int i = 0; i < packet->sacks; i++)
        if (packet->sack[i].from > me->una && packet->sack[i].to <= me->next)
            ranges_add(me->sacked, &me->sacked_count, packet->sack[i]);
    if (me->state == TCP_OPEN &&
        ranges_bytes(me->sacked, me->sacked_count, me->una, me->next) >= DUPLICATES * MSS)
        start_recovery(me, TCP_RECOVERY);
}

/* Moves the expected byte on to `to`, and over what was held above it. */
static void take_in_order(struct side *me, uint64_t to)
{
    me->rcv_next = to;
    if (me->held_count && me->held[0].from <= to) {
        if (me->held[0].to > to)
            me->rcv_next = me->held[0].to;
        ranges_drop(me->held, &me->held_count, me->rcv_next);
    }
}

/* Returns true where the segment is to be acknowledged at once (RFC 5681, section 4.2). */
static bool receive_bytes(struct side *me, const struct packet *packet, uint64_t to)
{
    bool had_hole = me->held_count > 0;

    me->latest = (struct range){packet->seq, to};
    if (to <= me->rcv_next) {
        me->dsack = me->latest;
        return true;
    }
    if (packet->seq > me->rcv_next) {
        if (ranges_bytes(me->held, me->held_count, packet->seq, to) == to - packet->seq)
            me->dsack = me->latest;
        return ranges_add(me->held, &me->held_count, me->latest);
    }
    take_in_order(me, to);
    me->segments_unacked++;
    if (me->quick_acks < QUICK_ACKS) {
        me->quick_acks++;
        return true;
    }
    return had_hole || me->segments_unacked >= 2;
}

/* What the application does once bytes are there: the server answers a request after a while, the
 * client closes after the server has. */
static void application_reads(struct tcp *tcp, struct flow *flow, int direction,
                              const struct packet *packet)
{
    struct side *me = &flow->side[direction], *peer = &flow->side[!direction];

    if (direction == TO_CLIENT && !me->closing && me->work_at_ns == NEVER && me->rcv_next > 1 &&
        me->rcv_next >= peer->end)
        me->work_at_ns = tcp->now_ns + MS_NS + (int64_t)(flow->noise_key >> 44) * 4;
    if (packet->flags & FIN)
        me->has_peer_fin = true;
    if (direction == TO_SERVER && me->has_peer_fin && peer->closing && me->rcv_next > peer->end)
        me->closing = true;
}

void tcp_receive(struct tcp *tcp, struct flow *flow, const struct packet *packet)
{
    int direction = !packet->direction;
    struct side *me = &flow->side[direction];
    uint64_t to = packet->seq + packet->payload_bytes + (packet->flags & (SYN | FIN) ? 1 : 0);
    bool ack_now = false;

    /* RFC 7323, section 4.3: the timestamp of the segment that the last ACK waited for. */
    if (packet->seq <= me->acked && (int32_t)(packet->tsval - me->ts_recent) >= 0)
        me->ts_recent = packet->tsval;
    else if (packet->flags & SYN)
        me->ts_recent = packet->tsval;
    if (packet->flags & ACK)
        receive_ack(tcp, me, packet);
    if (to > packet->seq) {
        ack_now = receive_bytes(me, packet, to);
        application_reads(tcp, flow, direction, packet);
    }
    if (packet->flags & SYN && direction == TO_CLIENT && !me->una) {
        me->next = 1;
        send_packet(tcp, flow, direction, 0, 0, SYN | ACK);
        me->rto_at_ns = tcp->now_ns + rto_ns(me);
        return;
    }
    if (packet->flags & SYN || ack_now || (packet->flags & FIN && me->rcv_next >= to))
        send_ack(tcp, flow, direction);
    else if (to > packet->seq)
        me->ack_at_ns = tcp->now_ns + delayed_ack_ns;
    send_more(tcp, flow, direction);
    if (flow->linger_until_ns == NEVER && flow->side[TO_CLIENT].closing &&
        flow->side[TO_SERVER].closing && flow->side[TO_CLIENT].una > flow->side[TO_CLIENT].end &&
        flow->side[TO_SERVER].una > flow->side[TO_SERVER].end)
        flow->linger_until_ns = tcp->now_ns + linger_ns;
}

/* ---- timers ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t tcp_deadline(const struct flow *flow)
{
    int64_t deadline_ns = flow->linger_until_ns;
    for (int i = 0; i < DIRECTIONS; i++) {
        const struct side *side = &flow->side[i];
        deadline_ns = least(deadline_ns, least(side->rto_at_ns, side->ack_at_ns));
        deadline_ns = least(deadline_ns, side->work_at_ns);
    }
    return deadline_ns;
}

static void time_out(struct tcp *tcp, struct flow *flow, int direction)
{
    struct side *me = &flow->side[direction];

    me->rto_at_ns = NEVER;
    if (me->backoff < BACKOFF_MAX)
        me->backoff++;
    if (!me->una) {
        send_packet(tcp, flow, direction, 0, 0, direction == TO_CLIENT ? SYN | ACK : SYN);
        me->rto_at_ns = tcp->now_ns + rto_ns(me);
        return;
    }
    if (me->una == me->next)
        return;
    if (me->state != TCP_LOSS)
        me->undo_ts = clock_ms(tcp, me);
    start_recovery(me, TCP_LOSS);
    me->cwnd = 1;
    send_more(tcp, flow, direction);
}

void tcp_wake(struct tcp *tcp, struct flow *flow)
{
    for (int i = 0; i < DIRECTIONS; i++) {
        struct side *me = &flow->side[i];
        if (me->work_at_ns <= tcp->now_ns) {
            me->work_at_ns = NEVER;
            me->end = 1 + flow->response_bytes;
            me->closing = true;
            send_more(tcp, flow, i);
        }
        if (me->ack_at_ns <= tcp->now_ns)
            send_ack(tcp, flow, i);
        if (me->rto_at_ns <= tcp->now_ns)
            time_out(tcp, flow, i);
    }
}

void tcp_start(struct tcp *tcp, struct flow *flow, uint32_t request_bytes, uint64_t *random)
{
    for (int i = 0; i < DIRECTIONS; i++) {
        struct side *side = &flow->side[i];
        *side = (struct side){.end = 1, .cwnd = INITIAL_WINDOW, .ssthresh = 1e9};
        side->rto_at_ns = side->ack_at_ns = side->work_at_ns = NEVER;
        side->isn = (uint32_t)(random_next(random) >> 32);
        side->ts_offset = (uint32_t)(random_next(random) >> 32);
        side->ip_id = (uint16_t)(random_next(random) >> 48);
        side->peer_window_bytes = first_window_bytes;
    }
    flow->linger_until_ns = NEVER;
    struct side *client = &flow->side[TO_SERVER];
    client->end = 1 + request_bytes;
    client->next = 1;
    send_packet(tcp, flow, TO_SERVER, 0, 0, SYN);
    client->rto_at_ns = tcp->now_ns + rto_ns(client);
}
