# SPDX-License-Identifier: GPL-3.0-or-later
"""What captures suffer in life, done to a stored set. Each function here returns one that changes a
set in place and adjusts its truth; spoil.py has the table of them."""
import os

from frames import (ACK, ETHERNET, FROM_US, LARGEST, LINK_BYTES, OTHERS, PSH, SYN, blanked, cooked,
                    cut_to_headers, merged, with_ip)
from storedset import LOOSE, NS, NotApplicable, capture

STEP_ROOM_S = 0.6
SHORT_S = 0.6          # what is left of a stall that a capture cuts may be too little to judge
US = 1000
OPTIONS_SNAP = 66      # shows the timestamps option
AFTER_S, BRIEF_S = 1.2, 2.5
HEADERS_SNAP = 128
# Which interfaces of the test network's dom0 are at one place: a bridge's ports and itself.
PLACES = {"eth0": "eth0", "nic0": "eth0", "nic1": "xenbrE", "xenbrE": "xenbrE", "vifE": "xenbrE",
          "vifD": "xenbrD", "xenbrD": "xenbrD", "vifC": "xenbrD"}


# Clocks

def clocks(**wrong):
    """By place on the path: (offset in seconds, drift in ppm)."""
    def harm(stored):
        for role, (offset, ppm) in wrong.items():
            point = stored.place(role)
            stored.clocks[point] = [offset, ppm, []]
    return harm


def quiet_moment(stored):
    """About the middle of the capture, with no stall near."""
    lows, highs = zip(*stored.cover_s().values())
    low, high = max(lows), min(highs)
    for tenth in (0, 1, -1, 2, -2, 3, -3, 4, -4):
        moment = (low + high) / 2 + tenth * (high - low) / 10
        if stored.outside_stalls(moment, STEP_ROOM_S):
            return moment
    raise NotApplicable("stalls everywhere")


def amid_stall(stored):
    if not stored.stalls:
        raise NotApplicable("no stall")
    longest = max(stored.stalls, key=lambda s: s["end_unix_s"] - s["start_unix_s"])
    return (longest["start_unix_s"] + longest["end_unix_s"]) / 2


def step(role, seconds, moment=quiet_moment):
    """A clock that is put right (or wrong) in mid-capture."""
    def harm(stored):
        point = stored.place(role)
        clock = stored.clocks.setdefault(point, [0, 0, []])
        clock[2].append([round(moment(stored), 6), seconds])
    return harm


# Begin and end

def cut(**spans):
    """By place on the path: (seconds to leave out at the start, at the end)."""
    def harm(stored):
        for role, (late, early) in spans.items():
            point = stored.place(role)
            low, high = stored.cover_s()[point]
            stored.filter(point, lambda when, _, low=low + late, high=high - early:
                          low <= when <= high)
        stored.recover()
    return harm


def no_handshake(stored):
    """All captures begin after the last SYN."""
    syns = [packet[0] for point in stored.points for packet, segment in stored.segments(point)
            if segment and segment.flags & SYN]
    lows, highs = zip(*stored.cover_s().values())
    begin = (max(syns) / NS if syns else min(lows)) + 0.3
    if begin > min(lows) + 0.6 * (max(highs) - min(lows)):
        raise NotApplicable("new flows all the time")
    for point in stored.points:
        stored.filter(point, lambda when, _: when >= begin)
    unscaled(stored)
    stored.recover()


def cut_amid(keeps_end, part):
    """All captures begin, or end, when a part of the longest stall is over. A stall of which too
    little is left counts neither way."""
    def harm(stored):
        longest = max(stored.stalls, key=lambda s: s["end_unix_s"] - s["start_unix_s"], default=None)
        if not longest:
            raise NotApplicable("no stall")
        moment = (longest["start_unix_s"] * (1 - part) + longest["end_unix_s"] * part)
        for point in stored.points:
            stored.filter(point, lambda when, _: (when >= moment) == keeps_end)
        for stall in list(stored.stalls):
            low, high = stall["start_unix_s"], stall["end_unix_s"]
            if keeps_end:
                stall["start_unix_s"] = max(low, min(moment, high))
            elif high > moment:
                stall.update(end_unix_s=max(low, moment), resumed=False)
            left = stall["end_unix_s"] - stall["start_unix_s"]
            if left < high - low and left < max(SHORT_S, 1.5 * stall["limit_s"]):
                stored.forget(stall)
            elif left < high - low:
                stall["overlap"] = LOOSE
                stored.accept(stall, stall["segment"], "unknown")
        if keeps_end:
            unscaled(stored)
    return harm


