"""A classifier with the interface of scikit-learn."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dataset import Dataset, class_name
from .errors import UsageError
from .model import BATCH, Model, load
from .recipe import Recipe
from .run import Report
from .training import RESUMABLE, Callback, train

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_array, check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("AlexNetClassifier needs scikit-learn: pip install 'alexnet[sklearn]'") from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

#: One image in this many of each class is held out with ``validation=True``.
_HELD_OUT = 10


class AlexNetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of images for scikit-learn.

    >>> classifier = AlexNetClassifier(recipe="small", epochs=5, random_state=0)
    >>> classifier.fit(images, labels).score(other_images, other_labels)
    0.91

    ``X`` is an array ``(images, height, width, 3)`` or, gray, ``(images, height, width)``, or one of flattened images, ``(images,
    height * width * 3)`` or ``(images, height * width)``. Images have any size: the recipe says how they are resized.

    Training is deterministic: the same ``random_state`` gives the same bits, with any number of threads.

    :param recipe: A recipe, the name of a built-in one, a file, or TOML: see :class:`alexnet.Recipe`.
    :param epochs: The number of epochs; by default that of the recipe.
    :param settings: Values of the recipe to change, such as ``{"optimizer.rate": 0.02}``.
    :param image_shape: The shape of flattened images: ``(height, width)`` or ``(height, width, 3)``. By default they are squares, gray
        or in color, and other numbers of values are refused; ``"pad"`` takes any number of values as the first pixels of a gray
        square, for data that are not images.
    :param value_range: The range of the values of ``X``: they are scaled from it to 0 to 255, and cut off outside of it.
        ``"data"`` takes the least and the greatest value that ``fit`` sees. ``(0, 255)`` are pixels: other values are refused.
    :param validation: Whether to hold out one image in ten of each class, and use the model of the best epoch. By default, all images
        are trained on, and the model is that of the last epoch.
    :param init: A model file or run folder whose weights to start from; layers that do not fit start fresh.
    :param warm_start: Whether ``fit`` starts from the weights of the previous ``fit``.
    :param views: Views to average in predictions; by default those of the recipe.
    :param run: The run folder to keep; the files of an earlier run in it, such as that of the previous ``fit``, move to ``earlier-1``
        in it. By default it is temporary.
    :param callbacks: Functions that receive the events of the training: see :func:`alexnet.train`.
    :param threads: Compute threads; by default one per CPU.
    :param random_state: The seed, a random state, or ``None`` for another seed each time.

    :ivar classes_: The classes, sorted.
    :ivar model_: The model, an :class:`alexnet.Model`.
    :ivar report_: The result of the training, an :class:`alexnet.Report`.
    :ivar n_features_in_: The length of the second dimension of ``X`` in ``fit``.
    """

    classes_: NDArray[Any]
    model_: Model
    report_: Report
    n_features_in_: int

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Recipe = "small",
        *,
        epochs: int | None = None,
        settings: Mapping[str, object] | None = None,
        image_shape: tuple[int, ...] | Literal["pad"] | None = None,
        value_range: tuple[float, float] | Literal["data"] = (0, 255),
        validation: bool = False,
        init: str | os.PathLike[str] | None = None,
        warm_start: bool = False,
        views: Literal[1, 10] | None = None,
        run: str | os.PathLike[str] | None = None,
        callbacks: Callback | Sequence[Callback] = (),
        threads: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.recipe = recipe
        self.epochs = epochs
        self.settings = settings
        self.image_shape = image_shape
        self.value_range = value_range
        self.validation = validation
        self.init = init
        self.warm_start = warm_start
        self.views = views
        self.run = run
        self.callbacks = callbacks
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> AlexNetClassifier:
        """Trains on images and their classes.

        :param X: The images.
        :param y: The class of each image: numbers or strings.
        """
        images, labels = validate_data(self, X, y, reset=True, **_ARRAYS)
        check_classification_targets(labels)
        classes, indices = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise UsageError(f"y has only one class, {classes[0]!r}, expected at least two classes")
        limits = _limits(self.value_range, images)
        pixels = _pixels(images, self.image_shape, limits)
        previous = self.model_.to_bytes() if self.warm_start and hasattr(self, "model_") else None
        dataset = Dataset.from_arrays(pixels, indices, classes=[class_name(name) for name in classes], hold_out=self.validation)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        with tempfile.TemporaryDirectory(prefix="alexnet-") as folder:
            init = self.init
            if previous is not None:
                init = Path(folder, "previous.safetensors")
                init.write_bytes(previous)
            try:
                run = train(
                    dataset,
                    recipe=self.recipe,
                    settings=self.settings,
                    epochs=self.epochs,
                    run=self.run if self.run is not None else Path(folder, "run"),
                    exist_ok=self.run is not None,
                    init=init,
                    callbacks=self.callbacks,
                    threads=self.threads,
                    seed=seed,
                )
            except BaseException as error:
                if self.run is None:
                    _remove_resumable(error)
                raise
            # From bytes, so that the estimator does not depend on the folder, and can be pickled.
            data = load(run.path, threads=self.threads).to_bytes()
        self.model_ = Model.from_bytes(data, batch=BATCH, threads=self.threads)
        assert run.report is not None, "the training has just ended"
        self.report_ = run.report
        self.classes_ = classes
        self._limits = limits
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Returns the most probable class of each image."""
        probabilities = self.predict_proba(X)
        found: NDArray[Any] = self.classes_[np.argmax(probabilities, axis=1)]
        return found

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Returns the probability of each class, ``(images, classes)``, in the order of ``classes_``."""
        check_is_fitted(self)
        if np.asarray(X).ndim > 2:
            # Images have any size: their height need not be that of the images of `fit`.
            images = check_array(X, **_ARRAYS)
        else:
            images = validate_data(self, X, reset=False, **_ARRAYS)
        return self.model_.predict_proba(_pixels(images, self.image_shape, self._limits), views=self.views)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        return tags


