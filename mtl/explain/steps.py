"""Real training steps of an explained graph, for `mtl explain --format=html --step=N`."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, tasks, train
from mtl.data.examples import Examples
from mtl.evaluation import metrics
from mtl.explain.diagram import Diagram
from mtl.explain.lines import Explained
from mtl.inference import decoding, graph as inference_graph, reading


def walk(
    explained: Explained,
    diagram: Diagram,
    source: Callable[[int], Iterator],
    count: int,
    start: str | None = None,
    unseen: Examples | None = None,
) -> Iterator[dict]:
    """Train, and yield the values in the graph at each step, fetched in the training step itself.

    Each dict has the values before the update of its step, so the first shows the initial weights.

    Args:
      explained: lines.Explained. Operations for the weights, the norms and the inference are added
        to its graph, not to its `ops`.
      diagram: Diagram of the same graph.
      source: function first_step -> iterator of (images uint8 [batch, crop, crop, channels], labels
        dict task name -> int32 [batch]).
      count: steps.
      start: path of a checkpoint whose weights the first step uses, or None.
      unseen: Examples that training does not use, or None.

    Yields:
      dict of values of the first example and of the whole batch:
        "image": uint8 [crop, crop, channels], of the first example.
        "true", "predicted": str, the number of the first example; None for X.
        "values": dict operation name -> float, the scalars of the losses and of the cost.
        "unseen": {"correct": int, "of": int}, the decoded numbers of `unseen`, from centre crops
          and without dropout; None without `unseen`.
        "tasks": dict task name -> dict:
          "label": int, of the first example.
          "logits", "softmax": lists of float, of the first example.
          "mean": name of the operation that computes the mean cross entropy.
          "weight": float, d cost / d mean.
          "gradient_norm": float, the gradient norm of the task's term at the features.
    """
    named = explained.named
    means = {task.name: _mean(task) for task in diagram.tasks}
    with explained.graph.as_default(), tf.Session(config=train.session_config(0, 1)) as session:
        fetches = _fetches(explained, diagram, means)
        measure = _measure(session, explained.config, unseen)
        session.run(tf.global_variables_initializer())
        if start:
            variables = {variable.op.name: variable for variable in tf.trainable_variables()}
            checkpoint.restore(session, variables, start)
        with contextlib.closing(source(0)) as batches:
            for _, (images, labels) in zip(range(count), batches):
                correct = measure()  # before the update of this step
                feeds = {named.labels[name]: labels[name] for name in named.labels}
                fetched = session.run(fetches, {named.images: images, **feeds})
                yield _step(images, labels, fetched, means) | {"unseen": correct}


def _measure(session, config, unseen):
    """Return a function () -> dict "unseen" of `walk`. Its network shares the variables."""
    if unseen is None:
        return _nothing
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        built = inference_graph.build(
            tasks=tasks.NUMBER_TASKS, bottom=config.bottom, absent=config.absent
        )
    network = built.bind(session)

    def measure():
        numbers, _ = decoding.joint(reading.read(network.log_probs, unseen.images))
        correct = metrics.correct(numbers, unseen.numbers)
        return {"correct": int(correct.sum()), "of": len(correct)}

    return measure


def _nothing():
    return None


def _mean(task):
    """Return the name of the operation that computes the mean cross entropy of a task."""
    return next(step.op for step in task.steps if step.word.startswith("mean"))


def _fetches(explained, diagram, means):
    """Return the fetches of one step: a nested dict of tensors, with the training operation."""
    named = explained.named
    network = named.network
    names = [name for task in diagram.tasks for name in task.loss] + list(diagram.adds)
    values = {name: _output(explained, name) for name in names}
    weights = tf.gradients(named.cost, [values[name] for name in means.values()])
    logits = {name: rows[0] for name, rows in network.logits.items()}
    return {
        "values": {name: tensor for name, tensor in values.items() if tensor.shape.rank == 0},
        "logits": logits,
        "softmax": {name: tf.nn.softmax(row) for name, row in logits.items()},
        "log_probs": {name: rows[:1] for name, rows in network.log_probs.items()},
        "weight": dict(zip(means, weights)),
        "gradient_norm": {
            name: tf.norm(tf.gradients(term, network.features)[0])
            for name, term in named.terms.items()
        },
        "minimize": named.minimize,
    }


def _output(explained, name):
    """Return the first output of an operation."""
    return explained.graph.get_operation_by_name(name).outputs[0]


def _step(images, labels, fetched, means):
    """Return a step for `walk`, from a batch and the fetched values."""
    return {
        "image": images[0],
        "true": tasks.decode({name: int(classes[0]) for name, classes in labels.items()}),
        "predicted": decoding.joint(fetched["log_probs"])[0][0],
        "values": {name: float(value) for name, value in fetched["values"].items()},
        "tasks": {
            name: {
                "label": int(labels[name][0]),
                "logits": fetched["logits"][name].tolist(),
                "softmax": fetched["softmax"][name].tolist(),
                "mean": mean,
                "weight": float(fetched["weight"][name]),
                "gradient_norm": float(fetched["gradient_norm"][name]),
            }
            for name, mean in means.items()
        },
    }


def shortest(value: Any) -> Any:
    """Return a float32 for JSON: the float with the fewest digits, or text if it is not finite."""
    short = str(np.float32(value))
    return float(short) if np.isfinite(value) else short
