/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Do other flows stand still at the same time in the same segment, and does size decide? */
#include <stdlib.h>
#include <string.h>

#include "base/keyed.h"
#include "blame/calendar.h"
#include "blame/unfinished.h"
#include "blame/verdict.h"

/* So many flows are asked, the largest; so many stalls compared with one, the nearest in time; a
 * flood of small flows makes no difference to what these tell. */
#define FLOWS_ASKED    1024u
#define FINDINGS_ASKED 4096u

/* A flow at the point where most of it was seen. Stalls are asked about as they begin, so that what
 * was found for one mostly holds for the next. */
struct witness {
    uint32_t flow;
    struct hop hop;
    int64_t first_ns, last_ns; /* the path */
    int64_t from_ns, data_ns;  /* whoever asks from a time between these on: */
    int64_t answered_ns;       /* finds data answered by then; NEVER */
};

struct sideways {
    struct findings *findings;
    const struct flows *flows;
    const struct alignment *alignment;
    struct arena *arena;
    struct witness *witnesses; /* the largest first */
    uint32_t witness_count;
    uint32_t mover; /* the witness that moved last */
    struct calendar by_place, by_flow;
};

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

/* Finds the first data from a time on that are answered, and when. */
static void find_movement(struct witness *witness, int64_t from_ns)
{
    const struct hop *hop = &witness->hop;
    witness->from_ns = from_ns;
    witness->data_ns = witness->answered_ns = NEVER;
    bool data = false;
    for (uint32_t i = view_from(hop, from_ns); i < hop->view->pkt_count; i++) {
        data |= hop->view->pkts[i].len > 0;
        if (hop->view->pkts[i].len > 0)
            witness->data_ns = view_time(hop, i);
        else if (data) {
            witness->answered_ns = view_time(hop, i);
            return;
        }
    }
    witness->data_ns = NEVER; /* nothing is answered any more */
}

/* Did data and its acknowledgement move during this time? */
static bool moved(struct witness *witness, int64_t from_ns, int64_t to_ns)
{
    if (witness->last_ns < from_ns || witness->first_ns >= to_ns)
        return false;
    if (from_ns < witness->from_ns || from_ns > witness->data_ns)
        find_movement(witness, from_ns);
    return witness->answered_ns < to_ns;
}

static uint64_t key_of_place(const struct finding *finding)
{
    return (uint64_t)finding->place.first << 32 | finding->place.span;
}

static uint64_t key_of_flow(const struct finding *finding)
{
    return finding->flow;
}

/* Does a stall of another flow, which no other leg's explains, go with this one? */
static bool has_company(const struct sideways *sideways, const struct finding *finding)
{
    const struct calendar *calendar = &sideways->by_place;
    uint32_t asked = 0;
    for (const struct beginning *item =
             calendar_by(calendar, key_of_place(finding), finding->end_ns);
         item && asked < FINDINGS_ASKED;
         item = calendar_before(calendar, item, finding->start_ns), asked++) {
        const struct finding *other = &sideways->findings->items[item->finding];
        if (other->flow != finding->flow && !other->caused_by && together(finding, other))
            return true;
    }
    return false;
}

/* Did this flow stall there too? */
static bool stalled_too(const struct sideways *sideways, const struct finding *finding,
                        uint32_t flow)
{
    const struct calendar *calendar = &sideways->by_flow;
    for (const struct beginning *item = calendar_by(calendar, flow, finding->end_ns); item;
         item = calendar_before(calendar, item, finding->start_ns)) {
        const struct finding *other = &sideways->findings->items[item->finding];
        if (same_place(finding, other) && together(finding, other))
            return true;
    }
    return flow == finding->flow;
}

/* Finds the next witness from `w` on that moved in the middle of the stall and did not stall there
 * itself; `end` where there is none. */
static uint32_t who_moved(const struct sideways *sideways, const struct finding *finding,
                          uint32_t w, uint32_t end)
{
    int64_t margin_ns = (finding->end_ns - finding->start_ns) / 5;
    int64_t from_ns = finding->start_ns + margin_ns, to_ns = finding->end_ns - margin_ns;
    while (w < end && (!moved(&sideways->witnesses[w], from_ns, to_ns) ||
                       stalled_too(sideways, finding, sideways->witnesses[w].flow)))
        w++;
    return w;
}

static enum wh_scope scope_of(struct sideways *sideways, const struct finding *finding)
{
    if (!has_company(sideways, finding))
        return WH_ONE_FLOW;
    uint32_t last = sideways->mover, count = sideways->witness_count;
    if (last < count && who_moved(sideways, finding, last, last + 1) == last)
        return WH_SOME_FLOWS;
    uint32_t mover = who_moved(sideways, finding, 0, count);
    if (mover == count)
        return WH_ALL_FLOWS;
    sideways->mover = mover;
    return WH_SOME_FLOWS;
}

