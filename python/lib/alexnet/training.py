"""Training."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, Union

from . import _native
from ._notes import LEVELS, logger, note
from .dataset import Dataset
from .errors import UsageError
from .recipe import Recipe
from .run import Report, Run

#: An event of a training run, as ``alexnet train --json-events`` prints it: ``event`` is its kind (``started``, ``phase_started``,
#: ``phase_advanced``, ``phase_ended``, ``step``, ``metrics``, ``validated``, ``checkpoint``, ``edited``, ``rolled_back``, ``advice``,
#: ``skipped``, ``message``, ``ended``), the other keys depend on it.
Event: TypeAlias = dict[str, Any]

#: Receives events. The training stops, with a checkpoint, if it returns something true or raises an exception.
Callback: TypeAlias = Callable[[Event], object]

#: The start of the note that says how to resume a run.
RESUMABLE = "the run can be resumed: "

#: A model to start from, or a run to resume.
_Path: TypeAlias = Union[str, "os.PathLike[str]"]


def train(
    source: Dataset | _Path | None = None,
    *,
    recipe: Recipe | _Path | None = None,
    settings: Mapping[str, object] | None = None,
    epochs: int | None = None,
    run: _Path | None = None,
    exist_ok: bool = False,
    resume: _Path | None = None,
    accept_changes: bool = False,
    init: _Path | None = None,
    callbacks: Callback | Sequence[Callback] = (),
    seed: int | None = None,
    steps: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    micro_batch: int | None = None,
    checkpoint_minutes: float | None = None,
    checkpoint_steps: int | None = None,
    on_divergence: Literal["lower-rate", "stop"] | None = None,
    on_plateau: Literal["advise", "restart-with-he", "restart-with-small-biases", "stop"] | None = None,
    allow_one_class: bool = False,
) -> Run:
    """Trains a model, as ``alexnet train`` does, and returns the run.

    >>> run = alexnet.train("photos/", recipe="small", epochs=5, callbacks=lambda event: print(event["event"]))
    >>> run.report.top1
    0.97

    Ctrl-C, and an exception in a callback, stop the training after the current step, with a checkpoint; then the exception is raised.
    ``alexnet.train(resume=run)`` continues to the same bits as without the interruption; for arrays,
    ``alexnet.train(dataset, resume=run)``.

    :param source: A dataset or the path of one: a folder with one folder of images per class, and others (see :class:`Dataset`).
        A resumed run has its own by default, unless it was trained on arrays.
    :param recipe: A recipe, the name of a built-in one, a file, or TOML. A resumed run has its own by default.
    :param settings: Values of the recipe to change: ``{"optimizer.batch": 64}``; see :meth:`Recipe.set`.
    :param epochs: Stands for ``{"schedule.epochs": epochs}``.
    :param run: The run folder to create; by default the first unused of ``runs/RECIPE-1``, ``runs/RECIPE-2``, ...
    :param exist_ok: Whether the folder may hold a run, whose files then move to ``earlier-1`` in it.
    :param resume: The run to resume from its last checkpoint.
    :param accept_changes: Whether to resume with another recipe or other images; classes and shapes of weights have to stay.
    :param init: A model file or run folder whose weights to start from; layers that do not fit start fresh.
    :param callbacks: A function or several, which receive each event as a dictionary (see :data:`Event`).
    :param seed: The random seed: the same seed gives the same model. By default 0.
    :param steps: Stop after this number of steps.
    :param threads: Compute threads; by default one per CPU. Does not change results.
    :param workers: Loader threads; by default as many. Does not change results.
    :param micro_batch: Images per pass through the network, a multiple of 9 (with precision bf16: 18): less memory, the same results.
    :param checkpoint_minutes: Minutes between checkpoints, in addition to one per epoch. By default 10.
    :param checkpoint_steps: Steps between checkpoints.
    :param on_divergence: On NaN or infinity, restore a checkpoint with a lower learning rate (the default), or stop.
    :param on_plateau: If the loss stays at chance level, log advice (the default), restart with a remedy, or stop.
    :param allow_one_class: Whether to train with a single class.
    :raises UsageError: If an argument or the recipe is not valid.
    :raises DataError: If the images cannot be used.
    :raises DivergedError: If values become non-finite again and again, or the loss ends far above chance level.
    """
    _check_together(run=run, exist_ok=exist_ok, resume=resume, accept_changes=accept_changes, init=init, seed=seed)
    arguments = {name: value for name, value in locals().items() if value is not None and value is not False}
    changed = _recipe(recipe, settings, epochs, resume)
    dataset = source if source is None or isinstance(source, Dataset) else Dataset(source)
    if dataset is not None:
        _introduce(dataset, one_is_enough=allow_one_class or resume is not None)
    options = {
        "run": run,
        "exist_ok": exist_ok,
        "resume": resume,
        "accept_changes": accept_changes,
        "init": init,
        "seed": seed,
        "steps": steps,
        "threads": threads,
        "workers": workers,
        "micro_batch": micro_batch,
        "checkpoint_minutes": checkpoint_minutes,
        "checkpoint_steps": checkpoint_steps,
        "on_divergence": on_divergence,
        "on_plateau": on_plateau,
        "command": _command(arguments),
    }
    observer = _Observer([callbacks] if callable(callbacks) else list(callbacks))
    try:
        report = _native.train(
            None if dataset is None else dataset._inner,
            None if changed is None else changed._inner,
            options,
            observer,
            bool(observer.callbacks),
        )
    except BaseException as error:
        if observer.run is not None:
            # The run folder says where images are, but does not contain arrays.
            images = "dataset, " if dataset is not None and dataset.path is None else ""
            error.add_note(f"{RESUMABLE}alexnet.train({images}resume={observer.run!r})")
        raise
    return Run(report["run"], Report._of(report))


class _Observer:
    """Passes events on to callbacks, and messages to the log."""

    def __init__(self, callbacks: list[Callback]) -> None:
        self.callbacks = callbacks
        #: The run folder, once there is something to resume.
        self.run: str | None = None

    def __call__(self, event: Event) -> bool:
        if event["event"] == "started":
            self.run = event["run"]
        elif event["event"] == "message":
            logger.log(LEVELS.get(event["level"], logging.INFO), "%s", event["text"])
        # All of them receive every event.
        return any([bool(callback(event)) for callback in self.callbacks])


def _check_together(**given: Any) -> None:
    """Checks that arguments do not contradict each other."""
    if given["resume"] is not None:
        for name in ("run", "exist_ok", "init", "seed"):
            if given[name] is not None and given[name] is not False:
                raise UsageError(
                    f"`{name}` and `resume`: a run is resumed in its own folder, with its own seed", f"leave `{name}` out"
                )
    elif given["accept_changes"]:
        raise UsageError("`accept_changes` has no effect without `resume`", "leave it out")
    if given["exist_ok"] and given["run"] is None:
        raise UsageError("`exist_ok` has no effect without `run`", 'run="runs/photos"')


def _recipe(
    recipe: Recipe | _Path | None, settings: Mapping[str, object] | None, epochs: int | None, resume: _Path | None
) -> Recipe | None:
    """The recipe with settings; ``None`` for that of a resumed run."""
    values = dict(settings or {})
    if epochs is not None:
        if "schedule.epochs" in values:
            raise UsageError(f"`epochs={epochs}` and the setting `schedule.epochs` are the same", "keep one of the two")
        values["schedule.epochs"] = epochs
    if recipe is None and resume is not None and values:
        recipe = Run(resume).recipe
    if recipe is None:
        return None
    changed, unchanged = Recipe(recipe)._set(values, training=True)
    note(
        f"the setting {setting} has no effect: recipe {changed.name} already has this value"
        for setting in unchanged
        if epochs is None or not setting.startswith("schedule.epochs=")
    )
    return changed


def _introduce(dataset: Dataset, one_is_enough: bool) -> None:
    """Logs the classes, and what looks wrong with them."""
    summary, *doubts = dataset._inner.introduction()
    logger.info("%s", summary)
    note(doubts)
    if not one_is_enough:
        dataset._inner.check_classes()


def _command(arguments: dict[str, object]) -> str:
    """The call, for the records of the run."""
    given = [f"{name}={value!r}" for name, value in arguments.items() if name != "callbacks"]
    return f"python: alexnet.train({', '.join(given)})".replace("\n", " ")
