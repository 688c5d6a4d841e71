#!/usr/bin/env python3
"""Compares imported and exported networks with PyTorch.

    pip install torch==2.15.0 torchvision==0.29.2 numpy safetensors
    cargo build --release
    python3 benches/interop/with_torch.py target/release/alexnet [RECIPE...]

For each network: random weights (seed 0), saved by PyTorch as a zip archive, in the format before 1.6, as safetensors, and in half
precision; `alexnet import`; the logits that this program stores in the model, of images that it makes, against those of the module in
PyTorch. Then `alexnet export`: `interop/alexnet_torch.py` reads the model and the exported file, and exporting what was imported from the
latter must write the same bytes. torchvision's network is its own; `paper` and `caffenet` are written here with PyTorch's layers;
the network of another RECIPE is that of `interop/alexnet_torch.py`.

Prints a table in Markdown, relative RMS of the differences, and last the seconds from a file of weights to a classifier of a few pictures.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "interop"))
import alexnet_torch  # noqa: E402

NETWORKS = ["torchvision", "paper", "caffenet"]

# The forms of state dicts, and the types of their numbers.
FORMS = {
    "zip": torch.float32,
    "before 1.6": torch.float32,
    "safetensors": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


class Columns(nn.Module):
    """Two halves of the channels, each through the same layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return torch.cat([self.layer(half) for half in x.chunk(2, dim=1)], dim=1)


class Times(nn.Module):
    """A factor, by which the paper rescales in inference what dropout drops in training."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def paper():
    """The network of the paper. PyTorch divides alpha by the size, 5; the last windows of conv1 reach over the edge, over zeros."""

    def norm():
        return Columns(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2))

    before = OrderedDict(edge=nn.ZeroPad2d((0, 3, 0, 3)))
    first = OrderedDict(norm1=norm(), pool1=nn.MaxPool2d(3, 2))
    second = OrderedDict(norm2=norm(), pool2=nn.MaxPool2d(3, 2))
    return five_convolutions(before, first, second, nn.MaxPool2d(3, 2), lambda: Times(0.5))


def caffenet():
    """Caffe's reference network, which pools before it normalizes, and rounds the sizes of pooled maps up."""

    def pool():
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    def norm():
        return nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)

    first, second = OrderedDict(pool1=pool(), norm1=norm()), OrderedDict(pool2=pool(), norm2=norm())
    return five_convolutions({}, first, second, pool(), nn.Dropout)


def five_convolutions(before, first, second, last_pool, dropout):
    """The layers that all networks of 2012 have, and others before and behind them."""
    layers = OrderedDict(before)
    layers.update(conv1=nn.Conv2d(3, 96, 11, 4), relu1=nn.ReLU(), **first)
    layers.update(conv2=nn.Conv2d(96, 256, 5, padding=2, groups=2), relu2=nn.ReLU(), **second)
    layers.update(conv3=nn.Conv2d(256, 384, 3, padding=1), relu3=nn.ReLU())
    layers.update(conv4=nn.Conv2d(384, 384, 3, padding=1, groups=2), relu4=nn.ReLU())
    layers.update(conv5=nn.Conv2d(384, 256, 3, padding=1, groups=2), relu5=nn.ReLU(), pool5=last_pool, flat=nn.Flatten())
    layers.update(fc6=nn.Linear(9216, 4096), relu6=nn.ReLU(), drop6=dropout())
    layers.update(fc7=nn.Linear(4096, 4096), relu7=nn.ReLU(), drop7=dropout(), fc8=nn.Linear(4096, 1000))
    return nn.Sequential(layers)


def network(program, name):
    """Returns the module of a network, with random weights that keep the size of signals."""
    if name == "torchvision":
        net = torchvision.models.alexnet()
    elif name in NETWORKS:
        net = {"paper": paper, "caffenet": caffenet}[name]()
    else:
        recipe = subprocess.check_output([program, "recipe", "show", name, "--toml"], text=True)
        recipe = alexnet_torch.tomllib.loads(recipe)
        net = alexnet_torch.AlexNet(recipe, recipe["classes"])
    for parameter, tensor in net.state_dict().items():
        fan_in = 1 if tensor.dim() == 1 else tensor.shape[-4:][1:].numel() if tensor.dim() > 2 else tensor.shape[1]
        tensor.normal_(0, (2 / fan_in) ** 0.5 if parameter.endswith("weight") else 0.1)
    return net.eval()


def save(state, form, path):
    """Saves a state dict in a form of `FORMS`."""
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form != "before 1.6")


