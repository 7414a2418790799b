/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first three stages for one point: its files, one after the other, become flows. */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/partition.h"
#include "base/turns.h"
#include "split.h"

#define FILES_OVERLAP_NS NS_PER_S /* two files of a ring buffer may share some packets' time */
#define TURN_RECORDS     65536u

/* Packets counted. */
struct count {
    uint64_t packets, bytes;
    struct point_time begin;       /* of the first in the file's order */
    struct point_time first, last; /* earliest and latest; with any */
};

/* What reading a point needs, file by file. */
struct reading {
    struct wh_analysis *analysis;
    struct capture *capture;
    uint32_t files_read; /* those that could be */
    struct wh_error error;
    int64_t from_ns, to_ns; /* the time that is asked for */
    uint32_t frames;        /* counted so far, in all files */
    uint32_t frames_before; /* in those before the one at hand */
    uint16_t file;          /* the one at hand; what follows is its own */
    struct reader *reader;  /* NULL: not opened yet */
    struct filter *filter;
    bool lanes, choosy;        /* the file has other points' packets; not all are asked for */
    struct count point, taken; /* the point's packets; with `choosy`, those that are asked for */
    struct arrival arrival;    /* the packet at hand */
};

static void count_unfollowed(struct capture *capture, enum decode_status status)
{
    switch (status) {
    case DECODE_TRUNCATED:
        capture->truncated++;
        break;
    case DECODE_MALFORMED:
        capture->malformed++;
        break;
    case DECODE_UNSUPPORTED:
        capture->not_ip++;
        break;
    case DECODE_FRAGMENT:
        capture->fragments++;
        break;
    case DECODE_OK:
        break;
    }
}

static void count_records(struct count *to, const struct record *records, uint32_t number)
{
    struct count count = *to;
    if (count.packets == 0 && number > 0)
        count.begin = count.first = count.last = records->time;
    count.packets += number;
    for (const struct record *record = records; number > 0; record++, number--) {
        int64_t ns = record->time.ns;
        count.bytes += record->wirelen;
        count.first.ns = ns < count.first.ns ? ns : count.first.ns;
        count.last.ns = ns > count.last.ns ? ns : count.last.ns;
    }
    *to = count;
}

/* Drops what is other points'; returns how many are left. */
static uint32_t keep_own(const struct capture_file *file, struct record *records, uint32_t number)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < number; i++)
        if (lane_wanted(file, &records[i]))
            records[kept++] = records[i];
    return kept;
}

/* Is the record one that is asked for? 1, 0 or WH_ERROR. */
static int choose_record(struct reading *reading, const struct record *record)
{
    int passes = reading->filter ? filter_match(reading->filter, record, &reading->error) : 1;
    if (passes <= 0 || record->time.ns < reading->from_ns || record->time.ns > reading->to_ns)
        return passes < 0 ? WH_ERROR : 0;
    count_records(&reading->taken, record, 1);
    return 1;
}

static int take_record(struct reading *reading, const struct record *record)
{
    struct capture *capture = reading->capture;
    struct arrival *arrival = &reading->arrival;
    if (reading->choosy) {
        int chosen = choose_record(reading, record);
        if (chosen <= 0)
            return chosen;
    }
    enum decode_status status = decode_frame(record->dlt, record->data, record->caplen,
                                             record->wirelen, true, &arrival->packet);
    if (status != DECODE_OK) {
        count_unfollowed(capture, status);
        if (status == DECODE_FRAGMENT)
            track_add_fragment(&capture->track, &arrival->packet);
        return WH_OK;
    }
    if (record->flags & RECORD_CHECKSUM_NOT_READY)
        arrival->packet.checksum = CHECKSUM_UNKNOWN;
    arrival->time = record->time;
    arrival->place = reading->frames_before + record->frame;
    return track_add(&capture->track, arrival, &reading->error);
}

static double how_far(const struct reading *reading)
{
    double files = (double)reading->capture->file_count;
    return (reading->file + (reading->reader ? read_progress(reading->reader) : 0)) / files;
}

static void report_progress(const struct reading *reading)
{
    const struct wh_options *options = &reading->analysis->options;
    if (!options->progress)
        return;
    pthread_mutex_lock(&reading->analysis->progress_lock);
    options->progress(options->progress_context, reading->capture->name, how_far(reading));
    pthread_mutex_unlock(&reading->analysis->progress_lock);
}

