#!/usr/bin/env python3
"""Runs the commands that the documentation shows and compares their output with what it shows.

    python3 docs/run-commands.py PROGRAM [PAGE...] [--update]
    python3 docs/run-commands.py --images FOLDER

In a block marked `console`, a line that starts with `$ ` is a command (`> ` continues it) and the lines below are its output,
standard output and standard error together. `...` stands for any text within a line, and alone on a line for any lines.
Differences in white space are ignored. A command must exit with 0 unless `$ echo $?` follows it. A line `<!-- $ COMMAND -->`
runs without being shown.

The blocks of a page run in order in a temporary folder with the images that `--images` writes. `--update` replaces lines
that no longer match by the program's output; numbers that differ between two runs, one of them without vector instructions,
become `...`.

Also checks that the files, functions and pages that the documentation refers to exist.
"""

import argparse
import difflib
import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md", "benches/**/*.md", "fuzz/*.md", "python/*.md", "crates/alexnet/assets/**/*.md"]
TOP = "|".join(["crates", "python", "docs", "recipes", "benches", "fuzz", "deploy", "interop", "src", "tests", r"\.ci"])
SECONDS_PER_COMMAND = 120


# The images.


def png(rows):
    """Returns the bytes of an 8-bit gray PNG."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def garments():
    """Returns some of the demo's test images, by class."""
    names = {1: "trouser", 8: "bag", 9: "boot"}
    folder = ROOT / "crates/alexnet/assets/fashion-mnist"
    pixels = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    images = {name: [] for name in names.values()}
    for index, label in enumerate(labels):
        if label in names:
            image = pixels[index * 784 : (index + 1) * 784]
            images[names[label]].append(png([image[row * 28 : (row + 1) * 28] for row in range(28)]))
    return images


