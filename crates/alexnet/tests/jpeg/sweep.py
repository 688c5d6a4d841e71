#!/usr/bin/env python3
"""Compares JPEG decoding with libjpeg-turbo, over every sampling, scan division, restart interval and color marker.

    python crates/alexnet/tests/jpeg/sweep.py target/release/examples/pixels [--table docs/results/jpeg.md]

Files come from cjpeg and jpegtran (Debian's libjpeg-turbo-progs) and from edits of their markers; Pillow decodes the expected
pixels. A file passes if the mean difference is below 0.5 levels, or if it is refused with the right reason. Damaged files
pass if they are reported as truncated.
"""

import argparse
import collections
import datetime
import io
import itertools
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import PIL
from PIL import Image, ImageFile, features

SIZES = [(1, 1), (7, 5), (8, 8), (17, 33), (64, 48), (150, 101)]
# Across and down, for each component.
SAMPLINGS = {
    "gray": "1x1",
    "4:4:4": "1x1,1x1,1x1",
    "4:2:2": "2x1,1x1,1x1",
    "4:2:0": "2x2,1x1,1x1",
    "4:4:0": "1x2,1x1,1x1",
    "4:1:1": "4x1,1x1,1x1",
    "4:1:0": "4x2,1x1,1x1",
    "1x4": "1x4,1x1,1x1",
    "2x4": "2x4,1x1,1x1",
    "4x4": "4x4,1x1,1x1",
    "3x1": "3x1,1x1,1x1",
    "1x3": "1x3,1x1,1x1",
    "2x2 for all": "2x2,2x2,2x2",
    "2x1 for all": "2x1,2x1,2x1",
    "chroma finer": "1x1,2x2,2x2",
    "Cb finer": "1x1,2x1,1x1",
    "chroma at half": "2x2,1x2,2x1",
    "Cr at half": "2x2,2x2,1x1",
    "fractional": "3x1,2x1,1x1",
}
SCANS = {"one": "0,1,2;", "each": "0;1;2;", "2+1": "0,1;2;", "1+2": "0;1,2;"}
RESTARTS = {"none": None, "1": "1B", "row": "1", "5": "5B"}
MARKS = ["JFIF", "Adobe 0", "Adobe 1", "Adobe 2", "JFIF, Adobe 0", "none", "RGB", "short APP14"]


