"""mtl.reports.number_tables: accuracy by length and coverage of numbers."""

import numpy as np
import pytest
from made_reports import examples_of, made, outputs


def test_accuracy_by_length():
    rows = made().numbers.lengths
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
    rows = made(outputs(predicted, [0.9] * 5), examples_of(["55"] * 5)).numbers.lengths
    assert (rows[2]["most_frequent_wrong_length"], rows[2]["times"]) == ("0", 1)


def test_a_length_without_examples_has_empty_cells():
    row = made(outputs(["5"], [0.9]), examples_of(["5"])).numbers.lengths[3]
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
    rows = report.numbers.coverage
    reached = [row["coverage"] for row in rows if row["accuracy"] >= 0.98]
    assert max(reached, default=0.0) == report.metrics["coverage_at_98"]
    for row in rows:
        assert row["accuracy"] == row["correct"] / row["answered"]
    thresholds = [row["threshold"] for row in rows]
    assert thresholds == sorted(set(thresholds), reverse=True)
    assert rows[-1]["coverage"] == 1.0
    assert rows[-1]["accuracy"] == report.metrics["sequence_accuracy"]


def test_no_examples_give_empty_tables():
    report = made(outputs([], []), examples_of([]))
    assert report.numbers.coverage == report.mistakes == []
    assert [row["examples"] for row in report.numbers.lengths] == [0] * 7
