"""mtl.evaluation.evaluate, with outputs made by hand."""

import json
import math

import numpy as np
import pytest

import helpers
from mtl import config, tasks
from mtl.evaluation import evaluate

NAMES = [task.name for task in tasks.NUMBER_TASKS]
LINEAR, LOG_SUM = helpers.value_of("linear"), helpers.value_of("log_sum")
KEYS = [
    "examples",
    "sequence_accuracy",
    "character_accuracy",
    "coverage_at_98",
    "cost",
    "task_accuracy",
    "task_cross_entropy",
]
NUMBERS = ["210", "", "7", "54321", "1234567", "80", "99", "4040", "1", "31415", "6"]


def random_outputs(count, seed=0):
    """Return log probabilities of random logits."""
    rng = np.random.default_rng(seed)
    outputs = {}
    for task in tasks.NUMBER_TASKS:
        logits = rng.normal(size=(count, task.outputs))
        rows = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        outputs[task.name] = rows.astype(np.float32)
    return outputs


def outputs_of(numbers, probability=0.9):
    """Return log probabilities that give the classes of each number `probability`."""
    outputs = {}
    for task in tasks.NUMBER_TASKS:
        others = (1 - probability) / (task.outputs - 1)
        rows = np.full((len(numbers), task.outputs), others)
        for row, number in zip(rows, numbers):
            row[tasks.encode(number)[task.name]] = probability
        with np.errstate(divide="ignore"):
            outputs[task.name] = np.log(rows).astype(np.float32)
    return outputs


def with_mistakes(numbers, wrong):
    """Return numbers with "3" at the indices in `wrong`."""
    return ["3" if i in wrong else number for i, number in enumerate(numbers)]


# -- all metrics -----------------------------------------------------------------------------------


def test_a_perfect_network():
    result = evaluate.measure(outputs_of(NUMBERS), NUMBERS, LINEAR)
    assert list(result) == KEYS
    assert result["examples"] == 11
    for name in ("sequence_accuracy", "character_accuracy", "coverage_at_98"):
        assert result[name] == 1.0
    assert result["task_accuracy"] == dict.fromkeys(NAMES, 1.0)
    losses = dict.fromkeys(NAMES, -math.log(0.9))
    assert result["task_cross_entropy"] == pytest.approx(losses, rel=1e-6)
    assert result["cost"] == pytest.approx(-6 * math.log(0.9), rel=1e-6)


def test_two_mistakes():
    log_probs = outputs_of(with_mistakes(NUMBERS, {0, 4}))
    result = evaluate.measure(log_probs, NUMBERS, LOG_SUM)
    assert result["sequence_accuracy"] == pytest.approx(9 / 11)
    # "3" has no digit of "210", and "1234567" is skipped.
    digits = sum(len(number) for number in NUMBERS if len(number) <= 5)
    assert result["character_accuracy"] == pytest.approx((digits - 3) / digits)
    assert result["task_accuracy"]["length"] == pytest.approx(9 / 11)
    assert result["task_accuracy"]["digit2"] == pytest.approx(9 / 11)
    # "3" and "210" both have no fourth digit.
    assert result["task_accuracy"]["digit4"] == pytest.approx(10 / 11)
    # "" is the most confident. Both "3" tie with the correct numbers of one digit.
    assert result["coverage_at_98"] == pytest.approx(1 / 11)
    loss = -(2 * math.log(0.1 / 6) + 9 * math.log(0.9)) / 11
    assert result["task_cross_entropy"]["length"] == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("objective", config.OBJECTIVES)
def test_the_cost_is_the_value_of_the_objective(objective):
    value = helpers.value_of(objective)
    result = evaluate.measure(outputs_of(NUMBERS), NUMBERS, value)
    if value is None:  # its weights change during training
        assert result["cost"] is None
        return
    expected = value(result["task_cross_entropy"])
    assert result["cost"] == expected and type(result["cost"]) is float


def test_cross_entropies_equal_a_loop():
    log_probs = random_outputs(len(NUMBERS), seed=3)
    result = evaluate.measure(log_probs, NUMBERS, LOG_SUM)
    for name in NAMES:
        labels = [tasks.encode(number)[name] for number in NUMBERS]
        loop = [-float(row[label]) for row, label in zip(log_probs[name], labels)]
        mean = math.fsum(loop) / len(loop)
        assert result["task_cross_entropy"][name] == pytest.approx(mean, rel=1e-12)


