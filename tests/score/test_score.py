#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the scorer with hand-made truths and reports: a wrong thing must not be called right."""
import gzip
import os
import struct
import sys
import tempfile
import unittest
from decimal import Decimal

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import flows
import losses
import packets
import reliability
import stalls
from sets import Report, Set

EPOCH_S = 1000000000
SERVER, OUTER, INNER = "192.0.2.1:80", "198.51.100.2", "10.0.0.1"
SEGMENT = "xenbrE..xenbrD"


def a_set(folder=".", **truth):
    item = Set.__new__(Set)
    item.folder, item.name = folder, "made"
    item.take_truth({"path": ["servers", "eth0", "xenbrE", "xenbrD", "clients"],
                     "start_unix_s": EPOCH_S, **truth})
    return item


def a_flow(number=1, outer=6000, inner=5000, points=("eth0", "xenbrE", "xenbrD"), **more):
    return {"id": number, "joined": None, "nat": {"confidence": Decimal("0.9")},
            "at": {point: {"client": f"{INNER}:{inner}" if point == "xenbrD" else f"{OUTER}:{outer}",
                           "server": SERVER} for point in points}, **more}


def a_stall(number, start, end, segment=SEGMENT, cause="freeze", flow=1, caused_by=None):
    return {"id": number, "flow": flow, "start_s": Decimal(str(start)), "end_s": Decimal(str(end)),
            "segment": segment, "cause": cause, "confidence": Decimal("0.9"),
            "caused_by": caused_by}


def a_report(found=(), made=None, verdict=None, events=(), points=()):
    segment, cause = verdict or (None, None)
    return Report({"epoch": "2001-09-09T01:46:40.000000000Z", "flows": made or [a_flow()],
                   "path": {"order": ["eth0", "xenbrE", "xenbrD"]}, "stalls": list(found),
                   "points": list(points),
                   "verdict": {"stalled": verdict is not None, "segment": segment, "cause": cause,
                               "confidence": Decimal("0.9")}}, list(events))


def true_stall(start, end, segment=SEGMENT, cause="freeze", port=5000, **more):
    return {"start_unix_s": EPOCH_S + start, "end_unix_s": EPOCH_S + end, "client_port": port,
            "segment": segment, "cause": cause, **more}


