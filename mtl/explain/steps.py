"""Real training steps of an explained graph, for `mtl explain --format=html --step=N`."""

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from mtl import checkpoint, kinds, model, objectives, sessions, tasks
from mtl.data.examples import Examples
from mtl.evaluation import by_task, metrics
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
      source: as train.run.
      count: steps.
      start: path of a checkpoint whose weights the first step uses, or None.
      unseen: Examples that training does not use, or None.

    Yields:
      dict of values of the first example and of the whole batch:
        "image": of the first example, an array [height, width, channels]; None for features.
        "true", "predicted": only for numbers: str, that of the first example; None for X.
        "values": dict operation name -> float, the scalars of the losses and of the cost.
        "unseen": of numbers {"correct": int, "of": int}, of other tasks {"score": float or None,
          "of": int}; from centre crops and without dropout. None without `unseen`.
        "tasks": dict task name -> dict:
          "label": of the first example, a number or a list of numbers, each None if the example
            is not labelled.
          "written", "predicted": str, its label and prediction.
          "logits": list of float, of the first example.
          "softmax": list of float, its probabilities; None for a task without them.
          "mean": name of the operation that computes the mean loss.
          "weight": float, d cost / d mean; NaN if the cost does not depend on this operation.
          "gradient_norm": float, the gradient norm of the task's term at the features.
    """
    named = explained.named
    means = {task.name: _mean(task) for task in diagram.tasks}
    with explained.graph.as_default(), tf.Session(config=sessions.session_config(0, 1)) as session:
        fetches = _fetches(explained, diagram, means)
        measure = _measure(session, explained, unseen)
        session.run(tf.global_variables_initializer())
        if start:
            variables = {variable.op.name: variable for variable in tf.trainable_variables()}
            checkpoint.transfer(session, variables, start)
        with contextlib.closing(source(0)) as batches:
            for _, (inputs, labels) in zip(range(count), batches):
                before = measure()  # before the update of this step
                feeds = {named.labels[name]: labels[name] for name in named.labels}
                fetched = session.run(fetches, {named.inputs: inputs, **feeds})
                first = {name: each[0] for name, each in labels.items()}
                yield _step(explained, inputs[0], first, fetched, means) | {"unseen": before}


def _measure(session, explained, unseen):
    """Return a function () -> dict "unseen" of `walk`. Its network shares the variables."""
    if unseen is None:
        return _nothing
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        built = inference_graph.build(
            tasks=explained.tasks,
            inputs=explained.inputs,
            **model.network_settings(explained.config),
        )
    network = built.bind(session)
    measured = _correct if tasks.is_numbers(explained.tasks) else _score

    def measure():
        return measured(explained, reading.read(network, unseen.inputs), unseen)

    return measure


def _nothing():
    return None


def _correct(explained, outputs, unseen):
    """Return how many decoded numbers are correct."""
    numbers, _ = decoding.joint(outputs)
    correct = metrics.correct(numbers, unseen.numbers)
    return {"correct": int(correct.sum()), "of": len(correct)}


def _score(explained, outputs, unseen):
    """Return the number that selects the best weights of a run."""
    config = explained.config
    measured = by_task.measure(outputs, unseen.labels, explained.tasks, objectives.value_of(config))
    score = by_task.score(measured, explained.tasks, config.best_by)
    return {"score": score, "of": measured["examples"]}


def _mean(task):
    """Return the name of the operation that computes the mean loss of a task."""
    means = [step.op for step in task.steps if step.word.startswith("mean")]
    return means[-1] if means else task.loss[-1]


def _fetches(explained, diagram, means):
    """Return the fetches of one step: a nested dict of tensors, with the training operation."""
    named = explained.named
    network = named.network
    names = [name for task in diagram.tasks for name in task.loss] + list(diagram.adds)
    names.append(named.cost.op.name)
    values = {name: _output(explained, name) for name in names}
    weights = tf.gradients(named.cost, [values[name] for name in means.values()])
    return {
        "values": {name: tensor for name, tensor in values.items() if tensor.shape.rank == 0},
        "logits": {name: rows[0] for name, rows in network.logits.items()},
        "outputs": {name: rows[0] for name, rows in network.outputs.items()},
        "weight": dict(zip(means, map(_or_nan, weights))),
        "gradient_norm": {
            name: tf.norm(_or_nan(tf.gradients(term, network.features)[0]))
            for name, term in named.terms.items()
        },
        "minimize": named.minimize,
    }


def _or_nan(gradient):
    """Return a gradient; NaN if an objective of the user has none here."""
    return tf.constant(math.nan) if gradient is None else gradient


def _output(explained, name):
    """Return the first output of an operation."""
    return explained.graph.get_operation_by_name(name).outputs[0]


def _step(explained, example, labels, fetched, means):
    """Return a step for `walk`, from the first example of a batch and the fetched values."""
    step = {
        "image": example if explained.inputs.is_images else None,
        "values": {name: float(value) for name, value in fetched["values"].items()},
        "tasks": {},
    }
    if tasks.is_numbers(explained.tasks):
        outputs = {name: row[None] for name, row in fetched["outputs"].items()}
        step["true"] = tasks.decode({name: int(label) for name, label in labels.items()})
        step["predicted"] = decoding.joint(outputs)[0][0]
    for task in explained.tasks:
        name = task.name
        step["tasks"][name] = {
            **_prediction(task, labels[name], fetched["outputs"][name]),
            "logits": fetched["logits"][name].tolist(),
            "mean": means[name],
            "weight": float(fetched["weight"][name]),
            "gradient_norm": float(fetched["gradient_norm"][name]),
        }
    return step


def _prediction(task, label, row):
    """Return the label and the prediction of an example; row: the outputs of the task."""
    kind = kinds.find(task.kind)
    unlabelled = bool(kind.missing(label[None])[0])
    return {
        "label": (np.full(label.shape, None) if unlabelled else label).tolist(),
        "written": kind.written(label, task),
        "predicted": kind.predicted(row, task),
        "softmax": kind.prediction(row, task).get("probabilities"),
    }


def shortest(value: Any) -> Any:
    """Return a float32 for JSON: the float with the fewest digits, or text if it is not finite.

    None, which kinds give in place of a value that is not finite, becomes "nan".
    """
    short = str(np.float32(value))
    return float(short) if np.isfinite(value) else short
