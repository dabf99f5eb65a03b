"""mtl.evaluation.metrics against definitions spelled out one by one."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mtl.evaluation import metrics
from mtl.inference import predictions


def test_right_is_the_whole_number_and_none_for_more_than_five_digits():
    predicted = ["12", "12", "012", "", None, "12345", None, None, ""]
    truths = ["12", "123", "12", "", "", "123456", "123456", "9999999", "1"]
    assert metrics.correct(predicted, truths).tolist() == [
        True,
        False,
        False,
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    assert metrics.sequence_accuracy(predicted, truths) == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    "predicted, truth, hits, digits",
    [
        ("210", "210", 3, 3),
        ("21", "210", 2, 3),  # too short: the last position is missed
        ("2109", "210", 3, 3),  # too long: costs the sequence, not the characters
        ("10", "210", 0, 3),  # positions count from the left
        ("", "7", 0, 1),
        (None, "54321", 0, 5),
    ],
)
def test_character_accuracy_of_one_number(predicted, truth, hits, digits):
    assert metrics.character_accuracy([predicted], [truth]) == pytest.approx(hits / digits)


def test_character_accuracy_weighs_digits_not_numbers_and_leaves_out_long_and_empty_ones():
    predicted = ["1", "99999", "12345", None, "5", ""]
    truths = ["1", "99998", "123456", "123456", "", "42"]
    assert metrics.character_accuracy(predicted, truths) == pytest.approx((1 + 4) / (1 + 5 + 2))
    assert metrics.character_accuracy(["1", None], ["", "123456"]) is None  # nothing to read at all


def thresholds(confidences, right, accuracy):
    """Try every threshold, in exact arithmetic."""
    best = Fraction(0)
    for threshold in set(confidences):
        answered = [r for c, r in zip(confidences, right) if c >= threshold]
        if Fraction(sum(answered), len(answered)) >= accuracy:
            best = max(best, Fraction(len(answered), len(right)))
    return float(best)


@pytest.mark.parametrize("seed", range(40))
def test_coverage_is_that_of_the_best_threshold(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 130))
    confidences = rng.integers(0, rng.choice([3, 20, 10**6]), n) / 7.0  # few values: many ties
    right = rng.random(n) < rng.choice([0.5, 0.95, 0.985, 1.0])
    assert metrics.coverage_at(confidences, right) == thresholds(
        confidences.tolist(), right.tolist(), Fraction(98, 100)
    )
    assert metrics.coverage_at(confidences, right, 0.5) == thresholds(
        confidences.tolist(), right.tolist(), Fraction(1, 2)
    )


@pytest.mark.parametrize("n", [50, 100, 150, 1000, 5000])
def test_exactly_98_percent_is_enough(n):
    right = np.arange(n) >= n // 50  # the mistakes first: no earlier threshold reaches it
    confidences = np.linspace(1, 0, n)
    assert metrics.coverage_at(confidences, right) == 1.0
    right[-1] = False  # one more mistake is too many
    assert metrics.coverage_at(confidences, right) < 1.0


def test_coverage_after_a_dip_counts_and_ties_stay_together():
    assert (
        metrics.coverage_at(np.linspace(1, 0, 100), np.arange(100) != 0) == 1.0
    )  # the surest is wrong, all together are 99%
    assert metrics.coverage_at(np.array([0.9, 0.9, 0.5]), np.array([True, False, True])) == 0.0
    assert metrics.coverage_at(
        np.array([0.9, 0.8, 0.8]), np.array([True, True, False])
    ) == pytest.approx(1 / 3)


def test_coverage_with_nan_is_least_confident():
    assert metrics.coverage_at(
        np.array([np.nan, 0.2, np.nan]), np.array([True, True, False])
    ) == pytest.approx(1 / 3)


@pytest.mark.parametrize("seed", range(20))
def test_the_curve_has_a_point_for_every_threshold(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 90))
    confidences = rng.integers(0, rng.choice([3, 20, 10**6]), n) / 7.0
    confidences[rng.random(n) < 0.1] = np.nan
    right = rng.random(n) < 0.8
    curve = metrics.coverage_curve(confidences, right)
    least_first = [-math.inf if math.isnan(c) else c for c in confidences.tolist()]
    assert curve.thresholds.tolist() == sorted(set(least_first), reverse=True)
    for threshold, answered, hits in zip(*map(np.ndarray.tolist, curve)):
        through = [r for c, r in zip(least_first, right.tolist()) if c >= threshold]
        assert (answered, hits) == (len(through), sum(through))
    assert curve.answered[-1] == n and curve.correct[-1] == right.sum()


def test_the_curve_of_nothing_is_empty():
    assert [
        values.tolist() for values in metrics.coverage_curve(np.zeros(0), np.zeros(0, bool))
    ] == [[], [], []]


def test_coverage_of_all_wrong_is_0():
    assert metrics.coverage_at(np.array([0.3, 0.7]), np.array([False, False])) == 0.0


@pytest.mark.parametrize(
    "successes, n",
    [(0, 1), (1, 1), (0, 17), (17, 17), (3, 17), (812, 1000), (4999, 5000), (1, 13068)],
)
def test_interval_inverts_the_score_test(successes, n):
    def rejected(p):  # |share - p| > z sd(p)
        return (successes / n - p) ** 2 > 1.959963984540054**2 * p * (1 - p) / n

    def edge(outside, inside):  # bisection between a rejected and an accepted p
        for _ in range(200):
            middle = (outside + inside) / 2
            outside, inside = (middle, inside) if rejected(middle) else (outside, middle)
        return inside

    low, high = metrics.interval(successes, n)
    assert low == pytest.approx(edge(0.0, successes / n), abs=1e-9) and high == pytest.approx(
        edge(1.0, successes / n), abs=1e-9
    )
    assert 0.0 <= low <= successes / n <= high <= 1.0 and low < high


def test_interval_of_a_textbook_case():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263.
    assert metrics.interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_nothing_of_nothing_is_none():
    assert metrics.sequence_accuracy([], []) is None
    assert metrics.character_accuracy([], []) is None
    assert metrics.coverage_at(np.zeros(0), np.zeros(0, bool)) is None
    assert metrics.interval(0, 0) is None


def test_lists_that_do_not_belong_together_are_refused():
    for call in (metrics.correct, metrics.sequence_accuracy, metrics.character_accuracy):
        with pytest.raises(ValueError, match="got 1 and 2"):
            call(["1"], ["1", "2"])
    with pytest.raises(ValueError, match="got 2 and 1"):
        metrics.coverage_at(np.zeros(2), np.zeros(1, bool))
    with pytest.raises(ValueError, match="0 .. 3, got 4"):
        metrics.interval(4, 3)


def test_finite():
    assert [
        predictions.finite(value) for value in (None, float("nan"), float("inf"), -float("inf"))
    ] == [None] * 4
    value = predictions.finite(np.float32(0.5))
    assert value == 0.5 and type(value) is float
