"""The network of Krizhevsky, Sutskever and Hinton (2012), on a CPU: training, evaluation and prediction.

>>> import alexnet
>>> run = alexnet.train("photos/", recipe="small")
>>> model = run.model()
>>> model.predict("cat.jpg")[0]
Prediction('cat', 0.97)

Errors are subclasses of :class:`Error`, with the text of the program ``alexnet``. Notes and warnings go to the logger ``alexnet`` at
level ``WARNING``, messages of a training run at level ``INFO``: ``logging.basicConfig(level="INFO")`` shows them.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from . import _native
from .dataset import Dataset
from .errors import (
    DataError,
    DivergedError,
    Error,
    ExecutionError,
    ModelError,
    OutOfMemoryError,
    StoppedError,
    UsageError,
)
from .evaluation import Evaluation
from .model import Layer, Member, Model, load
from .predictions import Prediction, Predictions
from .recipe import Recipe
from .run import Report, Run
from .training import Event, train

if TYPE_CHECKING:
    from .estimator import AlexNetClassifier

__version__ = _native.__version__

__all__ = [
    "AlexNetClassifier",
    "DataError",
    "Dataset",
    "DivergedError",
    "Error",
    "Evaluation",
    "Event",
    "ExecutionError",
    "Layer",
    "Member",
    "Model",
    "ModelError",
    "OutOfMemoryError",
    "Prediction",
    "Predictions",
    "Recipe",
    "Report",
    "Run",
    "StoppedError",
    "UsageError",
    "load",
    "train",
]

# A training run in a daemon thread is asked to stop, and writes its checkpoint, before the interpreter ends.
atexit.register(_native.shut_down)


def __getattr__(name: str) -> object:
    # Importing scikit-learn takes a second or more.
    if name == "AlexNetClassifier":
        from .estimator import AlexNetClassifier

        return AlexNetClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
