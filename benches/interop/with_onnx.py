#!/usr/bin/env python3
"""Compares exported ONNX files with onnxruntime and OpenVINO, and imported ones with PyTorch, which wrote them.

    pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 onnxscript==0.7.2 torch==2.15.0 torchvision==0.29.2 pillow
    cargo build --release && cargo build --release -p alexnet --example onnx
    python3 benches/interop/with_onnx.py target/release [export|int8|import] [NAME...]

Exported: for each recipe, a model with made weights as `--input floats`, as `--input crop --softmax --opset 13`, and as `--input square
--opset 22`. ONNX's checker accepts each, shape inference knows the shape of every tensor, and the relative RMS of the difference from
this program's logits (probabilities) is that of a batch of 1 and of 7. `int8`: 8-bit models, calibrated on made images, against the
logits of this program's 8-bit engine. Imported: networks that PyTorch writes with both of its exporters, for a fixed and for any number of
images, and one of the model zoo's structure in four operator sets; each is exported, imported and exported again, to the same bytes.
Prints tables in Markdown, and fails if a difference in f32 is above the tolerance.
"""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "crates/alexnet/tests/onnx"))
import nets  # noqa: E402

TOLERANCE = 1e-5
# A softmax multiplies differences by the size of the logits.
OF_PROBABILITIES = 1e-4
BATCHES = [1, 7]


def difference(found, expected):
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(np.sqrt(((found - expected) ** 2).sum() / (expected**2).sum()))


def softmax(logits):
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def check(path):
    """Returns the number of tensors of a graph that ONNX accepts and knows all shapes of."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    shapes = {}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        shapes[value.name] = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
    for node in graph.node:
        for name in node.output:
            is_parameter = name.endswith((".weight", ".bias"))
            assert all(shapes[name]) and ("N" in shapes[name] or is_parameter), f"{path.name}: {name} has the shape {shapes[name]}"
    return len(shapes)


def runtimes(path):
    """Returns functions from inputs to outputs."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(path)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [lambda values: session.run(None, {name: values})[0], lambda values: compiled(values)[0]]


def exported(folder, name):
    """Yields what `onnx export` has written: a file, what is fed to it, and what is expected."""
    expected = np.fromfile(folder / f"{name}.logits.f32", "<f4").reshape(7, -1)
    views = np.fromfile(folder / f"{name}.views.f32", "<f4")
    side = round((views.size / 21) ** 0.5)
    squares = np.fromfile(folder / f"{name}.squares.u8", np.uint8)
    square = round((squares.size / 21) ** 0.5)
    squares = squares.reshape(7, square, square, 3)
    first = (square - side) // 2
    crops = np.ascontiguousarray(squares[:, first : first + side, first : first + side])
    yield "floats", f"{name}.onnx", views.reshape(7, 3, side, side), expected
    yield "crop", f"{name}.crop.onnx", crops, softmax(expected)
    yield "square", f"{name}.square.onnx", squares, expected


def rows(folder, name):
    """Prints a line for each input of an exported model, and returns the largest difference, relative to its tolerance."""
    worst = 0.0
    for kind, file, values, expected in exported(folder, name):
        tensors = check(folder / file)
        cells = [difference(run(values[:batch]), expected[:batch]) for run in runtimes(folder / file) for batch in BATCHES]
        tolerance = OF_PROBABILITIES if kind == "crop" else TOLERANCE
        worst = max([worst, *(cell / tolerance for cell in cells)])
        print(f"| {name} | {kind} | {tensors} | " + " | ".join(f"{cell:.1e}" for cell in cells) + " |", flush=True)
    return worst


HEADER = "| | input | tensors | onnxruntime, 1 | onnxruntime, 7 | OpenVINO, 1 | OpenVINO, 7 |\n|---|---|---|---|---|---|---|"


def run_export(programs, names):
    print(f"\n{HEADER}")
    worst = 0.0
    for name in names or sorted(path.stem for path in (ROOT / "recipes").glob("*.toml")):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([programs / "examples/onnx", "make", name, folder], check=True, stdout=subprocess.DEVNULL)
            worst = max(worst, rows(Path(folder), name))
    return worst


