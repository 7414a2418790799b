/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules of a bad cable, and what they look at in a frame.
 *
 * SCHEDULE is a text file, a rule a line: DIRECTION KIND key=value ...
 *     DIRECTION  to_client, to_server or both
 *     link       delay_us=, rate_kbit=, queue_bytes= (tail drop); the last one that applies holds
 *     freeze     nothing leaves; at its end all that waited leaves at once; hold= frames at most
 *     drop       what=all|data|ack|syn|push|icmp, above_bytes= (IP length), port=, ppm= (chance),
 *                burst= (frames lost in a row once chance strikes), copies= (chance chooses
 *                segments, not frames, and strikes only so many copies of each)
 *     corrupt    as drop: a byte of the payload is changed, the checksum stays
 *     duplicate  ppm=
 *     reorder    ppm=, delay_us= (by how much a frame is put back)
 * Every rule takes from_ms= and for_ms= after the start; without them it always applies.
 */
#ifndef LAB_RULES_H
#define LAB_RULES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_RULES = 64 };
enum direction { TO_CLIENT, TO_SERVER, DIRECTIONS };
enum rule_kind {
    RULE_LINK,
    RULE_FREEZE,
    RULE_DROP,
    RULE_CORRUPT,
    RULE_DUPLICATE,
    RULE_REORDER,
    RULE_KINDS
};
enum what { WHAT_ALL, WHAT_DATA, WHAT_ACK, WHAT_SYN, WHAT_PUSH, WHAT_ICMP, WHATS };

/* A rule's from_ns when it has no beginning; the link's start_ns before there is one. */
#define NOT_STARTED INT64_MIN

extern const char *const direction_names[DIRECTIONS];

struct rule {
    enum rule_kind kind;
    bool applies_to[DIRECTIONS];
    int64_t from_ns, until_ns; /* after the start; from INT64_MIN: even before it */
    int64_t delay_ns, rate_kbit, queue_bytes, hold_frames;
    int64_t chance_ppm, burst_frames, copies, above_bytes, port;
    enum what what;
    int64_t burst_left[DIRECTIONS];
};

struct schedule {
    struct rule rules[MAX_RULES];
    size_t count;
};

/* What the log and the rules want to know of a frame. */
struct summary {
    bool is_ip, is_tcp, is_icmp;
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    uint16_t ip_id, source_port, destination_port;
    uint32_t sequence, acknowledgment, ip_bytes, payload_bytes;
    uint8_t flags;
};

/* Reads a schedule; false, with the reason on standard error, when it cannot be used. */
bool schedule_read(struct schedule *schedule, const char *path);

/* Reads an Ethernet frame: IPv4, and IPv6 without extension headers, all that the lab sends. */
struct summary frame_summarize(const uint8_t *frame, size_t frame_bytes);

/* Whether the frame is of the rule's kind; time and chance are the caller's. */
bool rule_matches(const struct rule *rule, const struct summary *s);

#endif
