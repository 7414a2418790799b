/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is known of the usual suspicions. docs/method.md has the rules in full. */
#include <string.h>

#include "blame/knowledge.h"

static const struct knowledge suspicions[] = {
    {"netback_slots", "The back end's transmit slots are held by packets that wait in the host",
     "Xen's classic network back end lends the guests' pages to the host for as long as a packet "
     "is in use, at most 256 at a time for all guests. Packets that wait in the host, say behind a "
     "hole in a download, keep their slots. Once all are taken no guest can send, and the "
     "retransmission that would fill the hole cannot pass either. After half a second the host "
     "copies such packets, which frees the slots. A proxy in the guest avoids it: nothing is lost "
     "on its leg.",
     "Most times that all flows stop, and twice at least: bytes are missing behind the firewall, "
     "their retransmission reaches it and does not come out, and the silence is a multiple of half "
     "a second.",
     "Flows of other guests move on, or nothing is missing before the silence.",
     "Captures on both vifs of the firewall guest and inside it, from before a stall; dmesg of "
     "host and guests; does a proxy in the guest, or reading the download there, avoid it?",
     "A current kernel in the host (its back end copies what stays in the host), the proxy, or the "
     "download in another place than the host; find out what loses the first packet."},
    {"netback_ring", "The back end's ring to a guest runs full",
     "The guest does not take packets out of its ring as fast as the host puts them in; the host "
     "then drops them.",
     "Bursts of loss between the bridge before the firewall and the one behind it are all that "
     "captures outside can show; the vif's own drop counter proves it. So it is never called "
     "supported.",
     "Everything that went in came out, or only large packets were lost: a full ring does not "
     "choose.",
     "The drop counters of the guest's vifs before and after a stall: ip -s link show vifX.Y, "
     "ethtool -S vifX.Y, tc -s qdisc show dev vifX.Y; captures on the vif and inside the guest.",
     "A longer queue on the vif (ip link set vifX.Y txqueuelen 1000), several queues "
     "(xen-netback max_queues), more CPU for the guest."},
    {"rate_limit", "A rate limit (credit) on the guest's vif holds packets back",
     "A vif with a limit gets a credit each period, 50 ms unless told otherwise. When it is used "
     "up, what the guest sends waits for the next one.",
     "More than three times packets are held, at one period, and none is lost.",
     "Packets are held both ways at once (each way leaves by another vif, with a credit of its "
     "own), or irregularly, or never for as long as a period.",
     "The limit itself: \"rate\" in the guest's configuration and in xenstore-ls under the vif's "
     "back end; tc -s qdisc in host and guest; a capture over at least four stalls.",
     "Raise or remove \"rate=\" in the guest's vif line, or shorten its period."},
    {"checksum_offload", "Checksum offload across the NAT: the receiver throws packets away",
     "A device leaves the checksum for the next one to finish, and the next one takes it for "
     "final. The packet then leaves with a sum that is wrong, and the receiver drops it without a "
     "word.",
     "Packets captured whole that are wrong at the last point before the receiver and right, or "
     "unfinished, at the first, while the flow waits for them.",
     "They are right at the receiver; or the same packet recovers by being sent again, as an "
     "unfinished sum is wrong each time; or no stall waits for data beyond the last point.",
     "Whole packets (tcpdump -s 0) at the receiver; nstat -az TcpInCsumErrors there before and "
     "after a stall; ethtool -k in host and guest; the same download with tx checksumming off.",
     "ethtool -K eth0 tx off in the guest that translates, and in the host on its vifs."},
    {"large_receive_offload", "Large receive offload (LRO) on a machine that forwards",
     "The card merges packets into frames larger than the MTU. A machine that forwards them cannot "
     "take them apart again as GRO's can, and loses them or clamps the window.",
     "Frames larger than a packet at a point, and behind it only such frames are lost, five or "
     "more.",
     "No capture shows a frame larger than a packet; or large ones pass; or single packets are "
     "lost as well.",
     "ethtool -k at the outer interface (large-receive-offload must be off where packets are "
     "forwarded), ethtool -S there, and the same download with lro and gro off.",
     "ethtool -K DEV lro off on every machine that bridges or forwards; GRO may stay."},
    {"host_memory", "The host has too little memory",
     "The host cannot get pages for packets, or shrinks sockets' buffers. All its interfaces "
     "suffer at the same moment.",
     "At least two, and half, of the bursts of loss begin within 20 ms of losses in another "
     "segment.",
     "Losses in one segment at most, and no window that shrank to nothing.",
     "dmesg of the host (\"page allocation failure\", \"Out of socket memory\"), vmstat 1 and "
     "/proc/net/sockstat during a stall; drops in /proc/net/softnet_stat and ethtool -S before and "
     "after.",
     "Give the host memory of its own that does not shrink (dom0_mem=2G,max:2G), raise "
     "vm.min_free_kbytes."},
    {"conntrack_invalid", "Connection tracking takes packets for invalid",
     "The firewall keeps a window of sequence numbers for each connection and drops, or leaves "
     "untranslated, what it finds outside.",
     "The translation itself failed (cause nat): an untranslated packet, another name in "
     "mid-connection, a reset or an error that the translator made.",
     "Nothing was thrown away there; or the same bytes passed with the same numbers when they were "
     "sent again; or all flows stopped together; or only large packets vanished.",
     "In the firewall: sysctl net.netfilter.nf_conntrack_log_invalid=6 and its log, conntrack -S "
     "(invalid, drop) before and after a stall, nft list ruleset with counters.",
     "net.netfilter.nf_conntrack_tcp_be_liberal=1 in the firewall; no rule that drops \"ct state "
     "invalid\" before it is looked at."},
    {"mtu_blackhole", "A path MTU or MSS black hole",
     "Packets of full size vanish at a narrower link and nobody tells the sender.",
     "A stall of the cause mtu_blackhole: only large packets vanish, again and again, while small "
     "ones pass.",
     "The same flow carried full-size data, or small packets were lost too, or no stall waited for "
     "lost data.",
     "Captures on both sides of each router that may be the narrow one; ping -M do -s SIZE through "
     "it; ip route get; the MSS in both SYNs.",
     "Let ICMP too-big messages pass, or clamp the MSS at the narrow link; see the cause "
     "mtu_blackhole."},
    {"bridge_netfilter", "Netfilter on the host's bridge drops packets",
     "With net.bridge.bridge-nf-call-iptables the host's own rules see what only passes its "
     "bridge, and may drop it.",
     "Between two captures with no translation between them a flow loses everything and is never "
     "seen behind it, while others pass: rules choose by address and port.",
     "Nothing was lost there; or the same bytes passed when they were sent again.",
     "In the host: sysctl net.bridge.bridge-nf-call-iptables, nft list ruleset and ebtables -L "
     "--Lc with their counters before and after a stall; captures at the NIC and at the bridge.",
     "sysctl net.bridge.bridge-nf-call-iptables=0 (and ip6tables, arptables) in the host."},
    {"receiver_not_reading", "The receiver does not read",
     "The program that receives is slower than the network, and its window closes.",
     "A stall of the cause zero_window: the window closes at the receiver's end and the silence "
     "ends when it opens.",
     "No window of zero was announced, or none when a flow stood still.",
     "A capture at the receiver, and ss -tmi there (Recv-Q, rcv_space) during a stall.",
     "Look at the receiving program and at the disk it writes to; see the cause zero_window."},
    {"not_scheduled", "Firewall or host are not scheduled in time (CPU, I/O wait)",
     "Whatever forwards the packets does not get to run: no CPU, or a wait for I/O. Nothing moves "
     "in either direction, and nothing is lost, unless its queue overflows.",
     "All flows are held in one segment, both ways, come out together, and nothing is lost there.",
     "Packets of the other direction, or of other flows, came through it meanwhile; or no stall "
     "came from packets that were held.",
     "xentop and vmstat 1 in the host, vmstat 1 (st, wa) in the firewall during a stall; captures "
     "on both vifs of the firewall and inside it: which of the three stands still?",
     "Give the firewall and the host CPUs of their own (vcpu-pin), or a larger weight (xl "
     "sched-credit2 -d DOMAIN -w 1024); take the disk load elsewhere."},
    {"loss_beyond_outermost", "Packets are lost beyond the outermost captures",
     "What is missing was missing already when it came to the first capture, or vanished behind "
     "the last one: another network, or an end host.",
     "A stall by loss, of data or acknowledgements, in one of the two outer segments.",
     "No stall waited for something lost there.",
     "A capture further out on the side in question, best at the end host itself.",
     "Take the report to whoever runs that side; it names frames and times."},
    {"sender_idle", "The sender had nothing to send",
     "The program that sends paused. The network had nothing to carry.",
     "A stall of the cause sender_idle: all acknowledged, the window open, and the sender goes on "
     "by itself.",
     "In each stall something was under way, or the window was closed.",
     "A capture at the sender, and the log of the program that sends.",
     "Look at the sending program; see the cause sender_idle."},
    {"capture_artefact", "The captures themselves missed packets",
     "tcpdump did not keep up, or began late. What the file lacks looks like loss to a tool that "
     "has one file only. whichhop takes none of it for loss where another point or an "
     "acknowledgement shows that it passed.",
     "Other captures have packets that this one lacks, bytes are acknowledged that no capture has, "
     "or the file's own counters tell of drops.",
     "Every byte that was acknowledged is in the captures, and no file tells of drops.",
     "The counters that tcpdump prints at its end; the same again with a larger buffer (tcpdump -B "
     "65536) and a shorter snap length (-s 128).",
     "tcpdump -B 65536 -s 128, a filter for the flow in question, the file on a disk that keeps "
     "up; more in docs/capturing.md."},
};

const struct knowledge *knowledge_suspicions(size_t *count)
{
    *count = sizeof suspicions / sizeof *suspicions;
    return suspicions;
}

const struct knowledge *knowledge_of_suspicion(const char *id)
{
    for (size_t i = 0; i < sizeof suspicions / sizeof *suspicions; i++)
        if (strcmp(suspicions[i].id, id) == 0)
            return &suspicions[i];
    return NULL;
}
