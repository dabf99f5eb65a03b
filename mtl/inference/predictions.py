"""What `mtl predict` prints: one object per image."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl import tasks
from mtl.config import CHANNELS
from mtl.data import batches
from mtl.evaluation import metrics
from mtl.inference import decoding, reading


def predictions(
    network: reading.Predict, files: Sequence[str], windows: Sequence[np.ndarray], views: int = 1
) -> list[dict[str, Any]]:
    """Read the numbers in windows.

    Args:
      network: uint8 [n, CROP, CROP, 3] -> dict task name -> float32 [n, classes], log probabilities: Network.log_probs.
      files: n names, as the user gave them.
      windows: n of uint8 [WINDOW, WINDOW, 3], as images.window cuts them.
      views: int, how many of each to average, see data.views.views.

    Returns:
      n dicts, see `prediction`.

    Raises:
      ValueError: a window is not uint8 [height, width, 3], or there are more or fewer than files.
    """
    if not files:
        return []
    if len(files) != len(windows):
        raise ValueError(f"{len(files)} files and {len(windows)} windows; pass one window a file")
    for file, window in zip(files, windows):
        shape = ("height", "width", CHANNELS)
        batches.check_images(window, shape, f"the window of {file}")
    log_probs = reading.read(network, np.stack(windows), count=views)
    return [
        prediction(file, number, confidence, {name: rows[i] for name, rows in log_probs.items()})
        for i, (file, number, confidence) in enumerate(
            zip(files, *decoding.joint(log_probs), strict=True)
        )
    ]


def prediction(
    file: str, number: str | None, confidence: float, log_probs_of_one: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Make the object that `mtl predict --json` prints for one picture.

    Args:
      file: str, as the user gave it.
      number: str of digits, or None for more than five.
      confidence: float, of the decoded number.
      log_probs_of_one: dict task name -> float32 [classes].

    Returns:
      dict of file, number, confidence, length (7 probabilities) and digits (5 lists of 11); None where a value is not finite.
    """

    def probabilities(name):
        return [metrics.finite(p) for p in np.exp(np.asarray(log_probs_of_one[name], np.float64))]

    digits = [probabilities(tasks.digit_name(i)) for i in range(1, tasks.DIGITS + 1)]
    return {
        "file": file,
        "number": number,
        "confidence": metrics.finite(confidence),
        "length": probabilities("length"),
        "digits": digits,
    }
