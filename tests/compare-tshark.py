#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds whichhop's single-point events against tshark's tcp.analysis.*, frame by frame.

    compare-tshark.py WHICHHOP FILE-OR-FOLDER...

Each capture is analysed alone, once by whichhop and once by tshark (an outside command, with its
default preferences). Every disagreement is listed with its file, frame and kind, and with the
reason where a rule explains it: there whichhop means to differ, or tshark looks at something else.
Exit status: 0 no unexplained disagreement, 1 at least one, 2 wrong usage, 77 tshark is absent.
"""
import collections
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

# Our word for a kind, and tshark's field.
ANALYSIS = [
    ("zero_window", "tcp.analysis.zero_window"),
    ("retransmission", "tcp.analysis.retransmission"),
    ("duplicate_ack", "tcp.analysis.duplicate_ack"),
    ("fast_retransmission", "tcp.analysis.fast_retransmission"),
    ("spurious_retransmission", "tcp.analysis.spurious_retransmission"),
    ("out_of_order", "tcp.analysis.out_of_order"),
    ("gap", "tcp.analysis.lost_segment"),
    ("ack_of_unseen", "tcp.analysis.ack_lost_segment"),
    ("zero_window_probe", "tcp.analysis.zero_window_probe"),
    ("window_full", "tcp.analysis.window_full"),
    ("window_update", "tcp.analysis.window_update"),
    ("keep_alive", "tcp.analysis.keep_alive"),
    ("port_reuse", "tcp.analysis.reused_ports"),
]
RETRANSMISSIONS = {"retransmission", "fast_retransmission", "spurious_retransmission"}
TOGETHER = "retransmissions"
NUMBER = "duplicate_ack_number"  # which duplicate it is, where both see one
ROWS = ["zero_window", TOGETHER, "duplicate_ack", NUMBER] + [
    kind for kind, _ in ANALYSIS if kind not in ("zero_window", "duplicate_ack")] + ["reset"]

FACTS = ["frame.number", "frame.protocols", "tcp.stream", "tcp.flags.reset", "tcp.flags.syn",
         "tcp.flags.ack", "tcp.flags.fin", "tcp.seq_raw", "tcp.ack_raw", "tcp.len", "ip.flags.mf", "ip.frag_offset",
         "ipv6.fraghdr.offset", "vlan.id", "vxlan.vni", "gre.key", "mpls.label", "geneve.vni",
         "gtp.teid", "erspan.spanid",
         "ip.len", "ip.hdr_len", "tcp.hdr_len",
         "tcp.options", "tcp.analysis.duplicate_ack_num"]
NETWORK = ["vlan.id", "vxlan.vni", "gre.key", "mpls.label", "geneve.vni", "gtp.teid",
           "erspan.spanid"]

Frame = collections.namedtuple("Frame", "kinds facts")


def find_files(arguments):
    for argument in arguments:
        if os.path.isfile(argument):
            yield argument
        for folder, folders, names in os.walk(argument):
            folders.sort()
            for name in sorted(names):
                if not name.endswith((".md", ".tsv", ".json", ".txt", ".csv", ".html")):
                    yield os.path.join(folder, name)


def run_tshark(path):
    """{frame: Frame} of all frames with TCP in them."""
    fields = FACTS + [field for _, field in ANALYSIS]
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t", "-E",
               "aggregator=,"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    frames = {}
    for line in done.stdout.splitlines():
        values = line.split("\t")
        if len(values) != len(fields):
            continue
        facts = dict(zip(FACTS, values))
        if not facts["tcp.stream"]:
            continue
        kinds = {kind for (kind, _), value in zip(ANALYSIS, values[len(FACTS):]) if value}
        # tshark marks its two special kinds as plain retransmissions too.
        if kinds & {"fast_retransmission", "spurious_retransmission"}:
            kinds.discard("retransmission")
        if is_set(facts["tcp.flags.reset"]):
            kinds.add("reset")
        frames[int(facts["frame.number"])] = Frame(kinds, facts)
    return frames


def run_whichhop(whichhop, path):
    """{frame: {kind: detail}} and None; or None and why whichhop could not analyse the file."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([whichhop, "-q", "--format", "json,csv", "--all-flows", "-o", folder,
                               "p=" + path], capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            lines = done.stderr.strip().splitlines() or ["exit status %d" % done.returncode]
            return None, lines[-1]
        frames = collections.defaultdict(dict)
        with open(os.path.join(folder, "events.csv"), newline="", encoding="utf-8") as file:
            for row in csv.DictReader(line for line in file if not line.startswith("#")):
                frames[int(row["frame"])][row["kind"]] = row["detail"]
        return frames, None


