/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Both lists are walked once, in time. A packet that comes out is first sought among what entered
 * after the one that came out last, as links keep order; only then among what was passed over. So
 * a look-up costs one step where nothing is lost, and that step is one comparison where the packet
 * passed as it was. Copies of the same bytes are told apart by their timestamp value, by their IP
 * ID where the path keeps it, and by that order.
 */
#include "follow/meet.h"

#include <netinet/in.h>
#include <string.h>

#define FORWARD_STEPS 20000u /* of a look-up that meets nothing: a full queue */
#define PENDING_STEPS 2048u
#define ID_TRIALS     64u
#define ID_WINDOW     256u /* packets */
#define LATE_COPIES   8u   /* behind so many that are too late nothing is in time: clock steps */
#define LINKS_EACH    4u /* one stream cut in two ways has less than one for each packet of both */
/* A merged frame is captured when its last segment has come, or when the merging gives up: later
 * than its first segment is at the next point. Or it bears the time of its first segment: then the
 * others were captured later at the point before. */
#define MERGE_WAIT_NS (50 * NS_PER_MS)
#define EARLY_NS      NS_PER_S /* so far may clocks be wrong that no packet shows to be */

enum ids { IDS_UNKNOWN, IDS_KEPT, IDS_CHANGED };

/* From the nearer hop to the next. */
struct delays {
    int64_t known_ns;          /* the least that is the network's, see hop_delay_known */
    int64_t least_ns, most_ns; /* of all; the least above the most: there is none */
};

struct walk {
    struct hop *from, *to;
    const uint32_t *only; /* the copies of `from` that are left, or NULL: all */
    uint32_t count;       /* of them */
    uint32_t cursor;      /* the first of them not yet reached */
    uint32_t unchanged;   /* so many of the first of them were met as they were */
    uint32_t *pending;    /* copies passed over, a stack */
    uint32_t pending_count, pending_capacity;
    int64_t slack_ns;
    enum ids ids; /* does the path leave IP IDs alone? Found out when first asked */
    bool direct;
    bool datagrams;         /* nothing is ever merged or cut */
    uint32_t longest_bytes; /* payload of a packet of `from`, at most */
    uint64_t links_left;    /* packets that overlap each other without end would have without end */
    struct pieces *pieces;
    struct delays delays;
};

static bool same_timestamp(const struct pkt *a, const struct pkt *b)
{
    return !(a->flags & b->flags & PKT_TIMESTAMPS) || a->tsval == b->tsval;
}

/* A packet without sequence space: an ACK, a reset, a datagram. It passes whole or not at all. */
static bool same_packet(const struct pkt *a, const struct pkt *b)
{
    const unsigned kind = PKT_RST | PKT_ACK | PKT_SYN | PKT_FIN;
    if ((a->flags & b->flags & PKT_TIMESTAMPS) && a->tsecr != b->tsecr)
        return false;
    /* a window that a short snap length cut off reads as the largest one */
    bool windows = a->window == b->window || a->window == UINT16_MAX || b->window == UINT16_MAX;
    return a->seq == b->seq && a->ack == b->ack && a->len == b->len && windows &&
           (a->flags & kind) == (b->flags & kind) && (a->hash == b->hash || !a->hash || !b->hash);
}

static bool is_open(const struct copy *copy, const struct pkt *pkt)
{
    uint32_t span = pkt_span(pkt);
    return span ? copy->met_bytes < span : copy->met_bytes == 0;
}

/* What do the packets like this one tell, among ID_WINDOW from `first` on? Does one of them have
 * its IP ID, or do all have others? */
enum ids_told { IDS_NOTHING, IDS_EQUAL, IDS_OTHER };
static enum ids_told ids_compare(const struct hop *from, uint32_t first, const struct pkt *there)
{
    enum ids_told told = IDS_NOTHING;
    for (uint32_t n = first; n < from->count && n < first + ID_WINDOW; n++) {
        const struct pkt *here = hop_pkt(from, n);
        if (here->seq != there->seq || here->len != there->len || here->ack != there->ack ||
            !same_timestamp(here, there))
            continue;
        if (here->ip_id == there->ip_id)
            return IDS_EQUAL;
        told = IDS_OTHER;
    }
    return told;
}

