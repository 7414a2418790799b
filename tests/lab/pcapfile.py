# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what tcpdump wrote, writes it in another dress, counts what passed between two points."""
import gzip
import struct
from collections import defaultdict, deque

import tunnels
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
           "vlan": (ETHERNET, vlan, 4), "raw": (RAW, raw, -14), **tunnels.DRESSES}


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
            if not frame:
                continue
            when += offset_ns + round((when - begin) * ppm / 10**6)
            out.write(struct.pack(order + "IIII", when // 10**9, when % 10**9 // unit, len(frame),
                                  length + longer) + frame)


def packet_key(frame):
    """What address translation leaves alone in a TCP or UDP packet; None for others."""
    if frame[12:14] == b"\x08\x00" and frame[23] in (6, 17):
        head, protocol = 14 + (frame[14] & 15) * 4, frame[23]
        network = struct.unpack_from("!HHH", frame, 16)
        if network[2] & 0x1FFF:
            return network
    elif frame[12:14] == b"\x86\xdd" and frame[20] in (6, 17):
        head, protocol = 54, frame[20]
        network = struct.unpack_from("!H", frame, 18)
    else:
        return None
    if protocol == 17:
        return (*network, frame[head + 8:head + 32])
    syn = frame[head + 13] & 2  # its MSS may be clamped
    options = b"" if syn else frame[head + 20:head + (frame[head + 12] >> 4) * 4]
    return (*network, frame[head + 4:head + 16], options)


def compare(points, order, senders):
    """What went into each inner segment and did not come out, by direction, from the captures.

    senders: by point the Ethernet address of those who send toward the clients there.
    """
    seen = {}
    for near, far in zip(order, order[1:]):
        sides = ((near, far, "to_client"), (far, near, "to_server"))
        seen[f"{near}..{far}"] = {
            direction: passage(sent(points[into], senders[into], direction == "to_client"),
                               sent(points[out], senders[out], direction == "to_client"))
            for into, out, direction in sides}
    return seen


def sent(packets, sender, to_client):
    """(time, key) of the packets of one direction."""
    for when, _, frame in packets:
        key = packet_key(frame)
        if key and (frame[6:12].hex(":") == sender) == to_client:
            yield when, key


def passage(into, out):
    waiting = defaultdict(deque)
    for when, key in into:
        waiting[key].append(when)
    packets, unseen, delays = sum(map(len, waiting.values())), 0, []
    for when, key in out:
        if waiting[key]:
            delays.append(when - waiting[key].popleft())
        else:
            unseen += 1
    lost = sorted(when for queue in waiting.values() for when in queue)
    return {"packets": packets, "lost": len(lost), "appeared": unseen,
            "first_lost_unix_s": lost[0] / 1e9 if lost else None,
            "last_lost_unix_s": lost[-1] / 1e9 if lost else None,
            "delay_max_s": max(delays, default=0) / 1e9}
