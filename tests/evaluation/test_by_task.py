"""mtl.evaluation.by_task: the metrics, the score and the text of your own tasks."""

import json
import math

import numpy as np
import pytest

import helpers
from mtl.evaluation import by_task, evaluate
from mtl.tasks import NUMBER_TASKS, Task

DIGIT = Task("digit", 3)
ODD = Task("odd", 2)
HEIGHT = Task("height", 1, "real", mean=2.0, std=0.5)
TASKS = (DIGIT, ODD, HEIGHT)
CLASSES = (DIGIT, ODD)
LINEAR, LOG_SUM = helpers.value_of("linear"), helpers.value_of("log_sum")
KEYS = ["examples", "exact_match", "exact_match_95", "exact_match_examples", "cost", "tasks"]
# Each row: digit, odd and height, then the predicted ones. -1 and NaN: not labelled.
ROWS = [
    (0, 0, 1.0, 0, 0, 1.5),
    (1, 1, 2.0, 1, 0, 2.0),
    (2, -1, 3.0, 1, 1, 2.5),
    (-1, 0, math.nan, 2, 0, 9.0),
    (1, 1, 4.0, 1, 1, 4.0),
]
TRUE_DIGIT, TRUE_ODD, TRUE_HEIGHT, DIGITS, ODDS, HEIGHTS = map(list, zip(*ROWS))
LABELS = {
    "digit": np.array(TRUE_DIGIT, np.int32),
    "odd": np.array(TRUE_ODD, np.int32),
    "height": np.array(TRUE_HEIGHT, np.float32),
}


def log_probs(classes, count, probability=0.8):
    """Return log probabilities that give each class `probability`."""
    rows = np.full((len(classes), count), (1 - probability) / (count - 1))
    rows[np.arange(len(classes)), classes] = probability
    return np.log(rows).astype(np.float32)


def outputs():
    return {
        "digit": log_probs(DIGITS, 3),
        "odd": log_probs(ODDS, 2),
        "height": np.array(HEIGHTS, np.float32)[:, None],
    }


def none_labelled(*names):
    """Return the labels, without any of some tasks."""
    found = dict(LABELS)
    for name in names:
        missing = math.nan if name == "height" else -1
        found[name] = np.full_like(LABELS[name], missing)
    return found


# -- measure ---------------------------------------------------------------------------------------


def test_each_task_has_the_metrics_of_its_kind_over_its_labelled_examples():
    result = by_task.measure(outputs(), LABELS, TASKS, LINEAR)
    assert list(result) == KEYS and result["examples"] == 5
    digit, odd, height = (result["tasks"][task.name] for task in TASKS)
    assert (digit["examples"], digit["accuracy"]) == (4, 3 / 4)
    assert (odd["examples"], odd["accuracy"]) == (4, 3 / 4)
    assert (height["examples"], height["mae"]) == (4, 0.25)
    assert digit["loss"] == pytest.approx(-(3 * math.log(0.8) + math.log(0.1)) / 4, rel=1e-6)
    assert height["loss"] == pytest.approx((1.0 + 1.0) / 4, rel=1e-6)
    assert result["cost"] == pytest.approx(digit["loss"] + odd["loss"] + height["loss"], rel=1e-12)


def test_an_accuracy_is_followed_by_its_interval():
    result = by_task.measure(outputs(), LABELS, TASKS, LINEAR)
    digit = result["tasks"]["digit"]
    assert list(digit)[2:4] == ["accuracy", "accuracy_95"]
    assert digit["accuracy_95"] == pytest.approx([0.3006, 0.9544], abs=1e-4)  # Wilson, 3 of 4
    assert "accuracy_95" not in result["tasks"]["height"]


def test_exact_match_counts_examples_labelled_for_every_task():
    result = by_task.measure(outputs(), LABELS, CLASSES, LINEAR)
    # Examples 0, 1 and 4 are labelled for both tasks; 1 has a wrong odd.
    assert (result["exact_match"], result["exact_match_examples"]) == (2 / 3, 3)
    assert result["exact_match_95"] == pytest.approx([0.2077, 0.9385], abs=1e-4)


def test_there_is_no_exact_match_with_a_real_task():
    result = by_task.measure(outputs(), LABELS, TASKS, LINEAR)
    assert [result[key] for key in KEYS[1:4]] == [None] * 3


@pytest.mark.parametrize("objective", ["linear", "log_sum"])
def test_the_cost_skips_tasks_without_labels(objective):
    labels = none_labelled("digit", "height")
    result = by_task.measure(outputs(), labels, TASKS, helpers.value_of(objective))
    for name in ("digit", "height"):
        values = dict(result["tasks"][name])
        assert values.pop("examples") == 0 and set(values.values()) == {None}
    loss = result["tasks"]["odd"]["loss"]
    assert result["cost"] == helpers.value_of(objective)({"odd": loss})


