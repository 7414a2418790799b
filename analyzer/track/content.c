/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Windows picked by their content: dense where a stream begins, as requests are short, then
 * thinner. And the first windows of packets, thinned by halves as they become too many, so that
 * what is left is spread over the whole stream.
 */
#include "track/content.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CHAINS      64u
#define CHAINS_FROM 8u    /* marks; fewer are looked through as fast */
#define PICK_BYTES  4u    /* of a window, that it is picked by */
#define TRIES_MAX   1024u /* repetitive bytes pick the same window again and again */
#define AT_ONCE     16u   /* windows looked at */
#define FEW_FROM    96u   /* anchors; from then on picks are so few that most blocks have none */
#define BLOCK       64u   /* windows */

static uint32_t window_hash(const uint8_t *bytes)
{
    return (uint32_t)XXH3_64bits(bytes, CONTENT_WINDOW_BYTES);
}

/* By the upper bits: the lower ones are alike where starts are thinned. */
static uint32_t chain_of(uint32_t hash)
{
    return hash >> 16 & (CHAINS - 1);
}

/* Marks by their number, which is their index plus 1; 0: none. */
struct chains {
    uint8_t first[CHAINS];
    uint8_t next[CONTENT_MARKS_MAX]; /* in the same chain */
};

_Static_assert(sizeof(struct content) + CONTENT_MARKS_MAX * sizeof(struct content_mark) +
                       sizeof(struct chains) <=
                   CRUMB_MOST,
               "all there may be of a stream is a crumb");

static struct chains *chains_of(struct content *content)
{
    return (struct chains *)&content->marks[content->capacity];
}

static bool known(struct content *content, uint32_t hash)
{
    const struct content_mark *marks = content->marks;
    uint32_t number = content->count;
    if (content->chained) {
        const struct chains *chains = chains_of(content);
        number = chains->first[chain_of(hash)];
        while (number && marks[number - 1].hash != hash)
            number = chains->next[number - 1];
    } else {
        while (number && marks[number - 1].hash != hash)
            number--;
    }
    return number != 0;
}

static void chain(struct content *content, uint32_t number)
{
    struct chains *chains = chains_of(content);
    uint8_t *first = &chains->first[chain_of(content->marks[number - 1].hash)];
    chains->next[number - 1] = *first;
    *first = (uint8_t)number;
}

static void chain_all(struct content *content)
{
    memset(chains_of(content)->first, 0, sizeof chains_of(content)->first);
    for (uint32_t number = 1; number <= content->count; number++)
        chain(content, number);
}

/* Where a mark is; `within` 0 for a start. */
static struct content_mark make_mark(const struct content *content, uint32_t hash, uint32_t pkt,
                                     uint32_t within, bool start)
{
    uint32_t since = pkt - content->first_pkt;
    uint32_t place = start ? pkt : since << CONTENT_WITHIN_BITS | within;
    return (struct content_mark){.hash = hash, .start = start, .place = place & 0x7fffffffu};
}

static size_t bytes_of(uint32_t capacity, bool chained)
{
    return sizeof(struct content) + capacity * sizeof(struct content_mark) +
           (chained ? sizeof(struct chains) : 0);
}

/* Room for `capacity` marks, and for chains if there shall be any. */
static bool resize(struct crumbs *crumbs, struct content **content, uint32_t capacity, bool chained)
{
    struct content *before = *content;
    struct content *moved = crumbs_take(crumbs, bytes_of(capacity, chained));
    if (!moved)
        return false;
    if (before)
        memcpy(moved, before, bytes_of(before->count, false));
    else
        *moved = (struct content){0};
    moved->capacity = (uint8_t)capacity;
    moved->chained = chained;
    if (chained && before && before->chained)
        memcpy(chains_of(moved), chains_of(before), sizeof(struct chains));
    else if (chained)
        chain_all(moved);
    if (before)
        crumbs_give(crumbs, before, bytes_of(before->capacity, before->chained));
    *content = moved;
    return true;
}

/* Pieces come in multiples of two marks. */
static uint32_t whole_piece(uint32_t marks)
{
    return (marks + 1) & ~1u;
}

/* By a quarter and a few, as all streams of a capture have theirs at the same time. */
static bool grow(struct crumbs *crumbs, struct content **content)
{
    uint32_t count = *content ? (*content)->count : 0;
    uint32_t capacity = whole_piece(count + count / 4 + 3);
    capacity = capacity < CONTENT_MARKS_MAX ? capacity : CONTENT_MARKS_MAX;
    return resize(crumbs, content, capacity, count >= CHAINS_FROM);
}

