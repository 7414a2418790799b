/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `--filter`: libpcap's compiler, one programme for each link type, made when the first packet of
 * that type comes. A filter belongs to one thread at a time: filter_match may compile. Readers in
 * several threads open one each. Compiling in several threads at once needs libpcap 1.8 or later,
 * whose compiler keeps no state of its own; running a programme shares nothing.
 */
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/error.h"
#include "read/read.h"

#define FILTER_SNAPLEN 262144

struct programme {
    struct bpf_program code;
    uint16_t dlt;
};

struct filter {
    char *expression;
    struct programme *programmes;
    uint32_t count, capacity;
};

/* Compiles for one link type; libpcap's words go into `reason` on failure. */
static bool compile(const char *expression, uint16_t dlt, struct bpf_program *code, char *reason,
                    size_t reason_size)
{
    pcap_t *dead = pcap_open_dead(dlt, FILTER_SNAPLEN);
    if (!dead) {
        snprintf(reason, reason_size, "out of memory");
        return false;
    }
    bool good = pcap_compile(dead, code, expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
    if (!good)
        snprintf(reason, reason_size, "%s", pcap_geterr(dead));
    pcap_close(dead);
    return good;
}

/* Right for one of the two commonest link types: the words are right, the rest shows later. */
static int check_syntax(const char *expression, struct wh_error *error)
{
    char reason[PCAP_ERRBUF_SIZE], second[PCAP_ERRBUF_SIZE];
    struct bpf_program code;
    if (!compile(expression, DLT_EN10MB, &code, reason, sizeof reason) &&
        !compile(expression, DLT_LINUX_SLL2, &code, second, sizeof second))
        return error_set(error, NULL, 0, 0, "the filter \"%.120s\" is not understood: %.180s",
                         expression, reason);
    pcap_freecode(&code);
    return WH_OK;
}

int filter_open(struct filter **out, const char *expression, struct wh_error *error)
{
    *out = NULL;
    if (check_syntax(expression, error))
        return WH_ERROR;
    struct filter *filter = calloc(1, sizeof *filter);
    char *copy = strdup(expression);
    if (!filter || !copy) {
        free(filter);
        free(copy);
        return error_memory(error, "the filter");
    }
    filter->expression = copy;
    *out = filter;
    return WH_OK;
}

static struct programme *add_programme(struct filter *filter, uint16_t dlt, struct wh_error *error)
{
    char reason[PCAP_ERRBUF_SIZE];
    struct bpf_program code;
    if (!compile(filter->expression, dlt, &code, reason, sizeof reason)) {
        const char *name = pcap_datalink_val_to_name(dlt);
        error_set(error, NULL, 0, 0,
                  "the filter \"%.120s\" does not fit packets of link type %s (%u): %.180s",
                  filter->expression, name ? name : "unknown", dlt, reason);
        return NULL;
    }
    struct programme *programme = ARRAY_PUSH(filter->programmes, filter->count, filter->capacity);
    if (!programme) {
        pcap_freecode(&code);
        error_memory(error, "the filter");
        return NULL;
    }
    *programme = (struct programme){.code = code, .dlt = dlt};
    return programme;
}

int filter_match(struct filter *filter, const struct record *record, struct wh_error *error)
{
    struct programme *programme = NULL;
    for (uint32_t i = 0; i < filter->count && !programme; i++)
        if (filter->programmes[i].dlt == record->dlt)
            programme = &filter->programmes[i];
    if (!programme)
        programme = add_programme(filter, record->dlt, error);
    if (!programme)
        return WH_ERROR;
    return bpf_filter(programme->code.bf_insns, record->data, record->wirelen, record->caplen) != 0;
}

void filter_close(struct filter *filter)
{
    if (!filter)
        return;
    for (uint32_t i = 0; i < filter->count; i++)
        pcap_freecode(&filter->programmes[i].code);
    free(filter->programmes);
    free(filter->expression);
    free(filter);
}
