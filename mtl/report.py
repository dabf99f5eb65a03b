"""What `mtl evaluate --report` writes: where a network errs, as tables, and as pictures of those tables.

`make` turns outputs into plain rows; `write` puts the rows into files. What is drawn and what is written are the same rows.
"""

import collections
import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtl import decode, files, metrics, plot, sheet, tasks
from mtl.data.examples import Examples

Row = dict[str, Any]  # column -> str, int, float, or None for an empty cell

DECODED = "decoded_length"  # beside the tasks: the length of the decoded number, which the digits have a say in
LENGTHS = [*map(str, range(tasks.LENGTH_X)), decode.X]
MISTAKES = 96  # the surest of them are drawn, all of them are listed
# Written only where there is something to draw and something to draw with: what an earlier report left would be taken for this one's.
PICTURES = ("mistakes.png", "confusion.png", "accuracy_by_length.png", "coverage.png")


class Report(NamedTuple):
    """All that is written, as plain rows; every row of a table has the same columns in the same order."""

    metrics: dict[str, Any]  # the object that `mtl evaluate --json` prints
    confusion: dict[str, list[Row]]  # task name or DECODED -> one row a true class: its name as "true", then class read -> examples
    lengths: list[Row]  # one a true length
    coverage: list[Row]  # one a threshold on the confidence, from the highest
    mistakes: list[Row]  # one a number read wrong, the surest first
    mistaken: list[int]  # which examples those are


def make(log_probs: Mapping[str, np.ndarray], examples: Examples, result: Mapping[str, Any]) -> Report:
    """Make the rows of a report.

    Args:
      log_probs: dict task name -> float32 [n, classes], as evaluate.read returns it; NaN is let pass.
      examples: Examples, n of them.
      result: dict, the object that `mtl evaluate --json` prints.

    Returns:
      Report.
    """
    numbers, confidences = decode.joint(log_probs)
    right = metrics.right(numbers, examples.numbers)
    labels, classes = tasks.encode_all(examples.numbers), decode.arg_max(log_probs)
    read_lengths = np.array([tasks.LENGTH_X if number is None else len(number) for number in numbers], np.int64)
    confusion = {task.name: _confusion(labels[task.name], classes[task.name], task.classes) for task in tasks.NUMBER_TASKS}
    confusion[DECODED] = _confusion(labels["length"], read_lengths, tasks.LENGTH_X + 1)
    # NaN is the least sure, and the sort keeps the order of the data set where the confidence is equal.
    mistaken = np.argsort(np.where(np.isnan(confidences), np.inf, -confidences), kind="stable")
    mistaken = mistaken[~right[mistaken]].tolist()
    mistakes = [
        {
            "name": examples.names[i],
            "true": examples.numbers[i],
            "predicted": decode.written(numbers[i]),
            "confidence": metrics.finite(confidences[i]),
        }
        for i in mistaken
    ]
    lengths = _lengths(labels["length"], read_lengths, right, confidences)
    return Report(dict(result), confusion, lengths, _coverage(confidences, right), mistakes, mistaken)


def _confusion(true, read, classes):
    """Count the pairs of classes (two int [n]); rows are true classes, columns classes read, X comes last."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, read), 1)
    names = [*map(str, range(classes - 1)), decode.X]
    return [{"true": name, **dict(zip(names, row))} for name, row in zip(names, counts.tolist())]


def _lengths(true, read, right, confidences):
    """Count by true length (int [n]) how many numbers were read right, and which wrong length was read most often."""
    rows = []
    for length, name in enumerate(LENGTHS):
        of_it = true == length
        n, hits = int(of_it.sum()), int(right[of_it].sum())
        low, high = metrics.interval(hits, n) or (None, None)
        wrong = collections.Counter(sorted(read[of_it & (read != length)].tolist()))  # sorted: of equally frequent ones the shortest
        ((most, times),) = wrong.most_common(1) or [(None, 0)]
        rows.append(
            {
                "length": name,
                "examples": n,
                "right": hits,
                "accuracy": hits / n if n else None,
                "low_95": low,
                "high_95": high,
                "mean_confidence": metrics.finite(np.mean(confidences[of_it])) if n else None,
                "most_frequent_wrong_length": None if most is None else LENGTHS[most],
                "times": times,
            }
        )
    return rows


def _coverage(confidences, right):
    """List the points of the coverage curve."""
    rows = []
    for threshold, answered, hits in zip(*map(np.ndarray.tolist, metrics.coverage_curve(confidences, right))):
        share, accuracy = answered / len(right), hits / answered
        rows.append(
            {"threshold": metrics.finite(threshold), "answered": answered, "right": hits, "coverage": share, "accuracy": accuracy}
        )
    return rows


def table(rows: Sequence[Row], columns: Sequence[str] = ()) -> str:
    """Write rows as CSV with a header, lines ending in \\n, floats so that they read back to the bit.

    Args:
      rows: list of dict column -> value, the columns alike; None is an empty cell.
      columns: list of str, the header where there may be no row.

    Returns:
      str.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns or rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(report: Report, images: np.ndarray, directory: str, say: Callable[[str], Any]) -> None:
    """Write the files of a report, each whole or not at all.

    Args:
      report: Report.
      images: uint8 [n, height, width, 3], the pictures of the examples.
      directory: str, made where it is missing; an earlier report there is replaced.
      say: called with one line for what is left out, and how it is had.

    Raises:
      OSError: a file cannot be written.
    """
    os.makedirs(directory, exist_ok=True)
    for name in PICTURES:
        if os.path.exists(os.path.join(directory, name)):
            os.remove(os.path.join(directory, name))
    texts = {f"confusion_{name}.csv": table(rows) for name, rows in report.confusion.items()}
    texts["accuracy_by_length.csv"] = table(report.lengths)
    texts["coverage.csv"] = table(report.coverage, ["threshold", "answered", "right", "coverage", "accuracy"])
    texts["mistakes.csv"] = table(report.mistakes, ["name", "true", "predicted", "confidence"])
    texts["metrics.json"] = json.dumps(report.metrics, allow_nan=False) + "\n"
    for name, text in texts.items():
        # A file name that is not UTF-8 is shown, not died of, as on stdout.
        with files.whole(os.path.join(directory, name)) as path, open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    if report.mistakes:
        sheet.save(_sheet(report, images), os.path.join(directory, "mistakes.png"))
    else:
        say(f"{directory}: no mistakes, so there is no mistakes.png")
    try:
        plot.confusion(report, os.path.join(directory, "confusion.png"))
        plot.accuracy_by_length(report, os.path.join(directory, "accuracy_by_length.png"))
        plot.coverage(report, os.path.join(directory, "coverage.png"))
    except ImportError as error:
        say(f"{directory}: the tables are there, but not the three plots of them ({error}): pip install 'mtl[plot]'")


def _sheet(report, images):
    """Draw the surest mistakes, each as "true > read" and its confidence."""
    shown = report.mistakes[:MISTAKES]
    captions = []
    for row in shown:
        true, read = (row[column] or "none" for column in ("true", "predicted"))
        captions.append(f"{true} > {read}\n{'-' if row['confidence'] is None else format(row['confidence'], '.3f')}")
    return sheet.draw(images[report.mistaken[:MISTAKES]], captions, columns=8, scale=2, marks=[False] * len(shown))
