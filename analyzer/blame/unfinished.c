/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The captures ended in the middle of a stall: packets went in and did not come out yet. If others
 * that went in with them came out, they were lost. If nothing came out any more, either way, the
 * segment was most probably frozen: what throws packets away seldom throws all of them away, both
 * ways. If only one way was silent, a rule that drops is more probable than one that holds, unless
 * the same segment was frozen before.
 */
#include "blame/unfinished.h"

#include "blame/passing.h"

#define CONFIDENCE_PASSED  0.85 /* lost: others passed */
#define CONFIDENCE_SILENT  0.75 /* frozen: nothing passed, either way, though both had traffic */
#define CONFIDENCE_ONE_WAY 0.6  /* the other way was silent, or had nothing to carry */
#define FREEZE_MOST_NS     (10 * NS_PER_S) /* nothing is held for longer: lost */

/* What is asked of all findings: what passed meanwhile, and what each place was like before. */
struct inquiry {
    const struct findings *findings;
    const struct flows *flows;
    const struct alignment *alignment;
    struct arena *arena;
    struct passing passing;
    enum before { NOT_ASKED, WAS_FROZEN, WAS_NOT } before[WH_POINTS_MAX + 1][WH_POINTS_MAX + 2];
};

/* One lane in one stretch of time. */
struct traffic_at {
    const struct lane *lane;
    int64_t from_ns, to_ns;
    bool any;
};

static struct traffic_at look_at(struct inquiry *inquiry, unsigned at, unsigned other,
                                 bool from_servers, int64_t from_ns, int64_t to_ns)
{
    struct traffic_at traffic = {passing_lane(&inquiry->passing, at, other, from_servers), from_ns,
                                 to_ns, false};
    traffic.any = traffic.lane && lane_used(&inquiry->passing, traffic.lane, from_ns, to_ns);
    return traffic;
}

/* Was the segment frozen, and not lossy, at another time? */
static bool frozen_before(struct inquiry *inquiry, const struct place *place)
{
    enum before *known = &inquiry->before[place->first][place->span];
    int64_t freeze_ns = 0, loss_ns = 0;
    for (uint32_t i = 0; *known == NOT_ASKED && i < inquiry->findings->count; i++) {
        const struct finding *other = &inquiry->findings->items[i];
        if (!other->resumed || other->place.first != place->first ||
            other->place.span != place->span)
            continue;
        freeze_ns += other->cause == WH_CAUSE_FREEZE ? other->end_ns - other->start_ns : 0;
        loss_ns += other->cause == WH_CAUSE_LOSS ? other->end_ns - other->start_ns : 0;
    }
    if (*known == NOT_ASKED)
        *known = freeze_ns > loss_ns ? WAS_FROZEN : WAS_NOT;
    return *known == WAS_FROZEN;
}

static void add_sentence(struct inquiry *inquiry, struct finding *finding,
                         const struct traffic_at *shown, const char *text)
{
    struct wh_evidence *evidence =
        ARRAY_PUSH(finding->evidence, finding->evidence_count, finding->evidence_capacity);
    struct wh_frame *frame = arena_alloc(inquiry->arena, 1, sizeof *frame);
    if (!evidence)
        return;
    bool found =
        frame && lane_last(&inquiry->passing, shown->lane, shown->from_ns, shown->to_ns, frame);
    *evidence = (struct wh_evidence){
        .text = arena_strdup(inquiry->arena, text), .frames = frame, .frame_count = found};
    finding->evidence_count -= evidence->text == NULL;
}

/* Not over when the captures were, between two of them, and not explained by what is seen there. */
static bool is_open(const struct inquiry *inquiry, const struct finding *finding)
{
    const struct place *place = &finding->place;
    bool inner = place->first > 0 && place->first + place->span <= inquiry->flows->point_count;
    return !finding->resumed && inner &&
           (finding->cause == WH_CAUSE_UNKNOWN || finding->cause == WH_CAUSE_LOSS ||
            finding->cause == WH_CAUSE_ACK_LOSS);
}

/* What was under way when it began has come out by then. */
static int64_t middle_of(const struct finding *finding)
{
    return finding->end_ns - (finding->end_ns - finding->start_ns) / 2;
}

static void ask_one(struct inquiry *inquiry, struct finding *finding)
{
    const unsigned *order = inquiry->alignment->order;
    unsigned first = finding->place.first, span = finding->place.span;
    unsigned low = order[first - 1], high = order[first + span - 1];
    bool down =
        (finding->direction == WH_TO_CLIENT) != inquiry->flows->items[finding->flow].reversed;
    unsigned in = down ? low : high, out = down ? high : low;
    int64_t start_ns = finding->start_ns, from_ns = middle_of(finding), to_ns = finding->end_ns;
    struct traffic_at entered = look_at(inquiry, in, out, down, start_ns, to_ns);
    struct traffic_at passed = look_at(inquiry, out, in, down, from_ns, to_ns);
    struct traffic_at back_in = look_at(inquiry, out, in, !down, start_ns, to_ns);
    struct traffic_at back_out = look_at(inquiry, in, out, !down, from_ns, to_ns);
    bool known = finding->cause != WH_CAUSE_UNKNOWN;
    if (!entered.any || !passed.lane || !back_in.lane || !back_out.lane)
        return;
    if (!passed.any && !back_out.any && to_ns - start_ns <= FREEZE_MOST_NS) {
        finding->cause = WH_CAUSE_FREEZE;
        finding->confidence = back_in.any ? CONFIDENCE_SILENT : CONFIDENCE_ONE_WAY;
        finding->direction = back_in.any ? WH_BOTH : finding->direction;
        finding->vanished.copies = 0;
        add_sentence(inquiry, finding, &entered,
                     "until the captures ended packets went in there, and none of any flow came "
                     "out either way");
    } else if (!known && passed.any) {
        finding->cause = WH_CAUSE_LOSS;
        finding->confidence = CONFIDENCE_PASSED;
        add_sentence(inquiry, finding, &passed,
                     "other packets passed there the same way until the captures ended");
    } else if (!passed.any && back_out.any && frozen_before(inquiry, &finding->place)) {
        finding->cause = WH_CAUSE_FREEZE;
        finding->confidence = CONFIDENCE_ONE_WAY;
        finding->vanished.copies = 0;
        add_sentence(inquiry, finding, &entered,
                     "until the captures ended packets went in there, and none came out that way, "
                     "as in a freeze there before");
    } else if (!known && back_out.any) {
        finding->cause = WH_CAUSE_LOSS;
        finding->confidence = CONFIDENCE_ONE_WAY;
        add_sentence(inquiry, finding, &back_out,
                     "packets passed there the other way until the captures ended, and none this "
                     "way: lost, rather than held");
    }
}

void ask_unfinished(struct findings *findings, const struct flows *flows,
                    const struct alignment *alignment, struct arena *arena)
{
    struct inquiry inquiry = {.findings = findings,
                              .flows = flows,
                              .alignment = alignment,
                              .arena = arena,
                              .passing = {.flows = flows, .alignment = alignment}};
    bool ok = true;
    for (uint32_t i = 0; ok && i < findings->count; i++)
        if (is_open(&inquiry, &findings->items[i]))
            ok = passing_add(&inquiry.passing, findings->items[i].start_ns) &&
                 passing_add(&inquiry.passing, middle_of(&findings->items[i]));
    passing_settle(&inquiry.passing);
    for (uint32_t i = 0; ok && i < findings->count; i++)
        if (is_open(&inquiry, &findings->items[i]))
            ask_one(&inquiry, &findings->items[i]);
    passing_free(&inquiry.passing);
}
