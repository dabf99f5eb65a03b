"""mtl.reports.tables: the rows of a report, from outputs made by hand."""

import numpy as np
import pytest
from made_reports import (
    MISTAKEN,
    PREDICTED,
    PROBABILITIES,
    TRUE,
    examples_of,
    made,
    many,
    outputs,
    own,
    own_examples,
    own_outputs,
)

from mtl import tasks
from mtl.kinds import classes, real
from mtl.reports import tables

# -- confusion -------------------------------------------------------------------------------------


def pairs_of(task):
    """Return the (true, predicted) classes of a task by name, "X" for the last."""
    names = [*map(str, range(task.outputs - 1)), "X"]
    pairs = []
    for true, predicted in zip(TRUE, PREDICTED):
        classes = tasks.encode("999999" if predicted is None else predicted)
        pairs.append((names[tasks.encode(true)[task.name]], names[classes[task.name]]))
    return pairs


def test_confusion_has_a_table_for_each_task_and_the_decoded_length():
    confusion = made().tables
    assert list(confusion) == [*[task.name for task in tasks.NUMBER_TASKS], "decoded_length"]
    assert list(confusion["length"][0]) == ["true", "0", "1", "2", "3", "4", "5", "X"]
    assert list(confusion["digit3"][0]) == ["true", *"0123456789", "X"]


@pytest.mark.parametrize("task", tasks.NUMBER_TASKS, ids=lambda task: task.name)
def test_confusion_counts_each_pair_of_classes(task):
    pairs = pairs_of(task)
    for row in made().tables[task.name]:
        true = row.pop("true")
        for predicted, count in row.items():
            assert count == pairs.count((true, predicted))


def test_the_decoded_length_may_differ_from_the_likeliest_length():
    # Three digits are a little likelier than two, but no third digit is likely.
    log_probs = outputs(["21"], [0.9])
    log_probs["length"][0, [2, 3]] = np.log([0.4, 0.5])
    confusion = made(log_probs, examples_of(["21"])).tables
    length, decoded = confusion["length"][2], confusion["decoded_length"][2]
    assert (length["2"], length["3"]) == (0, 1)
    assert (decoded["2"], decoded["3"]) == (1, 0)


# -- mistakes --------------------------------------------------------------------------------------


def test_mistakes_are_all_listed_most_confident_first():
    report = made()
    assert report.mistaken == MISTAKEN
    assert [row["name"] for row in report.mistakes] == [f"dir/{i}.png" for i in MISTAKEN]
    assert [(row["true"], row["predicted"]) for row in report.mistakes] == [
        ("1", "no number"),
        ("7", "1"),
        ("80", "8"),
        ("13", "19"),
        ("4040", "404"),
        ("31415", "more than 5 digits"),
    ]
    powers = [1, 2, 2, 3, 4, 6]
    expected = [PROBABILITIES[i] ** power for i, power in zip(MISTAKEN, powers)]
    assert [row["confidence"] for row in report.mistakes] == pytest.approx(expected, rel=1e-5)


def test_equal_mistakes_keep_their_order_and_nan_comes_last():
    log_probs = outputs(["1"] * 5, [0.5, 0.9, 0.5, 0.9, 0.7])
    log_probs["length"][1] = np.nan
    report = made(log_probs, examples_of(["22"] * 5))
    assert report.mistaken == [3, 4, 0, 2, 1]
    assert report.mistakes[-1]["confidence"] is None
    assert (
        report.numbers.coverage[-1]["threshold"] is None
        and report.numbers.coverage[-1]["answered"] == 5
    )


# -- your own tasks --------------------------------------------------------------------------------


def test_own_tasks_have_the_tables_of_their_kinds():
    report, examples, found = own(), own_examples(), own_outputs()
    digit, _, height = report.tasks
    assert report.tables["digit"] == classes.table(found["digit"], examples.labels["digit"], digit)
    assert report.tables["height"] == real.table(found["height"], examples.labels["height"], height)
    assert list(report.tables) == ["digit", "odd", "height"]
    assert report.numbers is None


def test_own_mistakes_are_wrong_classes_and_the_largest_errors_task_by_task():
    report = own()
    found = [(row["task"], row["name"], row["true"], row["predicted"]) for row in report.mistakes]
    assert found == [
        ("digit", "dir/2.png", "2", "1"),
        ("digit", "dir/1.png", "1", "2"),
        ("odd", "dir/1.png", "1", "0"),
        ("height", "dir/2.png", "3", "2.25"),
        ("height", "dir/0.png", "1", "1.5"),
        ("height", "dir/1.png", "2", "2"),
        ("height", "dir/4.png", "4", "4"),
    ]
    assert report.mistaken == [2, 1, 1, 2, 0, 1, 4]
    losses = [-np.log(0.1), -np.log(0.2), -np.log(0.4), 2.25, 1.0, 0.0, 0.0]
    assert [row["loss"] for row in report.mistakes] == pytest.approx(losses, rel=1e-5)
    assert report.shown == list(range(7))


def test_a_loss_that_is_nan_comes_first():
    found = own_outputs()
    found["digit"][1] = found["height"][4] = np.nan
    rows = own(found).mistakes
    first = {row["task"]: row for row in reversed(rows)}
    for name, example in (("digit", "dir/1.png"), ("height", "dir/4.png")):
        row = first[name]
        assert (row["name"], row["predicted"], row["loss"]) == (example, "nan", None)


def test_many_errors_of_a_real_task_are_limited(monkeypatch):
    monkeypatch.setattr(tables, "LISTED", 2)
    rows = own().mistakes
    assert [row["name"] for row in rows if row["task"] == "height"] == ["dir/2.png", "dir/0.png"]


def test_of_many_tasks_those_with_the_lowest_score_are_in_focus():
    report = many(30)
    names = [f"task{i}" for i in range(tables.FOCUS)]
    assert [task.name for task in report.focus] == names
    assert len(report.tables) == 30 and list(report.focus_tables) == names
    shown = [report.mistakes[i]["task"] for i in report.shown]
    assert shown == [name for name in names for _ in range(tables.SHOWN // tables.FOCUS)]
    for group in report.focus_curves.groups:
        assert [column.header for column in group.tasks] == names


def test_tasks_without_labels_are_not_in_focus_and_have_no_mistakes():
    examples = own_examples()
    examples.labels["digit"][:] = -1
    report = own(examples=examples)
    assert {row["task"] for row in report.mistakes} == {"odd", "height"}
    assert sum(sum(list(row.values())[1:]) for row in report.tables["digit"]) == 0
