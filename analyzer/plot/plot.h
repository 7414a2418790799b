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
    PLOT_SACK,   /* offset..offset+length is acknowledged selectively (RFC 2018) */
    PLOT_FLIGHT, /* offset bytes were seen and are not acknowledged: only for plot_write_window */
    PLOT_ROOM,   /* offset bytes may be, as the receiver says: the same */
    PLOT_KINDS,
};

struct plot_sample {
    int64_t time_ns; /* since the epoch */
    int64_t offset;  /* bytes of the stream */
    uint32_t length;
    uint8_t kind; /* enum plot_kind */
};

/* A stretch of time. */
struct plot_span {
    int64_t from_ns, to_ns;
};

/* What one point saw of the plotted direction. */
struct plot_point {
    const char *name;
    const struct plot_sample *samples; /* each kind's by time */
    uint32_t sample_count;
    const struct plot_span *gaps; /* by time: its capture was not running, or has a hole */
    uint32_t gap_count;
};

struct plot_stall {
    int64_t start_ns, end_ns;
    const char *label; /* "1: freeze, xenbrE..xenbrD" */
    enum wh_cause cause;
};

/* What all plots over time have in common. Those with one start and end can be laid under each
 * other: their time axes lie on the same pixels. */
struct plot_frame {
    const char *title;      /* the flow, its direction */
    const char *subtitle;   /* the verdict on it */
    const char *time_label; /* "seconds since 2026-11-22 16:01:22.291717 UTC" */
    const struct plot_stall *stalls;
    uint32_t stall_count;
    int64_t start_ns, end_ns; /* of the time axis */
};

struct plot_sequence {
    struct plot_frame frame;
    const struct plot_point *points; /* from the sender to the receiver */
    uint32_t point_count;
    int64_t silence_ns; /* no line is drawn across a longer one; 0: 200,000,000 */
};

/* One packet's way over a segment. */
struct plot_delay {
    int64_t time_ns; /* when it entered */
    int64_t delay_ns;
    uint8_t direction; /* enum wh_direction */
};

struct plot_delay_segment {
    const char *name;
    const struct plot_delay *samples; /* in any order */
    uint32_t sample_count;
    int64_t uncertainty_ns;          /* of the delays; WH_NONE: no packet ties the two clocks */
    bool round_trip;                 /* an outer segment: to the connection's end and back */
    const struct plot_span *gaps[2]; /* by time: nothing captured at one of its points */
    uint32_t gap_count[2];
};

struct plot_delays {
    struct plot_frame frame;
    const struct plot_delay_segment *segments; /* from the servers to the clients */
    uint32_t segment_count;
};

struct plot_strip_stall {
    int64_t start_ns, end_ns;
    uint32_t segment; /* index into plot_flows.segments */
    uint32_t flow;
};

/* A flow's life. */
struct plot_strip {
    const char *name;  /* "flow 12" */
    const char *about; /* its addresses; left out where there is no room */
    int64_t start_ns, end_ns;
    const struct plot_span *active; /* by time: packets were seen */
    uint32_t active_count;
    const struct plot_strip_stall *stalls;
    uint32_t stall_count;
};

struct plot_flows {
    struct plot_frame frame; /* without stalls */
    const struct plot_strip *strips;
    uint32_t strip_count;
    const char *left_out; /* the flows without a strip: "and 140 more flows, 3 of them stalled" */
    const struct plot_strip_stall
        *stalls; /* of all flows, by flow and start: how many stall at a time */
    uint32_t stall_count;
    const char *const *segments; /* what stalls can be in, in the path's order, spans last */
    uint32_t segment_count;
};

#define PLOT_STRIPS_MAX 64u /* more do not fit */

struct plot_path_way {
    uint64_t packets, lost;
    int64_t delay_min_ns, delay_median_ns, delay_max_ns; /* WH_NONE: not known */
};

