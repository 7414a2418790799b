#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""pages.py WHICHHOP SET...: parses report.md as CommonMark, every picture as XML or PNG.

A SET is a folder of captures, one file a point (POINT.pcap.gz). Each is analysed as it is, and the first
once more with points and files whose names are Markdown, HTML and lines of their own: the same headings,
tables and folds must come out, and the names as nothing but text. Exit status 75: no parser is installed."""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree
import zlib

try:
    from markdown_it import MarkdownIt
except ImportError:
    MarkdownIt = None

LONGEST = 60000  # characters of report.md
LARGEST = 1000000  # bytes of a picture
SVG = "{http://www.w3.org/2000/svg}"
FOLDS = re.compile(r"</?(details|summary)>")
PLAIN_HTML = ("<code>", "</code>", "<!-- -->", "<br>")  # names with backticks, between lists, in cells
NASTY = ["a|b`c<script>[x](y)", "*z*\n# head\n|q|\n|-|", "```\n~~~ &lt;!--<details>-->"]


# ---- report.md --------------------------------------------------------------------------------------------

def shape_of(tokens):
    """Headings, tables with their rows and columns, folds: what must not depend on names."""
    shape, cells = [], 0
    for token in tokens:
        if token.type in ("th_open", "td_open"):
            cells += 1
        elif token.type == "tr_close":
            shape.append(("row", cells))
            cells = 0
        elif token.type in ("heading_open", "table_open", "code_block", "fence"):
            shape.append((token.type, token.tag))
        elif token.type == "html_block":
            shape += [("fold", tag.group(0)) for tag in FOLDS.finditer(token.content)]
    return shape


def judge_tables(tokens):
    columns = cells = 0
    for token in tokens:
        if token.type == "table_open":
            columns = 0
        elif token.type in ("th_open", "td_open"):
            cells += 1
        elif token.type == "tr_close":
            columns = columns or cells
            if cells != columns:
                yield f"a table's row has {cells} cells, its head {columns}"
            cells = 0


def judge_markdown(text, tokens):
    inline = [child for token in tokens for child in token.children or ()]
    html = "".join(token.content for token in tokens if token.type == "html_block")
    if len(text) >= LONGEST:
        yield f"{len(text)} characters"
    if sum(token.type == "table_open" for token in tokens) < 3:
        yield "tables are not read as tables"
    yield from judge_tables(tokens)
    if html.count("<details>") != html.count("</details>"):
        yield "a fold is not closed, or is not read as one"
    if "| " in html:
        yield "a table is swallowed by a fold"
    left = FOLDS.sub("", html)
    if "<" in re.sub(r"</?code>", "", left):
        yield f"HTML that is no fold: {left.strip()[:60]!r}"
    yield from (f"there is a link: {child.attrs}" for child in inline if child.type == "link_open")
    yield from (f"there is HTML: {child.content!r}" for child in inline
                if child.type == "html_inline" and child.content not in PLAIN_HTML)
    yield from (f"a table or a fold stands in a text: {child.content[:60]!r}" for child in inline
                if child.type == "text" and (re.match(r"\|.*\|", child.content) or "<details>" == child.content))
    yield from (f"the picture {child.attrs['src']} is not there by a relative path" for child in inline
                if child.type == "image" and not re.fullmatch(r"plots/[\w-]+\.png", child.attrs["src"]))


# ---- pictures ---------------------------------------------------------------------------------------------

def judge_svg(data):
    root = tree.fromstring(data)
    if root.tag != SVG + "svg" or root.get("viewBox") is None:
        yield "it is no SVG with a size"
    for name in ("title", "desc"):
        element = root.find(SVG + name)
        if element is None or not (element.text or "").strip():
            yield f"its <{name}> is empty"
    texts = ["".join(element.itertext()) for element in root.iter(SVG + "text")]
    if len(texts) < 5 or not all(text.strip() for text in texts):
        yield "its texts are no texts"
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"href" in data:
        yield "it refers to something outside"


def judge_png(data):
    at, packed, wide, high = 8, b"", 0, 0
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        yield "it is no PNG"
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if struct.pack(">I", zlib.crc32(kind + body)) != data[at + 8 + size:at + 12 + size]:
            yield f"the checksum of {kind} is wrong"
        if kind == b"IHDR":
            wide, high = struct.unpack(">II", body[:8])
        packed += body if kind == b"IDAT" else b""
        at += 12 + size
    if len(zlib.decompress(packed)) != (wide + 1) * high:
        yield "its pixels are not all there"


def judge_pictures(folder):
    names = sorted(os.listdir(os.path.join(folder, "plots")))
    if {"path.svg", "path.png", "flows.svg", "flows.png"} - set(names):
        yield "pictures are missing"
    for name in names:
        with open(os.path.join(folder, "plots", name), "rb") as file:
            data = file.read()
        try:
            wrong = list(judge_svg(data) if name.endswith(".svg") else judge_png(data))
        except (tree.ParseError, struct.error, zlib.error) as error:
            wrong = [str(error)]
        if len(data) >= LARGEST:
            wrong.append(f"{len(data)} bytes")
        yield from (f"{name}: {text}" for text in wrong)


# ---- sets -------------------------------------------------------------------------------------------------

def judge_report(program, files, scratch):
    """(what is wrong, the Markdown's shape)"""
    done = subprocess.run([program, "-q", "-o", scratch, "--format", "md,plots",
                           *(f"{point}={path}" for point, path in files)],
                          capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        return [f"exit status {done.returncode}: {done.stderr.strip()}"], []
    with open(os.path.join(scratch, "report.md"), encoding="utf-8") as file:
        text = file.read()
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return list(judge_markdown(text, tokens)) + list(judge_pictures(scratch)), shape_of(tokens)


def judge_set(program, folder, nasty):
    files = [(name.split(".")[0], os.path.join(folder, name)) for name in sorted(os.listdir(folder))
             if ".pcap" in name]
    with tempfile.TemporaryDirectory(prefix="whichhop-pages-") as scratch:
        wrong, shape = judge_report(program, files, os.path.join(scratch, "plain"))
        if not nasty:
            return wrong
        renamed = []
        for index, (_, path) in enumerate(files):
            name = NASTY[index % len(NASTY)] + str(index)
            copy = os.path.join(scratch, name.replace("/", "|") + ".pcap.gz")
            shutil.copy(path, copy)
            renamed.append((name.replace("/", "|"), copy))
        more, other = judge_report(program, renamed, os.path.join(scratch, "nasty"))
        wrong += [f"nasty names: {text}" for text in more]
        if shape != other:
            wrong.append("nasty names: other headings, tables or folds than with plain ones")
    return wrong


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    if MarkdownIt is None:
        print("note: python3-markdown-it is not installed")
        return 75
    program, failed = os.path.abspath(sys.argv[1]), 0
    for index, folder in enumerate(sys.argv[2:]):
        wrong = judge_set(program, folder, index == 0)
        failed += bool(wrong)
        for text in wrong[:8]:
            print(f"FAILED {folder}: {text}")
    print(f"pages: {len(sys.argv) - 2 - failed} sets right, {failed} wrong")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
