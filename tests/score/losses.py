# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost packets: the cables' logs against the report's `lost` events, packet by packet.

A row of links.csv.gz is found in the captures by what masquerading leaves alone (IP ID, numbers,
payload); an event is found by its frame. The captures can place a loss when the point before it has
the packet and the one behind it was still capturing. Each such packet with data, SYN or FIN must
have an event in that segment that covers its bytes; each event must be of a packet that some cable
(or, for rules in the host, the captures during the harm) lost there. Pure ACKs are not asked for;
one that no later point has may as well have been missed by the captures.
"""
import csv
import gzip
import os
from bisect import bisect_left
from collections import Counter, defaultdict, namedtuple

from packets import FIN, SYN, read_point

LOST = ("dropped", "queue_full", "hold_full", "refused")
HARMLESS = ("held", "reordered", "duplicated")
WRAP = 1 << 32
TWICE_NS = 50_000_000       # one packet, captured twice at a point
GIVE_UP_NS = 1_000_000_000  # less of a capture than this after a packet cannot tell that it was lost
EARLY_NS = 60_000_000       # a merged frame is stamped after its last segment
HARM_SLACK_S = 0.05
MERGED_SEGMENTS = 64
LINES = 4                   # of each kind, a set
DIRECTIONS = ("to_client", "to_server")

Row = namedtuple("Row", "segment direction when key must")  # key: ip id, seq, ack, payload


def key_of(packet):
    return packet.ip_id, packet.seq, packet.ack, packet.payload


def space_of(packet):
    """Sequence space: payload, SYN, FIN (RFC 9293, 3.4)."""
    return packet.payload + bool(packet.flags & SYN) + bool(packet.flags & FIN)


def read_rows(path):
    """(rows of packets that a cable lost, how many it could not describe)."""
    rows, nameless = [], 0
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["event"] in HARMLESS:
                continue
            if not row["seq"]:
                nameless += 1
                continue
            key = tuple(int(row[name] or 0) for name in ("ip_id", "seq", "ack", "payload_bytes"))
            rows.append(Row(row["segment"], row["direction"], int(row["in_ns"]), key,
                            row["event"] in LOST))
    return rows, nameless


class Captures:
    """The packets of all points, found by key and by bytes."""

    def __init__(self, item, report):
        self.item, self.packets, self.span, self.by_key, self.by_seq = item, {}, {}, {}, {}
        files = {point["name"]: [(file["name"], self.path(file["name"])) for file in point["files"]]
                 for point in report.facts["points"]}
        uses = Counter(path for found in files.values() for _, path in found)
        shared = {path for path, count in uses.items() if count > 1}
        for point, found in files.items():
            self.take(point, *read_point(point, found, shared))
            if not self.packets[point] and {path for _, path in found} & shared:
                raise ValueError(f"{point}: not told from the other points of its file")

    def path(self, name):
        for folder, _, names in os.walk(self.item.folder):
            if os.path.basename(name) in names:
                return os.path.join(folder, os.path.basename(name))
        raise ValueError(f"{name}: not in the set")

    def take(self, point, packets, span):
        self.packets[point], self.span[point] = packets, span
        self.by_key[point] = defaultdict(list)
        for packet in packets.values():
            self.by_key[point][key_of(packet)].append(packet)
        self.by_seq[point] = sorted((p.seq, place) for place, p in packets.items() if p.payload)

    def clock_ns(self, point, unix_ns):
        return round(self.item.in_clock_of(point, unix_ns / 1e9) * 1e9)

    def watched(self, point, unix_ns):
        """Did a point's capture run when a packet should have come, and long enough after it?"""
        when, (first, last) = self.clock_ns(point, unix_ns), self.span[point]
        return first is not None and first <= when and when + GIVE_UP_NS <= last

    def find(self, point, row):
        """The frames at a point that are the row's packet: one, or one captured twice."""
        by = self.clock_ns(point, row.when)
        found = self.by_key[point].get(row.key, [])
        if found:
            best = min(found, key=lambda packet: abs(packet.when - by))
            return [packet for packet in found if abs(packet.when - best.when) <= TWICE_NS]
        return self.find_merged(point, row, by)

    def find_merged(self, point, row, by):
        """The merged frame that holds the row's bytes: the last one before it went in."""
        ip_id, seq, _, payload = row.key
        rows, best = self.by_seq[point], None
        place = bisect_left(rows, (seq + 1,))
        for _, frame in reversed(rows[max(0, place - 2 * MERGED_SEGMENTS):place]):
            packet = self.packets[point][frame]
            inside = seq - packet.seq + payload <= packet.payload and payload < packet.payload
            if inside and (ip_id - packet.ip_id) % 65536 < MERGED_SEGMENTS and \
                    packet.when < by + EARLY_NS and (not best or packet.when > best.when):
                best = packet
        return [best] if best else []


