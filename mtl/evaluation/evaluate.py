"""The metrics of the numbers that the six tasks of the answer predict together."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mtl import tasks
from mtl.evaluation import by_task, metrics
from mtl.evaluation.by_task import shown
from mtl.inference import decoding
from mtl.kinds.classes import MISSING


def measure(
    log_probs: dict[str, np.ndarray],
    numbers: Sequence[str],
    value: Callable | None,
    absent: str = "x",
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Compute all metrics from the outputs of a network.

    The temperature changes the decoded numbers and their confidences. The cross entropies and the
    cost ignore it and use hard labels.

    Args:
      log_probs: dict task name -> float32 [n, classes], the result of reading.read.
      numbers: n true numbers, strings of digits.
      value: see objectives.value_of; the cost is its value for the mean losses.
      absent: "x" or "mask", as in training. With "mask" the digit tasks have no class X, and each
        is measured only on the examples that have its digit.
      temperature: of the run, see calibration.calibrate.

    Returns:
      dict of the JSON that `mtl evaluate` prints, without dataset, split and step. A value that is
      not finite, or has no examples, is None.

    Raises:
      ValueError: a number has a character that is not a digit.
    """
    labels = _labels(numbers, absent)
    predicted, confidences = decoding.joint(log_probs, temperature)
    measured = by_task.of_tasks(log_probs, labels, tasks.NUMBER_TASKS)
    return {
        "examples": len(numbers),
        "sequence_accuracy": metrics.sequence_accuracy(predicted, numbers),
        "character_accuracy": metrics.character_accuracy(predicted, numbers),
        "coverage_at_98": metrics.coverage_at(confidences, metrics.correct(predicted, numbers)),
        "cost": by_task.cost(measured, value),
        "task_accuracy": {name: values["accuracy"] for name, values in measured.items()},
        "task_cross_entropy": {name: values["loss"] for name, values in measured.items()},
    }


def _labels(numbers, absent):
    """Return the labels of each task, dict task name -> int32 [n]; a masked X is not labelled."""
    labels = tasks.encode_all(numbers)
    for task in tasks.NUMBER_TASKS:
        classes = labels[task.name]
        labels[task.name] = np.where(tasks.missing(task, absent, classes), MISSING, classes)
    return labels


def text(result: dict[str, Any]) -> str:
    """Return a result as a table, with the 95% interval of the sequence accuracy.

    Args:
      result: the dict of `measure`; other keys are ignored.
    """
    count, accuracy = result["examples"], result["sequence_accuracy"]
    share = shown(accuracy, ".2%")
    if accuracy is not None:
        low, high = metrics.interval(round(accuracy * count), count)
        share += f"  (95% interval {low:.2%} to {high:.2%})"
    rows = [
        ("examples", str(count)),
        ("sequence accuracy", share),
        ("character accuracy", shown(result["character_accuracy"], ".2%")),
        ("coverage at 98%", shown(result["coverage_at_98"], ".2%")),
        ("cost, hard labels", shown(result["cost"], ".4f")),
    ]
    lines = [f"{name:<20}{value}" for name, value in rows]
    lines += ["", f"{'task':<20}{'accuracy':>10}{'cross entropy':>16}"]
    for name, accuracy in result["task_accuracy"].items():
        loss = shown(result["task_cross_entropy"][name], ".4f")
        lines.append(f"{name:<20}{shown(accuracy, '.2%'):>10}{loss:>16}")
    return "\n".join(lines)
