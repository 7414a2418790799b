/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Display filters for Wireshark and `tshark -Y`, one for a point each: names and times there are
 * the point's own, as they stand in its file, not those of the path.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "report/parts.h"

#define FRAMES_MAX 30u
#define AROUND_NS  (100 * NS_PER_MS) /* shown before and after a stall */

/* ---- by frame number ------------------------------------------------------------------------- */

static int by_number(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

bool filter_frames(struct buffer *out, const struct wh_stall *stall, uint32_t point, uint32_t file)
{
    uint32_t frames[FRAMES_MAX], count = 0;
    for (uint32_t e = 0; e < stall->evidence_count; e++)
        for (uint32_t f = 0; f < stall->evidence[e].frame_count && count < FRAMES_MAX; f++) {
            const struct wh_frame *frame = &stall->evidence[e].frames[f];
            if (frame->point == point && frame->file == file)
                frames[count++] = frame->frame;
        }
    if (!count)
        return false;
    qsort(frames, count, sizeof *frames, by_number);
    buffer_add(out, "frame.number in {");
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || frames[i] != frames[i - 1])
            buffer_printf(out, "%s%" PRIu32, i ? ", " : "", frames[i]);
    buffer_add(out, "}");
    return true;
}

/* ---- by addresses, ports and time ------------------------------------------------------------ */

/* "ip.addr==192.0.2.1 && " or "ipv6.addr==2001:db8::1 && " of "[2001:db8::1]:80". */
static void add_address(struct buffer *out, const char *end_point)
{
    bool six = *end_point == '[';
    const char *from = end_point + six, *colon = strrchr(end_point, ':');
    size_t length = colon ? (size_t)(colon - from) - six : strlen(from);
    buffer_add(out, six ? "ipv6.addr==" : "ip.addr==");
    buffer_bytes(out, from, length);
    buffer_add(out, " && ");
}

static void add_port(struct buffer *out, const char *protocol, const char *end_point)
{
    const char *colon = strrchr(end_point, ':');
    if (colon)
        buffer_printf(out, "%s.port==%s && ", protocol, colon + 1);
}

/* Filters have no words for what else an end point might be. */
static bool is_end_point(const char *text)
{
    const char *colon = strrchr(text, ':');
    return colon && colon > text && colon[1] &&
           strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
           strspn(text, "0123456789abcdefABCDEF.:[]") == strlen(text);
}

int64_t filter_file_time(const struct wh_result *result, const struct wh_point *point,
                         int64_t path_ns)
{
    const struct wh_clock_info *clock = &point->clock;
    int64_t since_ns = point->first_ns == WH_NONE ? 0 : number_sum(path_ns, -point->first_ns);
    double drift = (double)since_ns * clock->drift_ppm / 1e6;
    int64_t drift_ns = drift > -1e18 && drift < 1e18 ? (int64_t)drift : 0;
    int64_t ns = number_sum(number_sum(result->epoch_unix_ns, path_ns),
                            clock->offset_ns == INT64_MIN ? 0 : -clock->offset_ns);
    for (uint32_t i = 0; i < clock->step_count; i++)
        if (clock->steps[i].at_ns <= path_ns)
            ns = number_sum(ns, clock->steps[i].step_ns);
    return number_sum(ns, -drift_ns);
}

bool filter_flow(struct buffer *out, const struct wh_result *result, const struct wh_stall *stall,
                 uint32_t point)
{
    if (!stall->flow || stall->flow > result->flow_count)
        return false;
    const struct wh_flow *flow = &result->flows[stall->flow - 1];
    const struct wh_flow_at *at = &flow->at[point];
    const char *protocol = words_or(flow->protocol, "");
    if (!is_end_point(at->client) || !is_end_point(at->server) ||
        (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0))
        return false;
    const struct wh_point *where = &result->points[point];
    int64_t unsure_ns = where->clock.uncertainty_ns > 0 ? where->clock.uncertainty_ns : 0;
    int64_t around_ns = number_sum(AROUND_NS, unsure_ns);
    int64_t a_ns = filter_file_time(result, where, number_sum(stall->start_ns, -around_ns));
    int64_t b_ns = filter_file_time(result, where, number_sum(stall->end_ns, around_ns));
    int64_t from_ns = a_ns < b_ns ? a_ns : b_ns, to_ns = a_ns < b_ns ? b_ns : a_ns;
    add_address(out, at->client);
    if (strcmp(at->client, at->server) != 0)
        add_address(out, at->server);
    add_port(out, protocol, at->client);
    add_port(out, protocol, at->server);
    buffer_printf(out, "frame.time_epoch>=%s && frame.time_epoch<=%s",
                  number_seconds(from_ns - from_ns % NS_PER_MS, 3).text,
                  number_seconds(number_sum(to_ns - to_ns % NS_PER_MS, NS_PER_MS), 3).text);
    return true;
}
