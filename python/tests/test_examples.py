"""The examples run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_script_trains_and_classifies(tmp_path: Path) -> None:
    arguments = [sys.executable, str(EXAMPLES / "train.py")]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "epoch 2: " in done.stdout and "top-1 " in done.stdout


def test_the_notebook_runs(tmp_path: Path) -> None:
    # Its functions are not typed.
    formats: Any = nbformat
    notebook = formats.read(EXAMPLES / "garments.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is stored without outputs"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    html = "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    assert "ended: schedule" in html and html.count("<svg") > 2
