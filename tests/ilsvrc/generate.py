#!/usr/bin/env python3
"""Writes meta.mat: a development kit's file with six classes and one synset above them, by scipy.

    pip install scipy && python tests/ilsvrc/generate.py

With a folder, it writes a whole challenge there, in the layout that ImageNet hands out, of small random pictures:

    pip install scipy numpy pillow && python tests/ilsvrc/generate.py FOLDER [--classes 1000] [--train 20] [--val 2000]

The real oddities are in it: a PNG named JPEG, a CMYK picture, EXIF orientation, a grey picture, a truncated one.
"""

import argparse
import io
import random
import tarfile
from pathlib import Path

import numpy as np
import scipy.io

HERE = Path(__file__).resolve().parent
# In the order of the challenge's identifiers, which is not that of the WNIDs; two have the same words, as in 2012.
SYNSETS = [
    ("n02119789", "kit fox, Vulpes macrotis"),
    ("n02100735", "English setter"),
    ("n02110185", "Siberian husky"),
    ("n02096294", "Australian terrier"),
    ("n02012849", "crane"),
    ("n03126707", "crane"),
]


def meta(path, synsets):
    """The struct array of 2012: classes first, then a synset that has them as children."""
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
    records = np.empty((len(synsets) + 1, 1), dtype=[(field, object) for field in fields])
    for i, (wnid, words) in enumerate([*synsets, ("n00001740", "entity")]):
        children = np.arange(1, len(synsets) + 1, dtype=np.float64) if i == len(synsets) else np.zeros(0)
        gloss = f"what {words} is, in a sentence: caf\u00e9"
        values = (float(i + 1), wnid, words, gloss, float(len(children)), children, 0.0, 1300.0)
        records[i, 0] = values
    scipy.io.savemat(path, {"synsets": records}, do_compression=True)


def add(archive, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def picture(rng, label, odd=None):
    from PIL import Image

    height, width = rng.randint(40, 90), rng.randint(40, 90)
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(0, 60, (height, width, 3), dtype=np.uint8)
    pixels[:, :, label % 3] += np.uint8(60 + label * 7 % 120)
    image, data = Image.fromarray(pixels), io.BytesIO()
    if odd == "png":
        image.save(data, "PNG")
    elif odd == "cmyk":
        image.convert("CMYK").save(data, "JPEG")
    elif odd == "grey":
        image.convert("L").save(data, "JPEG")
    elif odd == "exif":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(data, "JPEG", exif=exif)
    else:
        image.save(data, "JPEG", quality=85)
    return data.getvalue()[: -len(data.getvalue()) // 2] if odd == "cut" else data.getvalue()


def challenge(folder, classes, train, val):
    rng = random.Random(2012)
    folder.mkdir(parents=True, exist_ok=True)
    wnids = rng.sample(range(1_000_000, 9_999_999), classes)
    synsets = [(f"n{wnid:08}", f"class {i + 1}") for i, wnid in enumerate(wnids)]
    place = {wnid: i for i, (wnid, _) in enumerate(sorted(synsets))}
    odd = {0: "png", 1: "cmyk", 2: "exif", 3: "grey", 4: "cut"}
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as outer:
        for wnid, _ in sorted(synsets):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as archive:
                for i in range(train):
                    kind = odd.get(i) if place[wnid] == 0 else None
                    add(archive, f"{wnid}_{i + 1}.JPEG", picture(rng, place[wnid], kind))
            add(outer, f"{wnid}.tar", inner.getvalue())
    truth = [rng.randint(1, classes) for _ in range(val)]
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as archive:
        for i, identifier in enumerate(truth):
            add(archive, f"ILSVRC2012_val_{i + 1:08}.JPEG", picture(rng, place[synsets[identifier - 1][0]]))
    kit = folder / "kit.mat"
    meta(kit, synsets)
    with tarfile.open(folder / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        add(archive, "ILSVRC2012_devkit_t12/data/meta.mat", kit.read_bytes())
        lines = "".join(f"{identifier}\n" for identifier in truth).encode()
        add(archive, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", lines)
    kit.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--train", type=int, default=20)
    parser.add_argument("--val", type=int, default=2000)
    args = parser.parse_args()
    if args.folder:
        challenge(args.folder, args.classes, args.train, args.val)
    else:
        meta(HERE / "meta.mat", SYNSETS)


if __name__ == "__main__":
    main()