class Stalls(unittest.TestCase):
    def judged(self, true, found, verdict, made=None, **truth):
        item = a_set(stalls_the_applications_saw=true, **truth)
        stalls.judge_stalls(item, a_report(found, made, verdict))
        return item

    def test_right(self):
        item = self.judged([true_stall(1, 2)], [a_stall(1, 1.01, 2)], (SEGMENT, "freeze"))
        self.assertEqual(([], 1, 1, True), (item.wrong, item.counts["found"], item.counts["named"],
                                            item.verdict_right))
        self.assertAlmostEqual(0.01, item.start_errors[0], 6)
        self.assertEqual([(0.9, True)], item.given["stalls"])

    def test_wrong_cause_segment_flow_or_time(self):
        for found in (a_stall(1, 1, 2, cause="loss"), a_stall(1, 1, 2, segment="eth0..xenbrE"),
                      a_stall(1, 1, 2, flow=2), a_stall(1, 1.5, 2), a_stall(1, 3, 4)):
            item = self.judged([true_stall(1, 2)], [found], (SEGMENT, "freeze"),
                               [a_flow(), a_flow(2, 6001, 5001)])
            self.assertTrue(item.wrong)
            self.assertNotIn("named", item.counts)
            self.assertEqual([(0.9, False)], item.given["stalls"])

    def test_missed_and_invented(self):
        item = self.judged([], [a_stall(1, 1, 2)], (SEGMENT, "freeze"))
        self.assertEqual((1, False), (item.counts["invented"], item.verdict_right))
        item = self.judged([true_stall(1, 2)], [], None)
        self.assertEqual((1 + 1, False), (len(item.wrong), item.verdict_right))

    def test_near_stalls_count_neither_way(self):
        item = self.judged([], [a_stall(1, 1, 1.2)], (SEGMENT, "freeze"),
                           near_stalls=[true_stall(1, 1.2)])
        self.assertEqual(([], []), (item.wrong, item.given["stalls"]))

    def test_other_answers(self):
        true = true_stall(1, 2, also=[["eth0..xenbrE", "loss"]])
        found = a_stall(1, 1, 2, "eth0..xenbrE", "loss")
        item = self.judged([true], [found], ("eth0..xenbrE", "loss"))
        self.assertEqual(([], 1), (item.wrong, item.counts["named"]))
        found["cause"] = "freeze"
        self.assertTrue(self.judged([true], [found], ("eth0..xenbrE", "freeze")).wrong)

    def test_verdict_is_of_the_most_time(self):
        true = [true_stall(1, 2), true_stall(3, 3.5, cause="loss")]
        found = [a_stall(1, 1, 2), a_stall(2, 3, 3.5, cause="loss")]
        self.assertTrue(self.judged(true, found, (SEGMENT, "freeze")).verdict_right)
        self.assertFalse(self.judged(true, found, (SEGMENT, "loss")).verdict_right)

    def test_caused_by(self):
        made = [a_flow(), a_flow(2, 6001, 5001)]
        true = [true_stall(1, 2), true_stall(1, 2, port=5001, caused_by=5000)]
        for named, right in ((1, True), (None, False), (2, False)):
            found = [a_stall(1, 1, 2), a_stall(2, 1, 2, flow=2, caused_by=named)]
            item = self.judged(true, found, (SEGMENT, "freeze"), made)
            self.assertEqual(right, not item.wrong)

    def test_clock_offset_drift_and_steps(self):
        clock = {"eth0": [5, 1000, [[EPOCH_S + 50, 2]]]}
        item = a_set(clock=clock)
        self.assertAlmostEqual(EPOCH_S + 15.01, item.in_clock_of("eth0", EPOCH_S + 10), 6)
        self.assertAlmostEqual(EPOCH_S + 67.06, item.in_clock_of("eth0", EPOCH_S + 60), 6)
        self.assertAlmostEqual(EPOCH_S + 60, item.in_clock_of("xenbrE", EPOCH_S + 60), 6)
        for found, right in ((a_stall(1, 65.06, 75.07), True), (a_stall(1, 60, 70), False)):
            item = self.judged([true_stall(60, 70)], [found], (SEGMENT, "freeze"), clock=clock)
            self.assertEqual(right, not item.wrong)

    def test_short_clock_entries(self):
        self.assertEqual(EPOCH_S + 3, a_set(clock={"eth0": [3]}).in_clock_of("eth0", EPOCH_S))