/* Do IP IDs survive the way? Asked of packets that are the same beyond doubt, until it is clear
 * what ID_TRIALS of them would say. */
static bool ids_survive(const struct hop *from, const struct hop *to)
{
    unsigned equal = 0, other = 0;
    for (uint32_t k = 0, i = 0; k < to->count && 4 * other < ID_TRIALS - other; k++) {
        while (i < from->count && hop_time(from, i) < hop_time(to, k) - NS_PER_S)
            i++;
        enum ids_told told = ids_compare(from, i, hop_pkt(to, k));
        equal += told == IDS_EQUAL;
        other += told == IDS_OTHER;
        if (equal > 4 * (ID_TRIALS - equal))
            return true;
    }
    return equal > 4 * other;
}

static bool ids_kept(struct walk *walk)
{
    if (walk->ids == IDS_UNKNOWN)
        walk->ids = ids_survive(walk->from, walk->to) ? IDS_KEPT : IDS_CHANGED;
    return walk->ids == IDS_KEPT;
}

/* Could this copy be what was seen there by a time, from offset `seq` on? */
static bool fits(struct walk *walk, uint32_t index, const struct pkt *there, int64_t seq,
                 int64_t by_ns)
{
    const struct copy *copy = &walk->from->copies[index];
    const struct pkt *here = &walk->from->view->pkts[copy->pkt];
    if (!is_open(copy, here) || !same_timestamp(here, there))
        return false;
    bool merged = here->len > there->len || (here->len < there->len && seq > there->seq);
    if (hop_time(walk->from, index) > by_ns + (merged ? MERGE_WAIT_NS : 0))
        return false;
    bool whole = pkt_span(there) == 0 || pkt_span(here) == 0 || walk->datagrams;
    if (whole ? !same_packet(here, there) : seq < here->seq || seq >= pkt_end(here))
        return false;
    bool ids_speak = here->ip_id && there->ip_id && here->ip_id != there->ip_id &&
                     here->len == there->len && here->seq == there->seq;
    return !ids_speak || !ids_kept(walk);
}

static uint32_t left_at(const struct walk *walk, uint32_t n)
{
    return walk->only ? walk->only[n] : n;
}

static bool pass_over(struct walk *walk, uint32_t until)
{
    for (; walk->cursor < until; walk->cursor++) {
        uint32_t index = left_at(walk, walk->cursor);
        const struct copy *copy = &walk->from->copies[index];
        if (!is_open(copy, &walk->from->view->pkts[copy->pkt]))
            continue;
        uint32_t *pending = ARRAY_PUSH(walk->pending, walk->pending_count, walk->pending_capacity);
        if (!pending)
            return false;
        *pending = index;
    }
    return true;
}

/* Where, from the cursor on, the copy stands that fits; walk->count: nowhere. */
static uint32_t find_ahead(struct walk *walk, const struct pkt *there, int64_t seq, int64_t by_ns)
{
    uint32_t stop = walk->count;
    if (stop - walk->cursor > FORWARD_STEPS)
        stop = walk->cursor + FORWARD_STEPS;
    /* what passes whole or not at all was never merged; see `merged` in fits */
    bool merged = !walk->datagrams && pkt_span(there) > 0 &&
                  (seq > there->seq || walk->longest_bytes > there->len);
    int64_t until_ns = by_ns + (merged ? MERGE_WAIT_NS : 0);
    unsigned late = 0;
    for (uint32_t n = walk->cursor; n < stop && late < LATE_COPIES; n++) {
        uint32_t index = left_at(walk, n);
        late += hop_time(walk->from, index) > until_ns;
        if (fits(walk, index, there, seq, by_ns))
            return n;
    }
    return walk->count;
}

