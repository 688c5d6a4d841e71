"""Networks in PyTorch, and one of the structure of the ONNX model zoo's, for the scripts of this folder.

`width` divides the numbers of maps, its square those of units: 1 for the published networks, more for small files.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError:
    torch = None


def values(count, seed):
    """Numbers from -1 to 1 that any program computes exactly: a hash of their position, in steps of 2^-15."""
    at = np.arange(count, dtype=np.uint64) + np.uint64(seed * 1_000_003)
    at = (at * np.uint64(2654435761)) % np.uint64(1 << 32)
    at ^= at >> np.uint64(15)
    at = (at * np.uint64(2246822519)) % np.uint64(1 << 32)
    return ((at >> np.uint64(16)).astype(np.float64) / 32768 - 1).astype(np.float32)


if torch:

    class Columns(nn.Module):
        """Local response normalization of two columns, as in the paper: alpha is not divided by the size."""

        def __init__(self):
            super().__init__()
            self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)

        def forward(self, x):
            return torch.cat([self.norm(part) for part in torch.chunk(x, 2, dim=1)], dim=1)

    class Paper(nn.Module):
        """The network of the paper. The last window of conv1 reaches three pixels past the edge."""

        side = 224

        def __init__(self, width=1, classes=1000):
            super().__init__()
            maps = [96 // width, 256 // width, 384 // width, 384 // width, 256 // width]
            units = 4096 // width**2
            self.features = nn.Sequential(
                nn.ZeroPad2d((0, 3, 0, 3)), nn.Conv2d(3, maps[0], 11, 4), nn.ReLU(), Columns(), nn.MaxPool2d(3, 2),
                nn.Conv2d(maps[0], maps[1], 5, 1, 2, groups=2), nn.ReLU(), Columns(), nn.MaxPool2d(3, 2),
                nn.Conv2d(maps[1], maps[2], 3, 1, 1), nn.ReLU(),
                nn.Conv2d(maps[2], maps[3], 3, 1, 1, groups=2), nn.ReLU(),
                nn.Conv2d(maps[3], maps[4], 3, 1, 1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            )
            self.classifier = nn.Sequential(
                nn.Linear(maps[4] * 36, units), nn.ReLU(), nn.Dropout(),
                nn.Linear(units, units), nn.ReLU(), nn.Dropout(), nn.Linear(units, classes),
            )

        def forward(self, x):
            x = self.features(x)
            return self.classifier(x.view(x.size(0), -1))

    class CaffeNet(nn.Module):
        """Caffe's reference network: pooling before normalization, both rounding up."""

        side = 227

        def __init__(self, width=1, classes=1000):
            super().__init__()
            maps = [96 // width, 256 // width, 384 // width, 384 // width, 256 // width]
            units = 4096 // width**2
            self.features = nn.Sequential(
                nn.Conv2d(3, maps[0], 11, 4), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.LocalResponseNorm(5),
                nn.Conv2d(maps[0], maps[1], 5, 1, 2, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.LocalResponseNorm(5),
                nn.Conv2d(maps[1], maps[2], 3, 1, 1), nn.ReLU(),
                nn.Conv2d(maps[2], maps[3], 3, 1, 1, groups=2), nn.ReLU(),
                nn.Conv2d(maps[3], maps[4], 3, 1, 1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
            )
            self.classifier = nn.Sequential(
                nn.Linear(maps[4] * 36, units), nn.ReLU(), nn.Dropout(),
                nn.Linear(units, units), nn.ReLU(), nn.Dropout(), nn.Linear(units, classes), nn.Softmax(dim=1),
            )

        def forward(self, x):
            return self.classifier(torch.flatten(self.features(x), 1))

        def logits(self, x):
            return self.classifier[:-1](torch.flatten(self.features(x), 1))

    class Normalized(nn.Module):
        """A network of this time: batch normalization, padded pooling, a mean over each map."""

        side = 33

        def __init__(self, width=1, classes=10):
            super().__init__()
            maps = 32 // width
            self.features = nn.Sequential(
                nn.Conv2d(3, maps, 3, 2, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
                nn.Conv2d(maps, 2 * maps, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * maps), nn.Tanh(),
                nn.AvgPool2d(2, 2, ceil_mode=True),
                nn.Conv2d(2 * maps, 2 * maps, 1), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1),
            )
            self.classifier = nn.Linear(2 * maps, classes)
            for norm in self.features:
                if isinstance(norm, nn.BatchNorm2d):
                    norm.running_mean.copy_(torch.from_numpy(values(norm.num_features, 3)))
                    norm.running_var.copy_(torch.from_numpy(1.5 + values(norm.num_features, 4)))

        def forward(self, x):
            return self.classifier(torch.flatten(self.features(x), 1))

    def fill(module):
        """Weights of a size that keeps signals alive, and biases."""
        with torch.no_grad():
            for i, (name, parameter) in enumerate(module.named_parameters()):
                fan_in = parameter[0].numel() if parameter.dim() > 1 else 100
                numbers = torch.from_numpy(values(parameter.numel(), i)).reshape(parameter.shape)
                parameter.copy_(numbers * (6 / fan_in) ** 0.5)
        return module.eval()


def zoo(width=1, classes=1000, opset=12, side=224):
    """The structure of the model zoo's `bvlcalexnet-12.onnx`: names, initializers that are inputs too, Reshape to a fixed batch."""
    maps = [96 // width, 256 // width, 384 // width, 384 // width, 256 // width]
    units = 4096 // width**2
    pixels = 6
    nodes, arrays = [], []

    def constant(name, array):
        arrays.append(numpy_helper.from_array(array, name))
        return name

    def weights(name, shape):
        fan_in = int(np.prod(shape[1:]))
        data = values(int(np.prod(shape)), len(arrays)).reshape(shape) * np.float32((6 / fan_in) ** 0.5)
        return [constant(f"{name}_w_0", data.astype(np.float32)), constant(f"{name}_b_0", 0.1 * values(shape[0], len(arrays)))]

    def add(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], "", **attributes))
        return output

    def conv(x, name, outputs, inputs, kernel, **attributes):
        parameters = weights(name, (outputs, inputs, kernel, kernel))
        x = add("Conv", [x, *parameters], f"{name}_1", kernel_shape=[kernel, kernel], **attributes)
        return add("Relu", [x], f"{name}_2")

    def norm(x, name):
        return add("LRN", [x], f"{name}_1", alpha=1e-4, beta=0.75, bias=1.0, size=5)

    def pool(x, name, pads):
        return add("MaxPool", [x], f"{name}_1", kernel_shape=[3, 3], pads=pads, strides=[2, 2])

    def full(x, name, outputs, inputs, drops):
        x = add("Gemm", [x, *weights(name, (outputs, inputs))], f"{name}_1", transB=1)
        if not drops:
            return x
        x = add("Relu", [x], f"{name}_2")
        if opset < 12:
            return add("Dropout", [x], f"{name}_3", ratio=0.5)
        return add("Dropout", [x, constant(f"{name}_ratio", np.array(0.5, np.float32))], f"{name}_3")

    x = conv("data_0", "conv1", maps[0], 3, 11, strides=[4, 4])
    x = pool(norm(x, "norm1"), "pool1", [0, 0, 1, 1])
    x = conv(x, "conv2", maps[1], maps[0] // 2, 5, pads=[2, 2, 2, 2], strides=[1, 1], group=2)
    x = pool(norm(x, "norm2"), "pool2", [0, 0, 0, 0])
    x = conv(x, "conv3", maps[2], maps[1], 3, pads=[1, 1, 1, 1])
    x = conv(x, "conv4", maps[3], maps[2] // 2, 3, pads=[1, 1, 1, 1], group=2)
    x = conv(x, "conv5", maps[4], maps[3] // 2, 3, pads=[1, 1, 1, 1], group=2)
    x = pool(x, "pool5", [0, 0, 0, 0])
    flat = maps[4] * pixels * pixels
    x = add("Reshape", [x, constant("OC2_DUMMY_1", np.array([1, flat]))], "OC2_DUMMY_0")
    x = full(x, "fc6", units, flat, True)
    x = full(x, "fc7", units, units, True)
    x = full(x, "fc8", classes, units, False)
    add("Softmax", [x], "prob_1", **({"axis": 1} if opset < 13 else {}))
    inputs = [helper.make_tensor_value_info("data_0", TensorProto.FLOAT, [1, 3, side, side])]
    inputs += [helper.make_tensor_value_info(array.name, array.data_type, array.dims) for array in arrays]
    outputs = [helper.make_tensor_value_info("prob_1", TensorProto.FLOAT, [1, classes])]
    graph = helper.make_graph(nodes, "bvlc_alexnet", inputs, outputs, arrays)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, producer_name="onnx-caffe2", opset_imports=opsets, ir_version=7)
    onnx.checker.check_model(model, full_check=True)
    return model
