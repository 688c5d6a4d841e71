#!/usr/bin/env python3
"""Writes meta.mat, the file of a development kit with six classes and one synset above them, with scipy.

    pip install scipy && python crates/alexnet/tests/ilsvrc/generate.py

With a folder, it writes a complete challenge of small random images there, in ImageNet's layout:

    pip install scipy numpy pillow && python crates/alexnet/tests/ilsvrc/generate.py FOLDER [--classes 1000] [--train 20] [--val 2000]

It includes ImageNet's irregular files, under their real names (a PNG named JPEG and 22 CMYK images), and an image with an EXIF
rotation, a gray one and a truncated one. With --holes, the training archive is a sparse file with its true size and number of images.
"""

import argparse
import io
import random
import tarfile
from pathlib import Path

import numpy as np
import scipy.io

HERE = Path(__file__).resolve().parent
# The files of 2012 that are not what their names say.
PNG_NAMED_JPEG = "n02105855_2933"
CMYK = """n01739381_1309 n02077923_14822 n02447366_23489 n02492035_15739 n02747177_10752 n03018349_4028 n03062245_4620
n03347037_9675 n03467068_12171 n03529860_11437 n03544143_17228 n03633091_5218 n03710637_5125 n03961711_5286 n04033995_2932
n04258138_17003 n04264628_27969 n04336792_7448 n04371774_5854 n04596742_4225 n07583066_647 n13037406_4650""".split()
# In the order of the challenge's identifiers, which is not that of the WNIDs; two have the same words, as in 2012.
SYNSETS = [
    ("n02119789", "kit fox, Vulpes macrotis"),
    ("n02100735", "English setter"),
    ("n02110185", "Siberian husky"),
    ("n02096294", "Australian terrier"),
    ("n02012849", "crane"),
    ("n03126707", "crane"),
]


def meta(path, synsets, ancestors=1):
    """Writes the struct array of 2012: classes first, then synsets that have them as children."""
    fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height", "num_train_images"]
    above = [(f"n{1740 + i:08}", "entity") for i in range(ancestors)]
    records = np.empty((len(synsets) + ancestors, 1), dtype=[(field, object) for field in fields])
    for i, (wnid, words) in enumerate([*synsets, *above]):
        children = np.arange(1, len(synsets) + 1, dtype=np.float64) if i >= len(synsets) else np.zeros(0)
        gloss = f"what {words} is, in a sentence: caf\u00e9"
        values = (float(i + 1), wnid, words, gloss, float(len(children)), children, 0.0, 1300.0)
        records[i, 0] = values
    scipy.io.savemat(path, {"synsets": records}, do_compression=True)


def add(archive, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def image_bytes(rng, label, odd=None):
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
    return data.getvalue()[: len(data.getvalue()) // 2] if odd == "cut" else data.getvalue()


def synsets_of(rng, classes):
    """Returns classes in the order of the challenge's identifiers, which is not that of the WNIDs. They include those with
    irregular files, and two have the same words, as in 2012."""
    real = sorted({name.split("_")[0] for name in [PNG_NAMED_JPEG, *CMYK]})[:classes]
    wnids = real + [f"n{number:08}" for number in rng.sample(range(20_000_000, 99_999_999), classes - len(real))]
    rng.shuffle(wnids)
    words = [f"class {i + 1}, with a comma" for i in range(classes)]
    words[-1] = words[0]
    return list(zip(wnids, words))


def challenge(folder, classes, train, val):
    rng = random.Random(2012)
    folder.mkdir(parents=True, exist_ok=True)
    synsets = synsets_of(rng, classes)
    place = {wnid: i for i, (wnid, _) in enumerate(sorted(synsets))}
    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as outer:
        for wnid, _ in sorted(synsets):
            named = {name: "cmyk" for name in CMYK if name.startswith(wnid)}
            named |= {PNG_NAMED_JPEG: "png"} if PNG_NAMED_JPEG.startswith(wnid) else {}
            plain = [f"{wnid}_{i + 1}" for i in range(train - len(named))]
            odd = {0: "exif", 1: "grey", 2: "cut"} if place[wnid] == 0 else {}
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as archive:
                for i, name in enumerate(plain):
                    add(archive, f"{name}.JPEG", image_bytes(rng, place[wnid], odd.get(i)))
                for name, kind in named.items():
                    add(archive, f"{name}.JPEG", image_bytes(rng, place[wnid], kind))
            add(outer, f"{wnid}.tar", inner.getvalue())
    truth = [rng.randint(1, classes) for _ in range(val)]
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as archive:
        for i, identifier in enumerate(truth):
            add(archive, f"ILSVRC2012_val_{i + 1:08}.JPEG", image_bytes(rng, place[synsets[identifier - 1][0]]))
    kit = folder / "kit.mat"
    meta(kit, synsets, ancestors=860 if classes == 1000 else 1)
    with tarfile.open(folder / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        add(archive, "ILSVRC2012_devkit_t12/data/meta.mat", kit.read_bytes())
        lines = "".join(f"{identifier}\n" for identifier in truth).encode()
        add(archive, "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", lines)
    kit.unlink()


def holes(folder):
    """Writes the training archive at its true size: 1,000 archives, 1,281,167 images, 147,897,477,120 bytes, of which only
    the headers take disk space (5 GB, one block each)."""
    rng = random.Random(2012)
    folder.mkdir(parents=True, exist_ok=True)
    total, images, classes = 147_897_477_120, 1_281_167, 1000
    wnids = sorted(wnid for wnid, _ in synsets_of(rng, classes))
    counts = [images // classes + (i < images % classes) for i in range(classes)]
    # What headers, end blocks and padding leave for images.
    mean = (total - 10240 - classes * (512 + 10240)) // images - 512 - 256

    def header(name, size):
        head = bytearray(tarfile.TarInfo(name).tobuf()[:512])
        head[124:136] = b"%011o\0" % size
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        return bytes(head)

    with open(folder / "ILSVRC2012_img_train.tar", "wb") as file:
        at = 0
        for wnid, count in zip(wnids, counts):
            begin = at + 512
            end = begin
            for i in range(count):
                size = rng.randrange(mean // 2, mean + mean // 2)
                file.seek(end)
                file.write(header(f"{wnid}_{i + 1}.JPEG", size))
                end += 512 + -(-size // 512) * 512
            length = -(-(end - begin + 1024) // 10240) * 10240
            file.seek(at)
            file.write(header(f"{wnid}.tar", length))
            at = begin + length
        file.truncate(max(total, at + 1024))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--train", type=int, default=20)
    parser.add_argument("--val", type=int, default=2000)
    parser.add_argument("--holes", action="store_true")
    args = parser.parse_args()
    if args.folder and args.holes:
        holes(args.folder)
    elif args.folder:
        challenge(args.folder, args.classes, args.train, args.val)
    else:
        meta(HERE / "meta.mat", SYNSETS)


if __name__ == "__main__":
    main()
