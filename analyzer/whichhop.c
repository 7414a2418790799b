/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The public library: an analysis from its opening to its end, the stages in order. */
#include "whichhop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/turns.h"
#include "report/report.h"
#include "split.h"

#define MIN_STALL_NS (200 * NS_PER_MS)
#define UNSTEADY_NS  (50 * NS_PER_MS) /* a clock that is off by more says nothing of delays */
#define FILES_MAX    65535u

/* Shares of a point's packets that are given back by whoever is free. */
#define RELEASE_PARTS 4u

/* ---- opening and adding ---------------------------------------------------------------------- */

int wh_open(struct wh_analysis **analysis, const struct wh_options *options, struct wh_error *error)
{
    struct wh_analysis *made = calloc(1, sizeof *made);
    *analysis = made;
    if (!made)
        return error_memory(error, "the analysis");
    pthread_mutex_init(&made->progress_lock, NULL);
    if (options)
        made->options = *options;
    const char **strings[] = {&made->options.filter, &made->options.path, &made->options.flow};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        if (!*strings[i])
            continue;
        *strings[i] = arena_strdup(&made->arena, *strings[i]);
        if (!*strings[i])
            return error_memory(error, "the options");
    }
    if (made->options.min_stall_ns <= 0)
        made->options.min_stall_ns = MIN_STALL_NS;
    return WH_OK;
}

static struct capture *find_capture(struct wh_analysis *analysis, const char *name)
{
    for (uint32_t i = 0; i < analysis->capture_count; i++)
        if (strcmp(analysis->captures[i].name, name) == 0)
            return &analysis->captures[i];
    return NULL;
}

static int check_name(const char *name, struct wh_error *error)
{
    if (*name == '\0' || strcmp(name, "servers") == 0 || strcmp(name, "clients") == 0 ||
        strstr(name, "..") || strpbrk(name, "=/"))
        return error_set(error, NULL, 0, 0,
                         "\"%s\" can't be the name of a point: servers, clients and names with "
                         "\"..\", \"=\" or \"/\" have a meaning of their own",
                         name);
    return WH_OK;
}

static int add_capture(struct wh_analysis *analysis, const char *name, struct wh_error *error)
{
    if (check_name(name, error))
        return WH_ERROR;
    if (analysis->capture_count == WH_POINTS_MAX)
        return error_set(error, NULL, 0, 0, "more than %u points", WH_POINTS_MAX);
    struct capture *capture =
        ARRAY_PUSH(analysis->captures, analysis->capture_count, analysis->capture_capacity);
    if (!capture)
        return error_memory(error, "points");
    *capture = (struct capture){.name = arena_strdup(&analysis->arena, name),
                                .given = analysis->capture_count - 1};
    return capture->name ? WH_OK : error_memory(error, "points");
}

/* The same file under two points would look like a path without delay or loss. */
static int check_file(const struct wh_analysis *analysis, const char *path,
                      const uint32_t *interface, struct wh_error *error)
{
    struct stat here = {0}, there;
    if (strcmp(path, "-") != 0 && stat(path, &here) != 0)
        return WH_OK; /* reading it will tell what is wrong */
    for (uint32_t i = 0; i < analysis->capture_count; i++)
        for (uint32_t f = 0; f < analysis->captures[i].file_count; f++) {
            const struct capture_file *other = &analysis->captures[i].files[f];
            bool same = strcmp(path, other->path) == 0;
            if (!same && strcmp(path, "-") != 0 && stat(other->path, &there) == 0)
                same = here.st_dev == there.st_dev && here.st_ino == there.st_ino;
            bool parted =
                interface && other->lane_kind == LANE_INTERFACE && *interface != other->lane;
            if (same && !parted)
                return error_set(error, path, 0, 0,
                                 "this file is given twice (already for the point %s): give each "
                                 "point its own capture",
                                 analysis->captures[i].name);
        }
    return WH_OK;
}

