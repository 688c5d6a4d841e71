"""Recipes: network, preprocessing, augmentation, optimizer, schedule and evaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import _native
from .errors import UsageError


class Recipe:
    """A recipe: everything about a training run but its images. Recipes do not change; :meth:`set` returns another one.

    >>> alexnet.Recipe("small").set({"optimizer.rate": 0.02, "schedule.epochs": 20})
    Recipe('small')
    """

    _inner: _native.Recipe

    def __init__(self, source: str | os.PathLike[str] | Recipe) -> None:
        """Loads a recipe.

        :param source: The name of a built-in recipe (:meth:`names`), the path of a TOML file, or the text of one.
        :raises UsageError: If there is no such recipe, or if it is not valid.
        """
        if isinstance(source, Recipe):
            self._inner = source._inner
        elif isinstance(source, str):
            is_text = "\n" in source
            self._inner = _native.Recipe.parse(source) if is_text else _native.Recipe.load(source)
        else:
            self._inner = _native.Recipe.read(source)

    @classmethod
    def _of(cls, native: _native.Recipe) -> Recipe:
        recipe = cls.__new__(cls)
        recipe._inner = native
        return recipe

    @staticmethod
    def names() -> list[str]:
        """Returns the names of the built-in recipes, ``paper`` first."""
        return _native.Recipe.names()

    @property
    def name(self) -> str:
        """The name."""
        return self._inner.name

    @property
    def summary(self) -> str:
        """What the recipe is, in a line."""
        return self._inner.summary

    def set(self, settings: Mapping[str, object]) -> Recipe:
        """Returns the recipe with other values.

        :param settings: Values by their names, as for ``alexnet train --set``: ``{"optimizer.batch": 64, "layer.norm1,norm2":
            "none"}``.
        :raises UsageError: If there is no such value, or if the recipe would not be valid.
        """
        return self._set(settings, training=False)[0]

    def _set(self, settings: Mapping[str, object], training: bool) -> tuple[Recipe, list[str]]:
        """The recipe with settings, and those that it had already."""
        if not settings:
            return self, []
        pairs = [(key, _toml(key, value)) for key, value in settings.items()]
        recipe, unchanged = self._inner.with_settings(pairs, training)
        return Recipe._of(recipe), unchanged

    def to_toml(self) -> str:
        """Returns the recipe as TOML."""
        return self._inner.to_toml()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the recipe to a TOML file."""
        Path(path).write_text(self.to_toml(), encoding="utf-8")

    def describe(self, classes: int | None = None) -> dict[str, Any]:
        """Returns what the recipe computes, as ``alexnet recipe show --json`` prints it.

        ``layers`` is a list of dictionaries with ``name``, ``kind``, ``output``, ``parameters`` and ``macs`` (multiply-adds per
        image), for ``pandas.DataFrame``.

        :param classes: The number of classes; by default that of the recipe.
        """
        return self._inner.describe(classes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self._inner == other._inner

    def __hash__(self) -> int:
        return hash(self.to_toml())

    def __repr__(self) -> str:
        return f"Recipe({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Recipe, (self.to_toml(),)


def _toml(key: str, value: object) -> str:
    """A value as on the command line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(key, item) for item in value)}]"
    if hasattr(value, "item"):
        # A NumPy number.
        return _toml(key, value.item())
    raise UsageError(f"{key}: {value!r}, expected a number, a string, a boolean or a list")
