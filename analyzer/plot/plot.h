/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plots through libplot, as SVG and PNG. A plot gets plain samples and knows nothing of how they
 * were found.
 */
#ifndef WHICHHOP_PLOT_PLOT_H
#define WHICHHOP_PLOT_PLOT_H

#include "whichhop.h"

enum plot_kind {
    PLOT_DATA,   /* offset..offset+length was seen */
    PLOT_RESENT, /* the same, not for the first time */
    PLOT_LOST,   /* seen here, never at the next point */
    PLOT_ACK,    /* everything below offset is acknowledged */
    PLOT_WINDOW, /* the window's upper edge */
};

struct plot_sample {
    int64_t time_ns; /* since the epoch */
    int64_t offset;  /* bytes of the stream */
    uint32_t length;
    uint8_t kind; /* enum plot_kind */
};

/* What one point saw of the plotted direction. */
struct plot_point {
    const char *name;
    const struct plot_sample *samples; /* by time */
    uint32_t sample_count;
};

struct plot_stall {
    int64_t start_ns, end_ns;
    const char *label; /* "1: freeze, xenbrE..xenbrD" */
    enum wh_cause cause;
};

struct plot_sequence {
    const char *title;               /* the flow, its direction */
    const char *subtitle;            /* the verdict on it */
    const char *time_label;          /* "seconds since 2026-11-22 16:01:22.291717 UTC" */
    const struct plot_point *points; /* from the sender to the receiver */
    uint32_t point_count;
    const struct plot_stall *stalls;
    uint32_t stall_count;
    int64_t start_ns, end_ns; /* of the time axis */
    int64_t silence_ns;       /* no line is drawn across a longer one; 0: 200,000,000 */
};

/* Writes stream offset over time at all points, with stalls shaded and named, to `path` (whose
 * ending, .svg or .png, decides the format). The file is below 1 MB whatever the flow's size:
 * samples that fall on the same spot are merged, extremes and silences are kept, and no line is
 * drawn across missing data. Fails when the file cannot be written; nothing is left then. */
int plot_write_sequence(const struct plot_sequence *sequence, const char *path,
                        struct wh_error *error);

#endif
