/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The result summed up for the rules about suspicions: see hypotheses_facts.h. */
#include "blame/hypotheses_facts.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/partition.h"

#define STEPS_MAX       8000000u
#define BUSY_BYTES      ((uint64_t)1 << 20)
#define HOLES_MAX       64u /* open at a time; more are not needed to tell that there are any */
#define PACKET_BYTES    1500u
#define BURST_GAP_NS    (100 * NS_PER_MS)
#define SAME_INSTANT_NS (20 * NS_PER_MS)
#define BEFORE_STALL_NS NS_PER_S /* what a stall waits for was sent at most so long before */

/* ---- segments -------------------------------------------------------------------------------- */

static bool translated(const struct wh_flow_at *here, const struct wh_flow_at *there)
{
    return *here->client && *there->client &&
           (strcmp(here->client, there->client) != 0 || strcmp(here->server, there->server) != 0);
}

static void find_nat(struct facts *facts)
{
    const struct wh_result *result = facts->result;
    for (uint32_t f = 0; f < result->flow_count; f++)
        for (uint32_t p = 0; p + 1 < result->point_count && result->flows[f].at; p++)
            if (translated(&result->flows[f].at[p], &result->flows[f].at[p + 1]))
                facts->segment[p + 1].nat = true;
}

static void sum_segments(struct facts *facts)
{
    const struct wh_result *result = facts->result;
    find_nat(facts);
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        const struct wh_segment *from = &result->segments[s];
        struct segment_facts *to = &facts->segment[s];
        to->inner = s > 0 && s < result->point_count;
        to->packets = from->to_client.packets + from->to_server.packets;
        to->lost = from->to_client.lost + from->to_server.lost;
        to->delay_max_ns = from->to_client.delay_max_ns > from->to_server.delay_max_ns
                               ? from->to_client.delay_max_ns
                               : from->to_server.delay_max_ns;
        facts->nat_count += to->inner && to->nat;
    }
    facts->followed = facts->segment_count > 2;
    for (uint32_t s = 1; s < result->point_count && s < facts->segment_count; s++)
        facts->followed = facts->followed && facts->segment[s].packets;
}

/* ---- stalls ---------------------------------------------------------------------------------- */

static int64_t duration(const struct wh_stall *stall)
{
    return stall->end_ns - stall->start_ns;
}

static void add_to_group(struct stall_group *group, const struct wh_stall *stall)
{
    group->first = group->count++ ? group->first : stall;
    if (!group->longest || duration(stall) > duration(group->longest))
        group->longest = stall;
    group->resumed += stall->resumed;
    group->scope[stall->scope]++;
    group->direction[stall->direction]++;
}

static void sum_stalls(struct facts *facts)
{
    for (uint32_t i = 0; i < facts->result->stall_count; i++) {
        const struct wh_stall *stall = &facts->result->stalls[i];
        enum wh_cause cause = stall->cause;
        if (stall->caused_by) /* it began elsewhere */
            continue;
        facts->first[cause] = facts->by_cause[cause]++ ? facts->first[cause] : stall;
        if (!facts->longest[cause] || duration(stall) > duration(facts->longest[cause]))
            facts->longest[cause] = stall;
        if (stall->segment_span == 1 && stall->segment < facts->segment_count) {
            facts->segment[stall->segment].stalls++;
            add_to_group(&facts->segment[stall->segment].by_cause[cause], stall);
            continue;
        }
        uint32_t end = stall->segment + stall->segment_span;
        for (uint32_t s = stall->segment; s < end && s < facts->segment_count; s++)
            if (facts->segment[s].spanning++ == 0)
                facts->segment[s].first_spanning = stall;
    }
}

/* ---- flows ----------------------------------------------------------------------------------- */

static const struct wh_flow *flow_of(const struct facts *facts, uint32_t id)
{
    return id && id <= facts->result->flow_count ? &facts->result->flows[id - 1] : NULL;
}

/* The flow's stall that holds the time, or begins within `before_ns` after it; they come in order
 * and do not overlap. */
static const struct wh_stall *stall_at(const struct facts *facts, const struct wh_flow *flow,
                                       int64_t time_ns, int64_t before_ns)
{
    const struct wh_stall *stalls = facts->result->stalls;
    uint32_t next = PARTITION_POINT(i, flow->stall_count, /* the first that ends after the time */
                                    stalls[flow->stalls[i] - 1].end_ns < time_ns);
    if (next == flow->stall_count)
        return NULL;
    const struct wh_stall *stall = &stalls[flow->stalls[next] - 1];
    return stall->start_ns - before_ns <= time_ns ? stall : NULL;
}

