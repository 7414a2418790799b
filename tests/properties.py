#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of whichhop whatever the captures: tried on some cases, changed in many ways.

    properties.py WHICHHOP

- The order of points and files changes not a byte of report.json and events.csv.
- Shorter packets leave the verdict as it is and invent no stall.
- A file that is cut anywhere gives an exit status of 0, 1 or 2, and no stall that the whole
  captures do not have: each overlaps one of theirs, with its cause or `unknown`, and a segment that
  holds its segment.
- Packets a little out of order, captured twice, or in a tunnel at one point leave the verdict as it
  is; so does one `-i any` capture of all points, by the names that its interfaces get.
- A capture that misses packets here and there, stands still for a while, or sees one direction only
  invents no stall; nor does a picture show as lost what such a capture missed.
- A clock that drifts leaves the verdict as it is.
- Bytes turned over anywhere, and times damaged at several points, never crash it, nor keep it busy.
- Of that, what can be asked of them holds for datagrams and for two connections at a proxy as well.

What is random is seeded: the same every time. The input of a failure is kept in build/properties/.
"""
import glob
import gzip
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # a test run leaves nothing in the tree

import capture
import life

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = ("freeze", "loss", "zero-window-client")
# Cases in another dress: of which case, how, and at which points.
DRESSED = {"datagrams": ("freeze", life.as_datagrams, ("eth0", "xenbrE", "xenbrD")),
           "proxy": ("loss", life.by_proxy, ("xenbrD",))}
COOKED = 276  # LINKTYPE_LINUX_SLL2
POINTS = ("eth0", "xenbrE", "xenbrD")
SNAPS = (54, 68, 96, 128, 65535)
CUTS = 20        # places a file is cut at, for each case and file
FLIPS = 40       # damaged inputs, for each case and kind of file
WILD = 12        # inputs with damaged times, for each case
LIMIT_S = 20
KEEP = os.path.join("build", "properties")


class Run:
    """One run of whichhop on files made for it: its exit status, its report, what is wrong."""

    def __init__(self, program, what, files, order=None, judge=None, formats="json,csv"):
        """`files`: [(point, file name, bytes)]; `order`: how the arguments are given; `judge`: what
        else tells lines of what is wrong with a run that did not crash."""
        self.what, self.report, self.bytes, self.wrong = what, None, b"", []
        self.formats, self.pictures = formats, {}
        with tempfile.TemporaryDirectory(prefix="whichhop-property-") as folder:
            arguments = []
            for point, name, data in files:
                with open(os.path.join(folder, name), "wb") as out:
                    out.write(data)
                arguments.append(f"{point}={name}")
            arguments = [arguments[i] for i in order] if order else arguments
            self.start(program, folder, arguments)
            if judge and not self.wrong:
                self.wrong += judge(self)
            if self.wrong:
                keep(folder, what)

    def start(self, program, folder, arguments):
        environment = os.environ | {
            "LSAN_OPTIONS": f"suppressions={HERE}/lsan.supp:print_suppressions=0"}
        try:
            done = subprocess.run([program, "-o", "report", "--format", self.formats, *arguments],
                                  cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            self.wrong.append(f"not done in {LIMIT_S} s")
            return
        stderr = done.stderr.decode(errors="replace")
        self.status = done.returncode
        if done.returncode not in (0, 1, 2) or re.search("Sanitizer|runtime error", stderr):
            self.wrong.append(f"exit {done.returncode}: " + " / ".join(stderr.splitlines()[:8]))
            return
        try:
            for name in ("report.json", "events.csv"):
                with open(os.path.join(folder, "report", name), "rb") as file:
                    self.bytes += file.read()
            with open(os.path.join(folder, "report", "report.json"), encoding="utf-8") as file:
                self.report = json.load(file)
            for path in glob.glob(os.path.join(folder, "report", "plots", "*.svg")):
                with open(path, encoding="utf-8") as file:
                    self.pictures[os.path.basename(path)] = file.read()
        except (OSError, ValueError) as problem:
            if done.returncode != 2:
                self.wrong.append(f"exit {done.returncode}, but no report: {problem}")
            return
        if done.returncode != int(bool(self.report["stalls"])):
            self.wrong.append(f"exit {done.returncode} with {len(self.report['stalls'])} stalls")

    def verdict(self):
        verdict = self.report["verdict"] if self.report else {}
        return verdict.get("segment"), verdict.get("cause")


def keep(folder, what):
    place = os.path.join(KEEP, re.sub(r"\W+", "-", what))
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)


def captured(case, point):
    """A capture of a case, dressed or as it is."""
    of, dress, where = DRESSED.get(case, (case, None, ()))
    made = capture.read(os.path.join(HERE, "cases", of, f"{point}.pcap.gz"))
    return made.but(dress(made.packets)) if point in where else made


def files_of(case, change=None):
    """The three captures of a case, unpacked, `change`d where asked."""
    files = []
    for point in POINTS:
        made = captured(case, point)
        files.append((point, f"{point}.pcap", (change(made) if change else made).pcap()))
    return files


def holds(report, wide, narrow):
    """Whether the segment `wide` spans the segment `narrow` on the report's path."""
    names = ["servers", *report["path"]["order"], "clients"]
    try:
        a, b = (names.index(name) for name in wide.split(".."))
        c, d = (names.index(name) for name in narrow.split(".."))
    except ValueError:
        # A point that could not be read is not on this path.
        return True
    return a <= c and b >= d