# The capture's own loss

def miss_random(role, share):
    def harm(stored):
        point = stored.place(role)
        stored.replace(point, [packet for packet in stored.captures[point].packets
                               if stored.random.random() >= share])
    return harm


def miss_burst(role, packets=0, seconds=0.0, moment=quiet_moment):
    """A run of packets, or all packets of a while, from that moment on."""
    def harm(stored):
        point = stored.place(role)
        held, begin = stored.captures[point].packets, moment(stored)
        first = next((i for i, packet in enumerate(held) if packet[0] >= begin * NS), len(held))
        after = first + packets if packets else next(
            (i for i, packet in enumerate(held) if packet[0] >= (begin + seconds) * NS), len(held))
        if after >= len(held):
            raise NotApplicable("nothing after it")
        end = held[after][0] / NS
        stored.replace(point, held[:first] + held[after:])
        for stall in stored.stalls:
            if stall["start_unix_s"] < end and stall["end_unix_s"] > begin:
                stored.blur(stall, [point])
                stored.accept(stall, stall["segment"], "unknown")
    return harm


def before_stall(stored):
    """Just before the longest stall begins."""
    if not stored.stalls:
        raise NotApplicable("no stall")
    longest = max(stored.stalls, key=lambda s: s["end_unix_s"] - s["start_unix_s"])
    return longest["start_unix_s"] - 0.03


# Which points, and what of them

def only(*roles):
    """Some points are missing."""
    def harm(stored):
        keep = [stored.place(role) for role in roles]
        stored.cut_path([point for point in stored.points if point in keep])
    return harm


def copied(stored, point, name, delay_us, hops, clientward):
    """Adds a point beside another, as if packets took delay_us between the two, where hops are
    taken from the time to live."""
    servers, link = stored.servers(), stored.captures[point].link
    packets = []
    for (when, length, frame), segment in stored.segments(point):
        down = bool(segment) and (segment.source, segment.source_port) in servers
        later = down == clientward
        delay = round((delay_us + stored.random.uniform(0, 30)) * US)
        if segment and hops:
            frame = with_ip(frame, segment.ip, hops=-hops if later else hops)
        packets.append((when + (delay if later else -delay), length, frame))
    packets.sort(key=lambda packet: packet[0])
    stored.captures[name] = stored.captures[point].but(packets, link=link)
    stored.ports = {**stored.ports, name: stored.ports[point]}
    path = stored.truth["path"]
    place = path.index(point) + (1 if clientward else 0)
    path.insert(place, name)
    before, after = path[place - 1], path[place + 1]
    for stall in stored.stalls + stored.truth.get("near_stalls", []):
        if stall["segment"] == f"{before}..{after}":
            stall["segment"] = f"{name}..{after}" if clientward else f"{before}..{name}"


def more_points(stored):
    """Five points: a router before the first, another device after the middle one."""
    middle = stored.place("middle")
    copied(stored, stored.place("first"), "border", 400, 1, False)
    copied(stored, middle, "vif", 60, 0, True)


def one_way(role, to_client):
    """A point that shows one direction alone."""
    def harm(stored):
        point, servers = stored.place(role), stored.servers()
        stored.filter(point, lambda _, segment: bool(segment) and to_client == (
            (segment.source, segment.source_port) in servers))
        seen = "to_client" if to_client else "to_server"
        for stall in stored.stalls:
            if stall.get("direction") not in (seen, None):
                stored.blur(stall, [point], certain=stall["direction"] != "both")
    return harm


# How frames look

def unscaled(stored):
    """The window's scale is not known, so not when it was below a segment."""
    for stall in stored.stalls:
        if stall["cause"] == "zero_window":
            stall["overlap"] = LOOSE


def snapped(snap):
    def harm(stored):
        if snap < OPTIONS_SNAP:
            unscaled(stored)
        for point, held in stored.captures.items():
            stored.captures[point] = held.snapped(snap + LINK_BYTES[held.link]
                                                  - LINK_BYTES[ETHERNET])
    return harm


