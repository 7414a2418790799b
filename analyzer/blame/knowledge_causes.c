/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is known of the causes of a stall. docs/method.md has the rules in full. */
#include "blame/knowledge.h"

static const struct knowledge causes[WH_CAUSE_COUNT] = {
    [WH_CAUSE_UNKNOWN] =
        {"unknown", "none of the causes is proved; the segment is the narrowest that is certain",
         "The flow stood still while something was waiting, and the captures do not show why. The "
         "segment is as narrow as they allow, and may span several hops.",
         "Nothing is proved; that is what the word says.",
         "Any other cause, once a capture shows it.",
         "One more point inside the segment that is named; from before the transfer, so that its "
         "handshake is seen; with fewer packets missed by the captures (see capture_artefact).",
         "Capture again as said. Do not act on an unknown."},
    [WH_CAUSE_FREEZE] =
        {"freeze", "packets went in and came out late and together",
         "Something in the segment stood still and kept the packets: a guest or host that was not "
         "run, a paused device, a link layer that tried again. When it went on, they came out in "
         "one burst. What fell out of the queue meanwhile does not change the cause.",
         "A packet is seen before the segment and, late, behind it, and others of the flow came "
         "out with it. Beyond the captures: the packet's timestamp option tells when it was made, "
         "and the echoed timestamp or DSACK tells that the first copy did arrive.",
         "Packets kept coming out of the segment meanwhile, each a little later (queueing), or "
         "never came out (loss).",
         "Both sides of each device inside the segment, the guest's own interfaces included; at "
         "the same time vmstat 1 in host and guest and xentop in the host.",
         "Look at what runs the device: CPU steal and I/O wait, a guest without credit, a host "
         "that swaps, power saving, a radio link. For a firewall guest: pin or weight its CPUs, "
         "see `whichhop explain not_scheduled` and `netback_slots`."},
    [WH_CAUSE_LOSS] =
        {"loss", "packets went in and never came out; they had to be sent again",
         "Data, a connection's first packet or a request vanished in the segment. The flow stood "
         "still until a copy got through, often after a timeout of the sender that doubles each "
         "time.",
         "A copy of the bytes waited for is seen before the segment and not behind it, although "
         "the capture there was running and has what came after. Beyond the captures: a hole in "
         "what comes in, or packets that the sender's IP IDs count and nobody saw.",
         "The packet turns up later behind the segment (freeze), or the receiver acknowledged it "
         "(then only the capture missed it).",
         "The drop counters of each device in the segment before and after a stall: ip -s link, "
         "ethtool -S, tc -s qdisc, nstat -az, nft list ruleset; a capture on both sides of each.",
         "Find the counter that grows with the losses: a ring or queue too short, a rule that "
         "drops, a bad cable (CRC errors), a policer. One lost packet should cost a round trip, "
         "not a timeout: check that SACK is on at both ends."},
    [WH_CAUSE_ACK_LOSS] =
        {"ack_loss", "the data arrived; the acknowledgements vanished on the way back",
         "The receiver had the data and said so, but its acknowledgements were lost in the "
         "segment. The sender waited, and sent again what was there already.",
         "The acknowledgement is seen before the segment and not behind it, and the sender still "
         "sends older bytes. Beyond the captures: acknowledgements that the receiver's IP IDs "
         "count and nobody saw.",
         "The acknowledgements come out late (freeze), or the data itself never arrived (loss).",
         "As for loss, in the direction of the acknowledgements. Look for a way back that is not "
         "the way there.",
         "As for loss. Where uploads fill a slow uplink, give acknowledgements room there "
         "(fq_codel or cake as the queue)."},
    [WH_CAUSE_QUEUEING] =
        {"queueing", "packets kept leaving, but late: a queue stood there",
         "More went into the segment than came out, and a long queue held each packet up. The flow "
         "did not stop at the packets' level; whoever waited for an answer felt it.",
         "The time that packets take through the segment rises, step by step, above its least by "
         "more than --min-stall and two round trips, while packets keep coming out.",
         "Nothing came out for most of the time (freeze), or the delay stays near its least.",
         "The queues inside the segment during a stall: tc -s qdisc show (backlog), ethtool -S, "
         "the modem's or router's own page; a capture on both sides of the slowest link.",
         "Shorten the queue at the slowest link (fq_codel, cake), or shape a little below its rate "
         "where you own the queue; look for the bulk transfer that fills it."},
    [WH_CAUSE_MTU_BLACKHOLE] =
        {"mtu_blackhole", "only packets above some size vanish, again and again",
         "A link in the segment carries smaller packets than the ends believe, and the router "
         "before it does not say so, or its message (ICMP too big) does not come back.",
         "At least two copies of a large packet vanish in one segment while smaller ones of that "
         "time pass, every one of them smaller than the smallest lost.",
         "A packet of the same size passes, or a small one is lost with them.",
         "Both sides of each router or tunnel in the segment; ping -M do -s SIZE through it; both "
         "SYNs with their MSS option.",
         "Let ICMP type 3 code 4 (IPv6: type 2) pass; clamp the MSS where the path narrows (nft: "
         "tcp option maxseg size set rt mtu); or net.ipv4.tcp_mtu_probing=1 at the sender."},
    [WH_CAUSE_CORRUPTION] =
        {"corruption", "packets with a right checksum before, with a wrong one after",
         "The contents of packets changed on the way. The receiver threw them away and the flow "
         "waited until a copy came whole.",
         "Packets captured whole, whose checksum is right at one point and wrong at the next, "
         "while the receiver does not take them. A sum over the pseudo-header alone is unfinished "
         "offload, and no error.",
         "The receiver acknowledges what looks wrong: the sums were not finished yet when they "
         "were captured.",
         "Whole packets (tcpdump -s 0) at every point; ethtool -S for CRC errors; ethtool -k for "
         "offloads of the devices in the segment; nstat -az TcpInCsumErrors at the receiver.",
         "Turn offloads off at the devices in the segment, one at a time (ethtool -K DEV tx off); "
         "if it stays, suspect memory, card or cable."},
    [WH_CAUSE_ZERO_WINDOW] =
        {"zero_window", "the receiver had no room: it did not read what had arrived",
         "The receiving program was slower than the network. Its buffer filled, it announced a "
         "window of nothing or of less than a segment, and the sender had to wait. No hop is to "
         "blame.",
         "The receiver's own announcements: window 0, or below one segment, until it opens again.",
         "The window was open, or its opening was announced and lost on the way (ack_loss).",
         "ss -tmi at the receiver during a stall (Recv-Q, rcv_space); what its program does then: "
         "strace -p, iostat -x 1, top.",
         "Look at the receiving program and its disk. Larger buffers (net.ipv4.tcp_rmem) only "
         "help against short pauses."},
    [WH_CAUSE_SENDER_IDLE] =
        {"sender_idle", "all was acknowledged and the window open; the sender paused",
         "In the middle of a transfer the sender had nothing to send, or did not get to it: a slow "
         "disk or database, a busy server, a limit in the program. No hop is to blame.",
         "Every byte sent is acknowledged, the window is open, the sender sent 64 KiB or more "
         "since the other side's last byte, and goes on by itself.",
         "Something was unacknowledged, the window was closed, or the packet that ends the silence "
         "was made earlier, by its timestamp: then it was held (freeze).",
         "A capture at the sender itself; ss -ti there (app_limited, Send-Q); the log of the "
         "program that sends.",
         "Look at the sending program: what does it read from, what limits its rate?"},
    [WH_CAUSE_NAT] =
        {"nat", "the translator changed, refused or did not translate the flow",
         "The translator let a packet through as it was, gave a flow in mid-life another name, or "
         "refused it by a reset or an ICMP error of its own. The other end cannot know such "
         "packets.",
         "The flow's own numbers under another name behind the translator, or a reset or error "
         "that only one side of it saw, for a packet that went in.",
         "Packets merely vanish there: that is loss, as nothing tells the translator from any "
         "other device that drops.",
         "Both sides of the translator; there conntrack -E -p tcp, conntrack -S and sysctl "
         "net.netfilter.nf_conntrack_count against nf_conntrack_max during a stall.",
         "Raise nf_conntrack_max or the timeout of established connections, keep the table over "
         "reloads of the rules, and look for a second way around the translator."},
};

const struct knowledge *knowledge_of_cause(enum wh_cause cause)
{
    return &causes[(size_t)cause < WH_CAUSE_COUNT ? cause : WH_CAUSE_UNKNOWN];
}
