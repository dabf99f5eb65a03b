"""Evaluate a network: run it once over a dataset, then compute every metric from its outputs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl import objectives, tasks
from mtl.data.examples import Examples
from mtl.evaluation import metrics
from mtl.inference import decoding, reading
from mtl.inference.predictions import finite


def evaluate(
    predict: reading.Predict,
    examples: Examples,
    objective: str,
    *,
    batch: int = 256,
    progress: reading.Progress | None = None,
) -> dict[str, Any]:
    """Run a network over all examples and measure it. Arguments as `measure` and reading.read."""
    log_probs = reading.read(predict, examples.images, batch=batch, progress=progress)
    return measure(log_probs, examples.numbers, objective)


def measure(
    log_probs: dict[str, np.ndarray],
    numbers: Sequence[str],
    objective: str,
    absent: str = "x",
    temperature: float = 1.0,
) -> dict[str, Any]:
    """Compute all metrics from the outputs of a network.

    The temperature changes the decoded numbers and their confidences. The cross entropies and the
    cost ignore it and use hard labels.

    Args:
      log_probs: dict task name -> float32 [n, classes], the result of reading.read.
      numbers: n true numbers, strings of digits.
      objective: one of config.OBJECTIVES; the cost is its value for the mean losses.
      absent: "x" or "mask", as in training. With "mask" the digit tasks have no class X, and each
        is measured only on the examples that have its digit.
      temperature: of the run, see calibration.calibrate.

    Returns:
      dict of the JSON that `mtl evaluate` prints, without dataset, split and step. A value that is
      not finite, or has no examples, is None.

    Raises:
      ValueError: a number has a character that is not a digit.
    """
    labels = tasks.encode_all(numbers)
    predicted, confidences = decoding.joint(log_probs, temperature)
    labelled = _labelled(labels, absent)
    means = cross_entropies(log_probs, labels, labelled)
    return {
        "examples": len(numbers),
        "sequence_accuracy": metrics.sequence_accuracy(predicted, numbers),
        "character_accuracy": metrics.character_accuracy(predicted, numbers),
        "coverage_at_98": metrics.coverage_at(confidences, metrics.correct(predicted, numbers)),
        "cost": _cost(means, labelled, objective),
        "task_accuracy": _accuracies(log_probs, labels, labelled),
        "task_cross_entropy": {name: finite(mean) for name, mean in means.items()},
    }


def _labelled(labels, absent):
    """Return which examples have a label for each task, dict task name -> bool [n]."""
    found = {}
    for task in tasks.NUMBER_TASKS:
        classes = task.classes - 1 if tasks.masked(task, absent) else task.classes
        found[task.name] = labels[task.name] < classes
    return found


def cross_entropies(
    log_probs: dict[str, np.ndarray], labels: dict[str, np.ndarray], labelled: dict[str, np.ndarray]
) -> dict[str, float]:
    """Return the mean cross entropy of each task against hard labels.

    Args:
      log_probs: dict task name -> float32 [n, classes].
      labels: dict task name -> int32 [n].
      labelled: dict task name -> bool [n], the examples to average.

    Returns:
      dict task name -> float in nats, averaged in float64; NaN if no example is labelled.
    """
    means = {}
    for name, rows in log_probs.items():
        picked = rows[np.arange(len(rows)), labels[name]][labelled[name]]
        # 0.0 - picked, because -picked would give -0.0.
        means[name] = float(np.mean(0.0 - picked, dtype=np.float64)) if len(picked) else math.nan
    return means


def _cost(means, labelled, objective):
    """Return the objective of the mean losses, or None without examples or if a mean is NaN."""
    known = {name: mean for name, mean in means.items() if labelled[name].any()}
    # Checked before the objective, whose clip may turn NaN into a number.
    if not known or any(map(math.isnan, known.values())):
        return None
    return finite(objectives.find(objective).value(known))


def _accuracies(log_probs, labels, labelled):
    """Return the accuracy of each task's arg max, dict task name -> float or None."""
    accuracies = {}
    for name, classes in decoding.arg_max(log_probs).items():
        correct = (classes == labels[name])[labelled[name]]
        accuracies[name] = float(np.mean(correct)) if len(correct) else None
    return accuracies


def text(result: dict[str, Any]) -> str:
    """Return a result as a table, with the 95% interval of the sequence accuracy.

    Args:
      result: the dict of `measure`; other keys are ignored.
    """
    count, accuracy = result["examples"], result["sequence_accuracy"]
    shown = _percent(accuracy)
    if accuracy is not None:
        low, high = metrics.interval(round(accuracy * count), count)
        shown += f"  (95% interval {_percent(low)} to {_percent(high)})"
    rows = [
        ("examples", str(count)),
        ("sequence accuracy", shown),
        ("character accuracy", _percent(result["character_accuracy"])),
        ("coverage at 98%", _percent(result["coverage_at_98"])),
        ("cost, hard labels", _nats(result["cost"])),
    ]
    lines = [f"{name:<20}{value}" for name, value in rows]
    lines += ["", f"{'task':<20}{'accuracy':>10}{'cross entropy':>16}"]
    for name, share in result["task_accuracy"].items():
        loss = _nats(result["task_cross_entropy"][name])
        lines.append(f"{name:<20}{_percent(share):>10}{loss:>16}")
    return "\n".join(lines)


def _percent(value):
    return "-" if value is None else f"{value:.2%}"


def _nats(value):
    return "-" if value is None else f"{value:.4f}"
