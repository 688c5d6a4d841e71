#!/usr/bin/env python3
"""Networks in Caffe's files with the logits that Caffe computes: golden data of `caffe.rs`, and the comparison in docs/results/interop-caffe.md.

    golden.py small CAFFE         writes the small networks and their logits into this folder
    golden.py full CAFFE FOLDER   writes networks of full size, with the definitions of CAFFE/models
    golden.py check CAFFE FOLDER  computes what `caffe.rs` has exported into FOLDER with Caffe, and compares logits

CAFFE is the source of Caffe (commit 9b89154 of BVLC/caffe, 2020-02-13), whose `src/caffe/proto/caffe.proto` is compiled by protoc. If its
`python` folder has been built, logits are those of Caffe itself, and the definitions in NumPy below are compared with it; otherwise they
are those of the definitions. Needs NumPy, the protobuf package for Python, and protoc.
"""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from google.protobuf import text_format

HERE = Path(__file__).resolve().parent
SEED = 2012


def protocol(source):
    """The messages of caffe.proto, compiled by protoc."""
    if pycaffe(source):
        # Its build has compiled them.
        from caffe.proto import caffe_pb2
    else:
        folder = tempfile.mkdtemp()
        proto = Path(source) / "src/caffe/proto/caffe.proto"
        subprocess.run(["protoc", f"--proto_path={proto.parent}", f"--python_out={folder}", proto.name], check=True)
        sys.path.insert(0, folder)
        import caffe_pb2
    return caffe_pb2


def pycaffe(source):
    """Caffe itself, if it has been built."""
    sys.path.insert(0, str(Path(source) / "python"))
    try:
        import caffe
    except ImportError as error:
        print(f"without Caffe itself: {error}", file=sys.stderr)
        return None
    caffe.set_mode_cpu()
    return caffe


# The layers, as Caffe defines them, in double precision. Arrays are [channels, height, width].


def convolution(x, param, blobs):
    kernel, weights = param.kernel_size[0], blobs[0].astype(np.float64)
    pad, stride = (param.pad or [0])[0], (param.stride or [1])[0]
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad)])
    side = (x.shape[1] - kernel) // stride + 1
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride][:, :side, :side]
    inputs, outputs = x.shape[0] // param.group, weights.shape[0] // param.group
    parts = [
        np.tensordot(weights[g * outputs : (g + 1) * outputs], windows[g * inputs : (g + 1) * inputs], axes=([1, 2, 3], [0, 3, 4]))
        for g in range(param.group)
    ]
    return np.concatenate(parts) + (blobs[1].astype(np.float64).reshape(-1, 1, 1) if len(blobs) > 1 else 0)


