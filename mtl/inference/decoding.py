"""From the outputs of the tasks to a number: the likeliest one of all, not the likeliest class of each task."""

import numpy as np

from mtl import tasks

X = "X"  # how tables and sheets name the class that stands for "nothing of the kind"


def joint(log_probs: dict[str, np.ndarray]) -> tuple[list[str | None], np.ndarray]:
    """Find the likeliest number of each example (Goodfellow et al. 2013, arXiv:1312.6082, section 4 and appendix A).

    The paper's model is P(number of length l) = P(length = l) * P(digit1) * ... * P(digit l), so a length has to be paid for with
    digits. An arg max of each task alone may instead find a digit X within the length, which is no number at all.

        score(l) = log P(length = l) + sum over i <= min(l, 5) of max over the digits 0..9 of log P(digit_i)

    The best digits of a position do not depend on the length, so the 7 scores are one running sum: no sequence is enumerated.
    Ties go to the shorter length and the smaller digit. Where every score is -inf, that makes it "" with confidence 0.

    Args:
      log_probs: dict task name -> float32 or float64 [n, classes], natural logs; 0 probability is -inf. X of a digit is never read.

    Returns:
      numbers: n of str of digits, or None where the length X (more than five digits) is likeliest.
      confidences: float64 [n], exp of the best score.
    """
    # Sums are in float64: six float32 terms would round different numbers into ties.
    length = np.asarray(log_probs["length"], np.float64)
    digits = np.stack(
        [log_probs[tasks.digit_name(i)][:, : tasks.DIGIT_X] for i in range(1, tasks.DIGITS + 1)],
        axis=1,
    )  # [n, 5, 10]
    best_digits = digits.argmax(axis=2)  # [n, 5]; argmax returns the first of equals
    paid = np.cumsum(
        digits.max(axis=2), axis=1, dtype=np.float64
    )  # [n, 5]; column l - 1 is the sum over i <= l
    scores = length.copy()  # [n, 7]
    scores[:, 1 : tasks.LENGTH_X] += paid
    scores[:, tasks.LENGTH_X] += paid[
        :, -1
    ]  # X has more digits than there are outputs: it pays for all five
    best = scores.argmax(axis=1)
    numbers = [
        None if count == tasks.LENGTH_X else "".join(map(str, row[:count]))
        for count, row in zip(best.tolist(), best_digits.tolist())
    ]
    return numbers, np.exp(scores[np.arange(len(best)), best])


def written(number: str | None) -> str:
    """Write a decoded number for a table: X where it is None (more than five digits), the empty text where there are no digits."""
    return X if number is None else number


def arg_max(log_probs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the likeliest class of each task alone, dict task name -> int64 [n]; ties go to the smaller class, X is one of them."""
    return {name: np.argmax(rows, axis=1) for name, rows in log_probs.items()}
