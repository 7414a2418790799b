/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * taplink - a cable between two network namespaces that misbehaves on schedule.
 *
 *     taplink SERVER_NS:DEVICE CLIENT_NS:DEVICE SCHEDULE LOG SEED
 *
 * It makes a TAP device in each namespace and carries frames between them. DEVICE may end in
 * "+gro": then the frames that reach that namespace go through NAPI, where the kernel may merge
 * them.
 * It says "ready" on standard output, and counts the schedule's times from the line "start UNIX_NS"
 * on standard input. SIGTERM ends it; the log is whole then.
 *
 * SCHEDULE is described in rules.h.
 * LOG is a CSV file with a line for each frame dropped, corrupted, held, long in the wire's queue,
 * duplicated or put back.
 */
#define _GNU_SOURCE /* setns, ppoll */

#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FRAME_BYTES = 2048, POOL_FRAMES = 8192, READ_BATCH = 32, COPY_SLOTS = 4096 };
static const int64_t NS_PER_S = 1000000000, LONG_QUEUED_NS = 200000000;

struct frame {
    struct frame *before, *after;
    int64_t in_ns, due_ns; /* CLOCK_MONOTONIC */
    bool held;
    size_t length_bytes;
    uint8_t bytes[MAX_FRAME_BYTES];
};

/* Frames in the order in which they are due. */
struct queue {
    struct frame *first, *last;
    int64_t frames;
};

struct lane {
    enum direction direction;
    int in_fd, out_fd;
    struct queue flying, held;
    int64_t busy_until_ns;  /* when the wire has sent all it was given */
    int64_t in_order_to_ns; /* when the last frame is due that was not put back */
};

/* How often a segment that chance chose was struck. */
struct copies {
    uint64_t name;
    int64_t struck;
};

struct link {
    struct lane lanes[DIRECTIONS];
    struct schedule schedule;
    struct frame *pool;
    struct queue spare;
    int64_t start_ns, real_minus_mono_ns;
    uint64_t random_state, seed;
    struct copies copies[COPY_SLOTS];
    FILE *log;
};

static volatile sig_atomic_t stop_asked;

static void stop_on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static int64_t clock_read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* splitmix64: the same seed gives the same losses. */
static uint64_t bits_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool chance_strikes(struct link *link, int64_t chance_ppm)
{
    link->random_state += 0x9e3779b97f4a7c15u;
    return (int64_t)(bits_mix(link->random_state) % 1000000) < chance_ppm;
}

/* Chooses by the segment's number, so that a retransmission fares as the first copy did. */
static bool copy_strikes(struct link *link, const struct rule *rule, const struct summary *s)
{
    uint64_t ports = (uint64_t)s->source_port << 16 | s->destination_port;
    uint64_t name = bits_mix(((uint64_t)s->sequence << 32 | ports) + link->seed);
    struct copies *seen = &link->copies[name % COPY_SLOTS];
    if ((int64_t)(name / COPY_SLOTS % 1000000) >= rule->chance_ppm)
        return false;
    if (seen->name != name)
        *seen = (struct copies){.name = name};
    return seen->struck++ < rule->copies;
}

static bool rule_strikes(struct link *link, struct rule *rule, enum direction direction,
                         const struct summary *s)
{
    if (rule->copies)
        return copy_strikes(link, rule, s);
    if (rule->burst_left[direction] > 0) {
        rule->burst_left[direction]--;
        return true;
    }
    if (!chance_strikes(link, rule->chance_ppm))
        return false;
    rule->burst_left[direction] = rule->burst_frames - 1;
    return true;
}

static void queue_insert(struct queue *queue, struct frame *frame)
{
    struct frame *before = queue->last;
    while (before && before->due_ns > frame->due_ns)
        before = before->before;
    frame->before = before;
    frame->after = before ? before->after : queue->first;
    *(frame->before ? &frame->before->after : &queue->first) = frame;
    *(frame->after ? &frame->after->before : &queue->last) = frame;
    queue->frames++;
}

static struct frame *queue_take_first(struct queue *queue)
{
    struct frame *frame = queue->first;
    if (!frame)
        return NULL;
    queue->first = frame->after;
    *(frame->after ? &frame->after->before : &queue->last) = NULL;
    queue->frames--;
    return frame;
}

