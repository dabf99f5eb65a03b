"""Run a network over many images, in batches and with one or several views."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mtl import config, tasks
from mtl.data import batches
from mtl.inference.views import average, views

# uint8 [n, CROP, CROP, 3] -> dict task name -> float32 [n, classes], log probabilities
Predict = Callable[[np.ndarray], dict[str, np.ndarray]]
# Called with (images done, images in all) after each batch.
Progress = Callable[[int, int], Any]


def read(
    predict: Predict,
    images: np.ndarray,
    *,
    count: int = 1,
    batch: int = 256,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Run a network over images, batch by batch.

    Args:
      predict: the network, such as Network.log_probs.
      images: uint8 [n, WINDOW, WINDOW, 3].
      count: views of each image to average, see views.views; 1 is the centre crop.
      batch: views in a batch. It limits memory, and changes results only by rounding.
      progress: called after each batch, or None.

    Returns:
      dict task name -> float32 [n, classes], in task order.
    """
    batches.check_images(images)
    # Allocated first, so that zero images need no special case.
    log_probs = {}
    for task in tasks.NUMBER_TASKS:
        log_probs[task.name] = np.empty((len(images), task.classes), np.float32)
    batch = max(1, batch // count)
    for start in range(0, len(images), batch):
        outputs = _read_views(predict, views(images[start : start + batch], count, config.CROP))
        for name, rows in average(outputs).items():
            log_probs[name][start : start + batch] = rows
        if progress:
            progress(min(start + batch, len(images)), len(images))
    return log_probs


def _read_views(predict, seen):
    """Run a network once over all views; return one dict of outputs for each view."""
    outputs = predict(np.concatenate(seen))
    split = {name: np.split(rows, len(seen)) for name, rows in outputs.items()}
    return [{name: rows[view] for name, rows in split.items()} for view in range(len(seen))]
