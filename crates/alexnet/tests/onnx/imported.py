"""Imports ONNX files that PyTorch's two exporters write, and one of the model zoo's structure, and compares the logits.

    PYTHONPATH=SITE_PACKAGES_OF_TORCH python imported.py EXAMPLE FOLDER

EXAMPLE is the program of `cargo build --example onnx`; files go to FOLDER. Prints a line of Markdown for each file, and fails if a
relative RMS is above the tolerance, or if an imported network that is exported, imported and exported again has other bytes.
"""

import pathlib
import subprocess
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision

import nets

TOLERANCE = 1e-5
BATCH = 3


def difference(found, expected):
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    return float(np.sqrt(((found - expected) ** 2).sum() / (expected**2).sum()))


def imported(example, file, views, *more):
    """The logits of an imported network; its export again must not change in another round."""
    stem = file.with_suffix("")
    views.astype("<f4").tofile(f"{stem}.views.f32")
    rounds = []
    for source in [file, stem.with_suffix(".again.onnx")]:
        out = stem.with_suffix(".again.logits")
        command = [example, "import", source, f"{stem}.views.f32", out, *more]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        # `import` exports to the name of its output with .onnx.
        written = out.with_suffix(".onnx")
        rounds.append((written.read_bytes(), np.fromfile(out, "<f4").reshape(len(views), -1), text))
        more = []
    assert rounds[0][0] == rounds[1][0], f"{file.name}: the second export differs"
    return rounds[0][1], rounds[0][2]


def torch_cases(folder):
    modules = {"paper": nets.Paper, "caffenet": nets.CaffeNet, "torchvision": torchvision.models.alexnet, "normalized": nets.Normalized}
    for name, build in modules.items():
        torch.manual_seed(1)
        module = nets.fill(build()) if name != "torchvision" else build().eval()
        side = getattr(module, "side", 224)
        views = torch.from_numpy(nets.values(BATCH * 3 * side * side, 7).reshape(BATCH, 3, side, side))
        with torch.no_grad():
            expected = getattr(module, "logits", module)(views).numpy()
        for exporter in ["TorchScript", "torch.export"]:
            for batch in ["fixed", "any"]:
                file = folder / f"{name}.onnx"
                options = {}
                if batch == "any" and exporter == "torch.export":
                    options["dynamic_shapes"] = ({0: torch.export.Dim("n")},)
                elif batch == "any":
                    options["dynamic_axes"] = {"images": {0: "n"}, "logits": {0: "n"}}
                names = {"input_names": ["images"], "output_names": ["logits"]}
                try:
                    torch.onnx.export(module, (views,), file, dynamo=exporter == "torch.export", **names, **options)
                except torch.onnx.errors.SymbolicValueError as error:
                    print(f"| {name} | {exporter}, {batch} batch | cannot be exported: {str(error).splitlines()[0][:90]} | |")
                    continue
                yield f"{name} | {exporter}, {batch} batch", file, views.numpy(), expected, []


def zoo_cases(folder):
    for opset in [7, 9, 11, 12]:
        file = folder / "zoo.onnx"
        model = nets.zoo(opset=opset)
        onnx.save(model, file)
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("fc8_1", onnx.TensorProto.FLOAT, [1, 1000]))
        del model.graph.node[-1]
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        views = nets.values(BATCH * 3 * 224 * 224, 7).reshape(BATCH, 3, 224, 224)
        expected = np.concatenate([session.run(None, {"data_0": view[None]})[0] for view in views])
        yield f"model zoo's structure | operator set {opset}, BGR", file, views[:, ::-1], expected, []
        yield f"model zoo's structure | operator set {opset}, RGB", file, views, expected, ["rgb"]


def main(example, folder):
    warnings.simplefilter("ignore")
    worst = 0.0
    for make in [torch_cases, zoo_cases]:
        for name, file, views, expected, more in make(folder):
            logits, text = imported(example, file, np.ascontiguousarray(views), *more)
            found = difference(logits, expected)
            worst = max(worst, found)
            layers = text.rsplit("layers: ", 1)[1].count(",") + 1
            print(f"| {name} | {layers} | {found:.1e} |", flush=True)
    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, onnx {onnx.__version__}, onnxruntime {onnxruntime.__version__}"
    print(f"largest relative RMS: {worst:.1e}; {versions}")
    sys.exit(0 if worst < TOLERANCE else 1)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
