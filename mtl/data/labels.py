"""The labels of examples: read from cells of a CSV file or from arrays, and checked."""

from collections.abc import Sequence

import numpy as np

from mtl import kinds
from mtl.data import csv_files
from mtl.errors import DataError, shown
from mtl.tasks import Task

# Allowed conversions between kinds of NumPy types: bool to integer, integer to float.
_CONVERTED = {("b", "i"), ("i", "f"), ("u", "f")}


def parsed(path: str, lines: Sequence[int], cells: Sequence[str], task: Task) -> np.ndarray:
    """Return the labels in a column of a CSV file. An empty cell means not labelled.

    Args:
      path: the file, for errors.
      lines: the n numbers of the lines, for errors.
      cells: the n texts.
      task: the task of the column.

    Raises:
      DataError: a text is not a label; the message names the line and the column.
    """
    kind = kinds.find(task.kind)
    found = unlabelled(len(cells), task)
    for i, cell in enumerate(cells):
        text = cell.strip()
        if text:
            try:
                found[i] = kind.parse(text, task)
            except ValueError as error:
                where = f"{shown(path)} line {lines[i]}, column {task.name}"
                raise DataError(f"{where}: {error}") from None
    return found


def missing(path: str, what: str, task: Task, found: Sequence[str]) -> DataError:
    """Return the error of a task without labels.

    Args:
      path: the file.
      what: where its labels should be, "column" or "array".
      task: the task.
      found: the names of the columns or arrays in the file.
    """
    # Also correct for a command without --tasks, which has the tasks of a run.
    cure = f"add it, or give the {what} and the task the same name"
    return csv_files.missing(path, what, task.name, found, cure)


def unlabelled(count: int, task: Task) -> np.ndarray:
    """Return the labels of `count` examples without a label."""
    kind = kinds.find(task.kind)
    return np.full((count, *kind.label_shape(task)), kind.MISSING, kind.DTYPE)


def checked(path: str, values: np.ndarray, count: int, task: Task) -> np.ndarray:
    """Return an array of labels in the type of its task. Bools may be classes, integers numbers.

    Args:
      path: the file, for errors.
      values: any array.
      count: the number of examples.
      task: the task of the array.

    Raises:
      DataError: the array has another length or type, or a value is not a label.
    """
    kind = kinds.find(task.kind)
    where = f"{shown(path)}: array {task.name}"
    shape = (count, *kind.label_shape(task))
    if values.shape != shape:
        what = f"has the shape {list(values.shape)}, not {list(shape)}"
        raise DataError(f"{where} {what}; give one label for each example")
    if (values.dtype.kind, np.dtype(kind.DTYPE).kind) in _CONVERTED:
        values = values.astype(kind.DTYPE)
    try:
        kind.check_labels(values, task)
    except ValueError as error:
        raise DataError(f"{where}{_place(values, task)} {error}") from None
    return values.astype(kind.DTYPE)


def _place(values, task):
    """Return where the first wrong label is; "" if all are wrong, as of another type."""
    wrong = [i for i in range(len(values)) if _is_wrong(values[i : i + 1], task)]
    return f", example {wrong[0]}:" if len(wrong) < len(values) else ""


def _is_wrong(values, task):
    try:
        kinds.find(task.kind).check_labels(values, task)
    except ValueError:
        return True
    return False


def fitted(path: str, labels: dict[str, np.ndarray], tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks with the scales of the labels of train.

    Raises:
      DataError: a task has no labelled example.
    """
    found = []
    for task in tasks:
        kind = kinds.find(task.kind)
        if kind.missing(labels[task.name]).all():
            what = f"no example of train has a label of the task {task.name}"
            raise DataError(f"{shown(path)}: {what}; add labels, or remove it from --tasks")
        found.append(kind.fitted(task, labels[task.name]))
    return tuple(found)
