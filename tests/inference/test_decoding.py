"""mtl.inference.decoding against an enumeration of every number."""

import numpy as np
import pytest

from mtl import tasks
from mtl.inference import decoding


def random_log_probs(n, seed, sharpness=1.0, dtype=np.float32):
    """Draw softmax outputs: dict task name -> [n, classes]."""
    rng = np.random.default_rng(seed)
    out = {}
    for task in tasks.NUMBER_TASKS:
        logits = rng.normal(size=(n, task.classes)) * sharpness
        out[task.name] = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(dtype)
    return out


def certain(number):
    """Outputs of one example that give the classes of a number all the probability."""
    out = {}
    for task in tasks.NUMBER_TASKS:
        out[task.name] = np.full((1, task.classes), -np.inf, np.float32)
        out[task.name][0, tasks.encode(number)[task.name]] = 0.0
    return out


def enumerate_all(log_probs, row):
    """Score all 211,111 pairs of a length and its digits and return the first best: (score, length, digits)."""
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
def test_joint_finds_the_best_of_all_sequences(sharpness, dtype):
    n = 31
    log_probs = random_log_probs(n, seed=int(10 * sharpness), sharpness=sharpness, dtype=dtype)
    # What a digit costs on average is given back to the lengths, or the short ones would always win.
    best_digits = [
        log_probs[f"digit{position}"][:, :10].max(axis=1).mean() for position in range(1, 6)
    ]
    log_probs["length"] -= np.cumsum([0.0, *best_digits, 0.0]).astype(dtype)
    numbers, confidences = decoding.joint(log_probs)
    assert len(numbers) == n and confidences.shape == (n,) and confidences.dtype == np.float64
    for row in range(n):
        score, length, digits = enumerate_all(log_probs, row)
        assert numbers[row] == (None if length == 6 else "".join(map(str, digits)))
        assert confidences[row] == pytest.approx(np.exp(score), rel=1e-12)
    assert len({-1 if number is None else len(number) for number in numbers}) >= 5


@pytest.mark.parametrize("number", ["", "0", "07", "210", "9999", "54321"])
def test_a_certain_number_comes_back_with_confidence_1(number):
    numbers, confidences = decoding.joint(certain(number))
    assert numbers == [number] and confidences.tolist() == [1.0]


def test_a_certain_long_number_is_none():
    numbers, confidences = decoding.joint(certain("1234567"))
    assert numbers == [None] and confidences.tolist() == [1.0]


def test_x_never_counts_within_the_length():
    log_probs = certain("21")
    log_probs["length"][0, 2:5] = np.log(
        [0.3, 0.6, 0.1]
    )  # the length alone says 3, the digits say that there is no third
    log_probs["digit3"][0, 4] = np.log(0.25)
    log_probs["digit3"][0, 10] = np.log(0.75)
    numbers, confidences = decoding.joint(log_probs)
    assert numbers == ["21"] and confidences[0] == pytest.approx(0.3)  # 0.3 against 0.6 * 0.25
    assert {
        name: int(rows[0]) for name, rows in decoding.arg_max(log_probs).items()
    } == tasks.encode("21") | {"length": 3}


def test_digits_past_the_length_do_not_count():
    log_probs = random_log_probs(1, seed=3)
    log_probs["length"][:] = -np.inf
    log_probs["length"][0, 2] = np.log(0.5)
    before = decoding.joint(log_probs)
    for position in (3, 4, 5):
        log_probs[f"digit{position}"][:] = -np.inf
    after = decoding.joint(log_probs)
    assert before[0] == after[0] and before[1] == after[1] and len(after[0][0]) == 2


def test_length_x_pays_for_five_digits():
    log_probs = certain("11111")
    for position in range(1, 6):
        log_probs[f"digit{position}"][0, 1] = np.log(0.5)
    log_probs["length"][0] = -np.inf
    log_probs["length"][0, 6] = np.log(0.97)
    log_probs["length"][0, 0] = np.log(0.03)
    numbers, confidences = decoding.joint(log_probs)
    assert numbers == [None] and confidences[0] == pytest.approx(0.97 / 32)  # 0.0303 against 0.03
    log_probs["length"][0, 0] = np.log(0.031)
    assert decoding.joint(log_probs)[0] == [""]


def test_ties_go_to_the_shorter_length_and_the_smaller_digit():
    log_probs = {task.name: np.zeros((1, task.classes), np.float32) for task in tasks.NUMBER_TASKS}
    assert decoding.joint(log_probs)[0] == [""]
    log_probs["length"][0, :3] = -1.0
    assert decoding.joint(log_probs)[0] == ["000"]
    log_probs["length"][0, :6] = [-1, -1, -1, -1, -1, 0]  # 5 ties with X
    assert decoding.joint(log_probs)[0] == ["00000"]
    assert all(rows.tolist() in ([0], [5]) for rows in decoding.arg_max(log_probs).values())


def test_all_minus_infinity_is_the_empty_number_without_confidence_or_warning():
    log_probs = {
        task.name: np.full((2, task.classes), -np.inf, np.float32) for task in tasks.NUMBER_TASKS
    }
    with np.errstate(all="raise"):
        numbers, confidences = decoding.joint(log_probs)
    assert numbers == ["", ""] and confidences.tolist() == [0.0, 0.0]


def test_sums_are_float64():
    # In float32, -20 - 1e-7 is -20: the two lengths would tie, and 1 would win over 2.
    log_probs = {
        task.name: np.full((1, task.classes), -np.inf, np.float32) for task in tasks.NUMBER_TASKS
    }
    log_probs["length"][0, 1], log_probs["length"][0, 2] = -1e-7, 0.0
    log_probs["digit1"][0, 7], log_probs["digit2"][0, 4] = -20.0, 0.0
    assert decoding.joint(log_probs)[0] == ["74"]


def test_rows_do_not_depend_on_each_other_and_nothing_is_written_to():
    log_probs = random_log_probs(17, seed=8)
    kept = {name: rows.copy() for name, rows in log_probs.items()}
    numbers, confidences = decoding.joint(log_probs)
    for row in (0, 5, 16):
        one = decoding.joint({name: rows[row : row + 1] for name, rows in log_probs.items()})
        assert one[0] == [numbers[row]] and one[1][0] == confidences[row]
    assert all(np.array_equal(kept[name], log_probs[name]) for name in kept)


def test_no_examples():
    numbers, confidences = decoding.joint(random_log_probs(0, seed=0))
    assert numbers == [] and confidences.shape == (0,)


def test_arg_max_is_each_task_alone():
    log_probs = random_log_probs(11, seed=2)
    classes = decoding.arg_max(log_probs)
    assert list(classes) == [task.name for task in tasks.NUMBER_TASKS]
    for name, rows in log_probs.items():
        assert classes[name].tolist() == [
            max(range(len(row)), key=row.tolist().__getitem__) for row in rows
        ]


def test_a_number_in_a_table():
    assert [decoding.written(number) for number in ("210", "", "0", None)] == ["210", "", "0", "X"]