/* Room for one more mark. */
static bool has_room(struct crumbs *crumbs, struct content **content)
{
    return (*content)->count < (*content)->capacity || grow(crumbs, content);
}

static void add_mark(struct content *content, uint32_t hash, uint32_t pkt, uint32_t within,
                     bool start)
{
    if (content->count == 0)
        content->first_pkt = pkt;
    content->marks[content->count++] = make_mark(content, hash, pkt, within, start);
    if (content->chained)
        chain(content, content->count);
}

/* What a window is picked by, from its first four bytes: any value is as likely as any other. Of 16
 * bits, as processors multiply eight of these at once: neighbours share bytes, every other one does
 * not, so that compilers do so in loops of constant length over every other one. */
static inline int16_t pick_value(const uint8_t *bytes)
{
    uint16_t first, second;
    memcpy(&first, bytes, sizeof first);
    memcpy(&second, bytes + 2, sizeof second);
    return (int16_t)(first * 0x85ebu + second * 0xc2b3u);
}

/* Windows with a value below are picked: every 4th at first, then every 64th, then every 1024th. */
static int16_t pick_below(const struct content *content)
{
    unsigned bits = content->anchors < 64 ? 2 : content->anchors < FEW_FROM ? 6 : 10;
    return (int16_t)(INT16_MIN + (1 << (16 - bits)));
}

/* Passes over blocks without any window that is picked, from `at` on; one window at least stays. */
static uint32_t pass_over(const uint8_t *payload, uint32_t at, uint32_t bytes, int16_t below)
{
    for (; bytes - at >= BLOCK + CONTENT_WINDOW_BYTES; at += BLOCK) {
        int16_t least = INT16_MAX;
        for (unsigned i = 0; i < BLOCK; i += 2) {
            int16_t even = pick_value(payload + at + i), odd = pick_value(payload + at + i + 1);
            int16_t less = even < odd ? even : odd;
            least = less < least ? less : least;
        }
        if (least < below)
            break;
    }
    return at;
}

/* Which of AT_ONCE windows are picked, a bit for each. */
static inline uint32_t picks_at_once(const uint8_t *payload, int16_t below)
{
    static const uint16_t bit[AT_ONCE / 2] = {1u,      1u << 2,  1u << 4,  1u << 6,
                                              1u << 8, 1u << 10, 1u << 12, 1u << 14};
    uint16_t picks = 0;
    for (unsigned i = 0; i < AT_ONCE / 2; i++) {
        uint16_t even = pick_value(payload + i * 2) < below ? UINT16_MAX : 0;
        uint16_t odd = pick_value(payload + i * 2 + 1) < below ? UINT16_MAX : 0;
        picks |= (uint16_t)((even & bit[i]) | (odd & bit[i] << 1));
    }
    return picks;
}

/* The same where there may be fewer windows; there is one. */
static uint32_t find_picks(const uint8_t *payload, uint32_t bytes, int16_t below)
{
    uint8_t padded[AT_ONCE - 1 + PICK_BYTES] = {0};
    uint32_t windows = bytes - CONTENT_WINDOW_BYTES + 1;
    if (bytes < sizeof padded)
        payload = memcpy(padded, payload, bytes);
    uint32_t picks = picks_at_once(payload, below);
    return windows < AT_ONCE ? picks & ((1u << windows) - 1) : picks;
}

/* No more windows are picked by content. */
static bool has_enough(const struct content *content)
{
    return content->anchors == CONTENT_ANCHORS_MAX || content->tries == TRIES_MAX;
}

static bool add_anchor(struct crumbs *crumbs, struct content **kept, uint32_t pkt,
                       const uint8_t *payload, uint32_t at)
{
    uint32_t hash = window_hash(payload + at);
    (*kept)->tries++;
    if (known(*kept, hash))
        return true;
    if (!has_room(crumbs, kept))
        return false;
    add_mark(*kept, hash, pkt, at, false);
    (*kept)->anchors++;
    return true;
}

static bool add_anchors(struct crumbs *crumbs, struct content **kept, uint32_t pkt,
                        const uint8_t *payload, uint32_t bytes)
{
    if ((*kept)->count && pkt - (*kept)->first_pkt >= 1u << CONTENT_PKT_BITS)
        return true;
    for (uint32_t at = 0; bytes - at >= CONTENT_WINDOW_BYTES; at += AT_ONCE) {
        int16_t below = pick_below(*kept);
        if ((*kept)->anchors >= FEW_FROM)
            at = pass_over(payload, at, bytes, below);
        uint32_t picks = find_picks(payload + at, bytes - at, below);
        while (picks && !has_enough(*kept)) {
            uint32_t pick = at + (uint32_t)__builtin_ctz(picks);
            picks &= picks - 1;
            if (!add_anchor(crumbs, kept, pkt, payload, pick))
                return false;
            if (pick_below(*kept) != below) { /* fewer from here on, all of them among these */
                below = pick_below(*kept);
                picks &= find_picks(payload + at, bytes - at, below);
            }
        }
    }
    return true;
}