def is_set(value):
    return value in ("1", "True")


def number_of(value):
    """The first of a field's values; 0 where there is none."""
    first = value.split(",")[0]
    return int(first, 0) if first else 0


class Explainer:
    """What is known of a file that explains a disagreement.

    A fact of one packet may change how those behind it in its connection look, so most rules hold
    from the packet on that has it. "Connection" is tshark's here: its tcp.stream.
    """

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self.networks = collections.defaultdict(set)
        self.since = {}  # (rule, stream): first frame
        self.syns = {}   # (stream, number): first frame with that SYN
        streams = set()
        for number, frame in sorted(theirs.items()):
            facts, stream = frame.facts, frame.facts["tcp.stream"]
            self.networks[stream].add(tuple(facts[name] for name in NETWORK))
            if is_set(facts["tcp.flags.syn"]):
                self.syns.setdefault((stream, facts["tcp.seq_raw"]), number)
            for rule, text, test in self.LASTING:
                if test(facts):
                    self.since.setdefault((rule, stream), number)
            if "duplicate_packet" in ours.get(number, ()):
                self.since.setdefault(("duplicate", stream), number)
            if "port_reuse" in ours.get(number, ()) and stream in streams:
                self.since.setdefault(("flow", stream), number)
            streams.add(stream)

    @staticmethod
    def is_fragment(facts):
        return (is_set(facts["ip.flags.mf"]) or facts["ip.frag_offset"].strip("0,") != "" or
                facts["ipv6.fraghdr.offset"] != "")

    @staticmethod
    def is_cut(facts):
        if not facts["ip.len"] or "," in facts["ip.len"] + facts["tcp.len"]:
            return False
        return number_of(facts["ip.len"]) > number_of(facts["ip.hdr_len"]) + \
            number_of(facts["tcp.hdr_len"]) + number_of(facts["tcp.len"])

    @staticmethod
    def is_header_cut(facts):
        captured = len(facts["tcp.options"]) // 2
        return bool(captured) and captured < number_of(facts["tcp.hdr_len"]) - 20

    @staticmethod
    def is_contradictory(facts):
        return is_set(facts["tcp.flags.syn"]) and (is_set(facts["tcp.flags.reset"]) or
                                                   is_set(facts["tcp.flags.fin"]))

    @staticmethod
    def meets_zero(facts):
        end = number_of(facts["tcp.seq_raw"]) + number_of(facts["tcp.len"]) + \
            (is_set(facts["tcp.flags.syn"]) or is_set(facts["tcp.flags.fin"]))
        return end % 2 ** 32 == 0 or \
            is_set(facts["tcp.flags.ack"]) and number_of(facts["tcp.ack_raw"]) == 0

    LASTING = [
        ("fragment", "tshark looks at the datagram once its fragments are joined, whichhop at the "
         "first fragment", is_fragment),
        ("length", "IP tells more bytes than the frame has; tshark believes the frame", is_cut),
        ("flags", "SYN with FIN or RST is neither a handshake nor room in the stream",
         is_contradictory),
        ("zero", "tshark takes the number 0 for none seen", meets_zero),
    ]

    def explain(self, number, kind):
        frame = self.theirs.get(number)
        if frame is None:
            return None
        facts, stream = frame.facts, frame.facts["tcp.stream"]
        if "icmp" in facts["frame.protocols"].split(":tcp")[0]:
            return "quote: a header in an ICMP message is no packet of the connection"
        if "," in stream:
            return "tunnel: tshark shows two TCP headers in one frame"
        if "duplicate_packet" in self.ours.get(number, ()):
            return "duplicate: the same packet captured twice makes no other event"
        if len(self.networks[stream]) > 1:
            return "network: the same addresses on several VLANs or tunnels are several flows"
        if self.is_header_cut(facts):
            return "header: the capture cut the TCP header, and tshark gives up before it tells"
        if kind == NUMBER and number >= self.since.get(("duplicate", stream), number + 1):
            return "duplicate (frame %d): counted once" % self.since["duplicate", stream]
        if kind == "port_reuse":
            return self.explain_reuse(number, facts, stream)
        for rule, text, _ in self.LASTING:
            if number >= self.since.get((rule, stream), number + 1):
                return "%s (frame %d): %s" % (rule, self.since[rule, stream], text)
        if number >= self.since.get(("flow", stream), number + 1):
            return "flow (frame %d): a handshake of its own begins a new flow, tshark stays with " \
                "the old one" % self.since["flow", stream]
        return None

    def explain_reuse(self, number, facts, stream):
        if not is_set(facts["tcp.flags.syn"]):
            return None
        if self.is_contradictory(facts):
            return "flags: SYN with FIN or RST is no handshake"
        if self.syns[stream, facts["tcp.seq_raw"]] < number:
            return "reuse: a SYN sent again begins no new flow"
        if is_set(facts["tcp.flags.ack"]):
            return "reuse: a SYN-ACK that answers the flow's SYN begins no new flow"
        return None


