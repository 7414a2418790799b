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


def drifting(packets, ppm=200):
    """By a clock that runs too fast."""
    begin = packets[0][0]
    return [(when + (when - begin) * ppm // 10**6, length, frame)
            for when, length, frame in packets]


def wild(packets, seed):
    """Times damaged here and there, and a clock set by hours or by decades."""
    dice, packets = random.Random(seed), list(packets)
    latest = 2**32 * 10**9 - 1
    for _ in range(dice.choice((1, 3, 30))):
        at = dice.randrange(len(packets))
        when, length, frame = packets[at]
        packets[at] = (min(when ^ 1 << dice.randrange(62), latest), length, frame)
    if dice.random() < 0.5:
        begin = dice.randrange(len(packets))
        step = dice.choice((-56, -9, 9, 56)) * 365 * 86400 * 10**9 + dice.randrange(10**13)
        packets[begin:] = [(max(0, min(when + step, latest)), length, frame)
                           for when, length, frame in packets[begin:]]
    return packets


def tcp_at(frame):
    """Where the TCP header of a frame begins; None: it has none, or not all of it."""
    at = ETHERNET_BYTES + (frame[ETHERNET_BYTES] & 15) * 4 if is_ipv4(frame) else len(frame)
    return at if at + 20 <= len(frame) and frame[ETHERNET_BYTES + 9] == 6 else None


def as_datagrams(packets):
    """UDP in the place of TCP: what tells segments apart becomes payload."""
    def change(when, length, frame):
        at = tcp_at(frame)
        if at is None:
            return when, length, frame
        bytes_in_all = struct.unpack(">H", frame[16:18])[0] - (at - ETHERNET_BYTES)
        header = frame[at:at + 4] + struct.pack(">HH", bytes_in_all, 0)
        place = ETHERNET_BYTES + 9
        return when, length, (frame[:place] + b"\x11" + frame[place + 1:at] + header +
                              frame[at + 4:at + 16] + frame[at + 20:])
    return [change(*packet) for packet in packets]


def by_proxy(packets):
    """Numbers of another connection, as behind a proxy."""
    def change(when, length, frame):
        at = tcp_at(frame)
        if at is None:
            return when, length, frame
        moves = (123456789, 987654321) if to_lower_port(frame) else (987654321, 123456789)
        numbers = [(number + move) % 2**32
                   for number, move in zip(struct.unpack(">II", frame[at + 4:at + 12]), moves)]
        return when, length, (frame[:18] + bytes(byte ^ 0x5A for byte in frame[18:20]) +
                              frame[20:at + 4] + struct.pack(">II", *numbers) + frame[at + 12:])
    return [change(*packet) for packet in packets]
