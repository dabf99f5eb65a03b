"""mtl.evaluation.metrics, compared with the definitions."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mtl.evaluation import metrics


def test_correct_means_the_whole_number_and_none_for_more_than_five_digits():
    predicted = ["12", "12", "012", "", None, "12345", None, None, ""]
    truths = ["12", "123", "12", "", "", "123456", "123456", "9999999", "1"]
    found = metrics.correct(predicted, truths).tolist()
    assert found == [True, False, False, True, False, False, True, True, False]
    assert metrics.sequence_accuracy(predicted, truths) == pytest.approx(4 / 9)


# -- character accuracy ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "predicted, truth, hits, digits",
    [
        ("210", "210", 3, 3),
        ("21", "210", 2, 3),  # too short: the last position is missed
        ("2109", "210", 3, 3),  # too long: wrong as a number, but every true digit is there
        ("10", "210", 0, 3),  # positions count from the left
        ("", "7", 0, 1),
        (None, "54321", 0, 5),
    ],
)
def test_character_accuracy_of_one_number(predicted, truth, hits, digits):
    assert metrics.character_accuracy([predicted], [truth]) == pytest.approx(hits / digits)


def test_character_accuracy_weighs_digits_and_skips_long_and_empty_numbers():
    predicted = ["1", "99999", "12345", None, "5", ""]
    truths = ["1", "99998", "123456", "123456", "", "42"]
    assert metrics.character_accuracy(predicted, truths) == pytest.approx((1 + 4) / (1 + 5 + 2))
    assert metrics.character_accuracy(["1", None], ["", "123456"]) is None  # no digits at all


# -- coverage --------------------------------------------------------------------------------------


def best_share(confidences, correct, accuracy):
    """Try every threshold, in exact arithmetic."""
    best = Fraction(0)
    for threshold in set(confidences):
        answered = [each for c, each in zip(confidences, correct) if c >= threshold]
        if Fraction(sum(answered), len(answered)) >= accuracy:
            best = max(best, Fraction(len(answered), len(correct)))
    return float(best)


@pytest.mark.parametrize("seed", range(40))
def test_coverage_is_that_of_the_best_threshold(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 130))
    confidences = rng.integers(0, rng.choice([3, 20, 10**6]), count) / 7.0  # with many ties
    correct = rng.random(count) < rng.choice([0.5, 0.95, 0.985, 1.0])
    for accuracy, exact in [(0.98, Fraction(98, 100)), (0.5, Fraction(1, 2))]:
        expected = best_share(confidences.tolist(), correct.tolist(), exact)
        assert metrics.coverage_at(confidences, correct, accuracy) == expected


@pytest.mark.parametrize("count", [50, 100, 150, 1000, 5000])
def test_exactly_98_percent_is_enough(count):
    correct = np.arange(count) >= count // 50  # the mistakes first: no earlier threshold is enough
    confidences = np.linspace(1, 0, count)
    assert metrics.coverage_at(confidences, correct) == 1.0
    correct[-1] = False  # one more mistake is too many
    assert metrics.coverage_at(confidences, correct) < 1.0


def test_coverage_may_fall_and_recover():
    # The most confident is wrong; all together are 99% correct.
    assert metrics.coverage_at(np.linspace(1, 0, 100), np.arange(100) != 0) == 1.0


def test_equal_confidences_are_accepted_together():
    assert metrics.coverage_at(np.array([0.9, 0.9, 0.5]), np.array([True, False, True])) == 0.0
    found = metrics.coverage_at(np.array([0.9, 0.8, 0.8]), np.array([True, True, False]))
    assert found == pytest.approx(1 / 3)


def test_nan_is_the_lowest_confidence():
    found = metrics.coverage_at(np.array([np.nan, 0.2, np.nan]), np.array([True, True, False]))
    assert found == pytest.approx(1 / 3)


def test_coverage_without_a_correct_number_is_0():
    assert metrics.coverage_at(np.array([0.3, 0.7]), np.array([False, False])) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_the_curve_has_a_point_for_each_threshold(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 90))
    confidences = rng.integers(0, rng.choice([3, 20, 10**6]), count) / 7.0
    confidences[rng.random(count) < 0.1] = np.nan
    correct = rng.random(count) < 0.8
    curve = metrics.coverage_curve(confidences, correct)
    values = [-math.inf if math.isnan(c) else c for c in confidences.tolist()]
    assert curve.thresholds.tolist() == sorted(set(values), reverse=True)
    for threshold, answered, hits in zip(*map(np.ndarray.tolist, curve)):
        accepted = [each for c, each in zip(values, correct.tolist()) if c >= threshold]
        assert (answered, hits) == (len(accepted), sum(accepted))
    assert curve.answered[-1] == count and curve.correct[-1] == correct.sum()


def test_the_curve_of_no_examples_is_empty():
    curve = metrics.coverage_curve(np.zeros(0), np.zeros(0, bool))
    assert [values.tolist() for values in curve] == [[], [], []]


# -- intervals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "successes, n",
    [(0, 1), (1, 1), (0, 17), (17, 17), (3, 17), (812, 1000), (4999, 5000), (1, 13068)],
)
def test_interval_inverts_the_score_test(successes, n):
    share = successes / n

    def rejected(p):  # |share - p| > z * standard deviation of p
        return (share - p) ** 2 > metrics.Z_95**2 * p * (1 - p) / n

    def edge(outside):  # bisection between a rejected and an accepted p
        inside = share
        for _ in range(200):
            middle = (outside + inside) / 2
            outside, inside = (middle, inside) if rejected(middle) else (outside, middle)
        return inside

    low, high = metrics.interval(successes, n)
    assert low == pytest.approx(edge(0.0), abs=1e-9)
    assert high == pytest.approx(edge(1.0), abs=1e-9)
    assert 0.0 <= low <= share <= high <= 1.0 and low < high


def test_interval_of_a_textbook_case():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263.
    assert metrics.interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


# -- arguments -------------------------------------------------------------------------------------


def test_without_examples_every_metric_is_none():
    assert metrics.sequence_accuracy([], []) is None
    assert metrics.character_accuracy([], []) is None
    assert metrics.coverage_at(np.zeros(0), np.zeros(0, bool)) is None
    assert metrics.interval(0, 0) is None


def test_rejects_lists_of_different_length():
    for function in (metrics.correct, metrics.sequence_accuracy, metrics.character_accuracy):
        with pytest.raises(ValueError, match="got 1 and 2"):
            function(["1"], ["1", "2"])
    with pytest.raises(ValueError, match="got 2 and 1"):
        metrics.coverage_at(np.zeros(2), np.zeros(1, bool))


def test_rejects_more_successes_than_tries():
    with pytest.raises(ValueError, match="0 .. 3, got 4"):
        metrics.interval(4, 3)