def test_an_objective_of_your_own_has_no_cost():
    result = by_task.measure(
        outputs(), LABELS, TASKS, helpers.value_of("some_module:some_function")
    )
    assert result["cost"] is None and result["tasks"]["digit"]["loss"] > 0


def test_no_examples_and_nan_outputs_give_strict_json():
    nothing = {name: rows[:0] for name, rows in outputs().items()}
    empty = by_task.measure(nothing, {n: v[:0] for n, v in LABELS.items()}, CLASSES, LOG_SUM)
    assert [empty[key] for key in KEYS[:5]] == [0, None, None, 0, None]
    broken = {name: np.full_like(rows, np.nan) for name, rows in outputs().items()}
    for task_list in (TASKS, CLASSES):
        result = by_task.measure(broken, LABELS, task_list, LOG_SUM)
        # No clip of the objective hides the NaN.
        assert result["cost"] is None and result["tasks"]["digit"]["loss"] is None
        assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["exact_match"] == 0.0


# -- score -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "best_by, score",
    [("", (0.75 + 0.75 + 0.9) / 3), ("digit", 0.75), ("height", 0.9), ("exact_match", None)],
)
def test_the_score_is_a_mean_or_one_task(best_by, score):
    row = by_task.measure(outputs(), LABELS, TASKS, LINEAR)  # R2 = 1 - 0.125 / 1.25
    found = by_task.score(row, TASKS, best_by)
    assert found == (None if score is None else pytest.approx(score, rel=1e-9))


def test_the_score_may_be_the_exact_match():
    row = by_task.measure(outputs(), LABELS, CLASSES, LINEAR)
    assert by_task.score(row, CLASSES, "exact_match") == 2 / 3


def test_the_score_skips_tasks_without_labels():
    row = by_task.measure(outputs(), none_labelled("height", "odd"), TASKS, LINEAR)
    assert by_task.score(row, TASKS) == by_task.score(row, TASKS, "digit") == 0.75
    assert by_task.score(row, TASKS, "height") is None
    row = by_task.measure(outputs(), none_labelled(*LABELS), TASKS, LINEAR)
    assert by_task.score(row, TASKS) is None


def test_the_score_of_numbers_is_the_sequence_accuracy_or_one_task():
    rng = np.random.default_rng(0)
    found = {task.name: rng.normal(size=(40, task.outputs)) for task in NUMBER_TASKS}
    row = evaluate.measure(found, ["12", "5"] * 20, LINEAR)
    assert by_task.score(row, NUMBER_TASKS) == row["sequence_accuracy"]
    assert by_task.score(row, NUMBER_TASKS, "digit1") == row["task_accuracy"]["digit1"] > 0


@pytest.mark.parametrize(
    "chosen, best_by, expected",
    [
        (TASKS, "", False),
        (TASKS, "height", False),
        (TASKS, "odd", True),
        (CLASSES, "", True),
        (CLASSES, "exact_match", True),
        (NUMBER_TASKS, "", True),
    ],
)
def test_the_score_is_a_share_unless_it_includes_r2(chosen, best_by, expected):
    assert by_task.score_is_share(chosen, best_by) == expected


# -- text ------------------------------------------------------------------------------------------


def test_text_has_a_table_for_each_kind():
    result = by_task.measure(outputs(), LABELS, TASKS, LINEAR)
    head, classes, real = by_task.text(result, TASKS).split("\n\n")
    assert "exact match" not in head and f"{result['cost']:.4f}" in head
    header, digit, odd = classes.split("\n")
    assert header.split() == (
        "task examples loss accuracy 95% from to balanced accuracy macro F1".split()
    )
    assert digit.split()[:6] == ["digit", "4", "0.7430", "75.00%", "30.06%", "95.44%"]
    assert len({len(line) for line in (header, digit, odd)}) == 1  # aligned
    assert real.split("\n")[1].split() == ["height", "4", "0.5000", "0.35355", "0.25", "0.9"]


def test_text_says_of_how_many_examples_the_exact_match_is():
    text = by_task.text(by_task.measure(outputs(), LABELS, CLASSES, LINEAR), CLASSES)
    share = "66.67%  (95% interval 20.77% to 93.85%), of 3 examples labelled for every task"
    assert share in text


def test_text_shows_dashes_without_labels_and_keeps_a_long_name():
    long = Task("a" * 300, 3)
    labels = {long.name: np.full(5, -1, np.int32)}
    result = by_task.measure({long.name: outputs()["digit"]}, labels, (long,), LINEAR)
    line = by_task.text(result, (long,)).split("\n")[-1]
    assert line.split() == ["a" * 300, "0", *"-" * 6]
