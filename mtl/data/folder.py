"""A folder of your own images: DIR/SPLIT/labels.csv with the header `file,label`, and its files."""

import csv
import io
import os
from typing import NamedTuple

from mtl import tasks
from mtl.data import images
from mtl.data.examples import Examples, empty_windows, find_split
from mtl.errors import DataError, NoExamplesError
from mtl.runs import files

DATASET = "folder"
OWN_TASKS = True

HEADER = ["file", "label"]
# The largest labels.csv: about 700,000 lines, whose windows take 9 GB. Parsed, a file of the
# shortest lines takes 60 times its size in memory.
MAX_BYTES = 16 << 20


class Row(NamedTuple):
    """One line of labels.csv."""

    line: int  # counted from 1, as editors do
    file: str  # relative to labels.csv
    label: str  # digits; "" is an image without a number


def load(data_dir: str, split: str, *, count: int | None = None) -> Examples:
    """Read a split of a folder. The window is the whole image.

    Args:
      data_dir: contains a folder for each split.
      split: one of them, or "validation"; see find_split.
      count: the largest number of examples to read; None reads all.

    Returns:
      Examples in the order of labels.csv, named as in its column `file`.

    Raises:
      DataError: labels.csv or an image is missing or broken; the message names the line.
      NoExamplesError: the split is empty.
    """
    directory, belongs = find_split(data_dir, split)
    path = os.path.join(directory, "labels.csv")
    rows = [row for row in read_labels(path) if belongs(row.file)][:count]
    if not rows:
        raise NoExamplesError(f"{path}: no images in the split {split}; add lines `file,label`")
    windows = empty_windows(len(rows), path)
    for i, row in enumerate(rows):
        try:
            windows[i] = images.window(images.read(os.path.join(directory, row.file)))
        except DataError as error:
            raise DataError(f"{path} line {row.line}: {error}") from None
    return Examples(windows, [row.label for row in rows], [row.file for row in rows])


def read_labels(path: str) -> list[Row]:
    """Read a labels.csv and check that its files exist. No image is decoded.

    Empty lines are skipped. A file may be listed several times with the same label.

    Raises:
      DataError: the table is missing or malformed, a label is not digits, a file is missing or
        outside the folder, or two lines give one file different labels.
    """
    try:
        text = files.read_text(path, MAX_BYTES)
    except OSError as error:
        cure = "write it with the header file,label"
        raise DataError(f"{path}: cannot be read ({error.strerror}); {cure}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not text in UTF-8; save it as CSV in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return _rows(path, reader)
    except csv.Error as error:
        cure = "check that every quote is closed, and save it as CSV in UTF-8"
        raise DataError(f"{path} line {reader.line_num}: {error}; {cure}") from None


def _rows(path, reader):
    """Read and check all lines; reader: csv.reader."""
    header = next(reader, [])
    if header != HEADER:
        found = repr(",".join(header)[:80])
        raise DataError(f"{path} line 1: the header is {found}; write file,label")
    rows = []
    first = {}  # normalised file name -> its first Row
    for fields in reader:
        if not fields:
            continue
        row = _row(path, reader.line_num, fields)
        _check_label(path, row, first.setdefault(os.path.normpath(row.file), row))
        rows.append(row)
    return rows


def _row(path, line, fields):
    """Check the fields of one line."""
    where = f"{path} line {line}"
    if len(fields) != len(HEADER):
        raise DataError(f"{where}: {len(fields)} fields; write file,label")
    name, label = fields
    try:
        tasks.encode(label)
    except ValueError as error:
        raise DataError(f"{where}: {str(error)[:200]}; correct the label") from None
    shown = repr(name[:200])
    if len(name.splitlines()) > 1:
        raise DataError(f"{where}: the file name {shown} has a line break; rename the image")
    # Only the text is checked: a symbolic link in the folder may point outside it.
    if os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == os.pardir:
        raise DataError(f"{where}: {shown} is outside the folder; use a path relative to it")
    if not os.path.isfile(os.path.join(os.path.dirname(path), name)):
        raise DataError(f"{where}: no such file {shown}; add the image or remove the line")
    return Row(line, name, label)


def _check_label(path, row, first):
    """Raise DataError if the first line of the same file has another label."""
    if row.label == first.label:
        return
    labels = f"the label {row.label[:80]!r}, but {first.label[:80]!r} on line {first.line}"
    cure = "keep the line with the correct label"
    raise DataError(f"{path} line {row.line}: {row.file[:200]!r} has {labels}; {cure}")
