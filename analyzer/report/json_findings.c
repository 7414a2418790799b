/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.json: stalls, verdict, hypotheses, warnings. */
#include <json-c/json.h>

#include "report/parts.h"

static struct json_object *stall_object(struct json *json, const struct wh_result *result,
                                        const struct wh_stall *stall)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_count(json, object, "id", stall->id);
    json_put_count(json, object, "flow", stall->flow);
    json_put_seconds(json, object, "start_s", stall->start_ns);
    json_put_seconds(json, object, "end_s", stall->end_ns);
    json_put_seconds(json, object, "duration_s", stall->end_ns - stall->start_ns);
    json_put_bool(json, object, "resumed", stall->resumed);
    json_put_segment(json, object, "segment", result, stall->segment, stall->segment_span);
    json_put_string(json, object, "cause", wh_cause_word(stall->cause));
    json_put_string(json, object, "direction", wh_direction_word(stall->direction));
    json_put_decimal(json, object, "confidence", stall->confidence);
    json_put_count(json, object, "bytes_waiting", stall->bytes_waiting);
    json_put_string(json, object, "scope", wh_scope_word(stall->scope));
    if (stall->caused_by)
        json_put_count(json, object, "caused_by", stall->caused_by);
    else
        json_put_null(json, object, "caused_by");
    json_put(json, object, "evidence",
             json_evidence(json, result, stall->evidence, stall->evidence_count));
    return object;
}

static struct json_object *ranking_object(struct json *json, const struct wh_result *result,
                                          const struct wh_ranking *ranking)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_segment(json, object, "segment", result, ranking->segment, ranking->segment_span);
    json_put_string(json, object, "cause", wh_cause_word(ranking->cause));
    json_put_count(json, object, "stalls", ranking->stalls);
    json_put_count(json, object, "flows", ranking->flows);
    json_put_seconds(json, object, "stall_time_s", ranking->stall_time_ns);
    json_put_decimal(json, object, "share", ranking->share);
    json_put_decimal(json, object, "confidence", ranking->confidence);
    return object;
}

static struct json_object *verdict_object(struct json *json, const struct wh_result *result)
{
    const struct wh_verdict *verdict = &result->verdict;
    struct json_object *object = json_object_new_object(), *ranking = json_object_new_array();
    if (!object || !ranking) {
        json_object_put(object);
        json_object_put(ranking);
        return NULL;
    }
    json_put_bool(json, object, "stalled", verdict->stalled);
    if (verdict->stalled) {
        json_put_segment(json, object, "segment", result, verdict->segment, verdict->segment_span);
        json_put_string(json, object, "cause", wh_cause_word(verdict->cause));
    } else {
        json_put_null(json, object, "segment");
        json_put_null(json, object, "cause");
    }
    json_put_decimal(json, object, "confidence", verdict->confidence);
    json_put_string(json, object, "sentence", words_or(verdict->sentence, ""));
    for (uint32_t i = 0; verdict->stalled && i < verdict->ranking_count; i++) {
        struct json_object *row = ranking_object(json, result, &verdict->ranking[i]);
        if (!row || json_object_array_add(ranking, row) != 0) {
            json_object_put(row);
            json->failed = true;
        }
    }
    json_put(json, object, "ranking", ranking);
    return object;
}

static struct json_object *hypothesis_object(struct json *json, const struct wh_result *result,
                                             const struct wh_hypothesis *hypothesis)
{
    struct json_object *object = json_object_new_object();
    if (!object)
        return NULL;
    json_put_string(json, object, "id", hypothesis->id);
    json_put_string(json, object, "title", hypothesis->title);
    json_put_string(json, object, "status", wh_hypothesis_word(hypothesis->status));
    json_put(json, object, "evidence",
             json_evidence(json, result, hypothesis->evidence, hypothesis->evidence_count));
    json_put_string(json, object, "to_decide", hypothesis->to_decide);
    return object;
}

void json_findings(struct json *json, const struct wh_result *result)
{
    json_list_begin(json, "stalls");
    for (uint32_t i = 0; i < result->stall_count; i++)
        json_list_item(json, stall_object(json, result, &result->stalls[i]), i == 0);
    json_list_end(json);
    json_field(json, "verdict", verdict_object(json, result));
    json_list_begin(json, "hypotheses");
    for (uint32_t i = 0; i < result->hypothesis_count; i++)
        json_list_item(json, hypothesis_object(json, result, &result->hypotheses[i]), i == 0);
    json_list_end(json);
    json_list_begin(json, "warnings");
    for (uint32_t i = 0; i < result->warning_count; i++) {
        struct buffer clean = {0};
        utf8_add(&clean, result->warnings[i]);
        json_list_item(json, clean.failed ? NULL : json_object_new_string(clean.bytes), i == 0);
        buffer_free(&clean);
    }
    json_list_end(json);
}
