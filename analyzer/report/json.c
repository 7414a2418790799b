/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report.json, schema "whichhop-report/1": its frame, and its hash. Every entry of the large arrays
 * is made by json-c, printed on a line of its own and freed, so that memory does not grow with the
 * number of flows, and two reports can be compared line by line.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "report/parts.h"

#define SCHEMA      "whichhop-report/1"
#define PRINT_FLAGS (JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE)

/* ---- values ---------------------------------------------------------------------------------- */

void json_put(struct json *json, struct json_object *object, const char *key,
              struct json_object *value)
{
    if (value && json_object_object_add(object, key, value) == 0)
        return;
    json_object_put(value);
    json->failed = true;
}

void json_put_null(struct json *json, struct json_object *object, const char *key)
{
    if (json_object_object_add(object, key, NULL) != 0)
        json->failed = true;
}

void json_put_string(struct json *json, struct json_object *object, const char *key,
                     const char *text)
{
    struct buffer clean = {0};
    if (!text) {
        json_put_null(json, object, key);
        return;
    }
    utf8_add(&clean, text);
    json_put(json, object, key, clean.failed ? NULL : json_object_new_string(clean.bytes));
    buffer_free(&clean);
}

/* The digits are what counts; json-c keeps them as they are. */
static struct json_object *literal(const char *digits)
{
    return json_object_new_double_s(strtod(digits, NULL), digits);
}

void json_put_seconds(struct json *json, struct json_object *object, const char *key, int64_t ns)
{
    if (ns == WH_NONE)
        json_put_null(json, object, key);
    else
        json_put(json, object, key, literal(number_seconds(ns, 9).text));
}

void json_put_decimal(struct json *json, struct json_object *object, const char *key, double value)
{
    struct words words = number_decimal(value);
    if (strcmp(words.text, "null") == 0)
        json_put_null(json, object, key);
    else
        json_put(json, object, key, literal(words.text));
}

void json_put_count(struct json *json, struct json_object *object, const char *key, uint64_t count)
{
    json_put(json, object, key, json_object_new_uint64(count));
}

void json_put_bool(struct json *json, struct json_object *object, const char *key, bool yes)
{
    json_put(json, object, key, json_object_new_boolean(yes));
}

void json_put_segment(struct json *json, struct json_object *object, const char *key,
                      const struct wh_result *result, uint32_t segment, uint32_t span)
{
    struct buffer name = {0};
    words_segment(&name, result, segment, span);
    json_put(json, object, key, name.failed ? NULL : json_object_new_string(name.bytes));
    buffer_free(&name);
}

struct json_object *json_events(struct json *json, const uint64_t *events, bool zeros)
{
    struct json_object *object = json_object_new_object();
    for (int kind = 0; object && kind < WH_EVENT_KINDS; kind++)
        if (events[kind] || zeros)
            json_put_count(json, object, wh_event_word((enum wh_event_kind)kind), events[kind]);
    return object;
}

static struct json_object *frame_object(struct json *json, const struct wh_result *result,
                                        const struct wh_frame *frame)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    const char *file = NULL;
    if (frame->point < result->point_count && frame->file < result->points[frame->point].file_count)
        file = result->points[frame->point].files[frame->file].name;
    json_put_string(json, object, "point", words_frame_point(result, frame));
    json_put_string(json, object, "file", file);
    json_put_count(json, object, "frame", frame->frame);
    return object;
}

static void append(struct json *json, struct json_object *array, struct json_object *value)
{
    if (value && json_object_array_add(array, value) == 0)
        return;
    json_object_put(value);
    json->failed = true;
}