static uint32_t find_pending(struct walk *walk, const struct pkt *there, int64_t seq, int64_t by_ns)
{
    uint32_t stop = walk->pending_count > PENDING_STEPS ? walk->pending_count - PENDING_STEPS : 0;
    for (uint32_t n = walk->pending_count; n-- > stop;) {
        uint32_t index = walk->pending[n];
        if (fits(walk, index, there, seq, by_ns))
            return index;
    }
    return COPY_NONE;
}

static void drop_met(struct walk *walk, uint32_t index)
{
    for (uint32_t n = walk->pending_count; n-- > 0;)
        if (walk->pending[n] == index) {
            memmove(&walk->pending[n], &walk->pending[n + 1],
                    (walk->pending_count - n - 1) * sizeof *walk->pending);
            walk->pending_count--;
            return;
        }
}

/* Links one copy with what was seen of it from `seq` on; returns the bytes it accounts for. */
static bool link_copies(struct walk *walk, uint32_t index, uint32_t there_index, int64_t seq,
                        uint32_t *bytes)
{
    struct copy *here_copy = &walk->from->copies[index];
    struct copy *there_copy = &walk->to->copies[there_index];
    const struct pkt *here = hop_pkt(walk->from, index), *there = hop_pkt(walk->to, there_index);
    uint32_t span = pkt_span(here);
    int64_t end = pkt_end(here) < pkt_end(there) ? pkt_end(here) : pkt_end(there);
    *bytes = span ? (uint32_t)(end - seq) : 0;
    if (*bytes < span && walk->pieces) {
        struct piece *piece =
            ARRAY_PUSH(walk->pieces->items, walk->pieces->count, walk->pieces->capacity);
        if (!piece)
            return false;
        *piece = (struct piece){index, seq, *bytes};
    }
    here_copy->met_bytes += span ? *bytes : 1;
    walk->links_left--;
    if (walk->direct) {
        walk->from->resized |= here->len != there->len;
        if (here_copy->next == COPY_NONE || seq == here->seq)
            here_copy->next = there_index;
        if (there_copy->previous == COPY_NONE)
            there_copy->previous = index;
    } else {
        if (here_copy->fate == FATE_LOST) /* not where the capture in between had ended */
            here_copy->fate = FATE_MISSED;
        else if (here_copy->fate == FATE_PARTLY && here_copy->met_bytes >= span)
            here_copy->fate = FATE_ARRIVED;
        there_copy->previous = COPY_SKIPPED;
    }
    return true;
}

static bool meet_one(struct walk *walk, uint32_t there_index)
{
    const struct pkt *there = hop_pkt(walk->to, there_index);
    int64_t by_ns = hop_time(walk->to, there_index) + walk->slack_ns;
    int64_t seq = there->seq, end = pkt_end(there);
    if (walk->links_left == 0)
        return true;
    do {
        uint32_t bytes, n = find_ahead(walk, there, seq, by_ns);
        bool ahead = n < walk->count;
        if (ahead && !pass_over(walk, n))
            return false;
        uint32_t index = ahead ? left_at(walk, n) : find_pending(walk, there, seq, by_ns);
        if (index == COPY_NONE)
            return true;
        if (!link_copies(walk, index, there_index, seq, &bytes))
            return false;
        const struct copy *copy = &walk->from->copies[index];
        bool open = is_open(copy, &walk->from->view->pkts[copy->pkt]);
        if (ahead && !open)
            walk->cursor = n + 1;
        else if (!ahead && !open)
            drop_met(walk, index);
        seq += bytes;
    } while (seq < end && walk->links_left > 0);
    return true;
}

static void note_delay(struct delays *delays, int64_t delay_ns, bool known)
{
    delays->least_ns = delay_ns < delays->least_ns ? delay_ns : delays->least_ns;
    delays->most_ns = delay_ns > delays->most_ns ? delay_ns : delays->most_ns;
    if (known)
        delays->known_ns = delay_ns < delays->known_ns ? delay_ns : delays->known_ns;
}

