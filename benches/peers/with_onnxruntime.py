"""onnxruntime: inference in single precision, and in int8 after its static quantization, per channel, in QDQ form."""

import tempfile
from pathlib import Path

import onnxruntime
from onnx_graph import onnx_model


def predictor(network, parameters, precision, calibration, threads, batch=None, exact=True):
    """Returns a function from images to logits."""
    model = onnx_model(network, parameters, exact)
    if precision == "int8":
        model = quantized(model, calibration)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})[0]


def quantized(model, calibration):
    """u8 activations and s8 weights. Without VNNI, products of pairs would saturate, so weights have 7 bits."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(CalibrationDataReader):
        images = iter(calibration)

        def get_next(self):
            image = next(self.images, None)
            return None if image is None else {"images": image[None]}

    with tempfile.TemporaryDirectory() as folder:
        source, prepared, result = (Path(folder) / name for name in ("f32.onnx", "prepared.onnx", "int8.onnx"))
        source.write_bytes(model)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            result,
            Images(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=not has_vnni(),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return result.read_bytes()


def has_vnni():
    info = Path("/proc/cpuinfo")
    return info.exists() and "vnni" in info.read_text()


def open_side(job):
    predict = predictor(job.network, job.parameters, job.precision, job.calibration, job.threads, exact=False)
    return lambda: predict(job.images)
