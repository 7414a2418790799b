/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The translator failed the flow: it let packets out under another name or under none of its own,
 * refused them, or answered for the other end with a reset. What merely vanishes in it is loss.
 */
#include "blame/cause_nat.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define CONFIDENCE_NAT    0.95
#define RESETS_EXAMINED   64u
#define ANSWERS_WITHIN_NS NS_PER_S          /* a reset answers what came just before */
#define SIGN_BEFORE_NS    (100 * NS_PER_MS) /* the case's start is known so well */

/* ---- resets of the translator's own ---------------------------------------------------------- */

static bool names_differ(const struct hop *a, const struct hop *b)
{
    return memcmp(&a->view->endpoint[0], &b->view->endpoint[0], sizeof a->view->endpoint[0]) != 0 ||
           memcmp(&a->view->endpoint[1], &b->view->endpoint[1], sizeof a->view->endpoint[1]) != 0;
}

/* Routers take one off the TTL of what passes them. A reset that has all of it, where everything
 * else in its sender's name has lost some since the point before, did not pass there. */
static bool made_behind(const struct hop *before, const struct hop *hop, unsigned side)
{
    static const uint8_t whole[] = {64, 128, 255}; /* as stacks send */
    const struct stream *here = &hop->view->stream[side], *there = &before->view->stream[side];
    bool is_whole = false;
    for (unsigned i = 0; i < sizeof whole; i++)
        is_whole |= here->reset_ttl_max == whole[i];
    return is_whole && here->ttl_max < there->ttl_max && here->ttl_max < here->reset_ttl_max;
}

/* The packet that a reset answers, which went into the segment and did not come out, as far as
 * anybody saw: it asks for the reset's number, or the reset acknowledges it (RFC 9293, 3.10.7.1).
 * `asked` is the hop of the opposite direction at the same point. */
static bool answers_what_vanished(const struct hop *asked, const struct pkt *reset, int64_t at_ns,
                                  bool made_here)
{
    for (uint32_t i = copies_from(asked, at_ns - ANSWERS_WITHIN_NS);
         i < asked->count && hop_time(asked, i) <= at_ns; i++) {
        const struct pkt *pkt = hop_pkt(asked, i);
        bool fits =
            pkt->ack == reset->seq || (reset->ack != ACK_NONE && reset->ack == pkt_end(pkt));
        unsigned fate = asked->copies[i].fate;
        if (fits && (fate == FATE_LOST || (made_here && fate == FATE_UNSEEN)))
            return true;
    }
    return false;
}

static const struct hop *hop_at(const struct trail *trail, unsigned point)
{
    for (unsigned k = 0; k < trail->hop_count; k++)
        if (trail->hops[k].point == point && trail->hops[k].view)
            return &trail->hops[k];
    return NULL;
}

/* The first reset in the name of `side` that begins between hop k - 1 and hop k. */
static bool find_reset(const struct followed *followed, unsigned side, unsigned k,
                       struct nat_sign *sign)
{
    const struct hop *before = &followed->trail[side].hops[k - 1], *hop = before + 1;
    const struct hop *asked = hop->view ? hop_at(&followed->trail[!side], hop->point) : NULL;
    unsigned looked = 0;
    if (!asked || !before->view || !names_differ(before, hop))
        return false;
    bool made_here = made_behind(before, hop, side);
    for (uint32_t n = 0; n < hop->stray_count && looked < RESETS_EXAMINED; n++) {
        uint32_t i = hop->strays[n];
        const struct pkt *pkt = hop_pkt(hop, i);
        int64_t at_ns = hop_time(hop, i);
        if (!(pkt->flags & PKT_RST) || hop->copies[i].previous != COPY_NONE)
            continue;
        looked++;
        bool watched = at_ns >= before->first.ns && at_ns <= before->last.ns;
        if ((!watched && !made_here) || !answers_what_vanished(asked, pkt, at_ns, made_here))
            continue;
        *sign = (struct nat_sign){.kind = NAT_RESET,
                                  .side = side,
                                  .time_ns = at_ns,
                                  .last_ns = NEVER,
                                  .place = place_between(before, hop),
                                  .frame = {(uint16_t)hop->point, 0, pkt->place}};
        return true;
    }
    return false;
}

static bool add_sign(struct nat_signs *signs, const struct nat_sign *sign)
{
    for (uint32_t i = 0; i < signs->count; i++)
        if (signs->items[i].kind == sign->kind && signs->items[i].time_ns == sign->time_ns &&
            signs->items[i].frame.point == sign->frame.point)
            return true;
    struct nat_sign *kept = ARRAY_PUSH(signs->items, signs->count, signs->capacity);
    if (kept)
        *kept = *sign;
    return kept != NULL;
}

