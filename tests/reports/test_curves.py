"""mtl.reports.curves: the evaluations of a run, from objects of metrics.jsonl."""

import pytest
from made_reports import OWN_TASKS, evaluations, own_evaluations

from mtl import tasks
from mtl.reports import curves


def curves_of(lines):
    return curves.make(lines, tasks.NUMBER_TASKS).rows


def test_evaluations_are_flattened():
    first, last = curves_of(evaluations((10, 30)))
    assert list(first) == list(last) and len(first) == 5 + 2 * 6
    assert list(first)[:2] == ["step", "sequence_accuracy"]
    assert (last["step"], last["sequence_accuracy"], last["cost"]) == (30, 1 / 32, -0.5)
    assert (last["accuracy_digit5"], last["cross_entropy_length"]) == (2 / 64 + 5 / 512, 32)


@pytest.mark.parametrize("value", ["<img>", float("nan"), 1e300, 10**400, True, None, [], {}])
def test_a_value_that_is_not_a_number_is_an_empty_cell(value):
    (line,) = evaluations((10,))
    line["task_accuracy"]["digit1"] = value
    line["cost"] = line["task_cross_entropy"] = value
    other_steps = [{**line, "step": step} for step in (value, 1.5)]
    (row,) = curves_of([line, *other_steps])
    entropies = [f"cross_entropy_{task.name}" for task in tasks.NUMBER_TASKS]
    empty = [name for name, found in row.items() if found is None]
    assert empty == ["cost", "accuracy_digit1", *entropies]


# -- your own tasks --------------------------------------------------------------------------------


def test_own_evaluations_have_the_score_and_the_loss_of_each_task():
    made = curves.make(own_evaluations((10, 30)), OWN_TASKS)
    metrics = ["accuracy_digit", "loss_digit", "accuracy_odd", "loss_odd", "r2_height"]
    assert list(made.rows[0]) == ["step", "score", "exact_match", "cost", *metrics, "loss_height"]
    assert made.rows[1]["score"] == 1 / 8 and made.rows[1]["r2_height"] == 2 / 8 + 2 / 64


def test_groups_have_one_metric_each():
    made = curves.make(own_evaluations(), OWN_TASKS)
    assert made.main.spec == ".4f"  # a mean of accuracies and R2 is no percentage
    found = {group.metric: [column.name for column in group.tasks] for group in made.groups}
    assert found == {
        "accuracy": ["accuracy_digit", "accuracy_odd"],
        "R2": ["r2_height"],
        "loss": ["loss_digit", "loss_odd", "loss_height"],
    }
    assert [len(group.totals) for group in made.groups] == [2, 0, 1]
    assert curves.make([], OWN_TASKS[:2]).main.spec == ".2%"


def test_only_keeps_the_rows_and_drops_empty_groups():
    made = curves.make(own_evaluations(), OWN_TASKS)
    kept = curves.only(made, {"odd"})
    assert kept.rows == made.rows
    assert [[column.header for column in group.tasks] for group in kept.groups] == [["odd"]] * 2


@pytest.mark.parametrize("value", [None, [], "x", {"digit": 3}, {"digit": {"accuracy": "x"}}])
def test_a_damaged_line_has_empty_cells(value):
    (row,) = curves.make([{"step": 5, "tasks": value}], OWN_TASKS).rows
    assert row.pop("step") == 5 and set(row.values()) == {None}
