/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One direction of a flow over time: what was sent, what arrived, what was acknowledged, and how
 * long a round trip took - each as steps of a rising level.
 */
#ifndef WHICHHOP_BLAME_TIMELINE_H
#define WHICHHOP_BLAME_TIMELINE_H

#include "follow/follow.h"

#define NEVER INT64_MAX

/* From `time_ns` on, the level (a stream offset) is at least `level`. */
struct step {
    int64_t time_ns;
    int64_t level;
    uint32_t pkt; /* that raised it, in the hop's view; COPY_NONE where that capture missed it */
};

struct steps {
    struct step *items;
    uint32_t count, capacity;
};

/* The timestamp clock of a sender as one point reads it (RFC 7323, 5.4): the time of a packet's
 * making is base_ns + tsval * tick_ns, give or take a tick. */
struct tick_clock {
    int64_t tick_ns; /* 0: not known */
    int64_t base_ns; /* of the packet that was quickest */
    uint32_t first;  /* TSval that ticks are counted from */
    int64_t most_ns; /* how much later the slowest packet was than the quickest */
};

struct rtt_sample {
    int64_t time_ns;
    int64_t rtt_ns;
};

struct timeline {
    unsigned side;              /* who sends the data: 0 client, 1 server */
    const struct trail *data;   /* from the sender to the receiver */
    const struct trail *acks;   /* back */
    const struct hop *sender;   /* the hop nearest to the sender, with a view */
    const struct hop *receiver; /* the hop nearest to the receiver, with a view */
    unsigned receiver_hop;      /* its index in data->hops */
    struct steps
        progress;       /* cumulative ACK at the receiver's hop; highest byte where there is none */
    struct steps acked; /* cumulative ACK at the sender's hop */
    struct steps sent;  /* highest offset sent, at the sender's hop */
    struct rtt_sample *rtts; /* end to end, by time */
    uint32_t rtt_count, rtt_capacity;
    struct tick_clock ticks; /* the sender's, at the sender's hop */
    int64_t turn_ns;         /* from the sender's hop to it and back: its quickest answer; 0 */
    int64_t mss;             /* a full segment's bytes */
    bool by_arrival;         /* no ACK was seen: progress is the highest byte that came */
};

/* Makes the timeline of what `side` sends. `timeline` keeps its arrays between calls; zero it
 * before the first. False when memory is out. A direction that no point saw has sender NULL. */
bool timeline_make(const struct followed *followed, unsigned side, struct timeline *timeline);
void timeline_free(struct timeline *timeline);

/* When the level first rose above / reached `level`; NEVER. */
int64_t steps_above(const struct steps *steps, int64_t level);
int64_t steps_reach(const struct steps *steps, int64_t level);
/* The level at a time; `before` when no step was made yet. */
int64_t steps_level(const struct steps *steps, int64_t time_ns, int64_t before);
/* The last step at or before a time; NULL. */
const struct step *steps_at(const struct steps *steps, int64_t time_ns);

/* Smoothed round-trip time before `time_ns`, end to end (RFC 6298, 2: 1/8 of each new sample), or
 * the median of the last three samples where that is more; 0 when none is known. */
int64_t timeline_srtt(const struct timeline *timeline, int64_t time_ns);

/* The same as the sender has it, which times every acknowledgement of something new
 * (round_trips.c): less steady, and soon small again after a delay. 0 when none is known. Costs
 * more than the above. */
int64_t timeline_senders_srtt(const struct timeline *timeline, int64_t time_ns);

/* How much later than the quickest one a packet passed the sender's hop, by its timestamp. */
int64_t timeline_age(const struct timeline *timeline, const struct pkt *pkt, int64_t time_ns);

/* First packet of a view at or after a time (by the hop's clock); pkt_count when none. */
uint32_t view_from(const struct hop *hop, int64_t time_ns);

/* The room that a packet's receiver announces, in bytes. Without both SYNs nobody knows the scale:
 * then only a window of zero says something. */
static inline int64_t announced_room(const struct track_flow *view, const struct pkt *pkt)
{
    return pkt->window == 0 || track_scale_settled(view, pkt_side(pkt)) ? track_window(view, pkt)
                                                                        : INT32_MAX;
}

/* A broken packet is thrown away and tells its receiver nothing; but where most sums look wrong,
 * they were not complete yet when they were captured. */
static inline bool timeline_void(const struct track_flow *view, const struct pkt *pkt)
{
    const struct stream *stream = &view->stream[pkt_side(pkt)];
    return pkt->bad_checksum && stream->wrong * 2 <= stream->checked;
}

static inline int64_t view_time(const struct hop *hop, uint32_t pkt)
{
    return clock_to_path(hop->clock, hop->view->pkts[pkt].time).ns;
}

#endif
