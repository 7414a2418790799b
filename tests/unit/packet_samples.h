/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets written down in a line each, and fed to a point's tracker as the decoder would hand them
 * over. Sequence numbers are offsets: 0 is the SYN; a talk's initial numbers are added.
 */
#ifndef WHICHHOP_TESTS_PACKET_SAMPLES_H
#define WHICHHOP_TESTS_PACKET_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "track/track.h"

#define MS           NS_PER_MS
#define SERVER       1u
#define CLIENT       0u
#define SHUT         (-1) /* a window of 0 bytes */
#define WINDOW_USUAL 60000
#define LINE_SACKS   3u

/* One packet. What is left 0 has a usual value. */
struct line {
    int64_t time_ns;
    unsigned side;  /* who sends it */
    unsigned flags; /* TCP_...; an acknowledgement brings TCP_ACK with it */
    int64_t seq;
    uint32_t len;
    int64_t ack;           /* 0: none */
    uint32_t tsval, tsecr; /* TSval 0: no timestamps, or those that the path makes up */
    uint16_t ip_id;
    int32_t window; /* 0: WINDOW_USUAL */
    uint16_t mss;
    int window_scale; /* plus one; 0: no such option */
    uint8_t ttl;
    uint32_t network;
    const char *payload;
    enum checksum_state checksum;
    int64_t sack[LINE_SACKS][2]; /* up to the first empty block */
    /* Its way, see flow_samples.h. Segments are counted from its sender, from 1. */
    unsigned lost_in, held_in, broken_in;
    int64_t held_ns;
    unsigned missed; /* set of places whose capture misses it */
};

/* What a conversation is called at a point, and the numbers it starts from. */
struct talk {
    struct endpoint end[2]; /* client, server */
    uint32_t isn[2];
    uint8_t protocol;
};

static inline struct endpoint endpoint(unsigned a, unsigned b, unsigned c, unsigned d,
                                       unsigned port)
{
    struct endpoint result = {.address = {[10] = 255,
                                          [11] = 255,
                                          [12] = (uint8_t)a,
                                          [13] = (uint8_t)b,
                                          [14] = (uint8_t)c,
                                          [15] = (uint8_t)d},
                              .port = (uint16_t)port};
    return result;
}

static inline struct talk talk_usual(void)
{
    return (struct talk){{endpoint(192, 0, 2, 7, 50123), endpoint(198, 51, 100, 1, 80)},
                         {1000000, 3000000000u},
                         IPPROTO_TCP};
}

static inline unsigned line_sacks(const struct line *line)
{
    unsigned count = 0;
    while (count < LINE_SACKS && line->sack[count][1])
        count++;
    return count;
}

static inline uint16_t line_window(const struct line *line)
{
    return (uint16_t)(line->window == SHUT ? 0 : line->window ? line->window : WINDOW_USUAL);
}

static inline uint16_t line_flags(const struct line *line)
{
    return (uint16_t)(line->flags | (line->ack ? TCP_ACK : 0) |
                      (line->tsval ? PACKET_TIMESTAMPS : 0) | (line_sacks(line) ? PACKET_SACK : 0));
}

static inline struct decoded line_decoded(const struct talk *talk, const struct line *line)
{
    struct decoded packet = {.source = talk->end[line->side],
                             .destination = talk->end[!line->side],
                             .protocol = talk->protocol,
                             .ip_version = 4,
                             .ttl = line->ttl ? line->ttl : 64,
                             .flags = line_flags(line),
                             .ip_id = line->ip_id,
                             .window = talk->protocol == IPPROTO_TCP ? line_window(line) : 0,
                             .network = line->network,
                             .seq = talk->isn[line->side] + (uint32_t)line->seq,
                             .tsval = line->tsval,
                             .tsecr = line->tsecr,
                             .payload_bytes = line->len,
                             .mss = line->mss,
                             .has_window_scale = line->window_scale > 0,
                             .window_scale =
                                 (uint8_t)(line->window_scale ? line->window_scale - 1 : 0),
                             .sack_count = (uint8_t)line_sacks(line),
                             .checksum = line->checksum};
    if (line->ack)
        packet.ack = talk->isn[!line->side] + (uint32_t)line->ack;
    for (unsigned i = 0; i < packet.sack_count; i++)
        for (unsigned edge = 0; edge < 2; edge++)
            packet.sack[i][edge] = talk->isn[!line->side] + (uint32_t)line->sack[i][edge];
    if (line->payload) {
        packet.payload = (const uint8_t *)line->payload;
        packet.payload_captured_bytes = (uint32_t)strlen(line->payload);
        packet.payload_bytes = line->len ? line->len : packet.payload_captured_bytes;
    }
    return packet;
}

static inline void track_line(struct track *track, const struct talk *talk, const struct line *line)
{
    struct wh_error error;
    struct arrival arrival = {
        .packet = line_decoded(talk, line), .time = {line->time_ns}, .place = 1};
    for (uint32_t i = 0; i < track->flow_count && track->flow_count < 100; i++)
        arrival.place += track->flows[i].pkt_count;
    assert_int_equal(track_add(track, &arrival, &error), WH_OK);
}

static inline void track_lines(struct track *track, const struct talk *talk,
                               const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        track_line(track, talk, &lines[i]);
}

#define TRACK(track, talk, ...)                                                                    \
    track_lines(track, talk, (const struct line[]){__VA_ARGS__},                                   \
                sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))

/* A seeded generator (Vigna, xorshift64*): the same tests on every run. */
struct dice {
    uint64_t state;
};

static inline uint32_t roll(struct dice *dice, uint32_t below)
{
    dice->state ^= dice->state >> 12;
    dice->state ^= dice->state << 25;
    dice->state ^= dice->state >> 27;
    return (uint32_t)((dice->state * 2685821657736338717u) >> 33) % below;
}

static inline bool chance(struct dice *dice, uint32_t percent)
{
    return roll(dice, 100) < percent;
}

#endif
