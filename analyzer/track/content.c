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

#define FILTER_WORDS_MAX 32u
#define FILTER_STEP      2u    /* words; there are so many, or twice that, and so on */
#define PICK_BYTES       4u    /* of a window, that it is picked by */
#define TRIES_MAX        1024u /* repetitive bytes pick the same window again and again */
#define AT_ONCE          16u   /* windows looked at */
#define FEW_FROM         96u   /* anchors; then picks are so few that most blocks have none */
#define BLOCK            64u   /* windows */

static uint32_t window_hash(const uint8_t *bytes)
{
    return (uint32_t)XXH3_64bits(bytes, CONTENT_WINDOW_BYTES);
}

/* Behind the room for marks is a filter, large as that is: it tells of nearly all hashes that no
 * mark has them, by one bit. */
static uint32_t words_for(uint32_t capacity)
{
    return capacity < 8 ? 2 : capacity <= 32 ? 8 : capacity <= 64 ? 16 : FILTER_WORDS_MAX;
}

static size_t bytes_of(uint32_t capacity, uint32_t words)
{
    return sizeof(struct content) + capacity * sizeof(struct content_mark) +
           words * sizeof(uint64_t);
}

_Static_assert(sizeof(struct content) + CONTENT_MARKS_MAX * sizeof(struct content_mark) +
                       FILTER_WORDS_MAX * sizeof(uint64_t) <=
                   CRUMB_MOST,
               "all there may be of a stream is a crumb");

static inline uint64_t *filter_of(const struct content *content)
{
    return (uint64_t *)&content->marks[content->capacity];
}

/* Which bit, the upper ones of a hash tell: the lower ones are alike where starts are thinned. */
static void add_to_filter(uint64_t *filter, uint32_t words, uint32_t hash)
{
    filter[hash >> 27 & (words - 1)] |= 1ull << (hash >> 21 & 63);
}

static void make_filter(struct content *content)
{
    const struct content_mark *mark = content->marks, *end = mark + content->count;
    uint64_t *filter = filter_of(content);
    uint32_t words = content->filter_words;
    for (uint32_t i = 0; i < words; i += FILTER_STEP)
        memset(&filter[i], 0, FILTER_STEP * sizeof *filter);
    for (; mark < end; mark++)
        add_to_filter(filter, words, mark->hash);
}

static void copy_filter(struct content *to, const struct content *from)
{
    for (uint32_t i = 0; i < to->filter_words; i += FILTER_STEP)
        memcpy(filter_of(to) + i, filter_of(from) + i, FILTER_STEP * sizeof(uint64_t));
}

static inline bool passes_filter(const struct content *content, uint32_t hash)
{
    uint64_t word = filter_of(content)[hash >> 27 & (content->filter_words - 1u)];
    return word >> (hash >> 21 & 63) & 1;
}

static bool is_among(const struct content *content, uint32_t hash)
{
    const struct content_mark *mark = content->marks + content->count;
    while (mark > content->marks)
        if ((--mark)->hash == hash)
            return true;
    return false;
}

static inline bool known(const struct content *content, uint32_t hash)
{
    return passes_filter(content, hash) && is_among(content, hash);
}

/* Where a mark is; `within` 0 for a start. */
static inline struct content_mark make_mark(const struct content *content, uint32_t hash,
                                            uint32_t pkt, uint32_t within, bool start)
{
    uint32_t since = pkt - content->first_pkt;
    uint32_t place = start ? pkt : since << CONTENT_WITHIN_BITS | within;
    return (struct content_mark){.hash = hash, .start = start, .place = place & 0x7fffffffu};
}

/* Room for `capacity` marks, and for a filter of so many words: 0 where none are to come. */
static bool resize(struct crumbs *crumbs, struct content **content, uint32_t capacity,
                   uint32_t words)
{
    static const struct content nothing;
    const struct content *before = *content ? *content : &nothing;
    struct content *moved =
        crumbs_copy(crumbs, before, bytes_of(before->count, 0), bytes_of(capacity, words));
    if (!moved)
        return false;
    moved->capacity = (uint8_t)capacity;
    moved->filter_words = (uint8_t)words;
    if (words == before->filter_words)
        copy_filter(moved, before);
    else if (words)
        make_filter(moved);
    if (*content)
        crumbs_give(crumbs, *content, bytes_of(before->capacity, before->filter_words));
    *content = moved;
    return true;
}

