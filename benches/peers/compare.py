#!/usr/bin/env python3
"""The paper's network beside PyTorch, onnxruntime and OpenVINO, all in one run, the sides alternating.

    cargo build --release
    python3 -m venv peers && peers/bin/pip install -r benches/peers/requirements.txt
    peers/bin/python benches/peers/compare.py [--rounds 3] [--threads 2] [--quick]

Every side computes the same network (conv1 of stride 4, groups in conv2, conv4 and conv5, overlapping pooling, 1000
classes), in single precision, on the same number of threads, with random pictures and weights. The peers get pictures
of 227 x 227, which need no rounding up: that spares them a copy. In each round every side runs once; a side's figure
is the median over all its timed calls. torch.compile needs a C++ compiler. A table is written to benches/runs/.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAM = ROOT / "target" / "release" / "alexnet"
RECIPES = {"paper": "paper", "without LRN": str(HERE / "paper-without-lrn.toml")}
# maps, kernel, stride, pad, groups, normalised, pooled
CONVOLUTIONS = [
    (96, 11, 4, 0, 1, True, True),
    (256, 5, 1, 2, 2, True, True),
    (384, 3, 1, 1, 1, False, False),
    (384, 3, 1, 1, 2, False, False),
    (256, 3, 1, 1, 2, False, True),
]


def torch_network(with_lrn):
    from torch import nn

    layers, channels = [], 3
    for maps, kernel, stride, pad, groups, normalised, pooled in CONVOLUTIONS:
        layers += [nn.Conv2d(channels, maps, kernel, stride, pad, groups=groups), nn.ReLU(inplace=True)]
        if normalised and with_lrn:
            layers.append(nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0))
        if pooled:
            layers.append(nn.MaxPool2d(3, 2))
        channels = maps
    layers.append(nn.Flatten())
    for inputs, outputs in [(9216, 4096), (4096, 4096)]:
        layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(0.5)]
    layers.append(nn.Linear(4096, 1000))
    return nn.Sequential(*layers)


def torch_sides(with_lrn, batch, modes):
    """Functions that run one training step or one inference, by name."""
    import torch

    sides = {}
    for mode in modes:
        network = torch_network(with_lrn)
        x = torch.randn(batch, 3, 227, 227)
        labels = torch.randint(0, 1000, (batch,))
        if "channels_last" in mode:
            network, x = network.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        run = torch.compile(network) if "compile" in mode else network
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
        loss = torch.nn.CrossEntropyLoss()

        def train(network=network, run=run, x=x, labels=labels, optimiser=optimiser):
            network.train()
            optimiser.zero_grad(set_to_none=True)
            loss(run(x), labels).backward()
            optimiser.step()

        def infer(network=network, run=run, x=x):
            network.eval()
            with torch.inference_mode():
                run(x)

        sides["PyTorch " + mode] = {"training": train, "inference": infer}
    return sides


def onnx_model(with_lrn):
    """The network as ONNX operations, LRN among them, written without an exporter."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights, channels, last = [], [], 3, "x"

    def constant(name, *shape):
        weights.append(numpy_helper.from_array(random.normal(0, 0.01, shape).astype(np.float32), name))
        return name

    def add(kind, *inputs, **attributes):
        nonlocal last
        output = f"y{len(nodes)}"
        nodes.append(helper.make_node(kind, [last, *inputs], [output], **attributes))
        last = output

    for i, (maps, kernel, stride, pad, groups, normalised, pooled) in enumerate(CONVOLUTIONS):
        w = constant(f"w{i}", maps, channels // groups, kernel, kernel)
        add("Conv", w, constant(f"b{i}", maps), strides=[stride] * 2, pads=[pad] * 4, group=groups)
        add("Relu")
        if normalised and with_lrn:
            add("LRN", size=5, alpha=5e-4, beta=0.75, bias=2.0)
        if pooled:
            add("MaxPool", kernel_shape=[3, 3], strides=[2, 2])
        channels = maps
    add("Flatten")
    for i, (inputs, outputs) in enumerate([(9216, 4096), (4096, 4096), (4096, 1000)]):
        add("Gemm", constant(f"f{i}", outputs, inputs), constant(f"c{i}", outputs), transB=1)
        if outputs == 4096:
            add("Relu")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 227, 227])
    y = helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", 1000])
    graph = helper.make_graph(nodes, "alexnet", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def runtime_sides(with_lrn, batch, threads):
    import numpy as np
    import onnxruntime
    import openvino

    model = onnx_model(with_lrn)
    x = np.random.default_rng(1).normal(0, 50, (batch, 3, 227, 227)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    shaped = core.read_model(model, b"")
    shaped.reshape([batch, 3, 227, 227])
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(shaped, "CPU", hints).create_infer_request()
    return {
        "onnxruntime": {"inference": lambda: session.run(None, {"x": x})},
        "OpenVINO": {"inference": lambda: request.infer({0: x})},
    }


def ours(recipe, batch, threads):
    args = [PROGRAM, "bench", "--recipe", recipe, "--batch", str(batch), "--threads", str(threads), "--json"]
    return json.loads(subprocess.run(args, capture_output=True, text=True, check=True).stdout)


def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def versions():
    import onnxruntime
    import openvino
    import torch

    return f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, openvino {openvino.__version__}"


def processor():
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    flags = "AVX-512" if "avx512f" in info else "AVX2" if "avx2" in info else "no AVX2"
    return f"{names[0] if names else platform.processor()}, {flags}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--quick", action="store_true", help="one round, without torch.compile")
    args = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit(f"{PROGRAM} is not there: cargo build --release")
    import torch

    torch.set_num_threads(args.threads)
    modes = ["eager", "channels_last"]
    if args.quick:
        args.rounds = 1
    else:
        modes += ["compile", "channels_last + compile"]

    seconds = {}  # (what, network, side) -> durations per picture

    def note(what, network, side, duration, batch):
        seconds.setdefault((what, network, side), []).append(duration / batch)

    ratios, resident = [], []
    for network in RECIPES:
        with_lrn = network == "paper"
        large = torch_sides(with_lrn, args.batch, modes) | runtime_sides(with_lrn, args.batch, args.threads)
        one = torch_sides(with_lrn, 1, modes[:2]) | runtime_sides(with_lrn, 1, args.threads)
        for side in (*large.values(), *one.values()):  # compile, pack and warm up
            for call in side.values():
                call()
        for turn in range(args.rounds):
            print(f"{network}, round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
            speed = ours(RECIPES[network], args.batch, args.threads)
            for what in ("training", "inference"):
                note(what, network, "alexnet", 1 / speed["train_images_per_second" if what == "training" else "infer_images_per_second"], 1)
            ratios.append(speed["train_gflops"] / speed["peak_gflops"])
            resident.append(speed["resident_bytes"])
            note("one picture", network, "alexnet", 1 / ours(RECIPES[network], 1, args.threads)["infer_images_per_second"], 1)
            for name, side in large.items():
                for what, call in side.items():
                    for _ in range(2):
                        note(what, network, name, timed(call), args.batch)
            for name, side in one.items():
                side["inference"]()
                for _ in range(5):
                    note("one picture", network, name, timed(side["inference"]), 1)
        del large, one

    lines = [
        f"# {datetime.date.today()}: beside PyTorch, onnxruntime and OpenVINO",
        "",
        f"{processor()}; {args.threads} threads, batch {args.batch}, single precision; {versions()}; Python {platform.python_version()}.",
        f"Medians over {args.rounds} rounds in which every side ran, by `benches/peers/compare.py`. The machine is shared.",
        f"Training of `paper`, direct-equivalent, over the peak of multiply-adds measured in the same runs: {statistics.median(ratios[: args.rounds]):.2f};",
        f"most memory resident, with its pictures: {max(resident) / 1e9:.2f} GB.",
    ]
    for what in ("training", "inference", "one picture"):
        for network in RECIPES:
            sides = {s: statistics.median(t) for (w, n, s), t in seconds.items() if (w, n) == (what, network)}
            best = min(t for s, t in sides.items() if s != "alexnet")
            unit = "ms" if what == "one picture" else "pictures/s"
            lines += ["", f"## {what}, {network}", "", f"| | {unit} | alexnet is faster by |", "|---|---|---|"]
            for side, t in sorted(sides.items(), key=lambda item: item[1]):
                figure = 1e3 * t if unit == "ms" else 1 / t
                mark = " (best peer)" if t == best and side != "alexnet" else ""
                lines.append(f"| {side}{mark} | {figure:.1f} | {t / sides['alexnet']:.2f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.quick:
        path = ROOT / "benches" / "runs" / f"{datetime.date.today()}-peers.md"
        path.write_text(text)
        print(f"written to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