def ends_of(item, segment, direction):
    """The points before and behind a segment, as the packet goes; None where nobody captured."""
    near, _, far = segment.partition("..")
    into, out = (near, far) if direction == "to_client" else (far, near)
    return tuple(point if point in item.points else None for point in (into, out))


class Event:
    """A `lost` event and the packet it is of."""

    def __init__(self, row, packet):
        self.packet, self.direction = packet, row["direction"]
        self.segment = row["detail"].split(";")[0]
        self.flow = row["flow"]
        self.start = int(row["seq_start"] or 0)
        self.length = int(row["seq_end"] or 0) - self.start

    def covers(self, origin, key, space):
        ahead = (key[1] - origin - self.start) % WRAP
        return ahead + space <= self.length


def packet_of(captures, row):
    """The packet of an event's frame (`number`, or `file:number`); None when it is no TCP."""
    name, _, number = row["frame"].rpartition(":")
    packets = captures.packets.get(row["point"], {})
    files = [name] if name else sorted({file for file, _ in packets})
    return next((packets[file, int(number)] for file in files if (file, int(number)) in packets),
                None)


def read_events(captures, report):
    """(lost events, the sequence number that offset 0 stands for by flow and direction)."""
    events, votes, unknown = [], defaultdict(Counter), []
    for row in report.events:
        packet = packet_of(captures, row)
        if packet and row["seq_start"] and row["kind"] != "lost":
            votes[row["flow"], row["direction"]][(packet.seq - int(row["seq_start"])) % WRAP] += 1
        if row["kind"] != "lost":
            continue
        if packet:
            events.append(Event(row, packet))
        elif report.flows.get(int(row["flow"]), {}).get("protocol", "tcp") == "tcp":
            unknown.append(row)
    for event in events:  # part of a frame, at times: they decide only where nothing else is
        votes[event.flow, event.direction][(event.packet.seq - event.start) % WRAP] += 0.001
    origins = {place: max(found, key=found.get) for place, found in votes.items()}
    return events, origins, unknown


def rows_of_rules(item, captures):
    """What rules in the host dropped has no log: it went in during the harm and never came out."""
    rows, merged = [], item.truth.get("merged_at") or ()
    legs = {port for pair in item.truth.get("joined") or () for port in pair}  # end at a proxy
    for harm in item.truth.get("harms", []):
        if not harm.get("place", "").startswith(("nft", "mtu", "firewall")):
            continue
        for direction in DIRECTIONS if harm["direction"] == "both" else (harm["direction"],):
            into, out = ends_of(item, harm["segment"], direction)
            if not into or not out or into in merged or out in merged:
                continue
            from_s, to_s = harm["start_unix_s"] - HARM_SLACK_S, harm["end_unix_s"] + HARM_SLACK_S
            begin, end = captures.clock_ns(into, from_s * 1e9), captures.clock_ns(into, to_s * 1e9)
            to_client = goes_to_client(item, captures)
            way = item.points if direction == "to_client" else item.points[::-1]
            behind = [captures.by_key[point] for point in way[way.index(out):]]
            rows += [Row(harm["segment"], direction, packet.when - begin + round(from_s * 1e9),
                         key_of(packet), True)
                     for packet in captures.packets[into].values()
                     if begin <= packet.when <= end and not {packet.sport, packet.dport} & legs
                     and not any(key_of(packet) in known for known in behind) and to_client(packet) == (direction == "to_client")]
    return rows


def goes_to_client(item, captures):
    """Tells a packet's direction by the server's port, the one that SYN packets go to."""
    ports = {packet.dport for packets in captures.packets.values() for packet in packets.values()
             if packet.flags & SYN and not packet.flags & 0x10}
    ports |= {flow["server_port"] for flow in item.truth.get("flows", []) if "server_port" in flow}
    return lambda packet: packet.sport in ports or not ports and packet.sport < packet.dport


def placed(events_of, origins, frames, row, space):
    """'placed', 'misplaced' or 'missed'."""
    answer = "missed"
    for packet in frames:
        for event in events_of.get((packet.point, packet.file, packet.frame), ()):
            origin = origins[event.flow, event.direction]
            if event.direction != row.direction or not (
                    event.covers(origin, row.key, space) or (not row.key[3] and event.length <= 1)):
                continue
            if event.segment == row.segment:
                return "placed"
            answer = "misplaced"
    return answer


