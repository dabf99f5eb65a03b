"""Calibrate log probabilities with a temperature, so that a confidence of 0.8 means 80% correct."""

import numpy as np

from mtl.config import TEMPERATURE


def calibrate(log_probs: dict[str, np.ndarray], temperature: float) -> dict[str, np.ndarray]:
    """Divide log probabilities by a temperature and normalise them.

    A temperature below 1 makes each task more certain, one above 1 less certain. The classes of
    a task keep their order, but the decoded number may change.

    Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.

    Args:
      log_probs: dict task name -> float32 [n, classes], natural logarithms.
      temperature: float in config.TEMPERATURE. 1 returns log_probs unchanged.

    Returns:
      dict task name -> float32 [n, classes], in the same order.

    Raises:
      ValueError: the temperature is out of its range.
    """
    if not TEMPERATURE.contains(temperature):
        raise ValueError(f"the temperature must be {TEMPERATURE.text()}, got {temperature}")
    if temperature == 1:
        return log_probs
    return {name: _normalised(rows / np.float32(temperature)) for name, rows in log_probs.items()}


def _normalised(scores):
    """Return the log softmax of each row."""
    with np.errstate(invalid="ignore"):  # the caller reports NaN
        shifted = scores - scores.max(axis=1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