struct json_object *json_evidence(struct json *json, const struct wh_result *result,
                                  const struct wh_evidence *evidence, uint32_t count)
{
    struct json_object *array = json_object_new_array();
    for (uint32_t i = 0; array && i < count; i++) {
        struct json_object *object = json_object_new_object();
        struct json_object *frames = json_object_new_array();
        if (!object || !frames) {
            json_object_put(object);
            json_object_put(frames);
            json->failed = true;
            break;
        }
        for (uint32_t k = 0; k < evidence[i].frame_count; k++)
            append(json, frames, frame_object(json, result, &evidence[i].frames[k]));
        json_put_string(json, object, "text", words_or(evidence[i].text, ""));
        json_put(json, object, "frames", frames);
        append(json, array, object);
    }
    return array;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void print(struct json *json, struct json_object *value)
{
    const char *text = value ? json_object_to_json_string_ext(value, PRINT_FLAGS) : NULL;
    if (text)
        buffer_add(&json->out, text);
    else
        json->failed = true;
    json_object_put(value);
}

void json_field(struct json *json, const char *key, struct json_object *value)
{
    buffer_printf(&json->out, ",\n  \"%s\": ", key);
    print(json, value);
}

void json_list_begin(struct json *json, const char *key)
{
    buffer_printf(&json->out, ",\n  \"%s\": [", key);
}

void json_list_item(struct json *json, struct json_object *value, bool first)
{
    buffer_add(&json->out, first ? "\n    " : ",\n    ");
    print(json, value);
}

void json_list_end(struct json *json)
{
    bool empty = json->out.length && json->out.bytes[json->out.length - 1] == '[';
    buffer_add(&json->out, empty ? "]" : "\n  ]");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static struct json_object *path_object(struct json *json, const struct wh_result *result)
{
    struct json_object *object = json_object_new_object();
    struct json_object *order = json_object_new_array(), *segments = json_object_new_array();
    if (!object || !order || !segments) {
        json_object_put(object);
        json_object_put(order);
        json_object_put(segments);
        return NULL;
    }
    struct buffer name = {0};
    for (uint32_t i = 0; i < result->point_count; i++) {
        name.length = 0;
        utf8_add(&name, words_or(result->points[i].name, "?"));
        append(json, order, name.failed ? NULL : json_object_new_string(name.bytes));
    }
    for (uint32_t i = 0; i <= result->point_count; i++) {
        name.length = 0;
        words_segment(&name, result, i, 1);
        append(json, segments, name.failed ? NULL : json_object_new_string(name.bytes));
    }
    buffer_free(&name);
    json_put(json, object, "order", order);
    json_put_bool(json, object, "found", result->path_found);
    json_put(json, object, "segments", segments);
    return object;
}

static void json_head(struct json *json, const struct wh_result *result)
{
    buffer_printf(&json->out, ",\n  \"epoch\": \"%s\",\n  \"epoch_s\": %s,\n  \"duration_s\": %s",
                  number_utc(result->epoch_unix_ns, 'T', 9).text,
                  number_seconds(result->epoch_unix_ns, 9).text,
                  number_seconds(result->duration_ns == WH_NONE ? 0 : result->duration_ns, 9).text);
    json_field(json, "path", path_object(json, result));
}

/* Everything but the `run` line, whose place is after the first `*head` bytes. */
static void json_body(struct json *json, const struct wh_result *result, size_t *head)
{
    buffer_printf(&json->out,
                  "{\n  \"schema\": \"%s\",\n  \"tool\": {\"name\": \"whichhop\", \"version\": "
                  "\"%s\"}",
                  SCHEMA, WH_VERSION);
    *head = json->out.length;
    json_head(json, result);
    json_captures(json, result);
    json_flows(json, result);
    json_findings(json, result);
    buffer_add(&json->out, "\n}\n");
}

char *report_json(const struct wh_result *result, char run[REPORT_RUN_SIZE])
{
    struct json json = {0};
    struct buffer whole = {0};
    size_t head = 0;
    json_body(&json, result, &head);
    if (!json.failed && !json.out.failed) {
        snprintf(run, REPORT_RUN_SIZE, "%016" PRIx64,
                 (uint64_t)XXH3_64bits(json.out.bytes, json.out.length));
        buffer_bytes(&whole, json.out.bytes, head);
        buffer_printf(&whole, ",\n  \"run\": \"%s\"", run);
        buffer_bytes(&whole, json.out.bytes + head, json.out.length - head);
    } else {
        whole.failed = true;
    }
    buffer_free(&json.out);
    return buffer_take(&whole);
}

int report_run(const struct wh_result *result, char run[REPORT_RUN_SIZE])
{
    char *json = report_json(result, run);
    free(json);
    return json ? WH_OK : WH_ERROR;
}
