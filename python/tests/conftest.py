"""A small dataset, a recipe that trains in milliseconds, and a model."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import alexnet

#: A network with one hidden layer.
TINY = Path(__file__).parent / "tiny.toml"

#: Bytes that the folders of all tests need at most.
SPACE = 1 << 30

# Trainings write checkpoints durably; in memory that takes no time.
if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > SPACE:
    tempfile.tempdir = "/dev/shm"


@pytest.fixture(scope="session")
def arrays() -> tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]:
    """Images ``(120, 28, 28, 3)`` of four classes, their labels, and the class names."""
    builtin = alexnet.Dataset.builtin()
    images, labels = builtin.arrays("train", limit=400)
    chosen = np.flatnonzero(labels < 4)[:120]
    return images[chosen], labels[chosen], builtin.classes[:4]


@pytest.fixture(scope="session")
def dataset(arrays: Any) -> alexnet.Dataset:
    images, labels, classes = arrays
    return alexnet.Dataset.from_arrays(images, labels, classes=classes)


@pytest.fixture(scope="session")
def run(dataset: alexnet.Dataset, tmp_path_factory: pytest.TempPathFactory) -> alexnet.Run:
    return alexnet.train(dataset, recipe=TINY, run=tmp_path_factory.mktemp("runs") / "tiny", threads=1)


@pytest.fixture(scope="session")
def model(run: alexnet.Run) -> alexnet.Model:
    return run.model(batch=16, threads=1)


@pytest.fixture
def photos(arrays: Any, tmp_path: Path) -> Path:
    """A folder of PNG files in two class folders."""
    images, labels, classes = arrays
    folder = tmp_path / "photos"
    for label in (0, 1):
        (folder / classes[label].replace("/", "-")).mkdir(parents=True)
        for i, image in enumerate(images[labels == label][:12]):
            Image.fromarray(image).save(folder / classes[label].replace("/", "-") / f"{i:02}.png")
    return folder
