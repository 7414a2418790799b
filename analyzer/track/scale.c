/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The window scale of a flow whose handshake nobody captured. */
#include <netinet/in.h>

#include "track/track.h"

#define STRETCH_STEPS   4u  /* acknowledgements in a row that only shrink the window */
#define STRETCH_FIELD   24u /* steps of the window field: its rounding is one */
#define SCALE_MAX       14  /* RFC 7323, 2.3 */
#define SCALE_TOLERANCE 8   /* the ratio is within 1/8 of a power of two */

struct stretch {
    int64_t bytes;
    uint32_t field, steps;
};

/* log2 of bytes over field where that is near a whole number; -1. */
static int scale_of(const struct stretch *stretch)
{
    if (stretch->steps < STRETCH_STEPS || stretch->field < STRETCH_FIELD)
        return -1;
    for (int scale = 0; scale <= SCALE_MAX; scale++) {
        int64_t expected = (int64_t)stretch->field << scale;
        int64_t off =
            stretch->bytes > expected ? stretch->bytes - expected : expected - stretch->bytes;
        if (off <= expected / SCALE_TOLERANCE)
            return scale;
    }
    return -1;
}

/* A receiver that reads in between shrinks its window less: the smallest ratio is the true one. */
static void settle(struct stream *stream, const struct stretch *stretch)
{
    int scale = scale_of(stretch);
    if (scale < 0 || (stream->scale_inferred && scale >= stream->window_scale))
        return;
    stream->scale_inferred = true;
    stream->window_scale = (uint8_t)scale;
}

void track_infer_scale(struct track_flow *flow, unsigned side)
{
    const struct pkt *last = NULL;
    struct stretch stretch = {0};
    for (uint32_t i = 0; flow->protocol == IPPROTO_TCP && i < flow->pkt_count; i++) {
        const struct pkt *pkt = &flow->pkts[i];
        if (pkt_side(pkt) != side || pkt->ack == ACK_NONE ||
            (pkt->flags & (PKT_SYN | PKT_RST | PKT_DUPLICATE)))
            continue;
        if (last && pkt->ack > last->ack && pkt->window < last->window) {
            stretch.bytes += pkt->ack - last->ack;
            stretch.field += last->window - pkt->window;
            stretch.steps++;
        } else if (last && (pkt->ack != last->ack || pkt->window != last->window)) {
            settle(&flow->stream[side], &stretch);
            stretch = (struct stretch){0};
        }
        last = pkt;
    }
    settle(&flow->stream[side], &stretch);
}
