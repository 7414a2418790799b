# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures harmed as life harms them: what tests/properties.py changes in a case's captures.

Each takes the packets of one capture, (unix ns, length on the wire, bytes), and gives them back.
"""
import random
import struct

ETHERTYPE_IPV4 = b"\x08\x00"
SLL2_BYTES, ETHERNET_BYTES = 20, 14
OUTGOING = 4


def disordered(packets, seed):
    """As a card with several queues writes them: stamps right, places in the file not quite."""
    dice = random.Random(seed)
    places = sorted((packet[0] + dice.randrange(900000), at) for at, packet in enumerate(packets))
    return [packets[at] for _, at in places]


def thinned(packets, seed, share=0.02):
    dice = random.Random(seed)
    return [packet for packet in packets if dice.random() >= share]


def with_hole(packets, seed, seconds=0.6):
    """The capture stands still for a while."""
    first, last = packets[0][0], packets[-1][0]
    begin = first + int((last - first) * random.Random(seed).uniform(0.1, 0.8))
    return [packet for packet in packets if not begin <= packet[0] < begin + seconds * 10**9]


def doubled(packets):
    return [again for when, length, frame in packets
            for again in ((when, length, frame), (when + 5000, length, frame))]


def is_ipv4(frame):
    return frame[12:14] == ETHERTYPE_IPV4


def to_lower_port(frame):
    """Towards the server, as its port is the lower one."""
    at = ETHERNET_BYTES + (frame[ETHERNET_BYTES] & 15) * 4
    source, destination = struct.unpack(">HH", frame[at:at + 4])
    return destination < source


def one_way(packets, to_server):
    return [packet for packet in packets
            if not is_ipv4(packet[2]) or to_lower_port(packet[2]) == to_server]


def in_vxlan(packets):
    """Everything in a tunnel, as between two hosts of a virtual network."""
    def wrap(when, length, frame):
        ends = (b"\x0a\x09\x00\x01", b"\x0a\x09\x00\x02")
        out = is_ipv4(frame) and to_lower_port(frame)
        outer = struct.pack(">BBHHHBBH", 0x45, 0, length + 36, 1, 0, 64, 17, 0)
        outer += ends[out] + ends[not out]
        udp = struct.pack(">HHHH", 40000, 4789, length + 16, 0)
        return (when, length + 50,
                frame[:12] + ETHERTYPE_IPV4 + outer + udp + b"\x08\0\0\0\0\0\x2a\0" + frame)
    return [wrap(*packet) for packet in packets]


def cooked(captures):
    """One `-i any` capture of several: interfaces 2, 3 ... in the order given."""
    packets = []
    for number, capture in enumerate(captures, start=2):
        for when, length, frame in capture:
            if not is_ipv4(frame):
                continue
            kind = OUTGOING if to_lower_port(frame) else 0
            head = struct.pack(">HHIHBB", 0x0800, 0, number, 1, kind, 6) + frame[6:12] + b"\0\0"
            packets.append((when, length + SLL2_BYTES - ETHERNET_BYTES,
                            head + frame[ETHERNET_BYTES:]))
    return sorted(packets, key=lambda packet: packet[0])
