"""The tasks: the outputs of the network, and the conversion of a number to classes.

A task is a name and a kind, see mtl/kinds. The answer names six softmax outputs: the length, and
one output for each of five digit positions. The last class of each is X: "more than five digits"
for the length, "no digit here" for a digit.
"""

import re
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from mtl import kinds

# Variable scopes of the bottom and of what an objective remembers, so never the name of a task.
SHARED, OBJECTIVE = "shared", "objective"
# A part of TensorFlow's scope names: a "/" or "." would mix the variables of two tasks.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
CLASSES = "classes"  # the kind of a task with a softmax
NUMBERS = "numbers"  # the text of the six tasks of the answer, see `parse`


class Task(NamedTuple):
    """One output of the network."""

    name: str  # also its variable scope, summary prefix and dict key
    outputs: int = 1  # values of its top: the classes of a softmax, 1 for a real number
    kind: str = CLASSES  # a file of mtl/kinds
    # Of the labels of train. A real task learns (label - mean) / std.
    mean: float = 0.0
    std: float = 1.0


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


def missing(task: Task, absent: str, labels: np.ndarray) -> np.ndarray:
    """Return which labels of a task have no loss: not labelled, or X if it is masked; bool [n]."""
    if masked(task, absent):
        return labels == task.outputs - 1
    return kinds.find(task.kind).missing(labels)


# -- validate --------------------------------------------------------------------------------------


def check(tasks: Sequence[Task], absent: str = "x") -> None:
    """Check that a network can have these tasks.

    Args:
      tasks: list or tuple of Task.
      absent: str, one of config.choices("absent").

    Raises:
      ValueError: there is no task, a name, a kind or a number of outputs is not allowed, or no task
        is a digit although `absent` is "mask". The message names the task and the cure.
    """
    if not isinstance(tasks, (list, tuple)) or not tasks:
        raise ValueError(f"tasks must be a list of at least one tasks.Task, got {tasks!r}")
    taken = {SHARED, OBJECTIVE}  # in lower case, as TensorFlow ignores case in names of scopes
    for task in tasks:
        _check_task(task, taken)
        taken.add(task.name.lower())
    if absent == "mask" and not any(masked(task, absent) for task in tasks):
        what = "absent='mask' has no effect, because no task is one of tasks.DIGIT_TASKS"
        raise ValueError(f"task {tasks[0].name}: {what}; use absent='x'")


def _check_task(task, taken):
    """Raise ValueError if a task is not allowed; taken: set of the names in use, in lower case."""
    if not isinstance(task, Task):
        raise ValueError(f"task {task!r} must be a tasks.Task; write Task(name, outputs)")
    if not isinstance(task.name, str) or not NAME.fullmatch(task.name):
        cure = "use letters, digits, _ and -, and begin with a letter or a digit"
        raise ValueError(f"task {task.name!r} is not a valid name; {cure}")
    if task.name.lower() in taken:
        where = "in upper or lower case"
        what = f"the shared bottom, the objective or another task has this name, {where}"
        raise ValueError(f"task {task.name}: {what}; choose another name")
    if task.kind not in kinds.KINDS:
        known = ", ".join(kinds.KINDS)
        raise ValueError(f"task {task.name} has kind={task.kind!r}, but it must be one of {known}")
    try:
        kinds.find(task.kind).check(task)
    except ValueError as error:
        raise ValueError(f"task {task.name} {error}") from None


def check_labels(labels: Dict[str, np.ndarray], tasks: Sequence[Task], count: int) -> None:
    """Check the labels of n examples.

    TensorFlow accepts several wrong labels without an error: it converts text and fractions to
    integers, repeats a single label for the whole batch, and on a GPU gives a class out of range
    a loss of 0.

    Args:
      labels: dict task name -> array [n], see mtl/kinds for its type. The six tasks of the answer
        have labels for every example.
      tasks: sequence of Task.
      count: int, n.

    Raises:
      ValueError: the message names the task.
    """
    names = [task.name for task in tasks]
    if not isinstance(labels, dict) or set(labels) != set(names):
        found = list(labels) if isinstance(labels, dict) else type(labels).__name__
        cure = "give each of these tasks its labels, and no other"
        raise ValueError(f"labels must be a dict of the tasks {names}, got {found}; {cure}")
    for task in tasks:
        try:
            _check_labels(labels[task.name], task, count)
            if is_numbers(tasks) and (labels[task.name] < 0).any():
                raise ValueError(f"must be 0 to {task.outputs - 1}, got -1; correct the label")
        except ValueError as error:
            raise ValueError(f"labels of task {task.name} {error}") from None


def _check_labels(labels, task, count):
    """Raise ValueError if the labels of a task are not one valid label for each example."""
    kind = kinds.find(task.kind)
    if not isinstance(labels, np.ndarray):
        cure = f"pass np.array(labels, np.{np.dtype(kind.DTYPE).name})"
        raise ValueError(f"must be an array, got {type(labels).__name__}; {cure}")
    kind.check_labels(labels, task)
    shape = (count, *kind.label_shape(task))
    if labels.shape != shape:
        what = f"must have the shape {list(shape)}, got {list(labels.shape)}"
        raise ValueError(f"{what}; give one label for each example")


# -- tasks as text ---------------------------------------------------------------------------------


def parse(text: str) -> Tuple[Task, ...]:
    """Return the tasks of a text such as "digit:10,odd:2,height:real".

    Args:
      text: str, "numbers" for the six tasks of the answer, else a list of name:N (a softmax over N
        classes), name:KIND or name:KIND:N, see mtl/kinds.

    Raises:
      ValueError: the text has another form, or the tasks fail `check`.
    """
    if text == NUMBERS:
        return NUMBER_TASKS
    tasks = tuple(_parse_task(part.strip()) for part in text.split(","))
    check(tasks)
    return tasks


def _parse_task(part):
    """Return the Task of one part of `parse`."""
    name, *spec = part.split(":")
    if spec and spec[0].isascii() and spec[0].isdigit():
        spec.insert(0, CLASSES)
    kind, outputs = spec[0] if spec else "", spec[1] if len(spec) > 1 else "1"
    is_number = outputs.isascii() and outputs.isdigit() and len(outputs) < 10
    if kind not in kinds.KINDS or len(spec) > 2 or not is_number:
        forms = ", ".join(f"{name or 'name'}:{kind}" for kind in kinds.KINDS if kind != CLASSES)
        cure = f"write {name or 'name'}:N for N classes, or {forms}"
        raise ValueError(f"task {part!r} has no kind or number of classes; {cure}")
    return Task(name, int(outputs), kind)


def text(tasks: Sequence[Task]) -> str:
    """Return tasks as text: the inverse of `parse`, without their scales."""
    return NUMBERS if is_numbers(tasks) else ",".join(f"{t.name}:{spec(t)}" for t in tasks)


def spec(task: Task) -> str:
    """Return what follows the name of a task in `text`: "10", "real"."""
    if task.kind == CLASSES:
        return str(task.outputs)
    return task.kind if task.outputs == 1 else f"{task.kind}:{task.outputs}"


def is_numbers(tasks: Sequence[Task]) -> bool:
    """Return whether these are the six tasks of the answer, which are decoded into a number."""
    return tuple(tasks) == NUMBER_TASKS


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
