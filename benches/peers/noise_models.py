"""Models of this program with the size of a network, for comparisons of speed: one step of training on noise, then quantized."""

import struct

import command
import networks
import numpy as np

SIDE = 64


def quantize(program, network, folder):
    """Returns the path of a quantized model."""
    run, result = folder / network, folder / f"{network}.int8.safetensors"
    classes = networks.load_network(network).classes
    source = folder / f"images of {classes} classes"
    if not source.exists():
        write_noise(source, classes)
    recipe = networks.recipe_path(network)
    command.run(program, "train", source, "--recipe", recipe, "--run", run, "--steps", "1", "--set", "optimizer.batch=16")
    command.run(program, "quantize", run, result, "--calibrate", source, "--images", "16")
    return str(result)


def write_noise(folder, classes):
    """One training image of each class, and a validation image of the first."""
    rng = np.random.default_rng(0)
    for name, count in (("train", classes), ("val", 1)):
        for label in range(count):
            path = folder / name / f"class-{label:04}" / "noise.bmp"
            path.parent.mkdir(parents=True)
            path.write_bytes(bmp(rng.bytes(3 * SIDE * SIDE)))


def bmp(pixels):
    """A file of 24-bit pixels whose rows need no padding."""
    header = 54
    file = struct.pack("<2sIII", b"BM", header + len(pixels), 0, header)
    return file + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + pixels
