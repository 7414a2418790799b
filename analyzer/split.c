/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One capture of several interfaces (`-i any`, or a pcapng file of several) shows a packet once at
 * each interface that it passes. The head of the file is read for that: where a fair share of the
 * packets comes at two interfaces or more, the capture is taken apart into a point for each.
 *
 * Linux cooked v2 (LINKTYPE_LINUX_SLL2) numbers the interfaces. v1 tells only whether a packet came
 * in or went out; with its direction that is the side of the host that it passed, when each
 * packet is seen once on either side. A host that is itself an end sees each packet once:
 * nothing is taken apart then.
 */
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/error.h"
#include "split.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HEAD_RECORDS   50000u
#define LANES_MAX      WH_POINTS_MAX
#define MEMORY         65536u /* packets remembered, a power of two */
#define SHARED_PACKETS 20u    /* seen elsewhere, too: from here on */
#define SHARED_PART    20u    /* and one in so many of the lane's own */
#define REST_PART      20u    /* of the packets, one in so many must pass one interface only */
#define TOGETHER_NS    NS_PER_S
#define SLL_BYTES      16u
#define SLL2_BYTES     20u
#define SLL_OUTGOING   4u
#define HASH_BYTES     16u
#define PORTS          65536u

/* A packet remembered by what no hop changes. */
struct memory {
    uint64_t hash;
    int64_t time_ns;
    uint32_t lanes; /* where it was seen: a set of indexes into scout.lanes */
};

struct scout_lane {
    uint32_t id;
    char name[48]; /* of the interface, "" when the file has none */
    uint32_t packets, shared;
};

/* The head of a file, by lanes. */
struct scout {
    enum lane_kind kind;
    struct scout_lane lanes[LANES_MAX];
    uint32_t lane_count;
    uint32_t pairs, crowds; /* packets seen in a second lane; in one lane twice */
    struct memory *memory;
    uint32_t *port_packets; /* with LANE_SIDE: [PORTS] */
};

/* ---- lanes ----------------------------------------------------------------------------------- */

static bool to_server(const struct decoded *packet, const uint32_t *port_packets)
{
    uint16_t from = packet->source.port, to = packet->destination.port;
    return port_packets[from] != port_packets[to] ? port_packets[to] > port_packets[from]
                                                  : to <= from;
}

/* Towards which side of the host did it pass? What comes in from the client passes the same side
 * as what goes out to it. */
static uint32_t side_lane(const struct record *record, const uint32_t *port_packets)
{
    struct decoded packet;
    bool out = record->data[0] == 0 && record->data[1] == SLL_OUTGOING;
    enum decode_status status =
        decode_frame(record->dlt, record->data, record->caplen, record->wirelen, false, &packet);
    return out == (status != DECODE_OK || to_server(&packet, port_packets));
}

