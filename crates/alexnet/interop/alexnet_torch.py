"""Models of this program in PyTorch: the network of a model file, or of `alexnet export MODEL OUT.safetensors`, with the same outputs.

    import alexnet_torch

    net = alexnet_torch.load("runs/pets/best.safetensors")
    logits = net(net.views(squares))    # squares: uint8, [n, square, square, 3]
    net.classes[logits[0].argmax()]

    python alexnet_torch.py MODEL       # compares the logits of the model's golden samples

It needs torch and safetensors, and Python 3.11 or tomli. Every kind of layer of the recipes is there, in inference and in training.
`state_dict` has the names and shapes of the model file: `conv1.weight` [out, in/groups, kh, kw], `fc6.weight` [out, in], and
so on, so that `load_state_dict` takes the tensors of a model file, and of `alexnet export MODEL OUT.safetensors` if the network is not
torchvision's.
"""

import base64
import json
import sys
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

try:
    import tomllib
except ImportError:
    import tomli as tomllib


def beyond_the_edge(size, kernel, stride, pad, rounding):
    """Returns how many pixels the last window reaches past the padding, if a partial window is used."""
    if rounding == "down":
        return 0
    span = size + 2 * pad - kernel
    return -(-span // stride) * stride - span


def padded(x, kernel, stride, pad, rounding, value=0.0):
    """Pads images, [n, channels, height, width], so that all windows lie inside."""
    bottom, right = (pad + beyond_the_edge(size, kernel, stride, pad, rounding) for size in x.shape[-2:])
    return F.pad(x, (pad, right, pad, bottom), value=value)


class Conv(nn.Module):
    """A convolution. Rounding up adds a last window that reaches past the edge, over zeros."""

    def __init__(self, inputs, maps, kernel, stride, pad, rounding, groups):
        super().__init__()
        self.window = dict(kernel=kernel, stride=stride, pad=pad, rounding=rounding)
        self.stride, self.groups = stride, groups
        self.weight = nn.Parameter(torch.zeros(maps, inputs // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x):
        return F.conv2d(padded(x, **self.window), self.weight, self.bias, self.stride, groups=self.groups)


class Local(nn.Module):
    """A locally connected layer: a convolution with a kernel of its own for each position.

    `weight` is [oh, ow, out, in/groups, kh, kw], `bias` [oh, ow, out].
    """

    def __init__(self, inputs, output, maps, kernel, stride, pad, rounding, groups):
        super().__init__()
        self.window = dict(kernel=kernel, stride=stride, pad=pad, rounding=rounding)
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.weight = nn.Parameter(torch.zeros(*output, maps, inputs // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(*output, maps))

    def forward(self, x):
        height, width, maps, depth, _, _ = self.weight.shape
        patches = F.unfold(padded(x, **self.window), self.kernel, stride=self.stride)
        patches = patches.reshape(len(x), self.groups, depth * self.kernel**2, height, width)
        weight = self.weight.view(height, width, self.groups, maps // self.groups, depth * self.kernel**2)
        out = torch.einsum("ngdhw,hwgmd->ngmhw", patches, weight).reshape(len(x), maps, height, width)
        return out + self.bias.permute(2, 0, 1)


class Fc(nn.Module):
    """A fully connected layer. Its inputs are in the order of channel, row, column."""

    def __init__(self, inputs, units):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(units, inputs))
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x):
        return F.linear(x.flatten(1), self.weight, self.bias)


class MaxPool(nn.Module):
    """Max pooling over the pixels that are there: those of the padding are ignored, and those beyond the edge if rounding up."""

    def __init__(self, kernel, stride, pad, rounding):
        super().__init__()
        self.window = dict(kernel=kernel, stride=stride, pad=pad, rounding=rounding)
        self.kernel, self.stride = kernel, stride

    def forward(self, x):
        return F.max_pool2d(padded(x, **self.window, value=-torch.inf), self.kernel, self.stride)


class AvgPool(MaxPool):
    """Average pooling over the pixels that are there."""

    def forward(self, x):
        means = F.avg_pool2d(padded(x, **self.window), self.kernel, self.stride)
        there = torch.ones(1, 1, *x.shape[-2:], dtype=x.dtype, device=x.device)
        return means / F.avg_pool2d(padded(there, **self.window), self.kernel, self.stride)


class Lrn(nn.Module):
    """Local response normalization: x / (k + alpha * sum x^2)^beta, over `size` neighboring channels of the same group.

    The window of channel i starts at i - size // 2. Unlike `torch.nn.LocalResponseNorm`, which divides alpha by `size`, alpha multiplies
    the plain sum, unless `alpha_over_size` is set.
    """

    def __init__(self, size, alpha, beta, k, groups, alpha_over_size):
        super().__init__()
        self.alpha = alpha / size if alpha_over_size else alpha
        self.size, self.beta, self.k, self.groups = size, beta, k, groups

    def forward(self, x):
        n, channels, height, width = x.shape
        squares = x.square().reshape(n * self.groups, 1, channels // self.groups, height, width)
        before = self.size // 2
        squares = F.pad(squares, (0, 0, 0, 0, before, self.size - 1 - before))
        sums = self.size * F.avg_pool3d(squares, (self.size, 1, 1), 1)
        return x * (self.k + self.alpha * sums.reshape(x.shape)).pow(-self.beta)


class MapNorm(nn.Module):
    """Response normalization within each channel, over `size` x `size` pixels. Alpha is divided by their number."""

    def __init__(self, size, alpha, beta):
        super().__init__()
        self.size, self.alpha, self.beta = size, alpha, beta

    def forward(self, x):
        before = self.size // 2
        after = self.size - 1 - before
        squares = F.pad(x.square(), (before, after, before, after))
        means = F.avg_pool2d(squares, self.size, 1)
        return x * (1 + self.alpha * means).pow(-self.beta)


class Dropout(nn.Module):
    """Dropout. With the scale "test", outputs are multiplied by 1 - rate in inference, as in the paper."""

    def __init__(self, rate, scale):
        super().__init__()
        self.rate, self.scale = rate, scale

    def forward(self, x):
        dropped = F.dropout(x, self.rate, self.training)
        return dropped * (1 - self.rate) if self.scale == "test" else dropped


ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}


def positions(size, kernel, stride, pad, rounding):
    """Returns the number of windows along a side of `size` pixels."""
    span = size + 2 * pad - kernel
    return 1 + (-(-span // stride) if rounding == "up" else span // stride)


def layer(spec, shape, classes):
    """Returns a layer of a recipe, and the shape of its output, for an input of this shape, [channels, height, width]."""
    kind = spec["kind"]
    channels, height, width = shape
    if kind in ("conv", "local", "max-pool", "avg-pool"):
        window = (spec["kernel"], spec.get("stride", 1), spec.get("pad", 0), spec.get("rounding", "down"))
        output = [positions(size, *window) for size in (height, width)]
        if kind in ("max-pool", "avg-pool"):
            return (MaxPool if kind == "max-pool" else AvgPool)(*window), (channels, *output)
        maps, groups = spec["maps"], spec.get("groups", 1)
        if kind == "conv":
            module = Conv(channels, maps, *window, groups)
        else:
            module = Local(channels, output, maps, *window, groups)
        return module, (maps, *output)
    if kind == "fc":
        units = spec.get("units", classes)
        return Fc(channels * height * width, units), (units, 1, 1)
    if kind == "lrn":
        names = ("size", "alpha", "beta", "k")
        module = Lrn(*(spec[name] for name in names), spec.get("groups", 1), spec["alpha_over_size"])
    elif kind == "map-norm":
        module = MapNorm(spec["size"], spec["alpha"], spec["beta"])
    elif kind == "dropout":
        module = Dropout(spec["rate"], spec["scale"])
    else:
        module = ACTIVATIONS[kind]()
    return module, shape


class AlexNet(nn.Sequential):
    """The network of a recipe, a dictionary, for images [n, 3, crop, crop]. Its parts have the names of the layers."""

    def __init__(self, recipe, classes):
        crop = recipe["input"]["crop"]
        shape, layers = (3, crop, crop), OrderedDict()
        for spec in recipe["layer"]:
            layers[spec["name"]], shape = layer(spec, shape, classes)
        super().__init__(layers)
        self.classes, self.preprocess = None, None

    def views(self, squares):
        """Returns the center crops of squares, uint8 [n, square, square, 3] in RGB, as the input of the network, [n, 3, crop, crop]."""
        square, crop = (self.preprocess[name] for name in ("square", "crop"))
        start = (square - crop) // 2
        scale = self.preprocess["divisor"] * torch.tensor(self.preprocess["deviations"], device=self.mean.device)
        pixels = (squares.float() - self.mean) / scale
        return pixels[:, start : start + crop, start : start + crop].permute(0, 3, 1, 2).contiguous()

    def square(self, image):
        """Returns the square of a PIL image, uint8 [square, square, 3]: its short side resized, its center cut out."""
        side = self.preprocess["square"]
        if self.preprocess.get("orientation") == "exif":
            from PIL import ImageOps

            image = ImageOps.exif_transpose(image)
        image = image.convert("RGB")
        width, height = (max(side, size * side // min(image.size)) for size in image.size)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.resize((width, height), resample=2).crop((left, top, left + side, top + side))
        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(side, side, 3)


def torchvision_position(name):
    """Returns what orders the tensors of torchvision's network as it computes them: `features.0.weight`, ..., `classifier.6.bias`."""
    section, position, kind = name.split(".")
    return section != "features", int(position), kind != "weight"


def exported_mean(metadata, square):
    """Returns the mean in the metadata of an exported file: [3], or [square, square, 3]."""
    if "mean" in metadata:
        return torch.tensor(json.loads(metadata["mean"]))
    return torch.frombuffer(bytearray(base64.b64decode(metadata["mean_image"])), dtype=torch.float32).view(square, square, 3)


def load(path):
    """Returns the network of a model file or of an exported one, for inference, with its `classes` and `preprocess`.

    `golden` are the images and logits in a model file; exported files have none.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    version = metadata.get("format_version", "none")
    if "recipe" not in metadata or version not in ("1", "2", "none"):
        raise ValueError(
            f"{path}: format_version is {version}, expected a single model in 32-bit floats, 1 or 2, or a file of `alexnet export`"
        )
    recipe, classes = tomllib.loads(metadata["recipe"]), json.loads(metadata["classes"])
    net = AlexNet(recipe, len(classes))
    net.classes, net.preprocess, net.golden = classes, json.loads(metadata["preprocess"]), None
    if version == "none":
        mean = exported_mean(metadata, net.preprocess["square"])
        if any(name.startswith("features.") for name in tensors):
            tensors = dict(zip(net.state_dict(), (tensors[name] for name in sorted(tensors, key=torchvision_position))))
    else:
        mean = tensors.pop("mean")
        net.golden = (tensors.pop("golden.pictures"), tensors.pop("golden.logits"))
        tensors.pop("sha256", None)
    net.register_buffer("mean", mean, persistent=False)
    net.load_state_dict(tensors)
    return net.eval()


def relative_rms(found, expected):
    """Returns the root mean square of the difference, divided by that of `expected`."""
    return ((found - expected).double().square().sum() / expected.double().square().sum()).sqrt().item()


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python alexnet_torch.py MODEL")
    net = load(sys.argv[1])
    if net.golden is None:
        sys.exit(f"{sys.argv[1]}: exported files have no golden samples, expected a model file")
    squares, expected = net.golden
    with torch.inference_mode():
        difference = relative_rms(net(net.views(squares)), expected)
    print(f"{len(squares)} golden samples, torch {torch.__version__}: relative RMS of the logits {difference:.1e}")


if __name__ == "__main__":
    main()
