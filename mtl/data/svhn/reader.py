"""Street View House Numbers, full numbers: DIR/{train,test,extra}/N.png and digitStruct.mat as MATLAB 7.3 (HDF5) wrote it."""

import itertools
import math
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import h5py
import numpy as np

from mtl.data import images
from mtl.data.examples import Examples, empty_windows, find_split
from mtl.errors import DataError, NoExamplesError

DATASET = "svhn"

STRUCT = "digitStruct.mat"
# A house number has at most six digits in SVHN. What claims many more is no list of digits, and would be read one object at a time.
MAX_BOXES = 16
MAX_NAME = 255  # characters of a file name
MAX_ENTRIES = 1_000_000  # five times as many as extra has; the references to them take 250 MB
MAX_ARRAY = 1 << 16  # bytes of an array of an entry as it lies in memory, or of a chunk of it
CACHE = (
    1 << 20
)  # bytes of HDF5's cache of metadata; its 32 MB take half a gigabyte of memory and save no time, for nothing is read twice
UNREADABLE = "entries that cannot be read"  # what the errors of HDF5 itself are counted as


class EntryError(ValueError):
    """One entry is broken: `kind` says of what sort, so that such entries can be counted, and the message says what is wrong."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Entry(NamedTuple):
    """One picture as digitStruct.mat describes it."""

    name: str  # of the file, "17.png"
    number: str
    boxes: list[images.Box]  # one for each digit, as it was drawn: it may reach beyond the picture


def load(
    data_dir: str,
    split: str,
    *,
    count: int | None = None,
    warn: Callable[[str], None] | None = None,
) -> Examples:
    """Read a split of SVHN; the window is the box of all digits, grown and clipped to the picture.

    Args:
      data_dir: str, the directory that holds train, test, extra.
      split: str, one of those, or "validation": the directory of that name, else the held out part of train.
      count: int, read the first `count` at most; None reads all.
      warn: called with a line if images are absent, and with one if some are named twice; None prints
        them on stderr.

    Returns:
      Examples in the order of digitStruct.mat. An entry without boxes is a picture of no number, and its window is the whole picture.

    Raises:
      DataError: the directory, digitStruct.mat or all of its pictures are missing (NoExamplesError), or one of them is broken.
    """
    directory, belongs = find_split(data_dir, split)
    path = os.path.join(directory, STRUCT)
    present = set(os.listdir(directory))
    absent, seen, repeated = [], set(), 0

    def wanted(name):
        nonlocal repeated
        if not belongs(name):
            return False
        if name in seen:
            repeated += 1
            return False
        if name not in present:
            absent.append(name)
            return False
        seen.add(name)
        return True

    found = list(itertools.islice(entries(path, wanted), count))
    if not found and not absent:
        raise NoExamplesError(
            f"{path}: it names no picture of the split {split}: add pictures, or a directory of that name"
        )
    if not found:
        named = f"none of the {len(absent)} pictures it names for the split {split} is there"
        raise NoExamplesError(f"{path}: {named}: put the PNG files beside it")
    if absent:
        line = f"{path}: {len(absent)} of {len(absent) + len(found)} pictures of the split {split} are absent and skipped"
        (warn or _to_stderr)(line)
    if repeated:
        what = f"entries of the split {split} skipped because an earlier one has the same name: {repeated}"
        (warn or _to_stderr)(f"{path}: {what}")

    windows = empty_windows(len(found), path)
    for i, entry in enumerate(found):
        picture = images.read(os.path.join(directory, entry.name))
        try:
            windows[i] = images.window(picture, images.grown(entry.boxes) if entry.boxes else None)
        except ValueError as error:
            raise DataError(
                f"{path}: entry {entry.name}: {error}: mend its boxes or remove the picture"
            ) from None
    return Examples(windows, [entry.number for entry in found], [entry.name for entry in found])


def entries(
    path: str,
    wanted: Callable[[str], bool] = lambda name: True,
    on_error: Callable[[str, str, str], None] | None = None,
) -> Iterator[Entry]:
    """Read the entries of a digitStruct.mat, one at a time.

    Args:
      path: str.
      wanted: function file name -> bool; the boxes of other entries are not read, which takes most of the time.
      on_error: called with (file name, "" where it is the name that is broken; the kind of the error; its message) for each
        broken entry, which is then passed over; None raises at the first.

    Yields:
      Entry, in the order of the file.

    Raises:
      DataError: the file is missing or not HDF5, lacks a field, or an entry is broken; the message names the entry.
    """
    if not os.path.isfile(path):
        raise DataError(
            f"{path}: no such file: unpack the SVHN archive of full numbers (format 1) so that it lies beside the PNG files"
        )
    try:
        file = h5py.File(path, "r")
    except PermissionError:
        raise DataError(f"{path}: no permission to read it: change its permissions") from None
    except BlockingIOError:
        what = "locked by a process that writes it"
        raise DataError(f"{path}: {what}: repeat when it is done") from None
    except OSError:
        raise DataError(
            f"{path}: not an HDF5 file (MATLAB 7.3), or cut short: fetch it again"
        ) from None
    with file:
        try:
            _limit_cache(file)
            struct = _member(file.id, b"digitStruct")
            names, boxes = _cells(_member(struct, b"name")), _cells(_member(struct, b"bbox"))
            if len(names) != len(boxes):
                raise ValueError(f"{len(names)} names and {len(boxes)} boxes")
        except _BROKEN as error:
            raise _broken(path, "digitStruct", error) from None
        for i, (name_cell, boxes_cell) in enumerate(zip(names, boxes, strict=True)):
            where, name, entry = f"entry {i + 1}", "", None
            try:
                name = _name(_follow(file, name_cell, b"name"))
                where = f"entry {i + 1} ({name})"
                if wanted(name):
                    entry = _entry(file, name, _follow(file, boxes_cell, b"bbox"))
            except _BROKEN as error:
                if on_error is None:
                    raise _broken(path, where, error) from None
                on_error(name, getattr(error, "kind", UNREADABLE), f"{where}: {_reason(error)}")
            if entry:
                yield entry


# What h5py raises at a missing name, a null reference or damaged bytes, and what is raised below.
_BROKEN = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    zlib.error,
)


def _broken(path, where, error):
    return DataError(
        f"{path}: {where}: {_reason(error)}: fetch the file again, or write it as SVHN lays it out"
    )


def _reason(error):
    """Say on one line what is wrong; str of a KeyError has quotes around it."""
    words = " ".join(str(error.args[0] if error.args else type(error).__name__).split())
    if isinstance(error, (AttributeError, TypeError)):  # h5py's words for another kind of object
        return "an array, a group or a value where SVHN has another kind of object"
    if isinstance(error, (OSError, RuntimeError, zlib.error)):
        return f"HDF5 cannot read it ({words})"
    return words


def _limit_cache(file):
    """Hold HDF5's cache of metadata at CACHE bytes."""
    cache = file.id.get_mdc_config()
    cache.set_initial_size, cache.initial_size, cache.min_size, cache.max_size = (
        True,
        CACHE,
        CACHE,
        CACHE,
    )
    file.id.set_mdc_config(cache)


