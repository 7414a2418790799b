# SPDX-License-Identifier: GPL-3.0-or-later
"""A set: captures with their truth, what whichhop reports of them, and what is wrong with that.

truth.json, beside the captures, as tests/lab writes it; what a scorer asks of it:

    path            ["servers", POINT..., "clients"]
    stalls_the_applications_saw, near_stalls (these count neither way)
                    [{start_unix_s, end_unix_s, client_port, segment, cause,
                      "also": [[segment, cause]...] as good, "caused_by": client port of the leg,
                      "overlap": least share of the times, where captures show them less exactly}]
    flows           [{client_port, nat_port, "at": {POINT: "client:port"}}]
    command         the arguments instead of POINT=FILE; paths from the set's folder, globs allowed
    clock           {POINT: [offset_s, drift_ppm, [[at_unix_s, step_s]...], drift_from_unix_s]}:
                    how wrong it was; what is left out is 0, or start_unix_s
    names           {name in the report: POINT}; several may be one point
    joined          [[client port of a leg...]...]: connections that a proxy joins
"""
import csv
import glob
import json
import os
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from decimal import Decimal
from itertools import groupby

LIMIT_S = 300


class Set:
    """One folder of captures: what is true of it, and what was made of that."""

    def __init__(self, folder, root):
        self.folder = folder
        self.name = os.path.relpath(folder, root)
        if self.name == ".":
            self.name = os.path.basename(os.path.abspath(folder))
        with open(os.path.join(folder, "truth.json"), encoding="utf-8") as file:
            self.take_truth(json.load(file))
        self.seconds = 0.0

    def take_truth(self, truth):
        self.truth = truth
        self.true = truth.get("stalls_the_applications_saw", [])
        self.near = truth.get("near_stalls", [])
        self.points = truth["path"][1:-1]
        self.wrong, self.start_errors, self.end_errors = [], [], []
        self.counts, self.notes, self.outer = {}, [], []
        self.given = {"stalls": [], "verdicts": [], "flows": []}  # (confidence, right)
        self.verdict_right = False

    def count(self, what, by=1):
        self.counts[what] = self.counts.get(what, 0) + by

    def arguments(self):
        if "command" in self.truth:
            return [word for given in self.truth["command"] for word in self.unfold(given)]
        files = {point: sorted(glob.glob(os.path.join(glob.escape(self.folder), f"{point}.pcap*")))
                 for point in self.points}
        return [f"{point}={os.path.basename(names[0])}" for point, names in files.items() if names]

    def unfold(self, word):
        """A POINT=GLOB becomes one argument a file; all else stays."""
        point, sign, pattern = word.partition("=")
        if not sign or word.startswith("-") or not glob.has_magic(pattern):
            return [word]
        names = sorted(glob.glob(pattern, root_dir=self.folder))
        return [f"{point}={name}" for name in names] or [word]

    def in_clock_of(self, point, unix_s, set_right=False):
        """What the clock of a point shows at a true time; as if nobody had set it meanwhile."""
        wrong = list((self.truth.get("clock") or {}).get(point, ()))
        begin = self.truth.get("start_unix_s", unix_s)
        offset, drift_ppm, steps, from_s = wrong + [0, 0, (), begin][len(wrong):]
        since = unix_s - from_s
        return unix_s + offset + drift_ppm * 1e-6 * since + \
            sum(step for at, step in steps if at <= unix_s and not set_right)


class Report:
    """report.json and the rows of events.csv."""

    def __init__(self, facts, events):
        self.facts, self.events = facts, events
        self.flows = {flow["id"]: flow for flow in facts["flows"]}
        self.order = facts["path"]["order"]
        self.epoch = epoch_of(facts["epoch"])

    def unix(self, seconds):
        return float(self.epoch + seconds)


def epoch_of(text):
    """Nanosecond-exact epoch in unix seconds, from the string."""
    whole, _, part = text.rstrip("Z").partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return Decimal(int(moment.timestamp())) + Decimal("0." + (part or "0"))


def rename(facts, events, names):
    """Points by the names that the truth has for them, as where an interface is one."""
    def true_name(text):
        return "..".join(names.get(part, part) for part in text.split("..")) if text else text

    order = facts["path"]["order"]
    facts["path"]["order"] = [name for name, _ in groupby(map(true_name, order))]
    for flow in facts["flows"]:
        flow["at"] = {true_name(name): value for name, value in flow["at"].items()}
    for named in (*facts["stalls"], facts["verdict"]):
        named["segment"] = true_name(named["segment"])
    for row in events:
        row["point"] = true_name(row["point"])


def read_report(folder, names):
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        facts = json.load(file, parse_float=Decimal, parse_int=Decimal)
    with open(os.path.join(folder, "events.csv"), encoding="utf-8", newline="") as file:
        events = list(csv.DictReader(file))
    if names:
        rename(facts, events, names)
    return Report(facts, events)


def analyse(program, item):
    """Runs whichhop; returns its report, or None with the reason noted."""
    with tempfile.TemporaryDirectory(prefix="whichhop-score-") as folder:
        begin = time.monotonic()
        words = [program, "-q", "-o", folder, "--format", "json,csv", "--all-flows"]
        try:
            done = subprocess.run(words + item.arguments(), capture_output=True, text=True,
                                  cwd=item.folder, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            item.wrong.append(f"not done in {LIMIT_S} s")
            return None
        item.seconds = time.monotonic() - begin
        try:
            report = read_report(folder, item.truth.get("names"))
        except (OSError, ValueError) as problem:
            said = done.stderr.strip().splitlines()[-1:] or ["nothing on standard error"]
            item.wrong.append(f"exit {done.returncode}, no report ({problem}): {said[0]}")
            return None
    if report.facts.get("schema") != "whichhop-report/1":
        item.wrong.append(f"schema {report.facts.get('schema')}")
    if done.returncode != int(bool(report.facts["stalls"])):
        item.wrong.append(f"exit {done.returncode} with {len(report.facts['stalls'])} stalls")
    return report
