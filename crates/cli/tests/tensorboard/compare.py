"""Compares a run's `metrics.jsonl` with what TensorBoard's own reader reads from its event files.

    pip install -r tests/tensorboard/requirements.txt
    python tests/tensorboard/compare.py RUN
"""

import json
import math
import struct
import sys
from collections import defaultdict
from pathlib import Path

from tensorboard import version
from tensorboard.backend.event_processing import event_accumulator


def single(number):
    """Returns the nearest single-precision value; `null` stands for a non-finite one."""
    return math.nan if number is None else struct.unpack("f", struct.pack("f", number))[0]


def tag(line, name):
    """Returns the tag of a value in TensorBoard; the lines of epochs have their own tags."""
    if "val/loss" not in line or name.startswith("val/"):
        return name
    return "epoch/" + name.removeprefix("train/")


def measured(path):
    """Maps each tag to its list of (step, value)."""
    out = defaultdict(list)
    for text in path.read_text().splitlines():
        line = json.loads(text)
        for name, value in line.items():
            if name not in ("step", "epoch", "seconds"):
                out[tag(line, name)].append((line["step"], single(value)))
    return out


def read(folder):
    """The same, by TensorBoard; with the check that no time is before the one before it."""
    size = {event_accumulator.SCALARS: 0}
    events = event_accumulator.EventAccumulator(str(folder), size_guidance=size)
    events.Reload()
    out = {}
    for name in events.Tags()["scalars"]:
        found = events.Scalars(name)
        times = [event.wall_time for event in found]
        assert times == sorted(times), f"{name}: times go back: {times}"
        out[name] = [(event.step, event.value if math.isfinite(event.value) else math.nan) for event in found]
    return out


def main(folder):
    expected, found = measured(folder / "metrics.jsonl"), read(folder)
    names = expected.keys() ^ found.keys()
    assert not names, f"names that only one of them has: {sorted(names)}"
    for name, values in expected.items():
        # As text, in which a value that is not a number equals itself.
        assert repr(values) == repr(found[name]), f"{name}: {values} is expected, TensorBoard reads {found[name]}"
    count = sum(map(len, expected.values()))
    files = len(list(folder.glob("events.out.tfevents.*")))
    assert count > 0 and files > 0
    print(f"TensorBoard {version.VERSION}: {count} values under {len(found)} names in {files} files are those of metrics.jsonl")


main(Path(sys.argv[1]))
