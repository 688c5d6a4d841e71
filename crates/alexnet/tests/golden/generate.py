"""Expected values from PyTorch, computed in double precision and stored in single.

    python crates/alexnet/tests/golden/generate.py

writes, next to itself, narrow-paper.safetensors (the network of narrow-paper.toml: activations, loss, gradients,
ten steps of training) and operations.safetensors (single operations, forward and backward). README.md names every
tensor. Needs torch, numpy and safetensors; the versions that made the files are in their metadata.
"""

import json
import platform
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
DOUBLE = torch.float64


def metadata(**more):
    """Returns one entry, because the order of several is random: the same run must write the same bytes."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
    return {"golden": json.dumps({"script": "tests/golden/generate.py", **versions, **more})}


def single(array):
    """Rounds to single precision first, so that both programs compute with the same values."""
    return torch.tensor(np.asarray(array, dtype=np.float32), dtype=DOUBLE)


def stored(tensor):
    return np.ascontiguousarray(tensor.detach().numpy().astype(np.float32))


# ---------------------------------------------------------------------------------------------------------------
# The narrowed network


def conv1_rounding_up(x, weight, bias):
    """Kernel 11, stride 4, rounding up: zero padding on the right and at the bottom for the last window."""
    beyond = -(x.shape[-1] - 11) % 4
    return F.conv2d(F.pad(x, (0, beyond, 0, beyond)), weight, bias, stride=4)


def lrn_per_column(x):
    """The paper's formula with alpha 1e-4 per column; PyTorch divides alpha by the window size, 5."""
    return torch.cat([F.local_response_norm(half, 5, 5e-4, 0.75, 2.0) for half in x.chunk(2, dim=1)], dim=1)


def forward(p, x, keep=1.0):
    """Returns every layer's output by name; `keep` scales the fully connected layers as dropout does at test time."""
    conv = lambda x, name, **how: F.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], **how)
    fc = lambda x, name: F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])
    pool = lambda x: F.max_pool2d(x, 3, 2)
    out = {}
    out["conv1"] = conv1_rounding_up(x, p["conv1.weight"], p["conv1.bias"])
    out["relu1"] = F.relu(out["conv1"])
    out["norm1"] = lrn_per_column(out["relu1"])
    out["pool1"] = pool(out["norm1"])
    out["conv2"] = conv(out["pool1"], "conv2", padding=2, groups=2)
    out["relu2"] = F.relu(out["conv2"])
    out["norm2"] = lrn_per_column(out["relu2"])
    out["pool2"] = pool(out["norm2"])
    out["conv3"] = conv(out["pool2"], "conv3", padding=1)
    out["relu3"] = F.relu(out["conv3"])
    out["conv4"] = conv(out["relu3"], "conv4", padding=1, groups=2)
    out["relu4"] = F.relu(out["conv4"])
    out["conv5"] = conv(out["relu4"], "conv5", padding=1, groups=2)
    out["relu5"] = F.relu(out["conv5"])
    out["pool5"] = pool(out["relu5"])
    out["fc6"] = fc(out["pool5"].flatten(1), "fc6")
    out["relu6"] = F.relu(out["fc6"])
    out["drop6"] = out["relu6"] * keep
    out["fc7"] = fc(out["drop6"], "fc7")
    out["relu7"] = F.relu(out["fc7"])
    out["drop7"] = out["relu7"] * keep
    out["fc8"] = fc(out["drop7"], "fc8")
    return out


# Shape and deviation of the weights, deviation of the biases. The first two layers keep the pixels' scale, so that
# the normalizations do something; conv3 brings the signal down to about 1.
SHAPES = {
    "conv1": ((8, 3, 11, 11), 0.06, 5.0),
    "conv2": ((16, 4, 5, 5), 0.15, 5.0),
    "conv3": ((24, 16, 3, 3), 0.004, 0.1),
    "conv4": ((24, 12, 3, 3), 0.14, 0.1),
    "conv5": ((16, 12, 3, 3), 0.14, 0.1),
    "fc6": ((32, 64), 0.18, 0.1),
    "fc7": ((32, 32), 0.25, 0.1),
    "fc8": ((10, 32), 0.25, 0.1),
}
# As in narrow-paper.toml: a rate at which ten steps lower the loss, and a decay large enough to show in them.
RATE, MOMENTUM, DECAY, STEPS, BATCH = 0.0002, 0.9, 0.5, 10, 4