static int add_file(struct wh_analysis *analysis, const char *point, const char *file,
                    const uint32_t *interface, struct wh_error *error)
{
    if (check_file(analysis, file, interface, error))
        return WH_ERROR;
    struct capture *capture = find_capture(analysis, point);
    if (!capture) {
        if (add_capture(analysis, point, error))
            return WH_ERROR;
        capture = &analysis->captures[analysis->capture_count - 1];
    }
    if (capture->file_count == FILES_MAX)
        return error_set(error, file, 0, 0, "more than %u files for one point", FILES_MAX);
    struct capture_file *added =
        ARRAY_PUSH(capture->files, capture->file_count, capture->file_capacity);
    if (!added)
        return error_memory(error, "files");
    *added = (struct capture_file){.path = arena_strdup(&analysis->arena, file),
                                   .lane_kind = interface ? LANE_INTERFACE : LANE_ALL,
                                   .lane = interface ? *interface : 0};
    return added->path ? WH_OK : error_memory(error, "files");
}

/* A point of each interface, by its name, or as "ifN" where that can't be a point's. An interface
 * may be described anywhere in the file, so all of it is walked. */
static int add_interfaces(struct wh_analysis *analysis, const char *file, struct wh_error *error)
{
    struct reader *reader;
    struct record record;
    struct wh_error ignored; /* damage is told when the file is read in earnest */
    int status = WH_OK;
    if (read_is_stream(file))
        return error_set(error, file, 0, 0,
                         "for *= it is read twice, but a pipe can be read only once: write it to a "
                         "file");
    if (read_open(&reader, file, error))
        return WH_ERROR;
    while (read_next(reader, &record, &ignored) == 1)
        ;
    uint32_t count = read_interface_count(reader);
    for (uint32_t i = 0; i < count && !status; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", read_interface(reader, i)->name);
        const struct capture *known = find_capture(analysis, name);
        bool twice = known && strcmp(known->files[known->file_count - 1].path, file) == 0;
        if (check_name(name, &ignored) || twice)
            snprintf(name, sizeof name, "if%u", i);
        status = add_file(analysis, name, file, count > 1 ? &i : NULL, error);
    }
    read_close(reader);
    return status;
}

int wh_add_capture(struct wh_analysis *analysis, const char *point, const char *file,
                   struct wh_error *error)
{
    if (strcmp(point, "*") == 0)
        return add_interfaces(analysis, file, error);
    return add_file(analysis, point, file, NULL, error);
}

int wh_set_clock(struct wh_analysis *analysis, const char *point, int64_t offset_ns,
                 struct wh_error *error)
{
    struct capture *capture = find_capture(analysis, point);
    if (!capture)
        return error_set(error, NULL, 0, 0, "no point is called \"%s\"", point);
    if (offset_ns != clock_within(offset_ns, CLOCK_APART_MAX_NS))
        return error_set(error, NULL, 0, 0, "the clock of %s is moved by more than %d years", point,
                         (int)(CLOCK_APART_MAX_NS / NS_PER_S / 86400 / 365));
    capture->clock_fixed = true;
    capture->clock_offset_ns = offset_ns;
    return WH_OK;
}

static void add_warning(struct warnings *warnings, struct arena *arena, const char *format,
                        va_list arguments)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    char *copy = arena_strdup(arena, text);
    const char **warning =
        copy ? ARRAY_PUSH(warnings->items, warnings->count, warnings->capacity) : NULL;
    if (warning)
        *warning = copy;
}

void analysis_warn(struct wh_analysis *analysis, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_warning(&analysis->warnings, &analysis->arena, format, arguments);
    va_end(arguments);
}

void capture_warn(struct capture *capture, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_warning(&capture->warnings, &capture->arena, format, arguments);
    va_end(arguments);
}

void analysis_spans(const struct wh_analysis *analysis, struct capture_span spans[WH_POINTS_MAX])
{
    static const struct capture_span never = {
        .first = {SPAN_NEVER_NS}, .last = {-SPAN_NEVER_NS}, .left_out = true};
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        bool unsteady = analysis->alignment.contradicts[p] &&
                        analysis->alignment.clock[p].uncertainty_ns > UNSTEADY_NS;
        spans[p] = analysis->captures[p].packets ? analysis->captures[p].span : never;
        spans[p].left_out |= unsteady && !analysis->captures[p].clock_fixed;
        spans[p].gaps = analysis->captures[p].gaps;
        spans[p].gap_count = analysis->captures[p].gap_count;
        spans[p].miss_rate = analysis->captures[p].miss_rate;
        spans[p].miss_run = analysis->captures[p].miss_run;
    }
}