static void frame_release(struct link *link, struct frame *frame)
{
    frame->due_ns = 0;
    queue_insert(&link->spare, frame);
}

static void log_frame(struct link *link, const struct lane *lane, const struct frame *frame,
                      const char *event, int64_t out_ns)
{
    struct summary s = frame_summarize(frame->bytes, frame->length_bytes);
    int64_t real_ns = link->real_minus_mono_ns;
    fprintf(link->log,
            "%" PRId64 ",%" PRId64 ",%s,%s,%u,%s,%u,%s,%u,%" PRIu32 ",%" PRIu32 ",%" PRIu32
            ",%zu\n",
            frame->in_ns + real_ns, out_ns ? out_ns + real_ns : 0, direction_names[lane->direction],
            event, s.ip_id, s.source, s.source_port, s.destination, s.destination_port, s.sequence,
            s.acknowledgment, s.payload_bytes, frame->length_bytes);
}

static bool rule_applies(const struct link *link, const struct rule *rule, enum rule_kind kind,
                         enum direction direction, int64_t now_ns)
{
    if (rule->kind != kind || !rule->applies_to[direction])
        return false;
    if (rule->from_ns == NOT_STARTED)
        return true;
    if (link->start_ns == NOT_STARTED)
        return false;
    int64_t since_ns = now_ns - link->start_ns;
    return since_ns >= rule->from_ns && since_ns < rule->until_ns;
}

/* The first rule of that kind that strikes this frame, or NULL. ARP is spared: harm is for IP. */
static struct rule *rule_find(struct link *link, enum rule_kind kind, enum direction direction,
                              const struct summary *s, int64_t now_ns)
{
    for (size_t i = 0; s->is_ip && i < link->schedule.count; i++) {
        struct rule *rule = &link->schedule.rules[i];
        if (rule_applies(link, rule, kind, direction, now_ns) && rule_matches(rule, s) &&
            rule_strikes(link, rule, direction, s))
            return rule;
    }
    return NULL;
}

/* When the freeze that holds now ends; 0 without one. */
static int64_t freeze_end_ns(const struct link *link, const struct lane *lane, int64_t now_ns,
                             int64_t *hold_frames)
{
    int64_t end_ns = 0;
    for (size_t i = 0; i < link->schedule.count; i++) {
        const struct rule *rule = &link->schedule.rules[i];
        if (!rule_applies(link, rule, RULE_FREEZE, lane->direction, now_ns))
            continue;
        if (rule->until_ns + link->start_ns > end_ns)
            end_ns = rule->until_ns + link->start_ns;
        *hold_frames = rule->hold_frames;
    }
    return end_ns;
}

/* Puts a frame on the wire; false when its queue is full. */
static bool lane_schedule(struct link *link, struct lane *lane, struct frame *frame)
{
    const struct rule *wire = NULL;
    for (size_t i = 0; i < link->schedule.count; i++)
        if (rule_applies(link, &link->schedule.rules[i], RULE_LINK, lane->direction, frame->in_ns))
            wire = &link->schedule.rules[i];
    frame->due_ns = frame->in_ns;
    if (wire && wire->rate_kbit) {
        int64_t starts_ns = lane->busy_until_ns > frame->in_ns ? lane->busy_until_ns : frame->in_ns;
        int64_t backlog_bytes = (starts_ns - frame->in_ns) * wire->rate_kbit / 8000000;
        if (wire->queue_bytes && backlog_bytes + (int64_t)frame->length_bytes > wire->queue_bytes)
            return false;
        lane->busy_until_ns = starts_ns + (int64_t)frame->length_bytes * 8000000 / wire->rate_kbit;
        frame->due_ns = lane->busy_until_ns;
    }
    frame->due_ns += wire ? wire->delay_ns : 0;
    if (lane->in_order_to_ns > frame->due_ns)
        frame->due_ns = lane->in_order_to_ns; /* a delay that shrinks must not reorder */
    lane->in_order_to_ns = frame->due_ns;
    if (frame->due_ns - frame->in_ns - (wire ? wire->delay_ns : 0) > LONG_QUEUED_NS)
        log_frame(link, lane, frame, "queued", frame->due_ns);
    return true;
}

