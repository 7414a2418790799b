/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first three stages for one point: its files, one after the other, become flows. */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "base/error.h"
#include "base/parallel.h"
#include "split.h"

#define FILES_OVERLAP_NS NS_PER_S /* two files of a ring buffer may share some packets' time */
#define PROGRESS_PACKETS 65536u

/* Packets counted. */
struct count {
    uint64_t packets, bytes;
    struct point_time begin;       /* of the first in the file's order */
    struct point_time first, last; /* earliest and latest; with any */
};

/* What reading one file needs. */
struct reading {
    struct wh_analysis *analysis;
    struct capture *capture;
    uint16_t file;
    struct reader *reader;
    struct filter *filter;
    int64_t from_ns, to_ns;
    bool lanes, choosy;        /* the file has other points' packets; not all are asked for */
    struct count point, taken; /* the point's packets; with `choosy`, those that are asked for */
    struct arrival arrival;    /* the packet at hand */
    struct wh_error *error;
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

static void count_record(struct count *count, const struct record *record)
{
    if (count->packets++ == 0)
        count->begin = count->first = count->last = record->time;
    count->bytes += record->wirelen;
    if (record->time.ns < count->first.ns)
        count->first = record->time;
    if (record->time.ns > count->last.ns)
        count->last = record->time;
}

/* Is the record one that is asked for? 1, 0 or WH_ERROR. */
static int choose_record(struct reading *reading, const struct record *record)
{
    int passes = reading->filter ? filter_match(reading->filter, record, reading->error) : 1;
    if (passes <= 0 || record->time.ns < reading->from_ns || record->time.ns > reading->to_ns)
        return passes < 0 ? WH_ERROR : 0;
    count_record(&reading->taken, record);
    return 1;
}

static int take_record(struct reading *reading, const struct record *record)
{
    struct capture *capture = reading->capture;
    struct arrival *arrival = &reading->arrival;
    if (reading->lanes && !lane_wanted(&capture->files[reading->file], record))
        return WH_OK;
    count_record(&reading->point, record);
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
    arrival->frame = record->frame;
    arrival->file = reading->file;
    return track_add(&capture->track, arrival, reading->error);
}

static void report_progress(const struct reading *reading, uint32_t frame)
{
    const struct wh_options *options = &reading->analysis->options;
    if (frame % PROGRESS_PACKETS == 0 && options->progress) {
        double files = (double)reading->capture->file_count;
        pthread_mutex_lock(&reading->analysis->progress_lock);
        options->progress(options->progress_context, reading->capture->name,
                          (reading->file + read_progress(reading->reader)) / files);
        pthread_mutex_unlock(&reading->analysis->progress_lock);
    }
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
        if (!info || (file->lane_kind == LANE_INTERFACE && !file->others && file->lane != i))
            continue;
        const char *type = pcap_datalink_val_to_name(info->dlt);
        capture->dropped += info->dropped;
        capture->snaplen = info->snaplen > capture->snaplen ? info->snaplen : capture->snaplen;
        if (!capture->link_type && type)
            capture->link_type = arena_strdup(&reading->capture->arena, type);
    }
}

/* A file that ends in the middle is analysed as far as it goes. */
static int read_records(struct reading *reading)
{
    struct capture_file *file = &reading->capture->files[reading->file];
    struct record record;
    struct wh_error damage;
    int status;
    while ((status = read_next(reading->reader, &record, &damage)) == 1) {
        if (take_record(reading, &record) < 0)
            return WH_ERROR;
        report_progress(reading, record.frame);
    }
    if (status < 0) {
        file->damaged = arena_strdup(&reading->capture->arena, damage.text);
        capture_warn(reading->capture, "%s", damage.text);
    }
    return WH_OK;
}

static int read_file(struct wh_analysis *analysis, struct capture *capture, uint16_t index,
                     struct wh_error *error)
{
    struct capture_file *file = &capture->files[index];
    struct reading reading = {.analysis = analysis,
                              .capture = capture,
                              .file = index,
                              .error = error,
                              .from_ns = INT64_MIN,
                              .to_ns = INT64_MAX};
    int status = WH_ERROR;
    if (analysis->options.time_set) {
        reading.from_ns = analysis->epoch.ns + analysis->options.time_from_ns;
        reading.to_ns = analysis->epoch.ns + analysis->options.time_to_ns;
    }
    if (read_open(&reading.reader, file->path, error))
        return WH_ERROR;
    if (analysis->options.filter && filter_open(&reading.filter, analysis->options.filter, error))
        goto cleanup;
    reading.lanes = file->lane_kind != LANE_ALL;
    reading.choosy = reading.filter || analysis->options.time_set;
    if (parallel_threads(analysis->options.threads) > 1)
        read_ahead(reading.reader);
    status = read_records(&reading);
    file->format = arena_strdup(&capture->arena, read_format(reading.reader));
    note_counts(&reading);
    note_interfaces(&reading);
cleanup:
    if (reading.filter)
        filter_close(reading.filter);
    read_close(reading.reader);
    return status;
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

/* Ring-buffer files come in any order: their first packets tell the right one. */
static void order_files(struct capture *capture)
{
    for (uint32_t i = 0; i < capture->file_count; i++)
        capture->files[i].first.ns = INT64_MAX;
    if (capture->file_count < 2)
        return;
    for (uint32_t i = 0; i < capture->file_count; i++) {
        struct wh_error ignored; /* a file that can't be read is told about when its turn comes */
        if (read_first_time(capture->files[i].path, &capture->files[i].first, &ignored) != 1)
            capture->files[i].first.ns = INT64_MAX;
    }
    qsort(capture->files, capture->file_count, sizeof *capture->files, compare_files);
}

/* Files that cannot be read are left out as long as one of the point's can. */
int capture_run(struct wh_analysis *analysis, struct capture *capture, struct wh_error *error)
{
    uint32_t read = 0;
    track_init(&capture->track);
    capture->span = (struct capture_span){.first = {INT64_MAX}, .last = {INT64_MIN}};
    order_files(capture);
    for (uint32_t i = 0; i < capture->file_count; i++) {
        struct wh_error problem;
        if (read_file(analysis, capture, (uint16_t)i, &problem)) {
            capture->files[i].damaged = arena_strdup(&capture->arena, problem.text);
            capture->files[i].format = "unknown";
            capture_warn(capture, "%s", problem.text);
            if (error)
                *error = problem;
        } else {
            read++;
        }
    }
    if (read == 0)
        return WH_ERROR;
    check_sequence(capture);
    return track_finish(&capture->track, error);
}

void capture_free(struct capture *capture)
{
    track_free(&capture->track);
    free(capture->files);
    free(capture->gaps);
    free(capture->warnings.items);
    arena_free(&capture->arena);
}
