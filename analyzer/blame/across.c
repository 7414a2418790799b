/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Data passes the upstream leg first, then the downstream one. So want of data passes down, as a
 * proxy with an empty buffer is an idle sender; and want of room passes up, as one with a full
 * buffer closes its window.
 */
#include "blame/across.h"

#include <stdlib.h>

#include "blame/timeline.h"

#define DELIVERED_BYTES 4096              /* that a proxy may keep to itself */
#define PASSES_ON_NS    (2 * NS_PER_MS)   /* what came within that time before it sent again */
#define LATER_NS        (200 * NS_PER_MS) /* between an end here and a beginning there */

/* One stall's place in a joint. */
struct across {
    const struct finding *finding;
    struct hop upstream, downstream; /* views of the legs nearest to the proxy */
    uint32_t upstream_flow, downstream_flow;
    unsigned side; /* who sends the data: 0 clients, 1 servers */
};

static struct hop leg_hop(const struct flows *flows, const struct alignment *alignment,
                          uint32_t flow, unsigned point)
{
    return (struct hop){
        .point = point, .view = flows->items[flow].at[point], .clock = &alignment->clock[point]};
}

static struct across place_across(const struct finding *finding, const struct flows *flows,
                                  const struct alignment *alignment)
{
    const struct joint *joint = &flows->joints[flows->items[finding->flow].joined - 1];
    struct hop server = leg_hop(flows, alignment, joint->server_leg, joint->server_point);
    struct hop client = leg_hop(flows, alignment, joint->client_leg, joint->client_point);
    bool down = finding->direction == WH_TO_CLIENT;
    if (finding->direction == WH_BOTH) /* the one in which this leg depends on the other */
        down = (finding->cause == WH_CAUSE_SENDER_IDLE) == (finding->flow == joint->client_leg);
    return (struct across){.finding = finding,
                           .upstream = down ? server : client,
                           .downstream = down ? client : server,
                           .upstream_flow = down ? joint->server_leg : joint->client_leg,
                           .downstream_flow = down ? joint->client_leg : joint->server_leg,
                           .side = down};
}

static bool overlap(const struct finding *a, const struct finding *b)
{
    int64_t start_ns = a->start_ns > b->start_ns ? a->start_ns : b->start_ns;
    int64_t end_ns = a->end_ns < b->end_ns ? a->end_ns : b->end_ns;
    int64_t a_ns = a->end_ns - a->start_ns, b_ns = b->end_ns - b->start_ns;
    return end_ns - start_ns >= (a_ns < b_ns ? a_ns : b_ns) / 2;
}

/* ---- down: the proxy has nothing to send ------------------------------------------------------
 */

/* What the proxy had acknowledged on the upstream leg by then. */
static int64_t delivered_by(const struct across *across, int64_t time_ns)
{
    const struct track_flow *view = across->upstream.view;
    for (uint32_t i = view_from(&across->upstream, time_ns); i-- > 0;)
        if (pkt_side(&view->pkts[i]) != across->side && view->pkts[i].ack != ACK_NONE)
            return view->pkts[i].ack;
    return 0;
}

/* When the proxy went on sending on the downstream leg. */
static int64_t sent_again_ns(const struct across *across)
{
    const struct hop *hop = &across->downstream;
    for (uint32_t i = view_from(hop, across->finding->start_ns + 1); i < hop->view->pkt_count; i++)
        if (pkt_side(&hop->view->pkts[i]) == across->side && hop->view->pkts[i].len > 0)
            return view_time(hop, i);
    return across->finding->end_ns;
}

/* Did it get nothing to send in the meantime? */
static bool is_starved(const struct across *across)
{
    int64_t slack_ns = PASSES_ON_NS + across->upstream.clock->uncertainty_ns +
                       across->downstream.clock->uncertainty_ns;
    int64_t until_ns = sent_again_ns(across) - slack_ns;
    return delivered_by(across, until_ns) - delivered_by(across, across->finding->start_ns) <
           DELIVERED_BYTES;
}

/* The stall of the upstream leg that a pause of the proxy comes from; NULL. */
static const struct finding *find_dearth(const struct findings *findings,
                                         const struct across *across)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *other = &findings->items[i];
        if (other->flow == across->upstream_flow && other->cause != WH_CAUSE_ZERO_WINDOW &&
            overlap(across->finding, other))
            return other;
    }
    return NULL;
}

