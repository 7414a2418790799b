# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks into captured frames and changes them: for spoil.py, which harms stored captures."""
import struct
from collections import namedtuple

ETHERNET, RAW, SLL, SLL2 = 1, 101, 113, 276
LINK_BYTES = {ETHERNET: 14, RAW: 0, SLL: 16, SLL2: 20}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
LARGEST = 65535        # an IP packet
VXLAN, GENEVE = 4789, 6081
CARRIERS = (VXLAN, GENEVE)
OTHERS_BYTES, DATAGRAM_BYTES = 96, 16
TCP, UDP, FRAGMENT = 6, 17, 44   # protocols, and the header of IPv6
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


def headers_bytes(link, frame):
    """How many bytes of the frame are headers, as far as these are known; of a datagram a few more,
    as nothing else tells one from the other."""
    place, kind = LINK_BYTES[link], frame[12:14]
    if link == ETHERNET and kind == b"\x81\x00":
        place, kind = place + 4, frame[16:18]
    if link == ETHERNET and kind not in (b"\x08\x00", b"\x86\xdd") or len(frame) < place + 48:
        return OTHERS_BYTES
    if frame[place] >> 4 == 4:
        protocol, later = frame[place + 9], int.from_bytes(frame[place + 6:place + 8], "big") & 8191
        above = place + (frame[place] & 15) * 4
    else:
        protocol, later, above = frame[place + 6], 0, place + 40
        if protocol == FRAGMENT:
            protocol, later = frame[above], int.from_bytes(frame[above + 2:above + 4], "big") >> 3
            above += 8
    if later:
        return above
    if protocol == TCP:
        return above + (frame[above + 12] >> 4) * 4
    if protocol != UDP:
        return OTHERS_BYTES
    port = int.from_bytes(frame[above + 2:above + 4], "big")
    if port not in CARRIERS:
        return above + 8 + DATAGRAM_BYTES
    inner = above + 16 + ((frame[above + 8] & 63) * 4 if port == GENEVE else 0)
    return inner + headers_bytes(ETHERNET, frame[inner:])


def cut_to_headers(link, frame):
    """The frame's headers. The checksum of what is cut says nothing, and would not compress."""
    frame, segment = frame[:headers_bytes(link, frame)], parse(link, frame)
    if not segment or segment.payload <= 0:
        return frame
    return frame[:segment.tcp + 16] + b"\0\0" + frame[segment.tcp + 18:]


def blanked(frame, segment):
    """The frame with a payload of zeros; the TCP checksum is changed by as much (RFC 1624), so that
    it is as right or wrong as it was."""
    if not segment or len(frame) <= segment.data:
        return frame
    end = segment.data + max(0, segment.payload)
    total = struct.unpack_from("!H", frame, segment.tcp + 16)[0] + ones_sum(frame[segment.data:end])
    bare = bytearray(frame[:segment.data] + bytes(len(frame) - segment.data))
    struct.pack_into("!H", bare, segment.tcp + 16, (total & 0xFFFF) + (total >> 16))
    return bytes(bare)


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