def _remove_resumable(error: BaseException) -> None:
    """Removes the note that the run can be resumed: its temporary folder is deleted."""
    notes: list[str] = getattr(error, "__notes__", [])
    notes[:] = [note for note in notes if not note.startswith(RESUMABLE)]


#: How scikit-learn checks arrays.
_ARRAYS: dict[str, Any] = {"allow_nd": True, "ensure_2d": True, "dtype": "numeric"}


def _limits(value_range: tuple[float, float] | Literal["data"], images: NDArray[Any]) -> tuple[float, float] | None:
    """The values that become 0 and 255; ``None`` for pixels."""
    if isinstance(value_range, str):
        if value_range != "data":
            raise UsageError(f"value_range={value_range!r}: expected two numbers or 'data'", "value_range=(0, 1)")
        low, high = float(images.min()), float(images.max())
        return low, high if high > low else low + 1
    low, high = value_range
    if not low < high:
        raise UsageError(f"value_range=({low}, {high}): expected the lower value first", "value_range=(0, 1)")
    return None if (low, high) == (0, 255) else (float(low), float(high))


def _pixels(
    images: NDArray[Any], image_shape: tuple[int, ...] | Literal["pad"] | None, limits: tuple[float, float] | None
) -> NDArray[Any]:
    """The images, ``(images, height, width, channels)``, with values from 0 to 255; those of pixels are as they were."""
    if images.ndim == 2:
        images = _unflatten(images, image_shape, 0 if limits is None else limits[0])
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if limits is None or (limits == (0, 255) and images.dtype == np.uint8):
        return images
    low, high = limits
    scaled = (images.astype(np.float64) - low) * (255 / (high - low))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _unflatten(rows: NDArray[Any], image_shape: tuple[int, ...] | Literal["pad"] | None, fill: float) -> NDArray[Any]:
    """Rows as images."""
    count, values = rows.shape
    if image_shape == "pad":
        side = int(np.ceil(np.sqrt(values)))
        padded = np.full((count, side * side), fill, dtype=rows.dtype)
        padded[:, :values] = rows
        return padded.reshape(count, side, side)
    if isinstance(image_shape, str):
        raise UsageError(f"image_shape={image_shape!r}: expected a shape or 'pad'", "image_shape=(28, 28)")
    if image_shape is None:
        image_shape = _square_shape(values)
    if int(np.prod(image_shape)) != values:
        raise UsageError(
            f"rows of {values} values do not have the image_shape {tuple(image_shape)}: it has {int(np.prod(image_shape))}",
            "give the shape of the flattened images: `image_shape=(28, 28)` or `image_shape=(32, 32, 3)`",
        )
    return rows.reshape(count, *image_shape)


def _square_shape(values: int) -> tuple[int, ...]:
    """The shape of a flattened square, gray or in color."""
    for channels in (1, 3):
        side = round((values / channels) ** 0.5)
        if side * side * channels == values:
            return (side, side) if channels == 1 else (side, side, 3)
    raise UsageError(
        f"rows of {values} values are not square images, gray or in color",
        "give the shape of the flattened images: `image_shape=(height, width, 3)`; if the data are not images: "
        "`image_shape='pad'`",
    )
