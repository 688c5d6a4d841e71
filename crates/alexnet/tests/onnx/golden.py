"""Writes the ONNX files of this folder, and the logits that onnxruntime and PyTorch compute for them.

    pip install numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2 torch==2.15.0
    python golden.py

Networks have a sixteenth of the maps of the published ones, and made weights. PyTorch writes each with both of its exporters, for any
number of images; a network of the structure of the model zoo's `bvlcalexnet-12.onnx` is made node by node. `logits.json` has the
logits of two views, those of `nets.values`.
"""

import json
import pathlib
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

import nets

HERE = pathlib.Path(__file__).resolve().parent
BATCH = 2
WIDTH = 16
CLASSES = 5


def views(side):
    return nets.values(BATCH * 3 * side * side, 7).reshape(BATCH, 3, side, side)


def export(name, module):
    """Writes the files of a module, and returns its logits."""
    images = torch.from_numpy(views(module.side))
    with torch.no_grad():
        logits = getattr(module, "logits", module)(images).numpy()
    names = {"input_names": ["images"], "output_names": ["logits"], "external_data": False, "verbose": False}
    ways = {
        "script": {"dynamo": False, "dynamic_axes": {"images": {0: "n"}, "logits": {0: "n"}}},
        "dynamo": {"dynamo": True, "dynamic_shapes": ({0: torch.export.Dim("n")},)},
    }
    for way, options in ways.items():
        file = HERE / f"{name}-{way}.onnx"
        torch.onnx.export(module, (images,), file, **names, **options)
        model = onnx.load(file)
        # Where the exporter ran is no part of the network.
        for node in model.graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        onnx.save(model, file)
    return logits


def zoo():
    model = nets.zoo(WIDTH, CLASSES)
    onnx.save(model, HERE / "zoo.onnx")
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("fc8_1", onnx.TensorProto.FLOAT, [1, CLASSES]))
    del model.graph.node[-1]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"data_0": view[None]})[0] for view in views(224)])


def main():
    warnings.simplefilter("ignore")
    logits = {"by": f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}"}
    for name, build in {"paper": nets.Paper, "caffenet": nets.CaffeNet, "normalized": nets.Normalized}.items():
        module = nets.fill(build(WIDTH, CLASSES))
        logits[name] = export(name, module).tolist()
    logits["zoo"] = zoo().tolist()
    (HERE / "logits.json").write_text(json.dumps(logits, indent=1) + "\n")


main()