static uint64_t most_bytes(const struct wh_flow *flow)
{
    return flow->bytes_to_client > flow->bytes_to_server ? flow->bytes_to_client
                                                         : flow->bytes_to_server;
}

static void find_busy(struct facts *facts)
{
    for (uint32_t f = 0; f < facts->result->flow_count; f++) {
        const struct wh_flow *flow = &facts->result->flows[f];
        uint32_t at = facts->busy_count;
        if (most_bytes(flow) < BUSY_BYTES)
            continue;
        while (at > 0 && most_bytes(facts->busy[at - 1]) < most_bytes(flow))
            at--;
        if (at == BUSY_FLOWS_MAX)
            continue;
        facts->busy_count += facts->busy_count < BUSY_FLOWS_MAX;
        for (uint32_t i = facts->busy_count - 1; i > at; i--)
            facts->busy[i] = facts->busy[i - 1];
        facts->busy[at] = flow;
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static void sum_burst(struct facts *facts, uint32_t segment, const struct wh_event *event)
{
    struct segment_losses *losses = &facts->segment[segment].losses;
    bool begins = !losses->last || event->time_ns - losses->last->time_ns > BURST_GAP_NS;
    losses->burst_packets = begins ? 1 : losses->burst_packets + 1;
    if (losses->burst_packets > losses->burst_largest)
        losses->burst_largest = losses->burst_packets;
    losses->last = event;
    losses->bursts += begins;
    for (uint32_t s = 0; begins && s < facts->segment_count; s++) {
        const struct segment_losses *other = &facts->segment[s].losses;
        if (s == segment || !other->last || event->time_ns - other->last->time_ns > SAME_INSTANT_NS)
            continue;
        if (losses->coincident++ == 0) {
            losses->first_coincident = event;
            losses->its_partner = other->last;
        }
        break;
    }
}

static void sum_lost(struct facts *facts, const struct wh_event *event)
{
    if (event->span != 1 || event->value >= facts->segment_count)
        return;
    struct segment_facts *segment = &facts->segment[event->value];
    struct segment_losses *losses = &segment->losses;
    losses->first = losses->first ? losses->first : event;
    losses->data += event->length > 0;
    losses->bare += event->length == 0;
    losses->large += event->length > PACKET_BYTES;
    const struct wh_flow *flow = flow_of(facts, event->flow);
    if (segment->by_cause[WH_CAUSE_MTU_BLACKHOLE].count && flow && event->length) {
        const struct wh_stall *stall = stall_at(facts, flow, event->time_ns, BEFORE_STALL_NS);
        losses->of_blackhole += stall && stall->cause == WH_CAUSE_MTU_BLACKHOLE;
    }
    sum_burst(facts, event->value, event);
}

/* First or last point of the path that saw the flow. */
static uint32_t outermost(const struct facts *facts, const struct wh_flow *flow, bool first)
{
    uint32_t count = facts->result->point_count;
    for (uint32_t i = 0; flow->at && i < count; i++) {
        uint32_t point = first ? i : count - 1 - i;
        if (*flow->at[point].client)
            return point;
    }
    return count;
}

static bool for_missing_data(const struct wh_stall *stall)
{
    return stall && (stall->cause == WH_CAUSE_LOSS || stall->cause == WH_CAUSE_CORRUPTION ||
                     stall->cause == WH_CAUSE_UNKNOWN);
}

static void sum_checksum(struct facts *facts, const struct wh_event *event)
{
    const struct wh_flow *flow = flow_of(facts, event->flow);
    if (!flow || event->length == 0)
        return;
    bool up = (event->direction == WH_TO_CLIENT) != flow->reversed;
    facts->checksum.at_sender += event->point == outermost(facts, flow, up);
    if (event->point != outermost(facts, flow, !up))
        return;
    facts->checksum.at_receiver++;
    const struct wh_stall *stall = stall_at(facts, flow, event->time_ns, BEFORE_STALL_NS);
    if (!facts->checksum.first && for_missing_data(stall)) {
        facts->checksum.first = event;
        facts->checksum.stall = stall;
    }
}

static void sum_unseen(struct facts *facts, const struct wh_event *event)
{
    const struct wh_flow *flow = flow_of(facts, event->flow);
    if (!flow || event->point >= WH_POINTS_MAX)
        return;
    if (outermost(facts, flow, true) != outermost(facts, flow, false))
        facts->unseen.shared[event->point]++;
    else if (facts->unseen.alone++ == 0)
        facts->unseen.first_alone = event;
}

static void sum_events(struct facts *facts)
{
    const struct wh_result *result = facts->result;
    for (uint32_t p = 0; p < result->point_count; p++)
        for (unsigned k = 0; k < WH_EVENT_KINDS; k++)
            facts->events[k] += result->points[p].events[k];
    for (uint64_t i = 0; i < result->event_count; i++) {
        const struct wh_event *event = &result->events[i];
        if (event->kind >= WH_EVENT_KINDS)
            continue;
        if (!facts->first_event[event->kind])
            facts->first_event[event->kind] = event;
        if (event->kind == WH_EVENT_LOST)
            sum_lost(facts, event);
        else if (event->kind == WH_EVENT_BAD_CHECKSUM)
            sum_checksum(facts, event);
        else if (event->kind == WH_EVENT_ACK_OF_UNSEEN)
            sum_unseen(facts, event);
    }
}

void facts_make(struct facts *facts, const struct wh_result *result, struct arena *arena)
{
    *facts = (struct facts){.result = result, .arena = arena, .steps_left = STEPS_MAX};
    facts->segment_count =
        result->segment_count < SEGMENTS_MAX ? result->segment_count : SEGMENTS_MAX;
    sum_segments(facts);
    sum_stalls(facts);
    find_busy(facts);
    sum_events(facts);
}

/* ---- the firewall's place -------------------------------------------------------------------- */

bool facts_suspect(const struct facts *facts, uint32_t segment)
{
    const struct segment_facts *here = &facts->segment[segment];
    return here->inner && (here->nat || facts->nat_count == 0);
}

const char *facts_suspects_text(const struct facts *facts)
{
    char text[200] = "";
    size_t used = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++) {
        if (!facts_suspect(facts, s))
            continue;
        int length = snprintf(text + used, sizeof text - used, "%s%s", used ? " or " : "",
                              facts->result->segments[s].name);
        used += length > 0 ? (size_t)length : 0;
        if (used >= sizeof text)
            break;
    }
    const char *whole =
        arena_printf(facts->arena, "%s%s", text, facts->nat_count ? " (the NAT)" : "");
    return whole ? whole : "the firewall's segment";
}

uint32_t facts_suspected(const struct facts *facts, enum wh_cause cause)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++)
        count += facts_suspect(facts, s) ? facts->segment[s].by_cause[cause].count : 0;
    return count;
}

