/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A ring of blocks between two threads: one fills them, one takes from them. */
#include "read/ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS      4u
#define BLOCK_BYTES ((size_t)128 * 1024)

struct ahead {
    ahead_make *make;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;   /* of what is between here ... */
    pthread_cond_t changed; /* any of it */
    unsigned filled, taken; /* blocks so far; those between are ready */
    bool all_made, closing; /* ... and here */
    size_t given;           /* bytes taken of the block `taken` */
    bool ended;
    struct block {
        size_t bytes;
        uint8_t data[BLOCK_BYTES];
    } blocks[BLOCKS];
};

/* Waits for a block to fill; NULL: no more are wanted. */
static struct block *wait_for_room(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    while (ahead->filled - ahead->taken == BLOCKS && !ahead->closing)
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    struct block *block = ahead->closing ? NULL : &ahead->blocks[ahead->filled % BLOCKS];
    pthread_mutex_unlock(&ahead->lock);
    return block;
}

/* Waits for a block to take; NULL: there are no more. */
static struct block *wait_for_bytes(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    while (ahead->filled == ahead->taken && !ahead->all_made)
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    bool none = ahead->filled == ahead->taken;
    pthread_mutex_unlock(&ahead->lock);
    return none ? NULL : &ahead->blocks[ahead->taken % BLOCKS];
}

static void count_up(struct ahead *ahead, unsigned *count)
{
    pthread_mutex_lock(&ahead->lock);
    ++*count;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
}

static void *make_blocks(void *argument)
{
    struct ahead *ahead = argument;
    struct block *block;
    while ((block = wait_for_room(ahead)) != NULL) {
        block->bytes = ahead->make(ahead->context, block->data, BLOCK_BYTES);
        if (block->bytes == 0)
            break;
        count_up(ahead, &ahead->filled);
    }
    pthread_mutex_lock(&ahead->lock);
    ahead->all_made = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

struct ahead *ahead_open(ahead_make *make, void *context)
{
    struct ahead *ahead = malloc(sizeof *ahead);
    if (!ahead)
        return NULL;
    memset(ahead, 0, offsetof(struct ahead, blocks));
    ahead->make = make;
    ahead->context = context;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    if (pthread_create(&ahead->thread, NULL, make_blocks, ahead) == 0)
        return ahead;
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
    return NULL;
}

size_t ahead_read(struct ahead *ahead, uint8_t *to, size_t room)
{
    struct block *block = wait_for_bytes(ahead);
    if (!block) {
        ahead->ended = true;
        return 0;
    }
    size_t left = block->bytes - ahead->given, bytes = left < room ? left : room;
    memcpy(to, block->data + ahead->given, bytes);
    ahead->given += bytes;
    if (bytes == left) {
        ahead->given = 0;
        count_up(ahead, &ahead->taken);
    }
    return bytes;
}

bool ahead_ended(const struct ahead *ahead)
{
    return ahead->ended;
}

void ahead_close(struct ahead *ahead)
{
    if (!ahead)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->closing = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead);
}
