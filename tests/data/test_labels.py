"""Labels in cells and in arrays: their types, and errors that name their place."""

import numpy as np
import pytest

from mtl.data import labels
from mtl.errors import DataError
from mtl.tasks import Task

KIND, SIZE = Task("kind", 3), Task("size", 1, "real")


def test_cells_are_parsed_and_empty_ones_are_not_labelled():
    found = labels.parsed("x", [2, 3, 5], ["2", " ", " 0 "], KIND)
    assert found.dtype == np.int32 and found.tolist() == [2, -1, 0]
    found = labels.parsed("x", [2, 3], ["1.75", ""], SIZE)
    assert found.dtype == np.float32 and found[0] == 1.75 and np.isnan(found[1])


@pytest.mark.parametrize(
    "cell, task, reason",
    [
        ("3", KIND, "class 3 is out of range; number the classes 0 to 2"),
        ("cat", KIND, "'cat' is not a class; number the classes 0 to 2"),
        ("1,5", SIZE, "'1,5' is not a number; write a finite number"),
        ("inf", SIZE, "'inf' is not a number"),
    ],
)
def test_wrong_cell_is_named_with_its_line_and_column(cell, task, reason):
    with pytest.raises(DataError) as caught:
        labels.parsed("x.csv", [2, 5], ["1", cell], task)
    assert str(caught.value).startswith(f"x.csv line 5, column {task.name}: {reason}")


def test_arrays_get_the_type_of_their_task():
    found = labels.checked("x", np.array([2, -1, 0]), 3, KIND)
    assert found.dtype == np.int32 and found.tolist() == [2, -1, 0]
    found = labels.checked("x", np.array([True, False]), 2, KIND)
    assert found.dtype == np.int32 and found.tolist() == [1, 0]
    for dtype in (np.int64, np.uint8):
        found = labels.checked("x", np.array([7, 0], dtype), 2, SIZE)
        assert found.dtype == np.float32 and found.tolist() == [7.0, 0.0]
    found = labels.checked("x", np.array([1.5, np.nan]), 2, SIZE)
    assert found.dtype == np.float32 and found[0] == 1.5 and np.isnan(found[1])


@pytest.mark.parametrize(
    "values, task, reason",
    [
        ([0, 1, 3, 2], KIND, ", example 2: must be 0 to 2, got 3; number the 3 classes"),
        ([0, -2, 1, 2], KIND, ", example 1: must be 0 to 2, got -2"),
        (np.array([0, 2**63, 1, 2], np.uint64), KIND, ", example 1: must be 0 to 2, got 9223372"),
        ([0.0, 1.0, 2.0, 1.0], KIND, " must be integers, got float64"),
        ([0, 1, 2], KIND, " has the shape [3], not [4]; give one label for each example"),
        ([[0], [1], [2], [0]], KIND, " has the shape [4, 1], not [4]"),
        ([0.5, 1.0, np.inf, 2.0], SIZE, ", example 2: must be finite, got inf"),
        (["1", "2", "3", "4"], SIZE, " must be floats, got <U1; pass np.array(labels, np.float32)"),
        ([True, False, True, True], SIZE, " must be floats, got bool"),
    ],
)
def test_wrong_array_is_named_with_its_example(values, task, reason):
    with pytest.raises(DataError) as caught:
        labels.checked("x.npz", np.asarray(values), 4, task)
    assert str(caught.value).startswith(f"x.npz: array {task.name}{reason}")


@pytest.mark.parametrize("what", ["column", "array"])
def test_task_without_labels_has_a_cure_that_needs_no_flag(what):
    cure = f"add it, or give the {what} and the task the same name"
    error = labels.missing("x", what, KIND, ["file", "Kind"])
    assert str(error) == f"x: no {what} 'kind', found file, Kind; did you mean Kind? {cure}"


def test_scales_are_fitted_and_a_task_without_labels_is_an_error():
    found = {"kind": np.array([0, -1], np.int32), "size": np.array([3.0, 7.0], np.float32)}
    assert labels.fitted("x", found, [KIND, SIZE]) == (KIND, SIZE._replace(mean=5.0, std=2.0))
    for task in (KIND, SIZE):
        empty = {**found, task.name: labels.unlabelled(2, task)}
        with pytest.raises(DataError, match=f"has a label of the task {task.name}; add labels, or"):
            labels.fitted("x", empty, [KIND, SIZE])
