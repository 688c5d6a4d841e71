"""Models: predictions, features, parameters, pickling, and what is refused."""

from __future__ import annotations

import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alexnet

PROGRAM = os.environ.get("ALEXNET_PROGRAM")
needs_program = pytest.mark.skipif(PROGRAM is None, reason="ALEXNET_PROGRAM is not the program `alexnet`")


def alexnet_program(*arguments: str | os.PathLike[str]) -> None:
    subprocess.run([PROGRAM or "", *arguments], check=True, capture_output=True)


def test_predictions_are_a_sequence(model: alexnet.Model, arrays: Any) -> None:
    found = model.predict(arrays[0][:7])
    assert len(found) == 7 and len(list(found)) == 7 and len(found[2:4]) == 2
    assert found.probabilities.shape == (7, 4) and found.probabilities.dtype == np.float64
    first = found[0]
    assert first.label == found.labels[0] == model.classes[first.index]
    top = first.top(3)
    assert [name for name, _ in top] == [model.classes[i] for i in np.argsort(-first.probabilities)[:3]]
    assert top[0] == (first.label, first.probability) and len(first.top(99)) == 4 and first.top(0) == []
    table = found.table(2)
    assert len(table) == 14 and table[0] == {
        "image": 0,
        "rank": 1,
        "label": first.label,
        "probability": first.probability,
    }
    assert repr(first).startswith("Prediction('") and repr(found) == "<Predictions for 7 images>"


def test_features_are_the_outputs_of_layers(model: alexnet.Model, arrays: Any) -> None:
    images = arrays[0][:20]
    hidden = model.features(images)
    assert hidden.shape == (20, 32) and hidden.dtype == np.float32
    assert np.array_equal(hidden, model.features(images, layer="relu2"))
    several = model.features(images, layer=["conv1", "relu1", "fc3"])
    assert list(several) == ["conv1", "relu1", "fc3"] and several["conv1"].shape == (20, 8, 8, 4)
    assert np.array_equal(np.maximum(several["conv1"], 0), several["relu1"])
    logits = several["fc3"].astype(np.float64)
    softmax = np.exp(logits - logits.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(images, views=1), softmax, atol=1e-6)
    parameters = model.to_numpy()
    np.testing.assert_allclose(hidden @ parameters["fc3.weight"].T + parameters["fc3.bias"], logits, atol=1e-4)
    with pytest.raises(alexnet.Error, match="no layer `nope`|nope"):
        model.features(images, layer="nope")
    with pytest.raises(alexnet.UsageError, match="no layers given"):
        model.features(images, layer=[])


def test_layers_are_described(model: alexnet.Model) -> None:
    assert [layer.name for layer in model.layers] == ["conv1", "relu1", "fc2", "relu2", "fc3"]
    assert model.layers[0] == alexnet.Layer("conv1", "conv", (8, 8, 4))
    assert model.recipe.name == "tiny" and model.classes == tuple(alexnet.Dataset.builtin().classes[:4])
    [member] = model.members
    assert member.weight == 1 and member.precision == "f32" and member.training["epochs"] >= 1


def test_parameters_share_memory_by_dlpack(model: alexnet.Model) -> None:
    parameters = model.to_numpy()
    assert parameters["conv1.weight"].shape == (4, 3, 3, 3) and parameters["conv1.weight"].dtype == np.float32
    assert np.array_equal(model.tensor("fc2.bias"), parameters["fc2.bias"])
    shared = np.from_dlpack(parameters["conv1.weight"])
    assert np.shares_memory(shared, parameters["conv1.weight"])
    features = model.features(np.zeros((8, 8, 3), np.uint8), layer="conv1")
    assert np.shares_memory(np.from_dlpack(features), features)
    # They are copies: writing to them does not change the model.
    before = model.tensor("fc2.bias").copy()
    parameters["fc2.bias"][:] = 7
    assert np.array_equal(model.tensor("fc2.bias"), before)
    with pytest.raises(alexnet.Error, match="nope"):
        model.tensor("nope")


def test_models_are_pickled_by_their_file(run: alexnet.Run, arrays: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    original = (run.path / "best.safetensors").read_bytes()
    path.write_bytes(original)
    loaded = alexnet.load(path, batch=4, threads=1)
    data = pickle.dumps(loaded)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert np.array_equal(again.predict_proba(arrays[0][:5]), loaded.predict_proba(arrays[0][:5]))
    path.write_bytes((run.path / "last.safetensors").read_bytes()[:-1])
    with pytest.raises(alexnet.ModelError):
        pickle.loads(data)
    path.unlink()
    with pytest.raises(alexnet.ModelError, match=r"no such file"):
        pickle.loads(data)
    with pytest.raises(alexnet.ModelError, match="cannot read the model"):
        loaded.to_bytes()


def test_another_file_at_the_same_path_is_not_unpickled(run: alexnet.Run, dataset: alexnet.Dataset, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((run.path / "best.safetensors").read_bytes())
    data = pickle.dumps(alexnet.load(path, threads=1))
    other = alexnet.train(dataset, recipe=run.recipe, run=tmp_path / "run", seed=1, epochs=1, threads=1)
    path.write_bytes((other.path / "best.safetensors").read_bytes())
    with pytest.raises(alexnet.ModelError, match="the file has changed since the model was pickled"):
        pickle.loads(data)


def test_models_from_bytes_need_no_file(model: alexnet.Model, arrays: Any) -> None:
    data = model.to_bytes()
    loaded = alexnet.Model.from_bytes(data, batch=16, threads=1)
    assert loaded.path is None and loaded.to_bytes() == data
    again = pickle.loads(pickle.dumps(loaded))
    assert np.array_equal(again.predict_proba(arrays[0]), model.predict_proba(arrays[0]))


def test_unusable_models_are_refused(run: alexnet.Run, tmp_path: Path) -> None:
    with pytest.raises(alexnet.ModelError, match="no such file or folder") as error:
        alexnet.load(tmp_path / "nope")
    assert "help: " in str(error.value) and error.value.help is not None
    with pytest.raises(alexnet.ModelError, match="contains neither best.safetensors nor last.safetensors"):
        alexnet.load(tmp_path)
    data = (run.path / "best.safetensors").read_bytes()
    for damaged in (b"", data[:100], data[:-1], data[:-40] + b"\0" * 40):
        with pytest.raises(alexnet.ModelError):
            alexnet.Model.from_bytes(damaged)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"batch": 0}, "batch=0: expected 1 to 65536"),
        ({"batch": -1}, "batch=-1: expected 1 to 65536"),
        ({"threads": 0}, "threads=0: expected 1 to 1024"),
        ({"threads": -1}, "threads=-1: expected 1 to 1024"),
        ({"precision": "f64"}, "precision `f64`: expected `f32` or `bf16`"),
    ]
    for options, expected in refused:
        with pytest.raises(alexnet.UsageError, match=expected):
            run.model(**options)
    with pytest.raises(alexnet.UsageError, match="models are loaded"):
        alexnet.Model()


