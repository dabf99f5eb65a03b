"""Run a network over many images, in batches and in one or several views."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mtl import config, tasks
from mtl.data import batches
from mtl.inference.views import average, views

Predict = Callable[
    [np.ndarray], dict[str, np.ndarray]
]  # uint8 [n, CROP, CROP, 3] -> task name -> float32 [n, classes]
Progress = Callable[[int, int], Any]  # called with (images done, images in all) after each batch


def read(
    predict: Predict,
    images: np.ndarray,
    *,
    count: int = 1,
    batch: int = 256,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Put pictures through a network, batch by batch.

    Args:
      predict: uint8 [n, CROP, CROP, 3] -> dict task name -> float32 [n, classes], log probabilities.
      images: uint8 [n, WINDOW, WINDOW, 3].
      count: int, views of each picture to average, see data.views.views; 1 is the centre crop alone.
      batch: int, views at a time; it bounds memory and changes no result but by rounding.
      progress: called with (done, n) after each batch, or None.

    Returns:
      dict task name -> float32 [n, classes], in task order.
    """
    batches.check_images(images)
    # Filled in place: an empty data set then needs no case of its own, and a batch of a wrong shape cannot pass.
    log_probs = {
        task.name: np.empty((len(images), task.classes), np.float32) for task in tasks.NUMBER_TASKS
    }
    batch = max(1, batch // count)
    for start in range(0, len(images), batch):
        seen = views(images[start : start + batch], count, config.CROP)
        together = {
            name: np.split(rows, len(seen)) for name, rows in predict(np.concatenate(seen)).items()
        }
        rows = average(
            [{name: parts[view] for name, parts in together.items()} for view in range(len(seen))]
        )
        for name, out in log_probs.items():
            out[start : start + batch] = rows[name]
        if progress:
            progress(min(start + batch, len(images)), len(images))
    return log_probs
