/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The usual suspicions, one row each, and the loop that asks their rules. Where a rule cannot
 * decide, the table of what is known says what is missing; without a stall there is nothing to
 * suspect, but for the captures themselves.
 */
#include "blame/hypotheses.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "blame/hypotheses_facts.h"
#include "blame/knowledge.h"

#define SENTENCE_MAX 300

struct row {
    const char *id; /* in knowledge_suspicions, which has the words */
    bool needs_stall;
    hypothesis_rule rule;
};

static const struct row rows[] = {
    {"netback_slots", true, suspect_netback_slots},
    {"netback_ring", true, suspect_netback_ring},
    {"rate_limit", true, suspect_rate_limit},
    {"checksum_offload", true, suspect_checksum_offload},
    {"large_receive_offload", true, suspect_large_receive_offload},
    {"host_memory", true, suspect_host_memory},
    {"conntrack_invalid", true, suspect_conntrack_invalid},
    {"mtu_blackhole", true, suspect_mtu_blackhole},
    {"bridge_netfilter", true, suspect_bridge_netfilter},
    {"receiver_not_reading", true, suspect_receiver_not_reading},
    {"not_scheduled", true, suspect_not_scheduled},
    {"loss_beyond_outermost", true, suspect_loss_beyond_outermost},
    {"sender_idle", true, suspect_sender_idle},
    {"capture_artefact", false, suspect_capture_artefact},
};

#define ROW_COUNT (sizeof rows / sizeof *rows)

/* ---- writing down ---------------------------------------------------------------------------- */

static void answer_add(struct answer *answer, enum wh_hypothesis_status status,
                       const struct wh_frame *frames, uint32_t frame_count, const char *format,
                       va_list arguments)
{
    char text[SENTENCE_MAX];
    answer->status = status;
    if (answer->count == ANSWER_EVIDENCE_MAX || answer->failed)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    struct wh_frame *copies = arena_alloc(answer->arena, (size_t)frame_count + 1, sizeof *copies);
    char *sentence = arena_strdup(answer->arena, text);
    answer->failed = !copies || !sentence;
    if (answer->failed)
        return;
    for (uint32_t i = 0; i < frame_count; i++)
        copies[i] = frames[i];
    answer->evidence[answer->count++] =
        (struct wh_evidence){.text = sentence, .frames = copies, .frame_count = frame_count};
}

void answer_stall(struct answer *answer, enum wh_hypothesis_status status,
                  const struct wh_stall *stall, const char *format, ...)
{
    const struct wh_evidence *of = stall && stall->evidence_count ? &stall->evidence[0] : NULL;
    va_list arguments;
    va_start(arguments, format);
    answer_add(answer, status, of ? of->frames : NULL, of ? of->frame_count : 0, format, arguments);
    va_end(arguments);
}

void answer_event(struct answer *answer, enum wh_hypothesis_status status,
                  const struct wh_event *event, const char *format, ...)
{
    struct wh_frame frame = {0};
    if (event)
        frame = (struct wh_frame){event->point, event->file, event->frame};
    va_list arguments;
    va_start(arguments, format);
    answer_add(answer, status, &frame, event != NULL, format, arguments);
    va_end(arguments);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void ask(const struct row *row, struct facts *facts, struct answer *answer)
{
    const struct wh_result *result = facts->result;
    if (result->flow_count == 0)
        return; /* nothing was seen, so nothing is excluded */
    if (row->needs_stall && result->stall_count == 0)
        answer_stall(answer, WH_EXCLUDED, NULL,
                     "no flow stalled: none of %u stood still with something to send",
                     result->flow_count);
    else
        row->rule(facts, answer);
}

static bool fill(const struct row *row, struct facts *facts, struct wh_hypothesis *hypothesis)
{
    struct answer answer = {.arena = facts->arena, .status = WH_UNDECIDED};
    ask(row, facts, &answer);
    struct wh_evidence *evidence =
        arena_alloc(facts->arena, (size_t)answer.count + 1, sizeof *evidence);
    if (answer.failed || !evidence)
        return false;
    for (uint32_t i = 0; i < answer.count; i++)
        evidence[i] = answer.evidence[i];
    const struct knowledge *known = knowledge_of_suspicion(row->id);
    *hypothesis = (struct wh_hypothesis){
        .id = row->id,
        .title = known ? known->title : row->id,
        .status = answer.status,
        .evidence = evidence,
        .evidence_count = answer.count,
        .to_decide = known && answer.status == WH_UNDECIDED ? known->capture : NULL,
    };
    return true;
}

int hypotheses_make(struct wh_result *result, struct arena *arena, struct wh_error *error)
{
    struct wh_hypothesis *list = arena_alloc(arena, ROW_COUNT, sizeof *list);
    struct facts *facts = arena_alloc(arena, 1, sizeof *facts);
    if (!list || !facts)
        return error_memory(error, "hypotheses");
    facts_make(facts, result, arena);
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (!fill(&rows[i], facts, &list[i]))
            return error_memory(error, "hypotheses");
    result->hypotheses = list;
    result->hypothesis_count = ROW_COUNT;
    return WH_OK;
}
