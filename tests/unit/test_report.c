/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The report's views on results made by hand: what scripts read (report.json, events.csv) is parsed
 * back and held against the contract; what people read keeps its width and its size whatever the
 * names are; what cannot be written leaves nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/parts.h"

#define MS 1000000LL
#define S  1000000000LL

/* ---- the founding case, by hand ------------------------------------------------------------ */

static const struct wh_file FILES_ETH0[] = {{"eth0.pcap", "pcap", NULL, 26092}};
static const struct wh_file FILES_E[] = {
    {"xenbrE-1.pcapng", "pcapng", NULL, 20000},
    {"xenbrE,\"2\".pcapng", "pcapng", "ends in the middle of packet 5900 (byte 812345)", 5899},
};
static const struct wh_file FILES_D[] = {{"xenbrD.pcap.gz", "pcap", NULL, 25880}};

static const struct wh_point POINTS[] = {
    {.name = "eth0",
     .files = FILES_ETH0,
     .file_count = 1,
     .packets = 26092,
     .bytes = 25123456,
     .not_ip = 12,
     .first_ns = 0,
     .last_ns = 11100 * MS,
     .snaplen = 128,
     .link_type = "EN10MB",
     .clock = {0, 0.0, 12000},
     .flows = 14,
     .flows_matched = 12,
     .flows_ambiguous = 1,
     .merged_frames = true,
     .events = {[WH_EVENT_RETRANSMISSION] = 3}},
    {.name = "xenbrE",
     .files = FILES_E,
     .file_count = 2,
     .packets = 25899,
     .bytes = 25023456,
     .first_ns = 160000,
     .last_ns = 11100 * MS + 160000,
     .snaplen = 128,
     .link_type = "EN10MB",
     .clock = {-1393712000, 12.25, 9500},
     .capture_missed = 3,
     .capture_dropped = 1,
     .flows = 13,
     .flows_matched = 13,
     .events = {[WH_EVENT_RETRANSMISSION] = 3, [WH_EVENT_LOST] = 7}},
    {.name = "xenbrD",
     .files = FILES_D,
     .file_count = 1,
     .packets = 25880,
     .bytes = 24923456,
     .truncated = 2,
     .malformed = 1,
     .fragments = 4,
     .first_ns = WH_NONE,
     .last_ns = WH_NONE,
     .snaplen = 96,
     .link_type = "EN10MB",
     .clock = {0, 0.0, WH_NONE},
     .flows = 12,
     .flows_matched = 12},
};

static const struct wh_segment SEGMENTS[] = {
    {"servers..eth0",
     {16584, 0, WH_NONE, WH_NONE, WH_NONE},
     {9341, 0, WH_NONE, WH_NONE, WH_NONE},
     0},
    {"eth0..xenbrE", {16584, 0, 160000, 190000, 900000}, {9341, 2, 150000, 170000, 12300000}, 0},
    {"xenbrE..xenbrD",
     {16584, 61, 210000, 260000, 1407211000},
     {9339, 0, 200000, 230000, 1400000000},
     4231 * MS},
    {"xenbrD..clients",
     {16523, 0, WH_NONE, WH_NONE, WH_NONE},
     {9339, 0, WH_NONE, WH_NONE, WH_NONE},
     0},
};

static const struct wh_flow_at AT_1[] = {
    {"203.0.113.2:54464", "203.0.113.10:8080"},
    {"203.0.113.2:54464", "203.0.113.10:8080"},
    {"10.20.30.1:40112", "203.0.113.10:8080"},
};
static const struct wh_flow_at AT_2[] = {
    {"[2001:db8::2]:50000", "[2001:db8::10]:22"},
    {"", ""},
    {"[2001:db8::2]:50000", "[2001:db8::10]:22"},
};
static const uint32_t STALLS_1[] = {1, 3}, STALLS_2[] = {2};
static const uint64_t NO_EVENTS[WH_EVENT_KINDS];
static const uint64_t EVENTS_OF_1[WH_EVENT_KINDS] = {
    [WH_EVENT_RETRANSMISSION] = 3, [WH_EVENT_RESET] = 1};
static const struct wh_flow FLOWS[] = {
    {.id = 1,
     .protocol = "tcp",
     .at = AT_1,
     .match = "isn+timestamps",
     .confidence = 0.999,
     .reported = true,
     .start_ns = 10 * MS,
     .end_ns = 11100 * MS,
     .bytes_to_client = 24000000,
     .bytes_to_server = 118,
     .rtt_ns = 12 * MS,
     .events = EVENTS_OF_1,
     .stalls = STALLS_1,
     .stall_count = 2},
    {.id = 2,
     .protocol = "tcp",
     .joined = 5,
     .at = AT_2,
     .match = "payload",
     .confidence = 0.8,
     .reported = true,
     .start_ns = 0,
     .end_ns = 11000 * MS,
     .rtt_ns = WH_NONE,
     .events = NO_EVENTS,
     .stalls = STALLS_2,
     .stall_count = 1},
    {.id = 3,
     .protocol = "udp",
     .at = AT_2,
     .match = "single",
     .ambiguous = true,
     .rtt_ns = WH_NONE,
     .events = NO_EVENTS},
};

