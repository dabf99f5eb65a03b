"""Street View House Numbers, full numbers: DIR/{train,test,extra}/N.png and digitStruct.mat as MATLAB 7.3 (HDF5) wrote it."""

import os
import sys
from typing import Callable, Iterator, List, NamedTuple, Optional

import h5py
import numpy as np

from mtl.config import WINDOW
from mtl.data import images
from mtl.data.examples import Examples, source
from mtl.errors import DataError

# A house number has at most six digits in SVHN. What claims many more is no list of digits, and would be read one object at a time.
MAX_BOXES = 64
MAX_NAME = 255  # characters of a file name

_FIELDS = ("label", "left", "top", "width", "height")


class Entry(NamedTuple):
    """One picture as digitStruct.mat describes it."""

    name: str  # of the file, "17.png"
    number: str
    boxes: List[images.Box]  # one for each digit, as it was drawn: it may reach beyond the picture


def load(data_dir: str, split: str, *, count: Optional[int] = None, warn: Optional[Callable[[str], None]] = None) -> Examples:
    """Read a split of SVHN; the window is the box of all digits, grown and clipped to the picture.

    Args:
      data_dir: str, the directory that holds train, test, extra.
      split: str, one of those, or "validation": the directory of that name, else the held out part of train.
      count: int, read the first `count` at most; None reads all.
      warn: called with one line where pictures are absent; None prints it on stderr.

    Returns:
      Examples in the order of digitStruct.mat. An entry without boxes is a picture of no number, and its window is the whole picture.

    Raises:
      DataError: the directory, digitStruct.mat or all of its pictures are missing, or one of them is broken.
    """
    directory, belongs = source(data_dir, split)
    path = os.path.join(directory, "digitStruct.mat")
    present = set(os.listdir(directory))
    absent = []

    def wanted(name):
        if belongs(name) and name not in present:
            absent.append(name)
        return belongs(name) and name in present

    found = []
    for entry in entries(path, wanted):
        if count is not None and len(found) >= count:
            break
        found.append(entry)
    if not found:
        raise DataError(f"{path}: no picture of the split {split} ({len(absent)} named and absent): unpack the PNG files beside it")
    if absent:
        line = f"{path}: {len(absent)} of {len(absent) + len(found)} pictures of the split {split} are absent and skipped"
        (warn or _to_stderr)(line)

    windows = np.empty((len(found), WINDOW, WINDOW, 3), np.uint8)
    for i, entry in enumerate(found):
        picture = images.read(os.path.join(directory, entry.name))
        try:
            windows[i] = images.window(picture, images.grown(entry.boxes) if entry.boxes else None)
        except ValueError as error:
            raise DataError(f"{path}: entry {entry.name}: {error}: mend its boxes or remove the picture") from None
    return Examples(windows, [entry.number for entry in found], [entry.name for entry in found])


def entries(path: str, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Entry]:
    """Read the entries of a digitStruct.mat, one at a time.

    Args:
      path: str.
      wanted: function file name -> bool; the boxes of other entries are not read, which takes most of the time.

    Yields:
      Entry, in the order of the file.

    Raises:
      DataError: the file is missing or not HDF5, lacks a field, or an entry is broken; the message names the entry.
    """
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file: unpack the SVHN archive of full numbers (format 1) so that it lies beside the PNG files")
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise DataError(f"{path}: not an HDF5 file (MATLAB 7.3), or cut short: fetch it again") from None
    with file:
        where = "digitStruct"
        try:
            names, boxes = _cells(file["digitStruct/name"]), _cells(file["digitStruct/bbox"])
            if len(names) != len(boxes):
                raise ValueError(f"{len(names)} names and {len(boxes)} boxes")
            for i, (name_cell, boxes_cell) in enumerate(zip(names, boxes)):
                where = f"entry {i + 1}"
                name = _name(_value(file, name_cell))
                where = f"entry {i + 1} ({name})"
                if wanted(name):
                    yield _entry(file, name, _value(file, boxes_cell))
        except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, MemoryError) as error:
            # What h5py raises at a missing name, a null reference or damaged bytes; str of a KeyError has quotes around it.
            reason = " ".join(str(error.args[0] if error.args else type(error).__name__).split())
            raise DataError(f"{path}: {where}: {reason}: fetch the file again, or write it as SVHN lays it out") from None


def _cells(field):
    """List what a field of the struct array holds: references, or where the array has one element the object itself."""
    if isinstance(field, h5py.Dataset) and field.dtype.kind == "O":
        return list(field[()].ravel())
    return [field]


def _value(file, cell):
    """Follow a reference; anything else is the object itself."""
    return file[cell] if isinstance(cell, h5py.Reference) else cell


def _name(characters):
    """Read a file name out of MATLAB's array of UTF-16 units."""
    if characters.dtype.kind != "u" or not 0 < characters.size <= MAX_NAME:
        raise ValueError("the name is not a text")
    name = characters[()].astype("<u2").tobytes().decode("utf-16-le")
    if os.path.basename(name) != name or name in (".", ".."):
        raise ValueError(f"the name {name!r} is not that of a file beside it")
    return name


def _entry(file, name, group):
    """Read the digits and boxes of one entry."""
    if isinstance(group, h5py.Dataset):
        if group.attrs.get("MATLAB_empty"):  # a struct array without elements is written as a data set
            return Entry(name, "", [])
        raise ValueError("the boxes are not a struct")
    labels, lefts, tops, widths, heights = (_numbers(file, group[field]) for field in _FIELDS)
    if not len(labels) == len(lefts) == len(tops) == len(widths) == len(heights):
        raise ValueError("label, left, top, width and height differ in number")
    if not np.all(np.isfinite([labels, lefts, tops, widths, heights])):
        raise ValueError("a label or a box is not finite")
    for label in labels:
        if label not in range(1, 11):
            raise ValueError(f"the label {label:g} is none of 1 to 10 (10 is the digit 0)")
    number = "".join(str(int(label) % 10) for label in labels)
    return Entry(name, number, [(x, y, x + w, y + h) for x, y, w, h in zip(lefts, tops, widths, heights)])


def _numbers(file, field):
    """Read one field of all boxes of an entry: a single box holds its value, several hold references to theirs."""
    if field.ndim != 2 and field.attrs.get("MATLAB_empty"):
        return []
    if field.size > MAX_BOXES:
        raise ValueError(f"{field.size} boxes, and at most {MAX_BOXES} are read")
    return [float(file[cell][()].item() if isinstance(cell, h5py.Reference) else cell) for cell in field[()].ravel()]


def _to_stderr(line):
    print(line, file=sys.stderr)