/* ---- the stages ------------------------------------------------------------------------------ */

static int compare_captures(const void *left, const void *right)
{
    const struct capture *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static const char *find_stream(const struct wh_analysis *analysis)
{
    for (uint32_t p = 0; p < analysis->capture_count; p++)
        for (uint32_t f = 0; f < analysis->captures[p].file_count; f++)
            if (read_is_stream(analysis->captures[p].files[f].path))
                return analysis->captures[p].files[f].path;
    return NULL;
}

/* For --time, which counts from the earliest packet, before the files are read in earnest. */
static void find_epoch(struct wh_analysis *analysis)
{
    int64_t earliest_ns = INT64_MAX;
    for (uint32_t p = 0; p < analysis->capture_count; p++) {
        const struct capture *capture = &analysis->captures[p];
        for (uint32_t f = 0; f < capture->file_count; f++) {
            struct point_time first;
            struct wh_error ignored; /* told when the file is read */
            if (read_first_time(capture->files[f].path, &first, &ignored) == 1)
                earliest_ns = first.ns < earliest_ns ? first.ns : earliest_ns;
        }
    }
    analysis->epoch.ns = earliest_ns == INT64_MAX ? 0 : earliest_ns;
}

static double read_point(void *context, uint32_t item)
{
    struct wh_analysis *analysis = context;
    return capture_turn(analysis, &analysis->captures[item]);
}

/* Stages 1 to 3. A point without a readable file is left out, as long as one point remains; where
 * memory is out, none is left out. */
static int read_points(struct wh_analysis *analysis, struct wh_error *error)
{
    uint32_t kept = 0;
    uint64_t packets = 0;
    bool out_of_memory = false;
    if (split_captures(analysis, error))
        return WH_ERROR;
    qsort(analysis->captures, analysis->capture_count, sizeof *analysis->captures,
          compare_captures);
    const char *stream = find_stream(analysis);
    if (stream && analysis->options.time_set)
        return error_set(
            error, stream, 0, 0,
            "a time counts from the earliest packet of all, which must be found first, "
            "and a pipe is read only once: write it to a file");
    if (analysis->options.time_set)
        find_epoch(analysis);
    unsigned threads = parallel_threads(analysis->options.threads);
    /* What writes into several pipes may write into one only when another was read: then each needs
     * a thread that waits for it. */
    turns_run(threads > 1 && stream ? analysis->capture_count : threads, analysis->capture_count,
              read_point, analysis);
    for (uint32_t i = 0; i < analysis->capture_count; i++) {
        struct capture *capture = &analysis->captures[i];
        for (uint32_t w = 0; w < capture->warnings.count; w++)
            analysis_warn(analysis, "%s", capture->warnings.items[w]);
        if (capture->status) {
            if (error && !out_of_memory)
                *error = capture->error;
            out_of_memory = out_of_memory || capture->error.out_of_memory;
            capture_free(capture);
            continue;
        }
        packets += capture->packets;
        analysis->captures[kept++] = *capture;
    }
    analysis->left_out = analysis->capture_count - kept;
    analysis->capture_count = kept;
    if (kept == 0 || out_of_memory)
        return WH_ERROR;
    warn_copies(analysis);
    if (packets == 0)
        return error_set(error, NULL, 0, 0, "no packet to analyse in %s",
                         analysis->options.filter || analysis->options.time_set
                             ? "what the filter and the time leave"
                             : "any of the files");
    return WH_OK;
}

/* --flow: everything but the flows with this end point, under whatever name, is left out. */
static void keep_flow(struct wh_analysis *analysis)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < analysis->flows.count; i++) {
        const struct flow *flow = &analysis->flows.items[i];
        bool found = false;
        for (unsigned p = 0; p < analysis->capture_count; p++)
            for (unsigned side = 0; flow->at[p] && side < 2; side++) {
                char text[WH_ENDPOINT_MAX];
                decode_endpoint_text(&flow->at[p]->endpoint[side], text, sizeof text);
                found |= strcmp(text, analysis->options.flow) == 0;
            }
        if (found)
            analysis->flows.items[kept++] = *flow;
    }
    analysis->flows.count = kept;
}

