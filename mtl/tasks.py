"""The tasks: the softmax outputs of the network, and the conversion of a number to classes.

The answer names six softmax outputs: the length, and one output for each of five digit positions.
The last class of each task is X: "more than five digits" for the length, "no digit here" for a
digit.
"""

import numbers
import re
from typing import Dict, NamedTuple, Optional, Sequence

import numpy as np

SHARED = "shared"  # the variable scope of the bottom, so never the name of a task
# A part of TensorFlow's scope names: a "/" or "." would mix the variables of two tasks.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Task(NamedTuple):
    """One softmax output."""

    name: str  # also its variable scope, summary prefix and dict key
    classes: int


DIGITS = 5  # positions that have an output
LENGTH_X = DIGITS + 1  # "more than five digits"
DIGIT_X = 10  # "no digit here"


def digit_name(position: int) -> str:
    """Return the task name of a digit position, counted from 1."""
    return f"digit{position}"


DIGIT_TASKS = tuple(Task(digit_name(position), DIGIT_X + 1) for position in range(1, DIGITS + 1))
NUMBER_TASKS = (Task("length", LENGTH_X + 1), *DIGIT_TASKS)


def masked(task: Task, absent: str) -> bool:
    """Return whether the cost excludes the last class, X, of a task.

    Args:
      task: Task.
      absent: str, one of config.choices("absent").
    """
    return absent == "mask" and task in DIGIT_TASKS


# -- validate --------------------------------------------------------------------------------------


def check(tasks: Sequence[Task], absent: str = "x") -> None:
    """Check that a network can have these tasks.

    Args:
      tasks: list or tuple of Task.
      absent: str, one of config.choices("absent").

    Raises:
      ValueError: there is no task, a name or a number of classes is not allowed, or no task is a
        digit although `absent` is "mask". The message names the task and the cure.
    """
    if not isinstance(tasks, (list, tuple)) or not tasks:
        raise ValueError(f"tasks must be a list of at least one tasks.Task, got {tasks!r}")
    taken = {SHARED}  # in lower case, because TensorFlow ignores case in the names of scopes
    for task in tasks:
        _check_task(task, taken)
        taken.add(task.name.lower())
    if absent == "mask" and not any(masked(task, absent) for task in tasks):
        what = "absent='mask' has no effect, because no task is one of tasks.DIGIT_TASKS"
        raise ValueError(f"task {tasks[0].name}: {what}; use absent='x'")


def _check_task(task, taken):
    """Raise ValueError if a task is not allowed; taken: set of the names in use, in lower case."""
    if not isinstance(task, Task):
        raise ValueError(f"task {task!r} must be a tasks.Task; write Task(name, classes)")
    if not isinstance(task.name, str) or not NAME.fullmatch(task.name):
        cure = "use letters, digits, _ and -, and begin with a letter or a digit"
        raise ValueError(f"task {task.name!r} is not a valid name; {cure}")
    if task.name.lower() in taken:
        what = "the shared bottom or another task has this name, in upper or lower case"
        raise ValueError(f"task {task.name}: {what}; choose another name")
    if not isinstance(task.classes, numbers.Integral) or task.classes < 2:
        what = f"task {task.name} has classes={task.classes!r}, but a softmax needs at least 2"
        why = "a single class always has loss 0, and real values are not supported"
        raise ValueError(f"{what}: {why}; give the number of classes, an int")


def check_labels(labels: Dict[str, np.ndarray], tasks: Sequence[Task], count: int) -> None:
    """Check the labels of a batch.

    TensorFlow accepts several wrong labels without an error: it converts text and fractions to
    integers, repeats a single label for the whole batch, and on a GPU gives a class out of range
    a loss of 0.

    Args:
      labels: dict task name -> int [count], a class of 0 .. task.classes - 1 for each image.
      tasks: sequence of Task.
      count: int, images in the batch.

    Raises:
      ValueError: the message names the task.
    """
    names = [task.name for task in tasks]
    if not isinstance(labels, dict) or set(labels) != set(names):
        found = list(labels) if isinstance(labels, dict) else type(labels).__name__
        cure = "give each of these tasks its labels, and no other"
        raise ValueError(f"labels must be a dict of the tasks {names}, got {found}; {cure}")
    for task in tasks:
        _check_classes(labels[task.name], task, count)


def _check_classes(classes, task, count):
    """Raise ValueError if the labels of a task are not one class for each of `count` images."""
    where = f"labels of task {task.name}"
    if not isinstance(classes, np.ndarray) or classes.dtype.kind not in "iu":
        found = getattr(classes, "dtype", type(classes).__name__)
        raise ValueError(f"{where} must be integers, got {found}; pass np.array(labels, np.int32)")
    if classes.shape != (count,):
        what = f"must have the shape [{count}], got {list(classes.shape)}"
        raise ValueError(f"{where} {what}; give one class for each image")
    outside = classes[(classes < 0) | (classes >= task.classes)]
    if outside.size:
        cure = "correct the label, or give the task more classes"
        raise ValueError(f"{where} must be 0 to {task.classes - 1}, got {outside[0]}; {cure}")


# -- encode and decode -----------------------------------------------------------------------------


def encode(number: str) -> Dict[str, int]:
    """Convert a number to one class per task.

    Args:
      number: str of the digits 0 to 9; "" for an image without a number.

    Returns:
      dict task name -> class, in the answer's order. A number of more than five digits has the
      length X and its first five digits.

    Raises:
      ValueError: the text has a character that is not a digit 0 to 9.
    """
    # str.isdigit alone accepts superscripts and the digits of other scripts.
    if not isinstance(number, str) or (number and not (number.isascii() and number.isdigit())):
        raise ValueError(f"a number consists of the digits 0 to 9, got {number!r}")
    classes = {"length": min(len(number), LENGTH_X)}
    for position in range(1, DIGITS + 1):
        present = position <= len(number)
        classes[digit_name(position)] = int(number[position - 1]) if present else DIGIT_X
    return classes


def decode(classes: Dict[str, int]) -> Optional[str]:
    """Convert one class per task to the number: the inverse of `encode` up to five digits.

    Args:
      classes: dict task name -> class.

    Returns:
      str of digits, or None if the length is X. Positions beyond the length are ignored.

    Raises:
      ValueError: a class is not one of its task, or a position within the length is X.
    """
    length = int(classes["length"])
    if not 0 <= length <= LENGTH_X:
        raise ValueError(f"task length has the classes 0 to {LENGTH_X}, got {length}")
    if length == LENGTH_X:
        return None
    digits = [int(classes[digit_name(position)]) for position in range(1, length + 1)]
    for position, digit in enumerate(digits, start=1):
        if not 0 <= digit < DIGIT_X:
            where = f"within a number of length {length}"
            raise ValueError(f"task {digit_name(position)} is {digit} {where}: not a digit")
    return "".join(map(str, digits))


def encode_all(numbers: Sequence[str]) -> Dict[str, np.ndarray]:
    """Encode n numbers: dict task name -> int32 [n], in the answer's order."""
    rows = [encode(number) for number in numbers]
    names = [task.name for task in NUMBER_TASKS]
    return {name: np.array([row[name] for row in rows], np.int32) for name in names}
