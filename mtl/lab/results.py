"""The results of a run: what its files say, in one form for all tasks.

This module does not import TensorFlow: the process of a comparison stays small, because the system
counts its memory as that of the processes that it starts.
"""

import json
import math
import os
import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtl import kinds
from mtl.evaluation import by_task
from mtl.lab import work
from mtl.lab.grid import Run
from mtl.reports.rows import number
from mtl.tasks import Task, is_numbers, parse

NUMBERS = ("sequence_accuracy", "character_accuracy", "coverage_at_98")
OWN = ("score", "exact_match")
_STEP = re.compile(r"^step (\d+)/\d+  (\d+) (?:images|examples)/s", re.MULTILINE)
_FROM = re.compile(r": continuing from step (\d+)$", re.MULTILINE)
_AT = re.compile(r"^step (\d+)/(\d+)", re.MULTILINE)


class Evaluation(NamedTuple):
    """An evaluation on validation or test. A missing value is None."""

    step: int
    score: float | None  # selects the best weights, the larger the better
    totals: Mapping[str, float | None]  # metric of all tasks together -> value
    tasks: Mapping[str, Mapping[str, float | None]]  # task -> metric -> value
    # Empty or None if the run does not report it.
    weights: Mapping[str, float]  # task -> weight of its gradient
    steps_at_floor: float | None  # steps so far with a task at the floor of the clip
    norms: Mapping[str, float]  # task -> gradient norm at the shared bottom
    cosines: Mapping[str, float]  # "task task" -> cosine of their gradients


class Result(NamedTuple):
    """What is known about a run."""

    run: Run
    ended: work.Ended | None  # None: it has not ended yet
    evaluations: Sequence[Evaluation]
    best: Evaluation | None  # of the highest score on validation, the first of equals
    seconds: float | None  # median seconds of a training step
    test: Evaluation | None = None
    test_error: str = ""  # why the evaluation on test failed

    @property
    def error(self) -> str:
        """Why the run has no result; "" if it has one."""
        if self.ended is None:
            return "not finished"
        if self.ended.code:
            return f"exit code {self.ended.code}: {self.ended.error}"
        return "" if self.best else "no evaluation on validation has a score"


def read(folder: str, run: Run) -> Result:
    """Return the Result of a run.

    Args:
      folder: of all runs.
      run: the run.
    """
    tasks = parse(run.config.tasks)
    lines = _text(os.path.join(folder, run.name, "metrics.jsonl")).splitlines()
    found = [evaluation(row, tasks) for row in map(_parsed, lines) if row]
    scored = [each for each in found if each.score is not None]
    best = max(scored, key=lambda each: each.score, default=None)
    log = _text(work.log_of(folder, run.name))
    seconds = seconds_of_step(log, run.config.batch_size)
    ended = work.record_of(folder, run.name)
    return Result(run, ended, found, best, seconds, *_test(folder, run, tasks))


def _test(folder, run, tasks):
    """Return the Evaluation of a run on the test split, or None, and why it failed, or ""."""
    ended = work.record_of(folder, name_of_test(run))
    if ended is None or ended.code:
        return None, ended.error if ended else ""
    lines = _text(work.log_of(folder, name_of_test(run))).splitlines()
    found = [row for row in map(_parsed, lines) if row]
    if not found:
        return None, "the evaluation printed no result"
    score = by_task.score(found[-1], tasks, run.config.best_by)
    return evaluation({**found[-1], "score": score}, tasks), ""


def name_of_test(run: Run) -> str:
    """Return the name of the job that evaluates a run on the test split."""
    return f"{run.name}.test"


def evaluation(row: Mapping[str, Any], tasks: Sequence[Task]) -> Evaluation:
    """Return an Evaluation from a line of metrics.jsonl, or from `mtl evaluate --json`."""
    numbers = is_numbers(tasks)
    names = NUMBERS if numbers else OWN
    monitor = _dict(row, "monitor")
    return Evaluation(
        row["step"],
        number(row.get("score", row.get("sequence_accuracy"))),
        {name: number(row.get(name)) for name in names},
        {task.name: (_of_number if numbers else _of_task)(row, task) for task in tasks},
        _finite(monitor, "weights"),
        number(monitor.get("steps_at_floor")),
        _finite(monitor, "gradient_norms"),
        _finite(monitor, "cosines"),
    )


def _of_number(row, task):
    """Return the metrics of one of the six tasks of the answer."""
    return {
        "accuracy": number(_dict(row, "task_accuracy").get(task.name)),
        "loss": number(_dict(row, "task_cross_entropy").get(task.name)),
    }


def _of_task(row, task):
    """Return the metrics of one of your own tasks, of its kind."""
    values = _dict(_dict(row, "tasks"), task.name)
    return {metric: number(values.get(metric)) for metric in kinds.find(task.kind).METRICS}


def floor_of(result: Result) -> float | None:
    """Return the share of all steps of a run with a task at the floor; None if it is not known."""
    last = result.evaluations[-1] if result.evaluations else None
    if last is None or last.steps_at_floor is None or last.step < 1:
        return None
    return last.steps_at_floor / last.step


# -- the log ---------------------------------------------------------------------------------------


def seconds_of_step(log: str, batch_size: int) -> float | None:
    """Return the median seconds of a training step, by the progress lines of a log.

    A progress line gives the examples per second since the line before, without evaluations and
    without the first step, which takes longer.
    """
    rates = [int(rate) for _, rate in _STEP.findall(log)]
    seconds = [batch_size / rate for rate in rates if rate]
    return statistics.median(seconds) if seconds else None


def progress_of(log: str) -> tuple[float, float]:
    """Return the shares of its steps with which the last process of a run began, and has done."""
    text = log.rpartition(f"\n{work.PROMPT}")[2]
    steps = _AT.findall(text)
    if not steps:
        return 0.0, 0.0
    done, total = map(int, steps[-1])
    began = _FROM.search(text)
    return (int(began[1]) / total if began else 0.0), done / total


# -- files -----------------------------------------------------------------------------------------


def _text(path):
    """Return the text of a file, "" if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _parsed(text):
    """Return the JSON object in a text if it is an evaluation, else None."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and type(row.get("step")) is int else None


def _dict(row, name):
    """Return a value of an object if it is an object, else {}."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def _finite(row, name):
    """Return the finite numbers of an object. `number` would drop large ones, such as weights."""
    return {key: value for key, value in _dict(row, name).items() if _is_finite(value)}


def _is_finite(value):
    return type(value) in (int, float) and math.isfinite(value)
