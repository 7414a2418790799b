/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Makes captures of any size: eth0.pcap, xenbrE.pcap and xenbrD.pcap of one path, as seen at the
 * same time at its three points, with a masquerading firewall between the latter two, loss in one
 * segment and one freeze. A simulation in the order of time, so the files are in it too.
 *
 *     generate [OPTIONS] DIR
 *
 * What was lost, and where and when it froze, goes to standard output as JSON. */
#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define START_NS  (INT64_C(1795361731) * SECOND_NS)

enum { BUFFER_BYTES = 1 << 20, PORTS = 65536, REQUEST_BYTES = 180 };
enum { FIRST_PORT = 32768, EPHEMERAL_PORTS = 28232 };
static const double most_packets_per_s = 120e3, least_s = 10, round_trip_s = 0.0205;
static const int64_t port_rests_ns = 60 * SECOND_NS;

static const char *const points[POINTS] = {"eth0", "xenbrE", "xenbrD"};
static const char *const segments[SEGMENTS] = {"servers..eth0", "eth0..xenbrE", "xenbrE..xenbrD",
                                               "xenbrD..clients"};

struct options {
    uint64_t packets, flows, seed;
    uint32_t snap_bytes;
    bool nano;
    int loss_segment, freeze_segment;
    double loss_rate, freeze_at_s, freeze_s, offset_s[POINTS];
    const char *folder;
};

/* One capture being written. */
struct tap {
    int file;
    bool nano;
    int64_t offset_ns;
    size_t used;
    uint64_t packets;
    uint8_t *buffer;
};

struct timer {
    int64_t at_ns;
    uint32_t flow, generation;
};

struct world {
    struct options options;
    struct path path;
    struct tcp tcp;
    struct framer framer;
    struct tap taps[POINTS];
    struct flow **flows; /* by number; freed ones are used again */
    uint32_t *free;
    size_t flow_count, free_count, flow_room;
    struct timer *timers; /* a binary heap */
    size_t timer_count, timer_room;
    int64_t *port_free_ns; /* of each server and outer port */
    uint64_t started, data_left, random;
    int64_t next_start_ns, start_gap_ns;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "generate: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void *grown(void *memory, size_t *room, size_t size)
{
    *room = *room ? 2 * *room : 1024;
    memory = realloc(memory, *room * size);
    if (!memory)
        fail("memory");
    return memory;
}

/* ---- captures ---- */

static void tap_flush(struct tap *tap)
{
    for (size_t done = 0; done < tap->used;) {
        ssize_t bytes = write(tap->file, tap->buffer + done, tap->used - done);
        if (bytes < 0)
            fail("write");
        done += (size_t)bytes;
    }
    tap->used = 0;
}

static void tap_open(struct tap *tap, const struct options *options, int point)
{
    char name[4096];
    uint32_t head[6] = {
        options->nano ? 0xa1b23c4d : 0xa1b2c3d4, 0x00040002, 0, 0, options->snap_bytes, 1};

    snprintf(name, sizeof name, "%s/%s.pcap", options->folder, points[point]);
    tap->file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (tap->file < 0)
        fail(name);
    tap->buffer = malloc(BUFFER_BYTES);
    if (!tap->buffer)
        fail("memory");
    tap->nano = options->nano;
    tap->offset_ns = START_NS + (int64_t)(options->offset_s[point] * 1e9);
    memcpy(tap->buffer, head, sizeof head);
    tap->used = sizeof head;
}

static void tap_write(struct tap *tap, const struct packet *packet, int64_t now_ns)
{
    int64_t at_ns = now_ns + tap->offset_ns;
    uint32_t part = (uint32_t)(at_ns % SECOND_NS);
    uint32_t head[4] = {(uint32_t)(at_ns / SECOND_NS), tap->nano ? part : part / 1000,
                        packet->kept_bytes, packet->wire_bytes};

    if (tap->used + sizeof head + packet->kept_bytes > BUFFER_BYTES)
        tap_flush(tap);
    memcpy(tap->buffer + tap->used, head, sizeof head);
    memcpy(tap->buffer + tap->used + sizeof head, packet->frame, packet->kept_bytes);
    tap->used += sizeof head + packet->kept_bytes;
    tap->packets++;
}

static void tap_close(struct tap *tap)
{
    tap_flush(tap);
    if (close(tap->file) != 0)
        fail("close");
    free(tap->buffer);
}

/* ---- timers: one valid entry a flow, the one that its scheduled_ns names ---- */

static void timer_push(struct world *world, struct timer timer)
{
    if (world->timer_count == world->timer_room)
        world->timers = grown(world->timers, &world->timer_room, sizeof timer);
    size_t at = world->timer_count++;
    for (; at && world->timers[(at - 1) / 2].at_ns > timer.at_ns; at = (at - 1) / 2)
        world->timers[at] = world->timers[(at - 1) / 2];
    world->timers[at] = timer;
}

static struct timer timer_pop(struct world *world)
{
    struct timer top = world->timers[0], last = world->timers[--world->timer_count];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < world->timer_count; at = child) {
        if (child + 1 < world->timer_count &&
            world->timers[child + 1].at_ns < world->timers[child].at_ns)
            child++;
        if (world->timers[child].at_ns >= last.at_ns)
            break;
        world->timers[at] = world->timers[child];
    }
    world->timers[at] = last;
    return top;
}

