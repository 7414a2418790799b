/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One stall under examination, and the questions that can be asked of it. */
#ifndef WHICHHOP_BLAME_CASE_H
#define WHICHHOP_BLAME_CASE_H

#include "blame/blame.h"

/* No progress from start to end. `level` is the first byte the receiver has not acknowledged. */
struct stall_case {
    const struct timeline *timeline;
    const struct timeline *other; /* of the opposite direction */
    const struct flow *flow;
    const struct blame_options *options;
    struct arena *arena;
    const struct nat_signs *nat; /* of the flow; NULL: none */
    int64_t level;
    int64_t progress_ns; /* when the level was reached; NEVER before the first progress */
    int64_t sent_ns;     /* when the byte at `level` was first sent; NEVER */
    int64_t watched_ns;  /* from when on all captures of the way were running */
    int64_t start_ns, end_ns;
    bool resumed;
    uint32_t progress_pkt;   /* in the receiver hop's view: what reached the level; COPY_NONE */
    uint32_t resume_pkt;     /* in the receiver hop's view: what ended it; COPY_NONE */
    struct finding *finding; /* to be filled in */
};

/* A rule looks at the case; when it knows the cause it fills in the finding and says true. */
typedef bool (*case_rule)(struct stall_case *item);

/* Rules, in the order in which they are asked; see cause_path.c, cause_ends.c and others. First
 * those for data that is outstanding, then those for a sender that has nothing outstanding. */
bool rule_window_closed(struct stall_case *item);
bool rule_nat(struct stall_case *item);
bool rule_broken(struct stall_case *item);
bool rule_not_sent_on(struct stall_case *item);
bool rule_beyond_receiver(struct stall_case *item);
bool rule_held(struct stall_case *item);
bool rule_lost(struct stall_case *item);
bool rule_unknown(struct stall_case *item);

bool rule_window_shut(struct stall_case *item);
bool rule_acks_on_path(struct stall_case *item);
bool rule_acks_beyond_sender(struct stall_case *item);
bool rule_held_before_first(struct stall_case *item);
bool rule_lost_before_first(struct stall_case *item);
bool rule_passed_over(struct stall_case *item);
bool rule_sender_idle(struct stall_case *item);

/* ---- shared questions ------------------------------------------------------------------------ */

static inline int64_t case_duration(const struct stall_case *item)
{
    return item->end_ns - item->start_ns;
}

/* Does the packet carry the byte at `level`? */
static inline bool covers(const struct pkt *pkt, int64_t level)
{
    return pkt_span(pkt) && pkt->seq <= level && level < pkt_end(pkt);
}

/* The segment between two hops of a trail; the outer ones beyond a trail's first and last hop. */
struct place place_between(const struct hop *a, const struct hop *b);
struct place place_before(const struct stall_case *item, const struct trail *trail);
struct place place_after(const struct stall_case *item, const struct trail *trail);

/* Packets that entered the segment behind hop k within [from, to] and came out at least
 * `least_ns` later than the quickest does. */
struct held {
    uint32_t count;
    uint32_t first, last; /* copies at hop k */
    int64_t entered_ns;   /* the first */
    int64_t left_ns;      /* the first to come out */
};
struct held held_in(const struct trail *trail, unsigned k, int64_t from_ns, int64_t to_ns,
                    int64_t least_ns);

/* Did the case mostly wait for copies of the byte that were lost between two captures? */
bool lost_mostly(const struct stall_case *item);

/* The sender's first copy of the byte that is waited for, at its hop; COPY_NONE. */
uint32_t first_copy(const struct stall_case *item);

/* When the sender sent the byte at `level` again after a time; the case's end when it did not. */
int64_t next_sending(const struct stall_case *item, int64_t after_ns);

/* Did the sender's hop see old bytes, or the byte waited for, again during the case? */
bool sent_again(const struct stall_case *item);

/* How many packets the sender of `trail` made between two copies at its first hop that no point
 * saw, by the IP IDs it counts up; -1 when its IDs do not tell. */
int ids_skipped(const struct timeline *timeline, const struct trail *trail, uint32_t before,
                uint32_t after);

/* Fills in cause, place, direction and confidence; direction: where the data goes, or back. */
void conclude(struct stall_case *item, enum wh_cause cause, struct place place, bool with_data,
              double confidence);

/* Adds a sentence with up to two frames; a NULL hop is left out. */
__attribute__((format(printf, 6, 7))) void testify(struct stall_case *item, const struct hop *hop_a,
                                                   uint32_t pkt_a, const struct hop *hop_b,
                                                   uint32_t pkt_b, const char *format, ...);

/* Adds a sentence with one frame. */
__attribute__((format(printf, 3, 4))) void
testify_frame(struct stall_case *item, const struct wh_frame *frame, const char *format, ...);

/* Seconds since the epoch, for sentences. */
double seconds_of(const struct stall_case *item, int64_t time_ns);

/* The name of a hop's point. */
const char *name_of(const struct stall_case *item, const struct hop *hop);

#endif
