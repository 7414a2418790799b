/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the rules about suspicions look at: the result summed up by segment, in one pass over its
 * stalls and one over its events, and questions about a stall's surroundings. Private to
 * hypotheses*.c.
 */
#ifndef WHICHHOP_BLAME_HYPOTHESES_FACTS_H
#define WHICHHOP_BLAME_HYPOTHESES_FACTS_H

#include "base/arena.h"
#include "whichhop.h"

#define SEGMENTS_MAX        (WH_POINTS_MAX + 1u)
#define BUSY_FLOWS_MAX      16u
#define ANSWER_EVIDENCE_MAX 4u

/* The stalls of one cause that lie in one segment and surely in no other. */
struct stall_group {
    uint32_t count, resumed;
    uint32_t scope[3];     /* by enum wh_scope */
    uint32_t direction[3]; /* by enum wh_direction */
    const struct wh_stall *first, *longest;
};

/* Losses that the events list tells of one segment; the counts of wh_segment hold all. */
struct segment_losses {
    uint64_t data, bare;   /* with and without sequence space */
    uint64_t large;        /* longer than one Ethernet packet: merged frames */
    uint64_t of_blackhole; /* in flows that have an mtu_blackhole stall in the segment */
    uint32_t bursts;       /* losses that follow within 100 ms are one */
    uint32_t coincident;   /* bursts that began within 20 ms of a loss in another segment */
    uint64_t burst_packets, burst_largest;
    const struct wh_event *first, *last, *first_coincident, *its_partner;
};

struct segment_facts {
    bool inner; /* between two captures */
    bool nat;   /* addresses or ports differ between its two captures */
    uint64_t packets, lost;
    int64_t delay_max_ns; /* WH_NONE */
    uint32_t stalls;
    struct stall_group by_cause[WH_CAUSE_COUNT];
    uint32_t spanning; /* stalls that may lie here or in a neighbouring segment */
    const struct wh_stall *first_spanning;
    struct segment_losses losses;
};

struct checksum_facts {
    uint64_t at_sender, at_receiver; /* wrong ones with data, at the capture next to that end */
    const struct wh_event *first;    /* at the receiver's capture, in a stall for missing data */
    const struct wh_stall *stall;
};

/* Acknowledgements of bytes that a capture does not have. */
struct unseen_facts {
    uint64_t alone;                 /* in flows that only one capture shows */
    uint64_t shared[WH_POINTS_MAX]; /* by point, in the others */
    const struct wh_event *first_alone;
};

struct facts {
    const struct wh_result *result;
    struct arena *arena;
    struct segment_facts segment[SEGMENTS_MAX];
    uint32_t segment_count, nat_count;
    bool followed; /* there is a segment between captures, and through each packets were followed */
    uint32_t by_cause[WH_CAUSE_COUNT]; /* stalls, wherever they lie */
    const struct wh_stall *first[WH_CAUSE_COUNT], *longest[WH_CAUSE_COUNT];
    uint64_t events[WH_EVENT_KINDS]; /* over all points */
    const struct wh_event *first_event[WH_EVENT_KINDS];
    struct checksum_facts checksum;
    struct unseen_facts unseen;
    const struct wh_flow *busy[BUSY_FLOWS_MAX]; /* largest first */
    uint32_t busy_count;
    uint64_t steps_left; /* events that may still be looked at again: bounds the work */
};

/* Sums up the result; `facts` is the caller's and refers to the result. */
void facts_make(struct facts *facts, const struct wh_result *result, struct arena *arena);

/* May the firewall lie in the segment? Where addresses are translated, if anywhere; else in any
 * segment between two captures. */
bool facts_suspect(const struct facts *facts, uint32_t segment);

/* "xenbrE..xenbrD (the NAT)": the suspected segments together. */
const char *facts_suspects_text(const struct facts *facts);

/* Stalls in the suspected segments, by cause; and those which only may lie there. */
uint32_t facts_suspected(const struct facts *facts, enum wh_cause cause);
uint32_t facts_suspected_all(const struct facts *facts);
uint32_t facts_suspected_spanning(const struct facts *facts);

/* Stalls beyond the captures, when these do not show where the firewall is: it may lie there. */
uint32_t facts_suspected_beyond(const struct facts *facts);

