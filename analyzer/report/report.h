/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report: views of one struct wh_result for people (text, Markdown) and for scripts
 * (report.json, events.csv). They change nothing, and the same result gives the same bytes: no
 * wall clock, no locale, no address of memory, no hash order goes in.
 *
 * Strings of a result may hold anything a file name or a capture may hold; every view makes valid
 * UTF-8 of them and escapes what its own format gives a meaning to.
 */
#ifndef WHICHHOP_REPORT_REPORT_H
#define WHICHHOP_REPORT_REPORT_H

#include <stdio.h>

#include "whichhop.h"

#define REPORT_COLUMNS        100u   /* no line of the text report is wider */
#define REPORT_MARKDOWN_BYTES 60000u /* an issue tracker takes 65,536 characters */
#define REPORT_RUN_SIZE       17u    /* 16 hexadecimal digits and the NUL */

/* What the report says, as a hash: XXH3 (64 bits) of report.json without its `run` line. Two files
 * with one `run` come from one report. Fails only when memory is out. */
int report_run(const struct wh_result *result, char run[REPORT_RUN_SIZE]);

/* Each returns a string for the caller to free, NULL when memory is out. `run` is report_run's.
 * `command` is the command line or NULL.
 * report_text: `pictures`: there are some in the folder's plots/; `colours` adds the escapes of a
 * colour terminal. report_markdown: for an issue tracker, below REPORT_MARKDOWN_BYTES;
 * `picture_paths` are relative to the report's folder. */
char *report_text(const struct wh_result *result, const char *command, bool colours);
char *report_text_run(const struct wh_result *result, const char *run, const char *command,
                      bool pictures, bool colours);
char *report_markdown(const struct wh_result *result, const char *run, const char *command,
                      const char *const *picture_paths, size_t picture_count);
char *report_json(const struct wh_result *result, char run[REPORT_RUN_SIZE]); /* fills in `run` */

/* Writes events.csv to `out`. A CSV file has no room for a comment and its columns are fixed, so
 * `run` (NULL: left out) ends the `detail` of the first row that is no `lost`, whose detail is a
 * segment's name; of the first row where all are. Fails on a write error, with errno set. */
int report_csv(const struct wh_result *result, const char *run, FILE *out);

/* ---- the folder ------------------------------------------------------------------------------ */

/* Files that are written under temporary names beside their places and moved there together. */
struct report_folder;

/* Makes `path`, and the folders above it, where they are missing. The caller ends it with
 * report_folder_close. NULL on failure. */
struct report_folder *report_folder_open(const char *path, struct wh_error *error);

/* Where to write what is to become `name` ("report.json", "plots/sequence.svg"; a folder inside is
 * made): the path of a temporary file, empty now, with the same ending. It holds until
 * report_folder_close, which owns it. Writing it anew or replacing it are both right. NULL on
 * failure. */
const char *report_folder_stage(struct report_folder *folder, const char *name,
                                struct wh_error *error);

/* Stages `name` and writes `bytes` into it. */
int report_folder_put(struct report_folder *folder, const char *name, const char *bytes,
                      size_t length, struct wh_error *error);

/* Moves everything into place in the order it was staged. Call it once, last. */
int report_folder_commit(struct report_folder *folder, struct wh_error *error);

/* Frees. Without a commit that succeeded it first removes all temporary files, and the folders
 * that it made itself where nothing else is in them. NULL is fine. */
void report_folder_close(struct report_folder *folder);

/* ---- all of it ------------------------------------------------------------------------------- */

/* Work for some other thread. */
struct report_beside {
    void (*work)(void *context);
    void *context;
};

/* Draws the plots: for each, report_folder_stage(folder, "plots/...", error) and write there. Calls
 * `beside` once, when all are staged, and leaves the folder alone from then on: meanwhile the rest
 * is written. The Markdown shows every picture that was staged with the ending .svg. */
typedef int report_draw(void *context, struct report_folder *folder,
                        const struct report_beside *beside, struct wh_error *error);

struct report_job {
    const char *folder;
    unsigned formats;    /* set of enum wh_format; those without a writer here are left out */
    const char *command; /* NULL: left out */
    report_draw *draw;   /* called when WH_FORMAT_PLOTS is asked for; NULL: no plots */
    void *draw_context;
};

/* Writes the report's files, each moved into place whole, report.json last. On failure `error`
 * names the file and what to do, and nothing half-written is left. */
int report_write(const struct wh_result *result, const struct report_job *job,
                 struct wh_error *error);

#endif