def pooling(x, param):
    kernel, stride, size = param.kernel_size, param.stride, x.shape[1]
    down = param.round_mode == 1
    side = ((size - kernel) // stride if down else -((kernel - size) // stride)) + 1
    out = np.empty((x.shape[0], side, side))
    for i in range(side):
        for j in range(side):
            window = x[:, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            out[:, i, j] = window.max((1, 2)) if param.pool == 0 else window.mean((1, 2))
    return out


def lrn(x, param):
    size, reach = param.local_size, param.local_size // 2
    squares = x * x
    if param.norm_region == 0:
        padded = np.pad(squares, [(reach, reach), (0, 0), (0, 0)])
        sums = sum(padded[i : i + len(x)] for i in range(size))
        return x * (param.k + param.alpha / size * sums) ** -param.beta
    # The mean over the window counts the pixels beyond the edge; the constant is 1 whatever `k` is.
    padded = np.pad(squares, [(0, 0), (reach, reach), (reach, reach)])
    height, width = x.shape[1:]
    sums = sum(padded[:, i : i + height, j : j + width] for i in range(size) for j in range(size))
    return x * (1 + param.alpha / size**2 * sums) ** -param.beta


def inner_product(x, param, blobs):
    weights = blobs[0].astype(np.float64).reshape(param.num_output, -1)
    return weights @ x.ravel() + (blobs[1].astype(np.float64).ravel() if len(blobs) > 1 else 0)


def forward(net, weights, image):
    """The blobs of a network up to its logits. `weights` are the arrays of each layer, by its name."""
    blobs = {"data": image.astype(np.float64)}
    for layer in net.layer:
        if layer.type in ("Input", "Softmax"):
            continue
        x = blobs[layer.bottom[0]]
        arrays = weights.get(layer.name)
        if layer.type == "Slice":
            parts = np.split(x, len(layer.top))
            blobs.update(zip(layer.top, parts))
            continue
        out = {
            "Convolution": lambda: convolution(x, layer.convolution_param, arrays),
            "InnerProduct": lambda: inner_product(x, layer.inner_product_param, arrays),
            "Pooling": lambda: pooling(x, layer.pooling_param),
            "LRN": lambda: lrn(x, layer.lrn_param),
            "ReLU": lambda: np.maximum(x, 0),
            "TanH": lambda: np.tanh(x),
            "Sigmoid": lambda: 1 / (1 + np.exp(-x)),
            "Dropout": lambda: x,
            "Power": lambda: x * layer.power_param.scale,
            "Concat": lambda: np.concatenate([blobs[bottom] for bottom in layer.bottom]),
        }[layer.type]()
        blobs[layer.top[0]] = out
        last = out
    return last


def relative(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.sqrt(((a - b) ** 2).sum() / (b**2).sum()))


def logits(source, net, weights, files, images):
    """Of Caffe itself if there is one, compared with the definitions; otherwise of those."""
    defined = [forward(net, weights, image) for image in images]
    caffe = pycaffe(source)
    if caffe is None:
        return defined, "the definitions in NumPy"
    computed = of_caffe(caffe, files, images, net.layer[-1].bottom[0])
    for a, b in zip(computed, defined):
        assert relative(a, b) < 1e-5, relative(a, b)
    print(f"Caffe and the definitions: {max(relative(a, b) for a, b in zip(computed, defined)):.1e}")
    return computed, f"Caffe {caffe.__version__}"


def of_caffe(caffe, files, images, blob):
    net = caffe.Net(str(files[0]), str(files[1]), caffe.TEST)
    out = []
    for image in images:
        net.blobs["data"].reshape(1, *image.shape)
        net.blobs["data"].data[0] = image
        net.forward()
        out.append(net.blobs[blob].data[0].ravel().copy())
    return out


# Small networks of the structures of AlexNet and CaffeNet.

CROP, SQUARE, CLASSES = 35, 40, 5


def definition(order, source=None):
    """A small deploy.prototxt. `order` is that of pooling and normalization."""
    text = ['name: "%s"' % ("AlexNet" if order[0] == "norm" else "CaffeNet")]
    text.append('layer { name: "data" type: "Input" top: "data" input_param { shape: { dim: 2 dim: 3 dim: %d dim: %d } } }' % (CROP, CROP))
    bottom = "data"

    def weighted(name, kind, settings):
        nonlocal bottom
        text.append(
            f'layer {{\n  name: "{name}"\n  type: "{kind}"\n  bottom: "{bottom}"\n  top: "{name}"\n  param {{ lr_mult: 1 decay_mult: 1 }}\n'
            f"  param {{ lr_mult: 2 decay_mult: 0 }}\n  {settings}\n}}"
        )
        bottom = name

    def other(name, kind, settings, in_place=False):
        nonlocal bottom
        top = bottom if in_place else name
        text.append(f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {settings} }}')
        bottom = top

    def stage(i):
        for what in order:
            if what == "norm":
                other(f"norm{i}", "LRN", "lrn_param { local_size: 5 alpha: 0.02 beta: 0.75 }")
            else:
                other(f"pool{i}", "Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")

    weighted("conv1", "Convolution", "convolution_param { num_output: 8 kernel_size: 5 stride: 2 }")
    other("relu1", "ReLU", "", True)
    stage(1)
    weighted("conv2", "Convolution", "convolution_param { num_output: 12 pad: 2 kernel_size: 5 group: 2 }")
    other("relu2", "ReLU", "", True)
    stage(2)
    weighted("conv3", "Convolution", "convolution_param { num_output: 12 pad: 1 kernel_size: 3 }")
    other("relu3", "ReLU", "", True)
    weighted("conv4", "Convolution", "convolution_param { num_output: 12 pad: 1 kernel_size: 3 group: 2 }")
    other("relu4", "ReLU", "", True)
    weighted("conv5", "Convolution", "convolution_param { num_output: 8 pad: 1 kernel_size: 3 group: 2 }")
    other("relu5", "ReLU", "", True)
    other("pool5", "Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }")
    for i in (6, 7):
        weighted(f"fc{i}", "InnerProduct", "inner_product_param { num_output: 16 }")
        other(f"relu{i}", "ReLU", "", True)
        other(f"drop{i}", "Dropout", "dropout_param { dropout_ratio: 0.5 }", True)
    weighted("fc8", "InnerProduct", "inner_product_param { num_output: %d }" % CLASSES)
    text.append('layer { name: "prob" type: "Softmax" bottom: "fc8" top: "prob" }')
    return "\n".join(text) + "\n"


def random_weights(net, shapes, random):
    """Weights that keep the size of activations, and biases."""
    out = {}
    for layer in net.layer:
        if layer.name in shapes:
            shape, bias = shapes[layer.name]
            fan_in = int(np.prod(shape[1:]))
            weights = random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))
            out[layer.name] = [weights, random.standard_normal(bias, np.float32) * np.float32(0.1)]
    return out


