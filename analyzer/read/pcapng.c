/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pcapng (draft-ietf-opsawg-pcapng): a row of blocks
 *
 *     type(4) total length(4) body options total length again(4)
 *
 * A section header block sets the byte order and starts the numbering of interfaces anew; interface
 * blocks tell link type and clock; three kinds of blocks hold packets; statistics tell what was
 * dropped; all others are stepped over. Interfaces of all sections stand in one list.
 */
#include "read/reader.h"

#define BLOCK_SECTION     0x0a0d0d0au /* reads the same in both byte orders */
#define BYTE_ORDER_MAGIC  0x1a2b3c4du
#define BLOCK_FRAME_BYTES 12u                        /* type, and the total length twice */
#define BLOCK_MAX_BYTES   (16u * 1024 * 1024 + 4096) /* the largest packet with its options */
#define NAME_MAX_BYTES    255u
#define OPTION_END        0u

struct block {
    const uint8_t *body;
    uint32_t bytes; /* of the body, options included */
    uint32_t type;
    uint64_t byte;
};

struct option {
    const uint8_t *value;
    uint16_t code, bytes;
};

/* What still is to be read of a block's options. */
struct options {
    const uint8_t *at;
    size_t left;
    bool swapped;
};

static int damaged(const struct reader *reader, const struct block *block, const char *what,
                   struct wh_error *error)
{
    return error_set(error, reader->path, (uint64_t)reader->frames + 1, block->byte,
                     "%s: the file is damaged from here on", what);
}

static struct options options_of(const struct reader *reader, const struct block *block,
                                 size_t from)
{
    size_t start = from < block->bytes ? from : block->bytes;
    return (struct options){block->body + start, block->bytes - start, reader->pcapng.swapped};
}

/* False: no more, or the rest is not an option: then it is left alone, the packet is whole. */
static bool next_option(struct options *options, struct option *option)
{
    if (options->left < 4)
        return false;
    option->code = bytes_16(options->at, options->swapped);
    option->bytes = bytes_16(options->at + 2, options->swapped);
    option->value = options->at + 4;
    size_t whole = 4 + ((size_t)option->bytes + 3) / 4 * 4;
    if (option->code == OPTION_END || options->left < whole)
        return false;
    options->at += whole;
    options->left -= whole;
    return true;
}

