"""mtl.serving.export.decoded against mtl.inference.decoding and calibration."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from mtl import tasks
from mtl.inference import calibration, decoding
from mtl.serving.export import decoded

COUNT = 300


def random_log_probs(seed=0, sharp=4.0):
    """Return log probabilities of COUNT numbers of all lengths."""
    rng = np.random.default_rng(seed)
    found = {}
    for task in tasks.NUMBER_TASKS:
        logits = sharp * rng.normal(size=(COUNT, task.outputs))
        found[task.name] = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    return {name: rows.astype(np.float32) for name, rows in found.items()}


def run(log_probs, temperature=1.0, text=True):
    with tf.Graph().as_default(), tf.Session() as session:
        constants = {name: tf.constant(rows) for name, rows in log_probs.items()}
        return session.run(decoded.outputs(constants, temperature, text=text))


def texts(numbers):
    """Return numbers as the output `number` has them."""
    return [b"X" if number is None else number.encode() for number in numbers]


@pytest.mark.parametrize("temperature", [1.0, 0.448, 2.5])
def test_numbers_and_probabilities_are_those_of_predict(temperature):
    log_probs = random_log_probs()
    numbers, confidences = decoding.joint(log_probs, temperature)
    assert {6 if number is None else len(number) for number in numbers} == set(range(7))
    found = run(log_probs, temperature)
    assert found["number"].tolist() == texts(numbers)
    np.testing.assert_allclose(found["confidence"], confidences, rtol=2e-6)
    length, *digits = calibration.calibrate(log_probs, temperature).values()
    np.testing.assert_allclose(found["length"], np.exp(length), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found["digits"], np.exp(np.stack(digits, 1)), rtol=1e-5, atol=1e-9)


def test_a_temperature_above_1_changes_no_number():
    log_probs = random_log_probs(1, sharp=0.5)
    assert run(log_probs, 3.0)["number"].tolist() == run(log_probs)["number"].tolist()


def test_ties_go_to_the_shorter_length_and_the_smaller_digit():
    log_probs = {}
    for task in tasks.NUMBER_TASKS:
        log_probs[task.name] = np.full((1, task.outputs), -30.0, np.float32)
    log_probs["length"][0, [2, 4]] = 0.0
    for name in list(log_probs)[1:]:
        log_probs[name][0, [3, 7]] = 0.0
    assert run(log_probs)["number"].tolist() == texts(decoding.joint(log_probs)[0]) == [b"33"]


def test_impossible_classes_give_no_nan():
    log_probs = random_log_probs(2)
    for name in list(log_probs)[1:]:
        log_probs[name][:, tasks.DIGIT_X] = -1e9
    for text in (True, False):
        for each in run(log_probs, 0.448, text).values():
            assert each.dtype == object or np.isfinite(each).all()


@pytest.mark.parametrize("temperature", [1.0, 0.448])
def test_classes_are_the_number(temperature):
    log_probs = random_log_probs(3)
    found = run(log_probs, temperature, text=False)
    names = [task.name for task in tasks.NUMBER_TASKS]
    rows = found["classes"].tolist()
    numbers = [tasks.decode(dict(zip(names, row))) for row in rows]
    assert found["classes"].dtype == np.int32
    assert numbers == decoding.joint(log_probs, temperature)[0]
    for number, row in zip(numbers, rows):
        assert row == list(tasks.encode(number).values()) if number is not None else row[0] == 6
