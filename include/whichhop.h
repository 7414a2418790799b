/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * whichhop - which hop stalls?
 *
 * The interface of the analysis: open one, add captures that were taken at the same time at several
 * points of one path, run it, read the result, write a report, free it. A program of its own is
 * built with this header and all of analyzer/ but the command, main.c and inputs.c.
 *
 *     struct wh_analysis *a;
 *     struct wh_error error;
 *     if (wh_open(&a, NULL, &error) || wh_add_capture(a, "eth0", "eth0.pcap", &error) || ...
 *         wh_run(a, &error))
 *         fprintf(stderr, "%s\n", error.text);
 *     else
 *         puts(wh_result(a)->verdict.sentence);
 *     wh_free(a);
 *
 * Calls that return int return WH_OK, or WH_ERROR with `error` filled in; those that return a
 * pointer say what NULL means. Nothing here prints or exits. Times in the result are nanoseconds
 * since the result's epoch, in the clock of the path's first point; WH_NONE stands for "not known"
 * in any signed number.
 */
#ifndef WHICHHOP_H
#define WHICHHOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "whichhop_events.h"

#define WH_VERSION      "0.1.0"
#define WH_NONE         INT64_MIN
#define WH_POINTS_MAX   32u
#define WH_ENDPOINT_MAX 56u /* "[ipv6 address]:port" with its NUL */

enum wh_status { WH_OK = 0, WH_ERROR = -1 };

/* What went wrong and where. `packet` counts from 1, 0 where no packet is meant; `byte` is the
 * offset in the (unpacked) file. `text` is one whole sentence that names all of these. */
struct wh_error {
    uint64_t packet;
    uint64_t byte;
    bool out_of_memory; /* so it is no file's fault */
    char file[256];
    char text[768];
};

/* Every field may be left zero: then the default holds. Strings are copied. */
struct wh_options {
    const char *filter;   /* a pcap filter expression, NULL: all packets */
    const char *path;     /* "a,b,c": the order of the points, NULL: found from the captures */
    const char *flow;     /* "ADDR:PORT": only flows with this end point, NULL: all */
    int64_t time_from_ns; /* only packets from here, since the earliest packet; with time_set */
    int64_t time_to_ns;
    int64_t min_stall_ns; /* 0: 200,000,000 */
    unsigned threads;     /* 0: as many as there are processors */
    bool time_set;
    bool all_flows; /* report every flow, not the 200 largest */
    /* Called now and then, by one thread at a time; done: 0 to 1. */
    void (*progress)(void *context, const char *stage, double done);
    void *progress_context;
};

struct wh_analysis;

int wh_open(struct wh_analysis **analysis, const struct wh_options *options,
            struct wh_error *error);

/* Adds a file to a point, which is made when its name is new. A point's files are put in order by
 * their first packet; where one is a pipe, they are read in the order given. "-" is standard input;
 * "FORMAT:FILE" names a format that no first bytes tell: tsh, fr+, legacyeth, legacypos, legacyatm,
 * atmhdr. The file is opened and read by wh_run. With the point "*" each interface of the file
 * becomes a point of its name; to find them it is read here, too. */
int wh_add_capture(struct wh_analysis *analysis, const char *point, const char *file,
                   struct wh_error *error);

/* Fixes a point's clock: `offset_ns` is added to its times to get those of the path. */
int wh_set_clock(struct wh_analysis *analysis, const char *point, int64_t offset_ns,
                 struct wh_error *error);

/* Reads, aligns, follows, detects, blames. Fails when no packet could be read at all, and when it
 * has run already; a damaged file is analysed as far as it goes and named in the result's warnings.
 */
int wh_run(struct wh_analysis *analysis, struct wh_error *error);

void wh_free(struct wh_analysis *analysis);

/* ---- the result ------------------------------------------------------------------------------ */

#define WH_CAUSES(X)                                                                               \
    X(UNKNOWN, "unknown")                                                                          \
    X(FREEZE, "freeze")                                                                            \
    X(LOSS, "loss")                                                                                \
    X(ACK_LOSS, "ack_loss")                                                                        \
    X(QUEUEING, "queueing")                                                                        \
    X(MTU_BLACKHOLE, "mtu_blackhole")                                                              \
    X(CORRUPTION, "corruption")                                                                    \
    X(ZERO_WINDOW, "zero_window")                                                                  \
    X(SENDER_IDLE, "sender_idle")                                                                  \
    X(NAT, "nat")

enum wh_cause {
#define WH_CAUSE_ENUM(name, word) WH_CAUSE_##name,
    WH_CAUSES(WH_CAUSE_ENUM)
#undef WH_CAUSE_ENUM
        WH_CAUSE_COUNT
};

