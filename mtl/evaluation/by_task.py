"""The metrics of each task, of any kind. evaluate.py adds the decoded numbers of the answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl import kinds
from mtl.evaluation import metrics
from mtl.tasks import Task, is_numbers

EXACT_MATCH = "exact_match"  # also a value of --best_by
_EXACT_MATCH_KEYS = (EXACT_MATCH, "exact_match_95", "exact_match_examples")
_WORDS = {
    "low_95": "95% from",
    "high_95": "to",
    "f1": "F1",
    "macro_f1": "macro F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R2",
}


def measure(
    outputs: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    tasks: Sequence[Task],
    value: Callable | None,
) -> dict[str, Any]:
    """Compute the metrics of your own tasks.

    Args:
      outputs: dict task name -> float32 [n, task.outputs], see mtl/kinds.
      labels: dict task name -> array [n], see mtl/kinds.
      tasks: sequence of Task.
      value: see objectives.value_of; the cost is its value for the mean losses.

    Returns:
      dict of the JSON that `mtl evaluate` prints, without dataset, split and step. exact_match is
      the share of examples with every task correct, of those labelled for every task. It is None if
      a task has no exactly correct prediction. A value that is not finite, or has no examples, is
      None.
    """
    measured = of_tasks(outputs, labels, tasks)
    return {
        "examples": len(outputs[tasks[0].name]),
        **dict(zip(_EXACT_MATCH_KEYS, _exact_match(outputs, labels, tasks))),
        "cost": cost(measured, value),
        "tasks": {name: _with_interval(values) for name, values in measured.items()},
    }


def of_tasks(
    outputs: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], tasks: Sequence[Task]
) -> dict[str, dict[str, Any]]:
    """Return the metrics of each task, dict task name -> dict; see `measure` of mtl/kinds."""
    measured = {}
    for task in tasks:
        kind = kinds.find(task.kind)
        measured[task.name] = kind.measure(outputs[task.name], labels[task.name], task)
    return measured


def cost(measured: Mapping[str, Mapping[str, Any]], value: Callable | None) -> float | None:
    """Return the value of the mean losses; tasks without a labelled example are skipped.

    Args:
      measured: the result of `of_tasks`.
      value: see objectives.value_of.

    Returns:
      float; None without examples, if a loss is not finite, or if the objective has no value.
    """
    losses = {name: values["loss"] for name, values in measured.items() if values["examples"]}
    # Checked before the objective, whose clip may turn NaN into a number.
    if value is None or not losses or None in losses.values():
        return None
    return kinds.finite(value(losses))


def _exact_match(outputs, labels, tasks):
    """Return the share, its interval and the number of examples; None without an exact match."""
    if not all(kinds.find(task.kind).EXACT for task in tasks):
        return None, None, None
    labelled = correct = np.ones(len(outputs[tasks[0].name]), bool)
    for task in tasks:
        kind, of_task = kinds.find(task.kind), labels[task.name]
        labelled = labelled & ~kind.missing(of_task)
        correct = correct & kind.correct(outputs[task.name], of_task, task)
    count, hits = int(labelled.sum()), int(correct.sum())
    return hits / count if count else None, _interval(hits, count), count


def _with_interval(values):
    """Return metrics with the interval of the accuracy, if there is one, behind the accuracy."""
    found = {}
    for name, value in values.items():
        found[name] = value
        if name == "accuracy":
            hits = 0 if value is None else round(value * values["examples"])
            found["accuracy_95"] = _interval(hits, values["examples"])
    return found


def _interval(hits, count):
    """Return the 95% interval as a list, as JSON has it; None without examples."""
    found = metrics.interval(hits, count)
    return None if found is None else list(found)


def score(row: Mapping[str, Any], tasks: Sequence[Task], best_by: str = "") -> float | None:
    """Return the number that selects the best weights, the larger the better.

    Args:
      row: the result of `measure`; of the tasks of the answer, that of evaluate.measure.
      tasks: sequence of Task.
      best_by: the name of a task, "exact_match", or "": the sequence accuracy of numbers, else the
        mean over the tasks of the metric SCORE of their kinds (accuracy, R2).

    Returns:
      float; None if no evaluated example has a label for it.
    """
    if best_by == EXACT_MATCH:
        return row[EXACT_MATCH]
    if is_numbers(tasks):
        return row["task_accuracy"][best_by] if best_by else row["sequence_accuracy"]
    found = []
    for task in tasks:
        value = row["tasks"][task.name][kinds.find(task.kind).SCORE]
        if value is not None and best_by in ("", task.name):
            found.append(value)
    return float(np.mean(found)) if found else None


def score_is_share(tasks: Sequence[Task], best_by: str = "") -> bool:
    """Return whether `score` is a share in 0..1, shown in percent; R2 is not."""
    if best_by == EXACT_MATCH:
        return True
    modules = [kinds.find(task.kind) for task in tasks if best_by in ("", task.name)]
    return all(kind.METRICS[kind.SCORE].endswith("%") for kind in modules)


# -- tables ----------------------------------------------------------------------------------------


class Table(NamedTuple):
    """The metrics of all tasks of one kind, one row each."""

    metrics: list[str]
    formats: dict[str, str]  # column -> format of its values, "" for text
    rows: list[dict[str, Any]]


def tables(result: Mapping[str, Any], tasks: Sequence[Task]) -> list[Table]:
    """Return one table for each kind of task, because kinds differ in their metrics.

    Args:
      result: the result of `measure`.
      tasks: sequence of Task.
    """
    found = {}
    for task in tasks:
        if task.kind not in found:
            kind = kinds.find(task.kind)
            found[task.kind] = Table(list(kind.METRICS), _formats(kind), [])
        row = {"task": task.name, **result["tasks"][task.name]}
        if "accuracy_95" in row:
            row["low_95"], row["high_95"] = row["accuracy_95"] or (None, None)
        table = found[task.kind]
        table.rows.append({column: row[column] for column in table.formats})
    return list(found.values())


def _formats(kind):
    formats = {"task": "", "examples": ",d"}
    for metric, spec in kind.METRICS.items():
        formats[metric] = spec
        if metric == "accuracy":
            formats["low_95"] = formats["high_95"] = spec
    return formats


def words(column: str) -> str:
    """Return the header of a column of `tables`."""
    return _WORDS.get(column, column.replace("_", " "))


def text(result: Mapping[str, Any], tasks: Sequence[Task]) -> str:
    """Return a result as tables for a terminal, one for each kind of task.

    Args:
      result: the result of `measure`; other keys are ignored.
      tasks: sequence of Task.
    """
    rows = [("examples", str(result["examples"]))]
    if result["exact_match_examples"] is not None:
        rows.append(("exact match", _exact_match_text(result)))
    rows.append(("cost, hard labels", shown(result["cost"], ".4f")))
    lines = [f"{name:<20}{value}" for name, value in rows]
    width = min(40, max(len(task.name) for task in tasks))
    for table in tables(result, tasks):
        cells = [[words(column) for column in table.formats]]
        for row in table.rows:
            cells.append([shown(row[name], spec) for name, spec in table.formats.items()])
        lines += ["", *_aligned(cells, width)]
    return "\n".join(lines)


def shown(value: Any, spec: str) -> str:
    """Return a value of a table as text, None as a dash."""
    return "-" if value is None else format(value, spec)


def _exact_match_text(result):
    text, count = shown(result[EXACT_MATCH], ".2%"), result["exact_match_examples"]
    if result["exact_match_95"]:
        low, high = result["exact_match_95"]
        text += f"  (95% interval {low:.2%} to {high:.2%})"
    if count < result["examples"]:
        text += f", of {count} examples labelled for every task"
    return text


def _aligned(cells, first):
    """Return rows of text as lines; the first column has at least the width `first`."""
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for name, *values in cells:
        line = f"{name:<{first}}"
        for value, width in zip(values, widths[1:]):
            line += f"  {value:>{width}}"
        lines.append(line)
    return lines
