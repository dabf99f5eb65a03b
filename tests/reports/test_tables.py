"""mtl.reports.tables: the rows of a report, from outputs made by hand."""

import numpy as np
import pytest
from made_reports import (
    MISTAKEN,
    PREDICTED,
    PROBABILITIES,
    TRUE,
    evaluations,
    examples_of,
    made,
    outputs,
)

from mtl import tasks
from mtl.reports import tables

# -- confusion -------------------------------------------------------------------------------------


def pairs_of(task):
    """Return the (true, predicted) classes of a task by name, "X" for the last."""
    names = [*map(str, range(task.outputs - 1)), "X"]
    pairs = []
    for true, predicted in zip(TRUE, PREDICTED):
        classes = tasks.encode("999999" if predicted is None else predicted)
        pairs.append((names[tasks.encode(true)[task.name]], names[classes[task.name]]))
    return pairs


def test_confusion_has_a_table_for_each_task_and_the_decoded_length():
    confusion = made().confusion
    assert list(confusion) == [*[task.name for task in tasks.NUMBER_TASKS], "decoded_length"]
    assert list(confusion["length"][0]) == ["true", "0", "1", "2", "3", "4", "5", "X"]
    assert list(confusion["digit3"][0]) == ["true", *"0123456789", "X"]


@pytest.mark.parametrize("task", tasks.NUMBER_TASKS, ids=lambda task: task.name)
def test_confusion_counts_each_pair_of_classes(task):
    pairs = pairs_of(task)
    for row in made().confusion[task.name]:
        true = row.pop("true")
        for predicted, count in row.items():
            assert count == pairs.count((true, predicted))


def test_the_decoded_length_may_differ_from_the_likeliest_length():
    # Three digits are a little likelier than two, but no third digit is likely.
    log_probs = outputs(["21"], [0.9])
    log_probs["length"][0, [2, 3]] = np.log([0.4, 0.5])
    confusion = made(log_probs, examples_of(["21"])).confusion
    length, decoded = confusion["length"][2], confusion["decoded_length"][2]
    assert (length["2"], length["3"]) == (0, 1)
    assert (decoded["2"], decoded["3"]) == (1, 0)


# -- accuracy --------------------------------------------------------------------------------------


def test_accuracy_by_length():
    rows = made().lengths
    assert [row["length"] for row in rows] == ["0", "1", "2", "3", "4", "5", "X"]
    assert [row["examples"] for row in rows] == [1, 3, 3, 1, 1, 2, 1]
    assert [row["correct"] for row in rows] == [1, 1, 1, 1, 0, 1, 1]
    assert [row["accuracy"] for row in rows] == pytest.approx([1, 1 / 3, 1 / 3, 1, 0, 1 / 2, 1])
    wrong = [(row["most_frequent_wrong_length"], row["times"]) for row in rows]
    assert wrong == [(None, 0), ("0", 1), ("1", 1), (None, 0), ("3", 1), ("X", 1), (None, 0)]
    interval = (rows[1]["low_95"], rows[1]["high_95"])
    assert interval == pytest.approx((0.0615, 0.7923), abs=1e-4)  # Wilson, 1 of 3
    assert rows[1]["mean_confidence"] == pytest.approx((0.95**2 + 0.95 + 0.55**2) / 3, rel=1e-5)


def test_of_equally_frequent_wrong_lengths_the_shortest_is_reported():
    predicted = ["123", "1", "12", "1234", ""]
    rows = made(outputs(predicted, [0.9] * 5), examples_of(["55"] * 5)).lengths
    assert (rows[2]["most_frequent_wrong_length"], rows[2]["times"]) == ("0", 1)


def test_a_length_without_examples_has_empty_cells():
    row = made(outputs(["5"], [0.9]), examples_of(["5"])).lengths[3]
    counts = {"length": "3", "examples": 0, "correct": 0, "times": 0}
    assert row == {**dict.fromkeys(row), **counts}