def draw():
    random = np.random.default_rng(2012)
    images = random.integers(-128, 128, (BATCH, 3, 96, 96))
    labels = random.integers(0, 10, BATCH)
    parameters = {}
    for name, (shape, weight, bias) in SHAPES.items():
        parameters[f"{name}.weight"] = random.normal(0, weight, shape)
        parameters[f"{name}.bias"] = random.normal(0, bias, shape[0])
    return images, labels, parameters


def train(parameters, images, labels, steps, decay_of=lambda name: DECAY if name.endswith(".weight") else 0.0):
    """Applies the paper's update to the same batch repeatedly; returns the loss before each step and the final parameters."""
    p = {name: value.clone() for name, value in parameters.items()}
    v = {name: torch.zeros_like(value) for name, value in p.items()}
    losses = []
    for _ in range(steps):
        for value in p.values():
            value.requires_grad_(True)
        loss = F.cross_entropy(forward(p, images)["fc8"], labels)
        gradients = torch.autograd.grad(loss, list(p.values()))
        losses.append(loss.detach())
        with torch.no_grad():
            for (name, w), g in zip(list(p.items()), gradients):
                v[name] = MOMENTUM * v[name] - decay_of(name) * RATE * w - RATE * g
                p[name] = (w + v[name]).detach()
    return torch.stack(losses), p


def narrow_paper():
    images, labels, drawn = draw()
    x, y = single(images), torch.tensor(labels)
    p = {name: single(value) for name, value in drawn.items()}

    leaves = {name: value.clone().requires_grad_(True) for name, value in p.items()}
    out = forward(leaves, x)
    loss = F.cross_entropy(out["fc8"], y)
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    losses, last = train(p, x, y, STEPS)

    tensors = {"images": stored(x), "labels": labels.astype(np.int64)}
    tensors |= {name: stored(value) for name, value in p.items()}
    tensors |= {f"activation.{name}": stored(value) for name, value in out.items()}
    tensors |= {f"gradient.{name}": stored(value) for name, value in zip(p, gradients)}
    tensors |= {f"after.{name}": stored(value) for name, value in last.items()}
    tensors |= {"logits": stored(out["fc8"]), "loss": stored(loss.reshape(1)), "losses": stored(losses)}
    tensors["logits.dropout_at_test"] = stored(forward(p, x, keep=0.5)["fc8"])
    save_file(tensors, HERE / "narrow-paper.safetensors", metadata(recipe="tests/golden/narrow-paper.toml"))

    # How far single precision strays: what a tolerance must allow. And how much the normalization matters: what a
    # tolerance must be smaller than.
    f32 = {name: value.float() for name, value in p.items()}
    losses32, last32 = train(f32, x.float(), y, STEPS)
    far = lambda a, b: ((a - b).abs().max() / b.abs().max()).item()
    print("losses", [round(value, 6) for value in losses.tolist()])
    print("single precision: losses %.1e, parameters after ten steps %.1e" % (
        far(losses32.double(), losses), max(far(last32[name].double(), last[name]) for name in last)))
    logits32 = forward(f32, x.float())["fc8"].double()
    print("single precision: logits %.1e" % far(logits32, out["fc8"].detach()))
    for what, decay_of in (("no decay", lambda name: 0.0), ("decay on biases too", lambda name: DECAY)):
        wrong, strayed = train(p, x, y, STEPS, decay_of)
        print(f"{what}: losses %.1e, parameters %.1e" % (
            far(wrong, losses), max(far(strayed[name], last[name]) for name in last)))
    for name in ("norm1", "norm2"):
        before = out[name.replace("norm", "relu")].detach() * 2**-0.75
        print(f"{name}: without the sum of squares the output would change by %.0f %%"
              % (100 * far(out[name].detach(), before)))
    for name, value in out.items():
        print(f"  {name}: {tuple(value.shape)[1:]}, deviation {value.std().item():.3g}, "
              f"zero {100 * (value == 0).double().mean().item():.0f} %")


# ---------------------------------------------------------------------------------------------------------------
# Single operations


def within_map_norm(x, size, alpha, beta, k):
    """x / (k + alpha * sum of squares)^beta, summed over a window of the same map that starts size // 2 before."""
    before, after = size // 2, (size - 1) // 2
    channels = x.shape[1]
    ones = torch.ones(channels, 1, size, size, dtype=DOUBLE)
    sums = F.conv2d(F.pad(x * x, (before, after, before, after)), ones, groups=channels)
    return x / (k + alpha * sums) ** beta


def across_maps_norm(x, size, alpha, beta, k, groups):
    """alpha multiplies the plain sum of squares; PyTorch divides it by the window size."""
    parts = x.chunk(groups, dim=1)
    return torch.cat([F.local_response_norm(part, size, alpha * size, beta, k) for part in parts], dim=1)


