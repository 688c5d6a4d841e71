"""The progress of a training run in a notebook: a bar, and the curves so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import Any

from .training import Event

#: Seconds between two updates.
_INTERVAL = 0.5

_WIDTH, _HEIGHT, _MARGIN = 360, 160, 34

_COLORS = ("#1f77b4", "#d62728")


class Progress:
    """Shows a training run in a notebook while it runs: pass it as a callback.

    >>> alexnet.train("photos/", recipe="small", callbacks=alexnet.notebook.Progress())
    """

    def __init__(self) -> None:
        # IPython's functions are not typed.
        import IPython.display as shown

        functions: Any = shown
        self._html = functions.HTML
        self._handle = functions.display(self._html(""), display_id=True)
        self._shown = 0.0
        self._bar = ("starting", 0, 0)
        self._texts: list[str] = []
        #: Step and loss, or top-1 accuracy, of training and validation.
        self._loss: dict[str, list[tuple[int, float]]] = {"training": [], "validation": []}
        self._top1: dict[str, list[tuple[int, float]]] = {"training": [], "validation": []}

    def __call__(self, event: Event) -> None:
        kind = event["event"]
        if kind == "phase_started":
            self._bar = (event["phase"], event["done"], event["total"])
        elif kind == "phase_advanced":
            phase, done, total = self._bar
            self._bar = (phase, done + event["done"], total)
        elif kind == "metrics":
            self._add(event)
        elif kind == "message" and event["text"].startswith("epoch "):
            self._texts = [event["text"]]
        elif kind == "message" and event["level"] != "info":
            self._texts.append(event["text"])
        if kind == "ended" or time.monotonic() - self._shown >= _INTERVAL:
            self._shown = time.monotonic()
            if kind == "ended":
                self._bar = ("ended: " + event["reason"], 1, 1)
            if self._handle is not None:
                self._handle.update(self._html(self.html()))

    def _add(self, event: Event) -> None:
        step = event["step"]
        if "val/loss" in event:
            self._loss["validation"].append((step, event["val/loss"]))
            self._top1["validation"].append((step, event["val/top1"]))
        else:
            self._loss["training"].append((step, event["train/loss"]))
            self._top1["training"].append((step, event["train/top1"]))

    def html(self) -> str:
        """Returns what is shown."""
        phase, done, total = self._bar
        share = 100 * done / total if total else 0
        charts = _chart("loss", self._loss) + _chart("top-1", self._top1)
        texts = "".join(f"<div>{escape(text)}</div>" for text in self._texts[-5:])
        return (
            f'<div style="font:12px sans-serif"><progress value="{done}" max="{max(total, 1)}"></progress> '
            f"{escape(phase)}, {share:.0f} %{texts}<div>{charts}</div></div>"
        )


def _chart(title: str, curves: dict[str, list[tuple[int, float]]]) -> str:
    """A chart of curves as SVG."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    last = max(step for step, _ in points)
    values = [value for _, value in points]
    low, high = min(0.0, *values), max(values) or 1.0
    lines = "".join(
        f'<polyline fill="none" stroke="{color}" points="{_points(curve, last, low, high)}"/>'
        f'<text x="{_MARGIN + 8 + 90 * i}" y="12" fill="{color}">{name}</text>'
        for i, ((name, curve), color) in enumerate(zip(curves.items(), _COLORS, strict=True))
    )
    bottom = _HEIGHT - _MARGIN / 2
    axes = (
        f'<path d="M{_MARGIN} 16V{bottom}H{_WIDTH}" fill="none" stroke="#888"/>'
        f'<text x="2" y="24">{high:.3g}</text><text x="2" y="{bottom}">{low:.3g}</text>'
        f'<text x="{_WIDTH - 60}" y="{_HEIGHT - 2}">step {last}</text><text x="2" y="12">{title}</text>'
    )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" font-size="11" font-family="sans-serif">{axes}{lines}</svg>'


def _points(curve: Sequence[tuple[int, float]], last: int, low: float, high: float) -> str:
    x = [_MARGIN + (_WIDTH - _MARGIN) * step / max(last, 1) for step, _ in curve]
    y = [16 + (_HEIGHT - _MARGIN / 2 - 16) * (high - value) / ((high - low) or 1) for _, value in curve]
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
