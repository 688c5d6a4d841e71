#!/usr/bin/env python3
"""Compares throughput with PyTorch, onnxruntime and OpenVINO, alternating in one run.

    cargo build --release
    python3 -m venv peers && peers/bin/pip install -r benches/peers/requirements.txt
    peers/bin/python benches/peers/compare.py [--rounds 3] [--threads 2] [--large] [--quick]

All compute the same network in single precision, on the same number of threads, with random images and
weights. For the paper's network the peers get images of 227 x 227, which need no rounding up and save them a copy.
Each program runs once per round; results are medians over all timed calls. torch.compile needs a C++
compiler. Writes a table to benches/runs/.

To compare without AVX-512 on a machine that has it, as far as the libraries respect these variables:

    ALEXNET_KERNELS=avx2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 DNNL_MAX_CPU_ISA=AVX2 \\
        MKL_ENABLE_INSTRUCTIONS=AVX2 peers/bin/python benches/peers/compare.py
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
LIMIT = os.environ.get("ALEXNET_KERNELS", "")

# The input's side; layers: conv maps kernel stride pad groups, lrn size alpha k, map-norm size alpha, max and avg
# pooling of 3 at stride 2 rounding up, fc units, dropout rate; this program's recipe.
PAPER = """conv 96 11 4 0 1; relu; lrn 5 1e-4 2; max; conv 256 5 1 2 2; relu; lrn 5 1e-4 2; max; conv 384 3 1 1 1; relu;
    conv 384 3 1 1 2; relu; conv 256 3 1 1 2; relu; max; fc 4096; relu; dropout 0.5; fc 4096; relu; dropout 0.5; fc 1000"""
LARGE_NETWORKS = {
    "paper": (227, PAPER, "paper"),
    "without LRN": (227, PAPER.replace(" lrn 5 1e-4 2;", ""), str(HERE / "paper-without-lrn.toml")),
}
# Response normalization in PyTorch crosses the columns; the amount of arithmetic is the same.
SMALL = """conv 32 5 1 2 1; relu; lrn 5 1e-4 2; max; conv 64 5 1 2 2; relu; lrn 5 1e-4 2; max; conv 64 3 1 1 1; relu;
    fc 256; relu; dropout 0.2; fc 256; relu; dropout 0.2; fc 10"""
CIFAR = """conv 32 5 1 2 1; max; relu; map-norm 3 5e-5; conv 32 5 1 2 1; relu; avg; map-norm 3 5e-5; conv 64 5 1 2 1; relu;
    avg; fc 10"""
SMALL_NETWORKS = {"small": (26, SMALL, "small"), "cifar-18pct": (32, CIFAR, "cifar-18pct")}


def layers_of(network):
    return [layer.split() for layer in network[1].split(";")]


def torch_network(network):
    import torch
    from torch import nn

    class MapNorm(nn.Module):
        def __init__(self, size, alpha):
            super().__init__()
            self.sum, self.alpha = nn.AvgPool2d(size, 1, size // 2, divisor_override=1), alpha

        def forward(self, x):
            return x * (1 + self.alpha * self.sum(x * x)) ** -0.75

    layers, channels, flat = [], 3, False
    for kind, *values in layers_of(network):
        if kind == "conv":
            maps, kernel, stride, pad, groups = map(int, values)
            layers.append(nn.Conv2d(channels, maps, kernel, stride, pad, groups=groups))
            channels = maps
        elif kind == "relu":
            layers.append(nn.ReLU(inplace=True))
        elif kind == "lrn":
            size, alpha, k = map(float, values)
            layers.append(nn.LocalResponseNorm(int(size), alpha * size, 0.75, k))
        elif kind == "map-norm":
            layers.append(MapNorm(int(values[0]), float(values[1])))
        elif kind in ("max", "avg"):
            layers.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(3, 2, ceil_mode=True))
        elif kind == "dropout":
            layers.append(nn.Dropout(float(values[0])))
        elif kind == "fc":
            if not flat:
                with torch.no_grad():
                    channels = nn.Sequential(*layers)(torch.zeros(1, 3, network[0], network[0])).numel()
                layers.append(nn.Flatten())
            flat = True
            layers.append(nn.Linear(channels, int(values[0])))
            channels = int(values[0])
    return nn.Sequential(*layers)


def torch_sides(network, batch, modes):
    """Returns functions that run one training step or one inference, by name."""
    import torch

    sides = {}
    for mode in modes:
        module = torch_network(network)
        side, classes = network[0], int(layers_of(network)[-1][1])
        x = torch.randn(batch, 3, side, side)
        labels = torch.randint(0, classes, (batch,))
        if "channels_last" in mode:
            module, x = module.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        run = torch.compile(module) if "compile" in mode else module
        # A learning rate so low that the values of the first step cannot grow.
        optimizer = torch.optim.SGD(module.parameters(), lr=1e-12, momentum=0.9, weight_decay=5e-4)
        loss = torch.nn.CrossEntropyLoss()

        def train(module=module, run=run, x=x, labels=labels, optimizer=optimizer):
            module.train()
            optimizer.zero_grad(set_to_none=True)
            loss(run(x), labels).backward()
            optimizer.step()

        def infer(module=module, run=run, x=x):
            module.eval()
            with torch.inference_mode():
                run(x)

        sides["PyTorch " + mode] = {"training": train, "inference": infer}
    return sides


def onnx_model(network):
    """Returns the network as an ONNX model, including LRN, written without an exporter."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights, channels, last, side, flat = [], [], 3, "x", network[0], False

    def constant(*shape):
        name = f"w{len(weights)}"
        weights.append(numpy_helper.from_array(random.normal(0, 0.01, shape).astype(np.float32), name))
        return name

    def add(kind, *inputs, **attributes):
        nonlocal last
        output = f"y{len(nodes)}"
        nodes.append(helper.make_node(kind, [last, *inputs], [output], **attributes))
        last = output

    for kind, *values in layers_of(network):
        if kind == "conv":
            maps, kernel, stride, pad, groups = map(int, values)
            w, bias = constant(maps, channels // groups, kernel, kernel), constant(maps)
            add("Conv", w, bias, strides=[stride] * 2, pads=[pad] * 4, group=groups)
            channels, side = maps, (side + 2 * pad - kernel) // stride + 1
        elif kind == "relu":
            add("Relu")
        elif kind == "lrn":
            size, alpha, k = map(float, values)
            add("LRN", size=int(size), alpha=alpha * size, beta=0.75, bias=k)
        elif kind == "max":
            add("MaxPool", kernel_shape=[3, 3], strides=[2, 2])
            side = (side - 3) // 2 + 1
        elif kind == "fc":
            if not flat:
                add("Flatten")
                channels, flat = channels * side * side, True
            add("Gemm", constant(int(values[0]), channels), constant(int(values[0])), transB=1)
            channels = int(values[0])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, network[0], network[0]])
    y = helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", channels])
    graph = helper.make_graph(nodes, "alexnet", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def runtime_sides(network, batch, threads):
    import numpy as np
    import onnxruntime
    import openvino

    model = onnx_model(network)
    x = np.random.default_rng(1).normal(0, 50, (batch, 3, network[0], network[0])).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    shaped = core.read_model(model, b"")
    shaped.reshape(list(x.shape))
    hints = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(shaped, "CPU", hints).create_infer_request()
    return {
        "onnxruntime": {"inference": lambda: session.run(None, {"x": x})},
        "OpenVINO": {"inference": lambda: request.infer({0: x})},
    }


def ours(network, batch, threads, *more):
    args = ["bench", "--recipe", network[2], "--batch", str(batch), "--threads", str(threads), "--json", *more]
    return json.loads(subprocess.run([PROGRAM, *args], capture_output=True, text=True, check=True).stdout)


def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


class Times:
    """All measured seconds per image, by task, network and program."""

    def __init__(self):
        self.seconds = {}

    def note(self, what, name, side, seconds):
        self.seconds.setdefault((what, name), {}).setdefault(side, []).append(seconds)

    def note_ours(self, name, network, batch, threads, is_large):
        speed = ours(network, batch, threads)
        self.note("training", name, "alexnet", 1 / speed["train_images_per_second"])
        self.note("inference", name, "alexnet", 1 / speed["infer_images_per_second"])
        if is_large:
            for side, more in (("alexnet", []), ("alexnet --half", ["--half"])):
                alone = ours(network, 1, threads, *more)["infer_images_per_second"]
                self.note("one image", name, side, 1 / alone)
        return speed

    def table(self, what, name):
        sides = {side: statistics.median(seconds) for side, seconds in self.seconds[what, name].items()}
        best = min(seconds for side, seconds in sides.items() if "alexnet" not in side)
        unit = "ms" if what == "one image" else "images/s"
        lines = ["", f"## {what}, {name}", "", f"| | {unit} | speedup of alexnet |", "|---|---|---|"]
        for side, seconds in sorted(sides.items(), key=lambda item: item[1]):
            figure = 1e3 * seconds if unit == "ms" else 1 / seconds
            mark = " (best peer)" if seconds == best and "alexnet" not in side else ""
            lines.append(f"| {side}{mark} | {figure:,.1f} | {seconds / sides['alexnet']:.2f} |")
        return lines


def versions():
    import onnxruntime
    import openvino
    import torch

    return f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, openvino {openvino.__version__}"


def processor():
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    flags = "AVX-512" if "avx512f" in info else "AVX2" if "avx2" in info else "no AVX2"
    if LIMIT:
        flags += f", every program limited to {LIMIT.upper()}"
    return f"{names[0] if names else platform.processor()}, {flags}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--large", action="store_true", help="the paper's network only, not the small ones")
    parser.add_argument("--quick", action="store_true", help="one round, without torch.compile")
    args = parser.parse_args()
    if not PROGRAM.exists():
        sys.exit(f"{PROGRAM} does not exist: cargo build --release")
    import torch

    torch.set_num_threads(args.threads)
    modes = ["eager", "channels_last"]
    if args.quick:
        args.rounds = 1
    else:
        modes += ["compile", "channels_last + compile"]

    times, speeds = Times(), []
    networks = LARGE_NETWORKS if args.large else LARGE_NETWORKS | SMALL_NETWORKS
    for name, network in networks.items():
        is_large = name in LARGE_NETWORKS
        sides, alone = torch_sides(network, args.batch, modes), {}
        if is_large:
            sides |= runtime_sides(network, args.batch, args.threads)
            alone = torch_sides(network, 1, modes[:2]) | runtime_sides(network, 1, args.threads)
        for side in (*sides.values(), *alone.values()):  # compile, pack and warm up
            for call in side.values():
                call()
        for turn in range(args.rounds):
            print(f"{name}, round {turn + 1} of {args.rounds}", file=sys.stderr, flush=True)
            speed = times.note_ours(name, network, args.batch, args.threads, is_large)
            speeds += [speed] if name == "paper" else []
            for peer, side in sides.items():
                for what, call in side.items():
                    for _ in range(2 if is_large else 10):
                        times.note(what, name, peer, timed(call) / args.batch)
            for peer, side in alone.items():
                side["inference"]()
                for _ in range(5):
                    times.note("one image", name, peer, timed(side["inference"]))

    ratio = statistics.median(speed["train_gflops"] / speed["peak_gflops"] for speed in speeds)
    resident = max(speed["resident_bytes"] for speed in speeds)
    lines = [
        f"# {datetime.date.today()}: compared with PyTorch, onnxruntime and OpenVINO",
        "",
        f"{processor()}; {args.threads} threads, batch {args.batch}, single precision; {versions()}; Python"
        f" {platform.python_version()}. The machine is shared. Medians over {args.rounds} rounds in which every program ran,"
        " by `benches/peers/compare.py`.",
        "",
        f"Training `paper`, counted as direct convolutions, relative to the multiply-add peak measured in the same runs: {ratio:.2f}."
        f" Peak resident memory, with its images: {resident / 1e9:.2f} GB.",
    ]
    for what in ("training", "inference", "one image"):
        for name in networks:
            if (what, name) in times.seconds:
                lines += times.table(what, name)
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.quick:
        name = "-".join(filter(None, [str(datetime.date.today()), "peers", LIMIT]))
        path = ROOT / "benches" / "runs" / f"{name}.md"
        path.write_text(text)
        print(f"written to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