static const struct wh_event EVENTS[] = {
    {.time_ns = 1393712000,
     .seq = 1449,
     .length = 1448,
     .value = 2,
     .flow = 1,
     .frame = 4711,
     .file = 1,
     .point = 1,
     .direction = WH_TO_CLIENT,
     .kind = WH_EVENT_LOST,
     .span = 2},
    {.time_ns = 2800923001,
     .seq = 1449,
     .length = 1448,
     .value = 812345,
     .flow = 1,
     .frame = 4711,
     .point = 0,
     .direction = WH_TO_CLIENT,
     .kind = WH_EVENT_SILENCE},
    {.time_ns = 2800923002,
     .seq = 4294967296LL,
     .value = 3,
     .flow = 1,
     .frame = 4712,
     .file = 0,
     .point = 1,
     .direction = WH_TO_SERVER,
     .kind = WH_EVENT_DUPLICATE_ACK},
    {.time_ns = 2800923003,
     .seq = WH_NONE,
     .value = 1400,
     .frame = 7,
     .point = 2,
     .direction = WH_TO_SERVER,
     .kind = WH_EVENT_ICMP_TOO_BIG},
    {.time_ns = 2800923004,
     .seq = 0,
     .length = 10,
     .value = 2896,
     .flow = 2,
     .frame = 8,
     .point = 2,
     .direction = WH_TO_CLIENT,
     .kind = WH_EVENT_GAP},
};

static const struct wh_frame FRAMES[] = {{1, 1, 4711}, {1, 1, 4712}, {2, 0, 4698}};
static const struct wh_evidence EVIDENCE[] = {
    {"61 packets seen at xenbrE from 1.394 s reached xenbrD together at 2.801 s.", FRAMES, 3},
    {"Nothing was lost between xenbrE and xenbrD while they waited.", NULL, 0},
};
static const struct wh_stall STALLS[] = {
    {.id = 1,
     .flow = 1,
     .start_ns = 1393712000,
     .end_ns = 2800923000,
     .resumed = true,
     .segment = 2,
     .segment_span = 1,
     .cause = WH_CAUSE_FREEZE,
     .direction = WH_BOTH,
     .scope = WH_ALL_FLOWS,
     .confidence = 0.98,
     .bytes_waiting = 91224,
     .evidence = EVIDENCE,
     .evidence_count = 2},
    {.id = 2,
     .flow = 2,
     .start_ns = 1400 * MS,
     .end_ns = 2800 * MS,
     .resumed = true,
     .segment = 2,
     .segment_span = 1,
     .cause = WH_CAUSE_FREEZE,
     .direction = WH_TO_SERVER,
     .scope = WH_ALL_FLOWS,
     .confidence = 0.9,
     .bytes_waiting = 36,
     .caused_by = 1,
     .evidence = EVIDENCE,
     .evidence_count = 1},
    {.id = 3,
     .flow = 1,
     .start_ns = 10 * S,
     .end_ns = 11100 * MS,
     .segment = 1,
     .segment_span = 2,
     .cause = WH_CAUSE_UNKNOWN,
     .direction = WH_TO_CLIENT,
     .scope = WH_ONE_FLOW,
     .confidence = 0.4},
};
static const struct wh_ranking RANKING[] = {
    {2, 1, WH_CAUSE_FREEZE, 2, 2, 1407211000, 0.5613, 0.98},
    {1, 2, WH_CAUSE_UNKNOWN, 1, 1, 1100 * MS, 0.4387, 0.4},
};
static const struct wh_hypothesis HYPOTHESES[] = {
    {"scheduling", "The firewall or the host was not scheduled (CPU, I/O wait)", WH_SUPPORTED,
     EVIDENCE, 2, NULL},
    {"mtu", "Path MTU or MSS black hole", WH_EXCLUDED, EVIDENCE + 1, 1, NULL},
    {"backend_slots", "The back end's transmit slots are pinned", WH_UNDECIDED, NULL, 0,
     "Capture on both of the firewall's virtual interfaces in the host, and inside the firewall."},
};
static const char *const WARNINGS[] = {"xenbrE,\"2\".pcapng ends in the middle of packet 5900; "
                                       "what comes before it was analysed."};

static struct wh_result founding_case(void)
{
    return (struct wh_result){
        .epoch_unix_ns = 1795361731031814000,
        .duration_ns = 11118 * MS,
        .path_found = true,
        .points = POINTS,
        .point_count = 3,
        .segments = SEGMENTS,
        .segment_count = 4,
        .flows = FLOWS,
        .flow_count = 3,
        .events = EVENTS,
        .event_count = 5,
        .stalls = STALLS,
        .stall_count = 3,
        .verdict = {true, 2, 1, WH_CAUSE_FREEZE, 0.98,
                    "Between xenbrE and xenbrD, where the NAT is, every packet was held twice, "
                    "for 1.4 s in all; nothing was lost there.",
                    RANKING, 2},
        .hypotheses = HYPOTHESES,
        .hypothesis_count = 3,
        .warnings = WARNINGS,
        .warning_count = 1};
}

/* ---- other results ------------------------------------------------------------------------- */

/* One point, no flow, nothing known. */
static const struct wh_file FILE_BARE = {"-", "pcap", NULL, 0};
static const struct wh_point POINT_BARE = {.name = "lo",
                                           .files = &FILE_BARE,
                                           .file_count = 1,
                                           .first_ns = WH_NONE,
                                           .last_ns = WH_NONE,
                                           .clock = {0, 0, WH_NONE}};
static const struct wh_segment SEGMENTS_BARE[] = {
    {"servers..lo", {0, 0, WH_NONE, WH_NONE, WH_NONE}, {0, 0, WH_NONE, WH_NONE, WH_NONE}, 0},
    {"lo..clients", {0, 0, WH_NONE, WH_NONE, WH_NONE}, {0, 0, WH_NONE, WH_NONE, WH_NONE}, 0},
};

static struct wh_result bare_case(void)
{
    return (struct wh_result){.epoch_unix_ns = 0,
                              .points = &POINT_BARE,
                              .point_count = 1,
                              .segments = SEGMENTS_BARE,
                              .segment_count = 2,
                              .verdict = {.confidence = 0.5, .sentence = "No flow was seen."}};
}

