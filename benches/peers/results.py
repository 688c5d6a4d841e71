"""What was measured: kept line by line in a file, so that a run that is stopped can be continued, and written as tables."""

import json
import statistics
from dataclasses import astuple, dataclass, field

from sides import OURS, Row, Side


@dataclass
class Results:
    """By row and side: the median seconds of a call in each round; why a side was left out; what else `alexnet bench` found in
    each round."""

    seconds: dict = field(default_factory=dict)
    left_out: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)

    def median(self, row, side):
        return statistics.median(self.seconds[row, side])

    def measured(self, row):
        """The sides of a row, the fastest first."""
        sides = [side for of, side in self.seconds if of == row]
        return sorted(sides, key=lambda side: self.median(row, side))

    def rows(self):
        return list(dict.fromkeys(row for row, _ in self.seconds))

    def take(self, entry):
        """Adds an entry of the log."""
        pair = Row(*entry["row"]), Side(*entry["side"])
        if "left_out" in entry:
            self.left_out[pair] = entry["left_out"]
        else:
            self.seconds.setdefault(pair, []).append(entry["seconds"])
        if "resident_bytes" in entry:
            self.facts.setdefault(pair, []).append(entry)


class Log:
    """A file of entries, one object in JSON per line. Rows are complete once a line says so; other entries are dropped."""

    def __init__(self, path, conditions):
        self.path, self.results, self.complete = path, Results(), set()
        lines = path.read_text().splitlines() if path and path.exists() else []
        entries = [json.loads(line) for line in lines]
        if entries and entries[0] != conditions:
            raise ValueError(f"{path} was measured under other conditions: {entries[0]}, now {conditions}")
        self.complete = {Row(*entry["complete"]) for entry in entries if "complete" in entry}
        kept = [entry for entry in entries if "row" in entry and Row(*entry["row"]) in self.complete]
        for entry in kept:
            self.results.take(entry)
        if path:
            ends = [{"complete": astuple(row)} for row in self.complete]
            path.write_text("".join(json.dumps(entry) + "\n" for entry in [conditions, *kept, *ends]))

    def add(self, row, side, **values):
        entry = {"row": astuple(row), "side": (side.program, side.precision, side.variant)} | values
        self.results.take(entry)
        self.append(entry)

    def finish(self, rows):
        for row in rows:
            self.complete.add(row)
            self.append({"complete": astuple(row)})

    def append(self, entry):
        if self.path:
            with self.path.open("a") as file:
                file.write(json.dumps(entry) + "\n")


def figure(row, seconds):
    """Milliseconds of one image, or images per second of a batch."""
    return f"{1e3 * seconds:,.2f} ms" if row.batch == 1 else f"{row.batch / seconds:,.1f}"


def summary(results):
    """For each row and precision, this program and the best peer."""
    lines = [
        "| row | precision | alexnet | best peer in that precision | its figure | speedup of alexnet |",
        "|---|---|---|---|---|---|",
    ]
    for row in results.rows():
        sides = results.measured(row)
        for precision in dict.fromkeys(side.precision for side in sorted(sides, key=lambda side: side.program != OURS)):
            same = [side for side in sides if side.precision == precision]
            ours = next((side for side in same if side.program == OURS), None)
            peer = next((side for side in same if side.program != OURS), None)
            speeds = [figure(row, results.median(row, side)) if side else "" for side in (ours, peer)]
            name = " ".join(filter(None, (peer.program, peer.variant))) if peer else ""
            ratio = f"{results.median(row, peer) / results.median(row, ours):.2f}" if ours and peer else ""
            lines.append(f"| {row} | {precision} | {speeds[0]} | {name} | {speeds[1]} | {ratio} |")
    return lines


def table(results, row):
    """All sides of a row, the fastest first."""
    sides = results.measured(row)
    ours = {side.precision: results.median(row, side) for side in sides if side.program == OURS}
    lines = [
        f"## {row}",
        "",
        f"| program | precision | {'one image' if row.batch == 1 else 'images/s'} | lowest, highest | speedup of alexnet in that precision |",
        "|---|---|---|---|---|",
    ]
    for side in sides:
        seconds, rounds = results.median(row, side), results.seconds[row, side]
        ratio = f"{seconds / ours[side.precision]:.2f}" if side.precision in ours and side.program != OURS else ""
        edges = ", ".join(figure(row, edge) for edge in sorted((min(rounds), max(rounds)), reverse=row.batch != 1))
        name = " ".join(filter(None, (side.program, side.variant)))
        lines.append(f"| {name} | {side.precision} | {figure(row, seconds)} | {edges} | {ratio} |")
    return lines + facts(results, row) + left_out(results, row)


def facts(results, row):
    """Memory of this program, and its throughput relative to the machine's peak in single precision."""
    lines = []
    for (of, side), entries in results.facts.items():
        if of == row:
            ratio = statistics.median(entry["peak_ratio"] for entry in entries)
            memory = max(entry["resident_bytes"] for entry in entries) / 1e9
            lines.append(
                f"{side}: {memory:.2f} GB resident with its images; counted as direct convolutions, {ratio:.2f} of the"
                " multiply-add peak in single precision, measured in the same runs."
            )
    return ["", *lines] if lines else []


def left_out(results, row):
    reasons = [f"{side}: {reason}" for (of, side), reason in results.left_out.items() if of == row]
    return ["", "Left out: " + "; ".join(reasons) + "."] if reasons else []
