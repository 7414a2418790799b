/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The usual suspicions, one row each, and the loop that asks their rules. A row says what is
 * missing where its rule cannot decide; without a stall there is nothing to suspect, but for the
 * captures themselves.
 */
#include "blame/hypotheses.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "blame/hypotheses_facts.h"

#define SENTENCE_MAX 300

struct row {
    const char *id;
    const char *title;
    bool needs_stall;
    hypothesis_rule rule;
    const char *to_decide;
};

static const struct row rows[] = {
    {"netback_slots", "The back end's transmit slots are held by packets that wait in the host",
     true, suspect_netback_slots,
     "Captures on both vifs of the firewall guest and inside it, from before a stall; dmesg of "
     "host and guests; does a proxy in the guest, or reading the download there, avoid it?"},
    {"netback_ring", "The back end's ring to a guest runs full", true, suspect_netback_ring,
     "The drop counters of the guest's vifs before and after a stall: ip -s link show vifX.Y, "
     "ethtool -S vifX.Y, tc -s qdisc show dev vifX.Y; captures on the vif and inside the guest."},
    {"rate_limit", "A rate limit (credit) on the guest's vif holds packets back", true,
     suspect_rate_limit,
     "The limit itself: \"rate\" in the guest's configuration and in xenstore-ls under the vif's "
     "back end; tc -s qdisc in host and guest; a capture over at least four stalls."},
    {"checksum_offload", "Checksum offload across the NAT: the receiver throws packets away", true,
     suspect_checksum_offload,
     "Whole packets (tcpdump -s 0) at the receiver; nstat -az TcpInCsumErrors there before and "
     "after a stall; ethtool -k in host and guest; the same download with tx checksumming off."},
    {"large_receive_offload", "Large receive offload (LRO) on a machine that forwards", true,
     suspect_large_receive_offload,
     "ethtool -k at the outer interface (large-receive-offload must be off where packets are "
     "forwarded), ethtool -S there, and the same download with lro and gro off."},
    {"host_memory", "The host has too little memory", true, suspect_host_memory,
     "dmesg of the host (\"page allocation failure\", \"Out of socket memory\"), vmstat 1 and "
     "/proc/net/sockstat during a stall; drops in /proc/net/softnet_stat and ethtool -S before and "
     "after."},
    {"conntrack_invalid", "Connection tracking takes packets for invalid", true,
     suspect_conntrack_invalid,
     "In the firewall: sysctl net.netfilter.nf_conntrack_log_invalid=6 and its log, conntrack -S "
     "(invalid, drop) before and after a stall, nft list ruleset with counters."},
    {"mtu_blackhole", "A path MTU or MSS black hole", true, suspect_mtu_blackhole,
     "Captures on both sides of each router that may be the narrow one; ping -M do -s SIZE through "
     "it; ip route get; the MSS in both SYNs."},
    {"bridge_netfilter", "Netfilter on the host's bridge drops packets", true,
     suspect_bridge_netfilter,
     "In the host: sysctl net.bridge.bridge-nf-call-iptables, nft list ruleset and ebtables -L "
     "--Lc with their counters before and after a stall; captures at the NIC and at the bridge."},
    {"receiver_not_reading", "The receiver does not read", true, suspect_receiver_not_reading,
     "A capture at the receiver, and ss -tmi there (Recv-Q, rcv_space) during a stall."},
    {"not_scheduled", "Firewall or host are not scheduled in time (CPU, I/O wait)", true,
     suspect_not_scheduled,
     "xentop and vmstat 1 in the host, vmstat 1 (st, wa) in the firewall during a stall; captures "
     "on both vifs of the firewall and inside it: which of the three stands still?"},
    {"loss_beyond_outermost", "Packets are lost beyond the outermost captures", true,
     suspect_loss_beyond_outermost,
     "A capture further out on the side in question, best at the end host itself."},
    {"sender_idle", "The sender had nothing to send", true, suspect_sender_idle,
     "A capture at the sender, and the log of the program that sends."},
    {"capture_artefact", "The captures themselves missed packets", false, suspect_capture_artefact,
     "The counters that tcpdump prints at its end; the same again with a larger buffer (tcpdump -B "
     "65536) and a shorter snap length (-s 128)."},
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
    *hypothesis =
        (struct wh_hypothesis){.id = row->id,
                               .title = row->title,
                               .status = answer.status,
                               .evidence = evidence,
                               .evidence_count = answer.count,
                               .to_decide = answer.status == WH_UNDECIDED ? row->to_decide : NULL};
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
