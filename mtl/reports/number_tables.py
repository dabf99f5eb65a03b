"""The tables that only the report of decoded numbers has."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mtl import tasks
from mtl.data.examples import Examples
from mtl.evaluation import metrics, reliability
from mtl.inference import decoding
from mtl.kinds import classes, finite
from mtl.reports.rows import Row, worst_first

# The length of the decoded number. It may differ from the arg max of the task length.
DECODED = "decoded_length"
LENGTHS = [*map(str, range(tasks.LENGTH_X)), decoding.X]
COVERAGE = ("threshold", "answered", "correct", "coverage", "accuracy")
RELIABILITY = reliability.Bin._fields
MISTAKES = ("name", "true", "predicted", "confidence")


class Temperatures(NamedTuple):
    """The temperature of an evaluation, and the one that fits its examples best."""

    used: float
    best: float


UNCALIBRATED = Temperatures(1.0, 1.0)


class Numbers(NamedTuple):
    """The tables of decoded numbers."""

    lengths: list[Row]  # one for each true length
    coverage: list[Row]  # one for each threshold on the confidence, from the highest
    reliability: list[Row]  # one for each bin of the confidence, from the lowest
    calibration_error: float | None  # None without examples
    temperatures: Temperatures
    decoded: list[Row]  # the confusion matrix of DECODED
    mistakes: list[Row]  # one for each wrong number, the most confident first
    mistaken: list[int]  # the indices of the examples of `mistakes`


def make(
    log_probs: Mapping[str, np.ndarray], examples: Examples, temperatures: Temperatures
) -> Numbers:
    """Return the tables of decoded numbers; see tables.make for the arguments."""
    numbers, confidences = decoding.joint(log_probs, temperatures.used)
    correct = metrics.correct(numbers, examples.numbers)
    true = tasks.encode_all(examples.numbers)["length"]
    lengths = np.array([_length(number) for number in numbers], np.int64)
    bins = reliability.bins(confidences, correct)
    wrong = np.flatnonzero(~correct)
    mistaken = wrong[worst_first(confidences[wrong], nan_last=True)].tolist()
    return Numbers(
        lengths=_by_length(true, lengths, correct, confidences),
        coverage=_coverage(confidences, correct),
        reliability=[each._asdict() for each in bins],
        calibration_error=reliability.calibration_error(bins),
        temperatures=temperatures,
        decoded=classes.matrix(true, lengths, LENGTHS),
        mistakes=[_mistake(examples, i, numbers[i], confidences[i]) for i in mistaken],
        mistaken=mistaken,
    )


def with_x(rows: Sequence[Row]) -> list[Row]:
    """Return the confusion matrix of a task with the name X for its last class."""
    names = [*[row["true"] for row in rows[:-1]], decoding.X]
    found = []
    for name, row in zip(names, rows):
        found.append({"true": name, **dict(zip(names, list(row.values())[1:]))})
    return found


def _length(number):
    """Return the class of a decoded number's length."""
    return tasks.LENGTH_X if number is None else len(number)


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


def _mistake(examples, index, number, confidence):
    true, predicted = map(decoding.written, (examples.numbers[index], number))
    return dict(zip(MISTAKES, (examples.names[index], true, predicted, finite(confidence))))
