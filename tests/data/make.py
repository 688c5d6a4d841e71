"""Writes palette-alpha.png: 4 x 4 pixels of a palette colour (200, 30, 60) that is half transparent. Pillow 13."""

import pathlib

from PIL import Image

image = Image.new("P", (4, 4), 1)
image.putpalette([0, 0, 0, 200, 30, 60])
image.save(pathlib.Path(__file__).parent / "palette-alpha.png", transparency=bytes([255, 128]))