def test_errors_are_pickled() -> None:
    error = pickle.loads(pickle.dumps(alexnet.DataError("no images", "add some")))
    assert isinstance(error, alexnet.DataError) and isinstance(error, ValueError)
    assert str(error) == "no images\n  help: add some" and error.help == "add some"
    assert str(alexnet.ModelError("damaged")) == "damaged"


@needs_program
def test_ensembles_average_their_members(run: alexnet.Run, dataset: alexnet.Dataset, arrays: Any, tmp_path: Path) -> None:
    other = alexnet.train(dataset, recipe=run.recipe, run=tmp_path / "other", seed=5, threads=1)
    alexnet_program("ensemble", run, other, tmp_path / "both.safetensors", "--weights", "0.75,0.25")
    both = alexnet.load(tmp_path / "both.safetensors", threads=1)
    assert [member.weight for member in both.members] == [0.75, 0.25]
    images = arrays[0][:9]
    expected = 0.75 * run.model(threads=1).predict_proba(images) + 0.25 * other.model(threads=1).predict_proba(images)
    np.testing.assert_allclose(both.predict_proba(images), expected, atol=1e-6)
    assert {name.split(".")[1] for name in both.to_numpy()} == {"0", "1"}
    for refused in (lambda: both.recipe, lambda: both.layers, lambda: both.features(images), lambda: both.tensor("x")):
        with pytest.raises(alexnet.UsageError, match="ensemble of 2 models"):
            refused()
    assert both.evaluate(dataset, split="all").images == 120


@needs_program
def test_ensembles_whose_members_orient_images_differently(
    run: alexnet.Run, dataset: alexnet.Dataset, arrays: Any, tmp_path: Path
) -> None:
    from PIL import Image

    settings = {"input.orientation": "stored"}
    other = alexnet.train(dataset, recipe=run.recipe, settings=settings, run=tmp_path / "other", threads=1)
    alexnet_program("ensemble", run, other, tmp_path / "both.safetensors")
    both = alexnet.load(tmp_path / "both.safetensors", threads=1)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "rotated.png"
    Image.fromarray(arrays[0][0][:, :20]).save(path, exif=exif)
    upright, stored = run.model(threads=1).predict_proba(path), other.model(threads=1).predict_proba(path)
    assert not np.allclose(upright, run.model(threads=1).predict_proba(arrays[0][0][:, :20]))
    np.testing.assert_allclose(both.predict_proba(path), (upright + stored) / 2, atol=1e-6)
    mixed = both.predict_proba([path, arrays[0][1], str(path)])
    assert mixed.shape == (3, 4) and np.allclose(mixed[0], mixed[2])
    np.testing.assert_array_equal(both.predict_proba(arrays[0][:3]), both.predict_proba(list(arrays[0][:3])))
    with pytest.raises(alexnet.UsageError, match="the list is empty"):
        both.predict([])
    with pytest.raises(alexnet.UsageError, match="image 1: an array of 3 images in a list"):
        both.predict([path, arrays[0][:3]])
    with Image.open(path) as rotated, pytest.raises(alexnet.UsageError, match="image 0: a Pillow image with an EXIF orientation"):
        both.predict(rotated)
    # Not standard input.
    with pytest.raises(alexnet.DataError, match="-"):
        both.predict("-")


@needs_program
def test_quantized_models_predict(run: alexnet.Run, arrays: Any, photos: Path, tmp_path: Path) -> None:
    alexnet_program("quantize", run, "--calibrate", photos, tmp_path / "int8.safetensors")
    quantized = alexnet.load(tmp_path / "int8.safetensors", threads=1)
    assert quantized.members[0].precision == "int8"
    expected = run.model(threads=1).predict_proba(arrays[0])
    np.testing.assert_allclose(quantized.predict_proba(arrays[0]), expected, atol=0.1)
    assert quantized.features(arrays[0][:3]).shape == (3, 32)
    with pytest.raises(alexnet.ExecutionError, match="no parameters in f32"):
        quantized.to_numpy()
    with pytest.raises(alexnet.UsageError, match="quantized"):
        alexnet.load(tmp_path / "int8.safetensors", precision="bf16")
