# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts what was captured at a point into a tunnel, as if the point lay inside it.

For kernels that have no such devices. The outer header has its own addresses, by direction, its own
IP ID and TTL, and right checksums where the tunnel's standard asks for one. Frames that are no IP
are left out in the tunnels that carry only IP.
"""
import struct
import zlib

IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
NEAR, FAR = bytes((10, 255, 0, 1)), bytes((10, 255, 0, 2))
ETHERNET = 1


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def wrap(frame, protocol, inner, more):
    """frame's Ethernet header, an IPv4 header of the tunnel, and what it carries.

    more: how many bytes the snap length cut away, which the lengths still count.
    """
    ends = (NEAR, FAR) if frame[:6] > frame[6:12] else (FAR, NEAR)
    length = 20 + len(inner) + more
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, zlib.crc32(inner) & 0xFFFF, 0, 64,
                       protocol, 0, *ends)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return frame[:12] + IPV4 + head + inner


def is_ip(frame):
    return frame[12:14] in (IPV4, IPV6)


def cut_away(frame):
    """The bytes of the packet that were not kept."""
    if frame[12:14] == IPV4:
        return max(0, struct.unpack_from("!H", frame, 16)[0] + 14 - len(frame))
    if frame[12:14] == IPV6:
        return max(0, struct.unpack_from("!H", frame, 18)[0] + 54 - len(frame))
    return 0


def flow_port(frame):
    return 49152 + (zlib.crc32(frame[26:38]) & 0x3FFF)


def udp(frame, port, inner, more):
    head = struct.pack("!HHHH", flow_port(frame), port, 8 + len(inner) + more, 0)
    return wrap(frame, 17, head + inner, more)


def gre(frame):
    return is_ip(frame) and wrap(frame, 47, struct.pack("!H", 0) + frame[12:], cut_away(frame))


def gre_key(frame):
    inner = struct.pack("!H", 0x2000) + frame[12:14] + struct.pack("!I", 77) + frame[14:]
    return is_ip(frame) and wrap(frame, 47, inner, cut_away(frame))


def ip_in_ip(frame):
    protocol = 4 if frame[12:14] == IPV4 else 41
    return is_ip(frame) and wrap(frame, protocol, frame[14:], cut_away(frame))


def vxlan(frame):
    return udp(frame, 4789, struct.pack("!II", 0x08000000, 42 << 8) + frame, cut_away(frame))


def geneve(frame):
    option = struct.pack("!HBBI", 0x0102, 0x80, 1, 7)
    head = struct.pack("!BBHI", len(option) // 4, 0, 0x6558, 42 << 8)
    return udp(frame, 6081, head + option + frame, cut_away(frame))


def mpls(frame):
    stack = struct.pack("!II", 100 << 12 | 60, 200 << 12 | 1 << 8 | 60)
    return is_ip(frame) and frame[:12] + b"\x88\x47" + stack + frame[14:]


def pppoe(frame):
    kind = 0x0021 if frame[12:14] == IPV4 else 0x0057
    length = len(frame) - 14 + cut_away(frame) + 2
    return is_ip(frame) and frame[:12] + struct.pack("!HBBHHH", 0x8864, 0x11, 0, 9, length,
                                                     kind) + frame[14:]


def qinq(frame):
    return frame[:12] + struct.pack("!HHHH", 0x88A8, 7, 0x8100, 42) + frame[12:]


# By name: the link type's number, what a frame becomes (false: it does not fit), how much longer.
DRESSES = {"gre": (ETHERNET, gre, 24), "gre-key": (ETHERNET, gre_key, 28),
           "ipip": (ETHERNET, ip_in_ip, 20), "vxlan": (ETHERNET, vxlan, 50),
           "geneve": (ETHERNET, geneve, 58), "mpls": (ETHERNET, mpls, 8),
           "pppoe": (ETHERNET, pppoe, 8), "qinq": (ETHERNET, qinq, 8)}
