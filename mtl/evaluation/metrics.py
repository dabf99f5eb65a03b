"""How well numbers were read. All in NumPy; every share of an empty set is None, which JSON writes as null."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtl import tasks

Z_95 = 1.959963984540054  # the normal quantile of 0.975


def finite(value) -> float | None:
    """Return the value as a float, or None where it is None, infinite or NaN: strict JSON has no word for those."""
    return float(value) if value is not None and math.isfinite(value) else None


def right(predicted: Sequence[str | None], truths: Sequence[str]) -> np.ndarray:
    """Tell which numbers were read without a mistake.

    Args:
      predicted: n decoded numbers, None for "more than five digits".
      truths: n true numbers; of one with more than five digits the right reading is None, whichever digits it has.

    Returns:
      bool [n].

    Raises:
      ValueError: the two differ in length.
    """
    check_pairs(predicted, truths)
    return np.array(
        [
            number == (None if too_long(truth) else truth)
            for number, truth in zip(predicted, truths)
        ],
        bool,
    )


def sequence_accuracy(predicted: Sequence[str | None], truths: Sequence[str]) -> float | None:
    """Return the share of numbers read without a mistake (see `right`); None where there are none."""
    correct = right(predicted, truths)
    return float(correct.mean()) if len(correct) else None


def character_accuracy(predicted: Sequence[str | None], truths: Sequence[str]) -> float | None:
    """Return right positions / true digits, over the numbers of at most five digits.

    A position is right where the predicted number has the true digit there, counted from the left: a number read too short misses its
    last positions, a number read as None ("more than five digits") misses all of them. Digits read beyond the true ones cost
    nothing here; they cost the sequence.

    Args:
      predicted: n decoded numbers, None for "more than five digits".
      truths: n true numbers; those of more than five digits are left out.

    Returns:
      float in 0..1; None where no number has a digit.

    Raises:
      ValueError: the two differ in length.
    """
    check_pairs(predicted, truths)
    pairs = [
        (number or "", truth) for number, truth in zip(predicted, truths) if not too_long(truth)
    ]
    digits = sum(len(truth) for _, truth in pairs)
    hits = sum(read == true for number, truth in pairs for read, true in zip(number, truth))
    return hits / digits if digits else None


class Coverage(NamedTuple):
    """What each threshold on the confidence lets through, from the highest to the lowest; k is how many confidences differ."""

    thresholds: np.ndarray  # float64 [k], falling; the last is -inf where confidences were NaN
    answered: np.ndarray  # int64 [k], examples at least that confident
    right: np.ndarray  # int64 [k], how many of those were read right


def coverage_curve(confidences: np.ndarray, right: np.ndarray) -> Coverage:
    """Count what can be answered at each threshold: accuracy against coverage, as Goodfellow et al. 2013 draw it (section 3).

    A share is what some threshold on the confidence lets through, so examples of equal confidence come together.

    Args:
      confidences: float [n]; NaN counts as the least.
      right: bool [n].

    Returns:
      Coverage; its last element is of all examples, and without examples it is empty.

    Raises:
      ValueError: the two differ in length.
    """
    check_pairs(confidences, right)
    confidences = np.asarray(confidences, np.float64)
    confidences = np.where(np.isnan(confidences), -np.inf, confidences)
    order = np.argsort(-confidences, kind="stable")
    ordered = confidences[order]
    last_of_ties = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    answered, hits = np.arange(1, len(ordered) + 1), np.cumsum(np.asarray(right, bool)[order])
    return Coverage(ordered[last_of_ties], answered[last_of_ties], hits[last_of_ties])


def coverage_at(confidences: np.ndarray, right: np.ndarray, accuracy: float = 0.98) -> float | None:
    """Find the largest share of examples that can be answered, most confident first, at an accuracy (see `coverage_curve`).

    The accuracy may dip and recover: the largest share counts, not the one before the first dip.

    Args:
      confidences: float [n]; NaN counts as the least.
      right: bool [n].
      accuracy: float, what the answered share has to reach.

    Returns:
      float in 0..1, 0 where no threshold reaches the accuracy; None where there are no examples.

    Raises:
      ValueError: the two differ in length.
    """
    _, answered, hits = coverage_curve(confidences, right)
    # The quotient, not accuracy * answered: a correctly rounded 98 / 100 equals the literal 0.98, the product can miss by one bit.
    return (
        float(np.max(answered, where=hits / answered >= accuracy, initial=0) / answered[-1])
        if len(answered)
        else None
    )


def interval(successes: int, n: int) -> tuple[float, float] | None:
    """Return the 95% interval of a share by Wilson (1927).

    It holds every p that a two-sided test of level 5% with the variance p (1 - p) / n does not reject, and so stays within 0..1 and keeps
    a width at 0 and n successes, where the usual one shrinks to a point.

    Args:
      successes: int, 0 .. n.
      n: int.

    Returns:
      (low, high), floats in 0..1; None where n is 0.

    Raises:
      ValueError: successes lie outside 0 .. n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0 .. {n}, got {successes}")
    if n == 0:
        return None
    share, z2 = successes / n, Z_95 * Z_95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends centre and half are equal but for rounding: the bound is the end itself.
    return (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)


def too_long(truth: str) -> bool:
    """Tell whether a true number has more digits than there are outputs, so that its label is X."""
    return len(truth) > tasks.DIGITS


def check_pairs(first: Sequence, second: Sequence) -> None:
    """Raise ValueError where two lists that belong together differ in length; zip would drop the rest without a word."""
    if len(first) != len(second):
        raise ValueError(f"each example needs both: got {len(first)} and {len(second)}")
