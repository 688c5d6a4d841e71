"""Computes logits with PyTorch: python compare.py FOLDER.

FOLDER has request.json and views.f32, [images, 3, crop, crop]. Writes logits.f32, [images, classes], and result.json: the program that
computed them, or the package that is missing. Loading the weights runs no code of theirs.
"""

import array
import json
import sys
from pathlib import Path


def load(request):
    """Returns the state dict of the file, or the name of a missing package."""
    import torch

    if request["kind"] == "safetensors":
        try:
            from safetensors.torch import load_file
        except ImportError:
            return "safetensors"
        return load_file(request["file"])
    weights = torch.load(request["file"], map_location="cpu", weights_only=True)
    for key in request["path"]:
        weights = weights[key]
    return weights


def network(request):
    """Returns torchvision's own network, if it is the one and installed, or else that of the recipe."""
    if request["torchvision"] is not None:
        try:
            import torchvision
        except ImportError:
            pass
        else:
            net = torchvision.models.alexnet(weights=None, num_classes=request["classes"])
            return net, request["torchvision"], f" and torchvision {torchvision.__version__}"
    import alexnet_torch

    recipe = alexnet_torch.tomllib.loads(request["recipe"])
    return alexnet_torch.AlexNet(recipe, request["classes"]), request["parameters"], ""


def compare(folder):
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    try:
        import torch
    except ImportError:
        return {"missing": "torch"}
    weights = load(request)
    if isinstance(weights, str):
        return {"missing": weights}
    net, names, also = network(request)
    tensors = (weights[name].float() for name in request["names"])
    net.load_state_dict(dict(zip(names, tensors)))
    views = torch.frombuffer(bytearray((folder / "views.f32").read_bytes()), dtype=torch.float32)
    views = views.view(request["images"], 3, request["crop"], request["crop"])
    with torch.inference_mode():
        logits = net.eval()(views)
    (folder / "logits.f32").write_bytes(array.array("f", logits.flatten().tolist()).tobytes())
    return {"program": f"torch {torch.__version__}{also}"}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "result.json").write_text(json.dumps(compare(folder)))
