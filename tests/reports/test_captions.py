"""mtl.reports.captions: labels and predictions of any tasks."""

import math

import numpy as np
import pytest
from made_reports import (
    OWN_TASKS,
    PREDICTED,
    TRUE,
    examples_of,
    outputs,
    own_examples,
    own_outputs,
)

from mtl.data.examples import Examples
from mtl.reports import captions
from mtl.tasks import NUMBER_TASKS, Task


def test_labels_have_a_line_for_each_labelled_task():
    found = captions.of_labels(own_examples(), OWN_TASKS)
    assert found == [
        "digit 0\nodd 0\nheight 1",
        "digit 1\nodd 1\nheight 2",
        "digit 2\nheight 3",
        "odd 0",
        "digit 1\nodd 1\nheight 4",
    ]
    nothing = own_examples([(-1, -1, math.nan)])
    assert captions.of_labels(nothing, OWN_TASKS) == ["no label"]


def test_a_prediction_that_differs_has_its_label():
    found = captions.compared(own_outputs(), own_examples(), OWN_TASKS)
    assert found == [
        "digit 0\nodd 0\nheight 1.5 (true 1)",
        "digit 2 (true 1)\nodd 0 (true 1)\nheight 2",
        "digit 1 (true 2)\nodd 1\nheight 2.25 (true 3)",
        "digit 2\nodd 0\nheight 9",
        "digit 1\nodd 1\nheight 4",
    ]


def test_marks_follow_the_labelled_classes():
    found = captions.marks(own_outputs(), own_examples(), OWN_TASKS)
    # The fourth has only the label odd, which is correct.
    assert found == [True, False, False, True, True]
    assert captions.marks(own_outputs(), own_examples(), OWN_TASKS[2:]) == [None] * 5
    nothing = own_examples([(-1, -1, math.nan)] * 5)
    assert captions.marks(own_outputs(), nothing, OWN_TASKS) == [None] * 5


def test_numbers_are_decoded():
    examples, found = examples_of(), outputs()
    assert captions.of_labels(examples, NUMBER_TASKS)[:2] == ["210", "no number"]
    compared = captions.compared(found, examples, NUMBER_TASKS)
    assert compared[0] == "true 210\n> 210" and compared[2] == "true 7\n> 1"
    assert compared[9] == "true 31415\n> more than 5 digits"
    expected = [
        number == (None if len(true) > 5 else true) for true, number in zip(TRUE, PREDICTED)
    ]
    assert captions.marks(found, examples, NUMBER_TASKS) == expected


@pytest.mark.parametrize("count", [6, 7, 200])
def test_many_tasks_are_cut_and_wrong_ones_come_first(count):
    tasks = tuple(Task(f"t{i}", 2) for i in range(count))
    labels = {task.name: np.zeros(1, np.int32) for task in tasks}
    found = {task.name: np.array([[0.0, -1.0]], np.float32) for task in tasks}
    found[tasks[-1].name] = np.array([[-1.0, 0.0]], np.float32)
    examples = Examples(np.zeros((1, 8, 8, 1), np.uint8), labels, ["a"])
    (caption,) = captions.compared(found, examples, tasks)
    lines = caption.split("\n")
    wrong = f"{tasks[-1].name} 1 (true 0)"
    if count == 6:
        assert lines == [*[f"t{i} 0" for i in range(5)], wrong]
    else:
        assert lines == [wrong, *[f"t{i} 0" for i in range(4)], f"and {count - 5} more"]
    assert len(captions.of_labels(examples, tasks)[0].split("\n")) == 6
