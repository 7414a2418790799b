# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored set in memory: captures in true time and what is true of them; changed, and saved again.

Fields of truth.json that a changed set may have beside those of lab.py, all read by score.py:
  command  whichhop's arguments for the captures, from inside the set's folder
  clock    {point: [offset_s, drift_ppm, [[at_unix_s, step_s], ...]]}: how wrong each point's clock
           is, drifting from start_unix_s on; the stalls' times are without any of it
  names    {name in the report: point}; several may be one point
  also     of a stall: [[segment, cause], ...] which are right, too, as nobody could tell from these
           captures
  overlap  of a stall: how well its time must be met, where the captures show it less exactly
"""
import copy
import csv
import gzip
import json
import os
import random
import sys
from glob import glob

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import capture
from frames import ACK, SYN, parse

NS = 10**9
MARGIN_S = 0.05
SEEN_S = 0.1       # a stall whose flow shows later than this is not to be seen
LOOSE = 0.6        # overlap, for stalls that are seen from afar
LEVEL = 4          # of compression: quick
ENDS = {"servers", "clients"}
TIMESTAMPS = b"\x08\x0a"


class NotApplicable(Exception):
    """This harm makes no sense for this set."""


class StoredSet:
    def __init__(self, folder):
        self.folder, self.name = folder, os.path.basename(os.path.abspath(folder))
        with open(os.path.join(folder, "truth.json"), encoding="utf-8") as file:
            self.truth = json.load(file)
        self.captures = {point: self.load(folder, point) for point in self.truth["path"][1:-1]}
        self.truth["clock"], self.parsed = {}, {}
        self.ports = {point: self.ports_at(point) for point in self.points}
        self.truth.setdefault("start_unix_s", min(low for low, _ in self.cover_s().values()))
        self.overflown = dropped_ports(folder)
        self.clocks, self.writer, self.random = {}, write_each, None

    def load(self, folder, point):
        """The point's capture with its clock put right."""
        path = glob(os.path.join(folder, f"{point}.pcap*"))[0]
        loaded = capture.read(path)
        back = round((self.truth.get("clock") or {}).get(point, [0])[0] * NS)
        return loaded.but([(when - back, *rest) for when, *rest in loaded.packets])

    def copy(self, seed):
        """Another set to change; packets are shared, as nothing changes them in place."""
        other = copy.copy(self)
        other.truth, other.captures = copy.deepcopy(self.truth), dict(self.captures)
        other.clocks, other.random = {}, random.Random(f"{self.name} {seed}")
        other.parsed = dict(self.parsed)
        return other

    # What is there

    @property
    def points(self):
        return self.truth["path"][1:-1]

    @property
    def stalls(self):
        return self.truth["stalls_the_applications_saw"]

    def place(self, role):
        """A point by its place on the path."""
        points = self.points
        return {"first": points[0], "middle": points[len(points) // 2],
                "last": points[-1]}[role]

    def segments(self, point):
        """The point's packets with what was parsed of each."""
        held = self.captures[point]
        if self.parsed.get(point, (None, None))[0] is not held:
            self.parsed[point] = held, [(packet, parse(held.link, packet[2]))
                                        for packet in held.packets]
        return self.parsed[point][1]

    def servers(self):
        """The servers' (address, port): of handshakes, else the lower port of a flow."""
        found = set()
        for point in self.points:
            for _, segment in self.segments(point):
                if segment and segment.flags & SYN and segment.flags & ACK:
                    found.add((segment.source, segment.source_port))
        return found

    def cover_s(self):
        """Between which times all that remains at each point was captured."""
        return {point: (self.captures[point].packets[0][0] / NS,
                        self.captures[point].packets[-1][0] / NS) for point in self.points}

    def outside_stalls(self, when_s, room_s):
        return all(not stall["start_unix_s"] - room_s < when_s < stall["end_unix_s"] + room_s
                   for stall in self.stalls)

    # Changing packets

    def replace(self, point, packets):
        if not packets:
            raise NotApplicable(f"nothing left at {point}")
        self.captures[point] = self.captures[point].but(packets)

    def filter(self, point, keep):
        """Keeps the packets for which keep(unix seconds, segment or None) is true."""
        self.replace(point, [packet for packet, segment in self.segments(point)
                             if keep(packet[0] / NS, segment)])

    # Changing the truth

    def span(self, segment, hidden):
        """The narrowest span that is still certain when these points show nothing of it."""
        path = self.truth["path"]
        begin, end = (path.index(name) for name in segment.split(".."))
        while path[begin] in hidden:
            begin -= 1
        while path[end] in hidden:
            end += 1
        return f"{path[begin]}..{path[end]}"

    def accept(self, stall, segment, cause):
        also = stall.setdefault("also", [])
        if [segment, cause] not in [*also, [stall["segment"], stall["cause"]]]:
            also.append([segment, cause])

    def blur(self, stall, hidden, certain=False):
        """Some points do not show this stall: its place may be known to a wider span alone.
        certain: the narrow place would be a guess, and is wrong."""
        wide = self.span(stall["segment"], hidden)
        if wide == stall["segment"]:
            return
        if certain:
            stall["segment"] = wide
        self.accept(stall, wide, stall["cause"])
        self.accept(stall, wide, "unknown")

    def forget(self, stall):
        """What is left does not show this stall whole: it counts neither way."""
        self.stalls.remove(stall)
        self.truth.setdefault("near_stalls", []).append(stall)

    def recover(self):
        """After packets were cut off: which points still cover which stall."""
        cover = self.cover_s()
        for stall in list(self.stalls):
            begin, end = stall["start_unix_s"] - MARGIN_S, stall["end_unix_s"]
            hidden = [point for point, (low, high) in cover.items()
                      if begin < low or end > high]
            if len(hidden) == len(cover):
                self.forget(stall)
            elif hidden:
                self.blur(stall, hidden)

    def cut_path(self, keep):
        """Only these points remain."""
        near = self.truth.setdefault("near_stalls", [])
        hidden = [point for point in self.points if point not in keep]
        path = self.truth["path"]
        for stall in self.stalls + near:
            self.widen(stall, hidden)
        self.truth["path"] = [path[0], *keep, path[-1]]
        self.captures = {point: self.captures[point] for point in keep}

    def widen(self, stall, hidden):
        """What these points alone showed of a stall is known less exactly."""
        if not stall["segment"] or self.span(stall["segment"], hidden) == stall["segment"]:
            return
        stall["segment"] = wide = self.span(stall["segment"], hidden)
        if set(wide.split("..")) & ENDS:
            stall["overlap"] = LOOSE
            if stall["cause"] == "mtu_blackhole" and wide.startswith("servers"):
                self.accept(stall, wide, "loss")   # no point saw what size vanished
            if stall["cause"] == "freeze" and stall["client_port"] in self.overflown:
                self.accept(stall, wide, "loss")   # all that could have come out late was lost

    def innermost(self, port):
        """What score.py calls a client's port: as at the last point that shows the flow."""
        return next((self.ports[point].get(port, port) for point in reversed(self.points)
                     if self.first_seen(port, point) is not None), port)

    def first_seen(self, port, point):
        here = self.ports[point].get(port, port)
        return next((packet[0] / NS for packet, segment in self.segments(point) if segment
                     and here in (segment.source_port, segment.destination_port)), None)

    def settle(self):
        """What only all harms together decide: which stalls show at all, when a packet was sent."""
        near = self.truth.setdefault("near_stalls", [])
        for stall in list(self.stalls):
            seen = [self.first_seen(stall["client_port"], point) for point in self.points]
            if not any(when and when < stall["start_unix_s"] + SEEN_S for when in seen):
                self.forget(stall)
            elif stall["cause"] == "freeze" and set(stall["segment"].split("..")) & ENDS \
                    and not self.timed():
                self.accept(stall, stall["segment"], "unknown")
        for stall in self.stalls + near:
            stall["client_port"] = self.innermost(stall["client_port"])

    def timed(self):
        """Whether packets tell when they were sent."""
        return any(TIMESTAMPS in segment.options and len(segment.options) >= 12
                   for point in self.points for _, segment in self.segments(point)[-50:] if segment)

    def ports_at(self, point):
        """What the clients' ports at the last point are called at this one, by their first SYN."""
        def syns(where):
            return {(segment.seq, segment.options): segment.source_port
                    for _, segment in self.segments(where)
                    if segment and segment.flags & (SYN | ACK) == SYN}
        here = syns(point)
        return {port: here[key] for key, port in syns(self.points[-1]).items() if key in here}

    # Saving

    def wrong(self, point, packets):
        """The packets as the point's clock stamps them."""
        offset_s, ppm, steps = self.clocks.get(point) or (0, 0, [])
        offset, since = round(offset_s * NS), round(self.truth["start_unix_s"] * NS)
        jumps = [(round(at * NS), round(step * NS)) for at, step in steps]
        return [(when + offset + (when - since) * ppm // 10**6
                 + sum(step for at, step in jumps if when >= at), length, frame)
                for when, length, frame in packets]

    def save(self, folder):
        self.settle()
        os.makedirs(folder, exist_ok=True)
        for old in os.listdir(folder):
            os.remove(os.path.join(folder, old))
        self.captures = {point: held.but(self.wrong(point, held.packets))
                         for point, held in self.captures.items()}
        self.truth["clock"] = self.clocks
        for name, data in self.writer(self).items():
            capture.save(os.path.join(folder, name), data, LEVEL)
        with open(os.path.join(folder, "truth.json"), "w", encoding="utf-8") as file:
            json.dump(self.truth, file, indent=1)
            file.write("\n")


def dropped_ports(folder):
    """Clients' ports of the flows of which the links' own log says that packets were dropped."""
    path = os.path.join(folder, "links.csv.gz")
    if not os.path.exists(path):
        return set()
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return {int(row[side]) for row in csv.DictReader(file)
                for side in ("source_port", "destination_port")}


def write_each(stored):
    """A file for each point."""
    return {f"{point}.pcap.gz": stored.captures[point].pcap() for point in stored.points}
