/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The whole report: which files, in which order, and all of them or none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "report/parts.h"

#define PICTURES_MAX 16u

/* Puts a string as a file and frees it; NULL stands for memory that was out. */
static int put(struct report_folder *folder, const char *name, char *text, struct wh_error *error)
{
    int status = text ? report_folder_put(folder, name, text, strlen(text), error)
                      : error_memory(error, name);
    free(text);
    return status;
}

static int put_csv(struct report_folder *folder, const struct wh_result *result, const char *run,
                   struct wh_error *error)
{
    const char *path = report_folder_stage(folder, "events.csv", error);
    if (!path)
        return WH_ERROR;
    FILE *file = fopen(path, "we");
    if (!file)
        return folder_fail_write(folder, errno, error);
    errno = 0;
    bool whole = report_csv(result, run, file) == WH_OK && fflush(file) == 0;
    int number = errno ? errno : ENOMEM;
    if (fclose(file) != 0 && whole) {
        number = errno;
        whole = false;
    }
    return whole ? WH_OK : folder_fail_write(folder, number, error);
}

/* What is not drawn. */
struct texts {
    const struct wh_result *result;
    const struct report_job *job;
    struct report_folder *folder;
    bool written;
    struct wh_error error;
};

/* Staged in the order they are to be moved into place: report.json last. */
static int put_texts(struct texts *texts, char *json, const char *run)
{
    const struct wh_result *result = texts->result;
    const struct report_job *job = texts->job;
    struct report_folder *folder = texts->folder;
    struct wh_error *error = &texts->error;
    const char *pictures[PICTURES_MAX];
    uint32_t count = folder_pictures(folder, pictures, PICTURES_MAX);
    int status = WH_OK;
    if (job->formats & WH_FORMAT_TEXT)
        status = put(folder, "report.txt",
                     report_text_run(result, run, job->command, count > 0, false), error);
    if (!status && job->formats & WH_FORMAT_MARKDOWN) {
        status = put(folder, "report.md",
                     report_markdown(result, run, job->command, pictures, count), error);
    }
    if (!status && job->formats & WH_FORMAT_CSV)
        status = put_csv(folder, result, run, error);
    if (!status && job->formats & WH_FORMAT_JSON)
        status = report_folder_put(folder, "report.json", json, strlen(json), error);
    return status;
}

static void write_texts(void *context)
{
    struct texts *texts = context;
    char run[REPORT_RUN_SIZE];
    char *json = report_json(texts->result, run);
    if (json)
        texts->written = put_texts(texts, json, run) == WH_OK;
    else
        error_memory(&texts->error, "report.json");
    free(json);
}

int report_write(const struct wh_result *result, const struct report_job *job,
                 struct wh_error *error)
{
    struct texts texts = {.result = result, .job = job};
    const struct report_beside beside = {write_texts, &texts};
    int status = WH_OK;
    texts.folder = report_folder_open(job->folder, error);
    if (!texts.folder)
        return WH_ERROR;
    if (job->draw && job->formats & WH_FORMAT_PLOTS)
        status = job->draw(job->draw_context, texts.folder, &beside, error);
    else
        write_texts(&texts);
    if (!status && !texts.written) {
        status = WH_ERROR;
        if (error)
            *error = texts.error;
    }
    if (!status)
        status = report_folder_commit(texts.folder, error);
    report_folder_close(texts.folder);
    return status ? WH_ERROR : WH_OK;
}