static int parse_path(const struct wh_analysis *analysis, unsigned order[WH_POINTS_MAX],
                      struct wh_error *error)
{
    char names[1024];
    unsigned count = 0;
    snprintf(names, sizeof names, "%s", analysis->options.path);
    for (char *rest = names, *name; (name = strsep(&rest, ","));) {
        unsigned point = 0;
        while (point < analysis->capture_count && strcmp(analysis->captures[point].name, name) != 0)
            point++;
        bool twice = false;
        for (unsigned i = 0; i < count; i++)
            twice |= order[i] == point;
        if (point == analysis->capture_count || twice)
            return error_set(error, NULL, 0, 0, "--path: \"%s\" %s", name,
                             twice ? "is named twice" : "is no point of this analysis");
        order[count++] = point;
    }
    if (count != analysis->capture_count)
        return error_set(error, NULL, 0, 0, "--path names %u of %u points: name all of them", count,
                         analysis->capture_count);
    return WH_OK;
}

/* Takes the steps of a point's clock out of all that was captured there. */
static void straighten(struct capture *capture, const struct clock_steps *steps)
{
    if (steps->count == 0)
        return;
    align_straighten(&capture->track, steps);
    capture->span = (struct capture_span){.first = {INT64_MAX}, .last = {INT64_MIN}};
    for (uint32_t f = 0; f < capture->track.flow_count; f++) {
        const struct track_flow *flow = &capture->track.flows[f];
        struct capture_span *span = &capture->span;
        span->first = flow->first.ns < span->first.ns ? flow->first : span->first;
        span->last = flow->last.ns > span->last.ns ? flow->last : span->last;
    }
}

static int align(struct wh_analysis *analysis, struct wh_error *error)
{
    unsigned order[WH_POINTS_MAX], given[WH_POINTS_MAX];
    bool fixed[WH_POINTS_MAX];
    int64_t offsets_ns[WH_POINTS_MAX];
    unsigned rank = 0;
    if (analysis->options.path && parse_path(analysis, order, error))
        return WH_ERROR;
    for (unsigned place = 0; rank < analysis->capture_count; place++)
        for (unsigned p = 0; p < analysis->capture_count; p++)
            if (analysis->captures[p].given == place)
                given[rank++] = p;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        fixed[p] = analysis->captures[p].clock_fixed;
        offsets_ns[p] = analysis->captures[p].clock_offset_ns;
    }
    struct align_options options = {.order = analysis->options.path ? order : NULL,
                                    .given = given,
                                    .fixed = fixed,
                                    .offset_ns = offsets_ns,
                                    .threads = analysis->options.threads};
    if (align_points(&analysis->flows, &options, &analysis->alignment, error))
        return WH_ERROR;
    analysis->epoch.ns = INT64_MAX;
    for (unsigned p = 0; p < analysis->capture_count; p++) {
        struct capture *capture = &analysis->captures[p];
        straighten(capture, &analysis->alignment.steps[p]);
        if (capture->packets == 0)
            continue;
        int64_t first_ns = clock_to_path(&analysis->alignment.clock[p], capture->span.first).ns;
        analysis->epoch.ns = first_ns < analysis->epoch.ns ? first_ns : analysis->epoch.ns;
    }
    return WH_OK;
}

static void forget_content(void *context, unsigned worker, uint32_t item)
{
    struct wh_analysis *analysis = context;
    (void)worker;
    join_forget(&analysis->flows, item);
    track_pack_content(&analysis->captures[item].track);
}

/* What most flows' content takes is free before anything else takes as much. */
static int match(struct wh_analysis *analysis, struct wh_error *error)
{
    struct track tracks[WH_POINTS_MAX];
    for (unsigned p = 0; p < analysis->capture_count; p++)
        tracks[p] = analysis->captures[p].track;
    if (match_points(tracks, analysis->capture_count, analysis->options.threads, &analysis->arena,
                     &analysis->flows, error))
        return WH_ERROR;
    if (analysis->options.flow)
        keep_flow(analysis);
    if (analysis->flows.count == 0 && analysis->options.flow)
        return error_set(error, NULL, 0, 0, "no flow has the end point %s", analysis->options.flow);
    parallel_run(analysis->options.threads, analysis->capture_count, forget_content, analysis);
    return WH_OK;
}

