/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Greedy placing of labels in rows. */
#include "plot/label.h"

#include <stdlib.h>

#define GAP_PX  5.0
#define LINE_PX 2.0

struct placing {
    struct label *labels;
    uint32_t count;
    double left, right;
};

static bool overlap(double a0, double a1, double b0, double b1)
{
    return a0 < b1 && b0 < a1;
}

/* Does anything of `other` stand in `row` between x0 and x1? In the rows below its own it is the
 * line that ties it to the frame. */
static bool in_the_way(const struct label *other, uint32_t row, double x0, double x1)
{
    if (other->form == LABEL_NONE || other->row < row)
        return false;
    if (other->row == row)
        return overlap(x0, x1, other->x - GAP_PX, other->x + other->width[other->form] + GAP_PX);
    return overlap(x0, x1, other->at - LINE_PX, other->at + LINE_PX);
}

static bool is_free(const struct placing *placing, const struct label *label, uint32_t row,
                    double x, double width)
{
    for (uint32_t i = 0; i < placing->count; i++) {
        const struct label *other = &placing->labels[i];
        if (other == label)
            continue;
        if (in_the_way(other, row, x, x + width))
            return false;
        for (uint32_t below = 0; below < row; below++)
            if (in_the_way(other, below, label->at - LINE_PX, label->at + LINE_PX))
                return false;
    }
    return true;
}

static bool try_at(const struct placing *placing, struct label *label, enum label_form form,
                   uint32_t row, double wish)
{
    double width = label->width[form];
    double x = wish > placing->left ? wish : placing->left;
    x = x + width < placing->right ? x : placing->right - width;
    if (x < placing->left || !is_free(placing, label, row, x, width))
        return false;
    label->form = form;
    label->row = row;
    label->x = x;
    return true;
}

/* In the lowest row there is room, centred if possible, else to either side of its line. */
static bool try_form(const struct placing *placing, struct label *label, enum label_form form)
{
    double width = label->width[form];
    const double wishes[] = {label->at - width / 2, label->at - 3, label->at - width + 3};
    for (uint32_t row = 0; row < LABEL_ROWS; row++)
        for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
            if (try_at(placing, label, form, row, wishes[i]))
                return true;
    return false;
}

/* For a crowd: from left to right, each to the right of its line and in the highest row there is
 * room, so that neighbours descend like stairs and no line meets a label. */
static bool try_stairs(const struct placing *placing, struct label *label)
{
    for (uint32_t row = LABEL_ROWS; row-- > 0;)
        if (try_at(placing, label, LABEL_SHORT, row, label->at - 3))
            return true;
    return false;
}

static int by_place(const void *a, const void *b)
{
    const struct label *first = *(struct label *const *)a;
    const struct label *second = *(struct label *const *)b;
    if (first->at != second->at)
        return first->at < second->at ? -1 : 1;
    return first < second ? -1 : first > second;
}

static int by_weight(const void *a, const void *b)
{
    const struct label *first = *(struct label *const *)a;
    const struct label *second = *(struct label *const *)b;
    if (first->weight != second->weight)
        return first->weight > second->weight ? -1 : 1;
    return first < second ? -1 : first > second;
}

static void clear(struct label **order, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        order[i]->form = LABEL_NONE;
}

static uint32_t place_lowest(const struct placing *placing, struct label **order)
{
    uint32_t placed = 0;
    clear(order, placing->count);
    qsort(order, placing->count, sizeof *order, by_weight);
    for (uint32_t i = 0; i < placing->count; i++)
        placed += try_form(placing, order[i], LABEL_SHORT);
    return placed;
}

static uint32_t place_stairs(const struct placing *placing, struct label **order)
{
    uint32_t placed = 0;
    clear(order, placing->count);
    qsort(order, placing->count, sizeof *order, by_place);
    for (uint32_t i = 0; i < placing->count; i++)
        placed += try_stairs(placing, order[i]);
    return placed;
}

uint32_t label_place(struct label *labels, uint32_t count, double left, double right, bool *ok)
{
    struct label **order = calloc(count ? count : 1, sizeof *order);
    *ok = order != NULL;
    if (!order)
        return 0;
    struct placing placing = {labels, count, left, right};
    for (uint32_t i = 0; i < count; i++)
        order[i] = &labels[i];
    uint32_t placed = place_lowest(&placing, order);
    if (placed < count && place_stairs(&placing, order) < placed)
        place_lowest(&placing, order);
    qsort(order, count, sizeof *order, by_weight);
    for (uint32_t i = 0; i < count; i++)
        try_form(&placing, order[i], LABEL_FULL);
    free(order);

    uint32_t rows = 0;
    for (uint32_t i = 0; i < count; i++)
        if (labels[i].form != LABEL_NONE && labels[i].row >= rows)
            rows = labels[i].row + 1;
    return rows;
}