static void lane_duplicate(struct link *link, struct lane *lane, const struct frame *frame)
{
    struct frame *copy = queue_take_first(&link->spare);
    if (!copy)
        return;
    memcpy(copy->bytes, frame->bytes, frame->length_bytes);
    copy->length_bytes = frame->length_bytes;
    copy->in_ns = frame->in_ns;
    copy->due_ns = frame->due_ns;
    copy->held = false;
    queue_insert(&lane->flying, copy);
    log_frame(link, lane, copy, "duplicated", copy->due_ns);
}

static void frame_corrupt(struct frame *frame, const struct summary *s)
{
    size_t middle = ETH_HLEN + s->ip_bytes - 1 - s->payload_bytes / 2;
    if (s->payload_bytes && middle < frame->length_bytes)
        frame->bytes[middle] ^= 0x55;
}

static void lane_accept(struct link *link, struct lane *lane, struct frame *frame)
{
    struct summary s = frame_summarize(frame->bytes, frame->length_bytes);
    const char *fate = NULL;
    if (rule_find(link, RULE_DROP, lane->direction, &s, frame->in_ns))
        fate = "dropped";
    else if (!lane_schedule(link, lane, frame))
        fate = "queue_full";
    if (fate) {
        log_frame(link, lane, frame, fate, 0);
        frame_release(link, frame);
        return;
    }
    if (rule_find(link, RULE_CORRUPT, lane->direction, &s, frame->in_ns)) {
        frame_corrupt(frame, &s);
        log_frame(link, lane, frame, "corrupted", frame->due_ns);
    }
    const struct rule *later = rule_find(link, RULE_REORDER, lane->direction, &s, frame->in_ns);
    if (later) {
        frame->due_ns += later->delay_ns;
        log_frame(link, lane, frame, "reordered", frame->due_ns);
    }
    queue_insert(&lane->flying, frame);
    if (rule_find(link, RULE_DUPLICATE, lane->direction, &s, frame->in_ns))
        lane_duplicate(link, lane, frame);
}

static void lane_read(struct link *link, struct lane *lane)
{
    for (int i = 0; i < READ_BATCH; i++) {
        struct frame *frame = queue_take_first(&link->spare);
        uint8_t lost[MAX_FRAME_BYTES];
        ssize_t got = read(lane->in_fd, frame ? frame->bytes : lost, MAX_FRAME_BYTES);
        if (!frame) {
            if (got <= 0)
                return;
            fprintf(link->log, "0,0,%s,no_room,,,,,,,,,%zd\n", direction_names[lane->direction],
                    got);
            continue;
        }
        if (got <= ETH_HLEN) {
            frame_release(link, frame);
            return;
        }
        frame->in_ns = clock_read_ns(CLOCK_MONOTONIC);
        frame->held = false;
        frame->length_bytes = (size_t)got;
        lane_accept(link, lane, frame);
    }
}

static void lane_send(struct link *link, struct lane *lane, struct frame *frame, int64_t now_ns)
{
    if (frame->held)
        log_frame(link, lane, frame, "held", now_ns);
    if (write(lane->out_fd, frame->bytes, frame->length_bytes) < 0)
        log_frame(link, lane, frame, "refused", 0);
    frame_release(link, frame);
}

/* Lets out what is due; returns when to come back. */
static int64_t lane_run(struct link *link, struct lane *lane, int64_t now_ns)
{
    int64_t hold_frames = 0;
    int64_t thaw_ns = freeze_end_ns(link, lane, now_ns, &hold_frames);
    while (!thaw_ns && lane->held.first)
        lane_send(link, lane, queue_take_first(&lane->held), now_ns);
    while (lane->flying.first && lane->flying.first->due_ns <= now_ns) {
        struct frame *frame = queue_take_first(&lane->flying);
        if (!thaw_ns) {
            lane_send(link, lane, frame, now_ns);
        } else if (hold_frames && lane->held.frames >= hold_frames) {
            log_frame(link, lane, frame, "hold_full", 0);
            frame_release(link, frame);
        } else {
            frame->held = true;
            queue_insert(&lane->held, frame);
        }
    }
    int64_t next_ns = lane->flying.first ? lane->flying.first->due_ns : INT64_MAX;
    return lane->held.first && thaw_ns < next_ns ? thaw_ns : next_ns;
}

static void start_read(struct link *link)
{
    char line[64];
    ssize_t got = read(STDIN_FILENO, line, sizeof line - 1);
    if (got <= 0) {
        stop_asked = 1;
        return;
    }
    line[got] = '\0';
    if (strncmp(line, "start ", 6) == 0)
        link->start_ns = strtoll(line + 6, NULL, 10) - link->real_minus_mono_ns;
}

