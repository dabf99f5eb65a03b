"""Intervals and quantiles against scipy and by hand; ranks; relative differences."""

import math

import numpy as np
import pytest

from mtl.lab import statistics
from mtl.lab.statistics import Mean, mean_of


def test_interval_by_hand():
    # The standard deviation is 1, and t of two degrees of freedom is 4.30265.
    mean = mean_of([1.0, 2.0, 3.0])
    assert mean.mean == 2.0 and mean.count == 3
    assert mean.half == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)


def test_interval_matches_scipy():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(3).normal(size=7)
    mean = mean_of(values)
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    np.testing.assert_allclose([mean.mean - mean.half, mean.mean + mean.half], expected, rtol=1e-12)


def test_a_single_value_has_no_interval_and_no_value_no_mean():
    assert mean_of([0.5]) == Mean(0.5, None, 1)
    assert mean_of([None, 0.5, None]) == Mean(0.5, None, 1)
    assert mean_of([]) is None and mean_of([None]) is None


def test_equal_values_have_an_interval_of_width_0():
    assert mean_of([0.25, 0.25]) == Mean(0.25, 0.0, 2)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_quantiles_match_scipy(level):
    stats = pytest.importorskip("scipy.stats")
    for degrees in [*range(1, 12), 99, 100]:
        expected = stats.t.ppf((1 + level) / 2, degrees)
        assert statistics.t_quantile(degrees, level) == pytest.approx(expected, rel=1e-10)


def test_quantiles_with_a_closed_form():
    # One degree of freedom is Cauchy's distribution; two have t = a sqrt(2 / (1 - a^2)).
    assert statistics.t_quantile(1) == pytest.approx(math.tan(0.95 * math.pi / 2), rel=1e-12)
    expected = 0.95 * math.sqrt(2 / (1 - 0.95**2))
    assert statistics.t_quantile(2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("degrees, level", [(0, 0.95), (3, 0.0), (3, 1.0)])
def test_quantile_rejects_what_has_none(degrees, level):
    with pytest.raises(ValueError, match="degrees >= 1"):
        statistics.t_quantile(degrees, level)


def test_ranks_share_ties_and_skip_missing_values():
    values = [0.5, 0.9, None, 0.5, 0.1]
    assert statistics.ranks(values, larger_is_better=True) == [2.5, 1.0, None, 2.5, 4.0]
    assert statistics.ranks(values, larger_is_better=False) == [2.5, 4.0, None, 2.5, 1.0]


def test_relative_difference_is_above_0_for_the_better():
    assert statistics.relative(0.6, 0.5, larger_is_better=True) == pytest.approx(0.2)
    assert statistics.relative(0.6, 0.5, larger_is_better=False) == pytest.approx(-0.2)
    assert statistics.relative(-1.0, -2.0, larger_is_better=True) == pytest.approx(0.5)


def test_relative_difference_from_0_or_from_nothing_is_unknown():
    for value, base in [(0.5, 0.0), (0.5, None), (None, 0.5)]:
        assert statistics.relative(value, base, larger_is_better=True) is None