/* Unchanged in all that a path hands on: whatever is asked of two such packets, they are one. What
 * lies between a packet's time and its place is compared as a whole: where bits that mean nothing
 * differ in it, the two are merely met as others are. */
static bool is_unchanged(const struct pkt *a, const struct pkt *b, bool renumbered)
{
    const size_t begin = sizeof a->time, end = offsetof(struct pkt, place);
    return memcmp((const char *)a + begin, (const char *)b + begin, end - begin) == 0 &&
           a->window == b->window && (a->ip_id == b->ip_id || renumbered);
}

/* From `j` on, meets what came out just as it went in, next to each other at both. What meet_one
 * and settle_met would do, for most packets. Returns the first that did not. */
static uint32_t meet_unchanged(struct walk *walk, uint32_t j)
{
    uint32_t i = walk->cursor, i_left = walk->count - i, j_left = walk->to->count - j;
    const uint32_t stop = i + (i_left < j_left ? i_left : j_left);
    const struct pkt *here_pkts = walk->from->view->pkts, *there_pkts = walk->to->view->pkts;
    const int64_t slack_ns = walk->slack_ns;
    const bool renumbered = walk->ids == IDS_CHANGED;
    struct copy *here = walk->from->copies + i, *there = walk->to->copies + j;
    int64_t least_ns = INT64_MAX, most_ns = INT64_MIN;
    for (; i < stop; i++, j++, here++, there++) {
        const struct pkt *pkt = &here_pkts[here->pkt];
        int64_t delay_ns = there->time_ns - here->time_ns;
        if (here->met_bytes || delay_ns < -slack_ns ||
            !is_unchanged(pkt, &there_pkts[there->pkt], renumbered))
            break;
        here->met_bytes = pkt_span(pkt) ? pkt_span(pkt) : 1;
        here->next = j;
        here->fate = FATE_ARRIVED;
        there->previous = i;
        least_ns = delay_ns < least_ns ? delay_ns : least_ns;
        most_ns = delay_ns > most_ns ? delay_ns : most_ns;
    }
    if (i > walk->cursor) {
        note_delay(&walk->delays, least_ns, true);
        note_delay(&walk->delays, most_ns, true);
    }
    walk->cursor = i;
    return j;
}

/* The same packet beyond doubt, wherever the clocks put it. */
static bool is_certain(struct walk *walk, const struct pkt *here, const struct pkt *there)
{
    if (!same_timestamp(here, there) || !same_packet(here, there))
        return false;
    if (here->ip_id && ids_kept(walk))
        return here->ip_id == there->ip_id;
    return (here->flags & there->flags & PKT_TIMESTAMPS) && pkt_span(here);
}

/* What is there at both, and came out before it went in by the clocks: they are wrong there, by a
 * step that was placed some packets off, or one that was not found. It came, whenever. */
static bool meet_early(struct walk *walk, uint32_t there_index)
{
    struct hop *from = walk->from, *to = walk->to;
    int64_t at_ns = hop_time(to, there_index);
    const struct pkt *there = hop_pkt(to, there_index);
    uint32_t first = copies_from(from, at_ns), stop = from->count;
    stop = stop - first > PENDING_STEPS ? first + PENDING_STEPS : stop;
    for (uint32_t i = first; i < stop && hop_time(from, i) - at_ns <= EARLY_NS; i++) {
        struct copy *copy = &from->copies[i];
        const struct pkt *here = hop_pkt(from, i);
        if (copy->met_bytes || !is_certain(walk, here, there))
            continue;
        copy->met_bytes = pkt_span(here) ? pkt_span(here) : 1;
        to->copies[there_index].previous = COPY_SKIPPED;
        return true;
    }
    return false;
}