# Below, h5py's low-level identifiers: a digit is five references, and file[reference][()] takes three times as long for each. Of extra's
# 200,000 entries these are 2.5 million, so that what is asked of each of them counts.


def _member(group, name):
    """Open a member of a group; soft and external links are followed nowhere: they could lead to another file, or to a pipe."""
    try:
        kind = group.links.get_info(name).type
    except (KeyError, RuntimeError):  # by its version; and HDF5 does not say of what
        raise KeyError(f"no {name.decode()} there") from None
    if kind != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name.decode()} is a link to elsewhere")
    return h5py.h5o.open(group, name)


def _cells(field):
    """List what a field of the struct array holds: references, or where the array has one element the object itself."""
    if isinstance(field, h5py.h5d.DatasetID) and field.dtype.kind == "O":
        return list(_array(field, MAX_ENTRIES))
    return [field]


def _follow(file, cell, field):
    """Return the identifier that a reference leads to, or the object; errors name the field."""
    if not isinstance(cell, h5py.Reference):
        return cell
    try:
        found = h5py.h5r.dereference(cell, file.id)
    except (KeyError, OSError, RuntimeError, ValueError):
        message = f"{field.decode()} is a reference to an object that is not there"
        raise EntryError(UNREADABLE, message) from None
    if found is None:
        raise EntryError("null references", f"{field.decode()} is a null reference")
    return found


