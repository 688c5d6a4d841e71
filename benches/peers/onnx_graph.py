"""Networks as ONNX models, written without an exporter."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 9


class Graph:
    """A chain of nodes: each has the output of the one before as its first input."""

    def __init__(self, parameters, exact):
        self.parameters, self.exact = parameters, exact
        self.nodes, self.constants, self.last, self.flat = [], [], "images", False

    def constant(self, values, name=None):
        name = name or f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def parameter(self, layer, which):
        name = f"{layer.name}.{which}"
        return self.constant(self.parameters[name], name)

    def add(self, operator, *inputs, first=None, **attributes):
        output = f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [first or self.last, *inputs], [output], name=output, **attributes))
        self.last = output
        return output

    def reshape(self, *shape):
        self.add("Reshape", self.constant(np.array(shape, np.int64)))


def onnx_model(network, parameters, exact=False):
    """Returns the bytes of the model, for any number of images. Unless `exact`, normalization across channels extends across
    groups: the amount of arithmetic is the same, without copies."""
    graph = Graph(parameters, exact)
    for layer in network.layers:
        LAYERS[layer.kind](graph, layer)
    shape = ["n", network.input.channels, network.input.side, network.input.side]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info(graph.last, TensorProto.FLOAT, ["n", network.classes])
    proto = helper.make_graph(graph.nodes, "alexnet", [images], [logits], graph.constants)
    return helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION).SerializeToString()


def conv(graph, layer):
    s, (before, after) = layer.settings, layer.pads
    weights = graph.parameter(layer, "weight"), graph.parameter(layer, "bias")
    kernel, strides, pads = [s["kernel"]] * 2, [s["stride"]] * 2, [before, before, after, after]
    graph.add("Conv", *weights, kernel_shape=kernel, strides=strides, pads=pads, group=s["groups"])


def local(graph, layer):
    """Gathers the patches of each position, and multiplies them with its weights."""
    s, side, (before, after) = layer.settings, layer.output.side, layer.pads
    if s["groups"] != 1:
        raise ValueError(f"{layer.name}: locally connected layers with groups are not supported")
    x = graph.add("Pad", graph.constant(np.array([0, 0, before, before, 0, 0, after, after], np.int64)))
    axes, steps = graph.constant(np.array([2, 3], np.int64)), graph.constant(np.array([s["stride"]] * 2, np.int64))
    new_axis = graph.constant(np.array([2], np.int64))
    parts = []
    for row, column in np.ndindex(s["kernel"], s["kernel"]):
        begin = np.array([row, column], np.int64)
        bounds = graph.constant(begin), graph.constant(begin + (side - 1) * s["stride"] + 1)
        graph.add("Slice", *bounds, axes, steps, first=x)
        parts.append(graph.add("Unsqueeze", new_axis))
    graph.add("Concat", *parts[1:], first=parts[0], axis=2)
    graph.add("Transpose", perm=[3, 4, 0, 1, 2])
    fan_in = layer.input.channels * s["kernel"] ** 2
    graph.reshape(side**2, -1, fan_in)
    weight = graph.parameters[f"{layer.name}.weight"].reshape(side**2, -1, fan_in).transpose(0, 2, 1)
    graph.add("MatMul", graph.constant(weight, f"{layer.name}.weight"))
    graph.add("Add", graph.constant(graph.parameters[f"{layer.name}.bias"].reshape(side**2, 1, -1), f"{layer.name}.bias"))
    graph.add("Transpose", perm=[1, 2, 0])
    graph.reshape(-1, layer.output.channels, side, side)


def fc(graph, layer):
    if not graph.flat:
        graph.add("Flatten")
        graph.flat = True
    graph.add("Gemm", graph.parameter(layer, "weight"), graph.parameter(layer, "bias"), transB=1)


def lrn(graph, layer):
    s, maps = layer.settings, layer.input
    alpha = s["alpha"] if s["alpha_over_size"] else s["alpha"] * s["size"]
    groups = s["groups"] if graph.exact else 1
    if groups > 1:
        graph.reshape(-1, maps.channels // groups, maps.side, maps.side)
    graph.add("LRN", size=s["size"], alpha=alpha, beta=s["beta"], bias=s["k"])
    if groups > 1:
        graph.reshape(-1, maps.channels, maps.side, maps.side)


def map_norm(graph, layer):
    s, x = layer.settings, graph.last
    before, after = s["size"] // 2, (s["size"] - 1) // 2
    graph.add("Mul", x)
    pads = [before, before, after, after]
    graph.add("AveragePool", kernel_shape=[s["size"]] * 2, pads=pads, count_include_pad=1)
    graph.add("Mul", graph.constant(np.float32(s["alpha"])))
    graph.add("Add", graph.constant(np.float32(1)))
    graph.add("Pow", graph.constant(np.float32(-s["beta"])))
    graph.add("Mul", x)


def pool(operator):
    def add(graph, layer):
        s = layer.settings
        ceil = int(s["rounding"] == "up")
        graph.add(operator, kernel_shape=[s["kernel"]] * 2, strides=[s["stride"]] * 2, ceil_mode=ceil)

    return add


def elementwise(operator):
    return lambda graph, layer: graph.add(operator)


LAYERS = {
    "conv": conv,
    "local": local,
    "fc": fc,
    "lrn": lrn,
    "map-norm": map_norm,
    "max-pool": pool("MaxPool"),
    "avg-pool": pool("AveragePool"),
    "relu": elementwise("Relu"),
    "tanh": elementwise("Tanh"),
    "logistic": elementwise("Sigmoid"),
    "dropout": lambda graph, layer: None,
}
