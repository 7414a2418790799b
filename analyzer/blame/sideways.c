/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Do other flows stand still at the same time in the same segment, and does size decide? */
#include <stdlib.h>

#include "blame/unfinished.h"
#include "blame/verdict.h"

/* At least half of the shorter one lies within the other. */
static bool together(const struct finding *a, const struct finding *b)
{
    int64_t start_ns = a->start_ns > b->start_ns ? a->start_ns : b->start_ns;
    int64_t end_ns = a->end_ns < b->end_ns ? a->end_ns : b->end_ns;
    int64_t a_ns = a->end_ns - a->start_ns, b_ns = b->end_ns - b->start_ns;
    return 2 * (end_ns - start_ns) >= (a_ns < b_ns ? a_ns : b_ns);
}

static bool same_place(const struct finding *a, const struct finding *b)
{
    return a->place.first == b->place.first && a->place.span == b->place.span;
}

/* Did data and its acknowledgement move during the middle of the time? Asked of the point where
 * most of the flow was seen. */
static bool moved(const struct flow *flow, const struct flows *flows,
                  const struct alignment *alignment, int64_t start_ns, int64_t end_ns)
{
    struct hop hop = {0};
    for (unsigned p = 0; p < flows->point_count; p++)
        if (flow->at[p] && (!hop.view || flow->at[p]->pkt_count > hop.view->pkt_count)) {
            hop.view = flow->at[p];
            hop.clock = &alignment->clock[p];
        }
    if (!hop.view)
        return false;
    int64_t margin_ns = (end_ns - start_ns) / 5;
    bool data = false, answered = false;
    for (uint32_t i = view_from(&hop, start_ns + margin_ns);
         i < hop.view->pkt_count && view_time(&hop, i) < end_ns - margin_ns && !answered; i++) {
        const struct pkt *pkt = &hop.view->pkts[i];
        answered = data && pkt->len == 0;
        data |= pkt->len > 0;
    }
    return answered;
}

static enum wh_scope scope_of(const struct findings *findings, uint32_t at,
                              const struct flows *flows, const struct alignment *alignment,
                              bool *stalled)
{
    const struct finding *finding = &findings->items[at];
    uint32_t others = 0;
    bool others_moved = false;
    for (uint32_t f = 0; f < flows->count; f++)
        stalled[f] = f == finding->flow;
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *other = &findings->items[i];
        if (stalled[other->flow] || !same_place(finding, other) || !together(finding, other))
            continue;
        stalled[other->flow] = true;
        others += !other->caused_by;
    }
    if (others == 0)
        return WH_ONE_FLOW;
    for (uint32_t f = 0; f < flows->count && !others_moved; f++)
        others_moved = !stalled[f] && moved(&flows->items[f], flows, alignment, finding->start_ns,
                                            finding->end_ns);
    return others_moved ? WH_SOME_FLOWS : WH_ALL_FLOWS;
}

/* ---- does size decide? ----------------------------------------------------------------------- */

#define BLACKHOLE_COPIES 2u /* of the byte waited for: again and again */
#define BLACKHOLE_BYTES                                                                            \
    500u /* a path that carries less breaks more than TCP (RFC 791, 3.2: 576)                      \
          */
#define BLACKHOLE_PASSED     2u /* smaller packets that came through meanwhile */
#define CONFIDENCE_BLACKHOLE 0.9
#define CONFIDENCE_UNSEEN    0.75     /* nobody saw the sizes of what was lost */
#define BLACKHOLE_UNSEEN_NS  NS_PER_S /* long enough for several copies of one byte */

#define ANSWER_PACKETS 4096u /* looked through for the acknowledgement of a packet */

/* Data that came to the point where the copies did not - behind the outermost capture: data that
 * was acknowledged - going the same way, from when the first copy vanished to when the last did. */
struct passage {
    uint32_t count, largest;
    struct wh_frame frame; /* the largest */
};

/* Did an acknowledgement of the packet come before the last copy vanished? */
static bool was_answered(const struct hop *hop, uint32_t index, int64_t by_ns)
{
    const struct track_flow *view = hop->view;
    const struct pkt *pkt = &view->pkts[index];
    for (uint32_t i = index + 1; i < view->pkt_count && i - index < ANSWER_PACKETS; i++) {
        if (view_time(hop, i) > by_ns)
            return false;
        if (pkt_side(&view->pkts[i]) != pkt_side(pkt) && view->pkts[i].ack != ACK_NONE &&
            view->pkts[i].ack >= pkt_end(pkt))
            return true;
    }
    return false;
}

