#!/usr/bin/env python3
"""Training throughput of several ranks on this machine, next to one process with as many threads.

    benches/ranks.py PROGRAM IMAGES [--recipe NAME] [--rounds N] [--ranks N]

PROGRAM is built with `--features mpi`; IMAGES is a set with few validation images, which are evaluated at the end of each run.
The sides alternate; each figure is the median over the rounds of the images/s of steps 21 to 40, on the global batch of the recipe.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
STEPS = 40


def rate(command, program, images, recipe, options):
    """Images/s of the last 20 steps of a training run, from its metrics."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        training = [program, "train", images, "--recipe", recipe, "--steps", str(STEPS), "--run", str(run), "--quiet"]
        training += ["--set", "evaluation.views=1", "--workers", "1", *options]
        subprocess.run([*command, *training], check=True, stdout=subprocess.DEVNULL, timeout=900)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return next(line["images_per_second"] for line in lines if line["step"] == STEPS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("images")
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=2)
    args = parser.parse_args()
    program, ranks = str(pathlib.Path(args.program).resolve()), str(args.ranks)
    several = [*MPIRUN, "-n", ranks]
    sides = {
        "one process": ([], ["--threads", ranks]),
        f"one process, {ranks} leaves": ([], ["--threads", ranks, "--leaves", ranks]),
        "data": (several, ["--threads", "1"]),
        "columns": (several, ["--threads", "1", "--parallel", "columns", "--columns", ranks]),
        "hybrid": (several, ["--threads", "1", "--parallel", "hybrid"]),
    }
    rates = {side: [] for side in sides}
    for turn in range(args.rounds):
        order = list(sides.items())
        for side, (command, options) in order[turn % len(order):] + order[: turn % len(order)]:
            rates[side].append(rate(command, program, args.images, args.recipe, options))
    first = statistics.median(rates["one process"])
    print("| side | images/s, median | lowest to highest | ratio |\n|---|---|---|---|")
    for side, found in rates.items():
        middle = statistics.median(found)
        print(f"| {side} | {middle:.1f} | {min(found):.1f} to {max(found):.1f} | {middle / first:.3f} |")


if __name__ == "__main__":
    main()
