"""mtl.inference.predictions: the objects of `mtl predict --json`, from a network in NumPy."""

import json
import math

import numpy as np
import pytest

from mtl import tasks
from mtl.config import CHANNELS, WINDOW
from mtl.inference import decoding, predictions

FILES = ["a", "b", "c"]


def windows_of(count=3):
    rng = np.random.default_rng(8)
    return list(rng.integers(0, 256, (count, WINDOW, WINDOW, CHANNELS), dtype=np.uint8))


def network(images):
    """Return log probabilities that depend on the mean of each channel."""
    means = images.mean(axis=(1, 2)) / 255.0
    outputs = {}
    for task in tasks.NUMBER_TASKS:
        weights = np.random.default_rng(len(task.name) + ord(task.name[-1])).normal(
            size=(CHANNELS, task.classes)
        )
        logits = 50.0 * (means - 0.5) @ weights
        outputs[task.name] = np.float32(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    return outputs


def never(images):
    raise AssertionError("the network must not run")


def test_the_object_follows_the_contract():
    log_probs = network(np.stack(windows_of(2)))
    numbers, confidences = decoding.joint(log_probs)
    one = {name: rows[1] for name, rows in log_probs.items()}
    found = predictions.prediction("a b.png", numbers[1], confidences[1], one)
    assert list(found) == ["file", "number", "confidence", "length", "digits"]
    assert (found["file"], found["number"]) == ("a b.png", numbers[1])
    assert found["confidence"] == confidences[1]
    assert np.shape(found["length"]) == (7,) and np.shape(found["digits"]) == (5, 11)
    assert sum(found["length"]) == pytest.approx(1, abs=1e-5)
    for position, row in enumerate(found["digits"], start=1):
        assert row == pytest.approx(np.exp(one[f"digit{position}"]).tolist(), rel=1e-6)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_calibrates_the_probabilities_and_the_confidence(temperature):
    windows = windows_of()
    log_probs = network(np.stack(windows)[:, 5:59, 5:59])
    found = predictions.predictions(network, FILES, windows, temperature=temperature)
    powers = np.exp(np.float64(log_probs["length"])) ** (1 / temperature)
    expected = powers / powers.sum(axis=1, keepdims=True)
    for row, prediction in zip(expected, found):
        assert prediction["length"] == pytest.approx(row.tolist(), rel=1e-4)
    for prediction in found:
        digits = prediction["digits"][: len(prediction["number"])]
        best = [max(row[:10]) for row in digits]
        length = prediction["length"][len(prediction["number"])]
        assert prediction["confidence"] == pytest.approx(length * math.prod(best), rel=1e-4)


def test_predicts_the_centres_of_windows():
    windows = windows_of()
    log_probs = network(np.stack(windows)[:, 5:59, 5:59])
    numbers, confidences = decoding.joint(log_probs)
    found = predictions.predictions(network, FILES, windows)
    for i, file in enumerate(FILES):
        one = {name: rows[i] for name, rows in log_probs.items()}
        assert found[i] == predictions.prediction(file, numbers[i], confidences[i], one)


def test_averages_the_probabilities_of_views():
    windows = windows_of()
    found = predictions.predictions(network, FILES, windows, views=2)
    crops = np.stack(windows)[:, 5:59, 5:59]
    both = [network(crops)["length"], network(255 - crops)["length"]]
    for i, one in enumerate(found):
        expected = (np.exp(both[0][i]) + np.exp(both[1][i])) / 2
        assert one["length"] == pytest.approx(expected.tolist(), rel=1e-5)
    assert found != predictions.predictions(network, FILES, windows)


def test_no_files_give_no_predictions():
    assert predictions.predictions(never, [], []) == []


@pytest.mark.parametrize("files, windows", [(["a", "b"], 3), ([], 2), (["a"], 0)])
def test_rejects_files_and_windows_of_different_number(files, windows):
    reason = f"{len(files)} files and {windows} windows; pass one window a file"
    with pytest.raises(ValueError, match=reason):
        predictions.predictions(never, files, windows_of(windows))


def test_rejects_a_window_of_another_type_and_names_its_file():
    good, other, _ = windows_of()
    reason = r"^the window of b must be uint8 \[height, width, 3\] .*got float32"
    with pytest.raises(ValueError, match=reason):
        predictions.predictions(never, FILES, [good, np.float32(other), good])
    for window in (None, good.tolist()):
        with pytest.raises(ValueError, match="^the window of a must .*pass a NumPy array"):
            predictions.predictions(never, ["a"], [window])


def test_a_long_number_is_null_and_minus_infinity_is_0():
    log_probs = {}
    for task in tasks.NUMBER_TASKS:
        log_probs[task.name] = np.full(task.classes, -np.inf, np.float32)
    assert predictions.prediction("x.png", None, 0.0, log_probs) == {
        "file": "x.png",
        "number": None,
        "confidence": 0.0,
        "length": [0.0] * 7,
        "digits": [[0.0] * 11] * 5,
    }


def test_nan_is_null_in_strict_json():
    log_probs = {task.name: np.zeros(task.classes) for task in tasks.NUMBER_TASKS}
    log_probs["length"][2] = np.nan
    found = predictions.prediction("x.png", "", math.nan, log_probs)
    assert found["confidence"] is None
    assert found["length"] == [1.0, 1.0, None, 1.0, 1.0, 1.0, 1.0]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_finite_is_none_without_a_finite_value(value):
    assert predictions.finite(value) is None


def test_finite_returns_a_python_float():
    value = predictions.finite(np.float32(0.5))
    assert value == 0.5 and type(value) is float
