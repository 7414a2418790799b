/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.json: points, segments, flows, counts of events. */
#include <json-c/json.h>

#include "report/parts.h"

/* ---- points ---------------------------------------------------------------------------------- */

static struct json_object *files_array(struct json *json, const struct wh_point *point)
{
    struct json_object *array = json_object_new_array();
    for (uint32_t i = 0; array && i < point->file_count; i++) {
        const struct wh_file *file = &point->files[i];
        struct json_object *object = json_object_new_object();
        if (!object || json_object_array_add(array, object) != 0) {
            json_object_put(object);
            json->failed = true;
            break;
        }
        json_put_string(json, object, "name", file->name);
        json_put_string(json, object, "format", file->format);
        json_put_string(json, object, "damaged", file->damaged);
        json_put_count(json, object, "packets", file->packets);
    }
    return array;
}

static struct json_object *steps_array(struct json *json, const struct wh_clock_info *clock)
{
    struct json_object *array = json_object_new_array();
    for (uint32_t i = 0; array && i < clock->step_count; i++) {
        struct json_object *object = json_object_new_object();
        if (!object || json_object_array_add(array, object) != 0) {
            json_object_put(object);
            json->failed = true;
            break;
        }
        json_put_seconds(json, object, "at_s", clock->steps[i].at_ns);
        json_put_seconds(json, object, "step_s", clock->steps[i].step_ns);
    }
    return array;
}

static struct json_object *clock_object(struct json *json, const struct wh_clock_info *clock)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_seconds(json, object, "offset_s", clock->offset_ns);
    json_put_decimal(json, object, "drift_ppm", clock->drift_ppm);
    json_put_seconds(json, object, "uncertainty_s", clock->uncertainty_ns);
    json_put(json, object, "steps", steps_array(json, clock));
    return object;
}

static struct json_object *gaps_array(struct json *json, const struct wh_point *point)
{
    struct json_object *array = json_object_new_array();
    for (uint32_t i = 0; array && i < point->capture_gap_count; i++) {
        const struct wh_gap *gap = &point->capture_gaps[i];
        struct json_object *object = json_object_new_object();
        if (!object || json_object_array_add(array, object) != 0) {
            json_object_put(object);
            json_object_put(array);
            return NULL;
        }
        json_put_seconds(json, object, "from_s", gap->from_ns);
        json_put_seconds(json, object, "to_s", gap->to_ns);
        json_put_count(json, object, "packets", gap->packets);
    }
    return array;
}

static struct json_object *capture_loss_object(struct json *json, const struct wh_point *point)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_count(json, object, "packets", point->capture_missed);
    json_put_count(json, object, "dropped", point->capture_dropped);
    json_put(json, object, "gaps", gaps_array(json, point));
    return object;
}

static struct json_object *not_followed_object(struct json *json, const struct wh_point *point)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_count(json, object, "not_ip", point->not_ip);
    json_put_count(json, object, "truncated", point->truncated);
    json_put_count(json, object, "malformed", point->malformed);
    json_put_count(json, object, "fragments", point->fragments);
    return object;
}

static struct json_object *point_flows_object(struct json *json, const struct wh_point *point)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_count(json, object, "seen", point->flows);
    json_put_count(json, object, "matched", point->flows_matched);
    json_put_count(json, object, "ambiguous", point->flows_ambiguous);
    return object;
}

static struct json_object *point_object(struct json *json, const struct wh_point *point)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_string(json, object, "name", words_or(point->name, "?"));
    json_put(json, object, "files", files_array(json, point));
    json_put_count(json, object, "packets", point->packets);
    json_put_count(json, object, "bytes", point->bytes);
    json_put_seconds(json, object, "first_s", point->first_ns);
    json_put_seconds(json, object, "last_s", point->last_ns);
    json_put_count(json, object, "snaplen", point->snaplen);
    json_put_string(json, object, "link_type", point->link_type);
    json_put(json, object, "clock", clock_object(json, &point->clock));
    json_put(json, object, "capture_loss", capture_loss_object(json, point));
    json_put_bool(json, object, "merged_frames", point->merged_frames);
    json_put(json, object, "not_followed", not_followed_object(json, point));
    json_put(json, object, "flows", point_flows_object(json, point));
    return object;
}

/* ---- segments -------------------------------------------------------------------------------- */

static struct json_object *traffic_object(struct json *json, const struct wh_traffic *traffic)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_count(json, object, "packets", traffic->packets);
    json_put_count(json, object, "lost", traffic->lost);
    json_put_seconds(json, object, "delay_min_s", traffic->delay_min_ns);
    json_put_seconds(json, object, "delay_median_s", traffic->delay_median_ns);
    json_put_seconds(json, object, "delay_max_s", traffic->delay_max_ns);
    return object;
}

static struct json_object *segment_object(struct json *json, const struct wh_result *result,
                                          uint32_t index)
{
    const struct wh_segment *segment = &result->segments[index];
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_segment(json, object, "name", result, index, 1);
    json_put(json, object, "to_client", traffic_object(json, &segment->to_client));
    json_put(json, object, "to_server", traffic_object(json, &segment->to_server));
    json_put_seconds(json, object, "stall_time_s", segment->stall_time_ns);
    return object;
}