/* The steps of clocks that were found are out of all times by now: they are kept as they were. */
static int align_again(struct wh_analysis *analysis, struct wh_error *error)
{
    struct clock_steps steps[WH_POINTS_MAX];
    memcpy(steps, analysis->alignment.steps, sizeof steps);
    if (align(analysis, error))
        return WH_ERROR;
    memcpy(analysis->alignment.steps, steps, sizeof steps);
    return WH_OK;
}

/* Joints tie points that nothing else ties: with order and clocks then known, more may be found. */
static int join(struct wh_analysis *analysis, struct wh_error *error)
{
    for (unsigned round = 0; round < 2; round++) {
        uint32_t known = analysis->flows.joint_count;
        if (join_flows(&analysis->flows, &analysis->alignment, error))
            return WH_ERROR;
        if (analysis->flows.joint_count == known)
            break;
        if (align_again(analysis, error))
            return WH_ERROR;
    }
    join_settle(&analysis->flows, &analysis->alignment);
    for (unsigned p = 0; p < analysis->capture_count; p++)
        track_forget_content(&analysis->captures[p].track);
    return WH_OK;
}

int wh_run(struct wh_analysis *analysis, struct wh_error *error)
{
    if (analysis->done || analysis->capture_count == 0)
        return error_set(error, NULL, 0, 0,
                         analysis->done ? "the analysis has run already" : "no capture was given");
    if (read_points(analysis, error)     /* read, decode, track */
        || match(analysis, error)        /* one flow over all points */
        || align(analysis, error)        /* the path's order, one clock */
        || join(analysis, error)         /* two connections that a proxy made one */
        || per_flow_run(analysis, error) /* follow, detect, blame */
        || result_make(analysis, error)) /* the verdict, and what is shown of it all */
        return WH_ERROR;
    analysis->done = true;
    return WH_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

const struct wh_result *wh_result(const struct wh_analysis *analysis)
{
    return analysis->done ? &analysis->result : NULL;
}

int wh_write_report(const struct wh_analysis *analysis, const char *folder, unsigned formats,
                    const char *command, struct wh_error *error)
{
    if (!analysis->done)
        return error_set(error, NULL, 0, 0, "nothing was analysed yet");
    struct report_job job = {.folder = folder,
                             .formats = formats,
                             .command = command,
                             .draw = pictures_draw,
                             .draw_context = (void *)analysis};
    return report_write(&analysis->result, &job, error);
}

char *wh_text_report(const struct wh_analysis *analysis, const char *command, bool colours)
{
    return analysis->done ? report_text(&analysis->result, command, colours) : NULL;
}

/* The kernel takes its time over pages, and packets have most of them. */
static void release_packets(void *context, unsigned worker, uint32_t item)
{
    struct wh_analysis *analysis = context;
    (void)worker;
    slabs_release(&analysis->captures[item / RELEASE_PARTS].track.slabs, item % RELEASE_PARTS,
                  RELEASE_PARTS);
}

static void free_capture(void *context, unsigned worker, uint32_t item)
{
    struct wh_analysis *analysis = context;
    (void)worker;
    capture_free(&analysis->captures[item]);
}

void wh_free(struct wh_analysis *analysis)
{
    if (!analysis)
        return;
    parallel_run(analysis->options.threads, analysis->capture_count * RELEASE_PARTS,
                 release_packets, analysis);
    parallel_run(analysis->options.threads, analysis->capture_count, free_capture, analysis);
    for (uint32_t i = 0; i < analysis->findings.count; i++)
        free(analysis->findings.items[i].evidence);
    followed_free(&analysis->largest);
    free(analysis->captures);
    free(analysis->findings.items);
    free(analysis->traffic);
    free(analysis->events);
    free(analysis->totals);
    free(analysis->flow_of_id);
    free(analysis->warnings.items);
    pthread_mutex_destroy(&analysis->progress_lock);
    match_free(&analysis->flows);
    arena_free(&analysis->arena);
    free(analysis);
}
