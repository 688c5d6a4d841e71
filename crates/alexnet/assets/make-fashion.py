"""Writes the part of Fashion-MNIST that ships with the program: the first 1,000 training and the first 200 test images
of each class, in their original order, as IDX files.

    python3 crates/alexnet/assets/make-fashion.py /usr/share/datasets/fashion-mnist

The folder is from Debian's package dataset-fashion-mnist. The same input always produces the same bytes.
"""

import gzip
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent / "fashion-mnist"


def read(path, dimensions):
    data = gzip.open(path).read()
    return struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions]), data[4 + 4 * dimensions :]


def write(name, magic, extents, data):
    header = struct.pack(f">{1 + len(extents)}I", magic, *extents)
    (HERE / name).write_bytes(gzip.compress(header + data, 9, mtime=0))


def part(source, split, per_class):
    (count, rows, columns), pixels = read(source / f"{split}-images-idx3-ubyte.gz", 3)
    _, labels = read(source / f"{split}-labels-idx1-ubyte.gz", 1)
    seen, chosen = [0] * 10, []
    for i in range(count):
        if seen[labels[i]] < per_class:
            seen[labels[i]] += 1
            chosen.append(i)
    size = rows * columns
    images = b"".join(pixels[i * size : (i + 1) * size] for i in chosen)
    write(f"{split}-images-idx3-ubyte.gz", 0x803, (len(chosen), rows, columns), images)
    write(f"{split}-labels-idx1-ubyte.gz", 0x801, (len(chosen),), bytes(labels[i] for i in chosen))


HERE.mkdir(exist_ok=True)
part(pathlib.Path(sys.argv[1]), "train", 1000)
part(pathlib.Path(sys.argv[1]), "t10k", 200)
