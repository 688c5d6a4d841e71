#!/usr/bin/env python3
"""Compares throughput with PyTorch, OpenVINO, onnxruntime and MNN, each in every precision that it has.

    cargo build --release
    python3 -m venv peers && peers/bin/pip install -r benches/peers/requirements.txt
    peers/bin/python benches/peers/compare.py --write benches/runs/DATE-peers.md

Every side computes the same network on the same number of threads, with random images and weights. Images of peers include
the zeros by which `paper` rounds up, 227 x 227, which saves them a copy. Peers run in a process per program. All sides of a
network and batch alternate; results are medians over the rounds, of the median call of a round. torch.compile needs a C++ compiler.

Rows are printed as they are completed. --log keeps them: the same command continues a run that was stopped. --rounds 0 only
prepares every side once, after which torch.compile finds its code in its cache. --only selects:

    --only "training small" --only "inference paper 1 int8"     rows and sides that have all words of one selection
    --only "inference 128 OpenVINO" --only "inference 128 alexnet"

`alexnet` in int8 runs a model that one step of training on noise leaves; --quantized paper=FILE names another. Sides that cannot
run are left out, with the reason.

To compare without AVX-512 on a machine that has it, as far as the libraries respect these variables:

    ALEXNET_KERNELS=avx2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 DNNL_MAX_CPU_ISA=AVX2 \\
        MKL_ENABLE_INSTRUCTIONS=AVX2 peers/bin/python benches/peers/compare.py
"""

import argparse
import datetime
import os
import platform
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

import results
from command import PROGRAM
from program import Program
from sides import OURS, ROWS, SIDES, TRAINING, SideError, is_selected
from worker import Worker

LIMIT = os.environ.get("ALEXNET_KERNELS", "")
PACKAGES = ("torch", "openvino", "nncf", "onnxruntime", "MNN")
FEATURES = {"avx512f": "AVX-512", "avx512_bf16": "AVX512-BF16", "avx512_vnni": "AVX512-VNNI", "avx_vnni": "AVX-VNNI", "amx_tile": "AMX"}


def main():
    args = arguments()
    if not args.program.exists():
        sys.exit(f"{args.program} does not exist: cargo build --release")
    try:
        log = results.Log(args.log, conditions(args))
    except ValueError as error:
        sys.exit(str(error))
    clients = Clients(args)
    groups = selected_groups(args.only)
    for number, group in enumerate(groups, 1):
        rows = list(dict.fromkeys(row for row, _ in group))
        if log.complete.issuperset(rows):
            continue
        note(f"{number} of {len(groups)}: {'; '.join(map(str, rows))}")
        measure(group, clients, log, args)
        log.finish(rows)
        for row in rows:
            print("\n".join(["", *results.table(log.results, row)]), flush=True)
        if args.write:
            args.write.write_text(report(log.results, args))
    print("\n" + "\n".join(results.summary(log.results)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], metavar="WORDS", help="select rows and sides")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1, help="for each side of a round, at least two calls [default: 1]")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables, after each row")
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep measurements, and do not repeat those in the file")
    parser.add_argument("--program", type=Path, default=PROGRAM)
    parser.add_argument("--quantized", action="append", default=[], metavar="NETWORK=FILE", help="a quantized model of alexnet")
    return parser.parse_args()


def selected_groups(patterns):
    """The selected pairs of a row and a side, by network and batch, as `alexnet bench` measures both tasks in one call."""
    groups = {}
    for row in ROWS:
        for side in SIDES:
            if row.task in side.tasks and is_selected((*row.words(), *side.words()), patterns):
                groups.setdefault((row.network, row.batch), []).append((row, side))
    return list(groups.values())


class Clients:
    """This program, and a worker for each peer, started when it is first used."""

    def __init__(self, args):
        self.threads = args.threads
        quantized = dict(pair.split("=", 1) for pair in args.quantized)
        self.ours = Program(args.program, args.threads, quantized)
        self.workers = {}

    def of(self, side):
        if side.program == OURS:
            return self.ours
        if side.module not in self.workers:
            self.workers[side.module] = Worker(side.module, self.threads)
        return self.workers[side.module]

    def close(self):
        for worker in self.workers.values():
            worker.close()
        self.workers.clear()


def measure(group, clients, log, args):
    """Opens all sides of a group, then times them in turn, as often as there are rounds."""
    active = [pair for pair in group if opened(*pair, clients, log)]
    for turn in range(args.rounds):
        note(f"    round {turn + 1} of {args.rounds}")
        clients.ours.start_round()
        for row, side in list(active):
            try:
                seconds = clients.of(side).time(row, side, args.seconds)
            except SideError as error:
                leave_out(row, side, error, log)
                active.remove((row, side))
                continue
            log.add(row, side, seconds=statistics.median(seconds), **facts(row, side, clients))
    clients.close()


def opened(row, side, clients, log):
    begin = time.monotonic()
    try:
        clients.of(side).open(row, side)
    except SideError as error:
        leave_out(row, side, error, log)
        return False
    note(f"    {row.task}, {side}: ready after {time.monotonic() - begin:.1f} s")
    return True


def leave_out(row, side, error, log):
    note(f"    {row.task}, {side}: left out: {error}")
    log.add(row, side, left_out=str(error))


def facts(row, side, clients):
    """What else `alexnet bench` measures."""
    if side.program != OURS or row.task != TRAINING:
        return {}
    speed = clients.ours.speed(row, side)
    return {"resident_bytes": speed["resident_bytes"], "peak_ratio": speed["train_gflops"] / speed["peak_gflops"]}


def report(found, args):
    lines = [
        f"# {datetime.date.today()}: alexnet, PyTorch, OpenVINO, onnxruntime and MNN, each in every precision",
        "",
        f"{processor()}; {args.threads} threads; {', '.join(f'{name} {version}' for name, version in versions().items())};"
        f" Python {platform.python_version()}. The machine is shared. Medians over {args.rounds} rounds in which every side ran, by"
        " `benches/peers/compare.py`. Images/s, or milliseconds for one image. Peers get images in single precision, with the zeros that"
        " `paper` adds.",
        "",
        *results.summary(found),
    ]
    lines += [line for row in found.rows() for line in ("", *results.table(found, row))]
    return "\n".join(lines) + "\n"


def conditions(args):
    """What has to be the same in all measurements of a log."""
    options = {"threads": args.threads, "rounds": args.rounds, "seconds": args.seconds, "only": args.only}
    return {"processor": processor(), "versions": versions(), **options}


def versions():
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            pass
    return found


def processor():
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in info.splitlines())}
    flags = values.get("flags", "").split()
    features = [name for flag, name in FEATURES.items() if flag in flags] or ["AVX2" if "avx2" in flags else "no AVX2"]
    limit = f", every program limited to {LIMIT.upper()}" if LIMIT else ""
    return f"{values.get('model name', platform.processor())}, {', '.join(features)}{limit}"


def note(text):
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