def judge_rows(item, captures, rows, events_of, origins, lines):
    for row in rows:
        into, out = ends_of(item, row.segment, row.direction)
        if not into or not out:
            if row.must and row.key[3]:
                item.outer.append((row, captures.find(into, row) if into else []))
            continue
        frames = captures.find(into, row)
        space = max([row.key[3]] + [space_of(p) for p in frames if key_of(p) == row.key])
        if not space or not row.must:
            continue
        answer = placed(events_of, origins, frames, row, space)
        if answer != "placed" and (not frames or not captures.watched(out, row.when)):
            item.count("lost_unplaceable")
            continue
        item.count("lost_placeable")
        item.count("lost_" + answer)
        if answer != "placed":
            lines[answer].append(f"lost {answer}: {row.segment} {row.direction}, seq {row.key[1]}, "
                                 f"{row.key[3]} bytes, {into} frame {frames[0].frame}")


def judge_noticed(item, captures, report):
    """Losses beyond the outermost points: a hole where it came in, a repeat where it went out."""
    holes, repeats = set(), set()
    for row in report.events:
        packet = packet_of(captures, row)
        if not packet:
            continue
        if row["kind"] == "gap":
            size = int((row["detail"].split(";")[0].split() or ["0"])[0])
            holes.add((row["direction"], packet.seq, size))
        elif row["kind"] in ("retransmission", "fast_retransmission", "spurious_retransmission",
                             "out_of_order"):
            repeats.add((row["point"], packet.seq, packet.payload))
    for row, frames in item.outer:
        seq, size = row.key[1], row.key[3]
        item.count("outer")
        if frames:
            seen = any(point == frames[0].point and (seq - at) % WRAP + size <= length
                       for point, at, length in repeats)
        else:
            seen = any(way == row.direction and 0 < (at - seq) % WRAP <= length
                       for way, at, length in holes)
        item.count("outer_noticed", int(seen))


def judge_event(item, captures, event, origins, rows_by_bytes, rows_by_key, logged):
    """Why a lost event is wrong; None when it is right, or nobody can tell."""
    packet, key = event.packet, key_of(event.packet)
    into, out = ends_of(item, event.segment, event.direction)
    if into != packet.point:
        return "is of another point"
    if key[0] and out and len(captures.by_key[out].get(key, ())) >= \
            len(captures.by_key[into].get(key, ())):
        return f"is there at {out}"
    if not logged:
        return None
    same = [row for row in rows_by_key.get(key, ()) if row.direction == event.direction]
    if same:
        return None  # if elsewhere: judge_rows has it as misplaced, where it can be placed
    if not space_of(packet):
        way = item.points if event.direction == "to_client" else item.points[::-1]
        later = way[way.index(out) + 1:] if out else ()
        return "is there farther on" if any(key in captures.by_key[p] for p in later) else None
    origin = origins[event.flow, event.direction]
    covered = sum(row.key[3] for row in rows_by_bytes[event.direction] if row.key[3] < packet.payload
                  and (row.key[1] - origin - event.start) % WRAP + row.key[3] <= event.length)
    return None if covered >= event.length and packet.payload else "no cable lost it"


def judge_events(item, captures, rows, events, origins, logged, lines):
    by_key, by_bytes = defaultdict(list), defaultdict(list)
    for row in rows:
        by_key[row.key].append(row)
        by_bytes[row.direction].append(row)
    for event in events:
        problem = judge_event(item, captures, event, origins, by_bytes, by_key, logged)
        item.count("lost_events")
        if problem:
            item.count("lost_invented")
            lines["invented"].append(
                f"lost invented: {event.segment} {event.direction}, {event.packet.point} frame "
                f"{event.packet.frame}, {event.length} bytes: {problem}")


def judge_losses(item, report):
    path = os.path.join(item.folder, "links.csv.gz")
    logged = os.path.exists(path)
    item.outer = []
    if not logged and not any(row["kind"] == "lost" for row in report.events):
        return
    try:
        rows, nameless = read_rows(path) if logged else ([], 0)
        captures = Captures(item, report)
    except (ValueError, OSError) as problem:
        item.notes = [f"losses not judged: {problem}"]
        return
    rows += rows_of_rules(item, captures) if logged else []
    events, origins, unknown = read_events(captures, report)
    events_of, lines = defaultdict(list), defaultdict(list)
    for event in events:
        events_of[event.packet.point, event.packet.file, event.packet.frame].append(event)
    judge_rows(item, captures, rows, events_of, origins, lines)
    judge_noticed(item, captures, report)
    # Frames without a description were lost as well: then nobody knows that an event is wrong.
    judge_events(item, captures, rows, events, origins, logged and not nameless, lines)
    item.wrong += [f"lost event without a TCP packet: {row['point']} frame {row['frame']}"
                   for row in unknown[:LINES]]
    for kind, found in sorted(lines.items()):
        item.wrong += found[:LINES]
        if len(found) > LINES:
            item.wrong.append(f"lost {kind}: {len(found) - LINES} more")