class Flows(unittest.TestCase):
    TRUE = [{"client_port": 5000, "nat_port": 6000}, {"client_port": 5001, "nat_port": 6001}]

    def judged(self, *made, **truth):
        item = a_set(**{"flows": self.TRUE, **truth})
        flows.judge_flows(item, a_report(made=list(made)))
        return item

    def test_right(self):
        item = self.judged(a_flow(1), a_flow(2, 6001, 5001))
        self.assertEqual(([], {"flows_right": 2}), (item.wrong, item.counts))

    def test_swapped(self):
        item = self.judged(a_flow(1, 6000, 5001), a_flow(2, 6001, 5000))
        self.assertEqual({"flows_wrong": 2}, item.counts)
        self.assertEqual([(0.9, False)] * 2, item.given["flows"])

    def test_ports_that_clash(self):
        true = [{"client_port": 5000, "nat_port": 5001}, {"client_port": 5001, "nat_port": 5000}]
        self.assertEqual({"flows_wrong": 1}, self.judged(a_flow(1, 5000, 5000), flows=true).counts)
        self.assertEqual({"flows_right": 1}, self.judged(a_flow(1, 5001, 5000), flows=true).counts)

    def test_a_stranger_at_one_point(self):
        self.assertEqual({"flows_wrong": 1}, self.judged(a_flow(1, 6000, 7777)).counts)

    def test_not_matched(self):
        item = self.judged(a_flow(1, points=("eth0", "xenbrE")), a_flow(2, points=("xenbrD",)))
        self.assertEqual(1, item.counts["flows_unmatched"])

    def test_names_at_each_point(self):
        true = [{"client_port": 5000, "at": {"eth0": f"{OUTER}:1", "xenbrE": f"{OUTER}:1",
                                             "xenbrD": f"{INNER}:5000"}}]
        self.assertEqual({"flows_right": 1}, self.judged(a_flow(1, 1, 5000), flows=true).counts)
        self.assertEqual({"flows_wrong": 1}, self.judged(a_flow(1, 2, 5000), flows=true).counts)

    def test_joined(self):
        legs = [a_flow(1, points=("eth0", "xenbrE")), a_flow(2, 6001, 5001, points=("xenbrD",))]
        truth = {"joined": [[6000, 5001]], "flows": []}
        for numbers, expected in (((1, 1), {"joined_right": 1}), ((1, 2), {"joined_wrong": 1}),
                                  ((None, None), {"joined_wrong": 1})):
            made = [{**leg, "joined": number} for leg, number in zip(legs, numbers)]
            self.assertEqual(expected, self.judged(*made, **truth).counts)
        made = [{**leg, "joined": 1} for leg in legs]
        self.assertEqual({"joined_wrong": 1}, self.judged(*made, flows=[]).counts)
        third = a_flow(3, 6002, 5002, joined=1)
        self.assertEqual({"joined_wrong": 2}, self.judged(*made, third, **truth).counts)


def frame(seq, ip_id, payload, sport=80, dport=6000, flags=0x10, tag=False):
    kinds = b"\x81\0\0\x2a\x08\0" if tag else b"\x08\0"
    return bytes(12) + kinds + struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 40 + payload, ip_id, 0, 64, 6, 0, b"\xc0\0\2\1", b"\xc6\x33d\2"
    ) + struct.pack("!HHIIBBHHH", sport, dport, seq, 77, 0x50, flags, 500, 0, 0)


def pcap(frames, order="<"):
    data = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1)
    for when, content in frames:
        data += struct.pack(order + "IIII", EPOCH_S + int(when), round(when % 1 * 1e6),
                            len(content), len(content)) + content
    return data