enum wh_direction { WH_TO_SERVER, WH_TO_CLIENT, WH_BOTH };
enum wh_scope { WH_ONE_FLOW, WH_SOME_FLOWS, WH_ALL_FLOWS };
enum wh_hypothesis_status { WH_UNDECIDED, WH_SUPPORTED, WH_EXCLUDED };

const char *wh_cause_word(enum wh_cause cause);
const char *wh_event_word(enum wh_event_kind kind);
const char *wh_direction_word(enum wh_direction direction);
const char *wh_scope_word(enum wh_scope scope);
const char *wh_hypothesis_word(enum wh_hypothesis_status status);

/* A packet that anyone can look up: its point, its file there and its number in that file. */
struct wh_frame {
    uint16_t point; /* index into result->points */
    uint16_t file;  /* index into that point's files */
    uint32_t frame; /* as Wireshark shows it, from 1 */
};

struct wh_evidence {
    const char *text; /* one sentence */
    const struct wh_frame *frames;
    uint32_t frame_count;
};

struct wh_file {
    const char *name;    /* without its folders */
    const char *format;  /* pcap, pcapng, erf ... */
    const char *damaged; /* what is wrong and where, NULL when nothing is */
    uint64_t packets;
};

/* A point's clock was set while it captured. */
struct wh_clock_step {
    int64_t at_ns;
    int64_t step_ns; /* above 0: forward */
    bool unsure;     /* or the other point's was set the other way: nothing tells */
};

struct wh_clock_info {
    int64_t offset_ns; /* added to the point's time, where its capture begins, gives the path's */
    double drift_ppm;  /* what is added grows by this much */
    int64_t uncertainty_ns;            /* WH_NONE: not known, no flow ties it to the path */
    const struct wh_clock_step *steps; /* by time; taken out of all that is said of the point */
    uint32_t step_count;
};

/* A time in which a capture that was running has nothing, though packets passed. */
struct wh_gap {
    int64_t from_ns, to_ns;
    uint64_t packets; /* known to have passed */
};

struct wh_point {
    const char *name;
    const struct wh_file *files;
    uint32_t file_count;
    uint64_t packets;
    uint64_t bytes;                                   /* on the wire */
    uint64_t not_ip, truncated, malformed, fragments; /* packets that were not followed */
    int64_t first_ns, last_ns;                        /* WH_NONE without a packet */
    uint32_t snaplen;
    const char *link_type;
    struct wh_clock_info clock;
    uint64_t capture_missed;           /* packets that passed and are not in the file */
    const struct wh_gap *capture_gaps; /* by time */
    uint32_t capture_gap_count;
    uint64_t capture_dropped; /* as the file's own counters tell, 0 when it has none */
    uint32_t flows, flows_matched, flows_ambiguous;
    bool merged_frames;
    uint64_t events[WH_EVENT_KINDS];
};

struct wh_traffic {
    uint64_t packets; /* that entered the segment */
    uint64_t lost;
    int64_t delay_min_ns, delay_median_ns, delay_max_ns; /* WH_NONE for an outer segment */
};

struct wh_segment {
    const char *name; /* "eth0..xenbrE" */
    struct wh_traffic to_client, to_server;
    int64_t stall_time_ns; /* in which at least one flow stalled here */
};

/* How a flow is called at a point: "192.0.2.1:80", "[2001:db8::1]:80". Empty strings where the
 * point did not see it; never longer than WH_ENDPOINT_MAX. */
struct wh_flow_at {
    const char *client;
    const char *server;
};

struct wh_flow {
    uint32_t id;                 /* from 1 */
    const char *protocol;        /* "tcp", "udp" */
    uint32_t joined;             /* with another flow of this number, by a proxy; 0: none */
    const struct wh_flow_at *at; /* one for each point, in the path's order */
    const char *match; /* how it was matched: "isn+timestamps", ...; "single" at one point */
    double confidence;
    bool ambiguous;
    bool reversed; /* its client sits at the path's servers' side */
    bool reported; /* false: only counted, see wh_options.all_flows */
    int64_t start_ns, end_ns;
    uint64_t bytes_to_client, bytes_to_server;
    int64_t rtt_ns;         /* smoothed, end to end; WH_NONE */
    const uint64_t *events; /* WH_EVENT_KINDS counts, over all points */
    const uint32_t *stalls; /* ids */
    uint32_t stall_count;
};

/* Two connections that a proxy made one: its legs. */
struct wh_joint {
    uint32_t number;                /* as in wh_flow.joined, from 1 */
    uint32_t flows[2];              /* ids, the smaller first */
    uint32_t server_leg;            /* which of them is the proxy's to the server */
    uint32_t segment, segment_span; /* where the proxy is */
    bool by_content;                /* else by bytes and times alone */
    uint64_t alike_bytes;           /* by_content */
    double confidence;
    const char *text; /* a sentence without its full stop */
};

