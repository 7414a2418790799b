/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes that the receiver acknowledged though the last capture did not see them. One copy of each
 * came. Which one: the earliest, unless the receiver said, after more had come, that it still
 * lacked them; then the earliest that was sent after that.
 */
#include "follow/acknowledged.h"

#include "follow/missed.h"

#define SEGMENT_BYTES 1448u
#define UNSHOWN_MAX   4096u  /* packets between two that were seen */
#define SEARCH_STEPS  16384u /* packets looked at that may be what was missed */
#define REPEATS_MIN   3u     /* of an acknowledgement, without SACK: RFC 5681, 3.2 */

/* The first two of a hop's `unmet` that can still be what is sought. Two, as one of them may be so
 * for ever: a packet with a wild number. */
struct unmet_open {
    uint32_t first, second;
};

/* Bytes seen at the receiver's point out of order: few at a time. */
#define ISLANDS_MAX 64
struct seen_bytes {
    int64_t next; /* all below was seen */
    int64_t left[ISLANDS_MAX], right[ISLANDS_MAX];
    unsigned islands;
    bool begun, full;
    unsigned repeats;  /* of the acknowledgement `next`, while more has come */
    int64_t lacked_ns; /* when they showed that the receiver lacks `next`; INT64_MAX: they do not */
    struct unmet_open open[WH_POINTS_MAX]; /* by hop */
    uint32_t after; /* where there is but one hop: its first copy with bytes from `next` on */
};

static void drop_island(struct seen_bytes *seen, unsigned at)
{
    seen->islands--;
    for (unsigned i = at; i < seen->islands; i++) {
        seen->left[i] = seen->left[i + 1];
        seen->right[i] = seen->right[i + 1];
    }
}

static void see_bytes(struct seen_bytes *seen, int64_t left, int64_t right)
{
    for (unsigned i = 0; i < seen->islands;) { /* one island for all that touch */
        if (seen->left[i] <= right && left <= seen->right[i]) {
            left = seen->left[i] < left ? seen->left[i] : left;
            right = seen->right[i] > right ? seen->right[i] : right;
            drop_island(seen, i);
        } else {
            i++;
        }
    }
    if (left <= seen->next) {
        seen->next = right > seen->next ? right : seen->next;
        seen->repeats = 0;
        seen->lacked_ns = INT64_MAX;
    } else if (seen->islands < ISLANDS_MAX) {
        unsigned at = seen->islands++;
        for (; at > 0 && seen->left[at - 1] > left; at--) {
            seen->left[at] = seen->left[at - 1];
            seen->right[at] = seen->right[at - 1];
        }
        seen->left[at] = left;
        seen->right[at] = right;
    } else {
        seen->full = true; /* from here on it would be a guess */
    }
}

/* What is sought: byte `at`, sent after `from_ns` and until `by_ns`. */
struct search {
    int64_t at, from_ns, by_ns;
    int64_t next; /* out: where the next bytes begin that may have been missed */
    unsigned hop; /* out, with the copy */
    uint32_t copy;
};

static bool may_be_missed(const struct copy *copy)
{
    return copy->fate == FATE_LOST || copy->fate == FATE_PARTLY;
}

/* With bytes from `at` on. */
static bool is_open(const struct hop *hop, uint32_t copy, int64_t at)
{
    return may_be_missed(&hop->copies[copy]) && pkt_end(hop_pkt(hop, copy)) > at;
}

/* From `n` on in a hop's `unmet`. */
static uint32_t next_open(const struct hop *hop, uint32_t n, int64_t at)
{
    while (n < hop->unmet_count && !is_open(hop, hop->unmet[n], at))
        n++;
    return n;
}

/* The earliest copy at a hop that may be what is sought; COPY_NONE. */
static uint32_t find_copy(const struct hop *hop, struct unmet_open *open, struct search *search)
{
    const uint32_t count = hop->unmet_count;
    open->first = next_open(hop, open->first, search->at);
    uint32_t second = open->second > open->first ? open->second : open->first + 1;
    open->second = next_open(hop, second, search->at);
    uint32_t stop = open->second + SEARCH_STEPS < count ? open->second + SEARCH_STEPS : count;
    for (uint32_t n = open->first; n < stop && hop_time(hop, hop->unmet[n]) <= search->by_ns;
         n = n == open->first ? open->second : n + 1) {
        uint32_t i = hop->unmet[n];
        const struct pkt *pkt = hop_pkt(hop, i);
        if (!is_open(hop, i, search->at) || hop_time(hop, i) <= search->from_ns)
            continue;
        if (pkt->seq <= search->at)
            return i;
        search->next = pkt->seq < search->next ? pkt->seq : search->next;
    }
    return COPY_NONE;
}

