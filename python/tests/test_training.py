"""Training: events, callbacks, interruption, resuming, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY

import alexnet


def parameters(path: Path) -> dict[str, Any]:
    return alexnet.load(path / "last.safetensors", threads=1).to_numpy()


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_a_run_has_a_report_a_history_and_models(run: alexnet.Run) -> None:
    report = run.report
    assert report is not None and report.epochs == 3 and report.steps == 21 and report.stop_reason == "schedule"
    assert report.images == 10 and report.best is not None and report.top5 == 1
    history = run.history()
    assert len({len(column) for column in history.values()}) == 1
    assert {"step", "epoch", "train/loss", "val/top1", "lr", "conv1/dead"} <= history.keys()
    epochs = run.history(epochs=True)
    assert epochs["epoch"] == [1, 2, 3] and None not in epochs["val/loss"]
    assert run.recipe == alexnet.Recipe(TINY)
    assert "epoch 3" in run.log and "loss" in " ".join(run.plots) and "<svg" in run._repr_html_()
    again = alexnet.Run(run.path)
    assert again.report is None and again.history() == history
    command = (run.path / "command.txt").read_text()
    assert command.startswith("python: alexnet.train(source=<Dataset") and command.count("\n") == 1


def test_a_run_that_is_still_written_is_read(run: alexnet.Run, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    running = alexnet.Run(tmp_path)
    assert running.history() == {} and running.plots == {}
    first = (run.path / "metrics.jsonl").read_text().splitlines()[0]
    (tmp_path / "metrics.jsonl").write_text(first + "\n" + first[:30])
    assert running.history()["step"] == [json.loads(first)["step"]]
    with pytest.raises(alexnet.UsageError, match="is not a run folder"):
        alexnet.Run(tmp_path / "nope")


def test_callbacks_receive_every_event(dataset: alexnet.Dataset, tmp_path: Path) -> None:
    first: list[alexnet.Event] = []
    second: list[alexnet.Event] = []
    run = alexnet.train(dataset, recipe=TINY, epochs=2, run=tmp_path / "run", threads=1, callbacks=[first.append, second.append])
    assert first == second
    kinds = [event["event"] for event in first]
    assert kinds[-1] == "ended" and kinds.count("step") == 14 and kinds.count("validated") == 2
    started = next(event for event in first if event["event"] == "started")
    assert started["run"] == str(run.path) and started["recipe"] == "tiny" and started["epochs"] == 2
    step = next(event for event in first if event["event"] == "step")
    assert step["step"] == 1 and step["images"] == 16 and isinstance(step["loss"], float)
    assert abs(step["lr"] - 0.05) < 1e-12, "with the shortest decimals of single precision"


def test_a_callback_stops_the_training(dataset: alexnet.Dataset, tmp_path: Path) -> None:
    run = alexnet.train(dataset, recipe=TINY, run=tmp_path / "run", threads=1, callbacks=lambda event: event.get("step") == 5)
    assert run.report is not None and run.report.steps == 5 and run.report.stop_reason == "observer"
    assert run.report.top1 is None
    run = alexnet.train(dataset, resume=run, threads=1)
    assert run.report is not None and run.report.steps == 21


def test_an_interrupted_training_continues_to_the_same_bits(run: alexnet.Run, dataset: alexnet.Dataset, tmp_path: Path) -> None:
    class Mine(Exception):
        pass

    def fail(event: alexnet.Event) -> None:
        if event["event"] == "step" and event["step"] == 9:
            raise Mine("from a callback")

    with pytest.raises(Mine, match="from a callback") as error:
        alexnet.train(dataset, recipe=TINY, run=tmp_path / "run", threads=1, callbacks=fail)
    [note] = error.value.__notes__
    assert note == f"the run can be resumed: alexnet.train(dataset, resume={str(tmp_path / 'run')!r})"
    assert (tmp_path / "run" / "last.safetensors").exists()
    alexnet.train(dataset, resume=tmp_path / "run", threads=1)
    assert same(parameters(tmp_path / "run"), parameters(run.path))


def test_a_run_of_files_is_resumed_without_naming_them(photos: Path, tmp_path: Path) -> None:
    def fail(event: alexnet.Event) -> None:
        if event["event"] == "step":
            raise ZeroDivisionError

    folder = tmp_path / "run"
    with pytest.raises(ZeroDivisionError) as error:
        alexnet.train(photos, recipe=TINY, run=folder, threads=1, callbacks=fail)
    assert error.value.__notes__ == [f"the run can be resumed: alexnet.train(resume={str(folder)!r})"]


def test_exceptions_before_the_first_step(dataset: alexnet.Dataset, tmp_path: Path) -> None:
    def fail(event: alexnet.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        alexnet.train(dataset, recipe=TINY, run=tmp_path / "run", callbacks=fail)
    run = alexnet.train(dataset, resume=tmp_path / "run")
    assert run.report is not None and run.report.stop_reason == "schedule"


@pytest.mark.parametrize("has_callback", [False, True])
def test_ctrl_c_stops_the_training(dataset: alexnet.Dataset, tmp_path: Path, has_callback: bool) -> None:
    folder = tmp_path / "run"

    def interrupt() -> None:
        while not list((folder / "checkpoints").glob("*")):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    steps: list[int] = []
    callbacks: Any = (lambda event: steps.append(event.get("step", 0))) if has_callback else ()
    with pytest.raises(KeyboardInterrupt) as error:
        alexnet.train(dataset, recipe=TINY, epochs=100_000, run=folder, threads=1, callbacks=callbacks)
    thread.join()
    assert "the run can be resumed" in error.value.__notes__[0]
    before = len(alexnet.Run(folder).log)
    run = alexnet.train(dataset, resume=folder, steps=10**6, callbacks=lambda event: event["event"] == "step")
    assert run.report is not None and run.report.stop_reason == "observer" and len(run.log) > before


def test_trainings_run_in_threads(run: alexnet.Run, dataset: alexnet.Dataset, tmp_path: Path) -> None:
    def work(i: int) -> None:
        alexnet.train(dataset, recipe=TINY, run=tmp_path / str(i), threads=1)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(parameters(tmp_path / str(i)), parameters(run.path)) for i in range(2))


def test_settings_change_the_recipe(dataset: alexnet.Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"optimizer.batch": 32, "schedule.at_epochs": [1], "optimizer.momentum": 0.9, "augment.flip": True}
    run = alexnet.train(dataset, recipe=TINY, settings=settings, epochs=2, run=tmp_path / "run", threads=2)
    toml = run.recipe.to_toml()
    assert "batch = 32" in toml and "at_epochs = [1]" in toml and "epochs = 2" in toml and "flip = true" in toml
    notes = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "the setting optimizer.momentum=0.9 has no effect: recipe tiny already has this value" in notes
    assert any("10 of 120 images are held out" in note for note in notes)


def test_folders_are_trained_on(photos: Path, run: alexnet.Run, tmp_path: Path) -> None:
    trained = alexnet.train(photos, recipe=TINY, run=tmp_path / "run", epochs=1, init=run)
    origin = json.loads((trained.path / "run.json").read_text())
    assert origin["source"] == str(photos)
    assert alexnet.train(resume=trained, accept_changes=True, epochs=2).report is not None
    assert alexnet.train(str(photos), recipe=str(TINY), run=trained.path, exist_ok=True, epochs=1).path == trained.path
    assert (trained.path / "earlier-1").is_dir()
    found = trained.model().evaluate(photos)
    assert found.split == "val" and found.trained_on_data is True


def test_a_run_whose_images_have_moved_says_how_to_resume_it(photos: Path, tmp_path: Path) -> None:
    run = alexnet.train(photos, recipe=TINY, run=tmp_path / 'my "run"', steps=1)
    photos.rename(tmp_path / "moved")
    with pytest.raises(alexnet.DataError, match="do not exist any more") as error:
        alexnet.train(resume=run)
    quoted = json.dumps(str(run.path))
    assert error.value.help == f'if they have moved: alexnet.train("NEW/PATH", resume={quoted})'


def test_a_run_with_other_settings_says_how_to_accept_them(dataset: alexnet.Dataset, tmp_path: Path) -> None:
    run = alexnet.train(dataset, recipe=TINY, run=tmp_path / "run", steps=1)
    with pytest.raises(alexnet.UsageError, match="these settings differ") as error:
        alexnet.train(dataset, resume=run, settings={"optimizer.rate": 0.01})
    assert error.value.help is not None and error.value.help.endswith("pass `accept_changes=True`")


@pytest.mark.parametrize(
    ("arguments", "kind", "expected"),
    [
        ({}, alexnet.UsageError, "no recipe given"),
        ({"recipe": "papre"}, alexnet.UsageError, "papre"),
        ({"recipe": TINY, "settings": {"optimizer.bacth": 3}}, alexnet.UsageError, "optimizer.bacth"),
        ({"recipe": TINY, "settings": {"optimizer.batch": None}}, alexnet.UsageError, "optimizer.batch: None"),
        ({"recipe": TINY, "settings": {"schedule.epochs": 2}, "epochs": 3}, alexnet.UsageError, "are the same"),
        ({"recipe": TINY, "steps": 0}, alexnet.UsageError, "steps=0: expected at least 1"),
        ({"recipe": TINY, "steps": -1}, alexnet.UsageError, "steps=-1: expected at least 1"),
        ({"recipe": TINY, "seed": -1}, alexnet.UsageError, "seed=-1: expected 0 to 18446744073709551615"),
        ({"recipe": TINY, "seed": 2**64}, alexnet.UsageError, "seed=18446744073709551616: expected 0 to"),
        ({"recipe": TINY, "threads": -1}, alexnet.UsageError, "threads=-1: expected 1 to 1024"),
        ({"recipe": TINY, "workers": -1}, alexnet.UsageError, "workers=-1: expected 0 to 1024"),
        ({"recipe": TINY, "micro_batch": -1}, alexnet.UsageError, "micro_batch=-1: expected at least 1"),
        ({"recipe": TINY, "checkpoint_steps": -1}, alexnet.UsageError, "checkpoint_steps=-1: expected at least 1"),
        ({"recipe": TINY, "threads": 2000}, alexnet.UsageError, "threads=2000: expected 1 to 1024"),
        ({"recipe": TINY, "workers": 2000}, alexnet.UsageError, "workers=2000: expected 0 to 1024"),
        ({"recipe": TINY, "micro_batch": 5}, alexnet.UsageError, "a micro-batch of 5 images"),
        ({"recipe": TINY, "checkpoint_minutes": -1}, alexnet.UsageError, "checkpoint_minutes=-1"),
        ({"recipe": TINY, "checkpoint_minutes": float("nan")}, alexnet.UsageError, "checkpoint_minutes=NaN"),
        ({"recipe": TINY, "on_divergence": "hope"}, alexnet.UsageError, "on_divergence"),
        ({"recipe": TINY, "on_plateau": "hope"}, alexnet.UsageError, "on_plateau"),
        ({"recipe": TINY, "exist_ok": True}, alexnet.UsageError, "`exist_ok` has no effect"),
        ({"recipe": TINY, "accept_changes": True}, alexnet.UsageError, "`accept_changes` has no effect"),
        ({"resume": "nope"}, alexnet.UsageError, "nope does not exist"),
        ({"resume": "nope", "seed": 1}, alexnet.UsageError, "`seed` and `resume`"),
        ({"resume": "nope", "seed": 0}, alexnet.UsageError, "`seed` and `resume`"),
        ({"recipe": TINY, "init": "nope"}, alexnet.ModelError, "nope"),
        ({"recipe": TINY, "source": "nope"}, alexnet.DataError, "nope"),
    ],
)
def test_wrong_arguments_are_refused(
    dataset: alexnet.Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    kind: type,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=expected):
        alexnet.train(**{"source": dataset, **arguments})
    assert not (tmp_path / "runs").exists()


def test_a_run_is_not_overwritten(run: alexnet.Run, dataset: alexnet.Dataset) -> None:
    with pytest.raises(alexnet.UsageError, match="is not empty|holds"):
        alexnet.train(dataset, recipe=TINY, run=run.path)


def test_arrays_are_given_again_to_resume(run: alexnet.Run, dataset: alexnet.Dataset, arrays: Any, tmp_path: Path) -> None:
    stopped = alexnet.train(dataset, recipe=TINY, run=tmp_path / "run", steps=4, threads=1)
    with pytest.raises(alexnet.DataError, match="arrays in memory, which its folder does not contain"):
        alexnet.train(resume=stopped)
    images, labels, classes = arrays
    other = images.copy()
    other[3, 3, 3] ^= 1
    changed = alexnet.Dataset.from_arrays(other, labels, classes=classes)
    with pytest.raises(alexnet.Error, match="names or labels differ"):
        alexnet.train(changed, resume=stopped, steps=10**6)
    alexnet.train(dataset, resume=stopped, steps=10**6, threads=1)
    assert same(parameters(stopped.path), parameters(run.path))


def test_one_class_is_refused(arrays: Any, tmp_path: Path) -> None:
    images = arrays[0][:20]
    one = alexnet.Dataset.from_arrays(images, ["boot"] * 20)
    with pytest.raises(alexnet.DataError, match="only one class, `boot`"):
        alexnet.train(one, recipe=TINY)
    alexnet.train(one, recipe=TINY, run=tmp_path / "run", epochs=1, allow_one_class=True)


def test_divergence_is_an_error(dataset: alexnet.Dataset, tmp_path: Path) -> None:
    with pytest.raises(alexnet.DivergedError) as error:
        alexnet.train(
            dataset,
            recipe=TINY,
            settings={"optimizer.rate": 1e6},
            run=tmp_path / "run",
            on_divergence="stop",
        )
    assert isinstance(error.value, ArithmeticError)