def compare_frame(mine, frame):
    """The sets of kinds to compare: the sum of the retransmissions and the number of a duplicate
    ACK stand for kinds of their own."""
    ours, theirs = set(mine), set(frame.kinds) if frame else set()
    for kinds in (ours, theirs):
        if kinds & RETRANSMISSIONS:
            kinds.add(TOGETHER)
    if "duplicate_ack" in ours & theirs:
        told = re.search("[0-9]+", mine["duplicate_ack"])
        theirs.add(NUMBER)
        if told and told.group() == frame.facts["tcp.analysis.duplicate_ack_num"]:
            ours.add(NUMBER)
    return ours, theirs


def show(kinds):
    return " ".join(kind for kind in ROWS if kind in kinds and kind != TOGETHER) or "-"


def compare_file(whichhop, path):
    """What agrees, by kind, and the disagreements: frame, kind, ours, tshark's, reason."""
    totals = {kind: collections.Counter() for kind in ROWS + ["file"]}
    theirs = run_tshark(path)
    ours, message = run_whichhop(whichhop, path)
    if ours is None and not theirs:
        return totals, []
    if ours is None:
        reason = "format: to be unpacked first" if path.endswith(".zst") else None
        totals["file"]["explained" if reason else "unexplained"] += 1
        return totals, [(0, "file", "not analysed: " + message, "%d TCP frames" % len(theirs),
                         reason)]
    disagreements = []
    explainer = Explainer(ours, theirs)
    for number in sorted(set(ours) | set(theirs)):
        mine, other = compare_frame(ours.get(number, {}), theirs.get(number))
        for kind in ROWS:
            if kind in mine and kind in other:
                totals[kind]["agree"] += 1
            elif kind in mine or kind in other:
                reason = explainer.explain(number, kind)
                totals[kind]["explained" if reason else "unexplained"] += 1
                totals[kind]["ours" if kind in mine else "theirs"] += 1
                disagreements.append((number, kind, show(mine), show(other), reason))
    return totals, disagreements


def main(arguments):
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    if shutil.which("tshark") is None:
        print("skipped: tshark is not installed", file=sys.stderr)
        return 77
    whichhop = os.path.abspath(arguments[0])
    totals = {kind: collections.Counter() for kind in ROWS + ["file"]}
    paths = list(find_files(arguments[1:]))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        compared = pool.map(lambda path: compare_file(whichhop, path), paths)
        for path, (counts, disagreements) in zip(paths, compared):
            for kind, count in counts.items():
                totals[kind] += count
            for number, kind, mine, other, reason in disagreements:
                print("%s:%d %s: whichhop %s / tshark %s: %s" %
                      (path, number, kind, mine, other, reason or "UNEXPLAINED"))
    print("\n%-24s %8s %10s %12s   %s" % ("kind", "agree", "explained", "unexplained",
                                          "only whichhop / only tshark"))
    for kind in ROWS:
        row = totals[kind]
        print("%-24s %8d %10d %12d   %d / %d" % (kind, row["agree"], row["explained"],
                                                 row["unexplained"], row["ours"], row["theirs"]))
    sums = sum(totals.values(), collections.Counter())
    print("\n%d files, %d agree, %d explained, %d unexplained" %
          (len(paths), sums["agree"], sums["explained"], sums["unexplained"]))
    return 1 if sums["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
