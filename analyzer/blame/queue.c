/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A freeze and a queue both make packets late. In a queue each packet is a little later than the
 * one before it; at the end of a freeze one is suddenly later by all the time that nothing left,
 * and those behind it come at once. So the sudden part is taken off the delay of each packet that
 * was inside then, and what remains is the queue's.
 */
#include "blame/queue.h"

#include "base/clock.h"

#define PASSAGES_LEAST 3u             /* above the threshold: fewer may be chance */
#define FREEZES_KEPT   8u             /* that a packet may have waited through */
#define MARGIN_PART    7              /* 1/7 above the threshold: clearly more */
#define EMPTY_NS       (2 * NS_PER_S) /* nothing inside: nobody knows whether the queue stood */

struct span {
    int64_t from_ns, to_ns;
};

/* The latest times in which nothing left, oldest overwritten. */
struct freezes {
    struct span items[FREEZES_KEPT];
    unsigned count;
};

static int64_t delay_of(const struct passage *passage)
{
    return passage->out_ns - passage->in_ns;
}

int64_t queue_base(const struct passages *passages)
{
    int64_t least_ns = INT64_MAX;
    for (uint32_t i = 0; i < passages->count; i++)
        if (delay_of(&passages->items[i]) < least_ns)
            least_ns = delay_of(&passages->items[i]);
    return least_ns;
}

static const struct passage *quickest(const struct passages *passages, uint32_t from, uint32_t to)
{
    const struct passage *best = &passages->items[from];
    for (uint32_t i = from; i < to; i++)
        if (delay_of(&passages->items[i]) < delay_of(best))
            best = &passages->items[i];
    return best;
}

void queue_level(struct passages *passages)
{
    uint32_t half = passages->count / 2;
    if (half == 0)
        return;
    struct passage early = *quickest(passages, 0, half);
    struct passage late = *quickest(passages, half, passages->count);
    int64_t rise_ns = delay_of(&late) - delay_of(&early), time_ns = late.out_ns - early.out_ns;
    int64_t limit_ns = time_ns / (1000000 / QUEUE_DRIFT_PPM_MAX);
    if (time_ns <= 0 || rise_ns > limit_ns || rise_ns < -limit_ns)
        return;
    double slope = (double)rise_ns / (double)time_ns;
    for (uint32_t i = 0; i < passages->count; i++) {
        struct passage *passage = &passages->items[i];
        passage->in_ns += (int64_t)(slope * (double)(passage->out_ns - early.out_ns));
    }
}

static void note_freeze(struct freezes *freezes, int64_t from_ns, int64_t to_ns)
{
    freezes->items[freezes->count++ % FREEZES_KEPT] = (struct span){from_ns, to_ns};
}

/* How long nothing left while the packet was inside. */
static int64_t frozen_ns(const struct freezes *freezes, const struct passage *passage)
{
    int64_t sum_ns = 0;
    for (unsigned i = 0; i < freezes->count && i < FREEZES_KEPT; i++) {
        const struct span *span = &freezes->items[i];
        int64_t from_ns = span->from_ns > passage->in_ns ? span->from_ns : passage->in_ns;
        int64_t to_ns = span->to_ns < passage->out_ns ? span->to_ns : passage->out_ns;
        if (to_ns > from_ns && sum_ns < delay_of(passage))
            sum_ns += to_ns - from_ns;
    }
    return sum_ns;
}

static void extend(struct queue_time *found, uint32_t at, int64_t queued_ns)
{
    if (found->count++ == 0)
        found->first = at;
    found->last = at;
    if (queued_ns > found->worst_ns) {
        found->worst = at;
        found->worst_ns = queued_ns;
    }
}

static int64_t longest_silence(const struct passages *passages, const struct queue_time *found)
{
    int64_t longest_ns = 0;
    for (uint32_t i = found->first + 1; i <= found->last; i++) {
        int64_t gap_ns = passages->items[i].out_ns - passages->items[i - 1].out_ns;
        longest_ns = gap_ns > longest_ns ? gap_ns : longest_ns;
    }
    return longest_ns;
}

/* Has the queue gone, or was the segment empty, by the time of this passage? */
static bool is_over(const struct passages *passages, const struct queue_time *found,
                    const struct passage *passage, int64_t least_ns)
{
    const struct passage *last = &passages->items[found->last];
    bool below = passage - last > 1 && passage[-1].out_ns - last->out_ns > least_ns;
    return found->count && (below || passage->in_ns - last->out_ns > EMPTY_NS);
}

/* Completes it; false when it is too short to count, or came so little above the threshold that it
 * may be the path's usual buffer. */
static bool is_whole(const struct passages *passages, struct queue_time *found,
                     int64_t threshold_ns, int64_t least_ns)
{
    if (found->count < PASSAGES_LEAST)
        return false;
    const struct passage *first = &passages->items[found->first];
    const struct passage *last = &passages->items[found->last];
    found->ended = found->last + 1 < passages->count;
    found->silence_ns = longest_silence(passages, found);
    return last->out_ns - first->out_ns > least_ns &&
           found->worst_ns > threshold_ns + threshold_ns / MARGIN_PART;
}

bool queue_next(const struct passages *passages, int64_t base_ns, int64_t threshold_ns,
                int64_t least_ns, uint32_t *at, struct queue_time *found)
{
    struct freezes freezes = {.count = 0};
    *found = (struct queue_time){0};
    for (uint32_t i = *at; i < passages->count; i++) {
        const struct passage *passage = &passages->items[i];
        int64_t jump_ns = i ? delay_of(passage) - delay_of(&passages->items[i - 1]) : 0;
        if (jump_ns > threshold_ns / 4 * 3) /* more, from one packet to the next, is no queue's */
            note_freeze(&freezes, passage->out_ns - jump_ns, passage->out_ns);
        if (is_over(passages, found, passage, least_ns)) {
            *at = i;
            if (is_whole(passages, found, threshold_ns, least_ns))
                return true;
            *found = (struct queue_time){0};
        }
        int64_t queued_ns = delay_of(passage) - frozen_ns(&freezes, passage) - base_ns;
        if (queued_ns > threshold_ns)
            extend(found, i, queued_ns);
    }
    *at = passages->count;
    return is_whole(passages, found, threshold_ns, least_ns);
}
