/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which pictures are drawn: the path, a strip for each flow, and the worst flows packet by packet.
 * Their files are staged one after the other, so that the report lists them in one order; then they
 * are drawn on all processors.
 */
#include "pictures.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/parallel.h"

#define FLOWS_DRAWN 3u

/* Captures are not begun and ended at one instant. */
#define COVERAGE_SLACK_NS (500 * NS_PER_MS)

/* A flow that lives for less than this part of all time gets a time axis of its own. */
#define OWN_AXIS_PART 4

/* ---- shared ---------------------------------------------------------------------------------- */

int picture_put(struct pictures *pictures, const char *name, picture_write *write, const void *data,
                struct wh_error *error)
{
    for (unsigned i = 0; i < pictures->staged_count; i++) {
        const struct staged_picture *staged = &pictures->staged[i];
        const struct plot_files files = {staged->svg, staged->png, pictures->letters};
        if (strcmp(staged->name, name) == 0)
            return write(data, &files, error);
    }
    return error_set(error, name, 0, 0, "no place was made for the plot");
}

const char *picture_segment(struct pictures *pictures, uint32_t segment, uint32_t span)
{
    const struct wh_result *result = &pictures->analysis->result;
    uint32_t end = segment + span;
    return arena_printf(&pictures->arena, "%s..%s",
                        segment ? result->points[segment - 1].name : "servers",
                        end <= result->point_count ? result->points[end - 1].name : "clients");
}

const struct plot_span *picture_gaps(struct pictures *pictures, const struct wh_point *point,
                                     uint32_t *count)
{
    const struct wh_result *result = &pictures->analysis->result;
    struct plot_span *gaps =
        arena_alloc(&pictures->arena, (size_t)point->capture_gap_count + 2, sizeof *gaps);
    *count = 0;
    if (!gaps)
        return NULL;
    if (point->first_ns == WH_NONE) {
        gaps[(*count)++] = (struct plot_span){0, result->duration_ns};
        return gaps;
    }
    if (point->first_ns > COVERAGE_SLACK_NS)
        gaps[(*count)++] = (struct plot_span){0, point->first_ns};
    for (uint32_t i = 0; i < point->capture_gap_count; i++)
        gaps[(*count)++] =
            (struct plot_span){point->capture_gaps[i].from_ns, point->capture_gaps[i].to_ns};
    if (point->last_ns < result->duration_ns - COVERAGE_SLACK_NS)
        gaps[(*count)++] = (struct plot_span){point->last_ns, result->duration_ns};
    return gaps;
}

static int64_t stalled_ns(const struct wh_result *result, const struct wh_flow *flow)
{
    int64_t sum_ns = 0;
    for (uint32_t i = 0; i < flow->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[flow->stalls[i] - 1];
        sum_ns += stall->end_ns - stall->start_ns;
    }
    return sum_ns;
}

int picture_compare_flows(const struct wh_result *result, const struct wh_flow *a,
                          const struct wh_flow *b)
{
    int64_t stalled_a = stalled_ns(result, a), stalled_b = stalled_ns(result, b);
    uint64_t bytes_a = a->bytes_to_client + a->bytes_to_server;
    uint64_t bytes_b = b->bytes_to_client + b->bytes_to_server;
    if (stalled_a != stalled_b)
        return stalled_a > stalled_b ? -1 : 1;
    if (bytes_a != bytes_b)
        return bytes_a > bytes_b ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* ---- the flows ------------------------------------------------------------------------------- */

/* The worst flow that is not in `chosen` yet: that stalled longest; of those that stalled for about
 * as long, within a third, the one that had more to carry. NULL when none is left. */
static const struct wh_flow *worst_flow(const struct wh_result *result,
                                        const struct wh_flow *const *chosen, unsigned count)
{
    const struct wh_flow *worst = NULL;
    int64_t longest_ns = 0;
    uint64_t most_bytes = 0;
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint32_t f = 0; f < result->flow_count; f++) {
            const struct wh_flow *flow = &result->flows[f];
            bool taken = false;
            for (unsigned i = 0; i < count; i++)
                taken = taken || chosen[i] == flow;
            if (taken)
                continue;
            int64_t time_ns = stalled_ns(result, flow);
            uint64_t bytes = flow->bytes_to_client + flow->bytes_to_server;
            if (pass == 0)
                longest_ns = time_ns > longest_ns ? time_ns : longest_ns;
            else if (time_ns >= longest_ns - longest_ns / 3 && (!worst || bytes > most_bytes)) {
                worst = flow;
                most_bytes = bytes;
            }
        }
    return worst;
}