/* ---- up: the proxy has no room ----------------------------------------------------------------
 */

/* Did data and acknowledgements go on passing on the downstream leg, never silent for half of the
 * time? Then the proxy passes on what it gets as fast as that leg takes it: nothing stands still.
 */
static bool passes_on(const struct across *across, int64_t from_ns, int64_t until_ns)
{
    const struct hop *hop = &across->downstream;
    int64_t last_ns = from_ns, silent_ns = 0;
    for (uint32_t i = view_from(hop, from_ns); i < hop->view->pkt_count; i++) {
        int64_t at_ns = view_time(hop, i);
        if (at_ns > until_ns)
            break;
        silent_ns = at_ns - last_ns > silent_ns ? at_ns - last_ns : silent_ns;
        last_ns = at_ns;
    }
    silent_ns = until_ns - last_ns > silent_ns ? until_ns - last_ns : silent_ns;
    return 2 * silent_ns < until_ns - from_ns;
}

/* Did the stall of the downstream leg fill the proxy, or keep it full? A proxy that gets more than
 * that leg takes closes its window now and then, also before such a stall. */
static bool fills(const struct across *across, const struct finding *other)
{
    const struct finding *closed = across->finding;
    bool before = other->start_ns <= closed->start_ns + LATER_NS &&
                  other->end_ns >= closed->start_ns - LATER_NS;
    return before || (other->start_ns > closed->start_ns && overlap(closed, other) &&
                      passes_on(across, closed->start_ns, other->start_ns));
}

/* The stall of the downstream leg that filled the proxy; NULL. */
static const struct finding *find_jam(const struct findings *findings, const struct across *across)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *other = &findings->items[i];
        if (other->flow == across->downstream_flow && !other->caused_by && fills(across, other))
            return other;
    }
    return NULL;
}

/* ---- all --------------------------------------------------------------------------------------
 */

static void look_down(struct findings *findings, const struct flows *flows,
                      const struct alignment *alignment, bool *gone)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        if (!flows->items[finding->flow].joined || finding->cause != WH_CAUSE_SENDER_IDLE)
            continue;
        struct across across = place_across(finding, flows, alignment);
        if (across.downstream_flow != finding->flow || !is_starved(&across))
            continue;
        const struct finding *cause = find_dearth(findings, &across);
        finding->caused_by = cause ? (uint32_t)(cause - findings->items) + 1 : 0;
        gone[i] = cause == NULL;
    }
}

static void look_up(struct findings *findings, const struct flows *flows,
                    const struct alignment *alignment, bool *gone)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        if (!flows->items[finding->flow].joined || finding->cause != WH_CAUSE_ZERO_WINDOW)
            continue;
        struct across across = place_across(finding, flows, alignment);
        if (across.upstream_flow != finding->flow)
            continue;
        const struct finding *cause = find_jam(findings, &across);
        finding->caused_by = cause ? (uint32_t)(cause - findings->items) + 1 : 0;
        gone[i] = !cause && passes_on(&across, finding->start_ns, finding->end_ns);
    }
}

/* Takes the marked ones away, and renumbers what `caused_by` names: nothing that is gone. */
static void take_away(struct findings *findings, const bool *gone, uint32_t *now)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < findings->count; i++)
        now[i] = gone[i] ? 0 : ++kept;
    for (uint32_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->items[i];
        if (gone[i]) {
            free(finding->evidence);
            continue;
        }
        if (finding->caused_by)
            finding->caused_by = now[finding->caused_by - 1];
        findings->items[now[i] - 1] = *finding;
    }
    findings->count = kept;
}

void look_across(struct findings *findings, const struct flows *flows,
                 const struct alignment *alignment)
{
    if (flows->joint_count == 0)
        return;
    bool *gone = array_new(findings->count, sizeof *gone);
    uint32_t *now = array_new(findings->count, sizeof *now);
    if (gone && now) { /* without memory each leg is left to itself */
        look_down(findings, flows, alignment, gone);
        for (uint32_t i = 0; i < findings->count; i++) /* what is no stall fills no proxy */
            findings->items[i].caused_by = gone[i] ? i + 1 : findings->items[i].caused_by;
        look_up(findings, flows, alignment, gone);
        take_away(findings, gone, now);
    }
    free(gone);
    free(now);
}
