"""Models for inference."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._notes import note
from .dataset import Dataset
from .errors import ModelError, UsageError
from .evaluation import Evaluation
from .images import Images, Pixels, batches, file_path, is_rotated, one_image, path_list
from .predictions import Predictions
from .recipe import Recipe

#: Views per call of an engine by default, as in ``alexnet eval``.
BATCH = 64


@dataclass(frozen=True)
class Layer:
    """A layer of a network.

    :ivar name: Its name, such as ``conv1``.
    :ivar kind: Its kind, such as ``conv``.
    :ivar output: The shape of its output: height, width, channels.
    """

    name: str
    kind: str
    output: tuple[int, int, int]


@dataclass(frozen=True)
class Member:
    """One of the models that a model file contains: several if it is an ensemble.

    :ivar recipe: The recipe that it was trained with.
    :ivar weight: The weight of its probabilities; those of all members add up to 1.
    :ivar precision: The precision of its weights: ``f32`` or ``int8``.
    :ivar training: How it was trained, and its validation results.
    """

    recipe: Recipe
    weight: float
    precision: str
    training: dict[str, Any]


def load(
    path: str | os.PathLike[str],
    *,
    batch: int = BATCH,
    threads: int | None = None,
    precision: Literal["f32", "bf16"] | None = None,
    half: bool = False,
) -> Model:
    """Loads a model, a quantized model or an ensemble, and verifies it with the sample images in its file.

    :param path: A model file, or a run folder, whose best model is loaded.
    :param batch: Views per call of the network. More need more memory, and are faster with many images.
    :param threads: Compute threads; by default one per CPU. Does not change results.
    :param precision: The format of the operands of products; by default that of the recipe.
    :param half: Keep the weights of fully connected layers in half precision: faster on single images.
    :raises ModelError: If there is no model, or if it is damaged.
    """
    return Model._of(_native.Model.load(path, batch, threads, precision, half), (batch, threads, precision, half))


#: The arguments of :func:`load` after the path.
_Options = tuple[int, "int | None", "str | None", bool]


class Model:
    """A model or an ensemble for inference. :func:`load` makes it.

    A model can be used by several threads: their calls take turns. In a process that was forked off, its first use opens it again,
    from the file, which must not have changed. A pickled model is the path of its file; one that was loaded from bytes is these bytes.
    """

    _inner: _native.Model
    _options: _Options
    _classes: tuple[str, ...]

    def __init__(self) -> None:
        raise UsageError("models are loaded, not made", "alexnet.load(PATH)")

    @classmethod
    def _of(cls, native: _native.Model, options: _Options) -> Model:
        model = cls.__new__(cls)
        model._inner = native
        model._options = options
        # Kept: a call for one image should not copy a thousand names.
        model._classes = tuple(native.classes)
        return model

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        batch: int = BATCH,
        threads: int | None = None,
        precision: Literal["f32", "bf16"] | None = None,
        half: bool = False,
    ) -> Model:
        """Loads a model from the bytes of its file; see :func:`load`."""
        return cls._of(_native.Model.from_bytes(data, batch, threads, precision, half), (batch, threads, precision, half))

    def to_bytes(self) -> bytes:
        """Returns the bytes of the model file.

        :raises ModelError: If the file has changed since it was loaded.
        """
        return self._inner.to_bytes()

    @property
    def path(self) -> Path | None:
        """The model file; ``None`` if the model was loaded from bytes."""
        return self._inner.path

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of the probabilities."""
        return self._classes

    @property
    def views(self) -> int:
        """How many views of an image are averaged by default: 1 (center) or 10 (corners and center, mirrored)."""
        return self._inner.views

    @property
    def members(self) -> list[Member]:
        """The models in the file: several if it is an ensemble."""
        recipes = [Recipe._of(recipe) for recipe in self._inner.recipes]
        return [Member(recipe=recipe, **facts) for recipe, facts in zip(recipes, self._inner.members, strict=True)]

    @property
    def recipe(self) -> Recipe:
        """The recipe that the model was trained with.

        :raises UsageError: If this is an ensemble.
        """
        recipes = self._inner.recipes
        if len(recipes) != 1:
            raise UsageError(f"an ensemble of {len(recipes)} models has as many recipes", "model.members[0].recipe")
        return Recipe._of(recipes[0])

    @property
    def layers(self) -> list[Layer]:
        """The layers, from the input to the logits.

        :raises UsageError: If this is an ensemble.
        """
        return [Layer(*layer) for layer in self._inner.layers()]

    def predict(self, images: Images, *, views: Literal[1, 10] | None = None) -> Predictions:
        """Predicts the classes of images.

        >>> model.predict(["cat.jpg", "dog.jpg"]).labels
        ['cat', 'dog']

        :param images: One image or several: an array ``(height, width, 3)`` or ``(images, height, width, 3)`` of values from 0 to
            255, the path of an image file, a Pillow image, or a sequence of any of these. Contiguous arrays of ``uint8`` are not
            copied. Images have any size: the model resizes and crops them as in its training.
        :param views: The views to average; by default :attr:`views`.
        :raises UsageError: If an array is not one of images; the message says what it looks like.
        :raises DataError: If a file cannot be decoded.
        """
        return Predictions(self.predict_proba(images, views=views), self.classes)

    def predict_proba(self, images: Images, *, views: Literal[1, 10] | None = None) -> NDArray[np.float64]:
        """Predicts the probabilities of all classes, ``(images, classes)``; see :meth:`predict`."""
        count = self._inner.views if views is None else _views(views)
        size = max(1, self._inner.batch // count)
        if not self._inner.has_one_orientation():
            return self._of_mixed_orientations(images, count)
        parts = [self._inner.probabilities(batch, count) for batch in self._batches(images, size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _batches(self, images: Images, size: int) -> Iterator[list[Pixels]]:
        # Between batches the interpreter runs: it notices Ctrl-C.
        return batches(images, size, self._inner.decode, self._inner.applies_exif())

    def _of_mixed_orientations(self, images: Images, views: int) -> NDArray[np.float64]:
        """The probabilities of an ensemble whose members do not agree on the orientation of images: files are read by each."""
        images = path_list(images)
        several = isinstance(images, Sequence) and not isinstance(images, str)
        items = cast("Sequence[Any]", images) if several else [images]
        if not any(isinstance(image, (str, os.PathLike)) or is_rotated(image) for image in items):
            return np.concatenate([self._inner.probabilities(batch, views) for batch in self._batches(images, self._inner.batch)])
        parts = []
        for index, image in enumerate(items):
            if is_rotated(image):
                raise UsageError(
                    f"image {index}: a Pillow image with an EXIF orientation, which the members of this ensemble apply differently",
                    "pass the path of the file, or `PIL.ImageOps.exif_transpose(image)`",
                )
            if isinstance(image, (str, os.PathLike)):
                parts.append(self._inner.probabilities_of_file(file_path(image), views))
            else:
                parts.append(self._inner.probabilities([one_image(image, index)], views))
        return np.concatenate(parts)

    @overload
    # A string is a sequence of strings, too; it is matched first.
    def features(self, images: Images, *, layer: str | None = None) -> NDArray[np.float32]: ...  # type: ignore[overload-overlap]
    @overload
    def features(self, images: Images, *, layer: Sequence[str]) -> dict[str, NDArray[np.float32]]: ...
    def features(
        self, images: Images, *, layer: str | Sequence[str] | None = None
    ) -> NDArray[np.float32] | dict[str, NDArray[np.float32]]:
        """Computes the outputs of a layer for the center view of each image: ``(images, channels)``, or ``(images, height, width,
        channels)`` if the layer has more than one position.

        :param images: As for :meth:`predict`.
        :param layer: The name of a layer (see :attr:`layers`), or several for a dictionary. By default, the last hidden layer.
        :raises UsageError: If there is no such layer, or if this is an ensemble.
        """
        names = [self._inner.hidden_layer()] if layer is None else [layer] if isinstance(layer, str) else list(layer)
        if not names:
            raise UsageError("no layers given, expected at least one", f"layer={self._inner.hidden_layer()!r}")
        parts = [self._inner.activations(batch, names) for batch in self._batches(images, self._inner.batch)]
        found = {name: _flat(np.concatenate(each)) for name, each in zip(names, zip(*parts, strict=True), strict=True)}
        return found[names[0]] if layer is None or isinstance(layer, str) else found

    def evaluate(
        self,
        data: Dataset | str | os.PathLike[str],
        *,
        split: str | None = None,
        views: Literal[1, 10] | None = None,
        workers: int | None = None,
    ) -> Evaluation:
        """Evaluates the model on labeled images.

        >>> pandas.DataFrame(model.evaluate("photos/").per_class)

        :param data: A dataset, or the path of a source.
        :param split: The split. By default ``val``; of a dataset without splits the held-out images, or all if the model was trained
            on other images.
        :param views: The views to average; by default :attr:`views`.
        :param workers: Threads that load images; by default as many as compute.
        :raises DataError: If the classes are not those of the model.
        """
        dataset = data if isinstance(data, Dataset) else Dataset(data)
        count = None if views is None else _views(views)
        found = Evaluation._of(self._inner.evaluate(dataset._inner, split, count, workers))
        note(found.notes)
        return found

    def to_numpy(self) -> dict[str, NDArray[np.float32]]:
        """Returns the weights and biases by name, in PyTorch's shapes. Those of an ensemble begin with ``models.0.`` and so on.

        Each call copies them out of the model. The arrays share their memory by DLPack: ``torch.from_dlpack(array)`` does not copy.

        :raises ExecutionError: If the model is quantized.
        """
        return dict(self._inner.parameters())

    def tensor(self, name: str) -> NDArray[np.float32]:
        """Returns one of the weights or biases of :meth:`to_numpy`.

        :raises UsageError: If this is an ensemble.
        """
        return self._inner.parameter(name)

    def __repr__(self) -> str:
        place = "from bytes" if self.path is None else str(self.path)
        return f"<Model {place}: {len(self.classes)} classes>"

    def __reduce__(self) -> tuple[Any, ...]:
        path, digest = self._inner.path, self._inner.digest
        if path is None or digest is None:
            return _from_bytes, (self.to_bytes(), self._options)
        return _load_same, (path, digest, self._options)


def _from_bytes(data: bytes, options: _Options) -> Model:
    return Model._of(_native.Model.from_bytes(data, *options), options)


def _load_same(path: Path, digest: bytes, options: _Options) -> Model:
    native = _native.Model.load(path, *options)
    if native.digest != digest:
        raise ModelError(
            f"{path}: the file has changed since the model was pickled",
            "load it again: `alexnet.load(PATH)`; `Model.from_bytes(model.to_bytes())` pickles its contents",
        )
    return Model._of(native, options)


def _views(views: int) -> int:
    if views not in (1, 10):
        raise UsageError(f"views={views}: expected 1 or 10")
    return int(views)


def _flat(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without positions, if there is one only."""
    return features[:, 0, 0, :] if features.shape[1:3] == (1, 1) else features
