/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Property test of stage 7, detect: plain packets are passed over without asking the rules, and
 * that must not show. A packet with a wrong checksum is never plain, and checksums do not matter to
 * the rules: so a flow shows the same events when all its checksums are wrong, but for those that
 * say so.
 */
#include "detect/detect.h"
#include "packet_samples.h"

#define PACKETS 300u
#define FLOWS   3000u

struct random_flow {
    struct dice dice;
    struct track_flow flow;
    struct pkt pkts[PACKETS];
    int64_t next[2]; /* behind what each side has sent */
    unsigned odd_percent;
    unsigned
        slowness; /* so much longer is everything: round trips count only where they are long */
    int64_t now_ns;
};

static const uint16_t WINDOWS[] = {0, 1, 2, 1000, 1000, 2000, 60000};
static const uint32_t LENGTHS[] = {0, 0, 1, 2, 500, 1000, 1000, 1000};
static const uint32_t ODD_FLAGS[] = {0,       0,       0,       PKT_SYN,           PKT_FIN,
                                     PKT_RST, PKT_FIN, PKT_PSH, PKT_SYN | PKT_RST, PKT_DUPLICATE};

/* As a sender should, in order. */
static void say(struct random_flow *random, struct pkt *pkt, unsigned side)
{
    *pkt = (struct pkt){.time = {random->now_ns},
                        .seq = random->next[side],
                        .ack = random->next[!side],
                        .len = chance(&random->dice, 50) ? 0 : 1000,
                        .flags = (PKT_ACK | (side ? PKT_FROM_SERVER : 0u)) & 4095u,
                        .window = 5000};
}

static void spoil(struct random_flow *random, struct pkt *pkt)
{
    struct dice *dice = &random->dice;
    unsigned what = roll(dice, 9);
    if (what == 0)
        pkt->seq += (int64_t)roll(dice, 5) * 500 - 1000;
    else if (what == 1)
        pkt->seq += (int64_t)roll(dice, 3) - 1;
    else if (what == 2)
        pkt->ack += (int64_t)roll(dice, 5) * 500 - 1000;
    else if (what == 3)
        pkt->window = WINDOWS[roll(dice, sizeof WINDOWS / sizeof *WINDOWS)];
    else if (what == 4)
        pkt->len = LENGTHS[roll(dice, sizeof LENGTHS / sizeof *LENGTHS)] & PKT_LEN_MAX;
    else if (what == 5)
        pkt->flags |= ODD_FLAGS[roll(dice, sizeof ODD_FLAGS / sizeof *ODD_FLAGS)] & 4095u;
    else if (what == 6)
        pkt->flags &= ~(unsigned)PKT_ACK & 4095u;
    else if (what == 7)
        pkt->time.ns = random->now_ns += (int64_t)roll(dice, 3) * 190 * MS * random->slowness;
    else
        pkt->time.ns -= roll(dice, 2) * MS;
    if (!(pkt->flags & PKT_ACK))
        pkt->ack = ACK_NONE;
    if (chance(dice, 30)) /* up to the window's edge, where it is not scaled */
        pkt->len = 5000;
}

static struct random_flow *random_new(uint64_t seed)
{
    struct random_flow *random = calloc(1, sizeof *random);
    assert_non_null(random);
    random->dice.state = seed * 0x9e3779b97f4a7c15u + 1;
    struct dice *dice = &random->dice;
    struct track_flow *flow = &random->flow;
    flow->protocol = IPPROTO_TCP;
    flow->pkts = random->pkts;
    flow->pkt_count = PACKETS;
    flow->reused = chance(dice, 10);
    random->odd_percent = roll(dice, 40);
    random->slowness = 1 + 9 * roll(dice, 2);
    bool handshake = chance(dice, 70), scaled = chance(dice, 50);
    for (unsigned side = 0; side < 2; side++) {
        random->next[side] = handshake ? 0 : 1;
        flow->stream[side].window_scale_known = scaled && !chance(dice, 10);
        flow->stream[side].window_scale = (uint8_t)roll(dice, 4);
    }
    for (uint32_t i = 0; i < PACKETS; i++) {
        struct pkt *pkt = &random->pkts[i];
        unsigned side = handshake && i < 2 ? i : roll(dice, 2);
        random->now_ns += roll(dice, 20) * MS / 2 * random->slowness;
        say(random, pkt, side);
        if (handshake && i < 2) {
            pkt->flags = (PKT_SYN | (i ? PKT_ACK | PKT_FROM_SERVER : 0u)) & 4095u;
            pkt->ack = i ? 1 : ACK_NONE;
            pkt->len = 0;
        } else if (chance(dice, random->odd_percent)) {
            spoil(random, pkt);
        }
        if (pkt_end(pkt) > random->next[side])
            random->next[side] = pkt_end(pkt);
    }
    return random;
}

