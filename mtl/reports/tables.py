"""The tables of a report, as rows. The CSV files, the plots and the page all show these rows."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl import kinds
from mtl.data.examples import Examples
from mtl.evaluation import by_task
from mtl.kinds import finite
from mtl.reports import curves, number_tables
from mtl.reports.number_tables import UNCALIBRATED, Numbers, Temperatures
from mtl.reports.rows import Row, worst_first
from mtl.tasks import Task, is_numbers

MISTAKES = ("task", "name", "true", "predicted", "loss")
LISTED = 100  # examples in mistakes.csv of a task that is never exactly correct, such as a real one
SHOWN = 96  # examples on the sheet and on the page
_SHOWN_OF_TASK = 24
FOCUS = 12  # tasks whose errors, mistakes and curves the page shows


class Report(NamedTuple):
    """The rows of a report. All rows of a table have the same columns in the same order."""

    metrics: dict[str, Any]  # the object that `mtl evaluate --json` prints
    tasks: tuple[Task, ...]
    # Task name, or number_tables.DECODED -> which errors occur, see `table` of mtl/kinds.
    tables: dict[str, list[Row]]
    # Numbers: each wrong number. Own tasks: the wrong or worst predictions of each task.
    mistakes: list[Row]
    mistaken: list[int]  # the indices of the examples of `mistakes`
    shown: list[int]  # the indices of the rows of `mistakes` on the sheet and on the page
    curves: curves.Curves  # the evaluations during training
    focus: list[Task]  # tasks that plots and page show in detail, see `lowest`
    numbers: Numbers | None = None  # None for your own tasks

    @property
    def title(self) -> str:
        """What was evaluated: dataset, split and step."""
        head = self.metrics
        return f"{head['dataset']}, {head['split']}, step {head['step']}"

    @property
    def focus_tables(self) -> dict[str, list[Row]]:
        """The tables without those of the tasks that are not in `focus`."""
        hidden = {task.name for task in self.tasks} - {task.name for task in self.focus}
        return {name: rows for name, rows in self.tables.items() if name not in hidden}

    @property
    def focus_curves(self) -> curves.Curves:
        """The curves without the tasks that are not in `focus`."""
        return curves.only(self.curves, {task.name for task in self.focus})


def make(
    outputs: Mapping[str, np.ndarray],
    examples: Examples,
    tasks: Sequence[Task],
    result: Mapping[str, Any],
    evaluations: Sequence[Mapping[str, Any]] = (),
    temperatures: Temperatures = UNCALIBRATED,
) -> Report:
    """Return the rows of a report.

    Args:
      outputs: dict task name -> float32 [n, task.outputs], at temperature 1. NaN is allowed.
      examples: the n examples.
      tasks: sequence of Task.
      result: the object that `mtl evaluate --json` prints.
      evaluations: the objects in metrics.jsonl of the run, see curves.make.
      temperatures: that of the report, and the one that would fit the examples best. Only for
        numbers.
    """
    tables = {}
    for task in tasks:
        kind, labels = kinds.find(task.kind), examples.labels[task.name]
        tables[task.name] = kind.table(outputs[task.name], labels, task)
    if is_numbers(tasks):
        numbers = number_tables.make(outputs, examples, temperatures)
        tables = {name: number_tables.with_x(rows) for name, rows in tables.items()}
        tables[number_tables.DECODED] = numbers.decoded
        mistakes, mistaken = numbers.mistakes, numbers.mistaken
        shown = list(range(min(SHOWN, len(mistakes))))
    else:
        numbers = None
        mistakes, mistaken = _mistakes(outputs, examples, tasks)
        shown = _shown(mistakes, result, tasks)
    return Report(
        metrics=dict(result),
        tasks=tuple(tasks),
        tables=tables,
        mistakes=mistakes,
        mistaken=mistaken,
        shown=shown,
        curves=curves.make(evaluations, tasks),
        focus=lowest(result, tasks),
        numbers=numbers,
    )


def lowest(result: Mapping[str, Any], tasks: Sequence[Task]) -> list[Task]:
    """Return all tasks, or of many the FOCUS with the lowest score, in their order."""
    if len(tasks) <= FOCUS:
        return list(tasks)
    scores = [by_task.score(result, tasks, task.name) for task in tasks]
    values = np.array([np.inf if score is None else score for score in scores])
    return [tasks[i] for i in sorted(np.argsort(values, kind="stable")[:FOCUS].tolist())]


# -- mistakes of your own tasks --------------------------------------------------------------------


def _mistakes(outputs, examples, tasks):
    """Return the rows of MISTAKES of each task, the largest loss first, and their examples."""
    rows, indices = [], []
    for task in tasks:
        kind, labels = kinds.find(task.kind), examples.labels[task.name]
        losses = kind.each(outputs[task.name], labels, task)
        for i in _worst(kind, outputs[task.name], labels, task, losses):
            true = kind.written(labels[i], task)
            predicted = kind.predicted(outputs[task.name][i], task)
            values = (task.name, examples.names[i], true, predicted, finite(losses[i]))
            rows.append(dict(zip(MISTAKES, values)))
            indices.append(i)
    return rows, indices


def _worst(kind, outputs, labels, task, losses):
    """Return the indices of the wrong predictions; if none is exactly correct, of LISTED."""
    listed = ~kind.missing(labels)
    if kind.EXACT:
        listed &= ~kind.correct(outputs, labels, task)
    found = np.flatnonzero(listed)
    found = found[worst_first(losses[found], nan_last=False)]
    return found.tolist() if kind.EXACT else found[:LISTED].tolist()


def _shown(mistakes, result, tasks):
    """Return the indices of the first rows of some tasks."""
    names = [row["task"] for row in mistakes]
    wrong = [task for task in tasks if task.name in set(names)]
    chosen = {task.name: 0 for task in lowest(result, wrong)}
    most = min(_SHOWN_OF_TASK, SHOWN // max(1, len(chosen)))
    found = []
    for i, name in enumerate(names):
        if chosen.get(name, most) < most:
            chosen[name] += 1
            found.append(i)
    return found
