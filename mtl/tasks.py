"""The tasks: the softmax outputs of the network, and the conversion of a number to classes.

The answer names six softmax outputs: the length, and one output for each of five digit positions.
The last class of each task is X: "more than five digits" for the length, "no digit here" for a
digit.
"""

from typing import Dict, NamedTuple, Optional, Sequence

import numpy as np


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
