/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads the schedule of a bad cable and says which frames a rule is about. */
#include "rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const direction_names[DIRECTIONS] = {"to_client", "to_server"};
static const char *const kind_names[RULE_KINDS] = {"link",    "freeze",    "drop",
                                                   "corrupt", "duplicate", "reorder"};
static const char *const what_names[WHATS] = {"all", "data", "ack", "syn", "push", "icmp"};

static uint16_t read_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)read_be16(p) << 16 | read_be16(p + 2);
}

static void summarize_transport(struct summary *s, const uint8_t *p, size_t room, uint8_t protocol,
                                uint32_t header_bytes)
{
    s->is_icmp = protocol == IPPROTO_ICMP;
    if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || room < 8)
        return;
    s->source_port = read_be16(p);
    s->destination_port = read_be16(p + 2);
    if (protocol != IPPROTO_TCP || room < 20)
        return;
    s->is_tcp = true;
    s->sequence = read_be32(p + 4);
    s->acknowledgment = read_be32(p + 8);
    s->flags = p[13];
    header_bytes += (uint32_t)(p[12] >> 4) * 4;
    s->payload_bytes = s->ip_bytes > header_bytes ? s->ip_bytes - header_bytes : 0;
}

struct summary frame_summarize(const uint8_t *frame, size_t frame_bytes)
{
    struct summary s = {.source = "", .destination = ""};
    const uint8_t *ip = frame + ETH_HLEN;
    size_t room = frame_bytes > ETH_HLEN ? frame_bytes - ETH_HLEN : 0;
    uint16_t type = room ? read_be16(frame + 12) : 0;
    if (type == ETH_P_IP && room >= 20) {
        size_t header_bytes = (size_t)(ip[0] & 15) * 4;
        s.is_ip = true;
        s.ip_bytes = read_be16(ip + 2);
        s.ip_id = read_be16(ip + 4);
        inet_ntop(AF_INET, ip + 12, s.source, sizeof s.source);
        inet_ntop(AF_INET, ip + 16, s.destination, sizeof s.destination);
        if (header_bytes >= 20 && header_bytes <= room)
            summarize_transport(&s, ip + header_bytes, room - header_bytes, ip[9],
                                (uint32_t)header_bytes);
    } else if (type == ETH_P_IPV6 && room >= 40) {
        s.is_ip = true;
        s.ip_bytes = read_be16(ip + 4) + 40u;
        inet_ntop(AF_INET6, ip + 8, s.source, sizeof s.source);
        inet_ntop(AF_INET6, ip + 24, s.destination, sizeof s.destination);
        summarize_transport(&s, ip + 40, room - 40, ip[6], 40);
    }
    return s;
}

bool rule_matches(const struct rule *rule, const struct summary *s)
{
    const uint8_t syn = 2, syn_fin_rst = 7, push = 8;
    const bool is_what[WHATS] = {
        [WHAT_ALL] = true,
        [WHAT_DATA] = s->payload_bytes > 0,
        [WHAT_ACK] = s->is_tcp && !s->payload_bytes && !(s->flags & syn_fin_rst),
        [WHAT_SYN] = s->is_tcp && (s->flags & syn),
        [WHAT_PUSH] = s->payload_bytes > 0 && (s->flags & push),
        [WHAT_ICMP] = s->is_icmp,
    };
    if (rule->port && rule->port != s->source_port && rule->port != s->destination_port)
        return false;
    return is_what[rule->what] && s->ip_bytes > rule->above_bytes;
}

/* A name's place in a list; the list's length when it is not there. */
static int name_find(const char *name, const char *const *names, int count)
{
    int i = 0;
    while (i < count && strcmp(name, names[i]) != 0)
        i++;
    return i;
}

static bool rule_set(struct rule *rule, const char *key, const char *value)
{
    const struct {
        const char *key;
        int64_t *target, scale;
    } keys[] = {
        {"from_ms", &rule->from_ns, 1000000},   {"for_ms", &rule->until_ns, 1000000},
        {"delay_us", &rule->delay_ns, 1000},    {"rate_kbit", &rule->rate_kbit, 1},
        {"queue_bytes", &rule->queue_bytes, 1}, {"hold", &rule->hold_frames, 1},
        {"ppm", &rule->chance_ppm, 1},          {"burst", &rule->burst_frames, 1},
        {"above_bytes", &rule->above_bytes, 1}, {"port", &rule->port, 1},
        {"copies", &rule->copies, 1},
    };
    if (strcmp(key, "what") == 0) {
        rule->what = (enum what)name_find(value, what_names, WHATS);
        return rule->what != WHATS;
    }
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(key, keys[i].key) != 0)
            continue;
        char *end;
        *keys[i].target = strtoll(value, &end, 10) * keys[i].scale;
        return *end == '\0' && end != value;
    }
    return false;
}

static bool rule_parse(struct rule *rule, char *line)
{
    char *rest = NULL;
    const char *direction = strtok_r(line, " \t\n", &rest);
    const char *kind = direction ? strtok_r(NULL, " \t\n", &rest) : NULL;
    if (!kind)
        return false;
    *rule = (struct rule){.from_ns = NOT_STARTED, .chance_ppm = 1000000, .burst_frames = 1};
    for (int d = 0; d < DIRECTIONS; d++)
        rule->applies_to[d] =
            strcmp(direction, direction_names[d]) == 0 || strcmp(direction, "both") == 0;
    rule->kind = (enum rule_kind)name_find(kind, kind_names, RULE_KINDS);
    if (rule->kind == RULE_KINDS || (!rule->applies_to[0] && !rule->applies_to[1]))
        return false;
    for (char *word; (word = strtok_r(NULL, " \t\n", &rest));) {
        char *equals = strchr(word, '=');
        if (!equals)
            return false;
        *equals = '\0';
        if (!rule_set(rule, word, equals + 1))
            return false;
    }
    rule->until_ns = rule->until_ns ? rule->from_ns + rule->until_ns : INT64_MAX;
    return rule->kind != RULE_FREEZE || rule->until_ns != INT64_MAX;
}

bool schedule_read(struct schedule *schedule, const char *path)
{
    char line[512];
    bool good = true;
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "taplink: %s: %s\n", path, strerror(errno));
        return false;
    }
    for (int number = 1; good && fgets(line, sizeof line, file); number++) {
        if (line[strspn(line, " \t\n")] == '\0' || line[0] == '#')
            continue;
        good = schedule->count < MAX_RULES && rule_parse(&schedule->rules[schedule->count++], line);
        if (!good)
            fprintf(stderr, "taplink: %s:%d: not a rule\n", path, number);
    }
    fclose(file);
    return good;
}
