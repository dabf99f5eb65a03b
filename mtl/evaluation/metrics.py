"""The metrics of decoded numbers, in NumPy. Without examples a metric is None (null in JSON)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtl import tasks

Z_95 = 1.959963984540054  # the 0.975 quantile of the standard normal


def correct(predicted: Sequence[str | None], truths: Sequence[str]) -> np.ndarray:
    """Return which predicted numbers are correct, bool [n].

    Args:
      predicted: n decoded numbers, None for "more than five digits".
      truths: n true numbers. None is correct for a number of more than five digits.

    Raises:
      ValueError: the two differ in length.
    """
    check_lengths(predicted, truths)
    expected = [None if too_long(truth) else truth for truth in truths]
    return np.array([number == truth for number, truth in zip(predicted, expected)], bool)


def sequence_accuracy(predicted: Sequence[str | None], truths: Sequence[str]) -> float | None:
    """Return the share of correct numbers (see `correct`), or None without numbers."""
    found = correct(predicted, truths)
    return float(found.mean()) if len(found) else None


def character_accuracy(predicted: Sequence[str | None], truths: Sequence[str]) -> float | None:
    """Return correct positions / true digits, over the numbers of at most five digits.

    Positions are compared from the left. In a predicted number that is too short, the missing
    positions are wrong. In None ("more than five digits") all are wrong. Extra digits are ignored
    here, but sequence_accuracy counts them as errors.

    Args:
      predicted: n decoded numbers, None for "more than five digits".
      truths: n true numbers; those of more than five digits are skipped.

    Returns:
      float in 0..1; None if no number has a digit.

    Raises:
      ValueError: the two differ in length.
    """
    check_lengths(predicted, truths)
    digits, hits = 0, 0
    for number, truth in zip(predicted, truths):
        if not too_long(truth):
            digits += len(truth)
            hits += sum(one == other for one, other in zip(number or "", truth))
    return hits / digits if digits else None


class Coverage(NamedTuple):
    """The examples that each of k thresholds on the confidence accepts, highest threshold first."""

    thresholds: np.ndarray  # float64 [k], decreasing; the last is -inf if a confidence is NaN
    answered: np.ndarray  # int64 [k], examples with at least this confidence
    correct: np.ndarray  # int64 [k], how many of them are correct


def coverage_curve(confidences: np.ndarray, correct: np.ndarray) -> Coverage:
    """Count the examples that each threshold on the confidence accepts.

    Examples of equal confidence are accepted together.

    Source: Goodfellow et al. 2013, arXiv:1312.6082, section 3.

    Args:
      confidences: float [n]; NaN counts as the lowest.
      correct: bool [n].

    Returns:
      Coverage. Its last element counts all examples. It is empty without examples.

    Raises:
      ValueError: the two differ in length.
    """
    check_lengths(confidences, correct)
    confidences = np.asarray(confidences, np.float64)
    confidences = np.where(np.isnan(confidences), -np.inf, confidences)
    order = np.argsort(-confidences, kind="stable")
    ordered = confidences[order]
    last_of_ties = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    answered = np.arange(1, len(ordered) + 1)
    hits = np.cumsum(np.asarray(correct, bool)[order])
    return Coverage(ordered[last_of_ties], answered[last_of_ties], hits[last_of_ties])


def coverage_at(
    confidences: np.ndarray, correct: np.ndarray, accuracy: float = 0.98
) -> float | None:
    """Return the largest share of examples, most confident first, that reaches an accuracy.

    A smaller share may have a lower accuracy.

    Args:
      confidences: float [n]; NaN counts as the lowest.
      correct: bool [n].
      accuracy: float in 0..1, the accuracy to reach.

    Returns:
      float in 0..1; 0 if no threshold reaches the accuracy; None without examples.

    Raises:
      ValueError: the two differ in length.
    """
    _, answered, hits = coverage_curve(confidences, correct)
    if not len(answered):
        return None
    # Not hits >= accuracy * answered: 98 / 100 equals the literal 0.98, but a product may differ in
    # its last bit.
    reached = hits / answered >= accuracy
    return float(np.max(answered, where=reached, initial=0) / answered[-1])


def interval(successes: int, n: int) -> tuple[float, float] | None:
    """Return the 95% interval of a share by Wilson (1927), (low, high) in 0..1.

    It contains every p that a two-sided test at 5% with variance p (1 - p) / n does not reject. It
    stays within 0..1. At 0 and n successes its width is not 0, unlike that of the usual interval.

    Args:
      successes: int, 0 .. n.
      n: int; for 0 the interval is None.

    Raises:
      ValueError: successes are not in 0 .. n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0 .. {n}, got {successes}")
    if n == 0:
        return None
    share, z2 = successes / n, Z_95 * Z_95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # Exact 0 and 1 at the ends, where the formula has a rounding error.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high


def too_long(truth: str) -> bool:
    """Return whether a true number has more digits than outputs, so that its length is X."""
    return len(truth) > tasks.DIGITS


def check_lengths(first: Sequence, second: Sequence) -> None:
    """Raise ValueError if two lists differ in length; zip would silently drop the rest."""
    if len(first) != len(second):
        raise ValueError(f"each example needs both: got {len(first)} and {len(second)}")