def test_values_are_plain_python():
    result = evaluate.measure(random_outputs(len(NUMBERS)), NUMBERS, LOG_SUM)
    flat = [result[key] for key in KEYS[1:5]] + list(result["task_accuracy"].values())
    assert all(type(value) is float for value in flat) and type(result["examples"]) is int


def test_a_cross_entropy_of_0_is_not_minus_0():
    result = evaluate.measure(outputs_of(["5"], probability=1.0), ["5"], LINEAR)
    assert [str(value) for value in result["task_cross_entropy"].values()] == ["0.0"] * 6


# -- missing and broken values ---------------------------------------------------------------------


def test_without_examples_every_metric_is_null():
    result = evaluate.measure(outputs_of([]), [], LINEAR)
    nothing = dict.fromkeys(NAMES)
    assert result == {**dict.fromkeys(KEYS), "examples": 0,
                      "task_accuracy": nothing, "task_cross_entropy": nothing}  # fmt: skip
    json.dumps(result, allow_nan=False)
    assert evaluate.text(result).count("-") >= 5


def test_under_mask_a_digit_is_measured_where_it_exists():
    numbers = ["210", "7", "85", "31"]
    log_probs = outputs_of(with_mistakes(numbers, {2}))
    for task in tasks.DIGIT_TASKS:
        log_probs[task.name][:, tasks.DIGIT_X] = -1e9  # as a masked network returns it
    result = evaluate.measure(log_probs, numbers, LINEAR, absent="mask")
    losses = result["task_cross_entropy"]
    known, missed = -math.log(0.9), -math.log(0.1 / 10)
    assert losses["digit1"] == pytest.approx((3 * known + missed) / 4, rel=1e-5)
    assert losses["digit3"] == pytest.approx(known, rel=1e-5)
    # In "85", predicted as "3", the second digit is one of the nine wrong ones.
    assert result["task_accuracy"] == {
        "length": 0.75,
        "digit1": 0.75,
        "digit2": 2 / 3,
        "digit3": 1.0,
        "digit4": None,
        "digit5": None,
    }
    # No number has a fourth digit: the cost leaves these tasks out.
    assert losses["digit4"] is losses["digit5"] is None
    assert result["cost"] == pytest.approx(sum(filter(None, losses.values())), rel=1e-12)
    json.dumps(result, allow_nan=False)


def test_an_infinite_loss_is_null_in_strict_json():
    numbers = ["12", "3"]
    log_probs = outputs_of(numbers)
    log_probs["digit4"][:] = -np.inf
    result = evaluate.measure(log_probs, numbers, LINEAR)
    assert result["task_cross_entropy"]["digit4"] is None and result["cost"] is None
    assert result["task_cross_entropy"]["digit1"] > 0 and result["sequence_accuracy"] == 1.0
    assert json.loads(json.dumps(result, allow_nan=False)) == result


@pytest.mark.parametrize("objective", config.OBJECTIVES)
def test_nan_outputs_are_null_and_no_clip_hides_them(objective):
    log_probs = outputs_of(["12", "3"])
    log_probs["digit1"][:] = np.nan
    result = evaluate.measure(log_probs, ["12", "3"], helpers.value_of(objective))
    assert result["task_cross_entropy"]["digit1"] is None and result["cost"] is None
    assert json.loads(json.dumps(result, allow_nan=False)) == result


# -- text ------------------------------------------------------------------------------------------


def test_text_shows_every_metric_and_the_interval():
    log_probs = outputs_of(with_mistakes(NUMBERS, {0, 4}))
    result = evaluate.measure(log_probs, NUMBERS, LINEAR)
    text = evaluate.text(result)
    assert "81.82%  (95% interval 52.30% to 94.86%)" in text  # Wilson, 9 of 11
    assert f"{result['character_accuracy']:.2%}" in text and f"{result['cost']:.4f}" in text
    for name, mean in result["task_cross_entropy"].items():
        (line,) = [line for line in text.splitlines() if line.startswith(name)]
        assert f"{mean:.4f}" in line and f"{result['task_accuracy'][name]:.2%}" in line
    assert not text.endswith("\n")
