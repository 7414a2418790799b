#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the sets in tests/sets, as its file `made` lists them: small enough to be kept.

    keep.py [--from DIR]... [SET...]     all, or these

A line of `made` is SET SCENARIO SEED HARMS: lab.py's scenario, the seed of the run, and what
spoil.py then does to it. A run with that scenario and seed that is stored below a DIR is taken;
else the test network is run, as root. Two runs with one seed differ by the machine's timing.
"""
import argparse
import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True

import spoil
from storedset import HERE, NotApplicable, StoredSet

SETS = os.path.join(os.path.dirname(HERE), "sets")
SHORT = {"brief", "headers", "blank", "packed"}     # what leaves the cables' logs true
UNUSED = ("held", "reordered", "duplicated", "queued")  # of the logs: nothing was lost
LOG_BYTES = 24_000


def read_list():
    with open(os.path.join(SETS, "made"), encoding="utf-8") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {name: (scenario, int(seed), harms) for name, scenario, seed, harms in rows}


def stored_runs(roots):
    """{(scenario, seed): folder} of what lab.py left below the roots."""
    runs = {}
    for folder in (folder for root in roots for folder, _, names in os.walk(root)
                   if "truth.json" in names):
        with open(os.path.join(folder, "truth.json"), encoding="utf-8") as file:
            truth = json.load(file)
        if "spoilt" not in truth and not truth.get("problems"):
            runs.setdefault((truth.get("scenario"), truth.get("seed")), folder)
    return runs


def run_lab(scenario, seed, folder):
    """lab.py repeats a run that went wrong with another seed: that one is then kept."""
    subprocess.run([os.path.join(HERE, "lab.py"), "run", scenario, "--out", folder, "--seed",
                    str(seed)], check=True)
    return os.path.join(folder, scenario)


def keep_log(folder, out):
    with gzip.open(os.path.join(folder, "links.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["event"] not in UNUSED)
    data = gzip.compress(text.getvalue().encode(), 9, mtime=0)
    if len(data) <= LOG_BYTES:
        with open(os.path.join(out, "links.csv.gz"), "wb") as file:
            file.write(data)


def keep(name, folder, harms):
    out = os.path.join(SETS, name)
    spoil.spoil(StoredSet(folder), harms).save(out)
    if set(harms.split("+")) <= SHORT:
        keep_log(folder, out)
    kib = sum(os.path.getsize(os.path.join(out, file)) for file in os.listdir(out)) // 1024
    print(f"{name}: {kib} KiB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--from", action="append", default=[], dest="roots", metavar="DIR")
    parser.add_argument("sets", nargs="*", metavar="SET")
    args = parser.parse_args()
    made, runs = read_list(), stored_runs(args.roots)
    for name in args.sets or made:
        scenario, seed, harms = made[name]
        with tempfile.TemporaryDirectory(prefix="whlab-keep-") as folder:
            stored = runs.get((scenario, seed)) or run_lab(scenario, seed, folder)
            try:
                keep(name, stored, harms)
            except NotApplicable as why:
                sys.exit(f"keep.py: {name}: {harms}: {why}")


if __name__ == "__main__":
    main()