/* Returns how many events there were. */
static uint32_t check_flow(struct track_flow *flow)
{
    struct detect_events passed = {0}, asked = {0};
    struct wh_error error;
    assert_int_equal(detect_flow(flow, &passed, &error), WH_OK);
    for (uint32_t i = 0; i < flow->pkt_count; i++)
        flow->pkts[i].bad_checksum = true;
    assert_int_equal(detect_flow(flow, &asked, &error), WH_OK);
    uint32_t n = 0;
    for (uint32_t i = 0; i < asked.count; i++) {
        if (asked.items[i].kind == WH_EVENT_BAD_CHECKSUM)
            continue;
        assert_true(n < passed.count);
        assert_int_equal(passed.items[n].pkt, asked.items[i].pkt);
        assert_int_equal(passed.items[n].kind, asked.items[i].kind);
        assert_int_equal(passed.items[n].value, asked.items[i].value);
        n++;
    }
    assert_int_equal(n, passed.count);
    free(passed.items);
    free(asked.items);
    return n;
}

static uint32_t check_random(uint64_t seed)
{
    struct random_flow *random = random_new(seed);
    uint32_t found = check_flow(&random->flow);
    free(random);
    return found;
}

static void test_plain_packets_hide_nothing(void **unused)
{
    (void)unused;
    uint64_t found = 0;
    for (uint64_t seed = 1; seed <= FLOWS; seed++)
        found += check_random(seed);
    assert_in_range(found, FLOWS * PACKETS / 50, FLOWS * PACKETS);
}

static struct pkt made(int64_t time_ms, unsigned flags, int64_t seq, unsigned len, int64_t ack)
{
    return (struct pkt){.time = {time_ms * MS},
                        .flags = (flags | (ack == ACK_NONE ? 0u : PKT_ACK)) & 255u,
                        .seq = seq,
                        .len = len & PKT_LEN_MAX,
                        .ack = ack,
                        .window = 5000};
}

/* What the server sends at 2 ms was acknowledged before: so the client's next packet answers it,
 * though that acknowledges nothing new. The silence is one of 250 ms: shorter than two such round
 * trips. */
static void test_acknowledged_before_it_came(void **unused)
{
    (void)unused;
    const unsigned server = PKT_FROM_SERVER;
    struct pkt pkts[] = {made(0, server, 1, 10, 1),  made(0, 0, 1, 0, 12),
                         made(1, 0, 1, 100, 12),     made(2, server | PKT_FIN, 11, 0, 101),
                         made(152, 0, 101, 100, 12), made(402, 0, 201, 100, 12)};
    struct track_flow flow = {
        .protocol = IPPROTO_TCP, .pkts = pkts, .pkt_count = sizeof pkts / sizeof *pkts};
    assert_int_equal(check_flow(&flow), 1);
}

/* A SYN that is sent again takes the client's number back behind what it has sent: what follows is
 * next, and nothing new. */
static void test_syn_again_amid_data(void **unused)
{
    (void)unused;
    const unsigned server = PKT_FROM_SERVER;
    struct pkt pkts[] = {made(0, PKT_SYN, 0, 0, ACK_NONE),
                         made(1, server | PKT_SYN, 0, 0, 1),
                         made(2, 0, 1, 100, 1),
                         made(3, 0, 201, 100, 1),
                         made(4, PKT_SYN, 0, 0, ACK_NONE),
                         made(5, 0, 101, 0, 1),
                         made(6, 0, 101, 50, 1),
                         made(150, server, 1, 0, 151),
                         made(400, server, 1, 100, 151)};
    struct track_flow flow = {
        .protocol = IPPROTO_TCP, .pkts = pkts, .pkt_count = sizeof pkts / sizeof *pkts};
    assert_int_equal(check_flow(&flow), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_packets_hide_nothing),
        cmocka_unit_test(test_acknowledged_before_it_came),
        cmocka_unit_test(test_syn_again_amid_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