static void ask_scopes(struct sideways *sideways)
{
    struct findings *findings = sideways->findings;
    if (!calendar_make(&sideways->by_place, findings, key_of_place) ||
        !calendar_make(&sideways->by_flow, findings, key_of_flow))
        return;
    for (uint32_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->items[sideways->by_place.items[i].finding];
        finding->scope = scope_of(sideways, finding);
    }
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
            passage->frame = (struct wh_frame){(uint16_t)vanished->to_point, 0, pkt->place};
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

static void ask_size(const struct sideways *sideways, struct finding *finding)
{
    const struct flows *flows = sideways->flows;
    const struct vanished *vanished = &finding->vanished;
    struct passage passage = {0};
    bool vanishes = finding->cause == WH_CAUSE_LOSS || finding->cause == WH_CAUSE_UNKNOWN;
    if (!vanishes || vanished->copies < BLACKHOLE_COPIES || vanished->least_bytes < BLACKHOLE_BYTES)
        return;
    if (vanished->unseen && vanished->last_ns - vanished->first_ns < BLACKHOLE_UNSEEN_NS)
        return;
    bool from_servers =
        (finding->direction == WH_TO_CLIENT) != flows->items[finding->flow].reversed;
    for (uint32_t w = 0; w < sideways->witness_count && passage.largest < vanished->least_bytes;
         w++)
        add_passage(&flows->items[sideways->witnesses[w].flow], sideways->alignment, vanished,
                    from_servers, &passage);
    if (passage.count < BLACKHOLE_PASSED || passage.largest >= vanished->least_bytes)
        return;
    finding->cause = WH_CAUSE_MTU_BLACKHOLE;
    finding->confidence = vanished->unseen ? CONFIDENCE_UNSEEN : CONFIDENCE_BLACKHOLE;
    add_evidence(finding, &passage, sideways->arena);
}

/* ---- does another flow show a queue? ----------------------------------------------------------
 */

#define CONFIDENCE_OTHERS_QUEUE 0.85

static bool within(const struct place *inner, const struct place *outer)
{
    return outer->first <= inner->first && inner->first + inner->span <= outer->first + outer->span;
}

/* The first evidence's frames, as a copy: whoever numbers frames anew finds each of them once. */
static const struct wh_frame *copy_frames(const struct finding *finding, struct arena *arena,
                                          uint32_t *count)
{
    *count = finding->evidence_count ? finding->evidence[0].frame_count : 0;
    struct wh_frame *copies = arena_alloc(arena, (size_t)*count + 1, sizeof *copies);
    if (!copies)
        *count = 0;
    if (*count)
        memcpy(copies, finding->evidence[0].frames, *count * sizeof *copies);
    return copies;
}

/* A flow with few packets cannot tell a queue from a freeze; one whose packets kept coming out of
 * the same segment meanwhile, late as they were, can. */
static void ask_queue(struct finding *finding, const struct findings *findings,
                      const uint32_t *queues, uint32_t queue_count, struct arena *arena)
{
    if (finding->cause != WH_CAUSE_FREEZE && finding->cause != WH_CAUSE_UNKNOWN)
        return;
    for (uint32_t i = 0; i < queue_count; i++) {
        const struct finding *queue = &findings->items[queues[i]];
        int64_t from_ns =
            queue->entered_ns > finding->start_ns ? queue->entered_ns : finding->start_ns;
        int64_t to_ns = queue->end_ns < finding->end_ns ? queue->end_ns : finding->end_ns;
        if (queue->flow == finding->flow || !within(&queue->place, &finding->place) ||
            2 * (to_ns - from_ns) < finding->end_ns - finding->start_ns ||
            queue->silence_ns > (to_ns - from_ns) / 2)
            continue;
        struct wh_evidence *evidence =
            ARRAY_PUSH(finding->evidence, finding->evidence_count, finding->evidence_capacity);
        if (!evidence)
            return;
        *evidence = (struct wh_evidence){
            .text = arena_printf(arena, "packets of another flow kept coming out there meanwhile, "
                                        "late as well: a queue, no freeze")};
        evidence->frames = copy_frames(queue, arena, &evidence->frame_count);
        finding->evidence_count -= evidence->text == NULL;
        finding->cause = WH_CAUSE_QUEUEING;
        finding->place = queue->place;
        finding->direction = queue->direction;
        finding->confidence = CONFIDENCE_OTHERS_QUEUE;
        return;
    }
}

/* The first of a cause: a few thousand tell all that more would. */
static uint32_t list_cause(const struct findings *findings, enum wh_cause cause,
                           uint32_t list[FINDINGS_ASKED])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < findings->count && count < FINDINGS_ASKED; i++)
        if (findings->items[i].cause == cause)
            list[count++] = i;
    return count;
}

