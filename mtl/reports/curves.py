"""The evaluations during training, as rows and as groups of columns for tables and plots."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from mtl import kinds
from mtl.evaluation import by_task
from mtl.reports.rows import Row, number
from mtl.tasks import Task, is_numbers

NUMBERS = ("step", "sequence_accuracy", "character_accuracy", "coverage_at_98", "cost")
OWN = ("step", "score", "exact_match", "cost")


class Column(NamedTuple):
    """A column of the rows."""

    header: str
    name: str  # of the column
    spec: str  # format of its values


class Group(NamedTuple):
    """Columns that share a table and a plot: one metric of the tasks."""

    metric: str  # in words
    axis: str  # of the plot: the metric and its unit
    caption: str  # of the table
    totals: tuple[Column, ...]  # of all tasks together; only the table has them
    tasks: tuple[Column, ...]


class Curves(NamedTuple):
    """The evaluations of a run."""

    rows: list[Row]  # one for each evaluation, with all columns
    main: Column  # of all tasks together; the first plot
    groups: list[Group]


def make(evaluations: Sequence[Mapping[str, Any]], tasks: Sequence[Task]) -> Curves:
    """Return the evaluations of a run.

    Args:
      evaluations: the objects in metrics.jsonl. One without an int "step" is skipped. Invalid
        values become None.
      tasks: sequence of Task.
    """
    numbers = is_numbers(tasks)
    values = _of_numbers if numbers else _of_tasks
    rows = []
    for line in evaluations:
        row = {name: number(line.get(name)) for name in (NUMBERS if numbers else OWN)}
        row |= values(line, tasks)
        if isinstance(row["step"], int):
            rows.append(row)
    return Curves(rows, *(_layout_of_numbers(tasks) if numbers else _layout(tasks)))


def only(curves: Curves, names: Collection[str]) -> Curves:
    """Return curves whose groups have only some tasks; the rows keep all."""
    groups = []
    for group in curves.groups:
        kept = tuple(column for column in group.tasks if column.header in names)
        if kept:
            groups.append(group._replace(tasks=kept))
    return curves._replace(groups=groups)


def _dict(line, name):
    """Return a value of an object if it is an object, else {}."""
    value = line.get(name)
    return value if isinstance(value, dict) else {}


# -- numbers ---------------------------------------------------------------------------------------


def _of_numbers(line, tasks):
    row = {}
    for metric in ("accuracy", "cross_entropy"):
        values = _dict(line, f"task_{metric}")
        for task in tasks:
            row[f"{metric}_{task.name}"] = number(values.get(task.name))
    return row


def _layout_of_numbers(tasks):
    """Return the main column and the groups of the tasks of the answer."""
    main = Column("sequence accuracy", "sequence_accuracy", ".2%")
    accuracy = Group(
        "accuracy",
        "accuracy of each task, %",
        "Accuracy on validation at each step",
        (main._replace(header="sequence"),),
        _columns(tasks, "accuracy", ".2%"),
    )
    loss = Group(
        "cross entropy",
        "cross entropy, nats",
        "Cost and cross entropy in nats on validation at each step",
        (Column("cost", "cost", ".4f"),),
        _columns(tasks, "cross_entropy", ".4f"),
    )
    return main, [accuracy, loss]


# -- own tasks -------------------------------------------------------------------------------------


def _of_tasks(line, tasks):
    row, measured = {}, _dict(line, "tasks")
    for task in tasks:
        values = _dict(measured, task.name)
        for metric in (kinds.find(task.kind).SCORE, "loss"):
            row[f"{metric}_{task.name}"] = number(values.get(metric))
    return row


def _layout(tasks):
    """Return the main column and the groups: one for each SCORE of the kinds, and the losses."""
    scores = {}  # SCORE -> its tasks
    for task in tasks:
        scores.setdefault(kinds.find(task.kind).SCORE, []).append(task)
    specs = {metric: kinds.find(group[0].kind).METRICS[metric] for metric, group in scores.items()}
    # A mean of accuracies is a percentage; a mean of accuracies and R2 is not.
    spec = next(iter(specs.values())) if len(specs) == 1 else ".4f"
    main = Column("score", "score", spec)
    totals = (main, Column("exact match", "exact_match", ".2%"))
    groups = []
    for metric, spec in specs.items():
        words = by_task.words(metric)
        axis = f"{words} of each task" + (", %" if spec.endswith("%") else "")
        caption = f"{words[:1].upper()}{words[1:]} on validation at each step"
        columns = _columns(scores[metric], metric, spec)
        groups.append(Group(words, axis, caption, totals, columns))
        totals = ()  # in the first table only
    cost = (Column("cost", "cost", ".4f"),)
    losses = _columns(tasks, "loss", ".4f")
    caption = "Cost and loss on validation at each step"
    groups.append(Group("loss", "loss of each task", caption, cost, losses))
    return main, groups


def _columns(tasks, metric, spec):
    return tuple(Column(task.name, f"{metric}_{task.name}", spec) for task in tasks)