/* Halves what is kept of packets' first windows until there is room for another. */
static void thin_starts(struct content *content)
{
    while (content->starts >= CONTENT_STARTS_MAX) {
        uint32_t kept = 0;
        content->start_mask = content->start_mask << 1 | 1u;
        for (uint32_t i = 0; i < content->count; i++) {
            bool gone = content->marks[i].start && content->marks[i].hash & content->start_mask;
            content->starts -= gone;
            if (!gone)
                content->marks[kept++] = content->marks[i];
        }
        content->count = (uint8_t)kept;
        if (content->chained)
            chain_all(content);
        if (content->start_mask == UINT32_MAX)
            return;
    }
}

static bool add_start(struct crumbs *crumbs, struct content **kept, uint32_t pkt,
                      const uint8_t *payload)
{
    struct content *content = *kept;
    uint32_t hash = window_hash(payload);
    if (hash & content->start_mask || known(content, hash))
        return true;
    thin_starts(content);
    if (hash & content->start_mask)
        return true;
    if (!has_room(crumbs, kept))
        return false;
    (*kept)->starts++;
    add_mark(*kept, hash, pkt, 0, true);
    return true;
}

/* Not yet enough of the stream's beginning? */
static bool looking(const struct content *content)
{
    return content->bytes < CONTENT_BYTES_MAX && !has_enough(content);
}

bool content_add(struct crumbs *crumbs, struct content **kept, uint32_t pkt, const uint8_t *payload,
                 uint32_t captured_bytes, uint32_t payload_bytes)
{
    uint32_t bytes = captured_bytes < payload_bytes ? captured_bytes : payload_bytes;
    if (bytes > UINT16_MAX) /* as far as CONTENT_WITHIN_BITS reach */
        bytes = UINT16_MAX;
    if (!*kept && !grow(crumbs, kept))
        return false;
    struct content *content = *kept;
    if (looking(content)) {
        content->cut |= captured_bytes < payload_bytes;
        content->bytes = payload_bytes > CONTENT_BYTES_MAX - content->bytes
                             ? CONTENT_BYTES_MAX
                             : content->bytes + payload_bytes;
        if (!add_anchors(crumbs, kept, pkt, payload, bytes))
            return false;
    }
    return bytes < CONTENT_WINDOW_BYTES || add_start(crumbs, kept, pkt, payload);
}

uint32_t content_mask(const struct content *content)
{
    return looking(content) ? 0 : content->start_mask;
}

/* Packets move by few places only: where the count from the first mark's ends, it ends for them. */
void content_renumber(struct content *content, const uint32_t *moved_to)
{
    const struct content before = *content;
    const uint32_t most = (1u << CONTENT_PKT_BITS) - 1;
    content->first_pkt = UINT32_MAX;
    for (uint32_t i = 0; i < content->count; i++) {
        uint32_t pkt = moved_to[content_pkt(&before, &content->marks[i])];
        content->first_pkt = pkt < content->first_pkt ? pkt : content->first_pkt;
    }
    for (uint32_t i = 0; i < content->count; i++) {
        struct content_mark *mark = &content->marks[i];
        uint32_t pkt = moved_to[content_pkt(&before, mark)];
        if (!mark->start && pkt - content->first_pkt > most)
            pkt = content->first_pkt + most;
        *mark = make_mark(content, mark->hash, pkt, content_within(mark), mark->start);
    }
}

void content_settle(struct crumbs *crumbs, struct content **content)
{
    if (!*content)
        return;
    uint32_t needed = whole_piece((*content)->count);
    if ((*content)->chained || (*content)->capacity != needed)
        resize(crumbs, content, needed, false); /* where that fails, all is as it was */
}

bool content_copy(struct crumbs *crumbs, struct content **content)
{
    struct content *copy = crumbs_take(crumbs, bytes_of((*content)->capacity, (*content)->chained));
    if (!copy)
        return false;
    memcpy(copy, *content, bytes_of((*content)->capacity, (*content)->chained));
    *content = copy;
    return true;
}
