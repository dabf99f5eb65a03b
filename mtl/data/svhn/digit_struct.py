"""digitStruct.mat: the numbers and boxes of SVHN's images, a file of MATLAB 7.3 (HDF5)."""

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

import h5py
import numpy as np

from mtl.data.images import Box
from mtl.data.svhn import hdf5
from mtl.data.svhn.skips import EntryError
from mtl.errors import DataError

STRUCT = "digitStruct.mat"
# SVHN's numbers have at most six digits. A longer list is an error, and would be slow to read.
MAX_BOXES = 16
MAX_NAME = 255  # characters of a file name
MAX_ENTRIES = 1_000_000  # five times as many as in extra; their references take 250 MB
_FIELDS = (b"label", b"left", b"top", b"width", b"height")


class Entry(NamedTuple):
    """One image."""

    name: str  # of the file, "17.png"
    number: str
    boxes: list[Box]  # one for each digit, drawn by people; it may extend beyond the image


def entries(
    path: str,
    wanted: Callable[[str], bool] | None = None,
    on_error: Callable[[str, str, str], None] | None = None,
) -> Iterator[Entry]:
    """Read the entries of a digitStruct.mat, one at a time.

    Args:
      wanted: function file name -> bool, selects entries; None reads all. The boxes of other
        entries are not read, which saves most of the time.
      on_error: function (file name, kind, message) -> None, called for each broken entry, which is
        then skipped. The file name is "" if it is broken. None raises at the first broken entry.

    Yields:
      Entry, in the order of the file.

    Raises:
      DataError: the file is missing, not HDF5, or lacks a field, or an entry is broken. The message
        names the entry.
    """
    with hdf5.open_file(path) as file:
        names, boxes = _references(path, file)
        for index, (name_cell, boxes_cell) in enumerate(zip(names, boxes), 1):
            where, name, entry = f"entry {index}", "", None
            try:
                name = _name(hdf5.follow(file, name_cell, b"name"))
                where = f"entry {index} ({name})"
                if wanted is None or wanted(name):
                    entry = _entry(file, name, hdf5.follow(file, boxes_cell, b"bbox"))
            except hdf5.ERRORS as error:
                if on_error is None:
                    raise _broken(path, where, error) from None
                kind = getattr(error, "kind", hdf5.UNREADABLE)
                on_error(name, kind, f"{where}: {hdf5.reason(error)}")
            if entry:
                yield entry


def _references(path, file):
    """Return the references to the names and to the boxes of all images, two lists."""
    try:
        hdf5.limit_cache(file)
        struct = hdf5.member(file.id, b"digitStruct")
        names = _cells(hdf5.member(struct, b"name"))
        boxes = _cells(hdf5.member(struct, b"bbox"))
        if len(names) != len(boxes):
            raise ValueError(f"{len(names)} names, but {len(boxes)} boxes")
    except hdf5.ERRORS as error:
        raise _broken(path, "digitStruct", error) from None
    return names, boxes


def _broken(path, where, error):
    cure = "download the file again, or write it in SVHN's layout"
    return DataError(f"{path}: {where}: {hdf5.reason(error)}; {cure}")


def _cells(field):
    """List the references in a field of digitStruct.

    For a single image MATLAB writes no reference. The list then contains the object itself.
    """
    if isinstance(field, h5py.h5d.DatasetID) and field.dtype.kind == "O":
        return list(hdf5.read_array(field, MAX_ENTRIES))
    return [field]


def _name(dataset):
    """Return the file name in an array of UTF-16 code units."""
    characters = hdf5.read_array(dataset, MAX_NAME)
    if characters.dtype.kind != "u" or not characters.size:
        raise EntryError("invalid file names", "the name is not text")
    name = characters.astype("<u2").tobytes().decode("utf-16-le")
    if os.path.basename(name) != name or name in (".", "..") or not name.isprintable():
        raise EntryError("invalid file names", f"{name!r} is not the name of a file beside it")
    return name


def _entry(file, name, boxes):
    """Return the Entry of an image; boxes: the HDF5 identifier of its boxes."""
    if hdf5.is_empty(boxes):  # an image without digits
        return Entry(name, "", [])
    fields = [_numbers(file, boxes, field) for field in _FIELDS]
    if len({len(values) for values in fields}) > 1:
        message = "label, left, top, width and height differ in number"
        raise EntryError("incomplete boxes", message)
    if not np.isfinite(fields).all():
        raise EntryError("labels or boxes that are not finite", "a label or a box is not finite")
    for label in fields[0]:
        if label not in range(1, 11):
            message = f"the label {label:g} is not one of 1 to 10 (10 is the digit 0)"
            raise EntryError("labels outside 1 to 10", message)
    number = "".join(str(int(label) % 10) for label in fields[0])
    sides = zip(*fields[1:])
    return Entry(name, number, [(x, y, x + width, y + height) for x, y, width, height in sides])


def _numbers(file, boxes, field):
    """Return one field of all boxes. For a single box it contains the value, not a reference."""
    cells = hdf5.read_array(hdf5.member(boxes, field), MAX_BOXES)
    if cells.dtype.kind == "O":
        return [hdf5.read_value(hdf5.follow(file, cell, field)) for cell in cells]
    return [float(cell) for cell in cells]
