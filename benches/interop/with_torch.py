#!/usr/bin/env python3
"""Compares imported and exported networks with PyTorch, for every recipe and every form of state dict.

    pip install torch==2.15.0 torchvision==0.29.2 numpy safetensors
    cargo build --release
    ALEXNET_PYTHON=$(which python3) python3 benches/interop/with_torch.py target/release/alexnet

For each recipe: random weights, saved by PyTorch as a zip archive, in the format before 1.6, and as safetensors; `alexnet import`, which
compares the logits of four images with those of PyTorch; `alexnet export`, `import`, `export`, whose two exports must have the same
bytes; and `interop/alexnet_torch.py` on the model file, against its golden samples. torchvision's network is its own; its export is
loaded by `load_state_dict`. Prints a table in Markdown.
"""

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "interop"))
import alexnet_torch  # noqa: E402

FORMS = {"zip": {}, "before 1.6": {"_use_new_zipfile_serialization": False}}


def run(program, *arguments):
    done = subprocess.run([program, *map(str, arguments), "--json"], capture_output=True, text=True)
    answer = json.loads(done.stdout)
    if done.returncode:
        sys.exit(f"{arguments}: {answer}")
    return answer


def network(recipe, classes):
    """Returns the network with random weights that keep the size of signals, and its state dict."""
    net = torchvision.models.alexnet() if recipe["name"] == "torchvision" else alexnet_torch.AlexNet(recipe, classes)
    for name, tensor in net.state_dict().items():
        fan_in = 1 if tensor.dim() == 1 else tensor.shape[-4:][1:].numel() if tensor.dim() > 2 else tensor.shape[1]
        tensor.normal_(0, (2 / fan_in) ** 0.5 if name.endswith("weight") else 0.1)
    return net.state_dict()


def measure(program, name, folder):
    recipe = alexnet_torch.tomllib.loads(subprocess.check_output([program, "recipe", "show", name, "--toml"], text=True))
    state = network(recipe, recipe["classes"])
    differences = []
    option = [] if name == "torchvision" else ["--recipe", name]
    for form, how in FORMS.items():
        torch.save(state, folder / f"{form}.pth", **how)
    save_file(state, folder / "weights.safetensors")
    for file in [*(f"{form}.pth" for form in FORMS), "weights.safetensors"]:
        out = folder / f"{file}-model"
        compared = run(program, "import", folder / file, out, *option)["comparison"].get("compared")
        if compared is None:
            sys.exit(f"{name}, {file}: not compared; set ALEXNET_PYTHON")
        differences.append(compared["relative_rms"])
    model, exported, again = out, folder / "exported.safetensors", folder / "again.safetensors"
    run(program, "export", model, exported)
    back = folder / "back.safetensors"
    run(program, "import", exported, back)
    run(program, "export", back, again)
    same = exported.read_bytes() == again.read_bytes()
    if name == "torchvision":
        torchvision.models.alexnet().load_state_dict(load_file(exported))
    net = alexnet_torch.load(str(back))
    squares, expected = net.golden
    with torch.inference_mode():
        golden = alexnet_torch.relative_rms(net(net.views(squares)), expected)
    return [*differences, golden], same


def main():
    program = str(Path(sys.argv[1]).resolve())
    names = sys.argv[2:] or [row["name"] for row in run(program, "recipe", "list")["recipes"]]
    torch.manual_seed(0)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}\n")
    print("| recipe | zip | before 1.6 | safetensors | `alexnet_torch.py` | export, import, export |")
    print("|---|---|---|---|---|---|")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            differences, same = measure(program, name, Path(folder))
        cells = " | ".join(f"{value:.1e}" for value in differences)
        print(f"| {name} | {cells} | {'same bytes' if same else 'OTHER BYTES'} |", flush=True)


if __name__ == "__main__":
    main()