#define EVIL  "a\"b|c`d\\e,\n@me #12 <img src=x>\x1b[31m\xff\xc0\xaf\xed\xa0\x80 *x* [y](z) $1 _"
#define EVIL2 EVIL EVIL EVIL EVIL

/* Hostile names everywhere, and more of everything than a page takes. */
struct hostile {
    struct wh_point points[32];
    struct wh_segment segments[33];
    struct wh_file files[40];
    char client[32][WH_ENDPOINT_MAX];
    struct wh_flow_at at[32];
    struct wh_flow flows[300];
    struct wh_stall stalls[900];
    struct wh_evidence evidence[9];
    struct wh_frame frames[20];
    struct wh_hypothesis hypotheses[60];
    const char *warnings[200];
    struct wh_event events[4];
    uint32_t ids[3];
    struct wh_ranking ranking;
    struct wh_result result;
};

static void hostile_names(struct hostile *h)
{
    for (int i = 0; i < 40; i++)
        h->files[i] = (struct wh_file){EVIL2, EVIL, EVIL2, 1};
    for (int i = 0; i < 20; i++)
        h->frames[i] = (struct wh_frame){(uint16_t)i, (uint16_t)i, UINT32_MAX};
    h->frames[19] = (struct wh_frame){UINT16_MAX, UINT16_MAX, 0};
    for (int i = 0; i < 9; i++)
        h->evidence[i] = (struct wh_evidence){EVIL2 EVIL2, h->frames, 20};
    for (int i = 0; i < 32; i++) {
        h->points[i] = (struct wh_point){.name = EVIL2,
                                         .files = h->files,
                                         .file_count = 40,
                                         .packets = UINT64_MAX,
                                         .bytes = UINT64_MAX,
                                         .not_ip = UINT64_MAX,
                                         .first_ns = INT64_MIN + 1,
                                         .last_ns = INT64_MAX,
                                         .link_type = EVIL,
                                         .clock = {INT64_MAX, -1.0 / 3, INT64_MAX},
                                         .capture_missed = UINT64_MAX,
                                         .flows = UINT32_MAX};
        snprintf(h->client[i], WH_ENDPOINT_MAX, "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:%x]:%d",
                 0xf000 + i, 65535);
        h->at[i] = (struct wh_flow_at){h->client[i], "198.51.100.10:8080"};
    }
    for (int i = 0; i < 33; i++)
        h->segments[i] = (struct wh_segment){EVIL2,
                                             {UINT64_MAX, UINT64_MAX, INT64_MAX, 1, -1},
                                             {UINT64_MAX, 1, 999499, 999500, 999950000},
                                             INT64_MAX};
}

static struct hostile *hostile_case(void)
{
    struct hostile *h = calloc(1, sizeof *h);
    assert_non_null(h);
    hostile_names(h);
    for (uint32_t i = 0; i < 300; i++)
        h->flows[i] = (struct wh_flow){.id = i + 1,
                                       .protocol = EVIL,
                                       .at = h->at,
                                       .match = EVIL2,
                                       .confidence = 0.0 / 1,
                                       .reported = i % 2 == 0,
                                       .rtt_ns = INT64_MAX,
                                       .events = NO_EVENTS,
                                       .stalls = h->ids,
                                       .stall_count = 3};
    for (uint32_t i = 0; i < 900; i++)
        h->stalls[i] = (struct wh_stall){.id = i + 1,
                                         .flow = i % 300 + 1,
                                         .start_ns = i * MS,
                                         .end_ns = i * MS + (i * 37 % 900) * MS + 1,
                                         .segment = i % 33,
                                         .segment_span = i % 5,
                                         .cause = (enum wh_cause)(i % WH_CAUSE_COUNT),
                                         .confidence = 0.9999,
                                         .bytes_waiting = UINT64_MAX,
                                         .evidence = h->evidence,
                                         .evidence_count = 9};
    for (int i = 0; i < 60; i++)
        h->hypotheses[i] = (struct wh_hypothesis){
            EVIL, EVIL2, (enum wh_hypothesis_status)(i % 3), h->evidence, 9, EVIL2};
    for (int i = 0; i < 200; i++)
        h->warnings[i] = EVIL2 EVIL2;
    for (int i = 0; i < 4; i++)
        h->events[i] = (struct wh_event){.kind = WH_EVENT_LOST,
                                         .point = (uint8_t)(i * 31),
                                         .file = (uint16_t)(i * 39),
                                         .time_ns = -1,
                                         .value = 30,
                                         .span = 9,
                                         .seq = INT64_MAX,
                                         .length = 1};
    h->ranking = (struct wh_ranking){31, 9, WH_CAUSE_UNKNOWN, 1, 1, INT64_MAX, 1, 0.999};
    h->result = (struct wh_result){
        .epoch_unix_ns = INT64_MAX,
        .duration_ns = INT64_MAX,
        .points = h->points,
        .point_count = 32,
        .segments = h->segments,
        .segment_count = 33,
        .flows = h->flows,
        .flow_count = 300,
        .events = h->events,
        .event_count = 4,
        .events_dropped = UINT64_MAX,
        .stalls = h->stalls,
        .stall_count = 900,
        .verdict = {true, 31, 9, WH_CAUSE_UNKNOWN, 0.999, EVIL2 EVIL2 EVIL2 EVIL2, &h->ranking, 1},
        .hypotheses = h->hypotheses,
        .hypothesis_count = 60,
        .warnings = h->warnings,
        .warning_count = 200};
    return h;
}

/* ---- helpers ------------------------------------------------------------------------------- */

