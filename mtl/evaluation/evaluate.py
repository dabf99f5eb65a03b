"""Measure a network on a data set: one pass for the outputs, then everything from those. Free of TensorFlow."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mtl import tasks
from mtl.data.examples import Examples
from mtl.evaluation import metrics
from mtl.inference import decoding, reading


def cross_entropies(
    log_probs: dict[str, np.ndarray], labels: dict[str, np.ndarray], counted: dict[str, np.ndarray]
) -> dict[str, float]:
    """Average each task's cross entropy against hard labels over the examples that count for it.

    Args:
      log_probs: dict task name -> float32 [n, classes].
      labels: dict task name -> int32 [n].
      counted: dict task name -> bool [n].

    Returns:
      dict task name -> float in nats, summed in float64; NaN where none counts.
    """
    means = {}
    for name, rows in log_probs.items():
        picked = rows[np.arange(len(rows)), labels[name]][counted[name]]
        # 0 - 0 is 0, where a negated 0 would print as -0.0.
        means[name] = float(np.mean(0.0 - picked, dtype=np.float64)) if len(picked) else math.nan
    return means


def measure(
    log_probs: dict[str, np.ndarray],
    numbers: Sequence[str],
    cost_of_means: Callable[[dict[str, float]], float],
    absent: str = "x",
) -> dict[str, Any]:
    """Compute all metrics of outputs that `read` returned.

    Args:
      log_probs: dict task name -> float32 [n, classes].
      numbers: n true numbers, strings of digits.
      cost_of_means: dict task name -> mean cross entropy -> the run's objective of them; NaN is a task without any labelled example.
      absent: "x", or "mask" for a network that knows no class X of a digit: each digit task is measured where that digit is there.

    Returns:
      dict of the JSON that `mtl evaluate` prints, without dataset, split and step; None where a value is not finite or n is 0.

    Raises:
      ValueError: a number holds anything but digits.
    """
    labels = tasks.encode_all(numbers)
    predicted, confidences = decoding.joint(log_probs)
    classes = decoding.arg_max(log_probs)
    counted = {
        task.name: labels[task.name] < task.classes - tasks.masked(task, absent)
        for task in tasks.NUMBER_TASKS
    }
    means = cross_entropies(log_probs, labels, counted)
    # The objective is not asked about NaN of a network: a clip may make its bound of it, and the cost would look like a number.
    broken = not numbers or any(
        math.isnan(mean) and counted[name].any() for name, mean in means.items()
    )
    cost = None if broken else cost_of_means(means)
    right = {name: (classes[name] == labels[name])[counted[name]] for name in log_probs}
    return {
        "examples": len(numbers),
        "sequence_accuracy": metrics.sequence_accuracy(predicted, numbers),
        "character_accuracy": metrics.character_accuracy(predicted, numbers),
        "coverage_at_98": metrics.coverage_at(confidences, metrics.right(predicted, numbers)),
        "cost": metrics.finite(cost),
        "task_accuracy": {
            name: float(np.mean(hits)) if len(hits) else None for name, hits in right.items()
        },
        "task_cross_entropy": {name: metrics.finite(mean) for name, mean in means.items()},
    }


def evaluate(
    predict: reading.Predict,
    examples: Examples,
    cost_of_means: Callable[[dict[str, float]], float],
    *,
    batch: int = 256,
    progress: reading.Progress | None = None,
) -> dict[str, Any]:
    """Read all pictures of a data set and measure: `measure` of `read`, whose arguments these are.

    Args:
      predict: uint8 [n, CROP, CROP, 3] -> dict task name -> float32 [n, classes], log probabilities.
      examples: Examples.
      cost_of_means: dict task name -> mean cross entropy -> the run's objective of them.
      batch: int, pictures at a time; no metric depends on it but by rounding.
      progress: called with (done, n) after each batch, or None.

    Returns:
      dict, see `measure`.
    """
    return measure(
        reading.read(predict, examples.images, batch=batch, progress=progress),
        examples.numbers,
        cost_of_means,
    )


def text(result: dict[str, Any]) -> str:
    """Write the result of `evaluate` as a short table for a person, the sequence accuracy with its 95% interval (Wilson).

    Args:
      result: dict as `evaluate` returns it; further keys are ignored.

    Returns:
      str of several lines, without a newline at the end.
    """

    def share(value):
        return "-" if value is None else f"{value:.2%}"

    def nats(value):
        return "-" if value is None else f"{value:.4f}"

    sequence, n = result["sequence_accuracy"], result["examples"]
    bounds = None if sequence is None else metrics.interval(round(sequence * n), n)
    shown = (
        f"{share(sequence)}  (95% interval {share(bounds[0])} to {share(bounds[1])})"
        if bounds
        else share(sequence)
    )
    rows = [
        ("examples", str(n)),
        ("sequence accuracy", shown),
        ("character accuracy", share(result["character_accuracy"])),
        ("coverage at 98%", share(result["coverage_at_98"])),
        ("cost", nats(result["cost"])),
    ]
    lines = [f"{name:<20}{value}" for name, value in rows]
    lines += ["", f"{'task':<20}{'accuracy':>10}{'cross entropy':>16}"]
    for name, accuracy in result["task_accuracy"].items():
        lines.append(
            f"{name:<20}{share(accuracy):>10}{nats(result['task_cross_entropy'][name]):>16}"
        )
    return "\n".join(lines)