static void add_passage(const struct flow *flow, const struct alignment *alignment,
                        const struct vanished *vanished, bool from_servers, struct passage *passage)
{
    struct hop hop = {.view = flow->at[vanished->to_point],
                      .clock = &alignment->clock[vanished->to_point]};
    if (!hop.view)
        return;
    for (uint32_t i = view_from(&hop, vanished->first_ns);
         i < hop.view->pkt_count && view_time(&hop, i) <= vanished->last_ns; i++) {
        const struct pkt *pkt = &hop.view->pkts[i];
        if (pkt->len == 0 || ((pkt_side(pkt) == 1) != flow->reversed) != from_servers)
            continue;
        bool behind = vanished->from_point == vanished->to_point && !vanished->unseen;
        if (behind && !was_answered(&hop, i, vanished->last_ns))
            continue;
        passage->count++;
        if (pkt->len >= passage->largest) {
            passage->largest = pkt->len;
            passage->frame = (struct wh_frame){(uint16_t)vanished->to_point, pkt->file, pkt->frame};
        }
    }
}

static void add_evidence(struct finding *finding, const struct passage *passage,
                         struct arena *arena)
{
    struct wh_evidence *evidence =
        ARRAY_PUSH(finding->evidence, finding->evidence_count, finding->evidence_capacity);
    struct wh_frame *frame = arena_alloc(arena, 1, sizeof *frame);
    if (!evidence)
        return;
    *evidence = (struct wh_evidence){
        .text = arena_printf(arena,
                             "nothing of %u payload bytes or more came through meanwhile, while %u "
                             "smaller packets did, of up to %u bytes",
                             finding->vanished.least_bytes, passage->count, passage->largest),
        .frames = frame,
        .frame_count = frame != NULL};
    if (frame)
        *frame = passage->frame;
    finding->evidence_count -= evidence->text == NULL;
}

static void ask_size(struct finding *finding, const struct flows *flows,
                     const struct alignment *alignment, struct arena *arena)
{
    const struct vanished *vanished = &finding->vanished;
    struct passage passage = {0};
    bool vanishes = finding->cause == WH_CAUSE_LOSS || finding->cause == WH_CAUSE_UNKNOWN;
    if (!vanishes || vanished->copies < BLACKHOLE_COPIES || vanished->least_bytes < BLACKHOLE_BYTES)
        return;
    if (vanished->unseen && vanished->last_ns - vanished->first_ns < BLACKHOLE_UNSEEN_NS)
        return;
    bool from_servers =
        (finding->direction == WH_TO_CLIENT) != flows->items[finding->flow].reversed;
    for (uint32_t f = 0; f < flows->count && passage.largest < vanished->least_bytes; f++)
        add_passage(&flows->items[f], alignment, vanished, from_servers, &passage);
    if (passage.count < BLACKHOLE_PASSED || passage.largest >= vanished->least_bytes)
        return;
    finding->cause = WH_CAUSE_MTU_BLACKHOLE;
    finding->confidence = vanished->unseen ? CONFIDENCE_UNSEEN : CONFIDENCE_BLACKHOLE;
    add_evidence(finding, &passage, arena);
}

/* ---- does another flow show a queue? ----------------------------------------------------------
 */

#define CONFIDENCE_OTHERS_QUEUE 0.85

static bool within(const struct place *inner, const struct place *outer)
{
    return outer->first <= inner->first && inner->first + inner->span <= outer->first + outer->span;
}

/* A flow with few packets cannot tell a queue from a freeze; one whose packets kept coming out of
 * the same segment meanwhile, late as they were, can. */
