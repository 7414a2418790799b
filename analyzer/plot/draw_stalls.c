/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stalls: shades behind the data, names above the frame. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "plot/scene.h"

#define EDGE_LINE 0xb08a30u

char *scene_label_text(const struct scene *scene, uint32_t label, enum label_form form,
                       char *buffer, size_t size)
{
    uint32_t index = scene->labelled[label];
    const char *text = scene->sequence->stalls[index].label;
    size_t number = text ? strcspn(text, ":") : 0;
    if (!text || (form == LABEL_SHORT && (!text[number] || number == 0 || number > 8)))
        snprintf(buffer, size, "%u", index + 1);
    else if (form == LABEL_SHORT)
        snprintf(buffer, size, "%.*s", (int)number, text);
    else
        snprintf(buffer, size, "%s", text);
    return buffer;
}

/* Which columns are shaded and how; the shorter of two stalls that overlap does not vanish: the
 * later one is on top. A stall is at least a column wide. */
static void shade_columns(const struct scene *scene, const struct scene_shade **columns)
{
    const struct axis *time = &scene->grid.time;
    uint32_t last = scene->grid.columns - 1;
    for (uint32_t i = 0; i < scene->sequence->stall_count; i++) {
        const struct plot_stall *stall = &scene->sequence->stalls[i];
        if (stall->end_ns < time->from || stall->start_ns > time->to)
            continue;
        uint32_t from = (uint32_t)(axis_part(time, stall->start_ns) * scene->grid.columns);
        uint32_t to = (uint32_t)(axis_part(time, stall->end_ns) * scene->grid.columns);
        from = from < last ? from : last;
        to = to < last ? to : last;
        for (uint32_t column = from; column <= to; column++)
            columns[column] = scene_shade(stall->cause);
    }
}

int draw_shades(const struct scene *scene, struct wh_error *error)
{
    uint32_t count = scene->grid.columns;
    const struct scene_shade **columns = calloc(count, sizeof *columns);
    if (!columns)
        return error_memory(error, "a plot's shades");
    shade_columns(scene, columns);
    for (uint32_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && columns[to] == columns[from]; to++)
            ;
        if (!columns[from])
            continue;
        double x0 = scene->left + from * scene->cell;
        double x1 = scene->left + to * scene->cell;
        canvas_box(scene->canvas, columns[from]->colour, x0, scene->bottom, x1, scene->top);
        canvas_box(scene->canvas, columns[from]->colour, x0, scene->lanes_bottom, x1,
                   scene->lanes_top);
    }
    free(columns);
    return WH_OK;
}

void draw_labels(const struct scene *scene)
{
    static const struct canvas_text how = {TEXT_PX, INK, ANCHOR_LEFT, false, false};
    for (uint32_t i = 0; i < scene->label_count; i++) {
        const struct label *label = &scene->labels[i];
        char text[160];
        if (label->form == LABEL_NONE)
            continue;
        double y = scene->top + 9 + 25.0 * label->row;
        canvas_pen(scene->canvas, EDGE_LINE, 1.2, 0);
        canvas_line(scene->canvas, label->at, scene->top, label->at, y - 5);
        canvas_write(scene->canvas, &how, label->x, y,
                     scene_label_text(scene, i, label->form, text, sizeof text));
    }
}
