"""The answers of `mtl predict` as text, JSON, CSV and captions.

Text and captions show the `name` of an input, which is one printable line. JSON and CSV give its
`path`, so that a program can find the file.
"""

import csv
import io
import json
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from mtl import kinds, tasks as tasks_lib
from mtl.cli import console
from mtl.cli.inputs import Input
from mtl.errors import DataError, UsageError
from mtl.tasks import Task

BOX = ("left", "top", "width", "height")
CAPTION_TASKS = 8  # a caption shows no more, because all cells of a sheet have its height


class Answer(NamedTuple):
    """The result for an input: its window and prediction, or an error."""

    given: Input
    window: Any = None  # an array of the shape of the network's inputs
    prediction: dict[str, Any] | None = None  # see predictions.predictions
    error: DataError | None = None


class Form(NamedTuple):
    """What a row has."""

    tasks: Sequence[Task] = tasks_lib.NUMBER_TASKS
    boxed: bool = False  # whether it shows the box of the input
    key: str = "file"  # or "index", of an example without a file
    # Whether CSV has a column of errors: a dataset is read before the first row is printed.
    errors: bool = True


class Output:
    """Prints answers, and draws them on the pages of a sheet."""

    def __init__(self, values):
        """Store the flags of `mtl predict`."""
        self._sheet, self._pages = values.sheet, None
        self._form = Form(boxed=values.boxes is not None, errors=values.dataset is None)
        self._csv = values.csv
        self._row = to_text
        if values.json:
            self._row = to_json
        elif values.csv:
            self._row = to_csv
        self.bar = None  # the progress bar, once there is one
        self.failed = 0  # images that could not be read

    def begin(self, tasks, key="file"):
        """Print the header of CSV, and begin the sheet. Called before the first answer.

        Args:
          tasks: of the network.
          key: what the first column is, see Form.
        """
        self._form = self._form._replace(tasks=tasks, key=key)
        if self._sheet is not None:
            from mtl.reports import sheet

            cell = sheet.CELL if tasks_lib.is_numbers(tasks) else sheet.WIDE
            self._pages = sheet.Pages(self._sheet, cell)
        if self._csv:
            print(csv_header(self._form))

    def say(self, line):
        """Write a line to stderr, after the rows of earlier images and above the bar."""
        sys.stdout.flush()
        if self.bar is not None:
            self.bar.clear()
        console.say(line)

    def report(self, given):
        """Report the error of an input on stderr, if it is known before the image is read."""
        if given.error:
            self.say(f"mtl predict: {given.error}")

    def show(self, answer):
        """Print an answer. An error is also a line on stderr, unless `report` wrote it."""
        row = self._row(answer, self._form)
        if row is not None:
            print(row)
        if answer.error:
            self.failed += 1
            if answer.error is not answer.given.error:
                self.say(f"mtl predict: {answer.error}")
        elif self._pages:
            self._pages.add(answer.window, caption(answer, self._form))

    def close(self):
        """Write the last page of the sheet; report the pages, and how many images they lack."""
        if not self._pages:
            return
        pages = self._pages
        pages.close()
        if not pages.count:
            self.say(f"{pages.path}: not written, because no image could be read")
            return
        if len(pages.written) > 1:
            count = f"{len(pages.written)} pages with {pages.count} images"
            self.say(f"{pages.written[0]} to {pages.written[-1]}: {count}")
        if self.failed:
            count = f"shows {pages.count} of {pages.count + self.failed} images"
            self.say(f"{pages.path}: {count}; the others could not be read")


# -- rows ------------------------------------------------------------------------------------------


def to_text(answer, form):
    """Return the line of an input; None for an error, which only stderr shows.

    Args:
      answer: Answer.
      form: Form.
    """
    return None if answer.error else "  ".join(_parts(answer, form))


def caption(answer, form):
    """Return the caption of an image on a sheet. Arguments as `to_text`, without an error."""
    parts = _parts(answer, form)
    limit = 1 + form.boxed + CAPTION_TASKS
    shown = parts if len(parts) <= limit else [*parts[:limit], "..."]
    return "\n".join(shown)


