"""Decode the outputs of the tasks into the likeliest number."""

import numpy as np

from mtl import tasks
from mtl.inference import calibration

X = "X"  # the class X in confusion tables
# The words for the answers that are not digits, the same in every text, table, page and sheet.
NO_NUMBER = "no number"
TOO_MANY = f"more than {tasks.DIGITS} digits"


def joint(
    log_probs: dict[str, np.ndarray], temperature: float = 1.0
) -> tuple[list[str | None], np.ndarray]:
    """Find the likeliest number of each example.

    The arg max of each task may give a digit X within the length, which is not a number. The best
    digit of a position does not depend on the length, so it suffices to compare the 7 lengths. Ties
    go to the shorter length and the smaller digit. If every score is -inf, the number is "" with
    confidence 0.

    The score has no term for the positions beyond the length, so each digit lowers the score of a
    number. If the outputs are too uncertain, "" then wins too often. A temperature below 1 is the
    cure; STUDIES.md compares it with adding log P(X) for these positions. A temperature above 1
    would have the opposite effect, so it changes only the confidences.

    Args:
      log_probs: dict task name -> float32 or float64 [n, classes], natural logarithms.
      temperature: see calibration.calibrate.

    Returns:
      numbers: n strings of digits; None if the length X (more than five digits) is likeliest.
      confidences: float64 [n], exp of the score of the number.
    """
    best = scores(calibration.calibrate(log_probs, min(temperature, 1.0))).argmax(axis=1)
    of_lengths = scores(calibration.calibrate(log_probs, temperature))
    best_digits = _digits(log_probs).argmax(axis=2)  # [n, 5]
    numbers = []
    for count, row in zip(best.tolist(), best_digits.tolist()):
        number = "".join(map(str, row[:count]))
        numbers.append(None if count == tasks.LENGTH_X else number)
    return numbers, np.exp(of_lengths[np.arange(len(best)), best])


def scores(log_probs: dict[str, np.ndarray]) -> np.ndarray:
    """Return the log probability of the best number of each length.

        score(l) = log P(length = l) + sum over i <= min(l, 5) of max over d in 0..9 of log P_i(d)

    Source: Goodfellow et al. 2013, arXiv:1312.6082, section 4 and appendix A.

    Args:
      log_probs: as `joint`.

    Returns:
      float64 [n, 7], for the lengths 0 to 5 and X.
    """
    # Summed in float64: in float32, different numbers would round into ties.
    found = np.array(log_probs["length"], np.float64)
    sums = np.cumsum(_digits(log_probs).max(axis=2), axis=1, dtype=np.float64)  # [n, 5]
    found[:, 1 : tasks.LENGTH_X] += sums
    found[:, tasks.LENGTH_X] += sums[:, -1]  # X has more digits than outputs: it adds all five
    return found


def _digits(log_probs):
    """Return the log probabilities of the digits without X, [n, 5, 10]."""
    names = [tasks.digit_name(position) for position in range(1, tasks.DIGITS + 1)]
    return np.stack([log_probs[name][:, : tasks.DIGIT_X] for name in names], axis=1)


def written(number: str | None) -> str:
    """Return a number in words: its digits, NO_NUMBER for "", TOO_MANY for None."""
    return TOO_MANY if number is None else number or NO_NUMBER
