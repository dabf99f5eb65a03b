"""The tasks as data: which outputs a house number has, and how a number becomes their classes.

The answer names six softmax outputs: the length, and one output for each of five digit positions. A class that stands for
"nothing of the kind" is called X there: X of the length means more than five digits, X of a digit means no digit at this place.
"""

from typing import Dict, NamedTuple, Optional, Sequence

import numpy as np


class Task(NamedTuple):
    """One softmax output: its name (also its variable scope, summary prefix and dict key) and its number of classes."""

    name: str
    classes: int


DIGITS = 5  # positions that have an output of their own
LENGTH_X = DIGITS + 1  # "more than five digits"
DIGIT_X = 10  # "no digit at this position"


def digit_name(position: int) -> str:
    """Return the task name of a digit position, counted from 1."""
    return f"digit{position}"


DIGIT_TASKS = tuple(Task(digit_name(place), DIGIT_X + 1) for place in range(1, DIGITS + 1))
NUMBER_TASKS = (Task("length", LENGTH_X + 1), *DIGIT_TASKS)


def masked(task: Task, absent: str) -> bool:
    """Tell whether the last class of a task, "no digit here", is no class at all but left out of the cost (config.ABSENT)."""
    return absent == "mask" and task in DIGIT_TASKS


def encode(number: str) -> Dict[str, int]:
    """Turn a number into one class per task.

    Args:
      number: str of the digits 0 to 9; "" is a picture without a number.

    Returns:
      dict task name -> class, in the answer's order. Past five digits the length is X and the first five digits stand.

    Raises:
      ValueError: the text holds anything but the digits 0 to 9.
    """
    # str.isdigit alone accepts superscripts and the digits of other scripts, which int() or a table of ten would not.
    if not isinstance(number, str) or not (number == "" or (number.isascii() and number.isdigit())):
        raise ValueError(f"a number is written with the digits 0 to 9 alone, got {number!r}")
    classes = {"length": min(len(number), LENGTH_X)}
    for position in range(1, DIGITS + 1):
        classes[digit_name(position)] = (
            int(number[position - 1]) if position <= len(number) else DIGIT_X
        )
    return classes


def decode(classes: Dict[str, int]) -> Optional[str]:
    """Turn one class per task back into the number; the inverse of `encode` up to five digits.

    Args:
      classes: dict task name -> class.

    Returns:
      str of the digits, or None where the length is X. Positions beyond the length are ignored.

    Raises:
      ValueError: a class lies outside its task, or a position within the length is X.
    """
    length = int(classes["length"])
    if not 0 <= length <= LENGTH_X:
        raise ValueError(f"task length has the classes 0 to {LENGTH_X}, got {length}")
    if length == LENGTH_X:
        return None
    digits = [int(classes[digit_name(position)]) for position in range(1, length + 1)]
    for position, digit in enumerate(digits, start=1):
        if not 0 <= digit < DIGIT_X:
            raise ValueError(
                f"task {digit_name(position)} is {digit} within a number of length {length}: no digit there"
            )
    return "".join(map(str, digits))


def encode_all(numbers: Sequence[str]) -> Dict[str, np.ndarray]:
    """Encode n numbers as `encode` does one: dict task name -> int32 [n], in the answer's order."""
    rows = [encode(number) for number in numbers]
    return {
        task.name: np.array([row[task.name] for row in rows], np.int32) for task in NUMBER_TASKS
    }
