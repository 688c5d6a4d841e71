"""The interface of scikit-learn."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import alexnet
from alexnet import AlexNetClassifier

#: Checks of scikit-learn that are expected to fail, and why. There are none.
EXPECTED_TO_FAIL: dict[str, str] = {}


@pytest.mark.filterwarnings("default")
def test_scikit_learn_checks_the_estimator() -> None:
    # Their data are no images: a few features, of any range.
    estimator = AlexNetClassifier(TINY, epochs=10, image_shape="pad", value_range="data", threads=1)
    results = check_estimator(estimator, expected_failed_checks=EXPECTED_TO_FAIL, on_fail=None, on_skip=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    # This one needs SCIPY_ARRAY_API=1, which SciPy reads when it is imported.
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert not failed and skipped <= {"check_array_api_input"} and len(results) > 50


def estimator(**parameters: Any) -> AlexNetClassifier:
    return AlexNetClassifier(**{"recipe": TINY, "threads": 1, "random_state": 0, **parameters})


def test_images_in_any_form_train_the_same_model(arrays: Any) -> None:
    images, labels, classes = arrays
    names = np.array(classes)[labels]
    fitted = estimator().fit(images, names)
    assert fitted.classes_.tolist() == sorted(classes) and fitted.report_.stop_reason == "schedule"
    expected = fitted.predict_proba(images)
    assert expected.shape == (120, 4) and fitted.score(images, names) > 0.8
    assert fitted.predict(images).tolist() == fitted.classes_[expected.argmax(axis=1)].tolist()
    flat = images.reshape(120, -1)
    for form in (flat, images.astype(float), images[..., 0], images[..., 0].reshape(120, -1), images[..., :1]):
        again = estimator().fit(form, names)
        np.testing.assert_array_equal(again.predict_proba(form), expected)
    unit = estimator(value_range=(0, 1)).fit(images / 255, names)
    np.testing.assert_array_equal(unit.predict_proba(images / 255), expected)
    # Other labels of the same order, and another seed.
    assert estimator().fit(images, labels + 7).classes_.tolist() == [7, 8, 9, 10]
    assert not np.array_equal(estimator(random_state=1).fit(images, names).predict_proba(images), expected)


def test_an_estimator_is_cloned_pickled_and_searched(arrays: Any) -> None:
    images, labels, _ = arrays
    fitted = estimator(epochs=1).fit(images, labels)
    assert clone(fitted).get_params()["epochs"] == 1
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(images), fitted.predict_proba(images))
    scores = cross_val_score(estimator(), images, labels, cv=3)
    assert scores.mean() > 0.6
    pipeline = make_pipeline(FunctionTransformer(lambda x: 255 - x), estimator(epochs=2))
    assert pipeline.fit(images.reshape(120, -1), labels).score(images.reshape(120, -1), labels) > 0.5


def test_a_warm_start_continues_from_the_previous_weights(arrays: Any, run: alexnet.Run) -> None:
    images, labels, _ = arrays
    losses: list[float] = []

    def record(event: alexnet.Event) -> None:
        if event["event"] == "step":
            losses.append(event["loss"])

    def first_loss(fitted: AlexNetClassifier) -> float:
        losses.clear()
        fitted.fit(images, labels)
        return losses[0]

    warm = estimator(warm_start=True, callbacks=record)
    cold = first_loss(warm)
    assert first_loss(warm) < cold / 2
    assert first_loss(estimator(callbacks=record)) == cold
    # The classes have other names, so that the last layer starts fresh.
    assert first_loss(estimator(callbacks=record, init=run)) not in (cold, losses[-1])


def test_a_run_may_be_kept_and_validated(arrays: Any, tmp_path: Path) -> None:
    images, labels, _ = arrays
    fitted = estimator(validation=True, run=tmp_path / "run", settings={"optimizer.batch": 32}).fit(images, labels)
    assert fitted.report_.images == 10 and len(alexnet.Run(tmp_path / "run").history(epochs=True)["epoch"]) == 3
    assert estimator().fit(images, labels).report_.images is None
    fitted.fit(images, labels)
    assert (tmp_path / "run" / "earlier-1" / "last.safetensors").exists()


def test_only_a_run_that_is_kept_can_be_resumed(arrays: Any, tmp_path: Path) -> None:
    def fail(event: alexnet.Event) -> None:
        if event["event"] == "step":
            raise ZeroDivisionError

    images, labels, _ = arrays
    for run, notes in [(None, 0), (tmp_path / "run", 1)]:
        with pytest.raises(ZeroDivisionError) as error:
            estimator(run=run, callbacks=fail).fit(images, labels)
        assert len(error.value.__notes__) == notes


@pytest.mark.parametrize(
    ("parameters", "shape", "expected"),
    [
        ({}, (20, 10), "rows of 10 values are not square images"),
        ({"image_shape": (3, 3)}, (20, 10), r"rows of 10 values do not have the image_shape \(3, 3\)"),
        ({"image_shape": "padd"}, (20, 10), "image_shape='padd'"),
        ({"value_range": "dat"}, (20, 9), "value_range='dat'"),
        ({"value_range": (1, 1)}, (20, 9), r"value_range=\(1, 1\)"),
        ({"recipe": "papre"}, (20, 9), "papre"),
        ({"recipe": TINY, "epochs": 0}, (20, 9), "epochs"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, Any], shape: tuple[int, ...], expected: str) -> None:
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, shape), np.arange(20) % 2
    with pytest.raises(alexnet.UsageError, match=expected):
        estimator(**parameters).fit(images, labels)


def test_values_beyond_those_of_the_training_are_cut_off(arrays: Any) -> None:
    images, labels, _ = arrays
    values = images.astype(float)
    values[0, 0, 0], values[0, 0, 1] = 0, 255
    fitted = estimator(value_range="data", epochs=1).fit(values, labels)
    brighter = values[:5].copy()
    brighter[0, 0, 1], brighter[1, 3, 3] = 256, -1
    expected = fitted.predict_proba(np.clip(brighter, 0, 255).astype(np.uint8))
    np.testing.assert_array_equal(fitted.predict_proba(brighter), expected)
    # A dark batch is not one of values from 0 to 1.
    assert fitted.predict_proba(np.full((2, 28, 28), 0.5)).shape == (2, 4)


def test_images_of_other_sizes_are_predicted(arrays: Any) -> None:
    images, labels, _ = arrays
    fitted = estimator(epochs=1).fit(images, labels)
    larger = np.repeat(np.repeat(images[:3], 2, axis=1), 2, axis=2)
    assert fitted.predict_proba(larger).shape == (3, len(fitted.classes_))


def test_values_out_of_range_are_explained() -> None:
    labels = np.arange(20) % 2
    unit = np.random.default_rng(0).random((20, 8, 8))
    with pytest.raises(alexnet.UsageError, match="expected pixels from 0 to 255"):
        estimator().fit(unit, labels)
    with pytest.raises(ValueError, match="only one class"):
        estimator().fit(unit * 255, np.zeros(20))
    with pytest.raises(ValueError, match="NaN"):
        estimator().fit(np.full((20, 9), np.nan), labels)
