/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The events a packet can show at a point. One line each: the constant, the word written to
 * events.csv and report.json, and what it means. The words are Wireshark's where the meaning
 * is the same, so that a frame number looked up there shows the same thing.
 */
#ifndef WHICHHOP_EVENTS_H
#define WHICHHOP_EVENTS_H

#define WH_EVENTS(X)                                                                               \
    X(RETRANSMISSION, "retransmission", "bytes sent again, by the sender's timer")                 \
    X(FAST_RETRANSMISSION, "fast_retransmission", "bytes sent again after duplicate ACKs")         \
    X(SPURIOUS_RETRANSMISSION, "spurious_retransmission", "bytes sent again though acknowledged")  \
    X(OUT_OF_ORDER, "out_of_order", "bytes below the highest seen, too early to be sent again")    \
    X(DUPLICATE_ACK, "duplicate_ack", "an acknowledgement repeated, nothing new in it")            \
    X(GAP, "gap", "bytes skipped: the segment starts above the next expected one")                 \
    X(SILENCE, "silence", "time skipped with data outstanding")                                    \
    X(ZERO_WINDOW, "zero_window", "the receiver has no room")                                      \
    X(ZERO_WINDOW_PROBE, "zero_window_probe", "one byte sent into a closed window")                \
    X(WINDOW_FULL, "window_full", "data up to the edge of the window")                             \
    X(WINDOW_UPDATE, "window_update", "only the window changed")                                   \
    X(KEEP_ALIVE, "keep_alive", "at most one byte, just below the next expected one")              \
    X(LOST, "lost", "seen here and not at the next point")                                         \
    X(ACK_OF_UNSEEN, "ack_of_unseen", "acknowledges bytes this capture missed")                    \
    X(DUPLICATE_PACKET, "duplicate_packet", "the same packet captured twice")                      \
    X(BAD_CHECKSUM, "bad_checksum", "wrong checksum, and not the partial sum of an offload")       \
    X(RESET, "reset", "RST")                                                                       \
    X(PORT_REUSE, "port_reuse", "a new handshake on ports used before")                            \
    X(ICMP_TOO_BIG, "icmp_too_big", "a router says that a packet was too big")

enum wh_event_kind {
#define WH_EVENT_ENUM(name, word, meaning) WH_EVENT_##name,
    WH_EVENTS(WH_EVENT_ENUM)
#undef WH_EVENT_ENUM
        WH_EVENT_KINDS
};

#endif
