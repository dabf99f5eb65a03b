"""A folder of pictures of one's own: DIR/SPLIT/labels.csv with the header `file,label`, and the files that it names."""

import csv
import io
import os
from typing import NamedTuple

from mtl import tasks
from mtl.data import images
from mtl.data.examples import Examples, room, source
from mtl.errors import DataError, NoExamplesError
from mtl.runs import files

HEADER = ["file", "label"]
MAX_BYTES = (
    16 << 20
)  # of labels.csv: 700,000 lines, whose windows would take 9 GB; the shortest lines take 60 times its size


class Row(NamedTuple):
    """One line of labels.csv."""

    line: int  # counted from 1, as editors show it
    file: str  # relative to labels.csv
    label: str  # digits; "" is a picture without a number


def load(data_dir: str, split: str, *, count: int | None = None) -> Examples:
    """Read a split of a folder; the whole picture is the window.

    Args:
      data_dir: str, the directory that holds a directory for each split.
      split: str, one of those, or "validation": the directory of that name, else the held out part of train.
      count: int, read the first `count` at most; None reads all.

    Returns:
      Examples in the order of labels.csv; their names are those in the column `file`.

    Raises:
      DataError: labels.csv or a picture is missing or broken; the message names the line of labels.csv.
      NoExamplesError: none is of this split.
    """
    directory, belongs = source(data_dir, split)
    path = os.path.join(directory, "labels.csv")
    rows = [row for row in read_labels(path) if belongs(row.file)][:count]
    if not rows:
        raise NoExamplesError(f"{path}: no picture of the split {split}: add lines `file,label`")
    windows = room(len(rows), path)
    for i, row in enumerate(rows):
        try:
            windows[i] = images.window(images.read(os.path.join(directory, row.file)))
        except DataError as error:
            raise DataError(f"{path} line {row.line}: {error}") from None
    return Examples(windows, [row.label for row in rows], [row.file for row in rows])


def read_labels(path: str) -> list[Row]:
    """Read and check a labels.csv, and that the files it names are there, before time is spent on decoding them.

    Args:
      path: str.

    Returns:
      list of Row, in the order of the file; empty lines are passed over. A file may be listed
        several times, with the same label.

    Raises:
      DataError: it is missing, not such a table, a label holds anything but digits, a file is
        missing or outside the folder, or two lines give a file different labels.
    """
    rows, first = [], {}
    try:
        reader = csv.reader(io.StringIO(files.read_text(path, MAX_BYTES), newline=""), strict=True)
        header = next(reader, [])
        if header != HEADER:
            raise DataError(
                f"{path} line 1: the header is {','.join(header)[:80]!r}: write file,label"
            )
        for fields in reader:
            if fields:
                row = _row(path, reader.line_num, fields)
                _check_label(path, row, first.setdefault(os.path.normpath(row.file), row))
                rows.append(row)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}): write it with the header file,label"
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8: save it as CSV in UTF-8") from None
    except csv.Error as error:
        cure = "check that every quote is closed, and save it as CSV in UTF-8"
        raise DataError(f"{path} line {reader.line_num}: {error}: {cure}") from None
    return rows


def _row(path, line, fields):
    """Check one line."""
    if len(fields) != len(HEADER):
        raise DataError(f"{path} line {line}: {len(fields)} fields: write file,label")
    name, label = fields
    try:
        tasks.encode(label)
    except ValueError as error:
        raise DataError(f"{path} line {line}: {str(error)[:200]}: write the label so") from None
    shown = repr(name[:200])
    if len(name.splitlines()) > 1:
        raise DataError(
            f"{path} line {line}: the name {shown} has a line break in it: rename the picture"
        )
    # By the text alone: a link within the folder may well lead elsewhere, its owner put it there.
    if os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == os.pardir:
        raise DataError(
            f"{path} line {line}: {shown} lies outside the folder: name a file relative to labels.csv"
        )
    if not os.path.isfile(os.path.join(os.path.dirname(path), name)):
        raise DataError(
            f"{path} line {line}: no such file {shown}: add the picture or remove the line"
        )
    return Row(line, name, label)


def _check_label(path, row, first):
    """Raise DataError where a line gives a file another label than its first line does."""
    if row.label != first.label:
        label, other = row.label[:80], first.label[:80]
        what = f"{row.file[:200]!r} has the label {label!r}, but {other!r} on line {first.line}"
        raise DataError(f"{path} line {row.line}: {what}: keep the line with the correct label")
