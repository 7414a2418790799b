/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A flow's way over a path of captures, written down a packet a line: when its sender made it, and
 * what befell it on the way. Every point then gets the view it would have captured.
 *
 * Place 0 is nearest to the servers. A packet crosses one segment more than there are points,
 * counted from its sender from 1: `lost_in`, `held_in` and `broken_in` name one, 0 is none.
 */
#ifndef WHICHHOP_TESTS_FLOW_SAMPLES_H
#define WHICHHOP_TESTS_FLOW_SAMPLES_H

#include "align/align.h"
#include "packet_samples.h"

#define PATH_POINTS 5u
#define MSS         1448

struct shown { /* one packet at one point */
    struct pkt pkt;
    uint32_t number; /* in the order in which they were written down */
    int64_t sack[LINE_SACKS][2];
    unsigned sacks;
    uint8_t ttl;
};

struct past { /* a packet that came to the other host */
    int64_t at_ns;
    uint32_t tsval;
};

struct path {
    unsigned points;
    unsigned point_at[PATH_POINTS];    /* place -> number of the point */
    int64_t clock_ns[PATH_POINTS];     /* by point: what its clock shows too much */
    int64_t delay_ns[PATH_POINTS + 1]; /* by segment of the path, either way */
    bool no_stamps, no_ids;
    bool datagrams;          /* UDP: no sequence numbers, every payload another */
    unsigned cut;            /* set of places that capture headers only */
    bool routed;             /* every inner segment takes one off the TTL */
    bool reversed;           /* the client sits at the servers' side */
    bool blind[PATH_POINTS]; /* by place: nothing of the flow is captured there */
    uint32_t tick[2];
    uint16_t id[2];
    int64_t next[2]; /* offset the side sends next; kept by the helpers below */
    int64_t now_ns;  /* likewise */

    struct shown *shown[PATH_POINTS]; /* by place */
    uint32_t shown_count[PATH_POINTS], shown_capacity[PATH_POINTS];
    struct past *past[2]; /* by side that sent it */
    uint32_t past_count[2], past_capacity[2];
    uint32_t written;

    struct track_flow view[PATH_POINTS]; /* by point */
    struct track_flow *at[PATH_POINTS];
    struct flow flow;
};

static inline struct path *path_new(unsigned points)
{
    struct path *path = calloc(1, sizeof *path);
    assert_non_null(path);
    path->points = points;
    for (unsigned place = 0; place < points; place++)
        path->point_at[place] = place;
    for (unsigned segment = 0; segment <= points; segment++)
        path->delay_ns[segment] = segment == 0 || segment == points ? 4 * MS : MS;
    path->tick[0] = 100000;
    path->tick[1] = 700000;
    path->id[0] = 1000;
    path->id[1] = 20000;
    return path;
}

static inline void path_clear_views(struct path *path)
{
    for (unsigned p = 0; p < PATH_POINTS; p++) {
        free(path->view[p].pkts);
        free(path->view[p].sacks);
        path->view[p] = (struct track_flow){0};
        path->at[p] = NULL;
    }
}

static inline void path_free(struct path *path)
{
    path_clear_views(path);
    for (unsigned place = 0; place < PATH_POINTS; place++)
        free(path->shown[place]);
    free(path->past[0]);
    free(path->past[1]);
    free(path);
}

/* The TSval of the latest packet that had come to a side. */
static inline uint32_t path_echo(const struct path *path, unsigned side, int64_t time_ns)
{
    const struct past *best = NULL;
    for (uint32_t i = 0; i < path->past_count[!side]; i++) {
        const struct past *past = &path->past[!side][i];
        if (past->at_ns <= time_ns && (!best || past->at_ns >= best->at_ns))
            best = past;
    }
    return best ? best->tsval : 0;
}