/* Marks the copy as missed by the next capture, or that part of it; as unseen where `over`: it may
 * have come when that capture had ended. */
static bool mark_missed(struct hop *hop, uint32_t index, int64_t start, int64_t end, bool over,
                        struct pieces *pieces)
{
    struct copy *copy = &hop->copies[index];
    if (copy->fate == FATE_LOST) {
        copy->fate = over ? FATE_UNSEEN : FATE_MISSED;
        return true;
    }
    struct piece *piece = ARRAY_PUSH(pieces->items, pieces->count, pieces->capacity);
    if (piece)
        *piece = (struct piece){index, start, (uint32_t)(end - start)};
    return piece != NULL;
}

/* Seeks at the last hop before the receiver's first. */
static bool find_missed(struct seen_bytes *seen, const struct trail *trail, struct search *search)
{
    for (unsigned k = trail->hop_count - 1; k-- > 0;) {
        search->copy = find_copy(&trail->hops[k], &seen->open[k], search);
        search->hop = k;
        if (search->copy != COPY_NONE)
            return true;
    }
    return false;
}

/* The only capture of the flow does not have the bytes from the first unseen one to `end`: they
 * passed it between the packets that it has before them and after. */
static bool note_unshown(struct seen_bytes *seen, struct trail *trail, int64_t end, int64_t by_ns)
{
    const struct hop *hop = &trail->hops[0];
    while (seen->after < hop->count && pkt_end(hop_pkt(hop, seen->after)) <= seen->next)
        seen->after++;
    int64_t from_ns = seen->after ? hop_time(hop, seen->after - 1) : by_ns;
    int64_t to_ns = seen->after < hop->count ? hop_time(hop, seen->after) : by_ns;
    int64_t packets = (end - seen->next + SEGMENT_BYTES - 1) / SEGMENT_BYTES;
    return missed_add(trail, 0, packets < UNSHOWN_MAX ? (uint32_t)packets : UNSHOWN_MAX,
                      from_ns + (to_ns - from_ns) / 2);
}

/* One copy of each byte from the first unseen one to `end` was missed. */
static bool settle_hole(struct seen_bytes *seen, struct trail *trail, int64_t end, int64_t by_ns,
                        struct pieces *pieces)
{
    if (trail->hop_count == 1)
        return note_unshown(seen, trail, end, by_ns);
    struct search search = {.at = seen->next, .by_ns = by_ns};
    while (search.at < end) {
        search.next = end;
        search.from_ns = seen->lacked_ns;
        bool found = seen->lacked_ns != INT64_MAX && find_missed(seen, trail, &search);
        search.from_ns = INT64_MIN;
        if (!found && !find_missed(seen, trail, &search)) {
            search.at = search.next;
            continue;
        }
        struct hop *hop = &trail->hops[search.hop];
        int64_t until = pkt_end(hop_pkt(hop, search.copy));
        until = until < end ? until : end;
        bool over = by_ns > trail->hops[trail->hop_count - 1].last.ns;
        if (!mark_missed(hop, search.copy, search.at, until, over, &pieces[search.hop]))
            return false;
        search.at = until;
    }
    return true;
}

/* Where the bytes begin that the last capture should have: with the first one it saw, or before
 * that with what it missed though it was running. */
static int64_t first_watched(const struct trail *trail, int64_t first_seen)
{
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        if (hop->count && hop->copies[0].fate == FATE_LOST && hop_pkt(hop, 0)->seq < first_seen)
            first_seen = hop_pkt(hop, 0)->seq;
    }
    return first_seen;
}

