"""mtl.evaluation.reliability: bins by hand, and temperatures that are known."""

import numpy as np
import pytest

from mtl import tasks
from mtl.evaluation import metrics, reliability
from mtl.inference import calibration, decoding

# -- bins ------------------------------------------------------------------------------------------


def test_counts_each_bin_by_hand():
    confidences = [0.05, 0.1, 0.15, 0.3, 0.99, 1.0, 0.0]
    correct = [False, True, False, True, True, False, False]
    rows = reliability.bins(np.array(confidences), np.array(correct))
    assert [row.examples for row in rows] == [2, 2, 0, 1, 0, 0, 0, 0, 0, 2]
    assert [row.correct for row in rows] == [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert rows[1] == reliability.Bin(0.1, 0.2, 2, 1, 0.125, 0.5)
    assert rows[2] == reliability.Bin(0.2, 0.3, 0, 0, None, None)
    assert rows[9].mean_confidence == pytest.approx(0.995)


def test_every_edge_belongs_to_the_bin_that_it_starts():
    rows = reliability.bins(np.arange(10) / 10, np.ones(10, bool))
    assert [row.examples for row in rows] == [1] * 10


def test_calibration_error_by_hand():
    confidences = np.array([0.91, 0.93, 0.95, 0.97, 0.25])
    correct = np.array([True, True, True, False, True])
    rows = reliability.bins(confidences, correct)
    expected = (4 * abs(3 / 4 - 0.94) + 1 * abs(1 - 0.25)) / 5
    assert reliability.calibration_error(rows) == pytest.approx(expected)


def test_no_examples_have_no_calibration_error():
    rows = reliability.bins(np.array([]), np.array([], bool))
    assert reliability.calibration_error(rows) is None


def test_nan_counts_as_confidence_0():
    rows = reliability.bins(np.array([np.nan, 0.55]), np.array([False, True]))
    assert rows[0][2:] == (1, 0, 0.0, 0.0)


# -- temperature -----------------------------------------------------------------------------------


def drawn(n, seed=0):
    """Return log probabilities, and numbers drawn from these probabilities."""
    rng = np.random.default_rng(seed)
    log_probs = {}
    for task in tasks.NUMBER_TASKS:
        sharpness = rng.uniform(2, 9, (n, 1))
        logits = sharpness * (rng.permuted(np.eye(task.outputs)[np.zeros(n, int)], axis=1))
        log_probs[task.name] = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype("f4")
    decoded, confidences = decoding.joint(log_probs)
    correct = rng.random(n) < confidences
    wrong = ["0" if number != "0" else "1" for number in decoded]
    pairs = zip(correct, decoded, wrong)
    numbers = [_true(number) if right else other for right, number, other in pairs]
    return log_probs, numbers


def _true(number):
    return "123456" if number is None else number


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.0])
def test_finds_the_temperature_that_undoes_another(temperature):
    calibrated, numbers = drawn(4000)
    assert metrics.correct(decoding.joint(calibrated)[0], numbers).mean() > 0.2
    # What the network gives: the calibrated outputs, too flat (above 1) or too sharp (below 1).
    outputs = calibration.calibrate(calibrated, 1 / temperature)
    found = reliability.fit_temperature(outputs, numbers)
    assert found == pytest.approx(temperature, rel=0.08)


def test_a_fitted_temperature_lowers_the_calibration_error():
    calibrated, numbers = drawn(3000, seed=1)
    outputs = calibration.calibrate(calibrated, 2.2)
    errors = []
    for temperature in (1.0, reliability.fit_temperature(outputs, numbers)):
        decoded, confidences = decoding.joint(calibration.calibrate(outputs, temperature))
        rows = reliability.bins(confidences, metrics.correct(decoded, numbers))
        errors.append(reliability.calibration_error(rows))
    assert errors[0] > 0.1
    assert errors[1] < 0.03


def certain(numbers, probability):
    """Return outputs that are decoded to the numbers, each class with the same probability."""
    log_probs = {}
    for task in tasks.NUMBER_TASKS:
        rest = (1 - probability) / (task.outputs - 1)
        rows = np.full((len(numbers), task.outputs), np.log(rest), np.float32)
        for i, number in enumerate(numbers):
            rows[i, tasks.encode(number)[task.name]] = np.log(probability)
        log_probs[task.name] = rows
    return log_probs


def test_a_few_examples_without_a_mistake_do_not_give_full_confidence():
    numbers = ["7"] * 18
    log_probs = certain(numbers, 0.8)
    temperature = reliability.fit_temperature(log_probs, numbers)
    confidence = decoding.joint(calibration.calibrate(log_probs, temperature))[1][0]
    assert confidence == pytest.approx(19 / 20, abs=0.01)  # the target of Platt


def test_no_correct_number_gives_a_temperature_within_the_range():
    temperature = reliability.fit_temperature(certain(["7"] * 18, 0.8), ["8"] * 18)
    assert 1.0 < temperature <= 5.0


def test_no_examples_or_nan_keep_temperature_1():
    assert reliability.fit_temperature(certain([], 0.8), []) == 1.0
    log_probs = certain(["7", "8"], 0.8)
    log_probs["length"][0] = np.nan
    assert reliability.fit_temperature(log_probs, ["7", "8"]) == 1.0
