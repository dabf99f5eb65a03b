"""The lines of results.csv: one for each run."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtl.lab import objectives, results as results_lib
from mtl.lab.results import Evaluation, Result
from mtl.lab.summary import Comparison
from mtl.reports.rows import Row


def of_results(comparison: Comparison, values: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return a row for each run: its flags, how it ended, and its metrics.

    Args:
      comparison: the Comparison.
      values: flag -> its values, the flags that vary.
    """
    chosen = {each.run.name for variant in comparison.variants for each in variant.chosen}
    metrics = [_metrics(each) for each in comparison.results]
    names = dict.fromkeys(name for each in metrics for name in each)
    found = []
    for result, of_run in zip(comparison.results, metrics):
        row = {**_head(result, values), "chosen": int(result.run.name in chosen)}
        found.append({**row, **{name: of_run.get(name) for name in names}})
    return found


def _head(result: Result, values):
    """Return the name and the flags of a run, and how its process ended."""
    run, ended = result.run, result.ended
    head = {"run": run.name, "task": run.task}
    for flag in values:
        head[flag] = getattr(run.config, flag)
    if "objective" in head and run.task:
        head["objective"] = objectives.SINGLE
    return {
        **head,
        "exit_code": ended.code if ended else None,
        "error": result.error,
        "seconds_per_step": result.seconds,
        "peak_memory_mb": ended.memory if ended else None,
        "processes": ended.beside if ended else None,
        "share_at_floor": results_lib.floor_of(result),
    }


def _metrics(result):
    """Return the metrics of the best weights on validation, and those on test."""
    found = {}
    for prefix, evaluation in (("validation", result.best), ("test", result.test)):
        if evaluation:
            found |= _of_evaluation(prefix, evaluation)
    return found


def _of_evaluation(prefix, evaluation: Evaluation):
    found = {f"{prefix}_step": evaluation.step, f"{prefix}_score": evaluation.score}
    for name, value in evaluation.totals.items():
        found[f"{prefix}_{name}"] = value
    for task, metrics in evaluation.tasks.items():
        for metric, value in metrics.items():
            found[f"{prefix}_{task}_{metric}"] = value
    return found
