"""How the objective combines the tasks, in metrics.jsonl and TensorBoard.

Each evaluation stores under "monitor":
    weights         task -> the weight of its gradient in the update
    gradient_norms  task -> norm of the gradient of its mean loss at the shared bottom
    cosines         "TASK TASK" -> cosine of the angle between their gradients; None if one is zero

Weights and gradients are those of the first batch of validation examples, with the labels of
training (smoothed, for example). So they do not depend on the batches since the last evaluation,
and a continued run stores the same ones.

Gradients need one backward pass for each task, once for each evaluation, and their operations make
the start slower. --monitor_gradients enables them.
"""

import itertools
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import graph as graph_lib, kinds, objectives, optimizer
from mtl.data import batches
from mtl.data.examples import Examples, select
from mtl.objectives.common import jacobian
from mtl.run_files import Run

MOST = 16  # tasks of which the gradients are compared; 17 tasks have 136 cosines


class Combination:
    """Measures how the tasks are combined."""

    def __init__(self, run: Run, gradients: bool = False):
        """Store the settings; gradients: whether gradients are compared."""
        self._run = run
        self._gradients = gradients and 2 <= len(run.tasks) <= MOST

    def watch(self, session: Any, graph: graph_lib.Graph) -> None:
        """Add the tensors to a training graph.

        Args:
          session: tf.Session of the run.
          graph: graph.Graph.
        """
        with tf.name_scope("monitor"):
            fetched = {"weights": graph.weights()}
        if self._gradients:
            gated = optimizer.is_gated(self._run.config.precision)
            problem = objectives.Problem(graph.losses, shared=graph.shared, gated=gated)
            with tf.name_scope("monitor"):
                fetched["gram"] = jacobian.build(problem).gram
        feeds = [graph.inputs, *graph.labels.values()]
        self._measure = session.make_callable(fetched, feeds)

    def measured(self, examples: Examples) -> dict[str, Any]:
        """Return the entry of metrics.jsonl.

        Args:
          examples: of validation, at least one.
        """
        first = select(examples, range(min(self._run.config.batch_size, len(examples.inputs))))
        inputs = first.inputs
        if self._run.inputs.crop:
            inputs = batches.centre_crop(inputs, self._run.inputs.crop)
        found = self._measure(inputs, *(first.labels[task.name] for task in self._run.tasks))
        weights = {name: kinds.finite(each) for name, each in found["weights"].items()}
        entry: dict[str, Any] = {"weights": weights}
        if self._gradients:
            entry.update(_compared(list(found["weights"]), found["gram"]))
        return entry


def _compared(names, gram):
    """Return the norms and cosines of gradients; gram: float64 [tasks, tasks]."""
    norms = np.sqrt(np.diag(gram))
    cosines = {}
    for first, second in itertools.combinations(range(len(names)), 2):
        product = norms[first] * norms[second]
        cosine = gram[first, second] / product if product else None
        cosines[f"{names[first]} {names[second]}"] = kinds.finite(cosine)
    return {
        "gradient_norms": {name: kinds.finite(norm) for name, norm in zip(names, norms)},
        "cosines": cosines,
    }
