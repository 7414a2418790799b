/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the report's views share, and nobody else needs: a growing string, numbers in words, UTF-8,
 * names, tables of text.
 */
#ifndef WHICHHOP_REPORT_PARTS_H
#define WHICHHOP_REPORT_PARTS_H

#include "report/report.h"

/* ---- a growing string ------------------------------------------------------------------------ */

/* Start from {0}. `failed` is set when memory is out; all later calls then do nothing. */
struct buffer {
    char *bytes;
    size_t length, capacity;
    bool failed;
};

void buffer_bytes(struct buffer *buffer, const char *bytes, size_t length);
void buffer_add(struct buffer *buffer, const char *text);
void buffer_repeat(struct buffer *buffer, char c, size_t count);
__attribute__((format(printf, 2, 3))) void buffer_printf(struct buffer *buffer, const char *format,
                                                         ...);
/* Where to write up to `room` bytes by hand, to be added to `length`; NULL when memory is out. */
char *buffer_reserve(struct buffer *buffer, size_t room);
/* The string, for the caller to free; NULL (and all freed) where it failed. */
char *buffer_take(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

/* ---- numbers for people ---------------------------------------------------------------------- */

/* A number in words, returned by value so that it can stand in an argument list: number(..).text */
struct words {
    char text[48];
};

struct words number_seconds(int64_t ns, unsigned digits); /* "1.393712000"; up to 9 digits */
struct words number_decimal(double value); /* "0.98": up to 6 digits, "null" if not finite */
struct words number_count(uint64_t count); /* "26,092" */
struct words number_bytes(uint64_t bytes); /* "25.1 MB" */
struct words number_delay(int64_t ns);     /* "190 us", "12.3 ms", "-" */
struct words number_percent(double part);  /* "98 %", ">99 %", "<1 %" */
struct words number_loss(uint64_t lost, uint64_t packets); /* "0.42 %" */
/* "2026-11-22T15:35:31.031814000Z" of nanoseconds since 1970; " " for `separator` leaves out Z */
struct words number_utc(int64_t unix_ns, char separator, unsigned digits);
int64_t number_sum(int64_t a_ns, int64_t b_ns); /* at the ends of int64_t it stops */

/* ---- UTF-8 (RFC 3629) ------------------------------------------------------------------------ */

#define UTF8_BAD 0xFFFDu

/* The next character of `text`, which has `length` bytes, at least one; UTF8_BAD and one byte
 * where it is not valid. */
uint32_t utf8_next(const char *text, size_t length, size_t *used);
/* Adds `text` (NULL: nothing): invalid bytes become U+FFFD. */
void utf8_add(struct buffer *buffer, const char *text);
/* The same for one line on a terminal: white space becomes a blank, and what could move the cursor
 * or turn the direction of writing becomes U+FFFD. */
void utf8_add_line(struct buffer *buffer, const char *text);
unsigned utf8_width(uint32_t character); /* columns on a terminal: 0, 1, 2 */
size_t utf8_columns(const char *text, size_t length);
/* How many bytes of `text` fit into `columns`. */
size_t utf8_fit(const char *text, size_t length, size_t columns);

/* ---- names and words ------------------------------------------------------------------------- */

const char *words_or(const char *text, const char *otherwise); /* for a NULL */
/* Neighbour number `index` of the path: "servers", the points, "clients". */
const char *words_neighbour(const struct wh_result *result, uint32_t index);
/* "A..B"; of several segments, from the first one's first point to the last one's last. */
void words_segment(struct buffer *buffer, const struct wh_result *result, uint32_t segment,
                   uint32_t span);
/* The name of the frame's file; NULL where the point has one file only. */
const char *words_frame_file(const struct wh_result *result, const struct wh_frame *frame);
const char *words_frame_point(const struct wh_result *result, const struct wh_frame *frame);
const char *words_cause_meaning(enum wh_cause cause);
const char *words_direction(enum wh_direction direction); /* "to the client", "both ways" */
const char *words_scope(enum wh_scope scope);             /* "all flows" */
const char *words_plural(uint64_t count, const char *one, const char *many);
/* The order of a span's neighbours is that of the path. Is `segment` in the span? */
bool words_in_span(uint32_t segment, uint32_t first, uint32_t span);

/* ---- what the views tell in common ----------------------------------------------------------- */

/* The stalls that are listed where not all can be: the `limit` longest, in order of time. The
 * caller frees it; NULL when memory is out or `limit` is 0. `count` is set to how many. */
uint32_t *facts_longest_stalls(const struct wh_result *result, uint32_t limit, uint32_t *count);
/* "eth0, xenbrE: 192.0.2.1:80 to ...": how a flow is called, points with one name together. */
void facts_flow_names(struct buffer *buffer, const struct wh_result *result,
                      const struct wh_flow *flow);
/* "9 stalls in 3 flows; 1 had not ended when the capture did." */
void facts_stall_summary(struct buffer *buffer, const struct wh_result *result);
/* "isn+timestamps 12, single 2": how many flows were matched how, most first. */
void facts_match_kinds(struct buffer *buffer, const struct wh_result *result);
/* "Flow 3 and flow 4 are the two legs ... (content of 180 KB alike), 99 % sure." */
void facts_joint(struct buffer *buffer, const struct wh_joint *joint);
/* One sentence on a point's flows: matched, ambiguous, seen here alone. */
void facts_point_flows(struct buffer *buffer, const struct wh_result *result,
                       const struct wh_point *point);
/* One sentence on a point's packets that were not followed, or that all were. */
void facts_point_packets(struct buffer *buffer, const struct wh_point *point);
/* One sentence on what the capture itself missed; empty when nothing is known to be missing. */
void facts_point_missed(struct buffer *buffer, const struct wh_point *point);
/* One sentence on the point's clock. */
void facts_point_clock(struct buffer *buffer, const struct wh_point *point);
/* Whether the path's order was found. */
const char *facts_path_order(const struct wh_result *result);

/* What the captures do not tell of the verdict: in which of several segments; "" when in one. */
const char *facts_span(const struct wh_verdict *verdict);

/* Was loss looked for? In an outer segment nothing can be seen to vanish. */
bool facts_measured(const struct wh_traffic *traffic);

/* Delays between the points on both sides of an inner segment are exact within this; WH_NONE: no
 * packet ties their clocks, or it is an outer one. */
int64_t facts_uncertainty(const struct wh_result *result, uint32_t segment);

/* A delay of a segment: "190 us", "< 374 us" where the clocks tell no more, "-". */
struct words facts_delay(const struct wh_result *result, uint32_t segment, int64_t delay_ns);

/* What merged frames are, and whether there are any. */
bool facts_any_merged(const struct wh_result *result);
const char *facts_merged(void);
/* "All 3 points captured at the same time for 9.410 s, ...": what part of the time each capture
 * covers. */
void facts_overlap(struct buffer *buffer, const struct wh_result *result);
/* "Supported suspicion: A; B. 1 undecided, 11 excluded."; empty where nothing was asked. */
void facts_suspicions(struct buffer *buffer, const struct wh_result *result);
/* "whichhop 0.1.0, libpcap 1.10.3, ...": what made the report. */
void facts_versions(struct buffer *buffer);
/* What to do about a supported suspicion; NULL where nothing is known of it. */
const char *facts_what_to_do(const struct wh_hypothesis *hypothesis);

/* ---- display filters ------------------------------------------------------------------------- */

/* "frame.number in {4711, 4712}": the stall's evidence in one file of a point. False, with nothing
 * added, where there is none. */
bool filter_frames(struct buffer *out, const struct wh_stall *stall, uint32_t point, uint32_t file);
/* The stall's flow as the point calls it, from 0.1 s before the stall to 0.1 s after it, by the
 * clock of the point's file. False, with nothing added, where the point did not see it. */
bool filter_flow(struct buffer *out, const struct wh_result *result, const struct wh_stall *stall,
                 uint32_t point);
/* A time of the path (since the epoch) as the point's file has it, in ns since 1970. */
int64_t filter_file_time(const struct wh_result *result, const struct wh_point *point,
                         int64_t path_ns);

/* ---- lines and tables of text ---------------------------------------------------------------- */

struct style {
    const char *bold, *good, *bad, *dim, *plain; /* escapes, or empty strings */
};

/* Adds `text` (one line, cleaned) folded at blanks to REPORT_COLUMNS, each line indented. */
void lines_wrap(struct buffer *out, const char *text, unsigned indent);

/* The lines of a note, divided by '\n', each folded and indented below what it belongs to. */
void lines_notes(struct buffer *out, const char *note);

struct column {
    const char *title;
    bool right; /* numbers */
};

#define TABLE_COLUMNS_MAX 12u

/* Columns are as wide as their contents; names are shortened in the middle if need be. */
struct table {
    const struct column *columns;
    unsigned count;
    bool no_titles;
    struct buffer cells; /* of each row: its cells, then its note, each with a NUL */
    size_t rows;
};

/* `note` (NULL: none): lines below the row, folded, several when divided by '\n'. */
void table_row(struct table *table, const char *const *cells, const char *note);
/* Adds the table to `out` and frees it. */
void table_end(struct table *table, struct buffer *out, const struct style *style);

/* The text report as it grows. */
struct page {
    struct buffer out;
    const struct wh_result *result;
    const char *run, *command; /* the command may be NULL */
    bool pictures;
    struct style style;
};

void page_heading(struct page *page, const char *title);
/* Folds a sentence; the first form takes and frees it. */
void page_say(struct page *page, struct buffer *sentence, unsigned indent);
void page_say_text(struct page *page, const char *text, unsigned indent);
/* Lines of a note, which it takes and frees. */
void page_notes(struct page *page, struct buffer *note);
/* A row with such a note below, which it takes and frees. */
void page_row(struct table *table, const char *const *cells, struct buffer *note);
/* A segment's name as a table's cell; the caller frees `name`. */
const char *page_segment(struct buffer *name, const struct wh_result *result, uint32_t segment,
                         uint32_t span);
/* Evidence as lines at the end of `out`. */
void page_evidence(struct buffer *out, const struct wh_result *result,
                   const struct wh_evidence *evidence, uint32_t count);
#define JOINTS_SHOWN 10u

/* The sections, in text_stalls.c, text_captures.c, text_findings.c. */
void text_stalls(struct page *page);
void text_stalled_flows(struct page *page);
void text_joints(struct page *page);
void text_segments(struct page *page);
void text_points(struct page *page);
void text_matching(struct page *page);
void text_hypotheses(struct page *page);
void text_made(struct page *page);
void text_warnings(struct page *page);

/* ---- the folder ------------------------------------------------------------------------------ */

/* The names of the staged pictures (.png, or .svg where that one is not), at most `limit`; returns
 * how many. They are the folder's. */
uint32_t folder_pictures(const struct report_folder *folder, const char **names, uint32_t limit);
/* The error for a failure to write the file staged last. */
int folder_fail_write(const struct report_folder *folder, int number, struct wh_error *error);

/* ---- JSON ------------------------------------------------------------------------------------ */

struct json_object;
struct json {
    struct buffer out;
    bool failed;
};

/* Takes `value`, which is NULL where memory was out, see json_null. */
void json_put(struct json *json, struct json_object *object, const char *key,
              struct json_object *value);
void json_put_null(struct json *json, struct json_object *object, const char *key);
void json_put_string(struct json *json, struct json_object *object, const char *key,
                     const char *text); /* NULL: null */
void json_put_seconds(struct json *json, struct json_object *object, const char *key,
                      int64_t ns); /* WH_NONE: null */
void json_put_decimal(struct json *json, struct json_object *object, const char *key, double value);
void json_put_count(struct json *json, struct json_object *object, const char *key, uint64_t count);
void json_put_bool(struct json *json, struct json_object *object, const char *key, bool yes);
void json_put_segment(struct json *json, struct json_object *object, const char *key,
                      const struct wh_result *result, uint32_t segment, uint32_t span);
struct json_object *json_events(struct json *json, const uint64_t *events, bool zeros);
struct json_object *json_evidence(struct json *json, const struct wh_result *result,
                                  const struct wh_evidence *evidence, uint32_t count);
/* A line of the outermost object, or of an array in it; takes `value`. */
void json_field(struct json *json, const char *key, struct json_object *value);
void json_list_begin(struct json *json, const char *key);
void json_list_item(struct json *json, struct json_object *value, bool first);
void json_list_end(struct json *json);

/* The parts of report.json, each its lines of the outermost object. */
void json_captures(struct json *json, const struct wh_result *result); /* points, segments */
void json_flows(struct json *json, const struct wh_result *result);
void json_findings(struct json *json, const struct wh_result *result); /* stalls ... warnings */

/* ---- Markdown -------------------------------------------------------------------------------- */

/* A name as code, safe in a table too; at most `bytes` of it. */
void markdown_code(struct buffer *out, const char *name, size_t bytes);
/* Prose: nothing in it makes a link, a mention, a tag, a cell; at most `bytes` of it. */
void markdown_prose(struct buffer *out, const char *text, size_t bytes);
/* One line as an indented block, which no contents can end; at most `bytes` of it. */
void markdown_command(struct buffer *out, const char *text, size_t bytes);
/* A picture by its relative path, with a title for those who do not see it. */
void markdown_picture(struct buffer *out, const char *title, const char *path);

/* The shares, for the worst that escaping makes of a string (six times its bytes). */
#define MARKDOWN_HEAD_SHARE       7000u
#define MARKDOWN_PATH_SHARE       4500u
#define MARKDOWN_STALLS_SHARE     20000u /* a third the table, the rest evidence and filters */
#define MARKDOWN_FLOWS_SHARE      4000u
#define MARKDOWN_HYPOTHESES_SHARE 11000u
#define MARKDOWN_POINTS_SHARE     6000u
#define MARKDOWN_WARNINGS_SHARE   2000u
#define MARKDOWN_COMMAND_SHARE    2500u
#define MARKDOWN_HEADINGS_SHARE   2900u /* headings, table titles, "...and N more" */
#define MARKDOWN_NAME_BYTES       60u

_Static_assert(MARKDOWN_HEAD_SHARE + MARKDOWN_PATH_SHARE + MARKDOWN_STALLS_SHARE +
                       MARKDOWN_FLOWS_SHARE + MARKDOWN_HYPOTHESES_SHARE + MARKDOWN_POINTS_SHARE +
                       MARKDOWN_WARNINGS_SHARE + MARKDOWN_COMMAND_SHARE + MARKDOWN_HEADINGS_SHARE <
                   REPORT_MARKDOWN_BYTES,
               "the sections fit into an issue");

/* The report as it grows. Every section has its share of REPORT_MARKDOWN_BYTES: what does not fit
 * is taken back and counted, see markdown_keep. */
struct markdown {
    struct buffer out;
    const struct wh_result *result;
    const char *run, *command;
    const char *const *pictures;
    size_t picture_count;
    size_t limit; /* where the section's share ends */
};

/* A section: a heading, and from here on `share` bytes. */
void markdown_section(struct markdown *page, const char *title, size_t share);
/* Was there room for what was written since `mark`? If not, it is gone. */
bool markdown_keep(struct markdown *page, size_t mark);
/* "...and 12 more `what` in `report.json`." if 12 were left out. */
void markdown_more(struct markdown *page, uint64_t left_out, const char *what);
/* The evidence's sentence and frames, as one line without an end. */
void markdown_evidence(struct buffer *out, const struct wh_result *result,
                       const struct wh_evidence *evidence);
/* A segment's name as code. */
void markdown_segment(struct buffer *out, const struct wh_result *result, uint32_t segment,
                      uint32_t span);
/* The sections, in markdown_stalls.c, markdown_captures.c and markdown_findings.c. */
void markdown_path(struct markdown *page);
void markdown_stalls(struct markdown *page);
void markdown_flows(struct markdown *page);
void markdown_hypotheses(struct markdown *page);
void markdown_points(struct markdown *page);
void markdown_warnings(struct markdown *page);

#endif