static void schedule(struct world *world, struct flow *flow)
{
    int64_t deadline_ns = tcp_deadline(flow);
    if (deadline_ns >= flow->scheduled_ns)
        return;
    flow->scheduled_ns = deadline_ns;
    timer_push(world, (struct timer){deadline_ns, flow->number, flow->generation});
}

/* ---- flows ---- */

static int64_t *port_slot(struct world *world, const struct flow *flow)
{
    return &world->port_free_ns[(size_t)flow->server * PORTS + flow->outer_port];
}

/* Masquerading keeps the port where it is free, and takes another where not. */
static void choose_names(struct world *world, struct flow *flow)
{
    uint64_t number = world->started;

    flow->client = (uint8_t)(number % CLIENTS);
    flow->server = (uint8_t)(random_next(&world->random) % SERVERS);
    flow->inner_port =
        (uint16_t)(FIRST_PORT + (number / CLIENTS * 17 + flow->client * 1409u) % EPHEMERAL_PORTS);
    flow->outer_port = flow->inner_port;
    while (*port_slot(world, flow) > world->tcp.now_ns)
        flow->outer_port = (uint16_t)(1024 + random_next(&world->random) % (PORTS - 1024));
    *port_slot(world, flow) = NEVER;
}

static struct flow *flow_new(struct world *world)
{
    if (world->free_count) {
        struct flow *flow = world->flows[world->free[--world->free_count]];
        *flow = (struct flow){.number = flow->number, .generation = flow->generation + 1};
        return flow;
    }
    if (world->flow_count == world->flow_room) {
        size_t room = world->flow_room;
        world->flows = grown(world->flows, &world->flow_room, sizeof *world->flows);
        world->free = grown(world->free, &room, sizeof *world->free);
    }
    struct flow *flow = calloc(1, sizeof *flow);
    if (!flow)
        fail("memory");
    flow->number = (uint32_t)world->flow_count;
    world->flows[world->flow_count++] = flow;
    return flow;
}

/* The next flow takes its share of the data that is left, more or less. */
static void flow_start(struct world *world)
{
    uint64_t flows_left = world->options.flows - world->started;
    double spread = flows_left > 1 ? 0.1 + (double)(random_next(&world->random) % 1800) / 1000 : 1;
    double share = (double)world->data_left / (double)flows_left * spread;
    uint64_t segments_sent = share > 1 ? (uint64_t)share : 1;
    struct flow *flow = flow_new(world);

    choose_names(world, flow);
    flow->is_live = true;
    flow->scheduled_ns = NEVER;
    flow->noise_key = random_next(&world->random);
    flow->response_bytes = segments_sent * MSS - random_next(&world->random) % MSS;
    world->data_left -= segments_sent < world->data_left ? segments_sent : world->data_left;
    world->started++;
    tcp_start(&world->tcp, flow, REQUEST_BYTES + (uint32_t)(flow->noise_key % 300), &world->random);
    schedule(world, flow);
    uint64_t gap_ns = (uint64_t)world->start_gap_ns;
    gap_ns = gap_ns / 2 + random_next(&world->random) % gap_ns;
    world->next_start_ns =
        world->started < world->options.flows ? world->tcp.now_ns + (int64_t)gap_ns + 1 : NEVER;
}

static void flow_end(struct world *world, struct flow *flow)
{
    *port_slot(world, flow) = world->tcp.now_ns + port_rests_ns;
    flow->is_live = false;
    world->free[world->free_count++] = flow->number;
}

/* ---- what happens ---- */

static void wake(struct world *world)
{
    struct timer timer = timer_pop(world);
    struct flow *flow = world->flows[timer.flow];

    if (!flow->is_live || flow->generation != timer.generation || flow->scheduled_ns != timer.at_ns)
        return;
    flow->scheduled_ns = NEVER;
    if (flow->linger_until_ns <= world->tcp.now_ns) {
        flow_end(world, flow);
        return;
    }
    tcp_wake(&world->tcp, flow);
    schedule(world, flow);
}

