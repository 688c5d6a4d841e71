"""Measures the cost of checkpoints: one run with a checkpoint for every second line of metrics.

    python3 benches/checkpoint.py target/release/alexnet IMAGES [--recipe paper] [--steps 380]

IMAGES needs more than STEPS batches per epoch. A line covers 20 steps; a checkpoint taken after step 40 is
written during the line that ends at step 60. Each line with a checkpoint is compared with the mean of its two neighbors without one,
so that a drift in the machine's speed matters little. Then the run is resumed, and the time until its first step is measured.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

LINE = 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("images")
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--steps", type=int, default=380)
    parser.add_argument("--run", default=tempfile.mkdtemp())
    arguments = parser.parse_args()
    run = Path(arguments.run)
    if not (run / "run.json").exists():
        often = ["--checkpoint-steps", str(2 * LINE), "--checkpoint-minutes", "100000"]
        begin = ["train", arguments.images, "--recipe", arguments.recipe, "--run", str(run)]
        subprocess.run([arguments.program, *begin, *often, "--steps", str(arguments.steps)], check=True)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # The first lines include the start and the checkpoint of step 0.
    seconds = {line["step"]: line["seconds"] for line in lines if line["step"] % LINE == 0}
    length = {step: seconds[step] - seconds[step - LINE] for step in seconds if step > 2 * LINE and step - LINE in seconds}
    costs = [
        length[step] - (length[step - LINE] + length[step + LINE]) / 2
        for step in length
        if step % (2 * LINE) == LINE and step - LINE in length and step + LINE in length
    ]
    cost, apart = statistics.median(costs), statistics.median(length.values())
    size = max(path.stat().st_size for path in (run / "checkpoints").iterdir())
    print(f"{len(costs)} checkpoints of {size / 1e6:.0f} MB; {LINE} steps take {apart:.1f} s")
    print("cost of each, seconds:", ", ".join(f"{cost:.2f}" for cost in sorted(costs)))
    print(f"median {cost:.2f} s: {100 * cost / 60:.2f} % with one per minute")
    times = []
    for _ in range(3):
        begin = time.monotonic()
        go_on = [arguments.program, "train", "--resume", str(run)]
        with subprocess.Popen(go_on, stderr=subprocess.PIPE, text=True) as process:
            next(line for line in process.stderr if line.startswith("resumed after step"))
            times.append(time.monotonic() - begin)
            process.kill()
    print("seconds until it resumes:", ", ".join(f"{value:.2f}" for value in times))


if __name__ == "__main__":
    main()
