/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one analysis holds while it runs, and the stages in their order. Only the files beside this
 * one know it; the stages in the folders know their own headers and those of earlier ones.
 */
#ifndef WHICHHOP_ANALYSIS_H
#define WHICHHOP_ANALYSIS_H

#include <pthread.h>

#include "align/align.h"
#include "blame/blame.h"
#include "detect/detect.h"
#include "follow/follow.h"
#include "join/join.h"
#include "match/match.h"
#include "read/read.h"
#include "track/track.h"
#include "whichhop.h"

/* What tells the packets of one point from others in the same file. */
enum lane_kind {
    LANE_ALL,       /* nothing: all are the point's */
    LANE_INTERFACE, /* the interface, as pcapng numbers them */
    LANE_COOKED,    /* the interface, as the Linux cooked header v2 does */
    LANE_SIDE,      /* Linux cooked v1: the side of the host, 0 towards the client */
};

struct capture_file {
    const char *path;
    enum lane_kind lane_kind;
    uint32_t lane;          /* only packets of this one; see split.h */
    const uint32_t *others; /* or, where it is not NULL, all but these */
    uint32_t other_count;
    const uint32_t *port_packets; /* with LANE_SIDE: how many bore each port; see split.h */
    const char *format;
    const char *damaged;
    uint64_t packets;
    uint32_t frames_before;        /* in the files read before it */
    struct point_time first, last; /* packets; first orders the files, INT64_MAX: none */
};

struct warnings {
    const char **items;
    uint32_t count, capacity;
};

/* One point: its files, and all that came out of them. One thread at a time reads it. */
struct capture {
    const char *name;
    struct arena arena; /* strings below but the names */
    struct warnings warnings;
    struct reading *reading; /* while it is read */
    int status;              /* of reading: WH_OK, or `error` */
    struct wh_error error;
    unsigned given; /* how many points were named before it */
    struct capture_file *files;
    uint32_t file_count, file_capacity;
    bool clock_fixed;
    int64_t clock_offset_ns;
    struct track track;
    struct capture_span span; /* first and last packet; first.ns INT64_MAX without any */
    uint64_t packets, bytes, not_ip, truncated, malformed, fragments, dropped;
    uint64_t missed;          /* packets that passed and are not in the file */
    struct capture_gap *gaps; /* by time */
    uint32_t gap_count, gap_capacity;
    double miss_rate; /* see capture_span */
    unsigned miss_run;
    uint32_t snaplen;
    const char *link_type;
    uint64_t events[WH_EVENT_KINDS];
};

/* What passed one segment in one direction: delays in a histogram, as there are millions. */
#define DELAY_STEPS 32u /* a power of two: a median is right within 1/32 */
struct traffic {
    uint64_t packets, lost;
    int64_t delay_min_ns, delay_max_ns;
    uint64_t delays[64 * DELAY_STEPS];
};

struct wh_analysis {
    struct wh_options options;
    struct arena arena;
    struct capture *captures; /* by name, once they run */
    uint32_t capture_count, capture_capacity;
    uint32_t left_out; /* captures that could not be read */
    struct flows flows;
    struct alignment alignment;
    struct capture_span spans[WH_POINTS_MAX]; /* as flows were followed with them; by point */
    struct followed largest; /* a flow that has more than half of the packets; without: no spans */
    uint32_t largest_index;
    struct findings findings;
    struct traffic (*traffic)[2]; /* by segment and direction (enum wh_direction) */
    struct wh_event *events;
    uint32_t event_count, event_capacity;
    uint64_t events_dropped;
    struct flow_totals {
        uint64_t *events; /* WH_EVENT_KINDS counts; NULL: the flow has none */
        int64_t rtt_ns;
        int64_t start_ns, end_ns; /* of its packets, since epoch */
        uint64_t bytes[2];        /* by sender, at the point that saw most */
        uint32_t first_place;     /* as pkt.place, of the packet at start_ns */
    } * totals;                   /* by flow */
    uint32_t *flow_of_id;         /* index into flows.items, by a result's flow's id - 1 */
    struct warnings warnings;
    pthread_mutex_t progress_lock;
    struct path_time epoch;
    bool done;
    struct wh_result result;
};

/* Adds a sentence to the result's warnings; without memory it goes unsaid. */
__attribute__((format(printf, 2, 3))) void analysis_warn(struct wh_analysis *analysis,
                                                         const char *format, ...);
__attribute__((format(printf, 2, 3))) void capture_warn(struct capture *capture, const char *format,
                                                        ...);

/* When each point's capture ran, by point. */
void analysis_spans(const struct wh_analysis *analysis, struct capture_span spans[WH_POINTS_MAX]);

/* capture.c: read, decode and track one point, a part of it at a time; see turns_work. When it is
 * over, `status` and `error` are set. Different points may be read at the same time. */
double capture_turn(struct wh_analysis *analysis, struct capture *capture);
void capture_free(struct capture *capture);

/* capture.c: the file of a pkt.place of a point, and its number there. The stages name frames by
 * their places; the result has them by files. */
struct wh_frame capture_frame(const struct wh_analysis *analysis, unsigned point, uint32_t place);

/* copies.c: warns of a file given twice under two names. To be called once all points are read. */
void warn_copies(struct wh_analysis *analysis);

/* per_flow.c: follow, detect and blame, flow by flow. */
int per_flow_run(struct wh_analysis *analysis, struct wh_error *error);

static inline int64_t since_epoch(const struct wh_analysis *analysis, unsigned point,
                                  struct point_time at)
{
    return clock_to_path(&analysis->alignment.clock[point], at).ns - analysis->epoch.ns;
}

/* result_flows.c. Of each flow its id, from 1, by start; and by id - 1 the flow: both malloc'ed.
 * False when memory is out; what was made is the caller's all the same. */
bool flows_number(const struct wh_analysis *analysis, uint32_t **id, uint32_t **flow);

/* Sets result.flows, but for what stalls and joints tell; `ids` by flow. NULL when memory is out.
 */
struct wh_flow *flows_make(struct wh_analysis *analysis, const uint32_t *ids);

/* Sets wh_flow.reported: all flows with stalls, then the largest others up to a limit. False when
 * memory is out. */
bool flows_choose(const struct wh_analysis *analysis, struct wh_flow *flows);

/* joined.c: result.joints and wh_flow.joined; `ids` by flow, `place` by point. False when memory is
 * out. */
bool joined_make(struct wh_analysis *analysis, const uint32_t *ids, const unsigned *place,
                 struct wh_flow *flows);

/* result_events.c: result.events; `ids` by flow, `place` by point. False when memory is out. */
bool events_make(struct wh_analysis *analysis, const uint32_t *ids, const unsigned *place);

/* result.c: what people and scripts get to see. */
int result_make(struct wh_analysis *analysis, struct wh_error *error);

/* pictures.c: what the plots show; `context` is the analysis. */
struct report_beside;
struct report_folder;
int pictures_draw(void *context, struct report_folder *folder, const struct report_beside *beside,
                  struct wh_error *error);

#endif
