#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds whichhop's reports against what the applications saw.

    score.py WHICHHOP DIR...

Every folder below the DIRs that has a truth.json is a set: its captures are analysed, and the
report must name the verdict, find every stall (same flow, intersection over union of the times at
least 0.8), name its segment and cause, and invent none. Exit status 0 only when all of that is so.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from decimal import Decimal

OVERLAP = 0.8
LIMIT_S = 300
OUTERMOST, INNERMOST = 0, -1


class Set:
    """One folder of captures: what is true of it, what was reported, and how they differ."""

    def __init__(self, folder, root):
        self.folder = folder
        self.name = os.path.relpath(folder, root)
        if self.name == ".":
            self.name = os.path.basename(os.path.abspath(folder))
        with open(os.path.join(folder, "truth.json"), encoding="utf-8") as file:
            self.truth = json.load(file)
        self.true = self.truth["stalls_the_applications_saw"]
        self.near = self.truth.get("near_stalls", [])
        self.wrong, self.start_errors, self.end_errors = [], [], []
        self.found = self.named = self.reported = self.invented = 0
        self.verdict_right = False
        self.seconds = 0.0

    def captures(self):
        order = self.truth["path"][1:-1]
        files = {point: glob.glob(os.path.join(self.folder, f"{point}.pcap*")) for point in order}
        return [f"{point}={names[0]}" for point, names in files.items() if names]


def interval(stall, offset):
    return float(stall["start_unix_s"]) + offset, float(stall["end_unix_s"]) + offset


def overlap(a, b):
    """Intersection over union of two intervals."""
    inner = min(a[1], b[1]) - max(a[0], b[0])
    return inner / (max(a[1], b[1]) - min(a[0], b[0])) if inner > 0 else 0.0


def touches(a, b):
    return min(a[1], b[1]) > max(a[0], b[0])


def analyse(program, item, folder):
    """Runs whichhop; returns its report, or None with the reason noted."""
    begin = time.monotonic()
    try:
        done = subprocess.run([program, "-q", "-o", folder, *item.captures()], capture_output=True,
                              text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        item.wrong.append(f"not done in {LIMIT_S} s")
        return None
    item.seconds = time.monotonic() - begin
    try:
        with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
            report = json.load(file, parse_float=Decimal)
    except (OSError, ValueError) as problem:
        said = done.stderr.strip().splitlines()[-1:] or ["nothing on standard error"]
        item.wrong.append(f"exit {done.returncode}, no report ({problem}): {said[0]}")
        return None
    if report.get("schema") != "whichhop-report/1":
        item.wrong.append(f"schema {report.get('schema')}")
    if done.returncode != int(bool(report["stalls"])):
        item.wrong.append(f"exit {done.returncode} with {len(report['stalls'])} stalls")
    return report


def epoch_of(report):
    """Nanosecond-exact epoch in unix seconds, from the string."""
    text = report["epoch"].rstrip("Z")
    whole, _, part = text.partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return Decimal(int(moment.timestamp())) + Decimal("0." + (part or "0"))


def reported_stalls(report, path):
    """(client's port where it is innermost, interval in unix time, stall) for each stall."""
    epoch, flows = epoch_of(report), {flow["id"]: flow for flow in report["flows"]}
    stalls = []
    for stall in report["stalls"]:
        seen_at = flows[stall["flow"]]["at"] if stall["flow"] in flows else {}
        places = [point for point in path if point in seen_at]
        port = None
        if places:
            client = seen_at[places[INNERMOST]]["client"]
            port = int(client.rsplit(":", 1)[1])
        span = (float(epoch + stall["start_s"]), float(epoch + stall["end_s"]))
        stalls.append((port, span, stall))
    return stalls


def match_stalls(item, stalls, offset):
    """Pairs true and reported stalls of the same client port, the best overlaps first."""
    pairs = sorted(((overlap(interval(true, offset), span), t, r)
                    for t, true in enumerate(item.true)
                    for r, (port, span, _) in enumerate(stalls) if port == true["client_port"]),
                   reverse=True)
    taken_true, taken_reported, matched = set(), set(), {}
    for share, t, r in pairs:
        if share > 0 and t not in taken_true and r not in taken_reported:
            taken_true.add(t)
            taken_reported.add(r)
            matched[t] = (r, share)
    return matched


def describe(stall, span, base):
    return (f"port {stall.get('client_port', stall.get('flow'))}, {span[0] - base:.3f} to "
            f"{span[1] - base:.3f} s")


def judge_true(item, stalls, matched, offset, base):
    for t, true in enumerate(item.true):
        span = interval(true, offset)
        where = f"{describe(true, span, base)}, {true['segment']} {true['cause']}"
        if t not in matched:
            item.wrong.append(f"missed: {where}")
            continue
        _, got_span, got = stalls[matched[t][0]]
        if matched[t][1] < OVERLAP:
            item.wrong.append(f"missed: {where}: found {got_span[0] - base:.3f} to "
                              f"{got_span[1] - base:.3f} s, overlap {matched[t][1]:.2f}")
            continue
        item.found += 1
        item.start_errors.append(abs(got_span[0] - span[0]))
        item.end_errors.append(abs(got_span[1] - span[1]))
        if (got["segment"], got["cause"]) == (true["segment"], true["cause"]):
            item.named += 1
        else:
            item.wrong.append(f"misnamed: {where}: called {got['segment']} {got['cause']}")


def judge_invented(item, stalls, offset, base):
    """A reported stall is invented when no true one of its flow overlaps it."""
    for port, span, stall in stalls:
        known = any(true["client_port"] == port and touches(interval(true, offset), span)
                    for true in item.true + item.near)
        if not known:
            item.invented += 1
            item.wrong.append(f"invented: port {port}, {span[0] - base:.3f} to "
                              f"{span[1] - base:.3f} s, {stall['segment']} {stall['cause']}")


def expected_verdict(item):
    """(segment, cause) with the most time stalled; None without a stall."""
    spans = {}
    for true in item.true:
        spans.setdefault((true["segment"], true["cause"]), []).append(interval(true, 0))
    if not spans:
        return None
    return max(spans, key=lambda key: union_s(spans[key]))


def union_s(spans):
    total, reach = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reach))
        reach = max(reach, end)
    return total


