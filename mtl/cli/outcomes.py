"""The lines of `mtl train` about an evaluation and about the end of a run."""

from mtl import kinds
from mtl.evaluation import by_task
from mtl.monitor.progress import ALL, WORST
from mtl.tasks import is_numbers


def of_evaluation(row, tasks, best_by=""):
    """Return the result of an evaluation in words.

    Args:
      row: dict, an entry of metrics.jsonl.
      tasks: sequence of Task.
      best_by: see config.py.
    """
    if is_numbers(tasks):
        found = f"validation sequence accuracy {row['sequence_accuracy']:.1%}"
        return f"{found}, {best_by} {row['score']:.1%}" if best_by else found
    scores = {task: row["tasks"][task.name][kinds.find(task.kind).SCORE] for task in tasks}
    shown, start = list(tasks), ""
    if len(tasks) > ALL:
        known = [task for task in tasks if scores[task] is not None]
        shown = sorted(known, key=scores.get)[:WORST]
        start = f"lowest of {len(tasks)} tasks: "
    parts = [_of_task(task, scores[task]) for task in shown]
    score = by_task.shown(row["score"], _format(tasks, best_by))
    return f"validation {_name(tasks, best_by)} {score} ({start}{', '.join(parts)})"


def of_run(model_dir, result, tasks, best_by=""):
    """Return a line with the step that a run reached, and its best evaluation.

    Args:
      model_dir: str.
      result: dict, the result of train.run.
      tasks, best_by: as `of_evaluation`.
    """
    line = f"{model_dir}: step {result['step']}"
    if result["best"] is not None:
        best = format(result["best"], _format(tasks, best_by))
        line += f", best validation {_name(tasks, best_by)} {best} at step {result['best_step']}"
    return line


def _of_task(task, score):
    """Return the score of a task in words: "digit 95.0%", "height R2 0.8123"."""
    metric = kinds.find(task.kind).SCORE
    name = task.name if metric == "accuracy" else f"{task.name} {by_task.words(metric)}"
    return f"{name} {by_task.shown(score, _format([task]))}"


def _name(tasks, best_by):
    """Return the name of the number that selects the best weights."""
    if best_by:
        return f"score of {best_by}" if best_by != by_task.EXACT_MATCH else "exact match"
    return "sequence accuracy" if is_numbers(tasks) else "score"


def _format(tasks, best_by=""):
    """Return the format of the score: that of its metric, if all tasks have the same."""
    found = set()
    for task in tasks:
        if best_by in ("", task.name, by_task.EXACT_MATCH):
            kind = kinds.find(task.kind)
            found.add(kind.METRICS[kind.SCORE])
    return found.pop() if len(found) == 1 else ".4g"
