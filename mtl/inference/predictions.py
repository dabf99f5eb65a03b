"""Predictions, as the objects that `mtl predict --json` prints."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl import tasks
from mtl.config import CHANNELS
from mtl.data import batches
from mtl.inference import calibration, decoding, reading


def finite(value) -> float | None:
    """Return a value as a float, or None if it is None or not finite: strict JSON has no NaN."""
    return float(value) if value is not None and math.isfinite(value) else None


def predictions(
    network: reading.Predict,
    files: Sequence[str],
    windows: Sequence[np.ndarray],
    views: int = 1,
    temperature: float = 1.0,
) -> list[dict[str, Any]]:
    """Predict the numbers of windows.

    Args:
      network: the function to run, such as Network.log_probs.
      files: n file names to show.
      windows: n arrays, uint8 [WINDOW, WINDOW, 3], see images.window.
      views: the number of views of each window to average, see views.views.
      temperature: calibrates the probabilities, see calibration.calibrate.

    Returns:
      n dicts, see `prediction`.

    Raises:
      ValueError: a window has another type or shape, or files and windows differ in number.
    """
    if len(files) != len(windows):
        raise ValueError(f"{len(files)} files and {len(windows)} windows; pass one window a file")
    if not files:
        return []
    for file, window in zip(files, windows):
        shape = ("height", "width", CHANNELS)
        batches.check_images(window, shape, f"the window of {file}")
    log_probs = reading.read(network, np.stack(windows), count=views)
    numbers, confidences = decoding.joint(log_probs, temperature)
    log_probs = calibration.calibrate(log_probs, temperature)
    found = []
    for i, file in enumerate(files):
        outputs = {name: rows[i] for name, rows in log_probs.items()}
        found.append(prediction(file, numbers[i], confidences[i], outputs))
    return found


def prediction(
    file: str, number: str | None, confidence: float, log_probs: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Return the object that is printed for one image.

    Args:
      file: the file name to show.
      number: digits, or None for more than five.
      confidence: float in 0..1, of the decoded number.
      log_probs: dict task name -> float32 [classes], of this image.

    Returns:
      dict of file, number, confidence, length (7 probabilities) and digits (5 lists of 11). A value
      that is not finite is None.
    """
    probabilities = {}
    for name, row in log_probs.items():
        probabilities[name] = [finite(each) for each in np.exp(np.asarray(row, np.float64))]
    names = [tasks.digit_name(position) for position in range(1, tasks.DIGITS + 1)]
    return {
        "file": file,
        "number": number,
        "confidence": finite(confidence),
        "length": probabilities["length"],
        "digits": [probabilities[name] for name in names],
    }
