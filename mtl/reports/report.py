"""What `mtl evaluate --report` writes: where a network errs, as tables, as pictures of those tables, and as a page of both.

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

from mtl import tasks
from mtl.data.examples import Examples
from mtl.errors import DataError
from mtl.evaluation import metrics
from mtl.inference import decoding
from mtl.inference.predictions import finite
from mtl.reports import page, plot, report_page, sheet
from mtl.runs import files

Row = dict[str, Any]  # column -> str, int, float, or None for an empty cell

DECODED = "decoded_length"  # beside the tasks: the length of the decoded number, which the digits have a say in
LENGTHS = [*map(str, range(tasks.LENGTH_X)), decoding.X]
MISTAKES = 96  # the surest of them are drawn, all of them are listed
PLOTS = (
    "accuracy_by_length",
    "coverage",
    "confusion",
    "curves",
)  # of mtl.reports.plot, and names of files
# Written only where there is something to draw and something to draw with: what an earlier report left would be taken for this one's.
# The page goes first and comes last, so that none ever stands over files of another report.
FIRST = (
    "confusion_length.csv"  # is written first: a folder with the other names alone is not a report
)
NOT_ALWAYS = ("index.html", "mistakes.png", "curves.csv", *(f"{name}.png" for name in PLOTS))


class Report(NamedTuple):
    """All that is written, as plain rows; every row of a table has the same columns in the same order."""

    metrics: dict[str, Any]  # the object that `mtl evaluate --json` prints
    confusion: dict[
        str, list[Row]
    ]  # task name or DECODED -> one row a true class: its name as "true", then class read -> examples
    lengths: list[Row]  # one a true length
    coverage: list[Row]  # one a threshold on the confidence, from the highest
    mistakes: list[Row]  # one a number read wrong, the surest first
    mistaken: list[int]  # which examples those are
    curves: list[Row] = []  # one an evaluation on validation while the network was trained


def make(
    log_probs: Mapping[str, np.ndarray],
    examples: Examples,
    result: Mapping[str, Any],
    evaluations: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """Make the rows of a report.

    Args:
      log_probs: dict task name -> float32 [n, classes], as evaluate.read returns it; NaN is let pass.
      examples: Examples, n of them.
      result: dict, the object that `mtl evaluate --json` prints.
      evaluations: such objects, each with its "step", as the run's metrics.jsonl holds them. Whatever else stands there is let pass.

    Returns:
      Report.
    """
    numbers, confidences = decoding.joint(log_probs)
    right = metrics.correct(numbers, examples.numbers)
    labels, classes = tasks.encode_all(examples.numbers), decoding.arg_max(log_probs)
    read_lengths = np.array(
        [tasks.LENGTH_X if number is None else len(number) for number in numbers], np.int64
    )
    confusion = {
        task.name: _confusion(labels[task.name], classes[task.name], task.classes)
        for task in tasks.NUMBER_TASKS
    }
    confusion[DECODED] = _confusion(labels["length"], read_lengths, tasks.LENGTH_X + 1)
    # NaN is the least sure, and the sort keeps the order of the data set where the confidence is equal.
    mistaken = np.argsort(np.where(np.isnan(confidences), np.inf, -confidences), kind="stable")
    mistaken = mistaken[~right[mistaken]].tolist()
    mistakes = [
        {
            "name": examples.names[i],
            "true": examples.numbers[i],
            "predicted": decoding.written(numbers[i]),
            "confidence": finite(confidences[i]),
        }
        for i in mistaken
    ]
    lengths = _lengths(labels["length"], read_lengths, right, confidences)
    return Report(
        dict(result),
        confusion,
        lengths,
        _coverage(confidences, right),
        mistakes,
        mistaken,
        _curves(evaluations),
    )


def _confusion(true, read, classes):
    """Count the pairs of classes (two int [n]); rows are true classes, columns classes read, X comes last."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, read), 1)
    names = [*map(str, range(classes - 1)), decoding.X]
    return [{"true": name, **dict(zip(names, row))} for name, row in zip(names, counts.tolist())]


def _lengths(true, read, right, confidences):
    """Count by true length (int [n]) how many numbers were read right, and which wrong length was read most often."""
    rows = []
    for length, name in enumerate(LENGTHS):
        of_it = true == length
        n, hits = int(of_it.sum()), int(right[of_it].sum())
        low, high = metrics.interval(hits, n) or (None, None)
        wrong = collections.Counter(
            sorted(read[of_it & (read != length)].tolist())
        )  # sorted: of equally frequent ones the shortest
        ((most, times),) = wrong.most_common(1) or [(None, 0)]
        rows.append(
            {
                "length": name,
                "examples": n,
                "right": hits,
                "accuracy": hits / n if n else None,
                "low_95": low,
                "high_95": high,
                "mean_confidence": finite(np.mean(confidences[of_it])) if n else None,
                "most_frequent_wrong_length": None if most is None else LENGTHS[most],
                "times": times,
            }
        )
    return rows


