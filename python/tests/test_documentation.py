"""The code of the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/python.md", "python/README.md"])
def test_the_code_of_a_page_runs(page: str, arrays: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels, _ = arrays
    for name, label in (("cat", 0), ("dog", 1)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i, image in enumerate(images[labels == label][:12]):
            Image.fromarray(image).save(tmp_path / "photos" / name / f"{i}.png")
        Image.fromarray(images[labels == label][13]).save(tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    chosen = labels < 2
    names: dict[str, Any] = {"images": images[chosen][:40], "labels": labels[chosen][:40], "array": np.zeros((9, 9, 3), np.uint8)}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
