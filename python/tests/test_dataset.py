"""Datasets, recipes and evaluations."""

from __future__ import annotations

import logging
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from conftest import TINY
from PIL import Image

import alexnet


def test_a_folder_has_classes_and_splits(photos: Path, arrays: Any) -> None:
    dataset = alexnet.Dataset(photos)
    assert dataset.classes == ["T-shirt-top", "Trouser"] and dataset.splits == {"train": 22, "val": 2, "all": 24}
    assert dataset.path == photos and dataset.origin == str(photos) and "held out" in dataset.notes[0]
    labels = dataset.labels("all")
    assert labels.dtype == np.int64 and labels.tolist() == [0] * 12 + [1] * 12
    files = dataset.files("all")
    assert files[0] == "T-shirt-top/00.png" and len(files) == 24
    for index in (0, 13):
        assert np.array_equal(dataset.image(index, "all"), np.asarray(Image.open(photos / files[index]).convert("RGB")))
    images, found = dataset.arrays("all")
    assert images.shape == (24, 28, 28, 3) and np.array_equal(found, labels)
    assert dataset.arrays("all", side=16, limit=6)[0].shape == (6, 16, 16, 3)
    assert dataset.arrays("all", limit=6)[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert repr(dataset).startswith("<Dataset ")


def test_a_tar_is_a_source(photos: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        tar.add(photos, "photos")
    assert alexnet.Dataset(tmp_path / "photos.tar").splits == {"train": 22, "val": 2, "all": 24}


def test_what_a_dataset_does_not_have_is_named(photos: Path, tmp_path: Path) -> None:
    dataset = alexnet.Dataset(photos)
    with pytest.raises(alexnet.DataError, match="has no split `test`, only train, val, all"):
        dataset.labels("test")
    with pytest.raises(alexnet.UsageError, match="image 99 of split `all`: it has 24 images"):
        dataset.image(99, "all")
    with pytest.raises(alexnet.UsageError, match="image -1 of split `all`: it has 24 images"):
        dataset.image(-1, "all")
    with pytest.raises(alexnet.UsageError, match="side=-1: expected 1 to 4096"):
        dataset.arrays("all", side=-1)
    with pytest.raises(alexnet.UsageError, match="limit=0"):
        dataset.arrays("all", limit=0)
    with pytest.raises(alexnet.DataError, match="cannot open the source"):
        alexnet.Dataset(tmp_path / "nope")
    Image.new("RGB", (5, 9)).save(photos / "T-shirt-top" / "00.png")
    with pytest.raises(alexnet.UsageError, match="00.png has 5 x 9 pixels, expected a square"):
        alexnet.Dataset(photos).arrays("all")
    (photos / "Trouser" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(alexnet.DataError, match="broken.png"):
        alexnet.Dataset(photos).arrays("all", side=8)


def test_arrays_are_copied_with_their_labels(arrays: Any) -> None:
    images, labels, classes = arrays
    dataset = alexnet.Dataset.from_arrays(images, labels, classes=classes, hold_out=False)
    assert dataset.splits == {"train": 120} and dataset.path is None
    copied, found = dataset.arrays()
    assert np.array_equal(copied, images) and np.array_equal(found, labels) and not np.shares_memory(copied, images)
    gray = alexnet.Dataset.from_arrays(images[..., 0], labels, classes=classes, validation=(images[:9], labels[:9]))
    assert gray.splits == {"train": 120, "val": 9} and np.array_equal(gray.arrays()[0], images)
    column = alexnet.Dataset.from_arrays(images[..., :1], labels, classes=classes, hold_out=False)
    assert np.array_equal(column.arrays()[0], images)


def test_labels_are_names_or_numbers(arrays: Any) -> None:
    images = arrays[0][:4]
    named = alexnet.Dataset.from_arrays(images, ["b", "a", "b", "c"], hold_out=False)
    assert named.classes == ["a", "b", "c"] and named.labels().tolist() == [1, 0, 1, 2]
    numbers = alexnet.Dataset.from_arrays(images, [10, 2, 10, 3], hold_out=False)
    assert numbers.classes == ["2", "3", "10"] and numbers.labels().tolist() == [2, 0, 2, 1]
    ordered = alexnet.Dataset.from_arrays(images, ["b", "a", "b", "a"], classes=["b", "a", "z"], hold_out=False)
    assert ordered.classes == ["b", "a", "z"] and ordered.labels().tolist() == [0, 1, 0, 1]


def test_numbers_in_columns_of_objects_are_indices(arrays: Any) -> None:
    images = arrays[0][:4]
    found = alexnet.Dataset.from_arrays(images, np.array([1, 0, 1, 1], dtype=object), classes=["a", "b"], hold_out=False)
    assert found.classes == ["a", "b"] and found.labels().tolist() == [1, 0, 1, 1]


def test_a_split_without_images_is_named(arrays: Any) -> None:
    small = alexnet.Dataset.from_arrays(arrays[0][:2], ["a", "b"])
    with pytest.raises(alexnet.DataError, match="split `val` has no images"):
        small.arrays("val")


def test_labels_in_bytes_are_text(arrays: Any) -> None:
    images = arrays[0][:4]
    names = ["größe", "cat", "größe", "dog"]
    encoded = [name.encode() for name in names]
    for labels in (np.array(encoded), np.array(encoded, dtype=object), np.array([names[0], *encoded[1:]], dtype=object)):
        found = alexnet.Dataset.from_arrays(images, labels, hold_out=False)
        assert found.classes == ["cat", "dog", "größe"] and found.labels().tolist() == [2, 0, 2, 1]
    given = alexnet.Dataset.from_arrays(images, np.array(encoded), classes=["größe", "dog", "cat"], hold_out=False)
    assert given.labels().tolist() == [0, 2, 0, 1]


@pytest.mark.parametrize(
    ("images", "labels", "options", "kind", "expected"),
    [
        (np.zeros((4, 2, 2, 3), np.uint8), [0, 1, 0], {}, alexnet.DataError, "48 values, expected 12 for each of 3"),
        (np.zeros((4, 2, 2, 3), np.uint8), [[0], [1], [0], [1]], {}, alexnet.UsageError, r"labels: shape \(4, 1\)"),
        (np.zeros((4, 2, 2, 3), np.uint8), [0.5, 1, 0, 1], {}, alexnet.UsageError, "labels of type float64"),
        (np.zeros((4, 2, 2, 3), np.uint8), [0, 1, 2, 1], {"classes": ["a", "b"]}, alexnet.UsageError, "labels from 0 to 2"),
        (
            np.zeros((4, 2, 2, 3), np.uint8),
            np.array(["a", float("nan"), "b", "b"], dtype=object),
            {},
            alexnet.UsageError,
            "label nan of type float, expected class names",
        ),
        (np.zeros((2, 2, 2, 3), np.uint8), ["a", "x"], {"classes": ["a", "b"]}, alexnet.UsageError, "label 'x' is not one"),
        (np.zeros((2, 2, 2, 3), np.uint8), [b"a", b"\xff"], {}, alexnet.UsageError, r"label b'\\xff' is not UTF-8"),
        (np.zeros((2, 2, 2, 3), np.uint8), ["a", "b"], {"classes": ["a", "b", "a"]}, alexnet.DataError, "`a` occurs twice"),
        (np.zeros((2, 3, 4, 4), np.uint8), [0, 1], {}, alexnet.UsageError, "split `train`: .* has the channels first"),
        (np.full((2, 4, 4, 3), 0.5), [0, 1], {}, alexnet.UsageError, "split `train`: values from 0.5 to 0.5"),
        (np.zeros((2, 48), np.uint8), [0, 1], {}, alexnet.UsageError, r"shape \(2, 48\), expected"),
        (np.zeros((0, 4, 4, 3), np.uint8), [], {}, alexnet.UsageError, "is empty"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(images: Any, labels: Any, options: dict[str, Any], kind: type, expected: str) -> None:
    with pytest.raises(kind, match=expected):
        alexnet.Dataset.from_arrays(images, labels, **options)


def test_recipes_are_read_changed_and_written(tmp_path: Path) -> None:
    names = alexnet.Recipe.names()
    assert names[0] == "paper" and "small" in names
    paper = alexnet.Recipe("paper")
    assert paper.describe()["parameters"] == 60_965_224 and paper.summary
    layers = pandas.DataFrame(paper.describe()["layers"])
    assert layers.set_index("name").loc["conv1", "output"] == [96, 55, 55]
    ten: Any = np.uint64(10)
    assert paper.describe(classes=10)["classes"] == paper.describe(classes=ten)["classes"] == 10
    with pytest.raises(alexnet.UsageError, match="classes=-1: expected 1 to 1048576"):
        paper.describe(classes=-1)
    tiny = alexnet.Recipe(TINY)
    assert tiny == alexnet.Recipe(TINY.read_text()) == alexnet.Recipe(str(TINY)) == alexnet.Recipe(tiny)
    changed = tiny.set({"optimizer.rate": np.float64(0.25), "evaluation.views": 10})
    assert changed != tiny and "rate = 0.25" in changed.to_toml() and repr(changed) == "Recipe('tiny')"
    changed.save(tmp_path / "changed.toml")
    assert alexnet.Recipe(tmp_path / "changed.toml") == changed == pickle.loads(pickle.dumps(changed))
    assert len({tiny, changed, alexnet.Recipe(TINY)}) == 2
    refused: list[tuple[Any, str]] = [("papre", "papre"), (tmp_path / "nope.toml", "nope"), ("name = 1\n", "name")]
    for source, expected in refused:
        with pytest.raises(alexnet.UsageError, match=expected):
            alexnet.Recipe(source)


def test_evaluations_are_tables(model: alexnet.Model, dataset: alexnet.Dataset, arrays: Any) -> None:
    found = model.evaluate(dataset, split="all", views=1)
    probabilities = model.predict_proba(dataset.arrays("all")[0], views=1)
    labels = dataset.labels("all")
    correct = probabilities.argmax(axis=1) == labels
    with pytest.raises(alexnet.UsageError, match="workers=-1: expected 0 to 1024"):
        model.evaluate(dataset, split="all", workers=-1)
    assert found.images == 120 and found.top1 == correct.mean() and found.views == 1 and found.split == "all"
    assert found.top1_interval[0] < found.top1 < found.top1_interval[1] <= 1
    assert found.top5 == 1 and found.top5_interval is None and found.trained_on_data is True
    np.testing.assert_allclose(found.loss, -np.log(probabilities[np.arange(120), labels]).mean(), rtol=1e-4)
    images = pandas.DataFrame(found.per_image)
    assert len(images) == 120 and images["correct"].tolist() == correct.tolist()
    assert images["file"].tolist() == dataset.files("all")
    classes = pandas.DataFrame(found.per_class).set_index("class")
    assert classes["images"].tolist() == np.bincount(labels).tolist()
    assert found.confusion.sum() == 120 and found.confusion.trace() == correct.sum()
    np.testing.assert_allclose(classes["recall"], found.confusion.diagonal() / found.confusion.sum(axis=1))
    assert sum(row["images"] for row in found.calibration) == 120
    wrong = pandas.DataFrame(found.most_confused, columns=["class", "predicted", "images"])["images"].sum()
    assert wrong == 120 - correct.sum() and "includes images that the model was trained on" in found.notes[-1]


def test_the_default_split_is_one_that_was_not_trained_on(
    model: alexnet.Model, dataset: alexnet.Dataset, arrays: Any, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = model.evaluate(dataset)
    assert found.split == "val" and "evaluating the 10 images held out of training" in found.notes[-1]
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == found.notes
    (photos / "T-shirt-top").rename(photos / "Pullover")
    found = model.evaluate(photos)
    assert found.split == "all" and found.trained_on_data is False
    assert "2 of the model's 4 classes have no images" in found.notes[-1]
    nan = pandas.DataFrame(found.per_class).set_index("class")["recall"].isna()
    assert nan.tolist() == [True, False, False, True]


def test_other_classes_and_unreadable_images(model: alexnet.Model, photos: Path) -> None:
    with pytest.raises(alexnet.DataError, match="1 of the data's 2 classes are not among the model's 4: T-shirt-top"):
        model.evaluate(photos)
    (photos / "T-shirt-top").rename(photos / "Pullover")
    (photos / "Trouser" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = model.evaluate(str(photos), split="all")
    assert found.images == 24 and [row["file"] for row in found.skipped] == ["Trouser/broken.png"]
    for path in photos.glob("*/*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(alexnet.DataError, match="none of the 25 images of split `all` can be decoded"):
        model.evaluate(photos, split="all")