uint32_t facts_suspected_all(const struct facts *facts)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++)
        count += facts_suspect(facts, s) ? facts->segment[s].stalls : 0;
    return count;
}

uint32_t facts_suspected_spanning(const struct facts *facts)
{
    uint32_t count = 0;
    for (uint32_t s = 0; s < facts->segment_count; s++)
        count += facts_suspect(facts, s) ? facts->segment[s].spanning : 0;
    return count;
}

uint32_t facts_suspected_beyond(const struct facts *facts)
{
    const struct segment_facts *first = &facts->segment[0];
    const struct segment_facts *last = &facts->segment[facts->segment_count - 1];
    return facts->nat_count ? 0 : first->stalls + first->spanning + last->stalls + last->spanning;
}

/* ---- a stall's surroundings ------------------------------------------------------------------ */

/* Towards the clients' end of the path, whoever the flow's client is. */
static bool goes_up(const struct facts *facts, uint32_t flow, unsigned direction)
{
    const struct wh_flow *its = flow_of(facts, flow);
    return (direction != WH_TO_SERVER) != (its && its->reversed);
}

uint32_t facts_entry(const struct facts *facts, const struct wh_stall *stall)
{
    return stall->segment - goes_up(facts, stall->flow, stall->direction);
}

uint32_t facts_exit(const struct facts *facts, const struct wh_stall *stall)
{
    return stall->segment - !goes_up(facts, stall->flow, stall->direction);
}

/* The first event at or after a time. */
static uint64_t events_from(const struct wh_result *result, int64_t time_ns)
{
    return PARTITION_POINT(i, result->event_count, result->events[i].time_ns < time_ns);
}

const struct wh_event *facts_find(struct facts *facts, enum wh_event_kind kind, uint32_t point,
                                  uint32_t flow, int64_t from_ns, int64_t to_ns)
{
    const struct wh_result *result = facts->result;
    for (uint64_t i = events_from(result, from_ns); i < result->event_count; i++) {
        const struct wh_event *event = &result->events[i];
        if (event->time_ns > to_ns || facts->steps_left == 0)
            return NULL;
        facts->steps_left--;
        if (event->kind == kind && event->point == point && (!flow || event->flow == flow))
            return event;
    }
    return NULL;
}

struct hole {
    int64_t left, right;
    const struct wh_event *opened;
};

/* What fills the middle of a hole leaves it as it is: it is open all the same. */
static void fill_hole(struct hole *hole, int64_t from, int64_t to)
{
    if (from <= hole->left && to > hole->left)
        hole->left = to < hole->right ? to : hole->right;
    else if (from < hole->right && to >= hole->right)
        hole->right = from;
}

