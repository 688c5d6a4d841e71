"""Computes logits with onnxruntime: python compare.py FOLDER.

FOLDER has request.json and views.f32, [images, 3, crop, crop]. Writes logits.f32, [images, classes], and result.json: the program that
computed them, or the package that is missing.
"""

import json
import sys
from pathlib import Path


def without_softmax(file):
    """Returns the bytes of the model with the input of its last softmax as the output, or None without the package `onnx`."""
    try:
        import onnx
    except ImportError:
        return None
    model = onnx.load(file)
    producers = {name: node for node in model.graph.node for name in node.output}
    name = model.graph.output[0].name
    while producers[name].op_type not in ("Softmax", "LogSoftmax"):
        name = producers[name].input[0]
    name = producers[name].input[0]
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return model.SerializeToString()


def pixels(views, described):
    """Returns the bytes that the graph makes the views from, `[images, side, side, 3]`."""
    import numpy as np

    mean = np.array(described["mean"]["data"], np.float32).reshape(described["mean"]["shape"])
    crops = np.rint(views.transpose(0, 2, 3, 1) / np.array(described["scale"], np.float32) + mean)
    side, (row, column) = described["side"], described["first"]
    squares = np.zeros((len(crops), side, side, 3), np.uint8)
    squares[:, row : row + crops.shape[1], column : column + crops.shape[2]] = crops.astype(np.uint8)
    return squares


def logits(session, values):
    """Returns the outputs, `[images, classes]`. A graph with a fixed number of images takes as many at once, some of them twice."""
    import numpy as np

    described = session.get_inputs()[0]
    batch = described.shape[0] if isinstance(described.shape[0], int) else len(values)
    rows = []
    for first in range(0, len(values), batch):
        some = values[first : first + batch]
        filled = np.concatenate([some, np.repeat(some[:1], batch - len(some), axis=0)])
        output = session.run(None, {described.name: filled})[0]
        rows.append(output.reshape(batch, -1)[: len(some)])
    return np.concatenate(rows)


def compare(folder):
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    try:
        import numpy as np
        import onnxruntime
    except ImportError as error:
        return {"missing": error.name}
    model = without_softmax(request["file"]) if request["softmax"] else request["file"]
    if model is None:
        return {"missing": "onnx"}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    views = np.fromfile(folder / "views.f32", "<f4")
    views = views.reshape(request["images"], 3, request["crop"], request["crop"])
    if request["reverse_channels"]:
        views = np.ascontiguousarray(views[:, ::-1])
    if request["pixels"] is not None:
        views = pixels(views, request["pixels"])
    logits(session, views).astype("<f4").tofile(folder / "logits.f32")
    return {"program": f"onnxruntime {onnxruntime.__version__}"}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "result.json").write_text(json.dumps(compare(folder)))
