"""Labeled images."""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .errors import DataError, UsageError
from .images import Pixels, gray_or_color

#: The number of squares that are decoded in one call: between calls, Ctrl-C is noticed.
_AT_ONCE = 256


class Dataset:
    """Labeled images in splits, from a source that ``alexnet train`` reads, or from arrays.

    >>> photos = alexnet.Dataset("photos/")
    >>> photos.classes, photos.splits
    (['cat', 'dog'], {'train': 54, 'val': 6, 'all': 60})
    """

    _inner: _native.Dataset

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens a folder with one folder of images per class, a tar of one, packed squares, or any other source of
        ``alexnet train``.

        :raises DataError: If it is none of these; the message names what was found.
        """
        self._inner = _native.Dataset.open(path)

    @classmethod
    def _of(cls, native: _native.Dataset) -> Dataset:
        dataset = cls.__new__(cls)
        dataset._inner = native
        return dataset

    @classmethod
    def builtin(cls) -> Dataset:
        """Returns the images that are part of the package: 12,000 of Fashion-MNIST, in the splits ``train`` and ``test``."""
        return cls._of(_native.Dataset.builtin())

    @classmethod
    def from_arrays(
        cls,
        images: NDArray[Any],
        labels: ArrayLike,
        *,
        classes: Sequence[str] | None = None,
        validation: tuple[NDArray[Any], ArrayLike] | None = None,
        hold_out: bool = True,
    ) -> Dataset:
        """Makes a dataset from images in memory, which are copied.

        :param images: ``(images, height, width, 3)``, or gray ``(images, height, width)`` or ``(images, height, width, 1)``, with
            values from 0 to 255.
        :param labels: The class of each image: its name, or its index among ``classes``. Names may be bytes in UTF-8.
        :param classes: The class names. By default, the sorted labels.
        :param validation: Validation images and their labels.
        :param hold_out: Without ``validation``: whether one image in ten of each class is held out for validation.
        :raises UsageError: If an array is not one of images.
        :raises DataError: If labels and images do not match.
        """
        given = [("train", images, np.asarray(labels))]
        if validation is not None:
            given.append(("val", validation[0], np.asarray(validation[1])))
        names, indices = _indices([labels for _, _, labels in given], classes)
        arrays = [(split, _stack(array, split), index) for (split, array, _), index in zip(given, indices, strict=True)]
        return cls._of(_native.Dataset.from_arrays(names, arrays, hold_out and validation is None))

    @property
    def classes(self) -> list[str]:
        """The class names; a label is an index into them."""
        return self._inner.classes

    @property
    def splits(self) -> dict[str, int]:
        """The number of images of each split."""
        return dict(self._inner.splits)

    @property
    def origin(self) -> str:
        """Where the images come from."""
        return self._inner.origin

    @property
    def path(self) -> Path | None:
        """The path of the source; ``None`` for arrays and the built-in images."""
        return self._inner.path

    @property
    def notes(self) -> list[str]:
        """What was assumed, and what is not used."""
        return self._inner.notes

    def labels(self, split: str = "train") -> NDArray[np.int64]:
        """Returns the label of each image of a split."""
        return self._inner.labels(split)

    def files(self, split: str = "train") -> list[str]:
        """Returns the name of each image of a split."""
        return self._inner.files(split)

    def image(self, index: int, split: str = "train") -> Pixels:
        """Reads an image, ``(height, width, 3)``."""
        return self._inner.image(split, index)

    def arrays(
        self, split: str = "train", *, side: int | None = None, limit: int | None = None
    ) -> tuple[Pixels, NDArray[np.int64]]:
        """Reads the images of a split: squares ``(images, side, side, 3)``, and their labels.

        :param side: The side of the squares, which are cut out of the middle of each image. By default, that of the first image,
            which must be a square.
        :param limit: How many images to read, spread evenly over the split. By default, all.
        """
        count = self.splits.get(split, 0)
        labels = self.labels(split)
        if limit is not None and limit < 1:
            raise UsageError(f"limit={limit}: expected at least 1")
        if count == 0:
            raise DataError(f"split `{split}` has no images")
        wanted = count if limit is None else min(limit, count)
        chosen = [i * count // wanted for i in range(wanted)]
        parts: list[Pixels] = []
        for start in range(0, len(chosen), _AT_ONCE):
            part = self._inner.squares(split, chosen[start : start + _AT_ONCE], side)
            side = part.shape[1]
            parts.append(part)
        return np.concatenate(parts), labels[chosen]

    def __repr__(self) -> str:
        return f"<Dataset {self.origin}: {len(self.classes)} classes, {self.splits}>"


def _stack(array: NDArray[Any], name: str) -> Pixels:
    """A contiguous array of ``(images, height, width)`` or ``(images, height, width, 3)``."""
    array = np.asarray(array)
    if array.ndim not in (3, 4):
        raise UsageError(
            f"split `{name}`: shape {array.shape}, expected (images, height, width, 3) or (images, height, width)",
            "flattened images need their shape: `array.reshape(-1, height, width, 3)`",
        )
    found = gray_or_color(array if array.ndim == 4 else array[..., np.newaxis], f"split `{name}`")
    return found[..., 0] if found.shape[3] == 1 else found


def _indices(labels: list[NDArray[Any]], classes: Sequence[str] | None) -> tuple[list[str], list[NDArray[np.uint32]]]:
    """The class names, and the indices of labels among them."""
    # An empty list is an array of floats.
    labels = [array if array.size else array.astype(np.int64) for array in labels]
    for array in labels:
        if array.ndim != 1:
            raise UsageError(f"labels: shape {array.shape}, expected one label for each image", "`labels.ravel()`")
    labels = [_decoded(array) for array in labels]
    if all(array.dtype.kind in "iu" for array in labels) and classes is not None:
        for array in labels:
            if array.size and not 0 <= array.min() <= array.max() < len(classes):
                raise UsageError(
                    f"labels from {array.min()} to {array.max()}, expected indices of {len(classes)} classes: "
                    f"0 to {len(classes) - 1}"
                )
        return list(classes), [array.astype(np.uint32) for array in labels]
    if any(array.dtype.kind not in "iuUSOb" for array in labels):
        kinds = ", ".join(str(array.dtype) for array in labels)
        raise UsageError(f"labels of type {kinds}, expected class names or whole numbers")
    if classes is None:
        # Numbers in their own order: 2 before 10.
        known = [class_name(label) for label in np.unique(labels[0]).tolist()]
    else:
        known = list(classes)
    position = {name: index for index, name in enumerate(known)}
    found = []
    for array in labels:
        names = [class_name(label) for label in array.tolist()]
        unknown = next((name for name in names if name not in position), None)
        if unknown is not None:
            raise UsageError(f"label {unknown!r} is not one of the {len(known)} classes", f"the classes are {known[:10]}")
        found.append(np.array([position[name] for name in names], dtype=np.uint32))
    return known, found


def class_name(label: object) -> str:
    """The name of the class of a label.

    :raises UsageError: If it is bytes that are not UTF-8.
    """
    if not isinstance(label, bytes):
        return str(label)
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise UsageError(
            f"label {label!r} is not UTF-8, expected class names or whole numbers", "decode the labels: `label.decode('latin-1')`"
        ) from None


def _decoded(labels: NDArray[Any]) -> NDArray[Any]:
    """The labels, with bytes as text, and objects as the numbers that they are."""
    if labels.dtype.kind == "T":
        return labels.astype(str)
    if labels.dtype.kind == "S":
        return np.array([class_name(label) for label in labels.tolist()])
    if labels.dtype.kind == "O":
        known = (str, bytes, numbers.Integral, np.bool_)
        odd = next((label for label in labels.tolist() if not isinstance(label, known)), None)
        if odd is not None or None in labels.tolist():
            raise UsageError(f"label {odd!r} of type {type(odd).__name__}, expected class names or whole numbers")
        if all(isinstance(label, numbers.Integral) and not isinstance(label, bool) for label in labels.tolist()):
            return labels.astype(np.int64)
        decoded = np.empty_like(labels)
        decoded[:] = [class_name(label) if isinstance(label, bytes) else label for label in labels.tolist()]
        return decoded
    return labels
