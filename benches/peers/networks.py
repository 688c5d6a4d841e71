"""The networks of recipes and models, in a form from which other frameworks build them.

Parameters have the names and shapes of a model file (docs/formats.md): `conv1.weight` `[out, in/groups, kh, kw]`, `fc6.weight`
`[out, in]` with inputs in channel, row, column order, `local3.weight` `[oh, ow, out, in/groups, kh, kw]`.
"""

import json
import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WITH_KERNELS = ("conv", "local", "max-pool", "avg-pool")
WITH_WEIGHTS = ("conv", "local", "fc")


@dataclass(frozen=True)
class Shape:
    """Square maps; the output of a fully connected layer has a side of 1."""

    channels: int
    side: int

    @property
    def values(self):
        return self.channels * self.side**2


@dataclass(frozen=True)
class Layer:
    name: str
    kind: str
    settings: dict
    """As in the recipe, with its defaults."""
    input: Shape
    output: Shape
    pads: tuple = (0, 0)
    """Rows and columns of zeros before and after the map, for layers with kernels."""

    def parameter_shapes(self):
        """The shapes of the weight and the bias, by name."""
        maps, s = self.output.channels, self.settings
        match self.kind:
            case "conv":
                weight, bias = (maps, self.input.channels // s["groups"], s["kernel"], s["kernel"]), (maps,)
            case "local":
                places = (self.output.side, self.output.side)
                weight = (*places, maps, self.input.channels // s["groups"], s["kernel"], s["kernel"])
                bias = (*places, maps)
            case "fc":
                weight, bias = (maps, self.input.values), (maps,)
            case _:
                return {}
        return {f"{self.name}.weight": weight, f"{self.name}.bias": bias}


@dataclass(frozen=True)
class Network:
    name: str
    input: Shape
    divisor: float
    layers: list[Layer]

    @property
    def classes(self):
        return self.layers[-1].output.channels

    def images(self, count, seed=1):
        """Random images with the range of centered pixels, `[count, channels, side, side]`."""
        rng = np.random.default_rng(seed)
        shape = (count, self.input.channels, self.input.side, self.input.side)
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(50 / self.divisor)

    def random_parameters(self, seed=0):
        """He initialization and zero biases: activations have the same size in every layer."""
        rng = np.random.default_rng(seed)
        parameters = {}
        for layer in self.layers:
            for name, shape in layer.parameter_shapes().items():
                if name.endswith("bias"):
                    parameters[name] = np.zeros(shape, np.float32)
                else:
                    fan_in = math.prod(shape[-3:] if layer.kind != "fc" else shape[-1:])
                    parameters[name] = rng.standard_normal(shape, dtype=np.float32) * np.float32(math.sqrt(2 / fan_in))
        return parameters


def recipe_path(recipe):
    """The file of a built-in recipe or of one in this folder, or the path itself."""
    for folder in (ROOT / "recipes", HERE):
        path = folder / f"{recipe}.toml"
        if path.exists():
            return path
    return Path(recipe)


def load_network(recipe, padded=False):
    """Reads a recipe. With `padded`, images include the zeros of a first convolution that rounds up: 227 pixels instead of 224."""
    return network(tomllib.loads(recipe_path(recipe).read_text()), padded=padded)


def network(recipe, classes=None, padded=False):
    """Resolves shapes and defaults of a parsed recipe."""
    shape = Shape(3, recipe["input"]["crop"])
    layers = []
    for settings in recipe["layer"]:
        new = layer(dict(settings), shape, classes or recipe["classes"])
        if padded and not layers:
            shape = Shape(shape.channels, shape.side + new.pads[1] - new.pads[0])
            new = layer(dict(settings), shape, 0)
        layers.append(new)
        shape = new.output
    return Network(recipe["name"], layers[0].input, recipe["input"].get("divisor", 1.0), layers)


def layer(settings, shape, classes):
    name, kind = settings.pop("name"), settings.pop("kind")
    if kind in WITH_KERNELS:
        settings = {"stride": 1, "pad": 0, "groups": 1, "rounding": "down"} | settings
        side, pads = windows(shape.side, settings)
        return Layer(name, kind, settings, shape, Shape(settings.get("maps", shape.channels), side), pads)
    if kind == "fc":
        return Layer(name, kind, settings, shape, Shape(settings.get("units", classes), 1))
    if kind == "lrn":
        settings = {"groups": 1} | settings
    return Layer(name, kind, settings, shape, shape)


def windows(side, settings):
    """The number of windows along a side, and the zeros before and after it."""
    kernel, stride, pad = settings["kernel"], settings["stride"], settings["pad"]
    whole = (side + 2 * pad - kernel) / stride
    count = (math.ceil(whole) if settings["rounding"] == "up" else math.floor(whole)) + 1
    return count, (pad, max(pad, (count - 1) * stride + kernel - side - pad))


@dataclass(frozen=True)
class Model:
    """A model file."""

    network: Network
    classes: list[str]
    parameters: dict
    preprocess: dict
    mean: np.ndarray
    golden: np.ndarray = field(repr=False)
    """Squares, `[n, square, square, 3]`, 0 to 255."""
    golden_logits: np.ndarray = field(repr=False)

    def views(self, squares):
        """The center views of squares, `[n, 3, crop, crop]`."""
        crop, square = self.preprocess["crop"], self.preprocess["square"]
        start = (square - crop) // 2
        center = slice(start, start + crop)
        mean = self.mean if self.mean.ndim == 1 else self.mean[center, center]
        scale = 1 / (self.preprocess["divisor"] * np.array(self.preprocess["deviations"], np.float32))
        views = (squares[:, center, center].astype(np.float32) - mean) * scale.astype(np.float32)
        return np.ascontiguousarray(views.transpose(0, 3, 1, 2))


def load_model(path):
    """Reads a model file, or the best or last model of a run folder."""
    from safetensors import safe_open

    with safe_open(model_path(Path(path)), framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    classes = json.loads(metadata["classes"])
    net = network(tomllib.loads(metadata["recipe"]), classes=len(classes))
    return Model(
        network=net,
        classes=classes,
        parameters=without_dropout(net, tensors),
        preprocess=json.loads(metadata["preprocess"]),
        mean=tensors["mean"],
        golden=tensors["golden.pictures"],
        golden_logits=tensors["golden.logits"],
    )


def model_path(path):
    candidates = [path / "best.safetensors", path / "last.safetensors"] if path.is_dir() else []
    return next((file for file in candidates if file.exists()), path)


def without_dropout(net, tensors):
    """The parameters, with the factor of dropout layers that rescale in inference multiplied into the next layer's weights."""
    names = [name for layer in net.layers for name in layer.parameter_shapes()]
    parameters = {name: tensors[name] for name in names}
    factor = 1.0
    for layer in net.layers:
        if layer.kind == "dropout" and layer.settings["scale"] == "test":
            factor *= 1 - layer.settings["rate"]
        elif layer.kind in WITH_WEIGHTS:
            parameters[f"{layer.name}.weight"] = parameters[f"{layer.name}.weight"] * np.float32(factor)
            factor = 1.0
    return parameters
