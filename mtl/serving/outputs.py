"""The outputs of a network as arrays with the names of its signatures, and as predictions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mtl import kinds, tasks as tasks_lib
from mtl.inference import calibration, decoding
from mtl.serving.signatures import TOO_MANY
from mtl.tasks import Task


def arrays(
    found: dict[str, np.ndarray], tasks: Sequence[Task], temperature: float
) -> dict[str, Any]:
    """Return the outputs of signatures.outputs_of.

    Args:
      found: task name -> float32 [n, task.outputs], what the network gives.
      tasks: sequence of Task.
      temperature: see calibration.calibrate. Only for numbers.

    Returns:
      dict output name -> array [n, *shape]; text is a list of str. If the network gives NaN, a
      class is -1.
    """
    if tasks_lib.is_numbers(tasks):
        return _number(found, temperature)
    named = {}
    for task in tasks:
        kind = kinds.find(task.kind)
        predicted = [kind.prediction(row, task) for row in found[task.name]]
        for key, (dtype, _) in kind.served(task).items():
            values = [each[key] for each in predicted]
            named[f"{task.name}_{key}"] = _array(values, dtype)
    return named


def _array(values, dtype):
    """Return values, which may contain None, as an array."""
    missing = np.nan if dtype.startswith("float") else -1
    values = np.array(values, object)
    return np.where(values == None, missing, values).astype(dtype)  # noqa: E711


def _number(log_probs, temperature):
    """Return the outputs of the six tasks of the answer."""
    numbers, confidences = decoding.joint(log_probs, temperature)
    calibrated = calibration.calibrate(log_probs, temperature)
    probabilities = {name: np.exp(rows) for name, rows in calibrated.items()}
    digits = [probabilities[task.name] for task in tasks_lib.DIGIT_TASKS]
    return {
        "number": [TOO_MANY if number is None else number for number in numbers],
        "confidence": confidences.astype(np.float32),
        "length": probabilities["length"],
        "digits": np.stack(digits, axis=1),
    }


def prediction(named: dict[str, Any], index: int, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return one example of `arrays` as the object of `mtl predict --json`, without its file.

    Numbers are NumPy arrays; values.dump writes them, and null for NaN.
    """
    one = {name: _without_class(array[index]) for name, array in named.items()}
    if tasks_lib.is_numbers(tasks):
        number = one["number"]
        return {**one, "number": None if number == TOO_MANY else number}
    by_task = {}
    for task in tasks:
        keys = kinds.find(task.kind).served(task)
        by_task[task.name] = {key: one[f"{task.name}_{key}"] for key in keys}
    return {"tasks": by_task}


def _without_class(value):
    """Return a value with None in place of a class of -1."""
    if getattr(value, "dtype", None) != np.int64 or (value >= 0).all():
        return value
    return [None if each < 0 else each for each in value] if value.ndim else None
