/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line. Only this file prints and exits; all it knows of the analysis is the public
 * header.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inputs.h"
#include "whichhop.h"

enum exit_status { EXIT_NO_STALL = 0, EXIT_STALLED = 1, EXIT_NOT_ANALYSED = 2 };

#define LARGE_BYTES      (4 << 20) /* memory in larger pieces goes back to the system when freed */
#define KEPT_BYTES       (4 << 20) /* so much that is free may stay: a picture and its packing */
#define AHEAD_BYTES      (8 << 20) /* the heap grows by so much more than is wanted, in one piece */
#define PROGRESS_AFTER_S 1.0
#define PROGRESS_EVERY_S 0.2

struct format_name {
    const char *name;
    unsigned format;
};

static const struct format_name format_names[] = {
    {"text", WH_FORMAT_TEXT},         {"md", WH_FORMAT_MARKDOWN}, {"html", WH_FORMAT_HTML},
    {"json", WH_FORMAT_JSON},         {"csv", WH_FORMAT_CSV},     {"plots", WH_FORMAT_PLOTS},
    {"evidence", WH_FORMAT_EVIDENCE},
};

/* What the command line asks for. */
struct request {
    struct wh_options options;
    const char *folder;
    unsigned formats;
    const char *clocks[WH_POINTS_MAX];
    unsigned clock_count;
    bool quiet, strict;
};

/* What the progress line needs between two calls. */
struct progress {
    struct timespec begun, shown;
    bool visible;
};

static void usage(FILE *out)
{
    fputs(
        "usage: whichhop [OPTIONS] POINT=FILE ...\n"
        "       whichhop explain [CAUSE|SUSPICION|all]\n"
        "\n"
        "Takes captures made at the same time at several points of one path, follows every flow\n"
        "from point to point, and says which hop stalls, and why.\n"
        "\n"
        "  POINT=FILE           a capture (pcap, pcapng, ERF, snoop, also compressed) made at\n"
        "                       POINT; again for more files of a point; FILE may be a pattern, a\n"
        "                       folder, or -; *=FILE makes a point of each interface of a pcapng\n"
        "                       file; FORMAT:FILE names a format that no first bytes tell: tsh,\n"
        "                       fr+, legacyeth, legacypos, legacyatm, atmhdr\n"
        "  -o, --output DIR     write the report into DIR; without it, as text to standard output\n"
        "      --format LIST    of text, md, json, csv, plots (default: all)\n"
        "      --filter EXPR    only packets that this pcap filter lets through\n"
        "      --time FROM,TO   only packets of these seconds, from the earliest packet on\n"
        "      --flow ADDR:PORT only flows with this end point\n"
        "      --path A,B,C     the points in order, from the servers' side to the clients'\n"
        "      --clock POINT=S  add S seconds to the times of POINT\n"
        "      --min-stall S    report stalls longer than S seconds (default: 0.2)\n"
        "      --all-flows      report every flow, not the 200 largest\n"
        "      --strict         a file that is damaged or cannot be read is an error\n"
        "  -q, --quiet          print nothing but errors on standard error\n"
        "  -h, --help           this text\n"
        "  -V, --version        the version\n"
        "\n"
        "Exit status: 0 no flow stalled, 1 at least one did, 2 not analysed: wrong usage, nothing\n"
        "readable, or the report could not be written.\n"
        "\n"
        "example: whichhop -o report eth0=eth0.pcap xenbrE=e.pcap.gz xenbrD=d.pcap\n",
        out);
}

static int complain(const char *format, const char *what)
{
    fputs("whichhop: ", stderr);
    fprintf(stderr, format, what); /* NOLINT: every caller passes a literal */
    fputc('\n', stderr);
    return WH_ERROR;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* "1.5" as nanoseconds; `end` is set behind it. */
static bool parse_seconds(const char *text, int64_t *ns, const char **end)
{
    bool negative = *text == '-';
    const char *at = text + (negative || *text == '+');
    int64_t value = 0, unit = 1000000000;
    bool digits = false, fraction = false;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !fraction); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        digits = true;
        if (fraction) {
            unit /= 10;
            value += (*at - '0') * unit;
        } else if (__builtin_mul_overflow(value, 10, &value) ||
                   __builtin_add_overflow(value, (*at - '0') * (int64_t)1000000000, &value)) {
            return false;
        }
    }
    *ns = negative ? -value : value;
    *end = at;
    return digits;
}

static int parse_formats(const char *list, unsigned *formats)
{
    *formats = 0;
    while (*list) {
        size_t length = strcspn(list, ",");
        unsigned found = 0;
        for (size_t i = 0; i < sizeof format_names / sizeof *format_names; i++)
            if (strlen(format_names[i].name) == length &&
                strncmp(list, format_names[i].name, length) == 0)
                found = format_names[i].format;
        if (!found)
            return complain(
                "--format: \"%s\" has a word that is none of text, md, json, csv, plots", list);
        *formats |= found;
        list += length + (list[length] == ',');
    }
    return *formats ? WH_OK : complain("--format wants at least one format%s", "");
}

