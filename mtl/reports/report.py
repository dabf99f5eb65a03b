"""Write the files of `mtl evaluate --report`: tables, plots, a sheet of mistakes, and a page."""

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from mtl import errors
from mtl.errors import DataError
from mtl.reports import page, plot, report_page, sheet, tables
from mtl.runs import files

MISTAKES = 96  # on the sheet and on the page; mistakes.csv lists all
# Functions of plot, and the names of their files.
PLOTS = ("accuracy_by_length", "coverage", "reliability", "confusion", "curves")
PAGE = "index.html"
# The first file written. A folder that has other files of a report but not this one is not ours.
FIRST = "confusion_length.csv"
# Files that a report may lack. They are removed first, so that no old file remains. The page is
# written last, so that it always matches the other files.
OPTIONAL = (PAGE, "mistakes.png", "curves.csv", *[f"{name}.png" for name in PLOTS])
OTHERS = (
    "metrics.json",
    "accuracy_by_length.csv",
    "coverage.csv",
    "reliability.csv",
    "mistakes.csv",
)


def check_directory(directory: str) -> None:
    """Raise DataError if `write` would replace files in a folder that are not of a report."""
    present = os.listdir(directory) if os.path.isdir(directory) else []
    replaced = sorted(set(present).intersection(OPTIONAL + OTHERS))
    if replaced and FIRST not in present:
        reason = f"has a file {replaced[0]}, but no report of mtl"
        raise DataError(f"{directory}: {reason}; choose another --report")


def write(
    report: tables.Report,
    images: np.ndarray,
    directory: str,
    say: Callable[[str], Any],
    run: report_page.Run = report_page.UNKNOWN,
) -> None:
    """Write the files of a report, each atomically.

    Args:
      report: the tables.
      images: uint8 [n, height, width, 3], of the examples.
      directory: created if missing; an earlier report in it is replaced.
      say: function str -> None, called for each file that is not written.
      run: describes the network and its evaluation, for the page.

    Raises:
      OSError: a file cannot be written.
      DataError: see `check_directory`.
    """
    check_directory(directory)
    os.makedirs(directory, exist_ok=True)
    for name in OPTIONAL:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            os.remove(path)
    texts = _texts(report)
    for name, text in texts.items():
        _write(directory, name, text)
    if report.mistakes:
        sheet.save(_sheet(report, images), os.path.join(directory, "mistakes.png"))
        count = len(report.mistakes)
        if count > MISTAKES:
            part = f"the {MISTAKES} most confident of {count} mistakes"
            say(f"{directory}: mistakes.png shows {part}")
    else:
        say(f"{directory}: no mistakes, so no mistakes.png")
    plots = _draw(report, directory, say)
    mistakes = [page.png(images[i]) for i in report.mistaken[:MISTAKES]]
    _write(directory, PAGE, report_page.html(report, run, plots, mistakes, list(texts)))


def _texts(report):
    """Return the tables and the metrics, dict file name -> text."""
    texts = {
        f"confusion_{name}.csv": tables.to_csv(rows) for name, rows in report.confusion.items()
    }
    texts["accuracy_by_length.csv"] = tables.to_csv(report.lengths)
    texts["coverage.csv"] = tables.to_csv(report.coverage, tables.COVERAGE)
    texts["reliability.csv"] = tables.to_csv(report.reliability, tables.RELIABILITY)
    texts["mistakes.csv"] = tables.to_csv(report.mistakes, tables.MISTAKES)
    if report.curves:
        texts["curves.csv"] = tables.to_csv(report.curves)
    texts["metrics.json"] = json.dumps(report.metrics, allow_nan=False) + "\n"
    return texts


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
    plots = {}
    names = [name for name in PLOTS if name != "curves" or report.curves]
    try:
        for name in names:
            path = os.path.join(directory, f"{name}.png")
            getattr(plot, name)(report, path)
            plots[name] = page.png_file(path)
    except ImportError as error:
        cure = "pip install 'mtl[plot]'"
        say(f"{directory}: the tables and the page are written, but no plots ({error}): {cure}")
    return plots


def _sheet(report, images):
    """Draw the most confident mistakes, each with its name, both numbers and its confidence."""
    captions = []
    for row in report.mistakes[:MISTAKES]:
        name = errors.shown(row["name"])
        numbers = sheet.compared(row["true"], row["predicted"])
        confidence = "-" if row["confidence"] is None else f"{row['confidence']:.3f}"
        captions.append(f"{name}\n{numbers}\n{confidence}")
    mistaken = images[report.mistaken[:MISTAKES]]
    marks = [False] * len(captions)
    return sheet.draw(mistaken, captions, columns=8, scale=2, marks=marks)