def dressed(role, **change):
    """Byte order or unit of one point's file; what is at hand is turned round."""
    def harm(stored):
        point = stored.place(role)
        held = stored.captures[point]
        order = {"<": ">", ">": "<"}[held.order] if "swap" in change else held.order
        stored.captures[point] = held.but(order=order, nano=change.get("nano", held.nano))
    return harm


def tagged(role, number=42):
    def harm(stored):
        point = stored.place(role)
        need_ethernet(stored, [point])
        held = stored.captures[point]
        stored.captures[point] = held.but([capture.tagged(packet, number)
                                           for packet in held.packets], snap=held.snap + 4)
    return harm


def need_ethernet(stored, points):
    if any(stored.captures[point].link != ETHERNET for point in points):
        raise NotApplicable("not Ethernet")


def follows(frames, when, segment, limit_ns):
    """Whether receive offload would append this segment to what it holds."""
    last = frames[-1][2]
    size = sum(held.payload for _, _, held, _ in frames) + segment.payload
    return (segment.payload and not segment.flags & ~(ACK | PSH) and segment.ack == last.ack
            and segment.options == last.options and segment.seq == last.seq + last.payload
            and not last.flags & PSH and segment.payload <= frames[0][2].payload
            and frames[-1][2].payload == frames[0][2].payload
            and when - frames[0][3] <= limit_ns and size + segment.data <= LARGEST)


def merge(role, within_ms):
    """Receive or send offload at one point. A frame bears the time of its last segment where the
    point is the last to see them, else of its first: it can't be late for what follows it."""
    def harm(stored):
        point, servers, done, open_ = stored.place(role), stored.servers(), [], {}
        snap = stored.captures[point].snap
        ends = {True: stored.points[-1], False: stored.points[0]}

        def close(key):
            frames = open_.pop(key, None)
            if frames:
                first = frames[0][2]
                down = (first.source, first.source_port) in servers
                when = frames[-1 if ends[down] == point else 0][3]
                done.append((when, *merged([frame[:3] for frame in frames], snap)))

        for (when, length, frame), segment in stored.segments(point):
            if not segment:
                done.append((when, length, frame))
                continue
            key = segment[3:7]
            if key in open_ and follows(open_[key], when, segment, round(within_ms * NS / 1000)):
                open_[key].append((length, frame, segment, when))
                continue
            close(key)
            if segment.payload and not segment.flags & SYN:
                open_[key] = [(length, frame, segment, when)]
            else:
                done.append((when, length, frame))
        for key in list(open_):
            close(key)
        done.sort(key=lambda packet: packet[0])
        stored.replace(point, done)
        stored.truth["merged_at"] = sorted({*(stored.truth.get("merged_at") or []), point})
    return harm


def shuffled(within_ms, per_flow):
    """Several queues: the file's order is not that of the times, by up to so much. per_flow: the
    packets of a flow's direction stay in order."""
    def harm(stored):
        for point in stored.points:
            lag, keyed = {}, []
            for packet, segment in stored.segments(point):
                key = segment[3:7] if segment and per_flow else len(keyed)
                wait = lag.setdefault(key, stored.random.uniform(0, within_ms) * NS / 1000)
                keyed.append((packet[0] + wait, packet))
            stored.replace(point, [packet for _, packet in sorted(keyed, key=lambda e: e[0])])
    return harm


# How files look

def all_in_pcapng(stored):
    """One file with an interface for each point."""
    def write(stored):
        stored.truth["command"] = ["*=all.pcapng.gz"]
        return {"all.pcapng.gz": capture.pcapng({p: stored.captures[p] for p in stored.points})}
    stored.writer = write


def each_pcapng(stored):
    stored.writer = lambda stored: {f"{point}.pcapng.gz": stored.captures[point].pcapng()
                                    for point in stored.points}
    stored.truth["command"] = [f"{point}={point}.pcapng.gz" for point in stored.points]