@pytest.mark.parametrize("seed", range(8))
def test_the_coverage_curve_agrees_with_the_metrics(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(40, 99, 300) / 100  # with ties
    predicted = [str(number) for number in rng.integers(0, 999, 300)]
    wrong = rng.random(300) > 0.6 + 0.4 * probabilities
    true = ["0" if each else number for each, number in zip(wrong, predicted)]
    report = made(outputs(predicted, probabilities), examples_of(true))
    rows = report.coverage
    reached = [row["coverage"] for row in rows if row["accuracy"] >= 0.98]
    assert max(reached, default=0.0) == report.metrics["coverage_at_98"]
    for row in rows:
        assert row["accuracy"] == row["correct"] / row["answered"]
    thresholds = [row["threshold"] for row in rows]
    assert thresholds == sorted(set(thresholds), reverse=True)
    assert rows[-1]["coverage"] == 1.0
    assert rows[-1]["accuracy"] == report.metrics["sequence_accuracy"]


# -- mistakes --------------------------------------------------------------------------------------


def test_mistakes_are_all_listed_most_confident_first():
    report = made()
    assert report.mistaken == MISTAKEN
    assert [row["name"] for row in report.mistakes] == [f"dir/{i}.png" for i in MISTAKEN]
    assert [(row["true"], row["predicted"]) for row in report.mistakes] == [
        ("1", "no number"),
        ("7", "1"),
        ("80", "8"),
        ("13", "19"),
        ("4040", "404"),
        ("31415", "more than 5 digits"),
    ]
    powers = [1, 2, 2, 3, 4, 6]
    expected = [PROBABILITIES[i] ** power for i, power in zip(MISTAKEN, powers)]
    assert [row["confidence"] for row in report.mistakes] == pytest.approx(expected, rel=1e-5)


def test_equal_mistakes_keep_their_order_and_nan_comes_last():
    log_probs = outputs(["1"] * 5, [0.5, 0.9, 0.5, 0.9, 0.7])
    log_probs["length"][1] = np.nan
    report = made(log_probs, examples_of(["22"] * 5))
    assert report.mistaken == [3, 4, 0, 2, 1]
    assert report.mistakes[-1]["confidence"] is None
    assert report.coverage[-1]["threshold"] is None and report.coverage[-1]["answered"] == 5


def test_no_examples_give_empty_tables():
    report = made(outputs([], []), examples_of([]))
    assert report.coverage == report.mistakes == []
    assert [row["examples"] for row in report.lengths] == [0] * 7


# -- training --------------------------------------------------------------------------------------


def test_evaluations_are_flattened():
    first, last = made(evaluations=evaluations((10, 30))).curves
    assert list(first) == list(last) and len(first) == 5 + 2 * 6
    assert list(first)[:2] == ["step", "sequence_accuracy"]
    assert (last["step"], last["sequence_accuracy"], last["cost"]) == (30, 1 / 32, -0.5)
    assert (last["accuracy_digit5"], last["cross_entropy_length"]) == (2 / 64 + 5 / 512, 32)


@pytest.mark.parametrize("value", ["<img>", float("nan"), 1e300, 10**400, True, None, [], {}])
def test_a_value_that_is_not_a_number_is_an_empty_cell(value):
    (line,) = evaluations((10,))
    line["task_accuracy"]["digit1"] = value
    line["cost"] = line["task_cross_entropy"] = value
    other_steps = [{**line, "step": step} for step in (value, 1.5)]
    (row,) = made(evaluations=[line, *other_steps]).curves
    entropies = [f"cross_entropy_{task.name}" for task in tasks.NUMBER_TASKS]
    empty = [name for name, found in row.items() if found is None]
    assert empty == ["cost", "accuracy_digit1", *entropies]


# -- CSV -------------------------------------------------------------------------------------------


def test_csv_holds_floats_bit_for_bit_and_empty_cells():
    rows = [{"a": 0.1 + 0.2, "b": None}, {"a": 1, "b": 'x,"'}]
    assert tables.to_csv(rows) == 'a,b\n0.30000000000000004,\n1,"x,"""\n'


def test_csv_without_rows_is_a_header():
    assert tables.to_csv([], ["a", "b"]) == "a,b\n"
