#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs whichhop over small captures and holds what it says against what is expected.

    cases.py WHICHHOP [CASE...] [--update]

A case is a folder in cases/. Its `command` is run by sh in that folder, with `whichhop` the program
under test, `edit` capture.py, and $T a fresh folder; the report belongs into $T/report. What must
come of it stands in `expect.json`; --update writes that anew from what came, to be read with `git
diff`:

    exit      the exit status
    messages  the lines of standard error that begin with "whichhop: ", without that, with $T for
              the folder
    stdout    words that standard output must have in it
    report    path, verdict and stalls of report.json; times within TOLERANCE_S. Null: no file may
              be left in $T/report

Captures that have a truth.json were made in the test network, by `lab/lab.py all --scenarios
cases/scenarios` with the seed in it; score.py holds them against what the applications saw.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True  # a test run leaves nothing in the tree

TOLERANCE_S = 0.03
LIMIT_S = 60
SHOWN = 6
HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "cases")
FILES = {"report.json", "report.md", "report.html", "report.txt", "events.csv", "plots", "evidence"}
PRELUDE = 'whichhop() { "$WHICHHOP" "$@"; }; edit() { "$EDIT" "$@"; }\n'


def client_of(report, stall):
    """The client's address as the point nearest to the clients calls it."""
    flow = next((flow for flow in report["flows"] if flow["id"] == stall["flow"]), {"at": {}})
    seen_at = flow["at"]
    names = [seen_at[point]["client"] for point in report["path"]["order"] if point in seen_at]
    return names[-1] if names else None


def summary(report):
    """The part of a report that expect.json keeps."""
    stalls = [{"client": client_of(report, stall), "start_s": round(stall["start_s"], 3),
               "end_s": round(stall["end_s"], 3),
               **{key: stall[key] for key in ("segment", "cause", "direction", "scope", "resumed")}}
              for stall in report["stalls"]]
    return {"path": {key: report["path"][key] for key in ("order", "found")},
            "verdict": {key: report["verdict"][key] for key in ("stalled", "segment", "cause")},
            "stalls": stalls}


def unsound(report, stderr):
    """What no report may have, whatever the capture."""
    wrong = []
    points = {point["name"]: {file["name"] for file in point["files"]}
              for point in report["points"]}
    order, names = report["path"]["order"], ["servers", *report["path"]["order"], "clients"]
    if sorted(order) != sorted(points):
        wrong.append(f"path {order} of points {sorted(points)}")
    if report["path"]["segments"] != [f"{a}..{b}" for a, b in zip(names, names[1:])]:
        wrong.append(f"segments {report['path']['segments']}")
    for stall in report["stalls"]:
        ends = stall["segment"].split("..")
        if ends[0] not in names or ends[1] not in names:
            wrong.append(f"stall {stall['id']}: segment {stall['segment']}")
        if not -1e-9 <= stall["start_s"] < stall["end_s"]:
            wrong.append(f"stall {stall['id']}: {stall['start_s']} to {stall['end_s']}")
        if not stall["evidence"]:
            wrong.append(f"stall {stall['id']}: no evidence")
        for frame in (f for e in stall["evidence"] for f in e["frames"]):
            # --filter and --time leave packets out, but keep their numbers.
            if frame["file"] not in points.get(frame["point"], ()) or frame["frame"] < 1:
                wrong.append(f"stall {stall['id']}: no such frame: {frame}")
    ranking = report["verdict"]["ranking"]
    if [row["stall_time_s"] for row in ranking] != sorted((row["stall_time_s"] for row in ranking),
                                                          reverse=True):
        wrong.append("ranking not sorted")
    if report["stalls"] and abs(sum(row["share"] for row in ranking) - 1) > 0.02:
        wrong.append("shares do not sum to 1")
    if not any(point["packets"] for point in report["points"]):
        wrong.append("a report without packets")
    wrong += [f"warning not on standard error: {text}" for text in report["warnings"]
              if text not in stderr]
    return wrong


def differences(expected, got, where):
    """Lines telling where `got` is not `expected`; times have a tolerance."""
    if isinstance(expected, dict) and isinstance(got, dict):
        return [line for key in expected
                for line in differences(expected[key], got.get(key), f"{where}.{key}")]
    if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        return [line for number, (one, other) in enumerate(zip(expected, got))
                for line in differences(one, other, f"{where}[{number}]")]
    if isinstance(expected, float) and isinstance(got, (int, float)):
        if abs(expected - got) <= TOLERANCE_S:
            return []
    elif expected == got:
        return []
    return [f"{where}: expected {json.dumps(expected)}, got {json.dumps(got)}"]


