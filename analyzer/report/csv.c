/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * events.csv (RFC 4180 quoting, lines ended by LF). There may be tens of millions of rows: numbers
 * are set by hand, names are quoted once, and nothing is allocated per row.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digits.h"
#include "report/parts.h"

#define HEADER        "time_s,point,frame,flow,direction,kind,seq_start,seq_end,detail\n"
#define DETAIL_BYTES  2048u
#define NUMBERS_BYTES 200u /* all of a row's numbers, fixed words and commas; 9 fields */

/* A name that is ready to be written. */
struct field {
    char *bytes;
    size_t length;
};

/* Per point: its name; per file of it: what stands before and after the frame's number. */
struct names {
    struct field point;
    struct field *before; /* one per file: `name:`, or `"na""me:` with `quoted` */
    bool *quoted;
    uint32_t file_count;
};

struct csv {
    const struct wh_result *result;
    struct names *names;
    struct buffer out; /* written when it holds FLUSH_BYTES */
    FILE *file;
    const char *run;
    uint64_t run_row; /* the row that bears it */
};

#define FLUSH_BYTES ((size_t)256 * 1024)

/* ---- names ----------------------------------------------------------------------------------- */

static bool must_quote(const char *text)
{
    return strpbrk(text, ",\"\r\n") != NULL;
}

static void add_doubled(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"')
            buffer_add(out, "\"");
        buffer_bytes(out, text, 1);
    }
}

static void add_quoted(struct buffer *out, const char *text)
{
    const char *quote = must_quote(text) ? "\"" : "";
    buffer_add(out, quote);
    add_doubled(out, text);
    buffer_add(out, quote);
}

/* Takes `buffer`; false when memory was out. */
static bool make_field(struct field *field, struct buffer *buffer)
{
    field->length = buffer->length;
    field->bytes = buffer_take(buffer);
    return field->bytes != NULL;
}

static bool name_file(struct names *names, uint32_t index, const char *name)
{
    struct buffer clean = {0}, before = {0};
    utf8_add(&clean, name);
    if (!clean.failed) {
        names->quoted[index] = must_quote(clean.bytes);
        buffer_add(&before, names->quoted[index] ? "\"" : "");
        add_doubled(&before, clean.bytes);
        buffer_add(&before, ":");
    }
    before.failed = before.failed || clean.failed;
    buffer_free(&clean);
    return make_field(&names->before[index], &before);
}

static bool name_point(struct names *names, const struct wh_point *point)
{
    struct buffer clean = {0}, quoted = {0};
    utf8_add(&clean, words_or(point->name, "?"));
    if (!clean.failed)
        add_quoted(&quoted, clean.bytes);
    quoted.failed = quoted.failed || clean.failed;
    buffer_free(&clean);
    if (!make_field(&names->point, &quoted))
        return false;
    if (point->file_count < 2)
        return true;
    names->before = calloc(point->file_count, sizeof *names->before);
    names->quoted = calloc(point->file_count, sizeof *names->quoted);
    if (!names->before || !names->quoted)
        return false;
    names->file_count = point->file_count;
    for (uint32_t i = 0; i < point->file_count; i++)
        if (!name_file(names, i, words_or(point->files[i].name, "?")))
            return false;
    return true;
}

static void free_names(struct names *names, uint32_t count)
{
    for (uint32_t i = 0; names && i < count; i++) {
        for (uint32_t k = 0; k < names[i].file_count; k++)
            free(names[i].before[k].bytes);
        free(names[i].before);
        free(names[i].quoted);
        free(names[i].point.bytes);
    }
    free(names);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static char *put_seconds(char *to, int64_t ns)
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0)
        *to++ = '-';
    to = digits_put(to, left / NS_PER_S);
    uint64_t rest = left % NS_PER_S;
    *to++ = '.';
    for (int i = 8; i >= 0; i--, rest /= 10)
        to[i] = (char)('0' + rest % 10);
    return to + 9;
}

