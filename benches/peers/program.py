"""This program, as a side: `alexnet bench` measures training and inference in one call."""

import json
import subprocess

from networks import ROOT, recipe_path
from sides import TRAINING, SideError

PROGRAM = ROOT / "target" / "release" / "alexnet"


class Program:
    """Runs `alexnet bench`, at most once a round for each network, batch and options."""

    def __init__(self, program, threads, quantized):
        self.program, self.threads, self.quantized = program, threads, quantized
        self.speeds = {}

    def open(self, row, side):
        """Checks that there is a model to run; what else prevents a side shows when it runs."""
        self.arguments(row, side)

    def start_round(self):
        self.speeds.clear()

    def time(self, row, side, seconds):
        """Returns the median seconds of a call; `bench` decides how many it makes."""
        rate = "train_images_per_second" if row.task == TRAINING else "infer_images_per_second"
        return [row.batch / self.speed(row, side)[rate]]

    def speed(self, row, side):
        arguments = self.arguments(row, side)
        if arguments not in self.speeds:
            self.speeds[arguments] = self.bench(arguments)
        return self.speeds[arguments]

    def arguments(self, row, side):
        return (*self.model(row, side), *side.options, "--batch", str(row.batch), "--threads", str(self.threads))

    def model(self, row, side):
        if side.precision != "int8":
            return ("--recipe", str(recipe_path(row.network)))
        if row.network not in self.quantized:
            raise SideError(f"no quantized model: name one with --quantized {row.network}=FILE")
        return ("--model", self.quantized[row.network])

    def bench(self, arguments):
        done = subprocess.run([self.program, "bench", "--json", *arguments], capture_output=True, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout)
        raise SideError(message(done))

    def close(self):
        pass


def message(done):
    """The message of a failed command, from its object in JSON or from what it printed before there was one."""
    try:
        return json.loads(done.stdout)["error"]["message"].splitlines()[0]
    except (ValueError, KeyError):
        return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
