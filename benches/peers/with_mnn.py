"""MNN: inference in single precision, and with its setting for low precision, which changes nothing on x86 processors.

Its setting for bf16 changes nothing there either, and its quantization tool, `mnnquant` 3.6.1, aborts on these networks.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import MNN
import numpy as np
from onnx_graph import onnx_model

PRECISIONS = {"f32": "high", "low": "low"}


def predictor(network, parameters, precision, calibration, threads, batch=None, exact=True):
    """Returns a function from images to logits."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model = converted(onnx_model(network, parameters, exact), folder)
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
    # The command of the package would also install a logging client, and report its use.
    call = [sys.executable, "-c", "import MNN, _tools, sys; _tools.mnnconvert(sys.argv)"]
    names = ["--modelFile", source, "--MNNModel", result]
    done = subprocess.run([*call, "-f", "ONNX", *names, "--bizCode", "alexnet"], capture_output=True, text=True)
    if not result.exists():
        raise ValueError(f"mnnconvert wrote no model: exit code {done.returncode}")
    return result


def open_side(job):
    predict = predictor(job.network, job.parameters, job.precision, job.calibration, job.threads, exact=False)
    return lambda: predict(job.images)
