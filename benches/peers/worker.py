"""A process that runs the sides of one program, so that programs do not share threads, memory or settings.

Requests and replies are objects in JSON, one per line, on standard input and output:
`{"open": KEY, ...}` prepares a side and calls it once, `{"time": KEY, "seconds": S}` returns the seconds of each call. A reply
with `error` says why a request failed.
"""

import functools
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass

import networks
import numpy as np
from sides import SideError

MIN_CALLS = 2
CALIBRATION_IMAGES = 8


@dataclass(frozen=True)
class Job:
    """What a side computes."""

    task: str
    network: networks.Network
    parameters: dict
    images: np.ndarray
    calibration: np.ndarray
    precision: str
    variant: str
    threads: int


class Worker:
    """The other end of a worker process."""

    def __init__(self, module, threads):
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, module, str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def open(self, row, side):
        job = {"task": row.task, "network": row.network, "batch": row.batch}
        self.request(open=key(row, side), precision=side.precision, variant=side.variant, **job)

    def time(self, row, side, seconds):
        """Returns the seconds of each call."""
        return self.request(time=key(row, side), seconds=seconds)

    def request(self, **message):
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
            reply = json.loads(self.process.stdout.readline() or "{}")
        except BrokenPipeError:
            reply = {}
        if "error" in reply or "result" not in reply:
            raise SideError(reply.get("error", f"the worker ended with exit code {self.process.wait()}"))
        return reply["result"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def key(row, side):
    return f"{row}, {side}"


class Server:
    """The sides that a worker has opened."""

    def __init__(self, module, threads):
        self.module, self.threads, self.calls = module, threads, {}

    def reply(self, request):
        if "open" in request:
            call = importlib.import_module(self.module).open_side(self.job(request))
            call()
            self.calls[request["open"]] = call
            return None
        return timed(self.calls[request["time"]], request["seconds"])

    def job(self, request):
        network, parameters = network_with_parameters(request["network"])
        return Job(
            task=request["task"],
            network=network,
            parameters=parameters,
            images=network.images(request["batch"]),
            calibration=network.images(CALIBRATION_IMAGES, seed=2),
            precision=request["precision"],
            variant=request["variant"],
            threads=self.threads,
        )


@functools.lru_cache(maxsize=1)
def network_with_parameters(name):
    network = networks.load_network(name, padded=True)
    return network, network.random_parameters()


def timed(call, limit):
    """Repeats a call for some seconds, at least twice."""
    seconds, begin = [], time.perf_counter()
    while len(seconds) < MIN_CALLS or time.perf_counter() - begin < limit:
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def serve(module, threads):
    # Libraries print to standard output, so replies have a copy of it, and they get standard error.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    server = Server(module, threads)
    for line in sys.stdin:
        try:
            reply = {"result": server.reply(json.loads(line))}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}".strip().splitlines()[0]}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
