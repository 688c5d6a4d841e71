"""The package as a whole: what importing it costs, its types, its documentation, and progress in notebooks."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib import metadata, resources
from typing import Any

import IPython.display
import pytest
from conftest import TINY

import alexnet
from alexnet import notebook

LAZY = "sklearn", "IPython", "PIL", "scipy", "pandas"


def test_importing_the_package_imports_only_numpy() -> None:
    script = f"import sys, alexnet; print([name for name in {LAZY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_an_unknown_instruction_set_is_refused(run: alexnet.Run) -> None:
    script = "import sys, alexnet; alexnet.load(sys.argv[1])"
    environment = {**os.environ, "ALEXNET_KERNELS": "AVX2"}
    arguments = [sys.executable, "-c", script, str(run.path)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "alexnet.errors.UsageError: ALEXNET_KERNELS: `AVX2` is not a known instruction set" in done.stderr


def test_the_package_contains_its_licenses() -> None:
    files = metadata.metadata("alexnet").get_all("License-File")
    assert files is not None and set(files) == {"LICENSE-APACHE", "LICENSE-Fashion-MNIST", "LICENSE-MIT"}


def test_the_package_is_typed() -> None:
    files = {file.name for file in resources.files("alexnet").iterdir()}
    assert {"py.typed", "_native.pyi"} <= files


def test_everything_public_is_documented() -> None:
    for name in alexnet.__all__:
        item = getattr(alexnet, name)
        if inspect.isclass(item):
            assert item.__doc__, name
            for member, value in vars(item).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member}"
    assert alexnet.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="nope"):
        alexnet.nope


def test_progress_is_shown(dataset: alexnet.Dataset, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, html: Any) -> None:
            shown.append(html.data)

    monkeypatch.setattr(IPython.display, "display", lambda *_, **__: Handle())
    monkeypatch.setattr(notebook, "_INTERVAL", 0)
    progress = notebook.Progress()
    alexnet.train(dataset, recipe=TINY, run=tmp_path / "run", threads=1, callbacks=progress)
    assert len(shown) > 50 and "epoch 2 of 3" in "".join(shown)
    assert "ended: schedule" in shown[-1] and shown[-1].count("<svg") == 2 and "<polyline" in shown[-1]
    assert shown[-1] == progress.html() and "nan" not in shown[-1]


def test_progress_escapes_texts() -> None:
    progress = notebook.Progress()
    progress({"event": "message", "level": "note", "text": "class <b>"})
    assert "class &lt;b&gt;" in progress.html() and "<svg" not in progress.html()
