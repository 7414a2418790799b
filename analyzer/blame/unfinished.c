/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The captures ended in the middle of a stall: packets went in and did not come out yet. If others
 * that went in with them came out, they were lost. If nothing came out any more, either way, the
 * segment was most probably frozen: what throws packets away seldom throws all of them away, both
 * ways. If only one way was silent, a rule that drops is more probable than one that holds, unless
 * the same segment was frozen before.
 */
#include "blame/unfinished.h"

#include <stdlib.h>

#define CONFIDENCE_PASSED  0.85 /* lost: others passed */
#define CONFIDENCE_SILENT  0.75 /* frozen: nothing passed, either way, though both had traffic */
#define CONFIDENCE_ONE_WAY 0.6  /* the other way was silent, or had nothing to carry */
#define FREEZE_MOST_NS     (10 * NS_PER_S) /* nothing is held for longer: lost */

/* Packets of all flows at one point, one way, in a part of a stall. */
struct count {
    uint32_t packets;
    struct wh_frame last;
};

/* Of flows that the other point saw as well. */
static struct count count_packets(const struct flows *flows, const struct alignment *alignment,
                                  unsigned at, unsigned other, bool from_servers, int64_t from_ns,
                                  int64_t to_ns)
{
    struct count count = {0, {0}};
    for (uint32_t f = 0; f < flows->count; f++) {
        const struct flow *flow = &flows->items[f];
        struct hop hop = {.view = flow->at[at], .clock = &alignment->clock[at]};
        if (!hop.view || !flow->at[other])
            continue;
        for (uint32_t i = view_from(&hop, from_ns);
             i < hop.view->pkt_count && view_time(&hop, i) <= to_ns; i++) {
            const struct pkt *pkt = &hop.view->pkts[i];
            if (((pkt_side(pkt) == 1) != flow->reversed) != from_servers)
                continue;
            count.packets++;
            count.last = (struct wh_frame){(uint16_t)at, pkt->file, pkt->frame};
        }
    }
    return count;
}

/* Was the segment frozen, and not lossy, at another time? */
static bool frozen_before(const struct findings *findings, const struct finding *finding)
{
    int64_t freeze_ns = 0, loss_ns = 0;
    for (uint32_t i = 0; i < findings->count; i++) {
        const struct finding *other = &findings->items[i];
        if (!other->resumed || other->place.first != finding->place.first ||
            other->place.span != finding->place.span)
            continue;
        freeze_ns += other->cause == WH_CAUSE_FREEZE ? other->end_ns - other->start_ns : 0;
        loss_ns += other->cause == WH_CAUSE_LOSS ? other->end_ns - other->start_ns : 0;
    }
    return freeze_ns > loss_ns;
}

static void add_sentence(struct finding *finding, const struct count *frame, struct arena *arena,
                         const char *text)
{
    struct wh_evidence *evidence =
        ARRAY_PUSH(finding->evidence, finding->evidence_count, finding->evidence_capacity);
    struct wh_frame *kept = frame->packets ? arena_alloc(arena, 1, sizeof *kept) : NULL;
    if (!evidence)
        return;
    if (kept)
        *kept = frame->last;
    *evidence = (struct wh_evidence){
        .text = arena_strdup(arena, text), .frames = kept, .frame_count = kept != NULL};
    finding->evidence_count -= evidence->text == NULL;
}

static void ask_one(struct finding *finding, const struct findings *findings,
                    const struct flows *flows, const struct alignment *alignment,
                    struct arena *arena)
{
    unsigned first = finding->place.first, span = finding->place.span;
    bool inner = first > 0 && first + span <= flows->point_count;
    bool open = finding->cause == WH_CAUSE_UNKNOWN || finding->cause == WH_CAUSE_LOSS ||
                finding->cause == WH_CAUSE_ACK_LOSS;
    if (finding->resumed || !inner || !open)
        return;
    unsigned low = alignment->order[first - 1], high = alignment->order[first + span - 1];
    bool down = (finding->direction == WH_TO_CLIENT) != flows->items[finding->flow].reversed;
    unsigned in = down ? low : high, out = down ? high : low;
    /* what was under way when it began has come out by then */
    int64_t to_ns = finding->end_ns;
    int64_t from_ns = to_ns - (to_ns - finding->start_ns) / 2;
    struct count entered = count_packets(flows, alignment, in, out, down, finding->start_ns, to_ns);
    struct count passed = count_packets(flows, alignment, out, in, down, from_ns, to_ns);
    struct count back_in =
        count_packets(flows, alignment, out, in, !down, finding->start_ns, to_ns);
    struct count back_out = count_packets(flows, alignment, in, out, !down, from_ns, to_ns);
    bool known = finding->cause != WH_CAUSE_UNKNOWN;
    if (entered.packets == 0)
        return;
    if (passed.packets == 0 && back_out.packets == 0 &&
        to_ns - finding->start_ns <= FREEZE_MOST_NS) {
        finding->cause = WH_CAUSE_FREEZE;
        finding->confidence = back_in.packets ? CONFIDENCE_SILENT : CONFIDENCE_ONE_WAY;
        finding->direction = back_in.packets ? WH_BOTH : finding->direction;
        finding->vanished.copies = 0;
        add_sentence(
            finding, &entered, arena,
            "until the captures ended packets went in there, and none of any flow came out "
            "either way");
    } else if (!known && passed.packets) {
        finding->cause = WH_CAUSE_LOSS;
        finding->confidence = CONFIDENCE_PASSED;
        add_sentence(finding, &passed, arena,
                     "other packets passed there the same way until the captures ended");
    } else if (passed.packets == 0 && back_out.packets && frozen_before(findings, finding)) {
        finding->cause = WH_CAUSE_FREEZE;
        finding->confidence = CONFIDENCE_ONE_WAY;
        finding->vanished.copies = 0;
        add_sentence(finding, &entered, arena,
                     "until the captures ended packets went in there, and none came out that way, "
                     "as in a freeze there before");
    } else if (!known && back_out.packets) {
        finding->cause = WH_CAUSE_LOSS;
        finding->confidence = CONFIDENCE_ONE_WAY;
        add_sentence(finding, &back_out, arena,
                     "packets passed there the other way until the captures ended, and none this "
                     "way: lost, rather than held");
    }
}

void ask_unfinished(struct findings *findings, const struct flows *flows,
                    const struct alignment *alignment, struct arena *arena)
{
    for (uint32_t i = 0; i < findings->count; i++)
        ask_one(&findings->items[i], findings, flows, alignment, arena);
}