def _array(dataset, limit):
    """Read all of a data set, flat; MATLAB marks an empty array, and writes its dimensions as if they were values."""
    if h5py.h5a.exists(dataset, b"MATLAB_empty"):
        return np.empty(0)
    shape, dtype = (
        dataset.shape,
        dataset.dtype,
    )  # asked for once: it takes longer than to look for an attribute
    if math.prod(shape) > limit:
        raise EntryError(
            "too many boxes, or too long a name",
            f"{math.prod(shape)} values, and at most {limit} are read",
        )
    if (
        dtype.kind not in "uif" and h5py.check_ref_dtype(dtype) is None
    ):  # texts of any length, for one
        raise ValueError(f"values of the type {dtype}"[:80])
    _check_storage(dataset, max(MAX_ARRAY, limit * dtype.itemsize))
    values = np.empty(shape, dtype)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values.ravel()


def _check_storage(dataset, limit):
    """Raise ValueError where to read a data set leads to other files, or takes more than `limit` bytes of memory on the way."""
    if (
        dataset.get_offset() is not None and dataset.get_storage_size() <= limit
    ):  # in one piece, as nearly all are
        return
    layout = dataset.get_create_plist()
    chunk = layout.get_chunk() if layout.get_layout() == h5py.h5d.CHUNKED else ()
    size = math.prod(chunk or dataset.shape) * dataset.get_type().get_size()
    if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
        raise ValueError("an array whose values lie in another file")
    if max(size, dataset.get_storage_size()) > limit:
        raise ValueError(f"an array in pieces of {size} bytes, and {limit} are read")
    filters = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
    if filters not in (
        [],
        [h5py.h5z.FILTER_DEFLATE],
        [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE],
    ):
        raise ValueError("an array packed in another way than MATLAB does")
    for corner in (
        itertools.product(*map(range, itertools.repeat(0), dataset.shape, chunk)) if filters else ()
    ):
        mask, packed = dataset.read_direct_chunk(corner)
        # HDF5 would unpack all that comes, and look at its size afterwards.
        if not mask and len(zlib.decompressobj().decompress(packed, size + 1)) > size:
            raise ValueError("a packed array that is larger than it says")


def _value(dataset):
    """Read the one number that a data set holds; h5py raises OSError where it holds several, or a text."""
    _check_storage(dataset, MAX_ARRAY)
    value = np.empty(1)
    dataset.read(_ONE, h5py.h5s.ALL, value)  # as float64, whatever it was stored as
    return float(value[0])


_ONE = h5py.h5s.create_simple((1,))


def _name(dataset):
    """Read a file name out of MATLAB's array of UTF-16 units."""
    characters = _array(dataset, MAX_NAME)
    if characters.dtype.kind != "u" or not characters.size:
        raise EntryError("names that are none of a file", "the name is not a text")
    name = characters.astype("<u2").tobytes().decode("utf-16-le")
    if os.path.basename(name) != name or name in (".", "..") or not name.isprintable():
        raise EntryError(
            "names that are none of a file", f"the name {name!r} is not that of a file beside it"
        )
    return name


def _entry(file, name, boxes):
    """Read the digits and boxes of one entry."""
    if h5py.h5a.exists(boxes, b"MATLAB_empty"):  # a struct array without elements
        return Entry(name, "", [])
    names = (b"label", b"left", b"top", b"width", b"height")
    fields = [_numbers(file, boxes, field) for field in names]
    if len({len(values) for values in fields}) > 1:
        raise EntryError(
            "boxes that lack a part", "label, left, top, width and height differ in number"
        )
    if not np.isfinite(fields).all():
        raise EntryError("labels or boxes that are not finite", "a label or a box is not finite")
    for label in fields[0]:
        if label not in range(1, 11):
            raise EntryError(
                "labels beyond 1 to 10",
                f"the label {label:g} is none of 1 to 10 (10 is the digit 0)",
            )
    number = "".join(str(int(label) % 10) for label in fields[0])
    return Entry(
        name,
        number,
        [
            (left, top, left + width, top + height)
            for _, left, top, width, height in zip(*fields, strict=True)
        ],
    )


def _numbers(file, boxes, field):
    """Read one field of all boxes of an entry: a single box holds its value, several hold references to theirs."""
    cells = _array(_member(boxes, field), MAX_BOXES)
    if cells.dtype.kind == "O":
        return [_value(_follow(file, cell, field)) for cell in cells]
    return [float(cell) for cell in cells]


def _to_stderr(line):
    print(line, file=sys.stderr)
