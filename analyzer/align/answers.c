/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two captures of which one saw one direction only have no packet that crosses both of them the
 * other way. What acknowledges a byte comes after it everywhere: that bounds their clocks instead.
 */
#include "align/answers.h"

#include "align/pairs.h"
#include "align/straight.h"
#include "base/arena.h"

/* A place in one view: how far the stream of a side was seen there without a hole. */
struct reading {
    const struct track_flow *view;
    uint32_t at;
    int64_t end; /* all before it was seen */
    bool begun;
};

/* The next packet that brings new bytes of a side in their turn: what comes again may be the copy
 * of one that this capture missed. NULL: none is left. */
static const struct pkt *next_new(struct reading *reading, unsigned side)
{
    while (reading->at < reading->view->pkt_count) {
        const struct pkt *pkt = &reading->view->pkts[reading->at++];
        if (pkt_side(pkt) != side || pkt_span(pkt) == 0 ||
            (pkt->flags & (PKT_DUPLICATE | PKT_RST)) ||
            (reading->begun && pkt_end(pkt) <= reading->end))
            continue;
        bool in_turn = reading->begun && pkt->seq == reading->end;
        reading->begun = true;
        reading->end = pkt_end(pkt);
        if (in_turn || (pkt->flags & PKT_SYN))
            return pkt;
    }
    return NULL;
}

static bool add_answer(const struct pkt *data, const struct pkt *answer, bool outwards,
                       struct samples *samples)
{
    struct sample *sample = ARRAY_PUSH(samples->items, samples->count, samples->capacity);
    if (sample) {
        *sample = (struct sample){.outwards = outwards};
        sample->place[!outwards] = data->place;
        sample->ns[!outwards] = data->time.ns;
        sample->place[outwards] = answer->place;
        sample->ns[outwards] = answer->time.ns;
    }
    return sample != NULL;
}

/* Data of a side at one view, its first acknowledgement at the other one. */
static bool collect(const struct track_flow *data_at, const struct track_flow *answer_at,
                    unsigned side, bool outwards, struct samples *samples)
{
    struct reading reading = {.view = data_at};
    const struct pkt *data = next_new(&reading, side);
    int64_t acknowledged = INT64_MIN;
    for (uint32_t i = 0; data && i < answer_at->pkt_count; i++) {
        const struct pkt *answer = &answer_at->pkts[i];
        if (pkt_side(answer) == side || answer->ack == ACK_NONE || answer->ack <= acknowledged ||
            (answer->flags & (PKT_DUPLICATE | PKT_RST)))
            continue;
        acknowledged = answer->ack;
        while (data && pkt_end(data) < acknowledged)
            data = next_new(&reading, side);
        if (data && pkt_end(data) == acknowledged && !add_answer(data, answer, outwards, samples))
            return false;
    }
    return true;
}

bool answers_collect(const struct track_flow *near, const struct track_flow *far,
                     struct samples *samples)
{
    for (unsigned side = 0; side < 2; side++)
        if (!collect(near, far, side, true, samples) || !collect(far, near, side, false, samples))
            return false;
    return true;
}
