"""This program, as a side: `alexnet bench` measures training and inference in one call."""

import tempfile
from pathlib import Path

import command
import noise_models
from networks import recipe_path
from sides import TRAINING, SideError


class Program:
    """Runs `alexnet bench`, at most once a round for each network, batch and options."""

    def __init__(self, program, threads, quantized):
        self.program, self.threads, self.quantized = program, threads, quantized
        self.folder = tempfile.TemporaryDirectory()
        self.speeds = {}

    def open(self, row, side):
        """Prepares a quantized model, where that is what the side needs and none is given."""
        if side.precision == "int8" and row.network not in self.quantized:
            self.quantized[row.network] = noise_models.quantize(self.program, row.network, Path(self.folder.name))

    def start_round(self):
        self.speeds.clear()

    def time(self, row, side, seconds):
        """Returns the median seconds of a call; `bench` decides how many it makes."""
        rate = "train_images_per_second" if row.task == TRAINING else "infer_images_per_second"
        return [row.batch / self.speed(row, side)[rate]]

    def speed(self, row, side):
        arguments = self.arguments(row, side)
        if arguments not in self.speeds:
            self.speeds[arguments] = command.run(self.program, "bench", *arguments)
        return self.speeds[arguments]

    def arguments(self, row, side):
        if side.precision == "int8":
            what = ("--model", self.quantized[row.network])
        else:
            what = ("--recipe", str(recipe_path(row.network)))
        return (*what, *side.options, "--batch", str(row.batch), "--threads", str(self.threads))