def shapes_of(net, crop):
    """The shapes of weights and biases, which a forward pass finds."""
    shapes, blobs = {}, {"data": (3, crop, crop)}
    for layer in net.layer:
        if layer.type in ("Input", "Softmax"):
            continue
        channels, side, _ = blobs[layer.bottom[0]]
        if layer.type == "Convolution":
            p = layer.convolution_param
            shapes[layer.name] = ((p.num_output, channels // p.group, p.kernel_size[0], p.kernel_size[0]), (p.num_output,))
            side = (side + 2 * (p.pad or [0])[0] - p.kernel_size[0]) // (p.stride or [1])[0] + 1
            channels = p.num_output
        elif layer.type == "InnerProduct":
            shapes[layer.name] = ((layer.inner_product_param.num_output, channels * side * side), (layer.inner_product_param.num_output,))
            channels, side = layer.inner_product_param.num_output, 1
        elif layer.type == "Pooling":
            side = -((layer.pooling_param.kernel_size - side) // layer.pooling_param.stride) + 1
        blobs[layer.top[0]] = (channels, side, side)
    return shapes


def fill(blob, array, kind="data", legacy=False):
    if legacy:
        shape = [1] * (4 - array.ndim) + list(array.shape)
        blob.num, blob.channels, blob.height, blob.width = shape
    else:
        blob.shape.dim.extend(array.shape)
    getattr(blob, kind).extend(array.ravel().tolist())


def caffemodel(pb, net, weights, kind="data"):
    """A file of the current format."""
    out = pb.NetParameter()
    out.CopyFrom(net)
    for layer in out.layer:
        for array in weights.get(layer.name, []):
            fill(layer.blobs.add(), array, kind)
    return out.SerializeToString()


V1_TYPES = {"Convolution": "CONVOLUTION", "InnerProduct": "INNER_PRODUCT", "Pooling": "POOLING", "LRN": "LRN", "ReLU": "RELU", "Dropout": "DROPOUT", "Softmax": "SOFTMAX"}


def caffemodel_v1(pb, net, weights, crop):
    """A file of the format before 2015: `layers` with types of an enumeration, and arrays of four dimensions."""
    out = pb.NetParameter(name=net.name, input=["data"], input_dim=[2, 3, crop, crop])
    for layer in net.layer:
        if layer.type == "Input":
            continue
        made = out.layers.add(name=layer.name, type=V1_TYPES[layer.type], bottom=layer.bottom, top=layer.top)
        for param in ("convolution_param", "inner_product_param", "pooling_param", "lrn_param", "dropout_param"):
            if layer.HasField(param):
                getattr(made, param).CopyFrom(getattr(layer, param))
        for array in weights.get(layer.name, []):
            fill(made.blobs.add(), array, legacy=True)
            made.blobs_lr.append(1)
    return out.SerializeToString()


def mean_file(pb, mean):
    """`mean` is [3, height, width] in the order blue, green, red."""
    blob = pb.BlobProto()
    fill(blob, mean, legacy=True)
    return blob.SerializeToString()


def views(squares, mean, crop):
    """Squares [height, width, RGB] as Caffe's data layer prepares them in the test phase."""
    offset = (squares.shape[1] - crop) // 2
    cut = slice(offset, offset + crop)
    return [(square[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) - mean)[:, cut, cut] for square in squares]


def small(source):
    pb, random = protocol(source), np.random.default_rng(SEED)
    squares = random.integers(0, 256, (2, SQUARE, SQUARE, 3), np.uint8)
    mean = random.uniform(80, 150, (3, SQUARE, SQUARE)).astype(np.float32)
    (HERE / "squares.bin").write_bytes(squares.tobytes())
    (HERE / "mean.binaryproto").write_bytes(mean_file(pb, mean))
    result = {"script": "golden.py small", "numpy": np.__version__}
    for name, order in [("alexnet", ["norm", "pool"]), ("caffenet", ["pool", "norm"])]:
        text = definition(order)
        net = text_format.Parse(text, pb.NetParameter())
        weights = random_weights(net, shapes_of(net, CROP), random)
        (HERE / f"{name}.prototxt").write_text(text)
        (HERE / f"{name}.caffemodel").write_bytes(caffemodel(pb, net, weights))
        (HERE / f"{name}-v1.caffemodel").write_bytes(caffemodel_v1(pb, net, weights, CROP))
        files = [HERE / f"{name}.prototxt", HERE / f"{name}.caffemodel"]
        values, by = logits(source, net, weights, files, views(squares, mean, CROP))
        caffe = pycaffe(source)
        if caffe is not None:
            # Caffe itself reads the earlier format as well.
            again = of_caffe(caffe, [files[0], HERE / f"{name}-v1.caffemodel"], views(squares, mean, CROP), "fc8")
            assert all((a == b).all() for a, b in zip(again, values))
            # And this is how it writes the current one.
            caffe.Net(str(files[0]), str(files[1]), caffe.TEST).save(str(HERE / f"{name}-saved.caffemodel"))
        result[name], result["by"] = [[float(v) for v in row] for row in values], by
    (HERE / "alexnet-double.caffemodel").write_bytes(caffemodel(pb, net_of(pb, "alexnet"), doubles(pb, "alexnet"), "double_data"))
    (HERE / "alexnet-saved.caffemodel").unlink(missing_ok=True)
    (HERE / "logits.json").write_text(json.dumps(result, indent=1) + "\n")


def net_of(pb, name):
    return text_format.Parse((HERE / f"{name}.prototxt").read_text(), pb.NetParameter())


def doubles(pb, name):
    """The weights of a file, in double precision."""
    net = pb.NetParameter.FromString((HERE / f"{name}.caffemodel").read_bytes())
    arrays = lambda layer: [np.array(blob.data, np.float64).reshape(blob.shape.dim) for blob in layer.blobs]
    return {layer.name: arrays(layer) for layer in net.layer if layer.blobs}


def full(source, folder):
    pb, random = protocol(source), np.random.default_rng(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    squares = random.integers(0, 256, (2, 256, 256, 3), np.uint8)
    mean = random.uniform(80, 150, (3, 256, 256)).astype(np.float32)
    for name in ("bvlc_alexnet", "bvlc_reference_caffenet"):
        out = folder / name
        out.mkdir(exist_ok=True)
        text = (Path(source) / "models" / name / "deploy.prototxt").read_text()
        net = text_format.Parse(text, pb.NetParameter())
        weights = random_weights(net, shapes_of(net, 227), random)
        (out / "deploy.prototxt").write_text(text)
        (out / "weights.caffemodel").write_bytes(caffemodel(pb, net, weights))
        (out / "weights-v1.caffemodel").write_bytes(caffemodel_v1(pb, net, weights, 227))
        (out / "mean.binaryproto").write_bytes(mean_file(pb, mean))
        (out / "squares.bin").write_bytes(squares.tobytes())
        files = [out / "deploy.prototxt", out / "weights.caffemodel"]
        values, by = logits(source, net, weights, files, views(squares, mean, 227))
        (out / "logits.bin").write_bytes(b"".join(struct.pack(f"<{len(row)}f", *row) for row in values))
        print(f"{name}: logits of {by}")


def check(source, folder):
    """Compares the logits of exported networks: Caffe's, the definitions' and those that this project computed."""
    pb, caffe = protocol(source), pycaffe(source)
    for out in sorted(path.parent for path in folder.glob("*/exported-logits.bin")):
        net = text_format.Parse((out / "deploy.prototxt").read_text(), pb.NetParameter())
        stored = pb.NetParameter.FromString((out / "weights.caffemodel").read_bytes())
        arrays = lambda layer: [np.array(blob.data, np.float32).reshape(blob.shape.dim) for blob in layer.blobs]
        weights = {layer.name: arrays(layer) for layer in stored.layer if layer.blobs}
        blob = pb.BlobProto.FromString((out / "mean.binaryproto").read_bytes())
        mean = np.array(blob.data, np.float32).reshape(blob.channels, blob.height, blob.width)
        image = net.layer[0].transform_param
        squares = np.fromfile(out / "squares.bin", np.uint8).reshape(-1, blob.height, blob.width, 3)
        images = [view * np.float32(image.scale) for view in views(squares, mean, image.crop_size)]
        ours = np.fromfile(out / "exported-logits.bin", "<f4").reshape(len(images), -1)
        defined = [forward(net, weights, image) for image in images]
        line = f"{out.name}: definitions {max(relative(a, b) for a, b in zip(ours, defined)):.1e}"
        if caffe is not None:
            computed = of_caffe(caffe, [out / "deploy.prototxt", out / "weights.caffemodel"], images, net.layer[-1].bottom[0])
            line += f", Caffe {caffe.__version__} {max(relative(a, b) for a, b in zip(ours, computed)):.1e}"
        print(line)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "small":
        small(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] in ("full", "check"):
        {"full": full, "check": check}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(__doc__)