def to_json(answer, form):
    """Return an answer as a JSON object on one line. Arguments as `to_text`."""
    row = {form.key: answer.given.path}
    if form.boxed:
        row["box"] = _box(answer.given)
    row |= {"error": _reason(answer)} if answer.error else answer.prediction
    return json.dumps(row, allow_nan=False)


def check_columns(values, tasks):
    """Raise UsageError if two columns of --csv would have one name.

    Args:
      values: FlagValues of `mtl predict`.
      tasks: of the network.
    """
    # Whether the examples of a dataset have files is not known yet.
    keys = ("file",) if values.dataset is None else ("file", "index")
    for key in keys if values.csv else ():
        form = Form(tasks, values.boxes is not None, key, errors=values.dataset is None)
        columns = _columns(form)
        for column in columns:
            if columns.count(column) > 1:
                what = f"--csv would have two columns named {column[:80]!r}"
                raise UsageError(f"{what}, because a task has this name; use --json")


def csv_header(form):
    """Return the header of CSV. With boxes, it begins with the header of the --boxes file."""
    return _line(_columns(form))


def _columns(form):
    """Return the names of the columns of CSV."""
    columns = ["number", "confidence"]
    if not tasks_lib.is_numbers(form.tasks):
        columns = []
        for task in form.tasks:
            others = kinds.find(task.kind).COLUMNS[1:]
            columns += [task.name, *(f"{task.name}_{column}" for column in others)]
    return [form.key, *(BOX if form.boxed else ()), *columns, *_error(form, "error")]


def to_csv(answer, form):
    """Return an answer as a line of CSV. Arguments as `to_text`."""
    row = [answer.given.path]
    if form.boxed:
        row += _box(answer.given) or [""] * len(BOX)
    if answer.error:
        row += [""] * sum(len(cells) for cells in _cells(None, form))
        return _line([*row, *_error(form, _reason(answer))])
    for cells in _cells(answer.prediction, form):
        row += cells
    return _line([*row, *_error(form, "")])


def _error(form, text):
    """Return the cells of the column of errors."""
    return [text] if form.errors else []


def _cells(prediction, form):
    """Return the cells of each task, or of the number; empty ones if the prediction is None."""
    if tasks_lib.is_numbers(form.tasks):
        return [[_number(prediction), prediction["confidence"]] if prediction else ["", ""]]
    found = []
    for task in form.tasks:
        kind = kinds.find(task.kind)
        cells = kind.cells(prediction["tasks"][task.name]) if prediction else kind.COLUMNS
        found.append(list(cells))
    return found


def _parts(answer, form):
    """Return the name, the box and the prediction as a list of str."""
    parts = [answer.given.name]
    if form.boxed:
        parts.append(",".join(f"{value:.12g}" for value in _box(answer.given) or ()))
    cells = _cells(answer.prediction, form)
    if tasks_lib.is_numbers(form.tasks):
        number, confidence = cells[0]
        return [*parts, number, _share(confidence)]
    for task, (first, *others) in zip(form.tasks, cells):
        shown = f"{first:.6g}" if isinstance(first, float) else first
        shares = "".join(f" ({_share(share)})" for share in others)
        parts.append(f"{task.name}={'-' if first is None else shown}{shares}")
    return parts


def _share(value):
    """Return a probability as text, "-" if the network gives NaN."""
    return "-" if value is None else f"{value:.3f}"


def _number(prediction):
    from mtl.inference import decoding

    return decoding.written(prediction["number"])


def _box(given):
    """Return the box as left, top, width, height; None if the input has none."""
    if given.box is None:
        return None
    left, top, right, bottom = given.box
    # Without rounding, a width of 0.2 could become 0.20000000000000007.
    return [left, top, round(right - left, 6), round(bottom - top, 6)]


def _reason(answer):
    """Return an error without the name of the file, which the row has already."""
    text = " ".join(str(answer.error).split())
    return text.removeprefix(f"{answer.given.name}: ")


def _line(row):
    text = io.StringIO()
    # Before Python 3.13, csv quotes a line break only if the terminator contains it.
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return text.getvalue().removesuffix("\r\n")
