#!/usr/bin/env python3
"""Writes golden.json: values of SciPy, statsmodels and NumPy that the test `statistics` compares with.

    python3 -m venv venv && venv/bin/pip install scipy==1.17.1 statsmodels==0.15.0
    venv/bin/python crates/alexnet/tests/statistics/make.py

The versions are part of the file.
"""

import itertools
import json
import math
import platform
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import scipy
import scipy.optimize
import scipy.special
import scipy.stats
import statsmodels
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

BINS = 15


def wilson():
    cases = [(0, 1), (1, 1), (1, 2), (0, 10), (10, 10), (3, 7), (61, 100), (850, 1000), (7999, 10000), (28123, 50000)]
    for successes, n in cases:
        low, high = proportion_confint(successes, n, alpha=0.05, method="wilson")
        yield {"successes": successes, "n": n, "low": low, "high": high}


def mcnemar_tests():
    # statsmodels corrects equal counts to (0 - 1)^2 / n; R and the test here leave them at 0.
    for b, c in [(0, 1), (1, 5), (6, 0), (12, 2), (25, 10), (40, 41), (150, 103), (1000, 1100), (2400, 2211)]:
        table = [[100, b], [c, 50]]
        corrected = mcnemar(table, exact=False, correction=True)
        yield {
            "only_first": b,
            "only_second": c,
            "exact_p": mcnemar(table, exact=True).pvalue,
            "corrected_statistic": corrected.statistic,
            "corrected_p": corrected.pvalue,
        }


def paired_differences():
    """Newcombe's method 10, from the formulas of the paper, which has 0.0569 to 0.3404 for the first case."""

    def interval(a, b, c, d):
        n = a + b + c + d
        l2, u2 = proportion_confint(a + b, n, method="wilson")
        l3, u3 = proportion_confint(a + c, n, method="wilson")
        p2, p3 = (a + b) / n, (a + c) / n
        product = (a + b) * (c + d) * (a + c) * (b + d)
        numerator = a * d - b * c
        if numerator > n / 2:
            numerator -= n / 2
        elif numerator >= 0:
            numerator = 0
        phi = numerator / math.sqrt(product) if product else 0.0
        below = math.sqrt((p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u3 - p3) + (u3 - p3) ** 2)
        above = math.sqrt((p3 - l3) ** 2 - 2 * phi * (p3 - l3) * (u2 - p2) + (u2 - p2) ** 2)
        return p2 - p3 - below, p2 - p3 + above

    for cells in [(36, 12, 2, 0), (60, 25, 5, 10), (7, 0, 0, 0), (0, 3, 4, 0), (8000, 400, 350, 1250)]:
        low, high = interval(*cells)
        yield {"cells": cells, "low": low, "high": high}


def sign_flips(random):
    for n in [2, 5, 6, 9, 12]:
        differences = random.normal(0.4, 1.0, n)
        test = scipy.stats.permutation_test(
            (differences,), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", vectorized=True,
            n_resamples=np.inf, alternative="two-sided",
        )
        yield {"differences": differences.tolist(), "p": float(test.pvalue)}


def bias_and_acceleration(values, means):
    below = ((means < values.mean()).sum() + (means <= values.mean()).sum()) / (2 * len(means))
    n = len(values)
    jackknife = np.array([np.delete(values, i).mean() for i in range(n)])
    apart = (n - 1) * (jackknife.mean() - jackknife)
    acceleration = (apart**3).sum() / (6 * (apart**2).sum() ** 1.5)
    return float(scipy.special.ndtri(below)), float(acceleration)


def bootstraps(random):
    """SciPy's BCa interval, given all n^n resamples instead of random ones. SciPy interpolates between the means of resamples, the
    test does not: they agree where neighbors are equal, as almost all are from five values on."""
    for n in [5, 6, 6, 7, 7]:
        values = random.gamma(1.5, 1.0, n) - 0.7
        means = np.array([values[list(indices)].mean() for indices in itertools.product(range(n), repeat=n)])
        # Equal up to rounding: the resamples with every value once.
        means[np.abs(means - values.mean()) < 1e-12] = values.mean()
        given = SimpleNamespace(bootstrap_distribution=means)
        found = scipy.stats.bootstrap(
            (values,), np.mean, n_resamples=0, bootstrap_result=given, method="BCa", vectorized=True
        ).confidence_interval
        bias, acceleration = bias_and_acceleration(values, means)
        yield {
            "values": values.tolist(), "low": found.low, "high": found.high, "bias": bias, "acceleration": acceleration,
        }


def random_bootstraps(random):
    """SciPy's BCa interval of random resamples."""
    for n in [11, 30, 200]:
        values = random.gamma(1.5, 1.0, n) - 0.7
        result = scipy.stats.bootstrap(
            (values,), np.mean, n_resamples=1_000_000, method="BCa", vectorized=True, batch=10_000, rng=random
        )
        bias, acceleration = bias_and_acceleration(values, result.bootstrap_distribution)
        interval = result.confidence_interval
        yield {
            "values": values.tolist(), "low": interval.low, "high": interval.high, "bias": bias, "acceleration": acceleration,
        }


def calibration(logits, labels):
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=1)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, BINS + 1)
    ece, counts = 0.0, []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        counts.append(int(inside.sum()))
        if inside.any():
            ece += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return {"confidence": confidence.tolist(), "correct": correct.tolist(), "ece": ece, "counts": counts}


def temperature(logits, labels):
    def loss(log_temperature):
        scaled = scipy.special.log_softmax(logits.astype(np.float64) / math.exp(log_temperature), axis=1)
        return -scaled[np.arange(len(labels)), labels].mean()

    found = scipy.optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9})
    return {
        "classes": logits.shape[1], "logits": logits.ravel().tolist(), "labels": labels.tolist(),
        "temperature": math.exp(found.x), "loss_before": loss(0.0), "loss_after": found.fun,
    }


def main():
    random = np.random.default_rng(2012)
    labels = random.integers(0, 7, 300)
    logits = (3 * random.normal(size=(300, 7)) + 3 * np.eye(7)[labels]).astype(np.float32)
    golden = {
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "statsmodels": statsmodels.__version__,
        },
        "wilson": list(wilson()),
        "mcnemar": list(mcnemar_tests()),
        "paired_difference": list(paired_differences()),
        "sign_flip": list(sign_flips(random)),
        "bootstrap": list(bootstraps(random)),
        "random_bootstrap": list(random_bootstraps(random)),
        "calibration": calibration(logits, labels),
        "temperature": temperature(logits, labels),
    }
    # One line for each case.
    parts = []
    for name, value in golden.items():
        if isinstance(value, list):
            rows = ",\n  ".join(json.dumps(case, default=float) for case in value)
            parts.append(f'"{name}": [\n  {rows}\n]')
        else:
            parts.append(f'"{name}": {json.dumps(value, default=float)}')
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    json.loads(text)
    Path(__file__).with_name("golden.json").write_text(text)


if __name__ == "__main__":
    main()