/* Everything below `ack` arrived: what was not seen is a hole of this capture. */
static bool settle_ack(struct seen_bytes *seen, struct trail *trail, int64_t ack, int64_t at_ns,
                       struct pieces *pieces)
{
    while (seen->next < ack) {
        int64_t until = ack;
        if (seen->islands && seen->left[0] < until)
            until = seen->left[0];
        if (!settle_hole(seen, trail, until, at_ns, pieces))
            return false;
        seen->next = until;
        while (seen->islands && seen->left[0] <= seen->next) {
            seen->next = seen->right[0] > seen->next ? seen->right[0] : seen->next;
            drop_island(seen, 0);
        }
        seen->repeats = 0;
        seen->lacked_ns = INT64_MAX;
    }
    return true;
}

/* An acknowledgement that stays where it was although more has come: the receiver lacks `next`. */
static void note_lack(struct seen_bytes *seen, const struct pkt *pkt, int64_t at_ns)
{
    if (pkt->ack != seen->next || !seen->islands || pkt->len || seen->lacked_ns != INT64_MAX)
        return;
    seen->repeats += pkt->sack ? REPEATS_MIN : 1;
    if (seen->repeats > REPEATS_MIN - 1)
        seen->lacked_ns = at_ns;
}

/* One packet of the last point or of the one before, in its turn. */
static bool settle_packet(struct seen_bytes *seen, struct trail *trail, bool last,
                          const struct pkt *pkt, int64_t at_ns, unsigned side,
                          struct pieces *pieces)
{
    bool data = pkt_side(pkt) == side;
    if ((pkt->flags & (PKT_DUPLICATE | PKT_RST)) || (!last && data))
        return true;
    if (!seen->begun && last) {
        seen->begun = data || pkt->ack != ACK_NONE;
        seen->next = first_watched(trail, data ? pkt->seq : pkt->ack);
    }
    if (!seen->begun)
        return true;
    if (data) {
        if (pkt_span(pkt))
            see_bytes(seen, pkt->seq, pkt_end(pkt));
        return true;
    }
    if (last)
        note_lack(seen, pkt, at_ns);
    return pkt->ack == ACK_NONE || settle_ack(seen, trail, pkt->ack, at_ns, pieces);
}

/* A point's packets of the flow, one after the other. */
struct reader {
    const struct clock_fit *clock;
    const struct pkt *pkt, *end;
    int64_t at_ns; /* when `pkt` was there; INT64_MAX behind the last */
};

static void reader_look(struct reader *reader)
{
    bool more = reader->pkt < reader->end;
    reader->at_ns = more ? clock_to_path(reader->clock, reader->pkt->time).ns : INT64_MAX;
}

static struct reader reader_make(const struct hop *hop)
{
    const struct pkt *pkts = hop->view->pkts;
    struct reader reader = {.clock = hop->clock, .pkt = pkts, .end = pkts + hop->view->pkt_count};
    reader_look(&reader);
    return reader;
}

/* Behind the last byte that may have been missed: once all before it was seen, nothing is sought.
 * INT64_MIN: none may. */
static int64_t sought_end(const struct trail *trail)
{
    int64_t end = INT64_MIN;
    for (unsigned k = 0; k + 1 < trail->hop_count; k++) {
        const struct hop *hop = &trail->hops[k];
        for (uint32_t n = 0; n < hop->unmet_count; n++) {
            const struct pkt *pkt = hop_pkt(hop, hop->unmet[n]);
            if (may_be_missed(&hop->copies[hop->unmet[n]]) && pkt_end(pkt) > end)
                end = pkt_end(pkt);
        }
    }
    return end;
}

bool follow_acknowledged(struct trail *trail, unsigned side, struct pieces *pieces)
{
    if (trail->hop_count == 0)
        return true;
    struct hop *last = &trail->hops[trail->hop_count - 1], *before = last - (last > trail->hops);
    bool alone = before == last;
    int64_t until = alone && last->count ? INT64_MAX : sought_end(trail);
    if (until == INT64_MIN || !last->view || !before->view)
        return true;
    struct seen_bytes seen = {.lacked_ns = INT64_MAX};
    struct reader here = reader_make(last), there = reader_make(before);
    if (alone)
        there = (struct reader){.at_ns = INT64_MAX};
    while ((here.pkt < here.end || there.pkt < there.end) && !seen.full &&
           !(seen.begun && seen.next >= until)) {
        bool take_last = here.at_ns <= there.at_ns;
        struct reader *first = take_last ? &here : &there;
        if (!settle_packet(&seen, trail, take_last, first->pkt, first->at_ns, side, pieces))
            return false;
        first->pkt++;
        reader_look(first);
    }
    return true;
}