def judge_verdict(item, report):
    verdict, expected = report["verdict"], expected_verdict(item)
    got = (verdict["segment"], verdict["cause"]) if verdict["stalled"] else None
    only_near = expected is None and item.near and got is not None
    item.verdict_right = got == expected or bool(only_near and not item.invented)
    if not item.verdict_right:
        item.wrong.append(f"verdict: {' '.join(got) if got else 'no stall'}, expected "
                          f"{' '.join(expected) if expected else 'no stall'}")


def clock_offset(item, report):
    """How far the clock that the report counts in (the path's first point's) was put wrong."""
    order = report["path"]["order"]
    return float((item.truth.get("clock") or {}).get(order[OUTERMOST], [0])[0]) if order else 0.0


def score(program, item):
    with tempfile.TemporaryDirectory(prefix="whichhop-score-") as folder:
        report = analyse(program, item, folder)
    if report is None:
        item.wrong += [f"missed: port {true['client_port']}" for true in item.true]
        return
    if report["path"]["order"] != item.truth["path"][1:-1]:
        item.wrong.append(f"path order: {', '.join(report['path']['order'])}")
    offset, base = clock_offset(item, report), float(epoch_of(report))
    stalls = reported_stalls(report, item.truth["path"])
    item.reported = len(stalls)
    judge_true(item, stalls, match_stalls(item, stalls, offset), offset, base)
    judge_invented(item, stalls, offset, base)
    judge_verdict(item, report)


def error_text(errors):
    if not errors:
        return "-"
    return f"{statistics.median(errors) * 1000:.0f}/{max(errors) * 1000:.0f} ms"


def print_set(item):
    print(f"{'ok   ' if not item.wrong else 'WRONG'} {item.name:28} "
          f"verdict {'right' if item.verdict_right else 'wrong'}, "
          f"found {item.found}/{len(item.true)}, named {item.named}, invented {item.invented}, "
          f"start {error_text(item.start_errors)}, end {error_text(item.end_errors)}, "
          f"{item.seconds:.1f} s", flush=True)
    for line in item.wrong:
        print(f"      {line}")


def print_total(sets):
    starts = [error for item in sets for error in item.start_errors]
    ends = [error for item in sets for error in item.end_errors]
    wrong = [item.name for item in sets if item.wrong]
    print("errors, median/worst: start " + error_text(starts) + ", end " + error_text(ends))
    if wrong:
        print("wrong: " + " ".join(wrong))
    print(f"score: {len(sets)} sets, "
          f"verdicts right {sum(i.verdict_right for i in sets)}/{len(sets)}, "
          f"stalls found {sum(i.found for i in sets)}/{sum(len(i.true) for i in sets)}, "
          f"named right {sum(i.named for i in sets)}, invented {sum(i.invented for i in sets)}")


def find_sets(roots):
    sets = []
    for root in roots:
        found = sorted(folder for folder, _, names in os.walk(root) if "truth.json" in names)
        if not found:
            sys.exit(f"score.py: {root}: no truth.json below it")
        sets += [Set(folder, root) for folder in found]
    return sets


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("whichhop")
    parser.add_argument("folders", nargs="+", metavar="DIR")
    args = parser.parse_args()
    if not os.access(args.whichhop, os.X_OK):
        sys.exit(f"score.py: {args.whichhop}: not a program")
    sets = find_sets(args.folders)
    for item in sets:
        score(os.path.abspath(args.whichhop), item)
        print_set(item)
    print_total(sets)
    return int(any(item.wrong for item in sets))


if __name__ == "__main__":
    sys.exit(main())