static const char *time_label(struct pictures *pictures, const char *more)
{
    const struct wh_result *result = &pictures->analysis->result;
    time_t seconds = (time_t)(result->epoch_unix_ns / NS_PER_S);
    struct tm when;
    char text[64];
    gmtime_r(&seconds, &when);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &when);
    return arena_printf(&pictures->arena, "seconds since %s.%06lld UTC%s", text,
                        (long long)(result->epoch_unix_ns % NS_PER_S / NS_PER_US), more);
}

static struct plot_stall *label_stalls(struct pictures *pictures, const struct wh_flow *flow)
{
    const struct wh_result *result = &pictures->analysis->result;
    struct plot_stall *stalls =
        arena_alloc(&pictures->arena, (size_t)flow->stall_count + 1, sizeof *stalls);
    for (uint32_t i = 0; stalls && i < flow->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[flow->stalls[i] - 1];
        const char *where = picture_segment(pictures, stall->segment, stall->segment_span);
        const char *why = stall->caused_by
                              ? arena_printf(&pictures->arena, " (because of %u)", stall->caused_by)
                              : "";
        if (!where || !why)
            return NULL;
        stalls[i] = (struct plot_stall){stall->start_ns, stall->end_ns,
                                        arena_printf(&pictures->arena, "%u: %s, %s%s", stall->id,
                                                     wh_cause_word(stall->cause), where, why),
                                        stall->cause};
        if (!stalls[i].label)
            return NULL;
    }
    return stalls;
}

/* One time axis for all, but for a flow that would be a few pixels on it. */
static bool make_frame(struct pictures *pictures, struct picture_flow *flow)
{
    const struct wh_result *result = &pictures->analysis->result;
    const struct wh_flow *shown = flow->shown;
    bool own = shown->end_ns - shown->start_ns < result->duration_ns / OWN_AXIS_PART;
    flow->frame = (struct plot_frame){
        .subtitle = shown->stall_count || !result->stall_count ? result->verdict.sentence
                                                               : "This flow did not stall.",
        .time_label = time_label(pictures, own ? ", this flow's life only" : ""),
        .stalls = label_stalls(pictures, shown),
        .stall_count = shown->stall_count,
        .start_ns = own ? shown->start_ns : 0,
        .end_ns = own ? shown->end_ns : result->duration_ns,
    };
    return flow->frame.time_label && flow->frame.stalls;
}

/* The direction with more bytes; but that in which something was lost, if that was the longest
 * stall's cause: a SYN or a request. */
static unsigned choose_side(const struct wh_result *result, const struct wh_flow *flow)
{
    const struct wh_stall *longest = NULL;
    for (uint32_t i = 0; i < flow->stall_count; i++) {
        const struct wh_stall *stall = &result->stalls[flow->stalls[i] - 1];
        if (!longest || stall->end_ns - stall->start_ns > longest->end_ns - longest->start_ns)
            longest = stall;
    }
    bool lost =
        longest && (longest->cause == WH_CAUSE_LOSS || longest->cause == WH_CAUSE_MTU_BLACKHOLE ||
                    longest->cause == WH_CAUSE_CORRUPTION);
    if (lost && longest->direction != WH_BOTH)
        return longest->direction == WH_TO_CLIENT;
    return flow->bytes_to_client >= flow->bytes_to_server;
}

/* A flow that is drawn: the first of its tasks follows it, the last forgets that again. */
struct drawn {
    const struct wh_flow *shown;
    pthread_mutex_t lock;
    struct followed anew;            /* but for the largest, which is followed already */
    const struct followed *followed; /* NULL: not yet */
    unsigned tasks;                  /* that are not over */
};

