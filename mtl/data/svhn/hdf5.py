"""Read HDF5 files of unknown origin: no other file is opened, and memory is bounded.

The functions use h5py's low-level identifiers, because file[reference][()] takes three times as
long, and SVHN's extra split has 2.5 million references.
"""

import itertools
import math
import os
import zlib

import h5py
import numpy as np

from mtl.data.svhn.skips import EntryError
from mtl.errors import DataError

MAX_ARRAY = 1 << 16  # bytes of a small array in memory, or of one chunk of it
# Bytes of HDF5's metadata cache. With the default of 32 MB, HDF5 takes half a gigabyte of memory.
# Nothing is read twice here, so a small cache costs no time.
CACHE = 1 << 20
UNREADABLE = "unreadable entries"  # the kind of the entries that HDF5 itself cannot read
TOO_MANY = "too many boxes or too long a name"
# What h5py raises at a missing name, a null reference or damaged bytes.
ERRORS = (
    OSError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    MemoryError,
    zlib.error,
)
# The filters that MATLAB uses.
_PACKED = ([h5py.h5z.FILTER_DEFLATE], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE])
_ONE = h5py.h5s.create_simple((1,))


def open_file(path: str) -> h5py.File:
    """Open a file for reading.

    Raises:
      DataError: it is missing, locked, not readable or not HDF5.
    """
    if not os.path.isfile(path):
        cure = "unpack SVHN's archive of full numbers (format 1), which has it beside the images"
        raise DataError(f"{path}: no such file; {cure}")
    try:
        return h5py.File(path, "r")
    except PermissionError:
        raise DataError(f"{path}: no permission to read it; change its permissions") from None
    except BlockingIOError:
        what = "locked by a process that writes it"
        raise DataError(f"{path}: {what}; repeat when it is finished") from None
    except OSError:
        what = "not an HDF5 file (MATLAB 7.3), or incomplete"
        raise DataError(f"{path}: {what}; download it again") from None


def limit_cache(file: h5py.File) -> None:
    """Limit HDF5's metadata cache to CACHE bytes."""
    cache = file.id.get_mdc_config()
    cache.set_initial_size = True
    cache.initial_size = CACHE
    cache.min_size = CACHE
    cache.max_size = CACHE
    file.id.set_mdc_config(cache)


def reason(error: Exception) -> str:
    """Return the message of one of ERRORS, on one line."""
    # args[0], because str() puts quotes around the message of a KeyError.
    text = " ".join(str(error.args[0] if error.args else type(error).__name__).split())
    if isinstance(error, (AttributeError, TypeError)):  # h5py: another kind of object
        return "an array, a group or a value where SVHN has another kind of object"
    if isinstance(error, (OSError, RuntimeError, zlib.error)):
        return f"HDF5 cannot read it ({text})"
    return text


def member(group, name: bytes):
    """Return the identifier of a member of a group.

    Raises:
      KeyError: there is no such member.
      ValueError: it is a soft or external link, which could lead to another file or a pipe.
    """
    try:
        kind = group.links.get_info(name).type
    except (KeyError, RuntimeError):  # depends on the version; the message does not say what
        raise KeyError(f"{name.decode()} is missing") from None
    if kind != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name.decode()} is a soft or external link")
    return h5py.h5o.open(group, name)


def follow(file: h5py.File, cell, field: bytes):
    """Return the identifier of the object of a reference; anything else is returned unchanged.

    Args:
      field: the name of the reference in errors.

    Raises:
      EntryError: the reference is null, or its object does not exist.
    """
    if not isinstance(cell, h5py.Reference):
        return cell
    try:
        found = h5py.h5r.dereference(cell, file.id)
    except (KeyError, OSError, RuntimeError, ValueError):
        message = f"{field.decode()} is a reference to an object that does not exist"
        raise EntryError(UNREADABLE, message) from None
    if found is None:
        raise EntryError("null references", f"{field.decode()} is a null reference")
    return found


def is_empty(dataset) -> bool:
    """Return whether MATLAB marked an array as empty. Then its values are its dimensions."""
    return h5py.h5a.exists(dataset, b"MATLAB_empty")


def read_array(dataset, limit: int) -> np.ndarray:
    """Return the values of an HDF5 dataset, flattened.

    Args:
      limit: the largest number of values.

    Raises:
      EntryError: it has more values.
      ValueError: MATLAB does not write its type or its storage layout.
    """
    if is_empty(dataset):
        return np.empty(0)
    shape, dtype = dataset.shape, dataset.dtype  # each access takes longer than the check above
    size = math.prod(shape)
    if size > limit:
        raise EntryError(TOO_MANY, f"{size} values, more than the limit of {limit}")
    if dtype.kind not in "uif" and h5py.check_ref_dtype(dtype) is None:
        raise ValueError(f"values of the type {dtype}"[:80])  # text of any length, for example
    _check_storage(dataset, max(MAX_ARRAY, limit * dtype.itemsize))
    values = np.empty(shape, dtype)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values.ravel()


def read_value(dataset) -> float:
    """Return the only number in an HDF5 dataset; h5py raises OSError for several, or for text."""
    _check_storage(dataset, MAX_ARRAY)
    value = np.empty(1)
    dataset.read(_ONE, h5py.h5s.ALL, value)  # converted to float64 from any type
    return float(value[0])


def _check_storage(dataset, limit):
    """Raise ValueError if reading a dataset opens other files or needs more than `limit` bytes."""
    is_contiguous = dataset.get_offset() is not None
    if is_contiguous and dataset.get_storage_size() <= limit:  # nearly always
        return
    layout = dataset.get_create_plist()
    chunk = layout.get_chunk() if layout.get_layout() == h5py.h5d.CHUNKED else ()
    size = math.prod(chunk or dataset.shape) * dataset.get_type().get_size()
    if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
        raise ValueError("an array with values in another file")
    if max(size, dataset.get_storage_size()) > limit:
        raise ValueError(f"an array in chunks of {size} bytes, more than the limit of {limit}")
    filters = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
    if not filters:
        return
    if filters not in _PACKED:
        raise ValueError("an array with a filter that MATLAB does not use")
    corners = (range(0, length, step) for length, step in zip(dataset.shape, chunk))
    for corner in itertools.product(*corners):
        _check_chunk(dataset, corner, size)


def _check_chunk(dataset, corner, size):
    """Raise ValueError if a compressed chunk expands to more than `size` bytes.

    HDF5 itself would check the size only after decompressing all of it.
    """
    mask, packed = dataset.read_direct_chunk(corner)
    is_compressed = not mask
    if is_compressed and len(zlib.decompressobj().decompress(packed, size + 1)) > size:
        raise ValueError("a compressed array that is larger than its header says")
