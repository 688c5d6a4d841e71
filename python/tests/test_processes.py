"""Threads, forks, Ctrl-C, and the end of the interpreter."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pytest
from conftest import TINY
from numpy.typing import NDArray

import alexnet


def test_threads_take_turns(model: alexnet.Model, arrays: Any) -> None:
    expected = model.predict_proba(arrays[0])
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(5):
            if not np.array_equal(model.predict_proba(arrays[0]), expected):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def in_fork(work: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
    """The result of a function in a process that is forked off."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def send() -> None:
        try:
            sender.send(work())
        except BaseException as error:
            sender.send(error)

    process = context.Process(target=send)
    with warnings.catch_warnings():
        # Python 3.12 warns of forks of processes with threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    assert receiver.poll(60), "the process hangs"
    found = receiver.recv()
    process.join()
    if isinstance(found, BaseException):
        raise found
    return np.asarray(found)


def test_models_work_after_a_fork(model: alexnet.Model, run: alexnet.Run, arrays: Any) -> None:
    images = arrays[0]
    with_threads = run.model(batch=16, threads=2)
    from_bytes = alexnet.Model.from_bytes(model.to_bytes(), batch=16, threads=2)
    for loaded in (with_threads, from_bytes):
        expected = loaded.predict_proba(images)
        assert np.array_equal(in_fork(lambda: loaded.predict_proba(images)), expected)
        assert np.array_equal(loaded.predict_proba(images), expected)


def test_a_fork_while_another_thread_predicts(run: alexnet.Run, arrays: Any) -> None:
    images = arrays[0]
    loaded = run.model(batch=16, threads=2)
    expected = loaded.predict_proba(images)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            loaded.predict_proba(images)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            assert np.array_equal(in_fork(lambda: loaded.predict_proba(images)), expected)
    finally:
        stop.set()
        thread.join()


LEAVING_A_FORK = """
import os, sys, threading
import numpy as np
import alexnet

model = alexnet.load(sys.argv[1], threads=2)
images = np.zeros((640, 8, 8, 3), np.uint8)
threading.Thread(target=lambda: [model.predict(images) for _ in range(100)], daemon=True).start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        # The child ends as a program does: it drops what it has inherited.
        del model
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 warns of forks of processes with threads")
def test_a_fork_may_leave_without_using_the_model(run: alexnet.Run) -> None:
    arguments = [sys.executable, "-c", LEAVING_A_FORK, str(run.path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_a_changed_file_is_not_used_after_a_fork(run: alexnet.Run, arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((run.path / "best.safetensors").read_bytes())
    loaded = alexnet.load(path, threads=1)
    path.write_bytes(b"other")
    with pytest.raises(alexnet.ModelError, match="the file has changed since this model was loaded from it"):
        in_fork(lambda: loaded.predict_proba(arrays[0]))
    assert loaded.predict_proba(arrays[0]).shape == (120, 4)


def test_trainings_run_in_forks(run: alexnet.Run, dataset: alexnet.Dataset, arrays: Any, tmp_path: Path) -> None:
    def work() -> NDArray[np.float64]:
        trained = alexnet.train(dataset, recipe=TINY, run=tmp_path / "run", threads=2)
        return trained.model(threads=1).predict_proba(arrays[0])

    assert np.array_equal(in_fork(work), run.model(threads=1).predict_proba(arrays[0]))


class Endless(Sequence[NDArray[np.uint8]]):
    """A billion images."""

    def __len__(self) -> int:
        return 10**9

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        image = np.zeros((8, 8, 3), np.uint8)
        return [image] * len(range(10**9)[index]) if isinstance(index, slice) else image


def test_ctrl_c_stops_a_prediction(model: alexnet.Model) -> None:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.predict(Endless())
    timer.join()


def test_ctrl_c_stops_the_opening_of_a_dataset(tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(b"not read when a folder is opened")
    for name in ["cat", "dog"]:
        (tmp_path / "many" / name).mkdir(parents=True)
        for number in range(20_000):
            os.link(image, tmp_path / "many" / name / f"{number}.png")
    timer = threading.Timer(0.005, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        alexnet.Dataset(tmp_path / "many")
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    assert not names or "alexnet-open" in names, "the signal was noticed after the opening only"
    timer.join()


AT_EXIT = """
import sys, threading
import alexnet

dataset = alexnet.Dataset.from_arrays(*alexnet.Dataset.builtin().arrays("train", limit=200))
started = threading.Event()

def work():
    def callback(event):
        if event["event"] == "step":
            started.set()
    alexnet.train(dataset, recipe=sys.argv[1], run=sys.argv[2], epochs=100_000, callbacks=callback)

threading.Thread(target=work, daemon=True).start()
assert started.wait(60)
"""


def test_a_training_in_a_daemon_thread_saves_its_work_at_exit(tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [sys.executable, "-c", AT_EXIT, str(TINY), str(run)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert (run / "last.safetensors").exists() and "to resume" in alexnet.Run(run).log


PREDICTING_AT_EXIT = """
import sys, threading
import numpy as np
import alexnet

model = alexnet.load(sys.argv[1])
started = threading.Event()

def work():
    while True:
        model.predict(np.zeros((64, 8, 8, 3), np.uint8))
        started.set()

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
assert started.wait(60)
"""


def test_predictions_in_daemon_threads_end_with_the_interpreter(run: alexnet.Run) -> None:
    for _ in range(3):
        arguments = [sys.executable, "-c", PREDICTING_AT_EXIT, str(run.path)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and not done.stderr, done.stderr


def test_ctrl_c_in_a_script_leaves_a_run_to_resume(tmp_path: Path) -> None:
    script = AT_EXIT.replace("threading.Thread(target=work, daemon=True).start()", "work()")
    run = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", script, str(TINY), str(run)], stderr=subprocess.PIPE, text=True)
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").read_text():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT and "KeyboardInterrupt" in errors
    assert f"alexnet.train(dataset, resume={str(run)!r})" in errors