/* NULL when memory is out. */
static const struct followed *take_followed(struct drawn *drawn, const struct wh_analysis *analysis,
                                            struct wh_error *error)
{
    uint32_t index = analysis->flow_of_id[drawn->shown->id - 1];
    pthread_mutex_lock(&drawn->lock);
    if (!drawn->followed && analysis->largest.spans && analysis->largest_index == index)
        drawn->followed = &analysis->largest;
    drawn->anew.threads = analysis->options.threads;
    if (!drawn->followed &&
        follow_flow(&analysis->flows.items[index], &analysis->alignment, analysis->spans,
                    analysis->capture_count, &drawn->anew, error) == WH_OK)
        drawn->followed = &drawn->anew;
    const struct followed *followed = drawn->followed;
    pthread_mutex_unlock(&drawn->lock);
    return followed;
}

static void give_followed(struct drawn *drawn)
{
    pthread_mutex_lock(&drawn->lock);
    if (--drawn->tasks == 0)
        followed_free(&drawn->anew);
    pthread_mutex_unlock(&drawn->lock);
}

typedef int flow_picture(struct pictures *pictures, struct picture_flow *flow,
                         struct wh_error *error);

static int draw_flow(struct pictures *pictures, struct drawn *drawn, flow_picture *draw,
                     struct wh_error *error)
{
    const struct wh_analysis *analysis = pictures->analysis;
    const struct wh_flow *shown = drawn->shown;
    struct picture_flow flow = {
        .shown = shown,
        .flow = &analysis->flows.items[analysis->flow_of_id[shown->id - 1]],
        .side = choose_side(&analysis->result, shown),
    };
    int status = WH_ERROR;
    if (!make_frame(pictures, &flow))
        error_memory(error, "the plots");
    else if ((flow.followed = take_followed(drawn, analysis, error)))
        status = draw(pictures, &flow, error);
    give_followed(drawn);
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

typedef int task_draw(struct pictures *pictures, struct drawn *drawn, struct wh_error *error);

/* What one thread draws in one go. */
struct task {
    struct pictures pictures;
    task_draw *draw;
    struct drawn *drawn; /* NULL where all flows are */
    int status;
    struct wh_error error;
};

#define TASKS_MAX (2 + 2 * FLOWS_DRAWN)

struct tasks {
    struct task tasks[TASKS_MAX];
    uint32_t count;
    struct drawn drawn[FLOWS_DRAWN];
    struct plot_letters *letters; /* made by the first task that needs them */
    pthread_mutex_t making;
    const struct report_beside *beside;
};

static int stage(struct pictures *pictures, struct report_folder *folder, const char *name,
                 struct wh_error *error)
{
    struct staged_picture *staged = &pictures->staged[pictures->staged_count];
    const char *svg = arena_printf(&pictures->arena, "plots/%s.svg", name);
    const char *png = arena_printf(&pictures->arena, "plots/%s.png", name);
    if (!svg || !png)
        return error_memory(error, "the plots");
    staged->name = name;
    staged->svg = report_folder_stage(folder, svg, error);
    staged->png = staged->svg ? report_folder_stage(folder, png, error) : NULL;
    pictures->staged_count += staged->png != NULL;
    return staged->png ? WH_OK : WH_ERROR;
}

static int draw_path(struct pictures *pictures, struct drawn *drawn, struct wh_error *error)
{
    (void)drawn;
    return picture_path(pictures, error);
}

static int draw_strips(struct pictures *pictures, struct drawn *drawn, struct wh_error *error)
{
    const char *label = time_label(pictures, "");
    (void)drawn;
    return label ? picture_flows(pictures, label, error) : error_memory(error, "the plots");
}

static int draw_delays(struct pictures *pictures, struct drawn *drawn, struct wh_error *error)
{
    return draw_flow(pictures, drawn, picture_delays, error);
}

static int draw_packets(struct pictures *pictures, struct drawn *drawn, struct wh_error *error)
{
    return draw_flow(pictures, drawn, picture_packets, error);
}

static struct task *add_task(struct tasks *all, const struct wh_analysis *analysis, task_draw *draw,
                             struct drawn *drawn)
{
    struct task *task = &all->tasks[all->count++];
    task->pictures.analysis = analysis;
    task->draw = draw;
    task->drawn = drawn;
    if (drawn)
        drawn->tasks++;
    return task;
}

static int stage_flow(struct tasks *all, const struct wh_analysis *analysis, struct drawn *drawn,
                      struct report_folder *folder, struct wh_error *error)
{
    static const struct {
        const char *name;
        task_draw *draw;
        bool tcp_only;
    } kinds[] = {{"sequence", draw_packets, false},
                 {"throughput", draw_packets, false},
                 {"window", draw_packets, true},
                 {"delay", draw_delays, false}};
    bool tcp = strcmp(drawn->shown->protocol, "tcp") == 0;
    struct task *task = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!tcp && kinds[i].tcp_only)
            continue;
        if (!task || task->draw != kinds[i].draw)
            task = add_task(all, analysis, kinds[i].draw, drawn);
        struct pictures *pictures = &task->pictures;
        const char *name =
            arena_printf(&pictures->arena, "flow-%u-%s", drawn->shown->id, kinds[i].name);
        if (!name)
            return error_memory(error, "the plots");
        if (stage(pictures, folder, name, error))
            return WH_ERROR;
    }
    return WH_OK;
}

