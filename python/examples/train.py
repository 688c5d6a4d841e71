"""Trains a small network, evaluates it, and classifies an image.

    python train.py [FOLDER_OF_PHOTOS]

Without a folder, on the images that are part of the package.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import alexnet


def show(event: alexnet.Event) -> None:
    """Prints the messages of each epoch."""
    if event["event"] == "message" and event["text"].startswith("epoch "):
        print(event["text"])


def main() -> None:
    if len(sys.argv) > 1:
        dataset = alexnet.Dataset(sys.argv[1])
    else:
        images, labels = alexnet.Dataset.builtin().arrays("train", limit=1000)
        dataset = alexnet.Dataset.from_arrays(images, labels, classes=alexnet.Dataset.builtin().classes)
    with tempfile.TemporaryDirectory() as folder:
        run = alexnet.train(dataset, recipe="small", epochs=2, run=Path(folder, "run"), callbacks=show)
        model = run.model()
        found = model.evaluate(dataset)
        print(f"top-1 {found.top1:.2%} of {found.images} images, 95 % interval {found.top1_interval}")
        image = dataset.image(0, found.split)
        for label, probability in model.predict(image)[0].top(3):
            print(f"{probability:8.2%}  {label}")


if __name__ == "__main__":
    main()