static int parse_time(const char *text, struct wh_options *options)
{
    const char *end;
    options->time_set = true;
    options->time_to_ns = INT64_MAX / 4;
    bool ok = true;
    if (*text == ',')
        end = text;
    else
        ok = parse_seconds(text, &options->time_from_ns, &end);
    if (ok && *end == ',' && end[1])
        ok = parse_seconds(end + 1, &options->time_to_ns, &end) && *end == '\0';
    else
        ok = ok && (*end == '\0' || (*end == ',' && end[1] == '\0'));
    if (!ok || options->time_to_ns < options->time_from_ns)
        return complain("--time \"%s\": give two numbers of seconds, as in --time 1.5,20", text);
    return WH_OK;
}

/* ---- options --------------------------------------------------------------------------------- */

enum option_code {
    OPT_FORMAT = 256,
    OPT_FILTER,
    OPT_TIME,
    OPT_FLOW,
    OPT_PATH,
    OPT_CLOCK,
    OPT_MIN_STALL,
    OPT_ALL_FLOWS,
    OPT_STRICT
};

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"filter", required_argument, NULL, OPT_FILTER},
    {"time", required_argument, NULL, OPT_TIME},
    {"flow", required_argument, NULL, OPT_FLOW},
    {"path", required_argument, NULL, OPT_PATH},
    {"clock", required_argument, NULL, OPT_CLOCK},
    {"min-stall", required_argument, NULL, OPT_MIN_STALL},
    {"all-flows", no_argument, NULL, OPT_ALL_FLOWS},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int take_option(int code, struct request *request)
{
    const char *end;
    switch (code) {
    case 'o':
        request->folder = optarg;
        return WH_OK;
    case 'q':
        request->quiet = true;
        return WH_OK;
    case OPT_FORMAT:
        return parse_formats(optarg, &request->formats);
    case OPT_FILTER:
        request->options.filter = optarg;
        return WH_OK;
    case OPT_TIME:
        return parse_time(optarg, &request->options);
    case OPT_FLOW:
        request->options.flow = optarg;
        return WH_OK;
    case OPT_PATH:
        request->options.path = optarg;
        return WH_OK;
    case OPT_CLOCK:
        if (request->clock_count == WH_POINTS_MAX)
            return complain("--clock is given too often%s", "");
        request->clocks[request->clock_count++] = optarg;
        return WH_OK;
    case OPT_MIN_STALL:
        if (!parse_seconds(optarg, &request->options.min_stall_ns, &end) || *end ||
            request->options.min_stall_ns <= 0)
            return complain("--min-stall \"%s\": give a number of seconds above 0", optarg);
        return WH_OK;
    case OPT_ALL_FLOWS:
        request->options.all_flows = true;
        return WH_OK;
    case OPT_STRICT:
        request->strict = true;
        return WH_OK;
    default: /* getopt_long has said what is wrong */
        fputs("try whichhop --help\n", stderr);
        return WH_ERROR;
    }
}

static int set_clocks(struct wh_analysis *analysis, const struct request *request,
                      struct wh_error *error)
{
    for (unsigned i = 0; i < request->clock_count; i++) {
        char name[INPUTS_NAME_SIZE];
        int64_t offset_ns;
        const char *equals = strrchr(request->clocks[i], '='), *end;
        if (!equals || !parse_seconds(equals + 1, &offset_ns, &end) || *end) {
            snprintf(error->text, sizeof error->text,
                     "--clock \"%s\": give a point and seconds, as in --clock eth0=-0.25",
                     request->clocks[i]);
            return WH_ERROR;
        }
        if (inputs_name(request->clocks[i], (size_t)(equals - request->clocks[i]), name, error) ||
            wh_set_clock(analysis, name, offset_ns, error))
            return WH_ERROR;
    }
    return WH_OK;
}

/* ---- progress and output --------------------------------------------------------------------- */

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
    return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static void show_progress(void *context, const char *stage, double done)
{
    struct progress *progress = context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (seconds_between(&progress->begun, &now) < PROGRESS_AFTER_S ||
        seconds_between(&progress->shown, &now) < PROGRESS_EVERY_S)
        return;
    progress->shown = now;
    progress->visible = true;
    fprintf(stderr, "\r\033[Kreading %s: %.0f %%", stage, done * 100);
}

static void hide_progress(struct progress *progress)
{
    if (progress->visible)
        fputs("\r\033[K", stderr);
    progress->visible = false;
}

/* The command line as a shell would take it again. */
static char *command_line(int count, char **words)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fputs("whichhop", out);
    for (int i = 1; i < count; i++) {
        bool plain =
            *words[i] && strspn(words[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                                          "WXYZ0123456789@%+=:,./_-") == strlen(words[i]);
        fputs(plain ? " " : " '", out);
        for (const char *at = words[i]; *at; at++)
            fputs(*at == '\'' ? "'\\''" : (char[]){*at, '\0'}, out);
        fputs(plain ? "" : "'", out);
    }
    fclose(out);
    return text;
}

