# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into captured frames and changes them: for spoil.py, which harms stored captures."""
import struct
from collections import namedtuple

ETHERNET, RAW, SLL, SLL2 = 1, 101, 113, 276
LINK_BYTES = {ETHERNET: 14, RAW: 0, SLL: 16, SLL2: 20}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
LARGEST = 65535        # an IP packet
OTHERS, FROM_US = 3, 4   # Linux packet types, as cooked captures bear them

# One TCP packet over IPv4: where its headers are in the frame, and what they say.
Segment = namedtuple("Segment", "ip tcp data source source_port destination destination_port seq "
                     "ack flags payload options")


def parse(link, frame):
    """The frame's TCP segment; None for everything else."""
    ip = LINK_BYTES[link]
    if link == ETHERNET and frame[12:14] == b"\x81\x00":
        ip += 4
    if len(frame) < ip + 40 or frame[ip] >> 4 != 4 or frame[ip + 9] != 6:
        return None
    tcp = ip + (frame[ip] & 15) * 4
    if len(frame) < tcp + 20:
        return None
    source_port, destination_port, seq, ack, head, flags = struct.unpack_from("!HHIIBB", frame, tcp)
    data = tcp + (head >> 4) * 4
    payload = struct.unpack_from("!H", frame, ip + 2)[0] - (data - ip)
    return Segment(ip, tcp, data, frame[ip + 12:ip + 16], source_port, frame[ip + 16:ip + 20],
                   destination_port, seq, ack, flags, payload, frame[tcp + 20:data])


def ones_sum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def with_ip(frame, ip, **changed):
    """The frame with another length or time to live in its IP header, and the right checksum."""
    head = bytearray(frame[ip:ip + (frame[ip] & 15) * 4])
    if "length" in changed:
        struct.pack_into("!H", head, 2, changed["length"])
    if "hops" in changed:
        head[8] = (head[8] + changed["hops"]) & 0xFF
    struct.pack_into("!H", head, 10, 0)
    struct.pack_into("!H", head, 10, 0xFFFF ^ ones_sum(bytes(head)))
    return frame[:ip] + bytes(head) + frame[ip + len(head):]


def merged(frames, snap):
    """What receive offload makes of consecutive (length, frame, segment): a (length, frame)."""
    length, frame, first = frames[0]
    if len(frames) == 1:
        return length, frame
    more = sum(segment.payload for _, _, segment in frames[1:])
    size = first.data - first.ip + first.payload + more
    for _, tail, segment in frames[1:]:
        if len(frame) >= length:       # nothing cut so far: what follows is there, too
            frame = frame[:length] + tail[segment.data:segment.data + segment.payload]
            length += segment.payload
    frame = bytearray(with_ip(frame, first.ip, length=size)[:snap])
    frame[first.tcp + 13] |= frames[-1][2].flags & PSH
    pseudo = first.source + first.destination + struct.pack("!HH", 6, size - (first.tcp - first.ip))
    struct.pack_into("!H", frame, first.tcp + 16, ones_sum(pseudo))   # a sum left to the card
    return first.ip + size, bytes(frame)


def cooked(link, frame, kind, interface):
    """An Ethernet frame as a capture of all interfaces shows it (SLL or SLL2)."""
    if link == SLL:
        return struct.pack("!HHH", kind, 1, 6) + frame[6:12] + b"\0\0" + frame[12:]
    return (frame[12:14] + struct.pack("!HIHBB", 0, interface, 1, kind, 6) + frame[6:12] + b"\0\0"
            + frame[14:])