def run_int8(programs, names):
    print(f"\n{HEADER}")
    for name in names or ["small", "torchvision"]:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            subprocess.run([programs / "examples/onnx", "make", name, folder], check=True, stdout=subprocess.DEVNULL)
            # Calibrated on the squares that the model is compared with.
            squares = np.fromfile(folder / f"{name}.squares.u8", np.uint8)
            side = round((squares.size / 21) ** 0.5)
            for i, square in enumerate(squares.reshape(7, -1)):
                (folder / f"images/{i % 2}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(square.reshape(side, side, 3)).save(folder / f"images/{i % 2}/{i}.png")
            quantize = [programs / "alexnet", "quantize", folder / f"{name}.safetensors", folder / f"{name}-int8.safetensors"]
            subprocess.run([*quantize, "--calibrate", folder / "images"], check=True, capture_output=True)
            subprocess.run([programs / "examples/onnx", "export", folder / f"{name}-int8.safetensors", folder], check=True, stdout=subprocess.DEVNULL)
            rows(folder, f"{name}-int8")
    # Rounding to 8 bits differs wherever sums differ in their last digit.
    return 0.0


def torch_cases(folder, names):
    import torch
    import torchvision

    modules = {"paper": nets.Paper, "caffenet": nets.CaffeNet, "torchvision": torchvision.models.alexnet, "normalized": nets.Normalized}
    for name in names or modules:
        torch.manual_seed(1)
        module = modules[name]().eval() if name == "torchvision" else nets.fill(modules[name]())
        side = getattr(module, "side", 224)
        views = torch.from_numpy(nets.values(3 * 3 * side * side, 7).reshape(3, 3, side, side))
        with torch.no_grad():
            expected = getattr(module, "logits", module)(views).numpy()
        for dynamo in [False, True]:
            for batch in ["fixed", "any"]:
                file = folder / f"{name}.onnx"
                options = {"input_names": ["images"], "output_names": ["logits"], "dynamo": dynamo, "verbose": False}
                if batch == "any":
                    axes = {"images": {0: "n"}, "logits": {0: "n"}}
                    options |= {"dynamic_shapes": ({0: torch.export.Dim("n")},)} if dynamo else {"dynamic_axes": axes}
                torch.onnx.export(module, (views,), file, **options)
                yield f"{name} | `dynamo={dynamo}`, {batch} batch", file, views.numpy(), expected, []


def zoo_cases(folder):
    for opset in [7, 9, 11, 12]:
        file = folder / "zoo.onnx"
        model = nets.zoo(opset=opset)
        onnx.save(model, file)
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("fc8_1", onnx.TensorProto.FLOAT, [1, 1000]))
        del model.graph.node[-1]
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        views = nets.values(3 * 3 * 224 * 224, 7).reshape(3, 3, 224, 224)
        expected = np.concatenate([session.run(None, {"data_0": view[None]})[0] for view in views])
        yield f"model zoo | operator set {opset}, BGR", file, np.ascontiguousarray(views[:, ::-1]), expected, []
        yield f"model zoo | operator set {opset}, `--channels rgb`", file, views, expected, ["rgb"]


def imported(program, file, views, *more):
    """Returns the logits of an imported network, whose export does not change in another round, and the number of its layers."""
    stem = file.with_suffix("")
    views.astype("<f4").tofile(f"{stem}.views.f32")
    rounds = []
    for source in [file, stem.with_suffix(".again.onnx")]:
        out = stem.with_suffix(".again.logits")
        command = [program, "import", source, f"{stem}.views.f32", out, *more]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # `import` exports to the name of its output with .onnx.
        rounds.append((out.with_suffix(".onnx").read_bytes(), np.fromfile(out, "<f4").reshape(len(views), -1), text))
        more = []
    assert rounds[0][0] == rounds[1][0], f"{file.name}: the second export differs"
    return rounds[0][1], rounds[0][2].rsplit("layers: ", 1)[1].count(",") + 1


def run_import(programs, names):
    print("\n| network | written with | layers | relative RMS |\n|---|---|---|---|")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for cases in [torch_cases(Path(folder), names), zoo_cases(Path(folder)) if not names else []]:
            for name, file, views, expected, more in cases:
                logits, layers = imported(programs / "examples/onnx", file, views, *more)
                found = difference(logits, expected)
                worst = max(worst, found / TOLERANCE)
                print(f"| {name} | {layers} | {found:.1e} |", flush=True)
    return worst


def main():
    warnings.simplefilter("ignore")
    programs, what, names = Path(sys.argv[1]).resolve(), sys.argv[2:3], sys.argv[3:]
    print(f"onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}, OpenVINO {openvino.__version__}")
    parts = {"export": run_export, "int8": run_int8, "import": run_import}
    worst = max(parts[part](programs, names) for part in what or parts)
    print(f"\nlargest relative RMS in f32: {worst:.2f} of the tolerance")
    sys.exit(0 if worst < 1 else 1)


if __name__ == "__main__":
    main()