/* Colours are for terminals that have them; no-color.org: unless NO_COLOR says something. */
static bool wants_colours(void)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(refused && *refused) &&
           !(terminal && strcmp(terminal, "dumb") == 0);
}

/* Prints and frees `text`; NULL stands for memory that was out. Where the reader of a pipe has left
 * (| head), it ends as other tools do: by the signal, without a word. */
static int print_text(char *text)
{
    if (!text)
        return complain("out of memory for %s", "the report");
    bool written = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    int number = errno;
    free(text);
    if (!written && number == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return written ? WH_OK : complain("standard output: %s", strerror(number));
}

static int output(const struct wh_analysis *analysis, const struct request *request,
                  const char *command, struct wh_error *error)
{
    if (!request->folder)
        return print_text(wh_text_report(analysis, command, wants_colours()));
    unsigned formats = request->formats ? request->formats : WH_FORMAT_ALL;
    const unsigned unwritten = WH_FORMAT_HTML | WH_FORMAT_EVIDENCE;
    if (request->formats && !(request->formats & ~unwritten))
        return complain("--format: %s", "html and evidence are not written by this version");
    if ((request->formats & unwritten) && !request->quiet)
        complain("--format: %s", "html and evidence are not written by this version");
    if (wh_write_report(analysis, request->folder, formats, command, error))
        return complain("%s", error->text);
    if (!request->quiet)
        fprintf(stderr, "%s\nThe report is in %s\n", wh_result(analysis)->verdict.sentence,
                request->folder);
    return WH_OK;
}

/* Is a file damaged, or a point left out? */
static bool is_damaged(const struct wh_result *result)
{
    if (result->points_left_out)
        return true;
    for (uint32_t p = 0; p < result->point_count; p++)
        for (uint32_t f = 0; f < result->points[p].file_count; f++)
            if (result->points[p].files[f].damaged)
                return true;
    return false;
}

static int analyse(struct request *request, char **inputs, const char *command)
{
    struct wh_analysis *analysis = NULL;
    struct wh_error error = {0};
    struct progress progress = {0};
    int status = EXIT_NOT_ANALYSED;
    clock_gettime(CLOCK_MONOTONIC, &progress.begun);
    if (!request->quiet && isatty(STDERR_FILENO)) {
        request->options.progress = show_progress;
        request->options.progress_context = &progress;
    }
    if (wh_open(&analysis, &request->options, &error) || inputs_add(analysis, inputs, &error) ||
        set_clocks(analysis, request, &error) || wh_run(analysis, &error)) {
        hide_progress(&progress);
        complain("%s", error.text);
        goto cleanup;
    }
    hide_progress(&progress);
    const struct wh_result *result = wh_result(analysis);
    for (uint32_t i = 0; i < result->warning_count && !request->quiet; i++)
        complain("%s", result->warnings[i]);
    if (request->strict && is_damaged(result)) {
        complain("%s", "a file is damaged or cannot be read, and --strict was given: no report");
        goto cleanup;
    }
    if (output(analysis, request, command, &error))
        goto cleanup;
    status = result->verdict.stalled ? EXIT_STALLED : EXIT_NO_STALL;
cleanup:
    wh_free(analysis);
    return status;
}

static int explain(const char *word)
{
    char *text = wh_explain(word);
    if (text)
        return print_text(text) ? EXIT_NOT_ANALYSED : EXIT_NO_STALL;
    complain("explain: \"%s\" is neither a cause nor a suspicion; whichhop explain lists them",
             word);
    return EXIT_NOT_ANALYSED;
}

int main(int argc, char **argv)
{
    struct request request = {0};
    int code;
    signal(SIGPIPE, SIG_IGN); /* no half-written folder is left by a closed pipe */
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    mallopt(M_TOP_PAD, AHEAD_BYTES);
    if (argc > 1 && argc < 4 && strcmp(argv[1], "explain") == 0)
        return explain(argv[2]);
    char *command = command_line(argc, argv); /* before getopt moves the words */
    while ((code = getopt_long(argc, argv, "o:qhV", long_options, NULL)) != -1) {
        if (code == 'h' || code == 'V') {
            if (code == 'h')
                usage(stdout);
            else
                puts("whichhop " WH_VERSION);
            free(command);
            return fflush(stdout) == 0 ? EXIT_NO_STALL : EXIT_NOT_ANALYSED;
        }
        if (take_option(code, &request)) {
            free(command);
            return EXIT_NOT_ANALYSED;
        }
    }
    int status = EXIT_NOT_ANALYSED;
    if (optind == argc)
        usage(stderr);
    else if (request.formats && !request.folder && request.formats != WH_FORMAT_TEXT)
        complain("--format %s", "needs -o DIR: only the text goes to standard output");
    else
        status = analyse(&request, argv + optind, command);
    free(command);
    return status;
}
