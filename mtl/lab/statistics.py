"""Means with 95% intervals over seeds, ranks, and relative differences."""

import functools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.95  # of every interval
_DOUBLINGS = 60  # of the bracket in t_quantile; bisection then halves it to the last bit


class Mean(NamedTuple):
    """A mean over seeds and half the width of its interval."""

    mean: float
    half: float | None  # None for a single value, which has no spread
    count: int


def mean_of(values: Iterable[float | None]) -> Mean | None:
    """Return the mean of values and its two-sided 95% interval by Student's t.

    The interval is mean +- t s / sqrt(n), where s is the standard deviation with n - 1 in the
    denominator. It assumes independent values that are roughly normal. For a share near 0 or 1 it
    may reach beyond 0..1.

    Args:
      values: floats; None is skipped.

    Returns:
      Mean; None without a value.
    """
    known = np.array([value for value in values if value is not None], np.float64)
    count = len(known)
    if not count:
        return None
    if count == 1:
        return Mean(float(known[0]), None, 1)
    half = t_quantile(count - 1) * known.std(ddof=1) / math.sqrt(count)
    return Mean(float(known.mean()), float(half), count)


@functools.cache
def t_quantile(degrees: int, level: float = LEVEL) -> float:
    """Return the t for which Student's distribution has a probability within -t..t.

    It is exact to rounding: the distribution of integer degrees of freedom is a finite sum.

    Args:
      degrees: degrees of freedom, at least 1.
      level: the probability, between 0 and 1.

    Raises:
      ValueError: there are no degrees of freedom, or level is not a probability.
    """
    if degrees < 1 or not 0.0 < level < 1.0:
        raise ValueError(f"needs degrees >= 1 and 0 < level < 1, got {degrees} and {level}")
    high = 1.0
    for _ in range(_DOUBLINGS):
        if t_within(high, degrees) >= level:
            break
        high *= 2.0
    low = 0.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if t_within(middle, degrees) < level else (low, middle)
    return high


def t_within(t: float, degrees: int) -> float:
    """Return the probability that Student's t lies within -t..t.

    Source: Abramowitz and Stegun 1964, equations 26.7.3 (odd degrees) and 26.7.4 (even degrees).

    Args:
      t: at least 0.
      degrees: degrees of freedom, at least 1.
    """
    angle = math.atan(t / math.sqrt(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    # The sum: cos + 2/3 cos^3 + ... for odd degrees, 1 + 1/2 cos^2 + ... for even ones.
    term, total = (cosine if odd else 1.0), 0.0
    for power in range(1 + odd, degrees, 2):
        total += term
        term *= cosine * cosine * power / (power + 1)
    return 2.0 / math.pi * (angle + sine * total) if odd else sine * total


def ranks(values: Sequence[float | None], *, larger_is_better: bool) -> list[float | None]:
    """Return the rank of each value, 1 for the best. Equal values share the mean of their ranks.

    None has no rank.
    """
    known = np.array([value for value in values if value is not None], np.float64)
    if larger_is_better:
        known = -known
    found = iter([float((known < one).sum() + ((known == one).sum() + 1) / 2) for one in known])
    return [None if value is None else next(found) for value in values]


def relative(value: float | None, base: float | None, *, larger_is_better: bool) -> float | None:
    """Return the relative difference from a base value; above 0 is better than the base.

    Returns:
      float; None if a value is missing or the base is 0.
    """
    if value is None or not base:
        return None
    difference = (value - base) / abs(base)
    return difference if larger_is_better else -difference
