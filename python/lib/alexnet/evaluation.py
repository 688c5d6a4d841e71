"""The results of an evaluation, as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A table: columns of equal length, for ``pandas.DataFrame``.
Table = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of a model on the images of a split. Tables can be passed to ``pandas.DataFrame`` as they are.

    Shares are from 0 to 1; intervals are 95 % confidence intervals.

    :ivar split: The name of the split.
    :ivar views: How many views of each image were averaged.
    :ivar trained_on_data: Whether the model was trained on this dataset; ``None`` if that is not known.
    :ivar images: The number of images that were evaluated.
    :ivar top1: The share of images whose most probable class is correct.
    :ivar top1_interval: Its interval.
    :ivar top5: The share of images whose class is among the five most probable.
    :ivar top5_interval: Its interval; ``None`` with at most five classes.
    :ivar loss: The mean cross-entropy loss.
    :ivar calibration_error: The expected calibration error.
    :ivar per_class: A table with a row for each class: ``class``, ``images``, ``correct``, ``recall``, ``recall_low``,
        ``recall_high``, ``predicted``, ``precision``, ``precision_low``, ``precision_high``.
    :ivar per_image: A table with a row for each image: ``file``, ``class``, ``predicted``, ``correct``, ``confidence``, ``rank``,
        ``loss``.
    :ivar confusion: How many images of each class (row) are predicted as each class (column).
    :ivar most_confused: Rows of the pairs that are confused most often: ``class``, ``predicted``, ``images``.
    :ivar calibration: Rows of the bins of confidence: ``low``, ``high``, ``images``, ``confidence``, ``accuracy``.
    :ivar skipped: Rows of the images that cannot be decoded: ``file``, ``reason``.
    :ivar notes: What was assumed, and what limits the results. They are logged, too.
    """

    split: str
    views: int
    trained_on_data: bool | None
    images: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float] | None
    loss: float
    calibration_error: float
    per_class: Table = field(repr=False)
    per_image: Table = field(repr=False)
    confusion: NDArray[np.int64] = field(repr=False)
    most_confused: list[dict[str, Any]] = field(repr=False)
    calibration: list[dict[str, Any]] = field(repr=False)
    skipped: list[dict[str, Any]] = field(repr=False)
    notes: list[str] = field(repr=False)

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Evaluation:
        intervals = {name: None if found[name] is None else tuple(found[name]) for name in ("top1_interval", "top5_interval")}
        return cls(**{**found, **intervals})
