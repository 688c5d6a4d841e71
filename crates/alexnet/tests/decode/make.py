#!/usr/bin/env python3
"""Writes odd/, images in unusual encodings, and expected.safetensors, the pixels that Pillow decodes from them.

    pip install pillow numpy imagecodecs safetensors && python crates/alexnet/tests/decode/make.py

The tensor `NAME` is `Image.open(odd/NAME).convert("RGB")`, `[height, width, 3]`; for 16 bits, which Pillow truncates or
saturates, `round(value / 257)`. `WIDTHxHEIGHT-to-SIDE` is a photograph-like image of that size, and
`WIDTHxHEIGHT-to-SIDE.square` its center square after Pillow's BILINEAR resized the short side to SIDE.
"""

import pathlib

import imagecodecs
import numpy as np
import PIL
from PIL import Image
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
ODD = HERE / "odd"


def image(width, height, seed):
    """Waves, an edge and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = [128 + 90 * np.sin(9 * x * (c + 1) + seed) * np.cos(7 * y + c) for c in range(3)]
    planes = np.stack(planes, axis=-1) + rng.normal(0, 6, (height, width, 3))
    planes[height // 3 : height // 2, width // 4 : width // 2] = [220, 40, 60]
    return np.clip(planes, 0, 255).astype(np.uint8)


def main():
    ODD.mkdir(exist_ok=True)
    for old in ODD.iterdir():
        old.unlink()
    rgb = Image.fromarray(image(41, 29, 1))
    exif = Image.Exif()
    exif[0x0112] = 6
    save = lambda picture, name, **options: picture.save(ODD / name, **options)
    save(rgb.convert("L"), "grey.jpg", quality=90)
    save(rgb.convert("CMYK"), "cmyk.jpg", quality=95)
    save(rgb, "progressive.jpg", quality=90, progressive=True)
    save(rgb, "420.jpg", quality=90, subsampling="4:2:0")
    save(rgb, "422.jpg", quality=90, subsampling="4:2:2")
    save(rgb, "411.jpg", quality=90, subsampling="4:1:1")
    save(rgb, "444.jpg", quality=90, subsampling="4:4:4")
    save(rgb, "restarts.jpg", quality=90, restart_marker_rows=1)
    save(rgb, "rgb.jpg", quality=95, keep_rgb=True)
    save(rgb, "turned.jpg", quality=90, exif=exif)
    save(rgb, "poor.jpg", quality=10)
    ink = np.asarray(rgb.convert("CMYK"))
    ycck = imagecodecs.jpeg8_encode(255 - ink, level=95, colorspace="CMYK", outcolorspace="YCCK")
    (ODD / "ycck.jpg").write_bytes(ycck)
    save(rgb, "png-named.jpg", format="PNG")
    save(rgb.quantize(200), "palette.png")
    save(rgb.quantize(200), "palette-alpha.png", transparency=bytes(range(200)))
    save(rgb.convert("1"), "1-bit.png")
    save(rgb.quantize(4), "2-bit.png", bits=2)
    save(rgb.quantize(16), "4-bit.png", bits=4)
    save(rgb.convert("LA"), "grey-alpha.png")
    alpha = rgb.convert("RGBA")
    alpha.putalpha(rgb.convert("L"))
    save(alpha, "alpha.png")
    save(rgb, "animated.png", save_all=True, append_images=[rgb.rotate(180)])
    expected = {path.name: np.asarray(Image.open(path).convert("RGB")) for path in sorted(ODD.iterdir())}
    # Pillow saturates 16-bit gray and has no 16-bit color.
    deep = (image(41, 29, 2).astype(np.uint16) * 257 + 5).clip(0, 65535)
    for name, values in [("16-bit-grey.png", deep[..., 0]), ("16-bit.png", deep)]:
        (ODD / name).write_bytes(imagecodecs.png_encode(np.ascontiguousarray(values)))
        whole = np.round(values / 257).astype(np.uint8)
        expected[name] = np.repeat(whole[..., None], 3, axis=2) if whole.ndim == 2 else whole
    for width, height, side in [(100, 75, 64), (75, 100, 64), (60, 60, 97), (200, 40, 32), (33, 50, 33)]:
        name = f"{width}x{height}-to-{side}"
        source = Image.fromarray(image(width, height, 3))
        scale = lambda length: max(side, length * side // min(width, height))
        resized = source.resize((scale(width), scale(height)), Image.BILINEAR)
        left, top = (resized.width - side) // 2, (resized.height - side) // 2
        square = resized.crop((left, top, left + side, top + side))
        expected[name], expected[f"{name}.square"] = np.asarray(source), np.asarray(square)
    save_file(expected, HERE / "expected.safetensors", metadata={"pillow": PIL.__version__, "imagecodecs": imagecodecs.__version__})


if __name__ == "__main__":
    main()