/* A packet comes out of a segment: at a point it is captured and goes on, at an end it is read. */
static void arrive(struct world *world, int link)
{
    struct packet *packet = path_leave(&world->path, link);
    struct flow *flow = world->flows[packet->flow];
    int segment = link / DIRECTIONS;
    int onward = packet->direction == TO_CLIENT ? segment + 1 : segment - 1;

    if (onward >= 0 && onward < SEGMENTS) {
        if (segment == 2)
            frame_translate(flow, packet);
        int point = packet->direction == TO_CLIENT ? segment : segment - 1;
        tap_write(&world->taps[point], packet, world->tcp.now_ns);
        path_enter(&world->path, onward, packet, world->tcp.now_ns);
        return;
    }
    if (flow->is_live && flow->generation == packet->generation) {
        tcp_receive(&world->tcp, flow, packet);
        schedule(world, flow);
    }
    path_discard(&world->path, packet);
}

/* Runs until all flows have begun and the first point has its packets, or nothing is left. */
static void run(struct world *world)
{
    while (world->taps[0].packets < world->options.packets ||
           world->started < world->options.flows) {
        int link = path_next(&world->path);
        int64_t arrival_ns = world->path.head_ns[link];
        int64_t timer_ns = world->timer_count ? world->timers[0].at_ns : NEVER;
        int64_t own_ns = timer_ns < world->next_start_ns ? timer_ns : world->next_start_ns;

        if (arrival_ns == NEVER && own_ns == NEVER)
            return;
        world->tcp.now_ns = arrival_ns < own_ns ? arrival_ns : own_ns;
        if (arrival_ns < own_ns)
            arrive(world, link);
        else if (timer_ns <= world->next_start_ns)
            wake(world);
        else
            flow_start(world);
    }
}

/* ---- setting up ---- */

/* Data segments that a flow of `packets` packets has: about seven are not data, and ACKs answer
 * each of the first 16 segments and every second one of the others. */
static double data_segments(double packets)
{
    double left = packets - 7;
    return left < 2 ? 1 : left <= 32 ? left / 2 : 16 + (left - 32) / 1.5;
}

static void world_plan(struct world *world)
{
    const struct options *options = &world->options;
    double packets = (double)options->packets, flows = (double)options->flows;
    double length_s =
        packets / most_packets_per_s > least_s ? packets / most_packets_per_s : least_s;
    double per_flow = data_segments(packets / flows);
    double data_per_s = per_flow * flows / length_s;
    double needed = data_per_s * round_trip_s / flows; /* were all there at once */

    world->tcp.window_segments = 2 * needed > 40 ? 2 * needed : 40;
    double flow_s = (per_flow / world->tcp.window_segments + 6) * round_trip_s;
    double starts_s = 0.85 * length_s - flow_s;

    if (starts_s < 0.3 * length_s)
        starts_s = 0.3 * length_s;
    world->start_gap_ns = (int64_t)(starts_s / flows * 1e9) + 1;
    world->data_left = (uint64_t)(per_flow * flows * 1.02) + 1;
    /* what gathers behind a freeze must not queue for long after it */
    world->path.ns_per_byte = 1e9 / (20 * data_per_s * FRAME_BYTES);
    world->path.freeze_from_ns =
        (int64_t)((options->freeze_at_s >= 0 ? options->freeze_at_s : 0.4 * length_s) * 1e9);
    world->path.freeze_to_ns = world->path.freeze_from_ns + (int64_t)(options->freeze_s * 1e9);
}

static void world_open(struct world *world, const struct options *options)
{
    static const int64_t delay_ns[SEGMENTS] = {9800000, 40000, 180000, 30000};
    static const int64_t jitter_ns[SEGMENTS] = {60000, 5000, 30000, 5000};

    *world = (struct world){.options = *options, .random = options->seed * 2 + 1};
    for (int i = 0; i < 20; i++)
        random_next(&world->random);
    world->path.random = random_next(&world->random) | 1;
    world->path.stride_bytes = (sizeof(struct packet) + options->snap_bytes + 63) / 64 * 64;
    world->path.loss_segment = options->loss_segment;
    world->path.loss_rate = options->loss_rate;
    world->path.freeze_segment = options->freeze_segment;
    memcpy(world->path.delay_ns, delay_ns, sizeof delay_ns);
    memcpy(world->path.jitter_ns, jitter_ns, sizeof jitter_ns);
    for (int i = 0; i < LINKS; i++)
        world->path.head_ns[i] = NEVER;
    framer_init(&world->framer, options->snap_bytes, options->seed);
    world->tcp.path = &world->path;
    world->tcp.frame = frame_build;
    world->tcp.context = &world->framer;
    world->port_free_ns = calloc((size_t)SERVERS * PORTS, sizeof *world->port_free_ns);
    if (!world->port_free_ns)
        fail("memory");
    world_plan(world);
    for (int i = 0; i < POINTS; i++)
        tap_open(&world->taps[i], options, i);
}

