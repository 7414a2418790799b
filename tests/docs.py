#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the pages against the sources and the program.

    docs.py WHICHHOP

docs/method.md: every name in backticks that looks like one of the sources' is there, every constant
with the value that stands behind it in parentheses, every file where it is said to be. README.md and
docs/reading-a-report.md: what they show of the sample's report stands in it, line by line.
docs/report-json.md: every field that is written, every column and kind of events.csv has its place.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("analyzer", "include", "tests")
FOREIGN = {"if_tsresol", "if_tsoffset", "isb_ifdrop", "isb_osdrop", "epb_dropcount", "packet-tcp.c",
           "tcp_analyze_sequence_number"}  # pcapng's and Wireshark's
UNITS = {"ms": 10**6, "s": 10**9, "us": 10**3, "µs": 10**3, "MB": 10**6, "KiB": 1 << 10, "MiB": 1 << 20,
         "GiB": 1 << 30}


def read_sources():
    """(all C and Python text, the paths below the folders)."""
    text, paths = [], set()
    for folder in FOLDERS:
        for where, _, names in os.walk(os.path.join(TOP, folder)):
            for name in names:
                path = os.path.join(where, name)
                paths.add(os.path.relpath(path, TOP))
                if name.endswith((".c", ".h", ".py")) and path != os.path.abspath(__file__):
                    with open(path, encoding="utf-8") as file:
                        text.append(file.read())
    return "\n".join(text), paths


def values_of(text):
    """{constant: the expressions it is defined as}; files may have their own of one name."""
    found = {}
    for name, value in re.findall(
            r"(?:#define\s+|\b)([A-Z][A-Z0-9_]{3,})\s*(?:=|\s)[\s\\]*([(0-9][^,;\n}]*|NS_PER_\w+)", text):
        found.setdefault(name, set()).add(re.sub(r"/\*.*", "", value).strip())
    return found


def number(expression):
    """What digits and operators make; None if there is more."""
    for name, value in (("NS_PER_US", 10**3), ("NS_PER_MS", 10**6), ("NS_PER_S", 10**9)):
        expression = re.sub(rf"\b{name}\b", str(value), expression)
    plain = re.sub(r"(?<=\d)[uUlL]{1,3}\b|\((?:u?int\d+_t|size_t|double)\)", "", expression)
    try:
        return eval(plain) if re.fullmatch(r"[\d\s.*+<()/-]+", plain) else None
    except SyntaxError:
        return None


def said_number(said):
    """The number at the start of what stands in the parentheses, in its unit; None if none."""
    match = re.match(r"([\d,.]*\d)\s?([a-zA-Zµ]*)", said)
    if not match:
        return None
    return float(match[1].replace(",", "")) * UNITS.get(match[2], 1)


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def blocks(page):
    """The indented blocks of a page, each as its lines without the indentation."""
    return [[line[4:] for line in block.splitlines()]
            for block in re.findall(r"(?:^    .*\n(?:\n(?=    ))*)+", page, re.MULTILINE)]


def sample_report(program, commands, folder):
    """The text report and report.md that the README's commands make."""
    script = "\n".join(commands).replace("../../build/whichhop", shlex.quote(program))
    done = subprocess.run(["sh", "-c", f"{script} -q -o {shlex.quote(folder)} --format text,md"],
                          cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode != 1:  # something stalled there
        sys.exit(f"README.md's commands end with {done.returncode}: {done.stderr}")
    return read(folder, "report.txt"), read(folder, "report.md")


def check_shown(program):
    """(what is shown of the sample's report and does not stand in it, lines compared)"""
    shown = next(block for block in blocks(read("README.md")) if block[0].startswith("$ cd "))
    commands = [line[2:] for line in shown if line.startswith("$ ")]
    with tempfile.TemporaryDirectory(prefix="whichhop-docs-") as folder:
        text, markdown = sample_report(program, commands, folder)
    lines = {line.rstrip() for line in text.splitlines()}
    left_out = re.compile(r"\s*\[[^]]*\]")  # [five more]
    shown = [line for line in shown if line and not line.startswith("$ ")]
    wrong = [f"README.md: the sample's report has no line {line.strip()!r}" for line in shown
             if line not in lines and not left_out.fullmatch(line)]
    parts = [line.strip() for block in blocks(read("docs", "reading-a-report.md"))
             for line in block]
    wrong += [f"docs/reading-a-report.md: the sample's report has no {part!r}" for part in parts
              if part not in text and part not in markdown]
    return wrong, len(shown) + len(parts)


def check_fields():
    """(what docs/report-json.md leaves out, names looked for)"""
    folder = os.path.join("analyzer", "report")
    parts = [name for name in os.listdir(os.path.join(TOP, folder)) if re.match(r"json.*\.c", name)]
    source = "".join(read(folder, name) for name in parts)
    names = set(re.findall(r'\bjson_(?:put\w*|field|list_begin)\([^;"]*"(\w+)"', source))
    names |= set(re.findall(r'\\"(\w+)\\":', source))
    names |= set(re.search(r'HEADER +"(.*)\\n"', read(folder, "csv.c"))[1].split(","))
    names |= set(re.findall(r'X\(\w+, "(\w+)"', read("include", "whichhop_events.h")))
    said = set(re.findall(r"`(\w+)`", read("docs", "report-json.md")))
    return [f"docs/report-json.md: nothing of `{name}`" for name in sorted(names - said)], len(names)


def check_method():
    """(what is wrong in docs/method.md, names and values compared, values that were not)"""
    doc = read("docs", "method.md")
    text, paths = read_sources()
    words, values, wrong, checked = set(re.findall(r"\w+", text)), values_of(text), [], 0
    unread = []
    bases = {os.path.basename(path) for path in paths}
    for quoted in re.findall(r"`([^`\n]+)`", doc):
        for path in re.findall(r"[\w./-]+\.(?:c|h|py)\b", quoted):
            checked += 1
            if path not in bases | paths | FOREIGN and not any(known.endswith("/" + path)
                                                               for known in paths):
                wrong.append(f"no file {path}")
        for name in re.findall(r"\b[A-Za-z]\w*_\w*\b(?!\.)", quoted):
            checked += 1
            if name not in words | FOREIGN and not any(word.startswith(name) for word in words
                                             if name.endswith("_")):
                wrong.append(f"no name {name}")
    given = re.findall(r"`([A-Z][A-Z0-9_]{3,})`\s\(([^)]*)\)", doc)
    for name, said in given + re.findall(r"`(CONFIDENCE_\w+)`\s(0\.\d+)", doc):
        is_now = {number(value) for value in values.get(name, ())} - {None}
        is_said = said_number(said)
        if is_said is not None and name.endswith("PPB") and " ppm" in said:
            is_said *= 1000
        if not is_now or is_said is None:
            unread.append(name)
            continue
        checked += 1
        if all(abs(value - is_said) > 1e-9 * max(1, abs(is_said)) for value in is_now):
            wrong.append(f"{name} is {' or '.join(values[name])}, not {said}")
    return [f"docs/method.md: {line}" for line in wrong], checked, unread


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: docs.py WHICHHOP")
    wrong, checked, unread = check_method()
    shown_wrong, shown = check_shown(os.path.abspath(sys.argv[1]))
    left_out, fields = check_fields()
    wrong += shown_wrong + left_out
    print("\n".join(wrong + [f"docs: {checked} names and values, {shown} lines of a report, "
                             f"{fields} fields and kinds, "
                             f"{len(wrong)} wrong"
                             + f", not compared: {' '.join(unread)}" * bool(unread)]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
