"""The answers of `mtl predict` as text, JSON, CSV and captions.

Text and captions show the `name` of an input, which is one printable line. JSON and CSV give its
`path`, so that a program can find the file.
"""

import csv
import io
import json
import sys
from typing import Any, NamedTuple

from mtl.cli import console
from mtl.cli.inputs import Input
from mtl.errors import DataError

BOX = ("left", "top", "width", "height")


class Answer(NamedTuple):
    """The result for an input: its window and prediction, or an error."""

    given: Input
    window: Any = None  # uint8 [WINDOW, WINDOW, 3]
    prediction: dict[str, Any] | None = None  # see predictions.prediction
    error: DataError | None = None


class Output:
    """Prints answers, and draws them on the pages of a sheet."""

    def __init__(self, values, pages):
        """Print the header of CSV; pages: sheet.Pages or None."""
        self._boxed = values.boxes is not None
        self._pages = pages
        self.bar = None  # the progress bar, once there is one
        self.failed = 0  # images that could not be read
        self._row = to_text
        if values.json:
            self._row = to_json
        elif values.csv:
            self._row = to_csv
            print(csv_header(self._boxed))

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
        row = self._row(answer, self._boxed)
        if row is not None:
            print(row)
        if answer.error:
            self.failed += 1
            if answer.error is not answer.given.error:
                self.say(f"mtl predict: {answer.error}")
        elif self._pages:
            self._pages.add(answer.window, caption(answer, self._boxed))

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


def to_text(answer, boxed):
    """Return the line of an image; None for an error, which only stderr shows.

    Args:
      answer: Answer.
      boxed: bool, whether the line shows the box of the input.
    """
    return None if answer.error else "  ".join(_parts(answer, boxed))


def caption(answer, boxed):
    """Return the caption of an image on a sheet. Arguments as `to_text`, without an error."""
    return "\n".join(_parts(answer, boxed))


def to_json(answer, boxed):
    """Return an answer as a JSON object on one line. Arguments as `to_text`."""
    row = {"file": answer.given.path}
    if boxed:
        row["box"] = _box(answer.given)
    row |= {"error": _reason(answer)} if answer.error else answer.prediction
    return json.dumps(row, allow_nan=False)


def csv_header(boxed):
    """Return the header of CSV. With boxes, it begins with the header of the --boxes file."""
    return _line(["file", *(BOX if boxed else ()), "number", "confidence", "error"])


def to_csv(answer, boxed):
    """Return an answer as a line of CSV. Arguments as `to_text`."""
    row = [answer.given.path]
    if boxed:
        row += _box(answer.given) or [""] * len(BOX)
    if answer.error:
        row += ["", "", _reason(answer)]
    else:
        row += [_number(answer), answer.prediction["confidence"], ""]
    return _line(row)


def _parts(answer, boxed):
    """Return the name, the box, the number and the confidence, as list of str."""
    parts = [answer.given.name]
    if boxed:
        parts.append(",".join(f"{value:.12g}" for value in _box(answer.given) or ()))
    parts.append(_number(answer))
    confidence = answer.prediction["confidence"]  # None if the network gives NaN
    parts.append("-" if confidence is None else f"{confidence:.3f}")
    return parts


def _number(answer):
    from mtl.inference import decoding

    return decoding.written(answer.prediction["number"])


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