/* What was counted goes to the file and to its point. */
static void note_counts(struct reading *reading)
{
    struct capture *capture = reading->capture;
    struct capture_file *file = &capture->files[reading->file];
    const struct count *point = &reading->point;
    const struct count *taken = reading->choosy ? &reading->taken : point;
    file->packets = point->packets;
    if (point->packets > 0) {
        file->first = point->begin;
        file->last = point->last;
    }
    capture->packets += taken->packets;
    capture->bytes += taken->bytes;
    if (taken->packets > 0 && taken->first.ns < capture->span.first.ns)
        capture->span.first = taken->first;
    if (taken->packets > 0 && taken->last.ns > capture->span.last.ns)
        capture->span.last = taken->last;
}

static void note_interfaces(struct reading *reading)
{
    struct capture *capture = reading->capture;
    const struct capture_file *file = &capture->files[reading->file];
    for (uint32_t i = 0; i < read_interface_count(reading->reader); i++) {
        const struct interface_info *info = read_interface(reading->reader, i);
        if (!info || (file->lane_kind == LANE_INTERFACE && !lane_taken(file, i)))
            continue;
        const char *type = pcap_datalink_val_to_name(info->dlt);
        capture->dropped += info->dropped;
        capture->snaplen = info->snaplen > capture->snaplen ? info->snaplen : capture->snaplen;
        if (!capture->link_type && type)
            capture->link_type = arena_strdup(&reading->capture->arena, type);
    }
}

/* Counts the frames up to `record` of the file at hand. */
static int count_frames(struct reading *reading, const struct record *record,
                        struct wh_error *error)
{
    if (record->frame > UINT32_MAX - reading->frames_before)
        return error_set(error, reading->capture->files[reading->file].path, record->frame,
                         record->byte,
                         "the point has more packets than can be counted; give fewer files");
    reading->frames = reading->frames_before + record->frame;
    return WH_OK;
}

/* A turn's records. A file that ends in the middle is analysed as far as it goes. Returns 1 when
 * there is more in it, 0 at its end, or WH_ERROR. */
static int read_records(struct reading *reading)
{
    struct capture *capture = reading->capture;
    struct record records[READ_RUN];
    struct wh_error damage;
    int count = 1;
    for (uint32_t taken = 0; taken < TURN_RECORDS; taken += (uint32_t)count) {
        count = read_run(reading->reader, records, &damage);
        if (count > 0 && count_frames(reading, &records[count - 1], &damage))
            count = WH_ERROR;
        if (count <= 0)
            break;
        uint32_t own = (uint32_t)count;
        if (reading->lanes)
            own = keep_own(&capture->files[reading->file], records, own);
        uint32_t i = 0;
        while (i < own && take_record(reading, &records[i]) >= 0)
            i++;
        count_records(&reading->point, records, i);
        if (i < own)
            return WH_ERROR;
    }
    if (count < 0 && damage.out_of_memory) {
        reading->error = damage;
        return WH_ERROR;
    }
    if (count < 0) {
        capture->files[reading->file].damaged = arena_strdup(&capture->arena, damage.text);
        capture_warn(capture, "%s", damage.text);
    }
    return count > 0;
}

static int open_file(struct reading *reading)
{
    const struct wh_options *options = &reading->analysis->options;
    struct capture_file *file = &reading->capture->files[reading->file];
    file->frames_before = reading->frames_before = reading->frames;
    if (read_open(&reading->reader, file->path, &reading->error) ||
        (options->filter && filter_open(&reading->filter, options->filter, &reading->error)))
        return WH_ERROR;
    reading->lanes = file->lane_kind != LANE_ALL;
    reading->choosy = reading->filter || options->time_set;
    reading->point = reading->taken = (struct count){0};
    if (parallel_threads(options->threads) > 1)
        read_ahead(reading->reader);
    return WH_OK;
}

/* `failed`: it could not be read, or no further. */
static void close_file(struct reading *reading, bool failed)
{
    struct capture *capture = reading->capture;
    struct capture_file *file = &capture->files[reading->file];
    if (reading->reader) {
        file->format = arena_strdup(&capture->arena, read_format(reading->reader));
        note_counts(reading);
        note_interfaces(reading);
        read_close(reading->reader);
    }
    if (reading->filter)
        filter_close(reading->filter);
    reading->reader = NULL;
    reading->filter = NULL;
    if (failed) {
        file->damaged = arena_strdup(&capture->arena, reading->error.text);
        file->format = "unknown";
        capture_warn(capture, "%s", reading->error.text);
        capture->error = reading->error;
    }
    reading->files_read += !failed;
    reading->file++;
}