def read_report(folder):
    """(the report or None, names in the folder that do not belong there)"""
    if not os.path.isdir(folder):
        return None, []
    names = os.listdir(folder)
    report = None
    if "report.json" in names:
        with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
            report = json.load(file)
    return report, sorted(names if report is None else set(names) - FILES)


def run_case(program, name):
    """What came of a case, and what is wrong with it in itself."""
    folder = os.path.join(CASES, name)
    with open(os.path.join(folder, "command"), encoding="utf-8") as file:
        command = file.read()
    with tempfile.TemporaryDirectory(prefix="whichhop-case-") as scratch:
        environment = {**os.environ, "WHICHHOP": program, "T": scratch, "LC_ALL": "C",
                       "EDIT": os.path.join(HERE, "capture.py"),
                       "LSAN_OPTIONS": f"suppressions={HERE}/lsan.supp:print_suppressions=0"}
        # timeout(1) ends all that the command started.
        done = subprocess.run(["timeout", str(LIMIT_S), "sh", "-c", PRELUDE + command], cwd=folder,
                              env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                              check=False)
        if done.returncode == 124:
            raise TimeoutError
        stderr = done.stderr.decode(errors="replace").replace(scratch, "$T")
        stderr = re.sub(r"\.whichhop-\d+-", ".whichhop-N-", stderr)
        report, foreign = read_report(os.path.join(scratch, "report"))
    messages = [line[10:] for line in stderr.splitlines() if line.startswith("whichhop: ")]
    wrong = [f"left in the folder: {name}" for name in foreign]
    # The sanitizers end a program with this text, whatever status they give.
    if done.returncode > 2 or re.search("Sanitizer|runtime error", stderr):
        wrong.append("crashed: " + " / ".join(stderr.splitlines()[-12:]))
    if report:
        wrong += unsound(report, done.stderr.decode(errors="replace"))
    if done.returncode == 2 and not stderr:
        wrong.append("failed without a word")
    got = {"exit": done.returncode, "messages": messages,
           "report": summary(report) if report else None}
    return got, wrong, done.stdout.decode(errors="replace")


def case_path(name):
    return os.path.join(CASES, name, "expect.json")


def judge(program, name, update):
    """Lines telling what is wrong with a case."""
    try:
        got, wrong, stdout = run_case(program, name)
    except TimeoutError:
        return [f"not done in {LIMIT_S} s"]
    expected = {}
    if os.path.exists(case_path(name)):
        with open(case_path(name), encoding="utf-8") as file:
            expected = json.load(file)
    elif not update:
        return ["no expect.json: write it with --update"]
    wrong += [f"not on standard output: {word}" for word in expected.get("stdout", [])
              if word not in stdout]
    if not update:
        return wrong + differences(expected, {"stdout": expected.get("stdout"), **got}, "expect")
    if "stdout" in expected:
        got["stdout"] = expected["stdout"]
    if differences(expected, got, "") or not expected:
        with open(case_path(name), "w", encoding="utf-8") as file:
            json.dump(got, file, indent=1)
            file.write("\n")
        print(f"updated {name}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("whichhop")
    parser.add_argument("case", nargs="*")
    parser.add_argument("--update", action="store_true")
    args = parser.parse_args()
    program = os.path.abspath(args.whichhop)
    if not os.access(program, os.X_OK):
        sys.exit(f"cases.py: {args.whichhop}: not a program")
    names = args.case or sorted(name for name in os.listdir(CASES)
                                if os.path.exists(os.path.join(CASES, name, "command")))
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, wrong in zip(names, pool.map(lambda n: judge(program, n, args.update), names)):
            failed += bool(wrong)
            for line in wrong[:SHOWN]:
                print(f"FAILED {name}: {line}")
            if len(wrong) > SHOWN:
                print(f"FAILED {name}: and {len(wrong) - SHOWN} more")
    print(f"cases: {len(names) - failed} passed, {failed} failed")
    return int(failed > 0 or not names)


if __name__ == "__main__":
    sys.exit(main())