void json_captures(struct json *json, const struct wh_result *result)
{
    json_list_begin(json, "points");
    for (uint32_t i = 0; i < result->point_count; i++)
        json_list_item(json, point_object(json, &result->points[i]), i == 0);
    json_list_end(json);
    json_list_begin(json, "segments");
    for (uint32_t i = 0; i < result->segment_count; i++)
        json_list_item(json, segment_object(json, result, i), i == 0);
    json_list_end(json);
}

/* ---- flows ----------------------------------------------------------------------------------- */

/* A point's name as a key: valid UTF-8 as its name elsewhere. */
static void put_by_point(struct json *json, struct json_object *object,
                         const struct wh_point *point, struct json_object *value)
{
    struct buffer name = {0};
    utf8_add(&name, words_or(point->name, "?"));
    if (name.failed) {
        json_object_put(value);
        json->failed = true;
    } else {
        json_put(json, object, name.bytes, value);
    }
    buffer_free(&name);
}

static struct json_object *flow_at_object(struct json *json, const struct wh_result *result,
                                          const struct wh_flow *flow)
{
    struct json_object *object = json_object_new_object();
    for (uint32_t i = 0; object && i < result->point_count; i++) {
        const struct wh_flow_at *at = &flow->at[i];
        if (!at->client[0] && !at->server[0])
            continue;
        struct json_object *ends = json_object_new_object();
        if (ends) {
            json_put_string(json, ends, "client", at->client);
            json_put_string(json, ends, "server", at->server);
        }
        put_by_point(json, object, &result->points[i], ends);
    }
    return object;
}

static struct json_object *nat_object(struct json *json, const struct wh_flow *flow)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_string(json, object, "match", flow->match);
    json_put_decimal(json, object, "confidence", flow->confidence);
    json_put_bool(json, object, "ambiguous", flow->ambiguous);
    return object;
}

static struct json_object *ids_array(struct json *json, const uint32_t *ids, uint32_t count)
{
    struct json_object *array = json_object_new_array();
    for (uint32_t i = 0; array && i < count; i++) {
        struct json_object *id = json_object_new_uint64(ids[i]);
        if (!id || json_object_array_add(array, id) != 0) {
            json_object_put(id);
            json->failed = true;
        }
    }
    return array;
}

static struct json_object *flow_object(struct json *json, const struct wh_result *result,
                                       const struct wh_flow *flow)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_count(json, object, "id", flow->id);
    json_put_string(json, object, "protocol", flow->protocol);
    if (flow->joined)
        json_put_count(json, object, "joined", flow->joined);
    else
        json_put_null(json, object, "joined");
    json_put(json, object, "at", flow_at_object(json, result, flow));
    json_put(json, object, "nat", nat_object(json, flow));
    json_put_bool(json, object, "reversed", flow->reversed);
    json_put_seconds(json, object, "start_s", flow->start_ns);
    json_put_seconds(json, object, "end_s", flow->end_ns);
    json_put_count(json, object, "bytes_to_client", flow->bytes_to_client);
    json_put_count(json, object, "bytes_to_server", flow->bytes_to_server);
    json_put_seconds(json, object, "rtt_s", flow->rtt_ns);
    json_put(json, object, "events", json_events(json, flow->events, false));
    json_put(json, object, "stalls", ids_array(json, flow->stalls, flow->stall_count));
    return object;
}

static struct json_object *joint_object(struct json *json, const struct wh_joint *joint)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_count(json, object, "number", joint->number);
    json_put(json, object, "flows", ids_array(json, joint->flows, 2));
    json_put_count(json, object, "server_leg", joint->server_leg);
    json_put_string(json, object, "by", joint->by_content ? "content" : "volume");
    json_put_count(json, object, "bytes_alike", joint->alike_bytes);
    json_put_decimal(json, object, "confidence", joint->confidence);
    json_put_string(json, object, "text", joint->text);
    return object;
}

static struct json_object *events_object(struct json *json, const struct wh_result *result)
{
    struct json_object *object = json_object_new_object(), *counts = json_object_new_object();
    if (!object || !counts) {
        json_object_put(object);
        json_object_put(counts);
        return NULL;
    }
    for (uint32_t i = 0; i < result->point_count; i++)
        put_by_point(json, counts, &result->points[i],
                     json_events(json, result->points[i].events, true));
    json_put_string(json, object, "file", "events.csv");
    json_put_count(json, object, "rows", result->event_count);
    json_put_count(json, object, "dropped", result->events_dropped);
    json_put(json, object, "counts", counts);
    return object;
}

void json_flows(struct json *json, const struct wh_result *result)
{
    bool first = true;
    json_list_begin(json, "flows");
    for (uint32_t i = 0; i < result->flow_count; i++) {
        if (!result->flows[i].reported)
            continue;
        json_list_item(json, flow_object(json, result, &result->flows[i]), first);
        first = false;
    }
    json_list_end(json);
    json_list_begin(json, "joined");
    for (uint32_t i = 0; i < result->joint_count; i++)
        json_list_item(json, joint_object(json, &result->joints[i]), i == 0);
    json_list_end(json);
    struct json_object *count = json_object_new_uint64(result->flow_count);
    json_field(json, "flow_count", count);
    json_field(json, "events", events_object(json, result));
}
