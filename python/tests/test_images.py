"""Arrays, files and Pillow images that are classified, and arrays that are refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TINY
from PIL import Image

import alexnet
from alexnet.images import batches, pixels


def test_every_form_of_an_image_gives_the_same_probabilities(model: alexnet.Model, arrays: Any, tmp_path: Path) -> None:
    array = arrays[0][0]
    path = tmp_path / "image.png"
    Image.fromarray(array).save(path)
    expected = model.predict_proba(array)
    assert expected.shape == (1, 4) and abs(expected.sum() - 1) < 1e-12
    gray = array[..., 0]
    forms: list[Any] = [
        array[np.newaxis],
        [array],
        path,
        str(path),
        [path],
        Image.fromarray(array),
        [Image.open(path)],
        array.astype(np.float64),
        array.astype(np.int64),
        np.asfortranarray(array),
        gray,
        gray[..., np.newaxis],
        Image.fromarray(gray),
        Image.fromarray(gray.astype(np.uint16) * 257),
    ]
    for form in forms:
        assert np.array_equal(model.predict_proba(form), expected), form


def test_many_images_are_classified_in_batches(model: alexnet.Model, arrays: Any, tmp_path: Path) -> None:
    images = arrays[0][:37]
    expected = np.concatenate([model.predict_proba(image) for image in images])
    np.testing.assert_allclose(model.predict_proba(images), expected, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(list(images)), expected, atol=1e-6)
    paths = []
    for i, image in enumerate(images):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(image).save(paths[-1])
    mixed: list[Any] = [*paths[:20], *images[20:30], *map(Image.fromarray, images[30:])]
    np.testing.assert_allclose(model.predict_proba(mixed), expected, atol=1e-6)
    assert model.predict(images).labels == [model.classes[i] for i in expected.argmax(axis=1)]


def test_ten_views_are_averaged(dataset: alexnet.Dataset, tmp_path: Path) -> None:
    # The crop is the whole square, and the mean has no positions: the ten views are the image and its mirror image.
    settings = {"input.mean": "channels"}
    model = alexnet.train(dataset, recipe=TINY, settings=settings, epochs=1, run=tmp_path / "run", threads=1).model()
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    both = model.predict_proba(np.stack([image, image[:, ::-1]]))
    np.testing.assert_allclose(model.predict_proba(image, views=10)[0], both.mean(axis=0), atol=1e-6)
    with pytest.raises(alexnet.UsageError, match="views=3: expected 1 or 10"):
        model.predict(image, views=3)  # type: ignore[arg-type]


def test_images_of_any_size(model: alexnet.Model) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, shape, dtype=np.uint8) for shape in [(8, 8, 3), (40, 30, 3), (1, 1, 3), (5, 90)]]
    expected = np.concatenate([model.predict_proba(image) for image in images])
    np.testing.assert_allclose(model.predict_proba(images), expected, atol=1e-6)


def test_rotated_photos_agree_with_their_files(model: alexnet.Model, arrays: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "rotated.png"
    Image.fromarray(arrays[0][0][:, :20]).save(path, exif=exif)
    expected = model.predict_proba(path)
    assert np.array_equal(model.predict_proba(Image.open(path)), expected)
    assert not np.array_equal(model.predict_proba(arrays[0][0][:, :20]), expected)


def test_contiguous_bytes_are_not_copied(arrays: Any) -> None:
    images = arrays[0]

    def decode(paths: list[str]) -> Any:
        raise AssertionError(paths)

    for given in (images, list(images), images[0]):
        batch = next(batches(given, 8, decode, exif=True))
        assert all(np.shares_memory(part, images) for part in batch)
    for copied in (images[:, ::2], images.astype(np.float32)):
        assert not np.shares_memory(next(batches(copied, 8, decode, exif=True))[0], images)


COLORS = np.full((2, 9, 7, 3), 200, dtype=np.uint8)


def with_nan() -> Any:
    array = COLORS.astype(np.float32)
    array[1, 2, 3, 1] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "expected", "help"),
    [
        (COLORS.transpose(0, 3, 1, 2), r"shape \(2, 3, 9, 7\) has the channels first", "array.transpose(0, 2, 3, 1)"),
        (COLORS[0].transpose(2, 0, 1), r"shape \(3, 9, 7\) has the channels first", "array.transpose(1, 2, 0)"),
        (COLORS / 255, "values from 0.7843 to 0.7843, expected pixels from 0 to 255", "(255 * array).round()"),
        ((COLORS - 300.0) / 50, "values from -2 to -2, expected pixels", "looks normalized"),
        (COLORS.astype(np.int32) + 100, "values from 300 to 300", "scale the values"),
        (with_nan(), r"1 of 378 values are NaN or infinite, the first is nan in image 1", "np.nan_to_num"),
        (COLORS > 100, "type bool, expected numbers", "(255 * array)"),
        (COLORS.astype(object), "type object, expected numbers", None),
        (COLORS.astype("U3"), "type <U3, expected numbers", None),
        (COLORS.astype(complex), "type complex128, expected numbers", None),
        (COLORS[:0], r"shape \(0, 9, 7, 3\) is empty", None),
        (COLORS[:, :0], r"shape \(2, 0, 7, 3\) is empty", None),
        (np.zeros((4, 5, 4), np.uint8), "has four channels", "array[..., :3]"),
        (np.zeros((2, 4, 5, 4), np.uint8), "has four channels", "array[..., :3]"),
        (np.zeros((5, 8, 9), np.uint8), r"shape \(5, 8, 9\), expected", "array[..., np.newaxis]"),
        (np.zeros(12, np.uint8), r"shape \(12,\), expected", "array.reshape(-1, height, width, 3)"),
        (np.zeros((1, 2, 3, 4, 3), np.uint8), "expected", "array.reshape"),
    ],
)
def test_arrays_that_are_no_images_are_refused(model: alexnet.Model, array: Any, expected: str, help: str | None) -> None:
    with pytest.raises(alexnet.UsageError, match=expected) as error:
        model.predict(array)
    assert isinstance(error.value, ValueError)
    assert help is None or help in (error.value.help or "")


def test_small_positive_numbers_may_be_pixels(model: alexnet.Model) -> None:
    model.predict((COLORS - 128.0) / 50)


def test_columns_of_paths_are_lists(model: alexnet.Model, tmp_path: Path) -> None:
    Image.fromarray(COLORS[0]).save(tmp_path / "a.png")
    paths = [str(tmp_path / "a.png")] * 2
    expected = model.predict_proba(paths)
    for column in [np.array(paths), np.array(paths, dtype=object)]:
        np.testing.assert_array_equal(model.predict_proba(column), expected)
    with pytest.raises(alexnet.UsageError, match="generator, expected .* or a list of these") as error:
        model.predict(path for path in paths)  # type: ignore[arg-type]
    assert error.value.help == "list(...) makes a list"


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([], "the list is empty"),
        (None, "images: NoneType, expected a NumPy array"),
        (7, "images: int"),
        ([[1, 2], [3, 4]], "image 0: list, expected"),
        ([COLORS], "image 0: an array of 2 images in a list"),
        (b"bytes", "image 0: int"),
    ],
)
def test_values_that_are_no_images_are_refused(model: alexnet.Model, images: Any, expected: str) -> None:
    with pytest.raises(alexnet.UsageError, match=expected):
        model.predict(images)


def test_files_that_do_not_decode_are_named(model: alexnet.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    for path in (tmp_path / "missing.png", tmp_path / "broken.jpg", tmp_path):
        with pytest.raises(alexnet.DataError, match=path.name):
            model.predict(path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(alexnet.DataError, match=r"\./-"):
        # Not standard input.
        model.predict("-")


def test_pixels_of_zero_and_one_are_noted(model: alexnet.Model, caplog: pytest.LogCaptureFixture) -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    model.predict(black)
    model.predict(black.astype(float))
    assert not caplog.records
    black[1, 1] = 1
    model.predict(black)
    [record] = caplog.records
    assert record.levelno == logging.WARNING and "were its values from 0 to 1 before?" in record.getMessage()


def test_floats_are_rounded() -> None:
    array = np.array([[[0.4, 254.6, 12.5]]])
    assert pixels(array, "array").tolist() == [[[[0, 255, 12]]]]
