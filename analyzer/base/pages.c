/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A page costs a fault, unless it is asked for with others. A huge page is one fault instead of
 * 512. But where a virtual machine gives free memory back to its host, what it gave back are huge
 * pages, and to have one again takes long; and where a hypervisor keeps page tables of its own,
 * each small page takes long.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, madvise, sbrk */
#include "base/pages.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define ROOM        ((size_t)1 << 37) /* for 2^31 packets, and more */
#define ROOM_LESS   ((size_t)1 << 34) /* some systems have no more than thirty times that */
#define PLACES      256u
#define FIRST_STEPS 32u /* small captures take no more than they need */
#define FORGET      64
#define PAGE_LEAST  4096             /* of any system */
#define HINT_LEAST  (2 * PAGES_STEP) /* has a whole huge page in it, wherever it begins */

static _Atomic enum page_kind cheaper = PAGES_SMALL; /* as it was seen last */

/* A system that knows neither kind hands out pages all the same. Small ones are asked for, as some
 * hand out huge ones unasked. */
static void ask_for(struct pages *pages, enum page_kind kind)
{
    pages->kind = kind;
    madvise(pages->memory + pages->ready, pages->asked - pages->ready,
            kind == PAGES_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

/* Maps memory at this place, if nothing is there. */
static bool map_at(char *place, size_t bytes)
{
    char *memory = mmap(place, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory != MAP_FAILED && memory != place) /* an old kernel took it for a wish */
        munmap(memory, bytes);
    return memory == place;
}

static bool is_limited(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

static bool reserve(struct pages *pages)
{
    char *memory = mmap(NULL, ROOM + PAGES_STEP, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    size_t before = -(uintptr_t)memory % PAGES_STEP;
    if (before)
        munmap(memory, before);
    munmap(memory + before + ROOM, PAGES_STEP - before);
    *pages = (struct pages){.memory = memory + before, .room = ROOM, .reserved = true};
    return true;
}

/* Where address space is limited, or there is not so much: a place far below all that is mapped, so
 * that memory can grow there step by step. */
static bool find_place(struct pages *pages)
{
    char *memory = mmap(NULL, PAGES_STEP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    munmap(memory, PAGES_STEP);
    memory -= (uintptr_t)memory % ROOM_LESS;
    for (unsigned i = 0; i < PLACES && (uintptr_t)memory > ROOM_LESS; i++) {
        memory -= ROOM_LESS;
        if (map_at(memory, PAGES_STEP)) {
            *pages = (struct pages){.memory = memory, .room = ROOM_LESS, .asked = PAGES_STEP};
            ask_for(pages, PAGES_SMALL);
            return true;
        }
    }
    return false;
}

/* Of this thread: what others do meanwhile is not what pages cost. */
static int64_t now_ns(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static bool widen(struct pages *pages, size_t bytes)
{
    char *place = pages->memory + pages->asked;
    if (bytes > pages->room - pages->asked ||
        !(pages->reserved ? mprotect(place, bytes, PROT_READ | PROT_WRITE) == 0
                          : map_at(place, bytes)))
        return false;
    pages->asked += bytes;
    return true;
}

/* Seldom, and much at a time, as meanwhile no other thread gets a page; where nothing is reserved,
 * or so much is refused, one step. */
static bool ask_for_more(struct pages *pages)
{
    bool much = pages->reserved && pages->asked;
    if (!(much && widen(pages, pages->asked)) && !widen(pages, PAGES_STEP))
        return false;
    ask_for(pages, pages->kind);
    return true;
}

/* What was dear once may have become cheap: it is forgotten slowly, and so tried again. Of huge
 * ones the processor finds its way to more memory at a time: these may be dearer. */
static void choose(struct pages *pages)
{
    int64_t *cost_ns = pages->cost_ns;
    bool huge = cost_ns[PAGES_HUGE] / 2 <= cost_ns[PAGES_SMALL];
    enum page_kind kind = huge ? PAGES_HUGE : PAGES_SMALL;
    cost_ns[!kind] -= cost_ns[!kind] / FORGET;
    if (kind != pages->kind)
        ask_for(pages, kind);
    atomic_store_explicit(&cheaper, kind, memory_order_relaxed);
}

static bool make_ready(struct pages *pages)
{
    bool first = pages->ready < PAGES_STEP;
    size_t bytes = first ? PAGES_STEP / FIRST_STEPS : PAGES_STEP;
    if (pages->ready == pages->asked && !ask_for_more(pages))
        return false;
    if (!first)
        choose(pages);
    char *memory = pages->memory + pages->ready;
    int64_t begun_ns = now_ns();
    if (pages->kind == PAGES_SMALL)
        madvise(memory, bytes, MADV_POPULATE_WRITE);
    for (volatile char *page = memory; page < memory + bytes; page += PAGE_LEAST)
        *page = 0; /* a hypervisor may see it only now */
    pages->cost_ns[pages->kind] = (now_ns() - begun_ns) * (int64_t)(PAGES_STEP / bytes);
    pages->ready += bytes;
    return true;
}

void *pages_take(struct pages *pages, size_t bytes)
{
    if (!pages->memory && (is_limited() || !reserve(pages)) && !find_place(pages))
        return NULL;
    while (bytes > pages->ready - pages->used)
        if (!make_ready(pages))
            return NULL;
    pages->used += bytes;
    return pages->memory + pages->used - bytes;
}

/* To the system, whole steps of pages only. */
static void give_back(struct pages *pages, size_t from, size_t to)
{
    if (from < to)
        madvise(pages->memory + from, to - from, MADV_DONTNEED);
}

static size_t whole(size_t bytes)
{
    const size_t step = PAGES_STEP / FIRST_STEPS; /* no system's small pages are larger */
    return (bytes + step - 1) / step * step;
}

void pages_cut(struct pages *pages, size_t used)
{
    pages->used = used;
    give_back(pages, whole(used), pages->ready);
}

void pages_release(struct pages *pages, unsigned part, unsigned parts)
{
    size_t steps = (pages->ready + PAGES_STEP - 1) / PAGES_STEP;
    size_t from = steps * part / parts * PAGES_STEP, to = steps * (part + 1) / parts * PAGES_STEP;
    give_back(pages, from, to < pages->ready ? to : pages->ready);
}

void pages_free(struct pages *pages)
{
    if (pages->memory)
        munmap(pages->memory, pages->reserved ? pages->room : pages->asked);
    *pages = (struct pages){0};
}

static void hint_heap(void)
{
    static _Atomic uintptr_t hinted;
    uintptr_t end = (uintptr_t)sbrk(0);
    if (atomic_load_explicit(&hinted, memory_order_relaxed) == end)
        return;
    atomic_store_explicit(&hinted, end, memory_order_relaxed);
    uintptr_t from = (end - PAGES_AHEAD + PAGES_STEP - 1) / PAGES_STEP * PAGES_STEP;
    madvise((void *)from, end - from, MADV_HUGEPAGE);
}

void pages_hint(void *memory, size_t bytes)
{
    if (atomic_load_explicit(&cheaper, memory_order_relaxed) != PAGES_HUGE)
        return;
    hint_heap();
    if (bytes < HINT_LEAST)
        return;
    /* With all of its pages, among which is what malloc keeps before it: parts of a mapping that
     * are not alike cannot be moved by mremap as a whole. */
    size_t before = (uintptr_t)memory % PAGE_LEAST;
    size_t pages = (before + bytes + PAGE_LEAST - 1) / PAGE_LEAST;
    madvise((char *)memory - before, pages * PAGE_LEAST, MADV_HUGEPAGE);
}
