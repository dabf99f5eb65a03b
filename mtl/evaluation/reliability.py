"""How well confidences agree with accuracy, and the temperature that makes them agree."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtl.evaluation import metrics
from mtl.inference import calibration, decoding

BINS = 10  # of equal width, from 0 to 1
# The candidates, in steps of 1%. If the best fit is outside this range, the validation data is too
# small or too easy to determine a temperature.
TEMPERATURES = np.geomspace(0.2, 5.0, 324)
STRIDE = 18  # of the coarse search


class Bin(NamedTuple):
    """The examples whose confidence lies in low <= confidence < high; the last bin includes 1."""

    low: float
    high: float
    examples: int
    correct: int
    mean_confidence: float | None  # None without examples
    accuracy: float | None


def bins(confidences: np.ndarray, correct: np.ndarray) -> list[Bin]:
    """Count the examples and the correct numbers in each of BINS bins of the confidence.

    Args:
      confidences: float [n] in 0..1; NaN counts as 0.
      correct: bool [n].

    Returns:
      list of BINS Bins, from the lowest confidence.

    Raises:
      ValueError: the two differ in length.
    """
    metrics.check_lengths(confidences, correct)
    confidences = np.nan_to_num(np.asarray(confidences, np.float64))
    correct = np.asarray(correct, bool)
    # Compared with the edges that the report prints: int(10 * confidence) may round across an edge.
    edges = np.arange(BINS + 1) / BINS
    indices = np.searchsorted(edges[1:-1], confidences, side="right")
    found = []
    for index in range(BINS):
        inside = indices == index
        examples = int(inside.sum())
        mean = float(confidences[inside].mean()) if examples else None
        accuracy = float(correct[inside].mean()) if examples else None
        hits = int(correct[inside].sum())
        found.append(Bin(edges[index], edges[index + 1], examples, hits, mean, accuracy))
    return found


def calibration_error(rows: Sequence[Bin]) -> float | None:
    """Return the expected calibration error of `bins`, or None without examples.

    It is the mean over all examples of |accuracy - mean confidence| of their bin.

    Source: Guo et al. 2017, arXiv:1706.04599, section 2.
    """
    filled = [row for row in rows if row.examples]
    if not filled:
        return None
    total = sum(row.examples for row in filled)
    gaps = [row.examples * abs(row.accuracy - row.mean_confidence) for row in filled]
    return sum(gaps) / total


def fit_temperature(log_probs: dict[str, np.ndarray], numbers: Sequence[str]) -> float:
    """Return the temperature whose confidences fit the correctness of the decoded numbers best.

    It minimises the cross entropy between "the number is correct" and the confidence. The numbers
    are decoded once, at temperature 1. Otherwise the best fit of a weak network could be a
    temperature at which every answer is "no number" with confidence 0. The sum of the cross
    entropies of the tasks, the usual criterion, ignores that the confidence is a product of up to
    six probabilities. Its calibration error is two to three times as large.

    The targets are those of Platt 1999 (section 2.2), (k + 1) / (k + 2) for k correct numbers and
    1 / (m + 2) for m wrong ones. Without them, 50 correct numbers of 50 would give confidence 1.

    Args:
      log_probs: dict task name -> float32 [n, classes], at temperature 1.
      numbers: n true numbers, strings of digits.

    Returns:
      float, one of TEMPERATURES rounded to three decimals; 1.0 without examples.
    """
    decoded, confidences = decoding.joint(log_probs)
    if not len(numbers) or np.isnan(confidences).any():
        return 1.0
    correct = metrics.correct(decoded, numbers)
    hits, misses = correct.sum(), (~correct).sum()
    targets = np.where(correct, (hits + 1) / (hits + 2), 1 / (misses + 2))
    lengths = decoding.scores(log_probs).argmax(axis=1)
    loss = functools.partial(_loss, log_probs, lengths, targets)
    # The loss has one minimum, so a coarse search finds its neighbourhood.
    coarse = min(range(0, len(TEMPERATURES), STRIDE), key=loss)
    first, last = max(coarse - STRIDE, 0), min(coarse + STRIDE, len(TEMPERATURES) - 1)
    return round(float(TEMPERATURES[min(range(first, last + 1), key=loss)]), 3)


def _loss(log_probs, lengths, targets, index):
    """Return the mean cross entropy of the confidences at a temperature.

    Args:
      log_probs: as `fit_temperature`.
      lengths: int [n], of the decoded numbers.
      targets: float [n] in 0..1.
      index: int, of TEMPERATURES.
    """
    scores = decoding.scores(calibration.calibrate(log_probs, TEMPERATURES[index]))
    scores = scores[np.arange(len(lengths)), lengths]
    # A float32 probability may round to 1, whose complement has no logarithm.
    scores = np.clip(scores, -700.0, -1e-7)
    return -np.mean(targets * scores + (1 - targets) * np.log(-np.expm1(scores)))