static uint64_t add_bounded(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* The drops told packet by packet and those in the statistics are the same ones. */
static void count_drops(struct capture_interface *interface, uint64_t drops)
{
    interface->drops_in_packets = add_bounded(interface->drops_in_packets, drops);
    if (interface->info.dropped < interface->drops_in_packets)
        interface->info.dropped = interface->drops_in_packets;
}

static struct capture_interface *find_interface(const struct reader *reader, uint32_t id)
{
    uint32_t base = reader->pcapng.section_base;
    return id < reader->interface_count - base ? reader->interfaces[base + id] : NULL;
}

/* ---- section and interface ------------------------------------------------------------------- */

static int on_section(struct reader *reader, const struct block *block, struct record *record,
                      struct wh_error *error)
{
    (void)record;
    unsigned major = bytes_16(block->body + 4, reader->pcapng.swapped);
    if (major != 1)
        return error_set(error, reader->path, (uint64_t)reader->frames + 1, block->byte,
                         "a section of pcapng version %u, where only 1 is known", major);
    reader->pcapng.section_base = reader->interface_count;
    return 0;
}

/* if_tsresol: a power of 10, or with the top bit set a power of 2, as the unit below a second. */
static void set_resolution(struct capture_interface *interface, uint8_t resolution)
{
    unsigned exponent = resolution & 0x7f;
    interface->multiply = NS_PER_S;
    interface->divide = 1;
    interface->shift = resolution & 0x80 ? exponent : 0;
    if (resolution & 0x80)
        return;
    for (; exponent > 0 && interface->multiply > 1; exponent--)
        interface->multiply /= 10;
    for (; exponent > 0 && interface->divide <= UINT64_MAX / 10; exponent--)
        interface->divide *= 10;
    if (exponent > 0) /* finer than 64 bits can count up to a nanosecond */
        interface->multiply = 0;
}

static int64_t offset_to_ns(int64_t offset_s)
{
    int64_t limit_s = READ_TIME_LIMIT_NS / NS_PER_S;
    if (offset_s > limit_s)
        return READ_TIME_LIMIT_NS;
    return offset_s < -limit_s ? -READ_TIME_LIMIT_NS : offset_s * NS_PER_S;
}

static bool set_name(struct reader *reader, struct capture_interface *interface,
                     const struct option *option)
{
    size_t bytes = option->bytes < NAME_MAX_BYTES ? option->bytes : NAME_MAX_BYTES;
    char *name = arena_alloc(&reader->arena, bytes + 1, 1); /* zeroed */
    if (!name)
        return false;
    memcpy(name, option->value, bytes);
    interface->info.name = name;
    return true;
}

static int on_interface(struct reader *reader, const struct block *block, struct record *record,
                        struct wh_error *error)
{
    enum { IF_NAME = 2, IF_TSRESOL = 9, IF_TSOFFSET = 14 };
    (void)record;
    bool swapped = reader->pcapng.swapped;
    uint16_t dlt = linktype_to_dlt(bytes_16(block->body, swapped));
    if (reader->interface_count >= READ_INTERFACES_MAX)
        return damaged(reader, block, "more interfaces than any capture has", error);
    struct capture_interface *interface =
        reader_add_interface(reader, dlt, bytes_32(block->body + 4, swapped));
    if (!interface)
        return error_memory(error, reader->path);
    struct options options = options_of(reader, block, 8);
    struct option option;
    while (next_option(&options, &option)) {
        if (option.code == IF_TSRESOL && option.bytes >= 1)
            set_resolution(interface, option.value[0]);
        else if (option.code == IF_TSOFFSET && option.bytes >= 8)
            interface->offset_ns = offset_to_ns((int64_t)bytes_64(option.value, swapped));
        else if (option.code == IF_NAME && !set_name(reader, interface, &option))
            return error_memory(error, reader->path);
    }
    return 0;
}

/* Counters since the capture's start: the last ones hold. */
static int on_statistics(struct reader *reader, const struct block *block, struct record *record,
                         struct wh_error *error)
{
    enum { ISB_IFDROP = 5, ISB_OSDROP = 7 };
    (void)record;
    (void)error;
    bool swapped = reader->pcapng.swapped;
    struct capture_interface *interface = find_interface(reader, bytes_32(block->body, swapped));
    if (!interface)
        return 0;
    uint64_t drops = 0;
    struct options options = options_of(reader, block, 12);
    struct option option;
    while (next_option(&options, &option))
        if ((option.code == ISB_IFDROP || option.code == ISB_OSDROP) && option.bytes >= 8)
            drops = add_bounded(drops, bytes_64(option.value, swapped));
    if (interface->info.dropped < drops)
        interface->info.dropped = drops;
    return 0;
}

/* ---- packets --------------------------------------------------------------------------------- */

static struct point_time stamp_to_time(const struct capture_interface *interface, uint64_t stamp)
{
    unsigned __int128 ns = (unsigned __int128)stamp * interface->multiply;
    if (interface->divide > 1)
        ns /= interface->divide;
    ns >>= interface->shift;
    int64_t bounded_ns = ns > READ_TIME_LIMIT_NS ? READ_TIME_LIMIT_NS : (int64_t)ns;
    return read_time(bounded_ns + interface->offset_ns);
}

/* epb_flags: bits 0-1 the direction, 9-11 how far the device had come. */
static uint16_t flags_to_record(uint32_t flags)
{
    static const uint16_t DIRECTION[] = {0, RECORD_INBOUND, RECORD_OUTBOUND, 0};
    uint16_t found = DIRECTION[flags & 3];
    if (flags & 1u << 9)
        found |= RECORD_CHECKSUM_NOT_READY;
    if (flags & 1u << 10)
        found |= RECORD_CHECKSUM_VALID;
    if (flags & 1u << 11)
        found |= RECORD_OFFLOADED_SEGMENTS;
    return found;
}

static void read_packet_options(struct options options, struct capture_interface *interface,
                                struct record *record)
{
    enum { PACKET_FLAGS = 2, PACKET_DROPCOUNT = 4 };
    struct option option;
    while (next_option(&options, &option)) {
        if (option.code == PACKET_FLAGS && option.bytes >= 4)
            record->flags = flags_to_record(bytes_32(option.value, options.swapped));
        else if (option.code == PACKET_DROPCOUNT && option.bytes >= 8)
            count_drops(interface, bytes_64(option.value, options.swapped));
    }
}

/* Enhanced and obsolete blocks: the same but for the first four bytes. */
static int on_packet(struct reader *reader, const struct block *block, uint32_t id,
                     struct record *record, struct wh_error *error)
{
    enum { FIXED_BYTES = 20 };
    bool swapped = reader->pcapng.swapped;
    const uint8_t *body = block->body;
    struct capture_interface *interface = find_interface(reader, id);
    if (!interface)
        return damaged(reader, block, "this packet is of an interface that is not described",
                       error);
    uint32_t caplen = bytes_32(body + 12, swapped);
    uint32_t wirelen = bytes_32(body + 16, swapped);
    if (caplen > block->bytes - FIXED_BYTES)
        return damaged(reader, block, "this packet is longer than the block it stands in", error);
    uint64_t stamp = (uint64_t)bytes_32(body + 4, swapped) << 32 | bytes_32(body + 8, swapped);
    *record = (struct record){
        .time = stamp_to_time(interface, stamp),
        .data = body + FIXED_BYTES,
        .caplen = caplen,
        .wirelen = wirelen > caplen ? wirelen : caplen,
        .frame = ++reader->frames,
        .interface = reader->pcapng.section_base + id,
        .dlt = interface->info.dlt,
        .byte = block->byte,
    };
    reader->pcapng.last_ns = record->time.ns;
    size_t data_bytes = ((size_t)caplen + 3) / 4 * 4;
    if (block->bytes - FIXED_BYTES > data_bytes)
        read_packet_options(options_of(reader, block, FIXED_BYTES + data_bytes), interface, record);
    return 1;
}

static int on_enhanced(struct reader *reader, const struct block *block, struct record *record,
                       struct wh_error *error)
{
    return on_packet(reader, block, bytes_32(block->body, reader->pcapng.swapped), record, error);
}

static int on_obsolete(struct reader *reader, const struct block *block, struct record *record,
                       struct wh_error *error)
{
    enum { DROPS_NOT_KNOWN = 0xffff };
    bool swapped = reader->pcapng.swapped;
    uint16_t id = bytes_16(block->body, swapped), drops = bytes_16(block->body + 2, swapped);
    int result = on_packet(reader, block, id, record, error);
    if (result == 1 && drops != DROPS_NOT_KNOWN)
        count_drops(reader->interfaces[record->interface], drops);
    return result;
}

/* A simple block has no time: it gets that of the packet before it, so that the order stays. */
static int on_simple(struct reader *reader, const struct block *block, struct record *record,
                     struct wh_error *error)
{
    struct capture_interface *interface = find_interface(reader, 0);
    if (!interface)
        return damaged(reader, block, "this packet is of an interface that is not described",
                       error);
    uint32_t wirelen = bytes_32(block->body, reader->pcapng.swapped);
    uint32_t caplen = block->bytes - 4 < wirelen ? block->bytes - 4 : wirelen;
    if (interface->info.snaplen != 0 && caplen > interface->info.snaplen)
        caplen = interface->info.snaplen;
    *record = (struct record){
        .time = {reader->pcapng.last_ns},
        .data = block->body + 4,
        .caplen = caplen,
        .wirelen = wirelen,
        .frame = ++reader->frames,
        .interface = reader->pcapng.section_base,
        .dlt = interface->info.dlt,
        .byte = block->byte,
    };
    return 1;
}

/* No packet, but Wireshark shows it as a frame, so that those behind it count on. */
static int on_counted(struct reader *reader, const struct block *block, struct record *record,
                      struct wh_error *error)
{
    (void)record;
    if (reader->frames == UINT32_MAX)
        return damaged(reader, block, "more frames than can be counted", error);
    reader->frames++;
    return 0;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* What is done with a block: 1: `record` is filled; 0: go on to the next block; WH_ERROR. */
static const struct block_kind {
    uint32_t type, body_min;
    int (*read)(struct reader *reader, const struct block *block, struct record *record,
                struct wh_error *error);
} KINDS[] = {
    {6, 20, on_enhanced},            /* enhanced packet */
    {3, 4, on_simple},               /* simple packet */
    {2, 20, on_obsolete},            /* packet */
    {1, 8, on_interface},            /* interface description */
    {5, 12, on_statistics},          /* interface statistics */
    {BLOCK_SECTION, 16, on_section}, /* section header */
    {9, 0, on_counted},              /* systemd journal */
    {0x204, 0, on_counted},          /* sysdig event */
    {0x216, 0, on_counted},          /* sysdig event with flags */
    {0x221, 0, on_counted},          /* sysdig event, version 2, with flags */
    {0xbad, 4, on_counted},          /* custom */
    {0x40000bad, 4, on_counted},     /* custom, not to be copied */
};

static const struct block_kind *find_kind(uint32_t type)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (KINDS[i].type == type)
            return &KINDS[i];
    return NULL;
}

/* The length, type and place of the block in front. 1; 0: the file's end; WH_ERROR. */
static int begin_block(struct reader *reader, struct block *block, uint32_t *total,
                       struct wh_error *error)
{
    struct window *window = &reader->window;
    const uint8_t *at = window_need(window, BLOCK_FRAME_BYTES);
    if (!at && window->left == 0)
        return reader_end(reader, error);
    block->byte = window_offset(window);
    if (!at)
        return reader_cut(reader, block->byte, window->left, BLOCK_FRAME_BYTES, error);
    block->type = bytes_32(at, reader->pcapng.swapped);
    if (block->type == BLOCK_SECTION) {
        uint32_t magic = bytes_32(at + 8, false);
        reader->pcapng.swapped = magic == __builtin_bswap32(BYTE_ORDER_MAGIC);
        if (!reader->pcapng.swapped && magic != BYTE_ORDER_MAGIC)
            return damaged(reader, block, "a section header without its byte order", error);
    }
    *total = bytes_32(at + 4, reader->pcapng.swapped);
    if (*total < BLOCK_FRAME_BYTES || *total % 4 != 0)
        return damaged(reader, block, "a block of an impossible length", error);
    return 1;
}

/* Takes the block in front: 1: `record` is filled; 0: it held no packet; 2: the file's end;
 * WH_ERROR. */
static int take_block(struct reader *reader, struct record *record, struct wh_error *error)
{
    struct window *window = &reader->window;
    struct block block = {0};
    uint32_t total = 0;
    int begun = begin_block(reader, &block, &total, error);
    if (begun != 1)
        return begun == 0 ? 2 : begun;
    const struct block_kind *kind = find_kind(block.type);
    if (!kind && total > BLOCK_MAX_BYTES) {
        if (window_discard(window, total))
            return 0;
        return reader_cut(reader, block.byte, window_offset(window) - block.byte, total, error);
    }
    if (total > BLOCK_MAX_BYTES)
        return damaged(reader, &block, "a block longer than any packet", error);
    const uint8_t *at = window_need(window, total);
    if (!at)
        return reader_cut(reader, block.byte, window->left, total, error);
    if (bytes_32(at + total - 4, reader->pcapng.swapped) != total)
        return damaged(reader, &block, "a block whose two lengths differ", error);
    window_skip(window, total);
    block.body = at + 8;
    block.bytes = total - BLOCK_FRAME_BYTES;
    if (!kind)
        return 0;
    if (block.bytes < kind->body_min)
        return damaged(reader, &block, "a block too short for its type", error);
    return kind->read(reader, &block, record, error);
}

static int pcapng_next(struct reader *reader, struct record *record, struct wh_error *error)
{
    int result;
    do
        result = take_block(reader, record, error);
    while (result == 0);
    return result == 2 ? 0 : result;
}

int reader_open_pcapng(struct reader *reader, struct wh_error *error)
{
    struct window *window = &reader->window;
    const uint8_t *at = window_need(window, BLOCK_FRAME_BYTES);
    if (window->left < 4 || bytes_32(window->at, false) != BLOCK_SECTION)
        return 0;
    if (!at)
        return error_set(error, reader->path, 0, window->left,
                         "the file ends within the header of a pcapng file; capture again, or copy "
                         "the file anew");
    reader->format = "pcapng";
    reader->next = pcapng_next;
    struct record record; /* a section header fills none */
    return take_block(reader, &record, error) == 0 ? 1 : WH_ERROR;
}
