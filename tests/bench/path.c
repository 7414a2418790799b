/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The generator's path: delays, losses and the freeze. Links keep the order of their packets, so
 * the next arrival anywhere is the least of eight heads, and no heap of packets is needed. */
#include "path.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_RING = 1024, SLAB_PACKETS = 1024, MIN_GAP_NS = 300 };

uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dULL;
}

static void *must(void *memory)
{
    if (!memory) {
        fputs("generate: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

/* Slabs live as long as the program. */
struct packet *path_packet(struct path *path)
{
    if (!path->free) {
        char *slab = must(calloc(SLAB_PACKETS, path->stride_bytes));
        for (size_t i = 0; i < SLAB_PACKETS; i++)
            path_discard(path, (struct packet *)(void *)(slab + i * path->stride_bytes));
    }
    struct packet *packet = path->free;
    path->free = packet->next_free;
    return packet;
}

void path_discard(struct path *path, struct packet *packet)
{
    packet->next_free = path->free;
    path->free = packet;
}

static void link_grow(struct link *link)
{
    size_t size = link->size ? 2 * link->size : FIRST_RING;
    struct queued *ring = must(malloc(size * sizeof *ring));
    for (size_t i = 0; i < link->count; i++)
        ring[i] = link->ring[(link->first + i) & (link->size - 1)];
    free(link->ring);
    link->ring = ring;
    link->size = size;
    link->first = 0;
}

static bool path_loses(struct path *path, int segment)
{
    return segment == path->loss_segment &&
           (double)(random_next(&path->random) >> 11) * 0x1p-53 < path->loss_rate;
}

void path_enter(struct path *path, int segment, struct packet *packet, int64_t now_ns)
{
    int at = segment * DIRECTIONS + packet->direction;
    struct link *link = &path->links[at];

    if (path_loses(path, segment)) {
        path->lost[segment][packet->direction]++;
        path_discard(path, packet);
        return;
    }
    if (link->busy_until_ns < now_ns)
        link->busy_until_ns = now_ns;
    link->busy_until_ns += (int64_t)(packet->wire_bytes * path->ns_per_byte);
    int64_t arrives_ns = link->busy_until_ns + path->delay_ns[segment] +
                         (int64_t)(random_next(&path->random) % (uint64_t)path->jitter_ns[segment]);
    if (segment == path->freeze_segment && arrives_ns >= path->freeze_from_ns &&
        arrives_ns < path->freeze_to_ns)
        arrives_ns = path->freeze_to_ns;
    if (arrives_ns < link->last_ns + MIN_GAP_NS)
        arrives_ns = link->last_ns + MIN_GAP_NS;
    link->last_ns = arrives_ns;
    if (link->count == link->size)
        link_grow(link);
    if (!link->count)
        path->head_ns[at] = arrives_ns;
    link->ring[(link->first + link->count++) & (link->size - 1)] =
        (struct queued){arrives_ns, packet};
}

int path_next(const struct path *path)
{
    int best = 0;
    for (int i = 1; i < LINKS; i++)
        if (path->head_ns[i] < path->head_ns[best])
            best = i;
    return best;
}

struct packet *path_leave(struct path *path, int at)
{
    struct link *link = &path->links[at];
    struct packet *packet = link->ring[link->first].packet;

    link->first = (link->first + 1) & (link->size - 1);
    link->count--;
    path->head_ns[at] = link->count ? link->ring[link->first].arrives_ns : NEVER;
    return packet;
}

void path_free(struct path *path)
{
    for (int i = 0; i < LINKS; i++)
        free(path->links[i].ring);
}
