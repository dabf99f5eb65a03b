"""Boxes of numbers in images: CSV with the header `file,left,top,width,height`."""

import math
import os
from typing import NamedTuple

from mtl.data import csv_files
from mtl.data.images import Box
from mtl.errors import DataError, shown

SIDES = ("left", "top", "width", "height")
COLUMNS = ("file", *SIDES)
HEADER = ",".join(COLUMNS)
MAX_BYTES = 16 << 20  # about 700,000 lines


class Row(NamedTuple):
    """One line of the file."""

    line: int  # counted from 1, as editors do
    path: str  # of the image; a relative one starts from the folder of the CSV file
    box: Box | None  # None if there is a fault
    fault: str | None  # what is wrong with the four numbers, and what to do


def read(path: str) -> list[Row]:
    """Read a CSV file of boxes. The images are not opened and need not exist.

    Columns are found by name, and other columns are ignored. An image may have several lines.
    Empty lines are skipped.

    Raises:
      DataError: the file is missing or malformed, or has no boxes. A wrong number in a line is a
        fault of its Row instead, so that the other boxes can be used.
    """
    rows = list(_rows(path))
    if not rows:
        raise DataError(f"{shown(path)}: has no boxes; add a line with {HEADER} for each box")
    return rows


def _rows(path):
    """Yield the Row of each line."""
    lines = csv_files.lines(path, MAX_BYTES, f"give a CSV file with the header {HEADER}")
    header = csv_files.read_header(lines)
    _check_header(shown(path), header)
    for line, fields in lines:
        csv_files.check_fields(path, line, fields, header)
        values = dict(zip(header, fields, strict=True))
        file = values["file"]
        if not file or "\0" in file:
            what = "the column file names no file; write the path of an image"
            raise DataError(f"{shown(path)} line {line}: {what}")
        box, fault = _box(values)
        yield Row(line, os.path.join(os.path.dirname(path), file), box, fault)


def _check_header(name, header):
    """Raise DataError unless a header has each of COLUMNS once."""
    if not any(header):
        raise DataError(f"{name} line 1: no header; write {HEADER}")
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        what = f"the header has no column {' or '.join(missing)}"
        if len(missing) == len(COLUMNS):
            what = f"the header is {','.join(header)[:80]!r}"
        raise DataError(f"{name} line 1: {what}; write {HEADER}, separated by commas")
    for column in COLUMNS:
        if header.count(column) > 1:
            what = f"the header has the column {column} {header.count(column)} times"
            raise DataError(f"{name} line 1: {what}; remove all but one")


def _box(values):
    """Return (box, None), or (None, fault) if a number of the line is wrong."""
    numbers = []
    for side in SIDES:
        text = values[side]
        try:
            number = float(text)
        except ValueError:
            return None, f"{side} is {text[:40]!r}; write a number of pixels"
        if not math.isfinite(number):
            return None, f"{side} is {text[:40]}; write a finite number of pixels"
        if side in ("width", "height") and number <= 0:
            return None, f"{side} is {text[:40]}; write a number above 0"
        numbers.append(number)
    left, top, width, height = numbers
    return (left, top, left + width, top + height), None
