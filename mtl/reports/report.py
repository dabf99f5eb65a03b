"""Write the files of `mtl evaluate --report`: tables, plots, a sheet of mistakes, and a page."""

import csv
import json
import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from mtl import errors, kinds
from mtl.errors import DataError
from mtl.evaluation import by_task
from mtl.reports import number_plots, number_tables, page, plot, report_page, sheet, tables
from mtl.reports.number_tables import DECODED
from mtl.reports.rows import is_matrix, to_csv
from mtl.runs import files
from mtl.tasks import NUMBER_TASKS

# Names of plots and the functions that draw them. Only numbers have the first three.
NUMBER_PLOTS = {
    "accuracy_by_length": number_plots.accuracy_by_length,
    "coverage": number_plots.coverage,
    "reliability": number_plots.reliability,
}
PLOTS = {**NUMBER_PLOTS, "confusion": plot.confusion, "curves": plot.curves}
PAGE = "index.html"
BY_TASK = "metrics_by_task.csv"
# The first file written, of numbers and of your own tasks. A folder that has other files of a
# report but none of these is not ours.
FIRST = ("confusion_length.csv", BY_TASK)
# All other files of a report, besides the tables of your own tasks. They are removed first, so that
# no old file remains. The page is written last, so that it always matches the other files.
OTHERS = (
    PAGE,
    "mistakes.png",
    "curves.csv",
    *[f"{name}.png" for name in PLOTS],
    "metrics.json",
    "accuracy_by_length.csv",
    "coverage.csv",
    "reliability.csv",
    "mistakes.csv",
    *[f"confusion_{name}.csv" for name in (*[task.name for task in NUMBER_TASKS[1:]], DECODED)],
)
_TABLE = re.compile(r"(confusion|table)_[A-Za-z0-9_-]+\.csv")  # of your own tasks
_NAME = 100  # characters of a task in the name of a file, which may have 255 bytes


def check_directory(directory: str) -> None:
    """Raise DataError if `write` would replace files in a folder that are not of a report."""
    present = os.listdir(directory) if os.path.isdir(directory) else []
    replaced = sorted(set(present).intersection(OTHERS))
    if replaced and not set(present).intersection(FIRST):
        reason = f"has a file {replaced[0]}, but no report of mtl"
        raise DataError(f"{directory}: {reason}; choose another --report")


def write(
    report: tables.Report,
    inputs: np.ndarray,
    directory: str,
    say: Callable[[str], Any],
    run: report_page.Run = report_page.UNKNOWN,
) -> None:
    """Write the files of a report, each atomically.

    Args:
      report: the tables.
      inputs: of the n examples: images, see sheet.shown; or features, float32 [n, d].
      directory: created if missing; an earlier report in it is replaced.
      say: function str -> None, called for each file that is not written.
      run: describes the network and its evaluation, for the page.

    Raises:
      OSError: a file cannot be written.
      DataError: see `check_directory`.
    """
    check_directory(directory)
    os.makedirs(directory, exist_ok=True)
    _remove_earlier(directory)
    texts = _texts(report)
    for name, text in texts.items():
        _write(directory, name, text)
    images = np.zeros((0, 1, 1, 3), np.uint8)
    if inputs.ndim > 2:
        images = inputs[[report.mistaken[i] for i in report.shown]]
        _write_sheet(report, images, directory, say)
    plots = _draw(report, directory, say)
    shown = [page.png(image) for image in sheet.shown(images)]
    _write(directory, PAGE, report_page.html(report, run, plots, shown, list(texts)))


def _remove_earlier(directory):
    """Remove an earlier report. Its first file is last, so that an interrupted removal is safe."""
    tables_of = []
    try:
        text = files.read_text(os.path.join(directory, BY_TASK), 1 << 24)
        tables_of = [row.get("table") or "" for row in csv.DictReader(text.splitlines())]
    except (OSError, UnicodeDecodeError, csv.Error):
        pass  # no report of your own tasks
    for name in (*filter(_TABLE.fullmatch, tables_of), *OTHERS, *FIRST):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            os.remove(path)


