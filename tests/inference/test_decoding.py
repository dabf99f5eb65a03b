"""mtl.inference.decoding, compared with an enumeration of every number."""

import pathlib

import numpy as np
import pytest

from mtl import tasks
from mtl.inference import calibration, decoding


def random_log_probs(count, seed, sharpness=1.0, dtype=np.float32):
    """Draw log probabilities, dict task name -> [count, classes]."""
    rng = np.random.default_rng(seed)
    outputs = {}
    for task in tasks.NUMBER_TASKS:
        logits = rng.normal(size=(count, task.outputs)) * sharpness
        rows = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        outputs[task.name] = rows.astype(dtype)
    return outputs


def filled(value, count=1):
    """Return outputs that are `value` everywhere."""
    shapes = {task.name: (count, task.outputs) for task in tasks.NUMBER_TASKS}
    return {name: np.full(shape, value, np.float32) for name, shape in shapes.items()}


def certain(number):
    """Return outputs of one example that give the classes of a number probability 1."""
    outputs = filled(-np.inf)
    for name, label in tasks.encode(number).items():
        outputs[name][0, label] = 0.0
    return outputs


def best_of_all(log_probs, row):
    """Score all 211,111 pairs of a length and its digits.

    Returns:
      score, length and digits of the first best.
    """
    best = (-np.inf, 0, ())
    for length in range(7):
        scores = np.asarray(log_probs["length"][row, length], np.float64)
        for position in range(1, min(length, 5) + 1):  # one more axis of ten for each position
            scores = scores[..., None] + log_probs[f"digit{position}"][row, :10].astype(np.float64)
        if scores.max() > best[0]:
            best = (scores.max(), length, np.unravel_index(scores.argmax(), scores.shape))
    return best


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_joint_finds_the_best_of_all_numbers(sharpness, dtype):
    count = 31
    log_probs = random_log_probs(count, int(10 * sharpness), sharpness, dtype)
    # Raise each length by the mean score of its digits, or short numbers would always win.
    means = [log_probs[f"digit{i}"][:, :10].max(axis=1).mean() for i in range(1, 6)]
    log_probs["length"] -= np.cumsum([0.0, *means, 0.0]).astype(dtype)
    numbers, confidences = decoding.joint(log_probs)
    assert confidences.shape == (count,) and confidences.dtype == np.float64
    for row, number in enumerate(numbers):
        score, length, digits = best_of_all(log_probs, row)
        assert number == (None if length == 6 else "".join(map(str, digits)))
        assert confidences[row] == pytest.approx(np.exp(score), rel=1e-12)
    lengths = {None if number is None else len(number) for number in numbers}
    assert len(numbers) == count and len(lengths) >= 5


@pytest.mark.parametrize("number", ["", "0", "07", "210", "9999", "54321"])
def test_a_certain_number_has_confidence_1(number):
    numbers, confidences = decoding.joint(certain(number))
    assert numbers == [number] and confidences.tolist() == [1.0]


def test_a_certain_long_number_is_none():
    numbers, confidences = decoding.joint(certain("1234567"))
    assert numbers == [None] and confidences.tolist() == [1.0]


def test_x_of_a_digit_never_counts_within_the_length():
    log_probs = certain("21")
    # The length alone says 3, but the digits say that there is no third.
    log_probs["length"][0, 2:5] = np.log([0.3, 0.6, 0.1])
    log_probs["digit3"][0, [4, 10]] = np.log([0.25, 0.75])
    numbers, confidences = decoding.joint(log_probs)
    assert numbers == ["21"] and confidences[0] == pytest.approx(0.3)  # 0.3 against 0.6 * 0.25
    classes = {name: int(rows[0].argmax()) for name, rows in log_probs.items()}
    assert classes == {**tasks.encode("21"), "length": 3}


def test_digits_beyond_the_length_do_not_count():
    log_probs = random_log_probs(1, seed=3)
    log_probs["length"][:] = -np.inf
    log_probs["length"][0, 2] = np.log(0.5)
    before = decoding.joint(log_probs)
    for position in (3, 4, 5):
        log_probs[f"digit{position}"][:] = -np.inf
    after = decoding.joint(log_probs)
    assert before[0] == after[0] and before[1] == after[1] and len(after[0][0]) == 2


