"""Checks exported ONNX files with ONNX itself, onnxruntime and OpenVINO.

    python exported.py FOLDER [NAME...]

FOLDER holds what `cargo run --example onnx -- make RECIPE FOLDER` (or `export MODEL FOLDER`) writes. For each NAME: the checker of
ONNX with shape inference, a shape for every tensor, and the relative RMS of the logits' difference at batch 1 and 7, for floats,
crops and squares. Prints a line of Markdown for each, and fails if one is above the tolerance.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import openvino

TOLERANCE = 1e-5
BATCHES = [1, 7]


def check(path):
    """The number of tensors of a graph that ONNX accepts and knows all shapes of."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    shapes = {}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        dims = value.type.tensor_type.shape.dim
        shapes[value.name] = [dim.dim_param or dim.dim_value for dim in dims]
    for node in graph.node:
        for name in node.output:
            shape = shapes[name]
            assert all(shape), f"{path.name}: {name} has the shape {shape}"
            assert "N" in shape or name.endswith((".weight", ".bias")), f"{path.name}: {name} has the shape {shape}"
    return len(shapes)


def softmax(logits):
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def difference(found, expected):
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(np.sqrt(((found - expected) ** 2).sum() / (expected**2).sum()))


def runtimes(path):
    """Functions from inputs to outputs, by the names of the runtimes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(path)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {
        "onnxruntime": lambda values: session.run(None, {name: values})[0],
        "OpenVINO": lambda values: compiled(values)[0],
    }


def inputs(folder, name):
    """The files of a model, with what is fed to each."""
    expected = np.fromfile(folder / f"{name}.logits.f32", "<f4").reshape(7, -1)
    views = np.fromfile(folder / f"{name}.views.f32", "<f4")
    side = round((views.size / 21) ** 0.5)
    squares = np.fromfile(folder / f"{name}.squares.u8", np.uint8)
    square = round((squares.size / 21) ** 0.5)
    squares = squares.reshape(7, square, square, 3)
    first = (square - side) // 2
    crops = np.ascontiguousarray(squares[:, first : first + side, first : first + side])
    return {
        f"{name}.onnx": (views.reshape(7, 3, side, side), expected),
        f"{name}.crop.onnx": (crops, softmax(expected)),
        f"{name}.square.onnx": (squares, expected),
    }


def main(folder, names):
    names = names or sorted(path.name.removesuffix(".logits.f32") for path in folder.glob("*.logits.f32"))
    worst = 0.0
    for name in names:
        for file, (values, expected) in inputs(folder, name).items():
            tensors = check(folder / file)
            cells = []
            for run in runtimes(folder / file).values():
                for batch in BATCHES:
                    cells.append(difference(run(values[:batch]), expected[:batch]))
            worst = max([worst, *cells])
            print(f"| {file} | {tensors} | " + " | ".join(f"{cell:.1e}" for cell in cells) + " |", flush=True)
    versions = f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, OpenVINO {openvino.__version__}"
    print(f"largest relative RMS: {worst:.1e}; {versions}")
    sys.exit(0 if worst < TOLERANCE else 1)


main(pathlib.Path(sys.argv[1]), sys.argv[2:])
