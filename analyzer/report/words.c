/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The fixed words of the reports, and how points, segments and frames are named. The words of the
 * public functions are those scripts read; the others are for people.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "blame/knowledge.h"
#include "report/parts.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

const char *wh_cause_word(enum wh_cause cause)
{
    static const char *const WORDS[] = {
#define CAUSE_WORD(name, word) word,
        WH_CAUSES(CAUSE_WORD)
#undef CAUSE_WORD
    };
    return (size_t)cause < COUNT_OF(WORDS) ? WORDS[cause] : WORDS[WH_CAUSE_UNKNOWN];
}

const char *wh_event_word(enum wh_event_kind kind)
{
    static const char *const WORDS[] = {
#define EVENT_WORD(name, word, meaning) word,
        WH_EVENTS(EVENT_WORD)
#undef EVENT_WORD
    };
    return (size_t)kind < COUNT_OF(WORDS) ? WORDS[kind] : "unknown";
}

const char *wh_direction_word(enum wh_direction direction)
{
    static const char *const WORDS[] = {
        [WH_TO_SERVER] = "to_server", [WH_TO_CLIENT] = "to_client", [WH_BOTH] = "both"};
    return (size_t)direction < COUNT_OF(WORDS) ? WORDS[direction] : "unknown";
}

const char *wh_scope_word(enum wh_scope scope)
{
    static const char *const WORDS[] = {
        [WH_ONE_FLOW] = "one_flow", [WH_SOME_FLOWS] = "some_flows", [WH_ALL_FLOWS] = "all_flows"};
    return (size_t)scope < COUNT_OF(WORDS) ? WORDS[scope] : "unknown";
}

const char *wh_hypothesis_word(enum wh_hypothesis_status status)
{
    static const char *const WORDS[] = {
        [WH_UNDECIDED] = "undecided", [WH_SUPPORTED] = "supported", [WH_EXCLUDED] = "excluded"};
    return (size_t)status < COUNT_OF(WORDS) ? WORDS[status] : "undecided";
}

const char *words_cause_meaning(enum wh_cause cause)
{
    return knowledge_of_cause(cause)->title;
}

const char *words_direction(enum wh_direction direction)
{
    static const char *const WORDS[] = {
        [WH_TO_SERVER] = "to server", [WH_TO_CLIENT] = "to client", [WH_BOTH] = "both ways"};
    return (size_t)direction < COUNT_OF(WORDS) ? WORDS[direction] : "-";
}

const char *words_scope(enum wh_scope scope)
{
    static const char *const WORDS[] = {
        [WH_ONE_FLOW] = "one flow", [WH_SOME_FLOWS] = "some flows", [WH_ALL_FLOWS] = "all flows"};
    return (size_t)scope < COUNT_OF(WORDS) ? WORDS[scope] : "-";
}

const char *words_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

const char *words_plural(uint64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

bool words_in_span(uint32_t segment, uint32_t first, uint32_t span)
{
    return segment >= first && segment - first < (span ? span : 1);
}

const char *words_neighbour(const struct wh_result *result, uint32_t index)
{
    if (index == 0)
        return "servers";
    return index <= result->point_count ? words_or(result->points[index - 1].name, "?") : "clients";
}

/* The neighbour behind the span; never beyond the path's end. */
static uint32_t span_end(const struct wh_result *result, uint32_t segment, uint32_t span)
{
    uint32_t left = result->point_count + 1 - segment;
    return segment + (span == 0 ? 1 : span < left ? span : left);
}

void words_segment(struct buffer *buffer, const struct wh_result *result, uint32_t segment,
                   uint32_t span)
{
    if (segment > result->point_count)
        segment = result->point_count;
    utf8_add(buffer, words_neighbour(result, segment));
    buffer_add(buffer, "..");
    utf8_add(buffer, words_neighbour(result, span_end(result, segment, span)));
}

const char *words_frame_point(const struct wh_result *result, const struct wh_frame *frame)
{
    return frame->point < result->point_count ? words_or(result->points[frame->point].name, "?")
                                              : "?";
}

const char *words_frame_file(const struct wh_result *result, const struct wh_frame *frame)
{
    if (frame->point >= result->point_count)
        return NULL;
    const struct wh_point *point = &result->points[frame->point];
    if (point->file_count < 2 || frame->file >= point->file_count)
        return NULL;
    return words_or(point->files[frame->file].name, "?");
}

/* ---- events.csv's `detail` ------------------------------------------------------------------- */

static void detail_lost(const struct wh_result *result, const struct wh_event *event, char *buffer,
                        size_t size)
{
    uint32_t first = event->value <= result->point_count ? event->value : result->point_count;
    snprintf(buffer, size, "%s..%s", words_neighbour(result, first),
             words_neighbour(result, span_end(result, first, event->span)));
}

const char *wh_event_detail(const struct wh_result *result, const struct wh_event *event,
                            char *buffer, size_t size)
{
    if (!size)
        return buffer;
    buffer[0] = '\0';
    switch ((enum wh_event_kind)event->kind) {
    case WH_EVENT_LOST:
        detail_lost(result, event, buffer, size);
        break;
    case WH_EVENT_SILENCE:
        snprintf(buffer, size, "%" PRIu32 ".%06" PRIu32 " s", event->value / 1000000,
                 event->value % 1000000);
        break;
    case WH_EVENT_GAP:
        snprintf(buffer, size, "%" PRIu32 " bytes", event->value);
        break;
    case WH_EVENT_DUPLICATE_ACK:
        snprintf(buffer, size, "number %" PRIu32, event->value);
        break;
    case WH_EVENT_ICMP_TOO_BIG:
        if (event->value)
            snprintf(buffer, size, "MTU %" PRIu32, event->value);
        break;
    default:
        break;
    }
    return buffer;
}
