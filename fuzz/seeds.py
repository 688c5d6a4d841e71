#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets: fuzz/seeds/ (packed squares, committed) and fuzz/corpus/ (not committed).

    cargo build --release && python fuzz/seeds.py target/release/alexnet

Needs only the standard library.
"""

import io
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent / "crates/alexnet/tests"


def png(width, height, salt, bits=8, color=2):
    channels = {0: 1, 2: 3, 6: 4}[color]
    row = bytes((salt * 37 + i * 11) % 256 for i in range(width * channels * bits // 8))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpegs(files):
    """JPEG files with other markers, which need the exact decoder."""
    out = []
    for file in (f for f in files if f[:3] == b"\xff\xd8\xff"):
        out.append(file[:-2])
        out.append(file[:2] + b"stray" + file[2:])
        out.append(file[:2] + b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0" + file[2:])
        for marker in (b"\xff\xc0", b"\xff\xc2"):
            if (at := file.find(marker)) > 0:
                # The height after the scan, and chroma with finer sampling than luma.
                out.append(file[: at + 5] + b"\0\0" + file[at + 7 : -2] + b"\xff\xdc\0\4" + file[at + 5 : at + 7] + b"\xff\xd9")
                out.append(file[: at + 11] + b"\x11" + file[at + 12 : at + 14] + b"\x22" + file[at + 15 :])
    return out


def rasters():
    """Minimal files of other formats."""
    bmp = b"BM" + struct.pack("<IIIIiiHHIIiiII", 70, 0, 54, 40, 2, 2, 1, 24, 0, 16, 0, 0, 0, 0) + bytes(range(16))
    gif = b"GIF89a\2\0\2\0\x80\0\0\0\0\0\xff\xff\xff" + 2 * b"\x2c\0\0\0\0\2\0\2\0\0\2\3\x44\2\5\0" + b";"
    entries = [(256, 2), (257, 2), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, 4), (274, 6)]
    directory = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in sorted(entries))
    tiff = b"II*\0" + struct.pack("<I", 12) + b"\1\2\3\4" + struct.pack("<H", len(entries)) + directory + bytes(4)
    vp8l = b"\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0"
    webp = b"WEBPVP8L" + struct.pack("<I", len(vp8l)) + vp8l
    heic = b"\0\0\0\x18ftypheic" + bytes(12)
    return [bmp, gif, tiff, b"RIFF" + struct.pack("<I", len(webp)) + webp, heic, b"<?xml version='1.0'?><svg/>"]


def tar(members, kind=tarfile.GNU_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()


def idx(extents, values):
    return bytes([0, 0, 8, len(extents)]) + b"".join(struct.pack(">I", n) for n in extents) + values


def packed(program):
    """Packs four images of two classes as squares of four pixels."""
    with tempfile.TemporaryDirectory() as folder:
        for label, name in enumerate(["cat", "dog"]):
            (Path(folder) / "train" / name).mkdir(parents=True)
            for i in range(2):
                (Path(folder) / "train" / name / f"{i}.png").write_bytes(png(6, 5, 2 * label + i))
        for store in ["raw", "jpeg"]:
            shutil.rmtree(HERE / "seeds" / store, ignore_errors=True)
            out = HERE / "seeds" / store
            subprocess.run([program, "data", "pack", ".", out, "--store", store, "--side", "4"], check=True, cwd=folder)


def without_checksums(file):
    """Sets the checksums of a zip archive to 0, which PyTorch does too if it is asked to, so that entries can change."""
    out = bytearray(file)
    for start, field in [(b"PK\x01\x02", 16), (b"PK\x03\x04", 14)]:
        at = file.find(start)
        while at >= 0:
            out[at + field : at + field + 4] = bytes(4)
            at = file.find(start, at + 4)
    return bytes(out)


def exported(program):
    """A network with every kind of layer: state dicts with metadata and without, ONNX files with every kind of input, and model files:
    in f32, quantized, and an ensemble of both."""
    tests = TESTS / "torch/every-layer.pth", TESTS / "support/every-layer.toml"
    with tempfile.TemporaryDirectory() as folder:
        model, out = Path(folder) / "model.safetensors", Path(folder) / "out.safetensors"
        subprocess.run([program, "import", tests[0], model, "--recipe", tests[1]], check=True, env={**os.environ, "ALEXNET_PYTHON": ""})
        subprocess.run([program, "export", model, out], check=True)
        whole = out.read_bytes()
        graphs = []
        for options in [[], ["--input", "crop", "--softmax", "--opset", "13"], ["--input", "square", "--opset", "22"]]:
            graph = Path(folder) / f"{len(graphs)}.onnx"
            subprocess.run([program, "export", model, graph, *options], check=True)
            graphs.append(graph.read_bytes())
        for i in range(2):
            place = Path(folder) / "images" / "ab"[i]
            place.mkdir(parents=True)
            (place / "1.png").write_bytes(png(6, 5, i))
        quantized, ensemble = Path(folder) / "int8.safetensors", Path(folder) / "ensemble.safetensors"
        subprocess.run([program, "quantize", model, "--calibrate", Path(folder) / "images", quantized], check=True)
        subprocess.run([program, "ensemble", model, quantized, ensemble], check=True)
        models = [path.read_bytes() for path in [model, quantized, ensemble]]
    size = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + size])
    del header["__metadata__"]
    bare = json.dumps(header).encode()
    return [whole, struct.pack("<Q", len(bare)) + bare + whole[8 + size :]], graphs, models


def without_metadata(graph):
    """Renames the metadata of an ONNX file, so that its layers are taken from the graph."""
    return graph.replace(b"alexnet.", b"Alexnet.")


def cuda_convnet():
    """Networks with two columns, with one, and with locally connected layers; parameters with schedules and changes by hand."""
    def section(name, **values):
        return f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())

    begin = section("data", type="data", dataIdx=0) + section("labels", type="data", dataIdx=1)
    end = (
        section("fc9", type="fc", inputs="INPUTS", outputs=5, initW="0.01")
        + section("probs", type="softmax", inputs="fc9")
        + section("logprob", type="cost.logreg", inputs="labels,probs")
    )
    columns = ""
    for me, other in ["ab", "ba"]:
        columns += section(f"conv1{me}", type="conv", inputs="data", channels=3, filters=4, stride=2, filterSize=5, initW=0.03, gpu=0)
        columns += section(f"norm1{me}", type="cmrnorm", inputs=f"conv1{me}", channels=4, size=3)
        columns += section(f"pool1{me}", type="pool", pool="max", inputs=f"norm1{me}", sizeX=3, stride=2, channels=4, neuron="relu")
        both = {"filters": "6,6", "padding": "1,1", "filterSize": "3,3", "channels": "4,4", "initW": "0.02,0.02", "initB": 1}
        columns += section(f"conv2{me}", type="conv", inputs=f"pool1{me},pool1{other}", neuron="logistic", **both)
        columns += section(f"fc1{me}", type="fc", inputs=f"conv2{me},conv2{other}", outputs=10, neuron="tanh[1,1]")
        columns += section(f"hs1{me}", type="hs", keep=0.7, inputs=f"fc1{me}")
    one = (
        section("conv1", type="conv", inputs="data", channels=3, filters=4, padding=2, filterSize=5, groups=1, sharedBiases=0)
        + section("rnorm1", type="rnorm", inputs="conv1", channels=4, sizeX=3, scale=0.00005, pow=".75")
        + section("pool1", type="pool", pool="avg", inputs="rnorm1", sizeX=3, stride=2, channels=4)
        + section("local2", type="local", inputs="pool1", filters=4, padding=1, filterSize=3, channels=4, neuron="relu")
    )

    def rates(name, inputs, **others):
        values = {key: ",".join([value] * inputs) for key, value in {"epsW": "0.01", "momW": "0.9", "wc": "0.004"}.items()}
        return section(name, **values, epsB=0.02, momB="0.9 ; as momW", **others)

    norms = "".join(section(name, scale=0.001, pow=0.75, minDiv=2) for name in ["norm1a", "norm1b"])
    notes = "# epoch 20: set epsw to 0.001 from 0.01\n# epoch 30: set epsw to 0 on conv1\n# epoch 40: killed\n"
    several = "".join(rates(f"{name}{column}", inputs) for name, inputs in [("conv1", 1), ("conv2", 2), ("fc1", 2)] for column in "ab")
    single = rates("conv1", 1, schedW="dexp[tgtFactor=250,noiseStdev=0,numSteps=4]", schedB="linear[tgtFactor=10]") + rates("local2", 1)
    networks = [
        (columns + end.replace("INPUTS", "hs1a,hs1b").replace("0.01", "0.01,0.01"), several + norms + rates("fc9", 2) + notes),
        (one + end.replace("INPUTS", "local2"), single + rates("fc9", 1)),
    ]
    return [
        struct.pack("<H", len(begin + layers)) + (begin + layers + parameters).encode() for layers, parameters in networks
    ]


def caffe():
    """Definitions, weights and a mean image of the tests, and a whole network of a few bytes."""
    solver = b'base_lr: 0.01\nlr_policy: "step"\ngamma: 0.1\nstepsize: 100000\nmax_iter: 450000\nmomentum: 0.9\nweight_decay: 0.0005\n'
    data = (
        b'layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN } transform_param { crop_size: 6 mirror: true\n'
        b' mean_value: [104, 117, 123] scale: 0.5 } data_param { batch_size: 9 } }\n'
    )
    layers = (
        b'layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 } convolution_param { num_output: 2\n'
        b' kernel_size: 3 weight_filler { type: "xavier" } } }\nlayer { name: "r" type: "ReLU" bottom: "conv1" top: "conv1" }\n'
        b'layer { name: "s" type: "Slice" bottom: "conv1" top: "a" top: "b" }\nlayer { name: "na" type: "LRN" bottom: "a" top: "na" }\n'
        b'layer { name: "nb" type: "LRN" bottom: "b" top: "nb" }\nlayer { name: "c" type: "Concat" bottom: "na" bottom: "nb" top: "c" }\n'
        b'layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: AVE kernel_size: 2 stride: 2 } }\n'
        b'layer { name: "fc" type: "InnerProduct" bottom: "p" top: "fc" inner_product_param { num_output: 3 } } # end\n'
        b'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }\n'
    )
    folder = TESTS / "caffe"
    nets = [data + layers] + [(folder / f"{name}.prototxt").read_bytes() for name in ["alexnet", "caffenet"]]
    text = [struct.pack("<H", len(net)) + net + end for net in nets for end in [solver, b""]]

    def field(number, content):
        key = number << 3 | (0 if isinstance(content, int) else 2)
        content = b"" if isinstance(content, int) else content

        def varint(value):
            return bytes([value & 127 | 128]) + varint(value >> 7) if value > 127 else bytes([value])

        return varint(key) + (varint(len(content)) + content if key & 7 else varint(0))

    def blob(*shape):
        count = 1
        for dim in shape:
            count *= dim
        return field(7, field(5, struct.pack(f"<{count}f", *([0.5] * count))) + field(7, field(1, bytes(shape))))

    source = field(1, b"data") + field(2, b"Input") + field(4, b"data") + field(100, b"") + field(143, field(1, field(1, bytes([1, 3, 4, 4]))))
    fc = field(1, b"fc") + field(2, b"InnerProduct") + field(3, b"data") + field(4, b"fc") + blob(2, 48) + blob(2) + field(117, b"\x08\x02")
    mean = b"\x08\x01\x10\x03\x18\x04\x20\x04" + field(5, struct.pack("<48f", *range(48)))
    tiny = field(100, source) + field(100, fc)
    weights = [struct.pack("<H", len(mean)) + mean + tiny, struct.pack("<H", 0) + tiny]
    stored = (folder / "mean.binaryproto").read_bytes()
    for path in sorted(folder.glob("*.caffemodel")):
        weights.append(struct.pack("<H", len(stored)) + stored + path.read_bytes())
    return {"prototxt": text, "caffemodel": weights}


def main():
    program = Path(sys.argv[1]).resolve()
    packed(program)
    corpus = {"image": [], "tar": [], "list": [], "mat": [], "idx": [], "packed": []}
    corpus["image"] = [png(7, 5, 1), png(3, 3, 2, 16), png(3, 3, 3, 8, 0), png(4, 4, 4, 8, 6)]
    files = [p.read_bytes() for p in sorted((TESTS / "data").rglob("*")) if p.suffix in {".jpg", ".png"}]
    corpus["image"] += files + jpegs(files) + rasters()
    corpus["image"] += [gzip.compress(png(3, 3, 5)), gzip.compress(gzip.compress(png(3, 3, 6)))]
    small = png(2, 2, 0)
    classes = [("cat/1.png", small), ("dog/1.png", small), ("dog/2.png", b"")]
    corpus["tar"] = [
        tar(classes),
        tar([("x" * 150 + "/1.png", small), ("link.png", None), ("/etc/1.png", small), ("../1.png", small)]),
        tar([("é" * 120 + "/1.png", small)], tarfile.PAX_FORMAT),
        tar([("1.png", small), ("1.cls", b"3"), ("2.png", small), ("2.cls", b"cat")]),
        tar([("n01440764.tar", tar([("n01440764_1.JPEG", small)])), ("n01443537.tar", tar([("n01443537_1.JPEG", small)]))]),
    ]
    corpus["tar"] += [
        tar(classes[:1]) + tar(classes[1:]),
        tar(classes) + b"\0" * 4096 + b"something else",
        tar([("/data/cat/1.png", small), ("/data/dog/1.png", small), ("./cat/1.png", small), ("cat/1.png", small)]),
        tar([("a.0.png", small), ("a.0.cls", b"0"), ("a.0.seg.png", small), ("a.1.png", small), ("a.1.cls", b"")]),
        tar([("1.png", small), ("1.json", b'{"label": 3, "class": "cat"}'), ("2.png", small), ("2.json", b"[1]")]),
        tar([("1.png", small), ("1.txt", b"\xff\xfec\0"), ("1.cls.txt", b"cat"), ("._1.png", b"x"), ("1.class", b"dog")]),
    ]
    lists = [
        "a 1.jpg,cat\nb.jpg,dog\nsub/c.jpg,cat\n",
        "id,label,width,split\r\nb,\"Cat, old\",3,train\r\nc,dog,4,val\r\n",
        "image;is_valid;breed\nsub\\b.png;True;pug\n/x/sub/c.jpg;False;pug\nb.jpg;0;x\n",
        "b.jpg 1 0 0 9 9\nc 0 1 1 9 9\n",
        "1.jpg 1\nILSVRC2012_val_00000002.JPEG,n02017213 1 2 3 4\n",
        "ImageId,PredictionString\n1,n02017213 1 2 3 4 n02017213 1 2 3 4\n",
        "\"b.jpg,cat\nsub/c.jpg,\"two\nlines\"\nb.jpg,dog\n",
    ]
    for text in lists:
        for coding in ["utf-8", "utf-8-sig", "utf-16", "latin-1"]:
            for names in [b"", b"0 cat\n1 dog\n", b"cat\ndog\n"]:
                corpus["list"].append(struct.pack("<H", len(names)) + names + text.encode(coding))
    corpus["mat"] = [(TESTS / "ilsvrc" / "meta.mat").read_bytes()]
    images, labels = idx([2, 3, 3], bytes(18)), idx([2], bytes(2))
    for pair in [(images, labels), (gzip.compress(images), gzip.compress(labels)), (idx([1, 1, 1], b"1"), idx([2], b"12"))]:
        corpus["idx"].append(struct.pack("<H", len(pair[0])) + pair[0] + pair[1])
    for kind, store in enumerate(["raw", "jpeg"]):
        for replaced, name in enumerate(["train-00000.safetensors", "pack.json", "statistics.safetensors"]):
            corpus["packed"].append(bytes([replaced << 1 | kind]) + (HERE / "seeds" / store / name).read_bytes())
    torch = {p.name: p.read_bytes() for p in sorted((TESTS / "torch").iterdir()) if p.is_file()}
    corpus["pth"] = [without_checksums(torch[name]) for name in torch if name.endswith((".pth", ".pt"))]
    state_dicts, graphs, corpus["model"] = exported(program)
    recipes = sorted((TESTS.parent / "recipes").glob("*.toml"))
    corpus["recipe"] = [path.read_bytes() for path in [*recipes, TESTS / "support/every-layer.toml"]]
    corpus["state_dict"] = [*state_dicts, torch["narrow.safetensors"]]
    corpus["onnx"] = [*graphs, *map(without_metadata, graphs), *(path.read_bytes() for path in sorted((TESTS / "onnx").glob("*.onnx")))]
    corpus["cuda_convnet"] = cuda_convnet()
    corpus.update(caffe())
    for target, seeds in corpus.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate(seeds):
            (folder / f"seed-{i}").write_bytes(seed)


if __name__ == "__main__":
    main()