/* By a third and a few, as all streams of a capture have theirs at the same time. */
static bool grow(struct crumbs *crumbs, struct content **content)
{
    uint32_t count = *content ? (*content)->count : 0;
    uint32_t capacity = (count + count / 3 + 7) & ~1u;
    capacity = capacity < CONTENT_MARKS_MAX ? capacity : CONTENT_MARKS_MAX;
    return resize(crumbs, content, capacity, words_for(capacity));
}

/* Room for one more mark. */
static bool has_room(struct crumbs *crumbs, struct content **content)
{
    return (*content)->count < (*content)->capacity || grow(crumbs, content);
}

/* Those picked by content stand before the starts. */
static inline void add_mark(struct content *content, uint32_t hash, uint32_t pkt, uint32_t within,
                            bool start)
{
    struct content_mark *at = &content->marks[content->count];
    if (content->count++ == 0)
        content->first_pkt = pkt;
    if (!start) {
        *at = content->marks[content->anchors];
        at = &content->marks[content->anchors++];
    }
    *at = make_mark(content, hash, pkt, within, start);
    add_to_filter(filter_of(content), content->filter_words, hash);
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
    return true;
}

static bool add_anchors(struct crumbs *crumbs, struct content **kept, uint32_t pkt,
                        const uint8_t *payload, uint32_t bytes)
{
    if ((*kept)->count && pkt - (*kept)->first_pkt >= 1u << CONTENT_PKT_BITS)
        return true;
    for (uint32_t at = 0; bytes - at >= CONTENT_WINDOW_BYTES; at += AT_ONCE) {
        int16_t below = pick_below(*kept);
        if ((*kept)->anchors >= FEW_FROM && at % BLOCK == 0)
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

/* A packet's first window is kept where its hash has none of these bits. */
static uint32_t start_mask(const struct content *content)
{
    return (1u << content->start_bits) - 1;
}

static uint32_t count_starts(const struct content *content)
{
    return content->count - content->anchors;
}

/* Halves what is kept of packets' first windows until there is room for another, which there is at
 * last: no hash is kept twice. */
static void thin_starts(struct content *content)
{
    while (count_starts(content) == CONTENT_STARTS_MAX) {
        content->start_bits++;
        uint32_t mask = start_mask(content);
        struct content_mark *kept = &content->marks[content->anchors];
        const struct content_mark *mark = kept, *end = &content->marks[content->count];
        for (; mark < end; mark++) {
            *kept = *mark;
            kept += !(mark->hash & mask);
        }
        content->count = (uint8_t)(kept - content->marks);
    }
    make_filter(content);
}

static bool add_start(struct crumbs *crumbs, struct content **kept, uint32_t pkt,
                      const uint8_t *payload)
{
    uint32_t hash = window_hash(payload);
    if (hash & start_mask(*kept) || known(*kept, hash))
        return true;
    if (count_starts(*kept) == CONTENT_STARTS_MAX) {
        thin_starts(*kept);
        if (hash & start_mask(*kept))
            return true;
    }
    if (!has_room(crumbs, kept))
        return false;
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
    if ((!*kept || !(*kept)->filter_words) && !grow(crumbs, kept))
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
    return looking(content) ? 0 : start_mask(content);
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
    if (*content && (*content)->filter_words) /* where memory is out, all is as it was */
        resize(crumbs, content, ((*content)->count + 1u) & ~1u, 0);
}

bool content_copy(struct crumbs *crumbs, struct content **content)
{
    size_t bytes = bytes_of((*content)->capacity, (*content)->filter_words);
    struct content *copy = crumbs_copy(crumbs, *content, bytes, bytes);
    if (copy)
        *content = copy;
    return copy != NULL;
}
