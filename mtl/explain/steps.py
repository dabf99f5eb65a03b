"""Real training steps of an explained graph, with the numbers that flow: what `mtl explain --format=html --step=N` lets a reader walk."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, model, tasks
from mtl.explain.diagram import Diagram
from mtl.explain.lines import Explained
from mtl.inference import decoding

_AFTER_MEAN = ("Minimum", "Maximum", "Log")  # what a loss does with the mean cross entropy


def walk(
    explained: Explained,
    diagram: Diagram,
    source: Callable[[int], Iterator],
    count: int,
    start: str | None = None,
) -> Iterator[dict]:
    """Do training steps, and yield what is in the graph at each; the values of a step come from the run that changes the weights.

    Args:
      explained: lines.Explained; operations that measure are added to its graph.
      diagram: Diagram of the same graph.
      source: function first_step -> iterator of (images uint8 [batch, crop, crop, 3], labels dict task name -> int32 [batch]).
      count: int, steps.
      start: str, the path of a checkpoint whose weights are started from, or None.

    Yields:
      dict of "image", uint8 [crop, crop, 3], the first picture of the batch; "true" and "read", its number, None for X; "values", dict
      name of an operation -> float, the scalars of the losses and of the chain of adds; "tasks", dict task name -> dict of "label", int,
      "logits" and "softmax", lists of float, of that picture; "mean", the name of the operation that makes the mean cross entropy;
      "weight", d cost / d mean; and "pull", the norm of the gradient of the task's term by the features of all pictures.
    """
    graph, named = explained.graph, explained.named
    tensor = lambda name: graph.get_operation_by_name(name).outputs[0]  # noqa: E731
    means = {
        task.name: next(
            name for name in reversed(task.loss) if explained.ops[name].type not in _AFTER_MEAN
        )
        for task in diagram.tasks
    }
    with graph.as_default(), tf.Session(config=model.session_config(0, 1)) as session:
        cost, features = named.cost, tensor(diagram.features)
        weights = dict(zip(means, tf.gradients(cost, [tensor(name) for name in means.values()])))
        pulls = {
            task.name: tf.norm(
                tf.cast(tf.gradients(tensor(task.loss[-1]), features)[0], tf.float32)
            )
            for task in diagram.tasks
        }
        logits = {task.name: tensor(task.logits)[0] for task in diagram.tasks}
        scalars = [
            name for task in diagram.tasks for name in task.loss if tensor(name).shape.rank == 0
        ] + list(diagram.adds)
        fetched = {
            "values": {name: tensor(name) for name in scalars},
            "logits": logits,
            "softmax": {name: tf.nn.softmax(row) for name, row in logits.items()},
            "log_probs": {name: tf.nn.log_softmax(row[None]) for name, row in logits.items()},
            "weight": weights,
            "pull": pulls,
            "step": named.minimize,
        }
        session.run(tf.global_variables_initializer())
        if start:
            checkpoint.restore(
                session, {each.op.name: each for each in tf.trainable_variables()}, start
            )
        with contextlib.closing(source(0)) as batches:
            for _, (images, labels) in zip(range(count), batches):
                got = session.run(
                    fetched,
                    {
                        named.images: images,
                        **{named.labels[name]: labels[name] for name in named.labels},
                    },
                )
                yield {
                    "image": images[0],
                    "true": tasks.decode({name: int(rows[0]) for name, rows in labels.items()}),
                    "read": decoding.joint(got["log_probs"])[0][0],
                    "values": {name: float(value) for name, value in got["values"].items()},
                    "tasks": {
                        name: {
                            "label": int(labels[name][0]),
                            "logits": got["logits"][name].tolist(),
                            "softmax": got["softmax"][name].tolist(),
                            "mean": means[name],
                            "weight": float(got["weight"][name]),
                            "pull": float(got["pull"][name]),
                        }
                        for name in means
                    },
                }


def shortest(value: Any) -> Any:
    """Return a float32 (float) as the shortest number that says it; what is not finite as a text: JSON has no number for it."""
    return float(str(np.float32(value))) if np.isfinite(value) else str(np.float32(value))
