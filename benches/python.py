#!/usr/bin/env python3
"""Measures what the Python package adds to the library.

    pip install ./python
    python benches/python.py target/release/alexnet [--recipes paper small] [--rounds 5]

For each recipe, a model is made by one step of training on noise. Then `alexnet bench --model`, which measures the network alone, and
`model.predict_proba(array, views=1)`, which includes preprocessing and softmax, alternate, in reverse order in every other round. Prints a
Markdown table: medians over the rounds of milliseconds per call, for 128 images and for one; the ratio of the former, the difference of
the latter. Last, the time of `import alexnet`, of which most is NumPy's.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import alexnet

MANY = 128


def make_model(recipe, folder):
    """Returns the path of a model of the recipe, trained for one step, and the side of its squares."""
    described = alexnet.Recipe(recipe)
    side = int(re.search(r"^square = (\d+)$", described.to_toml(), re.MULTILINE)[1])
    classes = described.describe()["classes"]
    pixels = np.random.default_rng(0).integers(0, 256, (classes, 8, 8, 3), dtype=np.uint8)
    names = [f"class {i}" for i in range(classes)]
    dataset = alexnet.Dataset.from_arrays(pixels, np.arange(classes), classes=names, hold_out=False)
    run = alexnet.train(dataset, recipe=recipe, steps=1, run=folder / recipe)
    return run.path / "last.safetensors", side


def network(program, model, images):
    """Returns the milliseconds of the network alone."""
    command = [program, "bench", "--model", model, "--batch", str(images), "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["infer_milliseconds"]


def package(model, side, images, seconds):
    """Returns the median milliseconds of a prediction."""
    loaded = alexnet.load(model, batch=images)
    shape = (images, side, side, 3) if images > 1 else (side, side, 3)
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    times, end = [], None
    while len(times) < 6 or time.perf_counter() < end:
        begin = time.perf_counter()
        loaded.predict_proba(array, views=1)
        times.append(1e3 * (time.perf_counter() - begin))
        end = end or begin + seconds
    # The first call touches memory for the first time.
    return statistics.median(times[1:])


def compare(program, model, side, images, options):
    """Returns the pairs of milliseconds of all rounds: of the network, and of the package."""
    sides = [lambda: network(program, model, images), lambda: package(model, side, images, options.seconds)]
    pairs = []
    for number in range(options.rounds):
        order = [0, 1] if number % 2 == 0 else [1, 0]
        found = {side: sides[side]() for side in order}
        pairs.append((found[0], found[1]))
    return pairs


def import_milliseconds():
    """Returns the milliseconds of importing alexnet and, as part of that, NumPy."""
    command = [sys.executable, "-X", "importtime", "-c", "import alexnet"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    cumulative = {line.rsplit("|", 1)[1].strip(): int(line.split("|")[1]) / 1000 for line in lines[1:]}
    return cumulative["alexnet"], cumulative["numpy"]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--recipes", nargs="+", default=["paper", "small"])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=3.0)
    options = arguments.parse_args()
    print(
        "| recipe | images | network, ms | package, ms | ratio, lowest, highest | difference of medians, us |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for recipe in options.recipes:
            model, side = make_model(recipe, Path(folder))
            for images in (MANY, 1):
                pairs = compare(options.program, model, side, images, options)
                alone, whole = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
                ratios = sorted(whole / alone for alone, whole in pairs)
                middle = f"{statistics.median(ratios):.3f}, {ratios[0]:.3f}, {ratios[-1]:.3f}"
                print(
                    f"| {recipe} | {images} | {alone:.3f} | {whole:.3f} | {middle} | {1000 * (whole - alone):.0f} |", flush=True
                )
    imports = [import_milliseconds() for _ in range(9)]
    whole, numpy = (statistics.median(pair[i] for pair in imports) for i in (0, 1))
    print(f"\n`import alexnet`: {whole:.0f} ms, of which NumPy {numpy:.0f} ms")


if __name__ == "__main__":
    main()
