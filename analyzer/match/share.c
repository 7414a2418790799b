/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Once a flow is matched: what one point knows of it is told to the others. */
#include "match/share.h"

#include "base/parallel.h"

/* Makes all points count a flow's two streams from the same origin: that of a point which saw the
 * SYN, else of the first point. */
static void align_origins(struct flow *flow, unsigned point_count)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct track_flow *reference = NULL;
        for (unsigned p = 0; p < point_count; p++) {
            const struct track_flow *view = flow->at[p];
            if (view && view->stream[side].seen &&
                (!reference ||
                 (view->stream[side].base_known && !reference->stream[side].base_known)))
                reference = view;
        }
        for (unsigned p = 0; reference && p < point_count; p++)
            if (flow->at[p] && flow->at[p]->stream[side].seen)
                track_shift(
                    flow->at[p], side,
                    (int32_t)(flow->at[p]->stream[side].base - reference->stream[side].base));
    }
}

/* What the SYNs negotiated, told to the points that did not see them or saw them cut; what can be
 * inferred where no point saw them. */
static void share_options(struct flow *flow, unsigned point_count)
{
    for (unsigned side = 0; side < 2; side++) {
        const struct stream *told = NULL;
        for (unsigned p = 0; p < point_count && !told; p++)
            if (flow->at[p] && flow->at[p]->stream[side].options_seen)
                told = &flow->at[p]->stream[side];
        for (unsigned p = 0; p < point_count; p++) {
            struct stream *stream = flow->at[p] ? &flow->at[p]->stream[side] : NULL;
            if (!told && stream)
                track_infer_scale(flow->at[p], side);
            if (!told)
                continue;
            if (!stream || stream->options_seen)
                continue;
            stream->options_seen = true;
            stream->window_scale_known = told->window_scale_known;
            stream->window_scale = told->window_scale;
            stream->mss = told->mss;
        }
    }
}

static void share_one(void *context, unsigned worker, uint32_t item)
{
    struct flows *flows = context;
    struct flow *flow = &flows->items[item];
    (void)worker;
    if (flow->kind != MATCH_SINGLE)
        align_origins(flow, flows->point_count);
    share_options(flow, flows->point_count);
}

void match_share(struct flows *flows, unsigned threads)
{
    parallel_run(threads, flows->count, share_one, flows);
}
