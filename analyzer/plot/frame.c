/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Layout of the frame: from what is to be shown to where everything goes. */
#include "plot/frame.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "plot/frame_parts.h"
#include "plot/paragraph.h"

/* Labels beyond this many (the longest stalls come first) are not tried. */
#define LABELS_MAX 400u

static int longest_first(const void *a, const void *b)
{
    const struct label *first = a, *second = b;
    if (first->weight != second->weight)
        return first->weight < second->weight ? 1 : -1;
    return (first->row > second->row) - (first->row < second->row);
}

static bool in_sight(const struct frame *frame, const struct plot_stall *stall)
{
    return stall->end_ns >= frame->time.from && stall->start_ns <= frame->time.to;
}

/* The stalls in sight, the longest first, as many as can be hoped to get a label. */
static int choose_stalls(struct frame *frame, struct wh_error *error)
{
    const struct axis *time = &frame->time;
    struct label *all = calloc(frame->what->stall_count + 1u, sizeof *all);
    if (!all)
        return error_memory(error, "a plot's labels");
    uint32_t count = 0;
    for (uint32_t i = 0; i < frame->what->stall_count; i++) {
        const struct plot_stall *stall = &frame->what->stalls[i];
        if (!in_sight(frame, stall))
            continue;
        int64_t from = stall->start_ns > time->from ? stall->start_ns : time->from;
        int64_t to = stall->end_ns < time->to ? stall->end_ns : time->to;
        all[count].at = (axis_pixel(time, from) + axis_pixel(time, to)) / 2;
        all[count].weight = (uint64_t)to - (uint64_t)from;
        all[count++].row = i;
    }
    if (count > LABELS_MAX) {
        qsort(all, count, sizeof *all, longest_first);
        frame->unlabelled = count - LABELS_MAX;
        count = LABELS_MAX;
    }
    frame->labels = all;
    frame->label_count = count;
    frame->labelled = calloc(count + 1u, sizeof *frame->labelled);
    if (!frame->labelled)
        return error_memory(error, "a plot's labels");
    for (uint32_t i = 0; i < count; i++)
        frame->labelled[i] = all[i].row;
    return WH_OK;
}

static int place_labels(struct frame *frame, struct wh_error *error)
{
    if (choose_stalls(frame, error))
        return WH_ERROR;
    for (uint32_t i = 0; i < frame->label_count; i++) {
        char text[160];
        for (enum label_form form = LABEL_SHORT; form <= LABEL_FULL; form++)
            frame->labels[i].width[form] = canvas_width(
                frame->canvas, &frame_label_text, frame_label(frame, i, form, text, sizeof text));
    }
    bool ok;
    frame->label_rows =
        label_place(frame->labels, frame->label_count, FRAME_LEFT, CANVAS_WIDTH - 14, &ok);
    if (!ok)
        return error_memory(error, "a plot's labels");
    for (uint32_t i = 0; i < frame->label_count; i++)
        frame->unlabelled += frame->labels[i].form == LABEL_NONE;
    return WH_OK;
}

static void list_shades(struct frame *frame)
{
    const struct look_shade *seen[3] = {NULL, NULL, NULL};
    for (uint32_t i = 0; i < frame->what->stall_count; i++) {
        const struct plot_stall *stall = &frame->what->stalls[i];
        const struct look_shade *shade = look_shade(stall->cause);
        for (size_t j = 0; in_sight(frame, stall) && j < 3 && seen[j] != shade; j++) {
            if (seen[j])
                continue;
            seen[j] = shade;
            legend_add(&frame->legend, SWATCH_BOX, shade->colour, 0, shade->meaning);
            break;
        }
    }
    if (frame->unlabelled) {
        snprintf(frame->more, sizeof frame->more, "and %u more stalls", frame->unlabelled);
        legend_add(&frame->legend, SWATCH_NONE, 0, 0, frame->more);
    }
}

int frame_prepare(struct frame *frame, const struct plot_frame *what, struct canvas *canvas,
                  double cell, struct wh_error *error)
{
    frame->what = what;
    frame->canvas = canvas;
    frame->cell = cell;
    frame->time = (struct axis){what->start_ns, what->end_ns, FRAME_LEFT, FRAME_RIGHT};
    axis_widen(&frame->time, NS_PER_MS);
    frame->columns = (uint32_t)((FRAME_RIGHT - FRAME_LEFT) / cell);
    frame->columns = frame->columns ? frame->columns : 1;
    if (place_labels(frame, error))
        return WH_ERROR;
    list_shades(frame);
    frame->bottom = frame_foot(frame, false);
    frame->top = canvas->height - frame_head(frame, false) - LABEL_ROW_PX * frame->label_rows;
    return WH_OK;
}

void frame_free(struct frame *frame)
{
    free(frame->labels);
    free(frame->labelled);
    *frame = (struct frame){0};
}

uint32_t frame_height(uint32_t count)
{
    uint32_t most = count < 2 * WH_POINTS_MAX ? count : 2 * WH_POINTS_MAX;
    uint32_t height = 300 + most * FRAME_SLOT_PX;
    return height > CANVAS_HEIGHT ? height : CANVAS_HEIGHT;
}

void frame_split(const struct frame *frame, uint32_t count, struct panel *panels)
{
    double slot = (frame->top - frame->bottom) / (count ? count : 1);
    for (uint32_t i = 0; i < count; i++) {
        panels[i].top = frame->top - slot * i - HEADING_PX;
        panels[i].bottom = frame->top - slot * (i + 1) + (i + 1 < count ? 4 : 0);
    }
}

uint32_t frame_column(const struct frame *frame, int64_t time_ns)
{
    uint32_t column = (uint32_t)(axis_part(&frame->time, time_ns) * frame->columns);
    return column < frame->columns ? column : frame->columns - 1;
}

double frame_x(const struct frame *frame, double column)
{
    return FRAME_LEFT + column * (FRAME_RIGHT - FRAME_LEFT) / frame->columns;
}
