#!/usr/bin/env python3
"""Compares the decoding throughput of two builds.

    pip install pillow
    python benches/decode.py BEFORE NOW imagenette.tar [--rounds 9]

Full size: the mosaics of peers/pipeline.py, 500 x 375. Packed: these, packed as JPEG by the first program. The builds
alternate on one core, in reverse order in every other round; ratios are computed per round. Prints a Markdown
table: median images/s of the decoding step, and the median, lowest and highest ratio.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from pipeline import mosaics


def decode(program, source, seconds):
    """Returns the images/s of the decoding step."""
    command = [program, "data", "bench", source, "--seconds", str(seconds), "--threads", "1", "--json"]
    run = subprocess.run(command, capture_output=True, check=True)
    steps = json.loads(run.stdout)["steps"]
    return next(step["images_per_second"] for step in steps if step["name"] == "decode")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("before")
    arguments.add_argument("now")
    arguments.add_argument("archive")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--seconds", type=float, default=2.0)
    options = arguments.parse_args()
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
    programs = [options.before, options.now]
    with tempfile.TemporaryDirectory() as folder:
        full, packed = Path(folder) / "full", Path(folder) / "packed"
        mosaics(options.archive, full)
        pack = [options.before, "data", "pack", full, packed, "--store", "jpeg"]
        subprocess.run(pack, capture_output=True, check=True)
        print("| images | before, images/s | now, images/s | ratio, lowest, highest |\n|---|---|---|---|")
        for name, source in [("500 x 375", full), ("packed JPEG of 256 x 256", packed)]:
            pairs = []
            for number in range(options.rounds):
                order = [0, 1] if number % 2 == 0 else [1, 0]
                found = {side: decode(programs[side], source, options.seconds) for side in order}
                pairs.append((found[0], found[1]))
            before, now = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
            ratios = sorted(now / before for before, now in pairs)
            print(
                f"| {name} | {before:,.0f} | {now:,.0f} | "
                f"{statistics.median(ratios):.3f}, {ratios[0]:.3f}, {ratios[-1]:.3f} |",
                flush=True,
            )


main()
