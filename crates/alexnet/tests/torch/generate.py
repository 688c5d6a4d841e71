"""State dicts of PyTorch in all forms, and the logits of their networks in double precision.

    pip install torch==2.15.0 numpy safetensors
    python crates/alexnet/tests/torch/generate.py

writes, next to itself, the files that README.md lists. The weights are the same every time; names of storages are not.
"""

import argparse
import io
import json
import os
import platform
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "interop"))
import alexnet_torch  # noqa: E402


def made_squares(side):
    """The images of `interop::made_squares`, uint8 [4, side, side, 3]."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    blend = [255 * x // side, 255 * y // side, 255 - 255 * (x + y) // (2 * side)]
    even = 4 * (x + y) // side % 2 == 0
    stripes = [torch.where(even, a, b) for a, b in [(230, 20), (120, 60), (30, 200)]]
    distance = 255 * ((2 * x - side) ** 2 + (2 * y - side) ** 2) // (side * side)
    inside = distance < 140
    disc = [torch.where(inside, a, 128) for a in (torch.full_like(x, 30), 250 - distance, torch.full_like(x, 60))]
    cell = (x // 8 * 7919 + y // 8 * 104729) % 65521
    noise = [cell * 31 >> 3, cell * 57 >> 5, cell * 101 >> 4]
    squares = [torch.stack(channels, -1) % 256 for channels in (blend, stripes, disc, noise)]
    return torch.stack(squares).to(torch.uint8)


def views(recipe, mean):
    """The center crops of the made squares, in double precision."""
    square, crop = recipe["input"]["square"], recipe["input"]["crop"]
    start = (square - crop) // 2
    scale = recipe["input"].get("divisor", 1.0) * torch.tensor(recipe["input"].get("deviations", [1.0] * 3)).double()
    pixels = (made_squares(square).double() - torch.tensor(mean).float().double()) / scale
    return pixels[:, start : start + crop, start : start + crop].permute(0, 3, 1, 2)


class NarrowTorchvision(nn.Module):
    """torchvision's AlexNet with the maps and units of narrow-torchvision.toml."""

    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(4, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(),
            nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(),
            nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(216, 10), nn.ReLU(),
            nn.Dropout(), nn.Linear(10, 10), nn.ReLU(),
            nn.Linear(10, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def logits(net, state, x):
    net.load_state_dict({name: tensor.double() for name, tensor in state.items()})
    with torch.inference_mode():
        return net.double().eval()(x).tolist()


def save(state, name, **how):
    torch.save(state, HERE / name, **how)


def narrow(expected):
    """The narrow network in every form of file."""
    recipe = alexnet_torch.tomllib.loads((HERE / "narrow-torchvision.toml").read_text())
    net = NarrowTorchvision(5)
    for parameter in net.parameters():
        # PyTorch's initial weights shrink signals, so that the logits would hardly depend on the image.
        parameter.data *= 3 if parameter.dim() > 1 else 1
    state = net.state_dict()
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    save(state, "narrow.pth")
    save(state, "narrow-protocol-4.pth", pickle_protocol=4)
    save(state, "narrow-legacy.pth", _use_new_zipfile_serialization=False)
    save_file(state, HERE / "narrow.safetensors")
    parameters = OrderedDict((f"module.{name}", nn.Parameter(tensor)) for name, tensor in state.items())
    checkpoint = {
        "epoch": 3,
        "arch": "alexnet",
        "state_dict": parameters,
        "best_acc1": torch.tensor(56.5),
        "optimizer": optimizer.state_dict(),
    }
    save(checkpoint, "narrow-checkpoint.pth")
    x = views(recipe, recipe["input"]["mean"]["fixed"])
    expected["narrow"] = logits(net, state, x)

    other = OrderedDict(state)
    other["features.0.weight"] = state["features.0.weight"].half()
    other["features.3.weight"] = state["features.3.weight"].bfloat16()
    other["features.6.weight"] = state["features.6.weight"].double() / 3
    # Not consecutive, and views of one storage.
    other["classifier.1.weight"] = state["classifier.1.weight"].t().contiguous().t()
    both = torch.cat([state["classifier.1.bias"], state["classifier.4.bias"]])
    other["classifier.1.bias"], other["classifier.4.bias"] = both[:10], both[10:]
    other["classifier.4.weight"] = torch.randn(20, 30)[::2, ::3]
    save({**other, "criterion.weight": torch.ones(5), "steps": torch.tensor(7)}, "narrow-views.pth")
    expected["narrow-views"] = logits(net, other, x)


def every_layer(expected):
    """A network with every kind of layer, with the names of its recipe."""
    recipe = alexnet_torch.tomllib.loads((HERE.parent / "support/every-layer.toml").read_text())
    net = alexnet_torch.AlexNet(recipe, 5)
    state = {name: torch.randn(tensor.shape) * 0.3 for name, tensor in net.state_dict().items()}
    save(state, "every-layer.pth")
    expected["every-layer"] = logits(net, state, views(recipe, [123.675, 116.28, 103.53]))


class Run:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call




def refused():
    """Files that are not state dicts."""
    weight = {"weight": torch.zeros(2)}
    save({**weight, "x": Run(os.system, "touch pwned")}, "refused-system.pth")
    save({**weight, "x": Run(eval, "open('pwned', 'w')"), "y": Run(exec, "import os")}, "refused-eval.pth")
    save({**weight, "args": argparse.Namespace(lr=0.1)}, "refused-namespace.pth")
    save(Run(os.system, "touch pwned"), "refused-legacy.pth", _use_new_zipfile_serialization=False)
    save({**weight, "small": torch.zeros(2, dtype=torch.float8_e4m3fn)}, "refused-float8.pth")
    save(nn.Sequential(nn.Linear(2, 2)), "refused-module.pth")
    torch.jit.script(nn.Linear(2, 2)).save(HERE / "refused-script.pt")
    stored = io.BytesIO()
    torch.save(weight, stored)
    with zipfile.ZipFile(HERE / "refused-deflate.pth", "w", zipfile.ZIP_DEFLATED) as out:
        entries = zipfile.ZipFile(stored)
        for name in entries.namelist():
            out.writestr(zipfile.ZipInfo(name), entries.read(name), zipfile.ZIP_DEFLATED)


def main():
    torch.manual_seed(16)
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    expected = {"script": "crates/alexnet/tests/torch/generate.py", **versions}
    narrow(expected)
    every_layer(expected)
    refused()
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
