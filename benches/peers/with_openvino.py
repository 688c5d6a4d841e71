"""OpenVINO: inference in single precision, in bf16 by its precision hint, and in int8 after NNCF's post-training quantization.

What quantization leaves in floating point is computed in OpenVINO's own default: bf16 where the processor has it.
"""

import logging

import openvino
from onnx_graph import onnx_model


def predictor(network, parameters, precision, calibration, threads, batch=None, exact=True):
    """Returns a function from images to logits. With `batch`, the model is compiled for that number of images."""
    core = openvino.Core()
    model = core.read_model(onnx_model(network, parameters, exact), b"")
    if precision == "int8":
        model = quantized(model, calibration)
    if batch:
        maps = network.input
        model.reshape([batch, maps.channels, maps.side, maps.side])
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if precision != "int8":
        config["INFERENCE_PRECISION_HINT"] = precision
    compiled = core.compile_model(model, "CPU", config)
    used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if precision == "bf16" and used != "bf16":
        raise ValueError(f"OpenVINO computes in {used} on this processor, not in bf16")
    request, output = compiled.create_infer_request(), compiled.output(0)
    return lambda images: request.infer({0: images}, share_inputs=True)[output]


def quantized(model, calibration):
    import nncf

    logging.getLogger("nncf").setLevel(logging.WARNING)
    images = nncf.Dataset([image[None] for image in calibration])
    return nncf.quantize(model, images, subset_size=len(calibration))


def open_side(job):
    predict = predictor(job.network, job.parameters, job.precision, job.calibration, job.threads, len(job.images), exact=False)
    return lambda: predict(job.images)
