"""Run folders."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import UsageError
from .model import Model, load
from .recipe import Recipe


@dataclass(frozen=True)
class Report:
    """The result of a training run.

    The evaluation is that of the best model on the validation images, with the views of the recipe; its values are ``None`` without
    validation images, and if the training was stopped early.

    :ivar epochs: Completed epochs.
    :ivar steps: Updates of the parameters.
    :ivar seconds: Wall-clock seconds, with setup and evaluation.
    :ivar top1: The share of images whose most probable class is correct, from 0 to 1.
    :ivar top5: The share of images whose class is among the five most probable.
    :ivar loss: The mean cross-entropy loss.
    :ivar images: The number of images.
    :ivar best: The best model: its ``epoch``, ``step`` and validation results; ``None`` if there is none.
    :ivar stop_reason: ``schedule``, ``step-limit``, ``observer`` (a callback), or ``signal``.
    :ivar skipped: Images that cannot be decoded: ``file``, ``reason``.
    :ivar advice: What did not look right, with known remedies.
    """

    epochs: int
    steps: int
    seconds: float
    top1: float | None
    top5: float | None
    loss: float | None
    images: int | None
    best: dict[str, Any] | None
    stop_reason: str
    skipped: list[dict[str, Any]] = field(repr=False)
    advice: list[dict[str, Any]] = field(repr=False)

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Report:
        return cls(**{name: found[name] for name in cls.__dataclass_fields__})


class Run:
    """A run folder: a training run, what it has written so far, and its models. In a notebook, its curves.

    >>> alexnet.Run("runs/small-1").model().predict("cat.jpg")
    """

    def __init__(self, path: str | os.PathLike[str], report: Report | None = None) -> None:
        """Opens a run folder.

        :param report: The result of the training, if it has just ended.
        :raises UsageError: If the folder is not that of a run.
        """
        self.path = Path(path)
        #: The result of the training; ``None`` if the run was opened by its path.
        self.report = report
        if not (self.path / "run.json").is_file():
            raise UsageError(
                f"{self.path} is not a run folder: it has no run.json",
                "pass a run folder created by `alexnet.train` or `alexnet train`",
            )

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return Recipe(self.path / "recipe.toml")

    def model(self, **options: Any) -> Model:
        """Loads the best model, or the last one if there were no validation images; ``options`` as for :func:`alexnet.load`."""
        return load(self.path, **options)

    def history(self, *, epochs: bool = False) -> dict[str, list[Any]]:
        """Returns the metrics so far as columns, for ``pandas.DataFrame``: ``step``, ``epoch``, ``seconds``, ``train/loss``,
        ``train/top1``, ``lr``, ``images_per_second``, ``val/loss``, ``val/top1``, ``val/top5`` and the statistics of layers, such as
        ``conv1/dead``. Values that a row does not have are ``None``.

        :param epochs: Only the rows of whole epochs with their validation. Otherwise, those of every 20 steps, too.
        """
        rows = [row for row in self._rows() if not epochs or "val/loss" in row]
        columns = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name) for row in rows] for name in columns}

    def _rows(self) -> list[dict[str, Any]]:
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        # The last line may be incomplete: the training may be running.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    @property
    def log(self) -> str:
        """The messages of the training, with their times."""
        return (self.path / "log.txt").read_text(encoding="utf-8")

    @property
    def plots(self) -> dict[str, str]:
        """The curves as SVG, by name."""
        folder = self.path / "plots"
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.svg"))}

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        figures = "".join(f"<div>{svg}</div>" for svg in self.plots.values())
        return f'<div style="display:flex;flex-wrap:wrap">{figures}</div>'
