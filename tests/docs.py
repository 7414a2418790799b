#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name in backticks in docs/method.md that looks like one of the sources' is there, every
constant with the value that stands behind it in parentheses, every file where it is said to be."""
import os
import re
import sys

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


def main():
    with open(os.path.join(TOP, "docs", "method.md"), encoding="utf-8") as file:
        doc = file.read()
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
    print("\n".join([f"docs/method.md: {line}" for line in wrong]
                    + [f"docs: {checked} names and values, {len(wrong)} wrong"
                       + f", not compared: {' '.join(unread)}" * bool(unread)]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
