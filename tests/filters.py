#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""filters.py WHICHHOP SET...: pastes the display filters of report.md into tshark.

A SET is a folder of captures, one file a point (POINT.pcap.gz). Every filter called *evidence* must show
exactly the frames that the stall's evidence names in report.json; every filter called *flow* exactly the
packets of that flow, as the point calls it, that lie in the time it tells, and among them every event of the
flow from the stall's beginning to its end."""
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

STALL = re.compile(r"^- \*\*Stall (\d+)\*\*")
FILTER = re.compile(r"^ {4}- `([^`]*)`(?: `([^`]*)`)?, (evidence|flow): `([^`]*)`$")
TIMES = re.compile(r"frame\.time_epoch>=([0-9.]+) && frame\.time_epoch<=([0-9.]+)$")
SETS_WITHOUT_FILTERS = "no filter in report.md, though something stalled"


def filters_of(markdown):
    """(stall's number, point, file or None, what, filter) of each line that has one"""
    stall = None
    for line in markdown.splitlines():
        if match := STALL.match(line):
            stall = int(match[1])
        elif match := FILTER.match(line):
            yield stall, *match.groups()


def tshark(path, expression, *fields):
    """What tshark shows of a file, as rows of fields."""
    command = ["tshark", "-r", path, "-Y", expression, "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"tshark takes {expression!r} for wrong: {done.stderr.strip()}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def frames_of(path, expression):
    return {int(row[0]) for row in tshark(path, expression, "frame.number")}


def end_points(text):
    address, port = text.rsplit(":", 1)
    return address.strip("[]"), port


def packets_of(path, at, protocol, times):
    """The flow's frames within the times, found without the filter: field by field."""
    fields = ["frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst",
              f"{protocol}.srcport", f"{protocol}.dstport"]
    ends = {end_points(at["client"]), end_points(at["server"])}
    found = set()
    for number, time, four, four_to, six, six_to, port, port_to in tshark(path, protocol, *fields):
        here = {(four or six, port), (four_to or six_to, port_to)}
        if here == ends and times[0] <= float(time) <= times[1]:
            found.add(int(number))
    return found


def judge_flow(report, events, stall, point, path, expression):
    flow = next(flow for flow in report["flows"] if flow["id"] == stall["flow"])
    times = [float(part) for part in TIMES.search(expression).groups()]
    shown = frames_of(path, expression)
    yield shown == packets_of(path, flow["at"][point], flow["protocol"], times), \
        "it shows other packets than the flow's in that time"
    events = {int(row["frame"]) for row in events
              if row["point"] == point and row["flow"] == str(stall["flow"])
              and stall["start_s"] <= float(row["time_s"]) <= stall["end_s"]}
    yield events <= shown, f"events of the stall are not shown: frames {sorted(events - shown)[:5]}"


def judge_evidence(stall, point, path, expression):
    named = {frame["frame"] for evidence in stall["evidence"] for frame in evidence["frames"]
             if frame["point"] == point and frame["file"] == os.path.basename(path)}
    shown = frames_of(path, expression)
    yield shown == named and shown, f"it shows {sorted(shown)}, the evidence names {sorted(named)}"


def judge_set(program, folder, scratch):
    """(filters tried, what is wrong)"""
    files = {name.split(".")[0]: os.path.join(folder, name) for name in sorted(os.listdir(folder))
             if ".pcap" in name}
    done = subprocess.run([program, "-q", "-o", scratch, *(f"{p}={f}" for p, f in files.items())],
                          capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        return 0, [f"exit status {done.returncode}: {done.stderr.strip()}"]
    with open(os.path.join(scratch, "report.md"), encoding="utf-8") as file:
        markdown = file.read()
    with open(os.path.join(scratch, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    with open(os.path.join(scratch, "events.csv"), encoding="utf-8", newline="") as file:
        events = list(csv.DictReader(file))

    def judge(found):
        number, point, _, what, expression = found
        stall = next(stall for stall in report["stalls"] if stall["id"] == number)
        path = files[point]
        try:
            verdicts = (judge_flow(report, events, stall, point, path, expression) if what == "flow"
                        else judge_evidence(stall, point, path, expression))
        except ValueError as error:
            return [str(error)]
        return [f"stall {number}, {point}, {what}: {text}: {expression}"
                for good, text in verdicts if not good]

    tried = list(filters_of(markdown))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        wrong = sum(pool.map(judge, tried), [])
    if report["stalls"] and not tried:
        wrong.append(SETS_WITHOUT_FILTERS)
    return len(tried), wrong


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    program, failed, all_tried = os.path.abspath(sys.argv[1]), 0, 0
    for folder in sys.argv[2:]:
        with tempfile.TemporaryDirectory(prefix="whichhop-filters-") as scratch:
            tried, wrong = judge_set(program, folder, scratch)
        all_tried += tried
        failed += bool(wrong)
        for text in wrong[:8]:
            print(f"FAILED {folder}: {text}")
    print(f"filters: {all_tried} tried, {len(sys.argv) - 2 - failed} sets right, {failed} wrong")
    return int(failed > 0 or not all_tried)


if __name__ == "__main__":
    sys.exit(main())
