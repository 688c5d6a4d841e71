#!/usr/bin/env python3
"""Times `data check` on many small files for several builds, and compares their findings.

    pip install pillow
    python3 benches/check.py BEFORE NOW [--files 100000] [--rounds 3] [--folder FOLDER]

The set: alternating PNG and JPEG files, 8 to 32 pixels a side, all different, in 100 class folders; of every thousand, one is
truncated, one is a copy of an intact one, and one is text. It is created once and kept in FOLDER. The programs alternate, after a
warm-up that brings the files into the page cache. Prints the median and the range for each.
"""

import argparse
import io
import json
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

CLASSES = 100


def encode(rng, number):
    """Returns the bytes of a file and its extension."""
    from PIL import Image

    width, height = rng.randrange(8, 33), rng.randrange(8, 33)
    small = Image.frombytes("RGB", (4, 4), rng.randbytes(48))
    image = small.resize((width, height), Image.BILINEAR)
    out = io.BytesIO()
    if number % 2:
        image.save(out, "JPEG", quality=90)
        return out.getvalue(), "jpg"
    image.save(out, "PNG")
    return out.getvalue(), "png"


def make(folder, files):
    done = folder / "files.txt"
    if done.exists() and done.read_text() == str(files):
        return
    rng = random.Random(2012)
    for name in range(CLASSES):
        (folder / "set" / f"class-{name:03}").mkdir(parents=True, exist_ok=True)
    intact = b"", ""
    for number in range(files):
        data, extension = encode(rng, number)
        match number % 1000:
            case 997:
                data = data[: len(data) // 2]
            case 998:
                data, extension = intact
            case 999:
                data, extension = b"not an image", "txt"
            case _:
                intact = data, extension
        (folder / "set" / f"class-{number % CLASSES:03}" / f"{number:06}.{extension}").write_bytes(data)
    done.write_text(str(files))


def check(program, folder):
    """Returns the seconds and the findings."""
    begin = time.monotonic()
    done = subprocess.run([program, "data", "check", str(folder / "set"), "--json"], check=True, stdout=subprocess.PIPE)
    seconds = time.monotonic() - begin
    problems = json.loads(done.stdout)["problems"]
    return seconds, sorted((problem["kind"], problem["file"]) for problem in problems)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "alexnet-check")
    arguments = parser.parse_args()
    make(arguments.folder, arguments.files)
    found = [check(program, arguments.folder)[1] for program in arguments.programs]
    times = [[] for _ in arguments.programs]
    for _ in range(arguments.rounds):
        for program, seconds in zip(arguments.programs, times):
            seconds.append(check(program, arguments.folder)[0])
    for program, seconds, problems in zip(arguments.programs, times, found):
        middle, least, most = statistics.median(seconds), min(seconds), max(seconds)
        print(f"{program}: {middle:.2f} s ({least:.2f} to {most:.2f}), {len(problems)} problems")
    for program, problems in zip(arguments.programs[1:], found[1:]):
        only_now = sorted(set(problems) - set(found[0]))
        only_before = sorted(set(found[0]) - set(problems))
        print(f"{program}: {len(only_now)} additional problems, {len(only_before)} missing", only_now[:3], only_before[:3])


if __name__ == "__main__":
    main()
