"""Run a network over many examples, in batches and with one or several views."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from mtl.data import batches
from mtl.inference.views import average, views
from mtl.inputs import Inputs
from mtl.tasks import Task, is_numbers


class Reads(Protocol):
    """A network: network.Network, graph.Bound, or another object with these three names."""

    tasks: tuple[Task, ...]
    inputs: Inputs

    def outputs(self, inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs of each task; see network.Network.outputs."""


# Called with (examples done, examples in all) after each batch.
Progress = Callable[[int, int], Any]


def read(
    network: Reads,
    inputs: np.ndarray,
    *,
    count: int = 1,
    batch: int = 256,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Run a network over examples, batch by batch.

    Args:
      network: the network.
      inputs: [n, *network.inputs.shape], images before the crop, or features.
      count: views of each image to average, see views.views; 1 is the centre crop. Other tasks
        than numbers have one view.
      batch: views in a batch. It limits memory, and changes results only by rounding.
      progress: called after each batch, or None.

    Returns:
      dict task name -> float32 [n, task.outputs], in task order.

    Raises:
      ValueError: the inputs have another type or shape, or count is not 1 for other tasks than
        numbers.
    """
    taken = network.inputs
    batches.check_inputs(inputs, taken._replace(crop=0))
    if count > 1 and not is_numbers(network.tasks):
        raise ValueError(f"{count} views apply only to the tasks of numbers; use 1")
    # Allocated first, so that zero examples need no special case.
    outputs = {}
    for task in network.tasks:
        outputs[task.name] = np.empty((len(inputs), task.outputs), np.float32)
    batch = max(1, batch // count)
    for start in range(0, len(inputs), batch):
        seen = _views(inputs[start : start + batch], count, taken)
        for name, rows in average(_read_views(network, seen)).items():
            outputs[name][start : start + batch] = rows
        if progress:
            progress(min(start + batch, len(inputs)), len(inputs))
    return outputs


def _views(inputs, count, taken):
    """Return `count` views of inputs; taken: the Inputs of the network."""
    if not taken.crop and count == 1:
        return [inputs]
    return views(inputs, count, taken.crop or taken.shape[0])


def _read_views(network, seen):
    """Run a network once over all views; return one dict of outputs for each view."""
    outputs = network.outputs(np.concatenate(seen))
    split = {name: np.split(rows, len(seen)) for name, rows in outputs.items()}
    return [{name: rows[view] for name, rows in split.items()} for view in range(len(seen))]
