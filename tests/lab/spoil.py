#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes captures as they are in life out of stored sets, with the truth adjusted to what is left.

    spoil.py list
    spoil.py make VARIANT[,VARIANT...] SET... --out DIR     DIR/VARIANT/SET for each of both
    spoil.py grid SET... --out DIR [--each N]               every variant, of N sets in turn

SET is a folder as lab.py leaves it. Variants join with +: drift+late. One that makes no sense for a
set is left out.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True

import harms
from frames import SLL, SLL2
from harms import (amid_stall, before_stall, clocks, cut, cut_amid, dressed, merge, miss_burst,
                   miss_random, one_way, only, shuffled, snapped, step, tagged)
from storedset import NotApplicable, StoredSet

VARIANTS = {
    # Clocks: off, drifting, stepping
    "off": clocks(first=(3.7, 0), last=(-2.2, 0)),
    "off-far": clocks(middle=(86400 * 400, 0)),
    "drift": clocks(middle=(0, 200)),
    "drift-first": clocks(first=(0, 200)),
    "drift-last": clocks(last=(0, -200)),
    "drift-two": clocks(middle=(0.4, 200), last=(-1.1, -200)),
    "step-first": step("first", 0.08),
    "step-first-far": step("first", 1.5),
    "step-first-back": step("first", -0.3),
    "step-middle": step("middle", 0.08),
    "step-middle-far": step("middle", 1.5),
    "step-middle-back": step("middle", -0.3),
    "step-last": step("last", 0.08),
    "step-last-far": step("last", 1.5),
    "step-last-back": step("last", -0.3),
    "step-in-stall": step("last", 0.08, amid_stall),
    "step-in-stall-far": step("middle", 1.5, amid_stall),
    # Begin and end
    "late": cut(middle=(1.6, 0), last=(0.7, 0)),
    "late-first": cut(first=(1.6, 0)),
    "late-last": cut(last=(1.6, 0)),
    "early": cut(first=(0, 1.4), last=(0, 0.6)),
    "ragged": cut(first=(1.2, 0), middle=(0, 1.5), last=(0.5, 0.6)),
    "nohs": harms.no_handshake,
    "begin-amid": cut_amid(True, 0.4), "end-amid": cut_amid(False, 0.6),
    # The capture's own loss
    "miss-first": miss_random("first", 0.005),
    "miss-middle": miss_random("middle", 0.005),
    "miss-last": miss_random("last", 0.005),
    "miss2-first": miss_random("first", 0.02),
    "miss2-middle": miss_random("middle", 0.02),
    "miss2-last": miss_random("last", 0.02),
    "burst-first": miss_burst("first", 50),
    "burst-middle": miss_burst("middle", 120),
    "burst-last": miss_burst("last", 200),
    "gap-first": miss_burst("first", seconds=0.5),
    "gap-middle": miss_burst("middle", seconds=0.5),
    "gap-last": miss_burst("last", seconds=0.5),
    "burst-at-stall-first": miss_burst("first", 50, moment=before_stall),
    "burst-at-stall-middle": miss_burst("middle", 50, moment=before_stall),
    "burst-at-stall-last": miss_burst("last", 50, moment=before_stall),
    # Which points, what of them, in what order
    "only-first": only("first"),
    "only-middle": only("middle"),
    "only-last": only("last"),
    "two-outer": only("first", "middle"),
    "two-inner": only("middle", "last"),
    "two-ends": only("first", "last"),
    "five": harms.more_points,
    "any-order": harms.any_order,
    "data-first": one_way("first", True),
    "data-middle": one_way("middle", True),
    "data-last": one_way("last", True),
    "acks-first": one_way("first", False),
    "acks-middle": one_way("middle", False),
    "acks-last": one_way("last", False),
    # How frames and files look
    "any-sll2": harms.any_interface(SLL2, ("first", "middle", "last"), True),
    "any-sll2-pair": harms.any_interface(SLL2, ("first", "middle"), True),
    "any-one-sll2": harms.any_interface(SLL2, ("first", "middle"), False),
    "any-one-sll": harms.any_interface(SLL, ("first", "middle"), False),
    "any-recorded": harms.any_recorded,
    "interfaces": harms.all_in_pcapng,
    "pcapng": harms.each_pcapng,
    "ring": harms.ring_buffer(),
    "snap54": snapped(54), "snap60": snapped(60), "snap68": snapped(68), "snap96": snapped(96),
    "nano": dressed("middle", nano=True),
    "swapped": dressed("last", swap=True),
    "micro": dressed("last", nano=False),
    "vlan-first": tagged("first"), "vlan-middle": tagged("middle"), "vlan-last": tagged("last"),
    "merge-first": merge("first", 1), "merge-middle": merge("middle", 1),
    "merge-last": merge("last", 1),
    "merge5-first": merge("first", 5), "merge5-middle": merge("middle", 5),
    "merge5-last": merge("last", 5),
    "shuffle": shuffled(1, False), "queues": shuffled(1, True),
    # To be kept (keep.py)
    "brief": harms.brief, "headers": harms.headers, "blank": harms.blank, "packed": harms.packed,
}
# Joined harms that a grid has beside each alone.
JOINED = ("drift-two+late", "off+miss-middle", "nohs+drift", "nohs+snap96+off", "late+ring",
          "drift+miss2-last", "merge5-first+miss-last", "two-ends+drift-last", "only-last+nohs",
          "interfaces+off", "vlan-middle+snap68+off", "nohs+merge5-middle")


def spoil(stored, variant):
    """The set with these harms, in the order in which they are written."""
    changed = stored.copy(variant)
    for name in variant.split("+"):
        VARIANTS[name](changed)
    changed.truth["spoilt"] = variant
    return changed


def make(folders, chosen, out):
    """chosen: a (variant, index of the set) list. Each set is read once."""
    made = 0
    for index, (name, folder) in enumerate(folders.items()):
        variants = [variant for variant, which in chosen if which == index]
        stored = StoredSet(folder) if variants else None
        for variant in variants:
            try:
                spoil(stored, variant).save(os.path.join(out, variant, name))
                made += 1
            except NotApplicable as why:
                print(f"{variant}: not {name}: {why}", file=sys.stderr)
    print(f"{made} sets in {out}")


def by_name(folders):
    """Sets by name; of two with one name the later bears its folder's, too."""
    named = {}
    for folder in folders:
        above, name = os.path.abspath(folder).rsplit("/", 2)[1:]
        named[f"{above}-{name}" if name in named else name] = folder
    return named


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("action", choices=("list", "make", "grid"))
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--out", default="spoilt", metavar="DIR")
    parser.add_argument("--each", type=int, default=6, metavar="N")
    args = parser.parse_args()
    if args.action == "list":
        print("\n".join([*VARIANTS, *JOINED]))
        return
    variants = [*VARIANTS, *JOINED]
    words = args.words
    if args.action == "make":
        variants, words = words[0].split(","), words[1:]
    unknown = {name for variant in variants for name in variant.split("+")} - set(VARIANTS)
    if unknown or not words:
        parser.error(f"no such variant: {' '.join(sorted(unknown))}" if unknown else "no set")
    folders = by_name(words)
    each = args.each if args.action == "grid" else len(folders)
    stride = max(1, len(folders) // each)
    chosen = sorted({(variant, (turn + stride * i) % len(folders))
                     for turn, variant in enumerate(variants) for i in range(each)})
    make(folders, chosen, args.out)


if __name__ == "__main__":
    main()