def run(program, *arguments):
    environment = {**os.environ, "ALEXNET_PYTHON": sys.executable}
    done = subprocess.run([program, *map(str, arguments), "--json"], capture_output=True, text=True, env=environment)
    answer = json.loads(done.stdout)
    if done.returncode:
        sys.exit(f"{arguments}: {answer}")
    return answer


def golden(model):
    """Returns the images of a model's golden samples as the input of its network, and the logits that this program stored."""
    with safe_open(model, framework="pt") as file:
        squares, logits, mean = (file.get_tensor(name) for name in ["golden.pictures", "golden.logits", "mean"])
        preprocess = json.loads(file.metadata()["preprocess"])
    pixels = (squares.float() - mean) / preprocess["divisor"] / torch.tensor(preprocess["deviations"])
    return torchvision.transforms.functional.center_crop(pixels.permute(0, 3, 1, 2), preprocess["crop"]).contiguous(), logits


def difference(net, images, logits):
    with torch.inference_mode():
        return alexnet_torch.relative_rms(net(images), logits)


def imported(program, name, net, folder):
    """Returns the differences of the logits for each form of state dict, the largest that the program itself measured, and a model."""
    option = [] if name == "torchvision" else ["--recipe", name]
    state = {parameter: tensor.clone() for parameter, tensor in net.state_dict().items()}
    file, model = folder / "weights", folder / "model.safetensors"
    differences, certified = {}, 0
    for form, kind in FORMS.items():
        saved = {parameter: tensor.to(kind) for parameter, tensor in state.items()}
        net.load_state_dict(saved)
        save(saved, form, file)
        model.unlink(missing_ok=True)
        report = run(program, "import", file, model, *option)
        if kind != torch.float32 and not any(f"{form}, converted" in note for note in report["notes"]):
            sys.exit(f"{name}, {form}: no note about the conversion: {report['notes']}")
        differences[form] = difference(net, *golden(model))
        compared = report["comparison"].get("compared")
        if compared is None:
            sys.exit(f"{name}, {form}: not compared: {report['comparison']}")
        certified = max(certified, compared["relative_rms"])
    return differences, certified, model


def exported(program, name, model, folder):
    """Returns the differences of alexnet_torch's logits for a model and for its export, and whether a second export is the same."""
    first, back, second = folder / "exported.safetensors", folder / "back.safetensors", folder / "again.safetensors"
    run(program, "export", model, first)
    run(program, "import", first, back)
    run(program, "export", back, second)
    if name == "torchvision":
        torchvision.models.alexnet().load_state_dict(load_file(first))
    squares, logits = alexnet_torch.load(str(model)).golden
    nets = [alexnet_torch.load(str(path)) for path in (model, first)]
    return [difference(net, net.views(squares), logits) for net in nets], first.read_bytes() == second.read_bytes()


def own_pictures(program, folder):
    """Returns the seconds of the commands from torchvision's weights to the class of a picture, with 36 pictures of three colors."""
    weights, pictures = folder / "weights.pth", folder / "pictures"
    torch.save(torchvision.models.alexnet().state_dict(), weights)
    for at, color in enumerate(["red", "green", "blue"]):
        (pictures / color).mkdir(parents=True)
        for number in range(12):
            pixels = torch.randint(0, 128, (3, 48, 64), dtype=torch.uint8)
            pixels[at] += 127
            torchvision.io.write_png(pixels, str(pictures / color / f"{number}.png"))
    model, trained = folder / "imagenet.safetensors", folder / "run"
    steps = ["--set", "optimizer.rate=0.001", "--set", "optimizer.batch=12", "--epochs", 2]
    seconds = {}
    for command in [
        ["import", weights, model],
        ["train", pictures, "--init", model, *steps, "--run", trained],
        ["classify", trained, pictures / "blue/0.png"],
    ]:
        begin = time.monotonic()
        run(program, *command)
        seconds[command[0]] = time.monotonic() - begin
    return seconds


def main():
    program = str(Path(sys.argv[1]).resolve())
    torch.manual_seed(0)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}\n")
    columns = [*FORMS, "measured by `import`", "`alexnet_torch.py`: model, export", "export, import, export"]
    print(f"| network | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name in sys.argv[2:] or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            net = network(program, name)
            differences, certified, model = imported(program, name, net, Path(folder))
            ours, same = exported(program, name, model, Path(folder))
        cells = " | ".join(f"{value:.1e}" for value in [*differences.values(), certified])
        ours = ", ".join(f"{value:.1e}" for value in ours)
        print(f"| {name} | {cells} | {ours} | {'same bytes' if same else 'OTHER BYTES'} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        seconds = own_pictures(program, Path(folder))
    print("\n" + ", ".join(f"{command} {time:.1f} s" for command, time in seconds.items()))


if __name__ == "__main__":
    main()