/* Files of one point follow each other in time. Captures of several points, given as one by
 * mistake, do not: every packet would seem to come again. */
static void check_sequence(struct capture *capture)
{
    for (uint32_t i = 1; i < capture->file_count; i++) {
        const struct capture_file *before = &capture->files[i - 1], *file = &capture->files[i];
        if (!before->packets || !file->packets ||
            file->first.ns > before->last.ns - FILES_OVERLAP_NS)
            continue;
        capture_warn(capture,
                     "%s: %s and %s overlap in time, as files of one point do not: give each point "
                     "its own name, as in A=FILE B=FILE",
                     capture->name, before->path, file->path);
        return;
    }
}

static int compare_files(const void *left, const void *right)
{
    const struct capture_file *a = left, *b = right;
    if (a->first.ns != b->first.ns)
        return a->first.ns < b->first.ns ? -1 : 1;
    return strcmp(a->path, b->path);
}

/* Ring-buffer files come in any order: their first packets tell the right one. A stream's can't be
 * seen beforehand: with one, the files stay in the order given. */
static void order_files(struct capture *capture)
{
    bool streams = false;
    for (uint32_t i = 0; i < capture->file_count; i++) {
        capture->files[i].first.ns = INT64_MAX;
        streams = streams || read_is_stream(capture->files[i].path);
    }
    if (capture->file_count < 2 || streams)
        return;
    for (uint32_t i = 0; i < capture->file_count; i++) {
        struct wh_error ignored; /* a file that can't be read is told about when its turn comes */
        if (read_first_time(capture->files[i].path, &capture->files[i].first, &ignored) != 1)
            capture->files[i].first.ns = INT64_MAX;
    }
    qsort(capture->files, capture->file_count, sizeof *capture->files, compare_files);
}

static struct reading *begin_reading(struct wh_analysis *analysis, struct capture *capture)
{
    track_init(&capture->track);
    capture->span = (struct capture_span){.first = {INT64_MAX}, .last = {INT64_MIN}};
    order_files(capture);
    struct reading *reading = calloc(1, sizeof *reading);
    capture->reading = reading;
    if (!reading)
        return NULL;
    const struct wh_options *options = &analysis->options;
    *reading = (struct reading){
        .analysis = analysis, .capture = capture, .from_ns = INT64_MIN, .to_ns = INT64_MAX};
    if (options->time_set) {
        reading->from_ns = analysis->epoch.ns + options->time_from_ns;
        reading->to_ns = analysis->epoch.ns + options->time_to_ns;
    }
    return reading;
}

/* Files that cannot be read are left out as long as one of the point's can. */
static void end_reading(struct capture *capture)
{
    bool usable = capture->reading->files_read > 0 && !capture->error.out_of_memory;
    free(capture->reading);
    capture->reading = NULL;
    capture->status = WH_ERROR;
    if (!usable)
        return;
    check_sequence(capture);
    capture->status = track_finish(&capture->track, &capture->error);
}

double capture_turn(struct wh_analysis *analysis, struct capture *capture)
{
    struct reading *reading = capture->reading;
    if (!reading && !(reading = begin_reading(analysis, capture))) {
        capture->status = error_memory(&capture->error, capture->name);
        return TURNS_OVER;
    }
    int status = reading->reader ? WH_OK : open_file(reading);
    if (status == WH_OK)
        status = read_records(reading);
    report_progress(reading);
    if (status != 1)
        close_file(reading, status < 0);
    if (reading->file < capture->file_count && !capture->error.out_of_memory)
        return how_far(reading);
    end_reading(capture);
    return TURNS_OVER;
}

struct wh_frame capture_frame(const struct wh_analysis *analysis, unsigned point, uint32_t place)
{
    const struct capture *capture = &analysis->captures[point];
    const struct capture_file *files = capture->files;
    uint32_t later = PARTITION_POINT(i, capture->file_count, files[i].frames_before < place);
    uint32_t file = later ? later - 1 : 0;
    return (struct wh_frame){(uint16_t)point, (uint16_t)file, place - files[file].frames_before};
}

void capture_free(struct capture *capture)
{
    track_free(&capture->track);
    free(capture->files);
    free(capture->gaps);
    free(capture->warnings.items);
    arena_free(&capture->arena);
}
