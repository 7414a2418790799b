# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what tcpdump wrote, writes it in another dress, counts what passed between two points."""
import gzip
import ipaddress
import struct
from collections import defaultdict, deque

from frames import ETHERNET, RAW, SLL, SLL2, cooked

NANO_MAGIC, MICRO_MAGIC = 0xA1B23C4D, 0xA1B2C3D4


def vlan(frame):
    return frame[:12] + struct.pack("!HH", 0x8100, 42) + frame[12:]


def raw(frame):
    return frame[14:] if frame[12:14] == b"\x08\x00" else None


# By name: the link type's number, what a frame becomes, how much longer it is then.
DRESSES = {"ethernet": (ETHERNET, lambda frame: frame, 0),
           "sll": (SLL, lambda frame: cooked(SLL, frame, 0, 2), 2),
           "sll2": (SLL2, lambda frame: cooked(SLL2, frame, 0, 2), 6),
           "vlan": (ETHERNET, vlan, 4), "raw": (RAW, raw, -14)}


def read(path):
    """The packets of a nanosecond capture by tcpdump on this machine: (unix ns, length, bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    if struct.unpack_from("=I", data)[0] != NANO_MAGIC:
        raise ValueError(f"{path}: not a capture in nanoseconds")
    packets, place = [], 24
    while place + 16 <= len(data):
        seconds, nanos, kept, length = struct.unpack_from("=IIII", data, place)
        packets.append((seconds * 10**9 + nanos, length, data[place + 16:place + 16 + kept]))
        place += 16 + kept
    return packets


def write(path, packets, snap, dress, clock):
    """Writes packets to a gzip file; clock is (seconds, ppm): how wrong it shall be."""
    name, *options = dress.split("+")
    link, change, longer = DRESSES[name]
    order = ">" if "be" in options else "<"
    unit = 1 if "ns" in options else 1000
    offset_ns, ppm = round(clock[0] * 10**9), (clock[1] if len(clock) > 1 else 0)
    begin = packets[0][0] if packets else 0
    with gzip.GzipFile(path, "wb", 9, mtime=0) as out:
        magic = NANO_MAGIC if unit == 1 else MICRO_MAGIC
        out.write(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap + max(0, longer), link))
        for when, length, frame in packets:
            frame = change(frame)
            if frame is None:
                continue
            when += offset_ns + round((when - begin) * ppm / 10**6)
            out.write(struct.pack(order + "IIII", when // 10**9, when % 10**9 // unit, len(frame),
                                  length + longer) + frame)


def tcp_key(frame):
    """What masquerading leaves alone in a TCP packet, and its source address; None for others."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    head = 14 + (frame[14] & 15) * 4
    length, ip_id = struct.unpack_from("!HH", frame, 16)
    options = frame[head + 20:head + (frame[head + 12] >> 4) * 4]
    return (ip_id, length, frame[head + 4:head + 16], options), frame[26:30]


def compare(points, order, server):
    """What went into each inner segment and did not come out, by direction, from the captures."""
    server = ipaddress.ip_address(server).packed
    seen = {}
    for near, far in zip(order, order[1:]):
        sides = ((near, far, "to_client"), (far, near, "to_server"))
        seen[f"{near}..{far}"] = {
            direction: passage(points[into], points[out], server, direction == "to_client")
            for into, out, direction in sides}
    return seen


def passage(into, out, server, from_server):
    waiting = defaultdict(deque)
    for when, _, frame in into:
        key = tcp_key(frame)
        if key and (key[1] == server) == from_server:
            waiting[key[0]].append(when)
    packets, unseen, delays = sum(map(len, waiting.values())), 0, []
    for when, _, frame in out:
        key = tcp_key(frame)
        if not key or (key[1] == server) != from_server:
            continue
        if waiting[key[0]]:
            delays.append(when - waiting[key[0]].popleft())
        else:
            unseen += 1
    lost = sorted(when for queue in waiting.values() for when in queue)
    return {"packets": packets, "lost": len(lost), "appeared": unseen,
            "first_lost_unix_s": lost[0] / 1e9 if lost else None,
            "last_lost_unix_s": lost[-1] / 1e9 if lost else None,
            "delay_max_s": max(delays, default=0) / 1e9}