static void ask_queue(struct finding *finding, const struct findings *findings, struct arena *arena)
{
    if (finding->cause != WH_CAUSE_FREEZE && finding->cause != WH_CAUSE_UNKNOWN)
        return;
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *queue = &findings->items[i];
        int64_t from_ns =
            queue->entered_ns > finding->start_ns ? queue->entered_ns : finding->start_ns;
        int64_t to_ns = queue->end_ns < finding->end_ns ? queue->end_ns : finding->end_ns;
        if (queue->cause != WH_CAUSE_QUEUEING || queue->flow == finding->flow ||
            !within(&queue->place, &finding->place) ||
            2 * (to_ns - from_ns) < finding->end_ns - finding->start_ns ||
            2 * queue->silence_ns > to_ns - from_ns)
            continue;
        struct wh_evidence *evidence =
            ARRAY_PUSH(finding->evidence, finding->evidence_count, finding->evidence_capacity);
        if (!evidence)
            return;
        *evidence = (struct wh_evidence){
            .text = arena_printf(arena, "packets of another flow kept coming out there meanwhile, "
                                        "late as well: a queue, no freeze"),
            .frames = queue->evidence_count ? queue->evidence[0].frames : NULL,
            .frame_count = queue->evidence_count ? queue->evidence[0].frame_count : 0};
        finding->evidence_count -= evidence->text == NULL;
        finding->cause = WH_CAUSE_QUEUEING;
        finding->place = queue->place;
        finding->direction = queue->direction;
        finding->silence_ns = INT64_MAX; /* by itself it tells nothing of others */
        finding->confidence = CONFIDENCE_OTHERS_QUEUE;
        return;
    }
}

/* What turned out to be a queue's may touch a time in which that queue was seen at work. Findings
 * of a flow lie side by side. */
static void join_queues(struct findings *findings)
{
    uint32_t kept = 0, first = 0; /* first: of the flow, among those kept */
    for (uint32_t i = 0; i < findings->count; i++) {
        struct finding *item = &findings->items[i], *into = NULL;
        if (kept == 0 || findings->items[kept - 1].flow != item->flow)
            first = kept;
        for (uint32_t k = first; k < kept && !into; k++) {
            struct finding *one = &findings->items[k];
            bool queues = one->cause == WH_CAUSE_QUEUEING && item->cause == WH_CAUSE_QUEUEING;
            if (queues && same_place(one, item) && one->start_ns <= item->end_ns &&
                item->start_ns <= one->end_ns)
                into = one;
        }
        if (!into) {
            findings->items[kept++] = *item;
            continue;
        }
        into->direction = into->direction == item->direction ? into->direction : WH_BOTH;
        into->start_ns = item->start_ns < into->start_ns ? item->start_ns : into->start_ns;
        into->resumed = item->end_ns > into->end_ns ? item->resumed : into->resumed;
        into->end_ns = item->end_ns > into->end_ns ? item->end_ns : into->end_ns;
        free(item->evidence);
    }
    findings->count = kept;
}

/* ---- does another flow show the place more closely? ------------------------------------------ */

#define CONFIDENCE_OTHERS_PLACE 0.9 /* of what it was */

/* A freeze stops all flows: where one stall can be placed only widely, since a capture was over or
 * had not begun, those of other flows at the same time tell where within. */
static void ask_place(struct finding *finding, const struct findings *findings)
{
    const struct place *found = NULL;
    if (finding->cause != WH_CAUSE_FREEZE || finding->place.span < 2)
        return;
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *other = &findings->items[i];
        if (other->flow == finding->flow || other->cause != WH_CAUSE_FREEZE ||
            other->place.span >= finding->place.span || !within(&other->place, &finding->place) ||
            !together(finding, other))
            continue;
        if (found && (found->first != other->place.first || found->span != other->place.span))
            return;
        found = &other->place;
    }
    if (!found)
        return;
    finding->place = *found;
    finding->confidence *= CONFIDENCE_OTHERS_PLACE;
}

void look_sideways(struct findings *findings, const struct flows *flows,
                   const struct alignment *alignment, struct arena *arena)
{
    bool *stalled = calloc((size_t)flows->count + 1, sizeof *stalled);
    for (uint32_t i = 0; i < findings->count; i++)
        ask_size(&findings->items[i], flows, alignment, arena);
    for (uint32_t i = 0; i < findings->count; i++)
        ask_queue(&findings->items[i], findings, arena);
    join_queues(findings);
    ask_unfinished(findings, flows, alignment, arena);
    for (uint32_t i = 0; i < findings->count; i++)
        ask_place(&findings->items[i], findings);
    for (uint32_t i = 0; stalled && i < findings->count; i++)
        findings->items[i].scope = scope_of(findings, i, flows, alignment, stalled);
    free(stalled);
}