/* 40 bytes. `length` bytes of the flow's stream from `seq`, where 0 is the SYN. What `value`
 * means depends on the kind: lost: index of the first of the segment's two neighbours, as in
 * result->segments; silence: microseconds; gap: bytes skipped; duplicate_ack: its number;
 * icmp_too_big: the MTU it tells. */
struct wh_event {
    int64_t time_ns;
    int64_t seq;
    uint32_t length;
    uint32_t value;
    uint32_t flow;
    uint32_t frame;
    uint16_t file;
    uint8_t point;
    uint8_t direction; /* enum wh_direction */
    uint8_t kind;      /* enum wh_event_kind */
    uint8_t span;      /* lost: how many segments the place spans, 1 when it is exact */
};

/* Writes the event's `detail` column; returns `buffer`. */
struct wh_result;
const char *wh_event_detail(const struct wh_result *result, const struct wh_event *event,
                            char *buffer, size_t size);

struct wh_stall {
    uint32_t id; /* from 1, by start */
    uint32_t flow;
    int64_t start_ns, end_ns;
    bool resumed;
    uint32_t segment;      /* index into result->segments */
    uint32_t segment_span; /* 1; more where only a span of segments is certain */
    enum wh_cause cause;
    enum wh_direction direction;
    enum wh_scope scope;
    double confidence;
    uint64_t bytes_waiting;
    uint32_t caused_by; /* 0: none */
    const struct wh_evidence *evidence;
    uint32_t evidence_count;
};

struct wh_ranking {
    uint32_t segment, segment_span;
    enum wh_cause cause;
    uint32_t stalls, flows;
    int64_t stall_time_ns; /* time, not a sum over flows */
    double share, confidence;
};

struct wh_verdict {
    bool stalled;
    uint32_t segment, segment_span; /* of ranking[0] */
    enum wh_cause cause;
    double confidence;
    const char *sentence;
    const struct wh_ranking *ranking;
    uint32_t ranking_count;
};

struct wh_hypothesis {
    const char *id;
    const char *title;
    enum wh_hypothesis_status status;
    const struct wh_evidence *evidence;
    uint32_t evidence_count;
    const char *to_decide; /* NULL unless undecided */
};

struct wh_result {
    int64_t epoch_unix_ns; /* the earliest packet of any point */
    int64_t duration_ns;
    bool path_found;               /* the captures show this order */
    bool path_given;               /* the user fixed it */
    const struct wh_point *points; /* in the path's order, servers' side first */
    uint32_t point_count;
    uint32_t points_left_out;          /* none of their files could be read, as warnings say */
    const struct wh_segment *segments; /* point_count + 1: servers..P0, P0..P1, ..., Pn..clients */
    uint32_t segment_count;
    const struct wh_flow *flows; /* by id */
    uint32_t flow_count, joint_count;
    const struct wh_joint *joints; /* by number */
    const struct wh_event *events; /* by time, point, frame */
    uint64_t event_count;
    uint64_t events_dropped;       /* beyond the list's limit; the counts hold all */
    const struct wh_stall *stalls; /* by id */
    uint32_t stall_count;
    struct wh_verdict verdict;
    const struct wh_hypothesis *hypotheses;
    uint32_t hypothesis_count;
    const char *const *warnings;
    uint32_t warning_count;
};

/* Owned by the analysis, valid until wh_free. NULL before a successful wh_run. */
const struct wh_result *wh_result(const struct wh_analysis *analysis);

/* ---- the report ------------------------------------------------------------------------------ */

enum wh_format {
    WH_FORMAT_TEXT = 1,
    WH_FORMAT_MARKDOWN = 2,
    WH_FORMAT_HTML = 4, /* reserved: not written by this version */
    WH_FORMAT_JSON = 8,
    WH_FORMAT_CSV = 16,
    WH_FORMAT_PLOTS = 32,
    WH_FORMAT_EVIDENCE = 64, /* reserved: not written by this version */
    WH_FORMAT_ALL = 127
};

/* Writes the report's files into `folder` (made if missing), each renamed into place whole,
 * report.json last. `formats` is a set of enum wh_format; `command` is the command line for the
 * reader to repeat, NULL: left out. On failure nothing half-written is left. */
int wh_write_report(const struct wh_analysis *analysis, const char *folder, unsigned formats,
                    const char *command, struct wh_error *error);

/* The text report as one string, to be freed by the caller; NULL when memory is out. `command` as
 * above; `colours`: with the escapes of a colour terminal. */
char *wh_text_report(const struct wh_analysis *analysis, const char *command, bool colours);

/* What is known of a cause or a suspicion, by its word in report.json (or "all"): what it means,
 * what proves it, what speaks against it, what to capture next, what to do. `word` NULL: a list of
 * them. Text for people, to be freed by the caller; NULL where there is no such word, or no memory.
 */
char *wh_explain(const char *word);

#endif
