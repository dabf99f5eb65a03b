"""mtl.serving.outputs: the arrays of the signatures, and the object of `mtl predict --json`."""

import json

import numpy as np
import pytest

from mtl import tasks
from mtl.inference import predictions
from mtl.inputs import Inputs
from mtl.serving import outputs, signatures, values

OWN = tasks.parse("digit:4,height:real,tags:binary:2")


class Fixed:
    """A network with fixed outputs."""

    def __init__(self, found, of):
        self.tasks = of
        self.inputs = Inputs((2,), 0, "float32")
        self._found = found

    def outputs(self, inputs):
        return self._found


def random_outputs(of, count=5, seed=3):
    rng = np.random.default_rng(seed)
    found = {}
    for task in of:
        logits = rng.normal(0, 3, (count, task.outputs)).astype(np.float32)
        if task.kind == tasks.CLASSES:
            logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        found[task.name] = logits
    return found


@pytest.mark.parametrize("of", [tasks.NUMBER_TASKS, OWN], ids=["numbers", "own"])
def test_arrays_have_the_types_and_shapes_of_the_signatures(of):
    found = outputs.arrays(random_outputs(of), of, 0.7)
    expected = signatures.outputs_of(of)
    assert list(found) == [each.name for each in expected]
    for each in expected:
        assert np.shape(found[each.name]) == (5, *each.shape)
        if each.dtype == signatures.STRING:
            assert all(type(text) is str for text in found[each.name])
        else:
            assert found[each.name].dtype == each.dtype


@pytest.mark.parametrize("of", [tasks.NUMBER_TASKS, OWN], ids=["numbers", "own"])
def test_prediction_is_the_object_of_the_command(of):
    given = random_outputs(of)
    temperature = 0.7 if tasks.is_numbers(of) else 1.0
    network = Fixed(given, of)
    zeros = list(np.zeros((5, 2), np.float32))
    expected = predictions.predictions(network, range(5), zeros, temperature=temperature)
    named = outputs.arrays(given, of, temperature)
    for index, one in enumerate(expected):
        del one["file"]
        found = json.loads(values.dump(outputs.prediction(named, index, of)))
        assert list(found) == list(one)
        assert_close(found, one)


def assert_close(found, expected):
    """Compare nested values; numbers by the precision of float32."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_close(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_close(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-12)
    else:
        assert found == expected


def test_more_than_five_digits_is_x_in_arrays_and_null_in_a_prediction():
    digit = np.full((1, 11), -9, np.float32)
    digit[0, 3] = -0.001
    given = {task.name: digit for task in tasks.DIGIT_TASKS}
    length = np.full((1, 7), -9, np.float32)
    length[0, tasks.LENGTH_X] = -0.001
    named = outputs.arrays({"length": length, **given}, tasks.NUMBER_TASKS, 1.0)
    assert named["number"] == ["X"]
    assert outputs.prediction(named, 0, tasks.NUMBER_TASKS)["number"] is None


def test_nan_of_the_network_is_null():
    given = random_outputs(OWN, 2)
    for rows in given.values():
        rows[1] = np.nan
    named = outputs.arrays(given, OWN, 1.0)
    assert named["digit_class"][1] == -1 and named["tags_labels"][1].tolist() == [-1, -1]
    found = json.loads(values.dump(outputs.prediction(named, 1, OWN)))["tasks"]
    assert found["digit"] == {"class": None, "probabilities": [None] * 4}
    assert found["height"] == {"value": None}
    assert found["tags"] == {"labels": [None] * 2, "probabilities": [None] * 2}
    sound = json.loads(values.dump(outputs.prediction(named, 0, OWN)))["tasks"]
    assert None not in sound["tags"]["labels"] and sound["digit"]["class"] is not None
