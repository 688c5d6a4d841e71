#!/usr/bin/env python3
"""Runs a complete challenge in ImageNet's layout through the program: check, pack, train, eval.

    pip install scipy numpy pillow && cargo build --release
    python crates/alexnet/tests/ilsvrc/whole.py target/release/alexnet [FOLDER]

1,000 archives of 20 small images each, 2,000 validation images, a development kit; about a minute.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import generate


def main():
    program = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(sys.argv[2] if len(sys.argv) > 2 else temporary).resolve()
        source = root / "imagenet"
        generate.challenge(source, classes=1000, train=20, val=2000)

        def run(*arguments):
            began = time.perf_counter()
            done = subprocess.run([program, *map(str, arguments), "--json"], capture_output=True, text=True, cwd=root)
            assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stderr}"
            print(f"{' '.join(map(str, arguments[:2]))}: {time.perf_counter() - began:.1f} s")
            return json.loads(done.stdout)

        # All irregular files are found, and no others of these kinds.
        found = run("data", "check", source)
        assert (found["images"], found["classes"]) == (22_000, 1000), found["images"]
        kinds = Counter(problem["kind"] for problem in found["problems"])
        files = {problem["file"].rsplit("/")[-1].split(".")[0] for problem in found["problems"] if problem["kind"] == "cmyk"}
        assert files == set(generate.CMYK), files
        expected = {"cmyk": 22, "wrong-name": 1, "rotated": 1, "truncated": 1}
        assert all(kinds[kind] == count for kind, count in expected.items()), kinds
        # A little more than one epoch, over every image but the truncated one.
        recipe = ["--recipe", "small", "--seed", "1"]
        trained = run("train", source, *recipe, "--run", root / "run", "--steps", "300")
        assert len(trained["skipped"]) == 1 and trained["images"] == 2000, trained
        # The packed set does not contain the truncated image.
        packed = run("data", "pack", source, root / "packed", "--side", "28")
        assert [split["images"] for split in packed["splits"]] == [19_999, 2000], packed["splits"]
        again = run("train", root / "packed", *recipe, "--run", root / "again", "--steps", "300")
        assert abs(again["loss"] - trained["loss"]) < 0.2, (trained, again)
        # Labels are assigned correctly: the class determines the color of its images, so the network learns something quickly.
        judged = run("eval", root / "run", "--data", source, "--split", "val")
        assert judged["images"] == 2000 and judged["top1"] == trained["top1"], judged
        assert judged["top5"] > 0.01, f"top-5 {judged['top5']}: chance is 0.005"
        print(f"top-1 {judged['top1']:.3f}, top-5 {judged['top5']:.3f} after 300 steps; chance is 0.001 and 0.005")


if __name__ == "__main__":
    main()
