"""mtl.inference.predictions: the objects of `mtl predict --json`, from a network in NumPy."""

import json
import math

import numpy as np
import pytest

from mtl import tasks
from mtl.inference import decoding, predictions
from mtl.inputs import NUMBERS, Inputs

FILES = ["a", "b", "c"]


def windows_of(count=3):
    rng = np.random.default_rng(8)
    return list(rng.integers(0, 256, (count, *NUMBERS.shape), dtype=np.uint8))


def log_probs_of(images):
    """Return log probabilities that depend on the mean of each channel."""
    means = images.mean(axis=(1, 2)) / 255.0
    outputs = {}
    for task in tasks.NUMBER_TASKS:
        weights = np.random.default_rng(len(task.name) + ord(task.name[-1])).normal(
            size=(3, task.outputs)
        )
        logits = 50.0 * (means - 0.5) @ weights
        outputs[task.name] = np.float32(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    return outputs


class Numbers:
    """A network of numbers; `outputs` must not be called if it is None."""

    tasks, inputs = tasks.NUMBER_TASKS, NUMBERS

    def __init__(self, outputs=None):
        self.outputs = outputs


network, never = Numbers(log_probs_of), Numbers()


def test_the_object_follows_the_contract():
    log_probs = log_probs_of(np.stack(windows_of(2)))
    numbers, confidences = decoding.joint(log_probs)
    one = {name: rows[1] for name, rows in log_probs.items()}
    found = predictions.number(numbers[1], confidences[1], one)
    assert list(found) == ["number", "confidence", "length", "digits"]
    assert found["number"] == numbers[1]
    assert found["confidence"] == confidences[1]
    assert np.shape(found["length"]) == (7,) and np.shape(found["digits"]) == (5, 11)
    assert sum(found["length"]) == pytest.approx(1, abs=1e-5)
    for position, row in enumerate(found["digits"], start=1):
        assert row == pytest.approx(np.exp(one[f"digit{position}"]).tolist(), rel=1e-6)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_a_temperature_calibrates_the_probabilities_and_the_confidence(temperature):
    windows = windows_of()
    log_probs = log_probs_of(np.stack(windows)[:, 5:59, 5:59])
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
    log_probs = log_probs_of(np.stack(windows)[:, 5:59, 5:59])
    numbers, confidences = decoding.joint(log_probs)
    found = predictions.predictions(network, FILES, windows)
    for i, file in enumerate(FILES):
        one = {name: rows[i] for name, rows in log_probs.items()}
        expected = {"file": file, **predictions.number(numbers[i], confidences[i], one)}
        assert found[i] == expected and list(found[i]) == list(expected)


def test_averages_the_probabilities_of_views():
    windows = windows_of()
    found = predictions.predictions(network, FILES, windows, views=2)
    crops = np.stack(windows)[:, 5:59, 5:59]
    both = [log_probs_of(crops)["length"], log_probs_of(255 - crops)["length"]]
    for i, one in enumerate(found):
        expected = (np.exp(both[0][i]) + np.exp(both[1][i])) / 2
        assert one["length"] == pytest.approx(expected.tolist(), rel=1e-5)
    assert found != predictions.predictions(network, FILES, windows)


def test_no_files_give_no_predictions():
    assert predictions.predictions(never, [], []) == []


@pytest.mark.parametrize("files, windows", [(["a", "b"], 3), ([], 2), (["a"], 0)])
def test_rejects_files_and_windows_of_different_number(files, windows):
    reason = f"{len(files)} names and {windows} inputs; pass one input a name"
    with pytest.raises(ValueError, match=reason):
        predictions.predictions(never, files, windows_of(windows))


def test_rejects_a_window_of_another_type_and_names_its_file():
    good, other, _ = windows_of()
    reason = r"^the input of b must be uint8 \[n, 64, 64, 3\] .*got float32"
    with pytest.raises(ValueError, match=reason):
        predictions.predictions(never, FILES, [good, np.float32(other), good])
    for window in (None, good.tolist()):
        with pytest.raises(ValueError, match="^the input of a must .*pass a NumPy array"):
            predictions.predictions(never, ["a"], [window])


def test_a_long_number_is_null_and_minus_infinity_is_0():
    log_probs = {}
    for task in tasks.NUMBER_TASKS:
        log_probs[task.name] = np.full(task.outputs, -np.inf, np.float32)
    assert predictions.number(None, 0.0, log_probs) == {
        "number": None,
        "confidence": 0.0,
        "length": [0.0] * 7,
        "digits": [[0.0] * 11] * 5,
    }


def test_nan_is_null_in_strict_json():
    log_probs = {task.name: np.zeros(task.outputs) for task in tasks.NUMBER_TASKS}
    log_probs["length"][2] = np.nan
    found = predictions.number("", math.nan, log_probs)
    assert found["confidence"] is None
    assert found["length"] == [1.0, 1.0, None, 1.0, 1.0, 1.0, 1.0]
    json.dumps(found, allow_nan=False)


# -- other tasks -----------------------------------------------------------------------------------


class Mixed:
    """Three classes and a real number, from two features."""

    tasks = (tasks.Task("shape", 3), tasks.Task("height", 1, "real"))
    inputs = Inputs((2,), 0, "float32")

    def outputs(self, rows):
        logits = rows @ np.float32([[1, 2, 3], [0, 5, -5]])
        log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return {"shape": log_probs, "height": rows[:, :1] * 100}


def test_other_tasks_give_a_prediction_each():
    rows = np.float32([[0.5, 1.0], [1.75, -1.0], [np.nan, 0.0]])
    found = predictions.predictions(Mixed(), [4, 7, 9], rows, key="index")
    assert [list(one) for one in found] == [["index", "tasks"]] * 3
    assert [one["index"] for one in found] == [4, 7, 9]
    powers = np.exp([1.75 - 0.0, 3.5 - 5.0, 5.25 + 5.0])
    assert found[1]["tasks"]["shape"]["class"] == 2
    expected = (powers / powers.sum()).tolist()
    assert found[1]["tasks"]["shape"]["probabilities"] == pytest.approx(expected, rel=1e-5)
    assert [one["tasks"]["height"] for one in found] == [
        {"value": 50.0},
        {"value": 175.0},
        {"value": None},
    ]
    assert found[2]["tasks"]["shape"] == {"class": None, "probabilities": [None] * 3}
    json.dumps(found, allow_nan=False)