static void link_run(struct link *link)
{
    struct pollfd waits[] = {{.fd = link->lanes[TO_CLIENT].in_fd, .events = POLLIN},
                             {.fd = link->lanes[TO_SERVER].in_fd, .events = POLLIN},
                             {.fd = STDIN_FILENO, .events = POLLIN}};
    while (!stop_asked) {
        int64_t next_ns = INT64_MAX;
        for (int d = 0; d < DIRECTIONS; d++) {
            int64_t due_ns = lane_run(link, &link->lanes[d], clock_read_ns(CLOCK_MONOTONIC));
            next_ns = due_ns < next_ns ? due_ns : next_ns;
        }
        int64_t rest_ns =
            next_ns == INT64_MAX ? NS_PER_S : next_ns - clock_read_ns(CLOCK_MONOTONIC);
        rest_ns = rest_ns < 0 ? 0 : rest_ns;
        struct timespec rest = {.tv_sec = rest_ns / NS_PER_S, .tv_nsec = rest_ns % NS_PER_S};
        if (ppoll(waits, 3, &rest, NULL) <= 0)
            continue;
        for (int d = 0; d < DIRECTIONS; d++)
            if (waits[d].revents)
                lane_read(link, &link->lanes[d]);
        if (waits[2].revents)
            start_read(link);
    }
}

static int tap_open(const char *place)
{
    char path[PATH_MAX];
    const char *colon = strchr(place, ':');
    if (!colon)
        return -1;
    snprintf(path, sizeof path, "/run/netns/%.*s", (int)(colon - place), place);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    int moved = space < 0 ? -1 : setns(space, CLONE_NEWNET);
    if (space >= 0)
        close(space);
    int fd = moved ? -1 : open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const char *plus = strchr(colon, '+');
    struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (plus ? IFF_NAPI : 0))};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%.*s",
             plus ? (int)(plus - colon - 1) : (int)strlen(colon + 1), colon + 1);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool link_open(struct link *link, char **argv)
{
    if (!schedule_read(&link->schedule, argv[3]))
        return false;
    int ends[DIRECTIONS];
    for (int d = 0; d < DIRECTIONS; d++) {
        ends[d] = tap_open(argv[1 + d]);
        if (ends[d] < 0) {
            fprintf(stderr, "taplink: %s: %s\n", argv[1 + d], strerror(errno));
            return false;
        }
    }
    for (int d = 0; d < DIRECTIONS; d++)
        link->lanes[d] =
            (struct lane){.direction = (enum direction)d, .in_fd = ends[d], .out_fd = ends[!d]};
    link->pool = calloc(POOL_FRAMES, sizeof *link->pool);
    link->log = fopen(argv[4], "w");
    if (!link->pool || !link->log) {
        fprintf(stderr, "taplink: %s: %s\n", argv[4], strerror(errno));
        return false;
    }
    for (int i = 0; i < POOL_FRAMES; i++)
        frame_release(link, &link->pool[i]);
    link->random_state = link->seed = strtoull(argv[5], NULL, 10);
    link->real_minus_mono_ns = clock_read_ns(CLOCK_REALTIME) - clock_read_ns(CLOCK_MONOTONIC);
    fputs("in_ns,out_ns,direction,event,ip_id,source,source_port,destination,destination_port,seq,"
          "ack,payload_bytes,frame_bytes\n",
          link->log);
    return true;
}

int main(int argc, char **argv)
{
    static struct link link = {.start_ns = INT64_MIN};
    const struct sched_param urgent = {.sched_priority = 1};
    struct sigaction stop = {.sa_handler = stop_on_signal};
    if (argc != 6) {
        fputs("usage: taplink SERVER_NS:DEVICE CLIENT_NS:DEVICE SCHEDULE LOG SEED\n", stderr);
        return 2;
    }
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    int status = 2;
    if (link_open(&link, argv)) {
        sched_setscheduler(0, SCHED_RR, &urgent); /* without it a little less punctual */
        puts("ready");
        fflush(stdout);
        link_run(&link);
        status = ferror(link.log) ? 2 : 0;
    }
    if (link.log && fclose(link.log))
        status = 2;
    free(link.pool);
    return status;
}
