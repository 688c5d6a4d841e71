#!/usr/bin/env python3
"""Compares the accuracy of a model in every precision: this program, PyTorch, OpenVINO and onnxruntime.

    alexnet data pack SRC packed --side 28                      # the square of the model's recipe
    alexnet quantize runs/small-1 small.int8.safetensors --calibrate packed --images 300
    peers/bin/python benches/peers/accuracy.py runs/small-1 packed --quantized small.int8.safetensors

First the logits of the model's golden samples are computed with every peer in single precision, and compared with those in the
file: networks that differ cannot be compared. Without PACKED that is all. Then every side classifies the center views of the
same validation images. Peers are quantized with the first images of the packed training set, spread over its classes.
"""

import argparse
import importlib
import json
import math
import os
import sys
from pathlib import Path

import command
import networks
import numpy as np
from sides import SideError

GOLDEN_SIDES = (("PyTorch", "with_pytorch"), ("OpenVINO", "with_openvino"), ("onnxruntime", "with_onnxruntime"), ("MNN", "with_mnn"))
SIDES = (
    ("PyTorch", "with_pytorch", ("f32", "bf16")),
    ("OpenVINO", "with_openvino", ("f32", "bf16", "int8")),
    ("onnxruntime", "with_onnxruntime", ("f32", "int8")),
)
TOLERANCE = 1e-4
BATCH = 50


def main():
    args = arguments()
    model = networks.load_model(args.model)
    check_golden(model, args.threads)
    if not args.packed:
        return
    squares, labels = packed(args.packed, args.split, model.classes, args.images)
    calibration = model.views(packed(args.packed, "train", model.classes, args.calibration_images)[0])
    print(f"\n{model.network.name}, {len(labels)} images of {args.split}, center views;", end=" ")
    print(f"peers quantized with {len(calibration)} training images\n")
    print("| program | precision | top-1 | points relative to f32 (95 % interval) | same class as f32 |\n|---|---|---|---|---|")
    for line in our_rows(args):
        print(line, flush=True)
    for line in peer_rows(model, squares, labels, calibration, args.threads):
        print(line, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model file or a run folder")
    parser.add_argument("packed", type=Path, nargs="?", help="what `alexnet data pack` wrote, with raw pixels")
    parser.add_argument("--quantized", type=Path, metavar="FILE", help="the model as quantized by this program")
    parser.add_argument("--split", default="val")
    parser.add_argument("--images", type=int, metavar="N", help="validation images [default: all]")
    parser.add_argument("--calibration-images", type=int, default=300, metavar="N")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--program", type=Path, default=command.PROGRAM)
    return parser.parse_args()


def check_golden(model, threads):
    """Compares the golden samples' logits with those of every peer."""
    images = model.views(model.golden)
    for name, module in GOLDEN_SIDES:
        try:
            predict = importlib.import_module(module).predictor(model.network, model.parameters, "f32", None, threads)
        except (ImportError, ValueError) as error:
            print(f"golden samples, {name}: left out: {error}", file=sys.stderr)
            continue
        logits = predict(images)
        difference = relative_rms(logits, model.golden_logits)
        print(f"golden samples, {name}: relative RMS difference of the logits {difference:.1e}", file=sys.stderr)
        if not difference < TOLERANCE:
            sys.exit(f"{name} computes another network: expected a difference below {TOLERANCE:.0e}")


def relative_rms(found, expected):
    difference = found.astype(np.float64) - expected
    return math.sqrt(np.mean(difference**2) / np.mean(expected.astype(np.float64) ** 2))


def packed(folder, split, classes, count):
    """Squares and labels of a split; of the first `count` if they were sorted by their place within their class."""
    from safetensors.numpy import load_file

    manifest = json.loads((folder / "pack.json").read_text())
    if manifest["store"] != "raw":
        sys.exit(f"{folder} stores {manifest['store']}, expected raw pixels: alexnet data pack SRC OUT --store raw")
    if manifest["classes"] != classes:
        sys.exit(f"{folder} has other classes than the model")
    parts = [part for part in manifest["splits"] if part["name"] == split]
    if not parts:
        sys.exit(f"{folder} has no split {split}: it has {', '.join(part['name'] for part in manifest['splits'])}")
    shards = [load_file(folder / shard["file"]) for shard in parts[0]["shards"]]
    squares = np.concatenate([shard["images"] for shard in shards])
    labels = np.concatenate([shard["labels"] for shard in shards])
    seen, places = {}, []
    for label in labels.tolist():
        seen[label] = seen.get(label, 0) + 1
        places.append(seen[label])
    chosen = np.sort(np.argsort(places, kind="stable")[:count])
    return squares[chosen], labels[chosen]


def our_rows(args):
    """What `alexnet eval` says of the model, in bf16, and of the quantized model, on the whole split."""
    if args.images:
        return ["| alexnet | | evaluates whole splits only: leave out --images | | |"]
    sides = [("f32", args.model, ()), ("bf16", args.model, ("--precision", "bf16"))]
    sides += [("int8", args.quantized, ())] if args.quantized else []
    rows, baseline = [], None
    for precision, model, options in sides:
        try:
            top1 = 100 * evaluate(args, model, options)["top1"]
        except SideError as error:
            print(f"alexnet, {precision}: left out: {error}", file=sys.stderr)
            continue
        baseline = top1 if baseline is None else baseline
        rows.append(f"| alexnet | {precision} | {top1:.2f} % | {top1 - baseline:+.2f} | |")
    return rows


def evaluate(args, model, options):
    what = (model, "--data", args.packed, "--split", args.split, "--views", "1")
    return command.run(args.program, "eval", *what, *options, "--threads", str(args.threads))


def peer_rows(model, squares, labels, calibration, threads):
    for program, module, precisions in SIDES:
        baseline = None
        for precision in precisions:
            try:
                predict = importlib.import_module(module).predictor(
                    model.network, model.parameters, precision, calibration, threads
                )
            except (ImportError, ValueError) as error:
                print(f"{program}, {precision}: left out: {error}", file=sys.stderr)
                continue
            parts = [squares[i : i + BATCH] for i in range(0, len(squares), BATCH)]
            classes = np.concatenate([predict(model.views(part)).argmax(1) for part in parts])
            baseline = classes if baseline is None else baseline
            yield f"| {program} | {precision} | {compared(classes, baseline, labels)} |"


def compared(classes, baseline, labels):
    """Accuracy, its paired difference to that of the baseline, and how often the classes are the same."""
    change = (classes == labels).astype(float) - (baseline == labels)
    interval = 196 * change.std() / math.sqrt(len(labels))
    points = f"{100 * change.mean():+.2f} (±{interval:.2f})"
    return f"{100 * np.mean(classes == labels):.2f} % | {points} | {100 * np.mean(classes == baseline):.2f} %"


if __name__ == "__main__":
    main()