class Losses(unittest.TestCase):
    """Three data packets from offset 1 on, 100 bytes each; the second never comes to xenbrD."""
    ISN = 0xFFFFFF80  # it wraps

    def setUp(self):
        # pylint: disable=consider-using-with
        self.folder = tempfile.TemporaryDirectory(prefix="whichhop-test-")
        self.addCleanup(self.folder.cleanup)
        sent = [(i, frame((self.ISN + 1 + 100 * i) % 2**32, 10 + i, 100)) for i in range(3)]
        end = [(9, frame((self.ISN + 1) % 2**32, 20, 0))]
        self.points = {"eth0": sent + end, "xenbrE": sent + end, "xenbrD": sent[:1] + sent[2:] + end}
        self.row = {"link": "fwE", "segment": SEGMENT, "in_ns": str((EPOCH_S + 1) * 10**9),
                    "direction": "to_client", "event": "dropped", "ip_id": "11",
                    "seq": str((self.ISN + 101) % 2**32), "ack": "77", "payload_bytes": "100"}

    def lost(self, number, start, end, segment=SEGMENT, point="xenbrE", direction="to_client"):
        return {"time_s": "1", "point": point, "frame": str(number), "flow": "1", "kind": "lost",
                "direction": direction, "seq_start": str(start), "seq_end": str(end),
                "detail": segment}

    def judged(self, events, rows=None, **truth):
        for point, sent in self.points.items():
            with open(os.path.join(self.folder.name, f"{point}.pcap"), "wb") as file:
                file.write(pcap(sent))
        rows = [self.row] if rows is None else rows
        with gzip.open(os.path.join(self.folder.name, "links.csv.gz"), "wt") as file:
            file.write("\n".join([",".join(self.row)] + [",".join(r.values()) for r in rows]) + "\n")
        # An event of another kind tells which number stands for offset 0.
        events = [{**self.lost(1, 1, 101), "kind": "retransmission", "detail": ""}] + events
        item = a_set(self.folder.name, **truth)
        points = [{"name": point, "files": [{"name": f"{point}.pcap"}]} for point in self.points]
        losses.judge_losses(item, a_report(events=events, points=points))
        return item

    def test_placed(self):
        item = self.judged([self.lost(2, 101, 201)])
        self.assertEqual([], item.wrong)
        self.assertEqual((1, 1), (item.counts["lost_placed"], item.counts["lost_placeable"]))

    def test_missed(self):
        item = self.judged([])
        self.assertEqual((1, 1), (item.counts["lost_missed"], item.counts["lost_placeable"]))
        self.assertTrue(item.wrong)

    def test_wrong_place_bytes_direction_or_frame(self):
        for event in (self.lost(2, 101, 201, "eth0..xenbrE"), self.lost(2, 101, 151),
                      self.lost(2, 102, 202), self.lost(2, 101, 201, direction="to_server"),
                      self.lost(3, 201, 301), self.lost(2, 101, 201, "eth0..xenbrD")):
            item = self.judged([event])
            self.assertNotIn("lost_placed", item.counts)
            self.assertTrue(item.wrong, event)

    def test_invented(self):
        item = self.judged([self.lost(2, 101, 201), self.lost(3, 201, 301)])
        self.assertEqual((1, 1), (item.counts["lost_placed"], item.counts["lost_invented"]))
        item = self.judged([self.lost(2, 101, 201)], rows=[])
        self.assertEqual(1, item.counts["lost_invented"])

    def test_held_is_not_lost(self):
        item = self.judged([], rows=[{**self.row, "event": "held"}])
        self.assertEqual(([], {}), (item.wrong, item.counts))

    def test_what_captures_cannot_place(self):
        self.points["xenbrE"] = self.points["xenbrE"][:1] + self.points["xenbrE"][2:]
        item = self.judged([])
        self.assertEqual(([], 1), (item.wrong, item.counts["lost_unplaceable"]))

    def test_end_of_a_capture(self):
        self.points["xenbrD"] = self.points["xenbrD"][:1]
        item = self.judged([])
        self.assertEqual(([], 1), (item.wrong, item.counts["lost_unplaceable"]))

    def test_begin_of_a_capture(self):
        self.points["xenbrD"] = self.points["xenbrD"][1:]
        item = self.judged([])
        self.assertEqual(([], 1), (item.wrong, item.counts["lost_unplaceable"]))

    def test_merged_frame(self):
        whole = frame((self.ISN + 1) % 2**32, 10, 300)
        self.points["xenbrE"] = [(1, whole), self.points["xenbrE"][-1]]
        item = self.judged([self.lost(1, 101, 201)])
        self.assertEqual(([], 1), (item.wrong, item.counts["lost_placed"]))
        item = self.judged([self.lost(1, 101, 251)])
        self.assertEqual(1, item.counts["lost_invented"])
        item = self.judged([self.lost(1, 1, 101)])
        self.assertEqual((1, 1), (item.counts["lost_invented"], item.counts["lost_missed"]))

    def test_outside(self):
        row = {**self.row, "link": "out", "segment": "servers..eth0"}
        for name in self.points:
            self.points[name] = self.points[name][:1] + self.points[name][2:]
        item = self.judged([], rows=[row])
        self.assertEqual((1, 0), (item.counts["outer"], item.counts["outer_noticed"]))
        gap = {**self.lost(2, 201, 301, "100 bytes", "eth0"), "kind": "gap"}
        item = self.judged([gap], rows=[row])
        self.assertEqual(([], 1), (item.wrong, item.counts["outer_noticed"]))

    def test_rules_in_the_host_have_no_log(self):
        harm = {"place": "nft:eth0", "segment": "eth0..xenbrE", "direction": "to_client",
                "start_unix_s": EPOCH_S + 0.5, "end_unix_s": EPOCH_S + 1.5}
        self.points["xenbrE"] = self.points["xenbrD"]
        syn = frame(5, 9, 0, 6000, 80, 2)
        self.points["eth0"] = [(0, syn)] + self.points["eth0"]
        event = self.lost(3, 101, 201, "eth0..xenbrE", "eth0")
        item = self.judged([event], rows=[], harms=[harm])
        self.assertEqual(([], 1), (item.wrong, item.counts["lost_placed"]))
        self.assertEqual(1, self.judged([], rows=[], harms=[harm]).counts["lost_missed"])

    def test_logs_of_pure_acks(self):
        ack = {**self.row, "ip_id": "30", "payload_bytes": "0", "direction": "to_server"}
        answer = frame((self.ISN + 101) % 2**32, 30, 0, 6000, 80)
        self.points["xenbrD"] = [(1, answer)] + self.points["xenbrD"]
        here = self.lost(1, 1, 1, point="xenbrD", direction="to_server")
        self.assertEqual(([], {}), (self.judged([], rows=[ack]).wrong, self.judged([], [ack]).counts))
        self.assertEqual([], self.judged([here], rows=[ack]).wrong)
        self.assertEqual([], self.judged([here], rows=[]).wrong)  # or the captures missed it
        self.points["eth0"] = [(1, answer)] + self.points["eth0"]
        self.assertEqual(1, self.judged([here], rows=[]).counts["lost_invented"])


