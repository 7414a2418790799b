#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one capture out of another, for the tests.

    capture.py IN OUT [--snap BYTES] [--from S] [--to S] [--shift S] [--packets FROM-TO]
               [--vlan ID] [--nano] [--swap] [--pcapng]
    capture.py IN --parts N OUT...      N files, each going on where the one before ends

IN is a pcap file, plain or gzip, in any byte order; what is not asked for stays as it is. Times
count from IN's first packet. An OUT that ends in .gz is compressed.
"""
import argparse
import gzip
import lzma
import struct
import sys

MICRO_MAGIC, NANO_MAGIC = 0xA1B2C3D4, 0xA1B23C4D
ETHERNET = 1


class Capture:
    """A pcap file in memory: packets are (unix ns, length on the wire, bytes kept)."""

    def __init__(self, order, nano, snap, link, packets):
        self.order, self.nano, self.snap, self.link = order, nano, snap, link
        self.packets = packets

    def but(self, packets=None, **changed):
        """The same capture with other packets, or in another dress."""
        fields = {"order": self.order, "nano": self.nano, "snap": self.snap, "link": self.link,
                  "packets": self.packets if packets is None else packets, **changed}
        return Capture(**fields)

    def snapped(self, snap):
        return self.but([(when, length, frame[:snap]) for when, length, frame in self.packets],
                        snap=snap)

    def pcap(self):
        unit = 1 if self.nano else 1000
        parts = [struct.pack(self.order + "IHHiIII", NANO_MAGIC if self.nano else MICRO_MAGIC, 2, 4,
                             0, 0, self.snap, self.link)]
        for when, length, frame in self.packets:
            parts += [struct.pack(self.order + "IIII", when // 10**9, when % 10**9 // unit,
                                  len(frame), length), frame]
        return b"".join(parts)

    def pcapng(self):
        return pcapng({"": self})


def pcapng(interfaces):
    """One section with an interface for each capture, by name, in nanoseconds (if_tsresol)."""
    order = next(iter(interfaces.values())).order

    def block(kind, body):
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", len(body) + 12)
        return struct.pack(order + "I", kind) + size + body + size

    def option(code, value):
        return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)

    parts = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for name, capture in interfaces.items():
        options = (option(2, name.encode()) if name else b"") + option(9, b"\x09") + option(0, b"")
        parts.append(block(1, struct.pack(order + "HHI", capture.link, 0, capture.snap) + options))
    packets = [(packet, number) for number, capture in enumerate(interfaces.values())
               for packet in capture.packets]
    if len(interfaces) > 1:
        packets.sort(key=lambda entry: entry[0][0])
    for (when, length, frame), number in packets:
        parts.append(block(6, struct.pack(order + "IIIII", number, when >> 32, when & 0xFFFFFFFF,
                                          len(frame), length) + frame))
    return b"".join(parts)


def unpacked(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    return lzma.decompress(data) if data[:6] == b"\xfd7zXZ\0" else data


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    data = unpacked(data)
    order = "<" if data[0] in (0xD4, 0x4D) else ">"
    magic, _, _, _, _, snap, link = struct.unpack_from(order + "IHHiIII", data)
    if magic not in (MICRO_MAGIC, NANO_MAGIC):
        raise ValueError(f"{path}: not a pcap file")
    unit, packets, place = (1 if magic == NANO_MAGIC else 1000), [], 24
    while place + 16 <= len(data):
        seconds, part, kept, length = struct.unpack_from(order + "IIII", data, place)
        packets.append((seconds * 10**9 + part * unit, length, data[place + 16:place + 16 + kept]))
        place += 16 + kept
    return Capture(order, unit == 1, snap, link, packets)


def save(path, data, level=9):
    if path.endswith(".gz"):
        data = gzip.compress(data, level, mtime=0)
    elif path.endswith(".xz"):
        data = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
    with open(path, "wb") as out:
        out.write(data)


def tagged(packet, number):
    when, length, frame = packet
    return when, length + 4, frame[:12] + struct.pack("!HH", 0x8100, number) + frame[12:]


def edit(capture, args):
    begin = capture.packets[0][0]
    first, last = begin + round(args.start * 1e9), begin + round(args.to * 1e9)
    packets = [packet for packet in capture.packets if first <= packet[0] <= last]
    if args.packets:
        low, high = (int(word) for word in args.packets.split("-"))
        packets = packets[low - 1:high]
    if args.vlan:
        if capture.link != ETHERNET:
            sys.exit("capture.py: tags only in Ethernet frames")
        packets = [tagged(packet, args.vlan) for packet in packets]
    shift = round(args.shift * 1e9)
    packets = [(when + shift, length, frame) for when, length, frame in packets]
    swapped = {"<": ">", ">": "<"}[capture.order] if args.swap else capture.order
    capture = capture.but(packets, nano=capture.nano or args.nano, order=swapped)
    return capture.snapped(args.snap) if args.snap else capture


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("capture", metavar="IN")
    parser.add_argument("out", nargs="+", metavar="OUT")
    parser.add_argument("--snap", type=int)
    parser.add_argument("--from", type=float, default=0, dest="start")
    parser.add_argument("--to", type=float, default=1e6)
    parser.add_argument("--shift", type=float, default=0)
    parser.add_argument("--packets")
    parser.add_argument("--vlan", type=int)
    parser.add_argument("--parts", type=int, default=1)
    for flag in ("--nano", "--swap", "--pcapng"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args()
    if len(args.out) != args.parts:
        parser.error(f"{args.parts} parts into {len(args.out)} files")
    capture = edit(read(args.capture), args)
    size = -(-len(capture.packets) // args.parts)
    for number, path in enumerate(args.out):
        part = capture.but(capture.packets[number * size:(number + 1) * size])
        save(path, part.pcapng() if args.pcapng else part.pcap())


if __name__ == "__main__":
    main()