bool nat_signs_of_flow(const struct followed *followed, const struct nat_signs *all, uint32_t flow,
                       struct nat_signs *signs)
{
    uint32_t first = 0, count = all ? nat_signs_of(all, flow, &first) : 0;
    if (signs->count && signs->items[0].flow != flow)
        signs->count = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!add_sign(signs, &all->items[first + i]))
            return false;
    for (unsigned side = 0; side < 2; side++)
        for (unsigned k = 1; k < followed->trail[side].hop_count; k++) {
            struct nat_sign sign;
            if (!find_reset(followed, side, k, &sign))
                continue;
            sign.flow = sign.other = flow;
            if (!add_sign(signs, &sign))
                return false;
        }
    if (signs->count)
        qsort(signs->items, signs->count, sizeof *signs->items, nat_compare);
    return true;
}

/* ---- when the flow ends ---------------------------------------------------------------------- */

const struct nat_sign *nat_reset(const struct nat_signs *signs)
{
    for (uint32_t i = 0; i < signs->count; i++)
        if (signs->items[i].kind == NAT_RESET)
            return &signs->items[i];
    return NULL;
}

/* A reset of the translator's ends the flow for the one it went to. The other end waits on, until
 * it hears of it. */
int64_t nat_end(const struct timeline *timeline, int64_t after_ns, int64_t captures_ns)
{
    const struct hop *hop = timeline->sender;
    for (uint32_t i = view_from(hop, after_ns); i < hop->view->pkt_count; i++)
        if ((hop->view->pkts[i].flags & PKT_RST) && view_time(hop, i) < captures_ns)
            return view_time(hop, i);
    return captures_ns;
}

/* ---- the rule -------------------------------------------------------------------------------- */

/* Anywhere within the wait: refusals come at a bounded rate (RFC 1812, 4.3.2.8), the others with
 * the next packet that is sent. */
static bool explains(const struct nat_sign *sign, const struct stall_case *item)
{
    int64_t from_ns = item->sent_ns < item->start_ns ? item->sent_ns : item->start_ns;
    return sign->last_ns >= from_ns - SIGN_BEFORE_NS && sign->time_ns <= item->end_ns;
}

const struct nat_sign *nat_sign_in(const struct stall_case *item)
{
    for (uint32_t i = 0; item->nat && i < item->nat->count; i++)
        if (explains(&item->nat->items[i], item))
            return &item->nat->items[i];
    return NULL;
}

void nat_tell(struct stall_case *item, const struct nat_sign *sign)
{
    static const char *const whose[2] = {"the client", "the server"};
    const char *point = item->options->names[sign->frame.point];
    const char *sender = whose[sign->side];
    double at_s = seconds_of(item, sign->time_ns);
    switch (sign->kind) {
    case NAT_UNTRANSLATED:
        testify_frame(item, &sign->frame,
                      "at %.3f s a packet of %s passed %s untranslated, with the addresses that it "
                      "has on the other side of the translation",
                      at_s, sender, point);
        break;
    case NAT_REMAPPED:
        testify_frame(item, &sign->frame,
                      "from %.3f s on what %s sent passed %s under another address or port, with "
                      "the same numbers going on: the mapping had changed",
                      at_s, sender, point);
        break;
    case NAT_REFUSED:
        testify_frame(item, &sign->frame,
                      "at %.3f s an ICMP error came back past %s for a packet of %s; it was made "
                      "in between, as no point farther on saw it",
                      at_s, point, sender);
        break;
    case NAT_RESET:
        testify_frame(item, &sign->frame,
                      "at %.3f s a reset in the name of %s passed %s that %s had not sent: it was "
                      "made in between, for a packet that went in there and never came out",
                      at_s, sender, point, sender);
        break;
    }
}

/* Something was lost where the translator shows that it failed: forgets what was said of it. */
bool nat_lost_it(struct stall_case *item)
{
    struct finding *finding = item->finding;
    const struct nat_sign *sign = nat_sign_in(item);
    if (!sign || (finding->cause != WH_CAUSE_LOSS && finding->cause != WH_CAUSE_ACK_LOSS) ||
        finding->place.first > sign->place.first ||
        finding->place.first + finding->place.span < sign->place.first + sign->place.span)
        return false;
    finding->evidence_count = 0;
    finding->vanished = (struct vanished){0};
    return true;
}

/* Data is outstanding, and the translator shows meanwhile that it failed. */
bool rule_nat(struct stall_case *item)
{
    const struct nat_sign *sign = nat_sign_in(item);
    unsigned told = 0;
    if (!sign)
        return false;
    conclude(item, WH_CAUSE_NAT, sign->place, sign->side == item->timeline->side, CONFIDENCE_NAT);
    for (unsigned kind = NAT_UNTRANSLATED; kind <= NAT_RESET; kind++)
        for (uint32_t i = 0; i < item->nat->count; i++) {
            const struct nat_sign *one = &item->nat->items[i];
            if (one->kind != kind || !explains(one, item))
                continue;
            nat_tell(item, one);
            told |= 1u << kind;
            break;
        }
    if (told == 1u << NAT_RESET && sign->side == item->timeline->side && !item->resumed)
        testify(item, NULL, 0, NULL, 0, "%s itself was not told, and waited until %.3f s",
                sign->side ? "the server" : "the client", seconds_of(item, item->end_ns));
    return true;
}