def ring_buffer(parts=4):
    """Each point's capture in several files whose names do not tell their order."""
    def harm(stored):
        def write(stored):
            files, stored.truth["command"] = {}, []
            for point in stored.points:
                held, letters = stored.captures[point], list("abcdefgh"[:parts])
                stored.random.shuffle(letters)
                size = -(-len(held.packets) // parts)
                for number, letter in enumerate(letters):
                    part = held.but(held.packets[number * size:(number + 1) * size])
                    files[f"{point}-{letter}.pcap.gz"] = part.pcap()
            stored.truth["command"] = [f"{name.rsplit('-', 1)[0]}={name}" for name in sorted(files)]
            return files
        stored.writer = write
    return harm


def any_order(stored):
    """The points are named in another order than the path's."""
    order = stored.points[1:] + stored.points[:1]
    stored.truth["command"] = [f"{point}={point}.pcap.gz" for point in order[::-1]]


def any_interface(link, roles, split):
    """What -i any shows of some points: all their packets in one file, each seen coming in at one
    interface and going out at the other. split: interfaces become points, by the file's numbers;
    else the file is one point, and shows nothing of where between them something happened."""
    def harm(stored):
        points = [point for point in stored.points if point in [stored.place(r) for r in roles]]
        need_ethernet(stored, points)
        servers, packets = stored.servers(), []
        for number, point in enumerate(points):
            for (when, length, frame), segment in stored.segments(point):
                down = bool(segment) and (segment.source, segment.source_port) in servers
                kind = OTHERS if down == (number % 2 == 0) else FROM_US
                more = LINK_BYTES[link] - LINK_BYTES[ETHERNET]
                packets.append((when, length + more, cooked(link, frame, kind, number + 2)))
        packets.sort(key=lambda packet: packet[0])
        snap = stored.captures[points[0]].snap + 6
        seen = stored.captures[points[0]].but(packets, link=link, snap=snap)
        names = {f"any#{number + 2}": point for number, point in enumerate(points)}
        names |= {"any#server-side": points[0], "any#client-side": points[-1]}
        if not split and any(set(stall["segment"].split("..")) <= set(points)
                             for stall in stored.stalls):
            raise NotApplicable("harmed inside")
        stored.cut_path(points)
        if split:
            stored.truth["names"] = names
        else:
            path = stored.truth["path"]
            stored.truth.update(path=[path[0], "any", path[-1]], names=dict.fromkeys(names, "any"))
            stored.captures, stored.ports = {"any": seen}, {"any": stored.ports[points[-1]]}
            for stall in stored.stalls + stored.truth["near_stalls"]:
                stall["segment"] = "..".join("any" if name in points else name
                                             for name in stall["segment"].split(".."))
        stored.truth["command"] = ["any=any.pcap.gz"]
        stored.writer = lambda stored: {"any.pcap.gz": seen.pcap()}
    return harm


def any_recorded(stored):
    """What tcpdump -i any recorded beside the points, where a scenario asks for it."""
    path = os.path.join(stored.folder, "any.pcap.gz")
    if not os.path.exists(path):
        raise NotApplicable("no any.pcap.gz")
    stored.truth["names"] = {f"any#{number}": PLACES[name] for number, name
                             in stored.truth["interfaces"].items() if name in PLACES}
    stored.truth["command"] = ["any=any.pcap.gz"]
    stored.writer = lambda stored: {"any.pcap.gz": capture.read(path).pcap()}


# To be kept

def brief(stored):
    """The captures end soon after the last stall; where there is none, after a few seconds."""
    lows, highs = zip(*stored.cover_s().values())
    near = stored.stalls + stored.truth.get("near_stalls", [])
    end = max([stall["end_unix_s"] + AFTER_S for stall in near] or [min(lows) + BRIEF_S])
    for point in stored.points:
        stored.filter(point, lambda when, _: when <= end)


def headers(stored):
    """Headers alone, in microseconds, without the checksums of what was cut."""
    for point in stored.points:
        held = stored.captures[point]
        stored.captures[point] = held.but(
            [(when, length, cut_to_headers(held.link, frame))
             for when, length, frame in held.packets], nano=False, snap=HEADERS_SNAP)


def blank(stored):
    """Whole packets whose payload is zeros: what a checksum says of each stays as it was."""
    for point in stored.points:
        stored.captures[point] = stored.captures[point].but(
            [(when, length, blanked(frame, segment))
             for (when, length, frame), segment in stored.segments(point)], nano=False)


def packed(stored):
    """Compressed as tightly as can be. The last of all harms."""
    write = stored.writer

    def write_packed(stored):
        files = write(stored)
        if "command" in stored.truth:
            stored.truth["command"] = [word.replace(".gz", ".xz")
                                       for word in stored.truth["command"]]
        return {name.replace(".gz", ".xz"): data for name, data in files.items()}
    stored.writer = write_packed