def strays(run, whole):
    """The stalls of a run that are none of the whole captures'."""
    found = []
    for stall in run.report["stalls"] if run.report else ():
        shift = float(run.report["epoch_s"]) - float(whole.report["epoch_s"])
        start, end = stall["start_s"] + shift, stall["end_s"] + shift
        if not any(start < true["end_s"] and end > true["start_s"]
                   and stall["cause"] in (true["cause"], "unknown")
                   and holds(run.report, stall["segment"], true["segment"])
                   for true in whole.report["stalls"]):
            found.append(f"{start:.3f} to {end:.3f} s, {stall['segment']} {stall['cause']}")
    return found


# Each property takes the case's name and its whole run, and gives jobs: functions without arguments
# that give a Run.

def order_jobs(program, case, whole):
    parts = []
    for point, name, _ in files_of(case):
        made = captured(case, point)
        third = -(-len(made.packets) // 3)
        thirds = [made.packets[number * third:][:third] for number in range(3)]
        parts += [(point, f"{number}.{name}", made.but(packets).pcap())
                  for number, packets in enumerate(thirds)]
    whole_of_parts = Run(program, f"{case}: files in order", parts)

    def same(what, files, order, other):
        return Run(program, f"{case}: {what} in order {order}", files, order, lambda run:
                   [] if run.bytes == other.bytes else ["other bytes than in the path's order"])

    for order in itertools.permutations(range(len(POINTS))):
        yield lambda order=order: same("points", files_of(case), order, whole)
    dice = random.Random(f"{case} order")
    for _ in range(6):
        order = dice.sample(range(len(parts)), len(parts))
        yield lambda order=order: same("files", parts, order, whole_of_parts)


def snap_jobs(program, case, whole):
    def judge(run):
        wrong = [f"invented: {text}" for text in strays(run, whole)]
        if run.verdict() != whole.verdict():
            wrong.append(f"verdict {run.verdict()}, not {whole.verdict()}")
        return wrong

    for snap in SNAPS:
        yield lambda snap=snap: Run(program, f"{case}: {snap} bytes a packet",
                                    files_of(case, lambda made: made.snapped(snap)), judge=judge)


def cut_jobs(program, case, whole):
    def cut(where, part, packed):
        files = []
        for point, name, data in files_of(case):
            if point in where:
                data = gzip.compress(data, 6, mtime=0) if packed else data
                data = data[:round(len(data) * part)]
            files.append((point, name, data))
        what = f"{case}: {' '.join(where)} cut at {part:.5f}{' when packed' if packed else ''}"
        return Run(program, what, files, judge=lambda run: [
            f"invented: {text}" for text in strays(run, whole)])

    place = random.Random(f"{case} cut")
    for where in (*((point,) for point in POINTS), POINTS):
        for number in range(CUTS):
            part, packed = (number + place.random()) / CUTS, number % 4 == 3
            yield lambda where=where, part=part, packed=packed: cut(where, part, packed)


def same_verdict(run, whole, names=None):
    segment, cause = whole.verdict()
    for old, new in (names or {}).items():
        segment = segment.replace(old, new)
    wrong = [] if names else [f"invented: {text}" for text in strays(run, whole)]
    if run.verdict() != (segment, cause):
        wrong.append(f"verdict {run.verdict()}, not {(segment, cause)}")
    return wrong


def life_jobs(program, case, whole):
    def harm(point, what, change, judge):
        files = []
        for name, file, data in files_of(case):
            if name == point:
                made = captured(case, name)
                data = made.but(change(made.packets)).pcap()
            files.append((name, file, data))
        return Run(program, f"{case}: {point} {what}", files, judge=judge)

    def all_in_one():
        made = [captured(case, point)
                for point in POINTS]
        one = made[0].but(life.cooked([each.packets for each in made]), link=COOKED)
        names = {point: f"any#{number}" for number, point in enumerate(POINTS, start=2)}
        return Run(program, f"{case}: -i any", [("any", "any.pcap", one.pcap())],
                   judge=lambda run: same_verdict(run, whole, names))

    same = (("disordered", lambda packets: life.disordered(packets, case)),
            ("captured twice", life.doubled), ("in VXLAN", life.in_vxlan),
            ("by a clock that drifts", life.drifting))
    none_invented = (("missing some", lambda packets: life.thinned(packets, case)),
                     ("with a hole", lambda packets: life.with_hole(packets, case)),
                     ("to the server only", lambda packets: life.one_way(packets, True)),
                     ("to the client only", lambda packets: life.one_way(packets, False)))
    for point in POINTS:
        for what, change in same:
            yield lambda point=point, what=what, change=change: harm(
                point, what, change, lambda run: same_verdict(run, whole))
        for what, change in none_invented:
            yield lambda point=point, what=what, change=change: harm(
                point, what, change,
                lambda run: [f"invented: {text}" for text in strays(run, whole)])
    yield all_in_one


def hole_jobs(program, case, whole):
    """A capture stands still; nothing is lost in the case."""
    def lost(run):
        return [f"{name}: something is lost" for name, text in sorted(run.pictures.items())
                if "lost after this point" in text]

    def hole(point):
        files = []
        for name, file, data in files_of(case):
            if name == point:
                made = captured(case, name)
                data = made.but(life.with_hole(made.packets, case)).pcap()
            files.append((name, file, data))
        return Run(program, f"{case}: {point} with a hole, drawn", files,
                   judge=lambda run: lost(run) if run.pictures else ["no pictures"],
                   formats="json,csv,plots")

    for point in POINTS:
        yield lambda point=point: hole(point)


def flip_jobs(program, case, whole):
    del whole
    dice = random.Random(f"{case} flip")

    def damaged(data, seed, header_only):
        data, spot = bytearray(data), random.Random(seed)
        for _ in range(spot.choice((1, 3, 30, 300))):
            place = spot.randrange(min(len(data), 2000) if header_only else len(data))
            data[place] ^= 1 << spot.randrange(8) if spot.random() < 0.5 else spot.randrange(1, 256)
        return bytes(data)

    def run(kind, seed):
        files = []
        for point, name, data in files_of(case):
            if kind == "pcapng":
                data = captured(case, point).pcapng()
            if kind == "gzip":
                data = gzip.compress(data, 1, mtime=0)
            if point != POINTS[seed % 3]:
                data = damaged(data, f"{kind} {seed} {point}", seed % 2)
            files.append((point, name, data))
        return Run(program, f"{case}: {kind} with bytes turned over, seed {seed}", files)

    for kind in ("pcap", "pcapng", "gzip"):
        for _ in range(FLIPS):
            yield lambda kind=kind, seed=dice.randrange(10**6): run(kind, seed)


def wild_jobs(program, case, whole):
    del whole
    for seed in range(WILD):
        def change(made, seed=seed):
            point_seed = f"{case} {seed} {made.packets[0][0]} {len(made.packets)}"
            return made.but(life.wild(made.packets, point_seed))
        yield lambda change=change, seed=seed: Run(
            program, f"{case}: damaged times, seed {seed}", files_of(case, change))


def main():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit("usage: properties.py WHICHHOP")
    program = os.path.abspath(sys.argv[1])
    shutil.rmtree(KEEP, ignore_errors=True)
    jobs, failed = [], 0
    kinds = {case: (order_jobs, snap_jobs, cut_jobs, life_jobs, flip_jobs, wild_jobs)
             for case in CASES}
    kinds["datagrams"] = (order_jobs, cut_jobs, hole_jobs, flip_jobs, wild_jobs)
    # nothing tells the order of points that have no connection in common: the one given is kept
    kinds["proxy"] = (flip_jobs, wild_jobs)
    for case, kinds_of_jobs in kinds.items():
        whole = Run(program, f"{case}: whole", files_of(case))
        if whole.wrong or not whole.report["stalls"]:
            sys.exit(f"properties.py: {case}: {whole.wrong or 'no stall to look for'}")
        for property_jobs in kinds_of_jobs:
            jobs += property_jobs(program, case, whole)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for run in pool.map(lambda job: job(), jobs):
            failed += bool(run.wrong)
            for line in run.wrong[:4]:
                print(f"FAILED {run.what}: {line}", flush=True)
    print(f"properties: {len(jobs) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