uint32_t lane_of(enum lane_kind kind, const struct record *record, const uint32_t *port_packets)
{
    const uint8_t *data = record->data;
    if (kind == LANE_COOKED && record->dlt == DLT_LINUX_SLL2 && record->caplen >= SLL2_BYTES)
        return (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16 | (uint32_t)data[6] << 8 | data[7];
    if (kind == LANE_SIDE && record->dlt == DLT_LINUX_SLL && record->caplen >= SLL_BYTES)
        return side_lane(record, port_packets);
    return kind == LANE_INTERFACE ? record->interface : 0;
}

bool lane_taken(const struct capture_file *file, uint32_t lane)
{
    for (uint32_t i = 0; i < file->other_count; i++)
        if (file->others[i] == lane)
            return false;
    return file->others || lane == file->lane;
}

bool lane_wanted(const struct capture_file *file, const struct record *record)
{
    return file->lane_kind == LANE_ALL ||
           lane_taken(file, lane_of(file->lane_kind, record, file->port_packets));
}

/* ---- the head of the file -------------------------------------------------------------------- */

/* 0: nothing that tells it from others. */
static uint64_t identity(const struct decoded *packet)
{
    uint32_t bytes = packet->payload_captured_bytes;
    uint64_t payload =
        bytes ? XXH3_64bits(packet->payload, bytes < HASH_BYTES ? bytes : HASH_BYTES) : 0;
    if (packet->protocol != IPPROTO_TCP && !(packet->protocol == IPPROTO_UDP && payload))
        return 0;
    bool tcp = packet->protocol == IPPROTO_TCP;
    uint32_t numbers[6] = {tcp ? packet->seq : packet->ip_id,
                           tcp ? packet->ack : 0,
                           tcp ? packet->flags & TCP_FLAGS : 0,
                           packet->tsval,
                           packet->payload_bytes,
                           tcp ? packet->window : (uint32_t)payload};
    return XXH3_64bits(numbers, sizeof numbers) | 1;
}

static struct scout_lane *find_lane(struct scout *scout, uint32_t id)
{
    for (uint32_t i = 0; i < scout->lane_count; i++)
        if (scout->lanes[i].id == id)
            return &scout->lanes[i];
    if (scout->lane_count == LANES_MAX)
        return NULL;
    scout->lanes[scout->lane_count] = (struct scout_lane){.id = id};
    return &scout->lanes[scout->lane_count++];
}

static void count_packet(struct scout *scout, struct scout_lane *lane, uint64_t hash,
                         int64_t time_ns)
{
    struct memory *memory = &scout->memory[hash >> 8 & (MEMORY - 1)];
    uint32_t bit = 1u << (lane - scout->lanes);
    lane->packets++;
    if (memory->hash != hash || time_ns - memory->time_ns > TOGETHER_NS) {
        *memory = (struct memory){hash, time_ns, bit};
        return;
    }
    if (memory->lanes & bit) {
        scout->crowds++;
        return;
    }
    scout->pairs++;
    lane->shared++;
    for (uint32_t i = 0; i < scout->lane_count && !(memory->lanes & (memory->lanes - 1)); i++)
        if (memory->lanes == 1u << i)
            scout->lanes[i].shared++;
    memory->lanes |= bit;
}

static enum lane_kind kind_of(const struct record *record, const char *format)
{
    if (record->dlt == DLT_LINUX_SLL2)
        return LANE_COOKED;
    if (record->dlt == DLT_LINUX_SLL)
        return LANE_SIDE;
    return strncmp(format, "pcapng", 6) == 0 ? LANE_INTERFACE : LANE_ALL;
}

/* How many packets of the head bear each port. False when memory is out. */
static bool count_ports(struct wh_analysis *analysis, struct scout *scout, const char *path)
{
    struct reader *reader;
    struct record record;
    struct wh_error ignored; /* told when the file is read in earnest */
    scout->port_packets = arena_alloc(&analysis->arena, PORTS, sizeof *scout->port_packets);
    if (!scout->port_packets || read_open(&reader, path, &ignored))
        return false;
    for (uint32_t i = 0; i < HEAD_RECORDS && read_next(reader, &record, &ignored) == 1; i++) {
        struct decoded packet;
        if (decode_frame(record.dlt, record.data, record.caplen, record.wirelen, false, &packet) !=
            DECODE_OK)
            continue;
        scout->port_packets[packet.source.port]++;
        scout->port_packets[packet.destination.port]++;
    }
    read_close(reader);
    return true;
}

static void scout_records(struct wh_analysis *analysis, struct scout *scout, const char *path,
                          struct reader *reader)
{
    struct record record;
    struct wh_error ignored; /* told when the file is read in earnest */
    for (uint32_t i = 0; i < HEAD_RECORDS && read_next(reader, &record, &ignored) == 1; i++) {
        struct decoded packet;
        if (i == 0)
            scout->kind = kind_of(&record, read_format(reader));
        if (scout->kind == LANE_ALL ||
            (i == 0 && scout->kind == LANE_SIDE && !count_ports(analysis, scout, path)))
            return;
        if (i == 0)
            memset(scout->memory, 0, MEMORY * sizeof *scout->memory);
        if (decode_frame(record.dlt, record.data, record.caplen, record.wirelen, false, &packet) !=
            DECODE_OK)
            continue;
        uint64_t hash = identity(&packet);
        struct scout_lane *lane =
            find_lane(scout, lane_of(scout->kind, &record, scout->port_packets));
        if (lane && hash)
            count_packet(scout, lane, hash, record.time.ns);
    }
    for (uint32_t i = 0; scout->kind == LANE_INTERFACE && i < scout->lane_count; i++)
        snprintf(scout->lanes[i].name, sizeof scout->lanes[i].name, "%s",
                 read_interface(reader, scout->lanes[i].id)->name);
}

static bool is_shared(const struct scout_lane *lane)
{
    return lane->shared >= SHARED_PACKETS && lane->shared >= lane->packets / SHARED_PART;
}

/* How many points the capture makes; 0: it stays one. */
static uint32_t lanes_shared(const struct scout *scout)
{
    uint32_t shared = 0;
    for (uint32_t i = 0; i < scout->lane_count; i++)
        shared += is_shared(&scout->lanes[i]);
    /* two sides are all that v1 tells: no use where packets pass one of them twice */
    bool crowded = scout->kind == LANE_SIDE && scout->crowds > scout->pairs / SHARED_PART;
    return shared < 2 || crowded ? 0 : shared;
}

/* ---- taking it apart ------------------------------------------------------------------------- */

static const char *lane_name(struct wh_analysis *analysis, const char *point,
                             const struct scout *scout, const struct scout_lane *lane)
{
    char name[512];
    const char *side = lane->id ? "server-side" : "client-side";
    if (scout->kind == LANE_SIDE)
        snprintf(name, sizeof name, "%s#%s", point, side);
    else if (*lane->name && !strstr(lane->name, "..") && !strpbrk(lane->name, "=/,"))
        snprintf(name, sizeof name, "%s#%s", point, lane->name);
    else
        snprintf(name, sizeof name, "%s#%u", point, (unsigned)lane->id);
    return arena_strdup(&analysis->arena, name);
}

/* A copy of the capture that takes one lane of its files. */
static bool add_lane(struct wh_analysis *analysis, uint32_t index, const struct scout *scout,
                     const struct scout_lane *lane)
{
    struct capture *capture =
        ARRAY_PUSH(analysis->captures, analysis->capture_count, analysis->capture_capacity);
    if (!capture)
        return false;
    const struct capture *whole = &analysis->captures[index];
    *capture = *whole;
    capture->name = lane_name(analysis, whole->name, scout, lane);
    capture->files = NULL;
    capture->file_count = capture->file_capacity = 0;
    for (uint32_t f = 0; f < whole->file_count; f++) {
        struct capture_file *file =
            ARRAY_PUSH(capture->files, capture->file_count, capture->file_capacity);
        if (!file)
            return false;
        *file = whole->files[f];
        file->lane_kind = scout->kind;
        file->lane = lane->id;
        file->port_packets = scout->port_packets;
    }
    return capture->name != NULL;
}

/* What is left to the capture itself: the lanes that share nothing, if they are a fair part of it
 * all. Returns whether they are. */
static bool keep_rest(struct wh_analysis *analysis, struct capture *capture,
                      const struct scout *scout)
{
    uint32_t *others = arena_alloc(&analysis->arena, LANES_MAX, sizeof *others), count = 0;
    uint32_t rest = 0, all = 0;
    for (uint32_t i = 0; others && i < scout->lane_count; i++) {
        if (is_shared(&scout->lanes[i]))
            others[count++] = scout->lanes[i].id;
        else
            rest += scout->lanes[i].packets;
        all += scout->lanes[i].packets;
    }
    for (uint32_t f = 0; f < capture->file_count; f++) {
        capture->files[f].lane_kind = scout->kind;
        capture->files[f].others = others;
        capture->files[f].other_count = count;
        capture->files[f].port_packets = scout->port_packets;
    }
    return rest > all / REST_PART;
}

static void tell_split(struct wh_analysis *analysis, const char *name, uint32_t first, bool rest)
{
    char names[1024] = "";
    size_t used = 0;
    for (uint32_t i = first; i < analysis->capture_count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > first ? ", " : "",
                                 analysis->captures[i].name);
    analysis_warn(analysis,
                  "%s: one capture of several interfaces, which shows packets at more than one of "
                  "them: taken apart into the points %s%s",
                  name, names,
                  rest ? "; what passes one interface only stays under its name"
                       : "; what passes one interface only is left out");
}

static int split_capture(struct wh_analysis *analysis, uint32_t index, const struct scout *scout,
                         bool *gone, struct wh_error *error)
{
    const char *name = analysis->captures[index].name;
    uint32_t first = analysis->capture_count;
    if (first + lanes_shared(scout) > WH_POINTS_MAX) {
        analysis_warn(analysis,
                      "%s: one capture of several interfaces, too many to take it apart: give each "
                      "its own file",
                      name);
        return WH_OK;
    }
    for (uint32_t i = 0; i < scout->lane_count; i++)
        if (is_shared(&scout->lanes[i]) && !add_lane(analysis, index, scout, &scout->lanes[i]))
            return error_memory(error, "points");
    *gone = !keep_rest(analysis, &analysis->captures[index], scout);
    if (!analysis->captures[index].files->others)
        return error_memory(error, "points");
    tell_split(analysis, name, first, !*gone);
    return WH_OK;
}

static void scout_capture(struct wh_analysis *analysis, const struct capture *capture,
                          struct scout *scout)
{
    struct reader *reader;
    struct wh_error ignored; /* told when the file is read in earnest */
    scout->kind = LANE_ALL;
    scout->lane_count = scout->pairs = scout->crowds = 0;
    for (uint32_t f = 0; f < capture->file_count; f++)
        if (read_is_stream(capture->files[f].path) || capture->files[f].lane_kind != LANE_ALL)
            return;
    if (capture->file_count == 0 || read_open(&reader, capture->files[0].path, &ignored))
        return;
    scout_records(analysis, scout, capture->files[0].path, reader);
    read_close(reader);
}

int split_captures(struct wh_analysis *analysis, struct wh_error *error)
{
    struct scout scout = {.memory = malloc(MEMORY * sizeof *scout.memory)};
    uint32_t count = analysis->capture_count, kept = 0;
    bool gone[WH_POINTS_MAX] = {false};
    int status = WH_OK;
    if (!scout.memory)
        return error_memory(error, "points");
    for (uint32_t i = 0; i < count && !status; i++) {
        scout_capture(analysis, &analysis->captures[i], &scout);
        if (lanes_shared(&scout))
            status = split_capture(analysis, i, &scout, &gone[i], error);
    }
    for (uint32_t i = 0; i < analysis->capture_count; i++) {
        if (i < count && gone[i])
            capture_free(&analysis->captures[i]);
        else
            analysis->captures[kept++] = analysis->captures[i];
    }
    analysis->capture_count = kept;
    free(scout.memory);
    return status;
}