static struct walk walk_make(struct hop *from, struct hop *to, struct pieces *pieces)
{
    const struct pkt *pkt = from->count ? hop_pkt(from, 0) : NULL;
    return (struct walk){
        .from = from,
        .to = to,
        .count = from->count,
        .pieces = pieces,
        .slack_ns = from->clock->uncertainty_ns + to->clock->uncertainty_ns,
        .datagrams = from->view->protocol != IPPROTO_TCP,
        .longest_bytes = pkt ? from->view->stream[pkt_side(pkt)].payload_max_bytes : 0,
        .links_left = LINKS_EACH * ((uint64_t)from->count + to->count),
        .delays = {.known_ns = INT64_MAX, .least_ns = INT64_MAX, .most_ns = INT64_MIN},
    };
}

/* What was met so far; what was not is listed, and the least delay noted. `first`: those before it
 * were met unchanged. */
static bool settle_met(struct arena *arena, struct hop *hop, uint32_t first, struct delays *delays)
{
    hop->unmet_count = 0;
    for (uint32_t i = first; i < hop->count; i++) {
        struct copy *copy = &hop->copies[i];
        if (copy->fate == FATE_ARRIVED) /* unchanged */
            continue;
        if (copy->next != COPY_NONE)
            note_delay(delays, hop_delay(hop, i), hop_delay_known(hop, i));
        if (copy->met_bytes > 0)
            copy->fate = copy->met_bytes >= pkt_span(hop_pkt(hop, i)) ? FATE_ARRIVED : FATE_PARTLY;
        hop->unmet_count += copy->fate != FATE_ARRIVED;
    }
    hop->base_delay_ns = delays->known_ns == INT64_MAX ? 0 : delays->known_ns;
    hop->delay_spread_ns =
        delays->most_ns < delays->least_ns ? 0 : delays->most_ns - delays->least_ns;
    hop->unmet = arena_alloc(arena, hop->unmet_count, sizeof *hop->unmet);
    for (uint32_t i = first, n = 0; hop->unmet && n < hop->unmet_count; i++)
        if (hop->copies[i].fate != FATE_ARRIVED)
            hop->unmet[n++] = i;
    return hop->unmet != NULL;
}

/* What came to a hop from nowhere. */
static bool list_strays(struct arena *arena, struct hop *hop)
{
    hop->strays = arena_alloc(arena, hop->stray_count, sizeof *hop->strays);
    for (uint32_t i = 0, n = 0; hop->strays && n < hop->stray_count; i++)
        if (hop->copies[i].previous == COPY_NONE)
            hop->strays[n++] = i;
    return hop->strays != NULL;
}

static bool walk_hops(struct walk *walk)
{
    struct hop *to = walk->to;
    uint32_t j = meet_unchanged(walk, 0);
    to->stray_count = 0;
    walk->unchanged = walk->cursor;
    for (; j < to->count; j = meet_unchanged(walk, j + 1)) {
        if (!meet_one(walk, j))
            return false;
        to->stray_count += to->copies[j].previous == COPY_NONE;
    }
    uint32_t left = to->stray_count;
    for (j = 0; left > 0; j++)
        if (to->copies[j].previous == COPY_NONE) {
            to->stray_count -= meet_early(walk, j);
            left--;
        }
    return true;
}

bool meet_hops(struct arena *arena, struct hop *from, struct hop *to, struct pieces *pieces)
{
    struct walk walk = walk_make(from, to, pieces);
    walk.direct = true;
    to->stray_count = to->count;
    bool ok = !from->count || !to->count || walk_hops(&walk);
    free(walk.pending);
    return ok && settle_met(arena, from, walk.unchanged, &walk.delays) && list_strays(arena, to);
}

bool meet_beyond(struct hop *from, struct hop *to, struct pieces *pieces)
{
    if (!from->unmet_count || !to->stray_count)
        return true;
    struct walk walk = walk_make(from, to, pieces);
    bool ok = true;
    walk.only = from->unmet;
    walk.count = from->unmet_count;
    for (uint32_t n = 0; ok && n < to->stray_count; n++)
        if (to->copies[to->strays[n]].previous == COPY_NONE)
            ok = meet_one(&walk, to->strays[n]);
    free(walk.pending);
    return ok;
}
