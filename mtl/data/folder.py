"""A folder of pictures of one's own: DIR/SPLIT/labels.csv with the header `file,label`, and the files that it names."""

import csv
import os
from typing import NamedTuple

import numpy as np

from mtl import tasks
from mtl.config import WINDOW
from mtl.data import images
from mtl.data.examples import Examples, source
from mtl.errors import DataError, NoExamplesError

HEADER = ["file", "label"]


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
    windows = np.empty((len(rows), WINDOW, WINDOW, 3), np.uint8)
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
      list of Row, in the order of the file; empty lines are passed over.

    Raises:
      DataError: it is missing, not such a table, a label holds anything but digits, or a file is missing or outside the folder.
    """
    rows = []
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the header.
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if header != HEADER:
                raise DataError(f"{path} line 1: the header is {','.join(header)[:80]!r}: write file,label")
            for fields in reader:
                if fields:
                    rows.append(_row(path, reader.line_num, fields))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}): write it with the header file,label") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8: save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: {error}: save it as CSV in UTF-8") from None
    return rows


def _row(path, line, fields):
    """Check one line."""
    if len(fields) != len(HEADER):
        raise DataError(f"{path} line {line}: {len(fields)} fields: write file,label")
    name, label = fields
    try:
        tasks.encode(label)
    except ValueError as error:
        raise DataError(f"{path} line {line}: {error}: write the label so") from None
    # By the text alone: a link within the folder may well lead elsewhere, its owner put it there.
    if os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == os.pardir:
        raise DataError(f"{path} line {line}: {name!r} lies outside the folder: name a file relative to labels.csv")
    if not os.path.isfile(os.path.join(os.path.dirname(path), name)):
        raise DataError(f"{path} line {line}: no such file {name!r}: add the picture or remove the line")
    return Row(line, name, label)