class Packets(unittest.TestCase):
    def test_orders_tags_and_pcapng(self):
        for order in "<>":
            (number, _, when, link, content), = packets.frames_of(pcap([(1.5, frame(7, 8, 9))], order))
            self.assertEqual((1, EPOCH_S * 10**9 + 1500000000), (number, when))
            self.assertEqual((7, 77, 9), packets.decode(link, content)[4:7])
        self.assertEqual(7, packets.decode(1, frame(7, 8, 9, tag=True))[4])
        content = frame(7, 8, 9)
        block = struct.pack("<IIIII", 0, 0, 5, len(content), len(content)) + content
        block += bytes(-len(block) % 4)
        data = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) \
            + struct.pack("<IIHHIHH4sI", 1, 28, 1, 0, 96, 2, 2, b"if\0\0", 28) \
            + struct.pack("<II", 6, len(block) + 12) + block + struct.pack("<I", len(block) + 12)
        (number, name, when, link, content), = packets.frames_of(data)
        self.assertEqual((1, "if", 5000, 7), (number, name, when, packets.decode(link, content)[4]))

    def test_foreign(self):
        with self.assertRaises(ValueError):
            packets.frames_of(b"\x89PNG" + bytes(40))


class Reliability(unittest.TestCase):
    def test_bins_and_error(self):
        given = [(0.55, True), (0.55, False), (0.95, True), (1.0, False)]
        self.assertEqual([(0.5, 2), (0.95, 1), (0.99, 1)],
                         [(low, len(rows)) for low, _, rows in reliability.bins(given)])
        self.assertAlmostEqual((2 * 0.05 + 0.05 + 1) / 4, reliability.calibration_error(given))
        self.assertIn("| 0.50 to 0.60 | 2 | 1 | 0.550 | 0.500 |", reliability.table("t", given))


if __name__ == "__main__":
    unittest.main()
