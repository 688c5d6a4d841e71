#!/usr/bin/env python3
"""Compares loading throughput on one core with torchvision and Pillow.

    pip install torch torchvision pillow numpy safetensors
    cargo build --release
    python benches/peers/pipeline.py target/release/alexnet imagenette.tar [--rounds 5]

Full size: JPEG files of 500 x 375, about 62 KB, each a mosaic of six real images; read, decoded, the short side resized to 256
with antialiasing, cropped to the center square. Packed: those squares as `data pack` stores them, JPEG and raw, read and decoded.
Programs alternate, pinned to one core; medians over the rounds. Prints a Markdown table.

--turbojpeg adds a second program, built with `--features turbojpeg`.
"""

import argparse
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

COUNT = 300


def mosaics(archive, folder):
    """Writes images of 500 x 375, mosaics of six real ones, at a quality that results in about 62 KB."""
    from PIL import Image

    rng = random.Random(2012)
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers() if m.isfile() and m.name.lower().endswith((".jpg", ".jpeg"))]
        tiles = [Image.open(io.BytesIO(tar.extractfile(m).read())).convert("RGB") for m in rng.sample(members, 600)]
    (folder / "train" / "a").mkdir(parents=True)
    sizes = []
    for i in range(COUNT):
        whole = Image.new("RGB", (500, 375))
        for j, tile in enumerate(rng.sample(tiles, 6)):
            whole.paste(tile.resize((167, 188), Image.LANCZOS), (j % 3 * 167, j // 3 * 188))
        path = folder / "train" / "a" / f"{i:03}.JPEG"
        whole.save(path, quality=88)
        sizes.append(path.stat().st_size)
    return sum(sizes) / len(sizes)


def python_side(kind, folder, seconds):
    """Prints the images/s of a peer; runs in its own process."""
    if kind.startswith("torchvision"):
        import torch
        from torchvision.io import ImageReadMode, decode_jpeg, read_file
        from torchvision.transforms.v2 import functional as F

        torch.set_num_threads(1)
        decode = lambda data: decode_jpeg(data, mode=ImageReadMode.RGB)
        if kind == "torchvision full":
            use = lambda path: F.center_crop(F.resize(decode(read_file(str(path))), [256], antialias=True), [256, 256])
        else:
            use = lambda data: decode(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    else:
        import numpy as np
        from PIL import Image

        def use(source):
            image = Image.open(source if isinstance(source, Path) else io.BytesIO(source)).convert("RGB")
            if kind == "pillow full":
                scale = 256 / min(image.size)
                image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
                left, top = (image.width - 256) // 2, (image.height - 256) // 2
                image = image.crop((left, top, left + 256, top + 256))
            return np.asarray(image)

    if kind.endswith("full"):
        items = sorted(Path(folder).glob("train/a/*.JPEG"))
    else:
        from safetensors.numpy import load_file

        shard = load_file(Path(folder) / "train-00000.safetensors")
        data, ends = shard["bytes"].tobytes(), shard["offsets"]
        items = [data[a:b] for a, b in zip(ends, ends[1:])]
    for item in items[:20]:
        use(item)
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        use(items[done % len(items)])
        done += 1
    print(done / (time.perf_counter() - begin))


def on_one_core(command):
    return subprocess.run(
        command, check=True, capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ).stdout


def ours(program, folder, seconds):
    """Returns the images/s of reading, decoding and resizing to squares."""
    command = [program, "data", "bench", folder, "--json", "--threads", "1", "--seconds", str(seconds)]
    steps = {step["name"]: step["images_per_second"] for step in json.loads(on_one_core(command))["steps"]}
    return 1 / sum(1 / steps[name] for name in ("read", "decode", "square"))


def theirs(kind, folder, seconds):
    return float(on_one_core([sys.executable, __file__, "--side", kind, folder, "--seconds", str(seconds)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("archive", nargs="?")
    parser.add_argument("--turbojpeg")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--side")
    args = parser.parse_args()
    if args.side:
        python_side(args.side, args.program, args.seconds)
        return
    with tempfile.TemporaryDirectory() as temporary:
        full = Path(temporary) / "full"
        size = mosaics(args.archive, full)
        packed = {}
        for store in ["raw", "jpeg"]:
            packed[store] = Path(temporary) / store
            subprocess.run([args.program, "data", "pack", full, packed[store], "--store", store], check=True, capture_output=True)
        sides = {}
        programs = {"alexnet": args.program} | ({"alexnet, turbojpeg": args.turbojpeg} if args.turbojpeg else {})
        for name, program in programs.items():
            sides["full", name] = lambda p=program: ours(p, full, args.seconds)
            sides["jpeg", name] = lambda p=program: ours(p, packed["jpeg"], args.seconds)
        sides["raw", "alexnet"] = lambda: ours(args.program, packed["raw"], args.seconds)
        for name in ["torchvision", "pillow"]:
            sides["full", name] = lambda n=name: theirs(f"{n} full", full, args.seconds)
            sides["jpeg", name] = lambda n=name: theirs(f"{n} packed", packed["jpeg"], args.seconds)
        found = {key: [] for key in sides}
        for _ in range(args.rounds):
            for key, side in sides.items():
                found[key].append(side())
    import PIL
    import torch
    import torchvision

    print(f"{platform.machine()}, one core; {COUNT} images of {size / 1e3:.0f} KB; medians of {args.rounds} rounds")
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}\n")
    print("| images | side | images/s | lowest, highest |\n|---|---|---|---|")
    titles = {"full": "500 x 375, decoded, cut to a 256 square", "jpeg": "packed JPEG of 256 x 256, decoded", "raw": "packed raw, read"}
    for (images, name), rates in found.items():
        print(f"| {titles[images]} | {name} | {statistics.median(rates):,.0f} | {min(rates):,.0f}, {max(rates):,.0f} |")


if __name__ == "__main__":
    main()
