/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a set of captures proves or excludes of the usual suspicions: one row each. */
#include "blame/hypotheses.h"

#include "base/error.h"

struct row {
    const char *id;
    const char *title;
    const char *to_decide;
};

static const struct row rows[] = {
    {"netback_slots", "The back end's transmit slots are all held by packets that nobody consumes",
     "captures on both vifs of the firewall guest and inside it; dmesg of host and guests"},
    {"netback_ring", "The back end's ring to a guest is full",
     "captures on the guest's vif and inside the guest; ethtool -S and tc -s qdisc for the vif"},
    {"rate_limit", "A rate limit (credit) on the guest's vif",
     "captures on both sides of the vif; the vif's rate as the toolstack or xenstore has it"},
    {"checksum_offload", "Checksum offload across the NAT sends wrong checksums",
     "whole packets (-s 0) captured at the receiver; ethtool -k"},
    {"large_receive_offload", "Large receive offload while forwarding",
     "ethtool -k and ethtool -S for the outer interface; a capture with LRO and GRO off"},
    {"host_memory", "Too little memory in the host",
     "vmstat 1, dmesg and /proc/net/softnet_stat of the host during a stall"},
    {"conntrack_invalid", "Connection tracking takes packets for invalid and drops them",
     "nf_conntrack_log_invalid and nft list ruleset in the firewall during a stall"},
    {"mtu_blackhole", "A path MTU or MSS black hole",
     "captures on both sides of every router; ping -M do -s with several sizes"},
    {"bridge_netfilter", "Bridge netfilter in the host drops packets",
     "sysctl net.bridge.bridge-nf-call-iptables and the counters of nft list ruleset in the host"},
    {"receiver_not_reading", "The receiver does not read",
     "a capture at the receiver; ss -tmi there during a stall"},
    {"not_scheduled", "The firewall or the host is not scheduled (CPU, I/O wait)",
     "xentop in the host and vmstat 1 in the guest during a stall"},
    {"loss_beyond_outermost", "Packets are lost beyond the outermost capture",
     "a capture further out"},
    {"sender_idle", "The sender had nothing to send",
     "a capture at the sender; the server's log"},
    {"capture_artefact", "The captures themselves missed packets",
     "the counters that tcpdump prints at its end; a larger buffer (tcpdump -B)"},
};

int hypotheses_make(struct wh_result *result, struct arena *arena, struct wh_error *error)
{
    uint32_t count = sizeof rows / sizeof *rows;
    struct wh_hypothesis *list = arena_alloc(arena, count, sizeof *list);
    if (!list)
        return error_memory(error, "hypotheses");
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct wh_hypothesis){.id = rows[i].id,
                                         .title = rows[i].title,
                                         .status = WH_UNDECIDED,
                                         .to_decide = rows[i].to_decide};
    result->hypotheses = list;
    result->hypothesis_count = count;
    return WH_OK;
}