static void ask_queues(struct sideways *sideways)
{
    struct findings *findings = sideways->findings;
    uint32_t queues[FINDINGS_ASKED];
    uint32_t count = list_cause(findings, WH_CAUSE_QUEUEING, queues);
    for (uint32_t i = 0; i < findings->count; i++)
        ask_queue(&findings->items[i], findings, queues, count, sideways->arena);
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
        bool queue = item->cause == WH_CAUSE_QUEUEING;
        for (uint32_t k = first; k < kept && queue && !into; k++) {
            struct finding *one = &findings->items[k];
            if (one->cause == WH_CAUSE_QUEUEING && same_place(one, item) &&
                one->start_ns <= item->end_ns && item->start_ns <= one->end_ns)
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
static void ask_place(struct finding *finding, const struct findings *findings,
                      const uint32_t *freezes, uint32_t freeze_count)
{
    const struct place *found = NULL;
    if (finding->cause != WH_CAUSE_FREEZE || finding->place.span < 2)
        return;
    for (uint32_t i = 0; i < freeze_count; i++) {
        const struct finding *other = &findings->items[freezes[i]];
        if (other->flow == finding->flow || other->place.span >= finding->place.span ||
            !within(&other->place, &finding->place) || !together(finding, other))
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

static void ask_places(struct findings *findings)
{
    uint32_t freezes[FINDINGS_ASKED];
    uint32_t count = list_cause(findings, WH_CAUSE_FREEZE, freezes);
    for (uint32_t i = 0; i < findings->count; i++)
        ask_place(&findings->items[i], findings, freezes, count);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* The point that saw most of a flow; point_count: none saw any. */
static unsigned best_point(const struct flows *flows, const struct flow *flow)
{
    unsigned best = flows->point_count;
    uint32_t most = 0;
    for (unsigned p = 0; p < flows->point_count; p++)
        if (flow->at[p] && flow->at[p]->pkt_count > most) {
            most = flow->at[p]->pkt_count;
            best = p;
        }
    return best;
}

static struct witness call_witness(const struct sideways *sideways, uint32_t index)
{
    const struct flow *flow = &sideways->flows->items[index];
    unsigned point = best_point(sideways->flows, flow);
    const struct track_flow *view = flow->at[point];
    const struct clock_fit *clock = &sideways->alignment->clock[point];
    return (struct witness){.flow = index,
                            .hop = {.view = view, .clock = clock},
                            .first_ns = clock_to_path(clock, view->first).ns,
                            .last_ns = clock_to_path(clock, view->last).ns,
                            .from_ns = NEVER};
}

static bool call_witnesses(struct sideways *sideways)
{
    const struct flows *flows = sideways->flows;
    uint32_t count = 0;
    struct keyed *by_size = array_new(flows->count, sizeof *by_size);
    sideways->witnesses = calloc(FLOWS_ASKED, sizeof *sideways->witnesses);
    for (uint32_t f = 0; by_size && f < flows->count; f++) {
        unsigned point = best_point(flows, &flows->items[f]);
        if (point < flows->point_count)
            by_size[count++] = (struct keyed){~(uint64_t)flows->items[f].at[point]->pkt_count, f};
    }
    bool ok = by_size && sideways->witnesses && keyed_sort(by_size, count);
    for (; ok && sideways->witness_count < count && sideways->witness_count < FLOWS_ASKED;
         sideways->witness_count++)
        sideways->witnesses[sideways->witness_count] =
            call_witness(sideways, by_size[sideways->witness_count].index);
    free(by_size);
    return ok;
}

void look_sideways(struct findings *findings, const struct flows *flows,
                   const struct alignment *alignment, struct arena *arena)
{
    struct sideways sideways = {
        .findings = findings, .flows = flows, .alignment = alignment, .arena = arena};
    if (findings->count == 0 || !call_witnesses(&sideways))
        goto cleanup;
    for (uint32_t i = 0; i < findings->count; i++)
        ask_size(&sideways, &findings->items[i]);
    ask_queues(&sideways);
    join_queues(findings);
    ask_unfinished(findings, flows, alignment, arena);
    ask_places(findings);
    ask_scopes(&sideways);
cleanup:
    free(sideways.witnesses);
    calendar_free(&sideways.by_place);
    calendar_free(&sideways.by_flow);
}