static void assert_valid_utf8(const char *text)
{
    size_t length = strlen(text), used;
    for (size_t at = 0; at < length; at += used)
        if (utf8_next(text + at, length - at, &used) == UTF8_BAD)
            assert_memory_equal(text + at, "\xEF\xBF\xBD", 3);
}

static void assert_no_controls(const char *text)
{
    for (; *text; text++)
        assert_true((unsigned char)*text >= 0x20 || *text == '\n');
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%.3000s", part, text);
}

static char *csv_of(const struct wh_result *result, const char *run)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    assert_int_equal(report_csv(result, run, out), WH_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

static struct json_object *parsed(const struct wh_result *result)
{
    char run[REPORT_RUN_SIZE];
    char *text = report_json(result, run);
    assert_non_null(text);
    assert_valid_utf8(text);
    enum json_tokener_error why;
    struct json_tokener *tokener = json_tokener_new();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *json = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
    why = json_tokener_get_error(tokener);
    json_tokener_free(tokener);
    assert_int_equal(why, json_tokener_success);
    free(text);
    return json;
}

/* The value at "a/b/2/c"; fails where a step is missing. */
static struct json_object *at(struct json_object *json, const char *path)
{
    char step[64];
    while (*path) {
        size_t length = strcspn(path, "/");
        snprintf(step, sizeof step, "%.*s", (int)length, path);
        if (json_object_is_type(json, json_type_array)) {
            size_t index = strtoul(step, NULL, 10);
            assert_true(index < json_object_array_length(json));
            json = json_object_array_get_idx(json, index);
        } else if (!json_object_object_get_ex(json, step, &json)) {
            fail_msg("no \"%s\" in report.json", step);
        }
        path += length + (path[length] == '/');
    }
    return json;
}

static const char *string_at(struct json_object *json, const char *path)
{
    return json_object_get_string(at(json, path));
}

/* Numbers are held against their digits in the file: json-c keeps those of a parsed double. */
static void assert_digits(struct json_object *json, const char *path, const char *digits)
{
    assert_true(json_object_is_type(at(json, path), json_type_double));
    assert_string_equal(json_object_to_json_string(at(json, path)), digits);
}

/* ---- report.json --------------------------------------------------------------------------- */

static void json_has_the_contract_s_fields(void **state)
{
    (void)state;
    static const char *const FIELDS[] = {"schema",
                                         "tool/name",
                                         "tool/version",
                                         "run",
                                         "epoch",
                                         "epoch_s",
                                         "duration_s",
                                         "path/order/2",
                                         "path/found",
                                         "path/segments/3",
                                         "points/0/name",
                                         "points/0/files/0/name",
                                         "points/0/files/0/format",
                                         "points/0/files/0/damaged",
                                         "points/0/packets",
                                         "points/0/bytes",
                                         "points/0/first_s",
                                         "points/0/last_s",
                                         "points/0/snaplen",
                                         "points/0/link_type",
                                         "points/0/clock/offset_s",
                                         "points/0/clock/drift_ppm",
                                         "points/0/clock/uncertainty_s",
                                         "points/0/clock/steps",
                                         "points/0/capture_loss/packets",
                                         "points/0/capture_loss/gaps",
                                         "points/0/merged_frames",
                                         "segments/1/name",
                                         "segments/1/to_client/packets",
                                         "segments/1/to_client/lost",
                                         "segments/1/to_client/delay_min_s",
                                         "segments/1/to_client/delay_median_s",
                                         "segments/1/to_client/delay_max_s",
                                         "segments/1/to_server/packets",
                                         "flows/0/id",
                                         "flows/0/protocol",
                                         "flows/0/joined",
                                         "flows/0/at/eth0/client",
                                         "flows/0/at/xenbrD/server",
                                         "flows/0/nat/match",
                                         "flows/0/nat/confidence",
                                         "flows/0/start_s",
                                         "flows/0/end_s",
                                         "flows/0/bytes_to_client",
                                         "flows/0/bytes_to_server",
                                         "flows/0/events/retransmission",
                                         "flows/0/stalls/1",
                                         "events/file",
                                         "events/counts/eth0/retransmission",
                                         "stalls/0/id",
                                         "stalls/0/flow",
                                         "stalls/0/start_s",
                                         "stalls/0/end_s",
                                         "stalls/0/duration_s",
                                         "stalls/0/resumed",
                                         "stalls/0/segment",
                                         "stalls/0/cause",
                                         "stalls/0/direction",
                                         "stalls/0/confidence",
                                         "stalls/0/bytes_waiting",
                                         "stalls/0/scope",
                                         "stalls/0/caused_by",
                                         "stalls/0/evidence/0/text",
                                         "stalls/0/evidence/0/frames/0/point",
                                         "stalls/0/evidence/0/frames/0/file",
                                         "stalls/0/evidence/0/frames/0/frame",
                                         "verdict/stalled",
                                         "verdict/segment",
                                         "verdict/cause",
                                         "verdict/confidence",
                                         "verdict/sentence",
                                         "verdict/ranking/0/segment",
                                         "verdict/ranking/0/cause",
                                         "verdict/ranking/0/stalls",
                                         "verdict/ranking/0/flows",
                                         "verdict/ranking/0/stall_time_s",
                                         "verdict/ranking/0/share",
                                         "verdict/ranking/0/confidence",
                                         "hypotheses/0/id",
                                         "hypotheses/0/title",
                                         "hypotheses/0/status",
                                         "hypotheses/0/evidence",
                                         "hypotheses/0/to_decide",
                                         "warnings/0"};
    struct wh_result result = founding_case();
    struct json_object *json = parsed(&result);
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        at(json, FIELDS[i]);
    json_object_put(json);
}

static void json_means_what_the_result_says(void **state)
{
    (void)state;
    struct wh_result result = founding_case();
    struct json_object *json = parsed(&result);
    assert_string_equal(string_at(json, "schema"), "whichhop-report/1");
    assert_string_equal(string_at(json, "epoch"), "2026-11-22T15:35:31.031814000Z");
    assert_digits(json, "epoch_s", "1795361731.031814000");
    assert_digits(json, "duration_s", "11.118000000");
    assert_digits(json, "stalls/0/start_s", "1.393712000");
    assert_digits(json, "stalls/0/duration_s", "1.407211000");
    assert_digits(json, "points/1/clock/offset_s", "-1.393712000");
    assert_digits(json, "points/1/clock/drift_ppm", "12.25");
    assert_digits(json, "points/0/clock/uncertainty_s", "0.000012000");
    assert_digits(json, "segments/1/to_client/delay_min_s", "0.000160000");
    assert_digits(json, "stalls/0/confidence", "0.98");
    assert_null(at(json, "points/2/clock/uncertainty_s"));
    assert_null(at(json, "points/2/first_s"));
    assert_null(at(json, "segments/0/to_client/delay_median_s"));
    assert_null(at(json, "flows/0/joined"));
    assert_int_equal(json_object_get_int(at(json, "flows/1/joined")), 5);
    assert_null(at(json, "stalls/0/caused_by"));
    assert_int_equal(json_object_get_int(at(json, "stalls/1/caused_by")), 1);
    assert_string_equal(string_at(json, "path/segments/0"), "servers..eth0");
    assert_string_equal(string_at(json, "path/segments/3"), "xenbrD..clients");
    assert_string_equal(string_at(json, "stalls/0/segment"), "xenbrE..xenbrD");
    assert_string_equal(string_at(json, "stalls/2/segment"), "eth0..xenbrD");
    assert_string_equal(string_at(json, "stalls/1/direction"), "to_server");
    assert_string_equal(string_at(json, "stalls/2/scope"), "one_flow");
    assert_string_equal(string_at(json, "hypotheses/1/status"), "excluded");
    assert_string_equal(string_at(json, "stalls/0/evidence/0/frames/0/file"),
                        "xenbrE,\"2\".pcapng");
    assert_int_equal(json_object_get_int(at(json, "points/1/capture_loss/packets")), 3);
    assert_int_equal(json_object_array_length(at(json, "flows")), 2); /* one is only counted */
    assert_int_equal(json_object_object_length(at(json, "flows/0/events")), 2);
    assert_int_equal(json_object_object_length(at(json, "flows/1/at")), 2);
    assert_string_equal(string_at(json, "flows/1/at/xenbrD/client"), "[2001:db8::2]:50000");
    assert_int_equal(json_object_get_int(at(json, "events/counts/xenbrE/lost")), 7);
    json_object_put(json);
}

static void json_without_a_stall(void **state)
{
    (void)state;
    struct wh_result result = bare_case();
    struct json_object *json = parsed(&result);
    assert_false(json_object_get_boolean(at(json, "verdict/stalled")));
    assert_null(at(json, "verdict/segment"));
    assert_null(at(json, "verdict/cause"));
    assert_int_equal(json_object_array_length(at(json, "verdict/ranking")), 0);
    assert_int_equal(json_object_array_length(at(json, "stalls")), 0);
    assert_int_equal(json_object_array_length(at(json, "flows")), 0);
    assert_int_equal(json_object_array_length(at(json, "path/segments")), 2);
    assert_null(at(json, "points/0/link_type"));
    assert_string_equal(string_at(json, "epoch"), "1970-01-01T00:00:00.000000000Z");
    json_object_put(json);
}

static void json_of_hostile_names_is_valid(void **state)
{
    (void)state;
    struct hostile *h = hostile_case();
    struct json_object *json = parsed(&h->result);
    assert_contains(string_at(json, "points/0/name"), "\xEF\xBF\xBD");
    assert_contains(string_at(json, "warnings/0"), "a\"b|c`d\\e,\n");
    assert_int_equal(json_object_array_length(at(json, "flows")), 150);
    assert_int_equal(json_object_array_length(at(json, "stalls")), 900);
    json_object_put(json);
    free(h);
}

static void run_follows_what_is_said(void **state)
{
    (void)state;
    struct wh_result result = founding_case();
    char run[REPORT_RUN_SIZE], again[REPORT_RUN_SIZE], other[REPORT_RUN_SIZE];
    assert_int_equal(report_run(&result, run), WH_OK);
    assert_int_equal(report_run(&result, again), WH_OK);
    result.duration_ns++;
    assert_int_equal(report_run(&result, other), WH_OK);
    assert_int_equal(strlen(run), 16);
    assert_string_equal(run, again);
    assert_string_not_equal(run, other);
}

/* ---- events.csv ---------------------------------------------------------------------------- */

static void csv_rows_are_exact(void **state)
{
    (void)state;
    struct wh_result result = founding_case();
    char *text = csv_of(&result, "0123456789abcdef");
    assert_string_equal(
        text,
        "time_s,point,frame,flow,direction,kind,seq_start,seq_end,detail\n"
        "1.393712000,xenbrE,\"xenbrE,\"\"2\"\".pcapng:4711\",1,to_client,lost,1449,2897,"
        "xenbrE..clients\n"
        "2.800923001,eth0,4711,1,to_client,silence,1449,2897,"
        "0.812345 s; run 0123456789abcdef\n"
        "2.800923002,xenbrE,xenbrE-1.pcapng:4712,1,to_server,duplicate_ack,4294967296,4294967296,"
        "number 3\n"
        "2.800923003,xenbrD,7,,to_server,icmp_too_big,,,MTU 1400\n"
        "2.800923004,xenbrD,8,2,to_client,gap,0,10,2896 bytes\n");
    free(text);
}

static void csv_of_nothing_and_of_odd_names(void **state)
{
    (void)state;
    struct wh_result result = bare_case();
    char *text = csv_of(&result, "0");
    assert_string_equal(text, "time_s,point,frame,flow,direction,kind,seq_start,seq_end,detail\n");
    free(text);
    struct hostile *h = hostile_case();
    text = csv_of(&h->result, NULL);
    assert_valid_utf8(text);
    assert_contains(text, "\n-0.000000001,\"a\"\"b|c`d\\e,\n@me");
    free(text);
    text = csv_of(&h->result, "feed");
    assert_contains(text, "; run feed\"\n");
    free(text);
    free(h);
}

static void csv_tells_a_failed_write(void **state)
{
    (void)state;
    struct wh_result result = founding_case();
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(report_csv(&result, NULL, full), WH_ERROR);
    fclose(full);
}

/* ---- text, Markdown ------------------------------------------------------------------------ */

static void assert_width(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        if (utf8_columns(text, length) > REPORT_COLUMNS)
            fail_msg("too wide: %.*s", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void text_says_the_verdict_first(void **state)
{
    (void)state;
    struct wh_result result = founding_case();
    char *text = report_text(&result, "whichhop eth0=a", false);
    assert_non_null(text);
    assert_memory_equal(text, "Verdict: xenbrE..xenbrD, freeze (98 % sure)\n", 44);
    assert_contains(text, "xenbrE ==[freeze]== xenbrD -- clients");
    assert_contains(text, "2026-11-22 15:35:31.031814000 UTC");
    assert_contains(text, "pcapng) frame 4711, 4712, xenbrD frame 4698]");
    assert_contains(text, "eth0, xenbrE: 203.0.113.2:54464 to 203.0.113.10:8080; xenbrD: 10.20");
    assert_contains(text, "12 of 14 flows found at another point too; 1 left out");
    assert_width(text);
    assert_no_controls(text);
    free(text);
}

/* A stall in one of several segments, and a delay below what the clocks tell. */
static void what_is_not_known_is_told(void **state)
{
    (void)state;
    struct wh_result result = founding_case();
    result.verdict.segment = 1;
    result.verdict.segment_span = 2;
    char *text = report_text(&result, "whichhop eth0=a", false);
    char *markdown = report_markdown(&result, "0123456789abcdef", "whichhop eth0=a", NULL, 0);
    assert_non_null(text);
    assert_non_null(markdown);
    assert_contains(text, "eth0 ==[freeze?]== xenbrE ==[freeze?]== xenbrD -- clients");
    assert_contains(text, "In which of the two segments marked, the captures do not tell.");
    assert_contains(markdown, "In which of the two segments marked, the captures do not tell.");
    assert_contains(markdown, "**freeze** in one of these");
    int64_t unsure_ns = facts_uncertainty(&result, 1);
    assert_int_equal(unsure_ns,
                     result.points[0].clock.uncertainty_ns + result.points[1].clock.uncertainty_ns);
    assert_true(unsure_ns > 0);
    char told[64];
    snprintf(told, sizeof told, "< %s", number_delay(unsure_ns).text);
    assert_string_equal(facts_delay(&result, 1, unsure_ns - 1).text, told);
    assert_string_equal(facts_delay(&result, 1, unsure_ns).text, told + 2);
    assert_int_equal(facts_uncertainty(&result, 0), WH_NONE);
    assert_string_equal(facts_delay(&result, 0, 5000).text, "5 us");
    free(markdown);
    free(text);
}

static void text_keeps_its_width(void **state)
{
    (void)state;
    struct hostile *h = hostile_case();
    struct wh_result bare = bare_case();
    const struct wh_result *const results[] = {&h->result, &bare};
    for (int i = 0; i < 2; i++) {
        char *text = report_text(results[i], EVIL2 EVIL2, false);
        assert_non_null(text);
        assert_valid_utf8(text);
        assert_no_controls(text);
        assert_width(text);
        free(text);
    }
    free(h);
}

/* Without its escapes, the coloured text is the plain one. */
static void colours_add_only_escapes(void **state)
{
    (void)state;
    struct wh_result result = founding_case();
    char *plain = report_text(&result, "whichhop eth0=a", false),
         *coloured = report_text(&result, "whichhop eth0=a", true);
    assert_non_null(plain);
    assert_non_null(coloured);
    char *to = coloured;
    for (const char *from = coloured; *from;) {
        if (*from == '\033')
            from += strcspn(from, "m") + 1;
        else
            *to++ = *from++;
    }
    assert_true(*to != '\0'); /* there were some */
    *to = '\0';
    assert_string_equal(coloured, plain);
    free(plain);
    free(coloured);
}

static void markdown_tells_it_all(void **state)
{
    (void)state;
    static const char *const PARTS[] = {
        "## `xenbrE..xenbrD` stalls: `freeze` (98 % sure)",
        "**Verdict:** Between xenbrE and xenbrD",
        "| 1 | 2026-11-22 15:35:32.425526 | 1.393712 | 2.800923 | 1.407 | `xenbrE..xenbrD` | "
        "`freeze` |",
        "(`xenbrE` `xenbrE,\"2\".pcapng` frame 4711, 4712, `xenbrD` frame 4698)",
        "![The path: what was lost and stalled at each segment](plots/path.png)",
        "<details><summary>The worst flows in pictures</summary>\n\n"
        "![Flow 12: Delay of each segment, both ways](plots/flow-12-delay.png)",
        "libpcap version ",
        "    whichhop -o report eth0=eth0.pcap",
        "Run `0123456789abcdef`",
        "| **supported** |",
        "To decide: Capture on both",
    };
    static const char *const PICTURES[] = {"plots/path.png", "plots/flow-12-delay.png"};
    struct wh_result result = founding_case();
    char *text = report_markdown(&result, "0123456789abcdef", "whichhop -o report eth0=eth0.pcap",
                                 PICTURES, 2);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        assert_contains(text, PARTS[i]);
    free(text);
}

/* As many columns in a row as in the title above it: no name may make another cell. */
static void assert_tables(const char *text)
{
    unsigned columns = 0;
    while (*text) {
        size_t length = strcspn(text, "\n");
        unsigned bars = 0;
        for (size_t i = 0; i < length; i++)
            bars += text[i] == '|';
        if (*text == '|' && columns)
            assert_int_equal(bars, columns);
        columns = *text == '|' ? bars : 0;
        text += length + (text[length] == '\n');
    }
}

static void markdown_fits_an_issue_and_is_safe(void **state)
{
    (void)state;
    struct hostile *h = hostile_case();
    char *text =
        report_markdown(&h->result, "0", EVIL2 EVIL2 EVIL2 EVIL2 EVIL2 EVIL2 EVIL2, NULL, 0);
    assert_non_null(text);
    assert_true(strlen(text) < REPORT_MARKDOWN_BYTES);
    assert_valid_utf8(text);
    assert_no_controls(text);
    assert_tables(text);
    assert_contains(text, "...and ");
    /* Outside the indented command nothing is a tag, a mention or a link. */
    char *command = strstr(text, "### How this report was made");
    assert_non_null(command);
    *command = '\0';
    assert_null(strstr(text, "<img"));
    assert_null(strstr(text, "@me"));
    assert_null(strstr(text, "[y](z)"));
    free(text);
    free(h);
}

static void locale_changes_nothing(void **state)
{
    (void)state;
    static const char *const LOCALES[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    struct wh_result result = founding_case();
    char run[REPORT_RUN_SIZE], again[REPORT_RUN_SIZE];
    char *before = report_json(&result, run),
         *text = report_text(&result, "whichhop eth0=a", false);
    for (size_t i = 0; i < sizeof LOCALES / sizeof *LOCALES; i++)
        if (setlocale(LC_ALL, LOCALES[i]))
            break;
    bool comma = localeconv()->decimal_point[0] == ',';
    char *after = report_json(&result, again),
         *text_after = report_text(&result, "whichhop eth0=a", false);
    setlocale(LC_ALL, "C");
    assert_string_equal(before, after);
    assert_string_equal(text, text_after);
    free(before);
    free(after);
    free(text);
    free(text_after);
    if (!comma)
        skip(); /* no locale with a decimal comma is installed: nothing was tried */
}

static void numbers_round_and_keep_their_units(void **state)
{
    (void)state;
    assert_string_equal(number_seconds(-1, 9).text, "-0.000000001");
    assert_string_equal(number_seconds(1999999999, 3).text, "2.000");
    assert_string_equal(number_seconds(INT64_MAX, 9).text, "9223372036.854775807");
    assert_string_equal(number_delay(999499).text, "999 us");
    assert_string_equal(number_delay(999500).text, "1.0 ms");
    assert_string_equal(number_delay(999950000).text, "1.000 s");
    assert_string_equal(number_count(1234567).text, "1,234,567");
    assert_string_equal(number_bytes(999).text, "999 B");
    assert_string_equal(number_bytes(25123456).text, "25.1 MB");
    assert_string_equal(number_percent(0.9999).text, ">99 %");
    assert_string_equal(number_percent(0.0001).text, "<1 %");
    assert_string_equal(number_decimal(0.1 + 0.2).text, "0.3");
    assert_string_equal(number_decimal(-0.0).text, "0.0");
    assert_string_equal(number_loss(1, 1000000).text, "<0.01 %");
    assert_string_equal(number_utc(-1, 'T', 9).text, "1969-12-31T23:59:59.999999999Z");
}

/* ---- the folder ---------------------------------------------------------------------------- */

/* An empty folder of our own, and paths in it. */
struct place {
    char folder[64];
    char path[128];
};

static void make_place(struct place *place)
{
    strcpy(place->folder, "/tmp/whichhop-report-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/report", place->folder);
}

static int entries(const char *path)
{
    DIR *folder = opendir(path);
    int count = 0;
    if (!folder)
        return -1;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count - 2;
}

static void remove_file(const char *folder, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static int draw_one(void *context, struct report_folder *folder, const struct report_beside *beside,
                    struct wh_error *error)
{
    (void)context;
    const char *path = report_folder_stage(folder, "plots/sequence.svg", error);
    if (!path)
        return WH_ERROR;
    assert_string_equal(strrchr(path, '.'), ".svg");
    beside->work(beside->context);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("<svg/>", file);
    return fclose(file);
}

static void everything_is_written(void **state)
{
    (void)state;
    struct place place;
    struct wh_result result = founding_case();
    struct wh_error error = {0};
    make_place(&place);
    struct report_job job = {
        .folder = place.path, .formats = WH_FORMAT_ALL, .command = "whichhop", .draw = draw_one};
    for (int twice = 0; twice < 2; twice++) { /* the second over the first */
        assert_int_equal(report_write(&result, &job, &error), WH_OK);
        assert_int_equal(entries(place.path), 5); /* and nothing temporary */
    }
    char markdown[160], buffer[65536];
    snprintf(markdown, sizeof markdown, "%s/report.md", place.path);
    FILE *file = fopen(markdown, "r");
    assert_non_null(file);
    buffer[fread(buffer, 1, sizeof buffer - 1, file)] = '\0';
    fclose(file);
    assert_contains(buffer, "](plots/sequence.svg)");
    remove_file(place.path, "plots/sequence.svg");
    remove_file(place.path, "report.txt");
    remove_file(place.path, "report.md");
    remove_file(place.path, "events.csv");
    remove_file(place.path, "report.json");
    snprintf(markdown, sizeof markdown, "%s/plots", place.path);
    assert_int_equal(rmdir(markdown), 0);
    assert_int_equal(rmdir(place.path), 0);
    assert_int_equal(rmdir(place.folder), 0);
}

static void a_file_in_the_folder_s_place(void **state)
{
    (void)state;
    struct place place;
    struct wh_result result = founding_case();
    struct wh_error error = {0};
    make_place(&place);
    FILE *file = fopen(place.path, "w");
    assert_non_null(file);
    fclose(file);
    struct report_job job = {.folder = place.path, .formats = WH_FORMAT_ALL};
    assert_int_equal(report_write(&result, &job, &error), WH_ERROR);
    assert_contains(error.text, place.path);
    assert_contains(error.text, "-o");
    assert_int_equal(entries(place.folder), 1);
    assert_int_equal(unlink(place.path), 0);
    assert_int_equal(rmdir(place.folder), 0);
}

static void missing_parents_are_made(void **state)
{
    (void)state;
    struct place place;
    struct wh_result result = founding_case();
    struct wh_error error = {0};
    make_place(&place);
    strcat(place.path, "/deeper/still");
    struct report_job job = {.folder = place.path, .formats = WH_FORMAT_JSON};
    assert_int_equal(report_write(&result, &job, &error), WH_OK);
    assert_int_equal(entries(place.path), 1);
    remove_file(place.path, "report.json");
    for (char *end = place.path + strlen(place.path); end; end = strrchr(place.path, '/')) {
        *end = '\0';
        assert_int_equal(rmdir(place.path), 0);
        if (strcmp(place.path, place.folder) == 0)
            break;
    }
    assert_int_equal(entries(place.folder), -1);
}

/* What was made above the folder goes with it when the report cannot be written. */
static void made_parents_are_taken_back(void **state)
{
    (void)state;
    struct place place;
    struct wh_result result = founding_case();
    struct wh_error error = {0};
    make_place(&place);
    strcat(place.path, "/");
    strcat(place.path, "deeper");
    char long_path[512];
    snprintf(long_path, sizeof long_path, "%s/%0300d", place.path, 7);
    struct report_job job = {.folder = long_path, .formats = WH_FORMAT_JSON};
    assert_int_equal(report_write(&result, &job, &error), WH_ERROR);
    assert_int_equal(entries(place.folder), 0);
    assert_int_equal(rmdir(place.folder), 0);
}

/* A folder stands where report.json, the last file, is to go. */
static void a_name_that_is_taken(void **state)
{
    (void)state;
    struct place place;
    char taken[160];
    struct wh_result result = founding_case();
    struct wh_error error = {0};
    make_place(&place);
    snprintf(taken, sizeof taken, "%s/report.json", place.folder);
    assert_int_equal(mkdir(taken, 0777), 0);
    struct report_job job = {.folder = place.folder, .formats = WH_FORMAT_ALL, .draw = draw_one};
    assert_int_equal(report_write(&result, &job, &error), WH_ERROR);
    assert_contains(error.text, "report.json");
    assert_int_equal(entries(place.folder), 1);
    assert_int_equal(rmdir(taken), 0);
    assert_int_equal(rmdir(place.folder), 0);
}

/* No file may grow beyond `bytes`: writing fails as on a full disk, with another errno. */
static void with_a_full_disk(rlim_t bytes, unsigned formats, const char *file)
{
    struct place place;
    struct rlimit before, limit;
    struct wh_result result = founding_case();
    struct wh_error error = {0};
    make_place(&place);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){bytes, before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct report_job job = {.folder = place.path, .formats = formats, .draw = draw_one};
    int status = report_write(&result, &job, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, WH_ERROR);
    assert_contains(error.text, file);
    assert_contains(error.text, "ulimit");
    assert_int_equal(entries(place.folder), 0); /* its own folder is gone, too */
    assert_int_equal(rmdir(place.folder), 0);
}

static void a_full_disk(void **state)
{
    (void)state;
    with_a_full_disk(100, WH_FORMAT_ALL, "report.txt");
    with_a_full_disk(100, WH_FORMAT_CSV, "events.csv");
    with_a_full_disk(100, WH_FORMAT_JSON, "report.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_contract_s_fields),
        cmocka_unit_test(json_means_what_the_result_says),
        cmocka_unit_test(json_without_a_stall),
        cmocka_unit_test(json_of_hostile_names_is_valid),
        cmocka_unit_test(run_follows_what_is_said),
        cmocka_unit_test(csv_rows_are_exact),
        cmocka_unit_test(csv_of_nothing_and_of_odd_names),
        cmocka_unit_test(csv_tells_a_failed_write),
        cmocka_unit_test(text_says_the_verdict_first),
        cmocka_unit_test(what_is_not_known_is_told),
        cmocka_unit_test(text_keeps_its_width),
        cmocka_unit_test(colours_add_only_escapes),
        cmocka_unit_test(markdown_tells_it_all),
        cmocka_unit_test(markdown_fits_an_issue_and_is_safe),
        cmocka_unit_test(locale_changes_nothing),
        cmocka_unit_test(numbers_round_and_keep_their_units),
        cmocka_unit_test(everything_is_written),
        cmocka_unit_test(a_file_in_the_folder_s_place),
        cmocka_unit_test(missing_parents_are_made),
        cmocka_unit_test(made_parents_are_taken_back),
        cmocka_unit_test(a_name_that_is_taken),
        cmocka_unit_test(a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