def image(width, height):
    """Waves, an edge and some noise."""
    rng = np.random.default_rng(width * 1000 + height)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = [128 + 90 * np.sin(9 * x * (c + 1)) * np.cos(7 * y + c) for c in range(3)]
    planes = np.stack(planes, axis=-1) + rng.normal(0, 6, (height, width, 3))
    planes[height // 3 : height // 2, width // 4 : width // 2] = [220, 40, 60]
    return np.clip(planes, 0, 255).astype(np.uint8)


def run(*command, data):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def coded(size, sampling, scans, restart, progressive, folder):
    """Returns the file that cjpeg writes, or None if it cannot."""
    values = image(*size)
    gray = "," not in sampling
    kind = b"P5" if gray else b"P6"
    pixels = kind + b" %d %d 255\n" % size + (values[..., 1] if gray else values).tobytes()
    command = ["cjpeg", "-quality", "90", "-sample", sampling]
    if restart:
        command += ["-restart", restart]
    if progressive:
        command += ["-progressive"]
    elif not gray:
        script = folder / "scans"
        script.write_text(scans)
        command += ["-scans", str(script)]
    try:
        return run(*command, data=pixels)
    except subprocess.CalledProcessError:
        return None


def segments(data):
    """Yields (marker, start, end) of every segment up to the first scan's data."""
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
        yield marker, at, at + 2 + length
        at += 2 + length
        if marker == 0xDA:
            return


def without(data, *markers):
    parts = [data[:2]] + [data[a:b] for m, a, b in segments(data) if m not in markers]
    return b"".join(parts) + data[list(segments(data))[-1][2] :]


def adobe(transform, short=False):
    body = b"Adobe\0\x64\0\0\0\0" + bytes([transform])
    body = body[:7] if short else body
    return b"\xff\xee" + struct.pack(">H", len(body) + 2) + body


def marked(data, mark):
    """Returns the file with other color markers."""
    bare = without(data, 0xE0, 0xEE)
    put = lambda *parts: bare[:2] + b"".join(parts) + bare[2:]
    jfif = data[2:20]
    if mark.startswith("Adobe"):
        return put(adobe(int(mark[-1])))
    if mark == "RGB":
        out = bytearray(bare)
        for marker, a, b in segments(bare):
            first, step = (a + 10, 3) if marker in (0xC0, 0xC1, 0xC2) else (a + 5, 2) if marker == 0xDA else (0, 0)
            for i in range(3 if step else 0):
                out[first + i * step] = b"RGB"[i]
        return bytes(out)
    return {
        "JFIF": data,
        "JFIF, Adobe 0": put(jfif, adobe(0)),
        "none": bare,
        "short APP14": put(jfif, adobe(1, short=True)),
    }[mark]


def four(size, transform, quality=90):
    """Returns a file with four components, CMYK or YCCK depending on the transform."""
    out = io.BytesIO()
    Image.fromarray(np.concatenate([image(*size), image(*size)[..., :1]], axis=2), "CMYK").save(out, "JPEG", quality=quality)
    return out.getvalue().replace(adobe(0)[4:], adobe(transform)[4:])


def truth(data):
    """Returns the pixels that Pillow decodes, or its error."""
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except Exception as error:
        return str(error)


def odd(size):
    """Yields complete files with constructs that some decoders do not expect."""
    data = coded(size, "2x2,1x1,1x1", SCANS["one"], None, False, FOLDER)
    restarts = coded(size, "2x2,1x1,1x1", SCANS["one"], "1B", False, FOLDER)
    progressive = coded(size, "2x2,1x1,1x1", None, None, True, FOLDER)
    frame = next(a for m, a, _ in segments(data) if m == 0xC0)
    first = list(segments(data))[1][1]
    dnl = bytearray(data[:-2])
    dnl[frame + 5 : frame + 7] = b"\0\0"
    yield "no end marker", data[:-2], data
    yield "no end marker, progressive", progressive[:-2], progressive
    yield "no end marker, restarts", restarts[:-2], restarts
    yield "height in DNL", bytes(dnl) + b"\xff\xdc\0\x04" + data[frame + 5 : frame + 7] + data[-2:], data
    yield "stray bytes", data[:first] + b"\0\1\2\3" + data[first:], data
    yield "many stray bytes", data[:first] + b"stray bytes, 28 of them, here" + data[first:], data
    yield "fill bytes", data[:first] + b"\xff" * 5 + data[first:], data
    yield "fill bytes before the end marker", data[:-2] + b"\xff\xff\xff" + data[-2:], data
    yield "bytes after the end marker", data + b"trailing \xff\xd8\xff\xda bytes", data
    yield "a second image", data + data, data


def damaged(size):
    """Yields files with missing data, with and without an end marker."""
    whole = {
        "one scan": coded(size, "2x2,1x1,1x1", SCANS["one"], None, False, FOLDER),
        "three scans": coded(size, "2x2,1x1,1x1", SCANS["each"], None, False, FOLDER),
        "progressive": coded(size, "2x2,1x1,1x1", None, None, True, FOLDER),
        "restarts": coded(size, "2x2,1x1,1x1", SCANS["one"], "1B", False, FOLDER),
    }
    for name, data in whole.items():
        start = list(segments(data))[-1][2]
        for share in (0.02, 0.5, 0.9):
            cut = start + int((len(data) - 2 - start) * share)
            cut -= data[cut - 1] == 0xFF
            yield f"{share:.0%} of {name}, end marker", data[:cut] + b"\xff\xd9"
            yield f"{share:.0%} of {name}", data[:cut]
        yield f"all but 8 bytes of {name}, end marker", data[:-10].rstrip(b"\xff") + b"\xff\xd9"
    data = whole["restarts"]
    marks = [i for i in range(len(data) - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]
    middle = marks[len(marks) // 2]
    yield "a restart marker missing", data[:middle] + data[middle + 2 :]
    yield "a restart interval missing", data[:middle] + data[marks[len(marks) // 2 + 1] :]
    yield "restart markers swapped", data[:middle] + bytes([0xFF, 0xD0 + (data[middle + 1] + 3) % 8]) + data[middle + 2 :]
    yield "a short restart interval", data[: middle - 3] + data[middle:]


def unsupported(size):
    gray = b"P5 %d %d 255\n" % size + image(*size)[..., 1].tobytes()
    plain = run("cjpeg", data=gray)
    yield "arithmetic-coded JPEG", run("cjpeg", "-arithmetic", data=gray)
    frame = next(a for m, a, _ in segments(plain) if m == 0xC0)
    for name, marker in [("lossless JPEG", 0xC3), ("JPEG-LS", 0xF7), ("hierarchical JPEG", 0xC5)]:
        yield name, plain[: frame + 1] + bytes([marker]) + plain[frame + 2 :]
    yield "12-bit JPEG", plain[: frame + 1] + b"\xc1" + plain[frame + 2 : frame + 4] + b"\x0c" + plain[frame + 5 :]


Case = collections.namedtuple("Case", "group row data right")


def cases():
    for size, (name, sampling) in itertools.product(SIZES, SAMPLINGS.items()):
        for (split, scans), (restart, interval), progressive in itertools.product(SCANS.items(), RESTARTS.items(), [False, True]):
            if (progressive or sampling == "1x1") and split != "one":
                continue
            data = coded(size, sampling, scans, interval, progressive, FOLDER)
            if data is None:
                continue
            row = (name, "progressive" if progressive else split, restart)
            yield Case("sampling", row, data, truth(data))
    for size, sampling, mark in itertools.product(SIZES, ["4:4:4", "4:2:0", "4:2:2", "chroma finer"], MARKS):
        for split, progressive in [("one", False), ("each", False), ("progressive", True)]:
            data = coded(size, SAMPLINGS[sampling], SCANS.get(split), None, progressive, FOLDER)
            data = marked(data, mark) if mark != "RGB" or split == "one" else None
            if data is not None:
                yield Case("color", (mark, sampling, split), data, truth(data))
    for size, (name, transform) in itertools.product(SIZES, [("CMYK", 0), ("YCCK", 2)]):
        data = four(size, transform)
        yield Case("color", (name, "4:4:4", "one"), data, truth(data))
        bare = without(data, 0xEE)
        yield Case("color", (name + ", no marker", "4:4:4", "one"), bare, truth(bare))
    for size in SIZES:
        for name, data, right in odd(size):
            yield Case("odd", (name,), data, truth(right))
    for size in SIZES[-2:]:
        for name, data in damaged(size):
            yield Case("damaged", (name,), data, "truncated")
    for name, data in unsupported(SIZES[-1]):
        yield Case("unsupported", (name,), data, name)


def judged(case, path):
    """Returns the (mean, largest) difference or the message, and whether it is correct."""
    said, pixels = path.with_name(path.name + ".txt"), path.with_name(path.name + ".ppm")
    said = said.read_text() if said.exists() else None
    if isinstance(case.right, str):
        right = said is not None and (case.right in said or case.group in ("sampling", "color") and "not supported" in said)
        return said or "decoded", right
    if said is not None:
        return said, False
    ours = np.asarray(Image.open(pixels)).astype(int)
    if ours.shape != case.right.shape:
        return f"{ours.shape}", False
    apart = np.abs(ours - case.right.astype(int))
    return (float(apart.mean()), int(apart.max())), bool(apart.mean() < 0.5)


def main():
    global FOLDER
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--table", help="where to write the table")
    parser.add_argument("--keep", help="a folder for the files of cases that fail")
    args = parser.parse_args()
    failed, rows = [], collections.OrderedDict()
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        (FOLDER / "files").mkdir()
        listed = [(case, FOLDER / "files" / f"{i}.jpg") for i, case in enumerate(cases())]
        for case, path in listed:
            path.write_bytes(case.data)
        subprocess.run([args.program, FOLDER / "files"], check=True)
        for case, path in listed:
            outcome, right = judged(case, path)
            rows.setdefault((case.group, case.row), []).append(outcome)
            if not right:
                failed.append((case, outcome))
                if args.keep:
                    pathlib.Path(args.keep).mkdir(exist_ok=True)
                    name = "-".join(case.row).replace(" ", "_").replace("/", "_")
                    (pathlib.Path(args.keep) / f"{len(failed)}-{name}.jpg").write_bytes(case.data)
    text = table(rows)
    print(text)
    if args.table:
        pathlib.Path(args.table).write_text(text)
    for case, outcome in failed[:80]:
        print("WRONG", case.group, case.row, outcome, case.right if isinstance(case.right, str) else case.right.shape)
    print(f"{len(listed)} files, {len(failed)} wrong")
    sys.exit(bool(failed))


def summary(outcomes):
    said = sorted({o for o in outcomes if isinstance(o, str)})
    numbers = [o for o in outcomes if not isinstance(o, str)]
    parts = [f"{max(m for m, _ in numbers):.3f}, {max(w for _, w in numbers)}"] if numbers else []
    return "; ".join(parts + [s.split(": ", 1)[-1].split(", for example")[0] for s in said[:1]])


def table(rows):
    version = features.version_feature("libjpeg_turbo")
    out = [
        "# JPEG decoding compared with libjpeg-turbo",
        "",
        f"Written by `crates/alexnet/tests/jpeg/sweep.py` on {datetime.date.today()} with libjpeg-turbo {version} (Pillow {PIL.__version__}), for",
        f"sizes {', '.join(f'{w} x {h}' for w, h in SIZES)}. Each cell shows the largest mean difference of a file and the largest",
        "difference of a value, in levels of 255, or the error. A mean below 0.5 passes: decoders may round differently, but a sample",
        "from the wrong place differs far more.",
        "",
        "## Samplings, scans and restart intervals",
    ]
    columns = ["one", "each", "2+1", "1+2", "progressive"]
    out += ["", "| sampling | restart interval | " + " | ".join(columns) + " |", "|---" * (2 + len(columns)) + "|"]
    for name, restart in itertools.product(SAMPLINGS, RESTARTS):
        cells = [summary(rows.get(("sampling", (name, column, restart)), [])) for column in columns]
        if any(cells):
            out.append(f"| {name} | {restart} | " + " | ".join(cells) + " |")
    out += ["", "`one`: a single scan; `each`: one scan per component; otherwise two components share one.", "", "## Color markers", ""]
    out += ["| markers | sampling | scans | difference |", "|---|---|---|---|"]
    out += [f"| {' | '.join(row)} | {summary(o)} |" for (group, row), o in rows.items() if group == "color"]
    for group, heading in [
        ("odd", "Complete files with unusual constructs"),
        ("damaged", "Damaged files"),
        ("unsupported", "Unsupported kinds"),
    ]:
        out += ["", f"## {heading}", "", "| file | outcome |", "|---|---|"]
        out += [f"| {row[0]} | {summary(o)} |" for (g, row), o in rows.items() if g == group]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    main()