static void world_close(struct world *world)
{
    for (int i = 0; i < POINTS; i++)
        tap_close(&world->taps[i]);
    for (size_t i = 0; i < world->flow_count; i++)
        free(world->flows[i]);
    free(world->flows);
    free(world->free);
    free(world->timers);
    free(world->port_free_ns);
    path_free(&world->path);
}

static void tell(const struct world *world)
{
    const struct path *path = &world->path;

    printf("{\"flows\": %llu, \"length_s\": %.6f,\n", (unsigned long long)world->started,
           (double)world->tcp.now_ns / 1e9);
    printf(" \"packets\": {");
    for (int i = 0; i < POINTS; i++)
        printf("%s\"%s\": %llu", i ? ", " : "", points[i],
               (unsigned long long)world->taps[i].packets);
    printf("},\n \"freeze\": {\"segment\": \"%s\", \"from_s\": %.6f, \"to_s\": %.6f},\n",
           segments[path->freeze_segment], (double)path->freeze_from_ns / 1e9,
           (double)path->freeze_to_ns / 1e9);
    printf(" \"loss\": {\"segment\": \"%s\", \"to_client\": %llu, \"to_server\": %llu}}\n",
           segments[path->loss_segment],
           (unsigned long long)path->lost[path->loss_segment][TO_CLIENT],
           (unsigned long long)path->lost[path->loss_segment][TO_SERVER]);
}

/* ---- options ---- */

static _Noreturn void usage(void)
{
    fputs("usage: generate [OPTIONS] DIR\n"
          "  --packets N           of each point (100000)\n"
          "  --flows N             (200)\n"
          "  --snap BYTES          kept of a packet, 68 to 1514 (96)\n"
          "  --loss SEGMENT:RATE   of its packets, both ways (eth0..xenbrE:0.0002)\n"
          "  --freeze SEGMENT:AT:SECONDS  AT from the start, or - (xenbrE..xenbrD:-:0.8)\n"
          "  --offset POINT:SECONDS  what that point's clock is ahead\n"
          "  --seed N\n"
          "  --nano                nanoseconds instead of microseconds\n",
          stderr);
    exit(2);
}

/* Which of `names` stands before the colon in `text`; `*rest` is what follows it. */
static int named(const char *text, const char *const *names, int count, const char **rest)
{
    for (int i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (strncmp(text, names[i], length) == 0 && text[length] == ':') {
            *rest = text + length + 1;
            return i;
        }
    }
    usage();
}

static void take_option(struct options *options, int option, const char *text)
{
    const char *rest;
    char *end;
    int point;

    switch (option) {
    case 'p':
        options->packets = strtoull(text, NULL, 10);
        break;
    case 'f':
        options->flows = strtoull(text, NULL, 10);
        break;
    case 's':
        options->snap_bytes = (uint32_t)strtoul(text, NULL, 10);
        break;
    case 'S':
        options->seed = strtoull(text, NULL, 10);
        break;
    case 'n':
        options->nano = true;
        break;
    case 'l':
        options->loss_segment = named(text, segments, SEGMENTS, &rest);
        options->loss_rate = strtod(rest, NULL);
        break;
    case 'z':
        options->freeze_segment = named(text, segments, SEGMENTS, &rest);
        options->freeze_at_s = strtod(rest, &end);
        if (end == rest)
            options->freeze_at_s = -1;
        end = strrchr(text, ':');
        options->freeze_s = strtod(end + 1, NULL);
        break;
    case 'o':
        point = named(text, points, POINTS, &rest);
        options->offset_s[point] = strtod(rest, NULL);
        break;
    default:
        usage();
    }
}

int main(int count, char **words)
{
    static const struct option known[] = {
        {"packets", 1, NULL, 'p'}, {"flows", 1, NULL, 'f'},  {"snap", 1, NULL, 's'},
        {"seed", 1, NULL, 'S'},    {"nano", 0, NULL, 'n'},   {"loss", 1, NULL, 'l'},
        {"freeze", 1, NULL, 'z'},  {"offset", 1, NULL, 'o'}, {NULL, 0, NULL, 0}};
    struct options options = {.packets = 100000,
                              .flows = 200,
                              .seed = 1,
                              .snap_bytes = 96,
                              .loss_segment = 1,
                              .freeze_segment = 2,
                              .loss_rate = 0.0002,
                              .freeze_at_s = -1,
                              .freeze_s = 0.8};
    static struct world world;

    for (int option; (option = getopt_long(count, words, "", known, NULL)) != -1;)
        take_option(&options, option, optarg);
    if (optind != count - 1 || options.snap_bytes < 68 || options.snap_bytes > FRAME_BYTES ||
        !options.packets || !options.flows)
        usage();
    options.folder = words[optind];
    world_open(&world, &options);
    run(&world);
    tell(&world);
    world_close(&world);
    return 0;
}
