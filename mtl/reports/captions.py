"""Captions of images: labels and predictions of any tasks. Numbers are shown decoded."""

from collections.abc import Mapping, Sequence

import numpy as np

from mtl import kinds
from mtl.data.examples import Examples
from mtl.evaluation import metrics
from mtl.inference import decoding
from mtl.reports import sheet
from mtl.tasks import Task, is_numbers

LINES = 6  # of a caption, so that 200 tasks do not hide the images

Outputs = Mapping[str, np.ndarray]  # task name -> float32 [n, task.outputs]


def of_labels(examples: Examples, tasks: Sequence[Task]) -> list[str]:
    """Return a caption of each example: its number, or a line "digit 7" for each label."""
    if is_numbers(tasks):
        return [decoding.written(number) for number in examples.numbers]
    found = []
    for i in range(len(examples.inputs)):
        lines = []
        for task in tasks:
            label = kinds.find(task.kind).written(examples.labels[task.name][i], task)
            if label:
                lines.append(f"{task.name} {label}")
        found.append(_joined(lines) or "no label")
    return found


def compared(outputs: Outputs, examples: Examples, tasks: Sequence[Task]) -> list[str]:
    """Return a caption of each example with its predictions and its labels.

    A prediction that differs from the label is the line "digit 7 (true 1)". If there are too many
    tasks for a caption, these lines come first.
    """
    if is_numbers(tasks):
        numbers, _ = decoding.joint(outputs)
        return [
            sheet.compared(decoding.written(truth), decoding.written(number))
            for truth, number in zip(examples.numbers, numbers)
        ]
    found = []
    for i in range(len(examples.inputs)):
        lines, wrong = [], []
        for task in tasks:
            line = _line(task, outputs[task.name][i])
            label = kinds.find(task.kind).written(examples.labels[task.name][i], task)
            differs = bool(label) and line != f"{task.name} {label}"
            lines.append(f"{line} (true {label})" if differs else line)
            wrong.append(differs)
        if len(lines) > LINES:
            lines = [lines[k] for k in np.argsort(np.logical_not(wrong), kind="stable")]
        found.append(_joined(lines))
    return found


def marks(outputs: Outputs, examples: Examples, tasks: Sequence[Task]) -> list[bool | None]:
    """Return whether each example is correct in all tasks that it is labelled for.

    Returns:
      list of bool, or None if no labelled task can be exactly correct.
    """
    if is_numbers(tasks):
        numbers, _ = decoding.joint(outputs)
        return metrics.correct(numbers, examples.numbers).tolist()
    labelled = np.zeros(len(examples.inputs), bool)
    wrong = np.zeros(len(examples.inputs), bool)
    for task in tasks:
        kind, labels = kinds.find(task.kind), examples.labels[task.name]
        if kind.EXACT:
            known = ~kind.missing(labels)
            labelled |= known
            wrong |= known & ~kind.correct(outputs[task.name], labels, task)
    return [bool(not bad) if known else None for known, bad in zip(labelled, wrong)]


def _line(task, row):
    return f"{task.name} {kinds.find(task.kind).predicted(row, task)}"


def _joined(lines):
    """Return lines as one caption of at most LINES."""
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"and {len(lines) - LINES + 1} more"]
    return "\n".join(lines)