static inline struct pkt path_pkt(struct path *path, const struct line *line)
{
    unsigned flags = line->flags | (line->ack ? PKT_ACK : 0u);
    flags |= line->side ? PKT_FROM_SERVER : 0u;
    flags |= path->no_stamps ? 0u : PKT_TIMESTAMPS;
    uint16_t id = line->ip_id;
    if (!id && !path->no_ids) {
        id = path->id[line->side];
        path->id[line->side] += (uint16_t)(line->len > MSS ? (line->len + MSS - 1) / MSS : 1);
    }
    struct pkt pkt = {.time = {line->time_ns},
                      .seq = line->seq,
                      .ack = line->ack ? line->ack : ACK_NONE,
                      .len = line->len & PKT_LEN_MAX,
                      .flags = flags & 255u,
                      .sack = line_sacks(line) > 0,
                      .window = line_window(line),
                      .ip_id = id};
    if (path->datagrams) {
        pkt.flags = line->side ? PKT_FROM_SERVER : 0;
        pkt.window = 0;
        pkt.hash = (uint16_t)(path->written * 31 + 7);
    } else if (!path->no_stamps) {
        pkt.tsval =
            line->tsval ? line->tsval : path->tick[line->side] + (uint32_t)(line->time_ns / MS);
        pkt.tsecr = line->tsecr ? line->tsecr : path_echo(path, line->side, line->time_ns);
    }
    return pkt;
}

static inline void path_show(struct path *path, unsigned place, const struct line *line,
                             const struct pkt *pkt, int64_t time_ns, unsigned hops)
{
    if (path->blind[place] || (line->missed & 1u << place))
        return;
    struct shown *shown =
        ARRAY_PUSH(path->shown[place], path->shown_count[place], path->shown_capacity[place]);
    assert_non_null(shown);
    *shown = (struct shown){.pkt = *pkt, .number = path->written, .sacks = line_sacks(line)};
    shown->pkt.time.ns = time_ns + path->clock_ns[path->point_at[place]];
    shown->ttl = (uint8_t)((line->ttl ? line->ttl : 64) - (path->routed ? hops : 0));
    memcpy(shown->sack, line->sack, sizeof shown->sack);
}

/* One packet sets out. Returns when it came to the other host; INT64_MAX when it did not. */
static inline int64_t path_send(struct path *path, const struct line *line)
{
    struct pkt pkt = path_pkt(path, line);
    bool upwards = (line->side == SERVER) != path->reversed;
    int64_t time_ns = line->time_ns;
    path->written++;
    for (unsigned segment = 1; segment <= path->points + 1; segment++) {
        if (line->lost_in == segment)
            return INT64_MAX;
        time_ns += path->delay_ns[upwards ? segment - 1 : path->points + 1 - segment];
        time_ns += line->held_in == segment ? line->held_ns : 0;
        pkt.bad_checksum |= line->broken_in == segment;
        if (segment <= path->points)
            path_show(path, upwards ? segment - 1 : path->points - segment, line, &pkt, time_ns,
                      segment - 1);
    }
    struct past *past = ARRAY_PUSH(path->past[line->side], path->past_count[line->side],
                                   path->past_capacity[line->side]);
    assert_non_null(past);
    *past = (struct past){time_ns, pkt.tsval};
    return time_ns;
}

#define SEND(path, ...) path_send(path, &(const struct line){__VA_ARGS__})