def test_length_x_includes_five_digits():
    log_probs = certain("11111")
    for position in range(1, 6):
        log_probs[f"digit{position}"][0, 1] = np.log(0.5)
    log_probs["length"][0] = -np.inf
    log_probs["length"][0, [0, 6]] = np.log([0.03, 0.97])
    numbers, confidences = decoding.joint(log_probs)
    assert numbers == [None] and confidences[0] == pytest.approx(0.97 / 32)  # 0.0303 against 0.03
    log_probs["length"][0, 0] = np.log(0.031)
    assert decoding.joint(log_probs)[0] == [""]


def test_ties_go_to_the_shorter_length_and_the_smaller_digit():
    log_probs = filled(0.0)
    assert decoding.joint(log_probs)[0] == [""]
    log_probs["length"][0, :3] = -1.0
    assert decoding.joint(log_probs)[0] == ["000"]
    log_probs["length"][0, :6] = [-1, -1, -1, -1, -1, 0]  # 5 ties with X
    assert decoding.joint(log_probs)[0] == ["00000"]


def test_all_minus_infinity_is_the_empty_number_with_confidence_0():
    with np.errstate(all="raise"):
        numbers, confidences = decoding.joint(filled(-np.inf, 2))
    assert numbers == ["", ""] and confidences.tolist() == [0.0, 0.0]


def test_sums_are_float64():
    # In float32, -20 - 1e-7 is -20: the two lengths would tie, and 1 would win over 2.
    log_probs = filled(-np.inf)
    log_probs["length"][0, [1, 2]] = [-1e-7, 0.0]
    log_probs["digit1"][0, 7] = -20.0
    log_probs["digit2"][0, 4] = 0.0
    assert decoding.joint(log_probs)[0] == ["74"]


def test_examples_are_independent_and_the_outputs_are_not_changed():
    log_probs = random_log_probs(17, seed=8)
    copies = {name: rows.copy() for name, rows in log_probs.items()}
    numbers, confidences = decoding.joint(log_probs)
    for row in (0, 5, 16):
        one = decoding.joint({name: rows[row : row + 1] for name, rows in log_probs.items()})
        assert one[0] == [numbers[row]] and one[1][0] == confidences[row]
    for name, copy in copies.items():
        np.testing.assert_array_equal(copy, log_probs[name])


def test_no_examples_give_no_numbers():
    numbers, confidences = decoding.joint(random_log_probs(0, seed=0))
    assert numbers == [] and confidences.shape == (0,)


def test_written_has_words_for_no_number_and_too_many_digits():
    numbers = ("210", "", "0", None)
    expected = ["210", "no number", "0", "more than 5 digits"]
    assert [decoding.written(number) for number in numbers] == expected


def test_the_script_of_the_graph_page_has_the_same_words():
    script = pathlib.Path(decoding.__file__).parents[1] / "explain" / "steps.js"
    text = script.read_text(encoding="utf-8")
    for words in (decoding.NO_NUMBER, decoding.TOO_MANY):
        assert f'"{words}"' in text


# -- temperature -----------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.3, 0.8])
def test_a_temperature_below_1_decodes_the_calibrated_outputs(temperature):
    log_probs = random_log_probs(60, seed=5)
    calibrated = calibration.calibrate(log_probs, temperature)
    numbers, confidences = decoding.joint(log_probs, temperature)
    assert numbers == decoding.joint(calibrated)[0] != decoding.joint(log_probs)[0]
    np.testing.assert_array_equal(confidences, decoding.joint(calibrated)[1])


@pytest.mark.parametrize("temperature", [1.5, 4.0])
def test_a_temperature_above_1_changes_only_the_confidences(temperature):
    log_probs = random_log_probs(60, seed=5)
    numbers, confidences = decoding.joint(log_probs, temperature)
    assert numbers == decoding.joint(log_probs)[0]
    calibrated = calibration.calibrate(log_probs, temperature)
    assert numbers != decoding.joint(calibrated)[0]
    for i, number in enumerate(numbers):
        length = tasks.LENGTH_X if number is None else len(number)
        score = decoding.scores(calibrated)[i, length]
        assert confidences[i] == pytest.approx(np.exp(score))
