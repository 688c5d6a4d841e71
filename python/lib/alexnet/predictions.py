"""What a model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """The prediction for one image.

    :ivar probabilities: The probability of each class, ``(classes,)``, from 0 to 1.
    :ivar classes: The class names, in the same order.
    """

    probabilities: NDArray[np.float64]
    classes: tuple[str, ...]

    @property
    def index(self) -> int:
        """The index of the most probable class. Ties go to the lower index."""
        return int(np.argmax(self.probabilities))

    @property
    def label(self) -> str:
        """The name of the most probable class."""
        return self.classes[self.index]

    @property
    def probability(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities[self.index])

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """Returns the names and probabilities of up to ``k`` classes, the most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")[: max(k, 0)]
        return [(self.classes[i], float(self.probabilities[i])) for i in order]

    def __repr__(self) -> str:
        return f"Prediction({self.label!r}, {self.probability:.4g})"


class Predictions(Sequence[Prediction]):
    """The predictions for several images, in their order.

    :ivar probabilities: The probability of each class, ``(images, classes)``, from 0 to 1.
    :ivar classes: The class names, in the order of the columns.
    """

    def __init__(self, probabilities: NDArray[np.float64], classes: tuple[str, ...]) -> None:
        self.probabilities = probabilities
        self.classes = classes

    @property
    def labels(self) -> list[str]:
        """The name of the most probable class of each image."""
        return [self.classes[i] for i in self.indices]

    @property
    def indices(self) -> NDArray[np.intp]:
        """The index of the most probable class of each image."""
        indices: NDArray[np.intp] = np.argmax(self.probabilities, axis=1)
        return indices

    def table(self, k: int = 5) -> list[dict[str, Any]]:
        """Returns a row for each of the ``k`` most probable classes of each image, for ``pandas.DataFrame``.

        Columns: ``image`` (its index), ``rank`` (from 1), ``label``, ``probability``.
        """
        return [
            {"image": image, "rank": rank, "label": label, "probability": probability}
            for image, prediction in enumerate(self)
            for rank, (label, probability) in enumerate(prediction.top(k), 1)
        ]

    def __len__(self) -> int:
        return len(self.probabilities)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Predictions: ...
    def __getitem__(self, index: int | slice) -> Prediction | Predictions:
        found = self.probabilities[index]
        return Predictions(found, self.classes) if isinstance(index, slice) else Prediction(found, self.classes)

    def __repr__(self) -> str:
        return f"Predictions({list(self)!r})" if len(self) <= 5 else f"<Predictions for {len(self)} images>"
