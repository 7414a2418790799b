/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Samples of as many packets as there are become as few as a picture can show. */
#include <limits.h>

#include "base/arena.h"
#include "plot/plot.h"
#include "plot/steps.h"
#include "plot/thin.h"

#define COLUMN_PARTS 4u /* of what is drawn apart at most: a fraction of a pixel */

void plot_gather(struct plot_gathered *gathered, enum plot_use use, int64_t start_ns,
                 int64_t end_ns)
{
    static const unsigned data = KIND_BIT(PLOT_DATA) | KIND_BIT(PLOT_RESENT) | KIND_BIT(PLOT_LOST);
    static const unsigned kinds[] = {
        [PLOT_FOR_NOTHING] = 0,
        [PLOT_FOR_SEQUENCE] = UINT_MAX,
        [PLOT_FOR_THROUGHPUT] = data,
        [PLOT_FOR_WINDOW] = data | KIND_BIT(PLOT_ACK) | KIND_BIT(PLOT_WINDOW),
    };
    *gathered = (struct plot_gathered){
        .use = use, .kinds = kinds[use], .sent = INT64_MIN, .acked = INT64_MIN};
    if (use == PLOT_FOR_THROUGHPUT) {
        struct steps steps = steps_choose(start_ns, end_ns);
        gathered->start_ns = steps.from_ns;
        gathered->end_ns = steps.to_ns;
        gathered->step_ns = steps.step_ns;
    } else {
        uint64_t span = end_ns > start_ns ? (uint64_t)end_ns - (uint64_t)start_ns : 1;
        gathered->step_ns = (int64_t)(span / (THIN_COLUMNS_MAX * COLUMN_PARTS));
    }
    for (unsigned kind = 0; kind < PLOT_KINDS; kind++)
        gathered->kept[kind].until_ns = INT64_MIN;
}

/* A sample that becomes no part of another one. */
static bool keep(struct plot_gathered *gathered, const struct plot_sample *sample)
{
    struct plot_sample *added = ARRAY_PUSH(gathered->items, gathered->count, gathered->capacity);
    if (!added)
        return false;
    *added = *sample;
    gathered->kept[sample->kind].before = gathered->kept[sample->kind].last;
    gathered->kept[sample->kind].last = gathered->count;
    return true;
}

/* ---- sequence -------------------------------------------------------------------------------- */

static bool is_level(enum plot_kind kind)
{
    return kind != PLOT_DATA && kind != PLOT_RESENT && kind != PLOT_LOST && kind != PLOT_SACK;
}

static bool lies_between(int64_t low, int64_t middle, int64_t high)
{
    return low <= high ? low <= middle && middle <= high : high <= middle && middle <= low;
}

/* Does a sample need no place of its own, because it was added to the last one of its kind? */
static bool merge(struct plot_sample *items, uint32_t last_kept, uint32_t before_kept,
                  const struct plot_sample *sample)
{
    if (!last_kept)
        return false;
    struct plot_sample *last = &items[last_kept - 1];
    if (is_level(sample->kind)) {
        if (!before_kept ||
            !lies_between(items[before_kept - 1].offset, last->offset, sample->offset))
            return false;
        *last = *sample;
        return true;
    }
    if (sample_end(last) != sample->offset || last->length > UINT32_MAX - sample->length)
        return false;
    last->length += sample->length;
    return true;
}

static bool gather_column(struct plot_gathered *gathered, const struct plot_sample *sample)
{
    unsigned kind = sample->kind;
    if (sample->time_ns >= gathered->kept[kind].until_ns) {
        gathered->kept[kind].last = gathered->kept[kind].before = 0;
        gathered->kept[kind].until_ns = add_capped(sample->time_ns, gathered->step_ns);
    }
    return merge(gathered->items, gathered->kept[kind].last, gathered->kept[kind].before, sample) ||
           keep(gathered, sample);
}

/* ---- throughput ------------------------------------------------------------------------------ */

static bool gather_bytes(struct plot_gathered *gathered, const struct plot_sample *sample)
{
    int64_t time_ns = sample->time_ns;
    if (time_ns < gathered->start_ns || time_ns > gathered->end_ns)
        return true;
    uint32_t kept = gathered->kept[sample->kind].last;
    struct plot_sample *last = kept ? &gathered->items[kept - 1] : NULL;
    int64_t until_ns = gathered->kept[sample->kind].until_ns;
    if (last && time_ns < until_ns && until_ns - time_ns <= gathered->step_ns &&
        last->length <= UINT32_MAX - sample->length) {
        last->length += sample->length;
        return true;
    }
    uint64_t since = (uint64_t)time_ns - (uint64_t)gathered->start_ns;
    int64_t begun_ns = time_ns - (int64_t)(since % (uint64_t)gathered->step_ns);
    gathered->kept[sample->kind].until_ns = add_capped(begun_ns, gathered->step_ns);
    return keep(gathered, sample);
}

/* ---- window ---------------------------------------------------------------------------------- */

static int64_t difference(int64_t high, int64_t low)
{
    int64_t value;
    if (high <= low)
        return 0;
    return __builtin_sub_overflow(high, low, &value) ? INT64_MAX : value;
}

/* What is in flight after each packet, and what the window is when one tells it. */
static bool gather_flight(struct plot_gathered *gathered, const struct plot_sample *sample)
{
    bool window = sample->kind == PLOT_WINDOW;
    int64_t end = sample_end(sample);
    if (sample->kind == PLOT_ACK) {
        gathered->acked = sample->offset > gathered->acked ? sample->offset : gathered->acked;
    } else if (!window) {
        if (gathered->sent == INT64_MIN && gathered->acked == INT64_MIN)
            gathered->acked = sample->offset;
        gathered->sent = end > gathered->sent ? end : gathered->sent;
    }
    if (gathered->acked == INT64_MIN || (gathered->sent == INT64_MIN && !window))
        return true;
    struct plot_sample level = {
        .time_ns = sample->time_ns,
        .offset = difference(window ? sample->offset : gathered->sent, gathered->acked),
        .kind = window ? PLOT_ROOM : PLOT_FLIGHT,
    };
    return gather_column(gathered, &level);
}

bool plot_gather_sample(struct plot_gathered *gathered, const struct plot_sample *sample)
{
    if (!(gathered->kinds & KIND_BIT(sample->kind)))
        return true;
    switch (gathered->use) {
    case PLOT_FOR_SEQUENCE:
        return gather_column(gathered, sample);
    case PLOT_FOR_THROUGHPUT:
        return gather_bytes(gathered, sample);
    case PLOT_FOR_WINDOW:
        return gather_flight(gathered, sample);
    case PLOT_FOR_NOTHING:
        break;
    }
    return true;
}