/* What stalled; where nothing did, or the user asked for certain flows, the largest. */
static int make_tasks(struct tasks *all, const struct wh_analysis *analysis,
                      struct report_folder *folder, struct wh_error *error)
{
    const struct wh_flow *chosen[FLOWS_DRAWN];
    bool asked = analysis->options.flow != NULL;
    struct task *path = add_task(all, analysis, draw_path, NULL);
    struct task *strips = add_task(all, analysis, draw_strips, NULL);
    int status = stage(&path->pictures, folder, "path", error);
    if (!status)
        status = stage(&strips->pictures, folder, "flows", error);
    for (unsigned i = 0; !status && i < FLOWS_DRAWN; i++) {
        chosen[i] = worst_flow(&analysis->result, chosen, i);
        if (!chosen[i] || (i && !asked && !chosen[i]->stall_count))
            break;
        all->drawn[i].shown = chosen[i];
        status = stage_flow(all, analysis, &all->drawn[i], folder, error);
    }
    return status;
}

static struct plot_letters *take_letters(struct tasks *all, struct wh_error *error)
{
    pthread_mutex_lock(&all->making);
    if (!all->letters)
        all->letters = plot_letters_make(error);
    struct plot_letters *letters = all->letters;
    pthread_mutex_unlock(&all->making);
    return letters;
}

/* What is to be done beside comes first, as it may be the longest of all, and the first task last,
 * as it is the shortest. Those of a flow stand behind each other. */
static void draw_task(void *context, unsigned worker, uint32_t index)
{
    struct tasks *all = context;
    if (index == 0) {
        all->beside->work(all->beside->context);
        return;
    }
    struct task *task = &all->tasks[index % all->count];
    (void)worker;
    task->pictures.letters = take_letters(all, &task->error);
    task->status =
        task->pictures.letters ? task->draw(&task->pictures, task->drawn, &task->error) : WH_ERROR;
}

int pictures_draw(void *context, struct report_folder *folder, const struct report_beside *beside,
                  struct wh_error *error)
{
    const struct wh_analysis *analysis = context;
    struct tasks all = {.beside = beside, .making = PTHREAD_MUTEX_INITIALIZER};
    for (unsigned i = 0; i < FLOWS_DRAWN; i++)
        pthread_mutex_init(&all.drawn[i].lock, NULL);
    int status = make_tasks(&all, analysis, folder, error);
    unsigned threads = parallel_threads(analysis->options.threads);
    if (!status)
        parallel_run(threads <= all.count ? threads : all.count + 1, all.count + 1, draw_task,
                     &all);
    for (uint32_t i = 0; i < all.count; i++) {
        if (!status && all.tasks[i].status) {
            status = WH_ERROR;
            if (error)
                *error = all.tasks[i].error;
        }
        arena_free(&all.tasks[i].pictures.arena);
    }
    for (unsigned i = 0; i < FLOWS_DRAWN; i++) {
        followed_free(&all.drawn[i].anew);
        pthread_mutex_destroy(&all.drawn[i].lock);
    }
    plot_letters_free(all.letters);
    pthread_mutex_destroy(&all.making);
    return status;
}