/* What else passed a segment while a stall lasted there. */
struct passage {
    const struct wh_event *event; /* a packet that shows it; NULL when none does */
    const struct wh_flow *flow;   /* the flow that moved */
};

/* Another flow that moved on through the stall's segment, in its middle three fifths: by an event
 * of it behind the segment, or because it is a large transfer that did not stand still. */
bool facts_other_moved(struct facts *facts, const struct wh_stall *stall, struct passage *passage);

/* A packet that came out of the segment against the stall's direction meanwhile. */
bool facts_other_way_moved(struct facts *facts, const struct wh_stall *stall,
                           struct passage *passage);

/* An event of a kind at a point within [from, to]; `flow` 0: of any flow. NULL: none, or the limit
 * of work is reached. */
const struct wh_event *facts_find(struct facts *facts, enum wh_event_kind kind, uint32_t point,
                                  uint32_t flow, int64_t from_ns, int64_t to_ns);

/* The event that opened a hole in a flow at a point after `from`, where bytes are still missing at
 * `to`; NULL: none, or the limit of work is reached. */
const struct wh_event *facts_open_hole(struct facts *facts, uint32_t point, uint32_t flow,
                                       int64_t from_ns, int64_t to_ns);

/* Is a missing event a fact: are all events in the list, and was the limit of work kept? */
bool facts_complete(const struct facts *facts);

/* The point where a packet of the stall's direction enters or leaves the stall's segment, which
 * must be an inner one. WH_BOTH counts as to the client. */
uint32_t facts_entry(const struct facts *facts, const struct wh_stall *stall);
uint32_t facts_exit(const struct facts *facts, const struct wh_stall *stall);

/* The path from segment `first` on for `span` segments: "eth0..xenbrD"; NULL: out of memory. */
const char *facts_place(const struct facts *facts, uint32_t first, uint32_t span);

/* ---- answers --------------------------------------------------------------------------------- */

/* What a rule has to say. Starts undecided and empty. */
struct answer {
    struct arena *arena;
    enum wh_hypothesis_status status;
    struct wh_evidence evidence[ANSWER_EVIDENCE_MAX]; /* sentences beyond these are left out */
    uint32_t count;
    bool failed; /* out of memory */
};

/* Sets the status and adds a sentence. Frames: those of the stall's first evidence, or the event's
 * own; NULL: none. */
__attribute__((format(printf, 4, 5))) void answer_stall(struct answer *answer,
                                                        enum wh_hypothesis_status status,
                                                        const struct wh_stall *stall,
                                                        const char *format, ...);
__attribute__((format(printf, 4, 5))) void answer_event(struct answer *answer,
                                                        enum wh_hypothesis_status status,
                                                        const struct wh_event *event,
                                                        const char *format, ...);

/* Rules: see hypotheses_guest.c, _host.c and _packets.c. At least one flow stalled, but for
 * capture_artefact. */
typedef void (*hypothesis_rule)(struct facts *facts, struct answer *answer);

void suspect_netback_slots(struct facts *facts, struct answer *answer);
void suspect_netback_ring(struct facts *facts, struct answer *answer);
void suspect_rate_limit(struct facts *facts, struct answer *answer);
void suspect_conntrack_invalid(struct facts *facts, struct answer *answer);

void suspect_host_memory(struct facts *facts, struct answer *answer);
void suspect_bridge_netfilter(struct facts *facts, struct answer *answer);
void suspect_not_scheduled(struct facts *facts, struct answer *answer);

void suspect_checksum_offload(struct facts *facts, struct answer *answer);
void suspect_large_receive_offload(struct facts *facts, struct answer *answer);
void suspect_mtu_blackhole(struct facts *facts, struct answer *answer);
void suspect_receiver_not_reading(struct facts *facts, struct answer *answer);
void suspect_loss_beyond_outermost(struct facts *facts, struct answer *answer);
void suspect_sender_idle(struct facts *facts, struct answer *answer);
void suspect_capture_artefact(struct facts *facts, struct answer *answer);

/* ---- small things ---------------------------------------------------------------------------- */

static inline double to_s(int64_t time_ns)
{
    return (double)time_ns / 1e9;
}

static inline double to_ms(int64_t time_ns)
{
    return (double)time_ns / 1e6;
}

static inline const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
