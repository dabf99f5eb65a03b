"""The tables of a report, as rows. The CSV files, the plots and the page all show these rows."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl import tasks
from mtl.data.examples import Examples
from mtl.evaluation import metrics, reliability
from mtl.inference import decoding
from mtl.inference.predictions import finite

Row = dict[str, Any]  # column -> str, int, float, or None for an empty cell

# The length of the decoded number. It may differ from the arg max of the task length.
DECODED = "decoded_length"
LENGTHS = [*map(str, range(tasks.LENGTH_X)), decoding.X]
COVERAGE = ("threshold", "answered", "correct", "coverage", "accuracy")
RELIABILITY = reliability.Bin._fields
MISTAKES = ("name", "true", "predicted", "confidence")
CURVES = ("step", "sequence_accuracy", "character_accuracy", "coverage_at_98", "cost")


class Temperatures(NamedTuple):
    """The temperature of an evaluation, and the one that fits its examples best."""

    used: float
    best: float


UNCALIBRATED = Temperatures(1.0, 1.0)


class Report(NamedTuple):
    """The rows of a report. All rows of a table have the same columns in the same order."""

    metrics: dict[str, Any]  # the object that `mtl evaluate --json` prints
    # Task name or DECODED -> one row for each true class: its name as "true", then predicted
    # class -> number of examples.
    confusion: dict[str, list[Row]]
    lengths: list[Row]  # one for each true length
    coverage: list[Row]  # one for each threshold on the confidence, from the highest
    mistakes: list[Row]  # one for each wrong number, the most confident first
    mistaken: list[int]  # the indices of the examples of `mistakes`
    curves: list[Row] = []  # one for each evaluation during training
    reliability: list[Row] = []  # one for each bin of the confidence, from the lowest
    calibration_error: float | None = None  # None without examples
    temperatures: Temperatures = UNCALIBRATED

    @property
    def title(self) -> str:
        """What was evaluated: dataset, split and step."""
        head = self.metrics
        return f"{head['dataset']}, {head['split']}, step {head['step']}"


def make(
    log_probs: Mapping[str, np.ndarray],
    examples: Examples,
    result: Mapping[str, Any],
    evaluations: Sequence[Mapping[str, Any]] = (),
    temperatures: Temperatures = UNCALIBRATED,
) -> Report:
    """Return the rows of a report.

    Args:
      log_probs: dict task name -> float32 [n, classes], at temperature 1. NaN is allowed.
      examples: the n examples.
      result: the object that `mtl evaluate --json` prints.
      evaluations: the objects in metrics.jsonl of the run. One without an int "step" is skipped.
      temperatures: that of the report, and the one that would fit the examples best.
    """
    numbers, confidences = decoding.joint(log_probs, temperatures.used)
    correct = metrics.correct(numbers, examples.numbers)
    labels = tasks.encode_all(examples.numbers)
    lengths = np.array([_length(number) for number in numbers], np.int64)
    bins = reliability.bins(confidences, correct)
    mistaken = _by_confidence(confidences, np.flatnonzero(~correct))
    return Report(
        metrics=dict(result),
        confusion=_confusions(labels, decoding.arg_max(log_probs), lengths),
        lengths=_by_length(labels["length"], lengths, correct, confidences),
        coverage=_coverage(confidences, correct),
        mistakes=[_mistake(examples, i, numbers[i], confidences[i]) for i in mistaken],
        mistaken=mistaken,
        reliability=[each._asdict() for each in bins],
        calibration_error=reliability.calibration_error(bins),
        temperatures=temperatures,
        curves=_curves(evaluations),
    )


def to_csv(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    r"""Return rows as CSV with a header. Lines end in \n. Floats are written without loss.

    Args:
      rows: with the same columns; None is an empty cell.
      columns: the header; required if there may be no rows.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _length(number):
    """Return the class of a decoded number's length."""
    return tasks.LENGTH_X if number is None else len(number)


def _confusions(labels, classes, lengths):
    """Count the predicted classes of each true class, for each task and the decoded length."""
    tables = {}
    for task in tasks.NUMBER_TASKS:
        tables[task.name] = _confusion(labels[task.name], classes[task.name], task.classes)
    tables[DECODED] = _confusion(labels["length"], lengths, len(LENGTHS))
    return tables


def _confusion(true, predicted, classes):
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, predicted), 1)
    names = [*map(str, range(classes - 1)), decoding.X]
    return [{"true": name, **dict(zip(names, row))} for name, row in zip(names, counts.tolist())]


def _by_length(true, predicted, correct, confidences):
    """Count the correct numbers and the most frequent wrong length, for each true length."""
    rows = []
    for length, name in enumerate(LENGTHS):
        mask = true == length
        count, hits = int(mask.sum()), int(correct[mask].sum())
        low, high = metrics.interval(hits, count) or (None, None)
        wrong = np.bincount(predicted[mask & (predicted != length)], minlength=len(LENGTHS))
        most = int(wrong.argmax())  # the shortest of equally frequent lengths
        rows.append(
            {
                "length": name,
                "examples": count,
                "correct": hits,
                "accuracy": hits / count if count else None,
                "low_95": low,
                "high_95": high,
                "mean_confidence": finite(np.mean(confidences[mask])) if count else None,
                "most_frequent_wrong_length": LENGTHS[most] if wrong[most] else None,
                "times": int(wrong[most]),
            }
        )
    return rows


def _coverage(confidences, correct):
    """List the points of the coverage curve."""
    rows = []
    curve = metrics.coverage_curve(confidences, correct)
    for threshold, answered, hits in zip(*[values.tolist() for values in curve]):
        values = (finite(threshold), answered, hits, answered / len(correct), hits / answered)
        rows.append(dict(zip(COVERAGE, values)))
    return rows


def _by_confidence(confidences, indices):
    """Return indices, the most confident first, NaN last, ties in their original order."""
    values = confidences[indices]
    order = np.argsort(np.where(np.isnan(values), np.inf, -values), kind="stable")
    return indices[order].tolist()


def _mistake(examples, index, number, confidence):
    true, predicted = map(decoding.written, (examples.numbers[index], number))
    return dict(zip(MISTAKES, (examples.names[index], true, predicted, finite(confidence))))


def _curves(evaluations):
    """Return one row for each evaluation with a step. Invalid values become None."""
    rows = []
    for line in evaluations:
        row = {name: _number(line.get(name)) for name in CURVES}
        for kind in ("accuracy", "cross_entropy"):
            values = line.get(f"task_{kind}")
            values = values if isinstance(values, dict) else {}
            for task in tasks.NUMBER_TASKS:
                row[f"{kind}_{task.name}"] = _number(values.get(task.name))
        if isinstance(row["step"], int):
            rows.append(row)
    return rows


def _number(value):
    """Return an int or float within +-2**53, where float64 is exact; None for anything else."""
    if type(value) in (int, float) and abs(value) <= 1 << 53:  # False for NaN
        return value
    return None