const struct wh_event *facts_open_hole(struct facts *facts, uint32_t point, uint32_t flow,
                                       int64_t from_ns, int64_t to_ns)
{
    const struct wh_result *result = facts->result;
    struct hole holes[HOLES_MAX];
    uint32_t count = 0;
    for (uint64_t i = events_from(result, from_ns); i < result->event_count; i++) {
        const struct wh_event *event = &result->events[i];
        if (event->time_ns > to_ns || facts->steps_left == 0)
            break;
        facts->steps_left--;
        if (event->point != point || event->flow != flow)
            continue;
        if (event->kind == WH_EVENT_GAP && count < HOLES_MAX)
            holes[count++] = (struct hole){event->seq - event->value, event->seq, event};
        if (event->kind != WH_EVENT_RETRANSMISSION && event->kind != WH_EVENT_OUT_OF_ORDER &&
            event->kind != WH_EVENT_FAST_RETRANSMISSION)
            continue;
        for (uint32_t h = 0; h < count; h++)
            fill_hole(&holes[h], event->seq, event->seq + event->length);
    }
    for (uint32_t h = 0; h < count; h++)
        if (holes[h].left < holes[h].right)
            return holes[h].opened;
    return NULL;
}

bool facts_complete(const struct facts *facts)
{
    return facts->result->events_dropped == 0 && facts->steps_left > 0;
}

/* Did the flow pass both captures of the segment? */
static bool crosses(const struct wh_flow *flow, uint32_t segment)
{
    return flow && flow->at && *flow->at[segment - 1].client && *flow->at[segment].client;
}

/* An event behind the segment of what the stall does not hold: of another flow, or of any that goes
 * the other way. */
static const struct wh_event *event_meanwhile(struct facts *facts, const struct wh_stall *stall,
                                              bool other_way)
{
    const struct wh_result *result = facts->result;
    int64_t margin_ns = duration(stall) / 5;
    bool held_up = goes_up(facts, stall->flow, stall->direction);
    for (uint64_t i = events_from(result, stall->start_ns + margin_ns); i < result->event_count;
         i++) {
        const struct wh_event *event = &result->events[i];
        if (event->time_ns > stall->end_ns - margin_ns || facts->steps_left == 0)
            return NULL;
        facts->steps_left--;
        bool up = goes_up(facts, event->flow, event->direction);
        bool wanted = other_way ? up != held_up : event->flow != stall->flow;
        if (wanted && event->point == stall->segment - !up &&
            event->kind != WH_EVENT_ICMP_TOO_BIG &&
            crosses(flow_of(facts, event->flow), stall->segment))
            return event;
    }
    return NULL;
}

/* Expected to have carried something in the stall's time, by its mean rate, and not stalled. */
static bool kept_busy(const struct facts *facts, const struct wh_flow *flow,
                      const struct wh_stall *stall)
{
    int64_t life_ns = flow->end_ns - flow->start_ns;
    if (flow->id == stall->flow || life_ns <= 0 || flow->start_ns > stall->start_ns ||
        flow->end_ns < stall->end_ns || !crosses(flow, stall->segment))
        return false;
    double bytes = (double)most_bytes(flow) * (double)duration(stall) / (double)life_ns;
    return bytes >= 65536 && !stall_at(facts, flow, stall->start_ns, duration(stall));
}

bool facts_other_moved(struct facts *facts, const struct wh_stall *stall, struct passage *passage)
{
    *passage = (struct passage){0};
    if (!facts->segment[stall->segment].inner)
        return false;
    passage->event = event_meanwhile(facts, stall, false);
    if (passage->event)
        passage->flow = flow_of(facts, passage->event->flow);
    for (uint32_t i = 0; i < facts->busy_count && !passage->flow; i++)
        if (kept_busy(facts, facts->busy[i], stall))
            passage->flow = facts->busy[i];
    return passage->flow != NULL;
}

bool facts_other_way_moved(struct facts *facts, const struct wh_stall *stall,
                           struct passage *passage)
{
    *passage = (struct passage){0};
    if (!facts->segment[stall->segment].inner || stall->direction == WH_BOTH)
        return false;
    passage->event = event_meanwhile(facts, stall, true);
    if (passage->event)
        passage->flow = flow_of(facts, passage->event->flow);
    return passage->flow != NULL;
}

const char *facts_place(const struct facts *facts, uint32_t first, uint32_t span)
{
    const struct wh_result *result = facts->result;
    if (span == 1)
        return result->segments[first].name;
    uint32_t end = first + span - 1;
    return arena_printf(facts->arena, "%s..%s", first ? result->points[first - 1].name : "servers",
                        end < result->point_count ? result->points[end].name : "clients");
}
