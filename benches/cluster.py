"""Compares `alexnet plan-cluster` with training runs on the nodes of a small network in this machine.

    python3 benches/cluster.py target/release/alexnet [--rates 500mbit,1gbit,5gbit,none] [--ranks 2,4]
        [--schemes data,columns] [--recipe paper] [--batch 128] [--steps 8] [--write docs/results/cluster.md] [--plan]

PROGRAM is built with `--features mpi`. Needs root, Open MPI, and the commands `ip` and `tc`. Each rank runs in a network namespace of
its own, connected to a bridge by a virtual cable whose bandwidth `tc` limits (tbf; `none` leaves it unlimited). Latency cannot
be added without the kernel module sch_netem.

For each rate the script measures the link between two ranks with `plan-cluster --measure-link`, and the layers with as many copies
of `plan-cluster` at the same time as there are ranks: ranks that share cores compute slower than one alone. Then it trains the recipe with
one thread per rank on the images of `crates/alexnet/assets/fashion-mnist`, takes the median time between two steps, and prints it with the
prediction for the same link and layers.

`--write FILE` replaces the table between `<!-- check -->` and `<!-- end of check -->` in FILE; with `--plan` also the one between
`<!-- plan -->` and `<!-- end of plan -->` by the output of `plan-cluster` for this machine.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BRIDGE = "alexnet-br"
SUBNET = "10.77.0"
FIRST = 2  # Steps that are not measured: they include the start.
SECONDS = 1800  # A training run that takes longer has failed.

# Starts a command on a node, as `ssh` would: in its namespace, and with a host name of its own.
AGENT = f"""#!/bin/sh
node=$((${{1##*.}} - 1)); shift
exec ip netns exec alexnet-$node unshare --uts sh -c "hostname node$node; $*"
"""


def sh(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True, text=True)


class Network:
    """Namespaces alexnet-0, alexnet-1, ..., connected by a bridge."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.folder = Path(tempfile.mkdtemp(prefix="alexnet-cluster-"))

    def __enter__(self):
        self.remove()
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
        sh("ip", "addr", "add", f"{SUBNET}.254/24", "dev", BRIDGE)
        sh("ip", "link", "set", BRIDGE, "up")
        for node in range(self.nodes):
            space, cable = f"alexnet-{node}", f"alexnet-v{node}"
            sh("ip", "netns", "add", space)
            sh("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            sh("ip", "link", "set", cable, "master", BRIDGE)
            sh("ip", "link", "set", cable, "up")
            sh("ip", "-n", space, "addr", "add", f"{SUBNET}.{node + 1}/24", "dev", "eth0")
            for device in ["eth0", "lo"]:
                sh("ip", "-n", space, "link", "set", device, "up")
        agent = self.folder / "agent"
        agent.write_text(AGENT)
        agent.chmod(0o755)
        return self

    def __exit__(self, *_):
        self.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def remove(self):
        for node in range(self.nodes):
            # The kernel removes the cables of a namespace only some time after it.
            sh("ip", "link", "del", f"alexnet-v{node}", check=False)
            sh("ip", "netns", "del", f"alexnet-{node}", check=False)
        sh("ip", "link", "del", BRIDGE, check=False)

    def limit(self, rate):
        """Limits what every node sends; both directions of a cable have this bandwidth."""
        for node in range(self.nodes):
            on = ["tc", "-n", f"alexnet-{node}", "qdisc"]
            sh(*on, "del", "dev", "eth0", "root", check=False)
            if rate != "none":
                sh(*on, "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "128kb", "limit", "1mb")

    def mpirun(self, ranks):
        hosts = ",".join(f"{SUBNET}.{node + 1}" for node in range(ranks))
        return [
            *["mpirun", "--allow-run-as-root", "--bind-to", "none", "-n", str(ranks), "--host", hosts],
            *["--mca", "plm_rsh_agent", str(self.folder / "agent"), "--mca", "btl", "self,tcp"],
            *["--mca", "btl_tcp_if_include", "eth0", "--mca", "oob_tcp_if_include", f"{SUBNET}.0/24"],
        ]


def measure_link(network, program):
    command = [*network.mpirun(2), program, "plan-cluster", "--measure-link", "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout)


def measure_layers(program, recipe, ranks, images, folder):
    """Measures the layers with as many processes at the same time as there will be ranks."""
    command = [program, "plan-cluster", "--recipe", recipe, "--threads", "1", "--images-per-node", str(images)]
    command += ["--nodes", "1", "--json", "-q"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(ranks)]
    outputs = [process.communicate()[0] for process in running]
    files = [folder / f"layers-{ranks}-{images}-{i}.json" for i in range(ranks)]
    for path, output in zip(files, outputs):
        path.write_text(output)
    total = lambda path: sum(entry["milliseconds"] for entry in json.loads(path.read_text())["measurements"][0]["train_layers"])
    return sorted(files, key=total)[len(files) // 2]


def predict(program, recipe, layers, link, scheme, ranks, batch, slowdown):
    link_options = ["--latency", f"{link['latency_seconds'] * 1e9:.0f}ns", "--bandwidth", f"{link['bytes_per_second'] / 1e6:.3f}MB/s"]
    command = [program, "plan-cluster", "--recipe", recipe, "--json", "-q", "--layers", str(layers)]
    command += ["--nodes", str(ranks), "--parallel", scheme, "--global-batch", str(batch), "--slowdown", str(slowdown), *link_options]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found["networks"][0]["rows"][0]["schemes"][0]


def train(network, program, recipe, scheme, ranks, batch, steps):
    """Returns the median seconds of a step."""
    run = network.folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    command = [*network.mpirun(ranks), program, "train", str(ROOT / "crates/alexnet/assets/fashion-mnist"), "--recipe", recipe]
    command += ["--run", str(run), "--threads", "1", "--workers", "1", "--json-events", "-q", "--parallel", scheme]
    command += ["--set", f"optimizer.batch={batch}", "--steps", str(steps + FIRST + 1)]
    times = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        end = time.monotonic() + SECONDS
        try:
            for line in process.stdout:
                if json.loads(line).get("event") == "step":
                    times.append(time.monotonic())
                if len(times) > steps + FIRST or time.monotonic() > end:
                    break
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
    if len(times) <= FIRST + 1:
        sys.exit(f"the training printed {len(times)} steps: {' '.join(command)}")
    times = times[FIRST:]
    return statistics.median(b - a for a, b in zip(times, times[1:]))


def replace(path, name, text):
    """Replaces what stands between two marks of a page."""
    page = path.read_text()
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    if begin not in page or end not in page:
        sys.exit(f"{path}: no `{begin.strip()}` and `{end}`")
    before, after = page[: page.index(begin) + len(begin)], page[page.index(end) :]
    path.write_text(before + text + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("--rates", default="500mbit,1gbit,5gbit,none", type=lambda text: text.split(","))
    parser.add_argument("--ranks", default="2,4", type=lambda text: [int(ranks) for ranks in text.split(",")])
    parser.add_argument("--schemes", default="data,columns", type=lambda text: text.split(","))
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--slowdown", type=float, default=0.0, help="as in plan-cluster")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--plan", action="store_true")
    arguments = parser.parse_args()
    program = arguments.program
    # Namespaces are removed if the script is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = ["| ranks | limit | link, measured | scheme | measured, images/s | predicted | error |", "|---|---|---|---|---|---|---|"]
    print(*rows, sep="\n", flush=True)
    with Network(max(arguments.ranks)) as network:
        for ranks in arguments.ranks:
            network.limit("none")
            layers = measure_layers(program, arguments.recipe, ranks, arguments.batch // ranks, network.folder)
            for rate in arguments.rates:
                network.limit(rate)
                link = measure_link(network, program)
                shown = f"{link['latency_seconds'] * 1e6:.0f} us, {link['bytes_per_second'] * 8e-6:.0f} Mbit/s"
                for scheme in arguments.schemes:
                    forecast = predict(program, arguments.recipe, layers, link, scheme, ranks, arguments.batch, arguments.slowdown)
                    seconds = train(network, program, arguments.recipe, scheme, ranks, arguments.batch, arguments.steps)
                    measured, predicted = arguments.batch / seconds, forecast["images_per_second"]
                    error = f"{100 * (predicted / measured - 1):+.0f} %"
                    rows.append(f"| {ranks} | {rate} | {shown} | {scheme} | {measured:.1f} | {predicted:.1f} | {error} |")
                    print(rows[-1], flush=True)
    if arguments.write:
        replace(arguments.write, "check", "\n".join(rows) + "\n")
        if arguments.plan:
            command = [program, "plan-cluster", "-q"]
            plan = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            plan = re.sub(r" +$", "", plan, flags=re.MULTILINE)
            replace(arguments.write, "plan", f"```text\n{plan}```\n")


if __name__ == "__main__":
    main()