def local(x, weight, bias, kernel, stride, pad, groups):
    """A convolution with separate kernels at each position: weight [oh, ow, out, in/groups, kh, kw]."""
    oh, ow, out = bias.shape
    batch, channels = x.shape[:2]
    columns = F.unfold(x, kernel, padding=pad, stride=stride)
    columns = columns.reshape(batch, groups, channels // groups * kernel * kernel, oh, ow)
    kernels = weight.reshape(oh, ow, groups, out // groups, -1)
    return torch.einsum("bgkhw,hwgok->bgohw", columns, kernels).reshape(batch, out, oh, ow) + bias.permute(2, 0, 1)


def conv_rounding_up(x, weight, bias, stride, pad, groups):
    """Zero padding on the right and at the bottom for the last, partly covered window."""
    kernel = weight.shape[-1]
    beyond = [-(side + 2 * pad - kernel) % stride for side in x.shape[-2:]]
    x = F.pad(x, (pad, pad + beyond[1], pad, pad + beyond[0]))
    return F.conv2d(x, weight, bias, stride=stride, groups=groups)


def operations():
    random = np.random.default_rng(1989)
    tensors, settings = {}, {}

    def case(name, how, run, **shapes):
        """Draws inputs, computes the output, draws its gradient, and stores all of them with the input gradients."""
        inputs = {key: single(random.normal(0, 1, shape)).requires_grad_(True) for key, shape in shapes.items()}
        out = run(**inputs, **how)
        upstream = single(random.normal(0, 1, tuple(out.shape)))
        gradients = torch.autograd.grad(out, list(inputs.values()), upstream)
        tensors.update({f"{name}.{key}": stored(value) for key, value in inputs.items()})
        tensors[f"{name}.output"], tensors[f"{name}.d_output"] = stored(out), stored(upstream)
        tensors.update({f"{name}.d_{key}": stored(value) for key, value in zip(inputs, gradients)})
        settings[name] = how

    norm = {"alpha": 0.2, "beta": 0.75, "k": 1.0}
    case("map_norm_3", norm | {"size": 3}, lambda input, **how: within_map_norm(input, **how), input=(2, 3, 7, 6))
    case("map_norm_4", norm | {"size": 4}, lambda input, **how: within_map_norm(input, **how), input=(2, 3, 7, 6))
    norm |= {"k": 2.0}
    lrn = lambda input, **how: across_maps_norm(input, **how)
    case("lrn_5", norm | {"size": 5, "groups": 1}, lrn, input=(2, 16, 3, 4))
    case("lrn_5_columns", norm | {"size": 5, "groups": 2}, lrn, input=(2, 6, 3, 4))
    case("lrn_4", norm | {"size": 4, "groups": 1}, lrn, input=(2, 9, 3, 4))
    window = {"kernel": 3, "stride": 2}
    up = {"ceil_mode": True}
    case("max_pool_up", window, lambda input, kernel, stride: F.max_pool2d(input, kernel, stride, **up),
         input=(2, 3, 8, 7))
    case("max_pool_down", window, lambda input, kernel, stride: F.max_pool2d(input, kernel, stride),
         input=(2, 3, 8, 7))
    case("avg_pool_up", window,
         lambda input, kernel, stride: F.avg_pool2d(input, kernel, stride, count_include_pad=False, **up),
         input=(2, 3, 8, 7))
    case("avg_pool_down", window, lambda input, kernel, stride: F.avg_pool2d(input, kernel, stride),
         input=(2, 3, 8, 7))
    how = {"stride": 2, "pad": 1, "groups": 2}
    case("conv_up", how, lambda input, weight, bias, **how: conv_rounding_up(input, weight, bias, **how),
         input=(2, 4, 6, 9), weight=(6, 2, 3, 3), bias=(6,))
    how = {"kernel": 3, "stride": 1, "pad": 1, "groups": 1}
    run = lambda input, weight, bias, **how: local(input, weight, bias, **how)
    case("local", how, run, input=(2, 4, 5, 6), weight=(5, 6, 7, 4, 3, 3), bias=(5, 6, 7))
    case("local_groups", how | {"stride": 2, "groups": 2}, run,
         input=(2, 4, 5, 7), weight=(3, 4, 6, 2, 3, 3), bias=(3, 4, 6))
    save_file(tensors, HERE / "operations.safetensors", metadata(settings=settings))


if __name__ == "__main__":
    torch.set_num_threads(1)
    narrow_paper()
    operations()
