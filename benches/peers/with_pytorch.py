"""PyTorch: training and inference, in single precision and in bf16, eager, channels_last and compiled.

bf16 runs under autocast, which leaves normalization in single precision. Weights stay in single precision in training, and are
converted once for inference, so that autocast does not have to. Compiled inference has frozen weights, which are packed once.
"""

from collections import OrderedDict

import torch
import torch._dynamo
import torch._inductor.config
from torch import nn
from sides import INFERENCE, TRAINING
from torch.nn import functional as F

# All modules here have the same forward function: without this, the ninth would not be compiled.
torch._dynamo.config.recompile_limit = 64


class GroupedLrn(nn.Module):
    """Normalization across channels that does not extend across groups."""

    def __init__(self, lrn, groups):
        super().__init__()
        self.lrn, self.groups = lrn, groups

    def forward(self, x):
        n, channels, height, width = x.shape
        return self.lrn(x.reshape(n * self.groups, channels // self.groups, height, width)).reshape(x.shape)


class MapNorm(nn.Module):
    """Normalization within each channel, over a window of positions."""

    def __init__(self, size, alpha, beta):
        super().__init__()
        self.mean, self.alpha, self.beta = nn.AvgPool2d(size, 1, size // 2), alpha, beta

    def forward(self, x):
        return x * (1 + self.alpha * self.mean(x * x)) ** -self.beta


class Local(nn.Module):
    """A convolution with separate kernels for each position: a product of matrices per position."""

    def __init__(self, layer):
        super().__init__()
        self.kernel, self.stride, self.pads = layer.settings["kernel"], layer.settings["stride"], layer.pads
        if layer.settings["groups"] != 1:
            raise ValueError(f"{layer.name}: locally connected layers with groups are not supported")
        side, maps = layer.output.side, layer.output.channels
        fan_in = layer.input.channels * self.kernel**2
        self.weight = nn.Parameter(torch.empty(side * side, maps, fan_in))
        self.bias = nn.Parameter(torch.empty(side * side, 1, maps))

    def forward(self, x):
        x = F.pad(x, self.pads * 2)
        x = x.unfold(2, self.kernel, self.stride).unfold(3, self.kernel, self.stride)
        n, channels, height, width = x.shape[:4]
        patches = x.permute(2, 3, 0, 1, 4, 5).reshape(height * width, n, channels * self.kernel**2)
        y = torch.baddbmm(self.bias, patches, self.weight.transpose(1, 2))
        return y.permute(1, 2, 0).reshape(n, -1, height, width)


def conv(layer):
    s, (before, after) = layer.settings, layer.pads
    pad = before if before == after else 0
    module = nn.Conv2d(layer.input.channels, s["maps"], s["kernel"], s["stride"], pad, groups=s["groups"])
    return module if before == after else nn.Sequential(OrderedDict(pad=nn.ZeroPad2d((before, after) * 2), conv=module))


def lrn(layer, exact):
    s = layer.settings
    alpha = s["alpha"] if s["alpha_over_size"] else s["alpha"] * s["size"]
    module = nn.LocalResponseNorm(s["size"], alpha, s["beta"], s["k"])
    return GroupedLrn(module, s["groups"]) if exact and s["groups"] > 1 else module


def pool(layer, kind):
    s = layer.settings
    return kind(s["kernel"], s["stride"], s["pad"], ceil_mode=s["rounding"] == "up")


def build(network, exact=False):
    """Returns the network as a module. Unless `exact`, normalization crosses groups, as `nn.LocalResponseNorm` does: the
    amount of arithmetic is the same, without copies."""
    modules = OrderedDict()
    for layer in network.layers:
        if layer.kind == "fc" and "flatten" not in modules:
            modules["flatten"] = nn.Flatten()
        match layer.kind:
            case "conv":
                module = conv(layer)
            case "local":
                module = Local(layer)
            case "fc":
                module = nn.Linear(layer.input.values, layer.output.channels)
            case "lrn":
                module = lrn(layer, exact)
            case "map-norm":
                module = MapNorm(layer.settings["size"], layer.settings["alpha"], layer.settings["beta"])
            case "max-pool":
                module = pool(layer, nn.MaxPool2d)
            case "avg-pool":
                module = pool(layer, nn.AvgPool2d)
            case "relu":
                module = nn.ReLU(inplace=True)
            case "tanh":
                module = nn.Tanh()
            case "logistic":
                module = nn.Sigmoid()
            case "dropout":
                module = nn.Dropout(layer.settings["rate"])
            case kind:
                raise ValueError(f"{layer.name}: layers of kind {kind} are not supported")
        modules[layer.name] = module
    return nn.Sequential(modules)


def load(module, parameters):
    """Copies parameters of a model file; those of padded convolutions and local layers have other names or shapes."""
    with torch.no_grad():
        for name, target in module.named_parameters():
            source = torch.from_numpy(parameters[name.replace(".conv.", ".")])
            target.copy_(source.reshape(target.shape))
    return module


def predictor(network, parameters, precision, calibration, threads, exact=True):
    """Returns a function from images to logits."""
    torch.set_num_threads(threads)
    module, bf16 = load(build(network, exact), parameters).eval(), precision == "bf16"
    module = module.bfloat16() if bf16 else module

    def predict(images):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return module(torch.from_numpy(images)).float().numpy()

    return predict


def open_side(job):
    """Returns a function that runs one training step or one inference."""
    torch.set_num_threads(job.threads)
    torch._inductor.config.freezing = job.task == INFERENCE
    module, images = load(build(job.network), job.parameters), torch.from_numpy(job.images)
    if "channels_last" in job.variant:
        module, images = module.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    compiled = "compile" in job.variant
    if job.task == TRAINING:
        return training(module, images, job.precision == "bf16", compiled)
    return inference(module, images, job.precision == "bf16", compiled)


def training(module, images, bf16, compiled):
    module.train()
    run = torch.compile(module, fullgraph=True) if compiled else module
    labels = torch.arange(len(images)) % module[-1].out_features
    # A learning rate so low that the values of the first step cannot grow.
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-12, momentum=0.9, weight_decay=5e-4, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(run(images), labels)
        loss.backward()
        optimizer.step()

    return step


def inference(module, images, bf16, compiled):
    module.eval()
    if bf16:
        module, images = module.bfloat16(), images.bfloat16()
    run = torch.compile(module, fullgraph=True) if compiled else module

    def infer():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            run(images)

    return infer