static char *put_signed(char *to, int64_t value)
{
    if (value < 0)
        *to++ = '-';
    return digits_put(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static char *put_field(char *to, const struct field *field)
{
    memcpy(to, field->bytes, field->length);
    return to + field->length;
}

static char *put_frame(char *to, const struct names *names, const struct wh_event *event)
{
    bool named = names && event->file < names->file_count;
    if (named)
        to = put_field(to, &names->before[event->file]);
    to = digits_put(to, event->frame);
    if (named && names->quoted[event->file])
        *to++ = '"';
    return to;
}

static char *put_range(char *to, const struct wh_event *event)
{
    int64_t end;
    if (event->seq == WH_NONE || __builtin_add_overflow(event->seq, event->length, &end)) {
        *to++ = ',';
        return to;
    }
    to = put_signed(to, event->seq);
    *to++ = ',';
    return put_signed(to, end);
}

/* No quoting and no cleaning needed: what all but odd names give. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80 || *text == ',' || *text == '"' || *text < ' ')
            return false;
    return true;
}

static void add_detail(struct csv *csv, const struct wh_event *event, bool bears_run)
{
    char detail[DETAIL_BYTES];
    wh_event_detail(csv->result, event, detail, sizeof detail);
    if (!bears_run && is_plain(detail)) {
        buffer_add(&csv->out, detail);
        return;
    }
    struct buffer clean = {0};
    utf8_add(&clean, detail);
    if (bears_run)
        buffer_printf(&clean, "%srun %s", detail[0] ? "; " : "", csv->run);
    if (!clean.failed)
        add_quoted(&csv->out, clean.bytes);
    csv->out.failed = csv->out.failed || clean.failed;
    buffer_free(&clean);
}

static void add_row(struct csv *csv, const struct wh_event *event, bool bears_run)
{
    const struct names *names =
        event->point < csv->result->point_count ? &csv->names[event->point] : NULL;
    size_t room = NUMBERS_BYTES;
    if (names)
        room += names->point.length;
    if (names && event->file < names->file_count)
        room += names->before[event->file].length;
    char *row = buffer_reserve(&csv->out, room);
    if (!row)
        return;
    char *to = put_seconds(row, event->time_ns);
    *to++ = ',';
    to = names ? put_field(to, &names->point) : to;
    *to++ = ',';
    to = put_frame(to, names, event);
    *to++ = ',';
    to = event->flow ? digits_put(to, event->flow) : to;
    *to++ = ',';
    to = stpcpy(to, wh_direction_word((enum wh_direction)event->direction));
    *to++ = ',';
    to = stpcpy(to, wh_event_word((enum wh_event_kind)event->kind));
    *to++ = ',';
    to = put_range(to, event);
    *to++ = ',';
    csv->out.length += (size_t)(to - row);
    add_detail(csv, event, bears_run);
    buffer_bytes(&csv->out, "\n", 1);
}

static int flush(struct csv *csv)
{
    if (csv->out.failed)
        return WH_ERROR;
    size_t length = csv->out.length;
    csv->out.length = 0;
    return fwrite(csv->out.bytes, 1, length, csv->file) == length ? WH_OK : WH_ERROR;
}

static uint64_t row_for_run(const struct wh_result *result)
{
    for (uint64_t i = 0; i < result->event_count; i++)
        if (result->events[i].kind != WH_EVENT_LOST)
            return i;
    return 0;
}

int report_csv(const struct wh_result *result, const char *run, FILE *out)
{
    int status = WH_ERROR;
    struct csv csv = {.result = result, .file = out, .run = run, .run_row = row_for_run(result)};
    csv.names = calloc(result->point_count ? result->point_count : 1, sizeof *csv.names);
    if (!csv.names)
        goto cleanup;
    for (uint32_t i = 0; i < result->point_count; i++)
        if (!name_point(&csv.names[i], &result->points[i]))
            goto cleanup;
    buffer_add(&csv.out, HEADER);
    for (uint64_t i = 0; i < result->event_count; i++) {
        add_row(&csv, &result->events[i], run && i == csv.run_row);
        if (csv.out.length >= FLUSH_BYTES && flush(&csv))
            goto cleanup;
    }
    status = flush(&csv);
cleanup:
    buffer_free(&csv.out);
    free_names(csv.names, result->point_count);
    return status;
}
