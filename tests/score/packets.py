# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP packets of a capture, by frame number: an own short reader, so that the judge is not the
judged. pcap and pcapng, plain, gzip or xz; what it cannot read it says so (ValueError)."""
import gzip
import ipaddress
import lzma
import struct
from collections import namedtuple

Packet = namedtuple("Packet", "point file frame when source sport destination dport seq ack "
                              "payload flags ip_id")
FIN, SYN, RST = 1, 2, 4
PCAP = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}
ETHERTYPES = {0x0800: "ip", 0x86DD: "ip"}
TAGS = (0x8100, 0x88A8, 0x9100)
RAW_LINKS = (12, 14, 101, 228, 229)
IPV6_OPTIONS = (0, 43, 60)
DEPTH = 8


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    return lzma.decompress(data) if data[:6] == b"\xfd7zXZ\0" else data


def frames_of(data):
    """Yields (number, interface's name, unix ns, link type, bytes), numbers as Wireshark's."""
    if len(data) >= 24:
        for order in "<>":
            magic, = struct.unpack_from(order + "I", data)
            if magic in PCAP:
                return pcap_frames(data, order, PCAP[magic])
        if magic == 0x0A0D0D0A or data[:4] == b"\x0a\x0d\x0d\x0a":
            return pcapng_frames(data)
    raise ValueError("neither pcap nor pcapng")


def pcap_frames(data, order, unit):
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    head, place, number = struct.Struct(order + "IIII"), 24, 0
    while place + 16 <= len(data):
        seconds, part, kept, _ = head.unpack_from(data, place)
        number += 1
        yield number, None, seconds * 10**9 + part * unit, link, data[place + 16:place + 16 + kept]
        place += 16 + kept


def pcapng_options(data, order, place, end):
    while place + 4 <= end:
        code, size = struct.unpack_from(order + "HH", data, place)
        if code == 0:
            return
        yield code, data[place + 4:place + 4 + size]
        place += 4 + size + -size % 4


def pcapng_interface(data, order, place, end):
    link, = struct.unpack_from(order + "H", data, place)
    name, ticks = None, 10**6
    for code, value in pcapng_options(data, order, place + 8, end):
        if code == 2:
            name = value.decode(errors="replace").rstrip("\0")
        elif code == 9 and value:
            ticks = 2 ** (value[0] & 127) if value[0] & 128 else 10 ** value[0]
    return name, link, ticks


def pcapng_frames(data):
    place, number, order, interfaces = 0, 0, "<", []
    while place + 12 <= len(data):
        if data[place:place + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[place + 8:place + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(order + "II", data, place)
        body, end = place + 8, place + size - 4
        if size < 12 or end > len(data):
            return
        if kind == 1:
            interfaces.append(pcapng_interface(data, order, body, end))
        elif kind == 6:
            number += 1
            index, high, low, kept = struct.unpack_from(order + "IIII", data, body)
            name, link, ticks = interfaces[index]
            when = ((high << 32) + low) * 10**9 // ticks
            yield number, name, when, link, data[body + 20:body + 20 + kept]
        elif kind in (2, 3):
            raise ValueError("packet blocks without a plain time")
        place += size


def network_layer(link, frame):
    """Where IP begins in a frame; None for what is no IP."""
    if link in RAW_LINKS:
        return 0
    if link in (0, 108):
        return 4
    kind_at = {1: 12, 113: 14, 276: 0}.get(link)
    if kind_at is None:
        raise ValueError(f"link type {link}")
    kind, place = int.from_bytes(frame[kind_at:kind_at + 2], "big"), {1: 14, 113: 16, 276: 20}[link]
    while kind in TAGS:
        kind, place = int.from_bytes(frame[place + 2:place + 4], "big"), place + 4
    if kind == 0x8864:
        return place + 8
    if kind in (0x8847, 0x8848):
        while place + 4 < len(frame) and not frame[place + 2] & 1:
            place += 4
        return place + 4
    return place if kind in ETHERTYPES else None


def ip_layer(frame, place):
    """(protocol, payload's place, its end, ip id, addresses) or None."""
    version = frame[place] >> 4 if place < len(frame) else 0
    if version == 4 and place + 20 <= len(frame):
        total, ip_id, fragment = struct.unpack_from("!HHH", frame, place + 2)
        if fragment & 0x1FFF:
            return None
        end = place + total if total else len(frame)
        return (frame[place + 9], place + (frame[place] & 15) * 4, end, ip_id,
                (frame[place + 12:place + 16], frame[place + 16:place + 20]))
    if version == 6 and place + 40 <= len(frame):
        length, following = struct.unpack_from("!HB", frame, place + 4)
        addresses = frame[place + 8:place + 24], frame[place + 24:place + 40]
        end, inner = place + 40 + length, place + 40
        while following in IPV6_OPTIONS and inner + 2 <= len(frame):
            following, inner = frame[inner], inner + 8 + frame[inner + 1] * 8
        return following, inner, end, 0, addresses
    return None


def tunnelled(frame, protocol, place):
    """Where the inner IP begins in a tunnel; None without one."""
    if protocol in (4, 41):
        return place
    if protocol == 47 and place + 4 <= len(frame):
        flags, kind = struct.unpack_from("!HH", frame, place)
        inner = place + 4 + 4 * sum(bool(flags & bit) for bit in (0x8000, 0x2000, 0x1000))
        if kind == 0x6558:
            inside = network_layer(1, frame[inner:])
            return None if inside is None else inner + inside
        return inner if kind in ETHERTYPES else None
    if protocol == 17 and place + 16 <= len(frame):
        port, = struct.unpack_from("!H", frame, place + 2)
        inner = {4789: place + 16, 6081: place + 16 + (frame[place + 8] & 63) * 4}.get(port)
        inside = network_layer(1, frame[inner:]) if inner else None
        return None if inside is None else inner + inside
    return None


def decode(link, frame):
    """(source, sport, destination, dport, seq, ack, payload, flags, ip id), or None: no TCP."""
    place = network_layer(link, frame)
    for _ in range(DEPTH):
        layer = ip_layer(frame, place) if place is not None else None
        if not layer:
            return None
        protocol, inner, end, ip_id, addresses = layer
        if protocol == 6:
            if inner + 14 > len(frame):
                return None
            sport, dport, seq, ack, head, flags = struct.unpack_from("!HHIIBB", frame, inner)
            return (addresses[0], sport, addresses[1], dport, seq, ack,
                    max(0, end - inner - (head >> 4) * 4), flags, ip_id)
        place = tunnelled(frame, protocol, inner)
    return None


def name_of(address, port):
    host = ipaddress.ip_address(address)
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"


def read_point(point, files, shared):
    """All TCP packets of a point: {(file, frame): Packet}, and from when to when it captured (ns).

    files: (name in the report, path). shared: files whose interfaces are points of their own."""
    packets, first, last = {}, None, None
    for name, path in files:
        for number, interface, when, link, frame in frames_of(load(path)):
            if path in shared and interface != point:
                continue
            first = when if first is None else min(first, when)
            last = when if last is None else max(last, when)
            found = decode(link, frame)
            if found:
                packets[name, number] = Packet(point, name, number, when, *found)
    return packets, (first, last)