def _texts(report):
    """Return the tables and the metrics, dict file name -> text."""
    texts, names = {}, _table_names(report)
    if not report.numbers:
        texts[BY_TASK] = _metrics_by_task(report, names)
    for task, name in names.items():
        texts[name] = to_csv(report.tables[task])
    if report.numbers:
        numbers = report.numbers
        texts["accuracy_by_length.csv"] = to_csv(numbers.lengths)
        texts["coverage.csv"] = to_csv(numbers.coverage, number_tables.COVERAGE)
        texts["reliability.csv"] = to_csv(numbers.reliability, number_tables.RELIABILITY)
    columns = number_tables.MISTAKES if report.numbers else tables.MISTAKES
    texts["mistakes.csv"] = to_csv(report.mistakes, columns)
    if report.curves.rows:
        texts["curves.csv"] = to_csv(report.curves.rows)
    texts["metrics.json"] = json.dumps(report.metrics, allow_nan=False) + "\n"
    return texts


def _table_names(report):
    """Return the file of each table that has rows, dict task name -> file name."""
    names = {}
    for index, (task, rows) in enumerate(report.tables.items()):
        if rows:
            cut = task if len(task) <= _NAME else f"{task[:_NAME]}_{index}"
            names[task] = f"{'confusion' if is_matrix(rows) else 'table'}_{cut}.csv"
    return names


def _metrics_by_task(report, names):
    """Return the metrics of your own tasks as CSV; kinds have different columns."""
    rows, columns = [], {}
    for kind in by_task.tables(report.metrics, report.tasks):
        columns |= dict.fromkeys(kind.formats)
        rows += kind.rows
    rows = [{**row, "table": names.get(row["task"])} for row in rows]
    return to_csv(rows, [*columns, "table"])


def _write(directory, name, text):
    path = os.path.join(directory, name)
    # A file name that is not UTF-8 is written as \udce9, as on stdout.
    with (
        files.whole(path) as unfinished,
        open(unfinished, "w", encoding="utf-8", errors="backslashreplace") as file,
    ):
        file.write(text)


def _draw(report, directory, say):
    """Draw the plots if matplotlib is installed; return dict plot name -> data: URI."""
    skipped = set() if report.numbers else set(NUMBER_PLOTS)
    if not plot.matrices(report):
        skipped.add("confusion")
    if not report.curves.rows:
        skipped.add("curves")
    plots = {}
    try:
        for name, draw in PLOTS.items():
            if name not in skipped:
                path = os.path.join(directory, f"{name}.png")
                draw(report, path)
                plots[name] = page.png_file(path)
    except ImportError as error:
        cure = "pip install 'mtl[plot]'"
        say(f"{directory}: the tables and the page are written, but no plots ({error}): {cure}")
    return plots


def _write_sheet(report, images, directory, say):
    """Write the sheet of mistakes; report what it lacks."""
    count, shown = len(report.mistakes), len(report.shown)
    if not count:
        say(f"{directory}: no mistakes, so no mistakes.png")
        return
    sheet.save(_sheet(report, images), os.path.join(directory, "mistakes.png"))
    if shown < count:
        part = f"the {shown} most confident of {count} mistakes"
        if not report.numbers:
            part = f"{shown} of {count} rows of mistakes.csv"
        say(f"{directory}: mistakes.png shows {part}")


def _sheet(report, images):
    """Draw the rows of report.shown: name, task, label, prediction, and confidence or loss."""
    exact = {task.name: kinds.find(task.kind).EXACT for task in report.tasks}
    captions, marks = [], []
    for row in [report.mistakes[i] for i in report.shown]:
        value = row["confidence"] if report.numbers else row["loss"]
        lines = [
            errors.shown(row["name"]),
            *([] if report.numbers else [row["task"]]),
            sheet.compared(row["true"], row["predicted"]),
            "-" if value is None else f"{value:.3f}",
        ]
        captions.append("\n".join(lines))
        marks.append(False if report.numbers or exact[row["task"]] else None)
    return sheet.draw(images, captions, columns=8, scale=2, marks=marks)
