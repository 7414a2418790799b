/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files that turn what was found into pictures: one file a picture. */
#ifndef WHICHHOP_PICTURES_H
#define WHICHHOP_PICTURES_H

#include "analysis.h"
#include "plot/plot.h"
#include "report/report.h"

#define PICTURES_STAGED 3u

/* The pictures of one task. Tasks are shared out among threads. */
struct pictures {
    const struct wh_analysis *analysis;
    struct plot_letters *letters;
    struct arena arena; /* of strings and small arrays; everything else is freed by its picture */
    struct staged_picture {
        const char *name, *svg, *png;
    } staged[PICTURES_STAGED];
    unsigned staged_count;
};

/* A flow that is drawn. */
struct picture_flow {
    const struct wh_flow *shown;
    const struct flow *flow;
    const struct followed *followed;
    struct plot_frame frame; /* what its plots have in common; without a title */
    unsigned side;           /* the sender of the direction that is drawn */
};

/* Writes both files of a picture that was staged by that name. */
typedef int picture_write(const void *data, const struct plot_files *files, struct wh_error *error);
int picture_put(struct pictures *pictures, const char *name, picture_write *write, const void *data,
                struct wh_error *error);

/* "A..B" of a segment or a span of them; NULL when memory is out. */
const char *picture_segment(struct pictures *pictures, uint32_t segment, uint32_t span);

/* A time of a point's capture, since the epoch. */
static inline int64_t picture_time(const struct wh_analysis *analysis,
                                   const struct clock_fit *clock, struct point_time at)
{
    return clock_to_path(clock, at).ns - analysis->epoch.ns;
}

/* When nothing was captured at a point: before its first packet, after its last, and its gaps. NULL
 * when memory is out. */
const struct plot_span *picture_gaps(struct pictures *pictures, const struct wh_point *point,
                                     uint32_t *count);

/* Of two flows, the one more worth looking at: -1 the first, 1 the second. */
int picture_compare_flows(const struct wh_result *result, const struct wh_flow *a,
                          const struct wh_flow *b);

/* Each makes one picture, or those of one kind. */
int picture_path(struct pictures *pictures, struct wh_error *error);
int picture_flows(struct pictures *pictures, const char *time_label, struct wh_error *error);
int picture_packets(struct pictures *pictures, struct picture_flow *flow, struct wh_error *error);
int picture_delays(struct pictures *pictures, struct picture_flow *flow, struct wh_error *error);

#endif
