"""The lines of `mtl train` about an evaluation and about the end of a run."""

import pytest

from mtl import tasks
from mtl.cli import outcomes

OWN = tasks.parse("digit:10,odd:2,height:real")


def row(score=0.5, **scores):
    """Return an evaluation of tasks with these scores."""
    found = {}
    for name, value in scores.items():
        found[name] = {"r2" if name.startswith("height") else "accuracy": value}
    return {"score": score, "tasks": found}


@pytest.mark.parametrize(
    "best_by, line",
    [
        ("", "validation score 0.9067 (digit 95.00%, odd -, height R2 0.8123)"),
        ("digit", "validation score of digit 90.67% (digit 95.00%, odd -, height R2 0.8123)"),
        ("height", "validation score of height 0.9067 (digit 95.00%, odd -, height R2 0.8123)"),
    ],
)
def test_evaluation_of_own_tasks(best_by, line):
    found = row(0.90666, digit=0.95, odd=None, height=0.81234)
    assert outcomes.of_evaluation(found, OWN, best_by) == line


def test_tasks_of_one_metric_have_a_score_in_its_unit():
    found = row(0.75, digit=0.5, odd=1.0)
    line = "validation score 75.00% (digit 50.00%, odd 100.00%)"
    assert outcomes.of_evaluation(found, OWN[:2]) == line


def test_many_tasks_show_the_lowest():
    many = tasks.parse(",".join(f"t{k}:2" for k in range(9)))
    scores = {f"t{k}": (k * 4 % 9) / 10 for k in range(9)}
    line = "(lowest of 9 tasks: t0 0.00%, t7 10.00%, t5 20.00%, t3 30.00%)"
    assert outcomes.of_evaluation(row(0.4, **scores), many).endswith(line)


@pytest.mark.parametrize("best_by, end", [("", ""), ("digit2", ", digit2 50.0%")])
def test_evaluation_of_numbers(best_by, end):
    found = {"score": 0.5, "sequence_accuracy": 0.123}
    line = outcomes.of_evaluation(found, tasks.NUMBER_TASKS, best_by)
    assert line == f"validation sequence accuracy 12.3%{end}"


@pytest.mark.parametrize(
    "of, best_by, best",
    [
        (tasks.NUMBER_TASKS, "", "sequence accuracy 87.50%"),
        (tasks.NUMBER_TASKS, "length", "score of length 87.50%"),
        (OWN, "", "score 0.875"),
        (OWN, "odd", "score of odd 87.50%"),
        (OWN[:2], "exact_match", "exact match 87.50%"),
    ],
)
def test_end_of_a_run(of, best_by, best):
    result = {"step": 70, "best": 0.875, "best_step": 40}
    line = f"runs/a: step 70, best validation {best} at step 40"
    assert outcomes.of_run("runs/a", result, of, best_by) == line


def test_end_of_a_run_without_validation():
    result = {"step": 70, "best": None, "best_step": None}
    assert outcomes.of_run("runs/a", result, OWN) == "runs/a: step 70"