def write_images(folder):
    """Writes `clothes` (3 classes of 20 images), `new` (6 images of these classes) and `messy` (a set with typical problems)."""

    def write(path, data):
        path = folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    for name, images in garments().items():
        for number, image in enumerate(images[:20], 1):
            write(f"clothes/{name}/{number:02}.png", image)
        for number, image in enumerate(images[20:22], 1):
            write(f"new/{name}-{number}.png", image)
        if name == "trouser":
            continue
        for number, image in enumerate(images[22:30], 1):
            write(f"messy/train/{name}/{number}.png", image)
        for number, image in enumerate(images[30:33], 1):
            write(f"messy/val/{name}/{number}.png", image)
    odd = ROOT / "crates/alexnet/tests/decode/odd"
    bag = garments()["bag"]
    write("messy/train/bag/half.png", bag[40][: len(bag[40]) // 2])
    write("messy/train/bag/phone.jpg", (odd / "turned.jpg").read_bytes())
    write("messy/train/boot/print.jpg", (odd / "cmyk.jpg").read_bytes())
    write("messy/val/bag/copy.png", bag[22])
    write("messy/train/boot/IMG_0042.heic", b"\0\0\0\x18ftypheic" + bytes(64))
    write("messy/train/boot/prices.txt", b"boots 80\n")
    write("messy/train/hats/.DS_Store", b"\0\0\0\1Bud1")


# The pages.


@dataclass
class Command:
    text: str
    hidden: bool
    line: int
    """Of the command's first line in the page, from 0."""
    begin: int = 0
    expected: list = field(default_factory=list)


def commands(lines):
    """Returns the commands of a page, in order."""
    found, block, continued = [], False, False
    for number, line in enumerate(lines):
        if not block and (hidden := re.fullmatch(r"<!-- \$ (.*) -->", line)):
            found.append(Command(hidden[1], True, number))
        elif line.startswith("```"):
            block, fresh = line == "```console", True
        elif block and line.startswith("$ "):
            found.append(Command(line[2:], False, number, number + 1))
            fresh, continued = False, line.endswith("\\")
        elif block and continued and line.startswith("> "):
            found[-1].text += "\n" + line[2:]
            found[-1].begin, continued = number + 1, line.endswith("\\")
        elif block and fresh:
            sys.exit(f"line {number + 1}: a console block starts with a command, `$ ...`")
        elif block:
            found[-1].expected.append(line)
    return found


class Shell:
    """Runs commands in a temporary folder, with `alexnet` on the path."""

    def __init__(self, program, **environment):
        self.place = Path(tempfile.mkdtemp(prefix="alexnet-docs-"))
        self.folder = self.place / "here"
        self.folder.mkdir()
        (self.place / "bin").mkdir()
        (self.place / "bin/alexnet").symlink_to(program)
        write_images(self.folder)
        keep = {key: value for key, value in os.environ.items() if not key.startswith("ALEXNET_")}
        path = f"{self.place / 'bin'}:{os.environ['PATH']}"
        own = {"PATH": path, "HOME": str(self.place), "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        self.environment = keep | own | environment
        self.status = 0

    def run(self, command):
        """Returns the lines that the command prints."""
        limited = ["timeout", str(SECONDS_PER_COMMAND), "bash", "-c", f"(exit {self.status})\n{command.text}"]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(limited, cwd=self.folder, env=self.environment, **streams)
        self.status = done.returncode
        text = done.stdout.decode(errors="replace").replace(str(self.folder), "...")
        return [line.rstrip() for line in text.rstrip("\n").split("\n")] if text.strip() else []

    def close(self):
        shutil.rmtree(self.place)


def matches(expected, actual):
    pattern = r"\s+".join(re.escape(word) for word in expected.split())
    return re.fullmatch(pattern.replace(re.escape("..."), ".*"), " ".join(actual.split())) is not None


def is_any(line):
    return line is not None and line.strip() == "..."


def align(expected, actual):
    """Returns the cheapest alignment of expected and actual lines, as pairs (expected or None, actual or None), and its cost, which
    is 0 if all lines match. A changed line is a pair that does not match. Of equal costs, the fewest lines match `...`."""
    rows, columns = len(expected), len(actual)
    cost = [[(0, 0)] * (columns + 1) for _ in range(rows + 1)]
    move = [[None] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows, -1, -1):
        for j in range(columns, -1, -1):
            options = []

            def add(step, down, right, mismatches, skipped=0):
                later = cost[i + down][j + right]
                options.append(((later[0] + mismatches, later[1] + skipped), step))

            if i < rows and is_any(expected[i]):
                add("gone", 1, 0, 0)
                if j < columns:
                    add("skip", 0, 1, 0, 1)
            elif i < rows:
                add("gone", 1, 0, 1)
                if j < columns and matches(expected[i], actual[j]):
                    add("pair", 1, 1, 0)
                elif j < columns and (similarity := similar(expected[i], actual[j])) > 0.5:
                    add("pair", 1, 1, 1 - similarity / 10)
            if j < columns:
                add("new", 0, 1, 1)
            cost[i][j], move[i][j] = min(options, key=lambda option: option[0], default=((0, 0), None))
    pairs, i, j = [], 0, 0
    while step := move[i][j]:
        if step != "skip":
            pairs.append((expected[i] if step in ("pair", "gone") else None, actual[j] if step in ("pair", "new") else None))
        i += step in ("pair", "gone")
        j += step in ("pair", "new", "skip")
    return pairs, cost[0][0][0]


def is_kept(expected, actual):
    return is_any(expected) or (expected is not None and actual is not None and matches(expected, actual))


def difference(pairs):
    """Yields the pairs as a diff. Lines that match are shown as in the page."""
    for expected, actual in pairs:
        if is_kept(expected, actual):
            yield f"  {expected}"
            continue
        if expected is not None:
            yield f"- {expected}"
        if actual is not None:
            yield f"+ {actual}"


# For `--update`.


def words_of(line):
    """Splits a line into numbers, white space, and everything else."""
    return re.findall(r"\.\.\.|\d[\d.,]*\d|\d|\s+|[^\s\d.]+|\.", line)


def similar(first, second):
    """Returns how much two lines have in common, from 0 to 1."""
    return difflib.SequenceMatcher(None, words_of(first), words_of(second), autojunk=False).ratio()


def masked(line, other):
    """Returns the line with `...` for numbers that differ in the other line, and for words that are `...` there."""
    words, others, out = words_of(line), words_of(other), []
    for tag, begin, end, first, last in difflib.SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
        pairs = zip(words[begin:end], others[first:last])
        if tag == "replace" and end - begin == last - first:
            out += ["..." if word[0].isdigit() or replaced == "..." else word for word, replaced in pairs]
        else:
            out += words[begin:end]
    return "".join(out)


def updated(pairs, output, again):
    """Returns the lines that the page should show; `again` is the output of a second run."""
    lines, same_length = [], len(output) == len(again)
    for expected, actual in pairs:
        if is_kept(expected, actual):
            lines.append(expected)
        elif actual is not None:
            line = re.sub(r"\d[\d.,]*(?= (images/s|ms|s|GFLOP/s|GB/s)\b)", "...", actual)
            closest = again[output.index(actual) :][:1] if same_length else difflib.get_close_matches(actual, again, n=1)
            for other in [*closest, *filter(None, [expected])]:
                line = masked(line, other)
            lines.append(line)
    return lines


def run_page(page, program, update):
    """Runs the commands of a page; returns whether the output of all of them is as shown."""
    lines = page.read_text().split("\n")
    todo = commands(lines)
    if not todo:
        return True
    shell, other = Shell(program), Shell(program, ALEXNET_KERNELS="portable") if update else None
    name, good, shift = page.relative_to(ROOT), True, 0
    for command, following in zip(todo, [*todo[1:], None]):
        output = shell.run(command)
        again = other.run(command) if other else []
        where = f"{name}:{command.line + 1}: $ {command.text}"
        if shell.status != 0 and (following is None or following.text != "echo $?"):
            print(f"{where}\n  exit code {shell.status}", *output, sep="\n  ")
            good = False
        if command.hidden:
            continue
        expected = list(command.expected)
        while expected and not expected[-1].strip():
            expected.pop()
        pairs, cost = align(expected, output)
        if cost and update:
            begin = command.begin + shift
            fresh = updated(pairs, output, again)
            lines[begin : begin + len(expected)] = fresh
            shift += len(fresh) - len(expected)
        elif cost:
            print(where, *difference(pairs), sep="\n")
            good = False
    for used in filter(None, [shell, other]):
        used.close()
    if update:
        page.write_text("\n".join(lines))
    print(f"{name}: {len(todo)} commands", flush=True)
    return good


# What the pages refer to.


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def references(page):
    """Yields the files, headings and functions that a page refers to but that do not exist."""
    text = page.read_text()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for path in re.findall(rf"`((?:{TOP})/[^`\s]*)`", prose):
        if not any(ROOT.glob(path.rstrip("/"))):
            yield f"`{path}` does not exist"
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            yield f"link to {target}: no such file"
        elif anchor and anchor not in anchors(file.read_text()):
            yield f"link to {target}: no such heading"
    # In tables, a cell with a file may be followed by a cell with items that it defines.
    for path, names in re.findall(r"\| `(crates/[^`]+\.rs)` \| ([^|]*`[^|]*) \|", prose):
        source = (ROOT / path).read_text() if (ROOT / path).exists() else ""
        for name in re.findall(r"`([\w:]+)`", names):
            if not re.search(rf"\b(fn|struct|enum|trait|type|const|static|mod) {name.split('::')[-1]}\b", source):
                yield f"`{path}` does not define `{name}`"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", type=Path)
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--update", action="store_true", help="write the program's output into the pages")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="only write the images that the pages use")
    options = parser.parse_args()
    if options.images:
        write_images(options.images)
        return
    if not options.program:
        parser.error("the path of the program is missing")
    every = sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})
    chosen = [path.resolve() for path in options.pages] or every
    good = True
    for page in chosen:
        for fault in references(page):
            print(f"{page.relative_to(ROOT)}: {fault}")
            good = False
        good &= run_page(page, options.program.resolve(), options.update)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
