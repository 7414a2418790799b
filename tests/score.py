#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds whichhop's reports against what the applications and the cables saw.

    score.py [-j N] [--wrong] [--reliability] WHICHHOP DIR...

Every folder below the DIRs that has a truth.json is a set (score/sets.py): its captures are
analysed, and the report must name the verdict, find every stall (same flow, intersection over union
of the times at least 0.8), name its segment and cause, and invent none; match every flow over the
points as it was; and, where the cables' logs are beside the captures (links.csv.gz), place every
lost packet that the captures can place, and no other. Exit status 0 only when all of that is so.
"""
import argparse
import functools
import os
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor

sys.dont_write_bytecode = True  # a test run leaves nothing in the tree
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "score"))

import reliability
from flows import judge_flows
from losses import judge_losses
from sets import Set, analyse
from stalls import judge_stalls


def score(program, item):
    report = analyse(program, item)
    if report is None:
        item.wrong += [f"missed: port {true['client_port']}" for true in item.true]
        return item
    judge_stalls(item, report)
    judge_flows(item, report)
    judge_losses(item, report)
    return item


def error_text(errors):
    if not errors:
        return "-"
    return f"{statistics.median(errors) * 1000:.0f}/{max(errors) * 1000:.0f} ms"


def lost_text(sets):
    total = count_of(sets)
    if not total("lost_placeable") + total("lost_invented") + total("outer"):
        return ""  # no log, and nothing that the captures alone prove wrong
    return (f", lost placed {total('lost_placed')}/{total('lost_placeable')}, "
            f"wrongly {total('lost_misplaced')}, invented {total('lost_invented')}, "
            f"outside noticed {total('outer_noticed')}/{total('outer')}")


def flow_text(sets):
    total = count_of(sets)
    text = (f", flows matched {total('flows_right')}, wrongly {total('flows_wrong')}, "
            f"not {total('flows_unmatched')}")
    if total("joined_right") or total("joined_wrong"):
        text += f", joined right {total('joined_right')}, wrong {total('joined_wrong')}"
    return text


def count_of(sets):
    return lambda name: sum(item.counts.get(name, 0) for item in sets)


def print_set(item):
    total = count_of([item])
    print(f"{'ok   ' if not item.wrong else 'WRONG'} {item.name:28} "
          f"verdict {'right' if item.verdict_right else 'wrong'}, "
          f"found {total('found')}/{len(item.true)}, named {total('named')}, "
          f"invented {total('invented')}, start {error_text(item.start_errors)}, "
          f"end {error_text(item.end_errors)}{flow_text([item])}{lost_text([item])}, "
          f"{item.seconds:.1f} s")
    for line in item.wrong + item.notes:
        print(f"      {line}")
    sys.stdout.flush()


def print_total(sets):
    total = count_of(sets)
    starts = [error for item in sets for error in item.start_errors]
    ends = [error for item in sets for error in item.end_errors]
    wrong = [item.name for item in sets if item.wrong]
    print("errors, median/worst: start " + error_text(starts) + ", end " + error_text(ends))
    if wrong:
        print("wrong: " + " ".join(wrong))
    print(f"score: {len(sets)} sets, "
          f"verdicts right {sum(i.verdict_right for i in sets)}/{len(sets)}, "
          f"stalls found {total('found')}/{sum(len(i.true) for i in sets)}, "
          f"named right {total('named')}, invented {total('invented')}"
          + flow_text(sets) + lost_text(sets))


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
    parser.add_argument("-j", type=int, default=2, metavar="N", help="sets at a time (default: 2)")
    parser.add_argument("--wrong", action="store_true", help="list only sets with something wrong")
    parser.add_argument("--reliability", action="store_true",
                        help="print how often what was given a confidence was right")
    args = parser.parse_args()
    if not os.access(args.whichhop, os.X_OK):
        sys.exit(f"score.py: {args.whichhop}: not a program")
    judge, sets = functools.partial(score, os.path.abspath(args.whichhop)), []
    with ProcessPoolExecutor(max(1, args.j)) as workers:
        for item in workers.map(judge, find_sets(args.folders)):
            sets.append(item)
            if item.wrong or not args.wrong:
                print_set(item)
    if args.reliability:
        print(reliability.tables(sets))
    print_total(sets)
    return int(any(item.wrong for item in sets))


if __name__ == "__main__":
    sys.exit(main())