def _coverage(confidences, right):
    """List the points of the coverage curve."""
    rows = []
    for threshold, answered, hits in zip(
        *map(np.ndarray.tolist, metrics.coverage_curve(confidences, right))
    ):
        share, accuracy = answered / len(right), hits / answered
        rows.append(
            {
                "threshold": finite(threshold),
                "answered": answered,
                "right": hits,
                "coverage": share,
                "accuracy": accuracy,
            }
        )
    return rows


def _curves(evaluations):
    """Flatten evaluations into a row each; what is no number is None: the file they come from may be damaged or from elsewhere."""
    rows = []
    for line in evaluations:
        row = {
            name: _number(line.get(name))
            for name in (
                "step",
                "sequence_accuracy",
                "character_accuracy",
                "coverage_at_98",
                "cost",
            )
        }
        for kind in ("accuracy", "cross_entropy"):
            of_tasks = line.get(f"task_{kind}")
            of_tasks = of_tasks if isinstance(of_tasks, dict) else {}
            row |= {
                f"{kind}_{task.name}": _number(of_tasks.get(task.name))
                for task in tasks.NUMBER_TASKS
            }
        if isinstance(row["step"], int):
            rows.append(row)
    return rows


def _number(value):
    """Return an int or float that JSON held, None where it is another thing, not finite, or beyond what float64 counts by ones."""
    return (
        value if type(value) in (int, float) and abs(value) <= 1 << 53 else None
    )  # NaN fails every comparison


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


def check_directory(directory: str) -> None:
    """Raise DataError if a folder (str) holds files that `write` would replace and that are no report."""
    present = set(os.listdir(directory)) if os.path.isdir(directory) else set()
    names = {"metrics.json", "accuracy_by_length.csv", "coverage.csv", "mistakes.csv", *NOT_ALWAYS}
    taken = sorted(present & names)
    if taken and FIRST not in present:
        raise DataError(
            f"{directory}: holds {taken[0]}, and no report of mtl; choose another --report"
        )


def write(
    report: Report,
    images: np.ndarray,
    directory: str,
    say: Callable[[str], Any],
    run: report_page.Run = report_page.UNKNOWN,
) -> None:
    """Write the files of a report, each whole or not at all.

    Args:
      report: Report.
      images: uint8 [n, height, width, 3], the pictures of the examples.
      directory: str, made where it is missing; an earlier report there is replaced.
      say: called with one line for what is left out, and how it is had.
      run: report_page.Run, what the page tells about the network and how it is measured again.

    Raises:
      OSError: a file cannot be written.
      DataError: see `check_directory`.
    """
    check_directory(directory)
    os.makedirs(directory, exist_ok=True)
    for name in NOT_ALWAYS:
        if os.path.exists(os.path.join(directory, name)):
            os.remove(os.path.join(directory, name))
    texts = {f"confusion_{name}.csv": table(rows) for name, rows in report.confusion.items()}
    texts["accuracy_by_length.csv"] = table(report.lengths)
    texts["coverage.csv"] = table(
        report.coverage, ["threshold", "answered", "right", "coverage", "accuracy"]
    )
    texts["mistakes.csv"] = table(report.mistakes, ["name", "true", "predicted", "confidence"])
    texts |= {"curves.csv": table(report.curves)} if report.curves else {}
    texts["metrics.json"] = json.dumps(report.metrics, allow_nan=False) + "\n"
    for name, text in texts.items():
        _write(directory, name, text)
    if report.mistakes:
        sheet.save(_sheet(report, images), os.path.join(directory, "mistakes.png"))
    else:
        say(f"{directory}: no mistakes, so there is no mistakes.png")
    drawn = {}
    try:
        for name in PLOTS:
            if name != "curves" or report.curves:
                path = os.path.join(directory, f"{name}.png")
                getattr(plot, name)(report, path)
                drawn[name] = page.png_file(path)
    except ImportError as error:
        say(
            f"{directory}: the tables and the page are there, but not the plots ({error}): pip install 'mtl[plot]'"
        )
    pictures = [page.png(images[i]) for i in report.mistaken[:MISTAKES]]
    _write(directory, "index.html", report_page.html(report, run, drawn, pictures, list(texts)))


def _write(directory, name, text):
    # A file name that is not UTF-8 is shown, not died of, as on stdout.
    with (
        files.whole(os.path.join(directory, name)) as path,
        open(path, "w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(text)


def _sheet(report, images):
    """Draw the surest mistakes, each as "true > read" and its confidence."""
    shown = report.mistakes[:MISTAKES]
    captions = []
    for row in shown:
        true, read = (row[column] or "none" for column in ("true", "predicted"))
        captions.append(
            f"{true} > {read}\n{'-' if row['confidence'] is None else format(row['confidence'], '.3f')}"
        )
    return sheet.draw(
        images[report.mistaken[:MISTAKES]], captions, columns=8, scale=2, marks=[False] * len(shown)
    )