static inline int shown_compare(const void *left, const void *right)
{
    const struct shown *a = left, *b = right;
    if (a->pkt.time.ns != b->pkt.time.ns)
        return a->pkt.time.ns < b->pkt.time.ns ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static inline void view_count(struct track_flow *view, const struct pkt *pkt, uint8_t ttl,
                              bool checked)
{
    struct stream *stream = &view->stream[pkt_side(pkt)], *other = &view->stream[!pkt_side(pkt)];
    bool syn = pkt->flags & PKT_SYN;
    stream->seen = true;
    stream->packets++;
    stream->payload_bytes += pkt->len;
    if (pkt->len > stream->payload_max_bytes)
        stream->payload_max_bytes = pkt->len;
    stream->next = pkt_end(pkt) > stream->next ? pkt_end(pkt) : stream->next;
    uint8_t *ttl_max = pkt->flags & PKT_RST ? &stream->reset_ttl_max : &stream->ttl_max;
    *ttl_max = ttl > *ttl_max ? ttl : *ttl_max;
    stream->checked += checked;
    stream->wrong += checked && pkt->bad_checksum;
    stream->checked_below_bytes = checked ? UINT32_MAX : 0;
    stream->base_known |= syn;
    other->base_known |= syn && (pkt->flags & PKT_ACK);
    stream->mss = syn ? MSS : stream->mss;
    stream->options_seen |= syn;
    view->syn_seen |= syn;
}

/* Makes the views of all points, and the flow over them. May be called again for more lines. */
static inline void path_finish(struct path *path)
{
    path_clear_views(path);
    for (unsigned place = 0; place < path->points; place++) {
        struct track_flow *view = &path->view[path->point_at[place]];
        uint32_t count = path->shown_count[place];
        if (!count)
            continue;
        qsort(path->shown[place], count, sizeof *path->shown[place], shown_compare);
        view->protocol = path->datagrams ? IPPROTO_UDP : IPPROTO_TCP;
        for (uint32_t i = 0; i < count; i++) {
            const struct shown *shown = &path->shown[place][i];
            struct pkt *pkt = ARRAY_PUSH(view->pkts, view->pkt_count, view->pkt_capacity);
            assert_non_null(pkt);
            *pkt = shown->pkt;
            pkt->place = i + 1;
            view->first = i ? view->first : pkt->time; /* the lines are in time */
            view->last = pkt->time;
            view_count(view, pkt, shown->ttl, !(path->cut & 1u << place));
            for (unsigned s = 0; s < shown->sacks; s++) {
                struct sack_block *block =
                    ARRAY_PUSH(view->sacks, view->sack_count, view->sack_capacity);
                assert_non_null(block);
                *block = (struct sack_block){i, shown->sack[s][0], shown->sack[s][1]};
            }
        }
        path->at[path->point_at[place]] = view;
    }
    path->flow = (struct flow){.at = path->at,
                               .protocol = path->datagrams ? IPPROTO_UDP : IPPROTO_TCP,
                               .kind = MATCH_HANDSHAKE,
                               .timestamps = !path->no_stamps,
                               .reversed = path->reversed,
                               .confidence = 1};
}

/* ---- what most flows do ---------------------------------------------------------------------- */

static inline int64_t path_one_way(const struct path *path)
{
    int64_t sum_ns = 0;
    for (unsigned segment = 0; segment <= path->points; segment++)
        sum_ns += path->delay_ns[segment];
    return sum_ns;
}

/* A handshake and a request of 100 bytes, which the server acknowledges. */
static inline void path_open(struct path *path)
{
    int64_t one_way_ns = path_one_way(path), at_ns = path->now_ns;
    SEND(path, .time_ns = at_ns, .flags = PKT_SYN);
    SEND(path, .time_ns = at_ns + one_way_ns, .side = SERVER, .flags = PKT_SYN, .ack = 1);
    SEND(path, .time_ns = at_ns + 2 * one_way_ns, .seq = 1, .ack = 1);
    SEND(path, .time_ns = at_ns + 2 * one_way_ns + 1000, .seq = 1, .ack = 1, .len = 100);
    SEND(path, .time_ns = at_ns + 3 * one_way_ns + 2000, .side = SERVER, .seq = 1, .ack = 101);
    path->next[0] = 101;
    path->next[1] = 1;
    path->now_ns = at_ns + 4 * one_way_ns + MS;
}

/* `count` full segments from one side, one in 2 ms, each acknowledged at once; the time is then
 * that at which the last acknowledgement has come. */
static inline void path_transfer(struct path *path, unsigned side, unsigned count)
{
    int64_t come_ns = path->now_ns;
    for (unsigned i = 0; i < count; i++) {
        int64_t at_ns = path->now_ns + i * 2 * MS;
        come_ns = SEND(path, .time_ns = at_ns, .side = side, .seq = path->next[side], .len = MSS,
                       .ack = path->next[!side]);
        path->next[side] += MSS;
        come_ns = SEND(path, .time_ns = come_ns, .side = !side, .seq = path->next[!side],
                       .ack = path->next[side]);
    }
    path->now_ns = come_ns;
}

#endif