struct plot_path_segment {
    struct plot_path_way to_client, to_server;
    int64_t uncertainty_ns; /* of the delays; WH_NONE: not known */
    int64_t stall_time_ns;
    const char *device; /* what stands in it: "NAT", "proxy"; NULL */
    bool guilty;
};

struct plot_path {
    const char *title;
    const char *verdict;            /* a sentence or more */
    const char *guilt;              /* what is said at the guilty segments: "freeze, 98 % sure" */
    int64_t span_time_ns;           /* stalled in one of several guilty ones, nobody knows which */
    const char *const *points;      /* names */
    const char *const *point_notes; /* "26,092 packets"; NULL entries: nothing */
    uint32_t point_count;
    const struct plot_path_segment *segments; /* point_count + 1 */
};

/* The letters' shapes and widths, the same for all pictures; any number of threads may use them at
 * a time. NULL when memory is out. */
struct plot_letters;
struct plot_letters *plot_letters_make(struct wh_error *error);
void plot_letters_free(struct plot_letters *letters);

/* Where a picture goes; NULL: not wanted in that format. */
struct plot_files {
    const char *svg, *png;
    struct plot_letters *letters;
};

/* The picture that samples are for. */
enum plot_use { PLOT_FOR_NOTHING, PLOT_FOR_SEQUENCE, PLOT_FOR_THROUGHPUT, PLOT_FOR_WINDOW };

/* Samples of one point while they are gathered: few of very many change anything in a picture. */
struct plot_gathered {
    struct plot_sample *items; /* each kind's are by time; owned */
    uint32_t count, capacity;
    enum plot_use use;
    unsigned kinds;                    /* of samples that change it: 1 << enum plot_kind */
    int64_t start_ns, end_ns, step_ns; /* of time, within which samples may become one */
    int64_t sent, acked;               /* so far; for the window */
    struct {
        uint32_t last, before; /* kept in this step: index plus 1; 0: none */
        int64_t until_ns;      /* the step's end */
    } kept[PLOT_KINDS];
};

/* To be called first. The picture is from `start_ns` to `end_ns`, as its frame. */
void plot_gather(struct plot_gathered *gathered, enum plot_use use, int64_t start_ns,
                 int64_t end_ns);

/* The next sample, in the order of time. Those of the kinds that packets have become what the
 * picture needs: for throughput the bytes of each step, for the window PLOT_FLIGHT and PLOT_ROOM.
 * Left out is what changes nothing in it: bytes that go on where those just before them ended,
 * levels between two others. False when memory is out. */
bool plot_gather_sample(struct plot_gathered *gathered, const struct plot_sample *sample);

/* Each writes one picture. A file is below 1 MB whatever the flow's size: samples that fall on the
 * same spot are merged, extremes and silences are kept, and no line is drawn across missing data.
 * They fail when a file cannot be written; it is not left then. */

/* Stream offset over time at all points, with stalls shaded and named. */
int plot_write_sequence(const struct plot_sequence *sequence, const struct plot_files *files,
                        struct wh_error *error);

/* Bytes a second at each point, sent again or for the first time. */
int plot_write_throughput(const struct plot_sequence *sequence, const struct plot_files *files,
                          struct wh_error *error);

/* Bytes in flight below the window, as the first point (nearest to the sender) saw them. */
int plot_write_window(const struct plot_sequence *sequence, const struct plot_files *files,
                      struct wh_error *error);

/* The delay of each segment in both directions, on a logarithmic scale. */
int plot_write_delays(const struct plot_delays *delays, const struct plot_files *files,
                      struct wh_error *error);

/* A strip for each flow, its stalls coloured by segment. */
int plot_write_flows(const struct plot_flows *flows, const struct plot_files *files,
                     struct wh_error *error);

/* The path from the servers to the clients. */
int plot_write_path(const struct plot_path *path_shown, const struct plot_files *files,
                    struct wh_error *error);

#endif
