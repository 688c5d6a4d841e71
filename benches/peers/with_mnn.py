"""MNN: inference in single precision, with its setting for low precision, and in int8 after its offline quantization."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import MNN
import numpy as np
from onnx_graph import onnx_model

PRECISIONS = {"f32": "high", "low": "low", "int8": "high"}


def predictor(network, parameters, precision, calibration, threads, batch=None, exact=True):
    """Returns a function from images to logits."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = converted(onnx_model(network, parameters, exact), folder)
        if precision == "int8":
            model = quantized(model, network, calibration, folder)
        interpreter = MNN.Interpreter(str(model))
    session = interpreter.createSession({"numThread": threads, "precision": PRECISIONS[precision], "backend": "CPU"})
    source, target = interpreter.getSessionInput(session), interpreter.getSessionOutput(session)

    def predict(images):
        if source.getShape() != images.shape:
            interpreter.resizeTensor(source, images.shape)
            interpreter.resizeSession(session)
        source.copyFrom(tensor(images))
        interpreter.runSession(session)
        logits = tensor(np.empty((len(images), network.classes), np.float32))
        target.copyToHostTensor(logits)
        return np.array(logits.getData(), np.float32).reshape(len(images), -1)

    return predict


def tensor(values):
    return MNN.Tensor(values.shape, MNN.Halide_Type_Float, values, MNN.Tensor_DimensionType_Caffe)


def converted(model, folder):
    source, result = folder / "model.onnx", folder / "model.mnn"
    source.write_bytes(model)
    names = "--modelFile", source, "--MNNModel", result
    return run(result, "_tools.mnnconvert(sys.argv)", "-f", "ONNX", *names, "--bizCode", "alexnet")


def quantized(model, network, calibration, folder):
    """Its tool reads images from files and subtracts one mean per channel: enough for comparisons of speed, with random images."""
    from PIL import Image

    images = folder / "images"
    images.mkdir()
    low, high = calibration.min(), calibration.max()
    for number, image in enumerate(calibration):
        pixels = ((image.transpose(1, 2, 0) - low) * (255 / (high - low))).astype(np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
    scale = float((high - low) / 255)
    settings = {
        "format": "RGB",
        "mean": [float(-low) / scale] * 3,
        "normal": [scale] * 3,
        "width": network.input.side,
        "height": network.input.side,
        "path": f"{images}/",
        "used_image_num": len(calibration),
        "feature_quantize_method": "KL",
        "weight_quantize_method": "MAX_ABS",
    }
    configuration, result = folder / "settings.json", folder / "int8.mnn"
    configuration.write_text(json.dumps(settings))
    return run(result, "_tools.mnnquant(*sys.argv[1:])", model, result, configuration)


def run(result, call, *arguments):
    """Calls one of MNN's tools. The commands of the package would also install a logging client, and report their use."""
    command = [sys.executable, "-c", f"import MNN, _tools, sys; {call}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if not result.exists():
        raise ValueError(f"{call} wrote no model: exit code {done.returncode}")
    return result


def open_side(job):
    predict = predictor(job.network, job.parameters, job.precision, job.calibration, job.threads, exact=False)
    return lambda: predict(job.images)
